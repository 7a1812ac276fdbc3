//! The daemon's process: its loop, its timer, its sockets, and what can be done to it.
//!
//! One input at a time; what an input asked for is performed, in order, before the next one is
//! looked at, and each step takes a little time, so that the process can be killed or stopped
//! between any two. A stopped process misses what does not fit into its sockets any more. A request
//! to the kernel is carried out when its turn comes, whatever became of the process meanwhile.

mod trap;

pub use trap::{Moment, Step, Trap};

use crate::checkers::Fact;
use crate::copy::Copy;
use crate::digest;
use crate::executor::Done as Outcome;
use crate::host::HostId;
use crate::network::Traffic;
use crate::options::VIPS;
use crate::world::{Event, World};
use keepair_core::action::Action;
use keepair_core::config::Config;
use keepair_core::input::{Done, Operator, Persisted, RedisInput, Refused, Remains};
use keepair_core::time::Time;
use keepair_core::{Actions, Input, Node};
use std::collections::VecDeque;
use std::time::Duration;

/// A socket that nobody reads takes so many datagrams and drops the rest (`rmem_default`, with what
/// the kernel adds to each).
const SOCKET_ROOM: usize = 256;
/// So many inputs are looked at before an overdue timer has its turn.
const TURN: usize = 16;
/// Looking at an input.
const LOOK: Duration = Duration::from_micros(3);

/// How the process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// There is none.
    #[default]
    Absent,
    /// It runs.
    Running,
    /// It was sent SIGSTOP.
    Stopped,
}

/// A request to the kernel that waits for its turn.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// Which.
    pub action: Action,
    /// What the machine's clock showed when it was made.
    pub asked_at: Time,
}

/// One daemon.
#[derive(Debug, Default)]
pub struct Daemon {
    /// The process.
    pub state: State,
    /// Counts starts.
    pub run: u64,
    /// The product.
    pub node: Option<Node>,
    /// What the executor goes by.
    pub(crate) config: Option<Config>,
    /// It ended by itself.
    pub exited: bool,
    /// The connection to the local Redis: its number, and the run of Redis that it was made to.
    pub session: Option<(u64, u64)>,
    /// The process it watches.
    pub watched: Option<u32>,
    /// What it reads of Redis's stream, or has read.
    pub(crate) copy: Option<Copy>,
    /// A fault in waiting.
    pub trap: Option<Trap>,
    /// What came in, and by which connection to Redis, if by one.
    inbox: VecDeque<(Option<u64>, Input)>,
    /// Datagrams in the inbox, by their socket.
    datagrams: [usize; 2],
    done: VecDeque<Input>,
    /// What the last input asked for, and how much of it has been done.
    todo: Actions,
    performed: usize,
    /// Inputs since the last overdue timer.
    taken: usize,
    /// It is at work, or will be in a moment.
    turning: bool,
    /// It waits for the kernel.
    calling: bool,
    busy_until: Time,
    /// What the node waits for.
    deadline: Time,
    /// The deadline that the timer is set for.
    timer: Option<Time>,
    sessions: u64,
    asked_after: Time,
    answered_after: Time,
    persisted_after: Time,
    /// What the disk has been given last, and does not have yet.
    pub(crate) unkept: Option<Persisted>,
}

impl Daemon {
    /// It does nothing else until the kernel answers.
    pub fn waits_for_kernel(&self) -> bool {
        self.calling
    }

    /// What others see it doing.
    pub fn phase(&self) -> Option<keepair_wire::peer::State> {
        self.node.as_ref().map(Node::state)
    }

    /// A new connection to this run of the local Redis.
    pub(crate) fn open_session(&mut self, redis_run: u64) -> u64 {
        self.sessions += 1;
        self.session = Some((self.sessions, redis_run));
        self.sessions
    }

    /// A query sent now arrives then: queries on one connection keep their order.
    pub(crate) fn asks(&mut self, at: Time) -> Time {
        self.asked_after = at.max(self.asked_after + Duration::from_micros(1));
        self.asked_after
    }

    /// What is written now is on the disk then: in order.
    pub(crate) fn persists(&mut self, at: Time) -> Time {
        self.persisted_after = at.max(self.persisted_after + Duration::from_micros(1));
        self.persisted_after
    }

