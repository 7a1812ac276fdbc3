//! What goes wrong, what mends it, and what an operator does.

use crate::checkers::Fact;
use crate::daemon::{Moment, Trap};
use crate::host::{Host, HostId};
use crate::network::Traffic;
use crate::options::VIP;
use crate::redis::{Boot, Process};
use crate::world::World;
use core::fmt;
use keepair_core::Input;
use keepair_core::input::Operator;
use std::time::Duration;

/// A trap that has not struck by then is forgotten, lest it meet the next fault.
const TRAP_LIFE: Duration = Duration::from_secs(1);

/// One thing that is done to the world.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// SIGKILL to Redis; its sockets close so much later.
    KillRedis(HostId, Duration),
    /// Redis is started.
    StartRedis(HostId, Boot),
    /// SIGSTOP to Redis.
    StopRedis(HostId),
    /// SIGCONT to Redis.
    ContinueRedis(HostId),
    /// A script takes the event loop for so long.
    OccupyRedis(HostId, Duration),
    /// Redis' answers to the daemon are late by so much from now on.
    SlowRedis(HostId, Duration),
    /// SIGKILL to the daemon.
    KillDaemon(HostId),
    /// The daemon is started.
    StartDaemon(HostId),
    /// SIGSTOP to the daemon.
    StopDaemon(HostId),
    /// SIGCONT to the daemon.
    ContinueDaemon(HostId),
    /// The fault strikes between two actions, at this moment.
    Trap(HostId, Moment, Box<Fault>),
    /// SIGSTOP, and SIGCONT so much later.
    FreezeDaemon(HostId, Duration),
    /// SIGKILL, and a start so much later.
    RestartDaemon(HostId, Duration),
    /// An operator says `keepair switchover` there.
    Switchover(HostId),
    /// SIGTERM to the daemon.
    Terminate(HostId),
    /// The cable is pulled.
    Unplug(HostId),
    /// The cable is back.
    Plug(HostId),
    /// Traffic of these kinds from there does not arrive.
    Cut(HostId, Vec<Traffic>),
    /// All cuts are mended.
    Mend,
    /// So many frames of a thousand are lost from now on.
    Lose(u64),
    /// The machine is switched off.
    PowerOff(HostId),
    /// The machine is switched on; Redis and the daemon start so much later.
    PowerOn(HostId, Boot, Duration, Duration),
    /// Somebody takes the address off the interface.
    TakeAddress(HostId),
    /// The file is written now.
    Save(HostId),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::KillRedis(h, after) => {
                write!(f, "Redis on {h} is killed, sockets stay {after:?}")
            }
            Fault::StartRedis(h, Boot::Empty) => write!(f, "Redis on {h} is started, empty"),
            Fault::StartRedis(h, Boot::Rdb) => write!(f, "Redis on {h} is started from its file"),
            Fault::StopRedis(h) => write!(f, "Redis on {h} is stopped"),
            Fault::ContinueRedis(h) => write!(f, "Redis on {h} is continued"),
            Fault::OccupyRedis(h, length) => write!(f, "Redis on {h} is busy for {length:?}"),
            Fault::SlowRedis(h, by) => write!(f, "Redis on {h} answers {by:?} late"),
            Fault::KillDaemon(h) => write!(f, "the daemon on {h} is killed"),
            Fault::StartDaemon(h) => write!(f, "the daemon on {h} is started"),
            Fault::StopDaemon(h) => write!(f, "the daemon on {h} is stopped"),
            Fault::ContinueDaemon(h) => write!(f, "the daemon on {h} is continued"),
            Fault::Trap(h, moment, fault) => write!(f, "on {h}, {moment:?}: {fault}"),
            Fault::FreezeDaemon(h, length) => {
                write!(f, "the daemon on {h} is stopped for {length:?}")
            }
            Fault::RestartDaemon(h, after) => {
                write!(f, "the daemon on {h} is killed, and started again after {after:?}")
            }
            Fault::Switchover(h) => write!(f, "an operator on {h} asks for a switchover"),
            Fault::Terminate(h) => write!(f, "SIGTERM to the daemon on {h}"),
            Fault::Unplug(h) => write!(f, "the cable of {h} is pulled"),
            Fault::Plug(h) => write!(f, "the cable of {h} is back"),
            Fault::Cut(h, kinds) => write!(f, "{kinds:?} from {h} to {} is cut", h.peer()),
            Fault::Mend => write!(f, "no cuts any more"),
            Fault::Lose(permille) => write!(f, "{permille} of 1000 frames are lost"),
            Fault::PowerOff(h) => write!(f, "{h} loses power"),
            Fault::PowerOn(h, _, _, _) => write!(f, "{h} has power again"),
            Fault::TakeAddress(h) => write!(f, "somebody removes the address on {h}"),
            Fault::Save(h) => write!(f, "Redis on {h} saves its file"),
        }
    }
}

