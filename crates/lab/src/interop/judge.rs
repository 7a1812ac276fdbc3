//! Looks through what was seen. Everything here is a function of a timeline.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::advert::Advert;
use super::play::{EARLY, NUMBERS};
use super::router::Instance;
use super::timeline::{Seen, What};

/// From which moment on a takeover is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The start of the daemon that takes over.
    Start,
    /// The other's farewell, an advert of priority 0: it waits no longer than its skew.
    Farewell,
    /// The other's last advert that counted.
    Silence,
    /// The same, but it is one's own priority that has risen since.
    Raise,
    /// The end of a fault, as one's own notice tells of it.
    Recovery,
}

/// The longest time both held one address and neither was a corpse.
pub fn overlap(seen: &[Seen], addresses: &BTreeSet<IpAddr>) -> Duration {
    let mut longest = Duration::ZERO;
    for address in addresses {
        let mut holders: [Option<Instant>; 2] = [None; 2];
        let mut dead = [false; 2];
        for Seen { at, host, what } in seen {
            let Some(holder) = holders.get_mut(*host) else { continue };
            let (at, host) = (*at, *host);
            match what {
                What::Gained(a) if a == address => *holder = Some(at),
                What::Did(did) if did.starts_with("kill") => dead[host] = true,
                What::Lost(a) if a == address => {
                    let own = holder.take();
                    // A corpse is one until its successor has taken away what it left.
                    let was_dead = std::mem::take(&mut dead[host]);
                    if let (Some(own), Some(other)) = (own, holders[1 - host])
                        && !dead[1 - host]
                        && !was_dead
                    {
                        longest = longest.max(at - own.max(other));
                    }
                }
                _ => {}
            }
        }
    }
    longest
}

/// Whether an advert comes from the machine of this number, or from FRR's macvlan there.
#[must_use]
pub fn is_from(advert: &Advert, number: u8) -> bool {
    match advert.source {
        IpAddr::V4(source) => source.octets()[3] == number,
        IpAddr::V6(source) => {
            let last = source.segments()[7];
            let own = u16::from_str_radix(&number.to_string(), 16);
            let macvlan = u16::from_str_radix(&format!("2{number:02}"), 16);
            Ok(last) == own || Ok(last) == macvlan
        }
    }
}

/// What a master tells that hears a worse one.
pub const RX_LOWER: &str = "MASTER_RX_LOWER_PRI";
/// An advert is told of by then.
const TOLD_WITHIN: Duration = Duration::from_millis(100);

/// A machine that takes over and one that does not know of it yet may speak at the same moment. Each
/// [`RX_LOWER`] must follow such an advert of the other, and there must be one advert for each.
///
/// # Errors
/// Tells which was told without reason.
pub fn crossed(seen: &[Seen], who: usize, instances: &[Instance]) -> Result<(), String> {
    let Some(&other) = NUMBERS.get(1 - who) else { return Ok(()) };
    let mut used = BTreeSet::new();
    for Seen { at, host, what } in seen {
        let What::Told(notice) = what else { continue };
        if *host != who || notice.state != RX_LOWER {
            continue;
        }
        let instance = instances.iter().find(|i| i.name == notice.name);
        let cause = seen.iter().enumerate().position(|(index, s)| {
            // Two threads note the two, either of them first.
            let apart = (*at).max(s.at) - (*at).min(s.at);
            let is_it = |a: &Advert| {
                a.priority < notice.priority
                    && is_from(a, other)
                    && instance.is_some_and(|i| i.vrid == a.vrid && i.is_v6() == a.source.is_ipv6())
            };
            apart <= TOLD_WITHIN
                && matches!(&s.what, What::Advert(a) if is_it(a))
                && !used.contains(&index)
        });
        match cause {
            Some(index) => used.insert(index),
            None => return Err(format!("{notice} without a worse advert")),
        };
    }
    Ok(())
}

/// In what an advert is not as configured.
#[must_use]
pub fn unlike(advert: &Advert, instance: &Instance) -> Option<String> {
    let mut password = [0; 8];
    for (place, byte) in password.iter_mut().zip(instance.password.unwrap_or_default().bytes()) {
        *place = byte;
    }
    let password = instance.password.map(|_| password);
    let destination = instance.unicast.map_or(instance.group(), |(_, peer)| peer);
    let mut named = advert.addresses.clone();
    let mut wanted = instance.addresses.clone();
    named.sort();
    wanted.sort();
    let differs = [
        ("version", advert.version != instance.version),
        ("interval", advert.interval != instance.interval),
        ("TTL", advert.ttl != 255),
        ("password", advert.password != password),
        ("destination", advert.destination != destination),
        ("addresses", named != wanted),
    ];
    let what: Vec<&str> = differs.iter().filter(|(_, yes)| *yes).map(|(what, _)| *what).collect();
    (!what.is_empty()).then(|| format!("{} of {advert:?}", what.join(", ")))
}

