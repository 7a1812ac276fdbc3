//! `keepair-sim`: one seed as a story, many seeds as a summary, or a directed scenario.
#![forbid(unsafe_code)]

mod output;

use clap::Parser;
use std::process::ExitCode;

/// Runs the pair in a virtual world.
#[derive(Parser)]
struct Arguments {
    /// Tell the story of one seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Run the seeds from A up to, not including, B and print a summary.
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<String>,
    /// Tell a directed scenario; `list` names them.
    #[arg(long, conflicts_with_all = ["seed", "seeds"])]
    scenario: Option<String>,
    /// Print the courses that the lab's faults take, for `keepair-lab test`.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "scenario"])]
    courses: bool,
    /// Faults do not wait for each other.
    #[arg(long)]
    overlap: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let draw = keepair_sim::swarm::Draw { overlap: arguments.overlap };
    if arguments.courses {
        return output::courses();
    }
    match (arguments.seed, arguments.seeds, arguments.scenario) {
        (Some(seed), _, _) => output::one_seed(seed, draw),
        (_, Some(range), _) => output::many_seeds(&range, draw),
        (_, _, Some(name)) => output::scenario(&name),
        _ => output::one_seed(1, draw),
    }
}
