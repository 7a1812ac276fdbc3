//! `vrrp_sync_group`: together or not at all.

use super::bench::*;
use crate::router::config::*;
use crate::router::event::State;
use crate::router::input::{Ended, Input};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use keepair_wire::vrrp::v2;

/// Two instances on two interfaces, in one group.
fn pair(priority: u8) -> Config {
    let a = instance("A", 51, priority);
    let mut b = InstanceConfig { link: LinkId(1), ..instance("B", 52, priority) };
    b.tracks.links = vec![track(LinkId(1), 0)];
    let mut config = config([a, b]);
    config.groups = vec![group(&config)];
    config
}

fn states(world: &World, host: usize) -> [State; 2] {
    [world.state(host, 0), world.state(host, 1)]
}

fn notices(world: &mut World, host: usize) -> Vec<String> {
    let told = |line: &String| line.contains("INSTANCE") || line.contains("GROUP");
    world.trace(host).into_iter().filter(told).collect()
}

/// Captured from keepalived 2.2.7, but for the order of the first three.
#[test]
fn a_group_becomes_active_as_one() {
    let mut world = World::new([pair(100)]);
    world.run(SECOND * 4);
    assert_eq!(
        notices(&mut world, 0),
        [
            "0.000 INSTANCE A BACKUP 100",
            "0.000 INSTANCE B BACKUP 100",
            "0.000 GROUP G BACKUP 0",
            "3.609 INSTANCE B MASTER 100",
            "3.609 INSTANCE A MASTER 100",
            "3.609 GROUP G MASTER 0",
        ]
    );
}

/// One that still hears the other machine holds all of them back.
#[test]
fn none_becomes_active_before_all_may() {
    let mut world = World::new([pair(150), pair(100)]);
    world.run(SECOND * 5);
    assert_eq!(states(&world, 1), [State::Backup, State::Backup]);
    // The other machine's adverts for B get lost for a while.
    world.hosts[0].router = {
        let mut only_a = pair(150);
        only_a.instances[1].vrid = crate::config::Vrid(99);
        let router = crate::router::Router::new(only_a.clone(), world.now);
        world.hosts[0].config = only_a;
        router
    };
    world.restart(0);
    world.run(SECOND * 60);
    assert_eq!(states(&world, 0), [State::Active, State::Active]);
    assert_eq!(states(&world, 1), [State::Backup, State::Backup]);
    let wanted = world.hosts[1].router.status(world.now).instances[1].wanted;
    assert_eq!(wanted, State::Active, "B would like to");
    world.crash(0);
    world.run(SECOND * 8);
    assert_eq!(states(&world, 1), [State::Active, State::Active]);
}

/// A member whose timer ran out, and that heard an advert since, holds the group back again.
#[test]
fn an_advert_takes_a_members_wish_back() {
    let hears = |world: &mut World, vrid: u8| {
        let link = u8::from(vrid == 52);
        let message = v2::Advert {
            vrid,
            priority: 150,
            auth_type: v2::AUTH_NONE,
            advert_int_s: 1,
            addresses: vec![Ipv4Addr::new(10, 0, 0, 100)],
            auth_data: [0; 8],
        };
        let src = IpAddr::from([10, 0, link, 2]);
        let (dst, message) = (ip("224.0.0.18"), message.emit());
        let link = LinkId(usize::from(link));
        world.tell(0, Input::Packet { link, src, dst, ttl: 255, message });
    };
    let mut world = World::new([pair(100)]);
    world.run(MS * 3500);
    hears(&mut world, 51);
    world.run(MS * 200);
    let wanted = |world: &World| world.hosts[0].router.status(world.now).instances[1].wanted;
    assert_eq!(wanted(&world), State::Active);
    hears(&mut world, 52);
    assert_eq!(wanted(&world), State::Backup);
    world.run(MS * 3500);
    assert_eq!(states(&world, 0), [State::Backup, State::Backup], "A alone would");
    world.run(MS * 200);
    assert_eq!(states(&world, 0), [State::Active, State::Active]);
}

