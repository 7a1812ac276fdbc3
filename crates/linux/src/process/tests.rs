use super::*;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn the_name_may_hold_spaces_and_parentheses() {
    let rest = "S 1 1 1 0 -1 4194560 1 0 0 0 7 5 0 0 20 0 5 0 4242 1 1";
    for name in ["redis-server", "a b", "evil) R 1 (x", ")"] {
        let state = ProcessState::parse(&format!("123 ({name}) {rest}")).unwrap();
        assert_eq!(
            state,
            ProcessState { state: 'S', exiting: false, cpu_ticks: 12, start_ticks: 4242 },
            "{name}"
        );
    }
}

#[test]
fn exiting_shows_in_the_flags_before_it_shows_in_the_state() {
    let text = "9 (x) R 1 1 1 0 -1 4194564 1 0 0 0 7 5 0 0 20 0 5 0 4242 1 1";
    assert!(ProcessState::parse(text).unwrap().exiting);
}

#[test]
fn a_pending_sigkill_and_a_core_dump_are_exits_too() {
    let head = "9 (x) R 1 1 1 0 -1 4194560 1 0 0 0 7 5 0 0 20 0 5 0 4242 1 1 0 1 1 1 1 1";
    assert!(ProcessState::parse(&format!("{head} 256 0 4097 1 0")).unwrap().exiting);
    assert!(!ProcessState::parse(&format!("{head} 128 0 4097 1 0")).unwrap().exiting);
    for flag in [0x4, 0x200, 0x400] {
        let ending = head.replace("4194560", &(4_194_560 | flag).to_string());
        assert!(ProcessState::parse(&format!("{ending} 0 0 4097 1 0")).unwrap().exiting);
    }
}

#[test]
fn cut_off_text_is_none() {
    for text in ["", "1", "1 (x", "1 (x)", "1 (x) S 1 2", "1 (x) S a b c d e f g h"] {
        assert_eq!(ProcessState::parse(text), None, "{text:?}");
    }
}

#[test]
fn the_end_of_a_process_rings_and_reads_as_gone() {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let watch = ProcessWatch::open(child.id()).unwrap();
    assert!(!watch.state().unwrap().exiting);
    assert!(!is_readable(&watch.leader));
    let began = Instant::now();
    child.kill().unwrap();
    while !is_readable(&watch.leader) {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    assert!(watch.state().unwrap().exiting, "a zombie counts as exiting");
    child.wait().unwrap();
    assert_eq!(watch.state().unwrap(), ProcessState::GONE);
}

#[test]
fn a_thread_that_ends_is_forgotten_and_its_process_lives() {
    let stop = std::sync::Arc::new(std::sync::Barrier::new(2));
    let thread = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            stop.wait();
        })
    };
    let mut watch = ProcessWatch::open(std::process::id()).unwrap();
    let watched = watch.threads.len();
    stop.wait();
    thread.join().unwrap();
    let began = Instant::now();
    while !watch.threads.iter().any(is_readable) && watched > 0 {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    assert!(!watch.state().unwrap().exiting);
    // Other tests' threads end, too.
    while watch.threads.iter().any(is_readable) {
        watch.refresh().unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
