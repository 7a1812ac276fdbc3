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

/// Carries what was sent to the other end, and back, until both are quiet.
fn exchange(a: &mut Redis, b: &mut Redis, from_a: Vec<Effect>, from_b: Vec<Effect>) {
    let (mut to_a, mut to_b) = (from_b, from_a);
    while !to_a.is_empty() || !to_b.is_empty() {
        let from_b: Vec<Effect> = to_b.drain(..).flat_map(|e| receive(b, e)).collect();
        let from_a: Vec<Effect> = to_a.drain(..).flat_map(|e| receive(a, e)).collect();
        (to_a, to_b) = (from_b, from_a);
    }
    // Long enough for everything that was read to be applied, and loaded.
    for redis in [a, b] {
        redis.handle(LATER, Message::Loaded, &mut Vec::new());
    }
}

fn receive(redis: &mut Redis, effect: Effect) -> Vec<Effect> {
    match effect {
        Effect::Dial(conn, wanted) => give(redis, Message::Stream(conn, Stream::Psync(wanted))),
        Effect::Send(conn, stream) => give(redis, Message::Stream(conn, stream)),
        _ => Vec::new(),
    }
}

fn held(redis: &Redis) -> Vec<WriteId> {
    redis.data.iter().collect()
}

fn follow(replica: &mut Redis, source: &mut Redis) {
    let effects = give(replica, Message::Query { session: 1, query: Query::Follow });
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
