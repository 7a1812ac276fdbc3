//! What a keepalived.conf means: Keepair's data dump beside the installed keepalived's, of the same file
//! on the same interfaces. Needs Debian's package `keepalived`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Dir, KEEPAIR, Network, Running, wait_for};

/// Labels of both dumps whose values come from the file alone.
const LABELS: [&str; 19] = [
    "VRRP Version",
    "Sync group",
    "Interface",
    "Gratuitous ARP delay",
    "Gratuitous ARP repeat",
    "Gratuitous ARP refresh",
    "Gratuitous ARP refresh repeat",
    "Gratuitous ARP lower priority delay",
    "Gratuitous ARP lower priority repeat",
    "Down timer adverts",
    "Send advert after receive lower priority advert",
    "Send advert after receive higher priority advert",
    "Virtual Router ID",
    "Priority",
    "Advert interval",
    "Accept",
    "Preempt",
    "Authentication type",
    "Notify priority changes",
];

/// Lists of both.
const LISTS: [&str; 5] =
    ["Virtual IP (", "Virtual IP Excluded", "Unicast Peer", "Virtual Routes", "Virtual Rules"];

/// What a dump says of each instance.
fn read(dump: &str) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let topology = dump.split("------<").find(|part| part.starts_with(" VRRP Topology"));
    let (mut instance, mut in_list) = (String::new(), false);
    for line in topology.expect("a topology").lines() {
        if let Some(name) = line.strip_prefix(" VRRP Instance = ") {
            instance = name.to_owned();
            in_list = false;
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        if indent == 3 {
            in_list = LISTS.iter().any(|list| text.starts_with(list));
        }
        let is_row = text.split_once(" = ").is_some_and(|(label, _)| LABELS.contains(&label));
        if (indent == 3 && is_row) || (indent == 5 && in_list) {
            // Whether it is there at the moment does not matter, nor where a macvlan stands.
            let text = text.trim_end_matches(" set").replace(", xmit base i/f", "");
            out.entry(instance.clone()).or_default().push(text);
        }
    }
    out.values_mut().for_each(|rows| rows.sort());
    out
}

/// A machine with three interfaces and their addresses.
fn machine() -> Network {
    let network = Network::new();
    for (name, address) in [("eth0", "172.18.0.4"), ("eth1", "10.1.0.4"), ("eth2", "10.2.0.4")] {
        network.sh(&format!(
            "ip link add {name} type veth peer name p{name}; ip link set p{name} up; \
             ip link set {name} up; ip addr add {address}/24 dev {name}"
        ));
    }
    network
}

/// The data dump of a daemon that reads this file; `DIR` is its directory.
fn dump(dir: &Path, text: &str, daemon: &str) -> String {
    let network = machine();
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("keepalived.conf"), text).unwrap();
    let log = File::create(dir.join("log")).unwrap();
    let daemon = daemon.replace("DIR", &dir.display().to_string());
    let mut words = daemon.split(' ');
    let mut command = network.command(words.next().unwrap());
    command.args(words).env("TMPDIR", dir).stdout(Stdio::null()).stderr(log);
    let mut daemon = Running(command.spawn().unwrap());
    let data = dir.join("keepalived.data");
    let written = || std::fs::read_to_string(&data).unwrap_or_default();
    // A signal that comes before it is ready would end it.
    let ready = || std::fs::read_to_string(dir.join("log")).unwrap_or_default().contains("BACKUP");
    wait_for("a daemon", ready);
    let process = daemon.0.id().to_string();
    assert!(Command::new("kill").args(["-USR1", &process]).status().unwrap().success());
    wait_for("a dump", || written().contains("------< Interfaces >------"));
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.ended_within(std::time::Duration::from_secs(8));
    written()
}

const FILES: &[(&str, &str)] = &[
    ("the usual", include_str!("../../../examples/keepalived/redis-1.conf")),
    ("values that are settled", include_str!("defaults/settled.conf")),
    ("announcements, groups and macvlans", include_str!("defaults/groups.conf")),
    ("least announcements", include_str!("defaults/least.conf")),
    ("more addresses than fit", include_str!("defaults/many.conf")),
];

#[test]
fn keepair_says_of_a_file_what_keepalived_says() {
    for (what, text) in FILES {
        let dir = Dir::new();
        // Scripts are not what this is about.
        let text = text.lines().filter(|line| !line.trim().starts_with("notify_"));
        let text: Vec<&str> = text.collect();
        let text = text.join("\n").replace("/etc/keepalived/scripts/redis_check.sh", "/bin/true");
        let theirs = dump(
            &dir.path("theirs"),
            &text,
            "keepalived -n -l -D -f DIR/keepalived.conf -p DIR/pid -r DIR/vrrp",
        );
        let keepair = format!("{KEEPAIR} run -f DIR/keepalived.conf --run-dir DIR/run");
        let ours = dump(&dir.path("ours"), &text, &keepair);
        let [theirs, ours] = [theirs, ours].map(|dump| read(&dump));
        assert!(!theirs.is_empty(), "{what}");
        assert_eq!(ours, theirs, "{what}: ours is the first");
    }
}
