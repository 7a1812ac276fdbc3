//! Keeping what only one Redis holds, and putting it back, with real ones. Needs `redis-server` and
//! `setpriv`; not root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
#[allow(dead_code)]
#[path = "redis/server.rs"]
mod server;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::time::{Duration, Instant};

use common::wait_for;
use keepair_core::action::{self, Salvage, Wanted};
use keepair_core::config::Generation;
use keepair_core::input::{Copied, Kept};
use keepair_linux::reactor::{Mailbox, Request};
use keepair_linux::realtime::Wake;
use keepair_linux::redis::dialogue::Dialogue;
use keepair_linux::redis::{Access, Endpoint};
use keepair_linux::salvage::copy::{self, Left};
use keepair_linux::salvage::replay::{Choice, Outcome, Plan, Replay};
use keepair_linux::salvage::shelf::{self, Item, Kind};
use keepair_linux::salvage::tail::{Tail, keep_copied};
use keepair_linux::salvage::tape::{self, Tape};
use keepair_linux::salvage::{Job, Place, files, perform};
use keepair_wire::info::{Info, ReplId};
use keepair_wire::resp::encode_command;
use keepair_wire::tail::{Entry, Reader, What};
use server::{Authority, Dir, Server, access, encrypted, free_port, login, loopback, tls};

fn talk(server: &Server) -> Dialogue {
    Dialogue::open(&server.access(), Instant::now() + Duration::from_secs(20)).unwrap()
}

/// Runs commands, one to a line, on one connection.
fn run(server: &Server, lines: &[&str]) {
    let mut talk = talk(server);
    for line in lines {
        let args: Vec<&str> = line.split(' ').collect();
        let reply = talk.ask(&args).unwrap();
        assert_eq!(reply.as_error(), None, "{line}");
    }
}

fn info(server: &Server) -> Info {
    talk(server).info().unwrap().1
}

/// A primary and its replica, in step.
struct Pair {
    old: Server,
    new: Server,
}

impl Pair {
    fn start(name: &str, before: &[&str]) -> Pair {
        let port = free_port();
        let lines = format!("port {port}\nbind 127.0.0.1\nrepl-diskless-sync-delay 0\n");
        let old = Server::start(&format!("{name}-old"), &lines);
        run(&old, before);
        let new = Server::start(&format!("{name}-new"), "repl-diskless-sync-delay 0\n");
        run(&new, &[&format!("REPLICAOF 127.0.0.1 {port}")]);
        let pair = Pair { old, new };
        pair.settle();
        pair
    }

    /// Until the replica has every byte.
    fn settle(&self) {
        wait_for("the replica to be in step", || {
            let (old, new) = (info(&self.old), info(&self.new));
            new.master_link_status == Some(keepair_wire::info::LinkStatus::Up)
                && old.master_repl_offset == new.slave_repl_offset
        });
    }

    /// The replica is promoted; the old primary does not know.
    fn fork(&self) {
        self.settle();
        run(&self.new, &["REPLICAOF NO ONE"]);
    }

    /// What the core would order.
    fn wanted(&self) -> Wanted {
        let (old, new) = (info(&self.old), info(&self.new));
        assert_eq!(new.master_replid2, old.master_replid);
        Wanted::Tail {
            replid: old.master_replid.unwrap(),
            from: new.second_repl_offset.unwrap(),
            newer: new.master_replid.unwrap(),
        }
    }
}

struct Shelf {
    dir: Dir,
    place: Place,
}

impl Shelf {
    fn new(name: &str) -> Shelf {
        let dir = Dir::new(&format!("{name}-state"));
        let place = Place {
            dir: dir.0.clone(),
            vrid: 51,
            machine: "redis-1".to_owned(),
            archive_limit_bytes: Arc::new(files::limit(1)),
        };
        Shelf { dir, place }
    }

    fn keep(&self, server: &Server, what: Wanted) -> Result<Kept, String> {
        let within = Duration::from_secs(5);
        let order = Salvage { number: 1, what, generation: Generation(4), within };
        let job = Job { order, access: server.access() };
        perform(&job, &self.place, &Left::default()).map_err(|error| error.to_string())
    }

    fn items(&self) -> Vec<Item> {
        shelf::list(&self.dir.0).unwrap()
    }

    /// The one thing that was kept.
    fn only(&self) -> Item {
        let items = self.items();
        assert_eq!(items.len(), 1, "{items:?}");
        items.into_iter().next().unwrap()
    }
}

