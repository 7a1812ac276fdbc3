use super::Relation::*;
use super::*;

/// A lineage: id, second id, offset of the fork, offset, generation.
fn history(id: u8, id2: u8, second: i64, offset: i64, generation: u64) -> Lineage {
    Lineage {
        accepted: false,
        served: false,
        restored: None,
        missed_writes: false,
        generation: Generation(generation),
        vouched: true,
        facts: RedisFacts {
            reachable: true,
            replid: [id; 20],
            replid2: [id2; 20],
            second_offset: second,
            offset,
            unused: offset < second,
            ..RedisFacts::default()
        },
    }
}

fn empty(mut lineage: Lineage) -> Lineage {
    lineage.facts.empty = true;
    lineage
}

fn restarted(mut lineage: Lineage) -> Lineage {
    lineage.vouched = false;
    lineage
}

#[test]
fn relations_table() {
    let a = history(1, 0, -1, 1000, 5);
    for (name, mine, peer, expected) in [
        ("the same byte", a.clone(), a.clone(), Same),
        ("a replica that lags", a.clone(), history(1, 0, -1, 900, 5), Ahead { bytes: 100 }),
        ("seen from the replica", history(1, 0, -1, 900, 5), a.clone(), Behind { bytes: 100 }),
        (
            "the peer was promoted at my last byte",
            a.clone(),
            history(2, 1, 1001, 1050, 6),
            Superseded { own_tail_bytes: Some(0) },
        ),
        (
            "the peer was promoted and I went on for 50 bytes",
            history(1, 0, -1, 1050, 5),
            history(2, 1, 1001, 1200, 6),
            Superseded { own_tail_bytes: Some(50) },
        ),
        ("I was promoted", history(2, 1, 1001, 1050, 6), a.clone(), Supersedes),
        (
            "restarted from an append-only file: a new id at the same generation",
            restarted(history(9, 0, -1, 0, 5)),
            a.clone(),
            Superseded { own_tail_bytes: None },
        ),
        (
            "restarted empty as a primary, however long its offset grew",
            empty(restarted(history(9, 0, -1, 99_999, 5))),
            a.clone(),
            Superseded { own_tail_bytes: Some(0) },
        ),
        (
            "the peer was restarted from an RDB file older than what I received",
            history(1, 0, -1, 1000, 5),
            restarted(history(2, 1, 801, 801, 5)),
            Supersedes,
        ),
        (
            "sim_finding_3507: the same, at a greater generation, and a program beside it wrote since",
            a.clone(),
            restarted(history(2, 1, 801, 900, 6)),
            Supersedes,
        ),
        (
            "the peer was restarted from an RDB file that holds all I received",
            history(1, 0, -1, 1000, 5),
            restarted(history(2, 1, 1001, 1000, 5)),
            Same,
        ),
        (
            "the same, and it has taken writes since",
            history(1, 0, -1, 1000, 5),
            restarted(history(2, 1, 1001, 1050, 5)),
            Superseded { own_tail_bytes: Some(0) },
        ),
        (
            "the peer was promoted alone and nobody wrote to it, while I went on",
            history(1, 0, -1, 900_000, 5),
            history(2, 1, 1001, 1000, 6),
            Supersedes,
        ),
        (
            "the peer was promoted, was not used, and the address came back to me",
            history(1, 0, -1, 1200, 6),
            history(2, 1, 1001, 1000, 5),
            Supersedes,
        ),
        (
            "the same, and neither noticed a new generation",
            history(1, 0, -1, 1200, 5),
            history(2, 1, 1001, 1000, 5),
            Supersedes,
        ),
        (
            "both restarted from RDB files of one history, mine reaches further",
            restarted(history(3, 1, 1001, 1000, 5)),
            restarted(history(4, 1, 901, 900, 5)),
            Supersedes,
        ),
        (
            "both restarted from RDB files of one history, at the same byte",
            restarted(history(3, 1, 1001, 1000, 5)),
            restarted(history(4, 1, 1001, 1000, 5)),
            Same,
        ),
        (
            "both restarted, and the one whose file is older has taken writes since",
            restarted(history(3, 1, 1001, 1000, 5)),
            restarted(history(4, 1, 901, 950, 5)),
            Unrelated,
        ),
        (
            "an empty one with a larger generation is still no source",
            a.clone(),
            empty(history(9, 0, -1, 0, 7)),
            Supersedes,
        ),
        (
            "strangers of one generation",
            history(3, 0, -1, 10, 0),
            history(4, 0, -1, 10, 0),
            Unrelated,
        ),
        ("two new machines", empty(history(3, 0, -1, 0, 0)), empty(history(4, 0, -1, 0, 0)), Same),
        (
            "data that was never a member is not overwritten by a working pair's",
            history(3, 0, -1, 10, 0),
            history(4, 0, -1, 10, 2),
            Unrelated,
        ),
        (
            "strangers, the peer's history is newer",
            history(3, 0, -1, 10, 1),
            history(4, 0, -1, 10, 2),
            Superseded { own_tail_bytes: None },
        ),
        (
            "sim finding S5: a generation of an earlier process says nothing of an old file",
            history(3, 0, -1, 10, 1),
            restarted(history(4, 0, -1, 10, 2)),
            Unrelated,
        ),
        (
            "both restarted, and the ids tell nothing",
            restarted(history(3, 0, -1, 10, 1)),
            restarted(history(4, 0, -1, 10, 2)),
            Unrelated,
        ),
    ] {
        assert_eq!(compare(&mine, &peer), expected, "{name}");
    }
}

