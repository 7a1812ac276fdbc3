//! A daemon that ends by itself leaves nothing behind: no address, no open fence. Where the kernel
//! refuses to take the address off, the fence stays, shut.

use super::{Checker, Fact, Kind};
use crate::world::World;

/// The checker.
#[derive(Debug)]
pub(super) struct NothingLeft;

impl Checker for NothingLeft {
    fn name(&self) -> &'static str {
        "nothing_left"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Exited]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Exited { host } = fact else {
            return Ok(());
        };
        let kernel = &world.hosts[*host].kernel;
        let refuses = kernel.netlink.refuses_addresses > 0 || kernel.netlink.refuses_fence > 0;
        if refuses {
            // What it could not undo ends by itself.
            return Ok(());
        }
        if kernel.has_any() {
            return Err(format!("the daemon on {host} left the address behind"));
        }
        if kernel.rules {
            return Err(format!("the daemon on {host} left its rules behind"));
        }
        Ok(())
    }
}
