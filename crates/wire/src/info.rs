//! The text that Redis and Valkey answer to `INFO`, as typed fields.
//!
//! What it is not: a verdict. `role:master` is what the server believes of itself, and a link
//! that is `up` may have been dead for a minute; `core` weighs that. Nor is it complete: only
//! fields that a failover decision or the operator's status needs are kept.
//!
//! Everything is optional. Versions differ, sections can be asked for one by one, and a field that
//! is missing or makes no sense is `None`, never a zero: "no keys" and "not told how many" lead to
//! opposite decisions.
//!
//! Source: Redis documentation of `INFO`, and the output of Redis 7.0.15. Valkey keeps the names.

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

pub use id::{IdError, ReplId, RunId};

mod id;

/// What a server says about itself. The INFO field is named where it is not that of ours.
///
/// Offsets count bytes of the replication stream. They are signed because servers report -1 for
/// "none".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Info {
    // # Server
    /// Version of Redis; under Valkey, the version of Redis that it is compatible with.
    pub redis_version: Option<String>,
    /// `valkey` under Valkey. Redis has no such field.
    pub server_name: Option<String>,
    /// Version of Valkey. Redis has no such field.
    pub valkey_version: Option<String>,
    /// `redis_mode`, or `server_mode` under Valkey.
    pub mode: Option<Mode>,
    /// Process ID on the server's machine.
    pub process_id: Option<u32>,
    /// Name of this run of the process.
    pub run_id: Option<RunId>,
    /// Port it listens on without TLS; 0 if it does not.
    pub tcp_port: Option<u16>,
    /// Path of its configuration file, as the server's mount namespace has it; absent without one.
    pub config_file: Option<String>,

    // # Persistence
    /// It is loading its data and refuses most commands. An asynchronous load does not count.
    pub loading: Option<bool>,
    /// It is loading data while it serves the old (Redis 7.0 and later).
    pub async_loading: Option<bool>,
    /// A child process is writing an RDB file.
    pub rdb_bgsave_in_progress: Option<bool>,
    /// The append-only file is on. A server that starts from one has lost its replication ID.
    pub aof_enabled: Option<bool>,
    /// Bytes of the append-only file, base and increments together; absent while it is off. A
    /// server that has just started says how much it has loaded.
    pub aof_current_size: Option<i64>,
    /// Bytes of commands that are not in the append-only file yet.
    pub aof_buffer_length: Option<i64>,
    /// How many `fsync`s are under way or wait.
    pub aof_pending_bio_fsync: Option<i64>,

    // # Replication
    /// Primary or replica.
    pub role: Option<Role>,
    /// On a replica: the primary it is told to follow, an address or a name.
    pub master_host: Option<String>,
    /// On a replica: the port of that primary.
    pub master_port: Option<u16>,
    /// On a replica: state of the link to the primary.
    pub master_link_status: Option<LinkStatus>,
    /// On a replica: seconds since anything came from the primary; -1 without a link.
    pub master_last_io_seconds_ago: Option<i64>,
    /// On a replica: a full resynchronisation is running.
    pub master_sync_in_progress: Option<bool>,
    /// On a replica, while a full resynchronisation is running: seconds since anything of it came.
    pub master_sync_last_io_seconds_ago: Option<i64>,
    /// On a replica: seconds since the link broke; absent while it is up.
    pub master_link_down_since_seconds: Option<i64>,
    /// On a replica: offset up to which it has read (Redis 6.2 and later).
    pub slave_read_repl_offset: Option<i64>,
    /// On a replica: offset up to which it has executed.
    pub slave_repl_offset: Option<i64>,
    /// On a replica: rank for promotion, lowest first; 0 means never.
    pub slave_priority: Option<u32>,
    /// Replicas attached, in any state.
    pub connected_slaves: Option<u32>,
    /// `slave0`, `slave1` and so on, in that order; a line that makes no sense is left out.
    pub replicas: Vec<ReplicaInfo>,
    /// Replicas that are near enough for `min-replicas-to-write`; absent where that is 0.
    pub min_slaves_good_slaves: Option<u32>,
    /// `FAILOVER` in progress, and how far (Redis 6.2 and later).
    pub master_failover_state: Option<FailoverState>,
    /// ID of the history that the data belongs to.
    pub master_replid: Option<ReplId>,
    /// ID of the history before the last promotion. The server writes "none" as 40 zeros; here it
    /// is `None`, lest two servers without a past seem to share one.
    pub master_replid2: Option<ReplId>,
    /// Offset of the end of the data in that history.
    pub master_repl_offset: Option<i64>,
    /// First offset at which `master_replid2` no longer holds; -1 if there is none.
    pub second_repl_offset: Option<i64>,
    /// There is a backlog, so partial resynchronisation is possible.
    pub repl_backlog_active: Option<bool>,
    /// Capacity of the backlog in bytes.
    pub repl_backlog_size: Option<i64>,
    /// Offset of the oldest byte in the backlog.
    pub repl_backlog_first_byte_offset: Option<i64>,
    /// Bytes in the backlog.
    pub repl_backlog_histlen: Option<i64>,

    // # Cluster, # Keyspace
    /// It runs in cluster mode, where `REPLICAOF` is refused.
    pub cluster_enabled: Option<bool>,
    /// Sum of `keys=` over all databases. 0 if the section is there and lists none, `None` if
    /// there is no such section.
    pub keys: Option<u64>,
}

