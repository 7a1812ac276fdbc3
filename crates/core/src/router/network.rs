//! Addresses, routes and rules: what comes and goes with a virtual router.
//!
//! Plain data, named as iproute2 and keepalived name it. The kernel gets it from the executor.

use alloc::string::String;
use alloc::vec::Vec;

use core::net::IpAddr;

/// An address to be put on an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix; left out: all of it (32 or 128).
    pub prefix_len: Option<u8>,
    /// `dev`; left out: the instance's interface, or the default one.
    pub interface: Option<String>,
    /// `use_vmac`: on a macvlan of that interface.
    pub vmac: bool,
    /// `brd`.
    pub broadcast: Option<Broadcast>,
    /// `scope`, as the kernel counts them; left out: global (0).
    pub scope: Option<u8>,
    /// `label`.
    pub label: Option<String>,
    /// `peer`.
    pub peer: Option<IpAddr>,
    /// `home`.
    pub home: bool,
    /// `-nodad`: duplicate address detection is done, though it takes time.
    pub duplicate_detection: bool,
    /// `mngtmpaddr`.
    pub manage_temporary: bool,
    /// `noprefixroute`.
    pub no_prefix_route: bool,
    /// `autojoin`.
    pub autojoin: bool,
    /// `no_track`: its loss does not matter.
    pub no_track: bool,
    /// `preferred_lft`; left out: for ever, but none at all for IPv6 addresses of full length.
    pub preferred: Option<Lifetime>,
    /// `track_group`, static addresses only.
    pub track_group: Option<String>,
}

/// A broadcast address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broadcast {
    /// This one.
    Address(IpAddr),
    /// The network's last one (`+`).
    Ones,
    /// The network's first one (`-`).
    Zeroes,
}

/// How long an address is preferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// For ever.
    Forever,
    /// Seconds.
    Seconds(u32),
}

/// A routing table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Table {
    /// By its number.
    Number(u32),
    /// By its name in `rt_tables`. The three that every kernel has are numbers.
    Name(String),
}

/// Two realms, or one (`to`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Realms {
    /// Where packets come from.
    pub from: Option<u16>,
    /// Where they go.
    pub to: u16,
}

/// A route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// What it does with packets.
    pub kind: RouteKind,
    /// Where to: an address and the length of its prefix.
    pub to: (IpAddr, u8),
    /// `via`.
    pub via: Option<IpAddr>,
    /// `or`: another `via`.
    pub or: Option<IpAddr>,
    /// `dev`.
    pub interface: Option<String>,
    /// `src`.
    pub source: Option<IpAddr>,
    /// `from`: routes of IPv6 may depend on where packets come from.
    pub from: Option<(IpAddr, u8)>,
    /// `scope`, as the kernel counts them.
    pub scope: Option<u8>,
    /// `table`.
    pub table: Option<Table>,
    /// `metric`, `preference` or `priority`.
    pub metric: Option<u32>,
    /// `protocol`, as the kernel counts them or by name.
    pub protocol: Option<Table>,
    /// `tos` or `dsfield`.
    pub tos: Option<u8>,
    /// `realms`.
    pub realms: Option<Realms>,
    /// `onlink`.
    pub onlink: bool,
    /// `append`: behind routes like it, not before them.
    pub append: bool,
    /// `expires`, in seconds.
    pub expires: Option<u32>,
    /// `pref`: what RFC 4191 calls the preference of a router.
    pub router_preference: Option<RouterPreference>,
    /// `ttl-propagate`.
    pub ttl_propagate: Option<bool>,
    /// `mtu`, `advmss` and the others like them.
    pub metrics: Vec<Metric>,
    /// `congctl`.
    pub congestion_control: Option<String>,
    /// `features ecn`.
    pub ecn: bool,
    /// `nexthop`, if there are several ways.
    pub next_hops: Vec<NextHop>,
    /// `no_track`: its loss does not matter.
    pub no_track: bool,
    /// `track_group`, static routes only.
    pub track_group: Option<String>,
}

/// What a route does with packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteKind {
    /// Sends them on.
    Unicast,
    /// Takes them in.
    Local,
    /// Sends them to everybody.
    Broadcast,
    /// Sends them to somebody.
    Anycast,
    /// Sends them to a group.
    Multicast,
    /// Throws them away.
    Blackhole,
    /// Says that nobody is there.
    Unreachable,
    /// Says that it is forbidden.
    Prohibit,
    /// Goes on with the next rule.
    Throw,
}

/// How much a router is preferred to others (RFC 4191).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the RFC's own names")]
pub enum RouterPreference {
    Low,
    Medium,
    High,
}

/// A number that a route gives its connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Which.
    pub kind: MetricKind,
    /// How much: times in milliseconds.
    pub value: u32,
    /// `lock`: connections do not change it.
    pub lock: bool,
}

/// Which number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "iproute2's own names")]
pub enum MetricKind {
    Mtu,
    HopLimit,
    AdvMss,
    Rtt,
    RttVar,
    Reordering,
    Window,
    Cwnd,
    SsThresh,
    RtoMin,
    InitCwnd,
    InitRwnd,
    QuickAck,
    FastopenNoCookie,
}

/// One of several ways.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NextHop {
    /// `via`.
    pub via: Option<IpAddr>,
    /// `dev`.
    pub interface: Option<String>,
    /// `weight`, 1 to 256; left out: 1.
    pub weight: Option<u16>,
    /// `onlink`.
    pub onlink: bool,
}

/// A rule of routing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `not`: for packets that do not fit.
    pub inverted: bool,
    /// `from`; `None` for all.
    pub from: Option<(IpAddr, u8)>,
    /// `to`; `None` for all.
    pub to: Option<(IpAddr, u8)>,
    /// `inet6`, if no address tells.
    pub ipv6: bool,
    /// `preference`, `priority` or `order`.
    pub preference: Option<u32>,
    /// `iif` or `dev`.
    pub input: Option<String>,
    /// `oif`.
    pub output: Option<String>,
    /// `tos` or `dsfield`.
    pub tos: Option<u8>,
    /// `fwmark`, and a mask.
    pub mark: Option<(u32, Option<u32>)>,
    /// `realms`.
    pub realms: Option<Realms>,
    /// `uidrange`.
    pub uids: Option<(u32, u32)>,
    /// `protocol`, as the kernel counts them or by name.
    pub protocol: Option<Table>,
    /// `ipproto`, by number or name.
    pub ip_protocol: Option<Table>,
    /// `sport`.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`.
    pub destination_ports: Option<(u16, u16)>,
    /// `suppress_prefixlength`.
    pub suppress_prefix_len: Option<u8>,
    /// `suppress_ifgroup`.
    pub suppress_group: Option<u32>,
    /// `tunnel-id`.
    pub tunnel_id: Option<u64>,
    /// What is done with packets that fit.
    pub action: RuleAction,
    /// `no_track`: its loss does not matter.
    pub no_track: bool,
    /// `track_group`, static rules only.
    pub track_group: Option<String>,
}

/// What a rule does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RuleAction {
    /// Looks the packet up in a table.
    Table(Table),
    /// Looks it up in the table of its VRF (`l3mdev`).
    Vrf,
    /// Goes on with the rule of this preference.
    Goto(u32),
    /// Nothing.
    Nop,
    /// Throws it away.
    Blackhole,
    /// Says that it is forbidden.
    Prohibit,
    /// Says that nobody is there.
    Unreachable,
}
