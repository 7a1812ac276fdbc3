//! Machines that do what routers ask for, and write it down.

use crate::config::Vrid;
use crate::router::action::{Action, Actions, Subject, What};
use crate::router::config::*;
use crate::router::event::{Event, State};
use crate::router::input::{Ended, Input, LinkState, Operator};
use crate::router::network::Address;
use crate::router::{Config, Router};
use crate::time::Time;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An address as conf would make it from its text alone.
pub(super) fn address(text: &str) -> Address {
    Address {
        address: ip(text),
        prefix_len: None,
        interface: None,
        vmac: false,
        broadcast: None,
        scope: None,
        label: None,
        peer: None,
        home: false,
        duplicate_detection: false,
        manage_temporary: false,
        no_prefix_route: false,
        autojoin: false,
        no_track: false,
        preferred: None,
        track_group: None,
    }
}

/// `vrrp_instance` with keepalived's defaults: version 2, every second, on the first interface, which
/// it tracks.
pub(super) fn instance(name: &str, vrid: u8, priority: u8) -> InstanceConfig {
    InstanceConfig {
        name: name.into(),
        link: LinkId(0),
        vrid: Vrid(vrid),
        family: Family::V4,
        version: Version::V2,
        priority,
        wants_active: priority == 255,
        advert_interval: SECOND,
        down_timer_adverts: 3,
        preempt: true,
        preempt_delay: Duration::ZERO,
        source: None,
        track_source: false,
        transport: Transport::Multicast { group: ip("224.0.0.18") },
        checksum_without_pseudo_header: false,
        old_unicast_checksum: None,
        password: None,
        hmac: None,
        addresses: vec![address("10.0.0.100")],
        excluded_addresses: vec![],
        routes: vec![],
        rules: vec![],
        garp: Garp {
            delay: SECOND * 5,
            repeat: 5,
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_delay: SECOND * 5,
            lower_prio_repeat: 5,
        },
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        skip_check_adv_addr: false,
        owner_ignore_adverts: false,
        strict: false,
        accept: true,
        timer_expired_backup: None,
        vmac: None,
        promote_secondaries: false,
        tracks: Tracks {
            links: vec![Track { id: LinkId(0), weight: Weight::default() }],
            ..Tracks::default()
        },
        notify_priority_changes: false,
        smtp_alert: false,
        notify_deleted: false,
    }
}

/// The same in version 3.
pub(super) fn instance_v3(name: &str, vrid: u8, priority: u8) -> InstanceConfig {
    InstanceConfig { version: Version::V3, ..instance(name, vrid, priority) }
}

/// `vrrp_script`, every second.
pub(super) fn script(name: &str) -> ScriptConfig {
    ScriptConfig {
        name: name.into(),
        interval: SECOND,
        timeout: SECOND,
        rise: 1,
        fall: 1,
        init_fail: false,
    }
}

pub(super) fn track<Id>(id: Id, value: i16) -> Track<Id> {
    Track { id, weight: Weight { value, reverse: false } }
}

pub(super) fn link(name: &str) -> LinkConfig {
    LinkConfig { name: name.into(), down_delay: Duration::ZERO, up_delay: Duration::ZERO }
}

/// `vrrp_sync_group` of all instances so far.
pub(super) fn group(config: &Config) -> GroupConfig {
    GroupConfig {
        name: "G".into(),
        members: (0..config.instances.len()).map(InstanceId).collect(),
        tracks: Tracks::default(),
        tracking_weight: false,
        smtp_alert: false,
    }
}

/// Some instances on two interfaces.
pub(super) fn config(instances: impl IntoIterator<Item = InstanceConfig>) -> Config {
    Config {
        links: vec![link("eth0"), link("eth1")],
        instances: instances.into_iter().collect(),
        ..Config::default()
    }
}

/// A machine.
pub(super) struct Host {
    pub(super) router: Router,
    pub(super) config: Config,
    number: u8,
    /// It runs. A host that crashed leaves its addresses behind.
    pub(super) alive: bool,
    /// It hears the others and they hear it.
    pub(super) connected: bool,
    /// By interface.
    pub(super) up: Vec<bool>,
    /// What the next runs of the scripts exit with; `None`: they hang.
    pub(super) scripts: Vec<Option<i32>>,
    /// Changes of addresses are answered later, by [`World::answer`].
    pub(super) slow: bool,
    pub(super) owed: Vec<Input>,
    /// The instances whose addresses it holds.
    pub(super) holds: Vec<bool>,
    pub(super) lines: Vec<String>,
    pub(super) events: Vec<Event>,
    pub(super) exited: bool,
    /// Messages, as bytes.
    pub(super) sent: Vec<Vec<u8>>,
}

/// Machines on common links, one link for each interface.
pub(super) struct World {
    pub(super) now: Time,
    pub(super) hosts: Vec<Host>,
    queue: VecDeque<(usize, Input)>,
    start: Time,
}

