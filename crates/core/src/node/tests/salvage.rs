//! What only this machine holds is kept before it is overwritten.

use super::*;
use crate::action::Salvage;
use crate::action::Wanted;

/// A machine with a tail of 47 bytes, cut off from a standby that then takes over.
fn superseded() -> (Bench, Info) {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.redis_dies();
    bench.pass(30);
    bench.redis(RedisInput::Connected);
    // The same process: only its connection was lost.
    let info = Info { master_repl_offset: Some(1047), ..primary(7) };
    bench.answer(&info);
    bench.done();
    (bench, info)
}

fn successor() -> Report {
    let mut successor = peer_report(State::Active, true, 2);
    successor.redis.replid = [2; 20];
    successor.redis.replid2 = [1; 20];
    successor.redis.second_offset = 1001;
    successor
}

fn order(bench: &Bench) -> Option<Salvage> {
    let order = |action: &Action| match action {
        Action::Salvage(order) => Some(*order),
        _ => None,
    };
    bench.log.iter().rev().find_map(order)
}

const TAIL: Wanted = Wanted::Tail { replid: ReplId([1; 20]), from: 1001, newer: ReplId([2; 20]) };

/// Up to the order: writes are paused, and the stream's end is looked at.
fn ordered() -> (Bench, Salvage, Info) {
    let (mut bench, info) = superseded();
    bench.report(successor());
    assert_eq!(bench.take_queries(), [Query::PauseWrites(Duration::from_secs(6)), Query::Info]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(info.clone()))));
    let order = order(&bench).expect("an order");
    assert_eq!((order.what, order.within), (TAIL, Duration::from_secs(5)));
    assert!(!bench.take_queries().contains(&Query::Follow), "not before it is kept");
    bench.done();
    (bench, order, info)
}

#[test]
fn a_tail_is_kept_before_redis_is_told_to_follow() {
    let (mut bench, order, info) = ordered();
    let kept = Kept::Tail { to: 1047, commands: 1, keys: 1 };
    bench.feed(Input::Salvaged { number: order.number, result: Ok(kept) });
    let told = bench.told();
    assert!(told[0].starts_with("kept what only this machine holds, 1 commands on 1 keys"));
    assert_eq!(bench.take_queries(), [Query::Follow]);
    bench.redis(RedisInput::Reply(Query::Follow, Reply::Info(Box::new(info))));
    assert!(bench.take_queries().contains(&Query::ResumeWrites));
    assert!(!bench.told().iter().any(|text| text.contains("overwritten")), "nothing is lost");
}

#[test]
fn what_was_written_after_it_was_read_is_told() {
    for (kept, told) in [
        (Kept::Tail { to: 1047, commands: 1, keys: 1 }, "up to 53 bytes"),
        (Kept::Nothing { to: 1047 }, "up to 53 bytes"),
        (Kept::Files { bytes: 99 }, "up to 100 bytes"),
    ] {
        let (mut bench, order, _) = ordered();
        bench.feed(Input::Salvaged { number: order.number, result: Ok(kept) });
        bench.told();
        let last = Info { master_repl_offset: Some(1100), ..primary(7) };
        bench.redis(RedisInput::Reply(Query::Follow, Reply::Info(Box::new(last))));
        let lost = bench.told();
        assert!(lost.iter().any(|text| text.starts_with(told)), "{kept:?}: {lost:?}");
    }
}

#[test]
fn a_tail_that_can_not_be_read_is_told_and_the_files_are_kept_instead() {
    let (mut bench, first, _) = ordered();
    let no = || Err("the backlog does not reach back".to_string());
    bench.feed(Input::Salvaged { number: first.number, result: no() });
    assert_eq!(
        bench.told(),
        ["could not keep what only this machine holds: the backlog does not reach back"]
    );
    let second = order(&bench).expect("another order");
    assert_eq!((second.what, second.number), (Wanted::Files, first.number + 1));
    // The first once more, late.
    bench.feed(Input::Salvaged { number: first.number, result: no() });
    assert!(!bench.take_queries().contains(&Query::Follow));
    bench.feed(Input::Salvaged { number: second.number, result: Ok(Kept::Files { bytes: 99 }) });
    assert!(bench.told()[0].starts_with("archived the data files, 99 bytes"));
    assert_eq!(bench.take_queries(), [Query::Follow]);
}

