//! The Internet checksum, and the two pseudo-headers that go in front of it.
//!
//! RFC 1071 (the sum), RFC 9293 section 3.1 (IPv4 pseudo-header), RFC 8200 section 8.1 (IPv6).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A running ones' complement sum of 16-bit big-endian words.
///
/// 64 bits wide, so that no buffer that fits in memory can overflow it before [`Sum::finish`]
/// folds the carries.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds `bytes`. An odd last byte is padded with a zero, so only the last piece may be odd.
    pub(crate) fn add(self, bytes: &[u8]) -> Self {
        //= https://www.rfc-editor.org/rfc/rfc1071#section-4.1
        //# add left-over byte, if any
        let (words, tail) = bytes.as_chunks::<2>();
        let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
        let tail: u64 = tail.iter().map(|byte| u64::from(*byte) << 8).sum();
        Self(self.0.wrapping_add(words).wrapping_add(tail))
    }

    /// Adds one 16-bit word.
    pub(crate) fn add_word(self, word: u16) -> Self {
        Self(self.0.wrapping_add(u64::from(word)))
    }

    /// The checksum: the complement of the folded sum. Over data that already holds a correct
    /// checksum it is 0.
    pub(crate) fn finish(self) -> u16 {
        let mut sum = self.0;
        while let Some(carry) = core::num::NonZeroU64::new(sum >> 16) {
            sum = (sum & 0xffff).wrapping_add(carry.get());
        }
        // Folded to 16 bits by the loop above; the mask says so to the reader.
        !((sum & 0xffff) as u16)
    }
}

/// The IPv4 pseudo-header: addresses, protocol, and the length of the message in bytes.
fn pseudo_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: u16) -> Sum {
    Sum::default().add(&src.octets()).add(&dst.octets()).add_word(u16::from(protocol)).add_word(len)
}

/// The IPv6 pseudo-header. The upper-layer length is 32 bits on paper; no message here passes 16,
/// and the zero upper half adds nothing.
pub(crate) fn pseudo_v6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, len: u16) -> Sum {
    Sum::default()
        .add(&src.octets())
        .add(&dst.octets())
        .add_word(len)
        .add_word(u16::from(next_header))
}

/// The pseudo-header of the family of `src` and `dst`; `None` when the two families differ.
pub(crate) fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, len: u16) -> Option<Sum> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Some(pseudo_v4(src, dst, protocol, len)),
        (IpAddr::V6(src), IpAddr::V6(dst)) => Some(pseudo_v6(src, dst, protocol, len)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
