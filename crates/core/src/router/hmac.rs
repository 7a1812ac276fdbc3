//! `auth_hmac`: signing what is sent, and which signed adverts are believed.
//!
//! What is remembered is small: the last sequence sent, and for each of the last senders the last
//! one believed. It is only changed by what a key has signed. See `docs/conformance/auth-hmac.md`.

use super::Router;
use super::config::{Hmac, HmacMode, InstanceConfig, Transport};
use super::receive::{Drop, Packet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::vrrp::hmac::{self, Sequence, Trailer};

/// Senders that are remembered, besides the peers of unicast. More than two at once are rare.
const SENDERS: usize = 4;

/// What an instance remembers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Memory {
    /// Of the advert sent last.
    sent: Option<Sequence>,
    /// The newest one believed of each sender, the sender heard last at the end.
    believed: Vec<(IpAddr, Sequence)>,
}

impl Memory {
    /// The sequence of the next advert: the time of day, and more than the one before. With
    /// `anti_replay time`, a clock that was set back by more than the window is followed, for nobody
    /// would believe the old time.
    fn next(&mut self, config: &Hmac, unix: Duration) -> Sequence {
        let clock = Sequence::at(unix);
        let sequence = match self.sent {
            Some(sent) if !clock.is_after(sent) && !is_forgotten(config, sent, unix) => sent.next(),
            _ => clock,
        };
        self.sent = Some(sequence);
        sequence
    }

    /// A sender's sequence that was believed before, and is not less.
    fn knows(&self, config: &Hmac, src: IpAddr, sequence: Sequence, unix: Duration) -> bool {
        self.believed.iter().any(|(sender, newest)| {
            *sender == src && !is_forgotten(config, *newest, unix) && !sequence.is_after(*newest)
        })
    }

    /// An advert was believed.
    pub(super) fn believe(&mut self, config: &InstanceConfig, src: IpAddr, sequence: Sequence) {
        let peers = match &config.transport {
            Transport::Unicast { peers, .. } => peers.len(),
            Transport::Multicast { .. } => 0,
        };
        self.believed.retain(|(sender, _)| *sender != src);
        self.believed.push((src, sequence));
        if self.believed.len() > SENDERS + peers {
            self.believed.remove(0);
        }
    }
}

/// What is remembered is so far from the time of day that the window alone refuses what is near it.
fn is_forgotten(config: &Hmac, sequence: Sequence, unix: Duration) -> bool {
    !config.monotonic && is_outside(config, sequence.age_s(unix))
}

fn is_outside(config: &Hmac, age_s: i32) -> bool {
    u64::from(age_s.unsigned_abs()) > config.time_window.as_secs()
}

/// A key by its number.
fn key(config: &Hmac, id: u8) -> Option<&[u8]> {
    config.keys.iter().find(|key| key.id == id).map(|key| key.value.as_slice())
}

/// Bytes that a signature adds to the adverts of an instance.
pub(super) fn trailer_len(config: &InstanceConfig) -> usize {
    let signs = config.hmac.as_ref().is_some_and(|hmac| hmac.mode != HmacMode::ReceiveOnly);
    if signs { hmac::LEN } else { 0 }
}

/// What a signature that is right says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Signed {
    pub(super) sequence: Sequence,
    /// By so many seconds the sender's clock is behind ours; negative if it is ahead.
    pub(super) age_s: i32,
}

impl Router {
    /// The trailer of the next advert, if adverts of this instance are signed. Copies to several
    /// peers are one advert.
    pub(super) fn next_trailer(&mut self, i: usize, unix: Duration) -> Option<Trailer> {
        let config = self.config.instances[i].hmac.as_ref()?;
        if config.mode == HmacMode::ReceiveOnly {
            return None;
        }
        let sequence = self.instances[i].hmac.next(config, unix);
        Some(Trailer { key_id: config.active_key, sequence })
    }

    /// Signs a message.
    pub(super) fn sign(
        &self,
        i: usize,
        message: &mut Vec<u8>,
        trailer: Trailer,
        src: IpAddr,
        dst: IpAddr,
    ) {
        let config = self.instance_config(i).hmac.as_ref();
        // A file whose active key is not among the keys is refused. Unsigned is what no receiver
        // takes that asks for signatures.
        if let Some(key) = config.and_then(|config| key(config, trailer.key_id)) {
            hmac::sign(message, trailer, src, dst, key);
        }
    }

    /// Whether a message of `unsigned_len` bytes without its trailer is signed as it must be; `None`
    /// if it is not signed and need not be.
    ///
    /// What is cheap comes first: who floods us with old adverts does not make us compute.
    pub(super) fn check_signature(
        &self,
        i: usize,
        packet: &Packet<'_>,
        unsigned_len: usize,
        unix: Duration,
    ) -> Result<Option<Signed>, Drop> {
        let Some(config) = self.instance_config(i).hmac.as_ref() else { return Ok(None) };
        if packet.message.len() != unsigned_len + hmac::LEN {
            return match config.mode {
                HmacMode::Enforce => Err(Drop::Unsigned),
                HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(None),
            };
        }
        let trailer = hmac::parse(packet.message).ok_or(Drop::Signature)?;
        let age_s = trailer.sequence.age_s(unix);
        if !config.monotonic && is_outside(config, age_s) {
            return Err(Drop::Stale(age_s));
        }
        let key = key(config, trailer.key_id).ok_or(Drop::UnknownKey(trailer.key_id))?;
        if !hmac::verify(packet.message, packet.src, key) {
            return Err(Drop::SignatureWrong);
        }
        if self.instances[i].hmac.knows(config, packet.src, trailer.sequence, unix) {
            return Err(Drop::Replayed);
        }
        Ok(Some(Signed { sequence: trailer.sequence, age_s }))
    }

    /// The sender's clock and ours are apart by more than half of what is allowed: said while
    /// adverts are still believed.
    pub(super) fn skew_is_near_the_window(&self, i: usize, age_s: i32) -> bool {
        let config = self.instance_config(i).hmac.as_ref();
        config.is_some_and(|config| {
            !config.monotonic && u64::from(age_s.unsigned_abs()) * 2 > config.time_window.as_secs()
        })
    }
}
