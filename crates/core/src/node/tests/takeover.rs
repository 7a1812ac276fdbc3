//! From standby to primary, and when not.

use super::*;

#[test]
fn an_address_in_use_is_not_claimed() {
    let mut bench = Bench::alone();
    bench.answer(&primary(7));
    bench.until(State::TakingOver, &primary(7));
    let address = "172.18.0.10".parse().unwrap();
    bench.feed(Input::VipClaimed { address, mac: [2, 0, 0, 0, 0, 9] });
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(bench.node.reason.contains("02:00:00:00:00:09"), "{}", bench.node.reason);
    bench.pass_with(1000, &primary(7));
    assert!(bench.done().iter().all(|word| word != "AddVips"));
}

#[test]
fn a_farewell_makes_the_standby_drain_promote_verify_claim_announce() {
    let mut bench = standby();
    bench.farewell();
    assert_eq!(bench.done(), ["Info"], "nothing is promoted before the received bytes are applied");
    let mut behind = replica(7);
    behind.slave_repl_offset = Some(900);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(behind))));
    bench.pass(2);
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
    bench.pass(2);
    assert_eq!(bench.done(), ["Info"], "an open link may still deliver");
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
    assert_eq!(bench.done(), ["Promote"]);
    bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.done(), ["OpenSource", "open fence", "AddVips", "advert 100", "Announce"]);
    assert_eq!(bench.node.state(), State::Active);
    assert_eq!(bench.node.generation, Generation(4));
}

#[test]
fn a_closed_link_is_drained_after_one_look() {
    let mut bench = standby();
    bench.farewell();
    let mut closed = replica(7);
    closed.master_link_status = Some(LinkStatus::Down);
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(closed))));
    assert_eq!(bench.done(), ["Promote"]);
}

#[test]
fn a_silent_peer_is_succeeded_after_three_intervals_and_the_skew() {
    let mut bench = standby();
    bench.advert(100);
    bench.pass_with(360, &replica(7));
    assert_eq!(bench.node.state(), State::Backup);
    bench.pass_with(10, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver);
}

#[test]
fn missing_adverts_of_a_peer_that_reports_itself_active_are_no_reason() {
    let mut bench = standby();
    for _ in 0..20 {
        bench.report(peer_report(State::Active, true, 3));
        bench.pass_with(100, &replica(7));
    }
    assert_eq!(bench.node.state(), State::Backup);
}

#[test]
fn sim_finding_12104_where_adverts_do_not_arrive_a_report_is_the_farewell() {
    for filtered in [true, false] {
        let mut bench = standby();
        for _ in 0..20 {
            bench.report(peer_report(State::Active, true, 3));
            bench.pass_with(100, &replica(7));
            if !filtered {
                bench.advert(100);
            }
        }
        let mut left = peer_report(State::Backup, true, 3);
        left.may_serve = false;
        let cause = Cause::Switchover;
        left.leaving = Some(Leaving { cause, noticed_ago_us: 0, fenced_ago_us: 0 });
        bench.report(left);
        let wanted = if filtered { State::TakingOver } else { State::Backup };
        assert_eq!(bench.node.state(), wanted, "filtered: {filtered}");
    }
}

#[test]
fn sim_finding_8279_who_could_not_leave_for_long_lets_the_other_go_first() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.now = bench.node.timers.advert_at.unwrap();
    let mut actions = Actions::new();
    // Both ways of leaving are refused, longer than the peer would be waited for.
    for done in [Done::RenewFence, Done::OpenFence, Done::OpenFence, Done::CloseFence] {
        let no = Err(Refused::Failed("no".to_string()));
        bench.node.handle(bench.now, Input::ActionDone(done, no), &mut actions);
    }
    assert_eq!(bench.node.state(), State::Backup, "{}", bench.node.reason);
    let due = bench.node.timers.active_down_at.unwrap();
    let closed = Input::ActionDone(Done::CloseFence, Ok(()));
    bench.node.handle(due - Duration::from_millis(1), closed, &mut actions);
    assert!(bench.node.timers.active_down_at.unwrap() > due + Duration::from_millis(300));
}

