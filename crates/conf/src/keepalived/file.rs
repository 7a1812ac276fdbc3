//! What a `keepalived.conf` says, as plain values.
//!
//! `None` means that nothing was written. What then holds is told by [`Instance`]'s functions, where
//! instance, globals and version come together. Every value knows its place, so that whoever puts it to
//! use can still say what is wrong with it.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::place::{Place, Placed};
use crate::config::{Gateway, Tls};

use crate::secret::Secret;

mod track;

pub use keepair_core::router::network::{
    Address, Broadcast, Lifetime, Metric, MetricKind, NextHop, Realms, Route, RouteKind,
    RouterPreference, Rule, RuleAction, Table,
};
pub use track::{
    GarpGroup, ProcessMatch, SyncGroup, Track, TrackFile, TrackGroup, TrackProcess, Tracks,
    UpDownDelay, VrrpScript, Weight,
};

/// A whole configuration.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct File {
    /// `global_defs`.
    pub globals: Globals,
    /// `child_wait_time`; left out: 5 s.
    pub child_wait: Option<Placed<Duration>>,
    /// `static_ipaddress`.
    pub static_addresses: Vec<Placed<Address>>,
    /// `static_routes`.
    pub static_routes: Vec<Placed<Route>>,
    /// `static_rules`.
    pub static_rules: Vec<Placed<Rule>>,
    /// `track_group` blocks.
    pub track_groups: Vec<TrackGroup>,
    /// `interface_up_down_delays`.
    pub up_down_delays: Vec<Placed<UpDownDelay>>,
    /// `garp_group` blocks.
    pub garp_groups: Vec<GarpGroup>,
    /// `vrrp_script` blocks.
    pub scripts: Vec<VrrpScript>,
    /// `track_file` blocks.
    pub track_files: Vec<TrackFile>,
    /// `vrrp_track_process` blocks.
    pub track_processes: Vec<TrackProcess>,
    /// `vrrp_sync_group` blocks.
    pub sync_groups: Vec<SyncGroup>,
    /// `vrrp_instance` blocks.
    pub instances: Vec<Instance>,
}

