//! Traces of one node: what it is told, what it does, in order. Both machines at once, with time
//! and faults, are the simulator's.

use super::*;
use crate::config::{Announce, Member, Priority, Timing, Vip, Vrid};
use crate::input::{Lost, Process, Remains, Reply};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use keepair_wire::info::{Info, LinkStatus, ReplId, Role};
use keepair_wire::peer::{RedisFacts, Report};
use keepair_wire::vrrp::{ChecksumForm, GROUP_V4};

const OWN: &str = "172.18.0.4";
const PEER: &str = "172.18.0.5";

fn config() -> Config {
    let member = |name: &str, address: &str| Member {
        name: name.to_string(),
        address: address.parse().unwrap(),
        priority: Priority(100),
    };
    Config {
        vrid: Vrid(51),
        vips: vec![Vip { address: "172.18.0.10".parse().unwrap(), prefix_len: 24 }],
        members: [member("redis-1", OWN), member("redis-2", PEER)],
        me: 0,
        advert_interval: Duration::from_millis(100),
        unicast: false,
        preempt: false,
        checksum_pseudo_header: false,
        redis_port: 6379,
        timing: Timing::default(),
        announce: Announce::default(),
    }
}

/// A node, its clock, and an executor that says yes to everything.
struct Bench {
    node: Node,
    now: Time,
    log: Vec<Action>,
    seq: u64,
    refuse: Option<Done>,
}

impl Bench {
    fn new() -> Bench {
        Bench::started(Remains { link_up: true, ..Remains::default() })
    }

    fn started(remains: Remains) -> Bench {
        let now = Time(1_000_000);
        let node = Node::new(config(), now);
        let mut bench = Bench { node, now, log: Vec::new(), seq: 0, refuse: None };
        bench.feed(Input::Started(remains));
        bench.redis(RedisInput::Connected);
        bench
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let mut actions = Actions::new();
            self.node.handle(self.now, inputs.remove(0), &mut actions);
            for action in actions {
                let done = match action {
                    Action::AddVips => Some(Done::AddVips),
                    Action::RemoveVips => Some(Done::RemoveVips),
                    Action::OpenFence(_) => Some(Done::OpenFence),
                    Action::RenewFence(_) => Some(Done::RenewFence),
                    Action::CloseFence { .. } => Some(Done::CloseFence),
                    _ => None,
                };
                if let Some(done) = done {
                    let refused = self.refuse == Some(done);
                    let result =
                        if refused { Err(Refused::Failed("no".to_string())) } else { Ok(()) };
                    inputs.push(Input::ActionDone(done, result));
                }
                self.log.push(action);
            }
        }
    }

    fn redis(&mut self, input: RedisInput) {
        self.feed(Input::Redis(input));
    }

    /// The connection closes, and a second one is refused.
    fn redis_dies(&mut self) {
        self.redis(RedisInput::Lost(Lost::Closed));
        self.log.retain(|action| {
            !matches!(action, Action::LookAtProcess | Action::ConnectRedis { .. })
        });
        self.redis(RedisInput::Lost(Lost::Closed));
    }

    /// Lets time pass, with every deadline on time.
    fn pass(&mut self, span_ms: u64) {
        let end = self.now + Duration::from_millis(span_ms);
        while self.node.deadline() <= end {
            self.now = self.node.deadline().max(self.now);
            self.feed(Input::Deadline);
        }
        self.now = end;
    }

    /// Lets time pass while Redis answers each INFO with the same facts.
    fn pass_with(&mut self, span_ms: u64, info: &Info) {
        for _ in 0..span_ms {
            self.pass(1);
            self.answer(info);
        }
    }

    /// Answers the questions asked so far.
    fn answer(&mut self, info: &Info) {
        for query in self.take_queries() {
            let reply = match query {
                Query::Info => Reply::Info(Box::new(info.clone())),
                Query::Settings => Reply::Settings(Box::default()),
                _ => Reply::Ok,
            };
            self.redis(RedisInput::Reply(query, reply));
        }
    }

    fn take_queries(&mut self) -> Vec<Query> {
        let mut queries = Vec::new();
        self.log.retain(|action| match action {
            Action::AskRedis(query) => {
                queries.push(*query);
                false
            }
            _ => true,
        });
        queries
    }

    fn advert(&mut self, priority: u8) {
        let advert = Advert {
            vrid: 51,
            priority,
            max_advert_int_cs: 10,
            addresses: vec!["172.18.0.10".parse().unwrap()],
        };
        let (src, dst) = (PEER.parse().unwrap(), GROUP_V4.into());
        let message = advert.emit(src, dst, ChecksumForm::MessageOnly);
        self.feed(Input::Advert { src, dst, ttl: 255, message });
    }

    fn report(&mut self, mut report: Report) {
        self.seq += 1;
        report.seq = self.seq;
        let bytes = report.encode();
        self.feed(Input::PeerDatagram { src: PEER.parse().unwrap(), ttl: 255, bytes });
    }

    /// What was done since the last look, without reports and log lines.
    fn done(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        for action in self.log.drain(..) {
            words.push(match action {
                Action::Tell(_) | Action::SendReport(_) | Action::Persist(_) => continue,
                Action::SendAdvert(advert) => format!("advert {}", advert.priority),
                Action::AskRedis(query) => format!("{query:?}"),
                Action::OpenFence(_) => "open fence".to_string(),
                Action::RenewFence(_) => "renew fence".to_string(),
                other => format!("{other:?}"),
            });
        }
        words
    }
}

