//! The dumps of a file, beside what keepalived 2.2.7 wrote for it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::Ipv4Addr;
use std::time::Duration;

use keepair_conf::keepalived::{Machine, Options, Unreadable, parse, router};
use keepair_core::router::config::{FileId, LinkId, ProcessId};
use keepair_core::router::input::LinkState;
use keepair_core::router::{Input, Router};
use keepair_core::time::Time;
use serde_json::Value;

use super::{Dump, Files, data, json, replace, stats};
use crate::router::setup::setup;

const TEXT: &str = include_str!("tests/keepalived.conf");
/// On a machine with these interfaces, 1.4 s after the start.
const EXPECTED: &str = include_str!("tests/keepalived.json");

struct OneFile(&'static str);

impl Machine for OneFile {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        match path {
            "/keepalived.conf" => Ok(self.0.into()),
            _ => Err(Unreadable::Missing),
        }
    }
}

/// The dumps of a file a moment after the start: data, stats, JSON.
fn dumps(text: &'static str) -> [String; 3] {
    let machine = OneFile(text);
    let parsed = parse("/keepalived.conf", &machine, &Options::default());
    let shown = parsed.render(false);
    let file = parsed.file.unwrap_or_else(|| panic!("{shown}"));
    let config = router(&file, &parsed.sources, &machine, Duration::ZERO).unwrap();
    let setup = setup(&file, &config).unwrap();
    let mut out = Vec::new();
    let mut router = Router::new(config.clone(), Time(0));
    router.handle(
        Time(0),
        Input::Started { unix: Duration::from_micros(1_795_386_419_289_460) },
        &mut out,
    );
    for at in 0..config.links.len() {
        let state = LinkState {
            up: true,
            v4: Some(Ipv4Addr::new(172, 18, 0, 4)),
            mtu: 1500,
            ..LinkState::default()
        };
        router.handle(Time(0), Input::Link { link: LinkId(at), state }, &mut out);
    }
    for at in 0..config.files.len() {
        router.handle(Time(0), Input::FileRead(FileId(at), 0), &mut out);
    }
    for at in 0..config.processes.len() {
        router.handle(Time(0), Input::Processes(ProcessId(at), 1), &mut out);
    }
    let status = router.status(Time(10_000));
    let dump = Dump { config: &config, setup: &setup, status: &status };
    [data(&dump), stats(&dump), json(&dump, &Files::of(&file.globals))]
}

#[test]
fn json_has_keepalived_s_names_and_values() {
    let [_, _, found] = dumps(TEXT);
    let mut found: Value = serde_json::from_str(&found).unwrap();
    let mut expected: Value = serde_json::from_str(EXPECTED).unwrap();
    for (found, expected) in
        found.as_array_mut().unwrap().iter_mut().zip(expected.as_array_mut().unwrap())
    {
        // How often it ran, and when.
        assert!(found["data"]["last_transition"].is_f64());
        for value in [&mut *found, expected] {
            let data = value["data"].as_object_mut().unwrap();
            data.remove("last_transition");
            data.remove("effective_priority");
        }
        assert_eq!(found, expected);
    }
    assert_eq!(found.as_array().unwrap().len(), 2);
}

#[test]
fn json_of_version_2_has_the_processes_too() {
    let text = "global_defs {\njson_version 2\n}\nvrrp_track_process p {\nprocess redis-server\n}\n\
                vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1\n}\n\
                track_process {\np\n}\n}\n";
    let [_, _, found] = dumps(text);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["vrrp"][0]["data"]["iname"], "A");
    assert_eq!(found["track_process"][0]["process"], "redis-server");
}

#[test]
fn no_dump_shows_a_secret() {
    for dump in dumps(TEXT) {
        assert!(!dump.contains("geheim"), "{dump}");
    }
}

#[test]
fn stats_are_keepalived_s() {
    let [_, stats, _] = dumps(TEXT);
    let expected = "VRRP Instance: A\n  Advertisements:\n    Received: 0\n    Sent: 0\n  \
                    Became master: 0\n  Released master: 0\n  Packet Errors:\n    Length: 0\n    \
                    TTL: 0\n    Invalid Type: 0\n    Advertisement Interval: 0\n    \
                    Address List: 0\n  Authentication Errors:\n    Invalid Type: 0\n    \
                    Type Mismatch: 0\n    Failure: 0\n  Priority Zero:\n    Received: 0\n    Sent: 0\n";
    assert!(stats.starts_with(expected), "{stats}");
}

#[test]
fn data_has_keepalived_s_labels() {
    let [data, _, _] = dumps(TEXT);
    for line in [
        " VRRP Instance = A\n",
        "   VRRP Version = 3\n",
        "   State = BACKUP\n",
        "   Interface = vrrp.1, vmac on eth0\n",
        "   Gratuitous ARP refresh = 9\n",
        "   Virtual Router ID = 1\n",
        "   Priority = 100\n",
        "   Advert interval = 250 milli-sec\n",
        "   Preempt = disabled\n",
        "     172.18.1.15 dev eth0 scope global\n",
        "     prepend 10.4.0.0/24 src 10.1.0.4 via inet 10.1.0.9 dev eth1 table 7 metric 7 no_track\n",
        "     eth2 weight -3\n",
        "   Authentication type = SIMPLE_PASSWORD\n",
        " VRRP Script = chk\n",
        "   Status = INIT\n",
        " Name = eth0\n",
    ] {
        assert!(data.contains(line), "{line}{data}");
    }
}

#[test]
fn a_dump_replaces_a_file_and_follows_no_link() {
    let dir = std::env::temp_dir().join(format!("keepair-dump-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let [path, other] = ["keepalived.json", "other"].map(|name| dir.join(name));
    std::fs::write(&other, "precious").unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    replace(&path, "[]\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "[]\n");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);
    std::fs::remove_dir_all(&dir).unwrap();
}
