//! Blocking signals and waiting for them, those with numbers of their own included.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// A set of signals.
pub(crate) struct Set(libc::sigset_t);

impl Set {
    /// The signals of these numbers.
    pub(crate) fn of(signals: &[i32]) -> io::Result<Set> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `set` has room for a set, which the call writes whole and does not keep.
        super::check(unsafe { libc::sigemptyset(set.as_mut_ptr()) })?;
        // SAFETY: the call above has written it.
        let mut set = unsafe { set.assume_init() };
        for signal in signals {
            // SAFETY: `set` is a set, and lives across the call; a wrong number earns an errno.
            super::check(unsafe { libc::sigaddset(&raw mut set, *signal) })?;
        }
        Ok(Set(set))
    }

    /// Blocks them for the calling thread, and for those it starts.
    pub(crate) fn block(&self) -> io::Result<()> {
        // SAFETY: the set lives across the call, which only reads it; nobody wants the old mask.
        match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const self.0, ptr::null_mut()) }
        {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Waits for one of them; its number.
    pub(crate) fn wait(&self) -> io::Result<i32> {
        let mut signal = 0;
        // SAFETY: the set and the number live across the call, which reads one and writes the other.
        match unsafe { libc::sigwait(&raw const self.0, &raw mut signal) } {
            0 => Ok(signal),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}
