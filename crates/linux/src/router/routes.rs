//! Routes in and out of the kernel, by rtnetlink. The numbers are those of `linux/rtnetlink.h`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use keepair_core::router::network::{
    MetricKind, NextHop, Route, RouteKind, RouterPreference, Table,
};

use super::names::Names;
use crate::netlink::{Writer, attributes, read_u32};
use crate::rtnl::{RTPROT_KEEPALIVED, Rtnl, octets, parse_ip};

const RT_TABLE_COMPAT: u8 = 252;
const RT_TABLE_MAIN: u32 = 254;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_HOST: u8 = 254;
const RTNH_F_ONLINK: u32 = 4;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;
const RTAX_LOCK: u16 = 1;
const RTAX_FEATURES: u16 = 12;
const RTAX_CC_ALGO: u16 = 16;
const RTAX_FEATURE_ECN: u32 = 1;
/// What the kernel gives to a route of IPv6 without a metric.
const METRIC_V6: u32 = 1024;
/// keepalived takes no smaller times of this kind, in milliseconds.
const RTT_MIN_MS: u32 = 200;

/// Finds an interface's index by its name.
pub(crate) type FindLink<'a> = dyn FnMut(&mut Rtnl, &str) -> Result<u32, String> + 'a;

/// Adds it; success too if it is there.
///
/// # Errors
/// The kernel's refusal, or a name that nobody knows, in words.
pub(crate) fn add(
    rtnl: &mut Rtnl,
    names: &Names,
    find: &mut FindLink<'_>,
    route: &Route,
) -> Result<(), String> {
    let append = if route.append { libc::NLM_F_APPEND } else { 0 };
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | append;
    let writer = message(libc::RTM_NEWROUTE, flags, rtnl, names, find, route)?;
    match rtnl.change(writer) {
        Ok(()) => Ok(()),
        Err(r) if r.errno == libc::EEXIST => Ok(()),
        Err(r) => Err(r.into_error(&format!("add route {}", shown(route))).to_string()),
    }
}

/// Takes it away; success too if it is not there.
///
/// # Errors
/// As [`add`].
pub(crate) fn remove(
    rtnl: &mut Rtnl,
    names: &Names,
    find: &mut FindLink<'_>,
    route: &Route,
) -> Result<(), String> {
    let writer = message(libc::RTM_DELROUTE, libc::NLM_F_ACK, rtnl, names, find, route);
    // Its interface is gone, and the kernel took its routes along; or there never was one.
    let Ok(writer) = writer else { return Ok(()) };
    match rtnl.change(writer) {
        Ok(()) => Ok(()),
        Err(r) if matches!(r.errno, libc::ESRCH | libc::ENOENT | libc::ENODEV) => Ok(()),
        Err(r) => Err(r.into_error(&format!("remove route {}", shown(route))).to_string()),
    }
}

/// The route as people write it.
pub(crate) fn shown(route: &Route) -> String {
    format!("{}/{}", route.to.0, route.to.1)
}

/// Its loss matters. keepalived can't tell the routes without an interface from others'.
pub(crate) fn tracked(route: &Route) -> bool {
    !route.no_track && route.interface.is_some()
}

/// A tracked route is told by its mark, so it has ours whatever the file says.
fn protocol(route: &Route, names: &Names) -> Result<u8, String> {
    match &route.protocol {
        Some(protocol) if !tracked(route) => names.protocol(protocol),
        _ => Ok(RTPROT_KEEPALIVED),
    }
}

fn table(route: &Route, names: &Names) -> Result<u32, String> {
    route.table.as_ref().map_or(Ok(RT_TABLE_MAIN), |table: &Table| names.table(table))
}

