//! From standby to primary: drain, promote, verify, claim, announce. Nothing is claimed before the
//! step before it has succeeded, so that a client never meets a read-only server at the address.

use super::active::Active;
use super::{Node, Phase};
use crate::action::{Action, Actions, Query};
use crate::config::Generation;
use crate::event::Event;
use crate::input::{Done, Refused};
use crate::time::Time;
use crate::timeline::Timeline;
use crate::vrrp::{self, Timers};
use alloc::format;
use alloc::string::{String, ToString};
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::peer::{Cause, Phase as Mark, Report, State};

/// Rounds of duplicate-address probes before a first claim, and the wait after each.
const PROBE_ROUNDS: u32 = 3;
const PROBE_WAIT: Duration = Duration::from_millis(30);
/// Between two looks at a replica that drains: longer than a round trip on a local network.
const DRAIN_LOOK: Duration = Duration::from_millis(1);
/// Bytes that Redis has read and not applied for so long are half a command: the other half will never
/// come.
const HALF_A_COMMAND: Duration = Duration::from_millis(4);
/// In which a machine that left with a living Redis has told where its stream ends.
const TOLD_WITHIN: Duration = Duration::from_millis(20);
/// After a failed attempt, and after an address was found in use.
const RETRY_AFTER: Duration = Duration::from_millis(500);
const IN_USE_FOR: Duration = Duration::from_secs(5);
/// By somebody else.
const MADE_A_REPLICA: &str = "Redis was made a replica";
/// What INFO said longer ago is looked at once more before it is built upon.
const LOOK_HOLDS_FOR: Duration = Duration::from_millis(20);

/// The steps, each with what it waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Step {
    /// For a right to serve, where there is a tie-breaker; `promoted`: Redis is a primary already.
    Voting { promoted: bool },
    /// For answers to duplicate-address probes.
    Probing { rounds_left: u32 },
    /// For every received byte to be applied, as told by INFO asked after the takeover began.
    Draining { until: Time, info: u64, last: Option<(i64, i64)>, since: Time },
    /// For the answer to `REPLICAOF NO ONE`.
    Promoting,
    /// For INFO to say `role:master`.
    Verifying { until: Time, info: u64 },
    /// For the kernel to open the fence.
    Fencing,
    /// For the kernel to accept the addresses.
    Claiming,
    /// For INFO to say that Redis is what it was: the kernel, or this daemon, took its time. Then on to
    /// the addresses, or to what follows them.
    Confirming { info: u64, claimed: bool },
}

/// A takeover under way.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Takeover {
    step: Step,
    /// When the step is looked at again.
    pub(super) deadline: Time,
    began_at: Time,
    /// Of a takeover from a machine that left: claimed later, it could meet that machine.
    void_at: Option<Time>,
    /// Until when the kernel was asked to serve the addresses; a claim is void after that.
    fence_until: Time,
    /// When INFO said last that Redis is a primary.
    looked_at: Time,
    /// The machine that left had paused its writes, and this Redis has applied the last of them.
    took_everything: bool,
}

impl Takeover {
    fn new(now: Time, step: Step, deadline: Time) -> Self {
        Self {
            step,
            deadline,
            began_at: now,
            void_at: None,
            fence_until: now,
            looked_at: now,
            took_everything: false,
        }
    }

    /// The kernel was asked to serve.
    pub(super) fn may_be_open(&self) -> bool {
        matches!(self.step, Step::Fencing | Step::Claiming | Step::Confirming { .. })
    }

    /// For people.
    pub(super) fn step_name(&self) -> &'static str {
        match self.step {
            Step::Voting { .. } => "waiting for a vote",
            Step::Probing { .. } => "probing",
            Step::Draining { .. } => "draining",
            Step::Promoting => "promoting",
            Step::Verifying { .. } => "verifying",
            Step::Fencing => "opening the fence",
            Step::Claiming => "claiming",
            Step::Confirming { .. } => "looking at Redis again",
        }
    }
}

