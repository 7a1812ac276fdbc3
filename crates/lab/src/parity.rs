//! Whether the simulator knows what was seen here.
//!
//! `keepair-sim --courses` runs the lab's faults in its own world, many times each, and prints every
//! course they took: who serves afterwards, what the daemon calls the cause, the order of the
//! failover's phases, how the replica came back. A course on a real kernel that the simulator has
//! never seen means that one of the two is wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::check::{Check, Seen, rejoined};

/// Every course of every fault, as the simulator saw them.
#[derive(Debug, Clone, Default)]
pub struct Courses(BTreeSet<Course>);

/// What became of a fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Course {
    fault: String,
    /// `moved` or `stayed`: the machine that serves.
    place: String,
    /// What the daemon that took over calls it; `-` where none did.
    cause: String,
    /// The phases in their order, with a comma between; `-` for none.
    phases: String,
    /// `full`, `partial` or `none`.
    rejoined: String,
}

impl Courses {
    /// Asks the simulator.
    ///
    /// # Errors
    /// Where it fails or prints something else.
    pub fn ask(simulator: &Path) -> Result<Self> {
        let out = Command::new(simulator).arg("--courses").output().context("keepair-sim")?;
        if !out.status.success() {
            bail!("keepair-sim --courses: {}", String::from_utf8_lossy(&out.stdout).trim());
        }
        Self::parse(&String::from_utf8_lossy(&out.stdout))
    }

    /// Reads lines of fault, place, cause, phases, way of rejoining, and a count.
    ///
    /// # Errors
    /// Where a line has not six words, or there is none.
    fn parse(text: &str) -> Result<Self> {
        let mut courses = BTreeSet::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [fault, place, cause, phases, rejoined, _count] = words.as_slice() else {
                bail!("keepair-sim --courses printed {line:?}");
            };
            let [fault, place, cause, phases, rejoined] =
                [fault, place, cause, phases, rejoined].map(|word| (*word).to_owned());
            courses.insert(Course { fault, place, cause, phases, rejoined });
        }
        if courses.is_empty() {
            bail!("keepair-sim --courses printed nothing");
        }
        Ok(Self(courses))
    }

    /// The promise that the simulator has seen this course of this fault.
    #[must_use]
    pub fn check(&self, fault: &str, seen: &Seen) -> Check {
        let course = Course::of(fault, seen);
        let ok = self.0.contains(&course);
        let mut text = course.words();
        if !ok {
            let known = self.0.iter().filter(|known| known.fault == fault).map(Course::words);
            text += &format!("; it knows: {}", known.collect::<Vec<_>>().join("; "));
        }
        let name = "the simulator knows this course".to_owned();
        Check { name, ok, seen: text, timed: false }
    }
}

impl Course {
    fn of(fault: &str, seen: &Seen) -> Self {
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let failover = seen.failover.as_ref();
        let phases = failover.map(|f| f.phases.iter().map(|(name, _)| name.as_str()));
        let phases = phases.map(|names| names.collect::<Vec<_>>().join(","));
        Self {
            fault: fault.to_owned(),
            place: if seen.before == seen.after { "stayed" } else { "moved" }.to_owned(),
            cause: or_dash(failover.map(|f| f.cause.clone()).unwrap_or_default()),
            phases: or_dash(phases.unwrap_or_default()),
            rejoined: rejoined(seen.rejoined).to_owned(),
        }
    }

    fn words(&self) -> String {
        format!("{} {} {} {}", self.place, self.cause, self.phases, self.rejoined)
    }
}

#[cfg(test)]
#[path = "parity_tests.rs"]
mod tests;
