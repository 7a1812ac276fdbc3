//! Signals, as one thread waits for them, those that keepalived gives meanings of its own included.

use std::io;

use crate::sys::signals::Set;

/// What somebody outside wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGTERM or SIGINT: end.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: dump the state.
    Data,
    /// SIGUSR2: dump the counters.
    Stats,
    /// SIGRTMIN+2: dump the state as JSON.
    Json,
    /// SIGRTMAX-1: set the counters to zero.
    ClearStats,
}

/// The signals of [`Signal`], blocked for this thread and for those that it starts.
pub struct Signals {
    set: Set,
}

impl Signals {
    /// Blocks them. To be called before any thread is started, or they are taken there.
    ///
    /// # Errors
    /// None known.
    pub fn block() -> io::Result<Signals> {
        let numbers: Vec<i32> = numbers().map(|(number, _)| number).collect();
        let set = Set::of(&numbers)?;
        set.block()?;
        Ok(Signals { set })
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// None known.
    pub fn wait(&self) -> io::Result<Signal> {
        let number = self.set.wait()?;
        let signal = numbers().find(|(known, _)| *known == number).map(|(_, signal)| signal);
        signal.ok_or_else(|| io::Error::other("a signal that nobody waits for"))
    }
}

fn numbers() -> impl Iterator<Item = (i32, Signal)> {
    let all = [
        (libc::SIGTERM, Signal::Stop),
        (libc::SIGINT, Signal::Stop),
        (libc::SIGHUP, Signal::Reload),
        (libc::SIGUSR1, Signal::Data),
        (libc::SIGUSR2, Signal::Stats),
        (libc::SIGRTMIN() + 2, Signal::Json),
        (libc::SIGRTMAX() - 1, Signal::ClearStats),
    ];
    all.into_iter()
}
