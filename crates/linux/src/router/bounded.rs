//! Scripts that the daemon waits for: `startup_script` before its work begins, `shutdown_script` after
//! it has ended.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use keepair_core::router::input::Ended;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::child::{Child, Nursery};
use super::log::Log;
use super::output::{Allowance, Lines, said};
use super::scripts::words_for;
use super::security;
use super::setup::{Bounded, Program, Setup, Word};

/// Between SIGTERM and SIGKILL, and after that.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the script and waits for its end. One that takes too long is ended. Whatever becomes of it, the
/// daemon goes on; the log says what did. Not for the real-time thread.
pub fn run(what: &str, script: &Bounded, setup: &Setup, log: &Log) {
    match wait(what, script, setup, log) {
        Ok(Ended::Exited(0)) => log.notice(format!("{what} is done")),
        Ok(ended) => log.warning(format!("{what} {}", words_for(&ended))),
        Err(error) => log.warning(format!("{what} not started: {error}")),
    }
}

fn wait(what: &str, script: &Bounded, setup: &Setup, log: &Log) -> io::Result<Ended> {
    let Program::Execute { path, arguments } = &script.command.program else {
        return Err(io::Error::other("it is no program"));
    };
    let run_as = &script.command.run_as;
    if setup.script_security {
        security::check(path, run_as)?;
    }
    let words: Vec<&str> = arguments.iter().map(Word::expose).collect();
    let mut child = Nursery::new(setup.umask)?.start(path, &words, run_as)?;
    let mut output = child.take_output();
    let mut lines = Lines::new(arguments);
    let mut allowance = Allowance::default();
    let began = Instant::now();
    let steps = [
        (script.timeout, Some(Signal::TERM)),
        (script.timeout + GRACE, Some(Signal::KILL)),
        (script.timeout + GRACE + GRACE, None),
    ];
    let mut steps = steps.into_iter().peekable();
    loop {
        read(&mut output, &mut lines, |line| {
            if let Some(line) = said(&line, &mut allowance, None, Instant::now()) {
                log.notice(format!("{what}: {line}"));
            }
        });
        if let Some(ended) = child.ended()? {
            return Ok(ended);
        }
        let Some((after, signal)) = steps.peek().copied() else {
            return Err(io::Error::other("it can't be ended"));
        };
        let left = (began + after).saturating_duration_since(Instant::now());
        if left.is_zero() {
            steps.next();
            if let Some(signal) = signal {
                log.warning(format!("{what} takes too long"));
                child.signal(signal);
            }
            continue;
        }
        rest(&child, output.as_ref(), left)?;
    }
}

/// Until something happens, or for so long.
fn rest(child: &Child, output: Option<&OwnedFd>, left: Duration) -> io::Result<()> {
    let mut fds: Vec<PollFd<'_>> = [child.watch()]
        .into_iter()
        .chain(output.map(AsFd::as_fd))
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn read(output: &mut Option<OwnedFd>, lines: &mut Lines, mut each: impl FnMut(String)) {
    let Some(fd) = output else { return };
    let mut bytes = [0; 4096];
    let mut found = Vec::new();
    match rustix::io::read(&*fd, &mut bytes) {
        Ok(0) => {
            found.extend(lines.end());
            *output = None;
        }
        Ok(count) => lines.take(bytes.get(..count).unwrap_or(&[]), &mut found),
        Err(_) => {}
    }
    found.into_iter().for_each(&mut each);
}