/// Whether a host holds an address after all of this.
#[must_use]
pub fn holds(seen: &[Seen], host: usize, address: IpAddr) -> bool {
    seen.iter()
        .rev()
        .find(|s| {
            let (gained, lost) = (What::Gained(address), What::Lost(address));
            s.host == host && (s.what == gained || s.what == lost)
        })
        .is_some_and(|s| matches!(s.what, What::Gained(_)))
}

/// When the last of some was seen.
#[must_use]
pub fn last(seen: &[Seen], mut which: impl FnMut(&Seen) -> bool) -> Option<Instant> {
    seen.iter().rev().find(|s| which(s)).map(|s| s.at)
}

/// A takeover as it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takeover {
    /// Until the new master's first advert; until FRR switched its macvlan on, which often is before
    /// the macvlan can carry the first advert.
    pub took: Duration,
    /// What the standard computes.
    pub computed: Duration,
    /// When it happened.
    pub at: Instant,
}

/// Finds the last takeover of an instance by `who` among what was seen (sorted by time).
#[must_use]
pub fn measure(
    seen: &[Seen],
    who: usize,
    (instance, priority): (&Instance, u8),
    after: After,
    switched: Option<Instant>,
) -> Option<Takeover> {
    let (own, other) = (*NUMBERS.get(who)?, *NUMBERS.get(1 - who)?);
    let adverts: Vec<(Instant, &Advert)> = seen
        .iter()
        .filter_map(|s| match &s.what {
            What::Advert(a) if a.vrid == instance.vrid => Some((s.at, a)),
            _ => None,
        })
        .filter(|(_, a)| a.source.is_ipv6() == instance.is_v6())
        .collect();
    // Its adverts since it was started, or since it last let go.
    let started = last(seen, |s| {
        s.host == who && matches!(&s.what, What::Did(did) if did.starts_with("start"))
    })?;
    let lost = |a: &IpAddr| last(seen, |s| s.host == who && s.what == What::Lost(*a));
    let since = instance.addresses.iter().filter_map(lost).fold(started, Instant::max);
    let first = adverts
        .iter()
        .find(|(at, a)| *at > since && a.priority != 0 && is_from(a, own))
        .map(|(at, _)| *at);
    let first = switched.or(first)?;
    let before = |wanted: &dyn Fn(&Advert) -> bool| {
        adverts.iter().rev().find(|(at, a)| *at < first && is_from(a, other) && wanted(a))
    };
    let counts = |a: &Advert| instance.nopreempt || a.priority >= priority;
    let (from, computed) = match after {
        After::Start => (started, instance.down(priority)),
        After::Farewell => (before(&|a| a.priority == 0)?.0, instance.skew(priority)),
        After::Silence => (before(&|a| a.priority != 0 && counts(a))?.0, instance.down(priority)),
        After::Raise => {
            // When it rose nobody tells, but the timer began with one of the other's adverts.
            let begun = first.checked_sub(instance.down(priority))? + EARLY;
            let raised = last(seen, |s| s.host == who && s.what == What::Did("good".to_owned()))?;
            let heard = adverts.iter().rev().find(|(at, a)| *at < begun && is_from(a, other))?.0;
            let fresh = heard >= raised.checked_sub(instance.interval)?;
            fresh.then(|| (heard, instance.down(priority)))?
        }
        After::Recovery => {
            let recovered = |s: &Seen| match &s.what {
                What::Told(n) => s.host == who && n.name == instance.name && n.state == "BACKUP",
                _ => false,
            };
            (last(seen, recovered)?, instance.down(priority))
        }
    };
    Some(Takeover { took: first.saturating_duration_since(from), computed, at: first })
}

