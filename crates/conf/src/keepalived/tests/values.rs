//! Good texts, and the values that come out of them.

use core::net::IpAddr;
use core::time::Duration;

use super::{found, good};
use crate::config::{Gateway, Tls};
use crate::keepalived::file::{
    Address, Broadcast, Command, GarpExtra, HmacMode, HmacValue, Instance, Lifetime, Mac, Metric,
    MetricKind, Notify, ProcessMatch, Realms, RouteKind, RouterPreference, RuleAction, Script,
    State, Table, User,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn program(script: &Script) -> String {
    command(&script.command.value)
}

fn command(command: &Command) -> String {
    let Command::Program { path, arguments } = command else { panic!("{command:?}") };
    let arguments: Vec<&str> = arguments.iter().map(|one| one.expose()).collect();
    [&[path.as_str()], &*arguments].concat().join(" ")
}

/// An instance with these lines, which end at ` ;; `.
fn instance(lines: &str) -> Instance {
    let lines = lines.replace(" ;; ", "\n");
    let text = format!(
        "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{ 10.0.0.1 }}\n{lines}\n}}\n"
    );
    good(&text).instances.remove(0)
}

#[test]
fn the_setup_of_two_machines() {
    let text = include_str!("example.conf");
    assert_eq!(found(text), Vec::<String>::new());
    let file = good(text);
    let globals = &file.globals;
    assert_eq!(globals.router_id.as_deref().map(String::as_str), Some("REDIS_1"));
    let root = User { name: "root".to_owned(), group: None, supplementary_groups: false };
    assert_eq!(globals.script_user.as_deref(), Some(&root));
    assert!(globals.script_security.is_some());

    let [script] = &*file.scripts else { panic!() };
    assert_eq!(script.name.value, "redis_alive");
    assert_eq!(command(&script.command), "/var/keepalived/scripts/redis_alive.sh secret");
    assert_eq!(script.interval.as_deref(), Some(&secs(1)));
    assert_eq!(script.weight.as_ref().map(|weight| weight.value.value), Some(-20));
    assert_eq!(script.rise.as_deref().zip(script.fall.as_deref()), Some((&3, &3)));
    assert!(script.timeout.is_none() && script.user.is_none());

    let [it] = &*file.instances else { panic!() };
    assert_eq!(it.name.value, "VI_1");
    assert_eq!(it.wanted_state(), State::Master);
    assert_eq!(it.interface.as_deref().map(String::as_str), Some("eth0"));
    assert_eq!(it.virtual_router_id.as_deref(), Some(&51));
    assert_eq!(it.base_priority(), 100);
    assert_eq!(it.version(globals), 2);
    assert_eq!(it.effective_advert_interval(globals), secs(1));
    assert_eq!(it.effective_password(globals).map(|password| password.expose()), Some("1111"));
    assert!(it.preempts() && !it.is_unicast() && !it.is_strict(globals));
    let [address] = &*it.addresses else { panic!() };
    assert_eq!((address.address, address.prefix_len), (ip("172.18.0.10"), None));
    let [track] = &*it.tracks.scripts else { panic!() };
    assert_eq!((track.name.as_str(), track.weight.is_none()), ("redis_alive", true));
    let Notify { master, backup, fault, stop, any, .. } = &it.notify;
    let scripts = [master, backup, fault, stop].map(|script| program(script.as_ref().unwrap()));
    assert_eq!(
        scripts,
        [
            "/var/keepalived/scripts/redis_primary.sh secret",
            "/var/keepalived/scripts/redis_replica.sh secret 172.18.0.4 6379",
            "/var/keepalived/scripts/redis_falut.sh",
            "/var/keepalived/scripts/redis_stop.sh",
        ]
    );
    assert!(any.is_none());
}

#[test]
fn globals() {
    let file = good(
        "global_defs {
            startup_script \"/a b\" user group
            startup_script_timeout 20
            vrrp_startup_delay 1.5
            vrrp_mcast_group4 224.0.0.19
            vrrp_mcast_group6 ff02::13
            vrrp_garp_master_delay 0
            vrrp_garp_master_refresh 60
            vrrp_garp_extra_if all 100
            vrrp_min_garp
            vrrp_lower_prio_no_advert no
            dynamic_interfaces allow_if_changes
            notify_fifo /run/fifo user
            smtp_server mail.example.org 587
            notification_email { a@b c@d
                \"E <e@f>\" }
            smtp_connect_timeout 0
            vrrp_rt_priority 1000
        }",
    );
    let it = file.globals;
    let script = it.startup_script.unwrap();
    assert_eq!(program(&script), "/a b");
    let user = script.user.unwrap().value;
    assert_eq!((user.name, user.group), ("user".to_owned(), Some("group".to_owned())));
    assert_eq!(it.startup_script_timeout.as_deref(), Some(&secs(20)));
    assert_eq!(it.startup_delay.as_deref(), Some(&Duration::from_millis(1_500)));
    assert_eq!(it.multicast_group4.map(|it| IpAddr::V4(it.value)), Some(ip("224.0.0.19")));
    assert_eq!(it.multicast_group6.map(|it| IpAddr::V6(it.value)), Some(ip("ff02::13")));
    assert_eq!(it.garp.delay.as_deref(), Some(&Duration::ZERO));
    assert_eq!(it.garp.refresh.as_deref(), Some(&secs(60)));
    assert_eq!(it.garp.extra_if.as_deref(), Some(&GarpExtra { all: true, every: secs(100) }));
    assert_eq!(it.min_garp.as_deref(), Some(&true));
    assert_eq!(it.lower_prio_no_advert.as_deref(), Some(&false));
    assert_eq!(it.dynamic_interfaces.as_deref(), Some(&true));
    assert_eq!(it.fifo.unwrap().path.value, "/run/fifo");
    assert_eq!(it.smtp_server.as_deref(), Some(&("mail.example.org".to_owned(), 587)));
    let mails: Vec<&str> = it.mail_to.iter().map(|mail| mail.as_str()).collect();
    assert_eq!(mails, ["a@b", "c@d", "E <e@f>"]);
    assert_eq!(it.smtp_timeout.as_deref(), Some(&secs(1)));
    assert_eq!(it.rt_priority.as_deref(), Some(&99));
}

#[test]
fn what_files_do_not_allow() {
    for (written, expected) in [
        ("022", 0o22),
        ("18", 0o22),
        ("0x12", 0o22),
        ("0", 0),
        ("IWGRP|IWOTH", 0o22),
        ("IRUSR|IXUSR", 0o500),
    ] {
        let file = good(&format!("global_defs {{\numask {written}\n}}"));
        assert_eq!(file.globals.umask.as_deref(), Some(&expected), "{written}");
    }
}

#[test]
fn addresses() {
    let it = instance(
        "virtual_ipaddress_excluded { ;; \
         10.0.0.2/24 brd + dev eth1 scope link label eth1:1 home -nodad noprefixroute ;; \
         10.0.0.3 brd 10.0.0.255 preferred_lft 5 no_track autojoin ;; \
         10.0.0.4/24 brd - peer 10.0.0.5 ;; \
         fd00::1/64 use_vmac mngtmpaddr preferred_lft forever ;; }",
    );
    let all: Vec<Address> = it.excluded_addresses.into_iter().map(|it| it.value).collect();
    let [a, b, c, d] = &*all else { panic!() };
    assert_eq!((a.prefix_len, a.broadcast, a.scope), (Some(24), Some(Broadcast::Ones), Some(253)));
    assert_eq!(a.interface.as_deref().zip(a.label.as_deref()), Some(("eth1", "eth1:1")));
    assert!(a.home && a.duplicate_detection && a.no_prefix_route && !a.no_track && !a.vmac);
    assert_eq!(b.broadcast, Some(Broadcast::Address(ip("10.0.0.255"))));
    assert_eq!(b.preferred, Some(Lifetime::Seconds(5)));
    assert!(b.no_track && b.autojoin && b.prefix_len.is_none());
    // A peer leaves no room for a broadcast address.
    assert_eq!((c.broadcast, c.peer), (None, Some(ip("10.0.0.5"))));
    assert_eq!((d.address, d.preferred), (ip("fd00::1"), Some(Lifetime::Forever)));
    assert!(d.vmac && d.manage_temporary);
}

#[test]
fn routes() {
    let it = instance(
        "virtual_routes { ;; \
         10.1.0.0/16 via 10.0.0.9 dev eth0 src 10.0.0.1 scope link table main metric 5 tos 0x10 \
         protocol 12 realms 1/2 onlink append mtu lock 1400 rtt 2s initcwnd 10 quickack 1 \
         congctl cubic features ecn ttl-propagate disabled no_track ;; \
         default via fe80::1 dev eth0 pref high expires 60 ;; \
         blackhole 10.2.0.0/16 table 0x64 no_track ;; \
         src 10.0.0.1 to 10.3.0.1 gw 10.0.0.9 or 10.0.0.8 dev eth0 ;; \
         10.4.0.0/16 table blue no_track nexthop via 10.0.0.7 dev eth1 weight 3 onlink \
         nexthop via inet 10.0.0.6 ;; }",
    );
    let [a, b, c, d, e] = &*it.routes else { panic!() };
    assert_eq!(
        (a.to, a.via, a.source),
        ((ip("10.1.0.0"), 16), Some(ip("10.0.0.9")), Some(ip("10.0.0.1")))
    );
    assert_eq!(
        (a.kind, a.scope, a.metric, a.tos),
        (RouteKind::Unicast, Some(253), Some(5), Some(16))
    );
    assert_eq!((&a.table, &a.protocol), (&Some(Table::Number(254)), &Some(Table::Number(12))));
    assert_eq!(a.realms, Some(Realms { from: Some(1), to: 2 }));
    assert!(a.onlink && a.append && a.ecn && a.no_track);
    assert_eq!(a.ttl_propagate, Some(false));
    assert_eq!(a.congestion_control.as_deref(), Some("cubic"));
    assert_eq!(
        a.metrics,
        [
            Metric { kind: MetricKind::Mtu, value: 1_400, lock: true },
            Metric { kind: MetricKind::Rtt, value: 2_000, lock: false },
            Metric { kind: MetricKind::InitCwnd, value: 10, lock: false },
            Metric { kind: MetricKind::QuickAck, value: 1, lock: false },
        ]
    );
    assert_eq!((b.to, b.router_preference), ((ip("::"), 0), Some(RouterPreference::High)));
    assert_eq!(b.expires, Some(60));
    assert_eq!((c.kind, &c.table), (RouteKind::Blackhole, &Some(Table::Number(100))));
    assert_eq!(
        (d.to, d.via, d.or),
        ((ip("10.3.0.1"), 32), Some(ip("10.0.0.9")), Some(ip("10.0.0.8")))
    );
    assert_eq!(e.table, Some(Table::Name("blue".to_owned())));
    let hops: Vec<_> = e.next_hops.iter().map(|hop| (hop.via, hop.weight, hop.onlink)).collect();
    assert_eq!(hops, [(Some(ip("10.0.0.7")), Some(3), true), (Some(ip("10.0.0.6")), None, false)]);
}

#[test]
fn rules() {
    let it = instance(
        "virtual_rules { ;; \
         not from 10.1.0.0/16 to 10.2.0.1 iif eth0 oif eth1 tos 0x10 fwmark 0x10/0xff realms 3 \
         uidrange 10-20 ipproto tcp sport 1-2 dport 3-4 suppress_prefixlength 0 table local \
         preference 50 no_track ;; \
         from all goto 60 priority 40 ;; inet6 l3mdev order 30 ;; from fd00::/8 prohibit priority 20 ;; }",
    );
    let [a, b, c, d] = &*it.rules else { panic!() };
    assert!(a.inverted && a.no_track);
    assert_eq!((a.from, a.to), (Some((ip("10.1.0.0"), 16)), Some((ip("10.2.0.1"), 32))));
    assert_eq!(a.input.as_deref().zip(a.output.as_deref()), Some(("eth0", "eth1")));
    assert_eq!((a.tos, a.mark), (Some(16), Some((16, Some(255)))));
    assert_eq!(a.realms, Some(Realms { from: None, to: 3 }));
    assert_eq!(
        (a.uids, a.source_ports, a.destination_ports),
        (Some((10, 20)), Some((1, 2)), Some((3, 4)))
    );
    assert_eq!(a.ip_protocol, Some(Table::Name("tcp".to_owned())));
    assert_eq!(a.suppress_prefix_len, Some(0));
    assert_eq!((&a.action, a.preference), (&RuleAction::Table(Table::Number(255)), Some(50)));
    assert_eq!((b.from, &b.action), (None, &RuleAction::Goto(60)));
    assert_eq!((c.ipv6, &c.action), (true, &RuleAction::Vrf));
    assert_eq!(d.action, RuleAction::Prohibit);
}

#[test]
fn hmac() {
    let it = instance(
        "auth_hmac { ;; key 1 0123456789abcdef0123456789abcdef ;; \
         key 2 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f ;; \
         key 3 file:/etc/keepair/key ;; active_key 2 ;; time_window 30 ;; mode receive-only ;; }",
    );
    let hmac = it.hmac.unwrap().value;
    assert_eq!(hmac.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(matches!(&hmac.keys[0].value.value, HmacValue::Text(key) if key.expose().len() == 32));
    assert!(matches!(&hmac.keys[1].value.value, HmacValue::Hex(key) if key.expose().len() == 64));
    assert_eq!(hmac.keys[2].value.value, HmacValue::File("/etc/keepair/key".to_owned()));
    assert_eq!((hmac.active_key.value, hmac.time_window.as_deref()), (2, Some(&secs(30))));
    assert_eq!(hmac.mode.as_deref(), Some(&HmacMode::ReceiveOnly));
    let says = |lines: &str| {
        let text = format!(
            "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\nauth_hmac {{\n{lines}\n}}\n}}\n"
        );
        found(&text)
    };
    let key = "key 1 0123456789abcdef0123456789abcdef";
    for (lines, expected) in [
        (format!("{key}\nactive_key 1"), &[][..]),
        (key.to_owned(), &["5:1 `auth_hmac` without `active_key`"]),
        (format!("{key}\nactive_key 2"), &["7:12 there is no key 2"]),
        (format!("{key}\n{key}\nactive_key 1"), &["7:1 a second key 1 [6:1 the first one]"]),
        ("key 1 short\nactive_key 1".to_owned(), &["6:7 a key of 5 bytes"]),
        ("key 1 hex:xy\nactive_key 1".to_owned(), &["6:7 this key is not hexadecimal"]),
        ("key 1 file:key\nactive_key 1".to_owned(), &["6:7 `key` is not an absolute path"]),
        ("key 0 x\nactive_key 1".to_owned(), &["6:5 a key without a number"]),
        ("key 1\nactive_key 1".to_owned(), &["6:5 a key without a value"]),
        (
            format!("{key}\nactive_key 1\ntime_window 301"),
            &["8:13 `time_window`: `301` is out of range"],
        ),
        (
            format!("{key}\nactive_key 1\ntime_window 3\nanti_replay monotonic"),
            &["8:13 warning: `time_window` does nothing with `anti_replay monotonic`"],
        ),
    ] {
        assert_eq!(says(&lines), expected, "{lines}");
    }
    let both = "authentication {\nauth_type PASS\nauth_pass x\n}\nauth_hmac {\n".to_owned() + key;
    let text = format!(
        "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\n{both}\nactive_key 1\n}}\n}}\n"
    );
    assert_eq!(
        found(&text),
        ["9:1 `authentication` and `auth_hmac` exclude each other [7:11 the other one]"]
    );
}

#[test]
fn the_redis_of_an_instance() {
    let it = instance(
        "redis { ;; port 6380 ;; host 127.0.0.1 ;; username u ;; password \"p w\" ;; \
         ping_interval 20ms ;; ping_timeout 100ms ;; tls { ;; ca /ca ;; server_name n ;; } ;; }",
    );
    let redis = it.redis.unwrap().value;
    assert_eq!(redis.port.as_deref(), Some(&6_380));
    assert_eq!(redis.host.as_deref(), Some(&ip("127.0.0.1")));
    assert_eq!(redis.username.as_deref().map(String::as_str), Some("u"));
    assert_eq!(redis.password.as_deref().map(|it| it.expose()), Some("p w"));
    assert_eq!(redis.ping_interval.as_deref(), Some(&Duration::from_millis(20)));
    assert!(redis.hang_timeout.is_none());
    let tls =
        Tls { ca: Some("/ca".to_owned()), server_name: Some("n".to_owned()), ..Tls::default() };
    assert_eq!(redis.tls.as_deref(), Some(&tls));
    assert!(instance("redis { }").redis.is_some());
    assert!(redis.tie_breaker.is_none());
    for (lines, expected) in [
        ("port 0", "`port`: `0` is out of range"),
        ("host localhost", "`localhost` is not an IP address"),
        ("socket redis.sock", "`redis.sock` is not an absolute path"),
        ("ping_interval 20", "`20` is not a duration"),
        ("ping_interval 1ms", "`ping_interval`: 1ms is out of range"),
        ("username u", "`username` without a password"),
        ("password x\npassword_file /x", "`password` and `password_file` exclude each other"),
        ("host 127.0.0.1\nsocket /s", "`host` and `socket` exclude each other"),
        ("tls {\ncert /c\n}", "`cert` and `key` go together"),
        ("requirepass x", "unknown keyword `requirepass` in `redis`"),
    ] {
        let text = format!(
            "global_defs {{\non_dropped warn\n}}\nvrrp_instance V {{\nredis {{\n{lines}\n}}\n}}\n"
        );
        let says = found(&text);
        // Tolerated or not: these are ours.
        let is_error = |line: &String| line.contains(expected) && !line.contains("warning: ");
        assert!(says.iter().any(is_error), "{lines} {says:?}");
    }
}

#[test]
fn the_tie_breaker_of_a_redis() {
    let it = instance(
        "redis { ;; tiebreaker { ;; gateway 172.18.0.1 ;; witness \"rediss://:p!w@w.example.org/3\" ;; \
         etcd http://a:pw@192.0.2.8 \"http://192.0.2.9\" ;; etcd_password_file /p ;; key k:1 ;; \
         tls { ;; cert /c ;; key /k ;; } ;; } ;; }",
    );
    let breaker = it.redis.unwrap().value.tie_breaker.unwrap().value;
    assert_eq!(breaker.gateway.as_deref(), Some(&Gateway::Address(ip("172.18.0.1"))));
    let witness = breaker.witness.as_deref().map(|it| it.expose());
    assert_eq!(witness, Some("rediss://:p!w@w.example.org/3"));
    let etcd: Vec<&str> = breaker.etcd.iter().map(|it| it.expose()).collect();
    assert_eq!(etcd, ["http://a:pw@192.0.2.8", "http://192.0.2.9"]);
    assert_eq!(breaker.etcd_password_file.as_deref().map(String::as_str), Some("/p"));
    assert_eq!(breaker.key.as_deref().map(String::as_str), Some("k:1"));
    let tls = breaker.tls.as_deref().unwrap();
    assert_eq!((tls.cert.as_deref(), tls.key.as_deref()), (Some("/c"), Some("/k")));
    let shown = format!("{breaker:?}");
    assert!(!shown.contains("p!w") && !shown.contains("pw"), "{shown}");
    for (lines, expected) in [
        ("gateway router", "7:9 `router` is not an IP address"),
        ("gateway redis://h", "7:9 a gateway is an address, not a URL"),
        ("witness", "7:1 `witness` without a value"),
        ("witness \"\"", "7:9 `witness` is empty"),
        ("witness_password_file p", "7:23 `p` is not an absolute path"),
        ("etcd", "7:1 `etcd` without a value"),
        ("etcd {\nhttp://h\n}", "7:6 `etcd` has no block"),
        ("etcd http://h\nhttp://i", "8:1 a URL where `tiebreaker` has a keyword"),
        ("tls {\nca ca.pem\n}", "8:4 `ca.pem` is not an absolute path"),
        ("tls {\nkey /k\n}", "7:1 `cert` and `key` go together"),
        ("tls {\ncrt /k\n}", "8:1 unknown keyword `crt` in `tls` of `tiebreaker`"),
        ("gatway auto", "7:1 unknown keyword `gatway` in `tiebreaker`"),
    ] {
        let text = format!(
            "global_defs {{\non_dropped warn\n}}\nvrrp_instance V {{\nredis {{\ntiebreaker {{\n{lines}\n}}\n}}\n}}\n"
        );
        let says = found(&text);
        // Tolerated or not: these are ours.
        assert!(says.iter().any(|line| line == expected), "{lines} {says:?}");
    }
}

#[test]
fn the_rest_of_an_instance() {
    let it = instance(
        "use_vmac vrrp.1 02:00:00:00:00:01 ;; vmac_xmit_base ;; unicast_peer { 10.0.0.5 min_ttl 9 } ;; \
         no_accept ;; version 3 ;; garp_extra_if 60 ;; old_unicast_checksum never ;; \
         notify_deleted ;; notify_priority_changes off ;; strict_mode no",
    );
    let vmac = it.vmac.unwrap().value;
    assert_eq!(vmac.name.as_deref(), Some("vrrp.1"));
    assert_eq!(vmac.mac, Some(Mac::Whole([2, 0, 0, 0, 0, 1])));
    let peers = it.unicast_peers.unwrap();
    assert_eq!(
        (peers[0].address, peers[0].min_ttl, peers[0].max_ttl),
        (ip("10.0.0.5"), Some(9), None)
    );
    assert_eq!(it.accept.as_deref(), Some(&false));
    assert_eq!(it.garp.extra_if.as_deref(), Some(&GarpExtra { all: false, every: secs(60) }));
    assert_eq!(it.old_unicast_checksum.as_deref(), Some(&false));
    assert_eq!(it.notify.deleted.as_deref(), Some(&None));
    assert_eq!(it.notify.priority_changes.as_deref(), Some(&false));
    assert_eq!(it.strict.as_deref(), Some(&false));
    let prefix = instance("use_vmac 02:00:00:00:01").vmac.unwrap().value;
    assert_eq!((prefix.name, prefix.mac), (None, Some(Mac::Prefix([2, 0, 0, 0, 1]))));
}

#[test]
fn processes_and_files() {
    let file = good(
        "track_file \"stand by\" {
            file \"/run/stand by\"
            weight -5 reverse
            init_file 7 overwrite
        }
        vrrp_track_process redis {
            process \"/usr/bin/redis-server *:6379\" \"--port 6379\" x
            param_match initial
            quorum 2
            delay 0.5
            terminate_delay 1
        }
        vrrp_instance V {
            interface eth0
            virtual_router_id 1
            virtual_ipaddress { 10.0.0.1 }
            track_file { \"stand by\" weight 3 noreverse }
            track_process { redis }
        }",
    );
    let [it] = &*file.track_files else { panic!() };
    assert_eq!((it.name.as_str(), it.path.as_str()), ("stand by", "/run/stand by"));
    assert_eq!(
        it.weight.as_ref().map(|it| (it.value.value, it.value.reverse)),
        Some((-5, Some(true)))
    );
    assert_eq!(it.init.as_deref(), Some(&(7, true)));
    let [it] = &*file.track_processes else { panic!() };
    assert_eq!(it.program.value, "/usr/bin/redis-server *:6379");
    let arguments: Vec<&str> = it.arguments.iter().map(|it| it.as_str()).collect();
    assert_eq!(arguments, ["--port 6379", "x"]);
    assert_eq!(it.matching.as_deref(), Some(&ProcessMatch::Initial));
    assert_eq!((it.quorum.as_deref(), it.quorum_max.as_deref()), (Some(&2), None));
    assert_eq!(it.fork_delay.as_deref(), Some(&Duration::from_millis(500)));
    assert_eq!(it.terminate_delay.as_deref(), Some(&secs(1)));
    let track = &file.instances[0].tracks.files[0];
    let weight = track.weight.as_ref().unwrap().value;
    assert_eq!((weight.value, weight.reverse), (3, Some(false)));
}
