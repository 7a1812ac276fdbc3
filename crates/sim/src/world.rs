//! The world: the clock, the queue of what is still to happen, and everything in it.
//!
//! Events happen in the order of (time, sequence number); nothing else orders them, and nothing
//! reads a real clock. What happens in a machine whose processor stands still waits until it goes
//! on. Not here: what an event does, which is told next to what it concerns.

use crate::arbiter::Arbiter;
use crate::bridge::ArpCache;
use crate::checkers::{Checkers, Fact, Violation};
use crate::client::Client;
use crate::daemon::Call;
use crate::fault::Fault;
use crate::host::{Host, HostId, PerHost};
use crate::network::{Network, Traffic};
use crate::options::Options;
use crate::redis::{Answer, ConnId, Effect, Message, Stream, Wanted, WriteId};
use crate::rng::Rng;
use crate::salvage::{Order, Outcome};
use crate::sometimes::Seen;
use crate::swarm::Style;
use crate::swarm::Turn;
use crate::trace::Trace;
use core::fmt;
use keepair_core::Input;
use keepair_core::event::Event as Told;
use keepair_core::input::{Copied, Persisted, Refused};
use keepair_core::tiebreaker::{Ask, Run};
use keepair_core::time::Time;
use keepair_wire::peer::Cause;
use std::time::Duration;

/// Something that is going to happen.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    /// The daemon's loop turns.
    DaemonTurns { host: HostId, run: u64 },
    /// The daemon's timer fires.
    DaemonTimer { host: HostId, run: u64, deadline: Time },
    /// Something comes in for this run of the daemon.
    DaemonInput { host: HostId, run: u64, session: Option<u64>, input: Box<Input> },
    /// The kernel has carried out a request.
    CallEnds { host: HostId, run: u64, life: u64, call: Box<Call> },
    /// The state directory has taken it, or not.
    Persisted { host: HostId, run: u64, persisted: Box<Persisted>, result: Result<(), Refused> },
    /// The thread that salvages has its connection to Redis.
    SalvageReads { host: HostId, order: Box<Order> },
    /// The thread that copies the stream tells of its end.
    StreamCopied { host: HostId, run: u64, result: Box<Result<Copied, String>> },
    /// The state directory has what was salvaged, or not.
    Salvaged { host: HostId, outcome: Box<Outcome> },
    /// A message reaches this run of Redis.
    RedisMessage { host: HostId, run: u64, message: Message },
    /// Redis is not busy any more.
    RedisIdle { host: HostId },
    /// A killed Redis' sockets close.
    SocketsClose { host: HostId, run: u64 },
    /// A datagram from that machine arrives at the other.
    Frame { from: HostId, traffic: Traffic, timely: bool, input: Box<Input> },
    /// Somebody else's advert is due.
    NeighbourSpeaks,
    /// A daemon tries to connect to a tie-breaker.
    ArbiterDialled { host: HostId, place: usize, run: u64 },
    /// A request arrives at a tie-breaker.
    ArbiterHears { host: HostId, place: usize, met: Run, ask: Ask, sent_at: Time },
    /// The client hears who has the address.
    ArpHeard { host: HostId, unasked: bool },
    /// A replica's attempt to connect arrives.
    DialArrives { from: HostId, conn: ConnId, wanted: Wanted },
    /// A segment of the replication stream arrives.
    StreamArrives { to: HostId, id: ConnId, number: u64, stream: Stream },
    /// A retransmission timer fires.
    SendHeld { id: ConnId },
    /// The client sends a write.
    ClientWrites { turn: u64 },
    /// The client's kernel sends the first segment of a write again.
    ClientSends { write: WriteId },
    /// A client's write arrives.
    ClientArrives { host: HostId, write: WriteId },
    /// An answer arrives at the client.
    ClientHears { host: HostId, write: WriteId, answer: Answer },
    /// A program on the machine writes.
    LocalWrites { host: HostId },
    /// A fence may have closed by itself: a line of the story.
    FenceEnds { host: HostId, until: Time },
    /// A machine's processor goes on.
    Thaws { host: HostId, life: u64 },
    /// A fault happens, or is mended.
    Fault(Box<Fault>),
    /// Whoever draws faults looks at the world.
    Swarm(Turn),
}

/// Where an event happens, as far as that machine's processor is needed for it.
enum Place {
    Inside(HostId),
    FromOutside(HostId),
    Elsewhere,
}

