//! The laboratory: two hosts, a client host and a bridge in private namespaces, a real Redis and a
//! real `keepair` on each host, faults, and a client that measures what they cost.
//!
//! It drives the built binary from outside, through its command line only, and depends on none of
//! the other crates. What it measures it sees from where a client stands: the longest gap between two
//! acknowledged writes, and the acknowledged writes the final primary no longer has.
//!
//! Everything lives in a PID namespace of its own with its files on a private tmpfs: when the
//! lab ends, however it ends, the kernel removes all of it.
#![forbid(unsafe_code)]

pub mod bench;
pub mod check;
pub mod cli;
pub mod client;
pub mod copy;
pub mod copy_cost;
pub mod fault;
pub mod host;
pub mod inject;
pub mod interop;
pub mod journal;
pub mod loaded;
pub mod measure;
pub mod namespace;
pub mod network;
pub mod parity;
pub mod pipeline;
pub mod redis;
pub mod report;
pub mod rig;
pub mod sandbox;
pub mod scenario;
pub mod settle;
pub mod sides;
pub mod status;
pub mod steady;
pub mod third;
pub mod tools;
pub mod unit;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex` even if a thread panicked while it held it: the lab must still be able to clean up.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
