//! A model of one Redis process and of its file: roles, replication ids and offsets, partial and
//! full resynchronisation, pauses, restarts.
//!
//! One thread, as the real one: a message waits in the inbox while the process is stopped or busy.
//! Data is the set of the writes it holds, so that what is lost can be counted exactly. Commands
//! that were read are applied when their time has come, which is looked at whenever anything is.
//! Not here: how messages travel ([`crate::network`]), when faults happen ([`crate::fault`]).
//! Modelled after Redis 6.0 to 7.0 (replication.c).

mod file;
mod note;
mod query;
mod replication;
mod setup;

pub use file::{Boot, Snapshot};
pub use note::Note;
pub use setup::{Persistence, Setup, Version};

use crate::host::HostId;
use crate::rng::Rng;
use crate::writes::Writes;
use file::Files;
use keepair_core::action::Query;
use keepair_core::input::RedisInput;
use keepair_core::time::Time;
use keepair_wire::info::{ReplId, RunId};
use replication::{Attached, Backlog, Upstream};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of the stream that one write takes.
const WRITE_LEN: i64 = 47;
/// Bytes of the stream that a PING to the replicas takes.
const PING_LEN: i64 = 14;
/// Bytes of the stream that `FLUSHALL` takes.
const FLUSH_LEN: i64 = 18;
/// `repl-ping-replica-period`.
const PING_PERIOD: Duration = Duration::from_secs(10);
/// `repl-timeout`.
const REPL_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two turns of `replicationCron`.
pub const CRON_PERIOD: Duration = Duration::from_secs(1);

/// A write command of a client, by its number.
pub type WriteId = u32;
/// A connection between the two Redis processes.
pub type ConnId = u64;
/// What a replica asks to continue: the history and the last offset it holds.
pub type Wanted = Option<Box<(ReplId, i64)>>;

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

/// One command of the replication stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The offset of its last byte.
    pub end: i64,
    /// The write, or a PING.
    pub write: Option<WriteId>,
}

/// What travels between the two Redis processes.
#[derive(Clone, PartialEq, Debug)]
pub enum Stream {
    /// `PSYNC`; `None` is `? -1`.
    Psync(Wanted),
    /// `+CONTINUE` with the source's replication id.
    Continue(ReplId),
    /// `+FULLRESYNC`.
    FullResync,
    /// The payload of a full resync.
    Payload(Box<Snapshot>),
    /// `-NOMASTERLINK` or `-LOADING`: try again later.
    Later,
    /// A command.
    Data(Entry),
    /// `REPLCONF ACK`.
    Ack(i64),
    /// The end of the connection.
    Closed,
}

/// Who sent a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The client on the bridge, through the virtual address.
    Address,
    /// A program on the same machine, through loopback.
    Local,
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
    Write(Origin, WriteId),
    /// The other Redis.
    Stream(ConnId, Stream),
    /// A connection to the other Redis could not be made.
    DialFailed(ConnId),
    /// `replicationCron`.
    Cron,
    /// The data has been loaded.
    Loaded,
    /// The last byte of a full resync is on its way.
    Sent(ConnId),
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
    /// `-MISCONF`.
    Misconf,
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
    Client(Origin, WriteId, Answer),
    /// Sends to the other Redis.
    Send(ConnId, Stream),
    /// Connects to the other Redis, and asks for this when connected.
    Dial(ConnId, Wanted),
    /// Wants to be given a message later.
    At(Time, Message),
    /// A full resync replaced the data.
    Overwritten {
        /// What was there and is not any more.
        lost: Writes,
        /// The new data is nothing at all.
        with_nothing: bool,
    },
    /// Something worth a line.
    Note(Note),
}

