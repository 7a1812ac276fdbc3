use alloc::vec::Vec;

use super::*;
use crate::testing::{feed_hostile_bytes, hex};

const OURS: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x00, 0x01];
const THEIRS: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x00, 0x02];

/// keepalived 2.2.7 takes over 2001:db8::100. Captured.
const KEEPALIVED_GLOBAL: &str = "333300000001 02005e100001 86dd  60000000 0020 3a ff
    20010db8000000000000000000000100 ff020000000000000000000000000001
    88 00 991c 20000000 20010db8000000000000000000000100  02 01 02005e100001";
/// keepalived 2.2.7 takes over fe80::5e:51. Captured.
const KEEPALIVED_LINK_LOCAL: &str = "333300000001 02005e100001 86dd  60000000 0020 3a ff
    fe8000000000000000000000005e0051 ff020000000000000000000000000001
    88 00 f82e 20000000 fe8000000000000000000000005e0051  02 01 02005e100001";
/// FRR 8.4.4 vrrpd takes over 2001:db8::100, as a router. Captured on `any`, so the Ethernet
/// header is written in by hand.
const FRR_GLOBAL: &str = "333300000001 00005e000233 86dd  60000000 0020 3a ff
    20010db8000000000000000000000100 ff020000000000000000000000000001
    88 00 18fa a0000000 20010db8000000000000000000000100  02 01 00005e000233";
/// Linux 6.18 probes for 2001:db8::100, with a nonce option. Captured.
const LINUX_PROBE: &str = "3333ff000100 02005e100001 86dd  60000000 0020 3a ff
    00000000000000000000000000000000 ff0200000000000000000001ff000100
    87 00 2f09 00000000 20010db8000000000000000000000100  0e 01 26ba6c467adc";
/// Linux 6.18, the holder, answers that probe: to all nodes, hence not "solicited". Captured.
const LINUX_ANSWER: &str = "333300000001 02005e100002 86dd  60000000 0020 3a ff
    20010db8000000000000000000000100 ff020000000000000000000000000001
    88 00 991b 20000000 20010db8000000000000000000000100  02 01 02005e100002";

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

