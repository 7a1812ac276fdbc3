//! The same core, and one that decides otherwise.

use super::*;
use crate::{Broken, Difference, Replayer, Step, Turn, VERSION};
use keepair_wire::peer::State;

fn turns(bytes: &[u8]) -> Vec<Turn> {
    let mut replayer = Replayer::new();
    records(bytes)
        .into_iter()
        .filter_map(|record| match replayer.take(record).unwrap() {
            Step::Turn(turn) => Some(*turn),
            _ => None,
        })
        .collect()
}

fn differences(turns: &[Turn]) -> Vec<(u64, Difference)> {
    turns.iter().filter_map(|turn| Some((turn.at.0, turn.differs?))).collect()
}

fn spoil_state(handled: &mut crate::Handled) {
    *handled.outcome.as_mut().unwrap().sums.state.as_mut().unwrap() ^= 1;
}

/// The record with its heads and inputs changed on the way.
fn altered(bytes: &[u8], mut alter: impl FnMut(usize, &mut Record)) -> Vec<Step> {
    let mut replayer = Replayer::new();
    let altered = records(bytes).into_iter().enumerate().map(|(at, mut record)| {
        alter(at, &mut record);
        replayer.take(record).unwrap()
    });
    altered.collect()
}

#[test]
fn the_same_core_decides_the_same() {
    let bench = story();
    let turns = turns(&bench.record);
    assert_eq!(differences(&turns), []);
    let last = turns.last().unwrap();
    assert_eq!(last.after.state, bench.node.state());
    assert_eq!(last.after.reason, bench.node.reason());
    assert_eq!(last.unix_us, UNIX_US + last.at.0);
    let states: Vec<State> = turns
        .iter()
        .filter(|turn| turn.before.state != turn.after.state)
        .map(|turn| turn.after.state)
        .collect();
    assert_eq!(states, [State::Backup, State::TakingOver, State::Active, State::Unfit]);
}

#[test]
fn a_takeover_is_told_step_by_step() {
    let bench = story();
    let doing: Vec<_> = turns(&bench.record)
        .into_iter()
        .filter(|turn| turn.before.doing != turn.after.doing)
        .filter_map(|turn| turn.after.doing)
        .collect();
    let steps = ["probing", "verifying", "opening the fence", "claiming", "leaving"];
    assert_eq!(doing, steps);
}

#[test]
fn other_actions_are_a_difference() {
    let bench = story();
    let steps = altered(&bench.record, |at, record| {
        if let (5, Record::Handled(handled)) = (at, record) {
            handled.outcome.as_mut().unwrap().sums.actions ^= 1;
        }
    });
    let Step::Turn(turn) = &steps[5] else { panic!("{:?}", steps[5]) };
    assert_eq!(turn.differs, Some(Difference::Actions));
    let later =
        steps[6..].iter().filter(|step| matches!(step, Step::Turn(turn) if turn.differs.is_some()));
    assert_eq!(later.count(), 0);
}

#[test]
fn another_state_after_the_same_actions_is_a_difference() {
    let bench = story();
    let steps = altered(&bench.record, |at, record| {
        if let (5, Record::Handled(handled)) = (at, record) {
            spoil_state(handled);
        }
    });
    let Step::Turn(turn) = &steps[5] else { panic!("{:?}", steps[5]) };
    assert_eq!(turn.differs, Some(Difference::State));
}

#[test]
fn a_missing_input_is_found() {
    let bench = story();
    let all = records(&bench.record);
    let is_answer = |record: &Record| {
        matches!(record, Record::Handled(handled)
            if matches!(handled.input, Input::ActionDone(Done::OpenFence, _)))
    };
    let missing = all.iter().position(is_answer).unwrap();
    let mut replayer = Replayer::new();
    let mut first = None;
    for (at, record) in all.into_iter().enumerate().filter(|(at, _)| *at != missing) {
        if let Step::Turn(turn) = replayer.take(record).unwrap()
            && turn.differs.is_some()
        {
            first.get_or_insert(at);
        }
    }
    assert_eq!(first, Some(missing + 1));
}

#[test]
fn of_another_version_only_what_it_did_is_compared() {
    let bench = story();
    let steps = altered(&bench.record, |_, record| match record {
        Record::Head(head) => head.version = "0.0.9".to_owned(),
        Record::Handled(handled) => spoil_state(handled),
        _ => {}
    });
    for step in &steps {
        if let Step::Turn(turn) = step {
            assert_eq!(turn.differs, None);
        }
    }
}

