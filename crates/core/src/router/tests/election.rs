//! Two machines: who becomes Active, and when.

use super::bench::*;
use crate::router::config::*;
use crate::router::event::State;
use crate::router::input::Input;
use crate::time::Time;
use alloc::vec::Vec;
use core::time::Duration;

fn one(priority: u8) -> Config {
    config([instance("VI", 51, priority)])
}

fn states(world: &World) -> Vec<State> {
    (0..world.hosts.len()).map(|host| world.state(host, 0)).collect()
}

#[test]
fn a_machine_alone_becomes_active_after_its_down_timer() {
    let mut world = World::new([one(100)]);
    world.run(SECOND * 10);
    let want = [
        "0.000 remove VI",
        "0.000 INSTANCE VI BACKUP 100",
        "3.609 add VI",
        "3.609 announce VI x5",
        "3.609 INSTANCE VI MASTER 100",
        "8.609 announce VI x5",
    ];
    assert_eq!(world.trace(0), want);
}

#[test]
fn the_advert_goes_out_before_the_addresses_are_added() {
    let mut world = World::new([one(100)]);
    world.run(SECOND * 4);
    let lines = world.lines(0, "VI");
    let at = |text: &str| lines.iter().position(|line| line == text).unwrap();
    assert!(at("send VI 100") < at("add VI"));
    assert!(at("add VI") < at("announce VI x5"));
    assert!(at("announce VI x5") < at("INSTANCE VI MASTER 100"));
}

#[test]
fn an_owner_takes_its_addresses_at_once_if_its_state_is_master() {
    let mut world = World::new([one(255)]);
    world.run(MS);
    assert_eq!(
        world.trace(0),
        ["0.000 remove VI", "0.000 add VI", "0.000 announce VI x5", "0.000 INSTANCE VI MASTER 255"]
    );
    let backup = InstanceConfig { wants_active: false, ..instance("VI", 51, 255) };
    let mut world = World::new([config([backup])]);
    world.run(SECOND * 5);
    assert_eq!(world.trace(0)[2], "3.003 add VI");
}

#[test]
fn state_master_is_not_quicker() {
    let master = InstanceConfig { wants_active: true, ..instance("VI", 51, 100) };
    let mut world = World::new([config([master])]);
    world.run(SECOND * 5);
    assert_eq!(world.trace(0)[2], "3.609 add VI");
}

#[test]
fn down_timers() {
    let ms = Duration::from_millis;
    for (version, priority, interval, adverts, want_ms) in [
        (Version::V2, 100, ms(1000), 3, 3609),
        (Version::V2, 254, ms(1000), 3, 3007),
        (Version::V2, 100, ms(3000), 3, 9609),
        (Version::V2, 100, ms(1000), 5, 5609),
        (Version::V3, 100, ms(1000), 3, 3609),
        (Version::V3, 100, ms(3000), 3, 10828),
        (Version::V3, 254, ms(10), 3, 30),
        (Version::V3, 1, ms(40_950), 3, 163_640),
    ] {
        let it = InstanceConfig {
            version,
            advert_interval: interval,
            down_timer_adverts: adverts,
            ..instance("VI", 51, priority)
        };
        let world = World::new([config([it])]);
        assert_eq!(world.takes_over_ms(0, 0), Some(want_ms), "{version:?} {priority} {interval:?}");
    }
}

#[test]
fn the_higher_priority_wins_and_takes_over_again() {
    let mut world = World::new([one(150), one(100)]);
    world.run(SECOND * 5);
    assert_eq!(states(&world), [State::Active, State::Backup]);
    world.crash(0);
    world.run(SECOND * 4);
    assert_eq!(world.state(1, 0), State::Active);
    world.restart(0);
    world.run(SECOND * 5);
    assert_eq!(states(&world), [State::Active, State::Backup]);
    assert_eq!(world.hosts[1].holds, [false]);
}

#[test]
fn nopreempt_leaves_a_working_machine_alone() {
    let it = |priority| config([InstanceConfig { preempt: false, ..instance("VI", 51, priority) }]);
    let mut world = World::new([it(100)]);
    world.run(SECOND * 5);
    world.add(it(150));
    world.run(SECOND * 60);
    assert_eq!(states(&world), [State::Active, State::Backup]);
    world.crash(0);
    world.run(SECOND * 4);
    assert_eq!(world.state(1, 0), State::Active);
}

/// nopreempt is about Backup only: of two Active machines the higher one stays.
#[test]
fn nopreempt_does_not_keep_two_machines_active() {
    let it = |priority| config([InstanceConfig { preempt: false, ..instance("VI", 51, priority) }]);
    let mut world = World::new([it(100), it(150)]);
    world.hosts[0].connected = false;
    world.run(SECOND * 5);
    assert_eq!(states(&world), [State::Active, State::Active]);
    world.hosts[0].connected = true;
    world.run(SECOND * 2);
    assert_eq!(states(&world), [State::Backup, State::Active]);
}

