//! ARP over Ethernet: announcing an IPv4 address, asking whether somebody holds it, reading
//! answers.
//!
//! What it is not: a cache or a conflict detector. Whose reply means a conflict is `core`'s call.
//! Frames are whole, with their 14-byte Ethernet header and without a VLAN tag, as a packet socket
//! sends and delivers them.
//!
//! RFC 826 (format), RFC 5227 sections 2.1.1 and 2.3 (probe and announcement), RFC 9568 section
//! 6.4.1 (a router that becomes active broadcasts a gratuitous ARP for each IPv4 address).

use core::fmt;
use core::net::Ipv4Addr;

/// Bytes of an ARP frame, before the link pads it to its minimum.
pub const FRAME_LEN: usize = 42;
/// The EtherType of ARP.
pub const ETHERTYPE: u16 = 0x0806;

const BROADCAST: [u8; 6] = [0xff; 6];
const NOBODY: [u8; 6] = [0; 6];
const HARDWARE_ETHERNET: u16 = 1;
const PROTOCOL_IPV4: u16 = 0x0800;

/// What an ARP packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// "Who has the target address?" Probes and announcements are requests too.
    Request,
    /// "I have the sender address."
    Reply,
}

/// One ARP packet. Every field is the sender's claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub operation: Operation,
    /// Hardware address of the sender, from the ARP packet. The Ethernet source is not kept: with
    /// a virtual MAC the two may differ, and conflict detection (RFC 5227) compares this one.
    pub sender_mac: [u8; 6],
    /// Address of the sender; 0.0.0.0 in a probe.
    pub sender_ip: Ipv4Addr,
    /// Hardware address of the target; means nothing in a request.
    pub target_mac: [u8; 6],
    /// Address asked for, or answered to.
    pub target_ip: Ipv4Addr,
}

/// Why the bytes are not an ARP frame for IPv4 over Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// Fewer than [`FRAME_LEN`] bytes.
    Truncated {
        /// Bytes at hand.
        have: usize,
    },
    /// The EtherType is not that of ARP.
    EtherType(u16),
    /// The hardware type is not Ethernet, or its addresses are not 6 bytes long.
    Hardware,
    /// The protocol type is not IPv4, or its addresses are not 4 bytes long.
    Protocol,
    /// Neither a request nor a reply.
    Operation(u16),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { have } => write!(f, "{have} bytes, {FRAME_LEN} needed"),
            Self::EtherType(kind) => write!(f, "EtherType {kind:#06x}, not ARP"),
            Self::Hardware => write!(f, "hardware addresses are not Ethernet"),
            Self::Protocol => write!(f, "protocol addresses are not IPv4"),
            Self::Operation(operation) => write!(f, "ARP operation {operation}"),
        }
    }
}

impl core::error::Error for ParseError {}

/// A broadcast frame that says "`address` is at `mac`", to be believed by all who already know
/// the address, and by switches.
///
/// It is a request rather than a reply, with the target hardware address zero. Some programs fill
/// that field with ones; no receiver may look at it.
//= https://www.rfc-editor.org/rfc/rfc5227#section-3
//# the ARP Request is the preferred form of announcement; the sender and target IP addresses are
//# both the address announced
pub fn gratuitous(mac: [u8; 6], address: Ipv4Addr) -> [u8; FRAME_LEN] {
    request(mac, address, address)
}

/// A broadcast frame that asks whether anybody holds `address`, without claiming it.
//= https://www.rfc-editor.org/rfc/rfc5227#section-2.1.1
//# The 'sender IP address' field MUST be set to all zeroes; this is to avoid polluting ARP caches
pub fn probe(mac: [u8; 6], address: Ipv4Addr) -> [u8; FRAME_LEN] {
    request(mac, Ipv4Addr::UNSPECIFIED, address)
}

/// A frame that asks `target` for an answer, from a station that has the address `sender`: to everybody,
/// or to the station `to` alone, which is where the target was before.
//= https://www.rfc-editor.org/rfc/rfc1122#section-2.3.2.1
//# Unicast Poll -- Actively poll the remote host by periodically sending a point-to-point ARP Request
//# to it
pub fn query(
    mac: [u8; 6],
    sender: Ipv4Addr,
    target: Ipv4Addr,
    to: Option<[u8; 6]>,
) -> [u8; FRAME_LEN] {
    addressed(to.unwrap_or(BROADCAST), mac, sender, target)
}

fn request(mac: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> [u8; FRAME_LEN] {
    addressed(BROADCAST, mac, sender, target)
}

fn addressed(to: [u8; 6], mac: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> [u8; FRAME_LEN] {
    let [m0, m1, m2, m3, m4, m5] = mac;
    let [b0, b1, b2, b3, b4, b5] = to;
    let [n0, n1, n2, n3, n4, n5] = NOBODY;
    let [s0, s1, s2, s3] = sender.octets();
    let [t0, t1, t2, t3] = target.octets();
    #[rustfmt::skip]
    let frame = [
        // Ethernet: destination, source, EtherType.
        b0, b1, b2, b3, b4, b5,  m0, m1, m2, m3, m4, m5,  0x08, 0x06,
        // Hardware type 1 with 6-byte addresses, protocol IPv4 with 4-byte ones, request.
        0x00, 0x01,  0x08, 0x00,  6,  4,  0x00, 0x01,
        // Sender, target.
        m0, m1, m2, m3, m4, m5,  s0, s1, s2, s3,
        n0, n1, n2, n3, n4, n5,  t0, t1, t2, t3,
    ];
    frame
}

/// Parses a received frame. Bytes behind the packet are link padding and ignored.
pub fn parse(frame: &[u8]) -> Result<Arp, ParseError> {
    let Some((bytes, _padding)) = frame.split_first_chunk::<FRAME_LEN>() else {
        return Err(ParseError::Truncated { have: frame.len() });
    };
    #[rustfmt::skip]
    let [
        _, _, _, _, _, _,  _, _, _, _, _, _,  ethertype0, ethertype1,
        hardware0, hardware1,  protocol0, protocol1,  hardware_len,  protocol_len,  op0, op1,
        m0, m1, m2, m3, m4, m5,  s0, s1, s2, s3,
        n0, n1, n2, n3, n4, n5,  t0, t1, t2, t3,
    ] = *bytes;

    let ethertype = u16::from_be_bytes([ethertype0, ethertype1]);
    if ethertype != ETHERTYPE {
        return Err(ParseError::EtherType(ethertype));
    }
    //= https://www.rfc-editor.org/rfc/rfc826
    //# Packet Reception: do I have the hardware type, do I speak the protocol, are the lengths
    //# right; the opcode is looked at last
    if u16::from_be_bytes([hardware0, hardware1]) != HARDWARE_ETHERNET || hardware_len != 6 {
        return Err(ParseError::Hardware);
    }
    if u16::from_be_bytes([protocol0, protocol1]) != PROTOCOL_IPV4 || protocol_len != 4 {
        return Err(ParseError::Protocol);
    }
    let operation = match u16::from_be_bytes([op0, op1]) {
        1 => Operation::Request,
        2 => Operation::Reply,
        other => return Err(ParseError::Operation(other)),
    };
    Ok(Arp {
        operation,
        sender_mac: [m0, m1, m2, m3, m4, m5],
        sender_ip: Ipv4Addr::new(s0, s1, s2, s3),
        target_mac: [n0, n1, n2, n3, n4, n5],
        target_ip: Ipv4Addr::new(t0, t1, t2, t3),
    })
}

#[cfg(test)]
mod tests;
