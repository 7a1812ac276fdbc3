//! Where the acknowledged writes are, and which of them nobody promises to keep.
//!
//! A write is excused, or disputed, one by one, by what was true when it was acknowledged or when a
//! copy of it went; never because something went wrong in the run.

use super::Fact;
use crate::client::FIRST;
use crate::daemon::State;
use crate::fault::Fault;
use crate::host::{HostId, PerHost};
use crate::kernel::Netlink;
use crate::network::Traffic;
use crate::redis::{Answer, Boot, Persistence, Process, Version, WriteId};
use crate::world::World;
use crate::writes::Writes;
use keepair_core::event::Event;
use keepair_core::input::Done;
use keepair_core::time::Time;
use keepair_wire::peer::State as Phase;
use std::time::Duration;

/// The account of all acknowledged writes.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Acknowledged at the address.
    pub(super) due: Writes,
    /// Nobody promises to keep them any more.
    pub(super) excused: Writes,
    /// Acknowledged by one machine while the other may have served, or had taken over, too: one half
    /// of them has to go.
    pub(super) disputed: PerHost<Writes>,
    /// When the machine was last cut off or down.
    down_at: PerHost<Option<Time>>,
    /// When its processor went on, and its clocks with it: it can't know that the other has taken over.
    woke_at: PerHost<Option<Time>>,
    /// The other one's Redis was let in without anybody to prevent it.
    unguarded: PerHost<bool>,
    /// One has taken over from the other, which can't know it and goes on; until one follows.
    forked: bool,
    /// Which run of each Redis has last served, or followed one that did.
    known_run: PerHost<u64>,
}

/// A daemon runs beside this Redis, and its kernel does what it is asked, at once, and nobody has
/// undone it.
pub(super) fn guarded(world: &World, host: HostId) -> bool {
    let (daemon, kernel) = (&world.hosts[host].daemon, &world.hosts[host].kernel);
    let obeys = kernel.netlink == Netlink::default() && !kernel.gate_is_missing();
    daemon.state == State::Running && !daemon.waits_for_kernel() && obeys && kernel.rules
}

/// Everything about the machine works, and the two hear each other, with nothing held up or lost on its
/// way.
pub(super) fn well(world: &World, host: HostId) -> bool {
    let machine = &world.hosts[host];
    let heard = |from: HostId| Traffic::ALL.into_iter().all(|kind| world.path(from, kind));
    machine.daemon.state == State::Running
        && machine.redis.process == Process::Running
        && !machine.redis.is_loading()
        && machine.redis.turns(world.now)
        && (world.network.weather.late, world.network.weather.lost) == (0, 0)
        && HostId::BOTH.into_iter().all(heard)
}

/// Everything that a machine holds, in memory, in its file, or in its kernel on the way out.
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

impl Ledger {
    /// Takes a fact in.
    pub(super) fn see(&mut self, world: &World, fact: &Fact<'_>) {
        if world.overlapping() {
            self.note_down(world);
        }
        match fact {
            Fact::ClientHeard { host, write, answer: Answer::Ok } => {
                self.acknowledged(world, *host, *write);
            }
            Fact::Fault(fault) => self.fault(world, fault),
            // The weather has parted them, as a cut would.
            Fact::Told { event: Event::TakeoverBegan { .. }, .. }
                if world.network.parted_within(world.now, Duration::ZERO) =>
            {
                HostId::BOTH.into_iter().for_each(|host| self.excuse(world, host));
            }
            Fact::Thawed { host, clock_stood: true, .. } => self.woke_at[*host] = Some(world.now),
            Fact::Admits { host } => self.unguarded[*host] = !guarded(world, *host),
            Fact::CopyKept { writes, .. } => self.excused.add(writes),
            Fact::Overwritten { host, lost, .. } => self.overwritten(world, *host, lost),
            Fact::Answered { host, step: Done::AddVips, result: Ok(()) } if world.overlapping() => {
                self.takes_over(world, *host);
            }
            _ => {}
        }
        if world.overlapping() {
            self.destroyed(world, fact);
        }
    }

