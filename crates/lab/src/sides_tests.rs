use super::*;

/// Writes that take 2 ms: who acknowledged, and when they were sent in milliseconds.
fn sides(writes: &[(&str, u64)]) -> Sides {
    let zero = Instant::now();
    let records: Vec<Record> = writes
        .iter()
        .map(|(by, ms)| {
            let sent = zero + Duration::from_millis(*ms);
            let (done, by) = (sent + Duration::from_millis(2), Some((*by).to_owned()));
            Record { number: *ms, sent, done, outcome: Outcome::Acked, by }
        })
        .collect();
    Sides::of(records.iter(), ["a", "b"])
}

fn service(by: &str, from: u64, to: u64) -> impl Iterator<Item = (&str, u64)> {
    (from..to).step_by(5).map(move |ms| (by, ms))
}

#[test]
fn one_after_the_other_is_not_at_once() {
    let there: Vec<_> = service("a", 0, 300).chain(service("b", 650, 900)).collect();
    let back: Vec<_> = there.iter().copied().chain(service("a", 905, 1_200)).collect();
    for writes in [there, back] {
        assert_eq!((sides(&writes).both_us(), sides(&writes).astray()), (0, 0));
    }
}

#[test]
fn two_at_once_are_seen() {
    let writes: Vec<_> = service("a", 0, 300).chain(service("b", 200, 500)).collect();
    let seen = sides(&writes);
    assert_eq!(seen.both_us(), 93_000); // from 202, read, to 295, sent
    assert!(seen.astray() > 10);
}

#[test]
fn a_single_write_in_the_midst_of_the_other_s_service_is_astray() {
    let writes: Vec<_> = service("b", 0, 300).chain([("a", 150)]).collect();
    assert_eq!((sides(&writes).both_us(), sides(&writes).astray()), (0, 1));
}