#[test]
fn one_that_is_broken_breaks_all() {
    let mut world = World::new([pair(100)]);
    world.run(SECOND * 4);
    world.trace(0);
    world.set_link(0, 1, false);
    assert_eq!(
        world.trace(0),
        [
            "4.000 remove B",
            "4.000 send A 0",
            "4.000 send A 0",
            "4.000 remove A",
            "4.000 INSTANCE B FAULT 100",
            "4.000 INSTANCE A FAULT 100",
            "4.000 GROUP G FAULT 0",
        ]
    );
    world.set_link(0, 0, false);
    world.set_link(0, 1, true);
    assert_eq!(states(&world, 0), [State::Fault, State::Fault], "now A is broken");
    world.set_link(0, 0, true);
    assert_eq!(
        notices(&mut world, 0),
        ["4.000 INSTANCE A BACKUP 100", "4.000 INSTANCE B BACKUP 100", "4.000 GROUP G BACKUP 0"]
    );
}

#[test]
fn one_that_leaves_takes_all_with_it() {
    let mut world = World::new([pair(100)]);
    world.run(SECOND * 5);
    world.add(pair(150));
    world.run(SECOND * 5);
    assert_eq!(states(&world, 0), [State::Backup, State::Backup]);
    assert_eq!(states(&world, 1), [State::Active, State::Active]);
    assert_eq!(world.hosts[0].holds, [false, false]);
    assert_eq!(
        notices(&mut world, 0)[6..],
        ["8.414 INSTANCE B BACKUP 100", "8.414 INSTANCE A BACKUP 100", "8.414 GROUP G BACKUP 0"]
    );
}

#[test]
fn a_group_waits_for_every_first_result() {
    let mut config = pair(100);
    config.scripts = vec![script("s"), script("t")];
    config.groups[0].tracks.scripts = vec![track(ScriptId(0), 0)];
    config.instances[1].tracks.scripts = vec![track(ScriptId(1), 0)];
    let mut world = World::with_scripts(config, &[None, None]);
    assert_eq!(states(&world, 0), [State::Initialize, State::Initialize]);
    world.tell(0, Input::ScriptEnded(ScriptId(0), Ended::Exited(0)));
    assert_eq!(states(&world, 0), [State::Initialize, State::Initialize]);
    world.tell(0, Input::ScriptEnded(ScriptId(1), Ended::Exited(0)));
    assert_eq!(states(&world, 0), [State::Backup, State::Backup]);
}

#[test]
fn a_script_of_the_group_breaks_all() {
    let mut config = pair(100);
    config.scripts = vec![script("s")];
    config.groups[0].tracks.scripts = vec![track(ScriptId(0), 0)];
    let mut world = World::new([config]);
    world.run(MS * 4500);
    assert_eq!(states(&world, 0), [State::Active, State::Active]);
    world.hosts[0].scripts = vec![Some(1)];
    world.run(SECOND);
    assert_eq!(states(&world, 0), [State::Fault, State::Fault]);
}

/// Weights would tear a group apart: without `sync_group_tracking_weight` they do not count, and a
/// script that would only weigh is not run (keepalived 2.2.7: "is not used").
#[test]
fn weights_in_a_group() {
    for (counts, want) in [(false, 100), (true, 70)] {
        let mut config = pair(100);
        config.scripts = vec![script("s"), script("t")];
        config.instances[0].tracks.scripts = vec![track(ScriptId(0), -20)];
        config.groups[0].tracks.scripts = vec![track(ScriptId(1), -10)];
        config.groups[0].tracking_weight = counts;
        config.files = vec![FileConfig { name: "f".into() }];
        config.instances[0].tracks.files = vec![track(FileId(0), 1)];
        let mut world = World::with_scripts(config, &[Some(1), Some(1)]);
        world.tell(0, Input::FileRead(FileId(0), 0));
        world.run(SECOND);
        assert_eq!(world.priority(0, 0), want);
        world.tell(0, Input::FileRead(FileId(0), 5));
        assert_eq!(world.priority(0, 0), if counts { want + 5 } else { want });
        assert_eq!(world.trace(0).iter().any(|line| line.contains("run")), counts);
    }
}

