//! Good texts, and every field they fill.

use core::time::Duration;
use keepair_core::config::{Announce, Member, Priority, Timing, Vip, Vrid};

use super::address;
use crate::config::{Config, RedisAccess, Tls};
use crate::parse;
use crate::secret::Secret;

#[test]
fn the_example_of_the_readme() {
    let text = r#"
        vip = ["172.18.0.10/24"]
        interface = "eth0"
        virtual_router_id = 51
        advert_interval = "100ms"
        [[node]]
        name = "redis-1"
        address = "172.18.0.4"
        [[node]]
        name = "redis-2"
        address = "172.18.0.5"
        [redis]
        port = 6379
        password_file = "/etc/keepair/redis.password"
    "#;
    let member = |name: &str, own| Member {
        name: name.to_owned(),
        address: address(own),
        priority: Priority(100),
    };
    let expected = Config {
        vips: vec![Vip { address: address("172.18.0.10"), prefix_len: 24 }],
        interface: "eth0".to_owned(),
        vrid: Vrid(51),
        advert_interval: Duration::from_millis(100),
        preempt: false,
        unicast: false,
        checksum_pseudo_header: false,
        peer_port: 10112,
        members: [member("redis-1", "172.18.0.4"), member("redis-2", "172.18.0.5")],
        redis: RedisAccess {
            port: 6379,
            host: None,
            socket: None,
            username: None,
            password: None,
            password_file: Some("/etc/keepair/redis.password".to_owned()),
            tls: None,
        },
        timing: Timing::default(),
        announce: Announce::default(),
        tie_breaker: None,
        copy_limit_mib: 64,
        archive_limit_mib: 1024,
        control_group: None,
    };
    assert_eq!(parse("keepair.toml", text), Ok((expected, Vec::new())));
}

#[test]
fn every_key_reaches_its_field() {
    let text = r#"
        vip = ["fd00::10/64", "fd00::11"]
        interface = "bond0"
        virtual_router_id = 0xff
        advert_interval = "40.95s"
        preempt = true
        unicast = true
        checksum_pseudo_header = true
        peer_port = 1
        node = [
            { name = "a", address = "fd00::1", priority = 254 },
            { name = "b", address = "fd00::2", priority = 1 },
        ]
        [redis]
        port = 65535
        host = "::1"
        username = "u"
        password = "p\u0061ss"
        ping_interval = "5ms"
        ping_timeout = "10ms"
        hang_timeout = "11ms"
        info_interval = "12ms"
        reconnect_interval = "13ms"
        tls = { ca = "/ca", cert = "/cert", key = "/key", server_name = "name" }
        [failover]
        drain_timeout = "14ms"
        promote_timeout = "15ms"
        switchover_timeout = "16ms"
        boot_wait = "10m"
        [garp]
        repeats = 1
        interval = "17ms"
        refresh = "1m"
        [salvage]
        timeout = "180ms"
        copy_limit_mib = 9
        archive_limit_mib = 7
        [control]
        group = "ops"
    "#;
    let ms = Duration::from_millis;
    let (config, warnings) = parse("keepair.toml", text).unwrap();
    assert_eq!(warnings, []);
    let expected = Config {
        vips: vec![
            Vip { address: address("fd00::10"), prefix_len: 64 },
            Vip { address: address("fd00::11"), prefix_len: 128 },
        ],
        interface: "bond0".to_owned(),
        vrid: Vrid(255),
        advert_interval: ms(40_950),
        preempt: true,
        unicast: true,
        checksum_pseudo_header: true,
        peer_port: 1,
        members: [("a", "fd00::1", 254), ("b", "fd00::2", 1)].map(|(name, own, priority)| Member {
            name: name.to_owned(),
            address: address(own),
            priority: Priority(priority),
        }),
        redis: RedisAccess {
            port: 65_535,
            host: Some(address("::1")),
            socket: None,
            username: Some("u".to_owned()),
            password: Some(Secret::new("pass".to_owned())),
            password_file: None,
            tls: Some(Tls {
                ca: Some("/ca".to_owned()),
                cert: Some("/cert".to_owned()),
                key: Some("/key".to_owned()),
                server_name: Some("name".to_owned()),
            }),
        },
        timing: Timing {
            ping_interval: ms(5),
            ping_timeout: ms(10),
            hang_timeout: ms(11),
            info_interval: ms(12),
            reconnect_interval: ms(13),
            drain_timeout: ms(14),
            promote_timeout: ms(15),
            switchover_timeout: ms(16),
            boot_wait: Duration::from_secs(600),
            salvage_timeout: ms(180),
        },
        announce: Announce { repeats: 1, interval: ms(17), refresh: Duration::from_secs(60) },
        tie_breaker: None,
        copy_limit_mib: 9,
        archive_limit_mib: 7,
        control_group: Some("ops".to_owned()),
    };
    assert_eq!(config, expected);
}
