//! The state machine of one instance: Initialize, Backup, Active and keepalived's FAULT.
//!
//! RFC 9568 section 6.4. What an Active instance does and how it comes to leave is in `active`; what
//! an advert does in `receive`; what a group forbids in `group`.

use super::Router;
use super::action::{Action, Actions, Notice, Subject, What};
use super::config::{InstanceConfig, InstanceId};
use super::event::{Event, State};
use super::status::Counters;
use super::timer::{self, OWNER};
use super::track::{Cause, Verdict};
use crate::time::Time;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// An instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Instance {
    pub(super) state: State,
    /// When it came into its state.
    pub(super) changed_at: Time,
    /// The configured priority, or 254 after a quarrel of two owners.
    pub(super) base: u8,
    /// With the weights of what is tracked.
    pub(super) priority: u8,
    /// The Active machine's interval: version 3 learns it.
    pub(super) master_interval: Duration,
    /// Whose advert it believed last.
    pub(super) master: Option<(IpAddr, u8)>,
    /// Adver_Timer, in Active only.
    pub(super) advert_at: Option<Time>,
    /// When the advert before was sent, in Active only.
    pub(super) advert_sent_at: Time,
    /// Active_Down_Timer, in Backup only.
    pub(super) down_at: Option<Time>,
    /// The timer of a group's member ran out, and no advert has come since.
    pub(super) wants_active: bool,
    /// `preempt_delay` began with the first lower advert and ends then.
    pub(super) preempt_at: Option<Time>,
    /// The second burst.
    pub(super) burst_at: Option<Time>,
    /// The next burst of `garp_master_refresh`.
    pub(super) refresh_at: Option<Time>,
    /// The second burst after an advert of a lower priority.
    pub(super) lower_burst_at: Option<Time>,
    /// IPv4 unicast, version 3: the peer's pseudo-header names the group.
    pub(super) group_checksum: bool,
    /// `auth_hmac`.
    pub(super) hmac: super::hmac::Memory,
    /// From whom came the last advert whose addresses were compared.
    pub(super) compared: Option<IpAddr>,
    /// Changes of its addresses that the executor has not answered.
    pub(super) unanswered: u32,
    /// What will be told when it has.
    pub(super) owed: Option<Notice>,
    /// The priority's base and what was added to it, or would have been but for a fault.
    pub(super) weighed: Option<(u8, i64)>,
    /// What it needs and is broken.
    pub(super) causes: BTreeSet<Cause>,
    /// Kinds of things told to the operator since the state changed last, as bits.
    pub(super) told: u32,
    pub(super) counters: Counters,
}

impl Instance {
    pub(super) fn new(config: &InstanceConfig, now: Time) -> Instance {
        Instance {
            state: State::Initialize,
            changed_at: now,
            base: config.priority,
            priority: config.priority,
            master_interval: config.advert_interval,
            master: None,
            advert_at: None,
            advert_sent_at: now,
            down_at: None,
            wants_active: false,
            preempt_at: None,
            burst_at: None,
            refresh_at: None,
            lower_burst_at: None,
            group_checksum: config.old_unicast_checksum == Some(true),
            hmac: super::hmac::Memory::default(),
            compared: None,
            unanswered: 0,
            owed: None,
            weighed: None,
            causes: BTreeSet::new(),
            told: 0,
            counters: Counters::default(),
        }
    }

    /// The timer that runs out first.
    pub(super) fn deadline(&self) -> Option<Time> {
        let timers =
            [self.advert_at, self.down_at, self.burst_at, self.refresh_at, self.lower_burst_at];
        timers.into_iter().flatten().min()
    }

    /// Stops every timer of Backup and Active.
    pub(super) fn clear_timers(&mut self) {
        self.advert_at = None;
        self.down_at = None;
        self.preempt_at = None;
        self.burst_at = None;
        self.refresh_at = None;
        self.lower_burst_at = None;
    }
}

