//! What can happen to a node: facts, in the past tense.

use crate::action::Query;
use crate::config::{Config, Generation, Vip};
use crate::tiebreaker::Says;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::info::{Info, ReplId, RunId};

/// One thing that happened. The executor delivers them one at a time.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Input {
    /// The first input: what an earlier run of the daemon left behind.
    Started(Remains),
    /// The time named by [`crate::Node::deadline`] has come, or passed.
    Deadline,
    /// A VRRP message came in on the interface, without its IP header.
    Advert {
        /// Source of the IP packet.
        src: IpAddr,
        /// Destination of the IP packet.
        dst: IpAddr,
        /// TTL or hop limit it arrived with.
        ttl: u8,
        /// The VRRP message.
        #[cfg_attr(feature = "serde", serde(with = "keepair_wire::hex"))]
        message: Vec<u8>,
    },
    /// A datagram came in on the daemons' own link.
    PeerDatagram {
        /// Source of the IP packet.
        src: IpAddr,
        /// TTL or hop limit it arrived with.
        ttl: u8,
        /// The payload.
        #[cfg_attr(feature = "serde", serde(with = "keepair_wire::hex"))]
        bytes: Vec<u8>,
    },
    /// The interface gained (`true`) or lost (`false`) its carrier or its administrative state.
    LinkChanged(bool),
    /// A virtual address is gone from the interface and this node did not remove it.
    VipGone(IpAddr),
    /// Somebody else on the network claims a virtual address.
    VipClaimed {
        /// The address.
        address: IpAddr,
        /// The claiming station's MAC address.
        #[cfg_attr(feature = "serde", serde(with = "keepair_wire::hex"))]
        mac: [u8; 6],
    },
    /// The local Redis.
    Redis(RedisInput),
    /// An action the core waits for has succeeded or failed.
    ActionDone(Done, Result<(), Refused>),
    /// A tie-breaker, by its place in `Config::tie_breakers`.
    TieBreaker(usize, Says),
    /// What became of an [`crate::Action::Salvage`].
    Salvaged {
        /// Of the order.
        number: u32,
        /// What was kept, or why nothing was.
        result: Result<Kept, String>,
    },
    /// Nothing more comes of an [`crate::Action::CopyStream`]: what is there now, or why nothing is.
    StreamCopied(Result<Copied, String>),
    /// The configuration file of the local Redis was read, as far as it could be.
    RedisFile {
        /// It has `replicaof`, so that Redis starts as a replica.
        replicaof: bool,
    },
    /// The operator wants something.
    Operator(Operator),
}

/// A copy of a stream that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Copied {
    /// Whose.
    pub replid: ReplId,
    /// The offset of its last byte.
    pub to: i64,
}

/// What is safe on the disk, before it is overwritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Kept {
    /// The tail holds nothing that a client wrote, and was not kept.
    Nothing {
        /// The offset of its last byte.
        to: i64,
    },
    /// The tail of the stream.
    Tail {
        /// The offset of its last byte.
        to: i64,
        /// Commands that change data.
        commands: u64,
        /// Different keys that they name.
        keys: u64,
    },
    /// The data files.
    Files {
        /// So many bytes.
        bytes: u64,
    },
}

/// What an earlier run left behind, and what only the outside knows.
#[derive(Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Remains {
    /// A number no other start of a daemon uses.
    pub instance: u64,
    /// Milliseconds since the Unix epoch at `now`.
    pub unix_ms: u64,
    /// The kernel still honours the right of an earlier run, for this long.
    pub fence_left: Option<Duration>,
    /// The link is up.
    pub link_up: bool,
    /// What was persisted.
    pub persisted: Option<Persisted>,
}

/// What survives a restart of the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Persisted {
    /// The newest generation this machine's data belongs to.
    pub generation: Generation,
    /// The `run_id` of the Redis process that held it.
    pub run_id: Option<RunId>,
    /// This machine was the primary.
    pub primary: bool,
    /// The operator let this machine begin alone, and the peer has not been heard since.
    pub solo: bool,
    /// This machine began the generation.
    pub served: bool,
    /// Where that Redis process's append-only file had been, if it wrote one.
    pub aof: Option<AofMark>,
}

