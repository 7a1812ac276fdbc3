//! A daemon that ends by itself leaves nothing behind: no address, no open fence.

use super::{Checker, Fact};
use crate::world::World;

/// The checker.
#[derive(Debug)]
pub(super) struct NothingLeft;

impl Checker for NothingLeft {
    fn name(&self) -> &'static str {
        "nothing_left"
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Exited { host } = fact else {
            return Ok(());
        };
        let kernel = &world.hosts[*host].kernel;
        if kernel.vips_present {
            return Err(format!("the daemon on {host} left the address behind"));
        }
        if kernel.fence_left(world.now).is_some() {
            return Err(format!("the daemon on {host} left its fence open"));
        }
        Ok(())
    }
}
