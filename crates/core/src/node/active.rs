//! Holding the address: adverts, the kernel's fence, announcements, and every way of leaving.

use super::{Node, Phase};
use crate::action::{Action, Actions, Query};
use crate::config::Config;
use crate::event::Event;
use crate::input::{Done, Refused};
use crate::lineage::{Lineage, Relation, compare};
use crate::monitor::Health;
use crate::time::Time;
use crate::vrrp::{self, Timers};
use alloc::format;
use alloc::string::ToString;
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::peer::{Cause, Leaving, Report, State};

/// A farewell (priority 0) is repeated, since the first may be lost: after these waits.
const FAREWELL_WAITS: [Duration; 2] = [Duration::from_millis(3), Duration::from_millis(10)];
/// How long a report goes on to say why the address was left.
const LEAVING_TOLD_FOR: Duration = Duration::from_secs(2);

/// The Active state.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Active {
    /// The kernel serves the address until then, or would if the fence were not held, unless another
    /// advert is sent.
    fence_until: Time,
    /// When the kernel was asked to renew the fence last, and that it took long.
    renewal_asked_at: Time,
    pub(super) kernel_is_slow: bool,
    /// The kernel refused to open a fence that was lost; a second time in a row is a fault.
    open_refused: bool,
    /// The address was handed over when this Redis had the last byte that the other one had
    /// acknowledged: what that one holds beyond it no client wrote.
    pub(super) took_everything: bool,
    /// An address was taken away, and the kernel refused to add it again.
    add_refused: bool,
    /// Writes are held back by the fence, for a switchover (Redis before 6.2 can't pause them) or to
    /// compare data: don't renew it.
    pub(super) fence_held: bool,
    /// The peer's data seems newer: to be seen in the INFO of this number, until then at the latest.
    pub(super) yielding: Option<(u64, Time)>,
    /// An advert of the peer was answered last.
    answered_at: Option<Time>,
    /// Another Active machine holds older data, and may not hear the reports that say so.
    insists_until: Time,
    pub(super) announce_at: Option<Time>,
    announced: u32,
    announce_interval: Duration,
}

impl Active {
    /// Until when the kernel serves the address, as far as it was asked to.
    pub(super) fn fence_until(&self) -> Time {
        self.fence_until
    }

    pub(super) fn new(
        now: Time,
        fence_until: Time,
        took_everything: bool,
        config: &Config,
    ) -> Self {
        Active {
            fence_until,
            renewal_asked_at: now,
            kernel_is_slow: false,
            open_refused: false,
            took_everything,
            add_refused: false,
            fence_held: false,
            yielding: None,
            answered_at: None,
            insists_until: now,
            announce_at: Some(now),
            announced: 0,
            announce_interval: config.announce.interval,
        }
    }
}

/// Leaving the address: done when the kernel has confirmed it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Leave {
    cause: Cause,
    noticed_at: Time,
    /// The kernel has confirmed that nothing here answers on the addresses any more.
    shut: bool,
    /// The peer has had the address since.
    pub(super) taken: bool,
    farewells: usize,
    next_at: Option<Time>,
}

impl Leave {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.next_at
    }
}

impl Node {
    /// Sends an advert and a report, then renews the fence. In this order: a daemon that is killed
    /// between the two leaves a fence that closes before the peer's timer, which counts from the
    /// last advert, fires.
    pub(super) fn send_advert(&mut self, now: Time, out: &mut Actions) {
        self.emit_advert(now, out);
        self.renew_fence(now, out);
    }

    /// The kernel goes on serving the address for as long as the peer waits after an advert sent now.
    pub(super) fn renew_fence(&mut self, now: Time, out: &mut Actions) {
        let Some(until) = self.right_end(now) else { return };
        let Phase::Active(active) = &mut self.phase else { return };
        // With votes it is they that renew the right, not the adverts.
        if self.votes.is_some() && until <= active.fence_until {
            return;
        }
        active.fence_until = until;
        if !active.fence_held {
            active.renewal_asked_at = now;
            self.served_until = Some(until);
            out.push(Action::RenewFence(until));
        }
    }

