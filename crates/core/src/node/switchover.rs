//! A planned switchover: let new connections wait, pause writes, wait until the standby has the last
//! byte, leave, and become its replica. Called off, and writes resumed, when any step takes too long.
//!
//! Clients see a pause. A connection that began before it is served to its end or closed by Redis
//! once the standby serves; one that begins during it is made with the standby, when the client's
//! kernel repeats its SYN.

use super::{Node, Phase};
use crate::action::{Action, Actions, Query};
use crate::event::{Event, SwitchoverStep};
use crate::input::Refused;
use crate::settings::{is_valkey, version};
use crate::time::Time;
use crate::vrrp;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;
use keepair_wire::peer::{Cause, Handshake, Report, State};

/// After the address was left, for the standby to take it and for Redis to become its replica.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);
/// After a switchover that was called off, before `preempt` asks for another.
const PREEMPT_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A standby further behind than this would not catch up in the moment for which writes may pause.
const LAG_BYTES_MAX: i64 = 16 * 1024 * 1024;
/// For connections that were just made to send their command and get their answer.
const HOLD_FIRST: Duration = Duration::from_micros(500);
/// New connections wait no longer than this, whatever becomes of this daemon.
const HOLD_MAX: Duration = Duration::from_millis(500);
/// Between two looks of the standby at how far it has come.
const CATCH_UP_LOOK: Duration = Duration::from_micros(300);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Step {
    /// For connections that were just made.
    Holding { until: Time },
    /// For Redis to pause writes.
    Pausing,
    /// For INFO, asked after the pause, to say where the stream ends.
    Measuring { info: u64 },
    /// For the standby to have applied the stream up to here.
    CatchingUp { target_offset: i64 },
    /// For the standby to become Active and the local Redis its replica. The stream ends here.
    HandedOver { target_offset: i64 },
}

/// A switchover under way on the machine that is, or was, Active.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Switchover {
    step: Step,
    deadline: Time,
    stop_after: bool,
}

impl Switchover {
    /// When it is looked at again.
    pub(super) fn deadline(&self) -> Time {
        match self.step {
            Step::Holding { until } => until,
            _ => self.deadline,
        }
    }

    /// For people.
    pub(super) fn step_name(&self) -> &'static str {
        match self.step {
            Step::Holding { .. } => "holding new connections",
            Step::Pausing => "pausing writes",
            Step::Measuring { .. } => "measuring",
            Step::CatchingUp { .. } => "waiting for the last byte",
            Step::HandedOver { .. } => "handed over",
        }
    }
}

impl Node {
    /// The operator asks, here.
    pub(super) fn ask_switchover(&mut self, now: Time, out: &mut Actions) {
        match &self.phase {
            Phase::Active(_) => self.begin_switchover(now, false, out),
            Phase::Backup if self.peer.is_active(now) => {
                self.wanted = self.wanted.wrapping_add(1).max(1);
                self.wanted_until = Some(now + self.config.timing.switchover_timeout);
                self.report_dirty = true;
                out.push(tell(SwitchoverStep::Asked));
            }
            _ => {
                let why = format!("{} can't take over: {}", self.config.own().name, self.reason);
                out.push(tell(SwitchoverStep::Refused(why)));
            }
        }
    }

    /// Why a switchover would lose something or could not work, if so.
    fn switchover_obstacle(&self, now: Time) -> Option<String> {
        let peer = &self.config.peer().name;
        let Some(report) = self.peer.heard(now) else {
            return Some(format!("the keepair daemon on {peer} is not heard"));
        };
        if !report.fit || report.state != State::Backup {
            return Some(format!("{peer} can't take over: {}", report.reason));
        }
        if !report.redis.link_up {
            return Some(format!("{peer} does not replicate right now"));
        }
        let behind = self.own_facts().offset.saturating_sub(report.redis.offset);
        if behind > LAG_BYTES_MAX {
            return Some(format!(
                "{peer} is {behind} bytes behind; try again when it has caught up"
            ));
        }
        if self.switchover.is_some() {
            return Some("another one is under way".to_string());
        }
        // What it finds opens the fence again, or ends in leaving the address.
        if matches!(&self.phase, Phase::Active(active) if active.yielding.is_some()) {
            return Some("it is being looked whose data is newer; try again".to_string());
        }
        None
    }

