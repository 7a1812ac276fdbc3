//! How far the data of a restarted Redis reaches, and how far the other Redis can have come.
//!
//! The process that held the pair's data is gone, and another has loaded what it left on the disk. An
//! RDB file tells its history and offset (Redis 7.0 and later). An append-only file tells neither, but
//! its length does, to whoever remembers it: Redis writes a command there before it sends it to a
//! replica, but for those that wait for an `fsync` under way. The other Redis holds everything while
//! it is attached. Hanging, it may receive for as long as its connection stands what the kernels hold;
//! once INFO shows it no longer, no more than what the stream held then.
//!
//! Not here: comparing two machines that answer ([`crate::lineage`]), and what follows from it.

use crate::input::AofMark;
use crate::time::Time;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::info::{Info, LinkStatus, ReplId, ReplicaInfo, ReplicaState, RunId};
use keepair_wire::peer::{RedisFacts, Restored};

/// A replica acknowledges each second. One that has not for more seconds than this hangs, or is gone.
const SILENT_AFTER_S: i64 = 3;
/// `appendfsync everysec`: what was in the file so long ago is on the disk.
const ON_DISK_AFTER: Duration = Duration::from_secs(2);

/// What is remembered of the last Redis process that held the generation's data.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reach {
    held: Option<Held>,
    loaded: Option<Loaded>,
    /// What is kept over a restart of the daemon.
    mark: Option<AofMark>,
    /// The next one, since when it was in the file.
    next_mark: Option<(Time, AofMark)>,
    /// INFO names the other machine's replica by that machine's address: there is no translation.
    by_address: bool,
}

/// That process, as INFO showed it last.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Held {
    run_id: RunId,
    replid: [u8; 20],
    /// The history that [`Held::offset`] is of, if it was promoted later.
    replid2: [u8; 20],
    /// Of its last byte that was in its file as well, when it was seen.
    offset: i64,
    /// This daemon saw it to its end: what it wrote later it wrote to its file as well, unless the disk
    /// was so slow that Redis postponed that (`flushAppendOnlyFile`).
    to_its_end: bool,
    /// Of the append-only file, if it is on.
    aof_bytes: Option<i64>,
    empty: bool,
    other: Other,
}

/// How far the other Redis can have come in the history of [`Held`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Other {
    /// To its end.
    Anywhere,
    /// The same, by what the kernels hold for it: it has been silent for long, and its
    /// connection stands.
    Silent,
    /// Not beyond this offset, at which the append-only file had so many bytes.
    UpTo { offset: i64, aof_bytes: Option<i64> },
}

/// A process that was started later.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Loaded {
    run_id: RunId,
    /// Its `master_replid` when it had loaded its file. `None`: it had other data already.
    replid: Option<[u8; 20]>,
}

impl Reach {
    /// A process of this name held the generation's data when an earlier daemon kept its state. The
    /// machine may have lost its power since, and the end of the file with it.
    pub fn remembered(run_id: RunId, mark: AofMark) -> Self {
        let held = Held {
            run_id,
            replid: mark.replid.0,
            replid2: mark.replid2.0,
            offset: mark.offset,
            to_its_end: false,
            aof_bytes: Some(mark.bytes),
            empty: false,
            other: Other::Anywhere,
        };
        Reach { held: Some(held), mark: Some(mark), ..Reach::default() }
    }

