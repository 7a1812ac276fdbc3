//! The reader of `keepalived.conf` beside the installed keepalived (Debian 2.2.7).
//!
//! Needs Debian's package `keepalived`, and fails without it: `make test` installs it first.

// A test that can't go on fails, with the reason.
#![allow(clippy::expect_used, clippy::panic)]

mod agreement;
mod disk;
mod rows;
mod samples;
mod words;
