//! Receiving: which instance a message is for, whether it may be believed, and what an Active or a
//! Backup instance makes of it.
//!
//! RFC 9568 section 7.1 and RFC 3768 section 7.1, with keepalived's additions: unicast, passwords, and
//! an address list that differs is told but no reason to drop.

use super::Router;
use super::action::{Action, Actions, What};
use super::config::{InstanceId, LinkId, Transport, Version};
use super::event::{Event, State};
use super::hmac::Signed;
use super::timer::OWNER;
use crate::time::Time;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::vrrp::{self, ChecksumForm, ParseError, hmac, v2};

/// The TTL or hop limit that proves that no router was between.
const TTL: u8 = 255;
/// Bytes behind a message that are taken for padding.
const PADDING: usize = 3;

/// Kinds of problems, for [`Router::problem`].
mod kind {
    /// To 23: reasons to drop. There are 32.
    pub(super) const INTERVAL: u32 = 24;
    pub(super) const ADDRESSES: u32 = 25;
    pub(super) const LOWER: u32 = 26;
    pub(super) const OWNERS: u32 = 27;
    pub(super) const UNSIGNED: u32 = 28;
    pub(super) const SKEW: u32 = 29;
}

/// A message as it came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) ttl: u8,
    pub(super) message: &'a [u8],
}

/// Why a message for one of our virtual routers was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Drop {
    /// Not the TTL or hop limit that is wanted here.
    Ttl(u8),
    Malformed(ParseError),
    /// There are more bytes than the message has.
    TooLong {
        have: usize,
        need: usize,
    },
    /// Of the other version.
    Version(u8),
    /// To a group though the instance is unicast, or the reverse.
    Destination(IpAddr),
    OwnSource,
    /// Not a peer, and only peers count.
    UnknownSource(IpAddr),
    /// Authentication of a type that version 2 does not have.
    AuthTypeInvalid(u8),
    /// Not the configured type.
    AuthTypeMismatch(u8),
    /// The password is wrong.
    AuthFailure,
    /// Version 2: not the configured interval, in seconds. Version 3: zero.
    Interval(u8),
    /// An owner does not listen.
    OwnerIgnores,
    /// Not signed, and it must be.
    Unsigned,
    /// What is behind it is no signature that is known.
    Signature,
    /// Signed so many seconds ago by our clock: more than the window. Negative: in the future.
    Stale(i32),
    /// Signed with a key of this number, which is not configured.
    UnknownKey(u8),
    /// Whoever signed it has another key, or is another machine, or it was changed.
    SignatureWrong,
    /// It is not newer than one that was heard.
    Replayed,
}

impl Drop {
    /// A number for each kind.
    fn kind(self) -> u32 {
        match self {
            Drop::Ttl(_) => 0,
            Drop::Malformed(_) => 1,
            Drop::TooLong { .. } => 2,
            Drop::Version(_) => 3,
            Drop::Destination(_) => 4,
            Drop::OwnSource => 5,
            Drop::UnknownSource(_) => 6,
            Drop::AuthTypeInvalid(_) => 7,
            Drop::AuthTypeMismatch(_) => 8,
            Drop::AuthFailure => 9,
            Drop::Interval(_) => 10,
            Drop::OwnerIgnores => 11,
            Drop::Unsigned => 12,
            Drop::Signature => 13,
            Drop::Stale(_) => 14,
            Drop::UnknownKey(_) => 15,
            Drop::SignatureWrong => 16,
            Drop::Replayed => 17,
        }
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Drop::Ttl(ttl) => write!(f, "TTL or hop limit {ttl} is not allowed"),
            Drop::Malformed(error) => write!(f, "malformed advert: {error}"),
            Drop::TooLong { have, need } => write!(f, "{have} bytes for an advert of {need}"),
            Drop::Version(version) => write!(f, "VRRP version {version} is not the configured one"),
            Drop::Destination(dst) => write!(f, "it was sent to {dst}, which is not expected here"),
            Drop::OwnSource => write!(f, "its source is this machine's own address"),
            Drop::UnknownSource(src) => write!(f, "{src} is not a configured peer"),
            Drop::AuthTypeInvalid(kind) => write!(f, "authentication type {kind} is not known"),
            Drop::AuthTypeMismatch(kind) => {
                write!(f, "authentication type {kind} is not the configured one")
            }
            Drop::AuthFailure => write!(f, "the password is wrong"),
            Drop::Interval(seconds) => {
                write!(f, "advertisement interval of {seconds} s is not the configured one")
            }
            Drop::OwnerIgnores => write!(f, "an owner of the addresses does not listen"),
            Drop::Unsigned => write!(f, "it is not signed"),
            Drop::Signature => write!(f, "its signature is of an unknown kind"),
            Drop::Stale(age_s @ 0..) => {
                write!(f, "it was signed {age_s} s ago: it is old, or a clock is wrong")
            }
            Drop::Stale(age_s) => {
                let ahead_s = age_s.unsigned_abs();
                write!(f, "it was signed {ahead_s} s ahead of this machine's clock")
            }
            Drop::UnknownKey(id) => {
                write!(f, "it is signed with key {id}, which is not known here")
            }
            Drop::SignatureWrong => write!(f, "its signature is wrong"),
            Drop::Replayed => write!(f, "it is a repetition of an older advert"),
        }
    }
}

