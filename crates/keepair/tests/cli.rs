//! The built program as an operator meets it: files with mistakes, starts that can't work, commands
//! without a daemon. Each ends with one clear message and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use common::{Dir, KEEPAIR, Machine, Network, OWN, PASSWORD, PEER, files, says};

fn keepair(arguments: &[&str]) -> Output {
    Command::new(KEEPAIR).args(arguments).output().unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

#[test]
fn the_default_configuration_is_one_that_check_accepts() {
    let dir = Dir::new();
    let shown = keepair(&["config", "--default"]);
    assert!(shown.status.success());
    let file = dir.write("keepair.toml", &String::from_utf8(shown.stdout).unwrap());
    let checked = keepair(&["check", file.to_str().unwrap()]);
    assert_eq!(stderr(&checked), "");
    assert_eq!(checked.status.code(), Some(0));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(said, format!("{}: no mistakes; the pair is redis-1 and redis-2\n", file.display()));
}

#[test]
fn check_names_the_tie_breakers_and_no_password() {
    let dir = Dir::new();
    let text = format!(
        "vip = \"10.9.0.10/24\"\ninterface = \"eth0\"\nvirtual_router_id = 7\n\
         [[node]]\nname = \"a\"\naddress = \"10.9.0.1\"\n\
         [[node]]\nname = \"b\"\naddress = \"10.9.0.2\"\n\
         [tiebreaker]\ngateway = \"auto\"\nwitness = \"redis://:{PASSWORD}@10.9.0.3\"\n"
    );
    let file = dir.write("keepair.toml", &text);
    let name = file.to_str().unwrap();
    let out = keepair(&["check", name]);
    let said = String::from_utf8(out.stdout.clone()).unwrap() + &stderr(&out);
    let third = "the tie-breaker is gateway and witness 10.9.0.3:6379";
    assert_eq!(said, format!("{name}: no mistakes; the pair is a and b; {third}\n"));
}

#[test]
fn check_shows_every_mistake_with_its_place() {
    let dir = Dir::new();
    let text = format!(
        "vip = [\"10.9.0.10/24\", \"nonsense\"]\n\
         interfaze = \"eth0\"\n\
         virtual_router_id = 700\n\
         [[node]]\nname = \"a\"\naddress = \"10.9.0.1\"\n\
         [[node]]\nname = \"b\"\naddress = \"10.9.0.300\"\n\
         [redis]\npassword = \"{PASSWORD}\"\npassword_file = \"relative\"\n"
    );
    let file = dir.write("bad.toml", &text);
    let name = file.to_str().unwrap();
    let out = keepair(&["check", name]);
    let said = stderr(&out);
    for (place, what) in [
        ("1:1", "missing key `interface`"),
        ("1:24", "`nonsense`"),
        ("2:1", "did you mean `interface`?"),
        ("3:21", "`700` is out of range"),
        ("9:11", "`10.9.0.300`"),
        ("12:1", "`password` and `password_file`"),
        ("12:17", "`relative` is not an absolute path"),
    ] {
        says(&said, &[&format!("{name}:{place}\n"), what]);
    }
    says(&said, &[&format!("keepair: {name}: 7 mistakes\n")]);
    assert!(!said.contains(PASSWORD), "{said}");
    assert!(!said.contains('\x1b'), "colour without a terminal");
    assert_eq!(out.status.code(), Some(1));
    assert!(out.stdout.is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = Dir::new();
    let missing = dir.path("missing.toml");
    std::fs::write(dir.path("latin1.toml"), b"# caf\xe9\n").unwrap();
    for (file, why) in [
        (missing, "No such file"),
        (dir.path("latin1.toml"), "UTF-8"),
        (dir.path("."), "directory"),
    ] {
        let out = keepair(&["check", file.to_str().unwrap()]);
        says(&stderr(&out), &["keepair: ", file.to_str().unwrap(), why]);
        assert_eq!(stderr(&out).lines().count(), 1);
        assert_eq!(out.status.code(), Some(1));
    }
}

#[test]
fn commands_without_a_daemon_say_where_they_looked() {
    let dir = Dir::new();
    // One that ended without a farewell leaves its socket.
    drop(std::os::unix::net::UnixListener::bind(dir.path("control.sock")).unwrap());
    let missing = dir.path("missing");
    for run_dir in [&dir.path("."), &missing] {
        for command in [&["status"][..], &["status", "--json"], &["switchover"]] {
            let run_dir = run_dir.to_str().unwrap();
            let out = keepair(&[command, &["--run-dir", run_dir]].concat());
            says(&stderr(&out), &["keepair: no keepair answers at", run_dir, "is it running"]);
            assert_eq!(stderr(&out).lines().count(), 1);
            assert_eq!(out.status.code(), Some(1));
            assert!(out.stdout.is_empty());
        }
    }
    assert!(!missing.exists());
}

#[test]
fn a_reader_who_has_seen_enough_is_no_mistake() {
    let dir = Dir::new();
    let shown = keepair(&["config", "--default"]);
    let file = dir.write("keepair.toml", &String::from_utf8(shown.stdout).unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(KEEPAIR);
    command.arg("check").arg(file).stdout(writer).stderr(Stdio::piped());
    let out = command.output().unwrap();
    assert_eq!(stderr(&out), "");
    assert_eq!(out.status.code(), Some(0));
}

/// A start that can't work: what is wrong, how to make it so, what must be said.
type Refusal = (&'static str, fn(&Machine), &'static [&'static str]);

const REFUSALS: &[Refusal] = &[
    (
        "neither node is local",
        |machine| drop(machine.network.sh("ip addr flush dev eth0")),
        &["this machine is neither node", OWN, "here", PEER, "there", "127.0.0.1"],
    ),
    (
        "both nodes are local",
        |machine| drop(machine.network.sh("ip addr add 10.9.0.2/24 dev eth0")),
        &["addresses of both nodes", OWN, PEER, "the pair needs two machines"],
    ),
    (
        "the interface is missing",
        |machine| drop(machine.configure(|text| text.replace("eth0", "eth7"))),
        &["no interface `eth7`"],
    ),
    (
        "the password file is missing",
        |machine| std::fs::remove_file(machine.dir.path("password")).unwrap(),
        &["password_file", "/password", "No such file"],
    ),
    (
        "the password file is a directory",
        |machine| {
            std::fs::remove_file(machine.dir.path("password")).unwrap();
            std::fs::create_dir(machine.dir.path("password")).unwrap();
        },
        &["password_file", "/password", "directory"],
    ),
    (
        "the password file is empty",
        |machine| drop(machine.dir.write("password", "\n")),
        &["password_file", "/password is empty"],
    ),
    (
        "the password file holds more",
        |machine| drop(machine.dir.write("password", &format!("{PASSWORD}\nsecond\n"))),
        &["password_file", "/password", "more than one line"],
    ),
    (
        "the certificate to trust is none",
        |machine| {
            let ca = machine.dir.write("ca.pem", "nothing\n");
            machine.configure(|text| format!("{text}[redis.tls]\nca = \"{}\"\n", ca.display()));
        },
        &["/ca.pem", "holds no certificate"],
    ),
    (
        "the run directory is a file",
        |machine| drop(machine.dir.write("run", "")),
        &["run directory", "/run"],
    ),
    (
        "the control socket's group does not exist",
        |machine| drop(machine.configure(|text| format!("{text}[control]\ngroup = \"nogrp7\"\n"))),
        &["no group `nogrp7`", "groupadd nogrp7"],
    ),
    (
        "the control socket can't be made",
        |machine| std::fs::create_dir_all(machine.dir.path("run/control.sock")).unwrap(),
        &["control socket", "/run/control.sock"],
    ),
];

#[test]
fn a_start_that_cannot_work_names_the_culprit_and_leaves_the_gate_closed() {
    for (what, spoil, words) in REFUSALS {
        let [here, _there] = Network::pair();
        let machine = Machine::new(here);
        spoil(&machine);
        let said = machine.refused(machine.daemon_command());
        println!("{what}: {said}");
        says(&said, words);
        assert!(!said.contains(PASSWORD), "{said}");
        assert_eq!(said.matches("keepair: ").count(), 1, "{what}: more than one message: {said}");
        says(&said, &["the replication gate stays closed"]);
        // Which of the two machines this is may be what it does not know.
        let unknown = what.contains("local");
        machine.network.assert_shut(if unknown { &[OWN, PEER] } else { &[PEER] });
        assert!(!machine.dir.path("run/control.sock").is_file());
    }
}

#[test]
fn a_file_with_mistakes_names_no_pair_and_leaves_nothing() {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    machine.configure(|text| text.replace("= 51", "= 0"));
    let said = machine.refused(machine.daemon_command());
    says(&said, &["keepair.toml:3:21", "virtual_router_id", "1 mistake\n"]);
    machine.network.assert_untouched();
}

#[test]
fn a_port_that_is_taken_leaves_the_gate_closed() {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    let _taken = machine.network.run(|| std::net::UdpSocket::bind((OWN, 10_112)).unwrap());
    says(&machine.refused(machine.daemon_command()), &["UDP port 10112", "in use"]);
    machine.network.assert_shut(&[PEER]);
}

#[test]
fn a_password_everybody_may_read_is_warned_of() {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(machine.dir.path("password"), open).unwrap();
    let _daemon = machine.start();
    machine.wait_answer();
    says(&machine.log(), &["warning: everybody can read", "/password", "chmod 600"]);
}

#[test]
fn a_second_daemon_with_the_same_run_directory_is_refused() {
    let [here, _there] = Network::pair();
    let machine = Machine::new(here);
    let _first = machine.start();
    machine.wait_answer();
    let said = machine.refused(machine.daemon_command());
    says(&said, &["another keepair runs with", machine.dir.path("run").to_str().unwrap()]);
    // The first goes on as before.
    assert_eq!(machine.status()["name"], "here");
}

#[test]
fn the_missing_capability_is_named() {
    for (kept, missing, present) in [
        ("-all", &["CAP_NET_ADMIN", "CAP_NET_RAW"][..], ""),
        ("-all,+net_raw", &["CAP_NET_ADMIN"], "CAP_NET_RAW"),
        ("-all,+net_admin", &["CAP_NET_RAW"], "CAP_NET_ADMIN"),
    ] {
        let [here, _there] = Network::pair();
        let machine = Machine::new(here);
        // Root without capabilities reads its files as their owner.
        let mut command = machine.network.command("setpriv");
        command.args(["--bounding-set", kept, "--inh-caps", "-all"]);
        let daemon = machine.daemon_command();
        command.arg(KEEPAIR).args(daemon.get_args().skip_while(|argument| *argument != "run"));
        let said = machine.refused(command);
        says(&said, missing);
        says(&said, &["run it as root"]);
        assert!(present.is_empty() || !said.contains(present), "{kept}: {said}");
        let gated: &[&str] = if present == "CAP_NET_ADMIN" { &[PEER] } else { &[] };
        machine.network.assert_shut(gated);
        assert_eq!(files(&machine.dir.path("run")), ["lock"]);
    }
}
