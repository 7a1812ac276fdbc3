//! A tie-breaker in the configuration: what must be so for every configuration, and the traces of one
//! node. Both machines and the tie-breaker together are the simulator's.

use super::*;
use crate::tiebreaker::Says;
use keepair_wire::peer::Stamp;

fn with_a_third() -> Config {
    Config { tie_breakers: vec!["witness".to_string()], ..config() }
}

/// docs/safety.md: `F (1 + d) + g <= T (1 - d)`.
#[test]
fn a_right_ends_before_a_vote_does_whatever_is_configured() {
    for interval_ms in [10, 20, 50, 100, 250, 1_000, 40_950] {
        for priority in [1, 50, 100, 254] {
            let mut config = with_a_third();
            config.advert_interval = Duration::from_millis(interval_ms);
            for member in &mut config.members {
                member.priority = Priority(priority);
            }
            let bench = Bench::with(config, Remains { link_up: true, ..Remains::default() });
            let spans = bench.node.spans();
            let (d, life, patience) =
                (0.01, spans.life.as_secs_f64(), spans.patience.as_secs_f64());
            let g = 0.005 + 0.000_125 * interval_ms as f64;
            assert!(
                life * (1.0 + d) + g <= patience * (1.0 - d),
                "{interval_ms} ms, priority {priority}: {spans:?}"
            );
            assert!(life > 2.0 * interval_ms as f64 / 1000.0, "two votes may be lost: {spans:?}");
        }
    }
}

/// A standby in step with an Active peer, whose tie-breaker is there.
fn standby_with_a_third() -> Bench {
    let mut bench = Bench::with(with_a_third(), Remains { link_up: true, ..Remains::default() });
    bench.feed(Input::TieBreaker(0, Says::Met([1; 20])));
    in_step(&mut bench);
    assert_eq!(bench.node.state(), State::Backup, "{}", bench.node.reason);
    bench.pass_with(400, &replica(7));
    bench
}

/// The stamp of the newest question.
fn asked(bench: &Bench) -> Option<Stamp> {
    bench.log.iter().rev().find_map(|action| match action {
        Action::AskTieBreaker(0, ask) => Some(ask.stamp),
        _ => None,
    })
}

#[test]
fn nothing_is_promoted_before_somebody_stands_by_this_machine() {
    let mut bench = standby_with_a_third();
    bench.pass_with(100, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver, "{}", bench.node.reason);
    assert!(asked(&bench).is_some());
    let promotes = |bench: &Bench| bench.log.contains(&Action::AskRedis(Query::Promote));
    bench.pass_with(2_000, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver);
    assert!(!promotes(&bench));
    assert!(bench.node.reason.contains("waiting for the vote"), "{}", bench.node.reason);
    let stamp = asked(&bench).expect("it goes on asking");
    bench.feed(Input::TieBreaker(0, Says::Granted(stamp)));
    bench.pass_with(1, &replica(7));
    bench.pass_with(1, &replica(7));
    bench.pass_with(5, &primary(7));
    assert_eq!(bench.node.state(), State::Active, "{}", bench.node.reason);
}

#[test]
fn a_refused_claim_is_given_up_and_the_vote_is_the_peers() {
    let mut bench = standby_with_a_third();
    bench.pass_with(100, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver);
    bench.feed(Input::TieBreaker(0, Says::Refused(Stamp { instance: 9, seq: 77 })));
    assert_eq!(bench.node.state(), State::Backup, "{}", bench.node.reason);
    let last = bench.log.iter().rev().find_map(|action| match action {
        Action::SendReport(report) => Some(report.clone()),
        _ => None,
    });
    assert_eq!(last.expect("a report").vote, Some(Stamp { instance: 9, seq: 77 }));
}

#[test]
fn a_right_that_nobody_renews_ends_and_says_so() {
    let mut bench = standby_with_a_third();
    bench.pass_with(100, &replica(7));
    let stamp = asked(&bench).expect("a question");
    bench.feed(Input::TieBreaker(0, Says::Granted(stamp)));
    bench.pass_with(2, &replica(7));
    bench.pass_with(5, &primary(7));
    assert_eq!(bench.node.state(), State::Active, "{}", bench.node.reason);
    bench.feed(Input::TieBreaker(0, Says::Gone("refused".to_string())));
    bench.done();
    bench.pass_with(400, &primary(7));
    assert_ne!(bench.node.state(), State::Active);
    let done = bench.done();
    let place = |word: &str| done.iter().position(|done| done == word);
    let closed = place("CloseFence { and_source: false }").expect("the fence is closed");
    assert!(place("advert 0").expect("a farewell") > closed, "{done:?}");

    // What waits in the kernel for the standby gets the time to arrive; then there are no more pings.
    let mut asked = 0;
    for _ in 0..400 {
        bench.pass(1);
        asked += bench.take_queries().iter().filter(|one| **one == Query::DropReplicas).count();
        bench.answer(&primary(7));
    }
    assert_eq!(asked, 1);
}
