//! The switch between the machines and the client, and what the client believes of the address.
//!
//! A switch learns from the source of each frame which port a station is at, and sends what is for
//! that station there only. The client's kernel sends to the station it last learned of, whoever
//! has the address by now: a claim without an announcement leaves it with the old machine. Timers
//! are Linux' (net/core/neighbour.c). Not here: delays and losses ([`crate::network`]).

use crate::host::{HostId, PerHost};
use keepair_core::time::Time;
use std::time::Duration;

/// Which port each machine's cable is in, and where the switch believes it to be.
#[derive(Clone, Debug, Default)]
pub struct Switch {
    cables: PerHost<u32>,
    learned: PerHost<Option<u32>>,
}

impl Switch {
    /// A frame of this machine has come in.
    pub fn learn(&mut self, from: HostId) {
        self.learned[from] = Some(self.cables[from]);
    }

    /// A frame for this machine alone gets to it: sent to where it is, or everywhere.
    pub fn finds(&self, host: HostId) -> bool {
        self.learned[host].is_none_or(|port| port == self.cables[host])
    }

    /// Somebody moves the cable to another port.
    pub fn replug(&mut self, host: HostId) {
        self.cables[host] += 1;
    }
}

/// A request without an answer is sent again after this (`retrans_time_ms`).
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A doubtful entry is used for so long before its station is asked (`delay_first_probe_time`).
const DOUBT: Duration = Duration::from_secs(5);
/// And for so long while that does not answer (`ucast_solicit` times `retrans_time_ms`).
const PROBES: Duration = Duration::from_secs(3);

/// The client's ARP entry for the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Entry {
    #[default]
    None,
    /// Asked then, and not yet answered.
    Asking {
        since: Time,
    },
    Known {
        host: HostId,
        confirmed_at: Time,
        doubted_at: Option<Time>,
    },
}

/// What the client's kernel does with a packet for the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// Sends it to this machine.
    To(HostId),
    /// Asks who has the address; the packet is lost.
    Ask,
    /// Waits for the answer; the packet is lost.
    Wait,
}

/// The client's ARP cache.
#[derive(Clone, Debug)]
pub struct ArpCache {
    entry: Entry,
    /// An entry is sure for so long after it was confirmed (`base_reachable_time`, drawn).
    sure_for: Duration,
}

impl ArpCache {
    /// Nothing is known.
    pub fn new(sure_for: Duration) -> Self {
        ArpCache { entry: Entry::None, sure_for }
    }

    /// A packet for the address is to be sent; `answers` is what a station asked now would say.
    pub fn route(&mut self, now: Time, answers: impl Fn(HostId) -> bool) -> Route {
        match &mut self.entry {
            Entry::Known { host, confirmed_at, doubted_at } => {
                let host = *host;
                if now.since(*confirmed_at) <= self.sure_for {
                    return Route::To(host);
                }
                let doubted_for = now.since(*doubted_at.get_or_insert(now));
                if doubted_for >= DOUBT && answers(host) {
                    (*confirmed_at, *doubted_at) = (now, None);
                } else if doubted_for >= DOUBT + PROBES {
                    self.entry = Entry::Asking { since: now };
                    return Route::Ask;
                }
                Route::To(host)
            }
            Entry::Asking { since } if now.since(*since) < ASK_AGAIN => Route::Wait,
            Entry::None | Entry::Asking { .. } => {
                self.entry = Entry::Asking { since: now };
                Route::Ask
            }
        }
    }

    /// The machine says that it has the address: unasked, or as an answer. Of several answers the
    /// first counts.
    pub fn hear(&mut self, now: Time, host: HostId, unasked: bool) {
        if unasked || matches!(self.entry, Entry::Asking { .. }) {
            // Linux takes no new entry from an announcement.
            if self.entry != Entry::None {
                self.entry = Entry::Known { host, confirmed_at: now, doubted_at: None };
            }
        }
    }

    /// A connection to this machine makes progress.
    pub fn confirm(&mut self, now: Time, by: HostId) {
        if let Entry::Known { host, confirmed_at, doubted_at } = &mut self.entry
            && *host == by
        {
            (*confirmed_at, *doubted_at) = (now, None);
        }
    }

    /// Who it believes has the address.
    pub fn known(&self) -> Option<HostId> {
        match self.entry {
            Entry::Known { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The longest time for which it goes on sending to a machine that has gone.
    pub fn stale_max(&self) -> Duration {
        self.sure_for + DOUBT + PROBES + ASK_AGAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostId::{A, B};

    fn second(count: u64) -> Time {
        Time(count * 1_000_000)
    }

    fn knows(host: HostId) -> ArpCache {
        let mut cache = ArpCache::new(Duration::from_secs(30));
        assert_eq!(cache.route(second(0), |_| false), Route::Ask);
        cache.hear(second(0), host, false);
        cache
    }

    #[test]
    fn the_client_asks_once_a_second_and_believes_the_first_answer() {
        let mut cache = ArpCache::new(Duration::from_secs(30));
        cache.hear(second(0), B, true);
        assert_eq!(cache.known(), None, "an announcement makes no entry");
        assert_eq!(cache.route(second(0), |_| false), Route::Ask);
        assert_eq!(cache.route(Time(999_999), |_| false), Route::Wait);
        assert_eq!(cache.route(second(1), |_| false), Route::Ask);
        cache.hear(second(1), A, false);
        cache.hear(second(1), B, false);
        assert_eq!(cache.route(second(1), |_| false), Route::To(A));
    }

    #[test]
    fn an_announcement_moves_the_client_at_once() {
        let mut cache = knows(A);
        cache.hear(second(1), B, true);
        assert_eq!(cache.route(second(1), |_| false), Route::To(B));
    }

    #[test]
    fn without_one_it_stays_with_the_old_machine_until_that_does_not_answer_probes() {
        let mut cache = knows(A);
        for (at, route) in [(31, Route::To(A)), (38, Route::To(A)), (39, Route::Ask)] {
            assert_eq!(cache.route(second(at), |_| false), route, "at {at} s");
        }
        let mut cache = knows(A);
        cache.confirm(second(20), A);
        assert_eq!(cache.route(second(50), |_| false), Route::To(A));
        let mut cache = knows(A);
        for at in [31, 36, 60] {
            assert_eq!(cache.route(second(at), |_| true), Route::To(A), "it is there, at {at} s");
        }
    }

    #[test]
    fn a_switch_sends_to_the_old_port_until_the_machine_speaks() {
        let mut switch = Switch::default();
        assert!(switch.finds(A), "an unknown station is sent to everywhere");
        switch.learn(A);
        switch.replug(A);
        assert!(!switch.finds(A));
        switch.learn(A);
        assert!(switch.finds(A));
    }
}