/// `global_defs`: the daemon's own settings, and defaults for instances.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Globals {
    /// `on_dropped`, which is ours.
    pub on_dropped: Option<Placed<super::OnDropped>>,
    /// `router_id`; left out: the host name.
    pub router_id: Option<Placed<String>>,
    /// `script_user`; left out: the user `keepalived_script`, else the daemon's.
    pub script_user: Option<Placed<User>>,
    /// `enable_script_security`.
    pub script_security: Option<Placed<()>>,
    /// `set_supplementary_groups`.
    pub supplementary_groups: Option<Placed<()>>,
    /// `startup_script`.
    pub startup_script: Option<Script>,
    /// `startup_script_timeout`; left out: 10 s.
    pub startup_script_timeout: Option<Placed<Duration>>,
    /// `shutdown_script`.
    pub shutdown_script: Option<Script>,
    /// `shutdown_script_timeout`; left out: 10 s.
    pub shutdown_script_timeout: Option<Placed<Duration>>,
    /// `vrrp_startup_delay`.
    pub startup_delay: Option<Placed<Duration>>,
    /// `vrrp_delay_after_boot`.
    pub delay_after_boot: Option<Placed<Duration>>,
    /// `vrrp_version`, 2 or 3; left out: 2.
    pub version: Option<Placed<u8>>,
    /// `vrrp_strict`.
    pub strict: Option<Placed<()>>,
    /// `vrrp_mcast_group4`; left out: 224.0.0.18.
    pub multicast_group4: Option<Placed<Ipv4Addr>>,
    /// `vrrp_mcast_group6`; left out: ff02::12.
    pub multicast_group6: Option<Placed<Ipv6Addr>>,
    /// `vrrp_garp_*`.
    pub garp: Garp,
    /// `vrrp_garp_interval`; left out: none.
    pub garp_interval: Option<Placed<Duration>>,
    /// `vrrp_gna_interval`; left out: none.
    pub gna_interval: Option<Placed<Duration>>,
    /// `vrrp_min_garp`.
    pub min_garp: Option<Placed<bool>>,
    /// `vrrp_lower_prio_no_advert`.
    pub lower_prio_no_advert: Option<Placed<bool>>,
    /// `vrrp_higher_prio_send_advert`.
    pub higher_prio_send_advert: Option<Placed<bool>>,
    /// `vrrp_down_timer_adverts`, 1 to 100; left out: 3.
    pub down_timer_adverts: Option<Placed<u8>>,
    /// `vrrp_check_unicast_src`.
    pub check_unicast_src: Option<Placed<()>>,
    /// `vrrp_skip_check_adv_addr`.
    pub skip_check_adv_addr: Option<Placed<()>>,
    /// `v3_checksum_as_v2`.
    pub v3_checksum_as_v2: Option<Placed<bool>>,
    /// `vrrp_owner_ignore_adverts`.
    pub owner_ignore_adverts: Option<Placed<bool>>,
    /// `default_interface`; left out: eth0.
    pub default_interface: Option<Placed<String>>,
    /// `vmac_prefix`; left out: vrrp.
    pub vmac_prefix: Option<Placed<String>>,
    /// `vmac_addr_prefix`; left out: as `vmac_prefix`.
    pub vmac_addr_prefix: Option<Placed<String>>,
    /// `vrrp_rt_priority`, 1 to 99.
    pub rt_priority: Option<Placed<u8>>,
    /// `dynamic_interfaces`; true with `allow_if_changes`.
    pub dynamic_interfaces: Option<Placed<bool>>,
    /// `umask`; left out: 0177, whatever the manual says.
    pub umask: Option<Placed<u32>>,
    /// `state_dump_file`; left out: `keepalived.data` in the directory for temporary files.
    pub state_dump: Option<Placed<String>>,
    /// `stats_dump_file`; left out: `keepalived.stats` there.
    pub stats_dump: Option<Placed<String>>,
    /// `json_dump_file`; left out: `keepalived.json` there.
    pub json_dump: Option<Placed<String>>,
    /// `json_version`; left out: 1.
    pub json_version: Option<Placed<u8>>,
    /// `notify_fifo`.
    pub fifo: Option<Fifo>,
    /// `notify_fifo_script`.
    pub fifo_script: Option<Script>,
    /// `vrrp_notify_fifo`.
    pub vrrp_fifo: Option<Fifo>,
    /// `vrrp_notify_fifo_script`.
    pub vrrp_fifo_script: Option<Script>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: Option<Placed<()>>,
    /// `vrrp_notify_priority_changes`.
    pub notify_priority_changes: Option<Placed<bool>>,
    /// `notification_email`: who gets mails.
    pub mail_to: Vec<Placed<String>>,
    /// `notification_email_from`; left out: the daemon's user at the host name.
    pub mail_from: Option<Placed<String>>,
    /// `smtp_server`: a name or an address, and a port (25).
    pub smtp_server: Option<Placed<(String, u16)>>,
    /// `smtp_helo_name`; left out: the host name.
    pub smtp_helo_name: Option<Placed<String>>,
    /// `smtp_connect_timeout`; left out: 30 s.
    pub smtp_timeout: Option<Placed<Duration>>,
    /// `smtp_alert`.
    pub smtp_alert: Option<Placed<bool>>,
    /// `smtp_alert_vrrp`; left out: as `smtp_alert`.
    pub smtp_alert_vrrp: Option<Placed<bool>>,
    /// `no_email_faults`.
    pub no_mail_about_faults: Option<Placed<()>>,
}

/// How addresses are announced; globally and of an instance.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Garp {
    /// `garp_master_delay`: until the second round; zero for none. Left out: 5 s.
    pub delay: Option<Placed<Duration>>,
    /// `garp_master_repeat`: announcements in a round. Left out: 5.
    pub repeat: Option<Placed<u32>>,
    /// `garp_master_refresh`: pause between later rounds; zero, as if left out, for none.
    pub refresh: Option<Placed<Duration>>,
    /// `garp_master_refresh_repeat`: announcements in these. Left out: 1.
    pub refresh_repeat: Option<Placed<u32>>,
    /// `garp_lower_prio_delay`; left out: as `delay`.
    pub lower_prio_delay: Option<Placed<Duration>>,
    /// `garp_lower_prio_repeat`; left out: as `repeat`.
    pub lower_prio_repeat: Option<Placed<u32>>,
    /// `garp_extra_if`; left out: none.
    pub extra_if: Option<Placed<GarpExtra>>,
}

