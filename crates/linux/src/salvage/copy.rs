//! A copy of the local Redis's replication stream in memory, as long as the core wants one.
//!
//! A thread of its own reads it, as a replica without data. When the connection ends the copy stays,
//! for the thread that salvages.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keepair_core::action::Copying;
use keepair_core::input;
use keepair_wire::info::{Info, ReplId};
use keepair_wire::tail::Reader;

use super::tail::{self, backlog_start};
use super::unix_ms;
use crate::reactor::{Mailbox, Request};
use crate::redis::Access;
use crate::redis::dialogue::Dialogue;

/// What connecting may take, and each answer until the stream begins.
const BEGIN_WITHIN: Duration = Duration::from_secs(2);
/// How long nothing may come until the next order is looked for.
const TURN: Duration = Duration::from_millis(100);
/// Between two signs of life. Redis lets go of a replica that gives none for `repl-timeout`.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// What is let go at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What the thread is told.
pub enum Order {
    /// Copy this, and forget what was copied before.
    Begin(Copying, Access),
    /// Forget what was copied.
    Forget,
}

/// Where a copy is left whose connection has ended.
#[derive(Clone, Default)]
pub struct Left(Arc<Mutex<Option<Copy>>>);

impl Left {
    /// Takes the copy of this history away.
    pub fn take(&self, replid: ReplId) -> Option<Copy> {
        self.lock().take_if(|copy| copy.replid == replid)
    }

