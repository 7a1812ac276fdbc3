//! Random runs: a subset of the faults, drawn from the seed, one at a time over a minute, each
//! mended, and everything looked at when it has settled.
//!
//! With [`Draw::overlap`] the faults do not wait for each other; nothing is promised for that yet.

use crate::daemon::{Moment, Step};
use crate::fault::Fault;
use crate::host::HostId;
use crate::network::Traffic;
use crate::options::Options;
use crate::redis::Boot;
use crate::rng::Rng;
use crate::world::{Event, World};
use keepair_core::time::Time;
use std::time::Duration;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Frames are lost here and there.
    Loss,
    /// The daemon is killed and started again.
    DaemonKill,
    /// The daemon is stopped for a while.
    DaemonStop,
    /// SIGTERM, and a start later.
    DaemonTerminate,
    /// Redis is killed and started from its file.
    RedisKill,
    /// Redis is killed and started at once without data.
    RedisEmpty,
    /// Redis is stopped for a while.
    RedisStop,
    /// A long script.
    RedisBusy,
    /// Redis answers late.
    RedisSlow,
    /// The cable is out for a while.
    Unplug,
    /// The machine is off for a while.
    Power,
    /// An operator asks for a switchover.
    Switchover,
    /// One kind of datagram does not get through.
    Deaf,
    /// The two machines do not reach each other, clients reach both.
    Partition,
    /// Somebody removes the address.
    TakeAddress,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Loss,
        Kind::DaemonKill,
        Kind::DaemonStop,
        Kind::DaemonTerminate,
        Kind::RedisKill,
        Kind::RedisEmpty,
        Kind::RedisStop,
        Kind::RedisBusy,
        Kind::RedisSlow,
        Kind::Unplug,
        Kind::Power,
        Kind::Switchover,
        Kind::Deaf,
        Kind::Partition,
        Kind::TakeAddress,
    ];
}

/// A fault with everything about it that was drawn before it is known whom it hits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Episode {
    /// What.
    pub kind: Kind,
    /// The machine that serves, or the other one.
    pub hits_serving: bool,
    /// How long.
    pub length: Duration,
    /// Something drawn, for the details.
    pub detail: u64,
    /// A switchover is asked for so long after the beginning.
    pub switchover: Option<Duration>,
}

/// How to draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Draw {
    /// Faults do not wait until the one before has been mended and has settled.
    pub overlap: bool,
}

/// What was drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The pair and its surroundings.
    pub options: Options,
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// The machine whose Redis is the primary at the beginning.
    pub primary: HostId,
    /// When what begins.
    pub episodes: Vec<(Time, Episode)>,
    /// When everything is mended.
    pub ends_at: Time,
    /// Faults overlap.
    pub overlap: bool,
}

/// The end of the random part.
const FAULTS_FOR: Time = Time(60_000_000);
/// The first fault.
const FIRST: Time = Time(8_000_000);
/// What a pair is given to come back.
pub const SETTLE: Duration = Duration::from_secs(10);

impl Plan {
    /// Draws a plan.
    pub fn draw(seed: u64, draw: Draw) -> Plan {
        let mut rng = Rng::new(seed);
        let options = Options::draw(seed, &mut rng);
        let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|_| rng.chance(350)).collect();
        if kinds.is_empty() {
            kinds.push(*rng.pick(&Kind::ALL));
        }
        let primary = *rng.pick(&HostId::BOTH);
        let switchovers = rng.chance(300);
        let mut episodes = Vec::new();
        let mut at = FIRST;
        while at < FAULTS_FOR {
            let length_ms = match rng.between(0, 2) {
                0 => rng.between(1, 200),
                1 => rng.between(200, 2_000),
                _ => rng.between(2_000, 7_000),
            };
            let length = Duration::from_millis(length_ms);
            let kind = *rng.pick(&kinds);
            // Takeovers are short: a daemon's fault meets them only if there are some.
            let daemon = matches!(kind, Kind::DaemonKill | Kind::DaemonStop);
            let often = if daemon { 600 } else { 400 };
            let switchover = (switchovers && rng.chance(often))
                .then(|| Duration::from_micros(rng.between(0, 400_000)));
            episodes.push((
                at,
                Episode {
                    kind,
                    hits_serving: rng.chance(700),
                    length,
                    detail: rng.bits(),
                    switchover,
                },
            ));
            let pause = if draw.overlap {
                Duration::from_millis(rng.between(1, 6_000))
            } else {
                length + SETTLE + Duration::from_millis(rng.between(500, 2_000))
            };
            at = at + pause;
        }
        Plan { options, kinds, primary, episodes, ends_at: at, overlap: draw.overlap }
    }

    /// Runs it to its end, or to the first violation.
    pub fn run(&self) -> World {
        let mut world = World::new(self.options.clone());
        world.begin_pair(self.primary);
        if !self.overlap {
            world.schedule(FIRST, Event::Settled);
        }
        for (at, episode) in &self.episodes {
            world.schedule(*at, Event::Episode(Box::new(episode.clone())));
            if !self.overlap {
                world.schedule(*at + episode.length + SETTLE, Event::Settled);
            }
        }
        world.run_until(self.ends_at);
        if world.violations.is_empty() {
            world.heal();
        }
        world.schedule(self.ends_at + SETTLE, Event::Settled);
        world.run_until(self.ends_at + SETTLE);
        world
    }
}

