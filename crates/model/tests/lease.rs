//! What holds of the tie-breaker's protocol, at which timing, and that every mistake is found.

// What the counts are, is told to whoever runs with `--nocapture`.
#![allow(clippy::print_stdout, clippy::panic)]

use keepair_model::check::{check, search, tell};
use keepair_model::graph::Graph;
use keepair_model::lease::{
    Action, HANDS_OVER, Host, Keeper, Lease, ONE_WRITER, PROMISES_KEPT, STAYS, Start, State,
    TAKES_OVER, Wrong,
};

/// Every state satisfies every property, and there are at least so many.
fn assert_holds(name: &str, model: Lease, states_min: usize) {
    let checked = check(Lease { symmetric: true, ..model });
    println!("{name}: {} states, {} steps, depth {}", checked.states, checked.steps, checked.depth);
    for property in [ONE_WRITER, PROMISES_KEPT] {
        if let Some(story) = checked.found.get(property) {
            panic!("{name}: {property} is broken:\n{}", tell(story));
        }
    }
    assert!(checked.states >= states_min, "{name}: only {} states", checked.states);
}

fn assert_broken(name: &str, model: Lease) {
    let story = search(model, ONE_WRITER);
    assert!(story.is_some(), "{name}: one writer, always");
}

#[test]
fn one_writer_whatever_is_cut_paused_restarted_or_slow() {
    let short = Lease { fence: 1, wait: 1, ..Lease::default() };
    let restarts = Lease { restarts: true, ..short.clone() };
    for (name, model, states_min) in [
        ("longer times", Lease::default(), 650_000),
        ("clocks off by a tick", Lease { wait: 3, drift: 1, ..short.clone() }, 1_300_000),
        ("everything restarts", Lease { witness_restarts: true, ..restarts.clone() }, 2_200_000),
        (
            "everything restarts, a key that expires",
            Lease { witness_restarts: true, keeper: Keeper::Expiry(1), ..restarts },
            1_000_000,
        ),
    ] {
        assert_holds(name, model, states_min);
    }
}

/// `fence + 2 * drift <= wait`: one tick less, and there are two writers.
#[test]
fn the_timing_holds_and_one_tick_less_does_not() {
    for (fence, drift) in [(1, 0), (2, 0), (1, 1), (2, 1)] {
        let wait = fence + 2 * drift;
        let model = Lease { fence, wait: wait - 1, drift, ..Lease::default() };
        assert_broken(&format!("fence {fence}, drift {drift}, wait {}", wait - 1), model);
    }
    let key = Lease { keeper: Keeper::Expiry(1), ..Lease::default() };
    assert_broken("a key that expires a tick too soon", key);
}

/// Each of the three links cut or whole, while A serves. Does A stay, can B take over from an A that
/// does not answer, can A hand over, and all that without time to pass?
#[test]
fn every_partition() {
    // The links A-B, A-witness, B-witness; then: A stays, B takes over, A hands over at once.
    for (links, stays, takes_over, hands_over) in [
        ([true, true, true], true, true, true),
        ([false, true, true], true, true, false),
        ([true, false, true], true, true, true),
        ([true, true, false], true, false, true),
        ([false, false, true], false, true, false),
        ([false, true, false], true, false, false),
        // No witness: the peer's vote is enough to stay, and to be handed the address.
        ([true, false, false], true, false, true),
        ([false, false, false], false, false, false),
    ] {
        let [link, a, b] = links;
        let model = Lease { start: Start::Steady, link, witness: [a, b], ..Lease::default() };
        let checked = check(model.clone());
        let at_once = check(Lease { still: true, ..model });
        let seen = |property| checked.found.contains_key(property);
        assert!(!seen(ONE_WRITER) && !seen(PROMISES_KEPT), "{links:?}");
        assert_eq!(seen(STAYS), stays, "{links:?}: A stays");
        assert_eq!(seen(TAKES_OVER), takes_over, "{links:?}: B takes over");
        assert_eq!(at_once.found.contains_key(HANDS_OVER), hands_over, "{links:?}: at once");
    }
}

#[test]
fn from_every_state_somebody_can_serve_again() {
    let model = Lease { fence: 1, wait: 1, symmetric: true, ..Lease::default() };
    let disturbs = |action: &Action| {
        matches!(
            action,
            Action::Leave { .. }
                | Action::Restart { .. }
                | Action::Reboot { .. }
                | Action::RestartWitness
        )
    };
    let graph = Graph::explore(&model, |action| !disturbs(action));
    println!("{} states with a way back", graph.states.len());
    let serves = |state: &State| Host::BOTH.iter().any(|host| state.serves(*host));
    let stuck = graph.without_way_back(serves);
    if let Some(first) = stuck.first() {
        panic!("{} stuck:\n{}", stuck.len(), tell(&graph.path_to(*first)));
    }
}

#[test]
fn every_built_in_mistake_is_found() {
    let plain = Lease::default();
    let restarts = Lease { restarts: true, ..Lease::default() };
    let witness_restarts = Lease { witness_restarts: true, ..Lease::default() };
    let expiry = Lease { keeper: Keeper::Expiry(2), ..Lease::default() };
    for (wrong, model) in [
        (Wrong::CountsFromAnswer, &plain),
        (Wrong::OpensForASpan, &plain),
        (Wrong::KeepsNoPromise, &plain),
        (Wrong::PauseNotCounted, &plain),
        (Wrong::VotesBeforeClosing, &plain),
        (Wrong::OverridesUnheard, &plain),
        (Wrong::VotesWhileClaiming, &plain),
        (Wrong::ForgetsItsVote, &restarts),
        (Wrong::ReusesStamps, &restarts),
        (Wrong::SaysVoidWhileServing, &restarts),
        (Wrong::GrantsAfterRestart, &witness_restarts),
        (Wrong::GrantsAfterRestart, &Lease { witness_restarts: true, ..expiry.clone() }),
        (Wrong::ForgetsItsVote, &Lease { restarts: true, ..expiry.clone() }),
    ] {
        let name = format!("{wrong:?}, {:?}", model.keeper);
        assert_broken(&name, Lease { wrong: Some(wrong), ..model.clone() });
    }
}

/// What no rule of the protocol can make good.
#[test]
fn assumptions_that_are_needed() {
    let stopped = Lease { clock_stops: true, ..Lease::default() };
    assert_broken("a machine paused together with its clock", stopped);
    let expiry = Lease { keeper: Keeper::Expiry(2), ..Lease::default() };
    assert_broken("a witness's clock set forward", Lease { witness_clock_steps: true, ..expiry });
}
