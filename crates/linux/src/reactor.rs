//! The real-time thread: waits, turns what happened into inputs, hands each to the core, performs
//! the actions it asks for.
//!
//! Everything that must keep its time is here and nothing here waits: sockets are non-blocking,
//! netlink answers at once, the disk, the log and status readers are other threads', reached by
//! queues that are never waited for. If this thread stops, adverts stop with it, and the kernel's
//! fence closes: a machine whose core is stuck must not look alive.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use keepair_core::event::Event;
use keepair_core::input::{Copied, Done, Kept, Operator, RedisInput, Refused, Remains, Reply};
use keepair_core::status::Status;
use keepair_core::tiebreaker::Says;
use keepair_core::time::Time;
use keepair_core::{Actions, Input, Node};
use rustix::event::{PollFd, PollFlags};

use crate::executor::{Executor, Note};
use crate::mailbox;
use crate::realtime::{Timer, Wake, monotonic_us, wait};
use crate::redis::Access;
use crate::rtnl::{Monitor, Notice, OwnAddress};

/// What other threads ask of the real-time thread.
pub enum Request {
    /// The operator wants something, and to see what happens from then on, and nothing older.
    Operator(Operator, Option<SyncSender<Event>>),
    /// A new configuration, with the new way to log in to Redis.
    Reload(Box<keepair_core::config::Config>, Box<Access>),
    /// What became of what was to be kept.
    Persisted(Result<(), String>),
    /// What the tie-breaker of this place says.
    TieBreaker(usize, Says),
    /// What became of an order to salvage.
    Salvaged {
        /// Of the order.
        number: u32,
        /// What was kept, or why nothing was.
        result: Result<Kept, String>,
    },
    /// Nothing more comes of a copy of the stream.
    StreamCopied(Result<Copied, String>),
    /// The configuration file of Redis was read; whether it has `replicaof`.
    RedisFile(bool),
    /// A snapshot, please.
    Status(SyncSender<Box<Status>>),
}

/// Where requests are put.
pub type Mailbox = mailbox::Mailbox<Request>;

/// Sees what the core is told and what it decides, in the real-time thread: it must not wait.
pub trait Witness: Send {
    /// The node is about to take this input in.
    fn told(&mut self, now: Time, input: &Input);
    /// What it decided; none of it has been done yet.
    fn decided(&mut self, actions: &Actions);
    /// All that is to be done has been done: the thread is about to wait. What takes a while has
    /// its place here.
    fn rests(&mut self, node: &Node);
}

/// Bytes a packet of ours can have at the most; longer ones are cut and then fail their checks.
pub(crate) const PACKET_BYTES_MAX: usize = 2048;
/// Packets and notices taken from one socket before the others have their turn.
pub(crate) const TURN: usize = 16;
/// Between two rounds of the loop that only time has caused.
pub(crate) const REST: Duration = Duration::from_micros(50);

/// The thread's state.
pub struct Reactor {
    node: Node,
    executor: Executor,
    monitor: Monitor,
    timer: Timer,
    wake: Arc<Wake>,
    requests: Receiver<Request>,
    inputs: VecDeque<Input>,
    actions: Actions,
    link_up: bool,
    witness: Option<Box<dyn Witness>>,
}

/// What became ready, by its place among the polled descriptors.
#[derive(Clone, Copy)]
enum Source {
    Timer,
    Wake,
    Vrrp,
    Peer,
    Monitor,
    Redis,
    Claims,
    Process,
}

impl Reactor {
    /// All parts, opened before privileges or real-time priority play a role.
    ///
    /// # Errors
    /// When the timer can't be made.
    pub fn new(
        node: Node,
        executor: Executor,
        monitor: Monitor,
        wake: Arc<Wake>,
        requests: Receiver<Request>,
    ) -> io::Result<Reactor> {
        let link_up = executor.link.up && executor.link.running;
        Ok(Reactor {
            node,
            executor,
            monitor,
            timer: Timer::new()?,
            wake,
            requests,
            inputs: VecDeque::with_capacity(64),
            actions: Actions::with_capacity(64),
            link_up,
            witness: None,
        })
    }

    /// Shows it every input from the first one on.
    pub fn watched_by(self, witness: Box<dyn Witness>) -> Reactor {
        Reactor { witness: Some(witness), ..self }
    }

    /// Runs until the core exits, then leaves nothing behind.
    ///
    /// # Errors
    /// When waiting fails, or the clean-up does.
    pub fn run(mut self, remains: Remains) -> io::Result<()> {
        self.inputs.push_back(Input::Started(remains));
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
            let soonest = now() + REST;
            self.timer.set(self.node.deadline().max(soonest).as_us())?;
            if let Some(witness) = &mut self.witness {
                witness.rests(&self.node);
            }
            for source in self.wait()? {
                self.collect(source)?;
                self.work_off();
            }
            let now = now();
            if now >= self.node.deadline() {
                self.inputs.push_back(Input::Deadline);
            }
            self.executor.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands every waiting input to the core. Its actions may lead to further inputs, which wait
    /// until the list is done.
    fn work_off(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            let now = now();
            if let Some(witness) = &mut self.witness {
                witness.told(now, &input);
            }
            self.node.handle(now, input, &mut self.actions);
            if let Some(witness) = &mut self.witness {
                witness.decided(&self.actions);
            }
            for action in self.actions.drain(..) {
                self.executor.perform(action, &mut self.inputs);
            }
        }
    }

