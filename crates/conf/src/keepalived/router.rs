//! What the router is told: a [`File`] with every default filled in, as keepalived fills it in.
//!
//! A value that an instance leaves out comes from `global_defs`, else it is keepalived's own; what does
//! not go together is settled as keepalived settles it, which was said when the file was read. Things
//! find each other by their place in the lists of [`Config`], in the order of the file. What nothing
//! tracks is not in it, for it is never looked at; names are unique, so whoever needs the rest of a
//! thing (its command, its path) looks it up by its name.
//!
//! Everything here was compared with what keepalived 2.2.7 says of the same file
//! (`docs/conformance/keepalived-defaults.md`).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use keepair_core::router::config as out;
use keepair_core::router::config::{
    Config, FileConfig, FileId, GroupConfig, InstanceId, LinkConfig, LinkId, ProcessConfig,
    ProcessId, ScriptConfig, ScriptId, Track,
};

use super::effective::Family;
use super::file::{self, File, Globals, Instance, SyncGroup};
use super::machine::Machine;
use super::place::{Place, Placed, Sources};
use crate::diagnostic::{Diagnostic, Severity};
use crate::value::Fault;

mod instance;
#[cfg(test)]
mod tests;

/// The configuration of the router that `file` describes. `since_boot` is how long the machine has
/// been running, for `vrrp_delay_after_boot`; `machine` is asked for files with keys.
///
/// # Errors
/// What is wrong with those files.
pub fn router(
    file: &File,
    sources: &Sources,
    machine: &dyn Machine,
    since_boot: Duration,
) -> Result<Config, Vec<Diagnostic>> {
    let mut builder = Builder::new(file, machine);
    let config = builder.build(since_boot);
    if builder.faults.is_empty() {
        return Ok(config);
    }
    let diagnostics = builder.faults.into_iter().map(|(place, fault)| {
        sources.diagnostic(Severity::Error, place, fault.message, fault.hint)
    });
    Err(diagnostics.collect())
}

struct Builder<'a> {
    file: &'a File,
    machine: &'a dyn Machine,
    /// The instances of the router, in the order of the file.
    instances: Vec<&'a Instance>,
    config: Config,
    links: BTreeMap<&'a str, LinkId>,
    scripts: BTreeMap<&'a str, (ScriptId, Option<file::Weight>)>,
    files: BTreeMap<&'a str, (FileId, Option<file::Weight>)>,
    processes: BTreeMap<&'a str, (ProcessId, Option<file::Weight>)>,
    /// The names of macvlans that are taken.
    vmacs: BTreeSet<String>,
    faults: Vec<(Place, Fault)>,
}

