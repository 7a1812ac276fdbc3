//! A checker that never says no is worth nothing: each is shown what it must refuse, and what it
//! must not.

use super::*;
use crate::fault::Way;
use crate::host::HostId::{A, B};
use crate::network::Weather;
use crate::options::{Options, VIPS};
use crate::redis::Boot;
use crate::swarm::{Draw, Plan, Style};
use keepair_core::action::Query;
use keepair_wire::peer::Cause;

fn world() -> World {
    World::new(Options::plain(1))
}

/// The world of a random run in which faults overlap, at its beginning.
fn overlapping() -> World {
    let plan = Plan::draw(1, Draw { style: Some(Style::Overlapping) });
    Plan { options: Options::plain(1), ..plan }.begin()
}

/// A pair that works, with A as its primary.
fn pair() -> World {
    let mut world = world();
    world.begin_pair(A);
    world.run_for(Duration::from_secs(8));
    assert_eq!(missing(&world), None);
    world.see(&Fact::Settled);
    world
}

fn serve(world: &mut World, host: HostId) {
    let clock = world.hosts[host].clock.read(world.now);
    let kernel = &mut world.hosts[host].kernel;
    kernel.lay_rules();
    kernel.set_address(VIPS[0], true);
    let until = clock + Duration::from_secs(1);
    kernel.mean(until);
    kernel.open_fence(until, [VIPS[0]]);
}

