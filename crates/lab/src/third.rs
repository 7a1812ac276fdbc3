//! The third parties of a pair, each on a host of its own: the gateway, a witness, an etcd.

use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::journal::Journal;
use crate::namespace::Namespace;
use crate::tools::Tools;
use crate::unit::{Build, Slot, Unit};

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A host that answers ARP and neighbour solicitations, and the pair's default route.
    Gateway,
    /// A small Redis.
    Witness,
    /// An etcd of one member.
    Etcd,
}

impl Kind {
    /// Every kind, in the order of `[tiebreaker]`.
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Witness, Self::Etcd];

    /// Its name, here and in keepair.toml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Witness => "witness",
            Self::Etcd => "etcd",
        }
    }

    /// The last number of its address: in IPv6 as written, so hexadecimal there.
    #[must_use]
    pub fn number(self, ipv6: bool) -> u16 {
        match (self, ipv6) {
            (Self::Gateway, _) => 1,
            (Self::Witness, false) => 20,
            (Self::Witness, true) => 0x20,
            (Self::Etcd, false) => 30,
            (Self::Etcd, true) => 0x30,
        }
    }

    fn port(self) -> u16 {
        if self == Self::Etcd { 2379 } else { 6379 }
    }

    /// Its line in keepair.toml.
    #[must_use]
    pub fn setting(self, address: IpAddr) -> String {
        let place = SocketAddr::new(address, self.port());
        match self {
            Self::Gateway => "gateway = \"auto\"\n".to_owned(),
            Self::Witness => format!("witness = \"redis://{place}\"\n"),
            Self::Etcd => format!("etcd = [\"http://{place}\"]\n"),
        }
    }
}

/// The tie-breaker of a pair: nobody, or those that must all give their vote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TieBreaker(Vec<Kind>);

impl TieBreaker {
    /// Of these.
    #[must_use]
    pub fn of(kinds: &[Kind]) -> Self {
        Self(kinds.to_vec())
    }

    /// Reads `none`, `witness`, or several that vote together: `gateway+witness`.
    ///
    /// # Errors
    /// For any other word.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        let mut kinds = Vec::new();
        for word in text.split('+') {
            let found = Kind::ALL.into_iter().find(|kind| kind.name() == word);
            kinds.push(found.ok_or_else(|| format!("{word:?}: none, gateway, witness or etcd"))?);
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(Self(kinds))
    }

    /// Who they are.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.0
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these is among them.
    #[must_use]
    pub fn has_one_of(&self, kinds: &[Kind]) -> bool {
        self.0.iter().any(|kind| kinds.contains(kind))
    }
}

impl fmt::Display for TieBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|kind| kind.name()).collect();
        f.pad(&if names.is_empty() { "none".to_owned() } else { names.join("+") })
    }
}

/// One of them, with its host.
#[derive(Debug)]
pub struct Third {
    /// What it is.
    pub kind: Kind,
    /// Its address.
    pub address: IpAddr,
    /// The namespaces it lives in.
    pub namespace: Arc<Namespace>,
    /// Its process; a gateway has none, its kernel answers.
    pub unit: Option<Unit>,
}

impl Third {
    /// Makes the host; starts nothing.
    ///
    /// # Errors
    /// Where the kernel or the file system refuses, or the program is missing.
    pub fn new(
        kind: Kind,
        address: IpAddr,
        dir: &Path,
        tools: &Tools,
        journal: &Journal,
    ) -> Result<Self> {
        let dir = dir.join(kind.name());
        fs::create_dir_all(&dir)?;
        let namespace = Arc::new(Namespace::new(kind.name())?);
        let build = match kind {
            Kind::Gateway => None,
            Kind::Witness => Some(witness(dir, tools.redis.clone())),
            Kind::Etcd => {
                let program = tools.etcd.clone().context("etcd: not in PATH (etcd-server)")?;
                Some(etcd(dir, program, address))
            }
        };
        let slot: Slot = Arc::new(Mutex::new(Arc::clone(&namespace)));
        let unit =
            build.map(|build| Unit::new(format!("{kind:?}"), slot, journal.clone(), build, None));
        Ok(Self { kind, address, namespace, unit })
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(&self) -> Result<()> {
        let Some(unit) = &self.unit else { return Ok(()) };
        unit.start()?;
        self.wait(Duration::from_secs(10))
    }

    /// Its process.
    ///
    /// # Errors
    /// Where it has none.
    pub fn process(&self) -> Result<&Unit> {
        self.unit.as_ref().with_context(|| format!("a {} has no process", self.kind.name()))
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// After `limit`.
    pub fn wait(&self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        let to = SocketAddr::new(self.address, self.kind.port());
        let short = Duration::from_millis(200);
        while self.namespace.run(move || TcpStream::connect_timeout(&to, short))?.is_err() {
            if Instant::now() > until {
                bail!("{} does not listen within {limit:?}", self.kind.name());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// A Redis that remembers nothing: whenever it starts it is empty.
fn witness(dir: PathBuf, server: PathBuf) -> Build {
    Box::new(move || {
        let mut command = Command::new(&server);
        command.args(["--port", "6379", "--bind", "0.0.0.0", "-::*", "--protected-mode", "no"]);
        command.args(["--save", "", "--appendonly", "no", "--logfile", "witness.log"]);
        command.current_dir(&dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    })
}

/// An etcd of one member, which remembers.
fn etcd(dir: PathBuf, program: PathBuf, address: IpAddr) -> Build {
    const PEERS: &str = "http://127.0.0.1:2380";
    Box::new(move || {
        let clients = format!("http://{}", SocketAddr::new(address, Kind::Etcd.port()));
        let log = fs::File::options().create(true).append(true).open(dir.join("etcd.log"))?;
        let mut command = Command::new(&program);
        command.args(["--name", "lab", "--data-dir"]).arg(dir.join("data"));
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", PEERS, "--initial-advertise-peer-urls", PEERS]);
        command.args(["--initial-cluster", &format!("lab={PEERS}")]);
        command.current_dir(&dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    })
}

#[cfg(test)]
#[path = "third_tests.rs"]
mod tests;
