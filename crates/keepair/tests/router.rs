//! The built program with a keepalived.conf, in network namespaces: what an operator sees of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{Dir, KEEPAIR, Network, Running, files, says, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

const ADDRESS: &str = "10.9.0.10";
const SECOND: &str = "10.9.0.11";
const END: Duration = Duration::from_secs(3);

/// A machine with a keepalived.conf.
struct Host {
    network: Network,
    dir: Dir,
}

impl Host {
    /// With an instance of this priority, and these lines in it; `DIR` is its directory.
    fn new(network: Network, priority: u8, lines: &str) -> Host {
        let host = Host { network, dir: Dir::new() };
        host.configure(priority, "", lines);
        host
    }

    fn configure(&self, priority: u8, before: &str, lines: &str) -> PathBuf {
        let text = format!(
            "global_defs {{\nrouter_id test\nscript_user root\n}}\n{before}\n\
             vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\nversion 3\nadvert_int 0.05\n\
             priority {priority}\n{lines}\nvirtual_ipaddress {{\n{ADDRESS}/24\n}}\n}}\n"
        );
        self.dir.write(
            "keepalived.conf",
            &text.replace("DIR", &self.dir.path("").display().to_string()),
        )
    }

    /// A script that writes its name and its arguments into `said`.
    fn script(&self, name: &str) {
        let said = self.dir.path("said");
        let text = format!("#!/bin/sh\necho {name} \"$@\" >> {}\n", said.display());
        let path = self.dir.write(name, &text);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    }

    fn said(&self) -> Vec<String> {
        let said = std::fs::read_to_string(self.dir.path("said")).unwrap_or_default();
        said.lines().map(str::to_owned).collect()
    }

    fn start(&self, options: &[&str]) -> Running {
        let log = File::options().create(true).append(true).open(self.dir.path("log")).unwrap();
        let mut command = self.network.command(KEEPAIR);
        command
            .args(["run", "--config"])
            .arg(self.dir.path("keepalived.conf"))
            .arg("--run-dir")
            .arg(self.dir.path("run"))
            .args(options)
            .env("TMPDIR", self.dir.path(""))
            .env_remove("JOURNAL_STREAM")
            .stdout(Stdio::null())
            .stderr(log);
        Running(command.spawn().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let run_dir = self.dir.path("run");
        Command::new(KEEPAIR).args(arguments).arg("--run-dir").arg(run_dir).output().unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.command(&["status", "--json"]).stdout).unwrap_or_default()
    }

