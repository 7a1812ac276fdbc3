//! The thread that starts and reaps children, and tells scripts and pipes. It waits for a program to be
//! loaded, and never for what it does. It must not end before its children do: they get SIGTERM when
//! it does.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use keepair_core::router::Input;
use keepair_core::router::action::{Notice, Subject, What};
use keepair_core::router::config::{InstanceId, ScriptId};
use keepair_core::router::input::Ended;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::child::{Child, Nursery};
use super::connect;
use super::log::Log;
use super::mail::Mailer;
use super::notify::{self, Chain, Told, WAIT, WAIT_AT_STOP};
use super::output::{Allowance, Lines, Memory, said};
use super::pipes::Pipes;
use super::security;
use super::setup::{Command, Program, Setup, Word};
use super::world::Answers;
use crate::realtime::Wake;

/// Of each output, before the others have their turn.
const READ_BYTES: usize = 16 * 1024;
/// Outputs that processes may keep open whose script has ended.
const ORPHANS_MAX: usize = 256;
/// What is left when everything was told to end has this long.
const GRACE: Duration = Duration::from_secs(1);
/// Connections that are tried for one check, of which all but the last were given up.
const CONNECTS_MAX: usize = 4;
/// Between two looks at what has no descriptor, while the thread comes to its end.
const LOOK: Duration = Duration::from_millis(10);
/// glibc's resolver needs some.
const STACK_BYTES: usize = 256 * 1024;

/// What the thread is asked for.
pub(crate) enum Job {
    /// Run a check.
    Run(ScriptId),
    /// Signal its process group.
    End {
        /// Which.
        script: ScriptId,
        /// SIGKILL instead of SIGTERM.
        kill: bool,
    },
    /// Tell scripts, pipes and mailboxes.
    Notify(Notice),
    /// Another setup holds from now on.
    Adopt {
        /// For each of its scripts, which one it was before.
        scripts: Vec<Option<ScriptId>>,
        /// For each of its instances, which one it was before.
        instances: Vec<Option<InstanceId>>,
        /// It.
        setup: Box<Setup>,
    },
    /// Come to an end, and say so.
    Stop(SyncSender<()>),
}

/// What is asked for, and by which bell.
pub(crate) struct Inbox {
    /// The jobs.
    pub(crate) jobs: Receiver<Job>,
    /// Rings when there are some.
    pub(crate) bell: Arc<Wake>,
}

/// A kind of script of a subject. Those of one kind come one after the other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Kind {
    is_group: bool,
    name: String,
    /// `notify`, and not one for a single state.
    is_generic: bool,
}

/// A script that is to be told something.
struct Planned {
    command: Command,
    words: Vec<String>,
    speaker: String,
}

/// Why a child was started.
enum Purpose {
    /// A run of a check; `None` if nobody wants to know any more.
    Check(Option<ScriptId>),
    /// Somebody is told something.
    Told(Kind),
    /// The reader of a pipe.
    Reader,
}

struct Running {
    purpose: Purpose,
    speaker: String,
    child: Child,
}

/// A connection that is tried.
struct Connecting {
    number: u64,
    /// `None` when it has been answered for.
    script: Option<ScriptId>,
    /// Whose it is, answered for or not.
    of: Option<ScriptId>,
}

/// What became of one, by its number.
type Connected = (u64, Ended);

/// What comes out of a child, and of others that it has left behind.
struct Output {
    fd: OwnedFd,
    lines: Lines,
    speaker: String,
    is_check: bool,
}

/// The thread's state.
pub(crate) struct Scripts {
    setup: Setup,
    inbox: Inbox,
    answers: Answers,
    log: Log,
    mailer: Mailer,
    nursery: Nursery,
    running: Vec<Running>,
    outputs: Vec<Output>,
    speakers: BTreeMap<String, (Allowance, Memory)>,
    chains: BTreeMap<Kind, Chain<Planned>>,
    pipes: Pipes,
    connects: Vec<Connecting>,
    connected: (Sender<Connected>, Receiver<Connected>),
    connect_number: u64,
    stopping: Option<Stopping>,
}

