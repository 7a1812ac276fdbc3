//! A machine that was cut off, and whose peer can take over, refuses writes of its own programs
//! within a second: the pair would have to throw them away.
//!
//! Not promised where faults overlap: its daemon may be dead, and loopback passes by every fence.

use super::{Checker, Fact, Kind};
use crate::fault::Fault;
use crate::host::{HostId, PerHost};
use crate::redis::Answer;
use crate::world::World;
use keepair_core::time::Time;
use keepair_wire::peer::State;
use std::time::Duration;

/// So long after its cable was pulled.
const WITHIN: Duration = Duration::from_secs(1);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct CutOffRefuses {
    since: PerHost<Option<Time>>,
}

impl Checker for CutOffRefuses {
    fn name(&self) -> &'static str {
        "cut_off_refuses"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Fault, Kind::LocalHeard]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        let could = |host: HostId| world.hosts[host].daemon.phase() == Some(State::Backup);
        match fact {
            Fact::Fault(Fault::Unplug(host)) => {
                let cut_off = !world.overlapping() && could(host.peer());
                self.since[*host] = cut_off.then_some(world.now);
            }
            Fact::Fault(Fault::Plug(host)) => self.since[*host] = None,
            Fact::LocalHeard { host, write, answer: Answer::Ok }
                if self.since[*host].is_some_and(|since| world.now.since(since) > WITHIN) =>
            {
                return Err(format!("{host}, cut off, still accepts write {write}"));
            }
            _ => {}
        }
        Ok(())
    }
}
