//! A part of a replication stream, command by command: which database it is about, and what clients
//! wrote in it.
//!
//! A primary's stream holds more than that: `PING`s, questions to the replicas, and a `DEL` or
//! `UNLINK` for each key that has expired or was evicted. The latter look as if a client had sent
//! them. What can be told: Redis writes its own in capitals and with one key; and where the same
//! part of the stream gave the key a time to live that has passed by now, the key is gone in either
//! case. Such a deletion is [`What::Expired`]. Every other one counts as a client's.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use crate::command::{Reach, number, reach};
use crate::resp::{DecodeError, Decoder, Limits, Value};

/// What a command in a stream is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `PING`, `REPLCONF`: the link itself.
    KeepAlive,
    /// `SELECT`.
    Select,
    /// `MULTI` or `EXEC`.
    Frame,
    /// `PUBLISH`: nothing is left of it.
    Message,
    /// The deletion of a key whose time to live, given to it in this part of the stream, is over.
    Expired,
    /// A change of the data.
    Write,
}

/// One command of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The offset of its first byte.
    pub offset: i64,
    /// The offset of its last byte.
    pub end: i64,
    /// The selected database; `None` where the part of the stream does not say.
    pub db: Option<u64>,
    /// Between a `MULTI` and its `EXEC`.
    pub in_transaction: bool,
    /// Its name and arguments.
    pub args: Vec<Vec<u8>>,
    /// What it is there for.
    pub what: What,
}

impl Entry {
    /// Whether Redis may have written it by itself, for a key that expired or was evicted.
    pub fn may_be_an_expiry(&self) -> bool {
        self.what == What::Expired || is_own_deletion(&self.args)
    }
}

/// Why this is not a replication stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It is not RESP.
    Resp(DecodeError),
    /// It is something else than a command, which is a list of strings.
    NoCommand,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Resp(error) => error.fmt(f),
            Error::NoCommand => write!(f, "something that is not a command"),
        }
    }
}

impl core::error::Error for Error {}

/// What one command may take: the largest string a server accepts, and some.
const LIMITS: Limits =
    Limits { depth: 1, bulk_bytes: 512 << 20, elements: 1 << 24, message_bytes: 1 << 30 };

/// Reads a part of a stream that comes in pieces.
#[derive(Debug)]
pub struct Reader {
    decoder: Decoder,
    from: i64,
    db: Option<u64>,
    in_transaction: bool,
    now_unix_ms: i64,
    /// When keys end that were given a time to live.
    ends: BTreeMap<(Option<u64>, Vec<u8>), i64>,
}

