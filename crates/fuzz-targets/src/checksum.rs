//! The Internet checksum once more, written from the RFCs and not from `wire`: to judge its
//! checksums by, and to make those of mutated packets right, so that the checks behind are reached.

use std::net::IpAddr;

/// RFC 1071 over the pieces one after the other.
pub(crate) fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for pair in pieces.concat().chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The pseudo-header: RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6.
pub(crate) fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
    let mut header = Vec::new();
    for address in [src, dst] {
        match address {
            IpAddr::V4(address) => header.extend(address.octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    if src.is_ipv4() {
        header.extend([0, protocol]);
        header.extend((len as u16).to_be_bytes());
    } else {
        header.extend((len as u32).to_be_bytes());
        header.extend([0, 0, 0, protocol]);
    }
    header
}

/// Makes the checksum at `at` in `message` right, if there is one.
pub(crate) fn seal(message: &mut [u8], at: usize, pseudo_header: &[u8]) {
    if message.len() < at + 2 {
        return;
    }
    message[at..at + 2].fill(0);
    let sum = checksum(&[pseudo_header, message]);
    message[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
