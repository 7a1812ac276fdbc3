//! The words of `vrrp_instance` and of the blocks inside of it.

use super::Body::{Keywords, Lines};
use super::Header::Bare;
use super::Support::{Full, NoEffect, Old, Own, Refused};
use super::Takes::{
    Address, Block, Interface, Nothing, Number, OneOf, OptionalWord, Script, Seconds, Secret,
    Switch, Toml, Word, Words,
};
use super::global::{
    ADDRESS_LINES, GARP_EXTRA_IF, I32, MOST_SECONDS, ROUTE_LINES, RULE_LINES, U32,
};
use super::trackers::{NO_BFD, TRACK, TRACK_INTERFACE};
use super::{Keyword, Scope, keywords};
use crate::keys;

pub(super) const INSTANCE: &[Keyword] = keywords! { Instance:
    "state" Word("MASTER|BACKUP"), Full, "BACKUP",
        "The state wished for at the start; not the state it starts in.";
    "interface" Interface, Full, "eth1",
        "The interface of the adverts, and of addresses that name no other.";
    "virtual_router_id" Number(1, 255), Full, "52",
        "The number of the virtual router, the same on both machines.";
    "priority" Number(1, 255), Full, "100",
        "Who is Active: the highest. 255 owns the addresses, and nothing it tracks counts.";
    "advert_int" Seconds(10_000, 255_000_000), Full, "2",
        "Time between two adverts: whole seconds in version 2, steps of 10 ms up to 40.95 s in version 3.";
    "version" Number(2, 3), Full, "3",
        "The version of VRRP.";
    "virtual_ipaddress" Block(Bare, Lines(ADDRESS_LINES)), Full, "172.18.0.11/24 dev eth0",
        "The virtual addresses, of one family.";
    "virtual_ipaddress_excluded" Block(Bare, Lines(ADDRESS_LINES)), Full, "fd00::11/64",
        "Addresses that move, too, but are not in the adverts; of either family.";
    "no_virtual_ipaddress" Nothing, Full, "",
        "It is meant to have no addresses.";
    "native_ipv6" Nothing, Full, "",
        "It is for IPv6, whatever its addresses are.";
    "debug" Number(0, 4), NoEffect("it has no effect in keepalived either"), "1",
        "A level of debugging.";

    "unicast_peer" Block(Bare, Lines("ADDRESS [min_ttl N] [max_ttl N]")), Full, "172.18.0.5",
        "Sends adverts to these addresses instead of the group.";
    "unicast_src_ip" Address, Full, "172.18.0.4",
        "The address adverts are sent from, for unicast.";
    "mcast_src_ip" Address, Full, "172.18.0.4",
        "The address adverts are sent from.";
    "mcast_dst_ip" Address, Full, "224.0.0.19",
        "The group adverts are sent to.";
    "track_src_ip" Nothing, Full, "",
        "The loss of that source address is a fault.";
    "unicast_ttl" Number(0, 255), Full, "64",
        "The TTL of unicast adverts.";
    "check_unicast_src" Nothing, Full, "",
        "Takes unicast adverts only from the peers that are listed.";
    "old_unicast_checksum" OptionalWord("never"), Full, "never",
        "Computes checksums of version 3 as keepalived did before 1.3.7, or never tries to.";
    "unicast_fault_no_peer" Nothing, Full, "",
        "An empty list of peers is a fault instead of multicast.";

    "preempt" Nothing, Full, "",
        "A higher priority takes the addresses from a working machine; so it is without the word.";
    "nopreempt" Nothing, Full, "",
        "It does not. Needs `state BACKUP`.";
    "preempt_delay" Seconds(0, 1_000_000_000), Full, "300",
        "How long it waits before it does. Needs `state BACKUP`.";
    "down_timer_adverts" Number(1, 100), Full, "4",
        "How many adverts may be missing before the Active machine counts as gone.";
    "timer_expired_backup" OptionalWord("PRIORITY"), Full, "254",
        "Steps back after running so late that the other may have taken over. Needs `nopreempt`.";
    "thread_timer_expired" OptionalWord("PRIORITY"), Old("timer_expired_backup"), "254",
        "The old name of `timer_expired_backup`.";

    "garp_master_delay" Number(0, MOST_SECONDS), Full, "5",
        "Seconds between the first and the second round of announcements; 0 for no second.";
    "garp_master_repeat" Number(0, U32), Full, "5",
        "How often each address is announced in a round after a takeover.";
    "garp_master_refresh" Number(0, U32), Full, "60",
        "Seconds between later announcements while Active; 0 for none.";
    "garp_master_refresh_repeat" Number(0, U32), Full, "2",
        "How often each address is announced in one of these.";
    "garp_lower_prio_delay" Number(0, MOST_SECONDS), Full, "5",
        "Seconds until the second round after an advert of a lower priority was heard.";
    "garp_lower_prio_repeat" Number(0, I32), Full, "5",
        "How often each address is announced in a round after such an advert.";
    "garp_extra_if" Words(GARP_EXTRA_IF), Full, "100",
        "Announces in intervals on other interfaces that addresses are on: macvlans, or all.";
    "vmac_garp_intvl" Words(GARP_EXTRA_IF), Old("garp_extra_if"), "100",
        "The old name of `garp_extra_if`.";
    "lower_prio_no_advert" Switch, Full, "on",
        "Does not answer an advert of a lower priority with one of its own.";
    "higher_prio_send_advert" Switch, Full, "on",
        "Sends a last advert when one of a higher priority is heard.";

    "authentication" Block(Bare, Keywords(Scope::Authentication)), Full,
        "auth_type PASS\nauth_pass 1111",
        "The password of version 2.";
    "auth_hmac" Block(Bare, Keywords(Scope::AuthHmac)), Full,
        "key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\nactive_key 1",
        "Signs adverts with shared keys, in either version.";

    "track_interface" Block(Bare, Lines(TRACK_INTERFACE)), Full, "eth2 weight -10",
        "Interfaces that it needs.";
    "track_script" Block(Bare, Lines(TRACK)), Full, "check weight -10",
        "Scripts that judge it.";
    "track_file" Block(Bare, Lines(TRACK)), Full, "standby",
        "Files that judge it.";
    "track_process" Block(Bare, Lines(TRACK)), Full, "redis",
        "Processes that it needs.";
    "track_bfd" Block(Bare, Lines(TRACK)), Refused(NO_BFD), "peer",
        "BFD sessions that it needs.";
    "dont_track_primary" Nothing, Full, "",
        "The state of its own interface does not matter.";
    "linkbeat_use_polling" Nothing, NoEffect("the kernel reports link changes by itself"), "",
        "Asks for the link of its interface in intervals.";

    "skip_check_adv_addr" Switch, Full, "on",
        "Compares the addresses in an advert only if the sender is another than before.";
    "strict_mode" Switch, Full, "off",
        "Keeps to the letter of the RFC, or not, whatever `vrrp_strict` says.";
    "accept" Nothing, Full, "",
        "Takes packets to the virtual addresses; so it is without the word, unless strict.";
    "no_accept" Nothing, Full, "",
        "Drops packets to the virtual addresses unless it owns them.";
    "v3_checksum_as_v2" Switch, Full, "on",
        "Leaves the pseudo-header out of the checksum of IPv4 adverts of version 3, as RFC 9568 has it.";
    "owner_ignore_adverts" Switch, Full, "on",
        "An owner of the addresses (priority 255) does not listen to adverts.";
    "kernel_rx_buf_size" Number(0, U32), NoEffect("Keepair sizes its buffers itself"), "65536",
        "Bytes of the receive buffer of adverts.";
    "promote_secondaries" Nothing, Full, "",
        "Keeps the other addresses of a network when the first one of them goes.";

    "use_vmac" Words("[NAME] [MAC]"), Full, "vrrp.51",
        "Puts the addresses on a macvlan interface with the MAC address of the virtual router.";
    "use_vmac_addr" Nothing, Full, "",
        "Makes macvlans for addresses on other interfaces, too.";
    "vmac_xmit_base" Nothing, Full, "",
        "Sends adverts from the interface below the macvlan.";
    "use_ipvlan" Words("[NAME] [ADDRESS] [bridge|private|vepa]"),
        Refused("Keepair makes no ipvlan interfaces: use `use_vmac`"), "ipvl0 172.18.0.4",
        "Puts the addresses on an ipvlan interface.";
    "vrf" Interface, Refused("Keepair knows no VRF: name the `interface`"), "blue",
        "Works in a VRF, without an interface.";
    "virtual_routes" Block(Bare, Lines(ROUTE_LINES)), Full,
        "198.51.100.0/24 via 172.18.0.1 dev eth0",
        "Routes that move with the addresses.";
    "virtual_rules" Block(Bare, Lines(RULE_LINES)), Full,
        "from 198.51.100.0/24 table 100 priority 50",
        "Routing rules that move with the addresses.";

    "notify_master" Script, Full, "\"/etc/keepair/master.sh 6379\" root",
        "Runs when it becomes Active.";
    "notify_backup" Script, Full, "/bin/true",
        "Runs when it becomes Backup.";
    "notify_fault" Script, Full, "/bin/true",
        "Runs when it becomes Unfit.";
    "notify_stop" Script, Full, "/bin/true",
        "Runs when the daemon stops.";
    "notify" Script, Full, "/bin/true",
        "Runs at all of these, with what happened as arguments.";
    "notify_deleted" Words("[SCRIPT [USER [GROUP]]]"), Full, "",
        "A reload without this instance is told as DELETED instead of FAULT, and to this script.";
    "notify_master_rx_lower_pri" Script, Full, "/bin/true",
        "Runs when an advert of a lower priority is heard while Active.";
    "notify_priority_changes" Switch, Full, "on",
        "Writes changes of priority to the pipes.";
    "smtp_alert" Switch, Full, "on",
        "Mails changes.";
    "lvs_sync_daemon_interface" Interface, NoEffect("Keepair has no load balancer"), "eth0",
        "The interface of the load balancer's copies.";
    "redis" Block(Bare, Keywords(Scope::Redis)), Own, "port 6379",
        "The Redis pair that Keepair keeps; needs version 3, `unicast_src_ip` and one peer, and no scripts.";
};