/// What was seen, one line each; adverts only where they change.
#[must_use]
pub fn told(seen: &[Seen], begun: Instant) -> Vec<String> {
    let mut lines = Vec::new();
    let mut said: BTreeMap<(IpAddr, u8), u8> = BTreeMap::new();
    for Seen { at, host, what } in seen {
        let text = match what {
            What::Advert(a) => {
                if said.insert((a.source, a.vrid), a.priority) == Some(a.priority) {
                    continue;
                }
                format!("advert of {} for {}: priority {}", a.source, a.vrid, a.priority)
            }
            What::Gained(address) => format!("host {host} gained {address}"),
            What::Lost(address) => format!("host {host} lost {address}"),
            What::Told(notice) => format!("host {host} told {notice}"),
            What::Did(did) => format!("host {host}: {did}"),
        };
        let at = at.saturating_duration_since(begun).as_secs_f64();
        lines.push(format!("{at:9.3}  {text}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::advert::GROUP_V4;
    use super::super::fifo::Notice;
    use super::*;

    const V4: [u8; 4] = [172, 18, 0, 10];

    fn instance() -> Instance {
        Instance {
            name: "VI_1",
            vrid: 51,
            version: 3,
            priority: 100,
            wants_master: false,
            nopreempt: false,
            interval: Duration::from_millis(200),
            password: None,
            unicast: None,
            addresses: vec![V4.into()],
        }
    }

    fn advert(number: u8, priority: u8) -> What {
        What::Advert(Advert {
            source: [172, 18, 0, number].into(),
            destination: GROUP_V4.into(),
            ttl: 255,
            version: 3,
            vrid: 51,
            priority,
            interval: Duration::from_millis(200),
            password: None,
            addresses: vec![V4.into()],
        })
    }

    fn seen(begun: Instant, list: &[(u64, usize, What)]) -> Vec<Seen> {
        list.iter()
            .map(|(ms, host, what)| {
                let at = begun + Duration::from_millis(*ms);
                Seen { at, host: *host, what: what.clone() }
            })
            .collect()
    }

    fn did(what: &str) -> What {
        What::Did(what.to_owned())
    }

    fn took(seen: &[Seen], after: After) -> Option<(u128, u128)> {
        let takeover = measure(seen, 1, (&instance(), 100), after, None)?;
        Some((takeover.took.as_millis(), takeover.computed.as_millis()))
    }

    #[test]
    fn a_takeover_is_counted_from_what_started_the_timer() {
        let begun = Instant::now();
        let silence = seen(
            begun,
            &[
                (0, 1, did("start")),
                (100, 2, advert(4, 150)),
                (300, 2, advert(4, 150)),
                (400, 2, advert(4, 90)), // worse than ours: does not count
                (1_020, 2, advert(5, 100)),
                (1_220, 2, advert(5, 100)),
            ],
        );
        assert_eq!(took(&silence, After::Silence), Some((720, 721)));
        assert_eq!(took(&silence, After::Start), Some((1_020, 721)));
        assert_eq!(took(&silence, After::Farewell), None, "nobody said good-bye");
        let farewell = seen(
            begun,
            &[
                (0, 1, did("start")),
                (500, 2, advert(5, 100)), // a time as master before
                (510, 1, What::Lost(V4.into())),
                (900, 2, advert(4, 150)),
                (1_000, 2, advert(4, 0)),
                (1_122, 2, advert(5, 100)),
            ],
        );
        assert_eq!(took(&farewell, After::Farewell), Some((122, 121)));
    }

    #[test]
    fn a_corpse_may_hold_what_a_living_one_may_not() {
        let (gained, lost) = (What::Gained(V4.into()), What::Lost(V4.into()));
        let begun = Instant::now();
        let all = BTreeSet::from([V4.into()]);
        let both = [(0, 0, gained.clone()), (40, 1, gained.clone()), (50, 0, lost.clone())];
        assert_eq!(overlap(&seen(begun, &both), &all), Duration::from_millis(10));
        let crash = [
            (0, 0, gained.clone()),
            (10, 0, did("kill -9 keepair")),
            (700, 1, gained.clone()),
            (900, 0, did("start keepair")),
            (950, 0, lost.clone()),
            (960, 0, gained),
            (965, 1, lost),
        ];
        assert_eq!(overlap(&seen(begun, &crash), &all), Duration::from_millis(5));
    }

    #[test]
    fn a_worse_advert_is_told_of_once_and_only_if_there_was_one() {
        let begun = Instant::now();
        let told = || {
            What::Told(Notice {
                kind: "INSTANCE".to_owned(),
                name: "VI_1".to_owned(),
                state: RX_LOWER.to_owned(),
                priority: 150,
            })
        };
        let judge = |list: &[(u64, usize, What)]| crossed(&seen(begun, list), 0, &[instance()]);
        assert_eq!(judge(&[]), Ok(()));
        assert_eq!(judge(&[(10, 2, advert(5, 100)), (12, 0, told())]), Ok(()));
        let wrong = [
            vec![(12, 0, told())],
            vec![(10, 2, advert(5, 100)), (12, 0, told()), (13, 0, told())],
            vec![(10, 2, advert(5, 200)), (12, 0, told())], // it was better
            vec![(10, 2, advert(4, 100)), (12, 0, told())], // it was our own
            vec![(10, 2, advert(5, 100)), (212, 0, told())],
        ];
        for list in wrong {
            assert!(judge(&list).is_err(), "{list:?}");
        }
    }

    #[test]
    fn an_advert_that_differs_says_in_what() {
        let What::Advert(good) = advert(5, 100) else { return };
        assert_eq!(unlike(&good, &instance()), None);
        let bad = Advert { ttl: 1, version: 2, ..good };
        let what = unlike(&bad, &instance()).unwrap_or_default();
        assert!(what.starts_with("version, TTL of"), "{what}");
    }
}
