//! A real etcd as a witness.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keepair_linux::redis::Tls;
use keepair_linux::tiebreaker::{Endpoint, Etcd, Setting};
use zeroize::Zeroizing;

use super::common::{sh, wait_for};
use super::server::{Authority, Dir, free_port, tls};
use super::*;

const KEY: &str = "keepair/test";

struct Server {
    child: Child,
    port: u16,
    _dir: Dir,
}

impl Server {
    fn start(name: &str) -> Server {
        let server = Server::start_with(name, "http", &[]);
        wait_for("etcd", || server.attempt("endpoint health"));
        server
    }

    fn start_with(name: &str, scheme: &str, arguments: &[&str]) -> Server {
        let (port, peer) = (free_port(), free_port());
        let dir = Dir::new(&format!("etcd-{name}"));
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "etcd", "--data-dir"])
            .arg(dir.path("data"))
            .args(["--listen-client-urls", &format!("{scheme}://127.0.0.1:{port}")])
            .args(["--advertise-client-urls", &format!("{scheme}://127.0.0.1:{port}")])
            .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peer}")])
            .args(["--initial-advertise-peer-urls", &format!("http://127.0.0.1:{peer}")])
            .args(["--initial-cluster", &format!("default=http://127.0.0.1:{peer}")])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs setpriv (util-linux) and etcd (etcd-server)");
        Server { child, port, _dir: dir }
    }

    fn control(&self, arguments: &str) -> String {
        sh(&format!("ETCDCTL_API=3 etcdctl --endpoints 127.0.0.1:{} {arguments} 2>&1", self.port))
    }

    fn attempt(&self, arguments: &str) -> bool {
        let endpoints = format!("127.0.0.1:{}", self.port);
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args([
            "--endpoints",
            &endpoints,
            "--dial-timeout",
            "200ms",
        ]);
        command.args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("this test needs etcdctl (etcd-client)").success()
    }

    fn setting(&self, node: &str) -> Etcd {
        Etcd { endpoints: vec![endpoint(self.port)], login: None, register: register(KEY, node) }
    }

    fn machine(&self, node: &str) -> Machine {
        Machine::start(Setting::Etcd(self.setting(node)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint { host: "127.0.0.1".to_owned(), port, tls: None }
}

#[test]
fn etcd_keeps_the_rules_of_the_register() {
    let server = Server::start("rules");
    the_register_keeps_its_rules(|node| server.machine(node));
    assert!(server.control(&format!("get {KEY} --print-value-only")).starts_with("a 1152921504"));
}

#[test]
fn a_register_that_somebody_removes_begins_a_new_life() {
    let server = Server::start("removed");
    let (a, b) = (server.machine("a"), server.machine("b"));
    let first = a.meets();
    assert_eq!(b.meets(), first);
    assert_eq!(a.is_told(first, 10, 0), granted(10));
    server.control(&format!("del {KEY}"));
    let Says::Met(second) = b.is_told(first, 20, 0) else { panic!("a lost register gave a vote") };
    assert_ne!(second, first);
    // Where nobody asks it is noticed within a second or so.
    assert_eq!(a.meets(), second);
    assert_eq!(a.is_told(second, 11, 0), granted(11));
    assert_eq!(b.is_told(second, 20, 0), refused(11));
}

#[test]
fn the_next_endpoint_is_tried_and_what_is_no_register_is_left_alone() {
    let server = Server::start("endpoints");
    let dead = Etcd { endpoints: vec![endpoint(1), endpoint(server.port)], ..server.setting("a") };
    let machine = Machine::start(Setting::Etcd(dead));
    assert!(machine.misses().contains("refused"));
    let run = machine.meets();
    assert_eq!(machine.is_told(run, 10, 0), granted(10));

    server.control(&format!("put {KEY} precious"));
    assert!(machine.misses().contains("holds something else"));
    assert_eq!(server.control(&format!("get {KEY} --print-value-only")), "precious\n");
}

#[test]
fn etcd_with_users() {
    let server = Server::start("users");
    server.control("user add root:secret");
    server.control("auth enable");
    let nobody = server.machine("a");
    assert_eq!(nobody.misses(), "etcdserver: user name is empty");
    let login = |password: &str| Etcd {
        login: Some(("root".to_owned(), Zeroizing::new(password.to_owned()))),
        ..server.setting("a")
    };
    let wrong = Machine::start(Setting::Etcd(login("wrong")));
    assert!(wrong.misses().contains("authentication failed"));
    let right = Machine::start(Setting::Etcd(login("secret")));
    let run = right.meets();
    assert_eq!(right.is_told(run, 10, 0), granted(10));
}

#[test]
fn etcd_behind_tls_that_wants_a_certificate() {
    let authority = Authority::new("etcd");
    authority.issue("server", "IP:127.0.0.1");
    authority.issue("client", "DNS:client");
    let path = |name: &str| authority.path(name).display().to_string();
    let files = [path("server.pem"), path("server.key"), path("ca.pem")];
    let [cert, key, ca] = files.each_ref().map(String::as_str);
    let arguments = ["--cert-file", cert, "--key-file", key, "--trusted-ca-file", ca];
    let server =
        Server::start_with("tls", "https", &[&arguments[..], &["--client-cert-auth"]].concat());
    wait_for("etcd", || TcpStream::connect(("127.0.0.1", server.port)).is_ok());
    let machine = |own: Option<(&Path, &Path)>| {
        let config = Arc::new(tls(&authority.path("ca.pem"), own));
        let encrypted =
            Endpoint { tls: Some(Tls { config, server_name: None }), ..endpoint(server.port) };
        Machine::start(Setting::Etcd(Etcd { endpoints: vec![encrypted], ..server.setting("a") }))
    };
    let (cert, key) = (authority.path("client.pem"), authority.path("client.key"));
    let known = machine(Some((&cert, &key)));
    let run = loop {
        match known.hears() {
            Says::Met(run) => break run,
            // It may not have elected itself yet.
            Says::Gone(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(known.is_told(run, 10, 0), granted(10));
    assert!(machine(None).misses().contains("TLS"));
}

#[test]
fn costs() {
    let server = Server::start("costs");
    measure("etcd's vote on loopback", &server.machine("a"));
}
