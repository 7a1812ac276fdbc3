use super::*;

const NOW: Time = Time(1_000_000);
const LATER: Time = Time(2_000_000);

fn started(host: HostId) -> Redis {
    let mut redis = Redis::new(host, Setup::default());
    redis.start(NOW, Boot::Empty, Rng::new(host as u64), &mut Vec::new());
    redis
}

fn give(redis: &mut Redis, message: Message) -> Vec<Effect> {
    let mut out = Vec::new();
    redis.handle(NOW, message, &mut out);
    out
}

fn ask(redis: &mut Redis, query: Query) {
    give(redis, Message::Query { session: 1, query });
}

/// Carries out what each has asked for, until both are quiet and everything has been applied.
fn exchange(a: &mut Redis, b: &mut Redis, from_a: Vec<Effect>, from_b: Vec<Effect>) {
    let mut todo: VecDeque<(bool, Effect)> = from_a.into_iter().map(|e| (true, e)).collect();
    todo.extend(from_b.into_iter().map(|effect| (false, effect)));
    while let Some((by_a, effect)) = todo.pop_front() {
        let (to_a, message) = match effect {
            Effect::Dial(conn, wanted) => (!by_a, Message::Stream(conn, Stream::Psync(wanted))),
            Effect::Send(conn, stream) => (!by_a, Message::Stream(conn, stream)),
            Effect::At(_, message @ (Message::Sent(_) | Message::Loaded)) => (by_a, message),
            _ => continue,
        };
        let effects = give(if to_a { a } else { b }, message);
        todo.extend(effects.into_iter().map(|effect| (to_a, effect)));
    }
    for redis in [a, b] {
        redis.apply_due(LATER, &mut Vec::new());
    }
}

fn held(redis: &Redis) -> Vec<WriteId> {
    redis.data.iter().collect()
}

fn follow(replica: &mut Redis, source: &mut Redis) {
    let effects = give(replica, Message::Query { session: 1, query: Query::Follow });
    exchange(source, replica, Vec::new(), effects);
    acknowledge(replica, source);
}

/// The replica's cron turns: it acknowledges what it has, and only then the stream flows.
fn acknowledge(replica: &mut Redis, source: &mut Redis) {
    let effects = give(replica, Message::Cron);
    exchange(source, replica, Vec::new(), effects);
}

fn write(primary: &mut Redis, replica: &mut Redis, id: WriteId) {
    let effects = give(primary, Message::Write(Origin::Address, id));
    assert!(effects.contains(&Effect::Client(Origin::Address, id, Answer::Ok)));
    exchange(primary, replica, effects, Vec::new());
}

fn pair() -> (Redis, Redis) {
    let (mut a, mut b) = (started(HostId::A), started(HostId::B));
    a.seed_data([7, 8]);
    follow(&mut b, &mut a);
    assert!(b.link_is_up());
    assert_eq!(held(&b), [7, 8]);
    (a, b)
}

#[test]
fn the_first_replica_gets_everything_and_then_the_stream() {
    let (mut a, mut b) = pair();
    write(&mut a, &mut b, 1);
    assert_eq!(held(&b), [1, 7, 8]);
    assert_eq!(a.position(), b.position());
}

#[test]
fn a_promotion_keeps_the_old_history_as_the_second() {
    let (mut a, mut b) = pair();
    write(&mut a, &mut b, 1);
    let (old, offset) = b.position();
    ask(&mut b, Query::Promote);
    let info = b.info(NOW);
    assert_eq!(info.master_replid2, Some(old));
    assert_eq!(info.second_repl_offset, Some(offset + 1));
    assert_ne!(info.master_replid, Some(old));
    assert_eq!(info.role, Some(keepair_wire::info::Role::Primary));
}

#[test]
fn an_old_primary_in_step_continues() {
    let (mut a, mut b) = pair();
    write(&mut a, &mut b, 1);
    ask(&mut b, Query::Promote);
    give(&mut b, Message::Write(Origin::Address, 2));
    follow(&mut a, &mut b);
    assert_eq!(held(&a), [1, 2, 7, 8]);
    assert_eq!(a.position(), b.position());
}

#[test]
fn an_old_primary_with_a_tail_is_overwritten() {
    let (mut a, mut b) = pair();
    ask(&mut b, Query::Promote);
    give(&mut a, Message::Write(Origin::Address, 3));
    give(&mut b, Message::Write(Origin::Address, 4));
    follow(&mut a, &mut b);
    assert_eq!(held(&a), [4, 7, 8]);
    assert_eq!(a.info(NOW).master_replid2, None);
}

#[test]
fn a_primary_restarted_from_its_file_lets_a_replica_continue_that_is_not_ahead() {
    let (mut a, mut b) = pair();
    write(&mut a, &mut b, 1);
    a.save_now();
    a.start(NOW, Boot::File, Rng::new(9), &mut Vec::new());
    give(&mut a, Message::Loaded);
    let link = b.upstream.as_ref().unwrap().conn;
    let effects = give(&mut b, Message::Stream(link, Stream::Closed));
    exchange(&mut a, &mut b, Vec::new(), effects);
    assert!(b.link_is_up());
    assert_eq!(b.position(), a.position());
    assert_eq!(b.info(NOW).master_replid2, a.info(NOW).master_replid2);
}