impl Event {
    fn place(&self) -> Place {
        match self {
            Event::DaemonTurns { host, .. }
            | Event::DaemonTimer { host, .. }
            | Event::DaemonInput { host, .. }
            | Event::CallEnds { host, .. }
            | Event::Persisted { host, .. }
            | Event::StreamCopied { host, .. }
            | Event::SalvageReads { host, .. }
            | Event::Salvaged { host, .. }
            | Event::RedisMessage { host, .. }
            | Event::RedisIdle { host }
            | Event::SocketsClose { host, .. }
            | Event::ArbiterDialled { host, .. }
            | Event::LocalWrites { host } => Place::Inside(*host),
            Event::Frame { from, .. } => Place::FromOutside(from.peer()),
            Event::ClientArrives { host, .. } => Place::FromOutside(*host),
            Event::Fault(fault) => fault.takes_processor().map_or(Place::Elsewhere, Place::Inside),
            _ => Place::Elsewhere,
        }
    }
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
    /// Third parties.
    pub arbiters: Vec<Arbiter>,
    pub(crate) arbiter_rng: Rng,
    /// The last number a start of a daemon was given.
    pub(crate) instance: u64,
    /// Who writes.
    pub client: Client,
    /// What is told.
    pub trace: Trace,
    /// What the daemons told their operators.
    pub told: Vec<(Time, HostId, Told)>,
    /// What must never be seen, and was.
    pub violations: Vec<Violation>,
    pub(crate) rng: Rng,
    pub(crate) swarm: crate::swarm::Swarm,
    queue: crate::queue::Queue<Event>,
    steps: u64,
    /// Taken out while they look at everything else.
    checkers: Option<Box<Checkers>>,
    wanted: u32,
    /// Emptied and used again.
    pub(crate) effects: Vec<Effect>,
}

impl World {
    /// Two machines, switched on, with nothing running.
    pub fn new(options: Options) -> Self {
        let mut rng = Rng::new(options.seed ^ 0x006b_6565_7061_6972);
        let host = |id: HostId| {
            let ppm = options.clock_ppm[id.index()];
            let mut host = Host::new(id, Time(0), ppm, options.setup(id), options.config(id));
            host.redis.conf_replicaof = options.replicaof == Some(id);
            host
        };
        let hosts = PerHost([host(HostId::A), host(HostId::B)]);
        let checkers = Checkers::all();
        let mut arbiter_rng = Rng::new(options.seed ^ 0x7469_6562_7265_616b);
        let arbiters = (0..options.tie_breakers).map(|_| Arbiter::new(&mut arbiter_rng)).collect();
        let sure_for = Duration::from_millis(rng.between(15_000, 45_000));
        World {
            now: Time(0),
            hosts,
            network: Network::new(options.latency_us),
            arbiters,
            arbiter_rng,
            instance: 0,
            client: Client::new(ArpCache::new(sure_for)),
            trace: Trace::default(),
            told: Vec::new(),
            violations: Vec::new(),
            rng,
            swarm: crate::swarm::Swarm::default(),
            queue: crate::queue::Queue::new(),
            steps: 0,
            wanted: checkers.wanted(),
            checkers: Some(Box::new(checkers)),
            effects: Vec::new(),
            options,
        }
    }

    /// Puts an event into the queue.
    pub(crate) fn schedule(&mut self, at: Time, event: Event) {
        self.queue.push(at.max(self.now), event);
    }

    /// Lets a fault happen so long from now.
    pub fn plan(&mut self, after: Duration, fault: Fault) {
        let at = self.now + after;
        self.schedule(at, Event::Fault(Box::new(fault)));
    }

