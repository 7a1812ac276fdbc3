//! One `vrrp_instance`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use keepair_core::config::Vrid;
use keepair_core::router::config::{
    Family, Garp, Hmac, HmacKey, HmacMode, InstanceConfig, LinkId, Password, Peer, Track, Tracks,
    Transport, Version, Vmac, Weight,
};
use keepair_core::router::network::{Address, Route, Rule};

use super::{Builder, first};
use crate::keepalived::effective::OWNER;
use crate::keepalived::file::{self, Globals, Instance, Mac, State};
use crate::keepalived::place::{Place, Placed};
use crate::value::{Fault, quote};

/// How many addresses an advert can name.
const MOST_ADDRESSES: usize = 255;

impl<'a> Builder<'a> {
    /// `None` if it lacks what a file without errors has.
    pub(super) fn instance(&mut self, it: &'a Instance) -> Option<InstanceConfig> {
        let globals = self.globals();
        let interface: &'a str = it.interface.as_ref()?;
        let vrid = it.virtual_router_id.as_ref()?.value;
        let link = self.link(interface);
        let family: Family = it.family().into();
        let strict = it.is_strict(globals);
        let owner = it.base_priority() == OWNER;
        let version = if it.version(globals) == 2 { Version::V2 } else { Version::V3 };
        let (addresses, excluded_addresses) = addresses(it, interface);
        let source = it.unicast_source.as_ref().or(it.multicast_source.as_ref());
        let unicast = it.is_unicast() || it.fault_without_peers.is_some();
        Some(InstanceConfig {
            name: it.name.value.clone(),
            link,
            vrid: Vrid(vrid),
            family,
            version,
            priority: it.base_priority(),
            wants_active: wants_active(it, strict),
            advert_interval: it.effective_advert_interval(globals),
            down_timer_adverts: it.effective_down_timer_adverts(globals),
            preempt: it.preempts(),
            preempt_delay: it.effective_preempt_delay(globals),
            source: source.map(|source| source.value),
            track_source: it.track_source.is_some() && source.is_some(),
            transport: transport(it, globals, family),
            checksum_without_pseudo_header: family == Family::V4
                && version == Version::V3
                && first([&it.v3_checksum_as_v2, &globals.v3_checksum_as_v2], false),
            old_unicast_checksum: it.old_unicast_checksum.as_ref().map(|old| old.value),
            password: it.effective_password(globals).map(|it| password(it.expose())),
            hmac: it
                .hmac
                .as_ref()
                .and_then(|hmac| self.hmac(hmac, it.effective_advert_interval(globals))),
            addresses,
            excluded_addresses,
            routes: it.routes.iter().map(|route| self::route(&route.value)).collect(),
            rules: it.rules.iter().map(|rule| self::rule(&rule.value)).collect(),
            garp: garp(&it.garp, globals, strict),
            lower_prio_no_advert: strict
                || first([&it.lower_prio_no_advert, &globals.lower_prio_no_advert], false),
            higher_prio_send_advert: !strict
                && first([&it.higher_prio_send_advert, &globals.higher_prio_send_advert], false),
            skip_check_adv_addr: it
                .skip_check_adv_addr
                .as_ref()
                .map_or(globals.skip_check_adv_addr.is_some(), |skip| skip.value),
            owner_ignore_adverts: owner
                && first([&it.owner_ignore_adverts, &globals.owner_ignore_adverts], false),
            strict,
            accept: owner || accepts(it, strict, version),
            timer_expired_backup: it
                .timer_expired_backup
                .as_ref()
                .filter(|_| !it.preempts())
                .map(|expired| expired.value),
            vmac: self.vmac(it, vrid, family, unicast),
            promote_secondaries: it.promote_secondaries.is_some(),
            tracks: self.all_tracks(it, link, interface),
            notify_priority_changes: self.tells_priorities(it),
            smtp_alert: self.smtp_alert(&it.notify),
            notify_deleted: it.notify.deleted.is_some(),
        })
    }

