//! Becoming and staying the replica of the machine that holds the address.
//!
//! Whenever the peer is Active and the local Redis is not its replica, it is told to be, unless
//! that would overwrite data nobody has called older.

use super::salvage::Salvage;
use super::{Node, Phase};
use crate::action::{Action, Actions, Query};
use crate::config::Generation;
use crate::event::Event;
use crate::flow::Flow;
use crate::lineage::{Relation, compare};
use crate::time::Time;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use keepair_wire::info::Role;
use keepair_wire::peer::{Phase as Mark, State};

/// A replica whose link has been down for longer than this, while its primary is well, misses writes.
const LINK_DOWN_MAX: Duration = Duration::from_secs(1);
/// Who was told to follow a primary that is heard, and has not got through to it for so long, waits for
/// an answer that will never come. Longer than Redis takes by itself once a cable is back: it tries anew
/// every second.
const HANDSHAKE_SILENT_MAX: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Between two looks of a replica whose link has come up, for the stream to begin.
const FLOW_LOOK: Duration = Duration::from_millis(10);
/// A primary that prepares or sends a full resynchronisation sends something each second.
const SYNC_SILENT_MAX_S: i64 = 5;
/// The same where nobody serves, because of what is being received here: a primary that was
/// restarted has forgotten that it was sending.
const SYNC_SILENT_MAX_WAITED_FOR_S: i64 = 2;
/// A hung Redis answers when it wakes, however late: the command waits in its socket.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The replica's side of the pair.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Follow {
    asked_at: Option<Time>,
    retry_at: Option<Time>,
    /// Since when the replication link has been down.
    pub(super) link_down_since: Option<Time>,
    /// Since when it has been down though the peer serves and is heard.
    refused_since: Option<Time>,
    /// Whether the primary's stream reaches this replica.
    flow: Flow,
    /// Its link was down while the primary served, and it has not been in step since.
    missed_writes: bool,
    pub(super) preempt_since: Option<Time>,
    /// On the way back to being a replica: what was held before.
    rejoining: Option<Held>,
    source_closed: bool,
    by_hand: ByHand,
    /// The operator said that the peer's data is the pair's.
    accepts_peer: bool,
    pub(super) salvage: Salvage,
}

/// Whether somebody else made the local Redis a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum ByHand {
    /// It was not seen as a primary, or this daemon made it a replica.
    #[default]
    No,
    /// It is a primary, or was one when it was seen last.
    Primary,
    /// It was one, and is the peer's replica.
    GivenUp,
}

/// What was held when Redis was told to follow.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Held {
    replid: [u8; 20],
    /// Of the last byte.
    offset: i64,
    /// What was told then.
    own_tail_bytes: Option<i64>,
}

impl Follow {
    pub(super) fn deadline(&self) -> Option<Time> {
        [self.retry_at, self.salvage.deadline()].into_iter().flatten().min()
    }

    /// New replicas are refused.
    pub(super) fn source_closed(&self) -> bool {
        self.source_closed
    }

    /// The link was down while the primary served.
    pub(super) fn missed_writes(&self) -> bool {
        self.missed_writes
    }

    /// The peer's data may replace the local data, whatever it is.
    pub(super) fn give_up(&mut self) {
        self.accepts_peer = true;
    }

    /// The command is on its way.
    pub(super) fn pending(&self) -> bool {
        self.asked_at.is_some()
    }
}

impl Node {
    pub(super) fn advance_follow(&mut self, now: Time, out: &mut Actions) {
        if self.follow.asked_at.is_some_and(|at| now.since(at) > ANSWER_WITHIN)
            || !self.monitor.connected()
        {
            self.follow.asked_at = None;
        }
        if self.follow.retry_at.is_some_and(|at| now >= at) {
            self.follow.retry_at = None;
        }
        let primary = self.peer.fresh(now).filter(|report| report.redis.primary);
        let peer_serves = primary.is_some_and(|report| report.state == State::Active);
        let primary_answers = primary.is_some_and(|report| report.redis.reachable);
        let refused = peer_serves && self.replicates_from_peer() && !self.monitor.link_up();
        self.follow.refused_since = self.follow.refused_since.or(Some(now)).filter(|_| refused);
        let resting = matches!(self.phase, Phase::Backup | Phase::Unfit | Phase::Stopping { .. });
        if !resting || !self.monitor.connected() {
            self.give_up_salvage(out);
        }
        self.tick_salvage(now, out);
        if !resting || self.follow.pending() || self.follow.retry_at.is_some() {
            return;
        }
        let known = self.monitor.connected() && self.monitor.info.is_some();
        if !known {
            return;
        }
        if self.replicates_from_peer() {
            if primary_answers {
                self.end_silent_sync(now, peer_serves, out);
            }
            return;
        }
        // The cable is out and the standby will take over: stop accepting writes that the pair
        // would have to throw away.
        let cut_off = !self.link_up && self.left_to_peer && self.monitor.is_primary();
        let superseded = || self.relation().is_some_and(Relation::may_follow);
        if !(cut_off || peer_serves && superseded()) {
            return;
        }
        if !self.keep_what_is_only_here(now, out) {
            return;
        }
        self.follow.asked_at = Some(now);
        self.held_run_id = self.held_run_id.filter(|_| cut_off);
        out.push(Action::Tell(Event::Following));
        out.push(Action::AskRedis(Query::Follow));
    }