/// The delay begins with the first lower advert, and the down timer comes on top.
#[test]
fn preempt_delay() {
    let it = InstanceConfig { preempt_delay: SECOND * 10, ..instance("VI", 51, 150) };
    let mut world = World::new([one(100)]);
    world.run(MS * 4000);
    world.add(config([it]));
    world.run(SECOND * 30);
    assert_eq!(states(&world), [State::Backup, State::Active]);
    // Adverts at 3.609 + n; the first one it hears at 4.609, the last one that counts at 13.609.
    assert_eq!(world.trace(1)[2], "17.023 add VI");
}

#[test]
fn preempt_delay_is_not_waited_for_without_another_machine() {
    let it = InstanceConfig { preempt_delay: SECOND * 100, ..instance("VI", 51, 150) };
    let mut world = World::new([config([it])]);
    world.run(SECOND * 4);
    assert_eq!(world.state(0, 0), State::Active);
}

#[test]
fn preempt_delay_begins_anew_after_a_higher_advert() {
    let it = InstanceConfig { preempt_delay: SECOND * 10, ..instance("VI", 51, 150) };
    let mut world = World::new([one(100), config([it])]);
    world.hosts[1].connected = false;
    world.crash(1);
    world.run(SECOND * 4);
    world.restart(1);
    world.hosts[1].connected = true;
    world.run(SECOND * 5);
    let left = world.hosts[1].router.status(world.now).instances[0].preempt_delay;
    assert!(left.is_some_and(|left| left < SECOND * 7));
    world.add(one(200));
    world.run(SECOND * 5);
    assert_eq!(states(&world), [State::Backup, State::Backup, State::Active]);
    assert_eq!(world.hosts[1].router.status(world.now).instances[0].preempt_delay, None);
    world.crash(2);
    world.run(SECOND * 20);
    assert_eq!(states(&world)[1], State::Active);
}

#[test]
fn of_equal_priorities_the_higher_address_stays_active() {
    let mut world = World::new([one(100), one(100)]);
    world.hosts[0].connected = false;
    world.run(SECOND * 5);
    world.hosts[0].connected = true;
    world.run(SECOND * 2);
    assert_eq!(states(&world), [State::Backup, State::Active]);
    // And a Backup of the same priority does not disturb an Active machine.
    let mut world = World::new([one(100)]);
    world.run(SECOND * 5);
    world.add(one(100));
    world.run(SECOND * 20);
    assert_eq!(states(&world), [State::Active, State::Backup]);
}

#[test]
fn a_graceful_stop_hands_over_within_the_skew() {
    let mut world = World::new([one(150), one(100)]);
    world.run(SECOND * 5);
    world.trace(0);
    world.trace(1);
    world.stop(0);
    world.run(SECOND * 2);
    assert_eq!(
        world.trace(0),
        ["5.000 send VI 0", "5.000 remove VI", "5.000 INSTANCE VI STOP 150", "5.000 exit"]
    );
    assert_eq!(world.trace(1)[0], "5.609 add VI");
}

#[test]
fn startup_delay_nothing_is_sent_or_heard() {
    let late = Config { startup_delay: SECOND * 20, ..one(200) };
    let mut world = World::new([one(100), late]);
    world.run(SECOND * 23);
    assert_eq!(states(&world), [State::Active, State::Backup]);
    assert_eq!(world.hosts[1].router.status(world.now).instances[0].counters.advert_rcvd, 3);
    world.run(MS * 300);
    assert_eq!(states(&world), [State::Backup, State::Active]);
    // An owner waits too, and no longer.
    let late = Config { startup_delay: SECOND * 20, ..one(255) };
    let mut world = World::new([late]);
    world.run(SECOND * 21);
    assert_eq!(
        world.trace(0)[..3],
        ["0.000 remove VI", "20.000 add VI", "20.000 announce VI x5"],
        "and is never told to be Backup"
    );
}

/// Version 3 learns the Active machine's interval; version 2 drops adverts of another one, which
/// makes two machines Active (keepalived does the same).
#[test]
fn intervals_that_differ() {
    let it = |version, priority, seconds| {
        config([InstanceConfig {
            version,
            advert_interval: SECOND * seconds,
            ..instance("VI", 51, priority)
        }])
    };
    let mut world = World::new([it(Version::V3, 150, 5), it(Version::V3, 100, 1)]);
    world.hosts[1].connected = false;
    world.crash(1);
    world.run(SECOND * 20);
    world.restart(1);
    world.hosts[1].connected = true;
    world.run(SECOND * 60);
    assert_eq!(states(&world), [State::Active, State::Backup]);
    let status = world.hosts[1].router.status(world.now);
    assert_eq!(status.instances[0].master_interval, SECOND * 5);
    assert_eq!(status.instances[0].down_interval.as_millis(), 18_046);

    let mut world = World::new([it(Version::V2, 150, 5), it(Version::V2, 100, 1)]);
    world.run(SECOND * 60);
    assert_eq!(states(&world), [State::Active, State::Active]);
}

