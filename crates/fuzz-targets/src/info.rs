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
    // Either end of line will do, unless what stands before it ends like one.
    if !rendered.contains("\r\r") {
        assert_eq!(Info::parse(rendered.replace("\r\n", "\n")), info, "{rendered}");
    }

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
    // Named one by one, so that a new field is not forgotten here.
    let Info {
        redis_version,
        server_name,
        valkey_version,
        mode,
        process_id,
        run_id,
        tcp_port,
        config_file,
        loading,
        async_loading,
        rdb_bgsave_in_progress,
        aof_enabled,
        aof_current_size,
        aof_buffer_length,
        aof_pending_bio_fsync,
        role,
        master_host,
        master_port,
        master_link_status,
        master_last_io_seconds_ago,
        master_sync_in_progress,
        master_sync_last_io_seconds_ago,
        master_link_down_since_seconds,
        slave_read_repl_offset,
        slave_repl_offset,
        slave_priority,
        connected_slaves,
        min_slaves_good_slaves,
        replicas,
        master_failover_state,
        master_replid,
        master_replid2,
        master_repl_offset,
        second_repl_offset,
        repl_backlog_active,
        repl_backlog_size,
        repl_backlog_first_byte_offset,
        repl_backlog_histlen,
        cluster_enabled,
        keys,
    } = info;
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
    line("redis_version", shown(redis_version));
    line("server_name", shown(server_name));
    line("valkey_version", shown(valkey_version));
    line("redis_mode", shown(&mode.map(mode_word)));
    line("process_id", shown(process_id));
    line("run_id", shown(run_id));
    line("tcp_port", shown(tcp_port));
    line("config_file", shown(config_file));
    line("loading", shown(&flag(*loading)));
    line("async_loading", shown(&flag(*async_loading)));
    line("rdb_bgsave_in_progress", shown(&flag(*rdb_bgsave_in_progress)));
    line("aof_enabled", shown(&flag(*aof_enabled)));
    line("aof_current_size", shown(aof_current_size));
    line("aof_buffer_length", shown(aof_buffer_length));
    line("aof_pending_bio_fsync", shown(aof_pending_bio_fsync));
    line("role", shown(&role.map(role_word)));
    line("master_host", shown(master_host));
    line("master_port", shown(master_port));
    line("master_link_status", shown(&master_link_status.map(link_status_word)));
    line("master_last_io_seconds_ago", shown(master_last_io_seconds_ago));
    line("master_sync_in_progress", shown(&flag(*master_sync_in_progress)));
    line("master_sync_last_io_seconds_ago", shown(master_sync_last_io_seconds_ago));
    line("master_link_down_since_seconds", shown(master_link_down_since_seconds));
    line("slave_read_repl_offset", shown(slave_read_repl_offset));
    line("slave_repl_offset", shown(slave_repl_offset));
    line("slave_priority", shown(slave_priority));
    line("connected_slaves", shown(connected_slaves));
    line("min_slaves_good_slaves", shown(min_slaves_good_slaves));
    for (at, replica) in replicas.iter().enumerate() {
        line(&format!("slave{at}"), Some(&replica_line(replica)));
    }
    line("master_failover_state", shown(&master_failover_state.map(failover_state_word)));
    line("master_replid", shown(master_replid));
    line("master_replid2", shown(master_replid2));
    line("master_repl_offset", shown(master_repl_offset));
    line("second_repl_offset", shown(second_repl_offset));
    line("repl_backlog_active", shown(&flag(*repl_backlog_active)));
    line("repl_backlog_size", shown(repl_backlog_size));
    line("repl_backlog_first_byte_offset", shown(repl_backlog_first_byte_offset));
    line("repl_backlog_histlen", shown(repl_backlog_histlen));
    line("cluster_enabled", shown(&flag(*cluster_enabled)));
    if let Some(keys) = keys {
        out.push_str("# Keyspace\r\n");
        if *keys > 0 {
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

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Standalone => "standalone",
        Mode::Cluster => "cluster",
        Mode::Sentinel => "sentinel",
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Primary => "master",
        Role::Replica => "slave",
    }
}

fn link_status_word(status: LinkStatus) -> &'static str {
    match status {
        LinkStatus::Up => "up",
        LinkStatus::Down => "down",
    }
}

fn failover_state_word(state: FailoverState) -> &'static str {
    match state {
        FailoverState::None => "no-failover",
        FailoverState::WaitingForSync => "waiting-for-sync",
        FailoverState::InProgress => "failover-in-progress",
    }
}
