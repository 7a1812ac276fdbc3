//! Looks on, and knows a situation when it sees one.

use super::{Seen, Situation};
use crate::checkers::{Fact, Kind};
use crate::daemon::State as Daemon;
use crate::fault::Fault;
use crate::host::{HostId, PerHost};
use crate::redis::{Answer, Note, Process, WriteId};
use crate::world::World;
use keepair_core::action::Action;
use keepair_core::event::{Event, SwitchoverStep};
use keepair_core::input::{Done, Kept, Refused};
use keepair_core::time::Time;
use keepair_core::vrrp::Drop;
use keepair_wire::peer::{Cause, State};
use std::time::Duration;

/// What it has seen, and what it must remember to understand what it sees.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: Seen,
    /// Which writes waited in the sockets of a stopped Redis.
    burst: PerHost<Vec<WriteId>>,
    /// The daemon has given something to its disk, and has not been answered.
    persisting: PerHost<bool>,
    /// It has asked for something to be salvaged, and has not been answered.
    salvaging: PerHost<bool>,
    flushed: PerHost<bool>,
    taken: PerHost<bool>,
    /// A fence was closed in the middle of a switchover.
    switching: PerHost<bool>,
    /// An operator asked for a switchover then.
    asked_at: Option<Time>,
    both_answer: bool,
    both_down: bool,
    both_dark: bool,
}

