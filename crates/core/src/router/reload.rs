//! A new configuration, while the router runs. What did not change keeps its state.
//!
//! An instance is the same one if its number, family, interface, source or group, and macvlan are the
//! same; its name may change. Scripts, files, processes, interfaces and groups are known by their
//! names.

use super::Router;
use super::action::{Action, Actions, Adopted, Notice, Subject, What};
use super::config::{
    Config, Family, GroupId, InstanceConfig, InstanceId, ScriptId, Transport, Version,
};
use super::event::State;
use super::group::{self, Group};
use super::instance::Instance;
use super::script::Script;
use super::track::{Link, Process};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

/// What makes an instance the same one in two configurations.
type Identity<'a> = (u8, Family, &'a str, bool, Option<IpAddr>, Option<&'a str>);

fn identity<'a>(config: &'a Config, instance: &'a InstanceConfig) -> Identity<'a> {
    let link = config.links.get(instance.link.0).map_or("", |link| link.name.as_str());
    let (unicast, address) = match &instance.transport {
        Transport::Unicast { .. } => (true, instance.source),
        Transport::Multicast { group } => (false, Some(*group)),
    };
    let vmac = instance.vmac.as_ref().map(|vmac| vmac.name.as_str());
    (instance.vrid.0, instance.family, link, unicast, address, vmac)
}

/// For each thing of a new list, where it was in the old one. No two of them were one thing.
fn matching<'a, T, Key: PartialEq>(
    old: &'a [T],
    new: &'a [T],
    key_of_old: impl Fn(&'a T) -> Key,
    key_of_new: impl Fn(&'a T) -> Key,
) -> Vec<Option<usize>> {
    let mut taken = vec![false; old.len()];
    let find = |it| {
        let key = key_of_new(it);
        let found = (0..old.len()).find(|i| !taken[*i] && key_of_old(&old[*i]) == key)?;
        taken[found] = true;
        Some(found)
    };
    new.iter().map(find).collect()
}

/// The same for things that are known by their names.
fn by_name<'a, T>(old: &'a [T], new: &'a [T], name: fn(&T) -> &str) -> Vec<Option<usize>> {
    matching(old, new, name, name)
}

impl Router {
    /// Takes over a configuration. Every Active instance sends an advert before and after, for its
    /// peers must not miss it while this machine is busy.
    pub(super) fn reload(&mut self, now: Time, new: Config, out: &mut Actions) {
        if self.phase != super::Phase::Running {
            return;
        }
        self.advertise_all(now, out);
        let instances = matching(
            &self.config.instances,
            &new.instances,
            |it| identity(&self.config, it),
            |it| identity(&new, it),
        );
        let scripts = by_name(&self.config.scripts, &new.scripts, |it| &it.name);
        for i in self.all().filter(|i| !instances.contains(&Some(*i))) {
            self.delete(now, i, out);
        }
        for (s, script) in self.scripts.iter().enumerate() {
            if script.run.is_some() && !scripts.contains(&Some(s)) {
                out.push(Action::EndScript { script: ScriptId(s), kill: true });
            }
        }
        out.push(Action::Adopt(Box::new(Adopted {
            config: new.clone(),
            instances: instances.iter().map(|old| old.map(InstanceId)).collect(),
            scripts: scripts.iter().map(|old| old.map(ScriptId)).collect(),
        })));
        let old = self.carry(now, new, &instances, &scripts);
        for (i, before) in instances.iter().enumerate() {
            match before {
                None => self.remove_addresses(i, out),
                Some(before) if self.instances[i].state == State::Active => {
                    self.addresses_may_differ(i, &old.instances[*before], out);
                }
                Some(_) => {}
            }
        }
        self.part_torn_groups(now, out);
        self.advertise_all(now, out);
    }

    fn advertise_all(&mut self, now: Time, out: &mut Actions) {
        for i in self.all() {
            if self.instances[i].state == State::Active {
                self.advertise(now, i, out);
            }
        }
    }

    /// An instance is not in the new configuration. Its addresses go with [`Action::Adopt`].
    fn delete(&mut self, now: Time, i: usize, out: &mut Actions) {
        if self.instances[i].state == State::Active {
            self.send(now, i, 0, out);
        }
        let faulty = self.instances[i].state == State::Fault;
        self.enter(now, i, State::Initialize, "it is not in the new configuration", out);
        self.pay(i, out);
        if self.instance_config(i).notify_deleted {
            out.push(Action::Notify(self.notice(i, What::Deleted)));
        } else if !faulty {
            out.push(Action::Notify(self.notice(i, What::Fault)));
        }
    }

