//! Random runs: a subset of the faults, drawn from the seed, over a minute.
//!
//! In one style they come one at a time, each is mended, and the pair must be well again before the
//! next one comes: then every promise holds. In the other they do not wait for each other; then
//! less is promised, and liveness only after everything has been mended.

mod kind;

pub use kind::{Episode, Kind};

use crate::checkers::{Fact, missing};
use crate::daemon::State;
use crate::fault::{Fault, Way};
use crate::host::HostId;
use crate::options::Options;
use crate::redis::{Boot, Persistence, Version};
use crate::rng::Rng;
use crate::world::{Event, World};
use keepair_core::time::Time;
use std::time::Duration;

/// How faults follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// One at a time.
    Alone,
    /// Without waiting for each other.
    Overlapping,
}

/// How to draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Draw {
    /// In this style; `None`: the seed decides.
    pub style: Option<Style>,
}

/// What was drawn. Whatever is taken out of it, the rest stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The pair and its surroundings.
    pub options: Options,
    /// How faults follow each other.
    pub style: Style,
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// The machine whose Redis is the primary at the beginning.
    pub primary: HostId,
    /// What happens, in order, as far as there is time for it.
    pub episodes: Vec<Episode>,
    /// For so long at least.
    pub length: Duration,
}

/// Where a random run is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Swarm {
    style: Option<Style>,
    plan: Option<Box<Plan>>,
    next: usize,
    /// Faults are over.
    healed: bool,
    /// Everything is as it must be since then.
    calm_since: Option<Time>,
    /// It must be by then.
    settle_by: Time,
    /// Whatever it still waits for, it must be by then.
    settle_at_last: Time,
    /// When a person decided whose data is kept.
    decided: Option<Time>,
    ended: bool,
}

impl Swarm {
    pub(crate) fn style(&self) -> Option<Style> {
        self.style
    }

    /// Everything was mended.
    pub(crate) fn is_over(&self) -> bool {
        self.healed
    }

    /// A fault that was begun earlier goes on: the pair is given its time from now.
    pub(crate) fn goes_on(&mut self, now: Time) {
        if self.healed {
            self.settle_by = self.settle_by.max(now + SETTLE);
        }
    }
}

/// When whoever draws faults looks at the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Is everything well again?
    Look,
    /// A fault is near.
    Attend,
    /// The next episode begins.
    Begin,
    /// Time is up: everything is mended.
    Heal,
}

/// A random run's length, at least.
pub const LENGTH: Duration = Duration::from_secs(60);
/// What a pair is given to come back.
pub const SETTLE: Duration = Duration::from_secs(10);
/// And at most, when a client or a replica has to find out by itself: three times `repl-timeout`.
const SETTLE_AT_LAST: Duration = Duration::from_secs(180);
/// It is well when it has been for so long.
const CALM: Duration = Duration::from_millis(1_500);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Clients pay attention so long before a fault.
const BEFORE: Duration = Duration::from_millis(100);
/// More than there is time for.
const EPISODES_MAX: usize = 200;

