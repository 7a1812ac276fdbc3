//! Scripts: when they run, and what their results mean.

use super::bench::*;
use crate::router::config::*;
use crate::router::event::{Event, State};
use crate::router::input::{Ended, Input};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// An instance that tracks a script.
fn with(script: ScriptConfig, weight: i16) -> Config {
    let mut config = config([instance("VI", 51, 100)]);
    config.scripts.push(script);
    config.instances[0].tracks.scripts.push(track(ScriptId(0), weight));
    config
}

/// What a script's runs amount to, one letter for each: good, bad.
fn verdicts(script: ScriptConfig, results: &str) -> Vec<Option<bool>> {
    let mut world = World::with_scripts(with(script, 0), &[None]);
    let mut verdicts = vec![];
    for result in results.chars() {
        let ended = Ended::Exited(if result == '+' { 0 } else { 1 });
        world.tell(0, Input::ScriptEnded(ScriptId(0), ended));
        verdicts.push(world.hosts[0].router.status(world.now).scripts[0].good);
        world.run(SECOND);
    }
    verdicts
}

/// The first result counts at once; then `rise` and `fall` in a row.
#[test]
fn rise_and_fall() {
    let it = |rise, fall| ScriptConfig { rise, fall, ..script("s") };
    for (config, results, want) in [
        (it(1, 1), "+-+-", "gbgb"),
        (it(3, 1), "+-+++", "gbbbg"),
        (it(3, 1), "-++-+++", "bbbbbbg"),
        (it(1, 3), "+---+", "ggGbg"),
        (it(1, 3), "+--+---", "ggggggb"),
        (it(2, 2), "+--+-++", "ggbbbbg"),
        (it(2, 2), "-+-++", "bbbbg"),
        (ScriptConfig { init_fail: true, ..it(2, 2) }, "+++-+", "bgggg"),
        (ScriptConfig { init_fail: true, ..it(1, 1) }, "-+", "bg"),
    ] {
        let got: alloc::string::String = verdicts(config.clone(), results)
            .into_iter()
            .map(|good| if good == Some(true) { 'g' } else { 'b' })
            .collect();
        assert_eq!(got, want.to_lowercase(), "{} {} {results}", config.rise, config.fall);
    }
}

#[test]
fn a_run_starts_every_interval() {
    let it = ScriptConfig { interval: SECOND * 2, ..script("s") };
    let mut world = World::new([with(it, 0)]);
    world.run(Duration::from_millis(6100));
    let runs: Vec<_> = world.trace(0).into_iter().filter(|line| line.contains("run")).collect();
    assert_eq!(runs, ["0.000 run s", "2.000 run s", "4.000 run s", "6.000 run s"]);
}

/// A run that hangs is ended, and no other starts before it has.
#[test]
fn a_hanging_run() {
    let it = ScriptConfig { timeout: MS * 2500, ..script("s") };
    let mut world = World::new([with(it, 0)]);
    world.run(MS * 900);
    world.hosts[0].scripts = vec![None];
    world.trace(0);
    world.run(SECOND * 10);
    assert_eq!(
        world.trace(0),
        [
            "1.000 run s",
            "3.500 SIGTERM s",
            "3.609 add VI",
            "3.609 announce VI x5",
            "3.609 INSTANCE VI MASTER 100",
            "5.500 SIGKILL s",
            "7.500 SIGKILL s",
            // It does not die: what it would have said counts as a failure.
            "7.500 send VI 0",
            "7.500 send VI 0",
            "7.500 remove VI",
            "7.500 INSTANCE VI FAULT 100",
        ]
    );
    world.run(SECOND * 10);
    assert_eq!(world.trace(0), ["17.500 SIGKILL s"]);
    world.hosts[0].scripts = vec![Some(0)];
    world.tell(0, Input::ScriptEnded(ScriptId(0), Ended::Killed(9)));
    assert_eq!(world.state(0, 0), State::Fault);
    world.run(SECOND);
    assert_eq!(world.trace(0), ["21.000 run s", "21.000 INSTANCE VI BACKUP 100"]);
}

/// As with keepalived: a script that ends in peace after SIGTERM is a success.
#[test]
fn how_a_run_ends() {
    for (after_ms, ended, good, why) in [
        (10, Ended::Exited(0), true, "exited with status 0"),
        (10, Ended::Exited(3), false, "exited with status 3"),
        (10, Ended::Killed(11), false, "was ended by signal 11"),
        (0, Ended::NotStarted("no such file".into()), false, "could not be started: no such file"),
        (1200, Ended::Killed(15), false, "took too long (1200 ms) and was ended by signal 15"),
        (1200, Ended::Exited(0), true, "took too long (1200 ms) and exited with status 0"),
    ] {
        let mut world = World::with_scripts(with(script("s"), 0), &[None]);
        world.run(MS * after_ms);
        world.tell(0, Input::ScriptEnded(ScriptId(0), ended));
        let why = why.into();
        let changed = Event::ScriptChanged { script: ScriptId(0), good, why };
        let events = &world.hosts[0].events;
        assert!(events.contains(&changed), "{changed:?} is not among {events:?}");
    }
}