/// One Redis process.
#[derive(Clone, Debug)]
pub struct Redis {
    host: HostId,
    rng: Rng,
    /// How it is set up.
    pub setup: Setup,
    /// The process.
    pub process: Process,
    /// Counts starts; messages to an earlier run are void.
    pub run: u64,
    /// The event loop is taken until then.
    pub busy_until: Time,
    /// What takes it is the disk, not the processor.
    pub waits_for_disk: bool,
    /// Answers to the daemon take this much longer.
    pub slow: Duration,
    /// It can't save its file, and refuses writes and PING for it.
    pub misconf: bool,
    /// Messages that wait for the event loop.
    pub inbox: VecDeque<Message>,
    /// What is on the disk.
    pub files: Files,
    /// Its redis.conf makes it the other one's replica at every start.
    pub conf_replicaof: bool,
    /// The data.
    pub data: Writes,
    /// INFO `sync_full` and `sync_partial_ok`.
    pub synced: (u64, u64),
    pid: u32,
    run_id: RunId,
    loading: bool,
    /// What is being read from the file.
    reading: Option<Snapshot>,
    /// Bytes of the append-only file, where there is one.
    aof_bytes: i64,
    replid: ReplId,
    replid2: Option<ReplId>,
    second_offset: i64,
    offset: i64,
    /// Commands that were read, and when each is applied.
    unapplied: VecDeque<(Entry, Time)>,
    backlog: Option<Backlog>,
    upstream: Option<Upstream>,
    attached: Vec<Attached>,
    paused_until: Option<Time>,
    held: Vec<(Origin, WriteId)>,
    pinged_at: Time,
    /// The next turn of `replicationCron`.
    cron_at: Time,
}

impl Redis {
    /// No process yet.
    pub fn new(host: HostId, setup: Setup) -> Self {
        Redis {
            host,
            rng: Rng::new(0),
            setup,
            process: Process::Absent,
            run: 0,
            busy_until: Time(0),
            waits_for_disk: false,
            slow: Duration::ZERO,
            misconf: false,
            inbox: VecDeque::new(),
            files: Files::default(),
            conf_replicaof: false,
            data: Writes::default(),
            synced: (0, 0),
            pid: 0,
            run_id: RunId([0; 20]),
            loading: false,
            reading: None,
            aof_bytes: file::base_bytes(0),
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
            cron_at: Time(0),
        }
    }

    /// A new process: a primary, unless redis.conf makes it a replica.
    pub fn start(&mut self, now: Time, boot: Boot, mut rng: Rng, out: &mut Vec<Effect>) {
        let (low, high) = self.setup.load_us;
        let load = Duration::from_micros(rng.between(low, high));
        let phase = Duration::from_micros(rng.between(1_000, 1_000_000));
        let mut files = std::mem::take(&mut self.files);
        files.begin(now, boot);
        let fresh = Redis {
            process: Process::Running,
            run: self.run + 1,
            files,
            conf_replicaof: self.conf_replicaof,
            upstream: self.conf_replicaof.then(Upstream::default),
            slow: self.slow,
            misconf: self.misconf,
            pid: 1000 + self.run as u32,
            run_id: RunId(rng.id()),
            replid: ReplId(rng.id()),
            pinged_at: now,
            rng,
            ..Redis::new(self.host, self.setup)
        };
        *self = fresh;
        self.reading = self.files.kept().cloned();
        self.aof_bytes = self.files.aof_bytes();
        let file = self.reading.as_ref().map(|snapshot| snapshot.data.len());
        if file.is_some() {
            self.loading = true;
            out.push(Effect::At(now + load, Message::Loaded));
        }
        self.cron_at = now + phase;
        out.push(Effect::At(self.cron_at, Message::Cron));
        out.push(Effect::Note(Note::Started { pid: self.pid, file }));
    }

    /// The process has ended; what it had written to its file is there.
    pub fn end(&mut self) {
        self.process = Process::Absent;
        self.inbox.clear();
        self.data = Writes::default();
        self.unapplied.clear();
    }

    /// The event loop turns.
    pub fn turns(&self, now: Time) -> bool {
        self.process == Process::Running && now >= self.busy_until
    }

    /// It accepts writes.
    pub fn is_primary(&self) -> bool {
        self.upstream.is_none() && self.process != Process::Absent
    }

    /// The history that its data belongs to.
    pub(crate) fn replid(&self) -> ReplId {
        self.replid
    }

