//! Puts a tail back, as far as nobody has written to the same keys since.
//!
//! Who knows which keys were written is the new primary itself: its own stream, from the byte on at
//! which the two histories part, names each of them. While its backlog reaches back so far, a key
//! that the stream does not name is as it was at the fork, and to do there what was done here gives
//! what was here. A key is looked at again at the moment it is changed: it is watched, the stream is
//! read to its end, and only then the transaction is sent. What was put back is in the stream then:
//! to do it twice changes nothing.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use keepair_wire::info::{Info, Role};
use keepair_wire::resp::Value;
use keepair_wire::tail::{Entry, Reader, What};

use super::tail::backlog_start;
use super::tape::{About, Group, Key, Tape, about, groups, is_data};
use crate::redis::Access;
use crate::redis::dialogue::Dialogue;

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// So many commands are sent in one transaction, if they need not be together.
const BATCH: usize = 500;
/// So often a transaction is tried whose keys change meanwhile.
const TRIES: u32 = 5;
/// So many refusals are told in their own words.
const ERRORS_MAX: usize = 10;

/// Which of the commands are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Those on keys that were not written since the fork.
    Untouched,
    /// Those on these keys, and what belongs together with them, written since or not.
    Keys(Vec<Vec<u8>>),
    /// All.
    All,
}

/// What can be put back.
#[derive(Debug, Default)]
pub struct Plan {
    /// Will be.
    pub wanted: Vec<Group>,
    /// Will not: written since, or not chosen.
    pub left: Vec<Group>,
    /// Commands that the primary had already received.
    pub shared: usize,
    /// Why nothing can be known of what was written since.
    pub unknown: Option<String>,
}

impl Plan {
    /// Commands that will be put back.
    pub fn commands(&self) -> usize {
        self.wanted.iter().map(|group| group.entries.len()).sum()
    }
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Commands that were done.
    pub done: usize,
    /// Groups whose keys were written at the very moment.
    pub overtaken: usize,
    /// Commands that Redis refused.
    pub refused: usize,
    /// What it said, the first few.
    pub errors: Vec<String>,
}

/// A tail, and the primary it may be put back into.
pub struct Replay<'a> {
    tape: &'a Tape,
    access: Access,
    redis: Dialogue,
    info: Info,
    fork: Option<i64>,
}

impl<'a> Replay<'a> {
    /// Looks at the server.
    ///
    /// # Errors
    /// When it can't be reached, or is a replica.
    pub fn begin(tape: &'a Tape, access: Access) -> io::Result<Replay<'a>> {
        let mut redis = Dialogue::open(&access, Instant::now() + ANSWER_WITHIN)?;
        let (_, info) = redis.info()?;
        if info.role != Some(Role::Primary) {
            return Err(io::Error::other("this Redis is a replica: writes go to its primary"));
        }
        let fork = fork(tape, &info);
        Ok(Replay { tape, access, redis, info, fork })
    }

    /// What would be done.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn plan(&mut self, choice: &Choice) -> io::Result<(Plan, Option<Since>)> {
        let tape = self.tape;
        let mut plan = Plan::default();
        let mut data: Vec<(usize, &Entry, About)> = Vec::new();
        for (at, entry) in tape.entries.iter().enumerate().filter(|(_, entry)| is_data(entry)) {
            if self.fork.is_some_and(|fork| entry.end < fork) {
                plan.shared += 1;
                continue;
            }
            data.push((at, entry, about(entry, &mut |args| get_keys(&mut self.redis, args))?));
        }
        let groups = groups(&data);
        // What may have reached every key stands between the others and what they were.
        let unclear = groups.iter().any(|group| group.unclear.is_some());
        let since = match choice {
            Choice::Untouched if data.is_empty() => None,
            Choice::Untouched => match self.since() {
                Ok(since) => Some(since),
                Err(error) => {
                    plan.unknown = Some(error.to_string());
                    None
                }
            },
            _ => None,
        };
        let wanted = |group: &Group| match choice {
            Choice::All => true,
            Choice::Keys(names) => group.keys.iter().any(|(_, name)| names.contains(name)),
            Choice::Untouched => {
                !unclear
                    && !group.server
                    && since.as_ref().is_some_and(|since| !since.has_any(&group.keys))
            }
        };
        (plan.wanted, plan.left) = groups.into_iter().partition(wanted);
        if let (Choice::All, false) = (choice, plan.wanted.is_empty()) {
            // All of them, in the order in which they were done.
            let mut all = Group::default();
            for group in std::mem::take(&mut plan.wanted) {
                all.entries.extend(group.entries);
                all.keys.extend(group.keys);
            }
            all.entries.sort_unstable();
            plan.wanted = vec![all];
        }
        Ok((plan, since))
    }

