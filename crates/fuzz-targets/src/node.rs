//! A node in a world that the input makes up: time, both machines, the kernel, the peer and Redis.
//!
//! The bytes are a configuration, what an earlier run left, and then one step after the other, as
//! [`Scene::step`] reads them. An honest world is one that `linux::reactor` could be in: inputs wait
//! in one queue, and the answer to an action comes behind what waited already, perhaps late, perhaps
//! a refusal. In a dishonest one anything is answered at any time, or never. [`promises`] says what
//! must hold in which.
//!
//! `FUZZ_TRACE=1` in the environment prints inputs and actions as they come.

mod kernel;
mod pair;
mod promises;
mod redis;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use keepair_core::action::Query;
use keepair_core::config::Config;
use keepair_core::input::{Copied, Kept, Operator, RedisInput};
use keepair_core::time::Time;
use keepair_core::{Action, Actions, Input, Node};

use crate::draw::Draw;
use kernel::Kernel;
use pair::PeerDaemon;
use promises::Promises;
use redis::Redis;

/// So many inputs are a long life: enough for several failovers.
const INPUTS_MAX: usize = 800;

/// The bytes are a world and what happens in it.
pub fn run(bytes: &[u8]) {
    play(bytes);
}

/// Plays the whole scene, and gives it back for a look at how far it went.
fn play(bytes: &[u8]) -> Scene<'_> {
    let mut scene = Scene::begin(Draw::new(bytes));
    while !scene.draw.is_empty() && !scene.is_over() {
        scene.step();
    }
    scene.end();
    scene
}

/// One machine of the pair and everything it can notice.
struct Scene<'a> {
    draw: Draw<'a>,
    honest: bool,
    now: Time,
    config: Config,
    node: Node,
    /// What the node is still to be told, in order.
    inputs: VecDeque<Input>,
    /// Further inputs come before those that wait are worked off.
    holding: bool,
    /// The disk is slower: it answers by itself.
    persists: usize,
    /// Sent to the local Redis and not answered yet.
    asked: VecDeque<Query>,
    connecting: bool,
    kernel: Kernel,
    redis: Redis,
    peer: PeerDaemon,
    promises: Promises,
    fed: usize,
}

impl<'a> Scene<'a> {
    fn begin(mut draw: Draw<'a>) -> Self {
        let honest = draw.flag();
        let now = Time(draw.pick(&[1_000_000, 0, 86_400_000_000, 1 << 50]));
        let config = pair::config(&mut draw);
        let kernel = Kernel::new(&config);
        let mut scene = Scene {
            node: Node::new(config.clone(), now),
            promises: Promises::new(&config, honest),
            peer: PeerDaemon::new(&config),
            redis: Redis::new(&config),
            config,
            honest,
            now,
            kernel,
            inputs: VecDeque::new(),
            holding: false,
            persists: 0,
            asked: VecDeque::new(),
            connecting: false,
            fed: 0,
            draw,
        };
        let remains = pair::remains(&mut scene.draw);
        if let Some(left) = remains.fence_left {
            // Where the right is still alive the earlier run also left the addresses.
            scene.kernel.inherit(now + left);
        }
        let alone = remains.instance % 2 == 1;
        scene.tell(Input::Started(remains));
        if alone {
            scene.tell(Input::Operator(Operator::Solo));
        }
        scene
    }

    /// Something happens that the node is to be told.
    fn tell(&mut self, input: Input) {
        if !self.honest {
            self.feed(input);
            return;
        }
        self.inputs.push_back(input);
        if !self.holding {
            self.work_off();
        }
    }

    /// The next input that waits.
    fn work_off_one(&mut self) {
        if let Some(input) = self.inputs.pop_front() {
            self.feed(input);
        }
    }

    /// All inputs that wait, and those they lead to.
    fn work_off(&mut self) {
        self.holding = false;
        while !self.inputs.is_empty() {
            self.work_off_one();
        }
    }

    /// All inputs that wait, while time passes between each and the next.
    fn work_off_slowly(&mut self, pause: Duration) {
        for _ in 0..self.inputs.len() {
            self.work_off_one();
            self.now = self.now + pause;
        }
        self.work_off();
    }

    /// Hands an input to the node and performs what it asks for.
    fn feed(&mut self, input: Input) {
        self.fed += 1;
        trace(|| format!("{} {input:?}", self.now));
        self.promises.hears(&input, &self.node);
        let mut actions = Actions::new();
        self.node.handle(self.now, input, &mut actions);
        self.promises.asks(self.now, &actions, &self.node);
        for action in actions {
            trace(|| format!("    {action:?}"));
            self.promises.performs(self.now, &action, &self.kernel);
            self.perform(action);
        }
        let waiting = !self.inputs.is_empty();
        self.promises.rests(self.now, &self.node, &self.kernel, waiting);
    }

