//! Kinds of faults, and how each of them unfolds when it is known whom it hits.

use crate::arbiter::Trouble;
use crate::daemon::{Moment, Step};
use crate::fault::{Change, Fault};
use crate::host::{Disk, HostId};
use crate::kernel::Netlink;
use crate::network::{Traffic, Weather};
use crate::redis::Boot;
use crate::rng::Rng;
use crate::world::World;
use std::time::Duration;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Frames are lost here and there.
    Loss,
    /// Frames are held up here and there.
    Delay,
    /// Datagrams come twice and overtake each other.
    Doubles,
    /// Most announcements are lost.
    ArpLoss,
    /// The daemon is killed and started again.
    DaemonKill,
    /// The daemon is stopped for a while.
    DaemonStop,
    /// SIGTERM, and a start later.
    DaemonTerminate,
    /// The configuration changes.
    Reload,
    /// Redis is killed and started from its file.
    RedisKill,
    /// Redis is killed and started at once without data.
    RedisEmpty,
    /// Redis saves, ends, and is started again.
    RedisShutdown,
    /// Redis is stopped for a while.
    RedisStop,
    /// A long script.
    RedisBusy,
    /// Redis waits for its disk.
    RedisStall,
    /// Redis answers late.
    RedisSlow,
    /// Redis can't save, and refuses writes.
    RedisMisconf,
    /// The cable is out for a while.
    Unplug,
    /// The machine is off for a while.
    Power,
    /// The machine's processor stands still for a while.
    Freeze,
    /// An operator asks for a switchover.
    Switchover,
    /// One kind of datagram does not get through.
    Deaf,
    /// The two machines do not reach each other, in one direction or both; clients reach both.
    Partition,
    /// Clients do not reach a machine.
    CutClients,
    /// Somebody removes the address.
    TakeAddress,
    /// Somebody flushes the firewall.
    FlushRules,
    /// The kernel makes the daemon wait.
    SlowNetlink,
    /// The kernel refuses.
    RefusingNetlink,
    /// The state directory's disk is slow, or full.
    BadDisk,
    /// The standby's daemon is stopped for an upgrade; meanwhile the primary's Redis dies, and is started
    /// from its file.
    StandbyAway,
    /// The standby's Redis is started empty, and the primary's dies while or right after it receives
    /// everything.
    CrashInResync,
    /// The tie-breakers can't be reached from a machine or from both, or restart.
    TieBreaker,
    /// The two machines do not reach each other, and one of them not the tie-breakers either.
    CutOff,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 30] = [
        Kind::Loss,
        Kind::Delay,
        Kind::Doubles,
        Kind::ArpLoss,
        Kind::DaemonKill,
        Kind::DaemonStop,
        Kind::DaemonTerminate,
        Kind::Reload,
        Kind::RedisKill,
        Kind::RedisEmpty,
        Kind::RedisShutdown,
        Kind::RedisStop,
        Kind::RedisBusy,
        Kind::RedisStall,
        Kind::RedisSlow,
        Kind::RedisMisconf,
        Kind::Unplug,
        Kind::Power,
        Kind::Freeze,
        Kind::Switchover,
        Kind::Deaf,
        Kind::Partition,
        Kind::CutClients,
        Kind::TakeAddress,
        Kind::FlushRules,
        Kind::SlowNetlink,
        Kind::RefusingNetlink,
        Kind::BadDisk,
        Kind::StandbyAway,
        Kind::CrashInResync,
    ];

    /// Those of a world with tie-breakers.
    pub const THIRD: [Kind; 2] = [Kind::TieBreaker, Kind::CutOff];

    /// It is about both machines, and begins with the one that serves.
    fn hits_serving(self) -> bool {
        matches!(self, Kind::StandbyAway | Kind::CrashInResync)
    }

    /// It shows only when an address moves, so one is moved more often than otherwise.
    fn needs_a_move(self) -> bool {
        matches!(
            self,
            Kind::DaemonKill
                | Kind::DaemonStop
                | Kind::ArpLoss
                | Kind::SlowNetlink
                | Kind::RefusingNetlink
                | Kind::BadDisk
                | Kind::Reload
        )
    }
}

/// A fault with everything about it that was drawn before it is known whom it hits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Episode {
    /// So long after the one before has settled, or begun where faults overlap.
    pub pause: Duration,
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

