//! A kernel that lets the daemon wait, or refuses, and what others do to its rules.

use super::{Story, ms, served_by_a, served_by_b};
use crate::fault::Fault;
use crate::host::Disk;
use crate::host::HostId::{A, B};
use crate::kernel::Netlink;
use crate::world::World;

fn refuses(addresses: u64, fence: u64) -> Netlink {
    Netlink { refuses_addresses: addresses, refuses_fence: fence, ..Netlink::default() }
}

/// Every request waits for somebody else's; an address can be moved all the same.
pub(super) fn slow(story: &mut Story) {
    story.pair();
    for host in [A, B] {
        let slow = Netlink { waits_us: Some((1_000, 20_000)), ..Netlink::default() };
        story.happens(Fault::Netlink(host, slow));
    }
    story.wait(ms(2_000));
    story.holds("A has the address", served_by_a);
    story.happens(Fault::Switchover(A));
    story.within(ms(300), "the standby has the address", served_by_b);
    story.ends_well();
}

/// Somebody removes the address, and it can't be put back: then the other machine has to serve it.
pub(super) fn refuses_the_address(story: &mut Story) {
    story.pair();
    story.happens(Fault::Netlink(A, refuses(1_000, 0)));
    story.happens(Fault::TakeAddress(A));
    story.within(ms(3_000), "the standby has the address", served_by_b);
    story.wait(ms(2_000));
    story.happens(Fault::Netlink(A, Netlink::default()));
    story.ends_well();
}

/// An address that could not be removed is removed later; meanwhile only the fence keeps it quiet.
pub(super) fn refuses_removal(story: &mut Story) {
    story.pair();
    story.happens(Fault::Netlink(A, refuses(1_000, 0)));
    story.happens(Fault::Switchover(A));
    story.within(ms(50), "the standby has the address", served_by_b);
    story.wait(ms(1_000));
    story.holds("A still has it, shut", |world| world.hosts[A].kernel.has_any());
    story.happens(Fault::Netlink(A, Netlink::default()));
    story.within(ms(3_000), "A has removed it", |world| !world.hosts[A].kernel.has_any());
    story.happens(Fault::FlushRules(A));
    story.ends_well();
}

/// Nothing is handed over by a machine whose kernel can't be stopped from serving.
pub(super) fn refuses_the_fence(story: &mut Story) {
    story.pair();
    story.happens(Fault::Netlink(A, refuses(1_000, 1_000)));
    story.wait(ms(1_000));
    story.holds("at most one answers", |world: &World| !(world.answers(A) && world.answers(B)));
    story.wait(ms(1_000));
    story.happens(Fault::Netlink(A, Netlink::default()));
    story.ends_well();
}

/// `nft flush ruleset` on the machine that serves, and on the other: the rules are laid again.
pub(super) fn rules_flushed(story: &mut Story) {
    story.pair();
    story.happens(Fault::FlushRules(A));
    story.happens(Fault::FlushRules(B));
    story.within(ms(500), "the rules are there again", |world| world.hosts[A].kernel.rules);
    story.holds("A has the address", served_by_a);
    story.no_failover();
    story.outage_at_most(ms(15));
    story.ends_well();
    story.happens(Fault::Switchover(A));
    story.within(ms(50), "the standby has the address", served_by_b);
    story.ends_well();
}

/// The generation can't be kept: no reason not to fail over.
pub(super) fn state_disk_full(story: &mut Story) {
    story.pair();
    for host in [A, B] {
        story.happens(Fault::Disk(host, Disk { refuses: 1_000, ..Disk::default() }));
    }
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(15), "the standby has the address", served_by_b);
    story.wait(ms(2_000));
    story.happens(Fault::Disk(B, Disk::default()));
    story.plans(ms(100), Fault::StartRedis(A, crate::redis::Boot::File));
    story.within(ms(5_000), "it is kept when there is room again", |world| {
        world.hosts[B].persisted.is_some_and(|kept| kept.primary)
    });
    story.ends_well();
}