/// `role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Role {
    /// `master`
    Primary,
    /// `slave`
    Replica,
}

/// `redis_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mode {
    /// `standalone`: a data server that is not part of a cluster.
    Standalone,
    /// `cluster`
    Cluster,
    /// `sentinel`: not a data server at all.
    Sentinel,
}

/// `master_link_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LinkStatus {
    /// `up`: connected and past the initial synchronisation. It stays so for `repl-timeout` after
    /// the other machine has died.
    Up,
    /// `down`
    Down,
}

/// `master_failover_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum FailoverState {
    /// `no-failover`
    None,
    /// `waiting-for-sync`: writes are paused until the replica has all of them.
    WaitingForSync,
    /// `failover-in-progress`: the server has made itself a replica and waits for the other.
    InProgress,
}

/// One `slaveN` line: a replica, as its primary sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaInfo {
    /// `ip`: the announced address or name, else the peer address of the connection.
    pub ip: String,
    /// `port`: the announced port; 0 from a client that announced none.
    pub port: u16,
    /// `state`
    pub state: ReplicaState,
    /// `offset`: the last offset it has acknowledged.
    pub offset: i64,
    /// `lag`: seconds since its last acknowledgement; 0 while it is not online.
    pub lag: i64,
    /// `type`, from Valkey: `replica`, or `main-channel` and `rdb-channel`, of which the second is
    /// a transfer and not another replica.
    pub channel: Option<String>,
}

/// `state` of a replica.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ReplicaState {
    /// `wait_bgsave`: waits for a snapshot.
    WaitBgsave,
    /// `send_bulk`: receives the snapshot.
    SendBulk,
    /// `online`: receives the stream of writes.
    Online,
    /// Any other word; servers add some.
    Other(String),
}

impl Info {
    /// Parses the text of an `INFO` reply, of any sections. Takes bytes, as a file name in it may
    /// not be UTF-8; such a line is skipped. Of a repeated field the first one counts: the
    /// server's own sections come before those of modules.
    pub fn parse(text: impl AsRef<[u8]>) -> Self {
        let mut info = Self::default();
        for line in text.as_ref().split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Ok(line) = core::str::from_utf8(line) else {
                continue;
            };
            if line == "# Keyspace" {
                info.keys.get_or_insert(0);
            } else if let Some((field, value)) = line.split_once(':') {
                info.set(field, value);
            }
        }
        info
    }

    fn set(&mut self, field: &str, value: &str) {
        match field {
            "redis_version" => text(&mut self.redis_version, value),
            "server_name" => text(&mut self.server_name, value),
            "valkey_version" => text(&mut self.valkey_version, value),
            "redis_mode" | "server_mode" => word(&mut self.mode, value, mode),
            "process_id" => number(&mut self.process_id, value),
            "run_id" => number(&mut self.run_id, value),
            "tcp_port" => number(&mut self.tcp_port, value),
            "config_file" => text(&mut self.config_file, value),

            "loading" => word(&mut self.loading, value, flag),
            "async_loading" => word(&mut self.async_loading, value, flag),
            "rdb_bgsave_in_progress" => word(&mut self.rdb_bgsave_in_progress, value, flag),
            "aof_enabled" => word(&mut self.aof_enabled, value, flag),
            "aof_current_size" => number(&mut self.aof_current_size, value),
            "aof_buffer_length" => number(&mut self.aof_buffer_length, value),
            "aof_pending_bio_fsync" => number(&mut self.aof_pending_bio_fsync, value),

            "role" => word(&mut self.role, value, role),
            "master_host" => text(&mut self.master_host, value),
            "master_port" => number(&mut self.master_port, value),
            "master_link_status" => word(&mut self.master_link_status, value, link_status),
            "master_last_io_seconds_ago" => number(&mut self.master_last_io_seconds_ago, value),
            "master_sync_in_progress" => word(&mut self.master_sync_in_progress, value, flag),
            "master_sync_last_io_seconds_ago" => {
                number(&mut self.master_sync_last_io_seconds_ago, value);
            }
            "master_link_down_since_seconds" => {
                number(&mut self.master_link_down_since_seconds, value);
            }
            "slave_read_repl_offset" => number(&mut self.slave_read_repl_offset, value),
            "slave_repl_offset" => number(&mut self.slave_repl_offset, value),
            "slave_priority" => number(&mut self.slave_priority, value),
            "connected_slaves" => number(&mut self.connected_slaves, value),
            "min_slaves_good_slaves" => number(&mut self.min_slaves_good_slaves, value),
            "master_failover_state" => word(&mut self.master_failover_state, value, failover_state),
            "master_replid" => number(&mut self.master_replid, value),
            "master_replid2" => word(&mut self.master_replid2, value, some_repl_id),
            "master_repl_offset" => number(&mut self.master_repl_offset, value),
            "second_repl_offset" => number(&mut self.second_repl_offset, value),
            "repl_backlog_active" => word(&mut self.repl_backlog_active, value, flag),
            "repl_backlog_size" => number(&mut self.repl_backlog_size, value),
            "repl_backlog_first_byte_offset" => {
                number(&mut self.repl_backlog_first_byte_offset, value);
            }
            "repl_backlog_histlen" => number(&mut self.repl_backlog_histlen, value),

            "cluster_enabled" => word(&mut self.cluster_enabled, value, flag),
            _ if is_numbered(field, "slave") => self.replicas.extend(replica(value)),
            _ if is_numbered(field, "db") => {
                if let Some(keys) = pairs(value, "keys").and_then(|keys| keys.parse::<u64>().ok()) {
                    self.keys = Some(self.keys.unwrap_or(0).saturating_add(keys));
                }
            }
            _ => {}
        }
    }
}