impl<'a> Builder<'a> {
    fn new(file: &'a File, machine: &'a dyn Machine) -> Self {
        // Without these two a file has errors.
        let complete = |it: &&Instance| it.interface.is_some() && it.virtual_router_id.is_some();
        let instances = file.instances.iter().filter(|it| it.redis.is_none());
        Builder {
            file,
            machine,
            instances: instances.filter(complete).collect(),
            config: Config::default(),
            links: BTreeMap::new(),
            scripts: BTreeMap::new(),
            files: BTreeMap::new(),
            processes: BTreeMap::new(),
            vmacs: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    fn globals(&self) -> &'a Globals {
        &self.file.globals
    }

    fn build(&mut self, since_boot: Duration) -> Config {
        self.tracked();
        for it in self.instances.clone() {
            if let Some(instance) = self.instance(it) {
                self.config.instances.push(instance);
            }
        }
        let groups = self.file.sync_groups.iter();
        self.config.groups = groups.filter_map(|group| self.group(group)).collect();
        let globals = self.globals();
        let after_boot = globals.delay_after_boot.as_ref().map_or(Duration::ZERO, |it| it.value);
        let startup = globals.startup_delay.as_ref().map_or(Duration::ZERO, |it| it.value);
        self.config.startup_delay = startup.max(after_boot.saturating_sub(since_boot));
        core::mem::take(&mut self.config)
    }

    /// What is tracked by anybody.
    fn tracked(&mut self) {
        let groups = self.file.sync_groups.iter().filter(|group| !self.members(group).is_empty());
        let all: Vec<&file::Tracks> = self
            .instances
            .iter()
            .map(|it| &it.tracks)
            .chain(groups.map(|group| &group.tracks))
            .collect();
        let names = |list: fn(&file::Tracks) -> &Vec<file::Track>| -> BTreeSet<&str> {
            all.iter().flat_map(|tracks| list(tracks).iter().map(|it| it.name.as_str())).collect()
        };
        let scripts = names(|tracks| &tracks.scripts);
        for it in self.file.scripts.iter().filter(|it| scripts.contains(it.name.as_str())) {
            let id = ScriptId(self.config.scripts.len());
            self.config.scripts.push(script(it));
            self.scripts.insert(&it.name.value, (id, it.weight.as_ref().map(|it| it.value)));
        }
        let files = names(|tracks| &tracks.files);
        for it in self.file.track_files.iter().filter(|it| files.contains(it.name.as_str())) {
            let id = FileId(self.config.files.len());
            self.config.files.push(FileConfig { name: it.name.value.clone() });
            // A file has a weight unless it is written that it has none.
            let usual = file::Weight { value: 1, reverse: None };
            let weight = it.weight.as_ref().map_or(usual, |it| it.value);
            self.files.insert(&it.name.value, (id, Some(weight)));
        }
        let processes = names(|tracks| &tracks.processes);
        for it in self.file.track_processes.iter() {
            if processes.contains(it.name.as_str()) {
                let id = ProcessId(self.config.processes.len());
                self.config.processes.push(process(it));
                self.processes.insert(&it.name.value, (id, it.weight.as_ref().map(|it| it.value)));
            }
        }
    }

    /// The place of an interface, which it gets when it is named for the first time.
    fn link(&mut self, name: &'a str) -> LinkId {
        if let Some(id) = self.links.get(name) {
            return *id;
        }
        let delays = self.file.up_down_delays.iter().rfind(|it| it.interface == name);
        let id = LinkId(self.config.links.len());
        self.config.links.push(LinkConfig {
            name: name.to_owned(),
            down_delay: delays.map_or(Duration::ZERO, |it| it.down),
            up_delay: delays.and_then(|it| it.up).unwrap_or(Duration::ZERO),
        });
        self.links.insert(name, id);
        id
    }

    /// What is tracked explicitly. `own` is an interface that is not tracked this way.
    fn tracks(&mut self, tracks: &'a file::Tracks, own: Option<&str>) -> out::Tracks {
        let interfaces = tracks.interfaces.iter().filter(|it| own != Some(it.name.as_str()));
        let links = interfaces.map(|it| {
            let id = self.link(&it.name.value);
            Track { id, weight: weight(it, None) }
        });
        let links = links.collect();
        out::Tracks {
            links,
            scripts: known(&tracks.scripts, &self.scripts),
            files: known(&tracks.files, &self.files),
            processes: known(&tracks.processes, &self.processes),
        }
    }

    /// The places of a group's instances.
    fn members(&self, group: &SyncGroup) -> Vec<InstanceId> {
        let place = |member: &Placed<String>| {
            self.instances.iter().position(|it| it.name.value == member.value).map(InstanceId)
        };
        group.members.iter().filter_map(place).collect()
    }

    fn group(&mut self, group: &'a SyncGroup) -> Option<GroupConfig> {
        let members = self.members(group);
        if members.is_empty() {
            return None;
        }
        Some(GroupConfig {
            name: group.name.value.clone(),
            members,
            tracks: self.tracks(&group.tracks, None),
            tracking_weight: group.tracking_weight.is_some(),
            smtp_alert: self.smtp_alert(&group.notify),
        })
    }

    fn smtp_alert(&self, notify: &file::Notify) -> bool {
        let globals = self.globals();
        let written = [&notify.smtp_alert, &globals.smtp_alert_vrrp, &globals.smtp_alert];
        first(written, false)
    }
}

/// The first value that is written, else `otherwise`.
fn first<T: Copy, const N: usize>(written: [&Option<Placed<T>>; N], otherwise: T) -> T {
    written.into_iter().flatten().next().map_or(otherwise, |written| written.value)
}

fn script(it: &file::VrrpScript) -> ScriptConfig {
    const USUAL: Duration = Duration::from_secs(1);
    let interval = it.interval.as_ref().map_or(USUAL, |interval| interval.value);
    ScriptConfig {
        name: it.name.value.clone(),
        interval,
        timeout: it.timeout.as_ref().map_or(interval, |timeout| timeout.value),
        rise: it.rise.as_ref().map_or(1, |rise| rise.value),
        fall: it.fall.as_ref().map_or(1, |fall| fall.value),
        // keepalived forgets it as soon as the script is tracked, and what nobody tracks is not run.
        init_fail: false,
    }
}

fn process(it: &file::TrackProcess) -> ProcessConfig {
    let most = it.quorum_max.as_ref();
    ProcessConfig {
        name: it.name.value.clone(),
        quorum: it.quorum.as_ref().map_or(1, |quorum| quorum.value.into()),
        quorum_max: most.map_or(u32::MAX, |most| most.value.into()),
        fork_delay: it.fork_delay.as_ref().map_or(Duration::ZERO, |delay| delay.value),
        terminate_delay: it.terminate_delay.as_ref().map_or(Duration::ZERO, |delay| delay.value),
    }
}

/// Everything of `tracks` that is there, with its weight here or else its own.
fn known<Id: Copy>(
    tracks: &[file::Track],
    ids: &BTreeMap<&str, (Id, Option<file::Weight>)>,
) -> Vec<Track<Id>> {
    let found = tracks.iter().filter_map(|track| {
        let (id, own) = *ids.get(track.name.as_str())?;
        Some(Track { id, weight: weight(track, own) })
    });
    found.collect()
}

fn weight(track: &file::Track, own: Option<file::Weight>) -> out::Weight {
    let here = track.weight.as_ref().map(|here| here.value);
    let reverse = here.and_then(|here| here.reverse).or(own.and_then(|own| own.reverse));
    out::Weight {
        value: here.or(own).map_or(0, |weight| weight.value),
        reverse: reverse.unwrap_or(false),
    }
}

impl From<Family> for out::Family {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => out::Family::V4,
            Family::V6 => out::Family::V6,
        }
    }
}