#[test]
fn a_disk_that_never_answers_does_not_hold_up_the_rejoin_for_ever() {
    let (mut bench, _, info) = ordered();
    let mut followed_after = None;
    for ms in 0..15_000 {
        if ms % 100 == 0 {
            bench.report(successor());
        }
        bench.pass(1);
        for query in bench.take_queries() {
            match query {
                Query::Info => {
                    bench.redis(RedisInput::Reply(query, Reply::Info(Box::new(info.clone()))));
                }
                Query::Follow => followed_after = followed_after.or(Some(ms)),
                _ => bench.redis(RedisInput::Reply(query, Reply::Ok)),
            }
        }
    }
    let ms = followed_after.expect("told to follow");
    assert!((11_900..12_100).contains(&ms), "{ms}");
    let late = "could not keep what only this machine holds: it takes too long".to_string();
    assert_eq!(bench.told().iter().filter(|text| **text == late).count(), 2);
}

#[test]
fn a_machine_that_takes_over_meanwhile_pauses_nobody() {
    let (mut bench, order, info) = ordered();
    bench.feed(Input::Salvaged { number: order.number + 7, result: Err("of another".to_string()) });
    let mut resumed = false;
    for _ in 0..60 {
        let mut behind = peer_report(State::Unfit, false, 0);
        (behind.fit, behind.redis.offset) = (false, 900);
        bench.report(behind);
        for _ in 0..100 {
            bench.pass(1);
            resumed |= bench.log.contains(&Action::AskRedis(Query::ResumeWrites));
            bench.answer(&info);
        }
    }
    assert_eq!((bench.node.state(), resumed), (State::Active, true), "{}", bench.node.reason);
}

#[test]
fn which_tails_the_ids_tell() {
    let facts = |replid: u8, offset: i64, replid2: u8, second_offset: i64| RedisFacts {
        replid: [replid; 20],
        offset,
        replid2: [replid2; 20],
        second_offset,
        ..RedisFacts::default()
    };
    let rows = [
        ("promoted from mine", facts(1, 1047, 0, -1), facts(2, 1500, 1, 1001), Some(1001)),
        ("the last that was heard of it", facts(1, 1047, 0, -1), facts(1, 1000, 0, -1), Some(1001)),
        ("I left its history", facts(2, 1500, 1, 1001), facts(1, 1047, 0, -1), Some(1001)),
        ("before it had what I had", facts(2, 1500, 1, 1001), facts(1, 990, 0, -1), Some(991)),
        ("both left one", facts(2, 1500, 1, 1001), facts(3, 1500, 1, 980), Some(980)),
        ("strangers", facts(2, 1500, 1, 1001), facts(3, 1500, 4, 980), None),
        ("nothing known", facts(0, 0, 0, -1), facts(0, 0, 0, -1), None),
    ];
    for (name, mine, peer, from) in rows {
        assert_eq!(crate::lineage::first_own_byte(&mine, &peer), from, "{name}");
    }
}

/// Promoted in the middle of a full resynchronisation, for which its backlog was freed: what is written
/// to it then is not counted.
#[test]
fn sim_finding_19231_a_primary_without_a_backlog_is_not_called_unused() {
    for (active, unused, ordered) in
        [(Some(true), true, None), (Some(false), false, Some(Wanted::Files))]
    {
        let promoted = Info {
            master_replid2: Some(ReplId([3; 20])),
            second_repl_offset: Some(1001),
            repl_backlog_active: active,
            ..primary(7)
        };
        let (mut bench, _) = superseded();
        bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(promoted.clone()))));
        assert_eq!(bench.node.own_facts().unused, unused, "{active:?}");
        bench.report(successor());
        for _ in 0..4 {
            bench.answer(&promoted);
        }
        let orders = order(&bench).map(|order| order.what);
        assert_eq!(orders, ordered, "{active:?}");
    }
}
