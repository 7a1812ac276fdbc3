//! The connection to the local Redis: non-blocking, pipelined, with or without TLS.
//!
//! One connection carries everything, so that answers come in the order of the questions and the
//! closing of it is itself a sense. It decides nothing: it does not reconnect, retry or time out.
//! `query` says which commands a [`Query`] is, `transport` moves the bytes.

pub mod dialogue;
mod query;
pub(crate) mod transport;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

use keepair_core::action::Query;
use keepair_core::input::{Lost, RedisInput};
use keepair_wire::resp::{Decoder, Limits, Value, encode_command};
use zeroize::Zeroizing;

use query::Exchange;
use transport::{Status, Transport};

/// Where a Redis may be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A UNIX socket.
    Unix(PathBuf),
}

/// TLS towards Redis.
#[derive(Clone)]
pub struct Tls {
    /// Roots, client certificate and provider.
    pub config: Arc<rustls::ClientConfig>,
    /// The name expected in the server's certificate; `None`: the address connected to.
    pub server_name: Option<String>,
}

/// How to reach and log in to the local Redis.
#[derive(Clone)]
pub struct Access {
    /// Tried in turn, one for each attempt.
    pub endpoints: Vec<Endpoint>,
    /// ACL user; `None`: the default user.
    pub username: Option<String>,
    /// Password, if one is needed.
    pub password: Option<Zeroizing<String>>,
    /// Encrypt.
    pub tls: Option<Tls>,
    /// The peer's Redis, to replicate from.
    pub peer: SocketAddr,
}

/// What a reply is for.
#[derive(Debug)]
enum Expected {
    /// `AUTH`.
    Auth,
    /// The first `PING`, which tells whether a login is needed.
    Hello,
    /// A reply nobody needs.
    Ignored,
    /// The replies of a query.
    Query(Exchange),
}

struct Connection {
    transport: Transport,
    decoder: Decoder,
    expected: VecDeque<Expected>,
}

/// The connection, or its absence.
pub struct Redis {
    access: Access,
    connection: Option<Connection>,
}

impl Redis {
    /// Not connected.
    pub fn new(access: Access) -> Redis {
        Redis { access, connection: None }
    }

    /// Takes over a new way to log in, for the next connection.
    pub fn set_access(&mut self, access: Access) {
        self.access = access;
    }

    /// The way to log in.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Begins to connect. `Connected` or `Lost` follows, from here or from [`Redis::ready`].
    pub fn connect(&mut self, attempt: u32, inputs: &mut Vec<RedisInput>) {
        self.connection = None;
        let endpoints = &self.access.endpoints;
        let Some(endpoint) = endpoints.get(attempt as usize % endpoints.len().max(1)) else {
            inputs.push(RedisInput::Lost(Lost::Failed("no address to connect to".to_owned())));
            return;
        };
        match Transport::connect(endpoint, self.access.tls.as_ref()) {
            Ok(transport) => {
                let mut connection = Connection {
                    transport,
                    decoder: Decoder::new(Limits::default()),
                    expected: VecDeque::new(),
                };
                connection.log_in(&self.access);
                self.connection = Some(connection);
                self.ready(inputs);
            }
            Err(error) => inputs.push(RedisInput::Lost(lost(&error))),
        }
    }

    /// Closes the connection, if there is one; nothing is reported.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// The socket to wait on, and whether there is something to write.
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.connection.as_ref().map(|c| (c.transport.as_fd(), c.transport.wants_write()))
    }

    /// Sends a query. Without a connection nothing happens: `Lost` has been said.
    pub fn ask(&mut self, query: Query, inputs: &mut Vec<RedisInput>) {
        let peer = self.access.peer;
        let Some(connection) = &mut self.connection else { return };
        let exchange = Exchange::send(query, peer, connection.transport.outbox());
        connection.expected.push_back(Expected::Query(exchange));
        self.ready(inputs);
    }

    /// Moves what can be moved without waiting.
    pub fn ready(&mut self, inputs: &mut Vec<RedisInput>) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(why) = connection.pump(inputs) {
            self.connection = None;
            inputs.push(RedisInput::Lost(why));
        }
    }
}

