//! `keepair replay FILE`: what a daemon decided, when and why, decided again by the same core.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use keepair_core::action::Action;
use keepair_core::event::Event;
use keepair_record::{Difference, Replayer, Snapshot, Step, Turn, VERSION, View, Why, say};
use serde_json::{Value, json};

use crate::operate;
use crate::record::older;

/// What is shown before and after a failover.
const AROUND_US: u64 = 5_000_000;

/// What to show.
#[derive(Args)]
pub(crate) struct Options {
    /// The record. FILE.1, which holds what was before, is read first if it is there.
    file: PathBuf,
    /// Inputs that led to nothing new, too.
    #[arg(long)]
    all: bool,
    /// As JSON, one object to a line.
    #[arg(long)]
    json: bool,
    /// Only from this time on, as 2026-07-29T12:03:04.5Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<u64>,
    /// Only up to this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<u64>,
    /// Only five seconds before and after the failover that began this generation.
    #[arg(long, value_name = "GENERATION", conflicts_with_all = ["from", "to"])]
    around: Option<u64>,
}

/// Microseconds since the Unix epoch.
fn parse_time(text: &str) -> Result<u64, String> {
    let time = humantime::parse_rfc3339_weak(text).map_err(|error| error.to_string())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    u64::try_from(since.as_micros()).map_err(|error| error.to_string())
}

/// `keepair replay`: success if every decision is the recorded one.
///
/// # Errors
/// When the record can't be read to its end.
pub(crate) fn replay(options: &Options) -> anyhow::Result<ExitCode> {
    let mut window = Window {
        from_us: options.from.unwrap_or(0),
        to_us: options.to.unwrap_or(u64::MAX),
        zero_us: options.from,
    };
    if let Some(generation) = options.around {
        let at = find_failover(&options.file, generation)?;
        window = Window {
            from_us: at.saturating_sub(AROUND_US),
            to_us: at.saturating_add(AROUND_US),
            zero_us: Some(at),
        };
    }
    let mut story = Story { window, options, total: Total::default() };
    let walked = walk(&options.file, |step, replayer, place| story.tell(&step, replayer, place));
    // What was read is told, whatever comes after it.
    if story.total.snapshots > 0 {
        story.sum_up(walked.is_ok())?;
    }
    walked?;
    Ok(if story.total.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a record was found.
struct Place<'a> {
    path: &'a Path,
    number: u64,
    offset: u64,
}

/// Replays everything there is.
fn walk(
    path: &Path,
    mut see: impl FnMut(Step, &Replayer, &Place<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut replayer = Replayer::new();
    let mut any = false;
    for (path, file) in open(path)? {
        for placed in keepair_record::read(BufReader::with_capacity(1 << 20, file)) {
            let placed = placed.map_err(|bad| anyhow::anyhow!("{}: {bad}", path.display()))?;
            let (number, offset) = (placed.number, placed.offset);
            let step = replayer.take(placed.record).map_err(|broken| {
                anyhow::anyhow!("{}: record {number} at byte {offset}: {broken}", path.display())
            })?;
            see(step, &replayer, &Place { path: &path, number, offset })?;
            any = true;
        }
    }
    if !any {
        bail!("{} is empty", path.display());
    }
    Ok(())
}

/// The file before, if there is one, and this one.
fn open(path: &Path) -> anyhow::Result<Vec<(PathBuf, File)>> {
    let identity = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
    let older = older(path);
    loop {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let before = match File::open(&older) {
            Ok(before) => before,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(vec![(path.to_owned(), file)]);
            }
            Err(error) => return Err(error).context(older.display().to_string()),
        };
        // A daemon may have moved on between the two.
        if identity(&file)? != identity(&before)? {
            return Ok(vec![(older, before), (path.to_owned(), file)]);
        }
    }
}

fn find_failover(path: &Path, generation: u64) -> anyhow::Result<u64> {
    let mut found = None;
    walk(path, |step, _, _| {
        if let Step::Turn(turn) = step {
            let began = |action: &Action| match action {
                Action::Tell(Event::GenerationChanged(new)) => new.0 == generation,
                Action::Tell(Event::TookOver(failover)) => failover.generation == generation,
                _ => false,
            };
            if found.is_none() && turn.actions.iter().any(began) {
                found = Some(turn.unix_us);
            }
        }
        Ok(())
    })?;
    found.with_context(|| format!("no failover to generation {generation} in the record"))
}

struct Window {
    from_us: u64,
    to_us: u64,
    /// What times are shown relative to; the first record's if not set.
    zero_us: Option<u64>,
}

#[derive(Default)]
struct Total {
    inputs: u64,
    decisions: u64,
    snapshots: u64,
    lost: u64,
    differing: u64,
    first_difference: Option<String>,
    /// Where a keepair of another version wrote.
    other_version: Option<String>,
}

struct Story<'a> {
    window: Window,
    options: &'a Options,
    total: Total,
}