    pub(super) fn begin_switchover(&mut self, now: Time, stop_after: bool, out: &mut Actions) {
        if let Some(why) = self.switchover_obstacle(now) {
            out.push(tell(SwitchoverStep::Refused(why)));
            return;
        }
        let deadline = now + self.config.timing.switchover_timeout;
        if self.can_pause_writes() {
            // A courtesy to new clients; a kernel that makes the daemon wait for it delays the adverts.
            let courteous = matches!(&self.phase, Phase::Active(active) if !active.kernel_is_slow);
            if courteous {
                out.push(Action::HoldConnections(HOLD_MAX));
            }
            let step = Step::Holding { until: if courteous { now + HOLD_FIRST } else { now } };
            self.switchover = Some(Switchover { step, deadline, stop_after });
        } else if let Phase::Active(active) = &mut self.phase {
            // Redis before 6.2 can only pause everything, this connection included: hold the
            // clients' packets instead.
            active.fence_held = true;
            self.switchover = Some(Switchover { step: Step::Pausing, deadline, stop_after });
            out.push(Action::CloseFence { and_source: false });
        }
    }

    /// The kernel has answered whether it holds the clients' packets.
    pub(super) fn packets_held(
        &mut self,
        now: Time,
        result: &Result<(), Refused>,
        out: &mut Actions,
    ) {
        if !self.can_pause_writes() {
            self.paused(now, result.as_ref().copied().map_err(ToString::to_string), out);
        }
    }

    pub(super) fn can_pause_writes(&self) -> bool {
        self.monitor
            .info
            .as_ref()
            .is_some_and(|info| is_valkey(info) || version(info).is_some_and(|v| v >= (6, 2)))
    }

    pub(super) fn paused(&mut self, now: Time, result: Result<(), String>, out: &mut Actions) {
        let Some(switchover) = &mut self.switchover else {
            return;
        };
        if switchover.step != Step::Pausing {
            return;
        }
        match result {
            Ok(()) => {
                switchover.step = Step::Measuring { info: self.monitor.demand_info(out) };
                out.push(tell(SwitchoverStep::Paused));
            }
            Err(text) => self.call_off(now, format!("writes could not be paused: {text}"), out),
        }
    }

    /// A fresh INFO, on either side of a switchover.
    pub(super) fn check_catch_up(&mut self, now: Time) {
        let offset = self.own_facts().offset;
        if let Some(switchover) = &mut self.switchover
            && let Step::Measuring { info } = switchover.step
            && self.monitor.info_answered >= info
        {
            switchover.step = Step::CatchingUp { target_offset: offset };
            self.report_dirty = true;
        }
        let own_replid = self.own_facts().replid;
        let target = self
            .peer
            .fresh(now)
            .filter(|report| report.redis.replid == own_replid)
            .map_or(-1, |report| report.handshake.target_offset);
        if target >= 0 && !matches!(self.phase, Phase::Active(_)) {
            if offset >= target {
                self.report_dirty |= self.caught_up_offset < target;
                self.caught_up_offset = offset;
                self.caught_up_at = Some(now);
            } else {
                self.monitor.ask_info_at(now + CATCH_UP_LOOK);
            }
        }
    }

    /// The peer's half of the handshake.
    pub(super) fn answer_handshake(&mut self, now: Time, report: &Report, out: &mut Actions) {
        let theirs = report.handshake;
        if theirs.target_offset >= 0 && matches!(self.phase, Phase::Backup) {
            if self.caught_up_offset < theirs.target_offset {
                self.monitor.ask_info(out);
            }
        } else {
            self.caught_up_offset = -1;
            if theirs.target_offset < 0 {
                // Called off: its writes go on, also where the kernel does not let it leave.
                self.caught_up_at = None;
            }
        }
        if theirs.wanted != 0
            && self.wanted_seen.is_some_and(|seen| seen != theirs.wanted)
            && matches!(self.phase, Phase::Active(_))
        {
            self.begin_switchover(now, false, out);
        }
        self.wanted_seen = Some(theirs.wanted);
        if let Some(Switchover { step: Step::CatchingUp { target_offset }, .. }) = self.switchover
            && theirs.caught_up_offset >= target_offset
        {
            out.push(tell(SwitchoverStep::CaughtUp { offset: theirs.caught_up_offset }));
            self.hand_over(now, target_offset, out);
        }
    }

    fn hand_over(&mut self, now: Time, target_offset: i64, out: &mut Actions) {
        let Some(switchover) = &mut self.switchover else {
            return;
        };
        switchover.step = Step::HandedOver { target_offset };
        switchover.deadline = now + HAND_OVER_TIMEOUT;
        let cause = if switchover.stop_after { Cause::DaemonStopping } else { Cause::Switchover };
        self.leave(now, cause, out);
        // The standby has the first right to the address now.
        let down = vrrp::active_down(self.config.own().priority.0, self.config.advert_interval);
        if let Some(at) = &mut self.timers.active_down_at {
            *at = now + down;
        }
        out.push(tell(SwitchoverStep::HandedOver));
    }

    /// The address was left, and where the stream of the Redis that served it ends is known.
    fn left_alive(&self) -> bool {
        self.leaving.is_some()
            && self.monitor.health.serves()
            && self.monitor.is_primary()
            && self.monitor.info_answered >= self.quiet_info
    }

