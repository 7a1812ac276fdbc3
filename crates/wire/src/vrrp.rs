//! VRRP version 3 advertisements, IPv4 and IPv6.
//!
//! What it is not: an election, and not the whole of receiving. `parse` makes the checks that the
//! bytes alone decide; hop limit, configured VRID, interval and address list are `core`'s.
//! Version 2 is [`v2`]'s: no virtual router speaks both.
//!
//! RFC 9568 section 5.2 (format), 7.1 (receiving), 7.2 (transmitting). One thing here is not in
//! it: which bytes the IPv4 checksum covers, on which deployed routers differ. See
//! [`ChecksumForm`].

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum::{self, Sum};

pub mod hmac;
pub mod v2;

/// IP protocol number.
//= https://www.rfc-editor.org/rfc/rfc9568#section-5.1.1.4
//# The IPv4 protocol number assigned by the IANA for VRRP is 112 (decimal).
pub const PROTOCOL: u8 = 112;
/// The IPv4 group that advertisements are sent to.
//= https://www.rfc-editor.org/rfc/rfc9568#section-5.1.1.2
//# 224.0.0.18
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The IPv6 group that advertisements are sent to.
//= https://www.rfc-editor.org/rfc/rfc9568#section-5.1.2.2
//# ff02:0:0:0:0:0:0:12
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// The longest interval that 12 bits can hold, in centiseconds: 40.95 s.
pub const MAX_ADVERT_INT_CS: u16 = 0x0fff;

const VERSION: u8 = 3;
const TYPE_ADVERTISEMENT: u8 = 1;
const HEADER_LEN: usize = 8;
/// Byte offset of the 16-bit checksum.
const CHECKSUM_AT: usize = 6;

/// One advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Advert {
    /// Virtual router, 1 to 255. A received 0 is passed on: it matches no configured router.
    pub vrid: u8,
    /// 255 for the address owner, 1 to 254 for others, 0 to say "I am stopping".
    pub priority: u8,
    /// Interval between advertisements in centiseconds, 12 bits. A received 0 is passed on; what
    /// to make of it is up to `core`, as the RFC has no rule.
    pub max_advert_int_cs: u16,
    /// The virtual addresses, all of the family the message travels over, at most 255. In IPv6
    /// the first one is link-local.
    pub addresses: Vec<IpAddr>,
}

/// What the checksum covers.
///
/// RFC 5798 could be read either way for IPv4 and RFC 9568 settled it after the fact, so three
/// forms are on the wire. Answer a router in the form it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumForm {
    /// The VRRP message alone: RFC 9568 for IPv4 (keepalived: `v3_checksum_as_v2`).
    MessageOnly,
    /// The pseudo-header with the packet's own addresses, then the message: RFC 9568 for IPv6,
    /// and the default of keepalived and FRR for IPv4.
    PseudoHeader,
    /// IPv4 unicast, but with the multicast group in the pseudo-header in place of the real
    /// destination: keepalived up to 1.3.6, and later with `old_unicast_checksum`.
    GroupPseudoHeader,
}

/// Why the bytes are not an advertisement. One variant per check of RFC 9568 section 7.1 that the
/// bytes decide, in the order they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ParseError {
    /// Source and destination are not of one family. The caller's mistake, not the sender's.
    MixedFamilies,
    /// The message ends before its fixed part, or before the addresses it counts.
    Truncated {
        /// Bytes at hand.
        have: usize,
        /// Bytes required.
        need: usize,
    },
    /// Another version.
    Version(u8),
    /// Not an advertisement.
    Type(u8),
    /// The address count is 0.
    NoAddresses,
    /// The checksum is right in no form that the address family allows.
    Checksum,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MixedFamilies => write!(f, "source and destination of different families"),
            Self::Truncated { have, need } => write!(f, "{have} bytes, {need} needed"),
            Self::Version(version) => write!(f, "VRRP version {version}"),
            Self::Type(kind) => write!(f, "VRRP type {kind}, not an advertisement"),
            Self::NoAddresses => write!(f, "no addresses"),
            Self::Checksum => write!(f, "bad checksum"),
        }
    }
}