    /// Nothing but a person's word may say whose data is wanted, where the two can't be compared.
    pub(super) fn note_given_up(&mut self) {
        let replica = self.replicates_from_peer();
        let in_step = replica && self.monitor.link_up();
        self.follow.accepts_peer &= !in_step;
        self.follow.by_hand = match self.follow.by_hand {
            _ if self.monitor.is_primary() => ByHand::Primary,
            _ if in_step => ByHand::No,
            ByHand::Primary if replica && !self.follow.pending() => ByHand::GivenUp,
            by_hand => by_hand,
        };
    }

    /// The local Redis is another process: what it holds now nobody has decided about, and what it is
    /// its configuration may have made it.
    pub(super) fn forget_decisions(&mut self, now: Time, out: &mut Actions) {
        self.peer.doubt(now);
        if let Some(info) = self.monitor.info.as_ref().filter(|info| info.config_file.is_none()) {
            let by_command_line = info.role == Some(Role::Replica);
            self.problems.starts_as_replica(by_command_line.then_some("its command line"), out);
        }
        self.follow.by_hand = ByHand::No;
        self.follow.accepts_peer = false;
        self.report_dirty |= core::mem::take(&mut self.accepted);
    }

    /// Somebody made the local Redis, which was a primary, the peer's replica.
    pub(super) fn given_up(&self) -> bool {
        self.follow.by_hand == ByHand::GivenUp || self.follow.accepts_peer
    }

    pub(super) fn relation(&self) -> Option<Relation> {
        self.peer.lineage().map(|peer| compare(&self.lineage(), &peer))
    }

    /// Redis asks anew. Of the machine that was sending, and lost its power, it learns nothing; it
    /// would wait for the rest for `repl-timeout`, a minute, and meanwhile there is one copy of the
    /// data. To be told the same primary again it ignores: it must be told something else first.
    fn end_silent_sync(&mut self, now: Time, peer_serves: bool, out: &mut Actions) {
        let silent = if self.monitor.is_syncing() {
            let silent_max_s =
                if peer_serves { SYNC_SILENT_MAX_S } else { SYNC_SILENT_MAX_WAITED_FOR_S };
            self.monitor.sync_silent_s().is_some_and(|silent_s| silent_s >= silent_max_s)
        } else {
            // Silent in the middle of the handshake. Who does not serve may refuse it on purpose.
            let since = self.follow.refused_since;
            since.is_some_and(|since| now.since(since) >= HANDSHAKE_SILENT_MAX)
        };
        if !silent {
            return;
        }
        self.follow.asked_at = Some(now);
        self.follow.link_down_since = Some(now);
        self.follow.refused_since = None;
        out.push(Action::Tell(Event::FollowingAnew));
        out.push(Action::AskRedis(Query::Promote));
        out.push(Action::AskRedis(Query::Follow));
    }

    /// The transaction was answered.
    pub(super) fn followed(&mut self, now: Time, result: Result<(), String>, out: &mut Actions) {
        self.follow.asked_at = None;
        self.end_linger(out);
        match result {
            Ok(()) => {
                self.follow.by_hand = ByHand::No;
                // Before anything is overwritten, and with the last byte that was written here.
                let facts = self.own_facts();
                let own_tail_bytes = match self.relation() {
                    Some(Relation::Superseded { own_tail_bytes }) => own_tail_bytes,
                    Some(Relation::Ahead { bytes }) => Some(bytes),
                    Some(Relation::Same | Relation::Behind { .. }) => Some(0),
                    Some(Relation::Supersedes | Relation::Unrelated) | None => None,
                };
                let not_kept = self.not_kept(facts.offset, own_tail_bytes, out);
                if not_kept != Some(0) {
                    out.push(Action::Tell(Event::OwnTail { bytes: not_kept }));
                }
                self.follow.rejoining =
                    Some(Held { replid: facts.replid, offset: facts.offset, own_tail_bytes });
                self.monitor.forget_info();
                self.monitor.demand_info(out);
            }
            Err(text) => {
                self.follow.retry_at = Some(now + RETRY_AFTER);
                let text = format!("Redis refused REPLICAOF: {text}");
                out.push(Action::Tell(Event::Refused(text)));
            }
        }
    }

