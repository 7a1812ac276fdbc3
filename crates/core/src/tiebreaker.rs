//! What passes between a node and its tie-breakers: third parties that have one vote together.
//!
//! Three voters: the two machines and the tie-breakers. A machine may serve while one voter besides
//! itself stands by it (docs/model.md). A tie-breaker decides nothing: it keeps a register with the
//! machine that has its vote and that machine's newest stamp, and changes it by one atomic operation,
//! [`Ask`]. A gateway keeps nothing and grants whatever reaches it. Not here: how a node counts votes
//! ([`crate::votes`]), how a tie-breaker is reached (the executor).

use alloc::string::String;
use keepair_wire::peer::Stamp;

/// Names one life of a tie-breaker: a Redis's `run_id`. What it knew in another life is void.
pub type Run = [u8; 20];

/// A request for the vote. The tie-breaker of that run gives it if it has given it to nobody, or to
/// the asking machine, or to the other one with a stamp that is not newer than `over`; then it notes the
/// asking machine and the newer of its stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ask {
    /// Whom the request is meant for: another run must not answer it.
    pub run: Run,
    /// The vote is asked for with this stamp.
    pub stamp: Stamp,
    /// The newest stamp of the other machine that its vote may be taken from; the default for none.
    pub over: Stamp,
}

/// What a tie-breaker, or the executor in its place, says.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Says {
    /// There is a connection to this run. Also the answer to an [`Ask`] that was meant for another.
    Met(Run),
    /// The vote is given to this stamp.
    Granted(Stamp),
    /// The other machine has the vote, with this stamp.
    Refused(Stamp),
    /// It can't be reached; why, for people.
    Gone(String),
}
