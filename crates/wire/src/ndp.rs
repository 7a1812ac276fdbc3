//! IPv6 neighbour discovery: announcing an address, asking whether somebody holds it, reading
//! answers. For IPv6 what [`crate::arp`] is for IPv4.
//!
//! What it is not: a neighbour cache, or duplicate address detection as a procedure. It makes and
//! reads the two messages; who answers, and what that means, is `core`'s. Frames are whole, with
//! their Ethernet header and without a VLAN tag. Router and redirect messages are refused.
//!
//! RFC 4861 sections 4.3, 4.4 (format), 7.1 (validation), 7.2.6 (unsolicited advertisements),
//! RFC 4862 section 5.4.2 (the probe), RFC 9568 section 6.4.1 (sent by a router becoming active).

use core::fmt;
use core::net::Ipv6Addr;

use crate::checksum;

/// Bytes of an unsolicited neighbour advertisement, Ethernet header included.
pub const ADVERTISEMENT_LEN: usize = 86;
/// Bytes of a duplicate address probe, Ethernet header included. It has no options.
pub const PROBE_LEN: usize = 78;
/// Bytes of a query, Ethernet header included.
pub const QUERY_LEN: usize = 86;
/// The EtherType of IPv6.
pub const ETHERTYPE: u16 = 0x86dd;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const NEXT_HEADER_ICMPV6: u8 = 58;
/// A router lowers the hop limit, so 255 proves that the sender is on the link.
const HOP_LIMIT: u8 = 255;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const FLAG_ROUTER: u8 = 0x80;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;
const OPTION_SOURCE_MAC: u8 = 1;
const OPTION_TARGET_MAC: u8 = 2;
const ETHERNET_LEN: usize = 14;
const IPV6_LEN: usize = 40;
/// ICMPv6 header, flags or reserved field, target address.
const MESSAGE_LEN: usize = 24;
/// Byte offset of the ICMPv6 checksum in a frame.
const CHECKSUM_AT: usize = ETHERNET_LEN + IPV6_LEN + 2;

/// One neighbour solicitation or advertisement that passed the checks of RFC 4861 section 7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ndp {
    /// Which of the two, and what only that one carries.
    pub kind: Kind,
    /// Ethernet source of the frame.
    pub source_mac: [u8; 6],
    /// IPv6 source; `::` in a duplicate address probe.
    pub src: Ipv6Addr,
    /// IPv6 destination.
    pub dst: Ipv6Addr,
    /// The address asked for, or advertised.
    pub target: Ipv6Addr,
    /// The link-layer option: where the source of a solicitation, or the target of an
    /// advertisement, is. `None` when absent or not of Ethernet length.
    pub link_layer: Option<[u8; 6]>,
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// "Who has the target address?"
    Solicitation,
    /// "The target address is here."
    Advertisement {
        /// The sender is a router.
        router: bool,
        /// It answers a solicitation.
        solicited: bool,
        /// It replaces a cached link-layer address.
        overriding: bool,
    },
}

impl Ndp {
    /// Whether this is another node probing for the target before taking it (RFC 4862). It does
    /// not hold the address, but it is about to.
    pub fn is_probe(&self) -> bool {
        self.kind == Kind::Solicitation && self.src.is_unspecified()
    }
}