#[test]
fn a_machine_whose_cable_is_back_waits_until_it_hears_the_peer() {
    // A switch may hold its port closed for half a minute after the link came up.
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::LinkChanged(false));
    bench.answer(&primary(7));
    assert!(bench.take_queries().contains(&Query::Follow), "no write may be accepted meanwhile");
    bench.redis(RedisInput::Reply(Query::Follow, Reply::Ok));
    let mut cut_off = replica(7);
    cut_off.master_link_status = Some(LinkStatus::Down);
    bench.pass_with(2000, &cut_off);
    bench.feed(Input::LinkChanged(true));
    bench.pass_with(5000, &cut_off);
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(bench.node.reason.starts_with("has not heard redis-2"), "{}", bench.node.reason);
    for _ in 0..10 {
        let mut unfit = peer_report(State::Unfit, false, 1);
        unfit.fit = false;
        bench.report(unfit);
        bench.pass_with(100, &cut_off);
    }
    let reason = &bench.node.reason;
    assert_eq!(bench.node.state(), State::TakingOver, "the peer did not take over: {reason}");
}

#[test]
fn sim_finding_5_a_farewell_that_waited_in_the_socket_is_no_news() {
    let mut bench = standby();
    bench.now = bench.now + Duration::from_secs(5);
    bench.advert(0);
    assert_eq!(bench.node.state(), State::Backup);
}

#[test]
fn sim_finding_14229_a_farewell_that_was_held_up_on_its_way_is_no_news() {
    let mut bench = standby();
    bench.report(peer_report(State::Active, true, 3));
    bench.advert(0);
    assert_eq!(bench.node.state(), State::Backup, "the peer has come back since");
    bench.farewell();
    assert_eq!(bench.node.state(), State::TakingOver);
}

/// A standby that has just asked Redis to promote itself.
fn promoting() -> Bench {
    let mut bench = standby();
    bench.farewell();
    bench.done();
    let mut closed = replica(7);
    closed.master_link_status = Some(LinkStatus::Down);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(closed))));
    assert_eq!(bench.done(), ["Promote"]);
    bench
}

fn promoted(bench: &mut Bench) {
    bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
}

#[test]
fn a_takeover_that_fails_leaves_nothing_behind() {
    type Happens = fn(&mut Bench);
    let table: &[(&str, Happens)] = &[
        ("Redis did not answer REPLICAOF NO ONE", |bench| bench.pass(1_100)),
        ("Redis refused REPLICAOF NO ONE: NOPERM", |bench| {
            let refused = Reply::Error("NOPERM".to_string());
            bench.redis(RedisInput::Reply(Query::Promote, refused));
        }),
        ("Redis did not become a primary", |bench| {
            bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
            bench.pass_with(1_100, &replica(7));
        }),
        ("the link went down", |bench| bench.feed(Input::LinkChanged(false))),
        ("Redis failed", |bench| {
            bench.redis(RedisInput::Lost(Lost::Failed("reset".to_string())));
        }),
        ("this daemon did not run for a while", |bench| {
            bench.now = bench.now + Duration::from_secs(5);
            bench.feed(Input::Deadline);
        }),
    ];
    for (reason, happens) in table {
        let mut bench = promoting();
        happens(&mut bench);
        let told = bench.told();
        let failed = format!("could not take over: {reason}");
        assert!(told.contains(&failed), "{reason}: {told:?}");
        let done = bench.done();
        let wanted = ["EndProbe", "RemoveVips", "CloseFence { and_source: false }"];
        assert!(done.windows(3).any(|steps| steps == wanted), "{reason}: {done:?}");
        assert!(!done.contains(&"AddVips".to_string()), "{reason}: {done:?}");
    }
}

#[test]
fn a_kernel_that_refuses_or_does_not_answer_gets_no_advert() {
    for refused in [Done::OpenFence, Done::AddVips] {
        let mut bench = promoting();
        bench.refuse = Some(refused);
        promoted(&mut bench);
        assert_eq!(bench.node.state(), State::Unfit, "{refused:?}");
        assert!(bench.done().iter().all(|word| word != "advert 100"), "{refused:?}");
    }
    let mut bench = promoting();
    bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
    let mut actions = Actions::new();
    let info = RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7))));
    bench.node.handle(bench.now, Input::Redis(info), &mut actions);
    assert!(actions.iter().any(|action| matches!(action, Action::OpenFence(_))));
    bench.pass(1_100);
    assert_eq!(bench.node.state(), State::Unfit);
}