    /// Runs until then, or until the first violation.
    pub fn run_until(&mut self, until: Time) {
        while self.violations.is_empty() && self.queue.next_at().is_some_and(|at| at <= until) {
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
        let Some((at, event)) = self.queue.pop() else {
            return;
        };
        self.now = at;
        if let Event::FenceEnds { host, until } = event {
            return self.fence_ends(host, until);
        }
        self.steps += 1;
        let drawn = self.rng.position();
        self.trace.sum().word(at.0);
        self.trace.sum().word(drawn);
        self.trace.sum().word(self.arbiter_rng.position());
        if let Some(event) = self.unless_frozen(event) {
            self.happens(event);
        }
    }

    /// In a machine whose processor stands still, nothing happens until it goes on. What comes from
    /// outside is kept for it as far as there is room.
    fn unless_frozen(&mut self, event: Event) -> Option<Event> {
        let (host, from_outside) = match event.place() {
            Place::Inside(host) => (host, false),
            Place::FromOutside(host) => (host, true),
            Place::Elsewhere => return Some(event),
        };
        let Some(freeze) = &mut self.hosts[host].freeze else {
            return Some(event);
        };
        if from_outside {
            let Some(left) = freeze.room.checked_sub(1) else {
                freeze.lost += 1;
                return None;
            };
            freeze.room = left;
        }
        freeze.missed.push(event);
        None
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::DaemonTurns { host, run } => self.daemon_turns(host, run),
            Event::DaemonTimer { host, run, deadline } => self.daemon_timer(host, run, deadline),
            Event::DaemonInput { host, run, session, input } => {
                self.daemon_input(host, run, session, *input)
            }
            Event::CallEnds { host, run, life, call } => self.call_ends(host, run, life, *call),
            Event::Persisted { host, run, persisted, result } => {
                self.persisted(host, run, *persisted, result)
            }
            Event::StreamCopied { host, run, result } => {
                self.daemon_input(host, run, None, Input::StreamCopied(*result));
            }
            Event::SalvageReads { host, order } => self.salvage_reads(host, *order),
            Event::Salvaged { host, outcome } => self.has_salvaged(host, *outcome),
            Event::RedisMessage { host, run, message } => {
                if self.hosts[host].redis.run == run {
                    self.hand_to_redis(host, message);
                }
            }
            Event::RedisIdle { host } => self.drain_redis(host),
            Event::SocketsClose { host, run } => self.sockets_close(host, run),
            Event::Frame { from, traffic, timely, input } => {
                self.frame_comes(from, traffic, timely, *input);
            }
            Event::ArbiterDialled { host, place, run } => self.arbiter_dialled(host, place, run),
            Event::ArbiterHears { host, place, met, ask, sent_at } => {
                self.arbiter_hears(host, place, (met, ask, sent_at));
            }
            Event::ArpHeard { host, unasked } => self.arp_heard(host, unasked),
            Event::DialArrives { from, conn, wanted } => self.dial_arrives(from, conn, wanted),
            Event::StreamArrives { to, id, number, stream } => {
                self.stream_arrives(to, id, number, stream)
            }
            Event::SendHeld { id } => self.send_held(id),
            Event::NeighbourSpeaks => self.neighbour_speaks(),
            Event::ClientWrites { turn } => self.client_writes(turn),
            Event::ClientSends { write } => self.client_sends(write),
            Event::ClientArrives { host, write } => self.client_arrives(host, write),
            Event::ClientHears { host, write, answer } => self.client_hears(host, write, answer),
            Event::LocalWrites { host } => self.local_writes(host),
            Event::FenceEnds { host, until } => self.fence_ends(host, until),
            Event::Thaws { host, life } => self.thaw(host, life),
            Event::Fault(fault) => {
                self.swarm.goes_on(self.now);
                self.apply(*fault);
            }
            Event::Swarm(turn) => self.swarm_turns(turn),
        }
    }

    /// Adds a line to the story.
    pub(crate) fn say(&mut self, who: &dyn fmt::Display, what: fmt::Arguments<'_>) {
        self.trace.line(self.now, who, what);
    }

    /// A daemon tells its operator.
    pub(crate) fn tells(&mut self, host: HostId, event: Told) {
        if matters(&event) {
            self.attend();
        }
        // A peer that was never heard since it came back counts as one that has left.
        let silent = [Cause::PeerSilent, Cause::DaemonStopping];
        if matches!(&event, Told::TakeoverBegan { cause } if silent.contains(cause)) {
            let patience = self.options.advert_interval * 3;
            self.network.unheard(self.now, host, patience);
        }
        self.see(&Fact::Told { host, event: &event });
        self.told.push((self.now, host, event));
    }

    /// Shows a fact to every checker.
    pub(crate) fn see(&mut self, fact: &Fact<'_>) {
        if fact.bit() & self.wanted == 0 {
            return;
        }
        let Some(mut checkers) = self.checkers.take() else {
            return;
        };
        for violation in checkers.see(self, fact) {
            self.say(&"!!!", format_args!("{}: {}", violation.checker, violation.text));
            self.violations.push(violation);
        }
        self.checkers = Some(checkers);
    }

    /// Which situations have occurred, and how often.
    pub fn seen(&self) -> Seen {
        self.checkers.as_ref().map_or_else(Seen::default, |checkers| checkers.seen().clone())
    }

    /// Faults do not wait for each other: less is promised.
    pub fn overlapping(&self) -> bool {
        self.swarm.style() == Some(Style::Overlapping)
    }

    /// The machine answers on the virtual address.
    pub fn answers(&self, host: HostId) -> bool {
        self.hosts[host].answers(self.now)
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
        (self.trace.total(), self.steps, self.rng.position())
    }
}

/// Something is going on, and clients may notice.
fn matters(event: &Told) -> bool {
    matches!(
        event,
        Told::StateChanged { .. }
            | Told::Left { .. }
            | Told::TakeoverBegan { .. }
            | Told::TookOver(_)
            | Told::Switchover(_)
    )
}

#[cfg(test)]
mod tests;
