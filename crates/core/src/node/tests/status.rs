//! What an operator is shown.

use super::*;
use crate::tiebreaker::Says;

#[test]
fn a_peer_that_was_never_heard_says_so() {
    let bench = Bench::new();
    let status = bench.node.status(bench.now);
    let [local, remote] = &status.members;
    assert!(local.local && local.heard && !remote.local && !remote.heard);
    assert_eq!((local.name.as_str(), remote.name.as_str()), ("redis-1", "redis-2"));
    assert_eq!(remote.reason, "its daemon has never been heard");
    assert_eq!((remote.generation, remote.priority, remote.lag_bytes), (0, 100, None));
    assert!(!remote.fit && status.last_failover.is_none());
}

#[test]
fn tie_breakers_are_shown_by_their_names() {
    let mut config = config();
    config.tie_breakers = vec!["gateway".into(), "witness w:6379".into()];
    let mut node = Node::new(config, Time(0));
    let mut actions = Actions::new();
    let mut tell = |input| node.handle(Time(0), input, &mut actions);
    tell(Input::Started(Remains::default()));
    tell(Input::TieBreaker(1, Says::Met([7; 20])));
    tell(Input::TieBreaker(0, Says::Gone("no answer".into())));
    let shown: Vec<_> = node
        .status(Time(0))
        .tie_breakers
        .into_iter()
        .map(|(name, keeper)| (name, keeper.reachable, keeper.problem, keeper.granted))
        .collect();
    let gone = Some("no answer".into());
    let expected =
        [("gateway".into(), false, gone, false), ("witness w:6379".into(), true, None, false)];
    assert_eq!(shown, expected);
}

#[test]
fn a_standby_shows_its_own_lag_and_a_primary_its_peers() {
    let mut bench = standby();
    let mut ahead = peer_report(State::Active, true, 3);
    ahead.redis.offset = 1500;
    bench.report(ahead);
    let status = bench.node.status(bench.now);
    assert_eq!(status.members[0].lag_bytes, Some(500));
    assert_eq!(status.members[1].lag_bytes, None, "a primary has none");
    assert_eq!(status.members[1].state, State::Active);

    let mut bench = active();
    let mut behind = peer_report(State::Backup, false, 1);
    behind.redis.offset = 900;
    bench.report(behind);
    let status = bench.node.status(bench.now);
    assert_eq!(status.members[0].lag_bytes, None);
    assert_eq!(status.members[1].lag_bytes, Some(100));
    assert_eq!((status.members[0].generation, status.members[0].state), (1, State::Active));
    assert_eq!(status.last_failover.unwrap().cause, Cause::Adopted);
}

#[test]
fn a_silent_peer_keeps_its_last_words_but_is_not_fit() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.pass_with(3_000, &primary(7));
    let status = bench.node.status(bench.now);
    let remote = &status.members[1];
    assert_eq!(remote.reason, "its daemon is not heard; this is what it last said");
    assert_eq!((remote.state, remote.heard, remote.fit), (State::Backup, false, false));
    assert_eq!(remote.lag_bytes, None);
}

#[test]
fn parity_finding_1_the_peers_older_copy_of_a_failover_does_not_replace_our_own() {
    let mut bench = standby();
    bench.farewell();
    let mut closed = replica(7);
    closed.master_link_status = Some(LinkStatus::Down);
    bench.answer(&closed);
    bench.answer(&primary(7));
    bench.answer(&primary(7));
    let took_over = bench.node.status(bench.now).last_failover.unwrap();
    let mut rejoined = peer_report(State::Backup, false, 4);
    rejoined.failover = Some(took_over);
    for _ in 0..3 {
        bench.report(rejoined.clone());
        bench.pass_with(100, &primary(7));
    }
    let last = bench.node.status(bench.now).last_failover.unwrap();
    assert_eq!(last.phases.last().unwrap().0, keepair_wire::peer::Phase::Rejoin);
}

/// A standby whose peer falls silent, until it has announced that it took over.
fn successor_of_a_silent_peer() -> Bench {
    let mut bench = standby();
    bench.advert(100);
    bench.pass_with(370, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver);
    bench.until(State::Active, &primary(7));
    bench
}

fn left(cause: Cause, noticed_ago_us: u32, fenced_ago_us: u32) -> Report {
    let leaving = Some(Leaving { cause, noticed_ago_us, fenced_ago_us });
    Report { leaving, ..peer_report(State::Backup, false, 3) }
}

#[test]
fn a_machine_that_wakes_up_late_does_not_change_the_failover_that_it_slept_through() {
    for cause in [Cause::Stalled, Cause::Superseded] {
        let mut bench = successor_of_a_silent_peer();
        let before = bench.node.status(bench.now).last_failover.unwrap();
        assert_eq!(before.cause, Cause::PeerSilent);
        bench.pass_with(4_600, &primary(7));
        bench.report(left(cause, 900, 0));
        assert_eq!(bench.node.status(bench.now).last_failover, Some(before));
    }
}

#[test]
fn what_the_peer_noticed_before_it_was_succeeded_is_learned_also_when_it_is_told_late() {
    let mut bench = successor_of_a_silent_peer();
    bench.pass_with(500, &primary(7));
    bench.report(left(Cause::VotesMissing, 600_000, 590_000));
    let failover = bench.node.status(bench.now).last_failover.unwrap();
    assert_eq!(failover.cause, Cause::VotesMissing);
    assert!(failover.phases.iter().any(|(phase, _)| *phase == keepair_wire::peer::Phase::Fence));
}

#[test]
fn problems_and_counters_are_shown() {
    let mut bench = active();
    let settings = crate::input::Settings {
        replica_read_only: Some(false),
        ..crate::input::Settings::default()
    };
    bench.redis(RedisInput::Reply(Query::Settings, Reply::Settings(Box::new(settings))));
    let status = bench.node.status(bench.now);
    assert!(status.problems[0].starts_with("`replica-read-only` is off"), "{:?}", status.problems);
    assert!(status.counters.adverts_sent > 0);
}