#[test]
fn an_advert_of_a_living_peer_ends_a_takeover_that_has_claimed_nothing() {
    let mut bench = standby();
    bench.farewell();
    assert_eq!(bench.node.state(), State::TakingOver);
    bench.advert(100);
    assert_eq!(bench.node.state(), State::Backup);
}

#[test]
fn every_reason_not_to_take_over_is_a_sentence() {
    let mut other = replica(7);
    other.master_host = Some("10.9.9.9".to_string());
    let mut cluster = replica(7);
    cluster.cluster_enabled = Some(true);
    let mut loading = replica(7);
    loading.loading = Some(true);
    for (info, reason) in [
        (other, "Redis does not replicate from redis-2"),
        (cluster, "Redis runs in cluster mode"),
        (loading, "Redis is loading or receiving its data"),
    ] {
        let mut bench = standby();
        bench.pass_with(300, &info);
        assert_eq!(bench.node.state(), State::Unfit);
        assert!(bench.node.reason.starts_with(reason), "{}", bench.node.reason);
    }
    let mut bench = standby();
    bench.redis(RedisInput::Lost(Lost::AuthFailed("WRONGPASS".to_string())));
    assert_eq!(bench.node.reason, "Redis refused the login: WRONGPASS");
    let mut bench = standby();
    let mut unrelated = peer_report(State::Active, true, 3);
    unrelated.redis.replid = [8; 20];
    bench.report(unrelated);
    assert_eq!(bench.node.state(), State::Unfit, "{}", bench.node.reason);
}

#[test]
fn sim_finding_w1_a_machine_that_stood_still_gives_its_peer_that_time() {
    // Three intervals and the skew after the last advert, of which this machine missed a part.
    let mut bench = standby();
    bench.advert(100);
    bench.pass_with(50, &replica(7));
    bench.now = bench.now + Duration::from_millis(270);
    bench.feed(Input::Deadline);
    bench.pass_with(100, &replica(7));
    assert_eq!(bench.node.state(), State::Backup, "its next advert is on its way");
    bench.pass_with(300, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver, "there is none");
}

#[test]
fn sim_finding_s13_a_report_is_worth_as_much_as_an_advert() {
    // Adverts are filtered; the last report is older than two intervals when the timer fires.
    let mut bench = standby();
    bench.pass_with(130, &replica(7));
    bench.report(peer_report(State::Active, true, 3));
    bench.pass_with(355, &replica(7));
    assert_eq!(bench.node.state(), State::Backup);
    bench.pass_with(10, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver);
}

#[test]
fn sim_finding_s19_a_redis_that_is_reading_its_file_may_hold_the_newer_data() {
    let mut bench = Bench::new();
    let mut empty = primary(7);
    empty.keys = Some(0);
    let mut reading = peer_report(State::Unfit, true, 3);
    reading.redis.syncing = true;
    reading.redis.replid = [8; 20];
    for _ in 0..50 {
        bench.report(reading.clone());
        bench.pass_with(100, &empty);
    }
    assert_eq!(bench.node.state(), State::Unfit);
    assert_eq!(bench.node.reason, "redis-2 is reading its data, which may be the newer");

    let mut bench = Bench::new();
    let mut info = primary(7);
    (info.keys, info.loading) = (Some(0), Some(true));
    bench.answer(&info);
    assert!(!bench.node.status(bench.now).members[0].redis.empty, "nothing can be said yet");
}

#[test]
fn model_finding_5_a_peer_that_took_the_address_back_meanwhile_keeps_it() {
    let mut bench = promoting();
    bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
    bench.advert(100);
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.node.state(), State::Backup, "nothing was claimed yet");

    let mut bench = promoting();
    bench.pass(1);
    bench.advert(100);
    bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert!(bench.told().contains(&"could not take over: redis-2 has the address again".into()));
    assert!(!bench.done().contains(&"open fence".to_string()));
}

