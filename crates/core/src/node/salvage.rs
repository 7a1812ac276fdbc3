//! Keeping what only this machine holds, before it is overwritten.
//!
//! Redis forgets its own tail when it is told to replicate: first writes are paused, then the stream's
//! end is looked at, then it is read from the backlog and kept. Where the ids do not tell the tail, or
//! the backlog does not reach it, the data files are kept instead. Whatever comes of it, Redis is told
//! to replicate: a pair with one copy is worse off than one without its salvage, and the operator is
//! told.

use super::Node;
use crate::action::{self, Action, Actions, Query, Wanted};
use crate::event::Event;
use crate::input::Kept;
use crate::lineage::{Relation, first_own_byte};
use crate::time::Time;
use alloc::string::{String, ToString};
use core::time::Duration;
use keepair_wire::info::ReplId;

/// What a disk that does not answer is waited for beyond the deadline that was given with the order.
const GRACE: Duration = Duration::from_secs(1);

/// How far it has come.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Salvage {
    step: Step,
    /// How many orders were given so far.
    orders: u32,
    /// Writes were paused for it.
    paused: bool,
}

#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Step {
    #[default]
    Idle,
    /// Until the INFO of this number says where the stream ends; or for so long.
    Measuring { info: u64, until: Option<Time> },
    /// The order was given.
    Keeping { what: Wanted, until: Time, number: u32 },
    /// Nothing more is done for the stream up to this offset.
    Done { replid: [u8; 20], to: i64, kept: bool },
}

impl Salvage {
    pub(super) fn deadline(&self) -> Option<Time> {
        match self.step {
            Step::Measuring { until, .. } => until,
            Step::Keeping { until, .. } => Some(until),
            Step::Idle | Step::Done { .. } => None,
        }
    }
}

impl Node {
    /// Does the next step, and says whether Redis may be told to replicate now.
    pub(super) fn keep_what_is_only_here(&mut self, now: Time, out: &mut Actions) -> bool {
        let within = self.config.timing.salvage_timeout;
        match self.follow.salvage.step {
            Step::Idle => {
                // Of an empty one nothing can be lost.
                if self.own_facts().empty {
                    return true;
                }
                self.pause_local_writes(out);
                let info = self.monitor.demand_info(out);
                self.follow.salvage.step = Step::Measuring { info, until: Some(now + within) };
                false
            }
            Step::Measuring { info, .. } if self.monitor.info_answered < info => false,
            Step::Measuring { .. } => match self.wanted() {
                Some(what) => {
                    self.order(now, what, out);
                    false
                }
                None => {
                    self.salvage_done(self.own_facts().offset, true);
                    true
                }
            },
            Step::Keeping { .. } => false,
            Step::Done { replid, to, .. } => {
                let facts = self.own_facts();
                if (facts.replid, facts.offset.min(to)) == (replid, facts.offset) {
                    return true;
                }
                // It waited for something else, and there is more by now.
                self.follow.salvage.step = Step::Idle;
                self.keep_what_is_only_here(now, out)
            }
        }
    }

    /// Nothing is waited for longer than it may take, also while nobody wants to be followed.
    pub(super) fn tick_salvage(&mut self, now: Time, out: &mut Actions) {
        match &mut self.follow.salvage.step {
            Step::Measuring { info, until } if until.is_some_and(|until| now >= until) => {
                (*info, *until) = (0, None);
            }
            Step::Keeping { what, until, .. } if now >= *until => {
                let what = *what;
                self.not_salvaged(now, what, "it takes too long".to_string(), out);
            }
            _ => {}
        }
    }

    /// What is only here and has to be kept, as far as is known.
    fn wanted(&self) -> Option<Wanted> {
        let facts = self.own_facts();
        let nothing = matches!(
            self.relation(),
            Some(
                Relation::Same
                    | Relation::Behind { .. }
                    | Relation::Superseded { own_tail_bytes: Some(0) }
            )
        );
        if facts.empty {
            return None;
        }
        if !self.offset_counts() {
            return Some(Wanted::Files);
        }
        if nothing {
            return None;
        }
        let peer = self.peer.lineage();
        let from = peer.as_ref().and_then(|peer| first_own_byte(&facts, &peer.facts));
        match (from, peer) {
            (Some(from), Some(peer)) => (from <= facts.offset).then_some(Wanted::Tail {
                replid: ReplId(facts.replid),
                from,
                newer: ReplId(peer.facts.replid),
            }),
            _ => Some(Wanted::Files),
        }
    }

