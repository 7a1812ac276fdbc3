//! What was seen, with its time, in the order in which it was noted.

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::advert::Advert;
use super::fifo::Notice;
use crate::locked;

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An address appeared on a host, or its macvlan came up where FRR holds the address there.
    Gained(IpAddr),
    /// An address went.
    Lost(IpAddr),
    /// A line of the notify FIFO.
    Told(Notice),
    /// An advert on the wire; the host is the one that listens.
    Advert(Advert),
    /// The lab did something.
    Did(String),
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// On which host, by its place in its network.
    pub host: usize,
    /// What.
    pub what: What,
}

/// Everything seen in one network so far. Clones are the same timeline.
#[derive(Debug, Clone, Default)]
pub struct Timeline(Arc<(Mutex<Vec<Seen>>, Condvar)>);

impl Timeline {
    /// Notes something that was seen at `at`.
    pub fn note(&self, at: Instant, host: usize, what: What) {
        let (seen, changed) = &*self.0;
        locked(seen).push(Seen { at, host, what });
        changed.notify_all();
    }

    /// Notes what the lab is about to do, and returns the time.
    pub fn did(&self, host: usize, what: impl Into<String>) -> Instant {
        let at = Instant::now();
        self.note(at, host, What::Did(what.into()));
        at
    }

    /// Waits until `enough` says so, which is asked whenever something new was noted.
    /// `false` if it did not within `limit`.
    pub fn wait(&self, limit: Duration, mut enough: impl FnMut(&[Seen]) -> bool) -> bool {
        let (seen, changed) = &*self.0;
        let seen = locked(seen);
        let (seen, _) = changed
            .wait_timeout_while(seen, limit, |seen| !enough(seen))
            .unwrap_or_else(PoisonError::into_inner);
        enough(&seen)
    }

    /// Everything so far, by time.
    #[must_use]
    pub fn all(&self) -> Vec<Seen> {
        let mut all = locked(&self.0.0).clone();
        all.sort_by_key(|seen| seen.at);
        all
    }

    /// Asks something of all that was seen, without a copy of it.
    pub fn ask<T>(&self, question: impl FnOnce(&[Seen]) -> T) -> T {
        question(&locked(&self.0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_what_it_waits_for_is_noted() {
        let timeline = Timeline::default();
        let other = timeline.clone();
        let noter = std::thread::spawn(move || other.did(1, "stop"));
        let seen = |all: &[Seen]| all.iter().any(|s| s.host == 1);
        assert!(timeline.wait(Duration::from_secs(10), seen));
        let at = noter.join().expect("no panic");
        assert_eq!(timeline.all(), [Seen { at, host: 1, what: What::Did("stop".to_owned()) }]);
        assert!(!timeline.wait(Duration::ZERO, |all| all.len() > 1));
    }
}
