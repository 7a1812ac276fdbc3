//! The bridge between the two machines and a client: delays, losses, cuts, carriers, and the
//! connections between the two Redis processes.
//!
//! Datagrams (adverts, reports) are lost for good. A stream loses nothing while both ends live: a
//! lost or cut segment is held and sent again. Not here: what the messages mean.

use crate::host::{HostId, PerHost};
use crate::redis::{ConnId, Message, Process, Stream};
use crate::rng::Rng;
use crate::world::{Event, World};
use keepair_core::time::Time;
use keepair_wire::info::ReplId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A kind of traffic between the two machines, which may be cut by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Traffic {
    /// VRRP.
    Adverts,
    /// The daemons' datagrams.
    Reports,
    /// Replication, ARP, everything else.
    Rest,
}

impl Traffic {
    /// All kinds.
    pub const ALL: [Traffic; 3] = [Traffic::Adverts, Traffic::Reports, Traffic::Rest];
}

/// A connection from a replica to its source.
#[derive(Clone, Debug, Default)]
struct Conn {
    /// The process at this end still has it.
    open: PerHost<bool>,
    /// Nothing may arrive at this end before what was sent earlier.
    arrives_after: PerHost<Time>,
    /// What this end's kernel could not deliver yet.
    held: PerHost<VecDeque<Stream>>,
}

/// The network.
#[derive(Clone, Debug)]
pub struct Network {
    /// One-way delay of a frame, from and to.
    pub latency_us: (u64, u64),
    /// Frames lost, of a thousand.
    pub loss_permille: u64,
    /// Which traffic does not get from one machine to the other; by sender.
    pub cuts: PerHost<BTreeSet<Traffic>>,
    conns: BTreeMap<ConnId, Conn>,
}

impl Network {
    /// A network without faults.
    pub fn new(latency_us: (u64, u64)) -> Self {
        Network { latency_us, loss_permille: 0, cuts: PerHost::default(), conns: BTreeMap::new() }
    }

    /// A drawn delay.
    pub fn latency(&self, rng: &mut Rng) -> Duration {
        Duration::from_micros(rng.between(self.latency_us.0, self.latency_us.1))
    }
}

impl World {
    /// Frames of this kind get from this machine to the other.
    pub fn path(&self, from: HostId, traffic: Traffic) -> bool {
        HostId::BOTH
            .iter()
            .all(|host| self.hosts[*host].powered && self.hosts[*host].kernel.carrier)
            && !self.network.cuts[from].contains(&traffic)
    }

    /// Sends a datagram to the other machine's daemon.
    pub(crate) fn send_frame(
        &mut self,
        from: HostId,
        traffic: Traffic,
        input: keepair_core::Input,
    ) {
        let lost = self.rng.chance(self.network.loss_permille);
        let delay = self.network.latency(&mut self.rng);
        if lost || !self.path(from, traffic) {
            return;
        }
        let at = self.now + delay;
        self.schedule(at, Event::Frame { from, traffic, input: Box::new(input) });
    }

    pub(crate) fn dial(&mut self, from: HostId, conn: ConnId, wanted: Option<(ReplId, i64)>) {
        // SYN, PING, AUTH, REPLCONF: four round trips before PSYNC.
        let delay = self.network.latency(&mut self.rng) * 7;
        let at = self.now + delay;
        self.schedule(at, Event::DialArrives { from, conn, wanted });
    }

    pub(crate) fn dial_arrives(
        &mut self,
        from: HostId,
        conn: ConnId,
        wanted: Option<(ReplId, i64)>,
    ) {
        if !self.hosts[from].redis.dials(conn) {
            return;
        }
        let to = from.peer();
        let reachable = self.path(from, Traffic::Rest) && self.path(to, Traffic::Rest);
        let host = &self.hosts[to];
        if !reachable {
            // No answer to ARP, or to SYN.
            let delay = Duration::from_millis(self.rng.between(1_000, 3_000));
            self.dial_failed(from, conn, delay);
        } else if host.redis.process == Process::Absent || host.kernel.source_closed {
            let delay = self.network.latency(&mut self.rng);
            self.dial_failed(from, conn, delay);
        } else {
            self.network
                .conns
                .insert(conn, Conn { open: PerHost([true, true]), ..Conn::default() });
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

    /// Sends along a connection between the two Redis processes.
    pub(crate) fn send_stream(&mut self, from: HostId, id: ConnId, stream: Stream) {
        let to = from.peer();
        let path = self.path(from, Traffic::Rest);
        let mut delay = self.network.latency(&mut self.rng);
        if self.rng.chance(self.network.loss_permille) {
            delay += Duration::from_micros(*self.rng.pick(&[1_500, 3_000, 200_000]));
        }
        if let Stream::Payload(_) = &stream {
            delay += self.options.transfer;
        }
        let now = self.now;
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        if stream == Stream::Closed {
            conn.open[from] = false;
        }
        if !path || !conn.held[from].is_empty() {
            conn.held[from].push_back(stream);
            return;
        }
        let at = (now + delay).max(conn.arrives_after[to] + Duration::from_micros(1));
        conn.arrives_after[to] = at;
        self.schedule(at, Event::StreamArrives { to, id, stream });
    }

    pub(crate) fn stream_arrives(&mut self, to: HostId, id: ConnId, stream: Stream) {
        let from = to.peer();
        let path = self.path(from, Traffic::Rest);
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        if !path {
            conn.held[from].push_back(stream);
        } else if conn.open[to] {
            if stream == Stream::Closed {
                self.network.conns.remove(&id);
            }
            self.hand_to_redis(to, Message::Stream(id, stream));
        } else {
            // Nobody has this connection here any more: a reset goes back.
            let told = conn.open[from];
            self.network.conns.remove(&id);
            if told {
                self.hand_to_redis(from, Message::Stream(id, Stream::Closed));
            }
        }
    }

    /// The process at this end is gone; its kernel closes the connections behind what was sent.
    pub(crate) fn close_streams(&mut self, host: HostId) {
        let ids: Vec<ConnId> = self.network.conns.keys().copied().collect();
        for id in ids {
            let open = self.network.conns.get(&id).is_some_and(|c| c.open[host]);
            if open {
                self.send_stream(host, id, Stream::Closed);
            }
        }
    }

    /// The machine is gone: nobody says anything, and what its kernel still held is lost.
    pub(crate) fn forget_streams(&mut self, host: HostId) {
        for conn in self.network.conns.values_mut() {
            conn.open[host] = false;
            conn.held[host].clear();
        }
    }

    /// A path is back: what was held is sent again when the retransmission timers fire.
    pub(crate) fn path_is_back(&mut self) {
        let ids: Vec<ConnId> = self.network.conns.keys().copied().collect();
        for id in ids {
            let at = self.now + Duration::from_millis(self.rng.between(5, 1_500));
            self.schedule(at, Event::SendHeld { id });
        }
    }

    pub(crate) fn send_held(&mut self, id: ConnId) {
        for from in HostId::BOTH {
            if !self.path(from, Traffic::Rest) {
                continue;
            }
            let held = match self.network.conns.get_mut(&id) {
                Some(conn) => std::mem::take(&mut conn.held[from]),
                None => return,
            };
            for stream in held {
                self.send_stream(from, id, stream);
            }
        }
    }
}
