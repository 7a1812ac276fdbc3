//! Neighbour solicitations and advertisements.

use std::net::{IpAddr, Ipv6Addr};

use keepair_wire::ndp::{
    Kind, Ndp, ParseError, parse, probe, solicited_node, unsolicited_advertisement,
};

use crate::checksum::{checksum, pseudo, seal};

const ICMPV6: u8 = 58;
/// Where the ICMPv6 message begins: behind the Ethernet and IPv6 headers.
const MESSAGE_AT: usize = 54;

/// The first byte says whether to make the checksum right; the rest is a frame.
pub fn run(bytes: &[u8]) {
    let Some((sealed, frame)) = bytes.split_first() else { return };
    let mut frame = frame.to_vec();
    let end = message_end(&frame);
    if sealed & 1 == 1
        && let Some(end) = end
    {
        let front = in_front(&frame, end);
        seal(&mut frame[MESSAGE_AT..end], 2, &front);
    }
    let ndp = match parse(&frame) {
        Ok(ndp) => ndp,
        Err(ParseError::Truncated { have, need }) => {
            assert!(have < need);
            return;
        }
        Err(ParseError::Checksum) => {
            let end = end.expect("a message");
            assert_ne!(checksum(&[&in_front(&frame, end), &frame[MESSAGE_AT..end]]), 0);
            return;
        }
        Err(_) => return,
    };
    let end = end.expect("a message");
    assert_eq!(checksum(&[&in_front(&frame, end), &frame[MESSAGE_AT..end]]), 0);
    // The rest is the link's padding.
    assert_eq!(parse(&frame[..end]), Ok(ndp));
    assert!(parse(&frame[..end - 1]).is_err());
    check(&ndp, &frame[..end]);
    make(ndp.source_mac, ndp.target);
    make(ndp.source_mac, ndp.dst);
}

/// Where the message ends, if the frame is long enough.
fn message_end(frame: &[u8]) -> Option<usize> {
    let len = u16::from_be_bytes(frame.get(18..20)?.try_into().unwrap());
    let end = MESSAGE_AT + usize::from(len);
    (end <= frame.len()).then_some(end)
}

/// The pseudo-header of the message that ends at `end`.
fn in_front(frame: &[u8], end: usize) -> Vec<u8> {
    let [src, dst] = [22, 38].map(|at| -> IpAddr { address(frame, at).into() });
    pseudo(src, dst, ICMPV6, end - MESSAGE_AT)
}

fn address(frame: &[u8], at: usize) -> Ipv6Addr {
    let octets: [u8; 16] = frame[at..at + 16].try_into().unwrap();
    octets.into()
}

/// A message that was taken from `frame`: RFC 4861 sections 7.1.1 and 7.1.2.
fn check(ndp: &Ndp, frame: &[u8]) {
    assert_eq!((frame[20], frame[21], frame[55]), (ICMPV6, 255, 0));
    assert_eq!(ndp.source_mac, frame[6..12]);
    assert_eq!((ndp.src, ndp.dst), (address(frame, 22), address(frame, 38)));
    assert_eq!(ndp.target, address(frame, 62));
    assert!(!ndp.target.is_multicast());
    let mut options = &frame[78..];
    let mut macs = Vec::new();
    let wanted = if ndp.kind == Kind::Solicitation { 1 } else { 2 };
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at(usize::from(units) * 8);
        if kind == wanted {
            macs.push(&option[2..8]);
        }
        options = rest;
    }
    assert!(options.is_empty());
    assert_eq!(ndp.link_layer.as_ref().map(|mac| &mac[..]), macs.first().copied());
    match ndp.kind {
        Kind::Solicitation => {
            assert_eq!(frame[54], 135);
            if ndp.is_probe() {
                assert!(ndp.link_layer.is_none() && ndp.dst == solicited_node(ndp.dst));
            }
        }
        Kind::Advertisement { router, solicited, overriding } => {
            let flags = [(router, 0x80), (solicited, 0x40), (overriding, 0x20)];
            let flags: u8 = flags.iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum();
            assert_eq!((frame[54], frame[58] & 0xe0), (136, flags));
            assert!(!solicited || !ndp.dst.is_multicast());
            assert!(!ndp.is_probe());
        }
    }
}

/// What is sent about `address` can be read, and says what was meant.
fn make(mac: [u8; 6], address: Ipv6Addr) {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let claim = Ndp {
        kind: Kind::Advertisement { router: false, solicited: false, overriding: true },
        source_mac: mac,
        src: address,
        dst: all_nodes,
        target: address,
        link_layer: Some(mac),
    };
    let question = Ndp {
        kind: Kind::Solicitation,
        src: Ipv6Addr::UNSPECIFIED,
        dst: solicited_node(address),
        link_layer: None,
        ..claim
    };
    for (frame, made) in
        [(&unsolicited_advertisement(mac, address)[..], claim), (&probe(mac, address), question)]
    {
        let expected =
            if address.is_multicast() { Err(ParseError::MulticastTarget) } else { Ok(made) };
        assert_eq!(parse(frame), expected);
    }
}
