//! Records as they are written, read and replayed; and as they should not be.

mod replaying;
mod snapshots;
mod spoiled;

use std::collections::BTreeSet;
use std::time::Duration;

use keepair_core::action::{Action, Query};
use keepair_core::config::{Announce, Config, Generation, Member, Priority, Timing, Vip, Vrid};
use keepair_core::input::{
    AofMark, Copied, Done, Kept, Lost, Operator, Persisted, Process, RedisInput, Refused, Remains,
    Reply, Settings,
};
use keepair_core::tiebreaker::Says;
use keepair_core::time::Time;
use keepair_core::{Actions, Input, Node};
use keepair_wire::info::{
    FailoverState, Info, LinkStatus, Mode, ReplId, ReplicaInfo, ReplicaState, Role, RunId,
};
use keepair_wire::peer::{
    Cause, Failover, Handshake, Leaving, Phase, RedisFacts, Report, Restored, Stamp, State,
};

use crate::{Clock, Encoder, Outcome, Record, Sums, Why, read, say, sum};

const UNIX_US: u64 = 1_790_000_000_000_000;

fn config() -> Config {
    let member = |name: &str, address: &str| Member {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        priority: Priority(100),
    };
    Config {
        vrid: Vrid(51),
        vips: vec![
            Vip { address: "172.18.0.10".parse().unwrap(), prefix_len: 24 },
            Vip { address: "2001:db8::10".parse().unwrap(), prefix_len: 64 },
        ],
        members: [member("redis-1", "172.18.0.4"), member("redis-2", "172.18.0.5")],
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

fn full_info() -> Info {
    Info {
        redis_version: Some("7.0.15".to_owned()),
        server_name: Some("valkey".to_owned()),
        valkey_version: Some("8.1.0".to_owned()),
        mode: Some(Mode::Standalone),
        process_id: Some(u32::MAX),
        run_id: Some(RunId([0xab; 20])),
        tcp_port: Some(6379),
        config_file: Some("/etc/redis/redis \"6379\".conf".to_owned()),
        loading: Some(false),
        async_loading: Some(true),
        rdb_bgsave_in_progress: Some(false),
        aof_enabled: Some(true),
        aof_current_size: Some(i64::MAX),
        aof_buffer_length: Some(i64::MAX),
        aof_pending_bio_fsync: Some(1),
        role: Some(Role::Replica),
        master_host: Some("a \"name\"\\\u{1}\n".to_owned()),
        master_port: Some(u16::MAX),
        master_link_status: Some(LinkStatus::Down),
        master_last_io_seconds_ago: Some(-1),
        master_sync_in_progress: Some(true),
        master_sync_last_io_seconds_ago: Some(6),
        master_link_down_since_seconds: Some(i64::MAX),
        slave_read_repl_offset: Some(i64::MIN),
        slave_repl_offset: Some(9_007_199_254_740_993),
        slave_priority: Some(100),
        connected_slaves: Some(1),
        min_slaves_good_slaves: Some(1),
        replicas: vec![ReplicaInfo {
            ip: "172.18.0.5".to_owned(),
            port: 6379,
            state: ReplicaState::Other("new_word".to_owned()),
            offset: 77,
            lag: 1,
            channel: Some("main-channel".to_owned()),
        }],
        master_failover_state: Some(FailoverState::WaitingForSync),
        master_replid: Some(ReplId([1; 20])),
        master_replid2: None,
        master_repl_offset: Some(5),
        second_repl_offset: Some(-1),
        repl_backlog_active: Some(true),
        repl_backlog_size: Some(64 << 20),
        repl_backlog_first_byte_offset: Some(1),
        repl_backlog_histlen: Some(5),
        cluster_enabled: Some(false),
        keys: Some(u64::MAX),
    }
}

/// One of each kind, with the values that text formats are bad at.
fn every_input() -> Vec<Input> {
    let redis = Input::Redis;
    let reply = |query, reply| Input::Redis(RedisInput::Reply(query, reply));
    let failed = || Refused::Failed("could not add 172.18.0.10/24 on eth0: \u{fffd}".to_owned());
    let persisted = Persisted {
        generation: Generation(u64::MAX),
        run_id: Some(RunId([0xff; 20])),
        primary: true,
        solo: false,
        served: true,
        aof: Some(AofMark {
            replid: ReplId([3; 20]),
            replid2: ReplId([4; 20]),
            offset: 7,
            bytes: i64::MAX,
        }),
    };
    let settings = Settings {
        requirepass: Some(true),
        repl_backlog_size: Some(-1),
        denied: vec!["config|get".to_owned()],
        ..Settings::default()
    };
    let process = Process { state: '\'', exiting: true, cpu_ticks: u64::MAX };
    vec![
        Input::Started(Remains::default()),
        Input::Started(Remains {
            instance: u64::MAX,
            unix_ms: 1_790_000_000_000,
            fence_left: Some(Duration::new(u64::MAX, 999_999_999)),
            link_up: true,
            persisted: Some(persisted),
        }),
        Input::Deadline,
        Input::Advert {
            src: "172.18.0.5".parse().unwrap(),
            dst: "224.0.0.18".parse().unwrap(),
            ttl: 255,
            message: (0..=255).collect(),
        },
        Input::Advert {
            src: "fe80::1".parse().unwrap(),
            dst: "ff02::12".parse().unwrap(),
            ttl: 0,
            message: Vec::new(),
        },
        Input::PeerDatagram {
            src: "::ffff:172.18.0.5".parse().unwrap(),
            ttl: 254,
            bytes: vec![0; 2048],
        },
        Input::LinkChanged(true),
        Input::LinkChanged(false),
        Input::VipGone("2001:db8::10".parse().unwrap()),
        Input::VipClaimed {
            address: "172.18.0.10".parse().unwrap(),
            mac: [0, 1, 2, 0xfd, 0xfe, 0xff],
        },
        redis(RedisInput::Connected),
        redis(RedisInput::Lost(Lost::Closed)),
        redis(RedisInput::Lost(Lost::AuthFailed("WRONGPASS invalid".to_owned()))),
        redis(RedisInput::Lost(Lost::Failed("\u{2028}\u{0}".to_owned()))),
        reply(Query::Ping, Reply::Ok),
        reply(Query::Ping, Reply::Error("LOADING Redis is loading".to_owned())),
        reply(Query::Info, Reply::Info(Box::new(full_info()))),
        reply(Query::Info, Reply::Info(Box::default())),
        reply(Query::Info, Reply::Error("NOPERM".to_owned())),
        reply(Query::Settings, Reply::Settings(Box::new(settings))),
        reply(Query::Settings, Reply::Settings(Box::default())),
        reply(Query::Promote, Reply::Ok),
        reply(Query::Follow, Reply::Error("ERR \"quoted\"".to_owned())),
        reply(Query::PauseWrites(Duration::from_nanos(1)), Reply::Ok),
        reply(Query::ResumeWrites, Reply::Ok),
        redis(RedisInput::Process(None)),
        redis(RedisInput::Process(Some(process))),
        redis(RedisInput::ProcessStirred),
        Input::ActionDone(Done::AddVips, Ok(())),
        Input::ActionDone(Done::RemoveVips, Err(failed())),
        Input::ActionDone(Done::OpenFence, Ok(())),
        Input::ActionDone(Done::RenewFence, Err(Refused::Lapsed)),
        Input::ActionDone(Done::CloseFence, Ok(())),
        Input::ActionDone(Done::Persist, Err(failed())),
        Input::Salvaged { number: 1, result: Ok(Kept::Nothing { to: 1 }) },
        Input::Salvaged { number: 2, result: Ok(Kept::Tail { to: -1, commands: 2, keys: 1 }) },
        Input::Salvaged { number: u32::MAX, result: Ok(Kept::Files { bytes: u64::MAX }) },
        Input::Salvaged { number: 3, result: Err("no \"room\"".to_owned()) },
        Input::StreamCopied(Ok(Copied { replid: ReplId([9; 20]), to: i64::MAX })),
        Input::StreamCopied(Err("no backlog".to_owned())),
        Input::RedisFile { replicaof: true },
        Input::Operator(Operator::Switchover),
        Input::Operator(Operator::Stop),
        Input::Operator(Operator::Solo),
        Input::Operator(Operator::Accept { own: true }),
        Input::TieBreaker(0, Says::Met([3; 20])),
        Input::TieBreaker(1, Says::Granted(Stamp { instance: 1 << 50, seq: 3 })),
        Input::TieBreaker(1, Says::Refused(Stamp { instance: 1 << 50, seq: 4 })),
        Input::TieBreaker(0, Says::Gone("refused".to_owned())),
        Input::Operator(Operator::Reload(Box::new(config()))),
    ]
}

/// Who adds a variant is led here by the compiler, and from here to [`every_input`].
fn kind(input: &Input) -> &'static str {
    match input {
        Input::Started(_) => "Started",
        Input::Deadline => "Deadline",
        Input::Advert { .. } => "Advert",
        Input::PeerDatagram { .. } => "PeerDatagram",
        Input::LinkChanged(_) => "LinkChanged",
        Input::VipGone(_) => "VipGone",
        Input::VipClaimed { .. } => "VipClaimed",
        Input::Redis(RedisInput::Connected) => "Connected",
        Input::Redis(RedisInput::Lost(Lost::Closed)) => "Lost.Closed",
        Input::Redis(RedisInput::Lost(Lost::AuthFailed(_))) => "Lost.AuthFailed",
        Input::Redis(RedisInput::Lost(Lost::Failed(_))) => "Lost.Failed",
        Input::Redis(RedisInput::Reply(_, Reply::Ok)) => "Reply.Ok",
        Input::Redis(RedisInput::Reply(_, Reply::Info(_))) => "Reply.Info",
        Input::Redis(RedisInput::Reply(_, Reply::Settings(_))) => "Reply.Settings",
        Input::Redis(RedisInput::Reply(_, Reply::Error(_))) => "Reply.Error",
        Input::Redis(RedisInput::Process(_)) => "Process",
        Input::Redis(RedisInput::ProcessStirred) => "ProcessStirred",
        Input::ActionDone(_, Ok(())) => "Done",
        Input::ActionDone(_, Err(Refused::Lapsed)) => "Done.Lapsed",
        Input::ActionDone(_, Err(Refused::Failed(_))) => "Done.Failed",
        Input::Salvaged { result: Ok(Kept::Nothing { .. }), .. } => "Salvaged.Nothing",
        Input::Salvaged { result: Ok(Kept::Tail { .. }), .. } => "Salvaged.Tail",
        Input::Salvaged { result: Ok(Kept::Files { .. }), .. } => "Salvaged.Files",
        Input::Salvaged { result: Err(_), .. } => "Salvaged.Failed",
        Input::StreamCopied(Ok(_)) => "StreamCopied",
        Input::StreamCopied(Err(_)) => "StreamCopied.Failed",
        Input::RedisFile { .. } => "RedisFile",
        Input::Operator(Operator::Switchover) => "Switchover",
        Input::Operator(Operator::Stop) => "Stop",
        Input::Operator(Operator::Solo) => "Solo",
        Input::Operator(Operator::Accept { .. }) => "Accept",
        Input::TieBreaker(..) => "TieBreaker",
        Input::Operator(Operator::Reload(_)) => "Reload",
    }
}
const KINDS: usize = 33;

/// A node, its clock, an executor that says yes, and the record of it all.
struct Bench {
    node: Node,
    now: Time,
    encoder: Encoder,
    record: Vec<u8>,
    queries: Vec<Query>,
    /// Called after every input.
    look: Option<fn(&Bench, &mut BTreeSet<String>)>,
    seen: BTreeSet<String>,
}

impl Bench {
    fn new() -> Bench {
        let now = Time(7_000_000);
        let node = Node::new(config(), now);
        let mut bench = Bench {
            node,
            now,
            encoder: Encoder::default(),
            record: Vec::new(),
            queries: Vec::new(),
            look: None,
            seen: BTreeSet::new(),
        };
        bench.head(Why::Started);
        bench
    }

    fn clock(&self) -> Clock {
        Clock { at: self.now, unix_us: UNIX_US + self.now.0 }
    }

    fn head(&mut self, why: Why) {
        let clock = self.clock();
        self.encoder.head(clock, why, &self.node, &mut self.record).unwrap();
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let input = inputs.remove(0);
            let mut actions = Actions::new();
            self.node.handle(self.now, input.clone(), &mut actions);
            let did: Vec<&str> = actions.iter().map(say::name).collect();
            let sums = Sums { actions: sum(&actions), state: Some(sum(&self.node)) };
            self.encoder.handled(self.now, &input, &did, Some(sums), &mut self.record).unwrap();
            if let Some(look) = self.look {
                let mut seen = std::mem::take(&mut self.seen);
                look(self, &mut seen);
                self.seen = seen;
            }
            inputs.extend(actions.iter().filter_map(answer));
            self.queries.extend(actions.iter().filter_map(|action| match action {
                Action::AskRedis(query) => Some(*query),
                _ => None,
            }));
        }
    }

    /// Redis answers what it was asked.
    fn answer(&mut self, info: &Info) {
        for query in std::mem::take(&mut self.queries) {
            let reply = match query {
                Query::Info => Reply::Info(Box::new(info.clone())),
                Query::Settings => Reply::Settings(Box::default()),
                _ => Reply::Ok,
            };
            self.feed(Input::Redis(RedisInput::Reply(query, reply)));
        }
    }

    fn pass(&mut self, span_ms: u64, info: &Info) {
        let end = self.now + Duration::from_millis(span_ms);
        while self.node.deadline() <= end {
            self.now = self.node.deadline().max(self.now);
            self.feed(Input::Deadline);
            self.answer(info);
        }
        self.now = end;
    }
}

