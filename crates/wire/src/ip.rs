//! The IPv4 header in front of a packet from a raw socket.
//!
//! Linux hands an IPv4 raw socket the header together with the payload (an IPv6 raw socket gets
//! the payload alone, and learns hop limit and addresses from control messages). This module cuts
//! the two apart and keeps what VRRP has to check: addresses, TTL, protocol.
//!
//! What it is not: an IP stack. Options are skipped, fragments are refused (the kernel reassembles
//! before it delivers to a raw socket), and the header checksum is not computed again: the kernel
//! has dropped bad ones. TTL 255 is a VRRP rule and is checked where VRRP rules are, in `core`.
//!
//! RFC 791 section 3.1.

use core::fmt;
use core::net::Ipv4Addr;

/// What the header says, and the bytes it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address, as the sender wrote it.
    pub dst: Ipv4Addr,
    /// Time to live as received, in hops. 255 means that no router touched the packet.
    pub ttl: u8,
    /// Protocol number; [`crate::vrrp::PROTOCOL`] for VRRP.
    pub protocol: u8,
    /// The bytes after the header and its options, up to the total length the header states.
    /// Link-layer padding is not part of it.
    pub payload: &'a [u8],
}

/// Why the bytes are not an IPv4 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// Fewer bytes than the header needs, or than its lengths promise.
    Truncated {
        /// Bytes at hand.
        have: usize,
        /// Bytes required.
        need: usize,
    },
    /// The version nibble is not 4.
    Version(u8),
    /// The header length field (IHL) states fewer than 20 bytes.
    HeaderLength {
        /// The length it states, in bytes.
        bytes: usize,
    },
    /// The total length is less than the header length.
    TotalLength {
        /// The length it states, in bytes.
        bytes: usize,
    },
    /// One fragment of a larger packet.
    Fragment,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { have, need } => write!(f, "{have} bytes, {need} needed"),
            Self::Version(version) => write!(f, "IP version {version}, not 4"),
            Self::HeaderLength { bytes } => write!(f, "header length of {bytes} bytes"),
            Self::TotalLength { bytes } => write!(f, "total length of {bytes} bytes"),
            Self::Fragment => write!(f, "a fragment"),
        }
    }
}

impl core::error::Error for ParseError {}

const HEADER_LEN: usize = 20;
/// More fragments, and the 13 bits of fragment offset. Don't Fragment (0x4000) is not among them:
/// FRR sets it on its advertisements.
const FRAGMENT_BITS: u16 = 0x3fff;

/// Parses `packet`, which starts with an IPv4 header. Bytes behind the stated total length are
/// padding and ignored.
pub fn parse_ipv4(packet: &[u8]) -> Result<Ipv4Packet<'_>, ParseError> {
    let truncated = |need| ParseError::Truncated { have: packet.len(), need };
    let Some((header, _)) = packet.split_first_chunk::<HEADER_LEN>() else {
        return Err(truncated(HEADER_LEN));
    };
    #[rustfmt::skip]
    let [
        version_ihl, _tos, len0, len1,
        _id0, _id1, frag0, frag1,
        ttl, protocol, _sum0, _sum1,
        s0, s1, s2, s3,
        d0, d1, d2, d3,
    ] = *header;

    let version = version_ihl >> 4;
    if version != 4 {
        return Err(ParseError::Version(version));
    }
    let header_len = usize::from(version_ihl & 0x0f) * 4;
    if header_len < HEADER_LEN {
        return Err(ParseError::HeaderLength { bytes: header_len });
    }
    let total_len = usize::from(u16::from_be_bytes([len0, len1]));
    if total_len < header_len {
        return Err(ParseError::TotalLength { bytes: total_len });
    }
    if u16::from_be_bytes([frag0, frag1]) & FRAGMENT_BITS != 0 {
        return Err(ParseError::Fragment);
    }
    //= https://www.rfc-editor.org/rfc/rfc791#section-3.1
    //# Total Length is the length of the datagram, measured in octets, including internet header
    //# and data.
    let payload = packet.get(header_len..total_len).ok_or(truncated(total_len))?;

    Ok(Ipv4Packet {
        src: Ipv4Addr::new(s0, s1, s2, s3),
        dst: Ipv4Addr::new(d0, d1, d2, d3),
        ttl,
        protocol,
        payload,
    })
}

#[cfg(test)]
mod tests;