    /// The kernel has answered while the address is held.
    pub(super) fn active_step_done(
        &mut self,
        now: Time,
        done: Done,
        result: Result<(), Refused>,
        out: &mut Actions,
    ) {
        let slow = self.config.advert_interval / 8;
        let Phase::Active(active) = &mut self.phase else { return };
        if done == Done::RenewFence {
            active.kernel_is_slow = now.since(active.renewal_asked_at) > slow;
        }
        match (done, result) {
            (Done::AddVips, Ok(())) => {
                active.add_refused = false;
                self.announce_anew(now);
            }
            // The standby waits as long as there are adverts: nobody would have the address.
            (Done::AddVips, Err(_)) if active.add_refused => {
                self.leave(now, Cause::LocalFault, out);
            }
            (Done::AddVips, Err(_)) => {
                active.add_refused = true;
                out.push(Action::AddVips);
            }
            (_, Ok(())) => active.open_refused = false,
            (_, Err(refused)) => self.fence_refused(now, done, &refused, out),
        }
    }

    /// For how long the peer waits after an advert of this machine.
    pub(super) fn fence_life(&self) -> Duration {
        let reported = self.peer.report.as_ref().map_or(0, |report| report.priority);
        let life = vrrp::fence_life(&self.config, self.config.peer().priority.0.max(reported));
        // With votes it is not adverts in their rhythm that end a peer's patience: what a renewal has to
        // wait for the kernel, the right lasts longer.
        let margin =
            self.votes.as_ref().map_or(Duration::ZERO, |_| self.config.advert_interval / 4);
        life.saturating_sub(margin)
    }

    /// Somebody else may have told the network that it has the address: all the rounds again.
    pub(super) fn announce_anew(&mut self, now: Time) {
        if let Phase::Active(active) = &mut self.phase {
            active.announce_at = Some(now);
            active.announced = 0;
            active.announce_interval = self.config.announce.interval;
        }
    }

    pub(super) fn emit_advert(&mut self, now: Time, out: &mut Actions) {
        let priority = match &self.phase {
            Phase::Active(active) if now < active.insists_until => vrrp::PRIORITY_INSISTS,
            _ => self.config.own().priority.0,
        };
        out.push(Action::SendAdvert(vrrp::advert(&self.config, priority)));
        self.counters.adverts_sent += 1;
        self.timers =
            Timers { advert_at: Some(now + self.config.advert_interval), active_down_at: None };
        // A report is worth as much to the peer: it too goes out before the fence is renewed.
        self.send_report(now, out);
    }

    /// Opens the fence of an address that is held.
    pub(super) fn reopen_fence(&mut self, now: Time, out: &mut Actions) {
        let Some(until) = self.right_end(now) else { return };
        if let Phase::Active(active) = &mut self.phase {
            active.fence_until = until;
            self.served_until = Some(until);
            out.push(Action::OpenFence(until));
        }
    }

    /// The kernel refused to go on serving the address.
    fn fence_refused(&mut self, now: Time, done: Done, refused: &Refused, out: &mut Actions) {
        let Phase::Active(active) = &mut self.phase else { return };
        match refused {
            Refused::Lapsed => self.leave(now, Cause::Stalled, out),
            Refused::Failed(_) if active.fence_held => {}
            // Somebody flushed the rules, as often as may be. Adverts have kept their time, so the right
            // is still ours.
            Refused::Failed(_) if done == Done::RenewFence || !active.open_refused => {
                active.open_refused = done == Done::OpenFence;
                self.served_until = Some(active.fence_until);
                out.push(Action::OpenFence(active.fence_until));
            }
            Refused::Failed(_) => self.leave(now, Cause::LocalFault, out),
        }
    }

    pub(super) fn advance_active(&mut self, now: Time, out: &mut Actions) {
        if self.timers.advert_at.is_some_and(|at| now >= at) {
            self.send_advert(now, out);
        }
        let announce = self.config.announce;
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        if active.announce_at.is_some_and(|at| now >= at) {
            out.push(Action::Announce);
            active.announced = active.announced.saturating_add(1);
            active.announce_at = if active.announced < announce.repeats {
                let wait = active.announce_interval;
                // Each repeat waits twice as long as the one before: switches and hosts that
                // missed the first frames are still told, and nobody is flooded.
                active.announce_interval = wait.saturating_mul(2);
                Some(now + wait)
            } else if announce.refresh > Duration::ZERO {
                Some(now + announce.refresh)
            } else {
                None
            };
        }
        self.consider_preempting(now, out);
        self.yield_to_newer_data(now, out);
    }

