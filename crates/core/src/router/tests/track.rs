//! Interfaces, files, processes and addresses to send from: what they do to the state and to the
//! priority.

use super::bench::*;
use crate::router::config::*;
use crate::router::event::State;
use crate::router::input::{Input, LinkState};
use alloc::vec;
use alloc::vec::Vec;

fn reverse<Id>(mut track: Track<Id>) -> Track<Id> {
    track.weight.reverse = true;
    track
}

/// What a file's number does: the priority, or fault.
#[test]
fn files() {
    for (weight, reversed, number, want) in [
        (1, false, 0, Some(100)),
        (1, false, 10, Some(110)),
        (1, false, -10, Some(90)),
        (1, true, 10, Some(90)),
        (2, false, -20, Some(60)),
        (1, false, 200, Some(254)),
        (1, false, -150, Some(1)),
        (1, false, -253, Some(1)),
        (1, false, -254, None),
        (254, false, 1, Some(254)),
        (254, false, -1, None),
        (-254, false, 1, None),
        (1, false, i64::MIN, None),
        (1, true, i64::MIN, Some(254)),
        (1, false, i64::MAX, Some(254)),
        (0, false, 0, Some(100)),
        (0, false, 1, None),
        (0, true, 0, None),
        (0, true, 1, Some(100)),
    ] {
        let mut it = config([instance("VI", 51, 100)]);
        it.files.push(FileConfig { name: "f".into() });
        let tracked = track(FileId(0), weight);
        let tracked = if reversed { reverse(tracked) } else { tracked };
        it.instances[0].tracks.files.push(tracked);
        let mut world = World::new([it]);
        world.tell(0, Input::FileRead(FileId(0), number));
        let got = (world.state(0, 0) == State::Backup).then(|| world.priority(0, 0));
        assert_eq!(got, want, "{weight} {reversed} {number}");
    }
}

/// As keepalived 2.2.7 does it: FAULT is told with the priority from before, and the first number is
/// known before anything is told.
#[test]
fn a_number_that_is_a_fault_is_no_weight() {
    let mut it = config([instance("VI", 51, 90)]);
    it.files.push(FileConfig { name: "f".into() });
    it.instances[0].tracks.files.push(track(FileId(0), 2));
    it.instances[0].notify_priority_changes = true;
    let mut world = World::new([it]);
    assert_eq!(world.trace(0), ["0.000 remove VI"]);
    for number in [5, 20, -128, 4] {
        world.tell(0, Input::FileRead(FileId(0), number));
    }
    assert_eq!(
        world.trace(0),
        [
            "0.000 INSTANCE VI BACKUP 100",
            "0.000 INSTANCE VI BACKUP_PRIORITY 130",
            "0.000 INSTANCE VI FAULT 130",
            "0.000 INSTANCE VI BACKUP 98",
        ]
    );
}

/// What processes do: quorum and weights.
#[test]
fn processes() {
    for (weight, reversed, quorum, quorum_max, count, want) in [
        (0, false, 1, u32::MAX, 1, Some(100)),
        (0, false, 1, u32::MAX, 0, None),
        (0, false, 2, 3, 3, Some(100)),
        (0, false, 2, 3, 4, None),
        (0, true, 1, u32::MAX, 0, Some(100)),
        (20, false, 1, u32::MAX, 1, Some(120)),
        (20, false, 1, u32::MAX, 0, Some(100)),
        (-20, false, 1, u32::MAX, 1, Some(100)),
        (-20, false, 1, u32::MAX, 0, Some(80)),
        (-20, true, 1, u32::MAX, 1, Some(80)),
        (20, true, 1, u32::MAX, 0, Some(120)),
    ] {
        let mut it = config([instance("VI", 51, 100)]);
        it.processes.push(process(quorum, quorum_max));
        let tracked = track(ProcessId(0), weight);
        let tracked = if reversed { reverse(tracked) } else { tracked };
        it.instances[0].tracks.processes.push(tracked);
        let mut world = World::new([it]);
        world.tell(0, Input::Processes(ProcessId(0), count));
        let got = (world.state(0, 0) == State::Backup).then(|| world.priority(0, 0));
        assert_eq!(got, want, "{weight} {reversed} {quorum} {quorum_max} {count}");
    }
}

