//! `core::node::follow`: becoming and staying the replica of the machine that holds the address.

use super::fitness::lineage_of;
use super::lineage::compare;
use super::state::{Command, Host, Phase, Seen, State};
use super::{Pair, Wrong};

impl Pair {
    /// `advance_follow`.
    pub(super) fn advance_follow(&self, s: &mut State, host: Host) {
        let memory = &s.nodes[host].memory;
        let resting = matches!(memory.phase, Phase::Backup { .. } | Phase::Unfit);
        if !resting || memory.command.is_some() {
            return;
        }
        if !s.believes_redis(host) || !s.nodes[host].redis.primary {
            return;
        }
        let may = s.fresh(self, host).is_some_and(|report| {
            report.state == Seen::Active
                && report.redis.primary
                && compare(&s.lineage(host), &lineage_of(report)).may_follow()
        });
        if may {
            let memory = &mut s.nodes[host].memory;
            memory.command = Some(Command::Follow);
            memory.held = false;
        }
    }

    /// `REPLICAOF` the peer.
    pub(super) fn follow(&self, s: &mut State, host: Host) {
        s.nodes[host].redis.primary = false;
        s.nodes[host].redis.linked = false;
        s.nodes[host].redis.socket = None;
        s.nodes[1 - host].redis.linked = false;
    }

    /// The replica could reach its primary, and that one would let it copy.
    pub(super) fn can_sync(&self, s: &State, host: Host) -> bool {
        let (own, other) = (&s.nodes[host].redis, &s.nodes[1 - host]);
        own.alive
            && !own.primary
            && !own.linked
            && own.socket.is_none()
            && other.redis.alive
            && other.redis.primary
            && !other.gate_closed
    }

    /// Redis's own synchronisation (`replication.c`): the rest of the stream where the history
    /// allows it, else everything.
    pub(super) fn sync(&self, s: &mut State, host: Host) {
        let source = s.nodes[1 - host].redis.data;
        let own = &mut s.nodes[host].redis;
        let same = source.id == own.data.id && own.data.offset <= source.offset;
        let forked = source.id2 == own.data.id && own.data.offset < source.second;
        let (id2, second) = if same {
            (own.data.id2, own.data.second)
        } else if forked {
            (own.data.id, own.data.offset + 1)
        } else {
            (0, -1)
        };
        own.data = source;
        own.data.id2 = id2;
        own.data.second = second;
        own.linked = true;
    }

    /// `adopt_generation`.
    pub(super) fn adopt_generation(&self, s: &mut State, host: Host) {
        if !s.believes_redis(host) || s.nodes[host].redis.primary {
            return;
        }
        if self.wrong != Some(Wrong::GateStaysOpen) {
            s.nodes[host].gate_closed = false;
        }
        let Some(report) = s.heard(self, host) else { return };
        let facts = s.own_facts(host);
        let in_step = facts.linked
            && report.state == Seen::Active
            && report.redis.primary
            && report.redis.id == facts.id;
        if !in_step {
            return;
        }
        let memory = &mut s.nodes[host].memory;
        let news = memory.generation != report.generation || !memory.held;
        memory.generation = report.generation;
        memory.held = true;
        memory.left_to_peer = false;
        if news {
            self.send_report(s, host);
        }
    }
}