impl Reader {
    /// Begins with the byte at the offset `from`, where `db` is selected, if that is known. Times to
    /// live that are over at `now_unix_ms` have passed.
    pub fn new(from: i64, db: Option<u64>, now_unix_ms: i64) -> Self {
        Reader {
            decoder: Decoder::new(LIMITS),
            from,
            db,
            in_transaction: false,
            now_unix_ms,
            ends: BTreeMap::new(),
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// The offset of the first byte that belongs to no command returned so far.
    pub fn offset(&self) -> i64 {
        let taken = i64::try_from(self.decoder.taken()).unwrap_or(i64::MAX);
        self.from.saturating_add(taken)
    }

    /// The database that is selected there, if that is known.
    pub fn db(&self) -> Option<u64> {
        self.db
    }

    /// The last command belongs to a transaction that goes on.
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Passes over whole commands up to the offset `to`, as far as they have come. From there on times to
    /// live count that are over at `now_unix_ms`.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn pass(&mut self, to: i64, now_unix_ms: i64) -> Result<(), Error> {
        while self.offset() < to && self.next()?.is_some() {}
        self.ends.clear();
        self.now_unix_ms = now_unix_ms;
        Ok(())
    }

    /// The next whole command; `None` if more bytes are needed. An error is final.
    // An iterator would have to choose between "no more" and "not yet".
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry>, Error> {
        let offset = self.offset();
        let Some(value) = self.decoder.next().map_err(Error::Resp)? else {
            return Ok(None);
        };
        let Value::Array(items) = value else {
            return Err(Error::NoCommand);
        };
        let args: Option<Vec<Vec<u8>>> = items
            .into_iter()
            .map(|item| match item {
                Value::Bulk(bytes) => Some(bytes),
                _ => None,
            })
            .collect();
        let args = args.filter(|args| !args.is_empty()).ok_or(Error::NoCommand)?;
        let what = self.classify(&args);
        let in_transaction = self.in_transaction;
        let end = self.offset().saturating_sub(1);
        Ok(Some(Entry { offset, end, db: self.db, in_transaction, args, what }))
    }

    fn classify(&mut self, args: &[Vec<u8>]) -> What {
        match reach(args) {
            Reach::KeepAlive => What::KeepAlive,
            Reach::Select(db) => {
                self.db = Some(db);
                What::Select
            }
            Reach::Multi => {
                self.in_transaction = true;
                What::Frame
            }
            Reach::Exec => {
                self.in_transaction = false;
                What::Frame
            }
            Reach::Message => What::Message,
            Reach::Keys(_) => {
                let over = |end: &i64| *end <= self.now_unix_ms;
                let key = |name: &[u8]| (self.db, name.to_vec());
                let first = args.get(1).map(|name| key(name));
                if is_own_deletion(args) {
                    let end = first.and_then(|key| self.ends.remove(&key));
                    return if end.as_ref().is_some_and(over) {
                        What::Expired
                    } else {
                        What::Write
                    };
                }
                match (first, end_of(args)) {
                    (Some(key), Life::Ends(at)) => {
                        self.ends.insert(key, at);
                    }
                    (Some(key), Life::Unknown) => {
                        self.ends.remove(&key);
                    }
                    _ => {}
                }
                What::Write
            }
            Reach::Everything | Reach::Unknown => {
                self.ends.clear();
                What::Write
            }
            Reach::Server => What::Write,
        }
    }
}

/// The database that is selected at the end of a part of a stream, which may begin in the middle of
/// a command. `None` when there is no `SELECT` in it from which on it can be read to its end.
pub fn database_at_end(bytes: &[u8]) -> Option<u64> {
    const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n";
    let places = bytes.windows(SELECT.len()).enumerate().rev();
    // A value that is full of them is not worth the time.
    let mut places = places.filter(|(_, window)| *window == SELECT).map(|(at, _)| at).take(64);
    places.find_map(|at| {
        // It may be a part of somebody's value: then what follows is no stream.
        let rest = bytes.get(at..)?;
        let mut reader = Reader::new(0, None, 0);
        reader.push(rest);
        while reader.next().ok()?.is_some() {}
        (usize::try_from(reader.offset()) == Ok(rest.len())).then_some(reader.db).flatten()
    })
}

/// `DEL` or `UNLINK` of one key, written as Redis writes it by itself.
fn is_own_deletion(args: &[Vec<u8>]) -> bool {
    match args {
        [name, _] => name == b"DEL" || name == b"UNLINK",
        _ => false,
    }
}

/// What a command does to the time to live of its first key.
#[derive(Debug, PartialEq, Eq)]
enum Life {
    /// It ends then, in Unix milliseconds.
    Ends(i64),
    /// There is none any more, or one that the command does not say.
    Unknown,
    /// As before.
    Same,
}

fn end_of(args: &[Vec<u8>]) -> Life {
    let is = |at: usize, word: &str| {
        args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    let at = |at: usize, unit_ms: i64| {
        let end = args.get(at).and_then(number).and_then(|end| i64::try_from(end).ok());
        end.map_or(Life::Unknown, |end| Life::Ends(end.saturating_mul(unit_ms)))
    };
    if is(0, "PEXPIREAT") {
        return at(2, 1);
    }
    if is(0, "EXPIREAT") {
        return at(2, 1000);
    }
    if is(0, "SET") {
        let words = 3..args.len();
        return match words.clone().find(|word| is(*word, "PXAT") || is(*word, "EXAT")) {
            Some(word) if is(word, "PXAT") => at(word + 1, 1),
            Some(word) => at(word + 1, 1000),
            None if words.clone().any(|word| is(word, "KEEPTTL")) => Life::Same,
            None => Life::Unknown,
        };
    }
    let replaces = [
        "PERSIST", "EXPIRE", "PEXPIRE", "SETEX", "PSETEX", "GETSET", "RESTORE", "RENAME",
        "RENAMENX", "MSET", "DEL", "UNLINK", "COPY", "MOVE", "GETDEL", "GETEX",
    ];
    if replaces.iter().any(|word| is(0, word)) { Life::Unknown } else { Life::Same }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::encode_command;
    use alloc::format;
    use alloc::string::{String, ToString};

    fn stream(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_command(&args, &mut bytes);
        }
        bytes
    }

    fn read(bytes: &[u8], piece: usize) -> Vec<Entry> {
        let mut reader = Reader::new(101, None, 5_000);
        let mut entries = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            while let Some(entry) = reader.next().unwrap() {
                entries.push(entry);
            }
        }
        assert_eq!(reader.offset(), 101 + bytes.len() as i64);
        entries
    }