/// Fills an empty `slot` with a text. An empty text is no text.
fn text(slot: &mut Option<String>, value: &str) {
    if slot.is_none() && !value.is_empty() {
        *slot = Some(String::from(value));
    }
}

/// Fills an empty `slot` with what its type parses from `value`: numbers and IDs.
fn number<T: FromStr>(slot: &mut Option<T>, value: &str) {
    word(slot, value, |value| value.parse().ok());
}

/// Fills an empty `slot` with what `meaning` makes of `value`.
fn word<T>(slot: &mut Option<T>, value: &str, meaning: impl Fn(&str) -> Option<T>) {
    if slot.is_none() {
        *slot = meaning(value);
    }
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn role(value: &str) -> Option<Role> {
    match value {
        "master" => Some(Role::Primary),
        "slave" => Some(Role::Replica),
        _ => None,
    }
}

fn mode(value: &str) -> Option<Mode> {
    match value {
        "standalone" => Some(Mode::Standalone),
        "cluster" => Some(Mode::Cluster),
        "sentinel" => Some(Mode::Sentinel),
        _ => None,
    }
}

fn link_status(value: &str) -> Option<LinkStatus> {
    match value {
        "up" => Some(LinkStatus::Up),
        "down" => Some(LinkStatus::Down),
        _ => None,
    }
}

fn failover_state(value: &str) -> Option<FailoverState> {
    match value {
        "no-failover" => Some(FailoverState::None),
        "waiting-for-sync" => Some(FailoverState::WaitingForSync),
        "failover-in-progress" => Some(FailoverState::InProgress),
        _ => None,
    }
}

fn some_repl_id(value: &str) -> Option<ReplId> {
    value.parse().ok().filter(|id| *id != ReplId([0; 20]))
}

/// Whether `field` is `prefix` and a number: `slave0`, but not `slave_priority`.
fn is_numbered(field: &str, prefix: &str) -> bool {
    field
        .strip_prefix(prefix)
        .is_some_and(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The value of `key` in `key=value,key=value`.
fn pairs<'a>(list: &'a str, key: &str) -> Option<&'a str> {
    list.split(',').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key).map(|(_, v)| v)
}

fn replica(line: &str) -> Option<ReplicaInfo> {
    let state = match pairs(line, "state")? {
        "wait_bgsave" => ReplicaState::WaitBgsave,
        "send_bulk" => ReplicaState::SendBulk,
        "online" => ReplicaState::Online,
        other => ReplicaState::Other(String::from(other)),
    };
    Some(ReplicaInfo {
        ip: String::from(pairs(line, "ip")?),
        port: pairs(line, "port")?.parse().ok()?,
        state,
        offset: pairs(line, "offset")?.parse().ok()?,
        lag: pairs(line, "lag")?.parse().ok()?,
        channel: pairs(line, "type").map(String::from),
    })
}

#[cfg(test)]
mod tests;