    /// Puts the new configuration in place, with what is known. Returns the old one.
    fn carry(
        &mut self,
        now: Time,
        new: Config,
        instances: &[Option<usize>],
        scripts: &[Option<usize>],
    ) -> Config {
        let old = core::mem::replace(&mut self.config, new);
        let config = &self.config;
        let links = by_name(&old.links, &config.links, |it| &it.name);
        let files = by_name(&old.files, &config.files, |it| &it.name);
        let processes = by_name(&old.processes, &config.processes, |it| &it.name);
        let groups = by_name(&old.groups, &config.groups, |it| &it.name);

        self.links = links
            .iter()
            .map(|old| old.map_or_else(Link::default, |old| self.links[old].clone()))
            .collect();
        self.files = files.iter().map(|old| old.and_then(|old| self.files[old])).collect();
        let kept = processes.iter().zip(&config.processes).map(|(before, config)| {
            let Some(before) = *before else { return Process::default() };
            let process = self.processes[before];
            let unchanged = old.processes[before] == *config;
            if unchanged { process } else { process.counted_again(config) }
        });
        self.processes = kept.collect();
        let kept = scripts.iter().zip(&config.scripts).map(|(before, config)| {
            let Some(before) = *before else { return Script::new(config) };
            let mut script = self.scripts[before].clone();
            script.adopt(&old.scripts[before], config);
            script
        });
        self.scripts = kept.collect();
        let kept = instances.iter().zip(&config.instances).enumerate().map(|(i, (old, config))| {
            let Some(old) = *old else { return Instance::new(config, now) };
            let mut instance = self.instances[old].clone();
            instance.adopt(InstanceId(i), config);
            instance
        });
        self.instances = kept.collect();
        let kept = groups.iter().enumerate().map(|(g, old)| {
            let Some(old) = *old else { return Group::new(now) };
            let mut group = self.groups[old].clone();
            group.adopt(GroupId(g));
            group
        });
        self.groups = kept.collect();
        self.group_of = group::group_of(&self.config);

        for (i, before) in instances.iter().enumerate() {
            if let Some(before) = before
                && timing(&old.instances[*before]) != timing(&self.config.instances[i])
                && self.instances[i].state == State::Backup
            {
                self.instances[i].down_at = Some(now + self.down_interval(i));
            }
        }
        let used = self.used_scripts();
        for (script, used) in self.scripts.iter_mut().zip(used) {
            // As keepalived does it: every check is run at once, and then in its interval again.
            script.due_at = used.then_some(now);
        }
        old
    }

    /// The addresses of an Active instance may be others now.
    fn addresses_may_differ(&mut self, i: usize, old: &InstanceConfig, out: &mut Actions) {
        let new = self.instance_config(i);
        let same = new.addresses == old.addresses
            && new.excluded_addresses == old.excluded_addresses
            && new.routes == old.routes
            && new.rules == old.rules;
        if !same {
            // What is there stays; the answer leads to the announcement.
            out.push(Action::AddAddresses(InstanceId(i)));
            self.instances[i].unanswered += 1;
        }
    }

    /// Instances that are in one group from now on, and not all Active, are Backup.
    fn part_torn_groups(&mut self, now: Time, out: &mut Actions) {
        for g in 0..self.groups.len() {
            let members = &self.config.groups[g].members;
            let is_active = |i: &usize| self.instances[*i].state == State::Active;
            let active: Vec<usize> = members.iter().map(|it| it.0).filter(is_active).collect();
            if active.len() == members.len() {
                continue;
            }
            if let Some(first) = active.first() {
                self.group_leaves(now, *first, 1, "its group is not Active", out);
            }
        }
    }
}

/// What a Backup's timer depends on, besides what it learned.
fn timing(config: &InstanceConfig) -> (Version, core::time::Duration, u8) {
    (config.version, config.advert_interval, config.down_timer_adverts)
}

impl Instance {
    /// Continues under another configuration.
    fn adopt(&mut self, id: InstanceId, config: &InstanceConfig) {
        self.base = config.priority;
        if config.version == Version::V2 || self.state != State::Backup {
            self.master_interval = config.advert_interval;
        }
        if let Some(old) = config.old_unicast_checksum {
            self.group_checksum = old;
        }
        self.compared = None;
        self.told = 0;
        self.owed = self.owed.map(|notice| Notice { of: Subject::Instance(id), ..notice });
    }
}
