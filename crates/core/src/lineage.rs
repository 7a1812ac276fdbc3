//! Whose data is newer: replication ids and offsets first, generations second.
//!
//! Redis's own rules decide (replication.c, `shiftReplicationId` and
//! `masterTryPartialResynchronization`): a promotion keeps the old id as `master_replid2` and
//! remembers the offset up to which it shares that history. Where the ids tell nothing, the pair's
//! generation does: it counts promotions, and both machines persist it.
//!
//! Not here: priority. It decides between equals only, and [`Relation::Same`] says who those are.

use crate::config::Generation;
use core::cmp::Ordering;
use keepair_wire::peer::{RedisFacts, Report, Restored};

/// What one machine's Redis holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lineage {
    /// The newest generation the data belongs to.
    pub generation: Generation,
    /// Redis was not restarted since it reached that generation.
    pub vouched: bool,
    /// The operator said that this is the pair's data.
    pub accepted: bool,
    /// This machine began the generation.
    pub served: bool,
    /// What a restarted Redis continues, though its ids do not say so.
    pub restored: Option<Restored>,
    /// This replica's link was down while its primary served.
    pub missed_writes: bool,
    /// The ids and offsets.
    pub facts: RedisFacts,
}

impl From<&Report> for Lineage {
    fn from(report: &Report) -> Self {
        Lineage {
            generation: Generation(report.generation),
            vouched: report.vouched,
            accepted: report.accepted,
            served: report.served,
            restored: report.restored,
            missed_writes: report.missed_writes,
            facts: report.redis.clone(),
        }
    }
}

/// How my data relates to the peer's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// The same history up to the same byte, or two empty machines.
    Same,
    /// The same history; mine reaches further.
    Ahead {
        /// By so many bytes.
        bytes: i64,
    },
    /// The same history; the peer's reaches further.
    Behind {
        /// By so many bytes.
        bytes: i64,
    },
    /// Mine is the newer history.
    Supersedes,
    /// The peer's is the newer history.
    Superseded {
        /// Bytes of the stream that only I hold; `None` when the ids don't tell.
        own_tail_bytes: Option<i64>,
    },
    /// Two histories, and nothing says which is newer: neither may overwrite the other.
    Unrelated,
}

impl Relation {
    /// The peer's data may replace mine without losing anything the pair has promised to keep.
    pub fn may_follow(self) -> bool {
        match self {
            Relation::Superseded { .. } | Relation::Same | Relation::Behind { .. } => true,
            Relation::Ahead { .. } | Relation::Supersedes | Relation::Unrelated => false,
        }
    }
}

/// Compares two machines' data, `mine` against `peer`'s. What the operator accepted is the newer,
/// whatever else is known; where nothing is known, so is what the other machine was made to give up.
pub fn compare(mine: &Lineage, peer: &Lineage) -> Relation {
    let relation = compare_histories(mine, peer);
    let unrelated = relation == Relation::Unrelated;
    let chosen = |side: &Lineage, other: &Lineage| {
        side.accepted && !other.accepted || unrelated && other.facts.given_up
    };
    match (chosen(mine, peer), chosen(peer, mine), relation) {
        (true, false, Relation::Same | Relation::Ahead { .. }) => relation,
        (true, false, _) => Relation::Supersedes,
        (false, true, Relation::Superseded { .. } | Relation::Same | Relation::Behind { .. }) => {
            relation
        }
        (false, true, _) => Relation::Superseded { own_tail_bytes: None },
        _ => relation,
    }
}

