//! The story as it is told, one line for each event that a reader wants to see; and a sum over
//! everything that happened, by which two runs are compared.
//!
//! A run that nobody reads writes no lines: it is told by running it again.

use core::fmt;
use keepair_core::time::Time;

/// A run's record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// The lines, in order; none where nobody reads them.
    pub lines: Vec<String>,
    /// Somebody reads them.
    pub told: bool,
    sum: Sum,
}

impl Trace {
    /// Adds a line.
    pub fn line(&mut self, now: Time, who: &dyn fmt::Display, what: fmt::Arguments<'_>) {
        if self.told {
            let (seconds, micros) = (now.0 / 1_000_000, now.0 % 1_000_000);
            let who = who.to_string();
            self.lines.push(format!("{seconds:>4}.{micros:06} {who:<7} {what}"));
        }
    }

    /// Where everything that happens is added up.
    pub fn sum(&mut self) -> &mut Sum {
        &mut self.sum
    }

    /// The sum so far.
    pub fn total(&self) -> u64 {
        self.sum.0
    }
}

/// A sum in which order counts (Fx hash: a rotation and a multiplication for each word).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds a word.
    pub fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// Adds bytes, and how many there are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        for byte in chunks.remainder() {
            self.word(u64::from(*byte));
        }
    }
}

impl fmt::Write for Sum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(parts: &[&[u8]]) -> u64 {
        let mut sum = Sum::default();
        parts.iter().for_each(|part| sum.bytes(part));
        sum.0
    }

    #[test]
    fn the_sum_tells_order_and_borders_apart() {
        assert_ne!(sum(&[b"a", b"b"]), sum(&[b"b", b"a"]));
        assert_ne!(sum(&[b"ab", b"c"]), sum(&[b"a", b"bc"]));
        assert_ne!(sum(&[b"12345678"]), sum(&[b"12345679"]));
    }
}