impl Story<'_> {
    fn tell(&mut self, step: &Step, replayer: &Replayer, place: &Place<'_>) -> anyhow::Result<()> {
        match step {
            Step::Nothing => Ok(()),
            Step::Snapshot(snapshot) => self.snapshot(snapshot, replayer, place),
            Step::Turn(turn) => self.turn(turn, replayer, place),
            Step::CutOff { bytes } => self.note(&format!(
                "{}: record {} at byte {} is cut off after {bytes} bytes: the machine or the \
                 daemon ended while it was written",
                place.path.display(),
                place.number,
                place.offset
            )),
        }
    }

    fn snapshot(
        &mut self,
        snapshot: &Snapshot,
        replayer: &Replayer,
        place: &Place<'_>,
    ) -> anyhow::Result<()> {
        self.total.snapshots += 1;
        if snapshot.version != VERSION {
            self.total.other_version = Some(snapshot.version.clone());
        }
        if let Why::Lost(count) = snapshot.why {
            self.total.lost += count;
        }
        let why = match snapshot.why {
            Why::Started => "the daemon starts".to_owned(),
            Why::Rotated => "the record goes on in a new file".to_owned(),
            Why::Lost(count) => {
                format!("{count} inputs before this are not in the record: the disk was too slow")
            }
        };
        if snapshot.agrees == Some(false) {
            self.differs(snapshot.unix_us, "the recorded node is in another state", place)?;
        }
        if !self.shows(snapshot.unix_us) {
            return Ok(());
        }
        let who = replayer.node().map(|node| node.config().own().name.clone()).unwrap_or_default();
        if self.options.json {
            return out(&json!({
                "snapshot": why,
                "at": rfc3339(snapshot.unix_us),
                "node": who,
                "version": snapshot.version,
                "state": view(&snapshot.view),
                "agrees": snapshot.agrees,
            }));
        }
        let time = self.time(snapshot.unix_us);
        let version = &snapshot.version;
        let seen = words(&snapshot.view);
        line(&format!("{time} | {seen} | {who}, keepair {version}: {why}"))
    }

    fn turn(&mut self, turn: &Turn, replayer: &Replayer, place: &Place<'_>) -> anyhow::Result<()> {
        self.total.inputs += 1;
        let Some(config) = replayer.node().map(keepair_core::Node::config) else { return Ok(()) };
        let decides = turn.before != turn.after || !turn.actions.iter().all(say::is_routine);
        self.total.decisions += u64::from(decides);
        let happened = say::input(config, &turn.input);
        if let Some(difference) = turn.differs {
            self.differs(turn.unix_us, &difference_words(difference, turn, &happened), place)?;
        }
        if !(decides || self.options.all) || !self.shows(turn.unix_us) {
            return Ok(());
        }
        if self.options.json {
            return out(&json!({
                "at": rfc3339(turn.unix_us),
                "monotonic_us": turn.at.as_us(),
                "input": happened,
                "before": view(&turn.before),
                "after": view(&turn.after),
                "actions": actions(turn),
                "reason": turn.after.reason,
                "agrees": turn.differs.is_none(),
                "raw": { "input": turn.input, "actions": turn.actions },
            }));
        }
        let change = match (words(&turn.before), words(&turn.after)) {
            (before, after) if before == after => after,
            (before, after) => format!("{before} -> {after}"),
        };
        let did = actions(turn).join("; ");
        let reason = &turn.after.reason;
        let time = self.time(turn.unix_us);
        let differs = if turn.differs.is_some() { " | differs" } else { "" };
        line(&format!("{time} | {change} | {happened} | {did} | {reason}{differs}"))
    }

    /// The first one is told at once, all are counted: after a first difference the two go on from
    /// different states.
    fn differs(&mut self, unix_us: u64, what: &str, place: &Place<'_>) -> anyhow::Result<()> {
        self.total.differing += 1;
        if self.total.first_difference.is_some() {
            return Ok(());
        }
        let Place { path, number, offset } = place;
        let place = format!("{}: record {number} at byte {offset}", path.display());
        self.note(&format!("{}, {place}: {what}", rfc3339(unix_us)))?;
        self.total.first_difference = Some(place);
        Ok(())
    }

    /// Something about the record itself; beside the story where that is for a program.
    fn note(&self, text: &str) -> anyhow::Result<()> {
        if self.options.json {
            operate::warn(&format!("keepair: {}\n", printable(text)));
            Ok(())
        } else {
            line(&format!("*** {text}"))
        }
    }

    fn shows(&mut self, unix_us: u64) -> bool {
        self.window.zero_us.get_or_insert(unix_us);
        (self.window.from_us..=self.window.to_us).contains(&unix_us)
    }

    fn time(&self, unix_us: u64) -> String {
        let zero = self.window.zero_us.unwrap_or(unix_us);
        let sign = if unix_us < zero { '-' } else { '+' };
        let apart = unix_us.abs_diff(zero);
        let apart = format!("{sign}{}.{:06}", apart / 1_000_000, apart % 1_000_000);
        format!("{} {apart:>13}", rfc3339(unix_us))
    }

    fn sum_up(&self, whole: bool) -> anyhow::Result<()> {
        let Total { inputs, decisions, snapshots, lost, differing, .. } = &self.total;
        if self.options.json {
            return out(&json!({ "summary": {
                "inputs": inputs,
                "decisions": decisions,
                "snapshots": snapshots,
                "inputs_lost": lost,
                "differing": differing,
                "first_difference": self.total.first_difference,
                "whole": whole,
                "version": VERSION,
            }}));
        }
        let verdict = match &self.total.first_difference {
            None => "all decided as recorded".to_owned(),
            Some(first) => {
                format!("{differing} decided otherwise than recorded, from {first} on")
            }
        };
        let lost = match lost {
            0 => String::new(),
            lost => format!(", {lost} not recorded"),
        };
        let end = if whole { "" } else { ", as far as the record can be read" };
        line(&format!("{inputs} inputs{lost}, {decisions} decisions: {verdict}{end}"))?;
        match &self.total.other_version {
            Some(version) => line(&format!(
                "recorded by keepair {version}, replayed by {VERSION}: what the two did was \
                 compared, not how they keep their state"
            )),
            None => Ok(()),
        }
    }
}

