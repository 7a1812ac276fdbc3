//! A Redis that was restarted: whose data is the newer, and who may say so.
//!
//! Each of these lost acknowledged writes, or left nobody serving, on real machines. In none of them is
//! there an attacker, and in none is anything configured otherwise than the README says.

use super::{Story, a_replicates, b_replicates, ms, served_by_a, served_by_b};
use crate::fault::Fault;
use crate::host::HostId::{self, A, B};
use crate::network::Traffic;
use crate::options::Options;
use crate::redis::{Boot, Persistence};
use crate::world::World;
use keepair_core::event::Event as Told;
use keepair_wire::peer::State;

fn aof(options: &mut Options) {
    options.redis.persistence = Persistence::Aof;
}

fn never_saved(options: &mut Options) {
    options.redis.persistence = Persistence::Rdb(ms(3_600_000));
}

fn nobody_serves(world: &World) -> bool {
    world.serving().is_none()
}

/// Every write that was acknowledged is on this machine.
fn holds_everything(world: &World, host: HostId) -> bool {
    let data = &world.hosts[host].redis.data;
    world.client.acknowledged.iter().all(|(write, _, _)| data.contains(*write))
}

fn says(world: &World, host: HostId, words: &str) -> bool {
    let daemon = &world.hosts[host].daemon;
    daemon.node.as_ref().is_some_and(|node| node.reason().contains(words))
}

fn kill_and_restart(story: &mut Story, host: HostId, boot: Boot) {
    story.happens(Fault::KillRedis(host, ms(1)));
    story.plans(ms(300), Fault::StartRedis(host, boot));
}

/// The standby's keepair is stopped, its Redis goes on replicating; then the primary's Redis comes back
/// from this file.
fn without_the_standbys_daemon(story: &mut Story, boot: Boot) {
    story.happens(Fault::Terminate(B));
    story.wait(ms(2_000));
    story.happens(Fault::Save(A));
    story.wait(ms(3_000));
    kill_and_restart(story, A, boot);
    story.wait(ms(1_000));
    story.always(ms(4_000), "A waits for the one that may hold more", nobody_serves);
    story.holds("A says for whom", |world| says(world, A, "B, which may hold newer data"));
    story.happens(Fault::StartDaemon(B));
    story.within(ms(2_000), "B, which holds everything, has the address", served_by_b);
    story.ends_well();
}

/// A report that is older than the restart proves nothing: B has received since what A has lost.
pub(super) fn older_file(story: &mut Story) {
    story.set_up(never_saved);
    story.pair();
    without_the_standbys_daemon(story, Boot::File);
}

/// B's Redis has stood still since before the file was saved. What A sent meanwhile lies in B's kernel,
/// and is read when it goes on.
pub(super) fn older_file_while_the_standby_hangs(story: &mut Story) {
    story.set_up(never_saved);
    story.pair();
    story.happens(Fault::Terminate(B));
    story.wait(ms(1_000));
    story.happens(Fault::StopRedis(B));
    story.wait(ms(5_000));
    story.happens(Fault::Save(A));
    story.wait(ms(2_000));
    kill_and_restart(story, A, Boot::File);
    story.wait(ms(1_000));
    story.always(ms(3_000), "A waits for the one that may hold more", nobody_serves);
    story.happens(Fault::ContinueRedis(B));
    story.happens(Fault::StartDaemon(B));
    story.within(ms(4_000), "B, which holds everything, has the address", served_by_b);
    story.ends_well();
}

/// A third that stands by A does not know either.
pub(super) fn older_file_with_a_third(story: &mut Story) {
    story.set_up(|options| {
        never_saved(options);
        options.tie_breakers = 1;
    });
    story.pair();
    without_the_standbys_daemon(story, Boot::File);
}

/// The pair was empty when B's keepair was stopped, and B's last report says so.
pub(super) fn empty_pair_filled(story: &mut Story) {
    story.set_up(|options| options.redis.persistence = Persistence::Off);
    for host in [A, B] {
        story.happens(Fault::StartRedis(host, Boot::Empty));
        story.happens(Fault::StartDaemon(host));
    }
    story.within(ms(8_000), "the pair works", |world| served_by_a(world) && b_replicates(world));
    story.wait(ms(2_000));
    story.happens(Fault::Terminate(B));
    story.wait(ms(1_000));
    story.world.start_client();
    story.wait(ms(3_000));
    kill_and_restart(story, A, Boot::Empty);
    story.wait(ms(1_000));
    story.always(ms(4_000), "A waits", nobody_serves);
    story.holds("B still holds everything", |world| holds_everything(world, B));
    story.happens(Fault::StartDaemon(B));
    story.within(ms(2_000), "B has the address", served_by_b);
    story.ends_well();
}