impl core::error::Error for ParseError {}

/// Parses the payload of an IP packet that went from `src` to `dst`.
///
/// `dst` is the address in the packet: the group, or our own address in unicast. It enters the
/// checksum. Bytes behind the counted addresses are ignored, and the checksum must hold without
/// them: the RFC asks for a complete packet, not for one that ends there.
pub fn parse(
    message: &[u8],
    src: IpAddr,
    dst: IpAddr,
) -> Result<(Advert, ChecksumForm), ParseError> {
    parse_before(message, 0, src, dst)
}

/// Parses a message with a trailer of [`hmac`] behind it, which is not looked at. Over IPv6 the
/// checksum covers it.
///
/// # Errors
/// As [`parse`].
pub fn parse_signed(
    message: &[u8],
    src: IpAddr,
    dst: IpAddr,
) -> Result<(Advert, ChecksumForm), ParseError> {
    parse_before(message, hmac::LEN, src, dst)
}

fn parse_before(
    message: &[u8],
    trailer_len: usize,
    src: IpAddr,
    dst: IpAddr,
) -> Result<(Advert, ChecksumForm), ParseError> {
    if src.is_ipv4() != dst.is_ipv4() {
        return Err(ParseError::MixedFamilies);
    }
    let truncated = |need| ParseError::Truncated { have: message.len(), need };
    let Some((header, _)) = message.split_first_chunk::<HEADER_LEN>() else {
        return Err(truncated(HEADER_LEN));
    };
    let [version_type, vrid, priority, count, int0, int1, _sum0, _sum1] = *header;

    //= https://www.rfc-editor.org/rfc/rfc9568#section-7.1
    //# It MUST verify that the VRRP version is 3.
    let version = version_type >> 4;
    if version != VERSION {
        return Err(ParseError::Version(version));
    }
    //= https://www.rfc-editor.org/rfc/rfc9568#section-7.1
    //# It MUST verify that the VRRP packet type is 1 (ADVERTISEMENT).
    let kind = version_type & 0x0f;
    if kind != TYPE_ADVERTISEMENT {
        return Err(ParseError::Type(kind));
    }
    //= https://www.rfc-editor.org/rfc/rfc9568#section-5.2.5
    //# If the received count is 0, the VRRP advertisement MUST be ignored. (erratum 8299)
    if count == 0 {
        return Err(ParseError::NoAddresses);
    }
    //= https://www.rfc-editor.org/rfc/rfc9568#section-7.1
    //# It MUST verify that the received packet contains the complete VRRP packet (including fixed
    //# fields and the IPvX address).
    let address_len = if src.is_ipv4() { 4 } else { 16 };
    let end = HEADER_LEN + usize::from(count) * address_len;
    let need = end + trailer_len;
    let whole = message.get(..need).ok_or(truncated(need))?;
    let message = whole.get(..end).unwrap_or_default();
    //= https://www.rfc-editor.org/rfc/rfc9568#section-7.1
    //# It MUST verify the VRRP checksum.
    // Over IPv6 it is the kernel's, which knows no trailers.
    let covered = if src.is_ipv4() { message } else { whole };
    let form = checksum_form(covered, src, dst).ok_or(ParseError::Checksum)?;

    let list = message.get(HEADER_LEN..).unwrap_or_default();
    let addresses = if src.is_ipv4() {
        list.as_chunks::<4>().0.iter().map(|octets| IpAddr::from(*octets)).collect()
    } else {
        list.as_chunks::<16>().0.iter().map(|octets| IpAddr::from(*octets)).collect()
    };
    //= https://www.rfc-editor.org/rfc/rfc9568#section-5.2.6
    //# The Reserve field MUST be set to zero on transmission and ignored on reception.
    let max_advert_int_cs = u16::from_be_bytes([int0, int1]) & MAX_ADVERT_INT_CS;
    Ok((Advert { vrid, priority, max_advert_int_cs, addresses }, form))
}

