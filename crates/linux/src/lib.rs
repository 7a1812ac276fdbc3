//! Performs the core's actions on Linux, and turns what the kernel and Redis say into its inputs.
#![deny(unsafe_code)]

pub mod announce;
mod datagram;
pub mod executor;
pub mod fence;
pub mod mailbox;
mod netlink;
mod nft;
pub mod peer_socket;
pub mod process;
pub mod reactor;
pub mod realtime;
pub mod redis;
pub mod redis_file;
pub mod router;
pub mod rtnl;
pub mod salvage;
pub mod signals;
#[allow(unsafe_code)]
mod sys;
pub mod tiebreaker;
pub mod vrrp_socket;
