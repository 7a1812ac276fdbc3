//! A deadline that has been handled is over: the next one lies in the future.

use super::{Checker, Fact, Kind};
use crate::host::PerHost;
use crate::world::World;

/// So many deadlines in a row may leave the next one in the past.
const MOST: u32 = 2;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct NoBusyLoop {
    in_a_row: PerHost<u32>,
}

impl Checker for NoBusyLoop {
    fn name(&self) -> &'static str {
        "no_busy_loop"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Handled]
    }

    fn see(&mut self, _world: &World, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Handled { host, by_timer: true, late, .. } = fact else {
            return Ok(());
        };
        let count = &mut self.in_a_row[*host];
        *count = if *late { *count + 1 } else { 0 };
        if *count > MOST {
            return Err(format!("the daemon on {host} wants to be woken at once, again and again"));
        }
        Ok(())
    }
}
