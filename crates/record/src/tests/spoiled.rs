//! Bytes that are no record, or no longer one.

use super::*;
use crate::{Bad, Spoiled};

fn error(bytes: &[u8]) -> Bad {
    read(bytes).find_map(Result::err).expect("it was read")
}

/// The offset of every line.
fn lines(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}

/// The line with other text in it, and a check that fits.
fn forged(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(from), "no {from} in {text}");
    let mut out = Vec::new();
    for line in text.lines() {
        let at = out.len();
        let body = line.rsplit_once(",\"check\"").unwrap().0.replacen(from, to, 1);
        out.extend_from_slice(body.as_bytes());
        out.push(b'}');
        crate::line::seal(&mut out, at);
    }
    out
}

#[test]
fn a_changed_byte_anywhere_is_found_and_placed() {
    let bench = Bench::new();
    let mut bytes = bench.record;
    let mut encoder = bench.encoder;
    for input in [Input::Deadline, Input::LinkChanged(true)] {
        encoder.handled(Time(8), &input, &["Tell"], Some(Sums::default()), &mut bytes).unwrap();
    }
    let starts = lines(&bytes);
    for at in 0..bytes.len() {
        for flip in [1, 0x20, 0x80] {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= flip;
            let whole = read(&spoiled[..]).map_while(Result::ok).count();
            let found = read(&spoiled[..]).find_map(Result::err);
            let line = starts.iter().rposition(|start| *start <= at).unwrap();
            match found {
                Some(bad) => {
                    assert_eq!(bad.number, line as u64 + 1, "byte {at}: {bad}");
                    assert_eq!(bad.offset, starts[line] as u64, "byte {at}: {bad}");
                    assert_eq!(whole, line);
                }
                // The end of the last line: nobody can tell that from one not written to its end.
                None => assert!(at >= bytes.len() - 3, "byte {at}, flip {flip}"),
            }
        }
    }
}

#[test]
fn a_torn_tail_is_said_and_everything_before_it_is_read() {
    let bytes = story().record;
    let starts = lines(&bytes);
    let last = starts[starts.len() - 2];
    for end in last + 1..bytes.len() - 1 {
        let found = records(&bytes[..end]);
        assert_eq!(found.len(), starts.len() - 1);
        let Some(Record::CutOff { bytes }) = found.last() else { panic!("at {end}") };
        assert_eq!(*bytes, (end - last) as u64);
    }
    // Only the line feed is missing.
    assert!(matches!(records(&bytes[..bytes.len() - 1]).last(), Some(Record::Handled(_))));
    assert!(matches!(records(&bytes[..last]).last(), Some(Record::Handled(_))));
    // The file system had made the file longer and not filled it.
    let zeros = [&bytes[..], &[0; 5000]].concat();
    assert!(matches!(records(&zeros).last(), Some(Record::CutOff { bytes: 5000 })));
}

#[test]
fn every_beginning_of_a_file_can_be_read() {
    let bytes = Bench::new().record;
    for end in 0..bytes.len() {
        let bad = read(&bytes[..end]).find_map(Result::err);
        assert!(bad.is_none(), "the first {end} bytes: {bad:?}");
    }
}

