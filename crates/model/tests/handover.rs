//! What holds of hand-over and takeover as `crates/core` does them, what does not, and what would
//! mend it. `docs/model.md` explains the tables.

// What the counts are, is told to whoever runs with `--nocapture`.
#![allow(clippy::print_stdout, clippy::panic)]

use keepair_model::check::{check, search, tell};
use keepair_model::graph::Graph;
use keepair_model::handover::{
    ACKNOWLEDGED_KEPT, Budget, Cure, MOVED, NO_READ_ONLY, ONE_FENCE, ONE_WRITER, Pair, Wrong,
};

const ALWAYS: [&str; 4] = [ONE_WRITER, ONE_FENCE, ACKNOWLEDGED_KEPT, NO_READ_ONLY];

/// Beside what is to go wrong, a write; one more was acknowledged before.
fn faults(budget: Budget) -> Budget {
    Budget { writes: 1, ..budget }
}

fn killed(crashes: u8) -> Budget {
    faults(Budget { crashes, ..Budget::default() })
}

fn stopped(pauses: u8) -> Budget {
    faults(Budget { pauses, ..Budget::default() })
}

fn powerless(power: u8) -> Budget {
    faults(Budget { power, ..Budget::default() })
}

fn redis_killed(redis: u8) -> Budget {
    faults(Budget { redis, ..Budget::default() })
}

fn asked(switchovers: u8) -> Budget {
    faults(Budget { switchovers, ..Budget::default() })
}

fn slow(budget: Budget) -> Budget {
    Budget { slow: 2, ..budget }
}

/// Both, with no write but the one before: there are states enough.
fn and(a: Budget, b: Budget) -> Budget {
    Budget {
        crashes: a.crashes + b.crashes,
        pauses: a.pauses + b.pauses,
        power: a.power + b.power,
        redis: a.redis + b.redis,
        slow: a.slow + b.slow,
        switchovers: a.switchovers + b.switchovers,
        writes: 0,
    }
}

/// Nothing is lost; within an interval everything may overtake everything.
fn lossless(budget: Budget) -> Pair {
    Pair { silence: None, budget, ..Pair::default() }
}

/// One round in two may be lost whole, and single messages as they please; what goes through the
/// same socket keeps its order.
fn lossy(budget: Budget) -> Pair {
    Pair { silence: Some(1), overtaken: false, budget, ..Pair::default() }
}

fn cured(pair: Pair) -> Pair {
    Pair { cures: Cure::ALL, ..pair }
}

/// Every state satisfies every property, there are at least so many, and the address can move.
fn assert_holds(name: &str, pair: Pair, states_min: usize) {
    let checked = check(pair);
    println!("{name}: {} states, {} steps, depth {}", checked.states, checked.steps, checked.depth);
    for property in ALWAYS {
        if let Some(story) = checked.found.get(property) {
            panic!("{name}: {property} is broken:\n{}", tell(story));
        }
    }
    assert!(checked.found.contains_key(MOVED), "{name}: the address never moves");
    assert!(checked.states >= states_min, "{name}: only {} states", checked.states);
}

/// From how many states no calm steps lead back to a pair that is whole.
fn stuck(pair: &Pair) -> usize {
    let graph = Graph::explore(pair, |action| !action.is_disturbance());
    graph.without_way_back(|state| state.is_whole()).len()
}

fn assert_broken(name: &str, pair: Pair, property: &'static str) {
    let story = search(pair, property);
    assert!(story.is_some(), "{name}: {property} holds");
}

#[test]
fn one_fault_at_a_time_on_a_network_that_loses_nothing() {
    let copies = Pair { copies: true, ..lossless(asked(1)) };
    for (name, pair, states_min) in [
        ("switchover, messages copied", copies, 70_000),
        ("switchover twice", lossless(asked(2)), 330_000),
        ("daemon killed", lossless(killed(1)), 7_000),
        ("daemon stopped", lossless(stopped(1)), 19_000),
        ("power lost", lossless(powerless(1)), 16_000),
        ("Redis killed", lossless(redis_killed(1)), 27_000),
        ("switchover, Redis slow", lossless(slow(asked(1))), 90_000),
        ("daemon killed, Redis slow", lossless(slow(killed(1))), 23_000),
        ("daemon stopped, Redis slow", lossless(slow(stopped(1))), 60_000),
        ("Redis killed, the other slow", lossless(slow(redis_killed(1))), 63_000),
    ] {
        assert_holds(name, pair, states_min);
    }
}

