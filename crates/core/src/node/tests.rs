//! Traces of one node: what it is told, what it does, in order. Both machines at once, with time
//! and faults, are the simulator's.

use super::*;
use crate::config::{Announce, Member, Priority, Timing, Vip, Vrid};
use crate::input::{Kept, Lost, Operator, Process, Remains, Reply};
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
        tie_breakers: Vec::new(),
        peer_port: 10112,
        copy_limit_bytes: 0,
    }
}

/// A node, its clock, and an executor that says yes to everything.
struct Bench {
    node: Node,
    now: Time,
    log: Vec<Action>,
    seq: u64,
    refuse: Option<Done>,
    /// What becomes of an order to salvage; `None`: nothing yet.
    kept: Option<Result<Kept, String>>,
}

impl Bench {
    fn new() -> Bench {
        Bench::started(Remains { link_up: true, ..Remains::default() })
    }

    /// The operator has said that it may begin without the peer.
    fn alone() -> Bench {
        let mut bench = Bench::new();
        bench.feed(Input::Operator(Operator::Solo));
        bench
    }

    fn started(remains: Remains) -> Bench {
        Bench::with(config(), remains)
    }

    fn with(config: Config, remains: Remains) -> Bench {
        let now = Time(1_000_000);
        let node = Node::new(config, now);
        let mut bench = Bench { node, now, log: Vec::new(), seq: 0, refuse: None, kept: None };
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
                if let (Action::Salvage(order), Some(result)) = (&action, self.kept.clone()) {
                    inputs.push(Input::Salvaged { number: order.number, result });
                }
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

    /// Lets time pass until the node is in a state, ten seconds at most.
    fn until(&mut self, state: State, info: &Info) {
        for _ in 0..10_000 {
            if self.node.state() == state {
                return;
            }
            self.pass_with(1, info);
        }
        panic!("{} instead of {state}: {}", self.node.state(), self.node.reason);
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

    /// The peer leaves: a report, and what it is followed by.
    fn farewell(&mut self) {
        let mut report = self.node.peer.report.clone().expect("a peer");
        (report.state, report.fit, report.may_serve) = (State::Unfit, false, false);
        report.redis.reachable = false;
        let cause = Cause::RedisExited;
        report.leaving = Some(Leaving { cause, noticed_ago_us: 0, fenced_ago_us: 0 });
        self.report(report);
        self.advert(0);
    }

    fn report(&mut self, mut report: Report) {
        self.seq += 1;
        report.seq = self.seq;
        let bytes = report.encode();
        self.feed(Input::PeerDatagram { src: PEER.parse().unwrap(), ttl: 255, bytes });
    }

    /// What the operator was told since the last look.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        self.log.retain(|action| match action {
            Action::Tell(event) => {
                told.push(event.to_string());
                false
            }
            _ => true,
        });
        told
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
        repl_backlog_active: Some(true),
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
        accepted: false,
        void: None,
        vote: None,
        served: is_primary,
        restored: None,
        missed_writes: false,
        acknowledged: is_primary.then_some(1001),
        vrid: 51,
        instance: 9,
        seq: 0,
        state,
        fit: true,
        priority: 100,
        generation,
        vouched: true,
        may_serve: false,
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

/// An Active peer at generation 3, whose stream reaches the Redis of this machine.
fn in_step(bench: &mut Bench) {
    for _ in 0..4 {
        bench.report(peer_report(State::Active, true, 3));
        bench.advert(100);
        bench.pass_with(100, &replica(7));
    }
    bench.report(peer_report(State::Active, true, 3));
    bench.advert(100);
    bench.answer(&replica(7));
}

/// A standby in step with an Active peer at generation 3.
fn standby() -> Bench {
    let mut bench = Bench::new();
    in_step(&mut bench);
    assert_eq!(bench.node.state(), State::Backup, "{}", bench.node.reason);
    bench.done();
    bench
}

/// An Active primary whose peer is a fit standby.
fn active() -> Bench {
    active_with(config())
}

fn active_with(config: Config) -> Bench {
    let mut bench = Bench::with(config, Remains { link_up: true, ..Remains::default() });
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

mod active;
mod ballot;
mod copy;
mod follow;
mod salvage;
mod start;
mod status;
mod switchover;
mod takeover;