impl Node {
    /// Active_Down_Timer fired.
    pub(super) fn active_down(&mut self, now: Time, out: &mut Actions) {
        let interval = self.peer.advert_interval;
        let down = vrrp::active_down(self.config.own().priority.0, interval);
        // Its adverts are missing, but the peer itself says it is there: a filter drops protocol
        // 112. Two primaries would be worse than a warning; the report counts as an advert.
        let says_so = |report: &Report| {
            report.may_serve || matches!(report.state, State::Active | State::TakingOver)
        };
        let told_at = self.peer.report_at.filter(|at| now < *at + down);
        if let Some(told_at) = told_at.filter(|_| self.peer.report.as_ref().is_some_and(says_so)) {
            self.timers.active_down_at = Some(told_at + down);
            // The last report of a machine that died may be some milliseconds younger than its last
            // advert, and one advert may be lost. Before it is Active it sends none.
            let missing = self.peer.advert_at.is_none_or(|at| told_at.since(at) > interval * 2);
            let advertises =
                self.peer.report.as_ref().is_some_and(|report| report.state == State::Active);
            let adverts_missing = missing && advertises;
            self.filter_told |= adverts_missing;
            return;
        }
        if self.prefers_peer(now) {
            self.timers.active_down_at = Some(now + interval * 2);
            return;
        }
        if let Some(bound) = self.bound(now) {
            self.timers.active_down_at = Some(bound);
            return;
        }
        let cause = if self.peer.advert_at.is_some() {
            Cause::PeerSilent
        } else if self.peer.was_active {
            Cause::DaemonStopping
        } else if self.monitor.is_primary() {
            Cause::Adopted
        } else {
            Cause::ColdStart
        };
        // The first sign of a silent peer is the first advert that did not come.
        let noticed_at = match (cause, self.peer.advert_at) {
            (Cause::PeerSilent, Some(at)) => (at + interval).min(now),
            _ => now,
        };
        self.begin_takeover(now, cause, noticed_at, out);
    }

    /// The peer left the address and said so.
    pub(super) fn take_over_from_leaver(&mut self, now: Time, out: &mut Actions) {
        if let Some(bound) = self.bound(now) {
            // Its report, which gives its vote with it, was lost.
            self.timers.active_down_at = Some(bound);
            return;
        }
        let leaving = self.peer.fresh(now).and_then(|report| report.leaving);
        let cause = leaving.map_or(Cause::DaemonStopping, |leaving| leaving.cause);
        self.begin_takeover(now, cause, now, out);
        // When it may take the address back, not having heard of a claim; with room for the claim.
        let patience =
            vrrp::active_down(self.config.peer().priority.0, self.config.advert_interval);
        if let Phase::TakingOver(takeover) = &mut self.phase {
            takeover.void_at = Some(now + patience - patience / 10);
        }
        if let (Some(timeline), Some(leaving)) = (&mut self.timeline, &leaving) {
            timeline.learn(now, leaving);
        }
    }

    fn begin_takeover(&mut self, now: Time, cause: Cause, noticed_at: Time, out: &mut Actions) {
        let mut timeline = Timeline::new(cause, noticed_at);
        timeline.mark(now, Mark::HandOver);
        self.timeline = Some(timeline);
        self.timers = Timers::default();
        out.push(Action::Tell(Event::TakeoverBegan { cause }));
        let probing = Step::Probing { rounds_left: PROBE_ROUNDS - 1 };
        let takeover = Takeover::new(now, probing, now + PROBE_WAIT);
        self.enter(Phase::TakingOver(takeover), format!("taking over: {cause}"), out);
        if self.right_end(now).is_none() {
            self.step(Step::Voting { promoted: false }, now + self.ask_again_after());
        } else {
            self.begin_probing(now, out);
        }
    }

