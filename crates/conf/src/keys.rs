//! Every key of `keepair.toml`: where it stands, what it takes, its default, what it means.
//!
//! The one table. The reader takes bounds and defaults from it, the hints for unknown keys its names,
//! and `default_toml` all of it, so none of them can tell a different story.

use core::time::Duration;
use keepair_core::config::{Announce, Timing};

pub(crate) mod nearest;
pub(crate) mod template;
#[cfg(test)]
mod tests;

/// A table of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    Top,
    Node,
    Redis,
    Tls,
    Failover,
    TieBreaker,
    BreakerTls,
    Garp,
    Salvage,
    Control,
}

impl Section {
    /// Its header, as written in the file; for the top level the words to name it by.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Section::Top => "the top level",
            Section::Node => "[[node]]",
            Section::Redis => "[redis]",
            Section::Tls => "[redis.tls]",
            Section::Failover => "[failover]",
            Section::TieBreaker => "[tiebreaker]",
            Section::BreakerTls => "[tiebreaker.tls]",
            Section::Garp => "[garp]",
            Section::Salvage => "[salvage]",
            Section::Control => "[control]",
        }
    }

    /// The table's keys, in the order of [`ALL`].
    pub(crate) fn keys(self) -> impl Iterator<Item = &'static Key> {
        ALL.iter().copied().filter(move |key| key.section == self)
    }
}

/// One field of [`Timing`].
pub(crate) type TimingField = fn(&mut Timing) -> &mut Duration;

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A string that is not empty.
    Text,
    /// An absolute path.
    Path,
    /// A password.
    Secret,
    Bool,
    Integer {
        least: i64,
        most: i64,
    },
    /// A string like "100ms".
    Duration {
        least: Duration,
        most: Duration,
    },
    /// An IP address.
    Address,
    /// One IP address with or without prefix length, or an array of them.
    Vips,
    /// A string that is not empty, or an array of them.
    Texts,
    /// A table, or an array of tables.
    Table(Section),
}

/// What holds when a key is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Preset {
    /// It may not be. The examples are for the template: one, or one for each node.
    Required(&'static [&'static str]),
    /// Nothing. The example is for the template, where it is commented out.
    Absent(&'static str),
    Bool(bool),
    Integer(fn() -> i64),
    Duration(fn() -> Duration),
    /// The field's value in `Timing::default()`.
    Timing(TimingField),
    /// For tables: their keys have defaults of their own.
    Keys,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) section: Section,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) preset: Preset,
    /// What other programs call it; for hints only.
    pub(crate) also: &'static [&'static str],
    /// What it is for, in lines for the template. Bounds are added from `kind`.
    pub(crate) doc: &'static str,
}

impl Key {
    /// The default of a key that takes a duration.
    pub(crate) fn duration(&self) -> Duration {
        match self.preset {
            Preset::Duration(default) => default(),
            Preset::Timing(field) => *field(&mut Timing::default()),
            _ => Duration::ZERO,
        }
    }
}

macro_rules! keys {
    ($($id:ident: $section:ident $name:literal, $kind:expr, $preset:expr, [$($also:literal),*], $doc:literal;)*) => {
        $(pub(crate) static $id: Key = Key {
            section: Section::$section,
            name: $name,
            kind: $kind,
            preset: $preset,
            also: &[$($also),*],
            doc: $doc,
        };)*
        /// The table, in the order of the template.
        pub(crate) static ALL: &[&Key] = &[$(&$id),*];
    };
}

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

const fn integer(least: i64, most: i64) -> Kind {
    Kind::Integer { least, most }
}

const fn duration(least: Duration, most: Duration) -> Kind {
    Kind::Duration { least, most }
}

const MINUTE: Duration = Duration::from_secs(60);

