//! Replication: both ends of the link, the backlog, the ids.
//!
//! Redis 7.0 replication.c: `masterTryPartialResynchronization`, `shiftReplicationId`,
//! `replicationSetMaster`, `replicationCron`.

use super::{
    CRON_PERIOD, ConnId, Effect, Entry, Message, PING_LEN, PING_PERIOD, REPL_TIMEOUT, Redis,
    Snapshot, Stream, WriteId,
};
use keepair_core::time::Time;
use keepair_wire::info::ReplId;
use std::collections::BTreeSet;
use std::time::Duration;

/// The stream from some offset on.
#[derive(Clone, Debug)]
pub(super) struct Backlog {
    /// The offset before its first byte.
    start: i64,
    entries: Vec<Entry>,
}

impl Backlog {
    pub(super) fn new(offset: i64) -> Self {
        Backlog { start: offset, entries: Vec::new() }
    }

    /// What follows that offset, if it reaches back so far.
    fn after(&self, offset: i64) -> Option<&[Entry]> {
        let end = self.entries.last().map_or(self.start, |entry| entry.end);
        if offset < self.start || offset > end {
            return None;
        }
        let skip = self.entries.partition_point(|entry| entry.end <= offset);
        Some(&self.entries[skip..])
    }
}

/// A replica of this process.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    conn: ConnId,
    /// The last offset it has acknowledged.
    pub(super) acked: i64,
    heard_at: Time,
}

/// The state of the link to the primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    Down,
    Dialing,
    Syncing,
    Up,
}

/// A replica's end of the link.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    pub(super) link: Link,
    pub(super) conn: ConnId,
    /// What a partial resync may start from; `None` once a full one has begun.
    cached: bool,
    pub(super) heard_at: Option<Time>,
    apply_at: Time,
}