/// How far the end has come.
struct Stopping {
    done: SyncSender<()>,
    /// Scripts may run until then.
    scripts_until: Instant,
    /// Everything was told to end, and is killed then.
    kill_at: Option<Instant>,
}

impl Scripts {
    /// Opens the pipes and starts what reads them.
    ///
    /// # Errors
    /// Without `/dev/null`.
    pub(crate) fn new(
        setup: Setup,
        inbox: Inbox,
        answers: Answers,
        log: Log,
        mailer: Mailer,
    ) -> io::Result<Scripts> {
        Ok(Scripts {
            nursery: Nursery::new(setup.umask)?,
            pipes: Pipes::open(&setup.fifos, &log),
            setup,
            inbox,
            answers,
            log,
            mailer,
            running: Vec::new(),
            outputs: Vec::new(),
            speakers: BTreeMap::new(),
            chains: BTreeMap::new(),
            connects: Vec::new(),
            connected: std::sync::mpsc::channel(),
            connect_number: 0,
            stopping: None,
        })
    }

    /// Works until it is told to stop, or nobody is left who could.
    pub(crate) fn work(mut self) {
        self.start_readers();
        loop {
            if let Err(error) = self.wait() {
                self.log.warning(format!("scripts can't be waited for: {error}"));
                thread::sleep(LOOK);
            }
            self.inbox.bell.read();
            if !self.take_jobs() {
                self.pipes.remove();
                return;
            }
            while let Ok((number, ended)) = self.connected.1.try_recv() {
                self.connect_ended(number, ended);
            }
            self.read_outputs();
            self.reap();
            self.start_waiting();
            if self.is_over() {
                return;
            }
        }
    }

    fn wait(&self) -> io::Result<()> {
        let now = Instant::now();
        let deadlines = self.chains.values().filter_map(Chain::deadline);
        let deadline = deadlines.chain(self.stopping.is_some().then(|| now + LOOK)).min();
        let timeout = deadline
            .map(|at| Timespec::try_from(at.saturating_duration_since(now)))
            .transpose()
            .map_err(io::Error::other)?;
        let bell: BorrowedFd<'_> = (*self.inbox.bell).as_fd();
        let mut fds: Vec<PollFd<'_>> = [bell]
            .into_iter()
            .chain(self.running.iter().map(|running| running.child.watch()))
            .chain(self.outputs.iter().map(|output| output.fd.as_fd()))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// False when nobody is left to ask for anything.
    fn take_jobs(&mut self) -> bool {
        loop {
            match self.inbox.jobs.try_recv() {
                Ok(job) => self.perform(job),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return self.stopping.is_some(),
            }
        }
    }

    fn perform(&mut self, job: Job) {
        match job {
            Job::Run(script) => self.run(script),
            Job::End { script, kill } => self.end(script, kill),
            Job::Notify(notice) => self.tell(notice),
            Job::Adopt { scripts, instances, setup } => {
                self.adopt(&scripts, &instances, *setup);
            }
            Job::Stop(done) => {
                for running in &self.running {
                    if let Purpose::Check(_) = running.purpose {
                        running.child.signal(Signal::TERM);
                    }
                }
                let scripts_until = Instant::now() + self.setup.child_wait;
                self.stopping = Some(Stopping { done, scripts_until, kill_at: None });
            }
        }
    }

    fn run(&mut self, script: ScriptId) {
        let is_same =
            |purpose: &Purpose| matches!(purpose, Purpose::Check(id) if *id == Some(script));
        if self.running.iter().any(|running| is_same(&running.purpose)) {
            // Never twice at once; the end of the one that runs will be told.
            return;
        }
        let Some(setup) = self.setup.script(script) else { return };
        let (name, command) = (setup.name.clone(), setup.command.clone());
        if let Program::Connect(text) = &command.program
            && let Some((host, port)) = connect::parse(text)
        {
            self.connect(script, host, port);
            return;
        }
        let speaker = format!("script {name}");
        self.speakers.entry(speaker.clone()).or_default().1.turn();
        if let Err(error) = self.start(&command, &[], speaker, Purpose::Check(Some(script))) {
            self.answers.give(Input::ScriptEnded(script, Ended::NotStarted(error.to_string())));
        }
    }

    fn end(&mut self, script: ScriptId, kill: bool) {
        let signal = if kill { Signal::KILL } else { Signal::TERM };
        for running in &self.running {
            if matches!(running.purpose, Purpose::Check(id) if id == Some(script)) {
                running.child.signal(signal);
            }
        }
        for connecting in &mut self.connects {
            if connecting.script == Some(script) {
                connecting.script = None;
                let ended = Ended::Killed(signal.as_raw());
                self.answers.give(Input::ScriptEnded(script, ended));
            }
        }
    }

    /// In a thread, for a name has to be looked up. It can't be ended, and is left alone instead.
    fn connect(&mut self, script: ScriptId, host: &str, port: u16) {
        let of_it = self.connects.iter().filter(|connecting| connecting.of == Some(script));
        if of_it.clone().any(|connecting| connecting.script.is_some()) {
            // Never twice at once; the end of the one that is under way will be told.
            return;
        }
        if of_it.count() >= CONNECTS_MAX {
            let text = "the attempts before it have not ended".to_owned();
            self.answers.give(Input::ScriptEnded(script, Ended::NotStarted(text)));
            return;
        }
        self.connect_number += 1;
        let number = self.connect_number;
        let (host, sender, bell) =
            (host.to_owned(), self.connected.0.clone(), Arc::clone(&self.inbox.bell));
        let started = thread::Builder::new()
            .name("connect".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                // Nobody there means that the daemon has ended.
                let _ = sender.send((number, connect::connect(&host, port)));
                bell.wake();
            });
        match started {
            Ok(_) => {
                let script = Some(script);
                self.connects.push(Connecting { number, script, of: script });
            }
            Err(error) => {
                let ended = Ended::NotStarted(error.to_string());
                self.answers.give(Input::ScriptEnded(script, ended));
            }
        }
    }

