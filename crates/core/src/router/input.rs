//! What can happen to a router: facts, in the past tense.

use super::config::{Config, FileId, InstanceId, LinkId, ProcessId, ScriptId};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

/// One thing that happened. The executor delivers them one at a time.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// The first input. Every link's state follows at once, each as a [`Input::Link`], and every file
    /// and process as a [`Input::FileRead`] and [`Input::Processes`]: what is not known holds back
    /// the instances that need it. The same after [`super::Action::Adopt`], for what is new.
    Started {
        /// Time of day since the Unix epoch, for what people read and for signatures.
        unix: Duration,
    },
    /// The time named by `Router::deadline` has come, or passed.
    Deadline,
    /// The time of day is another than the monotonic clock would make it.
    ClockSet {
        /// Time of day since the Unix epoch.
        unix: Duration,
    },
    /// A VRRP message came in, without its IP header.
    Packet {
        /// The interface that an instance's adverts go over, not a macvlan on it.
        link: LinkId,
        /// Source of the IP packet.
        src: IpAddr,
        /// Destination of the IP packet.
        dst: IpAddr,
        /// TTL or hop limit it arrived with.
        ttl: u8,
        /// The VRRP message.
        message: Vec<u8>,
    },
    /// An interface as it is now: it came, went, changed, or its addresses did.
    Link {
        /// Which.
        link: LinkId,
        /// As it is.
        state: LinkState,
    },
    /// An address, a route or a rule of an Active instance is gone, and the router did not remove it.
    /// Not told of those that `no_track` is said of.
    Gone(InstanceId),
    /// The run of a script is over.
    ScriptEnded(ScriptId, Ended),
    /// The number in a file; 0 if it is missing or says something else.
    FileRead(FileId, i64),
    /// How many processes of a kind there are.
    Processes(ProcessId, u32),
    /// [`super::Action::AddAddresses`] is done, as far as the kernel does it; what it refused, for
    /// people.
    Added(InstanceId, Result<(), String>),
    /// [`super::Action::RemoveAddresses`] is done.
    Removed(InstanceId, Result<(), String>),
    /// The operator wants something.
    Operator(Operator),
}

/// An interface as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LinkState {
    /// Set up and able to carry packets (`IFF_UP` and `IFF_RUNNING`).
    pub up: bool,
    /// The first IPv4 address that is not a virtual one.
    pub v4: Option<Ipv4Addr>,
    /// The first link-local IPv6 address that is not a virtual one.
    pub v6: Option<Ipv6Addr>,
    /// Every address that is not a virtual one, for `track_src_ip`.
    pub all: Vec<IpAddr>,
    /// The largest packet in bytes.
    pub mtu: u32,
}

/// How a script ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It could not be started; why, for people.
    NotStarted(String),
}

/// What an operator can ask for.
#[derive(Clone, PartialEq, Debug)]
pub enum Operator {
    /// Leave every address and exit.
    Stop,
    /// A new configuration, already checked.
    Reload(Box<Config>),
    /// Announce the addresses of every Active instance again.
    Announce,
    /// Set the counters to zero.
    ClearCounters,
}
