//! What happens to a machine, its cable, and the paths between the two.

use super::{Story, a_replicates, b_replicates, ms, served_by_a, served_by_b};
use crate::fault::Fault;
use crate::host::HostId::{A, B};
use crate::network::{Traffic, Weather};
use crate::redis::Boot;

pub(super) fn power(story: &mut Story) {
    story.pair();
    story.happens(Fault::PowerOff(A));
    story.within(ms(400), "the standby has the address", served_by_b);
    story.wait(ms(3_000));
    story.outage_at_most(ms(400));
    story.happens(Fault::PowerOn(A, Boot::File, ms(300), ms(200)));
    story.within(ms(8_000), "the old primary replicates", a_replicates);
    story.ends_well();
}

/// Resets so quick that nobody notices: Redis is back, empty, before the standby took over. Ten of
/// them, for its Redis notices the broken link only when it has something to say, once a second.
pub(super) fn power_reset(story: &mut Story) {
    story.pair();
    for turn in 0..10 {
        let host = story.world.serving().unwrap_or(A);
        story.happens(Fault::PowerOff(host));
        story.plans(ms(50), Fault::PowerOn(host, Boot::Empty, ms(100), ms(50)));
        story.ends_well();
        story.wait(ms(100 * turn));
    }
}

/// Both come back as primaries with the data of their files.
pub(super) fn power_of_both(story: &mut Story) {
    story.pair();
    story.happens(Fault::Save(A));
    story.wait(ms(50));
    story.happens(Fault::Save(B));
    story.happens(Fault::PowerOff(A));
    story.happens(Fault::PowerOff(B));
    story.wait(ms(2_000));
    story.happens(Fault::PowerOn(A, Boot::File, ms(300), ms(200)));
    story.happens(Fault::PowerOn(B, Boot::File, ms(350), ms(300)));
    story.within(ms(10_000), "one has the address", |world| world.serving().is_some());
    story.wait(crate::swarm::SETTLE);
    story.holds("everything is as it must be", |world| crate::checkers::missing(world).is_none());
}

/// For six seconds.
pub(super) fn unplug(story: &mut Story) {
    story.pair();
    story.happens(Fault::Unplug(A));
    story.within(ms(450), "the standby has the address", served_by_b);
    story.wait(ms(5_600));
    story.happens(Fault::Plug(A));
    story.within(ms(6_000), "the old primary replicates", a_replicates);
    story.holds("B has the address", served_by_b);
    story.ends_well();
}

/// The daemons' own datagrams are filtered; the adverts are enough.
pub(super) fn reports_silent(story: &mut Story) {
    story.pair();
    for host in [A, B] {
        story.happens(Fault::Cut(host, vec![Traffic::Reports]));
    }
    story.always(ms(5_000), "A has the address", served_by_a);
    story.no_failover();
    story.happens(Fault::Mend);
    story.ends_well();
}

/// VRRP is filtered; the reports say that A is there.
pub(super) fn adverts_silent(story: &mut Story) {
    story.pair();
    for host in [A, B] {
        story.happens(Fault::Cut(host, vec![Traffic::Adverts]));
    }
    story.always(ms(5_000), "A has the address", served_by_a);
    story.no_failover();
    story.happens(Fault::Mend);
    story.ends_well();
}

/// Without a tie-breaker both serve while they do not hear each other; afterwards one gives way.
pub(super) fn partition(story: &mut Story) {
    story.pair();
    for host in [A, B] {
        story.happens(Fault::Cut(host, Traffic::ALL.to_vec()));
    }
    story.wait(ms(6_000));
    story.happens(Fault::Mend);
    story.within(ms(1_000), "one of them has given way", |world| world.serving().is_some());
    story.ends_well();
}

/// So short that the standby has just taken over, and what it acknowledged in that moment is not in
/// the last INFO; and the cut-off machine has a write that only it has.
pub(super) fn unplug_short(story: &mut Story) {
    story.set_up(|options| options.advert_interval = ms(10));
    story.pair();
    for _ in 0..5 {
        let host = story.world.serving().unwrap_or(A);
        story.happens(Fault::WriteLocally(host, ms(1_000)));
        story.happens(Fault::Unplug(host));
        story.plans(ms(47), Fault::Plug(host));
        story.ends_well();
    }
}

/// The cable is moved to another port, and the switch goes on sending to the old one until it hears.
pub(super) fn replug(story: &mut Story) {
    story.pair();
    story.happens(Fault::Unplug(A));
    story.plans(ms(100), Fault::Replug(A));
    story.plans(ms(200), Fault::Plug(A));
    story.within(ms(1_000), "one has the address", |world| world.serving().is_some());
    story.ends_well();
}

/// Not one announcement reaches the client, which stays with the old machine until it is told again.
pub(super) fn announcements_lost(story: &mut Story) {
    story.pair();
    story.happens(Fault::Weather(Weather { arp_lost: 1_000, ..Weather::default() }));
    story.happens(Fault::Switchover(A));
    story.within(ms(50), "the standby has the address", served_by_b);
    story.wait(ms(4_000));
    story.holds("the client does not know", |world| world.client.arp.known() == Some(A));
    story.happens(Fault::Weather(Weather::default()));
    story.within(ms(31_000), "the client is told again", |world| {
        world.client.arp.known() == Some(B)
    });
    story.ends_well();
}

/// The primary loses its power in the middle of a full resync, and is back before anybody takes over:
/// Redis alone would wait a minute for the rest.
pub(super) fn power_in_resync(story: &mut Story) {
    story.set_up(|options| options.redis.transfer = ms(800));
    story.pair();
    story.happens(Fault::KillRedis(B, ms(1)));
    story.happens(Fault::Save(A));
    story.wait(ms(50));
    story.happens(Fault::StartRedis(B, Boot::Empty));
    story.wait(ms(300));
    story.happens(Fault::PowerOff(A));
    story.plans(ms(1_000), Fault::PowerOn(A, Boot::File, ms(200), ms(100)));
    story.within(ms(15_000), "B replicates", b_replicates);
    story.ends_well();
}
