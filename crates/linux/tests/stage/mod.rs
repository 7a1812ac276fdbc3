//! A router's world with real children, for tests: a folder of its own, scripts written on the spot,
//! and what comes back.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use keepair_core::router::Input;
use keepair_core::router::config::ScriptId;
use keepair_core::router::input::Ended;
use keepair_linux::router::log::{Line, Log};
use keepair_linux::router::network_setup::NetworkSetup;
use keepair_linux::router::outside::Outside;
use keepair_linux::router::setup::{Command, Program, RunAs, ScriptSetup, Setup, Word};
use keepair_linux::router::world::World;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Nothing here takes longer than this, on however slow a machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that anybody may read and write, removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/tmp/keepair-stage-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A script; its folder is `$D`.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let text = format!("#!/bin/sh\nD={}\n{text}\n", self.0.display());
        self.file(name, &text, 0o755)
    }

    pub(crate) fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn command(path: &str, arguments: &[&str]) -> Command {
    let arguments = arguments.iter().map(|word| Word::new((*word).to_owned())).collect();
    Command { program: Program::Execute { path: path.to_owned(), arguments }, run_as: myself() }
}

pub(crate) fn myself() -> RunAs {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    RunAs { uid: uid.as_raw(), gid: gid.as_raw(), supplementary: Vec::new() }
}

pub(crate) const NOBODY: RunAs = RunAs { uid: 65534, gid: 65534, supplementary: Vec::new() };

pub(crate) fn empty() -> Setup {
    Setup::empty(NetworkSetup::default())
}

/// A setup of checks, by name.
pub(crate) fn checks(commands: &[(&str, Command)]) -> Setup {
    let check = |(name, command): &(&str, Command)| ScriptSetup {
        name: (*name).to_owned(),
        command: command.clone(),
    };
    Setup { scripts: commands.iter().map(check).collect(), ..empty() }
}

/// The world, as the real-time thread has it.
pub(crate) struct Stage {
    pub(crate) world: World,
    lines: Receiver<Line>,
    log: String,
    inputs: VecDeque<Input>,
}

impl Stage {
    pub(crate) fn open(setup: Setup) -> Stage {
        let (log, lines) = Log::new();
        let mut world = World::open(setup, log).unwrap();
        let mut inputs = VecDeque::new();
        world.ready(&mut inputs);
        Stage { world, lines, log: String::new(), inputs }
    }

    /// The next input that fits.
    pub(crate) fn wait<T>(&mut self, what: &str, fits: impl Fn(&Input) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            while let Some(input) = self.inputs.pop_front() {
                if let Some(found) = fits(&input) {
                    return found;
                }
            }
            assert!(began.elapsed() < LIMIT, "waited for {what}; the log: {}", self.log());
            self.rest(Duration::from_millis(100));
        }
    }

    /// Inputs that come in this time.
    pub(crate) fn inputs_for(&mut self, span: Duration) -> Vec<Input> {
        let began = Instant::now();
        while began.elapsed() < span {
            self.rest(span.saturating_sub(began.elapsed()));
        }
        self.inputs.drain(..).collect()
    }

    fn rest(&mut self, span: Duration) {
        let fds = self.world.fds();
        let mut fds: Vec<_> =
            fds.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        poll(&mut fds, Some(&Timespec::try_from(span).unwrap())).unwrap();
        drop(fds);
        self.world.ready(&mut self.inputs);
    }

    pub(crate) fn ended(&mut self, script: usize) -> Ended {
        self.wait("the end of a script", |input| match input {
            Input::ScriptEnded(ScriptId(at), ended) if *at == script => Some(ended.clone()),
            _ => None,
        })
    }

    pub(crate) fn run(&mut self, script: usize) -> Ended {
        self.world.run_script(ScriptId(script));
        self.ended(script)
    }

    /// All that was written into the log.
    pub(crate) fn log(&mut self) -> &str {
        while let Ok(line) = self.lines.try_recv() {
            self.log.push_str(&line.text);
            self.log.push('\n');
        }
        &self.log
    }

    /// Waits until the log has it.
    pub(crate) fn logged(&mut self, text: &str) {
        until(&format!("{text:?} in the log"), || self.log().contains(text));
    }
}

/// Waits until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "waited for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
