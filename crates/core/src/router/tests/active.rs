//! Being Active: announcements, addresses that come and go, notices, stop.

use super::bench::*;
use crate::router::config::*;
use crate::router::event::{Event, State};
use crate::router::input::{Input, Operator};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;
use keepair_wire::vrrp::v2;

fn one(priority: u8) -> Config {
    config([instance("VI", 51, priority)])
}

fn with_garp(garp: Garp) -> Config {
    config([InstanceConfig { garp, ..instance("VI", 51, 100) }])
}

fn announcements(world: &mut World) -> Vec<String> {
    let lines = world.trace(0).into_iter().filter(|line| line.contains("announce"));
    lines.collect()
}

#[test]
fn bursts_and_refreshes() {
    let default = instance("VI", 51, 100).garp;
    let mut world = World::new([with_garp(Garp {
        delay: SECOND * 2,
        repeat: 3,
        refresh: SECOND * 10,
        refresh_repeat: 2,
        ..default
    })]);
    world.run(SECOND * 40);
    assert_eq!(
        announcements(&mut world),
        [
            "3.609 announce VI x3",
            "5.609 announce VI x3",
            "15.609 announce VI x2",
            "25.609 announce VI x2",
            "35.609 announce VI x2",
        ]
    );
    let mut world = World::new([with_garp(Garp { delay: Duration::ZERO, ..default })]);
    world.run(SECOND * 40);
    assert_eq!(announcements(&mut world), ["3.609 announce VI x5"]);
}

#[test]
fn the_operator_has_everything_announced() {
    let mut world = World::new([one(100)]);
    world.tell(0, Input::Operator(Operator::Announce));
    assert_eq!(announcements(&mut world), Vec::<String>::new(), "nothing is held");
    world.run(SECOND * 4);
    announcements(&mut world);
    world.tell(0, Input::Operator(Operator::Announce));
    assert_eq!(announcements(&mut world), ["4.000 announce VI x5"]);
}

/// Another machine that thinks it is Active is answered, and everybody is told whose the addresses
/// are: now, and again after a while.
#[test]
fn a_lower_advert() {
    let lower = |quiet| {
        let it = InstanceConfig {
            lower_prio_no_advert: quiet,
            garp: Garp {
                lower_prio_delay: SECOND * 3,
                lower_prio_repeat: 2,
                ..instance("VI", 51, 100).garp
            },
            ..instance("VI", 51, 150)
        };
        let mut world = World::new([config([it]), one(100)]);
        world.hosts[0].connected = false;
        world.run(SECOND * 20);
        let message = v2::Advert {
            vrid: 51,
            priority: 100,
            auth_type: v2::AUTH_NONE,
            advert_int_s: 1,
            addresses: [Ipv4Addr::new(10, 0, 0, 100)].into(),
            auth_data: [0; 8],
        }
        .emit();
        world.hosts[0].lines.clear();
        let packet = Input::Packet {
            link: LinkId(0),
            src: ip("10.0.0.2"),
            dst: ip("224.0.0.18"),
            ttl: 255,
            message,
        };
        world.tell(0, packet);
        let now = world.lines(0, "VI");
        world.run(SECOND * 4);
        (now, world.lines(0, "announce"))
    };
    let (now, later) = lower(false);
    assert_eq!(now, ["send VI 150", "announce VI x2", "INSTANCE VI MASTER_RX_LOWER_PRI 150"]);
    assert_eq!(later, ["announce VI x2"]);
    let (now, _) = lower(true);
    assert_eq!(now, ["announce VI x2", "INSTANCE VI MASTER_RX_LOWER_PRI 150"]);
}

#[test]
fn a_farewell_is_answered_at_once() {
    let mut world = World::new([one(150), one(100)]);
    world.hosts[0].connected = false;
    world.run(MS * 4100);
    world.hosts[0].connected = true;
    world.hosts[0].lines.clear();
    world.stop(1);
    assert_eq!(world.lines(0, "VI"), ["send VI 150"]);
    assert_eq!(world.state(0, 0), State::Active);
}

#[test]
fn higher_prio_send_advert() {
    let it = InstanceConfig { higher_prio_send_advert: true, ..instance("VI", 51, 100) };
    let mut world = World::new([config([it])]);
    world.run(SECOND * 4);
    world.add(one(200));
    world.hosts[0].lines.clear();
    world.run(MS * 3300);
    let lines = world.lines(0, "VI");
    let after = lines.iter().rev().take(3).rev();
    assert_eq!(after.collect::<Vec<_>>(), ["send VI 100", "remove VI", "INSTANCE VI BACKUP 100"]);
}

/// Somebody else removes an address: priority 0, Backup, and an election that waits for the skew only.
#[test]
fn an_address_that_goes() {
    let mut world = World::new([one(100)]);
    world.tell(0, Input::Gone(InstanceId(0)));
    assert_eq!(world.state(0, 0), State::Backup, "it does not matter to a Backup");
    world.run(SECOND * 4);
    world.trace(0);
    world.tell(0, Input::Gone(InstanceId(0)));
    world.run(SECOND);
    assert_eq!(
        world.trace(0),
        [
            "4.000 send VI 0",
            "4.000 remove VI",
            "4.000 INSTANCE VI BACKUP 100",
            "4.609 add VI",
            "4.609 announce VI x5",
            "4.609 INSTANCE VI MASTER 100",
        ]
    );
}

