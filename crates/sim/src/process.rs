//! The Redis processes in their machines: delivering messages, carrying out effects, and what a
//! supervisor or the kernel does to a process.

use crate::checkers::Fact;
use crate::host::HostId;
use crate::redis::{Boot, Effect, Message, Note, Process};
use crate::world::{Event, World};
use keepair_core::Input;
use keepair_core::input::{Lost, RedisInput};
use std::time::Duration;

impl World {
    /// Hands a message to a Redis process, or into its inbox.
    pub(crate) fn hand_to_redis(&mut self, host: HostId, message: Message) {
        let now = self.now;
        let redis = &mut self.hosts[host].redis;
        match redis.process {
            Process::Absent => {}
            Process::Running if redis.turns(now) && redis.inbox.is_empty() => {
                let mut effects = std::mem::take(&mut self.effects);
                redis.handle(now, message, &mut effects);
                self.perform_effects(host, effects);
            }
            _ => redis.inbox.push_back(message),
        }
    }

    /// The event loop turns again: what waited is handled in order.
    pub(crate) fn drain_redis(&mut self, host: HostId) {
        let now = self.now;
        while self.hosts[host].redis.turns(now) {
            let redis = &mut self.hosts[host].redis;
            let Some(message) = redis.inbox.pop_front() else {
                break;
            };
            let mut effects = std::mem::take(&mut self.effects);
            redis.handle(now, message, &mut effects);
            self.perform_effects(host, effects);
        }
    }

    pub(crate) fn perform_effects(&mut self, host: HostId, mut effects: Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Daemon { session, input } => self.answer_daemon(host, session, input),
                Effect::Client(origin, write, answer) => {
                    self.answer_client(host, origin, write, answer);
                }
                Effect::Send(conn, stream) => self.send_stream(host, conn, stream),
                Effect::Dial(conn, wanted) => self.dial(host, conn, wanted),
                Effect::At(at, message) => {
                    let run = self.hosts[host].redis.run;
                    self.schedule(at, Event::RedisMessage { host, run, message });
                }
                Effect::Overwritten { lost, with_nothing } => {
                    self.see(&Fact::Overwritten { host, lost: &lost, with_nothing });
                }
                Effect::Note(note) => self.redis_notes(host, &note),
            }
        }
        self.effects = effects;
    }

    fn redis_notes(&mut self, host: HostId, note: &Note) {
        self.say(&host, format_args!("{note}"));
        self.see(&Fact::Redis { host, note });
    }

    pub(crate) fn start_redis(&mut self, host: HostId, boot: Boot) {
        if !self.hosts[host].powered || self.hosts[host].redis.process != Process::Absent {
            return;
        }
        let rng = self.rng.fork();
        let mut effects = Vec::new();
        let now = self.now;
        let redis = &mut self.hosts[host].redis;
        redis.start(now, boot, rng, &mut effects);
        self.perform_effects(host, effects);
    }

    /// SIGKILL. The kernel closes the sockets only when it has freed the memory.
    pub(crate) fn kill_redis(&mut self, host: HostId, close_after: Duration) {
        let at = self.now + close_after;
        let redis = &mut self.hosts[host].redis;
        if matches!(redis.process, Process::Absent | Process::Exiting) {
            return;
        }
        redis.flush_file();
        redis.process = Process::Exiting;
        let (run, pid) = (redis.run, redis.pid());
        self.schedule(at, Event::SocketsClose { host, run });
        if self.hosts[host].daemon.watched == Some(pid) {
            let delay = Duration::from_micros(self.rng.between(50, 250));
            self.hand_to_daemon(host, delay, RedisInput::ProcessStirred);
        }
        self.see(&Fact::RedisEnds { host });
    }

    pub(crate) fn sockets_close(&mut self, host: HostId, run: u64) {
        let redis = &mut self.hosts[host].redis;
        if redis.run != run || redis.process != Process::Exiting {
            return;
        }
        self.end_copy(host);
        self.hosts[host].redis.end();
        self.close_streams(host);
        self.close_session(host);
    }

    /// The local Redis closed the daemon's connection.
    pub(crate) fn close_session(&mut self, host: HostId) {
        let host_now = &self.hosts[host];
        if let Some((session, run)) = host_now.daemon.session
            && run == host_now.redis.run
        {
            let delay = Duration::from_micros(self.rng.between(20, 100));
            let lost = Input::Redis(RedisInput::Lost(Lost::Closed));
            self.deliver(host, delay, Some(session), lost);
        }
    }

    pub(crate) fn stop_redis(&mut self, host: HostId) {
        let redis = &mut self.hosts[host].redis;
        if redis.process == Process::Running {
            redis.process = Process::Stopped;
        }
    }

    pub(crate) fn continue_redis(&mut self, host: HostId) {
        let redis = &mut self.hosts[host].redis;
        if redis.process == Process::Stopped {
            redis.process = Process::Running;
            // The event loop reads the connections it knows before it accepts new ones: what the
            // daemon asked meanwhile comes before the writes of clients that connected meanwhile,
            // unless these were connected before.
            if self.rng.chance(500) {
                let inbox = &mut self.hosts[host].redis.inbox;
                let of_client = |message: &Message| matches!(message, Message::Write(..));
                inbox.make_contiguous().sort_by_key(of_client);
            }
            let waiting = self.hosts[host].redis.waiting();
            if !waiting.is_empty() {
                self.redis_notes(host, &Note::Burst(waiting));
            }
            self.drain_redis(host);
        }
    }

    /// Something takes the event loop: a script, or the disk.
    pub(crate) fn occupy_redis(&mut self, host: HostId, length: Duration, by_disk: bool) {
        let until = self.now + length;
        let redis = &mut self.hosts[host].redis;
        redis.busy_until = redis.busy_until.max(until);
        redis.waits_for_disk = by_disk;
        self.schedule(until, Event::RedisIdle { host });
    }
}
