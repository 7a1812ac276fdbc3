//! A line of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress`.

use core::net::IpAddr;

use super::line::Line;
use super::{Reader, number};
use crate::keepalived::file::{Address, Broadcast, Lifetime};
use crate::keepalived::keywords::LIFETIME_MOST;
use crate::keepalived::place::Placed;
use crate::keepalived::tree::{Node, Word};
use crate::value::{Fault, quote};

pub(in crate::keepalived) const OPTIONS: &[&str] = &[
    "brd",
    "broadcast",
    "dev",
    "use_vmac",
    "scope",
    "label",
    "peer",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "preferred_lft",
    "track_group",
];

/// The longest label of an address (the kernel's IFNAMSIZ, without the end of the string).
const LABEL_MOST: usize = 15;

impl Reader<'_> {
    /// An address; `is_static` ones may name a group that tracks them.
    pub(super) fn address(&mut self, node: &Node, is_static: bool) -> Option<Placed<Address>> {
        let mut line = Line::new(node);
        let word = line.next()?;
        let (address, prefix_len) = self.prefix(word)?;
        self.unlikely(address, word);
        let mut it = Address {
            address,
            prefix_len,
            interface: None,
            vmac: false,
            broadcast: None,
            scope: None,
            label: None,
            peer: None,
            home: false,
            duplicate_detection: false,
            manage_temporary: false,
            no_prefix_route: false,
            autojoin: false,
            no_track: false,
            preferred: None,
            track_group: None,
        };
        let v6 = address.is_ipv6();
        // keepalived leaves the whole address out for some mistakes in its options.
        let mut whole = true;
        while let Some(option) = line.next() {
            match &*option.text {
                "dev" => {
                    if it.interface.is_some() {
                        let fault = Fault::new("a second `dev`", "an address is on one interface");
                        self.found.dropped(option.place, fault);
                        whole = false;
                    }
                    it.interface = self.interface_value(&mut line, option);
                    whole &= it.interface.is_some();
                }
                "brd" | "broadcast" => {
                    it.broadcast = self.broadcast(&mut line, option, v6);
                    whole &= it.broadcast.is_some();
                }
                "scope" => {
                    let scope = self.value(&mut line, option).and_then(|word| self.scope(word));
                    it.scope = scope.filter(|_| !self.only_ipv4(option, v6));
                }
                "label" => {
                    let label = self.label(&mut line, option);
                    whole &= label.is_some();
                    it.label = label.filter(|_| !self.only_ipv4(option, v6));
                }
                "peer" => it.peer = self.peer_address(&mut line, option, address),
                "preferred_lft" => it.preferred = self.lifetime(&mut line, option),
                "track_group" if is_static => {
                    it.track_group = self.value(&mut line, option).map(|word| word.text.clone());
                }
                "use_vmac" if !is_static => it.vmac = true,
                "home" => it.home = true,
                "-nodad" => it.duplicate_detection = true,
                "mngtmpaddr" => it.manage_temporary = true,
                "noprefixroute" => it.no_prefix_route = true,
                "autojoin" => it.autojoin = true,
                "no_track" => it.no_track = true,
                _ => self.unknown_option(option, "an address", OPTIONS),
            }
        }
        if it.peer.is_some() && it.broadcast.is_some() {
            let fault = Fault::new(
                "an address with a peer has no broadcast address",
                "take one of them out; the broadcast address does not count",
            );
            self.found.warning(node.place, fault);
            it.broadcast = None;
        }
        whole.then(|| Placed::new(it, node.place))
    }

    /// Addresses that no machine has.
    fn unlikely(&mut self, address: IpAddr, word: &Word) {
        let what = match address {
            _ if address.is_unspecified() => "unspecified",
            _ if address.is_multicast() => "a multicast",
            _ if address.is_loopback() => "a loopback",
            IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast",
            _ => return,
        };
        let fault = Fault::new(
            format!("{address} is {what} address"),
            "write an address that other machines can reach",
        );
        self.found.warning(word.place, fault);
    }

    /// Whether an option has to go, for the address is IPv6 and only IPv4 has it.
    fn only_ipv4(&mut self, option: &Word, v6: bool) -> bool {
        if v6 {
            let fault = Fault::new(
                format!("an IPv6 address has no `{}`", option.text),
                "take it out; it does not count",
            );
            self.found.warning(option.place, fault);
        }
        v6
    }

    fn broadcast(&mut self, line: &mut Line<'_>, option: &Word, v6: bool) -> Option<Broadcast> {
        let word = self.value(line, option)?;
        let broadcast = match &*word.text {
            "+" => Some(Broadcast::Ones),
            "-" => Some(Broadcast::Zeroes),
            text => text.parse().ok().filter(IpAddr::is_ipv4).map(Broadcast::Address),
        };
        if broadcast.is_none() || v6 {
            let fault = Fault::new(
                format!("{} is no broadcast address", quote(&word.text)),
                if v6 { "IPv6 has none: take it out" } else { "write an IPv4 address, + or -" },
            );
            self.found.dropped(word.place, fault);
            return None;
        }
        broadcast
    }

    fn label(&mut self, line: &mut Line<'_>, option: &Word) -> Option<String> {
        let word = self.value(line, option)?;
        if word.text.is_empty() || word.text.len() > LABEL_MOST {
            let fault = Fault::new(
                format!("{} is no label", quote(&word.text)),
                format!("a label has at most {LABEL_MOST} bytes, like eth0:1"),
            );
            self.found.dropped(word.place, fault);
            return None;
        }
        Some(word.text.clone())
    }

    fn peer_address(
        &mut self,
        line: &mut Line<'_>,
        option: &Word,
        address: IpAddr,
    ) -> Option<IpAddr> {
        let word = self.value(line, option)?;
        let peer = self.ip_word(word)?;
        if peer.is_ipv4() != address.is_ipv4() {
            let fault = Fault::new(
                format!("the peer {peer} is of another family than {address}"),
                "write an address of the same family",
            );
            self.found.dropped(word.place, fault);
            return None;
        }
        Some(peer)
    }

    fn lifetime(&mut self, line: &mut Line<'_>, option: &Word) -> Option<Lifetime> {
        let word = self.value(line, option)?;
        if word.text == "forever" {
            return Some(Lifetime::Forever);
        }
        if number::integer(&word.text).is_none() {
            let fault = Fault::new(
                format!("`preferred_lft`: {} is no time", quote(&word.text)),
                "write seconds, or forever",
            );
            self.found.dropped(word.place, fault);
            return None;
        }
        let seconds = self.integer(word, &option.text, 0, LIFETIME_MOST)?;
        u32::try_from(seconds).ok().map(Lifetime::Seconds)
    }
}
