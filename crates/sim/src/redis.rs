//! A model of one Redis process and of its RDB file: roles, replication ids and offsets, partial
//! and full resynchronisation, pauses, restarts.
//!
//! One thread, as the real one: a message waits in the inbox while the process is stopped or busy.
//! Data is the ordered list of the writes it holds, so that what is lost can be counted exactly.
//! Not here: how messages travel ([`crate::network`]), when faults happen ([`crate::fault`]).
//! Modelled after Redis 7.0 (replication.c).

mod query;
mod replication;

use crate::host::HostId;
use crate::rng::Rng;
use keepair_core::action::Query;
use keepair_core::input::{RedisInput, Reply};
use keepair_core::time::Time;
use keepair_wire::info::{ReplId, RunId};
use replication::{Attached, Backlog, Upstream};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of the stream that one write takes.
const WRITE_LEN: i64 = 47;
/// Bytes of the stream that a PING to the replicas takes.
const PING_LEN: i64 = 14;
/// `repl-ping-replica-period`.
const PING_PERIOD: Duration = Duration::from_secs(10);
/// `repl-timeout`.
const REPL_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two turns of `replicationCron`.
pub const CRON_PERIOD: Duration = Duration::from_secs(1);

/// A write command of a client, by its number.
pub type WriteId = u64;
/// A connection between the two Redis processes.
pub type ConnId = u64;

/// How the process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Process {
    /// There is none.
    Absent,
    /// It runs.
    Running,
    /// It was sent SIGSTOP.
    Stopped,
    /// It was killed; its sockets are still open.
    Exiting,
}

/// What a start of the process finds on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Boot {
    /// Nothing.
    Empty,
    /// The RDB file, as old as it is.
    Rdb,
}

/// One command of the replication stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The offset of its last byte.
    pub end: i64,
    /// The write, or a PING.
    pub write: Option<WriteId>,
}

/// All data at one offset of one history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The history.
    pub replid: ReplId,
    /// The offset in it.
    pub offset: i64,
    /// The data.
    pub data: Vec<WriteId>,
}

/// What travels between the two Redis processes.
#[derive(Clone, PartialEq, Debug)]
pub enum Stream {
    /// `PSYNC`: the history and the last offset the replica holds; `None` is `? -1`.
    Psync(Option<(ReplId, i64)>),
    /// `+CONTINUE` with the source's replication id.
    Continue(ReplId),
    /// `+FULLRESYNC`.
    FullResync,
    /// The payload of a full resync.
    Payload(Snapshot),
    /// `-NOMASTERLINK` or `-LOADING`: try again later.
    Later,
    /// A command.
    Data(Entry),
    /// `REPLCONF ACK`.
    Ack(i64),
    /// The end of the connection.
    Closed,
}

/// What a Redis process takes in.
#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    /// The daemon's connection authenticates.
    Hello {
        /// The connection.
        session: u64,
    },
    /// The daemon asks.
    Query {
        /// The connection.
        session: u64,
        /// What.
        query: Query,
    },
    /// A client writes.
    Write(WriteId),
    /// The other Redis.
    Stream(ConnId, Stream),
    /// A connection to the other Redis could not be made.
    DialFailed(ConnId),
    /// `replicationCron`.
    Cron,
    /// Commands that were read are to be applied.
    Apply,
    /// The RDB file has been read.
    Loaded,
    /// A pause may be over.
    PauseOver,
}

/// What a client is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// `+OK`.
    Ok,
    /// `-READONLY`.
    ReadOnly,
    /// `-LOADING`.
    Loading,
    /// The connection was closed.
    Closed,
}

/// What a Redis process does to its surroundings.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Tells the daemon.
    Daemon {
        /// On this connection.
        session: u64,
        /// What.
        input: RedisInput,
    },
    /// Answers a client.
    Client(WriteId, Answer),
    /// Sends to the other Redis.
    Send(ConnId, Stream),
    /// Connects to the other Redis, and asks for this when connected.
    Dial(ConnId, Option<(ReplId, i64)>),
    /// Wants to be given a message later.
    At(Time, Message),
    /// A full resync replaced the data.
    Overwritten {
        /// What was there and is not any more.
        lost: Vec<WriteId>,
        /// The new data is nothing at all.
        with_nothing: bool,
    },
    /// Something worth a line.
    Note(String),
}

