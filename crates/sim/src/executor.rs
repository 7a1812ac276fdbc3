//! Performs Actions, one match arm for each, and decides nothing.
//!
//! Says how long an action kept the daemon, and what the kernel answered, which is the daemon's
//! next input.

use crate::checkers::Fact;
use crate::host::HostId;
use crate::kernel::{FENCE_EARLY_MAX_US, Kernel};
use crate::network::Traffic;
use crate::options::VIPS;
use crate::redis::{Message, Process};
use crate::world::{Event, World};
use keepair_core::Input;
use keepair_core::action::{Action, Query};
use keepair_core::input::{Done as Step, Lost, Persisted, RedisInput, Refused};
use keepair_core::time::Time;
use keepair_wire::peer::Report;
use keepair_wire::vrrp::{Advert, ChecksumForm, GROUP_V4};
use std::net::IpAddr;
use std::time::Duration;

/// What became of an action.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) cost: Duration,
    pub(crate) answer: Option<(Step, Result<(), Refused>)>,
}

impl World {
    /// Performs one action that was asked for when the machine's clock showed `asked_at`.
    pub(crate) fn perform(&mut self, id: HostId, action: &Action, asked_at: Time) -> Done {
        let mut cost = Duration::from_micros(self.rng.between(2, 12));
        let answer = match action {
            Action::AddVips => Some((Step::AddVips, self.change_addresses(id, true))),
            Action::RemoveVips => Some((Step::RemoveVips, self.change_addresses(id, false))),
            Action::Announce => {
                self.announce(id);
                None
            }
            Action::Probe => {
                self.probe(id);
                None
            }
            Action::EndProbe => None,
            Action::OpenFence(until) => {
                Some((Step::OpenFence, self.grant(id, asked_at, *until, false)))
            }
            Action::RenewFence(until) => {
                Some((Step::RenewFence, self.grant(id, asked_at, *until, true)))
            }
            Action::CloseFence { and_source } => {
                Some((Step::CloseFence, self.close_fence(id, *and_source)))
            }
            Action::HoldConnections(length) => {
                let host = &mut self.hosts[id];
                host.kernel.hold_connections(asked_at + *length);
                self.say(&id, format_args!("new connections wait"));
                None
            }
            Action::ReleaseConnections => {
                self.hosts[id].kernel.release_connections();
                None
            }
            Action::OpenSource => {
                if self.hosts[id].kernel.open_source() {
                    self.say(&id, format_args!("the peer may replicate from here"));
                }
                None
            }
            Action::SendAdvert(advert) => {
                self.send_advert(id, advert);
                None
            }
            Action::SendReport(report) => {
                self.send_report(id, report);
                None
            }
            Action::AskTieBreaker(place, ask) => {
                self.ask_arbiter(id, *place, *ask);
                None
            }
            Action::ConnectRedis { .. } => {
                self.connect_redis(id);
                None
            }
            Action::DisconnectRedis => {
                self.hosts[id].daemon.session = None;
                self.hosts[id].daemon.watched = None;
                None
            }
            Action::AskRedis(query) => {
                self.ask_redis(id, *query);
                None
            }
            Action::WatchProcess { pid } => {
                self.watch(id, *pid);
                None
            }
            Action::LookAtProcess => {
                self.look_at_process(id);
                None
            }
            Action::Salvage(order) => {
                self.begin_salvage(id, *order);
                None
            }
            Action::CopyStream(copying) => {
                self.begin_copy(id, *copying);
                None
            }
            Action::ReadRedisFile { .. } => {
                let delay = Duration::from_micros(self.rng.between(50, 2_000));
                let replicaof = self.hosts[id].redis.conf_replicaof;
                self.deliver(id, delay, None, Input::RedisFile { replicaof });
                None
            }
            Action::ForgetCopy => {
                self.hosts[id].daemon.copy = None;
                None
            }
            Action::Persist(persisted) => {
                self.persist(id, *persisted);
                None
            }
            Action::Tell(event) => {
                self.say(&id, format_args!("\"{event}\""));
                self.tells(id, event.clone());
                None
            }
            Action::Exit => {
                self.exit(id);
                None
            }
        };
        if let Some((step, result)) = &answer {
            cost = Duration::from_micros(self.rng.between(40, 150));
            self.see(&Fact::Answered { host: id, step: *step, result });
        }
        self.see(&Fact::Performed { host: id });
        Done { cost, answer }
    }

