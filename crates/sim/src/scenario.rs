//! Directed stories: what is done to the pair, and what must be seen, step by step.
//!
//! A [`Story`] that has failed goes no further; its first failure is its result. The stories are
//! in [`ALL`], for the tests and for `keepair-sim --scenario NAME`.

mod clock;
mod daemon;
mod kernel;
mod machine;
mod redis;
mod restart;
mod seeds;
mod start;
mod third;

use crate::checkers::Fact;
use crate::fault::Fault;
use crate::host::HostId;
use crate::options::Options;
use crate::swarm::SETTLE;
use crate::world::World;
use keepair_core::event::Event as Told;
use std::time::Duration;

/// A story under way.
#[derive(Debug)]
pub struct Story {
    /// Where it takes place.
    pub world: World,
    /// What was not as it must be.
    pub failure: Option<String>,
    told_before: usize,
}

/// How a story goes.
pub type Script = fn(&mut Story);

/// Every directed scenario, by name.
pub const ALL: &[(&str, Script)] = &[
    ("cold-start", start::cold_start),
    ("adoption", start::adoption),
    ("unrelated-data", start::unrelated_data),
    ("redis-crash", redis::crash),
    ("redis-crash-large", redis::crash_of_a_large_one),
    ("redis-crash-behind", redis::crash_while_the_standby_is_behind),
    ("redis-hang", redis::hang),
    ("redis-restart-empty", redis::restart_empty),
    ("redis-busy", redis::busy),
    ("redis-standby-down", redis::standby_down),
    ("failover-and-back", redis::failover_and_back),
    ("daemon-restarted", daemon::restarted),
    ("daemon-not-restarted", daemon::not_restarted),
    ("daemon-stopped", daemon::stopped),
    ("daemon-frozen-after-advert", daemon::frozen_after_advert),
    ("daemon-frozen-after-renewal", daemon::frozen_after_renewal),
    ("standby-frozen-before-claim", daemon::standby_frozen_before_claim),
    ("standby-frozen-in-claim", daemon::standby_frozen_in_claim),
    ("standby-frozen-after-claim", daemon::standby_frozen_after_claim),
    ("standby-killed-after-claim", daemon::standby_killed_after_claim),
    ("standby-killed-before-claim", daemon::standby_killed_before_claim),
    ("switchover", daemon::switchover),
    ("switchover-from-standby", daemon::switchover_from_standby),
    ("terminate", daemon::terminate),
    ("power", machine::power),
    ("power-reset", machine::power_reset),
    ("power-both", machine::power_of_both),
    ("unplug", machine::unplug),
    ("reports-silent", machine::reports_silent),
    ("adverts-silent", machine::adverts_silent),
    ("partition", machine::partition),
    ("unplug-short", machine::unplug_short),
    ("replug", machine::replug),
    ("announcements-lost", machine::announcements_lost),
    ("power-in-resync", machine::power_in_resync),
    ("machine-frozen", clock::frozen),
    ("machine-frozen-with-its-clock", clock::frozen_with_its_clock),
    ("standby-frozen", clock::standby_frozen),
    ("clock-drift", clock::drift),
    ("redis-misconf", redis::misconf),
    ("redis-disk-stalls", redis::disk_stalls),
    ("redis-burst", redis::burst),
    ("redis-loading-is-not-empty", redis::loading_is_not_empty),
    ("redis-unrelated-replicaof", redis::unrelated_replicaof),
    ("redis-unrelated-flushall", redis::unrelated_flushall),
    ("redis-6-switchover", redis::switchover_of_an_old_one),
    ("redis-6-switchover-frozen", redis::switchover_of_an_old_one_frozen),
    ("redis-6-switchover-refused", redis::switchover_of_an_old_one_refused),
    ("adverts-silent-daemon-stopped", daemon::adverts_silent_and_stopped),
    ("standby-stopped-in-takeover", daemon::standby_stopped_in_takeover),
    ("reload", daemon::reload),
    ("netlink-slow", kernel::slow),
    ("netlink-refuses-the-address", kernel::refuses_the_address),
    ("netlink-refuses-removal", kernel::refuses_removal),
    ("netlink-refuses-the-fence", kernel::refuses_the_fence),
    ("rules-flushed", kernel::rules_flushed),
    ("state-disk-full", kernel::state_disk_full),
    ("restart-older-file", restart::older_file),
    ("restart-older-file-hung", restart::older_file_while_the_standby_hangs),
    ("restart-older-file-third", restart::older_file_with_a_third),
    ("restart-empty-pair-filled", restart::empty_pair_filled),
    ("restart-aof-followed", restart::append_only_file_followed),
    ("restart-source-of-a-resync", restart::source_of_a_resync),
    ("restart-source-of-a-resync-replicaof", restart::source_of_a_resync_with_replicaof),
    ("restart-source-of-a-resync-older-file", restart::source_of_a_resync_from_an_older_file),
    ("restart-last-machine-aof", restart::last_machine_aof),
    ("restart-last-machine-rdb", restart::last_machine_rdb),
    ("restart-last-machine-older-file", restart::last_machine_from_an_older_file),
    ("restart-last-machine-replicaof", restart::last_machine_with_replicaof),
    ("restart-alone-by-a-third", restart::alone_by_a_third),
    ("restart-crash-after-resync", restart::crash_after_resync),
    ("power-both-aof", restart::power_of_both_aof),
    ("power-both-aof-replicaof", restart::power_of_both_aof_with_replicaof),
    ("power-both-one-aof", restart::power_of_both_with_one_aof),
    ("gate-start-fails", restart::start_fails),
    ("new-machine-reports-silent", restart::new_machine_without_reports),
    ("new-machine-third-power", restart::new_machine_and_power_with_a_third),
    ("first-start-one-has-keys", restart::first_start_one_has_keys),
    ("first-start-other-unreachable", restart::first_start_other_unreachable),
    ("state-lost-standby", restart::state_lost),
    ("seed-1024047", seeds::seed_1024047),
    ("seed-1015522", seeds::seed_1015522),
    ("seed-1009704", seeds::seed_1009704),
    ("seed-1019248", seeds::seed_1019248),
    ("seed-1029036", seeds::seed_1029036),
    ("third-partition", third::partition),
    ("third-cut-off", third::cut_off),
    ("third-away-and-power", third::away_and_power),
    ("third-restarts", third::restarts),
    ("third-power", third::power),
    ("third-crash", third::crash),
    ("third-left-behind", third::left_behind),
    ("solo", third::solo),
    ("accept", third::accept),
];

