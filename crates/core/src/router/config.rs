//! What a router must know to decide. Already checked by `conf`, with all defaults filled in.
//!
//! Things refer to each other by their place in [`Config`]'s lists. Commands are not here: the
//! executor knows them by the same places.

use super::network::{Address, Route, Rule};
use crate::config::Vrid;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

/// Declares a place in one of [`Config`]'s lists.
macro_rules! places {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
            pub struct $name(pub usize);
        )*
    };
}

places! {
    /// A place in [`Config::links`].
    LinkId
    /// A place in [`Config::scripts`].
    ScriptId
    /// A place in [`Config::files`].
    FileId
    /// A place in [`Config::processes`].
    ProcessId
    /// A place in [`Config::instances`].
    InstanceId
    /// A place in [`Config::groups`].
    GroupId
}

/// A whole configuration.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Config {
    /// Every interface that matters to anybody.
    pub links: Vec<LinkConfig>,
    /// `vrrp_script`.
    pub scripts: Vec<ScriptConfig>,
    /// `track_file`.
    pub files: Vec<FileConfig>,
    /// `vrrp_track_process`.
    pub processes: Vec<ProcessConfig>,
    /// `vrrp_instance`.
    pub instances: Vec<InstanceConfig>,
    /// `vrrp_sync_group`.
    pub groups: Vec<GroupConfig>,
    /// `vrrp_startup_delay`, or what is left of `vrrp_delay_after_boot`: nothing is sent, and what is
    /// received does not count.
    pub startup_delay: Duration,
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkConfig {
    /// Its name.
    pub name: String,
    /// `interface_up_down_delays`: how long it must be down before it counts as down.
    pub down_delay: Duration,
    /// The same for up.
    pub up_delay: Duration,
}

/// `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptConfig {
    /// Its name.
    pub name: String,
    /// Between the starts of two runs.
    pub interval: Duration,
    /// A run that takes longer is ended. It is a failure, unless it takes SIGTERM for a reason to
    /// exit with 0.
    pub timeout: Duration,
    /// Successes in a row that make it good, 1 and more.
    pub rise: u32,
    /// Failures in a row that make it bad, 1 and more.
    pub fall: u32,
    /// `init_fail`: it counts as bad until it has run, and as failed often enough.
    pub init_fail: bool,
}

/// `track_file`: a number in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileConfig {
    /// Its name.
    pub name: String,
}

/// `vrrp_track_process`: how many processes of a kind there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessConfig {
    /// Its name.
    pub name: String,
    /// So many there must be at least.
    pub quorum: u32,
    /// So many there may be at most.
    pub quorum_max: u32,
    /// How long it must be good before it counts as good.
    pub fork_delay: Duration,
    /// How long it must be bad before it counts as bad.
    pub terminate_delay: Duration,
}

/// `weight`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Weight {
    /// Added to the priority while good if positive, while bad if negative; zero: bad is a fault.
    pub value: i16,
    /// Good and bad change places.
    pub reverse: bool,
}

/// Something that is tracked, and what it weighs here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Track<Id> {
    /// What.
    pub id: Id,
    /// How much.
    pub weight: Weight,
}

/// All that an instance or a group tracks, also implicitly (its own interface and those of its
/// addresses, unless it is told not to).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tracks {
    /// Interfaces.
    pub links: Vec<Track<LinkId>>,
    /// Scripts.
    pub scripts: Vec<Track<ScriptId>>,
    /// Files. The weight is multiplied by the number in the file.
    pub files: Vec<Track<FileId>>,
    /// Processes.
    pub processes: Vec<Track<ProcessId>>,
}

/// A family of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "they are what they are")]
pub enum Family {
    V4,
    V6,
}

/// A version of VRRP: RFC 3768 or RFC 9568.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "they are what they are")]
pub enum Version {
    V2,
    V3,
}

