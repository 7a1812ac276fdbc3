//! A line of `virtual_routes` or `static_routes`, which is iproute2's way to write a route.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::line::Line;
use super::{Reader, number};
use crate::keepalived::file::{
    Metric, MetricKind, NextHop, Realms, Route, RouteKind, RouterPreference,
};
use crate::keepalived::place::Placed;
use crate::keepalived::tree::{Node, Word};
use crate::value::{Fault, quote};

const KINDS: [(&str, RouteKind); 9] = [
    ("unicast", RouteKind::Unicast),
    ("local", RouteKind::Local),
    ("broadcast", RouteKind::Broadcast),
    ("anycast", RouteKind::Anycast),
    ("multicast", RouteKind::Multicast),
    ("blackhole", RouteKind::Blackhole),
    ("unreachable", RouteKind::Unreachable),
    ("prohibit", RouteKind::Prohibit),
    ("throw", RouteKind::Throw),
];

/// The numbers a route gives its connections, and the largest of each.
const METRICS: [(&str, MetricKind, i64); 14] = [
    ("mtu", MetricKind::Mtu, U32),
    ("hoplimit", MetricKind::HopLimit, 255),
    ("advmss", MetricKind::AdvMss, U32),
    ("rtt", MetricKind::Rtt, U32),
    ("rttvar", MetricKind::RttVar, U32),
    ("reordering", MetricKind::Reordering, U32),
    ("window", MetricKind::Window, U32),
    ("cwnd", MetricKind::Cwnd, U32),
    ("ssthresh", MetricKind::SsThresh, U32),
    ("rto_min", MetricKind::RtoMin, U32),
    ("initcwnd", MetricKind::InitCwnd, U32),
    ("initrwnd", MetricKind::InitRwnd, U32),
    ("quickack", MetricKind::QuickAck, 1),
    ("fastopen_no_cookie", MetricKind::FastopenNoCookie, 1),
];

const U32: i64 = u32::MAX as i64;

/// All of them, for hints.
pub(in crate::keepalived) const OPTIONS: &[&str] = &[
    "to",
    "via",
    "gw",
    "or",
    "dev",
    "src",
    "from",
    "scope",
    "table",
    "metric",
    "preference",
    "priority",
    "protocol",
    "tos",
    "dsfield",
    "realms",
    "onlink",
    "append",
    "prepend",
    "add",
    "expires",
    "pref",
    "ttl-propagate",
    "congctl",
    "features",
    "nexthop",
    "no_track",
    "track_group",
    "mtu",
    "hoplimit",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "window",
    "cwnd",
    "ssthresh",
    "rto_min",
    "initcwnd",
    "initrwnd",
    "quickack",
    "fastopen_no_cookie",
];