fn process(quorum: u32, quorum_max: u32) -> ProcessConfig {
    let none = core::time::Duration::ZERO;
    ProcessConfig { name: "p".into(), quorum, quorum_max, fork_delay: none, terminate_delay: none }
}

#[test]
fn a_process_must_be_gone_for_a_while() {
    let mut it = config([instance("VI", 51, 100)]);
    it.processes.push(ProcessConfig {
        fork_delay: SECOND * 2,
        terminate_delay: SECOND,
        ..process(1, u32::MAX)
    });
    it.instances[0].tracks.processes.push(track(ProcessId(0), 0));
    let mut world = World::new([it]);
    assert_eq!(world.state(0, 0), State::Initialize, "nobody has counted yet");
    world.tell(0, Input::Processes(ProcessId(0), 1));
    assert_eq!(world.state(0, 0), State::Backup);
    // Restarted within the second: nothing happened.
    world.tell(0, Input::Processes(ProcessId(0), 0));
    world.run(MS * 900);
    world.tell(0, Input::Processes(ProcessId(0), 1));
    world.run(SECOND * 2);
    assert_eq!(world.state(0, 0), State::Backup);
    world.tell(0, Input::Processes(ProcessId(0), 0));
    world.run(MS * 1100);
    assert_eq!(world.state(0, 0), State::Fault);
    world.tell(0, Input::Processes(ProcessId(0), 1));
    world.run(MS * 1900);
    assert_eq!(world.state(0, 0), State::Fault);
    world.run(MS * 200);
    assert_eq!(world.state(0, 0), State::Backup);
}

#[test]
fn an_interface_down_is_a_fault_and_nothing_is_sent() {
    let mut world = World::new([config([instance("VI", 51, 100)])]);
    world.run(SECOND * 4);
    world.trace(0);
    world.set_link(0, 0, false);
    assert_eq!(world.trace(0), ["4.000 remove VI", "4.000 INSTANCE VI FAULT 100"]);
    world.set_link(0, 0, true);
    assert_eq!(world.trace(0), ["4.000 INSTANCE VI BACKUP 100"]);
    assert_eq!(world.takes_over_ms(0, 0), Some(3609));
}

/// keepalived has one bit for all interfaces: one that came back cleared the fault of the other.
#[test]
fn two_interfaces_are_two_causes() {
    let mut it = config([instance("VI", 51, 100)]);
    it.instances[0].tracks.links.push(track(LinkId(1), 0));
    let mut world = World::new([it]);
    world.set_link(0, 0, false);
    world.set_link(0, 1, false);
    world.set_link(0, 0, true);
    assert_eq!(world.state(0, 0), State::Fault);
    assert_eq!(world.hosts[0].router.status(world.now).instances[0].faults, ["interface eth1"]);
    world.set_link(0, 1, true);
    assert_eq!(world.state(0, 0), State::Backup);
}

#[test]
fn a_weighted_interface_moves_the_priority() {
    let mut it = config([instance("VI", 51, 100)]);
    it.instances[0].tracks.links.push(track(LinkId(1), -30));
    let mut world = World::new([it]);
    assert_eq!(world.priority(0, 0), 100);
    world.set_link(0, 1, false);
    assert_eq!(world.priority(0, 0), 70);
}

