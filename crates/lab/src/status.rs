//! `keepair status --json`, read leniently. The only place that knows its shape.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::Host;

/// What a daemon says of the pair.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The machines as it sees them.
    pub members: Vec<Member>,
    /// The last failover it took part in.
    pub last_failover: Option<Failover>,
    /// The tie-breakers.
    pub tie_breakers: Vec<Breaker>,
}

/// A tie-breaker as a daemon sees it.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub reachable: bool,
    /// Why not.
    pub problem: String,
}

/// A machine as a daemon sees it; empty where it says nothing.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Whether the daemon that answers runs on it.
    pub local: bool,
    /// `Active`, `Backup`, ...
    pub state: String,
    /// Why.
    pub reason: String,
}

/// A failover with its phases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failover {
    /// Why it happened.
    pub cause: String,
    /// How long it took, in microseconds, as the daemon counts.
    pub total_us: u64,
    /// What happened when: name and microseconds since its beginning.
    pub phases: Vec<(String, u64)>,
}

impl Status {
    /// Reads what `keepair status --json` printed.
    ///
    /// # Errors
    /// Where it is no JSON object. A field that is missing is no error.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text.trim()).context("status is not JSON")?;
        if !value.is_object() {
            bail!("status is not an object");
        }
        let members = list(&value, "members").iter().map(member).collect();
        let last_failover = value.get("last_failover").filter(|f| f.is_object()).map(failover);
        let tie_breakers = list(&value, "tie_breakers").iter().map(breaker).collect();
        Ok(Self { members, last_failover, tie_breakers })
    }

    /// The names of the members that are Active.
    #[must_use]
    pub fn active(&self) -> Vec<&str> {
        let active = self.members.iter().filter(|m| m.state.eq_ignore_ascii_case("active"));
        active.map(|m| m.name.as_str()).collect()
    }

    /// One line for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let of = |m: &Member| {
            let here = if m.local { " (here)" } else { "" };
            format!("{}{here} {} [{}]", m.name, m.state, m.reason)
        };
        self.members.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

/// Asks the daemon of a host.
///
/// # Errors
/// Where it does not answer within two seconds, or not with what we can read.
pub fn ask(host: &Host) -> Result<Status> {
    let out = host.keepair(&["status", "--json"], Duration::from_secs(2))?;
    if !out.ok {
        bail!("keepair status: {}", out.stderr.trim());
    }
    Status::parse(&out.stdout)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn micros(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn member(value: &Value) -> Member {
    Member {
        name: text(value, "name"),
        local: value.get("local").and_then(Value::as_bool).unwrap_or(false),
        state: text(value, "state"),
        reason: text(value, "reason"),
    }
}

fn breaker(value: &Value) -> Breaker {
    Breaker {
        name: text(value, "name"),
        reachable: value.get("reachable").and_then(Value::as_bool).unwrap_or(false),
        problem: text(value, "problem"),
    }
}

fn failover(value: &Value) -> Failover {
    let phase = |p: &Value| (text(p, "phase"), micros(p, "at_us"));
    Failover {
        cause: text(value, "cause"),
        total_us: micros(value, "total_us"),
        phases: list(value, "phases").iter().map(phase).collect(),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
