//! Votes: a right to serve that no two machines have at once, whatever is lost, late, paused or
//! restarted. Only where a tie-breaker is configured.
//!
//! A machine may serve while one voter besides itself stands by it: the peer, or the tie-breakers
//! together. A voter gives its vote to a *stamp*, one report of one machine; a right lasts `life` from
//! the moment that report was *sent*, and who has voted for the other machine claims nothing for
//! `patience` from then. `life` ends before `patience` does, by any two clocks; that is all the
//! timing there is. The protocol, its model and the proof: docs/model.md; the numbers of its rules
//! stand beside the code here. Not here: when to claim and when to leave ([`crate::Node`]), the
//! kernel's fence, which ends a right without the daemon.

use crate::tiebreaker::{Ask, Run, Says};
use crate::time::Time;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use keepair_wire::peer::{Report, Stamp};

/// What a machine does with its own vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mode {
    /// The peer's, if it wants it.
    Standby,
    /// Its own: it is about to serve, or serves, or may still serve.
    Own,
}

/// How long things last. Both from the configuration, which may be reloaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spans {
    /// A right lasts for so long from the sending of its stamp: F in docs/model.md.
    pub life: Duration,
    /// A vote binds its giver for so long from the hearing of the stamp: T in docs/model.md.
    pub patience: Duration,
}

/// A tie-breaker, as seen from here.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Keeper {
    /// The run that was met last.
    run: Option<Run>,
    reachable: bool,
    /// An earlier run may have given its vote to the peer until then, and this one forgot.
    fog_until: Time,
    /// The newest own stamp it voted for.
    granted: Option<Stamp>,
    answered_at: Option<Time>,
    /// Why it can't be reached.
    problem: Option<String>,
}

/// A tie-breaker, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeeperStatus {
    /// It answers.
    pub reachable: bool,
    /// Why not.
    pub problem: Option<String>,
    /// Its last word was that this machine has its vote.
    pub granted: bool,
}

/// The votes of one machine, given and received.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Votes {
    mode: Mode,
    /// Own stamps up to here earn nothing; `None` while a right of an earlier run may be in use.
    void: Option<Stamp>,
    /// Own stamps that may still earn a right, and when each was sent.
    sent: VecDeque<(Stamp, Time)>,
    newest: Stamp,
    right_until: Option<Time>,
    /// The peer's newest stamp.
    heard: Stamp,
    /// The peer's newest stamp that somebody is known to have voted for.
    known: Stamp,
    bound_until: Time,
    keepers: Vec<Keeper>,
    /// The last refusal that told of a stamp newer than was heard, and when.
    refused: Option<(Stamp, Time)>,
    serves_unheard: bool,
}

impl Votes {
    /// Rule 8. Nothing was heard yet; this machine may have voted for the peer before it started.
    pub fn new(now: Time, instance: u64, keepers: usize, spans: Spans) -> Self {
        let newest = Stamp { instance, seq: 0 };
        Votes {
            mode: Mode::Standby,
            void: Some(newest),
            sent: VecDeque::new(),
            newest,
            right_until: None,
            heard: Stamp::default(),
            known: Stamp::default(),
            bound_until: now + spans.patience,
            keepers: (0..keepers).map(|_| Keeper::default()).collect(),
            refused: None,
            serves_unheard: false,
        }
    }

    /// Rule 8. A right of an earlier run is alive in the kernel, which shows that it voted for nobody
    /// since.
    pub fn inherit(&mut self, now: Time, until: Time) {
        self.mode = Mode::Own;
        self.void = None;
        self.right_until = Some(until);
        self.bound_until = now;
    }

    /// What this machine does with its own vote.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Until when this machine may serve, if it may.
    pub fn right_until(&self, now: Time) -> Option<Time> {
        self.right_until.filter(|until| now < *until)
    }

    /// Nothing is claimed before then.
    pub fn bound_until(&self) -> Time {
        self.bound_until
    }

    /// The peer serves with a tie-breaker's vote, and can't be heard here.
    pub fn serves_unheard(&self) -> bool {
        self.serves_unheard
    }

    /// What a report says: stamps that are void, and the peer's stamp that has this machine's vote.
    pub fn words(&self) -> (Option<Stamp>, Option<Stamp>) {
        let vote = Some(self.known).filter(|known| *known > Stamp::default());
        (self.void, vote.filter(|_| self.mode == Mode::Standby))
    }

