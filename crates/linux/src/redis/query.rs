//! Which commands a [`Query`] is, and what their replies say.

use std::net::SocketAddr;

use keepair_core::action::Query;
use keepair_core::input::{Reply, Settings};
use keepair_wire::info::Info;
use keepair_wire::resp::{Value, encode_command};

/// Read with `CONFIG GET`, one by one: several names at once need Redis 7.
const SETTINGS: [&str; 7] = [
    "requirepass",
    "masterauth",
    "repl-backlog-size",
    "repl-backlog-ttl",
    "repl-ping-replica-period",
    "repl-timeout",
    "replica-read-only",
];

/// Rights are tried by queueing commands in a transaction that can't succeed: Redis checks them when
/// it queues (`processCommand`, `ACLCheckAllPerm`). The second MULTI has a word too many, so that
/// EXEC aborts and nothing is done. A user who may not use MULTI runs them one by one: hence
/// arguments that are refused. Not DISCARD: the user needs no right to it otherwise.
const RIGHTS: [(&str, &[&[u8]]); 9] = [
    ("multi", &[b"MULTI"]),
    ("multi", &[b"MULTI", b"and-never-do-it"]),
    ("ping", &[b"PING"]),
    ("info", &[b"INFO"]),
    ("replicaof", &[b"REPLICAOF", b"nobody", b"no-port"]),
    ("client|kill", &[b"CLIENT", b"KILL", b"TYPE", b"no-type"]),
    ("client|pause", &[b"CLIENT", b"PAUSE", b"no-time"]),
    ("client|unpause", &[b"CLIENT", b"UNPAUSE"]),
    ("exec", &[b"EXEC"]),
];

/// A query that was sent, and the replies that came so far.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) query: Query,
    replies: Vec<Value>,
    expected: usize,
}

impl Exchange {
    /// Appends the commands of a query to `out`.
    pub(super) fn send(query: Query, peer: SocketAddr, out: &mut Vec<u8>) -> Exchange {
        let mut expected = 0;
        let mut command = |args: &[&[u8]]| {
            encode_command(args, out);
            expected += 1;
        };
        match query {
            Query::Ping => command(&[b"PING"]),
            Query::Info => command(&[b"INFO"]),
            Query::Promote => command(&[b"REPLICAOF", b"NO", b"ONE"]),
            Query::Follow => {
                let host = peer.ip().to_string();
                let port = peer.port().to_string();
                command(&[b"MULTI"]);
                command(&[b"INFO"]);
                command(&[b"REPLICAOF", host.as_bytes(), port.as_bytes()]);
                command(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]);
                command(&[b"CLIENT", b"KILL", b"TYPE", b"pubsub"]);
                command(&[b"EXEC"]);
            }
            Query::PauseWrites(span) => {
                let span_ms = span.as_millis().to_string();
                command(&[b"CLIENT", b"PAUSE", span_ms.as_bytes(), b"WRITE"]);
            }
            Query::ResumeWrites => command(&[b"CLIENT", b"UNPAUSE"]),
            Query::DropReplicas => command(&[b"CLIENT", b"KILL", b"TYPE", b"replica"]),
            Query::Settings => {
                for name in SETTINGS {
                    command(&[b"CONFIG", b"GET", name.as_bytes()]);
                }
                for (_, args) in RIGHTS {
                    command(args);
                }
            }
        }
        Exchange { query, replies: Vec::with_capacity(expected), expected }
    }

    /// Takes a reply in; `Some` when it was the last.
    pub(super) fn take(&mut self, value: Value) -> Option<Reply> {
        self.replies.push(value);
        if self.replies.len() < self.expected {
            return None;
        }
        Some(match self.query {
            Query::Info => match self.replies.first() {
                // Not a status, as `+QUEUED` is one.
                Some(Value::Bulk(text) | Value::Verbatim { text, .. }) => {
                    Reply::Info(Box::new(Info::parse(text)))
                }
                _ => self.first_error().unwrap_or_else(unexpected),
            },
            Query::Follow => match self.first_error() {
                Some(error) => error,
                None => self.info_of_transaction().unwrap_or(Reply::Ok),
            },
            Query::Settings => Reply::Settings(Box::new(self.settings())),
            _ => self.first_error().unwrap_or(Reply::Ok),
        })
    }

    /// The first error among the replies, or within a transaction's.
    fn first_error(&self) -> Option<Reply> {
        let nested = self.replies.iter().filter_map(Value::as_array).flatten();
        let text = self.replies.iter().chain(nested).find_map(Value::as_error)?;
        Some(Reply::Error(text.into_owned()))
    }

    /// The first reply of the transaction, which EXEC's is made of.
    fn info_of_transaction(&self) -> Option<Reply> {
        let text = self.replies.last()?.as_array()?.first()?.as_bytes()?;
        Some(Reply::Info(Box::new(Info::parse(text))))
    }

    fn settings(&self) -> Settings {
        let mut denied = Vec::new();
        let mut note = |name: &str, value: &Value| {
            // Also within `EXECABORT Transaction discarded because of: NOPERM ...`.
            if value.as_error().is_some_and(|text| text.contains("NOPERM ")) {
                denied.push(name.to_owned());
            }
        };
        let settings: Vec<Option<&str>> = SETTINGS
            .iter()
            .zip(&self.replies)
            .map(|(name, reply)| {
                note("config|get", reply);
                reply.get(name).and_then(Value::as_str)
            })
            .collect();
        let rights = self.replies.iter().skip(SETTINGS.len());
        RIGHTS.iter().zip(rights).for_each(|((name, _), reply)| note(name, reply));
        denied.dedup();
        let number = |at: usize| settings.get(at).copied().flatten().and_then(|t| t.parse().ok());
        let filled = |at: usize| settings.get(at).copied().flatten().map(|t| !t.is_empty());
        Settings {
            requirepass: filled(0),
            masterauth: filled(1),
            repl_backlog_size: number(2),
            repl_backlog_ttl: number(3),
            repl_ping_replica_period: number(4),
            repl_timeout: number(5),
            replica_read_only: settings.get(6).copied().flatten().map(|text| text == "yes"),
            denied,
        }
    }
}

fn unexpected() -> Reply {
    Reply::Error("Redis answered something unexpected".to_owned())
}
