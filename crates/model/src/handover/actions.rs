//! What may happen next, and what must happen before time passes.

use super::state::{Command, Host, LONG_AGO, Memory, Phase, Run, State, Step};
use super::{Pair, Wrong};

/// One step of one party.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// An advert interval passes. What has not arrived by then is lost.
    Tick,
    /// The same; some Redis has not yet carried out what it was told.
    SlowTick,
    /// `advert_at` or `report_at` is due: Active sends an advert and a report and renews its fence,
    /// the others send a report.
    Beat(Host),
    /// `active_down_at` has come.
    ActiveDown(Host),
    /// The next step of a takeover.
    TakeOver(Host),
    /// A step of a takeover has lasted too long.
    GiveUp(Host),
    /// A daemon that has just been started finds its predecessor's right alive, or lapsed.
    Resume(Host),
    /// Redis carries out the command it was given.
    Obey(Host),
    /// A replica applies what it has received.
    Apply(Host),
    /// A replica synchronises.
    Sync(Host),
    /// The daemon learns that its Redis has ended or come back.
    Notice(Host),
    /// An advert arrives; the network may hold another copy of it.
    HearAdvert {
        /// Who hears.
        host: Host,
        /// A copy stays on its way.
        copied: bool,
    },
    /// A farewell arrives.
    HearFarewell {
        /// Who hears.
        host: Host,
        /// A copy stays on its way.
        copied: bool,
    },
    /// A report arrives. A second copy would be dropped by its number.
    HearReport(Host),
    /// The client writes where it is let in, and is told that it is done.
    Write(Host),
    /// The operator asks for a switchover.
    Switchover(Host),
    /// The daemon is killed.
    Crash {
        /// Whose.
        host: Host,
        /// What changed last has not reached the disk.
        disk_is_old: bool,
    },
    /// The daemon is started.
    Start(Host),
    /// The daemon is stopped, and its kernel and Redis go on.
    Pause(Host),
    /// It goes on.
    Wake(Host),
    /// The machine loses its power.
    PowerOff(Host),
    /// The Redis is killed.
    KillRedis(Host),
    /// A new Redis is started, empty.
    StartRedis(Host),
    /// With [`Wrong::RenewBeforeAdvert`]: the fence is renewed, and the daemon killed before it sends.
    CrashInBeat(Host),
    /// With [`Wrong::FenceAfterHandOver`]: the fence is closed at last.
    CloseFence(Host),
}

impl Action {
    /// Something goes wrong, or somebody asks for something: not what brings the pair back.
    pub fn is_disturbance(self) -> bool {
        matches!(
            self,
            Action::SlowTick
                | Action::Write(_)
                | Action::Switchover(_)
                | Action::Crash { .. }
                | Action::CrashInBeat(_)
                | Action::Pause(_)
                | Action::PowerOff(_)
                | Action::KillRedis(_)
        )
    }
}

impl Pair {
    /// What may happen next.
    pub(super) fn enabled(&self, s: &State, actions: &mut Vec<Action>) {
        let first = actions.len();
        let mut owed = false;
        for host in 0..2 {
            let start = actions.len();
            self.owed_by(s, host, actions);
            owed |= actions.len() > start;
        }
        let slow = self.redis_work(s, actions);
        if !owed && self.would_be_heard(s) {
            if !slow {
                actions.insert(first, Action::Tick);
            } else if s.budget.slow > 0 {
                actions.insert(first, Action::SlowTick);
            }
        }
        for host in 0..2 {
            self.arrivals(s, host, actions);
            self.disturbances(s, host, actions);
        }
    }

