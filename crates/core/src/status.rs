//! A snapshot of a node, for `keepair status` and for tests.

use crate::votes::KeeperStatus;
use crate::vrrp::Drop;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use keepair_wire::peer::{Failover, RedisFacts, State};

/// Both machines, as one of them sees them.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// The virtual router.
    pub vrid: u8,
    /// This machine's link is up.
    pub link_up: bool,
    /// This machine first.
    pub members: [Member; 2],
    /// The last failover either machine knows of.
    pub last_failover: Option<Failover>,
    /// The tie-breakers by their names, in the order of `Config::tie_breakers`.
    pub tie_breakers: Vec<(String, KeeperStatus)>,
    /// The operator let this machine begin alone, and the peer has not been heard since.
    pub solo: bool,
    /// Settings and rights of the local Redis that would spoil a failover.
    pub problems: Vec<String>,
    /// Counts since the daemon started.
    pub counters: Counters,
}

/// One machine.
#[derive(Clone, PartialEq, Debug)]
pub struct Member {
    /// The operator's name for it.
    pub name: String,
    /// Its own address.
    pub address: IpAddr,
    /// It is the one that answers.
    pub local: bool,
    /// Its daemon is alive.
    pub heard: bool,
    /// What it is doing.
    pub state: State,
    /// It could take over now.
    pub fit: bool,
    /// Why it is in this state.
    pub reason: String,
    /// VRRP priority.
    pub priority: u8,
    /// The newest generation its data belongs to.
    pub generation: u64,
    /// What its Redis holds.
    pub redis: RedisFacts,
    /// Of a replica: bytes of the stream it has not applied yet.
    pub lag_bytes: Option<i64>,
}

/// Counts since the daemon started.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counters {
    /// Adverts sent, farewells not included.
    pub adverts_sent: u64,
    /// Adverts accepted.
    pub adverts_received: u64,
    /// Adverts of priority 0 sent.
    pub farewells_sent: u64,
    /// Adverts of priority 0 accepted.
    pub farewells_received: u64,
    /// Deadlines that came late.
    pub timers_late: u64,
    /// Packets dropped, by [`Drop::index`].
    pub dropped: [u64; Drop::NAMES.len()],
}

impl Counters {
    pub(crate) fn drop(&mut self, drop: Drop) {
        if let Some(count) = self.dropped.get_mut(drop.index()) {
            *count += 1;
        }
    }
}
