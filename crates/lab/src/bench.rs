//! Runs faults one after the other, keeps the set-ups between them, and sums up.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::check::{self, Acknowledged, Run, ms};
use crate::fault::{Bound, Fault, available_mb};
use crate::host::Files;
use crate::journal::Journal;
use crate::measure::micros;
use crate::parity::Courses;
use crate::report::{Cell, Style, Tone};
use crate::rig::{Rig, RigPlan};
use crate::scenario::{self, OnStart, Pace};
use crate::third::{Kind, TieBreaker};
use crate::tools::Tools;

/// The set-ups and what is common to all runs.
#[derive(Debug)]
pub struct Session {
    /// The programs.
    pub tools: Tools,
    /// What the simulator knows; `None` where nobody asked it.
    pub courses: Option<Courses>,
    /// The ordinary set-up.
    pub plan: RigPlan,
    /// The client.
    pub pace: Pace,
    /// What happens.
    pub journal: Journal,
    /// Where the set-ups' files are, inside the sandbox.
    pub scratch: PathBuf,
    /// Where logs are copied to, outside of it.
    pub logs: PathBuf,
    rig: Option<Rig>,
    rigs: usize,
    /// Set-ups that did not start: they are not tried again and again.
    failed: Vec<RigPlan>,
    /// How many failures were told with the daemons' last lines.
    told: usize,
}

impl Session {
    /// A session without a set-up yet.
    #[must_use]
    pub fn new(tools: Tools, plan: RigPlan, pace: Pace, scratch: PathBuf) -> Self {
        let outside = std::env::var("KEEPAIR_LAB_OUTSIDE_PID").unwrap_or_default();
        let logs = std::env::temp_dir().join(format!("keepair-lab.{outside}"));
        let journal = Journal::new();
        let rig = None;
        Self {
            tools,
            courses: None,
            plan,
            pace,
            journal,
            scratch,
            logs,
            rig,
            rigs: 0,
            failed: Vec::new(),
            told: 0,
        }
    }

    /// Why a fault cannot be measured here, if so.
    #[must_use]
    pub fn unfit(&self, fault: &Fault) -> Option<String> {
        if fault.needs_nft && self.tools.nft.is_none() {
            return Some("nft is not installed (package nftables)".to_owned());
        }
        if let Some(kind) = fault.strikes.filter(|kind| !self.plan.tie_breaker.has_one_of(&[*kind]))
        {
            return Some(format!("there is no {} to strike", kind.name()));
        }
        if self.plan.tie_breaker.has_one_of(&[Kind::Etcd]) && self.tools.etcd.is_none() {
            return Some("etcd is not installed (package etcd-server)".to_owned());
        }
        let (needs, has) = (fault.setup.needs_mb(), available_mb());
        (needs > has && self.rig.as_ref().is_none_or(|r| r.plan != fault.setup.plan(&self.plan)))
            .then(|| format!("needs {needs} MB of memory, {has} MB are available"))
    }

    /// Runs a fault once, in the set-up it wants.
    ///
    /// # Errors
    /// Where the set-up does not start or the run could not be made.
    pub fn run(&mut self, fault: &Fault, on_start: OnStart<'_>) -> Result<Run> {
        let pace = self.pace;
        let rig = self.set_up(fault.setup.plan(&self.plan))?;
        let mut outcome = scenario::run(rig, fault, pace, on_start);
        if let (Ok(run), Some(courses)) = (&mut outcome, &self.courses)
            && fault.simulated
            && self.plan.tie_breaker.is_none()
            && !run.seen.after.is_empty()
        {
            run.checks.push(courses.check(fault.name, &run.seen));
        }
        let broken = match &outcome {
            Ok(run) => run.seen.error.is_some() || run.seen.after.is_empty(),
            Err(_) => true,
        };
        if broken || outcome.as_ref().is_ok_and(|run| !run.ok()) {
            self.keep_logs()?;
        }
        if broken {
            self.tear_down(); // the next run gets a new one; this run stays what it was
        }
        outcome
    }

