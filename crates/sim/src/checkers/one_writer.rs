//! Never two machines that answer on the address at once. Without a tie-breaker this is not
//! promised while the two cannot hear each other and both still have clients, nor in the moment
//! after that in which they find out.

use super::{Checker, Fact};
use crate::host::HostId;
use crate::network::Traffic;
use crate::world::World;
use keepair_core::time::Time;
use std::time::Duration;

/// In which two machines that hear each other again must have settled.
const FIND_OUT: Duration = Duration::from_secs(1);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct OneWriter {
    parted_at: Option<Time>,
}

/// One of them does not hear the other at all, though both have a carrier.
pub(super) fn parted(world: &World) -> bool {
    HostId::BOTH.iter().any(|host| {
        let cuts = &world.network.cuts[*host];
        cuts.contains(&Traffic::Adverts) && cuts.contains(&Traffic::Reports)
    })
}

impl Checker for OneWriter {
    fn name(&self) -> &'static str {
        "one_writer"
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        if parted(world) {
            self.parted_at = Some(world.now);
        }
        if !matches!(fact, Fact::Performed { .. } | Fact::ClientHeard { .. }) {
            return Ok(());
        }
        let excused = self.parted_at.is_some_and(|at| world.now.since(at) <= FIND_OUT);
        if !excused && HostId::BOTH.iter().all(|host| world.answers(*host)) {
            return Err("A and B both answer on the address".to_string());
        }
        Ok(())
    }
}