/// How far an append-only file reached at some time: one that is shorter has lost something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AofMark {
    /// The history of the process.
    pub replid: ReplId,
    /// The history that the mark was made in, if the process was promoted since; zeros: the same.
    pub replid2: ReplId,
    /// The offset of its last byte then.
    pub offset: i64,
    /// INFO `aof_current_size` then.
    pub bytes: i64,
}

/// Facts about the local Redis.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RedisInput {
    /// The connection is established, encrypted and authenticated where that is configured.
    Connected,
    /// There is no connection: it could not be made, or it closed.
    Lost(Lost),
    /// The answer to a query.
    Reply(Query, Reply),
    /// The watched process was looked at; `None`: there is none that could be watched.
    Process(Option<Process>),
    /// A watched process or thread ended; look at the process.
    ProcessStirred,
}

/// Why there is no connection to Redis.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Lost {
    /// It closed, or was refused: nobody listens.
    Closed,
    /// The password or user was refused; what Redis said.
    AuthFailed(String),
    /// Anything else, for people.
    Failed(String),
}

/// What a query was answered with.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Reply {
    /// `+OK`, `+PONG`, or a transaction in which every command succeeded.
    Ok,
    /// INFO.
    Info(Box<Info>),
    /// The settings asked for.
    Settings(Box<Settings>),
    /// Redis refused; its error text, first word included.
    Error(String),
}

/// Settings that decide whether a failover can work. `None`: could not be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Settings {
    /// `requirepass` is set.
    pub requirepass: Option<bool>,
    /// `masterauth` is set.
    pub masterauth: Option<bool>,
    /// `repl-backlog-size` in bytes.
    pub repl_backlog_size: Option<i64>,
    /// `repl-backlog-ttl` in seconds.
    pub repl_backlog_ttl: Option<i64>,
    /// `repl-ping-replica-period` in seconds.
    pub repl_ping_replica_period: Option<i64>,
    /// `repl-timeout` in seconds.
    pub repl_timeout: Option<i64>,
    /// `replica-read-only`.
    pub replica_read_only: Option<bool>,
    /// Commands the connected user may not run.
    pub denied: Vec<String>,
}

/// A look at the Redis process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Process {
    /// The state letter of `/proc/PID/stat`; `X` when there is no such process any more.
    pub state: char,
    /// It has begun to exit, though its sockets may still be open.
    pub exiting: bool,
    /// CPU time used so far, in clock ticks.
    pub cpu_ticks: u64,
}

/// Actions whose success the core waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Done {
    /// [`crate::Action::AddVips`].
    AddVips,
    /// [`crate::Action::RemoveVips`].
    RemoveVips,
    /// [`crate::Action::OpenFence`].
    OpenFence,
    /// [`crate::Action::RenewFence`].
    RenewFence,
    /// [`crate::Action::CloseFence`].
    CloseFence,
    /// [`crate::Action::Persist`].
    Persist,
}

/// The world refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refused {
    /// The fence could not be renewed: the kernel had stopped serving the addresses before.
    Lapsed,
    /// Anything else, for people.
    Failed(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Lapsed => write!(f, "the kernel had stopped serving the addresses before"),
            Refused::Failed(text) => f.write_str(text),
        }
    }
}

/// What an operator can ask for.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Operator {
    /// Move the primary to the other machine.
    Switchover,
    /// This machine may begin alone, without having heard the other one, until it hears it.
    Solo,
    /// Of two data sets that can't be compared, that of the local Redis (`true`) or of the peer's is
    /// the pair's.
    Accept {
        /// The local one.
        own: bool,
    },
    /// Hand over if possible, leave the address, exit.
    Stop,
    /// A new configuration, already checked. The pair and the virtual router stay as they are.
    Reload(Box<Config>),
}

/// Whether two lists hold the same virtual addresses.
pub(crate) fn same_vips(a: &[Vip], b: &[Vip]) -> bool {
    a.len() == b.len() && a.iter().all(|vip| b.contains(vip))
}