/// Why the bytes are not a valid neighbour solicitation or advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// The frame or the IPv6 payload ends too early.
    Truncated {
        /// Bytes at hand.
        have: usize,
        /// Bytes required.
        need: usize,
    },
    /// The EtherType is not that of IPv6.
    EtherType(u16),
    /// The IP version is not 6.
    Version(u8),
    /// The first next header is not ICMPv6. Neighbour discovery needs no extension headers, and
    /// RFC 6980 forbids fragments.
    NextHeader(u8),
    /// The hop limit is not 255: the packet crossed a router, or was made to look so.
    HopLimit(u8),
    /// The ICMPv6 checksum is wrong.
    Checksum,
    /// Neither a solicitation nor an advertisement.
    Type(u8),
    /// The ICMPv6 code is not 0.
    Code(u8),
    /// The target is a multicast address.
    MulticastTarget,
    /// An option of length 0, or one that runs past the end.
    Options,
    /// A solicitation from `::` that is not sent to a solicited-node address, or has a source
    /// link-layer option.
    MalformedProbe,
    /// A multicast advertisement that claims to be solicited.
    SolicitedMulticast,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { have, need } => write!(f, "{have} bytes, {need} needed"),
            Self::EtherType(kind) => write!(f, "EtherType {kind:#06x}, not IPv6"),
            Self::Version(version) => write!(f, "IP version {version}, not 6"),
            Self::NextHeader(header) => write!(f, "next header {header}, not ICMPv6"),
            Self::HopLimit(hops) => write!(f, "hop limit {hops}, not 255"),
            Self::Checksum => write!(f, "bad checksum"),
            Self::Type(kind) => write!(f, "ICMPv6 type {kind}, not neighbour discovery"),
            Self::Code(code) => write!(f, "ICMPv6 code {code}, not 0"),
            Self::MulticastTarget => write!(f, "multicast target address"),
            Self::Options => write!(f, "malformed option"),
            Self::MalformedProbe => write!(f, "malformed duplicate address probe"),
            Self::SolicitedMulticast => write!(f, "multicast advertisement with solicited flag"),
        }
    }
}

impl core::error::Error for ParseError {}

/// A frame to all nodes that says "`address` is at `mac`, whatever you believed before".
///
/// Its source is `address` itself, which the sender must hold by then. The router flag is off: a
/// Redis machine is a host, whatever protocol it elects with.
//= https://www.rfc-editor.org/rfc/rfc4861#section-7.2.6
//# MAY send unsolicited Neighbor Advertisement messages to the all-nodes multicast address; the
//# Override flag MAY be set
pub fn unsolicited_advertisement(mac: [u8; 6], address: Ipv6Addr) -> [u8; ADVERTISEMENT_LEN] {
    let [m0, m1, m2, m3, m4, m5] = mac;
    let option = [OPTION_TARGET_MAC, 1, m0, m1, m2, m3, m4, m5];
    let mut frame = [0; ADVERTISEMENT_LEN];
    let head = Head { mac, src: address, dst: ALL_NODES, target: address };
    head.write(&mut frame, ADVERTISEMENT, FLAG_OVERRIDE, &option);
    frame
}

/// A frame that asks whether anybody holds `address`, without claiming it.
///
/// It carries no nonce (RFC 7527), so where the link loops frames back, the sender has to know
/// its own probe by [`Ndp::source_mac`].
//= https://www.rfc-editor.org/rfc/rfc4862#section-5.4.2
//# the IP source is set to the unspecified address and the IP destination is set to the
//# solicited-node multicast address of the target address
pub fn probe(mac: [u8; 6], address: Ipv6Addr) -> [u8; PROBE_LEN] {
    let mut frame = [0; PROBE_LEN];
    let dst = solicited_node(address);
    let head = Head { mac, src: Ipv6Addr::UNSPECIFIED, dst, target: address };
    head.write(&mut frame, SOLICITATION, 0, &[]);
    frame
}

/// A frame that asks `target` for an answer, from a station that has the address `src`: to the target's
/// group, or to the station `to` alone, which is where the target was before.
//= https://www.rfc-editor.org/rfc/rfc4861#section-4.3
//# Neighbor Solicitations are multicast when the node needs to resolve an address and unicast when the
//# node seeks to verify the reachability of a neighbor.
pub fn query(
    mac: [u8; 6],
    src: Ipv6Addr,
    target: Ipv6Addr,
    to: Option<[u8; 6]>,
) -> [u8; QUERY_LEN] {
    let [m0, m1, m2, m3, m4, m5] = mac;
    let option = [OPTION_SOURCE_MAC, 1, m0, m1, m2, m3, m4, m5];
    let mut frame = [0; QUERY_LEN];
    let dst = if to.is_some() { target } else { solicited_node(target) };
    Head { mac, src, dst, target }.write(&mut frame, SOLICITATION, 0, &option);
    if let (Some(to), Some(field)) = (to, frame.get_mut(..6)) {
        field.copy_from_slice(&to);
    }
    frame
}

