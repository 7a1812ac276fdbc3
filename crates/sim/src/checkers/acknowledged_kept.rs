//! Property 3, acknowledged means kept: when everything has settled, the primary holds every write
//! that a client was told is done.
//!
//! Excused ([`super::ledger`]) is, write by write:
//! - what only one machine held when it lost its power, its cable, its processor or a path;
//! - what a machine acknowledged while the other served too, or while neither could hear the other
//!   (of two halves one has to go), nor has heard since, or right after its processor and its clocks
//!   had stood still, once that machine's data is replaced;
//! - what a Redis that crashed had not passed on to a standby that was behind, once it is in the state
//!   directory;
//! - what a person has given up, when nothing said whose data was newer.
//!
//! Where faults overlap, also:
//! - what no memory, file or kernel holds any more because all of them were destroyed by faults;
//! - what only a machine held that was cut off or down when the other took over, or was restarted
//!   from a file that does not know its history;
//! - what a Redis acknowledged behind an address that its kernel refused to shut, or whose rules somebody
//!   flushed, after it was restarted or after its machine had left;
//! - what a Redis copied away from one that had no daemon beside it to prevent that.

use super::ledger::Ledger;
use super::{Checker, Fact, Kind};
use crate::host::HostId;
use crate::world::World;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct AcknowledgedKept {
    ledger: Ledger,
}

impl AcknowledgedKept {
    fn check(&self, world: &World, host: HostId) -> Result<(), String> {
        let mut lost = self.ledger.due.without(&self.ledger.excused);
        lost.remove(&world.hosts[host].redis.data);
        let mut lost = lost.iter();
        match (lost.next(), lost.count()) {
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
            Kind::Admits,
            Kind::Answered,
            Kind::ClientHeard,
            Kind::CopyKept,
            Kind::Fault,
            Kind::Overwritten,
            Kind::Redis,
            Kind::RedisEnds,
            Kind::Settled,
            Kind::Told,
            Kind::Thawed,
        ]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        self.ledger.see(world, fact);
        match (fact, world.serving()) {
            (Fact::Settled, Some(host)) => self.check(world, host),
            (Fact::CopyKept { writes, .. }, Some(host)) => {
                let held =
                    writes.iter().find(|write| world.hosts[host].redis.data.contains(*write));
                held.map_or(Ok(()), |write| {
                    Err(format!("the new primary holds {write}, kept as what it lacks"))
                })
            }
            _ => Ok(()),
        }
    }
}
