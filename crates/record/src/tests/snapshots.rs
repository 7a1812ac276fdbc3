//! A node can be written down and taken up again whatever it is doing.

use super::*;
use crate::Replayer;
use keepair_wire::vrrp::{ChecksumForm, GROUP_V4};

/// A bench whose every step is written down, read, and compared.
struct Watched {
    bench: Bench,
    seq: u64,
}

/// Writes the node down, reads it, and notes what it was doing.
fn look(bench: &Bench, seen: &mut BTreeSet<String>) {
    let node = &bench.node;
    let mut bytes = Vec::new();
    Encoder::default().head(bench.clock(), Why::Rotated, node, &mut bytes).unwrap();
    let Some(Record::Head(head)) = records(&bytes).pop() else { panic!("no head") };
    assert_eq!(format!("{:?}", head.node), format!("{node:?}"));
    assert_eq!(sum(&head.node), sum(node));
    let doing = node.doing().map(|doing| format!(" ({doing})")).unwrap_or_default();
    seen.insert(format!("{}{doing}", node.state()));
    if node.reason().starts_with("Redis hangs") {
        seen.insert("hung".to_owned());
    }
}

impl Watched {
    fn new(mut bench: Bench) -> Watched {
        bench.look = Some(look);
        Watched { bench, seq: 0 }
    }

    fn feed(&mut self, input: Input) {
        self.bench.feed(input);
    }

    fn answer(&mut self, info: &Info) {
        self.bench.answer(info);
    }

    fn pass(&mut self, span_ms: u64) {
        let end = self.bench.now + Duration::from_millis(span_ms);
        while self.bench.node.deadline() <= end {
            self.bench.now = self.bench.node.deadline().max(self.bench.now);
            self.feed(Input::Deadline);
        }
        self.bench.now = end;
    }

    fn hear(&mut self, report: Report) {
        self.seq += 1;
        let bytes = Report { seq: self.seq, ..report }.encode();
        self.feed(Input::PeerDatagram { src: "172.18.0.5".parse().unwrap(), ttl: 255, bytes });
    }

    fn advert(&mut self, priority: u8) {
        let src = "172.18.0.5".parse().unwrap();
        let dst = GROUP_V4.into();
        let mut peer = config();
        peer.me = 1;
        let advert = keepair_core::vrrp::advert(&peer, priority);
        let message = advert.emit(src, dst, ChecksumForm::MessageOnly);
        self.feed(Input::Advert { src, dst, ttl: 255, message });
    }
}

fn peer(state: State, primary: bool) -> Report {
    let redis = RedisFacts {
        reachable: true,
        primary,
        link_up: !primary,
        replid: [9; 20],
        offset: 250,
        ..report(0).redis
    };
    Report { state, generation: 1, redis, ..report(0) }
}

fn replica(offset: i64) -> Info {
    Info {
        role: Some(Role::Replica),
        master_host: Some("172.18.0.5".to_owned()),
        master_port: Some(6379),
        master_link_status: Some(LinkStatus::Up),
        slave_repl_offset: Some(offset),
        slave_read_repl_offset: Some(offset + 7),
        ..primary(offset)
    }
}

#[test]
fn a_node_survives_in_every_state_and_step() {
    // A standby whose primary says farewell, with bytes that are not applied yet.
    let mut standby = Watched::new(Bench::new());
    standby.feed(Input::Started(Remains { link_up: true, ..Remains::default() }));
    standby.feed(Input::Redis(RedisInput::Connected));
    standby.hear(peer(State::Active, true));
    standby.advert(100);
    standby.answer(&replica(190));
    for _ in 0..3 {
        standby.hear(peer(State::Active, true));
        standby.advert(100);
        standby.pass(60);
        standby.answer(&replica(200));
    }
    standby.advert(100);
    standby.hear(peer(State::Unfit, true));
    standby.advert(0);
    for _ in 0..20 {
        standby.answer(&replica(200));
        standby.pass(1);
    }
    standby.answer(&primary(207));
    standby.answer(&primary(207));

    // One that serves, is asked to hand over, calls it off, and hands over in the end.
    let mut active = Watched::new(Bench::new());
    active.feed(Input::Started(Remains { link_up: true, ..Remains::default() }));
    active.feed(Input::Operator(Operator::Solo));
    active.feed(Input::Redis(RedisInput::Connected));
    active.answer(&primary(250));
    for _ in 0..4200 {
        active.pass(1);
        active.answer(&primary(250));
    }
    for _ in 0..2 {
        active.hear(peer(State::Backup, false));
        active.feed(Input::Operator(Operator::Switchover));
        active.pass(1);
        active.answer(&primary(250));
        active.answer(&primary(250));
        active.pass(1500);
        active.answer(&primary(250));
    }
    active.hear(peer(State::Backup, false));
    active.feed(Input::Operator(Operator::Stop));
    active.pass(1);
    active.answer(&primary(250));
    active.answer(&primary(250));
    let mut caught_up = peer(State::Backup, false);
    caught_up.handshake.caught_up_offset = 250;
    active.hear(caught_up);
    active.pass(3000);

    // One whose Redis is stopped.
    let mut hung = Watched::new(story_to(State::Active));
    hung.pass(60);
    hung.pass(260);
    let process = Process { state: 'T', exiting: false, cpu_ticks: 5 };
    hung.feed(Input::Redis(RedisInput::Process(Some(process))));

    // One that is stopped and has nobody to hand over to.
    let mut stopped = Watched::new(story_to(State::Active));
    stopped.feed(Input::Operator(Operator::Stop));
    stopped.pass(100);

    let mut seen = BTreeSet::new();
    for watched in [&standby, &active, &hung, &stopped] {
        seen.extend(watched.bench.seen.iter().map(String::as_str));
        // And all of it replays.
        let mut replayer = Replayer::new();
        for record in records(&watched.bench.record) {
            if let crate::Step::Turn(turn) = replayer.take(record).unwrap() {
                assert_eq!(turn.differs, None);
            }
        }
    }
    let missing: Vec<&str> = ALL.iter().copied().filter(|state| !seen.contains(state)).collect();
    assert!(missing.is_empty(), "{missing:?} of {seen:#?}");
}

const ALL: [&str; 20] = [
    "Starting",
    "Unfit",
    "Unfit (leaving)",
    "Backup",
    "Backup (handed over)",
    "TakingOver (probing)",
    "TakingOver (draining)",
    "TakingOver (promoting)",
    "TakingOver (verifying)",
    "TakingOver (opening the fence)",
    "TakingOver (claiming)",
    "Active",
    "Active (holding new connections)",
    "Active (pausing writes)",
    "Active (measuring)",
    "Active (waiting for the last byte)",
    "Unfit (handed over)",
    "Stopping (leaving)",
    "Stopping (stopped)",
    "hung",
];
