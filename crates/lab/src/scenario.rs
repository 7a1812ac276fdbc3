//! One run: settle, load, fault, repair, settle, stop, verify.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::check::{Acknowledged, Local, Rejoined, Run, Seen};
use crate::client::{Outcome, Records};
use crate::fault::{Bound, Fault, Writers};
use crate::inject::Scene;
use crate::measure::{self, Times};
use crate::redis::Info;
use crate::rig::Rig;
use crate::settle::{self, Pair};
use crate::sides::Sides;
use crate::status;
use crate::unit::Restart;

/// How the client is set for a run.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The time between two fresh connections.
    pub interval: Duration,
    /// How long it writes before the fault.
    pub before: Duration,
}

/// Called when the fault is about to strike: from then on events are worth showing.
pub type OnStart<'a> = &'a mut dyn FnMut(&Rig, Pair, Instant);

/// Runs a fault once in a settled pair.
///
/// A promise that did not hold is no error; an error is a pair that is not settled before the
/// fault, or a client that did not work.
///
/// # Errors
/// See above.
pub fn run(rig: &mut Rig, fault: &Fault, pace: Pace, on_start: OnStart<'_>) -> Result<Run> {
    for host in &rig.hosts {
        host.redis.restart(Restart::Never); // what the fault before this one wanted is over
        host.daemon.restart(Restart::Never);
    }
    let (pair, _) = settle::settle(rig, Duration::from_secs(20))?;
    let infos = [rig.hosts[0].info()?, rig.hosts[1].info()?];
    let logs = [log_length(rig, 0), log_length(rig, 1)];
    let began = Instant::now();
    let load = rig.load(pace.interval, fault.is_vote())?;
    let local = if fault.writers == Writers::Local {
        Some(rig.local_load(pair.primary, pace.interval)?)
    } else {
        None
    };
    let own: &[usize] = match fault.writers {
        Writers::Everywhere => &[pair.primary, pair.replica],
        Writers::Elsewhere => &[pair.replica],
        _ => &[],
    };
    let own: Vec<_> = own
        .iter()
        .map(|index| Ok((*index, rig.load_from(*index, pace.interval * 2)?)))
        .collect::<Result<_>>()?;
    // What must not differ from the ordinary needs more of the ordinary.
    let before = if fault.bound == Bound::Nothing { pace.before * 3 } else { pace.before };
    thread::sleep(before + measure::WARM_UP);

    on_start(rig, pair, Instant::now());
    let mut scene = Scene { rig, pair, t0: Instant::now(), repaired: None };
    let injected = (fault.inject)(&mut scene);
    let (t0, repaired) = (scene.t0, scene.repaired);
    let limit = Duration::from_secs(20 + rig.plan.populate_mb / 20);
    let settled = settle::settle(rig, limit);
    thread::sleep(Duration::from_millis(500));
    let ended = Instant::now();
    let records = load.stop()?;
    let local = local.map(|running| running.stop()).transpose()?;
    let own: Vec<(usize, Records)> =
        own.into_iter().map(|(at, running)| Ok((at, running.stop()?))).collect::<Result<_>>()?;

    let times = Times { began, t0, repaired: repaired.unwrap_or(ended), ended };
    let mut seen = Seen {
        measured: measure::measure(&records, times),
        lost: rig.missing("k", &records).ok().map(|missing| missing.len()),
        before: rig.host(pair.primary)?.name.clone(),
        uncovered: !fault.is_covered_by(&rig.plan.tie_breaker),
        ..Seen::default()
    };
    match &settled {
        Ok((after, since)) => settled_well(rig, *after, *since, &infos, &logs, t0, &mut seen)?,
        Err(error) => seen.error = Some(format!("{error:#}")),
    }
    if let Err(error) = injected {
        seen.error = Some(format!("{error:#}"));
    }
    if let Some(records) = &local {
        seen.local = Some(local_client(rig, pair, records, t0)?);
    }
    if let (true, Ok((after, _))) = (fault.is_vote(), &settled) {
        seen.sides = Some(sides(rig, pair, *after, &records, &own, times)?);
    }
    Ok(Run::judge(fault, seen, pace.interval))
}

