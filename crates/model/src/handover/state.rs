//! What is where: kernel, Redis, disk and daemon of two machines, and what is on the wire.

use super::Pair;
use super::lineage::{Facts, Id};
use crate::check::Tell;

/// One of the two machines: 0, 1.
pub type Host = usize;

/// Set on a counter of ticks that has run beyond everything that is asked of it.
pub(super) const LONG_AGO: u8 = 9;

/// What a node does (`core::node::Phase`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Before the first decision.
    Starting {
        /// The peer is waited for so many ticks more.
        left: u8,
        /// An earlier run's right may be alive.
        resume: bool,
    },
    /// Can't take over.
    Unfit,
    /// Takes over when the peer has been silent for so many ticks more.
    Backup {
        /// `active_down_at`.
        down: u8,
    },
    /// From Backup to Active.
    Taking {
        /// How far.
        step: Step,
        /// Ticks until the step is given up.
        left: u8,
        /// How it began, as far as the generation depends on it.
        how: How,
    },
    /// Holds the address.
    Active,
}

/// The steps of a takeover (`core::node::takeover::Step`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// For every received byte to be applied.
    Draining,
    /// For `REPLICAOF NO ONE`.
    Promoting,
    /// For INFO to say `role:master`.
    Verifying,
    /// The fence is open and the address present; the first advert is next.
    Opened,
}

/// What a takeover begins from (`core::node::takeover::begin_generation`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum How {
    /// Somebody else may have served.
    Took,
    /// A running primary that nobody took over from.
    Adopted,
    /// An earlier run of this daemon, whose right is still alive.
    Resumed,
}

/// A planned switchover on the machine that leaves (`core::node::switchover::Step`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Switch {
    /// Redis is asked to pause writes; with [`super::Wrong::MeasuresBeforePause`] the end of the
    /// stream is already known.
    Pausing {
        /// -1 as long as it is unknown.
        target: i8,
    },
    /// The standby should say when it has applied this offset.
    CatchingUp {
        /// The end of the stream.
        target: i8,
    },
    /// Left; the standby's turn.
    HandedOver,
}

/// A command on its way to the local Redis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// `REPLICAOF NO ONE`.
    Promote,
    /// `REPLICAOF` the peer.
    Follow,
    /// `CLIENT PAUSE WRITE`, then INFO.
    Pause,
}

/// Is the daemon running?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Run {
    /// Yes.
    Up,
    /// Stopped, for so many ticks.
    Paused(u8),
    /// Dead.
    Down,
}

/// The state others see (`wire::peer::State`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Seen {
    /// Has not yet decided anything.
    Starting,
    /// Can't take over.
    Unfit,
    /// Ready to take over.
    Backup,
    /// Draining, promoting or claiming.
    TakingOver,
    /// Holds the address.
    Active,
}

/// `wire::peer::Report`, as far as decisions depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Report {
    /// What the machine is doing.
    pub state: Seen,
    /// It could take over now.
    pub fit: bool,
    /// Its data's generation.
    pub generation: u8,
    /// Its Redis was not restarted since.
    pub vouched: bool,
    /// What its Redis holds.
    pub redis: Facts,
    /// `Handshake::wanted`.
    pub wanted: u8,
    /// `Handshake::target_offset`.
    pub target: i8,
    /// `Handshake::caught_up_offset`.
    pub caught_up: i8,
}

/// The data of a Redis and where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Data {
    /// `master_replid`.
    pub id: Id,
    /// `master_replid2`; 0 is none.
    pub id2: Id,
    /// `second_repl_offset`; -1 is none.
    pub second: i8,
    /// Commands applied.
    pub offset: i8,
    /// Which of the client's writes are in it: a bit for each.
    pub writes: u8,
}

/// One Redis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Redis {
    /// The process runs.
    pub alive: bool,
    /// The daemon believes that it does.
    pub believed: bool,
    /// `role:master`.
    pub primary: bool,
    /// As a replica: the link is up.
    pub linked: bool,
    /// Writes stay paused for so many ticks.
    pub paused: u8,
    /// What it has applied.
    pub data: Data,
    /// What it has received and not yet applied: offset and writes after that.
    pub socket: Option<(i8, u8)>,
}

/// What survives the daemon (`core::input::Persisted`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Disk {
    /// The generation.
    pub generation: u8,
    /// The Redis that runs now is the one that held it.
    pub held: bool,
    /// It was Active.
    pub primary: bool,
}