    /// Programs that talk to Redis at its own address would go on. For no longer than it takes: a daemon
    /// that dies meanwhile can't end it.
    fn pause_local_writes(&mut self, out: &mut Actions) {
        if self.monitor.is_primary() && self.can_pause_writes() {
            self.follow.salvage.paused = true;
            let span = self.config.timing.salvage_timeout + GRACE;
            out.push(Action::AskRedis(Query::PauseWrites(span)));
        }
    }

    fn order(&mut self, now: Time, what: Wanted, out: &mut Actions) {
        self.pause_local_writes(out);
        let until = now + self.config.timing.salvage_timeout + GRACE;
        self.follow.salvage.step =
            Step::Keeping { what, until, number: self.order_salvage(what, out) };
    }

    /// The number of the order comes back.
    pub(super) fn order_salvage(&mut self, what: Wanted, out: &mut Actions) -> u32 {
        let number = self.follow.salvage.orders.wrapping_add(1);
        self.follow.salvage.orders = number;
        let within = self.config.timing.salvage_timeout;
        let generation = self.generation;
        out.push(Action::Salvage(action::Salvage { number, what, generation, within }));
        number
    }

    /// An order was carried out, or could not be.
    pub(super) fn salvaged(
        &mut self,
        now: Time,
        number: u32,
        result: Result<Kept, String>,
        out: &mut Actions,
    ) {
        if self.copy_kept(number, &result, out) {
            return;
        }
        let Step::Keeping { what, number: awaited, .. } = self.follow.salvage.step else {
            return;
        };
        if number != awaited {
            return;
        }
        match result {
            Ok(kept) => {
                out.push(Action::Tell(Event::Salvaged(kept)));
                match kept {
                    Kept::Nothing { to } | Kept::Tail { to, .. } => self.salvage_done(to, true),
                    // What they lack of the stream nobody knows.
                    Kept::Files { .. } => self.salvage_done(self.own_facts().offset, false),
                }
            }
            Err(why) => self.not_salvaged(now, what, why, out),
        }
    }

    /// The files hold less than the stream's end, but more than nothing.
    fn not_salvaged(&mut self, now: Time, what: Wanted, why: String, out: &mut Actions) {
        out.push(Action::Tell(Event::NotSalvaged(why)));
        match what {
            Wanted::Tail { .. } => self.order(now, Wanted::Files, out),
            Wanted::Files | Wanted::Copied { .. } => {
                self.salvage_done(self.own_facts().offset, false)
            }
        }
    }

    fn salvage_done(&mut self, to: i64, kept: bool) {
        self.follow.salvage.step = Step::Done { replid: self.own_facts().replid, to, kept };
    }

    /// Redis is a replica now, and its stream ended at `offset`: what was not kept, of so many bytes that
    /// only this machine holds.
    pub(super) fn not_kept(
        &mut self,
        offset: i64,
        own_tail_bytes: Option<i64>,
        out: &mut Actions,
    ) -> Option<i64> {
        let step = self.follow.salvage.step;
        self.give_up_salvage(out);
        match step {
            Step::Done { replid, to, kept: true } if replid == self.own_facts().replid => {
                let behind = offset.saturating_sub(to).max(0);
                Some(own_tail_bytes.map_or(behind, |bytes| bytes.min(behind)))
            }
            _ => own_tail_bytes,
        }
    }

    /// It is done, or does not matter any more. An answer that comes later is not listened to.
    pub(super) fn give_up_salvage(&mut self, out: &mut Actions) {
        self.follow.salvage.step = Step::Idle;
        if core::mem::take(&mut self.follow.salvage.paused) && self.monitor.connected() {
            out.push(Action::AskRedis(Query::ResumeWrites));
        }
    }
}
