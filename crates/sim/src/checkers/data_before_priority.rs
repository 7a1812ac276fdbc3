//! Property 2, data before priority: an empty Redis is never a source of synchronisation for one
//! that holds something, and nobody takes over with less than a machine that is well and reachable
//! holds. (Where each holds something that the other does not, the newer history wins; a Redis
//! restarted from a file that does not know its history can't be judged.) Where no daemon runs
//! beside the source, or its kernel refuses, nobody can keep it from being one.
//!
//! That an older Redis is not a source either shows in `acknowledged_kept`.

use super::{Checker, Fact, Kind};
use crate::daemon::State;
use crate::host::{HostId, PerHost};
use crate::kernel::Netlink;
use crate::network::Traffic;
use crate::redis::{Answer, Note, Persistence, Process, Version};
use crate::world::World;
use crate::writes::Writes;
use keepair_core::input::Done;
use keepair_core::time::Time;
use keepair_wire::peer::State as Phase;
use std::time::Duration;

/// A machine must have been well for so long for its data to be known.
const KNOWN_AFTER: Duration = Duration::from_secs(2);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct DataBeforePriority {
    acknowledged: Writes,
    unwell_at: PerHost<Time>,
    known: Known,
    /// The last full resync from this machine began without a daemon beside it.
    unguarded: PerHost<bool>,
}

/// Everything about the machine works, and the two hear each other.
fn well(world: &World, host: HostId) -> bool {
    let machine = &world.hosts[host];
    let heard = |from: HostId| Traffic::ALL.into_iter().all(|kind| world.path(from, kind));
    machine.daemon.state == State::Running
        && machine.redis.process == Process::Running
        && !machine.redis.is_loading()
        && machine.redis.turns(world.now)
        && HostId::BOTH.into_iter().all(heard)
}

/// A daemon runs beside this Redis, and its kernel does what it is asked, at once, and nobody has
/// undone it.
pub(super) fn guarded(world: &World, host: HostId) -> bool {
    let (daemon, kernel) = (&world.hosts[host].daemon, &world.hosts[host].kernel);
    daemon.state == State::Running && kernel.netlink == Netlink::default() && kernel.rules
}

/// Which run of each Redis has last served or followed one that did.
#[derive(Debug, Default)]
pub(super) struct Known(PerHost<u64>);

impl Known {
    /// A write was acknowledged by this machine.
    pub(super) fn serves(&mut self, world: &World, host: HostId) {
        self.0[host] = world.hosts[host].redis.run;
        let other = &world.hosts[host.peer()].redis;
        if other.link_is_up() {
            self.0[host.peer()] = other.run;
        }
    }

    /// Something tells how its data relates to the pair's: the process is the one that was a part
    /// of it, or its file knows its history.
    pub(super) fn traceable(&self, world: &World, host: HostId) -> bool {
        let redis = &world.hosts[host].redis;
        let file =
            redis.setup.version >= Version::V7_0 && redis.setup.persistence != Persistence::Aof;
        file || redis.run == self.0[host]
    }
}

impl DataBeforePriority {
    /// How many acknowledged writes the one holds and the other does not.
    fn more(&self, world: &World, one: HostId, other: HostId) -> usize {
        let more = world.hosts[one].redis.data.without(&world.hosts[other].redis.data);
        more.iter().filter(|write| self.acknowledged.contains(*write)).count()
    }
}

impl Checker for DataBeforePriority {
    fn name(&self) -> &'static str {
        "data_before_priority"
    }

    fn wants(&self) -> &'static [Kind] {
        &[
            Kind::Overwritten,
            Kind::ClientHeard,
            Kind::Answered,
            Kind::Fault,
            Kind::Redis,
            Kind::Thawed,
        ]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        if matches!(fact, Fact::ClientHeard { .. } | Fact::Fault(_) | Fact::Redis { .. }) {
            for host in HostId::BOTH {
                if !well(world, host) {
                    self.unwell_at[host] = world.now;
                }
            }
        }
        match fact {
            Fact::Thawed { host, .. } => self.unwell_at[*host] = world.now,
            Fact::ClientHeard { host, write, answer: Answer::Ok } => {
                self.known.serves(world, *host);
                self.acknowledged.insert(*write);
            }
            Fact::Redis { host, note: Note::GrantsFull { .. } } => {
                self.unguarded[*host] = !guarded(world, *host);
            }
            Fact::Overwritten { host, lost, with_nothing: true }
                if !lost.is_empty() && !self.unguarded[host.peer()] =>
            {
                return Err(format!("{} writes on {host} were replaced by nothing", lost.len()));
            }
            Fact::Answered { host, step: Done::AddVips, result: Ok(()) }
                if world.hosts[*host].daemon.phase() == Some(Phase::TakingOver) =>
            {
                let peer = host.peer();
                let known = world.now.since(self.unwell_at[peer]) > KNOWN_AFTER
                    && self.known.traceable(world, peer);
                let (lacks, alone) = (self.more(world, peer, *host), self.more(world, *host, peer));
                if known && well(world, peer) && lacks > 0 && alone == 0 {
                    return Err(format!(
                        "{host} took over without {lacks} acknowledged writes that {peer} holds"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
