//! A router's share of the kernel: what it put there, what it wants there, and what became of it.
//!
//! Nothing is decided here. Every call is answered by the kernel inside the system call.

use std::collections::BTreeMap;
use std::io;

use keepair_core::router::Config;
use keepair_core::router::config::{InstanceId, LinkId};
use keepair_core::router::event::Event;
use keepair_core::router::input::LinkState;
use keepair_core::time::Time;
use keepair_wire::{arp, ndp};
use std::net::IpAddr;

use super::announcements::{Announcements, Frame};
use super::firewall::Firewall;
use super::links::Links;
use super::names::Names;
use super::network_setup::NetworkSetup;
use super::plan::{Placed, Plan, Things};
use super::sysctl::{Changes, Half};
use super::{addresses, routes, rules, vmac};
use crate::announce::Announcer;
use crate::rtnl::Rtnl;

/// What an instance has in the kernel.
#[derive(Clone, Default, Debug)]
pub(super) struct Held {
    /// The router wants its things to be there.
    pub(super) wanted: bool,
    /// The routes that the kernel took.
    pub(super) routes: Vec<routes::Key>,
    /// The rules that the kernel took.
    pub(super) rules: Vec<rules::Key>,
    /// When `garp_extra_if` is due.
    extra_at: Option<Time>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Network {
    pub(super) rtnl: Rtnl,
    pub(super) names: Names,
    pub(super) plan: Plan,
    /// Those of the core's configuration first, by its places.
    pub(super) links: Links,
    /// So many of `links` are the core's.
    told_links: usize,
    pub(super) held: Vec<Held>,
    /// What the static things have; their `wanted` is always set.
    pub(super) statics: Held,
    setup: NetworkSetup,
    changes: Changes,
    firewall: Firewall,
    announcements: Announcements,
    announcers: BTreeMap<u32, Announcer>,
    /// The kernel did not answer a question about a change: everything is looked at again then.
    pub(super) look_again_at: Option<Time>,
    /// What went wrong and nobody was told yet.
    pub(super) problems: Vec<Event>,
    /// The daemon exits, and its addresses stay.
    pub(super) keeping: bool,
}

impl Network {
    /// Nothing is put into the kernel yet.
    ///
    /// # Errors
    /// When sockets are refused.
    pub(crate) fn open(config: &Config, setup: NetworkSetup, names: Names) -> io::Result<Network> {
        let mut network = Network {
            rtnl: Rtnl::open()?,
            names,
            plan: Plan::default(),
            links: Links::default(),
            told_links: 0,
            held: Vec::new(),
            statics: Held { wanted: true, ..Held::default() },
            setup: NetworkSetup::default(),
            changes: Changes::default(),
            firewall: Firewall::default(),
            announcements: Announcements::default(),
            announcers: BTreeMap::new(),
            look_again_at: None,
            problems: Vec::new(),
            keeping: false,
        };
        network.follow(config, setup);
        network.held = vec![Held::default(); network.plan.instances.len()];
        Ok(network)
    }

    /// Everything that counts by the places of a configuration.
    fn follow(&mut self, config: &Config, setup: NetworkSetup) -> Plan {
        let old = std::mem::replace(&mut self.plan, Plan::new(config, &setup));
        let known = config.links.iter().map(|link| link.name.as_str()).collect();
        let names = config.links.iter().map(|link| &link.name);
        self.links.rename(names.chain(self.plan.other_devices(&known)));
        self.told_links = config.links.len();
        self.announcements.adopt(&setup);
        self.setup = setup;
        old
    }

    /// Puts in what is there whoever is Active: macvlans, sysctls, static things.
    pub(crate) fn begin(&mut self) {
        self.look_at_all();
        self.make_vmacs(|_| true);
        self.look_at_all();
        self.set_sysctls();
        self.add_statics(None);
    }

    fn look_at_all(&mut self) {
        for link in self.links.ids() {
            let result = self.look(link);
            self.note("look at an interface", result.map(|_| ()));
        }
    }

    /// Looks at an interface; its state if the router is to be told of it, and has not been.
    pub(crate) fn look(&mut self, link: LinkId) -> io::Result<Option<LinkState>> {
        let plan = &self.plan;
        let state =
            self.links.look(&mut self.rtnl, link, |device, own| plan.is_virtual(device, own))?;
        Ok(state.filter(|_| self.is_told(link)))
    }

    /// An interface is one of the router's.
    pub(crate) fn is_told(&self, LinkId(at): LinkId) -> bool {
        at < self.told_links
    }

    /// Makes what lies on an interface that came, or came up: its macvlans, and static things.
    pub(crate) fn link_came(&mut self, name: &str) {
        self.make_vmacs(|spec| spec.base == name);
        self.set_sysctls();
        self.add_statics(Some(name));
    }

