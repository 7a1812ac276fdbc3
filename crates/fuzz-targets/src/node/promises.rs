//! What must hold whatever happens, and what must hold as long as the kernel answers truthfully.
//!
//! The simulator's checkers say more, of a world that is right. These say what a node owes to any
//! world: it keeps no processor busy, it keeps its timers, it serves only with a Redis that it knows
//! to be a primary, it is silent about addresses it does not have, it is shut before it says so, and
//! it goes when it is told to.

use std::time::Duration;

use keepair_core::action::Query;
use keepair_core::config::Config;
use keepair_core::input::{Operator, RedisInput, Reply};
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

/// What has been promised and seen so far.
#[derive(Debug)]
pub(super) struct Promises {
    honest: bool,
    config: Config,
    /// The longest advert interval it was ever given.
    interval_max: Duration,
    before: State,
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
                match (query, reply) {
                    (Query::Info, Reply::Info(info)) => self.role = info.role,
                    (Query::Follow, reply) if !matches!(reply, Reply::Error(_)) => self.role = None,
                    _ => {}
                }
            }
            Input::Operator(Operator::Stop) => self.told_to_stop = true,
            Input::Operator(Operator::Reload(config)) => {
                self.config = (**config).clone();
                self.interval_max = self.interval_max.max(config.advert_interval);
            }
            _ => {}
        }
    }

    /// It has answered with actions, which are not performed yet.
    pub(super) fn asks(&mut self, now: Time, actions: &[Action], node: &Node) {
        if self.exited {
            assert!(actions.is_empty(), "it has exited, and asks for {actions:?}");
            assert_eq!(node.deadline(), Time(u64::MAX));
            return;
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
                assert!(primary, "clients are let to a Redis that is {:?}", self.role);
                let life = until.since(now);
                assert!(
                    life <= vrrp::fence_life(&self.config, self.config.peer().priority.0),
                    "a right of {life:?}"
                );
                if matches!(action, Action::RenewFence(_)) && self.before == State::Active {
                    // A daemon that dies now must be silent on the address before the peer, which
                    // counts from the last advert, takes it.
                    let peer = self.config.peer().priority.0;
                    let patience = vrrp::active_down(peer, self.config.advert_interval);
                    let taken_at = self.advert_at.map(|at| at + patience);
                    assert!(taken_at.is_some_and(|at| *until < at), "{until} of {taken_at:?}");
                }
            }
            Action::OpenSource => assert!(self.role.is_some(), "a source nobody looked at"),
            Action::Announce => self.tells_of_vips(kernel),
            Action::SendAdvert(advert) => {
                self.passes_the_peers_checks(advert);
                if advert.priority > 0 {
                    self.tells_of_vips(kernel);
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
        assert!(status.members.iter().all(|member| !member.reason.is_empty()));
    }

    /// Nobody is told of an address that is not there. Where somebody else took it off, the daemon
    /// has to be told first.
    fn tells_of_vips(&self, kernel: &Kernel) {
        let there = kernel.present || kernel.taken;
        assert!(there || !self.honest, "it tells of an address it does not have");
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