#[test]
fn an_address_that_goes_takes_the_group_along() {
    let mut world = World::new([pair(100)]);
    world.run(SECOND * 4);
    world.trace(0);
    world.tell(0, Input::Gone(InstanceId(0)));
    world.run(SECOND);
    assert_eq!(
        world.trace(0),
        [
            "4.000 send A 0",
            "4.000 remove A",
            "4.000 send B 0",
            "4.000 remove B",
            "4.000 INSTANCE A BACKUP 100",
            "4.000 INSTANCE B BACKUP 100",
            "4.000 GROUP G BACKUP 0",
            "4.609 add B",
            "4.609 add A",
            "4.609 announce B x5",
            "4.609 INSTANCE B MASTER 100",
            "4.609 announce A x5",
            "4.609 INSTANCE A MASTER 100",
            "4.609 GROUP G MASTER 0",
        ]
    );
}

/// A lower advert for one member has all of them announced again.
#[test]
fn a_lower_advert_announces_the_group() {
    let mut world = World::new([pair(150)]);
    world.run(SECOND * 20);
    let mut alone = pair(100);
    alone.groups.clear();
    alone.instances.truncate(1);
    world.add(alone);
    world.hosts[1].connected = false;
    world.run(MS * 4500);
    world.trace(0);
    world.hosts[1].connected = true;
    world.run(SECOND);
    assert_eq!(
        world.trace(0)[..3],
        [
            "24.609 announce A x5",
            "24.609 announce B x5",
            "24.609 INSTANCE A MASTER_RX_LOWER_PRI 150"
        ]
    );
}

#[test]
fn the_group_is_told_when_all_addresses_are_there() {
    let mut world = World::new([pair(100)]);
    world.run(SECOND * 3);
    world.trace(0);
    world.hosts[0].slow = true;
    world.run(SECOND);
    assert_eq!(notices(&mut world, 0), Vec::<String>::new());
    let second = world.hosts[0].owed.pop().unwrap();
    world.answer(0);
    assert_eq!(notices(&mut world, 0), ["4.000 INSTANCE B MASTER 100"]);
    world.tell(0, second);
    assert_eq!(notices(&mut world, 0), ["4.000 INSTANCE A MASTER 100", "4.000 GROUP G MASTER 0"]);
}

#[test]
fn an_owner_in_a_group_waits_for_the_others() {
    let mut world = World::new([pair(255)]);
    world.run(Duration::from_millis(2900));
    assert_eq!(states(&world, 0), [State::Backup, State::Backup]);
    world.run(Duration::from_millis(200));
    assert_eq!(states(&world, 0), [State::Active, State::Active]);
}

#[test]
fn stop_tells_the_instances_and_then_the_group() {
    let mut world = World::new([pair(100)]);
    world.run(SECOND * 4);
    notices(&mut world, 0);
    world.stop(0);
    assert_eq!(
        notices(&mut world, 0),
        ["4.000 INSTANCE A STOP 100", "4.000 INSTANCE B STOP 100", "4.000 GROUP G STOP 0"]
    );
}

#[test]
fn a_group_of_nobody_is_nothing() {
    let mut config = pair(100);
    config.groups[0].members.clear();
    let mut world = World::new([config]);
    world.run(SECOND * 4);
    assert_eq!(states(&world, 0), [State::Active, State::Active]);
    let state = world.hosts[0].router.status(world.now).groups[0].state;
    assert_eq!(state, State::Initialize);
}