    /// The last copy of a write is destroyed by a fault, which nobody could have helped. What a
    /// resynchronisation overwrites is not: a daemon let it.
    fn destroyed(&mut self, world: &World, fact: &Fact<'_>) {
        let (host, keeps_file) = match fact {
            Fact::RedisEnds { host } | Fact::Fault(Fault::PowerOff(host)) => (*host, true),
            Fact::Fault(Fault::StartRedis(host, Boot::Empty)) => (*host, false),
            _ => return,
        };
        let redis = &world.hosts[host].redis;
        if !keeps_file && !matches!(redis.process, Process::Absent | Process::Exiting) {
            return;
        }
        let mut gone = if keeps_file { redis.holds() } else { Writes::default() };
        if let Some(file) = redis.files.kept() {
            if keeps_file { gone.remove(&file.data) } else { gone.add(&file.data) }
        }
        gone.extend(world.network.streams.held_by(host));
        gone.remove(&copies(world, host.peer()));
        self.excused.add(&gone);
    }

    /// It was acknowledged, or belongs to the past that nobody saw.
    pub(super) fn matters(&self, write: WriteId) -> bool {
        write < FIRST || self.due.contains(write)
    }

    /// Nobody could keep the other one from copying this Redis, whatever it holds.
    pub(super) fn unguarded(&self, host: HostId) -> bool {
        self.unguarded[host]
    }

    /// Something tells how its data relates to the pair's: the process is the one that was a part
    /// of it, or its file knows its history.
    pub(super) fn traceable(&self, world: &World, host: HostId) -> bool {
        let redis = &world.hosts[host].redis;
        let setup = redis.setup;
        let file = setup.version >= Version::V7_0 && setup.persistence != Persistence::Aof;
        file || redis.run == self.known_run[host]
    }

    fn acknowledged(&mut self, world: &World, host: HostId, write: WriteId) {
        self.due.insert(write);
        let run = world.hosts[host].redis.run;
        let phase = world.hosts[host].daemon.phase();
        let left = matches!(phase, Some(Phase::Backup | Phase::Unfit));
        let unshut =
            world.overlapping() && !guarded(world, host) && (left || run != self.known_run[host]);
        if unshut {
            self.disputed[host].insert(write);
        } else {
            self.known_run[host] = run;
        }
        let other = &world.hosts[host.peer()].redis;
        if other.link_is_up() {
            self.known_run[host.peer()] = other.run;
            self.forked = false;
        }
        let find_out = world.find_out();
        let unaware = self.woke_at[host].is_some_and(|at| world.now.since(at) <= find_out);
        let parted = self.forked || world.network.parted_within(world.now, find_out);
        if world.answers(host.peer()) || unaware || parted {
            self.disputed[host].insert(write);
        }
    }

    /// What only this machine holds may be lost with it.
    fn excuse(&mut self, world: &World, host: HostId) {
        let alone = world.hosts[host].redis.data.without(&world.hosts[host.peer()].redis.holds());
        self.excused.add(&alone);
    }

    fn fault(&mut self, world: &World, fault: &Fault) {
        match fault {
            Fault::PowerOff(host) | Fault::Unplug(host) | Fault::FreezeMachine { host, .. } => {
                self.excuse(world, *host);
            }
            Fault::Cut(..) => HostId::BOTH.into_iter().for_each(|host| self.excuse(world, host)),
            // A person gives up what the other one holds.
            Fault::Decide(keep, _) => {
                let kept = &world.hosts[*keep].redis.data;
                self.excused.add(&world.hosts[keep.peer()].redis.data.without(kept));
            }
            _ => {}
        }
    }

    fn overwritten(&mut self, world: &World, host: HostId, lost: &Writes) {
        if world.overlapping() && self.unguarded[host.peer()] {
            self.excused.add(lost);
        }
        for write in lost.iter().filter(|write| self.disputed[host].contains(*write)) {
            self.excused.insert(write);
        }
    }

    fn note_down(&mut self, world: &World) {
        for host in HostId::BOTH {
            if !well(world, host) || !self.traceable(world, host) {
                self.down_at[host] = Some(world.now);
            }
        }
    }

    /// What only a machine holds that is cut off or down when the other takes over.
    fn takes_over(&mut self, world: &World, host: HostId) {
        let peer = host.peer();
        let down = self.down_at[peer].is_some_and(|at| world.now.since(at) <= world.find_out());
        if world.hosts[host].daemon.phase() == Some(Phase::TakingOver) && down {
            let missing = self.due.without(&world.hosts[host].redis.holds());
            self.excused.add(&missing);
            self.forked = world.hosts[peer].redis.is_primary();
        }
    }
}
