//! The lines of a record, and the check at the end of each.

use keepair_core::time::Time;
use keepair_core::{Input, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sum::{Sums, sum_bytes};

/// One line.
#[derive(Clone, Debug)]
pub enum Record {
    /// The whole node, from which the inputs that follow can be replayed.
    Head(Box<Head>),
    /// The wall clock and the monotonic clock have moved apart.
    Clock(Clock),
    /// An input, and what came of it.
    Handled(Handled),
    /// A line that was not written to its end, because the machine or the daemon ended.
    CutOff {
        /// How much there is of it.
        bytes: u64,
    },
}

/// Why a head was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Why {
    /// The daemon starts; its node has not been told anything.
    Started,
    /// The file before this one was full.
    Rotated,
    /// So many inputs before it are not in the record: the disk did not keep up.
    Lost(u64),
}

/// The whole node at one time.
#[derive(Clone, Debug)]
pub struct Head {
    /// The version of keepair that wrote it.
    pub version: String,
    /// Why it was written.
    pub why: Why,
    /// When, on the daemon's own clock.
    pub at: Time,
    /// The same moment in microseconds since the Unix epoch.
    pub unix_us: u64,
    /// Configuration and state.
    pub node: Node,
}

/// A moment on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// On the daemon's own clock.
    pub at: Time,
    /// In microseconds since the Unix epoch.
    pub unix_us: u64,
}

/// An input, and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Handled {
    /// The time it was handed to the node with.
    pub at: Time,
    /// The input.
    pub input: Input,
    /// `None`: the daemon broke while it handled this one.
    pub outcome: Option<Outcome>,
}

/// What the recorded daemon made of an input.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The names of its actions ([`crate::say::name`]), in order, with a space between two.
    pub did: String,
    /// For comparison.
    pub sums: Sums,
}

#[derive(Serialize)]
pub(crate) struct HeadOut<'a> {
    pub(crate) keepair_record: u32,
    pub(crate) version: &'a str,
    pub(crate) why: Why,
    pub(crate) at: Time,
    pub(crate) unix_us: u64,
    pub(crate) node: &'a Node,
}

/// The part of a head that every format has.
#[derive(Deserialize)]
pub(crate) struct HeadFormat {
    pub(crate) keepair_record: u32,
    pub(crate) version: String,
}

#[derive(Deserialize)]
pub(crate) struct HeadIn {
    pub(crate) version: String,
    pub(crate) why: Why,
    pub(crate) at: Time,
    pub(crate) unix_us: u64,
    pub(crate) node: Node,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ClockLine {
    pub(crate) clock: u64,
    pub(crate) at: Time,
}

#[derive(Serialize)]
pub(crate) struct HandledOut<'a> {
    pub(crate) at: Time,
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<&'a Input>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heard: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) did: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct HandledIn {
    pub(crate) at: Time,
    #[serde(rename = "in")]
    pub(crate) input: Option<Input>,
    pub(crate) info: Option<Map<String, Value>>,
    pub(crate) heard: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) did: String,
    pub(crate) sum: Option<String>,
}

/// The beginning of a line that holds a [`Clock`].
pub(crate) const CLOCK: &[u8] = b"{\"clock\":";
/// Between what is checked and the eight digits of its sum.
const CHECK: &[u8] = b",\"check\":\"";
/// What a whole line ends with, before the line feed.
pub(crate) const END: &[u8] = b"\"}";

/// Closes the object that was appended to `out` at `from`, with the check over it.
pub(crate) fn seal(out: &mut Vec<u8>, from: usize) {
    out.pop();
    let check = sum_bytes(out.get(from..).unwrap_or_default());
    out.extend_from_slice(CHECK);
    out.extend_from_slice(format!("{check:08x}").as_bytes());
    out.extend_from_slice(END);
    out.push(b'\n');
}

/// Whether a line, without its line feed, is what was once sealed.
pub(crate) fn is_whole(line: &[u8]) -> bool {
    let Some((body, digits)) = line
        .strip_suffix(END)
        .and_then(|line| line.split_last_chunk::<8>())
        .and_then(|(line, digits)| Some((line.strip_suffix(CHECK)?, digits)))
    else {
        return false;
    };
    format!("{:08x}", sum_bytes(body)).as_bytes() == digits
}

pub(crate) fn sums_text(sums: Sums) -> String {
    let state = sums.state.map(|state| format!("{state:08x}")).unwrap_or_default();
    format!("{:08x}{state}", sums.actions)
}

pub(crate) fn parse_sums(text: &str) -> Option<Sums> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(text)?;
    let sum = |text: &str| u32::from_str_radix(text, 16).ok();
    match digits.len() {
        8 => Some(Sums { actions: sum(digits)?, state: None }),
        16 => Some(Sums { actions: sum(digits.get(..8)?)?, state: Some(sum(digits.get(8..)?)?) }),
        _ => None,
    }
}