fn message(
    kind: u16,
    flags: i32,
    rtnl: &mut Rtnl,
    names: &Names,
    find: &mut FindLink<'_>,
    route: &Route,
) -> Result<Writer, String> {
    let (to, len) = route.to;
    let v4 = to.is_ipv4();
    let table = table(route, names)?;
    let onlink = if route.onlink { RTNH_F_ONLINK } else { 0 };
    let [f0, f1, f2, f3] = onlink.to_ne_bytes();
    let header = [
        if v4 { libc::AF_INET } else { libc::AF_INET6 } as u8,
        len,
        route.from.map_or(0, |(_, len)| len),
        route.tos.unwrap_or(0),
        u8::try_from(table).unwrap_or(RT_TABLE_COMPAT),
        protocol(route, names)?,
        route.scope.filter(|_| v4).unwrap_or_else(|| scope(route.kind)),
        number(route.kind),
        f0,
        f1,
        f2,
        f3,
    ];
    let mut writer = Writer::default();
    writer.message(kind, flags, &header).u32(RTA_TABLE, table);
    if len > 0 {
        writer.attr(RTA_DST, &octets(to));
    }
    if let Some((from, _)) = route.from {
        writer.attr(RTA_SRC, &octets(from));
    }
    if let Some(source) = route.source {
        writer.attr(RTA_PREFSRC, &octets(source));
    }
    if let Some(metric) = route.metric {
        writer.u32(RTA_PRIORITY, metric);
    }
    if let Some(realms) = route.realms {
        writer.u32(RTA_FLOW, super::rules::realms(realms));
    }
    if let (Some(seconds), false) = (route.expires, v4) {
        writer.u32(RTA_EXPIRES, seconds);
    }
    if let (Some(preference), false) = (route.router_preference, v4) {
        writer.attr(RTA_PREF, &[preference_bits(preference)]);
    }
    if let Some(propagate) = route.ttl_propagate {
        writer.attr(RTA_TTL_PROPAGATE, &[u8::from(propagate)]);
    }
    metrics(&mut writer, route);
    let hops = next_hops(route);
    if hops.is_empty() {
        if let Some(via) = route.via {
            gateway(&mut writer, v4, via);
        }
        if let Some(name) = &route.interface {
            writer.u32(RTA_OIF, find(rtnl, name)?);
        }
    } else {
        multipath(&mut writer, v4, &hops, |name| find(rtnl, name))?;
    }
    Ok(writer)
}

/// Several ways, if there are several: `nexthop`, or `via` and `or`.
fn next_hops(route: &Route) -> Vec<NextHop> {
    let mut hops = route.next_hops.clone();
    if let (Some(_), Some(_), true) = (route.via, route.or, hops.is_empty()) {
        let hop = |via| NextHop {
            via,
            interface: route.interface.clone(),
            onlink: route.onlink,
            ..NextHop::default()
        };
        hops.extend([hop(route.via), hop(route.or)]);
    }
    hops
}

fn multipath(
    writer: &mut Writer,
    v4: bool,
    hops: &[NextHop],
    mut find: impl FnMut(&str) -> Result<u32, String>,
) -> Result<(), String> {
    let mut found = Ok(());
    writer.nest(RTA_MULTIPATH, |writer| {
        for hop in hops {
            let index = match hop.interface.as_deref().map(&mut find) {
                Some(Ok(index)) => index,
                Some(Err(error)) => {
                    found = Err(error);
                    0
                }
                None => 0,
            };
            // struct rtnexthop: length, flags, weight less one, interface.
            let flags = if hop.onlink { RTNH_F_ONLINK as u8 } else { 0 };
            let weight = u8::try_from(hop.weight.unwrap_or(1).clamp(1, 256) - 1).unwrap_or(0);
            let [a, b, c, d] = index.to_ne_bytes();
            let start = writer.position();
            writer.raw(&[0, 0, flags, weight, a, b, c, d]);
            if let Some(via) = hop.via {
                gateway(writer, v4, via);
            }
            writer.close(start);
        }
    });
    found
}

fn gateway(writer: &mut Writer, v4: bool, via: IpAddr) {
    if via.is_ipv4() == v4 {
        writer.attr(RTA_GATEWAY, &octets(via));
    } else {
        // struct rtvia: family and address; a route of IPv4 by a neighbour of IPv6.
        let family = if via.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let mut value = (family as u16).to_ne_bytes().to_vec();
        value.extend(octets(via));
        writer.attr(RTA_VIA, &value);
    }
}

