use alloc::vec;

use super::*;
use crate::testing::{XorShift, feed_hostile_bytes};

fn simple(text: &str) -> Value {
    Value::Simple(text.as_bytes().to_vec())
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

fn int(integer: i64) -> Value {
    Value::Integer(integer)
}

/// Decodes all of `bytes` as one value.
fn whole(bytes: &[u8]) -> Result<Value, DecodeError> {
    let (value, len) = decode(bytes, &Limits::default())?.expect("incomplete");
    assert_eq!(len, bytes.len(), "{:?}", bytes.escape_ascii().to_string());
    Ok(value)
}

/// From a session with Debian's redis-server 7.0.15, a primary with one replica, captured:
/// `HELLO 3`, `ROLE`, `GET` of an absent key, `SET`, an unknown command, `INFO` of an unknown
/// section, `ZSCORE`, `SMEMBERS` of an absent key, then `HELLO 2`, `ROLE`, `GET`.
const SESSION: &[&[u8]] = &[
    b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n\
      $2\r\nid\r\n:8\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
      $7\r\nmodules\r\n*0\r\n",
    b"*3\r\n$6\r\nmaster\r\n:290\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n7002\r\n$3\r\n290\r\n",
    b"_\r\n",
    b"+OK\r\n",
    b"-ERR unknown command 'FOO', with args beginning with: \r\n",
    b"=4\r\ntxt:\r\n",
    b",3378080408407459\r\n",
    b"~0\r\n",
    b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n\
      $2\r\nid\r\n:8\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
      $7\r\nmodules\r\n*0\r\n",
    b"*3\r\n$6\r\nmaster\r\n:391\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n7002\r\n$3\r\n290\r\n",
    b"$-1\r\n",
];

fn role(offset: i64) -> Value {
    let replica = Value::Array(vec![bulk("127.0.0.1"), bulk("7002"), bulk("290")]);
    Value::Array(vec![bulk("master"), int(offset), Value::Array(vec![replica])])
}

fn session_values() -> Vec<Value> {
    let hello = |proto| {
        [
            (bulk("server"), bulk("redis")),
            (bulk("version"), bulk("7.0.15")),
            (bulk("proto"), int(proto)),
            (bulk("id"), int(8)),
            (bulk("mode"), bulk("standalone")),
            (bulk("role"), bulk("master")),
            (bulk("modules"), Value::Array(vec![])),
        ]
    };
    vec![
        Value::Map(hello(3).to_vec()),
        role(290),
        Value::Null,
        simple("OK"),
        error("ERR unknown command 'FOO', with args beginning with: "),
        Value::Verbatim { format: *b"txt", text: vec![] },
        Value::Double("3378080408407459".into()),
        Value::Set(vec![]),
        Value::Array(hello(2).into_iter().flat_map(|(k, v)| [k, v]).collect()),
        role(391),
        Value::Null,
    ]
}

#[test]
fn captured_session_decodes() {
    for (bytes, want) in SESSION.iter().zip(session_values()) {
        assert_eq!(whole(bytes), Ok(want));
    }
}

#[test]
fn stream_decodes_however_it_is_cut() {
    let stream = SESSION.concat();
    let mut random = XorShift(7);
    for longest in [1, 2, 3, 7, 50, stream.len()] {
        let mut decoder = Decoder::new(Limits::default());
        let mut got = Vec::new();
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(rest.len().min(1 + random.below(longest)));
            decoder.push(piece);
            while let Some(value) = decoder.next().unwrap() {
                got.push(value);
            }
            rest = tail;
        }
        assert_eq!(got, session_values(), "pieces of up to {longest} bytes");
    }
}