    fn set_up(&mut self, plan: RigPlan) -> Result<&mut Rig> {
        if self.rig.as_ref().is_some_and(|rig| rig.plan != plan) {
            self.tear_down();
        }
        if self.rig.is_none() {
            if self.failed.contains(&plan) {
                bail!("the set-up did not start before");
            }
            self.rigs += 1;
            self.journal.clear();
            let dir = self.scratch.join(format!("rig-{}", self.rigs));
            self.rig = Some(Rig::build(plan.clone(), &dir, &self.tools, &self.journal)?);
            if let Some(Err(error)) = self.rig.as_ref().map(Rig::bring_up) {
                self.keep_logs()?;
                self.tear_down();
                self.failed.push(plan);
                return Err(error.context("the set-up does not start"));
            }
        }
        self.rig.as_mut().context("there is no set-up")
    }

    /// The daemons' last lines, for the first failures only: later ones rarely say anything new.
    pub fn last_lines(&mut self) -> Vec<String> {
        self.told += 1;
        if self.told > 3 {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for host in ["redis-1", "redis-2"] {
            lines.push(format!("the last lines of {host}'s keepair:"));
            lines.extend(self.journal.tail(host, 40).into_iter().map(|line| format!("  {line}")));
        }
        lines
    }

    /// Everything for `--json`, with what it was measured on.
    #[must_use]
    pub fn to_json(&self, series: &[Series]) -> Value {
        let mut all = machine(&self.tools);
        let plan = &self.plan;
        all.insert("client_interval_us".to_owned(), json!(micros(self.pace.interval)));
        all.insert("advert_interval_us".to_owned(), json!(micros(plan.advert_interval)));
        all.insert("ipv6".to_owned(), json!(plan.ipv6));
        all.insert("rdb".to_owned(), json!(plan.files == Files::Rdb));
        let faults = series.iter().map(Series::to_json).collect::<Vec<_>>();
        all.insert("faults".to_owned(), Value::Array(faults));
        Value::Object(all)
    }

    /// Ends the set-up there is, if any.
    pub fn tear_down(&mut self) {
        if let Some(rig) = self.rig.take() {
            let dir = rig.dir.clone();
            drop(rig);
            let _ = fs::remove_dir_all(dir); // on a tmpfs: it would only use memory
        }
    }

    /// Copies the logs of the set-up there is out of the sandbox.
    ///
    /// # Errors
    /// Where they cannot be copied.
    pub fn keep_logs(&self) -> Result<()> {
        match &self.rig {
            Some(rig) => rig.keep_logs(&self.logs.join(format!("rig-{}", self.rigs))),
            None => Ok(()),
        }
    }
}

/// What something was measured on.
#[must_use]
pub fn machine(tools: &Tools) -> Map<String, Value> {
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let version = Command::new(&tools.redis).arg("--version").output();
    let version = version.map(|out| first_line(&String::from_utf8_lossy(&out.stdout)));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    Map::from_iter([
        ("redis".to_owned(), json!(version.unwrap_or_default())),
        ("kernel".to_owned(), json!(kernel.map(|text| first_line(&text)).unwrap_or_default())),
        ("cpus".to_owned(), json!(cpus)),
    ])
}

/// Several runs of one fault.
#[derive(Debug)]
pub struct Series {
    /// The fault.
    pub fault: &'static Fault,
    /// The tie-breaker it was measured with.
    pub tie_breaker: TieBreaker,
    /// Its runs, each with what went wrong if it could not be made.
    pub runs: Vec<Result<Run>>,
    /// Why it was not measured.
    pub skipped: Option<String>,
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Series {
    /// A series without runs yet.
    #[must_use]
    pub fn new(fault: &'static Fault, tie_breaker: &TieBreaker) -> Self {
        Self { fault, tie_breaker: tie_breaker.clone(), runs: Vec::new(), skipped: None }
    }

    /// The fault, and the tie-breaker if there is one.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.fault, &self.tie_breaker)
    }

