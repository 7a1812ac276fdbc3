//! The connection to a real Redis: logging in, asking, and every way of losing it. Needs
//! `redis-server` with TLS, `openssl` and `setpriv`; not root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
#[path = "redis/rights.rs"]
mod rights;
#[path = "redis/server.rs"]
mod server;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keepair_core::action::Query;
use keepair_core::input::{Lost, RedisInput, Reply};
use keepair_linux::redis::{Access, Endpoint};
use keepair_wire::info::Role;
use server::{
    Authority, Server, Session, access, encrypted, free_port, login, loopback, outcome, tls,
};

/// Somebody on a loopback port who is no Redis.
fn impostor(serve: impl FnOnce(TcpStream) + Send + 'static) -> (Access, JoinHandle<()>) {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    (access(Endpoint::Tcp(address)), thread)
}

#[track_caller]
fn failed(result: Result<(), Lost>, parts: &[&str]) {
    let Err(Lost::Failed(text)) = result else { panic!("{result:?}, not Failed") };
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn a_login_works_or_says_what_redis_said() {
    let open = Server::start("open", "");
    let shut = Server::start("shut", "requirepass right\nuser ann on >right ~* &* +@all\n");
    let refused = |text: &str| Err(Lost::AuthFailed(text.to_owned()));
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    let missing = "NOAUTH Authentication required. (set `password_file` in [redis])";
    let needless = "ERR AUTH <password> called without any password configured for the default \
                    user. Are you sure your configuration is correct?";
    let table = [
        (open.access(), Ok(())),
        (login(open.access(), None, "any"), refused(needless)),
        (shut.access(), refused(missing)),
        (login(shut.access(), None, "right"), Ok(())),
        (login(shut.access(), None, "wrong"), refused(wrong)),
        (login(shut.access(), Some("ann"), "right"), Ok(())),
        (login(shut.access(), Some("ann"), "wrong"), refused(wrong)),
        (login(shut.access(), Some("bob"), "right"), refused(wrong)),
    ];
    for (row, (access, expected)) in table.into_iter().enumerate() {
        assert_eq!(outcome(access), expected, "row {row}");
    }
}

#[test]
fn a_redis_that_turns_clients_away_says_why() {
    let full = Server::start("full", "");
    let _first = Session::open(full.access());
    assert_eq!(full.admin("CONFIG SET maxclients 1"), "+OK\r\n");
    failed(outcome(full.access()), &["max number of clients"]);

    let (turned_away, thread) = impostor(|mut stream| {
        stream.write_all(b"-DENIED Redis is running in protected mode\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut session = Session::begin(turned_away, 0);
    let RedisInput::Lost(Lost::Failed(text)) = session.next() else { panic!("not Failed") };
    assert!(text.contains("DENIED Redis is running in protected mode"), "{text}");
    drop(session);
    thread.join().unwrap();
}

#[test]
fn info_names_the_process_and_its_role() {
    let server = Server::start("info", "");
    let mut session = Session::open(server.access());
    let info = session.info();
    assert_eq!(info.role, Some(Role::Primary));
    assert_eq!(info.process_id, Some(server.child.id()));
    let run_id = info.run_id.unwrap().to_string();
    assert!(server.admin("INFO server").contains(&format!("run_id:{run_id}")));
    assert_eq!(info.keys, Some(0));

    assert!(matches!(session.ask(Query::Follow), Reply::Info(_)));
    let info = session.info();
    assert_eq!(info.role, Some(Role::Replica));
    assert_eq!((info.master_host.as_deref(), info.master_port), (Some("192.0.2.2"), Some(6379)));
}

#[test]
fn the_endpoints_are_tried_in_turn() {
    let port = free_port();
    let server = Server::start("turn", &format!("port {port}\nbind 127.0.0.1\n"));
    let mut access = server.access();
    access.endpoints = vec![Endpoint::Tcp(loopback(1)), Endpoint::Tcp(loopback(port))];
    for (attempt, expected) in [
        (0, RedisInput::Lost(Lost::Closed)),
        (1, RedisInput::Connected),
        (2, RedisInput::Lost(Lost::Closed)),
        (3, RedisInput::Connected),
    ] {
        assert_eq!(Session::begin(access.clone(), attempt).next(), expected, "attempt {attempt}");
    }
    access.endpoints.clear();
    failed(outcome(access), &["no address to connect to"]);
}

#[test]
fn where_nobody_listens_the_connection_is_closed() {
    let dir = server::Dir::new("nobody");
    let nobody = [
        Endpoint::Tcp(loopback(free_port())),
        Endpoint::Unix(dir.path("no-such-socket")),
        Endpoint::Unix("/nowhere/at/all".into()),
    ];
    for endpoint in nobody {
        assert_eq!(outcome(access(endpoint.clone())), Err(Lost::Closed), "{endpoint:?}");
    }
    // A socket nobody accepts on any more.
    drop(std::os::unix::net::UnixListener::bind(dir.path("left-over")).unwrap());
    assert_eq!(outcome(access(Endpoint::Unix(dir.path("left-over")))), Err(Lost::Closed));
}

#[test]
fn who_is_no_redis_is_found_out() {
    let answers: [(&'static [u8], &str); 4] = [
        (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n", "this is not a Redis"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "this is not a Redis"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "this is not a Redis"),
        (b"+OK\r\n+PONG\r\n+WHAT\r\n", "what nobody asked"),
    ];
    for (answer, expected) in answers {
        let (access, thread) = impostor(move |mut stream| {
            let mut buf = [0; 256];
            let _ = stream.read(&mut buf).unwrap();
            stream.write_all(answer).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let mut session = Session::begin(access, 0);
        let lost = loop {
            match session.next() {
                RedisInput::Connected => {}
                RedisInput::Lost(Lost::Failed(text)) => break text,
                other => panic!("{other:?}"),
            }
        };
        assert!(lost.contains(expected), "{lost:?} for {answer:?}");
        drop(session);
        thread.join().unwrap();
    }
}

#[test]
fn who_accepts_and_says_nothing_is_waited_for() {
    let (access, thread) = impostor(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut session = Session::begin(access, 0);
    assert_eq!(session.within(Duration::from_millis(100)), None);
    drop(session);
    thread.join().unwrap();
}

#[test]
fn replies_in_single_bytes_are_put_together() {
    let server = Server::start("bytes", "");
    let upstream = server.socket();
    let (access, thread) = impostor(move |stream| {
        stream.set_nodelay(true).unwrap();
        let redis = UnixStream::connect(upstream).unwrap();
        let (mut from, mut to) = (stream.try_clone().unwrap(), redis.try_clone().unwrap());
        let up = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        for byte in BufReader::new(redis).bytes().map_while(Result::ok) {
            let _ = (&stream).write_all(&[byte]);
        }
        up.join().unwrap();
    });
    let mut session = Session::open(access);
    assert_eq!(session.ask(Query::Ping), Reply::Ok);
    assert_eq!(session.info().process_id, Some(server.child.id()));
    assert_eq!(session.settings().denied, Vec::<String>::new());
    assert!(matches!(session.ask(Query::Follow), Reply::Info(_)));
    assert_eq!(session.ask(Query::Promote), Reply::Ok);
    drop(session);
    thread.join().unwrap();
}

#[test]
fn a_redis_that_ends_is_noticed_by_its_closing_connection() {
    let server = Server::start("shutdown", "");
    let mut session = Session::open(server.access());
    assert_eq!(session.within(Duration::from_millis(50)), None);
    server.admin("SHUTDOWN NOSAVE");
    assert_eq!(session.next(), RedisInput::Lost(Lost::Closed));

    let mut noticed: Vec<Duration> = (0..5)
        .map(|_| {
            let mut server = Server::start("kill", "");
            let mut session = Session::open(server.access());
            session.info();
            let start = Instant::now();
            server.child.kill().unwrap();
            assert_eq!(session.next(), RedisInput::Lost(Lost::Closed));
            start.elapsed()
        })
        .collect();
    noticed.sort();
    println!("kill -9 noticed after {noticed:?}");
    // Other programs share the machine: the median, not the worst.
    assert!(noticed[2] < Duration::from_millis(10), "{noticed:?}");
}

#[test]
fn tls_trusts_its_own_authority_and_the_right_name_only() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    ours.issue("server", "IP:127.0.0.1,DNS:redis.test");
    let port = free_port();
    let lines = ours.server_lines(port, "server") + "tls-auth-clients no\nrequirepass right\n";
    let server = Server::start("tls", &lines);
    let way = login(access(Endpoint::Tcp(loopback(port))), None, "right");
    let with = |authority: &Authority, name| {
        outcome(encrypted(way.clone(), tls(&authority.path("ca.pem"), None), name))
    };
    assert_eq!(with(&ours, None), Ok(()));
    assert_eq!(with(&ours, Some("127.0.0.1")), Ok(()));
    assert_eq!(with(&ours, Some("redis.test")), Ok(()));
    failed(with(&ours, Some("elsewhere.test")), &["TLS", "elsewhere.test"]);
    failed(with(&ours, Some("not a name")), &["not a name"]);
    failed(with(&other, None), &["TLS", "UnknownIssuer"]);

    // Everything works over it, a closing too.
    let mut session = Session::open(encrypted(way.clone(), tls(&ours.path("ca.pem"), None), None));
    assert_eq!(session.info().process_id, Some(server.child.id()));
    assert_eq!(session.settings().denied, Vec::<String>::new());
    assert!(matches!(session.ask(Query::Follow), Reply::Info(_)));
    drop(server);
    assert_eq!(session.next(), RedisInput::Lost(Lost::Closed));
}

#[test]
fn tls_and_no_tls_do_not_meet() {
    let ours = Authority::new("meet");
    ours.issue("server", "IP:127.0.0.1");
    let (plain, secure) = (free_port(), free_port());
    let lines = ours.server_lines(secure, "server");
    let _server = Server::start("meet-server", &format!("port {plain}\n{lines}"));
    let config = || tls(&ours.path("ca.pem"), None);
    let (plain, secure) = (Endpoint::Tcp(loopback(plain)), Endpoint::Tcp(loopback(secure)));
    // Without a client certificate, which Redis asks for by default.
    let lost = outcome(encrypted(access(secure.clone()), config(), None));
    failed(lost, &["TLS", "CertificateRequired"]);
    // Plain bytes to a TLS port: Redis hangs up, or answers with an alert.
    assert!(outcome(access(secure)).is_err());
    // A plain Redis takes the greeting of TLS for the beginning of a command, and waits.
    let mut session = Session::begin(encrypted(access(plain), config(), None), 0);
    let said = session.within(Duration::from_millis(100));
    assert!(!matches!(said, Some(RedisInput::Connected)), "{said:?}");
}

#[test]
fn a_client_certificate_lets_in() {
    let ours = Authority::new("mutual");
    ours.issue("server", "IP:127.0.0.1");
    ours.issue("client", "DNS:client.test");
    let port = free_port();
    let _server = Server::start("mutual-server", &ours.server_lines(port, "server"));
    let (certificate, key) = (ours.path("client.pem"), ours.path("client.key"));
    let config = tls(&ours.path("ca.pem"), Some((&certificate, &key)));
    let way = access(Endpoint::Tcp(loopback(port)));
    assert_eq!(Session::open(encrypted(way, config, None)).ask(Query::Ping), Reply::Ok);
}
