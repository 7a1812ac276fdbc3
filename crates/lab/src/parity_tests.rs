use super::*;
use crate::check::Rejoined;
use crate::status::Failover;

const COURSES: &str = "crash moved redis-exited notice,fence,claim full 20\n\
                       slow-script stayed - - none 20\n";

fn seen(after: &str, phases: &[&str], rejoined: Rejoined) -> Seen {
    let failover = (!phases.is_empty()).then(|| Failover {
        cause: "redis-exited".to_owned(),
        total_us: 3_000,
        phases: phases.iter().map(|name| ((*name).to_owned(), 0)).collect(),
    });
    let (before, after) = ("redis-1".to_owned(), after.to_owned());
    Seen { before, after, failover, rejoined, ..Seen::default() }
}

#[test]
fn a_course_is_known_or_not() {
    let courses = Courses::parse(COURSES).unwrap();
    let table: &[(&str, Seen, bool)] = &[
        ("crash", seen("redis-2", &["notice", "fence", "claim"], Rejoined::Full), true),
        // In another order, by another way, to another place, of another fault.
        ("crash", seen("redis-2", &["fence", "notice", "claim"], Rejoined::Full), false),
        ("crash", seen("redis-2", &["notice", "fence", "claim"], Rejoined::Partial), false),
        ("crash", seen("redis-1", &["notice", "fence", "claim"], Rejoined::Full), false),
        ("hang", seen("redis-2", &["notice", "fence", "claim"], Rejoined::Full), false),
        ("slow-script", seen("redis-1", &[], Rejoined::None), true),
        ("slow-script", seen("redis-2", &[], Rejoined::None), false),
    ];
    for (fault, seen, known) in table {
        let check = courses.check(fault, seen);
        assert_eq!(check.ok, *known, "{fault}: {}", check.seen);
    }
}

#[test]
fn an_unknown_course_names_the_known_ones() {
    let courses = Courses::parse(COURSES).unwrap();
    let check = courses.check("crash", &seen("redis-1", &[], Rejoined::None));
    assert_eq!(check.seen, "stayed - - none; it knows: moved redis-exited notice,fence,claim full");
}

#[test]
fn nonsense_from_the_simulator_is_an_error() {
    for text in ["", "crash moved\n", "error: no such option --courses\n"] {
        assert!(Courses::parse(text).is_err(), "{text:?}");
    }
}
