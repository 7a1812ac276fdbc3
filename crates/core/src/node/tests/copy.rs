//! A standby that is behind, and what becomes of the copy of the stream.

use super::*;
use crate::action::{Copying, Wanted};
use crate::input::Copied;

const LIMIT_BYTES: u64 = 64 << 20;
const BEGUN: Action =
    Action::CopyStream(Copying { replid: ReplId([1; 20]), from: 1001, limit_bytes: LIMIT_BYTES });

fn copying_config() -> Config {
    Config { copy_limit_bytes: LIMIT_BYTES, ..config() }
}

fn standby_at(offset: i64) -> Report {
    let mut report = peer_report(State::Backup, false, 1);
    report.redis.offset = offset;
    report
}

impl Bench {
    /// 100 ms in which the stream has come to `end`, and what the peer says meanwhile.
    fn tenth(&mut self, end: i64, report: Report) {
        let info = Info { master_repl_offset: Some(end), ..primary(7) };
        self.report(report);
        self.pass_with(100, &info);
    }

    /// What was asked for since the last look that has to do with a copy.
    fn copy_actions(&mut self) -> Vec<Action> {
        let about = |action: &Action| {
            matches!(action, Action::CopyStream(_) | Action::ForgetCopy | Action::Salvage(_))
        };
        self.log.drain(..).filter(about).collect()
    }
}

/// A primary that copies its stream: the standby stands at 1000, and its own end is 3000.
fn copying() -> Bench {
    let mut bench = active_with(copying_config());
    for tenth in 1..=15 {
        bench.tenth(1000 + tenth * 100, standby_at(1000));
    }
    bench.tenth(3000, standby_at(1000));
    assert_eq!(bench.copy_actions(), [BEGUN]);
    bench
}

/// The same, when Redis is gone and the copy has ended at 3000.
fn copied() -> Bench {
    let mut bench = copying();
    let copied = Copied { replid: ReplId([1; 20]), to: 3000 };
    bench.redis_dies();
    bench.feed(Input::StreamCopied(Ok(copied)));
    assert_ne!(bench.node.state(), State::Active);
    assert_eq!(bench.copy_actions(), []);
    bench
}

/// The peer as the primary that has taken over after so many bytes of the history `replid2`.
fn successor(replid2: u8, offset: i64) -> Report {
    let mut report = peer_report(State::Active, true, 2);
    report.redis.replid = [2; 20];
    report.redis.replid2 = [replid2; 20];
    report.redis.second_offset = offset + 1;
    report
}

#[test]
fn the_stream_is_copied_while_the_standby_is_a_second_behind() {
    type Applied = fn(i64) -> i64;
    // What the standby has applied in the tenth of a second in which the stream ends at 1000 + n * 100.
    let table: &[(&str, Applied, bool)] = &[
        ("in step", |n| 1000 + n * 100, false),
        ("half a second behind", |n| 1000 + (n - 5).max(0) * 100, false),
        ("three seconds behind", |n| 1000 + (n - 30).max(0) * 100, true),
        ("half as fast", |n| 1000 + n * 50, true),
        ("it stands still", |_| 1000, true),
    ];
    for (case, applied, wanted) in table {
        let mut bench = active_with(copying_config());
        for tenth in 1..=60 {
            bench.tenth(1000 + tenth * 100, standby_at(applied(tenth)));
        }
        let actions = bench.copy_actions();
        let begun = matches!(actions[..], [Action::CopyStream(_)]);
        assert_eq!((begun, actions.is_empty()), (*wanted, !wanted), "{case}: {actions:?}");
    }
}

#[test]
fn the_copy_is_forgotten_when_the_standby_has_caught_up() {
    let mut bench = copying();
    bench.tenth(3000, standby_at(2999));
    assert_eq!(bench.copy_actions(), []);
    bench.tenth(3000, standby_at(3000));
    assert_eq!(bench.copy_actions(), [Action::ForgetCopy]);
    // It writes on, and the standby follows closely.
    let mut bench = copying();
    for tenth in 0..20 {
        bench.tenth(3100 + tenth * 100, standby_at(3050 + tenth * 100));
    }
    assert_eq!(bench.copy_actions(), [Action::ForgetCopy]);
}

