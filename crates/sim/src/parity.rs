//! The lab's faults, by the lab's names and times, in this world: what courses do they take?
//!
//! `keepair-sim --courses` prints them and `keepair-lab test` compares: what happens on a real kernel
//! with a real Redis must be something that this world knows. Lines of fault, `moved` or `stayed`,
//! cause, phases, way of rejoining, and how many of the seeds went that way.

use crate::fault::Fault;
use crate::host::HostId::{self, A};
use crate::network::Weather;
use crate::options::Options;
use crate::redis::Boot;
use crate::scenario::{Script, Story, ms};
use crate::world::World;
use std::collections::BTreeMap;
use std::time::Duration;

/// The lab's faults.
pub const FAULTS: &[(&str, Script)] = &[
    ("crash", |story| crash(story, ms(1))),
    ("crash-4g", |story| crash(story, ms(350))),
    ("hang", |story| {
        story.happens(Fault::StopRedis(A));
        story.wait(ms(3_000));
        story.happens(Fault::ContinueRedis(A));
    }),
    ("power", power),
    ("power-10ms", power),
    ("switchover", |story| story.happens(Fault::Switchover(A))),
    ("daemon-crash", |story| story.happens(Fault::RestartDaemon(A, ms(100)))),
    ("daemon-gone", |story| story.happens(Fault::RestartDaemon(A, ms(3_000)))),
    ("daemon-stop", |story| story.happens(Fault::FreezeDaemon(A, ms(3_000)))),
    ("restart-empty", |story| {
        story.happens(Fault::KillRedis(A, ms(1)));
        story.plans(ms(2), Fault::StartRedis(A, Boot::Empty));
    }),
    ("unplug", |story| {
        // The lab's machine has a client of its own, which goes on for a moment.
        story.happens(Fault::WriteLocally(A, ms(7_000)));
        // Its next write is on its way when the cable goes, or comes before the notice, or after.
        let early = Duration::from_micros(story.world.options.seed % 40 * 50);
        story.wait(ms(100).saturating_sub(early));
        story.happens(Fault::Unplug(A));
        story.wait(ms(6_000));
        story.happens(Fault::Plug(A));
    }),
    ("slow-script", |story| story.happens(Fault::OccupyRedis(A, ms(2_000)))),
    ("debug-sleep", |story| story.happens(Fault::OccupyRedis(A, ms(1_000)))),
    ("advert-loss", |story| {
        story.happens(Fault::Weather(Weather { lost: 50, ..Weather::default() }));
        story.wait(ms(10_000));
        story.happens(Fault::Weather(Weather::default()));
    }),
    // The fork.
    ("bgsave", |story| story.happens(Fault::OccupyRedis(A, ms(15)))),
];

/// How many seeds each fault is run with.
const SEEDS: u64 = 40;

/// In which a pair of the lab is whole again.
const WHOLE: Duration = Duration::from_secs(12);

/// What became of a fault, in the words of the lab.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Course {
    /// Another machine serves than before.
    pub moved: bool,
    /// What the daemon that took over calls it.
    pub cause: Option<&'static str>,
    /// The phases in their order.
    pub phases: Vec<&'static str>,
    /// How the replica came back.
    pub rejoined: Rejoined,
}

/// How a replica came back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rejoined {
    /// Its link was never broken.
    None,
    /// By a partial resynchronisation.
    Partial,
    /// By a full one.
    Full,
}

/// Every course that a fault takes, with how often.
///
/// # Errors
/// The seed and the failure of a story that did not end well.
pub fn courses(name: &str, script: Script) -> Result<BTreeMap<Course, u64>, String> {
    let mut courses = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut options = Options::plain(seed);
        if name == "power-10ms" {
            options.advert_interval = ms(10);
        }
        let mut story = Story::new(options);
        story.pair();
        let before = HostId::BOTH.map(|host| story.world.hosts[host].redis.synced);
        script(&mut story);
        story.wait(WHOLE);
        story.ends_well();
        if let Some(failure) = story.failure {
            return Err(format!("{name}, seed {seed}: {failure}"));
        }
        *courses.entry(course(&story.world, before)).or_default() += 1;
    }
    Ok(courses)
}

fn course(world: &World, before: [(u64, u64); 2]) -> Course {
    let serving = world.serving().unwrap_or(A);
    let host = &world.hosts[serving];
    let moved = serving != A;
    let status = host.daemon.node.as_ref().map(|node| node.status(host.clock.read(world.now)));
    let failover = status.and_then(|status| status.last_failover).filter(|_| moved);
    let (full, partial) = host.redis.synced;
    // A process that was started meanwhile counts from nothing.
    let (full_before, partial_before) = before[serving.index()];
    let rejoined = if full > full_before {
        Rejoined::Full
    } else if partial > partial_before {
        Rejoined::Partial
    } else {
        Rejoined::None
    };
    Course {
        moved,
        cause: failover.as_ref().map(|failover| failover.cause.as_str()),
        phases: failover.map_or(Vec::new(), |failover| {
            failover.phases.iter().map(|(phase, _)| phase.as_str()).collect()
        }),
        rejoined,
    }
}

impl Course {
    /// As the lab reads it.
    pub fn words(&self) -> String {
        let phases = if self.phases.is_empty() { "-".to_string() } else { self.phases.join(",") };
        format!(
            "{} {} {phases} {}",
            if self.moved { "moved" } else { "stayed" },
            self.cause.unwrap_or("-"),
            match self.rejoined {
                Rejoined::None => "none",
                Rejoined::Partial => "partial",
                Rejoined::Full => "full",
            }
        )
    }
}

fn crash(story: &mut Story, close_after: Duration) {
    story.happens(Fault::KillRedis(A, close_after));
    story.plans(ms(1_000), Fault::StartRedis(A, Boot::Empty));
}

fn power(story: &mut Story) {
    story.happens(Fault::PowerOff(A));
    story.wait(ms(3_000));
    story.happens(Fault::PowerOn(A, Boot::Empty, ms(20), ms(10)));
}
