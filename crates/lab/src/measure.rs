//! What a client's records mean: the ordinary spacing, the outage, the errors, the lost writes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::client::{Outcome, Record, Records, describe};

/// How far apart acknowledged writes are, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spacing {
    /// How many gaps.
    pub count: usize,
    /// The median.
    pub p50_us: u64,
    /// All but one in a hundred are at most this.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Spacing {
    /// Sorts and counts.
    #[must_use]
    pub fn of(mut values_us: Vec<u64>) -> Self {
        values_us.sort_unstable();
        let rank = |percent: usize| {
            let index = (values_us.len() * percent).div_ceil(100).saturating_sub(1);
            values_us.get(index).copied().unwrap_or(0)
        };
        Self { count: values_us.len(), p50_us: rank(50), p99_us: rank(99), max_us: rank(100) }
    }
}

/// What a client saw around a fault at `t0`.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Gaps before the fault.
    pub ordinary: Spacing,
    /// The longest gap that ends after the fault and begins before the repair, in microseconds.
    pub outage_us: u64,
    /// The longest gap that begins after the repair, in microseconds.
    pub rejoin_gap_us: u64,
    /// When that gap began, in microseconds after the fault (negative: before it).
    pub outage_from_us: i64,
    /// Whether writes were acknowledged again after it.
    pub recovered: bool,
    /// Acknowledged writes.
    pub acked: u64,
    /// Every other outcome, by kind; of error replies the first word.
    pub failed: BTreeMap<String, u64>,
    /// The texts of error replies.
    pub replies: BTreeMap<String, u64>,
    /// Beginnings the client missed because it was not scheduled, after the fault.
    pub skipped: u64,
    /// Whether the client had real-time priority.
    pub realtime: bool,
    /// How late the client's own timer was at worst, in microseconds.
    pub late_us: u64,
}

impl Measured {
    /// How many outcomes were of this kind.
    #[must_use]
    pub fn failures(&self, kind: &str) -> u64 {
        self.failed.get(kind).copied().unwrap_or(0)
    }
}

/// The time after the start of a load that is left out of the ordinary: first connections, ARP.
pub const WARM_UP: Duration = Duration::from_millis(100);

/// When what happened.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The load was started.
    pub began: Instant,
    /// The fault struck.
    pub t0: Instant,
    /// What was broken came back; `ended` where nothing needs to.
    pub repaired: Instant,
    /// The load was stopped.
    pub ended: Instant,
}

/// Evaluates records.
#[must_use]
pub fn measure(records: &Records, times: Times) -> Measured {
    let Times { began, t0, repaired, ended } = times;
    let mut acks: Vec<Instant> =
        records.writes.iter().filter(|r| r.outcome == Outcome::Acked).map(|r| r.done).collect();
    acks.sort_unstable();
    let (acked, realtime) = (acks.len() as u64, records.realtime);
    let mut measured = Measured { acked, realtime, ..Measured::default() };

    let steady = acks.iter().filter(|at| **at >= began + WARM_UP && **at < t0);
    let steady: Vec<Instant> = steady.copied().collect();
    measured.ordinary = Spacing::of(steady.windows(2).map(|w| between(w[0], w[1])).collect());

    // The last write before the fault opens the first gap, the end of the load closes the last.
    let opening = acks.iter().rev().find(|at| **at < t0).copied().unwrap_or(t0);
    let after = acks.iter().filter(|at| **at >= t0).copied();
    let times: Vec<Instant> = std::iter::once(opening).chain(after).chain([ended]).collect();
    for (from, gap) in times.windows(2).map(|w| (w[0], between(w[0], w[1]))) {
        if from >= repaired {
            measured.rejoin_gap_us = measured.rejoin_gap_us.max(gap);
        } else if gap > measured.outage_us {
            measured.outage_us = gap;
            measured.outage_from_us = signed(t0, from);
        }
    }
    measured.recovered = times.len() > 2
        && acks.last().is_some_and(|last| {
            ended.saturating_duration_since(*last) < Duration::from_millis(500)
        });

    for record in &records.writes {
        if matches!(record.outcome, Outcome::Acked | Outcome::Unfinished) {
            continue;
        }
        *measured.failed.entry(describe(&record.outcome)).or_default() += 1;
        if let Outcome::Error(text) = &record.outcome {
            *measured.replies.entry(text.clone()).or_default() += 1;
        }
    }
    measured.skipped =
        records.skipped.iter().filter(|(at, _)| *at >= t0).map(|(_, count)| count).sum();
    measured.late_us = records.latest.map_or(0, |(_, late)| micros(late));
    measured
}

/// The time from a write's beginning to its acknowledgement.
#[must_use]
pub fn latency(records: &Records) -> Spacing {
    let acked = records.writes.iter().filter(|r| r.outcome == Outcome::Acked);
    Spacing::of(acked.map(|r| between(r.sent, r.done)).collect())
}

/// The writes that were acknowledged.
#[must_use]
pub fn acknowledged(records: &Records) -> Vec<&Record> {
    records.writes.iter().filter(|r| r.outcome == Outcome::Acked).collect()
}

/// Microseconds from `t0` to `at`, negative where `at` is earlier.
#[must_use]
pub fn signed(t0: Instant, at: Instant) -> i64 {
    let size = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    match at.checked_duration_since(t0) {
        Some(later) => size(later),
        None => -size(t0 - at),
    }
}

/// A duration in microseconds.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn between(from: Instant, to: Instant) -> u64 {
    micros(to.saturating_duration_since(from))
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
