//! A copy of the replication stream, kept beside Redis while the standby is behind.
//!
//! What Redis has acknowledged and not yet passed on is lost with it. A standby that keeps up lacks
//! nothing; one behind a link slower than the load lacks what still waits in Redis's memory. While
//! that is so this machine reads the stream as well, and after a crash of Redis keeps, as it keeps a
//! tail, what the new primary does not hold.
//!
//! Redis takes the copy for a replica (ADR 16): it is never made beside `min-replicas-to-write`, which
//! it alone would satisfy, and never while nothing is known of the standby, lest Redis go on pinging.

use super::{Node, Phase};
use crate::action::{Action, Actions, Copying, Wanted};
use crate::event::Event;
use crate::input::{Copied, Kept};
use crate::time::Time;
use alloc::string::{String, ToString};
use core::time::Duration;
use keepair_wire::info::{ReplId, RunId};

/// A standby that has not applied what was written so long ago is behind, where its daemon and Redis say
/// often enough how far it is.
const BEHIND_FOR: Duration = Duration::from_secs(1);
/// After a copy could not be had.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How far it has come.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Copy {
    step: Step,
    /// Where the stream ended a while ago, and when.
    mark: Option<(i64, Time)>,
    /// It could not be had since the standby fell behind; try again then.
    again_at: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Step {
    #[default]
    Idle,
    /// The stream of this process is read. `left_info` was the last INFO that had been asked for when
    /// this machine left the address.
    Running { run_id: Option<RunId>, left_info: Option<u64> },
    /// Nothing more will come, and it is not known yet what the new primary lacks. If the process
    /// lives, it answers the INFO of this number.
    Ended { copied: Copied, run_id: Option<RunId>, info: u64 },
    /// The order of this number was given.
    Keeping { number: u32 },
}

impl Node {
    pub(super) fn tend_copy(&mut self, now: Time, out: &mut Actions) {
        let active = matches!(self.phase, Phase::Active(_));
        let asked = self.monitor.info_asked();
        match &mut self.copy.step {
            Step::Running { left_info, .. } if !active => {
                left_info.get_or_insert(asked);
            }
            Step::Idle | Step::Running { left_info: None, .. } if active => {
                self.watch_standby(now, out);
            }
            Step::Ended { copied, run_id, .. } => {
                let (copied, run_id) = (*copied, *run_id);
                self.keep_copy(copied, run_id, active, out);
            }
            // A disk that never answers does not keep it from being made anew.
            Step::Keeping { .. } if active => self.copy = Copy::default(),
            Step::Idle | Step::Running { .. } | Step::Keeping { .. } => {}
        }
    }

    /// Redis has answered INFO. If it is the process whose stream was copied, it is asked itself for what
    /// only it holds. Another one has lost that.
    pub(super) fn copied_redis_lives(&mut self, out: &mut Actions) {
        let answered = self.monitor.info_answered;
        let same = |run_id| self.monitor.info.as_ref().is_some_and(|info| info.run_id == run_id);
        match self.copy.step {
            Step::Running { run_id, left_info: Some(left_info) }
                if answered > left_info && same(run_id) =>
            {
                self.end_copy(out);
            }
            Step::Ended { run_id, info, .. } if answered >= info && same(run_id) => {
                self.forget_copy(out);
            }
            _ => {}
        }
    }

    fn watch_standby(&mut self, now: Time, out: &mut Actions) {
        let running = matches!(self.copy.step, Step::Running { .. });
        let Some((end, applied)) = self.stream_and_standby(now, running) else {
            self.copy.mark = None;
            if running {
                self.end_copy(out);
            }
            return;
        };
        let (mark, since) = *self.copy.mark.get_or_insert((end, now));
        let said_every = self.peer.advert_interval * 3 + self.config.timing.info_interval * 2;
        let in_time = now.since(since) < BEHIND_FOR.max(said_every);
        let reached = applied >= mark;
        if reached {
            self.copy.mark = Some((end, now));
        }
        if reached && in_time {
            self.copy.again_at = None;
        }
        if running && (applied >= end || reached && in_time) {
            self.end_copy(out);
        } else if !running && !reached && !in_time && self.copy.again_at.is_none_or(|at| now >= at)
        {
            if self.copy.again_at.is_none() {
                out.push(Action::Tell(Event::StandbyBehind { bytes: end.saturating_sub(applied) }));
            }
            let run_id = self.monitor.info.as_ref().and_then(|info| info.run_id);
            self.copy.step = Step::Running { run_id, left_info: None };
            out.push(Action::CopyStream(Copying {
                replid: ReplId(self.own_facts().replid),
                from: applied.saturating_add(1),
                limit_bytes: self.config.copy_limit_bytes,
            }));
        }
    }

