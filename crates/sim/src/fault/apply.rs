//! Lets a fault happen.

use super::{Change, Fault, Way};
use crate::arbiter::Trouble;
use crate::checkers::Fact;
use crate::daemon::{State, Trap};
use crate::host::{Disk, Freeze, Host, HostId};
use crate::kernel::Netlink;
use crate::network::Weather;
use crate::options::VIPS;
use crate::redis::{Boot, Process};
use crate::world::{Event, World};
use keepair_core::Input;
use keepair_core::config::{Priority, Vip};
use keepair_core::input::Operator;
use keepair_wire::peer::State as Phase;
use std::time::Duration;

/// A trap that has not struck by then is forgotten, lest it meet the next fault.
const TRAP_LIFE: Duration = Duration::from_secs(1);
/// Between two things that programs of a machine do which had waited for its processor.
const AFTER_THAW: Duration = Duration::from_millis(5);

impl World {
    /// Lets it happen now.
    pub fn apply(&mut self, fault: Fault) {
        self.say(&"***", format_args!("{fault}"));
        self.attend();
        self.see(&Fact::Fault(&fault));
        match fault {
            Fault::KillRedis(host, close_after) => self.kill_redis(host, close_after),
            Fault::ShutdownRedis(host) => {
                if self.hosts[host].redis.turns(self.now) {
                    self.hosts[host].redis.save_now();
                    self.kill_redis(host, Duration::from_millis(1));
                }
            }
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
            Fault::OccupyRedis(host, length) => self.occupy_redis(host, length, false),
            Fault::StallRedis(host, length) => self.occupy_redis(host, length, true),
            Fault::SlowRedis(host, by) => self.hosts[host].redis.slow = by,
            Fault::MisconfRedis(host, misconf) => self.hosts[host].redis.misconf = misconf,
            Fault::Save(host) if self.hosts[host].redis.turns(self.now) => {
                self.hosts[host].redis.save_now();
            }
            Fault::Save(_) => {}
            Fault::KillDaemon(host) => self.kill_daemon(host),
            Fault::StartDaemon(host) => self.start_daemon(host),
            Fault::FailDaemon(host) => {
                let machine = &mut self.hosts[host];
                if machine.powered && machine.daemon.state == State::Absent {
                    machine.kernel.shut_gate();
                }
            }
            Fault::LoseState(host) => self.hosts[host].persisted = None,
            Fault::Replicaof(host) => self.hosts[host].redis.conf_replicaof = true,
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
            Fault::Solo(host) => self.operate(host, Operator::Solo),
            Fault::Terminate(host) => self.operate(host, Operator::Stop),
            Fault::Reload(host, change) => self.reload(host, change),
            Fault::Unplug(host) => self.change_carrier(host, false),
            Fault::Plug(host) => {
                self.change_carrier(host, true);
                self.path_is_back();
            }
            Fault::Replug(host) => self.network.switch.replug(host),
            Fault::WriteLocally(host, length) => self.write_locally(host, length),
            Fault::Cut(host, kinds) => self.network.cut(host, &kinds),
            Fault::CutClients(host) => self.network.clients_cut[host] = true,
            Fault::Arbiters(trouble) => self.trouble_arbiters(trouble),
            Fault::Mend => {
                self.network.mend(self.now);
                self.path_is_back();
            }
            Fault::Weather(weather) => self.network.change_weather(self.now, weather),
            Fault::PowerOff(host) => self.power_off(host),
            Fault::PowerOn(host, boot, redis_after, daemon_after) => {
                self.power_on(host);
                self.plan(redis_after, Fault::StartRedis(host, boot));
                self.plan(daemon_after, Fault::StartDaemon(host));
            }
            Fault::FreezeMachine { host, length, clock_stands, room } => {
                self.freeze(host, length, clock_stands, room);
            }
            Fault::TakeAddress(host) => {
                if self.hosts[host].kernel.set_address(VIPS[0], false) {
                    let delay = Duration::from_micros(self.rng.between(20, 100));
                    self.deliver(host, delay, None, Input::VipGone(VIPS[0]));
                }
            }
            Fault::FlushRules(host) => self.hosts[host].kernel.remove_rules(),
            Fault::Netlink(host, netlink) => self.hosts[host].kernel.netlink = netlink,
            Fault::Disk(host, disk) => self.hosts[host].disk = disk,
            Fault::Decide(keep, way) => self.decide(keep, way),
        }
    }

    fn operate(&mut self, host: HostId, operator: Operator) {
        let delay = Duration::from_micros(self.rng.between(20, 100));
        self.deliver(host, delay, None, Input::Operator(operator));
    }

    /// The file is changed, whether or not a daemon is there to read it now.
    fn reload(&mut self, id: HostId, change: Change) {
        let config = &mut self.hosts[id].config;
        match change {
            Change::Nothing => {}
            Change::Priority(member, priority) => {
                config.members[member.index()].priority = Priority(priority);
            }
            Change::Preempt(preempt) => config.preempt = preempt,
            Change::SecondAddress(wanted) => {
                config.vips.truncate(1);
                if wanted {
                    config.vips.push(Vip { address: VIPS[1], prefix_len: 24 });
                }
            }
        }
        let config = Box::new(config.clone());
        self.operate(id, Operator::Reload(config));
    }