impl World {
    /// Lets it happen now.
    pub fn apply(&mut self, fault: Fault) {
        self.say("***", &fault.to_string());
        self.see(&Fact::Fault(&fault));
        match fault {
            Fault::KillRedis(host, close_after) => self.kill_redis(host, close_after),
            Fault::StartRedis(host, boot) => {
                let redis = &self.hosts[host].redis;
                if redis.process == Process::Exiting {
                    let run = redis.run;
                    self.sockets_close(host, run);
                }
                self.start_redis(host, boot);
            }
            Fault::StopRedis(host) => self.stop_redis(host),
            Fault::ContinueRedis(host) => self.continue_redis(host),
            Fault::OccupyRedis(host, length) => self.occupy_redis(host, length),
            Fault::SlowRedis(host, by) => self.hosts[host].redis.slow = by,
            Fault::KillDaemon(host) => self.kill_daemon(host),
            Fault::StartDaemon(host) => self.start_daemon(host),
            Fault::StopDaemon(host) => self.stop_daemon(host),
            Fault::ContinueDaemon(host) => self.continue_daemon(host),
            Fault::Trap(host, moment, fault) => {
                let fault = *fault;
                let until = self.now + TRAP_LIFE;
                self.hosts[host].daemon.trap = Some(Trap { moment, fault, until });
            }
            Fault::FreezeDaemon(host, length) => {
                self.stop_daemon(host);
                self.plan(length, Fault::ContinueDaemon(host));
            }
            Fault::RestartDaemon(host, after) => {
                self.kill_daemon(host);
                self.plan(after, Fault::StartDaemon(host));
            }
            Fault::Switchover(host) => self.operate(host, Operator::Switchover),
            Fault::Terminate(host) => self.operate(host, Operator::Stop),
            Fault::Unplug(host) => self.change_carrier(host, false),
            Fault::Plug(host) => {
                self.change_carrier(host, true);
                self.path_is_back();
            }
            Fault::Cut(host, kinds) => self.network.cuts[host].extend(kinds),
            Fault::Mend => {
                for host in HostId::BOTH {
                    self.network.cuts[host].clear();
                }
                self.path_is_back();
            }
            Fault::Lose(permille) => self.network.loss_permille = permille,
            Fault::PowerOff(host) => self.power_off(host),
            Fault::PowerOn(host, boot, redis_after, daemon_after) => {
                self.power_on(host);
                self.plan(redis_after, Fault::StartRedis(host, boot));
                self.plan(daemon_after, Fault::StartDaemon(host));
            }
            Fault::TakeAddress(host) => {
                if std::mem::replace(&mut self.hosts[host].kernel.vips_present, false) {
                    let delay = Duration::from_micros(self.rng.between(20, 100));
                    self.deliver(host, delay, None, Input::VipGone(VIP));
                }
            }
            Fault::Save(host) => self.hosts[host].redis.save_now(),
        }
    }

    fn operate(&mut self, host: HostId, operator: Operator) {
        let delay = Duration::from_micros(self.rng.between(20, 100));
        self.deliver(host, delay, None, Input::Operator(operator));
    }

    fn change_carrier(&mut self, host: HostId, up: bool) {
        if self.hosts[host].kernel.carrier != up {
            self.hosts[host].kernel.carrier = up;
            let delay = Duration::from_micros(self.rng.between(50, 2_000));
            self.deliver(host, delay, None, Input::LinkChanged(up));
        }
    }

    fn power_off(&mut self, id: HostId) {
        self.kill_daemon(id);
        self.forget_streams(id);
        let old = std::mem::replace(&mut self.hosts[id], Host::new(id));
        let host = &mut self.hosts[id];
        host.powered = false;
        host.persisted = old.persisted;
        host.daemon = old.daemon;
        host.kernel.carrier = old.kernel.carrier;
        host.redis.rdb = old.redis.rdb;
        host.redis.run = old.redis.run + 1;
        host.redis.apply_us = old.redis.apply_us;
        host.redis.save_interval = old.redis.save_interval;
    }

    fn power_on(&mut self, id: HostId) {
        let host = &mut self.hosts[id];
        if host.powered {
            return;
        }
        host.powered = true;
        host.booted_at = self.now;
        self.path_is_back();
    }

    /// Mends everything that is broken and starts everything that is not running.
    pub fn heal(&mut self) {
        self.apply(Fault::Mend);
        self.apply(Fault::Lose(0));
        for host in HostId::BOTH {
            if !self.hosts[host].powered {
                let soon = Duration::from_millis(100);
                self.apply(Fault::PowerOn(host, Boot::Rdb, soon, soon * 2));
                continue;
            }
            self.hosts[host].redis.slow = Duration::ZERO;
            self.hosts[host].daemon.trap = None;
            if !self.hosts[host].kernel.carrier {
                self.apply(Fault::Plug(host));
            }
            match self.hosts[host].redis.process {
                Process::Stopped => self.apply(Fault::ContinueRedis(host)),
                Process::Absent | Process::Exiting => {
                    self.apply(Fault::StartRedis(host, Boot::Rdb));
                }
                Process::Running => {}
            }
            match self.hosts[host].daemon.state {
                crate::daemon::State::Stopped => self.apply(Fault::ContinueDaemon(host)),
                crate::daemon::State::Absent => self.apply(Fault::StartDaemon(host)),
                crate::daemon::State::Running => {}
            }
        }
    }
}
