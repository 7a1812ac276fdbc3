//! The only place that prints. A reader who has seen enough may close the pipe.

use crate::many;
use keepair_sim::World;
use keepair_sim::parity;
use keepair_sim::scenario;
use keepair_sim::sometimes::Situation;
use keepair_sim::swarm::{Draw, Plan, Style};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// In so many runs every situation must have occurred.
const ENOUGH: u64 = 5_000;

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
    show!("faults, {:?}: {:?}; the primary is {}", plan.style, plan.kinds, plan.primary);
    let world = plan.tell();
    tell(&world);
    let same = plan.run().fingerprint() == world.fingerprint();
    if !same {
        show!("NOT DETERMINISTIC: a second run of this seed went differently");
    }
    verdict(&world, same)
}

/// Which seeds are about to be run.
pub(crate) fn fresh(range: &str) {
    show!("seeds that nobody has run before: {range}");
}

/// A summary of many.
pub(crate) fn many_seeds(range: &str, draw: Draw, elapsed: &dyn Fn() -> Duration) -> ExitCode {
    let parsed = range
        .split_once("..")
        .and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    let Some((from, to)) = parsed.filter(|(from, to)| from < to) else {
        show!("not a range of seeds: {range}; write for example 0..1000");
        return ExitCode::from(2);
    };
    let summary = many::run(from..to, draw);
    let style = match draw.style {
        None => "",
        Some(Style::Alone) => " --style alone",
        Some(Style::Overlapping) => " --style overlapping",
    };
    let mut kinds = BTreeMap::<&str, usize>::new();
    for (seed, outcome) in &summary.failed {
        let (kind, text) = match &outcome.violation {
            Some((checker, text)) => (*checker, text.as_str()),
            None => ("deterministic", "a second run went differently"),
        };
        *kinds.entry(kind).or_default() += 1;
        show!("seed {seed}: {text}");
        show!("    cargo run --release -p keepair-sim -- --seed {seed}{style}");
    }
    let never = summary.seen.never();
    for (situation, text) in Situation::ALL {
        show!("{:>9}  {text}", summary.seen.count(*situation));
    }
    let (count, took) = (to - from, elapsed());
    show!(
        "{count} seeds, each twice, {} simulated hours in {:.1} s: {:.0} seeds/s",
        summary.simulated_s / 3600,
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64()
    );
    show!("{} with a violation", summary.failed.len());
    for (kind, seeds) in &kinds {
        show!("    {kind}: {seeds}");
    }
    let proves = count < ENOUGH || never.is_empty();
    if !proves {
        show!("never seen: {}", never.join("; "));
    }
    ExitCode::from(u8::from(!summary.failed.is_empty() || !proves))
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
