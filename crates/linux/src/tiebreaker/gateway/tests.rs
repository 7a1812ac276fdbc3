use super::*;

const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn stamp(seq: u64) -> Stamp {
    Stamp { instance: 1, seq }
}

/// Questions and answers of a machine with an interval of 100 ms, each with its time in milliseconds:
/// `?` is a question of the thread itself, `?7` one with stamp 7, `!` an answer. What is said is
/// written behind its time.
fn trace(steps: &str) -> String {
    let mut watch = Watch::new(Duration::from_millis(100));
    let mut said = Vec::new();
    for step in steps.split_whitespace() {
        let at = step.find(['?', '!', '.']).unwrap();
        let (ms, what) = step.split_at(at);
        let now = Duration::from_millis(ms.parse().unwrap());
        match what.split_at(1) {
            ("?", "") => watch.asked(now, None),
            ("?", seq) => watch.asked(now, Some(stamp(seq.parse().unwrap()))),
            ("!", _) => said.extend(watch.answered(now, THEIRS).iter().map(|says| match says {
                Says::Met(run) if *run == RUN => format!("{ms}:met"),
                Says::Granted(stamp) => format!("{ms}:{}", stamp.seq),
                other => panic!("{other:?}"),
            })),
            _ => {}
        }
        if watch.silent(now) {
            said.push(format!("{ms}:silent"));
        }
    }
    said.join(" ")
}

#[test]
fn an_answer_votes_for_no_stamp_that_was_sent_after_its_question() {
    for (what, steps, expected) in [
        ("asked and answered", "0? 1! 1000?1 1001! 1100?2 1101!", "1:met 1001:1 1101:2"),
        ("not asked for a vote", "0? 1! 1000? 1001!", "1:met"),
        ("late by less than an interval", "0? 1! 1000?1 1100?2 1101! 1102!", "1:met 1101:1 1102:2"),
        ("two answers to one question", "0? 1! 2! 1000?1 1001! 1002!", "1:met 1001:1"),
        ("the first answer is lost", "0?1 100?2 101! 200?3 201!", "101:met 101:1 201:2"),
        ("it speaks unasked", "0? 1! 500!", "1:met"),
        ("two answers are lost", "0?1 100?2 250?3 251!", "251:met 251:2"),
        ("an answer after two intervals is none", "0?1 201!", "201:met"),
        ("silence", "0? 250? 500? 750? 999. 1000.", "1000:silent"),
        ("silence where votes are asked for", "0? 1! 2?1 900?9 1001. 1002.", "1:met 1002:silent"),
    ] {
        assert_eq!(trace(steps), expected, "{what}");
    }
}

#[test]
fn it_is_asked_alone_and_after_silence_everybody_is() {
    let ms = Duration::from_millis;
    let mut watch = Watch::new(ms(100));
    watch.asked(ms(0), None);
    assert_eq!((watch.known, watch.due()), (None, AGAIN));
    let _ = watch.answered(ms(1), THEIRS);
    assert_eq!((watch.known, watch.due()), (Some(THEIRS), IDLE));
    watch.asked(ms(1000), None);
    watch.asked(ms(1249), None);
    assert_eq!((watch.known, watch.due()), (Some(THEIRS), ms(1499)));
    watch.asked(ms(1250), None);
    assert_eq!(watch.known, None);
}

#[test]
fn only_answers_to_this_machine_count() {
    let way = |source: &str, gateway: &str| Way {
        ifindex: 1,
        mac: OURS,
        source: source.parse().unwrap(),
        gateway: gateway.parse().unwrap(),
    };
    let v4 = way("10.0.0.1", "10.0.0.254");
    let own = "10.0.0.1".parse().unwrap();
    let gateway = "10.0.0.254".parse().unwrap();
    // A reply is a request of the other side but for the operation and the target's address.
    let reply = |operation: u8, target_mac: [u8; 6], sender| {
        let mut frame = arp::query(THEIRS, sender, own, Some(OURS));
        frame[21] = operation;
        frame[32..38].copy_from_slice(&target_mac);
        frame
    };
    for (what, frame, expected) in [
        ("the answer", reply(2, OURS, gateway), Some(THEIRS)),
        ("its own question", reply(1, OURS, gateway), None),
        ("an answer to somebody else", reply(2, THEIRS, gateway), None),
        ("an answer of somebody else", reply(2, OURS, own), None),
        ("its announcement", arp::gratuitous(THEIRS, gateway), None),
    ] {
        assert_eq!(v4.answer(&frame), expected, "{what}");
    }
    let v6 = way("fd00::1", "fd00::ff");
    let announcement = ndp::unsolicited_advertisement(THEIRS, "fd00::ff".parse().unwrap());
    assert_eq!(v6.answer(&announcement), None);
    assert_eq!(v6.answer(&v6.question(None)), None);
    assert!(v4.question(Some(THEIRS)).starts_with(&THEIRS));
}
