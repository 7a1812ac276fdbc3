//! What lies between the machines and the client: delays, losses, doubles, cuts.
//!
//! Datagrams (adverts, reports, announcements) are lost for good, may come twice, and may overtake
//! each other. What connections carry is in [`crate::stream`]. Not here: what messages mean.

use crate::bridge::Switch;
use crate::checkers::Fact;
use crate::host::{HostId, PerHost};
use crate::rng::Rng;
use crate::stream::Streams;
use crate::world::{Event, World};
use keepair_core::Input;
use keepair_core::time::Time;
use std::time::Duration;

/// A kind of traffic between the two machines, which may be cut by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Traffic {
    /// VRRP.
    Adverts,
    /// The daemons' datagrams.
    Reports,
    /// Replication, ARP, everything else.
    Rest,
}

impl Traffic {
    /// All kinds.
    pub const ALL: [Traffic; 3] = [Traffic::Adverts, Traffic::Reports, Traffic::Rest];
}

/// What happens to frames on their way.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Weather {
    /// Frames lost, of a thousand.
    pub lost: u64,
    /// Announcements and ARP lost besides, of a thousand.
    pub arp_lost: u64,
    /// Datagrams that come twice, of a thousand.
    pub doubled: u64,
    /// Frames that are held up, of a thousand.
    pub late: u64,
    /// For so long, from and to.
    pub late_us: (u64, u64),
}

/// The network.
#[derive(Debug)]
pub struct Network {
    /// One-way delay of a frame, from and to.
    pub latency_us: (u64, u64),
    /// What happens to frames.
    pub weather: Weather,
    /// The switch.
    pub switch: Switch,
    /// Which traffic does not get from one machine to the other; by sender.
    cuts: PerHost<[bool; 3]>,
    /// Clients do not reach this machine, nor it them.
    pub clients_cut: PerHost<bool>,
    /// Connections between the two Redis.
    pub(crate) streams: Streams,
    /// Until when frames were lost or held up.
    bad_until: Time,
    /// When a datagram of its peer last reached each machine in good time.
    heard_at: PerHost<Time>,
    /// Announcements of each machine since it took the address: how many reached the client, and how
    /// many did not.
    announced: PerHost<(u32, u32)>,
    /// Until when one of them did not hear the other at all, though both have a carrier.
    parted_until: Option<Time>,
}

impl Network {
    /// A network without faults.
    pub fn new(latency_us: (u64, u64)) -> Self {
        Network {
            latency_us,
            weather: Weather::default(),
            switch: Switch::default(),
            cuts: PerHost::default(),
            clients_cut: PerHost::default(),
            streams: Streams::default(),
            bad_until: Time(0),
            heard_at: PerHost::default(),
            announced: PerHost::default(),
            parted_until: None,
        }
    }

    /// A drawn delay.
    pub fn latency(&self, rng: &mut Rng) -> Duration {
        let mut delay = rng.between(self.latency_us.0, self.latency_us.1);
        if self.weather.late > 0 && rng.chance(self.weather.late) {
            delay += rng.between(self.weather.late_us.0, self.weather.late_us.1);
        }
        Duration::from_micros(delay)
    }

    /// This machine takes the address: nobody has been told.
    pub(crate) fn begin_announcing(&mut self, host: HostId) {
        self.announced[host] = (0, 0);
    }

    /// The client could not hear a single announcement of this machine, though there were some.
    pub(crate) fn never_heard(&self, host: HostId) -> bool {
        matches!(self.announced[host], (0, 1..))
    }

    /// Traffic of these kinds from there does not arrive any more.
    pub fn cut(&mut self, from: HostId, kinds: &[Traffic]) {
        for kind in kinds {
            self.cuts[from][*kind as usize] = true;
        }
    }

    /// No cuts any more.
    pub fn mend(&mut self, now: Time) {
        if self.parted() {
            self.parted_until = Some(now);
        }
        self.cuts = PerHost::default();
        self.clients_cut = PerHost::default();
    }

    /// This kind of traffic from there is cut.
    pub fn is_cut(&self, from: HostId, kind: Traffic) -> bool {
        self.cuts[from][kind as usize]
    }

    /// One of them does not hear the other at all, though both have a carrier.
    pub fn parted(&self) -> bool {
        let deaf =
            |from| self.is_cut(from, Traffic::Adverts) && self.is_cut(from, Traffic::Reports);
        HostId::BOTH.into_iter().any(deaf)
    }

    /// A cable was out, and who holds the address sent its adverts all the same.
    pub(crate) fn outage_unnoticed(&mut self, now: Time) {
        self.parted_until = Some(now);
    }

    /// From now on.
    pub fn change_weather(&mut self, now: Time, weather: Weather) {
        if self.bad() {
            self.bad_until = now;
        }
        self.weather = weather;
    }