#[test]
fn no_copy_is_kept_where_redis_would_count_on_it_or_nobody_follows() {
    type Change = fn(&mut Info, &mut Report);
    let table: &[(&str, Change)] = &[
        ("min-replicas-to-write", |info, _| info.min_slaves_good_slaves = Some(1)),
        ("its Redis does not answer", |_, report| report.redis.reachable = false),
        ("another history", |_, report| report.redis.replid = [9; 20]),
        ("it is a primary", |_, report| report.redis.primary = true),
    ];
    for (case, change) in table {
        for (mut bench, wanted) in
            [(active_with(copying_config()), vec![]), (copying(), vec![Action::ForgetCopy])]
        {
            for tenth in 1..=20 {
                let mut info = Info { master_repl_offset: Some(3000 + tenth * 100), ..primary(7) };
                let mut report = standby_at(1000);
                change(&mut info, &mut report);
                bench.report(report);
                bench.pass_with(100, &info);
            }
            assert_eq!(bench.copy_actions(), wanted, "{case}");
        }
    }
    let mut bench = active();
    for tenth in 1..=20 {
        bench.tenth(1000 + tenth * 100, standby_at(1000));
    }
    assert_eq!(bench.copy_actions(), [], "switched off");
    let mut bench = copying();
    bench.pass_with(5_000, &primary(7));
    assert_eq!(bench.copy_actions(), [Action::ForgetCopy], "the peer is not heard");
}

#[test]
fn a_link_that_breaks_ends_no_copy_and_begins_none() {
    let broken = |tenth: i64| {
        let mut report = standby_at(1000 + tenth);
        report.redis.link_up = false;
        report
    };
    let mut bench = active_with(copying_config());
    for tenth in 1..=30 {
        bench.tenth(1000 + tenth * 100, broken(tenth));
    }
    assert_eq!(bench.copy_actions(), []);
    let mut bench = copying();
    for tenth in 1..=30 {
        bench.tenth(3000 + tenth * 100, broken(tenth));
    }
    assert_eq!(bench.copy_actions(), []);
}

#[test]
fn a_standby_that_says_seldom_how_far_it_is_is_not_called_behind() {
    for (late_tenths, wanted) in [(13, false), (60, true)] {
        let mut bench = active_with(copying_config());
        bench.node.peer.advert_interval = Duration::from_secs(1);
        for tenth in 1..=120 {
            let info = Info { master_repl_offset: Some(1000 + tenth * 100), ..primary(7) };
            if tenth % 10 == 0 {
                bench.report(standby_at(1000 + (tenth - late_tenths).max(0) * 100));
            }
            bench.pass_with(100, &info);
        }
        let begun = bench.copy_actions().iter().any(|it| matches!(it, Action::CopyStream(_)));
        assert_eq!(begun, wanted, "{late_tenths}");
    }
}

/// What happens when Redis dies reaches the core in any order, and its supervisor may have started another
/// one meanwhile.
#[test]
fn review_finding_a_copy_is_not_forgotten_in_the_crash_that_it_is_for() {
    type Happens = fn(&mut Bench);
    let copied: Happens = |bench| {
        let copied = Copied { replid: ReplId([1; 20]), to: 3000 };
        bench.feed(Input::StreamCopied(Ok(copied)));
    };
    let dies: Happens = |bench| bench.redis_dies();
    let late_info: Happens = |bench| {
        let info = Info { master_repl_offset: Some(3000), ..primary(7) };
        bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(info))));
    };
    let another: Happens = |bench| {
        bench.pass(30);
        bench.redis(RedisInput::Connected);
        bench.answer(&Info { master_replid: Some(ReplId([8; 20])), keys: Some(0), ..primary(8) });
    };
    for (case, story) in [
        ("the copy first", &[copied, dies][..]),
        ("Redis first", &[dies, copied]),
        ("an answer that was on its way", &[copied, late_info, dies]),
        ("an answer that was on its way, Redis first", &[dies, late_info, copied]),
        ("another Redis is there", &[copied, dies, another]),
        ("another Redis is there before", &[dies, another, copied]),
    ] {
        let mut bench = copying();
        // One was asked for and will not be answered.
        bench.pass(100);
        bench.copy_actions();
        story.iter().for_each(|happens| happens(&mut bench));
        assert_ne!(bench.node.state(), State::Active, "{case}");
        bench.report(successor(1, 2500));
        let actions = bench.copy_actions();
        assert!(matches!(actions[..], [Action::Salvage(_)]), "{case}: {actions:?}");
    }
}

/// The standby is no heir, and Redis comes back from its file.
#[test]
fn what_a_restarted_redis_lacks_itself_is_kept() {
    let mut bench = copied();
    let info = Info {
        master_replid: Some(ReplId([8; 20])),
        master_replid2: Some(ReplId([1; 20])),
        second_repl_offset: Some(2001),
        master_repl_offset: Some(2000),
        ..primary(8)
    };
    bench.redis(RedisInput::Connected);
    let mut behind = standby_at(1000);
    behind.fit = false;
    for _ in 0..100 {
        bench.report(behind.clone());
        bench.pass_with(50, &info);
    }
    assert_eq!(bench.node.state(), State::Active, "{}", bench.node.reason);
    let actions = bench.copy_actions();
    let [Action::Salvage(order)] = actions[..] else { panic!("{actions:?}") };
    let newer = ReplId([8; 20]);
    assert_eq!(order.what, Wanted::Copied { replid: ReplId([1; 20]), from: 2001, newer });
}

