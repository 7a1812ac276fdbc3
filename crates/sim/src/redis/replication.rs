//! Replication: both ends of the link, the backlog, the ids.
//!
//! Redis 6.0 to 7.0 replication.c: `masterTryPartialResynchronization`, `shiftReplicationId`,
//! `replicationSetMaster`, `replicationCron`.

use super::{
    CRON_PERIOD, ConnId, Effect, Entry, Message, Note, PING_LEN, PING_PERIOD, Persistence, Process,
    REPL_TIMEOUT, Redis, Snapshot, Stream, Version, WRITE_LEN, Wanted, WriteId, file,
};
use crate::writes::Writes;
use keepair_core::time::Time;
use keepair_wire::info::ReplId;
use std::collections::VecDeque;
use std::time::Duration;

/// The stream from some offset on.
#[derive(Clone, Debug)]
pub(super) struct Backlog {
    /// The offset before its first byte.
    start: i64,
    entries: VecDeque<Entry>,
}

impl Backlog {
    pub(super) fn new(offset: i64) -> Self {
        Backlog { start: offset, entries: VecDeque::new() }
    }

    /// Adds a command, and forgets the oldest ones that have no room any more.
    fn push(&mut self, entry: Entry, bytes: i64) {
        self.entries.push_back(entry);
        while entry.end - self.start > bytes {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.start = oldest.end;
        }
    }

    /// What follows that offset, if it reaches back so far.
    fn after(&self, offset: i64) -> Option<Vec<Entry>> {
        let end = self.entries.back().map_or(self.start, |entry| entry.end);
        if offset < self.start || offset > end {
            return None;
        }
        let skip = self.entries.partition_point(|entry| entry.end <= offset);
        Some(self.entries.range(skip..).copied().collect())
    }
}

/// A replica of this process.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    conn: ConnId,
    /// The last offset it has acknowledged.
    pub(super) acked: i64,
    pub(super) heard_at: Time,
    /// It is being sent everything, or has been and has not acknowledged it.
    first: Option<First>,
}

/// A full resynchronisation, as its sender sees it.
#[derive(Clone, Debug)]
struct First {
    /// Until it is sent.
    snapshot: Option<Box<Snapshot>>,
    /// The commands that wait behind it.
    behind: Vec<Entry>,
}

impl Attached {
    fn send(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        match &mut self.first {
            Some(first) => first.behind.push(entry),
            None => out.push(Effect::Send(self.conn, Stream::Data(entry))),
        }
    }

    /// INFO calls it `online`.
    pub(super) fn is_online(&self) -> bool {
        self.first.as_ref().is_none_or(|first| first.snapshot.is_none())
    }

    /// The stream begins.
    fn flow(&mut self, out: &mut Vec<Effect>) {
        for entry in self.first.take().map(|first| first.behind).unwrap_or_default() {
            out.push(Effect::Send(self.conn, Stream::Data(entry)));
        }
    }
}

/// The state of the link to the primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Link {
    #[default]
    Down,
    Dialing,
    Syncing,
    Up,
}

/// A replica's end of the link.
#[derive(Clone, Debug, Default)]
pub(super) struct Upstream {
    pub(super) link: Link,
    pub(super) conn: ConnId,
    /// There is something that a partial resync may start from; not once a full one has begun.
    pub(super) cached: bool,
    pub(super) heard_at: Option<Time>,
    /// Turns of the cron for which a handshake has gone unanswered.
    unanswered: u64,
    apply_at: Time,
    /// The other end hung up while this one was loading, and looks at nothing else.
    hung_up: bool,
}

