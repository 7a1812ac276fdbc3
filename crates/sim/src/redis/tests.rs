use super::*;

const NOW: Time = Time(1_000_000);

fn started(host: HostId) -> Redis {
    let mut redis = Redis::new(host);
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

/// Carries what was sent to the other end, and back, until both are quiet.
fn exchange(a: &mut Redis, b: &mut Redis, from_a: Vec<Effect>, from_b: Vec<Effect>) {
    let (mut to_a, mut to_b) = (from_b, from_a);
    while !to_a.is_empty() || !to_b.is_empty() {
        let from_b: Vec<Effect> = to_b.drain(..).flat_map(|e| receive(b, e)).collect();
        let from_a: Vec<Effect> = to_a.drain(..).flat_map(|e| receive(a, e)).collect();
        (to_a, to_b) = (from_b, from_a);
    }
    for redis in [a, b] {
        while !redis.unapplied.is_empty() {
            give(redis, Message::Apply);
        }
    }
}

fn receive(redis: &mut Redis, effect: Effect) -> Vec<Effect> {
    match effect {
        Effect::Dial(conn, wanted) => give(redis, Message::Stream(conn, Stream::Psync(wanted))),
        Effect::Send(conn, stream) => give(redis, Message::Stream(conn, stream)),
        _ => Vec::new(),
    }
}

fn follow(replica: &mut Redis, source: &mut Redis) {
    let effects = give(replica, Message::Query { session: 1, query: Query::Follow });
    exchange(source, replica, Vec::new(), effects);
}

fn write(primary: &mut Redis, replica: &mut Redis, id: WriteId) {
    let effects = give(primary, Message::Write(id));
    assert!(effects.contains(&Effect::Client(id, Answer::Ok)));
    exchange(primary, replica, effects, Vec::new());
}

fn pair() -> (Redis, Redis) {
    let (mut a, mut b) = (started(HostId::A), started(HostId::B));
    a.seed_data([7, 8]);
    follow(&mut b, &mut a);
    assert!(b.link_is_up());
    assert_eq!(b.data, [7, 8]);
    (a, b)
}

#[test]
fn the_first_replica_gets_everything_and_then_the_stream() {
    let (mut a, mut b) = pair();
    write(&mut a, &mut b, 1);
    assert_eq!(b.data, [7, 8, 1]);
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
    give(&mut b, Message::Write(2));
    follow(&mut a, &mut b);
    assert_eq!(a.data, [7, 8, 1, 2]);
    assert_eq!(a.position(), b.position());
}

#[test]
fn an_old_primary_with_a_tail_is_overwritten() {
    let (mut a, mut b) = pair();
    ask(&mut b, Query::Promote);
    give(&mut a, Message::Write(3));
    give(&mut b, Message::Write(4));
    follow(&mut a, &mut b);
    assert_eq!(a.data, [7, 8, 4]);
    assert_eq!(a.info(NOW).master_replid2, None);
}

#[test]
fn a_primary_restarted_from_its_file_lets_a_replica_continue_that_is_not_ahead() {
    let (mut a, mut b) = pair();
    write(&mut a, &mut b, 1);
    a.save_now();
    a.start(NOW, Boot::Rdb, Rng::new(9), &mut Vec::new());
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
    assert_eq!(give(&mut b, Message::Write(5)), [Effect::Client(5, Answer::ReadOnly)]);
    ask(&mut a, Query::PauseWrites(Duration::from_secs(1)));
    assert_eq!(give(&mut a, Message::Write(6)), []);
    let effects = give(&mut a, Message::Query { session: 1, query: Query::ResumeWrites });
    assert!(effects.contains(&Effect::Client(6, Answer::Ok)));
}
