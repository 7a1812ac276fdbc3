//! Running a check, and telling its counterexamples.

use stateright::{Checker, HasDiscoveries, Model};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::hash::Hash;

/// A run: each state with the action that leaves it; none leaves the last.
pub type Story<M> = Vec<(<M as Model>::State, Option<<M as Model>::Action>)>;

/// A state that can be told party by party.
pub trait Tell {
    /// One line for each party; those that a step has not changed are not told again.
    fn lines(&self) -> Vec<String>;
}

/// What a finished check has seen.
pub struct Checked<M: Model> {
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// The longest of the runs by which states were first reached.
    pub depth: usize,
    /// A run for each property that has one: against it if it should always hold, showing it if it
    /// should be possible.
    pub found: BTreeMap<&'static str, Story<M>>,
}

/// Explores every state of `model`.
pub fn check<M>(model: M) -> Checked<M>
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq + Send + Sync + 'static,
{
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = model.checker().threads(threads).spawn_bfs().join();
    let found = checker.discoveries().into_iter().map(|(name, path)| (name, path.into_vec()));
    Checked {
        found: found.collect(),
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
    }
}

/// Looks for one of the shortest runs that belong to this property, and stops there.
pub fn search<M>(model: M, property: &'static str) -> Option<Story<M>>
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq + Send + Sync + 'static,
{
    let when = HasDiscoveries::AnyOf([property].into());
    let checker = model.checker().finish_when(when).spawn_bfs().join();
    checker.discovery(property).map(|path| path.into_vec())
}

/// A run as text: the state at the start, then each action with what it has changed.
pub fn tell<S: Tell, A: Debug>(story: &[(S, Option<A>)]) -> String {
    let mut text = String::new();
    let mut before: Vec<String> = Vec::new();
    for (state, action) in story {
        let lines = state.lines();
        for (at, line) in lines.iter().enumerate() {
            if before.get(at) != Some(line) {
                // Writing to a String can't fail.
                let _ = writeln!(text, "        {line}");
            }
        }
        before = lines;
        if let Some(action) = action {
            let _ = writeln!(text, "{action:?}");
        }
    }
    text
}
