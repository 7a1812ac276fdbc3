use super::*;
use crate::testing::{feed_hostile_bytes, hex};

/// keepalived 2.2.7, multicast advertisement, as captured.
const KEEPALIVED: &str = "45c0 0024 0001 0000 ff70 1895 c0000201 e0000012
                          3133 9602 0064 1107 c0000264 c0000265";
/// FRR 8.4.4 vrrpd, the same advertisement. Don't Fragment is set.
const FRR: &str = "45c0 0024 6dc5 4000 ff70 6ad0 c0000201 e0000012
                   3133 9602 0064 1107 c0000264 c0000265";

#[test]
fn captured_packets_parse() {
    for (name, bytes) in [("keepalived", KEEPALIVED), ("FRR", FRR)] {
        let bytes = hex(bytes);
        let want = Ipv4Packet {
            src: Ipv4Addr::new(192, 0, 2, 1),
            dst: Ipv4Addr::new(224, 0, 0, 18),
            ttl: 255,
            protocol: 112,
            payload: &hex("3133 9602 0064 1107 c0000264 c0000265"),
        };
        assert_eq!(parse_ipv4(&bytes), Ok(want), "{name}");
    }
}

#[test]
fn lengths_are_the_headers_own() {
    #[rustfmt::skip]
    let rows = [
        // Ethernet pads a frame to 60 bytes; the padding is not payload.
        ("padding", "45c0 0016 0001 0000 ff70 0000 c0000201 e0000012  aabb  0000 0000 0000", "aabb"),
        ("no payload", "45c0 0014 0001 0000 ff70 0000 c0000201 e0000012", ""),
        ("router alert", "46c0 001a 0001 0000 ff70 0000 c0000201 e0000012  9404 0000  aabb", "aabb"),
    ];
    for (name, bytes, payload) in rows {
        assert_eq!(parse_ipv4(&hex(bytes)).unwrap().payload, hex(payload), "{name}");
    }
}

#[test]
fn malformed_headers_are_refused() {
    #[rustfmt::skip]
    let rows = [
        ("nothing", "", ParseError::Truncated { have: 0, need: 20 }),
        ("19 bytes", "45c0 0024 0001 0000 ff70 1895 c0000201 e00000",
            ParseError::Truncated { have: 19, need: 20 }),
        ("payload cut", "45c0 0024 0001 0000 ff70 1895 c0000201 e0000012 3133",
            ParseError::Truncated { have: 22, need: 36 }),
        ("options cut", "4fc0 003c 0001 0000 ff70 1895 c0000201 e0000012",
            ParseError::Truncated { have: 20, need: 60 }),
        ("version 6", "65c0 0014 0001 0000 ff70 1895 c0000201 e0000012", ParseError::Version(6)),
        ("IHL 4", "44c0 0014 0001 0000 ff70 1895 c0000201 e0000012",
            ParseError::HeaderLength { bytes: 16 }),
        ("total below IHL", "46c0 0014 0001 0000 ff70 1895 c0000201 e0000012 9404 0000",
            ParseError::TotalLength { bytes: 20 }),
        ("first fragment", "45c0 0014 0001 2000 ff70 1895 c0000201 e0000012", ParseError::Fragment),
        ("later fragment", "45c0 0014 0001 0001 ff70 1895 c0000201 e0000012", ParseError::Fragment),
    ];
    for (name, bytes, want) in rows {
        assert_eq!(parse_ipv4(&hex(bytes)), Err(want), "{name}");
    }
}

#[test]
fn hostile_bytes_do_not_panic() {
    feed_hostile_bytes(&[&hex(KEEPALIVED), &hex(FRR)], |bytes| {
        let _ = parse_ipv4(bytes);
    });
}
