//! A crash under load: the primary's Redis is killed while clients write as fast as a busy service does,
//! and what it had acknowledged is looked for, at the takeover and again when it is back.
//!
//! Redis answers its clients before or after it passes a write on, as it happens; what it had answered
//! and not passed on when it died is lost whoever manages the pair. The same is done to a pair
//! kept by keepalived and scripts, for comparison. And the same again where the machines are
//! connected by a link that carries less than is written.
//!
//! keepair copies the stream while the standby is behind. Of what is lost, how much has it kept, and what
//! is still missing when that was put back?

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::check::ms;
use crate::copy;
use crate::copy_cost;
use crate::host::must_signal;
use crate::interop::daemon::Programs;
use crate::interop::example::files::Example;
use crate::interop::example::loaded::Scripts;
use crate::journal::Journal;
use crate::measure::micros;
use crate::namespace::Namespace;
use crate::network::{INTERFACE, slow_tcp, usual_speed};
use crate::pipeline::{self, Stream};
use crate::redis::Info;
use crate::report::say;
use crate::rig::{Rig, RigPlan};
use crate::settle::{self, Pair};
use crate::tools::Tools;
use crate::unit::Restart;

/// How long is written before the crash.
const BEFORE: Duration = Duration::from_millis(2_500);
/// The same where the link is slow: until what waits exceeds every socket buffer.
const BEFORE_SLOW: Duration = Duration::from_secs(8);
/// Less than half of what 50,000 writes a second need.
const SLOW_KBIT: u32 = 8_000;
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
    /// Slows down what the machines send each other, or no longer.
    ///
    /// # Errors
    /// Where `tc` fails.
    fn slow(&self, slow: bool) -> Result<()>;
    /// How many bytes the replica has not got yet.
    ///
    /// # Errors
    /// Where one of the two does not answer.
    fn lag_bytes(&self) -> Result<i64>;
    /// What was kept of the killed Redis, in files of commands. `None` where nobody keeps anything.
    ///
    /// # Errors
    /// Where they can't be listed.
    fn kept(&self) -> Result<Option<Vec<PathBuf>>>;
    /// Puts that back into the Redis that serves.
    ///
    /// # Errors
    /// Where it is refused.
    fn put_back(&self, kept: &[PathBuf]) -> Result<()>;
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
    /// How far the replica was behind.
    pub lag_bytes: i64,
    /// The longest time between two acknowledgements.
    pub gap: Duration,
    /// Not held by whoever took over.
    pub lost: usize,
    /// Not held by whoever serves once the killed Redis is back.
    pub lost_at_last: usize,
    /// What was kept of that, where anything is.
    pub kept: Option<Kept>,
}

/// What was kept of a killed Redis.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// How many of the writes that were lost at the takeover.
    pub of_the_lost: usize,
    /// How many are missing when it was put back.
    pub lost_in_the_end: usize,
    /// How long it took to put it back.
    pub put_back_in: Duration,
}

/// A crash, and under what.
#[derive(Debug, Clone)]
pub struct Crash {
    /// The first part of every key.
    pub prefix: String,
    /// How many writes a second the clients send.
    pub rate: u64,
    /// Over a link that carries less.
    pub slow: bool,
}

