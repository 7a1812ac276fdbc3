//! ARP frames.

use std::net::Ipv4Addr;

use keepair_wire::arp::{
    Arp, ETHERTYPE, FRAME_LEN, Operation, ParseError, gratuitous, parse, probe,
};

/// The bytes are a frame.
pub fn run(frame: &[u8]) {
    let arp = match parse(frame) {
        Ok(arp) => arp,
        Err(ParseError::Truncated { have }) => {
            assert!(have == frame.len() && have < FRAME_LEN);
            return;
        }
        Err(ParseError::EtherType(kind)) => {
            assert!(kind != ETHERTYPE && frame[12..14] == kind.to_be_bytes());
            return;
        }
        Err(ParseError::Operation(operation)) => {
            assert!(!matches!(operation, 1 | 2) && frame[20..22] == operation.to_be_bytes());
            return;
        }
        Err(ParseError::Hardware | ParseError::Protocol) => return,
    };
    let operation = if arp.operation == Operation::Request { 1 } else { 2 };
    assert_eq!(frame[12..22], [0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation]);
    assert_eq!(frame[22..28], arp.sender_mac);
    assert_eq!(frame[28..32], arp.sender_ip.octets());
    assert_eq!(frame[32..38], arp.target_mac);
    assert_eq!(frame[38..42], arp.target_ip.octets());
    // The rest is the link's padding.
    assert_eq!(parse(&frame[..FRAME_LEN]), Ok(arp));
    assert!(parse(&frame[..FRAME_LEN - 1]).is_err());

    let request = Arp {
        operation: Operation::Request,
        sender_mac: arp.sender_mac,
        sender_ip: arp.target_ip,
        target_mac: [0; 6],
        target_ip: arp.target_ip,
    };
    assert_eq!(parse(&gratuitous(arp.sender_mac, arp.target_ip)), Ok(request));
    let nobody = Arp { sender_ip: Ipv4Addr::UNSPECIFIED, ..request };
    assert_eq!(parse(&probe(arp.sender_mac, arp.target_ip)), Ok(nobody));
}
