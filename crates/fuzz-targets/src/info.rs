//! The text of INFO.

use std::fmt::{Display, Write as _};

use keepair_core::settings::{is_valkey, version};
use keepair_wire::info::{
    FailoverState, Info, LinkStatus, Mode, ReplId, ReplicaInfo, ReplicaState, Role,
};

/// The bytes are the text.
pub fn run(text: &[u8]) {
    let info = Info::parse(text);
    let _ = (version(&info), is_valkey(&info));
    assert!(info.master_replid2 != Some(ReplId([0; 20])), "nothing is no history");

    let rendered = render(&info);
    assert_eq!(Info::parse(&rendered), info, "{rendered}");
    assert_eq!(Info::parse(rendered.replace("\r\n", "\n")), info, "{rendered}");

    // Lines that are not UTF-8 or mean nothing change nothing, and the first of a field counts.
    let other = b"\nrole:maybe\nfoo:1\n\xff:1\nprocess_id:\nmaster_replid:0\n";
    assert_eq!(Info::parse([&other[..], text, other].concat()), info);
    let twice = Info::parse([text, b"\n", text].concat());
    let expected = Info {
        replicas: [&info.replicas[..], &info.replicas].concat(),
        keys: info.keys.map(|keys| keys.saturating_mul(2)),
        ..info.clone()
    };
    assert_eq!(twice, expected);
}

/// The text of a server of which all is known that `info` holds, and nothing else.
fn render(info: &Info) -> String {
    let mut out = String::new();
    let mut line = |field: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            write!(out, "{field}:{value}\r\n").unwrap();
        }
    };
    fn shown<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
        value.as_ref().map(|value| value as &dyn Display)
    }
    let flag = |value: Option<bool>| value.map(u8::from);
    line("redis_version", shown(&info.redis_version));
    line("server_name", shown(&info.server_name));
    line("valkey_version", shown(&info.valkey_version));
    line("redis_mode", shown(&info.mode.map(mode)));
    line("process_id", shown(&info.process_id));
    line("run_id", shown(&info.run_id));
    line("tcp_port", shown(&info.tcp_port));
    line("loading", shown(&flag(info.loading)));
    line("async_loading", shown(&flag(info.async_loading)));
    line("rdb_bgsave_in_progress", shown(&flag(info.rdb_bgsave_in_progress)));
    line("aof_enabled", shown(&flag(info.aof_enabled)));
    line("role", shown(&info.role.map(role)));
    line("master_host", shown(&info.master_host));
    line("master_port", shown(&info.master_port));
    line("master_link_status", shown(&info.master_link_status.map(link_status)));
    line("master_last_io_seconds_ago", shown(&info.master_last_io_seconds_ago));
    line("master_sync_in_progress", shown(&flag(info.master_sync_in_progress)));
    line("master_link_down_since_seconds", shown(&info.master_link_down_since_seconds));
    line("slave_read_repl_offset", shown(&info.slave_read_repl_offset));
    line("slave_repl_offset", shown(&info.slave_repl_offset));
    line("slave_priority", shown(&info.slave_priority));
    line("connected_slaves", shown(&info.connected_slaves));
    for (at, replica) in info.replicas.iter().enumerate() {
        line(&format!("slave{at}"), Some(&replica_line(replica)));
    }
    line("master_failover_state", shown(&info.master_failover_state.map(failover_state)));
    line("master_replid", shown(&info.master_replid));
    line("master_replid2", shown(&info.master_replid2));
    line("master_repl_offset", shown(&info.master_repl_offset));
    line("second_repl_offset", shown(&info.second_repl_offset));
    line("repl_backlog_active", shown(&flag(info.repl_backlog_active)));
    line("repl_backlog_size", shown(&info.repl_backlog_size));
    line("repl_backlog_first_byte_offset", shown(&info.repl_backlog_first_byte_offset));
    line("repl_backlog_histlen", shown(&info.repl_backlog_histlen));
    line("cluster_enabled", shown(&flag(info.cluster_enabled)));
    if let Some(keys) = info.keys {
        out.push_str("# Keyspace\r\n");
        if keys > 0 {
            write!(out, "db0:keys={keys},expires=0,avg_ttl=0\r\n").unwrap();
        }
    }
    out
}

fn replica_line(replica: &ReplicaInfo) -> String {
    let ReplicaInfo { ip, port, state, offset, lag, channel } = replica;
    let state = match state {
        ReplicaState::WaitBgsave => "wait_bgsave",
        ReplicaState::SendBulk => "send_bulk",
        ReplicaState::Online => "online",
        ReplicaState::Other(word) => word,
    };
    let kind = channel.as_ref().map_or(String::new(), |channel| format!(",type={channel}"));
    format!("ip={ip},port={port},state={state},offset={offset},lag={lag}{kind}")
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Standalone => "standalone",
        Mode::Cluster => "cluster",
        Mode::Sentinel => "sentinel",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Primary => "master",
        Role::Replica => "slave",
    }
}

fn link_status(status: LinkStatus) -> &'static str {
    match status {
        LinkStatus::Up => "up",
        LinkStatus::Down => "down",
    }
}

fn failover_state(state: FailoverState) -> &'static str {
    match state {
        FailoverState::None => "no-failover",
        FailoverState::WaitingForSync => "waiting-for-sync",
        FailoverState::InProgress => "failover-in-progress",
    }
}
