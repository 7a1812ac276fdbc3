//! The times of one failover, phase by phase, as the machine that takes over sees it.

use crate::time::Time;
use alloc::vec::Vec;
use keepair_wire::peer::{Cause, Failover, Leaving, Phase};

/// A failover being measured.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timeline {
    /// What set it off.
    pub cause: Cause,
    marks: Vec<(Phase, Time)>,
}

impl Timeline {
    /// Begins with the first sign of the fault.
    pub fn new(cause: Cause, noticed_at: Time) -> Self {
        let mut marks = Vec::with_capacity(8);
        marks.push((Phase::Notice, noticed_at));
        Timeline { cause, marks }
    }

    /// Takes over what the machine that left says of itself. What it noticed only after the takeover was
    /// announced did not set it off: it was stopped or cut off, and finds that it has been succeeded.
    pub fn learn(&mut self, now: Time, leaving: &Leaving) {
        let ago = |us: u32| Time(now.0.saturating_sub(u64::from(us)));
        let noticed_at = ago(leaving.noticed_ago_us);
        let announced = |(phase, at): &(Phase, Time)| *phase == Phase::Announce && *at < noticed_at;
        if self.marks.iter().any(announced) {
            return;
        }
        self.cause = leaving.cause;
        if let Some(first) = self.marks.first_mut() {
            first.1 = first.1.min(noticed_at);
        }
        self.mark(ago(leaving.fenced_ago_us), Phase::Fence);
    }

    /// A phase is complete. The first mark of each phase counts.
    pub fn mark(&mut self, now: Time, phase: Phase) {
        if self.marks.iter().all(|(known, _)| *known != phase) {
            self.marks.push((phase, now));
            self.marks.sort_by_key(|(phase, at)| (*at, *phase));
        }
    }

    /// The result.
    pub fn finish(&self, generation: u64, unix_ms: u64) -> Failover {
        let start = self.marks.first().map_or(Time(0), |(_, at)| *at);
        let phases = self
            .marks
            .iter()
            .map(|(phase, at)| {
                (*phase, u32::try_from(at.since(start).as_micros()).unwrap_or(u32::MAX))
            })
            .collect();
        Failover { cause: self.cause, generation, unix_ms, phases }
    }
}
