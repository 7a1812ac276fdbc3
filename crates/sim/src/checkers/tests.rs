//! A checker that never says no is worth nothing: each is shown what it must refuse.

use super::*;
use crate::host::HostId::{A, B};
use crate::options::Options;
use crate::redis::Boot;
use std::time::Duration;

fn world() -> World {
    World::new(Options::plain(1))
}

fn serve(world: &mut World, host: HostId) {
    let until = Time(1_000_000);
    world.hosts[host].kernel.vips_present = true;
    world.hosts[host].kernel.open_fence(world.now, until).unwrap();
}

/// The names of the checkers that refuse the facts.
fn refused(mut world: World, facts: &[Fact<'_>]) -> Vec<&'static str> {
    for fact in facts {
        world.see(fact);
    }
    world.violations.iter().map(|violation| violation.checker).collect()
}

#[test]
fn two_that_answer() {
    let mut world = world();
    serve(&mut world, A);
    serve(&mut world, B);
    assert_eq!(refused(world, &[Fact::Performed { host: A }]), ["one_writer"]);
}

#[test]
fn two_that_answer_while_they_are_parted_are_excused() {
    let mut world = world();
    serve(&mut world, A);
    serve(&mut world, B);
    world.apply(Fault::Cut(A, crate::network::Traffic::ALL.to_vec()));
    assert!(refused(world, &[Fact::Performed { host: A }]).is_empty());
}

#[test]
fn an_acknowledged_write_that_is_gone() {
    let mut world = world();
    world.apply(Fault::StartRedis(A, Boot::Empty));
    serve(&mut world, A);
    let heard = Fact::ClientHeard { host: A, write: 1, answer: Answer::Ok };
    let names = refused(world, &[heard, Fact::Settled]);
    assert_eq!(names, ["acknowledged_kept", "comes_back"]);
}

#[test]
fn a_read_only_answer() {
    let heard = Fact::ClientHeard { host: A, write: 1, answer: Answer::ReadOnly };
    assert_eq!(refused(world(), &[heard]), ["no_readonly"]);
}

#[test]
fn an_announcement_without_the_address() {
    let fact = Fact::Performs { host: A, action: &Action::Announce };
    assert_eq!(refused(world(), &[fact]), ["announce_after_present"]);
}

#[test]
fn data_replaced_by_nothing() {
    let fact = Fact::Overwritten { host: A, lost: &[1], with_nothing: true };
    assert_eq!(refused(world(), &[fact]), ["empty_never_source"]);
}

#[test]
fn an_address_left_behind() {
    let mut world = world();
    serve(&mut world, A);
    assert_eq!(refused(world, &[Fact::Exited { host: A }]), ["nothing_left"]);
}

#[test]
fn too_much_at_once() {
    let actions = vec![Action::Announce; 41];
    let fact = Fact::Handled { host: A, by_timer: false, actions: &actions, late: false };
    assert_eq!(refused(world(), &[fact]), ["bounded_actions"]);
}

#[test]
fn a_deadline_that_never_passes() {
    let fact = Fact::Handled { host: A, by_timer: true, actions: &[], late: true };
    assert_eq!(refused(world(), &[fact.clone(), fact.clone(), fact]), ["no_busy_loop"]);
}

#[test]
fn a_failover_because_of_a_slow_answer() {
    let mut world = world();
    world.begin_pair(A);
    world.run_for(Duration::from_secs(8));
    world.see(&Fact::Settled);
    world.apply(Fault::SlowRedis(A, Duration::from_millis(5)));
    let took_over = world.told.iter().find_map(|(_, _, event)| match event {
        keepair_core::event::Event::TookOver(_) => Some(Action::Tell(event.clone())),
        _ => None,
    });
    let fact = Fact::Performs { host: B, action: &took_over.unwrap() };
    assert_eq!(refused(world, &[fact]), ["no_needless_failover"]);
}