/// One crash.
///
/// # Errors
/// Where something does not come to its end.
pub fn crash(victim: &mut impl Victim, how: &Crash) -> Result<Cost> {
    victim.whole()?;
    let stream = victim.stream(how.prefix.clone(), how.rate);
    let before: BTreeSet<PathBuf> = victim.kept()?.into_iter().flatten().collect();
    if how.slow {
        victim.slow(true)?;
    }
    let flood = pipeline::start(victim.clients(), &stream)?;
    thread::sleep(if how.slow { BEFORE_SLOW } else { BEFORE });
    let lag_bytes = victim.lag_bytes()?;
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
    if how.slow {
        victim.slow(false)?;
    }
    victim.again()?;
    victim.whole()?;
    let lost_at_last = missing(victim)?.len();
    let kept_now = victim.kept()?.map(|mut files| {
        files.retain(|file| !before.contains(file));
        files
    });
    let put_back = match kept_now {
        None => None,
        Some(files) => {
            let mut held = BTreeSet::new();
            for file in &files {
                held.extend(copy::writes_in(&fs::read(file)?, &how.prefix));
            }
            let began = Instant::now();
            victim.put_back(&files)?;
            let put_back_in = began.elapsed();
            Some(Kept {
                of_the_lost: lost.iter().filter(|number| held.contains(number)).count(),
                lost_in_the_end: missing(victim)?.len(),
                put_back_in,
            })
        }
    };
    Ok(Cost {
        rate: kept.second_before(crashed),
        acked: kept.count(),
        lag_bytes,
        gap: kept.gap(crashed),
        lost: lost.len(),
        lost_at_last,
        kept: put_back,
    })
}

/// How far a replica is behind its primary, by what both say of themselves; the primary was asked first, so
/// that a replica in step may be ahead of its answer.
///
/// # Errors
/// Where one of them said nothing.
pub fn behind(primary: Option<&Info>, replica: Option<&Info>) -> Result<i64> {
    let (primary, replica) = (primary.context("no primary")?, replica.context("no replica")?);
    let behind = primary.number("master_repl_offset") - replica.number("slave_read_repl_offset");
    Ok(behind.max(0))
}