#[test]
fn a_flushed_primary_and_its_replica_are_the_same_history() {
    // FLUSHALL is a write: an empty primary with its own replica's id is not a restarted one.
    let primary = empty(history(1, 0, -1, 1000, 5));
    let replica = history(1, 0, -1, 980, 5);
    assert_eq!(compare(&primary, &replica), Ahead { bytes: 20 });
}

#[test]
fn a_primary_flushed_after_its_promotion_still_supersedes() {
    let flushed = empty(history(2, 1, 1001, 1300, 6));
    let old = history(1, 0, -1, 1000, 5);
    assert_eq!(compare(&flushed, &old), Supersedes);
}

#[test]
fn comparison_is_antisymmetric() {
    let pool = [
        history(1, 0, -1, 1000, 5),
        history(1, 0, -1, 900, 5),
        history(2, 1, 1001, 1200, 6),
        empty(history(3, 0, -1, 0, 0)),
        restarted(history(4, 0, -1, 10, 5)),
        restarted(history(6, 7, 1001, 1000, 5)),
        restarted(history(8, 7, 901, 900, 5)),
        restarted(history(8, 7, 1001, 1000, 5)),
        history(4, 0, -1, 10, 0),
        empty(history(5, 0, -1, 10, 9)),
    ];
    for x in &pool {
        for y in &pool {
            let forward = compare(x, y);
            let expected = match forward {
                Same => Same,
                Ahead { bytes } => Behind { bytes },
                Behind { bytes } => Ahead { bytes },
                Superseded { .. } => Supersedes,
                Unrelated => Unrelated,
                Supersedes => {
                    assert!(matches!(compare(y, x), Superseded { .. }), "{x:?} {y:?}");
                    continue;
                }
            };
            assert_eq!(compare(y, x), expected, "{x:?} {y:?}");
        }
    }
}

/// Restarted from the append-only file of a process of history 1.
fn from_aof(at_least: i64, served: bool, generation: u64) -> Lineage {
    Lineage {
        served,
        restored: Some(Restored { replid: [1; 20], replid2: [0; 20], at_least }),
        // Each process has an id of its own.
        ..restarted(history(if served { 9 } else { 8 }, 0, -1, 0, generation))
    }
}

