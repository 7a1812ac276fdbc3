//! The world: the clock, the queue of what is still to happen, and everything in it.
//!
//! Events happen in the order of (time, sequence number); nothing else orders them, and nothing
//! reads a real clock. Not here: what an event does, which is told next to what it concerns.

use crate::checkers::{self, Checker, Fact, Violation};
use crate::client::Client;
use crate::fault::Fault;
use crate::host::{Host, HostId, PerHost};
use crate::network::{Network, Traffic};
use crate::options::Options;
use crate::redis::{Answer, ConnId, Message, Stream, WriteId};
use crate::rng::Rng;
use crate::swarm::Episode;
use crate::trace::Trace;
use keepair_core::Input;
use keepair_core::event::Event as Told;
use keepair_core::input::Persisted;
use keepair_core::time::Time;
use keepair_wire::info::ReplId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that is going to happen.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    /// The daemon's loop turns.
    DaemonTurns { host: HostId, run: u64 },
    /// The daemon's timer fires.
    DaemonTimer { host: HostId, run: u64, at: Time },
    /// Something comes in for this run of the daemon.
    DaemonInput { host: HostId, run: u64, session: Option<u64>, input: Box<Input> },
    /// The state directory has taken it.
    Persisted { host: HostId, run: u64, persisted: Persisted },
    /// A message reaches this run of Redis.
    RedisMessage { host: HostId, run: u64, message: Message },
    /// Redis is not busy any more.
    RedisIdle { host: HostId },
    /// A killed Redis' sockets close.
    SocketsClose { host: HostId, run: u64 },
    /// A datagram from that machine arrives at the other.
    Frame { from: HostId, traffic: Traffic, input: Box<Input> },
    /// A replica's attempt to connect arrives.
    DialArrives { from: HostId, conn: ConnId, wanted: Option<(ReplId, i64)> },
    /// A segment of the replication stream arrives.
    StreamArrives { to: HostId, id: ConnId, stream: Stream },
    /// A retransmission timer fires.
    SendHeld { id: ConnId },
    /// The client sends a write.
    ClientWrites,
    /// The client's kernel sends the first segment of a write again.
    ClientSends { write: WriteId },
    /// A client's write arrives.
    ClientArrives { host: HostId, write: WriteId },
    /// An answer arrives at the client.
    ClientHears { host: HostId, write: WriteId, answer: Answer },
    /// A fence may have closed by itself.
    FenceEnds { host: HostId, until: Time },
    /// A fault happens, or is mended.
    Fault(Fault),
    /// An episode of a random run begins.
    Episode(Box<Episode>),
    /// Nothing has been wrong for a while.
    Settled,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub now: Time,
    /// What the run was drawn from.
    pub options: Options,
    /// The two machines.
    pub hosts: PerHost<Host>,
    /// Between them.
    pub network: Network,
    /// Who writes.
    pub client: Client,
    /// What is told.
    pub trace: Trace,
    /// What the daemons told their operators.
    pub told: Vec<(Time, HostId, Told)>,
    /// What must never be seen, and was.
    pub violations: Vec<Violation>,
    pub(crate) rng: Rng,
    queue: BTreeMap<(Time, u64), Event>,
    sequence: u64,
    checkers: Vec<Box<dyn Checker>>,
}

impl World {
    /// Two machines, switched on, with nothing running.
    pub fn new(options: Options) -> Self {
        let rng = Rng::new(options.seed ^ 0x006b_6565_7061_6972);
        let mut hosts = PerHost([Host::new(HostId::A), Host::new(HostId::B)]);
        for host in HostId::BOTH {
            hosts[host].redis.apply_us = options.apply_us;
            hosts[host].redis.save_interval = options.save_interval;
        }
        World {
            now: Time(0),
            hosts,
            network: Network::new(options.latency_us),
            client: Client::default(),
            trace: Trace::default(),
            told: Vec::new(),
            violations: Vec::new(),
            rng,
            queue: BTreeMap::new(),
            sequence: 0,
            checkers: checkers::all(),
            options,
        }
    }