fn run_id(id: u8) -> Option<RunId> {
    Some(RunId([id; 20]))
}

fn primary(id: u8) -> Info {
    Info {
        redis_version: Some("7.0.15".to_string()),
        role: Some(Role::Primary),
        run_id: run_id(id),
        process_id: Some(1),
        master_replid: Some(ReplId([1; 20])),
        master_repl_offset: Some(1000),
        keys: Some(5),
        ..Info::default()
    }
}

fn replica(id: u8) -> Info {
    Info {
        role: Some(Role::Replica),
        master_host: Some(PEER.to_string()),
        master_port: Some(6379),
        master_link_status: Some(LinkStatus::Up),
        slave_repl_offset: Some(1000),
        slave_read_repl_offset: Some(1000),
        ..primary(id)
    }
}

fn peer_report(state: State, is_primary: bool, generation: u64) -> Report {
    Report {
        vrid: 51,
        instance: 9,
        seq: 0,
        state,
        fit: true,
        priority: 100,
        generation,
        vouched: true,
        redis: RedisFacts {
            reachable: true,
            primary: is_primary,
            link_up: !is_primary,
            replid: [1; 20],
            second_offset: -1,
            offset: 1000,
            version: (7, 0),
            ..RedisFacts::default()
        },
        leaving: None,
        handshake: Default::default(),
        failover: None,
        reason: "a test".to_string(),
    }
}

/// A standby in step with an Active peer at generation 3.
fn standby() -> Bench {
    let mut bench = Bench::new();
    bench.report(peer_report(State::Active, true, 3));
    bench.advert(100);
    bench.answer(&replica(7));
    bench.report(peer_report(State::Active, true, 3));
    assert_eq!(bench.node.state(), State::Backup, "{}", bench.node.reason);
    bench.done();
    bench
}

/// An Active primary whose peer is a fit standby.
fn active() -> Bench {
    let mut bench = Bench::new();
    bench.report(peer_report(State::Backup, false, 0));
    bench.answer(&primary(7));
    for _ in 0..6 {
        bench.report(peer_report(State::Backup, false, 0));
        bench.pass_with(100, &primary(7));
    }
    assert_eq!(bench.node.state(), State::Active, "{}", bench.node.reason);
    bench.done();
    bench
}

#[test]
fn a_start_removes_what_an_earlier_run_left() {
    let mut bench = Bench::new();
    let done = bench.done();
    assert_eq!(done[..2], ["RemoveVips", "CloseFence { and_source: true }"]);
}

#[test]
fn a_lone_primary_waits_for_the_peer_then_probes_then_claims() {
    let mut bench = Bench::new();
    bench.answer(&primary(7));
    bench.done();
    bench.pass_with(2900, &primary(7));
    assert_eq!(bench.node.state(), State::Starting);
    bench.pass_with(600, &primary(7));
    let done: Vec<_> = bench
        .done()
        .into_iter()
        .filter(|word| !word.starts_with("WatchProcess") && !word.starts_with("LookAt"))
        .take(9)
        .collect();
    assert_eq!(
        done,
        [
            "Probe",
            "Probe",
            "Probe",
            "EndProbe",
            "OpenSource",
            "open fence",
            "AddVips",
            "advert 100",
            "Announce",
        ]
    );
}

