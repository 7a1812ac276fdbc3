//! What a router knows of itself, for the dumps: everything that keepalived's data, stats and JSON
//! files show and that is not configuration.

use super::Router;
use super::config::{GroupId, InstanceId};
use super::event::State;
use super::input::{Ended, LinkState};
use crate::time::Time;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// keepalived's counters of an instance, with its names.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[expect(missing_docs, reason = "keepalived's own names")]
pub struct Counters {
    pub advert_rcvd: u64,
    pub advert_sent: u64,
    pub become_master: u64,
    pub release_master: u64,
    pub packet_len_err: u64,
    pub advert_interval_err: u64,
    pub ip_ttl_err: u64,
    pub invalid_type_rcvd: u64,
    pub addr_list_err: u64,
    pub invalid_authtype: u64,
    pub authtype_mismatch: u64,
    pub auth_failure: u64,
    pub pri_zero_rcvd: u64,
    pub pri_zero_sent: u64,
    pub chk_err: u64,
    pub vers_err: u64,
    /// Dropped for a reason that keepalived does not count.
    pub ignored: u64,
}

/// All of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// Time of day since the Unix epoch.
    pub unix: Duration,
    /// By place in the configuration.
    pub instances: Vec<InstanceStatus>,
    /// By place in the configuration.
    pub groups: Vec<GroupStatus>,
    /// By place in the configuration.
    pub scripts: Vec<ScriptStatus>,
    /// By place in the configuration.
    pub links: Vec<LinkStatus>,
    /// The number in each file; `None` until it was told.
    pub files: Vec<Option<i64>>,
    /// By place in the configuration.
    pub processes: Vec<ProcessStatus>,
    /// Messages for virtual routers that nobody has configured.
    pub unknown_vrids: u64,
}

/// An instance.
#[derive(Clone, PartialEq, Debug)]
pub struct InstanceStatus {
    /// Which.
    pub id: InstanceId,
    /// Its state.
    pub state: State,
    /// The state it would like to have: keepalived's `wantstate`.
    pub wanted: State,
    /// When it came into its state: time of day since the Unix epoch.
    pub last_transition: Duration,
    /// The configured priority, or 254 after a quarrel of two owners.
    pub base_priority: u8,
    /// With the weights of what is tracked.
    pub priority: u8,
    /// Where its adverts come from.
    pub source: Option<IpAddr>,
    /// The machine that was Active last, as far as is known, and its priority.
    pub master: Option<(IpAddr, u8)>,
    /// The Active machine's interval between adverts.
    pub master_interval: Duration,
    /// How long a Backup waits.
    pub down_interval: Duration,
    /// Skew_Time.
    pub skew: Duration,
    /// Until the next advert, in Active.
    pub next_advert: Option<Duration>,
    /// Until it takes over, in Backup.
    pub takes_over: Option<Duration>,
    /// What is left of `preempt_delay`, once it has begun.
    pub preempt_delay: Option<Duration>,
    /// What it needs and is broken, for people.
    pub faults: Vec<String>,
    /// It waits for something to be told for the first time.
    pub waiting: bool,
    /// Addresses that adverts name: all that are configured, or as many as fit.
    pub advertised: Vec<IpAddr>,
    /// Counters.
    pub counters: Counters,
}

/// A group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupStatus {
    /// Which.
    pub id: GroupId,
    /// Its state.
    pub state: State,
    /// When it came into its state: time of day since the Unix epoch.
    pub last_transition: Duration,
}

/// A script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptStatus {
    /// It is good; `None` until its first run is over.
    pub good: Option<bool>,
    /// 0 to rise + fall - 1; good from rise on.
    pub score: u32,
    /// How the last run ended.
    pub last: Option<Ended>,
    /// For how long the run that is under way has lasted.
    pub running: Option<Duration>,
    /// Until the next one starts; `None` if nobody tracks it.
    pub next: Option<Duration>,
    /// Runs that were over.
    pub runs: u64,
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkStatus {
    /// As it is.
    pub state: LinkState,
    /// It counts as up, after the configured delays; `None` until it was told.
    pub up: Option<bool>,
}

/// Processes of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcessStatus {
    /// How many there are.
    pub count: u32,
    /// They count as enough and not too many; `None` until it was told.
    pub good: Option<bool>,
}

impl Router {
    /// What the router knows of itself.
    pub fn status(&self, now: Time) -> Status {
        let instances = self.all().map(|i| self.instance_status(now, i)).collect();
        let groups = self.groups.iter().enumerate().map(|(g, group)| GroupStatus {
            id: GroupId(g),
            state: group.state,
            last_transition: self.clock.unix(group.changed_at),
        });
        let scripts = self.scripts.iter().map(|script| ScriptStatus {
            good: script.good,
            score: script.score,
            last: script.last.clone(),
            running: script.run.map(|run| now.since(run.since)),
            next: script.due_at.map(|at| at.since(now)),
            runs: script.runs,
        });
        let links = self.links.iter();
        let processes = self.processes.iter();
        Status {
            unix: self.clock.unix(now),
            instances,
            groups: groups.collect(),
            scripts: scripts.collect(),
            links: links
                .map(|it| LinkStatus { state: it.state.clone(), up: it.up.value })
                .collect(),
            files: self.files.clone(),
            processes: processes
                .map(|it| ProcessStatus { count: it.count, good: it.good.value })
                .collect(),
            unknown_vrids: self.unknown_vrids,
        }
    }

    fn instance_status(&self, now: Time, i: usize) -> InstanceStatus {
        let instance = &self.instances[i];
        let verdict = match self.group_of[i] {
            Some(group) => self.judge_group(group.0),
            None => self.judge_instance(i),
        };
        let wanted = match instance.state {
            State::Backup if instance.wants_active => State::Active,
            State::Initialize if self.instance_config(i).wants_active => State::Active,
            State::Initialize => State::Backup,
            state => state,
        };
        InstanceStatus {
            id: InstanceId(i),
            state: instance.state,
            wanted,
            last_transition: self.clock.unix(instance.changed_at),
            base_priority: instance.base,
            priority: instance.priority,
            source: self.source(i),
            master: instance.master,
            master_interval: instance.master_interval,
            down_interval: self.down_interval(i),
            skew: self.skew(i),
            next_advert: instance.advert_at.map(|at| at.since(now)),
            takes_over: instance.down_at.map(|at| at.since(now)),
            preempt_delay: instance.preempt_at.map(|at| at.since(now)),
            faults: verdict.faults.iter().map(|cause| self.describe(*cause)).collect(),
            waiting: verdict.waiting,
            advertised: self.advertised(i),
            counters: instance.counters,
        }
    }
}
