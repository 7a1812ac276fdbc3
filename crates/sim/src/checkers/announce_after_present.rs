//! Nobody is told of an address that is not there: no announcement and no advert above priority 0
//! while it is absent from the interface.

use super::{Checker, Fact, Kind};
use crate::fault::Fault;
use crate::host::PerHost;
use crate::options::VIPS;
use crate::world::World;
use keepair_core::action::Action;
use keepair_core::input::Done;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct AnnounceAfterPresent {
    /// Somebody else took it, and the daemon has not yet put it back or given it up.
    taken: PerHost<bool>,
}

impl Checker for AnnounceAfterPresent {
    fn name(&self) -> &'static str {
        "announce_after_present"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Performs, Kind::Answered, Kind::Fault]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        let (host, action) = match fact {
            Fact::Performs { host, action } => (host, action),
            Fact::Fault(Fault::TakeAddress(host)) => {
                self.taken[*host] = true;
                return Ok(());
            }
            Fact::Answered { host, step: Done::AddVips | Done::RemoveVips, result: Ok(()) } => {
                self.taken[*host] = false;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let tells = match action {
            Action::Announce => true,
            Action::SendAdvert(advert) => advert.priority > 0,
            _ => false,
        };
        if tells && !self.taken[*host] && !world.hosts[*host].kernel.has(VIPS[0]) {
            let what = if matches!(action, Action::Announce) { "announces" } else { "advertises" };
            return Err(format!("{host} {what} an address it does not have"));
        }
        Ok(())
    }
}
