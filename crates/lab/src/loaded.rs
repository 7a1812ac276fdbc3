//! A crash under load: the primary's Redis is killed while clients write as fast as a busy service does,
//! and what it had acknowledged is looked for, at the takeover and again when it is back.
//!
//! Redis answers its clients before or after it passes a write on, as it happens; what it had answered
//! and not passed on when it died is lost whoever manages the pair. The same is done to a pair
//! kept by keepalived and scripts, for comparison.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::check::ms;
use crate::host::must_signal;
use crate::interop::daemon::Programs;
use crate::interop::example::files::Example;
use crate::interop::example::loaded::Scripts;
use crate::journal::Journal;
use crate::measure::micros;
use crate::namespace::Namespace;
use crate::pipeline::{self, Stream};
use crate::report::say;
use crate::rig::{Rig, RigPlan};
use crate::settle::{self, Pair};
use crate::tools::Tools;
use crate::unit::Restart;

/// How long is written before the crash.
const BEFORE: Duration = Duration::from_millis(2_500);
/// How long is written after somebody else took over.
const AFTER: Duration = Duration::from_secs(1);

/// A pair that can be struck.
pub trait Victim {
    /// Where clients are.
    fn clients(&self) -> &Namespace;
    /// What they write, under keys of this prefix.
    fn stream(&self, prefix: String, rate: u64) -> Stream;
    /// Waits until there is a primary that serves and a replica in step with it.
    ///
    /// # Errors
    /// If that takes too long.
    fn whole(&mut self) -> Result<()>;
    /// Kills the primary's Redis.
    ///
    /// # Errors
    /// Where it does not run.
    fn crash(&mut self) -> Result<()>;
    /// Waits until the other machine takes writes.
    ///
    /// # Errors
    /// If that takes too long.
    fn taken_over(&mut self) -> Result<()>;
    /// Starts the killed Redis again, empty.
    ///
    /// # Errors
    /// Where it does not start.
    fn again(&mut self) -> Result<()>;
}

/// What one crash cost.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// Acknowledged writes in the second before it.
    pub rate: usize,
    /// Acknowledged writes altogether.
    pub acked: usize,
    /// The longest time between two acknowledgements.
    pub gap: Duration,
    /// Not held by whoever took over.
    pub lost: usize,
    /// Not held by whoever serves once the killed Redis is back.
    pub lost_at_last: usize,
}

/// One crash.
///
/// # Errors
/// Where something does not come to its end.
pub fn crash(victim: &mut impl Victim, prefix: String, rate: u64) -> Result<Cost> {
    victim.whole()?;
    let stream = victim.stream(prefix, rate);
    let flood = pipeline::start(victim.clients(), &stream)?;
    thread::sleep(BEFORE);
    let crashed = Instant::now();
    let taken = victim.crash().and_then(|()| victim.taken_over());
    thread::sleep(AFTER);
    let written = flood.stop()?;
    taken?;
    let (asked, kept) = (stream.clone(), std::sync::Arc::new(written));
    let missing = |victim: &dyn Victim| {
        let (stream, written) = (asked.clone(), std::sync::Arc::clone(&kept));
        victim.clients().run(move || stream.missing(&written))?
    };
    let lost = missing(victim)?;
    victim.again()?;
    victim.whole()?;
    Ok(Cost {
        rate: kept.second_before(crashed),
        acked: kept.count(),
        gap: kept.gap(crashed),
        lost,
        lost_at_last: missing(victim)?,
    })
}

/// The pair of the lab, under keepair.
struct Ours {
    rig: Rig,
    pair: Option<Pair>,
}

impl Victim for Ours {
    fn clients(&self) -> &Namespace {
        &self.rig.client
    }

    fn stream(&self, prefix: String, rate: u64) -> Stream {
        let (target, password) = (self.rig.service(), self.rig.password().to_owned());
        Stream { target, password, prefix, rate }
    }

    fn whole(&mut self) -> Result<()> {
        self.pair = Some(settle::settle(&self.rig, Duration::from_secs(60))?.0);
        Ok(())
    }