/// `interface_up_down_delays`.
#[test]
fn an_interface_must_be_down_for_a_while() {
    let mut it = config([instance("VI", 51, 100)]);
    it.links[0] = LinkConfig { name: "eth0".into(), down_delay: SECOND, up_delay: SECOND * 2 };
    let mut world = World::new([it]);
    assert_eq!(world.state(0, 0), State::Backup, "the first time counts at once");
    world.set_link(0, 0, false);
    world.run(MS * 500);
    world.set_link(0, 0, true);
    world.run(SECOND);
    assert_eq!(world.state(0, 0), State::Backup);
    world.set_link(0, 0, false);
    world.run(MS * 500);
    world.set_link(0, 0, false);
    world.run(MS * 600);
    assert_eq!(world.state(0, 0), State::Fault, "told twice, counted from the first time");
    world.set_link(0, 0, true);
    world.run(MS * 1900);
    assert_eq!(world.state(0, 0), State::Fault);
    world.run(MS * 200);
    assert_eq!(world.state(0, 0), State::Backup);
}

/// `dont_track_primary`: the interface is not in the list.
#[test]
fn an_interface_that_is_not_tracked() {
    let mut it = config([instance("VI", 51, 100)]);
    it.instances[0].tracks.links.clear();
    let mut world = World::new([it]);
    world.run(SECOND * 4);
    world.set_link(0, 0, false);
    assert_eq!(world.state(0, 0), State::Active);
    world.hosts[0].lines.clear();
    world.run(SECOND * 2);
    assert_eq!(world.lines(0, "send"), Vec::<&str>::new(), "nothing goes out of it");
}

#[test]
fn no_address_to_send_from_is_a_fault() {
    let mut world = World::new([config([instance("VI", 51, 100)])]);
    let state = LinkState { v4: None, all: vec![], ..world.link_state(0, 0) };
    world.tell(0, Input::Link { link: LinkId(0), state });
    assert_eq!(world.state(0, 0), State::Fault);
    let state = world.link_state(0, 0);
    world.tell(0, Input::Link { link: LinkId(0), state });
    assert_eq!(world.state(0, 0), State::Backup);
}

/// `unicast_fault_no_peer`: who speaks to nobody hears nobody.
#[test]
fn unicast_to_nobody_is_a_fault() {
    let it = InstanceConfig {
        transport: Transport::Unicast { peers: vec![], ttl: 255, check_source: false },
        ..instance("VI", 51, 100)
    };
    let world = World::new([config([it])]);
    let status = world.hosts[0].router.status(world.now);
    assert_eq!(status.instances[0].faults, ["no peer to send to"]);
    assert_eq!(status.instances[0].state, State::Fault);
}

#[test]
fn track_src_ip() {
    for (track_source, source, want) in [
        (true, "10.0.0.1", State::Backup),
        (true, "10.0.1.1", State::Backup),
        (true, "10.0.0.7", State::Fault),
        (false, "10.0.0.7", State::Backup),
    ] {
        let it =
            InstanceConfig { source: Some(ip(source)), track_source, ..instance("VI", 51, 100) };
        let world = World::new([config([it])]);
        assert_eq!(world.state(0, 0), want, "{track_source} {source}");
    }
}

/// The running timer moves by as much as Skew_Time does.
#[test]
fn a_priority_that_changes_shifts_the_running_timer() {
    let mut it = config([instance("VI", 51, 100)]);
    it.files.push(FileConfig { name: "f".into() });
    it.instances[0].tracks.files.push(track(FileId(0), 1));
    let mut world = World::new([it]);
    world.tell(0, Input::FileRead(FileId(0), 0));
    world.run(SECOND);
    assert_eq!(world.takes_over_ms(0, 0), Some(2609));
    world.tell(0, Input::FileRead(FileId(0), 128));
    assert_eq!(world.takes_over_ms(0, 0), Some(2109));
    world.tell(0, Input::FileRead(FileId(0), -99));
    assert_eq!(world.takes_over_ms(0, 0), Some(2996));
    // It may be over at once.
    world.run(MS * 2990);
    world.tell(0, Input::FileRead(FileId(0), 128));
    assert_eq!(world.state(0, 0), State::Active);
}