keys! {
    VIP: Top "vip", Kind::Vips, Preset::Required(&[r#"["172.18.0.10/24"]"#]),
        ["vips", "virtual_ip", "virtual_ipaddress", "virtual_address"],
        "The virtual addresses, IPv4 or IPv6, one or several; without a prefix length, /32 or /128.";
    INTERFACE: Top "interface", Kind::Text, Preset::Required(&[r#""eth0""#]),
        ["iface", "dev", "device", "nic"],
        "The interface that carries the adverts and the virtual addresses.";
    VIRTUAL_ROUTER_ID: Top "virtual_router_id", integer(1, 255), Preset::Required(&["51"]),
        ["vrid", "router_id"],
        "Number of the virtual router, the only one of its number on the network.";
    ADVERT_INTERVAL: Top "advert_interval", duration(ms(10), ms(40_950)),
        Preset::Duration(|| ms(100)), ["advert_int", "interval"],
        "Time between two adverts, in steps of 10ms; the standby takes over after three are missed.";
    PREEMPT: Top "preempt", Kind::Bool, Preset::Bool(false), ["nopreempt"],
        "Whether a node of higher priority takes the address from a working primary.";
    UNICAST: Top "unicast", Kind::Bool, Preset::Bool(false), ["unicast_peer", "multicast"],
        "Send adverts to the other node's address instead of the VRRP multicast group.";
    CHECKSUM_PSEUDO_HEADER: Top "checksum_pseudo_header", Kind::Bool, Preset::Bool(false), [],
        "Include the pseudo-header in the checksum of IPv4 adverts, as keepalived does.\n\
         Received adverts are accepted either way.";
    PEER_PORT: Top "peer_port", integer(1, 65_535), Preset::Integer(|| 10_112), [],
        "UDP port of the daemons' own link.";

    NODE: Top "node", Kind::Table(Section::Node), Preset::Keys, ["nodes", "member", "peer", "server"],
        "The two machines. A machine knows itself by its address, so the file is the same on both.";
    NODE_NAME: Node "name", Kind::Text, Preset::Required(&[r#""redis-1""#, r#""redis-2""#]),
        ["hostname", "id"],
        "What to call it.";
    NODE_ADDRESS: Node "address", Kind::Address,
        Preset::Required(&[r#""172.18.0.4""#, r#""172.18.0.5""#]), ["ip", "addr", "host"],
        "Its own address, never a virtual one.";
    NODE_PRIORITY: Node "priority", integer(1, 254), Preset::Integer(|| 100), ["prio", "weight"],
        "VRRP priority; the higher wins between two that are equally good.";

    REDIS: Top "redis", Kind::Table(Section::Redis), Preset::Keys, ["valkey"],
        "The local Redis or Valkey.";
    REDIS_PORT: Redis "port", integer(1, 65_535), Preset::Integer(|| 6379), [],
        "The port it serves on, the same on both machines.";
    REDIS_HOST: Redis "host", Kind::Address, Preset::Absent(r#""127.0.0.1""#),
        ["address", "addr", "ip", "bind"],
        "Where to connect; left out: loopback, then the node's own address.";
    REDIS_SOCKET: Redis "socket", Kind::Path, Preset::Absent(r#""/run/redis/redis.sock""#),
        ["unixsocket", "unix_socket"],
        "Unix socket to connect to, instead of `host`.";
    REDIS_USERNAME: Redis "username", Kind::Text, Preset::Absent(r#""keepair""#), ["user"],
        "ACL user; left out: the default user.";
    REDIS_PASSWORD: Redis "password", Kind::Secret, Preset::Absent(r#""secret""#),
        ["pass", "requirepass", "masterauth", "auth", "auth_pass", "secret"],
        "The password; `password_file` keeps it out of this file.";
    REDIS_PASSWORD_FILE: Redis "password_file", Kind::Path,
        Preset::Absent(r#""/etc/keepair/redis.password""#), [],
        "File that holds the password and nothing else.";
    PING_INTERVAL: Redis "ping_interval", duration(ms(5), ms(10_000)),
        Preset::Timing(|timing| &mut timing.ping_interval), [],
        "How often Redis is sent a PING.";
    PING_TIMEOUT: Redis "ping_timeout", duration(ms(10), MINUTE),
        Preset::Timing(|timing| &mut timing.ping_timeout), ["timeout"],
        "A PING unanswered for this long, and a process that is stopped, is a hang.\n\
         Longer than `ping_interval`.";
    HANG_TIMEOUT: Redis "hang_timeout", duration(ms(10), Duration::from_secs(600)),
        Preset::Timing(|timing| &mut timing.hang_timeout), [],
        "A PING unanswered for this long, while the process neither is stopped nor uses the CPU,\n\
         is a hang too. Not shorter than `ping_timeout`.";
    INFO_INTERVAL: Redis "info_interval", duration(ms(10), MINUTE),
        Preset::Timing(|timing| &mut timing.info_interval), [],
        "How often Redis is asked for INFO.";
    RECONNECT_INTERVAL: Redis "reconnect_interval", duration(ms(5), MINUTE),
        Preset::Timing(|timing| &mut timing.reconnect_interval), [],
        "Pause between two attempts to connect to Redis.";

    REDIS_TLS: Redis "tls", Kind::Table(Section::Tls), Preset::Absent(""), ["ssl"],
        "TLS towards Redis; an empty table turns it on.";
    TLS_CA: Tls "ca", Kind::Path, Preset::Absent(r#""/etc/keepair/ca.pem""#),
        ["ca_file", "cacert", "ca_cert", "tls_ca_cert_file"],
        "Certificates to trust; left out: the system's.";
    TLS_CERT: Tls "cert", Kind::Path, Preset::Absent(r#""/etc/keepair/client.pem""#),
        ["cert_file", "certificate", "tls_cert_file"],
        "Client certificate; goes together with `key`.";
    TLS_KEY: Tls "key", Kind::Path, Preset::Absent(r#""/etc/keepair/client.key""#),
        ["key_file", "tls_key_file"],
        "Key of the client certificate.";
    TLS_SERVER_NAME: Tls "server_name", Kind::Text, Preset::Absent(r#""redis.example.org""#),
        ["sni", "servername", "hostname"],
        "Name expected in the server's certificate; left out: the address connected to.";

    FAILOVER: Top "failover", Kind::Table(Section::Failover), Preset::Keys, [],
        "Deadlines of a change of primary.";
    DRAIN_TIMEOUT: Failover "drain_timeout", duration(ms(10), MINUTE),
        Preset::Timing(|timing| &mut timing.drain_timeout), [],
        "How long a standby waits for received data to be applied before it promotes anyway.";
    PROMOTE_TIMEOUT: Failover "promote_timeout", duration(ms(10), MINUTE),
        Preset::Timing(|timing| &mut timing.promote_timeout), [],
        "How long Redis may take to answer the promotion.";
    SWITCHOVER_TIMEOUT: Failover "switchover_timeout", duration(ms(10), MINUTE),
        Preset::Timing(|timing| &mut timing.switchover_timeout), [],
        "How long a planned switchover may take before it is called off.";
    BOOT_WAIT: Failover "boot_wait", duration(ms(100), Duration::from_secs(600)),
        Preset::Timing(|timing| &mut timing.boot_wait), ["startup_delay", "vrrp_startup_delay"],
        "How long a starting machine waits to hear the other before it decides alone.";

    TIEBREAKER: Top "tiebreaker", Kind::Table(Section::TieBreaker), Preset::Absent(""),
        ["tie_breaker", "arbiter", "quorum", "fencing"],
        "Third parties: a machine that does not hear the other one serves only while they stand by it.\n\
         If several are named, all of them must. The same on both machines.";
    GATEWAY: TieBreaker "gateway", Kind::Text, Preset::Absent(r#""auto""#), ["router", "ping"],
        "A gateway on the interface's network, asked by ARP or neighbour solicitation: its address,\n\
         or \"auto\" for the default route's. It stops a machine that is cut off; two machines that\n\
         both reach it, and not each other, it can't tell apart.";
    WITNESS: TieBreaker "witness", Kind::Text, Preset::Absent(r#""redis://192.0.2.7:6379""#),
        ["redis", "url"],
        "Any third Redis, which may serve others: redis://[user[:password]@]host[:port][/database], or\n\
         rediss:// for TLS. One process: no cluster, replica or proxy. The user needs the commands INFO,\n\
         EVAL, HMGET, HSET, DEL and PING, and SELECT for another database than 0.";
    WITNESS_PASSWORD_FILE: TieBreaker "witness_password_file", Kind::Path,
        Preset::Absent(r#""/etc/keepair/witness.password""#), ["password_file", "password"],
        "File that holds the witness's password and nothing else; instead of a password in the URL.";
    ETCD: TieBreaker "etcd", Kind::Texts,
        Preset::Absent(r#"["https://keepair@192.0.2.8:2379", "https://192.0.2.9:2379"]"#),
        ["endpoints", "etcd_endpoints"],
        "The endpoints of an etcd (3.4 or later), http:// or https://, tried in turn. Its key is\n\
         written with each vote, ten times a second by default: etcd must compact its history by\n\
         itself (--auto-compaction-retention).";
    ETCD_PASSWORD_FILE: TieBreaker "etcd_password_file", Kind::Path,
        Preset::Absent(r#""/etc/keepair/etcd.password""#), [],
        "File that holds the password of the endpoints' user; instead of a password in the URL.";
    BREAKER_KEY: TieBreaker "key", Kind::Text, Preset::Absent(r#""keepair:redis-a""#),
        ["register", "name", "prefix"],
        "Key of the pair's register in the witness and in etcd, no other pair's; left out: one made\n\
         of the virtual router's number and the nodes' addresses. Two machines with two keys have\n\
         two registers: never change it while both run.";

    BREAKER_TLS: TieBreaker "tls", Kind::Table(Section::BreakerTls), Preset::Absent(""), ["ssl"],
        "TLS towards rediss:// and https://; left out: the system's certificates are trusted.";
    BREAKER_TLS_CA: BreakerTls "ca", Kind::Path, Preset::Absent(r#""/etc/keepair/witness-ca.pem""#),
        ["ca_file", "cacert", "ca_cert"],
        "Certificates to trust; left out: the system's.";
    BREAKER_TLS_CERT: BreakerTls "cert", Kind::Path,
        Preset::Absent(r#""/etc/keepair/witness-client.pem""#), ["cert_file", "certificate"],
        "Client certificate; goes together with `key`.";
    BREAKER_TLS_KEY: BreakerTls "key", Kind::Path,
        Preset::Absent(r#""/etc/keepair/witness-client.key""#), ["key_file"],
        "Key of the client certificate.";
    BREAKER_TLS_SERVER_NAME: BreakerTls "server_name", Kind::Text,
        Preset::Absent(r#""witness.example.org""#), ["sni", "servername", "hostname"],
        "Name expected in the server's certificate; left out: the one connected to.";

    GARP: Top "garp", Kind::Table(Section::Garp), Preset::Keys, ["arp", "announce"],
        "Gratuitous ARP and unsolicited neighbour advertisements after a takeover.";
    GARP_REPEATS: Garp "repeats", integer(1, 16),
        Preset::Integer(|| Announce::default().repeats.into()),
        ["repeat", "count", "garp_master_repeat"],
        "How many times each address is announced.";
    GARP_INTERVAL: Garp "interval", duration(ms(1), ms(10_000)),
        Preset::Duration(|| Announce::default().interval), ["garp_interval", "delay"],
        "Pause between the first two announcements; it doubles with each.";
    GARP_REFRESH: Garp "refresh", duration(Duration::ZERO, Duration::from_secs(3600)),
        Preset::Duration(|| Announce::default().refresh), ["garp_master_refresh"],
        "Pause between announcements after those, at least 100ms; 0s for none.";

    SALVAGE: Top "salvage", Kind::Table(Section::Salvage), Preset::Keys, [],
        "What only this machine holds is kept in the state directory before it is overwritten.";
    SALVAGE_TIMEOUT: Salvage "timeout", duration(ms(100), MINUTE),
        Preset::Timing(|timing| &mut timing.salvage_timeout), [],
        "How long one attempt may take; the rejoin waits for it.";
    SALVAGE_COPY_LIMIT_MIB: Salvage "copy_limit_mib", integer(0, 1 << 12),
        Preset::Integer(|| 64), ["copy_limit"],
        "What a copy of the stream may take in memory while the standby is behind. In MiB; 0 for none.";
    SALVAGE_ARCHIVE_LIMIT_MIB: Salvage "archive_limit_mib", integer(0, 1 << 30),
        Preset::Integer(|| 1024), ["archive_limit", "limit", "max_size"],
        "What archives of data files may take together; the oldest go first. In MiB; 0 for none.";

    CONTROL: Top "control", Kind::Table(Section::Control), Preset::Keys, [],
        "The socket of the command line.";
    CONTROL_GROUP: Control "group", Kind::Text, Preset::Absent(r#""keepair""#), ["gid", "owner"],
        "Unix group whose members may use it; left out: root only.";
}
