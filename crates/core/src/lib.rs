//! The decisions of a pair: `(now, Input) -> Actions`, without a clock, a socket or a thread.
//!
//! [`Node`] is one machine. It is fed one [`Input`] at a time, with the time at which it happened,
//! and appends the [`Action`]s it wants done, in order; between inputs it names the time at which
//! it wants to be woken ([`Node::deadline`]). The same node runs on a real kernel (`linux`) and in
//! a virtual world (`sim`). `no_std` is here so that the compiler, not a reviewer, refuses a clock,
//! a socket or a `HashMap`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod action;
pub mod config;
pub mod event;
pub mod flow;
pub mod input;
pub mod lineage;
pub mod monitor;
mod node;
pub mod peer;
pub mod reach;
pub mod router;
pub mod settings;
pub mod status;
pub mod tiebreaker;
pub mod time;
pub mod timeline;
pub mod votes;
pub mod vrrp;

pub use action::{Action, Actions};
pub use input::Input;
pub use node::Node;