/// What every client together knows of the two machines.
fn sides(
    rig: &Rig,
    before: Pair,
    after: Pair,
    service: &Records,
    own: &[(usize, Records)],
    times: Times,
) -> Result<Acknowledged> {
    let mut clients = vec![("k", service)];
    for (at, records) in own {
        clients.push((rig.host(*at)?.name.as_str(), records));
    }
    let all = clients.iter().flat_map(|(_, records)| &records.writes);
    let names = [rig.hosts[0].name.as_str(), rig.hosts[1].name.as_str()];
    let seen = Sides::of(all, names);
    let survivor = rig.host(after.primary)?.name.as_str();
    let salvages = rig.host(after.replica)?.salvages()?;
    let (mut lost, mut diverged, mut kept) = (0, 0, 0);
    for (prefix, records) in &clients {
        let missing: BTreeSet<u64> = rig.missing(prefix, records)?.into_iter().collect();
        let mut found = BTreeSet::new();
        for file in salvages.iter().filter(|_| !missing.is_empty()) {
            found.extend(numbers(&fs::read(file)?, &format!("{prefix}:")));
        }
        for record in measure::acknowledged(records) {
            if !missing.contains(&record.number) {
                continue;
            }
            if record.by.as_deref() == Some(survivor) {
                lost += 1;
            } else {
                diverged += 1;
                kept += usize::from(found.contains(&record.number));
            }
        }
    }
    let last = seen.last(before.primary, times.ended).filter(|_| before != after);
    Ok(Acknowledged {
        before: seen.acked(before.primary) as u64,
        other: seen.acked(before.replica) as u64,
        unknown: seen.unknown,
        both_us: seen.both_us(),
        astray: seen.astray(),
        still_us: last.map(|last| measure::micros(last.saturating_duration_since(times.t0))),
        lost,
        diverged,
        kept,
    })
}

fn settled_well(
    rig: &Rig,
    after: Pair,
    since: Instant,
    before: &[Info; 2],
    logs: &[u64; 2],
    t0: Instant,
    seen: &mut Seen,
) -> Result<()> {
    let primary = rig.host(after.primary)?;
    let now = primary.info()?;
    let none = Info::default();
    let was = before.get(after.primary).filter(|b| b.text("run_id") == now.text("run_id"));
    let was = was.unwrap_or(&none); // restarted: it counts from zero
    let grown = |name: &str| now.number(name) - was.number(name);
    seen.syncs = (grown("sync_full"), grown("sync_partial_ok"));
    seen.after.clone_from(&primary.name);
    seen.same_history = was.text("master_replid") == now.text("master_replid");
    seen.whole_us = measure::micros(since.saturating_duration_since(t0));

    // The replica's own log says how it came back; the primary's counters also count others.
    let log = log_since(rig, after.replica, logs)?;
    seen.rejoined = if seen.syncs.0 > 0 || log.contains("Full resync from") {
        Rejoined::Full
    } else if log.contains("Successful partial resynchronization") {
        Rejoined::Partial
    } else {
        Rejoined::None
    };
    seen.diverged_bytes = diverged(&log_since(rig, after.primary, logs)?);
    if rig.plan.daemons {
        let moved = seen.before != seen.after;
        seen.failover = status::ask(primary).ok().and_then(|s| s.last_failover).filter(|_| moved);
    }
    Ok(())
}

fn local_client(rig: &Rig, before: Pair, records: &Records, t0: Instant) -> Result<Local> {
    let acked = measure::acknowledged(records);
    let last = acked.iter().map(|r| r.done).max().unwrap_or(t0);
    let missing = rig.missing("local", records).unwrap_or_else(|_| {
        records.writes.iter().filter(|r| r.outcome == Outcome::Acked).map(|r| r.number).collect()
    });
    let kept = numbers_in(&rig.host(before.primary)?.dir.join("state"), "local:");
    Ok(Local {
        still_us: measure::micros(last.saturating_duration_since(t0)),
        acked: acked.len() as u64,
        missing: missing.len(),
        kept: missing.iter().filter(|number| kept.contains(number)).count(),
    })
}

/// The numbers that follow `prefix` anywhere in the files of a directory.
fn numbers_in(dir: &Path, prefix: &str) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            numbers.extend(numbers_in(&entry.path(), prefix));
            continue;
        }
        numbers.extend(self::numbers(&fs::read(entry.path()).unwrap_or_default(), prefix));
    }
    numbers
}

/// The numbers that follow `prefix`.
fn numbers(bytes: &[u8], prefix: &str) -> BTreeSet<u64> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let text = String::from_utf8_lossy(bytes);
    text.split(prefix).skip(1).filter_map(|part| digits(part).parse().ok()).collect()
}

/// How far the replica had gone on alone, by what its primary logged when it refused it.
fn diverged(log: &str) -> u64 {
    let Some(line) = log.lines().rfind(|l| l.contains("Requested offset for second ID was")) else {
        return 0;
    };
    let numbers: Vec<u64> = line
        .rsplit("Requested offset")
        .next()
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    match numbers.as_slice() {
        // The primary can continue up to and including the second number.
        [requested, up_to] => requested.saturating_sub(*up_to),
        _ => 0,
    }
}

/// What a host's Redis logged since the lengths were taken.
fn log_since(rig: &Rig, index: usize, lengths: &[u64; 2]) -> Result<String> {
    let from = usize::try_from(lengths.get(index).copied().unwrap_or(0))?;
    let log = fs::read(rig.host(index)?.redis_log())?;
    Ok(String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned())
}

fn log_length(rig: &Rig, index: usize) -> u64 {
    rig.hosts.get(index).and_then(|h| h.redis_log().metadata().ok()).map_or(0, |meta| meta.len())
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
