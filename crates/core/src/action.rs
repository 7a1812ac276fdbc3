//! What a node wants done: imperatives, performed by the executor in list order.

use crate::config::Generation;
use crate::event::Event;
use crate::input::Persisted;
use crate::tiebreaker::Ask;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use keepair_wire::info::ReplId;
use keepair_wire::peer::Report;
use keepair_wire::vrrp::Advert;

/// The actions one input asked for, in order.
pub type Actions = Vec<Action>;

/// One thing to do. An executor has one match arm for each and decides nothing.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Action {
    /// Put every virtual address on the interface. Answered by `ActionDone(AddVips)`.
    AddVips,
    /// Take every virtual address off the interface. Answered by `ActionDone(RemoveVips)`.
    RemoveVips,
    /// One round of gratuitous ARP and unsolicited neighbour advertisements.
    Announce,
    /// One round of duplicate-address probes; answers arrive as `VipClaimed` until `EndProbe`.
    Probe,
    /// Stop listening for answers to probes.
    EndProbe,
    /// The kernel begins to serve the addresses, until that time. Refused as lapsed when it has
    /// passed: a decision that was carried out late must not outlive the peer's patience. Answered
    /// by `ActionDone(OpenFence)`.
    OpenFence(Time),
    /// The kernel goes on serving the addresses until that time, unless it has stopped already.
    /// Answered by `ActionDone(RenewFence)`.
    RenewFence(Time),
    /// The kernel stops serving the addresses now. With `and_source`, it also refuses new
    /// replication connections from the peer. Answered by `ActionDone(CloseFence)`.
    CloseFence {
        /// Refuse the peer as a replica until [`Action::OpenSource`].
        and_source: bool,
    },
    /// The kernel lets new connections to the addresses wait (their SYN is dropped, and sent again by
    /// the client's kernel) for this long, or until the fence is opened or closed.
    HoldConnections(Duration),
    /// New connections need not wait any more.
    ReleaseConnections,
    /// The peer may replicate from the local Redis again.
    OpenSource,
    /// Send a VRRP advert.
    SendAdvert(Advert),
    /// Send a report to the peer's daemon.
    SendReport(Box<Report>),
    /// Connect to the local Redis. Answered by `Connected` or `Lost`.
    ConnectRedis {
        /// Counts attempts, so that the executor may take its candidate addresses in turn.
        attempt: u32,
    },
    /// Drop the connection to the local Redis, if any.
    DisconnectRedis,
    /// Ask the local Redis. Answered by `Reply` or `Lost`.
    AskRedis(Query),
    /// Ask the tie-breaker of this place in `Config::tie_breakers` for its vote, now and once: a request
    /// that can't be sent is dropped. Answered by `Input::TieBreaker`, if at all.
    AskTieBreaker(usize, Ask),
    /// Watch this process for its end; `ProcessStirred` when a thread of it ends.
    WatchProcess {
        /// INFO `process_id`.
        pid: u32,
    },
    /// Look at the watched process now. Answered by `Process`.
    LookAtProcess,
    /// Keep, in the state directory, what only this machine holds, before it is overwritten. Answered
    /// by [`crate::Input::Salvaged`], some time.
    Salvage(Salvage),
    /// Read the local Redis's replication stream as well, by a connection of its own, and keep its end in
    /// memory until the next of these orders. Answered by [`crate::Input::StreamCopied`] when that
    /// connection has ended, or could not be had.
    CopyStream(Copying),
    /// Nothing is copied any more, and what was is not wanted.
    ForgetCopy,
    /// Look into the configuration file of the local Redis. Answered by [`crate::Input::RedisFile`],
    /// unless it can't be read.
    ReadRedisFile {
        /// INFO `process_id`: the path is that of this process's root directory.
        pid: u32,
        /// INFO `config_file`.
        path: String,
    },
    /// Keep this in the state directory. Answered by `ActionDone(Persist)`, some time.
    Persist(Persisted),
    /// Tell the operator.
    Tell(Event),
    /// The daemon's work is done.
    Exit,
}

/// What is to be kept, and for how long that may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Salvage {
    /// Comes back with the answer: an earlier order may be answered late.
    pub number: u32,
    /// What.
    pub what: Wanted,
    /// The newest generation that the data belongs to.
    pub generation: Generation,
    /// After so long it is of no use any more.
    pub within: Duration,
}

/// Which part of a stream is to be copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Copying {
    /// Of the local Redis.
    pub replid: ReplId,
    /// The offset of the first byte that the standby is not known to hold. Where the backlog does not
    /// reach back to it, the copy begins with what is written next.
    pub from: i64,
    /// The oldest bytes go first beyond so many.
    pub limit_bytes: u64,
}

/// What is to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Wanted {
    /// The end of the local Redis's replication stream, by its backlog.
    Tail {
        /// Of the local Redis.
        replid: ReplId,
        /// The offset of the first byte that the other machine is not known to hold.
        from: i64,
        /// The history that overwrites it: the other machine's `master_replid`.
        newer: ReplId,
    },
    /// The same of a Redis that is gone, from the copy of its stream.
    Copied {
        /// Of the Redis that is gone.
        replid: ReplId,
        /// The offset of the first byte that the other machine does not hold.
        from: i64,
        /// The history that goes on from there.
        newer: ReplId,
    },
    /// The data files of the local Redis, where the stream can't be had.
    Files,
}

/// What can be asked of the local Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Query {
    /// `PING`.
    Ping,
    /// `INFO`: the default sections.
    Info,
    /// `CONFIG GET` of what [`crate::input::Settings`] holds, and which commands are denied.
    Settings,
    /// `REPLICAOF NO ONE`.
    Promote,
    /// `INFO`, then `REPLICAOF` the peer, and drop ordinary and pub/sub clients, in one transaction:
    /// the answer is the last state of the primary that it was, if it was one.
    Follow,
    /// `CLIENT PAUSE <ms> WRITE` (Redis 6.2 and later).
    PauseWrites(Duration),
    /// `CLIENT UNPAUSE` (Redis 6.2 and later).
    ResumeWrites,
    /// `CLIENT KILL TYPE replica`: without a replica, Redis adds no pings to its stream.
    DropReplicas,
}
