//! What must never be seen, one property in one file. A checker looks on and says no; it never
//! changes the world.

mod acknowledged_kept;
mod announce_after_present;
mod bounded_actions;
mod comes_back;
mod empty_never_source;
mod no_busy_loop;
mod no_needless_failover;
mod no_readonly;
mod nothing_left;
mod one_writer;

pub(crate) use comes_back::missing;

use crate::fault::Fault;
use crate::host::HostId;
use crate::redis::{Answer, WriteId};
use crate::world::World;
use core::fmt;
use keepair_core::action::Action;
use keepair_core::time::Time;

/// Something a checker may want to know.
#[derive(Clone, Debug)]
pub enum Fact<'a> {
    /// A daemon has taken in an input.
    Handled {
        /// Where.
        host: HostId,
        /// It was a deadline.
        by_timer: bool,
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
    /// It has performed one.
    Performed {
        /// Where.
        host: HostId,
    },
    /// A daemon has ended by itself.
    Exited {
        /// Where.
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
    /// A full resync replaced data.
    Overwritten {
        /// Where.
        host: HostId,
        /// What the new data does not hold.
        lost: &'a [WriteId],
        /// The new data is nothing at all.
        with_nothing: bool,
    },
    /// A fault is about to happen.
    Fault(&'a Fault),
    /// Nothing has been wrong for a while: everything must be well.
    Settled,
}

/// A property that must hold.
pub trait Checker: fmt::Debug {
    /// Its name.
    fn name(&self) -> &'static str;

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

/// All of them.
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(one_writer::OneWriter::default()),
        Box::new(acknowledged_kept::AcknowledgedKept::default()),
        Box::new(no_readonly::NoReadonly),
        Box::new(announce_after_present::AnnounceAfterPresent::default()),
        Box::new(empty_never_source::EmptyNeverSource),
        Box::new(comes_back::ComesBack),
        Box::new(nothing_left::NothingLeft),
        Box::new(bounded_actions::BoundedActions),
        Box::new(no_busy_loop::NoBusyLoop::default()),
        Box::new(no_needless_failover::NoNeedlessFailover::default()),
    ]
}

#[cfg(test)]
mod tests;