fn answer(action: &Action) -> Option<Input> {
    let done = match action {
        Action::AddVips => Done::AddVips,
        Action::RemoveVips => Done::RemoveVips,
        Action::OpenFence(_) => Done::OpenFence,
        Action::RenewFence(_) => Done::RenewFence,
        Action::CloseFence { .. } => Done::CloseFence,
        Action::Persist(_) => Done::Persist,
        _ => return None,
    };
    Some(Input::ActionDone(done, Ok(())))
}

fn primary(offset: i64) -> Info {
    Info {
        redis_version: Some("7.0.15".to_owned()),
        process_id: Some(4711),
        run_id: Some(RunId([3; 20])),
        role: Some(Role::Primary),
        master_replid: Some(ReplId([9; 20])),
        master_repl_offset: Some(offset),
        connected_slaves: Some(0),
        keys: Some(12),
        ..Info::default()
    }
}

/// A machine that finds itself alone, serves, and loses its Redis.
fn story() -> Bench {
    let mut bench = story_to(State::Active);
    bench.pass(300, &primary(250));
    bench.feed(Input::Redis(RedisInput::Lost(Lost::Failed("connection reset".to_owned()))));
    bench.pass(30, &primary(250));
    bench
}

/// Its beginning.
fn story_to(state: State) -> Bench {
    let mut bench = Bench::new();
    bench.feed(Input::Started(Remains { link_up: true, instance: 1, ..Remains::default() }));
    bench.feed(Input::Redis(RedisInput::Connected));
    bench.feed(Input::Operator(Operator::Solo));
    bench.answer(&primary(100));
    bench.pass(4000, &primary(100));
    assert_eq!(bench.node.state(), state);
    bench
}

