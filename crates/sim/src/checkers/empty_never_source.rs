//! A Redis that holds something is never made a copy of one that holds nothing.
//!
//! A copy of an older one shows up as a loss in `acknowledged_kept`.

use super::{Checker, Fact};
use crate::world::World;

/// The checker.
#[derive(Debug)]
pub(super) struct EmptyNeverSource;

impl Checker for EmptyNeverSource {
    fn name(&self) -> &'static str {
        "empty_never_source"
    }

    fn see(&mut self, _world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Overwritten { host, lost, with_nothing: true } if !lost.is_empty() => {
                Err(format!("{} writes on {host} were replaced by nothing", lost.len()))
            }
            _ => Ok(()),
        }
    }
}
