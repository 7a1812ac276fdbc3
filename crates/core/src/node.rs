//! The node: one machine of the pair, deciding.
//!
//! Level-triggered. An input changes what is known; then [`Node::advance`] looks at everything
//! that is known and does the next step of whatever is under way. A step that was lost is found
//! missing at the next look; no plan lives in a queue.
//!
//! Where to read on: `fitness` (could I take over?), `takeover` (standby becomes primary), `active`
//! (adverts, leaving), `switchover` (planned), `follow` (becoming or staying the replica),
//! `report` (what the peer and the operator are told).

mod active;
mod ballot;
mod copy;
mod fitness;
mod follow;
mod lateness;
mod operator;
mod report;
mod salvage;
mod switchover;
mod takeover;

use crate::action::{Action, Actions, Query};
use crate::config::{Config, Generation};
use crate::event::Event;
use crate::input::{Done, Input, Persisted, RedisInput, Refused};
use crate::monitor::{Change, Health, Monitor};
use crate::peer::Peer;
use crate::reach::Reach;
use crate::settings::Problems;
use crate::status::Counters;
use crate::time::Time;
use crate::timeline::Timeline;
use crate::votes::Votes;
use crate::vrrp::{self, Drop, Timers};
use active::{Active, Leave};
use alloc::string::{String, ToString};
use core::net::IpAddr;
use core::time::Duration;
use keepair_wire::info::RunId;
use keepair_wire::peer::{Cause, Failover, Leaving, Report, State};
use keepair_wire::vrrp::Advert;
use switchover::Switchover;
use takeover::Takeover;

/// After a stall, for how long another gap makes what is read old as well.
const STALLED_FOR: Duration = Duration::from_secs(1);
/// After the disk refused to keep the generation.
const PERSIST_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// After the kernel refused to shut the gate to a Redis that may have come back empty.
const CLOSE_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// After the kernel refused to remove an address that was left.
const REMOVE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the node is doing.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// Not started: nothing is known of what an earlier run left.
    New,
    /// Before the first decision.
    Starting {
        /// The peer is waited for until then.
        until: Time,
        /// An earlier run's right to the address is still alive in the kernel until then.
        resume_until: Option<Time>,
    },
    /// VRRP Initialize.
    Unfit,
    /// VRRP Backup.
    Backup,
    /// On the way from Backup to Active.
    TakingOver(Takeover),
    /// VRRP Active.
    Active(Active),
    /// On the way out; exits at the latest then.
    Stopping { until: Time },
    /// Asked to exit; nothing is done any more.
    Stopped,
}

