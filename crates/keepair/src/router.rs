//! `keepair run` with a `keepalived.conf`.

pub(crate) mod dump;
pub(crate) mod setup;
pub(crate) mod words;