/// Announcement and notice wait for the kernel, and an answer to an older question is not taken for
/// the one to the last.
#[test]
fn answers_that_come_late() {
    let mut world = World::new([one(100)]);
    world.run(SECOND * 3);
    world.hosts[0].slow = true;
    world.run(SECOND);
    world.trace(0);
    world.tell(0, Input::Gone(InstanceId(0)));
    world.run(SECOND);
    assert_eq!(
        world.trace(0),
        [
            "4.000 send VI 0",
            "4.000 remove VI",
            "4.000 INSTANCE VI MASTER 100",
            "4.609 add VI",
            "4.609 INSTANCE VI BACKUP 100",
        ],
        "each change is told once and in order"
    );
    assert_eq!(world.hosts[0].owed.len(), 3);
    world.answer(0);
    assert_eq!(world.trace(0), ["5.000 announce VI x5", "5.000 INSTANCE VI MASTER 100"]);
}

#[test]
fn what_the_kernel_refused_is_told() {
    let mut world = World::new([one(100)]);
    world.tell(0, Input::Removed(InstanceId(0), Err("busy".into())));
    world.run(SECOND * 3);
    world.hosts[0].slow = true;
    world.run(SECOND);
    world.hosts[0].owed.clear();
    world.trace(0);
    world.tell(0, Input::Added(InstanceId(0), Err("10.0.0.100: no such device".into())));
    assert_eq!(world.trace(0), ["4.000 announce VI x5", "4.000 INSTANCE VI MASTER 100"]);
    let problems: Vec<&str> = world.hosts[0]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Problem { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        problems,
        [
            "could not remove all addresses: busy",
            "could not add all addresses: 10.0.0.100: no such device",
        ]
    );
}

/// Captured from keepalived 2.2.7: priority 0, addresses, STOP for every instance in any state.
#[test]
fn stop() {
    let mut b = InstanceConfig { link: LinkId(1), ..instance("B", 52, 90) };
    b.tracks.links = [track(LinkId(1), 0)].into();
    let mut world = World::new([config([instance("A", 51, 100), b])]);
    world.set_link(0, 1, false);
    world.run(SECOND * 4);
    world.trace(0);
    world.stop(0);
    assert_eq!(
        world.trace(0),
        [
            "4.000 send A 0",
            "4.000 remove A",
            "4.000 INSTANCE A STOP 100",
            "4.000 INSTANCE B STOP 90",
            "4.000 exit",
        ]
    );
    world.run(SECOND * 10);
    world.stop(0);
    assert_eq!(world.trace(0), Vec::<String>::new(), "nothing more");
}

/// STOP waits until the addresses are gone, but not for ever.
#[test]
fn stop_with_a_kernel_that_does_not_answer() {
    let mut world = World::new([one(100)]);
    world.run(SECOND * 4);
    world.hosts[0].slow = true;
    world.trace(0);
    world.stop(0);
    assert_eq!(world.trace(0), ["4.000 send VI 0", "4.000 remove VI"]);
    world.stop(0);
    world.run(MS * 4900);
    assert_eq!(world.trace(0), Vec::<String>::new());
    world.run(MS * 200);
    assert_eq!(world.trace(0), ["9.000 INSTANCE VI STOP 100", "9.000 exit"]);
}

#[test]
fn a_script_that_runs_is_ended_at_stop() {
    let mut it = one(100);
    it.scripts.push(script("s"));
    it.instances[0].tracks.scripts.push(track(ScriptId(0), -10));
    let mut world = World::with_scripts(it, &[None]);
    world.run(MS * 100);
    world.trace(0);
    world.stop(0);
    assert_eq!(
        world.trace(0),
        ["0.100 SIGTERM s", "0.100 INSTANCE VI STOP 100", "0.100 SIGKILL s", "0.100 exit"]
    );
}

/// Adverts keep their pace, though each is sent a little late.
#[test]
fn adverts_keep_their_pace() {
    let mut world = World::new([one(100)]);
    world.run(MS * 3700);
    let first = world.hosts[0].router.deadline();
    for beat in 1..5 {
        world.now = first + SECOND * (beat - 1) + MS * 30;
        world.tell(0, Input::Deadline);
        assert_eq!(world.hosts[0].router.deadline(), first + SECOND * beat);
    }
    // One that came later than the next was due starts a new count.
    world.now = world.now + SECOND * 2;
    world.tell(0, Input::Deadline);
    assert!(world.hosts[0].router.deadline() > world.now);
}

#[test]
fn counters_and_times_of_day() {
    let mut world = World::new([one(150), one(100)]);
    world.run(SECOND * 6);
    let status = world.hosts[0].router.status(world.now);
    let it = &status.instances[0];
    assert_eq!((it.counters.become_master, it.counters.advert_sent), (1, 3));
    assert_eq!(it.last_transition.as_millis(), 1_000_003_414);
    assert_eq!(status.unix.as_millis(), 1_000_006_000);
    assert_eq!(it.master, Some((ip("10.0.0.1"), 150)));
    let it = &world.hosts[1].router.status(world.now).instances[0];
    assert_eq!(it.counters.advert_rcvd, 3);
    assert_eq!(it.master, Some((ip("10.0.0.1"), 150)));
    // The clock is set: what happened before moves with it.
    world.tell(0, Input::ClockSet { unix: Duration::from_secs(2_000_000) });
    let it = &world.hosts[0].router.status(world.now).instances[0];
    assert_eq!(it.last_transition.as_millis(), 1_999_997_414);
    world.tell(0, Input::Operator(Operator::ClearCounters));
    let it = &world.hosts[0].router.status(world.now).instances[0];
    assert_eq!(it.counters, crate::router::status::Counters::default());
}
