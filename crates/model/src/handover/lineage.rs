//! Whose data is newer, on small numbers: `core::lineage::compare`, rule by rule. A test compares
//! the two over every input that fits.

/// A replication id; 0 is none.
pub type Id = u8;

/// What one machine's Redis holds, as a report tells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Facts {
    /// It answers.
    pub reachable: bool,
    /// It is a primary.
    pub primary: bool,
    /// It is a replica whose link is up.
    pub linked: bool,
    /// No key.
    pub empty: bool,
    /// `master_replid`.
    pub id: Id,
    /// `master_replid2`.
    pub id2: Id,
    /// `second_repl_offset`; -1 is none.
    pub second: i8,
    /// Applied up to here.
    pub offset: i8,
}

/// [`Facts`] with the pair's view of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lineage {
    /// The newest generation the data belongs to.
    pub generation: u8,
    /// Redis was not restarted since.
    pub vouched: bool,
    /// The ids and offsets.
    pub facts: Facts,
}

/// How my data relates to the peer's: `core::lineage::Relation` without the counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// Equal.
    Same,
    /// Mine reaches further.
    Ahead,
    /// The peer's reaches further.
    Behind,
    /// Mine is the newer history.
    Supersedes,
    /// The peer's is the newer history.
    Superseded,
    /// Nothing tells.
    Unrelated,
}

impl Relation {
    /// The peer's data may replace mine.
    pub fn may_follow(self) -> bool {
        matches!(self, Relation::Superseded | Relation::Same | Relation::Behind)
    }

    /// The peer's data is the newer.
    pub fn loses(self) -> bool {
        matches!(self, Relation::Superseded | Relation::Behind)
    }

    /// Mine is the newer.
    pub fn wins(self) -> bool {
        matches!(self, Relation::Supersedes | Relation::Ahead)
    }
}

/// Compares `mine` against `peer`'s.
pub fn compare(mine: &Lineage, peer: &Lineage) -> Relation {
    let (m, p) = (&mine.facts, &peer.facts);
    if m.id == p.id && m.id != 0 {
        let ahead = m.offset - p.offset;
        let ahead = match (m.primary, p.primary) {
            (true, false) => ahead.max(0),
            (false, true) => ahead.min(0),
            _ => ahead,
        };
        return match ahead {
            0 => Relation::Same,
            1.. => Relation::Ahead,
            _ => Relation::Behind,
        };
    }
    if m.id != 0 && m.id == p.id2 {
        return forked_from(mine, peer);
    }
    if p.id != 0 && p.id == m.id2 {
        return match forked_from(peer, mine) {
            Relation::Superseded => Relation::Supersedes,
            Relation::Same => Relation::Same,
            _ => Relation::Superseded,
        };
    }
    if m.id2 != 0
        && m.id2 == p.id2
        && let Some(relation) = common_ancestor(m, p)
    {
        return relation;
    }
    match (m.empty, p.empty) {
        (true, false) => return Relation::Superseded,
        (false, true) => return Relation::Supersedes,
        _ => {}
    }
    let stranger = |side: &Lineage| side.generation == 0 && !side.facts.empty;
    if stranger(mine) || stranger(peer) {
        return Relation::Unrelated;
    }
    if m.empty && p.empty {
        return Relation::Same;
    }
    let key = |side: &Lineage| (side.generation, side.vouched);
    match key(mine).cmp(&key(peer)) {
        std::cmp::Ordering::Greater if mine.vouched => Relation::Supersedes,
        std::cmp::Ordering::Less if peer.vouched => Relation::Superseded,
        _ => Relation::Unrelated,
    }
}

fn common_ancestor(mine: &Facts, peer: &Facts) -> Option<Relation> {
    let is_prefix = |side: &Facts| side.offset < side.second;
    let ahead = mine.second - peer.second;
    match (is_prefix(mine), is_prefix(peer)) {
        (true, true) if ahead == 0 => Some(Relation::Same),
        (true, _) if ahead <= 0 => Some(Relation::Superseded),
        (_, true) if ahead >= 0 => Some(Relation::Supersedes),
        _ => None,
    }
}

fn forked_from(old: &Lineage, new: &Lineage) -> Relation {
    let old_has_more = old.facts.offset + 1 > new.facts.second;
    let wrote_nothing = new.facts.offset < new.facts.second;
    match old.generation.cmp(&new.generation) {
        _ if wrote_nothing && old_has_more => Relation::Supersedes,
        _ if !new.vouched && old_has_more => Relation::Supersedes,
        std::cmp::Ordering::Less => Relation::Superseded,
        std::cmp::Ordering::Greater if old.vouched => Relation::Supersedes,
        std::cmp::Ordering::Greater => Relation::Superseded,
        std::cmp::Ordering::Equal if wrote_nothing => Relation::Same,
        std::cmp::Ordering::Equal => Relation::Superseded,
    }
}
