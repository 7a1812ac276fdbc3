//! Notices of the kernel, and what they mean: an interface is another, or something of ours is gone.
//!
//! A notice may be of our own doing, from before the thing was added again; so it only raises a
//! doubt, and the kernel is asked.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use keepair_core::router::Input;
use keepair_core::router::config::{InstanceId, LinkId};
use keepair_core::time::Time;

use super::network::Network;
use super::{addresses, routes, rules};
use crate::rtnl::{Monitor, Notice, OwnAddress};

/// Until a question that was not answered is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What was heard, before anything is looked at.
#[derive(Default, Debug)]
struct Heard {
    links: BTreeSet<LinkId>,
    /// Addresses that somebody removed, by the interface's name.
    addresses: Vec<(String, OwnAddress)>,
    /// Interfaces that went, or are others of the same name: the notices of what was on them may
    /// come after their own, and name an index that means nothing any more.
    gone: BTreeSet<String>,
    routes: bool,
    rules: bool,
    /// Notices were lost: everything is in doubt.
    all: bool,
}

/// An interface that was there, or came.
pub(crate) struct LinkChange {
    /// Which.
    pub(crate) link: LinkId,
    /// Its index now, if it is there.
    pub(crate) ifindex: Option<u32>,
}

impl Network {
    /// Takes in every notice there is. What the router is to be told is appended to `inputs`:
    /// interfaces first, for their loss explains that of addresses. Returns the router's interfaces
    /// that were heard of.
    ///
    /// A question that the kernel does not answer (a table that changes all the time) is asked again
    /// soon.
    ///
    /// # Errors
    /// When the monitor is broken.
    pub(crate) fn take_notices(
        &mut self,
        now: Time,
        monitor: &mut Monitor,
        inputs: &mut VecDeque<Input>,
    ) -> io::Result<Vec<LinkChange>> {
        let mut heard = Heard { all: self.looks_again(now), ..Heard::default() };
        self.look_again_at = self.look_again_at.filter(|at| *at > now);
        while let Some(notice) = monitor.next()? {
            self.hear(notice, &mut heard);
        }
        if heard.all {
            heard.links.extend(self.links.ids());
        }
        let mut changes = Vec::new();
        for link in heard.links.clone() {
            let before = self.links.get(link).and_then(|entry| entry.link.clone());
            match self.look(link) {
                Ok(state) => inputs.extend(state.map(|state| Input::Link { link, state })),
                Err(error) => self.ask_again(now, error),
            }
            let Some(entry) = self.links.get(link) else { continue };
            let (name, now) = (entry.name.clone(), entry.link.clone());
            let ifindex = now.as_ref().map(|link| link.index);
            if self.is_told(link) {
                changes.push(LinkChange { link, ifindex });
            }
            if let Some(index) =
                before.as_ref().map(|link| link.index).filter(|index| Some(*index) != ifindex)
            {
                self.link_gone(index);
                heard.gone.insert(name.clone());
            }
            let up = |link: &Option<crate::rtnl::Link>| link.as_ref().map(|it| (it.index, it.up));
            if now.is_some() && up(&before) != up(&now) {
                self.link_came(&name);
            }
        }
        match self.lost(&heard) {
            Ok(lost) => inputs.extend(lost.into_iter().map(Input::Gone)),
            Err(error) => self.ask_again(now, error),
        }
        Ok(changes)
    }

    fn ask_again(&mut self, now: Time, error: io::Error) {
        self.note("see what changed", Err(error));
        self.look_again_at = Some(now + ASK_AGAIN);
    }

    fn hear(&mut self, notice: Notice, heard: &mut Heard) {
        match notice {
            Notice::Link { ifindex, name, .. } | Notice::LinkGone { ifindex, name } => {
                heard.links.extend(self.links.by_name(&name));
                heard.links.extend(self.links.by_index(ifindex));
            }
            Notice::AddressAdded(own) => heard.links.extend(self.links.by_index(own.ifindex)),
            Notice::AddressRemoved(own) => {
                let link = self.links.by_index(own.ifindex);
                heard.links.extend(link);
                if let Some(entry) = link.and_then(|link| self.links.get(link)) {
                    heard.addresses.push((entry.name.clone(), own));
                }
            }
            Notice::RouteRemoved => heard.routes = true,
            Notice::RuleRemoved => heard.rules = true,
            Notice::Overrun => heard.all = true,
        }
    }

