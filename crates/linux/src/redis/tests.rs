//! Replies that the Redis of `tests/redis.rs` does not give.

use keepair_wire::info::Info;
use std::net::Ipv4Addr;

use keepair_core::action::Query;
use keepair_core::input::{Lost, Reply};
use keepair_wire::resp::{Decoder, Limits};

use super::query::Exchange;

/// The reply of a query that is answered with these bytes.
fn reply(query: Query, answer: &str) -> Option<Reply> {
    let peer = (Ipv4Addr::new(192, 0, 2, 2), 6379).into();
    let mut exchange = Exchange::send(query, peer, &mut Vec::new());
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(answer.as_bytes());
    let mut last = None;
    while let Some(value) = decoder.next().unwrap() {
        assert_eq!(last, None, "answered before the last reply");
        last = exchange.take(value);
    }
    last
}

#[test]
fn one_error_anywhere_in_a_transaction_is_the_reply() {
    let queued = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n";
    let error = |text: &str| Some(Reply::Error(text.to_owned()));
    let before = Info { master_repl_offset: Some(1047), ..Info::default() };
    for (last, expected) in [
        (
            "*4\r\n$24\r\nmaster_repl_offset:1047\n\r\n+OK\r\n:1\r\n:0\r\n",
            Some(Reply::Info(Box::new(before))),
        ),
        ("*4\r\n$0\r\n\r\n-ERR no\r\n:1\r\n:0\r\n", error("ERR no")),
        ("*4\r\n$0\r\n\r\n+OK\r\n:1\r\n-ERR last\r\n", error("ERR last")),
        ("-EXECABORT why\r\n", error("EXECABORT why")),
        ("", None),
    ] {
        assert_eq!(reply(Query::Follow, &format!("{queued}{last}")), expected, "{last}");
    }
}

#[test]
fn an_info_that_is_none_is_an_error() {
    for (answer, expected) in [
        ("-LOADING Redis is loading\r\n", "LOADING Redis is loading"),
        ("+QUEUED\r\n", "Redis answered something unexpected"),
    ] {
        assert_eq!(reply(Query::Info, answer), Some(Reply::Error(expected.to_owned())));
    }
}

#[test]
fn a_refused_connection_is_closed_and_the_rest_is_told() {
    use std::io::{Error, ErrorKind};
    for kind in [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset, ErrorKind::NotFound] {
        assert_eq!(super::lost(&Error::from(kind)), Lost::Closed);
    }
    let told = super::lost(&Error::other("Redis takes no more commands"));
    assert_eq!(told, Lost::Failed("Redis takes no more commands".to_owned()));
}
