//! What must never be seen, one property in one file. A checker looks on and says no; it never
//! changes the world.
//!
//! Where faults come one at a time every promise holds. Where they overlap, some promises are
//! weaker or not made; each checker says which ([`World::overlapping`]).

mod acknowledged_kept;
mod announce_after_present;
mod bounded_actions;
mod comes_back;
mod cut_off_refuses;
mod data_before_priority;
mod every_decision_has_a_reason;
mod ledger;
mod no_busy_loop;
mod no_needless_failover;
mod no_readonly;
mod no_silent_loss;
mod nothing_left;
mod one_writer;
mod pause_ends;

pub(crate) use comes_back::missing;

use crate::fault::Fault;
use crate::host::HostId;
use crate::network::Traffic;
use crate::redis::{Answer, Note, WriteId};
use crate::sometimes::{Seen, Watch};
use crate::world::World;
use crate::writes::Writes;
use core::fmt;
use keepair_core::action::Action;
use keepair_core::event::Event as Told;
use keepair_core::input::{Done, Refused, Remains};
use keepair_core::time::Time;
use keepair_wire::peer::State;
use std::time::Duration;

macro_rules! facts {
    ($($(#[$about:meta])* $name:ident $({ $($(#[$field_about:meta])* $field:ident: $kind:ty,)* })? $(($inner:ty))?,)*) => {
        /// Something a checker may want to know.
        #[derive(Clone, Debug)]
        pub enum Fact<'a> {
            $($(#[$about])* $name $({ $($(#[$field_about])* $field: $kind,)* })? $(($inner))?,)*
        }

        /// The kinds of facts, for saying which are wanted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Kind { $($(#[$about])* $name,)* }

        impl Fact<'_> {
            /// One bit for each kind.
            pub(crate) fn bit(&self) -> u32 {
                let kind = match self { $(Fact::$name { .. } => Kind::$name,)* };
                1 << kind as u32
            }
        }
    };
}

facts! {
    /// A daemon has taken in an input.
    Handled {
        /// Where.
        host: HostId,
        /// It was a deadline.
        by_timer: bool,
        /// What the node was doing before.
        before: State,
        /// What it is doing now.
        after: State,
        /// What it asked for.
        actions: &'a [Action],
        /// Its next deadline is not in the future.
        late: bool,
    },
    /// An executor is about to perform an action.
    Performs {
        /// Where.
        host: HostId,
        /// Which.
        action: &'a Action,
    },
    /// Of its copy of the stream, what the new primary lacks is in its state directory.
    CopyKept {
        /// Where.
        host: HostId,
        /// That is this.
        writes: &'a Writes,
    },
    /// It has performed one.
    Performed {
        /// Where.
        host: HostId,
    },
    /// The kernel has answered.
    Answered {
        /// Where.
        host: HostId,
        /// What was asked.
        step: Done,
        /// Its answer.
        result: &'a Result<(), Refused>,
    },
    /// A daemon has told its operator.
    Told {
        /// Where.
        host: HostId,
        /// What.
        event: &'a Told,
    },
    /// A daemon is about to start.
    DaemonStarts {
        /// Where.
        host: HostId,
        /// What it finds.
        remains: &'a Remains,
    },
    /// A daemon has ended by itself.
    Exited {
        /// Where.
        host: HostId,
    },
    /// A datagram of the peer arrives.
    Arrives {
        /// Where.
        host: HostId,
        /// Which.
        traffic: Traffic,
    },
    /// A datagram is lost.
    Lost {
        /// Whose.
        from: HostId,
        /// It is a farewell.
        farewell: bool,
    },
    /// The peer's Redis is let in.
    Admits {
        /// Where.
        host: HostId,
    },
    /// The gate refuses the peer's Redis.
    GateRefuses {
        /// Where.
        host: HostId,
    },
    /// A connection of a client has to wait.
    ConnectionWaits {
        /// Where.
        host: HostId,
    },
    /// The client sends a write.
    ClientSends {
        /// To this machine.
        host: HostId,
    },
    /// A client got an answer.
    ClientHeard {
        /// From which machine.
        host: HostId,
        /// To which write.
        write: WriteId,
        /// What.
        answer: Answer,
    },
    /// A program on a machine got an answer through loopback.
    LocalHeard {
        /// Where.
        host: HostId,
        /// To which write.
        write: WriteId,
        /// What.
        answer: Answer,
    },
    /// The fence keeps an answer from a client.
    Muffled {
        /// Where.
        host: HostId,
        /// To which write.
        write: WriteId,
        /// What.
        answer: Answer,
    },
    /// A full resync replaced data.
    Overwritten {
        /// Where.
        host: HostId,
        /// What the new data does not hold.
        lost: &'a Writes,
        /// The new data is nothing at all.
        with_nothing: bool,
    },
    /// A Redis did something.
    Redis {
        /// Where.
        host: HostId,
        /// What.
        note: &'a Note,
    },
    /// A Redis process is killed; what it had in memory is gone.
    RedisEnds {
        /// Where.
        host: HostId,
    },
    /// A machine's processor goes on.
    Thawed {
        /// Where.
        host: HostId,
        /// Its clocks stood still with it.
        clock_stood: bool,
        /// So many frames came meanwhile and were not kept.
        missed: usize,
    },
    /// A socket of the daemon, which does not read it, has no room for a datagram.
    SocketFull {
        /// Where.
        host: HostId,
    },
    /// A fault is about to happen.
    Fault(&'a Fault),
    /// Nothing has been wrong for a while: everything must be well.
    Settled,
}

/// A property that must hold.
pub trait Checker: fmt::Debug + Send {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it wants to be shown.
    fn wants(&self) -> &'static [Kind];

    /// Looks at a fact.
    ///
    /// # Errors
    /// What was seen that must never be seen.
    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String>;
}

/// A property that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When.
    pub at: Time,
    /// Which.
    pub checker: &'static str,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.checker, self.at, self.text)
    }
}

/// Everybody who looks on.
#[derive(Debug)]
pub struct Checkers {
    all: Vec<(u32, Box<dyn Checker>)>,
    watch: Watch,
    wanted: u32,
}

const fn bits(kinds: &[Kind]) -> u32 {
    let mut bits = 0;
    let mut at = 0;
    while at < kinds.len() {
        bits |= 1 << kinds[at] as u32;
        at += 1;
    }
    bits
}

impl Checkers {
    /// All of them.
    pub fn all() -> Checkers {
        let all: Vec<Box<dyn Checker>> = vec![
            Box::new(one_writer::OneWriter::default()),
            Box::new(data_before_priority::DataBeforePriority::default()),
            Box::new(acknowledged_kept::AcknowledgedKept::default()),
            Box::new(no_silent_loss::NoSilentLoss::default()),
            Box::new(no_needless_failover::NoNeedlessFailover::default()),
            Box::new(comes_back::ComesBack),
            Box::new(every_decision_has_a_reason::EveryDecisionHasAReason::default()),
            Box::new(no_readonly::NoReadonly::default()),
            Box::new(cut_off_refuses::CutOffRefuses::default()),
            Box::new(announce_after_present::AnnounceAfterPresent::default()),
            Box::new(nothing_left::NothingLeft),
            Box::new(bounded_actions::BoundedActions),
            Box::new(no_busy_loop::NoBusyLoop::default()),
            Box::new(pause_ends::PauseEnds::default()),
        ];
        let all: Vec<_> = all.into_iter().map(|one| (bits(one.wants()), one)).collect();
        let wanted = all.iter().fold(bits(Watch::WANTS), |bits, (wants, _)| bits | wants);
        Checkers { all, watch: Watch::default(), wanted }
    }

    pub(crate) fn wanted(&self) -> u32 {
        self.wanted
    }

    pub(crate) fn see(&mut self, world: &World, fact: &Fact<'_>) -> Vec<Violation> {
        let bit = fact.bit();
        if const { bits(Watch::WANTS) } & bit != 0 {
            self.watch.see(world, fact);
        }
        let mut violations = Vec::new();
        for (_, checker) in self.all.iter_mut().filter(|(wants, _)| wants & bit != 0) {
            if let Err(text) = checker.see(world, fact) {
                violations.push(Violation { at: world.now, checker: checker.name(), text });
            }
        }
        violations
    }

    pub(crate) fn seen(&self) -> &Seen {
        self.watch.seen()
    }
}

impl World {
    /// How long two machines that hear each other again may need to find out.
    pub(crate) fn find_out(&self) -> Duration {
        Duration::from_secs(1) + self.options.advert_interval * 4
    }
}

#[cfg(test)]
mod tests;
