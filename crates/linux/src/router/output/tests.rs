use super::*;

fn cut(parts: &[&[u8]], hidden: &[&str]) -> Vec<String> {
    let hidden: Vec<Word> = hidden.iter().map(|word| Word::new((*word).to_owned())).collect();
    let mut lines = Lines::new(&hidden);
    let mut found = Vec::new();
    for part in parts {
        lines.take(part, &mut found);
    }
    found.extend(lines.end());
    found
}

#[test]
fn bytes_become_lines() {
    let long = "x".repeat(600);
    let kept = format!("{} ...", "x".repeat(512));
    type Case<'a> = (&'a [&'a [u8]], &'a [&'a str], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&[b"one\ntwo\n"], &[], &["one", "two"]),
        (&[b"on", b"e\ntw", b"o"], &[], &["one", "two"]),
        (&[b"\n\n  \n"], &[], &[]),
        (&[b"a\r\n"], &[], &["a\u{fffd}"]),
        (&[b"\xff\n"], &[], &["\u{fffd}"]),
        (&[b"auth secret failed\n"], &["secret"], &["auth *** failed"]),
        (&[b"auth sec", b"ret\n"], &["secret"], &["auth ***"]),
        // Too short to be told from chance.
        (&[b"port 80\n"], &["80"], &["port 80"]),
        (&[long.as_bytes(), b"yyy\nshort\n"], &[], &[&kept, "short"]),
    ];
    for (parts, hidden, expected) in cases {
        assert_eq!(cut(parts, hidden), *expected, "{parts:?}");
    }
}

#[test]
fn a_flood_is_cut_and_counted() {
    let mut allowance = Allowance::default();
    let start = Instant::now();
    let written = (0..1000).filter_map(|_| said("x", &mut allowance, None, start)).count();
    assert_eq!(written, LINES_MAX as usize);
    let later = said("y", &mut allowance, None, start + SPAN);
    assert_eq!(later.as_deref(), Some("y (before it, 950 lines were left out)"));
    assert_eq!(said("z", &mut allowance, None, start + SPAN).as_deref(), Some("z"));
}

#[test]
fn what_a_check_says_every_time_is_written_once() {
    let mut allowance = Allowance::default();
    let mut memory = Memory::default();
    let now = Instant::now();
    let runs: &[(&[&str], &[&str])] = &[
        (&["PONG"], &["PONG"]),
        (&["PONG"], &[]),
        (&["PONG", "slow"], &["slow"]),
        (&["refused"], &["refused"]),
        (&["PONG"], &["PONG"]),
    ];
    for (lines, expected) in runs {
        memory.turn();
        let written: Vec<String> = lines
            .iter()
            .filter_map(|line| said(line, &mut allowance, Some(&mut memory), now))
            .collect();
        assert_eq!(written, *expected, "{lines:?}");
    }
}
