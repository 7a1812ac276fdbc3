//! The network's gateway as a tie-breaker: whoever hears it is not cut off.
//!
//! It keeps no register and says yes to everybody, so it tells a machine that is cut off from one that
//! is not, and nothing more: two machines that both hear it and not each other both have its vote.
//! An answer to an ARP request or a neighbour solicitation doesn't name the question. Here answers belong to
//! questions in their order, and an answer that takes longer than two intervals counts for none: so
//! a vote is for a stamp that was sent before its question, and a lost answer makes the votes
//! older, not newer. RFC 826, RFC 4861 sections 4.3 and 4.4.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use keepair_core::tiebreaker::{Run, Says};
use keepair_wire::peer::Stamp;
use keepair_wire::{arp, ndp};
use rustix::net::{RecvFlags, SendFlags};

use super::inbox::{Event, Inbox};
use super::route;
use super::{Gateway, IDLE, Trouble, Voice, keep};
use crate::announce;
use crate::rtnl::Rtnl;

/// It has one life: there is nothing it could forget.
const RUN: Run = *b"a gateway is one run";
/// Silent for so long, it is away.
const PATIENCE: Duration = Duration::from_secs(1);
/// Until the next question where the last one had no answer.
const AGAIN: Duration = Duration::from_millis(250);
/// Between two looks at the routes.
const LOOK: Duration = Duration::from_secs(1);
/// Frames looked at in one go.
const TURN: usize = 64;

/// Works until the daemon ends.
pub(super) fn work(setting: &Gateway, inbox: Inbox, voice: Voice) {
    keep(inbox, voice, |_, inbox, voice| serve(setting, inbox, voice));
}

/// From the first question until it is silent. `Ok`: the daemon ends.
fn serve(setting: &Gateway, inbox: &mut Inbox, voice: &mut Voice) -> Result<(), Trouble> {
    let mut rtnl = Rtnl::open()?;
    let mut way = Way::find(setting, &mut rtnl)?;
    let mut ear = Ear::open(way.ifindex)?;
    let start = Instant::now();
    let mut looked = Duration::ZERO;
    let mut watch = Watch::new(setting.interval);
    watch.asked(Duration::ZERO, None);
    let mut problem = ear.ask(&way, None);
    loop {
        let event = inbox.wait(Some(ear.fd.as_fd()), start + watch.due())?;
        let now = start.elapsed();
        match event {
            Event::Ended => return Ok(()),
            Event::Ask(ask) if ask.run != RUN => voice.say(Says::Met(RUN))?,
            Event::Ask(ask) => {
                watch.asked(now, Some(ask.stamp));
                problem = ear.ask(&way, watch.known);
            }
            Event::Due => {
                watch.asked(now, None);
                problem = ear.ask(&way, watch.known);
            }
            Event::Readable => {
                for _ in 0..TURN {
                    let Some(mac) = ear.hear(&way)? else { break };
                    for says in watch.answered(now, mac) {
                        voice.say(says)?;
                    }
                }
            }
        }
        if watch.silent(now) {
            let why = problem.map_or_else(
                || format!("no answer from {} on {}", way.gateway, setting.interface),
                |error| format!("{} can't be asked: {error}", way.gateway),
            );
            return Err(Trouble::Away(why));
        }
        if now.saturating_sub(looked) >= LOOK {
            looked = now;
            let found = Way::find(setting, &mut rtnl)?;
            if found != way {
                if found.ifindex != way.ifindex {
                    ear = Ear::open(found.ifindex)?;
                }
                way = found;
                watch = Watch { met: watch.met, ..Watch::new(setting.interval) };
                watch.asked(now, None);
                problem = ear.ask(&way, None);
            }
        }
    }
}

/// The way to the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Way {
    ifindex: u32,
    mac: [u8; 6],
    source: IpAddr,
    gateway: IpAddr,
}

impl Way {
    fn find(setting: &Gateway, rtnl: &mut Rtnl) -> Result<Way, Trouble> {
        let interface = &setting.interface;
        let link = rtnl
            .link_by_name(interface)?
            .ok_or_else(|| Trouble::Away(format!("there is no interface {interface}")))?;
        let gateway = match setting.address {
            Some(address) => address,
            None => route::default_gateway(rtnl, link.index, setting.own.is_ipv4())?.ok_or_else(
                || {
                    Trouble::Away(format!(
                        "no default route leads through {interface}: name the gateway's address"
                    ))
                },
            )?,
        };
        let step = route::step(rtnl, link.index, gateway)?;
        if let Some(other) = step.and_then(|step| step.gateway) {
            return Err(Trouble::Away(format!(
                "{gateway} is not on the network of {interface}, but behind {other}"
            )));
        }
        let same_family = setting.own.is_ipv4() == gateway.is_ipv4();
        let source =
            step.and_then(|step| step.source).or(same_family.then_some(setting.own)).ok_or_else(
                || Trouble::Away(format!("{interface} has no address that could ask {gateway}")),
            )?;
        Ok(Way { ifindex: link.index, mac: link.mac, source, gateway })
    }