    /// The socket a datagram comes in by.
    fn socket(input: &Input) -> Option<usize> {
        match input {
            Input::Advert { .. } => Some(0),
            Input::PeerDatagram { .. } => Some(1),
            _ => None,
        }
    }

    fn has_more_to_do(&self) -> bool {
        self.performed < self.todo.len()
    }

    fn take_action(&mut self) -> Option<Action> {
        let action = self.todo.get_mut(self.performed)?;
        self.performed += 1;
        Some(std::mem::replace(action, Action::EndProbe))
    }

    /// What came by a connection or a watch that was given up meanwhile is not there any more.
    fn take_input(&mut self) -> Option<Input> {
        loop {
            let (session, input) = self.inbox.pop_front()?;
            if let Some(socket) = Self::socket(&input) {
                self.datagrams[socket] -= 1;
            }
            let given_up = session.is_some() && session != self.session.map(|(id, _)| id);
            let unwatched =
                matches!(input, Input::Redis(RedisInput::ProcessStirred)) && self.watched.is_none();
            if given_up || unwatched {
                continue;
            }
            if matches!(input, Input::Redis(RedisInput::Lost(_))) {
                self.session = None;
            }
            return Some(input);
        }
    }
}

impl World {
    pub(crate) fn start_daemon(&mut self, id: HostId) {
        // Drawn, so that older seeds mean what they meant.
        let _ = self.rng.bits();
        let now = self.now;
        self.instance = (self.instance + 1).max(1_790_000_000_000 + now.0 / 1000);
        let instance = self.instance;
        let host = &mut self.hosts[id];
        if !host.powered || host.daemon.state != State::Absent {
            return;
        }
        host.kernel.shut_gate();
        let remains = Remains {
            instance,
            unix_ms: 1_790_000_000_000 + now.0 / 1000,
            fence_left: host.fence_left(now),
            link_up: host.kernel.carrier,
            persisted: host.persisted,
        };
        self.see(&Fact::DaemonStarts { host: id, remains: &remains });
        let host = &mut self.hosts[id];
        host.daemon = Daemon {
            state: State::Running,
            run: host.daemon.run + 1,
            node: Some(Node::new(host.config.clone(), host.clock.read(now))),
            config: Some(host.config.clone()),
            sessions: host.daemon.sessions,
            trap: host.daemon.trap.take(),
            inbox: VecDeque::from([(None, Input::Started(remains))]),
            turning: true,
            ..Daemon::default()
        };
        let (run, at) = (host.daemon.run, now + LOOK);
        self.schedule(at, Event::DaemonTurns { host: id, run });
        self.meet_arbiters(id);
    }

    pub(crate) fn kill_daemon(&mut self, id: HostId) {
        let daemon = &mut self.hosts[id].daemon;
        *daemon = Daemon {
            run: daemon.run,
            exited: daemon.exited,
            sessions: daemon.sessions,
            ..Daemon::default()
        };
    }

    pub(crate) fn stop_daemon(&mut self, id: HostId) {
        let daemon = &mut self.hosts[id].daemon;
        if daemon.state == State::Running {
            daemon.state = State::Stopped;
        }
    }

    pub(crate) fn continue_daemon(&mut self, id: HostId) {
        let daemon = &mut self.hosts[id].daemon;
        if daemon.state == State::Stopped {
            daemon.state = State::Running;
            if !daemon.calling {
                daemon.turning = true;
                let (run, at) = (daemon.run, self.now + LOOK);
                self.schedule(at, Event::DaemonTurns { host: id, run });
            }
        }
    }

    /// Something about the local Redis reaches the daemon later.
    pub(crate) fn hand_to_daemon(&mut self, host: HostId, delay: Duration, input: RedisInput) {
        self.deliver(host, delay, None, Input::Redis(input));
    }

    pub(crate) fn deliver(
        &mut self,
        host: HostId,
        delay: Duration,
        session: Option<u64>,
        input: Input,
    ) {
        let at = self.now + delay;
        let run = self.hosts[host].daemon.run;
        self.schedule(at, Event::DaemonInput { host, run, session, input: Box::new(input) });
    }

    pub(crate) fn answer_daemon(&mut self, host: HostId, session: u64, input: RedisInput) {
        let delay = Duration::from_micros(self.rng.between(20, 100)) + self.hosts[host].redis.slow;
        let daemon = &mut self.hosts[host].daemon;
        let at = (self.now + delay).max(daemon.answered_after + Duration::from_micros(1));
        daemon.answered_after = at;
        let delay = at.since(self.now);
        self.deliver(host, delay, Some(session), Input::Redis(input));
    }

