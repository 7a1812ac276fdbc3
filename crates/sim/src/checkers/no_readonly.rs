//! A client never meets a read-only Redis at the address.
//!
//! Where faults overlap this is not promised of a machine that left while its kernel refused to shut
//! the address, or that somebody took the rules from while it had the address still; nor of a Redis that
//! redis.conf makes a replica, when it is restarted behind an address that no daemon can shut at that moment.

use super::ledger::guarded;
use super::{Checker, Fact, Kind};
use crate::host::{HostId, PerHost};
use crate::redis::Answer;
use crate::world::World;
use keepair_core::input::Done;

fn starts_unguarded(world: &World, host: HostId) -> bool {
    world.hosts[host].redis.conf_replicaof && !guarded(world, host)
}

/// The checker.
#[derive(Debug, Default)]
pub(super) struct NoReadonly {
    /// The kernel has refused to shut the address, and has not done it since.
    refused: PerHost<bool>,
}

impl Checker for NoReadonly {
    fn name(&self) -> &'static str {
        "no_readonly"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::ClientHeard, Kind::Answered]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Answered { host, step: Done::CloseFence | Done::RemoveVips, result } => {
                self.refused[*host] = result.is_err();
                Ok(())
            }
            Fact::ClientHeard { host, write, answer: Answer::ReadOnly }
                if !(world.overlapping()
                    && (self.refused[*host]
                        || world.hosts[*host].kernel.is_bare()
                        || starts_unguarded(world, *host))) =>
            {
                Err(format!("{host} answered write {write} with -READONLY"))
            }
            _ => Ok(()),
        }
    }
}
