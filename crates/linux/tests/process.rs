//! Watching real processes die. Needs `redis-server`, not root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::wait_for;
use keepair_linux::process::{ProcessState, ProcessWatch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A Redis with about `megabytes` resident; its threads and its socket.
fn redis(megabytes: usize) -> (Child, UnixStream) {
    let path = format!("/tmp/keepair-test-{}-{megabytes}.sock", std::process::id());
    let child = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--enable-debug-command", "yes", "--unixsocket", &path])
        .stdout(Stdio::null())
        .spawn()
        .expect("this test needs redis-server");
    wait_for("Redis", || UnixStream::connect(&path).is_ok());
    let mut socket = UnixStream::connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    if megabytes > 0 {
        write!(socket, "DEBUG POPULATE {} k 1000000\r\n", megabytes).unwrap();
        assert!(socket.read(&mut [0; 64]).unwrap() > 0);
    }
    (child, socket)
}

fn ready(watch: &ProcessWatch, limit: Duration) -> Vec<usize> {
    let mut fds: Vec<_> =
        watch.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let limit = Timespec { tv_sec: 0, tv_nsec: limit.as_nanos() as i64 };
    poll(&mut fds, Some(&limit)).unwrap();
    (0..fds.len()).filter(|i| !fds[*i].revents().is_empty()).collect()
}

#[test]
fn the_death_of_a_large_redis_is_known_before_its_sockets_close() {
    let (mut child, mut socket) = redis(700);
    // As the daemon's thread is; without it the look may come late on a busy machine.
    let _ = keepair_linux::realtime::make_realtime(10);
    let watch = ProcessWatch::open(child.id()).unwrap();
    assert!(watch.fds().count() >= 4, "Redis has bio threads");
    assert_eq!(ready(&watch, Duration::ZERO), Vec::<usize>::new());
    let state = watch.state().unwrap();
    assert!(!state.exiting && state.cpu_ticks > 0 && "RS".contains(state.state));
    let closed = std::thread::spawn(move || {
        let _ = socket.read(&mut [0; 8]);
        Instant::now()
    });
    let killed = Instant::now();
    child.kill().unwrap();
    let woken = ready(&watch, Duration::from_millis(900));
    let noticed = killed.elapsed();
    let state = watch.state().unwrap();
    assert!(state.exiting, "{state:?}");
    assert!(!woken.is_empty() && !woken.contains(&0), "the leader is late: {woken:?}");
    let closed = closed.join().unwrap().duration_since(killed);
    println!(
        "700 MB: thread pidfd after {noticed:?}, state {}, socket closed after {closed:?}",
        state.state
    );
    assert!(noticed < Duration::from_millis(100) && closed > noticed);
    child.wait().unwrap();
    assert_eq!(watch.state().unwrap(), ProcessState::GONE);
    assert!(ProcessWatch::open(child.id()).is_err());
}

#[test]
fn a_stopped_redis_is_stopped_and_not_dying() {
    let (mut child, _socket) = redis(0);
    let watch = ProcessWatch::open(child.id()).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    wait_for("the stop", || watch.state().unwrap().state == 'T');
    let state = watch.state().unwrap();
    assert!(!state.exiting);
    let again = watch.state().unwrap();
    assert_eq!(again.cpu_ticks, state.cpu_ticks);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    wait_for("its return", || watch.state().unwrap().state != 'T');
    child.kill().unwrap();
    child.wait().unwrap();
}