    fn connect_ended(&mut self, number: u64, ended: Ended) {
        let Some(at) = self.connects.iter().position(|it| it.number == number) else { return };
        if let Some(script) = self.connects.swap_remove(at).script {
            self.answers.give(Input::ScriptEnded(script, ended));
        }
    }

    /// keepalived's order: the script for just this, the one for everything, pipes, mail.
    fn tell(&mut self, notice: Notice) {
        let Some(told) = notify::told(notice, &self.setup) else { return };
        let Told { specific, generic, line, mail } = told;
        let now = Instant::now();
        let kind = |is_generic| Kind {
            is_group: matches!(notice.of, Subject::Group(_)),
            name: self.setup.subject(notice.of).map(|it| it.name.clone()).unwrap_or_default(),
            is_generic,
        };
        let wait = if notice.what == What::Stop { WAIT_AT_STOP } else { WAIT };
        let word = notify::word(notice.what);
        let specific = specific.map(|command| (kind(false), command, Vec::new()));
        let generic = generic.map(|(command, words)| (kind(true), command, words.to_vec()));
        for (kind, command, words) in specific.into_iter().chain(generic) {
            let speaker = if kind.is_generic {
                format!("notify script of {}", kind.name)
            } else {
                format!("{word} script of {}", kind.name)
            };
            let chain = self.chains.entry(kind).or_default();
            if notice.what == What::Stop {
                // They would tell of what no longer is.
                chain.clear();
            }
            chain.push(now + wait, Planned { command: command.clone(), words, speaker });
        }
        self.pipes.remember(notice, &self.setup);
        self.start_waiting();
        self.pipes.write(&line, &self.log);
        if let (Some(mail), Some(setup)) = (mail, &self.setup.mail) {
            self.mailer.send(setup, mail);
        }
    }

