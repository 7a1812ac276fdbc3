//! One run of a fault, judged: what was measured, and which promises held.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fault::{After, Bound, Fault, Resync};
use crate::measure::{Measured, micros};
use crate::status::Failover;

/// The longest gap while the other machine comes back: the fork for a full synchronisation of a few
/// gigabytes stops Redis for up to a tenth of a second, and nobody can do anything about that.
const REJOIN_GAP: Duration = Duration::from_millis(200);

/// A promise and whether it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is promised.
    pub name: String,
    /// Whether it held.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
    /// A matter of time, which a busy machine spoils: judged by the median of a series, while every
    /// other promise holds in every run.
    pub timed: bool,
}

/// What the client on the cut-off machine saw.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// How long after the cut its writes were still acknowledged, in microseconds.
    pub still_us: u64,
    /// Its acknowledged writes.
    pub acked: u64,
    /// Those the final primary does not hold.
    pub missing: usize,
    /// Of the missing those that a file in the state directory holds.
    pub kept: usize,
}

/// What the two machines acknowledged, by the words of every client.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged {
    /// By the machine that was the primary before.
    pub before: u64,
    /// By the other one.
    pub other: u64,
    /// By nobody knows whom.
    pub unknown: usize,
    /// For how long both certainly executed writes, in microseconds.
    pub both_us: u64,
    /// Acknowledgements of one that were read in the midst of the other's service.
    pub astray: usize,
    /// How long after the fault the primary before went on acknowledging, where the other took over.
    pub still_us: Option<u64>,
    /// Of what the final primary acknowledged: not in its Redis.
    pub lost: usize,
    /// Of what the other one acknowledged: not in the final primary's Redis.
    pub diverged: usize,
    /// Of these, in a file that `keepair salvage list` names.
    pub kept: usize,
}

impl Acknowledged {
    /// The promises of what was acknowledged, whoever breaks the pair's ties.
    fn held(&self) -> [Check; 2] {
        let check = |name: &str, ok, seen| Check { name: name.to_owned(), ok, seen, timed: false };
        [
            check(
                "no write that the surviving machine acknowledged is lost",
                self.lost == 0 && self.unknown == 0,
                format!("{} of {}", self.lost, self.before + self.other),
            ),
            check(
                "every write that only the other machine acknowledged is salvaged",
                self.kept == self.diverged,
                format!("{} of {}", self.kept, self.diverged),
            ),
        ]
    }
}

/// How the replica came back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rejoined {
    /// Its link never needed a synchronisation.
    #[default]
    None,
    /// By a partial one.
    Partial,
    /// By a full one.
    Full,
}

/// Everything seen in one run.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What the measuring client saw.
    pub measured: Measured,
    /// Acknowledged writes the final primary does not hold; `None` where nobody could be asked.
    pub lost: Option<usize>,
    /// The primary before.
    pub before: String,
    /// The primary after; empty where the pair did not settle.
    pub after: String,
    /// Whether the primary's replication id is still the same: nobody was promoted in between.
    pub same_history: bool,
    /// How the replica came back.
    pub rejoined: Rejoined,
    /// `sync_full` and `sync_partial_ok` of the final primary, counted from before the fault.
    pub syncs: (i64, i64),
    /// How many bytes of its own history the machine that came back had to give up; 0 if unknown.
    pub diverged_bytes: u64,
    /// When the pair was whole again, in microseconds after the fault.
    pub whole_us: u64,
    /// The client on the primary's own host.
    pub local: Option<Local>,
    /// What the two machines acknowledged, where it was asked.
    pub sides: Option<Acknowledged>,
    /// Nobody in the tie-breaker covers this fault: nothing was promised, all of it is only measured.
    pub uncovered: bool,
    /// What the daemon recorded of it.
    pub failover: Option<Failover>,
    /// What went wrong with the run itself.
    pub error: Option<String>,
}

/// A run with its verdicts.
#[derive(Debug, Clone)]
pub struct Run {
    /// The fault's name.
    pub fault: &'static str,
    /// What was seen.
    pub seen: Seen,
    /// The promises.
    pub checks: Vec<Check>,
}

