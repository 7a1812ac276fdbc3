//! The small protocols of Keepair, checked in every order of steps: two machines, their kernels, and
//! what connects them.
//!
//! [`handover`] repeats what `crates/core` does today, [`lease`] is the protocol of a tie-breaker to
//! come. Both are finite, and explored to the last state by [`stateright`]; [`graph`] adds what its
//! properties can't say. `docs/model.md` says what is left out, why that is sound, and how to read a
//! counterexample. Not here: code that runs in a daemon.
#![forbid(unsafe_code)]

pub mod check;
pub mod graph;
pub mod handover;
pub mod lease;