/// The commands of a file, with their databases.
fn commands(path: &PathBuf) -> Vec<(u64, String)> {
    let entries = entries(path);
    let data = entries.iter().filter(|entry| entry.what != What::Select);
    data.map(|entry| {
        let words: Vec<_> = entry.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
        (entry.db.unwrap(), words.join(" "))
    })
    .collect()
}

fn entries(path: &PathBuf) -> Vec<Entry> {
    let mut reader = Reader::new(0, None, 0);
    reader.push(&std::fs::read(path).unwrap());
    let mut entries = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        entries.push(entry);
    }
    entries
}

#[test]
fn a_tail_is_kept_command_by_command_with_its_databases() {
    let pair = Pair::start("tail", &["SELECT 3", "SET before 1"]);
    // The last database that was named before the fork is 3: the tail does not say so.
    run(&pair.old, &["SELECT 3", "SET shared 1"]);
    pair.fork();
    run(
        &pair.old,
        &[
            "SELECT 3",
            "SET a 1",
            "INCR counter",
            "SELECT 0",
            "MULTI",
            "LPUSH list x y",
            "HSET hash f v",
            "EXEC",
            "EVAL redis.call('set','by-script','1')redis.call('incr','counter') 0",
            "PUBLISH channel hello",
            "SADD set one",
            "SPOP set",
            "SET gone 1 PX 1",
        ],
    );
    let expired = || talk(&pair.old).ask(&["EXISTS", "gone"]).unwrap().as_integer() == Some(0);
    wait_for("the key to expire", expired);
    let shelf = Shelf::new("tail");
    let wanted = pair.wanted();
    let kept = shelf.keep(&pair.old, wanted).unwrap();
    let to = info(&pair.old).master_repl_offset.unwrap();
    assert_eq!(kept, Kept::Tail { to, commands: 9, keys: 8 });

    let item = shelf.only();
    let mut found = commands(&item.path);
    let at = found.iter().position(|(_, line)| line.starts_with("SET gone")).unwrap();
    assert!(found[at].1.starts_with("SET gone 1 PXAT "), "{:?}", found[at]);
    found[at].1 = "SET gone".to_owned();
    let expected = [
        (3, "SET a 1"),
        (3, "INCR counter"),
        (0, "MULTI"),
        (0, "LPUSH list x y"),
        (0, "HSET hash f v"),
        (0, "EXEC"),
        (0, "MULTI"),
        (0, "set by-script 1"),
        (0, "incr counter"),
        (0, "EXEC"),
        (0, "SADD set one"),
        (0, "SREM set one"),
        (0, "SET gone"),
        (0, "DEL gone"),
    ];
    let found: Vec<(u64, &str)> = found.iter().map(|(db, line)| (*db, &**line)).collect();
    assert_eq!(found, expected);
    let note = &item.note;
    println!("{note:#}");
    for (field, value) in [
        ("machine", "redis-1".into()),
        ("generation", 4.into()),
        ("first_database", 3.into()),
        ("commands", 9.into()),
        ("keys", 8.into()),
        ("expired", 1.into()),
        ("messages", 1.into()),
        ("commands_with_unknown_keys", 0.into()),
        ("last_offset", to.into()),
    ] {
        let value: serde_json::Value = value;
        assert_eq!(note[field], value, "{field}");
    }
    for path in [&item.path, &item.path.with_extension("json")] {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }

    // As `redis-cli --pipe` would send it.
    let fresh = Server::start("tail-fresh", "");
    let mut stream = UnixStream::connect(fresh.socket()).unwrap();
    stream.write_all(&std::fs::read(&item.path).unwrap()).unwrap();
    stream.write_all(b"QUIT\r\n").unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert!(!replies.contains("-ERR"), "{replies}");
    let mut talk = talk(&fresh);
    let mut value = |args: &[&str]| talk.ask(args).unwrap();
    assert_eq!(value(&["GET", "counter"]).as_integer(), Some(1));
    assert_eq!(value(&["LLEN", "list"]).as_integer(), Some(2));
    value(&["SELECT", "3"]);
    assert_eq!(value(&["GET", "a"]).as_integer(), Some(1));
}

