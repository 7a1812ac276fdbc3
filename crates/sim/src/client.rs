//! A client on the bridge that writes through the virtual address, each write on a connection of
//! its own, and remembers what was acknowledged.

use crate::checkers::Fact;
use crate::host::HostId;
use crate::redis::{Answer, Message, WriteId};
use crate::world::{Event, World};
use keepair_core::time::Time;
use std::time::Duration;

/// A SYN without an answer is sent again after this (RFC 6298 section 2).
const SYN_AGAIN: Duration = Duration::from_secs(1);

/// What the client knows.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Acknowledged writes, in the order the acknowledgements came in, with when and by whom.
    pub acknowledged: Vec<(WriteId, Time, HostId)>,
    /// Answers of `-READONLY`.
    pub read_only: u64,
    /// The longest time between two acknowledged writes, and when it ended.
    pub longest_gap: Option<(Duration, Time)>,
    next: WriteId,
    running: bool,
    told_since: Option<Time>,
}

impl Client {
    /// Forgets the longest gap so far.
    pub fn forget_gap(&mut self) {
        self.longest_gap = None;
    }
}

impl World {
    /// The client begins to write.
    pub fn start_client(&mut self) {
        if !self.client.running {
            self.client.running = true;
            self.schedule(self.now, Event::ClientWrites);
        }
    }

    /// The client writes no more.
    pub fn stop_client(&mut self) {
        self.client.running = false;
    }

    pub(crate) fn client_writes(&mut self) {
        if !self.client.running {
            return;
        }
        let mean = self.options.client_interval.as_micros() as u64;
        let next = self.now + Duration::from_micros(self.rng.between(mean / 2, mean * 3 / 2));
        self.schedule(next, Event::ClientWrites);
        self.client.next += 1;
        self.client_sends(self.client.next);
    }

    /// To whoever answers on the address; the write is on its way with the SYN.
    pub(crate) fn client_sends(&mut self, write: WriteId) {
        let answering = HostId::BOTH.map(|host| self.answers(host).then_some(host));
        let host = match answering {
            [Some(a), Some(b)] => *self.rng.pick(&[a, b]),
            [Some(host), None] | [None, Some(host)] => host,
            [None, None] => return,
        };
        if self.rng.chance(self.network.loss_permille) {
            return;
        }
        let at = self.now + self.network.latency(&mut self.rng);
        self.schedule(at, Event::ClientArrives { host, write });
    }

    pub(crate) fn client_arrives(&mut self, host: HostId, write: WriteId) {
        if !self.answers(host) {
            return;
        }
        if self.hosts[host].kernel.holds_connections(self.now) {
            self.schedule(self.now + SYN_AGAIN, Event::ClientSends { write });
        } else {
            self.hand_to_redis(host, Message::Write(write));
        }
    }

    /// The answer leaves the machine, if the fence lets it.
    pub(crate) fn answer_client(&mut self, host: HostId, write: WriteId, answer: Answer) {
        let passes = self.hosts[host].kernel.fence_left(self.now).is_some();
        if passes && self.hosts[host].kernel.carrier {
            let at = self.now + self.network.latency(&mut self.rng);
            self.schedule(at, Event::ClientHears { host, write, answer });
        }
    }

    pub(crate) fn client_hears(&mut self, host: HostId, write: WriteId, answer: Answer) {
        match answer {
            Answer::Ok => {
                if let Some((_, before, _)) = self.client.acknowledged.last() {
                    let gap = self.now.since(*before);
                    if self.client.longest_gap.is_none_or(|(length, _)| gap > length) {
                        self.client.longest_gap = Some((gap, self.now));
                    }
                    if gap > self.options.client_interval * 3 {
                        let text = format!("writes again, to {host}, after {gap:?}");
                        self.say("client", &text);
                    }
                }
                self.client.acknowledged.push((write, self.now, host));
            }
            Answer::ReadOnly => {
                self.client.read_only += 1;
                if self.client.told_since.is_none() {
                    self.client.told_since = Some(self.now);
                    let text = format!("meets a read-only Redis on {host}");
                    self.say("client", &text);
                }
            }
            Answer::Loading | Answer::Closed => {}
        }
        self.see(&Fact::ClientHeard { host, write, answer });
    }
}
