//! Holding the address, and every way of losing it.

use super::*;

#[test]
fn a_dead_redis_means_leave_fence_then_farewell() {
    let mut bench = active();
    bench.redis_dies();
    assert_eq!(
        bench.done(),
        ["DisconnectRedis", "CloseFence { and_source: true }", "advert 0", "RemoveVips"]
    );
    assert_eq!(bench.node.state(), State::Unfit);
}

#[test]
fn a_dying_process_is_as_dead_as_a_closed_connection() {
    let mut bench = active();
    bench.redis(RedisInput::ProcessStirred);
    assert_eq!(bench.done(), ["LookAtProcess"]);
    let process = Process { state: 'R', exiting: true, cpu_ticks: 1 };
    bench.redis(RedisInput::Process(Some(process)));
    assert_eq!(
        bench.done()[..3],
        ["DisconnectRedis", "CloseFence { and_source: true }", "advert 0"]
    );
}

#[test]
fn nothing_is_handed_over_when_the_kernel_neither_removes_nor_fences() {
    let mut bench = active();
    bench.refuse = Some(Done::CloseFence);
    bench.feed(Input::LinkChanged(false));
    let mut done = bench.done();
    done.retain(|word| word != "Info" && !word.starts_with("Pause"));
    assert_eq!(done[..3], ["CloseFence { and_source: false }", "RemoveVips", "advert 0"]);

    let mut bench = active();
    let mut actions = Actions::new();
    bench.node.handle(bench.now, Input::LinkChanged(false), &mut actions);
    for done in [Done::CloseFence, Done::RemoveVips] {
        let refused = Err(Refused::Failed("no".to_string()));
        bench.node.handle(bench.now, Input::ActionDone(done, refused), &mut actions);
    }
    assert!(!actions.iter().any(|action| matches!(action, Action::SendAdvert(_))));
}

#[test]
fn a_node_that_slept_longer_than_its_right_listens_first() {
    let mut bench = active();
    bench.now = bench.now + Duration::from_millis(400);
    bench.feed(Input::Deadline);
    let done = bench.done();
    assert_eq!(done[0], "CloseFence { and_source: false }", "{done:?}");
    assert!(done.iter().all(|word| !word.starts_with("renew")));
}

#[test]
fn a_stopped_process_is_a_hang_and_a_running_one_is_busy() {
    for (name, process, hung) in [
        ("stopped", Process { state: 'T', exiting: false, cpu_ticks: 5 }, true),
        ("computing", Process { state: 'R', exiting: false, cpu_ticks: 5 }, false),
        ("waiting for the disk", Process { state: 'D', exiting: false, cpu_ticks: 5 }, false),
        ("asleep", Process { state: 'S', exiting: false, cpu_ticks: 5 }, false),
    ] {
        let mut bench = active();
        bench.take_queries();
        for _ in 0..80 {
            bench.pass(10);
            if bench.log.contains(&Action::LookAtProcess) {
                bench.log.clear();
                bench.redis(RedisInput::Process(Some(process)));
            }
        }
        let left = bench.node.state() != State::Active;
        assert_eq!(left, hung, "{name}");
    }
}

#[test]
fn every_wrong_packet_is_counted_by_its_reason() {
    let mut bench = standby();
    let (src, dst) = (PEER.parse().unwrap(), GROUP_V4.into());
    let advert = |vrid: u8| {
        Advert {
            vrid,
            priority: 100,
            max_advert_int_cs: 10,
            addresses: vec![PEER.parse().unwrap()],
        }
        .emit(src, dst, ChecksumForm::MessageOnly)
    };
    for (src, ttl, message, reason) in [
        (src, 254, advert(51), "ttl"),
        (src, 255, vec![0x31, 51], "malformed"),
        (src, 255, advert(52), "vrid"),
        (OWN.parse().unwrap(), 255, advert(51), "own_source"),
        ("172.18.0.77".parse().unwrap(), 255, advert(51), "unknown_source"),
    ] {
        let index = Drop::NAMES.iter().position(|name| *name == reason).unwrap();
        let accepted = bench.node.counters.adverts_received;
        bench.feed(Input::Advert { src, dst, ttl, message });
        assert_eq!(bench.node.counters.dropped[index], 1, "{reason}");
        assert_eq!(bench.node.counters.adverts_received, accepted, "{reason}");
    }
}

#[test]
fn sim_finding_1_an_advert_goes_out_before_the_fence_is_renewed() {
    let mut bench = active();
    bench.pass(100);
    let words = ["advert 100", "renew fence"];
    let done: Vec<_> =
        bench.done().into_iter().filter(|word| words.contains(&word.as_str())).collect();
    assert_eq!(done, words);
}