    /// What it tracks because it is written, because its parts need it, and because a `track_group`
    /// says so. An interface that is tracked for one of these reasons is so without a weight.
    fn all_tracks(&mut self, it: &'a Instance, own: LinkId, interface: &'a str) -> Tracks {
        let mut tracks = self.tracks(&it.tracks, Some(interface));
        let mut needed: Vec<LinkId> = Vec::new();
        if it.dont_track_primary.is_none() {
            needed.push(own);
        }
        for name in needed_interfaces(it).chain(self.static_interfaces(it)) {
            if name != interface {
                needed.push(self.link(name));
            }
        }
        for id in needed {
            match tracks.links.iter_mut().find(|track| track.id == id) {
                Some(track) => track.weight = Weight::default(),
                None => tracks.links.push(Track { id, weight: Weight::default() }),
            }
        }
        tracks
    }

    /// The interfaces of the static entries whose `track_group` it is in.
    fn static_interfaces(&self, it: &Instance) -> impl Iterator<Item = &'a str> + use<'a> {
        let file = self.file;
        let name = it.name.value.clone();
        let usual = file.globals.default_interface.as_ref().map_or("eth0", |it| it.as_str());
        let addresses = file.static_addresses.iter().filter(|it| !it.no_track).map(move |it| {
            (&it.value.track_group, Some(it.value.interface.as_deref().unwrap_or(usual)))
        });
        let routes = file.static_routes.iter().filter(|it| !it.no_track);
        let routes = routes.map(|it| (&it.value.track_group, it.value.interface.as_deref()));
        let rules = file.static_rules.iter().filter(|it| !it.no_track);
        let rules = rules.map(|it| (&it.value.track_group, it.value.input.as_deref()));
        let all = addresses.chain(routes).chain(rules);
        all.filter_map(move |(group, interface)| {
            let group = group.as_ref()?;
            let group = file.track_groups.iter().find(|one| one.name.value == *group)?;
            group.members.iter().any(|member| member.value == name).then_some(interface)?
        })
    }

    /// A group's word is its members'.
    fn tells_priorities(&self, it: &Instance) -> bool {
        let mut groups = self.file.sync_groups.iter();
        let group = groups.find(|group| group.members.iter().any(|one| **one == it.name.value));
        let none = None;
        let of_group = group.map_or(&none, |group| &group.notify.priority_changes);
        let globals = self.globals();
        first([&it.notify.priority_changes, of_group, &globals.notify_priority_changes], false)
    }

    fn vmac(&mut self, it: &Instance, vrid: u8, family: Family, unicast: bool) -> Option<Vmac> {
        let vmac = it.vmac.as_ref()?;
        let strict = it.is_strict(self.globals());
        let name = match &vmac.name {
            Some(name) => name.clone(),
            None => self.vmac_name(vrid, family),
        };
        self.vmacs.insert(name.clone());
        let mac = match vmac.mac.filter(|_| !strict) {
            Some(Mac::Whole(mac)) => mac,
            Some(Mac::Prefix([a, b, c, d, e])) => [a, b, c, d, e, vrid],
            // RFC 9568 section 7.3.
            None if family == Family::V4 => [0, 0, 0x5e, 0, 1, vrid],
            None => [0, 0, 0x5e, 0, 2, vrid],
        };
        Some(Vmac { name, mac, xmit_base: it.vmac_xmit_base.is_some() || unicast })
    }

    /// The first name that is free: `vrrp.51`; for IPv6 then `vrrp6.51`; then `vrrp1.51`.
    fn vmac_name(&self, vrid: u8, family: Family) -> String {
        let prefix = self.globals().vmac_prefix.as_ref().map_or("vrrp", |it| it.as_str());
        let six = (family == Family::V6).then(|| "6".to_owned());
        let more = (1..=u16::MAX).map(|number| number.to_string());
        let mut names = core::iter::once(String::new())
            .chain(six)
            .chain(more)
            .map(|middle| format!("{prefix}{middle}.{vrid}"));
        names.find(|name| !self.vmacs.contains(name)).unwrap_or_default()
    }

