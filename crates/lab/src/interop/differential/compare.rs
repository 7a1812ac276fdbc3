//! What was seen in the networks, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::config::OWN;
use crate::interop::timeline::{Seen, What};

/// One change: when, and to what.
pub type Entry = (Instant, String);
/// What changes, and how it did, in order.
pub type Streams = BTreeMap<String, Vec<Entry>>;

/// So long after a reload, keepalived computes its priorities anew from what is in the file, and tells
/// of them as if they had changed, and as BACKUP_PRIORITY also while it is MASTER. What the priority is
/// then, the next notice says (docs/conformance/differential.md).
const RELOADING: Duration = Duration::from_millis(300);

/// Farewells as close as this are one: keepalived says it once or twice (docs/conformance/router.md).
const ONE_FAREWELL: Duration = Duration::from_millis(50);

/// The changes within a time, by what changes. Of the adverts every farewell is one; a priority is
/// told by the FIFO, and whether an advert goes out while it lasts is chance. FAULT that is told again
/// is no change: keepalived does so after a reload, when one thing more breaks.
#[must_use]
pub fn streams(seen: &[Seen], from: Instant, to: Instant, reloads: &[Instant]) -> Streams {
    let mut streams = Streams::new();
    let reloading = |at: Instant| {
        reloads.iter().any(|reload| at >= *reload && at.duration_since(*reload) < RELOADING)
    };
    for Seen { at, what, .. } in seen.iter().filter(|s| s.at >= from && s.at < to) {
        let (stream, value) = match what {
            What::Told(n) if n.state.ends_with("_PRIORITY") && reloading(*at) => continue,
            What::Told(n) => {
                (format!("{} {}", n.kind, n.name), format!("{} {}", n.state, n.priority))
            }
            What::Gained(address) => (format!("address {address}"), "gained".to_owned()),
            What::Lost(address) => (format!("address {address}"), "lost".to_owned()),
            What::Advert(advert) if is_own(advert.source) && advert.priority == 0 => {
                let family = if advert.source.is_ipv4() { "IPv4" } else { "IPv6" };
                (format!("farewells for {} {family}", advert.vrid), "priority 0".to_owned())
            }
            What::Advert(_) | What::Did(_) => continue,
        };
        let stream = streams.entry(stream).or_default();
        let again = match what {
            What::Advert(_) => {
                stream.last().is_some_and(|(last, _)| at.duration_since(*last) < ONE_FAREWELL)
            }
            What::Told(n) if n.state == "FAULT" => {
                let state = stream.iter().rev().find(|(_, v)| !v.contains("_PRIORITY"));
                state.is_some_and(|(_, value)| value.starts_with("FAULT"))
            }
            _ => false,
        };
        if !again {
            stream.push((*at, value));
        }
    }
    streams
}

/// How many adverts, farewells left aside, were sent within a time.
#[must_use]
pub fn adverts(seen: &[Seen], from: Instant, to: Instant) -> usize {
    seen.iter()
        .filter(|s| s.at >= from && s.at < to)
        .filter(|s| match &s.what {
            What::Advert(advert) => is_own(advert.source) && advert.priority != 0,
            _ => false,
        })
        .count()
}

fn is_own(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(a) => a.octets()[3] == OWN,
        IpAddr::V6(a) => a.segments()[7] == u16::from(OWN),
    }
}

/// Where two differ: in which stream, and both of its sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What changes.
    pub stream: String,
    /// How it changed in the first.
    pub wanted: Vec<Entry>,
    /// How it changed in the second.
    pub got: Vec<Entry>,
}

impl Difference {
    /// In words, with times since `begun`.
    #[must_use]
    pub fn words(&self, begun: Instant, first: &str, second: &str) -> Vec<String> {
        let line = |name: &str, list: &[Entry]| {
            let list: Vec<String> = list
                .iter()
                .map(|(at, value)| {
                    let at = at.saturating_duration_since(begun).as_secs_f64();
                    format!("{at:.3} {value}")
                })
                .collect();
            format!("  {name}: {}", if list.is_empty() { "-".to_owned() } else { list.join(", ") })
        };
        vec![self.stream.clone(), line(first, &self.wanted), line(second, &self.got)]
    }
}

/// What a comparison of two found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Streams whose sequences differ.
    pub differences: Vec<Difference>,
    /// How far apart in time equal changes were, each with its stream and its time in the first.
    pub apart: Vec<(Duration, String, Instant)>,
}