/// One Redis process.
#[derive(Clone, Debug)]
pub struct Redis {
    host: HostId,
    rng: Rng,
    /// The process.
    pub process: Process,
    /// Counts starts; messages to an earlier run are void.
    pub run: u64,
    /// The event loop is taken until then.
    pub busy_until: Time,
    /// Answers to the daemon take this much longer.
    pub slow: Duration,
    /// Messages that wait for the event loop.
    pub inbox: VecDeque<Message>,
    /// The RDB file.
    pub rdb: Option<Snapshot>,
    /// The data, in the order it was written.
    pub data: Vec<WriteId>,
    /// A command is applied so long after it was read, from and to.
    pub apply_us: (u64, u64),
    /// Time between two saves of the RDB file.
    pub save_interval: Duration,
    /// INFO `sync_full` and `sync_partial_ok`.
    pub synced: (u64, u64),
    saved_at: Time,
    pid: u32,
    run_id: RunId,
    loading: Option<Snapshot>,
    replid: ReplId,
    replid2: Option<ReplId>,
    second_offset: i64,
    offset: i64,
    unapplied: VecDeque<Entry>,
    backlog: Option<Backlog>,
    upstream: Option<Upstream>,
    attached: Vec<Attached>,
    paused_until: Option<Time>,
    held: Vec<WriteId>,
    pinged_at: Time,
}

impl Redis {
    /// No process yet.
    pub fn new(host: HostId) -> Self {
        Redis {
            host,
            rng: Rng::new(0),
            process: Process::Absent,
            run: 0,
            busy_until: Time(0),
            slow: Duration::ZERO,
            inbox: VecDeque::new(),
            rdb: None,
            data: Vec::new(),
            apply_us: (5, 60),
            save_interval: Duration::from_secs(10),
            synced: (0, 0),
            saved_at: Time(0),
            pid: 0,
            run_id: RunId([0; 20]),
            loading: None,
            replid: ReplId([0; 20]),
            replid2: None,
            second_offset: -1,
            offset: 0,
            unapplied: VecDeque::new(),
            backlog: None,
            upstream: None,
            attached: Vec::new(),
            paused_until: None,
            held: Vec::new(),
            pinged_at: Time(0),
        }
    }

    /// A new process, as primary: nothing on the disk tells it to be a replica.
    pub fn start(&mut self, now: Time, boot: Boot, mut rng: Rng, out: &mut Vec<Effect>) {
        let load_us = rng.between(1_000, 50_000);
        let fresh = Redis {
            process: Process::Running,
            run: self.run + 1,
            rdb: self.rdb.take(),
            slow: self.slow,
            apply_us: self.apply_us,
            save_interval: self.save_interval,
            saved_at: now,
            pid: 1000 + self.run as u32,
            run_id: RunId(rng.id()),
            replid: ReplId(rng.id()),
            pinged_at: now,
            ..Redis::new(self.host)
        };
        *self = fresh;
        match boot {
            Boot::Empty => self.rdb = None,
            Boot::Rdb => self.loading = self.rdb.clone(),
        }
        if self.loading.is_some() {
            out.push(Effect::At(now + Duration::from_micros(load_us), Message::Loaded));
        }
        let phase = Duration::from_micros(rng.between(1_000, 1_000_000));
        out.push(Effect::At(now + phase, Message::Cron));
        self.rng = rng;
        out.push(Effect::Note(format!(
            "Redis started, pid {}, {}",
            self.pid,
            match &self.loading {
                Some(snapshot) => format!("with {} writes from its file", snapshot.data.len()),
                None => "empty".to_string(),
            }
        )));
    }

    /// The event loop turns.
    pub fn turns(&self, now: Time) -> bool {
        self.process == Process::Running && now >= self.busy_until
    }

    /// It accepts writes.
    pub fn is_primary(&self) -> bool {
        self.upstream.is_none() && self.process != Process::Absent
    }

    /// It is reading its file.
    pub fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// What `/proc` says of the process with this pid.
    pub fn look(&self, now: Time, pid: u32) -> keepair_core::input::Process {
        let own = pid == self.pid;
        let busy = now < self.busy_until;
        let (state, exiting) = match self.process {
            _ if !own => ('X', true),
            Process::Absent => ('X', true),
            Process::Exiting => ('Z', true),
            Process::Stopped => ('T', false),
            Process::Running if busy => ('R', false),
            Process::Running => ('S', false),
        };
        keepair_core::input::Process {
            state,
            exiting,
            cpu_ticks: if busy { now.0 / 10_000 } else { 0 },
        }
    }

