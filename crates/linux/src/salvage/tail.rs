//! The end of the local Redis's stream: from its backlog into a file of commands, and a note beside
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::time::Instant;

use keepair_core::config::Generation;
use keepair_core::input::Kept;
use keepair_wire::command::{Reach, reach};
use keepair_wire::info::{Info, ReplId};
use keepair_wire::resp::encode_command;
use keepair_wire::tail::{Entry, Reader, What, database_at_end};
use serde_json::{Value, json};

use super::copy::Copy;
use super::shelf::{self, Draft, Kind};
use super::{Place, unix_ms};
use crate::redis::Access;
use crate::redis::dialogue::Dialogue;

/// So many bytes before the tail are looked through for the database that is selected in it.
const BEFORE_BYTES_MAX: i64 = 16 << 20;

/// Which tail.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    /// `master_replid` of the local Redis.
    pub replid: ReplId,
    /// The offset of the first byte.
    pub from: i64,
    /// The history that overwrites it.
    pub newer: ReplId,
    /// The newest generation that the data belongs to.
    pub generation: Generation,
}

/// What was counted while it was read.
#[derive(Debug, Default)]
struct Counts {
    commands: u64,
    expired: u64,
    may_be_expired: u64,
    messages: u64,
    unknown: u64,
    everything: u64,
    keys: BTreeSet<(Option<u64>, Vec<u8>)>,
    by_database: BTreeMap<Option<u64>, u64>,
    by_command: BTreeMap<String, u64>,
    /// Offset and length of what the file leaves out.
    left_out: Vec<(i64, i64)>,
}

impl Counts {
    fn take(&mut self, entry: &Entry) {
        match entry.what {
            What::KeepAlive | What::Message => {
                self.messages += u64::from(entry.what == What::Message);
                let bytes = entry.end - entry.offset + 1;
                match self.left_out.last_mut() {
                    Some((at, len)) if *at + *len == entry.offset => *len += bytes,
                    _ => self.left_out.push((entry.offset, bytes)),
                }
                return;
            }
            What::Select | What::Frame => return,
            What::Expired => self.expired += 1,
            What::Write => {
                self.commands += 1;
                self.may_be_expired += u64::from(entry.may_be_an_expiry());
                *self.by_database.entry(entry.db).or_default() += 1;
                let name = entry.args.first().map(|name| name.to_ascii_uppercase());
                let name = String::from_utf8_lossy(&name.unwrap_or_default()).into_owned();
                *self.by_command.entry(name).or_default() += 1;
            }
        }
        match reach(&entry.args) {
            Reach::Keys(keys) if entry.what == What::Write => {
                let keys = keys.iter().map(|key| (key.db.or(entry.db), key.name.to_vec()));
                self.keys.extend(keys);
            }
            Reach::Everything => self.everything += 1,
            Reach::Unknown => self.unknown += 1,
            _ => {}
        }
    }

    fn databases(&self) -> Value {
        let mut keys: BTreeMap<Option<u64>, u64> = BTreeMap::new();
        for (db, _) in &self.keys {
            *keys.entry(*db).or_default() += 1;
        }
        let named = |db: &Option<u64>| db.map_or("unknown".to_owned(), |db| db.to_string());
        self.by_database
            .iter()
            .map(|(db, commands)| {
                let keys = keys.get(db).copied().unwrap_or(0);
                (named(db), json!({ "commands": commands, "keys": keys }))
            })
            .collect()
    }
}

/// Reads it and keeps it.
///
/// # Errors
/// When the backlog does not reach it, Redis does not answer in time, or the disk refuses.
pub fn keep(access: &Access, place: &Place, tail: &Tail, until: Instant) -> io::Result<Kept> {
    let mut redis = Dialogue::open(access, until)?;
    let (text, info) = redis.info()?;
    if info.master_replid != Some(tail.replid) {
        return Err(io::Error::other("Redis has begun another history meanwhile"));
    }
    let to = info.master_repl_offset.unwrap_or(-1);
    if to < tail.from {
        return Ok(Kept::Nothing { to });
    }
    let first = backlog_start(&info)
        .filter(|first| *first <= tail.from)
        .ok_or_else(|| io::Error::other("the backlog of Redis does not reach back to it"))?;
    let (first_bytes, db) = begin(&mut redis, &text, tail.replid, first, tail.from)?;
    let mut buf = vec![0; 64 * 1024];
    let now_ms = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
    let mut reader = Reader::new(tail.from, db, now_ms);
    reader.push(&first_bytes);
    drop(first_bytes);
    write(place, tail, reader, to, |reader| {
        let count = redis.read(&mut buf)?;
        reader.push(buf.get(..count).unwrap_or(&[]));
        Ok(true)
    })
}

/// Asks for the stream so that it comes from the offset `from` on: the first bytes of that, and the database
/// selected there, if anything tells. Looks for it in what comes before, from the offset `first` on, and
/// in `info`.
pub(super) fn begin(
    redis: &mut Dialogue,
    info: &str,
    replid: ReplId,
    first: i64,
    from: i64,
) -> io::Result<(Vec<u8>, Option<u64>)> {
    let start = first.max(from - BEFORE_BYTES_MAX);
    let mut bytes = redis.stream(&replid.to_string(), start)?;
    let before_bytes = usize::try_from(from - start).map_err(io::Error::other)?;
    let mut buf = vec![0; 64 * 1024];
    while bytes.len() < before_bytes {
        let count = redis.read(&mut buf)?;
        bytes.extend_from_slice(buf.get(..count).unwrap_or(&[]));
    }
    let first_bytes = bytes.split_off(before_bytes);
    Ok((first_bytes, database_at_end(&bytes).or_else(|| only_database(info))))
}