#[test]
fn every_type_decodes() {
    #[rustfmt::skip]
    let rows: &[(&[u8], Value)] = &[
        (b"+\r\n",                        simple("")),
        (b"+a\rb\nc\r\n",                 simple("a\rb\nc")),
        (b"-LOADING Redis is loading\r\n", error("LOADING Redis is loading")),
        (b"!8\r\nERR a\r\nb\r\n",         error("ERR a\r\nb")),
        (b":0\r\n",                       int(0)),
        (b":+12\r\n",                     int(12)),
        (b":-9223372036854775808\r\n",    int(i64::MIN)),
        (b"$0\r\n\r\n",                   bulk("")),
        (b"$4\r\n\r\n\xff\0\r\n",         Value::Bulk(b"\r\n\xff\0".to_vec())),
        (b"$-1\r\n",                      Value::Null),
        (b"*-1\r\n",                      Value::Null),
        (b"_\r\n",                        Value::Null),
        (b"*0\r\n",                       Value::Array(vec![])),
        (b"*2\r\n*1\r\n:1\r\n*0\r\n",     Value::Array(vec![Value::Array(vec![int(1)]), Value::Array(vec![])])),
        (b"#t\r\n",                       Value::Bool(true)),
        (b"#f\r\n",                       Value::Bool(false)),
        (b",1.5e3\r\n",                   Value::Double("1.5e3".into())),
        (b",-inf\r\n",                    Value::Double("-inf".into())),
        (b",nan\r\n",                     Value::Double("nan".into())),
        (b"(-123456789012345678901\r\n",  Value::BigNumber("-123456789012345678901".into())),
        (b"=8\r\nmkd:# hi\r\n",           Value::Verbatim { format: *b"mkd", text: b"# hi".to_vec() }),
        (b"%1\r\n+a\r\n*1\r\n:1\r\n",     Value::Map(vec![(simple("a"), Value::Array(vec![int(1)]))])),
        (b"~2\r\n:1\r\n:2\r\n",           Value::Set(vec![int(1), int(2)])),
        (b">2\r\n+invalidate\r\n_\r\n",   Value::Push(vec![simple("invalidate"), Value::Null])),
        // Attributes: in front of a value, inside an aggregate, empty, within one another.
        (b"|1\r\n+ttl\r\n:9\r\n:1\r\n",   int(1)),
        (b"*1\r\n|1\r\n+a\r\n:9\r\n:1\r\n", Value::Array(vec![int(1)])),
        (b"|0\r\n:1\r\n",                 int(1)),
        (b"|1\r\n|1\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", int(5)),
    ];
    for (bytes, want) in rows {
        let name = bytes.escape_ascii().to_string();
        assert_eq!(whole(bytes), Ok(want.clone()), "{name}");
        for len in 0..bytes.len() {
            let got = decode(&bytes[..len], &Limits::default());
            assert_eq!(got, Ok(None), "the first {len} bytes of {name}");
        }
    }
}

