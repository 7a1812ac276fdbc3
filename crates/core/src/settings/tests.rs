use super::*;
use crate::config::{Announce, Member, Priority, Timing, Vip, Vrid};
use alloc::vec;
use keepair_wire::info::{ReplicaInfo, ReplicaState};

fn config() -> Config {
    let member = |name: &str, address: &str| Member {
        name: name.to_string(),
        address: address.parse().unwrap(),
        priority: Priority(100),
    };
    Config {
        vrid: Vrid(51),
        vips: vec![Vip { address: "10.0.0.10".parse().unwrap(), prefix_len: 24 }],
        members: [member("redis-1", "10.0.0.1"), member("redis-2", "10.0.0.2")],
        me: 0,
        advert_interval: core::time::Duration::from_millis(100),
        unicast: false,
        preempt: false,
        checksum_pseudo_header: false,
        redis_port: 6379,
        timing: Timing::default(),
        announce: Announce::default(),
        tie_breakers: Vec::new(),
        peer_port: 10112,
        copy_limit_bytes: 0,
    }
}

fn good() -> Settings {
    Settings {
        requirepass: Some(true),
        masterauth: Some(true),
        repl_backlog_size: Some(64 * 1024 * 1024),
        repl_backlog_ttl: Some(0),
        repl_ping_replica_period: Some(10),
        repl_timeout: Some(60),
        replica_read_only: Some(true),
        denied: Vec::new(),
    }
}

#[test]
fn every_bad_setting_is_named_and_says_what_to_do() {
    assert_eq!(check_settings(&config(), &good()), [""; 0]);
    let denied = || vec!["replicaof".to_string(), "client|kill".to_string()];
    for (settings, says) in [
        (Settings { denied: denied(), ..good() }, "lacks rights (replicaof, client|kill)"),
        (Settings { masterauth: Some(false), ..good() }, "set `masterauth` on both machines"),
        (
            Settings { repl_backlog_size: Some(1_048_576), ..good() },
            "`repl-backlog-size` is 1048576",
        ),
        (Settings { repl_backlog_ttl: Some(3600), ..good() }, "`repl-backlog-ttl` is 3600 s"),
        (Settings { repl_timeout: Some(10), ..good() }, "`repl-ping-replica-period` (10 s)"),
        (Settings { replica_read_only: Some(false), ..good() }, "`replica-read-only` is off"),
    ] {
        let found = check_settings(&config(), &settings);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(says), "{found:?}");
    }
    // Without a password there is nothing to authenticate with; what could not be read is no fault.
    let open = Settings { requirepass: Some(false), masterauth: Some(false), ..good() };
    assert_eq!(check_settings(&config(), &open), [""; 0]);
    assert_eq!(check_settings(&config(), &Settings::default()), [""; 0]);
}

#[test]
fn what_info_shows_is_checked_too() {
    let redis7 = || Info { redis_version: Some("7.0.15".to_string()), ..Info::default() };
    let by_vip = ReplicaInfo {
        ip: "10.0.0.10".to_string(),
        port: 6379,
        state: ReplicaState::Online,
        offset: 0,
        lag: 0,
        channel: None,
    };
    for (info, says) in [
        (Info { cluster_enabled: Some(true), ..redis7() }, "`cluster-enabled` is yes"),
        (
            Info { master_host: Some("10.0.0.10".to_string()), ..redis7() },
            "use redis-2's own address",
        ),
        (Info { replicas: vec![by_vip], ..redis7() }, "set `bind-source-addr`"),
    ] {
        let found = check_info(&config(), &info, None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(says), "{found:?}");
    }
    assert_eq!(check_info(&config(), &redis7(), None), [""; 0]);
}

#[test]
fn two_versions_can_not_rejoin_in_both_directions() {
    let info = Info { redis_version: Some("7.0.15".to_string()), ..Info::default() };
    for (version, valkey, reachable, says) in [
        ((7, 0), false, true, ""),
        ((6, 2), false, true, "this is Redis 7.0, redis-2 has Redis 6.2"),
        ((7, 2), true, true, "this is Redis 7.0, redis-2 has Valkey 7.2"),
        ((6, 2), false, false, ""),
    ] {
        let report = report(version, valkey, reachable);
        let found = check_info(&config(), &info, Some(&report));
        assert_eq!(found.concat().is_empty(), says.is_empty(), "{found:?}");
        assert!(found.concat().starts_with(says), "{found:?}");
    }
}

#[test]
fn a_problem_is_told_once_and_once_when_it_is_solved() {
    let mut problems = Problems::default();
    let bad = Settings { repl_backlog_ttl: Some(3600), ..good() };
    let mut told = Vec::new();
    for settings in [&good(), &bad, &bad, &good(), &good()] {
        let mut out = Actions::new();
        problems.settings(&config(), settings, &mut out);
        told.push((out.len(), problems.list().len()));
    }
    assert_eq!(told, [(0, 0), (1, 1), (0, 1), (1, 0), (0, 0)]);
}

fn report(version: (u8, u8), valkey: bool, reachable: bool) -> Report {
    use keepair_wire::peer::{Handshake, RedisFacts, State};
    Report {
        accepted: false,
        void: None,
        vote: None,
        served: false,
        restored: None,
        missed_writes: false,
        acknowledged: None,
        vrid: 51,
        instance: 1,
        seq: 1,
        state: State::Backup,
        fit: true,
        priority: 100,
        generation: 1,
        vouched: true,
        may_serve: false,
        redis: RedisFacts { reachable, version, valkey, ..RedisFacts::default() },
        leaving: None,
        handshake: Handshake::default(),
        failover: None,
        reason: "a test".to_string(),
    }
}