/// Keeps the part of a copy that begins with the tail.
///
/// # Errors
/// When the copy does not hold it, or the disk refuses or takes too long.
pub fn keep_copied(copy: Copy, place: &Place, tail: &Tail, until: Instant) -> io::Result<Kept> {
    let (reader, mut pieces) = copy.tail(tail.from)?;
    write(place, tail, reader, i64::MAX, |reader| {
        if Instant::now() > until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
        }
        let piece = pieces.pop_front();
        piece.iter().for_each(|piece| reader.push(piece));
        Ok(piece.is_some())
    })
}

/// Writes the commands up to the one with the offset `to`, or until `more` can push nothing more.
fn write(
    place: &Place,
    tail: &Tail,
    mut reader: Reader,
    to: i64,
    mut more: impl FnMut(&mut Reader) -> io::Result<bool>,
) -> io::Result<Kept> {
    let now_ms = unix_ms();
    let name = shelf::name(Kind::Tail, now_ms, place.vrid);
    let mut file = BufWriter::new(Draft::begin(&place.dir, &format!("{name}.resp"))?);
    let mut counts = Counts::default();
    let mut out = Vec::new();
    // A Redis that crashed may have sent a part of a transaction, which nobody else would execute.
    let mut begun: Vec<Entry> = Vec::new();
    let db = reader.db();
    if let Some(db) = db {
        encode_command(&[b"SELECT", db.to_string().as_bytes()], &mut out);
        file.write_all(&out)?;
    }
    loop {
        while reader.offset() <= to
            && let Some(entry) = reader.next().map_err(io::Error::other)?
        {
            begun.push(entry);
            if reader.in_transaction() {
                continue;
            }
            for entry in begun.drain(..) {
                counts.take(&entry);
                if matches!(entry.what, What::KeepAlive | What::Message) {
                    continue;
                }
                let args: Vec<&[u8]> = entry.args.iter().map(Vec::as_slice).collect();
                out.clear();
                encode_command(&args, &mut out);
                // Whoever reads the file counts on it.
                if out.len() as i64 != entry.end - entry.offset + 1 {
                    return Err(io::Error::other("a command that Redis would not write so"));
                }
                file.write_all(&out)?;
            }
        }
        if reader.offset() > to || !more(&mut reader)? {
            break;
        }
    }
    let to = begun.first().map_or(reader.offset(), |entry| entry.offset) - 1;
    if counts.commands + counts.expired == 0 {
        return Ok(Kept::Nothing { to });
    }
    let keys = counts.keys.len() as u64;
    let note = json!({
        "version": 1,
        "unix_ms": now_ms,
        "machine": place.machine,
        "virtual_router_id": place.vrid,
        "generation": tail.generation.0,
        "replid": tail.replid.to_string(),
        "newer_replid": tail.newer.to_string(),
        "first_offset": tail.from,
        "last_offset": to,
        "first_database": db,
        "commands": counts.commands,
        "keys": keys,
        "expired": counts.expired,
        "may_be_expired": counts.may_be_expired,
        "messages": counts.messages,
        "commands_with_unknown_keys": counts.unknown,
        "commands_on_everything": counts.everything,
        "databases": counts.databases(),
        "by_command": counts.by_command,
        "left_out": counts.left_out,
    });
    let draft = file.into_inner().map_err(|error| error.into_error())?;
    // The note first: commands without it could not be judged.
    shelf::write(&place.dir, &format!("{name}.json"), &format!("{note}\n"))?;
    draft.finish()?;
    shelf::sync(&place.dir)?;
    Ok(Kept::Tail { to, commands: counts.commands, keys })
}

/// The offset of the first byte in the backlog, if there is one.
pub(super) fn backlog_start(info: &Info) -> Option<i64> {
    info.repl_backlog_first_byte_offset.filter(|_| info.repl_backlog_active == Some(true))
}

/// The one database that holds keys, by INFO's keyspace.
pub(super) fn only_database(info: &str) -> Option<u64> {
    let mut databases = info.lines().filter_map(|line| {
        let (db, rest) = line.strip_prefix("db")?.split_once(':')?;
        rest.starts_with("keys=").then(|| db.parse().ok()).flatten()
    });
    match (databases.next(), databases.next()) {
        (Some(db), None) => Some(db),
        (None, None) => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::only_database;

    #[test]
    fn the_only_database() {
        for (info, db) in [
            ("db0:keys=3,expires=0\r\n", Some(0)),
            ("role:master\r\ndb7:keys=3,expires=0\r\n", Some(7)),
            ("db0:keys=3\r\ndb1:keys=1\r\n", None),
            ("db0_distrib_strings_sizes:1=2\r\ndb7:keys=3\r\n", Some(7)),
            ("", Some(0)),
        ] {
            assert_eq!(only_database(info), db, "{info:?}");
        }
    }
}
