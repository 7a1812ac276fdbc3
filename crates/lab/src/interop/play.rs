//! Two machines play a row of the table: what is done to them, and what must follow.
//!
//! A play keeps its own account of what ought to happen. At the end it is compared with all that was
//! seen, so that one change too many is as wrong as one that is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::daemon::{Kind, Machine, Programs};
use super::hub::Hub;
use super::judge::{
    After, RX_LOWER, Takeover, crossed, holds, is_from, last, measure, overlap, told, unlike,
};
use super::pcap::Capture;
use super::router::{Instance, Plan};
use super::timeline::{Seen, Timeline, What};
use crate::namespace::Namespace;

/// The machine with the higher priority.
pub const FIRST: usize = 0;
/// The other.
pub const SECOND: usize = 1;
/// Their places on the hub, which are the last numbers of their addresses.
pub const NUMBERS: [u8; 2] = [4, 5];
const LISTENER: u8 = 100;

/// What a timer may be late by on a busy machine, and early by what a frame is late.
const LATE: Duration = Duration::from_millis(150);
pub(super) const EARLY: Duration = Duration::from_millis(15);
/// A daemon reads its configuration and finds its interfaces before its timer runs.
const START_UP: Duration = Duration::from_millis(600);
/// By this much the better machine is started first.
const HEAD_START: Duration = Duration::from_millis(200);
/// Adding an address takes this long at most after the first advert.
const ADDRESS: Duration = Duration::from_millis(100);
/// Two machines hold an address together for no longer when it is handed over.
const OVERLAP: Duration = Duration::from_millis(100);

/// Something that must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: String,
    /// What is wrong with it, if anything is.
    pub wrong: Option<String>,
}

/// What came of a play.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything that had to be so.
    pub checks: Vec<Check>,
    /// Every takeover, in order.
    pub takeovers: Vec<Takeover>,
    /// The longest time both machines held an address.
    pub overlap: Duration,
    /// Everything that was on the wire.
    pub capture: PathBuf,
    /// How many adverts the lab itself has read there.
    pub adverts: usize,
    /// What was seen and logged, for those who look for the cause.
    pub story: Vec<String>,
}

/// A play under way.
#[derive(Debug)]
pub struct Play {
    /// The machines.
    pub machines: [Machine; 2],
    /// Their configurations.
    pub plans: [Plan; 2],
    /// The hub they hang off.
    pub hub: Hub,
    /// How late a takeover may be.
    pub late: Duration,
    timeline: Timeline,
    capture: Option<Capture>,
    _listener: Namespace,
    outcome: Outcome,
    /// By machine: what it holds, as far as has been foretold.
    held: [BTreeSet<IpAddr>; 2],
    changes: BTreeMap<(usize, IpAddr), Vec<bool>>,
    told: [Vec<String>; 2],
    /// By machine and instance: the priority at the moment.
    priorities: [Vec<u8>; 2],
    /// A daemon that was killed leaves its addresses behind.
    corpse: [bool; 2],
    begun: Instant,
}

