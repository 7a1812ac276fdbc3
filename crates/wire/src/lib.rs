//! Bytes to values and back: every format Keepair reads from or writes to the network.
//!
//! What it is not: a socket, a clock, or a judge. A parser here answers one question, "are these
//! bytes a well-formed message?", and returns a typed value or its module's `ParseError`. Whether
//! the message is for us, or welcome now, is decided in `keepair-core`.
//!
//! All input is untrusted. No function panics, and none allocates more than a small multiple of
//! the bytes it was given, whatever lengths those bytes claim.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arp;
pub mod command;
#[cfg(feature = "serde")]
pub mod hex;
pub mod info;
pub mod ip;
pub mod ndp;
pub mod peer;
pub mod resp;
pub mod tail;
pub mod vrrp;

mod checksum;
#[cfg(test)]
mod testing;
