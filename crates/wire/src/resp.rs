//! RESP, the protocol of Redis and Valkey: version 2, and version 3 after `HELLO 3`.
//!
//! What it is not: a client. No sockets, no matching of replies to commands, no knowledge of any
//! command. Bytes come in through [`decode()`] or a [`Decoder`], commands go out through
//! [`encode_command`]. The streamed types of the RESP3 draft (`$?`, `*?`) are refused, as no
//! server sends them. The bare newlines that a primary sends while it prepares a PSYNC reply are
//! not RESP, and not handled here.
//!
//! Source: the "Redis serialization protocol specification" in the Redis documentation.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use decode::{DecodeError, Decoder, Limits, decode};

mod decode;

/// One reply, or one push message.
///
/// What RESP2 and RESP3 write differently but mean alike is one variant here: the three nulls are
/// [`Value::Null`], the short and the long error are [`Value::Error`]. Attributes, which annotate
/// the value behind them, are read and dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `+`: a short status such as `OK`.
    Simple(Vec<u8>),
    /// `-` or `!`: an error. By custom its first word, in capitals, is a code.
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`: a string of bytes.
    Bulk(Vec<u8>),
    /// `*`
    Array(Vec<Value>),
    /// `_`, and from RESP2 `$-1` and `*-1`.
    Null,
    /// `#`
    Bool(bool),
    /// `,`: a floating-point number, checked, but kept as the text that came: a value then equals
    /// itself even where it is NaN. [`Value::as_f64`] converts it.
    Double(String),
    /// `(`: an integer of any size, in decimal.
    BigNumber(String),
    /// `=`: text with a three-letter format. `INFO` answers in it under RESP3.
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// The text behind the format and its colon.
        text: Vec<u8>,
    },
    /// `%`: pairs, in the order they came.
    Map(Vec<(Value, Value)>),
    /// `~`: elements, in the order they came; nothing checks that they differ.
    Set(Vec<Value>),
    /// `>`: not a reply to anything, but a message such as an invalidation.
    Push(Vec<Value>),
}

impl Value {
    /// The bytes of a status, a bulk string or a verbatim text.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::Verbatim { text: bytes, .. } => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// As [`Value::as_bytes`], if the bytes are UTF-8. Nothing is replaced.
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The integer, also where RESP2 sends it as a string of digits, as `ROLE` does.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// The floating-point number, also where RESP2 sends it as a string.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(text) => text.parse().ok(),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// The elements of an array, set or push.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The error message, code included. Bytes that are not UTF-8 are replaced: an error must not
    /// pass for a success because a key in its text is binary.
    pub fn as_error(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Error(message) => Some(String::from_utf8_lossy(message)),
            _ => None,
        }
    }

    /// The code that an error begins with: `ERR`, `LOADING`, `NOAUTH`, `MASTERDOWN`. Empty if the
    /// message begins with no word in capitals.
    pub fn error_code(&self) -> Option<&str> {
        let Self::Error(message) = self else {
            return None;
        };
        let end = message
            .iter()
            .position(|byte| !(byte.is_ascii_uppercase() || byte.is_ascii_digit()))
            .unwrap_or(message.len());
        core::str::from_utf8(message.get(..end)?).ok()
    }

    /// Whether this is a null of any kind.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The value under `key`, in a map, or in an array that holds keys and values by turns, which
    /// is how RESP2 sends a map (`HELLO`, `CONFIG GET`).
    pub fn get(&self, key: &str) -> Option<&Value> {
        let is_key = |value: &Value| value.as_bytes() == Some(key.as_bytes());
        match self {
            Self::Map(pairs) => pairs.iter().find(|(k, _)| is_key(k)).map(|(_, v)| v),
            Self::Array(items) => {
                items.as_chunks::<2>().0.iter().find(|[k, _]| is_key(k)).map(|[_, v]| v)
            }
            _ => None,
        }
    }
}

/// Appends a command to `out`, as the array of bulk strings that servers of every version take.
///
/// `args` starts with the command name. No arguments make an empty array, which servers ignore
/// without a reply; do not wait for one.
pub fn encode_command(args: &[&[u8]], out: &mut Vec<u8>) {
    header(b'*', args.len(), out);
    for arg in args {
        header(b'$', arg.len(), out);
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

fn header(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(len.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
