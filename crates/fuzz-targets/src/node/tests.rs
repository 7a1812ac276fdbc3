//! A promise that never says no is worth nothing: each is shown what it must refuse. And the seeds
//! are what they are named after, so that the fuzzer begins where the interesting things happen.

use std::fs;

use keepair_core::event::{Event, SwitchoverStep};
use keepair_core::input::{Done, Refused, Remains};
use keepair_wire::info::Info;

use super::*;

const NOW: Time = Time(1_000_000);

const SEEDS_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/node");

/// A seed, and something the operator is told in it.
#[rustfmt::skip]
const SEEDS: &[(&str, &str)] = &[
    ("address-in-use",                   "is already used by"),
    ("address-taken",                    "was removed from the interface by somebody else"),
    ("cold-start-alone",                 "took over (adopted)"),
    ("cold-start-alone-v6",              "took over (adopted)"),
    ("kernel-refuses",                   "the kernel says no"),
    ("lies",                             "dropped a packet"),
    ("link-goes-and-comes",              "Active -> Unfit: the link is down"),
    ("preempted-by-priority",            "switchover: writes are paused"),
    ("preempted-with-an-old-redis",      "switchover: writes are paused"),
    ("redis-dies-and-comes-back-empty",  "Unfit: Redis was restarted, and redis-2, which may hold newer data"),
    ("redis-hangs",                      "Active -> Unfit: Redis hangs"),
    ("reloaded-while-active",            "configuration reloaded"),
    ("resumed",                          "Active: took up the work of an earlier run"),
    ("resumed-with-another-redis",       "Starting -> Unfit: Redis was restarted"),
    ("stalled",                          "left the address: stalled"),
    ("standby-hears-a-farewell",         "took over (daemon-stopping)"),
    ("standby-of-a-silent-peer",         "took over (peer-silent)"),
    ("stop-while-active",                "switchover: finished"),
    ("switchover-away",                  "rejoined by partial resync"),
    ("switchover-away-and-back",         "switchover: asked the primary to hand over"),
    ("switchover-of-an-old-redis",       "switchover: finished"),
    ("two-active",                       "left the address: superseded"),
];

#[test]
fn seeds_are_what_they_are_named_after() {
    for (seed, expected) in SEEDS {
        let bytes = fs::read(format!("{SEEDS_FOLDER}/{seed}")).expect(seed);
        let told = play(&bytes).promises.told;
        assert!(told.iter().any(|line| line.contains(expected)), "{seed}: {told:#?}");
    }
    assert_eq!(fs::read_dir(SEEDS_FOLDER).unwrap().count(), SEEDS.len());
}

/// A fresh node with what watches it.
struct Bench {
    now: Time,
    config: Config,
    kernel: Kernel,
    promises: Promises,
    node: Node,
}

impl Bench {
    fn new() -> Self {
        let config = pair::config(&mut Draw::new(&[]));
        Bench {
            now: NOW,
            kernel: Kernel::new(&config),
            promises: Promises::new(&config, true),
            node: Node::new(config.clone(), NOW),
            config,
        }
    }

    /// With a node that is Active, as the seed that starts alone leaves it.
    fn active() -> Self {
        let bytes = fs::read(format!("{SEEDS_FOLDER}/cold-start-alone")).unwrap();
        let mut scene = Scene::begin(Draw::new(&bytes));
        for _ in 0..10_000 {
            if scene.node.state() == keepair_wire::peer::State::Active {
                break;
            }
            scene.step();
        }
        Bench { now: scene.now, node: scene.node, ..Bench::new() }
    }

    /// The kernel is asked for the addresses, and its answer delivered.
    fn adds_vips(&mut self) {
        let (done, result) = self.performs(Action::AddVips).expect("an answer");
        self.promises.hears(&Input::ActionDone(done, result), &self.node);
    }

    /// The local Redis says what it is.
    fn hears_role(&mut self, primary: bool) {
        let info = Info::parse(if primary { "role:master" } else { "role:slave" });
        let reply = Input::Redis(RedisInput::Reply(
            Query::Info,
            keepair_core::input::Reply::Info(Box::new(info)),
        ));
        self.promises.hears(&Input::Redis(RedisInput::Connected), &self.node);
        self.promises.hears(&reply, &self.node);
    }

    fn performs(&mut self, action: Action) -> Option<(Done, Result<(), Refused>)> {
        self.promises.performs(NOW, &action, &self.kernel);
        self.kernel.perform(NOW, &action)
    }

