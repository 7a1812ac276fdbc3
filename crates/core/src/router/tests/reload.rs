//! A new configuration while the router runs.

use super::bench::*;
use crate::config::Vrid;
use crate::router::config::*;
use crate::router::event::State;
use crate::router::input::{Ended, Input};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

fn one() -> Config {
    config([instance("VI", 51, 100)])
}

/// Active since 3.609, at 5.0.
fn active() -> World {
    let mut world = World::new([one()]);
    world.run(SECOND * 5);
    world.hosts[0].lines.clear();
    world
}

/// The peers must not miss an advert while a machine is busy with its new file.
#[test]
fn an_active_machine_sends_an_advert_before_and_after() {
    let mut world = active();
    world.reload(0, one());
    assert_eq!(world.lines(0, ""), ["send VI 100", "adopt", "send VI 100"]);
    assert_eq!(world.state(0, 0), State::Active);
    assert_eq!(world.hosts[0].holds, [true]);
}

#[test]
fn a_renamed_instance_is_the_same() {
    let mut world = active();
    let mut new = one();
    new.instances[0].name = "NEW".into();
    new.instances.insert(0, instance("OTHER", 52, 100));
    world.reload(0, new);
    assert_eq!(world.state(0, 1), State::Active);
    assert_eq!(world.state(0, 0), State::Backup);
    assert_eq!(world.hosts[0].holds, [false, true]);
    world.run(SECOND * 4);
    assert_eq!(
        world.trace(0),
        [
            "5.000 adopt",
            "5.000 remove OTHER",
            "5.000 INSTANCE OTHER BACKUP 100",
            "8.609 add OTHER",
            "8.609 announce NEW x5",
            "8.609 announce OTHER x5",
            "8.609 INSTANCE OTHER MASTER 100",
        ]
    );
}

/// Each of these makes another instance of it, which begins anew.
#[test]
fn what_makes_another_instance() {
    for (name, change) in [
        ("number", (|it| it.vrid = Vrid(52)) as fn(&mut InstanceConfig)),
        ("family", |it| {
            it.family = Family::V6;
            it.version = Version::V3;
            it.addresses = vec![address("fe80::100")];
        }),
        ("interface", |it| it.link = LinkId(1)),
        ("group", |it| it.transport = Transport::Multicast { group: ip("224.0.0.19") }),
        ("unicast", |it| {
            let peers = vec![Peer { address: ip("10.0.0.2"), min_ttl: 0, max_ttl: 255 }];
            it.transport = Transport::Unicast { peers, ttl: 255, check_source: false };
        }),
        ("macvlan", |it| {
            it.vmac =
                Some(Vmac { name: "vrrp.51".into(), mac: [0, 0, 94, 0, 1, 51], xmit_base: false });
        }),
    ] {
        let mut world = active();
        let mut new = one();
        change(&mut new.instances[0]);
        world.reload(0, new);
        assert_eq!(world.state(0, 0), State::Backup, "{name}");
        assert_eq!(world.trace(0)[..2], ["5.000 send VI 0", "5.000 INSTANCE VI FAULT 100"]);
    }
    for (name, change) in [
        ("source of multicast", (|it| it.source = Some(ip("10.0.0.1"))) as fn(&mut InstanceConfig)),
        ("priority", |it| it.priority = 50),
        ("version", |it| it.version = Version::V3),
        ("interval", |it| it.advert_interval = SECOND * 2),
    ] {
        let mut world = active();
        let mut new = one();
        change(&mut new.instances[0]);
        world.reload(0, new);
        assert_eq!(world.state(0, 0), State::Active, "{name}");
    }
}

#[test]
fn an_instance_that_is_gone() {
    for (deleted, want) in [(false, "FAULT"), (true, "DELETED")] {
        let mut old = one();
        old.instances[0].notify_deleted = deleted;
        let mut world = World::new([old]);
        world.run(SECOND * 5);
        world.trace(0);
        world.reload(0, config([]));
        let notice = alloc::format!("5.000 INSTANCE VI {want} 100");
        assert_eq!(world.trace(0), ["5.000 send VI 0", &notice, "5.000 adopt"]);
        assert_eq!(world.hosts[0].holds, Vec::<bool>::new());
    }
}