impl World {
    /// Machines that have started: 10.0.0.1, 10.0.0.2 and so on.
    pub(super) fn new(configs: impl IntoIterator<Item = Config>) -> World {
        let start = Time(5_000_000);
        let mut world = World { now: start, hosts: vec![], queue: VecDeque::new(), start };
        for config in configs {
            world.add(config);
        }
        world
    }

    /// A machine whose scripts exit with this, or hang.
    pub(super) fn with_scripts(config: Config, scripts: &[Option<i32>]) -> World {
        let mut world = World::new([]);
        world.prepare(config);
        world.hosts[0].scripts = scripts.to_vec();
        world.begin(0);
        world
    }

    /// One more machine starts.
    pub(super) fn add(&mut self, config: Config) -> usize {
        let host = self.prepare(config);
        self.begin(host);
        host
    }

    fn prepare(&mut self, config: Config) -> usize {
        let number = u8::try_from(self.hosts.len() + 1).unwrap();
        self.hosts.push(Host {
            router: Router::new(config.clone(), self.now),
            number,
            alive: true,
            connected: true,
            up: vec![true; config.links.len()],
            scripts: vec![Some(0); config.scripts.len()],
            slow: false,
            owed: vec![],
            holds: vec![false; config.instances.len()],
            lines: vec![],
            events: vec![],
            exited: false,
            sent: vec![],
            config,
        });
        self.hosts.len() - 1
    }

    /// A machine that crashed starts again.
    pub(super) fn restart(&mut self, host: usize) {
        self.hosts[host].router = Router::new(self.hosts[host].config.clone(), self.now);
        self.hosts[host].alive = true;
        self.begin(host);
    }

    fn begin(&mut self, host: usize) {
        self.tell(host, Input::Started { unix: Duration::from_secs(1_000_000) });
        for link in 0..self.hosts[host].config.links.len() {
            let state = self.link_state(host, link);
            self.tell(host, Input::Link { link: LinkId(link), state });
        }
    }

