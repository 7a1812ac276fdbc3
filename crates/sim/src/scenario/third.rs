//! A tie-breaker, and an operator where there is none.

use super::{Story, ms};
use crate::arbiter::Trouble;
use crate::fault::{Fault, Way};
use crate::host::HostId::{A, B};
use crate::network::Traffic;
use crate::options::Options;
use crate::redis::Boot;
use crate::world::World;
use keepair_wire::peer::State;

fn one_third(options: &mut Options) {
    options.tie_breakers = 1;
}

fn served_by_a(world: &World) -> bool {
    world.serving() == Some(A)
}

fn served_by_b(world: &World) -> bool {
    world.serving() == Some(B)
}

fn a_is_back(story: &mut Story) {
    story.happens(Fault::PowerOn(A, Boot::File, ms(100), ms(50)));
    story.ends_well();
}

fn part(story: &mut Story) {
    for host in [A, B] {
        story.happens(Fault::Cut(host, Traffic::ALL.to_vec()));
    }
}

/// The two do not hear each other; the tie-breaker hears both. Nothing moves.
pub(super) fn partition(story: &mut Story) {
    story.set_up(one_third);
    story.pair();
    part(story);
    story.always(ms(6_000), "A has the address", served_by_a);
    story.no_failover();
    story.happens(Fault::Mend);
    story.ends_well();
}

/// Nobody hears A, which has clients of its own.
pub(super) fn cut_off(story: &mut Story) {
    story.set_up(one_third);
    story.pair();
    story.happens(Fault::WriteLocally(A, ms(6_000)));
    story.happens(Fault::Arbiters(Trouble::Cut(A)));
    part(story);
    story.within(ms(1_000), "B serves", served_by_b);
    story.always(ms(5_000), "B has the address", served_by_b);
    story.happens(Fault::Mend);
    story.happens(Fault::Arbiters(Trouble::Mend));
    story.ends_well();
}

/// The tie-breaker is away, and then A's machine: B has nobody who stands by it.
pub(super) fn away_and_power(story: &mut Story) {
    story.set_up(one_third);
    story.pair();
    story.happens(Fault::Arbiters(Trouble::End));
    story.always(ms(3_000), "A has the address", served_by_a);
    story.happens(Fault::PowerOff(A));
    story.wait(ms(1_000));
    story.always(ms(2_000), "nobody serves", |world| world.serving().is_none());
    story.happens(Fault::Arbiters(Trouble::Start));
    story.within(ms(2_000), "B serves", served_by_b);
    a_is_back(story);
}

/// It forgets, while everything is well and while A's machine dies.
pub(super) fn restarts(story: &mut Story) {
    story.set_up(one_third);
    story.pair();
    story.happens(Fault::Arbiters(Trouble::Start));
    story.always(ms(2_000), "A has the address", served_by_a);
    story.no_failover();
    story.happens(Fault::Arbiters(Trouble::Start));
    story.happens(Fault::PowerOff(A));
    story.within(ms(1_500), "B serves", served_by_b);
    a_is_back(story);
}

/// It does not cost a dead machine's heir more than a round trip.
pub(super) fn power(story: &mut Story) {
    story.set_up(one_third);
    story.pair();
    story.happens(Fault::PowerOff(A));
    story.within(ms(420), "B serves", served_by_b);
    a_is_back(story);
}

/// Redis dies: nobody waits for the tie-breaker.
pub(super) fn crash(story: &mut Story) {
    story.set_up(one_third);
    story.pair();
    story.happens(Fault::Arbiters(Trouble::End));
    story.wait(ms(500));
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(15), "B serves", served_by_b);
    story.happens(Fault::StartRedis(A, Boot::Empty));
    story.happens(Fault::Arbiters(Trouble::Start));
    story.ends_well();
}

/// B can't hear A and falls behind while A serves by the tie-breaker's vote; then A dies. What A has
/// acknowledged is on A alone, and B does not pass its older data off as the pair's.
pub(super) fn left_behind(story: &mut Story) {
    story.set_up(one_third);
    story.pair();
    part(story);
    story.always(ms(4_000), "A has the address", served_by_a);
    story.happens(Fault::PowerOff(A));
    story.wait(ms(1_000));
    story.always(ms(4_000), "nobody serves", |world| world.serving().is_none());
    story.happens(Fault::Mend);
    a_is_back(story);
}

/// A machine that begins alone waits, until the operator says otherwise.
pub(super) fn solo(story: &mut Story) {
    story.world.start_redis(A, Boot::Empty);
    story.world.hosts[A].redis.seed_data(0..100);
    story.world.start_client();
    story.happens(Fault::StartDaemon(A));
    story.wait(ms(5_000));
    story.always(ms(5_000), "nobody serves", |world| world.serving().is_none());
    story.happens(Fault::Solo(A));
    story.within(ms(1_000), "A serves", served_by_a);
    story.happens(Fault::RestartDaemon(A, ms(5_000)));
    story.wait(ms(10_000));
    story.within(ms(500), "A serves: what the operator said was kept", served_by_a);
    story.world.start_redis(B, Boot::Empty);
    story.happens(Fault::StartDaemon(B));
    story.within(ms(5_000), "B replicates", |world| {
        world.hosts[B].daemon.phase() == Some(State::Backup)
    });
    story.ends_well();
}

/// Two data sets that can't be compared: the operator says which is the pair's.
pub(super) fn accept(story: &mut Story) {
    for (host, data) in [(A, 0..100), (B, 100..250)] {
        story.world.start_redis(host, Boot::Empty);
        story.world.hosts[host].redis.seed_data(data);
        story.happens(Fault::StartDaemon(host));
    }
    story.world.start_client();
    story.wait(ms(5_000));
    story.always(ms(3_000), "nobody serves", |world| world.serving().is_none());
    story.happens(Fault::Decide(B, Way::Accept));
    story.within(ms(3_000), "B serves", served_by_b);
    story.ends_well();
}
