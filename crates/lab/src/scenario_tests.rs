use super::*;

#[test]
fn a_refusal_says_how_far_the_other_had_gone() {
    let log = "60:M 22 Nov 2026 16:29:54.030 * Partial resynchronization not accepted: Requested \
               offset for second ID was 32949, but I can reply up to 30530\n";
    assert_eq!(diverged(log), 2_419);
    assert_eq!(diverged("Replication ID mismatch"), 0);
}

#[test]
fn kept_writes_are_found_in_any_file() {
    let dir = std::env::temp_dir().join(format!("keepair-lab-test.{}", std::process::id()));
    fs::create_dir_all(dir.join("tails")).unwrap();
    let tail = "*3\r\n$3\r\nSET\r\n$8\r\nlocal:17\r\n$2\r\n17\r\n";
    fs::write(dir.join("tails/1.resp"), tail).unwrap();
    let found = numbers_in(&dir, "local:");
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(found, BTreeSet::from([17]));
}
