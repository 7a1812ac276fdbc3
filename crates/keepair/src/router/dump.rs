//! The files that keepalived writes on signals: for programs (JSON), for people (data), and the counters
//! (stats). Same names, same words, so that what reads them goes on reading them; passwords and the
//! arguments of scripts are starred out.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepair_conf::keepalived::file::Globals;
use keepair_core::router::config::{Config, InstanceConfig, InstanceId, Version};
use keepair_core::router::event::State;
use keepair_core::router::status::{InstanceStatus, Status};
use keepair_linux::router::setup::{Command, Program, Setup};
use serde_json::{Map, Value, json};

use super::words;

mod data;
#[cfg(test)]
mod tests;

pub(crate) use data::data;

/// Where each of them goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Files {
    pub(crate) data: PathBuf,
    pub(crate) stats: PathBuf,
    pub(crate) json: PathBuf,
    /// The shape of the JSON, 1 or 2.
    json_version: u8,
}

impl Files {
    /// As the file says, else where keepalived puts them.
    pub(crate) fn of(globals: &Globals) -> Files {
        let folder = std::env::var_os("TMPDIR").map_or_else(|| "/tmp".into(), PathBuf::from);
        let path = |written: &Option<keepair_conf::keepalived::Placed<String>>, usual: &str| {
            let written = written.as_ref().map(|it| PathBuf::from(&it.value));
            written.unwrap_or_else(|| folder.join(usual))
        };
        Files {
            data: path(&globals.state_dump, "keepalived.data"),
            stats: path(&globals.stats_dump, "keepalived.stats"),
            json: path(&globals.json_dump, "keepalived.json"),
            json_version: globals.json_version.as_ref().map_or(1, |version| version.value),
        }
    }
}

/// Everything a dump is made of.
pub(crate) struct Dump<'a> {
    pub(crate) config: &'a Config,
    pub(crate) setup: &'a Setup,
    pub(crate) status: &'a Status,
}

impl<'a> Dump<'a> {
    /// Every instance with what is known of it.
    pub(crate) fn instances(
        &self,
    ) -> impl Iterator<Item = (&'a InstanceConfig, &'a InstanceStatus)> {
        let (config, status) = (self.config, self.status);
        config.instances.iter().enumerate().filter_map(move |(at, it)| {
            Some((it, status.instances.iter().find(|one| one.id == InstanceId(at))?))
        })
    }

    /// The name of the interface that an instance's adverts go over.
    pub(crate) fn interface(&self, it: &InstanceConfig) -> &'a str {
        self.config.links.get(it.link.0).map_or("", |link| link.name.as_str())
    }
}

/// The state as JSON, on one line.
pub(crate) fn json(dump: &Dump<'_>, files: &Files) -> String {
    let instances: Vec<Value> = dump.instances().map(|(it, now)| instance(dump, it, now)).collect();
    let value = match files.json_version {
        2 => {
            let processes = dump.config.processes.iter().zip(&dump.status.processes);
            let processes = processes.zip(&dump.setup.processes).map(|((it, now), setup)| {
                json!({
                    "name": it.name,
                    "process": setup.program,
                    "quorum": it.quorum,
                    "quorum_max": it.quorum_max,
                    "num_procs": now.count,
                    "have_quorum": now.good == Some(true),
                })
            });
            let processes: Vec<Value> = processes.collect();
            json!({ "vrrp": instances, "track_process": processes })
        }
        _ => Value::Array(instances),
    };
    format!("{value}\n")
}

fn instance(dump: &Dump<'_>, it: &InstanceConfig, now: &InstanceStatus) -> Value {
    let own = dump.interface(it);
    let is_active = now.state == State::Active;
    let vmac = it.vmac.as_ref().map(|vmac| vmac.name.as_str());
    let tracks_own = it.tracks.links.iter().any(|track| track.id == it.link);
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
    put("iname", json!(it.name));
    put("dont_track_primary", json!(i32::from(!tracks_own)));
    put("skip_check_adv_addr", json!(i32::from(it.skip_check_adv_addr)));
    put("strict_mode", json!(i32::from(it.strict)));
    put("vmac_ifname", json!(vmac.unwrap_or("")));
    put("ifp_ifname", json!(vmac.unwrap_or(own)));
    put("master_priority", json!(now.master.map_or(0, |(_, priority)| priority)));
    put("last_transition", json!(round(now.last_transition)));
    put("garp_delay", json!(it.garp.delay.as_secs()));
    put("garp_refresh", json!(it.garp.refresh.as_secs()));
    put("garp_rep", json!(it.garp.repeat));
    put("garp_refresh_rep", json!(it.garp.refresh_repeat));
    put("garp_lower_prio_delay", json!(it.garp.lower_prio_delay.as_secs()));
    put("garp_lower_prio_rep", json!(it.garp.lower_prio_repeat));
    put("lower_prio_no_advert", json!(i32::from(it.lower_prio_no_advert)));
    put("higher_prio_send_advert", json!(i32::from(it.higher_prio_send_advert)));
    put("vrid", json!(it.vrid.0));
    put("base_priority", json!(now.base_priority));
    put("effective_priority", json!(now.priority));
    put("vipset", json!(is_active));
    put("promote_secondaries", json!(it.promote_secondaries));
    put("adver_int", seconds(it.advert_interval));
    put("master_adver_int", seconds(now.master_interval));
    put("accept", json!(i32::from(it.accept)));
    put("nopreempt", json!(!it.preempt));
    put("preempt_delay", json!(it.preempt_delay.as_secs()));
    put("state", json!(number(now.state)));
    put("wantstate", json!(number(now.wanted)));
    put("version", json!(if it.version == Version::V2 { 2 } else { 3 }));
    put("smtp_alert", json!(it.smtp_alert));
    put("notify_deleted", json!(it.notify_deleted));
    scripts(dump, now.id, &mut put);
    let addresses = |all: &[keepair_core::router::network::Address]| -> Vec<String> {
        all.iter().map(|one| words::address(one, it, &dump.config.links, is_active)).collect()
    };
    let mut list = |name: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            put(name, json!(rows));
        }
    };
    list("vips", addresses(&it.addresses));
    list("evips", addresses(&it.excluded_addresses));
    list("vroutes", it.routes.iter().map(words::route).collect());
    list("vrules", it.rules.iter().map(words::rule).collect());
    let links = it.tracks.links.iter().filter(|track| track.id != it.link);
    let links = links.filter_map(|track| dump.config.links.get(track.id.0));
    list("track_ifp", links.map(|link| link.name.clone()).collect());
    let tracked = it.tracks.scripts.iter().filter_map(|track| dump.setup.script(track.id));
    list("track_script", tracked.map(|script| shown(&script.command)).collect());
    put("auth_type", json!(i32::from(it.password.is_some())));
    if it.password.is_some() {
        put("auth_data", json!("********"));
    }
    json!({ "data": data, "stats": stats_of(now) })
}