    fn make_vmacs(&mut self, which: impl Fn(&vmac::Spec) -> bool) {
        for spec in self.plan.vmacs.clone().iter().filter(|spec| which(spec)) {
            // One whose interface is not there yet is made when it comes.
            if self.links.index_of(&spec.base).is_some() {
                let result = vmac::ensure(&mut self.rtnl, spec, &mut self.changes);
                self.note(&format!("make {}", spec.name), result);
                if let Some(link) = self.links.by_name(&spec.name) {
                    let result = self.look(link);
                    self.note("look at an interface", result.map(|_| ()));
                }
            }
        }
    }

    fn set_sysctls(&mut self) {
        for name in self.plan.instances.iter().flat_map(|it| &it.promote) {
            // Those of an interface that is not there yet are set when it comes.
            if self.links.index_of(name).is_some() {
                let result = self.changes.set(Half::V4, name, "promote_secondaries", 1);
                if let Err(error) = result {
                    let text = format!("could not set promote_secondaries of {name}: {error}");
                    self.problems.push(problem(text));
                }
            }
        }
    }

    /// All static things; or those that an interface may have made possible, and nobody is told
    /// again of those that it did not.
    fn add_statics(&mut self, came: Option<&str>) {
        let mut things = self.plan.statics.clone();
        things.addresses.retain(|placed| came.is_none_or(|name| placed.device == name));
        let mut held = std::mem::take(&mut self.statics);
        let result = self.put(&things, &mut held);
        self.statics = held;
        if let (Err(text), None) = (result, came) {
            self.problems.push(problem(format!("static things: {text}")));
        }
    }

    /// [`keepair_core::router::Action::AddAddresses`].
    ///
    /// # Errors
    /// What the kernel refused, in words. The rest is done.
    pub(crate) fn add(&mut self, InstanceId(i): InstanceId, now: Time) -> Result<(), String> {
        let Some(plan) = self.plan.instances.get(i).cloned() else {
            return Err("there is no such instance".to_owned());
        };
        let mut held = self.held.get(i).cloned().unwrap_or_default();
        (held.wanted, held.extra_at) = (true, plan.extra.map(|extra| now + extra.every));
        self.set_held(i, held.clone());
        let names: Vec<String> =
            plan.things.addresses.iter().map(|placed| placed.device.clone()).collect();
        self.make_vmacs(|spec| names.contains(&spec.name));
        // The rules before the addresses, lest a packet slips in.
        let walled = self.lay_firewall();
        let result = self.put(&plan.things, &mut held);
        self.set_held(i, held);
        walled.and(result)
    }

    fn set_held(&mut self, i: usize, held: Held) {
        if let Some(place) = self.held.get_mut(i) {
            *place = held;
        }
    }

    /// [`keepair_core::router::Action::RemoveAddresses`].
    ///
    /// # Errors
    /// What the kernel refused, in words. The rest is done.
    pub(crate) fn remove(&mut self, instance: InstanceId) -> Result<(), String> {
        self.announcements.forget(instance);
        if self.keeping {
            return Ok(());
        }
        let InstanceId(i) = instance;
        self.set_held(i, Held::default());
        let things = self.plan.instances.get(i).map(|it| it.things.clone()).unwrap_or_default();
        let result = self.take(&things);
        let opened = self.lay_firewall();
        result.and(opened)
    }

    fn lay_firewall(&mut self) -> Result<(), String> {
        let wanted = self.plan.instances.iter().zip(&self.held);
        let dropped = wanted.filter(|(plan, held)| plan.drops && held.wanted);
        let addresses = dropped.flat_map(|(plan, _)| &plan.things.addresses);
        let links = &self.links;
        let addresses = addresses
            .map(|placed| (placed.address.address, links.index_of(&placed.device).unwrap_or(0)));
        self.firewall.lay(addresses).map_err(|error| format!("no_accept: {error}"))
    }

    /// Puts things in, in this order; every one is tried.
    fn put(&mut self, things: &Things, held: &mut Held) -> Result<(), String> {
        let mut refused = Vec::new();
        for placed in &things.addresses {
            let added = self
                .index(&placed.device)
                .and_then(|index| addresses::add(&mut self.rtnl, index, &placed.address))
                .map_err(|error| format!("{error} (on {})", placed.device));
            refused.extend(added.err());
        }
        let links = &self.links;
        let mut find = |rtnl: &mut Rtnl, name: &str| find(links, rtnl, name);
        for route in &things.routes {
            match routes::add(&mut self.rtnl, &self.names, &mut find, route) {
                Ok(()) if routes::tracked(route) => {
                    held.routes.extend(routes::key(route, &self.names));
                }
                Ok(()) => {}
                Err(error) => refused.push(error),
            }
        }
        for rule in &things.rules {
            match rules::add(&mut self.rtnl, &self.names, rule) {
                Ok(()) if rules::tracked(rule) => held.rules.extend(rules::key(rule, &self.names)),
                Ok(()) => {}
                Err(error) => refused.push(error),
            }
        }
        held.routes.sort();
        held.routes.dedup();
        held.rules.sort();
        held.rules.dedup();
        all(refused)
    }

