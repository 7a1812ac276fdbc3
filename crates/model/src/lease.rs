//! The right to the address with a tie-breaker: two votes of three, each counted from the sending
//! of what it answers.
//!
//! Every report carries a *stamp*, a number its sender never uses twice. A right to the address
//! begins where the kernel opens the fence and ends `fence` ticks after the *sending* of a stamp
//! that somebody else voted for: the other machine, by naming the stamp in its own report, or the
//! witness, by taking it into its register. Whoever votes waits `wait` ticks before it claims, and
//! whoever leaves the address gives its vote away at once. `docs/model.md` has the rules as prose.
//!
//! A daemon may do its next step at any time or never, so a paused, slow or dead daemon needs no
//! action of its own; a message that is not delivered is lost, late or behind a cut link. What does
//! not wait is the kernel: [`Action::Tick`] shortens every right.
//!
//! Not here: Redis, its data and its promotion (`handover`).

mod rules;
mod state;

pub use state::{Host, Mode, Node, Report, Request, State, Witness};

use stateright::{Model, Property};

/// What a witness is, and how it decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeper {
    /// A register without a clock: holder and newest stamp. Whoever claims over another's stamps
    /// has measured by its own clock that they are old enough.
    Register,
    /// A key that expires this many ticks after the last renewal, by the witness's clock.
    Expiry(u8),
}

/// Where the run begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Both daemons and the witness have just been started; nobody holds the address.
    Cold,
    /// A serves, B has just voted for it, the witness knows.
    Steady,
}

/// A mistake to build in, so that the checker can show that it would find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// The right is counted from the arrival of the answer.
    CountsFromAnswer,
    /// How long to open is computed when the answer arrives, and carried out later.
    OpensForASpan,
    /// A vote binds nobody.
    KeepsNoPromise,
    /// A restarted daemon does not wait, though it may have voted.
    ForgetsItsVote,
    /// A restarted witness grants the next request.
    GrantsAfterRestart,
    /// The daemon, not the kernel, ends the right: it does not end while the daemon is paused.
    PauseNotCounted,
    /// Leaving, the vote is given away before the fence is closed.
    VotesBeforeClosing,
    /// A claim ignores how new the holder's newest stamp is.
    OverridesUnheard,
    /// Numbers begin anew when a daemon is restarted.
    ReusesStamps,
    /// A daemon that was restarted while its kernel serves says that its older stamps are void.
    SaysVoidWhileServing,
    /// A machine that claims goes on voting for the other.
    VotesWhileClaiming,
}

/// The bounds and assumptions of one check.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Ticks from sending a stamp to the end of the right it may earn.
    pub fence: u8,
    /// Ticks for which a vote binds, and for which a stamp is left alone.
    pub wait: u8,
    /// Every span that a machine measures may be off by so many ticks.
    pub drift: u8,
    /// What the witness is.
    pub keeper: Keeper,
    /// Where the run begins.
    pub start: Start,
    /// The two machines hear each other.
    pub link: bool,
    /// Each machine reaches the witness.
    pub witness: [bool; 2],
    /// Daemons are restarted, and machines rebooted.
    pub restarts: bool,
    /// The witness is restarted and has forgotten everything.
    pub witness_restarts: bool,
    /// A machine's clock stands still while the machine is paused.
    pub clock_stops: bool,
    /// The witness's clock is set forward.
    pub witness_clock_steps: bool,
    /// A primary may leave by its own will: a planned switchover, a Redis that died.
    pub leaves: bool,
    /// An older message may arrive where a newer one is lost.
    pub overtakes: bool,
    /// Two states that differ in the machines' names only count as one. A counterexample then
    /// changes names on its way.
    pub symmetric: bool,
    /// No time passes: shows what happens without waiting for any timer.
    pub still: bool,
    /// The mistake that is built in.
    pub wrong: Option<Wrong>,
}