fn scripts(dump: &Dump<'_>, id: InstanceId, put: &mut impl FnMut(&str, Value)) {
    let Some(setup) = dump.setup.instances.get(id.0) else { return };
    let rows = [
        ("script_backup", &setup.backup),
        ("script_master", &setup.master),
        ("script_fault", &setup.fault),
        ("script_stop", &setup.stop),
        ("script_deleted", &setup.deleted),
        ("script", &setup.any),
        ("script_master_rx_lower_pri", &setup.master_rx_lower_priority),
    ];
    for (name, command) in rows {
        if let Some(command) = command {
            put(name, json!(shown(command)));
        }
    }
}

fn stats_of(now: &InstanceStatus) -> Value {
    let it = &now.counters;
    json!({
        "advert_rcvd": it.advert_rcvd,
        "advert_sent": it.advert_sent,
        "become_master": it.become_master,
        "release_master": it.release_master,
        "packet_len_err": it.packet_len_err,
        "advert_interval_err": it.advert_interval_err,
        "ip_ttl_err": it.ip_ttl_err,
        "invalid_type_rcvd": it.invalid_type_rcvd,
        "addr_list_err": it.addr_list_err,
        "invalid_authtype": it.invalid_authtype,
        "authtype_mismatch": it.authtype_mismatch,
        "auth_failure": it.auth_failure,
        "pri_zero_rcvd": it.pri_zero_rcvd,
        "pri_zero_sent": it.pri_zero_sent,
    })
}

/// The counters.
pub(crate) fn stats(dump: &Dump<'_>) -> String {
    let mut out = String::new();
    for (it, now) in dump.instances() {
        let one = &now.counters;
        out += &format!("VRRP Instance: {}\n", it.name);
        out += &format!(
            "  Advertisements:\n    Received: {}\n    Sent: {}\n",
            one.advert_rcvd, one.advert_sent
        );
        out += &format!(
            "  Became master: {}\n  Released master: {}\n",
            one.become_master, one.release_master
        );
        out += &format!(
            "  Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    \
             Advertisement Interval: {}\n    Address List: {}\n",
            one.packet_len_err,
            one.ip_ttl_err,
            one.invalid_type_rcvd,
            one.advert_interval_err,
            one.addr_list_err,
        );
        out += &format!(
            "  Authentication Errors:\n    Invalid Type: {}\n    Type Mismatch: {}\n    Failure: {}\n",
            one.invalid_authtype, one.authtype_mismatch, one.auth_failure,
        );
        out += &format!(
            "  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            one.pri_zero_rcvd, one.pri_zero_sent
        );
    }
    out
}

/// Replaces a file as a whole: who reads it reads an old or a new one. For its owner only, and never
/// through a link that somebody else has put there.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut random = [0u8; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}", u64::from_ne_bytes(random)));
    let new = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// A command without its arguments.
fn shown(command: &Command) -> String {
    match &command.program {
        Program::Execute { path, arguments } => {
            let mut out = format!("'{path}'");
            for _ in arguments {
                out.push_str(" '***'");
            }
            out
        }
        Program::Connect(text) => text.clone(),
    }
}

/// keepalived's numbers of the states.
fn number(state: State) -> u8 {
    match state {
        State::Initialize => 0,
        State::Backup => 1,
        State::Active => 2,
        State::Fault => 3,
    }
}

/// Seconds with microseconds.
fn round(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

/// Seconds: a whole number if they are whole.
fn seconds(time: Duration) -> Value {
    if time.subsec_nanos() == 0 { json!(time.as_secs()) } else { json!(round(time)) }
}

/// keepalived's words for the states.
pub(crate) fn word(state: State) -> &'static str {
    match state {
        State::Initialize => "INIT",
        State::Backup => "BACKUP",
        State::Active => "MASTER",
        State::Fault => "FAULT",
    }
}