#[test]
fn sim_finding_3_priority_does_not_decide_before_the_data_is_known() {
    let mut bench = active();
    bench.pass_with(3000, &primary(7));
    bench.done();
    bench.advert(200);
    assert_eq!(bench.node.state(), State::Active);
    let mut older = peer_report(State::Active, true, 0);
    older.redis.replid = [9; 20];
    older.vouched = false;
    older.generation = 1;
    bench.report(older);
    bench.advert(200);
    assert_eq!(bench.node.state(), State::Active, "the data here is newer");
    let mut newer = peer_report(State::Active, true, 9);
    newer.redis.replid = [9; 20];
    newer.redis.replid2 = [1; 20];
    newer.redis.second_offset = 1001;
    bench.done();
    bench.report(newer);
    assert_eq!(bench.done(), ["CloseFence { and_source: false }", "Info"], "no write from now on");
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.node.state(), State::Unfit, "without waiting for an advert");
}

#[test]
fn sim_finding_w4_writes_that_came_after_the_last_look_count() {
    // Promoted, and not written to when Redis was looked at last; the other has a tail of its own.
    let promoted = |offset: i64| Info {
        master_replid: Some(ReplId([2; 20])),
        master_replid2: Some(ReplId([1; 20])),
        second_repl_offset: Some(1001),
        master_repl_offset: Some(offset),
        ..primary(7)
    };
    for (offset, stays) in [(1000, false), (1047, true)] {
        let mut bench = active();
        bench.pass_with(300, &promoted(1000));
        let mut cut_off = peer_report(State::Unfit, false, 1);
        cut_off.redis.offset = 1141;
        bench.report(cut_off.clone());
        assert!(bench.done().contains(&"CloseFence { and_source: false }".to_string()));
        bench.report(cut_off);
        bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(promoted(offset)))));
        assert_eq!(bench.node.state() == State::Active, stays, "{offset}");
        assert_eq!(bench.done().contains(&"open fence".to_string()), stays, "{offset}");
    }
}

#[test]
fn sim_finding_w6_an_address_that_the_kernel_kept_is_removed_later() {
    let mut bench = active();
    bench.refuse = Some(Done::RemoveVips);
    bench.redis_dies();
    bench.done();
    bench.refuse = None;
    bench.pass(900);
    assert!(!bench.done().contains(&"RemoveVips".to_string()));
    bench.pass(200);
    assert!(bench.done().contains(&"RemoveVips".to_string()));
    bench.pass(3_000);
    assert!(!bench.done().contains(&"RemoveVips".to_string()), "once it is gone, it is gone");
}

#[test]
fn a_closed_connection_of_a_living_redis_is_no_failover() {
    let mut bench = active();
    bench.redis(RedisInput::Lost(Lost::Closed));
    assert_eq!(bench.done(), ["LookAtProcess", "ConnectRedis { attempt: 0 }"]);
    let alive = Process { state: 'S', exiting: false, cpu_ticks: 1 };
    bench.redis(RedisInput::Process(Some(alive)));
    bench.redis(RedisInput::Connected);
    bench.answer(&primary(7));
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn a_redis_that_came_back_with_another_run_id_is_not_the_one_that_served() {
    let mut bench = active();
    bench.redis(RedisInput::Lost(Lost::Closed));
    bench.redis(RedisInput::Connected);
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(8)))));
    assert!(bench.done().contains(&"CloseFence { and_source: true }".to_string()));
}

#[test]
fn a_new_address_by_reload_gets_its_right_before_it_is_added() {
    let mut bench = active();
    let mut config = config();
    config.vips.push(Vip { address: "172.18.0.11".parse().unwrap(), prefix_len: 24 });
    bench.feed(Input::Operator(Operator::Reload(Box::new(config))));
    let done = bench.done();
    assert_eq!(done, ["open fence", "AddVips", "advert 100", "renew fence", "Announce"]);
}

#[test]
fn a_renewal_that_came_too_late_is_the_end_of_the_right() {
    let mut bench = active();
    bench.feed(Input::ActionDone(Done::RenewFence, Err(Refused::Lapsed)));
    assert_eq!(bench.told().last().unwrap(), "left the address: stalled");
    assert_eq!(bench.done()[..2], ["CloseFence { and_source: false }", "advert 0"]);
}