#[test]
fn two_faults_that_today_s_core_survives() {
    for (name, pair, states_min) in [
        ("power lost twice", lossless(powerless(2)), 195_000),
        ("Redis killed twice", lossless(and(redis_killed(2), Budget::default())), 165_000),
        ("power lost, daemon killed", lossless(and(powerless(1), killed(1))), 95_000),
        ("power lost, daemon stopped", lossless(and(powerless(1), stopped(1))), 185_000),
        ("power lost, Redis killed", lossless(and(powerless(1), redis_killed(1))), 200_000),
        ("power lost, switchover", lossless(and(powerless(1), asked(1))), 180_000),
    ] {
        assert_holds(name, pair, states_min);
    }
}

#[test]
fn a_lost_round_alone_does_no_harm() {
    for (name, pair, states_min) in [
        ("switchover", lossy(asked(1)), 250_000),
        ("power lost", lossy(powerless(1)), 240_000),
        ("Redis killed", lossy(redis_killed(1)), 310_000),
    ] {
        assert_holds(name, pair, states_min);
    }
}

#[test]
fn from_every_state_the_pair_becomes_whole_again() {
    for (name, pair) in [
        ("switchover twice", lossless(asked(2))),
        ("switchover, lossy", lossy(asked(1))),
        ("daemon killed", lossless(killed(1))),
        ("daemon stopped", lossless(stopped(1))),
        ("power lost", lossless(powerless(1))),
        ("Redis killed", lossless(redis_killed(1))),
    ] {
        let states = check(pair.clone()).states;
        let graph = Graph::explore(&pair, |action| !action.is_disturbance());
        assert_eq!(graph.states.len(), states, "{name}: two explorers, two counts");
        let stuck = graph.without_way_back(|state| state.is_whole());
        if let Some(first) = stuck.first() {
            panic!("{name}: {} stuck:\n{}", stuck.len(), tell(&graph.path_to(*first)));
        }
    }
}

/// What the model says of today's core beyond one fault. A row that no longer breaks is good news:
/// move it to one of the tables above.
#[test]
fn what_today_s_core_does_not_survive() {
    let unnoticed = Pair { returns_unnoticed: true, ..lossless(redis_killed(1)) };
    let late = Pair { copies: true, late_copies: true, ..lossless(asked(2)) };
    let partition = Pair { silence: Some(2), ..lossy(faults(Budget::default())) };
    for (name, pair, property) in [
        ("two rounds lost: no longer one network", partition, ONE_WRITER),
        ("the last round before a daemon's death lost", lossy(killed(1)), ONE_WRITER),
        ("the last round before a daemon is stopped lost", lossy(stopped(1)), ONE_WRITER),
        ("Redis back, empty, before its daemon looked", unnoticed, ACKNOWLEDGED_KEPT),
        ("a farewell copied and two switchovers late", late, ONE_WRITER),
        (
            "Redis killed after a hand-over",
            lossless(and(redis_killed(1), asked(1))),
            ACKNOWLEDGED_KEPT,
        ),
        ("daemon and Redis killed", lossless(and(redis_killed(1), killed(1))), ACKNOWLEDGED_KEPT),
        (
            "daemon stopped, Redis killed",
            lossless(and(redis_killed(1), stopped(1))),
            ACKNOWLEDGED_KEPT,
        ),
        ("stopped while taking over", lossless(and(stopped(1), asked(1))), ONE_WRITER),
        ("both daemons stopped", lossless(stopped(2)), ONE_WRITER),
        ("killed, and again while it takes up its right", lossless(killed(2)), ONE_WRITER),
        (
            "restarted while the other's timer runs out",
            lossless(and(killed(1), asked(1))),
            ONE_WRITER,
        ),
    ] {
        assert_broken(name, pair, property);
    }
}