fn compare_histories(mine: &Lineage, peer: &Lineage) -> Relation {
    let (m, p) = (&mine.facts, &peer.facts);
    if m.replid == p.replid && known(&m.replid) {
        let bytes = m.offset.saturating_sub(p.offset);
        // The two offsets were not read at the same instant, and no replica is ahead of its
        // primary.
        let bytes = match (m.primary, p.primary) {
            (true, false) => bytes.max(0),
            (false, true) => bytes.min(0),
            _ => bytes,
        };
        return match bytes {
            0 => Relation::Same,
            1.. => Relation::Ahead { bytes },
            _ => Relation::Behind { bytes: bytes.saturating_neg() },
        };
    }
    if known(&m.replid) && m.replid == p.replid2 {
        return forked_from(mine, peer);
    }
    if known(&p.replid) && p.replid == m.replid2 {
        return match forked_from(peer, mine) {
            Relation::Superseded { .. } => Relation::Supersedes,
            Relation::Same => Relation::Same,
            _ => {
                let own_tail_bytes = m.offset.saturating_add(1).saturating_sub(m.second_offset);
                Relation::Superseded { own_tail_bytes: Some(own_tail_bytes.max(0)) }
            }
        };
    }
    if known(&m.replid2)
        && m.replid2 == p.replid2
        && let Some(relation) = common_ancestor(m, p)
    {
        return relation;
    }
    // Strangers. An empty machine holds nothing that could be lost, and is never a source for one
    // that holds something, whatever its generation.
    match (m.empty, p.empty) {
        (true, true) => {}
        (true, false) => return Relation::Superseded { own_tail_bytes: Some(0) },
        (false, true) => return Relation::Supersedes,
        (false, false) => {}
    }
    // Data that was never a member of the pair is nobody's old copy.
    let stranger = |side: &Lineage| side.generation == Generation(0) && !side.facts.empty;
    if stranger(mine) || stranger(peer) {
        return Relation::Unrelated;
    }
    if m.empty && p.empty {
        return Relation::Same;
    }
    if continues_past(mine, p) {
        return Relation::Supersedes;
    }
    if continues_past(peer, m) {
        return Relation::Superseded { own_tail_bytes: Some(0) };
    }
    if may_go_past(mine, peer) || may_go_past(peer, mine) {
        return Relation::Unrelated;
    }
    // A generation says what an earlier process held; whether this one has read that from its file is
    // another question.
    let known = |side: &Lineage| (side.generation, standing(side));
    match known(mine).cmp(&known(peer)) {
        Ordering::Greater if stands_above(mine, peer) => Relation::Supersedes,
        Ordering::Less if stands_above(peer, mine) => Relation::Superseded { own_tail_bytes: None },
        _ => Relation::Unrelated,
    }
}

/// How surely a machine's Redis holds its generation's data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Standing {
    /// It was restarted, and nothing tells how old its file was.
    Unknown,
    /// It was restarted from the whole file of a process that followed.
    RestoredReplica,
    /// It was restarted from the whole file of the process that served, which is never behind.
    RestoredPrimary,
    /// It is the process that held it.
    Vouched,
}

fn standing(side: &Lineage) -> Standing {
    match (side.vouched, side.restored, side.served) {
        (true, _, _) => Standing::Vouched,
        (false, Some(_), true) => Standing::RestoredPrimary,
        (false, Some(_), false) => Standing::RestoredReplica,
        (false, None, _) => Standing::Unknown,
    }
}

/// `side` is known to hold its generation's data. A replica's file may lack what was served of the same
/// generation, and may still be read, elsewhere.
fn stands_above(side: &Lineage, other: &Lineage) -> bool {
    match standing(side) {
        Standing::Unknown => false,
        Standing::RestoredReplica => side.generation > other.generation || !other.served,
        Standing::RestoredPrimary | Standing::Vouched => true,
    }
}

/// It names the history of the append-only file that was loaded, or the one before it.
fn is_of(restored: &Restored, replid: &[u8; 20]) -> bool {
    known(replid) && (*replid == restored.replid || *replid == restored.replid2)
}

/// `other` left a history of `restored`, and began one of its own.
fn promoted(restored: &Restored, other: &RedisFacts) -> bool {
    other.primary && !is_of(restored, &other.replid) && is_of(restored, &other.replid2)
}

/// How far `other` holds the history of `restored`; offsets go on through promotions.
fn holds_of(restored: &Restored, other: &RedisFacts) -> Option<i64> {
    if promoted(restored, other) {
        Some(other.second_offset.saturating_sub(1))
    } else {
        let related = is_of(restored, &other.replid) || is_of(restored, &other.replid2);
        related.then_some(other.offset)
    }
}