/// The daemon's memory (`core::node::Node`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    /// What it does.
    pub phase: Phase,
    /// The peer's newest report.
    pub report: Option<Report>,
    /// Ticks since that.
    pub report_age: u8,
    /// Ticks since the peer's last advert above priority 0.
    pub advert_age: u8,
    /// `Peer::was_active`.
    pub was_active: bool,
    /// `Node::peer_has_spoken`.
    pub peer_has_spoken: bool,
    /// `Node::left`.
    pub left: bool,
    /// `Node::left_to_peer`.
    pub left_to_peer: bool,
    /// Can't take over for so many ticks, after a failure.
    pub blocked: u8,
    /// A planned switchover, and the ticks it may still take.
    pub switch: Option<(Switch, u8)>,
    /// A command that Redis has not yet carried out.
    pub command: Option<Command>,
    /// `Node::wanted`.
    pub wanted: u8,
    /// `Node::wanted_seen`.
    pub wanted_seen: Option<u8>,
    /// `Node::caught_up_offset`.
    pub caught_up: i8,
    /// Ticks since `Node::caught_up_at`.
    pub caught_up_age: u8,
    /// `Node::generation`.
    pub generation: u8,
    /// `Node::vouched`.
    pub held: bool,
    /// What arrives in this tick waited while the daemon was stopped.
    pub stale: bool,
    /// This tick's advert or report is sent.
    pub beaten: bool,
    /// Only with [`super::Wrong::FenceAfterHandOver`]: the farewell is sent, the fence still open.
    pub closing: bool,
}

/// One machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// The daemon.
    pub run: Run,
    /// Its memory; meaningless when it is dead.
    pub memory: Memory,
    /// The kernel serves the address for so many ticks more.
    pub fence: u8,
    /// The address is present.
    pub vip: bool,
    /// The kernel refuses the peer as a replica.
    pub gate_closed: bool,
    /// The Redis.
    pub redis: Redis,
    /// What survives.
    pub disk: Disk,
}

/// What is on its way to a machine, or waits in its sockets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Wire {
    /// An advert with a priority above 0.
    pub advert: bool,
    /// An advert with priority 0.
    pub farewell: bool,
    /// The newest report.
    pub report: Option<Report>,
    /// Some of it has waited while the receiver was stopped: it is read before anything else is
    /// answered (`linux::reactor` reads its sockets in every round).
    pub waited: bool,
    /// Something was sent in this tick.
    pub sent: bool,
    /// Something has arrived in this tick.
    pub heard: bool,
    /// Ticks in a row in which something was sent and nothing arrived.
    pub silence: u8,
}

/// What may still go wrong or be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Budget {
    /// Daemons killed.
    pub crashes: u8,
    /// Daemons stopped.
    pub pauses: u8,
    /// Machines that lose their power.
    pub power: u8,
    /// Redis killed; it comes back empty.
    pub redis: u8,
    /// Ticks in which a Redis carries out nothing.
    pub slow: u8,
    /// Switchovers asked for.
    pub switchovers: u8,
    /// Writes of the client.
    pub writes: u8,
}

/// Everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The machines.
    pub nodes: [Node; 2],
    /// On its way to each machine.
    pub wires: [Wire; 2],
    /// Writes the client was told are done.
    pub acked: u8,
    /// Of those, the ones that no machine has any more.
    pub died: u8,
    /// What may still happen.
    pub budget: Budget,
}

impl State {
    /// The kernel lets clients through to a Redis that takes writes.
    pub fn accepts_writes(&self, host: Host) -> bool {
        let node = &self.nodes[host];
        node.fence > 0 && node.vip && node.redis.alive && node.redis.primary
    }

    /// One machine serves, the other is ready to take over with the same data.
    pub fn is_whole(&self) -> bool {
        (0..2).any(|host| {
            let (own, other) = (&self.nodes[host], &self.nodes[1 - host]);
            self.accepts_writes(host)
                && own.redis.paused == 0
                && own.memory.phase == Phase::Active
                && own.run == Run::Up
                && other.run == Run::Up
                && matches!(other.memory.phase, Phase::Backup { .. })
                && other.redis.alive
                && other.redis.linked
                && other.redis.data.id == own.redis.data.id
                && other.redis.data.offset == own.redis.data.offset
        })
    }

    /// Renames replication ids in the order of their places and counts generations from 1, so that
    /// names make no difference.
    pub(super) fn settle(&mut self) {
        let mut names = [0u8; 16];
        let mut next = 1;
        self.visit_ids(&mut |id| {
            if *id != 0 {
                let name = &mut names[usize::from(*id)];
                if *name == 0 {
                    *name = next;
                    next += 1;
                }
                *id = *name;
            }
        });
        let mut least = u8::MAX;
        self.visit_generations(&mut |generation| {
            if *generation > 0 {
                least = least.min(*generation);
            }
        });
        self.visit_generations(&mut |generation| {
            if *generation > 0 {
                *generation -= least - 1;
            }
        });
    }

    /// A replication id that nobody has.
    pub(super) fn fresh_id(&mut self) -> Id {
        let mut largest = 0;
        self.visit_ids(&mut |id| largest = largest.max(*id));
        largest + 1
    }

    fn visit_ids(&mut self, see: &mut impl FnMut(&mut Id)) {
        for node in &mut self.nodes {
            see(&mut node.redis.data.id);
            see(&mut node.redis.data.id2);
        }
        self.visit_reports(&mut |report| {
            see(&mut report.redis.id);
            see(&mut report.redis.id2);
        });
    }

