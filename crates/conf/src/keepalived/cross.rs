//! What the parts of a configuration mean together.
//!
//! Each check is here for a line that keepalived writes into its log before it leaves something out or
//! changes it, or for something that it does not notice at all.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use super::effective::{Family, OWNER};
use super::file::{Address, File, Globals, HmacMode, Instance, State};
use super::found::{Found, Kind};
use super::machine::Machine;
use super::place::{Place, Placed};
use crate::value::{Fault, quote};
use index::Index;

mod groups;
mod index;
mod leave_out;
mod scripts;

/// Addresses that fit into an advert, by its count of them.
const MOST_ADDRESSES: usize = 255;

/// Looks at everything that the parts mean together, and at the machine's scripts. What does not
/// count is taken out, for those who tolerate it.
pub(super) fn check(file: &mut File, machine: &dyn Machine, found: &mut Found) {
    parts(file, found);
    let useless = scripts::check(file, machine, found);
    leave_out::all(file, &useless);
}

fn parts(file: &File, found: &mut Found) {
    let index = Index::new(file);
    for instance in &file.instances {
        Check { index: &index, globals: &file.globals, instance, found }.all();
    }
    same_router(file, found);
    same_addresses(file, found);
    groups::check(file, &index, found);
    fifos(&file.globals, found);
    up_down_delays(file, found);
}

/// The checks of one instance.
struct Check<'a> {
    index: &'a Index<'a>,
    globals: &'a Globals,
    instance: &'a Instance,
    found: &'a mut Found,
}