    /// The peer's data is newer than what is served here: after a partition, say.
    fn yield_to_newer_data(&mut self, now: Time, out: &mut Actions) {
        let newer = self.peer.fresh(now).is_some_and(|report| self.is_newer(report));
        // That the peer has fallen silent meanwhile does not make its data older.
        let was_newer = self.peer.report.as_ref().is_some_and(|report| self.is_newer(report));
        let Phase::Active(active) = &mut self.phase else { return };
        match active.yielding {
            Some((info, until)) if self.monitor.info_answered >= info || now >= until => {
                active.yielding = None;
                // Without an answer nothing is known that would justify serving on.
                if was_newer || self.monitor.info_answered < info {
                    self.leave(now, Cause::Superseded, out);
                } else {
                    active.fence_held = false;
                    self.emit_advert(now, out);
                    self.reopen_fence(now, out);
                }
            }
            Some(_) => {}
            None if !newer => {}
            None if active.fence_held => self.leave(now, Cause::Superseded, out),
            // What is known of the local data is older than the last write that was acknowledged
            // here. No more of them, and then look.
            None => {
                active.fence_held = true;
                out.push(Action::CloseFence { and_source: false });
                let info = self.monitor.demand_info(out);
                active.yielding = Some((info, now + self.config.timing.promote_timeout));
            }
        }
    }

    /// The other machine could serve, or does, and its data is newer than what is served here.
    fn is_newer(&self, report: &Report) -> bool {
        (report.fit || report.state == State::Active)
            && report.redis.reachable
            && matches!(
                compare(&self.lineage(), &Lineage::from(report)),
                Relation::Superseded { .. } | Relation::Behind { .. }
            )
    }

    /// This daemon did not run for longer than the kernel served the address: the right is gone,
    /// and somebody else may have it. Listen before doing anything else.
    ///
    /// With votes a right also ends because nobody renewed it while the daemon ran.
    pub(super) fn leave_if_stalled(&mut self, now: Time, slept: Duration, out: &mut Actions) {
        let Phase::Active(active) = &self.phase else { return };
        let awake = self.votes.is_some() && slept <= self.config.advert_interval * 2;
        if awake && now >= active.fence_until {
            self.leave(now, Cause::VotesMissing, out);
        } else if now > active.fence_until {
            self.leave(now, Cause::Stalled, out);
        }
    }

    /// Redis is gone or hangs.
    pub(super) fn redis_failed(&mut self, now: Time, out: &mut Actions) {
        match &self.phase {
            Phase::Active(_) => {
                let cause = match self.monitor.health {
                    Health::Hung(_) => Cause::RedisHung,
                    _ => Cause::RedisExited,
                };
                self.leave(now, cause, out);
            }
            Phase::TakingOver(_) => {
                self.takeover_failed(now, "Redis failed".to_string(), out);
            }
            _ => {}
        }
    }

    /// Somebody made the primary behind the address a replica, or it was restarted so quickly that
    /// only its new `run_id` tells.
    pub(super) fn check_still_primary(&mut self, now: Time, out: &mut Actions) {
        if !self.vouched() {
            self.leave(now, Cause::RedisExited, out);
            return;
        }
        if !self.monitor.is_primary() {
            out.push(Action::Tell(Event::Problem(
                "Redis was made a replica while it held the address".to_string(),
            )));
            self.leave(now, Cause::LocalFault, out);
        }
    }

    /// The other machine advertises too.
    pub(super) fn settle_conflict(
        &mut self,
        now: Time,
        src: IpAddr,
        priority: u8,
        out: &mut Actions,
    ) {
        let Some(report) = self.peer.heard(now) else {
            // Its advert came before its report, which tells whose data is newer; it will follow,
            // unless this is no keepair.
            let since = *self.conflict_since.get_or_insert(now);
            if now.since(since) < self.config.advert_interval * 3 {
                self.answer(now, out);
                return;
            }
            //= https://www.rfc-editor.org/rfc/rfc9568#section-6.4.3
            //# If the Priority in the ADVERTISEMENT is equal to the local Priority and the primary
            //# address of the sender is greater than the primary address of the local sender
            let own = self.config.own();
            if (priority, src) > (own.priority.0, own.address) {
                self.leave(now, Cause::Superseded, out);
            } else {
                self.answer(now, out);
            }
            return;
        };
        let yields = match compare(&self.lineage(), &Lineage::from(report)) {
            // Data before priority.
            Relation::Superseded { .. } | Relation::Behind { .. } => {
                return self.yield_to_newer_data(now, out);
            }
            Relation::Supersedes | Relation::Ahead { .. } => {
                if let Phase::Active(active) = &mut self.phase {
                    active.insists_until = now + self.config.advert_interval * 3;
                }
                false
            }
            Relation::Same | Relation::Unrelated => {
                let own = self.config.own();
                (priority, src) > (own.priority.0, own.address)
            }
        };
        if yields {
            self.leave(now, Cause::Superseded, out);
        } else {
            self.answer(now, out);
        }
    }

