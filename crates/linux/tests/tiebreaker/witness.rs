//! A real Redis as a witness.

use keepair_linux::redis::Tls;
use keepair_linux::tiebreaker::{Setting, Witness};
use keepair_wire::info::RunId;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use zeroize::Zeroizing;

use super::common::wait_for;
use super::server::{Authority, Server, free_port, tls};
use super::*;

fn witness(port: u16, node: &str) -> Witness {
    Witness {
        host: "127.0.0.1".to_owned(),
        port,
        database: 0,
        username: None,
        password: None,
        tls: None,
        register: register("keepair:test", node),
    }
}

fn machine(port: u16, node: &str) -> Machine {
    Machine::start(Setting::Witness(witness(port, node)))
}

#[test]
fn a_witness_keeps_the_rules_of_the_register() {
    let port = free_port();
    let _redis = Server::start("witness-rules", &format!("port {port}"));
    the_register_keeps_its_rules(|node| machine(port, node));
}

#[test]
fn a_witness_that_restarts_or_loses_its_data_begins_a_new_life() {
    let port = free_port();
    let lines = format!("port {port}\nappendonly yes\nappendfsync always");
    let redis = Server::start("witness-restart", &lines);
    let (a, b) = (machine(port, "a"), machine(port, "b"));
    let first = a.meets();
    assert_eq!(b.meets(), first);
    assert_eq!(a.is_told(first, 10, 0), granted(10));

    assert_eq!(redis.admin("FLUSHALL"), "+OK\r\n");
    let Says::Met(second) = b.is_told(first, 20, 0) else { panic!("a lost register gave a vote") };
    assert_ne!(second, first);
    assert_eq!(a.is_told(first, 11, 0), Says::Met(second));
    assert_eq!(a.is_told(second, 11, 0), granted(11));

    assert_eq!(redis.admin("SAVE"), "+OK\r\n");
    drop(redis);
    let _ = (a.misses(), b.misses());
    let _redis = Server::start("witness-restart", &lines);
    // Why it can't be reached may have changed meanwhile.
    let meets = |machine: &Machine| loop {
        match machine.hears() {
            Says::Met(run) => break run,
            Says::Gone(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let third = meets(&b);
    assert_ne!(third, second);
    assert_eq!(b.is_told(second, 21, 0), Says::Met(third));
    assert_eq!(b.is_told(third, 21, 0), granted(21));
    assert_eq!(meets(&a), third);
    assert_eq!(a.is_told(third, 12, 0), refused(21));
}

#[test]
fn a_witness_that_hangs_is_away_within_a_second_and_comes_back() {
    let port = free_port();
    let redis = Server::start("witness-hang", &format!("port {port}"));
    let a = machine(port, "a");
    let run = a.meets();
    let pid = Pid::from_child(&redis.child);
    kill_process(pid, Signal::STOP).unwrap();
    let start = Instant::now();
    a.asks(run, 10, 0);
    assert!(a.misses().contains("no answer"));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // Nobody asks, and it is noticed none the less when it is well again.
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(a.meets(), run);
    assert_eq!(a.is_told(run, 11, 0), granted(11));
    // The other way round: nobody asks, and it is noticed when it hangs.
    kill_process(pid, Signal::STOP).unwrap();
    assert!(a.misses().contains("no answer"));
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(a.meets(), run);
}

#[test]
fn two_pairs_share_a_witness() {
    let port = free_port();
    let _redis = Server::start("witness-shared", &format!("port {port}"));
    let of = |key: &str| {
        let witness = Witness { register: register(key, "a"), ..witness(port, "a") };
        let machine = Machine::start(Setting::Witness(witness));
        let run = machine.meets();
        (machine, run)
    };
    let ((one, run), (two, other_run)) = (of("keepair:1"), of("keepair:2"));
    assert_ne!(run, other_run);
    assert_eq!(one.is_told(run, 10, 0), granted(10));
    assert_eq!(two.is_told(other_run, 5, 0), granted(5));
}

#[test]
fn what_is_no_witness_says_why() {
    let (port, replica_port, cluster_port) = (free_port(), free_port(), free_port());
    let redis = Server::start("witness-unfit", &format!("port {port}\nrequirepass right"));
    let _replica = Server::start(
        "witness-replica",
        &format!("port {replica_port}\nreplicaof 127.0.0.1 {port}\nreplica-announce-port 1"),
    );
    let _cluster =
        Server::start("witness-cluster", &format!("port {cluster_port}\ncluster-enabled yes"));
    let password = |text: &str| Witness {
        password: Some(Zeroizing::new(text.to_owned())),
        ..witness(port, "a")
    };
    let pair = ["127.0.0.1".parse().unwrap()].to_vec();
    for (setting, part) in [
        (witness(port, "a"), "NOAUTH"),
        (password("wrong"), "WRONGPASS"),
        (Witness { username: Some("ann".to_owned()), ..password("right") }, "WRONGPASS"),
        (witness(replica_port, "a"), "replica"),
        (witness(cluster_port, "a"), "cluster"),
        (witness(1, "a"), "refused"),
        (
            Witness { register: Register { pair, ..register("k", "a") }, ..password("right") },
            "third party",
        ),
        (Witness { database: 99, ..password("right") }, "out of range"),
    ] {
        let machine = Machine::start(Setting::Witness(setting));
        let why = machine.misses();
        assert!(why.contains(part) && !why.contains("wrong"), "{why:?} lacks {part:?}");
    }
    let mut machine = Machine::start(Setting::Witness(password("right")));
    let _ = machine.meets();
    let info = redis.admin("AUTH right\r\nINFO server");
    let run_id: RunId = info.split("run_id:").nth(1).unwrap()[..40].parse().unwrap();
    machine.breakers.local_redis(RunId([1; 20]));
    machine.breakers.local_redis(run_id);
    assert!(machine.misses().contains("local Redis"));
}

#[test]
fn a_witness_needs_few_rights_and_may_be_in_any_database() {
    let port = free_port();
    let rights = "on >p ~keepair:* -@all +info +eval +hmget +hset +del +select +ping";
    let redis = Server::start("witness-rights", &format!("port {port}\nuser keepair {rights}"));
    let setting = Witness {
        username: Some("keepair".to_owned()),
        password: Some(Zeroizing::new("p".to_owned())),
        database: 3,
        ..witness(port, "a")
    };
    let machine = Machine::start(Setting::Witness(setting));
    let run = machine.meets();
    assert_eq!(machine.is_told(run, 10, 0), granted(10));
    assert_eq!(redis.admin("SELECT 3\r\nEXISTS keepair:test"), "+OK\r\n:1\r\n");
    // It is looked at once a second, with what it may do.
    wait_for("a look", || redis.admin("INFO commandstats").contains("cmdstat_ping"));
    assert_eq!(machine.is_told(run, 11, 0), granted(11));
}

#[test]
fn a_witness_behind_tls() {
    let port = free_port();
    let authority = Authority::new("witness");
    authority.issue("server", "DNS:localhost");
    let lines = format!("{}tls-auth-clients no\n", authority.server_lines(port, "server"));
    let _redis = Server::start("witness-tls", &lines);
    let encrypted = |ca: &std::path::Path, host: &str| Witness {
        host: host.to_owned(),
        tls: Some(Tls { config: Arc::new(tls(ca, None)), server_name: None }),
        ..witness(port, "a")
    };
    let machine =
        Machine::start(Setting::Witness(encrypted(&authority.path("ca.pem"), "localhost")));
    // `localhost` may have an address that Redis does not listen on: it is tried, and the next one.
    let run = match machine.hears() {
        Says::Met(run) => run,
        _ => machine.meets(),
    };
    assert_eq!(machine.is_told(run, 10, 0), granted(10));
    let other = Authority::new("witness-other");
    let machine = Machine::start(Setting::Witness(encrypted(&other.path("ca.pem"), "127.0.0.1")));
    assert!(machine.misses().contains("TLS"));
}

#[test]
fn costs() {
    let port = free_port();
    let _redis = Server::start("witness-costs", &format!("port {port}"));
    measure("a witness's vote on loopback", &machine(port, "a"));
}