/// One machine of the pair.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Node {
    config: Config,
    phase: Phase,
    reason: String,
    timers: Timers,
    monitor: Monitor,
    peer: Peer,
    link_up: bool,
    instance: u64,
    /// Unix milliseconds minus monotonic milliseconds.
    unix_ms_offset: i64,
    generation: Generation,
    /// This machine began it: it served, while the other one followed or was away.
    served: bool,
    /// What a restarted Redis still holds, and what the other one can hold.
    reach: Reach,
    /// The Redis process whose data is known to be of `generation`.
    held_run_id: Option<RunId>,
    /// The Redis process that was looked at last.
    seen_run_id: Option<RunId>,
    persisted: Option<Persisted>,
    /// The number of the first INFO asked after the address was served last.
    quiet_info: u64,
    /// The disk refused; try again then.
    persist_again_at: Option<Time>,
    /// The address was left to a peer that may not hear of it: then Redis lets go of its replicas.
    drop_replicas_at: Option<Time>,
    /// The kernel did not remove the addresses; try again then.
    remove_again_at: Option<Time>,
    /// The kernel was asked to serve the addresses until then, for a claim that failed: no advert has
    /// told the peer of it.
    unheard_right: Option<Time>,
    /// The kernel did not shut the fence or the gate to the local Redis; try again then.
    close_again_at: Option<Time>,
    /// The peer has been heard since this daemon started, or since it left the address to it.
    peer_has_spoken: bool,
    /// The address was left since it was last held.
    left: bool,
    /// The address was left to a peer that could take it.
    left_to_peer: bool,
    /// The address can't be claimed before then; why.
    blocked: Option<(Time, String)>,
    leave: Option<Leave>,
    leaving: Option<(Leaving, Time)>,
    switchover: Option<Switchover>,
    follow: follow::Follow,
    copy: copy::Copy,
    timeline: Option<Timeline>,
    failover: Option<Failover>,
    wanted: u32,
    /// A switchover that was asked for here may begin until then.
    wanted_until: Option<Time>,
    wanted_seen: Option<u32>,
    caught_up_offset: i64,
    /// When the standby's Redis, this one, had the last byte of a paused primary.
    caught_up_at: Option<Time>,
    /// The addresses are still present, shut by the fence, so that Redis can close its clients.
    lingering: bool,
    problems: Problems,
    counters: Counters,
    report_seq: u64,
    report_at: Time,
    report_dirty: bool,
    peer_was_heard: bool,
    dropped_told: u32,
    filter_told: bool,
    late_told_at: Option<Time>,
    handled_at: Time,
    /// This node did not run for long: what it reads until then waited in its sockets meanwhile.
    stale_until: Time,
    /// When it had not run for long and ran again.
    stalled_at: Option<Time>,
    /// A farewell that is read until then may have waited.
    doubtful_until: Time,
    /// Adverts of another Active router, without reports that would tell whose data is newer.
    conflict_since: Option<Time>,
    /// With a tie-breaker only.
    votes: Option<Votes>,
    /// The kernel was asked to serve until then, and has not confirmed that it stopped.
    served_until: Option<Time>,
    /// The operator let this machine begin without having heard the peer.
    solo: bool,
    /// The operator said that the local data is the pair's.
    accepted: bool,
}

impl Node {
    /// A node that has not been started: its first input must be [`Input::Started`].
    pub fn new(config: Config, now: Time) -> Self {
        let advert_interval = config.advert_interval;
        Node {
            phase: Phase::New,
            config,
            reason: "starting".to_string(),
            timers: Timers::default(),
            monitor: Monitor::new(now),
            peer: Peer::new(advert_interval),
            link_up: false,
            instance: 0,
            unix_ms_offset: 0,
            generation: Generation(0),
            served: false,
            reach: Reach::default(),
            held_run_id: None,
            seen_run_id: None,
            persisted: None,
            quiet_info: 0,
            persist_again_at: None,
            drop_replicas_at: None,
            remove_again_at: None,
            close_again_at: None,
            unheard_right: None,
            peer_has_spoken: false,
            left: false,
            left_to_peer: false,
            blocked: None,
            leave: None,
            leaving: None,
            switchover: None,
            follow: follow::Follow::default(),
            copy: copy::Copy::default(),
            timeline: None,
            failover: None,
            wanted: 0,
            wanted_until: None,
            wanted_seen: None,
            caught_up_offset: -1,
            caught_up_at: None,
            lingering: false,
            problems: Problems::default(),
            counters: Counters::default(),
            report_seq: 0,
            report_at: now,
            report_dirty: true,
            peer_was_heard: false,
            dropped_told: 0,
            filter_told: false,
            late_told_at: None,
            handled_at: now,
            stale_until: now,
            stalled_at: None,
            doubtful_until: now,
            conflict_since: None,
            votes: None,
            served_until: None,
            solo: false,
            accepted: false,
        }
    }

