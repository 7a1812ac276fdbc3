//! Property 3, acknowledged means kept: when everything has settled, the primary holds every write
//! that a client was told is done.
//!
//! Excused is, write by write:
//! - what only one machine held when it lost its power, its cable, its processor or a path;
//! - what a machine acknowledged while the other served too, or while neither could hear the other
//!   (of two halves one has to go), nor has heard since, or right after its processor and its clocks
//!   had stood still, once that machine's data is replaced;
//! - what a person has given up, when nothing said whose data was newer.
//!
//! Where faults overlap, also:
//! - what no memory, file or kernel holds any more because all of them were destroyed by faults;
//! - what only a machine held that was cut off or down when the other took over, or was restarted
//!   from a file that does not know its history;
//! - what a Redis copied away from one that had no daemon beside it to prevent that.

use super::data_before_priority::{Known, guarded};
use super::{Checker, Fact, Kind};
use crate::daemon::State;
use crate::fault::Fault;
use crate::host::{HostId, PerHost};
use crate::network::Traffic;
use crate::redis::{Answer, Note, Process, WriteId};
use crate::world::World;
use crate::writes::Writes;
use keepair_core::input::Done;
use keepair_core::time::Time;
use keepair_wire::peer::State as Phase;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct AcknowledgedKept {
    due: Writes,
    excused: Writes,
    /// Acknowledged by one machine while another may have served too.
    disputed: PerHost<Writes>,
    /// When the machine was last cut off or down.
    down_at: PerHost<Option<Time>>,
    known: Known,
    /// When its processor went on, and its clocks with it: it can't know that the other has taken over.
    woke_at: PerHost<Option<Time>>,
    /// The last full resync from this machine began without a daemon beside it.
    unguarded: PerHost<bool>,
    /// One has taken over from the other, which can't know it and goes on; until one follows.
    forked: bool,
}

/// Nobody who is cut off or down can keep the other from taking over.
fn cut_off_or_down(world: &World, host: HostId) -> bool {
    let machine = &world.hosts[host];
    let deaf = |from: HostId| Traffic::ALL.into_iter().any(|kind| !world.path(from, kind));
    machine.daemon.state != State::Running
        || machine.redis.process != Process::Running
        || machine.redis.is_loading()
        || !machine.redis.turns(world.now)
        || HostId::BOTH.into_iter().any(deaf)
}

/// Everything that a machine holds, on the wire, in memory or in its file.
fn copies(world: &World, host: HostId) -> Writes {
    let redis = &world.hosts[host].redis;
    let mut all = Writes::default();
    if matches!(redis.process, Process::Running | Process::Stopped) {
        all = redis.holds();
    }
    if let Some(file) = redis.files.kept() {
        all.add(&file.data);
    }
    all.extend(world.network.streams.held_by(host));
    all
}

impl AcknowledgedKept {
    /// What only this machine holds.
    fn excuse(&mut self, world: &World, host: HostId) {
        let alone = world.hosts[host].redis.data.without(&world.hosts[host.peer()].redis.holds());
        self.excused.add(&alone);
    }

    /// A person keeps this machine's data.
    fn give_up(&mut self, world: &World, keep: HostId) {
        let kept = &world.hosts[keep].redis.data;
        let given_up = world.hosts[keep.peer()].redis.data.without(kept);
        self.excused.add(&given_up);
    }

    fn excuse_destroyed(&mut self, world: &World) {
        let mut left = self.due.clone();
        for host in HostId::BOTH {
            left.remove(&copies(world, host));
        }
        self.excused.add(&left);
    }

    fn note_down(&mut self, world: &World) {
        for host in HostId::BOTH {
            if cut_off_or_down(world, host) || !self.known.traceable(world, host) {
                self.down_at[host] = Some(world.now);
            }
        }
    }

    fn acknowledged(&mut self, world: &World, host: HostId, write: WriteId) {
        self.due.insert(write);
        let find_out = world.find_out();
        let other = world.answers(host.peer());
        let unaware = self.woke_at[host].is_some_and(|at| world.now.since(at) <= find_out);
        if HostId::BOTH.into_iter().any(|host| world.hosts[host].redis.link_is_up()) {
            self.forked = false;
        }
        let parted = self.forked || world.network.parted_within(world.now, find_out);
        if other || unaware || parted {
            self.disputed[host].insert(write);
        }
    }

    fn check(&self, world: &World, host: HostId) -> Result<(), String> {
        let mut lost = self.due.without(&self.excused);
        lost.remove(&world.hosts[host].redis.data);
        let mut lost = lost.iter();
        match (lost.next(), lost.by_ref().count()) {
            (None, _) => Ok(()),
            (Some(one), 0) => Err(format!("the acknowledged write {one} is lost")),
            (Some(first), more) => {
                Err(format!("{} acknowledged writes are lost, the first is {first}", more + 1))
            }
        }
    }
}

impl Checker for AcknowledgedKept {
    fn name(&self) -> &'static str {
        "acknowledged_kept"
    }

    fn wants(&self) -> &'static [Kind] {
        &[
            Kind::ClientHeard,
            Kind::Fault,
            Kind::Overwritten,
            Kind::RedisEnds,
            Kind::Redis,
            Kind::Answered,
            Kind::Thawed,
            Kind::Settled,
        ]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        if world.overlapping() {
            self.note_down(world);
        }
        match fact {
            Fact::ClientHeard { host, write, answer: Answer::Ok } => {
                self.known.serves(world, *host);
                self.acknowledged(world, *host, *write);
            }
            Fact::Fault(
                Fault::PowerOff(host) | Fault::Unplug(host) | Fault::FreezeMachine { host, .. },
            ) => self.excuse(world, *host),
            Fact::Thawed { host, clock_stood: true } => self.woke_at[*host] = Some(world.now),
            Fact::Fault(Fault::Decide(keep, _)) => self.give_up(world, *keep),
            Fact::Fault(Fault::Cut(..)) => {
                for host in HostId::BOTH {
                    self.excuse(world, host);
                }
            }
            Fact::Redis { host, note: Note::GrantsFull { .. } } if world.overlapping() => {
                self.unguarded[*host] = !guarded(world, *host);
                self.excuse_destroyed(world);
            }
            Fact::Overwritten { host, lost, .. } if self.unguarded[host.peer()] => {
                self.excused.add(lost);
            }
            Fact::Overwritten { host, lost, .. } => {
                for write in lost.iter().filter(|write| self.disputed[*host].contains(*write)) {
                    self.excused.insert(write);
                }
            }
            Fact::RedisEnds { .. } | Fact::Redis { .. } if world.overlapping() => {
                self.excuse_destroyed(world);
            }
            Fact::Answered { host, step: Done::AddVips, result: Ok(()) }
                if world.overlapping()
                    && world.hosts[*host].daemon.phase() == Some(Phase::TakingOver) =>
            {
                let peer = host.peer();
                let lately = world.find_out();
                if self.down_at[peer].is_some_and(|at| world.now.since(at) <= lately) {
                    let missing = self.due.without(&world.hosts[*host].redis.holds());
                    self.excused.add(&missing);
                    self.forked = world.hosts[peer].redis.is_primary();
                }
            }
            Fact::Settled => {
                if let Some(host) = world.serving() {
                    return self.check(world, host);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
