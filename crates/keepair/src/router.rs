//! `keepair run` with a `keepalived.conf`.

pub(crate) mod setup;