    /// Takes things out, in the other order; every one is tried.
    pub(super) fn take(&mut self, things: &Things) -> Result<(), String> {
        let mut refused = Vec::new();
        for rule in things.rules.iter().rev() {
            refused.extend(rules::remove(&mut self.rtnl, &self.names, rule).err());
        }
        let links = &self.links;
        let mut find = |rtnl: &mut Rtnl, name: &str| find(links, rtnl, name);
        for route in things.routes.iter().rev() {
            refused.extend(routes::remove(&mut self.rtnl, &self.names, &mut find, route).err());
        }
        for placed in things.addresses.iter().rev() {
            // No interface, no address.
            if let Ok(index) = self.index(&placed.device) {
                let removed = addresses::remove(&mut self.rtnl, index, &placed.address);
                refused
                    .extend(removed.err().map(|error| format!("{error} (on {})", placed.device)));
            }
        }
        all(refused)
    }

    pub(super) fn index(&mut self, name: &str) -> Result<u32, String> {
        find(&self.links, &mut self.rtnl, name)
    }

    /// By which interface an instance sends, if it is there.
    pub(crate) fn sends_by(&self, InstanceId(i): InstanceId) -> Option<u32> {
        self.links.index_of(&self.plan.instances.get(i)?.sends_by)
    }

    /// [`keepair_core::router::Action::Announce`]: queues the frames; [`Network::send_due`] sends.
    pub(crate) fn announce(&mut self, instance: InstanceId, times: u32) {
        let InstanceId(i) = instance;
        let Some(plan) = self.plan.instances.get(i) else { return };
        let placed = plan.things.addresses.clone();
        for _ in 0..times {
            for placed in &placed {
                self.queue(instance, placed);
            }
        }
    }

    fn queue(&mut self, instance: InstanceId, placed: &Placed) {
        let spec = self.plan.vmacs.iter().find(|spec| placed.vmac && spec.name == placed.device);
        let base = spec.map_or(&placed.device, |spec| &spec.base).clone();
        let frame =
            Frame { instance, device: placed.device.clone(), address: placed.address.address };
        self.announcements.push(frame, &base);
    }

    /// When [`Network::send_due`] has something to do, or [`Network::take_notices`] has although
    /// nothing came.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let extras = self.held.iter().filter_map(|held| held.extra_at);
        extras.chain(self.announcements.deadline()).chain(self.look_again_at).min()
    }

    /// Something was not answered, and it is time to ask again.
    pub(crate) fn looks_again(&self, now: Time) -> bool {
        self.look_again_at.is_some_and(|at| at <= now)
    }

    /// Sends the announcements that are due, as many as do not hold up anything else.
    pub(crate) fn send_due(&mut self, now: Time) {
        for i in 0..self.held.len() {
            let due = |held: &Held| held.extra_at.is_some_and(|at| at <= now);
            if self.held.get(i).is_some_and(due) {
                self.announce_extra(i, now);
            }
        }
        for frame in self.announcements.due(now) {
            // A link that is down is the core's to notice.
            let _ = self.send_frame(&frame);
        }
    }

    /// `garp_extra_if`.
    fn announce_extra(&mut self, i: usize, now: Time) {
        let plan = self.plan.instances.get(i).cloned().unwrap_or_default();
        if let (Some(held), Some(extra)) = (self.held.get_mut(i), plan.extra) {
            held.extra_at = Some(now + extra.every);
        }
        let all = plan.extra.is_some_and(|extra| extra.all);
        let is_extra = |placed: &&Placed| placed.device != plan.link && (all || placed.vmac);
        for placed in plan.things.addresses.iter().filter(is_extra) {
            self.queue(InstanceId(i), placed);
        }
    }

    fn send_frame(&mut self, frame: &Frame) -> io::Result<()> {
        let link = self.links.by_name(&frame.device).and_then(|id| self.links.get(id));
        let link = link.and_then(|entry| entry.link.clone()).ok_or(io::ErrorKind::NotFound)?;
        if let std::collections::btree_map::Entry::Vacant(place) = self.announcers.entry(link.index)
        {
            place.insert(Announcer::open(link.index)?);
        }
        let announcer = self.announcers.get(&link.index).ok_or(io::ErrorKind::NotFound)?;
        match frame.address {
            IpAddr::V4(address) => announcer.send(&arp::gratuitous(link.mac, address)),
            IpAddr::V6(address) => {
                announcer.send(&ndp::unsolicited_advertisement(link.mac, address))
            }
        }
    }

