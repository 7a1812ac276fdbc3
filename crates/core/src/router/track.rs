//! What an instance or a group tracks: links, scripts, files, processes. Is something it needs
//! broken, does it still wait to be told, and what does it all weigh?
//!
//! Each broken thing is a cause of its own. keepalived keeps one bit for all interfaces, so that one
//! that comes back hides another that is still down; here it does not.

use super::Router;
use super::config::{
    FileId, LinkId, ProcessConfig, ProcessId, ScriptId, Tracks, Transport, Weight,
};
use super::input::LinkState;
use crate::time::Time;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// A condition that must last before it counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Debounced {
    /// What counts; `None` until it was told for the first time.
    pub(super) value: Option<bool>,
    /// When the opposite will count, if it lasts.
    pub(super) change_at: Option<Time>,
}

impl Debounced {
    /// It is so now. The first time counts at once.
    fn told(&mut self, now: Time, value: bool, delay: Duration) {
        match self.value {
            None => self.value = Some(value),
            Some(old) if old == value => self.change_at = None,
            Some(_) => self.change_at = self.change_at.or(Some(now + delay)),
        }
    }

    /// It has lasted.
    pub(super) fn settle(&mut self, now: Time) {
        if self.change_at.is_some_and(|at| at <= now) {
            self.change_at = None;
            self.value = self.value.map(|value| !value);
        }
    }
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Link {
    pub(super) state: LinkState,
    pub(super) up: Debounced,
}

/// How many processes of a kind there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Process {
    pub(super) count: u32,
    pub(super) good: Debounced,
}

impl Process {
    /// As many as before, but judged by another configuration. It counts at once.
    pub(super) fn counted_again(self, config: &ProcessConfig) -> Process {
        let told = self.good.value.is_some();
        let value = told.then(|| is_enough(config, self.count));
        Process { count: self.count, good: Debounced { value, change_at: None } }
    }
}

/// Enough and not too many.
fn is_enough(config: &ProcessConfig, count: u32) -> bool {
    (config.quorum..=config.quorum_max).contains(&count)
}

/// Something that is broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cause {
    /// The interface has no address that adverts could come from.
    NoSource,
    /// Unicast to nobody: it would be Active whatever others do.
    NoPeer,
    /// The address that adverts should come from is not an address of this machine.
    SourceGone,
    Link(LinkId),
    Script(ScriptId),
    File(FileId),
    Process(ProcessId),
}

/// What follows from all that is tracked.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Verdict {
    /// Something has not been told for the first time.
    pub(super) waiting: bool,
    /// What is broken.
    pub(super) faults: BTreeSet<Cause>,
    /// To be added to the priority.
    pub(super) weight: i64,
}

impl Verdict {
    /// Something that is good, bad or not known yet.
    fn condition(&mut self, good: Option<bool>, weight: Weight, cause: Cause) {
        match good.map(|good| good != weight.reverse) {
            // Nobody waits for the first run of a script that only weighs. All else is told at once.
            None => self.waiting |= weight.value == 0 || !matches!(cause, Cause::Script(_)),
            Some(false) if weight.value == 0 => {
                self.faults.insert(cause);
            }
            Some(true) if weight.value > 0 => self.weight += i64::from(weight.value),
            Some(false) if weight.value < 0 => self.weight += i64::from(weight.value),
            Some(_) => {}
        }
    }

    /// A number in a file. It weighs what it is times its weight; one that would leave nothing of any
    /// priority is a fault.
    fn number(&mut self, number: Option<i64>, weight: Weight, cause: Cause) {
        let Some(number) = number else {
            self.waiting = true;
            return;
        };
        let sign = if weight.reverse { -1 } else { 1 };
        let weighs = number.saturating_mul(i64::from(weight.value)).saturating_mul(sign);
        if weight.value == 0 {
            if (number != 0) != weight.reverse {
                self.faults.insert(cause);
            }
        } else if weighs <= -FAULT {
            self.faults.insert(cause);
        } else {
            self.weight += weighs.min(FAULT - 1);
        }
    }

    fn add(&mut self, other: Verdict) {
        self.waiting |= other.waiting;
        self.faults.extend(other.faults);
        self.weight += other.weight;
    }
}

/// What a file must take away to be a fault.
const FAULT: i64 = 254;

