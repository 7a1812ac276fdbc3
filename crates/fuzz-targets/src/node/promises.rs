//! What must hold whatever happens, and what must hold as long as the kernel answers truthfully.
//!
//! The simulator's checkers say more, of a world that is right. These say what a node owes to any
//! world: it keeps no processor busy, it keeps its timers, it serves only with a Redis that it knows
//! to be a primary, it is silent about addresses it does not have, it is shut before it says so, and
//! it goes when it is told to.

use std::time::Duration;

use keepair_core::action::Query;
use keepair_core::config::Config;
use keepair_core::event::{Event, SwitchoverStep};
use keepair_core::input::{Done, Operator, RedisInput, Reply};
use keepair_core::status::Status;
use keepair_core::time::Time;
use keepair_core::{Action, Input, Node, vrrp};
use keepair_wire::info::Role;
use keepair_wire::peer::{RedisFacts, Report, State};
use keepair_wire::vrrp::{Advert, ChecksumForm, GROUP_V4, GROUP_V6};

use super::kernel::Kernel;

/// Actions for one input, as in the simulator.
const ACTIONS_MAX: usize = 40;
/// After a hand-over, for the standby to take the address; see `core/src/node/switchover.rs`.
const HAND_OVER: Duration = Duration::from_secs(2);
/// For what is due at once.
const MOMENT: Duration = Duration::from_millis(100);

/// What the node knows of the virtual addresses here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vips {
    /// It has taken them off, or never had them.
    Left,
    /// The kernel has said that they are there.
    Held,
    /// The kernel has refused to have them there.
    Refused,
}

/// What has been promised and seen so far.
#[derive(Debug)]
pub(super) struct Promises {
    honest: bool,
    config: Config,
    /// The longest advert interval it was ever given.
    interval_max: Duration,
    before: State,
    after: State,
    vips: Vips,
    /// In the switchover that is under way the local Redis is to pause writes, ...
    redis_pauses: bool,
    /// ... or the fence keeps them from a Redis that can't.
    holds_writes: bool,
    connected: bool,
    /// What the local Redis last said it is, on this connection.
    role: Option<Role>,
    advert_at: Option<Time>,
    report_seq: u64,
    told_to_stop: bool,
    exited: bool,
    resting_with_vips_since: Option<Time>,
    /// What the operator was told.
    pub(super) told: Vec<String>,
}

impl Promises {
    pub(super) fn new(config: &Config, honest: bool) -> Self {
        Promises {
            honest,
            config: config.clone(),
            interval_max: config.advert_interval,
            before: State::Starting,
            after: State::Starting,
            vips: Vips::Left,
            redis_pauses: false,
            holds_writes: false,
            connected: false,
            role: None,
            advert_at: None,
            report_seq: 0,
            told_to_stop: false,
            exited: false,
            resting_with_vips_since: None,
            told: Vec::new(),
        }
    }

    /// It has asked to be ended.
    pub(super) fn exited(&self) -> bool {
        self.exited
    }

    /// How long it may take after it was told to stop.
    pub(super) fn patience(&self, config: &Config) -> Duration {
        config.timing.switchover_timeout + HAND_OVER + MOMENT
    }

    /// The node is about to be told something.
    pub(super) fn hears(&mut self, input: &Input, node: &Node) {
        self.before = node.state();
        match input {
            Input::Redis(RedisInput::Connected) => self.connected = true,
            Input::Redis(RedisInput::Lost(_)) => self.connected = false,
            Input::Redis(RedisInput::Reply(query, reply)) if self.connected => {
                self.hears_reply(*query, reply);
            }
            Input::ActionDone(Done::AddVips, Ok(())) => self.vips = Vips::Held,
            Input::ActionDone(Done::AddVips, Err(_)) => self.vips = Vips::Refused,
            Input::Operator(Operator::Stop) => self.told_to_stop = true,
            Input::Operator(Operator::Reload(config)) => {
                self.config = (**config).clone();
                self.interval_max = self.interval_max.max(config.advert_interval);
            }
            _ => {}
        }
    }

    fn hears_reply(&mut self, query: Query, reply: &Reply) {
        if let Reply::Info(info) = reply
            && !matches!(query, Query::Ping | Query::Settings)
        {
            self.role = info.role;
        }
        // What INFO said before no longer holds. A lie about it may go unnoticed.
        if query == Query::Follow && self.honest && !matches!(reply, Reply::Error(_)) {
            self.role = None;
        }
    }

