//! `core::node::takeover`: drain, promote, verify, open the fence, claim, announce.

use super::state::{Command, Host, How, LONG_AGO, Phase, Seen, State, Step};
use super::{Cure, Pair, Wrong};

impl Pair {
    /// `active_down`: the peer has been silent for too long.
    pub(super) fn active_down(&self, s: &mut State, host: Host) {
        let there = s.fresh(self, host).is_some_and(|report| match report.state {
            Seen::Active | Seen::TakingOver => true,
            Seen::Starting => self.cured(Cure::StartingIsThere),
            _ => false,
        });
        if there && self.wrong != Some(Wrong::IgnoresReports) {
            let down = self.down - s.nodes[host].memory.report_age;
            s.nodes[host].memory.phase = Phase::Backup { down };
            return;
        }
        if s.prefers_peer(self, host) {
            s.nodes[host].memory.phase = Phase::Backup { down: 2 };
            return;
        }
        let node = &s.nodes[host];
        let adopts = node.redis.primary && !node.memory.was_active;
        self.begin_takeover(s, host, if adopts { How::Adopted } else { How::Took });
    }

    /// `begin_takeover` and `after_probing`; `take_over_from_leaver` does the same.
    pub(super) fn begin_takeover(&self, s: &mut State, host: Host, how: How) {
        let node = &mut s.nodes[host];
        let primary = node.redis.primary;
        let left = self.promote;
        let in_step = node.memory.caught_up_age <= self.in_step;
        node.memory.caught_up_age = LONG_AGO;
        let step = if primary {
            Step::Verifying
        } else if in_step || self.wrong == Some(Wrong::NoDrain) {
            node.memory.command = Some(Command::Promote);
            Step::Promoting
        } else {
            Step::Draining
        };
        self.enter(s, host, Phase::Taking { step, left, how });
        if self.wrong == Some(Wrong::ClaimBeforePromote) && step != Step::Verifying {
            let node = &mut s.nodes[host];
            node.fence = self.fence;
            node.vip = true;
        }
    }

    /// `takeover_info`: INFO says that everything received is applied, or that it is a primary.
    pub(super) fn takeover_info(&self, s: &mut State, host: Host) {
        let Phase::Taking { step, how, .. } = s.nodes[host].memory.phase else { return };
        let node = &mut s.nodes[host];
        match step {
            Step::Draining | Step::Verifying if node.redis.primary => self.claim(s, host),
            Step::Draining if node.redis.socket.is_none() => {
                node.memory.command = Some(Command::Promote);
                node.memory.phase =
                    Phase::Taking { step: Step::Promoting, left: self.promote, how };
            }
            _ => {}
        }
    }

    /// `REPLICAOF NO ONE`, and `promoted` if the daemon still waits for it.
    pub(super) fn promote(&self, s: &mut State, host: Host) {
        let id = s.fresh_id();
        let redis = &mut s.nodes[host].redis;
        if !redis.primary {
            redis.primary = true;
            redis.linked = false;
            redis.socket = None;
            redis.data.id2 = redis.data.id;
            redis.data.second = redis.data.offset + 1;
            redis.data.id = id;
        }
        let memory = &mut s.nodes[host].memory;
        if let Phase::Taking { step: Step::Promoting, how, .. } = memory.phase {
            memory.phase = Phase::Taking { step: Step::Verifying, left: self.promote, how };
        }
    }

    /// `claim`, `ask_fence` and the kernel's answers: report, source, fence, addresses.
    pub(super) fn claim(&self, s: &mut State, host: Host) {
        self.send_report(s, host);
        let node = &mut s.nodes[host];
        node.gate_closed = false;
        node.fence = self.fence;
        node.vip = true;
        if let Phase::Taking { how, .. } = node.memory.phase {
            node.memory.phase = Phase::Taking { step: Step::Opened, left: self.promote, how };
        }
    }

    /// `become_active`.
    pub(super) fn become_active(&self, s: &mut State, host: Host) {
        let Phase::Taking { how, .. } = s.nodes[host].memory.phase else { return };
        if s.nodes[host].fence == 0 {
            self.takeover_failed(s, host);
            return;
        }
        self.begin_generation(s, host, how);
        let memory = &mut s.nodes[host].memory;
        memory.left = false;
        memory.left_to_peer = false;
        memory.advert_age = LONG_AGO;
        memory.phase = Phase::Active;
        if !self.late_copies {
            s.wires[host].farewell = false;
        }
        self.emit_advert(s, host);
    }

    /// `begin_generation`.
    fn begin_generation(&self, s: &mut State, host: Host, how: How) {
        let memory = &mut s.nodes[host].memory;
        let unbroken = how == How::Resumed || (how == How::Adopted && !memory.left);
        if !(unbroken && memory.held && memory.generation > 0) {
            let known = memory.report.map_or(0, |report| report.generation);
            memory.generation = memory.generation.max(known) + 1;
        }
        memory.held = true;
    }

    /// `reconsider_takeover`: the peer is alive after all.
    pub(super) fn reconsider_takeover(&self, s: &mut State, host: Host) {
        let old = s.fresh(self, host).is_some_and(|report| report.state != Seen::Active);
        if old && self.cured(Cure::FarewellCorrectsReport) {
            return;
        }
        if s.at(host, Step::Draining) || s.at(host, Step::Verifying) {
            self.rest(s, host);
        }
    }

    /// `takeover_failed`.
    pub(super) fn takeover_failed(&self, s: &mut State, host: Host) {
        let node = &mut s.nodes[host];
        node.vip = false;
        node.fence = 0;
        node.memory.blocked = self.retry;
        self.enter(s, host, Phase::Unfit);
    }
}