    /// What a running daemon does before time passes.
    fn owed_by(&self, s: &State, host: Host, actions: &mut Vec<Action>) {
        let node = &s.nodes[host];
        if node.run != Run::Up {
            return;
        }
        if !node.memory.beaten {
            actions.push(Action::Beat(host));
        }
        if node.redis.believed != node.redis.alive {
            actions.push(Action::Notice(host));
        }
        match node.memory.phase {
            Phase::Backup { down: 0 } => actions.push(Action::ActiveDown(host)),
            Phase::Starting { resume: true, .. } => actions.push(Action::Resume(host)),
            Phase::Taking { left: 0, step, .. } if step != Step::Opened => {
                actions.push(Action::GiveUp(host));
            }
            Phase::Taking { step, .. } => {
                let drained = node.redis.socket.is_none() || node.redis.primary;
                // INFO is answered after whatever was asked before.
                let reads = s.wires[host].waited;
                let answers = node.redis.alive && node.memory.command.is_none() && !reads;
                let ready = match step {
                    Step::Draining => answers && drained,
                    Step::Verifying => answers && node.redis.primary,
                    Step::Opened => true,
                    Step::Promoting => false,
                };
                if ready {
                    actions.push(Action::TakeOver(host));
                }
            }
            _ => {}
        }
        if node.memory.closing {
            actions.push(Action::CloseFence(host));
        }
    }

    /// What the two Redis do. They may be slow; true if something is left to do.
    fn redis_work(&self, s: &State, actions: &mut Vec<Action>) -> bool {
        let start = actions.len();
        for host in 0..2 {
            let node = &s.nodes[host];
            if !node.redis.alive {
                continue;
            }
            let listens = node.run == Run::Up && !s.wires[host].waited;
            if listens && node.memory.command.is_some() {
                actions.push(Action::Obey(host));
            }
            if node.redis.socket.is_some() {
                actions.push(Action::Apply(host));
            }
            if self.can_sync(s, host) {
                actions.push(Action::Sync(host));
            }
        }
        actions.len() > start
    }

    /// The assumption about the network: not everything is lost for too long.
    fn would_be_heard(&self, s: &State) -> bool {
        (0..2).all(|host| {
            let wire = &s.wires[host];
            let waits = matches!(s.nodes[host].run, Run::Paused(_));
            waits
                || match self.silence {
                    None => wire.is_empty(),
                    Some(silence) => wire.heard || !wire.sent || wire.silence < silence,
                }
        })
    }

    fn arrivals(&self, s: &State, host: Host, actions: &mut Vec<Action>) {
        if s.nodes[host].run != Run::Up {
            return;
        }
        let wire = &s.wires[host];
        for copied in [false, true] {
            if copied && !self.copies {
                break;
            }
            if wire.advert {
                actions.push(Action::HearAdvert { host, copied });
            }
            if wire.farewell {
                actions.push(Action::HearFarewell { host, copied });
            }
        }
        if wire.report.is_some() {
            actions.push(Action::HearReport(host));
        }
    }

    fn disturbances(&self, s: &State, host: Host, actions: &mut Vec<Action>) {
        let node = &s.nodes[host];
        let budget = &s.budget;
        let up = node.run == Run::Up;
        if budget.writes > 0 && s.accepts_writes(host) && node.redis.paused == 0 {
            actions.push(Action::Write(host));
        }
        if budget.switchovers > 0 && up {
            actions.push(Action::Switchover(host));
        }
        match node.run {
            Run::Up => {
                if budget.crashes > 0 {
                    actions.push(Action::Crash { host, disk_is_old: false });
                    if node.disk != s.disk_of(host) {
                        actions.push(Action::Crash { host, disk_is_old: true });
                    }
                    let beats = node.memory.phase == Phase::Active && !node.memory.beaten;
                    if self.wrong == Some(Wrong::RenewBeforeAdvert) && beats {
                        actions.push(Action::CrashInBeat(host));
                    }
                }
                if budget.pauses > 0 {
                    actions.push(Action::Pause(host));
                }
            }
            Run::Paused(_) => actions.push(Action::Wake(host)),
            Run::Down => actions.push(Action::Start(host)),
        }
        if budget.power > 0 {
            actions.push(Action::PowerOff(host));
        }
        if node.redis.alive {
            if budget.redis > 0 {
                actions.push(Action::KillRedis(host));
            }
        } else if self.returns_unnoticed || (up && !node.redis.believed) {
            actions.push(Action::StartRedis(host));
        }
    }

