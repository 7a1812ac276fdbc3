//! The connections between the two Redis processes.
//!
//! A connection loses nothing while both ends live: a lost or cut segment is held and sent again.
//! When a process ends, its kernel closes the connection behind what was sent; when a machine ends,
//! nobody says anything.

use crate::checkers::Fact;
use crate::host::{HostId, PerHost};
use crate::network::Traffic;
use crate::redis::{ConnId, Message, Process, Stream, Wanted, WriteId};
use crate::world::{Event, World};
use keepair_core::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// A connection from a replica to its source.
#[derive(Clone, Debug)]
struct Conn {
    id: ConnId,
    /// The process at this end still has it.
    open: PerHost<bool>,
    /// Segments that this end has sent, and that it has received in order.
    sent: PerHost<u64>,
    received: PerHost<u64>,
    /// Ordinarily nothing arrives at this end before what was sent earlier.
    arrives_after: PerHost<Time>,
    /// What this end's kernel could not deliver yet.
    held: PerHost<VecDeque<Segment>>,
    /// What arrived at this end too early.
    early: PerHost<Vec<Segment>>,
}

/// What is sent, with its number.
type Segment = (u64, Stream);

/// All connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams(Vec<Conn>);

impl Streams {
    fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.0.iter_mut().find(|conn| conn.id == id)
    }

    fn remove(&mut self, id: ConnId) {
        self.0.retain(|conn| conn.id != id);
    }

    fn ids(&self) -> Vec<ConnId> {
        self.0.iter().map(|conn| conn.id).collect()
    }

    /// This machine's end of a connection whose other end is gone, and does not know it.
    pub(crate) fn half_open(&self, host: HostId) -> bool {
        self.0.iter().any(|conn| conn.open[host] && !conn.open[host.peer()])
    }

    /// The writes that this machine's kernel still has to deliver, to somebody who waits for them.
    pub(crate) fn held_by(&self, host: HostId) -> impl Iterator<Item = WriteId> + '_ {
        let awaited = self.0.iter().filter(move |conn| conn.open[host.peer()]);
        awaited.flat_map(move |conn| conn.held[host].iter()).filter_map(
            |(_, stream)| match stream {
                Stream::Data(entry) => entry.write,
                _ => None,
            },
        )
    }
}

impl World {
    pub(crate) fn dial(&mut self, from: HostId, conn: ConnId, wanted: Wanted) {
        // SYN, PING, AUTH, REPLCONF: four round trips before PSYNC.
        let delay = self.network.latency(&mut self.rng) * 7;
        let at = self.now + delay;
        self.schedule(at, Event::DialArrives { from, conn, wanted });
    }

    pub(crate) fn dial_arrives(&mut self, from: HostId, conn: ConnId, wanted: Wanted) {
        if !self.hosts[from].redis.dials(conn) {
            return;
        }
        let to = from.peer();
        let found = self.network.switch.finds(to);
        self.network.switch.learn(from);
        let reachable = self.path(from, Traffic::Rest) && self.path(to, Traffic::Rest) && found;
        let host = &self.hosts[to];
        if !reachable {
            // No answer to ARP, or to SYN.
            let delay = Duration::from_millis(self.rng.between(1_000, 3_000));
            self.dial_failed(from, conn, delay);
        } else if host.redis.process == Process::Absent || host.kernel.source_closed() {
            if host.kernel.source_closed() {
                self.see(&Fact::GateRefuses { host: to });
            }
            let delay = self.network.latency(&mut self.rng);
            self.dial_failed(from, conn, delay);
        } else {
            self.network.switch.learn(to);
            self.see(&Fact::Admits { host: to });
            self.network.streams.0.push(Conn {
                id: conn,
                open: PerHost([true, true]),
                sent: PerHost::default(),
                received: PerHost::default(),
                arrives_after: PerHost::default(),
                held: PerHost::default(),
                early: PerHost::default(),
            });
            self.hand_to_redis(to, Message::Stream(conn, Stream::Psync(wanted)));
        }
    }

