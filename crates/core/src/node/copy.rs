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
use alloc::string::String;
use core::time::Duration;
use keepair_wire::info::ReplId;

/// A standby that has not applied what was written so long ago is behind.
const BEHIND_FOR: Duration = Duration::from_secs(1);

/// How far it has come.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Copy {
    step: Step,
    /// Where the stream ended a while ago, and when.
    mark: Option<(i64, Time)>,
    /// It could not be had since the standby fell behind.
    refused: bool,
}

#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Step {
    #[default]
    Idle,
    /// The stream is read.
    Running,
    /// Nothing more will come, and it is not known yet what the new primary lacks. `info` is one that
    /// only a Redis that lives answers.
    Ended { copied: Copied, info: u64 },
    /// The order of this number was given.
    Keeping { number: u32 },
}

impl Node {
    pub(super) fn tend_copy(&mut self, now: Time, out: &mut Actions) {
        let active = matches!(self.phase, Phase::Active(_));
        match self.copy.step {
            Step::Idle | Step::Running if active => self.watch_standby(now, out),
            // Redis lives, and is asked itself for what only it holds.
            Step::Running if self.monitor.connected() && self.monitor.health.serves() => {
                self.end_copy(out);
            }
            Step::Ended { info, .. } if active && self.monitor.info_answered >= info => {
                self.forget_copy(out);
            }
            Step::Ended { copied, .. } if !active => self.keep_copy(copied, out),
            // A disk that never answers does not keep it from being made anew.
            Step::Keeping { .. } if active => self.forget_copy(out),
            Step::Idle | Step::Running | Step::Ended { .. } | Step::Keeping { .. } => {}
        }
    }

    fn watch_standby(&mut self, now: Time, out: &mut Actions) {
        let running = matches!(self.copy.step, Step::Running);
        let Some((end, applied)) = self.stream_and_standby(now) else {
            self.copy.mark = None;
            if running {
                self.end_copy(out);
            }
            return;
        };
        let (mark, since) = *self.copy.mark.get_or_insert((end, now));
        let in_time = now.since(since) < BEHIND_FOR;
        let reached = applied >= mark;
        if reached {
            self.copy.mark = Some((end, now));
        }
        if reached && in_time {
            self.copy.refused = false;
        }
        if running && (applied >= end || reached && in_time) {
            self.end_copy(out);
        } else if !running && !reached && !in_time && !self.copy.refused {
            self.copy.step = Step::Running;
            out.push(Action::Tell(Event::StandbyBehind { bytes: end.saturating_sub(applied) }));
            out.push(Action::CopyStream(Copying {
                replid: ReplId(self.own_facts().replid),
                from: applied.saturating_add(1),
                limit_bytes: self.config.copy_limit_bytes,
            }));
        }
    }

    /// Where the stream ends, and what of it the standby has applied. `None` where there is no standby,
    /// or a copy must not be made.
    fn stream_and_standby(&self, now: Time) -> Option<(i64, i64)> {
        let guarded = self.monitor.info.as_ref()?.min_slaves_good_slaves.is_some();
        if guarded || self.config.copy_limit_bytes == 0 || !self.monitor.is_primary() {
            return None;
        }
        let own = self.own_facts();
        let theirs = &self.peer.heard(now)?.redis;
        let follows = theirs.reachable && !theirs.primary && theirs.link_up;
        let known = own.offset >= 0 && theirs.offset >= 0;
        (follows && known && theirs.replid == own.replid).then_some((own.offset, theirs.offset))
    }

    /// Nothing more comes of the copy.
    pub(super) fn stream_copied(&mut self, result: Result<Copied, String>, out: &mut Actions) {
        if !matches!(self.copy.step, Step::Running) {
            return;
        }
        match result {
            Ok(copied) => {
                let info = self.monitor.demand_info(out);
                self.copy.step = Step::Ended { copied, info };
            }
            Err(why) => {
                self.copy.step = Step::Idle;
                self.copy.refused = true;
                out.push(Action::Tell(Event::NotCopied(why)));
            }
        }
    }

    /// Redis is gone: what does the new primary lack?
    fn keep_copy(&mut self, copied: Copied, out: &mut Actions) {
        let Some(peer) = self.peer.lineage().filter(|peer| peer.facts.primary) else { return };
        if peer.facts.replid == copied.replid.0 {
            return;
        }
        let from = peer.facts.second_offset;
        if peer.facts.replid2 != copied.replid.0 || from > copied.to {
            self.forget_copy(out);
            return;
        }
        let newer = ReplId(peer.facts.replid);
        let what = Wanted::Copied { replid: copied.replid, from, newer };
        let number = self.order_salvage(what, out);
        self.copy.step = Step::Keeping { number };
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
