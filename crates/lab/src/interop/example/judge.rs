//! What two daemons made of the example, side by side.

use std::time::Duration;

use super::Course;
use super::converted::OUTAGE_MAX;

/// What the scripts wrote, without the times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The checks' results, each as often as it changed: how many checks there were is chance.
    pub checks: Vec<String>,
    /// Everything else.
    pub rest: Vec<String>,
}

impl Log {
    /// Reads a file of lines with `date`'s times in them.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            let line = without_time(line);
            if !line.contains("CHECK") {
                log.rest.push(line);
            } else if log.checks.last() != Some(&line) {
                log.checks.push(line);
            }
        }
        log
    }
}

/// `[CHECK] Sun Nov 22 23:30:21 UTC 2026, SUCCESS` and `2026-11-22 23:30:21 MASTER`.
fn without_time(line: &str) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    if let Some((tag, date)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] "))
        && (DAYS.iter().any(|day| date.starts_with(day)) || is_number(date))
    {
        let said = date.split_once(", ").map_or("", |(_, said)| said);
        return format!("[{tag}] {said}").trim_end().to_owned();
    }
    let mut words = line.split(' ');
    let (date, time) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_time = is_number(date) && date.contains('-') && is_number(time) && time.contains(':');
    if is_time { words.collect::<Vec<_>>().join(" ") } else { line.to_owned() }
}

/// keepair may be later than keepalived by an interval of adverts, whose phase is chance, and by what
/// a busy machine adds.
const LATER: Duration = Duration::from_millis(1200);

/// What is wrong with the outages of the converted pair, which are in order of length.
#[must_use]
pub fn converted(outages: &[Duration]) -> Option<String> {
    let Some(median) = outages.get(outages.len() / 2) else {
        return Some("converted: Redis was never killed".to_owned());
    };
    let late = *median > OUTAGE_MAX;
    late.then(|| format!("converted: writes again after {outages:?}, median above {OUTAGE_MAX:?}"))
}

/// Everything that is not as it must be.
#[must_use]
pub fn compare(keepalived: &Course, keepair: &Course) -> Vec<String> {
    let mut wrong: Vec<String> =
        [keepalived, keepair].into_iter().filter_map(|c| c.wrong.clone()).collect();
    if keepalived.moves != keepair.moves {
        wrong.push(format!("moves: {:?}, {:?}", keepalived.moves, keepair.moves));
    }
    for (name, log) in &keepalived.logs {
        let other = keepair.logs.get(name);
        if other != Some(log) {
            let (one, other) = (format!("{log:?}"), format!("{other:?}"));
            wrong.push(format!(
                "{name}:\n    {}: {one}\n    {}: {other}",
                keepalived.kind, keepair.kind
            ));
        }
        if log.rest.is_empty() && log.checks.is_empty() {
            wrong.push(format!("{name}: nobody wrote anything"));
        }
    }
    for (name, took) in &keepalived.times {
        match keepair.times.get(name) {
            Some(other) if *other > *took + LATER => {
                wrong.push(format!("{name}: {other:?} under {}, {took:?} before", keepair.kind));
            }
            Some(_) => {}
            None => wrong.push(format!("{name}: not reached under {}", keepair.kind)),
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_and_words_stay() {
        let text = "[CHECK] Sun Nov 22 23:30:21 UTC 2026, SUCCESS\n\
                    [CHECK] Sun Nov 22 23:30:22 UTC 2026, SUCCESS\n\
                    [MASTER] Sun Nov 22 23:30:23 UTC 2026\n\
                    Run SLAVEOF NO ONE cmd\n\
                    [CHECK] Sun Nov 22 23:30:24 UTC 2026, ERROR\n\
                    2026-11-22 23:30:25 BACKUP\n\
                    2026-11-22 23:30:26 CHECK PONG\n\
                    OK\n";
        let log = Log::read(text);
        assert_eq!(log.checks, ["[CHECK] SUCCESS", "[CHECK] ERROR", "CHECK PONG"]);
        assert_eq!(log.rest, ["[MASTER]", "Run SLAVEOF NO ONE cmd", "BACKUP", "OK"]);
    }

    #[test]
    fn converted_it_is_the_median_that_counts() {
        let ms = |all: [u64; 3]| all.map(Duration::from_millis);
        assert_eq!(converted(&ms([3, 5, 90])), None);
        assert!(converted(&ms([3, 16, 17])).is_some());
        assert!(converted(&[]).is_some());
    }
}
