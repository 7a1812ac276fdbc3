//! The senses for the local Redis: is it there, does it answer, and if not, is it dead, stopped,
//! or only busy?
//!
//! Three signals: the connection or the process ends (`Gone`, at once); a PING stays unanswered
//! *and* the process is stopped (`Hung`); INFO says what it holds. A slow script, a fork or a slow
//! disk leaves PING unanswered too, but the process runs, sleeps or waits for the disk: that is
//! `Busy`, and no reason to fail over. Not here: what follows from it (`node`).

use crate::action::{Action, Actions, Query};
use crate::config::Timing;
use crate::input::{Lost, Process, RedisInput, Reply, Settings};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::time::Duration;
use keepair_wire::info::{Info, LinkStatus, Role};

/// After a thread of Redis ended and the process seemed to live on.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Between the first watches of a process, and between later ones.
const WATCH_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2)];
const WATCH_AGAIN: Duration = Duration::from_secs(10);

/// Why Redis counts as hung, for people. A name of its own, lest serde want to borrow it from what it
/// reads.
pub type HungWhy = &'static str;
const STOPPED: HungWhy = "its process is stopped";
const ASLEEP: HungWhy = "its process sleeps and answers nothing";

/// How the local Redis is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Health {
    /// Not yet known.
    Unknown,
    /// It answers.
    Good,
    /// It does not answer right now, and its process is alive.
    Busy,
    /// It is stopped, or its event loop is dead; which.
    Hung(#[cfg_attr(feature = "serde", serde(deserialize_with = "hung_why"))] HungWhy),
    /// There is no Redis to talk to; why.
    Gone(String),
}

impl Health {
    /// Redis can serve, if not this very moment.
    pub fn serves(&self) -> bool {
        matches!(self, Health::Good | Health::Busy)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Connection {
    Down { retry_at: Time },
    Connecting { give_up_at: Time },
    Up,
}

/// What changed for `node` to react to.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// Nothing that matters outside.
    None,
    /// A connection was established.
    Connected,
    /// A fresh INFO is in [`Monitor::info`].
    Info,
    /// The settings were read.
    Settings(Box<Settings>),
    /// A query other than PING, INFO and the settings was answered.
    Answer(Query, Result<(), String>),
    /// Health changed for the worse: Redis is gone or hung.
    Failed,
}

/// Everything known of the local Redis.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Monitor {
    connection: Connection,
    attempt: u32,
    /// How it is.
    pub health: Health,
    /// The last INFO of this connection.
    pub info: Option<Box<Info>>,
    /// Why the password or user was refused, while it is.
    pub auth_problem: Option<String>,
    ping_at: Time,
    ping_sent_at: Option<Time>,
    info_due_at: Time,
    info_asked: u64,
    /// Number of the INFO request that [`Monitor::info`] answers.
    pub info_answered: u64,
    look_at: Option<Time>,
    cpu_ticks: Option<u64>,
    idle_since: Option<Time>,
    /// The pid, how often it was watched, and when it is to be watched anew.
    watched: Option<(u32, usize, Time)>,
}

