//! A switchover that was called off leaves nothing behind: writes go on where they were, at once, and
//! not when the pause ends by itself.

use super::{Checker, Fact, Kind};
use crate::fault::Fault;
use crate::host::PerHost;
use crate::world::World;
use keepair_core::event::{Event, SwitchoverStep};
use keepair_core::time::Time;
use keepair_wire::peer::State as Phase;
use std::time::Duration;

/// From the decision to Redis' answer, on a machine that is well; the pause itself lasts seconds.
const WITHIN: Duration = Duration::from_millis(200);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct PauseEnds {
    /// Since when a daemon that called it off, and serves on, could have been obeyed; and which run of
    /// it that is.
    since: PerHost<Option<(Time, u64)>>,
}

impl Checker for PauseEnds {
    fn name(&self) -> &'static str {
        "pause_ends"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Told, Kind::Handled, Kind::Fault, Kind::Thawed]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        let host = match fact {
            Fact::Told { host, event: Event::Switchover(step) } => {
                let off = matches!(step, SwitchoverStep::CalledOff(_));
                let run = world.hosts[*host].daemon.run;
                self.since[*host] = Some((world.now, run)).filter(|_| off);
                return Ok(());
            }
            // It stood still, and does the rest now.
            Fact::Fault(Fault::ContinueDaemon(host)) | Fact::Thawed { host, .. } => {
                self.since[*host] = self.since[*host].map(|(_, run)| (world.now, run));
                return Ok(());
            }
            Fact::Handled { host, .. } => *host,
            _ => return Ok(()),
        };
        let (daemon, redis) = (&world.hosts[host].daemon, &world.hosts[host].redis);
        let serves = daemon.phase() == Some(Phase::Active) && redis.holds_writes_back();
        self.since[host] = self.since[host].filter(|(_, run)| serves && daemon.run == *run);
        if !redis.turns(world.now) {
            self.since[host] = self.since[host].map(|(_, run)| (world.now, run));
        }
        let patience = WITHIN + redis.slow * 4;
        if self.since[host].is_some_and(|(at, _)| world.now.since(at) > patience) {
            return Err(format!("Redis on {host} still holds writes back"));
        }
        Ok(())
    }
}