    /// The runs that were made.
    pub fn made(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter_map(|run| run.as_ref().ok())
    }

    /// Whether every run was made and kept every promise, those of time in the median.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.runs.iter().all(|run| run.as_ref().is_ok_and(Run::kept)) && self.late().is_empty()
    }

    /// The promises of time that the median run did not keep: more than half of the runs.
    #[must_use]
    pub fn late(&self) -> Vec<String> {
        let timed =
            |run: &'_ Run| run.checks.iter().filter(|c| c.timed).cloned().collect::<Vec<_>>();
        let all: Vec<Vec<check::Check>> = self.made().map(timed).collect();
        let count = all.iter().map(Vec::len).min().unwrap_or(0);
        (0..count)
            .filter_map(|at| {
                let runs: Vec<&check::Check> = all.iter().filter_map(|run| run.get(at)).collect();
                let missed: Vec<_> = runs.iter().filter(|check| !check.ok).collect();
                let first = missed.first().filter(|_| missed.len() * 2 > runs.len())?;
                let seen: Vec<&str> = runs.iter().map(|check| check.seen.as_str()).collect();
                Some(format!("{}: {}", first.name, seen.join(", ")))
            })
            .collect()
    }

    fn outages(&self) -> Vec<u64> {
        let mut values: Vec<u64> = self.made().map(|run| run.seen.measured.outage_us).collect();
        values.sort_unstable();
        values
    }

    /// A line of the table.
    #[must_use]
    pub fn row(&self) -> Vec<Cell> {
        let plain = |text: String| (Tone::Plain, text);
        let mut row = vec![plain(self.name())];
        if let Some(why) = &self.skipped {
            row.extend(vec![plain("-".to_owned()); HEAD.len() - 2]);
            row.push((Tone::Faint, format!("skipped: {why}")));
            return row;
        }
        let outages = self.outages();
        let made = outages.len();
        let failed = self.runs.iter().filter(|r| !r.as_ref().is_ok_and(Run::kept)).count();
        let lost: Vec<Option<usize>> = self.made().map(|r| r.lost()).collect();
        let lost = if lost.contains(&None) {
            "?".to_owned()
        } else {
            lost.iter().flatten().sum::<usize>().to_string()
        };
        let sides: Vec<_> = self.made().filter_map(|run| run.seen.sides.as_ref()).collect();
        let (kept, diverged) =
            sides.iter().fold((0, 0), |sum, s| (sum.0 + s.kept, sum.1 + s.diverged));
        let salvaged = if sides.is_empty() { "-".to_owned() } else { format!("{kept}/{diverged}") };
        let sum = |f: &dyn Fn(&Run) -> u64| self.made().map(f).sum::<u64>();
        let readonly = sum(&|r| r.seen.measured.failures("READONLY"));
        let errors = sum(&|r| r.seen.measured.failed.values().sum()) - readonly;
        let worst_ordinary = self.made().map(|r| r.seen.measured.ordinary.max_us).max();
        let mut ways: Vec<&str> = self.made().map(|r| check::rejoined(r.seen.rejoined)).collect();
        ways.sort_unstable();
        ways.dedup();
        let bound = match self.fault.bound {
            Bound::Outage(limit) => limit.as_millis().to_string(),
            Bound::Nothing => "ordinary".to_owned(),
            Bound::Unbounded => "-".to_owned(),
        };
        let at = |index: usize| outages.get(index).map_or("-".to_owned(), |us| ms(*us));
        row.extend([
            plain(at(made.saturating_sub(1) / 2)),
            plain(at(0)),
            plain(at(made.saturating_sub(1))),
            plain(bound),
            plain(worst_ordinary.map_or("-".to_owned(), ms)),
            (if lost == "0" { Tone::Plain } else { Tone::Bad }, lost),
            (if kept == diverged { Tone::Plain } else { Tone::Bad }, salvaged),
            (if readonly == 0 { Tone::Plain } else { Tone::Bad }, readonly.to_string()),
            plain(errors.to_string()),
            plain(ways.join("/")),
            plain(format!("{}", self.runs.len())),
            if self.ok() && self.made().all(|run| run.seen.uncovered) {
                (Tone::Faint, "not covered".to_owned())
            } else if self.ok() {
                (Tone::Good, "ok".to_owned())
            } else if failed > 0 {
                (Tone::Bad, format!("{failed} FAILED"))
            } else {
                (Tone::Bad, "LATE".to_owned())
            },
        ]);
        row
    }

