//! Performs a router's actions on Linux, and turns what the kernel and the machine say into its
//! inputs: what [`crate::reactor`] and [`crate::executor`] are to a pair of Redis servers.

mod addresses;
mod announcements;
pub mod bounded;
mod child;
mod connect;
mod executor;
mod fifo;
mod files;
mod firewall;
mod links;
pub mod log;
mod losses;
mod mail;
pub mod names;
mod network;
pub mod network_setup;
mod notify;
mod output;
pub mod outside;
mod pipes;
mod plan;
mod processes;
pub mod reactor;
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
