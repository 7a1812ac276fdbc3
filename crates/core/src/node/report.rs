//! What the peer's daemon and the operator are told.

use super::{Node, Phase};
use crate::action::{Action, Actions};
use crate::event::Event;
use crate::status::{Member, Status};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use keepair_wire::peer::{Leaving, RedisFacts, Report, State};

impl Node {
    /// This machine's whole state.
    fn report(&self, now: Time) -> Report {
        let leaving = self.leaving.map(|(leaving, since)| {
            let passed = u32::try_from(now.since(since).as_micros()).unwrap_or(u32::MAX);
            Leaving {
                cause: leaving.cause,
                noticed_ago_us: leaving.noticed_ago_us.saturating_add(passed),
                fenced_ago_us: leaving.fenced_ago_us.saturating_add(passed),
            }
        });
        // The kernel serves on by the right of the run before, whatever becomes of it here.
        let inherited = match self.phase {
            Phase::Starting { resume_until, .. } => resume_until.is_some_and(|until| now < until),
            _ => false,
        };
        let (void, vote) = self.votes.as_ref().map_or((None, None), |votes| votes.words());
        Report {
            vrid: self.config.vrid.0,
            instance: self.instance,
            seq: self.report_seq,
            state: self.state(),
            fit: self.fitness(now).is_ok(),
            priority: self.config.own().priority.0,
            generation: self.generation.0,
            vouched: self.vouched(),
            may_serve: inherited
                || matches!(self.phase, Phase::Active(_))
                || self.unheard_right.is_some_and(|until| now < until),
            redis: RedisFacts { unused: self.unused_for_certain(), ..self.own_facts() },
            leaving,
            handshake: self.handshake(),
            failover: self.failover.clone(),
            reason: self.reason.clone(),
            accepted: self.accepted,
            void,
            vote,
            served: self.served,
            restored: self.restored(),
            missed_writes: self.follow.missed_writes(),
            acknowledged: self.acknowledged(),
        }
    }

    /// How far the standby's Redis has acknowledged the stream.
    fn acknowledged(&self) -> Option<i64> {
        let info = self.monitor.info.as_ref().filter(|_| self.monitor.is_primary())?;
        self.reach.acknowledged(info, self.config.peer().address)
    }

    /// Writes may have come since INFO was asked, while the address was served.
    fn unused_for_certain(&self) -> bool {
        self.own_facts().unused
            && self.state() != State::Active
            && self.monitor.info_answered >= self.quiet_info
    }

    pub(super) fn send_report(&mut self, now: Time, out: &mut Actions) {
        self.report_seq += 1;
        self.report_dirty = false;
        self.report_at = now + self.config.advert_interval;
        let report = self.report(now);
        self.ask_for_votes(now, &report, out);
        out.push(Action::SendReport(Box::new(report)));
    }

    /// Of the peer's two kinds of packets one arrives, and the other does not.
    pub(super) fn name_filters(&mut self, now: Time, out: &mut Actions) {
        let peer = &self.config.peer().name;
        let filtered = if self.peer.advertises_without_reports(now) {
            Some(format!(
                "{peer}'s reports do not arrive, though its adverts do: is UDP {} filtered?",
                self.config.peer_port
            ))
        } else if self.filter_told {
            Some(format!(
                "{peer}'s adverts do not arrive, though its reports do: is IP protocol 112 filtered?"
            ))
        } else {
            None
        };
        self.problems.peer(filtered, out);
    }

    /// Sends a report when something changed, and once per advert interval.
    pub(super) fn send_due_report(&mut self, now: Time, out: &mut Actions) {
        if self.peer_was_heard && self.peer.heard(now).is_none() {
            self.peer_was_heard = false;
            out.push(Action::Tell(Event::PeerHeard(false)));
        }
        let shows_result = self.leave.as_ref().is_none_or(|leave| leave.deadline().is_some());
        if (self.report_dirty && shows_result) || now >= self.report_at {
            self.send_report(now, out);
        }
    }

    /// A snapshot for operators and monitors.
    pub fn status(&self, now: Time) -> Status {
        let own = self.report(now);
        let heard = self.peer.heard(now);
        let peer = self.config.peer();
        let lag_bytes = |replica: &Report, primary: &Report| {
            (!replica.redis.primary
                && primary.redis.primary
                && replica.redis.replid == primary.redis.replid)
                .then(|| primary.redis.offset.saturating_sub(replica.redis.offset).max(0))
        };
        let local = Member {
            name: self.config.own().name.clone(),
            address: self.config.own().address,
            local: true,
            heard: true,
            state: own.state,
            fit: own.fit,
            reason: own.reason.clone(),
            priority: own.priority,
            generation: own.generation,
            lag_bytes: heard.and_then(|peer| lag_bytes(&own, peer)),
            redis: own.redis.clone(),
        };
        let remote = match self.peer.report.as_ref() {
            Some(report) => Member {
                name: peer.name.clone(),
                address: peer.address,
                local: false,
                heard: heard.is_some(),
                state: report.state,
                fit: heard.is_some() && report.fit,
                reason: if heard.is_some() {
                    report.reason.clone()
                } else {
                    "its daemon is not heard; this is what it last said".to_string()
                },
                priority: report.priority,
                generation: report.generation,
                lag_bytes: heard.and_then(|peer| lag_bytes(peer, &own)),
                redis: report.redis.clone(),
            },
            None => Member {
                name: peer.name.clone(),
                address: peer.address,
                local: false,
                heard: false,
                state: State::Starting,
                fit: false,
                reason: "its daemon has never been heard".to_string(),
                priority: peer.priority.0,
                generation: 0,
                lag_bytes: None,
                redis: RedisFacts::default(),
            },
        };
        Status {
            vrid: self.config.vrid.0,
            link_up: self.link_up,
            members: [local, remote],
            last_failover: self.failover.clone(),
            tie_breakers: self.keepers(),
            solo: self.solo,
            problems: self.problems.list(),
            counters: self.counters.clone(),
        }
    }
}
