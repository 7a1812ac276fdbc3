//! A tail that was kept, read again: its commands with their offsets, and which of them belong
//! together.
//!
//! Keys that one command names, or one transaction, were changed together, and so were keys that are
//! joined by a chain of those: they are put back together or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};

use keepair_wire::command::{Reach, reach};
use keepair_wire::tail::{Entry, Reader, What};
use serde_json::Value;

use super::shelf::{Item, Kind};

/// A key, with the number of its database.
pub type Key = (u64, Vec<u8>);

/// The commands of a tail.
#[derive(Debug)]
pub struct Tape {
    /// The history it is the end of.
    pub replid: String,
    /// The history that overwrote it.
    pub newer_replid: String,
    /// The offset of the first byte.
    pub first_offset: i64,
    /// The commands, in order.
    pub entries: Vec<Entry>,
}

/// Reads one.
///
/// # Errors
/// When the file or its note can't be read, or they do not belong together.
pub fn load(item: &Item) -> io::Result<Tape> {
    let odd = |what: &str| io::Error::other(format!("{}: {what}", item.path.display()));
    if item.kind != Kind::Tail {
        return Err(odd("these are data files, not commands"));
    }
    let note = &item.note;
    let offset = |name: &str| note[name].as_i64().ok_or_else(|| odd("its note can't be read"));
    let text = |name: &str| note[name].as_str().unwrap_or("").to_owned();
    let (first, last) = (offset("first_offset")?, offset("last_offset")?);
    let mut left_out: BTreeMap<i64, i64> = BTreeMap::new();
    for run in note["left_out"].as_array().into_iter().flatten() {
        let (Some(at), Some(bytes)) = (run[0].as_i64(), run[1].as_i64()) else {
            return Err(odd("its note can't be read"));
        };
        left_out.insert(at, bytes.max(1));
    }
    let mut reader = Reader::new(0, None, i64::try_from(item.unix_ms).unwrap_or(i64::MAX));
    let mut file = File::open(&item.path)?;
    let mut buf = vec![0; 64 * 1024];
    let mut entries = Vec::new();
    let mut next = first;
    // The first command of the file, which the stream does not have.
    let mut added = note["first_database"].is_u64();
    loop {
        while let Some(mut entry) = reader.next().map_err(|error| odd(&error.to_string()))? {
            if std::mem::take(&mut added) {
                continue;
            }
            while let Some(bytes) = left_out.get(&next) {
                next = next.saturating_add(*bytes);
            }
            let bytes = entry.end - entry.offset + 1;
            (entry.offset, entry.end) = (next, next.saturating_add(bytes - 1));
            next = entry.end.saturating_add(1);
            entries.push(entry);
        }
        let count = file.read(&mut buf)?;
        if count == 0 {
            break;
        }
        reader.push(buf.get(..count).unwrap_or(&[]));
    }
    while let Some(bytes) = left_out.get(&next) {
        next = next.saturating_add(*bytes);
    }
    let whole = fs::metadata(&item.path)?.len();
    if next != last.saturating_add(1) || reader.offset() != i64::try_from(whole).unwrap_or(-1) {
        return Err(odd("it is not what its note says"));
    }
    let (replid, newer_replid) = (text("replid"), text("newer_replid"));
    Ok(Tape { replid, newer_replid, first_offset: first, entries })
}

/// What a tail's commands are about, where a server had to be asked about those that are not known
/// here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// These keys.
    Keys(Vec<Key>),
    /// Nobody can say which: why.
    Unclear(&'static str),
    /// No key: scripts and functions.
    Server,
}

/// Says which keys a command names, if anybody knows.
pub type Ask<'a> = dyn FnMut(&[Vec<u8>]) -> io::Result<Option<Vec<Vec<u8>>>> + 'a;

/// What an entry is about. `ask` is asked for the keys of a command that is not known here.
///
/// # Errors
/// Those of `ask`.
pub fn about(entry: &Entry, ask: &mut Ask<'_>) -> io::Result<About> {
    let Some(db) = entry.db else {
        return Ok(About::Unclear("its database is not known"));
    };
    Ok(match reach(&entry.args) {
        Reach::Keys(keys) => {
            About::Keys(keys.iter().map(|key| (key.db.unwrap_or(db), key.name.to_vec())).collect())
        }
        Reach::Everything => About::Unclear("it changes a whole database"),
        Reach::Server => About::Server,
        _ => match ask(&entry.args)? {
            Some(keys) if !keys.is_empty() => {
                About::Keys(keys.into_iter().map(|name| (db, name)).collect())
            }
            _ => About::Unclear("its keys are not known"),
        },
    })
}

