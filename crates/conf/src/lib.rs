//! From the text an operator wrote to a checked configuration.
//!
//! Text in, [`Config`] or a list of [`Diagnostic`]s out: every mistake at once, each with file, line,
//! column and what to do about it. No I/O: reading the file, the password file and the machine's own
//! addresses is the caller's. [`parse`] reads `keepair.toml`, [`keepalived::parse`] reads a
//! `keepalived.conf`.
#![forbid(unsafe_code)]

mod config;
mod diagnostic;
mod format;
pub mod keepalived;
mod keys;
mod secret;
mod toml;
mod value;

pub use config::{
    Config, Endpoint, Etcd, Gateway, Login, RedisAccess, TieBreaker, Tls, WhoAmI, Witness,
};
pub use diagnostic::{Diagnostic, Note, Severity, render};
pub use format::Format;
pub use keys::template::default_toml;
pub use secret::Secret;
pub use toml::parse;
