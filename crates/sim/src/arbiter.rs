//! Tie-breakers: third parties on the network, each with a register (`keepair_core::tiebreaker`).
//!
//! Each machine has a connection to each of them. What is cut waits or is lost; a restart ends every
//! connection and forgets the register. A request is never sent twice. Not here: what a vote is good
//! for.

use crate::host::HostId;
use crate::rng::Rng;
use crate::world::{Event, World};
use keepair_core::Input;
use keepair_core::tiebreaker::{Ask, Run, Says};
use keepair_core::time::Time;
use keepair_wire::peer::Stamp;
use std::time::Duration;

/// A daemon tries to connect again after so long.
const RECONNECT: Duration = Duration::from_millis(100);
/// A connection that does not answer is given up after so long.
const SILENT_MAX: Duration = Duration::from_millis(1_000);

/// One tie-breaker.
#[derive(Clone, Debug)]
pub struct Arbiter {
    run: Run,
    up: bool,
    holder: Option<(HostId, Stamp)>,
    /// By machine: no packet gets through.
    cut: [bool; 2],
    /// Connections by machine: of the daemon's run, to the arbiter's run.
    connected: [Option<(u64, Run)>; 2],
}

impl Arbiter {
    /// One that runs and has met nobody.
    pub fn new(rng: &mut Rng) -> Self {
        Arbiter { run: rng.id(), up: true, holder: None, cut: [false; 2], connected: [None; 2] }
    }

    /// The one atomic operation.
    fn claim(&mut self, by: HostId, ask: &Ask) -> Says {
        if ask.run != self.run {
            return Says::Met(self.run);
        }
        match self.holder {
            Some((holder, held)) if holder != by && held > ask.over => Says::Refused(held),
            Some((holder, held)) if holder == by => {
                self.holder = Some((by, held.max(ask.stamp)));
                Says::Granted(ask.stamp)
            }
            _ => {
                self.holder = Some((by, ask.stamp));
                Says::Granted(ask.stamp)
            }
        }
    }
}

/// What is done to a tie-breaker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Nothing passes between it and that machine.
    Cut(HostId),
    /// It ends.
    End,
    /// It starts, and knows nothing.
    Start,
    /// Everything passes again.
    Mend,
}

impl World {
    /// A daemon has started, or has lost its connection: it tries to connect.
    pub(crate) fn meet_arbiters(&mut self, host: HostId) {
        for place in 0..self.arbiters.len() {
            let at = self.now + Duration::from_micros(self.arbiter_rng.between(200, 1_500));
            let run = self.hosts[host].daemon.run;
            self.schedule(at, Event::ArbiterDialled { host, place, run });
        }
    }

    pub(crate) fn arbiter_dialled(&mut self, host: HostId, place: usize, run: u64) {
        if self.hosts[host].daemon.run != run || !self.hosts[host].powered {
            return;
        }
        let carrier = self.hosts[host].kernel.carrier;
        let arbiter = &mut self.arbiters[place];
        if arbiter.up && !arbiter.cut[host.index()] && carrier {
            let met = arbiter.run;
            arbiter.connected[host.index()] = Some((run, met));
            self.arbiter_says(host, place, Says::Met(met));
        } else {
            let at = self.now + RECONNECT;
            self.schedule(at, Event::ArbiterDialled { host, place, run });
        }
    }

    fn arbiter_says(&mut self, host: HostId, place: usize, says: Says) {
        let delay = Duration::from_micros(self.arbiter_rng.between(50, 400));
        self.deliver(host, delay, None, Input::TieBreaker(place, says));
    }

    /// The daemon asks: sent at once, or never.
    pub(crate) fn ask_arbiter(&mut self, host: HostId, place: usize, ask: Ask) {
        let Some((run, met)) = self.arbiters.get(place).and_then(|a| a.connected[host.index()])
        else {
            return;
        };
        if run == self.hosts[host].daemon.run {
            let at = self.now + Duration::from_micros(self.arbiter_rng.between(50, 400));
            let sent_at = self.now;
            self.schedule(at, Event::ArbiterHears { host, place, met, ask, sent_at });
        }
    }

    pub(crate) fn arbiter_hears(
        &mut self,
        host: HostId,
        place: usize,
        (met, ask, sent_at): (Run, Ask, Time),
    ) {
        let carrier = self.hosts[host].kernel.carrier;
        let arbiter = &mut self.arbiters[place];
        if !arbiter.up || arbiter.run != met {
            return;
        }
        if arbiter.cut[host.index()] || !carrier {
            // TCP goes on trying: it arrives late, or the connection is given up before.
            let again = self.now + Duration::from_millis(self.arbiter_rng.between(20, 300));
            if self.now.since(sent_at) < SILENT_MAX {
                self.schedule(again, Event::ArbiterHears { host, place, met, ask, sent_at });
            } else {
                self.lose_arbiter(host, place, "no answer");
            }
            return;
        }
        let says = arbiter.claim(host, &ask);
        self.arbiter_says(host, place, says);
    }

    fn lose_arbiter(&mut self, host: HostId, place: usize, why: &str) {
        let Some((run, _)) = self.arbiters[place].connected[host.index()].take() else { return };
        if self.hosts[host].daemon.run == run {
            self.arbiter_says(host, place, Says::Gone(why.to_owned()));
            self.schedule(self.now + RECONNECT, Event::ArbiterDialled { host, place, run });
        }
    }

    pub(crate) fn trouble_arbiters(&mut self, trouble: Trouble) {
        for place in 0..self.arbiters.len() {
            self.trouble_arbiter(place, trouble);
        }
    }

    fn trouble_arbiter(&mut self, place: usize, trouble: Trouble) {
        let arbiter = &mut self.arbiters[place];
        match trouble {
            Trouble::Cut(host) => arbiter.cut[host.index()] = true,
            Trouble::End => {
                arbiter.up = false;
                for host in HostId::BOTH {
                    self.lose_arbiter(host, place, "the connection was closed");
                }
            }
            Trouble::Start => {
                let again = self.arbiter_rng.id();
                let arbiter = &mut self.arbiters[place];
                if arbiter.up {
                    self.trouble_arbiter(place, Trouble::End);
                }
                let arbiter = &mut self.arbiters[place];
                (arbiter.up, arbiter.run, arbiter.holder) = (true, again, None);
            }
            Trouble::Mend => {
                arbiter.cut = [false; 2];
                if !arbiter.up {
                    self.trouble_arbiter(place, Trouble::Start);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostId::{A, B};

    fn stamp(seq: u64) -> Stamp {
        Stamp { instance: 1, seq }
    }

    #[test]
    fn the_vote_is_taken_over_what_was_heard_and_not_over_more() {
        let mut arbiter = Arbiter::new(&mut Rng::new(1));
        let mut claim = |by, seq, over| {
            let run = arbiter.run;
            arbiter.claim(by, &Ask { run, stamp: stamp(seq), over: stamp(over) })
        };
        assert_eq!(claim(A, 5, 0), Says::Granted(stamp(5)));
        assert_eq!(claim(B, 9, 4), Says::Refused(stamp(5)));
        assert_eq!(claim(A, 4, 0), Says::Granted(stamp(4)), "late, and no step back");
        assert_eq!(claim(B, 9, 4), Says::Refused(stamp(5)));
        assert_eq!(claim(B, 9, 5), Says::Granted(stamp(9)));
        assert_eq!(claim(A, 6, 8), Says::Refused(stamp(9)));
        let other = Ask { run: [7; 20], stamp: stamp(6), over: stamp(9) };
        assert_eq!(arbiter.claim(A, &other), Says::Met(arbiter.run), "meant for another");
    }
}