    fn dial_failed(&mut self, from: HostId, conn: ConnId, delay: Duration) {
        let at = self.now + delay;
        let run = self.hosts[from].redis.run;
        self.schedule(
            at,
            Event::RedisMessage { host: from, run, message: Message::DialFailed(conn) },
        );
    }

    /// Sends along a connection.
    pub(crate) fn send_stream(&mut self, from: HostId, id: ConnId, stream: Stream) {
        let Some(conn) = self.network.streams.get(id) else {
            return;
        };
        conn.sent[from] += 1;
        let segment = (conn.sent[from], stream);
        self.send_segment(from, id, segment);
    }

    fn send_segment(&mut self, from: HostId, id: ConnId, segment: Segment) {
        let to = from.peer();
        let path = self.path(from, Traffic::Rest);
        let mut delay = self.network.latency(&mut self.rng);
        if self.rng.chance(self.network.weather.lost) {
            delay += Duration::from_micros(*self.rng.pick(&[1_500, 3_000, 200_000]));
        }
        let now = self.now;
        let Some(conn) = self.network.streams.get(id) else {
            return;
        };
        if segment.1 == Stream::Closed {
            conn.open[from] = false;
        }
        if !path || !conn.held[from].is_empty() {
            conn.held[from].push_back(segment);
            return;
        }
        let at = (now + delay).max(conn.arrives_after[to] + Duration::from_micros(1));
        conn.arrives_after[to] = at;
        let (number, stream) = segment;
        self.schedule(at, Event::StreamArrives { to, id, number, stream });
    }

    pub(crate) fn stream_arrives(&mut self, to: HostId, id: ConnId, number: u64, stream: Stream) {
        let from = to.peer();
        // What its sender has sent arrives, whatever became of the sender since.
        let path = self.on_network(to) && !self.network.is_cut(from, Traffic::Rest);
        let Some(conn) = self.network.streams.get(id) else {
            return;
        };
        if !path {
            conn.held[from].push_back((number, stream));
        } else if conn.open[to] {
            conn.early[to].push((number, stream));
            self.receive_in_order(to, id);
        } else {
            // Nobody has this connection here any more: a reset goes back.
            let told = conn.open[from];
            self.network.streams.remove(id);
            if told {
                self.hand_to_redis(from, Message::Stream(id, Stream::Closed));
            }
        }
    }

    fn receive_in_order(&mut self, to: HostId, id: ConnId) {
        while let Some(conn) = self.network.streams.get(id) {
            let next = conn.received[to] + 1;
            let Some(at) = conn.early[to].iter().position(|(number, _)| *number == next) else {
                return;
            };
            let (_, stream) = conn.early[to].swap_remove(at);
            conn.received[to] = next;
            if stream == Stream::Closed {
                self.network.streams.remove(id);
            }
            self.hand_to_redis(to, Message::Stream(id, stream));
        }
    }

    /// The process at this end is gone; its kernel closes the connections behind what was sent.
    pub(crate) fn close_streams(&mut self, host: HostId) {
        for id in self.network.streams.ids() {
            if self.network.streams.get(id).is_some_and(|conn| conn.open[host]) {
                self.send_stream(host, id, Stream::Closed);
            }
        }
    }

    /// The machine is gone: nobody says anything, and what its kernel still held is lost.
    pub(crate) fn forget_streams(&mut self, host: HostId) {
        for conn in &mut self.network.streams.0 {
            conn.open[host] = false;
            conn.held[host].clear();
            conn.early[host].clear();
        }
        self.network.streams.0.retain(|conn| conn.open[host.peer()]);
    }

    /// A path is back: what was held is sent again when the retransmission timers fire.
    pub(crate) fn path_is_back(&mut self) {
        for id in self.network.streams.ids() {
            let at = self.now + Duration::from_millis(self.rng.between(5, 1_500));
            self.schedule(at, Event::SendHeld { id });
        }
    }

    pub(crate) fn send_held(&mut self, id: ConnId) {
        for from in HostId::BOTH {
            if !self.path(from, Traffic::Rest) {
                continue;
            }
            let held = match self.network.streams.get(id) {
                Some(conn) => std::mem::take(&mut conn.held[from]),
                None => return,
            };
            for segment in held {
                self.send_segment(from, id, segment);
            }
        }
    }
}
