//! What happens to the daemon, and what an operator asks of it.

use super::{Story, a_replicates, ms, served_by_a, served_by_b};
use crate::daemon::State;
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

/// Between the renewal of its fence and the advert that goes with it.
pub(super) fn frozen_before_advert(story: &mut Story) {
    story.pair();
    let freeze = Fault::FreezeDaemon(A, ms(2_000));
    story.happens(Fault::Trap(A, 0, Box::new(freeze)));
    story.within(ms(1_000), "the standby has the address", served_by_b);
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
