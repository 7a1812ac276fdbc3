//! Rules of routing in and out of the kernel, by rtnetlink. The numbers are those of
//! `linux/fib_rules.h`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keepair_core::router::network::{Realms, Rule, RuleAction};

use super::names::Names;
use crate::netlink::{Writer, attributes, read_u32};
use crate::rtnl::{RTPROT_KEEPALIVED, Rtnl, octets, parse_ip};

const FIB_RULE_INVERT: u32 = 2;
const RT_TABLE_COMPAT: u8 = 252;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

/// Adds it; success too if it is there.
///
/// # Errors
/// The kernel's refusal, or a name that nobody knows, in words.
pub(crate) fn add(rtnl: &mut Rtnl, names: &Names, rule: &Rule) -> Result<(), String> {
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    match rtnl.change(message(libc::RTM_NEWRULE, flags, names, rule)?) {
        Ok(()) => Ok(()),
        Err(r) if r.errno == libc::EEXIST => Ok(()),
        Err(r) => Err(r.into_error(&format!("add rule {}", shown(rule))).to_string()),
    }
}

/// Takes it away; success too if it is not there.
///
/// # Errors
/// As [`add`].
pub(crate) fn remove(rtnl: &mut Rtnl, names: &Names, rule: &Rule) -> Result<(), String> {
    // What nobody has a number for was never added.
    let Ok(writer) = message(libc::RTM_DELRULE, libc::NLM_F_ACK, names, rule) else {
        return Ok(());
    };
    match rtnl.change(writer) {
        Ok(()) => Ok(()),
        Err(r) if r.errno == libc::ENOENT => Ok(()),
        Err(r) => Err(r.into_error(&format!("remove rule {}", shown(rule))).to_string()),
    }
}

/// The rule as people write it, shortened.
fn shown(rule: &Rule) -> String {
    let part = |word: &str, prefix: Option<(IpAddr, u8)>| {
        prefix.map(|(address, len)| format!("{word} {address}/{len}"))
    };
    let preference = rule.preference.map(|preference| format!("preference {preference}"));
    let parts = [part("from", rule.from), part("to", rule.to), preference];
    let shown: Vec<String> = parts.into_iter().flatten().collect();
    if shown.is_empty() { "from all".to_owned() } else { shown.join(" ") }
}

/// Its loss matters.
pub(crate) fn tracked(rule: &Rule) -> bool {
    !rule.no_track
}

/// Two realms in one number.
pub(crate) fn realms(realms: Realms) -> u32 {
    u32::from(realms.from.unwrap_or(0)) << 16 | u32::from(realms.to)
}

