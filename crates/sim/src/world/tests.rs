use super::*;
use crate::host::HostId::{A, B};
use crate::kernel::Netlink;
use crate::network::Weather;
use crate::options::VIPS;

/// A pair that works, with A as its primary.
fn pair() -> World {
    let mut world = World::new(Options::plain(1));
    world.begin_pair(A);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.serving(), Some(A));
    world
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn freeze(clock_stands: bool, room: usize) -> Fault {
    Fault::FreezeMachine { host: B, length: ms(500), clock_stands, room }
}

#[test]
fn a_machine_that_stands_still_does_nothing_and_its_clock_may_stand_with_it() {
    for (clock_stands, missed) in [(true, ms(500)), (false, Duration::ZERO)] {
        let mut world = pair();
        let before = world.hosts[B].clock.read(world.now);
        let told = world.told.len();
        world.apply(freeze(clock_stands, 0));
        world.run_for(ms(499));
        assert!(world.told[told..].iter().all(|(_, host, _)| *host == A), "B tells nothing");
        assert!(!world.answers(B) && world.hosts[B].freeze.is_some());
        world.run_for(ms(1));
        assert!(world.hosts[B].freeze.is_none());
        let passed = world.hosts[B].clock.read(world.now).since(before);
        assert_eq!(passed + missed, ms(500));
    }
}

#[test]
fn frames_for_a_machine_that_stands_still_are_kept_as_far_as_there_is_room() {
    let mut world = pair();
    world.apply(freeze(true, 3));
    world.run_for(ms(499));
    let freeze = world.hosts[B].freeze.as_ref().unwrap();
    let frames = freeze.missed.iter().filter(|event| matches!(event, Event::Frame { .. }));
    assert_eq!((frames.count(), freeze.room), (3, 0));
    assert!(freeze.lost > 3, "five adverts and five reports were sent at least");
}

#[test]
fn a_request_that_waits_in_the_kernel_is_carried_out_though_the_daemon_is_killed() {
    let mut world = pair();
    let slow = Netlink { waits_us: Some((50_000, 50_000)), ..Netlink::default() };
    world.apply(Fault::Netlink(A, slow));
    let until = world.hosts[A].kernel.fence_until();
    // The renewal is asked for right behind the next advert.
    let adverts = adverts_sent(&world);
    while adverts_sent(&world) == adverts {
        world.step();
    }
    world.run_for(ms(1));
    world.apply(Fault::KillDaemon(A));
    assert_eq!(world.hosts[A].kernel.fence_until(), until, "not yet");
    world.run_for(ms(60));
    assert!(world.hosts[A].kernel.fence_until() > until, "and the daemon is dead");
}

/// By A, by its own count.
fn adverts_sent(world: &World) -> u64 {
    let host = &world.hosts[A];
    let status = host.daemon.node.as_ref().map(|node| node.status(host.clock.read(world.now)));
    status.map_or(0, |status| status.counters.adverts_sent)
}

#[test]
fn a_stopped_daemon_keeps_the_oldest_datagrams_that_fit_into_its_sockets() {
    let mut world = World::new(Options { advert_interval: ms(10), ..Options::plain(1) });
    world.begin_pair(A);
    world.run_for(Duration::from_secs(5));
    let full = || crate::sometimes::Situation::SocketFull;
    let before = world.seen().count(full());
    world.apply(Fault::StopDaemon(B));
    world.run_for(ms(2_000));
    assert_eq!(world.seen().count(full()), before);
    world.run_for(ms(2_000));
    assert!(world.seen().count(full()) > before);
}

#[test]
fn what_a_connection_carries_arrives_in_order_whatever_the_weather() {
    let mut world = pair();
    let bad = Weather { lost: 100, late: 300, late_us: (500, 50_000), ..Weather::default() };
    world.apply(Fault::Weather(bad));
    for _ in 0..10 {
        world.apply(Fault::Cut(A, vec![Traffic::Rest]));
        world.run_for(ms(40));
        world.apply(Fault::Mend);
        world.run_for(ms(300));
    }
    world.apply(Fault::Weather(Weather::default()));
    world.stop_client();
    world.run_for(Duration::from_secs(4));
    let [a, b] = HostId::BOTH.map(|host| &world.hosts[host].redis);
    assert_eq!((a.position(), &a.data), (b.position(), &b.data));
    assert!(a.data.len() > 500);
}

#[test]
fn a_claim_without_an_announcement_leaves_clients_at_the_old_machine() {
    let mut world = pair();
    world.apply(Fault::Weather(Weather { arp_lost: 1_000, ..Weather::default() }));
    world.apply(Fault::Switchover(A));
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.serving(), Some(B));
    assert_eq!(world.client.arp.known(), Some(A));
    world.apply(Fault::Weather(Weather::default()));
    world.announce(B);
    world.run_for(ms(1));
    assert_eq!(world.client.arp.known(), Some(B));
}

#[test]
fn an_answer_does_not_leave_a_machine_without_the_address_or_behind_a_shut_fence() {
    let mut world = pair();
    let before = world.client.acknowledged.len();
    world.apply(Fault::StopRedis(A));
    world.run_for(ms(100));
    world.apply(Fault::KillDaemon(A));
    world.hosts[A].kernel.close_fence(false);
    world.apply(Fault::ContinueRedis(A));
    world.run_for(ms(5));
    assert_eq!(world.client.acknowledged.len(), before);
    let burst = crate::sometimes::Situation::BurstMuffled;
    assert!(world.seen().count(burst) > 10 && world.hosts[A].kernel.has(VIPS[0]));
}
