//! Becoming Active, being it, leaving it.
//!
//! Coming: an advert, then the addresses, then the announcement, then the notice; the announcement
//! waits for the executor's answer, for the kernel must own an address before it is claimed. Going:
//! what must be said is said before the addresses go.

use super::Router;
use super::action::{Action, Actions, What};
use super::config::{InstanceId, Transport, Version};
use super::event::{Event, State};
use super::hmac;
use super::timer;
use crate::time::Time;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use keepair_wire::vrrp::{self, ChecksumForm, v2};

/// Lengths of an IPv4 header and an IPv6 header in bytes.
const IP_HEADER: [usize; 2] = [20, 40];

impl Router {
    /// Takes the addresses.
    pub(super) fn become_active(&mut self, now: Time, i: usize, why: &str, out: &mut Actions) {
        let interval = self.instance_config(i).advert_interval;
        let source = self.source(i);
        let instance = &mut self.instances[i];
        instance.clear_timers();
        // Always: keepalived does so only when it logs (`-D`).
        instance.master_interval = interval;
        instance.master = source.map(|source| (source, instance.priority));
        instance.counters.become_master += 1;
        self.advertise(now, i, out);
        out.push(Action::AddAddresses(InstanceId(i)));
        self.instances[i].unanswered += 1;
        self.enter(now, i, State::Active, why, out);
        self.notify(i, What::Master, out);
    }

    /// Sends an advert and starts Adver_Timer.
    pub(super) fn advertise(&mut self, now: Time, i: usize, out: &mut Actions) {
        let priority = self.instances[i].priority;
        let interval = self.instance_config(i).advert_interval;
        self.send(now, i, priority, out);
        self.instances[i].advert_at = Some(now + interval);
        self.instances[i].advert_sent_at = now;
    }

    /// Lets the addresses go, after so many adverts of priority 0.
    pub(super) fn leave(&mut self, now: Time, i: usize, farewells: u32, out: &mut Actions) {
        for _ in 0..farewells {
            self.send(now, i, 0, out);
        }
        self.instances[i].clear_timers();
        self.instances[i].counters.release_master += 1;
        self.remove_addresses(i, out);
    }

    /// The executor has put addresses in.
    pub(super) fn added(
        &mut self,
        now: Time,
        instance: InstanceId,
        result: Result<(), String>,
        out: &mut Actions,
    ) {
        let Some(i) = self.known(instance) else { return };
        if let Err(text) = result {
            // Other addresses may well be there: what is there is announced.
            let text = format!("could not add all addresses: {text}");
            out.push(Action::Tell(Event::Problem { instance: Some(instance), text }));
        }
        let last = self.instances[i].unanswered <= 1;
        if last && self.instances[i].state == State::Active {
            self.announce_first(now, i, out);
        }
        self.answered(i, out);
    }

    /// The first burst, and the timers of the others.
    pub(super) fn announce_first(&mut self, now: Time, i: usize, out: &mut Actions) {
        let garp = self.instance_config(i).garp;
        self.announce(i, garp.repeat, out);
        self.instances[i].burst_at = later(now, garp.delay);
        self.instances[i].refresh_at = later(now, garp.refresh).map(|at| at + garp.delay);
    }

    /// A burst.
    pub(super) fn announce(&self, i: usize, times: u32, out: &mut Actions) {
        if times > 0 {
            out.push(Action::Announce { instance: InstanceId(i), times });
        }
    }

    /// The operator wants everything announced.
    pub(super) fn announce_all(&self, out: &mut Actions) {
        for i in self.all().filter(|i| self.instances[*i].state == State::Active) {
            self.announce(i, self.instance_config(i).garp.repeat, out);
        }
    }

    /// Does what the timers of the instances ask for.
    pub(super) fn timers_due(&mut self, now: Time, out: &mut Actions) {
        for i in self.all() {
            let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
            if due(self.instances[i].advert_at) {
                self.advert_due(now, i, out);
            }
            let garp = self.instance_config(i).garp;
            if due(self.instances[i].burst_at) {
                self.instances[i].burst_at = None;
                self.announce(i, garp.repeat, out);
            }
            if due(self.instances[i].refresh_at) {
                self.instances[i].refresh_at = later(now, garp.refresh);
                self.announce(i, garp.refresh_repeat, out);
            }
            if due(self.instances[i].lower_burst_at) {
                self.instances[i].lower_burst_at = None;
                self.announce(i, garp.lower_prio_repeat, out);
            }
            if due(self.instances[i].down_at) {
                self.down_timer_expired(now, i, out);
            }
        }
        self.groups_follow(now, out);
    }

    /// Adver_Timer. The next one counts from when this one was due, so that delays do not add up.
    fn advert_due(&mut self, now: Time, i: usize, out: &mut Actions) {
        let due = self.instances[i].advert_at.unwrap_or(now);
        self.advertise(now, i, out);
        let next = due + self.instance_config(i).advert_interval;
        if next > now {
            self.instances[i].advert_at = Some(next);
        }
    }

    /// `timer_expired_backup`: this machine stood still for so long that another one has the
    /// addresses by now. It goes before it says anything.
    pub(super) fn resign_after_standing_still(&mut self, now: Time, out: &mut Actions) {
        for i in self.all() {
            let config = self.instance_config(i);
            let Some(priority) = config.timer_expired_backup else { continue };
            if self.instances[i].state != State::Active {
                continue;
            }
            let limit = timer::down(config, priority, config.advert_interval);
            if now.since(self.instances[i].advert_sent_at) > limit {
                self.group_leaves(now, i, 0, "this machine stood still for too long", out);
            }
        }
    }