#[test]
fn addresses_that_change_are_announced() {
    let mut world = active();
    let mut new = one();
    new.instances[0].addresses.push(address("10.0.0.101"));
    world.reload(0, new);
    assert_eq!(world.trace(0), ["5.000 adopt", "5.000 add VI", "5.000 announce VI x5"]);
    world.run(SECOND * 6);
    assert_eq!(world.trace(0), ["10.000 announce VI x5"]);
}

/// Results are carried over; a new script has none, which holds nobody who is up already.
#[test]
fn scripts() {
    let mut old = one();
    old.scripts = vec![script("s"), script("gone")];
    old.instances[0].tracks.scripts = vec![track(ScriptId(0), 0), track(ScriptId(1), 0)];
    let mut world = World::new([old]);
    world.run(MS * 4500);
    assert_eq!(world.state(0, 0), State::Active);
    world.hosts[0].scripts = vec![None, None];
    world.run(SECOND);
    world.trace(0);

    let mut new = one();
    new.scripts = vec![script("new"), ScriptConfig { fall: 2, ..script("s") }];
    new.instances[0].tracks.scripts = vec![track(ScriptId(0), 0), track(ScriptId(1), 0)];
    world.reload(0, new.clone());
    assert_eq!(world.trace(0), ["5.500 SIGKILL gone", "5.500 adopt", "5.500 run new"]);
    assert_eq!(world.state(0, 0), State::Active);
    // The run of `s` that began under the old configuration ends under the new one.
    world.tell(0, Input::ScriptEnded(ScriptId(1), Ended::Exited(1)));
    assert_eq!(world.state(0, 0), State::Active, "its first failure of two");
    world.tell(0, Input::ScriptEnded(ScriptId(0), Ended::Exited(1)));
    assert_eq!(world.state(0, 0), State::Fault, "its first result counts at once");

    // What was bad stays bad, and what is not known yet lets nobody out of FAULT.
    world.hosts[0].scripts = vec![None; 3];
    let unknown = ScriptId(new.scripts.len());
    new.scripts.push(script("unknown"));
    new.instances[0].tracks.scripts[0] = track(unknown, 0);
    world.reload(0, new);
    assert_eq!(world.state(0, 0), State::Fault);
    world.tell(0, Input::ScriptEnded(unknown, Ended::Exited(0)));
    assert_eq!(world.state(0, 0), State::Backup);
}

/// As keepalived 2.2.7 does it: 0.5 s after a run, and from there in its interval.
#[test]
fn every_check_is_run_at_once() {
    let mut config = one();
    config.scripts = vec![script("s")];
    config.instances[0].tracks.scripts = vec![track(ScriptId(0), 10)];
    let mut world = World::new([config.clone()]);
    world.hosts[0].scripts = vec![Some(0)];
    world.run(MS * 2500);
    world.trace(0);
    world.reload(0, config);
    world.run(MS * 1500);
    let runs: Vec<_> = world.trace(0).into_iter().filter(|line| line.contains("run s")).collect();
    assert_eq!(runs, ["2.500 run s", "3.500 run s"]);
}

/// As keepalived 2.2.7 does it: two failures before and one after make three.
#[test]
fn failures_are_counted_across_a_reload() {
    let mut config = one();
    config.scripts = vec![ScriptConfig { fall: 3, ..script("s") }];
    config.instances[0].tracks.scripts = vec![track(ScriptId(0), 0)];
    let mut world = World::new([config.clone()]);
    world.hosts[0].scripts = vec![Some(0)];
    world.run(MS * 4500);
    assert_eq!(world.state(0, 0), State::Active);
    world.hosts[0].scripts = vec![Some(1)];
    world.run(SECOND * 2);
    assert_eq!(world.state(0, 0), State::Active);
    world.reload(0, config);
    world.run(MS);
    assert_eq!(world.state(0, 0), State::Fault);
}