/// Commands that belong together, by their places on the tape.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Group {
    /// In order.
    pub entries: Vec<usize>,
    /// The keys they name.
    pub keys: BTreeSet<Key>,
    /// Something in it whose keys nobody knows.
    pub unclear: Option<&'static str>,
    /// Scripts or functions of the server are in it.
    pub server: bool,
}

/// The groups of these entries, each with what it is about, in the order of their first commands.
pub fn groups(entries: &[(usize, &Entry, About)]) -> Vec<Group> {
    // Each entry points to one it belongs together with, the first of all to itself.
    let mut parent: Vec<usize> = (0..entries.len()).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while let Some(up) = parent.get(at).copied().filter(|up| *up != at) {
            let above = parent.get(up).copied().unwrap_or(up);
            if let Some(own) = parent.get_mut(at) {
                *own = above;
            }
            at = up;
        }
        at
    }
    let mut join = |a: usize, b: usize| {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        if let Some(own) = parent.get_mut(a.max(b)) {
            *own = a.min(b);
        }
    };
    let mut by_key: BTreeMap<&Key, usize> = BTreeMap::new();
    for (at, (place, entry, about)) in entries.iter().enumerate() {
        if let About::Keys(keys) = about {
            for key in keys {
                join(*by_key.entry(key).or_insert(at), at);
            }
        }
        let same = |(before, other, _): &&(usize, &Entry, About)| {
            // Between two transactions there is an EXEC, which takes a place.
            other.in_transaction && before + 1 == *place
        };
        let before = at.checked_sub(1).filter(|_| entry.in_transaction);
        if let Some(before) = before
            && entries.get(before).as_ref().is_some_and(same)
        {
            join(before, at);
        }
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (at, (place, _, about)) in entries.iter().enumerate() {
        let group = groups.entry(root(&mut parent, at)).or_default();
        group.entries.push(*place);
        match about {
            About::Keys(keys) => group.keys.extend(keys.iter().cloned()),
            About::Unclear(why) => group.unclear = Some(why),
            About::Server => group.server = true,
        }
    }
    groups.into_values().collect()
}

/// What is worth putting back: not what only frames the rest.
pub fn is_data(entry: &Entry) -> bool {
    matches!(entry.what, What::Write | What::Expired)
}

/// A note's field as text.
pub fn field(note: &Value, name: &str) -> String {
    match &note[name] {
        Value::String(text) => text.clone(),
        Value::Null => "?".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepair_wire::resp::encode_command;

    fn entries(lines: &[&str]) -> Vec<Entry> {
        let mut bytes = Vec::new();
        for line in lines {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_command(&args, &mut bytes);
        }
        let mut reader = Reader::new(1, Some(0), 0);
        reader.push(&bytes);
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    /// The groups of these commands, as lists of keys.
    fn grouped(lines: &[&str]) -> Vec<String> {
        let entries = entries(lines);
        let data: Vec<(usize, &Entry, About)> = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| is_data(entry))
            .map(|(at, entry)| (at, entry, about(entry, &mut |_| Ok(None)).unwrap()))
            .collect();
        let shown = |group: &Group| {
            let keys = group.keys.iter().map(|(db, name)| {
                let name = String::from_utf8_lossy(name);
                if *db == 0 { name.into_owned() } else { format!("{db}/{name}") }
            });
            let keys: Vec<String> = keys.chain(group.unclear.map(|_| "?".to_owned())).collect();
            format!("{} x{}", keys.join(" "), group.entries.len())
        };
        groups(&data).iter().map(shown).collect()
    }

    #[test]
    fn what_was_changed_together_belongs_together() {
        let rows: [(&[&str], &[&str]); 8] = [
            (&["SET a 1", "SET b 1", "INCR a"], &["a x2", "b x1"]),
            (&["SET a 1", "SET b 1", "RENAME a b"], &["a b x3"]),
            (&["SET a 1", "RENAME a b", "SET c 1", "RENAME b c"], &["a b c x4"]),
            (&["MULTI", "SET a 1", "SET b 1", "EXEC", "SET c 1"], &["a b x2", "c x1"]),
            (&["MULTI", "SET a 1", "EXEC", "MULTI", "SET b 1", "EXEC"], &["a x1", "b x1"]),
            (&["SET a 1", "SELECT 3", "SET a 1"], &["a x1", "3/a x1"]),
            (&["SET a 1", "MOVE a 3", "SELECT 3", "INCR a"], &["a 3/a x3"]),
            (&["SET a 1", "FLUSHALL", "NEW.COMMAND x"], &["a x1", "? x1", "? x1"]),
        ];
        for (lines, expected) in rows {
            assert_eq!(grouped(lines), expected, "{lines:?}");
        }
    }
}