/// Who leaves for a higher priority waits as long as that machine's interval asks for.
#[test]
fn the_interval_is_learned_on_leaving() {
    let it = |priority, seconds| {
        config([InstanceConfig {
            advert_interval: SECOND * seconds,
            ..instance_v3("VI", 51, priority)
        }])
    };
    let mut world = World::new([it(100, 1)]);
    world.run(SECOND * 5);
    world.add(it(150, 5));
    world.run(SECOND * 18);
    assert_eq!(states(&world), [State::Backup, State::Active]);
    let status = world.hosts[0].router.status(world.now);
    assert_eq!(status.instances[0].master_interval, SECOND * 5);
    assert_eq!(status.instances[0].master, Some((ip("10.0.0.2"), 150)));
}

#[test]
fn preempt_delay_begins_anew_after_a_fault() {
    let it = InstanceConfig { preempt_delay: SECOND * 10, ..instance("VI", 51, 150) };
    let mut world = World::new([one(100)]);
    world.run(SECOND * 4);
    world.add(config([it]));
    world.run(SECOND * 5);
    world.set_link(1, 0, false);
    world.set_link(1, 0, true);
    world.run(SECOND);
    let left = world.hosts[1].router.status(world.now).instances[0].preempt_delay;
    assert!(left > Some(SECOND * 9), "{left:?}");
}

/// An interval learned as Backup is forgotten as Active (keepalived forgets it only with `-D`).
#[test]
fn a_learned_interval_does_not_outlive_the_machine_it_came_from() {
    let it = |priority, seconds| {
        config([InstanceConfig {
            advert_interval: SECOND * seconds,
            ..instance_v3("VI", 51, priority)
        }])
    };
    let mut world = World::new([it(150, 2), it(100, 1)]);
    world.run(SECOND * 10);
    world.crash(0);
    world.run(SECOND * 10);
    assert_eq!(world.state(1, 0), State::Active);
    assert_eq!(world.hosts[1].router.status(world.now).instances[0].master_interval, SECOND);
}

/// Both priorities 255: the lower address gives in and is no owner any more.
#[test]
fn two_owners() {
    let mut world = World::new([one(255), one(255)]);
    world.run(SECOND * 10);
    assert_eq!(states(&world), [State::Backup, State::Active]);
    assert_eq!(world.hosts[0].router.status(world.now).instances[0].base_priority, 254);
}

#[test]
fn ipv6_unicast_and_a_second_instance() {
    let v6 = |priority, peer: &str| {
        let peer = Peer { address: ip(peer), min_ttl: 0, max_ttl: 255 };
        InstanceConfig {
            family: Family::V6,
            addresses: [address("fe80::100"), address("2001:db8::100")].into(),
            transport: Transport::Unicast { peers: [peer].into(), ttl: 255, check_source: true },
            ..instance_v3("V6", 52, priority)
        }
    };
    let mut world = World::new([
        config([instance("VI", 51, 150), v6(100, "fe80::2")]),
        config([instance("VI", 51, 100), v6(150, "fe80::1")]),
    ]);
    world.run(SECOND * 10);
    assert_eq!(states(&world), [State::Active, State::Backup]);
    assert_eq!([world.state(0, 1), world.state(1, 1)], [State::Backup, State::Active]);
    assert_eq!(world.hosts[0].holds, [true, false]);
}

/// A machine that stood still does not act on what it knew before.
#[test]
fn timer_expired_backup() {
    let it = InstanceConfig {
        preempt: false,
        timer_expired_backup: Some(100),
        ..instance("VI", 51, 150)
    };
    let mut world = World::new([config([it])]);
    world.run(SECOND * 5);
    world.trace(0);
    world.now = world.now + SECOND * 3;
    world.tell(0, Input::Deadline);
    assert_eq!(world.state(0, 0), State::Active, "late, but not too late");
    world.now = world.now + SECOND * 4;
    world.hosts[0].lines.clear();
    world.tell(0, Input::Deadline);
    assert_eq!(world.trace(0), ["12.000 remove VI", "12.000 INSTANCE VI BACKUP 150"]);
    assert!(world.hosts[0].router.deadline() < Time(u64::MAX));
}
