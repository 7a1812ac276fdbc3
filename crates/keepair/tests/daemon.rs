//! The built daemon with a real Redis, alone in its pair: when it takes the address, when it does
//! not, what it leaves behind, and that it keeps the password to itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Machine, Network, PASSWORD, Running, VIP, files, replicates, says, wait_for};
use nix::sys::signal::Signal;

const OTHER_VIP: &str = "10.9.0.11";

/// This machine with its Redis, and the one at the other end of the cable.
struct Scene {
    machine: Machine,
    there: Network,
}

impl Scene {
    fn new() -> Scene {
        let [here, there] = Network::pair();
        Scene { machine: Machine::new(here), there }
    }

    /// The daemon, Active at the address.
    fn active(&self) -> Running {
        let is_new = !self.machine.dir.path("state/generation-51.json").exists();
        let daemon = if is_new { self.machine.start_alone() } else { self.machine.start() };
        self.machine.wait_state("Active", "");
        self.machine.wait_kept("\"primary\":true");
        daemon
    }

    fn has_vip(&self) -> bool {
        self.machine.network.has_address(VIP)
    }

    /// The other machine reaches Redis at this address.
    fn is_served(&self, address: &str) -> bool {
        let to: SocketAddr = format!("{address}:6379").parse().unwrap();
        self.there.run(|| {
            let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_millis(300)) else {
                return false;
            };
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let asked = stream.write_all(b"PING\r\n");
            asked.is_ok() && stream.read(&mut [0; 64]).is_ok_and(|count| count > 0)
        })
    }

    /// Waits for a line of the log that was not there before.
    #[track_caller]
    fn wait_log(&self, words: &str) {
        wait_for(words, || self.machine.log().contains(words));
    }

    #[track_caller]
    fn never_has_vip_for(&self, span: Duration) {
        let start = Instant::now();
        while start.elapsed() < span {
            assert!(!self.has_vip(), "it took the address\n{}", self.machine.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Neither what anybody may see of the process nor what it says holds the password.
    fn assert_password_is_kept(&self, daemon: &Running) {
        let proc = |name: &str| {
            std::fs::read(format!("/proc/{}/{name}", daemon.0.id())).unwrap_or_default()
        };
        let said = |arguments: &[&str]| {
            let out = self.machine.command(arguments);
            [out.stdout, out.stderr].concat()
        };
        for seen in [
            proc("cmdline"),
            proc("environ"),
            proc("comm"),
            self.machine.log().into_bytes(),
            said(&["status"]),
            said(&["status", "--json"]),
        ] {
            let seen = String::from_utf8_lossy(&seen);
            assert!(!seen.contains(PASSWORD), "{seen}");
            assert!(!seen.contains("wr0ng"), "{seen}");
        }
    }
}

#[test]
fn a_wrong_password_keeps_it_unfit_and_the_right_one_makes_it_active() {
    let scene = Scene::new();
    let machine = &scene.machine;
    let _redis = machine.start_redis();
    machine.dir.write("password", "wr0ng-one\n");
    let daemon = machine.start();
    machine.wait_state("Unfit", "Redis refused the login: WRONGPASS");
    scene.never_has_vip_for(Duration::from_millis(600));
    machine.wait_state("Unfit", "Redis refused the login: WRONGPASS");
    assert!(!scene.is_served(VIP));
    scene.assert_password_is_kept(&daemon);
    let tries = machine.log().matches("WRONGPASS").count();
    assert!(tries <= 3, "{tries} lines about one mistake: {}", machine.log());

    machine.dir.write("password", &format!("{PASSWORD}\n"));
    daemon.signal(Signal::SIGHUP);
    machine.begin_alone();
    machine.wait_state("Active", "");
    assert!(scene.has_vip() && scene.is_served(VIP));
    scene.assert_password_is_kept(&daemon);
}

#[test]
fn no_password_where_one_is_needed_names_the_setting() {
    let scene = Scene::new();
    let _redis = scene.machine.start_redis();
    scene.machine.configure(|text| text.replace("password_file", "#password_file"));
    let _daemon = scene.machine.start();
    scene.machine.wait_state("Unfit", "NOAUTH Authentication required. (set `password_file`");
    assert!(!scene.has_vip());
}

#[test]
fn alone_it_waits_for_the_other_until_it_is_told_to_serve() {
    let scene = Scene::new();
    let machine = &scene.machine;
    let _redis = machine.start_redis();
    machine.configure(|text| text.replace("300ms", "1s"));
    let start = Instant::now();
    let mut daemon = machine.start();
    machine.wait_state("Unfit", "to begin without it: keepair solo");
    let after = start.elapsed();
    assert!(after >= Duration::from_secs(1), "after {after:?} only");
    // What would happen is said, and does not.
    let out = machine.command(&["solo"]);
    assert_eq!(out.status.code(), Some(1));
    says(
        &String::from_utf8(out.stdout).unwrap(),
        &["here will begin without there", "both will serve"],
    );
    says(&String::from_utf8(out.stderr).unwrap(), &["keepair: solo: nothing was done", "--yes"]);
    scene.never_has_vip_for(Duration::from_millis(600));
    let out = machine.command(&["solo", "--yes"]);
    assert_eq!(out.status.code(), Some(0));
    says(&String::from_utf8(out.stdout).unwrap(), &["may begin alone, as the operator said"]);
    says(
        &String::from_utf8(machine.command(&["status"]).stdout).unwrap(),
        &["begun alone, as the operator said"],
    );
    wait_for("the address", || scene.has_vip());
    machine.wait_state("Active", "");
    assert!(scene.is_served(VIP));
    // Written behind the claim, which no disk may delay.
    wait_for("the generation on the disk", || {
        files(&machine.dir.path("state")) == ["gate-51.json", "generation-51.json", "instance-51"]
    });
    let out = machine.command(&["status"]);
    says(
        &String::from_utf8(out.stdout).unwrap(),
        &[
            "* here (10.9.0.1), this machine  Active",
            "redis 7.0 primary",
            "there",
            "never been heard",
        ],
    );
    let out = machine.command(&["solo", "--yes"]);
    says(&String::from_utf8(out.stderr).unwrap(), &["here is the primary already"]);
    let out = machine.command(&["switchover"]);
    assert_eq!(out.status.code(), Some(1));
    says(&String::from_utf8(out.stderr).unwrap(), &["keepair: switchover: ", "there"]);
    let out = machine.command(&["switchover", "--to", "nobody"]);
    says(&String::from_utf8(out.stderr).unwrap(), &["no node `nobody`", "`here` and `there`"]);
    let out = machine.command(&["switchover", "--to", "here"]);
    assert_eq!(out.status.code(), Some(0));

    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(Duration::from_secs(2)).code(), Some(0), "{}", machine.log());
    machine.network.assert_untouched();
    assert_eq!(files(&machine.dir.path("run")), ["lock"]);
    assert_eq!(
        files(&machine.dir.path("state")),
        ["gate-51.json", "generation-51.json", "instance-51"]
    );
}

#[test]
fn a_witness_stands_by_a_machine_that_is_alone_and_without_one_it_leaves() {
    const WITNESS: &str = "10.9.0.3";
    let scene = Scene::new();
    let machine = &scene.machine;
    scene.there.sh(&format!("ip addr add {WITNESS}/24 dev eth0"));
    let witness = || {
        let mut command = scene.there.command("redis-server");
        command.args([
            "--port",
            "6379",
            "--bind",
            WITNESS,
            "--requirepass",
            PASSWORD,
            "--save",
            "",
        ]);
        Running(command.stdout(Stdio::null()).spawn().unwrap())
    };
    machine.configure(|text| {
        let file = machine.dir.path("password");
        format!(
            "{text}[tiebreaker]\nwitness = \"redis://{WITNESS}\"\n\
             witness_password_file = \"{}\"\n",
            file.display()
        )
    });
    let _redis = machine.start_redis();
    let daemon = machine.start_alone();
    machine.wait_state("TakingOver", "witness 10.9.0.3:6379: connection refused");
    scene.never_has_vip_for(Duration::from_millis(500));

    let shown = || String::from_utf8(machine.command(&["status"]).stdout).unwrap();
    let line = "tie-breaker witness 10.9.0.3:6379: ";
    says(&shown(), &[&format!("{line}not reached: connection refused\n")]);
    let first = witness();
    machine.wait_state("Active", "");
    says(&shown(), &[&format!("{line}reached, stands by this machine\n")]);
    assert!(scene.is_served(VIP));
    drop(first);
    wait_for("it leaves", || !scene.has_vip());
    assert!(!scene.is_served(VIP));
    scene.wait_log("tie-breaker witness 10.9.0.3:6379 can't be reached");

    let _second = witness();
    machine.wait_state("Active", "");
    assert!(scene.is_served(VIP));
    scene.assert_password_is_kept(&daemon);
}

#[test]
fn whose_data_is_the_pairs_is_decided_where_something_is_to_be_decided() {
    let scene = Scene::new();
    let machine = &scene.machine;
    let _redis = machine.start_redis();
    let _daemon = machine.start();
    machine.wait_state("Unfit", "keepair solo");
    let refused = |arguments: &[&str], words: &[&str]| {
        let out = machine.command(arguments);
        assert_eq!(out.status.code(), Some(1), "{arguments:?}");
        says(&String::from_utf8(out.stderr).unwrap(), words);
        String::from_utf8(out.stdout).unwrap()
    };
    refused(&["accept", "nobody"], &["no node `nobody`"]);
    refused(&["accept", "there", "--yes"], &["there is not heard"]);
    let said = refused(&["accept", "here"], &["nothing was done", "--yes"]);
    says(&said, &["The data of here is the pair's", "The data of there is overwritten"]);
    scene.never_has_vip_for(Duration::from_millis(300));
    let out = machine.command(&["accept", "here", "--yes"]);
    says(&String::from_utf8(out.stdout).unwrap(), &["the operator said that here holds"]);
    assert_eq!(out.status.code(), Some(0));
    machine.wait_state("Active", "");
}

#[test]
fn an_address_somebody_uses_is_left_to_him_by_name() {
    let scene = Scene::new();
    let _redis = scene.machine.start_redis();
    scene.there.sh(&format!("ip addr add {VIP}/24 dev eth0"));
    let mac = scene.there.sh("cat /sys/class/net/eth0/address || true");
    let links = scene.there.sh("ip -o link show eth0");
    let mac = links.split_once("link/ether ").map_or(mac.trim(), |(_, rest)| &rest[..17]);
    let _daemon = scene.machine.start_alone();
    scene.machine.wait_state("Unfit", &format!("{VIP} is already used by {mac}"));
    // It looks again every five seconds, and finds the same.
    scene.never_has_vip_for(Duration::from_millis(500));
    scene.machine.wait_state("Unfit", mac);
    assert_eq!(scene.machine.log().matches("is already used by").count(), 2, "warned and moved");

    // When the other has left, the address is taken.
    scene.there.sh(&format!("ip addr del {VIP}/24 dev eth0"));
    wait_for("the address", || scene.has_vip());
}

#[test]
fn hangup_takes_a_good_file_over_and_leaves_a_bad_one() {
    let scene = Scene::new();
    let machine = &scene.machine;
    let _redis = machine.start_redis();
    let mut daemon = scene.active();
    let bad: [(&str, &str, &str); 4] = [
        ("vip", "vib", "unknown key `vib`"),
        ("= 51", "= 52", "the virtual router id"),
        ("eth0", "eth1", "the interface"),
        ("/password", "/missing", "password_file"),
    ];
    for (from, to, words) in bad {
        machine.configure(|text| text.replacen(from, to, 1));
        daemon.signal(Signal::SIGHUP);
        scene.wait_log(words);
        wait_for("the refusal", || machine.log().contains("not reloaded"));
        assert!(scene.has_vip() && scene.is_served(VIP), "after {to}");
        assert_eq!(machine.status()["state"], "Active");
    }
    machine.configure(|text| text.replace(VIP, OTHER_VIP));
    daemon.signal(Signal::SIGHUP);
    wait_for("the new address", || machine.network.has_address(OTHER_VIP));
    wait_for("the old one's end", || !scene.has_vip());
    // Not for a moment only.
    std::thread::sleep(Duration::from_millis(800));
    machine.wait_state("Active", "");
    assert!(scene.is_served(OTHER_VIP) && !scene.is_served(VIP), "{}", machine.log());

    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(Duration::from_secs(2)).code(), Some(0));
    assert!(!machine.network.has_address(OTHER_VIP));
    machine.network.assert_untouched();
}