impl Check<'_> {
    fn all(&mut self) {
        self.missing();
        self.families();
        self.version();
        self.adverts();
        self.state();
        self.preemption();
        self.authentication();
        self.unicast();
        self.strict();
        self.vmac();
        self.trackers();
        self.routes();
    }

    /// The place to say what is missing.
    fn name(&self) -> Place {
        self.instance.name.place
    }

    fn warning(&mut self, place: Place, message: impl Into<String>, hint: &str) {
        self.found.warning(place, Fault::new(message, hint));
    }

    fn dropped(&mut self, place: Place, message: impl Into<String>, hint: &str) {
        self.found.dropped(place, Fault::new(message, hint));
    }

    fn missing(&mut self) {
        let it = self.instance;
        let name = quote(&it.name);
        if it.virtual_router_id.is_none() {
            let hint = "write a number from 1 to 255, the same on both machines";
            let message = format!("instance {name} without `virtual_router_id`");
            self.found.error(self.name(), Fault::new(message, hint));
        }
        if it.interface.is_none() {
            let message = format!("instance {name} without `interface`");
            let hint = "write the interface that carries the adverts, like eth0";
            self.found.error(self.name(), Fault::new(message, hint));
        }
        if it.addresses.is_empty() && it.no_addresses.is_none() {
            let message = format!("instance {name} without virtual addresses");
            let hint = "add a `virtual_ipaddress` block, or `no_virtual_ipaddress` if it is meant";
            if it.version(self.globals) == 3 {
                self.dropped(self.name(), message, hint);
            } else {
                self.warning(self.name(), message, hint);
            }
        }
        if let Some(extra) = it.addresses.get(MOST_ADDRESSES) {
            let message = format!("more than {MOST_ADDRESSES} addresses in one instance");
            self.warning(extra.place, message, "from here on they are not in the adverts");
        }
    }

    fn families(&mut self) {
        let it = self.instance;
        let family = it.family();
        let addresses = it.addresses.iter().map(|one| (one.address, one.place));
        let peers = it.unicast_peers.iter().flatten().map(|one| (one.address, one.place));
        let single = [&it.unicast_source, &it.multicast_source, &it.multicast_group];
        let single = single.into_iter().flatten().map(|one| (one.value, one.place));
        let all: Vec<_> = addresses.chain(peers).chain(single).collect();
        for (address, place) in all {
            if !family.has(address) {
                let family = if family == Family::V4 { "IPv4" } else { "IPv6" };
                self.dropped(
                    place,
                    format!("{address} in an instance for {family}"),
                    "an instance is for one family; the other goes to \
                     `virtual_ipaddress_excluded`, or to an instance of its own",
                );
            }
        }
    }

    fn version(&mut self) {
        let it = self.instance;
        if let Some(version) = it.version.as_ref().filter(|version| version.value == 2)
            && it.family() == Family::V6
        {
            self.found.error(
                version.place,
                Fault::new(
                    "there is no version 2 of VRRP for IPv6",
                    "write `version 3`, or leave it out",
                ),
            );
        }
    }

    fn adverts(&mut self) {
        let it = self.instance;
        let Some(written) = &it.advert_interval else { return };
        let taken = it.effective_advert_interval(self.globals);
        if taken != written.value {
            let (version, hint) = match it.version(self.globals) {
                3 => (3, "version 3 knows steps of 10 ms, up to 40.95 s"),
                _ => (2, "version 2 knows whole seconds; with `version 3` it may be shorter"),
            };
            let [written_s, taken_s] = [written.value, taken].map(seconds);
            self.warning(
                written.place,
                format!("`advert_int`: {written_s} is taken for {taken_s} in version {version}"),
                hint,
            );
        }
    }

    fn state(&mut self) {
        let it = self.instance;
        if let (Some(state), None) = (&it.state, &it.priority)
            && state.value == State::Master
        {
            self.warning(
                state.place,
                "`state MASTER` without `priority` makes an owner of the addresses",
                "its priority is 255, and nothing it tracks counts: write a `priority`",
            );
        }
    }

    fn preemption(&mut self) {
        let it = self.instance;
        let is_master = it.wanted_state() == State::Master;
        if let Some(preempt) = it.preempt.as_ref().filter(|preempt| !preempt.value)
            && it.preempts()
        {
            let (message, hint) = match is_master {
                true => ("`nopreempt` does nothing with `state MASTER`", "write `state BACKUP`"),
                false => ("`nopreempt` does nothing with priority 255", "write a lower `priority`"),
            };
            self.warning(preempt.place, message, hint);
        }
        if let Some(delay) = it.preempt_delay.as_ref().filter(|delay| !delay.is_zero())
            && it.effective_preempt_delay(self.globals).is_zero()
        {
            let why = match () {
                () if is_master => "`state MASTER`",
                () if it.is_strict(self.globals) => "strict mode",
                () => "`nopreempt`",
            };
            self.warning(
                delay.place,
                format!("`preempt_delay` does nothing with {why}"),
                "take one of them out",
            );
        }
        if let Some(expired) = &it.timer_expired_backup
            && it.preempts()
        {
            self.warning(
                expired.place,
                "`timer_expired_backup` does nothing without `nopreempt`",
                "take it out, or write `nopreempt`",
            );
        }
    }

    fn authentication(&mut self) {
        let it = self.instance;
        if let Some(password) = &it.password
            && it.effective_password(self.globals).is_none()
        {
            let why = if it.version(self.globals) == 3 { "version 3" } else { "strict mode" };
            self.warning(
                password.place,
                format!("{why} has no passwords: adverts are sent and taken without one"),
                "take the block out",
            );
        }
        if let (Some(password), Some(hmac)) = (&it.password, &it.hmac) {
            let fault = Fault::new(
                "`authentication` and `auth_hmac` exclude each other",
                "take one of them out",
            );
            let note = (password.place, "the other one");
            self.found.with(Kind::Error, hmac.place, fault, note);
        }
        if let Some(mode) = it.hmac.as_ref().and_then(|hmac| hmac.mode.as_ref())
            && mode.value != HmacMode::Enforce
            && it.is_strict(self.globals)
        {
            let fault = Fault::new(
                "strict mode takes signed adverts only",
                "write `mode enforce`, or `strict_mode off` until both machines sign",
            );
            self.found.error(mode.place, fault);
        }
        if let Some(hmac) = &it.hmac
            && hmac.monotonic.as_ref().is_some_and(|monotonic| monotonic.value)
            && let Some(window) = &hmac.time_window
        {
            self.warning(
                window.place,
                "`time_window` does nothing with `anti_replay monotonic`",
                "take it out",
            );
        }
    }

    fn unicast(&mut self) {
        let it = self.instance;
        let words = [
            it.unicast_source.as_ref().map(|one| one.place),
            it.check_unicast_source.as_ref().map(|one| one.place),
            it.old_unicast_checksum.as_ref().map(|one| one.place),
            it.unicast_peers.as_ref().map(|_| self.name()),
        ];
        let first = words.into_iter().flatten().next();
        if !it.is_unicast() {
            if let Some(place) = first
                && it.fault_without_peers.is_none()
            {
                self.dropped(
                    place,
                    format!("instance {} is for unicast and has no peers", quote(&it.name)),
                    "keepalived would use multicast: write a `unicast_peer` block",
                );
            }
            if let Some(ttl) = &it.unicast_ttl {
                let hint = "take it out, or write a `unicast_peer` block";
                self.warning(ttl.place, "`unicast_ttl` does nothing without peers", hint);
            }
            return;
        }
        if let Some(group) = &it.multicast_group {
            let hint = "take it out";
            self.warning(group.place, "`mcast_dst_ip` does nothing with peers", hint);
        }
        let own = it.unicast_source.as_ref().or(it.multicast_source.as_ref());
        for peer in it.unicast_peers.iter().flatten() {
            if own.is_some_and(|own| own.value == peer.address) {
                self.found.error(
                    peer.place,
                    Fault::new(
                        format!("the peer {} is this machine itself", peer.address),
                        "write the other machine's address",
                    ),
                );
            }
        }
    }

    fn strict(&mut self) {
        let it = self.instance;
        if !it.is_strict(self.globals) {
            return;
        }
        let is_owner = it.base_priority() == OWNER;
        if let Some(state) = &it.state
            && (state.value == State::Master) != is_owner
        {
            let message = format!("strict mode: `state {}` with priority {}", state.value, {
                it.base_priority()
            });
            let hint = "in strict mode MASTER goes with priority 255, and only with it";
            self.warning(state.place, message, hint);
        }
        if let Some(peer) = it.unicast_peers.iter().flatten().next() {
            let hint = "take the peers out, or write `strict_mode off`";
            self.dropped(peer.place, "strict mode has no unicast", hint);
        }
        if let Some(first) = it.addresses.first()
            && let IpAddr::V6(v6) = first.address
            && !v6.is_unicast_link_local()
        {
            let hint = "write a link-local address (fe80::) first";
            self.warning(
                first.place,
                "strict mode: the first IPv6 address is not link-local",
                hint,
            );
        }
        if let Some(accept) = it.accept.as_ref().filter(|accept| accept.value)
            && it.version(self.globals) == 2
            && !is_owner
        {
            let message = "strict mode: `accept` does nothing in version 2";
            let hint = "packets to the virtual addresses are dropped: write `version 3`";
            self.warning(accept.place, message, hint);
        }
        if let Some(vmac) = it.vmac.as_ref().filter(|vmac| vmac.mac.is_some()) {
            let hint = "take the address out";
            self.warning(vmac.place, "strict mode: the MAC address is the RFC's", hint);
        }
    }

    fn vmac(&mut self) {
        let it = self.instance;
        match (&it.vmac, &it.vmac_xmit_base) {
            (Some(vmac), None) if it.is_unicast() => self.warning(
                vmac.place,
                "`use_vmac` with unicast sends from the interface below",
                "write `vmac_xmit_base`, which says so",
            ),
            (None, Some(base)) if it.vmac_for_addresses.is_none() => self.warning(
                base.place,
                "`vmac_xmit_base` does nothing without `use_vmac`",
                "take it out",
            ),
            _ => {}
        }
    }

    fn trackers(&mut self) {
        let it = self.instance;
        for track in &it.tracks.interfaces {
            if it.interface.as_ref().is_some_and(|own| own.value == track.name.value) {
                self.warning(
                    track.name.place,
                    format!("{} is the instance's own interface", quote(&track.name)),
                    "it is tracked without this line, and without a weight",
                );
            }
        }
        let ignored = match self.index.group_of.get(it.name.as_str()) {
            _ if it.base_priority() == OWNER => {
                Some("the priority of an owner (255) does not change: it would not be tracked")
            }
            Some(group) if group.tracking_weight.is_none() => Some(
                "in a sync group only unweighted ones count: track it in the group, or write \
                 `sync_group_tracking_weight` there",
            ),
            _ => None,
        };
        let Some(hint) = ignored else { return };
        for (track, weight) in self.index.weights(&it.tracks) {
            if weight != 0 {
                let message = format!(
                    "{} has the weight {weight}, which does not count here",
                    quote(&track.name)
                );
                self.dropped(track.name.place, message, hint);
            }
        }
    }

    fn routes(&mut self) {
        for route in &self.instance.routes {
            if route.interface.is_none() && !route.no_track {
                let message = "a route without `dev` is not tracked";
                self.warning(route.place, message, "write `dev`, or `no_track`");
            }
            if route.protocol.is_some() && !route.no_track {
                let message = "`protocol` does nothing for a route that is tracked";
                self.warning(route.place, message, "take it out, or write `no_track`");
            }
        }
        for rule in &self.instance.rules {
            if rule.protocol.is_some() && !rule.no_track {
                let message = "`protocol` does nothing for a rule that is tracked";
                self.warning(rule.place, message, "take it out, or write `no_track`");
            }
        }
    }
}

