//! The real-time thread of a router: waits, turns what happened into inputs, hands each to the core,
//! performs the actions it asks for. The rules are those of [`crate::reactor`]: nothing here waits.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use keepair_core::router::input::Operator;
use keepair_core::router::{Actions, Config, Input, Router, Status};
use keepair_core::time::Time;
use rustix::event::{PollFd, PollFlags};

use super::executor::{Executor, Pending};
use super::names::Names;
use super::outside::Outside;
use super::setup::Setup;
use crate::mailbox;
use crate::reactor::{PACKET_BYTES_MAX, REST, TURN};
use crate::realtime::{ClockWatch, Timer, Wake, monotonic_us, unix, wait};
use crate::rtnl::Monitor;

/// What other threads ask of the real-time thread.
pub enum Request {
    /// The operator wants something; a new configuration comes as [`Request::Reload`].
    Operator(Operator),
    /// A new configuration.
    Reload(Box<Reload>),
    /// A snapshot, please.
    Status(SyncSender<Box<Status>>),
}

/// Where requests are put.
pub type Mailbox = mailbox::Mailbox<Request>;

/// A new configuration, already checked, with all that has to be read from disk for it.
pub struct Reload {
    config: Config,
    pending: Pending,
}

impl Reload {
    /// Reads what has to be read: for threads that may wait.
    pub fn new(config: Config, setup: Setup) -> Reload {
        Reload { config, pending: Pending { setup: Box::new(setup), names: Names::read() } }
    }
}

/// What a reactor is made of.
pub struct Parts {
    /// The configuration, already checked.
    pub config: Config,
    /// Its other half.
    pub setup: Setup,
    /// Children, pipes, mail, files, processes, the log.
    pub outside: Box<dyn Outside>,
    /// The bell of the mailbox.
    pub wake: Arc<Wake>,
    /// The mailbox.
    pub requests: Receiver<Request>,
    /// Counts the rounds of the loop, for whoever watches it.
    pub rounds: Arc<AtomicU64>,
}

/// The thread's state.
pub struct Reactor {
    router: Router,
    executor: Executor,
    monitor: Monitor,
    timer: Timer,
    clock: ClockWatch,
    wake: Arc<Wake>,
    requests: Receiver<Request>,
    inputs: VecDeque<Input>,
    actions: Actions,
    rounds: Arc<AtomicU64>,
}

/// What became ready, by its place among the polled descriptors.
#[derive(Clone, Copy)]
enum Source {
    Timer,
    Clock,
    Wake,
    Vrrp(usize),
    Monitor,
    Outside,
}

impl Reactor {
    /// Opens every socket, and reads what has to be read: before privileges or real-time priority
    /// play a role.
    ///
    /// # Errors
    /// When sockets or timers are refused.
    pub fn open(parts: Parts) -> io::Result<Reactor> {
        let monitor = Monitor::open()?;
        monitor.watch_routes_and_rules()?;
        let executor = Executor::open(&parts.config, &parts.setup, Names::read(), parts.outside)?;
        Ok(Reactor {
            router: Router::new(parts.config, now()),
            executor,
            monitor,
            timer: Timer::new()?,
            clock: ClockWatch::new()?,
            wake: parts.wake,
            requests: parts.requests,
            inputs: VecDeque::with_capacity(64),
            actions: Actions::with_capacity(64),
            rounds: parts.rounds,
        })
    }

    /// Runs until the router exits, then leaves nothing behind.
    ///
    /// # Errors
    /// When waiting fails, or the clean-up does.
    pub fn run(mut self) -> io::Result<()> {
        self.executor.network.begin();
        self.executor.attach_all();
        self.inputs.push_back(Input::Started { unix: unix() });
        self.executor.look_at_links(&mut self.inputs);
        self.work_off();
        self.executor.outside.ready(&mut self.inputs);
        let result = self.turn();
        let cleaned = self.executor.clean_up();
        result.and(cleaned)
    }

