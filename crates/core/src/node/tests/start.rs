//! Starting, alone or after an earlier run.

use super::*;

#[test]
fn sim_finding_w7_nothing_is_decided_or_written_before_the_start() {
    let now = Time(1_000_000);
    let mut node = Node::new(config(), now);
    assert_eq!(node.deadline(), Time(u64::MAX));
    let mut actions = Actions::new();
    for input in [Input::Deadline, Input::LinkChanged(true), Input::Redis(RedisInput::Connected)] {
        node.handle(now, input, &mut actions);
    }
    assert_eq!(actions, [], "a generation of 0, for example");
}

#[test]
fn a_start_removes_what_an_earlier_run_left() {
    let mut bench = Bench::new();
    let done = bench.done();
    assert_eq!(done[..2], ["RemoveVips", "CloseFence { and_source: true }"]);
}

#[test]
fn a_lone_primary_waits_for_the_peer_then_probes_then_claims() {
    let mut bench = Bench::alone();
    bench.answer(&primary(7));
    bench.done();
    bench.pass_with(2900, &primary(7));
    assert_eq!(bench.node.state(), State::Starting);
    bench.pass_with(600, &primary(7));
    let done: Vec<_> = bench
        .done()
        .into_iter()
        .filter(|word| !word.starts_with("WatchProcess") && !word.starts_with("LookAt"))
        .take(9)
        .collect();
    assert_eq!(
        done,
        [
            "Probe",
            "Probe",
            "Probe",
            "EndProbe",
            "OpenSource",
            "open fence",
            "AddVips",
            "advert 100",
            "Announce",
        ]
    );
}

#[test]
fn sim_finding_4185_the_right_of_an_earlier_run_ends_when_redis_is_gone() {
    let persisted = Persisted {
        generation: Generation(4),
        run_id: run_id(7),
        primary: true,
        solo: false,
        served: true,
        aof: None,
    };
    let fence_left = Some(Duration::from_millis(250));
    let mut bench = Bench::started(Remains {
        link_up: true,
        persisted: Some(persisted),
        fence_left,
        ..Remains::default()
    });
    bench.redis_dies();
    let done = bench.done();
    assert!(done.contains(&"CloseFence { and_source: true }".to_string()), "{done:?}");
    assert_eq!(bench.node.state(), State::Starting);
}

#[test]
fn an_earlier_run_is_taken_up_while_the_kernel_still_honours_it() {
    let persisted = Persisted {
        generation: Generation(4),
        run_id: run_id(7),
        primary: true,
        solo: false,
        served: true,
        aof: None,
    };
    let mut bench = Bench::started(Remains {
        fence_left: Some(Duration::from_millis(120)),
        link_up: true,
        persisted: Some(persisted),
        ..Remains::default()
    });
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    let done = bench.done();
    assert!(!done.contains(&"RemoveVips".to_string()), "{done:?}");
    assert_eq!(bench.node.state(), State::Active);
    assert_eq!(bench.node.generation, Generation(4));
    // The daemon shut the gate when it started; the standby must get in again.
    assert_eq!(done.iter().filter(|word| *word == "OpenSource").count(), 1, "{done:?}");
}

#[test]
fn fuzz_finding_1_the_peer_is_not_waited_for_while_an_earlier_run_may_be_taken_up() {
    let persisted = Persisted {
        generation: Generation(4),
        run_id: run_id(7),
        primary: true,
        solo: false,
        served: true,
        aof: None,
    };
    let mut config = config();
    config.timing.boot_wait = Duration::from_millis(100);
    let fence_left = Some(Duration::from_millis(330));
    let remains =
        Remains { fence_left, link_up: true, persisted: Some(persisted), ..Remains::default() };
    let mut bench = Bench::with(config, remains);
    let until = bench.now + Duration::from_millis(330);
    while bench.now < until {
        let deadline = bench.node.deadline();
        assert!(deadline > bench.now, "a deadline that does not pass");
        bench.now = deadline;
        bench.feed(Input::Deadline);
    }
}

#[test]
fn sim_finding_293_a_started_daemon_tells_of_the_right_that_the_run_before_has_left() {
    let persisted = Persisted {
        generation: Generation(4),
        run_id: run_id(7),
        primary: true,
        solo: false,
        served: true,
        aof: None,
    };
    let fence_left = Some(Duration::from_millis(120));
    let remains =
        Remains { fence_left, link_up: true, persisted: Some(persisted), ..Remains::default() };
    let mut bench = Bench::started(remains);
    let ends = bench.now + Duration::from_millis(120);
    bench.log.clear();
    let mut told = Vec::new();
    // Redis is busy, and does not answer: the work can't be taken up.
    while bench.now < ends + Duration::from_millis(500) {
        bench.now = bench.now + Duration::from_millis(10);
        bench.feed(Input::Deadline);
        for action in bench.log.drain(..) {
            if let Action::SendReport(report) = action {
                told.push((bench.now < ends, report.may_serve));
            }
        }
    }
    assert!(told.iter().any(|(open, _)| *open) && told.iter().any(|(open, _)| !*open));
    // It is given up a little before it ends.
    assert!(told.iter().all(|(open, may_serve)| *open || !may_serve), "{told:?}");
    assert_eq!(told.first(), Some(&(true, true)));
}

#[test]
fn an_earlier_run_is_not_taken_up_with_a_restarted_redis() {
    let persisted = Persisted {
        generation: Generation(4),
        run_id: run_id(7),
        primary: true,
        solo: false,
        served: true,
        aof: None,
    };
    let mut bench = Bench::started(Remains {
        fence_left: Some(Duration::from_millis(120)),
        link_up: true,
        persisted: Some(persisted),
        ..Remains::default()
    });
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(8)))));
    assert!(bench.done().contains(&"RemoveVips".to_string()));
    assert_eq!(bench.node.state(), State::Starting);
}

#[test]
fn a_restarted_replica_promotes_nothing_before_it_has_heard_the_peer() {
    let persisted = Persisted {
        generation: Generation(4),
        run_id: run_id(7),
        primary: false,
        solo: false,
        served: true,
        aof: None,
    };
    let mut bench =
        Bench::started(Remains { link_up: true, persisted: Some(persisted), ..Remains::default() });
    bench.pass_with(20_000, &replica(7));
    assert_eq!(bench.node.state(), State::Unfit);
}
