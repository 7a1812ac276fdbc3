//! The command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use crate::bench::{self, Series, Session, duration};
use crate::check::{Run, failures, ms, rejoined};
use crate::fault::{self, After, Bound, DIRECTED, FAULTS, Fault};
use crate::host::Files;
use crate::interop;
use crate::interop::daemon::{Kind, Programs};
use crate::journal::Journal;
use crate::loaded::{self, Measure};
use crate::measure::{Spacing, micros};
use crate::parity::Courses;
use crate::report::{self, Style, Tone, say};
use crate::rig::{Rig, RigPlan};
use crate::sandbox::{self, Entered};
use crate::scenario::Pace;
use crate::steady;
use crate::third::{self, TieBreaker};
use crate::tools::{self, CannotRun, Tools};

/// Two hosts, a client and a bridge in private namespaces, real Redis, faults, and a client that measures.
#[derive(Debug, Parser)]
#[command(name = "keepair-lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Mode,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Show seven faults as they happen; succeeds only if every bound held
    Demo {
        /// How often each fault is run [default: 3 where milliseconds count, else 1]
        #[arg(long)]
        runs: Option<usize>,
    },
    /// Measure faults several times and print medians
    Bench {
        /// Only this fault; may be given several times
        #[arg(long, value_name = "NAME")]
        fault: Vec<String>,
        /// The faults that a tie-breaker is for, with none and with each
        #[arg(long, conflicts_with = "fault")]
        ties: bool,
        /// How often each fault is run [default: the fault's own, 5 or 3]
        #[arg(long)]
        runs: Option<usize>,
        /// Also write every figure to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Run every fault once and count the promises that held
    Test {
        /// Only this fault; may be given several times
        #[arg(long, value_name = "NAME")]
        fault: Vec<String>,
        /// Leave out the faults that need gigabytes
        #[arg(long)]
        quick: bool,
    },
    /// Other people's VRRP daemons beside keepair, each in both roles
    Interop {
        /// Only these rows
        #[arg(value_name = "NAME")]
        row: Vec<String>,
        /// How many rows are played side by side
        #[arg(long, default_value_t = 8)]
        at_once: usize,
        /// keepalived in keepair's place: shows what the table itself is worth
        #[arg(long)]
        without_keepair: bool,
    },
    /// The same random events for keepalived and for keepair, and every difference
    Differential {
        /// The first seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds are played side by side
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// How many events each
        #[arg(long, default_value_t = 200)]
        events: usize,
        /// A third keepalived in keepair's place: shows the noise of the comparison itself
        #[arg(long)]
        without_keepair: bool,
    },
    /// A Redis pair kept by scripts, under keepalived and under keepair
    Example {
        /// Where the configurations and the scripts are
        #[arg(long, value_name = "DIR", default_value = "examples/keepalived")]
        dir: PathBuf,
        /// keepalived in keepair's place
        #[arg(long)]
        without_keepair: bool,
    },
    /// Kill the primary's Redis under load and count the acknowledged writes that are lost, under
    /// keepair, which keeps what the standby was behind, and under keepalived and scripts
    CrashUnderLoad {
        /// How many crashes each
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// How many crashes each where the link between the machines is slower than the load
        #[arg(long, default_value_t = 5)]
        slow_runs: usize,
        /// How often it is measured what the copy costs
        #[arg(long, default_value_t = 5)]
        cost_runs: usize,
        /// How many writes a second the clients send
        #[arg(long, default_value_t = 50_000)]
        rate: u64,
        /// Only under keepair
        #[arg(long)]
        without_keepalived: bool,
        /// Where keepalived's configurations and the scripts are
        #[arg(long, value_name = "DIR", default_value = "examples/keepalived")]
        dir: PathBuf,
        /// Also write every figure to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// List the faults
    List,
    /// Measure the lab itself: an undisturbed client, and failovers by hand without any daemon
    Steady {
        /// How long the client is left undisturbed
        #[arg(long, default_value = "5s", value_parser = duration)]
        length: Duration,
        /// How many failovers are done by hand
        #[arg(long, default_value_t = 3)]
        failovers: usize,
    },
    /// Start a pair and open a shell on one of its hosts
    Shell {
        /// The host: redis-1, redis-2 or client
        #[arg(default_value = "client")]
        host: String,
        /// Without the daemons
        #[arg(long)]
        bare: bool,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// The program under test [default: keepair, next to this program]
    #[arg(long, global = true, value_name = "PATH")]
    keepair: Option<PathBuf>,
    /// The Redis to use [default: redis-server or valkey-server in PATH]
    #[arg(long, global = true, value_name = "PATH")]
    redis: Option<PathBuf>,
    /// IPv6 instead of IPv4
    #[arg(long, global = true)]
    ipv6: bool,
    /// Adverts go to the other machine's address instead of the VRRP group
    #[arg(long, global = true)]
    unicast: bool,
    /// Redis saves to disk, and a restarted Redis loads what it saved
    #[arg(long, global = true)]
    rdb: bool,
    /// The daemons' advertisement interval
    #[arg(long, global = true, default_value = "100ms", value_parser = duration)]
    advert_interval: Duration,
    /// The time between two fresh connections of the client
    #[arg(long, global = true, default_value = "2ms", value_parser = duration)]
    interval: Duration,
    /// Who breaks the pair's ties: none, witness, etcd, gateway, or several that vote together, as
    /// gateway+witness; may be given several times, to measure with each
    #[arg(long, global = true, value_name = "WHO", value_parser = TieBreaker::parse)]
    tie_breaker: Vec<TieBreaker>,
    /// Keep the logs even if everything went well
    #[arg(long, global = true)]
    keep: bool,
}

/// The program: 0 if every bound held, 1 if not, 2 if the lab cannot run here.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report::complain(&format!("keepair-lab: {error:#}"));
            ExitCode::from(if error.is::<CannotRun>() { 2 } else { 1 })
        }
    }
}

