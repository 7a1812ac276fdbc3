//! A state directory that is damaged, full, read-only or none, and the built daemon: it starts and
//! serves, and says once what is wrong and where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Machine, Network, Running, files, says, wait_for};
use nix::sys::signal::Signal;

/// A small disk of its own, gone with the test.
struct Disk(PathBuf);

impl Disk {
    /// At the state directory of this machine.
    fn at_state(machine: &Machine) -> Disk {
        let path = machine.dir.path("state");
        std::fs::create_dir(&path).unwrap();
        let disk = Disk(path);
        disk.sh("mount -t tmpfs -o size=64k tmpfs");
        disk
    }

    /// Runs a command on its path.
    fn sh(&self, command: &str) {
        let command = format!("{command} {}", self.0.display());
        let status = Command::new("sh").arg("-ec").arg(&command).status().unwrap();
        assert!(status.success(), "{command}");
    }

    fn fill(&self) {
        let _ = std::fs::write(self.0.join("ballast"), vec![0; 1 << 20]);
        assert_eq!(std::fs::metadata(self.0.join("ballast")).unwrap().len(), 64 << 10);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Without a peer, with a real Redis.
fn scene() -> (Machine, Network, Running) {
    let [here, there] = Network::pair();
    let machine = Machine::new(here);
    let redis = machine.start_redis();
    (machine, there, redis)
}

/// Serves, although nothing can be kept, and has warned once with these words.
#[track_caller]
fn serves_and_warns(machine: &Machine, words: &[&str]) {
    machine.wait_state("Active", "");
    let log = machine.log();
    let warnings: Vec<&str> =
        log.lines().filter(|line| line.starts_with("keepair: warning: ")).collect();
    let [warning] = warnings[..] else { panic!("{} warnings: {log}", warnings.len()) };
    says(warning, words);
    says(&shown(machine), words);
}

fn shown(machine: &Machine) -> String {
    String::from_utf8(machine.command(&["status"]).stdout).unwrap()
}

#[test]
fn a_full_disk_kept_the_daemon_from_starting() {
    let (machine, _there, _redis) = scene();
    let disk = Disk::at_state(&machine);
    disk.fill();
    let mut daemon = machine.start_alone();
    let path = disk.0.to_str().unwrap();
    serves_and_warns(
        &machine,
        &["the state directory", path, "can't be written: ", "No space left"],
    );
    // Said once, not at every attempt.
    assert!(!machine.log().contains("could not keep the generation"));
    says(&machine.log(), &[&format!("{path}/instance-51: No space left")]);

    // Room is made: the generation is kept without a restart, and the number as well.
    std::fs::remove_file(disk.0.join("ballast")).unwrap();
    machine.wait_kept("\"primary\":true");
    assert_eq!(files(&disk.0), ["generation-51.json", "instance-51"]);
    wait_for("the end of the problem", || {
        !shown(&machine).contains("problem: the state directory")
    });
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended_within(std::time::Duration::from_secs(2)).success());
}

#[test]
fn a_read_only_disk_kept_the_daemon_from_starting() {
    let (machine, _there, _redis) = scene();
    let disk = Disk::at_state(&machine);
    disk.sh("mount -o remount,ro");
    let _daemon = machine.start_alone();
    let path = disk.0.to_str().unwrap();
    serves_and_warns(&machine, &["the state directory", path, "Read-only file system"]);
    disk.sh("mount -o remount,rw");
    machine.wait_kept("\"primary\":true");
}

#[test]
fn a_file_in_the_place_of_the_directory_kept_the_daemon_from_starting() {
    let (machine, _there, _redis) = scene();
    let path = machine.dir.write("state", "");
    let _daemon = machine.start_alone();
    let words = ["the state directory", path.to_str().unwrap(), "can't be made: File exists"];
    serves_and_warns(&machine, &words);
    std::fs::remove_file(&path).unwrap();
    machine.wait_kept("\"primary\":true");
}

#[test]
fn a_damaged_number_kept_the_daemon_from_starting() {
    let (machine, _there, _redis) = scene();
    std::fs::create_dir(machine.dir.path("state")).unwrap();
    // What a loss of power leaves of a file on some file systems.
    let path = machine.dir.write("state/instance-51", "");
    let _daemon = machine.start_alone();
    serves_and_warns(&machine, &[path.to_str().unwrap(), "is damaged", "the clock"]);
    assert!(machine.dir.read("state/instance-51").trim().parse::<u64>().is_ok());
}

#[test]
fn a_damaged_generation_kept_the_daemon_from_starting() {
    let (machine, _there, _redis) = scene();
    std::fs::create_dir(machine.dir.path("state")).unwrap();
    let path = machine.dir.write("state/generation-51.json", "{\"generation\":");
    let daemon = machine.start();
    // It vouches for nothing by itself: the other machine may hold newer data.
    machine.wait_state("Unfit", "to begin without it: keepair solo");
    assert_eq!(machine.status()["generation"], 0);
    machine.begin_alone();
    serves_and_warns(&machine, &[path.to_str().unwrap(), "is damaged", "joins like a new one"]);
    assert_eq!(machine.dir.read("state/generation-51.json.damaged"), "{\"generation\":");
    machine.wait_kept("\"primary\":true");
    drop(daemon);
}