/// Slows down, or no longer, what two hosts send each other.
///
/// # Errors
/// Where `tc` fails or is missing.
pub fn slow_between(tc: Option<&Path>, hosts: [(&Namespace, IpAddr); 2], slow: bool) -> Result<()> {
    let tc = tc.context("tc is not installed (package iproute2)")?;
    let [(first, first_address), (second, second_address)] = hosts;
    for (namespace, to) in [(first, second_address), (second, first_address)] {
        if slow {
            slow_tcp(tc, namespace, INTERFACE, to, SLOW_KBIT)?;
        } else {
            usual_speed(tc, namespace, INTERFACE)?;
        }
    }
    Ok(())
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

    fn slow(&self, slow: bool) -> Result<()> {
        let [first, second] = &self.rig.hosts;
        let (one, other) = (first.namespace(), second.namespace());
        let hosts = [(one.as_ref(), first.address), (other.as_ref(), second.address)];
        slow_between(self.rig.tools.tc.as_deref(), hosts, slow)
    }

    fn lag_bytes(&self) -> Result<i64> {
        let pair = self.pair.context("it was never whole")?;
        let info = |index| self.rig.host(index)?.info();
        behind(Some(&info(pair.primary)?), Some(&info(pair.replica)?))
    }

    fn kept(&self) -> Result<Option<Vec<PathBuf>>> {
        let [first, second] = &self.rig.hosts;
        Ok(Some([first.salvages()?, second.salvages()?].concat()))
    }

    fn put_back(&self, kept: &[PathBuf]) -> Result<()> {
        for host in &self.rig.hosts {
            let own: Vec<PathBuf> =
                kept.iter().filter(|file| file.starts_with(&host.dir)).cloned().collect();
            host.put_back(&own)?;
        }
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
    /// How many over a slow link.
    pub slow_runs: usize,
    /// How often it is measured what the copy costs.
    pub cost_runs: usize,
    /// How many writes a second the clients send.
    pub rate: u64,
    /// Only of the pair under keepair.
    pub ours_only: bool,
}

impl Measure {
    fn crashes(&self) -> impl Iterator<Item = Crash> {
        let (runs, rate) = (self.runs, self.rate);
        let usual = (0..runs).map(move |n| Crash { prefix: format!("c{n}"), rate, slow: false });
        let slow =
            (0..self.slow_runs).map(move |n| Crash { prefix: format!("s{n}"), rate, slow: true });
        usual.chain(slow)
    }
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
    let mut costs: [[Vec<Cost>; 2]; 2] = Default::default();
    for how in measure.crashes() {
        let cost = crash(&mut ours, &how)?;
        tell("keepair", &how, &cost);
        costs[usize::from(how.slow)][0].push(cost);
    }
    let copy = if measure.cost_runs > 0 {
        json!({
            "throughput": copy_cost::throughput(&ours.rig, measure.cost_runs)?,
            "alone_counts_as_a_replica": copy_cost::counts_as_a_replica(&ours.rig)?,
        })
    } else {
        Value::Null
    };
    drop(ours);
    for how in measure.crashes().filter(|_| !measure.ours_only) {
        // A new one each time: after the first crash it may be anything.
        let dir = scratch.join(format!("scripts-{}", how.prefix));
        let mut theirs = Scripts::new(&example, &dir, (programs, tools))?;
        let cost = crash(&mut theirs, &how)?;
        tell("keepalived", &how, &cost);
        costs[usize::from(how.slow)][1].push(cost);
    }
    let ok = costs.iter().all(|[ours, _]| ours.iter().all(|cost| cost.lost_at_last == cost.lost));
    let [usual, slow] = costs.each_ref().map(|both| both.each_ref().map(|costs| summary(costs)));
    let [[keepair, keepalived], [slow_keepair, slow_keepalived]] = [usual, slow];
    say(if ok { "ok" } else { "FAILED  keepair lost more when the killed Redis came back" });
    let (wanted, example) = (measure.rate, from.display().to_string());
    let found = json!({
        "writes_per_second_sent": wanted, "scripts": example,
        "keepair": keepair, "keepalived": keepalived,
        "slow_link": {
            "kbit": SLOW_KBIT, "how": "tc htb with u32, TCP between the machines only",
            "keepair": slow_keepair, "keepalived": slow_keepalived,
        },
        "copy": copy,
    });
    Ok((ok, found))
}

fn tell(who: &str, how: &Crash, cost: &Cost) {
    let kept = cost.kept.as_ref().map_or_else(String::new, |kept| {
        format!(
            ", {} of them kept; {} lost when that was put back, which took {} ms",
            kept.of_the_lost,
            kept.lost_in_the_end,
            ms(micros(kept.put_back_in))
        )
    });
    say(&format!(
        "{who:<10} {}{} writes/s, {} acknowledged, replica {} bytes behind, none for {} ms, {} lost at the \
         takeover, {} lost when Redis was back{kept}",
        if how.slow { "slow link, " } else { "" },
        cost.rate,
        cost.acked,
        cost.lag_bytes,
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
    let in_the_end = |cost: &Cost| Some(cost.kept.as_ref()?.lost_in_the_end);
    let all = costs.iter().map(|cost| {
        json!({
            "writes_per_second": cost.rate, "acked": cost.acked, "outage_us": micros(cost.gap),
            "replica_behind_bytes": cost.lag_bytes,
            "lost_at_takeover": cost.lost, "lost_when_back": cost.lost_at_last,
            "kept_of_the_lost": cost.kept.as_ref().map(|kept| kept.of_the_lost),
            "lost_when_put_back": in_the_end(cost),
            "put_back_in_us": cost.kept.as_ref().map(|kept| micros(kept.put_back_in)),
        })
    });
    json!({
        "median_writes_per_second": median(|cost| cost.rate as u64),
        "median_outage_us": median(|cost| micros(cost.gap)),
        "median_lost_at_takeover": median(|cost| cost.lost as u64),
        "max_lost_at_takeover": costs.iter().map(|cost| cost.lost).max(),
        "max_lost_when_put_back": costs.iter().filter_map(in_the_end).max(),
        "median_lost_when_back": median(|cost| cost.lost_at_last as u64),
        "runs": all.collect::<Vec<_>>(),
    })
}
