//! A router's world besides packets and netlink: hands what takes time to threads that are not
//! real-time, and brings back what they find.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use keepair_core::router::Input;
use keepair_core::router::action::{Adopted, Notice};
use keepair_core::router::config::ScriptId;
use keepair_core::router::event::Event;
use keepair_core::router::input::Ended;

use super::files::Files;
use super::log::Log;
use super::mail::Mailer;
use super::outside::Outside;
use super::processes::Processes;
use super::say;
use super::scripts::{Inbox, Job, Scripts};
use super::setup::{FileSetup, ProcessSetup, Setup};
use crate::realtime::Wake;

/// Jobs that may wait for a thread that is slow.
const JOBS_MAX: usize = 4096;
/// Reloads whose answers may still be on their way.
const ADOPTIONS_MAX: usize = 16;
/// The threads' stacks: they call nothing deep.
const STACK_BYTES: usize = 256 * 1024;
/// What a thread that ends may take for itself, besides what it waits for.
const SLACK: Duration = Duration::from_secs(2);

/// What a thread found, and after how many reloads.
type Answer = (u64, Input);

/// Where a thread puts what it finds.
pub(crate) struct Answers {
    sender: Sender<Answer>,
    bell: Arc<Wake>,
    reloads: u64,
}

impl Answers {
    /// Gives it to the real-time thread.
    pub(crate) fn give(&self, input: Input) {
        // Nobody there means that the router's work is done.
        let _ = self.sender.send((self.reloads, input));
        self.bell.wake();
    }

    /// Answers count by the places of the next setup from now on.
    pub(crate) fn turn(&mut self) {
        self.reloads += 1;
    }
}

/// Something that a thread is sent, and the bell that wakes it.
struct Way<T> {
    /// Always there until it is dropped.
    sender: Option<SyncSender<T>>,
    bell: Arc<Wake>,
}

impl<T> Way<T> {
    fn new() -> io::Result<(Way<T>, Receiver<T>, Arc<Wake>)> {
        let (sender, receiver) = sync_channel(JOBS_MAX);
        let bell = Arc::new(Wake::new()?);
        Ok((Way { sender: Some(sender), bell: Arc::clone(&bell) }, receiver, bell))
    }

    /// False if there is no room, or nobody is there.
    fn put(&self, what: T) -> bool {
        let is_sent = self.sender.as_ref().is_some_and(|sender| sender.try_send(what).is_ok());
        if is_sent {
            self.bell.wake();
        }
        is_sent
    }
}

impl<T> Drop for Way<T> {
    fn drop(&mut self) {
        // First the one and then the other, so that the thread sees that nobody is left.
        self.sender = None;
        self.bell.wake();
    }
}

/// The world as it is: children, pipes, mail, files, processes and the log.
pub struct World {
    setup: Setup,
    log: Log,
    jobs: Way<Job>,
    files: Way<Vec<FileSetup>>,
    processes: Way<Vec<ProcessSetup>>,
    answers: Receiver<Answer>,
    bell: Arc<Wake>,
    /// Could not be handed over, and is answered for here.
    refused: VecDeque<Input>,
    reloads: u64,
    /// For the last reloads: which script was which before.
    adoptions: VecDeque<(u64, Vec<Option<ScriptId>>)>,
}

impl World {
    /// Opens the pipes, reads the files, counts the processes, and starts the threads. They are as
    /// ordinary as the calling one.
    ///
    /// # Errors
    /// When the system is out of descriptors or threads.
    pub fn open(setup: Setup, log: Log) -> io::Result<World> {
        let (sender, answers) = channel();
        let bell = Arc::new(Wake::new()?);
        let way_back = || Answers { sender: sender.clone(), bell: Arc::clone(&bell), reloads: 0 };

        let (files, receiver, own) = Way::new()?;
        let watched = Files::new(&setup, receiver, own, way_back(), log.clone())?;
        start("files", move || watched.work())?;

        let (processes, receiver, own) = Way::new()?;
        let watched = Processes::new(&setup, receiver, own, way_back(), log.clone())?;
        start("processes", move || watched.work())?;

        let (jobs, receiver, own) = Way::new()?;
        let inbox = Inbox { jobs: receiver, bell: own };
        let mailer = Mailer::start(log.clone())?;
        let scripts = Scripts::new(setup.clone(), inbox, way_back(), log.clone(), mailer)?;
        start("scripts", move || scripts.work())?;

        Ok(World {
            setup,
            log,
            jobs,
            files,
            processes,
            answers,
            bell,
            refused: VecDeque::new(),
            reloads: 0,
            adoptions: VecDeque::new(),
        })
    }

    /// An answer that was given before the last reloads, in today's places.
    fn today(&self, reloads: u64, input: Input) -> Option<Input> {
        if reloads == self.reloads {
            return Some(input);
        }
        // Numbers of files and processes are told anew after a reload.
        let Input::ScriptEnded(mut script, ended) = input else { return None };
        for reload in reloads + 1..=self.reloads {
            let (_, scripts) = self.adoptions.iter().find(|(number, _)| *number == reload)?;
            script = ScriptId(scripts.iter().position(|before| *before == Some(script))?);
        }
        Some(Input::ScriptEnded(script, ended))
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(work)?;
    Ok(())
}

impl Outside for World {
    fn run_script(&mut self, script: ScriptId) {
        if !self.jobs.put(Job::Run(script)) {
            let ended = Ended::NotStarted("too much waits to be started".to_owned());
            self.refused.push_back(Input::ScriptEnded(script, ended));
            self.bell.wake();
        }
    }

    fn end_script(&mut self, script: ScriptId, kill: bool) {
        // One that could not be told is told again: the core does until it has ended.
        self.jobs.put(Job::End { script, kill });
    }

    fn notify(&mut self, notice: Notice) {
        if !self.jobs.put(Job::Notify(notice)) {
            self.log.warning(format!("nobody is told of {notice:?}: too much waits to be started"));
        }
    }

    fn tell(&mut self, event: Event) {
        self.log.put(say::line(event, &self.setup));
    }

    fn adopt(&mut self, adopted: &Adopted, setup: &Setup) {
        self.reloads += 1;
        self.adoptions.push_back((self.reloads, adopted.scripts.clone()));
        if self.adoptions.len() > ADOPTIONS_MAX {
            self.adoptions.pop_front();
        }
        self.refused.clear();
        self.setup = setup.clone();
        let (scripts, instances) = (adopted.scripts.clone(), adopted.instances.clone());
        let setup_for_jobs = Box::new(setup.clone());
        let all_know = self.jobs.put(Job::Adopt { scripts, instances, setup: setup_for_jobs })
            & self.files.put(setup.files.clone())
            & self.processes.put(setup.processes.clone());
        if !all_know {
            self.log.warning("a part of the new configuration is not in use: too much waits");
        }
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![(*self.bell).as_fd()]
    }

    fn ready(&mut self, inputs: &mut VecDeque<Input>) {
        self.bell.read();
        inputs.append(&mut self.refused);
        while let Ok((reloads, input)) = self.answers.try_recv() {
            inputs.extend(self.today(reloads, input));
        }
    }

    fn stop(&mut self) {
        let (done, is_done) = sync_channel(1);
        if self.jobs.put(Job::Stop(done)) {
            // A thread that does not come to its end is left behind.
            let _ = is_done.recv_timeout(self.setup.child_wait + SLACK);
        }
    }
}
