//! From bytes to [`Value`]s, without recursion and without reading a byte twice.
//!
//! The state of a half-read value is an explicit stack of open aggregates, not the call stack, so
//! hostile nesting costs a limit check and no stack; and it outlives a call, so a reply that
//! arrives in a thousand pieces is parsed once, not a thousand times.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::Value;

/// What one top-level value may cost. Exceeding any of them is an error, raised from the claimed
/// length, before the bytes it claims have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Aggregates inside one another. 0 allows none at all. Decoding does not recurse, but
    /// dropping, comparing and printing a value do, so keep it small.
    pub depth: usize,
    /// Bytes of one string or one line.
    pub bulk_bytes: usize,
    /// Values, on all levels together: each aggregate, each of its elements, each map key.
    pub elements: usize,
    /// Bytes on the wire, all framing included.
    pub message_bytes: usize,
}

impl Default for Limits {
    /// Generous for what Keepair asks a server: a `CLIENT LIST` of 20,000 clients fits.
    fn default() -> Self {
        Self { depth: 16, bulk_bytes: 8 << 20, elements: 1 << 16, message_bytes: 16 << 20 }
    }
}

/// Why the bytes are not RESP. The stream cannot be followed after it: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// A value begins with a byte that names no type.
    Type(u8),
    /// A length that is not a number, or negative where there is no null.
    Length,
    /// An integer, big number, double, boolean or null that is not one.
    Scalar,
    /// A string that does not end where its length says.
    Terminator,
    /// A verbatim string without its three letters and colon.
    Verbatim,
    /// Deeper than [`Limits::depth`].
    TooDeep,
    /// A string longer than [`Limits::bulk_bytes`], or a value longer than
    /// [`Limits::message_bytes`].
    TooLong,
    /// More values than [`Limits::elements`].
    TooMany,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(byte) => write!(f, "no RESP type begins with byte {byte:#04x}"),
            Self::Length => write!(f, "malformed length"),
            Self::Scalar => write!(f, "malformed number, boolean or null"),
            Self::Terminator => write!(f, "string without its end of line"),
            Self::Verbatim => write!(f, "verbatim string without a format"),
            Self::TooDeep => write!(f, "nested too deeply"),
            Self::TooLong => write!(f, "too long"),
            Self::TooMany => write!(f, "too many elements"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Decodes the value at the start of `buf`: the value and the number of bytes it took, or `None`
/// if its end has not come yet. Starts over on each call; for a stream use a [`Decoder`].
pub fn decode(buf: &[u8], limits: &Limits) -> Result<Option<(Value, usize)>, DecodeError> {
    let mut partial = Partial::default();
    let value = partial.advance(buf, limits)?;
    Ok(value.map(|value| (value, partial.consumed)))
}

/// Decodes a stream that comes in pieces. Each byte is looked at once, however it is cut.
///
/// Call [`Decoder::next`] until it returns `Ok(None)` after each [`Decoder::push`]; what is
/// buffered then stays below twice the sum of [`Limits::bulk_bytes`] and one push.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    buf: Vec<u8>,
    /// Bytes of `buf` that belong to values already returned or to `partial`.
    used: usize,
    partial: Partial,
    /// Bytes of all values returned.
    taken: u64,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes the next bytes of the stream. They are dropped once the stream has failed.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        // Moving the rest to the front only when it is the smaller half keeps the total work
        // linear, even for a caller who pushes often and never drains.
        if self.used > self.buf.len() / 2 {
            self.buf.drain(..self.used);
            self.used = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// How many bytes of the stream all values returned so far took.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The next whole value, `None` if more bytes are needed. An error is final: every later call
    /// returns it again.
    // An iterator would have to choose between "no more" and "not yet".
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Value>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let before = self.partial.consumed;
        let rest = self.buf.get(self.used..).unwrap_or_default();
        let result = self.partial.advance(rest, &self.limits);
        self.used += self.partial.consumed - before;
        match result {
            Ok(None) => {}
            Ok(Some(_)) => {
                self.taken += self.partial.consumed as u64;
                self.partial = Partial::default();
            }
            Err(error) => {
                self.failed = Some(error);
                self.buf = Vec::new();
                self.partial = Partial::default();
            }
        }
        result
    }
}

