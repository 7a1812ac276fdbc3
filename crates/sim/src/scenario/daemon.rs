//! What happens to the daemon, and what an operator asks of it.

use super::{Story, a_replicates, ms, served_by_a, served_by_b};
use crate::daemon::{Moment, State, Step};
use crate::fault::{Change, Fault};
use crate::host::HostId::{A, B};
use crate::network::Traffic;

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
    story.wait(ms(100));
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
    story.wait(ms(1_000));
    story.outage_at_most(ms(15));
    story.happens(Fault::StartDaemon(A));
    story.ends_well();
}

/// Adverts are filtered and reports come, so the standby's patience counts from the last report;
/// then the daemon is stopped, at any moment of its work.
pub(super) fn adverts_silent_and_stopped(story: &mut Story) {
    story.pair();
    for moment in 0..8 {
        let host = story.world.serving().unwrap_or(A);
        story.happens(Fault::Cut(host, vec![Traffic::Adverts]));
        story.wait(ms(500 + 13 * u64::from(moment)));
        let freeze = Fault::FreezeDaemon(host, ms(1_500));
        story.happens(Fault::Trap(host, Moment::Middle(moment), Box::new(freeze)));
        story.wait(ms(2_500));
        story.happens(Fault::Mend);
        story.ends_well();
    }
}

/// It has decided to take over, and is stopped before it does; the machine that handed over loses
/// patience, and takes the address back before the other wakes.
pub(super) fn standby_stopped_in_takeover(story: &mut Story) {
    story.set_up(|options| {
        options.advert_interval = ms(50);
        options.priorities = [254, 1];
    });
    story.pair();
    for length in [100, 160, 188, 210, 400] {
        let host = story.world.serving().unwrap_or(A);
        let freeze = Fault::FreezeDaemon(host.peer(), ms(length));
        story.happens(Fault::Trap(host.peer(), Moment::Middle(0), Box::new(freeze)));
        story.happens(Fault::Switchover(host));
        story.ends_well();
    }
}

/// The file changes, one machine after the other, while the address is held.
pub(super) fn reload(story: &mut Story) {
    story.pair();
    for change in [
        Change::Nothing,
        Change::SecondAddress(true),
        Change::Priority(A, 1),
        Change::Priority(A, 254),
        Change::SecondAddress(false),
    ] {
        for host in [A, B] {
            story.happens(Fault::Reload(host, change));
            story.wait(ms(300));
        }
    }
    story.holds("A has the address", served_by_a);
    story.no_failover();
    story.outage_at_most(ms(15));
    story.ends_well();
}
