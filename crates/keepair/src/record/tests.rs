//! The two halves, without their threads: what the real-time one hands over, the other writes.

use std::path::PathBuf;

use keepair_core::config::{Announce, Config, Member, Priority, Timing, Vip, Vrid};
use keepair_core::input::Remains;
use keepair_record::{Difference, Placed, Record, Replayer, Step, read};

use super::*;

/// The smallest size that is allowed.
const LIMIT: u64 = SIZE_BYTES_MIN / 2;
const OFFSET_US: u64 = 1_790_000_000_000_000;

/// A directory that is gone when the test ends.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path =
            std::env::temp_dir().join(format!("keepair-record-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("record.jsonl")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config() -> Config {
    let member = |name: &str, address: &str| Member {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        priority: Priority(100),
    };
    Config {
        vrid: Vrid(51),
        vips: vec![Vip { address: "172.18.0.10".parse().unwrap(), prefix_len: 24 }],
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

/// A node that is recorded.
struct Bench {
    node: Node,
    now: Time,
    recorder: Recorder,
    writer: Writer,
}

impl Bench {
    fn new(dir: &Dir) -> Bench {
        Bench::sized(dir, 2 * LIMIT)
    }

    fn sized(dir: &Dir, size_bytes: u64) -> Bench {
        let now = Time(5_000_000);
        let node = Node::new(config(), now);
        let (recorder, writer) = open(&dir.file(), size_bytes).unwrap().begin(&node, now);
        let mut bench = Bench { node, now, recorder, writer };
        bench.feed(Input::Started(Remains { link_up: true, ..Remains::default() }));
        bench
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Actions::new();
        self.recorder.told(self.now, &input);
        self.node.handle(self.now, input, &mut actions);
        self.recorder.decided(&actions);
        self.recorder.rests(&self.node);
    }

    /// Datagrams that change nothing but the counters and the clock.
    fn chatter(&mut self, count: usize) {
        for _ in 0..count {
            self.now = self.now + Duration::from_millis(1);
            let bytes = vec![0xee; 300];
            self.feed(Input::PeerDatagram { src: "172.18.0.5".parse().unwrap(), ttl: 255, bytes });
        }
    }

    fn drain(&mut self) {
        self.writer.drain(OFFSET_US).unwrap();
    }
}

fn records(path: &Path) -> Vec<Record> {
    let bytes = std::fs::read(path).unwrap();
    read(&bytes[..]).map(|placed: Result<Placed, _>| placed.unwrap().record).collect()
}

/// The reasons of the heads, and how many inputs were replayed and found the same.
fn replayed(records: Vec<Record>) -> (Vec<Why>, usize) {
    let mut replayer = Replayer::new();
    let (mut heads, mut inputs) = (Vec::new(), 0);
    for record in records {
        match replayer.take(record).unwrap() {
            Step::Snapshot(snapshot) => {
                assert_ne!(snapshot.agrees, Some(false));
                heads.push(snapshot.why);
            }
            Step::Turn(turn) => {
                assert_eq!(turn.differs, None::<Difference>);
                inputs += 1;
            }
            Step::CutOff { .. } => panic!("cut off"),
            Step::Nothing => {}
        }
    }
    (heads, inputs)
}

#[test]
fn what_was_recorded_replays() {
    let dir = Dir::new("replays");
    let mut bench = Bench::new(&dir);
    bench.chatter(50);
    bench.drain();
    bench.chatter(50);
    bench.drain();
    assert_eq!(replayed(records(&dir.file())), (vec![Why::Started], 101));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(dir.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_full_file_is_followed_by_one_that_replays_alone() {
    let dir = Dir::new("rotates");
    let mut bench = Bench::new(&dir);
    let (mut fed, mut files) = (1, 0);
    let older = older(&dir.file());
    while files < 3 {
        let before = std::fs::metadata(dir.file()).unwrap().len();
        bench.chatter(20);
        fed += 20;
        bench.drain();
        files += usize::from(std::fs::metadata(dir.file()).unwrap().len() < before);
        for file in [&dir.file(), &older].into_iter().filter(|file| file.exists()) {
            assert!(std::fs::metadata(file).unwrap().len() <= LIMIT);
        }
    }
    let (first, second) = (records(&older), records(&dir.file()));
    let (heads, inputs) = replayed(first.clone());
    assert_eq!(heads, [Why::Rotated]);
    assert!(inputs > 500, "{inputs}");
    assert_eq!(replayed(second.clone()).0, [Why::Rotated]);
    let (heads, both) = replayed([first, second].concat());
    assert_eq!(heads, [Why::Rotated; 2]);
    assert!(both > inputs && both < fed, "{both} of {fed}: the first file was replaced");
}

#[test]
fn inputs_that_do_not_fit_are_counted_and_a_snapshot_follows() {
    let dir = Dir::new("loses");
    let mut bench = Bench::sized(&dir, 64 << 20);
    bench.chatter(3);
    bench.drain();
    // The disk stands still.
    bench.chatter(SLOTS + 100);
    let kept = 4 + SLOTS;
    let lost = 1 + 3 + SLOTS + 100 - kept;
    bench.drain();
    // There is room again, and that is found with the next input, which is the last that is lost.
    bench.chatter(10);
    bench.drain();
    let found = records(&dir.file());
    assert_eq!(replayed(found), (vec![Why::Started, Why::Lost(lost as u64 + 1)], kept + 9));
}

#[test]
fn a_snapshot_that_comes_too_late_is_a_loss_too() {
    let dir = Dir::new("late");
    let mut bench = Bench::new(&dir);
    // More than fits into a file, before the writer has had its first look.
    bench.chatter(1500);
    bench.drain();
    bench.chatter(10);
    bench.drain();
    let (heads, inputs) = replayed(records(&older(&dir.file())));
    assert_eq!(heads, [Why::Started]);
    let dropped = 1501 - inputs;
    assert!(dropped > 0, "it all fitted");
    // The snapshot is of after the first of the ten.
    let (heads, inputs) = replayed(records(&dir.file()));
    assert_eq!((heads, inputs), (vec![Why::Lost(dropped as u64 + 1)], 9));
}

#[test]
fn a_clock_that_was_set_is_recorded() {
    let dir = Dir::new("clock");
    let mut bench = Bench::new(&dir);
    bench.drain();
    bench.chatter(2);
    bench.writer.drain(OFFSET_US + CLOCK_SLACK_US).unwrap();
    bench.chatter(2);
    bench.writer.drain(OFFSET_US - 3_600_000_000).unwrap();
    let found = records(&dir.file());
    let clocks: Vec<u64> = found
        .iter()
        .filter_map(|record| match record {
            Record::Clock(clock) => Some(clock.unix_us - clock.at.0),
            _ => None,
        })
        .collect();
    assert_eq!(clocks, [OFFSET_US - 3_600_000_000]);
    assert_eq!(replayed(found).1, 5);
}

#[test]
fn the_input_over_which_the_node_broke_is_the_last() {
    let dir = Dir::new("breaks");
    let mut bench = Bench::new(&dir);
    bench.recorder.told(bench.now, &Input::LinkChanged(false));
    let Bench { recorder, writer, .. } = bench;
    drop(recorder);
    writer.work();
    let found = records(&dir.file());
    let Some(Record::Handled(last)) = found.last() else { panic!("{found:?}") };
    assert_eq!((&last.input, &last.outcome), (&Input::LinkChanged(false), &None));
}

#[test]
fn a_daemon_that_is_started_again_goes_on_in_the_same_file() {
    let dir = Dir::new("again");
    for starts in 1..=3 {
        let mut bench = Bench::new(&dir);
        bench.chatter(5);
        bench.drain();
        let (heads, inputs) = replayed(records(&dir.file()));
        assert_eq!((heads.len(), inputs), (starts, starts * 6));
    }
    // Power failed while it wrote.
    let whole = std::fs::read(dir.file()).unwrap();
    std::fs::write(dir.file(), &whole[..whole.len() - 40]).unwrap();
    let mut bench = Bench::new(&dir);
    bench.drain();
    let found = records(&dir.file());
    let [.., Record::CutOff { .. }, Record::Head(_), Record::Handled(_)] = &found[..] else {
        panic!("{found:?}")
    };
    // The file system kept the length of the file and nothing else.
    drop(bench);
    std::fs::write(dir.file(), [0; 4096]).unwrap();
    let mut bench = Bench::new(&dir);
    bench.drain();
    assert_eq!(replayed(records(&dir.file())), (vec![Why::Started], 1));
}

#[test]
fn nothing_of_somebody_elses_is_written_to_or_replaced() {
    let dir = Dir::new("foreign");
    let file = dir.file();
    let refusal = || open(&file, 2 * LIMIT).map(|_| ()).map_err(|error| format!("{error:#}"));
    let refused = |words: &str| {
        let said = refusal().unwrap_err();
        assert!(said.contains(words) && said.contains("record.jsonl"), "{said}");
    };
    std::fs::write(&file, "vip = []\n").unwrap();
    refused("it holds something else");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "vip = []\n");

    std::fs::remove_file(&file).unwrap();
    std::fs::write(older(&file), "precious\n").unwrap();
    refused("record.jsonl.1 would be replaced");
    std::fs::remove_file(older(&file)).unwrap();
    std::fs::create_dir(older(&file)).unwrap();
    refused("record.jsonl.1 would be replaced");
    std::fs::remove_dir(older(&file)).unwrap();

    let _ = std::fs::remove_file(&file);
    std::os::unix::fs::symlink("/etc/hosts", &file).unwrap();
    refused("symbolic link");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    refused("directory");
    std::fs::remove_dir(&file).unwrap();

    let first = open(&file, 2 * LIMIT).unwrap();
    refused("another daemon records to it");
    drop(first);
    refusal().unwrap();
}

#[test]
fn sizes_are_read_as_people_write_them() {
    for (text, size) in [
        ("64MiB", Ok(64 << 20)),
        ("1GiB", Ok(1 << 30)),
        ("2 GB", Ok(2_000_000_000)),
        ("1024KiB", Ok(1 << 20)),
        ("5000000", Ok(5_000_000)),
        ("1MB", Err("at least")),
        ("0", Err("at least")),
        ("64M", Err("as 64MiB")),
        ("-1MiB", Err("as 64MiB")),
        ("99999999999GiB", Err("as 64MiB")),
        ("", Err("as 64MiB")),
    ] {
        match (parse_size(text), size) {
            (Ok(found), Ok(size)) => assert_eq!(found, size, "{text}"),
            (Err(said), Err(words)) => assert!(said.contains(words), "{text}: {said}"),
            (found, size) => panic!("{text}: {found:?} instead of {size:?}"),
        }
    }
}
