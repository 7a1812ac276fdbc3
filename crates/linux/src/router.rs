//! Performs a router's actions on Linux, and turns what the kernel and the machine say into its
//! inputs: what [`crate::reactor`] and [`crate::executor`] are to a pair of Redis servers.

mod addresses;
mod announcements;
mod executor;
mod firewall;
mod links;
mod losses;
pub mod names;
mod network;
pub mod network_setup;
pub mod outside;
mod plan;
pub mod reactor;
mod routes;
mod rules;
pub mod setup;
mod sockets;
mod sysctl;
mod vmac;