/// The same with an append-only file, which is whole: B can't hold more, but only B can say so.
pub(super) fn append_only_file_followed(story: &mut Story) {
    story.set_up(aof);
    story.pair();
    story.happens(Fault::Terminate(B));
    story.wait(ms(3_000));
    kill_and_restart(story, A, Boot::File);
    story.wait(ms(2_000));
    story.happens(Fault::StartDaemon(B));
    story.within(ms(2_000), "one has the address", |world| world.serving().is_some());
    story.ends_well();
}

/// A, which served before, is receiving everything from B when B's Redis dies.
fn dies_as_a_source(story: &mut Story, boot: Boot) {
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(15), "B has the address", served_by_b);
    story.wait(ms(2_000));
    story.world.hosts[B].redis.setup.transfer = ms(12_000);
    story.happens(Fault::StartRedis(A, Boot::File));
    story.wait(ms(3_000));
    story.holds("A is receiving", |world| world.hosts[A].redis.waits());
    kill_and_restart(story, B, boot);
    story.world.hosts[B].redis.setup.transfer = ms(100);
}

/// B comes back with its append-only file: it served last, and holds everything.
pub(super) fn source_of_a_resync(story: &mut Story) {
    story.set_up(aof);
    story.pair();
    dies_as_a_source(story, Boot::File);
    story.within(ms(2_300), "B, which served last, has the address", served_by_b);
    story.within(ms(5_000), "A replicates", a_replicates);
    story.ends_well();
}

/// B's redis.conf makes it A's replica. That is no operator's decision.
pub(super) fn source_of_a_resync_with_replicaof(story: &mut Story) {
    story.set_up(aof);
    story.happens(Fault::Replicaof(B));
    story.pair();
    dies_as_a_source(story, Boot::File);
    story.within(ms(2_300), "B, which served last, has the address", served_by_b);
    story.within(ms(5_000), "A replicates", a_replicates);
    story.ends_well();
}

/// B comes back from a file from before it served: what A holds is not older for that.
pub(super) fn source_of_a_resync_from_an_older_file(story: &mut Story) {
    story.set_up(never_saved);
    story.pair();
    story.happens(Fault::Save(B));
    story.wait(ms(2_000));
    story.happens(Fault::Save(A));
    dies_as_a_source(story, Boot::File);
    story.always(ms(6_000), "A keeps what B has lost", |world| {
        let redis = &world.hosts[A].redis;
        redis.files.kept().is_some_and(|file| file.data.without(&redis.data).is_empty())
    });
    story.holds("A has the address", served_by_a);
}

/// B's machine is dead for long; A is written to, and its Redis is restarted.
fn last_machine(story: &mut Story) {
    story.happens(Fault::PowerOff(B));
    story.wait(ms(6_000));
    story.world.stop_client();
    story.wait(ms(50));
    story.happens(Fault::Save(A));
    kill_and_restart(story, A, Boot::File);
    story.within(ms(2_300), "A has the address", served_by_a);
    story.holds("nothing is lost", |world| holds_everything(world, A));
    story.world.start_client();
}

/// Nobody else can hold more than what it has loaded: it serves again by itself.
pub(super) fn last_machine_aof(story: &mut Story) {
    story.set_up(aof);
    story.pair();
    last_machine(story);
    story.happens(Fault::PowerOn(B, Boot::File, ms(300), ms(200)));
    story.ends_well();
}

pub(super) fn last_machine_rdb(story: &mut Story) {
    story.set_up(never_saved);
    story.pair();
    last_machine(story);
    story.happens(Fault::PowerOn(B, Boot::Empty, ms(300), ms(200)));
    story.ends_well();
}

/// Its file is older than what B has received: it waits for B.
pub(super) fn last_machine_from_an_older_file(story: &mut Story) {
    story.set_up(never_saved);
    story.pair();
    story.happens(Fault::Save(A));
    story.wait(ms(2_000));
    story.happens(Fault::Save(B));
    story.wait(ms(500));
    story.happens(Fault::PowerOff(B));
    story.wait(ms(6_000));
    kill_and_restart(story, A, Boot::File);
    story.wait(ms(1_000));
    story.always(ms(5_000), "A waits for B", nobody_serves);
    story.happens(Fault::PowerOn(B, Boot::File, ms(300), ms(200)));
    story.within(ms(6_000), "B, which holds more, has the address", served_by_b);
}

/// Its redis.conf makes it the dead machine's replica.
pub(super) fn last_machine_with_replicaof(story: &mut Story) {
    story.set_up(aof);
    story.happens(Fault::Replicaof(A));
    story.world.begin_pair(B);
    story.within(ms(8_000), "B has the address", served_by_b);
    story.wait(ms(2_000));
    story.happens(Fault::PowerOff(B));
    story.within(ms(450), "A has the address", served_by_a);
    story.wait(ms(5_000));
    kill_and_restart(story, A, Boot::File);
    story.within(ms(2_300), "A has the address again", served_by_a);
    story.holds("nothing is lost", |world| holds_everything(world, A));
    story.happens(Fault::PowerOn(B, Boot::File, ms(300), ms(200)));
    story.ends_well();
}

