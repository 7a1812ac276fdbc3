//! Who writes, and remembers what was acknowledged: a client on the bridge, through the virtual
//! address, each write on a connection of its own; and a program on one of the machines, through
//! loopback.
//!
//! The client writes often while something is going on, and seldom while nothing is.

use crate::bridge::{ArpCache, Route};
use crate::checkers::Fact;
use crate::host::HostId;
use crate::options::VIPS;
use crate::redis::{Answer, Message, Origin, WriteId};
use crate::world::{Event, World};
use keepair_core::time::Time;
use std::time::Duration;

/// A SYN without an answer is sent again after this (RFC 6298 section 2).
const SYN_AGAIN: Duration = Duration::from_secs(1);
/// The client is attentive for so long after something has happened.
const ATTENTIVE: Duration = Duration::from_millis(600);
/// Between two writes of the program on a machine.
const LOCAL_INTERVAL: Duration = Duration::from_millis(20);
/// Smaller numbers are writes of a past that nobody saw.
pub(crate) const FIRST: WriteId = 1_000;

/// What the clients know.
#[derive(Clone, Debug)]
pub struct Client {
    /// Writes acknowledged at the address, in the order the acknowledgements came in, with when and
    /// by whom.
    pub acknowledged: Vec<(WriteId, Time, HostId)>,
    /// The longest time between two acknowledged writes, and when it ended.
    pub longest_gap: Option<(Duration, Time)>,
    /// What its kernel believes.
    pub arp: ArpCache,
    /// When the program on each machine that writes through loopback stops.
    local_until: [Time; 2],
    next: WriteId,
    running: bool,
    attentive_until: Time,
    /// Counts turns, so that one that was put forward does not happen twice.
    turn: u64,
    told_read_only: bool,
}

impl Client {
    /// A client that has not begun.
    pub fn new(arp: ArpCache) -> Self {
        Client {
            acknowledged: Vec::new(),
            longest_gap: None,
            arp,
            local_until: [Time(0); 2],
            next: FIRST,
            running: false,
            attentive_until: Time(0),
            turn: 0,
            told_read_only: false,
        }
    }

    /// Forgets the longest gap so far.
    pub fn forget_gap(&mut self) {
        self.longest_gap = None;
    }

    fn number(&mut self) -> WriteId {
        self.next += 1;
        self.next
    }
}

impl World {
    /// The client begins to write.
    pub fn start_client(&mut self) {
        if !self.client.running {
            self.client.running = true;
            self.client.turn += 1;
            self.schedule(self.now, Event::ClientWrites { turn: self.client.turn });
        }
    }

    /// The client writes no more.
    pub fn stop_client(&mut self) {
        self.client.running = false;
    }

    /// Something is going on: the client writes often for a while.
    pub fn attend(&mut self) {
        let was = self.client.attentive_until >= self.now;
        self.client.attentive_until = self.now + ATTENTIVE;
        if !was && self.client.running {
            self.client.turn += 1;
            self.schedule(self.now, Event::ClientWrites { turn: self.client.turn });
        }
    }

    pub(crate) fn client_writes(&mut self, turn: u64) {
        if !self.client.running || self.client.turn != turn {
            return;
        }
        let attentive = self.now <= self.client.attentive_until;
        let options = &self.options;
        let mean = if attentive { options.client_interval } else { options.client_rest };
        let mean = mean.as_micros() as u64;
        let next = self.now + Duration::from_micros(self.rng.between(mean / 2, mean * 3 / 2));
        self.schedule(next, Event::ClientWrites { turn });
        let write = self.client.number();
        self.client_sends(write);
    }

    /// To the machine that the client's kernel believes to have the address; the write is on its
    /// way with the SYN.
    pub(crate) fn client_sends(&mut self, write: WriteId) {
        let answers = HostId::BOTH.map(|host| self.client_path(host) && self.answers(host));
        let host = match self.client.arp.route(self.now, |host| answers[host.index()]) {
            Route::To(host) => host,
            Route::Ask => return self.ask_for_address(),
            Route::Wait => return,
        };
        self.see(&Fact::ClientSends { host });
        let lost = self.rng.chance(self.network.weather.lost);
        if lost || !self.client_path(host) || !self.network.switch.finds(host) {
            return;
        }
        let at = self.now + self.network.latency(&mut self.rng);
        self.schedule(at, Event::ClientArrives { host, write });
    }

    pub(crate) fn client_arrives(&mut self, host: HostId, write: WriteId) {
        if !self.answers(host) {
            return;
        }
        self.network.switch.learn(host);
        let clock = self.hosts[host].clock.read(self.now);
        if self.hosts[host].kernel.holds_connections(clock) {
            self.see(&Fact::ConnectionWaits { host });
            self.schedule(self.now + SYN_AGAIN, Event::ClientSends { write });
        } else {
            self.hand_to_redis(host, Message::Write(Origin::Address, write));
        }
    }

    /// The answer leaves the machine, if the fence lets it; on loopback nothing is in its way.
    pub(crate) fn answer_client(
        &mut self,
        host: HostId,
        origin: Origin,
        write: WriteId,
        answer: Answer,
    ) {
        if origin == Origin::Local {
            self.see(&Fact::LocalHeard { host, write, answer });
            return;
        }
        // Nobody can send from an address that is gone, fence or not.
        let clock = self.hosts[host].clock.read(self.now);
        let kernel = &self.hosts[host].kernel;
        if !kernel.has(VIPS[0]) || !kernel.passes(clock) {
            self.see(&Fact::Muffled { host, write, answer });
        } else if self.client_path(host) {
            let at = self.now + self.network.latency(&mut self.rng);
            self.schedule(at, Event::ClientHears { host, write, answer });
        }
    }

    pub(crate) fn client_hears(&mut self, host: HostId, write: WriteId, answer: Answer) {
        match answer {
            Answer::Ok => {
                self.client.arp.confirm(self.now, host);
                if let Some((_, before, _)) = self.client.acknowledged.last() {
                    let gap = self.now.since(*before);
                    if self.client.longest_gap.is_none_or(|(length, _)| gap > length) {
                        self.client.longest_gap = Some((gap, self.now));
                    }
                    if gap > (self.options.client_rest * 2).max(self.options.client_interval * 3) {
                        self.say(&"client", format_args!("writes again, to {host}, after {gap:?}"));
                    }
                }
                self.client.acknowledged.push((write, self.now, host));
            }
            Answer::ReadOnly if !self.client.told_read_only => {
                self.client.told_read_only = true;
                self.say(&"client", format_args!("meets a read-only Redis on {host}"));
            }
            _ => {}
        }
        self.see(&Fact::ClientHeard { host, write, answer });
    }

    /// A program on the machine writes to its Redis for so long.
    pub(crate) fn write_locally(&mut self, host: HostId, length: Duration) {
        let until = self.now + length;
        let writes = self.now < self.client.local_until[host.index()];
        self.client.local_until[host.index()] = until;
        if !writes {
            self.schedule(self.now, Event::LocalWrites { host });
        }
    }

    pub(crate) fn local_writes(&mut self, host: HostId) {
        if self.now >= self.client.local_until[host.index()] {
            return;
        }
        self.schedule(self.now + LOCAL_INTERVAL, Event::LocalWrites { host });
        let write = self.client.number();
        self.hand_to_redis(host, Message::Write(Origin::Local, write));
    }
}
