//! What happens, drawn at random.

use std::fmt;
use std::time::Duration;

use super::config::Config;
use crate::interop::rng::Rng;

/// One thing the lab does to every network at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A check succeeds or fails from now on.
    Script {
        /// Which.
        index: usize,
        /// Whether it succeeds.
        good: bool,
    },
    /// A file gets a number.
    File {
        /// Which.
        index: usize,
        /// What it says.
        value: i32,
    },
    /// A cable is pulled or put back.
    Link {
        /// That of the second interface.
        second: bool,
        /// Put back.
        up: bool,
    },
    /// The peer sends adverts from now on.
    Speak {
        /// In which virtual router, by its place.
        instance: usize,
        /// With which priority.
        priority: u8,
    },
    /// The peer says good-bye and is silent.
    Farewell {
        /// In which virtual router.
        instance: usize,
    },
    /// The peer is silent.
    Silence {
        /// In which virtual router.
        instance: usize,
    },
    /// One advert that must not count.
    Stray {
        /// In which virtual router.
        instance: usize,
        /// What is wrong with it.
        fault: Stray,
    },
    /// SIGHUP and an unchanged file.
    Reload,
    /// SIGHUP and a changed file.
    Change {
        /// Which virtual router changes.
        instance: usize,
        /// What.
        change: Change,
    },
    /// Everything is made well, and all are given the time to become master.
    Settle,
}

/// What can be wrong with an advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are")]
pub enum Stray {
    Ttl,
    Checksum,
    Version,
    Password,
    Vrid,
    Short,
}

/// What can change in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are")]
pub enum Change {
    Priority(u8),
    Addresses(u8),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Script { index, good: true } => write!(f, "check s{index} succeeds"),
            Event::Script { index, good: false } => write!(f, "check s{index} fails"),
            Event::File { index, value } => write!(f, "file f{index} says {value}"),
            Event::Link { second, up } => {
                let (name, what) = (u8::from(*second), if *up { "put back" } else { "pulled" });
                write!(f, "the cable of eth{name} is {what}")
            }
            Event::Speak { instance, priority } => {
                write!(f, "the peer of #{instance} speaks with priority {priority}")
            }
            Event::Farewell { instance } => write!(f, "the peer of #{instance} says good-bye"),
            Event::Silence { instance } => write!(f, "the peer of #{instance} is silent"),
            Event::Stray { instance, fault } => write!(f, "a stray for #{instance}: {fault:?}"),
            Event::Reload => write!(f, "SIGHUP, unchanged"),
            Event::Change { instance, change } => write!(f, "SIGHUP, #{instance}: {change:?}"),
            Event::Settle => write!(f, "all is well"),
        }
    }
}

/// An event and how long after the one before it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Since the event before.
    pub gap: Duration,
    /// What.
    pub event: Event,
}

/// How many events between two settlements.
pub const SEGMENT: usize = 25;

/// Draws so many events, and settlements between them that are not counted.
pub fn draw(rng: &mut Rng, config: &Config, count: usize) -> Vec<Planned> {
    let mut state = State::new(config);
    let mut list = Vec::new();
    for index in 0..count {
        if index > 0 && index % SEGMENT == 0 {
            state = State::new(config);
            list.push(Planned { gap: Duration::from_millis(500), event: Event::Settle });
        }
        let event = state.next(rng, config);
        let millis = if rng.percent(15) { rng.between(20, 60) } else { rng.between(100, 450) };
        list.push(Planned { gap: Duration::from_millis(millis), event });
    }
    list.push(Planned { gap: Duration::from_millis(500), event: Event::Settle });
    list
}

/// What has happened so far, so that an event is one.
struct State {
    scripts: Vec<bool>,
    links: [bool; 2],
    speaks: Vec<bool>,
}

impl State {
    fn new(config: &Config) -> Self {
        Self {
            scripts: vec![true; config.scripts.len()],
            links: [true; 2],
            speaks: vec![false; config.instances.len()],
        }
    }

    fn next(&mut self, rng: &mut Rng, config: &Config) -> Event {
        let instance = rng.place(config.instances.len());
        match rng.place(100) {
            0..18 => {
                let index = rng.place(config.scripts.len());
                let good = self.scripts.get_mut(index);
                let good = good.is_some_and(|good| {
                    *good = !*good;
                    *good
                });
                Event::Script { index, good }
            }
            18..33 => {
                let index = rng.place(config.files);
                let value = [-2, -1, 0, 0, 0, 1, 2].get(rng.place(7)).copied().unwrap_or(0);
                Event::File { index, value }
            }
            33..41 => {
                let second = rng.percent(60);
                let [first, other] = &mut self.links;
                let up = if second { other } else { first };
                *up = !*up;
                Event::Link { second, up: *up }
            }
            41..72 => {
                if let Some(speaks) = self.speaks.get_mut(instance) {
                    *speaks = true;
                }
                let priority = u8::try_from(rng.between(1, 254)).unwrap_or(1);
                Event::Speak { instance, priority }
            }
            72..84 if self.speaks.get(instance) == Some(&true) => {
                self.speaks[instance] = false;
                if rng.percent(50) {
                    Event::Farewell { instance }
                } else {
                    Event::Silence { instance }
                }
            }
            84..91 => {
                let faults = [
                    Stray::Ttl,
                    Stray::Checksum,
                    Stray::Version,
                    Stray::Password,
                    Stray::Vrid,
                    Stray::Short,
                ];
                let fault = faults.get(rng.place(faults.len())).copied().unwrap_or(Stray::Ttl);
                Event::Stray { instance, fault }
            }
            91..95 => Event::Reload,
            95..98 => {
                let priority = u8::try_from(rng.between(60, 190)).unwrap_or(100);
                Event::Change { instance, change: Change::Priority(priority) }
            }
            98..100 => {
                let count = u8::try_from(rng.between(1, 2)).unwrap_or(1);
                Event::Change { instance, change: Change::Addresses(count) }
            }
            _ => self.next(rng, config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_story() {
        let story = |seed| {
            let mut rng = Rng::new(seed);
            let config = Config::draw(&mut rng);
            draw(&mut rng, &config, 200)
        };
        assert_eq!(story(1), story(1));
        assert_ne!(story(1), story(2));
        let events = story(1);
        let settled = events.iter().filter(|p| p.event == Event::Settle).count();
        assert_eq!((events.len() - settled, settled), (200, 200 / SEGMENT));
        assert_eq!(events.last().map(|p| &p.event), Some(&Event::Settle));
    }
}