    fn visit_generations(&mut self, see: &mut impl FnMut(&mut u8)) {
        for node in &mut self.nodes {
            see(&mut node.disk.generation);
            if node.run != Run::Down {
                see(&mut node.memory.generation);
            }
        }
        self.visit_reports(&mut |report| see(&mut report.generation));
    }

    fn visit_reports(&mut self, see: &mut impl FnMut(&mut Report)) {
        for node in &mut self.nodes {
            if let Some(report) = &mut node.memory.report {
                see(report);
            }
        }
        for wire in &mut self.wires {
            if let Some(report) = &mut wire.report {
                see(report);
            }
        }
    }
}

impl Wire {
    /// Nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        !self.advert && !self.farewell && self.report.is_none()
    }
}

impl Memory {
    /// A daemon that has just been started.
    pub(super) fn new(phase: Phase, disk: &Disk) -> Memory {
        Memory {
            phase,
            report: None,
            report_age: LONG_AGO,
            advert_age: LONG_AGO,
            was_active: false,
            peer_has_spoken: false,
            left: false,
            left_to_peer: false,
            blocked: 0,
            switch: None,
            command: None,
            wanted: 0,
            wanted_seen: None,
            caught_up: -1,
            caught_up_age: LONG_AGO,
            generation: disk.generation,
            held: disk.held,
            stale: false,
            beaten: false,
            closing: false,
        }
    }
}

impl Pair {
    /// 0 serves, 1 is its standby in step, and each has just heard the other.
    pub(super) fn steady(&self) -> State {
        let data = Data { id: 1, id2: 0, second: -1, offset: 1, writes: 1 };
        let node = |primary: bool| {
            let disk = Disk { generation: 1, held: true, primary };
            let phase = if primary { Phase::Active } else { Phase::Backup { down: self.down } };
            let mut memory = Memory::new(phase, &disk);
            memory.peer_has_spoken = true;
            memory.wanted_seen = Some(0);
            Node {
                run: Run::Up,
                memory,
                fence: if primary { self.fence } else { 0 },
                vip: primary,
                gate_closed: false,
                redis: Redis {
                    alive: true,
                    believed: true,
                    primary,
                    linked: !primary,
                    paused: 0,
                    data,
                    socket: None,
                },
                disk,
            }
        };
        let mut state = State {
            nodes: [node(true), node(false)],
            wires: [Wire::default(); 2],
            acked: 1,
            died: 0,
            budget: self.budget,
        };
        for host in 0..2 {
            let report = state.report(self, 1 - host);
            let memory = &mut state.nodes[host].memory;
            memory.report = Some(report);
            memory.report_age = 0;
        }
        let standby = &mut state.nodes[1].memory;
        standby.was_active = true;
        standby.advert_age = 0;
        state
    }
}

impl Tell for State {
    fn lines(&self) -> Vec<String> {
        (0..2).map(|host| self.line(host)).collect()
    }
}

impl State {
    fn line(&self, host: Host) -> String {
        let (node, wire) = (&self.nodes[host], &self.wires[host]);
        let (memory, redis) = (&node.memory, &node.redis);
        let role = match (redis.alive, redis.primary, redis.linked) {
            (false, ..) => "Redis dead",
            (_, true, _) => "primary",
            (_, _, true) => "replica in step",
            _ => "replica without link",
        };
        let Data { id, id2, second, offset, writes } = redis.data;
        let history = if id2 == 0 { String::new() } else { format!(", {id2} before {second}") };
        let generation = memory.generation;
        let report = wire.report.map(|report| report.state);
        let parts = [
            (true, format!("{:?}", node.run)),
            (node.run != Run::Down, format!("{:?}", memory.phase)),
            (memory.left_to_peer, "left to the peer".to_string()),
            (node.run != Run::Down && !memory.peer_has_spoken, "peer unheard".to_string()),
            (memory.switch.is_some(), format!("{:?}", memory.switch.map(|(switch, _)| switch))),
            (node.fence > 0, format!("fence {}", node.fence)),
            (node.vip, "address".to_string()),
            (node.gate_closed, "gate closed".to_string()),
            (true, format!("{role} (id {id}{history}, at {offset}, writes {writes:b})")),
            (node.run != Run::Down, format!("generation {generation}")),
            (redis.paused > 0, "writes paused".to_string()),
            (redis.socket.is_some(), "has not applied all".to_string()),
            (memory.command.is_some(), format!("told {:?}", memory.command)),
            (wire.advert, "an advert comes".to_string()),
            (wire.farewell, "a farewell comes".to_string()),
            (report.is_some(), format!("a report comes: {report:?}")),
        ];
        let said: Vec<String> =
            parts.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text).collect();
        format!("{host}: {}", said.join(", "))
    }
}
