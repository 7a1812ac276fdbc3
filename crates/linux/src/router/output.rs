//! What children write, on its way to the log: line by line, not too many, and without the words they
//! were given as arguments, which may be passwords.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::setup::Word;

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 512;
/// So many lines in a [`SPAN`] and no more.
const LINES_MAX: u32 = 50;
const SPAN: Duration = Duration::from_secs(10);
/// Shorter arguments occur by chance; passwords are longer.
const HIDDEN_BYTES_MIN: usize = 4;
/// Lines of the run before that are remembered.
const REMEMBERED_MAX: usize = 32;

/// How many lines a script may write, over all its runs.
#[derive(Default, Debug)]
pub(crate) struct Allowance {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Allowance {
    /// Whether there is room for a line, and how many there was none for before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.duration_since(since) >= SPAN) {
            self.since = Some(now);
            self.lines = 0;
        }
        if self.lines >= LINES_MAX {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// What a script said in its last run and in this one: a check that says the same every second is
/// written once.
#[derive(Default, Debug)]
pub(crate) struct Memory {
    before: BTreeSet<String>,
    now: BTreeSet<String>,
}

impl Memory {
    /// A new run begins.
    pub(crate) fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    fn is_new(&mut self, line: &str) -> bool {
        if self.now.len() < REMEMBERED_MAX {
            self.now.insert(line.to_owned());
        }
        !self.before.contains(line)
    }
}

/// Bytes of one child, cut into lines.
pub(crate) struct Lines {
    rest: Vec<u8>,
    /// The line is longer than what is kept of it.
    cut: bool,
    hidden: Vec<Word>,
}

impl Lines {
    /// Hides these words.
    pub(crate) fn new(hidden: &[Word]) -> Lines {
        let long = |word: &&Word| word.expose().len() >= HIDDEN_BYTES_MIN;
        Lines {
            rest: Vec::new(),
            cut: false,
            hidden: hidden.iter().filter(long).cloned().collect(),
        }
    }

    /// Takes bytes in, and appends the lines they complete.
    pub(crate) fn take(&mut self, bytes: &[u8], lines: &mut Vec<String>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_end) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            let room = LINE_BYTES_MAX - self.rest.len();
            self.cut |= text.len() > room;
            self.rest.extend_from_slice(text.get(..room).unwrap_or(text));
            if is_end {
                lines.extend(self.end());
            }
        }
    }

    /// The line that was begun, if there is anything in it.
    pub(crate) fn end(&mut self) -> Option<String> {
        let cut = std::mem::take(&mut self.cut);
        let bytes = std::mem::take(&mut self.rest);
        let text = String::from_utf8_lossy(&bytes);
        let mut text: String = text
            .chars()
            .map(|ch| if ch.is_control() && ch != '\t' { '\u{fffd}' } else { ch })
            .collect();
        for word in &self.hidden {
            if text.contains(word.expose()) {
                text = text.replace(word.expose(), "***");
            }
        }
        if cut {
            text.push_str(" ...");
        }
        let text = text.trim_end();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// What is written of a line of output, if anything is.
pub(crate) fn said(
    line: &str,
    allowance: &mut Allowance,
    memory: Option<&mut Memory>,
    now: Instant,
) -> Option<String> {
    if memory.is_some_and(|memory| !memory.is_new(line)) {
        return None;
    }
    match allowance.take(now)? {
        0 => Some(line.to_owned()),
        left_out => Some(format!("{line} (before it, {left_out} lines were left out)")),
    }
}

#[cfg(test)]
mod tests;