#[test]
fn an_append_only_file_continues_what_the_daemon_remembers() {
    let follows = |offset, generation| {
        let mut replica = history(1, 0, -1, offset, generation);
        replica.vouched = false;
        replica
    };
    let missed = |lineage| Lineage { missed_writes: true, ..lineage };
    let primary = |mut lineage: Lineage| {
        lineage.facts.primary = true;
        lineage
    };
    let had_served = |lineage| Lineage { served: true, ..restarted(lineage) };
    let unused = |mut lineage: Lineage| {
        lineage.vouched = false;
        lineage.facts.unused = true;
        lineage
    };
    let newer = Superseded { own_tail_bytes: None };
    let newer_whole = Superseded { own_tail_bytes: Some(0) };
    let before_promotion = Lineage {
        restored: Some(Restored { replid: [7; 20], replid2: [1; 20], at_least: 1000 }),
        ..from_aof(1000, true, 5)
    };
    let whole = from_aof(i64::MAX, true, 5);
    let served = from_aof(1000, true, 5);
    for (name, mine, peer, expected) in [
        (
            "two that lost their power: the one that served",
            served.clone(),
            from_aof(990, false, 5),
            Supersedes,
        ),
        ("seen from the other", from_aof(990, false, 5), served.clone(), newer),
        ("the later generation", from_aof(0, false, 6), served.clone(), Supersedes),
        (
            "a file that tells nothing",
            served.clone(),
            restarted(history(3, 0, -1, 50, 5)),
            Supersedes,
        ),
        (
            "sim_finding_1871: a replica's file, and one that served and can't tell yet",
            from_aof(990, false, 5),
            had_served(history(3, 0, -1, 50, 5)),
            Unrelated,
        ),
        (
            "the same, restarted from an RDB file that goes no further",
            from_aof(990, false, 5),
            had_served(primary(history(3, 1, 991, 990, 5))),
            Supersedes,
        ),
        (
            "the same, from one that goes further",
            from_aof(990, false, 5),
            had_served(primary(history(3, 1, 992, 991, 5))),
            Unrelated,
        ),
        ("a replica that did not restart", served.clone(), history(1, 0, -1, 1001, 5), newer),
        (
            "the same, behind a file that is whole",
            whole.clone(),
            history(1, 0, -1, 1001, 5),
            Supersedes,
        ),
        (
            "a replica that nobody vouches for, and that may have more",
            served.clone(),
            follows(1001, 4),
            Unrelated,
        ),
        ("the same, not beyond the file", served.clone(), follows(1000, 4), Supersedes),
        ("the same, whose link was down", served.clone(), missed(follows(1001, 4)), Supersedes),
        (
            "vouched for an earlier generation only",
            served.clone(),
            history(1, 0, -1, 1001, 4),
            Unrelated,
        ),
        (
            "promoted from it and used, whatever it remembers",
            served.clone(),
            primary(history(2, 1, 900, 950, 4)),
            Unrelated,
        ),
        (
            "promoted from it in the same generation, which each of them began",
            whole.clone(),
            primary(history(2, 1, 900, 950, 5)),
            Unrelated,
        ),
        (
            "sim_finding_9774: the file of a replica, which remembers what it served before",
            from_aof(1000, false, 5),
            primary(history(2, 1, 900, 950, 5)),
            newer,
        ),
        (
            "sim_finding_1796091308037043: promoted, and lost the end of its file before a new mark; \
             seen from the one it took over from",
            primary(history(1, 0, -1, 1001, 4)),
            before_promotion.clone(),
            Unrelated,
        ),
        (
            "the same, a replica that had not begun to follow",
            history(1, 0, -1, 1001, 4),
            before_promotion.clone(),
            Unrelated,
        ),
        (
            "the same, a replica that followed and is not in step",
            follows(1001, 4),
            before_promotion.clone(),
            Unrelated,
        ),
        (
            "the same, not beyond the mark",
            history(1, 0, -1, 1000, 4),
            before_promotion,
            newer_whole,
        ),
        (
            "sim_finding_1796091308014473: made a primary by hand beyond the file, and not used",
            served.clone(),
            unused(primary(history(2, 1, 1002, 1001, 4))),
            Unrelated,
        ),
        (
            "the same, not beyond it",
            served.clone(),
            unused(primary(history(2, 1, 1001, 1000, 4))),
            Supersedes,
        ),
        ("promoted from it since", served.clone(), primary(history(2, 1, 900, 950, 6)), newer),
        (
            "data of another past, at an earlier generation",
            whole,
            restarted(history(4, 0, -1, 99, 4)),
            Supersedes,
        ),
    ] {
        assert_eq!(compare(&mine, &peer), expected, "{name}");
    }
}
