//! Becoming the replica, and when not.

use super::*;

#[test]
fn a_replica_told_to_follow_drops_its_clients_only_when_the_peer_is_newer() {
    let mut bench = active();
    bench.redis_dies();
    bench.done();
    bench.pass(30);
    bench.redis(RedisInput::Connected);
    let mut newer = peer_report(State::Active, true, 2);
    newer.redis.replid = [2; 20];
    newer.redis.replid2 = [1; 20];
    newer.redis.second_offset = 1001;
    bench.report(newer);
    bench.done();
    let mut restarted = primary(8);
    restarted.master_replid = Some(ReplId([5; 20]));
    restarted.keys = Some(0);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(restarted))));
    let done = bench.done();
    assert!(done.contains(&"Follow".to_string()), "{done:?}");
}

#[test]
fn strangers_data_is_never_overwritten() {
    let mut bench = Bench::new();
    bench.report(peer_report(State::Active, true, 3));
    bench.advert(100);
    let mut stranger = primary(8);
    stranger.master_replid = Some(ReplId([5; 20]));
    bench.answer(&stranger);
    bench.report(peer_report(State::Active, true, 3));
    bench.pass_with(300, &stranger);
    assert!(!bench.done().contains(&"Follow".to_string()));
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(bench.node.reason.contains("neither will be overwritten"), "{}", bench.node.reason);
}

#[test]
fn a_standby_that_misses_writes_is_not_fit_when_its_primary_dies() {
    let mut bench = standby();
    let mut cut = replica(7);
    cut.master_link_status = Some(LinkStatus::Down);
    for _ in 0..30 {
        let mut ahead = peer_report(State::Active, true, 3);
        ahead.redis.offset = 60_000_000;
        bench.report(ahead);
        bench.advert(100);
        bench.pass_with(100, &cut);
    }
    assert_eq!(bench.node.state(), State::Unfit);
    let mut leaver = peer_report(State::Unfit, true, 3);
    leaver.redis.reachable = false;
    bench.report(leaver);
    bench.advert(0);
    bench.pass_with(5000, &cut);
    assert_eq!(bench.node.state(), State::Unfit, "{}", bench.node.reason);
}

#[test]
fn sim_finding_14_a_redis_that_dies_on_a_machine_without_the_address_is_no_source_either() {
    // It hung, so the address was left, and died then.
    let mut bench = active();
    bench.take_queries();
    for _ in 0..30 {
        bench.pass(10);
        let stopped = Process { state: 'T', exiting: false, cpu_ticks: 5 };
        bench.redis(RedisInput::Process(Some(stopped)));
    }
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(!bench.done().contains(&"CloseFence { and_source: true }".to_string()));
    let dying = Process { state: 'R', exiting: true, cpu_ticks: 5 };
    bench.redis(RedisInput::Process(Some(dying)));
    assert!(bench.done().contains(&"CloseFence { and_source: true }".to_string()));

    // The standby's is restarted so quickly that only its run id tells.
    let mut bench = standby();
    bench.redis(RedisInput::Lost(Lost::Closed));
    bench.redis(RedisInput::Connected);
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(8)))));
    assert_eq!(bench.done()[1..2], ["CloseFence { and_source: true }"]);
}

#[test]
fn sim_finding_15_a_full_synchronisation_that_fell_silent_is_asked_for_anew() {
    let receiving = |silent_s: i64, loading: bool| Info {
        master_link_status: Some(LinkStatus::Down),
        master_sync_in_progress: Some(true),
        master_sync_last_io_seconds_ago: Some(silent_s),
        loading: Some(loading),
        ..replica(7)
    };
    // Sooner where nobody serves before the rest has come, which a restarted primary never sends.
    let rows = [
        (State::Active, 4, false, false),
        (State::Active, 60, true, false),
        (State::Active, 5, false, true),
        (State::Unfit, 1, false, false),
        (State::Unfit, 60, true, false),
        (State::Unfit, 2, false, true),
    ];
    for (peer, silent_s, loading, anew) in rows {
        let mut bench = standby();
        bench.report(peer_report(peer, true, 1));
        bench.take_queries();
        let info = Reply::Info(Box::new(receiving(silent_s, loading)));
        bench.redis(RedisInput::Reply(Query::Info, info));
        let asked = bench.take_queries();
        let wanted: &[Query] = if anew { &[Query::Promote, Query::Follow] } else { &[] };
        assert_eq!(asked, wanted, "{peer:?}, {silent_s} s, loading: {loading}");
        bench.report(peer_report(peer, true, 3));
        assert_eq!(bench.take_queries(), [], "not twice");
    }
}

#[test]
fn lab_finding_a_cable_that_was_out_for_long_does_not_cost_the_shared_history() {
    let mut cut_off = replica(7);
    cut_off.master_link_status = Some(LinkStatus::Down);
    let mut bench = standby();
    for _ in 0..60 {
        bench.pass(100);
        bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(cut_off.clone()))));
    }
    bench.take_queries();
    let told_anew = |bench: &mut Bench, seq: u64, passes: u32| {
        let mut asked = Vec::new();
        for pass in 0..passes {
            bench.report(peer_report(State::Active, true, seq + u64::from(pass)));
            bench.pass(100);
            bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(cut_off.clone()))));
            asked.extend(bench.take_queries());
        }
        asked.contains(&Query::Promote)
    };
    assert!(!told_anew(&mut bench, 100, 45), "Redis tries by itself");
    assert!(told_anew(&mut bench, 200, 10), "it waits for an answer that never comes");
}

#[test]
fn sim_finding_s2_what_a_cut_off_machine_alone_had_is_told_when_it_is_overwritten() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::LinkChanged(false));
    bench.answer(&primary(7));
    bench.told();
    assert!(bench.take_queries().contains(&Query::Follow));
    // Written between the last look and the command, whose answer says so.
    let before = Info { master_repl_offset: Some(1047), ..primary(7) };
    bench.redis(RedisInput::Reply(Query::Follow, Reply::Info(Box::new(before))));
    let told = "up to 47 bytes of the stream are only here and will be overwritten";
    assert_eq!(bench.told(), [told]);
    let mut cut_off = replica(7);
    cut_off.master_link_status = Some(LinkStatus::Down);
    cut_off.slave_repl_offset = Some(1047);
    bench.pass_with(300, &cut_off);
    bench.feed(Input::LinkChanged(true));
    let mut successor = peer_report(State::Active, true, 2);
    successor.redis.replid = [2; 20];
    successor.redis.replid2 = [1; 20];
    successor.redis.second_offset = 1001;
    bench.told();
    for _ in 0..5 {
        bench.report(successor.clone());
        let mut resynced = replica(7);
        resynced.master_replid = Some(ReplId([2; 20]));
        bench.pass_with(100, &resynced);
    }
    let told = bench.told();
    let lost = "rejoined by full resync; 47 bytes of the stream were only here and are overwritten";
    assert!(told.contains(&lost.to_string()), "{told:?}");
}