/// `side` was restarted from a file that goes at least as far as this replica of its history, or as one
/// that was promoted from it, or restarted from its RDB file, and not used since.
fn continues_past(side: &Lineage, other: &RedisFacts) -> bool {
    side.restored.is_some_and(|restored| {
        let goes_on = other.primary && !(promoted(&restored, other) && other.unused);
        let within = |end| (0..=restored.at_least).contains(&end);
        !goes_on && holds_of(&restored, other).is_some_and(within)
    })
}

/// Nobody vouches for `other`, but it may hold what `side` has lost of its file with its power: in step
/// as far as anybody knows, or promoted from the same history and used since.
fn may_go_past(other: &Lineage, side: &Lineage) -> bool {
    let Some(restored) = side.restored.filter(|_| other.restored.is_none()) else {
        return false;
    };
    let vouched_since = other.vouched && other.generation >= side.generation;
    let past = holds_of(&restored, &other.facts).is_some_and(|end| end > restored.at_least);
    let used = promoted(&restored, &other.facts) && !other.facts.unused;
    // A generation has one that began it: another, promoted in it, has parted from that one.
    let parted = side.served && other.generation == side.generation;
    (past && !vouched_since && !other.missed_writes) || (used && (!vouched_since || parted))
}

/// The offset of the first byte of `mine`'s stream that `peer` is not known to hold, by `mine`'s
/// own `master_replid`: offsets go on through promotions. `None` where the ids tell nothing.
pub fn first_own_byte(mine: &RedisFacts, peer: &RedisFacts) -> Option<i64> {
    if !known(&mine.replid) {
        None
    } else if mine.replid == peer.replid {
        Some(peer.offset.saturating_add(1))
    } else if mine.replid == peer.replid2 {
        Some(peer.second_offset)
    } else if known(&mine.replid2) && mine.replid2 == peer.replid {
        Some(mine.second_offset.min(peer.offset.saturating_add(1)))
    } else if known(&mine.replid2) && mine.replid2 == peer.replid2 {
        Some(mine.second_offset.min(peer.second_offset))
    } else {
        None
    }
}

/// Both histories left a common one. Who has written nothing since holds a prefix of it, and that
/// is contained in whatever reaches as far or further: two primaries restarted from their RDB files
/// after both machines lost power are such a pair.
fn common_ancestor(mine: &RedisFacts, peer: &RedisFacts) -> Option<Relation> {
    let ahead = mine.second_offset.saturating_sub(peer.second_offset);
    match (mine.unused, peer.unused) {
        (true, true) if ahead == 0 => Some(Relation::Same),
        (true, _) if ahead <= 0 => Some(Relation::Superseded { own_tail_bytes: Some(0) }),
        (_, true) if ahead >= 0 => Some(Relation::Supersedes),
        _ => None,
    }
}

/// `new`'s history left `old`'s at `new`'s `second_repl_offset`, the first byte they do not share.
/// That is what a promotion leaves behind, and then `new` is the newer; but a primary restarted
/// from its RDB file leaves the same traces (Redis 7.0 and later), and its file may be older than
/// what its replica has received since.
fn forked_from(old: &Lineage, new: &Lineage) -> Relation {
    let own_tail_bytes =
        old.facts.offset.saturating_add(1).saturating_sub(new.facts.second_offset).max(0);
    let old_has_more = own_tail_bytes > 0;
    match old.generation.cmp(&new.generation) {
        // `new` was promoted and then not used: nothing of it is lost, and `old` has more.
        _ if new.facts.unused && old_has_more => Relation::Supersedes,
        // `new` was restarted from a file that `old`'s history goes beyond. Its generation is what an
        // earlier process reached, whatever was written since by a program beside it.
        _ if !new.vouched && old_has_more => Relation::Supersedes,
        Ordering::Less => Relation::Superseded { own_tail_bytes: Some(own_tail_bytes) },
        Ordering::Greater if old.vouched => Relation::Supersedes,
        Ordering::Greater => Relation::Superseded { own_tail_bytes: Some(own_tail_bytes) },
        // Neither has a byte that the other lacks.
        Ordering::Equal if new.facts.unused => Relation::Same,
        Ordering::Equal => Relation::Superseded { own_tail_bytes: Some(own_tail_bytes) },
    }
}

fn known(replid: &[u8; 20]) -> bool {
    replid.iter().any(|byte| *byte != 0)
}

#[cfg(test)]
mod tests;