fn start(cli: Cli) -> Result<u8> {
    let Cli { command, options } = cli;
    let needs_keepair = match &command {
        Mode::List => {
            list();
            return Ok(0);
        }
        Mode::Steady { .. } => false,
        Mode::Shell { bare, .. } => !bare,
        Mode::Interop { without_keepair, .. }
        | Mode::Differential { without_keepair, .. }
        | Mode::Example { without_keepair, .. } => !without_keepair,
        Mode::Demo { .. }
        | Mode::Bench { .. }
        | Mode::Test { .. }
        | Mode::CrashUnderLoad { .. } => true,
    };
    let cases = chosen(&command, &options.tie_breaker)?;
    let tools = tools::find(options.keepair.as_deref(), options.redis.as_deref(), needs_keepair)?;
    let scratch = match sandbox::enter()? {
        Entered::Done(code) => return Ok(code),
        Entered::Inside(scratch) => scratch,
    };
    let plan = RigPlan {
        ipv6: options.ipv6,
        unicast: options.unicast,
        advert_interval: options.advert_interval,
        files: if options.rdb { Files::Rdb } else { Files::None },
        tie_breaker: options.tie_breaker.first().cloned().unwrap_or_default(),
        ..RigPlan::default()
    };
    let pace = Pace { interval: options.interval, before: Duration::from_secs(1) };
    let ok = match command {
        Mode::List => true,
        Mode::Steady { length, failovers } => {
            steadily(&options, &tools, &scratch, length, failovers)?;
            true
        }
        Mode::Interop { row, at_once, without_keepair } => {
            let programs = Programs::find(&tools)?;
            let ours = ours(without_keepair);
            interop::table::run(&row, ours, at_once, &scratch, &programs)?
        }
        Mode::Differential { seed, seeds, events, without_keepair } => {
            let programs = Programs::find(&tools)?;
            let seeds: Vec<u64> = (seed..seed.saturating_add(seeds)).collect();
            let ours = ours(without_keepair);
            interop::differential::run(&seeds, events, ours, &scratch, &programs)?
        }
        Mode::Example { dir, without_keepair } => {
            let programs = Programs::find(&tools)?;
            let kinds = [Kind::Keepalived, ours(without_keepair)];
            let with = (&programs, tools.redis.as_path());
            interop::example::run(&dir, kinds, &scratch, with)?
        }
        Mode::CrashUnderLoad {
            runs,
            slow_runs,
            cost_runs,
            rate,
            without_keepalived,
            dir,
            json,
        } => {
            let programs = Programs::find(&tools)?;
            let ours_only = without_keepalived;
            let measure = Measure { runs, slow_runs, cost_runs, rate, ours_only };
            let (ok, mut found) = loaded::run(measure, plan, &dir, &scratch, (&tools, &programs))?;
            if let (Some(file), Some(all)) = (json, found.as_object_mut()) {
                all.extend(bench::machine(&tools));
                write_json(&file, &found)?;
            }
            ok
        }
        Mode::Shell { host, bare } => {
            let plan = RigPlan { daemons: !bare, ..plan };
            shell(plan, &tools, &scratch, &host)?;
            true
        }
        Mode::Demo { runs } => {
            let mut session = Session::new(tools, plan, pace, scratch);
            let ok = demo(&mut session, &cases, runs)?;
            finish(&session, ok, options.keep)?;
            ok
        }
        Mode::Bench { runs, json, .. } => {
            let mut session = Session::new(tools, plan, pace, scratch);
            let ok = measure(&mut session, &cases, runs, json)?;
            finish(&session, ok, options.keep)?;
            ok
        }
        Mode::Test { .. } => {
            let missing = "keepair-sim: not next to this program (cargo build --release)";
            let simulator = tools.simulator.clone();
            let simulator = simulator.ok_or_else(|| CannotRun(missing.to_owned()))?;
            let courses = Courses::ask(&simulator)?;
            let mut session = Session::new(tools, plan, pace, scratch);
            session.courses = Some(courses);
            let ok = test(&mut session, &cases);
            finish(&session, ok, options.keep)?;
            ok
        }
    };
    Ok(u8::from(!ok))
}

