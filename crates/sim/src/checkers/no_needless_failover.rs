//! Property 5, no needless failover: nobody takes over because of a busy or slow Redis, a lost
//! frame, a filter that drops one kind of datagram, or anything that happens to the standby.
//!
//! Not promised where faults overlap.

use super::{Checker, Fact, Kind};
use crate::fault::{Change, Fault};
use crate::network::{Traffic, Weather};
use crate::world::World;
use keepair_core::event::Event;
use keepair_core::time::Time;
use keepair_wire::peer::Cause;
use std::time::Duration;

/// The checker.
#[derive(Debug)]
pub(super) struct NoNeedlessFailover {
    /// Something happened that is worth a failover, or the pair has not yet begun.
    excused: bool,
    /// When an operator last asked for a switchover: a daemon may hear it late.
    asked_at: Option<Time>,
}

impl Default for NoNeedlessFailover {
    fn default() -> Self {
        NoNeedlessFailover { excused: true, asked_at: None }
    }
}

/// A pair that works must shrug it off.
fn harmless(world: &World, fault: &Fault) -> bool {
    let standby = |host| world.serving().is_some_and(|serving| serving != host);
    // What makes three adverts in a row miss their time is no harmless weather.
    let mild = |weather: &Weather| {
        let late = u128::from(weather.late_us.1) < world.options.advert_interval.as_micros() / 2;
        weather.lost <= 30 && (weather.late == 0 || late)
    };
    match fault {
        Fault::OccupyRedis(..)
        | Fault::StallRedis(..)
        | Fault::SlowRedis(..)
        | Fault::MisconfRedis(..)
        | Fault::TakeAddress(_)
        | Fault::FlushRules(_)
        | Fault::Mend
        | Fault::Arbiters(_)
        | Fault::Save(_)
        | Fault::Replicaof(_)
        | Fault::WriteLocally(..)
        | Fault::CutClients(_)
        | Fault::Disk(..) => true,
        Fault::Weather(weather) => mild(weather),
        Fault::Cut(_, kinds) => matches!(kinds.as_slice(), [Traffic::Adverts | Traffic::Reports]),
        Fault::KillRedis(host, _)
        | Fault::ShutdownRedis(host)
        | Fault::StartRedis(host, _)
        | Fault::StopRedis(host)
        | Fault::ContinueRedis(host)
        | Fault::KillDaemon(host)
        | Fault::StartDaemon(host)
        | Fault::FailDaemon(host)
        | Fault::LoseState(host)
        | Fault::StopDaemon(host)
        | Fault::ContinueDaemon(host)
        | Fault::FreezeDaemon(host, _)
        | Fault::RestartDaemon(host, _)
        | Fault::Trap(host, ..)
        | Fault::Terminate(host)
        | Fault::Unplug(host)
        | Fault::Plug(host)
        | Fault::Replug(host)
        | Fault::PowerOff(host)
        | Fault::PowerOn(host, ..)
        | Fault::FreezeMachine { host, .. } => standby(*host),
        // Which may be the Active machine before its kernel is well again.
        Fault::Netlink(host, _) => standby(*host) && !world.hosts[*host].config.preempt,
        Fault::Reload(_, change) => !matches!(change, Change::Preempt(_) | Change::Priority(..)),
        Fault::Switchover(_) | Fault::Solo(_) | Fault::Decide(..) => false,
    }
}

impl Checker for NoNeedlessFailover {
    fn name(&self) -> &'static str {
        "no_needless_failover"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Fault, Kind::Settled, Kind::Told]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Fault(fault) => {
                self.excused |= world.overlapping() || !harmless(world, fault);
                if let Fault::Switchover(_) = fault {
                    self.asked_at = Some(world.now);
                }
            }
            Fact::Settled => self.excused = false,
            Fact::Told { host, event: Event::TookOver(failover) } if !self.excused => {
                // The better priority gets the address back when it is in step: as configured.
                // A farewell that overtakes its report does not say why it came.
                let config = &world.hosts[*host].config;
                // Nor does one that is filtered come at all, and the address is taken back.
                let planned = matches!(
                    failover.cause,
                    Cause::Switchover | Cause::DaemonStopping | Cause::Adopted
                );
                let patience = Duration::from_secs(5) + world.options.advert_interval * 5;
                let asked = self.asked_at.is_some_and(|at| world.now.since(at) <= patience);
                if !((config.preempt || asked) && planned) {
                    return Err(format!("{host} took over for nothing: {}", failover.cause));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