/// Tells a story to its end.
pub fn tell(script: Script) -> Story {
    let mut story = Story::new(Options::plain(1));
    story.world.trace.told = true;
    script(&mut story);
    story
}

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Story {
    /// The first page: nothing runs yet.
    pub fn new(options: Options) -> Self {
        Story { world: World::new(options), failure: None, told_before: 0 }
    }

    fn goes_on(&mut self) -> bool {
        if self.failure.is_none()
            && let Some(violation) = self.world.violations.first()
        {
            self.failure = Some(violation.to_string());
        }
        self.failure.is_none()
    }

    fn fail(&mut self, text: String) {
        if self.failure.is_none() {
            self.failure = Some(format!("at {}: {text}", self.world.now));
        }
    }

    /// The pair is set up otherwise than plainly; before anything happens.
    pub fn set_up(&mut self, change: fn(&mut Options)) {
        let mut options = self.world.options.clone();
        change(&mut options);
        let told = self.world.trace.told;
        self.world = World::new(options);
        self.world.trace.told = told;
    }

    /// A pair that works: A is the primary, the client writes.
    pub fn pair(&mut self) {
        self.world.begin_pair(HostId::A);
        self.within(ms(8_000), "the pair works", |world| {
            world.serving() == Some(HostId::A) && crate::checkers::missing(world).is_none()
        });
        self.wait(ms(1_000));
        self.world.see(&Fact::Settled);
        self.mark();
    }

    /// From here on, gaps and failovers count.
    pub fn mark(&mut self) {
        self.world.client.forget_gap();
        self.told_before = self.world.told.len();
    }

    /// Something happens.
    pub fn happens(&mut self, fault: Fault) {
        if self.goes_on() {
            self.world.apply(fault);
        }
    }

    /// Something will happen so long from now.
    pub fn plans(&mut self, after: Duration, fault: Fault) {
        if self.goes_on() {
            self.world.plan(after, fault);
        }
    }

    /// Time passes.
    pub fn wait(&mut self, length: Duration) {
        if self.goes_on() {
            self.world.run_for(length);
            self.goes_on();
        }
    }

    /// It must come true in time.
    pub fn within(&mut self, length: Duration, what: &str, holds: fn(&World) -> bool) {
        let until = self.world.now + length;
        while self.goes_on() && !holds(&self.world) {
            if self.world.now >= until {
                self.fail(format!("not true within {length:?}: {what}"));
                return;
            }
            self.world.run_for(Duration::from_micros(500));
        }
    }

    /// It must be true now.
    pub fn holds(&mut self, what: &str, holds: fn(&World) -> bool) {
        if self.goes_on() && !holds(&self.world) {
            self.fail(format!("not true: {what}"));
        }
    }

    /// It must be true for that long.
    pub fn always(&mut self, length: Duration, what: &str, holds: fn(&World) -> bool) {
        let until = self.world.now + length;
        while self.goes_on() && self.world.now < until {
            if !holds(&self.world) {
                self.fail(format!("not true: {what}"));
            }
            self.world.run_for(ms(1));
        }
    }

    /// No client waited longer since the mark.
    pub fn outage_at_most(&mut self, length: Duration) {
        if !self.goes_on() {
            return;
        }
        match self.world.client.longest_gap {
            Some((gap, _)) if gap > length => {
                self.fail(format!("clients waited {gap:?}, {length:?} is promised"));
            }
            None => self.fail("no write was acknowledged".to_string()),
            Some(_) => {}
        }
    }

    /// Nobody took over since the mark.
    pub fn no_failover(&mut self) {
        let told = &self.world.told[self.told_before..];
        let took_over = |event: &Told| matches!(event, Told::TookOver(_) | Told::Left { .. });
        if let Some((_, host, event)) = told.iter().find(|(_, _, event)| took_over(event)) {
            let text = format!("a needless failover: {host}: {event}");
            self.fail(text);
        }
    }

    /// How many takeovers there were since the mark.
    fn took_over(&self) -> usize {
        let took_over = |event: &Told| matches!(event, Told::TookOver(_));
        self.world.told[self.told_before..].iter().filter(|(_, _, e)| took_over(e)).count()
    }

    /// After a while one serves, the other replicates, and nothing that was acknowledged is lost.
    pub fn ends_well(&mut self) {
        self.wait(SETTLE);
        if self.goes_on() {
            self.world.see(&Fact::Settled);
            self.goes_on();
        }
    }
}

/// A has the address.
pub(crate) fn served_by_a(world: &World) -> bool {
    world.serving() == Some(HostId::A)
}

/// B has the address.
pub(crate) fn served_by_b(world: &World) -> bool {
    world.serving() == Some(HostId::B)
}

/// Redis on A replicates.
pub(crate) fn a_replicates(world: &World) -> bool {
    world.hosts[HostId::A].redis.link_is_up()
}

/// Redis on B replicates.
pub(crate) fn b_replicates(world: &World) -> bool {
    world.hosts[HostId::B].redis.link_is_up()
}

#[cfg(test)]
mod tests;
