//! The decisions of a pair: `(now, Input) -> Actions`, without a clock, a socket or a thread.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod config;
pub mod time;