    pub(super) fn handshake(&self) -> Handshake {
        let target_offset = match &self.switchover {
            Some(Switchover { step: Step::CatchingUp { target_offset }, .. }) => *target_offset,
            _ if self.left_alive() => self.own_facts().offset,
            Some(Switchover { step: Step::HandedOver { target_offset }, .. }) => *target_offset,
            _ => -1,
        };
        let wanted = if self.wanted_until.is_some() { self.wanted } else { 0 };
        Handshake { wanted, target_offset, caught_up_offset: self.caught_up_offset }
    }

    pub(super) fn advance_switchover(&mut self, now: Time, out: &mut Actions) {
        // A wish that the primary hears much later would surprise everybody.
        if self.wanted_until.is_some_and(|until| now >= until) {
            self.wanted_until = None;
            self.report_dirty = true;
            if matches!(self.phase, Phase::Backup) {
                out.push(tell(SwitchoverStep::CalledOff("the primary did not begin".to_string())));
            }
        }
        let Some(switchover) = &mut self.switchover else { return };
        if let Step::Holding { until } = switchover.step
            && now >= until
        {
            switchover.step = Step::Pausing;
            let pause = self.config.timing.switchover_timeout + HAND_OVER_TIMEOUT;
            out.push(Action::AskRedis(Query::PauseWrites(pause)));
        }
        let Some(switchover) = &self.switchover else { return };
        let stop_after = switchover.stop_after;
        if matches!(switchover.step, Step::HandedOver { .. }) {
            if matches!(self.phase, Phase::Active(_)) {
                // Writes must not stay paused on the machine that serves again.
                self.call_off(now, "the standby did not take over".to_string(), out);
                return;
            }
            let replica = self.peer.is_active(now) && !self.monitor.is_primary();
            let gone = !self.monitor.health.serves();
            if (replica && !self.follow.pending()) || gone {
                self.switchover = None;
                self.end_linger(out);
                out.push(tell(SwitchoverStep::Finished));
                out.push(Action::AskRedis(Query::ResumeWrites));
                if stop_after {
                    self.stop(now, out);
                }
                return;
            }
        } else if !matches!(self.phase, Phase::Active(_)) {
            self.call_off(now, "the address was lost meanwhile".to_string(), out);
            return;
        }
        if self.switchover.as_ref().is_some_and(|switchover| now >= switchover.deadline) {
            let why = match self.switchover.as_ref().map(|switchover| switchover.step) {
                Some(Step::Holding { .. } | Step::Pausing | Step::Measuring { .. }) => {
                    "Redis did not answer"
                }
                Some(Step::CatchingUp { .. }) => "the standby did not catch up in time",
                _ => "the standby did not take over in time",
            };
            self.call_off(now, why.to_string(), out);
        }
    }

    fn call_off(&mut self, now: Time, why: String, out: &mut Actions) {
        let stop_after = self.switchover.take().is_some_and(|switchover| switchover.stop_after);
        self.report_dirty = true;
        // Not at once again, where it was the configuration that asked.
        self.follow.preempt_since = Some(now + PREEMPT_AGAIN_AFTER);
        out.push(tell(SwitchoverStep::CalledOff(why)));
        if self.can_pause_writes() {
            out.push(Action::ReleaseConnections);
            out.push(Action::AskRedis(Query::ResumeWrites));
        }
        self.end_linger(out);
        if let Phase::Active(active) = &mut self.phase
            && active.fence_held
        {
            active.fence_held = false;
            // Closed by ourselves, so it can only be opened, not renewed.
            self.emit_advert(now, out);
            self.reopen_fence(now, out);
        }
        if stop_after {
            self.leave_and_stop(now, out);
        }
    }

    /// SIGTERM: hand over before exiting, where there is somebody to hand over to.
    pub(super) fn begin_stop(&mut self, now: Time, out: &mut Actions) {
        if let Some(switchover) = &mut self.switchover {
            switchover.stop_after = true;
            return;
        }
        if !matches!(self.phase, Phase::Active(_)) {
            self.leave_and_stop(now, out);
            return;
        }
        self.begin_switchover(now, true, out);
        if self.switchover.is_none() {
            self.leave_and_stop(now, out);
        }
    }

    fn leave_and_stop(&mut self, now: Time, out: &mut Actions) {
        if matches!(self.phase, Phase::Active(_)) {
            let until = now + Duration::from_millis(50);
            self.enter(Phase::Stopping { until }, "told to stop".to_string(), out);
            self.leave(now, Cause::DaemonStopping, out);
        } else {
            self.stop(now, out);
        }
    }
}

fn tell(step: SwitchoverStep) -> Action {
    Action::Tell(Event::Switchover(step))
}
