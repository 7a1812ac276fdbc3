//! `core::node`: what is heard, what is due, and the look at everything after each input.

use super::state::{Data, Host, LONG_AGO, Memory, Phase, Run, Seen, State, Step};
use super::{Cure, Pair, Wrong};

impl Pair {
    /// `handle`, before the input: a daemon that was stopped for too long leaves first.
    pub(super) fn leave_if_stalled(&self, s: &mut State, host: Host) {
        let node = &s.nodes[host];
        if node.memory.phase == Phase::Active && node.fence == 0 && !node.memory.closing {
            self.leave(s, host, super::active::Cause::Stalled);
        }
    }

    /// `advance`: the next step of everything that is under way.
    pub(super) fn advance(&self, s: &mut State, host: Host) {
        self.advance_switchover(s, host);
        match s.nodes[host].memory.phase {
            Phase::Starting { .. } => self.advance_start(s, host),
            Phase::Unfit | Phase::Backup { .. } => self.advance_standby(s, host),
            Phase::Active => self.advance_active(s, host),
            Phase::Taking { .. } => {}
        }
        self.adopt_generation(s, host);
        self.check_catch_up(s, host);
        self.advance_follow(s, host);
    }

    /// `hear_advert`, priority above 0.
    pub(super) fn hear_advert(&self, s: &mut State, host: Host) {
        let memory = &mut s.nodes[host].memory;
        memory.was_active = true;
        memory.advert_age = 0;
        memory.peer_has_spoken = true;
        match memory.phase {
            Phase::Backup { .. } => memory.phase = Phase::Backup { down: self.down },
            Phase::Taking { .. } => self.reconsider_takeover(s, host),
            Phase::Active => self.settle_conflict(s, host),
            _ => {}
        }
    }

    /// `hear_advert`, priority 0.
    pub(super) fn hear_farewell(&self, s: &mut State, host: Host) {
        let memory = &mut s.nodes[host].memory;
        memory.advert_age = LONG_AGO;
        let stale = memory.stale && self.wrong != Some(Wrong::ActsOnStale);
        if let Some(report) = &mut memory.report
            && self.cured(Cure::FarewellCorrectsReport)
        {
            report.state = Seen::Unfit;
        }
        match memory.phase {
            Phase::Active => self.send_advert(s, host),
            Phase::Backup { .. } if !stale => self.begin_takeover(s, host, super::How::Took),
            _ => {}
        }
    }

    /// `hear_datagram`, `Peer::learn` and `consider_report`.
    pub(super) fn hear_report(&self, s: &mut State, host: Host, report: super::Report) {
        let memory = &mut s.nodes[host].memory;
        let stale = memory.stale && self.wrong != Some(Wrong::ActsOnStale);
        memory.was_active |= report.state == Seen::Active;
        memory.report = Some(report);
        memory.report_age = if stale { LONG_AGO } else { 0 };
        if s.heard(self, host).is_none() {
            return;
        }
        s.nodes[host].memory.peer_has_spoken = true;
        self.answer_handshake(s, host, report);
    }

    /// `send_report`. An older one that has not arrived is lost.
    pub(super) fn send_report(&self, s: &mut State, host: Host) {
        let report = s.report(self, host);
        if s.nodes[1 - host].run != Run::Down {
            s.wires[1 - host].report = Some(report);
            s.wires[1 - host].sent = true;
        }
    }

    /// `enter`: another phase is told at once.
    pub(super) fn enter(&self, s: &mut State, host: Host, phase: Phase) {
        let before = s.seen(host);
        s.nodes[host].memory.phase = phase;
        if s.seen(host) != before {
            self.send_report(s, host);
        }
    }

    /// `rest`: Backup or Initialize, whichever is true.
    pub(super) fn rest(&self, s: &mut State, host: Host) {
        let phase = self.rested(s, host);
        self.enter(s, host, phase);
    }

    /// What `rest` enters.
    pub(super) fn rested(&self, s: &State, host: Host) -> Phase {
        if s.fitness(self, host) { Phase::Backup { down: self.down } } else { Phase::Unfit }
    }

    fn advance_standby(&self, s: &mut State, host: Host) {
        let fit = s.fitness(self, host);
        match s.nodes[host].memory.phase {
            Phase::Unfit if fit => self.rest(s, host),
            Phase::Backup { .. } if !fit => self.enter(s, host, Phase::Unfit),
            _ => {}
        }
    }

