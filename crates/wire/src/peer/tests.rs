use super::*;
use alloc::string::ToString;
use alloc::vec;

fn full() -> Report {
    Report {
        vrid: 51,
        instance: 7,
        seq: 99,
        state: State::Active,
        fit: true,
        priority: 100,
        generation: 3,
        vouched: true,
        may_serve: false,
        redis: RedisFacts {
            reachable: true,
            primary: true,
            link_up: false,
            syncing: false,
            empty: false,
            replid: [1; 20],
            replid2: [2; 20],
            second_offset: 15,
            offset: 1234,
            version: (7, 0),
            valkey: false,
            given_up: false,
            unused: true,
        },
        leaving: Some(Leaving { cause: Cause::RedisHung, noticed_ago_us: 10, fenced_ago_us: 5 }),
        handshake: Handshake { wanted: 1, target_offset: 20, caught_up_offset: -1 },
        failover: Some(Failover {
            cause: Cause::PeerSilent,
            generation: 3,
            unix_ms: 1_700_000_000_000,
            phases: vec![(Phase::Notice, 0), (Phase::Claim, 4200)],
        }),
        reason: "the standby took over".to_string(),
        accepted: true,
        void: Some(Stamp { instance: 7, seq: 90 }),
        vote: Some(Stamp { instance: u64::MAX, seq: 1 }),
        served: true,
        missed_writes: true,
        restored: Some(Restored { replid: [3; 20], replid2: [4; 20], at_least: -1 }),
        acknowledged: Some(1200),
    }
}

/// The bytes of `full` that a program of the first format would have sent.
fn first_format() -> Vec<u8> {
    let mut bytes = full().encode();
    bytes.truncate(bytes.len() - (1 + 48 + 8));
    bytes
}

#[test]
fn a_report_survives_the_round_trip() {
    let report = full();
    assert_eq!(Report::decode(&report.encode()), Ok(report));
}

#[test]
fn every_prefix_is_truncated_and_none_panics() {
    let (bytes, first) = (full().encode(), first_format().len());
    for len in (0..bytes.len()).filter(|len| *len != first) {
        assert_eq!(Report::decode(&bytes[..len]), Err(ParseError::Truncated), "length {len}");
    }
}

#[test]
fn a_program_of_the_first_format_is_understood() {
    let expected = Report {
        served: false,
        restored: None,
        missed_writes: false,
        acknowledged: None,
        ..full()
    };
    assert_eq!(Report::decode(&first_format()), Ok(expected));
}

#[test]
fn unknown_fields_behind_the_last_are_ignored() {
    let mut bytes = full().encode();
    bytes.extend_from_slice(&[1, 2, 3]);
    assert_eq!(Report::decode(&bytes), Ok(full()));
}

#[test]
fn every_changed_byte_is_read_without_a_panic() {
    let bytes = full().encode();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let _ = Report::decode(&changed);
        }
    }
}

#[test]
fn wrong_magic_version_and_ranges_are_named() {
    for (at, value, expected) in [
        (0, b'X', ParseError::Magic),
        (2, 9, ParseError::Version(9)),
        (20, 77, ParseError::Field("state")),
    ] {
        let mut bytes = full().encode();
        bytes[at] = value;
        assert_eq!(Report::decode(&bytes), Err(expected), "byte {at}");
    }
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let mut report = full();
    report.reason = "é".repeat(200);
    let back = Report::decode(&report.encode()).unwrap();
    assert_eq!(back.reason, "é".repeat(100));
}