/// An advert that may be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Heard {
    src: IpAddr,
    priority: u8,
    /// Version 3 only.
    interval: Option<Duration>,
    addresses: Vec<IpAddr>,
    /// The pseudo-header of its checksum names the group, though it came by unicast.
    group_checksum: bool,
    signed: Option<Signed>,
}

impl Router {
    /// A message came in.
    pub(super) fn received(
        &mut self,
        now: Time,
        link: LinkId,
        packet: &Packet<'_>,
        out: &mut Actions,
    ) {
        if self.phase != super::Phase::Running || now < self.quiet_until {
            return;
        }
        let Some(i) = self.find(link, packet) else {
            self.unknown_vrids += 1;
            return;
        };
        self.instances[i].counters.advert_rcvd += 1;
        let heard = match self.check(now, i, packet) {
            Ok(heard) => heard,
            Err(drop) => {
                self.count(i, drop);
                if self.first_of(i, drop.kind()) {
                    let (instance, why) = (InstanceId(i), drop.to_string());
                    out.push(Action::Tell(Event::Dropped { instance, why }));
                }
                return;
            }
        };
        self.signature_believed(i, &heard, out);
        self.compare_addresses(i, &heard, out);
        if heard.priority == 0 {
            self.instances[i].counters.pri_zero_rcvd += 1;
        }
        if self.instance_config(i).old_unicast_checksum.is_none() {
            self.instances[i].group_checksum = heard.group_checksum;
        }
        match self.instances[i].state {
            State::Backup => self.heard_in_backup(now, i, &heard, out),
            State::Active => self.heard_in_active(now, i, &heard, out),
            State::Initialize | State::Fault => {}
        }
    }

    /// For which instance it is: number, family and interface, and among several of these the one
    /// that it was sent to.
    fn find(&self, link: LinkId, packet: &Packet<'_>) -> Option<usize> {
        let vrid = *packet.message.get(1)?;
        let fits = |i: &usize| {
            let config = self.instance_config(*i);
            let v4 = config.family == super::config::Family::V4;
            config.link == link && config.vrid.0 == vrid && v4 == packet.src.is_ipv4()
        };
        let mut fitting = self.all().filter(fits);
        fitting.clone().find(|i| self.is_for(*i, packet.dst)).or_else(|| fitting.next())
    }

    /// Whether an instance expects messages to this address.
    fn is_for(&self, i: usize, dst: IpAddr) -> bool {
        match &self.instance_config(i).transport {
            Transport::Multicast { group } => dst == *group,
            Transport::Unicast { .. } => !dst.is_multicast() && self.source(i) == Some(dst),
        }
    }