#[test]
fn malformed_bytes_are_refused() {
    #[rustfmt::skip]
    let rows: &[(&[u8], DecodeError)] = &[
        (b"HTTP/1.1 400",         DecodeError::Type(b'H')),
        (b"\n",                   DecodeError::Type(b'\n')),
        (b"$\r\n",                DecodeError::Length),
        (b"$-2\r\n",              DecodeError::Length),
        (b"$+1\r\na\r\n",         DecodeError::Length),
        (b"$1x\r\n",              DecodeError::Length),
        (b"$?\r\n",               DecodeError::Length),
        (b"*?\r\n",               DecodeError::Length),
        (b"%-1\r\n",              DecodeError::Length),
        (b"!-1\r\n",              DecodeError::Length),
        (b"*99999999999999999999999\r\n", DecodeError::Length),
        (b"%9223372036854775808\r\n", DecodeError::TooMany),
        (b"$1\r\nab\r\n",         DecodeError::Terminator),
        (b"$3\r\na\r\n+OK\r\n",   DecodeError::Terminator),
        (b":\r\n",                DecodeError::Scalar),
        (b":1.0\r\n",             DecodeError::Scalar),
        (b":9223372036854775808\r\n", DecodeError::Scalar),
        (b"#true\r\n",            DecodeError::Scalar),
        (b",one\r\n",             DecodeError::Scalar),
        (b"(\r\n",                DecodeError::Scalar),
        (b"(-\r\n",               DecodeError::Scalar),
        (b"_x\r\n",               DecodeError::Scalar),
        (b"=3\r\ntxt\r\n",        DecodeError::Verbatim),
        (b"*2\r\n:1\r\n?",        DecodeError::Type(b'?')),
    ];
    for (bytes, want) in rows {
        let got = decode(bytes, &Limits::default());
        assert_eq!(got, Err(*want), "{}", bytes.escape_ascii());
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits { depth: 2, bulk_bytes: 4, elements: 5, message_bytes: 30 };
    #[rustfmt::skip]
    let rows: &[(&[u8], Option<DecodeError>)] = &[
        (b"$4\r\nabcd\r\n",               None),
        (b"$5\r\nabcde\r\n",              Some(DecodeError::TooLong)),
        (b"+abcd\r\n",                    None),
        (b"+abcde\r\n",                   Some(DecodeError::TooLong)),
        (b"*4\r\n_\r\n_\r\n_\r\n_\r\n",   None),
        (b"*5\r\n",                       Some(DecodeError::TooMany)),
        (b"%2\r\n_\r\n_\r\n_\r\n_\r\n",   None),
        (b"%3\r\n",                       Some(DecodeError::TooMany)),
        (b"*1\r\n*1\r\n_\r\n",            None),
        (b"*1\r\n*1\r\n*0\r\n",           Some(DecodeError::TooDeep)),
        (b"*3\r\n$4\r\nabcd\r\n$4\r\nabcd\r\n+abc\r\n", None),                        // 30 bytes
        (b"*3\r\n$4\r\nabcd\r\n$4\r\nabcd\r\n+abcd\r\n", Some(DecodeError::TooLong)), // 31
        (b"|0\r\n|0\r\n|0\r\n|0\r\n|0\r\n|0\r\n", Some(DecodeError::TooMany)),
    ];
    for (bytes, want) in rows {
        let got = decode(bytes, &limits);
        match want {
            None => assert!(matches!(got, Ok(Some(_))), "{}: {got:?}", bytes.escape_ascii()),
            Some(want) => assert_eq!(got, Err(*want), "{}", bytes.escape_ascii()),
        }
    }
}

#[test]
fn a_claim_is_refused_before_its_bytes_come() {
    let rows: &[(&[u8], DecodeError)] = &[
        (b"$99999999999\r\n", DecodeError::TooLong),
        (b"*99999999999\r\n", DecodeError::TooMany),
        (b"*1\r\n*60000\r\n%60000\r\n", DecodeError::TooMany),
    ];
    for (bytes, want) in rows {
        assert_eq!(decode(bytes, &Limits::default()), Err(*want), "{}", bytes.escape_ascii());
    }
    let endless = vec![b'+'; Limits::default().bulk_bytes + 3];
    assert_eq!(decode(&endless, &Limits::default()), Err(DecodeError::TooLong));
    let nested = b"*1\r\n".repeat(1_000_000);
    assert_eq!(decode(&nested, &Limits::default()), Err(DecodeError::TooDeep));
}

#[test]
fn a_failed_stream_stays_failed() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(b":1\r\n?");
    assert_eq!(decoder.next(), Ok(Some(int(1))));
    assert_eq!(decoder.next(), Err(DecodeError::Type(b'?')));
    decoder.push(b":2\r\n");
    assert_eq!(decoder.next(), Err(DecodeError::Type(b'?')));
}