impl Plan {
    /// Draws a plan.
    pub fn draw(seed: u64, draw: Draw) -> Plan {
        let mut rng = Rng::new(seed);
        let options = Options::draw(seed, &mut rng);
        let drawn = if rng.chance(500) { Style::Alone } else { Style::Overlapping };
        let style = draw.style.unwrap_or(drawn);
        let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|_| rng.chance(250)).collect();
        if kinds.is_empty() {
            kinds.push(*rng.pick(&Kind::ALL));
        }
        if options.tie_breakers > 0 {
            let mut own = Rng::new(seed ^ 0x7468_6972_6473);
            kinds.extend(Kind::THIRD.into_iter().filter(|_| own.chance(500)));
            if own.chance(500) && !kinds.contains(&Kind::Partition) {
                kinds.push(Kind::Partition);
            }
        }
        let whole_files = HostId::BOTH
            .into_iter()
            .all(|host| options.setup(host).persistence == Persistence::Aof);
        // What is lost with a file that is old is lost, whatever anybody does.
        if style == Style::Alone && !whole_files {
            kinds.retain(|kind| *kind != Kind::CrashInResync);
        }
        if kinds.is_empty() {
            kinds.push(Kind::StandbyAway);
        }
        let primary = *rng.pick(&HostId::BOTH);
        let switchovers = rng.chance(300);
        let pause_ms = match style {
            Style::Alone => (200, 1_500),
            Style::Overlapping => *rng.pick(&[(1, 1_000), (1, 6_000), (500, 10_000)]),
        };
        let mut episodes = Vec::new();
        let mut pauses = Duration::ZERO;
        while pauses < LENGTH && episodes.len() < EPISODES_MAX {
            let episode = Episode::draw(&mut rng, &kinds, switchovers, pause_ms);
            // One that has to settle takes longer.
            pauses += episode.pause + if style == Style::Alone { CALM } else { Duration::ZERO };
            episodes.push(episode);
        }
        Plan { options, style, kinds, primary, episodes, length: LENGTH }
    }

    /// Runs it to its end, or to the first violation.
    pub fn run(&self) -> World {
        self.run_to_end(false)
    }

    /// Runs it, and writes the story down.
    pub fn tell(&self) -> World {
        self.run_to_end(true)
    }

    /// The world in which it takes place, before anything has happened.
    pub fn begin(&self) -> World {
        let mut world = World::new(self.options.clone());
        world.begin_pair(self.primary);
        world.swarm.style = Some(self.style);
        world.swarm.plan = Some(Box::new(self.clone()));
        world.settle_after(Duration::ZERO);
        world
    }

    fn run_to_end(&self, told: bool) -> World {
        let mut world = self.begin();
        world.trace.told = told;
        while !world.swarm.ended && world.violations.is_empty() {
            world.step();
        }
        world
    }
}

impl World {
    /// A pair as an operator would hand it over: one primary with data, one replica, no daemon
    /// yet; then both daemons start.
    pub fn begin_pair(&mut self, primary: HostId) {
        for host in HostId::BOTH {
            self.start_redis(host, Boot::Empty);
        }
        self.hosts[primary].redis.seed_data(0..100);
        self.make_replica(primary.peer());
        for host in HostId::BOTH {
            let after = Duration::from_millis(self.rng.between(500, 1_500));
            self.plan(after, Fault::StartDaemon(host));
        }
        self.start_client();
        if self.options.neighbour {
            self.neighbour_speaks();
        }
    }

    /// `REPLICAOF`, by hand.
    pub(crate) fn make_replica(&mut self, host: HostId) {
        let mut effects = Vec::new();
        self.hosts[host].redis.follow(&mut effects);
        self.perform_effects(host, effects);
    }

    pub(crate) fn swarm_turns(&mut self, turn: Turn) {
        match turn {
            Turn::Look => self.look_around(),
            Turn::Attend => self.attend(),
            Turn::Begin => self.begin_episode(),
            Turn::Heal => {
                self.heal();
                self.swarm.healed = true;
                self.settle_after(Duration::ZERO);
            }
        }
    }

    /// After what lasts so long it has `SETTLE`.
    fn settle_after(&mut self, lasts: Duration) {
        self.swarm.calm_since = None;
        self.swarm.settle_by = self.now + lasts + SETTLE;
        self.swarm.settle_at_last = self.now + lasts + SETTLE_AT_LAST;
        self.schedule(self.now + lasts.max(LOOK), Event::Swarm(Turn::Look));
    }

    fn look_around(&mut self) {
        self.start_late_leavers();
        let well = missing(self).is_none();
        if self.client_waits() || self.replica_waits() {
            self.swarm.settle_by = self.swarm.settle_by.max(self.now + SETTLE);
        }
        self.swarm.calm_since = self.swarm.calm_since.or(Some(self.now)).filter(|_| well);
        let settled = self.swarm.calm_since.is_some_and(|since| self.now.since(since) >= CALM);
        let settle_by = self.swarm.settle_by.min(self.swarm.settle_at_last);
        if !settled && (well || self.now < settle_by) {
            return self.schedule(self.now + LOOK, Event::Swarm(Turn::Look));
        }
        if !settled && self.person_decides() {
            return self.settle_after(Duration::ZERO);
        }
        self.see(&Fact::Settled);
        self.go_on_with_plan();
    }

