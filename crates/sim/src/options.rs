//! What a run is drawn from: the shape of the pair and of its surroundings.

use crate::host::HostId;
use crate::rng::Rng;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use keepair_core::config::{Announce, Config, Member, Priority, Timing, Vip, Vrid};
use std::time::Duration;

/// The virtual address.
pub const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));

/// The options of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Everything else is drawn from it.
    pub seed: u64,
    /// Time between two adverts.
    pub advert_interval: Duration,
    /// Time between two writes of the client, on average.
    pub client_interval: Duration,
    /// One-way delay of a frame, from and to.
    pub latency_us: (u64, u64),
    /// Delay between a replica's reading and applying a command, from and to.
    pub apply_us: (u64, u64),
    /// How long the data of a full resync travels.
    pub transfer: Duration,
    /// Time between two saves of the RDB file.
    pub save_interval: Duration,
    /// Redis asks for a password: a stopped one then does not even complete a connection.
    pub auth: bool,
    /// VRRP priorities of the two machines.
    pub priorities: [u8; 2],
}

impl Options {
    /// The plain pair that directed scenarios use.
    pub fn plain(seed: u64) -> Self {
        Options {
            seed,
            advert_interval: Duration::from_millis(100),
            client_interval: Duration::from_millis(2),
            latency_us: (50, 300),
            apply_us: (5, 60),
            transfer: Duration::from_millis(100),
            save_interval: Duration::from_secs(10),
            auth: true,
            priorities: [150, 100],
        }
    }

    /// Drawn.
    pub fn draw(seed: u64, rng: &mut Rng) -> Self {
        let priorities = *rng.pick(&[[150, 100], [100, 150], [100, 100], [254, 1]]);
        let latency_max = *rng.pick(&[60, 300, 300, 1_000]);
        Options {
            seed,
            advert_interval: Duration::from_millis(*rng.pick(&[10, 50, 100, 100, 100])),
            client_interval: Duration::from_millis(*rng.pick(&[5, 10, 20])),
            latency_us: (50, latency_max),
            apply_us: (5, *rng.pick(&[20, 100, 2_000])),
            transfer: Duration::from_millis(rng.between(1, 800)),
            save_interval: Duration::from_secs(rng.between(2, 30)),
            auth: rng.chance(500),
            priorities,
        }
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
            vips: vec![Vip { address: VIP, prefix_len: 24 }],
            members: [member(HostId::A), member(HostId::B)],
            me: host.index(),
            advert_interval: self.advert_interval,
            unicast: false,
            preempt: false,
            checksum_pseudo_header: false,
            redis_port: 6379,
            timing: Timing::default(),
            announce: Announce::default(),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "adverts every {:?}, a write every {:?}, frames take {}-{} us, commands are applied \
             after {}-{} us, a full resync takes {:?}, saved every {:?}, {}, priorities {}/{}",
            self.advert_interval,
            self.client_interval,
            self.latency_us.0,
            self.latency_us.1,
            self.apply_us.0,
            self.apply_us.1,
            self.transfer,
            self.save_interval,
            if self.auth { "with password" } else { "without password" },
            self.priorities[0],
            self.priorities[1],
        )
    }
}
