use super::*;

fn connected() -> (Monitor, Time) {
    let mut monitor = Monitor::new(Time(0));
    let mut out = Actions::new();
    let timing = Timing::default();
    monitor.tick(Time(0), &timing, &mut out);
    assert_eq!(out, [Action::ConnectRedis { attempt: 0 }]);
    monitor.handle(Time(0), &timing, RedisInput::Connected, &mut out);
    (monitor, Time(0))
}

#[test]
fn a_ping_deadline_alone_is_no_failure() {
    let (mut monitor, mut now) = connected();
    let timing = Timing::default();
    let mut out = Actions::new();
    while !out.contains(&Action::LookAtProcess) {
        now = now + Duration::from_millis(1);
        monitor.tick(now, &timing, &mut out);
    }
    let asleep = Process { state: 'S', exiting: false, cpu_ticks: 1 };
    assert_eq!(
        monitor.handle(now, &timing, RedisInput::Process(Some(asleep)), &mut out),
        Change::None
    );
    assert_eq!(monitor.health, Health::Busy);
}

#[test]
fn a_process_that_sleeps_and_answers_nothing_hangs_after_the_hang_timeout() {
    let (mut monitor, mut now) = connected();
    let timing = Timing::default();
    let asleep = Process { state: 'S', exiting: false, cpu_ticks: 1 };
    for _ in 0..6000 {
        now = now + Duration::from_millis(1);
        let mut out = Actions::new();
        monitor.tick(now, &timing, &mut out);
        if out.contains(&Action::LookAtProcess) {
            let change = monitor.handle(
                now,
                &timing,
                RedisInput::Process(Some(asleep)),
                &mut Actions::new(),
            );
            if change == Change::Failed {
                assert!(now.since(Time(0)) >= timing.hang_timeout, "at {now}");
                return;
            }
        }
    }
    panic!("never found to hang");
}

#[test]
fn a_redis_that_accepts_and_never_answers_is_given_up() {
    let mut monitor = Monitor::new(Time(0));
    let timing = Timing::default();
    let mut out = Actions::new();
    monitor.tick(Time(0), &timing, &mut out);
    let at = monitor.deadline();
    assert_eq!(at, Time(0) + timing.hang_timeout);
    monitor.tick(at, &timing, &mut out);
    assert!(matches!(monitor.health, Health::Gone(_)));
    assert!(out.contains(&Action::DisconnectRedis));
}

#[test]
fn an_error_reply_is_a_sign_of_life() {
    let (mut monitor, now) = connected();
    let reply = Reply::Error("LOADING Redis is loading the dataset in memory".to_string());
    let input = RedisInput::Reply(Query::Ping, reply);
    monitor.handle(now, &Timing::default(), input, &mut Actions::new());
    assert_eq!(monitor.health, Health::Good);
}