/// The group that the holder of `address` listens to, ff02::1:ff00:0/104 with its last 24 bits.
/// A probing machine has to join it, to hear others probe for the same address.
//= https://www.rfc-editor.org/rfc/rfc4291#section-2.7.1
//# formed by taking the low-order 24 bits of an address and appending those bits to the prefix
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0x00ff), low)
}

/// What is the same in every frame written here.
struct Head {
    mac: [u8; 6],
    src: Ipv6Addr,
    dst: Ipv6Addr,
    target: Ipv6Addr,
}

impl Head {
    /// Fills `frame`, whose length is that of the headers, the message and `options`. The Ethernet
    /// destination is that of a multicast address.
    fn write(&self, frame: &mut [u8], kind: u8, flags: u8, options: &[u8]) {
        // Both lengths are constants below 256.
        let payload_len = u16::try_from(MESSAGE_LEN + options.len()).unwrap_or(u16::MAX);
        //= https://www.rfc-editor.org/rfc/rfc2464#section-7
        //# the first two octets are 33-33, the last four those of the destination address
        let [.., d0, d1, d2, d3] = self.dst.octets();
        let pieces: [&[u8]; 12] = [
            &[0x33, 0x33, d0, d1, d2, d3],
            &self.mac,
            &ETHERTYPE.to_be_bytes(),
            &[0x60, 0, 0, 0],
            &payload_len.to_be_bytes(),
            &[NEXT_HEADER_ICMPV6, HOP_LIMIT],
            &self.src.octets(),
            &self.dst.octets(),
            &[kind, 0, 0, 0],
            &[flags, 0, 0, 0],
            &self.target.octets(),
            options,
        ];
        for (byte, value) in frame.iter_mut().zip(pieces.into_iter().flatten()) {
            *byte = *value;
        }
        let message = frame.get(ETHERNET_LEN + IPV6_LEN..).unwrap_or_default();
        let sum = checksum::pseudo_v6(self.src, self.dst, NEXT_HEADER_ICMPV6, payload_len)
            .add(message)
            .finish();
        if let Some(field) = frame.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// Parses a received frame. Bytes behind the IPv6 payload length are link padding and ignored.
pub fn parse(frame: &[u8]) -> Result<Ndp, ParseError> {
    let need = ETHERNET_LEN + IPV6_LEN;
    let truncated = ParseError::Truncated { have: frame.len(), need };
    let (ethernet, packet) = frame.split_first_chunk::<ETHERNET_LEN>().ok_or(truncated)?;
    let [_, _, _, _, _, _, source_mac @ .., type0, type1] = *ethernet;
    let ethertype = u16::from_be_bytes([type0, type1]);
    if ethertype != ETHERTYPE {
        return Err(ParseError::EtherType(ethertype));
    }

    let (header, rest) = packet.split_first_chunk::<IPV6_LEN>().ok_or(truncated)?;
    let [version, _, _, _, len0, len1, next_header, hop_limit, addresses @ ..] = *header;
    if version >> 4 != 6 {
        return Err(ParseError::Version(version >> 4));
    }
    //= https://www.rfc-editor.org/rfc/rfc6980#section-5
    //# Nodes MUST silently ignore the following messages if the packet carrying them includes an
    //# IPv6 Fragmentation Header: Neighbor Solicitation, Neighbor Advertisement, ...
    if next_header != NEXT_HEADER_ICMPV6 {
        return Err(ParseError::NextHeader(next_header));
    }
    //= https://www.rfc-editor.org/rfc/rfc4861#section-7.1.1
    //# The IP Hop Limit field has a value of 255
    if hop_limit != HOP_LIMIT {
        return Err(ParseError::HopLimit(hop_limit));
    }
    let (src, dst) = two_addresses(addresses);
    let payload_len = u16::from_be_bytes([len0, len1]);
    let need = need + usize::from(payload_len);
    let truncated = ParseError::Truncated { have: frame.len(), need };
    let message = rest.get(..usize::from(payload_len)).ok_or(truncated)?;

    let (kind, target, link_layer) = parse_message(message, src, dst)?;
    Ok(Ndp { kind, source_mac, src, dst, target, link_layer })
}

fn two_addresses(bytes: [u8; 32]) -> (Ipv6Addr, Ipv6Addr) {
    let address = |half: usize| {
        let chunk = bytes.as_chunks::<16>().0.get(half);
        chunk.map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
    };
    (address(0), address(1))
}

/// The ICMPv6 message itself: RFC 4861 section 7.1.1 for solicitations, 7.1.2 for advertisements.
fn parse_message(
    message: &[u8],
    src: Ipv6Addr,
    dst: Ipv6Addr,
) -> Result<(Kind, Ipv6Addr, Option<[u8; 6]>), ParseError> {
    let truncated = ParseError::Truncated { have: message.len(), need: MESSAGE_LEN };
    //= https://www.rfc-editor.org/rfc/rfc4861#section-7.1.1
    //# ICMP length (derived from the IP length) is 24 or more octets
    let (fixed, options) = message.split_first_chunk::<MESSAGE_LEN>().ok_or(truncated)?;
    let [kind, code, _sum0, _sum1, flags, _, _, _, target @ ..] = *fixed;
    let target = Ipv6Addr::from(target);
    // At most 65535: cut by the 16-bit IPv6 payload length.
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);

    //= https://www.rfc-editor.org/rfc/rfc4861#section-7.1.1
    //# ICMP Checksum is valid. ICMP Code is 0. Target Address is not a multicast address.
    if checksum::pseudo_v6(src, dst, NEXT_HEADER_ICMPV6, len).add(message).finish() != 0 {
        return Err(ParseError::Checksum);
    }
    let kind = match kind {
        SOLICITATION => Kind::Solicitation,
        ADVERTISEMENT => Kind::Advertisement {
            router: flags & FLAG_ROUTER != 0,
            solicited: flags & FLAG_SOLICITED != 0,
            overriding: flags & FLAG_OVERRIDE != 0,
        },
        other => return Err(ParseError::Type(other)),
    };
    if code != 0 {
        return Err(ParseError::Code(code));
    }
    if target.is_multicast() {
        return Err(ParseError::MulticastTarget);
    }
    let wanted = match kind {
        Kind::Solicitation => OPTION_SOURCE_MAC,
        Kind::Advertisement { .. } => OPTION_TARGET_MAC,
    };
    let option = find_option(options, wanted)?;

    match kind {
        //= https://www.rfc-editor.org/rfc/rfc4861#section-7.1.1
        //# If the IP source address is the unspecified address, the IP destination address is a
        //# solicited-node multicast address, and there is no source link-layer address option.
        Kind::Solicitation
            if src.is_unspecified() && (dst != solicited_node(dst) || option.is_some()) =>
        {
            Err(ParseError::MalformedProbe)
        }
        //= https://www.rfc-editor.org/rfc/rfc4861#section-7.1.2
        //# If the IP Destination Address is a multicast address the Solicited flag is zero.
        Kind::Advertisement { solicited: true, .. } if dst.is_multicast() => {
            Err(ParseError::SolicitedMulticast)
        }
        _ => Ok((kind, target, option.and_then(|value| value.first_chunk::<6>().copied()))),
    }
}

/// The value of the first option of type `wanted`. Walks all of them, as one bad option spoils
/// the message. Options it does not know, such as the nonce Linux adds to its probes, are skipped.
fn find_option(mut options: &[u8], wanted: u8) -> Result<Option<&[u8]>, ParseError> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        //= https://www.rfc-editor.org/rfc/rfc4861#section-4.6
        //# The length of the option (including the type and length fields) in units of 8 octets.
        let len = usize::from(units) * 8;
        //= https://www.rfc-editor.org/rfc/rfc4861#section-7.1.1
        //# All included options have a length that is greater than zero.
        if len == 0 {
            return Err(ParseError::Options);
        }
        let (option, rest) = options.split_at_checked(len).ok_or(ParseError::Options)?;
        if kind == wanted && found.is_none() {
            found = option.get(2..);
        }
        options = rest;
    }
    if options.is_empty() { Ok(found) } else { Err(ParseError::Options) }
}

#[cfg(test)]
mod tests;