    /// Reads what was written since the fork.
    fn since(&mut self) -> io::Result<Since> {
        let fork = self.fork.ok_or_else(|| {
            io::Error::other(
                "this primary's history is not one that is known to have replaced the tail's",
            )
        })?;
        let end = self.info.master_repl_offset.unwrap_or(-1);
        let reaches = backlog_start(&self.info).is_some_and(|first| first <= fork);
        if !reaches || end < fork - 1 {
            return Err(io::Error::other(
                "the primary's backlog does not reach back to the fork (see `repl-backlog-size`)",
            ));
        }
        let replid = self.info.master_replid.map(|id| id.to_string()).unwrap_or_default();
        let mut stream = Dialogue::open(&self.access, Instant::now() + ANSWER_WITHIN)?;
        let first = stream.stream(&replid, fork)?;
        // Its times are not ours to judge: an expired key is a changed one here.
        let mut reader = Reader::new(fork, None, i64::MIN);
        reader.push(&first);
        let mut since = Since { stream, reader, keys: BTreeSet::new(), everything: false };
        since.read_to(end, &mut self.redis)?;
        Ok(since)
    }

    /// Does it.
    ///
    /// # Errors
    /// When Redis is lost on the way or refuses a whole transaction; what was done before stays done.
    pub fn apply(&mut self, plan: &Plan, mut since: Option<Since>) -> io::Result<Outcome> {
        let mut outcome = Outcome::default();
        match &mut since {
            Some(since) => {
                let mut rest = plan.wanted.iter().peekable();
                while rest.peek().is_some() {
                    let mut batch: Vec<&Group> = Vec::new();
                    let mut commands = 0;
                    while let Some(group) = rest.next_if(|group| {
                        batch.is_empty() || commands + group.entries.len() <= BATCH
                    }) {
                        commands += group.entries.len();
                        batch.push(group);
                    }
                    self.watched(batch, since, &mut outcome)?;
                }
            }
            None => {
                for group in &plan.wanted {
                    for piece in group.entries.chunks(BATCH) {
                        self.send(piece, &mut outcome)?;
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// Some groups, if nobody changes them meanwhile.
    fn watched(
        &mut self,
        mut batch: Vec<&Group>,
        since: &mut Since,
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        for _ in 0..TRIES {
            self.redis.wait_until(Instant::now() + ANSWER_WITHIN);
            since.stream.wait_until(Instant::now() + ANSWER_WITHIN);
            let keys: BTreeSet<&Key> = batch.iter().flat_map(|group| &group.keys).collect();
            let (mut db, mut replies) = (None, 0);
            for (of, name) in keys {
                if db.replace(of) != Some(of) {
                    self.redis.send(&[b"SELECT", of.to_string().as_bytes()]);
                    replies += 1;
                }
                self.redis.send(&[b"WATCH", name]);
                replies += 1;
            }
            for _ in 0..replies {
                if let Some(text) = self.redis.reply()?.as_error() {
                    return Err(io::Error::other(format!("Redis refused: {text}")));
                }
            }
            // Everything up to here is older than the watch.
            let (_, info) = self.redis.info()?;
            if info.master_replid != self.info.master_replid || info.role != Some(Role::Primary) {
                return Err(io::Error::other("the primary has changed meanwhile"));
            }
            since.read_to(info.master_repl_offset.unwrap_or(-1), &mut self.redis)?;
            let before = batch.len();
            batch.retain(|group| !since.has_any(&group.keys));
            outcome.overtaken += before - batch.len();
            let mut places: Vec<usize> =
                batch.iter().flat_map(|group| group.entries.iter().copied()).collect();
            if places.is_empty() {
                self.redis.demand(&["UNWATCH"])?;
                return Ok(());
            }
            places.sort_unstable();
            if self.send(&places, outcome)? {
                return Ok(());
            }
        }
        outcome.overtaken += batch.len();
        Ok(())
    }

    /// One transaction; `false` when a watched key had changed, and nothing was done.
    fn send(&mut self, places: &[usize], outcome: &mut Outcome) -> io::Result<bool> {
        self.redis.wait_until(Instant::now() + ANSWER_WITHIN);
        let mut replies = 1;
        self.redis.send(&[b"MULTI"]);
        let mut db = None;
        // Whether the reply in this place of the transaction is a command's own.
        let mut own = Vec::new();
        for entry in places.iter().filter_map(|at| self.tape.entries.get(*at)) {
            let of = entry.db.ok_or_else(|| {
                io::Error::other("the tail does not say which database it begins in")
            })?;
            if db.replace(of) != Some(of) {
                self.redis.send(&[b"SELECT", of.to_string().as_bytes()]);
                own.push(false);
            }
            let args: Vec<&[u8]> = entry.args.iter().map(Vec::as_slice).collect();
            self.redis.send(&args);
            own.push(true);
        }
        replies += own.len();
        self.redis.send(&[b"EXEC"]);
        let mut refusal = None;
        for _ in 0..replies {
            let reply = self.redis.reply()?;
            refusal = refusal.or(reply.as_error().map(|text| text.into_owned()));
        }
        let result = self.redis.reply()?;
        if let Some(text) = result.as_error() {
            let text = refusal.unwrap_or_else(|| text.into_owned());
            return Err(io::Error::other(format!("Redis refused: {text}")));
        }
        let Value::Array(results) = result else {
            return Ok(false);
        };
        for (result, own) in results.iter().zip(own) {
            match result.as_error() {
                Some(text) => {
                    outcome.refused += 1;
                    if outcome.errors.len() < ERRORS_MAX {
                        outcome.errors.push(text.into_owned());
                    }
                }
                None => outcome.done += usize::from(own),
            }
        }
        Ok(true)
    }
}

/// The offset of the first byte that this primary's history does not share with the tail's.
fn fork(tape: &Tape, info: &Info) -> Option<i64> {
    let id = |id: Option<keepair_wire::info::ReplId>| id.map(|id| id.to_string());
    let (own, second) = (id(info.master_replid), id(info.master_replid2));
    let is = |id: &Option<String>, other: &str| id.as_deref() == Some(other);
    if is(&own, &tape.replid) {
        // It never forked: what it has of it, it has.
        return Some(info.master_repl_offset?.saturating_add(1));
    }
    if is(&second, &tape.replid) {
        return info.second_repl_offset;
    }
    // Handed over since: offsets go on. The fork was known when the tail was kept.
    let known = tape.newer_replid != tape.replid;
    let descends = is(&own, &tape.newer_replid) || is(&second, &tape.newer_replid);
    (known && descends).then_some(tape.first_offset)
}

/// What was written since the fork, as far as it was read.
pub struct Since {
    stream: Dialogue,
    reader: Reader,
    keys: BTreeSet<Key>,
    everything: bool,
}

impl Since {
    fn has_any(&self, keys: &BTreeSet<Key>) -> bool {
        self.everything || keys.iter().any(|key| self.keys.contains(key))
    }

    /// Up to that offset. `redis` is asked about commands that are not known here.
    fn read_to(&mut self, end: i64, redis: &mut Dialogue) -> io::Result<()> {
        let mut buf = vec![0; 64 * 1024];
        loop {
            while let Some(entry) = self.reader.next().map_err(io::Error::other)? {
                let data = !matches!(
                    entry.what,
                    What::KeepAlive | What::Select | What::Frame | What::Message
                );
                if !data {
                    continue;
                }
                match about(&entry, &mut |args| get_keys(redis, args))? {
                    About::Keys(keys) => self.keys.extend(keys),
                    About::Server => {}
                    About::Unclear(_) => self.everything = true,
                }
            }
            if self.reader.offset() > end {
                return Ok(());
            }
            let count = self.stream.read(&mut buf)?;
            self.reader.push(buf.get(..count).unwrap_or(&[]));
        }
    }
}

/// What the server says of a command that is not known here.
fn get_keys(redis: &mut Dialogue, args: &[Vec<u8>]) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut question: Vec<&[u8]> = vec![b"COMMAND", b"GETKEYS"];
    question.extend(args.iter().map(Vec::as_slice));
    let reply = redis.ask(&question)?;
    let names = reply
        .as_array()
        .map(|names| names.iter().filter_map(|name| name.as_bytes().map(<[u8]>::to_vec)).collect());
    Ok(names)
}
