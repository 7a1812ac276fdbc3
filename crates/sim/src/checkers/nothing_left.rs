//! A daemon that ends by itself leaves nothing behind: no address, no open fence. Where the kernel
//! refuses to take the address off, the fence stays, shut. An address that it was never told of it can't
//! take off.

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
        // An address that was taken out of the file while no daemon ran is nobody's: the next one does
        // not know it.
        let vips = &world.hosts[*host].config.vips;
        if vips.iter().any(|vip| kernel.has(vip.address)) {
            return Err(format!("the daemon on {host} left the address behind"));
        }
        if kernel.rules {
            return Err(format!("the daemon on {host} left its rules behind"));
        }
        Ok(())
    }
}