#[test]
fn a_later_file_replays_alone_and_agrees_with_the_one_before() {
    let mut bench = story();
    let before = bench.record.len();
    bench.head(Why::Rotated);
    bench.feed(Input::Redis(RedisInput::Connected));
    bench.pass(200, &primary(300));
    let alone = turns(&bench.record[before..]);
    assert!(alone.len() > 5);
    assert_eq!(differences(&alone), []);

    let snapshot = |steps: &[Step]| {
        let snapshots = steps.iter().filter_map(|step| match step {
            Step::Snapshot(snapshot) => Some(snapshot.agrees),
            _ => None,
        });
        snapshots.collect::<Vec<_>>()
    };
    assert_eq!(snapshot(&altered(&bench.record, |_, _| {})), [None, Some(true)]);
    let otherwise = altered(&bench.record, |_, record| {
        if let Record::Head(head) = record
            && head.why == Why::Rotated
        {
            head.node.handle(Time(99_000_000), Input::LinkChanged(false), &mut Actions::new());
        }
    });
    assert_eq!(snapshot(&otherwise), [None, Some(false)]);
}

#[test]
fn after_a_loss_it_goes_on_from_the_snapshot() {
    let mut bench = story();
    let kept = bench.record.len();
    bench.feed(Input::LinkChanged(false));
    bench.pass(50, &primary(300));
    bench.record.truncate(kept);
    bench.head(Why::Lost(17));
    bench.feed(Input::LinkChanged(true));
    bench.pass(50, &primary(300));
    assert_eq!(differences(&turns(&bench.record)), []);
}

#[test]
fn the_wall_clock_is_the_last_that_was_recorded() {
    let mut bench = Bench::new();
    bench.feed(Input::Started(Remains::default()));
    let clock = Clock { at: bench.now, unix_us: 5_000_000 };
    bench.encoder.clock(clock, &mut bench.record).unwrap();
    bench.now = bench.now + Duration::from_millis(3);
    bench.feed(Input::LinkChanged(true));
    assert_eq!(turns(&bench.record).last().unwrap().unix_us, 5_003_000);
}

#[test]
fn an_input_without_a_head_is_refused() {
    let bench = story();
    let Some(input) = records(&bench.record).into_iter().nth(1) else { panic!("no input") };
    assert_eq!(Replayer::new().take(input).unwrap_err(), Broken::NoHead);
}

/// A file may hold a node that no daemon could ever have been: here, intervals whose sum overflows.
#[test]
fn a_node_that_breaks_is_an_error_with_its_input() {
    let mut config = config();
    config.advert_interval = Duration::MAX;
    let node = Node::new(config, Time(0));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::default();
    let start = Input::Started(Remains::default());
    encoder.head(Clock { at: Time(0), unix_us: 0 }, Why::Started, &node, &mut bytes).unwrap();
    encoder.handled(Time(1), &start, &[], Some(Sums::default()), &mut bytes).unwrap();
    encoder.handled(Time(1), &start, &[], None, &mut bytes).unwrap();
    let mut found = records(&bytes).into_iter();
    let (head, recorded) = (found.next().unwrap(), found.next().unwrap());
    let mut replayer = Replayer::new();
    replayer.take(head.clone()).unwrap();
    let broken = replayer.take(recorded.clone()).unwrap_err();
    assert_eq!(broken, Broken::Panicked { input: format!("{start:?}"), recorded: false });
    assert_eq!(replayer.take(recorded).unwrap_err(), Broken::NoHead);
    // The recorded daemon broke over it, too.
    replayer.take(head).unwrap();
    let broken = replayer.take(found.next().unwrap()).unwrap_err();
    assert_eq!(broken, Broken::Panicked { input: format!("{start:?}"), recorded: true });
    assert_eq!(VERSION, "0.1.0");
}

#[test]
fn everything_can_be_said() {
    let bench = story();
    let config = config();
    for input in every_input() {
        assert!(!say::input(&config, &input).is_empty(), "{input:?}");
    }
    let turns = turns(&bench.record);
    let said: Vec<String> = turns
        .iter()
        .flat_map(|turn| turn.actions.iter().map(|action| say::action(turn.at, action)))
        .collect();
    for words in [
        "serve the addresses for 323.2 ms",
        "shut the addresses, and refuse the peer as a replica",
        "ask Redis: INFO",
        "send an advert, priority 100",
        "send a farewell",
        "say \"lost Redis: connection reset\"",
        "keep generation 1",
    ] {
        assert!(said.iter().any(|text| text == words), "{words}: {said:#?}");
    }
}
