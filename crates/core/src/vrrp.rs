//! The VRRP half: receive checks and timers of one virtual router, version 3.
//!
//! RFC 9568 section 7.1 (receive checks), section 6.1 and 6.2 (parameters and timers). What is done
//! when a timer fires or an advert arrives is `node`'s business, because a pair of Redis servers
//! needs more than an address. Not here: bytes (`wire::vrrp`).

use crate::config::Config;
use crate::time::Time;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::vrrp::{Advert, ParseError};

/// The TTL or hop limit every packet of the pair is sent with and must arrive with.
pub const TTL: u8 = 255;

/// Why a packet was dropped although it arrived. The first four are RFC 9568 section 7.1's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Drop {
    /// The TTL or hop limit is not 255: it crossed a router, or somebody pretends.
    Ttl(u8),
    /// The bytes are no VRRP version 3 advert.
    Malformed(ParseError),
    /// Another virtual router's.
    Vrid(u8),
    /// Its source is this machine's own address.
    OwnSource,
    /// Its source is not the other machine of the pair.
    UnknownSource(IpAddr),
    /// A datagram on the daemons' own link that is no report.
    MalformedReport(keepair_wire::peer::ParseError),
    /// A report older than one already seen.
    StaleReport,
}

impl Drop {
    /// A short name for each reason, for counters.
    pub fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// The names, in the order of [`Drop::index`].
    pub const NAMES: [&'static str; 7] = [
        "ttl",
        "malformed",
        "vrid",
        "own_source",
        "unknown_source",
        "malformed_report",
        "stale_report",
    ];

    /// A number for each reason, from 0.
    pub fn index(&self) -> usize {
        match self {
            Drop::Ttl(_) => 0,
            Drop::Malformed(_) => 1,
            Drop::Vrid(_) => 2,
            Drop::OwnSource => 3,
            Drop::UnknownSource(_) => 4,
            Drop::MalformedReport(_) => 5,
            Drop::StaleReport => 6,
        }
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Drop::Ttl(ttl) => write!(f, "TTL or hop limit {ttl} instead of {TTL}"),
            Drop::Malformed(error) => write!(f, "malformed advert: {error}"),
            Drop::Vrid(vrid) => write!(f, "virtual router {vrid} is not ours"),
            Drop::OwnSource => write!(f, "its source is this machine's own address"),
            Drop::UnknownSource(src) => write!(f, "{src} is not a node of this pair"),
            Drop::MalformedReport(error) => write!(f, "malformed report: {error}"),
            Drop::StaleReport => write!(f, "an old report"),
        }
    }
}

/// Checks a received VRRP message.
///
/// # Errors
/// The first check of RFC 9568 section 7.1 it fails.
pub fn check_advert(
    config: &Config,
    src: IpAddr,
    dst: IpAddr,
    ttl: u8,
    message: &[u8],
) -> Result<Advert, Drop> {
    //= https://www.rfc-editor.org/rfc/rfc9568#section-7.1
    //# MUST verify that the IPv4 TTL / IPv6 Hop Limit is 255
    if ttl != TTL {
        return Err(Drop::Ttl(ttl));
    }
    let (advert, _form) = keepair_wire::vrrp::parse(message, src, dst).map_err(Drop::Malformed)?;
    //= https://www.rfc-editor.org/rfc/rfc9568#section-7.1
    //# MUST verify that the VRID is configured on the receiving interface
    if advert.vrid != config.vrid.0 {
        return Err(Drop::Vrid(advert.vrid));
    }
    if src == config.own().address {
        return Err(Drop::OwnSource);
    }
    // IPv6 adverts come from the sender's link-local address (RFC 9568 section 5.1.2.1), which the
    // configuration does not name.
    let known = match src {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => true,
        _ => src == config.peer().address,
    };
    if !known {
        return Err(Drop::UnknownSource(src));
    }
    Ok(advert)
}

/// `((256 - priority) * interval) / 256`.
//= https://www.rfc-editor.org/rfc/rfc9568#section-6.1
//# Skew_Time = (((256 - Priority) * Active_Adver_Interval) / 256)
pub fn skew(priority: u8, interval: Duration) -> Duration {
    interval * (256 - u32::from(priority)) / 256
}

/// How long the peer stays quiet after its last advert before it takes over.
//= https://www.rfc-editor.org/rfc/rfc9568#section-6.1
//# Active_Down_Interval = (3 * Active_Adver_Interval) + Skew_Time
pub fn active_down(priority: u8, interval: Duration) -> Duration {
    interval * 3 + skew(priority, interval)
}

/// How long the kernel serves the address after an advert was sent.
///
/// It must end before the peer takes over, [`active_down`] after that advert by the peer's clock, with
/// the kernel's timer granularity (4 ms at HZ=250) and two clocks that drift apart by 2 % to spare;
/// and it should last as long as that allows, because it is the time a daemon has to be restarted in.
/// The peer's priority is the higher one of those it may have: the one it reports may be newer than
/// the configured one.
pub fn fence_life(config: &Config, peer_priority: u8) -> Duration {
    let down = active_down(peer_priority, config.advert_interval);
    let granularity = Duration::from_millis(5);
    let margin = (skew(peer_priority, config.advert_interval) / 2).max(granularity);
    down.saturating_sub(margin + down / 50)
}

/// The priority with which a machine insists that holds newer data than another Active one: more than any
/// that is configured, so that one which hears no reports gives way by section 6.4.3.
pub const PRIORITY_INSISTS: u8 = 255;

/// The advert this machine sends, with the given priority.
pub fn advert(config: &Config, priority: u8) -> Advert {
    let v4 = config.own().address.is_ipv4();
    let addresses: Vec<IpAddr> =
        config.vips.iter().map(|vip| vip.address).filter(|a| a.is_ipv4() == v4).collect();
    Advert {
        vrid: config.vrid.0,
        priority,
        max_advert_int_cs: u16::try_from(config.advert_interval.as_millis() / 10)
            .unwrap_or(0x0fff)
            .min(0x0fff),
        addresses,
    }
}

/// The two timers of section 6.2, as points in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timers {
    /// Adver_Timer: set in Active only.
    pub advert_at: Option<Time>,
    /// Active_Down_Timer: set in Backup only.
    pub active_down_at: Option<Time>,
}

#[cfg(test)]
mod tests;