    /// INFO of the process that holds the generation's data. `lives`: the other machine does, for all
    /// that is known of it.
    pub fn holds(&mut self, now: Time, info: &Info, facts: &RedisFacts, peer: IpAddr, lives: bool) {
        let Some(run_id) = info.run_id.filter(|_| !facts.syncing) else {
            return;
        };
        let aof_bytes = aof_bytes(info);
        let postponed = info.aof_pending_bio_fsync > Some(0) && info.aof_buffer_length > Some(0);
        self.by_address |= !of_peer(info, peer).is_empty();
        let same_process = self.held.filter(|held| held.run_id == run_id);
        let before = same_process.filter(|held| held.replid == facts.replid);
        self.mark =
            self.mark.filter(|_| same_process.is_some()).and_then(|mark| follow(mark, facts));
        let in_file = aof_bytes.filter(|_| !postponed);
        let other = match before.map(|held| held.other) {
            _ if !facts.primary || self.attached(info, peer) => Other::Anywhere,
            _ if lives && !self.candidates(info, peer).is_empty() => Other::Silent,
            Some(Other::UpTo { offset, aof_bytes: mark }) => Other::UpTo {
                offset,
                // A rewritten file is shorter, and holds everything.
                aof_bytes: mark.map_or(in_file, |mark| aof_bytes.map(|now| now.min(mark))),
            },
            Some(Other::Anywhere | Other::Silent) | None => {
                Other::UpTo { offset: facts.offset, aof_bytes: in_file }
            }
        };
        let (replid, empty) = (facts.replid, facts.empty);
        let offset = match before {
            Some(before) if postponed => before.offset,
            None if postponed => -1,
            _ => facts.offset,
        };
        let to_its_end = !postponed;
        let replid2 = [0; 20];
        self.held =
            Some(Held { run_id, replid, replid2, offset, to_its_end, aof_bytes, empty, other });
        let mark =
            |bytes| AofMark { replid: ReplId(replid), replid2: ReplId(replid2), offset, bytes };
        self.keep_mark(now, in_file.map(mark));
    }

    /// Seldom enough for a disk: when the file was rewritten, or is twice as long. `seen`: how long it is
    /// now, if that holds everything.
    fn keep_mark(&mut self, now: Time, seen: Option<AofMark>) {
        let serves = |mark: &AofMark, seen: &AofMark| {
            let twice = mark.bytes.saturating_mul(2);
            mark.replid == seen.replid
                && mark.replid2 == seen.replid2
                && (mark.bytes..twice).contains(&seen.bytes)
        };
        let Some(seen) = seen else { return };
        if self.mark.is_some_and(|mark| serves(&mark, &seen)) {
            self.next_mark = None;
            return;
        }
        match self
            .next_mark
            .filter(|(_, next)| next.replid == seen.replid && next.bytes <= seen.bytes)
        {
            Some((since, next)) if now.since(since) > ON_DISK_AFTER => {
                self.mark = Some(next);
                self.next_mark = None;
            }
            Some(_) => {}
            None => self.next_mark = Some((now, seen)),
        }
    }

    /// INFO of whatever process there is.
    pub fn sees(&mut self, info: &Info) {
        let Some(run_id) = info.run_id else { return };
        let follows = info.master_link_status == Some(LinkStatus::Up);
        let receiving = follows || info.master_sync_in_progress == Some(true);
        let known = self.loaded.is_some_and(|loaded| loaded.run_id == run_id);
        if known || (info.loading == Some(true) && !receiving) {
            return;
        }
        let replid = info.master_replid.map(|id| id.0).filter(|_| !receiving);
        self.loaded = Some(Loaded { run_id, replid });
    }

    /// What is to be kept over a restart of the daemon.
    pub fn mark(&self) -> Option<AofMark> {
        self.mark
    }

    /// What this process continues, if it has loaded all that is known of the append-only file of the
    /// one before. `served`: that one was the primary, of which no replica can have more.
    pub fn restored(&self, info: &Info, facts: &RedisFacts, served: bool) -> Option<Restored> {
        let held = self.restarted(info, facts)?;
        let whole = at_least(info, held.aof_bytes) && (held.empty || !facts.empty);
        let offset = if served && held.to_its_end { i64::MAX } else { held.offset };
        let Held { replid, replid2, .. } = held;
        whole.then_some(Restored { replid, replid2, at_least: offset })
    }

