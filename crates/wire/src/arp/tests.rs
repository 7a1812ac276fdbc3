use alloc::vec::Vec;

use super::*;
use crate::testing::{feed_hostile_bytes, hex};

const OURS: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x00, 0x01];
const THEIRS: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x00, 0x02];
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

/// keepalived 2.2.7 takes over 192.0.2.100. Captured.
const KEEPALIVED_GRATUITOUS: &str = "ffffffffffff 02005e100001 0806  0001 0800 06 04 0001
                                     02005e100001 c0000264  ffffffffffff c0000264";
/// iputils arping -D, duplicate address detection for 192.0.2.2. Captured.
const ARPING_PROBE: &str = "ffffffffffff 02005e100001 0806  0001 0800 06 04 0001
                            02005e100001 00000000  ffffffffffff c0000202";
/// Linux 6.18, the holder of 192.0.2.2, answers that probe. Captured.
const LINUX_REPLY: &str = "02005e100001 02005e100002 0806  0001 0800 06 04 0002
                           02005e100002 c0000202  02005e100001 00000000";

/// Where the target hardware address is, the field that RFC 5227 tells receivers to ignore.
const TARGET_MAC: core::ops::Range<usize> = 32..38;

fn without_target_mac(mut frame: Vec<u8>) -> Vec<u8> {
    frame[TARGET_MAC].fill(0);
    frame
}

//= https://www.rfc-editor.org/rfc/rfc5227#section-3
//= type=test
//# the announcement
#[test]
fn gratuitous_is_keepaliveds_but_for_the_ignored_field() {
    assert_eq!(gratuitous(OURS, VIP).to_vec(), without_target_mac(hex(KEEPALIVED_GRATUITOUS)));
}

//= https://www.rfc-editor.org/rfc/rfc5227#section-2.1.1
//= type=test
//# the probe
#[test]
fn probe_is_arpings_but_for_the_ignored_field() {
    let probe = probe(OURS, Ipv4Addr::new(192, 0, 2, 2));
    assert_eq!(probe.to_vec(), without_target_mac(hex(ARPING_PROBE)));
}

#[test]
fn a_query_is_a_request_of_its_sender_to_all_or_to_one() {
    let (own, gateway) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 254));
    for (to, destination) in [(None, BROADCAST), (Some(THEIRS), THEIRS)] {
        let frame = query(OURS, own, gateway, to);
        assert_eq!(frame[..6], destination);
        assert_eq!(frame[6..12], OURS);
        let want = Arp {
            operation: Operation::Request,
            sender_mac: OURS,
            sender_ip: own,
            target_mac: NOBODY,
            target_ip: gateway,
        };
        assert_eq!(parse(&frame), Ok(want));
    }
}

#[test]
fn captured_frames_parse() {
    let nobody = Ipv4Addr::UNSPECIFIED;
    let peer = Ipv4Addr::new(192, 0, 2, 2);
    #[rustfmt::skip]
    let rows = [
        (KEEPALIVED_GRATUITOUS, Operation::Request, OURS, VIP, BROADCAST, VIP),
        (ARPING_PROBE, Operation::Request, OURS, nobody, BROADCAST, peer),
        (LINUX_REPLY, Operation::Reply, THEIRS, peer, OURS, nobody),
    ];
    for (bytes, operation, sender_mac, sender_ip, target_mac, target_ip) in rows {
        let want = Arp { operation, sender_mac, sender_ip, target_mac, target_ip };
        assert_eq!(parse(&hex(bytes)), Ok(want));
        // As it arrives over a wire, padded to 60 bytes.
        let mut padded = hex(bytes);
        padded.resize(60, 0);
        assert_eq!(parse(&padded), Ok(want));
    }
}

#[test]
fn malformed_frames_are_refused() {
    let changed = |at: usize, byte: u8| {
        let mut frame = hex(LINUX_REPLY);
        frame[at] = byte;
        parse(&frame).unwrap_err()
    };
    assert_eq!(parse(&[]), Err(ParseError::Truncated { have: 0 }));
    assert_eq!(parse(&hex(LINUX_REPLY)[..41]), Err(ParseError::Truncated { have: 41 }));
    let rows = [
        ("IPv4, not ARP", 13, 0x00, ParseError::EtherType(0x0800)),
        ("VLAN tag", 12, 0x81, ParseError::EtherType(0x8106)),
        ("InfiniBand", 15, 32, ParseError::Hardware),
        ("8-byte hardware address", 18, 8, ParseError::Hardware),
        ("protocol IPv6", 17, 0xdd, ParseError::Protocol),
        ("16-byte protocol address", 19, 16, ParseError::Protocol),
        ("RARP", 21, 3, ParseError::Operation(3)),
        ("operation 0", 21, 0, ParseError::Operation(0)),
    ];
    for (name, at, byte, want) in rows {
        assert_eq!(changed(at, byte), want, "{name}");
    }
}

#[test]
fn hostile_bytes_do_not_panic() {
    feed_hostile_bytes(&[&hex(LINUX_REPLY), &gratuitous(OURS, VIP)], |bytes| {
        let _ = parse(bytes);
    });
}
