//! A virtual pair of machines in virtual time, in which two real [`keepair_core::Node`]s run.
//!
//! Everything that happens is drawn from one seed, so a printed seed is a whole story. The
//! simulator is an executor like `linux`: it performs Actions and delivers Inputs, and decides
//! nothing of the protocol. What it must decide is how the world behaves: the kernel
//! ([`kernel`]), Redis ([`redis`]), the network ([`network`], [`bridge`]) and a client
//! ([`client`]). [`checkers`] look on and say what must never be seen, [`sometimes`] counts what
//! must be seen; [`scenario`] tells directed stories, [`swarm`] draws random ones. Not here: real
//! time, real sockets (`lab` has those).
#![forbid(unsafe_code)]

pub mod arbiter;
mod bridge;
pub mod checkers;
pub mod client;
pub mod clock;
mod copy;
pub mod daemon;
mod digest;
mod executor;
pub mod fault;
pub mod host;
pub mod kernel;
mod neighbour;
pub mod network;
pub mod options;
pub mod parity;
mod process;
mod queue;
pub mod redis;
pub mod rng;
mod salvage;
pub mod scenario;
pub mod sometimes;
mod stream;
pub mod swarm;
pub mod trace;
pub mod world;
pub mod writes;

pub use host::HostId;
pub use world::World;