/// `garp_extra_if`: announcements on interfaces other than the instance's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GarpExtra {
    /// On all of them, not on macvlans only.
    pub all: bool,
    /// Pause between them; zero for none.
    pub every: Duration,
}

/// A user, and a group if not the user's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The group's name, without the colon that may stand before it.
    pub group: Option<String>,
    /// A colon before the group: the user's other groups count, too.
    pub supplementary_groups: bool,
}

/// A named pipe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fifo {
    /// Its path.
    pub path: Placed<String>,
    /// Who it belongs to; left out: who scripts run as.
    pub owner: Option<Placed<User>>,
}

/// A script and who runs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// What is run.
    pub command: Placed<Command>,
    /// Who runs it; left out: `script_user`.
    pub user: Option<Placed<User>>,
}

/// What is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A program.
    Program {
        /// As written, mostly an absolute path.
        path: String,
        /// Its arguments, which often hold passwords.
        arguments: Vec<Secret>,
    },
    /// The `</dev/tcp/HOST/PORT` of a shell, which tests whether a connection can be made.
    Connect(String),
}

/// What runs at changes; of an instance and of a group.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Script>,
    /// `notify_backup`.
    pub backup: Option<Script>,
    /// `notify_fault`.
    pub fault: Option<Script>,
    /// `notify_stop`.
    pub stop: Option<Script>,
    /// `notify`.
    pub any: Option<Script>,
    /// `notify_deleted`, instances only; without a script it only changes what is told.
    pub deleted: Option<Placed<Option<Script>>>,
    /// `notify_master_rx_lower_pri`, instances only.
    pub master_rx_lower_priority: Option<Script>,
    /// `notify_priority_changes`; left out: the global setting.
    pub priority_changes: Option<Placed<bool>>,
    /// `smtp_alert`; left out: the global setting.
    pub smtp_alert: Option<Placed<bool>>,
}

impl Notify {
    /// Every script of it.
    pub fn scripts(&self) -> impl Iterator<Item = &Script> {
        let deleted = self.deleted.as_ref().and_then(|deleted| deleted.value.as_ref());
        let scripts = [&self.master, &self.backup, &self.fault, &self.stop, &self.any];
        let others = [self.master_rx_lower_priority.as_ref(), deleted];
        scripts.map(Option::as_ref).into_iter().chain(others).flatten()
    }
}

/// The state an instance wishes for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// MASTER.
    Master,
    /// BACKUP.
    Backup,
}

