use super::*;

#[test]
fn both_answers_are_needed() {
    assert_eq!(verdict(b""), None);
    assert_eq!(verdict(b"+OK\r\n"), None);
    assert_eq!(verdict(b"+OK\r\n+OK\r"), None);
    assert_eq!(verdict(b"+OK\r\n+OK\r\n"), Some(Outcome::Acked));
}

#[test]
fn the_answer_to_set_counts() {
    let readonly = b"+OK\r\n-READONLY You can't write against a read only replica.\r\n";
    let Some(outcome) = verdict(readonly) else { panic!("no verdict") };
    assert_eq!(describe(&outcome), "READONLY");
    assert_eq!(verdict(b"-ERR no password is set\r\n+OK\r\n"), Some(Outcome::Acked));
}

#[test]
fn an_error_before_the_end_is_the_answer() {
    let full = b"-ERR max number of clients reached\r\n";
    assert_eq!(closing(full), Outcome::Error("ERR max number of clients reached".to_owned()));
    assert_eq!(closing(b"+OK\r\n"), Outcome::Reset);
    assert_eq!(closing(b""), Outcome::Reset);
}