/// What `default` means, by family.
const DEFAULT: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const DEFAULT6: (IpAddr, u8) = (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

impl Reader<'_> {
    /// A route; `is_static` ones may name a group that tracks them.
    pub(super) fn route(&mut self, node: &Node, is_static: bool) -> Option<Placed<Route>> {
        let mut line = Line::new(node);
        let mut it = empty();
        let mut to = None;
        let mut v6 = false;
        let mut families = Vec::new();
        while let Some(option) = line.next() {
            match &*option.text {
                "inet" => {}
                "inet6" => v6 = true,
                "to" => {
                    let Some(word) = self.value(&mut line, option) else { continue };
                    to = self.destination(word, v6);
                }
                "via" | "gw" => {
                    if option.text == "gw" {
                        self.old(option, "via");
                    }
                    let _ = line.skip("inet") || line.skip("inet6");
                    it.via = self.address_value(&mut line, option);
                    families.extend(it.via);
                }
                "or" => {
                    self.old(option, "nexthop");
                    it.or = self.address_value(&mut line, option);
                    families.extend(it.or);
                }
                "src" => {
                    it.source = self.address_value(&mut line, option);
                    families.extend(it.source);
                }
                "from" => {
                    let word = self.value(&mut line, option);
                    let from = word.and_then(|word| self.prefix(word));
                    it.from = from.map(full);
                    families.extend(from.map(|(address, _)| address));
                }
                "dev" => it.interface = self.interface_value(&mut line, option),
                "scope" => {
                    it.scope = self.value(&mut line, option).and_then(|word| self.scope(word));
                }
                "table" => {
                    let word = self.value(&mut line, option);
                    it.table = word.and_then(|word| self.table(word, "table", u32::MAX));
                }
                "protocol" => {
                    let word = self.value(&mut line, option);
                    it.protocol = word.and_then(|word| self.table(word, "protocol", 255));
                }
                "metric" | "preference" | "priority" => {
                    it.metric = self.number_value(&mut line, option, 0, U32);
                }
                "tos" | "dsfield" => {
                    it.tos = self.value(&mut line, option).and_then(|word| self.tos(word));
                }
                "realms" => {
                    it.realms = self.value(&mut line, option).and_then(|word| self.realms(word));
                }
                "expires" => it.expires = self.number_value(&mut line, option, 0, U32),
                "pref" => it.router_preference = self.router_preference(&mut line, option),
                "ttl-propagate" => {
                    let word = self.value(&mut line, option);
                    let words = &["enabled", "disabled"];
                    let chosen = word.and_then(|word| self.one_of(word, &option.text, words));
                    it.ttl_propagate = chosen.map(|chosen| chosen.value == "enabled");
                }
                "congctl" => {
                    let _ = line.skip("lock");
                    let word = self.value(&mut line, option);
                    it.congestion_control = word.map(|word| word.text.clone());
                }
                "features" => {
                    let word = self.value(&mut line, option);
                    let chosen = word.and_then(|word| self.one_of(word, &option.text, &["ecn"]));
                    it.ecn = chosen.is_some();
                }
                "onlink" => it.onlink = true,
                "append" => it.append = true,
                "prepend" | "add" => it.append = false,
                "no_track" => it.no_track = true,
                "track_group" if is_static => {
                    it.track_group = self.value(&mut line, option).map(|word| word.text.clone());
                }
                "nexthop" => {
                    let next = self.next_hop(&mut line);
                    families.extend(next.via);
                    it.next_hops.push(next);
                }
                "encap" | "as" | "vrf" | "nat" => {
                    let fault = Fault::new(
                        format!("Keepair knows no routes with `{}`", option.text),
                        "set this route elsewhere",
                    );
                    self.found.error(option.place, fault);
                    return None;
                }
                text => {
                    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == text) {
                        it.kind = *kind;
                    } else if let Some(metric) = self.metric(&mut line, option) {
                        it.metrics.extend(metric);
                    } else if to.is_none() && looks_like_destination(text) {
                        to = self.destination(option, v6);
                    } else {
                        self.unknown_option(option, "a route", OPTIONS);
                    }
                }
            }
        }
        let Some(to) = to else {
            let fault = Fault::new("a route without a destination", "write where it leads");
            self.found.dropped(node.place, fault);
            return None;
        };
        // A default route is of the family that its gateway is.
        let to = match families.first() {
            Some(address) if to == DEFAULT && address.is_ipv6() => DEFAULT6,
            _ => to,
        };
        if let Some(other) = families.iter().find(|other| other.is_ipv4() != to.0.is_ipv4()) {
            let fault = Fault::new(
                format!("a route of two families: to {}, and {other}", to.0),
                "write addresses of one family",
            );
            self.found.dropped(node.place, fault);
            return None;
        }
        it.to = to;
        Some(Placed::new(it, node.place))
    }

    fn destination(&mut self, word: &Word, v6: bool) -> Option<(IpAddr, u8)> {
        match &*word.text {
            "default" | "all" | "any" if v6 => Some(DEFAULT6),
            "default" | "all" | "any" => Some(DEFAULT),
            "default6" => Some(DEFAULT6),
            _ => self.prefix(word).map(full),
        }
    }

    fn address_value(&mut self, line: &mut Line<'_>, option: &Word) -> Option<IpAddr> {
        let word = self.value(line, option)?;
        self.ip_word(word)
    }

    fn old(&mut self, option: &Word, new: &str) {
        let fault =
            Fault::new(format!("`{}` is an old word", option.text), format!("write `{new}`"));
        self.found.warning(option.place, fault);
    }

    /// A number that goes with the route's name for it; `None` if it has no such name.
    fn metric(&mut self, line: &mut Line<'_>, option: &Word) -> Option<Option<Metric>> {
        let (name, kind, most) = METRICS.iter().find(|(name, ..)| *name == option.text)?;
        let lock = line.skip("lock");
        let Some(word) = self.value(line, option) else { return Some(None) };
        // Times may have a unit, of which these two are in use.
        let is_time = matches!(kind, MetricKind::Rtt | MetricKind::RttVar | MetricKind::RtoMin);
        let (text, factor) = match &*word.text {
            text if !is_time => (text, 1),
            text => match (text.strip_suffix("ms"), text.strip_suffix('s')) {
                (Some(ms), _) => (ms, 1),
                (None, Some(s)) => (s, 1_000),
                (None, None) => (text, 1),
            },
        };
        let number = Word { text: text.to_owned(), place: word.place };
        let value = self.integer(&number, name, 0, *most / factor);
        let value = value.and_then(|value| u32::try_from(value * factor).ok());
        Some(value.map(|value| Metric { kind: *kind, value, lock }))
    }

    fn next_hop(&mut self, line: &mut Line<'_>) -> NextHop {
        let mut it = NextHop::default();
        while let Some(option) = line.peek() {
            match &*option.text {
                "via" => {
                    let _ = line.next();
                    let _ = line.skip("inet") || line.skip("inet6");
                    it.via = self.address_value(line, option);
                }
                "dev" => {
                    let _ = line.next();
                    it.interface = self.interface_value(line, option);
                }
                "weight" => {
                    let _ = line.next();
                    it.weight = self.number_value(line, option, 1, 256);
                }
                "onlink" => {
                    let _ = line.next();
                    it.onlink = true;
                }
                _ => break,
            }
        }
        it
    }

    fn router_preference(
        &mut self,
        line: &mut Line<'_>,
        option: &Word,
    ) -> Option<RouterPreference> {
        let word = self.value(line, option)?;
        let chosen = self.one_of(word, &option.text, &["low", "medium", "high"])?;
        Some(match chosen.value {
            "low" => RouterPreference::Low,
            "high" => RouterPreference::High,
            _ => RouterPreference::Medium,
        })
    }

    /// `to`, or `from/to`.
    pub(super) fn realms(&mut self, word: &Word) -> Option<Realms> {
        let realm = |text: &str| number::c_number(text).and_then(|realm| u16::try_from(realm).ok());
        let realms = match word.text.split_once('/') {
            Some((from, to)) => {
                realm(from).zip(realm(to)).map(|(from, to)| Realms { from: Some(from), to })
            }
            None => realm(&word.text).map(|to| Realms { from: None, to }),
        };
        if realms.is_none() {
            let fault = Fault::new(
                format!("{} are no realms", quote(&word.text)),
                "write one number, or two like 30/20; names are not looked up",
            );
            self.found.dropped(word.place, fault);
        }
        realms
    }
}

/// Whether a word that is no option may be where the route leads.
fn looks_like_destination(text: &str) -> bool {
    matches!(text, "default" | "default6" | "all" | "any")
        || text.contains([':', '/'])
        || text.starts_with(|first: char| first.is_ascii_digit())
}

/// A prefix that is all of the address unless something else is written.
pub(super) fn full((address, length): (IpAddr, Option<u8>)) -> (IpAddr, u8) {
    (address, length.unwrap_or(if address.is_ipv4() { 32 } else { 128 }))
}

fn empty() -> Route {
    Route {
        kind: RouteKind::Unicast,
        to: DEFAULT,
        via: None,
        or: None,
        interface: None,
        source: None,
        from: None,
        scope: None,
        table: None,
        metric: None,
        protocol: None,
        tos: None,
        realms: None,
        onlink: false,
        append: false,
        expires: None,
        router_preference: None,
        ttl_propagate: None,
        metrics: Vec::new(),
        congestion_control: None,
        ecn: false,
        next_hops: Vec::new(),
        no_track: false,
        track_group: None,
    }
}
