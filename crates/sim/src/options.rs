//! What a run is drawn from: the shape of the pair and of its surroundings.

use crate::host::HostId;
use crate::redis::{Persistence, Setup, Version};
use crate::rng::Rng;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use keepair_core::config::{Announce, Config, Member, Priority, Timing, Vip, Vrid};
use std::time::Duration;

/// The virtual addresses that a pair may have; clients write to the first, which it always has.
pub const VIPS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 101))];

/// Drawn from a stream of its own: the rest of a seed is the same with and without.
const TIE_BREAKERS: u64 = 0x6172_6269_7465_7273;
const FILES: u64 = 0x7265_6469_732e_636f;

/// Times between two adverts; those that make runs long are seldom drawn.
const ADVERTS_MS: [u64; 16] =
    [10, 50, 50, 100, 100, 100, 100, 100, 100, 100, 100, 200, 250, 250, 1_000, 1_000];

/// The options of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Everything else is drawn from it.
    pub seed: u64,
    /// Time between two adverts.
    pub advert_interval: Duration,
    /// Adverts go to the peer's address.
    pub unicast: bool,
    /// The better priority gets the address back.
    pub preempt: bool,
    /// VRRP priorities of the two machines.
    pub priorities: [u8; 2],
    /// Time between two writes of the client, on average, while something is going on.
    pub client_interval: Duration,
    /// The same, while nothing is.
    pub client_rest: Duration,
    /// One-way delay of a frame, from and to.
    pub latency_us: (u64, u64),
    /// What each machine's clock gains, in parts of a million.
    pub clock_ppm: [i64; 2],
    /// There is another virtual router on the network, and worse.
    pub neighbour: bool,
    /// How many tie-breakers there are.
    pub tie_breakers: usize,
    /// How Redis is set up, on both machines.
    pub redis: Setup,
    /// What survives the process on the second machine, if it is something else.
    pub second_persistence: Option<Persistence>,
    /// The machine whose redis.conf makes its Redis the other one's replica at every start.
    pub replicaof: Option<HostId>,
}

impl Options {
    /// The plain pair that directed scenarios use.
    pub fn plain(seed: u64) -> Self {
        Options {
            seed,
            advert_interval: Duration::from_millis(100),
            unicast: false,
            preempt: false,
            priorities: [150, 100],
            client_interval: Duration::from_millis(2),
            client_rest: Duration::from_millis(2),
            latency_us: (50, 300),
            clock_ppm: [0, 0],
            neighbour: false,
            tie_breakers: 0,
            redis: Setup::default(),
            second_persistence: None,
            replicaof: None,
        }
    }

    /// Drawn.
    pub fn draw(seed: u64, rng: &mut Rng) -> Self {
        let ms = Duration::from_millis;
        let priorities = *rng.pick(&[[150, 100], [100, 150], [100, 100], [254, 1]]);
        let latency_max = *rng.pick(&[60, 300, 300, 1_000]);
        let drift = *rng.pick(&[0, 0, 50, 10_000]);
        let mut ppm = || rng.between(0, 2 * drift) as i64 - drift as i64;
        let clock_ppm = [ppm(), ppm()];
        let save = Persistence::Rdb(ms(rng.between(2_000, 30_000)));
        let persistence = *rng.pick(&[save, save, Persistence::Aof, Persistence::Off]);
        let mut files = Rng::new(seed ^ FILES);
        let second = files.chance(250).then(|| *files.pick(&[save, Persistence::Aof]));
        let replicaof = files.chance(250).then(|| *files.pick(&HostId::BOTH));
        let recent = Version::V7_0;
        let version = *rng.pick(&[recent, recent, recent, Version::V6_2, Version::V6_0]);
        // Before 6.2, INFO does not tell what was read and is not applied yet.
        let apply_us =
            *rng.pick(if version > Version::V6_0 { &[20, 100, 2_000] } else { &[20, 50, 100] });
        Options {
            seed,
            advert_interval: ms(*rng.pick(&ADVERTS_MS)),
            unicast: rng.chance(200),
            preempt: rng.chance(150),
            priorities,
            client_interval: ms(*rng.pick(&[5, 10, 20])),
            client_rest: ms(50),
            latency_us: (50, latency_max),
            clock_ppm,
            neighbour: rng.chance(150),
            tie_breakers: *Rng::new(seed ^ TIE_BREAKERS).pick(&[0, 0, 0, 1, 1, 2]),
            redis: Setup {
                transfer: ms(rng.between(1, 800)),
                version,
                persistence,
                auth: rng.chance(500),
                apply_us: (5, apply_us),
                load_us: (1_000, *rng.pick(&[20_000, 50_000, 1_500_000])),
                backlog_bytes: *rng.pick(&[1 << 26, 1 << 26, 1 << 26, 4_096]),
            },
            second_persistence: second,
            replicaof,
        }
    }

    /// How Redis is set up on one machine.
    pub fn setup(&self, host: HostId) -> Setup {
        let second = self.second_persistence.filter(|_| host == HostId::B);
        Setup { persistence: second.unwrap_or(self.redis.persistence), ..self.redis }
    }

    /// The configuration of one machine.
    pub fn config(&self, host: HostId) -> Config {
        let member = |id: HostId| Member {
            name: id.to_string(),
            address: id.address(),
            priority: Priority(self.priorities[id.index()]),
        };
        Config {
            vrid: Vrid(51),
            vips: vec![Vip { address: VIPS[0], prefix_len: 24 }],
            members: [member(HostId::A), member(HostId::B)],
            me: host.index(),
            advert_interval: self.advert_interval,
            unicast: self.unicast,
            preempt: self.preempt,
            checksum_pseudo_header: false,
            redis_port: 6379,
            timing: Timing::default(),
            announce: Announce::default(),
            tie_breakers: (0..self.tie_breakers).map(|n| format!("third {n}")).collect(),
            peer_port: 10112,
            copy_limit_bytes: 64 << 20,
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |word: &'static str, is: bool| if is { word } else { "" };
        write!(
            f,
            "adverts every {:?}{}{}, {} tie-breakers, priorities {}/{}, clocks gain {}/{} us a second, a write every \
             {:?}, frames take {}-{} us{}, {}{}{}",
            self.advert_interval,
            yes(", unicast", self.unicast),
            yes(", preempt", self.preempt),
            self.tie_breakers,
            self.priorities[0],
            self.priorities[1],
            self.clock_ppm[0],
            self.clock_ppm[1],
            self.client_interval,
            self.latency_us.0,
            self.latency_us.1,
            yes(", a neighbour", self.neighbour),
            self.redis,
            self.second_persistence.map_or_else(String::new, |kind| format!(", on B {kind:?}")),
            self.replicaof.map_or_else(String::new, |host| format!(", `replicaof` on {host}")),
        )
    }
}
