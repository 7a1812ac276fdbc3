//! Property 2, data before priority: an empty Redis is never a source of synchronisation for one
//! that holds something, and nobody takes over with less than a machine that is well and reachable
//! holds.
//!
//! Where each holds something that the other does not, the newer history wins; a Redis restarted
//! from a file that does not know its history can't be judged, nor what was acknowledged while one
//! could not hear the other. Where no daemon runs beside the source, or its kernel refuses, nobody
//! can keep it from being one. That an older Redis is not a source either shows in
//! `acknowledged_kept`.

use super::ledger::{Ledger, well};
use super::{Checker, Fact, Kind};
use crate::host::{HostId, PerHost};
use crate::redis::Process;
use crate::world::World;
use keepair_core::input::Done;
use keepair_core::time::Time;
use keepair_wire::peer::State as Phase;
use std::time::Duration;

/// A machine must have been well for so long for its data to be known.
const KNOWN_AFTER: Duration = Duration::from_secs(2);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct DataBeforePriority {
    ledger: Ledger,
    unwell_at: PerHost<Time>,
}

impl DataBeforePriority {
    /// How many acknowledged writes the one holds and the other does not.
    fn more(&self, world: &World, one: HostId, other: HostId) -> usize {
        let mut more = world.hosts[one].redis.data.without(&world.hosts[other].redis.data);
        more.remove(&self.ledger.excused);
        more.remove(&self.ledger.disputed[one]);
        more.iter().filter(|write| self.ledger.due.contains(*write)).count()
    }

    fn takes_over(&self, world: &World, host: HostId) -> Result<(), String> {
        let peer = host.peer();
        let known = world.now.since(self.unwell_at[peer]) > KNOWN_AFTER
            && well(world, peer)
            && self.ledger.traceable(world, peer);
        let (lacks, alone) = (self.more(world, peer, host), self.more(world, host, peer));
        // One that ends while its machine claims is found out at once.
        let lives = world.hosts[host].redis.process == Process::Running;
        if known && lives && lacks > 0 && alone == 0 {
            return Err(format!(
                "{host} took over without {lacks} acknowledged writes that {peer} holds"
            ));
        }
        Ok(())
    }
}

impl Checker for DataBeforePriority {
    fn name(&self) -> &'static str {
        "data_before_priority"
    }

    fn wants(&self) -> &'static [Kind] {
        &[
            Kind::Admits,
            Kind::Answered,
            Kind::ClientHeard,
            Kind::Fault,
            Kind::CopyKept,
            Kind::Overwritten,
            Kind::Redis,
            Kind::RedisEnds,
            Kind::Thawed,
        ]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        // Before the ledger: it excuses what is about to happen.
        let result = match fact {
            Fact::Answered { host, step: Done::AddVips, result: Ok(()) }
                if world.hosts[*host].daemon.phase() == Some(Phase::TakingOver) =>
            {
                self.takes_over(world, *host)
            }
            Fact::Overwritten { host, lost, with_nothing: true }
                if !self.ledger.unguarded(host.peer())
                    && lost.iter().any(|write| self.ledger.matters(write)) =>
            {
                Err(format!("{} writes on {host} were replaced by nothing", lost.len()))
            }
            _ => Ok(()),
        };
        self.ledger.see(world, fact);
        for host in HostId::BOTH {
            if !well(world, host)
                || matches!(fact, Fact::Thawed { host: woke, .. } if *woke == host)
            {
                self.unwell_at[host] = world.now;
            }
        }
        result
    }
}