impl Play {
    /// Builds the network and the machines; starts nothing.
    ///
    /// # Errors
    /// Where the kernel or a program refuses.
    pub fn new(
        kinds: [Kind; 2],
        plans: [Plan; 2],
        dir: &Path,
        programs: &Programs,
    ) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let timeline = Timeline::default();
        let hub = Hub::new(&programs.ip)?;
        let listener = Namespace::new("listener")?;
        hub.plug(&listener, LISTENER)?;
        let file = dir.join("adverts.pcap");
        let capture = Capture::new(&listener, plans.len(), &file, timeline.clone())?;
        let machine = |place: usize| -> Result<Machine> {
            let (Some(&number), Some(&kind), Some(plan)) =
                (NUMBERS.get(place), kinds.get(place), plans.get(place))
            else {
                bail!("two machines play")
            };
            let dir = dir.join(format!("host-{number}"));
            Machine::new((place, number, kind), plan, &hub, &dir, programs, &timeline)
        };
        let machines = [machine(FIRST)?, machine(SECOND)?];
        for machine in &machines {
            fs::write(machine.dir.join("good"), "")?;
        }
        let priorities =
            [FIRST, SECOND].map(|p| plans[p].instances.iter().map(|i| i.priority).collect());
        Ok(Self {
            machines,
            plans,
            hub,
            late: LATE,
            timeline,
            capture: Some(capture),
            _listener: listener,
            outcome: Outcome::default(),
            held: Default::default(),
            changes: BTreeMap::new(),
            told: Default::default(),
            priorities,
            corpse: [false; 2],
            begun: Instant::now(),
        })
    }

    /// Starts a daemon.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&mut self, who: usize) -> Result<()> {
        self.machines[who].start()?;
        // What one that was killed left behind is taken away before anything else.
        self.corpse[who] = false;
        self.loses_all(who);
        self.tells(who, "BACKUP");
        Ok(())
    }

    /// Starts both, the better one so much earlier that the other has no chance.
    ///
    /// # Errors
    /// Where one cannot be started.
    pub fn start_both(&mut self) -> Result<()> {
        self.start(FIRST)?;
        thread::sleep(HEAD_START);
        self.start(SECOND)
    }

    /// Ends a daemon as systemd would.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn stop(&mut self, who: usize) -> Result<()> {
        self.machines[who].stop()?;
        self.loses_all(who);
        self.tells(who, "STOP");
        Ok(())
    }

    /// Kills a daemon. Its addresses stay behind.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn crash(&mut self, who: usize) -> Result<()> {
        self.machines[who].crash()?;
        self.corpse[who] = true;
        Ok(())
    }

    /// Makes a machine's check fail or succeed.
    ///
    /// # Errors
    /// Where the file it looks for cannot be changed.
    pub fn good(&mut self, who: usize, good: bool) -> Result<()> {
        self.machines[who].good(good)?;
        let weight = self.plans[who].script.context("a row with a check")?.weight;
        for (instance, priority) in self.plans[who].instances.iter().zip(&mut self.priorities[who])
        {
            let penalty = if good { 0 } else { weight };
            *priority = instance.priority.saturating_add_signed(i8::try_from(penalty)?);
        }
        if weight == 0 && !good {
            self.loses_all(who);
            self.tells(who, "FAULT");
        } else if weight == 0 {
            self.tells(who, "BACKUP");
        }
        Ok(())
    }

    /// `who` must become master, in time, and the other must let go.
    ///
    /// # Errors
    /// If it does not become master at all: what would follow makes no sense then.
    pub fn takes(&mut self, who: usize, after: After) -> Result<()> {
        let other = 1 - who;
        let plan = self.plans[who].clone();
        let wanted: BTreeSet<IpAddr> =
            plan.instances.iter().flat_map(|i| self.noted(who, i)).collect();
        let slowest = plan.instances.iter().map(|i| i.down(i.priority)).max().unwrap_or_default();
        let limit = slowest * 2 + Duration::from_secs(3);
        let all_there = |seen: &[Seen]| {
            wanted.iter().all(|address| holds(seen, who, *address))
                && (self.corpse[other] || !wanted.iter().any(|a| holds(seen, other, *a)))
        };
        if !self.timeline.wait(limit, all_there) {
            bail!("{} did not become master within {limit:?}", self.name(who));
        }
        // Both let go and take in milliseconds; what is told of it comes right after.
        thread::sleep(Duration::from_millis(100));
        for (index, instance) in plan.instances.iter().enumerate() {
            let priority = self.priorities[who][index];
            self.measure(who, instance, priority, after);
        }
        for address in wanted {
            self.changes.entry((who, address)).or_default().push(true);
            self.held[who].insert(address);
        }
        if !self.held[other].is_empty() && !self.corpse[other] {
            self.loses_all(other);
            self.tells(other, "BACKUP");
        }
        self.tells(who, "MASTER");
        Ok(())
    }

    /// Nothing must change for a while.
    pub fn quiet(&mut self, length: Duration) {
        thread::sleep(length); // what happens meanwhile is found at the end
    }

    /// What FRR's macvlan is switched on for: its first address stands for all.
    fn noted(&self, who: usize, instance: &Instance) -> Vec<IpAddr> {
        let count = if self.machines[who].kind == Kind::Frr { 1 } else { instance.addresses.len() };
        instance.addresses.iter().take(count).copied().collect()
    }

    fn loses_all(&mut self, who: usize) {
        for address in std::mem::take(&mut self.held[who]) {
            self.changes.entry((who, address)).or_default().push(false);
        }
    }

    fn tells(&mut self, who: usize, state: &str) {
        if !self.machines[who].tells() {
            return;
        }
        for instance in &self.plans[who].instances {
            self.told[who].push(format!("INSTANCE {} {state}", instance.name));
        }
        if self.plans[who].group {
            self.told[who].push(format!("GROUP G {state}"));
        }
    }

    fn name(&self, who: usize) -> String {
        let place = if who == FIRST { "first" } else { "second" };
        format!("{place} ({})", self.machines[who].kind)
    }

    fn check(&mut self, what: String, wrong: Option<String>) {
        self.outcome.checks.push(Check { what, wrong });
    }

    /// The last takeover of an instance by `who`: when it ought to have happened, and when it did.
    fn measure(&mut self, who: usize, instance: &Instance, priority: u8, after: After) {
        let what = format!("{} takes {} over in time", self.name(who), instance.name);
        let seen = self.timeline.all();
        let frr = self.machines[who].kind == Kind::Frr;
        let gained = |address| last(&seen, |s| s.host == who && s.what == What::Gained(address));
        let switched = instance.addresses.first().and_then(|a| gained(*a)).filter(|_| frr);
        let Some(takeover) = measure(&seen, who, (instance, priority), after, switched) else {
            self.check(what, Some(format!("no advert to count from, {after:?}")));
            return;
        };
        let Takeover { took, computed, at } = takeover;
        let start_up = if after == After::Start { START_UP } else { Duration::ZERO };
        let latest = computed + self.late + start_up;
        let wrong = if took + EARLY < computed {
            Some(format!("after {took:?}, {computed:?} at the earliest"))
        } else if took > latest {
            Some(format!("after {took:?}, {latest:?} at the latest"))
        } else {
            None
        };
        self.check(what, wrong);
        let what = format!("{} adds the addresses of {}", self.name(who), instance.name);
        let late = self.noted(who, instance).into_iter().find_map(|address| {
            let gained = gained(address)?;
            let distance = gained.max(at) - gained.min(at);
            (distance > ADDRESS).then(|| format!("{address}: {distance:?} from its first advert"))
        });
        self.check(what, late);
        self.outcome.takeovers.push(takeover);
    }

    /// Ends both daemons and judges all that was seen.
    ///
    /// # Errors
    /// Where a daemon does not end, or the capture is not whole.
    pub fn finish(mut self) -> Result<Outcome> {
        for who in [SECOND, FIRST] {
            if self.machines[who].runs() {
                self.stop(who)?;
            }
        }
        thread::sleep(Duration::from_millis(100)); // for the last lines of the FIFO
        let seen = self.timeline.all();
        self.judge_changes(&seen);
        self.judge_told(&seen);
        self.judge_adverts(&seen);
        let addresses = self.changes.keys().map(|(_, address)| *address).collect();
        let overlap = overlap(&seen, &addresses);
        self.outcome.overlap = overlap;
        let limit = OVERLAP + self.unheard();
        let wrong = (overlap > limit).then(|| format!("{overlap:?}, at most {limit:?}"));
        self.check("no two masters".to_owned(), wrong);
        self.outcome.adverts = seen.iter().filter(|s| matches!(s.what, What::Advert(_))).count();
        self.outcome.story = self.story();
        self.outcome.capture = self.capture.take().context("a play is finished once")?.finish()?;
        Ok(self.outcome)
    }

    /// FRR sends its first IPv6 advert over a macvlan that it has only just switched on and that drops
    /// it: the other master hears the next one.
    fn unheard(&self) -> Duration {
        let frr = self.machines.iter().any(|m| m.kind == Kind::Frr);
        let v6 = self.plans.iter().flat_map(|p| &p.instances).filter(|i| frr && i.is_v6());
        v6.map(|i| i.interval).max().unwrap_or_default()
    }

    /// What was seen, and the ends of the logs.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        let mut lines = told(&self.timeline.all(), self.begun);
        for machine in &self.machines {
            lines.push(format!("-- {} of host {}", machine.kind, machine.number));
            lines.extend(machine.log(40));
        }
        lines
    }

    fn judge_changes(&mut self, seen: &[Seen]) {
        let mut found: BTreeMap<(usize, IpAddr), Vec<bool>> = BTreeMap::new();
        for Seen { host, what, .. } in seen {
            match what {
                What::Gained(address) => found.entry((*host, *address)).or_default().push(true),
                What::Lost(address) => found.entry((*host, *address)).or_default().push(false),
                _ => {}
            }
        }
        for (place, address) in self.changes.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let (place, address) = (*place, *address);
            let key = (place, address);
            let (wanted, got) = (self.changes.get(&key), found.get(&key));
            let words = |list: Option<&Vec<bool>>| -> String {
                let word = |gained: &bool| if *gained { "gained" } else { "lost" };
                list.into_iter().flatten().map(word).collect::<Vec<_>>().join(" ")
            };
            let (wanted, got) = (words(wanted), words(got));
            let wrong = (wanted != got).then(|| format!("{got:?}, expected {wanted:?}"));
            let what = format!("changes of {address} on {}", self.name(place));
            self.outcome.checks.push(Check { what, wrong });
        }
    }

    fn judge_told(&mut self, seen: &[Seen]) {
        for who in [FIRST, SECOND] {
            let mut names: BTreeSet<String> = BTreeSet::new();
            let split =
                |line: &str| line.rsplit_once(' ').map(|(n, s)| (n.to_owned(), s.to_owned()));
            let wanted: Vec<_> = self.told[who].iter().filter_map(|line| split(line)).collect();
            let got: Vec<_> = seen
                .iter()
                .filter(|s| s.host == who)
                .filter_map(|s| match &s.what {
                    // Whether two adverts cross is chance; that they did is judged below.
                    What::Told(n) if n.state == RX_LOWER => None,
                    What::Told(n) => Some((format!("{} {}", n.kind, n.name), n.state.clone())),
                    _ => None,
                })
                .collect();
            names.extend(wanted.iter().chain(&got).map(|(name, _)| name.clone()));
            for name in names {
                let of = |list: &[(String, String)]| -> String {
                    let states = list.iter().filter(|(n, _)| *n == name).map(|(_, s)| s.as_str());
                    states.collect::<Vec<_>>().join(" ")
                };
                let (wanted, got) = (of(&wanted), of(&got));
                let wrong = (wanted != got).then(|| format!("{got:?}, expected {wanted:?}"));
                self.check(format!("states of {name} on {}", self.name(who)), wrong);
            }
            let wrong = crossed(seen, who, &self.plans[who].instances).err();
            self.check(format!("{RX_LOWER} on {}", self.name(who)), wrong);
        }
    }

    /// Every advert says what its sender was told to say.
    fn judge_adverts(&mut self, seen: &[Seen]) {
        let mut wrong = Vec::new();
        let mut counts = [0_usize; 2];
        for (at, advert) in seen.iter().filter_map(|s| match &s.what {
            What::Advert(advert) => Some((s.at, advert)),
            _ => None,
        }) {
            let at = at.saturating_duration_since(self.begun);
            let Some(who) = [FIRST, SECOND].into_iter().find(|w| is_from(advert, NUMBERS[*w]))
            else {
                wrong.push(format!("{at:?}: from {}", advert.source));
                continue;
            };
            counts[who] += 1;
            let instance = self.plans[who]
                .instances
                .iter()
                .find(|i| i.vrid == advert.vrid && i.is_v6() == advert.source.is_ipv6());
            let Some(instance) = instance else {
                wrong.push(format!("{at:?}: of virtual router {}", advert.vrid));
                continue;
            };
            wrong.extend(unlike(advert, instance).map(|what| format!("{at:?}: {what}")));
        }
        for who in [FIRST, SECOND] {
            if counts[who] == 0 {
                wrong.push(format!("none from {}", self.name(who)));
            }
        }
        let total = wrong.len();
        let shown: Vec<String> = wrong.into_iter().take(3).collect();
        let wrong = (total > 0).then(|| format!("{total}: {}", shown.join("; ")));
        self.check("adverts say what the configuration says".to_owned(), wrong);
    }
}