#[test]
fn with_every_cure_two_faults_do_no_harm() {
    for (name, budget, states_min) in [
        ("daemon killed, switchover", and(killed(1), asked(1)), 85_000),
        ("daemon stopped, switchover", and(stopped(1), asked(1)), 155_000),
        ("Redis killed, switchover", and(redis_killed(1), asked(1)), 275_000),
        ("Redis and daemon killed", and(redis_killed(1), killed(1)), 125_000),
        ("Redis killed, daemon stopped", and(redis_killed(1), stopped(1)), 195_000),
        ("both daemons stopped", stopped(2), 215_000),
    ] {
        assert_holds(name, cured(lossless(budget)), states_min);
        assert_eq!(stuck(&cured(lossless(budget))), 0, "{name}: no way back");
    }
}

/// Each cure is needed: without it, and with all the others, a counterexample is back. What
/// [`Cure::FarewellCorrectsReport`] is for, the next test shows.
#[test]
fn every_cure_is_needed() {
    let redis_and_daemon = lossless(and(redis_killed(1), killed(1)));
    let redis_and_switchover = lossless(and(redis_killed(1), asked(1)));
    let something_is_heard = Pair { silence: Some(0), ..lossless(killed(1)) };
    for (cure, pair, property) in [
        (Cure::GateWhenPrimaryEnds, redis_and_switchover, ACKNOWLEDGED_KEPT),
        (Cure::LooksAtStart, redis_and_daemon, ACKNOWLEDGED_KEPT),
        (Cure::AdvertBeforeResume, lossless(killed(2)), ONE_WRITER),
        (Cure::StartingIsThere, something_is_heard, ONE_WRITER),
        (Cure::SleepsSooner, lossless(stopped(2)), ONE_WRITER),
        (Cure::StallLeavesToPeer, lossless(stopped(2)), ACKNOWLEDGED_KEPT),
    ] {
        let cures: Vec<Cure> = Cure::ALL.iter().copied().filter(|other| *other != cure).collect();
        let pair = Pair { cures: cures.leak(), ..pair };
        assert_broken(&format!("without {cure:?}"), pair, property);
    }
}

/// An advert that a farewell has overtaken ends the takeover that the farewell began; twice in a
/// row, with two Redis that die, and nobody is a primary any more. Besides, two that both came back
/// without their history wait for a person's word, in whatever order things happened.
#[test]
fn two_replicas_of_each_other_after_an_overtaken_advert() {
    let pair = lossless(and(redis_killed(2), Budget::default()));
    let waiting = stuck(&Pair { overtaken: false, ..pair.clone() });
    assert!(stuck(&pair) > waiting, "more than wait for a person");
}

/// A right may last as long as the peer's patience, and not a tick longer.
#[test]
fn a_right_one_tick_longer_than_the_peer_s_patience() {
    let patience = Pair::default().down;
    for budget in [killed(1), stopped(1)] {
        assert_holds("as long", Pair { fence: patience, ..lossless(budget) }, 7_000);
        assert_broken("longer", Pair { fence: patience + 1, ..lossless(budget) }, ONE_FENCE);
    }
}

#[test]
fn every_built_in_mistake_is_found() {
    let dropped_adverts = lossy(faults(Budget::default()));
    for (wrong, pair, property) in [
        (Wrong::ClaimBeforePromote, lossless(asked(1)), NO_READ_ONLY),
        (Wrong::FenceAfterHandOver, lossless(asked(1)), ONE_FENCE),
        (Wrong::RenewBeforeAdvert, lossless(killed(1)), ONE_FENCE),
        (Wrong::MeasuresBeforePause, lossless(asked(1)), ACKNOWLEDGED_KEPT),
        (Wrong::NoDrain, lossless(redis_killed(1)), ACKNOWLEDGED_KEPT),
        (Wrong::ActsOnStale, cured(lossless(stopped(2))), ONE_WRITER),
        (Wrong::GateStaysOpen, lossless(redis_killed(1)), ACKNOWLEDGED_KEPT),
        (Wrong::TakesBackUnheard, cured(lossless(stopped(2))), ACKNOWLEDGED_KEPT),
        (Wrong::IgnoresReports, dropped_adverts, ONE_WRITER),
    ] {
        let wrong_pair = Pair { wrong: Some(wrong), ..pair };
        assert_broken(&format!("{wrong:?}"), wrong_pair, property);
    }
}