    /// It has answered with actions, which are not performed yet.
    pub(super) fn asks(&mut self, now: Time, actions: &[Action], node: &Node) {
        if self.exited {
            assert!(actions.is_empty(), "it has exited, and asks for {actions:?}");
            assert_eq!(node.deadline(), Time(u64::MAX));
            return;
        }
        self.after = node.state();
        for action in actions {
            match action {
                Action::AskRedis(Query::PauseWrites(_)) => self.redis_pauses = true,
                Action::Tell(Event::Switchover(SwitchoverStep::Paused)) => {
                    self.holds_writes = !self.redis_pauses;
                }
                Action::Tell(Event::Switchover(SwitchoverStep::CalledOff(_))) => {
                    (self.redis_pauses, self.holds_writes) = (false, false);
                }
                _ => {}
            }
        }
        if self.after != State::Active {
            (self.redis_pauses, self.holds_writes) = (false, false);
        }
        assert!(actions.len() <= ACTIONS_MAX, "{} actions", actions.len());
        let exits = actions.contains(&Action::Exit);
        assert!(!exits || self.told_to_stop, "nobody told it to stop");
        let sleeps = node.deadline().since(now);
        assert!(exits || sleeps <= self.interval_max, "it sleeps for {sleeps:?}");
        let active = |state| state == State::Active;
        if active(self.before) && !active(node.state()) {
            let closes = actions.iter().any(|action| matches!(action, Action::CloseFence { .. }));
            assert!(closes, "it leaves and the fence stays open");
        }
        if actions.contains(&Action::AskRedis(Query::Follow)) {
            let rests = matches!(node.state(), State::Backup | State::Unfit | State::Stopping);
            assert!(rests, "it makes a replica of what it serves");
        }
        // Not `FollowingAnew`: Redis is the peer's replica already, and goes on to be.
        if actions.contains(&Action::Tell(Event::Following)) {
            never_replaced_by_nothing(&node.status(now));
        }
    }

    /// An action is about to be performed.
    pub(super) fn performs(&mut self, now: Time, action: &Action, kernel: &Kernel) {
        match action {
            Action::DisconnectRedis => {
                self.connected = false;
                self.role = None;
            }
            Action::OpenFence(until) | Action::RenewFence(until) => {
                let primary = self.role == Some(Role::Primary);
                // What a lie made of one that holds the address shows with the next INFO.
                let holds = [self.before, self.after].contains(&State::Active);
                let excused = holds && !self.honest;
                assert!(primary || excused, "clients are let to a Redis that is {:?}", self.role);
                // A closed fence is not renewed by renewing it.
                let opens = matches!(action, Action::OpenFence(_)) && self.honest;
                assert!(!(opens && self.holds_writes), "it lets writes through before the last");
                let life = until.since(now);
                let longest = vrrp::fence_life(&self.config, self.config.peer().priority.0);
                assert!(life <= longest, "a right of {life:?}");
            }
            Action::RemoveVips => self.vips = Vips::Left,
            Action::OpenSource => assert!(self.role.is_some(), "a source nobody looked at"),
            Action::Announce => self.tells_of_vips(kernel),
            Action::SendAdvert(advert) => {
                self.passes_the_peers_checks(advert);
                if advert.priority > 0 {
                    self.tells_of_vips(kernel);
                    self.closes_in_time(now, kernel);
                    self.advert_at = Some(now);
                } else if self.honest {
                    assert!(!kernel.answers(now), "it says farewell while clients are answered");
                }
            }
            Action::SendReport(report) => self.can_be_read(report),
            Action::Tell(event) => self.told.push(event.to_string()),
            Action::Exit => self.exited = true,
            _ => {}
        }
    }

