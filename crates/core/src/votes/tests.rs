//! The rules of docs/model.md, one machine's side of them at a time. All interleavings of both
//! sides and the tie-breaker are `crates/model`'s and the simulator's.

use super::*;
use alloc::vec;
use keepair_wire::peer::{Handshake, RedisFacts, State};

const SPANS: Spans =
    Spans { life: Duration::from_millis(300), patience: Duration::from_millis(360) };
const OWN: u64 = 50;
const PEER: u64 = 40;

fn ms(count: u64) -> Time {
    Time(count * 1000)
}

fn own(seq: u64) -> Stamp {
    Stamp { instance: OWN, seq }
}

fn peers(seq: u64) -> Stamp {
    Stamp { instance: PEER, seq }
}

fn report(seq: u64, state: State, void: Option<Stamp>, vote: Option<Stamp>) -> Report {
    Report {
        vrid: 51,
        instance: PEER,
        seq,
        state,
        fit: true,
        priority: 100,
        generation: 1,
        vouched: true,
        may_serve: false,
        accepted: false,
        redis: RedisFacts::default(),
        leaving: None,
        handshake: Handshake::default(),
        failover: None,
        reason: String::new(),
        void,
        vote,
        served: false,
        restored: None,
        missed_writes: false,
        acknowledged: None,
    }
}

/// A machine that has waited as long as it had to after its start, with one tie-breaker that is met.
fn settled() -> Votes {
    let mut votes = Votes::new(ms(0), OWN, 1, SPANS);
    votes.hear_keeper(ms(1), 0, Says::Met([1; 20]), SPANS);
    votes
}

#[test]
fn who_starts_is_bound_for_as_long_as_the_peer_may_serve_by_its_vote() {
    let votes = settled();
    assert_eq!(votes.bound_until(), ms(360));
    assert_eq!(votes.words(), (Some(own(0)), None));
    assert_eq!(votes.right_until(ms(400)), None);
}

#[test]
fn a_right_counts_from_the_sending_whoever_voted_and_however_late() {
    for voter in ["the peer", "the tie-breaker"] {
        let mut votes = settled();
        votes.keep_own();
        votes.sent(ms(400), own(1), SPANS);
        votes.sent(ms(500), own(2), SPANS);
        match voter {
            "the peer" => {
                votes.hear(ms(650), &report(7, State::Backup, None, Some(own(1))), SPANS);
            }
            _ => {
                votes.hear_keeper(ms(650), 0, Says::Granted(own(1)), SPANS);
            }
        }
        assert_eq!(votes.right_until(ms(650)), Some(ms(700)), "{voter}");
        assert_eq!(votes.right_until(ms(700)), None, "{voter}");
    }
}

#[test]
fn what_was_never_sent_or_is_void_or_too_old_earns_nothing() {
    let mut votes = settled();
    votes.keep_own();
    votes.sent(ms(400), own(1), SPANS);
    votes.sent(ms(800), own(2), SPANS);
    let strange = Stamp { instance: OWN + 1, seq: 1 };
    for stamp in [own(0), own(1), own(3), strange, peers(1)] {
        votes.hear_keeper(ms(801), 0, Says::Granted(stamp), SPANS);
        assert_eq!(votes.right_until(ms(801)), None, "{stamp:?}");
    }
    votes.give_way(ms(802), SPANS);
    votes.hear_keeper(ms(803), 0, Says::Granted(own(2)), SPANS);
    assert_eq!(votes.right_until(ms(803)), None, "void since it gave way");
}

#[test]
fn a_vote_binds_until_its_receiver_says_that_it_is_void() {
    let mut votes = settled();
    votes.hear(ms(500), &report(7, State::Active, Some(peers(0)), None), SPANS);
    assert_eq!(votes.words().1, Some(peers(7)));
    assert_eq!(votes.bound_until(), ms(860));
    // An older void says nothing of the stamp that was voted for.
    votes.hear(ms(510), &report(8, State::Backup, Some(peers(6)), None), SPANS);
    assert_eq!(votes.bound_until(), ms(860));
    votes.hear(ms(520), &report(9, State::Backup, Some(peers(8)), None), SPANS);
    assert_eq!(votes.bound_until(), ms(520));
}

