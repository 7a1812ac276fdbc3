//! The only place that prints. A reader who has seen enough may close the pipe.

use keepair_sim::World;
use keepair_sim::parity;
use keepair_sim::scenario;
use keepair_sim::swarm::{Draw, Plan};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

macro_rules! show {
    ($($words:tt)*) => {
        // Nobody is left to be told of an error here.
        let _ = writeln!(std::io::stdout(), $($words)*);
    };
}

/// The story of one seed.
pub(crate) fn one_seed(seed: u64, draw: Draw) -> ExitCode {
    let plan = Plan::draw(seed, draw);
    show!("seed {seed}: {}", plan.options);
    show!("faults: {:?}; the primary is {}", plan.kinds, plan.primary);
    let world = plan.run();
    tell(&world);
    let again = plan.run();
    let same = again.trace == world.trace && again.fingerprint() == world.fingerprint();
    if !same {
        show!("NOT DETERMINISTIC: a second run of this seed went differently");
    }
    verdict(&world, same)
}

/// A summary of many.
pub(crate) fn many_seeds(range: &str, draw: Draw) -> ExitCode {
    let parsed = range
        .split_once("..")
        .and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    let Some((from, to)) = parsed else {
        show!("not a range of seeds: {range}; write for example 0..1000");
        return ExitCode::from(2);
    };
    let mut failed = BTreeMap::<&str, Vec<u64>>::new();
    let overlap = if draw.overlap { " --overlap" } else { "" };
    for seed in from..to {
        let plan = Plan::draw(seed, draw);
        let (world, again) = (plan.run(), plan.run());
        let mut kind = world.violations.first().map(|violation| violation.checker);
        if let Some(violation) = world.violations.first() {
            show!("seed {seed}: {violation}");
            show!("    cargo run -p keepair-sim -- --seed {seed}{overlap}");
        }
        if again.fingerprint() != world.fingerprint() || again.trace != world.trace {
            show!("seed {seed}: not deterministic");
            kind = Some("deterministic");
        }
        if let Some(kind) = kind {
            failed.entry(kind).or_default().push(seed);
        }
    }
    let count: usize = failed.values().map(Vec::len).sum();
    show!("{} seeds, {count} with a violation", to.saturating_sub(from));
    for (kind, seeds) in &failed {
        show!("    {kind}: {}", seeds.len());
    }
    ExitCode::from(u8::from(count > 0))
}

/// The courses of the lab's faults, for the lab to read.
pub(crate) fn courses() -> ExitCode {
    for (name, script) in parity::FAULTS {
        match parity::courses(name, *script) {
            Ok(courses) => {
                for (course, count) in courses {
                    show!("{name} {} {count}", course.words());
                }
            }
            Err(failure) => {
                show!("FAILED: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// A directed scenario.
pub(crate) fn scenario(name: &str) -> ExitCode {
    let Some((_, story)) = scenario::ALL.iter().find(|(known, _)| *known == name) else {
        for (known, _) in scenario::ALL {
            show!("{known}");
        }
        return ExitCode::from(u8::from(name != "list") * 2);
    };
    let told = scenario::tell(*story);
    tell(&told.world);
    if let Some(failure) = &told.failure {
        show!("FAILED: {failure}");
        return ExitCode::FAILURE;
    }
    verdict(&told.world, true)
}

fn tell(world: &World) {
    for line in &world.trace.lines {
        show!("{line}");
    }
}

fn verdict(world: &World, good: bool) -> ExitCode {
    for violation in &world.violations {
        show!("VIOLATION {violation}");
    }
    show!(
        "{} writes acknowledged, longest gap {:?}",
        world.client.acknowledged.len(),
        world.client.longest_gap.map(|(gap, _)| gap).unwrap_or_default()
    );
    ExitCode::from(u8::from(!good || !world.violations.is_empty()))
}
