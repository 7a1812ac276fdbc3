//! Priority, locked memory and timers. Needs root for the first two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
mod common;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use common::{report, sh};
use keepair_linux::realtime::{
    Timer, Wake, forbid_core_dumps, lock_memory, make_realtime, monotonic_us,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn readable(fd: std::os::fd::BorrowedFd<'_>, limit: Duration) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: limit.as_nanos() as i64 };
    poll(&mut fds, Some(&limit)).unwrap() == 1
}

#[test]
fn priority_and_locked_memory_are_real_and_not_inherited() {
    make_realtime(10).expect("this test needs root (CAP_SYS_NICE)");
    lock_memory().expect("this test needs root (CAP_IPC_LOCK)");
    let status = sh(&format!("grep VmLck /proc/{}/status", std::process::id()));
    assert!(!status.contains(" 0 kB"), "{status}");
    let policy =
        |stat: &str| stat.rsplit(')').next().unwrap().split(' ').nth(39).unwrap().to_owned();
    let own = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    assert_eq!(policy(&own), "1", "SCHED_FIFO");
    assert_eq!(policy(&sh("cat /proc/self/stat")), "0", "a child is SCHED_OTHER");
    let thread = std::thread::spawn(|| std::fs::read_to_string("/proc/thread-self/stat").unwrap());
    assert_eq!(policy(&thread.join().unwrap()), "0");
    forbid_core_dumps().unwrap();
    assert!(make_realtime(0).is_err());
}

#[test]
fn a_timer_fires_once_at_its_time() {
    let timer = Timer::new().unwrap();
    assert!(!readable(timer.as_fd(), Duration::ZERO));
    timer.set(0).unwrap();
    assert!(readable(timer.as_fd(), Duration::from_millis(5)), "a past deadline is due");
    timer.read();
    timer.read();
    assert!(!readable(timer.as_fd(), Duration::ZERO));
    timer.set(monotonic_us() + 3_600_000_000).unwrap();
    timer.set(monotonic_us() + 20_000).unwrap();
    assert!(!readable(timer.as_fd(), Duration::from_millis(5)));
    assert!(readable(timer.as_fd(), Duration::from_millis(200)));
    timer.set(u64::MAX).unwrap();
    assert!(!readable(timer.as_fd(), Duration::from_millis(5)));
    let mut late = Vec::new();
    for _ in 0..200 {
        let at = monotonic_us() + 2_137;
        timer.set(at).unwrap();
        assert!(readable(timer.as_fd(), Duration::from_millis(900)));
        late.push(Duration::from_micros(monotonic_us() - at));
        timer.read();
    }
    report("timer lateness", late);
}

#[test]
fn a_wake_up_reaches_the_other_thread() {
    let wake = Arc::new(Wake::new().unwrap());
    assert!(!readable(wake.as_fd(), Duration::ZERO));
    let other = wake.clone();
    std::thread::spawn(move || {
        for _ in 0..3 {
            other.wake();
        }
    })
    .join()
    .unwrap();
    assert!(readable(wake.as_fd(), Duration::from_millis(500)));
    wake.read();
    assert!(!readable(wake.as_fd(), Duration::ZERO));
}
