//! A tiny blocking Redis client for the lab's own questions and commands. Not what measures.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `+OK` and its like.
    Simple(String),
    /// `-ERR ...`, without the dash.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// A string, or nothing.
    Bulk(Option<Vec<u8>>),
    /// Several replies.
    Array(Vec<Value>),
}

/// A connection.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects and authenticates, from the network namespace of the calling thread.
    ///
    /// # Errors
    /// Where nobody answers within `timeout`, or the password is refused.
    pub fn open(to: SocketAddr, password: &str, timeout: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&to, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        let mut connection = Self(BufReader::new(stream));
        connection.call(&["AUTH", password])?;
        Ok(connection)
    }

    /// Sets how long to wait for each reply.
    ///
    /// # Errors
    /// Where the socket refuses.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<()> {
        Ok(self.0.get_ref().set_read_timeout(Some(timeout))?)
    }

    /// One command, one reply; an error reply is an error.
    ///
    /// # Errors
    /// Also where the connection is lost or times out.
    pub fn call(&mut self, command: &[&str]) -> Result<Value> {
        self.0.get_mut().write_all(&encode(command))?;
        match read_value(&mut self.0, 0)? {
            Value::Error(text) => bail!("{}: {text}", command.first().unwrap_or(&"")),
            value => Ok(value),
        }
    }

    /// Sends a command whose reply nobody waits for.
    ///
    /// # Errors
    /// Where the connection is lost.
    pub fn send(&mut self, command: &[&str]) -> Result<()> {
        Ok(self.0.get_mut().write_all(&encode(command))?)
    }

    /// Sends commands that are encoded already; each has a reply to [`Connection::read`].
    ///
    /// # Errors
    /// Where the connection is lost.
    pub fn send_raw(&mut self, commands: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(commands)?)
    }

    /// The next reply; an error reply is a value here.
    ///
    /// # Errors
    /// Where the connection is lost or times out.
    pub fn read(&mut self) -> Result<Value> {
        read_value(&mut self.0, 0)
    }

    /// Bytes as they come, those first that were read ahead of a reply; 0 where the server closed.
    ///
    /// # Errors
    /// Where the connection is lost or times out.
    pub fn read_some(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }

    /// `INFO`, all the usual sections.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn info(&mut self) -> Result<Info> {
        match self.call(&["INFO"])? {
            Value::Bulk(Some(text)) => Ok(Info::parse(&String::from_utf8_lossy(&text))),
            other => bail!("INFO answered {other:?}"),
        }
    }

    /// `MGET`; `None` for a key that is not there.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn mget(&mut self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        let command: Vec<&str> =
            std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
        let Value::Array(values) = self.call(&command)? else {
            bail!("MGET did not answer a list")
        };
        if values.len() != keys.len() {
            bail!("MGET answered {} values for {} keys", values.len(), keys.len());
        }
        Ok(values.into_iter().map(|v| if let Value::Bulk(v) = v { v } else { None }).collect())
    }
}

/// A command as bytes.
#[must_use]
pub fn encode(command: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

fn read_value(from: &mut BufReader<TcpStream>, depth: usize) -> Result<Value> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        bail!("the server closed the connection");
    }
    let line = line.trim_end();
    let (Some(kind), Some(rest)) = (line.chars().next(), line.get(1..)) else {
        bail!("empty reply")
    };
    let length = || rest.parse::<i64>().with_context(|| format!("reply {line:?}"));
    Ok(match kind {
        '+' => Value::Simple(rest.to_owned()),
        '-' => Value::Error(rest.to_owned()),
        ':' => Value::Integer(length()?),
        '$' => match usize::try_from(length()?) {
            Err(_) => Value::Bulk(None),
            Ok(length) if length <= 64 << 20 => {
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Value::Bulk(Some(bytes))
            }
            Ok(length) => bail!("a reply of {length} bytes"),
        },
        '*' if depth < 4 => {
            let count = usize::try_from(length()?).unwrap_or(0).min(1 << 20);
            let values = (0..count).map(|_| read_value(from, depth + 1)).collect::<Result<_>>();
            Value::Array(values?)
        }
        _ => bail!("reply {line:?}"),
    })
}

/// What `INFO` says, by name.
#[derive(Debug, Clone, Default)]
pub struct Info(HashMap<String, String>);

impl Info {
    /// Reads `name:value` lines.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        Self(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// A field, empty where it is absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A field as a number, 0 where it is absent.
    #[must_use]
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// Whether this is a primary.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.text("role") == "master"
    }

    /// Whether this is a replica in step with its primary.
    #[must_use]
    pub fn is_replica_up(&self) -> bool {
        self.text("role") == "slave"
            && self.text("master_link_status") == "up"
            && self.number("master_sync_in_progress") == 0
    }
}