    /// Puts an event into the queue.
    pub(crate) fn schedule(&mut self, at: Time, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    /// Lets a fault happen so long from now.
    pub fn plan(&mut self, after: Duration, fault: Fault) {
        let at = self.now + after;
        self.schedule(at, Event::Fault(fault));
    }

    /// Runs until then, or until the first violation.
    pub fn run_until(&mut self, until: Time) {
        while self.violations.is_empty() {
            match self.queue.first_key_value() {
                Some(((at, _), _)) if *at <= until => {}
                _ => break,
            }
            self.step();
        }
        if self.violations.is_empty() {
            self.now = self.now.max(until);
        }
    }

    /// Runs for that long, or until the first violation.
    pub fn run_for(&mut self, length: Duration) {
        self.run_until(self.now + length);
    }

    /// Lets the next event happen.
    pub fn step(&mut self) {
        let Some(((at, sequence), event)) = self.queue.pop_first() else {
            return;
        };
        self.now = at;
        self.trace.count([at.0, sequence, self.rng.position()]);
        match event {
            Event::DaemonTurns { host, run } => self.daemon_turns(host, run),
            Event::DaemonTimer { host, run, at } => self.daemon_timer(host, run, at),
            Event::DaemonInput { host, run, session, input } => {
                self.daemon_input(host, run, session, *input)
            }
            Event::Persisted { host, run, persisted } => self.persisted(host, run, persisted),
            Event::RedisMessage { host, run, message } => {
                if self.hosts[host].redis.run == run {
                    self.hand_to_redis(host, message);
                }
            }
            Event::RedisIdle { host } => self.drain_redis(host),
            Event::SocketsClose { host, run } => self.sockets_close(host, run),
            Event::Frame { from, traffic, input } => {
                if self.path(from, traffic) {
                    self.frame_arrives(from.peer(), *input);
                }
            }
            Event::DialArrives { from, conn, wanted } => self.dial_arrives(from, conn, wanted),
            Event::StreamArrives { to, id, stream } => self.stream_arrives(to, id, stream),
            Event::SendHeld { id } => self.send_held(id),
            Event::ClientWrites => self.client_writes(),
            Event::ClientSends { write } => self.client_sends(write),
            Event::ClientArrives { host, write } => self.client_arrives(host, write),
            Event::ClientHears { host, write, answer } => self.client_hears(host, write, answer),
            Event::FenceEnds { host, until } => self.fence_ends(host, until),
            Event::Fault(fault) => self.apply(fault),
            Event::Episode(episode) => self.unfold(&episode),
            Event::Settled => self.see(&Fact::Settled),
        }
    }

    /// Adds a line to the story.
    pub(crate) fn say(&mut self, who: &str, what: &str) {
        self.trace.line(self.now, who, what);
    }

    /// Shows a fact to every checker.
    pub(crate) fn see(&mut self, fact: &Fact<'_>) {
        let mut checkers = std::mem::take(&mut self.checkers);
        for checker in &mut checkers {
            if let Err(text) = checker.see(self, fact) {
                let violation = Violation { at: self.now, checker: checker.name(), text };
                self.say("!!!", &format!("{}: {}", violation.checker, violation.text));
                self.violations.push(violation);
            }
        }
        self.checkers = checkers;
    }

    /// The machine answers on the virtual address.
    pub fn answers(&self, host: HostId) -> bool {
        let host = &self.hosts[host];
        host.powered && host.kernel.answers(self.now)
    }

    /// The one machine that answers on the virtual address.
    pub fn serving(&self) -> Option<HostId> {
        match HostId::BOTH.map(|host| self.answers(host)) {
            [true, false] => Some(HostId::A),
            [false, true] => Some(HostId::B),
            _ => None,
        }
    }

    /// The sum over everything that happened, for comparing two runs.
    pub fn fingerprint(&self) -> (u64, u64, u64) {
        (self.trace.sum(), self.sequence, self.rng.position())
    }
}