#[test]
fn an_address_in_use_is_not_claimed() {
    let mut bench = Bench::new();
    bench.answer(&primary(7));
    while bench.node.state() != State::TakingOver {
        bench.pass_with(1, &primary(7));
    }
    let address = "172.18.0.10".parse().unwrap();
    bench.feed(Input::VipClaimed { address, mac: [2, 0, 0, 0, 0, 9] });
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(bench.node.reason.contains("02:00:00:00:00:09"), "{}", bench.node.reason);
    bench.pass_with(1000, &primary(7));
    assert!(bench.done().iter().all(|word| word != "AddVips"));
}

#[test]
fn a_farewell_makes_the_standby_drain_promote_verify_claim_announce() {
    let mut bench = standby();
    bench.advert(0);
    assert_eq!(bench.done(), ["Info"], "nothing is promoted before the received bytes are applied");
    let mut behind = replica(7);
    behind.slave_repl_offset = Some(900);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(behind))));
    bench.pass(2);
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
    bench.pass(2);
    assert_eq!(bench.done(), ["Info"], "an open link may still deliver");
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
    assert_eq!(bench.done(), ["Promote"]);
    bench.redis(RedisInput::Reply(Query::Promote, Reply::Ok));
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.done(), ["OpenSource", "open fence", "AddVips", "advert 100", "Announce"]);
    assert_eq!(bench.node.state(), State::Active);
    assert_eq!(bench.node.generation, Generation(4));
}

#[test]
fn a_closed_link_is_drained_after_one_look() {
    let mut bench = standby();
    bench.advert(0);
    let mut closed = replica(7);
    closed.master_link_status = Some(LinkStatus::Down);
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(closed))));
    assert_eq!(bench.done(), ["Promote"]);
}

#[test]
fn a_silent_peer_is_succeeded_after_three_intervals_and_the_skew() {
    let mut bench = standby();
    bench.advert(100);
    bench.pass_with(360, &replica(7));
    assert_eq!(bench.node.state(), State::Backup);
    bench.pass_with(10, &replica(7));
    assert_eq!(bench.node.state(), State::TakingOver);
}

#[test]
fn missing_adverts_of_a_peer_that_reports_itself_active_are_no_reason() {
    let mut bench = standby();
    for _ in 0..20 {
        bench.report(peer_report(State::Active, true, 3));
        bench.pass_with(100, &replica(7));
    }
    assert_eq!(bench.node.state(), State::Backup);
}

#[test]
fn a_dead_redis_means_leave_fence_then_farewell() {
    let mut bench = active();
    bench.redis_dies();
    assert_eq!(
        bench.done(),
        ["DisconnectRedis", "CloseFence { and_source: true }", "advert 0", "RemoveVips"]
    );
    assert_eq!(bench.node.state(), State::Unfit);
}

#[test]
fn a_dying_process_is_as_dead_as_a_closed_connection() {
    let mut bench = active();
    bench.redis(RedisInput::ProcessStirred);
    assert_eq!(bench.done(), ["LookAtProcess"]);
    let process = Process { state: 'R', exiting: true, cpu_ticks: 1 };
    bench.redis(RedisInput::Process(Some(process)));
    assert_eq!(
        bench.done()[..3],
        ["DisconnectRedis", "CloseFence { and_source: true }", "advert 0"]
    );
}

#[test]
fn nothing_is_handed_over_when_the_kernel_neither_removes_nor_fences() {
    let mut bench = active();
    bench.refuse = Some(Done::CloseFence);
    bench.feed(Input::LinkChanged(false));
    let done: Vec<_> = bench.done().into_iter().filter(|word| word != "Follow").collect();
    assert_eq!(done[..3], ["CloseFence { and_source: false }", "RemoveVips", "advert 0"]);

    let mut bench = active();
    let mut actions = Actions::new();
    bench.node.handle(bench.now, Input::LinkChanged(false), &mut actions);
    for done in [Done::CloseFence, Done::RemoveVips] {
        let refused = Err(Refused::Failed("no".to_string()));
        bench.node.handle(bench.now, Input::ActionDone(done, refused), &mut actions);
    }
    assert!(!actions.iter().any(|action| matches!(action, Action::SendAdvert(_))));
}

