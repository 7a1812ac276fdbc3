use alloc::format;
use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::testing::feed_hostile_bytes;

/// Debian's redis-server 7.0.15: a primary restarted from its RDB file, with one replica. Captured
/// with `INFO`; some sections are left out, and CR LF has become LF, as in the files below.
const PRIMARY: &str = include_str!("captures/redis-7.0.15-primary.txt");
/// The replica, at the same moment.
const REPLICA: &str = include_str!("captures/redis-7.0.15-replica.txt");
/// `INFO replication` of the replica, after `REPLICAOF` to a port where nothing listens.
const REPLICA_LINK_DOWN: &str = include_str!("captures/redis-7.0.15-replica-link-down.txt");

/// In the shape of Valkey 8, written by hand: `server_mode`, `type=`, more states and fields.
const VALKEY_8: &str = "# Server\r
redis_version:7.2.4\r
server_name:valkey\r
valkey_version:8.1.1\r
valkey_release_stage:ga\r
server_mode:standalone\r
run_id:7bef21f35eea8835da130777a7d92800df4fcbe5\r
tcp_port:6379\r
\r
# Replication\r
role:master\r
connected_slaves:2\r
replicas_waiting_psync:1\r
slave0:ip=10.0.0.2,port=6379,state=online,offset=1200,lag=1,type=main-channel\r
slave1:ip=10.0.0.2,port=6379,state=bg_transfer,offset=0,lag=0,type=rdb-channel\r
replicas_repl_buffer_size:0\r
master_failover_state:waiting-for-sync\r
master_replid:C6E2CB399437B90985693D75A92988E9B3075192\r
master_replid2:0000000000000000000000000000000000000000\r
master_repl_offset:1234\r
second_repl_offset:-1\r
";

/// In the shape of Redis 5, written by hand: no `slave_read_repl_offset`, no failover state.
const REDIS_5: &str = "# Replication\r
role:slave\r
master_host:redis-a.example\r
master_port:6379\r
master_link_status:down\r
master_last_io_seconds_ago:-1\r
master_sync_in_progress:1\r
slave_repl_offset:-1\r
master_sync_left_bytes:123456\r
master_link_down_since_seconds:1600000000\r
slave_priority:0\r
slave_read_only:1\r
connected_slaves:0\r
master_replid:2f3c7f0c8bdd4f0d9b6f8ab0b5a1fbbd9b7d5f00\r
master_replid2:0000000000000000000000000000000000000000\r
master_repl_offset:0\r
second_repl_offset:-1\r
repl_backlog_active:0\r
";

fn repl_id(text: &str) -> Option<ReplId> {
    Some(text.parse().unwrap())
}

fn run_id(text: &str) -> Option<RunId> {
    Some(text.parse().unwrap())
}

fn string(text: &str) -> Option<String> {
    Some(String::from(text))
}

/// What both servers of the captured pair have in common.
fn pair() -> Info {
    Info {
        redis_version: string("7.0.15"),
        mode: Some(Mode::Standalone),
        loading: Some(false),
        async_loading: Some(false),
        rdb_bgsave_in_progress: Some(false),
        aof_enabled: Some(false),
        master_failover_state: Some(FailoverState::None),
        master_replid: repl_id("11240846a54696a2e5989b8f74aa0abc5c721b9c"),
        master_replid2: repl_id("c6e2cb399437b90985693d75a92988e9b3075192"),
        master_repl_offset: Some(290),
        second_repl_offset: Some(146),
        repl_backlog_active: Some(true),
        repl_backlog_size: Some(1_048_576),
        repl_backlog_first_byte_offset: Some(146),
        repl_backlog_histlen: Some(145),
        cluster_enabled: Some(false),
        keys: Some(3),
        ..Info::default()
    }
}