#[test]
fn model_finding_4_who_was_stopped_left_the_address_to_whoever_was_fit_before() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.pass_with(10, &primary(7));
    bench.now = bench.now + Duration::from_millis(1_100);
    bench.feed(Input::Deadline);
    assert_eq!(bench.told().last().unwrap(), "left the address: stalled");
    // The peer took over meanwhile, acknowledged writes, and its daemon died.
    bench.pass_with(3_000, &primary(7));
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(bench.node.reason.starts_with("has not heard redis-2"), "{}", bench.node.reason);
}

#[test]
fn sim_finding_s16_what_a_person_gave_up_by_hand_may_be_replaced() {
    let mut stranger = primary(8);
    stranger.master_replid = Some(ReplId([5; 20]));
    for (given_up, serves) in [(false, false), (true, true)] {
        let mut bench = Bench::new();
        bench.answer(&stranger);
        for _ in 0..50 {
            let mut report = peer_report(State::Unfit, false, 3);
            (report.fit, report.vouched, report.redis.link_up) = (false, false, false);
            report.redis.given_up = given_up;
            bench.report(report);
            bench.pass_with(100, &stranger);
        }
        assert_eq!(bench.node.state() == State::Active, serves, "{}", bench.node.reason);
    }
    // By hand, or by this daemon.
    let mut away = replica(7);
    away.master_link_status = Some(LinkStatus::Down);
    let mut bench = active();
    bench.pass_with(300, &away);
    assert!(bench.node.status(bench.now).members[0].redis.given_up);
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::LinkChanged(false));
    bench.answer(&primary(7));
    bench.pass_with(300, &away);
    assert!(!bench.node.status(bench.now).members[0].redis.given_up);
}

#[test]
fn sim_finding_s29_a_right_that_can_not_be_taken_back_is_told() {
    let mut bench = promoting();
    bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
    let mut actions = Actions::new();
    let no = || Err(Refused::Failed("no".to_string()));
    let info = RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7))));
    bench.node.handle(bench.now, Input::Redis(info), &mut actions);
    for (done, result) in
        [(Done::OpenFence, Ok(())), (Done::AddVips, no()), (Done::CloseFence, no())]
    {
        actions.clear();
        bench.node.handle(bench.now, Input::ActionDone(done, result), &mut actions);
    }
    let told = actions.iter().any(|action| match action {
        Action::SendReport(report) => report.may_serve && report.state == State::Unfit,
        _ => false,
    });
    assert!(told, "{actions:?}");
    bench.pass(110);
    assert!(bench.done().contains(&"CloseFence { and_source: false }".to_string()));
}

#[test]
fn sim_finding_s30_a_peer_that_woke_up_with_older_data_is_no_reason_to_wait() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.pass_with(200, &primary(7));
    bench.now = bench.now + Duration::from_millis(600);
    bench.feed(Input::Deadline);
    assert_ne!(bench.node.state(), State::Active);
    for _ in 0..10 {
        let mut woken = peer_report(State::Active, true, 0);
        (woken.redis.replid, woken.vouched) = ([9; 20], true);
        (woken.generation, woken.redis.replid2) = (1, [0; 20]);
        woken.vouched = false;
        bench.report(woken);
        bench.pass_with(100, &primary(7));
    }
    assert_eq!(bench.node.state(), State::Backup, "{}", bench.node.reason);
}

#[test]
fn sim_finding_s24_the_last_bytes_of_a_living_redis_are_waited_for() {
    let leaving = Leaving { cause: Cause::LocalFault, noticed_ago_us: 0, fenced_ago_us: 0 };
    let left = |end: i64| {
        let mut report = peer_report(State::Backup, true, 3);
        report.leaving = Some(leaving);
        report.handshake.target_offset = end;
        report
    };
    let at = |offset: i64| {
        let mut info = replica(7);
        (info.slave_repl_offset, info.slave_read_repl_offset) = (Some(offset), Some(offset));
        info
    };
    let mut bench = standby();
    bench.report(left(-1));
    bench.advert(0);
    bench.pass_with(5, &at(1000));
    assert!(!bench.done().contains(&"Promote".to_string()), "where it ends is not told yet");
    bench.report(left(1047));
    bench.pass_with(5, &at(1000));
    assert!(!bench.done().contains(&"Promote".to_string()), "47 bytes are on their way");
    bench.pass_with(3, &at(1047));
    assert_eq!(bench.node.generation.0, 3);
    assert!(matches!(bench.node.state(), State::TakingOver | State::Active));
    bench.pass_with(3, &primary(7));
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn sim_finding_s33_a_farewell_is_not_repeated_to_a_peer_that_has_the_address() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.redis_dies();
    bench.done();
    bench.advert(100);
    bench.advert(0);
    bench.pass(50);
    assert!(!bench.done().contains(&"advert 0".to_string()));
}