    fn change_carrier(&mut self, host: HostId, up: bool) {
        if self.hosts[host].kernel.carrier != up {
            self.hosts[host].kernel.carrier = up;
            // The kernel kept its daemon waiting for the whole outage, with a renewal or with what was to
            // end it.
            let slow = self.hosts[host].kernel.netlink.waits_us.is_some();
            let active = self.hosts[host].daemon.phase() == Some(Phase::Active);
            if up && (active || slow && self.answers(host)) {
                self.network.outage_unnoticed(self.now);
            }
            // Notices keep their order.
            let at = self.now + Duration::from_micros(self.rng.between(50, 2_000));
            let at = at.max(self.hosts[host].noticed_after + Duration::from_micros(1));
            self.hosts[host].noticed_after = at;
            self.deliver(host, at.since(self.now), None, Input::LinkChanged(up));
        }
    }

    fn power_off(&mut self, id: HostId) {
        self.kill_daemon(id);
        self.forget_streams(id);
        let config = self.hosts[id].config.clone();
        let ppm = self.options.clock_ppm[id.index()];
        let setup = self.hosts[id].redis.setup;
        let fresh = Host::new(id, self.now, ppm, setup, config);
        let old = std::mem::replace(&mut self.hosts[id], fresh);
        let host = &mut self.hosts[id];
        host.powered = false;
        host.life = old.life + 1;
        host.persisted = old.persisted;
        host.daemon = old.daemon;
        host.kernel.carrier = old.kernel.carrier;
        host.redis.files = old.redis.files;
        host.redis.conf_replicaof = old.redis.conf_replicaof;
        host.redis.run = old.redis.run + 1;
    }

    fn power_on(&mut self, id: HostId) {
        let ppm = self.options.clock_ppm[id.index()];
        let host = &mut self.hosts[id];
        if !host.powered {
            host.powered = true;
            host.clock =
                crate::clock::Clock::new(self.now, keepair_core::time::Time(7_000_000), ppm);
            self.path_is_back();
        }
    }

    fn decide(&mut self, keep: HostId, way: Way) {
        match way {
            Way::Accept => return self.operate(keep, Operator::Accept { own: true }),
            Way::Renounce => return self.operate(keep.peer(), Operator::Accept { own: false }),
            Way::Empty | Way::Replicate => {}
        }
        let mut effects = Vec::new();
        self.hosts[keep].redis.promote(&mut effects);
        self.perform_effects(keep, effects);
        let (give_up, mut effects) = (keep.peer(), Vec::new());
        match way {
            Way::Empty => self.hosts[give_up].redis.flush(&mut effects),
            _ => self.hosts[give_up].redis.follow(&mut effects),
        }
        self.perform_effects(give_up, effects);
    }

    fn freeze(&mut self, id: HostId, length: Duration, clock_stands: bool, room: usize) {
        let host = &mut self.hosts[id];
        if host.lives() {
            host.freeze =
                Some(Freeze { since: self.now, clock_stands, room, lost: 0, missed: Vec::new() });
            let life = host.life;
            self.schedule(self.now + length, Event::Thaws { host: id, life });
        }
    }

    /// The processor goes on: everything that was due happens, in its order.
    pub(crate) fn thaw(&mut self, id: HostId, life: u64) {
        let now = self.now;
        let host = &mut self.hosts[id];
        if host.life != life {
            return;
        }
        let Some(freeze) = host.freeze.take() else {
            return;
        };
        if freeze.clock_stands {
            host.clock.stood_still(now, now.since(freeze.since));
        }
        self.say(&id, format_args!("goes on"));
        self.attend();
        let (clock_stood, missed) = (freeze.clock_stands, freeze.lost);
        self.see(&Fact::Thawed { host: id, clock_stood, missed });
        let mut late = Duration::ZERO;
        for event in freeze.missed {
            match event {
                // What has been mended meanwhile does not break any more.
                Event::Fault(_) if self.swarm.is_over() => {}
                // Who kills a program and starts it again takes some time for it.
                Event::Fault(_) => {
                    late += AFTER_THAW;
                    self.schedule(now + late, event);
                }
                _ => self.schedule(now, event),
            }
        }
        self.drain_redis(id);
        self.path_is_back();
    }

    /// Mends everything that is broken and starts everything that is not running.
    pub fn heal(&mut self) {
        self.apply(Fault::Mend);
        self.trouble_arbiters(Trouble::Mend);
        self.apply(Fault::Weather(Weather::default()));
        for host in HostId::BOTH {
            self.heal_host(host);
        }
    }

    fn heal_host(&mut self, host: HostId) {
        if self.hosts[host].kernel.netlink != Netlink::default() {
            self.apply(Fault::Netlink(host, Netlink::default()));
        }
        if self.hosts[host].disk != Disk::default() {
            self.apply(Fault::Disk(host, Disk::default()));
        }
        if !self.hosts[host].kernel.carrier {
            self.apply(Fault::Plug(host));
        }
        if !self.hosts[host].powered {
            let soon = Duration::from_millis(100);
            return self.apply(Fault::PowerOn(host, Boot::File, soon, soon * 2));
        }
        let life = self.hosts[host].life;
        self.thaw(host, life);
        self.hosts[host].redis.slow = Duration::ZERO;
        self.hosts[host].redis.misconf = false;
        self.hosts[host].daemon.trap = None;
        match self.hosts[host].redis.process {
            Process::Stopped => self.apply(Fault::ContinueRedis(host)),
            Process::Absent | Process::Exiting => {
                self.apply(Fault::StartRedis(host, Boot::File));
            }
            Process::Running => {}
        }
        match self.hosts[host].daemon.state {
            State::Stopped => self.apply(Fault::ContinueDaemon(host)),
            State::Absent => self.apply(Fault::StartDaemon(host)),
            State::Running => {}
        }
    }
}
