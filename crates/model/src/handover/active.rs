//! `core::node::active`: adverts, the fence's renewal, and every way of leaving.

use super::fitness::lineage_of;
use super::lineage::compare;
use super::state::{Host, Run, Seen, State};
use super::{Cure, Pair, Wrong};

/// Why the address is left, as far as it makes a difference (`wire::peer::Cause`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    RedisExited,
    Stalled,
    Other,
}

impl Pair {
    /// `send_advert`: advert and report, then the fence, for the time from the decision.
    pub(super) fn send_advert(&self, s: &mut State, host: Host) {
        self.emit_advert(s, host);
        let node = &mut s.nodes[host];
        // The kernel renews no right that has lapsed.
        if node.fence > 0 {
            node.fence = self.fence;
        }
    }

    /// `emit_advert`.
    pub(super) fn emit_advert(&self, s: &mut State, host: Host) {
        if s.nodes[1 - host].run != Run::Down {
            s.wires[1 - host].advert = true;
            s.wires[1 - host].sent = true;
        }
        s.nodes[host].memory.beaten = true;
        self.send_report(s, host);
    }

    /// `advance_active`, `check_still_primary` and `yield_to_newer_data`.
    pub(super) fn advance_active(&self, s: &mut State, host: Host) {
        let node = &s.nodes[host];
        if s.believes_redis(host) && (!node.memory.held || !node.redis.primary) {
            self.leave(s, host, Cause::RedisExited);
            return;
        }
        let newer = s.fresh(self, host).is_some_and(|report| {
            (report.fit || report.state == Seen::Active)
                && report.redis.reachable
                && compare(&s.lineage(host), &lineage_of(report)).loses()
        });
        if newer {
            self.leave(s, host, Cause::Other);
        }
    }

    /// `settle_conflict`: the other machine advertises too.
    pub(super) fn settle_conflict(&self, s: &mut State, host: Host) {
        let yields = s.heard(self, host).is_some_and(|report| {
            let relation = compare(&s.lineage(host), &lineage_of(report));
            // Between equals the higher address stays; host 1 has it.
            relation.loses() || (!relation.wins() && host == 0)
        });
        if yields {
            self.leave(s, host, Cause::Other);
        } else {
            self.send_advert(s, host);
        }
    }

    /// `leave`, `leave_step_done` and `farewell`: fence, then report and farewell, then the address.
    pub(super) fn leave(&self, s: &mut State, host: Host, cause: Cause) {
        let known = if cause == Cause::Stalled && self.cured(Cure::StallLeavesToPeer) {
            s.nodes[host].memory.report
        } else {
            s.heard(self, host)
        };
        let heir = known.is_some_and(|report| report.fit);
        let node = &mut s.nodes[host];
        node.memory.left = true;
        node.memory.left_to_peer = heir;
        if heir && cause == Cause::Stalled {
            node.memory.peer_has_spoken = false;
        }
        if self.wrong == Some(Wrong::FenceAfterHandOver) {
            node.memory.closing = true;
        } else {
            node.fence = 0;
            node.vip = false;
        }
        node.gate_closed |= cause == Cause::RedisExited && self.wrong != Some(Wrong::GateStaysOpen);
        let phase = self.rested(s, host);
        s.nodes[host].memory.phase = phase;
        self.send_report(s, host);
        if s.nodes[1 - host].run != Run::Down {
            s.wires[1 - host].farewell = true;
            s.wires[1 - host].sent = true;
        }
    }
}