impl Comparison {
    /// The streams that differ.
    #[must_use]
    pub fn differing(&self) -> BTreeSet<&str> {
        self.differences.iter().map(|d| d.stream.as_str()).collect()
    }
}

/// Compares everything.
#[must_use]
pub fn compare(first: &Streams, second: &Streams) -> Comparison {
    let mut found = Comparison::default();
    let all: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    for stream in all {
        let wanted = first.get(stream).cloned().unwrap_or_default();
        let got = second.get(stream).cloned().unwrap_or_default();
        let same = wanted.len() == got.len()
            && wanted.iter().zip(&got).all(|((_, one), (_, other))| one == other);
        if !same {
            found.differences.push(Difference { stream: stream.clone(), wanted, got });
            continue;
        }
        for ((one, _), (other, _)) in wanted.iter().zip(&got) {
            let apart = (*one).max(*other) - (*one).min(*other);
            found.apart.push((apart, stream.clone(), *one));
        }
    }
    found
}

/// The largest of so many thousandths of them.
#[must_use]
pub fn quantile(apart: &[(Duration, String, Instant)], permille: usize) -> Duration {
    let mut all: Vec<Duration> = apart.iter().map(|(apart, _, _)| *apart).collect();
    all.sort();
    let index = (all.len() * permille / 1000).min(all.len().saturating_sub(1));
    all.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::fifo;

    fn told(begun: Instant, list: &[(u64, &str)]) -> Vec<Seen> {
        list.iter()
            .map(|(ms, line)| {
                let what = What::Told(fifo::parse(line).expect("a line"));
                Seen { at: begun + Duration::from_millis(*ms), host: 0, what }
            })
            .collect()
    }

    #[test]
    fn equal_sequences_are_compared_in_time_and_unequal_ones_are_differences() {
        let begun = Instant::now();
        let end = begun + Duration::from_secs(60);
        let one = told(
            begun,
            &[
                (10, "INSTANCE \"A\" BACKUP 100"),
                (700, "INSTANCE \"A\" MASTER 100"),
                (20, "INSTANCE \"B\" BACKUP 100"),
            ],
        );
        let other = told(
            begun,
            &[
                (15, "INSTANCE \"A\" BACKUP 100"),
                (690, "INSTANCE \"A\" MASTER 100"),
                (20, "INSTANCE \"B\" BACKUP 101"),
                (30, "INSTANCE \"C\" BACKUP 100"),
            ],
        );
        let found = compare(&streams(&one, begun, end, &[]), &streams(&other, begun, end, &[]));
        assert_eq!(found.differing(), BTreeSet::from(["INSTANCE B", "INSTANCE C"]));
        let apart: Vec<u128> = found.apart.iter().map(|(a, _, _)| a.as_millis()).collect();
        assert_eq!(apart, [5, 10]);
        assert_eq!(quantile(&found.apart, 1000), Duration::from_millis(10));
        let words = found.differences[0].words(begun, "one", "other");
        assert_eq!(words, ["INSTANCE B", "  one: 0.020 BACKUP 100", "  other: 0.020 BACKUP 101"]);
    }

    #[test]
    fn a_fault_told_again_is_no_change_and_one_after_a_recovery_is() {
        let begun = Instant::now();
        let all = told(
            begun,
            &[
                (10, "INSTANCE \"A\" FAULT 1"),
                (20, "INSTANCE \"A\" BACKUP_PRIORITY 2"),
                (30, "INSTANCE \"A\" FAULT 2"),
                (40, "INSTANCE \"A\" BACKUP 2"),
                (50, "INSTANCE \"A\" FAULT 2"),
            ],
        );
        let found = streams(&all, begun, begun + Duration::from_secs(1), &[]);
        let values: Vec<&str> = found["INSTANCE A"].iter().map(|(_, v)| v.as_str()).collect();
        assert_eq!(values, ["FAULT 1", "BACKUP_PRIORITY 2", "BACKUP 2", "FAULT 2"]);
    }

    #[test]
    fn only_what_happened_in_a_segment_belongs_to_it() {
        let begun = Instant::now();
        let all = told(begun, &[(10, "INSTANCE \"A\" BACKUP 1"), (20, "INSTANCE \"A\" MASTER 1")]);
        let middle = begun + Duration::from_millis(15);
        let first = streams(&all, begun, middle, &[]);
        assert_eq!(first["INSTANCE A"].len(), 1);
        assert_eq!(
            streams(&all, middle, begun + Duration::from_secs(1), &[])["INSTANCE A"].len(),
            1
        );
    }
}