#[test]
fn a_tail_of_pings_is_looked_at_and_not_kept() {
    let pair = Pair::start("pings", &[]);
    run(&pair.old, &["SET a 1", "CONFIG SET repl-ping-replica-period 1"]);
    let from = info(&pair.old).master_repl_offset.unwrap() + 1;
    let end = || info(&pair.old).master_repl_offset.unwrap();
    wait_for("a ping", || end() > from);
    let replid = info(&pair.old).master_replid.unwrap();
    let shelf = Shelf::new("pings");
    let tail = |from| Wanted::Tail { replid, from, newer: ReplId([7; 20]) };
    let kept = shelf.keep(&pair.old, tail(from));
    assert!(matches!(kept, Ok(Kept::Nothing { to }) if to > from), "{kept:?}");
    // And one of nothing at all.
    let kept = shelf.keep(&pair.old, tail(end() + 100));
    assert!(matches!(kept, Ok(Kept::Nothing { .. })), "{kept:?}");
    assert_eq!(shelf.items(), []);
    let left = std::fs::read_dir(&shelf.dir.0).unwrap().count();
    assert_eq!(left, 0, "no half a file either");
}

#[test]
fn redis_is_never_made_to_send_everything() {
    let pair = Pair::start("reach", &["SET a 1"]);
    let replid = info(&pair.old).master_replid.unwrap();
    let shelf = Shelf::new("reach");
    let asked =
        |from, replid| shelf.keep(&pair.old, Wanted::Tail { replid, from, newer: ReplId([7; 20]) });
    let fulls = || {
        let text = talk(&pair.old).info().unwrap().0;
        text.lines().find(|line| line.starts_with("sync_full:")).unwrap().to_owned()
    };
    let before = fulls();
    assert_eq!(asked(0, replid), Err("the backlog of Redis does not reach back to it".to_owned()));
    let other = asked(1, ReplId([9; 20]));
    assert_eq!(other, Err("Redis has begun another history meanwhile".to_owned()));
    let never = Server::start("reach-never", "");
    let replid = info(&never).master_replid.unwrap();
    run(&never, &["SET a 1"]);
    let tail = Wanted::Tail { replid, from: 0, newer: ReplId([7; 20]) };
    assert!(shelf.keep(&never, tail).is_err());
    assert_eq!(info(&never).master_replid, Some(replid), "its history goes on");
    assert_eq!(fulls(), before);
    assert_eq!(info(&pair.old).master_replid2, None);
}

