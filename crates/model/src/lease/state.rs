//! What is known where, in small numbers.
//!
//! Stamps are compared, never counted: after every step those of one sender are renumbered from 1
//! in their order ([`State::settle`]), so that a run without end has finitely many states.

use super::{Keeper, Lease, Start};
use crate::check::Tell;

/// A number its sender uses once; 0 is none.
type Stamp = u8;

/// One of the two machines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Host {
    /// The one that serves in [`Start::Steady`].
    A,
    /// The other.
    B,
}

impl Host {
    /// Both.
    pub const BOTH: [Host; 2] = [Host::A, Host::B];

    /// The other one.
    pub fn peer(self) -> Host {
        match self {
            Host::A => Host::B,
            Host::B => Host::A,
        }
    }
}

/// What a daemon is at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// Votes, claims nothing.
    Standby,
    /// Wants the address, votes no more.
    Claiming,
    /// Has opened the fence, and may not have noticed that it closed.
    Active,
}

/// One machine: its kernel's fence and its daemon's memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node {
    /// What the daemon is at.
    pub mode: Mode,
    /// The kernel serves the address for so many ticks more.
    pub fence: u8,
    /// It may not claim for so many ticks: a vote binds it.
    pub bound: u8,
    /// Without a right it may not ask the witness for so many ticks: what a witness granted before
    /// it was restarted may still count.
    pub fog: u8,
    /// Its newest stamp.
    pub stamp: Stamp,
    /// Ticks since that was sent.
    pub age: u8,
    /// That stamp was voted for; by [`Wrong::OpensForASpan`](super::Wrong), for how long to open.
    pub answer: u8,
    /// It will never use a vote for its own stamps up to here.
    pub void: Stamp,
    /// The newest of the peer's stamps it has heard.
    pub heard: Stamp,
    /// The newest of the peer's stamps that may have been voted for, by itself or, as far as it
    /// knows, by the witness.
    pub known: Stamp,
    /// The peer has said that all of these are void (kept for [`Keeper::Expiry`] only).
    pub known_void: bool,
    /// It knows which run of the witness it speaks to.
    pub knows_witness: bool,
    /// With [`Wrong::VotesBeforeClosing`](super::Wrong): the fence is still to be closed.
    pub closing: bool,
}

/// A datagram from daemon to daemon.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Report {
    /// Its number.
    pub stamp: Stamp,
    /// The sender's stamps up to here are worth nothing any more.
    pub void: Stamp,
    /// The sender holds or wants the address.
    pub wants: bool,
    /// The newest of the receiver's stamps that the sender votes for.
    pub vote: Stamp,
}

/// What a machine asks of the witness: the address, for this stamp, over the peer's stamps up to
/// that one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Request {
    /// The stamp to be voted for.
    pub stamp: Stamp,
    /// The peer's stamps up to here are not in the way.
    pub over: Stamp,
}

/// The witness's memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Witness {
    /// Whom it voted for last.
    pub holder: Option<Host>,
    /// That one's newest stamp it has seen.
    pub beat: Stamp,
    /// [`Keeper::Expiry`]: the key lives for so many ticks more.
    pub left: u8,
    /// [`Keeper::Expiry`]: just restarted, it grants nothing for so many ticks.
    pub silent: u8,
}

/// Everything.
/// Everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The machines.
    pub nodes: [Node; 2],
    /// Under way from each machine to the other.
    pub reports: [Option<Report>; 2],
    /// Under way, or arrived and perhaps arriving again, from each machine to the witness.
    pub requests: [Option<Request>; 2],
    /// The witness.
    pub witness: Witness,
}

impl State {
    /// One machine.
    pub fn node(&self, host: Host) -> &Node {
        &self.nodes[host as usize]
    }

    /// One machine.
    pub(super) fn node_mut(&mut self, host: Host) -> &mut Node {
        &mut self.nodes[host as usize]
    }

    /// The machine's kernel lets clients through.
    pub fn serves(&self, host: Host) -> bool {
        self.node(host).fence > 0
    }