    fn set(&self, copy: Option<Copy>) {
        *self.lock() = copy;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Copy>> {
        // Nothing that could be half done is done under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a stream.
pub struct Copy {
    replid: ReplId,
    /// Has read what was let go, and knows which database was selected then.
    reader: Reader,
    pieces: VecDeque<Vec<u8>>,
    bytes: u64,
    /// The offset of the last byte.
    to: i64,
    limit_bytes: u64,
}

impl Copy {
    /// Nothing yet of a stream that goes on at the offset `from`, where `db` is selected, if that is
    /// known. The oldest bytes go first beyond `limit_bytes`.
    pub fn new(replid: ReplId, from: i64, db: Option<u64>, limit_bytes: u64) -> Copy {
        let reader = Reader::new(from, db, 0);
        Copy { replid, reader, pieces: VecDeque::new(), bytes: 0, to: from - 1, limit_bytes }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When what is let go is no replication stream, or one command is larger than the limit.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.pieces.back_mut().filter(|piece| piece.len() < PIECE_BYTES) {
            Some(piece) => piece.extend_from_slice(bytes),
            None => self.pieces.push_back(bytes.to_vec()),
        }
        self.bytes += bytes.len() as u64;
        self.to = self.to.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        while self.bytes > self.limit_bytes && self.pieces.len() > 1 {
            self.let_go();
            self.reader.pass(i64::MAX, 0).map_err(io::Error::other)?;
            // What was let go, and is kept for the end of its command.
            let begun = self.to.saturating_add(1).saturating_sub_unsigned(self.bytes);
            if begun.abs_diff(self.reader.offset()) > self.limit_bytes {
                return Err(io::Error::other("one command is larger than `copy_limit_mib`"));
            }
        }
        Ok(())
    }

    /// Gives the oldest piece to the reader.
    fn let_go(&mut self) -> bool {
        let piece = self.pieces.pop_front();
        self.bytes -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if let Some(piece) = &piece {
            self.reader.push(piece);
        }
        piece.is_some()
    }

    /// The part from the offset `from` on: a reader that has come so far, and what it is to read next.
    ///
    /// # Errors
    /// When the copy begins later, or something else than a command ends there.
    pub fn tail(mut self, from: i64) -> io::Result<(Reader, VecDeque<Vec<u8>>)> {
        let begins = self.reader.offset();
        if begins > from {
            return Err(io::Error::other(format!(
                "the copy of the stream begins {} bytes after what the new primary holds",
                begins - from
            )));
        }
        let now_ms = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
        loop {
            self.reader.pass(from, now_ms).map_err(io::Error::other)?;
            if self.reader.offset() >= from || !self.let_go() {
                break;
            }
        }
        if self.reader.offset() != from {
            return Err(io::Error::other("the new primary ends in the middle of a command"));
        }
        Ok((self.reader, self.pieces))
    }

    /// What the core is told of it.
    fn told(&self) -> input::Copied {
        input::Copied { replid: self.replid, to: self.to }
    }
}

/// Works until nobody can tell it anything any more.
pub fn work(orders: &Receiver<Order>, left: &Left, mailbox: &Mailbox) {
    let mut next = orders.recv().ok();
    while let Some(order) = next {
        left.set(None);
        let ended = match order {
            Order::Forget => None,
            Order::Begin(copying, access) => Some(copy(&copying, &access, orders)),
        };
        // Of a copy that is not wanted any more nothing is told.
        next = match (orders.try_recv(), ended) {
            (Ok(order), _) | (_, Some(Ok(Ended::Told(Some(order))))) => Some(order),
            (Err(_), Some(Ok(Ended::Told(None)))) => None,
            (Err(_), Some(Ok(Ended::Closed(copy)))) => {
                let told = copy.told();
                left.set(Some(copy));
                tell(mailbox, &Ok(told));
                orders.recv().ok()
            }
            (Err(_), Some(Err(error))) => {
                tell(mailbox, &Err(error.to_string()));
                orders.recv().ok()
            }
            (Err(_), None) => orders.recv().ok(),
        };
    }
}

/// The core waits for it: a mailbox that is full is tried again.
fn tell(mailbox: &Mailbox, result: &Result<input::Copied, String>) {
    for _ in 0..1_000 {
        if mailbox.put(Request::StreamCopied(result.clone())).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Why a copy goes on no more.
enum Ended {
    /// Redis is gone, or does not want it.
    Closed(Copy),
    /// There is another order; or nobody to give one.
    Told(Option<Order>),
}

fn copy(copying: &Copying, access: &Access, orders: &Receiver<Order>) -> io::Result<Ended> {
    let mut redis = Dialogue::open(access, Instant::now() + BEGIN_WITHIN)?;
    let (text, info) = redis.info()?;
    if info.master_replid != Some(copying.replid) {
        return Err(io::Error::other("Redis has begun another history meanwhile"));
    }
    let (first, from) = begin(&info, copying.from)
        .ok_or_else(|| io::Error::other("Redis has no backlog to begin with"))?;
    let (bytes, db) = tail::begin(&mut redis, &text, copying.replid, first, from)?;
    let mut copy = Copy::new(copying.replid, from, db, copying.limit_bytes);
    copy.push(&bytes)?;
    drop(bytes);
    let mut buf = vec![0; 64 * 1024];
    let mut sign_at = Instant::now();
    loop {
        match orders.try_recv() {
            Ok(order) => return Ok(Ended::Told(Some(order))),
            Err(TryRecvError::Disconnected) => return Ok(Ended::Told(None)),
            Err(TryRecvError::Empty) => {}
        }
        let now = Instant::now();
        if now >= sign_at {
            // Of nothing: `WAIT` and the end of a shutdown must not count on this copy.
            redis.send(&[b"REPLCONF", b"ACK", b"0"]);
            sign_at = now + SIGN_EVERY;
        }
        redis.wait_until(now + TURN);
        match redis.read(&mut buf) {
            Ok(count) => copy.push(buf.get(..count).unwrap_or(&[]))?,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(_) => return Ok(Ended::Closed(copy)),
        }
    }
}

/// The oldest byte that may be asked for, and where the copy begins: where the standby is, if the backlog
/// reaches back to it with room to spare, for it moves on meanwhile and a `PSYNC` that comes too late makes
/// Redis save all its data. Else at its end.
fn begin(info: &Info, wanted: i64) -> Option<(i64, i64)> {
    let next = info.master_repl_offset?.saturating_add(1);
    let room = info.repl_backlog_size.unwrap_or(0) / 4;
    let first = backlog_start(info)?.saturating_add(room).min(next);
    Some(if first <= wanted { (first, wanted.min(next)) } else { (first, next) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepair_wire::resp::encode_command;

    fn command(args: &[&str]) -> Vec<u8> {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        let mut bytes = Vec::new();
        encode_command(&args, &mut bytes);
        bytes
    }

    /// A copy from the offset 1 on of `SELECT 5` and 300 writes of 10 kB, in reads of `read_bytes`, and
    /// the offsets at which they begin.
    fn copied(limit_bytes: u64, read_bytes: usize) -> (Copy, Vec<i64>) {
        let mut bytes = command(&["SELECT", "5"]);
        let mut begins = Vec::new();
        for number in 0..300 {
            begins.push(1 + bytes.len() as i64);
            bytes.extend(command(&["SET", &format!("key:{number}"), &"x".repeat(10_000)]));
        }
        let mut copy = Copy::new(ReplId([1; 20]), 1, None, limit_bytes);
        for read in bytes.chunks(read_bytes) {
            copy.push(read).unwrap();
        }
        assert_eq!(copy.told().to, bytes.len() as i64);
        (copy, begins)
    }

    fn first_key(copy: Copy, from: i64) -> Result<(String, Option<u64>), String> {
        let (mut reader, pieces) = copy.tail(from).map_err(|error| error.to_string())?;
        pieces.iter().for_each(|piece| reader.push(piece));
        let entry = reader.next().unwrap().unwrap();
        assert_eq!(entry.offset, from);
        Ok((String::from_utf8_lossy(&entry.args[1]).into_owned(), entry.db))
    }

    #[test]
    fn the_copy_gives_what_follows_an_offset_and_the_database_selected_there() {
        for read_bytes in [1_000, 16_384, 70_001] {
            let (copy, begins) = copied(64 << 20, read_bytes);
            assert_eq!(first_key(copy, begins[0]), Ok(("key:0".to_owned(), Some(5))));
            // The oldest two MiB were let go, and the SELECT with them.
            let (copy, begins) = copied(1 << 20, read_bytes);
            assert_eq!(first_key(copy, begins[250]), Ok(("key:250".to_owned(), Some(5))));
        }
    }

    #[test]
    fn what_the_copy_does_not_hold_is_an_error() {
        let (copy, begins) = copied(1 << 20, 16_384);
        let error = first_key(copy, begins[0]).unwrap_err();
        assert!(error.starts_with("the copy of the stream begins "), "{error}");
        let (copy, begins) = copied(64 << 20, 16_384);
        let error = first_key(copy, begins[7] + 1).unwrap_err();
        assert_eq!(error, "the new primary ends in the middle of a command");
    }

    #[test]
    fn a_copy_begins_at_the_standby_or_at_the_end() {
        let info = |first| Info {
            master_repl_offset: Some(10_000),
            repl_backlog_active: Some(true),
            repl_backlog_size: Some(4_000),
            repl_backlog_first_byte_offset: Some(first),
            ..Info::default()
        };
        for (first, wanted, from) in [
            (1, 5_000, Some((1_001, 5_000))),
            (4_000, 5_000, Some((5_000, 5_000))),
            (4_001, 5_000, Some((5_001, 10_001))),
            (6_000, 5_000, Some((7_000, 10_001))),
            (9_500, 5_000, Some((10_001, 10_001))),
            (1, 10_001, Some((1_001, 10_001))),
            (1, 20_000, Some((1_001, 10_001))),
        ] {
            assert_eq!(begin(&info(first), wanted), from, "{first} {wanted}");
        }
        assert_eq!(begin(&Info::default(), 1), None);
    }
}