pub(super) const AUTHENTICATION: &[Keyword] = keywords! { Authentication:
    "auth_type" OneOf(&["PASS", "AH"]), Full, "PASS",
        "PASS for a password in every advert. AH is refused: Keepair has no IPsec.";
    "auth_pass" Secret, Full, "1111",
        "The password, of which eight bytes are sent.";
};

pub(super) const AUTH_HMAC: &[Keyword] = keywords! { AuthHmac:
    "key" Words("ID hex:DIGITS|file:PATH|TEXT"), Full,
        "2 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "A key of 32 to 64 bytes and its number, from 1 to 255; there may be several.";
    "active_key" Number(1, 255), Full, "1",
        "The number of the key that signs.";
    "anti_replay" OneOf(&["time", "monotonic"]), Full, "monotonic",
        "What makes a repeated advert old: the clocks, or a count that must grow.";
    "time_window" Number(1, 300), Full, "5",
        "Seconds that the clocks may differ.";
    "mode" OneOf(&["enforce", "permissive", "receive-only"]), Full, "permissive",
        "Whether unsigned adverts are taken, and whether signed ones are sent.";
};

pub(super) const REDIS: &[Keyword] = keywords! { Redis:
    "port" Toml(&keys::REDIS_PORT), Own, "6379",
        "The port Redis serves on, on both machines.";
    "host" Toml(&keys::REDIS_HOST), Own, "127.0.0.1",
        "Where to connect; left out: loopback, then the machine's own address.";
    "socket" Toml(&keys::REDIS_SOCKET), Own, "/run/redis/redis.sock",
        "The Unix socket to connect to instead.";
    "username" Toml(&keys::REDIS_USERNAME), Own, "keepair",
        "The ACL user.";
    "password" Toml(&keys::REDIS_PASSWORD), Own, "secret",
        "The password.";
    "password_file" Toml(&keys::REDIS_PASSWORD_FILE), Own, "/etc/keepair/redis.password",
        "A file with the password in it.";
    "tls" Block(Bare, Keywords(Scope::RedisTls)), Own, "server_name redis.example.org",
        "Connects with TLS; may be empty.";
    "ping_interval" Toml(&keys::PING_INTERVAL), Own, "50ms",
        "How often Redis is asked for a sign of life.";
    "ping_timeout" Toml(&keys::PING_TIMEOUT), Own, "200ms",
        "How long it may be silent before it is looked at.";
    "hang_timeout" Toml(&keys::HANG_TIMEOUT), Own, "5s",
        "How long a process that is there may be silent before it is given up.";
    "info_interval" Toml(&keys::INFO_INTERVAL), Own, "500ms",
        "How often Redis is asked for its state of replication.";
    "reconnect_interval" Toml(&keys::RECONNECT_INTERVAL), Own, "10ms",
        "Pause between two attempts to connect.";
    "tiebreaker" Block(Bare, Keywords(Scope::TieBreaker)), Own, "gateway auto",
        "Third parties, the same in both files: who does not hear the other serves only while all stand by it.";
};