/// Two instances that would hear each other's adverts.
fn same_router(file: &File, found: &mut Found) {
    let mut seen: BTreeMap<(&str, bool, u8), &Instance> = BTreeMap::new();
    for it in &file.instances {
        let (Some(interface), Some(id)) = (&it.interface, &it.virtual_router_id) else { continue };
        // With other groups or peers they don't.
        if it.multicast_group.is_some() || it.is_unicast() {
            continue;
        }
        let key = (interface.as_str(), it.family() == Family::V6, id.value);
        if let Some(first) = seen.insert(key, it) {
            let fault = Fault::new(
                format!(
                    "{} and {} have one `virtual_router_id` on {}",
                    quote(&first.name),
                    quote(&it.name),
                    quote(interface)
                ),
                "give one of them another number",
            );
            let first = first.virtual_router_id.as_ref().map_or(first.name.place, |id| id.place);
            found.with(Kind::Error, id.place, fault, (first, "the other one"));
        }
    }
}

fn same_addresses(file: &File, found: &mut Found) {
    let all =
        file.instances.iter().flat_map(|it| it.addresses.iter().chain(&it.excluded_addresses));
    let mut seen: BTreeMap<_, &Placed<Address>> = BTreeMap::new();
    for address in all.chain(&file.static_addresses) {
        // The same link-local address may be on many interfaces.
        let key = (address.address, address.interface.as_deref());
        if let Some(first) = seen.get(&key) {
            let fault = Fault::new(
                format!("the address {} stands here again", address.address),
                "take one of the lines out",
            );
            found.with(Kind::Warning, address.place, fault, (first.place, "the first line"));
        } else {
            seen.insert(key, address);
        }
    }
}