    #[test]
    fn every_command_has_its_database_its_offsets_and_its_reason() {
        let rows = [
            ("PING", What::KeepAlive, None),
            ("SET a 1", What::Write, None),
            ("SELECT 3", What::Select, Some(3)),
            ("SET a 1 PXAT 4000", What::Write, Some(3)),
            ("SELECT 0", What::Select, Some(0)),
            // The same name in another database.
            ("DEL a", What::Write, Some(0)),
            ("SELECT 3", What::Select, Some(3)),
            ("DEL a", What::Expired, Some(3)),
            ("DEL a", What::Write, Some(3)),
            ("REPLCONF GETACK *", What::KeepAlive, Some(3)),
            ("MULTI", What::Frame, Some(3)),
            ("INCR b", What::Write, Some(3)),
            ("EXEC", What::Frame, Some(3)),
            ("PUBLISH c hello", What::Message, Some(3)),
            ("NEW.COMMAND x", What::Write, Some(3)),
        ];
        let lines: Vec<&str> = rows.iter().map(|(line, ..)| *line).collect();
        let bytes = stream(&lines);
        let whole = read(&bytes, bytes.len());
        assert_eq!(whole, read(&bytes, 1), "however it is cut");
        assert_eq!(whole.len(), rows.len());
        let mut next = 101;
        for (entry, (line, what, db)) in whole.iter().zip(rows) {
            assert_eq!((entry.what, entry.db), (what, db), "{line}");
            assert_eq!(entry.offset, next, "{line}");
            assert_eq!(entry.end - entry.offset + 1, stream(&[line]).len() as i64);
            assert_eq!(entry.in_transaction, ["MULTI", "INCR b"].contains(&line), "{line}");
            next = entry.end + 1;
        }
    }

    #[test]
    fn which_deletions_are_expiries() {
        // It is 5,000 ms.
        let rows: [(&[&str], What, bool); 13] = [
            (&["SET a 1 PXAT 4999", "DEL a"], What::Expired, true),
            (&["SET a 1 EXAT 4", "DEL a"], What::Expired, true),
            (&["SET a 1", "PEXPIREAT a 5000", "UNLINK a"], What::Expired, true),
            // Its time had not come yet: somebody deleted it.
            (&["SET a 1 PXAT 5001", "DEL a"], What::Write, true),
            // By hand: Redis writes it in capitals, and one key at a time.
            (&["SET a 1 PXAT 4999", "del a"], What::Write, false),
            (&["SET a 1 PXAT 4999", "DEL a b"], What::Write, false),
            // It has no time to live any more.
            (&["SET a 1 PXAT 4999", "PERSIST a", "DEL a"], What::Write, true),
            (&["SET a 1 PXAT 4999", "SET a 2", "DEL a"], What::Write, true),
            (&["SET a 1 PXAT 4999", "SET a 2 KEEPTTL", "DEL a"], What::Expired, true),
            (&["SET a 1 PXAT 4999", "FLUSHALL", "DEL a"], What::Write, true),
            (&["SET a 1 PXAT 4999", "APPEND a 2", "DEL a"], What::Expired, true),
            // Given before: nothing tells.
            (&["SET b 1", "DEL a"], What::Write, true),
            (&["SET a 1 PXAT x", "DEL a"], What::Write, true),
        ];
        for (lines, what, maybe) in rows {
            let entries = read(&stream(lines), 7);
            let last = entries.last().unwrap();
            assert_eq!((last.what, last.may_be_an_expiry()), (what, maybe), "{lines:?}");
        }
    }

    #[test]
    fn the_database_at_the_end_of_half_a_stream() {
        let value = "*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n";
        let set = format!("*3\r\n$3\r\nSET\r\n$1\r\na\r\n${}\r\n{value}\r\n", value.len());
        let lines = |lines: &[&str]| String::from_utf8(stream(lines)).unwrap();
        for (text, db) in [
            (lines(&["SELECT 3", "SET a 1"]), Some(3)),
            (lines(&["SELECT 3", "SET a 1", "SELECT 0", "PING"]), Some(0)),
            ("ET\r\n$1\r\nb\r\n".to_string() + &lines(&["SELECT 12", "DEL a"]), Some(12)),
            (lines(&["SET a 1"]), None),
            (lines(&["SELECT x"]), None),
            (String::new(), None),
            // It looks like one, and is a value.
            (lines(&["SELECT 3"]) + &set, Some(3)),
            (set.clone(), None),
            (lines(&["SELECT 3"]) + set.get(..40).unwrap(), None),
        ] {
            assert_eq!(database_at_end(text.as_bytes()), db, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for (bytes, error) in [
            (&b"+OK\r\n"[..], "something that is not a command"),
            (b"*0\r\n", "something that is not a command"),
            (b"*1\r\n:1\r\n", "something that is not a command"),
            (b"*1\r\n*1\r\n$1\r\na\r\n", "nested too deeply"),
            (b"*1\r\n$999999999999\r\n", "too long"),
            (b"garbage\r\n", "no RESP type begins with byte 0x67"),
        ] {
            let mut reader = Reader::new(1, None, 0);
            reader.push(bytes);
            let found = reader.next().unwrap_err();
            let shown: String = format!("{found}");
            assert_eq!(shown, error, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