#[test]
fn a_node_that_slept_longer_than_its_right_listens_first() {
    let mut bench = active();
    bench.now = bench.now + Duration::from_millis(400);
    bench.feed(Input::Deadline);
    let done = bench.done();
    assert_eq!(done[0], "CloseFence { and_source: false }", "{done:?}");
    assert!(done.iter().all(|word| !word.starts_with("renew")));
}

#[test]
fn an_earlier_run_is_taken_up_while_the_kernel_still_honours_it() {
    let persisted = Persisted { generation: Generation(4), run_id: run_id(7), primary: true };
    let mut bench = Bench::started(Remains {
        fence_left: Some(Duration::from_millis(120)),
        link_up: true,
        persisted: Some(persisted),
        ..Remains::default()
    });
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    let done = bench.done();
    assert!(!done.contains(&"RemoveVips".to_string()), "{done:?}");
    assert_eq!(bench.node.state(), State::Active);
    assert_eq!(bench.node.generation, Generation(4));
}

#[test]
fn an_earlier_run_is_not_taken_up_with_a_restarted_redis() {
    let persisted = Persisted { generation: Generation(4), run_id: run_id(7), primary: true };
    let mut bench = Bench::started(Remains {
        fence_left: Some(Duration::from_millis(120)),
        link_up: true,
        persisted: Some(persisted),
        ..Remains::default()
    });
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(8)))));
    assert!(bench.done().contains(&"RemoveVips".to_string()));
    assert_eq!(bench.node.state(), State::Starting);
}

#[test]
fn a_stopped_process_is_a_hang_and_a_running_one_is_busy() {
    for (name, process, hung) in [
        ("stopped", Process { state: 'T', exiting: false, cpu_ticks: 5 }, true),
        ("computing", Process { state: 'R', exiting: false, cpu_ticks: 5 }, false),
        ("waiting for the disk", Process { state: 'D', exiting: false, cpu_ticks: 5 }, false),
        ("asleep", Process { state: 'S', exiting: false, cpu_ticks: 5 }, false),
    ] {
        let mut bench = active();
        bench.take_queries();
        for _ in 0..80 {
            bench.pass(10);
            if bench.log.contains(&Action::LookAtProcess) {
                bench.log.clear();
                bench.redis(RedisInput::Process(Some(process)));
            }
        }
        let left = bench.node.state() != State::Active;
        assert_eq!(left, hung, "{name}");
    }
}

#[test]
fn a_replica_told_to_follow_drops_its_clients_only_when_the_peer_is_newer() {
    let mut bench = active();
    bench.redis_dies();
    bench.done();
    bench.pass(30);
    bench.redis(RedisInput::Connected);
    let mut newer = peer_report(State::Active, true, 2);
    newer.redis.replid = [2; 20];
    newer.redis.replid2 = [1; 20];
    newer.redis.second_offset = 1001;
    bench.report(newer);
    bench.done();
    let mut restarted = primary(8);
    restarted.master_replid = Some(ReplId([5; 20]));
    restarted.keys = Some(0);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(restarted))));
    let done = bench.done();
    assert!(done.contains(&"Follow".to_string()), "{done:?}");
}

#[test]
fn strangers_data_is_never_overwritten() {
    let mut bench = Bench::new();
    bench.report(peer_report(State::Active, true, 3));
    bench.advert(100);
    let mut stranger = primary(8);
    stranger.master_replid = Some(ReplId([5; 20]));
    bench.answer(&stranger);
    bench.report(peer_report(State::Active, true, 3));
    bench.pass_with(300, &stranger);
    assert!(!bench.done().contains(&"Follow".to_string()));
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(bench.node.reason.contains("neither will be overwritten"), "{}", bench.node.reason);
}

#[test]
fn a_switchover_pauses_measures_waits_then_leaves() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.done();
    bench.feed(Input::Operator(Operator::Switchover));
    assert_eq!(bench.done(), ["HoldConnections(500ms)"]);
    bench.pass(1);
    assert_eq!(bench.done(), ["PauseWrites(3s)"]);
    bench.redis(RedisInput::Reply(Query::PauseWrites(Duration::from_secs(3)), Reply::Ok));
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(7)))));
    assert_eq!(bench.done(), [""; 0]);
    let mut behind = peer_report(State::Backup, false, 1);
    behind.handshake.caught_up_offset = 999;
    bench.report(behind);
    assert_eq!(bench.done(), [""; 0], "one byte is missing");
    let mut caught_up = peer_report(State::Backup, false, 1);
    caught_up.handshake.caught_up_offset = 1000;
    bench.report(caught_up);
    assert_eq!(bench.done(), ["CloseFence { and_source: false }", "advert 0"]);
    let mut successor = peer_report(State::Active, true, 2);
    successor.redis.replid = [2; 20];
    successor.redis.replid2 = [1; 20];
    successor.redis.second_offset = 1001;
    bench.report(successor);
    assert_eq!(bench.done(), ["Follow"]);
    bench.redis(RedisInput::Reply(Query::Follow, Reply::Ok));
    assert_eq!(bench.done()[0], "RemoveVips", "Redis has closed its clients");
}

