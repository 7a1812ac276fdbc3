//! From a `keepalived.conf` to a running router, and what signals ask of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use keepair_core::event::Level;
use keepair_core::router::event::{Event, State};
use keepair_core::router::input::Operator;
use keepair_linux::realtime::{self, Wake};
use keepair_linux::router::bounded;
use keepair_linux::router::log::{Line, Log};
use keepair_linux::router::reactor::{Mailbox, Parts, Reactor};
use keepair_linux::router::world::World;
use keepair_linux::signals::{Signal, Signals};

use super::control::{Control, Current};
use super::dump::{self, Files};
use super::setup::setup;
use crate::check::{self, Configuration, Router};
use crate::operate::warn;
use crate::{control, notes, store};

/// Real-time priority of the thread that sends adverts, unless `vrrp_rt_priority` says: above ordinary
/// programs, below the kernel's own threads (50).
const PRIORITY: u8 = 40;

/// The end of the log.
const LAST_LINE: &str = "the daemon ends";
/// How long the log may take to be written at the end.
const LOG_TIMEOUT: Duration = Duration::from_secs(1);

/// How to run.
pub(crate) struct Options<'a> {
    /// The file, to be read again.
    pub(crate) file: &'a Path,
    /// What `@ID` is compared with.
    pub(crate) config_id: Option<&'a str>,
    /// Where the control socket is.
    pub(crate) run_dir: &'a Path,
    /// A file for the number of the process.
    pub(crate) pid_file: Option<&'a Path>,
    /// The addresses stay when the daemon ends.
    pub(crate) keep_addresses: bool,
}

/// What the main thread waits for.
enum Happening {
    Signal(Signal),
    /// The real-time thread is at its end, in whatever way.
    Ended,
}

/// Tells the main thread when the real-time thread ends.
struct EndBell(Sender<Happening>);

impl Drop for EndBell {
    fn drop(&mut self) {
        let _ = self.0.send(Happening::Ended);
    }
}

/// Removes the file when the program ends.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> anyhow::Result<PidFile> {
        std::fs::write(path, format!("{}\n", std::process::id()))
            .with_context(|| format!("pid file {}", path.display()))?;
        Ok(PidFile(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs until a signal asks for the end.
///
/// # Errors
/// When the machine does not allow what is needed, or the real-time thread breaks.
pub(crate) fn run(router: Router, options: &Options<'_>) -> anyhow::Result<()> {
    let _lock = store::lock(options.run_dir)?;
    let current = current(&router, options)?;
    // Every thread inherits the mask: signals are one thread's alone.
    let signals = Signals::block()?;
    let (log, lines) = Log::new();
    let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let (wrote_all, all_written) = sync_channel(1);
    spawn("log").spawn(move || {
        write_log(&lines);
        let _ = wrote_all.send(());
    })?;
    if let Some(startup) = &current.setup.startup {
        bounded::run("startup_script", startup, &current.setup, &log);
    }
    let (listener, _socket) = control::open(options.run_dir, None)?;
    let _pid_file = options.pid_file.map(PidFile::write).transpose()?;

    let (sender, requests) = sync_channel(64);
    let wake = Arc::new(Wake::new()?);
    let mailbox = Mailbox::new(sender, wake.clone());
    let rounds = Arc::new(AtomicU64::new(0));
    let world = World::open(current.setup.as_ref().clone(), log.clone())?;
    let reactor = Reactor::open(Parts {
        config: current.config.as_ref().clone(),
        setup: current.setup.as_ref().clone(),
        outside: Box::new(world),
        wake,
        requests,
        rounds: rounds.clone(),
    })?;
    let control = Control::new(mailbox, current);
    let priority = router.file.globals.rt_priority.as_ref().map_or(PRIORITY, |it| it.value);
    let (happened, happenings) = channel();
    let bell = EndBell(happened.clone());
    let reacting = spawn("vrrp").spawn(move || {
        let _bell = bell;
        if let Err(error) = realtime::lock_memory() {
            warn(&format!(
                "keepair: warning: memory is not locked ({error}); adverts may be late\n"
            ));
        }
        if let Err(error) = realtime::make_realtime(priority.into()) {
            warn(&format!(
                "keepair: warning: no real-time priority ({error}); adverts may be late\n"
            ));
        }
        reactor.run()
    })?;
    spawn("service-manager").spawn(move || notes::vouch(&rounds))?;
    let served = control.clone();
    spawn("control-accept").spawn(move || control::serve(&listener, &served))?;
    spawn("signals").spawn(move || {
        while let Ok(signal) = signals.wait() {
            if happened.send(Happening::Signal(signal)).is_err() {
                return;
            }
        }
    })?;

    serve(&happenings, &control, options);
    let result = reacting.join();
    let setup = control.setup();
    if let Some(shutdown) = &setup.shutdown {
        bounded::run("shutdown_script", shutdown, &setup, &log);
    }
    log.notice(LAST_LINE);
    // A log that nobody takes is no reason to stay.
    let _ = all_written.recv_timeout(LOG_TIMEOUT);
    match result {
        Ok(result) => result.context("the main loop ended"),
        Err(_) => bail!("the main loop broke; addresses may be left behind"),
    }
}

/// Does what signals ask, until the real-time thread is at its end.
fn serve(happenings: &Receiver<Happening>, control: &Control, options: &Options<'_>) {
    while let Ok(Happening::Signal(signal)) = happenings.recv() {
        let operate = |operator| {
            if let Err(error) = control.operate(operator) {
                warn(&format!("keepair: {error:#}\n"));
            }
        };
        match signal {
            Signal::Stop => {
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
                operate(Operator::Stop);
            }
            Signal::Reload => {
                let result = reload(control, options);
                if let Err(error) = result {
                    warn(&format!(
                        "keepair: not reloaded, the running configuration stays: {error:#}\n"
                    ));
                }
            }
            Signal::Data => control.dump(|dump, _| dump::data(dump), |files| &files.data),
            Signal::Stats => control.dump(|dump, _| dump::stats(dump), |files| &files.stats),
            Signal::Json => control.dump(dump::json, |files| &files.json),
            Signal::ClearStats => operate(Operator::ClearCounters),
        }
    }
}

/// Reads everything first; what is refused changes nothing.
fn reload(control: &Control, options: &Options<'_>) -> anyhow::Result<()> {
    match check::read(options.file, options.config_id)? {
        Configuration::Router(router) => control.reload(current(&router, options)?),
        Configuration::Pair(_) => {
            bail!("{} describes a Redis pair now; restart keepair", options.file.display())
        }
    }
}

fn current(router: &Router, options: &Options<'_>) -> anyhow::Result<Current> {
    let mut setup = setup(&router.file, &router.config)?;
    setup.network.keep_on_exit = options.keep_addresses;
    Ok(Current {
        config: Arc::new(router.config.clone()),
        setup: Arc::new(setup),
        files: Files::of(&router.file.globals),
    })
}

/// Writes lines until the last one, and tells the service manager the last change.
fn write_log(lines: &Receiver<Line>) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    while let Ok(line) = lines.recv() {
        let (priority, word) = match line.level {
            Level::Warning => (4, "warning"),
            Level::Notice => (5, "notice"),
        };
        if journal {
            warn(&format!("<{priority}>{}\n", line.text));
        } else {
            let time = humantime::format_rfc3339_micros(SystemTime::now());
            warn(&format!("{time} {word} {}\n", line.text));
        }
        if line.event.is_none() && line.text == LAST_LINE {
            return;
        }
        if let Some(Event::StateChanged { to, .. }) = line.event
            && to != State::Initialize
        {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Status(&line.text)]);
        }
    }
}
