//! Plays one seed, and judges what came of it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::compare::{Comparison, Difference, adverts, compare, streams};
use super::config::{Config, OWN, PEER};
use super::event::{self, Change, Event, Stray};
use super::network::Network;
use super::speaker::{AFTER, Speaker};
use crate::interop::advert::{self, Advert};
use crate::interop::daemon::{Kind, Programs};
use crate::interop::rng::Rng;
use crate::interop::timeline::{Seen, What};

/// A check runs every second; a file that changes in the middle between two runs is seen by the same
/// run everywhere.
const CHECKS: Duration = Duration::from_secs(1);
/// Events keep away from a timer that is about to expire: who is first would be chance.
const AWAY: Duration = Duration::from_millis(40);
/// A priority that no configuration of the test reaches.
const HOLDS: u8 = 254;
/// Between two things that get well.
const ONE_BY_ONE: Duration = Duration::from_millis(100);
/// How long a settlement may take.
const SETTLED: Duration = Duration::from_secs(12);

/// How much of a log is shown.
const LOG_LINES: usize = 60;

/// What was done and when.
#[derive(Debug, Clone)]
pub struct Done {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}

/// A stretch of events between two settlements.
#[derive(Debug)]
pub struct Segment {
    /// When it began.
    pub from: Instant,
    /// When it ended.
    pub to: Instant,
    /// The two keepalived.
    pub noise: Comparison,
    /// keepalived and the program under test.
    pub ours: Comparison,
    /// How many adverts keepalived, its twin and the program under test sent.
    pub adverts: [usize; 3],
}

impl Segment {
    /// Where the program under test differs and the two keepalived do not.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        let chance = self.noise.differing();
        self.ours.differences.iter().filter(move |d| !chance.contains(d.stream.as_str()))
    }
}

/// What came of a seed.
#[derive(Debug)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// What it drew.
    pub config: Config,
    /// When it began.
    pub begun: Instant,
    /// When all had started, which was the first segment.
    pub started: Instant,
    /// Everything that was done.
    pub done: Vec<Done>,
    /// Segment by segment.
    pub segments: Vec<Segment>,
    /// The last lines the program under test wrote, if something differs.
    pub logs: Vec<String>,
}

/// Plays a seed.
///
/// # Errors
/// Where a network cannot be built or a daemon does not run.
pub fn play(seed: u64, events: usize, ours: Kind, dir: &Path, programs: &Programs) -> Result<Run> {
    let mut rng = Rng::new(seed);
    let config = Config::draw(&mut rng);
    let planned = event::draw(&mut rng, &config, events);
    let mut networks = Vec::new();
    for (index, kind) in [Kind::Keepalived, Kind::Keepalived, ours].into_iter().enumerate() {
        networks.push(Network::new(
            kind,
            &config,
            &dir.join(format!("network-{index}")),
            programs,
        )?);
    }
    let mouths = networks.iter().map(Network::mouth).collect::<Result<_>>()?;
    let begun = Instant::now();
    let mut stage = Stage {
        config,
        networks,
        speaker: Speaker::new(mouths)?,
        checked: begun,
        done: Vec::new(),
    };
    for network in &stage.networks {
        network.machine.start()?;
    }
    stage.checks_begin();
    stage.settle()?;
    let started = Instant::now();
    let mut ends = vec![(begun, started)];
    let mut from = started;
    for planned in &planned {
        thread::sleep(planned.gap);
        stage.happen(&planned.event)?;
        if planned.event == Event::Settle {
            let to = Instant::now();
            ends.push((from, to));
            from = to;
        }
    }
    let mut all = Vec::new();
    for network in &mut stage.networks {
        network.finish()?;
        all.push(network.timeline.all());
    }
    let [first, twin, ours] = all.as_slice() else { bail!("three networks") };
    let segments: Vec<Segment> = ends
        .into_iter()
        .map(|(from, to)| {
            let adverts = [first, twin, ours].map(|seen| adverts(seen, from, to));
            let reloads = reloads(&stage.done);
            let of = |seen: &Vec<Seen>| streams(seen, from, to, &reloads);
            let [first, twin, ours] = [of(first), of(twin), of(ours)];
            let (noise, ours) = (compare(&first, &twin), compare(&first, &ours));
            Segment { from, to, noise, ours, adverts }
        })
        .collect();
    let differs = segments.iter().any(|s| s.differences().next().is_some());
    let logs = stage.networks.last().filter(|_| differs).map(|n| n.machine.log(LOG_LINES));
    let logs = logs.unwrap_or_default();
    Ok(Run { seed, config: stage.config, begun, started, done: stage.done, segments, logs })
}

/// When files were read anew.
fn reloads(done: &[Done]) -> Vec<Instant> {
    let is_one = |d: &&Done| matches!(d.event, Event::Reload | Event::Change { .. });
    done.iter().filter(is_one).map(|d| d.at).collect()
}