fn ours(without_keepair: bool) -> Kind {
    if without_keepair { Kind::Keepalived } else { Kind::Keepair }
}

/// A fault, and the tie-breaker it is tried with.
type Case = (&'static Fault, TieBreaker);

fn chosen(mode: &Mode, breakers: &[TieBreaker]) -> Result<Vec<Case>> {
    let ties = matches!(mode, Mode::Bench { ties: true, .. });
    let mut breakers = breakers.to_vec();
    if breakers.is_empty() {
        breakers.push(TieBreaker::default());
        if ties {
            breakers.extend(third::Kind::ALL.map(|kind| TieBreaker::of(&[kind])));
        }
    }
    let all: Vec<Case> = match mode {
        Mode::Bench { fault, .. } | Mode::Test { fault, .. } if !fault.is_empty() => {
            let find = |name: &String| {
                fault::find(name)
                    .with_context(|| format!("no fault {name:?}; see keepair-lab list"))
            };
            let named: Vec<&Fault> = fault.iter().map(find).collect::<Result<_>>()?;
            let with = |breaker: &TieBreaker| {
                named.iter().map(|fault| (*fault, breaker.clone())).collect::<Vec<_>>()
            };
            breakers.iter().flat_map(with).collect()
        }
        _ => breakers.iter().flat_map(|breaker| usual(mode, ties, breaker)).collect(),
    };
    Ok(all)
}

/// What is tried with a tie-breaker unless told otherwise: its own faults with one, all others without,
/// and in a test a few with each.
fn usual(mode: &Mode, ties: bool, breaker: &TieBreaker) -> Vec<Case> {
    let wanted = |fault: &&'static Fault| match mode {
        Mode::Demo { .. } => fault.demo,
        Mode::Test { quick: true, .. } if fault.setup.needs_mb() > 0 => false,
        Mode::Bench { .. } if fault.outcome_only => false,
        _ if ties && breaker.is_none() => fault.is_vote() && fault.strikes.is_none(),
        _ if breaker.is_none() => !fault.is_vote(),
        _ => {
            fault.is_vote()
                && fault.is_covered_by(breaker)
                && fault.strikes.is_none_or(|kind| breaker.has_one_of(&[kind]))
        }
    };
    let mut cases: Vec<Case> =
        FAULTS.iter().filter(wanted).map(|fault| (fault, breaker.clone())).collect();
    if matches!(mode, Mode::Test { .. }) && breaker.is_none() {
        let find = |(name, kinds): &(&str, &[_])| Some((fault::find(name)?, TieBreaker::of(kinds)));
        cases.extend(DIRECTED.iter().filter_map(find));
    }
    cases
}