    /// An interface is gone: what was bound to it is of no use.
    pub(crate) fn link_gone(&mut self, ifindex: u32) {
        self.announcers.remove(&ifindex);
    }

    /// [`keepair_core::router::Action::Adopt`]. `place` says where an instance is now.
    pub(crate) fn adopt(
        &mut self,
        config: &Config,
        setup: NetworkSetup,
        names: Names,
        place: impl Fn(InstanceId) -> Option<InstanceId>,
    ) {
        let old_names = std::mem::replace(&mut self.names, names.clone());
        let old = self.follow(config, setup);
        self.look_at_all();
        let before = std::mem::take(&mut self.held);
        self.held = vec![Held::default(); self.plan.instances.len()];
        self.announcements.renumber(&place);
        // What goes, goes by the names it was added by.
        self.names = old_names;
        for (i, (plan, held)) in old.instances.iter().zip(before).enumerate() {
            let now = place(InstanceId(i));
            let keep = now.and_then(|InstanceId(at)| self.plan.instances.get(at));
            let gone = plan.things.without(&keep.cloned().unwrap_or_default().things);
            if held.wanted {
                let result = self.take(&gone);
                self.note_words(result);
            }
            if let (Some(InstanceId(at)), true) = (now, held.wanted) {
                self.set_held(at, held);
            }
        }
        let result = self.take(&old.statics.without(&self.plan.statics));
        self.note_words(result);
        self.names = names;
        self.forget_what_went();
        for spec in &old.vmacs {
            let stays = |other: &vmac::Spec| {
                (&other.name, &other.base, other.mac) == (&spec.name, &spec.base, spec.mac)
            };
            if !self.plan.vmacs.iter().any(stays) {
                let result = vmac::remove(&mut self.rtnl, spec);
                self.note(&format!("remove {}", spec.name), result);
            }
        }
        self.begin();
        let result = self.lay_firewall();
        self.note_words(result);
    }

    /// Routes and rules that are no longer wanted are not missed.
    fn forget_what_went(&mut self) {
        let names = &self.names;
        let things = self.plan.instances.iter().map(|plan| &plan.things);
        let all = self.held.iter_mut().zip(things);
        for (held, things) in all.chain([(&mut self.statics, &self.plan.statics)]) {
            let routes: Vec<_> =
                things.routes.iter().filter_map(|it| routes::key(it, names)).collect();
            let rules: Vec<_> =
                things.rules.iter().filter_map(|it| rules::key(it, names)).collect();
            held.routes.retain(|key| routes.contains(key));
            held.rules.retain(|key| rules.contains(key));
        }
    }

    /// The last thing before the program ends, whatever ended it.
    ///
    /// # Errors
    /// What is left behind, in words.
    pub(crate) fn clean_up(&mut self) -> Result<(), String> {
        let mut refused = Vec::new();
        let statics = self.plan.statics.clone();
        refused.extend(self.take(&statics).err());
        if self.keeping {
            return all(refused);
        }
        for i in 0..self.plan.instances.len() {
            if self.held.get(i).is_some_and(|held| held.wanted) {
                refused.extend(self.remove(InstanceId(i)).err());
            }
        }
        for spec in self.plan.vmacs.clone() {
            refused.extend(vmac::remove(&mut self.rtnl, &spec).err().map(|e| e.to_string()));
        }
        self.changes.restore();
        all(refused)
    }

    /// The daemon is about to stop: with `--dont-release-vrrp` it leaves what is the
    /// instances' where it is.
    pub(crate) fn stopping(&mut self) {
        self.keeping = self.setup.keep_on_exit;
    }

    /// Whom the loss of static things concerns, by `track_group`.
    pub(super) fn track_group(&self, name: &str) -> Vec<InstanceId> {
        let groups = self.setup.track_groups.iter().filter(|group| group.name == name);
        groups.flat_map(|group| group.instances.iter().copied()).collect()
    }

    pub(super) fn note(&mut self, what: &str, result: io::Result<()>) {
        self.note_words(result.map_err(|error| format!("could not {what}: {error}")));
    }

    fn note_words(&mut self, result: Result<(), String>) {
        self.problems.extend(result.err().map(problem));
    }
}

/// What went wrong, for people.
fn problem(text: String) -> Event {
    Event::Problem { instance: None, text }
}

/// All refusals in one.
fn all(refused: Vec<String>) -> Result<(), String> {
    if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
}

/// An interface's index: as known, or as the kernel knows it.
fn find(links: &Links, rtnl: &mut Rtnl, name: &str) -> Result<u32, String> {
    if let Some(index) = links.index_of(name) {
        return Ok(index);
    }
    match rtnl.link_by_name(name) {
        Ok(Some(link)) => Ok(link.index),
        Ok(None) => Err(format!("there is no interface {name}")),
        Err(error) => Err(error.to_string()),
    }
}
