//! Performs Actions, one match arm for each, and decides nothing.
//!
//! Returns how long an action kept the daemon. What an action does to the world is done at its
//! beginning; the answer of a synchronous one is the daemon's next input.

use crate::checkers::Fact;
use crate::host::HostId;
use crate::network::Traffic;
use crate::options::VIP;
use crate::redis::{Message, Process};
use crate::world::{Event, World};
use keepair_core::Input;
use keepair_core::action::{Action, Query};
use keepair_core::input::{Done, Lost, RedisInput};
use keepair_core::time::Time;
use keepair_wire::vrrp::{Advert, ChecksumForm, GROUP_V4};
use std::net::IpAddr;
use std::time::Duration;

impl World {
    /// Performs one action.
    pub(crate) fn perform(&mut self, id: HostId, action: Action) -> Duration {
        let now = self.now;
        let who = id.to_string();
        let netlink = Duration::from_micros(self.rng.between(40, 150));
        let quick = Duration::from_micros(self.rng.between(2, 12));
        self.see(&Fact::Performs { host: id, action: &action });
        let host = &mut self.hosts[id];
        let cost = match action {
            Action::AddVips => {
                host.kernel.vips_present = true;
                host.daemon.done(Done::AddVips, Ok(()));
                self.say(&who, "address added");
                netlink
            }
            Action::RemoveVips => {
                let was = std::mem::replace(&mut host.kernel.vips_present, false);
                host.daemon.done(Done::RemoveVips, Ok(()));
                if was {
                    self.say(&who, "address removed");
                }
                netlink
            }
            Action::Announce => quick,
            Action::Probe => {
                self.probe(id);
                quick
            }
            Action::EndProbe => quick,
            Action::OpenFence(until) => {
                let until = host.moment(until);
                let result = host.kernel.open_fence(now, until);
                let word = if result.is_ok() { "fence opened" } else { "too late for the fence" };
                host.daemon.done(Done::OpenFence, result);
                self.schedule(until, Event::FenceEnds { host: id, until });
                self.say(&who, word);
                netlink
            }
            Action::RenewFence(until) => {
                let until = host.moment(until);
                let result = host.kernel.renew_fence(now, until);
                if result.is_err() {
                    self.say(&who, "fence could not be renewed: it had closed");
                }
                self.hosts[id].daemon.done(Done::RenewFence, result);
                self.schedule(until, Event::FenceEnds { host: id, until });
                netlink
            }
            Action::CloseFence { and_source } => {
                let was = host.kernel.fence_left(now).is_some();
                host.kernel.close_fence();
                host.kernel.source_closed |= and_source;
                host.daemon.done(Done::CloseFence, Ok(()));
                if was {
                    self.say(&who, "fence closed");
                }
                if and_source {
                    self.say(&who, "the peer may not replicate from here");
                }
                netlink
            }
            Action::HoldConnections(length) => {
                host.kernel.hold_connections(now, length);
                self.say(&who, "new connections wait");
                netlink
            }
            Action::ReleaseConnections => {
                host.kernel.release_connections();
                netlink
            }
            Action::OpenSource => {
                if std::mem::replace(&mut host.kernel.source_closed, false) {
                    self.say(&who, "the peer may replicate from here");
                }
                netlink
            }
            Action::SendAdvert(advert) => {
                self.send_advert(id, &advert);
                quick
            }
            Action::SendReport(report) => {
                let bytes = report.encode();
                self.send_frame(
                    id,
                    Traffic::Reports,
                    Input::PeerDatagram { src: id.address(), ttl: 255, bytes },
                );
                quick
            }
            Action::ConnectRedis { .. } => {
                self.connect_redis(id);
                quick
            }
            Action::DisconnectRedis => {
                host.daemon.session = None;
                quick
            }
            Action::AskRedis(query) => {
                self.ask_redis(id, query);
                quick
            }
            Action::WatchProcess { pid } => {
                host.daemon.watched = Some(pid);
                if host.redis.pid() != pid || host.redis.process == Process::Absent {
                    self.hand_to_daemon(id, quick, RedisInput::ProcessStirred);
                }
                quick
            }
            Action::LookAtProcess => {
                if let Some(pid) = host.daemon.watched {
                    let process = host.redis.look(now, pid);
                    self.hand_to_daemon(id, quick, RedisInput::Process(Some(process)));
                }
                quick
            }
            Action::Persist(persisted) => {
                let run = host.daemon.run;
                let at = now + Duration::from_micros(self.rng.between(300, 3_000));
                let at = self.hosts[id].daemon.persists(at);
                self.schedule(at, Event::Persisted { host: id, run, persisted });
                quick
            }
            Action::Tell(event) => {
                self.say(&who, &format!("\"{event}\""));
                self.told.push((now, id, event));
                quick
            }
            Action::Exit => {
                host.daemon.exited = true;
                self.kill_daemon(id);
                self.say(&who, "daemon exits");
                self.see(&Fact::Exited { host: id });
                quick
            }
        };
        self.see(&Fact::Performed { host: id });
        cost
    }

    fn send_advert(&mut self, id: HostId, advert: &Advert) {
        let (src, dst) = (id.address(), IpAddr::V4(GROUP_V4));
        let message = advert.emit(src, dst, ChecksumForm::MessageOnly);
        if advert.priority == 0 {
            self.say(&id.to_string(), "says farewell");
        }
        self.send_frame(id, Traffic::Adverts, Input::Advert { src, dst, ttl: 255, message });
    }

    /// Whoever answers on the address answers the probe.
    fn probe(&mut self, id: HostId) {
        let peer = id.peer();
        let both_ways = self.path(id, Traffic::Rest) && self.path(peer, Traffic::Rest);
        if both_ways && self.answers(peer) {
            let delay = self.network.latency(&mut self.rng) * 2;
            let mac = [2, 0, 0, 0, 0, peer as u8 + 1];
            self.deliver(id, delay, None, Input::VipClaimed { address: VIP, mac });
        }
    }

    fn connect_redis(&mut self, id: HostId) {
        let delay = Duration::from_micros(self.rng.between(30, 150));
        let auth = self.options.auth;
        let host = &mut self.hosts[id];
        let session = host.daemon.open_session();
        match host.redis.process {
            Process::Absent => {
                host.daemon.session = None;
                self.hand_to_daemon(id, delay, RedisInput::Lost(Lost::Closed));
            }
            _ if auth => self.ask_redis_soon(id, Message::Hello { session }),
            _ => {
                let input = Input::Redis(RedisInput::Connected);
                self.deliver(id, delay, Some(session), input);
            }
        }
    }

    fn ask_redis(&mut self, id: HostId, query: Query) {
        if let Some(session) = self.hosts[id].daemon.session {
            self.ask_redis_soon(id, Message::Query { session, query });
        }
    }

    fn ask_redis_soon(&mut self, host: HostId, message: Message) {
        let at = self.now + Duration::from_micros(self.rng.between(15, 80));
        let at = self.hosts[host].daemon.asks(at);
        let run = self.hosts[host].redis.run;
        self.schedule(at, Event::RedisMessage { host, run, message });
    }

    pub(crate) fn fence_ends(&mut self, id: HostId, until: Time) {
        let kernel = &self.hosts[id].kernel;
        if kernel.vips_present && kernel.fence_until() == Some(until) {
            self.say(&id.to_string(), "fence has closed by itself");
        }
    }
}
