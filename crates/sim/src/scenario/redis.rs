//! What happens to Redis.

use super::{Story, a_replicates, b_replicates, ms, served_by_a, served_by_b};
use crate::daemon::{Moment, Step};
use crate::fault::{Fault, Way};
use crate::host::HostId::{A, B};
use crate::kernel::Netlink;
use crate::network::Traffic;
use crate::redis::{Boot, Version};
use crate::sometimes::Situation;

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

/// What it sends does not arrive at the standby, while the daemons hear each other. Then it dies.
pub(super) fn crash_while_the_standby_is_behind(story: &mut Story) {
    story.pair();
    story.happens(Fault::Cut(A, vec![Traffic::Rest]));
    story.wait(ms(2_500));
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(1_000), "the standby has the address", served_by_b);
    story.within(ms(1_000), "what it lacks is kept", |world| {
        let (kept, has) = (&world.hosts[A].salvaged, &world.hosts[B].redis.data);
        kept.iter().any(|write| !has.contains(write))
    });
    story.happens(Fault::Mend);
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

/// It can't save, and refuses writes and PING: another machine would not help.
pub(super) fn misconf(story: &mut Story) {
    story.pair();
    story.happens(Fault::MisconfRedis(A, true));
    story.always(ms(3_000), "A has the address", served_by_a);
    story.happens(Fault::MisconfRedis(A, false));
    story.no_failover();
    story.ends_well();
}

/// The disk keeps it for two seconds: the process waits, and is neither dead nor stopped.
pub(super) fn disk_stalls(story: &mut Story) {
    story.pair();
    story.happens(Fault::StallRedis(A, ms(2_000)));
    story.always(ms(5_000), "A has the address", served_by_a);
    story.no_failover();
    story.ends_well();
}

/// A stopped Redis wakes with writes in its sockets, and executes them; not one acknowledgement gets
/// out, for the fence is shut.
pub(super) fn burst(story: &mut Story) {
    story.pair();
    story.happens(Fault::StopRedis(A));
    story.within(ms(400), "the standby has the address", served_by_b);
    story.wait(ms(500));
    story.happens(Fault::ContinueRedis(A));
    story.wait(ms(100));
    story.holds("the fence kept the answers", |world| {
        world.seen().count(Situation::AnswerMuffled) > 10
    });
    story.ends_well();
}

/// One comes back empty, the other reads its file for a while and shows no keys yet.
pub(super) fn loading_is_not_empty(story: &mut Story) {
    story.set_up(|options| options.redis.load_us = (1_500_000, 1_500_000));
    story.pair();
    story.world.stop_client();
    story.wait(ms(50));
    story.happens(Fault::Save(A));
    story.happens(Fault::KillRedis(B, ms(1)));
    story.happens(Fault::KillRedis(A, ms(1)));
    story.plans(ms(5), Fault::StartRedis(B, Boot::Empty));
    story.plans(ms(5), Fault::StartRedis(A, Boot::File));
    story.wait(ms(3_000));
    story.world.start_client();
    story.within(ms(5_000), "A has the address", served_by_a);
    story.ends_well();
}

/// Both were restarted from files that do not know their histories, nor how old they are.
fn unrelated(story: &mut Story, way: Way) {
    story.set_up(|options| options.redis.version = Version::V6_2);
    story.pair();
    for host in [A, B] {
        story.happens(Fault::Save(host));
    }
    for host in [A, B] {
        story.happens(Fault::KillRedis(host, ms(1)));
        story.plans(ms(50), Fault::StartRedis(host, Boot::File));
    }
    story.wait(ms(5_000));
    story.holds("a person is asked", |world| {
        world.told.iter().any(|(_, _, event)| event.to_string().contains("nothing says which"))
    });
    story.happens(Fault::Decide(A, way));
    story.within(ms(5_000), "A has the address", served_by_a);
    story.ends_well();
}

/// The person says `REPLICAOF`.
pub(super) fn unrelated_replicaof(story: &mut Story) {
    unrelated(story, Way::Replicate);
}

/// The person says `FLUSHALL`.
pub(super) fn unrelated_flushall(story: &mut Story) {
    unrelated(story, Way::Empty);
}

fn old(story: &mut Story) {
    story.set_up(|options| options.redis.version = Version::V6_0);
    story.pair();
}

/// It can't pause writes alone: the fence holds the clients.
pub(super) fn switchover_of_an_old_one(story: &mut Story) {
    old(story);
    story.happens(Fault::Switchover(A));
    story.within(ms(50), "the standby has the address", served_by_b);
    story.within(ms(2_000), "the old primary replicates", a_replicates);
    story.outage_at_most(ms(15));
    story.ends_well();
}

/// The daemon is stopped while its fence is shut for the switchover.
pub(super) fn switchover_of_an_old_one_frozen(story: &mut Story) {
    old(story);
    let freeze = Fault::FreezeDaemon(A, ms(2_200));
    story.happens(Fault::Trap(A, Moment::After(Step::CloseFence), Box::new(freeze)));
    story.happens(Fault::Switchover(A));
    story.within(ms(500), "the standby has the address", served_by_b);
    story.wait(ms(3_000));
    story.ends_well();
}

/// The kernel does not shut the fence that should hold the clients: no switchover.
pub(super) fn switchover_of_an_old_one_refused(story: &mut Story) {
    old(story);
    for _ in 0..10 {
        let refuses = Netlink { refuses_fence: 500, ..Netlink::default() };
        let host = story.world.serving().unwrap_or(A);
        story.happens(Fault::Netlink(host, refuses));
        story.happens(Fault::Switchover(host));
        story.wait(ms(50));
        story.happens(Fault::Netlink(host, Netlink::default()));
        story.ends_well();
    }
}