    #[track_caller]
    fn wait_state(&self, state: &str) {
        let is_there = || self.status()["instances"][0]["state"] == state;
        let start = std::time::Instant::now();
        while !is_there() {
            let late = start.elapsed() > Duration::from_secs(5);
            assert!(!late, "not {state}: {}\n{}", self.status(), self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        self.dir.read("log")
    }

    fn signal(daemon: &Running, number: &str) {
        let process = daemon.0.id().to_string();
        assert!(Command::new("kill").args([number, &process]).status().unwrap().success());
    }
}

fn alone(priority: u8, lines: &str) -> (Host, Network) {
    let [here, there] = Network::pair();
    (Host::new(here, priority, lines), there)
}

#[test]
fn it_takes_the_address_tells_its_scripts_and_leaves_it() {
    let lines = "notify DIRnotify\nnotify_master \"DIRmaster word\"\nnotify_stop DIRstop";
    let (host, _there) = alone(200, lines);
    for name in ["notify", "master", "stop"] {
        host.script(name);
    }
    let mut daemon =
        host.start(&["--pid", host.dir.path("pid").to_str().unwrap(), "-n", "-l", "-D"]);
    host.wait_state("MASTER");
    assert!(host.network.has_address(ADDRESS));
    assert_eq!(host.dir.read("pid"), format!("{}\n", daemon.0.id()));
    wait_for("the scripts", || {
        let said = host.said();
        ["master word", "notify INSTANCE VI_1 MASTER 200"]
            .iter()
            .all(|line| said.iter().any(|one| one == line))
    });
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(END).code(), Some(0), "{}", host.log());
    assert!(!host.network.has_address(ADDRESS));
    let said = host.said();
    says(&said.join("\n"), &["stop", "notify INSTANCE VI_1 STOP 200"]);
    assert_eq!(files(&host.dir.path("run")), ["lock"]);
    assert!(!host.dir.path("pid").exists());
    assert_eq!(host.network.sh("nft list tables"), "");
}

#[test]
fn status_tells_every_instance_in_words_and_as_json() {
    let (host, _there) = alone(200, "");
    let _daemon = host.start(&[]);
    host.wait_state("MASTER");
    let text = String::from_utf8(host.command(&["status"]).stdout).unwrap();
    says(
        &text,
        &["* VI_1  MASTER  priority 200  eth0 id 51\n", &format!("addresses  {ADDRESS}\n")],
    );
    let it = &host.status()["instances"][0];
    assert_eq!((&it["virtual_router_id"], &it["priority"]), (&51.into(), &200.into()));
    let refused = host.command(&["switchover"]);
    says(&String::from_utf8(refused.stderr).unwrap(), &["this daemon runs a keepalived.conf"]);
}

#[test]
fn signals_write_keepalived_s_files() {
    let (host, _there) = alone(200, "");
    let daemon = host.start(&[]);
    host.wait_state("MASTER");
    // SIGRTMIN+2, as `keepalived --signum=JSON` says.
    for (number, name, word) in [
        ("-USR1", "keepalived.data", "   State = MASTER\n"),
        ("-USR2", "keepalived.stats", "  Became master: 1\n"),
        ("-36", "keepalived.json", "\"iname\":\"VI_1\""),
    ] {
        Host::signal(&daemon, number);
        wait_for(name, || host.dir.path(name).exists());
        says(&host.dir.read(name), &[word]);
    }
    // SIGRTMAX-1 sets the counters to zero.
    Host::signal(&daemon, "-63");
    std::fs::remove_file(host.dir.path("keepalived.stats")).unwrap();
    Host::signal(&daemon, "-USR2");
    wait_for("the counters", || host.dir.path("keepalived.stats").exists());
    says(&host.dir.read("keepalived.stats"), &["  Became master: 0\n"]);
}

#[test]
fn a_reload_changes_what_changed_and_nothing_else() {
    let (host, _there) = alone(200, "");
    let daemon = host.start(&[]);
    host.wait_state("MASTER");
    let since = host.status()["instances"][0]["since_unix_ms"].clone();
    let index = host.network.sh(&format!("ip -o addr show to {ADDRESS}"));
    host.configure(210, "", &format!("virtual_ipaddress_excluded {{\n{SECOND}/24\n}}"));
    daemon.signal(Signal::SIGHUP);
    wait_for("the second address", || host.network.has_address(SECOND));
    let it = &host.status()["instances"][0];
    assert_eq!((&it["priority"], &it["since_unix_ms"]), (&210.into(), &since), "{}", host.log());
    assert_eq!(host.network.sh(&format!("ip -o addr show to {ADDRESS}")), index);
}

#[test]
fn a_reload_of_a_bad_file_says_so_and_changes_nothing() {
    let (host, _there) = alone(200, "");
    let daemon = host.start(&[]);
    host.wait_state("MASTER");
    host.configure(210, "", "priorty 7");
    daemon.signal(Signal::SIGHUP);
    wait_for("the refusal", || host.log().contains("not reloaded"));
    says(&host.log(), &["unknown keyword `priorty`", "the running configuration stays"]);
    let it = &host.status()["instances"][0];
    assert_eq!((&it["priority"], &it["state"]), (&200.into(), &"MASTER".into()));
    assert!(host.network.has_address(ADDRESS));
    // And a good one is taken after it.
    host.configure(220, "", "");
    daemon.signal(Signal::SIGHUP);
    wait_for("the new priority", || host.status()["instances"][0]["priority"] == 220);
}

#[test]
fn a_bad_check_takes_from_the_priority() {
    let (host, _there) = alone(200, "");
    let check =
        "vrrp_script there {\nscript \"/usr/bin/test ! -e DIRbad\"\ninterval 0.1\nweight -20\n}";
    host.configure(200, check, "track_script {\nthere\n}");
    let _daemon = host.start(&[]);
    host.wait_state("MASTER");
    host.dir.write("bad", "");
    wait_for("the bad check", || host.status()["instances"][0]["priority"] == 180);
    assert_eq!(host.status()["scripts"][0]["good"], false);
    let text = String::from_utf8(host.command(&["status"]).stdout).unwrap();
    says(&text, &["priority 180 (configured 200)", "script there  bad\n"]);
}

#[test]
fn startup_and_shutdown_scripts_run_before_and_after_everything() {
    let (host, _there) = alone(200, "notify_master DIRmaster\nnotify_stop DIRstop");
    for name in ["startup", "master", "stop", "shutdown"] {
        host.script(name);
    }
    let globals = "global_defs {\nstartup_script DIRstartup\nshutdown_script DIRshutdown\n}";
    host.configure(200, globals, "notify_master DIRmaster\nnotify_stop DIRstop");
    let mut daemon = host.start(&[]);
    host.wait_state("MASTER");
    wait_for("the master script", || host.said().len() == 2);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(END).code(), Some(0), "{}", host.log());
    assert_eq!(host.said(), ["startup", "master", "stop", "shutdown"]);
    says(&host.log(), &["shutdown_script is done\n", "the daemon ends\n"]);
}

