//! `core::node::switchover`: pause writes, wait until the standby has the last byte, leave.

use super::state::{Command, Host, Phase, Report, Seen, State, Switch};
use super::{Pair, Wrong, active::Cause};

impl Pair {
    /// `ask_switchover`: the operator asks, here.
    pub(super) fn ask_switchover(&self, s: &mut State, host: Host) {
        match s.nodes[host].memory.phase {
            Phase::Active => self.begin_switchover(s, host),
            Phase::Backup { .. } if s.peer_is_active(self, host) => {
                s.nodes[host].memory.wanted += 1;
                self.send_report(s, host);
            }
            _ => {}
        }
    }

    /// `switchover_obstacle`: would it lose something, or could it not work?
    pub(super) fn switchover_obstacle(&self, s: &State, host: Host) -> bool {
        let ready = s.heard(self, host).is_some_and(|report| {
            report.fit && report.state == Seen::Backup && report.redis.linked
        });
        !ready || s.nodes[host].memory.switch.is_some()
    }

    /// `begin_switchover`.
    fn begin_switchover(&self, s: &mut State, host: Host) {
        if self.switchover_obstacle(s, host) {
            return;
        }
        let offset = s.own_facts(host).offset;
        let target = if self.wrong == Some(Wrong::MeasuresBeforePause) { offset } else { -1 };
        let memory = &mut s.nodes[host].memory;
        memory.switch = Some((Switch::Pausing { target }, self.switchover));
        memory.command = Some(Command::Pause);
    }

    /// `CLIENT PAUSE WRITE`, `paused`, and INFO asked after it (`check_catch_up`).
    pub(super) fn paused(&self, s: &mut State, host: Host) {
        s.nodes[host].redis.paused = self.switchover + self.hand_over;
        let offset = s.own_facts(host).offset;
        if let Some((switch, _)) = &mut s.nodes[host].memory.switch
            && let Switch::Pausing { target } = *switch
        {
            let target = if target < 0 { offset } else { target };
            *switch = Switch::CatchingUp { target };
            self.send_report(s, host);
        }
    }

    /// `check_catch_up`, on the standby: how far its Redis has come.
    pub(super) fn check_catch_up(&self, s: &mut State, host: Host) {
        let facts = s.own_facts(host);
        let target = s
            .fresh(self, host)
            .filter(|report| report.redis.id == facts.id)
            .map_or(-1, |report| report.target);
        let memory = &mut s.nodes[host].memory;
        if target >= 0 && memory.phase != Phase::Active && facts.offset >= target {
            let news = memory.caught_up < target;
            memory.caught_up = facts.offset;
            memory.caught_up_age = 0;
            if news {
                self.send_report(s, host);
            }
        }
    }

    /// `answer_handshake`.
    pub(super) fn answer_handshake(&self, s: &mut State, host: Host, report: Report) {
        let memory = &mut s.nodes[host].memory;
        if !(report.target >= 0 && matches!(memory.phase, Phase::Backup { .. })) {
            memory.caught_up = -1;
            if report.target < 0 && report.state == Seen::Active {
                memory.caught_up_age = super::state::LONG_AGO;
            }
        }
        let asked = report.wanted != 0
            && memory.wanted_seen.is_some_and(|seen| seen != report.wanted)
            && memory.phase == Phase::Active;
        if asked {
            self.begin_switchover(s, host);
        }
        let memory = &mut s.nodes[host].memory;
        memory.wanted_seen = Some(report.wanted);
        if let Some((Switch::CatchingUp { target }, _)) = memory.switch
            && report.caught_up >= target
        {
            self.hand_over(s, host);
        }
    }

    /// `hand_over`.
    fn hand_over(&self, s: &mut State, host: Host) {
        s.nodes[host].memory.switch = Some((Switch::HandedOver, self.hand_over));
        self.leave(s, host, Cause::Other);
    }

    /// `advance_switchover`.
    pub(super) fn advance_switchover(&self, s: &mut State, host: Host) {
        let Some((switch, left)) = s.nodes[host].memory.switch else { return };
        let active = s.nodes[host].memory.phase == Phase::Active;
        if switch == Switch::HandedOver {
            if active {
                self.call_off(s, host);
                return;
            }
            let node = &s.nodes[host];
            let replica = s.peer_is_active(self, host) && !node.redis.primary;
            let following = node.memory.command == Some(Command::Follow);
            if (replica && !following) || !s.believes_redis(host) {
                s.nodes[host].memory.switch = None;
                s.nodes[host].redis.paused = 0;
                return;
            }
        } else if !active {
            self.call_off(s, host);
            return;
        }
        if left == 0 {
            self.call_off(s, host);
        }
    }

    /// `call_off`: writes go on.
    fn call_off(&self, s: &mut State, host: Host) {
        let node = &mut s.nodes[host];
        node.memory.switch = None;
        if node.memory.command == Some(Command::Pause) {
            node.memory.command = None;
        }
        node.redis.paused = 0;
        self.send_report(s, host);
    }
}
