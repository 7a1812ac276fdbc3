//! The same configuration and the same events, at the same time, for keepalived and for keepair, each
//! in a network of its own; then everything both showed to the outside is compared.
//!
//! A second keepalived plays along in a third network. Where the two keepalived differ from each
//! other, chance decided (two things within a millisecond), and the place is shown as such; it shows
//! too how far apart in time two runs of one program are.

pub mod compare;
pub mod config;
pub mod event;
pub mod network;
pub mod run;
pub mod speaker;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use self::compare::quantile;
use self::event::Event;
use self::run::{Run, play};
use super::daemon::{Kind, Programs};
use crate::locked;
use crate::report::say;

/// How far apart in time the same change may be.
pub const TOLERANCE: Duration = Duration::from_millis(150);
/// As far after a check's file has changed: the check sees it at its next run, a second later at most.
pub const CHECK_TOLERANCE: Duration = Duration::from_millis(1150);
/// As far while three daemons for each seed are being started at once.
pub const START_TOLERANCE: Duration = Duration::from_millis(500);
/// Whether two sent as many adverts in a segment. A timer that is started a little later may send one
/// less each time; and keepair sends one before and one after a reload for every Active instance, as
/// keepalived does from 2.3 on, 2.2.7 none.
fn counts_agree(run: &Run, segment: &run::Segment) -> bool {
    let [one, _, other] = segment.adverts;
    let reload = |d: &&run::Done| matches!(d.event, Event::Reload | Event::Change { .. });
    let in_it = |d: &&run::Done| d.at >= segment.from && d.at < segment.to;
    let reloads = run.done.iter().filter(reload).filter(in_it).count();
    let slack = 5 + one.max(other) / 20;
    other + slack >= one && one + slack + 2 * reloads * run.config.instances.len() >= other
}

/// So long a check's result may be on its way: two runs and a timer.
const CHECK_MATTERS: Duration = Duration::from_secs(8);

/// Plays several seeds side by side. A difference must come twice: what is played again and comes out
/// otherwise was chance, and is shown as that. `true` if nothing differs.
///
/// # Errors
/// Where a network cannot be built.
pub fn run(
    seeds: &[u64],
    events: usize,
    ours: Kind,
    dir: &Path,
    programs: &Programs,
) -> Result<bool> {
    let first = side_by_side(seeds, events, ours, &dir.join("first"), programs)?;
    let suspects: Vec<u64> =
        first.iter().filter(|run| !places(run).is_empty()).map(|run| run.seed).collect();
    let again = side_by_side(&suspects, events, ours, &dir.join("again"), programs)?;
    let mut ok = true;
    for run in &first {
        let repeated = again.iter().find(|other| other.seed == run.seed).map(places);
        ok &= tell(run, repeated.as_ref(), ours);
    }
    Ok(ok && !first.is_empty())
}

fn side_by_side(
    seeds: &[u64],
    events: usize,
    ours: Kind,
    dir: &Path,
    programs: &Programs,
) -> Result<Vec<Run>> {
    let runs = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seed in seeds {
            let runs = &runs;
            scope.spawn(move || {
                let dir = dir.join(format!("seed-{seed}"));
                let run = play(*seed, events, ours, &dir, programs);
                locked(runs).push(run);
            });
        }
    });
    let mut runs: Vec<Run> =
        runs.into_inner().unwrap_or_default().into_iter().collect::<Result<_>>()?;
    runs.sort_by_key(|run| run.seed);
    Ok(runs)
}

/// The segments and streams that differ, in their sequence or by more than the tolerance in time.
fn places(run: &Run) -> BTreeSet<(usize, String)> {
    let mut places = BTreeSet::new();
    for (index, segment) in run.segments.iter().enumerate() {
        places.extend(segment.differences().map(|d| (index, d.stream.clone())));
        let late = segment.ours.apart.iter().filter(|(apart, _, at)| *apart > allowed(run, *at));
        places.extend(late.map(|(_, stream, _)| (index, stream.clone())));
        if !counts_agree(run, segment) {
            places.insert((index, COUNT.to_owned()));
        }
    }
    places
}

const COUNT: &str = "number of adverts";