#[test]
fn captured_primary() {
    let want = Info {
        process_id: Some(4825),
        run_id: run_id("35c7c82b598d56969f1e725b531f3664fe8e7576"),
        tcp_port: Some(7001),
        role: Some(Role::Primary),
        connected_slaves: Some(1),
        replicas: vec![ReplicaInfo {
            ip: "127.0.0.1".into(),
            port: 7002,
            state: ReplicaState::Online,
            offset: 290,
            lag: 0,
            channel: None,
        }],
        ..pair()
    };
    assert_eq!(Info::parse(PRIMARY), want);
    assert_eq!(Info::parse(PRIMARY.replace('\n', "\r\n")), want, "as the server sends it");
}

#[test]
fn captured_replica() {
    let want = Info {
        process_id: Some(4826),
        run_id: run_id("85f7f45275f92a6b0cc153d21188c2951745092e"),
        tcp_port: Some(7002),
        role: Some(Role::Replica),
        master_host: string("127.0.0.1"),
        master_port: Some(7001),
        master_link_status: Some(LinkStatus::Up),
        master_last_io_seconds_ago: Some(1),
        master_sync_in_progress: Some(false),
        slave_read_repl_offset: Some(290),
        slave_repl_offset: Some(290),
        slave_priority: Some(100),
        connected_slaves: Some(0),
        ..pair()
    };
    assert_eq!(Info::parse(REPLICA), want);
}

#[test]
fn captured_replica_with_its_link_down() {
    let info = Info::parse(REPLICA_LINK_DOWN);
    assert_eq!(info.role, Some(Role::Replica));
    assert_eq!(info.master_port, Some(7999));
    assert_eq!(info.master_link_status, Some(LinkStatus::Down));
    assert_eq!(info.master_last_io_seconds_ago, Some(-1));
    assert_eq!(info.master_link_down_since_seconds, Some(1));
    assert_eq!(info.slave_read_repl_offset, info.slave_repl_offset);
    assert_eq!(info.redis_version, None, "not asked for");
    assert_eq!(info.keys, None, "not asked for");
}

#[test]
fn valkey_8() {
    let info = Info::parse(VALKEY_8);
    assert_eq!(info.server_name.as_deref(), Some("valkey"));
    assert_eq!(info.valkey_version.as_deref(), Some("8.1.1"));
    assert_eq!(info.redis_version.as_deref(), Some("7.2.4"));
    assert_eq!(info.mode, Some(Mode::Standalone));
    assert_eq!(info.master_failover_state, Some(FailoverState::WaitingForSync));
    assert_eq!(info.master_replid, repl_id("c6e2cb399437b90985693d75a92988e9b3075192"));
    assert_eq!(info.second_repl_offset, Some(-1));
    let lines: Vec<_> = info
        .replicas
        .iter()
        .map(|line| (&line.state, line.offset, line.channel.as_deref()))
        .collect();
    let bg_transfer = ReplicaState::Other("bg_transfer".into());
    assert_eq!(
        lines,
        [
            (&ReplicaState::Online, 1200, Some("main-channel")),
            (&bg_transfer, 0, Some("rdb-channel")),
        ]
    );
}

#[test]
fn redis_5() {
    let info = Info::parse(REDIS_5);
    assert_eq!(info.master_host.as_deref(), Some("redis-a.example"));
    assert_eq!(info.master_sync_in_progress, Some(true));
    assert_eq!(info.slave_repl_offset, Some(-1));
    assert_eq!(info.slave_read_repl_offset, None);
    assert_eq!(info.slave_priority, Some(0));
    assert_eq!(info.master_failover_state, None);
    assert_eq!(info.repl_backlog_active, Some(false));
    assert_eq!(info.repl_backlog_histlen, None);
}

#[test]
fn zeros_are_no_second_history() {
    for text in [VALKEY_8, REDIS_5] {
        assert!(text.contains("master_replid2:0000"));
        assert_eq!(Info::parse(text).master_replid2, None);
    }
}