    fn advert(&self, priority: u8) -> Action {
        Action::SendAdvert(keepair_core::vrrp::advert(&self.config, priority))
    }
}

fn writes_are_paused() -> Action {
    Action::Tell(Event::Switchover(SwitchoverStep::Paused))
}

fn fence_end() -> Time {
    NOW + Duration::from_millis(100)
}

#[test]
fn a_good_claim_is_not_refused() {
    let mut bench = Bench::new();
    bench.hears_role(true);
    bench.performs(Action::OpenSource);
    bench.performs(Action::OpenFence(fence_end()));
    bench.adds_vips();
    bench.performs(bench.advert(100));
    bench.performs(Action::Announce);
    bench.performs(Action::RenewFence(fence_end()));
    bench.performs(Action::CloseFence { and_source: false });
    bench.performs(bench.advert(0));
    bench.performs(Action::RemoveVips);
    bench.promises.rests(NOW, &bench.node, &bench.kernel, false);
    bench.promises.has_left(&bench.kernel, NOW);
}

#[test]
#[should_panic(expected = "an address it does not have")]
fn an_announcement_without_the_address() {
    Bench::new().performs(Action::Announce);
}

#[test]
#[should_panic(expected = "an address it does not have")]
fn an_announcement_before_the_kernel_has_answered() {
    let mut bench = Bench::new();
    bench.performs(Action::AddVips);
    bench.performs(Action::Announce);
}

#[test]
#[should_panic(expected = "an address it does not have")]
fn an_announcement_after_the_address_was_removed() {
    let mut bench = Bench::new();
    bench.adds_vips();
    bench.performs(Action::RemoveVips);
    bench.performs(Action::Announce);
}

#[test]
#[should_panic(expected = "an address it does not have")]
fn an_advert_after_the_kernel_refused_the_address() {
    let mut bench = Bench::new();
    bench.adds_vips();
    bench.kernel.refuse(1);
    bench.adds_vips();
    bench.performs(bench.advert(100));
}

#[test]
#[should_panic(expected = "an address it does not have")]
fn an_advert_on_an_answer_from_before_the_address_was_removed() {
    let mut bench = Bench::new();
    bench.performs(Action::RemoveVips);
    bench.promises.hears(&Input::ActionDone(Done::AddVips, Ok(())), &bench.node);
    bench.performs(bench.advert(100));
}

#[test]
#[should_panic(expected = "outlasts the peer's patience")]
fn an_advert_of_a_shorter_interval_under_an_old_right() {
    let mut bench = Bench::new();
    bench.adds_vips();
    bench.kernel.inherit(NOW + Duration::from_secs(1));
    bench.performs(bench.advert(100));
}

#[test]
#[should_panic(expected = "it lets writes through before the last")]
fn a_fence_opened_while_it_holds_writes_back() {
    let mut bench = Bench::active();
    bench.hears_role(true);
    bench.promises.asks(bench.now, &[writes_are_paused()], &bench.node);
    bench.performs(Action::CloseFence { and_source: false });
    bench.performs(Action::OpenFence(fence_end()));
}

#[test]
#[should_panic(expected = "writes come through")]
fn a_fence_that_does_not_hold_writes_back() {
    let mut bench = Bench::active();
    bench.adds_vips();
    bench.performs(bench.advert(100));
    bench.promises.asks(bench.now, &[writes_are_paused()], &bench.node);
    bench.kernel.inherit(bench.now + Duration::from_secs(1));
    bench.kernel.refuse(1);
    bench.performs(Action::CloseFence { and_source: false });
    bench.promises.rests(NOW, &bench.node, &bench.kernel, false);
}

#[test]
#[should_panic(expected = "it leaves and the fence stays open")]
fn a_leave_without_the_fence() {
    let mut bench = Bench::active();
    bench.promises.hears(&Input::Deadline, &bench.node);
    let mut other = Bench::new().node;
    other.handle(NOW, Input::Started(Remains::default()), &mut Actions::new());
    bench.promises.asks(NOW, &[], &other);
}

#[test]
#[should_panic(expected = "silent for None")]
fn an_active_node_without_adverts() {
    let bench = Bench::active();
    Promises::new(&bench.config, true).rests(NOW, &bench.node, &bench.kernel, false);
}

#[test]
#[should_panic(expected = "it holds an address that is not there")]
fn an_active_node_without_its_address() {
    let mut bench = Bench::active();
    bench.adds_vips();
    bench.performs(bench.advert(100));
    bench.promises.rests(NOW, &bench.node, &Kernel::new(&bench.config), false);
}

