//! Virtual routers as `keepalived.conf` describes them: any number of instances, tied together by
//! sync groups, with priorities that follow scripts, files, processes and interfaces.
//!
//! A router is fed one [`Input`] at a time and appends the [`Action`]s it wants done, as
//! [`crate::Node`] does for a pair of Redis servers. The state machine is RFC 9568's (section 6.4) and
//! RFC 3768's, with what keepalived adds to them; where keepalived and the RFC differ, keepalived's
//! users come first, and `docs/conformance/` says so.
//!
//! Not here: how an address is added or a script is run. Nor Redis: [`crate::Node`].

pub mod action;
pub mod config;
pub mod event;
pub mod input;
pub mod network;

pub use action::{Action, Actions};
pub use config::Config;
pub use input::Input;