    /// Starts what no longer has to wait.
    fn start_waiting(&mut self) {
        let now = Instant::now();
        // One that can't be started makes room for the next.
        while let Some((kind, planned, is_impatient)) = self.next_waiting(now) {
            let Planned { command, words, speaker } = planned;
            if is_impatient {
                self.log.warning(format!("{speaker}: starts though the one before has not ended"));
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let purpose = Purpose::Told(kind.clone());
            if let Err(error) = self.start(&command, &words, speaker.clone(), purpose) {
                self.log.warning(format!("{speaker}: not started: {error}"));
                if let Some(chain) = self.chains.get_mut(&kind) {
                    chain.ended();
                }
            }
        }
        self.chains.retain(|_, chain| !chain.is_idle());
    }

    fn next_waiting(&mut self, now: Instant) -> Option<(Kind, Planned, bool)> {
        self.chains.iter_mut().find_map(|(kind, chain)| {
            let (planned, is_impatient) = chain.next(now)?;
            Some((kind.clone(), planned, is_impatient))
        })
    }

    fn start_readers(&mut self) {
        for (command, path) in self.pipes.readers() {
            let speaker = format!("reader of {path}");
            if let Err(error) = self.start(&command, &[&path], speaker.clone(), Purpose::Reader) {
                self.log.warning(format!("{speaker}: not started: {error}"));
            }
        }
    }

    fn start(
        &mut self,
        command: &Command,
        words: &[&str],
        speaker: String,
        purpose: Purpose,
    ) -> io::Result<()> {
        let (path, arguments): (&str, &[Word]) = match &command.program {
            Program::Execute { path, arguments } => (path, arguments),
            // Not a form we know: the shell may.
            Program::Connect(text) => {
                ("/bin/sh", &[Word::new("-c".into()), Word::new(text.clone())])
            }
        };
        if self.setup.script_security {
            security::check(path, &command.run_as)?;
        }
        let all: Vec<&str> =
            arguments.iter().map(Word::expose).chain(words.iter().copied()).collect();
        let mut child = self.nursery.start(path, &all, &command.run_as)?;
        if let Some(fd) = child.take_output() {
            let lines = Lines::new(arguments);
            let is_check = matches!(purpose, Purpose::Check(_));
            let speaker = speaker.clone();
            self.outputs.push(Output { fd, lines, speaker, is_check });
        }
        self.running.push(Running { purpose, speaker, child });
        Ok(())
    }

    fn read_outputs(&mut self) {
        // A daemon that a script has started may write for ever. Of too many the oldest is left.
        let excess = self.outputs.len().saturating_sub(ORPHANS_MAX + self.running.len());
        self.outputs.drain(..excess);
        let mut found = Vec::new();
        for mut output in mem::take(&mut self.outputs) {
            if output.read(&mut found) {
                self.say(&output.speaker, output.is_check, found.drain(..));
                self.outputs.push(output);
            } else {
                self.say(&output.speaker, output.is_check, found.drain(..));
            }
        }
    }

    fn say(&mut self, speaker: &str, is_check: bool, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_none() {
            return;
        }
        let now = Instant::now();
        let (allowance, memory) = self.speakers.entry(speaker.to_owned()).or_default();
        for line in lines {
            let memory = is_check.then_some(&mut *memory);
            if let Some(line) = said(&line, allowance, memory, now) {
                self.log.notice(format!("{speaker}: {line}"));
            }
        }
    }

    fn reap(&mut self) {
        for running in mem::take(&mut self.running) {
            match running.child.ended() {
                Ok(None) => self.running.push(running),
                Ok(Some(ended)) => self.has_ended(running, ended),
                Err(error) => {
                    self.has_ended(running, Ended::NotStarted(format!("it got lost: {error}")));
                }
            }
        }
    }

    fn has_ended(&mut self, running: Running, ended: Ended) {
        let Running { purpose, speaker, .. } = running;
        match purpose {
            Purpose::Check(Some(script)) => self.answers.give(Input::ScriptEnded(script, ended)),
            Purpose::Check(None) => {}
            Purpose::Told(kind) => {
                if let Some(chain) = self.chains.get_mut(&kind) {
                    chain.ended();
                }
                if ended != Ended::Exited(0) {
                    self.log.warning(format!("{speaker}: {}", words_for(&ended)));
                }
            }
            Purpose::Reader => {
                if self.stopping.is_none() {
                    self.log.warning(format!("{speaker}: {}", words_for(&ended)));
                }
            }
        }
    }

    fn adopt(
        &mut self,
        scripts: &[Option<ScriptId>],
        instances: &[Option<InstanceId>],
        setup: Setup,
    ) {
        self.answers.turn();
        let new_place =
            |old: ScriptId| scripts.iter().position(|before| *before == Some(old)).map(ScriptId);
        for running in &mut self.running {
            match &mut running.purpose {
                Purpose::Check(script) => {
                    *script = script.and_then(new_place);
                    if script.is_none() {
                        running.child.signal(Signal::TERM);
                    }
                }
                Purpose::Reader => running.child.signal(Signal::TERM),
                Purpose::Told(_) => {}
            }
        }
        for connecting in &mut self.connects {
            connecting.script = connecting.script.and_then(new_place);
            connecting.of = connecting.of.and_then(new_place);
        }
        // The readers that were told to end do so in their own time, and are not missed.
        for running in &mut self.running {
            if matches!(running.purpose, Purpose::Reader) {
                running.purpose = Purpose::Check(None);
            }
        }
        self.pipes.rename(&self.setup, &setup, instances);
        self.setup = setup;
        self.nursery.set_umask(self.setup.umask);
        self.pipes.change(&self.setup.fifos, &self.log);
        self.start_readers();
        if self.setup.states_on_reload {
            self.pipes.write_states(&self.setup, &self.log);
        }
    }

    /// Whether everything has ended that must before the thread may.
    fn is_over(&mut self) -> bool {
        let Some(stopping) = &mut self.stopping else { return false };
        let now = Instant::now();
        let told = self.running.iter().any(|it| matches!(it.purpose, Purpose::Told(_)));
        let read = self.running.iter().any(|it| matches!(it.purpose, Purpose::Reader));
        let is_read = !read || self.pipes.are_empty();
        let is_told = !told && self.chains.is_empty() && is_read;
        match stopping.kill_at {
            None if is_told || now >= stopping.scripts_until => {
                for running in &self.running {
                    running.child.signal(Signal::TERM);
                    if matches!(running.purpose, Purpose::Told(_)) {
                        self.log.warning(format!("{}: has no more time", running.speaker));
                    }
                }
                self.chains.clear();
                stopping.kill_at = Some(now + GRACE);
                self.running.is_empty() && self.finish()
            }
            None => false,
            Some(_) if self.running.is_empty() => self.finish(),
            Some(at) if now >= at => {
                for running in &self.running {
                    running.child.signal(Signal::KILL);
                }
                self.finish()
            }
            Some(_) => false,
        }
    }

    fn finish(&mut self) -> bool {
        self.pipes.remove();
        if let Some(stopping) = &self.stopping {
            // Whoever asked may have lost patience.
            let _ = stopping.done.try_send(());
        }
        true
    }
}

impl Output {
    /// Appends the lines there are. False when nobody can write any more.
    fn read(&mut self, lines: &mut Vec<String>) -> bool {
        let mut bytes = [0; READ_BYTES];
        match rustix::io::read(&self.fd, &mut bytes) {
            Ok(0) => {
                lines.extend(self.lines.end());
                false
            }
            Ok(count) => {
                self.lines.take(bytes.get(..count).unwrap_or(&[]), lines);
                true
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
            Err(_) => false,
        }
    }
}

/// How a script ended, for people.
pub(crate) fn words_for(ended: &Ended) -> String {
    match ended {
        Ended::Exited(code) => format!("exited with status {code}"),
        Ended::Killed(signal) => format!("ended by signal {signal}"),
        Ended::NotStarted(why) => format!("not started: {why}"),
    }
}