#[test]
fn a_redis_that_does_not_answer_is_given_up_in_time() {
    let pair = Pair::start("hung", &[]);
    let wanted = {
        pair.fork();
        run(&pair.old, &["SET a 1"]);
        pair.wanted()
    };
    let pid = rustix::process::Pid::from_raw(pair.old.child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let shelf = Shelf::new("hung");
    let within = Duration::from_millis(300);
    let order = Salvage { number: 1, what: wanted, generation: Generation(1), within };
    let began = Instant::now();
    let result = perform(&Job { order, access: pair.old.access() }, &shelf.place, &Left::default());
    let took = began.elapsed();
    assert_eq!(result.unwrap_err().to_string(), "it takes too long");
    assert!(took >= within && took < within * 3, "{took:?}");
    assert_eq!(shelf.items(), []);
}

#[test]
fn data_files_are_archived_and_the_oldest_archives_go_first() {
    let value = "v".repeat(300_000);
    let saves = "save 3600 1\nrdbcompression no\n";
    for (name, lines, expected) in [
        ("rdb", saves.to_owned(), vec!["dump.rdb"]),
        ("aof", "appendonly yes\n".to_owned(), vec!["base", "incr", "manifest"]),
    ] {
        let server = Server::start(&format!("files-{name}"), &lines);
        run(&server, &["SET a 1", &format!("SET b {value}")]);
        let shelf = Shelf::new(&format!("files-{name}"));
        let mut names = Vec::new();
        for round in 0..5 {
            // Unsaved, each time.
            run(&server, &[&format!("SET round {round}")]);
            let kept = shelf.keep(&server, Wanted::Files).unwrap();
            let Kept::Files { bytes } = kept else { panic!("{kept:?}") };
            assert!(bytes > 300_000, "{bytes}");
            let last = shelf.items().pop().unwrap();
            assert_eq!(last.kind, Kind::Archive);
            assert_eq!(
                (last.note["bytes"].as_u64(), &last.note["unsaved_changes"]),
                (Some(bytes), &0.into())
            );
            let files: Vec<String> = std::fs::read_dir(&last.path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            for part in &expected {
                assert!(files.iter().any(|file| file.contains(part)), "{part}: {files:?}");
            }
            names.push(last.name);
            std::thread::sleep(Duration::from_millis(2));
        }
        // A megabyte takes three of them.
        let left: Vec<String> = shelf.items().into_iter().map(|item| item.name).collect();
        assert_eq!(left, names[2..], "{name}");
    }
}

#[test]
fn data_files_that_can_not_be_archived_are_told_why() {
    let server = Server::start("files-large", "save 3600 1\nrdbcompression no\n");
    run(&server, &[&format!("SET b {}", "v".repeat(2_000_000)), "SAVE"]);
    let shelf = Shelf::new("files-large");
    let error = shelf.keep(&server, Wanted::Files).unwrap_err();
    assert!(error.contains("more than `archive_limit_mib`"), "{error}");
    files::set_limit(&shelf.place.archive_limit_bytes, 0);
    let error = shelf.keep(&server, Wanted::Files).unwrap_err();
    assert!(error.contains("`archive_limit_mib` is 0"), "{error}");
    let empty = Server::start("files-none", "");
    files::set_limit(&shelf.place.archive_limit_bytes, 1000);
    let error = shelf.keep(&empty, Wanted::Files).unwrap_err();
    assert!(error.starts_with("there are no data files in"), "{error}");
    assert_eq!(shelf.items(), []);
}

/// Keys of groups, each group a word.
fn keys(groups: &[tape::Group]) -> Vec<String> {
    let name = |(db, name): &tape::Key| format!("{db}/{}", String::from_utf8_lossy(name));
    let group = |group: &tape::Group| group.keys.iter().map(name).collect::<Vec<_>>().join("+");
    groups.iter().map(group).collect()
}

fn plan(tape: &Tape, server: &Server, choice: &Choice) -> Plan {
    Replay::begin(tape, server.access()).unwrap().plan(choice).unwrap().0
}

fn apply(tape: &Tape, server: &Server, choice: &Choice) -> Outcome {
    let mut replay = Replay::begin(tape, server.access()).unwrap();
    let (plan, since) = replay.plan(choice).unwrap();
    replay.apply(&plan, since).unwrap()
}

fn value(server: &Server, db: u64, key: &str) -> Option<String> {
    let mut talk = talk(server);
    talk.demand(&["SELECT", &db.to_string()]).unwrap();
    talk.demand(&["GET", key]).unwrap().as_str().map(str::to_owned)
}

#[test]
fn what_nobody_wrote_since_is_put_back_once() {
    let before = ["SET n 10", "SET m 10", "SET x old", "SET y old", "SELECT 3", "SET n 10"];
    let pair = Pair::start("apply", &before);
    pair.fork();
    run(
        &pair.old,
        &[
            "INCR n",
            "INCR n",
            "INCR m",
            "RENAME x z",
            "SELECT 3",
            "INCR n",
            "MULTI",
            "SET t1 1",
            "SET t2 1",
            "EXEC",
        ],
    );
    // m, y of a pair that belongs together, and t2 of a transaction.
    run(&pair.new, &["INCR m", "SET z new", "SELECT 3", "SET t2 new"]);
    let shelf = Shelf::new("apply");
    shelf.keep(&pair.old, pair.wanted()).unwrap();
    let tape = tape::load(&shelf.only()).unwrap();

    let found = plan(&tape, &pair.new, &Choice::Untouched);
    assert_eq!(keys(&found.wanted), ["0/n", "3/n"]);
    assert_eq!(keys(&found.left), ["0/m", "0/x+0/z", "3/t1+3/t2"]);
    assert_eq!((found.commands(), found.shared, found.unknown), (3, 0, None));
    assert_eq!(value(&pair.new, 0, "n").as_deref(), Some("10"), "a plan changes nothing");

    let outcome = apply(&tape, &pair.new, &Choice::Untouched);
    assert_eq!((outcome.done, outcome.refused, outcome.overtaken), (3, 0, 0));
    for (db, key, expected) in [
        (0, "n", Some("12")),
        (3, "n", Some("11")),
        (0, "m", Some("11")),
        (0, "x", Some("old")),
        (0, "z", Some("new")),
        (3, "t1", None),
        (3, "t2", Some("new")),
    ] {
        assert_eq!(value(&pair.new, db, key).as_deref(), expected, "{db}/{key}");
    }
    // Once more: what was put back was written since.
    let outcome = apply(&tape, &pair.new, &Choice::Untouched);
    assert_eq!(outcome.done, 0);
    assert_eq!(value(&pair.new, 0, "n").as_deref(), Some("12"));

    // One that is asked for by name, written since or not.
    let chosen = Choice::Keys(vec![b"m".to_vec()]);
    assert_eq!(apply(&tape, &pair.new, &chosen).done, 1);
    assert_eq!(value(&pair.new, 0, "m").as_deref(), Some("12"));
}

#[test]
fn a_tail_that_begins_too_early_is_put_back_from_the_fork_on() {
    // Cut off, a machine keeps what the other is not known to have.
    let pair = Pair::start("early", &["SET n 0"]);
    let from = info(&pair.old).master_repl_offset.unwrap() + 1;
    run(&pair.old, &["INCR n", "INCR n"]);
    pair.fork();
    run(&pair.old, &["INCR n"]);
    let replid = info(&pair.old).master_replid.unwrap();
    let shelf = Shelf::new("early");
    let kept = shelf.keep(&pair.old, Wanted::Tail { replid, from, newer: replid });
    assert!(matches!(kept, Ok(Kept::Tail { commands: 3, .. })), "{kept:?}");
    let tape = tape::load(&shelf.only()).unwrap();
    let found = plan(&tape, &pair.new, &Choice::Untouched);
    assert_eq!((found.commands(), found.shared), (1, 2));
    assert_eq!(apply(&tape, &pair.new, &Choice::Untouched).done, 1);
    assert_eq!(value(&pair.new, 0, "n").as_deref(), Some("3"));
    // To the old one, which never lost it, nothing is done.
    let found = plan(&tape, &pair.old, &Choice::All);
    assert_eq!((found.commands(), found.shared), (0, 3));
}

#[test]
fn where_nothing_tells_what_was_written_since_nothing_is_put_back_unasked() {
    let pair = Pair::start("unknown", &["SET n 0"]);
    pair.fork();
    run(&pair.old, &["INCR n", "INCR other"]);
    let shelf = Shelf::new("unknown");
    shelf.keep(&pair.old, pair.wanted()).unwrap();
    let tape = tape::load(&shelf.only()).unwrap();

    // Its backlog has forgotten the fork: the least that Redis keeps is 16 KiB.
    run(&pair.new, &["CONFIG SET repl-backlog-size 16384"]);
    for _ in 0..40 {
        run(&pair.new, &[&format!("SET filler {}", "f".repeat(1000))]);
    }
    let found = plan(&tape, &pair.new, &Choice::Untouched);
    assert_eq!((found.commands(), found.left.len()), (0, 2));
    let why = found.unknown.unwrap();
    assert!(why.contains("backlog does not reach back"), "{why}");

    let stranger = Server::start("unknown-stranger", "");
    let found = plan(&tape, &stranger, &Choice::Untouched);
    let why = found.unknown.unwrap();
    assert!(why.contains("not one that is known"), "{why}");
    assert_eq!(apply(&tape, &stranger, &Choice::All).done, 2);
    assert_eq!(value(&stranger, 0, "other").as_deref(), Some("1"));

    // A replica takes no writes.
    run(&stranger, &["REPLICAOF 127.0.0.1 1"]);
    let refused = Replay::begin(&tape, stranger.access()).err().unwrap();
    assert!(refused.to_string().contains("replica"), "{refused}");
}

#[test]
fn a_flush_on_either_side_leaves_nothing_that_is_known_to_be_untouched() {
    let pair = Pair::start("flush", &["SET n 0"]);
    pair.fork();
    run(&pair.old, &["INCR n", "FLUSHALL", "SET a 1"]);
    let shelf = Shelf::new("flush");
    shelf.keep(&pair.old, pair.wanted()).unwrap();
    let tape = tape::load(&shelf.only()).unwrap();
    let found = plan(&tape, &pair.new, &Choice::Untouched);
    assert_eq!((found.commands(), found.unknown), (0, None));
    assert!(found.left.iter().any(|group| group.unclear.is_some()));
    assert_eq!(apply(&tape, &pair.new, &Choice::All).done, 3);
    assert_eq!(value(&pair.new, 0, "n"), None, "in the order they were done");
    assert_eq!(value(&pair.new, 0, "a").as_deref(), Some("1"));

    let pair = Pair::start("flushed", &["SET n 0"]);
    pair.fork();
    run(&pair.old, &["INCR n"]);
    run(&pair.new, &["FLUSHDB"]);
    let shelf = Shelf::new("flushed");
    shelf.keep(&pair.old, pair.wanted()).unwrap();
    let tape = tape::load(&shelf.only()).unwrap();
    assert_eq!(plan(&tape, &pair.new, &Choice::Untouched).commands(), 0);
}

#[test]
fn a_tape_that_is_not_what_its_note_says_is_refused() {
    let pair = Pair::start("spoilt", &["SET n 0"]);
    pair.fork();
    run(&pair.old, &["INCR n", "INCR n"]);
    let shelf = Shelf::new("spoilt");
    shelf.keep(&pair.old, pair.wanted()).unwrap();
    let item = shelf.only();
    tape::load(&item).unwrap();
    let whole = std::fs::read(&item.path).unwrap();
    for cut in [0, 1, 30, whole.len() - 1] {
        std::fs::write(&item.path, &whole[..cut]).unwrap();
        assert!(tape::load(&item).is_err(), "{cut}");
    }
    std::fs::write(&item.path, [&whole[..], b"*1\r\n$4\r\nPING\r\n"].concat()).unwrap();
    assert!(tape::load(&item).is_err());
    std::fs::write(item.path.with_extension("json"), "{").unwrap();
    assert!(tape::load(&shelf.only()).is_err());
}

#[test]
fn a_key_that_is_written_at_the_very_moment_is_left_alone() {
    let pair = Pair::start("moment", &["SET n 0", "SET m 0"]);
    pair.fork();
    run(&pair.old, &["INCR n", "INCR m"]);
    let shelf = Shelf::new("moment");
    shelf.keep(&pair.old, pair.wanted()).unwrap();
    let tape = tape::load(&shelf.only()).unwrap();
    let mut replay = Replay::begin(&tape, pair.new.access()).unwrap();
    let (plan, since) = replay.plan(&Choice::Untouched).unwrap();
    assert_eq!(keys(&plan.wanted), ["0/n", "0/m"]);
    run(&pair.new, &["SET n now"]);
    let outcome = replay.apply(&plan, since).unwrap();
    assert_eq!((outcome.done, outcome.overtaken), (1, 1));
    assert_eq!(value(&pair.new, 0, "n").as_deref(), Some("now"));
    assert_eq!(value(&pair.new, 0, "m").as_deref(), Some("1"));
}

#[test]
fn which_deletions_redis_writes_by_itself() {
    let pair =
        Pair::start("deletions", &["SET long 1 EX 1000", "SET soon 1 PX 300", "SET by-hand 1"]);
    pair.fork();
    let mut lines = vec!["SET unlinked 1 PX 1", "del by-hand", "SET mine 1 PX 1000000", "DEL mine"];
    run(&pair.old, &lines);
    // Nobody asks for them: Redis looks for expired keys by itself.
    wait_for("both keys to expire", || {
        talk(&pair.old).info().unwrap().0.contains("expired_keys:2")
    });
    lines = vec!["DEL long"];
    run(&pair.old, &lines);
    let shelf = Shelf::new("deletions");
    shelf.keep(&pair.old, pair.wanted()).unwrap();
    let tape = tape::load(&shelf.only()).unwrap();
    let is_deletion = |entry: &&Entry| entry.args.len() == 2;
    let mut found: Vec<(String, What, bool)> = tape
        .entries
        .iter()
        .filter(|entry| entry.what != What::Select)
        .filter(is_deletion)
        .map(|entry| {
            let words: Vec<_> = entry.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
            (words.join(" "), entry.what, entry.may_be_an_expiry())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        // Deleted by hand before its time, or not: nothing tells.
        ("DEL long", What::Write, true),
        ("DEL mine", What::Write, true),
        // Its time was given before the fork.
        ("DEL soon", What::Write, true),
        ("DEL unlinked", What::Expired, true),
        ("del by-hand", What::Write, false),
    ];
    let expected = expected.map(|(line, what, may)| (line.to_owned(), what, may));
    assert_eq!(found, expected);
}

#[test]
fn a_user_with_these_rights_over_tls_is_enough() {
    let rights = "resetkeys resetchannels -@all +psync +replconf +info +client|setname \
                  +config|get +bgsave";
    let ours = Authority::new("salvage-tls");
    ours.issue("server", "IP:127.0.0.1");
    let port = free_port();
    let lines = ours.server_lines(port, "server")
        + &format!(
            "tls-auth-clients no\nrepl-diskless-sync-delay 0\nuser ann on >right {rights}\n"
        )
        + "save 3600 1\n";
    let server = Server::start("salvage-tls-redis", &lines);
    // One that listens to its stream, so that there is one.
    let replid = info(&server).master_replid.unwrap();
    let replica = Server::start("salvage-tls-replica", "");
    let socket = server.socket();
    let relay = free_port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", relay)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let redis = UnixStream::connect(&socket).unwrap();
            let (mut a, mut b) = (stream.try_clone().unwrap(), redis.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut a, &mut b));
            let (mut a, mut b) = (redis, stream);
            std::thread::spawn(move || std::io::copy(&mut a, &mut b));
        }
    });
    run(&replica, &[&format!("REPLICAOF 127.0.0.1 {relay}")]);
    wait_for("a backlog", || info(&server).repl_backlog_active == Some(true));
    wait_for("the replica", || {
        info(&replica).master_link_status == Some(keepair_wire::info::LinkStatus::Up)
    });
    let replid = info(&server).master_replid.unwrap_or(replid);
    let from = info(&server).master_repl_offset.unwrap() + 1;
    run(&server, &["SET a 1"]);

    let way = access(Endpoint::Tcp(loopback(port)));
    let way = login(encrypted(way, tls(&ours.path("ca.pem"), None), None), Some("ann"), "right");
    let shelf = Shelf::new("salvage-tls");
    let tail = Wanted::Tail { replid, from, newer: ReplId([7; 20]) };
    let ask = |access: Access, what| {
        let within = Duration::from_secs(5);
        let order = Salvage { number: 1, what, generation: Generation(1), within };
        perform(&Job { order, access }, &shelf.place, &Left::default())
            .map_err(|error| error.to_string())
    };
    let kept = ask(way.clone(), tail);
    assert!(matches!(kept, Ok(Kept::Tail { commands: 1, keys: 1, .. })), "{kept:?}");
    let kept = ask(way.clone(), Wanted::Files);
    assert!(matches!(kept, Ok(Kept::Files { .. })), "{kept:?}");
    assert_eq!(shelf.items().pop().unwrap().note["unsaved_changes"], 0);

    // What is missing is told, and the password is not.
    let wrong = ask(login(way.clone(), Some("ann"), "wr0ng"), tail).unwrap_err();
    assert!(wrong.contains("WRONGPASS") && !wrong.contains("wr0ng"), "{wrong}");
    run(&server, &["ACL SETUSER ann -psync"]);
    let denied = ask(way, tail).unwrap_err();
    assert!(denied.contains("NOPERM") && denied.contains("psync"), "{denied}");
}