    /// A question, to where it was last heard or to everybody.
    fn question(&self, to: Option<[u8; 6]>) -> Vec<u8> {
        match (self.source, self.gateway) {
            (IpAddr::V4(own), IpAddr::V4(gateway)) => {
                arp::query(self.mac, own, gateway, to).to_vec()
            }
            (IpAddr::V6(own), IpAddr::V6(gateway)) => {
                ndp::query(self.mac, own, gateway, to).to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// Who answers, if this frame is an answer to this machine.
    fn answer(&self, frame: &[u8]) -> Option<[u8; 6]> {
        if let Ok(packet) = arp::parse(frame) {
            let answers = packet.operation == arp::Operation::Reply
                && IpAddr::V4(packet.sender_ip) == self.gateway
                && packet.target_mac == self.mac;
            return answers.then_some(packet.sender_mac);
        }
        let packet = ndp::parse(frame).ok()?;
        let answers = matches!(packet.kind, ndp::Kind::Advertisement { solicited: true, .. })
            && IpAddr::V6(packet.target) == self.gateway
            && IpAddr::V6(packet.dst) == self.source;
        answers.then_some(packet.source_mac)
    }
}

/// Sends questions and hears answers, as whole frames: no fence and no neighbour table is in the way.
struct Ear {
    fd: OwnedFd,
}

impl Ear {
    fn open(ifindex: u32) -> io::Result<Ear> {
        Ok(Ear { fd: announce::listen(ifindex)? })
    }

    /// Sends a question; what stands in its way.
    fn ask(&self, way: &Way, to: Option<[u8; 6]>) -> Option<io::Error> {
        let frame = way.question(to);
        let sent =
            rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, &frame, SendFlags::DONTWAIT));
        sent.err().map(io::Error::from)
    }

    /// The next answer, `None` when there is none at present.
    fn hear(&mut self, way: &Way) -> io::Result<Option<[u8; 6]>> {
        let mut buf = [0; 2048];
        for _ in 0..TURN {
            match rustix::net::recv(&self.fd, &mut buf[..], RecvFlags::DONTWAIT) {
                Ok((_, len)) => {
                    if let Some(mac) = way.answer(buf.get(..len).unwrap_or(&[])) {
                        return Ok(Some(mac));
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                // The interface went down: reported once, and the socket lives on.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NETDOWN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

/// Which answer belongs to which question. Every time is counted from one beginning.
#[derive(Debug)]
struct Watch {
    /// An answer that took longer is none.
    late_max: Duration,
    /// Unanswered questions, and the stamps they were asked with.
    open: VecDeque<(Duration, Option<Stamp>)>,
    asked_at: Duration,
    /// The first question since the last answer.
    unanswered_since: Option<Duration>,
    /// Where it was last heard.
    known: Option<[u8; 6]>,
    met: bool,
}

impl Watch {
    fn new(interval: Duration) -> Watch {
        Watch {
            late_max: interval * 2,
            open: VecDeque::new(),
            asked_at: Duration::ZERO,
            unanswered_since: None,
            known: None,
            met: false,
        }
    }

    fn asked(&mut self, now: Duration, stamp: Option<Stamp>) {
        if self.unanswered_since.is_some_and(|since| now.saturating_sub(since) >= AGAIN) {
            // It may be another machine's by now.
            self.known = None;
        }
        self.expire(now);
        self.open.push_back((now, stamp));
        self.asked_at = now;
        self.unanswered_since.get_or_insert(now);
    }

    fn answered(&mut self, now: Duration, mac: [u8; 6]) -> Vec<Says> {
        self.expire(now);
        self.unanswered_since = None;
        self.known = Some(mac);
        let mut says = Vec::new();
        if !std::mem::replace(&mut self.met, true) {
            says.push(Says::Met(RUN));
        }
        let stamp = self.open.pop_front().and_then(|(_, stamp)| stamp);
        says.extend(stamp.map(Says::Granted));
        says
    }

    fn expire(&mut self, now: Duration) {
        while self.open.front().is_some_and(|(at, _)| now.saturating_sub(*at) > self.late_max) {
            self.open.pop_front();
        }
    }

    /// When to ask on its own.
    fn due(&self) -> Duration {
        self.asked_at + if self.unanswered_since.is_some() { AGAIN } else { IDLE }
    }

    fn silent(&self, now: Duration) -> bool {
        self.unanswered_since.is_some_and(|since| now.saturating_sub(since) >= PATIENCE)
    }
}

#[cfg(test)]
mod tests;