    /// `advance_start`. Taking up an earlier run's work is a step of its own: [`Pair::resume`].
    fn advance_start(&self, s: &mut State, host: Host) {
        let Phase::Starting { left, resume: false } = s.nodes[host].memory.phase else { return };
        let heard = s.heard(self, host).is_some() || s.peer_is_active(self, host);
        if heard || left == 0 {
            self.rest(s, host);
        }
    }

    /// `Input::Started`.
    pub(super) fn start(&self, s: &mut State, host: Host) {
        let node = &mut s.nodes[host];
        let hopeless = !node.redis.alive && self.cured(Cure::LooksAtStart);
        let resume = node.fence > 0 && node.disk.primary && !hopeless;
        node.run = Run::Up;
        node.memory = Memory::new(Phase::Starting { left: self.boot, resume }, &node.disk);
        // INFO is its first question.
        node.redis.believed = node.redis.alive;
        if !resume {
            self.start_anew(s, host);
        } else if self.cured(Cure::LooksAtStart) {
            node.gate_closed = true;
        }
    }

    /// Without a living right: off the address, and nobody copies a Redis that was not looked at.
    fn start_anew(&self, s: &mut State, host: Host) {
        let node = &mut s.nodes[host];
        node.vip = false;
        node.fence = 0;
        node.gate_closed = self.wrong != Some(Wrong::GateStaysOpen);
        if let Phase::Starting { left, .. } = node.memory.phase {
            node.memory.phase = Phase::Starting { left, resume: false };
        }
    }

    /// `advance_start`, `resume`: an earlier run's right is alive, or it is not.
    pub(super) fn resume(&self, s: &mut State, host: Host) {
        let node = &s.nodes[host];
        if node.fence > 0 && node.redis.alive && node.redis.primary && node.memory.held {
            let phase = Phase::Taking {
                step: Step::Verifying,
                left: self.promote,
                how: super::How::Resumed,
            };
            self.enter(s, host, phase);
            if self.cured(Cure::AdvertBeforeResume) {
                self.emit_advert(s, host);
            }
            self.claim(s, host);
        } else {
            self.start_anew(s, host);
        }
    }

    /// The daemon learns that its Redis has ended, or that there is a new one.
    pub(super) fn notice(&self, s: &mut State, host: Host) {
        let node = &mut s.nodes[host];
        node.redis.believed = node.redis.alive;
        if node.redis.alive {
            self.send_report(s, host);
            return;
        }
        node.memory.command = None;
        node.gate_closed |= node.redis.primary && self.cured(Cure::GateWhenPrimaryEnds);
        match node.memory.phase {
            Phase::Active => self.leave(s, host, super::active::Cause::RedisExited),
            Phase::Taking { .. } => self.takeover_failed(s, host),
            Phase::Starting { resume: true, .. } if self.cured(Cure::LooksAtStart) => {
                self.start_anew(s, host);
            }
            _ => {}
        }
        self.send_report(s, host);
    }

    /// `note_stall`, at the first input after the daemon was stopped for so many ticks.
    pub(super) fn note_stall(&self, s: &mut State, host: Host, slept: u8) {
        let asleep = if self.cured(Cure::SleepsSooner) { 2 } else { self.down + 1 };
        if slept < asleep {
            return;
        }
        let memory = &mut s.nodes[host].memory;
        memory.stale = true;
        match &mut memory.phase {
            Phase::Backup { down } => *down = self.down,
            Phase::Taking { .. } => self.takeover_failed(s, host),
            _ => {}
        }
    }
}

impl State {
    /// The Redis process ends, and with it its copy of the data.
    pub(super) fn kill_redis(&mut self, host: Host) {
        let redis = &mut self.nodes[host].redis;
        redis.alive = false;
        redis.linked = false;
        redis.paused = 0;
        redis.socket = None;
        self.nodes[1 - host].redis.linked = false;
        let copies = self.nodes.iter().filter(|node| node.redis.alive).fold(0, |copies, node| {
            let received = node.redis.socket.map_or(0, |(_, writes)| writes);
            copies | node.redis.data.writes | received
        });
        self.died |= self.acked & !copies;
    }

    /// A new Redis process, empty and a primary, as its configuration file says.
    pub(super) fn restart_redis(&mut self, host: Host) {
        let id = self.fresh_id();
        let node = &mut self.nodes[host];
        node.redis.alive = true;
        node.redis.primary = true;
        node.redis.data = Data { id, id2: 0, second: -1, offset: 0, writes: 0 };
        node.memory.held = false;
        node.disk.held = false;
    }
}