    pub(super) fn link_state(&self, host: usize, link: usize) -> LinkState {
        let it = &self.hosts[host];
        let v4 = Ipv4Addr::new(10, 0, u8::try_from(link).unwrap(), it.number);
        let v6 = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, link as u16, u16::from(it.number));
        LinkState {
            up: it.up[link],
            v4: Some(v4),
            v6: Some(v6),
            all: vec![v4.into(), v6.into()],
            mtu: 1500,
        }
    }

    /// An interface goes down or comes up.
    pub(super) fn set_link(&mut self, host: usize, link: usize, up: bool) {
        self.hosts[host].up[link] = up;
        let state = self.link_state(host, link);
        self.tell(host, Input::Link { link: LinkId(link), state });
    }

    /// Something happens to one machine, and everything that follows from it at once.
    pub(super) fn tell(&mut self, host: usize, input: Input) {
        self.queue.push_back((host, input));
        let mut steps = 0;
        while let Some((host, input)) = self.queue.pop_front() {
            steps += 1;
            assert!(steps < 10_000, "it does not come to rest");
            self.handle(host, input);
        }
    }

    /// All that happens in so much time.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        while let Some((at, host)) = self.next()
            && at <= until
        {
            steps += 1;
            assert!(steps < 200_000, "it is busy for ever");
            self.now = at.max(self.now);
            self.tell(host, Input::Deadline);
            assert!(self.hosts[host].router.deadline() > self.now, "a deadline is not past");
        }
        self.now = until;
    }

    fn next(&self) -> Option<(Time, usize)> {
        let alive = self.hosts.iter().enumerate().filter(|(_, host)| host.alive);
        alive.map(|(i, host)| (host.router.deadline(), i)).min()
    }

    /// The executor of a slow machine answers.
    pub(super) fn answer(&mut self, host: usize) {
        for input in core::mem::take(&mut self.hosts[host].owed) {
            self.tell(host, input);
        }
    }

    pub(super) fn crash(&mut self, host: usize) {
        self.hosts[host].alive = false;
    }

    fn handle(&mut self, host: usize, input: Input) {
        if !self.hosts[host].alive || self.hosts[host].exited {
            return;
        }
        let mut actions = Actions::new();
        self.hosts[host].router.handle(self.now, input, &mut actions);
        for action in actions {
            self.perform(host, action);
        }
    }

    fn perform(&mut self, host: usize, action: Action) {
        self.write(host, &action);
        match action {
            Action::Send { instance, src, dst, message } => {
                self.send(host, instance, src, dst, message)
            }
            Action::AddAddresses(instance) => {
                self.hosts[host].holds[instance.0] = true;
                self.reply(host, Input::Added(instance, Ok(())));
            }
            Action::RemoveAddresses(instance) => {
                self.hosts[host].holds[instance.0] = false;
                self.reply(host, Input::Removed(instance, Ok(())));
            }
            Action::RunScript(script) => {
                if let Some(status) = self.hosts[host].scripts[script.0] {
                    let ended = Input::ScriptEnded(script, Ended::Exited(status));
                    self.queue.push_back((host, ended));
                }
            }
            Action::Tell(event) => self.hosts[host].events.push(event),
            Action::Adopt(adopted) => {
                let it = &mut self.hosts[host];
                let holds = adopted.instances.iter().map(|old| old.is_some_and(|i| it.holds[i.0]));
                it.holds = holds.collect();
                it.scripts.resize(adopted.config.scripts.len(), Some(0));
                it.config = adopted.config.clone();
            }
            Action::Exit => self.hosts[host].exited = true,
            Action::Announce { .. } | Action::EndScript { .. } | Action::Notify(_) => {}
        }
    }

    fn reply(&mut self, host: usize, input: Input) {
        if self.hosts[host].slow {
            self.hosts[host].owed.push(input);
        } else {
            self.queue.push_back((host, input));
        }
    }

    fn send(&mut self, from: usize, id: InstanceId, src: IpAddr, dst: IpAddr, message: Vec<u8>) {
        let link = self.hosts[from].config.instances[id.0].link;
        self.hosts[from].sent.push(message.clone());
        for to in 0..self.hosts.len() {
            let (a, b) = (&self.hosts[from], &self.hosts[to]);
            let reaches = a.connected && b.connected && a.up[link.0] && b.up[link.0];
            if to == from || !reaches {
                continue;
            }
            let message = message.clone();
            self.queue.push_back((to, Input::Packet { link, src, dst, ttl: 255, message }));
        }
    }

    fn write(&mut self, host: usize, action: &Action) {
        let config = &self.hosts[host].config;
        let name = |id: &InstanceId| config.instances[id.0].name.as_str();
        let text = match action {
            Action::Send { instance, message, .. } => {
                format!("send {} {}", name(instance), message[2])
            }
            Action::AddAddresses(id) => format!("add {}", name(id)),
            Action::RemoveAddresses(id) => format!("remove {}", name(id)),
            Action::Announce { instance, times } => format!("announce {} x{times}", name(instance)),
            Action::RunScript(id) => format!("run {}", config.scripts[id.0].name),
            Action::EndScript { script, kill } => {
                let signal = if *kill { "SIGKILL" } else { "SIGTERM" };
                format!("{signal} {}", config.scripts[script.0].name)
            }
            Action::Notify(notice) => {
                let (kind, name) = match notice.of {
                    Subject::Instance(id) => ("INSTANCE", name(&id)),
                    Subject::Group(id) => ("GROUP", config.groups[id.0].name.as_str()),
                };
                let what = match notice.what {
                    What::Master => "MASTER",
                    What::Backup => "BACKUP",
                    What::Fault => "FAULT",
                    What::Stop => "STOP",
                    What::Deleted => "DELETED",
                    What::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
                    What::Priority { active: true } => "MASTER_PRIORITY",
                    What::Priority { active: false } => "BACKUP_PRIORITY",
                };
                format!("{kind} {name} {what} {}", notice.priority)
            }
            Action::Tell(_) => return,
            Action::Adopt(_) => "adopt".into(),
            Action::Exit => "exit".into(),
        };
        let ms = self.now.since(self.start).as_millis();
        let line = format!("{}.{:03} {text}", ms / 1000, ms % 1000);
        self.hosts[host].lines.push(line);
    }

    /// What a machine did since the last time it was asked, without adverts.
    pub(super) fn trace(&mut self, host: usize) -> Vec<String> {
        let lines = core::mem::take(&mut self.hosts[host].lines);
        lines.into_iter().filter(|line| !line.contains(" send ") || line.ends_with(" 0")).collect()
    }

    /// The same, with adverts, without the time, and only what has to do with one thing.
    pub(super) fn lines(&mut self, host: usize, part: &str) -> Vec<String> {
        let lines = core::mem::take(&mut self.hosts[host].lines);
        let without_time = lines.iter().filter_map(|line| line.split_once(' '));
        let wanted = without_time.map(|(_, text)| text.to_string());
        wanted.filter(|text| text.contains(part)).collect()
    }

    pub(super) fn state(&self, host: usize, instance: usize) -> State {
        self.hosts[host].router.status(self.now).instances[instance].state
    }

    pub(super) fn priority(&self, host: usize, instance: usize) -> u8 {
        self.hosts[host].router.status(self.now).instances[instance].priority
    }

    /// Until an instance takes over, in milliseconds.
    pub(super) fn takes_over_ms(&self, host: usize, instance: usize) -> Option<u128> {
        let status = self.hosts[host].router.status(self.now);
        status.instances[instance].takes_over.map(|left| left.as_millis())
    }

    pub(super) fn stop(&mut self, host: usize) {
        self.tell(host, Input::Operator(Operator::Stop));
    }

    pub(super) fn reload(&mut self, host: usize, config: Config) {
        let links = config.links.len();
        self.tell(host, Input::Operator(Operator::Reload(config.into())));
        for link in 0..links {
            if self.hosts[host].up.len() <= link {
                self.hosts[host].up.push(true);
            }
            let state = self.link_state(host, link);
            self.tell(host, Input::Link { link: LinkId(link), state });
        }
    }
}
