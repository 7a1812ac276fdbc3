//! RESP, as a stream: the same values however it is cut, at a cost that follows from the bytes that
//! came and not from those they claim.

use keepair_wire::resp::{DecodeError, Decoder, Limits, Value, decode, encode_command};

use crate::draw::Draw;

/// What Keepair asks for; next to nothing; and lengths without bounds, where nothing but the bytes
/// themselves keeps a claim from being believed. Not depth: dropping a value recurses.
const LIMITS: [fn() -> Limits; 3] = [
    Limits::default,
    || Limits { depth: 2, bulk_bytes: 16, elements: 8, message_bytes: 64 },
    || Limits {
        depth: 64,
        bulk_bytes: usize::MAX,
        elements: usize::MAX,
        message_bytes: usize::MAX,
    },
];
/// Memory of a value for one byte on the wire: `*1` and its end of line, 4 bytes, make a vector with
/// room for four values.
const COST_MAX: usize = 64;

/// The first byte chooses the limits, the next few where the stream is cut, the rest is the stream.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let limits = draw.pick(&LIMITS)();
    let cuts: Vec<usize> = (0..=draw.below(4)).map(|_| 1 + usize::from(draw.byte())).collect();
    let stream = draw.rest();

    let whole = read(stream, &[stream.len().max(1)], limits);
    assert_eq!(read(stream, &cuts, limits), whole, "cut into {cuts:?}");
    assert_eq!(read(stream, &[1], limits), whole, "cut into bytes");
    assert_eq!(one_by_one(stream, limits), whole);
    for value in &whole.0 {
        check(value, limits);
    }
    let args: Vec<&[u8]> = stream.chunks(cuts[0]).collect();
    let mut command = Vec::new();
    encode_command(&args, &mut command);
    let expected = Value::Array(args.iter().map(|arg| Value::Bulk(arg.to_vec())).collect());
    assert_eq!(decode(&command, &Limits::default()), Ok(Some((expected, command.len()))));
}

/// What a stream held, and how it ended.
type Outcome = (Vec<Value>, Option<DecodeError>);

/// Reads a stream that comes in pieces of `sizes`, by turns.
fn read(mut stream: &[u8], sizes: &[usize], limits: Limits) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let mut values = Vec::new();
    for size in sizes.iter().cycle() {
        let (piece, rest) = stream.split_at((*size).min(stream.len()));
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(value)) => values.push(value),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(), Err(error), "an error is final");
                    return (values, Some(error));
                }
            }
        }
        stream = rest;
        if stream.is_empty() {
            break;
        }
    }
    (values, None)
}

/// Reads a stream that is all there.
fn one_by_one(mut stream: &[u8], limits: Limits) -> Outcome {
    let mut values = Vec::new();
    loop {
        match decode(stream, &limits) {
            Ok(Some((value, len))) => {
                assert!(len > 0 && len <= stream.len() && len <= limits.message_bytes);
                let cost = heap_bytes(&value);
                assert!(cost <= len * COST_MAX, "{cost} bytes of memory for {len}");
                values.push(value);
                stream = &stream[len..];
            }
            Ok(None) => return (values, None),
            Err(error) => return (values, Some(error)),
        }
    }
}

/// Memory that a value holds, itself not included.
fn heap_bytes(value: &Value) -> usize {
    let list = |items: &Vec<Value>| {
        items.capacity() * size_of::<Value>() + items.iter().map(heap_bytes).sum::<usize>()
    };
    match value {
        Value::Simple(bytes) | Value::Error(bytes) | Value::Bulk(bytes) => bytes.capacity(),
        Value::Verbatim { text, .. } => text.capacity(),
        Value::Double(text) | Value::BigNumber(text) => text.capacity(),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => list(items),
        Value::Map(pairs) => {
            let inner = pairs.iter().map(|(key, value)| heap_bytes(key) + heap_bytes(value));
            pairs.capacity() * size_of::<(Value, Value)>() + inner.sum::<usize>()
        }
        Value::Integer(_) | Value::Null | Value::Bool(_) => 0,
    }
}

fn check(value: &Value, limits: Limits) {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    let roomy = Limits { message_bytes: usize::MAX, bulk_bytes: usize::MAX, ..limits };
    assert_eq!(decode(&bytes, &roomy), Ok(Some((value.clone(), bytes.len()))));

    assert_eq!(value.as_error().is_some(), matches!(value, Value::Error(_)));
    if let (Some(code), Some(text)) = (value.error_code(), value.as_error()) {
        assert!(text.starts_with(code));
    }
    if let Value::Double(_) = value {
        assert!(value.as_f64().is_some());
    }
    if let Value::Integer(integer) = value {
        assert_eq!(value.as_integer(), Some(*integer));
    }
    assert_eq!(value.is_null(), *value == Value::Null);
    if let Value::Map(pairs) = value
        && let Some((key, found)) = pairs.first()
        && let Some(key) = key.as_str()
    {
        assert_eq!(value.get(key), Some(found));
    }
    for item in value.as_array().unwrap_or_default() {
        let _ = (item.as_integer(), item.as_f64(), item.get("server"));
    }
}

/// The value as a server would write it.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Simple(text) => line(out, '+', text),
        Value::Error(text) => bulk(out, '!', text),
        Value::Bulk(bytes) => bulk(out, '$', bytes),
        Value::Verbatim { format, text } => bulk(out, '=', &[format, &b":"[..], text].concat()),
        Value::Integer(integer) => line(out, ':', integer.to_string().as_bytes()),
        Value::Double(text) => line(out, ',', text.as_bytes()),
        Value::BigNumber(text) => line(out, '(', text.as_bytes()),
        Value::Bool(true) => line(out, '#', b"t"),
        Value::Bool(false) => line(out, '#', b"f"),
        Value::Null => line(out, '_', b""),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            let kind = match value {
                Value::Array(_) => '*',
                Value::Set(_) => '~',
                _ => '>',
            };
            line(out, kind, items.len().to_string().as_bytes());
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Map(pairs) => {
            line(out, '%', pairs.len().to_string().as_bytes());
            for (key, value) in pairs {
                encode(key, out);
                encode(value, out);
            }
        }
    }
}

fn line(out: &mut Vec<u8>, kind: char, text: &[u8]) {
    out.push(kind as u8);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, kind: char, bytes: &[u8]) {
    line(out, kind, bytes.len().to_string().as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