impl World {
    /// A pair as an operator would hand it over: one primary with data, one replica, no daemon
    /// yet; then both daemons start.
    pub fn begin_pair(&mut self, primary: HostId) {
        for host in HostId::BOTH {
            self.start_redis(host, Boot::Empty);
        }
        self.hosts[primary].redis.seed_data(1_000_000_000..1_000_000_100);
        self.make_replica(primary.peer());
        for host in HostId::BOTH {
            let after = Duration::from_millis(self.rng.between(500, 1_500));
            self.plan(after, Fault::StartDaemon(host));
        }
        self.start_client();
    }

    /// `REPLICAOF`, by hand.
    pub(crate) fn make_replica(&mut self, host: HostId) {
        let mut effects = Vec::new();
        self.hosts[host].redis.follow(&mut effects);
        self.perform_effects(host, effects);
    }

    pub(crate) fn unfold(&mut self, episode: &Episode) {
        let mut rng = Rng::new(episode.detail);
        let serving = self.serving().unwrap_or(HostId::A);
        let host = if episode.hits_serving { serving } else { serving.peer() };
        let length = episode.length;
        let ms = Duration::from_millis;
        let moment = match rng.between(0, 5) {
            0 | 1 => None,
            2 | 3 => Some(Moment::Middle(rng.between(0, 8) as u32)),
            _ => Some(Moment::After(*rng.pick(&Step::ALL))),
        };
        let close_after = ms(*rng.pick(&[1, 1, 20, 350]));
        let mut plan = |after: Duration, fault: Fault| self.plan(after, fault);
        let zero = Duration::ZERO;
        match episode.kind {
            Kind::Loss => {
                plan(zero, Fault::Lose(*rng.pick(&[2, 10, 30])));
                plan(length, Fault::Lose(0));
            }
            Kind::DaemonKill => {
                let restart = Fault::RestartDaemon(host, length);
                plan(zero, trapped(host, moment, restart));
            }
            Kind::DaemonStop => {
                let freeze = Fault::FreezeDaemon(host, length);
                plan(zero, trapped(host, moment, freeze));
            }
            Kind::DaemonTerminate => {
                plan(zero, Fault::Terminate(host));
                plan(length + ms(3_000), Fault::StartDaemon(host));
            }
            Kind::RedisKill => {
                plan(zero, Fault::KillRedis(host, close_after));
                plan(close_after + length, Fault::StartRedis(host, Boot::Rdb));
            }
            Kind::RedisEmpty => {
                plan(zero, Fault::KillRedis(host, close_after));
                let after = Duration::from_micros(rng.between(100, 30_000));
                plan(close_after + after, Fault::StartRedis(host, Boot::Empty));
            }
            Kind::RedisStop => {
                plan(zero, Fault::StopRedis(host));
                plan(length, Fault::ContinueRedis(host));
            }
            Kind::RedisBusy => plan(zero, Fault::OccupyRedis(host, length.min(ms(2_500)))),
            Kind::RedisSlow => {
                plan(zero, Fault::SlowRedis(host, ms(rng.between(1, 60))));
                plan(length, Fault::SlowRedis(host, zero));
            }
            Kind::Unplug => {
                plan(zero, Fault::Unplug(host));
                plan(length, Fault::Plug(host));
            }
            Kind::Power => {
                // No machine boots in less; a reset that nobody notices is `power-reset`.
                let length = length.max(ms(1_000));
                plan(zero, Fault::PowerOff(host));
                let boot = *rng.pick(&[Boot::Rdb, Boot::Rdb, Boot::Empty]);
                let redis = ms(rng.between(10, 1_000));
                let daemon = ms(rng.between(10, 1_000));
                plan(length, Fault::PowerOn(host, boot, redis, daemon));
            }
            Kind::Switchover => {
                plan(zero, Fault::Switchover(host));
                if rng.chance(300) {
                    let again = Duration::from_micros(rng.between(10, 20_000));
                    plan(again, Fault::Switchover(*rng.pick(&HostId::BOTH)));
                }
            }
            Kind::Deaf => {
                let kind = *rng.pick(&[Traffic::Adverts, Traffic::Reports]);
                plan(zero, Fault::Cut(host, vec![kind]));
                if rng.chance(500) {
                    plan(zero, Fault::Cut(host.peer(), vec![kind]));
                }
                plan(length, Fault::Mend);
            }
            Kind::Partition => {
                plan(zero, Fault::Cut(host, Traffic::ALL.to_vec()));
                if rng.chance(700) {
                    plan(zero, Fault::Cut(host.peer(), Traffic::ALL.to_vec()));
                }
                plan(length, Fault::Mend);
            }
            Kind::TakeAddress => plan(zero, Fault::TakeAddress(host)),
        }
        if let Some(after) = episode.switchover {
            let host = *rng.pick(&HostId::BOTH);
            self.plan(after, Fault::Switchover(host));
        }
    }
}

fn trapped(host: HostId, moment: Option<Moment>, fault: Fault) -> Fault {
    match moment {
        Some(moment) => Fault::Trap(host, moment, Box::new(fault)),
        None => fault,
    }
}

#[cfg(test)]
mod tests;
