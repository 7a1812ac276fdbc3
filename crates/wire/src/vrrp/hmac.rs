//! The signature behind an advert: keepalived's `auth_hmac`, in either version and family.
//!
//! What it is not: a judge of freshness or of replays; `core` has the clock and the memory.
//!
//! draft-cassen-vrrp-auth-hmac-01, as `docs/conformance/auth-hmac.md` tells it. HMAC-SHA256 is
//! RFC 2104's and FIPS 180-4's, cut to its first 16 bytes.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{CHECKSUM_AT, ChecksumForm, HEADER_LEN, seed};

/// Length of the trailer in bytes.
pub const LEN: usize = 28;
/// The shortest key in bytes.
pub const KEY_LEAST: usize = 32;
/// The longest key in bytes.
pub const KEY_MOST: usize = 64;

/// The only type of trailer there is: HMAC-SHA256, cut to 16 bytes.
const TYPE: u8 = 1;
/// Bytes of the trailer in front of the tag.
const PREFIX_LEN: usize = 12;
const TAG_LEN: usize = LEN - PREFIX_LEN;

/// What says which of two adverts of one sender is newer: seconds since the Unix epoch (32 bits),
/// parts of 1/65536 s (16 bits), and a count (16 bits). It wraps around in 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The first one of a time of day.
    pub fn at(unix: Duration) -> Sequence {
        let parts = (u64::from(unix.subsec_nanos()) << 16) / 1_000_000_000;
        Sequence(unix.as_secs() << 32 | parts << 16)
    }

    /// It comes after another one: serial number arithmetic, RFC 1982.
    pub fn is_after(self, other: Sequence) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// The next one.
    pub fn next(self) -> Sequence {
        Sequence(self.0.wrapping_add(1))
    }

    /// By how many seconds it is older than a time of day; negative if it is of the future.
    pub fn age_s(self, unix: Duration) -> i32 {
        let seconds = |sequence: Sequence| (sequence.0 >> 32) as u32;
        seconds(Sequence::at(unix)).wrapping_sub(seconds(self)).cast_signed()
    }
}

/// A trailer, but for the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// The number of the key that signed, as the sender wrote it.
    pub key_id: u8,
    /// Says which of two adverts is newer.
    pub sequence: Sequence,
}

/// Reads the trailer, the last [`LEN`] bytes of a signed message. `None` if there are fewer, or it
/// is of another type, or its reserved bytes are not zero. That the signature is right is
/// [`verify`]'s to say.
pub fn parse(message: &[u8]) -> Option<Trailer> {
    let (_, trailer) = message.split_last_chunk::<LEN>()?;
    let [TYPE, key_id, 0, 0, s0, s1, s2, s3, p0, p1, c0, c1, ..] = *trailer else { return None };
    let sequence = Sequence(u64::from_be_bytes([s0, s1, s2, s3, p0, p1, c0, c1]));
    Some(Trailer { key_id, sequence })
}

/// Signs a message of either version, which goes from `src` to `dst`: appends the trailer. Over IPv6,
/// where the checksum covers the trailer, it is made anew.
pub fn sign(message: &mut Vec<u8>, trailer: Trailer, src: IpAddr, dst: IpAddr, key: &[u8]) {
    let has_header = message.len() >= HEADER_LEN;
    message.extend([TYPE, trailer.key_id, 0, 0]);
    message.extend(trailer.sequence.0.to_be_bytes());
    let tag = mac(message, src, key).map(|mac| mac.finalize().into_bytes());
    // No message is too short and HMAC takes keys of every length: the zeroes are never sent.
    let tag = tag.as_deref().and_then(|tag| tag.first_chunk()).copied().unwrap_or([0; TAG_LEN]);
    message.extend(tag);
    if src.is_ipv6()
        && has_header
        && let Some(sum) = seed(ChecksumForm::PseudoHeader, src, dst, message.len())
        && let Some(field) = message.get_mut(CHECKSUM_AT..HEADER_LEN)
    {
        field.fill(0);
        let sum = sum.add(message).finish();
        if let Some(field) = message.get_mut(CHECKSUM_AT..HEADER_LEN) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// Whether who signed the message, which came from `src` and ends with its trailer, has the key. The
/// time it takes does not depend on where a wrong tag differs.
pub fn verify(message: &[u8], src: IpAddr, key: &[u8]) -> bool {
    let Some((signed, tag)) = message.split_last_chunk::<TAG_LEN>() else { return false };
    // What has no header is no message, whatever is behind it.
    signed.len() >= HEADER_LEN + PREFIX_LEN
        && mac(signed, src, key).is_some_and(|mac| mac.verify_truncated_left(tag).is_ok())
}

/// The signature of a message with its trailer up to the tag. `None` if it has not even a header.
fn mac(signed: &[u8], src: IpAddr, key: &[u8]) -> Option<Hmac<Sha256>> {
    let (header, rest) = signed.split_first_chunk::<HEADER_LEN>()?;
    let [version_type, vrid, fields @ .., _, _] = header;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    let family = if src.is_ipv4() { 4 } else { 6 };
    mac.update(&[family, version_type >> 4, *vrid, 0]);
    match src {
        IpAddr::V4(src) => {
            mac.update(&src.octets());
            mac.update(&[0; 12]);
        }
        IpAddr::V6(src) => mac.update(&src.octets()),
    }
    mac.update(&[*version_type, *vrid]);
    mac.update(fields);
    // The checksum counts as zero: over IPv6 it is not known yet.
    mac.update(&[0; 2]);
    mac.update(rest);
    mac.update(&[0; TAG_LEN]);
    Some(mac)
}

#[cfg(test)]
mod tests;