/// A value of which some tokens have been read. A token is a header of an aggregate, or a whole
/// value that is not an aggregate.
#[derive(Debug, Default)]
struct Partial {
    /// The open aggregates, outermost first.
    open: Vec<Open>,
    /// Bytes of all tokens read so far.
    consumed: usize,
    /// Tokens read so far.
    tokens: usize,
    /// Bytes of the next token that hold no end of line.
    searched: usize,
}

#[derive(Debug)]
struct Open {
    kind: Aggregate,
    /// Elements still to come.
    missing: usize,
    items: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Array,
    Set,
    Push,
    Map,
    /// Annotates the value behind it, and is no value itself.
    Attribute,
}

/// What the bytes of one token say.
enum Token {
    Value(Value),
    /// An aggregate, and how many values it takes: twice the pairs for a map.
    Open(Aggregate, usize),
}

impl Partial {
    /// Reads tokens from `buf`, which starts where the last call stopped, until the value is whole
    /// or the bytes end. `consumed` grows by the bytes read.
    fn advance(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<Value>, DecodeError> {
        let mut rest = buf;
        loop {
            let budget = limits.message_bytes.saturating_sub(self.consumed);
            let Some((token, len)) = read_token(rest, &mut self.searched, budget, limits)? else {
                return Ok(None);
            };
            self.searched = 0;
            self.consumed = self.consumed.saturating_add(len);
            self.tokens = self.tokens.saturating_add(1);
            rest = rest.get(len..).unwrap_or_default();

            if let Some(value) = self.accept(token, limits)? {
                return Ok(Some(value));
            }
        }
    }

    /// Puts one token in its place. Returns the top-level value if that completes it.
    fn accept(&mut self, token: Token, limits: &Limits) -> Result<Option<Value>, DecodeError> {
        if self.tokens > limits.elements {
            return Err(DecodeError::TooMany);
        }
        match token {
            Token::Value(value) => {
                if let Some(value) = self.place(value) {
                    return Ok(Some(value));
                }
            }
            Token::Open(kind, missing) => {
                if missing > limits.elements.saturating_sub(self.tokens) {
                    return Err(DecodeError::TooMany);
                }
                if self.open.len() >= limits.depth {
                    return Err(DecodeError::TooDeep);
                }
                // Nothing is reserved: the claim may be a lie.
                self.open.push(Open { kind, missing, items: Vec::new() });
            }
        }
        while let Some(full) = self.open.pop_if(|open| open.missing == 0) {
            if let Some(value) = close(full)
                && let Some(value) = self.place(value)
            {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Adds `value` to the innermost open aggregate, or hands it back if there is none.
    fn place(&mut self, value: Value) -> Option<Value> {
        let Some(open) = self.open.last_mut() else {
            return Some(value);
        };
        open.missing = open.missing.saturating_sub(1);
        if open.kind != Aggregate::Attribute {
            open.items.push(value);
        }
        None
    }
}

/// The value of a full aggregate; `None` for an attribute.
fn close(open: Open) -> Option<Value> {
    match open.kind {
        Aggregate::Array => Some(Value::Array(open.items)),
        Aggregate::Set => Some(Value::Set(open.items)),
        Aggregate::Push => Some(Value::Push(open.items)),
        Aggregate::Map => {
            let mut items = open.items.into_iter();
            let pairs = core::iter::from_fn(|| items.next().zip(items.next())).collect();
            Some(Value::Map(pairs))
        }
        Aggregate::Attribute => None,
    }
}

/// Reads the token at the start of `buf`: the token and its length in bytes, `None` if it is not
/// whole. `searched` remembers between calls how far the end of its line has been looked for;
/// `budget` is what is left of [`Limits::message_bytes`].
fn read_token(
    buf: &[u8],
    searched: &mut usize,
    budget: usize,
    limits: &Limits,
) -> Result<Option<(Token, usize)>, DecodeError> {
    let Some((&kind, _)) = buf.split_first() else {
        return Ok(None);
    };
    if !b"+-!:$*_#,(=%~>|".contains(&kind) {
        return Err(DecodeError::Type(kind));
    }
    let Some(end) = find_end_of_line(buf, *searched) else {
        // The last byte may be the first half of the end of line.
        *searched = buf.len().saturating_sub(1);
        let longest = limits.bulk_bytes.saturating_add(b"+\r".len()).min(budget);
        return if buf.len() > longest { Err(DecodeError::TooLong) } else { Ok(None) };
    };
    *searched = end;
    let line = buf.get(1..end).unwrap_or_default();
    let line_len = end.saturating_add(2);
    if line.len() > limits.bulk_bytes || line_len > budget {
        return Err(DecodeError::TooLong);
    }

    let value = match kind {
        b'$' | b'!' | b'=' => {
            return read_string(kind, line, buf, line_len, budget, limits);
        }
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let token = read_aggregate(kind, line)?;
            return Ok(Some((token, line_len)));
        }
        b'+' => Value::Simple(line.to_vec()),
        b'-' => Value::Error(line.to_vec()),
        b':' => Value::Integer(number(line).ok_or(DecodeError::Scalar)?),
        b',' => {
            let text = core::str::from_utf8(line).map_err(|_| DecodeError::Scalar)?;
            text.parse::<f64>().map_err(|_| DecodeError::Scalar)?;
            Value::Double(String::from(text))
        }
        b'(' => Value::BigNumber(big_number(line).ok_or(DecodeError::Scalar)?),
        b'#' => match line {
            b"t" => Value::Bool(true),
            b"f" => Value::Bool(false),
            _ => return Err(DecodeError::Scalar),
        },
        b'_' if line.is_empty() => Value::Null,
        _ => return Err(DecodeError::Scalar),
    };
    Ok(Some((Token::Value(value), line_len)))
}

/// A string whose length, `line`, has been read, and whose bytes follow at `start` in `buf`.
fn read_string(
    kind: u8,
    line: &[u8],
    buf: &[u8],
    start: usize,
    budget: usize,
    limits: &Limits,
) -> Result<Option<(Token, usize)>, DecodeError> {
    if kind == b'$' && line == b"-1" {
        return Ok(Some((Token::Value(Value::Null), start)));
    }
    let len = length(line).ok_or(DecodeError::Length)?;
    let end = start.saturating_add(len);
    let total = end.saturating_add(2);
    if len > limits.bulk_bytes || total > budget {
        return Err(DecodeError::TooLong);
    }
    let (Some(bytes), Some(terminator)) = (buf.get(start..end), buf.get(end..total)) else {
        return Ok(None);
    };
    if terminator != b"\r\n" {
        return Err(DecodeError::Terminator);
    }
    let value = match kind {
        b'!' => Value::Error(bytes.to_vec()),
        b'=' => match *bytes {
            [a, b, c, b':', ref text @ ..] => {
                Value::Verbatim { format: [a, b, c], text: text.to_vec() }
            }
            _ => return Err(DecodeError::Verbatim),
        },
        _ => Value::Bulk(bytes.to_vec()),
    };
    Ok(Some((Token::Value(value), total)))
}

fn read_aggregate(kind: u8, line: &[u8]) -> Result<Token, DecodeError> {
    if kind == b'*' && line == b"-1" {
        return Ok(Token::Value(Value::Null));
    }
    let count = length(line).ok_or(DecodeError::Length)?;
    let pairs = || count.checked_mul(2).ok_or(DecodeError::TooMany);
    Ok(match kind {
        b'~' => Token::Open(Aggregate::Set, count),
        b'>' => Token::Open(Aggregate::Push, count),
        b'%' => Token::Open(Aggregate::Map, pairs()?),
        b'|' => Token::Open(Aggregate::Attribute, pairs()?),
        _ => Token::Open(Aggregate::Array, count),
    })
}

/// Where the first CR LF at or after `from` begins.
fn find_end_of_line(buf: &[u8], from: usize) -> Option<usize> {
    let tail = buf.get(from..)?;
    tail.windows(2).position(|pair| pair == b"\r\n").map(|at| from.saturating_add(at))
}

/// Decimal digits only: no sign, no blank.
fn length(line: &[u8]) -> Option<usize> {
    if !line.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(line).ok()?.parse().ok()
}

/// Decimal digits with an optional sign, within 64 bits.
fn number(line: &[u8]) -> Option<i64> {
    core::str::from_utf8(line).ok()?.parse().ok()
}

/// Decimal digits with an optional sign.
fn big_number(line: &[u8]) -> Option<String> {
    let digits = line.strip_prefix(b"-").or(line.strip_prefix(b"+")).unwrap_or(line);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(line).ok().map(String::from)
}
