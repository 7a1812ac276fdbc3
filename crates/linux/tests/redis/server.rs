//! A real `redis-server` in a directory of its own, and a connection to it as the daemon has one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keepair_core::action::Query;
use keepair_core::input::{Lost, RedisInput, Reply, Settings};
use keepair_linux::redis::{Access, Endpoint, Redis, Tls};
use keepair_wire::info::Info;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use super::common::wait_for;

const PATIENCE: Duration = Duration::from_secs(5);

/// A directory that goes when the test ends.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Dir {
        let path =
            std::env::temp_dir().join(format!("keepair-redis-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port of the loopback interface that nobody uses.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A Redis on a UNIX socket, and on a loopback port where it is told so. Dies with the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    dir: Dir,
}

impl Server {
    /// Starts one with these lines of configuration besides the usual.
    pub(crate) fn start(name: &str, lines: &str) -> Server {
        let dir = Dir::new(name);
        let (socket, config) = (dir.path("socket"), dir.path("redis.conf"));
        let usual = format!(
            "port 0\nsave \"\"\ndir {}\nunixsocket {}\n{lines}\n",
            dir.0.display(),
            socket.display(),
        );
        std::fs::write(&config, usual).unwrap();
        // A test that is killed must not leave a server behind.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "redis-server"])
            .arg(&config)
            .stdout(Stdio::null())
            .spawn()
            .expect("this test needs setpriv (util-linux) and redis-server");
        let server = Server { child, dir };
        wait_for("redis-server", || UnixStream::connect(&socket).is_ok());
        server
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path("socket")
    }

    /// The way in, by the UNIX socket and without a password.
    pub(crate) fn access(&self) -> Access {
        access(Endpoint::Unix(self.socket()))
    }

    /// Runs one command as the default user; the raw reply.
    pub(crate) fn admin(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{command}\r\nQUIT\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply.strip_suffix("+OK\r\n").unwrap_or(&reply).to_owned()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A way in without user, password and TLS; the peer is nobody.
pub(crate) fn access(endpoint: Endpoint) -> Access {
    Access {
        endpoints: vec![endpoint],
        username: None,
        password: None,
        tls: None,
        peer: (Ipv4Addr::new(192, 0, 2, 2), 6379).into(),
    }
}

/// The same for a user.
pub(crate) fn login(access: Access, username: Option<&str>, password: &str) -> Access {
    Access {
        username: username.map(str::to_owned),
        password: Some(Zeroizing::new(password.to_owned())),
        ..access
    }
}

/// The same with TLS.
pub(crate) fn encrypted(
    access: Access,
    config: rustls::ClientConfig,
    server_name: Option<&str>,
) -> Access {
    let server_name = server_name.map(str::to_owned);
    Access { tls: Some(Tls { config: std::sync::Arc::new(config), server_name }), ..access }
}

/// A connection, driven by poll as the reactor does.
pub(crate) struct Session {
    redis: Redis,
    inputs: Vec<RedisInput>,
}

impl Session {
    /// Begins to connect.
    pub(crate) fn begin(access: Access, attempt: u32) -> Session {
        let mut session = Session { redis: Redis::new(access), inputs: Vec::new() };
        session.redis.connect(attempt, &mut session.inputs);
        session
    }

    /// Is connected and logged in.
    pub(crate) fn open(access: Access) -> Session {
        let mut session = Session::begin(access, 0);
        assert_eq!(session.next(), RedisInput::Connected);
        session
    }

    /// What happens next, within five seconds.
    pub(crate) fn next(&mut self) -> RedisInput {
        self.within(PATIENCE).expect("nothing happened on the connection")
    }

    /// What happens next, if it happens soon enough.
    pub(crate) fn within(&mut self, limit: Duration) -> Option<RedisInput> {
        let start = Instant::now();
        while self.inputs.is_empty() {
            let left = limit.checked_sub(start.elapsed())?;
            let (fd, wants_write) = self.redis.interest().expect("lost, and nothing said so");
            let flags = if wants_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
            if poll(&mut fds, Some(&Timespec::try_from(left).unwrap())).unwrap() > 0 {
                self.redis.ready(&mut self.inputs);
            }
        }
        Some(self.inputs.remove(0))
    }

    /// One query, one reply.
    pub(crate) fn ask(&mut self, query: Query) -> Reply {
        self.redis.ask(query, &mut self.inputs);
        match self.next() {
            RedisInput::Reply(answered, reply) if answered == query => reply,
            other => panic!("{query:?}: {other:?}"),
        }
    }

    pub(crate) fn info(&mut self) -> Info {
        match self.ask(Query::Info) {
            Reply::Info(info) => *info,
            other => panic!("INFO: {other:?}"),
        }
    }

    pub(crate) fn settings(&mut self) -> Settings {
        match self.ask(Query::Settings) {
            Reply::Settings(settings) => *settings,
            other => panic!("settings: {other:?}"),
        }
    }
}

/// What becomes of an attempt to connect.
pub(crate) fn outcome(access: Access) -> Result<(), Lost> {
    match Session::begin(access, 0).next() {
        RedisInput::Connected => Ok(()),
        RedisInput::Lost(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

/// An authority made for the test, with certificates of its own.
pub(crate) struct Authority {
    dir: Dir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let authority = Authority { dir: Dir::new(name) };
        authority.openssl(&format!("-subj /CN=authority-{name} -keyout ca.key -out ca.pem"));
        authority
    }

    /// A certificate `<name>.pem` for these subject alternative names, with `<name>.key`.
    pub(crate) fn issue(&self, name: &str, alternatives: &str) {
        self.openssl(&format!(
            "-CA ca.pem -CAkey ca.key -subj /CN={name} -addext basicConstraints=CA:FALSE \
             -addext subjectAltName={alternatives} -keyout {name}.key -out {name}.pem"
        ));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path(name)
    }

    /// What a Redis needs to serve TLS with the certificate of that name.
    pub(crate) fn server_lines(&self, port: u16, name: &str) -> String {
        let dir = self.dir.0.display();
        format!(
            "tls-port {port}\ntls-cert-file {dir}/{name}.pem\ntls-key-file {dir}/{name}.key\n\
             tls-ca-cert-file {dir}/ca.pem\n"
        )
    }

    fn openssl(&self, arguments: &str) {
        let common = "req -x509 -days 2 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
        let out = Command::new("openssl")
            .args(common.split(' '))
            .args(arguments.split_whitespace())
            .current_dir(&self.dir.0)
            .output()
            .expect("this test needs the openssl program (3.0 or later)");
        assert!(out.status.success(), "openssl: {}", String::from_utf8_lossy(&out.stderr));
    }
}

/// A client's TLS: whom it trusts and, if anything, what it shows: certificate and key.
pub(crate) fn tls(ca: &Path, own: Option<(&Path, &Path)>) -> rustls::ClientConfig {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
                .unwrap()
        }
    }
}