    /// Drops what can have no effect any more and renumbers stamps.
    pub(super) fn settle(&mut self, model: &Lease) {
        for host in Host::BOTH {
            let heard = self.node(host.peer()).heard;
            let report = &mut self.reports[host as usize];
            if report.is_some_and(|report| report.stamp <= heard) {
                *report = None;
            }
            let node = self.node_mut(host);
            if node.stamp <= node.void {
                node.age = model.worthless();
            }
            if node.age >= model.worthless() && model.wrong != Some(super::Wrong::CountsFromAnswer)
            {
                node.answer = 0;
            }
            if !matches!(model.keeper, Keeper::Expiry(_)) {
                node.known_void = false;
            }
        }
        for host in Host::BOTH {
            // A vote for an older stamp than the newest counts nothing, now or later.
            let node = self.node(host);
            let (stamp, void, known) = (node.stamp, node.void, node.known);
            if let Some(report) = &mut self.reports[host.peer() as usize] {
                if report.vote < stamp || report.vote <= void {
                    report.vote = 0;
                }
                if report.void < known && !model.restarts {
                    report.void = 0;
                }
            }
        }
        for host in Host::BOTH {
            let mut used = 1u32;
            self.visit(host, &mut |stamp| used |= 1 << *stamp);
            self.visit(host, &mut |stamp| {
                *stamp = (used & ((1u32 << *stamp) - 1)).count_ones() as Stamp;
            });
        }
        if model.symmetric {
            let key = |at: usize| (&self.nodes[at], self.reports[at], self.requests[at]);
            if key(1) < key(0) {
                self.mirror();
            }
        }
    }

    /// The same with the machines' names exchanged.
    fn mirror(&mut self) {
        self.nodes.swap(0, 1);
        self.reports.swap(0, 1);
        self.requests.swap(0, 1);
        self.witness.holder = self.witness.holder.map(Host::peer);
    }

    /// Every place where a stamp of `owner` is kept.
    fn visit(&mut self, owner: Host, see: &mut impl FnMut(&mut Stamp)) {
        let (own, other) = (owner as usize, owner.peer() as usize);
        see(&mut self.nodes[own].stamp);
        see(&mut self.nodes[own].void);
        see(&mut self.nodes[other].heard);
        see(&mut self.nodes[other].known);
        if let Some(report) = &mut self.reports[own] {
            see(&mut report.stamp);
            see(&mut report.void);
        }
        if let Some(report) = &mut self.reports[other] {
            see(&mut report.vote);
        }
        if let Some(request) = &mut self.requests[own] {
            see(&mut request.stamp);
        }
        if let Some(request) = &mut self.requests[other] {
            see(&mut request.over);
        }
        if self.witness.holder == Some(owner) {
            see(&mut self.witness.beat);
        }
    }
}

impl Lease {
    /// Where the run begins.
    pub(super) fn first(&self) -> State {
        let node = |mode, fence| Node {
            mode,
            fence,
            bound: 0,
            fog: 0,
            stamp: 0,
            age: self.worthless(),
            answer: 0,
            void: 0,
            heard: 0,
            known: 0,
            known_void: false,
            knows_witness: true,
            closing: false,
        };
        let mut state = State {
            nodes: [node(Mode::Standby, 0), node(Mode::Standby, 0)],
            reports: [None; 2],
            requests: [None; 2],
            witness: Witness { holder: None, beat: 0, left: 0, silent: 0 },
        };
        match self.start {
            Start::Cold => {
                for node in &mut state.nodes {
                    node.bound = self.wait;
                    node.knows_witness = false;
                }
                if let Keeper::Expiry(life) = self.keeper {
                    state.witness.silent = life;
                }
            }
            Start::Steady => {
                state.nodes[0] = node(Mode::Active, self.fence - 1);
                state.nodes[0].stamp = 1;
                state.nodes[1].heard = 1;
                state.nodes[1].known = 1;
                state.nodes[1].bound = self.wait;
                state.witness.holder = Some(Host::A);
                state.witness.beat = 1;
                if let Keeper::Expiry(life) = self.keeper {
                    state.witness.left = life;
                }
            }
        }
        state
    }
}

impl Tell for State {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Host::BOTH.iter().map(|host| self.line(*host)).collect();
        let witness = &self.witness;
        lines.push(match witness.holder {
            Some(host) => format!("witness: {host:?} holds, stamp {}", witness.beat),
            None => "witness: knows of nobody".to_string(),
        });
        lines
    }
}

impl State {
    fn line(&self, host: Host) -> String {
        let node = self.node(host);
        let mut line = format!("{host:?} {:?}, fence {}", node.mode, node.fence);
        let mut add = |name: &str, value: u8| {
            if value > 0 {
                line += &format!(", {name} {value}");
            }
        };
        add("bound", node.bound);
        add("fog", node.fog);
        add("stamp", node.stamp);
        add("age", node.age);
        add("answer for", node.answer);
        add("void to", node.void);
        add("heard", node.heard);
        add("known", node.known);
        if let Some(report) = self.reports[host as usize] {
            line += &format!("; says {report:?}");
        }
        if let Some(request) = self.requests[host as usize] {
            line += &format!("; asks {request:?}");
        }
        line
    }
}
