//! What happens to the daemon, and what an operator asks of it.

use super::{Story, a_replicates, ms, served_by_a, served_by_b};
use crate::daemon::{Moment, State, Step};
use crate::fault::Fault;
use crate::host::HostId::{A, B};

/// Its supervisor is quick: nobody notices.
pub(super) fn restarted(story: &mut Story) {
    story.pair();
    story.happens(Fault::RestartDaemon(A, ms(150)));
    story.always(ms(3_000), "A has the address", served_by_a);
    story.outage_at_most(ms(15));
    story.holds("B never took over", |world| world.hosts[B].redis.is_replica());
    story.ends_well();
}

pub(super) fn not_restarted(story: &mut Story) {
    story.pair();
    story.happens(Fault::KillDaemon(A));
    story.within(ms(450), "the standby has the address", served_by_b);
    story.wait(ms(3_000));
    story.outage_at_most(ms(450));
    story.happens(Fault::StartDaemon(A));
    story.within(ms(6_000), "the old primary replicates", a_replicates);
    story.ends_well();
}

/// It wakes up, long after its right is over, and does not know.
pub(super) fn stopped(story: &mut Story) {
    story.pair();
    story.happens(Fault::StopDaemon(A));
    story.within(ms(450), "the standby has the address", served_by_b);
    story.wait(ms(3_000));
    story.happens(Fault::ContinueDaemon(A));
    story.within(ms(5_000), "the old primary replicates", a_replicates);
    story.ends_well();
}

/// Between its advert and the renewal of its fence, whichever comes first.
pub(super) fn frozen_after_advert(story: &mut Story) {
    frozen_after(story, Step::SendAdvert);
}

/// The same on the other side.
pub(super) fn frozen_after_renewal(story: &mut Story) {
    frozen_after(story, Step::RenewFence);
}

fn frozen_after(story: &mut Story, step: Step) {
    story.pair();
    let freeze = Fault::FreezeDaemon(A, ms(2_000));
    story.happens(Fault::Trap(A, Moment::After(step), Box::new(freeze)));
    story.within(ms(1_000), "the standby has the address", served_by_b);
    story.ends_well();
}

/// The standby has told that it claims, and is stopped before it does: it may have served, for all
/// the other one can know, so nobody serves until it wakes up.
pub(super) fn standby_frozen_before_claim(story: &mut Story) {
    undecided(story, Step::OpenSource, Fault::FreezeDaemon(B, ms(4_000)));
}

/// The same, with its fence already open.
pub(super) fn standby_frozen_in_claim(story: &mut Story) {
    undecided(story, Step::OpenFence, Fault::FreezeDaemon(B, ms(4_000)));
}

/// The standby has told that it claims, and its daemon dies before it does.
pub(super) fn standby_killed_before_claim(story: &mut Story) {
    undecided(story, Step::OpenSource, Fault::RestartDaemon(B, ms(2_000)));
}

fn undecided(story: &mut Story, step: Step, fault: Fault) {
    story.pair();
    story.happens(Fault::Trap(B, Moment::After(step), Box::new(fault)));
    story.happens(Fault::Switchover(A));
    story.wait(ms(1_500));
    story.holds("the old primary waits for the standby", |world| !served_by_a(world));
    story.ends_well();
}

/// The standby serves, and its daemon dies before it has told anybody: what its Redis acknowledges
/// until the fence closes is kept.
pub(super) fn standby_killed_after_claim(story: &mut Story) {
    after_claim(story, Fault::RestartDaemon(B, ms(2_000)));
}

/// The same, but it is stopped and wakes up.
pub(super) fn standby_frozen_after_claim(story: &mut Story) {
    after_claim(story, Fault::FreezeDaemon(B, ms(2_000)));
}

fn after_claim(story: &mut Story, fault: Fault) {
    story.pair();
    let moment = Moment::After(Step::AddVips);
    story.happens(Fault::Trap(B, moment, Box::new(fault)));
    story.happens(Fault::Switchover(A));
    story.wait(ms(4_000));
    story.ends_well();
}

pub(super) fn switchover(story: &mut Story) {
    story.pair();
    story.happens(Fault::Switchover(A));
    story.within(ms(50), "the standby has the address", served_by_b);
    story.within(ms(2_000), "the old primary replicates", a_replicates);
    story.outage_at_most(ms(15));
    story.ends_well();
}

pub(super) fn switchover_from_standby(story: &mut Story) {
    story.pair();
    story.happens(Fault::Switchover(B));
    story.within(ms(50), "the standby has the address", served_by_b);
    story.wait(ms(1_000));
    story.outage_at_most(ms(15));
    story.ends_well();
}

/// SIGTERM hands over first.
pub(super) fn terminate(story: &mut Story) {
    story.pair();
    story.happens(Fault::Terminate(A));
    story.within(ms(50), "the standby has the address", served_by_b);
    story.within(ms(4_000), "the daemon is gone", |world| {
        world.hosts[A].daemon.state == State::Absent
    });
    story.within(ms(2_000), "the old primary replicates", a_replicates);
    story.outage_at_most(ms(15));
    story.wait(ms(1_000));
    story.happens(Fault::StartDaemon(A));
    story.ends_well();
}