impl Router {
    /// Puts every instance where what is tracked allows it to be.
    pub(super) fn follow(&mut self, now: Time, out: &mut Actions) {
        for i in self.all() {
            let verdict = self.judge_instance(i);
            // A number that is a fault is no weight: the priority stays what it was, until something
            // else changes it.
            let fault = verdict.faults.iter().any(|cause| matches!(cause, Cause::File(_)));
            let it = &mut self.instances[i];
            let was_fault = it.causes.iter().any(|cause| matches!(cause, Cause::File(_)));
            let weighed = Some((it.base, verdict.weight));
            let before = core::mem::replace(&mut it.weighed, weighed);
            let stays = fault && (!was_fault || before == weighed);
            if !stays || (it.priority == OWNER) != (it.base == OWNER) {
                // Nor is the number that ends the fault told as one: what is told is BACKUP.
                let ends = !fault && was_fault;
                let told = it.state != State::Initialize && !ends;
                self.weigh(i, verdict.weight, told, out);
            }
            self.instances[i].causes.clone_from(&verdict.faults);
            if self.group_of[i].is_none() {
                self.allow(now, i, &verdict, out);
            }
        }
        for g in 0..self.groups.len() {
            let verdict = self.judge_group(g);
            for i in self.worst_first(g) {
                self.allow(now, i, &verdict, out);
            }
        }
    }

    /// Fault, if anything is broken; Backup, if nothing is any more.
    fn allow(&mut self, now: Time, i: usize, verdict: &Verdict, out: &mut Actions) {
        match self.instances[i].state {
            State::Fault if !verdict.faults.is_empty() => {}
            _ if !verdict.faults.is_empty() => self.fail(now, i, &verdict.faults, out),
            State::Initialize | State::Fault if !verdict.waiting => self.begin(now, i, out),
            _ => {}
        }
    }

    /// Something it needs is broken: RFC 9568's Shutdown event, but the daemon lives.
    fn fail(&mut self, now: Time, i: usize, faults: &BTreeSet<Cause>, out: &mut Actions) {
        if self.instances[i].state == State::Active {
            // keepalived says it twice. One of two may get lost.
            self.leave(now, i, 2, out);
        }
        self.instances[i].clear_timers();
        let causes: Vec<String> = faults.iter().map(|cause| self.describe(*cause)).collect();
        self.enter(now, i, State::Fault, &format!("broken: {}", causes.join(", ")), out);
        self.notify(i, What::Fault, out);
    }

    /// Nothing stands in its way: RFC 9568's Startup event.
    fn begin(&mut self, now: Time, i: usize, out: &mut Actions) {
        let config = self.instance_config(i);
        let first = self.instances[i].state == State::Initialize;
        let owner = self.instances[i].base == OWNER && config.wants_active;
        self.instances[i].master_interval = config.advert_interval;
        self.instances[i].master = None;
        //= https://www.rfc-editor.org/rfc/rfc9568#section-6.4.1
        //# If a Startup event is received, then: If the Priority = 255 ... Send an ADVERTISEMENT
        if first && owner && self.group_of[i].is_none() {
            if now >= self.quiet_until {
                self.become_active(now, i, "it owns the addresses", out);
            } else {
                self.instances[i].down_at = Some(self.quiet_until);
                self.enter(now, i, State::Backup, "it owns the addresses, and waits", out);
            }
            return;
        }
        self.become_backup(now, i, "nothing it needs is broken", out);
        let timer = self.down_interval(i);
        self.instances[i].down_at = Some(now.max(self.quiet_until) + timer);
    }

    /// Backup, with the timer that follows from the interval it knows.
    pub(super) fn become_backup(&mut self, now: Time, i: usize, why: &str, out: &mut Actions) {
        let timer = self.down_interval(i);
        let instance = &mut self.instances[i];
        instance.clear_timers();
        instance.down_at = Some(now + timer);
        instance.wants_active = false;
        self.enter(now, i, State::Backup, why, out);
        self.notify(i, What::Backup, out);
    }

    /// Active_Down_Interval of an instance as it is now.
    pub(super) fn down_interval(&self, i: usize) -> Duration {
        let instance = &self.instances[i];
        timer::down(self.instance_config(i), instance.priority, instance.master_interval)
    }

    /// Skew_Time of an instance as it is now.
    pub(super) fn skew(&self, i: usize) -> Duration {
        let instance = &self.instances[i];
        timer::skew(self.instance_config(i).version, instance.priority, instance.master_interval)
    }

