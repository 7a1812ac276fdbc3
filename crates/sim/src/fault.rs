//! What goes wrong, what mends it, and what an operator does.

mod apply;

use crate::arbiter::Trouble;
use crate::daemon::Moment;
use crate::host::{Disk, HostId};
use crate::kernel::Netlink;
use crate::network::{Traffic, Weather};
use crate::redis::Boot;
use core::fmt;
use std::time::Duration;

/// What an operator changes in the configuration file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing: a reload of what is.
    Nothing,
    /// The priority of that machine.
    Priority(HostId, u8),
    /// `preempt`.
    Preempt(bool),
    /// A second virtual address, or none any more.
    SecondAddress(bool),
}

/// How a person gives a machine's data up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// `FLUSHALL`, on a primary.
    Empty,
    /// `REPLICAOF` the other machine.
    Replicate,
    /// `keepair accept`, on the machine whose data is kept.
    Accept,
    /// `keepair accept`, on the other one.
    Renounce,
}

/// One thing that is done to the world.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// SIGKILL to Redis; its sockets close so much later.
    KillRedis(HostId, Duration),
    /// `SHUTDOWN`: Redis saves its file and ends.
    ShutdownRedis(HostId),
    /// Redis is started.
    StartRedis(HostId, Boot),
    /// SIGSTOP to Redis.
    StopRedis(HostId),
    /// SIGCONT to Redis.
    ContinueRedis(HostId),
    /// A script takes the event loop for so long.
    OccupyRedis(HostId, Duration),
    /// Redis waits for its disk for so long.
    StallRedis(HostId, Duration),
    /// Redis' answers to the daemon are late by so much from now on.
    SlowRedis(HostId, Duration),
    /// Redis can't save its file, and refuses writes for it; or can again.
    MisconfRedis(HostId, bool),
    /// The file is written now.
    Save(HostId),
    /// SIGKILL to the daemon.
    KillDaemon(HostId),
    /// The daemon is started.
    StartDaemon(HostId),
    /// The daemon is started, and ends before it has done anything but shut the gate.
    FailDaemon(HostId),
    /// The state directory is lost.
    LoseState(HostId),
    /// Somebody writes `replicaof` the other machine into redis.conf.
    Replicaof(HostId),
    /// SIGSTOP to the daemon.
    StopDaemon(HostId),
    /// SIGCONT to the daemon.
    ContinueDaemon(HostId),
    /// The fault strikes between two actions, at this moment.
    Trap(HostId, Moment, Box<Fault>),
    /// SIGSTOP, and SIGCONT so much later.
    FreezeDaemon(HostId, Duration),
    /// SIGKILL, and a start so much later.
    RestartDaemon(HostId, Duration),
    /// An operator says `keepair switchover` there.
    Switchover(HostId),
    /// An operator says `keepair solo` there.
    Solo(HostId),
    /// SIGTERM to the daemon.
    Terminate(HostId),
    /// The configuration file is changed, and SIGHUP sent to the daemon.
    Reload(HostId, Change),
    /// The cable is pulled.
    Unplug(HostId),
    /// The cable is back.
    Plug(HostId),
    /// The cable is moved to another port of the switch.
    Replug(HostId),
    /// A program on the machine writes to its Redis for so long, through loopback.
    WriteLocally(HostId, Duration),
    /// Traffic of these kinds from there does not arrive.
    Cut(HostId, Vec<Traffic>),
    /// Clients do not reach that machine.
    CutClients(HostId),
    /// Something is done to the tie-breakers.
    Arbiters(Trouble),
    /// All cuts are mended.
    Mend,
    /// What happens to frames from now on.
    Weather(Weather),
    /// The machine is switched off.
    PowerOff(HostId),
    /// The machine is switched on; Redis and the daemon start so much later.
    PowerOn(HostId, Boot, Duration, Duration),
    /// The machine's processor stands still for a while.
    FreezeMachine {
        /// Where.
        host: HostId,
        /// For so long.
        length: Duration,
        /// Its clocks stand still with it; otherwise they jump.
        clock_stands: bool,
        /// So many frames that come in meanwhile are kept.
        room: usize,
    },
    /// Somebody takes the address off the interface.
    TakeAddress(HostId),
    /// Somebody removes all rules of the firewall.
    FlushRules(HostId),
    /// How the kernel answers from now on.
    Netlink(HostId, Netlink),
    /// How the disk behaves from now on.
    Disk(HostId, Disk),
    /// Nothing says whose data is newer: a person makes this machine's Redis a primary, if it is none,
    /// and does one of the two things that the daemons have told to the other.
    Decide(HostId, Way),
}