#[test]
fn sim_finding_s35_two_that_start_at_the_same_time_do_not_both_claim() {
    let mut config = config();
    config.members.reverse();
    config.me = 1;
    let mut bench = Bench::with(config, Remains { link_up: true, ..Remains::default() });
    bench.feed(Input::Operator(Operator::Solo));
    bench.answer(&primary(7));
    bench.until(State::TakingOver, &primary(7));
    // Both files list the peer first, and everything else is equal.
    let mut other = peer_report(State::TakingOver, true, 0);
    other.vouched = false;
    bench.report(other);
    assert_eq!(bench.node.state(), State::Backup);
}

#[test]
fn sim_finding_s32_what_waited_in_the_socket_does_not_make_the_peer_silent() {
    let mut bench = standby();
    bench.report(peer_report(State::Active, true, 3));
    let before = bench.node.peer.report_at;
    bench.node.stale_until = bench.now + Duration::from_secs(1);
    bench.report(peer_report(State::Active, true, 3));
    assert_eq!(bench.node.peer.report_at, before);
}

#[test]
fn sim_finding_2301_an_old_leave_says_no_farewell_when_the_peer_has_had_the_address_since() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.take_queries();
    let mut actions = Actions::new();
    bench.node.handle(bench.now, Input::LinkChanged(false), &mut actions);
    for done in [Done::CloseFence, Done::RemoveVips] {
        let no = Err(Refused::Failed("no".to_string()));
        bench.node.handle(bench.now, Input::ActionDone(done, no), &mut actions);
    }
    bench.pass(50);
    bench.advert(100);
    bench.done();
    bench.pass(200);
    let done = bench.done();
    assert!(done.contains(&"CloseFence { and_source: false }".to_string()), "{done:?}");
    assert!(!done.contains(&"advert 0".to_string()), "{done:?}");
}

#[test]
fn sim_finding_15245_redis_is_looked_at_again_when_a_step_took_long() {
    let reply = |query, reply| Input::Redis(RedisInput::Reply(query, reply));
    let info = |id| reply(Query::Info, Reply::Info(Box::new(primary(id))));
    let done = |done| Input::ActionDone(done, Ok(()));
    // Each step's milliseconds, and which Redis is there afterwards.
    for (fence_ms, fence_run, claim_ms, claim_run, wanted) in [
        (19, 7, 0, 7, State::Active),
        (30, 7, 0, 7, State::Active),
        (30, 9, 0, 9, State::Unfit),
        (0, 7, 30, 7, State::Active),
        (0, 7, 30, 9, State::Unfit),
        (30, 7, 30, 9, State::Unfit),
    ] {
        let mut bench = promoting();
        bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
        let mut now = bench.now;
        let mut feed = |after_ms, input| {
            now = now + Duration::from_millis(after_ms);
            let mut out = Actions::new();
            bench.node.handle(now, input, &mut out);
            let asked = out.contains(&Action::AskRedis(Query::Info));
            (asked, bench.node.state())
        };
        feed(0, info(7));
        if feed(fence_ms, done(Done::OpenFence)).0 {
            feed(0, info(fence_run));
        }
        if feed(claim_ms, done(Done::AddVips)) == (true, State::TakingOver) {
            feed(0, info(claim_run));
        }
        let case = (fence_ms, fence_run, claim_ms, claim_run);
        assert_eq!(bench.node.state(), wanted, "{case:?}: {}", bench.node.reason);
    }
}

#[test]
fn fuzz_finding_a_takeover_does_not_go_on_with_another_redis() {
    for (run, wanted) in [(7, State::Active), (9, State::Unfit)] {
        let mut bench = promoting();
        bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
        bench.done();
        bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(run)))));
        assert_eq!(bench.node.state(), wanted, "{}", bench.node.reason);
        let opened = bench.done().iter().any(|word| word == "open fence");
        assert_eq!(opened, wanted == State::Active);
    }
}