impl Connection {
    fn log_in(&mut self, access: &Access) {
        let out = self.transport.outbox();
        if let Some(password) = &access.password {
            match &access.username {
                Some(user) => {
                    encode_command(&[b"AUTH", user.as_bytes(), password.as_bytes()], out);
                }
                None => encode_command(&[b"AUTH", password.as_bytes()], out),
            }
            self.expected.push_back(Expected::Auth);
        }
        encode_command(&[b"CLIENT", b"SETNAME", b"keepair"], out);
        self.expected.push_back(Expected::Ignored);
        encode_command(&[b"PING"], out);
        self.expected.push_back(Expected::Hello);
    }

    fn pump(&mut self, inputs: &mut Vec<RedisInput>) -> Result<(), Lost> {
        // Who hangs up may have said why: everything that came is looked at before giving up.
        let flushed = self.transport.flush().map_err(|error| lost(&error));
        let mut buf = [0u8; 16 * 1024];
        let read = loop {
            match self.transport.read(&mut buf) {
                Ok(Status::Read(count)) => self.decoder.push(buf.get(..count).unwrap_or(&[])),
                Ok(Status::Wait) => break Ok(()),
                Ok(Status::Closed) => break Err(Lost::Closed),
                Err(error) => break Err(lost(&error)),
            }
        };
        self.deliver_all(inputs)?;
        read.and(flushed)?;
        self.transport.flush().map_err(|error| lost(&error))
    }

    fn deliver_all(&mut self, inputs: &mut Vec<RedisInput>) -> Result<(), Lost> {
        loop {
            match self.decoder.next() {
                Ok(Some(Value::Push(_))) => {}
                Ok(Some(value)) => self.deliver(value, inputs)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let text = format!("this is not a Redis: {error}");
                    return Err(Lost::Failed(text));
                }
            }
        }
    }

    fn deliver(&mut self, value: Value, inputs: &mut Vec<RedisInput>) -> Result<(), Lost> {
        let error = value.as_error().map(|text| text.into_owned());
        match self.expected.front_mut() {
            Some(Expected::Auth | Expected::Ignored) if turned_away(error.as_deref()) => {
                return Err(Lost::Failed(error.unwrap_or_default()));
            }
            None => return Err(Lost::Failed("Redis answered what nobody asked".to_owned())),
            Some(Expected::Auth) => {
                if let Some(text) = error {
                    // Redis quotes the arguments of a command it does not know, and this one's is
                    // the password.
                    let quotes = text.contains("args beginning with");
                    let text = if quotes { "AUTH is not known to this server" } else { &text };
                    return Err(Lost::AuthFailed(text.to_owned()));
                }
            }
            Some(Expected::Hello) => match error {
                Some(text) if text.starts_with("NOAUTH") => {
                    return Err(Lost::AuthFailed(format!(
                        "{text} (set `password_file` in [redis])"
                    )));
                }
                _ => inputs.push(RedisInput::Connected),
            },
            Some(Expected::Ignored) => {}
            Some(Expected::Query(exchange)) => match exchange.take(value) {
                Some(reply) => inputs.push(RedisInput::Reply(exchange.query, reply)),
                None => return Ok(()),
            },
        }
        self.expected.pop_front();
        Ok(())
    }
}

/// Redis says this to a new connection before it closes it, whatever was asked.
fn turned_away(error: Option<&str>) -> bool {
    const SAID: [&str; 2] = ["ERR max number of clients", "DENIED "];
    error.is_some_and(|text| SAID.iter().any(|said| text.starts_with(said)))
}

fn lost(error: &io::Error) -> Lost {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotFound
        | io::ErrorKind::UnexpectedEof => Lost::Closed,
        _ => Lost::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
