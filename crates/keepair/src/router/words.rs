//! Addresses, routes and rules in one line, as keepalived writes them into its dumps.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use keepair_core::router::config::{InstanceConfig, LinkConfig};
use keepair_core::router::network::{
    Address, Broadcast, Lifetime, Realms, Route, RouteKind, Rule, RuleAction, Table,
};

/// The protocol of routes and rules that are tracked.
const KEEPALIVED: &str = "18";

/// `172.18.0.10 dev eth0 scope global set`; `set` if it is there.
pub(crate) fn address(
    address: &Address,
    it: &InstanceConfig,
    links: &[LinkConfig],
    is_set: bool,
) -> String {
    let mut out = network(address.address, address.prefix_len);
    match address.broadcast {
        Some(Broadcast::Address(broadcast)) => push(&mut out, "brd", broadcast),
        Some(Broadcast::Ones) => push(&mut out, "brd", last(address, u32::MAX)),
        Some(Broadcast::Zeroes) => push(&mut out, "brd", last(address, 0)),
        None => {}
    }
    let own = links.get(it.link.0).map_or("", |link| link.name.as_str());
    match (&address.interface, &it.vmac) {
        (Some(name), _) => push(&mut out, "dev", name),
        (None, Some(vmac)) => push(&mut out, "dev", format_args!("{}@{own}", vmac.name)),
        (None, None) => push(&mut out, "dev", own),
    }
    flag(&mut out, "use_vmac", address.vmac);
    push(&mut out, "scope", scope(address.scope.unwrap_or(0)));
    option(&mut out, "label", address.label.as_ref());
    option(&mut out, "peer", address.peer.as_ref());
    flag(&mut out, "home", address.home);
    flag(&mut out, "-nodad", address.duplicate_detection);
    flag(&mut out, "mngtmpaddr", address.manage_temporary);
    flag(&mut out, "noprefixroute", address.no_prefix_route);
    flag(&mut out, "autojoin", address.autojoin);
    flag(&mut out, "no_track", address.no_track);
    let whole = address.prefix_len.is_none_or(|length| length == 128);
    match address.preferred {
        Some(Lifetime::Seconds(0)) => flag(&mut out, "deprecated", true),
        Some(Lifetime::Seconds(seconds)) => push(&mut out, "preferred_lft", seconds),
        Some(Lifetime::Forever) => push(&mut out, "preferred_lft", "forever"),
        None if address.address.is_ipv6() && whole => flag(&mut out, "deprecated", true),
        None if address.address.is_ipv6() => push(&mut out, "preferred_lft", "forever"),
        None => {}
    }
    flag(&mut out, "set", is_set);
    out
}

/// `prepend 10.4.0.0/24 via inet 10.1.0.9 dev eth1 proto 18`.
pub(crate) fn route(route: &Route) -> String {
    let nowhere = matches!(
        route.kind,
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw
    );
    let mut out = match route.append {
        true => "append",
        false if nowhere => "add",
        false => "prepend",
    }
    .to_owned();
    let kind = match route.kind {
        RouteKind::Unicast => None,
        RouteKind::Local => Some("local"),
        RouteKind::Broadcast => Some("broadcast"),
        RouteKind::Anycast => Some("anycast"),
        RouteKind::Multicast => Some("multicast"),
        RouteKind::Blackhole => Some("blackhole"),
        RouteKind::Unreachable => Some("unreachable"),
        RouteKind::Prohibit => Some("prohibit"),
        RouteKind::Throw => Some("throw"),
    };
    if let Some(kind) = kind {
        flag(&mut out, kind, true);
    }
    let (to, length) = route.to;
    flag(&mut out, &network(to, Some(length)), true);
    if let Some((from, length)) = route.from {
        push(&mut out, "from", network(from, Some(length)));
    }
    option(&mut out, "src", route.source.as_ref());
    via(&mut out, route.via);
    option(&mut out, "dev", route.interface.as_ref());
    option(&mut out, "table", route.table.as_ref().map(table).as_ref());
    // What is said not to be tracked needs no mark to be known by.
    if route.protocol.is_some() || !route.no_track || route.interface.is_none() {
        push(&mut out, "proto", protocol(route.protocol.as_ref()));
    }
    option(&mut out, "scope", route.scope.map(scope).as_ref());
    option(&mut out, "metric", route.metric.as_ref());
    option(&mut out, "tos", route.tos.as_ref());
    option(&mut out, "realms", route.realms.map(realms).as_ref());
    flag(&mut out, "onlink", route.onlink);
    for hop in &route.next_hops {
        flag(&mut out, "nexthop", true);
        via(&mut out, hop.via);
        option(&mut out, "dev", hop.interface.as_ref());
        option(&mut out, "weight", hop.weight.as_ref());
        flag(&mut out, "onlink", hop.onlink);
    }
    flag(&mut out, "no_track", route.no_track);
    out
}

