//! Hand-over and takeover as `crates/core` does them, without a tie-breaker.
//!
//! Time goes in ticks of one advert interval. Within a tick the steps of the two machines, the
//! wires and the two Redis come in every order; [`Action::Tick`] waits until whatever a running
//! daemon owes has been done. Each function is named after the one in `core::node` whose decision
//! it repeats; `docs/model.md` has the table, and says what is left out and why that is sound.
//!
//! Not here: the arbiter's lease (`lease`).

mod actions;
mod active;
mod fitness;
mod follow;
pub mod lineage;
mod node;
mod state;
mod switchover;
mod takeover;

pub use actions::Action;
pub use state::{
    Budget, Command, Data, Disk, Host, How, Memory, Node, Phase, Redis, Report, Run, Seen, State,
    Step, Switch, Wire,
};

use stateright::{Model, Property};

/// A mistake to build in, so that the checker can show that it would find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// The fence is opened and the address taken before Redis is promoted.
    ClaimBeforePromote,
    /// The farewell is sent first, the fence closed later.
    FenceAfterHandOver,
    /// The fence is renewed first, the advert sent afterwards.
    RenewBeforeAdvert,
    /// In a switchover, the end of the stream is measured before writes are paused.
    MeasuresBeforePause,
    /// A standby promotes without applying what it has received.
    NoDrain,
    /// A daemon that was stopped acts upon what waited in its sockets.
    ActsOnStale,
    /// The Redis that ended may be the peer's source before it has been looked at.
    GateStaysOpen,
    /// Who left the address takes it back without having heard from the one it left it to.
    TakesBackUnheard,
    /// A standby does not look whether the silent peer's reports say that it is there.
    IgnoresReports,
}

/// What `crates/core` could do better. Off, the model does as core does today; each is on in a test
/// that shows which counterexample it takes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cure {
    /// The source gate closes whenever a Redis that was a primary ends, not only when Active.
    GateWhenPrimaryEnds,
    /// At every start the source gate closes, also where an earlier run's right is alive, and that
    /// right is given up at once where no Redis answers.
    LooksAtStart,
    /// Taking up an earlier run's right, the advert goes out before the fence is renewed.
    AdvertBeforeResume,
    /// A peer that says that it is starting is there: it may be taking up an earlier run's right.
    StartingIsThere,
    /// A daemon that was stopped for more than one interval has slept.
    SleepsSooner,
    /// A farewell corrects the last report, and an advert does not end a takeover while the last word
    /// is that the peer is not Active: it was sent before the farewell and overtaken by it.
    FarewellCorrectsReport,
    /// After a stall the address was left to the peer, however long ago that was heard.
    StallLeavesToPeer,
}

impl Cure {
    /// All of them.
    pub const ALL: &'static [Cure] = &[
        Cure::GateWhenPrimaryEnds,
        Cure::LooksAtStart,
        Cure::AdvertBeforeResume,
        Cure::StartingIsThere,
        Cure::SleepsSooner,
        Cure::FarewellCorrectsReport,
        Cure::StallLeavesToPeer,
    ];
}

/// The timings, the assumptions and what may go wrong. Times in ticks of one advert interval.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `vrrp::active_down`: 3.61 intervals by default.
    pub down: u8,
    /// `vrrp::fence_life`: 3.30 intervals by default. Here as long as `down`, the most it may be.
    pub fence: u8,
    /// `Peer::fresh`.
    pub fresh: u8,
    /// `Peer::heard`: 10 intervals by default; it must be longer than `down`.
    pub heard: u8,
    /// How long `caught_up_at` speaks for an empty socket (`after_probing`).
    pub in_step: u8,
    /// `boot_wait`.
    pub boot: u8,
    /// `RETRY_AFTER` of a failed takeover.
    pub retry: u8,
    /// `promote_timeout`.
    pub promote: u8,
    /// `switchover_timeout`.
    pub switchover: u8,
    /// `HAND_OVER_TIMEOUT`: longer than `down`.
    pub hand_over: u8,
    /// The assumption about the network: nothing is lost, or at most so many ticks in a row in
    /// which nothing arrives of what one daemon sends to the other.
    pub silence: Option<u8>,
    /// An advert that was sent before a farewell may arrive after it.
    pub overtaken: bool,
    /// The network copies adverts and farewells.
    pub copies: bool,
    /// A copy of a farewell may arrive after its receiver has held the address and left it again.
    pub late_copies: bool,
    /// A Redis may come back before the daemon beside it has noticed that it was gone.
    pub returns_unnoticed: bool,
    /// What may still happen.
    pub budget: Budget,
    /// The mistake that is built in.
    pub wrong: Option<Wrong>,
    /// What is better than in core.
    pub cures: &'static [Cure],
}

impl Pair {
    fn cured(&self, cure: Cure) -> bool {
        self.cures.contains(&cure)
    }
}

impl Default for Pair {
    fn default() -> Self {
        Pair {
            down: 4,
            fence: 4,
            fresh: 2,
            heard: 5,
            in_step: 3,
            boot: 3,
            retry: 1,
            promote: 2,
            switchover: 2,
            hand_over: 5,
            silence: Some(1),
            overtaken: true,
            copies: false,
            late_copies: false,
            returns_unnoticed: false,
            budget: Budget::default(),
            wrong: None,
            cures: &[],
        }
    }
}

/// At most one machine accepts writes.
pub const ONE_WRITER: &str = "one writer";
/// At most one kernel lets clients through.
pub const ONE_FENCE: &str = "one fence closes before the other opens";
/// Whoever serves has every acknowledged write that still exists.
pub const ACKNOWLEDGED_KEPT: &str = "acknowledged means kept";
/// Behind the address there is no replica.
pub const NO_READ_ONLY: &str = "no read-only server behind the address";
/// The other machine serves, and the first one replicates from it.
pub const MOVED: &str = "the address moves and the old primary rejoins";

impl Model for Pair {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.steady()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // What two writers do to each other is of no interest.
        if !state.accepts_writes(0) || !state.accepts_writes(1) {
            self.enabled(state, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.apply(&mut state, action);
        state.settle();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(ONE_WRITER, |_, state| {
                !state.accepts_writes(0) || !state.accepts_writes(1)
            }),
            Property::<Self>::always(ONE_FENCE, |_, state| {
                state.nodes[0].fence == 0 || state.nodes[1].fence == 0
            }),
            Property::<Self>::always(ACKNOWLEDGED_KEPT, |_, state| {
                (0..2).all(|host| {
                    let missing = state.acked & !state.died & !state.nodes[host].redis.data.writes;
                    !state.accepts_writes(host) || missing == 0
                })
            }),
            Property::<Self>::always(NO_READ_ONLY, |_, state| {
                state.nodes.iter().all(|node| {
                    node.fence == 0 || !node.vip || !node.redis.alive || node.redis.primary
                })
            }),
            Property::<Self>::sometimes(MOVED, |_, state| {
                state.accepts_writes(1) && state.is_whole()
            }),
        ]
    }
}