fn demo(session: &mut Session, cases: &[Case], runs: Option<usize>) -> Result<bool> {
    let style = Style::detect();
    let mut all: Vec<Series> = Vec::new();
    for (index, (fault, breaker)) in cases.iter().enumerate() {
        session.plan.tie_breaker = breaker.clone();
        let mut series = Series::new(fault, breaker);
        for _ in 0..runs.unwrap_or_else(|| test_runs(fault)).max(1) {
            let title = format!("{}/{}  {}", index + 1, cases.len(), series.name());
            let first = series.runs.is_empty();
            if first {
                say(&format!("{}: {}", style.paint(Tone::Strong, &title), fault.what));
            }
            let journal = session.journal.clone();
            let run = session.run(fault, &mut |rig, pair, now| {
                if !first {
                    return;
                }
                let name = |i: usize| rig.hosts.get(i).map_or("", |h| h.name.as_str());
                let (primary, replica) = (name(pair.primary), name(pair.replica));
                say(&format!("  {primary} is the primary, {replica} its replica, a client writes"));
                journal.show(Some(report::live(style, now)));
            });
            session.journal.show(None);
            tell(style, session, &series, &run);
            series.runs.push(run);
        }
        for name in series.late() {
            say(&format!("  {}  {name}", style.paint(Tone::Bad, "LATE")));
        }
        say("");
        all.push(series);
    }
    bench::summary(style, &all).iter().for_each(|line| say(line));
    Ok(all.iter().all(Series::ok))
}

fn measure(
    session: &mut Session,
    cases: &[Case],
    runs: Option<usize>,
    json: Option<PathBuf>,
) -> Result<bool> {
    let style = Style::detect();
    let mut all: Vec<Series> = Vec::new();
    for (fault, breaker) in cases {
        session.plan.tie_breaker = breaker.clone();
        let mut series = Series::new(fault, breaker);
        series.skipped = session.unfit(fault);
        if series.skipped.is_none() {
            for _ in 0..runs.unwrap_or(fault.runs).max(1) {
                let run = session.run(fault, &mut |_, _, _| {});
                say(&line(&series, &run));
                if !run.as_ref().is_ok_and(Run::kept) {
                    post_mortem(session, &run);
                }
                series.runs.push(run);
            }
        }
        all.push(series);
    }
    session.tear_down();
    say("");
    bench::summary(style, &all).iter().for_each(|line| say(line));
    say("times in milliseconds; ordinary: the longest gap before the fault");
    if let Some(file) = json {
        write_json(&file, &session.to_json(&all))?;
    }
    Ok(all.iter().all(Series::ok))
}

fn write_json(file: &Path, found: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(found)?;
    fs::write(file, text + "\n").with_context(|| file.display().to_string())
}