fn records(bytes: &[u8]) -> Vec<Record> {
    read(bytes).map(|placed| placed.unwrap().record).collect()
}

#[test]
fn every_input_survives() {
    let inputs = every_input();
    let kinds: BTreeSet<&str> = inputs.iter().map(kind).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    let mut bench = Bench::new();
    let outcome = |at: u64| Outcome {
        did: if at.is_multiple_of(2) { String::new() } else { "SendReport Tell".to_owned() },
        sums: Sums { actions: at as u32, state: (!at.is_multiple_of(3)).then_some(u32::MAX) },
    };
    for (at, input) in (0..).zip(&inputs) {
        let Outcome { did, sums } = outcome(at);
        let did: Vec<&str> = did.split_whitespace().collect();
        bench.encoder.handled(Time(at), input, &did, Some(sums), &mut bench.record).unwrap();
    }
    bench.encoder.handled(Time(u64::MAX), &inputs[0], &[], None, &mut bench.record).unwrap();
    let mut found = records(&bench.record).into_iter().skip(1);
    for (at, input) in (0..).zip(&inputs) {
        let Some(Record::Handled(handled)) = found.next() else { panic!("{input:?} is missing") };
        assert_eq!(&handled.input, input);
        assert_eq!(handled.at, Time(at));
        assert_eq!(handled.outcome, Some(outcome(at)));
    }
    let Some(Record::Handled(last)) = found.next() else { panic!("the last is missing") };
    assert_eq!((last.at, last.outcome), (Time(u64::MAX), None));
    assert!(found.next().is_none());
}