    /// The step itself.
    pub(super) fn apply(&self, s: &mut State, action: Action) {
        match action {
            Action::Tick => self.tick(s),
            Action::SlowTick => {
                s.budget.slow -= 1;
                self.tick(s);
            }
            Action::Beat(host) => self.daemon(s, host, |s| {
                if s.nodes[host].memory.phase == Phase::Active {
                    self.send_advert(s, host);
                } else {
                    s.nodes[host].memory.beaten = true;
                    self.send_report(s, host);
                }
            }),
            Action::ActiveDown(host) => self.daemon(s, host, |s| {
                if matches!(s.nodes[host].memory.phase, Phase::Backup { .. }) {
                    self.active_down(s, host);
                }
            }),
            Action::TakeOver(host) => self.daemon(s, host, |s| {
                if s.at(host, Step::Opened) {
                    self.become_active(s, host);
                } else {
                    self.takeover_info(s, host);
                }
            }),
            Action::GiveUp(host) => self.daemon(s, host, |s| self.takeover_failed(s, host)),
            Action::Resume(host) => self.daemon(s, host, |s| self.resume(s, host)),
            Action::Notice(host) => self.daemon(s, host, |s| self.notice(s, host)),
            Action::Obey(host) => {
                let command = s.nodes[host].memory.command.take();
                self.daemon(s, host, |s| match command {
                    Some(Command::Promote) => self.promote(s, host),
                    Some(Command::Follow) => self.follow(s, host),
                    Some(Command::Pause) => self.paused(s, host),
                    None => {}
                });
            }
            Action::Apply(host) => {
                let redis = &mut s.nodes[host].redis;
                if let Some((offset, writes)) = redis.socket.take() {
                    redis.data.offset = offset;
                    redis.data.writes = writes;
                }
                self.info(s, host);
            }
            Action::Sync(host) => {
                self.sync(s, host);
                self.info(s, host);
            }
            Action::HearAdvert { host, copied } => {
                s.wires[host].advert = copied;
                s.wires[host].heard = true;
                self.daemon(s, host, |s| self.hear_advert(s, host));
            }
            Action::HearFarewell { host, copied } => {
                s.wires[host].farewell = copied;
                s.wires[host].advert &= self.overtaken;
                s.wires[host].heard = true;
                self.daemon(s, host, |s| self.hear_farewell(s, host));
            }
            Action::HearReport(host) => {
                s.wires[host].heard = true;
                if let Some(report) = s.wires[host].report.take() {
                    self.daemon(s, host, |s| self.hear_report(s, host, report));
                }
            }
            Action::Write(host) => self.write(s, host),
            Action::Switchover(host) => {
                s.budget.switchovers -= 1;
                self.daemon(s, host, |s| self.ask_switchover(s, host));
            }
            Action::Crash { host, disk_is_old } => {
                s.budget.crashes -= 1;
                if !disk_is_old {
                    s.nodes[host].disk = s.disk_of(host);
                }
                self.down(s, host);
            }
            Action::CrashInBeat(host) => {
                s.budget.crashes -= 1;
                s.nodes[host].disk = s.disk_of(host);
                s.nodes[host].fence = self.fence;
                self.down(s, host);
            }
            Action::Start(host) => {
                self.start(s, host);
                self.advance(s, host);
            }
            Action::Pause(host) => {
                s.budget.pauses -= 1;
                s.nodes[host].run = Run::Paused(0);
            }
            Action::Wake(host) => {
                let Run::Paused(slept) = s.nodes[host].run else { return };
                s.nodes[host].run = Run::Up;
                self.daemon(s, host, |s| self.note_stall(s, host, slept));
            }
            Action::PowerOff(host) => {
                s.budget.power -= 1;
                s.nodes[host].disk = s.disk_of(host);
                if s.nodes[host].redis.alive {
                    s.kill_redis(host);
                }
                s.nodes[host].redis.believed = false;
                s.nodes[host].fence = 0;
                s.nodes[host].vip = false;
                s.nodes[host].gate_closed = false;
                self.down(s, host);
            }
            Action::KillRedis(host) => {
                s.budget.redis -= 1;
                s.kill_redis(host);
            }
            Action::StartRedis(host) => s.restart_redis(host),
            Action::CloseFence(host) => {
                let node = &mut s.nodes[host];
                node.fence = 0;
                node.vip = false;
                node.memory.closing = false;
            }
        }
    }