impl Redis {
    /// The state of the link in one word, for people and for conditions.
    pub fn link_is_up(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.link == Link::Up)
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
        backlog.entries.push(entry);
        for attached in &self.attached {
            out.push(Effect::Send(attached.conn, Stream::Data(entry)));
        }
    }

    /// `REPLICAOF NO ONE`.
    pub(super) fn promote(&mut self, out: &mut Vec<Effect>) {
        let Some(upstream) = self.upstream.take() else {
            return;
        };
        if upstream.link != Link::Down {
            out.push(Effect::Send(upstream.conn, Stream::Closed));
        }
        let dropped = self.unapplied.len();
        self.unapplied.clear();
        self.replid2 = Some(self.replid);
        self.second_offset = self.offset + 1;
        self.replid = ReplId(self.rng.id());
        self.drop_attached(out);
        out.push(Effect::Note(format!(
            "Redis is a primary now, history {} left at offset {}{}",
            short(self.replid2),
            self.offset,
            if dropped > 0 {
                format!(", {dropped} commands that were read are dropped")
            } else {
                String::new()
            }
        )));
    }

    /// `REPLICAOF` the other machine.
    pub fn follow(&mut self, out: &mut Vec<Effect>) {
        if self.upstream.is_some() {
            return;
        }
        self.upstream = Some(Upstream {
            link: Link::Down,
            conn: 0,
            cached: true,
            heard_at: None,
            apply_at: Time(0),
        });
        out.push(Effect::Note(format!(
            "Redis is a replica now, with {} writes, history {} up to offset {}",
            self.data.len(),
            short(Some(self.replid)),
            self.offset
        )));
        self.dial(out);
    }

    fn dial(&mut self, out: &mut Vec<Effect>) {
        let conn = self.rng.bits();
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        upstream.link = Link::Dialing;
        upstream.conn = conn;
        let wanted = upstream.cached.then_some((self.replid, self.offset));
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
                }
            }
            Stream::Closed => self.closed(conn, out),
            _ => self.hear_upstream(now, conn, stream, out),
        }
    }

    /// Somebody wants to replicate from here.
    fn serve(
        &mut self,
        now: Time,
        conn: ConnId,
        wanted: Option<(ReplId, i64)>,
        out: &mut Vec<Effect>,
    ) {
        if self.is_loading() || (self.upstream.is_some() && !self.link_is_up()) {
            out.push(Effect::Send(conn, Stream::Later));
            return;
        }
        let attached = Attached { conn, acked: 0, heard_at: now };
        let partial = wanted.and_then(|(replid, offset)| {
            let known = replid == self.replid
                || (Some(replid) == self.replid2 && offset < self.second_offset);
            let backlog = self.backlog.as_ref().filter(|_| known)?;
            backlog.after(offset).map(<[Entry]>::to_vec)
        });
        if let Some(entries) = partial {
            self.synced.1 += 1;
            out.push(Effect::Note(format!(
                "Redis lets the other one continue, with {} commands",
                entries.len()
            )));
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
            out.push(Effect::Note(format!(
                "Redis begins a full resync of the other one, {} writes; asked for {}",
                self.data.len(),
                match wanted {
                    Some((replid, offset)) =>
                        format!("{} from {}", short(Some(replid)), offset + 1),
                    None => "everything".to_string(),
                }
            )));
            out.push(Effect::Send(conn, Stream::FullResync));
            out.push(Effect::Send(conn, Stream::Payload(self.snapshot())));
        }
        self.attached.push(attached);
    }

    fn hear_upstream(&mut self, now: Time, conn: ConnId, stream: Stream, out: &mut Vec<Effect>) {
        let (low, high) = self.apply_us;
        let delay = Duration::from_micros(self.rng.between(low, high));
        let Some(upstream) = self.upstream.as_mut().filter(|up| up.conn == conn) else {
            return;
        };
        upstream.heard_at = Some(now);
        match stream {
            Stream::Continue(replid) => {
                upstream.link = Link::Up;
                if replid != self.replid {
                    self.replid2 = Some(self.replid);
                    self.second_offset = self.offset + 1;
                    self.replid = replid;
                    self.drop_attached(out);
                }
                self.backlog.get_or_insert(Backlog::new(self.offset));
                out.push(Effect::Note("Redis continues as a replica".to_string()));
            }
            Stream::FullResync => {
                upstream.link = Link::Syncing;
                upstream.cached = false;
                self.backlog = None;
                self.drop_attached(out);
            }
            Stream::Payload(snapshot) => {
                upstream.link = Link::Up;
                upstream.cached = true;
                self.load(snapshot, out);
            }
            Stream::Later => {
                upstream.link = Link::Down;
                out.push(Effect::Send(conn, Stream::Closed));
            }
            Stream::Data(entry) => {
                self.unapplied.push_back(entry);
                upstream.apply_at = upstream.apply_at.max(now + delay);
                out.push(Effect::At(upstream.apply_at, Message::Apply));
            }
            Stream::Psync(_) | Stream::Ack(_) | Stream::Closed => {}
        }
    }

    fn load(&mut self, snapshot: Snapshot, out: &mut Vec<Effect>) {
        let kept: BTreeSet<WriteId> = snapshot.data.iter().copied().collect();
        let lost: Vec<WriteId> = std::mem::take(&mut self.data)
            .into_iter()
            .filter(|write| !kept.contains(write))
            .collect();
        out.push(Effect::Note(format!(
            "Redis has received everything: {} writes, {} of its own are gone",
            snapshot.data.len(),
            lost.len()
        )));
        out.push(Effect::Overwritten { lost, with_nothing: snapshot.data.is_empty() });
        self.rdb = Some(snapshot.clone());
        self.data = snapshot.data;
        self.replid = snapshot.replid;
        self.offset = snapshot.offset;
        self.replid2 = None;
        self.second_offset = -1;
        self.unapplied.clear();
        self.backlog = Some(Backlog::new(self.offset));
    }

    /// One command per call: each was given a time of its own.
    pub(super) fn apply_due(&mut self, out: &mut Vec<Effect>) {
        if let Some(entry) = self.unapplied.pop_front() {
            self.apply(entry, out);
        }
    }

    fn apply(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        self.data.extend(entry.write);
        self.offset = entry.end;
        if let Some(backlog) = &mut self.backlog {
            backlog.entries.push(entry);
        }
        for attached in &self.attached {
            out.push(Effect::Send(attached.conn, Stream::Data(entry)));
        }
    }

    fn closed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.attached.retain(|attached| attached.conn != conn);
        let ours = |upstream: &&Upstream| upstream.conn == conn && upstream.link != Link::Down;
        if self.upstream.as_ref().filter(ours).is_none() {
            return;
        }
        while let Some(entry) = self.unapplied.pop_front() {
            self.apply(entry, out);
        }
        out.push(Effect::Note("Redis lost the link to its primary".to_string()));
        // At once, since Redis 6.2; each second after that.
        self.dial(out);
    }

    fn drop_attached(&mut self, out: &mut Vec<Effect>) {
        for attached in self.attached.drain(..) {
            out.push(Effect::Send(attached.conn, Stream::Closed));
        }
    }

    pub(super) fn cron(&mut self, now: Time, out: &mut Vec<Effect>) {
        out.push(Effect::At(now + CRON_PERIOD, Message::Cron));
        if now.since(self.saved_at) >= self.save_interval {
            self.saved_at = now;
            self.save_now();
        }
        let silent = |at: Option<Time>| at.is_none_or(|at| now.since(at) > REPL_TIMEOUT);
        match &self.upstream {
            Some(upstream) if upstream.link == Link::Down => self.dial(out),
            Some(upstream) if upstream.link == Link::Up && silent(upstream.heard_at) => {
                out.push(Effect::Send(upstream.conn, Stream::Closed));
                let conn = upstream.conn;
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
        let gone: Vec<ConnId> = self
            .attached
            .iter()
            .filter(|attached| silent(Some(attached.heard_at)))
            .map(|attached| attached.conn)
            .collect();
        for conn in gone {
            out.push(Effect::Send(conn, Stream::Closed));
            self.attached.retain(|attached| attached.conn != conn);
        }
    }
}

fn short(replid: Option<ReplId>) -> String {
    replid.map_or_else(|| "none".to_string(), |id| id.to_string().chars().take(6).collect())
}