/// 2 MB in pieces of 16 bytes: with a second look at what has come already, this would be 10^11
/// steps and not finish.
#[test]
fn long_replies_in_small_pieces_take_linear_time() {
    let line = [b"+".as_slice(), &vec![b'x'; 2_000_000], b"\r\n"].concat();
    let string = [b"$2000000\r\n".as_slice(), &vec![b'x'; 2_000_000], b"\r\n"].concat();
    let list =
        [b"*60000\r\n".as_slice(), &b"$27\r\nabcdefghijklmnopqrstuvwxyz0\r\n".repeat(60_000)]
            .concat();
    for stream in [line, string, list] {
        let mut decoder = Decoder::new(Limits::default());
        let mut values = 0;
        for piece in stream.chunks(16) {
            decoder.push(piece);
            values += usize::from(decoder.next().unwrap().is_some());
        }
        assert_eq!(values, 1);
    }
}

#[test]
fn commands_are_arrays_of_bulk_strings() {
    let mut out = Vec::new();
    encode_command(&[b"REPLICAOF", b"NO", b"ONE"], &mut out);
    encode_command(&[b"SET", b"", b"\r\n\0"], &mut out);
    assert_eq!(
        out.escape_ascii().to_string(),
        r"*3\r\n$9\r\nREPLICAOF\r\n$2\r\nNO\r\n$3\r\nONE\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\n\r\n\x00\r\n"
    );
    let command = Value::Array(vec![bulk("REPLICAOF"), bulk("NO"), bulk("ONE")]);
    assert_eq!(decode(&out, &Limits::default()), Ok(Some((command, 36))));
}

#[test]
fn accessors() {
    let txt = Value::Verbatim { format: *b"txt", text: b"role:master".to_vec() };
    let binary = Value::Bulk(vec![0xff]);
    let loading = error("LOADING Redis is loading the dataset in memory");

    assert_eq!(simple("OK").as_str(), Some("OK"));
    assert_eq!(txt.as_str(), Some("role:master"));
    assert_eq!(binary.as_str(), None);
    assert_eq!(binary.as_bytes(), Some([0xff].as_slice()));
    assert_eq!(int(3).as_str(), None);
    // An error is never taken for a string.
    assert_eq!(loading.as_bytes(), None);

    assert_eq!(int(-1).as_integer(), Some(-1));
    assert_eq!(bulk("290").as_integer(), Some(290));
    assert_eq!(bulk("x").as_integer(), None);
    assert_eq!(Value::Double("inf".into()).as_f64(), Some(f64::INFINITY));
    assert_eq!(bulk("0.5").as_f64(), Some(0.5));

    assert_eq!(loading.error_code(), Some("LOADING"));
    assert_eq!(error("ERR").error_code(), Some("ERR"));
    assert_eq!(error("oops").error_code(), Some(""));
    assert_eq!(simple("OK").error_code(), None);
    assert_eq!(error("ERR bad").as_error().as_deref(), Some("ERR bad"));
    assert_eq!(Value::Error(b"ERR \xff".to_vec()).as_error().as_deref(), Some("ERR \u{fffd}"));
    assert_eq!(simple("ERR").as_error(), None);
    assert!(Value::Null.is_null() && !bulk("").is_null());

    // HELLO, under RESP3 and RESP2.
    let [map, .., flat, _, _] = session_values().try_into().ok().map(|v: [Value; 11]| v).unwrap();
    for hello in [map, flat] {
        assert_eq!(hello.get("role").and_then(Value::as_str), Some("master"));
        assert_eq!(hello.get("standalone"), None, "a value is not a key");
    }
}

#[test]
fn hostile_bytes_do_not_panic() {
    let tight = Limits { depth: 3, bulk_bytes: 20, elements: 20, message_bytes: 200 };
    feed_hostile_bytes(SESSION, |bytes| {
        for limits in [Limits::default(), tight] {
            let at_once = decode(bytes, &limits);
            // Byte by byte it must come to the same.
            let mut decoder = Decoder::new(limits);
            let mut first = Ok(None);
            for byte in bytes {
                decoder.push(&[*byte]);
                first = decoder.next();
                if first != Ok(None) {
                    break;
                }
            }
            assert_eq!(first, at_once.map(|found| found.map(|(value, _)| value)));
        }
    });
}