    /// In step with an Active peer, this machine's data belongs to the peer's generation.
    pub(super) fn adopt_generation(&mut self, now: Time, out: &mut Actions) {
        let Some(info) = &self.monitor.info else {
            return;
        };
        let run_id = info.run_id;
        let facts = self.own_facts();
        self.follow.flow.watch(now, &facts);
        if self.follow.flow.is_unproven() {
            // As long as it lasts, nobody could take over.
            self.monitor.ask_info_at(now + FLOW_LOOK);
        }
        if self.monitor.is_primary() {
            self.follow.link_down_since = None;
            return;
        }
        if self.monitor.link_up() {
            self.follow.link_down_since = None;
        } else {
            self.follow.link_down_since.get_or_insert(now);
        }
        // A replica cut off from a primary that is well misses writes: it is no standby until it is
        // in step again, also when that primary dies meanwhile.
        let serves = self.peer.heard(now).map(|report| {
            report.redis.reachable && report.redis.primary && report.state == State::Active
        });
        let misses_writes =
            self.follow.link_down_since.is_some_and(|since| now.since(since) > LINK_DOWN_MAX)
                && serves.unwrap_or_else(|| self.peer.is_active(now));
        let syncing = self.monitor.is_syncing();
        // A link that is up brings what was missed; so does a full resynchronisation.
        let supplied = syncing || self.monitor.link_up();
        self.follow.missed_writes = !supplied && (self.follow.missed_writes || misses_writes);
        if syncing || misses_writes {
            self.held_run_id = None;
        }
        if syncing || !self.replicates_from_peer() {
            return;
        }
        // Only a primary that was restarted is refused as a source, never one that follows.
        if self.follow.source_closed {
            self.open_source(out);
        }
        if !self.monitor.link_up() {
            return;
        }
        let Some(report) = self.peer.heard(now) else {
            return;
        };
        if report.state != State::Active || !report.redis.primary {
            return;
        }
        if report.redis.replid != facts.replid {
            return;
        }
        if let (Some(upto), Some(at)) = (report.acknowledged, self.peer.report_at) {
            let info_age = self.config.timing.info_interval * 2;
            self.follow.flow.acknowledged(at, info_age, &facts, upto);
            if upto == 0 && !self.follow.flow.flows(&facts.replid) {
                self.held_run_id = None;
            }
        }
        if !self.follow.flow.flows(&facts.replid) {
            return;
        }
        if self.generation.0 != report.generation {
            self.generation = Generation(report.generation);
            self.served = false;
            out.push(Action::Tell(Event::GenerationChanged(self.generation)));
            self.report_dirty = true;
        }
        if self.held_run_id != run_id {
            self.held_run_id = run_id;
            self.report_dirty = true;
        }
        // What was left to the peer is here again.
        self.left_to_peer = false;
        if let Some(before) = self.follow.rejoining.take() {
            // A partial resync keeps the old id as the second one; a full one clears it
            // (replication.c, `syncWithMaster` and `readSyncBulkPayload`).
            let full_resync = facts.replid != before.replid && facts.replid2 != before.replid;
            let own_tail_bytes = if report.redis.replid2 == before.replid {
                let shared_up_to = report.redis.second_offset.saturating_sub(1);
                Some(before.offset.saturating_sub(shared_up_to).max(0))
            } else {
                before.own_tail_bytes
            };
            out.push(Action::Tell(Event::Rejoined { full_resync, own_tail_bytes }));
        }
    }

    /// The machine that took over notes when the other one replicates again.
    pub(super) fn note_rejoin(&mut self, now: Time) {
        if self.timeline.is_none() || !matches!(self.phase, Phase::Active(_)) {
            return;
        }
        let back = self.peer.heard(now).is_some_and(|report| {
            report.redis.link_up
                && !report.redis.primary
                && report.redis.replid == self.own_facts().replid
        });
        if !back {
            return;
        }
        self.mark(now, Mark::Rejoin);
        if let (Some(timeline), Some(failover)) = (self.timeline.take(), &mut self.failover) {
            *failover = timeline.finish(failover.generation, failover.unix_ms);
            self.report_dirty = true;
        }
    }

    /// The peer may replicate from here: this Redis was looked at.
    pub(super) fn open_source(&mut self, out: &mut Actions) {
        self.follow.source_closed = false;
        out.push(Action::OpenSource);
    }

    /// The peer may not replicate from a Redis that was restarted; remember to allow it again.
    pub(super) fn source_was_closed(&mut self) {
        self.follow.source_closed = true;
    }
}