impl Router {
    /// An interface came, went or changed.
    pub(super) fn link_told(&mut self, now: Time, link: LinkId, state: LinkState) {
        let (Some(known), Some(config)) =
            (self.links.get_mut(link.0), self.config.links.get(link.0))
        else {
            return;
        };
        let delay = if state.up { config.up_delay } else { config.down_delay };
        known.up.told(now, state.up, delay);
        known.state = state;
    }

    /// Processes started or ended.
    pub(super) fn processes_told(&mut self, now: Time, process: ProcessId, count: u32) {
        let (Some(known), Some(config)) =
            (self.processes.get_mut(process.0), self.config.processes.get(process.0))
        else {
            return;
        };
        let good = is_enough(config, count);
        let delay = if good { config.fork_delay } else { config.terminate_delay };
        known.good.told(now, good, delay);
        known.count = count;
    }

    /// What an instance itself tracks. In a group that does not want weights, they do not count at
    /// all.
    pub(super) fn judge_instance(&self, i: usize) -> Verdict {
        let config = self.instance_config(i);
        let group = self.group_of[i].map(|group| &self.config.groups[group.0]);
        let weights = group.is_none_or(|group| group.tracking_weight);
        let mut verdict = self.judge(&config.tracks, weights);
        if let Some(group) = group {
            verdict.weight += self.judge(&group.tracks, weights).weight;
        }
        if matches!(&config.transport, Transport::Unicast { peers, .. } if peers.is_empty()) {
            verdict.faults.insert(Cause::NoPeer);
        }
        match self.links.get(config.link.0).and_then(|link| link.up.value) {
            None => verdict.waiting = true,
            Some(_) if self.source(i).is_none() => {
                verdict.faults.insert(Cause::NoSource);
            }
            Some(_) if config.track_source && !self.is_own(self.source(i)) => {
                verdict.faults.insert(Cause::SourceGone);
            }
            Some(_) => {}
        }
        verdict
    }

    /// What all members of a group and the group itself track.
    pub(super) fn judge_group(&self, g: usize) -> Verdict {
        let config = &self.config.groups[g];
        let mut verdict = self.judge(&config.tracks, config.tracking_weight);
        for member in &config.members {
            verdict.add(self.judge_instance(member.0));
        }
        verdict
    }

    fn judge(&self, tracks: &Tracks, weights: bool) -> Verdict {
        let counts = |weight: Weight| weights || weight.value == 0;
        let mut verdict = Verdict::default();
        for track in tracks.links.iter().filter(|track| counts(track.weight)) {
            let up = self.links.get(track.id.0).and_then(|link| link.up.value);
            verdict.condition(up, track.weight, Cause::Link(track.id));
        }
        for track in tracks.scripts.iter().filter(|track| counts(track.weight)) {
            let good = self.scripts.get(track.id.0).and_then(|script| script.good);
            verdict.condition(good, track.weight, Cause::Script(track.id));
        }
        for track in tracks.files.iter().filter(|track| counts(track.weight)) {
            let number = self.files.get(track.id.0).copied().flatten();
            verdict.number(number, track.weight, Cause::File(track.id));
        }
        for track in tracks.processes.iter().filter(|track| counts(track.weight)) {
            let good = self.processes.get(track.id.0).and_then(|process| process.good.value);
            verdict.condition(good, track.weight, Cause::Process(track.id));
        }
        verdict
    }

    /// It is an address of this machine, as far as is known.
    pub(super) fn is_own(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|it| self.links.iter().any(|link| link.state.all.contains(&it)))
    }

    /// Which scripts anybody tracks. Others are not run.
    pub(super) fn used_scripts(&self) -> Vec<bool> {
        let mut used = alloc::vec![false; self.config.scripts.len()];
        let groups = self.config.groups.iter().map(|group| (&group.tracks, group.tracking_weight));
        let instances = self.config.instances.iter().enumerate().map(|(i, instance)| {
            let group = self.group_of[i].map(|group| &self.config.groups[group.0]);
            (&instance.tracks, group.is_none_or(|group| group.tracking_weight))
        });
        for (tracks, weights) in groups.chain(instances) {
            for track in &tracks.scripts {
                if let Some(used) = used.get_mut(track.id.0) {
                    *used |= weights || track.weight.value == 0;
                }
            }
        }
        used
    }
}