    /// The offset of the last byte of its stream.
    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// It is loading its data.
    pub fn is_loading(&self) -> bool {
        self.loading
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
            Process::Running if busy && self.waits_for_disk => ('D', false),
            Process::Running if busy => ('R', false),
            Process::Running => ('S', false),
        };
        let computes = busy && !self.waits_for_disk;
        keepair_core::input::Process {
            state,
            exiting,
            cpu_ticks: if computes { now.0 / 10_000 } else { 0 },
        }
    }

    /// The pid of the last process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Every write it has in memory or has read: what it would hold if it were promoted with care.
    pub fn holds(&self) -> Writes {
        let mut all = self.data.clone();
        all.extend(self.unapplied.iter().filter_map(|(entry, _)| entry.write));
        all.extend(self.inbox.iter().filter_map(|message| match message {
            Message::Stream(_, Stream::Data(entry)) => entry.write,
            _ => None,
        }));
        all
    }

    /// The writes that wait in its sockets.
    pub fn waiting(&self) -> Vec<WriteId> {
        let write = |message: &Message| match message {
            Message::Write(_, write) => Some(*write),
            _ => None,
        };
        self.inbox.iter().filter_map(write).collect()
    }

    /// One turn of the event loop.
    pub fn handle(&mut self, now: Time, message: Message, out: &mut Vec<Effect>) {
        self.apply_due(now, out);
        match message {
            Message::Hello { session } => {
                out.push(Effect::Daemon { session, input: RedisInput::Connected })
            }
            Message::Query { session, query } => {
                let reply = self.answer(now, query, out);
                out.push(Effect::Daemon { session, input: RedisInput::Reply(query, reply) });
            }
            Message::Write(origin, write) => self.write(origin, write, out),
            Message::Stream(conn, stream) => self.hear(now, conn, stream, out),
            Message::DialFailed(conn) => self.dial_failed(conn),
            Message::Cron => self.cron(now, out),
            Message::Loaded => self.loaded(out),
            Message::Sent(conn) => self.sent_everything(conn, out),
            Message::PauseOver => {
                if self.paused_until.is_some_and(|until| now >= until) {
                    out.push(Effect::Note(Note::PauseOver));
                    self.resume(out);
                }
            }
        }
    }

    fn write(&mut self, origin: Origin, write: WriteId, out: &mut Vec<Effect>) {
        // In the order of processCommand: a held command is judged anew when the pause is over.
        let answer = if self.misconf && self.upstream.is_none() {
            Answer::Misconf
        } else if self.upstream.is_some() {
            Answer::ReadOnly
        } else if self.loading {
            Answer::Loading
        } else if self.paused_until.is_some() {
            self.held.push((origin, write));
            return;
        } else {
            self.data.insert(write);
            self.aof_bytes += WRITE_LEN;
            self.append(Some(write), WRITE_LEN, out);
            Answer::Ok
        };
        out.push(Effect::Client(origin, write, answer));
    }

    /// Writes wait: the daemon has asked for it.
    pub fn holds_writes_back(&self) -> bool {
        self.paused_until.is_some()
    }

    fn resume(&mut self, out: &mut Vec<Effect>) {
        self.paused_until = None;
        for (origin, write) in std::mem::take(&mut self.held) {
            self.write(origin, write, out);
        }
    }

    fn kill_clients(&mut self, out: &mut Vec<Effect>) {
        for (origin, write) in std::mem::take(&mut self.held) {
            out.push(Effect::Client(origin, write, Answer::Closed));
        }
    }

    /// `REPLICAOF NO ONE`, `FLUSHALL`.
    pub fn flush(&mut self, out: &mut Vec<Effect>) {
        self.promote(out);
        self.data = Writes::default();
        self.aof_bytes += FLUSH_LEN;
        self.append(None, FLUSH_LEN, out);
    }

    /// Fills the process with writes of a past that the simulation did not see.
    pub fn seed_data(&mut self, writes: impl IntoIterator<Item = WriteId>) {
        self.data.extend(writes);
    }
}

#[cfg(test)]
mod tests;