    fn bad(&self) -> bool {
        self.weather.lost > 0 || self.weather.late > 0
    }

    /// In bad weather nothing has reached this machine in good time for so long that it must take its
    /// peer for dead: they are parted.
    pub(crate) fn unheard(&mut self, now: Time, host: HostId, patience: Duration) {
        let bad = self.bad() || now.since(self.bad_until) <= patience;
        if bad && now.since(self.heard_at[host]) >= patience {
            self.parted_until = Some(now);
        }
    }

    /// They are parted, or were so little while ago that they may not know it is over.
    pub fn parted_within(&self, now: Time, while_ago: Duration) -> bool {
        self.parted() || self.parted_until.is_some_and(|at| now.since(at) <= while_ago)
    }
}

impl World {
    /// The machine is on the network.
    pub fn on_network(&self, host: HostId) -> bool {
        self.hosts[host].lives() && self.hosts[host].kernel.carrier
    }

    /// Frames of this kind get from this machine to the other.
    pub fn path(&self, from: HostId, traffic: Traffic) -> bool {
        self.on_network(from) && self.on_network(from.peer()) && !self.network.is_cut(from, traffic)
    }

    /// The client and this machine reach each other.
    pub fn client_path(&self, host: HostId) -> bool {
        self.on_network(host) && !self.network.clients_cut[host]
    }

    /// Sends a datagram to the other machine's daemon.
    pub(crate) fn send_frame(&mut self, from: HostId, traffic: Traffic, input: Input) {
        if !self.on_network(from) {
            return;
        }
        self.network.switch.learn(from);
        if self.network.is_cut(from, traffic) {
            return self.frame_lost(from, &input);
        }
        let doubled = self.network.weather.doubled;
        if doubled > 0 && self.rng.chance(doubled) {
            self.send_one(from, traffic, input.clone());
        }
        self.send_one(from, traffic, input);
    }

    fn send_one(&mut self, from: HostId, traffic: Traffic, input: Input) {
        let lost = self.rng.chance(self.network.weather.lost);
        let delay = self.network.latency(&mut self.rng);
        // Adverts are for everybody, unless told to go to the peer alone.
        let to_all = traffic == Traffic::Adverts && !self.options.unicast;
        if lost || !(to_all || self.network.switch.finds(from.peer())) {
            return self.frame_lost(from, &input);
        }
        let at = self.now + delay;
        let timely = delay < self.options.advert_interval;
        self.schedule(at, Event::Frame { from, traffic, timely, input: Box::new(input) });
    }

    fn frame_lost(&mut self, from: HostId, input: &Input) {
        if let Input::Advert { message, .. } = input {
            // The third byte of an advert is its priority.
            let farewell = message.get(2) == Some(&0);
            self.see(&Fact::Lost { from, farewell });
        }
    }

    pub(crate) fn frame_comes(
        &mut self,
        from: HostId,
        traffic: Traffic,
        timely: bool,
        input: Input,
    ) {
        let to = from.peer();
        // A frame on its way is not stopped by what happens to its sender.
        let arrives = self.hosts[to].powered
            && self.hosts[to].kernel.carrier
            && !self.network.is_cut(from, traffic);
        if arrives {
            if timely {
                self.network.heard_at[to] = self.now;
            }
            self.daemon_hears(to, traffic, input);
        }
    }

    /// One round of announcements, to the client.
    pub(crate) fn announce(&mut self, from: HostId) {
        self.network.switch.learn(from);
        let lost = self.network.weather.lost + self.network.weather.arp_lost;
        if self.rng.chance(lost) || !self.client_path(from) {
            self.network.announced[from].1 += 1;
        } else {
            self.network.announced[from].0 += 1;
            let at = self.now + self.network.latency(&mut self.rng);
            self.schedule(at, Event::ArpHeard { host: from, unasked: true });
        }
    }

    /// The client asks who has the address; whoever answers, answers.
    pub(crate) fn ask_for_address(&mut self) {
        for host in HostId::BOTH {
            if !self.client_path(host) || !self.answers(host) {
                continue;
            }
            let lost = self.network.weather.lost + self.network.weather.arp_lost;
            let lost = self.rng.chance(lost);
            let delay = self.network.latency(&mut self.rng) + self.network.latency(&mut self.rng);
            if !lost {
                self.network.switch.learn(host);
                self.schedule(self.now + delay, Event::ArpHeard { host, unasked: false });
            }
        }
    }

    pub(crate) fn arp_heard(&mut self, host: HostId, unasked: bool) {
        if self.network.clients_cut[host] {
            return;
        }
        let before = self.client.arp.known();
        self.client.arp.hear(self.now, host, unasked);
        if before != self.client.arp.known() {
            self.say(&"client", format_args!("believes the address to be at {host}"));
        }
    }
}