#[test]
fn an_unweighted_script_holds_the_instance_until_its_first_result() {
    let mut world = World::with_scripts(with(script("s"), 0), &[None]);
    world.run(MS * 500);
    assert_eq!(world.trace(0), ["0.000 remove VI", "0.000 run s"]);
    assert_eq!(world.state(0, 0), State::Initialize);
    assert!(world.hosts[0].router.status(world.now).instances[0].waiting);
    world.tell(0, Input::ScriptEnded(ScriptId(0), Ended::Exited(0)));
    assert_eq!(world.trace(0), ["0.500 INSTANCE VI BACKUP 100"]);
    assert_eq!(world.takes_over_ms(0, 0), Some(3609));
}

#[test]
fn a_first_failure_is_a_fault_at_once() {
    let it = ScriptConfig { fall: 3, ..script("s") };
    let mut world = World::with_scripts(with(it, 0), &[None]);
    world.tell(0, Input::ScriptEnded(ScriptId(0), Ended::Exited(1)));
    assert_eq!(world.trace(0), ["0.000 remove VI", "0.000 run s", "0.000 INSTANCE VI FAULT 100"]);
}

#[test]
fn a_weighted_script_holds_nothing() {
    let mut world = World::with_scripts(with(script("s"), -20), &[None]);
    world.run(MS * 500);
    assert_eq!((world.state(0, 0), world.priority(0, 0)), (State::Backup, 100));
}

/// keepalived 2.2.7, captured: two adverts of priority 0, the addresses, FAULT; and BACKUP with a
/// whole down timer when the script is good again.
#[test]
fn a_failing_script_and_back() {
    let mut world = World::new([with(script("s"), 0)]);
    world.run(MS * 4500);
    world.trace(0);
    world.hosts[0].scripts = vec![Some(1)];
    world.run(SECOND);
    world.hosts[0].scripts = vec![Some(0)];
    world.run(SECOND * 4);
    let lines: Vec<_> = world.trace(0).into_iter().filter(|line| !line.contains("run")).collect();
    assert_eq!(
        lines,
        [
            "5.000 send VI 0",
            "5.000 send VI 0",
            "5.000 remove VI",
            "5.000 INSTANCE VI FAULT 100",
            "6.000 INSTANCE VI BACKUP 100",
        ]
    );
}

#[test]
fn a_script_of_the_active_machine_fails_and_the_other_takes_over_within_the_skew() {
    let mut world = World::new([with(script("s"), 0), config([instance("VI", 51, 90)])]);
    world.run(MS * 4500);
    world.trace(1);
    world.hosts[0].scripts = vec![Some(1)];
    world.run(SECOND * 2);
    assert_eq!(world.state(0, 0), State::Fault);
    assert_eq!(world.trace(1)[0], "5.648 add VI");
}

/// A weight moves the election: the Active machine's priority falls below the other's.
#[test]
fn a_weighted_script_moves_the_addresses() {
    let mut world = World::new([with(script("s"), -20), config([instance("VI", 51, 90)])]);
    world.run(MS * 4500);
    assert_eq!([world.state(0, 0), world.state(1, 0)], [State::Active, State::Backup]);
    world.hosts[0].scripts = vec![Some(1)];
    world.run(SECOND * 5);
    assert_eq!([world.state(0, 0), world.state(1, 0)], [State::Backup, State::Active]);
    world.hosts[0].scripts = vec![Some(0)];
    world.run(SECOND * 5);
    assert_eq!([world.state(0, 0), world.state(1, 0)], [State::Active, State::Backup]);
}

#[test]
fn a_script_that_nobody_tracks_is_not_run() {
    let mut it = with(script("s"), 0);
    it.instances[0].tracks.scripts.clear();
    let mut world = World::new([it]);
    world.run(SECOND * 5);
    assert!(world.trace(0).iter().all(|line| !line.contains("run")));
}

/// Two scripts, one of them good: keepalived counts causes of this kind, too.
#[test]
fn all_scripts_must_be_good() {
    let mut it = with(script("s"), 0);
    it.scripts.push(script("t"));
    it.instances[0].tracks.scripts.push(track(ScriptId(1), 0));
    let mut world = World::new([it]);
    world.hosts[0].scripts = vec![Some(1), Some(1)];
    world.run(MS * 1500);
    world.hosts[0].scripts = vec![Some(0), Some(1)];
    world.run(SECOND);
    assert_eq!(world.state(0, 0), State::Fault);
    world.hosts[0].scripts = vec![Some(0), Some(0)];
    world.run(SECOND);
    assert_eq!(world.state(0, 0), State::Backup);
}

#[test]
fn answers_that_nobody_asked_for_are_ignored() {
    let mut world = World::new([with(script("s"), 0)]);
    world.tell(0, Input::ScriptEnded(ScriptId(0), Ended::Exited(1)));
    world.tell(0, Input::ScriptEnded(ScriptId(9), Ended::Exited(1)));
    assert_eq!(world.state(0, 0), State::Backup);
    assert_eq!(world.hosts[0].router.status(world.now).scripts[0].runs, 1);
}
