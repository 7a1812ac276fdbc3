//! One check with bounds of one's own, its counts and its counterexamples. The tests hold the bounds
//! that must hold; this is for larger ones and for looking around.
#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand};
use keepair_model::check::{Checked, Tell, check, tell};
use keepair_model::handover::{Budget, Cure, Pair};
use keepair_model::lease::{Keeper, Lease, Start};
use stateright::{Expectation, Model};
use std::fmt::Debug;
use std::io::{self, Write};
use std::time::Instant;

/// Explores a protocol of Keepair to its last state.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    model: Which,
}

#[derive(Subcommand)]
enum Which {
    /// Hand-over and takeover as the core does them today.
    Handover(Handover),
    /// The right to the address with a tie-breaker.
    Lease(LeaseOptions),
}

#[derive(Args)]
struct Handover {
    /// Daemons killed.
    #[arg(long, default_value_t = 0)]
    crashes: u8,
    /// Daemons stopped.
    #[arg(long, default_value_t = 0)]
    pauses: u8,
    /// Machines that lose their power.
    #[arg(long, default_value_t = 0)]
    power: u8,
    /// Redis killed.
    #[arg(long, default_value_t = 0)]
    redis: u8,
    /// Ticks in which a Redis does nothing.
    #[arg(long, default_value_t = 0)]
    slow: u8,
    /// Switchovers asked for.
    #[arg(long, default_value_t = 0)]
    switchovers: u8,
    /// Writes of the client.
    #[arg(long, default_value_t = 1)]
    writes: u8,
    /// Most rounds lost in a row; without it, nothing is lost.
    #[arg(long)]
    silence: Option<u8>,
    /// Adverts and farewells keep their order.
    #[arg(long)]
    in_order: bool,
    /// The network copies adverts and farewells.
    #[arg(long)]
    copies: bool,
    /// How long a right lasts, in ticks.
    #[arg(long, default_value_t = 4)]
    fence: u8,
    /// With everything that core could do better.
    #[arg(long)]
    cured: bool,
}

#[derive(Args)]
struct LeaseOptions {
    /// Ticks from sending a stamp to the end of its right.
    #[arg(long, default_value_t = 2)]
    fence: u8,
    /// Ticks for which a vote binds.
    #[arg(long, default_value_t = 2)]
    wait: u8,
    /// Ticks by which a clock may be wrong in one span.
    #[arg(long, default_value_t = 0)]
    drift: u8,
    /// The witness is a key that expires after so many ticks, not a register.
    #[arg(long)]
    expiry: Option<u8>,
    /// Begin with A serving.
    #[arg(long)]
    steady: bool,
    /// Daemons and machines are restarted.
    #[arg(long)]
    restarts: bool,
    /// The witness is restarted.
    #[arg(long)]
    witness_restarts: bool,
    /// An older message may arrive where a newer one is lost.
    #[arg(long)]
    overtakes: bool,
    /// A machine's clock may stand still while it is paused.
    #[arg(long)]
    clock_stops: bool,
    /// States that differ in the machines' names only count as one; what is seen of a machine with a
    /// name then says nothing.
    #[arg(long)]
    symmetric: bool,
}

fn main() -> io::Result<()> {
    match Options::parse().model {
        Which::Handover(options) => run(Pair {
            silence: options.silence,
            overtaken: !options.in_order,
            copies: options.copies,
            fence: options.fence,
            cures: if options.cured { Cure::ALL } else { &[] },
            budget: Budget {
                crashes: options.crashes,
                pauses: options.pauses,
                power: options.power,
                redis: options.redis,
                slow: options.slow,
                switchovers: options.switchovers,
                writes: options.writes,
            },
            ..Pair::default()
        }),
        Which::Lease(options) => run(Lease {
            fence: options.fence,
            wait: options.wait,
            drift: options.drift,
            keeper: options.expiry.map_or(Keeper::Register, Keeper::Expiry),
            start: if options.steady { Start::Steady } else { Start::Cold },
            restarts: options.restarts,
            witness_restarts: options.witness_restarts,
            overtakes: options.overtakes,
            clock_stops: options.clock_stops,
            symmetric: options.symmetric,
            ..Lease::default()
        }),
    }
}

fn run<M>(model: M) -> io::Result<()>
where
    M: Model + Clone + Debug + Send + Sync + 'static,
    M::State: Tell + std::hash::Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq + Debug + Send + Sync + 'static,
{
    let mut out = io::stdout().lock();
    let began = Instant::now();
    let Checked { states, steps, depth, found } = check(model.clone());
    let seconds = began.elapsed().as_secs_f64();
    writeln!(out, "{states} states, {steps} steps, depth {depth}, {seconds:.1} s")?;
    for property in model.properties() {
        let fails = property.expectation != Expectation::Sometimes;
        let verdict = match (fails, found.get(property.name)) {
            (true, None) => "holds",
            (true, Some(_)) => "BROKEN",
            (false, Some(_)) => "seen",
            (false, None) => "never seen",
        };
        writeln!(out, "{verdict}: {}", property.name)?;
        if let Some(story) = found.get(property.name).filter(|_| fails) {
            writeln!(out, "{}", tell(story))?;
        }
    }
    Ok(())
}
