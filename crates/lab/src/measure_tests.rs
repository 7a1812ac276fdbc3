use super::*;

fn times(began: Instant, t0: Instant, ended: Instant) -> Times {
    Times { began, t0, repaired: ended, ended }
}

fn records(began: Instant, acks_ms: &[u64]) -> Records {
    let write = |(number, ms): (usize, &u64)| Record {
        number: number as u64,
        sent: began,
        done: began + Duration::from_millis(*ms),
        outcome: Outcome::Acked,
        by: None,
    };
    Records { writes: acks_ms.iter().enumerate().map(write).collect(), ..Records::default() }
}

#[test]
fn the_outage_is_the_longest_gap_that_ends_after_the_fault() {
    let began = Instant::now();
    let at = |ms| began + Duration::from_millis(ms);
    let seen = records(began, &[100, 150, 155, 160, 165, 180, 185]);
    let measured = measure(&seen, times(began, at(162), at(187)));
    assert_eq!(measured.outage_us, 15_000);
    assert_eq!(measured.outage_from_us, 3_000);
    assert_eq!(measured.ordinary.max_us, 50_000);
    assert!(measured.recovered);
    assert_eq!(measured.acked, 7);
}

#[test]
fn a_gap_after_the_repair_is_another_figure() {
    let began = Instant::now();
    let at = |ms| began + Duration::from_millis(ms);
    let seen = records(began, &[150, 155, 165, 170, 230, 235]);
    let all = times(began, at(156), at(240));
    let measured = measure(&seen, Times { repaired: at(168), ..all });
    assert_eq!((measured.outage_us, measured.rejoin_gap_us), (10_000, 60_000));
    // One that begins before the repair and outlasts it is the outage.
    let measured = measure(&seen, Times { repaired: at(171), ..all });
    assert_eq!((measured.outage_us, measured.rejoin_gap_us), (60_000, 5_000));
}

#[test]
fn a_gap_that_never_ends_counts_to_the_end_of_the_load() {
    let began = Instant::now();
    let at = |ms| began + Duration::from_millis(ms);
    let measured = measure(&records(began, &[150, 155]), times(began, at(156), at(2000)));
    assert_eq!(measured.outage_us, 1_845_000);
    assert_eq!(measured.outage_from_us, -1_000);
    assert!(!measured.recovered);
}

#[test]
fn outcomes_are_counted_by_kind() {
    let began = Instant::now();
    let mut seen = records(began, &[1]);
    for outcome in [
        Outcome::Error("READONLY You can't".to_owned()),
        Outcome::Error("READONLY You can't".to_owned()),
        Outcome::Refused,
        Outcome::Unfinished,
    ] {
        seen.writes.push(Record { number: 9, sent: began, done: began, outcome, by: None });
    }
    let measured = measure(&seen, times(began, began, began + Duration::from_millis(2)));
    assert_eq!(measured.failures("READONLY"), 2);
    assert_eq!(measured.failures("refused"), 1);
    assert_eq!(measured.failures("unfinished"), 0);
    assert_eq!(measured.replies.len(), 1);
}

#[test]
fn ranks() {
    let spacing = Spacing::of((1..=200).rev().collect());
    assert_eq!((spacing.p50_us, spacing.p99_us, spacing.max_us), (100, 198, 200));
    assert_eq!(Spacing::of(Vec::new()), Spacing::default());
}