    /// Somebody took an address, a route or a rule away: another machine may do better.
    pub(super) fn addresses_gone(&mut self, now: Time, instance: InstanceId, out: &mut Actions) {
        let Some(i) = self.known(instance) else { return };
        if self.instances[i].state != State::Active || self.phase != super::Phase::Running {
            return;
        }
        for i in self.group_leaves(now, i, 1, "something of it was removed", out) {
            let skew = self.skew(i);
            self.instances[i].down_at = Some(now + skew);
        }
    }

    /// An Active instance becomes Backup, and all Active members of its group with it. Returns who
    /// did.
    pub(super) fn group_leaves(
        &mut self,
        now: Time,
        first: usize,
        farewells: u32,
        why: &str,
        out: &mut Actions,
    ) -> Vec<usize> {
        let mut who = vec![first];
        who.extend(self.companions(first).filter(|i| self.instances[*i].state == State::Active));
        for i in &who {
            self.leave(now, *i, farewells, out);
            self.become_backup(now, *i, why, out);
        }
        who
    }

    /// Sends an advert: a farewell if the priority is 0.
    pub(super) fn send(&mut self, now: Time, i: usize, priority: u8, out: &mut Actions) {
        let Some(src) = self.source(i) else { return };
        let config = self.instance_config(i);
        let link = &self.links[config.link.0];
        if !link.state.up {
            return;
        }
        let group = match &config.transport {
            Transport::Multicast { group } => vec![*group],
            Transport::Unicast { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
        };
        let trailer = self.next_trailer(i, self.clock.unix(now));
        for dst in group.into_iter().filter(|dst| dst.is_ipv4() == src.is_ipv4()) {
            let mut message = self.message(i, priority, src, dst);
            if let Some(trailer) = trailer {
                self.sign(i, &mut message, trailer, src, dst);
            }
            out.push(Action::Send { instance: InstanceId(i), src, dst, message });
        }
        let counters = &mut self.instances[i].counters;
        counters.advert_sent += 1;
        counters.pri_zero_sent += u64::from(priority == 0);
    }

    /// The bytes of an advert.
    fn message(&self, i: usize, priority: u8, src: IpAddr, dst: IpAddr) -> Vec<u8> {
        let config = self.instance_config(i);
        let addresses = self.advertised(i);
        match config.version {
            Version::V2 => {
                let v4 = |address: &IpAddr| match address {
                    IpAddr::V4(address) => Some(*address),
                    IpAddr::V6(_) => None,
                };
                let addresses: Vec<Ipv4Addr> = addresses.iter().filter_map(v4).collect();
                let auth_type = match config.password {
                    Some(_) => v2::AUTH_PASSWORD,
                    None => v2::AUTH_NONE,
                };
                let seconds = config.advert_interval.as_secs().clamp(1, 255);
                v2::Advert {
                    vrid: config.vrid.0,
                    priority,
                    auth_type,
                    advert_int_s: u8::try_from(seconds).unwrap_or(u8::MAX),
                    addresses,
                    auth_data: config.password.map_or([0; 8], |password| password.0),
                }
                .emit()
            }
            Version::V3 => {
                let unicast = matches!(config.transport, Transport::Unicast { .. });
                let form = if config.checksum_without_pseudo_header {
                    ChecksumForm::MessageOnly
                } else if unicast && self.instances[i].group_checksum {
                    ChecksumForm::GroupPseudoHeader
                } else {
                    ChecksumForm::PseudoHeader
                };
                let centiseconds = config.advert_interval.as_millis() / 10;
                let max_advert_int_cs = u16::try_from(centiseconds)
                    .unwrap_or(u16::MAX)
                    .clamp(1, vrrp::MAX_ADVERT_INT_CS);
                vrrp::Advert { vrid: config.vrid.0, priority, max_advert_int_cs, addresses }
                    .emit(src, dst, form)
            }
        }
    }

    /// The addresses that an advert names: as many as the format and a packet can hold.
    pub(super) fn advertised(&self, i: usize) -> Vec<IpAddr> {
        let config = self.instance_config(i);
        let v4 = config.family == super::config::Family::V4;
        let empty = match config.version {
            Version::V2 => v2::len(0),
            Version::V3 => vrrp::len(0, v4),
        };
        let header = IP_HEADER[usize::from(!v4)] + empty + hmac::trailer_len(config);
        let mtu = usize::try_from(self.links[config.link.0].state.mtu).unwrap_or(usize::MAX);
        // An MTU that is not known limits nothing.
        let room = if mtu == 0 { usize::MAX } else { mtu.saturating_sub(header) };
        let most = (room / if v4 { 4 } else { 16 }).min(255);
        let addresses = config.addresses.iter().map(|it| it.address);
        addresses.filter(|address| address.is_ipv4() == v4).take(most).collect()
    }

    /// Where the adverts of an instance come from.
    pub(super) fn source(&self, i: usize) -> Option<IpAddr> {
        let config = self.instance_config(i);
        let state = &self.links.get(config.link.0)?.state;
        config.source.or(match config.family {
            super::config::Family::V4 => state.v4.map(IpAddr::V4),
            super::config::Family::V6 => state.v6.map(IpAddr::V6),
        })
    }
}

/// So much later; never, if zero.
fn later(now: Time, delay: Duration) -> Option<Time> {
    (!delay.is_zero()).then(|| now + delay)
}