#[test]
fn a_backup_keeps_its_timer_unless_the_timing_changes() {
    let mut world = World::new([one()]);
    world.run(SECOND * 2);
    let mut new = one();
    new.instances[0].garp.repeat = 1;
    world.reload(0, new.clone());
    assert_eq!(world.takes_over_ms(0, 0), Some(1609));
    new.instances[0].priority = 228;
    world.reload(0, new.clone());
    assert_eq!(world.takes_over_ms(0, 0), Some(1109));
    new.instances[0].advert_interval = SECOND * 2;
    world.reload(0, new);
    assert_eq!(world.takes_over_ms(0, 0), Some(6109));
}

#[test]
fn a_learned_interval_is_kept() {
    let it = |priority, seconds| {
        let interval = SECOND * seconds;
        let it = InstanceConfig { advert_interval: interval, ..instance_v3("VI", 51, priority) };
        config([it])
    };
    let mut world = World::new([it(150, 2), it(100, 1)]);
    world.run(SECOND * 10);
    world.reload(1, it(100, 1));
    let learned = world.hosts[1].router.status(world.now).instances[0].master_interval;
    assert_eq!(learned, SECOND * 2);
}

#[test]
fn files_processes_and_links_keep_what_was_told() {
    let mut old = one();
    old.files = vec![FileConfig { name: "f".into() }];
    old.processes = vec![ProcessConfig {
        name: "p".into(),
        quorum: 1,
        quorum_max: 9,
        fork_delay: SECOND,
        terminate_delay: SECOND,
    }];
    old.instances[0].tracks.files = vec![track(FileId(0), 1)];
    old.instances[0].tracks.processes = vec![track(ProcessId(0), -10)];
    let mut world = World::new([old.clone()]);
    world.tell(0, Input::FileRead(FileId(0), 5));
    world.tell(0, Input::Processes(ProcessId(0), 2));
    assert_eq!(world.priority(0, 0), 105);
    world.reload(0, old.clone());
    assert_eq!(world.priority(0, 0), 105);
    // More are wanted now than there are.
    old.processes[0].quorum = 3;
    old.links.insert(0, link("new"));
    old.instances[0].link = LinkId(1);
    old.instances[0].tracks.links = vec![track(LinkId(1), 0)];
    world.hosts[0].up = vec![true; 3];
    world.reload(0, old);
    assert_eq!(world.priority(0, 0), 95);
    assert_eq!(world.state(0, 0), State::Backup);
}

#[test]
fn groups() {
    let pair = |grouped: bool| {
        let mut config = config([instance("A", 51, 100), instance("B", 52, 100)]);
        if grouped {
            config.groups = vec![group(&config)];
        }
        config
    };
    // A group that stays.
    let mut world = World::new([pair(true)]);
    world.run(SECOND * 5);
    world.trace(0);
    world.reload(0, pair(true));
    assert_eq!(world.trace(0), ["5.000 adopt"]);
    // One that was not there before.
    world.reload(0, pair(false));
    world.trace(0);
    world.reload(0, pair(true));
    assert_eq!(world.trace(0), ["5.000 adopt", "5.000 GROUP G MASTER 0"]);
    // A member more, which is not Active: then none is.
    let mut three = pair(true);
    three.instances.push(instance("C", 53, 100));
    three.groups[0].members.push(InstanceId(2));
    world.reload(0, three);
    assert!((0..3).all(|i| world.state(0, i) == State::Backup));
    world.run(SECOND * 4);
    assert!((0..3).all(|i| world.state(0, i) == State::Active));
}

/// What is owed is told by the new places.
#[test]
fn notices_that_wait_for_the_kernel_survive() {
    let mut world = World::new([config([instance("A", 51, 100)])]);
    world.run(SECOND * 3);
    world.hosts[0].slow = true;
    world.run(SECOND);
    world.trace(0);
    world.hosts[0].slow = false;
    world.reload(0, config([instance("NEW", 52, 100), instance("B", 51, 100)]));
    world.hosts[0].owed.clear();
    world.trace(0);
    world.tell(0, Input::Added(InstanceId(1), Ok(())));
    assert_eq!(world.trace(0), ["4.000 announce B x5", "4.000 INSTANCE B MASTER 100"]);
}

#[test]
fn nothing_is_adopted_while_stopping() {
    let mut world = active();
    world.hosts[0].slow = true;
    world.stop(0);
    world.trace(0);
    world.reload(0, one());
    assert_eq!(world.trace(0), Vec::<String>::new());
}