    /// Takes one input in and appends what is to be done, in order.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Actions) {
        let is_start = matches!(input, Input::Started(_));
        if matches!(self.phase, Phase::Stopped) || matches!(self.phase, Phase::New) != is_start {
            return;
        }
        let slept = now.since(self.handled_at);
        self.note_lateness(now, &input, out);
        self.leave_if_stalled(now, slept, out);
        match input {
            Input::Started(remains) => {
                self.stale_until = now;
                self.instance = remains.instance;
                self.unix_ms_offset = (remains.unix_ms as i64).wrapping_sub((now.0 / 1000) as i64);
                self.link_up = remains.link_up;
                if let Some(persisted) = remains.persisted {
                    self.generation = persisted.generation;
                    self.held_run_id = persisted.run_id;
                    self.solo = persisted.solo;
                    self.served = persisted.served;
                    if let (Some(run_id), Some(mark)) = (persisted.run_id, persisted.aof) {
                        self.reach = Reach::remembered(run_id, mark);
                    }
                    self.persisted = Some(persisted);
                }
                let was_primary = remains.persisted.is_some_and(|persisted| persisted.primary);
                let resume_until =
                    remains.fence_left.filter(|_| was_primary).map(|left| now + left);
                self.begin_votes(now, resume_until);
                if resume_until.is_some() {
                    // The daemon has shut the gate before it knew anything.
                    self.source_was_closed();
                } else {
                    out.push(Action::RemoveVips);
                    self.close_unseen_source(out);
                }
                self.phase =
                    Phase::Starting { until: now + self.config.timing.boot_wait, resume_until };
            }
            Input::Deadline => {}
            Input::Advert { src, dst, ttl, message } => {
                match vrrp::check_advert(&self.config, src, dst, ttl, &message) {
                    Ok(advert) => {
                        self.counters.adverts_received += 1;
                        self.hear_advert(now, src, &advert, out);
                    }
                    Err(drop) => self.drop_packet(drop, out),
                }
            }
            Input::PeerDatagram { src, ttl, bytes } => {
                self.hear_datagram(now, src, ttl, &bytes, out);
            }
            Input::LinkChanged(up) => self.change_link(now, up, out),
            Input::VipGone(address) => self.mend_vip(address, out),
            Input::VipClaimed { address, mac } => self.hear_claim(now, address, mac, out),
            Input::Redis(input) => self.hear_redis(now, input, out),
            Input::ActionDone(done, result) => self.action_done(now, done, result, out),
            Input::TieBreaker(place, says) => self.hear_tie_breaker(now, place, says, out),
            Input::StreamCopied(result) => self.stream_copied(now, result, out),
            Input::RedisFile { replicaof } => self.hear_redis_file(replicaof, out),
            Input::Salvaged { number, result } => self.salvaged(now, number, result, out),
            Input::Operator(operator) => self.obey(now, operator, out),
        }
        self.advance(now, out);
    }

    /// When [`Input::Deadline`] is wanted next.
    pub fn deadline(&self) -> Time {
        let mut at = self.monitor.deadline().min(self.report_at);
        let mut sooner = |candidate: Option<Time>| {
            if let Some(candidate) = candidate {
                at = at.min(candidate);
            }
        };
        sooner(self.timers.advert_at);
        sooner(self.timers.active_down_at);
        sooner(self.leave.as_ref().and_then(|leave| leave.deadline()));
        sooner(self.switchover.as_ref().map(|switchover| switchover.deadline()));
        sooner(self.follow.deadline());
        match &self.phase {
            // While an earlier run may be taken up, the peer is not waited for.
            Phase::Starting { until, resume_until } => sooner(Some(resume_until.unwrap_or(*until))),
            Phase::TakingOver(takeover) => sooner(Some(takeover.deadline)),
            Phase::Active(active) => {
                sooner(self.votes.as_ref().map(|_| active.fence_until()));
                sooner(active.announce_at);
                sooner(active.yielding.map(|(_, until)| until));
            }
            Phase::Stopping { until } => sooner(Some(*until)),
            Phase::New | Phase::Stopped => return Time(u64::MAX),
            Phase::Unfit | Phase::Backup => {}
        }
        sooner(self.wanted_until);
        sooner(self.drop_replicas_at);
        sooner(self.remove_again_at);
        sooner(self.close_again_at);
        at
    }

    /// The next step of everything that is under way.
    fn advance(&mut self, now: Time, out: &mut Actions) {
        if self.monitor.tick(now, &self.config.timing, out) == Change::Failed {
            self.lose_redis(now, out);
        }
        if self.blocked.as_ref().is_some_and(|(until, _)| now >= *until) {
            self.blocked = None;
        }
        self.advance_leave(now, out);
        self.advance_removal(now, out);
        self.drop_replicas(now, out);
        self.advance_switchover(now, out);
        match &self.phase {
            Phase::Starting { .. } => self.advance_start(now, out),
            Phase::Unfit | Phase::Backup => self.advance_standby(now, out),
            Phase::TakingOver(_) => self.advance_takeover(now, out),
            Phase::Active(_) => self.advance_active(now, out),
            Phase::Stopping { until } => {
                if now >= *until {
                    self.stop(now, out);
                }
            }
            Phase::New | Phase::Stopped => return,
        }
        self.advance_follow(now, out);
        self.name_filters(now, out);
        self.tend_copy(now, out);
        self.persist_changes(now, out);
        self.settle_votes(now);
        self.send_due_report(now, out);
    }

    /// Starting: take up an earlier run's work, or wait for the peer.
    fn advance_start(&mut self, now: Time, out: &mut Actions) {
        let Phase::Starting { until, resume_until } = self.phase else {
            return;
        };
        if let Some(resume_until) = resume_until {
            if self.monitor.is_primary() && self.vouched() && self.link_up {
                self.reason = "took up the work of an earlier run".to_string();
                self.timeline = None;
                self.resume(now, out);
                return;
            }
            // A Redis that is gone is another process when it is back.
            let gone = matches!(self.monitor.health, Health::Gone(_));
            let hopeless = self.monitor.info.is_some() || !self.link_up || gone;
            if now + Duration::from_millis(2) >= resume_until || hopeless {
                out.push(Action::RemoveVips);
                self.close_unseen_source(out);
                self.phase = Phase::Starting { until, resume_until: None };
            }
            return;
        }
        if self.peer.heard(now).is_some() || self.peer.is_active(now) || now >= until {
            self.rest(now, out);
        }
    }

    /// Nobody has looked at this Redis yet. It may have come back empty, and the peer's would
    /// replicate from it by itself.
    fn close_unseen_source(&mut self, out: &mut Actions) {
        out.push(Action::CloseFence { and_source: true });
        self.source_was_closed();
    }

    /// Backup or Initialize, whichever is true.
    fn rest(&mut self, now: Time, out: &mut Actions) {
        match self.fitness(now) {
            Ok(()) => {
                let down =
                    vrrp::active_down(self.config.own().priority.0, self.peer.advert_interval);
                self.timers = Timers { advert_at: None, active_down_at: Some(now + down) };
                self.enter(Phase::Backup, "ready to take over".to_string(), out);
            }
            Err(reason) => {
                self.timers = Timers::default();
                self.enter(Phase::Unfit, reason, out);
            }
        }
    }

    fn advance_standby(&mut self, now: Time, out: &mut Actions) {
        let fit = self.fitness(now);
        match (&self.phase, fit) {
            (Phase::Unfit, Ok(())) => self.rest(now, out),
            (Phase::Unfit, Err(reason)) => {
                if self.reason != reason {
                    self.enter(Phase::Unfit, reason, out);
                }
            }
            (_, Err(reason)) => {
                self.timers = Timers::default();
                self.enter(Phase::Unfit, reason, out);
            }
            (_, Ok(())) => {
                if self.timers.active_down_at.is_some_and(|at| now >= at) {
                    self.active_down(now, out);
                }
            }
        }
    }

    fn enter(&mut self, phase: Phase, reason: String, out: &mut Actions) {
        let from = self.state();
        self.phase = phase;
        let to = self.state();
        if from != to {
            self.dropped_told = 0;
        }
        if from != to || self.reason != reason {
            out.push(Action::Tell(Event::StateChanged { from, to, reason: reason.clone() }));
            self.report_dirty = true;
        }
        self.reason = reason;
    }

    /// The state others see.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::New | Phase::Starting { .. } => State::Starting,
            Phase::Unfit => State::Unfit,
            Phase::Backup => State::Backup,
            Phase::TakingOver(_) => State::TakingOver,
            Phase::Active(_) => State::Active,
            Phase::Stopping { .. } | Phase::Stopped => State::Stopping,
        }
    }

    /// Why it is in that state, for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The step of whatever is under way in that state: of a takeover, of a planned switchover, or
    /// of leaving the address.
    pub fn doing(&self) -> Option<&'static str> {
        match (&self.phase, &self.switchover, &self.leave) {
            (Phase::TakingOver(takeover), ..) => Some(takeover.step_name()),
            (Phase::New, ..) => Some("not started"),
            (Phase::Stopped, ..) => Some("stopped"),
            (_, Some(switchover), _) => Some(switchover.step_name()),
            (_, None, Some(_)) => Some("leaving"),
            _ => None,
        }
    }

    /// What it is configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn hear_advert(&mut self, now: Time, src: IpAddr, advert: &Advert, out: &mut Actions) {
        if advert.priority == 0 {
            self.counters.farewells_received += 1;
            // Held up on its way: the peer has the address again, or still. Each farewell follows a
            // report that says why, so a true one is not contradicted for longer than the next takes.
            if matches!(self.phase, Phase::Backup) && self.peer.says_it_serves(now) {
                return;
            }
            self.peer.advert_at = None;
            match self.phase {
                //= https://www.rfc-editor.org/rfc/rfc9568#section-6.4.3
                //# If the Priority in the ADVERTISEMENT is 0, then: Send an ADVERTISEMENT
                Phase::Active(_) => {
                    self.send_advert(now, out);
                    self.announce_anew(now);
                }
                // Skew_Time would keep several backups apart; a pair has only one.
                Phase::Backup if now >= self.stale_until.max(self.doubtful_until) => {
                    self.take_over_from_leaver(now, out);
                }
                _ => {}
            }
            return;
        }
        self.peer.was_active = true;
        self.peer.advert_at = Some(now);
        if let Some(leave) = &mut self.leave {
            // It has taken the address: a farewell that came later would be taken for a new one.
            leave.taken = true;
        }
        self.peer_has_spoken = true;
        self.filter_told = false;
        self.peer.advertised(now);
        //= https://www.rfc-editor.org/rfc/rfc9568#section-6.4.2
        //# Set Active_Adver_Interval to Max Advertise Interval contained in the ADVERTISEMENT
        self.peer.advert_interval =
            Duration::from_millis(10) * u32::from(advert.max_advert_int_cs.max(1));
        match &self.phase {
            Phase::Backup => {
                let down =
                    vrrp::active_down(self.config.own().priority.0, self.peer.advert_interval);
                self.timers.active_down_at = Some(now + down);
            }
            Phase::TakingOver(_) => self.reconsider_takeover(now, out),
            Phase::Active(_) => self.settle_conflict(now, src, advert.priority, out),
            _ => {}
        }
    }

    fn hear_datagram(&mut self, now: Time, src: IpAddr, ttl: u8, bytes: &[u8], out: &mut Actions) {
        let served = self.peer.says_it_serves(now);
        let learned = if ttl != vrrp::TTL {
            Err(Drop::Ttl(ttl))
        } else if src != self.config.peer().address {
            Err(Drop::UnknownSource(src))
        } else {
            Report::decode(bytes).map_err(Drop::MalformedReport).and_then(|report| {
                if report.vrid == self.config.vrid.0 {
                    // What waited in the socket during a stall is known, but no news.
                    let heard_at = if now < self.stale_until { Time(0) } else { now };
                    self.peer.learn(heard_at, report)
                } else {
                    Err(Drop::Vrid(report.vrid))
                }
            })
        };
        match learned {
            Ok(()) => {
                self.hear_votes(now, out);
                self.consider_report(now, served, out);
            }
            Err(drop) => self.drop_packet(drop, out),
        }
    }

    /// `served`: the report before it said that the peer holds the address.
    fn consider_report(&mut self, now: Time, served: bool, out: &mut Actions) {
        if self.peer.heard(now).is_none() {
            return;
        }
        if !self.peer_was_heard {
            self.peer_was_heard = true;
            out.push(Action::Tell(Event::PeerHeard(true)));
        }
        let Some(report) = self.peer.report.clone() else {
            return;
        };
        self.peer_has_spoken = true;
        self.end_solo(out);
        self.conflict_since = None;
        if let (Some(timeline), Some(leaving)) = (&mut self.timeline, &report.leaving) {
            timeline.learn(now, leaving);
            // The farewell came first, and the address is here by now.
            if let (Phase::Active(_), Some(failover)) = (&self.phase, &mut self.failover) {
                *failover = timeline.finish(failover.generation, failover.unix_ms);
            }
        }
        // The machine that took over adds the last phase later; the peer's copy may be older.
        let known = |failover: &Option<Failover>| {
            failover.as_ref().map(|failover| (failover.unix_ms, failover.phases.len()))
        };
        if known(&report.failover) > known(&self.failover) {
            self.failover.clone_from(&report.failover);
        }
        self.answer_handshake(now, &report, out);
        // The farewell that follows would not arrive: adverts don't.
        let silent_leaver = self.filter_told
            && served
            && report.leaving.is_some()
            && !report.may_serve
            && !matches!(report.state, State::Active | State::TakingOver);
        let listens = now >= self.stale_until.max(self.doubtful_until);
        if silent_leaver && listens && matches!(self.phase, Phase::Backup) {
            self.take_over_from_leaver(now, out);
        }
        // Two that start at the same time: one of them gives way before anything is claimed.
        if report.state == State::TakingOver && self.prefers_peer(now) {
            self.reconsider_takeover(now, out);
        }
    }

    fn drop_packet(&mut self, drop: Drop, out: &mut Actions) {
        self.counters.drop(drop);
        // Other virtual routers and our own echo are everyday traffic.
        let everyday = matches!(drop, Drop::Vrid(_) | Drop::OwnSource);
        let bit = 1 << drop.index();
        if !everyday && self.dropped_told & bit == 0 {
            self.dropped_told |= bit;
            out.push(Action::Tell(Event::Dropped(drop)));
        }
    }

    fn hear_redis(&mut self, now: Time, input: RedisInput, out: &mut Actions) {
        let change = self.monitor.handle(now, &self.config.timing, input, out);
        match change {
            Change::None => {}
            Change::Connected => {
                self.report_dirty = true;
                out.push(Action::Tell(Event::RedisConnected));
            }
            Change::Settings(settings) => {
                self.problems.settings(&self.config, &settings, out);
            }
            Change::Info => self.hear_info(now, out),
            Change::Answer(query, result) => self.hear_answer(now, query, result, out),
            Change::Failed => self.lose_redis(now, out),
        }
    }

    fn lose_redis(&mut self, now: Time, out: &mut Actions) {
        self.report_dirty = true;
        let text = match &self.monitor.health {
            Health::Gone(text) => text.clone(),
            Health::Hung(text) => (*text).to_string(),
            _ => "it failed".to_string(),
        };
        out.push(Action::Tell(Event::RedisLost(text)));
        if matches!(self.monitor.health, Health::Gone(_)) {
            self.peer.doubt(now);
        }
        self.redis_failed(now, out);
        // Whatever this machine was to the pair: its Redis may be started again without its data.
        if matches!(self.monitor.health, Health::Gone(_)) && !self.follow.source_closed() {
            self.close_unseen_source(out);
        }
    }

    fn hear_info(&mut self, now: Time, out: &mut Actions) {
        self.copied_redis_lives(out);
        if let Some(pid) = self.monitor.pid_to_watch(now) {
            out.push(Action::WatchProcess { pid });
        }
        if let Some(info) = &self.monitor.info {
            self.problems.info(&self.config, info, self.peer.report.as_ref(), out);
            self.reach.sees(info);
            let restarted = self.seen_run_id.is_some() && self.seen_run_id != info.run_id;
            if self.seen_run_id != info.run_id
                && let (Some(pid), Some(path)) = (info.process_id, info.config_file.clone())
            {
                out.push(Action::ReadRedisFile { pid, path });
            }
            self.seen_run_id = info.run_id;
            if restarted {
                self.forget_decisions(now, out);
            }
            if restarted && matches!(self.phase, Phase::TakingOver(_)) {
                // What it holds now was not what was judged to be fit.
                self.takeover_failed(now, "Redis was restarted".to_string(), out);
            }
            // So quickly that nothing else tells. On the Active machine, leaving closes it.
            let unseen = restarted && !self.follow.source_closed();
            if unseen && !matches!(self.phase, Phase::Active(_)) {
                self.close_unseen_source(out);
            }
        }
        self.note_given_up();
        self.report_dirty |= self.leaving.is_some();
        self.adopt_generation(now, out);
        self.note_rejoin(now);
        self.check_catch_up(now);
        self.watch_reach(now);
        match self.phase {
            Phase::TakingOver(_) => self.takeover_info(now, out),
            Phase::Active(_) => self.check_still_primary(now, out),
            _ => {}
        }
    }

    /// `replicaof` in redis.conf does no harm as long as this daemon runs; it is named.
    fn hear_redis_file(&mut self, replicaof: bool, out: &mut Actions) {
        let info = self.monitor.info.as_ref();
        let path = info.and_then(|info| info.config_file.as_deref()).filter(|_| replicaof);
        self.problems.starts_as_replica(path, out);
    }

    fn hear_answer(
        &mut self,
        now: Time,
        query: Query,
        result: Result<(), String>,
        out: &mut Actions,
    ) {
        match query {
            Query::Promote => self.promoted(now, result, out),
            Query::Follow => self.followed(now, result, out),
            Query::PauseWrites(_) => self.paused(now, result, out),
            Query::ResumeWrites
            | Query::DropReplicas
            | Query::Ping
            | Query::Info
            | Query::Settings => {}
        }
    }

    fn action_done(
        &mut self,
        now: Time,
        done: Done,
        result: Result<(), Refused>,
        out: &mut Actions,
    ) {
        // Of the state directory whoever writes it tells, once and not at every attempt.
        if let (Err(refused), true) = (&result, done != Done::Persist) {
            out.push(Action::Tell(Event::Refused(refused.to_string())));
        }
        match done {
            Done::Persist => {
                if result.is_err() {
                    self.persisted = None;
                    self.persist_again_at = Some(now + PERSIST_AGAIN_AFTER);
                }
            }
            Done::AddVips | Done::OpenFence | Done::RenewFence => {
                self.claim_step_done(now, done, result, out)
            }
            Done::RemoveVips => {
                self.remove_again_at = result.is_err().then_some(now + REMOVE_AGAIN_AFTER);
                self.leave_step_done(now, done, result, out);
            }
            Done::CloseFence => {
                if result.is_ok() && !matches!(self.phase, Phase::Active(_) | Phase::TakingOver(_))
                {
                    self.served_until = None;
                }
                self.packets_held(now, &result, out);
                let gate_open = result.is_err() && self.follow.source_closed();
                let fence_open = result.is_err() && self.unheard_right.is_some_and(|at| now < at);
                if fence_open {
                    // No advert has told the peer to wait for the end of this right.
                    self.send_report(now, out);
                } else {
                    self.unheard_right = None;
                }
                let refused = result.is_err();
                self.leave_step_done(now, done, result, out);
                let again = gate_open || fence_open || (refused && self.leaves_unshut());
                self.close_again_at = again.then_some(now + CLOSE_AGAIN_AFTER);
            }
        }
    }

    fn change_link(&mut self, now: Time, up: bool, out: &mut Actions) {
        if self.link_up == up {
            return;
        }
        self.link_up = up;
        self.report_dirty = true;
        if up {
            // What was heard before, or was still queued, says nothing of the time without a link.
            self.peer_has_spoken &= !self.left_to_peer;
            return;
        }
        match self.phase {
            Phase::Active(_) => self.leave(now, Cause::LinkDown, out),
            Phase::TakingOver(_) => {
                self.takeover_failed(now, "the link went down".to_string(), out);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