impl Run {
    /// Judges.
    #[must_use]
    pub fn judge(fault: &Fault, seen: Seen, interval: Duration) -> Self {
        let mut checks = Vec::new();
        let mut timed = |name: &str, ok: bool, seen: String| {
            checks.push(Check { name: name.to_owned(), ok, seen, timed: true });
        };
        let m = &seen.measured;
        let gap = format!("{} ms", ms(m.outage_us));
        match fault.bound {
            Bound::Outage(limit) => {
                timed(
                    &format!("outage <= {} ms", limit.as_millis()),
                    m.outage_us <= micros(limit),
                    gap,
                );
            }
            Bound::Nothing => {
                let limit = ordinary_limit_us(m, interval);
                let name = format!("no gap beyond the ordinary ({} ms)", ms(limit));
                timed(&name, m.outage_us <= limit, gap);
            }
            Bound::Unbounded => {}
        }
        if seen.uncovered {
            let name = "the pair is whole again".to_owned();
            let (ok, timed) = (!seen.after.is_empty(), false);
            let seen_so = seen.error.clone().unwrap_or_default();
            let mut checks = vec![Check { name, ok, seen: seen_so, timed }];
            // What both acknowledged at once can't all survive, but nothing of it goes in silence.
            checks.extend(seen.sides.iter().flat_map(Acknowledged::held));
            return Self { fault: fault.name, seen, checks };
        }
        let name = format!("no gap beyond {} ms when the other comes back", REJOIN_GAP.as_millis());
        timed(&name, m.rejoin_gap_us <= micros(REJOIN_GAP), format!("{} ms", ms(m.rejoin_gap_us)));
        let mut check = |name: &str, ok: bool, seen: String| {
            checks.push(Check { name: name.to_owned(), ok, seen, timed: false });
        };
        check("writes are acknowledged again", m.recovered, format!("{} acknowledged", m.acked));
        match &seen.sides {
            Some(sides) => sides.held().into_iter().for_each(|c| check(&c.name, c.ok, c.seen)),
            None => {
                let of = |n| format!("{n} of {}", m.acked);
                let lost = seen.lost.map_or("nobody to ask".to_owned(), of);
                check("no acknowledged write is lost", seen.lost == Some(0), lost);
            }
        }
        let readonly = m.failures("READONLY");
        check("no READONLY answer", readonly == 0, format!("{readonly}"));
        if fault.no_errors || fault.bound == Bound::Nothing {
            check("no client sees an error", m.failed.is_empty(), failures(m));
        }
        check(
            "the pair is whole again",
            !seen.after.is_empty(),
            match &seen.error {
                Some(error) => error.clone(),
                None => format!("after {} ms", ms(seen.whole_us)),
            },
        );
        if seen.after.is_empty() {
            return Self { fault: fault.name, seen, checks };
        }
        if let Some(error) = &seen.error {
            check("the run itself went well", false, error.clone());
        }
        let places = format!("{} -> {}", seen.before, seen.after);
        match fault.after {
            After::Moved => check("the other machine took over", seen.before != seen.after, places),
            After::Stayed => {
                check("the Active machine did not change", seen.before == seen.after, places);
                check("nobody was promoted", seen.same_history, "by replication id".to_owned());
            }
            After::Either => {}
        }
        let diverged = really_diverged(seen.diverged_bytes)
            || seen.local.as_ref().is_some_and(|l| l.missing > 0)
            || seen.sides.as_ref().is_some_and(|s| s.diverged > 0);
        let full_allowed = match fault.resync {
            Resync::Any => true,
            Resync::Partial => false,
            Resync::PartialUnlessDiverged => diverged,
        };
        if !full_allowed {
            let name = "no full synchronisation where nothing diverged";
            check(name, seen.rejoined != Rejoined::Full, rejoined(seen.rejoined).to_owned());
        }
        if let Some(sides) = &seen.sides {
            check(
                "the two machines never acknowledge at once",
                sides.both_us == 0 && sides.astray == 0,
                format!("for {} ms, {} astray", ms(sides.both_us), sides.astray),
            );
            if let Some(still) = sides.still_us {
                let name = "the cut-off side refuses writes within 1 s";
                check(name, still <= 1_000_000, format!("{} ms", ms(still)));
            }
        }
        if let Some(local) = &seen.local {
            let still = format!("{} ms", ms(local.still_us));
            check("the cut-off side refuses writes within 1 s", local.still_us <= 1_000_000, still);
        }
        Self { fault: fault.name, seen, checks }
    }