    /// The effective priority, from the weights. The timer that runs moves with it.
    fn weigh(&mut self, i: usize, weight: i64, told: bool, out: &mut Actions) {
        let base = self.instances[i].base;
        let to = match base {
            OWNER => OWNER,
            base => u8::try_from((i64::from(base) + weight).clamp(1, 254)).unwrap_or(base),
        };
        let from = self.instances[i].priority;
        if from == to {
            return;
        }
        let before = self.skew(i);
        self.instances[i].priority = to;
        let after = self.skew(i);
        let instance = &mut self.instances[i];
        instance.down_at = instance.down_at.map(|at| at + after - before);
        // As keepalived 2.2.7 does it: what is not Active is told as a Backup, in a fault too.
        let active = instance.state == State::Active;
        out.push(Action::Tell(Event::PriorityChanged { instance: InstanceId(i), from, to }));
        if told && self.instance_config(i).notify_priority_changes {
            out.push(Action::Notify(self.notice(i, What::Priority { active })));
        }
    }

    /// Changes the state.
    pub(super) fn enter(&mut self, now: Time, i: usize, to: State, why: &str, out: &mut Actions) {
        let instance = &mut self.instances[i];
        let from = core::mem::replace(&mut instance.state, to);
        if from == to {
            return;
        }
        instance.changed_at = now;
        instance.told = 0;
        let why = why.to_string();
        out.push(Action::Tell(Event::StateChanged { instance: InstanceId(i), from, to, why }));
    }

    /// What is told of an instance.
    pub(super) fn notice(&self, i: usize, what: What) -> Notice {
        let of = Subject::Instance(InstanceId(i));
        Notice { of, what, priority: self.instances[i].priority }
    }

    /// Tells of a change once the addresses have followed it: a script that binds to an address must
    /// find it. Each change is told once, in order, though the executor be slow.
    pub(super) fn notify(&mut self, i: usize, what: What, out: &mut Actions) {
        self.pay(i, out);
        self.instances[i].owed = Some(self.notice(i, what));
        if self.instances[i].unanswered == 0 {
            self.pay(i, out);
        }
    }

    /// Tells what is owed.
    pub(super) fn pay(&mut self, i: usize, out: &mut Actions) {
        out.extend(self.instances[i].owed.take().map(Action::Notify));
    }

    /// Takes the addresses of an instance out of the kernel.
    pub(super) fn remove_addresses(&mut self, i: usize, out: &mut Actions) {
        out.push(Action::RemoveAddresses(InstanceId(i)));
        self.instances[i].unanswered += 1;
    }

    /// The executor has taken addresses out.
    pub(super) fn removed(
        &mut self,
        instance: InstanceId,
        result: Result<(), String>,
        out: &mut Actions,
    ) {
        let Some(i) = self.known(instance) else { return };
        if let Err(text) = result {
            let text = format!("could not remove all addresses: {text}");
            out.push(Action::Tell(Event::Problem { instance: Some(instance), text }));
        }
        self.answered(i, out);
    }

    /// One change less that is under way. Returns whether it was the last one.
    pub(super) fn answered(&mut self, i: usize, out: &mut Actions) -> bool {
        let instance = &mut self.instances[i];
        instance.unanswered = instance.unanswered.saturating_sub(1);
        let last = instance.unanswered == 0;
        if last {
            self.pay(i, out);
        }
        last
    }

    /// A problem, told once until the state changes. `kind` is a number below 32 for each kind.
    pub(super) fn problem(&mut self, i: usize, kind: u32, text: String, out: &mut Actions) {
        if self.first_of(i, kind) {
            let instance = Some(InstanceId(i));
            out.push(Action::Tell(Event::Problem { instance, text }));
        }
    }

    /// Whether this is the first thing of its kind since the state changed.
    pub(super) fn first_of(&mut self, i: usize, kind: u32) -> bool {
        let bit = 1 << kind.min(31);
        let first = self.instances[i].told & bit == 0;
        self.instances[i].told |= bit;
        first
    }

    /// A cause, for people.
    pub(super) fn describe(&self, cause: Cause) -> String {
        let config = &self.config;
        match cause {
            Cause::NoSource => "no address to send from".into(),
            Cause::NoPeer => "no peer to send to".into(),
            Cause::SourceGone => "the address to send from is not this machine's".into(),
            Cause::Link(id) => format!("interface {}", config.links[id.0].name),
            Cause::Script(id) => format!("script {}", config.scripts[id.0].name),
            Cause::File(id) => format!("file {}", config.files[id.0].name),
            Cause::Process(id) => format!("process {}", config.processes[id.0].name),
        }
    }
}