impl Monitor {
    /// Nothing is known; connects at the first chance.
    pub fn new(now: Time) -> Self {
        Monitor {
            connection: Connection::Down { retry_at: now },
            attempt: 0,
            health: Health::Unknown,
            info: None,
            auth_problem: None,
            ping_at: now,
            ping_sent_at: None,
            info_due_at: now,
            info_asked: 0,
            info_answered: 0,
            look_at: None,
            cpu_ticks: None,
            idle_since: None,
            watched: None,
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Time {
        match self.connection {
            Connection::Down { retry_at } => retry_at,
            Connection::Connecting { give_up_at } => give_up_at,
            Connection::Up => {
                let ping = if self.ping_sent_at.is_none() { self.ping_at } else { Time(u64::MAX) };
                let info = if self.info_pending() { Time(u64::MAX) } else { self.info_due_at };
                ping.min(info).min(self.look_at.unwrap_or(Time(u64::MAX)))
            }
        }
    }

    /// Redis is connected.
    pub fn connected(&self) -> bool {
        self.connection == Connection::Up
    }

    /// Asks for INFO now, unless the answer to an earlier one is on its way.
    pub fn ask_info(&mut self, out: &mut Actions) {
        if !self.info_pending() {
            self.demand_info(out);
        }
    }

    /// Asks for INFO now, whatever is on its way: the answer with the returned number, or a later
    /// one, tells of a time after this call.
    pub fn demand_info(&mut self, out: &mut Actions) -> u64 {
        if self.connected() {
            self.info_asked += 1;
            out.push(Action::AskRedis(Query::Info));
        }
        self.info_asked
    }

    /// The number of the last INFO that was asked for.
    pub fn info_asked(&self) -> u64 {
        self.info_asked
    }

    /// Asks for INFO at that time, if not sooner.
    pub fn ask_info_at(&mut self, at: Time) {
        self.info_due_at = self.info_due_at.min(at);
    }

    /// What INFO said no longer holds.
    pub fn forget_info(&mut self) {
        self.info = None;
    }

    fn info_pending(&self) -> bool {
        self.info_asked > self.info_answered
    }

    /// Does what is due; `Change::Failed` when patience has run out.
    pub fn tick(&mut self, now: Time, timing: &Timing, out: &mut Actions) -> Change {
        match self.connection {
            Connection::Down { retry_at } if now >= retry_at => {
                // A Redis that answered a moment ago is asked once more, not waited for.
                let patience =
                    if self.health.serves() { timing.ping_timeout } else { timing.hang_timeout };
                self.connection = Connection::Connecting { give_up_at: now + patience };
                out.push(Action::ConnectRedis { attempt: self.attempt });
                self.attempt = self.attempt.wrapping_add(1);
            }
            Connection::Down { .. } => {}
            Connection::Connecting { give_up_at } if now >= give_up_at => {
                let why = "it accepts connections and answers nothing".to_string();
                return self.lose(now, timing, why, out);
            }
            Connection::Connecting { .. } => {}
            Connection::Up => {
                if self.ping_sent_at.is_none() && now >= self.ping_at {
                    self.ping_sent_at = Some(now);
                    self.ping_at = now + timing.ping_interval;
                    self.look_at = Some(now + timing.ping_timeout);
                    out.push(Action::AskRedis(Query::Ping));
                }
                if now >= self.info_due_at {
                    self.info_due_at = now + timing.info_interval;
                    self.ask_info(out);
                }
                if self.look_at.is_some_and(|at| now >= at) {
                    self.look_at = Some(now + timing.ping_timeout / 4);
                    out.push(Action::LookAtProcess);
                }
            }
        }
        Change::None
    }

    /// Takes in a fact and says what it changed.
    pub fn handle(
        &mut self,
        now: Time,
        timing: &Timing,
        input: RedisInput,
        out: &mut Actions,
    ) -> Change {
        match input {
            RedisInput::Connected => {
                self.connection = Connection::Up;
                self.attempt = 0;
                self.auth_problem = None;
                self.forget_process();
                // Whether it answers is still to be seen: a dying process accepts connections
                // until its memory is freed.
                self.ping_at = now;
                self.info_due_at = now + timing.info_interval;
                out.push(Action::AskRedis(Query::Settings));
                self.ask_info(out);
                Change::Connected
            }
            RedisInput::Lost(lost) => {
                if let Lost::AuthFailed(text) = &lost {
                    self.auth_problem = Some(text.clone());
                }
                if lost == Lost::Closed && self.connected() && self.watched.is_some() {
                    // Somebody may have closed this connection only (CLIENT KILL, ACL LOAD): look
                    // whether the process lives, and knock once more.
                    self.connection = Connection::Down { retry_at: now };
                    self.ping_sent_at = None;
                    self.info_answered = self.info_asked;
                    out.push(Action::LookAtProcess);
                    return Change::None;
                }
                self.lose(now, timing, lost_text(lost), out)
            }
            RedisInput::Reply(query, reply) => self.reply(query, reply),
            RedisInput::ProcessStirred => {
                // The threads of a dying process end one after the other; look again soon.
                self.look_at = Some(now + LOOK_AGAIN);
                out.push(Action::LookAtProcess);
                Change::None
            }
            RedisInput::Process(process) => self.look(now, timing, process, out),
        }
    }

    fn lose(&mut self, now: Time, timing: &Timing, why: String, out: &mut Actions) -> Change {
        out.push(Action::DisconnectRedis);
        let failed = !matches!(self.health, Health::Gone(_));
        self.connection = Connection::Down { retry_at: now + timing.reconnect_interval };
        self.forget_process();
        self.info = None;
        self.health = Health::Gone(why);
        if failed { Change::Failed } else { Change::None }
    }

    fn forget_process(&mut self) {
        self.ping_sent_at = None;
        self.info_answered = self.info_asked;
        self.look_at = None;
        self.cpu_ticks = None;
        self.idle_since = None;
        self.watched = None;
    }

    fn reply(&mut self, query: Query, reply: Reply) -> Change {
        if self.connection != Connection::Up {
            return Change::None;
        }
        // Any answer at all shows that the event loop turns, an error too (-LOADING, -BUSY,
        // -MISCONF): none of these is a dead Redis.
        self.look_at = None;
        self.idle_since = None;
        self.health = Health::Good;
        match (query, reply) {
            (Query::Ping, _) => {
                self.ping_sent_at = None;
                Change::None
            }
            (Query::Info, Reply::Info(info)) => {
                self.info_answered += 1;
                self.info = Some(info);
                Change::Info
            }
            (Query::Info, _) => {
                self.info_answered += 1;
                Change::None
            }
            (Query::Settings, Reply::Settings(settings)) => Change::Settings(settings),
            (Query::Settings, _) => Change::None,
            (query, Reply::Error(text)) => Change::Answer(query, Err(text)),
            (query, Reply::Info(info)) => {
                self.info = Some(info);
                Change::Answer(query, Ok(()))
            }
            (query, _) => Change::Answer(query, Ok(())),
        }
    }

    /// The pid to watch, when INFO has named it: at once, and again later, because a Redis that was
    /// just started has not started all its threads yet, and these tell first of its end.
    pub fn pid_to_watch(&mut self, now: Time) -> Option<u32> {
        let pid = self.info.as_ref()?.process_id?;
        let (watches, due) = match self.watched {
            Some((known, watches, due)) if known == pid => (watches, due),
            _ => (0, now),
        };
        if now < due {
            return None;
        }
        let wait = WATCH_WAITS.get(watches).unwrap_or(&WATCH_AGAIN);
        self.watched = Some((pid, watches.saturating_add(1), now + *wait));
        Some(pid)
    }

    fn look(
        &mut self,
        now: Time,
        timing: &Timing,
        process: Option<Process>,
        out: &mut Actions,
    ) -> Change {
        if matches!(self.health, Health::Gone(_)) {
            return Change::None;
        }
        let gone = |process: Process| process.exiting || matches!(process.state, 'X' | 'Z');
        if process.is_some_and(gone) {
            // Its sockets may stay open for as long as the kernel takes to free its memory; nobody
            // will ever answer on them.
            return self.lose(now, timing, "the process is exiting".to_string(), out);
        }
        let unanswered =
            self.ping_sent_at.is_some_and(|sent_at| now.since(sent_at) >= timing.ping_timeout);
        if !unanswered {
            return Change::None;
        }
        // Without a process to look at (a container's, say), silence is all there is to go by.
        let state = process.map_or('S', |process| process.state);
        let stopped = matches!(state, 'T' | 't');
        let ticks = process.map(|process| process.cpu_ticks);
        let ran = self.cpu_ticks.is_some() && self.cpu_ticks != ticks;
        self.cpu_ticks = ticks;
        if ran || matches!(state, 'R' | 'D') {
            self.idle_since = None;
        } else if self.idle_since.is_none() {
            self.idle_since = self.ping_sent_at;
        }
        let idle = self.idle_since.is_some_and(|since| now.since(since) >= timing.hang_timeout);
        let health = if stopped {
            Health::Hung(STOPPED)
        } else if idle {
            Health::Hung(ASLEEP)
        } else {
            Health::Busy
        };
        let failed = matches!(health, Health::Hung(_)) && !matches!(self.health, Health::Hung(_));
        self.health = health;
        if failed { Change::Failed } else { Change::None }
    }

    /// INFO says `role:master`.
    pub fn is_primary(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.role == Some(Role::Primary))
    }

    /// Redis is loading its data or receiving a full synchronisation.
    pub fn is_syncing(&self) -> bool {
        self.info.as_ref().is_some_and(|info| {
            info.loading == Some(true)
                || info.async_loading == Some(true)
                || info.master_sync_in_progress == Some(true)
        })
    }

    /// For how many seconds nothing has come of a full synchronisation that is being received.
    pub fn sync_silent_s(&self) -> Option<i64> {
        let info = self.info.as_ref()?;
        // The last of it is followed by the loading, which takes its time.
        let receiving = info.master_sync_in_progress == Some(true)
            && info.loading != Some(true)
            && info.async_loading != Some(true);
        info.master_sync_last_io_seconds_ago.filter(|_| receiving)
    }

    /// Redis is a replica whose link to its primary is up.
    pub fn link_up(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.master_link_status == Some(LinkStatus::Up))
    }
}

fn lost_text(lost: Lost) -> String {
    match lost {
        Lost::Closed => "nobody listens, or the connection closed".to_string(),
        Lost::AuthFailed(text) | Lost::Failed(text) => text,
    }
}

/// One of the reasons this program knows.
#[cfg(feature = "serde")]
fn hung_why<'de, D: serde::Deserializer<'de>>(from: D) -> Result<HungWhy, D::Error> {
    let text: String = serde::Deserialize::deserialize(from)?;
    [STOPPED, ASLEEP]
        .into_iter()
        .find(|known| *known == text)
        .ok_or_else(|| serde::de::Error::custom("an unknown reason for a hang"))
}

#[cfg(test)]
mod tests;
