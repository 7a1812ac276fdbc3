//! Performs a router's actions on Linux, and turns what the kernel and the machine say into its
//! inputs: what [`crate::reactor`] and [`crate::executor`] are to a pair of Redis servers.

pub mod bounded;
mod child;
mod connect;
mod fifo;
mod files;
pub mod log;
mod mail;
pub mod network_setup;
mod notify;
mod output;
pub mod outside;
mod pipes;
mod processes;
mod say;
mod scripts;
pub mod security;
pub mod setup;
pub mod world;