/// The names of the checkers that refuse the facts, and had not refused before.
fn refused(mut world: World, facts: &[Fact<'_>]) -> Vec<&'static str> {
    let before = world.violations.len();
    for fact in facts {
        world.see(fact);
    }
    world.violations[before..].iter().map(|violation| violation.checker).collect()
}

fn heard(host: HostId, write: WriteId) -> Fact<'static> {
    Fact::ClientHeard { host, write, answer: Answer::Ok }
}

#[test]
fn two_that_answer() {
    let mut world = world();
    serve(&mut world, A);
    serve(&mut world, B);
    assert_eq!(refused(world, &[Fact::Performed { host: A }]), ["one_writer"]);
}

#[test]
fn two_that_answer_are_excused_while_they_are_parted_and_a_moment_after() {
    let mut world = world();
    world.apply(Fault::Cut(A, Traffic::ALL.to_vec()));
    world.apply(Fault::Mend);
    serve(&mut world, A);
    serve(&mut world, B);
    world.see(&Fact::Performed { host: A });
    assert_eq!(world.violations, []);
    world.now = world.now + Duration::from_secs(3);
    serve(&mut world, A);
    serve(&mut world, B);
    assert_eq!(refused(world, &[Fact::Performed { host: A }]), ["one_writer"]);
}

#[test]
fn a_right_that_was_granted_late_is_excused_only_where_faults_overlap() {
    for (mut world, refused_by) in [(world(), vec!["one_writer"]), (overlapping(), vec![])] {
        serve(&mut world, A);
        serve(&mut world, B);
        let clock = world.hosts[A].clock.read(world.now);
        world.hosts[A].kernel.mean(clock);
        assert_eq!(refused(world, &[Fact::Performed { host: A }]), refused_by);
    }
}

#[test]
fn one_that_takes_over_with_less_than_the_other_holds() {
    let mut world = world();
    world.begin_pair(A);
    while world.hosts[A].daemon.phase() != Some(State::TakingOver) {
        world.step();
    }
    world.see(&heard(B, 500_000));
    world.hosts[B].redis.data.insert(500_000);
    let claims = Fact::Answered { host: A, step: Done::AddVips, result: &Ok(()) };
    world.see(&claims);
    assert_eq!(world.violations, [], "what B holds is not known so soon");
    world.now = world.now + Duration::from_secs(3);
    assert_eq!(refused(world, &[claims]), ["data_before_priority"]);
}

#[test]
fn data_replaced_by_nothing() {
    let lost: Writes = [1].into_iter().collect();
    let fact = Fact::Overwritten { host: A, lost: &lost, with_nothing: true };
    assert_eq!(refused(world(), &[fact]), ["data_before_priority"]);
}

#[test]
fn an_acknowledged_write_that_is_gone() {
    let mut world = world();
    world.apply(Fault::StartRedis(A, Boot::Empty));
    serve(&mut world, A);
    let names = refused(world, &[heard(A, 5_000), Fact::Settled]);
    assert_eq!(names, ["acknowledged_kept", "comes_back"]);
}

#[test]
fn what_only_one_machine_held_when_it_was_lost_or_cut_off() {
    let one: Writes = [500_000].into_iter().collect();
    for (fault, excused) in [
        (Fault::PowerOff(A), true),
        (Fault::Unplug(A), true),
        (Fault::Cut(B, Traffic::ALL.to_vec()), true),
        (Fault::KillRedis(A, Duration::ZERO), false),
        (Fault::Weather(Weather { lost: 30, ..Weather::default() }), false),
    ] {
        let mut world = pair();
        world.hosts[A].redis.data.add(&one);
        world.see(&heard(A, 500_000));
        world.see(&Fact::Fault(&fault));
        world.hosts[A].redis.data.remove(&one);
        let names = refused(world, &[Fact::Settled]);
        assert_eq!(names.is_empty(), excused, "{fault}: {names:?}");
    }
}

#[test]
fn what_only_a_dead_machine_held_is_excused_where_faults_overlap() {
    let mut world = overlapping();
    world.apply(Fault::StartRedis(A, Boot::Empty));
    world.apply(Fault::StartRedis(B, Boot::Empty));
    world.hosts[A].redis.data.insert(5_000);
    world.see(&heard(A, 5_000));
    world.apply(Fault::KillRedis(A, Duration::ZERO));
    serve(&mut world, B);
    let names = refused(world, &[Fact::Settled]);
    assert_eq!(names, ["comes_back"], "no copy is left");
}

#[test]
fn what_a_person_gave_up_is_excused() {
    let mut world = world();
    for host in HostId::BOTH {
        world.apply(Fault::StartRedis(host, Boot::Empty));
    }
    world.hosts[A].redis.data.insert(5_000);
    world.see(&heard(A, 5_000));
    world.apply(Fault::Decide(B, Way::Empty));
    serve(&mut world, B);
    assert_eq!(refused(world, &[Fact::Settled]), ["comes_back"]);
}

#[test]
fn a_tail_that_is_overwritten_in_silence() {
    for (told, salvaged) in [(false, false), (true, false), (false, true)] {
        let mut world = pair();
        if salvaged {
            world.hosts[A].salvaged.insert(500_000);
        }
        world.hosts[A].redis.data.insert(500_000);
        world.see(&heard(A, 500_000));
        world.see(&Fact::Told { host: A, event: &Told::Following });
        world.make_replica(A);
        if told {
            world.see(&Fact::Told { host: A, event: &Told::OwnTail { bytes: None } });
        }
        let lost: Writes = [500_000].into_iter().collect();
        world.see(&Fact::Overwritten { host: A, lost: &lost, with_nothing: false });
        world.now = world.now + Duration::from_secs(2);
        let names = refused(world, &[heard(B, 500_001)]);
        assert_eq!(names.contains(&"no_silent_loss"), !told && !salvaged);
    }
}

#[test]
fn a_failover_because_of_a_slow_answer() {
    let mut world = pair();
    world.apply(Fault::SlowRedis(A, Duration::from_millis(5)));
    let took_over = took_over(&world);
    let fact = Fact::Told { host: B, event: &took_over };
    assert_eq!(refused(world, &[fact]), ["no_needless_failover"]);
}

#[test]
fn a_failover_because_of_a_dead_redis() {
    let mut world = pair();
    world.apply(Fault::KillRedis(A, Duration::ZERO));
    let took_over = took_over(&world);
    let fact = Fact::Told { host: B, event: &took_over };
    assert!(refused(world, &[fact]).is_empty());
}

/// What the daemon that serves has told when it took over.
fn took_over(world: &World) -> Told {
    let took_over = |event: &Told| matches!(event, Told::TookOver(_));
    world.told.iter().map(|(_, _, event)| event).find(|event| took_over(event)).cloned().unwrap()
}

#[test]
fn a_pair_that_does_not_come_back() {
    assert_eq!(refused(world(), &[Fact::Settled]), ["comes_back"]);
}

#[test]
fn a_change_of_state_without_a_reason() {
    let silent = Fact::Handled {
        host: A,
        by_timer: false,
        before: State::Backup,
        after: State::Unfit,
        actions: &[],
        late: false,
    };
    assert_eq!(refused(world(), &[silent]), ["every_decision_has_a_reason"]);
    let reason = |reason: &str| {
        let (from, to) = (State::Backup, State::Unfit);
        [Action::Tell(Told::StateChanged { from, to, reason: reason.to_string() })]
    };
    for (text, names) in [("", vec!["every_decision_has_a_reason"]), ("the link is down", vec![])] {
        let told = Fact::Handled {
            host: A,
            by_timer: false,
            before: State::Backup,
            after: State::Unfit,
            actions: &reason(text),
            late: false,
        };
        assert_eq!(refused(world(), &[told]), names);
    }
}

#[test]
fn a_promotion_and_a_demotion_without_a_reason() {
    let began = Action::Tell(Told::TakeoverBegan { cause: Cause::PeerSilent });
    let following = Action::Tell(Told::Following);
    for (actions, names) in [
        (vec![Action::AskRedis(Query::Promote)], vec!["every_decision_has_a_reason"]),
        (vec![began, Action::AskRedis(Query::Promote)], vec![]),
        (vec![Action::AskRedis(Query::Follow)], vec!["every_decision_has_a_reason"]),
        (vec![following, Action::AskRedis(Query::Follow)], vec![]),
    ] {
        let fact = Fact::Handled {
            host: A,
            by_timer: false,
            before: State::TakingOver,
            after: State::TakingOver,
            actions: &actions,
            late: false,
        };
        assert_eq!(refused(world(), &[fact]), names, "{actions:?}");
    }
}

#[test]
fn a_read_only_answer() {
    let heard = Fact::ClientHeard { host: A, write: 1, answer: Answer::ReadOnly };
    assert_eq!(refused(world(), &[heard]), ["no_readonly"]);
}

#[test]
fn a_cut_off_machine_that_still_accepts_writes() {
    let mut world = pair();
    world.see(&Fact::Fault(&Fault::Unplug(A)));
    let local = Fact::LocalHeard { host: A, write: 500_000, answer: Answer::Ok };
    world.see(&local);
    assert_eq!(world.violations, [], "not within the first second");
    world.now = world.now + Duration::from_millis(1_001);
    assert_eq!(refused(world, &[local]), ["cut_off_refuses"]);
}

#[test]
fn an_announcement_without_the_address() {
    let fact = Fact::Performs { host: A, action: &Action::Announce };
    assert_eq!(refused(world(), std::slice::from_ref(&fact)), ["announce_after_present"]);
    let mut taken = world();
    taken.see(&Fact::Fault(&Fault::TakeAddress(A)));
    assert!(refused(taken, &[fact]).is_empty(), "somebody else has just taken it");
}

#[test]
fn an_address_and_rules_left_behind() {
    let mut world = world();
    serve(&mut world, A);
    assert_eq!(refused(world, &[Fact::Exited { host: A }]), ["nothing_left"]);
    let mut rules = World::new(Options::plain(1));
    rules.hosts[A].kernel.lay_rules();
    assert_eq!(refused(rules, &[Fact::Exited { host: A }]), ["nothing_left"]);
}

fn handled<'a>(actions: &'a [Action], late: bool) -> Fact<'a> {
    let state = State::Backup;
    Fact::Handled { host: A, by_timer: true, before: state, after: state, actions, late }
}

