//! The daemon's process: its loop, its timer, its inbox, and what can be done to it.
//!
//! One input at a time; what an input asked for is performed, in order, before the next one is
//! looked at, and each step takes a little time, so that the process can be killed or stopped
//! between any two. A stopped process misses nothing: its sockets keep what comes in.

use crate::checkers::Fact;
use crate::fault::Fault;
use crate::host::HostId;
use crate::world::{Event, World};
use keepair_core::action::{Action, Actions, Query};
use keepair_core::input::{Done, Persisted, RedisInput, Remains};
use keepair_core::time::Time;
use keepair_core::{Input, Node};
use std::collections::VecDeque;
use std::time::Duration;

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

/// A moment in the middle of a daemon's work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// After so many actions, with more of the same list still to be performed.
    Middle(u32),
    /// Right after an action of this kind.
    After(Step),
}

/// The actions a fault may follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// `AddVips`.
    AddVips,
    /// `RemoveVips`.
    RemoveVips,
    /// `OpenFence`.
    OpenFence,
    /// `RenewFence`.
    RenewFence,
    /// `CloseFence`.
    CloseFence,
    /// `OpenSource`: the first of a claim.
    OpenSource,
    /// `SendAdvert`.
    SendAdvert,
    /// `AskRedis(Promote)`.
    Promote,
    /// `AskRedis(Follow)`.
    Follow,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 9] = [
        Step::AddVips,
        Step::RemoveVips,
        Step::OpenFence,
        Step::RenewFence,
        Step::CloseFence,
        Step::OpenSource,
        Step::SendAdvert,
        Step::Promote,
        Step::Follow,
    ];

    fn of(action: &Action) -> Option<Step> {
        Some(match action {
            Action::AddVips => Step::AddVips,
            Action::RemoveVips => Step::RemoveVips,
            Action::OpenFence(_) => Step::OpenFence,
            Action::RenewFence(_) => Step::RenewFence,
            Action::CloseFence { .. } => Step::CloseFence,
            Action::OpenSource => Step::OpenSource,
            Action::SendAdvert(_) => Step::SendAdvert,
            Action::AskRedis(Query::Promote) => Step::Promote,
            Action::AskRedis(Query::Follow) => Step::Follow,
            _ => return None,
        })
    }
}

/// A fault that waits for the daemon to be in the middle of its work.
#[derive(Clone, PartialEq, Debug)]
pub struct Trap {
    /// When it strikes.
    pub moment: Moment,
    /// What happens.
    pub fault: Fault,
    /// It is forgotten if it has not struck by then.
    pub until: Time,
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
    /// It ended by itself.
    pub exited: bool,
    /// The connection to the local Redis.
    pub session: Option<u64>,
    /// The process it watches.
    pub watched: Option<u32>,
    /// A fault in waiting.
    pub trap: Option<Trap>,
    inbox: VecDeque<Input>,
    done: VecDeque<Input>,
    todo: VecDeque<Action>,
    turning: bool,
    timer: Option<Time>,
    sessions: u64,
    asked_after: Time,
    answered_after: Time,
    persisted_after: Time,
}

impl Daemon {
    /// What others see it doing.
    pub fn phase(&self) -> Option<keepair_wire::peer::State> {
        self.node.as_ref().map(Node::state)
    }

    /// A new connection to the local Redis.
    pub(crate) fn open_session(&mut self) -> u64 {
        self.sessions += 1;
        self.session = Some(self.sessions);
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

    /// The answer to a synchronous action, which comes before anything else.
    pub(crate) fn done(&mut self, done: Done, result: Result<(), keepair_core::input::Refused>) {
        self.done.push_back(Input::ActionDone(done, result));
    }
}

impl World {
    pub(crate) fn start_daemon(&mut self, id: HostId) {
        let instance = self.rng.bits();
        let now = self.now;
        let config = self.options.config(id);
        let host = &mut self.hosts[id];
        if !host.powered || host.daemon.state != State::Absent {
            return;
        }
        let remains = Remains {
            instance,
            unix_ms: 1_790_000_000_000 + now.0 / 1000,
            fence_left: host.kernel.fence_left(now),
            link_up: host.kernel.carrier,
            persisted: host.persisted,
        };
        host.daemon = Daemon {
            state: State::Running,
            run: host.daemon.run + 1,
            node: Some(Node::new(config, host.clock(now))),
            sessions: host.daemon.sessions,
            inbox: VecDeque::from([Input::Started(remains)]),
            ..Daemon::default()
        };
        self.wake_daemon(id);
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
            daemon.turning = false;
            self.wake_daemon(id);
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
        let stale = session.is_some() && session != daemon.session;
        if daemon.run == run && daemon.state != State::Absent && !stale {
            daemon.inbox.push_back(input);
            self.wake_daemon(host);
        }
    }

