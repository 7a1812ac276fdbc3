//! What the daemon's user may do, and what is said of one who may do less.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use keepair_core::action::Query;
use keepair_core::input::{RedisInput, Reply};
use keepair_core::settings::ACL_LINE;
use keepair_wire::info::Role;

use super::server::{Server, Session, login};

const PAUSE: Duration = Duration::from_secs(20);

/// A connection as user `keepair`, with the documented rights and these changes to them.
fn as_keepair(server: &Server, changes: &str) -> Session {
    let line = ACL_LINE.replace(">PASSWORD", ">secret");
    assert_eq!(server.admin("ACL DELUSER keepair").chars().next(), Some(':'));
    assert_eq!(server.admin(&format!("{line} {changes}")), "+OK\r\n");
    Session::open(login(server.access(), Some("keepair"), "secret"))
}

fn role(session: &mut Session) -> Option<Role> {
    session.info().role
}

#[test]
fn the_documented_user_may_do_all_that_is_needed() {
    let server =
        Server::start("documented", "requirepass secret\nuser default on nopass ~* +@all\n");
    let mut session = as_keepair(&server, "");
    let settings = session.settings();
    assert_eq!(settings.denied, Vec::<String>::new());
    assert_eq!(settings.replica_read_only, Some(true));
    assert_eq!(settings.repl_backlog_size, Some(1 << 20));
    assert_eq!(settings.repl_timeout, Some(60));
    assert_eq!(settings.masterauth, Some(false));
    // Looking changed nothing, and the connection goes on.
    for _ in 0..2 {
        assert_eq!(session.ask(Query::Ping), Reply::Ok);
        assert_eq!(role(&mut session), Some(Role::Primary));
        assert!(matches!(session.ask(Query::Follow), Reply::Info(_)));
        assert_eq!(role(&mut session), Some(Role::Replica));
        assert_eq!(session.settings().denied, Vec::<String>::new());
        assert_eq!(role(&mut session), Some(Role::Replica));
        assert_eq!(session.ask(Query::Promote), Reply::Ok);
        assert_eq!(session.ask(Query::PauseWrites(PAUSE)), Reply::Ok);
        assert_eq!(session.ask(Query::Ping), Reply::Ok);
        assert_eq!(role(&mut session), Some(Role::Primary));
        assert_eq!(session.ask(Query::ResumeWrites), Reply::Ok);
        assert_eq!(server.admin("SET key value"), "+OK\r\n");
    }
    assert_eq!(session.within(Duration::from_millis(20)), None);
}

#[test]
fn what_a_lesser_user_lacks_is_named_and_nothing_is_done_by_looking() {
    let server = Server::start("lesser", "");
    let admin = server.access();
    for (changes, denied) in [
        ("-replicaof", "replicaof"),
        ("-info", "info"),
        ("-config|get", "config|get"),
        ("-client|kill", "client|kill"),
        ("-client|pause", "client|pause"),
        ("-client|unpause", "client|unpause"),
        ("-ping", "ping"),
        ("-multi", "multi"),
        ("-discard", ""),
        ("-exec", "exec"),
        ("-multi -exec", "multi exec"),
        ("-config|get -replicaof -client|kill", "config|get replicaof client|kill"),
        (
            "-@all",
            "ping config|get multi replicaof info client|kill client|pause client|unpause exec",
        ),
    ] {
        let mut root = Session::open(admin.clone());
        assert!(matches!(root.ask(Query::Follow), Reply::Info(_)));
        let mut session = as_keepair(&server, changes);
        let mut found = session.settings().denied;
        let mut expected: Vec<&str> = denied.split_whitespace().collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{changes}");
        assert_eq!(role(&mut root), Some(Role::Replica), "{changes}: looking promoted it");
        // Not stuck in a transaction: what is allowed is done, not queued.
        if !changes.contains("-info") && !changes.contains("-@all") {
            assert_eq!(role(&mut session), Some(Role::Replica), "{changes}");
        }
    }
}

#[test]
fn a_refusal_is_answered_with_what_redis_said() {
    let server = Server::start("refusal", "");
    let mut session = as_keepair(&server, "-replicaof -client|pause");
    for query in [Query::Promote, Query::PauseWrites(PAUSE), Query::Follow] {
        let Reply::Error(text) = session.ask(query) else { panic!("{query:?} was allowed") };
        assert!(text.starts_with("NOPERM "), "{query:?}: {text}");
    }
    // A transaction in which one command was refused does none of the others.
    assert_eq!(role(&mut session), Some(Role::Primary));
}

#[test]
fn following_drops_ordinary_clients_and_not_the_daemon() {
    let server = Server::start("following", "");
    let mut client = UnixStream::connect(server.socket()).unwrap();
    let mut subscriber = UnixStream::connect(server.socket()).unwrap();
    for (stream, line) in [(&mut client, "PING\r\n"), (&mut subscriber, "SUBSCRIBE news\r\n")] {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        assert!(stream.read(&mut [0; 256]).unwrap() > 0);
    }
    let mut session = as_keepair(&server, "");
    assert!(matches!(session.ask(Query::Follow), Reply::Info(_)));
    for stream in [&mut client, &mut subscriber] {
        assert_eq!(stream.read(&mut [0; 256]).unwrap_or(0), 0, "still connected");
    }
    assert_eq!(role(&mut session), Some(Role::Replica));
    assert_eq!(session.within(Duration::from_millis(20)), None::<RedisInput>);
}