    /// Whether it may be believed.
    fn check(&self, now: Time, i: usize, packet: &Packet<'_>) -> Result<Heard, Drop> {
        let config = self.instance_config(i);
        if config.owner_ignore_adverts && self.instances[i].base == OWNER {
            return Err(Drop::OwnerIgnores);
        }
        if !self.is_for(i, packet.dst) {
            return Err(Drop::Destination(packet.dst));
        }
        self.check_source(i, packet)?;
        let version = vrrp::version(packet.message).unwrap_or_default();
        match (config.version, version) {
            (Version::V2, 2) => self.check_v2(now, i, packet),
            (Version::V3, 3) => self.check_v3(now, i, packet),
            _ => Err(Drop::Version(version)),
        }
    }

    /// Where it came from, and how far.
    fn check_source(&self, i: usize, packet: &Packet<'_>) -> Result<(), Drop> {
        let config = self.instance_config(i);
        if self.is_own(Some(packet.src)) || self.source(i) == Some(packet.src) {
            return Err(Drop::OwnSource);
        }
        match &config.transport {
            //= https://www.rfc-editor.org/rfc/rfc9568#section-7.1
            //# MUST verify that the IPv4 TTL / IPv6 Hop Limit is 255
            Transport::Multicast { .. } if packet.ttl != TTL => Err(Drop::Ttl(packet.ttl)),
            Transport::Multicast { .. } => Ok(()),
            Transport::Unicast { peers, check_source, .. } => {
                match peers.iter().find(|peer| peer.address == packet.src) {
                    Some(peer) if !(peer.min_ttl..=peer.max_ttl).contains(&packet.ttl) => {
                        Err(Drop::Ttl(packet.ttl))
                    }
                    None if *check_source => Err(Drop::UnknownSource(packet.src)),
                    _ => Ok(()),
                }
            }
        }
    }

    fn check_v2(&self, now: Time, i: usize, packet: &Packet<'_>) -> Result<Heard, Drop> {
        let config = self.instance_config(i);
        let advert = v2::parse(packet.message).map_err(Drop::Malformed)?;
        let signed = self.check_end(now, i, packet, v2::len(advert.addresses.len()))?;
        match (advert.auth_type, config.password) {
            (v2::AUTH_NONE, None) => {}
            (v2::AUTH_PASSWORD, Some(password)) if password.0 == advert.auth_data => {}
            (v2::AUTH_PASSWORD, Some(_)) => return Err(Drop::AuthFailure),
            (kind @ 0..=2, _) => return Err(Drop::AuthTypeMismatch(kind)),
            (kind, _) => return Err(Drop::AuthTypeInvalid(kind)),
        }
        //= https://www.rfc-editor.org/rfc/rfc3768#section-7.1
        //# MUST verify that the Adver Interval in the packet is the same as the locally
        //# configured for this virtual router. If the above check fails, the receiver MUST discard
        //# the packet
        if u64::from(advert.advert_int_s) != config.advert_interval.as_secs() {
            return Err(Drop::Interval(advert.advert_int_s));
        }
        Ok(Heard {
            src: packet.src,
            priority: advert.priority,
            interval: None,
            addresses: advert.addresses.into_iter().map(IpAddr::V4).collect(),
            group_checksum: false,
            signed,
        })
    }

    fn check_v3(&self, now: Time, i: usize, packet: &Packet<'_>) -> Result<Heard, Drop> {
        let v4 = packet.src.is_ipv4();
        let count = packet.message.get(3).copied().unwrap_or_default();
        let len = vrrp::len(usize::from(count), v4);
        let is_signed =
            self.instance_config(i).hmac.is_some() && packet.message.len() == len + hmac::LEN;
        let parse = if is_signed { vrrp::parse_signed } else { vrrp::parse };
        let (advert, form) =
            parse(packet.message, packet.src, packet.dst).map_err(Drop::Malformed)?;
        let signed = self.check_end(now, i, packet, len)?;
        if advert.max_advert_int_cs == 0 {
            // Whoever learned it would wait for nothing and never rest.
            return Err(Drop::Interval(0));
        }
        let unicast = matches!(self.instance_config(i).transport, Transport::Unicast { .. });
        Ok(Heard {
            src: packet.src,
            priority: advert.priority,
            interval: Some(Duration::from_millis(u64::from(advert.max_advert_int_cs) * 10)),
            addresses: advert.addresses,
            group_checksum: unicast && form == ChecksumForm::GroupPseudoHeader,
            signed,
        })
    }