    /// The pid of the last process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Every write it has in memory or has read: what it would hold if it were promoted with care.
    pub fn holds(&self) -> impl Iterator<Item = WriteId> + '_ {
        let waiting = self.inbox.iter().filter_map(|message| match message {
            Message::Stream(_, Stream::Data(entry)) => entry.write,
            _ => None,
        });
        let unapplied = self.unapplied.iter().filter_map(|entry| entry.write);
        self.data.iter().copied().chain(unapplied).chain(waiting)
    }

    /// One turn of the event loop.
    pub fn handle(&mut self, now: Time, message: Message, out: &mut Vec<Effect>) {
        match message {
            Message::Hello { session } => {
                out.push(Effect::Daemon { session, input: RedisInput::Connected })
            }
            Message::Query { session, query } => {
                let reply = self.answer(now, query, out);
                out.push(Effect::Daemon { session, input: RedisInput::Reply(query, reply) });
            }
            Message::Write(write) => self.write(write, out),
            Message::Stream(conn, stream) => self.hear(now, conn, stream, out),
            Message::DialFailed(conn) => self.dial_failed(conn),
            Message::Cron => self.cron(now, out),
            Message::Apply => self.apply_due(out),
            Message::Loaded => self.loaded(out),
            Message::PauseOver => {
                if self.paused_until.is_some_and(|until| now >= until) {
                    self.resume(out);
                }
            }
        }
    }

    fn write(&mut self, write: WriteId, out: &mut Vec<Effect>) {
        // In the order of processCommand: a held command is judged anew when the pause is over.
        if self.upstream.is_some() {
            out.push(Effect::Client(write, Answer::ReadOnly));
        } else if self.is_loading() {
            out.push(Effect::Client(write, Answer::Loading));
        } else if self.paused_until.is_some() {
            self.held.push(write);
        } else {
            self.data.push(write);
            self.append(Some(write), WRITE_LEN, out);
            out.push(Effect::Client(write, Answer::Ok));
        }
    }

    fn resume(&mut self, out: &mut Vec<Effect>) {
        self.paused_until = None;
        for write in std::mem::take(&mut self.held) {
            self.write(write, out);
        }
    }

    fn kill_clients(&mut self, out: &mut Vec<Effect>) {
        for write in std::mem::take(&mut self.held) {
            out.push(Effect::Client(write, Answer::Closed));
        }
    }

    /// Writes the file now.
    pub fn save_now(&mut self) {
        if !self.is_loading() {
            self.rdb = Some(self.snapshot());
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { replid: self.replid, offset: self.offset, data: self.data.clone() }
    }

    /// A primary restarted from its file keeps the file's history as its second id (Redis 7.0).
    fn loaded(&mut self, out: &mut Vec<Effect>) {
        let Some(snapshot) = self.loading.take() else {
            return;
        };
        self.data = snapshot.data;
        self.replid2 = Some(snapshot.replid);
        self.second_offset = snapshot.offset + 1;
        self.offset = snapshot.offset;
        self.backlog = Some(Backlog::new(self.offset));
        out.push(Effect::Note("Redis has read its file".to_string()));
    }

    fn answer(&mut self, now: Time, query: Query, out: &mut Vec<Effect>) -> Reply {
        let loading = || Reply::Error("LOADING Redis is loading the dataset in memory".to_string());
        match query {
            Query::Ping if self.is_loading() => loading(),
            Query::Ping => Reply::Ok,
            Query::Info => Reply::Info(Box::new(self.info(now))),
            Query::Settings => Reply::Settings(Box::new(query::settings())),
            Query::Promote | Query::Follow if self.is_loading() => loading(),
            Query::Promote => {
                self.promote(out);
                Reply::Ok
            }
            Query::Follow => {
                self.kill_clients(out);
                self.follow(out);
                Reply::Ok
            }
            Query::PauseWrites(length) => {
                let until = now + length;
                self.paused_until = Some(self.paused_until.map_or(until, |old| old.max(until)));
                out.push(Effect::At(until, Message::PauseOver));
                Reply::Ok
            }
            Query::ResumeWrites => {
                self.resume(out);
                Reply::Ok
            }
        }
    }

    /// Fills the process with writes of a past that the simulation did not see.
    pub fn seed_data(&mut self, writes: impl IntoIterator<Item = WriteId>) {
        self.data.extend(writes);
    }
}

#[cfg(test)]
mod tests;
