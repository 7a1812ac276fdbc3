//! Settings and rights of the local Redis that decide whether a failover can work, checked when
//! they are read and named when wrong.

use crate::action::{Action, Actions};
use crate::config::Config;
use crate::event::Event;
use crate::input::Settings;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use keepair_wire::info::Info;
use keepair_wire::peer::Report;

/// A backlog smaller than this is overrun in a moment of ordinary traffic.
const BACKLOG_SIZE_MIN_BYTES: i64 = 16 * 1024 * 1024;

/// The rights the daemon's user needs, as Redis 7 and later writes them. Redis 6 knows no
/// `resetchannels` default and no `client|unpause` before 6.2; it accepts the same line otherwise. The
/// last three are for what is kept before it is overwritten.
pub const ACL_LINE: &str = "ACL SETUSER keepair on >PASSWORD resetkeys resetchannels -@all +ping \
     +info +replicaof +multi +exec +discard +config|get +client|pause +client|unpause \
     +client|kill +client|setname +psync +replconf +bgsave";

/// What is wrong at the moment.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Problems {
    from_settings: Vec<String>,
    from_info: Vec<String>,
    /// How Redis starts.
    from_start: Vec<String>,
    /// What does not arrive from the other machine.
    from_peer: Vec<String>,
}

impl Problems {
    /// All of them.
    pub fn list(&self) -> Vec<String> {
        let of_redis = self.from_settings.iter().chain(&self.from_info).chain(&self.from_start);
        of_redis.chain(&self.from_peer).cloned().collect()
    }

    /// The settings were read.
    pub fn settings(&mut self, config: &Config, settings: &Settings, out: &mut Actions) {
        replace(&mut self.from_settings, check_settings(config, settings), out);
    }

    /// INFO was read.
    pub fn info(&mut self, config: &Config, info: &Info, peer: Option<&Report>, out: &mut Actions) {
        replace(&mut self.from_info, check_info(config, info, peer), out);
    }

    /// Redis starts as a replica, by its configuration file.
    pub fn starts_as_replica(&mut self, path: Option<&str>, out: &mut Actions) {
        let text = |path| {
            format!(
                "`replicaof` in {path}: Redis starts as a replica of a machine that may hold older data; \
                 remove the line, Keepair sets replication up"
            )
        };
        replace(&mut self.from_start, path.map(text).into_iter().collect(), out);
    }

    /// Of the other machine one kind of packet arrives, and the other does not.
    pub fn peer(&mut self, filtered: Option<String>, out: &mut Actions) {
        replace(&mut self.from_peer, filtered.into_iter().collect(), out);
    }
}

fn replace(old: &mut Vec<String>, new: Vec<String>, out: &mut Actions) {
    for text in new.iter().filter(|text| !old.contains(text)) {
        out.push(Action::Tell(Event::Problem(text.clone())));
    }
    for text in old.iter().filter(|text| !new.contains(text)) {
        out.push(Action::Tell(Event::ProblemSolved(text.clone())));
    }
    *old = new;
}

fn check_settings(config: &Config, settings: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    let peer = &config.peer().name;
    if !settings.denied.is_empty() {
        found.push(format!(
            "the Redis user lacks rights ({}); the least it needs: {ACL_LINE}",
            settings.denied.join(", ")
        ));
    }
    if settings.requirepass == Some(true) && settings.masterauth == Some(false) {
        found.push(format!(
            "`requirepass` is set and `masterauth` is not: this Redis could not replicate from \
             {peer} after a failover; set `masterauth` on both machines"
        ));
    }
    if let Some(bytes) = settings.repl_backlog_size
        && bytes < BACKLOG_SIZE_MIN_BYTES
    {
        found.push(format!(
            "`repl-backlog-size` is {bytes} bytes: a short outage would end in a full resync; set \
             it to the peak write rate times the longest outage, 64mb at least"
        ));
    }
    if let Some(seconds) = settings.repl_backlog_ttl
        && seconds != 0
    {
        found.push(format!(
            "`repl-backlog-ttl` is {seconds} s: after that long without a replica the history is \
             dropped and {peer} needs a full resync; set it to 0"
        ));
    }
    match (settings.repl_ping_replica_period, settings.repl_timeout) {
        (Some(period), Some(timeout)) if period >= timeout => found.push(format!(
            "`repl-ping-replica-period` ({period} s) is not shorter than `repl-timeout` ({timeout} \
             s): an idle replica drops its link again and again"
        )),
        _ => {}
    }
    if settings.replica_read_only == Some(false) {
        found.push(
            "`replica-read-only` is off: writes to a replica are lost at the next resync; set it \
             to yes"
                .to_string(),
        );
    }
    found
}

fn check_info(config: &Config, info: &Info, peer: Option<&Report>) -> Vec<String> {
    let mut found = Vec::new();
    let name = &config.peer().name;
    if info.cluster_enabled == Some(true) {
        found.push("`cluster-enabled` is yes: REPLICAOF is refused in cluster mode".to_string());
    }
    let is_vip = |host: &str| config.vips.iter().any(|vip| host.parse() == Ok(vip.address));
    if info.master_host.as_deref().is_some_and(is_vip) {
        found.push(format!(
            "Redis replicates from the virtual address: after a failover it would replicate from \
             itself; use {name}'s own address"
        ));
    }
    if info.replicas.iter().any(|replica| is_vip(&replica.ip)) {
        found.push(format!(
            "{name} replicates with the virtual address as its source; set `bind-source-addr` \
             (Redis 7) or `replica-announce-ip` to its own address"
        ));
    }
    if let (Some(own), Some(peer)) = (version(info), peer)
        && peer.redis.reachable
        && (own, is_valkey(info)) != (peer.redis.version, peer.redis.valkey)
    {
        let word = |valkey: bool| if valkey { "Valkey" } else { "Redis" };
        found.push(format!(
            "this is {} {}.{}, {name} has {} {}.{}: the older can't read a full synchronisation \
             from the newer, so one direction of a failover would not rejoin; use one version",
            word(is_valkey(info)),
            own.0,
            own.1,
            word(peer.redis.valkey),
            peer.redis.version.0,
            peer.redis.version.1,
        ));
    }
    found
}

/// It is a Valkey: `valkey_version` or `server_name:valkey`.
pub fn is_valkey(info: &Info) -> bool {
    info.valkey_version.is_some() || info.server_name.as_deref() == Some("valkey")
}

/// Major and minor of `valkey_version` or `redis_version`.
pub fn version(info: &Info) -> Option<(u8, u8)> {
    let text = info.valkey_version.as_deref().or(info.redis_version.as_deref())?;
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