/// The two do not hear each other, A serves by the third's vote, and its Redis is restarted. B was in
/// step once, and its process has not been restarted: that does not make its data the newer.
pub(super) fn alone_by_a_third(story: &mut Story) {
    story.set_up(|options| {
        aof(options);
        options.tie_breakers = 1;
    });
    story.pair();
    for host in [A, B] {
        story.happens(Fault::Cut(host, Traffic::ALL.to_vec()));
    }
    story.always(ms(6_000), "A has the address", served_by_a);
    kill_and_restart(story, A, Boot::File);
    story.wait(ms(1_500));
    story.happens(Fault::Mend);
    story.within(ms(6_000), "A, which holds more, has the address", served_by_a);
    story.holds("nothing is lost", |world| holds_everything(world, A));
    story.ends_well();
}

/// B has just received everything, and says that it is ready. What A acknowledges from then on is on B.
pub(super) fn crash_after_resync(story: &mut Story) {
    story.set_up(|options| options.redis.persistence = Persistence::Off);
    story.pair();
    for after in [1, 50, 200, 400, 700] {
        let host = story.world.serving().unwrap_or(A);
        let standby = host.peer();
        story.happens(Fault::KillRedis(standby, ms(1)));
        story.plans(ms(20), Fault::StartRedis(standby, Boot::Empty));
        story.wait(ms(25));
        story.within(ms(5_000), "the standby says that it is ready", |world| {
            HostId::BOTH.iter().any(|id| world.hosts[*id].daemon.phase() == Some(State::Backup))
        });
        story.wait(ms(after));
        kill_and_restart(story, host, Boot::Empty);
        story.ends_well();
    }
}

fn lose_power(story: &mut Story, boots: [Boot; 2]) {
    for host in [A, B] {
        story.happens(Fault::PowerOff(host));
    }
    story.wait(ms(1_000));
    for (host, boot) in [A, B].into_iter().zip(boots) {
        story.happens(Fault::PowerOn(host, boot, ms(600), ms(200)));
    }
}

/// Both files hold everything, and neither says of which history.
pub(super) fn power_of_both_aof(story: &mut Story) {
    story.set_up(aof);
    story.pair();
    story.world.stop_client();
    story.wait(ms(2_500));
    lose_power(story, [Boot::File, Boot::File]);
    story.within(ms(4_000), "A, which served, has the address", served_by_a);
    story.world.start_client();
    story.ends_well();
}

/// B's redis.conf makes it A's replica, as some set it up.
pub(super) fn power_of_both_aof_with_replicaof(story: &mut Story) {
    story.happens(Fault::Replicaof(B));
    power_of_both_aof(story);
}

/// A keeps an RDB file, which is old; B an append-only file, and was in step.
pub(super) fn power_of_both_with_one_aof(story: &mut Story) {
    story.set_up(|options| {
        never_saved(options);
        options.second_persistence = Some(Persistence::Aof);
    });
    story.pair();
    story.happens(Fault::Save(A));
    story.wait(ms(2_000));
    story.world.stop_client();
    story.wait(ms(2_500));
    lose_power(story, [Boot::File, Boot::File]);
    story.within(ms(5_000), "B, which lost nothing, has the address", served_by_b);
    story.world.start_client();
    story.ends_well();
}

/// B serves, and holds what A, which was off, does not. Both lose power; A's keepair does not start, and
/// B's redis.conf makes it A's replica.
pub(super) fn start_fails(story: &mut Story) {
    story.set_up(never_saved);
    story.happens(Fault::Replicaof(B));
    story.pair();
    story.happens(Fault::Switchover(A));
    story.within(ms(50), "B has the address", served_by_b);
    story.wait(ms(3_000));
    story.happens(Fault::Save(A));
    story.happens(Fault::PowerOff(A));
    story.wait(ms(3_000));
    story.happens(Fault::Save(B));
    story.world.stop_client();
    story.happens(Fault::PowerOff(B));
    story.wait(ms(1_000));
    story.happens(Fault::PowerOn(A, Boot::File, ms(600), ms(100_000)));
    story.happens(Fault::FailDaemon(A));
    story.happens(Fault::PowerOn(B, Boot::File, ms(700), ms(200)));
    story.always(ms(8_000), "B keeps what it holds", |world| {
        world.hosts[B].redis.is_loading()
            || world.hosts[B].redis.files.kept().is_some_and(|file| {
                file.data.iter().all(|write| {
                    world.hosts[B].redis.data.is_empty()
                        || world.hosts[B].redis.data.contains(write)
                })
            })
    });
    // The state directory was the reason: now the daemon warns, and runs.
    story.happens(Fault::LoseState(A));
    story.happens(Fault::StartDaemon(A));
    story.world.start_client();
    story.within(ms(4_000), "B, which holds more, has the address", served_by_b);
    story.ends_well();
}

