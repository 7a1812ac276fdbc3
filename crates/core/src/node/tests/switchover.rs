//! Planned.

use super::*;

#[test]
fn a_switchover_pauses_measures_waits_then_leaves() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.done();
    bench.feed(Input::Operator(Operator::Switchover));
    assert_eq!(bench.done(), ["HoldConnections(500ms)"]);
    bench.pass(1);
    assert_eq!(bench.done(), ["PauseWrites(3s)"]);
    bench.redis(RedisInput::Reply(Query::PauseWrites(Duration::from_secs(3)), Reply::Ok));
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.done(), [""; 0]);
    let mut behind = peer_report(State::Backup, false, 1);
    behind.handshake.caught_up_offset = 999;
    bench.report(behind);
    assert_eq!(bench.done(), [""; 0], "one byte is missing");
    let mut caught_up = peer_report(State::Backup, false, 1);
    caught_up.handshake.caught_up_offset = 1000;
    bench.report(caught_up);
    let reported = bench.log.iter().rev().find_map(|action| match action {
        Action::SendReport(report) => {
            Some((report.leaving.is_some(), report.handshake.target_offset))
        }
        _ => None,
    });
    assert_eq!(reported, Some((true, 1000)), "the writes stay paused");
    assert_eq!(bench.done(), ["CloseFence { and_source: false }", "advert 0"]);
    let mut successor = peer_report(State::Active, true, 2);
    successor.redis.replid = [2; 20];
    successor.redis.replid2 = [1; 20];
    successor.redis.second_offset = 1001;
    bench.report(successor);
    assert_eq!(bench.done(), ["PauseWrites(6s)", "Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.done(), ["Follow"], "there is nothing to salvage");
    bench.redis(RedisInput::Reply(Query::Follow, Reply::Ok));
    assert_eq!(bench.done()[0], "RemoveVips", "Redis has closed its clients");
}

#[test]
fn a_standby_that_has_the_last_byte_of_a_paused_primary_promotes_at_once() {
    let mut bench = standby();
    let mut paused = peer_report(State::Active, true, 3);
    paused.handshake.target_offset = 1000;
    bench.report(paused);
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
    let told = bench.log.iter().any(|action| {
        matches!(action, Action::SendReport(report) if report.handshake.caught_up_offset == 1000)
    });
    assert!(told);
    bench.done();
    let mut leaver = peer_report(State::Backup, true, 3);
    leaver.leaving =
        Some(Leaving { cause: Cause::Switchover, noticed_ago_us: 0, fenced_ago_us: 0 });
    leaver.handshake.target_offset = 1000;
    bench.report(leaver);
    bench.advert(0);
    assert_eq!(bench.done(), ["Promote"]);
}

#[test]
fn sim_finding_14970_a_primary_that_called_its_switchover_off_has_served_since() {
    for (cause, target_offset) in
        [(Cause::LocalFault, -1), (Cause::LocalFault, 1000), (Cause::DaemonStopping, 1001)]
    {
        let mut bench = standby();
        let mut paused = peer_report(State::Active, true, 3);
        paused.handshake.target_offset = 1000;
        bench.report(paused);
        bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
        bench.done();
        let mut leaver = peer_report(State::Backup, true, 3);
        leaver.leaving = Some(Leaving { cause, noticed_ago_us: 0, fenced_ago_us: 0 });
        leaver.handshake.target_offset = target_offset;
        bench.report(leaver);
        bench.advert(0);
        let asked = bench.done();
        assert!(asked.iter().all(|query| query == "Info"), "{cause} {target_offset}: {asked:?}");
    }
}

#[test]
fn a_switchover_that_would_lose_something_is_refused() {
    let mut bench = active();
    let mut unfit = peer_report(State::Unfit, false, 1);
    unfit.fit = false;
    bench.report(unfit);
    bench.log.clear();
    bench.feed(Input::Operator(Operator::Switchover));
    let told: Vec<_> = bench
        .log
        .iter()
        .filter_map(|action| match action {
            Action::Tell(event) => Some(event.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["switchover: refused: redis-2 can't take over: a test"]);
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn a_stop_during_a_switchover_is_not_forgotten() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::Operator(Operator::Switchover));
    bench.feed(Input::Operator(Operator::Stop));
    bench.pass_with(3000, &primary(7));
    assert!(bench.log.contains(&Action::Exit));
}

#[test]
fn every_obstacle_is_named() {
    type Change = fn(&mut Report);
    let table: &[(&str, Change)] = &[
        ("redis-2 can't take over: its Redis hangs", |report| {
            report.fit = false;
            report.reason = "its Redis hangs".to_string();
        }),
        ("redis-2 does not replicate right now", |report| report.redis.link_up = false),
        ("redis-2 is 16777217 bytes behind; try again when it has caught up", |report| {
            report.redis.offset = 1000 - 16 * 1024 * 1024 - 1;
        }),
    ];
    for (why, change) in table {
        let mut bench = active();
        let mut report = peer_report(State::Backup, false, 1);
        change(&mut report);
        bench.report(report);
        bench.told();
        bench.feed(Input::Operator(Operator::Switchover));
        assert_eq!(bench.told(), [format!("switchover: refused: {why}")]);
    }
    let mut bench = active();
    bench.pass_with(2_000, &primary(7));
    bench.told();
    bench.feed(Input::Operator(Operator::Switchover));
    let unheard = "switchover: refused: the keepair daemon on redis-2 is not heard";
    assert_eq!(bench.told(), [unheard]);
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::Operator(Operator::Switchover));
    bench.told();
    bench.feed(Input::Operator(Operator::Switchover));
    assert_eq!(bench.told(), ["switchover: refused: another one is under way"]);
}

#[test]
fn a_standby_asks_the_primary_and_an_unfit_machine_refuses() {
    let mut bench = standby();
    bench.told();
    bench.feed(Input::Operator(Operator::Switchover));
    assert_eq!(bench.told(), ["switchover: asked the primary to hand over"]);
    let mut bench = standby();
    bench.redis_dies();
    bench.told();
    bench.feed(Input::Operator(Operator::Switchover));
    let told = bench.told();
    assert!(told[0].starts_with("switchover: refused: redis-1 can't take over: no Redis"));
}

#[test]
fn one_that_was_asked_for_before_this_daemon_started_is_not_begun() {
    let wanted = |number: u32| {
        let mut report = peer_report(State::Backup, false, 1);
        report.handshake.wanted = number;
        report
    };
    let mut bench = active();
    bench.node.wanted_seen = None;
    bench.report(wanted(1));
    assert_eq!(bench.done(), [""; 0]);
    bench.report(wanted(2));
    assert_eq!(bench.done(), ["HoldConnections(500ms)"]);
}

#[test]
fn writes_go_on_where_they_were_when_it_is_called_off() {
    let pause = Query::PauseWrites(Duration::from_secs(3));
    let begun = || {
        let mut bench = active();
        bench.report(peer_report(State::Backup, false, 1));
        bench.feed(Input::Operator(Operator::Switchover));
        bench.pass(1);
        bench.take_queries();
        bench
    };
    for (why, answers) in [
        ("Redis did not answer", 0),
        ("Redis did not answer", 1),
        ("the standby did not catch up in time", 2),
    ] {
        let mut bench = begun();
        if answers > 0 {
            bench.redis(RedisInput::Reply(pause, Reply::Ok));
        }
        if answers > 1 {
            bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
        }
        let mut behind = peer_report(State::Backup, false, 1);
        behind.handshake.caught_up_offset = 999;
        bench.report(behind);
        bench.told();
        bench.pass(1_000);
        let told = bench.told();
        assert!(told.contains(&format!("switchover: called off: {why}")), "{why}: {told:?}");
        let done = bench.done();
        let end = ["ReleaseConnections", "ResumeWrites"];
        assert!(done.windows(2).any(|steps| steps == end), "{why}: {done:?}");
        assert_eq!(bench.node.state(), State::Active, "{why}");
    }
    let mut bench = begun();
    bench.redis(RedisInput::Reply(pause, Reply::Error("NOPERM".to_string())));
    let told = bench.told();
    let why = "switchover: called off: writes could not be paused: NOPERM";
    assert!(told.contains(&why.to_string()), "{told:?}");
}

#[test]
fn a_redis_that_can_not_pause_writes_has_its_packets_held() {
    let mut old = primary(7);
    old.redis_version = Some("6.0.16".to_string());
    let mut bench = active();
    bench.pass_with(200, &old);
    bench.report(peer_report(State::Backup, false, 1));
    bench.done();
    bench.feed(Input::Operator(Operator::Switchover));
    assert_eq!(bench.done(), ["CloseFence { and_source: false }", "Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(old.clone()))));
    for _ in 0..12 {
        bench.report(peer_report(State::Backup, false, 1));
        bench.pass_with(100, &old);
    }
    let done = bench.done();
    assert!(done.contains(&"open fence".to_string()), "called off: {done:?}");
    assert!(!done.contains(&"ResumeWrites".to_string()), "{done:?}");
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn preempt_hands_over_to_the_higher_priority_when_it_has_been_in_step_for_five_seconds() {
    for (preempt, priority, moves) in [(true, 150, true), (true, 100, false), (false, 150, false)] {
        let mut bench = active_with(Config { preempt, ..config() });
        let mut asked_at = None;
        for tenths in 0..70 {
            let mut report = peer_report(State::Backup, false, 1);
            report.priority = priority;
            bench.report(report);
            bench.pass_with(100, &primary(7));
            if asked_at.is_none() && bench.done().contains(&"HoldConnections(500ms)".to_string()) {
                asked_at = Some(tenths);
            }
        }
        assert_eq!(asked_at.is_some(), moves, "{preempt} {priority}");
        assert!(asked_at.is_none_or(|tenths| tenths >= 49), "{asked_at:?}");
    }
}

#[test]
fn fuzz_finding_2_a_stop_outlives_the_switchover_it_began() {
    let pause = Query::PauseWrites(Duration::from_secs(3));
    let refused = || RedisInput::Reply(pause, Reply::Error("NOPERM".to_string()));
    let table: &[fn(&mut Bench)] =
        &[|bench| bench.feed(Input::LinkChanged(false)), |bench| bench.redis_dies()];
    let begun = || {
        let mut bench = active();
        bench.report(peer_report(State::Backup, false, 1));
        bench.feed(Input::Operator(Operator::Stop));
        bench.pass(1);
        bench
    };
    for happens in table {
        let mut bench = begun();
        happens(&mut bench);
        bench.pass(1_100);
        assert!(bench.log.contains(&Action::Exit));
    }
    let mut bench = begun();
    bench.redis(refused());
    bench.pass(1_100);
    assert!(bench.log.contains(&Action::Exit));
}

#[test]
fn sim_finding_s6_a_right_that_is_held_back_ends_as_well() {
    // Redis 6.0: the clients' packets are held instead of writes being paused.
    let mut old = primary(7);
    old.redis_version = Some("6.0.16".to_string());
    let mut bench = active();
    bench.pass_with(200, &old);
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::Operator(Operator::Switchover));
    bench.done();
    bench.now = bench.now + Duration::from_millis(2_200);
    bench.feed(Input::Deadline);
    let done = bench.done();
    assert!(!done.contains(&"open fence".to_string()), "{done:?}");
    assert!(!done.contains(&"advert 100".to_string()), "{done:?}");
    assert_ne!(bench.node.state(), State::Active);
}

#[test]
fn fuzz_finding_5_nothing_opens_the_fence_while_it_holds_writes_back() {
    let mut old = primary(7);
    old.redis_version = Some("6.0.16".to_string());
    let mut bench = active();
    bench.pass_with(200, &old);
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::Operator(Operator::Switchover));
    bench.done();
    let mut config = config();
    config.vips.push(Vip { address: "172.18.0.11".parse().unwrap(), prefix_len: 24 });
    bench.feed(Input::Operator(Operator::Reload(Box::new(config))));
    let no = Err(Refused::Failed("no such set".to_string()));
    bench.feed(Input::ActionDone(Done::RenewFence, no));
    let done = bench.done();
    assert!(!done.contains(&"open fence".to_string()), "{done:?}");
}

#[test]
fn fuzz_finding_no_switchover_begins_while_it_is_looked_whose_data_is_newer() {
    let mut old = primary(7);
    old.redis_version = Some("6.0.16".to_string());
    let mut bench = active();
    bench.pass_with(200, &old);
    let mut newer = peer_report(State::Active, true, 9);
    newer.redis.replid = [2; 20];
    newer.redis.replid2 = [1; 20];
    newer.redis.second_offset = 1001;
    bench.report(newer);
    assert!(bench.done().contains(&"CloseFence { and_source: false }".to_string()));
    // It has thought better of it.
    bench.report(peer_report(State::Backup, false, 1));
    bench.told();
    bench.feed(Input::Operator(Operator::Switchover));
    let told = bench.told();
    let refused = "switchover: refused: it is being looked whose data is newer; try again";
    assert!(told.contains(&refused.to_string()), "{told:?}");
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(old))));
    assert!(bench.done().contains(&"open fence".to_string()));
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn sim_finding_524_a_fence_that_does_not_hold_the_packets_ends_the_switchover() {
    let mut old = primary(7);
    old.redis_version = Some("6.0.16".to_string());
    let mut bench = active();
    bench.pass_with(200, &old);
    bench.report(peer_report(State::Backup, false, 1));
    bench.done();
    bench.told();
    bench.refuse = Some(Done::CloseFence);
    bench.feed(Input::Operator(Operator::Switchover));
    let told = bench.told();
    assert!(told.contains(&"switchover: called off: writes could not be paused: no".to_string()));
    assert_eq!(bench.node.state(), State::Active);
    assert!(bench.done().contains(&"open fence".to_string()));
}