    fn turn(&mut self) -> io::Result<()> {
        loop {
            self.work_off();
            if self.executor.exit {
                return Ok(());
            }
            // Never at once: a core that asked for the past again and again would keep everything
            // else from this processor.
            let next = self.executor.network.deadline().unwrap_or(Time(u64::MAX));
            let next = next.min(self.router.deadline()).max(now() + REST);
            self.timer.set(next.as_us())?;
            for source in self.wait()? {
                self.collect(source)?;
                self.work_off();
            }
            let now = now();
            if now >= self.router.deadline() {
                self.inputs.push_back(Input::Deadline);
                self.work_off();
            }
            if self.executor.network.looks_again(now) {
                self.collect(Source::Monitor)?;
                self.work_off();
            }
            // Adverts go first.
            if self.executor.network.deadline().is_some_and(|at| at <= now) {
                self.executor.network.send_due(now);
            }
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands every waiting input to the core. Its actions may lead to further inputs, which wait
    /// until the list is done.
    fn work_off(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            let now = now();
            self.router.handle(now, input, &mut self.actions);
            for action in self.actions.drain(..) {
                self.executor.perform(now, action, &mut self.inputs);
            }
        }
    }

    fn wait(&self) -> io::Result<Vec<Source>> {
        let input = |source, fd| (source, PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let mut waiting: Vec<(Source, PollFd<'_>)> = Vec::with_capacity(24);
        waiting.push(input(Source::Timer, self.timer.as_fd()));
        let vrrp = self.executor.listeners.fds();
        waiting.extend(vrrp.map(|(at, fd)| input(Source::Vrrp(at), fd)));
        waiting.push(input(Source::Monitor, self.monitor.as_fd()));
        let outside = self.executor.outside.fds();
        waiting.extend(outside.into_iter().map(|fd| input(Source::Outside, fd)));
        waiting.push(input(Source::Clock, self.clock.as_fd()));
        waiting.push(input(Source::Wake, (*self.wake).as_fd()));
        let mut ready = wait(waiting)?;
        // One call takes in what all of its descriptors have.
        let mut outside = false;
        ready.retain(|source| {
            !matches!(source, Source::Outside) || !std::mem::replace(&mut outside, true)
        });
        Ok(ready)
    }

    fn collect(&mut self, source: Source) -> io::Result<()> {
        match source {
            Source::Timer => self.timer.read(),
            Source::Clock => {
                let unix = self.clock.read()?;
                self.inputs.push_back(Input::ClockSet { unix });
            }
            Source::Wake => {
                self.wake.read();
                self.take_requests();
            }
            Source::Vrrp(at) => self.take_packets(at),
            Source::Monitor => {
                let executor = &mut self.executor;
                let changes =
                    executor.network.take_notices(now(), &mut self.monitor, &mut self.inputs)?;
                for change in changes {
                    executor.attach(change.link, change.ifindex);
                }
                executor.tell_problems();
            }
            Source::Outside => self.executor.outside.ready(&mut self.inputs),
        }
        Ok(())
    }

    /// So many packets that others have their turn, too: a flood must not keep adverts from leaving.
    fn take_packets(&mut self, at: usize) {
        let mut buf = [0u8; PACKET_BYTES_MAX];
        for _ in 0..TURN {
            let Ok(Some((link, received))) = self.executor.listeners.receive(at, &mut buf) else {
                break;
            };
            self.inputs.push_back(Input::Packet {
                link,
                src: received.src,
                dst: received.dst,
                ttl: received.ttl,
                message: received.message(&buf).to_vec(),
            });
        }
    }

    fn take_requests(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Request::Operator(operator) => {
                    if operator == Operator::Stop {
                        self.executor.network.stopping();
                    }
                    self.inputs.push_back(Input::Operator(operator));
                }
                Request::Reload(reload) => {
                    let Reload { config, pending } = *reload;
                    self.executor.pending = Some(pending);
                    self.inputs.push_back(Input::Operator(Operator::Reload(Box::new(config))));
                }
                Request::Status(answer) => {
                    // An operator who no longer waits is no reason to.
                    let _ = answer.try_send(Box::new(self.router.status(now())));
                }
            }
            // Places change with a reload: nothing that was counted by the old ones may wait behind.
            self.work_off();
        }
    }
}

fn now() -> Time {
    Time(monotonic_us())
}