/// `vrrp_instance`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Its name.
    pub name: Placed<String>,
    /// `state`.
    pub state: Option<Placed<State>>,
    /// `interface`.
    pub interface: Option<Placed<String>>,
    /// `virtual_router_id`, 1 to 255. A file without one has an error.
    pub virtual_router_id: Option<Placed<u8>>,
    /// `priority`, 1 to 255; left out: 100, or 255 with `state MASTER`.
    pub priority: Option<Placed<u8>>,
    /// `advert_int` as written; left out: 1 s.
    pub advert_interval: Option<Placed<Duration>>,
    /// `version`, 2 or 3; left out: the global one, and 3 for IPv6.
    pub version: Option<Placed<u8>>,
    /// `virtual_ipaddress`.
    pub addresses: Vec<Placed<Address>>,
    /// `virtual_ipaddress_excluded`.
    pub excluded_addresses: Vec<Placed<Address>>,
    /// `no_virtual_ipaddress`.
    pub no_addresses: Option<Placed<()>>,
    /// `native_ipv6`.
    pub native_ipv6: Option<Placed<()>>,

    /// `unicast_peer`; `None` if there is no such block.
    pub unicast_peers: Option<Vec<Placed<Peer>>>,
    /// `unicast_src_ip`.
    pub unicast_source: Option<Placed<IpAddr>>,
    /// `mcast_src_ip`.
    pub multicast_source: Option<Placed<IpAddr>>,
    /// `mcast_dst_ip`.
    pub multicast_group: Option<Placed<IpAddr>>,
    /// `track_src_ip`.
    pub track_source: Option<Placed<()>>,
    /// `unicast_ttl`; left out: 255.
    pub unicast_ttl: Option<Placed<u8>>,
    /// `check_unicast_src`; a TTL bound of a peer turns it on, too.
    pub check_unicast_source: Option<Placed<()>>,
    /// `old_unicast_checksum`; false with `never`.
    pub old_unicast_checksum: Option<Placed<bool>>,
    /// `unicast_fault_no_peer`.
    pub fault_without_peers: Option<Placed<()>>,

    /// `preempt` (true) or `nopreempt` (false).
    pub preempt: Option<Placed<bool>>,
    /// `preempt_delay`.
    pub preempt_delay: Option<Placed<Duration>>,
    /// `down_timer_adverts`, 1 to 100; left out: the global setting.
    pub down_timer_adverts: Option<Placed<u8>>,
    /// `timer_expired_backup`, with the other machines' highest priority (254).
    pub timer_expired_backup: Option<Placed<u8>>,

    /// `garp_*`; left out: the global setting.
    pub garp: Garp,
    /// `lower_prio_no_advert`; left out: the global setting.
    pub lower_prio_no_advert: Option<Placed<bool>>,
    /// `higher_prio_send_advert`; left out: the global setting.
    pub higher_prio_send_advert: Option<Placed<bool>>,

    /// `authentication`, if it has a password.
    pub password: Option<Placed<Secret>>,
    /// `auth_hmac`.
    pub hmac: Option<Placed<Hmac>>,

    /// `track_interface`, `track_script`, `track_file` and `track_process`.
    pub tracks: Tracks,
    /// `dont_track_primary`.
    pub dont_track_primary: Option<Placed<()>>,

    /// `skip_check_adv_addr`; left out: the global setting.
    pub skip_check_adv_addr: Option<Placed<bool>>,
    /// `strict_mode`; left out: the global setting.
    pub strict: Option<Placed<bool>>,
    /// `accept` (true) or `no_accept` (false); left out: true unless strict and no owner.
    pub accept: Option<Placed<bool>>,
    /// `v3_checksum_as_v2`; left out: the global setting.
    pub v3_checksum_as_v2: Option<Placed<bool>>,
    /// `owner_ignore_adverts`; left out: the global setting.
    pub owner_ignore_adverts: Option<Placed<bool>>,
    /// `promote_secondaries`.
    pub promote_secondaries: Option<Placed<()>>,

    /// `use_vmac`.
    pub vmac: Option<Placed<Vmac>>,
    /// `use_vmac_addr`.
    pub vmac_for_addresses: Option<Placed<()>>,
    /// `vmac_xmit_base`.
    pub vmac_xmit_base: Option<Placed<()>>,
    /// `virtual_routes`.
    pub routes: Vec<Placed<Route>>,
    /// `virtual_rules`.
    pub rules: Vec<Placed<Rule>>,

    /// `notify*` and `smtp_alert`.
    pub notify: Notify,
    /// `redis`, which is ours.
    pub redis: Option<Placed<Redis>>,
}

impl Instance {
    pub(super) fn new(name: Placed<String>) -> Self {
        Instance {
            name,
            state: None,
            interface: None,
            virtual_router_id: None,
            priority: None,
            advert_interval: None,
            version: None,
            addresses: Vec::new(),
            excluded_addresses: Vec::new(),
            no_addresses: None,
            native_ipv6: None,
            unicast_peers: None,
            unicast_source: None,
            multicast_source: None,
            multicast_group: None,
            track_source: None,
            unicast_ttl: None,
            check_unicast_source: None,
            old_unicast_checksum: None,
            fault_without_peers: None,
            preempt: None,
            preempt_delay: None,
            down_timer_adverts: None,
            timer_expired_backup: None,
            garp: Garp::default(),
            lower_prio_no_advert: None,
            higher_prio_send_advert: None,
            password: None,
            hmac: None,
            tracks: Tracks::default(),
            dont_track_primary: None,
            skip_check_adv_addr: None,
            strict: None,
            accept: None,
            v3_checksum_as_v2: None,
            owner_ignore_adverts: None,
            promote_secondaries: None,
            vmac: None,
            vmac_for_addresses: None,
            vmac_xmit_base: None,
            routes: Vec::new(),
            rules: Vec::new(),
            notify: Notify::default(),
            redis: None,
        }
    }
}