    /// The addresses that the daemon's configuration names.
    fn vips(&self, id: HostId) -> Vec<IpAddr> {
        let config = self.hosts[id].daemon.config.as_ref();
        config.map_or_else(
            || VIPS[..1].to_vec(),
            |config| config.vips.iter().map(|vip| vip.address).collect(),
        )
    }

    fn refuses(&mut self, id: HostId, addresses: bool) -> bool {
        let netlink = &self.hosts[id].kernel.netlink;
        let often = if addresses { netlink.refuses_addresses } else { netlink.refuses_fence };
        often > 0 && self.rng.chance(often)
    }

    fn change_addresses(&mut self, id: HostId, add: bool) -> Result<(), Refused> {
        let verb = if add { "add" } else { "remove" };
        if self.refuses(id, true) {
            self.say(&id, format_args!("the kernel does not {verb} the address"));
            let why = format!("could not {verb} 10.0.0.100/24 on eth0: No buffer space available");
            return Err(Refused::Failed(why));
        }
        let mut changed = false;
        for address in self.vips(id) {
            changed |= self.hosts[id].kernel.set_address(address, add);
        }
        if changed {
            self.network.begin_announcing(id);
            self.say(&id, format_args!("address {}", if add { "added" } else { "removed" }));
        }
        Ok(())
    }

    /// What is left of the right is counted when it is asked for; the kernel's timer begins when the
    /// request is carried out.
    fn grant(
        &mut self,
        id: HostId,
        asked_at: Time,
        until: Time,
        renew: bool,
    ) -> Result<(), Refused> {
        let early = Duration::from_micros(self.rng.between(0, FENCE_EARLY_MAX_US));
        let refused = self.refuses(id, false);
        let vips = self.vips(id);
        let clock = self.hosts[id].clock.read(self.now);
        let kernel = &mut self.hosts[id].kernel;
        let result = Kernel::left(asked_at, until).and_then(|life| {
            kernel.mean(until);
            let until = clock + life - early;
            if refused {
                let why = "nftables: No buffer space available";
                Err(Refused::Failed(why.to_string()))
            } else if renew {
                kernel.renew_fence(clock, until, vips)
            } else {
                kernel.open_fence(until, vips);
                Ok(())
            }
        });
        match (&result, renew) {
            (Ok(()), true) => {}
            (Ok(()), false) => self.say(&id, format_args!("fence opened")),
            (Err(Refused::Lapsed), true) => {
                self.say(&id, format_args!("fence could not be renewed: it had closed"));
            }
            (Err(Refused::Lapsed), false) => self.say(&id, format_args!("too late for the fence")),
            (Err(Refused::Failed(why)), _) => self.say(&id, format_args!("no fence: {why}")),
        }
        if self.trace.told
            && let Some(until) = self.hosts[id].kernel.fence_until()
        {
            let at = self.hosts[id].clock.moment(until);
            self.schedule(at, Event::FenceEnds { host: id, until });
        }
        result
    }

    fn close_fence(&mut self, id: HostId, and_source: bool) -> Result<(), Refused> {
        if self.refuses(id, false) {
            self.say(&id, format_args!("the kernel does not close the fence"));
            if and_source {
                self.hosts[id].kernel.refuse_gate();
            }
            return Err(Refused::Failed("nftables: No buffer space available".to_string()));
        }
        let was = self.hosts[id].fence_left(self.now).is_some();
        self.hosts[id].kernel.close_fence(and_source);
        if was {
            self.say(&id, format_args!("fence closed"));
        }
        if and_source {
            self.say(&id, format_args!("the peer may not replicate from here"));
        }
        Ok(())
    }

    fn send_advert(&mut self, id: HostId, advert: &Advert) {
        let src = id.address();
        let to_peer = self.hosts[id].daemon.config.as_ref().is_some_and(|config| config.unicast);
        let dst = if to_peer { id.peer().address() } else { IpAddr::V4(GROUP_V4) };
        let message = advert.emit(src, dst, ChecksumForm::MessageOnly);
        if advert.priority == 0 {
            self.say(&id, format_args!("says farewell"));
        }
        self.trace.sum().bytes(&message);
        self.send_frame(id, Traffic::Adverts, Input::Advert { src, dst, ttl: 255, message });
    }

