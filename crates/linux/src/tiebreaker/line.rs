//! A connection on which one question is asked at a time and an answer waited for, not for long.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};

use super::inbox::poll_for;
use super::{ANSWER_TIMEOUT, Trouble};
use crate::redis::transport::{Status, Transport};
use crate::redis::{Endpoint, Tls};

/// The connection.
pub(super) struct Line {
    transport: Transport,
}

impl Line {
    /// Begins to connect to one of the addresses of `host`, which must not be one of the `pair`'s.
    pub(super) fn open(
        (host, port): (&str, u16),
        tls: Option<&Tls>,
        attempt: usize,
        pair: &[IpAddr],
    ) -> Result<Line, Trouble> {
        let found: Vec<SocketAddr> = (host, port)
            .to_socket_addrs()
            .map_err(|error| Trouble::Away(format!("{host}: {error}")))?
            .collect();
        let address = found.get(attempt % found.len().max(1));
        let address = address.ok_or_else(|| Trouble::Away(format!("{host}: it has no address")))?;
        if pair.contains(&address.ip().to_canonical()) {
            return Err(Trouble::Unfit(format!(
                "{} is an address of the pair: a tie-breaker must be a third party",
                address.ip()
            )));
        }
        let tls = tls.map(|tls| Tls {
            config: tls.config.clone(),
            server_name: tls.server_name.clone().or_else(|| {
                // An address is a name of its own kind, and `transport` fills it in.
                host.parse::<IpAddr>().is_err().then(|| host.to_owned())
            }),
        });
        Ok(Line { transport: Transport::connect(&Endpoint::Tcp(*address), tls.as_ref())? })
    }

    /// To be watched while nothing is asked.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }

    /// Nobody asked, and there is something to read: it is closed, or speaks out of turn.
    pub(super) fn look(&mut self) -> io::Result<()> {
        match self.transport.read(&mut [0; 1024])? {
            Status::Wait => Ok(()),
            Status::Read(_) => Err(io::Error::other("it said something that nobody asked")),
            Status::Closed => Err(closed()),
        }
    }

    /// Sends these bytes and hands what comes to `take` until that has the answer.
    pub(super) fn exchange<T>(
        &mut self,
        request: &[u8],
        mut take: impl FnMut(&[u8]) -> io::Result<Option<T>>,
    ) -> io::Result<T> {
        self.transport.outbox().extend_from_slice(request);
        let until = Instant::now() + ANSWER_TIMEOUT;
        let mut buf = [0; 16 * 1024];
        loop {
            // Who hangs up may have said why: everything that came is looked at before giving up.
            let flushed = self.transport.flush();
            loop {
                match self.transport.read(&mut buf)? {
                    Status::Read(count) => {
                        if let Some(answer) = take(buf.get(..count).unwrap_or(&[]))? {
                            return Ok(answer);
                        }
                    }
                    Status::Wait => break,
                    Status::Closed => return Err(closed()),
                }
            }
            flushed?;
            // An answer to the handshake may be waiting to be sent.
            self.transport.flush()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("no answer within {ANSWER_TIMEOUT:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            let flags = if self.transport.wants_write() {
                PollFlags::IN | PollFlags::OUT
            } else {
                PollFlags::IN
            };
            poll_for(&mut [PollFd::from_borrowed_fd(self.transport.as_fd(), flags)], left)?;
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")
}