    fn begin_probing(&mut self, now: Time, out: &mut Actions) {
        if self.peer.was_active {
            self.after_probing(now, out);
        } else {
            self.step(Step::Probing { rounds_left: PROBE_ROUNDS - 1 }, now + PROBE_WAIT);
            out.push(Action::Probe);
        }
    }

    /// Somebody stands by this machine.
    pub(super) fn vote_came(&mut self, now: Time, out: &mut Actions) {
        match &self.phase {
            Phase::TakingOver(Takeover { step: Step::Voting { promoted: false }, .. }) => {
                self.begin_probing(now, out);
            }
            Phase::TakingOver(Takeover { step: Step::Voting { promoted: true }, .. }) => {
                self.claim(now, out);
            }
            _ => {}
        }
    }

    fn ask_again_after(&self) -> Duration {
        self.config.advert_interval / 4
    }

    /// A request, or its answer, may be lost.
    fn ask_again(&mut self, now: Time, promoted: bool, out: &mut Actions) {
        if let Err(reason) = self.fitness(now) {
            self.timeline = None;
            self.timers = Timers::default();
            self.enter(Phase::Unfit, reason, out);
            return;
        }
        self.step(Step::Voting { promoted }, now + self.ask_again_after());
        self.report_dirty = true;
        if now.since(self.takeover_began_at()) > self.config.advert_interval * 5 {
            let missing = self.votes_missing();
            let phase = self.phase.clone();
            self.enter(phase, missing, out);
        }
    }

    fn after_probing(&mut self, now: Time, out: &mut Actions) {
        if self.caught_up(now) && !self.monitor.is_primary() {
            if let Phase::TakingOver(takeover) = &mut self.phase {
                takeover.took_everything = true;
            }
            self.promote(now, out);
            return;
        }
        let info = self.monitor.demand_info(out);
        if self.monitor.is_primary() {
            let until = now + self.config.timing.promote_timeout;
            self.step(Step::Verifying { until, info }, until);
        } else {
            let until = now + self.config.timing.drain_timeout;
            self.step(Step::Draining { until, info, last: None, since: now }, until);
        }
    }

    /// The peer left with its writes paused, and the local Redis has the last of them. One that called its
    /// switchover off has served since, and tells no end, or a later one.
    fn caught_up(&mut self, now: Time) -> bool {
        let in_step = |at: Time| now.since(at) <= self.config.advert_interval * 3;
        let end = self.peer.fresh(now).and_then(|report| {
            let cause = report.leaving.map(|leaving| leaving.cause);
            let handed_over = matches!(cause, Some(Cause::Switchover | Cause::DaemonStopping));
            handed_over.then_some(report.handshake.target_offset)
        });
        self.caught_up_at.take().is_some_and(in_step)
            && end.is_some_and(|end| (0..=self.own_facts().offset).contains(&end))
    }

    fn step(&mut self, step: Step, deadline: Time) {
        if let Phase::TakingOver(takeover) = &mut self.phase {
            takeover.step = step;
            takeover.deadline = deadline;
        }
    }

