//! What happens to Redis.

use super::{Story, a_replicates, b_replicates, ms, served_by_a, served_by_b};
use crate::fault::Fault;
use crate::host::HostId::{A, B};
use crate::redis::Boot;

pub(super) fn crash(story: &mut Story) {
    story.pair();
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(15), "the standby has the address", served_by_b);
    story.wait(ms(1_000));
    story.outage_at_most(ms(15));
    story.happens(Fault::StartRedis(A, Boot::File));
    story.within(ms(5_000), "the old primary replicates", a_replicates);
    story.ends_well();
}

/// Its kernel needs a while to free the memory, and closes the sockets only then.
pub(super) fn crash_of_a_large_one(story: &mut Story) {
    story.pair();
    story.happens(Fault::KillRedis(A, ms(350)));
    story.within(ms(20), "the standby has the address", served_by_b);
    story.wait(ms(1_000));
    story.outage_at_most(ms(20));
    story.happens(Fault::StartRedis(A, Boot::File));
    story.ends_well();
}

pub(super) fn hang(story: &mut Story) {
    story.pair();
    story.happens(Fault::StopRedis(A));
    story.within(ms(400), "the standby has the address", served_by_b);
    story.wait(ms(3_000));
    story.outage_at_most(ms(400));
    story.happens(Fault::ContinueRedis(A));
    story.within(ms(5_000), "the old primary replicates", a_replicates);
    story.ends_well();
}

/// A supervisor restarts it before anybody has noticed, and its data is gone.
pub(super) fn restart_empty(story: &mut Story) {
    story.pair();
    story.happens(Fault::KillRedis(A, ms(1)));
    story.plans(ms(2), Fault::StartRedis(A, Boot::Empty));
    story.within(ms(15), "the standby has the address", served_by_b);
    story.within(ms(5_000), "the old primary replicates", a_replicates);
    story.outage_at_most(ms(15));
    story.ends_well();
}

/// A long script is no reason to fail over.
pub(super) fn busy(story: &mut Story) {
    story.pair();
    story.happens(Fault::OccupyRedis(A, ms(2_000)));
    story.always(ms(5_000), "A has the address", served_by_a);
    story.no_failover();
    story.ends_well();
}

/// The standby's Redis is down for a while; clients notice nothing.
pub(super) fn standby_down(story: &mut Story) {
    story.pair();
    story.happens(Fault::KillRedis(B, ms(1)));
    story.always(ms(4_000), "A has the address", served_by_a);
    story.happens(Fault::StartRedis(B, Boot::File));
    story.within(ms(5_000), "it replicates again", b_replicates);
    story.no_failover();
    story.outage_at_most(ms(15));
    story.ends_well();
}

/// Two failovers, one after the other, in both directions.
pub(super) fn failover_and_back(story: &mut Story) {
    story.pair();
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(15), "B has the address", served_by_b);
    story.plans(ms(500), Fault::StartRedis(A, Boot::File));
    story.ends_well();
    story.happens(Fault::KillRedis(B, ms(1)));
    story.within(ms(15), "A has the address", served_by_a);
    story.plans(ms(500), Fault::StartRedis(B, Boot::File));
    story.ends_well();
    story.outage_at_most(ms(15));
}