#[test]
fn a_torn_line_in_the_middle_is_tolerated_only_before_a_start() {
    let bench = story();
    let torn = &bench.record[..bench.record.len() - 9];
    let next = |why| {
        let mut again = Bench::new();
        again.record.clear();
        again.head(why);
        [torn, b"\n", &again.record].concat()
    };
    let found = records(&next(Why::Started));
    let [.., Record::CutOff { .. }, Record::Head(head)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(head.why, Why::Started);
    assert!(matches!(error(&next(Why::Lost(3))).what, Spoiled::Damaged));
}

#[test]
fn what_is_no_record_is_called_so() {
    for bytes in [
        &b"vip = [\"172.18.0.10/24\"]\n"[..],
        b"{}\n",
        b"\n",
        b"\0\0\0\0",
        b"{\"at\":1,\"in\":\"Deadline\",\"check\":\"00000000\"}\n",
    ] {
        let bad = error(bytes);
        assert!(matches!(bad.what, Spoiled::NoRecord), "{bad}");
        assert_eq!((bad.number, bad.offset), (1, 0));
    }
    assert_eq!(records(b"").len(), 0);
}

#[test]
fn another_format_is_named_with_who_wrote_it() {
    let bytes = forged(&Bench::new().record, "\"keepair_record\":1", "\"keepair_record\":2");
    let bytes = forged(&bytes, "\"version\":\"0.1.0\"", "\"version\":\"9.9.9\"");
    let said = error(&bytes).to_string();
    assert!(said.starts_with("record 1 at byte 0: written by keepair 9.9.9 in format 2"), "{said}");
}

#[test]
fn a_snapshot_of_another_shape_is_refused_with_its_version() {
    let bytes = forged(&Bench::new().record, "\"version\":\"0.1.0\"", "\"version\":\"0.0.9\"");
    let bytes = forged(&bytes, "\"link_up\":", "\"link_is_up\":");
    let said = error(&bytes).to_string();
    for words in ["written by keepair 0.0.9", "missing field `link_up`"] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn arbitrary_lines_with_a_good_check_are_refused_not_panicked_over() {
    let head = Bench::new().record;
    for text in [
        "{}",
        "{\"at\":1}",
        "{\"at\":-1,\"in\":\"Deadline\"}",
        "{\"at\":1,\"in\":\"Nonsense\"}",
        "{\"at\":1,\"in\":{\"LinkChanged\":3}}",
        "{\"at\":1,\"in\":\"Deadline\",\"info\":{}}",
        "{\"at\":1,\"info\":{\"role\":7}}",
        "{\"at\":1,\"in\":\"Deadline\",\"sum\":\"+123456789abcdef\"}",
        "{\"at\":1,\"in\":\"Deadline\",\"sum\":\"\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\"}",
        "{\"at\":1,\"in\":{\"VipClaimed\":{\"address\":\"::1\",\"mac\":\"00112233445\"}}}",
        "{\"at\":1,\"in\":{\"VipClaimed\":{\"address\":\"::1\",\"mac\":\"0011223344\"}}}",
        "{\"at\":1,\"in\":{\"VipClaimed\":{\"address\":\"::1\",\"mac\":\"00112233445x\"}}}",
        "{\"clock\":\"now\",\"at\":1}",
        "{\"keepair_record\":1,\"version\":\"0.1.0\",\"why\":\"Started\"}",
        "{\"keepair_record\":99999999999}",
        "[]",
        "nothing at all}",
    ] {
        let mut bytes = head.clone();
        let from = bytes.len();
        bytes.extend_from_slice(text.as_bytes());
        crate::line::seal(&mut bytes, from);
        let bad = error(&bytes);
        assert!(matches!(bad.what, Spoiled::Unknown { .. }), "{text}: {bad}");
        assert_eq!((bad.number, bad.offset), (2, head.len() as u64), "{text}");
    }
    // As deep as a stack.
    let mut bytes = head.clone();
    bytes.extend(std::iter::repeat_n(b'[', 1 << 20));
    let from = head.len();
    crate::line::seal(&mut bytes, from);
    assert!(matches!(error(&bytes).what, Spoiled::Unknown { .. }));
}

/// Every number of a record in turn, replaced by the largest there is: some are refused, some make
/// a node that no daemon could have been. None ends the program.
#[test]
fn numbers_nobody_could_have_written_end_nothing() {
    let bytes = story().record;
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().take(20).collect();
    let (mut refused, mut broke, mut went_on) = (0, 0, 0);
    for (number, line) in lines.iter().enumerate() {
        let body = line.rsplit_once(",\"check\"").unwrap().0;
        let is_digit = |at: usize| body.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        let begins = |at: &usize| is_digit(*at) && (*at == 0 || !is_digit(at - 1));
        for at in (0..body.len()).filter(begins) {
            let end = (at..).find(|end| !is_digit(*end)).unwrap();
            let changed = format!("{}{}{}}}", &body[..at], u64::MAX, &body[end..]);
            let mut out = Vec::new();
            for (other, line) in lines.iter().enumerate() {
                if other == number {
                    let from = out.len();
                    out.extend_from_slice(changed.as_bytes());
                    crate::line::seal(&mut out, from);
                } else {
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
            let mut replayer = crate::Replayer::new();
            let mut read = read(&out[..]);
            loop {
                match read.next().map(|placed| placed.map(|it| replayer.take(it.record))) {
                    None => went_on += 1,
                    Some(Err(_)) => refused += 1,
                    Some(Ok(Err(_))) => broke += 1,
                    Some(Ok(Ok(crate::Step::Turn(turn)))) => {
                        let _ = say::input(&config(), &turn.input);
                        turn.actions.iter().for_each(|it| drop(say::action(turn.at, it)));
                        continue;
                    }
                    Some(Ok(Ok(_))) => continue,
                }
                break;
            }
        }
    }
    assert!(refused > 20 && broke > 0 && went_on > 20, "{refused}, {broke}, {went_on}");
}
