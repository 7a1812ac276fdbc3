use alloc::vec;

use super::*;
use crate::testing::{feed_hostile_bytes, hex};

struct Golden {
    name: &'static str,
    bytes: &'static str,
    advert: Advert,
}

/// What keepalived 2.2.7 sends, captured on a veth pair in a private network namespace.
fn golden() -> Vec<Golden> {
    let v4 = |last| Ipv4Addr::new(10, 9, 1, last);
    let secret7 = *b"secret7\0";
    let row = |name, bytes, advert| Golden { name, bytes, advert };
    vec![
        row(
            "an owner, no authentication",
            "21 0d ff 01 00 01 d47f 0a090167 00000000 00000000",
            Advert {
                vrid: 13,
                priority: 255,
                auth_type: AUTH_NONE,
                advert_int_s: 1,
                addresses: vec![v4(103)],
                auth_data: [0; 8],
            },
        ),
        row(
            "a password",
            "21 0c ff 02 01 01 54c3 0a090166 0a090168 73656372 65743700",
            Advert {
                vrid: 12,
                priority: 255,
                auth_type: AUTH_PASSWORD,
                advert_int_s: 1,
                addresses: vec![v4(102), v4(104)],
                auth_data: secret7,
            },
        ),
        row(
            "a password, stopping",
            "21 0c 00 02 01 01 53c4 0a090166 0a090168 73656372 65743700",
            Advert {
                vrid: 12,
                priority: 0,
                auth_type: AUTH_PASSWORD,
                advert_int_s: 1,
                addresses: vec![v4(102), v4(104)],
                auth_data: secret7,
            },
        ),
    ]
}

//= https://www.rfc-editor.org/rfc/rfc3768#section-5.3.8
//= type=test
//# The checksum is the 16-bit one's complement of the one's complement sum of the entire
//# VRRP message starting with the version field.
#[test]
fn golden_bytes_there_and_back() {
    for row in golden() {
        assert_eq!(parse(&hex(row.bytes)).as_ref(), Ok(&row.advert), "{}", row.name);
        assert_eq!(row.advert.emit(), hex(row.bytes), "{}", row.name);
    }
}

#[test]
fn what_the_bytes_decide() {
    for (name, bytes, want) in [
        ("empty", "", ParseError::Truncated { have: 0, need: 8 }),
        ("header only", "21 0d ff 01 00 01 d47f", ParseError::Truncated { have: 8, need: 20 }),
        (
            "no authentication data",
            "21 0d ff 01 00 01 d47f 0a090167",
            ParseError::Truncated { have: 12, need: 20 },
        ),
        ("version 3", "31 0d ff 01 00 01 d47f", ParseError::Version(3)),
        ("type 2", "22 0d ff 01 00 01 d47f", ParseError::Type(2)),
        (
            "a changed byte of the password",
            "21 0c ff 02 01 01 54c3 0a090166 0a090168 73656372 65743800",
            ParseError::Checksum,
        ),
        ("no addresses", "21 0d ff 00 00 01 dff0 00000000 00000000", ParseError::NoAddresses),
    ] {
        assert_eq!(parse(&hex(bytes)), Err(want), "{name}");
    }
}

#[test]
fn bytes_behind_the_message_are_ignored() {
    for row in golden() {
        let mut longer = hex(row.bytes);
        longer.extend([1, 2, 3, 4]);
        assert_eq!(parse(&longer), Ok(row.advert), "{}", row.name);
    }
}

#[test]
fn emit_leaves_out_what_the_format_cannot_hold() {
    let mut advert = golden().remove(0).advert;
    advert.addresses = vec![Ipv4Addr::LOCALHOST; 300];
    let message = advert.emit();
    assert_eq!(message.len(), len(255));
    assert_eq!(parse(&message).unwrap().addresses.len(), 255);
}

#[test]
fn hostile_bytes_do_not_panic() {
    let samples: Vec<Vec<u8>> = golden().iter().map(|row| hex(row.bytes)).collect();
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    feed_hostile_bytes(&samples, |bytes| {
        if let Ok(advert) = parse(bytes) {
            assert_eq!(parse(&advert.emit()), Ok(advert));
        }
    });
}