    /// Acknowledged writes that are gone, `None` where nobody could be asked: where it was asked who
    /// acknowledged, those of the machine that survived.
    #[must_use]
    pub fn lost(&self) -> Option<usize> {
        self.seen.sides.as_ref().map_or(self.seen.lost, |sides| Some(sides.lost))
    }

    /// Whether every promise held.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// Whether every promise held that is not a matter of time.
    #[must_use]
    pub fn kept(&self) -> bool {
        self.checks.iter().all(|check| check.ok || check.timed)
    }

    /// For `--json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (s, m) = (&self.seen, &self.seen.measured);
        json!({
            "fault": self.fault,
            "ok": self.ok(),
            "outage_us": m.outage_us,
            "outage_from_us": m.outage_from_us,
            "rejoin_gap_us": m.rejoin_gap_us,
            "ordinary": {
                "count": m.ordinary.count, "p50_us": m.ordinary.p50_us,
                "p99_us": m.ordinary.p99_us, "max_us": m.ordinary.max_us,
            },
            "acked": m.acked,
            "lost": s.lost,
            "readonly": m.failures("READONLY"),
            "failed": m.failed,
            "replies": m.replies,
            "client_realtime": m.realtime,
            "client_late_us": m.late_us,
            "client_skipped": m.skipped,
            "primary_before": s.before,
            "primary_after": s.after,
            "rejoined": rejoined(s.rejoined),
            "sync_full": s.syncs.0,
            "sync_partial_ok": s.syncs.1,
            "diverged_bytes": s.diverged_bytes,
            "whole_again_us": s.whole_us,
            "local_client": s.local.as_ref().map(|l| json!({
                "still_acked_us": l.still_us, "acked": l.acked,
                "not_on_the_primary": l.missing, "of_these_kept": l.kept,
            })),
            "covered": !s.uncovered,
            "sides": s.sides.as_ref().map(|s| json!({
                "acked_by_the_primary_before": s.before, "acked_by_the_other": s.other,
                "acked_by_unknown": s.unknown, "both_us": s.both_us, "astray": s.astray,
                "primary_before_still_acked_us": s.still_us,
                "lost_of_the_final_primary": s.lost, "only_on_the_other": s.diverged,
                "of_these_kept": s.kept,
            })),
            "failover": s.failover.as_ref().map(|f| json!({
                "cause": f.cause, "total_us": f.total_us,
                "phases": f.phases.iter()
                    .map(|(phase, at)| json!({ "phase": phase, "at_us": at }))
                    .collect::<Vec<_>>(),
            })),
            "error": s.error,
            "checks": self.checks.iter()
                .map(|c| json!({ "name": c.name, "ok": c.ok, "seen": c.seen }))
                .collect::<Vec<_>>(),
        })
    }
}

/// The longest gap that is still ordinary: the longest before the fault, at least two intervals because one
/// write is enough to miss a beat, one interval more because two samples of the same noise
/// differ, and as much as the client's own timer was late.
#[must_use]
pub fn ordinary_limit_us(measured: &Measured, interval: Duration) -> u64 {
    let interval = micros(interval);
    measured.ordinary.max_us.max(2 * interval) + interval + measured.late_us
}

/// Whether writes diverged, and not only the PINGs of 14 bytes that a primary sends its replicas: these
/// alone must not cost a full synchronisation.
fn really_diverged(bytes: u64) -> bool {
    const PING: u64 = 14;
    bytes > 0 && (!bytes.is_multiple_of(PING) || bytes > 10 * PING)
}

/// Microseconds as milliseconds, with one decimal below a hundred.
#[must_use]
pub fn ms(us: u64) -> String {
    if us < 100_000 {
        format!("{}.{}", us / 1_000, us % 1_000 / 100)
    } else {
        (us / 1_000).to_string()
    }
}

/// In a word.
#[must_use]
pub fn rejoined(how: Rejoined) -> &'static str {
    match how {
        Rejoined::None => "none",
        Rejoined::Partial => "partial",
        Rejoined::Full => "full",
    }
}

/// Every failed write by kind, in one line.
#[must_use]
pub fn failures(measured: &Measured) -> String {
    list(&measured.failed)
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