    pub(super) fn advance_takeover(&mut self, now: Time, out: &mut Actions) {
        let Phase::TakingOver(takeover) = &self.phase else {
            return;
        };
        if now < takeover.deadline {
            return;
        }
        match takeover.step {
            Step::Voting { promoted } => self.ask_again(now, promoted, out),
            Step::Probing { rounds_left: 0 } => {
                out.push(Action::EndProbe);
                self.after_probing(now, out);
            }
            Step::Probing { rounds_left } => {
                out.push(Action::Probe);
                self.step(Step::Probing { rounds_left: rounds_left - 1 }, now + PROBE_WAIT);
            }
            // Redis is busy with what it has received, and the promotion would be next: it would
            // throw away what still waits in its socket.
            Step::Draining { info, last, since, .. } if self.monitor.info_answered < info => {
                let until = now + self.config.timing.drain_timeout;
                self.step(Step::Draining { until, info, last, since }, until);
            }
            Step::Draining { until, .. } if now >= until => self.promote(now, out),
            Step::Draining { until, last, since, .. } => {
                let info = self.monitor.demand_info(out);
                self.step(Step::Draining { until, info, last, since }, until);
            }
            Step::Promoting => {
                self.takeover_failed(now, "Redis did not answer REPLICAOF NO ONE".to_string(), out);
            }
            Step::Verifying { until, .. } if now >= until => {
                self.takeover_failed(now, "Redis did not become a primary".to_string(), out);
            }
            Step::Verifying { until, .. } => {
                let info = self.monitor.demand_info(out);
                self.step(Step::Verifying { until, info }, until);
            }
            Step::Fencing | Step::Claiming => {
                self.takeover_failed(now, "the kernel did not answer".to_string(), out);
            }
            Step::Confirming { .. } => {
                self.takeover_failed(now, "Redis did not answer INFO".to_string(), out);
            }
        }
    }

    /// A fresh INFO came in while taking over.
    pub(super) fn takeover_info(&mut self, now: Time, out: &mut Actions) {
        let Phase::TakingOver(Takeover { step, .. }) = self.phase else {
            return;
        };
        match step {
            Step::Draining { info, .. }
            | Step::Verifying { info, .. }
            | Step::Confirming { info, .. }
                if self.monitor.info_answered < info => {}
            Step::Draining { .. } | Step::Verifying { .. } if self.monitor.is_primary() => {
                self.mark(now, Mark::Promote);
                self.looked(now);
                self.claim(now, out);
            }
            Step::Draining { until, info: number, last, since } => {
                let Some(info) = &self.monitor.info else {
                    return;
                };
                let applied = info.slave_repl_offset.unwrap_or(-1);
                let read = info.slave_read_repl_offset.unwrap_or(applied);
                let moved = last != Some((read, applied));
                let since = if moved { now } else { since };
                let unchanged_for = now.since(since);
                let patience = self.config.timing.drain_timeout;
                let until = if moved { now + patience } else { until };
                // A closed link has been read to its end. An open one may still deliver what the
                // dead primary's kernel had taken over, so it is looked at again. Bytes that were
                // read and are not applied after several looks are half a command: its other half
                // will never come.
                let more = self.leaver_has_more(now, applied);
                let drained = match (applied == read, self.monitor.link_up()) {
                    (true, false) => true,
                    (true, true) => unchanged_for >= DRAIN_LOOK && !more,
                    (false, _) => unchanged_for >= HALF_A_COMMAND && !more,
                };
                if drained {
                    self.promote(now, out);
                } else {
                    let last = Some((read, applied));
                    let step = Step::Draining { until, info: number, last, since };
                    self.step(step, now + DRAIN_LOOK);
                }
            }
            Step::Verifying { .. } => self.step(step, now + DRAIN_LOOK),
            Step::Fencing | Step::Claiming | Step::Confirming { .. }
                if !self.monitor.is_primary() =>
            {
                self.takeover_failed(now, MADE_A_REPLICA.to_string(), out);
            }
            Step::Confirming { claimed, .. } => {
                self.looked(now);
                self.go_on(now, claimed, out);
            }
            _ => {}
        }
    }

    /// The peer's Redis lives, and its stream ends further on: the rest is on its way. Where it ends is
    /// told as soon as its machine has asked.
    fn leaver_has_more(&self, now: Time, applied: i64) -> bool {
        self.peer.fresh(now).is_some_and(|report| {
            let end = report.handshake.target_offset;
            report.leaving.is_some_and(|leaving| leaving.cause != Cause::LinkDown)
                && report.redis.reachable
                && report.redis.primary
                && report.redis.replid == self.own_facts().replid
                && if end >= 0 {
                    end > applied
                } else {
                    now < self.takeover_began_at() + TOLD_WITHIN
                }
        })
    }