    /// One input: what comes before it, the input, and the look at everything after it.
    fn daemon(&self, s: &mut State, host: Host, input: impl FnOnce(&mut State)) {
        let wire = &mut s.wires[host];
        wire.waited &= !wire.is_empty();
        self.leave_if_stalled(s, host);
        input(s);
        self.advance(s, host);
    }

    /// The daemon asks its Redis so often that it learns of this at once.
    fn info(&self, s: &mut State, host: Host) {
        if s.nodes[host].run == Run::Up {
            self.daemon(s, host, |_| {});
        }
    }

    fn write(&self, s: &mut State, host: Host) {
        s.budget.writes -= 1;
        // The client never uses a bit twice; bit 0 was there before.
        let bit = 1u8 << (self.budget.writes - s.budget.writes);
        s.acked |= bit;
        let redis = &mut s.nodes[host].redis;
        redis.data.offset += 1;
        redis.data.writes |= bit;
        let end = (redis.data.offset, redis.data.writes);
        let other = &mut s.nodes[1 - host].redis;
        if other.linked {
            // Redis sends to its replicas before it answers.
            other.socket = Some(end);
        }
    }

    fn down(&self, s: &mut State, host: Host) {
        let node = &mut s.nodes[host];
        node.run = Run::Down;
        node.memory = Memory::new(Phase::Unfit, &node.disk);
        node.memory.generation = 0;
        node.memory.held = false;
        s.wires[host] = super::Wire::default();
    }

    fn tick(&self, s: &mut State) {
        for host in 0..2 {
            let disk = s.disk_of(host);
            let node = &mut s.nodes[host];
            let wire = &mut s.wires[host];
            if wire.heard || node.run != Run::Up {
                wire.silence = 0;
            } else if wire.sent && self.silence.is_some() {
                wire.silence += 1;
            }
            wire.heard = false;
            wire.sent = false;
            // What waits in the sockets of a stopped daemon is not lost.
            if matches!(node.run, Run::Paused(_)) {
                wire.waited = !wire.is_empty();
            } else {
                wire.advert = false;
                wire.farewell = false;
                wire.report = None;
            }
            node.fence = node.fence.saturating_sub(1);
            node.redis.paused = node.redis.paused.saturating_sub(1);
            if let Run::Paused(slept) = &mut node.run {
                *slept = (*slept + 1).min(self.down + 1);
            }
            if node.run == Run::Down {
                continue;
            }
            if node.run == Run::Up {
                node.disk = disk;
            }
            let older = |age: u8, limit: u8| if age >= limit { LONG_AGO } else { age + 1 };
            let memory = &mut node.memory;
            memory.report_age = older(memory.report_age, self.heard);
            memory.advert_age = older(memory.advert_age, 3);
            memory.caught_up_age = older(memory.caught_up_age, self.in_step);
            memory.blocked = memory.blocked.saturating_sub(1);
            memory.beaten = false;
            if node.run == Run::Up {
                memory.stale = false;
            }
            if let Some((_, left)) = &mut memory.switch {
                *left = left.saturating_sub(1);
            }
            match &mut memory.phase {
                Phase::Starting { left, .. }
                | Phase::Backup { down: left }
                | Phase::Taking { left, .. } => *left = left.saturating_sub(1),
                _ => {}
            }
        }
    }
}

impl State {
    /// What `persist_changes` would write now.
    pub(super) fn disk_of(&self, host: Host) -> super::Disk {
        let node = &self.nodes[host];
        if node.run == Run::Down {
            return node.disk;
        }
        super::Disk {
            generation: node.memory.generation,
            held: node.memory.held,
            primary: node.memory.phase == Phase::Active,
        }
    }
}
