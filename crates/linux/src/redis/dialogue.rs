//! A connection to Redis for a thread that may wait: a command, its reply, and a moment after which
//! nothing is waited for any more.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use keepair_wire::info::Info;
use keepair_wire::resp::{Decoder, Limits, Value, encode_command};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Access;
use super::transport::{Status, Transport};

/// What one reply may take: a transaction's may hold the values that its commands took out.
const LIMITS: Limits =
    Limits { depth: 16, bulk_bytes: 512 << 20, elements: 1 << 24, message_bytes: 1 << 30 };

/// The connection.
pub struct Dialogue {
    transport: Transport,
    decoder: Decoder,
    until: Instant,
}

impl Dialogue {
    /// Connects to the first of the addresses that answers, and logs in.
    ///
    /// # Errors
    /// When none does until then, or the login is refused.
    pub fn open(access: &Access, until: Instant) -> io::Result<Dialogue> {
        let mut last = io::Error::other("no address to connect to");
        for endpoint in &access.endpoints {
            let attempt =
                Transport::connect(endpoint, access.tls.as_ref()).and_then(|mut transport| {
                    // Here a Redis that takes nothing is noticed by the clock.
                    transport.outbox_bytes_max = usize::MAX;
                    let decoder = Decoder::new(LIMITS);
                    let mut dialogue = Dialogue { transport, decoder, until };
                    dialogue.log_in(access)?;
                    Ok(dialogue)
                });
            match attempt {
                Ok(dialogue) => return Ok(dialogue),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn log_in(&mut self, access: &Access) -> io::Result<()> {
        if let Some(password) = &access.password {
            let reply = match &access.username {
                Some(user) => self.ask(&["AUTH", user, password])?,
                None => self.ask(&["AUTH", password])?,
            };
            if let Some(text) = reply.as_error() {
                // Redis quotes the arguments of a command it does not know.
                let quotes = text.contains("args beginning with");
                let text = if quotes { "AUTH is not known to this server".into() } else { text };
                return Err(io::Error::other(format!("Redis refused the login: {text}")));
            }
        }
        self.ask(&["CLIENT", "SETNAME", "keepair-salvage"]).map(|_| ())
    }

    /// Nothing is waited for after this moment, instead of the one before.
    pub fn wait_until(&mut self, until: Instant) {
        self.until = until;
    }

    /// One command, and its reply, which may be an error of Redis.
    ///
    /// # Errors
    /// When the connection is lost, or the reply does not come in time.
    pub fn ask<T: AsRef<[u8]>>(&mut self, args: &[T]) -> io::Result<Value> {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        self.send(&args);
        self.reply()
    }

    /// The same; an error of Redis is one here.
    ///
    /// # Errors
    /// The same, and when Redis refuses.
    pub fn demand<T: AsRef<[u8]>>(&mut self, args: &[T]) -> io::Result<Value> {
        let reply = self.ask(args)?;
        match reply.as_error() {
            Some(text) => Err(io::Error::other(format!("Redis answered: {text}"))),
            None => Ok(reply),
        }
    }

    /// Appends a command to what is sent with the next waiting.
    pub fn send(&mut self, args: &[&[u8]]) {
        encode_command(args, self.transport.outbox());
    }

    /// The next reply.
    ///
    /// # Errors
    /// When the connection is lost, or it does not come in time.
    pub fn reply(&mut self) -> io::Result<Value> {
        loop {
            match self.decoder.next().map_err(io::Error::other)? {
                Some(Value::Push(_)) => continue,
                Some(value) => return Ok(value),
                None => {}
            }
            let mut buf = [0; 16 * 1024];
            let count = self.read(&mut buf)?;
            self.decoder.push(buf.get(..count).unwrap_or(&[]));
        }
    }

    /// `INFO`, as text and taken apart.
    ///
    /// # Errors
    /// As [`Dialogue::demand`].
    pub fn info(&mut self) -> io::Result<(String, Info)> {
        let reply = self.demand(&["INFO"])?;
        let bytes = reply.as_bytes().ok_or_else(|| io::Error::other("INFO is no text"))?;
        Ok((String::from_utf8_lossy(bytes).into_owned(), Info::parse(bytes)))
    }

    /// `CONFIG GET` of one setting.
    ///
    /// # Errors
    /// As [`Dialogue::demand`]. A setting that this server does not know is `None`.
    pub fn setting(&mut self, name: &str) -> io::Result<Option<String>> {
        let reply = self.demand(&["CONFIG", "GET", name])?;
        Ok(reply.get(name).and_then(Value::as_str).map(str::to_owned))
    }

    /// Asks for the stream of this history from the byte at the offset `from` on, which begins with
    /// what comes back here. Whoever calls this has seen in INFO that the backlog reaches back to it:
    /// for what it can't continue, Redis would save and send all its data.
    ///
    /// # Errors
    /// When Redis does not continue there, or the connection is lost, or time is up.
    pub fn stream(&mut self, replid: &str, from: i64) -> io::Result<Vec<u8>> {
        // Not `listening-port`: nobody is to look for a replica here.
        self.demand(&["REPLCONF", "capa", "eof", "capa", "psync2"])?;
        let from = from.to_string();
        self.send(&[b"PSYNC", replid.as_bytes(), from.as_bytes()]);
        let mut bytes = Vec::new();
        loop {
            // Bare newlines keep the connection alive until the reply comes.
            let start = bytes.iter().position(|byte| *byte != b'\n').unwrap_or(bytes.len());
            let end = bytes.windows(2).position(|pair| pair == b"\r\n").filter(|end| *end > start);
            if let Some(end) = end {
                let line = String::from_utf8_lossy(bytes.get(start..end).unwrap_or(&[]));
                if line.starts_with("+CONTINUE") {
                    return Ok(bytes.split_off(end + 2));
                }
                let what = if line.starts_with('+') { "can't continue there" } else { &line };
                return Err(io::Error::other(format!("Redis answered PSYNC: {what}")));
            }
            if bytes.len() > 4096 {
                return Err(io::Error::other("Redis answered PSYNC with something else"));
            }
            let mut buf = [0; 16 * 1024];
            let count = self.read(&mut buf)?;
            bytes.extend_from_slice(buf.get(..count).unwrap_or(&[]));
        }
    }

    /// The next bytes, at least one.
    ///
    /// # Errors
    /// When the connection is lost or closed, or time is up.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            // Who died may have sent something before: that can be read when nothing can be sent.
            let flushed = self.transport.flush();
            match self.transport.read(buf)? {
                Status::Read(count) => return Ok(count),
                Status::Closed => return Err(io::Error::other("Redis closed the connection")),
                Status::Wait => flushed?,
            }
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
            }
            let wants_write = self.transport.wants_write();
            let flags = if wants_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            let fd = self.transport.as_fd();
            let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), flags)];
            let left = left.min(Duration::from_secs(3600));
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut fds, Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