    /// This process has loaded everything that the other Redis can hold of the history.
    pub fn covers_other(&self, info: &Info, facts: &RedisFacts) -> bool {
        let Some(held) = self.restarted(info, facts) else {
            return false;
        };
        let whole = |mark| at_least(info, mark) && (held.empty || !facts.empty);
        let (offset, aof_bytes) = match held.other {
            Other::Anywhere => return false,
            Other::Silent => return held.to_its_end && whole(held.aof_bytes),
            Other::UpTo { offset, aof_bytes } => (offset, aof_bytes),
        };
        let by_rdb = (facts.replid2 == held.replid && facts.second_offset > offset)
            || (facts.replid == held.replid && facts.offset >= offset);
        by_rdb || whole(aof_bytes)
    }

    /// The process before, if this one still holds what it has loaded from the disk.
    fn restarted(&self, info: &Info, facts: &RedisFacts) -> Option<Held> {
        let held = self.held.filter(|held| info.run_id != Some(held.run_id))?;
        let loaded = self.loaded.filter(|loaded| info.run_id == Some(loaded.run_id))?;
        let replid = loaded.replid?;
        let same = facts.replid == replid || facts.replid2 == replid;
        (same && !facts.syncing).then_some(held)
    }

    /// The other machine's Redis receives the stream, or may.
    pub fn attached(&self, info: &Info, peer: IpAddr) -> bool {
        let receives = |replica: &&ReplicaInfo| {
            replica.state != ReplicaState::Online || replica.lag <= SILENT_AFTER_S
        };
        self.candidates(info, peer).iter().any(receives)
    }

    /// How far the other machine's Redis has acknowledged the stream: `Report::acknowledged`.
    pub fn acknowledged(&self, info: &Info, peer: IpAddr) -> Option<i64> {
        // A connection whose end has not been noticed yet is the one that is silent for longer.
        let newest = self.candidates(info, peer).into_iter().min_by_key(|r| (r.lag, r.offset))?;
        // Of a stream without a byte nothing can be acknowledged.
        let written = info.master_repl_offset.unwrap_or(0) > 0;
        let online = newest.state == ReplicaState::Online;
        (written || !online).then_some(if online { newest.offset } else { 0 })
    }

    /// The replicas that may be the other machine's: those that come from its address, or, as long as
    /// none ever did, all that come from another machine.
    fn candidates<'a>(&self, info: &'a Info, peer: IpAddr) -> Vec<&'a ReplicaInfo> {
        let of_peer = of_peer(info, peer);
        if self.by_address || !of_peer.is_empty() {
            return of_peer;
        }
        info.replicas
            .iter()
            .filter(|replica| !is_local(&replica.ip) && !is_transfer(replica))
            .collect()
    }
}

fn of_peer(info: &Info, peer: IpAddr) -> Vec<&ReplicaInfo> {
    let from_peer =
        |replica: &&ReplicaInfo| replica.ip.parse() == Ok(peer) && !is_transfer(replica);
    info.replicas.iter().filter(from_peer).collect()
}

/// Valkey's and Redis's second connection, for the snapshot only.
fn is_transfer(replica: &ReplicaInfo) -> bool {
    replica.channel.as_deref() == Some("rdb-channel")
}

/// This daemon's own copy of the stream, or another program on this machine.
fn is_local(ip: &str) -> bool {
    ip.starts_with('/') || ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The mark in the history of today, if it lies in it: a promotion leaves the file and the offsets as they
/// were. What was received whole is another file.
fn follow(mark: AofMark, facts: &RedisFacts) -> Option<AofMark> {
    if mark.replid.0 == facts.replid {
        return Some(mark);
    }
    let continues = facts.replid2 == mark.replid.0 && mark.offset < facts.second_offset;
    let replid = ReplId(facts.replid);
    continues.then_some(AofMark { replid, replid2: mark.replid, ..mark })
}

fn aof_bytes(info: &Info) -> Option<i64> {
    info.aof_current_size.filter(|_| info.aof_enabled == Some(true))
}

fn at_least(info: &Info, mark: Option<i64>) -> bool {
    mark.is_some_and(|mark| aof_bytes(info).is_some_and(|bytes| bytes >= mark))
}

#[cfg(test)]
mod tests;