/// `from 10.1.1.1 priority 5 iif eth1 protocol 18 lookup 7`.
pub(crate) fn rule(rule: &Rule) -> String {
    let mut out = String::new();
    flag(&mut out, "not", rule.inverted);
    let of = |(address, length)| network(address, Some(length));
    push(&mut out, "from", rule.from.map_or_else(|| "all".to_owned(), of));
    option(&mut out, "to", rule.to.map(of).as_ref());
    option(&mut out, "priority", rule.preference.as_ref());
    push(&mut out, "tos", format_args!("0x{:x}", rule.tos.unwrap_or(0)));
    let mark = rule.mark.map(|(mark, mask)| match mask {
        Some(mask) => format!("0x{mark:x}/0x{mask:x}"),
        None => format!("0x{mark:x}"),
    });
    option(&mut out, "fwmark", mark.as_ref());
    option(&mut out, "realms", rule.realms.map(realms).as_ref());
    option(&mut out, "iif", rule.input.as_ref());
    option(&mut out, "oif", rule.output.as_ref());
    option(&mut out, "uidrange", rule.uids.map(|(a, b)| format!("{a}-{b}")).as_ref());
    push(&mut out, "protocol", protocol(rule.protocol.as_ref()));
    option(&mut out, "ipproto", rule.ip_protocol.as_ref().map(table).as_ref());
    let ports = |ports: Option<(u16, u16)>| ports.map(|(a, b)| format!("{a}-{b}"));
    option(&mut out, "sport", ports(rule.source_ports).as_ref());
    option(&mut out, "dport", ports(rule.destination_ports).as_ref());
    option(&mut out, "suppress_prefixlength", rule.suppress_prefix_len.as_ref());
    option(&mut out, "suppress_ifgroup", rule.suppress_group.as_ref());
    option(&mut out, "tunnel-id", rule.tunnel_id.as_ref());
    match &rule.action {
        RuleAction::Table(of) => push(&mut out, "lookup", table(of)),
        RuleAction::Vrf => flag(&mut out, "l3mdev", true),
        RuleAction::Goto(preference) => push(&mut out, "goto", preference),
        RuleAction::Nop => flag(&mut out, "nop", true),
        RuleAction::Blackhole => flag(&mut out, "blackhole", true),
        RuleAction::Prohibit => flag(&mut out, "prohibit", true),
        RuleAction::Unreachable => flag(&mut out, "unreachable", true),
    }
    flag(&mut out, "no_track", rule.no_track);
    out
}

/// An address, and the length of its prefix if it is not all of it.
fn network(address: IpAddr, prefix_len: Option<u8>) -> String {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    match prefix_len {
        Some(length) if length != whole => format!("{address}/{length}"),
        _ => address.to_string(),
    }
}

/// An address of IPv4 with these bits where a host has its own.
fn last(of: &Address, bits: u32) -> IpAddr {
    let IpAddr::V4(v4) = of.address else { return of.address };
    let length = u32::from(of.prefix_len.unwrap_or(32));
    let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::from_bits((v4.to_bits() & !hosts) | (bits & hosts)))
}

fn via(out: &mut String, via: Option<IpAddr>) {
    if let Some(via) = via {
        push(out, "via", format_args!("{} {via}", if via.is_ipv4() { "inet" } else { "inet6" }));
    }
}

fn table(table: &Table) -> String {
    match table {
        Table::Number(number) => number.to_string(),
        Table::Name(name) => name.clone(),
    }
}

fn protocol(written: Option<&Table>) -> String {
    written.map_or_else(|| KEEPALIVED.to_owned(), table)
}

fn realms(realms: Realms) -> String {
    match realms.from {
        Some(from) => format!("{from}/{}", realms.to),
        None => realms.to.to_string(),
    }
}

/// As the kernel counts scopes, in iproute2's words.
fn scope(scope: u8) -> String {
    match scope {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}

fn option<T: std::fmt::Display>(out: &mut String, word: &str, value: Option<&T>) {
    if let Some(value) = value {
        push(out, word, value);
    }
}

fn flag(out: &mut String, word: &str, holds: bool) {
    if holds {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
}

fn push(out: &mut String, word: &str, value: impl std::fmt::Display) {
    flag(out, word, true);
    // Writing into a String cannot fail.
    let _ = write!(out, " {value}");
}
