//! Many seeds on all processors, each twice; results in the order of the seeds.

use keepair_sim::sometimes::Seen;
use keepair_sim::swarm::{Draw, Plan};
use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of one seed.
pub(crate) struct Outcome {
    /// The checker that said no, and what it said.
    pub(crate) violation: Option<(&'static str, String)>,
}

/// What became of all of them.
#[derive(Default)]
pub(crate) struct Summary {
    /// Those that failed, in order.
    pub(crate) failed: Vec<(u64, Outcome)>,
    /// What has occurred in all runs.
    pub(crate) seen: Seen,
    /// Simulated time of all first runs, in seconds.
    pub(crate) simulated_s: u64,
}

/// Runs them.
pub(crate) fn run(seeds: Range<u64>, draw: Draw) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let all = Mutex::new(Summary::default());
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut own = Summary::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    own.add(seed, draw);
                }
                // A worker that panicked has already ended the program.
                if let Ok(mut all) = all.lock() {
                    all.failed.append(&mut own.failed);
                    all.seen.add(&own.seen);
                    all.simulated_s += own.simulated_s;
                }
            });
        }
    });
    let mut all = all.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    all.failed.sort_by_key(|(seed, _)| *seed);
    all
}

impl Summary {
    fn add(&mut self, seed: u64, draw: Draw) {
        let plan = Plan::draw(seed, draw);
        // The panic itself has been printed; what it lacks is the seed.
        let Ok((world, again)) = catch_unwind(AssertUnwindSafe(|| (plan.run(), plan.run()))) else {
            let violation = Some(("no_panic", "the program panicked".to_string()));
            self.failed.push((seed, Outcome { violation }));
            return;
        };
        self.seen.add(&world.seen());
        self.simulated_s += world.now.0 / 1_000_000;
        let same = again.fingerprint() == world.fingerprint();
        let violation = world.violations.first().map(|v| (v.checker, v.to_string()));
        if !same || violation.is_some() {
            self.failed.push((seed, Outcome { violation }));
        }
    }
}