/// The thread that copies a stream, and what it told.
struct Copying {
    orders: Sender<copy::Order>,
    told: Receiver<Request>,
    left: Left,
}

impl Copying {
    fn begin(server: &Server, limit_bytes: u64) -> Copying {
        let (orders, taken) = channel();
        let (sender, told) = sync_channel(4);
        let mailbox = Mailbox::new(sender, Arc::new(Wake::new().unwrap()));
        let left = Left::default();
        let into = left.clone();
        std::thread::spawn(move || copy::work(&taken, &into, &mailbox));
        let now = info(server);
        let (replid, from) = (now.master_replid.unwrap(), now.master_repl_offset.unwrap() + 1);
        let what = action::Copying { replid, from, limit_bytes };
        orders.send(copy::Order::Begin(what, server.access())).unwrap();
        Copying { orders, told, left }
    }

    fn ended(&self) -> Result<Copied, String> {
        match self.told.recv_timeout(Duration::from_secs(5)).unwrap() {
            Request::StreamCopied(result) => result,
            _ => panic!("something else"),
        }
    }
}

/// Besides the standby.
fn copies(server: &Server) -> u32 {
    info(server).connected_slaves.unwrap() - 1
}

#[test]
fn what_a_killed_redis_had_not_passed_on_is_kept_from_its_copy() {
    let mut pair = Pair::start("copy", &["SELECT 3", "SET a 0", "SET other 0"]);
    let copying = Copying::begin(&pair.old, 64 << 20);
    wait_for("the copy", || copies(&pair.old) == 1);
    run(&pair.old, &["SELECT 3", "SET a 1"]);
    pair.fork();
    run(&pair.old, &["SELECT 3", "SET a 2", "INCR n", "MULTI", "SET x 1", "SET y 1", "EXEC"]);
    let offset = info(&pair.old).master_repl_offset.unwrap();
    let Wanted::Tail { replid, from, newer } = pair.wanted() else { panic!("a tail") };
    let full_syncs = |server: &Server| {
        let stats = talk(server).info().unwrap().0;
        stats.lines().find(|line| line.starts_with("sync_full:")).unwrap().to_owned()
    };
    assert_eq!(full_syncs(&pair.old), "sync_full:1", "the standby's");
    pair.old.kill();

    assert_eq!(copying.ended(), Ok(Copied { replid, to: offset }));
    let shelf = Shelf::new("copy");
    let what = Wanted::Copied { replid, from, newer };
    let order =
        Salvage { number: 1, what, generation: Generation(4), within: Duration::from_secs(5) };
    let job = Job { order, access: pair.old.access() };
    let keep = || perform(&job, &shelf.place, &copying.left).map_err(|error| error.to_string());
    assert_eq!(keep(), Ok(Kept::Tail { to: offset, commands: 4, keys: 4 }));
    let found = commands(&shelf.only().path);
    let found: Vec<(u64, &str)> = found.iter().map(|(db, line)| (*db, &**line)).collect();
    let expected =
        ["SET a 2", "INCR n", "MULTI", "SET x 1", "SET y 1", "EXEC"].map(|line| (3, line));
    assert_eq!(found, expected);
    assert_eq!(keep(), Err("the copy is not there any more".to_owned()), "once");
}

