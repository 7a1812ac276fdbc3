use super::*;
use alloc::string::ToString;
use alloc::vec;
use keepair_wire::info::{ReplId, Role};

const HISTORY: [u8; 20] = [1; 20];
const NOW: Time = Time(1_000_000);

fn peer() -> IpAddr {
    "172.18.0.5".parse().unwrap()
}

fn attached(ip: &str, offset: i64, lag: i64) -> ReplicaInfo {
    let state = ReplicaState::Online;
    ReplicaInfo { ip: ip.to_string(), port: 6379, state, offset, lag, channel: None }
}

/// A primary of this run at this offset, with this many bytes of append-only file.
fn primary(run: u8, replid: [u8; 20], offset: i64, aof_bytes: Option<i64>) -> Info {
    Info {
        run_id: Some(RunId([run; 20])),
        role: Some(Role::Primary),
        master_replid: Some(ReplId(replid)),
        master_repl_offset: Some(offset),
        aof_enabled: Some(aof_bytes.is_some()),
        aof_current_size: aof_bytes,
        keys: Some(5),
        ..Info::default()
    }
}

fn facts(info: &Info) -> RedisFacts {
    RedisFacts {
        reachable: true,
        primary: info.role == Some(Role::Primary),
        link_up: info.master_link_status == Some(LinkStatus::Up),
        empty: info.keys == Some(0),
        replid: info.master_replid.map_or([0; 20], |id| id.0),
        replid2: info.master_replid2.map_or([0; 20], |id| id.0),
        second_offset: info.second_repl_offset.unwrap_or(-1),
        offset: info.master_repl_offset.unwrap_or(-1),
        ..RedisFacts::default()
    }
}

/// A primary whose replica left at offset 1000 (AOF 5000 bytes), and which was seen last at 2000 (9000).
fn alone() -> Reach {
    let mut reach = Reach::default();
    for (s, offset, aof, replicas) in [
        (0, 900, 4000, vec![attached("172.18.0.5", 900, 0)]),
        (1, 1000, 5000, vec![]),
        (3, 2000, 9000, vec![]),
    ] {
        let info = Info { replicas, ..primary(1, HISTORY, offset, Some(aof)) };
        reach.sees(&info);
        reach.holds(NOW + Duration::from_secs(s), &info, &facts(&info), peer(), true);
    }
    reach
}

/// The same process, whose replica was attached to the end.
fn followed() -> Reach {
    let mut reach = Reach::default();
    let replicas = vec![attached("172.18.0.5", 1990, 1)];
    let info = Info { replicas, ..primary(1, HISTORY, 2000, Some(9000)) };
    reach.holds(NOW, &info, &facts(&info), peer(), true);
    reach
}

fn restarted(reach: &mut Reach, info: &Info) -> (bool, Option<i64>) {
    reach.sees(info);
    let facts = facts(info);
    (reach.covers_other(info, &facts), reach.restored(info, &facts, false).map(|r| r.at_least))
}

/// Restarted as a primary from an RDB file that reaches this offset (Redis 7.0 and later).
fn from_rdb(replid2: [u8; 20], offset: i64) -> Info {
    Info {
        master_replid2: Some(ReplId(replid2)),
        second_repl_offset: Some(offset + 1),
        ..primary(2, [9; 20], offset, None)
    }
}

#[test]
fn what_a_restarted_redis_has_loaded_is_measured_by_what_the_other_can_hold() {
    let from_aof = |bytes| primary(2, [9; 20], 0, Some(bytes));
    let as_replica = |offset| Info {
        role: Some(Role::Replica),
        master_link_status: Some(LinkStatus::Down),
        ..primary(2, HISTORY, offset, None)
    };
    let empty = Info { keys: Some(0), ..from_aof(9000) };
    for (name, info, alone_covers, restores) in [
        ("an RDB file from after the replica left", from_rdb(HISTORY, 1000), true, None),
        ("one from before", from_rdb(HISTORY, 999), false, None),
        ("one of another history", from_rdb([7; 20], 5000), false, None),
        ("a replica by its redis.conf, from the same file", as_replica(1000), true, None),
        ("the same, older", as_replica(999), false, None),
        ("the whole append-only file", from_aof(9000), true, Some(2000)),
        ("one that lost its end with the machine", from_aof(5000), true, None),
        ("one that ends before the replica left", from_aof(4999), false, None),
        ("nothing, with a file as long", empty, false, None),
        ("a Redis 6 from its RDB file", primary(2, [9; 20], 0, None), false, None),
    ] {
        assert_eq!(restarted(&mut alone(), &info), (alone_covers, restores), "{name}");
        // What was attached to the end may hold everything.
        assert_eq!(restarted(&mut followed(), &info), (false, restores), "{name}, followed");
    }
}

