//! `keepair run` with a keepalived.conf beside other people's daemons: real processes in namespaces,
//! and everything they show to the outside written down with its time.
//!
//! Each network here is a hub of its own, with hosts on it. A host tells what it sees without being
//! asked: addresses and links through netlink, states through a notify FIFO, adverts from the wire.
//! The judges look at nothing else.

pub mod advert;
pub mod daemon;
pub mod differential;
pub mod example;
pub mod fifo;
pub mod hub;
pub mod judge;
pub mod netlink;
pub mod pcap;
pub mod play;
pub mod rng;
pub mod router;
pub mod rows;
pub mod table;
pub mod timeline;