/// A new, empty machine takes a lost one's place. Its firewall lets adverts and Redis pass, and not the
/// daemons' reports. Then A's Redis dies.
pub(super) fn new_machine_without_reports(story: &mut Story) {
    story.set_up(aof);
    story.pair();
    story.happens(Fault::PowerOff(B));
    story.happens(Fault::LoseState(B));
    story.wait(ms(2_000));
    for host in [A, B] {
        story.happens(Fault::Cut(host, vec![Traffic::Reports]));
    }
    story.happens(Fault::PowerOn(B, Boot::Empty, ms(300), ms(500)));
    story.wait(ms(6_000));
    story.holds("it does not call itself ready", |world| {
        world.hosts[B].daemon.phase() == Some(State::Unfit)
    });
    story.holds("it says why", |world| says(world, B, "is UDP 10112 filtered?"));
    story.happens(Fault::KillRedis(A, ms(1)));
    story.always(ms(3_000), "an empty Redis is not served", |world| !served_by_b(world));
    story.happens(Fault::StartRedis(A, Boot::File));
    story.within(ms(2_300), "A has the address again", served_by_a);
    story.happens(Fault::Mend);
    story.ends_well();
}

/// The same with a third, all reports filtered, and A's machine loses its power.
pub(super) fn new_machine_and_power_with_a_third(story: &mut Story) {
    story.set_up(|options| {
        aof(options);
        options.tie_breakers = 1;
    });
    story.pair();
    story.happens(Fault::PowerOff(B));
    story.happens(Fault::LoseState(B));
    story.wait(ms(2_000));
    for host in [A, B] {
        story.happens(Fault::Cut(host, vec![Traffic::Reports, Traffic::Adverts]));
    }
    story.happens(Fault::PowerOn(B, Boot::Empty, ms(300), ms(500)));
    story.wait(ms(6_000));
    story.happens(Fault::PowerOff(A));
    story.always(ms(4_000), "an empty Redis is not served", |world| !served_by_b(world));
    story.happens(Fault::Mend);
    story.happens(Fault::PowerOn(A, Boot::File, ms(300), ms(200)));
    story.ends_well();
}

/// Nobody has said `replicaof`: the one that has keys is the first source.
pub(super) fn first_start_one_has_keys(story: &mut Story) {
    for host in [A, B] {
        story.happens(Fault::StartRedis(host, Boot::Empty));
    }
    story.world.hosts[B].redis.seed_data(0..100);
    story.world.start_client();
    story.plans(ms(100), Fault::StartDaemon(A));
    story.plans(ms(700), Fault::StartDaemon(B));
    story.within(ms(6_000), "B, which has keys, has the address", served_by_b);
    story.within(ms(4_000), "A replicates", a_replicates);
    story.ends_well();
    story.holds("nothing is lost", |world| {
        (0..100).all(|write| world.hosts[A].redis.data.contains(write))
    });
}

/// A Redis that does not answer is not an empty one.
pub(super) fn first_start_other_unreachable(story: &mut Story) {
    story.happens(Fault::StartRedis(A, Boot::Empty));
    for host in [A, B] {
        story.happens(Fault::StartDaemon(host));
    }
    story.wait(ms(1_000));
    story.always(ms(6_000), "nobody serves", nobody_serves);
    story.holds("A says why", |world| says(world, A, "may hold data"));
    story.happens(Fault::StartRedis(B, Boot::Empty));
    story.world.hosts[B].redis.seed_data(0..100);
    story.world.start_client();
    story.within(ms(4_000), "B, which has keys, has the address", served_by_b);
    story.ends_well();
}

/// The standby's state directory is lost: it warns, vouches for nothing, and is in step again at once.
pub(super) fn state_lost(story: &mut Story) {
    story.pair();
    story.happens(Fault::KillDaemon(B));
    story.happens(Fault::LoseState(B));
    story.wait(ms(1_000));
    story.happens(Fault::StartDaemon(B));
    story.within(ms(3_000), "B is ready", |world| {
        world.hosts[B].daemon.phase() == Some(State::Backup)
    });
    story.holds("nobody was asked", |world| {
        !world.told.iter().any(|(_, _, event)| matches!(event, Told::Accepted { .. }))
    });
    story.happens(Fault::KillRedis(A, ms(1)));
    story.within(ms(15), "B has the address", served_by_b);
    story.plans(ms(300), Fault::StartRedis(A, Boot::File));
    story.ends_well();
}