    /// What is behind a message of so many bytes: nothing, padding, or a signature.
    fn check_end(
        &self,
        now: Time,
        i: usize,
        packet: &Packet<'_>,
        len: usize,
    ) -> Result<Option<Signed>, Drop> {
        let signed = self.check_signature(i, packet, len, self.clock.unix(now))?;
        if signed.is_none() {
            check_len(packet.message.len(), len)?;
        }
        Ok(signed)
    }

    /// An advert was believed, with or without a signature.
    fn signature_believed(&mut self, i: usize, heard: &Heard, out: &mut Actions) {
        let config = &self.config.instances[i];
        let src = heard.src;
        match heard.signed {
            Some(Signed { sequence, age_s }) => {
                self.instances[i].hmac.believe(config, src, sequence);
                if self.skew_is_near_the_window(i, age_s) {
                    let apart_s = age_s.unsigned_abs();
                    let text =
                        format!("the clocks of this machine and {src} are {apart_s} s apart");
                    self.problem(i, kind::SKEW, text, out);
                }
            }
            None if config.hmac.is_some() => {
                self.problem(i, kind::UNSIGNED, format!("adverts of {src} are not signed"), out);
            }
            None => {}
        }
    }

    /// The addresses should be ours. If not, two machines are configured differently, which is
    /// told; to drop the advert would make both Active.
    fn compare_addresses(&mut self, i: usize, heard: &Heard, out: &mut Actions) {
        let skip = self.instance_config(i).skip_check_adv_addr;
        if skip && self.instances[i].compared == Some(heard.src) {
            return;
        }
        self.instances[i].compared = Some(heard.src);
        let ours: BTreeSet<IpAddr> = self.advertised(i).into_iter().collect();
        let theirs: BTreeSet<IpAddr> = heard.addresses.iter().copied().collect();
        if ours != theirs {
            self.instances[i].counters.addr_list_err += 1;
            let text = format!("{} has other addresses for this virtual router", heard.src);
            self.problem(i, kind::ADDRESSES, text, out);
        }
    }

    /// RFC 9568 section 6.4.2.
    fn heard_in_backup(&mut self, now: Time, i: usize, heard: &Heard, out: &mut Actions) {
        //= https://www.rfc-editor.org/rfc/rfc9568#section-6.4.2
        //# If the Priority in the ADVERTISEMENT is zero, then: Set the Active_Down_Timer to
        //# Skew_Time.
        if heard.priority == 0 {
            let skew = self.skew(i);
            self.instances[i].down_at = Some(now + skew);
            return;
        }
        let config = self.instance_config(i);
        let lower = heard.priority < self.instances[i].priority;
        if lower && config.preempt && !self.delay_preemption(now, i) {
            // The timer goes on: an advert that does not count must not put off the election.
            let text = format!("{} has a lower priority: {}", heard.src, heard.priority);
            self.problem(i, kind::LOWER, text, out);
            return;
        }
        if !lower {
            self.instances[i].preempt_at = None;
        }
        self.obey(now, i, heard, out);
    }

    /// `preempt_delay`: begins with the first lower advert. Whether it still lasts.
    fn delay_preemption(&mut self, now: Time, i: usize) -> bool {
        let delay = self.instance_config(i).preempt_delay;
        if delay.is_zero() {
            return false;
        }
        let until = *self.instances[i].preempt_at.get_or_insert(now + delay);
        now < until
    }

    /// Takes another machine for the Active one.
    fn obey(&mut self, now: Time, i: usize, heard: &Heard, out: &mut Actions) {
        if let Some(interval) = heard.interval
            && interval != self.instances[i].master_interval
        {
            let text = format!("{} advertises every {} ms", heard.src, interval.as_millis());
            self.problem(i, kind::INTERVAL, text, out);
            self.instances[i].master_interval = interval;
        }
        let timer = self.down_interval(i);
        let instance = &mut self.instances[i];
        instance.master = Some((heard.src, heard.priority));
        instance.wants_active = false;
        instance.down_at = Some(now + timer);
    }