fn allowed(run: &Run, at: Instant) -> Duration {
    if at < run.started {
        return START_TOLERANCE;
    }
    let check = run.done.iter().any(|done| {
        matches!(done.event, Event::Script { .. } | Event::Settle)
            && done.at <= at + TOLERANCE
            && at.saturating_duration_since(done.at) < CHECK_MATTERS
    });
    if check { CHECK_TOLERANCE } else { TOLERANCE }
}

fn tell(run: &Run, repeated: Option<&BTreeSet<(usize, String)>>, ours: Kind) -> bool {
    let all = |which: fn(&run::Segment) -> &compare::Comparison| -> Vec<_> {
        run.segments.iter().flat_map(|s| which(s).apart.iter().cloned()).collect()
    };
    let (noise, apart) = (all(|s| &s.noise), all(|s| &s.ours));
    let ms = |d: Duration| format!("{:.0}", d.as_secs_f64() * 1e3);
    let chance: usize = run.segments.iter().map(|s| s.noise.differences.len()).sum();
    let beyond = apart.iter().filter(|(apart, _, _)| *apart > TOLERANCE).count();
    let events = run.done.iter().filter(|d| d.event != Event::Settle).count();
    let length = run.segments.last().map_or(0, |s| s.to.duration_since(run.begun).as_secs());
    say(&format!("seed {}: {}", run.seed, run.config.summary()));
    say(&format!(
        "  {events} events in {length} s; {} changes equal, apart by p50 {} p99 {} max {} ms, {beyond} \
         beyond {} ms (after a check)",
        apart.len(),
        ms(quantile(&apart, 500)),
        ms(quantile(&apart, 990)),
        ms(quantile(&apart, 1000)),
        ms(TOLERANCE),
    ));
    say(&format!(
        "  the two keepalived: {} changes equal, apart by p50 {} p99 {} max {} ms; {chance} differ",
        noise.len(),
        ms(quantile(&noise, 500)),
        ms(quantile(&noise, 990)),
        ms(quantile(&noise, 1000)),
    ));
    let mut bad = 0;
    for (index, segment) in run.segments.iter().enumerate() {
        let said = |list: Vec<String>| list.iter().for_each(|line| say(&format!("    {line}")));
        for difference in &segment.noise.differences {
            say(&format!("  chance, segment {index}: the two keepalived differ"));
            said(difference.words(run.begun, "keepalived", "keepalived"));
        }
        let mut shown = false;
        for difference in segment.differences() {
            let again = repeated.is_none_or(|r| r.contains(&(index, difference.stream.clone())));
            let word = if again { "DIFFERENCE" } else { "not repeated" };
            bad += usize::from(again);
            say(&format!("  {word}, segment {index}"));
            said(difference.words(run.begun, "keepalived", &ours.to_string()));
            shown |= again;
        }
        for (apart, stream, at) in &segment.ours.apart {
            if *apart <= allowed(run, *at) {
                continue;
            }
            let again = repeated.is_none_or(|r| r.contains(&(index, stream.clone())));
            let word = if again { "TOO FAR APART" } else { "not repeated" };
            bad += usize::from(again);
            let at = at.saturating_duration_since(run.begun).as_secs_f64();
            say(&format!(
                "  {word}, segment {index}: {stream} at {at:.3}, {} ms apart",
                ms(*apart)
            ));
            shown |= again;
        }
        let [one, twin, other] = segment.adverts;
        if !counts_agree(run, segment) {
            let again = repeated.is_none_or(|r| r.contains(&(index, COUNT.to_owned())));
            let word = if again { "DIFFERENCE" } else { "not repeated" };
            bad += usize::from(again);
            say(&format!(
                "  {word}, segment {index}: adverts: {one}, the other keepalived {twin}, {ours} {other}"
            ));
            shown |= again;
        }
        if shown {
            for line in run.config.text(Path::new("DIR")).lines() {
                say(&format!("      | {line}"));
            }
            for done in run.done.iter().filter(|d| d.at >= segment.from && d.at < segment.to) {
                let at = done.at.saturating_duration_since(run.begun).as_secs_f64();
                say(&format!("      {at:8.3}  {}", done.event));
            }
        }
    }
    if bad > 0 {
        run.logs.iter().for_each(|line| say(&format!("      {ours}: {line}")));
    }
    bad == 0
}