#[test]
fn an_owner_is_not_moved_by_weights() {
    let mut it = config([instance("VI", 51, 255)]);
    it.files.push(FileConfig { name: "f".into() });
    it.instances[0].tracks.files.push(track(FileId(0), 1));
    let mut world = World::new([it]);
    world.tell(0, Input::FileRead(FileId(0), -50));
    assert_eq!(world.priority(0, 0), 255);
    assert_eq!(world.state(0, 0), State::Active);
}

/// As keepalived 2.2.7 does it.
#[test]
fn another_weight_counts_while_a_number_is_a_fault() {
    let mut it = config([instance("VI", 51, 90)]);
    it.files.push(FileConfig { name: "f".into() });
    it.files.push(FileConfig { name: "g".into() });
    it.instances[0].tracks.files = vec![track(FileId(0), 2), track(FileId(1), 1)];
    it.instances[0].notify_priority_changes = true;
    let mut world = World::new([it]);
    for (file, number) in [(1, 0), (0, 5), (0, -128), (1, 3), (1, 0), (0, 4)] {
        world.tell(0, Input::FileRead(FileId(file), number));
    }
    assert_eq!(
        world.lines(0, "INSTANCE"),
        [
            "INSTANCE VI BACKUP 100",
            "INSTANCE VI FAULT 100",
            "INSTANCE VI BACKUP_PRIORITY 93",
            "INSTANCE VI BACKUP_PRIORITY 90",
            "INSTANCE VI BACKUP 98",
        ]
    );
}

#[test]
fn changes_of_the_priority_are_told_in_a_fault_too() {
    let mut it = config([instance("VI", 51, 100)]);
    it.files.push(FileConfig { name: "f".into() });
    it.instances[0].tracks.files.push(track(FileId(0), 1));
    it.instances[0].notify_priority_changes = true;
    let mut world = World::new([it]);
    world.tell(0, Input::FileRead(FileId(0), 0));
    world.set_link(0, 0, false);
    world.trace(0);
    world.tell(0, Input::FileRead(FileId(0), 5));
    assert_eq!(world.lines(0, "PRIORITY"), ["INSTANCE VI BACKUP_PRIORITY 105"]);
}

#[test]
fn changes_of_the_priority_are_told_to_who_wants_them() {
    let mut it = config([instance("VI", 51, 100)]);
    it.files.push(FileConfig { name: "f".into() });
    it.instances[0].tracks.files.push(track(FileId(0), 1));
    it.instances[0].notify_priority_changes = true;
    let mut world = World::new([it]);
    world.tell(0, Input::FileRead(FileId(0), 0));
    world.trace(0);
    world.tell(0, Input::FileRead(FileId(0), 5));
    world.run(SECOND * 4);
    world.tell(0, Input::FileRead(FileId(0), 6));
    let lines: Vec<_> =
        world.trace(0).into_iter().filter(|line| line.contains("PRIORITY")).collect();
    assert_eq!(
        lines,
        ["0.000 INSTANCE VI BACKUP_PRIORITY 105", "4.000 INSTANCE VI MASTER_PRIORITY 106"]
    );
}

#[test]
fn secrets_are_not_printed() {
    let hmac = HmacKey { id: 1, value: vec![77; 32] };
    let password = Password(*b"secret\0\0");
    let printed = alloc::format!("{hmac:?} {password:?}");
    assert_eq!(printed, "HmacKey { id: 1, .. } Password(..)");
}

#[test]
fn places_that_do_not_exist_are_ignored() {
    let mut world = World::new([config([instance("VI", 51, 100)])]);
    let state = world.link_state(0, 0);
    world.tell(0, Input::Link { link: LinkId(7), state });
    world.tell(0, Input::FileRead(FileId(7), 1));
    world.tell(0, Input::Processes(ProcessId(7), 1));
    world.tell(0, Input::Added(InstanceId(7), Ok(())));
    world.tell(0, Input::Removed(InstanceId(7), Ok(())));
    world.tell(0, Input::Gone(InstanceId(7)));
    assert_eq!(world.state(0, 0), State::Backup);
}
