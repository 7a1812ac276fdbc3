//! Plays rows side by side, several at a time, and says what came of them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::daemon::{Kind, Programs, frr_can_run};
use super::pcap;
use super::play::{FIRST, Outcome, Play, SECOND};
use super::rows::{ROWS, Row};
use crate::locked;
use crate::report::{Style, Tone, say};

/// A row with the daemons that play it.
#[derive(Clone, Copy)]
struct Cast {
    row: &'static Row,
    kinds: [Kind; 2],
}

/// Plays the rows of these names (all, if none is named) with `ours` against each of the others, in
/// both roles. `true` if all was well.
///
/// # Errors
/// For a name that no row has.
pub fn run(
    names: &[String],
    ours: Kind,
    at_once: usize,
    dir: &Path,
    programs: &Programs,
) -> Result<bool> {
    if let Some(name) = names.iter().find(|n| !ROWS.iter().any(|r| r.name == n.as_str())) {
        let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        bail!("no row {name:?}: {}", known.join(", "));
    }
    let frr_can_run = frr_can_run();
    let mut skipped = 0;
    let mut casts = VecDeque::new();
    for row in ROWS.iter().filter(|r| names.is_empty() || names.iter().any(|n| n == r.name)) {
        casts.push_back(Cast { row, kinds: [ours, Kind::Keepalived] });
        if ours != Kind::Keepalived {
            casts.push_back(Cast { row, kinds: [Kind::Keepalived, ours] });
        }
        if row.frr && !frr_can_run {
            say(&format!(
                "skipped {} with FRR: it needs its own user, and we are not root",
                row.name
            ));
            skipped += 2;
        } else if row.frr {
            casts.push_back(Cast { row, kinds: [ours, Kind::Frr] });
            casts.push_back(Cast { row, kinds: [Kind::Frr, ours] });
        }
    }
    let (casts, results) = (Mutex::new(casts), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for worker in 0..at_once.max(1) {
            let (casts, results) = (&casts, &results);
            let dir = dir.join(format!("row-{worker}"));
            scope.spawn(move || {
                for turn in 0.. {
                    let Some(cast) = locked(casts).pop_front() else { break };
                    let dir = dir.join(turn.to_string());
                    let outcome = play(cast, &dir, programs);
                    locked(results).push((cast, outcome));
                }
            });
        }
    });
    // Wireshark's reading of the captures is for later: it would only disturb the clocks.
    let style = Style::detect();
    let results = results.into_inner().unwrap_or_default();
    let mut failed = 0;
    for (cast, outcome) in &results {
        failed += usize::from(!tell(style, *cast, outcome, programs));
    }
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    say(&format!("{} rows passed, {failed} failed{skipped}", results.len() - failed));
    Ok(failed == 0 && !results.is_empty())
}

fn play(cast: Cast, dir: &Path, programs: &Programs) -> (Result<Outcome>, Vec<String>) {
    let plans = [(cast.row.plan)(FIRST), (cast.row.plan)(SECOND)];
    let mut play = match Play::new(cast.kinds, plans, dir, programs) {
        Ok(play) => play,
        Err(error) => return (Err(error), Vec::new()),
    };
    if let Err(error) = (cast.row.play)(&mut play) {
        return (Err(error), play.story());
    }
    (play.finish(), Vec::new())
}

fn tell(
    style: Style,
    cast: Cast,
    (outcome, story): &(Result<Outcome>, Vec<String>),
    programs: &Programs,
) -> bool {
    let Cast { row, kinds: [first, second] } = cast;
    let title = format!("{:<11} {first:<10} -> {second:<10}", row.name);
    let mut wrong = Vec::new();
    let mut measured = String::new();
    match outcome {
        Err(error) => wrong.push(format!("{error:#}")),
        Ok(outcome) => {
            wrong.extend(outcome.checks.iter().filter_map(|check| {
                check.wrong.as_ref().map(|wrong| format!("{}: {wrong}", check.what))
            }));
            match pcap::opinion(&programs.tshark, &outcome.capture).context("Wireshark") {
                Err(error) => wrong.push(format!("{error:#}")),
                Ok(opinion) => {
                    wrong.extend(opinion.complaints.iter().take(5).cloned());
                    if opinion.adverts != outcome.adverts || opinion.adverts == 0 {
                        wrong.push(format!(
                            "Wireshark reads {} adverts, the lab {}",
                            opinion.adverts, outcome.adverts
                        ));
                    }
                }
            }
            let times: Vec<String> = outcome
                .takeovers
                .iter()
                .map(|t| format!("{}/{}", ms(t.took), ms(t.computed)))
                .collect();
            measured = format!(
                "took/computed ms {}; both {} ms; {} adverts, {} checks",
                times.join(" "),
                ms(outcome.overlap),
                outcome.adverts,
                outcome.checks.len(),
            );
        }
    }
    let ok = wrong.is_empty();
    let verdict = if ok { (Tone::Good, "ok    ") } else { (Tone::Bad, "FAILED") };
    say(&format!("{}  {title}  {measured}", style.paint(verdict.0, verdict.1)));
    for line in &wrong {
        say(&format!("        {line}"));
    }
    if !ok {
        let story = outcome.as_ref().map_or(story, |outcome| &outcome.story);
        story.iter().for_each(|line| say(&format!("        | {line}")));
    }
    ok
}

fn ms(duration: Duration) -> String {
    format!("{:.0}", duration.as_secs_f64() * 1e3)
}