impl Watch {
    /// What it wants to be shown.
    pub(crate) const WANTS: &'static [Kind] = &[
        Kind::Answered,
        Kind::ClientHeard,
        Kind::ClientSends,
        Kind::ConnectionWaits,
        Kind::DaemonStarts,
        Kind::Fault,
        Kind::GateRefuses,
        Kind::LocalHeard,
        Kind::Lost,
        Kind::Muffled,
        Kind::Performs,
        Kind::Redis,
        Kind::RedisEnds,
        Kind::SocketFull,
        Kind::CopyKept,
        Kind::Thawed,
        Kind::Told,
    ];

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    fn note(&mut self, situation: Situation) {
        self.seen.note(situation);
    }

    pub(crate) fn see(&mut self, world: &World, fact: &Fact<'_>) {
        match fact {
            Fact::Told { host, event } => self.told(world, *host, event),
            Fact::Answered { host, step, result } => self.answered(*host, *step, result),
            Fact::Performs { host, action } => self.performs(world, *host, action),
            Fact::Redis { host, note } => self.redis(world, *host, note),
            Fact::Fault(fault) => self.fault(world, fault),
            Fact::ClientHeard { answer: Answer::Loading, .. } => self.note(Situation::LoadingMet),
            Fact::ClientHeard { answer: Answer::Misconf, .. } => self.note(Situation::MisconfMet),
            Fact::ClientHeard { answer: Answer::Ok, .. } => self.both(world),
            Fact::ClientSends { host } if !world.answers(*host) && world.answers(host.peer()) => {
                self.note(Situation::ArpStale);
            }
            Fact::ConnectionWaits { .. } => self.note(Situation::ConnectionWaited),
            Fact::GateRefuses { .. } => self.note(Situation::GateRefused),
            Fact::Muffled { host, write, answer } => {
                self.note(Situation::AnswerMuffled);
                if *answer == Answer::Ok && self.burst[*host].contains(write) {
                    self.note(Situation::BurstMuffled);
                }
            }
            Fact::LocalHeard { host, answer, .. } if !world.hosts[*host].kernel.carrier => {
                match answer {
                    Answer::Ok => self.note(Situation::LocalAccepted),
                    Answer::ReadOnly => self.note(Situation::LocalRefused),
                    _ => {}
                }
            }
            Fact::Lost { farewell: true, .. } => self.note(Situation::FarewellLost),
            Fact::Lost { .. } => self.note(Situation::AdvertLost),
            Fact::SocketFull { .. } => self.note(Situation::SocketFull),
            Fact::Thawed { host, clock_stood, missed } => {
                if *missed > 0 {
                    self.note(Situation::FrozenDropped);
                }
                let kernel = &world.hosts[*host].kernel;
                let open = world.hosts[*host].fence_left(world.now).is_some();
                if kernel.has_any() && open && *clock_stood {
                    self.note(Situation::WokeWithRight);
                } else if kernel.has_any() && !open {
                    self.note(Situation::WokeTooLate);
                }
            }
            Fact::DaemonStarts { host, .. } => {
                self.persisting[*host] = false;
                self.salvaging[*host] = false;
                self.switching[*host] = false;
            }
            Fact::CopyKept { .. } => self.note(Situation::CopyKept),
            Fact::RedisEnds { host }
                if world.hosts[*host].daemon.phase() == Some(State::TakingOver) =>
            {
                self.note(Situation::TakeoverMetRedisDeath);
            }
            _ => {}
        }
    }

    /// Both machines, at a moment at which a client got through.
    fn both(&mut self, world: &World) {
        let both = |holds: &dyn Fn(HostId) -> bool| HostId::BOTH.into_iter().all(holds);
        let answer = both(&|host| world.answers(host));
        if answer && !std::mem::replace(&mut self.both_answer, answer) {
            self.note(Situation::BothAnswered);
        }
        self.both_answer = answer;
    }

    fn told(&mut self, world: &World, host: HostId, event: &Event) {
        match event {
            Event::TookOver(failover) => self.took_over(world, host, failover.cause),
            Event::TakeoverBegan { .. }
                if world.hosts[host.peer()].daemon.phase() == Some(State::TakingOver) =>
            {
                self.note(Situation::TwoTakeovers);
            }
            Event::Salvaged(kept) => {
                self.salvaging[host] = false;
                self.note(match kept {
                    Kept::Tail { .. } => Situation::SalvagedTail,
                    Kept::Nothing { .. } => Situation::SalvagedNothing,
                    Kept::Files { .. } => Situation::SalvagedFiles,
                });
            }
            Event::StandbyBehind { .. } => self.note(Situation::StandbyBehind),
            Event::NotSalvaged(_) => {
                self.salvaging[host] = false;
                self.note(Situation::NotSalvaged);
            }
            Event::TakeoverFailed { .. } => self.note(Situation::TakeoverFailed),
            Event::Left { cause: Cause::Superseded } => self.note(Situation::ConflictSettled),
            Event::Switchover(step) => self.switchover(host, step),
            Event::StateChanged { to, reason, .. } => self.state_changed(*to, reason),
            Event::Following if !world.hosts[host].kernel.carrier => {
                self.note(Situation::CutOffFollowed);
            }
            Event::Dropped(Drop::StaleReport) => self.note(Situation::StaleReport),
            Event::Dropped(_) => self.note(Situation::StrangerIgnored),
            Event::TimerLate { .. } => self.note(Situation::TimerLate),
            Event::AddressInUse(_) => self.note(Situation::AddressInUse),
            Event::Problem(text) if text.contains("is UDP") => {
                self.note(Situation::ReportsFiltered);
            }
            Event::Problem(text) if text.contains("`replicaof` in") => {
                self.note(Situation::StartsAsReplica);
            }
            Event::Problem(text) if text.contains("protocol 112") => {
                self.note(Situation::AdvertsFiltered);
            }
            Event::Reloaded if world.hosts[host].daemon.phase() == Some(State::Active) => {
                self.note(Situation::ReloadedActive);
                if world.hosts[host].config.vips.len() > 1 {
                    self.note(Situation::SecondAddress);
                }
            }
            _ => {}
        }
    }

    fn took_over(&mut self, world: &World, host: HostId, cause: Cause) {
        self.note(match cause {
            Cause::RedisExited => Situation::TookOverRedisExited,
            Cause::RedisHung => Situation::TookOverRedisHung,
            Cause::LinkDown => Situation::TookOverLinkDown,
            Cause::PeerSilent => Situation::TookOverPeerSilent,
            Cause::Switchover => Situation::TookOverSwitchover,
            Cause::DaemonStopping => Situation::TookOverDaemonStopping,
            Cause::Stalled => Situation::TookOverStalled,
            Cause::Superseded => Situation::TookOverSuperseded,
            Cause::LocalFault => Situation::TookOverLocalFault,
            Cause::VotesMissing => Situation::TookOverVotesMissing,
            Cause::ColdStart => Situation::TookOverColdStart,
            Cause::Adopted => Situation::Adopted,
        });
        let peer = &world.hosts[host.peer()];
        if cause == Cause::Adopted && peer.daemon.state != Daemon::Running {
            self.note(Situation::RestartServedAlone);
        }
        let gone = peer.daemon.state != Daemon::Running;
        if gone && peer.lives() && peer.kernel.has_any() && !peer.answers(world.now) {
            self.note(Situation::FenceClosedAlone);
        }
        let unasked = self.asked_at.is_none_or(|at| world.now.since(at) > Duration::from_secs(2));
        if cause == Cause::Switchover && world.hosts[host].config.preempt && unasked {
            self.note(Situation::PreemptedBack);
        }
    }

    fn switchover(&mut self, host: HostId, step: &SwitchoverStep) {
        self.switching[host] =
            matches!(step, SwitchoverStep::Paused | SwitchoverStep::CaughtUp { .. });
        match step {
            SwitchoverStep::Asked => self.note(Situation::SwitchoverAsked),
            SwitchoverStep::Refused(_) => self.note(Situation::SwitchoverRefused),
            SwitchoverStep::CalledOff(_) => self.note(Situation::SwitchoverCalledOff),
            SwitchoverStep::Finished => self.note(Situation::SwitchoverFinished),
            SwitchoverStep::Paused
            | SwitchoverStep::CaughtUp { .. }
            | SwitchoverStep::HandedOver => {}
        }
    }

    fn state_changed(&mut self, to: State, reason: &str) {
        if reason.starts_with("took up the work") && to == State::Active {
            self.note(Situation::WorkTakenUp);
        } else if reason.contains("may hold newer data, has not been heard since") {
            self.note(Situation::RestartWaited);
        } else if reason.contains("has served since this machine did") {
            self.note(Situation::SucceededByGone);
        } else if reason.starts_with("is not in step with") && reason.len() < 24 {
            self.note(Situation::StreamUnproven);
        } else if reason.contains("may hold newer data") {
            self.note(Situation::WaitsForPeer);
        } else if reason.contains("holds newer data") {
            self.note(Situation::NewerElsewhere);
        }
    }

    fn answered(&mut self, host: HostId, step: Done, result: &Result<(), Refused>) {
        match (step, result) {
            (Done::RenewFence, Err(Refused::Lapsed)) => self.note(Situation::FenceLapsed),
            (Done::OpenFence, Err(Refused::Lapsed)) => self.note(Situation::FenceTooLate),
            (Done::AddVips, Err(_)) => self.note(Situation::AddressRefused),
            (Done::RemoveVips, Err(_)) => self.note(Situation::RemovalRefused),
            (Done::OpenFence | Done::RenewFence, Err(_)) => self.note(Situation::FenceRefused),
            (Done::CloseFence, Err(_)) => self.note(Situation::CloseRefused),
            (Done::OpenFence | Done::CloseFence, Ok(()))
                if std::mem::take(&mut self.flushed[host]) =>
            {
                self.note(Situation::RulesRelaid);
            }
            (Done::AddVips, Ok(())) if std::mem::take(&mut self.taken[host]) => {
                self.note(Situation::AddressMended);
            }
            (Done::Persist, result) => {
                self.persisting[host] = false;
                if result.is_err() {
                    self.note(Situation::PersistRefused);
                }
            }
            _ => {}
        }
    }

    fn performs(&mut self, world: &World, host: HostId, action: &Action) {
        match action {
            Action::Persist(_) => self.persisting[host] = true,
            Action::Salvage(_) => self.salvaging[host] = true,
            Action::CloseFence { and_source: false }
                if world.hosts[host].daemon.phase() == Some(State::Active) =>
            {
                self.note(Situation::SwitchoverByFence);
            }
            _ => {}
        }
    }

    fn redis(&mut self, world: &World, host: HostId, note: &Note) {
        match note {
            Note::Continues { of_another: true } => self.note(Situation::PartialFailover),
            Note::Continues { of_another: false } => self.note(Situation::PartialSame),
            Note::GrantsFull { wanted, .. } => {
                self.note(Situation::FullResync);
                let known = world.hosts[host].redis.position().0;
                if wanted.is_some_and(|(replid, _)| replid == known) {
                    self.note(Situation::BacklogTooSmall);
                }
            }
            Note::Received { lost: 1.., .. } => self.note(Situation::TailLost),
            Note::PauseOver => self.note(Situation::PauseOver),
            Note::Started { file: None, .. } => self.note(Situation::EmptyRestart),
            Note::Started { file: Some(_), .. } => self.note(Situation::OldFile),
            Note::Burst(writes) => {
                self.note(Situation::StaleBurst);
                self.burst[host].clone_from(writes);
            }
            _ => {}
        }
    }

    fn fault(&mut self, world: &World, fault: &Fault) {
        let phase = |host: HostId| world.hosts[host].daemon.phase();
        match fault {
            Fault::KillDaemon(host) | Fault::RestartDaemon(host, _) | Fault::PowerOff(host) => {
                if phase(*host) == Some(State::TakingOver) {
                    self.note(Situation::TakeoverMetDeath);
                }
                if std::mem::take(&mut self.salvaging[*host]) {
                    self.note(Situation::SalvageMetDeath);
                }
                if std::mem::take(&mut self.persisting[*host]) {
                    self.note(Situation::PersistLost);
                }
            }
            Fault::StopDaemon(host)
            | Fault::FreezeDaemon(host, _)
            | Fault::FreezeMachine { host, .. }
                if phase(*host) == Some(State::TakingOver) =>
            {
                self.note(Situation::TakeoverMetStop);
            }
            Fault::Switchover(_) => self.asked_at = Some(world.now),
            Fault::Terminate(host) if phase(*host) == Some(State::Backup) => {
                self.note(Situation::StoppedWhileStandby);
            }
            Fault::Decide(..) => self.note(Situation::PersonDecided),
            Fault::FlushRules(host) => self.flushed[*host] = true,
            Fault::TakeAddress(host) => {
                self.taken[*host] = phase(*host) == Some(State::Active);
            }
            _ => {}
        }
        let both = |holds: &dyn Fn(HostId) -> bool| HostId::BOTH.into_iter().all(holds);
        let down = both(&|host| world.hosts[host].redis.process == Process::Absent);
        let dark = both(&|host| !world.hosts[host].powered);
        if down && !std::mem::replace(&mut self.both_down, down) {
            self.note(Situation::BothDown);
        }
        if dark && !std::mem::replace(&mut self.both_dark, dark) {
            self.note(Situation::BothDark);
        }
        (self.both_down, self.both_dark) = (down, dark);
    }
}
