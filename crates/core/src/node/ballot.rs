//! Votes where a tie-breaker is configured: asking for them, giving them, and what follows from them.
//!
//! [`crate::votes::Votes`] counts; this says when the machine keeps its own vote (as long as anything
//! here may serve) and when it gives it away. What a right is needed for stands in `takeover` and
//! `active`.

use super::{Node, Phase};
use crate::action::{Action, Actions};
use crate::event::Event;
use crate::tiebreaker::Says;
use crate::time::Time;
use crate::votes::{KeeperStatus, Mode, Spans, Votes};
use crate::vrrp;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use keepair_wire::peer::Report;

/// The kernel may end a right by so much too late (two ticks at HZ=250, ADR 2).
const FENCE_LATE_MAX: Duration = Duration::from_millis(10);

impl Node {
    pub(super) fn spans(&self) -> Spans {
        // Whichever interval is the longer one, should the two machines' files differ.
        let interval = self.config.advert_interval.max(self.peer.advert_interval);
        Spans {
            life: self.fence_life(),
            patience: vrrp::active_down(self.config.own().priority.0, interval),
        }
    }

    /// The daemon starts; a right of an earlier run lasts until `inherited`.
    pub(super) fn begin_votes(&mut self, now: Time, inherited: Option<Time>) {
        let keepers = self.config.tie_breakers.len();
        self.served_until = inherited;
        self.votes = (keepers > 0).then(|| {
            let mut votes = Votes::new(now, self.instance, keepers, self.spans());
            if let Some(until) = inherited {
                votes.inherit(now, until);
            }
            votes
        });
    }

    /// The configuration was read anew.
    pub(super) fn reload_votes(&mut self, now: Time) {
        let keepers = self.config.tie_breakers.len();
        if self.votes.as_ref().map_or(0, |votes| votes.keepers().len()) != keepers {
            let serving = match &self.phase {
                Phase::Active(active) => Some(active.fence_until()),
                _ => self.served_until,
            };
            self.begin_votes(now, serving);
        }
    }

    /// Until when the kernel may be asked to serve. `None`: not at all, votes are missing.
    pub(super) fn right_end(&self, now: Time) -> Option<Time> {
        match &self.votes {
            None => Some(now + self.fence_life()),
            Some(votes) => votes.right_until(now),
        }
    }

    /// A report goes out, and with it what the tie-breakers are asked.
    pub(super) fn ask_for_votes(&mut self, now: Time, report: &Report, out: &mut Actions) {
        let spans = self.spans();
        let Some(votes) = &mut self.votes else { return };
        for (place, ask) in votes.sent(now, report.stamp(), spans) {
            out.push(Action::AskTieBreaker(place, ask));
        }
    }

    /// A report came in that is no news of itself, or is: stamps tell.
    pub(super) fn hear_votes(&mut self, now: Time, out: &mut Actions) {
        let spans = self.spans();
        let Some(report) = &self.peer.report else { return };
        let Some(votes) = &mut self.votes else { return };
        votes.hear(now, report, spans);
        // It waits for the answer.
        self.report_dirty |= report.wants() && votes.words().1.is_some();
        self.use_votes(now, out);
    }

    pub(super) fn hear_tie_breaker(
        &mut self,
        now: Time,
        place: usize,
        says: Says,
        out: &mut Actions,
    ) {
        let spans = self.spans();
        let name = self.config.tie_breakers.get(place).cloned().unwrap_or_default();
        let Some(votes) = &mut self.votes else { return };
        let known = votes.keepers().get(place).map(|keeper| keeper.reachable);
        match &says {
            Says::Met(_) if known == Some(false) => {
                out.push(Action::Tell(Event::TieBreakerMet { name }));
            }
            Says::Gone(why) if known == Some(true) => {
                out.push(Action::Tell(Event::TieBreakerGone { name, why: why.clone() }));
            }
            _ => {}
        }
        if votes.hear_keeper(now, place, says, spans) {
            self.claim_refused(now, out);
        }
        self.use_votes(now, out);
    }