    /// Performs an action, as `linux::executor` does.
    fn perform(&mut self, action: Action) {
        if let Some((done, result)) = self.kernel.perform(self.now, &action) {
            self.inputs.push_back(Input::ActionDone(done, result));
        }
        match action {
            Action::SendReport(report) => self.peer.hears(*report),
            Action::ConnectRedis { .. } => {
                self.asked.clear();
                self.connecting = true;
            }
            Action::DisconnectRedis => {
                self.asked.clear();
                self.connecting = false;
                self.redis.connected = false;
                self.redis.watched = false;
            }
            Action::AskRedis(query) if self.redis.connected => self.asked.push_back(query),
            Action::WatchProcess { pid } => self.redis.watched = pid == self.redis.pid(),
            Action::LookAtProcess => {
                let process = self.redis.look();
                self.inputs.push_back(Input::Redis(RedisInput::Process(process)));
            }
            Action::Persist(_) => self.persists += 1,
            Action::CopyStream(copying) => {
                let copied = Copied { replid: copying.replid, to: self.redis.offset() };
                let result = match copying.from % 4 {
                    0 => Err("Redis has no backlog to begin with".to_owned()),
                    1 => return,
                    _ => Ok(copied),
                };
                self.inputs.push_back(Input::StreamCopied(result));
            }
            Action::Salvage(order) => {
                let result = match order.number % 5 {
                    0 => Ok(Kept::Tail { to: self.redis.offset(), commands: 2, keys: 1 }),
                    1 => Ok(Kept::Nothing { to: self.redis.offset() }),
                    2 => Err("the backlog does not reach back to it".to_owned()),
                    3 => Ok(Kept::Files { bytes: 1 }),
                    // Never.
                    _ => return,
                };
                self.inputs.push_back(Input::Salvaged { number: order.number, result });
            }
            _ => {}
        }
    }

    /// The node has exited, or has lived long enough.
    fn is_over(&self) -> bool {
        self.promises.exited() || self.fed >= INPUTS_MAX
    }

    /// Time passes up to the deadline, and so much more.
    fn wake(&mut self, late: Duration) {
        if self.promises.exited() {
            return;
        }
        self.now = self.now.max(self.node.deadline()) + late;
        self.due();
    }

    /// The deadline is handled, if it has come. A node that wants to be woken at once again, and
    /// again, would keep everything else from the processor.
    fn due(&mut self) {
        const MOST: u32 = 3;
        if self.honest {
            self.work_off();
        }
        for _ in 0..MOST {
            if self.node.deadline() > self.now {
                return;
            }
            self.tell(Input::Deadline);
        }
        assert!(self.node.deadline() > self.now, "wants to be woken at once, again and again");
    }

    /// Redis, whose connection waits or who was asked something, answers as it is.
    fn redis_answers(&mut self) {
        let input = if self.connecting {
            self.connecting = false;
            self.redis.accept()
        } else if !self.redis.answers() {
            return;
        } else if let Some(query) = self.asked.pop_front() {
            RedisInput::Reply(query, self.redis.answer(query, &self.config, &self.peer.report))
        } else {
            return;
        };
        if let RedisInput::Lost(_) = input {
            self.asked.clear();
        }
        self.tell(Input::Redis(input));
    }

    /// The connection closes.
    fn redis_hangs_up(&mut self, lost: keepair_core::input::Lost) {
        if self.redis.connected || self.connecting {
            self.asked.clear();
            self.connecting = false;
            self.redis.connected = false;
            self.tell(Input::Redis(RedisInput::Lost(lost)));
        }
    }

    /// Told to stop, with a kernel that does as it is told: it must come to an end.
    fn end(&mut self) {
        self.kernel.refuse(0);
        self.work_off();
        if !self.promises.exited() {
            self.tell(Input::Operator(Operator::Stop));
        }
        let patience = self.promises.patience(&self.config);
        let until = self.now + patience;
        while !self.promises.exited() {
            assert!(self.now <= until, "told to stop {patience:?} ago and still there");
            self.work_off();
            self.wake(Duration::ZERO);
        }
        self.promises.has_left(&self.kernel, self.now);
        // Whatever comes now, nothing is done.
        self.now = self.now + Duration::from_secs(1);
        self.feed(Input::Deadline);
        self.feed(Input::LinkChanged(true));
        let _ = self.node.status(self.now);
    }
}

/// Prints a line when somebody wants to read along.
#[allow(clippy::print_stderr)]
fn trace(line: impl FnOnce() -> String) {
    static WANTED: OnceLock<bool> = OnceLock::new();
    if *WANTED.get_or_init(|| std::env::var_os("FUZZ_TRACE").is_some()) {
        eprintln!("{}", line());
    }
}
