//! The built daemon with `--record`, and `keepair replay` of what it recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{KEEPAIR, Machine, Network, PASSWORD, PEER, Running, says, wait_for};
use keepair_core::config::{Announce, Config, Member, Priority, Timing, Vip, Vrid};
use keepair_core::time::Time;
use keepair_core::{Input, Node};
use keepair_record::{Clock, Encoder, Sums, Why};
use nix::sys::signal::Signal;
use serde_json::Value;

const FILE: &str = "record.jsonl";

/// Starts the daemon with a record, by way of `wrapper` if there is one.
fn start(machine: &Machine, wrapper: &[&str]) -> Running {
    let log = File::options().create(true).append(true).open(machine.dir.path("log")).unwrap();
    let daemon = machine.daemon_command();
    let run = daemon.get_args().skip_while(|argument| *argument != "run");
    let program = wrapper.first().copied().unwrap_or(KEEPAIR);
    let mut command = machine.network.command(program);
    if let [_, rest @ ..] = wrapper {
        command.args(rest).arg(KEEPAIR);
    }
    command.args(run).arg("--record").arg(machine.dir.path(FILE));
    command.env_remove("JOURNAL_STREAM").stdout(Stdio::null()).stderr(log);
    Running(command.spawn().unwrap())
}

fn stop(mut daemon: Running, machine: &Machine) {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(Duration::from_secs(2)).code(), Some(0), "{}", machine.log());
}

fn replay(file: &Path, arguments: &[&str]) -> Output {
    Command::new(KEEPAIR).arg("replay").arg(file).args(arguments).output().unwrap()
}

/// What a replay shows; it must end so.
#[track_caller]
fn shown(file: &Path, arguments: &[&str], code: i32) -> String {
    let out = replay(file, arguments);
    let text = String::from_utf8(out.stdout).unwrap();
    let errors = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "{errors}\n{text}");
    assert_eq!(errors.is_empty(), code != 2, "{errors}");
    format!("{text}{errors}")
}

/// A daemon that first has the wrong password, then serves, loses its Redis, and is told to stop.
fn recorded() -> Machine {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    let redis = machine.start_redis();
    machine.dir.write("password", "wr0ng-one\n");
    let daemon = start(&machine, &[]);
    machine.wait_state("Unfit", "WRONGPASS");
    machine.dir.write("password", &format!("{PASSWORD}\n"));
    daemon.signal(Signal::SIGHUP);
    machine.begin_alone();
    machine.wait_state("Active", "");
    // A record can be looked at while it is written.
    says(&shown(&machine.dir.path(FILE), &[], 0), &["all decided as recorded"]);
    drop(redis);
    machine.wait_state("Unfit", "no Redis");
    stop(daemon, &machine);
    machine
}

#[test]
fn a_live_daemon_is_replayed_and_decides_the_same() {
    let machine = recorded();
    let file = machine.dir.path(FILE);
    let story = shown(&file, &[], 0);
    println!("{story}");
    says(
        &story,
        &[
            "here, keepair 0.1.0: the daemon starts",
            "Redis refused the login: WRONGPASS",
            "a new configuration | say \"configuration reloaded\"",
            "| Backup -> TakingOver (probing) | a deadline | ",
            "ask Redis: INFO",
            "| TakingOver (claiming) -> Active | done: add the addresses | ",
            " | took over: adopted\n",
            "shut the addresses, and refuse the peer as a replica",
            "the daemon is told to stop",
            " decisions: all decided as recorded\n",
        ],
    );
    let lines = |text: &str| text.lines().count();
    let all = shown(&file, &["--all"], 0);
    assert!(lines(&all) > 2 * lines(&story), "{} and {}", lines(&all), lines(&story));
    says(&all, &["Redis answered PING", "INFO: primary with 0 replicas", "look at"]);

    let around = shown(&file, &["--around", "1"], 0);
    says(&around, &["took over (adopted), generation 1", " +0.000000 | "]);
    says(&shown(&file, &["--around", "7"], 2), &["no failover to generation 7"]);
    let later = shown(&file, &["--from", "2100-01-01 00:00:00"], 0);
    assert_eq!(lines(&later), 1, "{later}");

    let json = shown(&file, &["--json"], 0);
    let values: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let active = values.iter().find(|value| value["after"]["state"] == "Active").unwrap();
    assert_eq!(active["before"]["doing"], "claiming");
    assert_eq!(active["raw"]["input"]["ActionDone"][0], "AddVips");
    let summary = &values.last().unwrap()["summary"];
    assert_eq!((&summary["differing"], &summary["whole"]), (&Value::from(0), &Value::from(true)));
}

/// The core is never told a password: there is no place in a record where one could be.
#[test]
fn no_password_is_in_the_record() {
    let machine = recorded();
    let record = machine.dir.read(FILE);
    assert!(record.contains("WRONGPASS") && record.contains("\"requirepass\":true"));
    for secret in [PASSWORD, "wr0ng-one"] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        for form in [secret.to_owned(), hex, numbers.join(",")] {
            assert!(!record.contains(&form), "{form} is in the record");
        }
    }
}

#[test]
fn a_changed_byte_in_the_middle_is_named_with_its_place() {
    let machine = recorded();
    let file = machine.dir.path(FILE);
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let before = &bytes[..at];
    let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let offset = before.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let said = shown(&file, &[], 2);
    says(&said, &["keepair: ", &format!("{FILE}: record {number} at byte {offset}: damaged")]);
    // What is before it is told all the same.
    says(&said, &["the daemon starts", "as recorded, as far as the record can be read\n"]);
}