#[test]
fn every_line_is_a_json_object() {
    let bench = story();
    let text = String::from_utf8(bench.record).unwrap();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value.is_object() && value["check"].is_string(), "{line}");
    }
}

#[test]
fn of_an_answer_to_info_only_what_changed_is_written() {
    let mut bench = Bench::new();
    let reply = |info: &Info| {
        Input::Redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(info.clone()))))
    };
    let mut changed = full_info();
    changed.slave_repl_offset = Some(1);
    changed.master_host = None;
    let answers = [full_info(), changed.clone(), changed.clone(), Info::default(), full_info()];
    for info in &answers {
        bench.encoder.handled(Time(1), &reply(info), &[], None, &mut bench.record).unwrap();
    }
    let text = String::from_utf8(bench.record.clone()).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let body = |line: &str| line.split_once(",\"check\"").unwrap().0.to_owned();
    assert_eq!(body(lines[1]), r#"{"at":1,"info":{"master_host":null,"slave_repl_offset":1}"#);
    assert_eq!(body(lines[2]), r#"{"at":1,"info":{}"#);
    let found: Vec<Input> = records(&bench.record)
        .into_iter()
        .filter_map(|record| match record {
            Record::Handled(handled) => Some(handled.input),
            _ => None,
        })
        .collect();
    assert_eq!(found, answers.iter().map(reply).collect::<Vec<_>>());

    // A head stands alone: what follows it does not lean on what was before.
    bench.head(Why::Rotated);
    let from = bench.record.len();
    bench.encoder.handled(Time(2), &reply(&changed), &[], None, &mut bench.record).unwrap();
    let line = String::from_utf8(bench.record.split_off(from)).unwrap();
    assert!(line.contains("\"redis_version\":\"7.0.15\""), "{line}");
}

fn report(seq: u64) -> Report {
    Report {
        vrid: 51,
        instance: u64::MAX,
        seq,
        state: State::Backup,
        fit: true,
        priority: 100,
        generation: 3,
        vouched: true,
        may_serve: true,
        redis: RedisFacts {
            reachable: true,
            replid: [0xab; 20],
            offset: 4_000_000_000_000 + seq as i64,
            second_offset: -1,
            version: (7, 0),
            ..RedisFacts::default()
        },
        leaving: None,
        handshake: Handshake::default(),
        failover: None,
        reason: "ready to take over".to_owned(),
        accepted: false,
        void: None,
        vote: None,
        served: true,
        restored: Some(Restored { replid: [0xcd; 20], replid2: [0xce; 20], at_least: i64::MAX }),
        missed_writes: false,
        acknowledged: Some(7),
    }
}

#[test]
fn of_a_report_only_what_changed_is_written_and_its_bytes_are_the_same() {
    let left = |seq| Report {
        state: State::Unfit,
        leaving: Some(Leaving { cause: Cause::LinkDown, noticed_ago_us: 1, fenced_ago_us: 2 }),
        failover: Some(Failover {
            cause: Cause::RedisHung,
            generation: 3,
            unix_ms: 1_790_000_000_000,
            phases: vec![(Phase::Notice, 0), (Phase::Rejoin, u32::MAX)],
        }),
        reason: "a \"reason\" \u{1f600}".to_owned(),
        ..report(seq)
    };
    let with_tail = [report(4).encode(), vec![7]].concat();
    let with_a_bell = {
        let mut bytes = report(5).encode();
        let reason = bytes.windows(5).position(|text| text == b"ready").unwrap();
        bytes[reason] = 7;
        bytes
    };
    let datagrams = [
        (report(1).encode(), r#"{"at":1,"heard":{"report":{"#),
        (
            report(2).encode(),
            r#"{"at":1,"heard":{"report":{"redis":{"offset":4000000000002},"seq":2}}"#,
        ),
        (left(3).encode(), r#"{"at":1,"heard":{"report":{"failover":{"cause":"RedisHung","#),
        // Not the bytes that a report has: whole.
        (with_tail, r#"{"at":1,"in":{"PeerDatagram":{"src":"#),
        (with_a_bell, r#"{"at":1,"in":{"PeerDatagram":{"src":"#),
        (report(4).encode(), r#"{"at":1,"heard":{"report":{"failover":null,"#),
        (b"KP".to_vec(), r#"{"at":1,"in":{"PeerDatagram":{"src":"#),
        (report(5).encode(), r#"{"at":1,"heard":{"report":{"redis":{"offset":4000000000005}"#),
    ];
    let mut bench = Bench::new();
    let input = |bytes: &Vec<u8>| Input::PeerDatagram {
        src: "172.18.0.5".parse().unwrap(),
        ttl: 255,
        bytes: bytes.clone(),
    };
    for (bytes, begin) in &datagrams {
        let from = bench.record.len();
        bench.encoder.handled(Time(1), &input(bytes), &[], None, &mut bench.record).unwrap();
        let line = String::from_utf8(bench.record[from..].to_vec()).unwrap();
        assert!(line.starts_with(begin), "{line}");
    }
    for (record, (bytes, _)) in records(&bench.record).into_iter().skip(1).zip(&datagrams) {
        let Record::Handled(handled) = record else { panic!("{record:?}") };
        assert_eq!(handled.input, input(bytes));
    }
}

#[test]
fn the_node_survives() {
    let mut bench = story();
    let before = sum(&bench.node);
    bench.head(Why::Rotated);
    let heads: Vec<Record> = records(&bench.record);
    let Some(Record::Head(head)) = heads.last() else { panic!("no head") };
    assert_eq!(format!("{:?}", head.node), format!("{:?}", bench.node));
    assert_eq!(sum(&head.node), before);
}

/// Numbers of the first version: a record of today is compared by the keepair of tomorrow.
#[test]
fn sums_are_the_same_everywhere_and_for_ever() {
    let address: std::net::IpAddr = "2001:db8::10".parse().unwrap();
    let result: Result<bool, Option<u8>> = Err(None);
    let value = (1u8, -1i64, 'x', "text of 19 bytes...", Duration::new(1, 2), address, result);
    assert_eq!(sum(&Vec::<u8>::new()), 0xea4c_db56);
    assert_eq!(sum(&value), 0xa731_137c);
}

#[test]
fn sums_see_every_bit() {
    let base = [1u64, 2, 3, 4];
    let mut seen = BTreeSet::from([sum(&base)]);
    for word in 0..base.len() {
        for bit in 0..64 {
            let mut other = base;
            other[word] ^= 1 << bit;
            assert!(seen.insert(sum(&other)), "word {word}, bit {bit}");
        }
    }
    assert_ne!(sum(&["ab", "c"]), sum(&["a", "bc"]));
    assert_ne!(sum(&vec![Some(0u8)]), sum(&vec![None::<u8>]));
    assert_ne!(sum(&"12345678"), sum(&"12345678\0"));
}