#[test]
fn a_standby_that_has_the_last_byte_of_a_paused_primary_promotes_at_once() {
    let mut bench = standby();
    let mut paused = peer_report(State::Active, true, 3);
    paused.handshake.target_offset = 1000;
    bench.report(paused);
    assert_eq!(bench.done(), ["Info"]);
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(replica(7)))));
    let told = bench.log.iter().any(|action| {
        matches!(action, Action::SendReport(report) if report.handshake.caught_up_offset == 1000)
    });
    assert!(told);
    bench.done();
    let mut leaver = peer_report(State::Backup, true, 3);
    leaver.leaving =
        Some(Leaving { cause: Cause::Switchover, noticed_ago_us: 0, fenced_ago_us: 0 });
    bench.report(leaver);
    bench.advert(0);
    assert_eq!(bench.done(), ["Promote"]);
}

#[test]
fn a_switchover_that_would_lose_something_is_refused() {
    let mut bench = active();
    let mut unfit = peer_report(State::Unfit, false, 1);
    unfit.fit = false;
    bench.report(unfit);
    bench.log.clear();
    bench.feed(Input::Operator(Operator::Switchover));
    let told: Vec<_> = bench
        .log
        .iter()
        .filter_map(|action| match action {
            Action::Tell(event) => Some(event.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["switchover: refused: redis-2 can't take over: a test"]);
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn every_wrong_packet_is_counted_by_its_reason() {
    let mut bench = standby();
    let (src, dst) = (PEER.parse().unwrap(), GROUP_V4.into());
    let advert = |vrid: u8| {
        Advert {
            vrid,
            priority: 100,
            max_advert_int_cs: 10,
            addresses: vec![PEER.parse().unwrap()],
        }
        .emit(src, dst, ChecksumForm::MessageOnly)
    };
    for (src, ttl, message, reason) in [
        (src, 254, advert(51), "ttl"),
        (src, 255, vec![0x31, 51], "malformed"),
        (src, 255, advert(52), "vrid"),
        (OWN.parse().unwrap(), 255, advert(51), "own_source"),
        ("172.18.0.77".parse().unwrap(), 255, advert(51), "unknown_source"),
    ] {
        let index = Drop::NAMES.iter().position(|name| *name == reason).unwrap();
        let accepted = bench.node.counters.adverts_received;
        bench.feed(Input::Advert { src, dst, ttl, message });
        assert_eq!(bench.node.counters.dropped[index], 1, "{reason}");
        assert_eq!(bench.node.counters.adverts_received, accepted, "{reason}");
    }
}

#[test]
fn a_machine_whose_cable_is_back_waits_until_it_hears_the_peer() {
    // A switch may hold its port closed for half a minute after the link came up.
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::LinkChanged(false));
    assert!(bench.take_queries().contains(&Query::Follow), "no write may be accepted meanwhile");
    bench.redis(RedisInput::Reply(Query::Follow, Reply::Ok));
    let mut cut_off = replica(7);
    cut_off.master_link_status = Some(LinkStatus::Down);
    bench.pass_with(2000, &cut_off);
    bench.feed(Input::LinkChanged(true));
    bench.pass_with(5000, &cut_off);
    assert_eq!(bench.node.state(), State::Unfit);
    assert!(bench.node.reason.starts_with("has not heard redis-2"), "{}", bench.node.reason);
    for _ in 0..10 {
        let mut unfit = peer_report(State::Unfit, false, 1);
        unfit.fit = false;
        bench.report(unfit);
        bench.pass_with(100, &cut_off);
    }
    let reason = &bench.node.reason;
    assert_eq!(bench.node.state(), State::TakingOver, "the peer did not take over: {reason}");
}

#[test]
fn a_restarted_replica_promotes_nothing_before_it_has_heard_the_peer() {
    let persisted = Persisted { generation: Generation(4), run_id: run_id(7), primary: false };
    let mut bench =
        Bench::started(Remains { link_up: true, persisted: Some(persisted), ..Remains::default() });
    bench.pass_with(20_000, &replica(7));
    assert_eq!(bench.node.state(), State::Unfit);
}

#[test]
fn sim_finding_1_an_advert_goes_out_before_the_fence_is_renewed() {
    let mut bench = active();
    bench.pass(100);
    let words = ["advert 100", "renew fence"];
    let done: Vec<_> =
        bench.done().into_iter().filter(|word| words.contains(&word.as_str())).collect();
    assert_eq!(done, words);
}

#[test]
fn sim_finding_3_priority_does_not_decide_before_the_data_is_known() {
    let mut bench = active();
    bench.pass_with(3000, &primary(7));
    bench.done();
    bench.advert(200);
    assert_eq!(bench.node.state(), State::Active);
    let mut older = peer_report(State::Active, true, 0);
    older.redis.replid = [9; 20];
    older.vouched = false;
    older.generation = 1;
    bench.report(older);
    bench.advert(200);
    assert_eq!(bench.node.state(), State::Active, "the data here is newer");
    let mut newer = peer_report(State::Active, true, 9);
    newer.redis.replid = [9; 20];
    newer.redis.replid2 = [1; 20];
    newer.redis.second_offset = 1001;
    bench.report(newer);
    assert_eq!(bench.node.state(), State::Unfit, "without waiting for an advert");
}

#[test]
fn sim_finding_5_a_farewell_that_waited_in_the_socket_is_no_news() {
    let mut bench = standby();
    bench.now = bench.now + Duration::from_secs(5);
    bench.advert(0);
    assert_eq!(bench.node.state(), State::Backup);
}

#[test]
fn a_closed_connection_of_a_living_redis_is_no_failover() {
    let mut bench = active();
    bench.redis(RedisInput::Lost(Lost::Closed));
    assert_eq!(bench.done(), ["LookAtProcess", "ConnectRedis { attempt: 0 }"]);
    let alive = Process { state: 'S', exiting: false, cpu_ticks: 1 };
    bench.redis(RedisInput::Process(Some(alive)));
    bench.redis(RedisInput::Connected);
    bench.answer(&primary(7));
    assert_eq!(bench.node.state(), State::Active);
}

#[test]
fn a_redis_that_came_back_with_another_run_id_is_not_the_one_that_served() {
    let mut bench = active();
    bench.redis(RedisInput::Lost(Lost::Closed));
    bench.redis(RedisInput::Connected);
    bench.done();
    bench.redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(primary(8)))));
    assert!(bench.done().contains(&"CloseFence { and_source: true }".to_string()));
}