    fn wait(&self) -> io::Result<Vec<Source>> {
        let mut waiting: Vec<(Source, PollFd<'_>)> = Vec::with_capacity(24);
        let executor = &self.executor;
        let input = |source, fd| (source, PollFd::from_borrowed_fd(fd, PollFlags::IN));
        waiting.push(input(Source::Timer, self.timer.as_fd()));
        let watched = executor.process.iter().flat_map(|process| process.fds());
        waiting.extend(watched.map(|fd| input(Source::Process, fd)));
        if let Some((fd, wants_write)) = executor.redis.interest() {
            let flags = if wants_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            waiting.push((Source::Redis, PollFd::from_borrowed_fd(fd, flags)));
        }
        // A farewell's report, which says why, before the farewell.
        waiting.push(input(Source::Peer, executor.peer.as_fd()));
        waiting.push(input(Source::Vrrp, executor.vrrp.as_fd()));
        waiting.push(input(Source::Monitor, self.monitor.as_fd()));
        waiting.extend(executor.claims.iter().map(|claims| input(Source::Claims, claims.as_fd())));
        waiting.push(input(Source::Wake, (*self.wake).as_fd()));
        wait(waiting)
    }

    fn collect(&mut self, source: Source) -> io::Result<()> {
        let mut buf = [0u8; PACKET_BYTES_MAX];
        match source {
            Source::Timer => {
                self.timer.read();
            }
            Source::Wake => {
                self.wake.read();
                self.take_requests();
            }
            Source::Vrrp => {
                for _ in 0..TURN {
                    let Ok(Some(received)) = self.executor.vrrp.recv(&mut buf) else { break };
                    self.inputs.push_back(Input::Advert {
                        src: received.src,
                        dst: received.dst,
                        ttl: received.ttl,
                        message: received.message(&buf).to_vec(),
                    });
                }
            }
            Source::Peer => {
                for _ in 0..TURN {
                    let Ok(Some((len, src, ttl))) = self.executor.peer.recv(&mut buf) else {
                        break;
                    };
                    let bytes = buf.get(..len).unwrap_or(&[]).to_vec();
                    self.inputs.push_back(Input::PeerDatagram { src, ttl, bytes });
                }
            }
            Source::Monitor => self.take_notices()?,
            Source::Redis => {
                let mut found = Vec::new();
                self.executor.redis.ready(&mut found);
                for input in &found {
                    if let RedisInput::Reply(_, Reply::Info(info)) = input
                        && let Some(run) = info.run_id
                    {
                        self.executor.tie_breakers.local_redis(run);
                    }
                }
                self.inputs.extend(found.into_iter().map(Input::Redis));
            }
            Source::Claims => {
                while let Some(Ok(Some((address, mac)))) =
                    self.executor.claims.as_mut().map(|claims| claims.next_claim())
                {
                    self.inputs.push_back(Input::VipClaimed { address, mac });
                }
            }
            Source::Process => {
                if self.executor.process.is_some() {
                    self.inputs.push_back(Input::Redis(RedisInput::ProcessStirred));
                }
            }
        }
        Ok(())
    }

    fn take_requests(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Request::Operator(operator, listener) => {
                    if let Some(listener) = listener {
                        self.executor.note(Note::Listen(listener));
                    }
                    self.inputs.push_back(Input::Operator(operator));
                }
                Request::Reload(config, access) => {
                    self.executor.reload(&config);
                    self.executor.redis.set_access(*access);
                    self.inputs.push_back(Input::Operator(Operator::Reload(config)));
                }
                Request::Persisted(result) => {
                    let result = result.map_err(Refused::Failed);
                    self.inputs.push_back(Input::ActionDone(Done::Persist, result));
                }
                Request::TieBreaker(place, says) => {
                    self.inputs.push_back(Input::TieBreaker(place, says));
                }
                Request::RedisFile(replicaof) => {
                    self.inputs.push_back(Input::RedisFile { replicaof });
                }
                Request::StreamCopied(result) => {
                    self.inputs.push_back(Input::StreamCopied(result));
                }
                Request::Salvaged { number, result } => {
                    self.inputs.push_back(Input::Salvaged { number, result });
                }
                Request::Status(answer) => {
                    // An operator who no longer waits is no reason to.
                    let _ = answer.try_send(Box::new(self.node.status(now())));
                }
            }
        }
    }

    fn take_notices(&mut self) -> io::Result<()> {
        let index = self.executor.link.index;
        while let Some(notice) = self.monitor.next()? {
            match notice {
                Notice::Link { ifindex, up, running, .. } if ifindex == index => {
                    self.link_changed(up && running);
                }
                Notice::LinkGone { ifindex, .. } if ifindex == index => self.link_changed(false),
                Notice::AddressRemoved(own) if own.ifindex == index => self.vip_removed(own)?,
                // Notices were lost: look for ourselves.
                Notice::Overrun => {
                    let link = self.executor.rtnl.link_by_name(&self.executor.interface)?;
                    self.link_changed(link.is_some_and(|link| link.up && link.running));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The notice may be of our own doing, from before the address was added again: look.
    fn vip_removed(&mut self, own: OwnAddress) -> io::Result<()> {
        let executor = &mut self.executor;
        let ours = executor.config.vips.iter().any(|vip| vip.address == own.address);
        if ours && executor.vips_wanted {
            let present = executor.rtnl.own_addresses()?;
            if !present.iter().any(|other| other.address == own.address) {
                self.inputs.push_back(Input::VipGone(own.address));
            }
        }
        Ok(())
    }

    fn link_changed(&mut self, up: bool) {
        if up && !self.link_up {
            // An interface that was taken down has left its multicast groups.
            let _ = self.executor.vrrp.rejoin();
        }
        self.link_up = up;
        self.inputs.push_back(Input::LinkChanged(up));
    }
}

fn now() -> Time {
    Time(monotonic_us())
}