#[test]
fn too_much_at_once() {
    let actions = vec![Action::EndProbe; 41];
    assert_eq!(refused(world(), &[handled(&actions, false)]), ["bounded_actions"]);
    assert!(refused(world(), &[handled(&actions[..40], false)]).is_empty());
}

#[test]
fn a_deadline_that_never_passes() {
    let late = || handled(&[], true);
    assert_eq!(refused(world(), &[late(), late(), late()]), ["no_busy_loop"]);
    assert!(refused(world(), &[late(), late(), handled(&[], false), late(), late()]).is_empty());
}

#[test]
fn every_checker_is_named_once() {
    let checkers = Checkers::all();
    let names: std::collections::BTreeSet<&str> =
        checkers.all.iter().map(|(_, checker)| checker.name()).collect();
    assert_eq!(names.len(), checkers.all.len());
}

#[test]
fn writes_that_wait_after_a_switchover_was_called_off() {
    let mut world = pair();
    let pause = Query::PauseWrites(Duration::from_secs(3));
    world.hosts[A].redis.answer(world.now, pause, &mut Vec::new());
    let step = keepair_core::event::SwitchoverStep::CalledOff("a test".to_string());
    world.see(&Fact::Told { host: A, event: &Told::Switchover(step) });
    world.see(&handled(&[], false));
    assert_eq!(world.violations, [], "the daemon has not been obeyed yet");
    world.now = world.now + Duration::from_millis(300);
    assert_eq!(refused(world, &[handled(&[], false)]), ["pause_ends"]);
}