#[test]
fn a_new_address_by_hangup_is_no_failover() {
    let scene = Scene::new();
    let _redis = scene.machine.start_redis();
    let daemon = scene.active();
    let both = format!("\"{VIP}/24\", \"{OTHER_VIP}/24\"");
    scene.machine.configure(|text| text.replace(&format!("\"{VIP}/24\""), &both));
    daemon.signal(Signal::SIGHUP);
    wait_for("the new address", || scene.machine.network.has_address(OTHER_VIP));
    std::thread::sleep(Duration::from_millis(800));
    assert!(scene.is_served(VIP) && scene.is_served(OTHER_VIP));
    let log = scene.machine.log();
    assert!(!log.contains("left the address") && !log.contains("generation 2"), "{log}");
}

#[test]
fn it_ends_when_asked_and_only_then() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let scene = Scene::new();
        let mut daemon = scene.machine.start();
        scene.machine.wait_answer();
        // What the threads tell each other by is nothing to be disturbed by.
        daemon.signal(Signal::SIGUSR2);
        std::thread::sleep(Duration::from_millis(50));
        assert!(scene.machine.status()["state"].is_string());
        daemon.signal(signal);
        assert_eq!(daemon.ended_within(Duration::from_secs(2)).code(), Some(0));
        scene.machine.network.assert_untouched();
        assert_eq!(files(&scene.machine.dir.path("run")), ["lock"]);
    }
}

