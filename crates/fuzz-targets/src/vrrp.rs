//! VRRP adverts as they come from a raw socket, and as they are made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keepair_wire::ip::parse_ipv4;
use keepair_wire::vrrp::{
    Advert, ChecksumForm, GROUP_V4, MAX_ADVERT_INT_CS, PROTOCOL, ParseError, hmac, parse,
    parse_signed,
};

use crate::checksum::{checksum, pseudo, seal};
use crate::draw::Draw;

const FORMS: [ChecksumForm; 3] =
    [ChecksumForm::MessageOnly, ChecksumForm::PseudoHeader, ChecksumForm::GroupPseudoHeader];
const CHECKSUM_AT: usize = 6;

/// The first byte says what the rest is: an IPv4 packet; source, destination and message over IPv6;
/// or the fields of an advert. The second says in which form to make the checksum right, if at all.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let kind = draw.below(3);
    let form = draw.pick(&[None, Some(FORMS[0]), Some(FORMS[1]), Some(FORMS[2])]);
    match kind {
        0 => {
            let packet = draw.rest();
            let Ok(ip) = parse_ipv4(packet) else { return };
            assert!(packet.len() >= 20 + ip.payload.len());
            assert_eq!([ip.ttl, ip.protocol], packet[8..10]);
            let header_len = usize::from(packet[0] & 0x0f) * 4;
            assert_eq!(ip.payload, &packet[header_len..][..ip.payload.len()]);
            receive(ip.payload, ip.src.into(), ip.dst.into(), form);
        }
        1 => {
            let [src, dst] = [draw.number::<[u8; 16]>(), draw.number()].map(IpAddr::from);
            receive(draw.rest(), src, dst, form);
        }
        _ => send(draw, form.unwrap_or(ChecksumForm::MessageOnly)),
    }
}

/// Bytes that the checksum `form` covers in front of a message of `len` bytes.
fn in_front(form: ChecksumForm, src: IpAddr, dst: IpAddr, len: usize) -> Vec<u8> {
    match form {
        ChecksumForm::MessageOnly => Vec::new(),
        ChecksumForm::PseudoHeader => pseudo(src, dst, PROTOCOL, len),
        ChecksumForm::GroupPseudoHeader if src.is_ipv6() => Vec::new(),
        ChecksumForm::GroupPseudoHeader => pseudo(src, GROUP_V4.into(), PROTOCOL, len),
    }
}

fn receive(message: &[u8], src: IpAddr, dst: IpAddr, form: Option<ChecksumForm>) {
    let mut message = message.to_vec();
    let address_len = if src.is_ipv4() { 4 } else { 16 };
    let need = 8 + message.get(3).map_or(0, |count| usize::from(*count)) * address_len;
    if let Some(form) = form {
        let covered = need.min(message.len());
        seal(&mut message[..covered], CHECKSUM_AT, &in_front(form, src, dst, covered));
    }
    signature(&message, src, dst);
    let parsed = parse(&message, src, dst);
    match &parsed {
        Ok((advert, form)) => {
            // What is behind the counted addresses does not matter, what is of them does.
            assert_eq!(parse(&message[..need], src, dst), parsed);
            let short = ParseError::Truncated { have: need - 1, need };
            assert_eq!(parse(&message[..need - 1], src, dst), Err(short));
            check(advert, *form, &message[..need], src, dst);
        }
        Err(ParseError::Truncated { have, need }) => {
            assert!(*have == message.len() && have < need);
        }
        Err(ParseError::Version(version)) => assert!(message[0] >> 4 == *version && *version != 3),
        Err(ParseError::Type(kind)) => assert!(message[0] & 0x0f == *kind && *kind != 1),
        Err(ParseError::NoAddresses) => assert_eq!(message[3], 0),
        Err(ParseError::Checksum) => {
            for form in FORMS.into_iter().filter(|form| src.is_ipv4() || *form == FORMS[1]) {
                let pieces = [&*in_front(form, src, dst, need), &message[..need]];
                assert_ne!(checksum(&pieces), 0, "{form:?} is right");
            }
        }
        Err(ParseError::MixedFamilies) => panic!("{src} and {dst} are of one family"),
    }
}

