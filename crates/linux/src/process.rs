//! Watches a process for its end, and looks at its state.
//!
//! The kernel frees a dying process's memory before it closes its files: a Redis with gigabytes
//! resident is dead for hundreds of milliseconds before its sockets, and the pidfd of its leader,
//! say so. Its other threads end at once, and a pidfd of such a thread (`PIDFD_THREAD`, Linux 6.9
//! and later) says so within 0.2 ms. A thread may also end while its process lives: look at it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// `PIDFD_THREAD`, which is `O_EXCL`: the descriptor stands for a thread, not for its process.
const PIDFD_THREAD: u32 = libc::O_EXCL as u32;
/// `PF_EXITING`, `PF_SIGNALED` (a fatal signal has been taken) and `PF_DUMPCORE` in the ninth field
/// of `/proc/PID/stat` (include/linux/sched.h).
const PF_ENDING: u64 = 0x4 | 0x400 | 0x200;
/// SIGKILL among the pending signals, the thirty-first field. When a process is killed, its small
/// threads can be gone before the first one has so much as looked at its signal: by `PF_EXITING`
/// alone, one look in five at a killed Redis of 700 MB found it alive.
const SIGKILL_PENDING: u64 = 1 << (libc::SIGKILL - 1);
/// A Redis has about ten threads; a process with very many is watched by some of them.
const THREADS_MAX: usize = 32;

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcessState {
    /// R, S, D, T, t, Z; X when the process is gone.
    pub state: char,
    /// It is about to exit, dumps core, or exits; its sockets may be open for long yet.
    pub exiting: bool,
    /// User and system time used so far, in clock ticks.
    pub cpu_ticks: u64,
    /// When it started, in clock ticks since boot: tells a process from a later one of its number.
    pub start_ticks: u64,
}

impl ProcessState {
    /// There is no such process.
    pub const GONE: ProcessState =
        ProcessState { state: 'X', exiting: true, cpu_ticks: 0, start_ticks: 0 };

    /// Reads the text of `/proc/PID/stat`. The second field, the name, may hold anything, spaces
    /// and parentheses too; the last closing one ends it.
    pub fn parse(text: &str) -> Option<ProcessState> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // Fields count from 1 in proc(5); `fields` now stands before the fourth.
        let mut field = |number: usize, from: &mut usize| {
            let value = fields.nth(number - *from)?.parse::<u64>().ok();
            *from = number + 1;
            value
        };
        let mut from = 4;
        let flags = field(9, &mut from)?;
        let utime = field(14, &mut from)?;
        let stime = field(15, &mut from)?;
        let start_ticks = field(22, &mut from)?;
        let pending = field(31, &mut from).unwrap_or(0);
        Some(ProcessState {
            state,
            exiting: flags & PF_ENDING != 0
                || pending & SIGKILL_PENDING != 0
                || matches!(state, 'Z' | 'X'),
            cpu_ticks: utime.saturating_add(stime),
            start_ticks,
        })
    }
}

/// The descriptors that become readable when the process or one of its threads ends.
#[derive(Debug)]
pub struct ProcessWatch {
    pid: Pid,
    start_ticks: u64,
    leader: OwnedFd,
    threads: Vec<OwnedFd>,
}

impl ProcessWatch {
    /// Watches the process.
    ///
    /// # Errors
    /// When there is none, or it is not visible from here (another pid namespace).
    pub fn open(pid: u32) -> io::Result<ProcessWatch> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = number.ok_or(io::ErrorKind::InvalidInput)?;
        let leader = pidfd_open(pid, PidfdFlags::empty())?;
        let start_ticks = read_state(pid)?.start_ticks;
        let mut watch = ProcessWatch { pid, start_ticks, leader, threads: Vec::new() };
        watch.add_threads()?;
        Ok(watch)
    }

    /// The name of the process (`comm`). INFO names the process by a number that means another one
    /// when Redis lives in a container.
    pub fn name(&self) -> Option<String> {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid.as_raw_nonzero())).ok()?;
        Some(name.trim_end().to_owned())
    }

    /// To wait on.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.leader.as_fd()).chain(self.threads.iter().map(AsFd::as_fd))
    }

    /// Looks at the process now. A later process of the same number is not it.
    ///
    /// # Errors
    /// When `/proc` can't be read for another reason than that the process is gone.
    pub fn state(&self) -> io::Result<ProcessState> {
        let state = self.look()?;
        if !state.exiting && self.threads.iter().any(is_readable) {
            // A thread has ended, perhaps alone. But the first thread takes its fatal signal under
            // a lock that this look had to wait for, and marks itself just after: one look in
            // thirty came in between. The second is behind it.
            return self.look();
        }
        Ok(state)
    }

    fn look(&self) -> io::Result<ProcessState> {
        match read_state(self.pid) {
            Ok(state) if state.start_ticks == self.start_ticks => Ok(state),
            Ok(_) => Ok(ProcessState::GONE),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ProcessState::GONE),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(ProcessState::GONE),
            Err(error) => Err(error),
        }
    }

    /// Forgets threads that have ended and watches those that have begun, so that a thread that
    /// ended does not go on ringing.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn refresh(&mut self) -> io::Result<()> {
        let before = self.threads.len();
        self.threads.retain(|thread| !is_readable(thread));
        if self.threads.len() < before {
            self.threads.clear();
            self.add_threads()?;
        }
        Ok(())
    }

    fn add_threads(&mut self) -> io::Result<()> {
        let leader = self.pid.as_raw_nonzero().get();
        for entry in fs::read_dir(format!("/proc/{leader}/task"))? {
            let name = entry?.file_name();
            let Some(tid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if tid == leader || self.threads.len() >= THREADS_MAX {
                continue;
            }
            let Some(tid) = Pid::from_raw(tid) else { continue };
            match pidfd_open(tid, PidfdFlags::from_bits_retain(PIDFD_THREAD)) {
                Ok(fd) => self.threads.push(fd),
                // Ended meanwhile.
                Err(rustix::io::Errno::SRCH) => {}
                // Before Linux 6.9: the leader's descriptor and the connection must do.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn read_state(pid: Pid) -> io::Result<ProcessState> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let bytes = fs::read(path)?;
    ProcessState::parse(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn is_readable(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests;