/// `vrrp_instance`: a virtual router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstanceConfig {
    /// Its name.
    pub name: String,
    /// The interface its adverts go over.
    pub link: LinkId,
    /// Its number.
    pub vrid: Vrid,
    /// Its addresses' family.
    pub family: Family,
    /// How its adverts are written. IPv6 has version 3 only.
    pub version: Version,
    /// Priority before anything that is tracked changes it; 255 for an owner of the addresses, which
    /// nothing changes.
    pub priority: u8,
    /// `state MASTER`.
    pub wants_active: bool,
    /// Between two adverts, in steps the version can carry.
    pub advert_interval: Duration,
    /// Adverts that may be missing before the Active machine counts as gone.
    pub down_timer_adverts: u8,
    /// A higher priority takes the addresses from a working machine.
    pub preempt: bool,
    /// How long it waits before it does.
    pub preempt_delay: Duration,
    /// Where adverts come from; `None`: the interface's own address.
    pub source: Option<IpAddr>,
    /// It is a fault if `source` is not an address of this machine.
    pub track_source: bool,
    /// To whom adverts go.
    pub transport: Transport,
    /// The IPv4 checksum of version 3 leaves the pseudo-header out, as RFC 9568 section 5.2.8 wants.
    pub checksum_without_pseudo_header: bool,
    /// `old_unicast_checksum`: the pseudo-header names the group though the packet does not go there;
    /// `None`: as the peer does it.
    pub old_unicast_checksum: Option<bool>,
    /// `auth_type PASS`, version 2 only.
    pub password: Option<Password>,
    /// `auth_hmac`.
    pub hmac: Option<Hmac>,
    /// Addresses, the first ones named in adverts.
    pub addresses: Vec<Address>,
    /// Addresses that adverts do not name.
    pub excluded_addresses: Vec<Address>,
    /// Routes that come and go with the addresses.
    pub routes: Vec<Route>,
    /// Rules that come and go with the addresses.
    pub rules: Vec<Rule>,
    /// How the addresses are announced.
    pub garp: Garp,
    /// As Active: a lower priority is not answered.
    pub lower_prio_no_advert: bool,
    /// As Active: a higher priority is answered once, before the addresses are left.
    pub higher_prio_send_advert: bool,
    /// An advert from the address of the one before is not compared with `addresses` again.
    pub skip_check_adv_addr: bool,
    /// An owner does not listen.
    pub owner_ignore_adverts: bool,
    /// To the letter of the RFC.
    pub strict: bool,
    /// Packets to the addresses are taken in on a machine that does not own them.
    pub accept: bool,
    /// `timer_expired_backup`: to leave the addresses if this machine stood still for longer than a
    /// machine of this priority would wait.
    pub timer_expired_backup: Option<u8>,
    /// `use_vmac`.
    pub vmac: Option<Vmac>,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// What is tracked.
    pub tracks: Tracks,
    /// Changes of the priority are told.
    pub notify_priority_changes: bool,
    /// Changes of the state are told by mail.
    pub smtp_alert: bool,
    /// `notify_deleted`: to be taken out of the file is DELETED and not FAULT.
    pub notify_deleted: bool,
}

/// To whom adverts go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// To a group.
    Multicast {
        /// Its address.
        group: IpAddr,
    },
    /// To peers.
    Unicast {
        /// Who they are.
        peers: Vec<Peer>,
        /// TTL or hop limit to send with.
        ttl: u8,
        /// Adverts of others do not count.
        check_source: bool,
    },
}

/// A peer of unicast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The smallest TTL or hop limit its adverts may arrive with.
    pub min_ttl: u8,
    /// The largest.
    pub max_ttl: u8,
}

/// A password of version 2: what is put into the packet, padded with zeroes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub [u8; 8]);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// `auth_hmac`, keepalived 2.4's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hmac {
    /// The keys by which adverts may be signed.
    pub keys: Vec<HmacKey>,
    /// The number of the one that signs ours.
    pub active_key: u8,
    /// Replays are told by a counter, not by the time of day.
    pub monotonic: bool,
    /// How far two clocks may be apart.
    pub time_window: Duration,
    /// What unsigned adverts are worth.
    pub mode: HmacMode,
}

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub struct HmacKey {
    /// Its number, from 1.
    pub id: u8,
    /// Its bytes.
    pub value: Vec<u8>,
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey {{ id: {}, .. }}", self.id)
    }
}

/// What unsigned adverts are worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmacMode {
    /// Nothing.
    Enforce,
    /// As much as signed ones.
    Permissive,
    /// As much as signed ones, and own adverts are not signed.
    ReceiveOnly,
}

/// How addresses are announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Garp {
    /// Until the second burst; zero for none.
    pub delay: Duration,
    /// Announcements of each address in a burst.
    pub repeat: u32,
    /// Between later bursts; zero for none.
    pub refresh: Duration,
    /// Announcements in those.
    pub refresh_repeat: u32,
    /// Until the second burst after an advert of a lower priority.
    pub lower_prio_delay: Duration,
    /// Announcements in the bursts after such an advert.
    pub lower_prio_repeat: u32,
}

/// `use_vmac`: a macvlan with the virtual router's own MAC address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vmac {
    /// The interface's name.
    pub name: String,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// `vmac_xmit_base`: adverts go over the interface below it.
    pub xmit_base: bool,
}

/// `vrrp_sync_group`: instances that are Active together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    /// Its name.
    pub name: String,
    /// Its instances.
    pub members: Vec<InstanceId>,
    /// What is tracked for all of them.
    pub tracks: Tracks,
    /// Weights count, though they may tear the group apart.
    pub tracking_weight: bool,
    /// Changes of the state are told by mail.
    pub smtp_alert: bool,
}