#[test]
fn a_replica_refuses_writes_and_a_paused_primary_holds_them() {
    let (mut a, mut b) = pair();
    assert_eq!(
        give(&mut b, Message::Write(Origin::Address, 5)),
        [Effect::Client(Origin::Address, 5, Answer::ReadOnly)]
    );
    ask(&mut a, Query::PauseWrites(Duration::from_secs(1)));
    assert_eq!(give(&mut a, Message::Write(Origin::Address, 6)), []);
    let effects = give(&mut a, Message::Query { session: 1, query: Query::ResumeWrites });
    assert!(effects.contains(&Effect::Client(Origin::Address, 6, Answer::Ok)));
}

/// A setup of another version, with another way to keep data.
fn set_up(version: Version, persistence: Persistence) -> Redis {
    let setup = Setup { version, persistence, ..Setup::default() };
    let mut redis = Redis::new(HostId::A, setup);
    redis.start(NOW, Boot::Empty, Rng::new(1), &mut Vec::new());
    redis
}

/// Killed, and started again.
fn restart(redis: &mut Redis) {
    redis.flush_file();
    redis.end();
    redis.start(LATER, Boot::File, Rng::new(2), &mut Vec::new());
    give(redis, Message::Loaded);
}

#[test]
fn what_a_restart_brings_back_and_whether_it_knows_its_history() {
    let often = Persistence::Rdb(Duration::from_secs(10));
    for (version, persistence, data, knows) in [
        (Version::V7_0, often, vec![1], true),
        (Version::V6_2, often, vec![1], false),
        (Version::V7_0, Persistence::Aof, vec![1, 2], false),
        (Version::V7_0, Persistence::Off, vec![], false),
    ] {
        let mut redis = set_up(version, persistence);
        let mut replica = started(HostId::B);
        follow(&mut replica, &mut redis);
        give(&mut redis, Message::Write(Origin::Address, 1));
        redis.save_now();
        give(&mut redis, Message::Write(Origin::Address, 2));
        let history = redis.position().0;
        restart(&mut redis);
        assert_eq!(held(&redis), data, "{version:?} {persistence:?}");
        let info = redis.info(LATER);
        assert_eq!(info.master_replid2, knows.then_some(history), "{version:?} {persistence:?}");
        assert_eq!(info.keys, Some(data.len() as u64));
    }
}

#[test]
fn a_replica_that_fell_out_of_the_backlog_gets_everything() {
    let setup = Setup { backlog_bytes: 3 * WRITE_LEN, ..Setup::default() };
    for (missed, full) in [(3, false), (4, true)] {
        let mut a = Redis::new(HostId::A, setup);
        a.start(NOW, Boot::Empty, Rng::new(1), &mut Vec::new());
        let mut b = started(HostId::B);
        follow(&mut b, &mut a);
        let link = b.upstream.as_ref().unwrap().conn;
        give(&mut a, Message::Stream(link, Stream::Closed));
        for write in 1..=missed {
            give(&mut a, Message::Write(Origin::Address, write));
        }
        let before = a.synced;
        let effects = give(&mut b, Message::Stream(link, Stream::Closed));
        exchange(&mut a, &mut b, Vec::new(), effects);
        assert_eq!(a.synced.0 > before.0, full, "after {missed} writes");
        assert_eq!(b.data, a.data);
    }
}

#[test]
fn a_full_resync_whose_sender_dies_was_not_sent() {
    let (mut a, mut b) = (started(HostId::A), started(HostId::B));
    a.seed_data([7]);
    let effects = give(&mut b, Message::Query { session: 1, query: Query::Follow });
    let Some(Effect::Dial(conn, wanted)) =
        effects.into_iter().find(|effect| matches!(effect, Effect::Dial(..)))
    else {
        unreachable!()
    };
    let effects = give(&mut a, Message::Stream(conn, Stream::Psync(wanted)));
    assert!(effects.contains(&Effect::Send(conn, Stream::FullResync)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Send(_, Stream::Payload(_)))));
    give(&mut b, Message::Stream(conn, Stream::FullResync));
    give(&mut b, Message::Stream(conn, Stream::Closed));
    assert!(!b.link_is_up() && b.data.is_empty());
}

#[test]
fn an_old_redis_connects_with_the_next_turn_of_its_cron() {
    let mut redis = set_up(Version::V6_0, Persistence::Aof);
    let effects = give(&mut redis, Message::Query { session: 1, query: Query::Follow });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Dial(..))));
    let effects = give(&mut redis, Message::Cron);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Dial(..))));
}

#[test]
fn a_redis_that_cannot_save_refuses_writes_and_ping_but_no_question() {
    let mut redis = started(HostId::A);
    redis.misconf = true;
    assert_eq!(
        give(&mut redis, Message::Write(Origin::Address, 1)),
        [Effect::Client(Origin::Address, 1, Answer::Misconf)]
    );
    let ping = redis.answer(NOW, Query::Ping, &mut Vec::new());
    assert!(matches!(ping, keepair_core::input::Reply::Error(text) if text.starts_with("MISCONF")));
    let info = redis.answer(NOW, Query::Info, &mut Vec::new());
    assert!(matches!(info, keepair_core::input::Reply::Info(_)));
}