    fn hmac(&mut self, hmac: &Placed<file::Hmac>, interval: Duration) -> Option<Hmac> {
        /// Clocks that are set over the network are this near to each other.
        const LEAST_WINDOW: Duration = Duration::from_secs(5);
        let mut keys = Vec::new();
        for key in &hmac.keys {
            let value = match &key.value.value {
                file::HmacValue::Text(text) => Some(text.expose().as_bytes().to_vec()),
                file::HmacValue::Hex(digits) => bytes(digits.expose()),
                file::HmacValue::File(path) => self.key_file(path, key.place),
            };
            keys.push(HmacKey { id: key.id, value: value? });
        }
        Some(Hmac {
            keys,
            active_key: hmac.active_key.value,
            monotonic: hmac.monotonic.as_ref().is_some_and(|it| it.value),
            time_window: hmac
                .time_window
                .as_ref()
                .map_or((interval * 3).max(LEAST_WINDOW), |window| window.value),
            mode: match hmac.mode.as_ref().map(|mode| mode.value) {
                None | Some(file::HmacMode::Enforce) => HmacMode::Enforce,
                Some(file::HmacMode::Permissive) => HmacMode::Permissive,
                Some(file::HmacMode::ReceiveOnly) => HmacMode::ReceiveOnly,
            },
        })
    }

    /// The key in a file: text, or digits behind `hex:`, as in the configuration; without the end of
    /// its line.
    fn key_file(&mut self, path: &str, place: Place) -> Option<Vec<u8>> {
        let read = self.machine.read(path);
        let (message, hint) = match &read {
            Err(_) => ("can't be read", "put a key of 32 to 64 bytes there, for root only"),
            Ok(content) => match key(content) {
                Some(key) => return Some(key),
                None => (
                    "holds no key",
                    "`openssl rand -hex 32` makes one: write it behind hex: into the file",
                ),
            },
        };
        self.faults
            .push((place, Fault::new(format!("the key file {} {message}", quote(path)), hint)));
        None
    }
}

/// The key that is the content of a file.
fn key(content: &[u8]) -> Option<Vec<u8>> {
    let text = core::str::from_utf8(content).ok()?.trim_end_matches(['\r', '\n']);
    let key = match text.strip_prefix("hex:") {
        Some(digits) => bytes(digits)?,
        None => text.as_bytes().to_vec(),
    };
    (32..=64).contains(&key.len()).then_some(key)
}

/// Two hexadecimal digits are a byte.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let pairs = digits.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

/// Eight bytes, as they stand in the packet.
fn password(text: &str) -> Password {
    let mut password = [0; 8];
    for (byte, written) in password.iter_mut().zip(text.bytes()) {
        *byte = written;
    }
    Password(password)
}

/// In strict mode only an owner may wish for MASTER, and always does.
fn wants_active(it: &Instance, strict: bool) -> bool {
    if strict {
        return it.base_priority() == OWNER;
    }
    it.wanted_state() == State::Master
}

/// Strict mode has a rule of its own, and version 2 knows no way around it.
fn accepts(it: &Instance, strict: bool, version: Version) -> bool {
    match &it.accept {
        Some(accept) if accept.value && strict => version == Version::V3,
        Some(accept) => accept.value,
        None => !strict,
    }
}