impl Redis {
    /// The state of the link in one word, for people and for conditions.
    pub fn link_is_up(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.link == Link::Up)
    }

    /// It waits for an answer, or for a full resync.
    pub fn waits(&self) -> bool {
        let waits = |upstream: &Upstream| matches!(upstream.link, Link::Dialing | Link::Syncing);
        self.upstream.as_ref().is_some_and(waits)
    }

    /// It is a replica.
    pub fn is_replica(&self) -> bool {
        self.upstream.is_some()
    }

    /// History and offset.
    pub fn position(&self) -> (ReplId, i64) {
        (self.replid, self.offset)
    }

    pub(super) fn append(&mut self, write: Option<WriteId>, len: i64, out: &mut Vec<Effect>) {
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        self.offset += len;
        let entry = Entry { end: self.offset, write };
        backlog.push(entry, self.setup.backlog_bytes);
        self.attached.iter_mut().for_each(|attached| attached.send(entry, out));
    }

    /// `REPLICAOF NO ONE`.
    pub fn promote(&mut self, out: &mut Vec<Effect>) {
        let Some(upstream) = self.upstream.take() else {
            return;
        };
        if upstream.link != Link::Down {
            out.push(Effect::Send(upstream.conn, Stream::Closed));
        }
        let (history, offset, dropped) = (self.replid, self.offset, self.unapplied.len());
        self.unapplied.clear();
        self.replid2 = Some(history);
        self.second_offset = offset + 1;
        self.replid = ReplId(self.rng.id());
        self.drop_attached(out);
        out.push(Effect::Note(Note::Promoted { history, offset, dropped }));
    }

    /// `REPLICAOF` the other machine.
    pub fn follow(&mut self, out: &mut Vec<Effect>) {
        if self.upstream.is_some() {
            return;
        }
        self.upstream = Some(Upstream { cached: true, ..Upstream::default() });
        let holds = self.data.len();
        let (history, offset) = (self.replid, self.offset);
        out.push(Effect::Note(Note::Following { holds, history, offset }));
        self.dial_soon(out);
    }

    /// What one who asks for the stream of this history from this offset on is sent, and the offset of
    /// the last byte.
    pub(crate) fn tail(&self, replid: ReplId, from: i64) -> Result<(Writes, i64), String> {
        if self.process == Process::Absent {
            return Err("there is no Redis".to_string());
        }
        if self.is_loading() || (self.upstream.is_some() && !self.link_is_up()) {
            return Err("NOMASTERLINK".to_string());
        }
        let known = replid == self.replid;
        let entries = self.backlog.as_ref().filter(|_| known).and_then(|log| log.after(from - 1));
        let entries = entries.ok_or("the backlog does not reach back to it")?;
        Ok((entries.iter().filter_map(|entry| entry.write).collect(), self.offset))
    }

    /// What follows from that offset on, as long as the backlog reaches back to it.
    pub(crate) fn stream_after(&self, from: i64) -> Option<Vec<Entry>> {
        self.backlog.as_ref()?.after(from - 1)
    }

    /// At once since Redis 6.2, at the next turn of the cron before.
    fn dial_soon(&mut self, out: &mut Vec<Effect>) {
        if self.setup.version >= Version::V6_2 {
            self.dial(out);
        } else if let Some(upstream) = &mut self.upstream {
            upstream.link = Link::Down;
        }
    }

    fn dial(&mut self, out: &mut Vec<Effect>) {
        let conn = self.rng.bits();
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        upstream.link = Link::Dialing;
        upstream.conn = conn;
        upstream.unanswered = 0;
        upstream.hung_up = false;
        let wanted = upstream.cached.then(|| Box::new((self.replid, self.offset)));
        out.push(Effect::Dial(conn, wanted));
    }

    /// This connection is still wanted by its replica's end.
    pub fn dials(&self, conn: ConnId) -> bool {
        self.upstream
            .as_ref()
            .is_some_and(|upstream| upstream.conn == conn && upstream.link == Link::Dialing)
    }

    pub(super) fn dial_failed(&mut self, conn: ConnId) {
        if let Some(upstream) = &mut self.upstream
            && upstream.conn == conn
        {
            upstream.link = Link::Down;
        }
    }

    pub(super) fn hear(&mut self, now: Time, conn: ConnId, stream: Stream, out: &mut Vec<Effect>) {
        match stream {
            Stream::Psync(wanted) => self.serve(now, conn, wanted, out),
            Stream::Ack(offset) => {
                for attached in self.attached.iter_mut().filter(|a| a.conn == conn) {
                    attached.acked = offset;
                    attached.heard_at = now;
                    if attached.is_online() {
                        attached.flow(out);
                    }
                }
            }
            Stream::Closed => self.closed(conn, out),
            _ => self.hear_upstream(now, conn, stream, out),
        }
    }

    /// Somebody wants to replicate from here.
    fn serve(&mut self, now: Time, conn: ConnId, wanted: Wanted, out: &mut Vec<Effect>) {
        let wanted = wanted.map(|wanted| *wanted);
        if self.is_loading() || (self.upstream.is_some() && !self.link_is_up()) {
            out.push(Effect::Send(conn, Stream::Later));
            return;
        }
        let mut attached = Attached { conn, acked: 0, heard_at: now, first: None };
        let partial = wanted.and_then(|(replid, offset)| {
            let known = replid == self.replid
                || (Some(replid) == self.replid2 && offset < self.second_offset);
            let backlog = self.backlog.as_ref().filter(|_| known)?;
            backlog.after(offset)
        });
        if let Some(entries) = partial {
            self.synced.1 += 1;
            out.push(Effect::Note(Note::GrantsPartial { commands: entries.len() }));
            out.push(Effect::Send(conn, Stream::Continue(self.replid)));
            for entry in entries {
                out.push(Effect::Send(conn, Stream::Data(entry)));
            }
        } else {
            self.synced.0 += 1;
            if self.backlog.is_none() {
                self.replid = ReplId(self.rng.id());
                self.replid2 = None;
                self.second_offset = -1;
                self.backlog = Some(Backlog::new(self.offset));
            }
            out.push(Effect::Note(Note::GrantsFull { writes: self.data.len(), wanted }));
            out.push(Effect::Send(conn, Stream::FullResync));
            out.push(Effect::At(now + self.setup.transfer, Message::Sent(conn)));
            attached.first = Some(First { snapshot: Some(self.payload()), behind: Vec::new() });
        }
        self.attached.push(attached);
    }

    /// A process that dies before it has sent the last byte has sent nothing. Where nothing is written
    /// to a file first, as since Redis 7.0, the stream waits for the replica's first acknowledgement
    /// (`repl_start_cmd_stream_on_ack`).
    pub(super) fn sent_everything(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let waits_for_ack = self.setup.version >= Version::V7_0;
        let Some(receiver) = self.attached.iter_mut().find(|attached| attached.conn == conn) else {
            return;
        };
        if let Some(snapshot) = receiver.first.as_mut().and_then(|first| first.snapshot.take()) {
            out.push(Effect::Send(conn, Stream::Payload(snapshot)));
            if !waits_for_ack {
                receiver.flow(out);
            }
        }
    }

    fn hear_upstream(&mut self, now: Time, conn: ConnId, stream: Stream, out: &mut Vec<Effect>) {
        let (low, high) = self.setup.apply_us;
        let delay = Duration::from_micros(self.rng.between(low, high));
        let Some(upstream) = self.upstream.as_mut().filter(|up| up.conn == conn) else {
            return;
        };
        upstream.heard_at = Some(now);
        match stream {
            Stream::Continue(replid) => {
                upstream.link = Link::Up;
                let of_another = replid != self.replid;
                if of_another {
                    self.replid2 = Some(self.replid);
                    self.second_offset = self.offset + 1;
                    self.replid = replid;
                    self.drop_attached(out);
                }
                self.backlog.get_or_insert(Backlog::new(self.offset));
                out.push(Effect::Note(Note::Continues { of_another }));
            }
            Stream::FullResync => {
                upstream.link = Link::Syncing;
                upstream.cached = false;
                self.backlog = None;
                self.drop_attached(out);
            }
            Stream::Payload(snapshot) => {
                upstream.cached = true;
                self.load(now, *snapshot, out);
            }
            Stream::Later => {
                upstream.link = Link::Down;
                out.push(Effect::Send(conn, Stream::Closed));
            }
            Stream::Data(entry) => {
                upstream.apply_at = upstream.apply_at.max(now + delay);
                self.unapplied.push_back((entry, upstream.apply_at));
            }
            Stream::Psync(_) | Stream::Ack(_) | Stream::Closed => {}
        }
    }

    /// The new data is here: the old is gone, and the new is being loaded.
    fn load(&mut self, now: Time, snapshot: Snapshot, out: &mut Vec<Effect>) {
        let lost = self.data.without(&snapshot.data);
        let (writes, with_nothing) = (snapshot.data.len(), snapshot.data.is_empty());
        out.push(Effect::Note(Note::Received { writes, lost: lost.len() }));
        out.push(Effect::Overwritten { lost, with_nothing });
        // The file it came in stays, also where nothing is ever saved.
        if self.setup.persistence != Persistence::Aof {
            self.files.replace(snapshot.clone());
        }
        self.data = snapshot.data;
        self.aof_bytes = file::base_bytes(self.data.len());
        self.replid = snapshot.replid.unwrap_or(self.replid);
        self.offset = snapshot.offset;
        self.replid2 = None;
        self.second_offset = -1;
        self.unapplied.clear();
        self.backlog = Some(Backlog::new(self.offset));
        let (low, high) = self.setup.load_us;
        let load = Duration::from_micros(self.rng.between(low, high));
        self.loading = true;
        out.push(Effect::At(now + load, Message::Loaded));
    }

    /// Applies what was read and has had its time.
    pub(super) fn apply_due(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some((entry, _)) = self.unapplied.front().copied().filter(|(_, at)| *at <= now) {
            if self.loading {
                return;
            }
            self.unapplied.pop_front();
            self.apply(entry, out);
        }
    }

    /// What a full resync brought has been loaded: the stream goes on behind it.
    pub(super) fn begin_stream(&mut self, out: &mut Vec<Effect>) {
        let Some(upstream) = self.upstream.as_mut().filter(|up| up.link == Link::Syncing) else {
            return;
        };
        upstream.link = Link::Up;
        if std::mem::take(&mut upstream.hung_up) {
            let conn = upstream.conn;
            self.closed(conn, out);
        }
    }

    fn apply(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        self.data.extend(entry.write);
        self.aof_bytes += entry.write.map_or(0, |_| WRITE_LEN);
        self.offset = entry.end;
        if let Some(backlog) = &mut self.backlog {
            backlog.push(entry, self.setup.backlog_bytes);
        }
        self.attached.iter_mut().for_each(|attached| attached.send(entry, out));
    }

    fn closed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.attached.retain(|attached| attached.conn != conn);
        let ours = |upstream: &&mut Upstream| upstream.conn == conn && upstream.link != Link::Down;
        let Some(upstream) = self.upstream.as_mut().filter(ours) else {
            return;
        };
        if self.loading && upstream.link == Link::Syncing {
            upstream.hung_up = true;
            return;
        }
        while let Some((entry, _)) = self.unapplied.pop_front() {
            self.apply(entry, out);
        }
        out.push(Effect::Note(Note::LinkLost));
        self.dial_soon(out);
    }

    fn drop_attached(&mut self, out: &mut Vec<Effect>) {
        for attached in self.attached.drain(..) {
            out.push(Effect::Send(attached.conn, Stream::Closed));
        }
    }

    pub(super) fn cron(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.cron_at = now + CRON_PERIOD;
        out.push(Effect::At(self.cron_at, Message::Cron));
        self.save_due(now);
        let silent = |at: Option<Time>| at.is_none_or(|at| now.since(at) > REPL_TIMEOUT);
        match &mut self.upstream {
            // One that reads its own file does nothing else.
            _ if self.reading.is_some() => {}
            Some(upstream) if upstream.link == Link::Down => self.dial(out),
            Some(upstream) if upstream.link == Link::Dialing => {
                upstream.unanswered += 1;
                if upstream.unanswered > REPL_TIMEOUT.as_secs() {
                    out.push(Effect::Note(Note::LinkSilent));
                    self.dial(out);
                }
            }
            Some(upstream)
                if matches!(upstream.link, Link::Up | Link::Syncing)
                    && silent(upstream.heard_at) =>
            {
                let conn = upstream.conn;
                out.push(Effect::Send(conn, Stream::Closed));
                out.push(Effect::Note(Note::LinkSilent));
                self.closed(conn, out);
            }
            Some(upstream) if upstream.link == Link::Up => {
                out.push(Effect::Send(upstream.conn, Stream::Ack(self.offset)));
            }
            _ => {}
        }
        if self.upstream.is_none()
            && !self.attached.is_empty()
            && now.since(self.pinged_at) >= PING_PERIOD
        {
            self.pinged_at = now;
            self.append(None, PING_LEN, out);
        }
        self.drop_replicas(|attached| silent(Some(attached.heard_at)), out);
    }

    /// When it adds a PING to its stream next, if it has a replica then.
    pub(crate) fn next_ping_at(&self) -> Time {
        let (due, mut turn) = (self.pinged_at + PING_PERIOD, self.cron_at);
        while turn < due {
            turn = turn + CRON_PERIOD;
        }
        turn
    }

    /// Closes the connections of some replicas.
    pub(super) fn drop_replicas(
        &mut self,
        which: impl Fn(&Attached) -> bool,
        out: &mut Vec<Effect>,
    ) {
        self.attached.retain(|attached| {
            let gone = which(attached);
            if gone {
                out.push(Effect::Send(attached.conn, Stream::Closed));
            }
            !gone
        });
    }
}
