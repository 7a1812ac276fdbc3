//! Seeds outside the tested range that once failed, retold step by step: their numbers mean something
//! else since the world has changed. What each was: docs/seeds.md.

use super::{Story, ms, served_by_a, served_by_b};
use crate::fault::Fault;
use crate::host::HostId::{A, B};
use crate::network::{Traffic, Weather};
use crate::redis::{Boot, Persistence, WriteId};
use crate::world::World;

/// B is restarted empty while A's daemon is away, and remembers a report from when A was empty too.
pub(super) fn seed_1024047(story: &mut Story) {
    story.set_up(|options| {
        options.redis.version = crate::redis::Version::V6_0;
        options.tie_breakers = 2;
    });
    story.pair();
    story.happens(Fault::KillRedis(B, ms(1)));
    story.plans(ms(20), Fault::StartRedis(B, Boot::Empty));
    story.wait(ms(60));
    story.happens(Fault::Terminate(B));
    story.wait(ms(3_000));
    story.holds("B replicates", |world| world.hosts[B].redis.link_is_up());
    story.happens(Fault::KillRedis(A, ms(1)));
    story.plans(ms(15), Fault::StartRedis(A, Boot::Empty));
    story.wait(ms(500));
    story.always(ms(3_000), "nobody serves an empty Redis", |world| world.serving().is_none());
    story.happens(Fault::StartDaemon(B));
    story.within(ms(2_000), "B has the address", served_by_b);
    story.ends_well();
}

/// A, whose Redis waits for its disk, is told of B's newer data; when Redis answers, B's reports are
/// filtered again.
pub(super) fn seed_1015522(story: &mut Story) {
    story.set_up(|options| options.advert_interval = ms(50));
    story.pair();
    for host in [A, B] {
        story.happens(Fault::Cut(host, vec![Traffic::Adverts, Traffic::Reports]));
    }
    story.wait(ms(300));
    story.happens(Fault::StallRedis(A, ms(1_200)));
    story.wait(ms(500));
    story.happens(Fault::Mend);
    story.wait(ms(60));
    for host in [A, B] {
        story.happens(Fault::Cut(host, vec![Traffic::Reports]));
    }
    story.wait(ms(100));
    story.always(ms(2_000), "one answers at most", |world| !(world.answers(A) && world.answers(B)));
    story.happens(Fault::Mend);
    story.ends_well();
}

/// The rules are flushed twice between two renewals of the fence (and seed 353934592).
pub(super) fn seed_1009704(story: &mut Story) {
    story.set_up(|options| options.advert_interval = ms(1_000));
    story.pair();
    for _ in 0..6 {
        story.happens(Fault::FlushRules(A));
        story.wait(ms(900));
    }
    story.holds("A has the address", served_by_a);
    story.no_failover();
    story.ends_well();
}

/// A hands over, and its Redis adds a PING to its stream before it is told to follow: no client wrote it.
/// The two are far apart, so that A looks at its Redis before it learns that B serves.
pub(super) fn seed_1019248(story: &mut Story) {
    story.set_up(|options| {
        options.latency_us = (30_000, 31_000);
        options.client_interval = ms(300);
        options.client_rest = ms(300);
    });
    story.pair();
    for turn in 0..6 {
        let host = story.world.serving().unwrap_or(A);
        // It comes when the cron's turn falls between the hand-over and the order to follow.
        let ping_at = story.world.hosts[host].redis.next_ping_at();
        story.wait(ping_at.since(story.world.now).saturating_sub(ms(70 + 10 * turn)));
        story.mark();
        story.happens(Fault::Switchover(host));
        story.wait(ms(1_500));
        story.holds("one has the address", |world| world.serving().is_some());
        let taken = story.took_over();
        if taken != 1 {
            story.fail(format!("{taken} takeovers for one switchover"));
        }
    }
    story.ends_well();
}

/// A segment of the stream is held up on its way when A's Redis dies, and B, which can't know, takes over
/// without it. This is not mended (docs/seeds.md): what B lacks is archived before A follows.
pub(super) fn seed_1029036(story: &mut Story) {
    story.set_up(|options| options.redis.persistence = Persistence::Aof);
    story.pair();
    let late = Weather { late: 300, late_us: (100_000, 400_000), ..Weather::default() };
    story.happens(Fault::Weather(late));
    story.wait(ms(1_500));
    story.happens(Fault::Weather(Weather::default()));
    story.wait(ms(2));
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(1_000), "B has the address", served_by_b);
    story.holds("B lacks what was on its way", |world| lacks(world).next().is_some());
    story.happens(Fault::StartRedis(A, Boot::File));
    story.within(ms(5_000), "A replicates", |world| world.hosts[A].redis.link_is_up());
    story.holds("it is kept", |world| {
        let kept = &world.hosts[A].salvaged;
        lacks(world).all(|write| kept.contains(write))
    });
}

/// What was acknowledged, and is not on B.
fn lacks(world: &World) -> impl Iterator<Item = WriteId> + '_ {
    let data = &world.hosts[B].redis.data;
    world.client.acknowledged.iter().map(|(write, _, _)| *write).filter(|id| !data.contains(*id))
}