impl Default for Lease {
    fn default() -> Self {
        Lease {
            fence: 2,
            wait: 2,
            drift: 0,
            keeper: Keeper::Register,
            start: Start::Cold,
            link: true,
            witness: [true; 2],
            restarts: false,
            witness_restarts: false,
            clock_stops: false,
            witness_clock_steps: false,
            leaves: true,
            overtakes: false,
            symmetric: false,
            still: false,
            wrong: None,
        }
    }
}

/// One step of one party. `off` is by how many ticks the clock that measures is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Time passes for everybody.
    Tick,
    /// Time passes; one machine is paused and its clock stands still.
    TickWithout(Host),
    /// A report with a new stamp goes to the peer, and to the witness if the sender wants the
    /// address. Where an older one is still under way, one of the two is lost.
    Send {
        /// Who sends.
        by: Host,
        /// The older report to the peer survives, not this one.
        peer_lost: bool,
        /// The older request to the witness survives, not this one.
        witness_lost: bool,
    },
    /// The report that is under way to this machine arrives.
    Hear {
        /// Who hears.
        by: Host,
        /// Clock error of the promise.
        off: u8,
    },
    /// The witness takes in this machine's request, and its answer arrives. The request may arrive
    /// once more.
    Ask {
        /// Who asked.
        by: Host,
        /// Clock error of the wait after a refusal.
        off: u8,
    },
    /// A machine learns that the witness was restarted.
    Learn {
        /// Who learns.
        by: Host,
        /// Clock error of the wait.
        off: u8,
    },
    /// A standby that is not bound begins to want the address.
    Claim(Host),
    /// The kernel opens or renews the fence, as its answer allows.
    Open {
        /// Whose kernel.
        by: Host,
        /// Clock error of the right.
        off: u8,
    },
    /// The fence is closed, then the vote given away.
    Leave {
        /// Who leaves.
        by: Host,
        /// Clock error of the promise.
        off: u8,
    },
    /// Only with [`Wrong::VotesBeforeClosing`]: the fence is closed at last.
    Close(Host),
    /// The daemon is killed and started again.
    Restart {
        /// Whose daemon.
        by: Host,
        /// Clock error of the wait at start.
        off: u8,
    },
    /// The machine loses its power and comes back.
    Reboot {
        /// Which machine.
        by: Host,
        /// Clock error of the wait at start.
        off: u8,
    },
    /// The witness is restarted without its data.
    RestartWitness,
    /// The witness's clock is set forward: what expires there has expired.
    StepWitnessClock,
}

/// At most one machine serves.
pub const ONE_WRITER: &str = "one writer";
/// No right and no promise at once.
pub const PROMISES_KEPT: &str = "no right while a promise runs";
/// A standby serves while the old primary, without a right, still believes in itself.
pub const TAKES_OVER: &str = "takes over from a primary that is cut off";
/// The primary's right was renewed.
pub const STAYS: &str = "a primary's right is renewed";
/// The standby serves, the primary has left.
pub const HANDS_OVER: &str = "hands over";

impl Model for Lease {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.apply(&mut state, action);
        state.settle(self);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(ONE_WRITER, |_, state| {
                !state.serves(Host::A) || !state.serves(Host::B)
            }),
            Property::<Self>::always(PROMISES_KEPT, |_, state| {
                Host::BOTH.iter().all(|host| {
                    let node = state.node(*host);
                    node.fence == 0 || node.bound == 0
                })
            }),
            Property::<Self>::sometimes(TAKES_OVER, |_, state| {
                let a = state.node(Host::A);
                a.mode == Mode::Active && a.fence == 0 && state.serves(Host::B)
            }),
            Property::<Self>::sometimes(STAYS, |model, state| {
                state.node(Host::A).fence >= model.fence
            }),
            Property::<Self>::sometimes(HANDS_OVER, |_, state| {
                state.node(Host::A).mode == Mode::Standby && state.serves(Host::B)
            }),
        ]
    }
}