#[test]
fn seeds_1009704_and_353934592_rules_are_made_anew_as_often_as_they_are_flushed() {
    let refused = || Input::ActionDone(Done::RenewFence, Err(Refused::Failed("no".to_string())));
    let mut bench = active();
    bench.refuse = Some(Done::OpenFence);
    bench.feed(refused());
    assert_eq!(bench.told().last().unwrap(), "left the address: local-fault");
    assert_eq!(bench.done()[..3], ["open fence", "open fence", "CloseFence { and_source: false }"]);

    let mut bench = active();
    bench.feed(refused());
    for _ in 0..5 {
        bench.feed(refused());
    }
    assert_eq!(bench.done(), ["open fence"; 6], "flushed at every renewal, and laid anew");
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn seed_1015522_a_peer_that_fell_silent_while_redis_was_looked_at_still_holds_the_newer_data() {
    let mut bench = active();
    let mut newer = peer_report(State::Active, true, 2);
    (newer.redis.replid, newer.redis.replid2) = ([2; 20], [1; 20]);
    newer.redis.second_offset = 1001;
    bench.report(newer);
    assert!(bench.log.contains(&Action::CloseFence { and_source: false }), "no more writes");
    // Redis waits for its disk, and the reports are filtered meanwhile.
    bench.pass(900);
    bench.answer(&primary(7));
    assert!(!bench.done().contains(&"open fence".to_string()));
    assert_eq!(bench.node.state(), State::Unfit, "{}", bench.node.reason);
}

#[test]
fn a_primary_that_was_made_a_replica_by_hand_does_not_serve() {
    let mut bench = active();
    bench.take_queries();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
    let told = bench.told();
    assert!(told.contains(&"problem: Redis was made a replica while it held the address".into()));
    let done = bench.done();
    let left = ["CloseFence { and_source: false }", "advert 0"];
    assert!(done.windows(2).any(|steps| steps == left), "{done:?}");
}

#[test]
fn another_router_without_reports_is_judged_by_priority_after_three_intervals() {
    // The peer's address is the greater one, which decides between equals.
    for (priority, stays) in [(99, true), (100, false), (200, false)] {
        let mut bench = active();
        bench.pass_with(3000, &primary(7));
        for _ in 0..5 {
            bench.pass_with(100, &primary(7));
            bench.advert(priority);
        }
        assert_eq!(bench.node.state() == State::Active, stays, "{priority}");
    }
}

#[test]
fn sim_finding_1796091308012207_who_holds_newer_data_insists_and_does_not_flood_the_wire() {
    let mut bench = active();
    let mut older = peer_report(State::Active, true, 1);
    older.redis.offset = 900;
    let mut adverts = Vec::new();
    for _ in 0..300 {
        bench.pass_with(1, &primary(7));
        bench.report(older.clone());
        bench.advert(200);
        adverts.extend(bench.done().into_iter().filter(|word| word.starts_with("advert")));
    }
    assert_eq!(bench.node.state(), State::Active);
    assert!((3..=15).contains(&adverts.len()), "{adverts:?}");
    assert_eq!(adverts.last().unwrap(), "advert 255");
    bench.pass_with(1_000, &primary(7));
    let adverts: Vec<_> =
        bench.done().into_iter().filter(|word| word.starts_with("advert")).collect();
    assert_eq!(adverts.last().unwrap(), "advert 100", "it is over");
}

#[test]
fn a_farewell_is_answered_with_an_advert() {
    let mut bench = active();
    bench.advert(0);
    assert_eq!(bench.done()[..2], ["advert 100", "renew fence"]);
}

#[test]
fn sim_finding_s3_a_machine_that_gave_way_may_have_announced_last() {
    let mut config = config();
    config.announce.refresh = Duration::ZERO;
    let mut bench = active_with(config);
    bench.pass_with(7_000, &primary(7));
    bench.done();
    bench.pass_with(1_000, &primary(7));
    assert!(!bench.done().contains(&"Announce".to_string()), "all rounds are over");
    bench.advert(0);
    bench.pass_with(5_000, &primary(7));
    let rounds = bench.done().into_iter().filter(|word| word == "Announce").count();
    assert_eq!(rounds, 8);
}

#[test]
fn fuzz_finding_3_a_shorter_interval_shortens_the_right_before_the_peer_hears_of_it() {
    for vips_change in [false, true] {
        let mut bench = active();
        let mut config = config();
        config.advert_interval = Duration::from_millis(10);
        if vips_change {
            config.vips.push(Vip { address: "172.18.0.11".parse().unwrap(), prefix_len: 24 });
        }
        bench.feed(Input::Operator(Operator::Reload(Box::new(config.clone()))));
        let right = bench.log.iter().position(|action| match action {
            Action::RenewFence(until) | Action::OpenFence(until) => {
                *until == bench.now + vrrp::fence_life(&config, 100)
            }
            _ => false,
        });
        let advert = bench.log.iter().position(|a| matches!(a, Action::SendAdvert(_)));
        assert!(right.unwrap() < advert.unwrap());
    }
}

#[test]
fn announcements_are_repeated_and_may_be_refreshed() {
    for (refresh_ms, each_5_s) in [(0, 0), (1000, 5)] {
        let mut config = config();
        config.announce.refresh = Duration::from_millis(refresh_ms);
        let mut bench = active_with(config);
        let announced =
            |bench: &mut Bench| bench.done().into_iter().filter(|word| word == "Announce").count();
        bench.pass_with(7_000, &primary(7));
        assert!(announced(&mut bench) >= 2, "the last of the eight");
        bench.pass_with(5_000, &primary(7));
        assert_eq!(announced(&mut bench), each_5_s);
    }
}

#[test]
fn what_the_disk_refused_is_offered_again_a_second_later() {
    let mut bench = active();
    let offered = |bench: &Bench| {
        bench.log.iter().filter(|action| matches!(action, Action::Persist(_))).count()
    };
    bench.log.clear();
    let full = Err(Refused::Failed("No space left on device".to_string()));
    bench.feed(Input::ActionDone(Done::Persist, full));
    bench.pass_with(900, &primary(7));
    assert_eq!(offered(&bench), 0);
    bench.pass_with(200, &primary(7));
    assert_eq!(offered(&bench), 1);
}

#[test]
fn an_address_taken_away_is_added_again() {
    let mut bench = active();
    bench.feed(Input::VipGone("172.18.0.10".parse().unwrap()));
    assert_eq!(bench.done(), ["AddVips", "Announce"]);
    let mut bench = standby();
    bench.feed(Input::VipGone("172.18.0.10".parse().unwrap()));
    assert_eq!(bench.done(), [""; 0]);
}

#[test]
fn what_an_operator_must_mend_is_a_warning() {
    use crate::event::{Level, SwitchoverStep};
    let text = || "x".to_string();
    for (event, level) in [
        (Event::RedisConnected, Level::Notice),
        (Event::Reloaded, Level::Notice),
        (Event::PeerHeard(true), Level::Notice),
        (Event::PeerHeard(false), Level::Warning),
        (Event::RedisLost(text()), Level::Warning),
        (Event::Problem(text()), Level::Warning),
        (Event::ProblemSolved(text()), Level::Notice),
        (Event::AddressInUse(text()), Level::Warning),
        (Event::TakeoverFailed { reason: text() }, Level::Warning),
        (Event::TakeoverBegan { cause: Cause::Switchover }, Level::Notice),
        (Event::Switchover(SwitchoverStep::Paused), Level::Notice),
        (Event::Switchover(SwitchoverStep::CalledOff(text())), Level::Warning),
    ] {
        assert_eq!(event.level(), level, "{event}");
    }
}

#[test]
fn sim_finding_s17_an_address_that_can_not_be_added_again_is_left_to_the_standby() {
    let mut bench = active();
    bench.refuse = Some(Done::AddVips);
    bench.feed(Input::VipGone("172.18.0.10".parse().unwrap()));
    let done = bench.done();
    assert_eq!(done[..2], ["AddVips", "AddVips"], "once more");
    assert_eq!(done[2..4], ["CloseFence { and_source: false }", "advert 0"]);
    assert!(!done.contains(&"Announce".to_string()), "{done:?}");
}

#[test]
fn sim_finding_s12_a_gate_that_was_not_shut_is_shut_later() {
    let mut bench = active();
    bench.refuse = Some(Done::CloseFence);
    bench.redis_dies();
    bench.done();
    bench.refuse = None;
    bench.pass(110);
    assert!(bench.done().contains(&"CloseFence { and_source: true }".to_string()));
    bench.pass(1_000);
    assert!(!bench.done().contains(&"CloseFence { and_source: true }".to_string()));
}

#[test]
fn sim_finding_s10_two_clocks_may_drift_apart_by_a_hundredth_each() {
    for (interval_ms, priority) in [(10, 100), (100, 100), (250, 254), (1000, 254), (40_950, 1)] {
        let config = Config { advert_interval: Duration::from_millis(interval_ms), ..config() };
        let life = vrrp::fence_life(&config, priority);
        let down = vrrp::active_down(priority, config.advert_interval);
        // The kernel's clock is slow, the peer's is fast.
        assert!(life * 101 / 99 + Duration::from_millis(4) < down, "{life:?} {down:?}");
    }
}