fn test(session: &mut Session, cases: &[Case]) -> bool {
    let style = Style::detect();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (fault, breaker) in cases {
        session.plan.tie_breaker = breaker.clone();
        let mut series = Series::new(fault, breaker);
        if let Some(why) = session.unfit(fault) {
            say(&format!("skipped  {}: {why}", series.name()));
            skipped += 1;
            continue;
        }
        for _ in 0..test_runs(fault) {
            let run = session.run(fault, &mut |_, _, _| {});
            match &run {
                Ok(run) => {
                    let kept = run.checks.iter().filter(|c| c.ok && !c.timed).count();
                    let broken = run.checks.iter().filter(|c| !c.ok && !c.timed).count();
                    (passed, failed) = (passed + kept, failed + broken);
                }
                Err(_) => failed += 1,
            }
            let ok = run.as_ref().is_ok_and(Run::kept);
            let verdict = if ok { (Tone::Good, "ok     ") } else { (Tone::Bad, "FAILED ") };
            say(&format!("{}  {}", style.paint(verdict.0, verdict.1), line(&series, &run)));
            if !ok {
                post_mortem(session, &run);
            }
            series.runs.push(run);
        }
        let late = series.late();
        for name in &late {
            say(&format!("{}  {}: {name}", style.paint(Tone::Bad, "FAILED "), series.name()));
        }
        failed += late.len();
        passed += usize::from(late.is_empty());
    }
    session.tear_down();
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    say(&format!("\n{passed} passed, {failed} failed{skipped}"));
    failed == 0
}

/// Several where the bound is of the order of what a busy machine adds, so that the median counts: the
/// best of two is enough for what takes ten seconds.
fn test_runs(fault: &Fault) -> usize {
    match fault.bound {
        Bound::Outage(limit) if limit > Duration::from_millis(100) => 1,
        Bound::Outage(_) | Bound::Nothing if fault.is_vote() => 2,
        Bound::Outage(_) | Bound::Nothing => 3,
        Bound::Unbounded => 1,
    }
}

/// A client as late as this distorts what it measures, and says so.
const LATE: Duration = Duration::from_millis(3);

/// A run in one line.
fn line(series: &Series, run: &Result<Run>) -> String {
    let (fault, name) = (series.fault, series.name());
    let run = match run {
        Ok(run) => run,
        Err(error) => return format!("{name}: {error:#}"),
    };
    let (seen, m) = (&run.seen, &run.seen.measured);
    let bound = match fault.bound {
        Bound::Outage(limit) => format!(" (bound {})", limit.as_millis()),
        Bound::Nothing => format!(" (ordinary up to {})", ms(m.ordinary.max_us)),
        Bound::Unbounded => String::new(),
    };
    let lost = run.lost().map_or("?".to_owned(), |lost| lost.to_string());
    let mut text = format!(
        "{name}: outage {} ms{bound}, {lost} of {} lost, {} READONLY, failed: {}, rejoined: {}",
        ms(m.outage_us),
        m.acked,
        m.failures("READONLY"),
        failures(m),
        rejoined(seen.rejoined),
    );
    if fault.after != After::Stayed {
        text += &format!(", whole after {} ms", ms(seen.whole_us));
        if m.rejoin_gap_us > 0 {
            text += &format!(" with a gap of {} ms", ms(m.rejoin_gap_us));
        }
    }
    if m.late_us > micros(LATE) {
        text += &format!("; the client itself was up to {} ms late", ms(m.late_us));
    }
    if let Some(local) = &seen.local {
        text += &format!(
            "; its own client: acknowledged for {} ms more, {} not on the primary, {} of these kept",
            ms(local.still_us),
            local.missing,
            local.kept
        );
    }
    if let Some(sides) = &seen.sides {
        text += &format!(
            "; {} and {} acknowledged, at once for {} ms, {} astray, {} of the other lost, {} kept",
            sides.before,
            sides.other,
            ms(sides.both_us),
            sides.astray,
            sides.diverged,
            sides.kept
        );
        if let Some(still) = sides.still_us {
            text += &format!("; refused after {} ms", ms(still));
        }
    }
    if seen.uncovered {
        text += "; not covered";
    }
    text
}

