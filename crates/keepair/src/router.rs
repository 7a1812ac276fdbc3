//! `keepair run` with a `keepalived.conf`: what keepalived does with the file.
//!
//! [`run`] starts the threads and does what signals ask; [`setup`] is what the executor needs besides
//! the core's configuration; [`dump`] and [`view`] tell how it is.

mod control;
mod dump;
pub(crate) mod run;
mod setup;
pub(crate) mod view;
mod words;