    /// What the two machines acknowledged, over all runs; nothing where it was not asked.
    fn sides_json(&self) -> Value {
        let sides: Vec<_> = self.made().filter_map(|run| run.seen.sides.as_ref()).collect();
        if sides.is_empty() {
            return Value::Null;
        }
        let mut still: Vec<u64> = sides.iter().filter_map(|side| side.still_us).collect();
        still.sort_unstable();
        let sum = |of: fn(&Acknowledged) -> usize| sides.iter().map(|s| of(s)).sum::<usize>();
        json!({
            "covered": self.made().all(|run| !run.seen.uncovered),
            "median_primary_before_still_acked_us": still.get(still.len().saturating_sub(1) / 2),
            "max_primary_before_still_acked_us": still.last(),
            "max_both_us": sides.iter().map(|side| side.both_us).max(),
            "lost_of_the_final_primary": sum(|side| side.lost),
            "only_on_the_other": sum(|side| side.diverged),
            "of_these_kept": sum(|side| side.kept),
        })
    }

    /// For `--json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let outages = self.outages();
        let run = |run: &Result<Run>| match run {
            Ok(run) => run.to_json(),
            Err(error) => json!({ "ok": false, "error": format!("{error:#}") }),
        };
        json!({
            "fault": self.fault.name,
            "tie_breaker": self.tie_breaker.to_string(),
            "what": self.fault.what,
            "bound_us": match self.fault.bound {
                Bound::Outage(limit) => json!(micros(limit)),
                Bound::Nothing => json!("ordinary"),
                Bound::Unbounded => Value::Null,
            },
            "ok": self.ok(),
            "skipped": self.skipped,
            "median_us": outages.get(outages.len().saturating_sub(1) / 2),
            "min_us": outages.first(),
            "max_us": outages.last(),
            "sides": self.sides_json(),
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        })
    }
}

/// A fault's name, with the tie-breaker if there is one.
#[must_use]
pub fn name(fault: &Fault, breaker: &TieBreaker) -> String {
    if breaker.is_none() { fault.name.to_owned() } else { format!("{}/{breaker}", fault.name) }
}

/// The head of the table; times are in milliseconds.
pub const HEAD: &[&str] = &[
    "fault", "median", "min", "max", "bound", "ordinary", "lost", "salvaged", "READONLY", "errors",
    "rejoin", "runs", "result",
];

/// The table's lines.
#[must_use]
pub fn summary(style: Style, series: &[Series]) -> Vec<String> {
    let rows: Vec<Vec<Cell>> = series.iter().map(Series::row).collect();
    crate::report::table(style, HEAD, &rows)
}

/// `5ms`, `100ms`, `2s`, `500us`.
///
/// # Errors
/// For anything else.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 =
        digits.parse().map_err(|_| format!("{text:?}: a number and a unit, as 5ms"))?;
    match text.get(digits.len()..) {
        Some("us") => Ok(Duration::from_micros(number)),
        Some("ms") => Ok(Duration::from_millis(number)),
        Some("s") => Ok(Duration::from_secs(number)),
        _ => Err(format!("{text:?}: the unit must be us, ms or s")),
    }
}