/// A run for a person who watched it.
fn tell(style: Style, session: &mut Session, series: &Series, run: &Result<Run>) {
    if let Ok(Run { seen, .. }) = run
        && let Some(failover) = &seen.failover
    {
        let phases = failover.phases.iter().map(|(phase, at)| format!("{phase} {}", ms(*at)));
        let phases = phases.collect::<Vec<_>>().join(", ");
        let total = ms(failover.total_us);
        say(&format!("  keepair's own account: {}; {total} ms; {phases}", failover.cause));
    }
    let ok = run.as_ref().is_ok_and(Run::kept);
    let (tone, word) = if ok { (Tone::Good, "ok") } else { (Tone::Bad, "FAILED") };
    say(&format!("  {}  {}", style.paint(tone, word), line(series, run)));
    if !ok {
        post_mortem(session, run);
    }
}

fn post_mortem(session: &mut Session, run: &Result<Run>) {
    if let Ok(run) = run {
        for check in run.checks.iter().filter(|c| !c.ok) {
            say(&format!("    did not hold: {}: {}", check.name, check.seen));
        }
    }
    for line in session.last_lines() {
        say(&format!("    {line}"));
    }
    say(&format!("    logs: {}", session.logs.display()));
}

fn finish(session: &Session, ok: bool, keep: bool) -> Result<()> {
    if keep {
        session.keep_logs()?;
    }
    if keep || !ok {
        say(&format!("logs: {}", session.logs.display()));
    }
    Ok(())
}

fn list() {
    let bound = |fault: &Fault| match fault.bound {
        Bound::Outage(limit) => format!("<= {} ms", limit.as_millis()),
        Bound::Nothing => "0".to_owned(),
        Bound::Unbounded => "no failover".to_owned(),
    };
    for fault in FAULTS {
        let mark = if fault.demo { " (demo)" } else { "" };
        say(&format!("{:<22} {:<12} {}{mark}", fault.name, bound(fault), fault.what));
    }
}

fn steadily(
    options: &Options,
    tools: &Tools,
    scratch: &Path,
    length: Duration,
    failovers: usize,
) -> Result<()> {
    let mut rig = steady::rig(options.ipv6, &scratch.join("rig"), tools, &Journal::new())?;
    let show = |name: &str, s: &Spacing| {
        say(&format!(
            "{name}: p50 {} us, p99 {} us, max {} us, of {}",
            s.p50_us, s.p99_us, s.max_us, s.count
        ));
    };
    let seen = steady::undisturbed(&mut rig, options.interval, length)?;
    show("between acknowledged writes", &seen.spacing);
    show("connect to acknowledgement ", &seen.latency);
    say(&format!(
        "the client's own timer{}: at most {} us late; failed writes: {}; lost: {}",
        if seen.measured.realtime { " (real-time)" } else { "" },
        seen.measured.late_us,
        failures(&seen.measured),
        seen.lost
    ));
    for _ in 0..failovers {
        let (m, lost) = steady::by_hand(&mut rig, options.interval)?;
        let (outage, failed) = (ms(m.outage_us), failures(&m));
        say(&format!("failover by hand: outage {outage} ms, {lost} lost, failed: {failed}"));
    }
    Ok(())
}

fn shell(plan: RigPlan, tools: &Tools, scratch: &Path, host: &str) -> Result<()> {
    let rig = Rig::build(plan, &scratch.join("rig"), tools, &Journal::new())?;
    rig.bring_up()?;
    let mut command = Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()));
    command.current_dir(&rig.dir);
    say(&format!(
        "redis-1 {}, redis-2 {}, the service {}; files in {}; exit ends everything",
        rig.hosts[0].address,
        rig.hosts[1].address,
        rig.service(),
        rig.dir.display()
    ));
    let mut child = match rig.hosts.iter().find(|h| h.name == host) {
        Some(host) => host.namespace().spawn(command)?,
        None if host == "client" => rig.client.spawn(command)?,
        None => anyhow::bail!("no host {host:?}: redis-1, redis-2 or client"),
    };
    child.wait()?;
    Ok(())
}