fn transport(it: &Instance, globals: &Globals, family: Family) -> Transport {
    const TTL: u8 = 255;
    let is_empty = !it.is_unicast();
    if is_empty && it.fault_without_peers.is_none() {
        let written = it.multicast_group.as_ref().map(|group| group.value);
        let usual = match family {
            Family::V4 => globals
                .multicast_group4
                .as_ref()
                .map_or(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)), |group| IpAddr::V4(group.value)),
            Family::V6 => globals
                .multicast_group6
                .as_ref()
                .map_or(IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)), |group| {
                    IpAddr::V6(group.value)
                }),
        };
        return Transport::Multicast { group: written.unwrap_or(usual) };
    }
    let peers: Vec<&file::Peer> =
        it.unicast_peers.iter().flatten().map(|peer| &peer.value).collect();
    let bounded = peers.iter().any(|peer| peer.min_ttl.is_some() || peer.max_ttl.is_some());
    Transport::Unicast {
        ttl: it.unicast_ttl.as_ref().map_or(TTL, |ttl| ttl.value),
        check_source: bounded
            || it.check_unicast_source.is_some()
            || globals.check_unicast_src.is_some(),
        peers: peers
            .iter()
            .map(|peer| Peer {
                address: peer.address,
                min_ttl: peer.min_ttl.unwrap_or(0),
                max_ttl: peer.max_ttl.unwrap_or(u8::MAX),
            })
            .collect(),
    }
}

/// `vrrp_min_garp` is another default, not an order: what is written holds beside it. What follows an
/// advert of a lower priority comes from the globals, not from the instance's other words.
fn garp(it: &file::Garp, globals: &Globals, strict: bool) -> Garp {
    let all = &globals.garp;
    let least = globals.min_garp.as_ref().is_some_and(|least| least.value);
    let (usual_delay, usual_repeat) = match least {
        true => (Duration::ZERO, 1),
        false => (Duration::from_secs(5), 5),
    };
    let (lower_prio_delay, lower_prio_repeat) = match strict {
        true => (Duration::ZERO, 0),
        false => (
            first([&it.lower_prio_delay, &all.lower_prio_delay, &all.delay], usual_delay),
            first([&it.lower_prio_repeat, &all.lower_prio_repeat, &all.repeat], usual_repeat),
        ),
    };
    Garp {
        delay: first([&it.delay, &all.delay], usual_delay),
        repeat: first([&it.repeat, &all.repeat], usual_repeat),
        refresh: first([&it.refresh, &all.refresh], Duration::ZERO),
        refresh_repeat: first([&it.refresh_repeat, &all.refresh_repeat], 1),
        lower_prio_delay,
        lower_prio_repeat,
    }
}

/// What the adverts name, and the others. More than an advert can name are others, too.
fn addresses(it: &Instance, interface: &str) -> (Vec<Address>, Vec<Address>) {
    let others = it.vmac_for_addresses.is_some();
    let family = it.family();
    let whole = |address: &Placed<Address>| {
        let mut address = address.value.clone();
        // The instance's own interface may be a macvlan on it.
        address.interface.take_if(|name| name == interface && !address.vmac);
        address.vmac |= others && address.interface.is_some();
        // That macvlan's MAC address is for one family.
        if it.vmac.is_some() && !family.has(address.address) {
            address.interface.get_or_insert_with(|| interface.to_owned());
        }
        address
    };
    let mut named: Vec<Address> = it.addresses.iter().map(whole).collect();
    let mut excluded: Vec<Address> = it.excluded_addresses.iter().map(whole).collect();
    if named.len() > MOST_ADDRESSES {
        excluded.extend(named.drain(MOST_ADDRESSES..));
    }
    (named, excluded)
}

/// A route is tracked by its interface, and with keepalived's protocol.
fn route(route: &Route) -> Route {
    let mut route = route.clone();
    route.no_track |= route.interface.is_none();
    if !route.no_track {
        route.protocol = None;
    }
    route
}

fn rule(rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    if !rule.no_track {
        rule.protocol = None;
    }
    rule
}

/// The interfaces that an instance's addresses, routes and rules need.
fn needed_interfaces(it: &Instance) -> impl Iterator<Item = &str> {
    let addresses = it.addresses.iter().chain(&it.excluded_addresses);
    let addresses = addresses.filter(|one| !one.no_track).map(|one| &one.value.interface);
    let routes = it.routes.iter().filter(|one| !one.no_track).map(|one| &one.value.interface);
    let rules = it.rules.iter().filter(|one| !one.no_track);
    let rules = rules.flat_map(|one| [&one.value.input, &one.value.output]);
    addresses.chain(routes).chain(rules).filter_map(|interface| interface.as_deref())
}
