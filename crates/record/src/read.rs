//! Lines to values. The bytes are untrusted: whatever they are, the answer is a value or a place
//! and a reason.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::delta::{Changes, Last};
use crate::line::{
    CLOCK, Clock, ClockLine, END, Handled, HandledIn, Head, HeadFormat, HeadIn, Outcome, Record,
    Why, is_whole, parse_sums,
};
use crate::{FORMAT, MAGIC, VERSION};

/// Longer lines are no record; a node is some ten thousand bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A record with its place in the file.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Counts from 1.
    pub number: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What it is.
    pub record: Record,
}

/// Why a file can't be read on.
#[derive(Debug)]
pub struct Bad {
    /// The record, counted from 1.
    pub number: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub what: Spoiled,
}

/// What is wrong with a record.
#[derive(Debug)]
pub enum Spoiled {
    /// The file can't be read.
    Io(io::Error),
    /// The file does not begin as a record does.
    NoRecord,
    /// The line is not what was written.
    Damaged,
    /// The line is too long.
    TooLong,
    /// Another program's format.
    Format {
        /// The number of the format.
        format: u32,
        /// The keepair that wrote it.
        version: String,
    },
    /// The line is what was written, and this program doesn't understand it.
    Unknown {
        /// The keepair that wrote it.
        version: String,
        /// What was not understood.
        error: String,
    },
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} at byte {}: ", self.number, self.offset)?;
        match &self.what {
            Spoiled::Io(error) => write!(f, "{error}"),
            Spoiled::NoRecord => write!(f, "this is no record of keepair"),
            Spoiled::Damaged => write!(f, "damaged: its checksum does not fit"),
            Spoiled::TooLong => write!(f, "a line of more than {LINE_BYTES_MAX} bytes"),
            Spoiled::Format { format, version } => write!(
                f,
                "written by keepair {version} in format {format}; this is keepair {VERSION}, which \
                 reads format {FORMAT}"
            ),
            Spoiled::Unknown { version, error } => write!(
                f,
                "written by keepair {version}, and this is keepair {VERSION}, which does not \
                 understand it: {error}"
            ),
        }
    }
}

impl std::error::Error for Bad {}

/// Reads a record; see [`Reader`].
pub fn read<R: BufRead>(from: R) -> Reader<R> {
    Reader {
        from,
        number: 0,
        offset: 0,
        version: VERSION.to_owned(),
        last: Last::default(),
        ahead: None,
        over: false,
    }
}

/// The records of a file, in order, up to the first that can't be read.
pub struct Reader<R> {
    from: R,
    number: u64,
    offset: u64,
    /// Who wrote what is being read.
    version: String,
    last: Last,
    ahead: Option<Placed>,
    over: bool,
}

struct Line {
    number: u64,
    offset: u64,
    bytes: Vec<u8>,
    /// It has its line feed.
    ended: bool,
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Placed, Bad>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(placed) = self.ahead.take() {
            return Some(Ok(placed));
        }
        if self.over {
            return None;
        }
        let found = self.find().transpose();
        self.over = !matches!(found, Some(Ok(_)));
        found
    }
}

impl<R: BufRead> Reader<R> {
    fn find(&mut self) -> Result<Option<Placed>, Bad> {
        let Some(line) = self.line()? else { return Ok(None) };
        let bad = match self.decode(&line) {
            Ok(record) => return Ok(Some(line.placed(record))),
            Err(what) => line.bad(what),
        };
        // A line that was not finished is the last one, or the last one before the daemon was
        // started again.
        let unfinished = !line.ended || !line.bytes.ends_with(END);
        if !matches!(bad.what, Spoiled::Damaged) || !unfinished {
            return Err(bad);
        }
        if line.ended {
            let next = self.line()?;
            match next.map(|next| self.decode(&next).map(|record| next.placed(record))) {
                Some(Ok(next)) if is_start(&next.record) => self.ahead = Some(next),
                _ => return Err(bad),
            }
        }
        let bytes = line.bytes.len() as u64;
        Ok(Some(line.placed(Record::CutOff { bytes })))
    }

    fn line(&mut self) -> Result<Option<Line>, Bad> {
        let mut line =
            Line { number: self.number + 1, offset: self.offset, bytes: Vec::new(), ended: false };
        let read = (&mut self.from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line.bytes);
        let count = read.map_err(|error| line.bad(Spoiled::Io(error)))? as u64;
        if count == 0 {
            return Ok(None);
        }
        line.ended = line.bytes.pop_if(|last| *last == b'\n').is_some();
        if !line.ended && count == LINE_BYTES_MAX {
            return Err(line.bad(Spoiled::TooLong));
        }
        self.number += 1;
        self.offset += count;
        Ok(Some(line))
    }

    fn decode(&mut self, line: &Line) -> Result<Record, Spoiled> {
        let bytes = line.bytes.as_slice();
        let is_head = bytes.starts_with(MAGIC);
        let begins = is_head || (!line.ended && MAGIC.starts_with(bytes));
        if line.number == 1 && !begins {
            return Err(Spoiled::NoRecord);
        }
        if !is_whole(bytes) {
            return Err(Spoiled::Damaged);
        }
        if is_head {
            return self.head(bytes);
        }
        let unknown = |error: &dyn fmt::Display| Spoiled::Unknown {
            version: self.version.clone(),
            error: error.to_string(),
        };
        if bytes.starts_with(CLOCK) {
            let line: ClockLine = serde_json::from_slice(bytes).map_err(|error| unknown(&error))?;
            return Ok(Record::Clock(Clock { at: line.at, unix_us: line.clock }));
        }
        let line: HandledIn = serde_json::from_slice(bytes).map_err(|error| unknown(&error))?;
        let changes = match (line.info, line.heard) {
            (Some(info), None) => Some(Changes::Info(info)),
            (None, Some(heard)) => Some(Changes::Heard(heard)),
            _ => None,
        };
        let input = match (line.input, changes) {
            (Some(input), None) => input,
            (None, Some(changes)) => self.last.apply(changes).map_err(|error| unknown(&error))?,
            _ => return Err(unknown(&"neither an input nor what changed of one")),
        };
        let outcome = match line.sum {
            Some(text) => {
                let sums = parse_sums(&text).ok_or_else(|| unknown(&"`sum` is no sum"))?;
                Some(Outcome { did: line.did, sums })
            }
            None => None,
        };
        Ok(Record::Handled(Handled { at: line.at, input, outcome }))
    }

    fn head(&mut self, bytes: &[u8]) -> Result<Record, Spoiled> {
        let unknown = |version: &str, error: serde_json::Error| Spoiled::Unknown {
            version: version.to_owned(),
            error: error.to_string(),
        };
        let HeadFormat { keepair_record: format, version } =
            serde_json::from_slice(bytes).map_err(|error| unknown("unknown", error))?;
        if format != FORMAT {
            return Err(Spoiled::Format { format, version });
        }
        let head: HeadIn =
            serde_json::from_slice(bytes).map_err(|error| unknown(&version, error))?;
        self.version = version;
        self.last = Last::default();
        let HeadIn { version, why, at, unix_us, node } = head;
        Ok(Record::Head(Box::new(Head { version, why, at, unix_us, node })))
    }
}

fn is_start(record: &Record) -> bool {
    matches!(record, Record::Head(head) if head.why == Why::Started)
}

impl Line {
    fn placed(&self, record: Record) -> Placed {
        Placed { number: self.number, offset: self.offset, record }
    }

    fn bad(&self, what: Spoiled) -> Bad {
        Bad { number: self.number, offset: self.offset, what }
    }
}
