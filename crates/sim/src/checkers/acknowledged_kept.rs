//! Acknowledged means kept: when everything has settled, the primary holds every write that a
//! client was told is done.
//!
//! Excused is what only one machine held when it lost its power or its cable, and what either
//! acknowledged while the two were parted, of which one half has to go.

use super::one_writer::parted;
use super::{Checker, Fact};
use crate::fault::Fault;
use crate::host::HostId;
use crate::redis::{Answer, WriteId};
use crate::world::World;
use keepair_core::time::Time;
use std::collections::BTreeSet;
use std::time::Duration;

/// After a parting, until both know.
const FIND_OUT: Duration = Duration::from_secs(1);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct AcknowledgedKept {
    due: BTreeSet<WriteId>,
    excused: BTreeSet<WriteId>,
    parted_at: Option<Time>,
}

impl AcknowledgedKept {
    /// What only this machine holds, on the wire or in its memory.
    fn excuse(&mut self, world: &World, host: HostId) {
        let kept: BTreeSet<WriteId> = world.hosts[host.peer()].redis.holds().collect();
        let alone = world.hosts[host].redis.data.iter();
        self.excused.extend(alone.filter(|write| !kept.contains(write)));
    }

    fn check(&self, world: &World, host: HostId) -> Result<(), String> {
        let held: BTreeSet<WriteId> = world.hosts[host].redis.data.iter().copied().collect();
        let due = self.due.difference(&self.excused);
        let lost: Vec<WriteId> = due.filter(|write| !held.contains(write)).copied().collect();
        match lost.as_slice() {
            [] => Ok(()),
            [first, .., last] => Err(format!(
                "{} acknowledged writes are lost, the first is {first}, the last {last}",
                lost.len()
            )),
            [one] => Err(format!("the acknowledged write {one} is lost")),
        }
    }
}

impl Checker for AcknowledgedKept {
    fn name(&self) -> &'static str {
        "acknowledged_kept"
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        if parted(world) {
            self.parted_at = Some(world.now);
        }
        match fact {
            Fact::ClientHeard { write, answer: Answer::Ok, .. } => {
                self.due.insert(*write);
                if self.parted_at.is_some_and(|at| world.now.since(at) <= FIND_OUT) {
                    self.excused.insert(*write);
                }
            }
            Fact::Fault(Fault::PowerOff(host) | Fault::Unplug(host)) => self.excuse(world, *host),
            Fact::Fault(Fault::Cut(..)) => {
                for host in HostId::BOTH {
                    self.excuse(world, host);
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
