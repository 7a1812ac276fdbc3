//! How a pair begins.

use super::{Story, b_replicates, ms, served_by_a};
use crate::fault::Fault;
use crate::host::HostId::{self, A, B};
use crate::redis::Boot;

/// Two empty Redis, both primary, and two daemons that have never run.
pub(super) fn cold_start(story: &mut Story) {
    story.happens(Fault::StartRedis(A, Boot::Empty));
    story.happens(Fault::StartRedis(B, Boot::Empty));
    story.world.start_client();
    story.plans(ms(100), Fault::StartDaemon(A));
    story.plans(ms(400), Fault::StartDaemon(B));
    story.within(ms(6_000), "the better priority has the address", served_by_a);
    story.within(ms(4_000), "the other one replicates", b_replicates);
    story.ends_well();
}

/// A pair that runs already, with data, set up by hand.
pub(super) fn adoption(story: &mut Story) {
    story.world.begin_pair(A);
    story.within(ms(6_000), "the primary has the address", served_by_a);
    story.holds("the replica stayed one", b_replicates);
    story.ends_well();
    story.holds("the data was kept", |world| {
        (0..100).all(|write| world.hosts[B].redis.data.contains(write))
    });
}

/// Two Redis that hold different data: a person has to say which is the right one.
pub(super) fn unrelated_data(story: &mut Story) {
    for host in [A, B] {
        story.happens(Fault::StartRedis(host, Boot::Empty));
        let data = own(host);
        story.world.hosts[host].redis.seed_data(data);
        story.plans(ms(500), Fault::StartDaemon(host));
    }
    story.world.start_client();
    story.always(ms(20_000), "neither was overwritten", |world| {
        let kept = |host: HostId| own(host).all(|id| world.hosts[host].redis.data.contains(id));
        kept(A) && kept(B)
    });
}

/// What each holds and the other does not.
fn own(host: HostId) -> std::ops::Range<crate::redis::WriteId> {
    let first = 200 * host as u32;
    first..first + 100
}