    /// The address stays here, and both the other machine and the network are told. Not at once again: the
    /// other one answers as well.
    fn answer(&mut self, now: Time, out: &mut Actions) {
        let Phase::Active(active) = &mut self.phase else { return };
        let pause = self.config.advert_interval / 4;
        if active.answered_at.is_some_and(|at| now.since(at) < pause) {
            return;
        }
        active.answered_at = Some(now);
        self.send_advert(now, out);
        self.announce_anew(now);
    }

    /// A virtual address was taken off the interface behind our back.
    pub(super) fn mend_vip(&mut self, address: IpAddr, out: &mut Actions) {
        if matches!(self.phase, Phase::Active(_)) {
            out.push(Action::Tell(Event::Refused(format!(
                "{address} was removed from the interface by somebody else; added again"
            ))));
            out.push(Action::AddVips);
        }
    }

    /// Leaves the address and fences it; the farewell follows when the kernel has confirmed.
    pub(super) fn leave(&mut self, now: Time, cause: Cause, out: &mut Actions) {
        self.note_successor(now, cause);
        // After a planned hand-over Redis closes its clients as soon as the standby serves, and they
        // can be told so only from the address they are connected to: it stays for that long, shut
        // by the kernel.
        self.lingering =
            self.switchover.is_some() && matches!(cause, Cause::Switchover | Cause::DaemonStopping);
        // A Redis that ended may be started again at once, without its data, by its supervisor: it
        // must not become the peer's source before it has been looked at.
        let and_source = cause == Cause::RedisExited;
        // First, because it waits for nobody.
        out.push(Action::CloseFence { and_source });
        if and_source {
            self.source_was_closed();
        }
        let unheard = matches!(cause, Cause::VotesMissing | Cause::Stalled);
        let spans = self.spans();
        let drained = spans.patience.saturating_sub(spans.life) + self.config.advert_interval;
        self.drop_replicas_at = unheard.then(|| now + drained);
        self.quiet_info = u64::MAX;
        self.leave = Some(Leave {
            cause,
            noticed_at: now,
            shut: false,
            taken: false,
            farewells: 0,
            next_at: None,
        });
        self.timers = Timers::default();
        self.report_dirty = true;
        if !matches!(self.phase, Phase::Stopping { .. }) {
            self.rest(now, out);
        }
    }

    /// A peer that was cut off has taken over by now, or will not, and has taken out of the connection
    /// what arrived. Redis does not know that its replica is gone, and would ping it: a tail of
    /// nothing but pings costs a full synchronisation (Redis 7.0, `replicationCron`).
    pub(super) fn drop_replicas(&mut self, now: Time, out: &mut Actions) {
        if self.drop_replicas_at.is_none_or(|at| now < at) {
            return;
        }
        self.drop_replicas_at = None;
        let unheard = self.peer.fresh(now).is_none() && !self.peer.is_active(now);
        let left = !matches!(self.phase, Phase::Active(_));
        if unheard && left && self.monitor.is_primary() && self.monitor.connected() {
            out.push(Action::AskRedis(Query::DropReplicas));
        }
    }

    /// The address was left, and the kernel has not confirmed it.
    pub(super) fn leaves_unshut(&self) -> bool {
        self.leave.as_ref().is_some_and(|leave| !leave.shut)
    }

    /// What the kernel refused to take away or to shut is asked for again. An address that was left is
    /// removed in the end, though it is shut by the fence meanwhile: somebody may flush the rules.
    pub(super) fn advance_removal(&mut self, now: Time, out: &mut Actions) {
        if self.close_again_at.is_some_and(|at| now >= at) {
            self.close_again_at = None;
            if !matches!(self.phase, Phase::Active(_) | Phase::TakingOver(_)) {
                out.push(Action::CloseFence { and_source: self.follow.source_closed() });
            }
        }
        if self.remove_again_at.is_none_or(|at| now < at) {
            return;
        }
        self.remove_again_at = None;
        if !matches!(self.phase, Phase::Active(_) | Phase::TakingOver(_)) {
            out.push(Action::RemoveVips);
        }
    }

    /// Redis has closed its clients, or will not any more.
    pub(super) fn end_linger(&mut self, out: &mut Actions) {
        if core::mem::take(&mut self.lingering) && !matches!(self.phase, Phase::Active(_)) {
            out.push(Action::RemoveVips);
        }
    }

