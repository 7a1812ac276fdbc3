//! Virtual routers as `keepalived.conf` describes them: any number of instances, tied together by
//! sync groups, with priorities that follow scripts, files, processes and interfaces.
//!
//! A router is fed one [`Input`] at a time and appends the [`Action`]s it wants done, as
//! [`crate::Node`] does for a pair of Redis servers. The state machine is RFC 9568's (section 6.4) and
//! RFC 3768's, with what keepalived adds to them; where keepalived and the RFC differ, keepalived's
//! users come first, and `docs/conformance/` says so.
//!
//! After each input the router looks at all it knows: what is due, what is broken, which instance
//! may not stay as it is ([`Router::handle`]). Nothing of what it will do lies in a queue.
//!
//! Not here: how an address is added or a script is run. Nor Redis: [`crate::Node`]. And no fence:
//! two machines that do not hear each other both hold the addresses, as with keepalived.

pub mod action;
pub mod config;
pub mod event;
pub mod input;
pub mod network;
pub mod status;

mod active;
mod group;
mod hmac;
mod instance;
mod receive;
mod reload;
mod script;
mod timer;
mod track;

pub use action::{Action, Actions};
pub use config::Config;
pub use input::Input;
pub use status::Status;

use crate::time::Time;
use action::{Notice, Subject, What};
use alloc::vec::Vec;
use config::{GroupId, InstanceConfig, InstanceId};
use core::time::Duration;
use event::{Event, State};
use group::Group;
use input::Operator;
use instance::Instance;
use script::Script;
use track::{Debounced, Link, Process};

/// How long the router waits for the executor before it exits all the same: keepalived's
/// `child_wait_time`.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// All virtual routers of a daemon.
#[derive(Clone, Debug)]
pub struct Router {
    config: Config,
    phase: Phase,
    clock: Clock,
    /// `vrrp_startup_delay`: nothing is sent or heard before.
    quiet_until: Time,
    links: Vec<Link>,
    scripts: Vec<Script>,
    /// The number in each file, once it was told.
    files: Vec<Option<i64>>,
    processes: Vec<Process>,
    instances: Vec<Instance>,
    groups: Vec<Group>,
    /// The group of each instance.
    group_of: Vec<Option<GroupId>>,
    /// Messages for virtual routers that nobody has configured.
    unknown_vrids: u64,
}

/// Where the router is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// [`Input::Started`] has not come.
    New,
    Running,
    /// The addresses are being removed; this long at most.
    Stopping {
        until: Time,
    },
    Exited,
}

/// The time of day, for people and for signatures.
#[derive(Clone, Copy, Debug)]
struct Clock {
    at: Time,
    unix: Duration,
}

impl Clock {
    /// The time of day at a time, which may lie in the past.
    fn unix(&self, time: Time) -> Duration {
        if time >= self.at {
            self.unix + time.since(self.at)
        } else {
            self.unix.saturating_sub(self.at.since(time))
        }
    }
}

impl Router {
    /// A router that has not begun. It does nothing before [`Input::Started`].
    pub fn new(config: Config, now: Time) -> Router {
        let group_of = group::group_of(&config);
        Router {
            phase: Phase::New,
            clock: Clock { at: now, unix: Duration::ZERO },
            quiet_until: now,
            links: config.links.iter().map(|_| Link::default()).collect(),
            scripts: config.scripts.iter().map(Script::new).collect(),
            files: config.files.iter().map(|_| None).collect(),
            processes: config.processes.iter().map(|_| Process::default()).collect(),
            instances: config.instances.iter().map(|it| Instance::new(it, now)).collect(),
            groups: config.groups.iter().map(|_| Group::new(now)).collect(),
            group_of,
            unknown_vrids: 0,
            config,
        }
    }

