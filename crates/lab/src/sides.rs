//! What each machine acknowledged, by the words of all clients together: never two at once.

use std::time::{Duration, Instant};

use crate::client::{Outcome, Record};
use crate::measure::micros;

/// Acknowledgements of one machine that are closer than this belong to one interval of service.
const JOINED: Duration = Duration::from_millis(100);
/// An answer is read this much later at worst by a client that is not at once scheduled.
const READ: Duration = Duration::from_millis(20);

/// One acknowledged write.
#[derive(Debug, Clone, Copy)]
struct Ack {
    sent: Instant,
    done: Instant,
}

/// When the two machines acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Sides {
    acks: [Vec<Ack>; 2],
    /// Acknowledged by nobody knows whom: Redis refused the question.
    pub unknown: usize,
}

impl Sides {
    /// Sorts what any number of clients saw by the machines of these names.
    #[must_use]
    pub fn of<'a>(records: impl Iterator<Item = &'a Record>, names: [&str; 2]) -> Self {
        let mut sides = Self::default();
        for record in records.filter(|record| record.outcome == Outcome::Acked) {
            let machine = names.iter().position(|name| record.by.as_deref() == Some(name));
            match machine.and_then(|machine| sides.acks.get_mut(machine)) {
                Some(acks) => acks.push(Ack { sent: record.sent, done: record.done }),
                None => sides.unknown += 1,
            }
        }
        for acks in &mut sides.acks {
            acks.sort_unstable_by_key(|ack| ack.done);
        }
        sides
    }

    /// How many a machine acknowledged.
    #[must_use]
    pub fn acked(&self, machine: usize) -> usize {
        self.acks.get(machine).map_or(0, Vec::len)
    }

    /// The last acknowledgement of a machine before `until`.
    #[must_use]
    pub fn last(&self, machine: usize, until: Instant) -> Option<Instant> {
        self.acks.get(machine)?.iter().rev().map(|ack| ack.done).find(|done| *done < until)
    }

    /// For how long both machines certainly executed writes, in microseconds: an interval of service
    /// begins with the first acknowledgement read, and ends with the sending of the last
    /// write that was acknowledged.
    #[must_use]
    pub fn both_us(&self) -> u64 {
        let [first, second] = [self.intervals(0), self.intervals(1)];
        let mut both = Duration::ZERO;
        for (from, to) in &first {
            for (start, end) in &second {
                both += (*to).min(*end).saturating_duration_since((*from).max(*start));
            }
        }
        micros(both)
    }

    /// Acknowledgements of one machine that a client read in the midst of the other's service.
    #[must_use]
    pub fn astray(&self) -> usize {
        let within = |machine: usize, other: usize| {
            let intervals = self.intervals(other);
            let acks = self.acks.get(machine).into_iter().flatten();
            acks.filter(|ack| {
                intervals.iter().any(|(from, to)| ack.done > *from + READ && ack.done < *to)
            })
            .count()
        };
        within(0, 1) + within(1, 0)
    }

    fn intervals(&self, machine: usize) -> Vec<(Instant, Instant)> {
        let mut intervals = Vec::new();
        let mut before: Option<Instant> = None;
        for ack in self.acks.get(machine).into_iter().flatten() {
            match (intervals.last_mut(), before) {
                (Some((_, to)), Some(before)) if ack.done - before < JOINED => {
                    *to = ack.sent.max(*to);
                }
                _ => intervals.push((ack.done, ack.sent)),
            }
            before = Some(ack.done);
        }
        // A single write is a moment, not an interval: nothing certain is known of its length.
        intervals.retain(|(from, to)| from < to);
        intervals
    }
}

#[cfg(test)]
#[path = "sides_tests.rs"]
mod tests;
