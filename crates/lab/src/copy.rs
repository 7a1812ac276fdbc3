//! A copy of a Redis's replication stream: a connection that says `PSYNC` and holds no data.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::host::Host;
use crate::locked;
use crate::redis::{Connection, Value};

/// What the connection says each second, so that Redis does not take it for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// `REPLCONF ACK 0`: nothing was received.
    Ack,
    /// A bare newline.
    Newline,
}

impl Sign {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Ack => b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n",
            Self::Newline => b"\n",
        }
    }
}

/// Redis wants a sign of its replicas each second.
const SIGN_EVERY: Duration = Duration::from_secs(1);

/// The copy being made.
#[derive(Debug)]
pub struct Copy {
    bytes: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Copy {
    /// Attaches to a host's Redis, from the same host, at the end of its stream.
    ///
    /// # Errors
    /// Where Redis does not continue the stream.
    pub fn attach(host: &Host, sign: Sign) -> Result<Self> {
        let mut redis = host.redis(Duration::from_secs(2))?;
        let info = redis.info()?;
        redis.call(&["REPLCONF", "capa", "eof", "capa", "psync2"])?;
        let from = (info.number("master_repl_offset") + 1).to_string();
        match redis.call(&["PSYNC", info.text("master_replid"), &from])? {
            Value::Simple(text) if text.starts_with("CONTINUE") => {}
            other => bail!("PSYNC: {other:?}"),
        }
        let (bytes, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (into, end) = (Arc::clone(&bytes), Arc::clone(&stop));
        let reader = thread::Builder::new()
            .name("stream-copy".to_owned())
            .spawn(move || read(redis, sign, &into, &end))?;
        Ok(Self { bytes, stop, reader: Some(reader) })
    }

    /// Waits until Redis has just pinged its replicas.
    ///
    /// # Errors
    /// After `limit`.
    pub fn wait_for_ping(&self, limit: Duration) -> Result<()> {
        // Some versions write it in capitals.
        const PING: &[u8] = b"*1\r\n$4\r\nping\r\n";
        let until = Instant::now() + limit;
        let mut seen = locked(&self.bytes).len();
        loop {
            {
                let bytes = locked(&self.bytes);
                let from = seen.saturating_sub(PING.len() - 1);
                let new = bytes.get(from..).unwrap_or(&[]);
                if new.windows(PING.len()).any(|part| part.eq_ignore_ascii_case(PING)) {
                    return Ok(());
                }
                seen = bytes.len();
            }
            if Instant::now() > until {
                bail!("Redis did not ping its replicas within {limit:?}");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join(); // it has nothing to tell
        }
    }
}

fn read(mut redis: Connection, sign: Sign, into: &Mutex<Vec<u8>>, stop: &AtomicBool) {
    const LOOK: Duration = Duration::from_millis(50);
    if redis.set_timeout(LOOK).is_err() {
        return;
    }
    let mut piece = vec![0; 256 * 1024];
    let mut signed = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if signed.elapsed() >= SIGN_EVERY {
            signed = Instant::now();
            // What had arrived before it broke can still be read.
            let _ = redis.send_raw(sign.bytes());
        }
        match redis.read_some(&mut piece) {
            Ok(0) => return,
            Ok(count) => locked(into).extend_from_slice(piece.get(..count).unwrap_or(&[])),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// The numbers of the writes `SET PREFIX:NUMBER NUMBER` that a stream holds in full.
#[must_use]
pub fn writes_in(stream: &[u8], prefix: &str) -> BTreeSet<u64> {
    let start = format!("{prefix}:");
    let mut numbers = BTreeSet::new();
    let mut rest = stream;
    while let Some((args, after)) = command(rest) {
        rest = after;
        let [name, key, value] = args.as_slice() else { continue };
        let Some(digits) = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(&start))
        else {
            continue;
        };
        if *name == b"SET" && digits.as_bytes() == *value {
            numbers.extend(digits.parse::<u64>());
        }
    }
    numbers
}

/// The first command of a stream and what follows it; nothing where it is not complete.
fn command(stream: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let (count, mut rest) = number(stream.strip_prefix(b"*")?)?;
    let mut args = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        let (length, after) = number(rest.strip_prefix(b"$")?)?;
        args.push(after.get(..length)?);
        rest = after.get(length..)?.strip_prefix(b"\r\n")?;
    }
    Some((args, rest))
}

fn number(text: &[u8]) -> Option<(usize, &[u8])> {
    let end = text.iter().take(20).position(|byte| *byte == b'\r')?;
    let digits = std::str::from_utf8(text.get(..end)?).ok()?;
    Some((digits.parse().ok()?, text.get(end..)?.strip_prefix(b"\r\n")?))
}

#[cfg(test)]
mod tests {
    use super::writes_in;
    use crate::redis::encode;

    #[test]
    fn only_whole_writes_of_this_prefix_count() {
        let mut stream = encode(&["SELECT", "0"]);
        for (key, value) in [("c1:7", "7"), ("c1:8", "9"), ("c2:9", "9"), ("c1:10", "10")] {
            stream.extend(encode(&["PING"]));
            stream.extend(encode(&["SET", key, value]));
        }
        assert_eq!(Vec::from_iter(writes_in(&stream, "c1")), [7, 10]);
        assert_eq!(Vec::from_iter(writes_in(&stream[..stream.len() - 1], "c1")), [7]);
    }
}