#[test]
fn keys_are_summed_and_told_apart_from_silence() {
    let rows = [
        ("no section", "# Cluster\r\ncluster_enabled:0\r\n", None),
        ("an empty server", "# Keyspace\r\n", Some(0)),
        ("one database", "# Keyspace\r\ndb0:keys=7,expires=1,avg_ttl=0\r\n", Some(7)),
        ("two", "# Keyspace\r\ndb0:keys=7,expires=0\r\ndb15:keys=5,expires=0\r\n", Some(12)),
        ("header cut off", "db0:keys=7,expires=0\r\n", Some(7)),
        ("absurd", "db0:keys=18446744073709551615\r\ndb1:keys=2\r\n", Some(u64::MAX)),
        ("not a database", "# Keyspace\r\ndbx:keys=7\r\ndb:keys=7\r\n", Some(0)),
    ];
    for (name, text, want) in rows {
        assert_eq!(Info::parse(text).keys, want, "{name}");
    }
}

#[test]
fn replica_lines() {
    let rows = [
        ("ip=::1,port=6379,state=send_bulk,offset=0,lag=0", Some(("::1", ReplicaState::SendBulk))),
        (
            "ip=a.example,port=0,state=wait_bgsave,offset=0,lag=0",
            Some(("a.example", ReplicaState::WaitBgsave)),
        ),
        ("lag=1,offset=5,state=online,port=1,ip=h,new=field", Some(("h", ReplicaState::Online))),
        ("ip=h,port=1,state=online,offset=5", None),
        ("ip=h,port=65536,state=online,offset=5,lag=0", None),
        ("127.0.0.1,6379,online", None), // Redis 2.6
        ("", None),
    ];
    for (line, want) in rows {
        let info = Info::parse(format!("slave0:{line}\r\n"));
        let got = info.replicas.first().map(|line| (line.ip.as_str(), line.state.clone()));
        assert_eq!(got, want, "{line}");
    }
}

#[test]
fn nonsense_is_not_told_from_silence() {
    let text = "role:leader\r\nmaster_repl_offset:12x\r\nmaster_port:70000\r\nloading:2\r\n\
        run_id:abc\r\nmaster_replid:?\r\nmaster_host:\r\nmaster_link_status:\r\nnot a field\r\n:\r\n";
    assert_eq!(Info::parse(text), Info::default());
}

#[test]
fn the_first_of_a_repeated_field_counts() {
    let info = Info::parse("role:slave\r\nrole:master\r\nloading:x\r\nloading:1\r\n");
    assert_eq!(info.role, Some(Role::Replica));
    assert_eq!(info.loading, Some(true), "nonsense does not occupy the place");
}

#[test]
fn a_line_that_is_not_utf8_is_skipped() {
    let info = Info::parse(b"role:master\r\nexecutable:/opt/\xff/redis\r\ntcp_port:1\r\n");
    assert_eq!((info.role, info.tcp_port), (Some(Role::Primary), Some(1)));
}

#[test]
fn ids() {
    let text = "c6e2cb399437b90985693d75a92988e9b3075192";
    let id: ReplId = text.parse().unwrap();
    assert_eq!((id.0[0], id.0[19]), (0xc6, 0x92));
    assert_eq!(id.to_string(), text);
    assert_eq!(format!("{id:?}"), format!("ReplId({text})"));
    assert_eq!(format!("{id:.8}"), "c6e2cb39");
    assert_eq!(text.to_uppercase().parse(), Ok(id));
    for bad in ["", "c6", &text[1..], &format!("{text}0"), &text.replace('c', "g")] {
        assert_eq!(bad.parse::<ReplId>(), Err(IdError), "{bad}");
        assert_eq!(bad.parse::<RunId>(), Err(IdError), "{bad}");
    }
}

#[test]
fn hostile_bytes_do_not_panic() {
    feed_hostile_bytes(&[VALKEY_8.as_bytes(), REDIS_5.as_bytes()], |bytes| {
        let _ = Info::parse(bytes);
    });
}