/// What may be a trailer of `auth_hmac` behind the message, and what is one.
fn signature(message: &[u8], src: IpAddr, dst: IpAddr) {
    const KEY: [u8; 32] = [7; 32];
    let known = hmac::parse(message);
    assert!(known.is_none() || message.len() >= hmac::LEN);
    assert!(!hmac::verify(message, src, &KEY), "nobody has signed it");
    let _ = parse_signed(message, src, dst);
    let trailer =
        hmac::Trailer { key_id: 7, sequence: hmac::Sequence(known.map_or(1, |it| it.sequence.0)) };
    let mut signed = message.to_vec();
    hmac::sign(&mut signed, trailer, src, dst, &KEY);
    assert_eq!(signed.len(), message.len() + hmac::LEN);
    assert_eq!(hmac::parse(&signed), Some(trailer));
    assert_eq!(hmac::verify(&signed, src, &KEY), message.len() >= 8);
    let need =
        8 + message.get(3).map_or(0, |n| usize::from(*n)) * if src.is_ipv4() { 4 } else { 16 };
    if message.len() == need && parse(message, src, dst).is_ok() {
        // Over IPv4 the trailer is behind the checksum, over IPv6 it was made anew.
        let fields = |result: Result<(Advert, ChecksumForm), ParseError>| result.map(|it| it.0);
        assert_eq!(fields(parse_signed(&signed, src, dst)), fields(parse(message, src, dst)));
    }
}

/// An advert that was taken from `message`.
fn check(advert: &Advert, form: ChecksumForm, message: &[u8], src: IpAddr, dst: IpAddr) {
    assert_eq!([advert.vrid, advert.priority], message[1..3]);
    assert_eq!(advert.addresses.len(), usize::from(message[3]));
    assert!(advert.addresses.iter().all(|address| address.is_ipv4() == src.is_ipv4()));
    assert!(advert.max_advert_int_cs <= MAX_ADVERT_INT_CS);
    assert_eq!(checksum(&[&in_front(form, src, dst, message.len()), message]), 0);

    let emitted = advert.emit(src, dst, form);
    assert_eq!(parse(&emitted, src, dst), Ok((advert.clone(), form)));
    assert_eq!(emitted[..CHECKSUM_AT - 2], message[..CHECKSUM_AT - 2]);
    assert_eq!(emitted[CHECKSUM_AT + 2..], message[CHECKSUM_AT + 2..]);
    // The reserved bits are ignored, and sent as zeroes.
    assert_eq!(emitted[CHECKSUM_AT - 2], message[CHECKSUM_AT - 2] & 0x0f);
    assert_eq!(emitted[CHECKSUM_AT - 1], message[CHECKSUM_AT - 1]);
}

fn send(mut draw: Draw<'_>, form: ChecksumForm) {
    let v6 = draw.flag();
    let address = |draw: &mut Draw<'_>, v6: bool| -> IpAddr {
        if v6 {
            Ipv6Addr::from(draw.number::<[u8; 16]>()).into()
        } else {
            Ipv4Addr::from(draw.number::<[u8; 4]>()).into()
        }
    };
    let src = address(&mut draw, v6);
    let dst = address(&mut draw, v6);
    let advert = Advert {
        vrid: draw.byte(),
        priority: draw.byte(),
        max_advert_int_cs: draw.number(),
        // More than fit, and of both families.
        addresses: (0..draw.number::<u16>() % 300)
            .map(|at| {
                let other_family = draw.byte() == at as u8;
                address(&mut draw, v6 != other_family)
            })
            .collect(),
    };
    let emitted = advert.emit(src, dst, form);
    let sent = Advert {
        max_advert_int_cs: advert.max_advert_int_cs.min(MAX_ADVERT_INT_CS),
        addresses: advert
            .addresses
            .iter()
            .filter(|address| address.is_ipv6() == v6)
            .take(255)
            .copied()
            .collect(),
        ..advert
    };
    match parse(&emitted, src, dst) {
        Ok((received, received_form)) => {
            assert_eq!(received, sent);
            check(&received, received_form, &emitted, src, dst);
        }
        Err(error) => assert!(error == ParseError::NoAddresses && sent.addresses.is_empty()),
    }
}
