//! No needless failover: nobody takes over because of a busy or slow Redis, a lost frame, a filter
//! that drops one kind of datagram, or anything that happens to the standby.

use super::{Checker, Fact};
use crate::fault::Fault;
use crate::network::Traffic;
use crate::world::World;
use keepair_core::action::Action;
use keepair_core::event::Event;

/// The checker.
#[derive(Debug)]
pub(super) struct NoNeedlessFailover {
    /// Something happened that is worth a failover, or the pair has not yet begun.
    excused: bool,
}

impl Default for NoNeedlessFailover {
    fn default() -> Self {
        NoNeedlessFailover { excused: true }
    }
}

/// A pair that works must shrug it off.
fn harmless(world: &World, fault: &Fault) -> bool {
    let standby = |host| world.serving().is_some_and(|serving| serving != host);
    match fault {
        Fault::OccupyRedis(..) | Fault::SlowRedis(..) | Fault::TakeAddress(_) => true,
        Fault::Lose(_) | Fault::Mend | Fault::Save(_) => true,
        Fault::Cut(_, kinds) => matches!(kinds.as_slice(), [Traffic::Adverts | Traffic::Reports]),
        Fault::KillRedis(host, _)
        | Fault::StartRedis(host, _)
        | Fault::StopRedis(host)
        | Fault::ContinueRedis(host)
        | Fault::KillDaemon(host)
        | Fault::StartDaemon(host)
        | Fault::StopDaemon(host)
        | Fault::ContinueDaemon(host)
        | Fault::FreezeDaemon(host, _)
        | Fault::RestartDaemon(host, _)
        | Fault::Trap(host, ..)
        | Fault::Terminate(host)
        | Fault::Unplug(host)
        | Fault::Plug(host)
        | Fault::PowerOff(host)
        | Fault::PowerOn(host, ..) => standby(*host),
        Fault::Switchover(_) => false,
    }
}

impl Checker for NoNeedlessFailover {
    fn name(&self) -> &'static str {
        "no_needless_failover"
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Fault(fault) => self.excused |= !harmless(world, fault),
            Fact::Settled => self.excused = false,
            Fact::Performs { host, action: Action::Tell(Event::TookOver(failover)) }
                if !self.excused =>
            {
                return Err(format!("{host} took over for nothing: {}", failover.cause));
            }
            _ => {}
        }
        Ok(())
    }
}
