use super::*;

#[test]
fn columns_are_aligned_whatever_the_colours() {
    let rows = vec![
        vec![(Tone::Plain, "crash".to_owned()), (Tone::Good, "9.1".to_owned())],
        vec![(Tone::Plain, "unplug".to_owned()), (Tone::Bad, "312".to_owned())],
    ];
    let lines = table(Style::plain(), &["fault", "ms"], &rows);
    assert_eq!(lines, ["fault    ms", "crash   9.1", "unplug  312"]);
    let coloured = table(Style { colour: true }, &["fault", "ms"], &rows);
    assert_eq!(coloured[2], "unplug  \x1b[1;31m312\x1b[0m");
}

#[test]
fn a_log_line_loses_its_own_time_and_colours() {
    assert_eq!(clean("2026-11-22T16:00:00.123Z \x1b[32mINFO\x1b[0m claimed"), "INFO claimed");
    assert_eq!(clean("promoted redis-2"), "promoted redis-2");
    assert_eq!(clean("16:00:00.5 x"), "x");
    assert_eq!(clean("3 replicas"), "3 replicas");
}