    pub(crate) fn frame_arrives(&mut self, host: HostId, input: Input) {
        let run = self.hosts[host].daemon.run;
        self.daemon_input(host, run, None, input);
    }

    pub(crate) fn persisted(&mut self, host: HostId, run: u64, persisted: Persisted) {
        let daemon = &self.hosts[host].daemon;
        if daemon.run == run && daemon.state != State::Absent {
            self.hosts[host].persisted = Some(persisted);
            self.daemon_input(host, run, None, Input::ActionDone(Done::Persist, Ok(())));
        }
    }

    fn wake_daemon(&mut self, host: HostId) {
        let delay = Duration::from_micros(self.rng.between(5, 40));
        let at = self.now + delay;
        let daemon = &mut self.hosts[host].daemon;
        if daemon.state == State::Running && !daemon.turning {
            daemon.turning = true;
            let run = daemon.run;
            self.schedule(at, Event::DaemonTurns { host, run });
        }
    }

    pub(crate) fn daemon_timer(&mut self, host: HostId, run: u64, at: Time) {
        let daemon = &mut self.hosts[host].daemon;
        if daemon.run == run && daemon.timer == Some(at) {
            daemon.timer = None;
            self.wake_daemon(host);
        }
    }

    /// One step of the loop: an action, or an input, or going to sleep.
    pub(crate) fn daemon_turns(&mut self, id: HostId, run: u64) {
        let now = self.now;
        let host = &mut self.hosts[id];
        if host.daemon.run != run || host.daemon.state != State::Running {
            return;
        }
        if let Some(action) = host.daemon.todo.pop_front() {
            let step = Step::of(&action);
            let cost = self.perform(id, action);
            self.spring_trap(id, step);
            self.turn_again(id, run, cost);
            return;
        }
        let clock = host.clock(now);
        let deadline = match &host.daemon.node {
            Some(node) => node.deadline(),
            None => return,
        };
        let input = match host.daemon.done.pop_front() {
            Some(input) => input,
            None => {
                let due = clock >= deadline;
                let waiting = !host.daemon.inbox.is_empty();
                let first = due && (!waiting || self.rng.chance(500));
                let host = &mut self.hosts[id];
                match host.daemon.inbox.pop_front() {
                    Some(input) if first => {
                        host.daemon.inbox.push_front(input);
                        Input::Deadline
                    }
                    Some(input) => input,
                    None if due => Input::Deadline,
                    None => {
                        self.sleep(id, run, deadline);
                        return;
                    }
                }
            }
        };
        self.handle(id, clock, input);
        self.turn_again(id, run, Duration::from_micros(3));
    }

    fn handle(&mut self, id: HostId, clock: Time, input: Input) {
        let by_timer = input == Input::Deadline;
        let started = matches!(input, Input::Started(_));
        let mut actions = Actions::new();
        let Some(node) = &mut self.hosts[id].daemon.node else {
            return;
        };
        node.handle(clock, input, &mut actions);
        let next = node.deadline();
        self.see(&Fact::Handled {
            host: id,
            by_timer: by_timer && !started,
            actions: &actions,
            late: clock >= next,
        });
        self.hosts[id].daemon.todo.extend(actions);
    }

    fn turn_again(&mut self, host: HostId, run: u64, cost: Duration) {
        let at = self.now + cost.max(Duration::from_micros(1));
        let daemon = &self.hosts[host].daemon;
        if daemon.run == run && daemon.state == State::Running {
            self.schedule(at, Event::DaemonTurns { host, run });
        }
    }

    fn sleep(&mut self, id: HostId, run: u64, deadline: Time) {
        let host = &mut self.hosts[id];
        host.daemon.turning = false;
        let at = host.moment(deadline);
        if host.daemon.timer != Some(at) && at != Time(u64::MAX) {
            host.daemon.timer = Some(at);
            self.schedule(at, Event::DaemonTimer { host: id, run, at });
        }
    }

    /// A fault in the middle of an action list: after one that the world has seen, before the next.
    fn spring_trap(&mut self, id: HostId, step: Option<Step>) {
        let daemon = &mut self.hosts[id].daemon;
        let Some(mut trap) = daemon.trap.take() else {
            return;
        };
        if self.now > trap.until {
            return;
        }
        let strikes = match &mut trap.moment {
            Moment::Middle(_) if daemon.todo.is_empty() => false,
            Moment::Middle(0) => true,
            Moment::Middle(left) => {
                *left -= 1;
                false
            }
            Moment::After(wanted) => step == Some(*wanted),
        };
        if strikes {
            self.apply(trap.fault);
        } else {
            daemon.trap = Some(trap);
        }
    }
}
