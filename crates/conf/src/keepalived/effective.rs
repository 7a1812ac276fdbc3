//! What holds for an instance: what is written in it, what it inherits, and what keepalived makes of
//! values that do not go together.
//!
//! Only rules of the language are here; what the daemon does with the result is not. Everything that
//! these functions change silently was found wrong when the file was read.

use core::net::IpAddr;
use core::time::Duration;

use super::file::{Globals, Instance, State};
use super::place::Placed;
use crate::secret::Secret;

/// Adverts of version 2 carry whole seconds, in one byte.
const V2_STEP: Duration = Duration::from_secs(1);
/// Adverts of version 3 carry hundredths of a second, in twelve bits.
const V3_STEP: Duration = Duration::from_millis(10);
const V3_MOST: Duration = Duration::from_millis(40_950);

/// The priority of an owner of the addresses.
pub(super) const OWNER: u8 = 255;
const USUAL: u8 = 100;

/// A family of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "they are what they are")]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// Whether an address is of it.
    pub fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Family::V4)
    }
}

impl Instance {
    /// The family it is for: that of its first address; without addresses that of its source or
    /// peers, and IPv4 if nothing tells.
    pub fn family(&self) -> Family {
        let peers = self.unicast_peers.iter().flatten().map(|peer| peer.address);
        let sources = [&self.unicast_source, &self.multicast_source, &self.multicast_group];
        let sources = sources.into_iter().flatten().map(|source| source.value);
        let mut addresses = self.addresses.iter().map(|address| address.address).chain(sources);
        match addresses.next().or_else(|| peers.into_iter().next()) {
            _ if self.native_ipv6.is_some() => Family::V6,
            Some(address) if address.is_ipv6() => Family::V6,
            _ => Family::V4,
        }
    }

    /// The version of VRRP, 2 or 3. There is no version 2 for IPv6 here.
    pub fn version(&self, globals: &Globals) -> u8 {
        match (self.family(), &self.version, &globals.version) {
            (Family::V6, ..) => 3,
            (Family::V4, Some(version), _) | (Family::V4, None, Some(version)) => version.value,
            (Family::V4, None, None) => 2,
        }
    }

    /// Whether it keeps to the letter of the RFC.
    pub fn is_strict(&self, globals: &Globals) -> bool {
        self.strict.as_ref().map_or(globals.strict.is_some(), |strict| strict.value)
    }

    /// The priority before anything that is tracked changes it. `state MASTER` alone makes an owner.
    pub fn base_priority(&self) -> u8 {
        match (&self.priority, &self.state) {
            (Some(priority), _) => priority.value,
            (None, Some(state)) if state.value == State::Master => OWNER,
            (None, _) => USUAL,
        }
    }

    /// The state it wishes for. In strict mode only an owner may wish for MASTER.
    pub fn wanted_state(&self) -> State {
        match &self.state {
            Some(state) => state.value,
            None if self.base_priority() == OWNER => State::Master,
            None => State::Backup,
        }
    }

    /// Time between two adverts, in steps and bounds that the version can carry: half a step is
    /// rounded up, and what is shorter than a step is a step.
    pub fn effective_advert_interval(&self, globals: &Globals) -> Duration {
        let written = self.advert_interval.as_ref().map_or(V2_STEP, |written| written.value);
        let (step, most) = match self.version(globals) {
            3 => (V3_STEP, V3_MOST),
            _ => (V2_STEP, Duration::from_secs(255)),
        };
        let steps = (written + step / 2).as_nanos() / step.as_nanos().max(1);
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
        step.saturating_mul(steps).min(most)
    }

    /// Whether a higher priority takes the addresses from a working machine.
    pub fn preempts(&self) -> bool {
        let wished = self.preempt.as_ref().is_none_or(|preempt| preempt.value);
        wished || self.wanted_state() == State::Master || self.base_priority() == OWNER
    }

    /// How long it waits before it does; zero if it does not wait, or does not do it.
    pub fn effective_preempt_delay(&self, globals: &Globals) -> Duration {
        let waits =
            self.preempts() && self.wanted_state() == State::Backup && !self.is_strict(globals);
        match &self.preempt_delay {
            Some(delay) if waits => delay.value,
            _ => Duration::ZERO,
        }
    }

    /// The password in its adverts; version 3 and strict mode have none.
    pub fn effective_password(&self, globals: &Globals) -> Option<&Placed<Secret>> {
        let has_one = self.version(globals) == 2 && !self.is_strict(globals);
        self.password.as_ref().filter(|_| has_one)
    }

    /// Adverts that may be missing before the Active machine counts as gone.
    pub fn effective_down_timer_adverts(&self, globals: &Globals) -> u8 {
        const USUAL: u8 = 3;
        let written = self.down_timer_adverts.as_ref().or(globals.down_timer_adverts.as_ref());
        written.map_or(USUAL, |adverts| adverts.value)
    }

    /// Whether it sends to peers instead of the group.
    pub fn is_unicast(&self) -> bool {
        self.unicast_peers.as_ref().is_some_and(|peers| !peers.is_empty())
    }
}
