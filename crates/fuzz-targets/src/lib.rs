//! What must hold for any bytes at all: one function for each parser, and one for the node.
//!
//! A target takes bytes and panics when the project makes something wrong of them. Here is stable
//! Rust without a fuzzer: `tests/corpus.rs` replays what is committed under `fuzz/`, and the
//! one-line programs in `fuzz/fuzz_targets` hand the same functions to libFuzzer.
//!
//! A new target is a module with `run`, its line in [`TARGETS`], its line in `fuzz/Cargo.toml` with
//! the program it names, and a few files in `fuzz/seeds` and `fuzz/corpus`. The test says which of
//! these is missing.
#![forbid(unsafe_code)]
// A target says no by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod arp;
pub mod info;
pub mod keepair_toml;
pub mod keepalived_conf;
pub mod ndp;
pub mod node;
pub mod peer;
pub mod resp;
pub mod router;
pub mod tail;
pub mod vrrp;
pub mod vrrp_v2;

mod checksum;
mod diagnostics;
mod draw;

/// A function that must return for any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its module, its program and its folders.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub static TARGETS: &[Target] = &[
    Target { name: "arp", run: arp::run },
    Target { name: "info", run: info::run },
    Target { name: "keepair_toml", run: keepair_toml::run },
    Target { name: "keepalived_conf", run: keepalived_conf::run },
    Target { name: "ndp", run: ndp::run },
    Target { name: "node", run: node::run },
    Target { name: "peer", run: peer::run },
    Target { name: "resp", run: resp::run },
    Target { name: "router", run: router::run },
    Target { name: "tail", run: tail::run },
    Target { name: "vrrp", run: vrrp::run },
    Target { name: "vrrp_v2", run: vrrp_v2::run },
];