#[test]
fn the_address_goes_to_the_other_machine_and_comes_back() {
    let [here, there] = Network::pair();
    let [first, second] =
        [(here, 200), (there, 100)].map(|(network, priority)| Host::new(network, priority, ""));
    let mut one = first.start(&[]);
    first.wait_state("MASTER");
    let mut other = second.start(&[]);
    second.wait_state("BACKUP");
    // A crash leaves the address where it is: nobody can take it away then.
    one.signal(Signal::SIGKILL);
    one.ended_within(END);
    second.wait_state("MASTER");
    assert!(second.network.has_address(ADDRESS));
    let mut one = first.start(&[]);
    first.wait_state("MASTER");
    second.wait_state("BACKUP");
    assert!(!second.network.has_address(ADDRESS));
    // One that is stopped says so: the other does not wait for adverts to be missing.
    one.signal(Signal::SIGTERM);
    assert_eq!(one.ended_within(END).code(), Some(0));
    second.wait_state("MASTER");
    other.signal(Signal::SIGTERM);
    assert_eq!(other.ended_within(END).code(), Some(0));
    assert!(!second.network.has_address(ADDRESS));
}

#[test]
fn addresses_stay_if_that_is_asked_for() {
    let (host, _there) = alone(200, "");
    let mut daemon = host.start(&["--dont-release-vrrp"]);
    host.wait_state("MASTER");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(END).code(), Some(0), "{}", host.log());
    assert!(host.network.has_address(ADDRESS));
}

#[test]
fn a_start_with_a_bad_file_touches_nothing() {
    let (host, _there) = alone(200, "priorty 7");
    let mut daemon = host.start(&[]);
    assert_eq!(daemon.ended_within(END).code(), Some(1));
    says(&host.log(), &["unknown keyword `priorty`", "1 mistake"]);
    assert!(!host.network.has_address(ADDRESS));
    assert_eq!(files(&host.dir.path("run")), [""; 0]);
}

#[test]
fn an_instance_with_a_redis_block_is_kept_as_a_pair() {
    let [here, _there] = Network::pair();
    let host = Host::new(here, 200, "");
    let text = format!(
        "vrrp_instance REDIS {{\ninterface eth0\nvirtual_router_id 51\nversion 3\nadvert_int 0.1\n\
         unicast_src_ip 10.9.0.1\nunicast_peer {{\n10.9.0.2\n}}\nvirtual_ipaddress {{\n{ADDRESS}/24\n}}\n\
         redis {{\npassword geheim\n}}\n}}\n"
    );
    let file = host.dir.write("keepalived.conf", &text);
    let checked = Command::new(KEEPAIR).arg("check").arg(&file).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    says(&said, &["no mistakes; the pair is 10.9.0.1 and 10.9.0.2"]);
    let state = host.dir.path("state");
    let mut daemon = host.start(&["--state-dir", state.to_str().unwrap()]);
    wait_for("an answer", || host.status()["members"].is_array());
    assert_eq!(host.status()["node"], "10.9.0.1", "{}", host.log());
    // The same file is read again, and what can't be changed is refused.
    host.dir.write("keepalived.conf", &text.replace("10.9.0.2", "10.9.0.3"));
    daemon.signal(Signal::SIGHUP);
    wait_for("the refusal", || host.log().contains("not reloaded"));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended_within(END).code(), Some(0), "{}", host.log());
    assert!(!host.log().contains("geheim"));
}
