use super::*;

const INFO_AGE: Duration = Duration::from_millis(200);
const PRIMARY: [u8; 20] = [1; 20];

fn at(ms: u64) -> Time {
    Time(ms * 1000)
}

fn replica(replid: [u8; 20], offset: i64) -> RedisFacts {
    RedisFacts { reachable: true, link_up: true, replid, offset, ..RedisFacts::default() }
}

#[test]
fn a_link_that_is_up_proves_nothing_and_a_moving_offset_does() {
    let mut flow = Flow::default();
    flow.watch(at(0), &replica(PRIMARY, 500));
    flow.watch(at(900), &replica(PRIMARY, 500));
    assert!(!flow.flows(&PRIMARY));
    let mut idle = flow;
    flow.watch(at(1000), &replica(PRIMARY, 501));
    assert!(flow.flows(&PRIMARY) && !flow.flows(&[2; 20]));
    // Nothing is written, and the replica has acknowledged that by now.
    idle.watch(at(1500), &replica(PRIMARY, 500));
    assert!(!idle.flows(&PRIMARY));
    idle.watch(at(1501), &replica(PRIMARY, 500));
    assert!(idle.flows(&PRIMARY));
}

#[test]
fn the_primarys_word_counts_when_it_is_younger_than_the_link() {
    for (told_at, upto, flows) in [
        (100, 500, false), // may be of the connection before
        (201, 0, false),   // attached, and nothing acknowledged yet
        (201, 499, false), // of an earlier connection
        (201, 500, false), // the end of the load: it has started no stream
        (201, 501, true),
        (900, 700, true),
    ] {
        let mut flow = Flow::default();
        flow.watch(at(0), &replica(PRIMARY, 500));
        flow.acknowledged(at(told_at), INFO_AGE, &replica(PRIMARY, 500), upto);
        assert_eq!(flow.flows(&PRIMARY), flows, "{upto} told at {told_at}");
    }
}

#[test]
fn a_resynchronisation_begins_anew_also_one_that_no_info_showed() {
    let flowing = || {
        let mut flow = Flow::default();
        flow.watch(at(0), &replica(PRIMARY, 500));
        flow.watch(at(100), &replica(PRIMARY, 501));
        flow
    };
    for (name, facts) in [
        ("the link broke", RedisFacts { link_up: false, ..replica(PRIMARY, 501) }),
        ("it is receiving everything", RedisFacts { syncing: true, ..replica(PRIMARY, 501) }),
        ("another primary", replica([2; 20], 501)),
        ("it was promoted", RedisFacts { primary: true, ..replica(PRIMARY, 501) }),
    ] {
        let mut flow = flowing();
        flow.watch(at(200), &facts);
        assert!(!flow.flows(&facts.replid), "{name}");
    }
    let mut flow = flowing();
    flow.acknowledged(at(1600), INFO_AGE, &replica(PRIMARY, 501), 0);
    assert!(flow.flows(&PRIMARY), "the first acknowledgement may still be on its way");
    flow.acknowledged(at(1601), INFO_AGE, &replica(PRIMARY, 501), 0);
    assert!(!flow.flows(&PRIMARY), "the primary has not heard of it");
}