#[test]
fn sim_finding_19899_a_slow_kernel_is_not_asked_for_more_than_it_must_be() {
    for (took_ms, holds) in [(1, true), (60, false)] {
        let mut bench = active();
        bench.report(peer_report(State::Backup, false, 1));
        let mut actions = Actions::new();
        bench.now = bench.node.timers.advert_at.unwrap();
        bench.node.handle(bench.now, Input::Deadline, &mut actions);
        assert!(actions.iter().any(|action| matches!(action, Action::RenewFence(_))));
        bench.now = bench.now + Duration::from_millis(took_ms);
        bench.feed(Input::ActionDone(Done::RenewFence, Ok(())));
        bench.done();
        bench.feed(Input::Operator(Operator::Switchover));
        bench.pass(2);
        let done = bench.done();
        let hold = "HoldConnections(500ms)".to_string();
        assert_eq!(done.contains(&hold), holds, "{took_ms} ms: {done:?}");
        assert!(done.contains(&"PauseWrites(3s)".to_string()), "{done:?}");
    }
}

#[test]
fn sim_finding_3867_a_wish_is_not_heard_much_later() {
    let wished = |bench: &Bench| {
        let mut reports = bench.log.iter().filter_map(|action| match action {
            Action::SendReport(report) => Some(report.handshake.wanted),
            _ => None,
        });
        reports.next_back().unwrap_or(0)
    };
    let mut bench = standby();
    bench.feed(Input::Operator(Operator::Switchover));
    assert_eq!(wished(&bench), 1);
    bench.told();
    for _ in 0..11 {
        bench.advert(100);
        bench.report(peer_report(State::Active, true, 3));
        bench.pass_with(100, &replica(7));
    }
    assert_eq!(wished(&bench), 0);
    assert_eq!(bench.told(), ["switchover: called off: the primary did not begin"]);
    bench.feed(Input::Operator(Operator::Switchover));
    assert_eq!(wished(&bench), 2);
}
