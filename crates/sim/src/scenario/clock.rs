//! Machines that stand still, and clocks that run at another rate.

use super::{Story, a_replicates, ms, served_by_a, served_by_b};
use crate::fault::Fault;
use crate::host::HostId::{A, B};

fn freeze(story: &mut Story, clock_stands: bool) {
    story.pair();
    story.happens(Fault::FreezeMachine { host: A, length: ms(4_000), clock_stands, room: 64 });
    story.within(ms(450), "the standby has the address", served_by_b);
    story.wait(ms(5_000));
    story.holds("B has the address", served_by_b);
    story.within(ms(5_000), "the old primary replicates", a_replicates);
    story.ends_well();
    // It may have announced the address once more when it woke.
    story.holds("clients are told who has it", |world| world.client.arp.known() == Some(B));
}

/// Its clocks jump when it wakes: the fence has closed, and nothing that waited gets out.
pub(super) fn frozen(story: &mut Story) {
    freeze(story, false);
}

/// Nothing tells it that time has passed, until it hears the other.
pub(super) fn frozen_with_its_clock(story: &mut Story) {
    freeze(story, true);
}

/// The silence of its own sleep is not the peer's.
pub(super) fn standby_frozen(story: &mut Story) {
    story.set_up(|options| options.advert_interval = ms(250));
    story.pair();
    for length in [200, 500, 855, 890, 2_000] {
        let length = ms(length);
        story.happens(Fault::FreezeMachine { host: B, length, clock_stands: false, room: 0 });
        story.wait(length + ms(1_500));
    }
    story.holds("A has the address", served_by_a);
    story.no_failover();
    story.ends_well();
}

/// Both clocks a hundredth off, in opposite directions, and a standby without any skew: the fence of
/// a daemon that is killed still closes before the other takes over.
pub(super) fn drift(story: &mut Story) {
    story.set_up(|options| {
        options.clock_ppm = [-10_000, 10_000];
        options.priorities = [1, 254];
        options.advert_interval = ms(1_000);
    });
    story.pair();
    story.happens(Fault::KillDaemon(A));
    story.within(ms(4_000), "the standby has the address", served_by_b);
    story.happens(Fault::StartDaemon(A));
    story.within(ms(12_000), "the old primary replicates", a_replicates);
    story.ends_well();
}