#[test]
#[should_panic(expected = "clients are let to a Redis that is None")]
fn a_fence_opened_to_nobody_knows_what() {
    Bench::new().performs(Action::OpenFence(fence_end()));
}

#[test]
#[should_panic(expected = "clients are let to a Redis that is Some(Replica)")]
fn a_fence_opened_to_a_replica() {
    let mut bench = Bench::new();
    bench.hears_role(true);
    bench.hears_role(false);
    bench.performs(Action::OpenFence(fence_end()));
}

#[test]
#[should_panic(expected = "clients are let to a Redis that is None")]
fn a_fence_opened_on_what_an_earlier_connection_said() {
    let mut bench = Bench::new();
    bench.hears_role(true);
    bench.performs(Action::DisconnectRedis);
    bench.performs(Action::OpenFence(fence_end()));
}

#[test]
#[should_panic(expected = "a right of 1s")]
fn a_right_that_outlasts_the_peers_patience() {
    let mut bench = Bench::new();
    bench.hears_role(true);
    bench.performs(Action::OpenFence(NOW + Duration::from_secs(1)));
}

#[test]
#[should_panic(expected = "a source nobody looked at")]
fn a_source_opened_unseen() {
    Bench::new().performs(Action::OpenSource);
}

#[test]
#[should_panic(expected = "farewell while clients are answered")]
fn a_farewell_from_an_open_address() {
    let mut bench = Bench::new();
    bench.hears_role(true);
    bench.performs(Action::OpenFence(fence_end()));
    bench.performs(Action::AddVips);
    bench.performs(bench.advert(0));
}

#[test]
#[should_panic(expected = "41 actions")]
fn too_much_at_once() {
    let mut bench = Bench::new();
    bench.promises.asks(NOW, &vec![Action::Announce; 41], &bench.node);
}

#[test]
#[should_panic(expected = "nobody told it to stop")]
fn an_exit_unasked() {
    let mut bench = Bench::new();
    bench.promises.asks(NOW, &[Action::Exit], &bench.node);
}

#[test]
#[should_panic(expected = "it sleeps for")]
fn a_deadline_too_far_away() {
    let mut bench = Bench::new();
    bench.promises.asks(Time(0), &[], &bench.node);
}

#[test]
#[should_panic(expected = "it makes a replica of what it serves")]
fn a_follow_before_the_first_decision() {
    let mut bench = Bench::new();
    bench.node.handle(NOW, Input::Started(Remains::default()), &mut Actions::new());
    bench.promises.asks(NOW, &[Action::AskRedis(Query::Follow)], &bench.node);
}

#[test]
#[should_panic(expected = "it rests and the fence is open")]
fn an_open_fence_of_one_that_rests() {
    let mut bench = Bench::new();
    let mut actions = Actions::new();
    let started = Input::Started(Remains { link_up: true, ..Remains::default() });
    bench.node.handle(NOW, started, &mut actions);
    bench.node.handle(NOW + bench.config.timing.boot_wait, Input::Deadline, &mut actions);
    bench.kernel.inherit(Time(10_000_000));
    bench.promises.rests(NOW + Duration::from_secs(4), &bench.node, &bench.kernel, false);
}

#[test]
#[should_panic(expected = "the addresses are still there")]
fn addresses_left_behind() {
    let mut bench = Bench::new();
    bench.kernel.inherit(NOW);
    bench.promises.has_left(&bench.kernel, NOW);
}

#[test]
#[should_panic(expected = "a report that is no news")]
fn a_report_twice() {
    let mut bench = Bench::new();
    let mut report = PeerDaemon::new(&bench.config).report;
    report.seq = 1;
    for _ in 0..2 {
        bench.performs(Action::SendReport(Box::new(report.clone())));
    }
}

#[test]
#[should_panic(expected = "data is to be replaced by nothing")]
fn data_replaced_by_nothing() {
    let bench = Bench::new();
    let mut status = bench.node.status(NOW);
    status.link_up = true;
    status.members[0].redis.replid = [1; 20];
    status.members[1].redis.replid = [2; 20];
    status.members[1].redis.empty = true;
    promises::never_replaced_by_nothing(&status);
}

#[test]
fn what_is_told_is_kept_for_a_look() {
    let mut bench = Bench::new();
    bench.performs(Action::Tell(Event::Reloaded));
    assert_eq!(bench.promises.told, ["configuration reloaded"]);
}
