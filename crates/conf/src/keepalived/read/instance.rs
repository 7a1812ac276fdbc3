//! `vrrp_instance`.

use core::time::Duration;
use std::collections::BTreeMap;

use super::line::Line;
use super::{Entry, Reader};
use crate::keepalived::file::{
    Hmac, HmacKey, HmacMode, HmacValue, Instance, Mac, Peer, State, Vmac,
};
use crate::keepalived::found::Kind;
use crate::keepalived::keywords::Scope;
use crate::keepalived::place::Placed;
use crate::keepalived::tree::{Node, Word};
use crate::secret::Secret;
use crate::value::{Fault, quote};

/// Bytes of a password of version 2 that are sent.
const PASSWORD_MOST: usize = 8;

impl Reader<'_> {
    pub(super) fn instance(&mut self, entry: Entry<'_>) -> Option<Instance> {
        let name = self.header(entry)?;
        // keepalived skips a second one of the same name; that was said.
        if self.is_second_instance(&name) {
            return None;
        }
        let mut it = Instance::new(name);
        let mut password: Option<Password> = None;
        for entry in self.entries(entry.node.lines(), Scope::Instance) {
            let done = self.tracks(entry, &mut it.tracks)
                || self.notify(entry, &mut it.notify)
                || self.garp(entry, &mut it.garp, "")
                || self.unicast(entry, &mut it);
            if done {
                continue;
            }
            match entry.name() {
                "state" => self.state(entry, &mut it),
                "interface" => it.interface = self.interface(entry),
                "virtual_router_id" => it.virtual_router_id = self.number(entry),
                "priority" => it.priority = self.number(entry),
                "advert_int" => it.advert_interval = self.seconds(entry),
                "version" => it.version = self.number(entry),
                "virtual_ipaddress" => {
                    let lines = self.lines_in(entry.node).iter();
                    it.addresses.extend(lines.filter_map(|line| self.address(line, false)));
                }
                "virtual_ipaddress_excluded" => {
                    let lines = self.lines_in(entry.node).iter();
                    let addresses = lines.filter_map(|line| self.address(line, false));
                    it.excluded_addresses.extend(addresses);
                }
                "no_virtual_ipaddress" => it.no_addresses = self.set(entry),
                "native_ipv6" => it.native_ipv6 = self.set(entry),
                "preempt" | "nopreempt" => self.preempt(entry, &mut it),
                "preempt_delay" => it.preempt_delay = self.seconds(entry),
                "down_timer_adverts" => it.down_timer_adverts = self.number(entry),
                "timer_expired_backup" | "thread_timer_expired" => {
                    it.timer_expired_backup = self.timer_expired(entry);
                }
                "lower_prio_no_advert" => it.lower_prio_no_advert = self.switch(entry),
                "higher_prio_send_advert" => it.higher_prio_send_advert = self.switch(entry),
                "authentication" => {
                    let known = password.take();
                    password = Some(self.password(entry, known.unwrap_or_default()));
                }
                "auth_hmac" => it.hmac = self.hmac(entry),
                "dont_track_primary" => it.dont_track_primary = self.set(entry),
                "skip_check_adv_addr" => it.skip_check_adv_addr = self.switch(entry),
                "strict_mode" => it.strict = self.switch(entry),
                "accept" => it.accept = self.set(entry).map(|set| set.map(|()| true)),
                "no_accept" => it.accept = self.set(entry).map(|set| set.map(|()| false)),
                "v3_checksum_as_v2" => it.v3_checksum_as_v2 = self.switch(entry),
                "owner_ignore_adverts" => it.owner_ignore_adverts = self.switch(entry),
                "promote_secondaries" => it.promote_secondaries = self.set(entry),
                "use_vmac" => it.vmac = self.vmac(entry),
                "use_vmac_addr" => it.vmac_for_addresses = self.set(entry),
                "vmac_xmit_base" => it.vmac_xmit_base = self.set(entry),
                "virtual_routes" => {
                    let lines = self.lines_in(entry.node).iter();
                    it.routes.extend(lines.filter_map(|line| self.route(line, false)));
                }
                "virtual_rules" => {
                    let lines = self.lines_in(entry.node).iter();
                    it.rules.extend(lines.filter_map(|line| self.rule(line, false)));
                }
                "redis" => it.redis = Some(self.redis(entry)),
                _ => {}
            }
        }
        if let Some(password) = password {
            it.password = self.finish_password(password, entry);
        }
        Some(it)
    }

    fn unicast(&mut self, entry: Entry<'_>, it: &mut Instance) -> bool {
        match entry.name() {
            "unicast_peer" => {
                let lines = self.lines_in(entry.node).iter();
                let peers = it.unicast_peers.get_or_insert_default();
                for peer in lines.filter_map(|line| self.peer(line)) {
                    peers.push(peer);
                }
            }
            "unicast_src_ip" => it.unicast_source = self.ip(entry),
            "mcast_src_ip" => it.multicast_source = self.ip(entry),
            "mcast_dst_ip" => it.multicast_group = self.group(entry),
            "track_src_ip" => it.track_source = self.set(entry),
            "unicast_ttl" => it.unicast_ttl = self.number(entry),
            "check_unicast_src" => it.check_unicast_source = self.set(entry),
            "old_unicast_checksum" => {
                it.old_unicast_checksum = match self.optional_word(entry) {
                    None => Some(Placed::new(true, entry.place())),
                    Some(word) => {
                        let never = self.one_of(word, entry.name(), &["never"]);
                        never.map(|never| never.map(|_| false))
                    }
                };
            }
            "unicast_fault_no_peer" => it.fault_without_peers = self.set(entry),
            _ => return false,
        }
        true
    }

    /// keepalived takes any MASTER for MASTER, and says so if BACKUP follows.
    fn state(&mut self, entry: Entry<'_>, it: &mut Instance) {
        let Some(word) = self.word(entry) else { return };
        let state = match &*word.text {
            "MASTER" => State::Master,
            "BACKUP" => State::Backup,
            _ => {
                let fault = Fault::new(
                    format!("`state`: {} is no state", quote(&word.text)),
                    "write MASTER or BACKUP, in capital letters; keepalived would take BACKUP",
                );
                self.found.dropped(word.place, fault);
                return;
            }
        };
        if let Some(first) = &it.state {
            let kind = if first.value == state { Kind::Warning } else { Kind::Dropped };
            let fault = Fault::new("a second `state`", "take one of them out; MASTER prevails");
            self.found.with(kind, word.place, fault, (first.place, "the first one"));
        }
        if it.state.as_ref().is_none_or(|first| first.value == State::Backup) {
            it.state = Some(Placed::new(state, word.place));
        }
    }

    fn preempt(&mut self, entry: Entry<'_>, it: &mut Instance) {
        self.nothing(entry);
        let value = entry.name() == "preempt";
        if let Some(other) = it.preempt.as_ref().filter(|other| other.value != value) {
            let fault = Fault::new(
                "`preempt` and `nopreempt` exclude each other",
                "take one of them out; the last one holds",
            );
            self.found.with(Kind::Warning, entry.place(), fault, (other.place, "the other one"));
        }
        it.preempt = Some(Placed::new(value, entry.place()));
    }

    fn timer_expired(&mut self, entry: Entry<'_>) -> Option<Placed<u8>> {
        const HIGHEST: u8 = 254;
        let Some(word) = self.optional_word(entry) else {
            return Some(Placed::new(HIGHEST, entry.place()));
        };
        let priority = self.integer(word, entry.name(), 1, HIGHEST.into())?;
        Some(Placed::new(u8::try_from(priority).ok()?, word.place))
    }

    fn peer(&mut self, node: &Node) -> Option<Placed<Peer>> {
        let mut line = Line::new(node);
        let word = line.next()?;
        let address = self.ip_word(word)?;
        let mut it = Peer { address, min_ttl: None, max_ttl: None };
        while let Some(option) = line.next() {
            match &*option.text {
                "min_ttl" => it.min_ttl = self.number_value(&mut line, option, 0, 255),
                "max_ttl" => it.max_ttl = self.number_value(&mut line, option, 0, 255),
                _ => self.unknown_option(option, "a peer", &["min_ttl", "max_ttl"]),
            }
        }
        if let (Some(least), Some(most)) = (it.min_ttl, it.max_ttl)
            && least > most
        {
            let fault =
                Fault::new("`min_ttl` is above `max_ttl`: no advert would be taken", "swap them");
            self.found.error(node.place, fault);
        }
        Some(Placed::new(it, node.place))
    }

    /// Several blocks are one.
    fn password(&mut self, entry: Entry<'_>, known: Password) -> Password {
        let mut it = known;
        for entry in self.entries(entry.node.lines(), Scope::Authentication) {
            match entry.name() {
                "auth_type" => it.kind = self.choice(entry),
                "auth_pass" => {
                    if let Some(word) = self.word(entry) {
                        it.text = Some(Placed::new(word.text.clone(), word.place));
                    }
                }
                _ => {}
            }
        }
        it
    }

    fn finish_password(&mut self, password: Password, entry: Entry<'_>) -> Option<Placed<Secret>> {
        let Password { kind, text } = password;
        let block = entry.node.lines().iter().find(|line| line.name() == "authentication");
        let place = block.map_or(entry.place(), Node::name_place);
        let Some(kind) = kind else {
            if let Some(text) = text {
                // keepalived says nothing and checks nothing.
                let fault = Fault::new("`auth_pass` without `auth_type`", "write `auth_type PASS`");
                self.found.dropped(text.place, fault);
            }
            return None;
        };
        if kind.value == "AH" {
            let fault = Fault::new(
                "`auth_type AH` is refused: Keepair has no IPsec",
                "use `auth_type PASS`, or version 3 without a password",
            );
            self.found.error(kind.place, fault);
            return None;
        }
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            let fault = Fault::new(
                "`authentication` without a password",
                "write it behind `auth_pass`, or take the block out",
            );
            self.found.dropped(place, fault);
            return None;
        };
        if text.len() > PASSWORD_MOST {
            let fault = Fault::new(
                format!("`auth_pass` has more than {PASSWORD_MOST} bytes"),
                "the others are not sent: shorten it on both machines",
            );
            self.found.warning(text.place, fault);
        }
        Some(text.map(Secret::new))
    }

    fn hmac(&mut self, entry: Entry<'_>) -> Option<Placed<Hmac>> {
        let mut keys: Vec<Placed<HmacKey>> = Vec::new();
        let mut active: Option<Placed<u8>> = None;
        let (mut monotonic, mut time_window, mut mode) = (None, None, None);
        let block = entry;
        for entry in self.entries(entry.node.lines(), Scope::AuthHmac) {
            match entry.name() {
                "key" => keys.extend(self.hmac_key(entry)),
                "active_key" => active = self.number(entry),
                "anti_replay" => {
                    let choice = self.choice(entry);
                    monotonic = choice.map(|choice| choice.map(|choice| choice == "monotonic"));
                }
                "time_window" => {
                    let seconds = self.number::<u16>(entry);
                    time_window =
                        seconds.map(|seconds| seconds.map(|it| Duration::from_secs(it.into())));
                }
                "mode" => {
                    mode = self.choice(entry).map(|choice| {
                        choice.map(|choice| match choice {
                            "permissive" => HmacMode::Permissive,
                            "receive-only" => HmacMode::ReceiveOnly,
                            _ => HmacMode::Enforce,
                        })
                    });
                }
                _ => {}
            }
        }
        let mut seen = BTreeMap::new();
        for key in &keys {
            if let Some(first) = seen.insert(key.id, key.place) {
                let fault =
                    Fault::new(format!("a second key {}", key.id), "give it another number");
                self.found.with(Kind::Error, key.place, fault, (first, "the first one"));
            }
        }
        let Some(active_key) = active else {
            let fault = Fault::new(
                "`auth_hmac` without `active_key`",
                "write the number of the key that signs",
            );
            self.found.error(block.place(), fault);
            return None;
        };
        // A key that was written wrongly was spoken of.
        let written = block.node.lines().iter().filter(|line| line.name() == "key").count();
        if written == keys.len() && !keys.iter().any(|key| key.id == active_key.value) {
            let fault = Fault::new(
                format!("there is no key {}", active_key.value),
                "write a line that begins with `key` and this number",
            );
            self.found.error(active_key.place, fault);
        }
        let hmac = Hmac { keys, active_key, monotonic, time_window, mode };
        Some(Placed::new(hmac, block.place()))
    }

    fn hmac_key(&mut self, entry: Entry<'_>) -> Option<Placed<HmacKey>> {
        let [id, value, ..] = entry.node.arguments() else {
            let _ = self.word(entry);
            if let [id] = entry.node.arguments() {
                let fault = Fault::new("a key without a value", "write it behind its number");
                self.found.error(id.place, fault);
            }
            return None;
        };
        if let [_, _, extra, ..] = entry.node.arguments() {
            let fault = Fault::new("a key is one word", "put one with blanks in double quotes");
            self.found.error(extra.place, fault);
        }
        let Some(id) = id.text.parse::<u8>().ok().filter(|id| *id > 0) else {
            // What stands there may be the key itself.
            let fault = Fault::new(
                "a key without a number",
                "write a number from 1 to 255 before the key, the same on both machines",
            );
            self.found.error(id.place, fault);
            return None;
        };
        let value = match value.text.split_once(':') {
            Some(("file", path)) => {
                if let Err(fault) = crate::value::name::path(path) {
                    self.found.error(value.place, fault);
                    return None;
                }
                HmacValue::File(path.to_owned())
            }
            Some(("hex", digits)) => {
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                if !is_hex || !digits.len().is_multiple_of(2) {
                    let fault = Fault::new(
                        "this key is not hexadecimal",
                        "write two digits from 0 to f for every byte",
                    );
                    self.found.error(value.place, fault);
                    return None;
                }
                self.key_length(digits.len() / 2, value)?;
                HmacValue::Hex(Secret::new(digits.to_owned()))
            }
            _ => {
                self.key_length(value.text.len(), value)?;
                HmacValue::Text(Secret::new(value.text.clone()))
            }
        };
        Some(Placed::new(HmacKey { id, value }, entry.place()))
    }

    fn key_length(&mut self, bytes: usize, word: &Word) -> Option<()> {
        if (32..=64).contains(&bytes) {
            return Some(());
        }
        let fault = Fault::new(
            format!("a key of {bytes} bytes"),
            "a key has 32 to 64 bytes; `openssl rand -hex 32` makes one to write behind hex:",
        );
        self.found.error(word.place, fault);
        None
    }

    fn vmac(&mut self, entry: Entry<'_>) -> Option<Placed<Vmac>> {
        let mut it = Vmac { name: None, mac: None };
        for word in entry.node.arguments() {
            if word.text.contains(':') {
                it.mac = Some(self.mac(word)?);
            } else if it.name.is_none() {
                it.name = Some(self.interface_name(word)?);
            } else {
                let fault = Fault::new(
                    format!("a second name {} of one interface", quote(&word.text)),
                    "write one name, and a MAC address if need be",
                );
                self.found.dropped(word.place, fault);
            }
        }
        Some(Placed::new(it, entry.place()))
    }

    /// Six bytes, or five.
    fn mac(&mut self, word: &Word) -> Option<Mac> {
        let bytes: Vec<u8> =
            word.text.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        let parts = word.text.split(':').count();
        let mac = match *bytes {
            [a, b, c, d, e, f] if parts == 6 => Some(Mac::Whole([a, b, c, d, e, f])),
            [a, b, c, d, e] if parts == 5 => Some(Mac::Prefix([a, b, c, d, e])),
            _ => None,
        };
        let is_one_of_the_rfc = matches!(
            mac,
            Some(Mac::Whole([0, 0, 0x5e, 0, 1 | 2, _]) | Mac::Prefix([0, 0, 0x5e, 0, 1 | 2]))
        );
        let is_for_one = bytes.first().is_some_and(|first| first & 1 == 0) && mac.is_some();
        if !is_for_one || is_one_of_the_rfc {
            let hint = match is_one_of_the_rfc {
                true => "leave the RFC's own address out: it is the one without any",
                false => "write six bytes like 02:00:00:00:00:01, or five",
            };
            let fault = Fault::new(format!("{} is no MAC address to use", quote(&word.text)), hint);
            self.found.dropped(word.place, fault);
            return None;
        }
        mac
    }
}

/// What `authentication` said so far.
#[derive(Default)]
struct Password {
    kind: Option<Placed<&'static str>>,
    text: Option<Placed<String>>,
}
