//! What a node tells its operator: facts with their reasons. The only way to log.

use crate::config::Generation;
use crate::input::Kept;
use crate::vrrp::Drop;
use alloc::string::String;
use core::fmt;
use core::time::Duration;
use keepair_wire::peer::{Cause, Failover, State};

/// How much an event matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Something is wrong that an operator should mend.
    Warning,
    /// A decision, or something that explains one.
    Notice,
}

/// Something worth a line in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Event {
    /// The node changed its state.
    StateChanged {
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Why.
        reason: String,
    },
    /// The node leaves the address.
    Left {
        /// Why.
        cause: Cause,
    },
    /// A takeover began.
    TakeoverBegan {
        /// Why.
        cause: Cause,
    },
    /// A takeover could not be finished.
    TakeoverFailed {
        /// What went wrong.
        reason: String,
    },
    /// A takeover is complete.
    TookOver(Failover),
    /// Redis is told to replicate from the peer.
    Following,
    /// Nothing came of the peer's synchronisation for long: Redis is told to ask for a new one.
    FollowingAnew,
    /// What only this machine holds is safe on the disk, before it is overwritten.
    Salvaged(Kept),
    /// It could not be kept; why.
    NotSalvaged(String),
    /// The standby is so many bytes behind, and has been for a while: a copy of the stream is kept.
    StandbyBehind {
        /// Of the stream.
        bytes: i64,
    },
    /// It is not any more, or nothing is copied for another reason.
    CopyEnded,
    /// The stream could not be copied; why.
    NotCopied(String),
    /// Redis is a replica now, and what only this machine holds, and was not kept, will be overwritten.
    OwnTail {
        /// Of the stream; `None` when nothing tells.
        bytes: Option<i64>,
    },
    /// The local Redis replicates from the peer.
    Rejoined {
        /// A full resync was seen on the way.
        full_resync: bool,
        /// Bytes of the stream that only this machine held, and no machine holds now; `None` when
        /// nothing tells.
        own_tail_bytes: Option<i64>,
    },
    /// This machine's data belongs to a newer generation now.
    GenerationChanged(Generation),
    /// The local Redis answers.
    RedisConnected,
    /// The connection to the local Redis is gone or was refused.
    RedisLost(String),
    /// A setting or right that would spoil a failover.
    Problem(String),
    /// A problem is no more.
    ProblemSolved(String),
    /// A planned switchover moved on.
    Switchover(SwitchoverStep),
    /// A timer was late; adverts may have been too.
    TimerLate {
        /// By so much.
        by: Duration,
    },
    /// A packet was dropped. Told once for each reason until the peer changes state.
    Dropped(Drop),
    /// Somebody else uses the virtual address.
    AddressInUse(String),
    /// The kernel or the disk refused.
    Refused(String),
    /// The peer's daemon is heard (`true`) or silent (`false`).
    PeerHeard(bool),
    /// The configuration was reloaded.
    Reloaded,
    /// A tie-breaker can be asked.
    TieBreakerMet {
        /// Which.
        name: String,
    },
    /// A tie-breaker can't be reached any more.
    TieBreakerGone {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// The operator let this machine begin alone (`true`), or the peer was heard since (`false`).
    Solo(bool),
    /// The operator said whose data is the pair's.
    Accepted {
        /// The machine's name.
        whose: String,
    },
}

/// The steps of a planned switchover.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SwitchoverStep {
    /// It would lose something or can't work; why.
    Refused(String),
    /// The primary was asked to begin.
    Asked,
    /// Writes are paused.
    Paused,
    /// The standby has the last byte.
    CaughtUp {
        /// In bytes of the stream.
        offset: i64,
    },
    /// The address was left; the standby promotes.
    HandedOver,
    /// The other machine is the primary, this one replicates.
    Finished,
    /// Called off; writes go on where they were.
    CalledOff(String),
}

