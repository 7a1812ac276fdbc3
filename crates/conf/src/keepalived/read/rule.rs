//! A line of `virtual_rules` or `static_rules`, which is iproute2's way to write a rule.

use core::net::IpAddr;

use super::line::Line;
use super::route::full;
use super::{Reader, number};
use crate::keepalived::file::{Rule, RuleAction, Table};
use crate::keepalived::place::Placed;
use crate::keepalived::tree::{Node, Word};
use crate::value::{Fault, quote};

pub(in crate::keepalived) const OPTIONS: &[&str] = &[
    "not",
    "from",
    "to",
    "table",
    "lookup",
    "preference",
    "priority",
    "order",
    "iif",
    "dev",
    "oif",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "uidrange",
    "l3mdev",
    "protocol",
    "ipproto",
    "sport",
    "dport",
    "suppress_prefixlength",
    "suppress_ifgroup",
    "tunnel-id",
    "goto",
    "nop",
    "blackhole",
    "prohibit",
    "unreachable",
    "no_track",
    "track_group",
];

const U32: i64 = u32::MAX as i64;

impl Reader<'_> {
    /// A rule; `is_static` ones may name a group that tracks them.
    pub(super) fn rule(&mut self, node: &Node, is_static: bool) -> Option<Placed<Rule>> {
        let mut line = Line::new(node);
        let mut it = empty();
        let mut action: Option<RuleAction> = None;
        while let Some(option) = line.next() {
            let mut does: Option<RuleAction> = None;
            match &*option.text {
                "inet" => {}
                "inet6" => it.ipv6 = true,
                "not" => it.inverted = true,
                "type" => {}
                // A rule for too many packets would be worse than none.
                "from" => it.from = self.selector(&mut line, option)?,
                "to" => it.to = self.selector(&mut line, option)?,
                "preference" | "priority" | "order" => {
                    it.preference = self.number_value(&mut line, option, 0, U32);
                }
                "iif" | "dev" => it.input = self.interface_value(&mut line, option),
                "oif" => it.output = self.interface_value(&mut line, option),
                "tos" | "dsfield" => {
                    it.tos = self.value(&mut line, option).and_then(|word| self.tos(word));
                }
                "fwmark" => {
                    let word = self.value(&mut line, option);
                    it.mark = word.and_then(|word| self.mark(word));
                }
                "realms" => {
                    it.realms = self.value(&mut line, option).and_then(|word| self.realms(word));
                }
                "uidrange" => {
                    let word = self.value(&mut line, option);
                    it.uids = word.and_then(|word| self.range(word, U32));
                }
                "sport" => {
                    let word = self.value(&mut line, option);
                    it.source_ports = word.and_then(|word| self.range(word, 65_535));
                }
                "dport" => {
                    let word = self.value(&mut line, option);
                    it.destination_ports = word.and_then(|word| self.range(word, 65_535));
                }
                "protocol" => {
                    let word = self.value(&mut line, option);
                    it.protocol = word.and_then(|word| self.table(word, "protocol", 255));
                }
                // The manual and the program have different words for it.
                "ipproto" | "ip_proto" => {
                    let word = self.value(&mut line, option);
                    it.ip_protocol = word.and_then(|word| self.table(word, "protocol", 255));
                }
                "suppress_prefixlength" | "sup_pl" => {
                    it.suppress_prefix_len = self.number_value(&mut line, option, 0, 128);
                }
                "suppress_ifgroup" | "sup_group" => {
                    it.suppress_group = self.number_value(&mut line, option, 0, U32);
                }
                "tunnel-id" => {
                    it.tunnel_id = self.number_value(&mut line, option, 0, i64::MAX);
                }
                "table" | "lookup" => {
                    let word = self.value(&mut line, option);
                    let table = word.and_then(|word| self.table(word, "table", u32::MAX));
                    if table == Some(Table::Number(0)) {
                        let fault = Fault::new("there is no table 0", "write another number");
                        self.found.dropped(option.place, fault);
                        return None;
                    }
                    does = Some(RuleAction::Table(table?));
                }
                "goto" => {
                    let preference = self.number_value(&mut line, option, 0, U32);
                    does = Some(RuleAction::Goto(preference?));
                }
                "l3mdev" => does = Some(RuleAction::Vrf),
                "nop" => does = Some(RuleAction::Nop),
                "blackhole" => does = Some(RuleAction::Blackhole),
                "prohibit" => does = Some(RuleAction::Prohibit),
                "unreachable" => does = Some(RuleAction::Unreachable),
                "no_track" => it.no_track = true,
                "track_group" if is_static => {
                    it.track_group = self.value(&mut line, option).map(|word| word.text.clone());
                }
                _ => {
                    self.unknown_option(option, "a rule", OPTIONS);
                    return None;
                }
            }
            if does.is_some() && action.is_some() {
                let fault = Fault::new(
                    "a rule that does two things",
                    "write one of table, goto, nop, blackhole, prohibit, unreachable and l3mdev",
                );
                self.found.dropped(option.place, fault);
                return None;
            }
            action = does.or(action);
        }
        let Some(action) = action else {
            let fault = Fault::new("a rule that does nothing", "write a table, for example");
            self.found.dropped(node.place, fault);
            return None;
        };
        it.action = action;
        self.consistent(node, &it).then(|| Placed::new(it, node.place))
    }

    /// Whether the parts of a rule go together.
    fn consistent(&mut self, node: &Node, rule: &Rule) -> bool {
        if let (Some((from, _)), Some((to, _))) = (rule.from, rule.to)
            && from.is_ipv4() != to.is_ipv4()
        {
            let fault = Fault::new(
                format!("a rule of two families: from {from} to {to}"),
                "write addresses of one family",
            );
            self.found.dropped(node.place, fault);
            return false;
        }
        if let RuleAction::Goto(target) = rule.action
            && rule.preference.is_none_or(|own| own >= target)
        {
            let fault = Fault::new(
                "a rule that goes back",
                "write a `preference` below the rule that `goto` names",
            );
            self.found.dropped(node.place, fault);
            return false;
        }
        if rule.preference.is_none() {
            let fault = Fault::new(
                "a rule without a preference",
                "write one, or its place among the others is left to chance",
            );
            self.found.warning(node.place, fault);
        }
        true
    }

    /// An address with the length of its prefix, or `None` for all of them.
    fn selector(&mut self, line: &mut Line<'_>, option: &Word) -> Option<Option<(IpAddr, u8)>> {
        let word = self.value(line, option)?;
        if matches!(&*word.text, "all" | "any" | "default") {
            return Some(None);
        }
        self.prefix(word).map(|prefix| Some(full(prefix)))
    }

    /// `mark`, or `mark/mask`.
    fn mark(&mut self, word: &Word) -> Option<(u32, Option<u32>)> {
        let part = |text: &str| number::c_number(text).and_then(|part| u32::try_from(part).ok());
        let mark = match word.text.split_once('/') {
            Some((mark, mask)) => part(mark).zip(part(mask)).map(|(mark, mask)| (mark, Some(mask))),
            None => part(&word.text).map(|mark| (mark, None)),
        };
        if mark.is_none() {
            let fault = Fault::new(
                format!("{} is no mark", quote(&word.text)),
                "write a number, or a number and a mask like 0x10/0xff",
            );
            self.found.dropped(word.place, fault);
        }
        mark
    }

    /// `first-last`.
    fn range<T: TryFrom<i64>>(&mut self, word: &Word, most: i64) -> Option<(T, T)> {
        let range = word.text.split_once('-').and_then(|(first, last)| {
            let bound =
                |text: &str| number::integer(text).filter(|bound| (0..=most).contains(bound));
            let (first, last) = (bound(first)?, bound(last)?);
            let in_order = first <= last;
            in_order.then_some((T::try_from(first).ok()?, T::try_from(last).ok()?))
        });
        if range.is_none() {
            let fault = Fault::new(
                format!("{} is no range", quote(&word.text)),
                format!("write two numbers up to {most}, like 10-20"),
            );
            self.found.dropped(word.place, fault);
        }
        range
    }
}

fn empty() -> Rule {
    Rule {
        inverted: false,
        from: None,
        to: None,
        ipv6: false,
        preference: None,
        input: None,
        output: None,
        tos: None,
        mark: None,
        realms: None,
        uids: None,
        protocol: None,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        suppress_prefix_len: None,
        suppress_group: None,
        tunnel_id: None,
        action: RuleAction::Nop,
        no_track: false,
        track_group: None,
    }
}