/// A peer of unicast.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The smallest TTL of its adverts.
    pub min_ttl: Option<u8>,
    /// The largest.
    pub max_ttl: Option<u8>,
}

/// `use_vmac`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vmac {
    /// The interface's name; left out: made of the prefix and the number of the virtual router.
    pub name: Option<String>,
    /// The MAC address; left out: the RFC's for this virtual router.
    pub mac: Option<Mac>,
}

/// A MAC address as far as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mac {
    /// All of it.
    Whole([u8; 6]),
    /// Without the last byte, which is the number of the virtual router.
    Prefix([u8; 5]),
}

/// `auth_hmac`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hmac {
    /// The keys and their numbers, in the order of the file.
    pub keys: Vec<Placed<HmacKey>>,
    /// `active_key`: the number of the one that signs.
    pub active_key: Placed<u8>,
    /// `anti_replay monotonic`; left out, or `time`: false.
    pub monotonic: Option<Placed<bool>>,
    /// `time_window`; left out: three adverts, and 5 s at least.
    pub time_window: Option<Placed<Duration>>,
    /// `mode`; left out: enforce.
    pub mode: Option<Placed<HmacMode>>,
}

/// A key of `auth_hmac`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HmacKey {
    /// Its number, from 1.
    pub id: u8,
    /// Where its bytes are.
    pub value: HmacValue,
}

/// A key's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HmacValue {
    /// As text: 32 to 64 bytes.
    Text(Secret),
    /// As hexadecimal digits: of 32 to 64 bytes.
    Hex(Secret),
    /// In a file, not opened here. Its content is written in one of the other two ways.
    File(String),
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

/// `redis`: what `[redis]` of `keepair.toml` says, as far as it is written.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Redis {
    /// `port`; left out: 6379.
    pub port: Option<Placed<u16>>,
    /// `host`.
    pub host: Option<Placed<IpAddr>>,
    /// `socket`.
    pub socket: Option<Placed<String>>,
    /// `username`.
    pub username: Option<Placed<String>>,
    /// `password`.
    pub password: Option<Placed<Secret>>,
    /// `password_file`.
    pub password_file: Option<Placed<String>>,
    /// `tls`.
    pub tls: Option<Placed<Tls>>,
    /// `ping_interval`.
    pub ping_interval: Option<Placed<Duration>>,
    /// `ping_timeout`.
    pub ping_timeout: Option<Placed<Duration>>,
    /// `hang_timeout`.
    pub hang_timeout: Option<Placed<Duration>>,
    /// `info_interval`.
    pub info_interval: Option<Placed<Duration>>,
    /// `reconnect_interval`.
    pub reconnect_interval: Option<Placed<Duration>>,
    /// `tiebreaker`.
    pub tie_breaker: Option<Placed<TieBreaker>>,
}

/// `tiebreaker`: what `[tiebreaker]` of `keepair.toml` says, as far as it is written. URLs may hold
/// passwords, bad ones anywhere.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TieBreaker {
    /// `gateway`.
    pub gateway: Option<Placed<Gateway>>,
    /// `witness`, a URL.
    pub witness: Option<Placed<Secret>>,
    /// `witness_password_file`.
    pub witness_password_file: Option<Placed<String>>,
    /// `etcd`, URLs; none: left out.
    pub etcd: Vec<Placed<Secret>>,
    /// `etcd_password_file`.
    pub etcd_password_file: Option<Placed<String>>,
    /// `key`.
    pub key: Option<Placed<String>>,
    /// `tls`.
    pub tls: Option<Placed<Tls>>,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Master => "MASTER",
            State::Backup => "BACKUP",
        })
    }
}

impl Script {
    /// Where the script is written.
    pub fn place(&self) -> Place {
        self.command.place
    }
}