    /// A daemon that was told to stop before the faults ended may end after that.
    fn start_late_leavers(&mut self) {
        for host in HostId::BOTH {
            let machine = &self.hosts[host];
            let absent = machine.powered && machine.daemon.state == State::Absent;
            if self.swarm.healed && absent {
                self.apply(Fault::StartDaemon(host));
                self.swarm.settle_by = self.now + SETTLE;
            }
        }
    }

    /// The client sends to a machine that has gone, because it was cut off from every announcement
    /// of the other: its kernel will find out, after a while.
    fn client_waits(&self) -> bool {
        let Some(serving) = self.serving() else {
            return false;
        };
        self.client.arp.known() == Some(serving.peer()) && self.network.never_heard(serving)
    }

    /// A replica waits for a machine that lost its power meanwhile: Redis gives up after
    /// `repl-timeout`.
    fn replica_waits(&self) -> bool {
        let waits =
            |host: HostId| self.hosts[host].redis.waits() && self.network.streams.half_open(host);
        HostId::BOTH.into_iter().any(waits)
    }

    /// Both daemons say that nothing tells whose data is newer, and what to do: somebody looks, and
    /// keeps the larger. Once. Of faults that come one at a time only those may lead here after
    /// which the files do not know their histories.
    fn person_decides(&mut self) -> bool {
        let setup = self.options.redis;
        let knows = setup.version >= Version::V7_0 && setup.persistence != Persistence::Aof;
        if knows && !self.overlapping() {
            return false;
        }
        let asked = self.swarm.decided.is_none()
            && HostId::BOTH.into_iter().any(|id| {
                let host = &self.hosts[id];
                let status =
                    host.daemon.node.as_ref().map(|node| node.status(host.clock.read(self.now)));
                status.is_some_and(|status| status.members[0].reason.contains("nothing says which"))
            });
        if !asked {
            return false;
        }
        let [a, b] = HostId::BOTH.map(|host| self.hosts[host].redis.data.len());
        let keep = if a >= b { HostId::A } else { HostId::B };
        let drawn = *self.rng.pick(&[Way::Empty, Way::Replicate, Way::Accept, Way::Renounce]);
        // To be told again what it was told before is nothing to Redis.
        let replica = self.hosts[keep.peer()].redis.is_replica();
        let way = if replica && drawn == Way::Replicate { Way::Empty } else { drawn };
        self.swarm.decided = Some(self.now);
        self.apply(Fault::Decide(keep, way));
        true
    }

    /// Everything is well: the next episode, or the end.
    fn go_on_with_plan(&mut self) {
        let Some(plan) = self.swarm.plan.take() else {
            return;
        };
        let over = self.swarm.healed || self.now >= Time(0) + plan.length;
        match plan.episodes.get(self.swarm.next).filter(|_| !over) {
            Some(episode) => {
                let at = self.now + BEFORE + episode.pause;
                self.schedule(at - BEFORE, Event::Swarm(Turn::Attend));
                self.schedule(at, Event::Swarm(Turn::Begin));
                if plan.style == Style::Overlapping {
                    self.schedule(Time(0) + plan.length, Event::Swarm(Turn::Heal));
                }
            }
            None if self.now >= Time(0) + plan.length => self.swarm.ended = true,
            // Everything was taken out of it: the time is lived to its end.
            None => self.schedule(Time(0) + plan.length, Event::Swarm(Turn::Heal)),
        }
        self.swarm.plan = Some(plan);
    }

    fn begin_episode(&mut self) {
        if self.swarm.healed {
            return;
        }
        let Some(plan) = self.swarm.plan.take() else {
            return;
        };
        if plan.style == Style::Alone && missing(self).is_some() {
            // Something has begun by itself meanwhile: an address moves back to the better machine.
            self.swarm.plan = Some(plan);
            return self.settle_after(Duration::ZERO);
        }
        if let Some(episode) = plan.episodes.get(self.swarm.next) {
            self.swarm.next += 1;
            let lasts = self.unfold(episode);
            match (plan.style, plan.episodes.get(self.swarm.next)) {
                (Style::Alone, _) => self.settle_after(lasts),
                (Style::Overlapping, Some(next)) => {
                    self.schedule(self.now + next.pause, Event::Swarm(Turn::Begin));
                }
                (Style::Overlapping, None) => {}
            }
        }
        self.swarm.plan = Some(plan);
    }
}

#[cfg(test)]
mod tests;