struct Stage {
    config: Config,
    networks: Vec<Network>,
    speaker: Speaker,
    /// When the checks last began to run anew: at the start, and at every reload.
    checked: Instant,
    done: Vec<Done>,
}

impl Stage {
    fn happen(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Script { .. } => {
                self.hold_still(true)?;
                self.between_checks();
            }
            Event::File { .. } | Event::Link { second: true, .. } => self.hold_still(true)?,
            Event::Reload | Event::Change { .. } => self.hold_still(false)?,
            _ => {}
        }
        self.keep_away();
        self.done.push(Done { at: Instant::now(), event: event.clone() });
        match event {
            Event::Speak { instance, priority } => {
                let advert = self.advert(*instance, *priority)?;
                self.speaker.begin(*instance, advert);
            }
            Event::Farewell { instance } => {
                self.speaker.end(*instance);
                let advert = self.advert(*instance, 0)?;
                self.speaker.once(advert.destination, &advert::write(&advert));
            }
            Event::Silence { instance } => self.speaker.end(*instance),
            Event::Stray { instance, fault } => {
                let (to, packet) = self.stray(*instance, *fault)?;
                self.speaker.once(to, &packet);
            }
            Event::Change { instance, change } => {
                let changed =
                    self.config.instances.get_mut(*instance).context("a known instance")?;
                match change {
                    Change::Priority(priority) => changed.priority = *priority,
                    Change::Addresses(count) => changed.addresses = *count,
                }
                // What the peer says it owns is what we own, or its adverts would not count.
                let addresses = changed.addresses();
                self.speaker.change(*instance, |advert| advert.addresses = addresses);
                self.everywhere(event)?;
                self.checks_begin();
            }
            Event::Reload => {
                self.everywhere(event)?;
                self.checks_begin();
            }
            Event::Settle => self.settle()?,
            Event::Script { .. } | Event::File { .. } | Event::Link { .. } => {
                self.everywhere(event)?;
            }
        }
        Ok(())
    }

    fn checks_begin(&mut self) {
        self.checked = Instant::now();
        self.speaker.checked(self.checked);
    }

    /// Whoever waits for an advert hears one, and goes on hearing them: before a reload, at which
    /// keepalived begins its timer anew and keepair does not; and before a priority changes while
    /// adverts of a lower one come in, which makes keepalived 2.2.7 wait for longer
    /// (docs/conformance/differential.md).
    fn hold_still(&mut self, only_lower: bool) -> Result<()> {
        let mut longest = Duration::ZERO;
        for instance in 0..self.config.instances.len() {
            let Some(of) = self.config.instances.get(instance) else { continue };
            let waits = |n: &Network| {
                n.timeline.ask(|seen| {
                    told(seen, &of.name()).is_some_and(|(state, priority, _)| {
                        let lower =
                            || self.speaker.priority(instance).is_some_and(|p| p < priority);
                        state == "BACKUP" && (!only_lower || lower())
                    })
                })
            };
            if self.networks.iter().any(waits) {
                longest = longest.max(of.interval);
                self.happen(&Event::Speak { instance, priority: HOLDS })?;
            }
        }
        thread::sleep(longest / 2);
        Ok(())
    }

    fn everywhere(&self, event: &Event) -> Result<()> {
        self.networks.iter().try_for_each(|network| network.apply(event, &self.config))
    }

    /// All is well, and everybody becomes master.
    fn settle(&self) -> Result<()> {
        for instance in 0..self.config.instances.len() {
            self.speaker.end(instance);
        }
        self.between_checks();
        for index in 0..self.config.scripts.len() {
            self.everywhere(&Event::Script { index, good: true })?;
        }
        for index in 0..self.config.files {
            self.everywhere(&Event::File { index, value: 0 })?;
        }
        // One after the other: what is told first when two things get well at once is chance.
        for second in [true, false] {
            thread::sleep(ONE_BY_ONE);
            self.everywhere(&Event::Link { second, up: true })?;
        }
        let until = Instant::now() + SETTLED;
        for network in &self.networks {
            let left = until.saturating_duration_since(Instant::now());
            network.timeline.wait(left, |seen| {
                self.config
                    .instances
                    .iter()
                    .all(|i| told(seen, &i.name()).is_some_and(|(state, _, _)| state == "MASTER"))
            });
        }
        // Priorities go on rising for a while; a segment ends where no check is about to tell.
        thread::sleep(Duration::from_millis(300));
        self.between_checks();
        Ok(())
    }

    /// Waits until the middle between two runs of the checks.
    fn between_checks(&self) {
        let period = CHECKS.as_micros();
        let phase = self.checked.elapsed().as_micros() % period;
        let wait = if phase < 350_000 {
            350_000 - phase
        } else if phase > 650_000 {
            period + 350_000 - phase
        } else {
            0
        };
        thread::sleep(Duration::from_micros(u64::try_from(wait).unwrap_or(0)));
    }

    /// Waits while a timer is about to expire in the first network.
    fn keep_away(&self) {
        for _ in 0..20 {
            let now = Instant::now();
            let near = |at: Instant| at.max(now) - at.min(now) < AWAY;
            let timers = self.networks.first().map(|n| n.timeline.ask(|seen| self.timers(seen)));
            let into = Duration::from_nanos(u64::from(self.checked.elapsed().subsec_nanos()));
            let checks = into < AFTER || into + AWAY > CHECKS;
            if !checks && !timers.into_iter().flatten().chain(self.speaker.next()).any(near) {
                return;
            }
            thread::sleep(AWAY);
        }
    }

    /// When the timers of those in BACKUP may expire, and when masters speak next.
    fn timers(&self, seen: &[Seen]) -> Vec<Instant> {
        let mut timers = Vec::new();
        for instance in &self.config.instances {
            let Some((state, priority, at)) = told(seen, &instance.name()) else { continue };
            let heard = seen.iter().rev().find(|s| match &s.what {
                What::Advert(a) => {
                    a.vrid == instance.vrid
                        && a.source == instance.address(PEER)
                        && a.source.is_ipv6() == instance.v6
                }
                _ => false,
            });
            if state == "BACKUP" {
                timers.push(at + instance.down(priority));
                timers.extend(heard.map(|s| s.at + instance.down(priority)));
                timers.extend(heard.map(|s| s.at + instance.skew(priority)));
            }
        }
        timers
    }

    fn advert(&self, instance: usize, priority: u8) -> Result<Advert> {
        let instance = self.config.instances.get(instance).context("a known instance")?;
        let group = if instance.v6 { advert::GROUP_V6.into() } else { advert::GROUP_V4.into() };
        Ok(Advert {
            source: instance.address(PEER),
            destination: if instance.unicast { instance.address(OWN) } else { group },
            ttl: 255,
            version: instance.version,
            vrid: instance.vrid,
            priority,
            interval: instance.interval,
            password: instance.password.then_some(*b"1111\0\0\0\0"),
            addresses: instance.addresses(),
        })
    }

    fn stray(&self, instance: usize, fault: Stray) -> Result<(std::net::IpAddr, Vec<u8>)> {
        let mut advert = self.advert(instance, 254)?;
        match fault {
            // Unicast adverts may have any TTL: there it is a wrong number of the virtual router.
            Stray::Ttl if advert.destination != self.own(instance) => advert.ttl = 254,
            Stray::Version if advert.version == 3 && advert.source.is_ipv4() => {
                advert.version = 2;
                advert.interval = Duration::from_secs(1);
            }
            Stray::Version if advert.version == 2 => advert.version = 3,
            Stray::Password if advert.password.is_some() => {
                advert.password = Some(*b"2222\0\0\0\0");
            }
            Stray::Checksum | Stray::Short => {}
            Stray::Ttl | Stray::Version | Stray::Password | Stray::Vrid => advert.vrid = 99,
        }
        let to = advert.destination;
        let mut packet = advert::write(&advert);
        let head = if advert.source.is_ipv4() { 20 } else { 40 };
        match fault {
            Stray::Checksum => {
                if let Some(byte) = packet.get_mut(head + 6) {
                    *byte ^= 0x5a;
                }
            }
            Stray::Short => {
                packet.truncate(head + 6);
                let [high, low] = u16::try_from(packet.len() - head).unwrap_or(0).to_be_bytes();
                if advert.source.is_ipv4() {
                    // The kernel computes the checksum of the header of a raw packet itself.
                    let [_, low] = u16::try_from(packet.len()).unwrap_or(0).to_be_bytes();
                    packet[3] = low;
                } else {
                    (packet[4], packet[5]) = (high, low);
                }
            }
            _ => {}
        }
        Ok((to, packet))
    }

    fn own(&self, instance: usize) -> std::net::IpAddr {
        let unspecified = std::net::IpAddr::from([0; 4]);
        self.config.instances.get(instance).map_or(unspecified, |i| i.address(OWN))
    }
}

/// The last state told of an instance, its priority then, and when.
fn told(seen: &[Seen], name: &str) -> Option<(String, u8, Instant)> {
    let mut priority = None;
    for s in seen.iter().rev() {
        let What::Told(notice) = &s.what else { continue };
        if notice.kind != "INSTANCE" || notice.name != name {
            continue;
        }
        priority = priority.or(Some(notice.priority));
        if matches!(notice.state.as_str(), "MASTER" | "BACKUP" | "FAULT" | "STOP") {
            return priority.map(|p| (notice.state.clone(), p, s.at));
        }
    }
    None
}