/// A daemon whose log nobody takes any more, after a reload that was refused.
fn with_a_broken_log() -> (Scene, Running, Running) {
    let scene = Scene::new();
    let redis = scene.machine.start_redis();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = scene.machine.daemon_command();
    command.stdout(Stdio::null()).stderr(writer);
    let daemon = Running(command.spawn().unwrap());
    scene.machine.begin_alone();
    wait_for("the address", || scene.has_vip());
    scene.machine.wait_answer();
    scene.machine.configure(|text| text.replace("vip", "vib"));
    daemon.signal(Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    (scene, redis, daemon)
}

#[test]
fn a_log_that_nobody_takes_ends_nothing() {
    let (scene, _redis, mut daemon) = with_a_broken_log();
    assert_eq!(scene.machine.status()["state"], "Active");
    assert!(scene.is_served(VIP));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(Duration::from_secs(2)).code(), Some(0));
    scene.machine.network.assert_untouched();
}

#[test]
fn a_log_that_nobody_takes_keeps_the_generation() {
    let (scene, _redis, _daemon) = with_a_broken_log();
    scene.machine.wait_kept("\"generation\":1");
}

#[test]
fn a_killed_daemon_leaves_the_address_shut_and_the_next_one_clears_it() {
    let scene = Scene::new();
    let machine = &scene.machine;
    let redis = machine.start_redis();
    let mut daemon = scene.active();
    daemon.signal(Signal::SIGKILL);
    daemon.ended_within(Duration::from_secs(1));
    assert!(scene.has_vip(), "nobody was left to remove it");
    wait_for("the kernel's end of service", || !scene.is_served(VIP));
    // Redis comes back empty, under another name.
    drop(redis);
    let _redis = machine.start_redis();

    let mut daemon = machine.start();
    wait_for("the left-over's end", || !scene.has_vip());
    machine.wait_state("Unfit", "Redis was restarted, and there, which may hold newer data");
    scene.never_has_vip_for(Duration::from_millis(500));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(Duration::from_secs(2)).code(), Some(0));
    machine.network.assert_untouched();
}

