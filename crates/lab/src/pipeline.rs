//! Many clients that write as fast as they are told to, each with several writes under way.
//!
//! A client sends a batch of `SET`s, reads the answers, and sends the next batch at its time. What
//! was acknowledged is known write by write, also of a batch whose connection broke.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::namespace::Namespace;
use crate::redis::{Connection, Value, encode};

/// How many clients.
const CLIENTS: u64 = 10;
/// The time between two batches of a client.
const BEAT: Duration = Duration::from_millis(2);
/// For a connection and for an answer; a client whose server is gone tries again.
const PATIENCE: Duration = Duration::from_millis(100);
/// Keys are asked for in portions of this many.
const PORTION: usize = 1_000;

/// What is written.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Where to.
    pub target: SocketAddr,
    /// The password.
    pub password: String,
    /// The first part of every key.
    pub prefix: String,
    /// How many writes a second all clients send together.
    pub rate: u64,
}

/// The acknowledged writes: their numbers, and when the answer was read.
#[derive(Debug, Default)]
pub struct Written(Vec<(u64, Instant)>);

/// Clients at work.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Written>>,
}

/// Starts the clients inside a namespace.
///
/// # Errors
/// Where a thread cannot be started.
pub fn start(ns: &Namespace, stream: &Stream) -> Result<Flood> {
    let stop = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU64::new(0));
    let beats = 1_000 / u64::try_from(BEAT.as_millis())?;
    let batch = (stream.rate / beats / CLIENTS).max(1);
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let (stream, stop, next) = (stream.clone(), Arc::clone(&stop), Arc::clone(&next));
        // Not all at the same moment.
        let first = Instant::now() + BEAT * u32::try_from(client)? / u32::try_from(CLIENTS)?;
        let thread = ns.run(move || {
            thread::Builder::new()
                .name(format!("writer-{client}"))
                .spawn(move || write(&stream, batch, first, &next, &stop))
        })??;
        clients.push(thread);
    }
    Ok(Flood { stop, clients })
}

impl Flood {
    /// Stops the clients and takes what they know.
    ///
    /// # Errors
    /// Where a client panicked.
    pub fn stop(self) -> Result<Written> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        for client in self.clients {
            all.0.extend(client.join().map_err(|_| anyhow!("a client panicked"))?.0);
        }
        all.0.sort_unstable_by_key(|(_, at)| *at);
        Ok(all)
    }
}

fn write(
    stream: &Stream,
    batch: u64,
    first: Instant,
    next: &AtomicU64,
    stop: &AtomicBool,
) -> Written {
    let mut written = Written::default();
    let mut connection: Option<Connection> = None;
    let mut due = first;
    while !stop.load(Ordering::Relaxed) {
        due += BEAT;
        match due.checked_duration_since(Instant::now()) {
            Some(early) => thread::sleep(early),
            // Whoever was held up does not write faster afterwards.
            None => due = Instant::now(),
        }
        let open = || Connection::open(stream.target, &stream.password, PATIENCE);
        let Some(mut server) = connection.take().or_else(|| open().ok()) else { continue };
        let numbers = next.fetch_add(batch, Ordering::Relaxed);
        if send(&mut server, stream, numbers..numbers + batch, &mut written).is_ok() {
            connection = Some(server);
        }
    }
    written
}

fn send(
    server: &mut Connection,
    stream: &Stream,
    numbers: std::ops::Range<u64>,
    written: &mut Written,
) -> Result<()> {
    let mut bytes = Vec::new();
    for number in numbers.clone() {
        bytes.extend(encode(&["SET", &stream.key(number), &number.to_string()]));
    }
    server.send_raw(&bytes)?;
    for number in numbers {
        match server.read()? {
            Value::Simple(_) => written.0.push((number, Instant::now())),
            other => bail!("{other:?}"),
        }
    }
    Ok(())
}

impl Stream {
    fn key(&self, number: u64) -> String {
        format!("{}:{number}", self.prefix)
    }

    /// The numbers of the acknowledged writes that the server does not hold, or holds with another
    /// value. Must be called from a thread that reaches it.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn missing(&self, written: &Written) -> Result<Vec<u64>> {
        let mut server = Connection::open(self.target, &self.password, Duration::from_secs(5))
            .context("whoever serves now")?;
        let mut missing = Vec::new();
        for portion in written.0.chunks(PORTION) {
            let keys: Vec<String> = portion.iter().map(|(number, _)| self.key(*number)).collect();
            let held = server.mget(&keys)?;
            let gone = portion.iter().zip(held).filter(|((number, _), held)| {
                held.as_deref() != Some(number.to_string().as_bytes())
            });
            missing.extend(gone.map(|((number, _), _)| *number));
        }
        Ok(missing)
    }
}

impl Written {
    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The numbers of those whose answer was read before a moment.
    pub fn before(&self, end: Instant) -> impl Iterator<Item = u64> {
        self.0.iter().take_while(move |(_, at)| *at < end).map(|(number, _)| *number)
    }

    /// How many in the second before a moment.
    #[must_use]
    pub fn second_before(&self, end: Instant) -> usize {
        let within = |at: &Instant| *at < end && end.duration_since(*at) <= Duration::from_secs(1);
        self.0.iter().filter(|(_, at)| within(at)).count()
    }

    /// The longest time between two acknowledgements, the later of them after a moment.
    #[must_use]
    pub fn gap(&self, after: Instant) -> Duration {
        let gaps = self.0.windows(2).filter(|two| two[1].1 > after).map(|two| two[1].1 - two[0].1);
        gaps.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_the_second_before_and_a_gap_ends_after_the_fault() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let written = Written([0, 900, 1_500, 2_000, 2_300].map(|ms| (ms, at(ms))).to_vec());
        assert_eq!((written.count(), written.second_before(at(1_950))), (5, 1));
        assert_eq!(written.gap(at(1_950)), Duration::from_millis(500));
    }
}
