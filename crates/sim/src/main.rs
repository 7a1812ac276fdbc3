//! `keepair-sim`: one seed as a story, many seeds as a summary, or a directed scenario.
#![forbid(unsafe_code)]

mod many;
mod output;

use clap::{Parser, ValueEnum};
use keepair_sim::swarm::{Draw, Style};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Runs the pair in a virtual world.
#[derive(Parser)]
struct Arguments {
    /// Tell the story of one seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Run the seeds from A up to, not including, B, each twice, and print a summary.
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<String>,
    /// The same with so many seeds that nobody has run before: the clock says which.
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["seed", "seeds"])]
    fresh: Option<u64>,
    /// Tell a directed scenario; `list` names them.
    #[arg(long, conflicts_with_all = ["seed", "seeds"])]
    scenario: Option<String>,
    /// Print the courses that the lab's faults take, for `keepair-lab test`.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "scenario"])]
    courses: bool,
    /// How faults follow each other; each seed decides, when not given.
    #[arg(long)]
    style: Option<Faults>,
}

/// How faults follow each other.
#[derive(Clone, Copy, ValueEnum)]
enum Faults {
    /// One at a time: every promise holds.
    Alone,
    /// Without waiting for each other: less is promised.
    Overlapping,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let style = arguments.style.map(|faults| match faults {
        Faults::Alone => Style::Alone,
        Faults::Overlapping => Style::Overlapping,
    });
    let draw = Draw { style };
    if arguments.courses {
        return output::courses();
    }
    let seeds = arguments.seeds.or_else(|| arguments.fresh.map(fresh));
    match (arguments.seed, seeds, arguments.scenario) {
        (Some(seed), _, _) => output::one_seed(seed, draw),
        (_, Some(range), _) => {
            let began = Instant::now();
            output::many_seeds(&range, draw, &|| began.elapsed())
        }
        (_, _, Some(name)) => output::scenario(&name),
        _ => output::one_seed(1, draw),
    }
}

/// A range of seeds behind all that were drawn at an earlier second. It is printed, so that a find can
/// be run again.
fn fresh(count: u64) -> String {
    const PER_SECOND: u64 = 1_000_000;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = now.as_secs() * PER_SECOND;
    let range = format!("{first}..{}", first + count.min(PER_SECOND));
    output::fresh(&range);
    range
}