    fn promote(&mut self, now: Time, out: &mut Actions) {
        self.mark(now, Mark::Drain);
        out.push(Action::AskRedis(Query::Promote));
        self.step(Step::Promoting, now + self.config.timing.promote_timeout);
    }

    /// `REPLICAOF NO ONE` was answered.
    pub(super) fn promoted(&mut self, now: Time, result: Result<(), String>, out: &mut Actions) {
        if !matches!(self.phase, Phase::TakingOver(Takeover { step: Step::Promoting, .. })) {
            return;
        }
        match result {
            Ok(()) => {
                let info = self.monitor.demand_info(out);
                let until = now + self.config.timing.promote_timeout;
                self.step(Step::Verifying { until, info }, until);
            }
            Err(text) => {
                self.takeover_failed(now, format!("Redis refused REPLICAOF NO ONE: {text}"), out);
            }
        }
    }

    /// This machine's data is the pair's from now on. Not sooner: a promotion that is never used
    /// must not make its data look newer than what is served meanwhile.
    fn begin_generation(&mut self, now: Time, out: &mut Actions) {
        let run_id = self.monitor.info.as_ref().and_then(|info| info.run_id);
        let taken_as_it_was =
            self.timeline.as_ref().is_some_and(|timeline| timeline.cause == Cause::Adopted);
        let unbroken = self.timeline.is_none() || (taken_as_it_was && !self.left);
        if !(unbroken && self.vouched() && self.generation.0 > 0) {
            let known = self.peer.report.as_ref().map_or(0, |report| report.generation);
            self.generation = Generation(self.generation.0.max(known).saturating_add(1));
            self.served = true;
            out.push(Action::Tell(Event::GenerationChanged(self.generation)));
        }
        self.held_run_id = run_id;
        self.watch_reach(now);
        self.report_dirty = true;
    }

    /// Redis is a primary: open the fence, then add the addresses, then tell the network.
    pub(super) fn claim(&mut self, now: Time, out: &mut Actions) {
        // It may have taken the address back while this Redis took its time.
        let began_at = self.takeover_began_at();
        let since = |at: Option<Time>| at.is_some_and(|at| at > began_at);
        let says_so = self.peer.report.as_ref().is_some_and(|report| report.state == State::Active);
        let may_return = self.peer.report.as_ref().is_none_or(|report| report.fit);
        let void_at = match &self.phase {
            Phase::TakingOver(takeover) => takeover.void_at,
            _ => None,
        };
        if may_return && void_at.is_some_and(|at| now >= at) {
            let why = "it took so long that the peer may have taken the address back";
            self.takeover_failed(now, why.to_string(), out);
            return;
        }
        if since(self.peer.advert_at) || (since(self.peer.report_at) && says_so) {
            let back = format!("{} has the address again", self.config.peer().name);
            self.takeover_failed(now, back, out);
            return;
        }
        // First, so that the machine that left does not take the address back on its older data,
        // should this daemon die while its clients are served.
        self.send_report(now, out);
        self.open_source(out);
        self.ask_fence(now, Action::OpenFence, out);
    }

    /// An earlier run's right is still alive: go on where it was, if the kernel agrees.
    pub(super) fn resume(&mut self, now: Time, out: &mut Actions) {
        let takeover = Takeover::new(now, Step::Fencing, now);
        self.enter(Phase::TakingOver(takeover), self.reason.clone(), out);
        self.ask_fence(now, Action::RenewFence, out);
    }

    fn ask_fence(&mut self, now: Time, ask: fn(Time) -> Action, out: &mut Actions) {
        let deadline = now + self.config.timing.promote_timeout;
        let Some(fence_until) = self.right_end(now) else {
            // The votes ran out while Redis took its time.
            self.step(Step::Voting { promoted: true }, now + self.ask_again_after());
            self.report_dirty = true;
            return;
        };
        self.served_until = Some(fence_until);
        if let Phase::TakingOver(takeover) = &mut self.phase {
            takeover.step = Step::Fencing;
            takeover.deadline = deadline;
            takeover.fence_until = fence_until;
        }
        out.push(ask(fence_until));
    }

