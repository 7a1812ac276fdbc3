//! What a thread needs to keep its time: locked memory, real-time priority, a timer, a bell.
//!
//! Each may be refused to an unprivileged program, which then runs without; the caller says so.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, eventfd, poll};
use rustix::mm::MlockAllFlags;
use rustix::process::DumpableBehavior;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// Microseconds of CLOCK_MONOTONIC.
pub fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000)
}

/// Keeps all memory of the program, present and future, from being paged out.
///
/// # Errors
/// Without CAP_IPC_LOCK or a sufficient RLIMIT_MEMLOCK.
pub fn lock_memory() -> io::Result<()> {
    Ok(rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)?)
}

/// Runs the calling thread before all ordinary ones (SCHED_FIFO). Threads and programs it starts
/// are ordinary again (SCHED_RESET_ON_FORK).
///
/// # Errors
/// Without CAP_SYS_NICE or a sufficient RLIMIT_RTPRIO.
pub fn make_realtime(priority: i32) -> io::Result<()> {
    crate::sys::set_fifo(priority)
}

/// Forbids core dumps and tracing by other users' programs: a dump would hold the password.
///
/// # Errors
/// None known.
pub fn forbid_core_dumps() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// A timer on CLOCK_MONOTONIC, set to absolute times.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Timer { fd: timerfd_create(TimerfdClockId::Monotonic, flags)? })
    }

    /// Rings at that time, see [`monotonic_us`]; at once if it has passed.
    ///
    /// # Errors
    /// None known.
    pub fn set(&self, at_us: u64) -> io::Result<()> {
        // Zero would disarm it, and what is past `i64` is never.
        let at_us = at_us.clamp(1, i64::MAX as u64 / 1000);
        let at = Duration::from_micros(at_us);
        let value = Timespec::try_from(at).map_err(io::Error::other)?;
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: never, it_value: value };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Stops the ringing.
    pub fn read(&self) {
        let mut count = [0u8; 8];
        // Nothing to read means that it was set anew meanwhile.
        let _ = rustix::io::read(&self.fd, &mut count);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A bell that any thread may ring to wake the real-time one.
#[derive(Debug)]
pub struct Wake {
    fd: OwnedFd,
}

impl Wake {
    /// A silent bell.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Wake> {
        Ok(Wake { fd: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)? })
    }

    /// Rings. Never waits: a bell that rings already goes on ringing.
    pub fn wake(&self) {
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Stops the ringing.
    pub fn read(&self) {
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&self.fd, &mut count);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Tells when somebody sets the time of day.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    fd: OwnedFd,
}

impl ClockWatch {
    /// # Errors
    /// When the system is out of descriptors.
    pub(crate) fn new() -> io::Result<ClockWatch> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let watch = ClockWatch { fd: timerfd_create(TimerfdClockId::Realtime, flags)? };
        watch.arm()?;
        Ok(watch)
    }

    /// The time of day was set: it is this now, since the Unix epoch.
    ///
    /// # Errors
    /// None known.
    pub(crate) fn read(&self) -> io::Result<Duration> {
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&self.fd, &mut count);
        self.arm()?;
        Ok(unix())
    }

    /// A timer that never comes due, and rings if the clock is set nevertheless.
    fn arm(&self) -> io::Result<()> {
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        let never = Timespec { tv_sec: i64::from(u32::MAX), tv_nsec: 0 };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: zero, it_value: never };
        timerfd_settime(&self.fd, flags, &spec)?;
        Ok(())
    }
}

impl AsFd for ClockWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Time of day since the Unix epoch.
pub(crate) fn unix() -> Duration {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Waits until something is ready, and says what, in the order it was named in.
///
/// # Errors
/// When waiting fails.
pub(crate) fn wait<Source>(waiting: Vec<(Source, PollFd<'_>)>) -> io::Result<Vec<Source>> {
    let (sources, mut fds): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    loop {
        match poll(&mut fds, None) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let ready = sources
        .into_iter()
        .zip(&fds)
        .filter(|(_, fd)| !fd.revents().is_empty())
        .map(|(source, _)| source);
    Ok(ready.collect())
}
