use super::*;
use crate::router::setup::Word;

fn kind(
    program: &str,
    arguments: &[&str],
    matching: Option<Matching>,
    full_command: bool,
) -> ProcessSetup {
    ProcessSetup {
        name: "p".to_owned(),
        program: program.to_owned(),
        arguments: arguments.iter().map(|word| Word::new((*word).to_owned())).collect(),
        matching,
        full_command,
    }
}

/// What keepalived 2.2.7 answered for real processes; the last two by its manual.
#[test]
fn which_processes_count() {
    const LONG: &str = "a-very-long-process-name-x";
    let sleep: (&str, &[&str]) = ("sleep", &["sleep", "1234"]);
    let bin_sleep: (&str, &[&str]) = ("sleep", &["/bin/sleep", "123"]);
    let long: (&str, &[&str]) = ("a-very-long-pro", &[LONG, "30"]);
    let alone: (&str, &[&str]) = ("sleep", &["sleep"]);
    let by = Some;
    let cases = [
        (kind("sleep", &[], None, false), sleep, true),
        (kind("sleep", &[], None, false), bin_sleep, true),
        (kind("/bin/sleep", &[], None, false), bin_sleep, false),
        (kind("/bin/sleep", &[], None, true), bin_sleep, true),
        (kind("sleep", &[], None, true), sleep, true),
        (kind("sleep", &[], None, true), bin_sleep, false),
        (kind("sleep", &["1234"], None, false), sleep, true),
        (kind("sleep", &["123"], None, false), bin_sleep, false),
        (kind("sleep", &["12"], by(Matching::Initial), false), sleep, true),
        (kind("sleep", &["12"], by(Matching::Exact), false), sleep, false),
        (kind("sleep", &["1234", "1"], by(Matching::Initial), false), sleep, false),
        (kind("sleep", &["1234"], by(Matching::Partial), false), sleep, true),
        (kind("sleep", &[], by(Matching::Partial), false), sleep, true),
        (kind(LONG, &[], None, false), long, false),
        (kind("a-very-long-proc", &[], None, false), long, false),
        (kind("a-very-long-pro", &[], None, false), long, true),
        (kind("sleep", &[], by(Matching::Exact), false), sleep, false),
        (kind("sleep", &[], by(Matching::Exact), false), alone, true),
    ];
    for (setup, (name, words), expected) in cases {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(is_of(&setup, Some(name.as_bytes()), &words), expected, "{setup:?} {name}");
    }
    assert!(!is_of(&kind("kthreadd", &[], None, true), Some(b"kthreadd"), &[]), "no command");
}

fn message(what: u32, fields: &[u32]) -> Vec<u8> {
    let header = [PROC.0, PROC.1, 0, 0, 40];
    let event = [what, 0, 0, 0].into_iter().chain(fields.iter().copied());
    header.into_iter().chain(event).flat_map(u32::to_ne_bytes).collect()
}

#[test]
fn events_are_read_and_threads_left_out() {
    let cases = [
        (message(FORK, &[10, 10, 20, 20]), Some(Event::Fork { parent: 10, child: 20 })),
        (message(FORK, &[11, 10, 20, 20]), Some(Event::Fork { parent: 10, child: 20 })),
        (message(FORK, &[10, 10, 21, 10]), None),
        (message(EXEC, &[20, 20]), Some(Event::Changed(20))),
        (message(COMM, &[20, 20, 0, 0]), Some(Event::Changed(20))),
        (message(COMM, &[21, 20, 0, 0]), None),
        (message(EXIT, &[20, 20, 0]), Some(Event::Exit(20))),
        (message(EXIT, &[21, 20, 0]), None),
        (message(0, &[0]), None),
        (message(EXIT, &[20]), None),
        (Vec::new(), None),
    ];
    for (body, expected) in cases {
        assert_eq!(event(&body), expected, "{body:?}");
    }
    let mut other = message(EXIT, &[20, 20, 0]);
    other[0] = 9;
    assert_eq!(event(&other), None, "of another part of the kernel");
}