#[test]
fn nobody_is_judged_by_the_same_process_or_by_none() {
    let info = primary(1, HISTORY, 2000, Some(9000));
    assert_eq!(restarted(&mut alone(), &info), (false, None));
    assert_eq!(restarted(&mut Reach::default(), &info), (false, None));
}

#[test]
fn what_received_other_data_since_its_start_restores_nothing() {
    let aof = primary(2, [9; 20], 0, Some(9000));
    let mut reach = alone();
    assert_eq!(restarted(&mut reach, &aof), (true, Some(2000)));
    // A full resynchronisation: another history, and the file was written anew.
    let other = Info { master_replid: Some(ReplId([5; 20])), ..aof.clone() };
    assert_eq!(restarted(&mut reach, &other), (false, None));
    for receiving in [
        Info { master_sync_in_progress: Some(true), ..aof.clone() },
        Info { master_link_status: Some(LinkStatus::Up), ..aof.clone() },
    ] {
        let mut reach = alone();
        reach.sees(&receiving);
        assert_eq!(restarted(&mut reach, &aof), (false, None), "first seen so: {receiving:?}");
    }
}

#[test]
fn a_rewritten_file_is_shorter_and_holds_everything() {
    let mut reach = alone();
    let rewritten = primary(1, HISTORY, 2100, Some(600));
    reach.holds(NOW, &rewritten, &facts(&rewritten), peer(), true);
    assert_eq!(restarted(&mut reach, &primary(2, [9; 20], 0, Some(600))), (true, Some(2100)));
    // It was switched off while the replica was away: what lies there is old.
    let off = primary(1, HISTORY, 2200, None);
    reach.holds(NOW, &off, &facts(&off), peer(), true);
    assert_eq!(restarted(&mut reach, &primary(2, [9; 20], 0, Some(600))), (false, None));
}

#[test]
fn a_replica_is_attached_until_it_has_been_silent_for_long() {
    for (name, replicas, is_attached) in [
        ("none", vec![], false),
        ("it acknowledges", vec![attached("172.18.0.5", 5, 3)], true),
        ("it does not any more", vec![attached("172.18.0.5", 5, 4)], false),
        (
            "an old connection and a new one",
            vec![attached("172.18.0.5", 5, 40), attached("172.18.0.5", 0, 0)],
            true,
        ),
        ("behind a translated address", vec![attached("10.9.9.9", 5, 0)], true),
        ("the daemon's own copy", vec![attached("127.0.0.1", 5, 0)], false),
        ("the same by a UNIX socket", vec![attached("/run/redis.sock", 5, 0)], false),
    ] {
        let info = Info { replicas, ..primary(1, HISTORY, 10, None) };
        assert_eq!(Reach::default().attached(&info, peer()), is_attached, "{name}");
    }
    // A third machine's replica is not taken for the other one's, once that was seen.
    let mut reach = followed();
    let third =
        Info { replicas: vec![attached("10.9.9.9", 5, 0)], ..primary(1, HISTORY, 10, None) };
    assert!(!reach.attached(&third, peer()));
    reach.holds(NOW, &third, &facts(&third), peer(), true);
    assert_eq!(restarted(&mut reach, &from_rdb(HISTORY, 10)), (true, None));
}

#[test]
fn an_acknowledgement_is_that_of_the_newest_connection() {
    for (name, replicas, expected) in [
        ("nobody", vec![], None),
        ("not yet", vec![attached("172.18.0.5", 0, 0)], Some(0)),
        ("up to here", vec![attached("172.18.0.5", 77, 1)], Some(77)),
        (
            "a connection that is dead and one that is new",
            vec![attached("172.18.0.5", 77, 9), attached("172.18.0.5", 0, 0)],
            Some(0),
        ),
        (
            "a snapshot is on its way",
            vec![ReplicaInfo { state: ReplicaState::SendBulk, ..attached("172.18.0.5", 3, 0) }],
            Some(0),
        ),
    ] {
        let info = Info { replicas, ..primary(1, HISTORY, 10, None) };
        assert_eq!(Reach::default().acknowledged(&info, peer()), expected, "{name}");
    }
    let replicas = vec![attached("172.18.0.5", 0, 0)];
    let info = Info { replicas, ..primary(1, HISTORY, 0, None) };
    assert_eq!(Reach::default().acknowledged(&info, peer()), None, "nothing was ever written");
}

