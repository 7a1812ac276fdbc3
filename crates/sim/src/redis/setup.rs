//! How an operator has set Redis up, and which one it is.

use core::fmt;
use std::time::Duration;

/// A version, as far as replication differs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// Redis 6.0: a replica connects at the next cron only; writes alone can't be paused.
    V6_0,
    /// Redis 6.2: a primary that was restarted from its file begins a new history.
    V6_2,
    /// Redis 7.0.
    V7_0,
}

impl Version {
    /// As INFO has it.
    pub fn text(self) -> &'static str {
        match self {
            Version::V6_0 => "6.0.16",
            Version::V6_2 => "6.2.14",
            Version::V7_0 => "7.0.15",
        }
    }
}

/// What survives the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Persistence {
    /// Nothing.
    Off,
    /// An RDB file, saved so often.
    Rdb(Duration),
    /// An append-only file, on the disk each second; it does not know its history.
    Aof,
}

/// All of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// Which one.
    pub version: Version,
    /// What survives the process.
    pub persistence: Persistence,
    /// It asks for a password: a stopped one then does not even complete a connection.
    pub auth: bool,
    /// A command is applied so long after it was read, from and to.
    pub apply_us: (u64, u64),
    /// Loading data takes so long, from and to.
    pub load_us: (u64, u64),
    /// Sending everything for a full resync takes so long.
    pub transfer: Duration,
    /// `repl-backlog-size`.
    pub backlog_bytes: i64,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            version: Version::V7_0,
            persistence: Persistence::Rdb(Duration::from_secs(10)),
            auth: true,
            apply_us: (5, 60),
            load_us: (1_000, 50_000),
            transfer: Duration::from_millis(100),
            backlog_bytes: 64 * 1024 * 1024,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Redis {}, {:?}, {}, applies after {}-{} us, sends everything in {:?}, \
             loads for {}-{} us, backlog {} bytes",
            self.version.text(),
            self.persistence,
            if self.auth { "with password" } else { "without password" },
            self.apply_us.0,
            self.apply_us.1,
            self.transfer,
            self.load_us.0,
            self.load_us.1,
            self.backlog_bytes,
        )
    }
}
