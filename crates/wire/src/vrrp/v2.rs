//! VRRP version 2 advertisements: IPv4, whole seconds, and eight bytes of authentication data.
//!
//! What it is not: a judge of the password or the interval; `core` compares them.
//!
//! RFC 3768 section 5.3. The eight bytes are always there, also without authentication (section
//! 5.3.10), and what they mean with type 1 is RFC 2338's (section 5.3.6): a password in plain text.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::{CHECKSUM_AT, HEADER_LEN, ParseError, TYPE_ADVERTISEMENT};
use crate::checksum::Sum;

/// The version.
const VERSION: u8 = 2;
/// Authentication type: none.
pub const AUTH_NONE: u8 = 0;
/// Authentication type: a password in plain text (RFC 2338 section 5.3.6).
pub const AUTH_PASSWORD: u8 = 1;
/// Length of the authentication data in bytes.
pub const AUTH_LEN: usize = 8;

/// One advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Virtual router, 1 to 255. A received 0 is passed on: it matches no configured router.
    pub vrid: u8,
    /// 255 for the address owner, 1 to 254 for others, 0 to say "I am stopping".
    pub priority: u8,
    /// [`AUTH_NONE`], [`AUTH_PASSWORD`], or what the sender wrote.
    pub auth_type: u8,
    /// Interval between advertisements in seconds. A received 0 is passed on.
    pub advert_int_s: u8,
    /// The virtual addresses, at most 255.
    pub addresses: Vec<Ipv4Addr>,
    /// The authentication data: a password padded with zeroes, or zeroes.
    pub auth_data: [u8; AUTH_LEN],
}

/// Parses the payload of an IPv4 packet.
///
/// Bytes behind the authentication data are ignored, as [`super::parse`] does; how many there
/// were is [`len`]'s to say.
///
/// # Errors
/// The first check of RFC 3768 section 7.1 that the bytes fail.
pub fn parse(message: &[u8]) -> Result<Advert, ParseError> {
    let truncated = |need| ParseError::Truncated { have: message.len(), need };
    let Some((header, _)) = message.split_first_chunk::<HEADER_LEN>() else {
        return Err(truncated(HEADER_LEN));
    };
    let [version_type, vrid, priority, count, auth_type, advert_int_s, _sum0, _sum1] = *header;
    //= https://www.rfc-editor.org/rfc/rfc3768#section-7.1
    //# MUST verify the VRRP version is 2
    if version_type >> 4 != VERSION {
        return Err(ParseError::Version(version_type >> 4));
    }
    if version_type & 0x0f != TYPE_ADVERTISEMENT {
        return Err(ParseError::Type(version_type & 0x0f));
    }
    //= https://www.rfc-editor.org/rfc/rfc3768#section-7.1
    //# MUST verify that the received packet contains the complete VRRP packet (including fixed
    //# fields, IP Address(es), and Authentication Data)
    let need = len(usize::from(count));
    let message = message.get(..need).ok_or(truncated(need))?;
    //= https://www.rfc-editor.org/rfc/rfc3768#section-7.1
    //# MUST verify the VRRP checksum
    if Sum::default().add(message).finish() != 0 {
        return Err(ParseError::Checksum);
    }
    if count == 0 {
        return Err(ParseError::NoAddresses);
    }
    let behind_header = message.get(HEADER_LEN..).unwrap_or_default();
    let Some((list, auth_data)) = behind_header.split_last_chunk::<AUTH_LEN>() else {
        return Err(truncated(need));
    };
    let addresses = list.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets)).collect();
    Ok(Advert { vrid, priority, auth_type, advert_int_s, addresses, auth_data: *auth_data })
}

/// The length in bytes of a message with so many addresses.
pub fn len(addresses: usize) -> usize {
    HEADER_LEN + addresses * 4 + AUTH_LEN
}

impl Advert {
    /// The bytes of the message. Addresses beyond 255 are not sent.
    pub fn emit(&self) -> Vec<u8> {
        let addresses = self.addresses.iter().take(usize::from(u8::MAX));
        let count = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
        let mut message = Vec::with_capacity(len(usize::from(count)));
        message.extend([VERSION << 4 | TYPE_ADVERTISEMENT, self.vrid, self.priority, count]);
        message.extend([self.auth_type, self.advert_int_s, 0, 0]);
        for address in addresses {
            message.extend(address.octets());
        }
        message.extend(self.auth_data);
        //= https://www.rfc-editor.org/rfc/rfc3768#section-5.3.8
        //# The checksum is the 16-bit one's complement of the one's complement sum of the entire
        //# VRRP message starting with the version field.
        let sum = Sum::default().add(&message).finish();
        if let Some(field) = message.get_mut(CHECKSUM_AT..HEADER_LEN) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        message
    }
}

#[cfg(test)]
mod tests;