#[test]
fn a_killed_daemon_leaves_a_record_that_the_next_one_goes_on_with() {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    let _redis = machine.start_redis();
    let mut daemon = start(&machine, &[]);
    machine.begin_alone();
    machine.wait_state("Active", "");
    machine.wait_kept("\"primary\":true");
    daemon.signal(Signal::SIGKILL);
    daemon.ended_within(Duration::from_secs(1));
    // The last record was not written to its end.
    let bytes = std::fs::read(machine.dir.path(FILE)).unwrap();
    std::fs::write(machine.dir.path(FILE), &bytes[..bytes.len() - 30]).unwrap();
    says(&shown(&machine.dir.path(FILE), &[], 0), &["*** ", "is cut off after"]);
    let daemon = start(&machine, &[]);
    machine.wait_state("Active", "");
    stop(daemon, &machine);
    let story = shown(&machine.dir.path(FILE), &[], 0);
    says(&story, &["is cut off after", "all decided as recorded"]);
    assert_eq!(story.matches("keepair 0.1.0: the daemon starts").count(), 2);
}

#[test]
fn a_record_that_cannot_be_written_is_a_refusal_at_the_start() {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    machine.dir.write("other", "precious\n");
    for (name, words) in [
        ("missing/record.jsonl", "No such file or directory"),
        ("other", "it holds something else"),
        ("other/record.jsonl", "Not a directory"),
    ] {
        let mut command = machine.daemon_command();
        command.arg("--record").arg(machine.dir.path(name));
        let said = machine.refused(command);
        says(&said, &["keepair: can't record to ", name, words]);
        assert_eq!(said.lines().count(), 1, "{said}");
        machine.network.assert_shut(&[PEER]);
    }
    assert_eq!(machine.dir.read("other"), "precious\n");
}

#[test]
fn a_disk_that_fills_ends_the_recording_and_nothing_else() {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    let _redis = machine.start_redis();
    // No file may grow beyond 32 blocks of 512 bytes.
    let daemon = start(&machine, &["sh", "-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\""]);
    machine.begin_alone();
    machine.wait_state("Active", "");
    wait_for("the end of the recording", || machine.log().contains("recording stopped"));
    says(&machine.log(), &["the daemon goes on without: File too large"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(machine.status()["state"], "Active");
    assert_eq!(machine.log().matches("recording stopped").count(), 1);
    let story = shown(&machine.dir.path(FILE), &[], 0);
    assert!(!story.contains("cut off"), "{story}");
    stop(daemon, &machine);
}

/// A record of a daemon that did otherwise than this one would.
fn forged(did: &[&str]) -> Vec<u8> {
    let member = |name: &str, address: &str| Member {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        priority: Priority(100),
    };
    let config = Config {
        vrid: Vrid(51),
        vips: vec![Vip { address: "10.9.0.10".parse().unwrap(), prefix_len: 24 }],
        members: [member("here", "10.9.0.1"), member("there", "10.9.0.2")],
        me: 0,
        advert_interval: Duration::from_millis(100),
        unicast: false,
        preempt: false,
        checksum_pseudo_header: false,
        redis_port: 6379,
        timing: Timing::default(),
        announce: Announce::default(),
        tie_breakers: Vec::new(),
        peer_port: 10112,
        copy_limit_bytes: 0,
    };
    let node = Node::new(config, Time(0));
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    let clock = Clock { at: Time(0), unix_us: 1_785_326_584_123_456 };
    encoder.head(clock, Why::Started, &node, &mut out).unwrap();
    let at = Time(1500);
    encoder
        .handled(at, &Input::Started(Default::default()), did, Some(Sums::default()), &mut out)
        .unwrap();
    out
}

#[test]
fn a_decision_that_differs_is_shown_with_time_and_input() {
    let dir = common::Dir::new();
    let file = dir.path(FILE);
    std::fs::write(&file, forged(&["OpenFence", "AddVips"])).unwrap();
    let said = shown(&file, &[], 1);
    println!("{said}");
    says(
        &said,
        &[
            "*** 2026-07-29T12:03:04.124956Z, ",
            ": record 2 at byte ",
            ", the recorded daemon did OpenFence AddVips; this keepair would: remove the addresses; ",
            "connect to Redis; ",
            "1 inputs, 1 decisions: 1 decided otherwise than recorded, from ",
        ],
    );
    let out = replay(&file, &["--json"]);
    assert_eq!(out.status.code(), Some(1));
    let json = String::from_utf8(out.stdout).unwrap();
    says(&json, &["\"agrees\":false", "\"differing\":1"]);
    says(&String::from_utf8(out.stderr).unwrap(), &["the recorded daemon did OpenFence AddVips"]);
}

#[test]
fn what_is_no_record_is_an_error_of_its_own() {
    let dir = common::Dir::new();
    dir.write("empty", "");
    dir.write("text", "vip = []\n");
    for (name, words) in [
        ("missing", "No such file or directory"),
        ("empty", "is empty"),
        ("text", "record 1 at byte 0: this is no record of keepair"),
        (".", "Is a directory"),
    ] {
        let said = shown(&dir.path(name), &[], 2);
        assert_eq!(said.lines().count(), 1, "{said}");
        says(&said, &["keepair: ", words]);
    }
}
