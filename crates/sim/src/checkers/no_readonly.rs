//! A client never meets a read-only Redis at the address.

use super::{Checker, Fact, Kind};
use crate::redis::Answer;
use crate::world::World;

/// The checker.
#[derive(Debug)]
pub(super) struct NoReadonly;

impl Checker for NoReadonly {
    fn name(&self) -> &'static str {
        "no_readonly"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::ClientHeard]
    }

    fn see(&mut self, _world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::ClientHeard { host, write, answer: Answer::ReadOnly } => {
                Err(format!("{host} answered write {write} with -READONLY"))
            }
            _ => Ok(()),
        }
    }
}
