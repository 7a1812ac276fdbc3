//! One input never asks for very much at once.

use super::{Checker, Fact, Kind};
use crate::world::World;

/// Actions per input.
const MOST: usize = 40;

/// The checker.
#[derive(Debug)]
pub(super) struct BoundedActions;

impl Checker for BoundedActions {
    fn name(&self) -> &'static str {
        "bounded_actions"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Handled]
    }

    fn see(&mut self, _world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Handled { host, actions, .. } if actions.len() > MOST => {
                Err(format!("one input on {host} asked for {} actions", actions.len()))
            }
            _ => Ok(()),
        }
    }
}