    pub(crate) fn daemon_input(
        &mut self,
        host: HostId,
        run: u64,
        session: Option<u64>,
        input: Input,
    ) {
        let daemon = &mut self.hosts[host].daemon;
        if daemon.run != run || daemon.state == State::Absent {
            return;
        }
        if let Some(socket) = Daemon::socket(&input) {
            if daemon.datagrams[socket] >= SOCKET_ROOM {
                return self.see(&Fact::SocketFull { host });
            }
            daemon.datagrams[socket] += 1;
        }
        daemon.inbox.push_back((session, input));
        self.wake_daemon(host);
    }

    pub(crate) fn daemon_hears(&mut self, host: HostId, traffic: Traffic, input: Input) {
        self.see(&Fact::Arrives { host, traffic });
        let run = self.hosts[host].daemon.run;
        self.daemon_input(host, run, None, input);
    }

    pub(crate) fn persisted(
        &mut self,
        host: HostId,
        run: u64,
        persisted: Persisted,
        result: Result<(), Refused>,
    ) {
        let daemon = &self.hosts[host].daemon;
        if daemon.run == run && daemon.state != State::Absent {
            if result.is_ok() {
                let host = &mut self.hosts[host];
                host.persisted = Some(persisted);
                host.daemon.unkept = host.daemon.unkept.filter(|last| *last != persisted);
            }
            self.see(&Fact::Answered { host, step: Done::Persist, result: &result });
            self.daemon_input(host, run, None, Input::ActionDone(Done::Persist, result));
        }
    }

    fn wake_daemon(&mut self, host: HostId) {
        let now = self.now;
        let daemon = &mut self.hosts[host].daemon;
        if daemon.state != State::Running || daemon.turning {
            return;
        }
        daemon.turning = true;
        let (run, at) = (daemon.run, daemon.busy_until);
        if at <= now {
            self.daemon_turns(host, run);
        } else {
            self.schedule(at, Event::DaemonTurns { host, run });
        }
    }

    pub(crate) fn daemon_timer(&mut self, host: HostId, run: u64, deadline: Time) {
        let daemon = &mut self.hosts[host].daemon;
        if daemon.run == run && daemon.timer == Some(deadline) {
            daemon.timer = None;
            self.wake_daemon(host);
        }
    }

    /// One step of the loop: an action, or an input and its first action, or going to sleep.
    pub(crate) fn daemon_turns(&mut self, id: HostId, run: u64) {
        let daemon = &mut self.hosts[id].daemon;
        if daemon.run != run {
            return;
        }
        if daemon.state != State::Running || daemon.calling {
            daemon.turning = false;
            return;
        }
        let mut action = daemon.take_action();
        if action.is_none() {
            let clock = self.hosts[id].clock.read(self.now);
            let Some(input) = self.next_input(id, clock) else {
                self.sleep(id, run);
                return;
            };
            self.handle(id, clock, input);
            action = self.hosts[id].daemon.take_action();
        }
        let cost = match action {
            Some(action) => self.act(id, action),
            None => LOOK,
        };
        self.go_on(id, run, cost);
    }

    /// Whichever is first: what the kernel answered, an overdue timer, what came in.
    fn next_input(&mut self, id: HostId, clock: Time) -> Option<Input> {
        let daemon = &mut self.hosts[id].daemon;
        if let Some(answer) = daemon.done.pop_front() {
            return Some(answer);
        }
        // As the reactor does it: what came in first, but not for ever.
        let due = clock >= daemon.deadline;
        if due && (daemon.inbox.is_empty() || daemon.taken >= TURN) {
            daemon.taken = 0;
            return Some(Input::Deadline);
        }
        daemon.taken += 1;
        daemon.take_input()
    }

    fn handle(&mut self, id: HostId, clock: Time, input: Input) {
        digest::input(self.trace.sum(), &input);
        if let Input::Operator(Operator::Reload(config)) = &input {
            self.reload_executor(id, config);
        }
        let by_timer = matches!(input, Input::Deadline);
        let daemon = &mut self.hosts[id].daemon;
        let Some(node) = &mut daemon.node else {
            return;
        };
        let mut actions = std::mem::take(&mut daemon.todo);
        actions.clear();
        let before = node.state();
        node.handle(clock, input, &mut actions);
        let (after, next) = (node.state(), node.deadline());
        let late = clock >= next;
        self.see(&Fact::Handled { host: id, by_timer, before, after, actions: &actions, late });
        let daemon = &mut self.hosts[id].daemon;
        (daemon.todo, daemon.performed) = (actions, 0);
        daemon.deadline = next;
    }