#[test]
fn half_a_transaction_at_the_end_of_a_copy_is_left_out() {
    let mut bytes = Vec::new();
    let mut write = |args: &[&[u8]]| {
        encode_command(args, &mut bytes);
        bytes.len() as i64
    };
    let whole = write(&[b"SET", b"a", b"1"]);
    write(&[b"MULTI"]);
    write(&[b"SET", b"b", b"1"]);
    let (replid, newer) = (ReplId([1; 20]), ReplId([2; 20]));
    let mut copy = copy::Copy::new(replid, 1, Some(0), 1 << 20);
    copy.push(&bytes).unwrap();
    copy.push(b"*1\r\n$4\r\nEX").unwrap();
    let shelf = Shelf::new("half");
    let tail = Tail { replid, from: 1, newer, generation: Generation(4) };
    let kept =
        keep_copied(copy, &shelf.place, &tail, Instant::now() + Duration::from_secs(5)).unwrap();
    assert_eq!(kept, Kept::Tail { to: whole, commands: 1, keys: 1 });
    assert_eq!(commands(&shelf.only().path), [(0, "SET a 1".to_owned())]);
}

#[test]
fn a_copy_is_forgotten_when_it_is_told_so_and_counts_for_nobody() {
    let pair = Pair::start("copy-forgotten", &["SET a 0"]);
    let copying = Copying::begin(&pair.old, 64 << 20);
    wait_for("the copy", || copies(&pair.old) == 1);
    run(&pair.old, &["SET a 1"]);
    pair.settle();
    let waited = talk(&pair.old).ask(&["WAIT", "2", "1500"]).unwrap();
    assert_eq!(waited.as_integer(), Some(1), "the standby's acknowledgement alone");
    copying.orders.send(copy::Order::Forget).unwrap();
    wait_for("its end", || copies(&pair.old) == 0);
    let told = copying.told.recv_timeout(Duration::from_millis(500));
    assert!(told.is_err(), "nothing is told of it");
}

#[test]
fn a_copy_that_redis_refuses_is_told_with_the_reason() {
    let pair = Pair::start("copy-refused", &["SET a 0"]);
    run(&pair.old, &["ACL SETUSER default -psync"]);
    let error = Copying::begin(&pair.old, 64 << 20).ended().unwrap_err();
    assert!(error.contains("NOPERM"), "{error}");
    // What is copied by another order meanwhile is forgotten.
    run(&pair.old, &["ACL SETUSER default +psync"]);
    let copying = Copying::begin(&pair.old, 1 << 20);
    let what = action::Copying { replid: ReplId([7; 20]), from: 1, limit_bytes: 1 << 20 };
    copying.orders.send(copy::Order::Begin(what, pair.old.access())).unwrap();
    assert_eq!(copying.ended(), Err("Redis has begun another history meanwhile".to_owned()));
    assert_eq!(copies(&pair.old), 0);
}
