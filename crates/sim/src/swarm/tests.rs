use super::{Draw, Plan};

/// Seeds that meet what `scenario::tests::OPEN` names. A change of the core changes what a seed
/// meets: look again.
const OPEN: &[u64] = &[13];

/// Runs each seed twice: it must hold, and go the same way.
fn hold(seeds: std::ops::Range<u64>) {
    let mut failed = Vec::new();
    for seed in seeds {
        let plan = Plan::draw(seed, Draw::default());
        let (world, again) = (plan.run(), plan.run());
        assert_eq!(world.trace.lines, again.trace.lines, "seed {seed} is not deterministic");
        assert_eq!(world.fingerprint(), again.fingerprint(), "seed {seed} is not deterministic");
        if let Some(violation) = world.violations.first()
            && !OPEN.contains(&seed)
        {
            failed.push(format!("cargo run -p keepair-sim -- --seed {seed}    # {violation}"));
        }
    }
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n"));
}

#[test]
fn seeds_0_to_60_hold() {
    hold(0..60);
}

#[test]
fn seeds_60_to_120_hold() {
    hold(60..120);
}

#[test]
fn a_seed_draws_the_same_plan_and_another_seed_another() {
    let draw = Draw::default();
    assert_eq!(Plan::draw(7, draw), Plan::draw(7, draw));
    assert_ne!(Plan::draw(7, draw), Plan::draw(8, draw));
}

#[test]
fn faults_do_not_overlap_unless_asked_to() {
    for seed in 0..50 {
        let plan = Plan::draw(seed, Draw::default());
        for pair in plan.episodes.windows(2) {
            let [(at, episode), (next, _)] = pair else { unreachable!() };
            assert!(*next > *at + episode.length + super::SETTLE);
        }
    }
}
