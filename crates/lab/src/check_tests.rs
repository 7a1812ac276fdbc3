use super::*;
use crate::fault;

fn good(outage_us: u64) -> Seen {
    Seen {
        measured: Measured { outage_us, recovered: true, acked: 9, ..Measured::default() },
        lost: Some(0),
        before: "redis-1".to_owned(),
        after: "redis-2".to_owned(),
        ..Seen::default()
    }
}

fn judge(name: &str, seen: Seen) -> Vec<String> {
    let run = Run::judge(fault::find(name).unwrap(), seen, Duration::from_millis(5));
    run.checks.into_iter().filter(|c| !c.ok).map(|c| c.name).collect()
}

#[test]
fn a_bound_is_inclusive() {
    assert!(judge("crash", good(15_000)).is_empty());
    assert_eq!(judge("crash", good(15_001)), ["outage <= 15 ms"]);
}

#[test]
fn losing_one_write_fails() {
    assert_eq!(judge("crash", Seen { lost: Some(1), ..good(1) }).len(), 1);
    assert_eq!(judge("crash", Seen { lost: None, ..good(1) }).len(), 1);
}

#[test]
fn a_full_synchronisation_fails_only_where_nothing_diverged() {
    let full = Seen { rejoined: Rejoined::Full, ..good(1) };
    assert!(judge("crash", full.clone()).is_empty());
    assert_eq!(judge("hang", full.clone()).len(), 1);
    let local = |missing| Some(Local { missing, ..Local::default() });
    assert_eq!(judge("unplug", Seen { local: local(0), ..full.clone() }).len(), 1);
    assert!(judge("unplug", Seen { local: local(3), ..full }).is_empty());
}

#[test]
fn what_both_acknowledged_is_judged_also_where_nobody_breaks_the_tie() {
    let sides = |kept| Acknowledged { both_us: 9, diverged: 3, kept, ..Acknowledged::default() };
    let seen = |kept, uncovered| Seen { sides: Some(sides(kept)), uncovered, ..good(1) };
    assert!(judge("isolate", seen(3, true)).is_empty());
    let salvaged = "every write that only the other machine acknowledged is salvaged";
    assert_eq!(judge("isolate", seen(2, true)), [salvaged]);
    let at_once = "the two machines never acknowledge at once";
    assert_eq!(judge("isolate", seen(2, false)), [salvaged, at_once]);
}

#[test]
fn pings_alone_do_not_cost_a_full_synchronisation() {
    let of = |diverged_bytes| {
        let sides = Some(Acknowledged::default());
        judge("isolate", Seen { rejoined: Rejoined::Full, diverged_bytes, sides, ..good(1) })
    };
    assert_eq!(of(84), ["no full synchronisation where nothing diverged"]);
    assert!(of(85).is_empty());
}

#[test]
fn a_pair_that_never_settles_fails() {
    let never = Seen { after: String::new(), error: Some("both are primaries".into()), ..good(1) };
    assert_eq!(judge("power", never), ["the pair is whole again"]);
}

#[test]
fn nothing_means_nothing() {
    let mut seen = Seen { after: "redis-1".to_owned(), same_history: true, ..good(9_000) };
    assert!(judge("daemon-crash", seen.clone()).is_empty());
    seen.measured.failed.insert("reset".to_owned(), 1);
    assert_eq!(judge("daemon-crash", seen), ["no client sees an error"]);
}

#[test]
fn milliseconds() {
    assert_eq!([ms(0), ms(9_960), ms(15_049), ms(312_900)], ["0.0", "9.9", "15.0", "312"]);
}