impl Fault {
    /// It is done by a program of this machine, which does nothing while its processor stands still.
    pub(crate) fn takes_processor(&self) -> Option<HostId> {
        match self {
            Fault::KillRedis(host, _)
            | Fault::ShutdownRedis(host)
            | Fault::StartRedis(host, _)
            | Fault::StopRedis(host)
            | Fault::ContinueRedis(host)
            | Fault::OccupyRedis(host, _)
            | Fault::StallRedis(host, _)
            | Fault::SlowRedis(host, _)
            | Fault::MisconfRedis(host, _)
            | Fault::Save(host)
            | Fault::KillDaemon(host)
            | Fault::StartDaemon(host)
            | Fault::FailDaemon(host)
            | Fault::LoseState(host)
            | Fault::Replicaof(host)
            | Fault::StopDaemon(host)
            | Fault::ContinueDaemon(host)
            | Fault::FreezeDaemon(host, _)
            | Fault::RestartDaemon(host, _)
            | Fault::Switchover(host)
            | Fault::Solo(host)
            | Fault::Terminate(host)
            | Fault::Reload(host, _)
            | Fault::WriteLocally(host, _)
            | Fault::TakeAddress(host)
            | Fault::FlushRules(host) => Some(*host),
            Fault::Trap(..)
            | Fault::Unplug(_)
            | Fault::Plug(_)
            | Fault::Replug(_)
            | Fault::Cut(..)
            | Fault::CutClients(_)
            | Fault::Arbiters(_)
            | Fault::Mend
            | Fault::Weather(_)
            | Fault::PowerOff(_)
            | Fault::PowerOn(..)
            | Fault::FreezeMachine { .. }
            | Fault::Netlink(..)
            | Fault::Disk(..)
            | Fault::Decide(..) => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::KillRedis(h, after) => {
                write!(f, "Redis on {h} is killed, sockets stay {after:?}")
            }
            Fault::ShutdownRedis(h) => write!(f, "Redis on {h} is told to save and end"),
            Fault::StartRedis(h, Boot::Empty) => write!(f, "Redis on {h} is started, empty"),
            Fault::StartRedis(h, Boot::File) => write!(f, "Redis on {h} is started"),
            Fault::StopRedis(h) => write!(f, "Redis on {h} is stopped"),
            Fault::ContinueRedis(h) => write!(f, "Redis on {h} is continued"),
            Fault::OccupyRedis(h, length) => write!(f, "Redis on {h} is busy for {length:?}"),
            Fault::StallRedis(h, length) => {
                write!(f, "Redis on {h} waits for its disk for {length:?}")
            }
            Fault::SlowRedis(h, by) => write!(f, "Redis on {h} answers {by:?} late"),
            Fault::MisconfRedis(h, true) => write!(f, "Redis on {h} can't save its file"),
            Fault::MisconfRedis(h, false) => write!(f, "Redis on {h} can save its file again"),
            Fault::Save(h) => write!(f, "Redis on {h} saves its file"),
            Fault::KillDaemon(h) => write!(f, "the daemon on {h} is killed"),
            Fault::StartDaemon(h) => write!(f, "the daemon on {h} is started"),
            Fault::FailDaemon(h) => write!(f, "the daemon on {h} does not start"),
            Fault::LoseState(h) => write!(f, "the state directory of {h} is lost"),
            Fault::Replicaof(h) => write!(f, "redis.conf on {h} has `replicaof {}`", h.peer()),
            Fault::StopDaemon(h) => write!(f, "the daemon on {h} is stopped"),
            Fault::ContinueDaemon(h) => write!(f, "the daemon on {h} is continued"),
            Fault::Trap(h, moment, fault) => write!(f, "on {h}, {moment:?}: {fault}"),
            Fault::FreezeDaemon(h, length) => {
                write!(f, "the daemon on {h} is stopped for {length:?}")
            }
            Fault::RestartDaemon(h, after) => {
                write!(f, "the daemon on {h} is killed, and started again after {after:?}")
            }
            Fault::Switchover(h) => write!(f, "an operator on {h} asks for a switchover"),
            Fault::Solo(h) => write!(f, "an operator lets {h} begin alone"),
            Fault::Terminate(h) => write!(f, "SIGTERM to the daemon on {h}"),
            Fault::Reload(h, change) => write!(f, "SIGHUP to the daemon on {h}: {change:?}"),
            Fault::Unplug(h) => write!(f, "the cable of {h} is pulled"),
            Fault::Plug(h) => write!(f, "the cable of {h} is back"),
            Fault::Replug(h) => write!(f, "the cable of {h} is moved to another port"),
            Fault::WriteLocally(h, length) => {
                write!(f, "a program on {h} writes to its Redis for {length:?}")
            }
            Fault::Cut(h, kinds) => write!(f, "{kinds:?} from {h} to {} is cut", h.peer()),
            Fault::CutClients(h) => write!(f, "clients do not reach {h}"),
            Fault::Arbiters(Trouble::Cut(h)) => write!(f, "the tie-breakers are cut off from {h}"),
            Fault::Arbiters(Trouble::End) => write!(f, "the tie-breakers end"),
            Fault::Arbiters(Trouble::Start) => {
                write!(f, "the tie-breakers start, and know nothing")
            }
            Fault::Arbiters(Trouble::Mend) => write!(f, "the tie-breakers are well again"),
            Fault::Mend => write!(f, "no cuts any more"),
            Fault::Weather(weather) if *weather == Weather::default() => {
                write!(f, "frames arrive again")
            }
            Fault::Weather(weather) => write!(f, "frames from now on: {weather:?}"),
            Fault::PowerOff(h) => write!(f, "{h} loses power"),
            Fault::PowerOn(h, _, _, _) => write!(f, "{h} has power again"),
            Fault::FreezeMachine { host, length, clock_stands, .. } => {
                let clocks = if *clock_stands { "stand with it" } else { "go on" };
                write!(f, "{host} stands still for {length:?}, its clocks {clocks}")
            }
            Fault::TakeAddress(h) => write!(f, "somebody removes the address on {h}"),
            Fault::FlushRules(h) => write!(f, "somebody flushes the firewall of {h}"),
            Fault::Netlink(h, netlink) if *netlink == Netlink::default() => {
                write!(f, "the kernel of {h} answers at once again")
            }
            Fault::Netlink(h, netlink) => write!(f, "the kernel of {h}: {netlink:?}"),
            Fault::Disk(h, disk) if *disk == Disk::default() => {
                write!(f, "the disk of {h} is well again")
            }
            Fault::Disk(h, disk) => write!(f, "the disk of {h}: {disk:?}"),
            Fault::Decide(h, Way::Empty) => {
                write!(f, "a person keeps the data of {h}, and empties {}", h.peer())
            }
            Fault::Decide(h, Way::Accept) => {
                write!(f, "a person says on {h} that its data is the pair's")
            }
            Fault::Decide(h, Way::Renounce) => {
                write!(f, "a person says on {} that the data of {h} is the pair's", h.peer())
            }
            Fault::Decide(h, Way::Replicate) => {
                write!(f, "a person keeps the data of {h}, and lets {} replicate", h.peer())
            }
        }
    }
}