#[test]
fn a_daemon_restarted_over_a_living_redis_serves_again() {
    let scene = Scene::new();
    let machine = &scene.machine;
    let _redis = machine.start_redis();
    let mut daemon = scene.active();
    let generation = machine.status()["generation"].clone();
    daemon.signal(Signal::SIGKILL);
    daemon.ended_within(Duration::from_secs(1));
    let _daemon = scene.active();
    assert!(scene.has_vip() && scene.is_served(VIP));
    assert_eq!(machine.status()["generation"], generation);
    // The start closed the gate; a standby whose connection breaks later must get in again.
    assert_eq!(replicates(&scene.there), Ok(()));
}

#[test]
fn one_control_connection_may_ask_for_hours() {
    use std::io::{BufRead, BufReader};
    let scene = Scene::new();
    let _daemon = scene.machine.start();
    scene.machine.wait_answer();
    let socket = scene.machine.dir.path("run/control.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for question in 0..300 {
        stream.write_all(b"{\"command\":\"status\"}\n").unwrap();
        let line = lines.next().unwrap_or_else(|| panic!("hung up at question {question}"));
        says(&line.unwrap(), &["{\"status\":{"]);
    }
}

#[test]
fn a_control_client_that_talks_nonsense_is_told_so() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream;
    let scene = Scene::new();
    let _daemon = scene.machine.start();
    scene.machine.wait_answer();
    let long = "x".repeat(10_000);
    for (line, answer) in [
        ("nonsense", "not a JSON line"),
        ("[1,2]", "unknown command; known are status, switchover, solo and accept"),
        ("{\"command\":\"stop\"}", "unknown command"),
        (&long, "not a JSON line"),
    ] {
        let socket = scene.machine.dir.path("run/control.sock");
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let _ = stream.write_all(format!("{line}\n").as_bytes());
        let mut reply = String::new();
        BufReader::new(&stream).read_line(&mut reply).unwrap();
        says(&reply, &["{\"error\":", answer]);
    }
    assert!(scene.machine.status()["state"].is_string());
}
