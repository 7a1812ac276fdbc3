//! The vectors' tags were computed with Python's `hmac` from the table in
//! `docs/conformance/auth-hmac.md`; keepalived's test quotes the first two from the draft's appendix.

use super::*;
use crate::vrrp::{self, ParseError, v2};
use alloc::vec;
use core::net::Ipv4Addr;

const TEXT: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl";

fn counting() -> Vec<u8> {
    (0..32).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn trailer(key_id: u8, sequence: u64) -> Trailer {
    Trailer { key_id, sequence: Sequence(sequence) }
}

/// IPv4 and version 3, IPv6, IPv4 and version 2: the bytes, the source, the destination, the key.
fn vectors() -> [(Vec<u8>, IpAddr, IpAddr, Vec<u8>); 3] {
    let v4 = "3133c80100644402c0000264\
              0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265";
    let v6 = "3133c8010064a2e9fe800000000000000000000000000100\
              010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78";
    let v2 = "2133c80100015465c00002640000000000000000\
              010700006800000080000003b39c6e4d70557a36d5a373b56e716c1a";
    [
        (bytes(v4), ip("198.51.100.10"), ip("192.0.2.10"), counting()),
        (bytes(v6), ip("fe80::10"), ip("fe80::20"), counting()),
        (bytes(v2), ip("198.51.100.10"), ip("224.0.0.18"), TEXT.to_vec()),
    ]
}

#[test]
fn the_bytes_are_those_that_were_computed_elsewhere() {
    let [(v4, src4, dst4, key4), (v6, src6, dst6, key6), (old, src2, dst2, key2)] = vectors();
    let advert = |address| vrrp::Advert {
        vrid: 51,
        priority: 200,
        max_advert_int_cs: 100,
        addresses: vec![ip(address)],
    };
    let mut message = advert("192.0.2.100").emit(src4, dst4, ChecksumForm::MessageOnly);
    sign(&mut message, trailer(1, 0x6800_0000_8000_0000), src4, dst4, &key4);
    assert_eq!(message, v4);
    let mut message = advert("fe80::100").emit(src6, dst6, ChecksumForm::PseudoHeader);
    sign(&mut message, trailer(1, 0x6800_0000_8000_0000), src6, dst6, &key6);
    assert_eq!(message, v6);
    let mut message = v2::Advert {
        vrid: 51,
        priority: 200,
        auth_type: v2::AUTH_NONE,
        advert_int_s: 1,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 100)],
        auth_data: [0; 8],
    }
    .emit();
    sign(&mut message, trailer(7, 0x6800_0000_8000_0003), src2, dst2, &key2);
    assert_eq!(message, old);
    for (message, src, dst, _) in vectors() {
        let parsed = if message[0] >> 4 == 2 {
            v2::parse(&message).map(|advert| advert.priority)
        } else {
            vrrp::parse_signed(&message, src, dst).map(|(advert, _)| advert.priority)
        };
        assert_eq!(parsed, Ok(200));
    }
}

#[test]
fn every_bit_counts_but_those_of_the_checksum() {
    for (message, src, _, key) in vectors() {
        assert!(verify(&message, src, &key));
        for bit in 0..message.len() * 8 {
            let mut torn = message.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            let checksum = (CHECKSUM_AT..HEADER_LEN).contains(&(bit / 8));
            assert_eq!(verify(&torn, src, &key), checksum, "bit {bit}");
        }
        let mut other = key.clone();
        other[31] ^= 1;
        assert!(!verify(&message, src, &other), "another key");
        let neighbour = if src.is_ipv4() { ip("198.51.100.11") } else { ip("fe80::11") };
        assert!(!verify(&message, neighbour, &key), "another source");
        assert!(!verify(&message, ip("::"), &key), "another family");
    }
}

#[test]
fn no_length_is_too_short_to_be_refused() {
    for (message, src, dst, key) in vectors() {
        for len in 0..message.len() {
            let short = &message[..len];
            assert!(!verify(short, src, &key), "{len}");
            assert!(parse(short).is_none() || len >= LEN, "{len}");
            assert!(vrrp::parse_signed(short, src, dst).is_err(), "{len}");
        }
        let mut longer = message.clone();
        longer.push(0);
        assert!(!verify(&longer, src, &key));
    }
    let (message, src, dst, _) = vectors().into_iter().nth(1).unwrap();
    let without = &message[..message.len() - LEN];
    let error = vrrp::parse_signed(without, src, dst).map(|_| ());
    assert_eq!(error, Err(ParseError::Truncated { have: 24, need: 52 }));
}

#[test]
fn the_trailer_is_read_only_if_it_is_of_the_known_type() {
    let (message, ..) = vectors().into_iter().next().unwrap();
    assert_eq!(parse(&message), Some(trailer(1, 0x6800_0000_8000_0000)));
    for (at, what) in [(12, "type"), (14, "reserved"), (15, "reserved")] {
        let mut other = message.clone();
        other[at] ^= 0x80;
        assert_eq!(parse(&other), None, "{what}");
    }
}

#[test]
fn the_sequence_is_the_time_of_day_and_wraps_around() {
    let half = Duration::new(0x6800_0000, 500_000_000);
    assert_eq!(Sequence::at(half), Sequence(0x6800_0000_8000_0000));
    let last = Duration::new(0xffff_ffff, 999_999_999);
    assert_eq!(Sequence::at(last), Sequence(0xffff_ffff_ffff_0000));
    let wrapped = Duration::from_secs(0x1_0000_0001);
    assert_eq!(Sequence::at(wrapped), Sequence(1 << 32));
    assert!(Sequence::at(wrapped).is_after(Sequence::at(last)));
    assert!(!Sequence::at(last).is_after(Sequence::at(wrapped)));
    assert!(!Sequence(5).is_after(Sequence(5)));
    assert_eq!(Sequence(u64::MAX).next(), Sequence(0));
    assert_eq!(Sequence::at(last).age_s(wrapped), 2);
    assert_eq!(Sequence::at(wrapped).age_s(last), -2);
}