#[test]
fn what_the_new_primary_lacks_of_a_crashed_redis_is_kept() {
    let mut bench = copied();
    // It has not promoted its Redis yet.
    bench.report(standby_at(2500));
    assert_eq!(bench.copy_actions(), []);
    bench.report(successor(1, 2500));
    let actions = bench.copy_actions();
    let [Action::Salvage(order)] = actions[..] else { panic!("{actions:?}") };
    let newer = ReplId([2; 20]);
    assert_eq!(order.what, Wanted::Copied { replid: ReplId([1; 20]), from: 2501, newer });
    bench.report(successor(1, 2500));
    assert_eq!(bench.copy_actions(), [], "once");
    let kept = Kept::Tail { to: 3000, commands: 5, keys: 4 };
    bench.feed(Input::Salvaged { number: order.number, result: Ok(kept) });
    let told = bench.told();
    assert!(told.iter().any(|text| text.contains("5 commands on 4 keys")), "{told:?}");
    assert_eq!(bench.copy_actions(), [Action::ForgetCopy]);
}

#[test]
fn a_copy_that_can_not_be_kept_is_told() {
    let mut bench = copied();
    bench.report(successor(1, 2500));
    let number = 1;
    bench.feed(Input::Salvaged { number, result: Err("No space left on device".to_string()) });
    let told = bench.told();
    let wanted = "could not keep what only this machine holds: No space left on device";
    assert!(told.iter().any(|text| text == wanted), "{told:?}");
    assert_eq!(bench.copy_actions().last(), Some(&Action::ForgetCopy));
}

#[test]
fn a_disk_that_never_answers_keeps_no_copy_from_being_made_later() {
    let mut bench = copied();
    bench.report(successor(1, 2500));
    bench.copy_actions();
    bench.redis(RedisInput::Connected);
    bench.report(standby_at(3000));
    bench.until(State::Active, &primary(8));
    bench.copy_actions();
    for tenth in 0..20 {
        let info = Info { master_repl_offset: Some(3000 + tenth * 100), ..primary(8) };
        bench.report(standby_at(3000));
        bench.pass_with(100, &info);
    }
    assert!(matches!(bench.copy_actions()[..], [Action::CopyStream(_)]));
}

#[test]
fn a_copy_of_which_the_new_primary_lacks_nothing_is_forgotten() {
    for (case, report) in [
        ("it has the last byte", successor(1, 3000)),
        ("it has another history", successor(9, 2500)),
    ] {
        let mut bench = copied();
        bench.report(report);
        assert_eq!(bench.copy_actions(), [Action::ForgetCopy], "{case}");
    }
    let mut bench = copied();
    bench.report(successor(1, 2999));
    assert!(matches!(bench.copy_actions()[..], [Action::Salvage(_)]), "it lacks one byte");
}

#[test]
fn a_copy_whose_redis_lives_is_forgotten() {
    // Somebody dropped its connection.
    let mut bench = copying();
    bench.feed(Input::StreamCopied(Ok(Copied { replid: ReplId([1; 20]), to: 3000 })));
    assert_eq!(bench.copy_actions(), [], "it may have crashed");
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.copy_actions(), [Action::ForgetCopy]);
    for tenth in 0..20 {
        bench.tenth(3200 + tenth * 100, standby_at(1000));
    }
    assert_eq!(bench.copy_actions(), [BEGUN], "anew");
    // The address is left to the peer.
    let mut bench = copying();
    bench.feed(Input::LinkChanged(false));
    bench.answer(&primary(7));
    bench.pass_with(150, &primary(7));
    assert_eq!(bench.copy_actions(), [Action::ForgetCopy]);
}

#[test]
fn a_copy_that_can_not_be_had_is_told_once_and_tried_again_when_the_standby_falls_behind_again() {
    let mut bench = copying();
    bench.feed(Input::StreamCopied(Err("NOPERM".to_string())));
    for tenth in 0..30 {
        bench.tenth(3000 + tenth * 100, standby_at(1000));
    }
    let told = bench.told();
    let wanted = "could not copy the stream that the standby is behind: NOPERM";
    assert_eq!(told.iter().filter(|text| *text == wanted).count(), 1, "{told:?}");
    assert_eq!(bench.copy_actions(), [Action::ForgetCopy]);
    for _ in 0..15 {
        bench.tenth(6000, standby_at(6000));
    }
    for tenth in 0..30 {
        bench.tenth(6000 + tenth * 100, standby_at(6000));
    }
    assert!(matches!(bench.copy_actions()[..], [Action::CopyStream(_)]));
}