impl Advert {
    /// The bytes of the message, ready to be sent from `src` to `dst`, which are of one family.
    ///
    /// `form` says how to compute the checksum over IPv4; over IPv6 there is only one way and it
    /// is ignored. What the format cannot hold is left out rather than wrapped around: an
    /// interval above [`MAX_ADVERT_INT_CS`] is sent as that, and addresses beyond 255 or of the
    /// other family are not sent.
    pub fn emit(&self, src: IpAddr, dst: IpAddr, form: ChecksumForm) -> Vec<u8> {
        let addresses = self
            .addresses
            .iter()
            .filter(|address| address.is_ipv4() == src.is_ipv4())
            .take(usize::from(u8::MAX));
        let [int0, int1] = self.max_advert_int_cs.min(MAX_ADVERT_INT_CS).to_be_bytes();

        let mut message = Vec::with_capacity(HEADER_LEN + self.addresses.len() * 16);
        message.extend([VERSION << 4 | TYPE_ADVERTISEMENT, self.vrid, self.priority]);
        message.extend([0, int0, int1, 0, 0]);
        let mut count = 0_u8;
        for address in addresses {
            match address {
                IpAddr::V4(address) => message.extend(address.octets()),
                IpAddr::V6(address) => message.extend(address.octets()),
            }
            count = count.saturating_add(1);
        }
        if let Some(field) = message.get_mut(3) {
            *field = count;
        }
        let form = if src.is_ipv4() { form } else { ChecksumForm::PseudoHeader };
        // Mixed families have no pseudo-header; a checksum without one is then as good as any.
        let sum = seed(form, src, dst, message.len()).unwrap_or_default().add(&message).finish();
        if let Some(field) = message.get_mut(CHECKSUM_AT..HEADER_LEN) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        message
    }
}

/// The form in which the checksum of `message` is right, the likeliest first.
///
/// Three tries make an accidental match three times as likely, 3 in 65536. VRRP is not
/// authenticated anyway, and the link has its own, stronger check.
fn checksum_form(message: &[u8], src: IpAddr, dst: IpAddr) -> Option<ChecksumForm> {
    //= https://www.rfc-editor.org/rfc/rfc9568#section-5.2.8
    //# For IPv4 the calculation covers the VRRP message alone; for IPv6 the pseudo-header of
    //# RFC 8200 section 8.1 comes first.
    let forms: &[ChecksumForm] = match src {
        IpAddr::V4(_) => &[
            ChecksumForm::PseudoHeader,
            ChecksumForm::MessageOnly,
            ChecksumForm::GroupPseudoHeader,
        ],
        IpAddr::V6(_) => &[ChecksumForm::PseudoHeader],
    };
    forms.iter().copied().find(|form| {
        seed(*form, src, dst, message.len()).is_some_and(|sum| sum.add(message).finish() == 0)
    })
}

/// The sum of what precedes a message of `len` bytes in the checksum. `None` if `src` and `dst`
/// are of different families.
fn seed(form: ChecksumForm, src: IpAddr, dst: IpAddr, len: usize) -> Option<Sum> {
    // 8 + 255 * 16 bytes at most.
    let len = u16::try_from(len).ok()?;
    match form {
        ChecksumForm::MessageOnly => Some(Sum::default()),
        ChecksumForm::PseudoHeader => checksum::pseudo(src, dst, PROTOCOL, len),
        ChecksumForm::GroupPseudoHeader => {
            checksum::pseudo(src, IpAddr::V4(GROUP_V4), PROTOCOL, len)
        }
    }
}

/// The version of a message, whatever else it is. `None` if it is empty.
pub fn version(message: &[u8]) -> Option<u8> {
    message.first().map(|byte| byte >> 4)
}

/// The length in bytes of a message of version 3 with so many addresses.
pub fn len(addresses: usize, ipv4: bool) -> usize {
    HEADER_LEN + addresses * if ipv4 { 4 } else { 16 }
}

#[cfg(test)]
mod tests;
