//! Property 2, data before priority: an empty Redis is never a source of synchronisation for one
//! that holds something, and nobody takes over with less than a machine that is well and reachable
//! holds.
//!
//! That an older Redis is not a source either shows in `acknowledged_kept`.

use super::{Checker, Fact, Kind};
use crate::daemon::State;
use crate::host::{HostId, PerHost};
use crate::network::Traffic;
use crate::redis::{Answer, Process};
use crate::world::World;
use crate::writes::Writes;
use keepair_core::event::Event as Told;
use keepair_core::time::Time;
use std::time::Duration;

/// A machine must have been well for so long for its data to be known.
const KNOWN_AFTER: Duration = Duration::from_secs(2);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct DataBeforePriority {
    acknowledged: Writes,
    unwell_at: PerHost<Time>,
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

impl Checker for DataBeforePriority {
    fn name(&self) -> &'static str {
        "data_before_priority"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Overwritten, Kind::ClientHeard, Kind::Told, Kind::Fault, Kind::Redis]
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
            Fact::ClientHeard { write, answer: Answer::Ok, .. } => {
                self.acknowledged.insert(*write);
            }
            Fact::Overwritten { host, lost, with_nothing: true } if !lost.is_empty() => {
                return Err(format!("{} writes on {host} were replaced by nothing", lost.len()));
            }
            Fact::Told { host, event: Told::TookOver(_) } => {
                let peer = host.peer();
                let known = world.now.since(self.unwell_at[peer]) > KNOWN_AFTER;
                let behind = world.hosts[peer].redis.data.without(&world.hosts[*host].redis.data);
                let newer: Vec<_> =
                    behind.iter().filter(|write| self.acknowledged.contains(*write)).collect();
                if known && well(world, peer) && !newer.is_empty() {
                    return Err(format!(
                        "{host} took over without {} acknowledged writes that {peer} holds",
                        newer.len()
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