impl Event {
    /// How much it matters.
    pub fn level(&self) -> Level {
        match self {
            Event::TakeoverFailed { .. }
            | Event::FollowingAnew
            | Event::NotSalvaged(_)
            | Event::StandbyBehind { .. }
            | Event::NotCopied(_)
            | Event::Problem(_)
            | Event::RedisLost(_)
            | Event::TimerLate { .. }
            | Event::Dropped(_)
            | Event::AddressInUse(_)
            | Event::Refused(_)
            | Event::PeerHeard(false)
            | Event::TieBreakerGone { .. }
            | Event::Switchover(SwitchoverStep::Refused(_) | SwitchoverStep::CalledOff(_)) => {
                Level::Warning
            }
            _ => Level::Notice,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::StateChanged { from, to, reason } if from == to => write!(f, "{to}: {reason}"),
            Event::StateChanged { from, to, reason } => write!(f, "{from} -> {to}: {reason}"),
            Event::Left { cause } => write!(f, "left the address: {cause}"),
            Event::TakeoverBegan { cause } => write!(f, "taking over: {cause}"),
            Event::TakeoverFailed { reason } => write!(f, "could not take over: {reason}"),
            Event::TookOver(failover) => {
                write!(f, "took over ({}), generation {}:", failover.cause, failover.generation)?;
                for (phase, at_us) in &failover.phases {
                    write!(f, " {phase} {}.{:03}ms", at_us / 1000, at_us % 1000)?;
                }
                Ok(())
            }
            Event::Following => write!(f, "told Redis to replicate from the peer"),
            Event::FollowingAnew => {
                write!(
                    f,
                    "nothing has come of the peer's synchronisation for long: asked for a new one"
                )
            }
            Event::Salvaged(Kept::Tail { commands, keys, .. }) => write!(
                f,
                "kept what only this machine holds, {commands} commands on {keys} keys: see \
                 `keepair salvage list`"
            ),
            Event::Salvaged(Kept::Nothing { .. }) => write!(
                f,
                "what only this machine holds of the stream no client wrote: there is nothing to keep"
            ),
            Event::Salvaged(Kept::Files { bytes }) => write!(
                f,
                "archived the data files, {bytes} bytes, before they are overwritten: see `keepair \
                 salvage list`"
            ),
            Event::NotSalvaged(why) => {
                write!(f, "could not keep what only this machine holds: {why}")
            }
            Event::StandbyBehind { bytes } => write!(
                f,
                "the standby's Redis is {bytes} bytes behind: is the link slower than the load? Until it \
                 has caught up, a copy of the stream is kept here"
            ),
            Event::CopyEnded => write!(f, "the copy of the stream is not needed any more"),
            Event::NotCopied(why) => {
                write!(f, "could not copy the stream that the standby is behind: {why}")
            }
            Event::OwnTail { bytes: Some(bytes) } => {
                write!(f, "up to {bytes} bytes of the stream are only here and will be overwritten")
            }
            Event::OwnTail { bytes: None } => {
                write!(f, "what is only here will be overwritten, if anything is")
            }
            Event::Rejoined { full_resync: false, .. } => write!(f, "rejoined by partial resync"),
            Event::Rejoined { full_resync: true, own_tail_bytes } => {
                write!(f, "rejoined by full resync")?;
                match own_tail_bytes {
                    Some(0) => Ok(()),
                    Some(bytes) => {
                        write!(
                            f,
                            "; {bytes} bytes of the stream were only here and are overwritten"
                        )
                    }
                    None => write!(f, "; what was only here is overwritten, if anything was"),
                }
            }
            Event::GenerationChanged(generation) => write!(f, "generation {}", generation.0),
            Event::RedisConnected => write!(f, "connected to Redis"),
            Event::RedisLost(reason) => write!(f, "lost Redis: {reason}"),
            Event::Problem(text) => write!(f, "problem: {text}"),
            Event::ProblemSolved(text) => write!(f, "solved: {text}"),
            Event::Switchover(step) => write!(f, "switchover: {step}"),
            Event::TimerLate { by } => {
                write!(f, "a timer was {} us late; is the machine overloaded?", by.as_micros())
            }
            Event::Dropped(drop) => write!(f, "dropped a packet: {drop}"),
            Event::AddressInUse(text) | Event::Refused(text) => f.write_str(text),
            Event::PeerHeard(true) => write!(f, "the peer's daemon is heard"),
            Event::PeerHeard(false) => write!(f, "the peer's daemon is silent"),
            Event::Reloaded => write!(f, "configuration reloaded"),
            Event::TieBreakerMet { name } => write!(f, "tie-breaker {name}: reached"),
            Event::TieBreakerGone { name, why } => {
                write!(f, "tie-breaker {name} can't be reached: {why}")
            }
            Event::Solo(true) => write!(f, "may begin alone, as the operator said"),
            Event::Solo(false) => write!(f, "not alone any more"),
            Event::Accepted { whose } => {
                write!(f, "the operator said that {whose} holds the pair's data")
            }
        }
    }
}

impl fmt::Display for SwitchoverStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SwitchoverStep::Refused(why) => write!(f, "refused: {why}"),
            SwitchoverStep::Asked => write!(f, "asked the primary to hand over"),
            SwitchoverStep::Paused => write!(f, "writes are paused"),
            SwitchoverStep::CaughtUp { offset } => {
                write!(f, "the standby has the last byte (offset {offset})")
            }
            SwitchoverStep::HandedOver => write!(f, "left the address, the standby takes over"),
            SwitchoverStep::Finished => write!(f, "finished"),
            SwitchoverStep::CalledOff(why) => write!(f, "called off: {why}"),
        }
    }
}
