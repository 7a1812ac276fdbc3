//! The record of a daemon: what its core was told and when, so that the same core can be walked
//! through it again and decide the same.
//!
//! A record is a text file with one JSON object to a line. A *head* holds the whole node as it was
//! at that time; the *inputs* after it follow without a gap, each with sums over the actions it led
//! to and over the node after it. From a head on, a record replays bit for bit. [`Encoder`] makes
//! the lines, [`read`] takes them apart, [`Replayer`] feeds them to a node, [`say`] puts them into
//! words. Not here: files, threads and clocks (`keepair`).
//!
//! ```json
//! {"keepair_record":1,"version":"0.1.0","why":"Started","at":7000000,"unix_us":1790000000000000,"node":{...},"check":"0fe1c2d3"}
//! {"at":7000120,"in":{"LinkChanged":false},"did":"CloseFence Tell SendReport","sum":"5d1f20e81b8d0a3c","check":"93ab4410"}
//! ```
//!
//! Nothing in a record is secret: the core is never told a password or a key, so there is no place
//! in an input or a node where one could be.
#![forbid(unsafe_code)]

pub mod say;

mod delta;
mod line;
mod read;
mod replay;
mod sum;
mod write;

pub use line::{Clock, Handled, Head, Outcome, Record, Why};
pub use read::{Bad, Placed, Reader, Spoiled, read};
pub use replay::{Broken, Difference, Replayer, Snapshot, Step, Turn, View};
pub use sum::{Sums, sum};
pub use write::Encoder;

/// The format this program writes and reads.
pub const FORMAT: u32 = 1;
/// What every record begins with.
pub const MAGIC: &[u8] = b"{\"keepair_record\":";
/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests;
