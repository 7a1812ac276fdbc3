//! One supervised process of a host: start, signal, and restart after a while, as systemd would.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::journal::{Journal, Source};
use crate::locked;
use crate::namespace::Namespace;

/// What the supervisor does when the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Nothing.
    Never,
    /// Starts it again after this time.
    After(Duration),
}

/// Makes the command, and whatever files it reads, anew for every start.
pub type Build = Box<dyn Fn() -> Result<Command> + Send + Sync>;
/// Called for every line of the process's standard error.
pub type OnLine = Arc<dyn Fn(String) + Send + Sync>;
/// The namespaces the next start happens in; a power cycle puts new ones here.
pub type Slot = Arc<Mutex<Arc<Namespace>>>;

struct State {
    pid: Option<Pid>,
    restart: Restart,
    /// Changes with every start and every stop, so that a pending restart knows it is outdated.
    generation: u64,
}

struct Inner {
    name: String,
    slot: Slot,
    build: Build,
    on_line: Option<OnLine>,
    journal: Journal,
    state: Mutex<State>,
    changed: Condvar,
}

/// A process under supervision. Dropping it kills the process.
pub struct Unit(Arc<Inner>);

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Unit {
    /// A unit that is not started yet.
    #[must_use]
    pub fn new(
        name: String,
        slot: Slot,
        journal: Journal,
        build: Build,
        on_line: Option<OnLine>,
    ) -> Self {
        let state = State { pid: None, restart: Restart::Never, generation: 0 };
        Self(Arc::new(Inner {
            name,
            slot,
            build,
            on_line,
            journal,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))
    }

    /// Starts the process.
    ///
    /// # Errors
    /// Where it runs already or cannot be started.
    pub fn start(&self) -> Result<()> {
        let mut state = locked(&self.0.state);
        if state.pid.is_some() {
            bail!("{} runs already", self.0.name);
        }
        start(&self.0, &mut state)
    }

    /// Says what is to happen when the process ends.
    pub fn restart(&self, restart: Restart) {
        locked(&self.0.state).restart = restart;
    }

    /// Sends a signal; `false` where no process runs.
    #[must_use]
    pub fn signal(&self, signal: Signal) -> bool {
        // The process is reaped under this lock only, so the number is still its own.
        let state = locked(&self.0.state);
        state.pid.is_some_and(|pid| kill(pid, signal).is_ok())
    }

    /// The number of the running process.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        locked(&self.0.state).pid.map(Pid::as_raw)
    }

    /// Kills the process, if any, without waiting, and cancels every restart.
    pub fn kill(&self) {
        let mut state = locked(&self.0.state);
        state.restart = Restart::Never;
        state.generation += 1;
        if let Some(pid) = state.pid {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    /// Waits until the process has ended and is reaped.
    ///
    /// # Errors
    /// After `limit`.
    pub fn wait_gone(&self, limit: Duration) -> Result<()> {
        let state = locked(&self.0.state);
        let gone = self.0.changed.wait_timeout_while(state, limit, |s| s.pid.is_some());
        match gone {
            Ok((state, _)) if state.pid.is_none() => Ok(()),
            _ => bail!("{} did not end within {limit:?}", self.0.name),
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.kill();
        let _ = self.wait_gone(Duration::from_secs(5));
    }
}

fn start(inner: &Arc<Inner>, state: &mut State) -> Result<()> {
    let command = (inner.build)().with_context(|| format!("prepare {}", inner.name))?;
    let namespace = Arc::clone(&locked(&inner.slot));
    let mut child = namespace.spawn(command)?;
    if let (Some(stderr), Some(on_line)) = (child.stderr.take(), inner.on_line.clone()) {
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n') {
                let Ok(line) = line else { break };
                on_line(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
        });
    }
    state.pid = Some(Pid::from_raw(child.id().cast_signed()));
    state.generation += 1;
    let inner = Arc::clone(inner);
    thread::Builder::new().name("supervisor".to_owned()).spawn(move || watch(&inner, child))?;
    Ok(())
}

fn watch(inner: &Arc<Inner>, mut child: Child) {
    let pid = Pid::from_raw(child.id().cast_signed());
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let at = Instant::now();
    let mut state = locked(&inner.state);
    let how = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
    state.pid = None;
    let (restart, generation) = (state.restart, state.generation);
    inner.changed.notify_all();
    drop(state);
    inner.journal.note_at(at, Source::Lab, format!("{} ended ({how})", inner.name));

    let Restart::After(delay) = restart else {
        return;
    };
    thread::sleep(delay.saturating_sub(at.elapsed()));
    let mut state = locked(&inner.state);
    if state.generation != generation || state.pid.is_some() {
        return;
    }
    match start(inner, &mut state) {
        Ok(()) => inner.journal.note(Source::Lab, format!("{} restarted", inner.name)),
        Err(e) => inner.journal.note(Source::Lab, format!("{} not restarted: {e:#}", inner.name)),
    }
}