    /// The instances that lost something and should have it.
    fn lost(&mut self, heard: &Heard) -> io::Result<BTreeSet<InstanceId>> {
        let mut lost = BTreeSet::new();
        for i in 0..self.held.len() {
            if self.held.get(i).is_some_and(|held| held.wanted) && self.has_lost(heard, i)? {
                lost.insert(InstanceId(i));
            }
        }
        lost.extend(self.lost_statics(heard)?);
        Ok(lost)
    }

    fn has_lost(&mut self, heard: &Heard, i: usize) -> io::Result<bool> {
        let Some(plan) = self.plan.instances.get(i) else { return Ok(false) };
        let doubted = plan.things.addresses.iter().filter(|placed| {
            let removed = |(device, own): &(String, OwnAddress)| placed.is(device, own);
            let doubted = heard.all
                || heard.gone.contains(&placed.device)
                || heard.addresses.iter().any(removed);
            !placed.address.no_track && doubted
        });
        let doubted: Vec<_> = doubted.cloned().collect();
        for placed in doubted {
            if !self.is_there(&placed.device, &placed.address)? {
                return Ok(true);
            }
        }
        let held = self.held.get(i).cloned().unwrap_or_default();
        Ok((heard.routes || heard.all) && self.lacks_routes(&held.routes)?
            || (heard.rules || heard.all) && self.lacks_rules(&held.rules)?)
    }

    /// The instances that a static thing's loss concerns. Nobody puts it back: whoever took it away
    /// had a reason.
    fn lost_statics(&mut self, heard: &Heard) -> io::Result<BTreeSet<InstanceId>> {
        let mut lost = BTreeSet::new();
        for placed in self.plan.statics.addresses.clone() {
            let Some(group) = &placed.address.track_group else { continue };
            let removed = |(device, own): &(String, OwnAddress)| placed.is(device, own);
            let doubted = heard.all
                || heard.gone.contains(&placed.device)
                || heard.addresses.iter().any(removed);
            if doubted && !self.is_there(&placed.device, &placed.address)? {
                lost.extend(self.track_group(group));
            }
        }
        let routes =
            if heard.routes || heard.all { self.plan.statics.routes.clone() } else { vec![] };
        for route in routes {
            let Some(group) = &route.track_group else { continue };
            let key = routes::key(&route, &self.names);
            let held = key.filter(|key| self.statics.routes.contains(key));
            if self.lacks_routes(held.as_slice())? {
                lost.extend(self.track_group(group));
            }
        }
        let rules = if heard.rules || heard.all { self.plan.statics.rules.clone() } else { vec![] };
        for rule in rules {
            let Some(group) = &rule.track_group else { continue };
            let key = rules::key(&rule, &self.names);
            let held = key.filter(|key| self.statics.rules.contains(key));
            if self.lacks_rules(held.as_slice())? {
                lost.extend(self.track_group(group));
            }
        }
        let wanted = |&InstanceId(i): &InstanceId| self.held.get(i).is_some_and(|held| held.wanted);
        lost.retain(wanted);
        Ok(lost)
    }

    fn is_there(
        &mut self,
        device: &str,
        address: &keepair_core::router::network::Address,
    ) -> io::Result<bool> {
        let Ok(index) = self.index(device) else { return Ok(false) };
        let own = addresses::own(address, index);
        Ok(self.rtnl.dump(index)?.iter().any(|(other, _)| *other == own))
    }

    fn lacks_routes(&mut self, keys: &[routes::Key]) -> io::Result<bool> {
        for v4 in [true, false] {
            let mut keys = keys.iter().filter(|key| key.is_v4() == v4).peekable();
            if keys.peek().is_some() {
                let present = routes::present(&mut self.rtnl, v4).map_err(io::Error::other)?;
                if keys.any(|key| !present.contains(key)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn lacks_rules(&mut self, keys: &[rules::Key]) -> io::Result<bool> {
        for v4 in [true, false] {
            let mut keys = keys.iter().filter(|key| key.is_v4() == v4).peekable();
            if keys.peek().is_some() {
                let present = rules::present(&mut self.rtnl, v4).map_err(io::Error::other)?;
                if keys.any(|key| !present.contains(key)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
