//! Bytes to and from Redis without waiting: TCP or a UNIX socket, with TLS where asked for.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rustls::pki_types::ServerName;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Endpoint, Tls};

/// Bytes that wait to be sent at the most. The commands are few and short; a Redis that takes none
/// of them hangs, and the PING deadline says so.
const OUTBOX_BYTES_MAX: usize = 1 << 20;

pub(crate) enum Status {
    /// So many bytes were read.
    Read(usize),
    /// Nothing to read now.
    Wait,
    /// The other side closed.
    Closed,
}

pub(crate) struct Transport {
    socket: Socket,
    tls: Option<Box<rustls::ClientConnection>>,
    /// Plain bytes to be sent.
    outbox: Vec<u8>,
    connecting: bool,
    /// More than so many bytes that wait to be sent are an error.
    pub(super) outbox_bytes_max: usize,
}

impl Transport {
    pub(crate) fn connect(endpoint: &Endpoint, tls: Option<&Tls>) -> io::Result<Transport> {
        let (domain, address) = match endpoint {
            Endpoint::Tcp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
            Endpoint::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
        };
        let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), None)?;
        if matches!(endpoint, Endpoint::Tcp(_)) {
            socket.set_tcp_nodelay(true)?;
        }
        let connecting = match socket.connect(&address) {
            Ok(()) => false,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => true,
            Err(error) => return Err(error),
        };
        let tls = tls.map(|tls| tls_connection(tls, endpoint)).transpose()?;
        let outbox_bytes_max = OUTBOX_BYTES_MAX;
        Ok(Transport { socket, tls, outbox: Vec::new(), connecting, outbox_bytes_max })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connecting
            || match &self.tls {
                Some(tls) => {
                    tls.wants_write() || (!self.outbox.is_empty() && !tls.is_handshaking())
                }
                None => !self.outbox.is_empty(),
            }
    }

    /// Sends what the kernel takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.connecting {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            // No error and no peer: still connecting.
            if self.socket.peer_addr().is_err() {
                return Ok(());
            }
            self.connecting = false;
        }
        if self.outbox.len() > self.outbox_bytes_max {
            return Err(io::Error::other("Redis takes no more commands"));
        }
        if let Some(tls) = &mut self.tls {
            if !tls.is_handshaking() && !self.outbox.is_empty() {
                let count = tls.writer().write(&self.outbox)?;
                self.outbox.drain(..count);
            }
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            return Ok(());
        }
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(count) => {
                    self.outbox.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads some plain bytes.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<Status> {
        if self.connecting {
            return Ok(Status::Wait);
        }
        let Some(tls) = &mut self.tls else {
            return status(self.socket.read(buf));
        };
        loop {
            match tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return status(result),
            }
            match tls.read_tls(&mut self.socket) {
                Ok(0) => return Ok(Status::Closed),
                Ok(_) => {
                    tls.process_new_packets().map_err(|error| {
                        io::Error::other(format!("TLS to Redis failed: {error}"))
                    })?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Status::Wait);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn status(result: io::Result<usize>) -> io::Result<Status> {
    match result {
        Ok(0) => Ok(Status::Closed),
        Ok(count) => Ok(Status::Read(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Status::Wait),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Status::Wait),
        Err(error) => Err(error),
    }
}

fn tls_connection(tls: &Tls, endpoint: &Endpoint) -> io::Result<Box<rustls::ClientConnection>> {
    let name = match (&tls.server_name, endpoint) {
        (Some(name), _) => ServerName::try_from(name.clone())
            .map_err(|error| io::Error::other(format!("TLS: server_name `{name}`: {error}")))?,
        (None, Endpoint::Tcp(address)) => ServerName::from(address.ip()),
        (None, Endpoint::Unix(_)) => ServerName::from(IpAddr::from([127, 0, 0, 1])),
    };
    let connection =
        rustls::ClientConnection::new(tls.config.clone(), name).map_err(io::Error::other)?;
    Ok(Box::new(connection))
}
