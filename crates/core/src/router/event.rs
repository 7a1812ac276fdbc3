//! What the operator is told.

use super::config::{GroupId, InstanceId, ScriptId};
use alloc::string::String;

/// A state of a virtual router: RFC 9568 section 6.4, and keepalived's FAULT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It has not begun, or something that it needs has not told yet how it is.
    Initialize,
    /// Another machine has the addresses, or may have.
    Backup,
    /// This machine has the addresses.
    Active,
    /// Something it needs is broken.
    Fault,
}

/// Past-tense facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An instance changed its state.
    StateChanged {
        /// Which.
        instance: InstanceId,
        /// What it was before.
        from: State,
        /// What it is.
        to: State,
        /// Why, for people.
        why: String,
    },
    /// A group changed its state.
    GroupChanged {
        /// Which.
        group: GroupId,
        /// What it is.
        to: State,
    },
    /// The effective priority of an instance changed.
    PriorityChanged {
        /// Which.
        instance: InstanceId,
        /// What it was before.
        from: u8,
        /// What it is.
        to: u8,
    },
    /// A script became good or bad.
    ScriptChanged {
        /// Which.
        script: ScriptId,
        /// It is good.
        good: bool,
        /// How its last run ended, for people.
        why: String,
    },
    /// A packet was dropped, for the first time since the state changed last.
    Dropped {
        /// Whose.
        instance: InstanceId,
        /// Why, for people.
        why: String,
    },
    /// Something is not as it should be.
    Problem {
        /// Whose.
        instance: Option<InstanceId>,
        /// What, for people.
        text: String,
    },
}