fn metrics(writer: &mut Writer, route: &Route) {
    if route.metrics.is_empty() && route.congestion_control.is_none() && !route.ecn {
        return;
    }
    writer.nest(RTA_METRICS, |writer| {
        let mut locked = 0u32;
        for metric in &route.metrics {
            let (kind, value) = match metric.kind {
                MetricKind::Mtu => (2, metric.value),
                MetricKind::Window => (3, metric.value),
                // The kernel counts eighths and quarters of a millisecond.
                MetricKind::Rtt => (4, metric.value.max(RTT_MIN_MS).saturating_mul(8)),
                MetricKind::RttVar => (5, metric.value.max(RTT_MIN_MS).saturating_mul(4)),
                MetricKind::SsThresh => (6, metric.value),
                MetricKind::Cwnd => (7, metric.value),
                MetricKind::AdvMss => (8, metric.value),
                MetricKind::Reordering => (9, metric.value),
                MetricKind::HopLimit => (10, metric.value),
                MetricKind::InitCwnd => (11, metric.value),
                MetricKind::RtoMin => (13, metric.value.max(RTT_MIN_MS)),
                MetricKind::InitRwnd => (14, metric.value),
                MetricKind::QuickAck => (15, metric.value),
                MetricKind::FastopenNoCookie => (17, metric.value),
            };
            writer.u32(kind, value);
            locked |= u32::from(metric.lock) << kind;
        }
        if locked != 0 {
            writer.u32(RTAX_LOCK, locked);
        }
        if route.ecn {
            writer.u32(RTAX_FEATURES, RTAX_FEATURE_ECN);
        }
        if let Some(name) = &route.congestion_control {
            writer.string(RTAX_CC_ALGO, name);
        }
    });
}

fn number(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => 1,
        RouteKind::Local => 2,
        RouteKind::Broadcast => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
    }
}

/// The scope of a route that names none: the widest that the kernel takes for its kind.
fn scope(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Local => RT_SCOPE_HOST,
        RouteKind::Broadcast | RouteKind::Anycast => RT_SCOPE_LINK,
        _ => RT_SCOPE_UNIVERSE,
    }
}

fn preference_bits(preference: RouterPreference) -> u8 {
    match preference {
        RouterPreference::Medium => 0,
        RouterPreference::High => 1,
        RouterPreference::Low => 3,
    }
}

/// What tells a route from others, of those that carry our mark.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    to: (IpAddr, u8),
    tos: u8,
    table: u32,
    metric: u32,
}

impl Key {
    /// Of IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.to.0.is_ipv4()
    }
}

/// A route's.
pub(crate) fn key(route: &Route, names: &Names) -> Option<Key> {
    let unset = if route.to.0.is_ipv4() { 0 } else { METRIC_V6 };
    Some(Key {
        to: route.to,
        tos: route.tos.filter(|_| route.to.0.is_ipv4()).unwrap_or(0),
        table: table(route, names).ok()?,
        metric: route.metric.filter(|metric| *metric != 0).unwrap_or(unset),
    })
}

/// Those of all routes that carry our mark.
///
/// # Errors
/// The kernel's refusal, in words.
pub(crate) fn present(rtnl: &mut Rtnl, v4: bool) -> Result<BTreeSet<Key>, String> {
    let family = if v4 { libc::AF_INET } else { libc::AF_INET6 } as u8;
    let question = || {
        let mut header = [0; 12];
        (header[0], header[5]) = (family, RTPROT_KEEPALIVED);
        let mut writer = Writer::default();
        writer.message(libc::RTM_GETROUTE, libc::NLM_F_DUMP, &header);
        writer
    };
    let found = rtnl.list(question, |kind, body| {
        // An old kernel lists all of them.
        let ours = kind == libc::RTM_NEWROUTE && body.get(5) == Some(&RTPROT_KEEPALIVED);
        ours.then(|| parse(body)).flatten()
    });
    Ok(found.map_err(|r| r.into_error("listing routes").to_string())?.into_iter().collect())
}

fn parse(body: &[u8]) -> Option<Key> {
    let v4 = i32::from(*body.first()?) == libc::AF_INET;
    let mut key = Key {
        to: (super::rules::unspecified(v4), *body.get(1)?),
        tos: *body.get(3)?,
        table: u32::from(*body.get(4)?),
        metric: 0,
    };
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            RTA_DST => key.to.0 = parse_ip(value)?,
            RTA_PRIORITY => key.metric = read_u32(value, 0)?,
            RTA_TABLE => key.table = read_u32(value, 0)?,
            _ => {}
        }
    }
    Some(key)
}
