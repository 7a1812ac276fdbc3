//! Private network namespaces for tests: two machines joined by a cable.
//!
//! A namespace belongs to a thread: the test's own thread becomes "left", and `Right::run` starts
//! a thread in "right". Needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN); without it a test fails.
#![allow(dead_code, clippy::print_stdout)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

/// The other machine.
pub(crate) struct Right {
    namespace: File,
}

impl Right {
    /// Runs `work` on a thread of the other machine and waits for its result.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(|| self.enter(work)).join().unwrap())
    }

    /// Runs `work` on a thread of the other machine, not waiting for it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let right = Right { namespace: self.namespace.try_clone().unwrap() };
        std::thread::spawn(move || right.enter(work))
    }

    /// A path that names the other machine, for `ip link set ... netns`.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }

    fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    }
}

/// Moves the calling thread into a fresh, empty network namespace with `lo` up.
pub(crate) fn enter_namespace() {
    unshare(CloneFlags::CLONE_NEWNET)
        .expect("this test needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): run it with sudo");
    sh("ip link set lo up");
}

/// A cable: `left0` here (10.9.0.1/24, fd09::1/64), `right0` there (10.9.0.2/24, fd09::2/64).
pub(crate) fn pair() -> Right {
    enter_namespace();
    let namespace = std::thread::spawn(|| {
        enter_namespace();
        File::open("/proc/thread-self/ns/net").unwrap()
    })
    .join()
    .unwrap();
    let right = Right { namespace };
    let path = right.path();
    sh(&format!("ip link add left0 type veth peer name right0 && ip link set right0 netns {path}"));
    sh("ip addr add 10.9.0.1/24 dev left0 && ip addr add fd09::1/64 dev left0 nodad
        ip link set left0 addrgenmode none && ip link set left0 up
        ip addr add fe80::1/64 dev left0 nodad");
    right.run(|| {
        sh("ip addr add 10.9.0.2/24 dev right0 && ip addr add fd09::2/64 dev right0 nodad
            ip link set right0 addrgenmode none && ip link set right0 up
            ip addr add fe80::2/64 dev right0 nodad");
    });
    wait_for("the cable", || sh("ip -o link show left0").contains("LOWER_UP"));
    right
}

/// Runs a shell command on the calling thread's machine; panics when it fails.
pub(crate) fn sh(command: &str) -> String {
    let out = Command::new("sh").arg("-ec").arg(command).output().unwrap();
    assert!(
        out.status.success(),
        "{command}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Polls a condition for at most five seconds.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(5), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The index of an interface of the calling thread's machine.
pub(crate) fn index_of(name: &str) -> u32 {
    sh(&format!("ip -o link show {name}")).split(':').next().unwrap().trim().parse().unwrap()
}

/// Prints p50, p99 and maximum of some durations in microseconds.
pub(crate) fn report(what: &str, mut samples: Vec<Duration>) {
    samples.sort();
    let at = |q: usize| samples[(samples.len() - 1) * q / 100].as_nanos() as f64 / 1000.0;
    println!(
        "{what}: n {} p50 {:.1} us p99 {:.1} us max {:.1} us",
        samples.len(),
        at(50),
        at(99),
        at(100)
    );
}