    /// All actions of an input are performed; `waiting` is whether answers are on their way.
    pub(super) fn rests(&mut self, now: Time, node: &Node, kernel: &Kernel, waiting: bool) {
        if self.exited {
            return;
        }
        if node.state() == State::Active {
            let silent = self.advert_at.map(|at| now.since(at));
            let interval = self.config.advert_interval;
            assert!(silent.is_some_and(|silent| silent < interval), "silent for {silent:?}");
        }
        if !self.honest {
            return;
        }
        // Where somebody else took them off, the daemon has to be told first.
        let there = kernel.present || kernel.taken || waiting;
        let holds = node.state() == State::Active;
        assert!(there || !holds, "it holds an address that is not there");
        let held = !self.holds_writes || waiting || !kernel.answers(now);
        assert!(held, "writes come through while it waits for the last one");
        let rests = matches!(node.state(), State::Backup | State::Unfit);
        let open = kernel.is_open(now) && !kernel.close_refused;
        assert!(!(rests && open), "it rests and the fence is open");
        // A little later the addresses are gone too; after a switchover they wait for Redis to close
        // its clients.
        let behind = rests && kernel.some_present && !kernel.remove_refused && !waiting;
        if !behind {
            self.resting_with_vips_since = None;
            return;
        }
        let since = *self.resting_with_vips_since.get_or_insert(now);
        let long = now.since(since) > HAND_OVER + MOMENT;
        assert!(!long, "it rests, and the addresses are still there");
    }

    /// Nothing is left behind by a daemon that went by itself, as far as the kernel let it.
    pub(super) fn has_left(&self, kernel: &Kernel, now: Time) {
        if self.honest && !kernel.close_refused && !kernel.remove_refused {
            assert!(!kernel.some_present, "it exited, and the addresses are still there");
            assert!(!kernel.is_open(now), "it exited, and its fence is open");
        }
    }

    /// Somebody looks at its status.
    pub(super) fn looks(&self, status: &Status) {
        let [own, peer] = &status.members;
        assert!(own.local && !peer.local && own.heard);
        assert!(status.members.iter().all(|member| member.lag_bytes.is_none_or(|lag| lag >= 0)));
        assert!(!own.reason.is_empty());
    }

    /// Nobody is told of an address before the kernel has said that it is there, or after it has
    /// said that it can't be.
    fn tells_of_vips(&self, kernel: &Kernel) {
        let there = self.vips == Vips::Held && kernel.claimed;
        assert!(there || !self.honest, "it tells of an address it does not have");
    }

    /// A daemon that dies right after this advert must be silent on the address before the peer,
    /// which counts from it, takes over.
    fn closes_in_time(&self, now: Time, kernel: &Kernel) {
        let peer = self.config.peer().priority.0;
        let taken_at = now + vrrp::active_down(peer, self.config.advert_interval);
        let in_time = kernel.fence_until.is_none_or(|until| until < taken_at);
        // What the kernel has just refused the node does not know yet.
        let excused = kernel.renewal_refused || kernel.close_refused || !self.honest;
        assert!(in_time || excused, "its right outlasts the peer's patience");
    }

    fn passes_the_peers_checks(&self, advert: &Advert) {
        let mut theirs = self.config.clone();
        theirs.me ^= 1;
        let src = self.config.own().address;
        let dst = if src.is_ipv4() { GROUP_V4.into() } else { GROUP_V6.into() };
        let message = advert.emit(src, dst, ChecksumForm::MessageOnly);
        let taken = vrrp::check_advert(&theirs, src, dst, vrrp::TTL, &message);
        assert_eq!(taken.as_ref(), Ok(advert));
    }

    fn can_be_read(&mut self, report: &Report) {
        assert!(report.seq > self.report_seq, "a report that is no news");
        self.report_seq = report.seq;
        let read = Report::decode(&report.encode()).expect("a report");
        // Control characters and what is too long are left out of the reason.
        assert_eq!(Report { reason: report.reason.clone(), ..read }, *report);
    }
}

/// A Redis that holds something is not made a copy of one that holds nothing and knows nothing of
/// it.
pub(super) fn never_replaced_by_nothing(status: &Status) {
    let [own, peer] = &status.members;
    let (mine, theirs) = (&own.redis, &peer.redis);
    let loses = status.link_up && !mine.empty && theirs.empty && strangers(mine, theirs);
    assert!(!loses, "data is to be replaced by nothing");
}

fn strangers(mine: &RedisFacts, theirs: &RedisFacts) -> bool {
    let known = |id: [u8; 20]| id != [0; 20];
    let ids = |facts: &RedisFacts| [facts.replid, facts.replid2];
    !ids(mine).iter().any(|id| known(*id) && ids(theirs).contains(id))
}