    /// Rule 1: a report was sent. Returns what the tie-breakers are to be asked with the same stamp.
    pub fn sent(&mut self, now: Time, stamp: Stamp, spans: Spans) -> Vec<(usize, Ask)> {
        self.newest = stamp;
        while self.sent.front().is_some_and(|(_, at)| now.since(*at) > spans.life) {
            self.sent.pop_front();
        }
        self.sent.push_back((stamp, now));
        if self.mode == Mode::Standby {
            return Vec::new();
        }
        // Rule 5. Whoever serves holds a vote that nobody else can have got meanwhile.
        let serves = self.right_until(now).is_some();
        let ask = |(place, keeper): (usize, &Keeper)| {
            let may_ask = keeper.reachable && (serves || now >= keeper.fog_until);
            let run = keeper.run.filter(|_| may_ask)?;
            Some((place, Ask { run, stamp, over: self.known }))
        };
        self.keepers.iter().enumerate().filter_map(ask).collect()
    }

    /// Rule 2: a report of the peer came in. Stale ones are told by their stamps.
    pub fn hear(&mut self, now: Time, report: &Report, spans: Spans) {
        let stamp = report.stamp();
        if stamp <= self.heard {
            return;
        }
        self.heard = stamp;
        self.refused = None;
        self.serves_unheard = false;
        if let Some(void) = report.void.filter(|void| *void >= self.known) {
            self.known = void;
            self.bound_until = now;
        }
        if let Some(vote) = report.vote {
            self.voted_for(vote, spans);
        }
        if report.wants() && self.mode == Mode::Standby {
            self.known = stamp;
            self.bound_until = now + spans.patience;
        }
    }

    /// Rule 3: somebody has voted for an own stamp.
    fn voted_for(&mut self, stamp: Stamp, spans: Spans) {
        if self.void.is_some_and(|void| stamp <= void) {
            return;
        }
        let Some((_, at)) = self.sent.iter().find(|(sent, _)| *sent == stamp) else { return };
        self.right_until = self.right_until.max(Some(*at + spans.life));
    }

    /// A tie-breaker has spoken. `true`: the claim is refused, and what was begun must be given up
    /// (rule 5); whoever serves goes on.
    pub fn hear_keeper(&mut self, now: Time, place: usize, says: Says, spans: Spans) -> bool {
        let serves = self.right_until(now).is_some();
        let Some(keeper) = self.keepers.get_mut(place) else { return false };
        keeper.answered_at = Some(now);
        keeper.problem = None;
        match says {
            Says::Met(run) => {
                keeper.reachable = true;
                // Rule 7.
                if keeper.run != Some(run) {
                    keeper.run = Some(run);
                    keeper.granted = None;
                    keeper.fog_until = if serves { now } else { now + spans.patience };
                }
                false
            }
            Says::Gone(problem) => {
                keeper.problem = Some(problem);
                keeper.reachable = false;
                keeper.granted = None;
                false
            }
            Says::Granted(stamp) => {
                keeper.granted = keeper.granted.max(Some(stamp));
                // All of them, or none: two halves that overlap nowhere could serve two machines.
                let least = self.keepers.iter().map(|keeper| keeper.granted).min().flatten();
                if let Some(stamp) = least {
                    self.voted_for(stamp, spans);
                }
                false
            }
            Says::Refused(held) => {
                keeper.granted = None;
                if serves || held <= self.known {
                    return false;
                }
                // The first may tell of the last stamp of a machine that died; the second shows that it
                // lives.
                if held > self.heard {
                    self.serves_unheard |= self.refused.is_some_and(|(before, at)| {
                        held > before && now.since(at) >= spans.patience / 2
                    });
                    self.refused = Some((held, now));
                }
                // The machine stops claiming, and `give_way` follows when nothing serves here.
                self.void = Some(self.newest);
                self.forget_rights();
                self.known = held;
                self.bound_until = now + spans.patience;
                true
            }
        }
    }

    /// Rule 4: this machine is about to serve, or serves.
    pub fn keep_own(&mut self) {
        self.mode = Mode::Own;
    }

    /// Rule 6: nothing here serves any more, and nothing will. Own stamps are void, and the peer has
    /// this machine's vote, whether it wants it or not.
    pub fn give_way(&mut self, now: Time, spans: Spans) {
        if self.mode == Mode::Standby {
            return;
        }
        self.mode = Mode::Standby;
        self.void = Some(self.newest);
        self.forget_rights();
        if self.heard > Stamp::default() {
            self.known = self.known.max(self.heard);
            self.bound_until = now + spans.patience;
        }
    }

    fn forget_rights(&mut self) {
        self.sent.clear();
        self.right_until = None;
        for keeper in &mut self.keepers {
            keeper.granted = None;
        }
    }

    /// Every tie-breaker, for people.
    pub fn keepers(&self) -> Vec<KeeperStatus> {
        let status = |keeper: &Keeper| KeeperStatus {
            reachable: keeper.reachable,
            problem: match (&keeper.problem, keeper.reachable) {
                (Some(problem), _) => Some(problem.clone()),
                (None, false) => Some("it has not been reached yet".to_string()),
                (None, true) => None,
            },
            granted: keeper.granted.is_some(),
        };
        self.keepers.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests;