    fn send_report(&mut self, id: HostId, report: &Report) {
        let bytes = report.encode();
        self.trace.sum().bytes(&bytes);
        let input = Input::PeerDatagram { src: id.address(), ttl: 255, bytes };
        self.send_frame(id, Traffic::Reports, input);
    }

    /// Whoever answers on the address answers the probe.
    fn probe(&mut self, id: HostId) {
        let peer = id.peer();
        let both_ways = self.path(id, Traffic::Rest) && self.path(peer, Traffic::Rest);
        if both_ways && self.answers(peer) {
            let delay = self.network.latency(&mut self.rng) * 2;
            let mac = [2, 0, 0, 0, 0, peer as u8 + 1];
            self.deliver(id, delay, None, Input::VipClaimed { address: VIPS[0], mac });
        }
    }

    fn connect_redis(&mut self, id: HostId) {
        let delay = Duration::from_micros(self.rng.between(30, 150));
        let host = &mut self.hosts[id];
        let session = host.daemon.open_session(host.redis.run);
        match host.redis.process {
            Process::Absent => {
                let lost = Input::Redis(RedisInput::Lost(Lost::Closed));
                self.deliver(id, delay, Some(session), lost);
            }
            _ if host.redis.setup.auth => self.ask_redis_soon(id, Message::Hello { session }),
            _ => {
                let input = Input::Redis(RedisInput::Connected);
                self.deliver(id, delay, Some(session), input);
            }
        }
    }

    fn ask_redis(&mut self, id: HostId, query: Query) {
        let host = &self.hosts[id];
        if let Some((session, run)) = host.daemon.session
            && run == host.redis.run
        {
            self.ask_redis_soon(id, Message::Query { session, query });
        }
    }

    fn ask_redis_soon(&mut self, host: HostId, message: Message) {
        let at = self.now + Duration::from_micros(self.rng.between(15, 80));
        let at = self.hosts[host].daemon.asks(at);
        let run = self.hosts[host].redis.run;
        self.schedule(at, Event::RedisMessage { host, run, message });
    }

    /// A process that is not there any more can't be watched; one that is dying stirs at once.
    fn watch(&mut self, id: HostId, pid: u32) {
        let quick = Duration::from_micros(self.rng.between(2, 12));
        let now = self.now;
        let host = &mut self.hosts[id];
        let state = host.redis.look(now, pid).state;
        host.daemon.watched = (state != 'X').then_some(pid);
        if state == 'Z' {
            self.hand_to_daemon(id, quick, RedisInput::ProcessStirred);
        }
    }

    fn look_at_process(&mut self, id: HostId) {
        let quick = Duration::from_micros(self.rng.between(2, 12));
        let host = &self.hosts[id];
        let process = host.daemon.watched.map(|pid| host.redis.look(self.now, pid));
        self.hand_to_daemon(id, quick, RedisInput::Process(process));
    }

    fn persist(&mut self, id: HostId, persisted: Persisted) {
        let disk = self.hosts[id].disk.clone();
        let at =
            self.now + Duration::from_micros(self.rng.between(disk.takes_us.0, disk.takes_us.1));
        let at = self.hosts[id].daemon.persists(at);
        let refused = disk.refuses > 0 && self.rng.chance(disk.refuses);
        let no = || Refused::Failed("generation.tmp: No space left on device".to_string());
        let result = if refused { Err(no()) } else { Ok(()) };
        let daemon = &mut self.hosts[id].daemon;
        daemon.unkept = result.is_ok().then_some(persisted);
        let run = daemon.run;
        self.schedule(
            at,
            Event::Persisted { host: id, run, persisted: Box::new(persisted), result },
        );
    }

    /// The program's last act: no address, no rules, and on the disk whatever it was given.
    fn exit(&mut self, id: HostId) {
        let host = &mut self.hosts[id];
        host.persisted = host.daemon.unkept.or(host.persisted);
        if self.change_addresses(id, false).is_ok() {
            self.hosts[id].kernel.remove_rules();
        }
        self.hosts[id].daemon.exited = true;
        self.kill_daemon(id);
        self.say(&id, format_args!("daemon exits"));
        self.see(&Fact::Exited { host: id });
    }

    pub(crate) fn fence_ends(&mut self, id: HostId, until: Time) {
        let kernel = &self.hosts[id].kernel;
        if kernel.has(VIPS[0]) && kernel.fence_until() == Some(until) {
            self.say(&id, format_args!("fence has closed by itself"));
        }
    }
}
