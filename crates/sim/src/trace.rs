//! The story as it is told: one line for each event that a reader wants to see, and a sum over
//! everything that happened, by which two runs are compared.

use keepair_core::time::Time;

/// A run's record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// The lines, in order.
    pub lines: Vec<String>,
    sum: u64,
}

impl Trace {
    /// Adds a line.
    pub fn line(&mut self, now: Time, who: &str, what: &str) {
        let line = format!("{:>4}.{:06} {who:<7} {what}", now.0 / 1_000_000, now.0 % 1_000_000);
        self.lines.push(line);
    }

    /// Takes an event into the sum without a line (FNV-1a).
    pub fn count(&mut self, words: [u64; 3]) {
        for word in words {
            self.sum = (self.sum ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The sum over all events.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}
