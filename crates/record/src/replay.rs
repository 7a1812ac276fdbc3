//! The same core, walked through a record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use keepair_core::time::Time;
use keepair_core::{Actions, Input, Node};
use keepair_wire::peer::State;

use crate::VERSION;
use crate::line::{Clock, Handled, Head, Outcome, Record, Why};
use crate::sum::{Sums, sum};

/// What a person sees of a node at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// The state others see.
    pub state: State,
    /// The step of whatever is under way in it.
    pub doing: Option<&'static str>,
    /// Why it is in that state.
    pub reason: String,
}

impl View {
    fn of(node: &Node) -> View {
        let reason = node.reason().to_owned();
        View { state: node.state(), doing: node.doing(), reason }
    }
}

/// How the replayed decision differs from the recorded one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference {
    /// Other actions, or the same with other contents.
    Actions,
    /// The same actions, and a node that is in another state afterwards.
    State,
}

/// One record, replayed.
#[derive(Debug)]
pub enum Step {
    /// A head: the replay goes on from what was recorded.
    Snapshot(Snapshot),
    /// An input.
    Turn(Box<Turn>),
    /// A line that was not written to its end.
    CutOff {
        /// How much there is of it.
        bytes: u64,
    },
    /// Nothing to see.
    Nothing,
}

/// A head.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The version of keepair that wrote it.
    pub version: String,
    /// Why it was written.
    pub why: Why,
    /// When, in microseconds since the Unix epoch.
    pub unix_us: u64,
    /// Whether it is what the replay had come to; `None` where the two can't be compared.
    pub agrees: Option<bool>,
    /// What the node was doing.
    pub view: View,
}

/// An input, and what came of it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// When, on the daemon's own clock.
    pub at: Time,
    /// When, in microseconds since the Unix epoch.
    pub unix_us: u64,
    /// The input.
    pub input: Input,
    /// The node before.
    pub before: View,
    /// The node after.
    pub after: View,
    /// What this program decides.
    pub actions: Actions,
    /// What the recorded daemon decided; `None`: it broke over this input.
    pub recorded: Option<Outcome>,
    /// How the two differ, if they do.
    pub differs: Option<Difference>,
}

/// Why a record can't be replayed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Broken {
    /// An input without a head before it.
    NoHead,
    /// This program panics over the input; the recorded daemon did so too if `recorded`.
    Panicked {
        /// The input, for people.
        input: String,
        /// The recorded daemon did not get over it either.
        recorded: bool,
    },
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::NoHead => write!(f, "an input without a node to handle it"),
            Broken::Panicked { input, recorded: true } => {
                write!(
                    f,
                    "the recorded daemon broke over this input, and so does this one: {input}"
                )
            }
            Broken::Panicked { input, recorded: false } => {
                write!(f, "this keepair breaks over an input the recorded one handled: {input}")
            }
        }
    }
}

impl std::error::Error for Broken {}

/// Feeds a node what was recorded, and compares what it does.
#[derive(Default)]
pub struct Replayer {
    node: Option<Node>,
    clock: Clock,
    /// A node of another version may be kept in another shape: only what it does is compared.
    same_version: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { at: Time(0), unix_us: 0 }
    }
}

impl Replayer {
    /// Before the first head.
    pub fn new() -> Replayer {
        Replayer::default()
    }

    /// The node as it is now.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// When there is no head yet, or when this program panics over an input; then nothing can be
    /// replayed before the next head.
    pub fn take(&mut self, record: Record) -> Result<Step, Broken> {
        match record {
            Record::Head(head) => Ok(Step::Snapshot(self.begin(*head))),
            Record::Clock(clock) => {
                self.clock = clock;
                Ok(Step::Nothing)
            }
            Record::CutOff { bytes } => Ok(Step::CutOff { bytes }),
            Record::Handled(handled) => self.turn(handled).map(|turn| Step::Turn(Box::new(turn))),
        }
    }

    fn begin(&mut self, head: Head) -> Snapshot {
        let Head { version, why, at, unix_us, node } = head;
        let known = self.node.take().filter(|_| why == Why::Rotated && self.same_version);
        let agrees = known.map(|known| sum(&known) == sum(&node));
        self.clock = Clock { at, unix_us };
        self.same_version = version == VERSION;
        let view = View::of(&node);
        self.node = Some(node);
        Snapshot { version, why, unix_us, agrees, view }
    }

    fn turn(&mut self, handled: Handled) -> Result<Turn, Broken> {
        let Handled { at, input, outcome: recorded } = handled;
        let mut node = self.node.take().ok_or(Broken::NoHead)?;
        let before = View::of(&node);
        let handle = || {
            let mut actions = Actions::new();
            node.handle(at, input.clone(), &mut actions);
            (View::of(&node), actions, node)
        };
        // A file may say anything, also what no daemon could ever have been told; and a daemon that
        // broke is looked into with its record. The node that panicked is not used any more.
        let Ok((after, actions, node)) = catch_unwind(AssertUnwindSafe(handle)) else {
            let input = format!("{input:?}");
            return Err(Broken::Panicked { input, recorded: recorded.is_none() });
        };
        let recorded_sums = recorded.as_ref().map(|recorded| recorded.sums);
        let differs = recorded_sums.and_then(|sums| self.compare(sums, &actions, &node));
        self.node = Some(node);
        let unix_us = self.unix_us(at);
        Ok(Turn { at, unix_us, input, before, after, actions, recorded, differs })
    }

    fn compare(&self, recorded: Sums, actions: &Actions, node: &Node) -> Option<Difference> {
        if recorded.actions != sum(actions) {
            return Some(Difference::Actions);
        }
        let state = recorded.state.filter(|_| self.same_version);
        state.is_some_and(|state| state != sum(node)).then_some(Difference::State)
    }

    fn unix_us(&self, at: Time) -> u64 {
        let Clock { at: then, unix_us } = self.clock;
        unix_us.wrapping_add(at.0).wrapping_sub(then.0)
    }
}