#[test]
fn a_machine_of_its_own_mind_votes_for_nobody() {
    let mut votes = settled();
    votes.keep_own();
    votes.hear(ms(500), &report(7, State::TakingOver, None, None), SPANS);
    assert_eq!(votes.words().1, None);
    votes.give_way(ms(600), SPANS);
    assert_eq!(votes.words().1, Some(peers(7)), "now the peer may serve");
    assert_eq!(votes.bound_until(), ms(960));
}

#[test]
fn an_old_report_changes_nothing() {
    let mut votes = settled();
    votes.hear(ms(500), &report(9, State::Active, None, None), SPANS);
    votes.hear(ms(700), &report(8, State::Backup, Some(peers(9)), None), SPANS);
    assert_eq!(votes.bound_until(), ms(860));
}

#[test]
fn all_tie_breakers_or_none() {
    let mut votes = Votes::new(ms(0), OWN, 2, SPANS);
    votes.keep_own();
    votes.sent(ms(400), own(1), SPANS);
    votes.sent(ms(450), own(2), SPANS);
    votes.hear_keeper(ms(460), 0, Says::Granted(own(2)), SPANS);
    assert_eq!(votes.right_until(ms(460)), None, "one of two");
    votes.hear_keeper(ms(470), 1, Says::Granted(own(1)), SPANS);
    assert_eq!(votes.right_until(ms(470)), Some(ms(700)), "by the older of the two stamps");
}

#[test]
fn a_new_run_of_the_tie_breaker_is_asked_only_after_the_old_one_s_votes_have_ended() {
    let mut votes = settled();
    votes.keep_own();
    let asked = |votes: &mut Votes, at: u64, seq: u64| {
        let asks = votes.sent(ms(at), own(seq), SPANS);
        asks.into_iter().map(|(place, ask)| (place, ask.run, ask.stamp)).collect::<Vec<_>>()
    };
    assert_eq!(asked(&mut votes, 300, 1), [], "met at 1 ms");
    assert_eq!(asked(&mut votes, 361, 2), [(0, [1; 20], own(2))]);
    votes.hear_keeper(ms(370), 0, Says::Gone("closed".to_string()), SPANS);
    assert_eq!(asked(&mut votes, 380, 3), [], "nobody is there");
    votes.hear_keeper(ms(400), 0, Says::Met([2; 20]), SPANS);
    assert_eq!(asked(&mut votes, 500, 4), [], "it has forgotten whom it stood by");
    votes.hear(ms(510), &report(7, State::Backup, None, Some(own(4))), SPANS);
    let serves = vec![(0, [1; 20], own(5))];
    votes.hear_keeper(ms(520), 0, Says::Met([1; 20]), SPANS);
    assert_eq!(asked(&mut votes, 530, 5), serves, "whoever serves holds the only vote");
}

#[test]
fn a_refusal_begins_the_wait_anew_and_the_second_shows_that_the_peer_lives() {
    let mut votes = settled();
    votes.hear(ms(500), &report(7, State::Active, None, None), SPANS);
    votes.keep_own();
    votes.sent(ms(870), own(1), SPANS);
    assert!(votes.hear_keeper(ms(871), 0, Says::Refused(peers(9)), SPANS));
    assert_eq!(votes.bound_until(), ms(871 + 360));
    assert!(!votes.serves_unheard(), "it may have died after that stamp");
    let asks = votes.sent(ms(1240), own(2), SPANS);
    assert_eq!(asks.first().map(|(_, ask)| ask.over), Some(peers(9)));
    assert!(!votes.hear_keeper(ms(1241), 0, Says::Refused(peers(9)), SPANS), "known");
    assert!(votes.hear_keeper(ms(1242), 0, Says::Refused(peers(12)), SPANS));
    assert!(votes.serves_unheard());
    votes.hear(ms(1300), &report(13, State::Active, None, None), SPANS);
    assert!(!votes.serves_unheard());
}

#[test]
fn a_right_of_an_earlier_run_is_kept_and_nothing_is_void() {
    let mut votes = Votes::new(ms(0), OWN, 1, SPANS);
    votes.inherit(ms(0), ms(120));
    assert_eq!(votes.right_until(ms(100)), Some(ms(120)));
    assert_eq!(votes.words(), (None, None));
    votes.give_way(ms(130), SPANS);
    assert_eq!(votes.words().0, Some(own(0)));
}