    /// The addresses, or the peer's patience, may be others than those the kernel was asked for: once more,
    /// and never for longer than before.
    pub(super) fn reload_claim(&mut self, now: Time, out: &mut Actions) {
        let until = now + self.fence_life();
        let deadline = now + self.config.timing.promote_timeout;
        let is_primary = self.monitor.is_primary();
        let Phase::TakingOver(takeover) = &mut self.phase else { return };
        if !takeover.may_be_open() {
            return;
        }
        if !is_primary {
            self.takeover_failed(now, MADE_A_REPLICA.to_string(), out);
            return;
        }
        takeover.step = Step::Fencing;
        takeover.deadline = deadline;
        takeover.fence_until = takeover.fence_until.min(until);
        out.push(Action::OpenFence(takeover.fence_until));
    }

    /// The kernel answered.
    pub(super) fn claim_step_done(
        &mut self,
        now: Time,
        done: Done,
        result: Result<(), Refused>,
        out: &mut Actions,
    ) {
        let step = match &self.phase {
            Phase::TakingOver(takeover) => takeover.step,
            Phase::Active(_) => return self.active_step_done(now, done, result, out),
            _ => return,
        };
        match (step, done, result) {
            (Step::Fencing, Done::OpenFence | Done::RenewFence, Ok(())) => {
                self.confirm(now, false, out);
            }
            (Step::Claiming, Done::AddVips, Ok(())) => self.confirm(now, true, out),
            (_, _, Err(refused)) => self.takeover_failed(now, refused.to_string(), out),
            _ => {}
        }
    }

    /// The kernel did its part. While it did, or while this daemon did not run, Redis may have been
    /// restarted without its data: nobody may be sent to it, and the peer must not follow it.
    fn confirm(&mut self, now: Time, claimed: bool, out: &mut Actions) {
        let Phase::TakingOver(takeover) = &self.phase else { return };
        if now.since(takeover.looked_at) <= LOOK_HOLDS_FOR {
            self.go_on(now, claimed, out);
            return;
        }
        let info = self.monitor.demand_info(out);
        let until = now + self.config.timing.promote_timeout;
        self.step(Step::Confirming { info, claimed }, until);
    }

    fn looked(&mut self, at: Time) {
        if let Phase::TakingOver(takeover) = &mut self.phase {
            takeover.looked_at = at;
        }
    }

    /// This daemon did not run for a while: what INFO said is old, and so is an answer that waited.
    pub(super) fn look_anew(&mut self, out: &mut Actions) {
        let Phase::TakingOver(takeover) = &mut self.phase else { return };
        takeover.looked_at = Time(0);
        if let Step::Draining { info, .. }
        | Step::Verifying { info, .. }
        | Step::Confirming { info, .. } = &mut takeover.step
        {
            *info = self.monitor.demand_info(out);
        }
    }

    fn go_on(&mut self, now: Time, claimed: bool, out: &mut Actions) {
        let Phase::TakingOver(takeover) = &self.phase else { return };
        if now > takeover.fence_until {
            let late = "the kernel's right ran out before the address was claimed";
            self.takeover_failed(now, late.to_string(), out);
        } else if claimed {
            self.become_active(now, out);
        } else {
            self.step(Step::Claiming, now + self.config.timing.promote_timeout);
            out.push(Action::AddVips);
        }
    }

    fn takeover_began_at(&self) -> Time {
        match &self.phase {
            Phase::TakingOver(takeover) => takeover.began_at,
            _ => Time(u64::MAX),
        }
    }