    fn crash(&mut self) -> Result<()> {
        let redis = &self.rig.host(self.pair.map_or(0, |pair| pair.primary))?.redis;
        redis.restart(Restart::Never);
        must_signal(redis, Signal::SIGKILL)
    }

    fn taken_over(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let short = Duration::from_millis(100);
            let wrote =
                self.rig.through_vip(short).and_then(|mut r| r.call(&["SET", "taken", "1"]));
            match wrote {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn again(&mut self) -> Result<()> {
        let host = self.rig.host(self.pair.map_or(0, |pair| pair.primary))?;
        host.redis.wait_gone(Duration::from_secs(5))?;
        host.redis.start()
    }
}

/// How it is measured.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// How many crashes each.
    pub runs: usize,
    /// How many writes a second the clients send.
    pub rate: u64,
    /// Only of the pair under keepair.
    pub ours_only: bool,
}

/// Crashes of a pair under keepair and of a pair under keepalived and the scripts of a directory.
/// `true` if keepair's pair never lost anything that the one that took over had.
///
/// # Errors
/// Where a pair cannot be built, or something does not come to its end.
pub fn run(
    measure: Measure,
    plan: RigPlan,
    from: &Path,
    scratch: &Path,
    (tools, programs): (&Tools, &Programs),
) -> Result<(bool, Value)> {
    let example = Example::read(from)?;
    let rig = Rig::build(plan, &scratch.join("rig"), tools, &Journal::new())?;
    rig.bring_up()?;
    let mut ours = Ours { rig, pair: None };
    let mut costs: [Vec<Cost>; 2] = Default::default();
    for run in 0..measure.runs {
        costs[0].push(crash(&mut ours, format!("c{run}"), measure.rate)?);
        tell("keepair", costs[0].last());
    }
    drop(ours);
    for run in 0..if measure.ours_only { 0 } else { measure.runs } {
        // A new one each time: after the first crash it may be anything.
        let dir = scratch.join(format!("scripts-{run}"));
        let mut theirs = Scripts::new(&example, &dir, (programs, &tools.redis))?;
        costs[1].push(crash(&mut theirs, format!("c{run}"), measure.rate)?);
        tell("keepalived", costs[1].last());
    }
    let ok = costs[0].iter().all(|cost| cost.lost_at_last == cost.lost);
    let [keepair, keepalived] = costs.each_ref().map(|costs| summary(costs));
    say(if ok { "ok" } else { "FAILED  keepair lost more when the killed Redis came back" });
    let (wanted, example) = (measure.rate, from.display().to_string());
    let found = json!({
        "writes_per_second_sent": wanted, "scripts": example,
        "keepair": keepair, "keepalived": keepalived,
    });
    Ok((ok, found))
}

fn tell(who: &str, cost: Option<&Cost>) {
    let Some(cost) = cost else { return };
    say(&format!(
        "{who:<10} {} writes/s, {} acknowledged, none for {} ms, {} lost at the takeover, {} lost when Redis \
         was back",
        cost.rate,
        cost.acked,
        ms(micros(cost.gap)),
        cost.lost,
        cost.lost_at_last
    ));
}

fn summary(costs: &[Cost]) -> Value {
    let median = |of: fn(&Cost) -> u64| {
        let mut values: Vec<u64> = costs.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len().saturating_sub(1) / 2).copied()
    };
    let all = costs.iter().map(|cost| {
        json!({
            "writes_per_second": cost.rate, "acked": cost.acked, "outage_us": micros(cost.gap),
            "lost_at_takeover": cost.lost, "lost_when_back": cost.lost_at_last,
        })
    });
    json!({
        "median_writes_per_second": median(|cost| cost.rate as u64),
        "median_outage_us": median(|cost| micros(cost.gap)),
        "median_lost_at_takeover": median(|cost| cost.lost as u64),
        "max_lost_at_takeover": costs.iter().map(|cost| cost.lost).max(),
        "median_lost_when_back": median(|cost| cost.lost_at_last as u64),
        "runs": all.collect::<Vec<_>>(),
    })
}
