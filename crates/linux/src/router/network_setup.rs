//! What the core need not know of the network's part of a `keepalived.conf`: pacing, and what is put
//! into the kernel whoever is Active. All defaults are filled in.

use std::time::Duration;

use keepair_core::router::config::InstanceId;
use keepair_core::router::network::{Address, Route, Rule};

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkSetup {
    /// `default_interface`, where addresses go that name none and belong to no instance.
    pub default_interface: String,
    /// `static_ipaddress`.
    pub addresses: Vec<Address>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
    /// `track_group`: whom the loss of a static thing concerns.
    pub track_groups: Vec<TrackGroup>,
    /// `vrrp_garp_interval` and `vrrp_gna_interval`, for interfaces of no group.
    pub pace: Pace,
    /// `garp_group`.
    pub garp_groups: Vec<GarpGroup>,
    /// `vrrp_instance`, by [`InstanceId`]. One that is missing has [`InstanceNetwork::default`].
    pub instances: Vec<InstanceNetwork>,
    /// `vmac_addr_prefix`: what the names of macvlans begin with that are made for single addresses;
    /// keepalived's default is `vrrp`.
    pub vmac_addr_prefix: String,
    /// `--dont-release-vrrp`: what is the instances' stays when the daemon exits. Static things go.
    pub keep_on_exit: bool,
}

impl Default for NetworkSetup {
    /// As a file says it that says nothing.
    fn default() -> NetworkSetup {
        NetworkSetup {
            default_interface: "eth0".to_owned(),
            addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            track_groups: Vec::new(),
            pace: Pace::default(),
            garp_groups: Vec::new(),
            instances: Vec::new(),
            vmac_addr_prefix: "vrrp".to_owned(),
            keep_on_exit: false,
        }
    }
}

/// Pauses between two announcements; zero for none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Pace {
    /// `garp_interval`: between two of gratuitous ARP.
    pub garp: Duration,
    /// `gna_interval`: between two unsolicited neighbour advertisements.
    pub gna: Duration,
}

/// `garp_group`: interfaces that share their pauses.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct GarpGroup {
    /// How long they are.
    pub pace: Pace,
    /// The interfaces' names.
    pub interfaces: Vec<String>,
}

/// `track_group`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TrackGroup {
    /// Its name.
    pub name: String,
    /// Its instances.
    pub instances: Vec<InstanceId>,
}

/// What an instance says about the network and the core need not know.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct InstanceNetwork {
    /// `garp_extra_if`; `None`: announced where the addresses are, and nowhere else.
    pub extra: Option<GarpExtra>,
}

/// `garp_extra_if`: announcements again and again on the other interfaces of the addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GarpExtra {
    /// On all of them, not on macvlans only.
    pub all: bool,
    /// Between two of them.
    pub every: Duration,
}