//= https://www.rfc-editor.org/rfc/rfc4861#section-7.2.6
//= type=test
//# the unsolicited advertisement
#[test]
fn unsolicited_advertisement_is_keepaliveds() {
    for (address, want) in
        [("2001:db8::100", KEEPALIVED_GLOBAL), ("fe80::5e:51", KEEPALIVED_LINK_LOCAL)]
    {
        assert_eq!(unsolicited_advertisement(OURS, ip(address)).to_vec(), hex(want), "{address}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc4862#section-5.4.2
//= type=test
//# the probe
#[test]
fn probe_is_linuxs_without_the_nonce() {
    let probe = probe(OURS, ip("2001:db8::100"));
    let linux = hex(LINUX_PROBE);
    let changed: Vec<usize> = (0..PROBE_LEN).filter(|at| probe[*at] != linux[*at]).collect();
    // The low byte of the payload length, and the checksum, are all that the option changes.
    assert_eq!(changed, [19, CHECKSUM_AT, CHECKSUM_AT + 1]);
    assert!(parse(&probe).unwrap().is_probe());
}

#[test]
fn a_query_says_who_asks_and_goes_to_the_group_or_to_one() {
    let (own, gateway) = (ip("fe80::1"), ip("2001:db8::ff"));
    let group = [0x33, 0x33, 0xff, 0, 0, 0xff];
    for (to, destination, dst) in
        [(None, group, "ff02::1:ff00:ff"), (Some(THEIRS), THEIRS, "2001:db8::ff")]
    {
        let frame = query(OURS, own, gateway, to);
        assert_eq!(frame[..6], destination);
        let want = Ndp {
            kind: Kind::Solicitation,
            source_mac: OURS,
            src: own,
            dst: ip(dst),
            target: gateway,
            link_layer: Some(OURS),
        };
        assert_eq!(parse(&frame), Ok(want));
    }
}

#[test]
fn captured_frames_parse() {
    let claim = |router| Kind::Advertisement { router, solicited: false, overriding: true };
    let vip = "2001:db8::100";
    let frr = [0x00, 0x00, 0x5e, 0x00, 0x02, 0x33];
    #[rustfmt::skip]
    let rows = [
        (KEEPALIVED_GLOBAL,     claim(false), OURS, vip, "ff02::1", vip, Some(OURS)),
        (KEEPALIVED_LINK_LOCAL, claim(false), OURS, "fe80::5e:51", "ff02::1", "fe80::5e:51", Some(OURS)),
        (FRR_GLOBAL,            claim(true), frr, vip, "ff02::1", vip, Some(frr)),
        (LINUX_PROBE,           Kind::Solicitation, OURS, "::", "ff02::1:ff00:100", vip, None),
        (LINUX_ANSWER,          claim(false), THEIRS, vip, "ff02::1", vip, Some(THEIRS)),
    ];
    for (bytes, kind, source_mac, src, dst, target, link_layer) in rows {
        let (src, dst, target) = (ip(src), ip(dst), ip(target));
        let want = Ndp { kind, source_mac, src, dst, target, link_layer };
        assert_eq!(parse(&hex(bytes)), Ok(want));
        let mut padded = hex(bytes);
        padded.extend([0; 10]);
        assert_eq!(parse(&padded), Ok(want), "padded");
    }
}

/// What to put where in a frame.
type Changes = [(usize, u8)];

/// Sets the bytes that `changes` names, then makes the checksum right again.
fn changed(frame: &str, changes: &Changes) -> Vec<u8> {
    let mut frame = hex(frame);
    for (at, byte) in changes {
        frame[*at] = *byte;
    }
    frame[CHECKSUM_AT..CHECKSUM_AT + 2].fill(0);
    let (src, dst) = two_addresses(frame[22..54].try_into().unwrap());
    let len = u16::from_be_bytes([frame[18], frame[19]]);
    let end = frame.len().min(54 + usize::from(len));
    let sum = checksum::pseudo_v6(src, dst, 58, len).add(&frame[54..end]).finish();
    frame[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    frame
}

//= https://www.rfc-editor.org/rfc/rfc4861#section-7.1
//= type=test
//# A node MUST silently discard any received message that does not satisfy all of the validity
//# checks.
#[test]
fn each_check_refuses() {
    let truncated = |have, need| ParseError::Truncated { have, need };
    assert_eq!(parse(&[]), Err(truncated(0, 54)));
    assert_eq!(parse(&hex(LINUX_PROBE)[..53]), Err(truncated(53, 54)));
    assert_eq!(parse(&hex(LINUX_PROBE)[..85]), Err(truncated(85, 86)));

    let mut bad_sum = hex(LINUX_ANSWER);
    bad_sum[CHECKSUM_AT] ^= 1;
    assert_eq!(parse(&bad_sum), Err(ParseError::Checksum));

    #[rustfmt::skip]
    let rows: &[(&str, &str, &Changes, ParseError)] = &[
        ("IPv4",                     LINUX_ANSWER, &[(12, 0x08), (13, 0)], ParseError::EtherType(0x0800)),
        ("version 4",                LINUX_ANSWER, &[(14, 0x45)],          ParseError::Version(4)),
        ("fragment header",          LINUX_ANSWER, &[(20, 44)],            ParseError::NextHeader(44)),
        ("crossed a router",         LINUX_ANSWER, &[(21, 254)],           ParseError::HopLimit(254)),
        ("message of 23 bytes",      LINUX_ANSWER, &[(19, 23)],            truncated(23, 24)),
        ("router advertisement",     LINUX_ANSWER, &[(54, 134)],           ParseError::Type(134)),
        ("code 1",                   LINUX_ANSWER, &[(55, 1)],             ParseError::Code(1)),
        ("multicast target",         LINUX_ANSWER, &[(62, 0xff)],          ParseError::MulticastTarget),
        ("option of length 0",       LINUX_ANSWER, &[(79, 0)],             ParseError::Options),
        ("option past the end",      LINUX_ANSWER, &[(79, 2)],             ParseError::Options),
        ("half an option",           LINUX_ANSWER, &[(19, 29)],            ParseError::Options),
        ("solicited, to all nodes",  LINUX_ANSWER, &[(58, 0x60)],          ParseError::SolicitedMulticast),
        ("probe to all nodes",       LINUX_PROBE,  &[(49, 0), (50, 0), (51, 0), (52, 0), (53, 1)],
                                                                           ParseError::MalformedProbe),
        ("probe that tells its MAC", LINUX_PROBE,  &[(78, 1)],             ParseError::MalformedProbe),
    ];
    for (name, frame, changes, want) in rows {
        assert_eq!(parse(&changed(frame, changes)), Err(*want), "{name}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc4291#section-2.7.1
//= type=test
//# the RFC's own example
#[test]
fn solicited_node_example() {
    assert_eq!(solicited_node(ip("4037::1:800:200e:8c6c")), ip("ff02::1:ff0e:8c6c"));
}

#[test]
fn hostile_bytes_do_not_panic() {
    feed_hostile_bytes(&[&hex(LINUX_PROBE), &hex(LINUX_ANSWER)], |bytes| {
        let _ = parse(bytes);
    });
    // Again behind a right checksum, so that the option walk sees the bytes too.
    feed_hostile_bytes(&[&hex(LINUX_ANSWER)[54..]], |message| {
        let (src, dst) = (ip("fe80::1"), ip("ff02::1"));
        let mut message = message.to_vec();
        if let Some(field) = message.get_mut(2..4) {
            field.fill(0);
            let len = u16::try_from(message.len()).unwrap();
            let sum = checksum::pseudo_v6(src, dst, 58, len).add(&message).finish();
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        let _ = parse_message(&message, src, dst);
    });
}
