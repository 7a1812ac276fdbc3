//! What is known of the other machine: its adverts and its reports.

use crate::lineage::Lineage;
use crate::time::Time;
use crate::vrrp::Drop;
use core::time::Duration;
use keepair_wire::peer::{Report, State};

/// A report older than this no longer speaks for the peer in the status and in a switchover.
const HEARD_FOR: Duration = Duration::from_secs(1);

/// The other machine, as seen from here.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Peer {
    /// Its newest report.
    pub report: Option<Report>,
    /// When that came in.
    pub report_at: Option<Time>,
    /// When its last advert with a priority above 0 came in.
    pub advert_at: Option<Time>,
    /// Active_Adver_Interval: the interval in the last advert, or our own.
    pub advert_interval: Duration,
    /// It was Active at some time since this daemon started.
    pub was_active: bool,
    /// When the local Redis ended, or another one answered, last. What the other Redis had received
    /// until then is known from a later report only.
    doubted_at: Time,
    /// Since when adverts come, and no report.
    unreported_since: Option<Time>,
}

impl Peer {
    /// Nothing is known yet.
    pub fn new(advert_interval: Duration) -> Self {
        Peer {
            report: None,
            report_at: None,
            advert_at: None,
            advert_interval,
            was_active: false,
            doubted_at: Time(0),
            unreported_since: None,
        }
    }

    /// Takes a report in.
    ///
    /// # Errors
    /// [`Drop::StaleReport`] when a newer one of the same daemon is known.
    pub fn learn(&mut self, now: Time, report: Report) -> Result<(), Drop> {
        let stale = self
            .report
            .as_ref()
            .is_some_and(|last| last.instance == report.instance && last.seq >= report.seq);
        if stale {
            return Err(Drop::StaleReport);
        }
        self.was_active |= report.state == State::Active;
        self.report = Some(report);
        self.unreported_since = None;
        // What waited in the socket says nothing of when it was sent.
        self.report_at = self.report_at.max(Some(now));
        Ok(())
    }

    /// An advert came in.
    pub fn advertised(&mut self, now: Time) {
        self.unreported_since.get_or_insert(now);
    }

    /// Adverts have been coming for long, and no report among them.
    pub fn advertises_without_reports(&self, now: Time) -> bool {
        let comes = self.advert_at.is_some_and(|at| now.since(at) <= self.advert_interval * 3);
        let long = HEARD_FOR.max(self.advert_interval * 3);
        comes && self.unreported_since.is_some_and(|since| now.since(since) > long)
    }

    /// The report, if it is not older than two advert intervals: short enough to be stale when
    /// adverts have been missing for a whole Active_Down_Interval.
    pub fn fresh(&self, now: Time) -> Option<&Report> {
        self.younger(now, self.advert_interval * 2)
    }

    /// The report, if the peer's daemon is to be considered alive.
    pub fn heard(&self, now: Time) -> Option<&Report> {
        self.younger(now, HEARD_FOR.max(self.advert_interval * 3))
    }

    fn younger(&self, now: Time, age: Duration) -> Option<&Report> {
        self.report.as_ref().filter(|_| self.report_at.is_some_and(|at| now.since(at) <= age))
    }

    /// It says, or its adverts say, that it holds the address.
    pub fn is_active(&self, now: Time) -> bool {
        let by_report = self.fresh(now).map(|report| report.state == State::Active);
        let by_advert = self.advert_at.is_some_and(|at| now.since(at) <= self.advert_interval * 3);
        by_report.unwrap_or(by_advert)
    }

    /// Its last word, not long ago, is that it holds the address and does not leave.
    pub fn says_it_serves(&self, now: Time) -> bool {
        self.fresh(now)
            .is_some_and(|report| report.state == State::Active && report.leaving.is_none())
    }

    /// What its Redis held when it was last heard.
    pub fn lineage(&self) -> Option<Lineage> {
        self.report.as_ref().filter(|report| report.redis.reachable).map(Lineage::from)
    }

    /// The local Redis is another process, or none: its replica may have received more than any report
    /// so far has told.
    pub fn doubt(&mut self, now: Time) {
        self.doubted_at = now;
    }

    /// What its Redis holds, as far as a local Redis that was restarted, and has this history now, can
    /// rely on it: told since, and by a replica that has lost its link to the process before, so that
    /// nothing more can come to it.
    pub fn lineage_since_restart(&self, own_replid: &[u8; 20]) -> Option<Lineage> {
        let told = self.report_at.is_some_and(|at| at > self.doubted_at);
        self.lineage().filter(|other| {
            let facts = &other.facts;
            told && (facts.primary || !facts.link_up || facts.replid == *own_replid)
        })
    }
}