    pub(super) fn leave_step_done(
        &mut self,
        now: Time,
        done: Done,
        result: Result<(), Refused>,
        out: &mut Actions,
    ) {
        let Some(leave) = &mut self.leave else { return };
        if leave.shut {
            return;
        }
        match (done, result) {
            (_, Ok(())) => {
                leave.shut = true;
                let cause = leave.cause;
                let passed = now.since(leave.noticed_at).as_micros();
                let noticed_ago_us = u32::try_from(passed).unwrap_or(u32::MAX);
                self.leaving = Some((Leaving { cause, noticed_ago_us, fenced_ago_us: 0 }, now));
                // Nothing here serves any more: the farewell's report gives this machine's vote away.
                self.served_until = None;
                self.settle_votes(now);
                self.farewell(now, out);
                // The peer is told only now, however long the kernel refused: it goes first.
                if let Some(at) = &mut self.timers.active_down_at {
                    let interval = self.config.advert_interval;
                    *at =
                        (*at).max(now + vrrp::active_down(self.config.own().priority.0, interval));
                }
                out.push(Action::Tell(Event::Left { cause }));
                // Second, because the kernel may make it wait: every program that changes links
                // or addresses takes the same lock.
                if done == Done::CloseFence && !self.lingering {
                    out.push(Action::RemoveVips);
                }
                // Where its stream ends, for the standby to wait for. A planned hand-over has told.
                self.quiet_info = if self.switchover.is_none() && self.monitor.health.serves() {
                    self.monitor.demand_info(out)
                } else {
                    self.monitor.info_asked()
                };
            }
            (Done::CloseFence, Err(_)) => out.push(Action::RemoveVips),
            // Neither way worked: say nothing. The fence is tried again, and runs out before the peer's
            // timer.
            (_, Err(_)) => {}
        }
    }

    /// The report goes first: it says why.
    fn farewell(&mut self, now: Time, out: &mut Actions) {
        let taken = self.leave.as_ref().is_some_and(|leave| leave.taken);
        self.send_report(now, out);
        if taken || matches!(self.phase, Phase::Active(_)) {
            self.leave = None;
            return;
        }
        out.push(Action::SendAdvert(vrrp::advert(&self.config, 0)));
        self.counters.farewells_sent += 1;
        let Some(leave) = &mut self.leave else { return };
        leave.next_at = FAREWELL_WAITS.get(leave.farewells).map(|wait| now + *wait);
        leave.farewells += 1;
        if leave.next_at.is_none() {
            self.leave = None;
        }
    }

    pub(super) fn advance_leave(&mut self, now: Time, out: &mut Actions) {
        if self.leaving.is_some_and(|(_, since)| now.since(since) > LEAVING_TOLD_FOR) {
            self.leaving = None;
        }
        let due = self.leave.as_ref().and_then(|leave| leave.next_at).is_some_and(|at| now >= at);
        if !due {
            return;
        }
        self.farewell(now, out);
    }

    fn note_successor(&mut self, now: Time, cause: Cause) {
        self.left = true;
        // After a stall everything that was heard is old.
        let last = match cause {
            Cause::Stalled => self.peer.report.as_ref(),
            _ => self.peer.heard(now),
        };
        self.left_to_peer = last.is_some_and(|report| report.fit);
        // What was heard before says nothing of the time in which nothing could be heard.
        if self.left_to_peer && matches!(cause, Cause::LinkDown | Cause::Stalled) {
            self.peer_has_spoken = false;
        }
    }

    /// With `preempt`, a better priority gets the address back by a planned switchover, which
    /// loses nothing, as soon as it has been in step for a while.
    fn consider_preempting(&mut self, now: Time, out: &mut Actions) {
        const IN_STEP_FOR: Duration = Duration::from_secs(5);
        let wanted = self.config.preempt
            && self.switchover.is_none()
            && self.peer.heard(now).is_some_and(|report| {
                report.fit && report.redis.link_up && report.priority > self.config.own().priority.0
            });
        let Phase::Active(_) = &self.phase else {
            return;
        };
        match (wanted, self.follow.preempt_since) {
            (false, _) => self.follow.preempt_since = None,
            (true, None) => self.follow.preempt_since = Some(now),
            (true, Some(since)) if now.since(since) >= IN_STEP_FOR => {
                self.follow.preempt_since = None;
                self.begin_switchover(now, false, out);
            }
            _ => {}
        }
    }
}