    /// RFC 9568 section 6.4.3. `nopreempt` does not matter here: who hears a higher priority leaves.
    fn heard_in_active(&mut self, now: Time, i: usize, heard: &Heard, out: &mut Actions) {
        //= https://www.rfc-editor.org/rfc/rfc9568#section-6.4.3
        //# If the Priority in the ADVERTISEMENT is zero, then: Send an ADVERTISEMENT; Reset the
        //# Adver_Timer to Advertisement_Interval.
        if heard.priority == 0 {
            self.advertise(now, i, out);
            return;
        }
        let own = (self.instances[i].priority, self.source(i));
        let higher = (heard.priority, Some(heard.src)) > own;
        if heard.priority == OWNER && own.0 == OWNER {
            let text = format!("{} has priority 255 too: only one machine may", heard.src);
            self.problem(i, kind::OWNERS, text, out);
            if higher {
                // It is no owner any more, or it would come back at once.
                self.instances[i].base = OWNER - 1;
            }
        }
        if higher {
            if self.instance_config(i).higher_prio_send_advert {
                self.advertise(now, i, out);
            }
            let why = format!("{} has a higher priority: {}", heard.src, heard.priority);
            self.group_leaves(now, i, 0, &why, out);
            self.obey(now, i, heard, out);
        } else {
            self.answer_lower(now, i, heard, out);
        }
    }

    /// Another machine thinks that it is Active, and is not: it must hear us, and so must everybody
    /// who believed it.
    fn answer_lower(&mut self, now: Time, i: usize, heard: &Heard, out: &mut Actions) {
        let text = format!("{} is Active too, with priority {}", heard.src, heard.priority);
        self.problem(i, kind::LOWER, text, out);
        if !self.instance_config(i).lower_prio_no_advert {
            self.advertise(now, i, out);
        }
        self.announce_again(now, i, out);
        for other in self.companions(i) {
            if self.instances[other].state == State::Active {
                self.announce_again(now, other, out);
            }
        }
        out.push(Action::Notify(self.notice(i, What::MasterRxLowerPri)));
    }

    fn announce_again(&mut self, now: Time, i: usize, out: &mut Actions) {
        let garp = self.instance_config(i).garp;
        self.announce(i, garp.lower_prio_repeat, out);
        if garp.lower_prio_repeat > 0 && !garp.lower_prio_delay.is_zero() {
            self.instances[i].lower_burst_at = Some(now + garp.lower_prio_delay);
        }
    }

    /// keepalived's counters.
    fn count(&mut self, i: usize, drop: Drop) {
        let counters = &mut self.instances[i].counters;
        let counter = match drop {
            Drop::Ttl(_) => &mut counters.ip_ttl_err,
            Drop::Malformed(ParseError::Truncated { .. }) | Drop::TooLong { .. } => {
                &mut counters.packet_len_err
            }
            Drop::Malformed(ParseError::Type(_)) => &mut counters.invalid_type_rcvd,
            Drop::Malformed(ParseError::Version(_)) | Drop::Version(_) => &mut counters.vers_err,
            Drop::Malformed(ParseError::Checksum) => &mut counters.chk_err,
            Drop::Malformed(ParseError::NoAddresses | ParseError::MixedFamilies) => {
                &mut counters.packet_len_err
            }
            Drop::AuthTypeInvalid(_) => &mut counters.invalid_authtype,
            Drop::AuthTypeMismatch(_) | Drop::Unsigned => &mut counters.authtype_mismatch,
            Drop::AuthFailure
            | Drop::Signature
            | Drop::Stale(_)
            | Drop::UnknownKey(_)
            | Drop::SignatureWrong
            | Drop::Replayed => &mut counters.auth_failure,
            Drop::Interval(_) => &mut counters.advert_interval_err,
            Drop::Destination(_)
            | Drop::OwnSource
            | Drop::UnknownSource(_)
            | Drop::OwnerIgnores => &mut counters.ignored,
        };
        *counter += 1;
    }
}

/// A message must end where it says, but for padding.
fn check_len(have: usize, need: usize) -> Result<(), Drop> {
    if have > need + PADDING { Err(Drop::TooLong { have, need }) } else { Ok(()) }
}