    fn become_active(&mut self, now: Time, out: &mut Actions) {
        self.leave = None;
        self.mark(now, Mark::Claim);
        self.begin_generation(now, out);
        self.leaving = None;
        self.lingering = false;
        self.left = false;
        self.left_to_peer = false;
        // Nobody knows more of the address than who holds it.
        self.peer_has_spoken = true;
        self.peer.advert_at = None;
        // From now on none is expected.
        self.filter_told = false;
        // Of a run that was taken up; any other takeover has opened it before the claim.
        if self.follow.source_closed() {
            self.open_source(out);
        }
        let (fence_until, took_everything) = match &self.phase {
            Phase::TakingOver(takeover) => (takeover.fence_until, takeover.took_everything),
            _ => (now, false),
        };
        let active = Active::new(now, fence_until, took_everything, &self.config);
        let reason = match &self.timeline {
            Some(timeline) => format!("took over: {}", timeline.cause),
            None => self.reason.clone(),
        };
        self.enter(Phase::Active(active), reason, out);
        self.emit_advert(now, out);
        self.advance_active(now, out);
        self.mark(now, Mark::Announce);
        self.publish_timeline(now, out);
    }

    fn publish_timeline(&mut self, now: Time, out: &mut Actions) {
        let Some(timeline) = &self.timeline else {
            return;
        };
        let unix_ms = (now.0 / 1000) as i64;
        let unix_ms = u64::try_from(unix_ms.wrapping_add(self.unix_ms_offset)).unwrap_or(0);
        let failover = timeline.finish(self.generation.0, unix_ms);
        out.push(Action::Tell(Event::TookOver(failover.clone())));
        self.failover = Some(failover);
    }

    pub(super) fn mark(&mut self, now: Time, phase: Mark) {
        if let Some(timeline) = &mut self.timeline {
            timeline.mark(now, phase);
        }
    }

    /// The peer's advert arrived meanwhile: it is alive after all. Before the promotion that ends
    /// the takeover; after it, the lineage decides between the two.
    pub(super) fn reconsider_takeover(&mut self, now: Time, out: &mut Actions) {
        let Phase::TakingOver(takeover) = &self.phase else { return };
        let nothing_claimed = matches!(
            takeover.step,
            Step::Voting { .. }
                | Step::Probing { .. }
                | Step::Draining { .. }
                | Step::Verifying { .. }
        );
        if nothing_claimed {
            out.push(Action::EndProbe);
            self.timeline = None;
            self.rest(now, out);
        }
    }

    pub(super) fn takeover_failed(&mut self, now: Time, reason: String, out: &mut Actions) {
        self.unheard_right = match &self.phase {
            Phase::TakingOver(takeover) if takeover.may_be_open() => Some(takeover.fence_until),
            _ => None,
        };
        out.push(Action::Tell(Event::TakeoverFailed { reason: reason.clone() }));
        out.push(Action::EndProbe);
        out.push(Action::RemoveVips);
        out.push(Action::CloseFence { and_source: false });
        self.timeline = None;
        self.blocked = Some((now + RETRY_AFTER, reason.clone()));
        self.timers = Timers::default();
        self.enter(Phase::Unfit, reason, out);
    }

    /// Somebody claims one of our addresses.
    pub(super) fn hear_claim(
        &mut self,
        now: Time,
        address: IpAddr,
        mac: [u8; 6],
        out: &mut Actions,
    ) {
        let probing =
            matches!(self.phase, Phase::TakingOver(Takeover { step: Step::Probing { .. }, .. }));
        if !probing {
            return;
        }
        let [a, b, c, d, e, f] = mac;
        let reason = format!(
            "{address} is already used by {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}; find \
             that machine, or give the pair another address"
        );
        out.push(Action::EndProbe);
        out.push(Action::Tell(Event::AddressInUse(reason.clone())));
        self.timeline = None;
        self.blocked = Some((now + IN_USE_FOR, reason.clone()));
        self.enter(Phase::Unfit, reason, out);
    }
}