fn fifos(globals: &Globals, found: &mut Found) {
    if let (Some(all), Some(vrrp)) = (&globals.fifo, &globals.vrrp_fifo)
        && all.path.value == vrrp.path.value
    {
        let fault = Fault::new("two pipes of one name", "give one of them another path");
        let note = (all.path.place, "the other one");
        found.with(Kind::Error, vrrp.path.place, fault, note);
    }
    let scripts = [
        (&globals.fifo, &globals.fifo_script, "notify_fifo"),
        (&globals.vrrp_fifo, &globals.vrrp_fifo_script, "vrrp_notify_fifo"),
    ];
    for (fifo, script, name) in scripts {
        if let (None, Some(script)) = (fifo, script) {
            let fault = Fault::new(
                format!("`{name}_script` without `{name}`"),
                "name the pipe that it reads, or take it out",
            );
            found.warning(script.place(), fault);
        }
    }
}

/// A machine that waits longer than the other does would find it Active.
fn up_down_delays(file: &File, found: &mut Found) {
    let waits = waits(file);
    for delay in &file.up_down_delays {
        let Some((wait, it)) = waits.get(delay.interface.as_str()) else { continue };
        if delay.down >= *wait {
            let fault = Fault::new(
                format!(
                    "{} is waited for as long as a Backup waits for {}",
                    quote(&delay.interface),
                    quote(&it.name)
                ),
                format!("write a delay below {}", seconds(*wait)),
            );
            found.with(Kind::Dropped, delay.place, fault, (it.name.place, "this instance"));
        }
    }
}

/// How long an interface may be down before another machine takes over: for each interface the
/// shortest time, and the instance it is from.
fn waits(file: &File) -> BTreeMap<&str, (Duration, &Instance)> {
    let mut waits: BTreeMap<&str, (Duration, &Instance)> = BTreeMap::new();
    for it in &file.instances {
        let Some(interface) = &it.interface else { continue };
        let adverts = it.effective_down_timer_adverts(&file.globals).saturating_sub(1);
        let wait = it.effective_advert_interval(&file.globals) * u32::from(adverts);
        let shortest = waits.entry(interface).or_insert((wait, it));
        if wait < shortest.0 {
            *shortest = (wait, it);
        }
    }
    waits
}

fn seconds(time: Duration) -> String {
    format!("{} s", super::read::show_seconds(time))
}