fn difference_words(difference: Difference, turn: &Turn, happened: &str) -> String {
    let names: Vec<&str> = turn.actions.iter().map(say::name).collect();
    let recorded = turn.recorded.as_ref().map_or("", |recorded| recorded.did.as_str());
    let nothing = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
    let ours = names.join(" ");
    let this = nothing(
        &turn.actions.iter().map(|it| say::action(turn.at, it)).collect::<Vec<_>>().join("; "),
    );
    match difference {
        Difference::State => format!(
            "after {happened}, the same actions, but this keepair ends in another state: {}",
            words(&turn.after)
        ),
        Difference::Actions if ours == recorded => format!(
            "after {happened}, the recorded daemon did the same actions with other contents; this \
             keepair would: {this}"
        ),
        Difference::Actions => format!(
            "after {happened}, the recorded daemon did {}; this keepair would: {this}",
            nothing(recorded)
        ),
    }
}

/// In words; a change of state is shown by itself.
fn actions(turn: &Turn) -> Vec<String> {
    let told = |action: &&Action| !matches!(action, Action::Tell(Event::StateChanged { .. }));
    turn.actions.iter().filter(told).map(|action| say::action(turn.at, action)).collect()
}

fn words(view: &View) -> String {
    match view.doing {
        Some(doing) => format!("{} ({doing})", view.state),
        None => view.state.to_string(),
    }
}

fn view(view: &View) -> Value {
    json!({ "state": view.state.as_str(), "doing": view.doing, "reason": view.reason })
}

fn rfc3339(unix_us: u64) -> String {
    // A damaged clock is no reason to end: what can't be written as a date is cut.
    const YEAR_9999: u64 = 253_402_300_799;
    let time = Duration::from_micros(unix_us).min(Duration::from_secs(YEAR_9999));
    let time: SystemTime = UNIX_EPOCH + time;
    humantime::format_rfc3339_micros(time).to_string()
}

fn out(value: &Value) -> anyhow::Result<()> {
    operate::show(&format!("{value}\n"))
}

fn line(text: &str) -> anyhow::Result<()> {
    operate::show(&format!("{}\n", printable(text)))
}

/// What comes out of a file does not move the cursor of a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