    /// Where the stream ends, and what of it the standby has applied. `None` where there is no standby,
    /// or a copy must not be made. One that is `running` goes on while the standby's link breaks.
    fn stream_and_standby(&self, now: Time, running: bool) -> Option<(i64, i64)> {
        let guarded = self.monitor.info.as_ref()?.min_slaves_good_slaves.is_some();
        if guarded || self.config.copy_limit_bytes == 0 || !self.monitor.is_primary() {
            return None;
        }
        let own = self.own_facts();
        let theirs = &self.peer.heard(now)?.redis;
        let follows = theirs.reachable && !theirs.primary && (theirs.link_up || running);
        let known = own.offset >= 0 && theirs.offset >= 0;
        (follows && known && theirs.replid == own.replid).then_some((own.offset, theirs.offset))
    }

    /// Nothing more comes of the copy.
    pub(super) fn stream_copied(
        &mut self,
        now: Time,
        result: Result<Copied, String>,
        out: &mut Actions,
    ) {
        let Step::Running { run_id, .. } = self.copy.step else {
            return;
        };
        match result {
            Ok(copied) => {
                let info = self.monitor.demand_info(out);
                self.copy.step = Step::Ended { copied, run_id, info };
            }
            Err(why) => {
                self.copy.step = Step::Idle;
                if self.copy.again_at.is_none() {
                    out.push(Action::Tell(Event::NotCopied(why)));
                }
                self.copy.again_at = Some(now + RETRY_AFTER);
                out.push(Action::ForgetCopy);
            }
        }
    }

    /// What does the new primary lack? That may be the process that was started here again.
    fn keep_copy(
        &mut self,
        copied: Copied,
        run_id: Option<RunId>,
        active: bool,
        out: &mut Actions,
    ) {
        let info = self.monitor.info.as_ref().filter(|_| self.monitor.connected());
        if info.is_some_and(|info| info.run_id == run_id) || (active && info.is_none()) {
            // It lives, or it is not known yet that it does not.
            return;
        }
        let successor = if active {
            self.own_facts()
        } else {
            let Some(peer) = self.peer.lineage().filter(|peer| peer.facts.primary) else { return };
            if peer.facts.replid == copied.replid.0 {
                return;
            }
            peer.facts
        };
        let from = successor.second_offset;
        if successor.replid2 != copied.replid.0 {
            let why = "the new primary does not say where its history left this one's";
            out.push(Action::Tell(Event::NotSalvaged(why.to_string())));
            self.forget_copy(out);
        } else if from > copied.to {
            self.forget_copy(out);
        } else {
            let newer = ReplId(successor.replid);
            let what = Wanted::Copied { replid: copied.replid, from, newer };
            let number = self.order_salvage(what, out);
            self.copy.step = Step::Keeping { number };
        }
    }

    /// An order of this number was answered: whether it was the copy's.
    pub(super) fn copy_kept(
        &mut self,
        number: u32,
        result: &Result<Kept, String>,
        out: &mut Actions,
    ) -> bool {
        if !matches!(self.copy.step, Step::Keeping { number: own } if own == number) {
            return false;
        }
        out.push(Action::Tell(match result {
            Ok(kept) => Event::Salvaged(*kept),
            Err(why) => Event::NotSalvaged(why.clone()),
        }));
        self.forget_copy(out);
        true
    }

    fn end_copy(&mut self, out: &mut Actions) {
        out.push(Action::Tell(Event::CopyEnded));
        self.forget_copy(out);
    }

    fn forget_copy(&mut self, out: &mut Actions) {
        out.push(Action::ForgetCopy);
        self.copy = Copy::default();
    }
}
