//! Property 7, every decision has a reason: a change of state, a takeover, a promotion, a demotion
//! and leaving the address are each told with their cause, not later than they are asked for.

use super::{Checker, Fact, Kind};
use crate::host::{HostId, PerHost};
use crate::world::World;
use keepair_core::action::{Action, Query};
use keepair_core::event::Event;
use keepair_wire::peer::State;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct EveryDecisionHasAReason {
    /// A takeover was told, and neither its end nor its failure yet.
    taking_over: PerHost<bool>,
}

/// Everything that was told in one go.
fn told(actions: &[Action]) -> impl Iterator<Item = &Event> {
    actions.iter().filter_map(|action| match action {
        Action::Tell(event) => Some(event),
        _ => None,
    })
}

/// The states after the last change that was told with a reason.
fn explained(actions: &[Action]) -> Option<State> {
    let change = |event: &Event| match event {
        Event::StateChanged { to, reason, .. } if !reason.is_empty() => Some(*to),
        _ => None,
    };
    told(actions).filter_map(change).last()
}

impl EveryDecisionHasAReason {
    fn handled(
        &mut self,
        host: HostId,
        before: State,
        after: State,
        actions: &[Action],
    ) -> Result<(), String> {
        if before != after && explained(actions) != Some(after) {
            return Err(format!("{host} went from {before} to {after} and did not say why"));
        }
        for action in actions {
            match action {
                Action::Tell(Event::TakeoverBegan { .. }) => self.taking_over[host] = true,
                // Or to make it ask for a full synchronisation anew, which is a problem of its own.
                Action::AskRedis(Query::Promote)
                    if !self.taking_over[host]
                        && !told(actions).any(|event| matches!(event, Event::FollowingAnew)) =>
                {
                    return Err(format!("{host} promotes its Redis and did not say why"));
                }
                Action::AskRedis(Query::Follow)
                    if !told(actions)
                        .any(|event| matches!(event, Event::Following | Event::FollowingAnew)) =>
                {
                    return Err(format!("{host} makes its Redis a replica and does not say so"));
                }
                _ => {}
            }
        }
        if !matches!(after, State::TakingOver) {
            self.taking_over[host] = false;
        }
        Ok(())
    }
}

impl Checker for EveryDecisionHasAReason {
    fn name(&self) -> &'static str {
        "every_decision_has_a_reason"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Handled, Kind::DaemonStarts]
    }

    fn see(&mut self, _world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::DaemonStarts { host, .. } => self.taking_over[*host] = false,
            Fact::Handled { host, before, after, actions, .. } if !actions.is_empty() => {
                return self.handled(*host, *before, *after, actions);
            }
            Fact::Handled { host, before, after, .. } if before != after => {
                return Err(format!("{host} went from {before} to {after} and did not say why"));
            }
            _ => {}
        }
        Ok(())
    }
}
