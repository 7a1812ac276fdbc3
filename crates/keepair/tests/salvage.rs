//! Two machines, and writes that only the one which was the primary holds: kept, shown, put back.
//! Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};

use common::{Dir, KEEPAIR, Machine, Network, PASSWORD, VIP, files, says, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Commands, one to a line, to the Redis at this address; what it answered.
#[track_caller]
fn redis(network: &Network, address: &str, lines: &[&str]) -> String {
    asked(network, address, lines).unwrap()
}

fn asked(network: &Network, address: &str, lines: &[&str]) -> std::io::Result<String> {
    network.run(|| {
        let mut stream = TcpStream::connect((address, 6379))?;
        let text = format!("AUTH {PASSWORD}\r\n{}\r\nQUIT\r\n", lines.join("\r\n"));
        stream.write_all(text.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.strip_prefix("+OK\r\n").unwrap().strip_suffix("+OK\r\n").unwrap().to_owned())
    })
}

/// `keepair salvage ...` on that machine.
fn salvage(machine: &Machine, arguments: &[&str]) -> Output {
    let state = machine.dir.path("state");
    machine.network.run(|| {
        let mut command = Command::new(KEEPAIR);
        command.arg("salvage").args(arguments).arg("--state-dir").arg(state).output().unwrap()
    })
}

/// Until the standby has what was written, and could take over.
#[track_caller]
fn in_step(here: &Machine, there: &Machine) {
    redis(&here.network, VIP, &["SET both 1"]);
    // A Redis that is made a replica parts with its clients.
    let has = || asked(&there.network, "127.0.0.1", &["GET both"]);
    wait_for("the standby to have it", || has().is_ok_and(|answer| answer == "$1\r\n1\r\n"));
    there.wait_state("Backup", "");
}

fn text(output: Output) -> String {
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn what_an_old_primary_alone_holds_is_kept_and_can_be_put_back() {
    let [here, there] = Network::pair();
    let (here, there) = (Machine::new(here), Machine::new(there));
    let _redis = [here.start_redis(), there.start_redis()];
    for machine in [&here, &there] {
        redis(&machine.network, "127.0.0.1", &["CONFIG SET repl-diskless-sync-delay 0"]);
    }
    let daemon = here.start_alone();
    here.wait_state("Active", "");
    let _other = there.start();
    redis(&here.network, VIP, &["SET counter 10"]);
    in_step(&here, &there);

    // The daemon stands still: the kernel shuts the address, and the other machine takes over.
    daemon.signal(Signal::SIGSTOP);
    there.wait_state("Active", "");
    let alone = ["INCR counter", "SET both here", "SET only-here 1", "PUBLISH channel hello"];
    redis(&here.network, "127.0.0.1", &alone);
    redis(&there.network, VIP, &["SET both there"]);
    assert_eq!(salvage(&here, &["list"]).stdout, {
        let state = here.dir.path("state");
        format!("nothing was salvaged in {}\n", state.display()).into_bytes()
    });
    daemon.signal(Signal::SIGCONT);
    here.wait_state("Backup", "");

    let log = here.log();
    says(&log, &["kept what only this machine holds, 3 commands on 3 keys"]);
    let kept_at = log.find("kept what only").unwrap();
    assert!(kept_at < log.find("told Redis to replicate").unwrap(), "{log}");
    let value = redis(&here.network, "127.0.0.1", &["GET only-here"]);
    assert_eq!(value, "$-1\r\n", "it was overwritten");

    let list = text(salvage(&here, &["list"]));
    says(&list, &["salvage-", "here, generation", "3 commands on 3 keys"]);
    assert_eq!(list.lines().count(), 1, "{list}");
    let name = list.split(' ').next().unwrap();
    let line: Value = serde_json::from_str(&text(salvage(&here, &["list", "--json"]))).unwrap();
    assert_eq!((&line["name"], &line["note"]["commands"]), (&name.into(), &3.into()));
    says(&text(salvage(&here, &["show", "salvage-"])), &["INCR \"counter\"", "1 ", "left out"]);
    let shown: Value =
        serde_json::from_str(&text(salvage(&here, &["show", name, "--json"]))).unwrap();
    let commands: Vec<&Value> =
        shown["commands"].as_array().unwrap().iter().map(|one| &one["command"][0]).collect();
    assert_eq!(commands, ["INCR", "SET", "SET"]);

    let config = here.dir.path("keepair.toml");
    let config = config.to_str().unwrap();
    let value = |key: &str| redis(&there.network, VIP, &[&format!("GET {key}")]);
    let plan = text(salvage(&here, &["apply", name, "--config", config]));
    says(
        &plan,
        &[
            "2 commands on 2 keys are to be put back\n  db0 \"counter\"\n  db0 \"only-here\"\n",
            "1 commands on 1 keys are left alone: written since",
            "  db0 \"both\"\n",
            "Nothing was done",
        ],
    );
    assert_eq!(value("counter"), "$2\r\n10\r\n");
    let replica = text(salvage(&here, &["apply", name, "--config", config, "--local"]));
    says(&replica, &["this Redis is a replica"]);
    let done = text(salvage(&here, &["apply", name, "--config", config, "--yes"]));
    says(&done, &["2 commands were done"]);
    assert_eq!(value("counter"), "$2\r\n11\r\n");
    assert_eq!(value("only-here"), "$1\r\n1\r\n");
    assert_eq!(value("both"), "$5\r\nthere\r\n");
    let again = text(salvage(&here, &["apply", name, "--config", config, "--yes"]));
    says(&again, &["0 commands on 0 keys are to be put back"]);
    for said in [here.log(), there.log(), plan, done] {
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

#[test]
fn the_files_of_a_redis_that_was_restarted_are_archived() {
    let [here, there] = Network::pair();
    let (here, there) = (Machine::new(here), Machine::new(there));
    let quick = |machine: &Machine| {
        redis(&machine.network, "127.0.0.1", &["CONFIG SET repl-diskless-sync-delay 0"]);
    };
    let first = here.start_redis();
    let _other_redis = there.start_redis();
    for machine in [&here, &there] {
        quick(machine);
    }
    let daemon = here.start_alone();
    here.wait_state("Active", "");
    let _other = there.start();
    in_step(&here, &there);
    daemon.signal(Signal::SIGSTOP);
    there.wait_state("Active", "");
    redis(&here.network, "127.0.0.1", &["SET only-here 1", "SAVE"]);
    let saved = std::fs::read(here.dir.path("dump.rdb")).unwrap();
    drop(first);
    let _second = here.start_redis();
    quick(&here);
    redis(&there.network, VIP, &["SET there 1"]);
    daemon.signal(Signal::SIGCONT);
    here.wait_state("Backup", "");
    says(
        &here.log(),
        &[
            "could not keep what only this machine holds: the backlog of Redis does not reach back",
            "archived the data files",
            "rejoined by full resync",
        ],
    );
    let list = text(salvage(&here, &["list"]));
    says(&list, &["archive-", "data files, "]);
    let name = list.split(' ').next().unwrap();
    let archived = here.dir.path("state").join(name).join("dump.rdb");
    assert_eq!(std::fs::read(archived).unwrap(), saved, "as it was before it was overwritten");
    let shown = text(salvage(&here, &["show", name]));
    says(&shown, &["file        dump.rdb, "]);
    assert!(!shown.contains("missing"), "{shown}");
    let refused = text(salvage(&here, &["apply", name, "--config", "/nowhere"]));
    assert!(refused.contains("/nowhere"), "{refused}");
}

#[test]
fn names_that_are_none_and_directories_that_are_not_there() {
    let dir = Dir::new();
    let state = dir.path("state");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(KEEPAIR);
        let command = command.arg("salvage").args(arguments).arg("--state-dir").arg(&state);
        let output = command.output().unwrap();
        (output.status.code(), text(output))
    };
    let (code, said) = run(&["list"]);
    assert_eq!(code, Some(1), "{said}");
    says(&said, &["state directory", "No such file"]);
    std::fs::create_dir(&state).unwrap();
    for name in ["salvage-1-51.resp", "salvage-12-51.resp"] {
        std::fs::write(state.join(name), "").unwrap();
    }
    for (name, words) in [
        ("x", "is called `x`"),
        ("salvage-1", "several names begin with"),
        ("salvage-1-51", "its note can't be read"),
        ("salvage-12", "its note can't be read"),
    ] {
        let (code, said) = run(&["show", name]);
        assert_eq!(code, Some(1), "{said}");
        says(&said, &[words]);
    }
    assert_eq!(files(&state).len(), 2, "nothing was touched");
}