impl Episode {
    pub(super) fn draw(
        rng: &mut Rng,
        kinds: &[Kind],
        switchovers: bool,
        pause_ms: (u64, u64),
    ) -> Episode {
        let length_ms = match rng.between(0, 2) {
            0 => rng.between(1, 200),
            1 => rng.between(200, 2_000),
            _ => rng.between(2_000, 6_000),
        };
        let kind = *rng.pick(kinds);
        let often = if kind.needs_a_move() { 600 } else { 300 };
        let switchover = ((switchovers || kind.needs_a_move()) && rng.chance(often))
            .then(|| Duration::from_micros(rng.between(0, 400_000)));
        Episode {
            pause: Duration::from_millis(rng.between(pause_ms.0, pause_ms.1)),
            kind,
            hits_serving: rng.chance(700),
            length: Duration::from_millis(length_ms),
            detail: rng.bits(),
            switchover,
        }
    }
}

/// The faults of an episode, each with the time from its beginning.
struct Unfolding {
    host: HostId,
    length: Duration,
    rng: Rng,
    faults: Vec<(Duration, Fault)>,
    /// Until everything is mended.
    lasts: Duration,
}

const ZERO: Duration = Duration::ZERO;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Unfolding {
    fn at(&mut self, after: Duration, fault: Fault) {
        let lasts = match &fault {
            Fault::FreezeDaemon(_, length)
            | Fault::RestartDaemon(_, length)
            | Fault::OccupyRedis(_, length)
            | Fault::StallRedis(_, length)
            | Fault::FreezeMachine { length, .. } => *length,
            Fault::Trap(_, _, inner) => match **inner {
                Fault::FreezeDaemon(_, length) | Fault::RestartDaemon(_, length) => {
                    ms(1_000) + length
                }
                _ => ms(1_000),
            },
            Fault::PowerOn(_, _, redis, daemon) => *redis.max(daemon),
            _ => ZERO,
        };
        self.lasts = self.lasts.max(after + lasts);
        self.faults.push((after, fault));
    }

    /// The fault, and what mends it when the time is over.
    fn while_it_lasts(&mut self, fault: Fault, mend: Fault) {
        let length = self.length;
        self.at(ZERO, fault);
        self.at(length, mend);
    }

    /// Now, or in the middle of the daemon's work.
    fn at_some_moment(&mut self, fault: Fault) {
        let host = self.host;
        let moment = match self.rng.between(0, 5) {
            0 | 1 => return self.at(ZERO, fault),
            2 | 3 => Moment::Middle(self.rng.between(0, 8) as u32),
            _ => Moment::After(*self.rng.pick(&Step::ALL)),
        };
        self.at(ZERO, Fault::Trap(host, moment, Box::new(fault)));
    }

    fn unfold(&mut self, kind: Kind) {
        let (host, length) = (self.host, self.length);
        match kind {
            Kind::Loss => {
                let lost = *self.rng.pick(&[2, 10, 30]);
                self.weather(Weather { lost, ..Weather::default() });
            }
            Kind::Delay => {
                let late = *self.rng.pick(&[10, 50, 200]);
                let most = *self.rng.pick(&[5_000, 50_000, 500_000]);
                let late_us = (500, most);
                self.weather(Weather { late, late_us, ..Weather::default() });
            }
            Kind::Doubles => {
                let (doubled, late) = (*self.rng.pick(&[100, 1_000]), 300);
                let late_us = (100, *self.rng.pick(&[2_000, 20_000]));
                self.weather(Weather { doubled, late, late_us, ..Weather::default() });
            }
            Kind::ArpLoss => {
                let arp_lost = *self.rng.pick(&[300, 800]);
                self.weather(Weather { arp_lost, ..Weather::default() });
            }
            Kind::DaemonKill => self.at_some_moment(Fault::RestartDaemon(host, length)),
            Kind::DaemonStop => self.at_some_moment(Fault::FreezeDaemon(host, length)),
            Kind::DaemonTerminate => {
                self.at(ZERO, Fault::Terminate(host));
                self.at(length + ms(3_000), Fault::StartDaemon(host));
            }
            Kind::StandbyAway => {
                let dies = length + ms(self.rng.between(1, 4_000));
                let started = dies + ms(self.rng.between(2, 1_500));
                self.at(ZERO, Fault::Terminate(host.peer()));
                self.at(dies / 2, Fault::Save(host));
                self.at(dies, Fault::KillRedis(host, ms(1)));
                self.at(started, Fault::StartRedis(host, Boot::File));
                let back = started + ms(self.rng.between(3_000, 6_000));
                self.at(back, Fault::StartDaemon(host.peer()));
            }
            Kind::CrashInResync => {
                let dies = ms(self.rng.between(5, 3_000));
                let started = dies + ms(self.rng.between(2, 1_000));
                self.at(ZERO, Fault::KillRedis(host.peer(), ms(1)));
                self.at(ms(3), Fault::StartRedis(host.peer(), Boot::Empty));
                self.at(dies, Fault::KillRedis(host, ms(1)));
                self.at(started, Fault::StartRedis(host, Boot::File));
            }
            Kind::Reload => self.reload(),
            Kind::RedisKill | Kind::RedisEmpty | Kind::RedisShutdown => self.end_redis(kind),
            Kind::RedisStop => {
                self.while_it_lasts(Fault::StopRedis(host), Fault::ContinueRedis(host));
            }
            Kind::RedisBusy => self.at(ZERO, Fault::OccupyRedis(host, length.min(ms(2_500)))),
            Kind::RedisStall => self.at(ZERO, Fault::StallRedis(host, length.min(ms(2_500)))),
            Kind::RedisSlow => {
                let by = ms(self.rng.between(1, 60));
                self.while_it_lasts(Fault::SlowRedis(host, by), Fault::SlowRedis(host, ZERO));
            }
            Kind::RedisMisconf => {
                self.while_it_lasts(
                    Fault::MisconfRedis(host, true),
                    Fault::MisconfRedis(host, false),
                );
            }
            Kind::Unplug => self.unplug(),
            Kind::Power => {
                // No machine boots in less; a reset that nobody notices is `power-reset`.
                let length = length.max(ms(1_000));
                let boot = *self.rng.pick(&[Boot::File, Boot::File, Boot::Empty]);
                // The daemon's unit is ordered before Redis'.
                let daemon = ms(self.rng.between(10, 1_000));
                let redis = daemon + ms(self.rng.between(5, 1_000));
                self.at(ZERO, Fault::PowerOff(host));
                self.at(length, Fault::PowerOn(host, boot, redis, daemon));
            }
            Kind::Freeze => {
                let clock_stands = self.rng.chance(500);
                let room = *self.rng.pick(&[0, 64, 256]);
                self.at(ZERO, Fault::FreezeMachine { host, length, clock_stands, room });
            }
            Kind::Switchover => {
                self.at(ZERO, Fault::Switchover(host));
                if self.rng.chance(300) {
                    let again = Duration::from_micros(self.rng.between(10, 20_000));
                    let there = *self.rng.pick(&HostId::BOTH);
                    self.at(again, Fault::Switchover(there));
                }
            }
            Kind::Deaf => {
                let kind = *self.rng.pick(&[Traffic::Adverts, Traffic::Reports]);
                self.cut(vec![kind], 500);
            }
            Kind::TieBreaker => self.trouble_third(),
            Kind::CutOff => {
                let cut = *self.rng.pick(&[host, host, host.peer()]);
                self.while_it_lasts(
                    Fault::Arbiters(Trouble::Cut(cut)),
                    Fault::Arbiters(Trouble::Mend),
                );
                self.cut(Traffic::ALL.to_vec(), 800);
            }
            Kind::Partition => self.cut(Traffic::ALL.to_vec(), 700),
            Kind::CutClients => self.while_it_lasts(Fault::CutClients(host), Fault::Mend),
            Kind::TakeAddress => self.at(ZERO, Fault::TakeAddress(host)),
            Kind::FlushRules => self.at(ZERO, Fault::FlushRules(host)),
            Kind::SlowNetlink => {
                let most = *self.rng.pick(&[5_000, 20_000, 100_000]);
                let slow = Netlink { waits_us: Some((1_000, most)), ..Netlink::default() };
                self.while_it_lasts(
                    Fault::Netlink(host, slow),
                    Fault::Netlink(host, Netlink::default()),
                );
            }
            Kind::RefusingNetlink => {
                let often = *self.rng.pick(&[300, 1_000]);
                let (addresses, fence) = *self.rng.pick(&[(1, 1), (1, 0), (0, 1)]);
                let refuses = Netlink {
                    refuses_addresses: often * addresses,
                    refuses_fence: often * fence,
                    ..Netlink::default()
                };
                self.while_it_lasts(
                    Fault::Netlink(host, refuses),
                    Fault::Netlink(host, Netlink::default()),
                );
            }
            Kind::BadDisk => {
                let bad = if self.rng.chance(500) {
                    Disk { takes_us: (100_000, 4_000_000), ..Disk::default() }
                } else {
                    Disk { refuses: *self.rng.pick(&[500, 1_000]), ..Disk::default() }
                };
                self.while_it_lasts(Fault::Disk(host, bad), Fault::Disk(host, Disk::default()));
            }
        }
    }

    fn weather(&mut self, weather: Weather) {
        self.while_it_lasts(Fault::Weather(weather), Fault::Weather(Weather::default()));
    }

    fn cut(&mut self, kinds: Vec<Traffic>, both_permille: u64) {
        let host = self.host;
        let both = self.rng.chance(both_permille);
        self.while_it_lasts(Fault::Cut(host, kinds.clone()), Fault::Mend);
        if both {
            self.at(ZERO, Fault::Cut(host.peer(), kinds));
        }
    }

    fn trouble_third(&mut self) {
        let trouble = match self.rng.between(0, 3) {
            0 => return self.at(ZERO, Fault::Arbiters(Trouble::Start)),
            1 => Trouble::Cut(self.host),
            2 => Trouble::Cut(self.host.peer()),
            _ => Trouble::End,
        };
        self.while_it_lasts(Fault::Arbiters(trouble), Fault::Arbiters(Trouble::Mend));
    }

    fn reload(&mut self) {
        let host = self.host;
        let change = match self.rng.between(0, 4) {
            0 => Change::Nothing,
            1 => Change::Priority(host, self.rng.between(1, 254) as u8),
            2 => Change::Preempt(self.rng.chance(500)),
            _ => Change::SecondAddress(self.rng.chance(500)),
        };
        let after = Duration::from_micros(self.rng.between(0, 500_000));
        self.at(ZERO, Fault::Reload(host, change));
        self.at(after, Fault::Reload(host.peer(), change));
    }

    fn end_redis(&mut self, kind: Kind) {
        let (host, length) = (self.host, self.length);
        let close_after = ms(*self.rng.pick(&[1, 1, 20, 350]));
        let at_once = Duration::from_micros(self.rng.between(100, 30_000));
        let (end, after, boot) = match kind {
            Kind::RedisShutdown => (Fault::ShutdownRedis(host), length, Boot::File),
            Kind::RedisKill => (Fault::KillRedis(host, close_after), length, Boot::File),
            _ => (Fault::KillRedis(host, close_after), at_once, Boot::Empty),
        };
        self.at(ZERO, end);
        self.at(close_after + after, Fault::StartRedis(host, boot));
    }

    fn unplug(&mut self) {
        let (host, length) = (self.host, self.length);
        if self.rng.chance(500) {
            self.at(ZERO, Fault::WriteLocally(host, length + ms(1_000)));
        }
        self.while_it_lasts(Fault::Unplug(host), Fault::Plug(host));
        if self.rng.chance(300) {
            self.at(length / 2, Fault::Replug(host));
        }
    }
}

impl World {
    /// Plans the faults of an episode; says for how long they last.
    pub(super) fn unfold(&mut self, episode: &Episode) -> Duration {
        let serving = self.serving().unwrap_or(HostId::A);
        let hits_serving = episode.hits_serving || episode.kind.hits_serving();
        let host = if hits_serving { serving } else { serving.peer() };
        let rng = Rng::new(episode.detail);
        let mut unfolding =
            Unfolding { host, length: episode.length, rng, faults: Vec::new(), lasts: ZERO };
        unfolding.unfold(episode.kind);
        if let Some(after) = episode.switchover {
            let there = *unfolding.rng.pick(&HostId::BOTH);
            unfolding.at(after, Fault::Switchover(there));
        }
        let lasts = unfolding.lasts;
        for (after, fault) in unfolding.faults {
            self.plan(after, fault);
        }
        lasts
    }
}