pub(super) const REDIS_TLS: &[Keyword] = keywords! { RedisTls:
    "ca" Toml(&keys::TLS_CA), Own, "/etc/keepair/ca.pem",
        "Certificates to trust; left out: the system's.";
    "cert" Toml(&keys::TLS_CERT), Own, "/etc/keepair/client.pem",
        "The client certificate; goes with `key`.";
    "key" Toml(&keys::TLS_KEY), Own, "/etc/keepair/client.key",
        "Its key.";
    "server_name" Toml(&keys::TLS_SERVER_NAME), Own, "redis.example.org",
        "The name expected in the server's certificate.";
};

pub(super) const TIE_BREAKER: &[Keyword] = keywords! { TieBreaker:
    "gateway" Toml(&keys::GATEWAY), Own, "auto",
        "A gateway of the interface's network, by its address; `auto`: the default route's.";
    "witness" Toml(&keys::WITNESS), Own, "redis://192.0.2.7:6379",
        "The URL of a third Redis; one that holds `#` or `!` stands in double quotes.";
    "witness_password_file" Toml(&keys::WITNESS_PASSWORD_FILE), Own,
        "/etc/keepair/witness.password",
        "A file with the witness's password in it, instead of a password in the URL.";
    "etcd" Toml(&keys::ETCD), Own, "https://keepair@192.0.2.8:2379 https://192.0.2.9:2379",
        "The URLs of an etcd's endpoints, all of them on this line.";
    "etcd_password_file" Toml(&keys::ETCD_PASSWORD_FILE), Own, "/etc/keepair/etcd.password",
        "A file with the password of the endpoints' user in it.";
    "key" Toml(&keys::BREAKER_KEY), Own, "keepair:redis-a",
        "The pair's key in the witness and in etcd, the same in both files and no other pair's; may be left out.";
    "tls" Block(Bare, Keywords(Scope::BreakerTls)), Own, "server_name witness.example.org",
        "How to speak to rediss:// and https://; may be empty.";
};

pub(super) const BREAKER_TLS: &[Keyword] = keywords! { BreakerTls:
    "ca" Toml(&keys::BREAKER_TLS_CA), Own, "/etc/keepair/witness-ca.pem",
        "Certificates to trust; left out: the system's.";
    "cert" Toml(&keys::BREAKER_TLS_CERT), Own, "/etc/keepair/witness-client.pem",
        "The client certificate; goes with `key`.";
    "key" Toml(&keys::BREAKER_TLS_KEY), Own, "/etc/keepair/witness-client.key",
        "Its key.";
    "server_name" Toml(&keys::BREAKER_TLS_SERVER_NAME), Own, "witness.example.org",
        "The name expected in the server's certificate; left out: the one connected to.";
};