#[test]
fn a_standby_that_misses_writes_is_not_fit_when_its_primary_dies() {
    let mut bench = standby();
    let mut cut = replica(7);
    cut.master_link_status = Some(LinkStatus::Down);
    for _ in 0..30 {
        let mut ahead = peer_report(State::Active, true, 3);
        ahead.redis.offset = 60_000_000;
        bench.report(ahead);
        bench.advert(100);
        bench.pass_with(100, &cut);
    }
    assert_eq!(bench.node.state(), State::Unfit);
    let mut leaver = peer_report(State::Unfit, true, 3);
    leaver.redis.reachable = false;
    bench.report(leaver);
    bench.advert(0);
    bench.pass_with(5000, &cut);
    assert_eq!(bench.node.state(), State::Unfit, "{}", bench.node.reason);
}

#[test]
fn a_stop_during_a_switchover_is_not_forgotten() {
    let mut bench = active();
    bench.report(peer_report(State::Backup, false, 1));
    bench.feed(Input::Operator(Operator::Switchover));
    bench.feed(Input::Operator(Operator::Stop));
    bench.pass_with(3000, &primary(7));
    assert!(bench.log.contains(&Action::Exit));
}

#[test]
fn a_new_address_by_reload_gets_its_right_before_it_is_added() {
    let mut bench = active();
    let mut config = config();
    config.vips.push(Vip { address: "172.18.0.11".parse().unwrap(), prefix_len: 24 });
    bench.feed(Input::Operator(Operator::Reload(Box::new(config))));
    let done = bench.done();
    assert_eq!(done[..3], ["open fence", "AddVips", "Announce"], "{done:?}");
}
