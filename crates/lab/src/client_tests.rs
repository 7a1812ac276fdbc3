use super::*;

#[test]
fn both_answers_are_needed() {
    assert_eq!(verdict(b"", false), None);
    assert_eq!(verdict(b"+OK\r\n", false), None);
    assert_eq!(verdict(b"+OK\r\n+OK\r", false), None);
    assert_eq!(verdict(b"+OK\r\n+OK\r\n", false), Some((Outcome::Acked, None)));
}

#[test]
fn the_answer_to_set_counts() {
    let readonly = b"+OK\r\n-READONLY You can't write against a read only replica.\r\n";
    let Some((outcome, _)) = verdict(readonly, false) else { panic!("no verdict") };
    assert_eq!(describe(&outcome), "READONLY");
    let open = b"-ERR no password is set\r\n+OK\r\n";
    assert_eq!(verdict(open, false), Some((Outcome::Acked, None)));
}

#[test]
fn a_machine_tells_who_it_is() {
    let whole = b"+OK\r\n*2\r\n$3\r\ndir\r\n$23\r\n/srv/rig-1/redis-2/redis\r\n+OK\r\n";
    for end in 0..whole.len() {
        assert_eq!(verdict(&whole[..end], true), None, "{end}");
    }
    assert_eq!(verdict(whole, true), Some((Outcome::Acked, Some("redis-2".to_owned()))));
    let refused = b"+OK\r\n-NOPERM\r\n+OK\r\n";
    assert_eq!(verdict(refused, true), Some((Outcome::Acked, None)));
}

#[test]
fn an_error_before_the_end_is_the_answer() {
    let full = b"-ERR max number of clients reached\r\n";
    assert_eq!(closing(full), Outcome::Error("ERR max number of clients reached".to_owned()));
    assert_eq!(closing(b"+OK\r\n"), Outcome::Reset);
    assert_eq!(closing(b""), Outcome::Reset);
}
