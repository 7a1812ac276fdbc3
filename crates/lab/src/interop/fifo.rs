//! The notify FIFO (`vrrp_notify_fifo`): one line for every change of a state, in order.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::timeline::{Timeline, What};

/// A line: `INSTANCE "VI_1" MASTER 100`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// `INSTANCE` or `GROUP`.
    pub kind: String,
    /// Whose.
    pub name: String,
    /// `MASTER`, `BACKUP`, `FAULT`, `STOP`, `DELETED`, `MASTER_RX_LOWER_PRI`, ...
    pub state: String,
    /// The priority, 0 for a group.
    pub priority: u8,
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} \"{}\" {} {}", self.kind, self.name, self.state, self.priority)
    }
}

/// Reads a line; `None` if it is not one.
#[must_use]
pub fn parse(line: &str) -> Option<Notice> {
    let (kind, rest) = line.split_once(" \"")?;
    let (name, rest) = rest.split_once("\" ")?;
    let (state, priority) = rest.split_once(' ')?;
    let known = matches!(kind, "INSTANCE" | "GROUP");
    let word = !state.is_empty() && state.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let priority = priority.parse().ok()?;
    let (kind, name, state) = (kind.to_owned(), name.to_owned(), state.to_owned());
    (known && word).then_some(Notice { kind, name, state, priority })
}

/// A FIFO with a thread at its reading end.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    reader: Option<JoinHandle<()>>,
}

/// What the lab itself writes, so that the reader ends.
const END: &str = "END";

impl Fifo {
    /// Makes the FIFO and reads it from now on; a line that is none is noted as one of kind `?`.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(path: &Path, host: usize, timeline: Timeline) -> Result<Self> {
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("make {}", path.display()))?;
        // A writer of our own: the reader never sees an end while daemons come and go.
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let reader = thread::Builder::new().name("fifo".to_owned()).spawn(move || {
            read(file, host, &timeline);
        })?;
        Ok(Self { path: path.to_owned(), reader: Some(reader) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn read(file: File, host: usize, timeline: &Timeline) {
    for line in BufReader::new(file).lines() {
        let at = Instant::now();
        let Ok(line) = line else { return };
        if line == END {
            return;
        }
        let garbled = || Notice {
            kind: "?".to_owned(),
            name: line.clone(),
            state: String::new(),
            priority: 0,
        };
        timeline.note(at, host, What::Told(parse(&line).unwrap_or_else(garbled)));
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let told = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .and_then(|mut fifo| writeln!(fifo, "{END}"));
        if let (Ok(()), Some(reader)) = (told, self.reader.take()) {
            let _ = reader.join(); // a reader that panicked has nothing more to tell
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_are_written_and_nothing_else() {
        let notice = parse("INSTANCE \"VI_1\" MASTER 100").expect("a line");
        assert_eq!((notice.name.as_str(), notice.priority), ("VI_1", 100));
        assert_eq!(notice.to_string(), "INSTANCE \"VI_1\" MASTER 100");
        assert_eq!(parse("GROUP \"a b\" FAULT 0").expect("a line").name, "a b");
        assert_eq!(
            parse("INSTANCE \"x\" MASTER_RX_LOWER_PRI 1").expect("a line").state,
            "MASTER_RX_LOWER_PRI"
        );
        for wrong in [
            "",
            "END",
            "INSTANCE VI_1 MASTER 100",
            "INSTANCE \"VI_1\" MASTER",
            "INSTANCE \"VI_1\" MASTER 256",
            "INSTANCE \"VI_1\" master 100",
            "INSTANCE \"VI_1\"  100",
            "OTHER \"VI_1\" MASTER 100",
            "INSTANCE \"VI_1\" MASTER 100 1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
