//! The replication gate at the start of the built daemon: the other machine's Redis gets nothing from
//! the local one before a keepair has looked at it, whatever becomes of the start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use common::{KEEPAIR, Machine, Network, OWN, PEER, Running, replicates, says, wait_for};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

const RESET: Result<(), ErrorKind> = Err(ErrorKind::ConnectionRefused);

/// A machine whose Redis listens, as it does when it boots beside keepair, and the other one.
fn scene() -> (Machine, Network, TcpListener) {
    let [here, there] = Network::pair();
    let redis = here.run(|| TcpListener::bind("0.0.0.0:6379").unwrap());
    (Machine::new(here), there, redis)
}

/// What keeps a daemon from starting: how to make it so, and what it says.
type Failure = (&'static str, fn(&Machine), &'static str);

const FAILURES: &[Failure] = &[
    (
        "the password file is missing",
        |machine| std::fs::remove_file(machine.dir.path("password")).unwrap(),
        "password_file",
    ),
    ("the run directory is a file", |machine| drop(machine.dir.write("run", "")), "run directory"),
    (
        "the lock can't be opened",
        |machine| std::fs::create_dir_all(machine.dir.path("run/lock")).unwrap(),
        "/run/lock",
    ),
    (
        "the interface is missing",
        |machine| drop(machine.configure(|text| text.replace("eth0", "eth7"))),
        "no interface `eth7`",
    ),
];

#[test]
fn the_peer_replicated_from_a_machine_whose_keepair_did_not_start() {
    for (what, spoil, words) in FAILURES {
        let (machine, there, _redis) = scene();
        assert_eq!(replicates(&there), Ok(()), "before keepair knows of the pair");
        spoil(&machine);
        says(&machine.refused(machine.daemon_command()), &[words, "replication gate stays closed"]);
        assert_eq!(replicates(&there), RESET, "{what}");
        // The service manager tries again and again.
        machine.refused(machine.daemon_command());
        assert_eq!(replicates(&there), RESET, "{what}, twice");
    }
}

#[test]
fn the_peer_replicated_from_a_machine_whose_configuration_was_spoilt() {
    for (what, text) in [("a word too many", Some("[pair]\nmember = 1\n")), ("no file", None)] {
        let (machine, there, _redis) = scene();
        let daemon = machine.start();
        machine.wait_answer();
        drop(daemon);
        // Booted.
        machine.network.sh("nft flush ruleset");
        assert_eq!(replicates(&there), Ok(()), "before keepair is started");
        let file = machine.dir.path("keepair.toml");
        match text {
            Some(text) => std::fs::write(file, text).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
        let said = machine.refused(machine.daemon_command());
        says(&said, &["keepair.toml", "replication gate stays closed"]);
        assert_eq!(replicates(&there), RESET, "{what}");
    }
}

#[test]
fn the_peer_replicated_from_a_machine_whose_address_came_late() {
    let (machine, there, _redis) = scene();
    machine.network.sh("ip addr flush dev eth0");
    says(&machine.refused(machine.daemon_command()), &["this machine is neither node"]);
    machine.network.sh(&format!("ip addr add {OWN}/24 dev eth0"));
    assert_eq!(replicates(&there), RESET);
    // The next start knows which machine it is: local programs get in by the own address.
    let _daemon = machine.start();
    machine.wait_answer();
    assert_eq!(machine.network.gated(), [PEER]);
    machine.network.run(|| std::net::TcpStream::connect((OWN, 6379)).unwrap());
    assert_eq!(replicates(&there), RESET, "nobody has looked at this Redis");
}

#[test]
fn the_peer_replicated_while_keepair_was_still_starting() {
    let (machine, there, _redis) = scene();
    // Reading the password takes for ever.
    std::fs::remove_file(machine.dir.path("password")).unwrap();
    mkfifo(&machine.dir.path("password"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let mut daemon = machine.start();
    wait_for("the gate", || replicates(&there) == RESET);
    assert!(daemon.0.try_wait().unwrap().is_none(), "it is still starting");
    assert!(machine.status().is_null());
    // Killed while it starts, it leaves the gate closed.
    drop(daemon);
    assert_eq!(replicates(&there), RESET);
}

#[test]
fn a_second_keepair_by_mistake_closes_no_gate_of_the_first() {
    let [here, there] = Network::pair();
    let machine = Machine::new(here);
    let _redis = machine.start_redis();
    let _daemon = machine.start_alone();
    machine.wait_state("Active", "");
    assert_eq!(replicates(&there), Ok(()));
    says(&machine.refused(machine.daemon_command()), &["another keepair runs with"]);
    assert_eq!(replicates(&there), Ok(()));
    assert_eq!(machine.status()["state"], "Active");
}

#[test]
fn a_command_beside_the_daemon_touches_no_rule() {
    let (machine, there, _redis) = scene();
    let file = machine.dir.path("keepair.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let file = file.to_str().unwrap();
    let run_dir = machine.dir.path("run");
    let run_dir = run_dir.to_str().unwrap();
    for arguments in
        [&["check", file][..], &["status", "--run-dir", run_dir], &["config", "--default"]]
    {
        let mut command = machine.network.command(KEEPAIR);
        command.args(arguments).stdout(std::process::Stdio::null());
        Running(command.stderr(std::process::Stdio::null()).spawn().unwrap())
            .ended_within(std::time::Duration::from_secs(2));
        machine.network.assert_untouched();
    }
    assert_eq!(replicates(&there), Ok(()));
}
