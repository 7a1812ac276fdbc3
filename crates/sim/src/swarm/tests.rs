use super::{Draw, Plan, Style};

/// Runs each seed twice: it must hold, and go the same way.
fn hold(seeds: impl IntoIterator<Item = u64>) {
    let mut failed = Vec::new();
    for seed in seeds {
        let plan = Plan::draw(seed, Draw::default());
        let (world, again) = (plan.run(), plan.run());
        assert_eq!(world.fingerprint(), again.fingerprint(), "seed {seed} is not deterministic");
        if let Some(violation) = world.violations.first() {
            failed.push(format!("cargo run -p keepair-sim -- --seed {seed}    # {violation}"));
        }
    }
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n"));
}

#[test]
fn seeds_0_to_15_hold() {
    hold(0..15);
}

#[test]
fn seeds_15_to_30_hold() {
    hold(15..30);
}

#[test]
fn a_seed_draws_the_same_plan_and_another_seed_another() {
    let draw = Draw::default();
    assert_eq!(Plan::draw(7, draw), Plan::draw(7, draw));
    assert_ne!(Plan::draw(7, draw), Plan::draw(8, draw));
}

#[test]
fn a_story_that_is_told_is_the_one_that_happened() {
    for style in [Style::Alone, Style::Overlapping] {
        let plan = Plan::draw(1, Draw { style: Some(style) });
        let (told, untold) = (plan.tell(), plan.run());
        assert_eq!(told.fingerprint(), untold.fingerprint());
        assert!(untold.trace.lines.is_empty() && told.trace.lines.len() > 20);
    }
}