    /// The peer has had the tie-breaker's vote since it was heard last.
    fn claim_refused(&mut self, now: Time, out: &mut Actions) {
        if self.monitor.is_primary() {
            // It may have served since this machine did, and its data may be the newer.
            self.left_to_peer = true;
            self.peer_has_spoken = false;
        }
        let waits = matches!(&self.phase, Phase::TakingOver(takeover) if !takeover.may_be_open());
        if waits {
            self.timeline = None;
            self.rest(now, out);
        }
    }

    /// A right has come, or was renewed.
    fn use_votes(&mut self, now: Time, out: &mut Actions) {
        let Some(until) = self.votes.as_ref().and_then(|votes| votes.right_until(now)) else {
            return;
        };
        match &self.phase {
            // Not for a moment more: the kernel may make the daemon wait, and adverts with it.
            Phase::Active(active)
                if until >= active.fence_until() + self.config.advert_interval / 4 =>
            {
                self.renew_fence(now, out);
            }
            Phase::TakingOver(_) => self.vote_came(now, out),
            _ => {}
        }
    }

    /// Whatever serves here keeps this machine's vote: until the kernel has confirmed that nothing
    /// does, or the right has ended by itself.
    pub(super) fn settle_votes(&mut self, now: Time) {
        let spans = self.spans();
        let may_serve = self.served_until.is_some_and(|until| now < until + FENCE_LATE_MAX);
        let own = matches!(self.phase, Phase::Active(_) | Phase::TakingOver(_)) || may_serve;
        let Some(votes) = &mut self.votes else { return };
        if own {
            votes.keep_own();
        } else {
            self.report_dirty |= votes.mode() == Mode::Own;
            votes.give_way(now, spans);
        }
    }

    /// Why nothing may be claimed yet, and from when on it may.
    pub(super) fn bound(&self, now: Time) -> Option<Time> {
        self.votes.as_ref().map(Votes::bound_until).filter(|until| now < *until)
    }

    /// What is waited for, for people.
    pub(super) fn votes_missing(&self) -> String {
        let away = |(name, keeper): (String, KeeperStatus)| {
            keeper.problem.map(|problem| format!("{name}: {problem}"))
        };
        let peer = &self.config.peer().name;
        match self.keepers().into_iter().find_map(away) {
            Some(away) => {
                format!("neither {peer} nor the tie-breaker stands by this machine ({away})")
            }
            None => format!("waiting for the vote of {peer} or of the tie-breaker"),
        }
    }

    /// The tie-breakers by their names, for people.
    pub(super) fn keepers(&self) -> Vec<(String, KeeperStatus)> {
        let keepers = self.votes.as_ref().map(Votes::keepers).unwrap_or_default();
        self.config.tie_breakers.iter().cloned().zip(keepers).collect()
    }

    /// The peer serves, and this machine hears nothing of it. Whether it still receives all data it
    /// can't know: Redis notices a dead link after a minute.
    pub(super) fn check_not_left_behind(&self) -> Result<(), String> {
        let behind = self.votes.as_ref().is_some_and(Votes::serves_unheard);
        if behind && !self.monitor.is_primary() {
            let peer = &self.config.peer().name;
            return Err(format!(
                "{peer} serves by the tie-breaker's vote and can't be heard from here: its data is \
                 newer; mend the network between the two"
            ));
        }
        Ok(())
    }

    /// A machine that has just started decides nothing alone: the other may serve, or may hold newer
    /// data. The tie-breaker knows who served last.
    pub(super) fn check_not_alone(&self) -> Result<(), String> {
        let primary = self.monitor.is_primary();
        let told = self.peer_has_spoken || self.solo;
        let peer = &self.config.peer().name;
        if !told && (self.left_to_peer || !primary) {
            return Err(format!(
                "has not heard {peer}, which may hold newer data; if it is lost for good: keepair \
                 accept {}",
                self.config.own().name
            ));
        }
        if !told && self.votes.is_none() {
            return Err(format!(
                "has not heard {peer}, which may serve, or hold newer data; to begin without it: \
                 keepair solo"
            ));
        }
        Ok(())
    }
}