/// The address that stands for all of a family.
pub(crate) fn unspecified(v4: bool) -> IpAddr {
    if v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// Its family.
pub(crate) fn is_v4(rule: &Rule) -> bool {
    rule.from.or(rule.to).map_or(!rule.ipv6, |(address, _)| address.is_ipv4())
}

/// A tracked rule is told by its mark, so it has ours whatever the file says; one that is not
/// tracked has what the file says, and none if it says nothing, as keepalived's.
fn protocol(rule: &Rule, names: &Names) -> Result<Option<u8>, String> {
    if tracked(rule) {
        return Ok(Some(RTPROT_KEEPALIVED));
    }
    rule.protocol.as_ref().map(|protocol| names.protocol(protocol)).transpose()
}

/// The action's number, and the table it looks into.
fn action(rule: &Rule, names: &Names) -> Result<(u8, u32), String> {
    Ok(match &rule.action {
        RuleAction::Table(table) => (1, names.table(table)?),
        RuleAction::Vrf => (1, 0),
        RuleAction::Goto(_) => (2, 0),
        RuleAction::Nop => (3, 0),
        RuleAction::Blackhole => (6, 0),
        RuleAction::Unreachable => (7, 0),
        RuleAction::Prohibit => (8, 0),
    })
}

fn message(kind: u16, flags: i32, names: &Names, rule: &Rule) -> Result<Writer, String> {
    let v4 = is_v4(rule);
    let (action, table) = action(rule, names)?;
    let invert = if rule.inverted { FIB_RULE_INVERT } else { 0 };
    let [f0, f1, f2, f3] = invert.to_ne_bytes();
    let header = [
        if v4 { libc::AF_INET } else { libc::AF_INET6 } as u8,
        rule.to.map_or(0, |(_, len)| len),
        rule.from.map_or(0, |(_, len)| len),
        rule.tos.unwrap_or(0),
        u8::try_from(table).unwrap_or(RT_TABLE_COMPAT),
        0,
        0,
        action,
        f0,
        f1,
        f2,
        f3,
    ];
    let mut writer = Writer::default();
    writer.message(kind, flags, &header);
    if table != 0 {
        writer.u32(FRA_TABLE, table);
    }
    for (attribute, prefix) in [(FRA_SRC, rule.from), (FRA_DST, rule.to)] {
        // All of a family is said by leaving it out.
        if let Some((address, _)) = prefix.filter(|(_, len)| *len > 0) {
            writer.attr(attribute, &octets(address));
        }
    }
    for (attribute, name) in [(FRA_IIFNAME, &rule.input), (FRA_OIFNAME, &rule.output)] {
        if let Some(name) = name {
            writer.string(attribute, name);
        }
    }
    if let Some(preference) = rule.preference {
        writer.u32(FRA_PRIORITY, preference);
    }
    if let Some((mark, mask)) = rule.mark {
        writer.u32(FRA_FWMARK, mark);
        if let Some(mask) = mask {
            writer.u32(FRA_FWMASK, mask);
        }
    }
    if let Some(value) = rule.realms {
        writer.u32(FRA_FLOW, realms(value));
    }
    if let Some((first, last)) = rule.uids {
        writer.attr(FRA_UID_RANGE, &pair(first.to_ne_bytes(), last.to_ne_bytes()));
    }
    if let Some(protocol) = protocol(rule, names)? {
        writer.attr(FRA_PROTOCOL, &[protocol]);
    }
    if let Some(protocol) = &rule.ip_protocol {
        writer.attr(FRA_IP_PROTO, &[names.ip_protocol(protocol)?]);
    }
    for (attribute, ports) in
        [(FRA_SPORT_RANGE, rule.source_ports), (FRA_DPORT_RANGE, rule.destination_ports)]
    {
        if let Some((first, last)) = ports {
            writer.attr(attribute, &pair(first.to_ne_bytes(), last.to_ne_bytes()));
        }
    }
    if let Some(len) = rule.suppress_prefix_len {
        writer.u32(FRA_SUPPRESS_PREFIXLEN, u32::from(len));
    }
    if let Some(group) = rule.suppress_group {
        writer.u32(FRA_SUPPRESS_IFGROUP, group);
    }
    if let Some(id) = rule.tunnel_id {
        writer.attr(FRA_TUN_ID, &id.to_be_bytes());
    }
    match rule.action {
        RuleAction::Vrf => {
            writer.attr(FRA_L3MDEV, &[1]);
        }
        RuleAction::Goto(preference) => {
            writer.u32(FRA_GOTO, preference);
        }
        _ => {}
    }
    Ok(writer)
}

fn pair<const N: usize>(first: [u8; N], last: [u8; N]) -> Vec<u8> {
    [first, last].concat()
}

/// What tells a rule from others, of those that carry our mark.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    v4: bool,
    preference: u32,
    from: Option<(IpAddr, u8)>,
    to: Option<(IpAddr, u8)>,
    action: u8,
    table: u32,
}

impl Key {
    /// Of IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.v4
    }
}

/// A rule's; `None` if the kernel chooses its preference, or nobody knows its table.
pub(crate) fn key(rule: &Rule, names: &Names) -> Option<Key> {
    let (action, table) = action(rule, names).ok()?;
    let some = |prefix: Option<(IpAddr, u8)>| prefix.filter(|(_, len)| *len > 0);
    Some(Key {
        v4: is_v4(rule),
        preference: rule.preference?,
        from: some(rule.from),
        to: some(rule.to),
        action,
        table,
    })
}

/// Those of all rules that carry our mark.
///
/// # Errors
/// The kernel's refusal, in words.
pub(crate) fn present(rtnl: &mut Rtnl, v4: bool) -> Result<BTreeSet<Key>, String> {
    let family = if v4 { libc::AF_INET } else { libc::AF_INET6 } as u8;
    let question = || {
        let mut header = [0; 12];
        header[0] = family;
        let mut writer = Writer::default();
        writer.message(libc::RTM_GETRULE, libc::NLM_F_DUMP, &header);
        writer
    };
    let found = rtnl
        .list(question, |kind, body| (kind == libc::RTM_NEWRULE).then(|| parse(body)).flatten());
    Ok(found.map_err(|r| r.into_error("listing rules").to_string())?.into_iter().collect())
}

fn parse(body: &[u8]) -> Option<Key> {
    let v4 = i32::from(*body.first()?) == libc::AF_INET;
    let (to_len, from_len) = (*body.get(1)?, *body.get(2)?);
    let mut key = Key {
        v4,
        preference: 0,
        from: None,
        to: None,
        action: *body.get(7)?,
        table: u32::from(*body.get(4)?),
    };
    let mut ours = false;
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            FRA_SRC => key.from = Some((parse_ip(value)?, from_len)),
            FRA_DST => key.to = Some((parse_ip(value)?, to_len)),
            FRA_PRIORITY => key.preference = read_u32(value, 0)?,
            FRA_TABLE => key.table = read_u32(value, 0)?,
            FRA_PROTOCOL => ours = value.first() == Some(&RTPROT_KEEPALIVED),
            _ => {}
        }
    }
    ours.then_some(key)
}