    /// The configuration that holds.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes in what happened at `now`, and appends what is to be done about it.
    ///
    /// `now` must not be less than at the call before. Places that the configuration has not are
    /// ignored.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Actions) {
        match (self.phase, &input) {
            (Phase::New, Input::Started { unix }) => self.start(now, *unix, out),
            (Phase::New | Phase::Exited, _) => return,
            _ => {}
        }
        if self.phase == Phase::Running {
            self.resign_after_standing_still(now, out);
        }
        match input {
            Input::Started { .. } | Input::Deadline => {}
            Input::ClockSet { unix } => self.clock = Clock { at: now, unix },
            Input::Packet { link, src, dst, ttl, message } => {
                self.received(
                    now,
                    link,
                    &receive::Packet { src, dst, ttl, message: &message },
                    out,
                );
            }
            Input::Link { link, state } => self.link_told(now, link, state),
            Input::Gone(instance) => self.addresses_gone(now, instance, out),
            Input::ScriptEnded(script, ended) => self.script_ended(now, script, ended, out),
            Input::FileRead(file, number) => {
                if let Some(known) = self.files.get_mut(file.0) {
                    *known = Some(number);
                }
            }
            Input::Processes(process, count) => self.processes_told(now, process, count),
            Input::Added(instance, result) => self.added(now, instance, result, out),
            Input::Removed(instance, result) => self.removed(instance, result, out),
            Input::Operator(Operator::Stop) => self.stop(now, out),
            Input::Operator(Operator::Reload(config)) => self.reload(now, *config, out),
            Input::Operator(Operator::Announce) => self.announce_all(out),
            Input::Operator(Operator::ClearCounters) => self.clear_counters(),
        }
        self.advance(now, out);
    }

    /// When the router wants [`Input::Deadline`], if nothing else happens before. Far in the future
    /// if never.
    pub fn deadline(&self) -> Time {
        let never = Time(u64::MAX);
        match self.phase {
            Phase::New | Phase::Exited => never,
            Phase::Stopping { until } => until,
            Phase::Running => {
                let links = self.links.iter().filter_map(|link| link.up.change_at);
                let processes = self.processes.iter().filter_map(|it| it.good.change_at);
                let scripts = self.scripts.iter().filter_map(Script::deadline);
                let instances = self.instances.iter().filter_map(Instance::deadline);
                links.chain(processes).chain(scripts).chain(instances).min().unwrap_or(never)
            }
        }
    }

    /// Everything that is due by `now`, and everything that follows from what is known.
    fn advance(&mut self, now: Time, out: &mut Actions) {
        match self.phase {
            Phase::New | Phase::Exited => {}
            Phase::Stopping { until } => self.finish(now >= until, out),
            Phase::Running => {
                for debounced in self.debounced() {
                    debounced.settle(now);
                }
                self.scripts_due(now, out);
                self.follow(now, out);
                self.timers_due(now, out);
            }
        }
    }

    /// Every condition that must last before it counts.
    fn debounced(&mut self) -> impl Iterator<Item = &mut Debounced> {
        let links = self.links.iter_mut().map(|link| &mut link.up);
        links.chain(self.processes.iter_mut().map(|process| &mut process.good))
    }

    /// The first input. A daemon that died left its addresses behind.
    fn start(&mut self, now: Time, unix: Duration, out: &mut Actions) {
        self.phase = Phase::Running;
        self.clock = Clock { at: now, unix };
        self.quiet_until = now + self.config.startup_delay;
        for i in self.all() {
            self.instances[i].changed_at = now;
            self.remove_addresses(i, out);
        }
        for group in &mut self.groups {
            group.changed_at = now;
        }
        let used = self.used_scripts();
        for (script, used) in self.scripts.iter_mut().zip(used) {
            script.due_at = used.then_some(now);
        }
    }

    /// The operator wants it to stop.
    fn stop(&mut self, now: Time, out: &mut Actions) {
        if self.phase != Phase::Running {
            return;
        }
        self.end_scripts(false, out);
        for i in self.all() {
            let was = self.instances[i].state;
            if was == State::Active {
                self.leave(now, i, 1, out);
            }
            self.instances[i].clear_timers();
            self.enter(now, i, State::Initialize, "stopped", out);
        }
        self.groups_follow(now, out);
        self.phase = Phase::Stopping { until: now + STOP_WAIT };
    }

    /// Ends, if every address is removed or there is no more time.
    fn finish(&mut self, late: bool, out: &mut Actions) {
        let unanswered = self.instances.iter().any(|it| it.unanswered > 0);
        if unanswered && !late {
            return;
        }
        if unanswered {
            let text = "addresses could not be removed in time".into();
            out.push(Action::Tell(Event::Problem { instance: None, text }));
        }
        for i in self.all() {
            self.instances[i].unanswered = 0;
            self.pay(i, out);
            out.push(Action::Notify(self.notice(i, What::Stop)));
        }
        for g in 0..self.groups.len() {
            self.pay_group(g, out);
            let of = Subject::Group(GroupId(g));
            out.push(Action::Notify(Notice { of, what: What::Stop, priority: 0 }));
        }
        self.end_scripts(true, out);
        self.phase = Phase::Exited;
        out.push(Action::Exit);
    }

    fn clear_counters(&mut self) {
        for instance in &mut self.instances {
            instance.counters = status::Counters::default();
        }
        self.unknown_vrids = 0;
    }

    /// The places of all instances.
    fn all(&self) -> core::ops::Range<usize> {
        0..self.instances.len()
    }

    fn instance_config(&self, i: usize) -> &InstanceConfig {
        &self.config.instances[i]
    }

    /// A place that came from outside, if it is one.
    fn known(&self, instance: InstanceId) -> Option<usize> {
        (instance.0 < self.instances.len()).then_some(instance.0)
    }
}

#[cfg(test)]
mod tests;