#[test]
fn of_the_process_that_served_no_replica_has_more_and_of_a_lost_end_nobody_knows() {
    let whole = primary(2, [9; 20], 0, Some(9000));
    let mut reach = alone();
    reach.sees(&whole);
    let restored = reach.restored(&whole, &facts(&whole), true);
    assert_eq!(restored.map(|r| (r.replid, r.at_least)), Some((HISTORY, i64::MAX)));
    // A daemon that has been started again, perhaps after the machine lost its power.
    let mut reach = Reach::remembered(RunId([1; 20]), alone().mark().unwrap());
    reach.sees(&whole);
    let restored = reach.restored(&whole, &facts(&whole), true);
    assert_eq!(restored.map(|r| r.at_least), Some(900), "what it reached when it was kept");
    assert!(!reach.covers_other(&whole, &facts(&whole)));
    let anew = primary(2, [9; 20], 0, Some(300));
    assert_eq!(reach.restored(&anew, &facts(&anew), true), None, "another file, and a short one");
}

#[test]
fn a_mark_is_kept_seldom_and_not_before_the_disk_has_the_bytes() {
    let mut reach = Reach::default();
    let mut marks = Vec::new();
    let rewritten = [700, 701, 702, 703];
    for (s, bytes) in (100..10_000).step_by(100).chain(rewritten).enumerate() {
        let info = primary(1, HISTORY, bytes, Some(bytes));
        reach.holds(NOW + Duration::from_secs(s as u64), &info, &facts(&info), peer(), true);
        if marks.last().map(|(_, mark)| *mark) != Some(reach.mark()) {
            marks.push((s, reach.mark()));
        }
    }
    let kept: Vec<_> = marks.iter().filter_map(|(s, mark)| Some((*s, (*mark)?.bytes))).collect();
    // Three seconds after they were seen: the first look after more than two.
    assert_eq!(
        kept,
        [(3, 100), (7, 500), (12, 1000), (22, 2000), (42, 4000), (82, 8000), (102, 700)]
    );
}

#[test]
fn sim_finding_14449_a_mark_is_of_the_history_and_the_process_that_it_was_made_in() {
    let promoted = |run, second_offset| Info {
        master_replid2: Some(ReplId(HISTORY)),
        second_repl_offset: Some(second_offset),
        ..primary(run, [2; 20], 2500, Some(9500))
    };
    let none = ReplId([0; 20]);
    let mark = AofMark { replid: ReplId(HISTORY), replid2: none, offset: 2000, bytes: 9000 };
    let taken_along = AofMark { replid: ReplId([2; 20]), replid2: ReplId(HISTORY), ..mark };
    for (name, info, expected) in [
        ("it goes on", primary(1, HISTORY, 2500, Some(9500)), Some(mark)),
        ("it was promoted", promoted(1, 2400), Some(taken_along)),
        ("promoted at an earlier byte, which it had received before", promoted(1, 2000), None),
        ("it received other data", primary(1, [3; 20], 2500, Some(9500)), None),
        ("another process", primary(2, HISTORY, 2500, Some(9500)), None),
    ] {
        let mut reach = Reach::remembered(RunId([1; 20]), mark);
        reach.holds(NOW, &info, &facts(&info), peer(), true);
        assert_eq!(reach.mark(), expected, "{name}");
    }
}

#[test]
fn a_replica_that_hangs_receives_what_the_kernels_hold() {
    let silent = |aof| Info {
        replicas: vec![attached("172.18.0.5", 900, 9)],
        ..primary(1, HISTORY, 1000, aof)
    };
    let mut reach = Reach::default();
    let seen = silent(Some(5000));
    reach.holds(NOW, &seen, &facts(&seen), peer(), true);
    assert!(!restarted(&mut reach.clone(), &from_rdb(HISTORY, 1000)).0);
    let whole = primary(2, [9; 20], 0, Some(5000));
    assert!(restarted(&mut reach.clone(), &whole).0, "everything was written there first");
    // A machine that fell silent altogether reads nothing any more.
    let mut silent_machine = reach.clone();
    silent_machine.holds(NOW, &seen, &facts(&seen), peer(), false);
    assert!(restarted(&mut silent_machine, &from_rdb(HISTORY, 1000)).0);
    // Its connection is gone, and nothing more can come.
    let gone = primary(1, HISTORY, 1200, Some(6000));
    reach.holds(NOW, &gone, &facts(&gone), peer(), true);
    assert!(!restarted(&mut reach.clone(), &from_rdb(HISTORY, 1199)).0);
    assert!(restarted(&mut reach, &from_rdb(HISTORY, 1200)).0);
}

#[test]
fn what_waits_for_a_slow_disk_is_not_in_the_file() {
    let mut reach = alone();
    let slow = Info {
        aof_pending_bio_fsync: Some(1),
        aof_buffer_length: Some(3000),
        ..primary(1, HISTORY, 2500, Some(9100))
    };
    reach.holds(NOW + Duration::from_secs(4), &slow, &facts(&slow), peer(), true);
    let whole = primary(2, [9; 20], 0, Some(9100));
    reach.sees(&whole);
    let restored = reach.restored(&whole, &facts(&whole), true);
    assert_eq!(restored.map(|r| r.at_least), Some(2000), "what it had when nothing waited");
}
