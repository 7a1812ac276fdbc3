//! Traces of routers: one or two machines on a virtual link, with virtual time. What is written in
//! a trace is what the executor was asked for, with the time in seconds.

mod active;
mod bench;
mod election;
mod group;
mod hmac;
mod random;
mod receive;
mod reload;
mod script;
mod track;