    /// Performs an action, or waits for the kernel to.
    fn act(&mut self, id: HostId, action: Action) -> Duration {
        digest::action(self.trace.sum(), &action);
        self.see(&Fact::Performs { host: id, action: &action });
        let host = &mut self.hosts[id];
        let asked_at = host.clock.read(self.now);
        if let Some((low, high)) = host.kernel.netlink.waits_us
            && is_netlink(&action)
        {
            let wait = Duration::from_micros(self.rng.between(low, high));
            host.daemon.calling = true;
            let (run, life) = (host.daemon.run, host.life);
            let call = Box::new(Call { action, asked_at });
            self.schedule(self.now + wait, Event::CallEnds { host: id, run, life, call });
            return wait;
        }
        let step = Step::of(&action);
        let run = host.daemon.run;
        let outcome = self.perform(id, &action, asked_at);
        self.answered(id, run, outcome, step)
    }

    /// The kernel has carried out a request that had to wait.
    pub(crate) fn call_ends(&mut self, id: HostId, run: u64, life: u64, call: Call) {
        if self.hosts[id].life != life {
            return;
        }
        let step = Step::of(&call.action);
        let outcome = self.perform(id, &call.action, call.asked_at);
        let daemon = &mut self.hosts[id].daemon;
        if daemon.run != run {
            return;
        }
        daemon.calling = false;
        let cost = self.answered(id, run, outcome, step);
        self.go_on(id, run, cost);
    }

    fn answered(&mut self, id: HostId, run: u64, outcome: Outcome, step: Option<Step>) -> Duration {
        let daemon = &mut self.hosts[id].daemon;
        if daemon.run == run && daemon.state != State::Absent {
            if let Some((done, result)) = outcome.answer {
                daemon.done.push_back(Input::ActionDone(done, result));
            }
            self.spring_trap(id, step);
        }
        outcome.cost
    }

    /// After a step that took so long: the next one, or sleep.
    fn go_on(&mut self, id: HostId, run: u64, cost: Duration) {
        let at = self.now + cost.max(Duration::from_micros(1));
        let daemon = &mut self.hosts[id].daemon;
        if daemon.run != run || daemon.calling {
            return;
        }
        daemon.busy_until = at;
        if daemon.state != State::Running {
            daemon.turning = false;
        } else if !daemon.has_more_to_do() && daemon.done.is_empty() && daemon.inbox.is_empty() {
            self.sleep(id, run);
        } else {
            daemon.turning = true;
            self.schedule(at, Event::DaemonTurns { host: id, run });
        }
    }

    fn sleep(&mut self, id: HostId, run: u64) {
        let host = &mut self.hosts[id];
        host.daemon.turning = false;
        let deadline = host.daemon.deadline;
        if host.daemon.timer != Some(deadline) && deadline != Time(u64::MAX) {
            host.daemon.timer = Some(deadline);
            let jitter = Duration::from_micros(self.rng.between(5, 40));
            let at = host.clock.moment(deadline).max(host.daemon.busy_until) + jitter;
            self.schedule(at, Event::DaemonTimer { host: id, run, deadline });
        }
    }

    /// A checked configuration: addresses it does not name any more go.
    fn reload_executor(&mut self, id: HostId, config: &Config) {
        let host = &mut self.hosts[id];
        let names = |address| config.vips.iter().any(|vip| vip.address == address);
        for gone in VIPS.into_iter().filter(|address| !names(*address)) {
            host.kernel.set_address(gone, false);
        }
        host.kernel.lay_rules();
        host.daemon.config = Some(config.clone());
    }
}

/// It is a request to the kernel, and the daemon waits for the answer.
fn is_netlink(action: &Action) -> bool {
    matches!(
        action,
        Action::AddVips
            | Action::RemoveVips
            | Action::OpenFence(_)
            | Action::RenewFence(_)
            | Action::CloseFence { .. }
            | Action::HoldConnections(_)
            | Action::ReleaseConnections
            | Action::OpenSource
    )
}
