//! What Redis leaves on its disk, and what a new process finds there.
//!
//! An RDB file is as old as its last save, and knows the history it belongs to. An append-only file
//! holds everything that a killed process had done; a machine that loses its power loses the part
//! that was not yet synced. It does not know its history (Redis 7.0, aof.c).

use super::{Backlog, Effect, Note, Persistence, Redis, Version};
use crate::writes::Writes;
use keepair_core::time::Time;
use keepair_wire::info::ReplId;

/// What a start of the process finds on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Boot {
    /// Nothing: the file was removed.
    Empty,
    /// Whatever its persistence has left.
    File,
}

/// All data at one offset of one history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The history; `None` where the file does not say.
    pub replid: Option<ReplId>,
    /// The offset in it.
    pub offset: i64,
    /// The data.
    pub data: Writes,
}

/// Bytes of an append-only file that was just written anew.
pub(super) fn base_bytes(writes: usize) -> i64 {
    88 + super::WRITE_LEN * writes as i64
}

/// The file.
#[derive(Clone, Debug, Default)]
pub struct Files {
    kept: Option<Snapshot>,
    /// Of the append-only file, when it was synced last.
    aof_bytes: i64,
    saved_at: Time,
}

impl Files {
    /// What a process that starts now would read.
    pub fn kept(&self) -> Option<&Snapshot> {
        self.kept.as_ref()
    }

    pub(super) fn aof_bytes(&self) -> i64 {
        if self.kept.is_some() { self.aof_bytes } else { base_bytes(0) }
    }

    pub(super) fn begin(&mut self, now: Time, boot: Boot) {
        self.saved_at = now;
        if boot == Boot::Empty {
            self.kept = None;
        }
    }

    /// The file is another one now: it was received from the primary.
    pub(super) fn replace(&mut self, snapshot: Snapshot) {
        self.kept = Some(snapshot);
    }
}

impl Redis {
    fn snapshot(&self) -> Snapshot {
        let replid = (self.setup.persistence != Persistence::Aof).then_some(self.replid);
        Snapshot { replid, offset: self.offset, data: self.data.clone() }
    }

    /// Everything, as a full resync sends it.
    pub(super) fn payload(&self) -> Box<Snapshot> {
        let replid = Some(self.replid);
        Box::new(Snapshot { replid, offset: self.offset, data: self.data.clone() })
    }

    /// Writes the file now, where there is one.
    pub fn save_now(&mut self) {
        if !self.loading && self.setup.persistence != Persistence::Off {
            self.files.kept = Some(self.snapshot());
            self.files.aof_bytes = self.aof_bytes;
        }
    }

    /// The process is killed: what it has given to its kernel is written.
    pub fn flush_file(&mut self) {
        if self.setup.persistence == Persistence::Aof {
            self.save_now();
        }
    }

    /// The file is saved, or synced, when it is time.
    pub(super) fn save_due(&mut self, now: Time) {
        let every = match self.setup.persistence {
            Persistence::Off => return,
            Persistence::Rdb(every) => every,
            Persistence::Aof => super::CRON_PERIOD,
        };
        if now.since(self.files.saved_at) >= every && !self.misconf {
            self.files.saved_at = now;
            self.save_now();
        }
    }

    /// A primary restarted from its RDB file keeps the file's history as its second id, since Redis
    /// 7.0; before, and with an append-only file, it begins a new one. A replica goes on in the file's.
    pub(super) fn loaded(&mut self, out: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.loading, false) {
            return;
        }
        self.begin_stream(out);
        if let Some(snapshot) = self.reading.take() {
            self.data = snapshot.data;
            if let (Some(upstream), Some(replid)) = (&mut self.upstream, snapshot.replid) {
                upstream.cached = true;
                (self.replid, self.offset) = (replid, snapshot.offset);
                self.backlog = Some(Backlog::new(self.offset));
                out.push(Effect::Note(Note::Loaded));
                return;
            }
            let known = snapshot.replid.filter(|_| self.setup.version >= Version::V7_0);
            if let Some(replid) = known {
                self.replid2 = Some(replid);
                self.second_offset = snapshot.offset + 1;
                self.offset = snapshot.offset;
                self.backlog = Some(Backlog::new(self.offset));
            }
        }
        out.push(Effect::Note(Note::Loaded));
    }
}
