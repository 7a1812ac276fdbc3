//! Performs a router's actions on Linux, and turns what the kernel and the machine say into its
//! inputs: what [`crate::reactor`] and [`crate::executor`] are to a pair of Redis servers.

mod addresses;
mod announcements;
pub mod bounded;
mod child;
mod connect;
mod fifo;
mod files;
mod firewall;
mod links;
pub mod log;
mod mail;
pub mod names;
pub mod network_setup;
mod notify;
mod output;
pub mod outside;
mod pipes;
mod plan;
mod processes;
mod routes;
mod rules;
mod say;
mod scripts;
pub mod security;
pub mod setup;
mod sockets;
mod sysctl;
mod vmac;
pub mod world;
