//! A router's real-time thread in the calling thread's network namespace, and configurations for it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keepair_core::config::Vrid;
use keepair_core::router::action::{Adopted, Notice};
use keepair_core::router::config::{
    Config, Family, Garp, InstanceConfig, LinkConfig, LinkId, ScriptId, Track, Tracks, Transport,
    Version, Weight,
};
use keepair_core::router::event::{Event, State};
use keepair_core::router::input::Operator;
use keepair_core::router::network::Address;
use keepair_core::router::{Input, Status};
use keepair_linux::realtime::Wake;
use keepair_linux::router::network_setup::NetworkSetup;
use keepair_linux::router::outside::Outside;
use keepair_linux::router::reactor::{Mailbox, Parts, Reactor, Reload, Request};
use keepair_linux::router::setup::Setup;

/// What an adverts' timer needs at least, and no test waits longer than it must.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(10);

/// A daemon that is running.
pub(crate) struct Daemon {
    mailbox: Mailbox,
    events: Receiver<Event>,
    pub(crate) heard: Vec<Event>,
    /// Rounds of its loop.
    pub(crate) rounds: Arc<AtomicU64>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

struct Ears(Sender<Event>);

impl Outside for Ears {
    fn run_script(&mut self, _: ScriptId) {}
    fn end_script(&mut self, _: ScriptId, _: bool) {}
    fn notify(&mut self, _: Notice) {}
    fn tell(&mut self, event: Event) {
        let _ = self.0.send(event);
    }
    fn adopt(&mut self, _: &Adopted, _: &Setup) {}
    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }
    fn ready(&mut self, _: &mut VecDeque<Input>) {}
    fn stop(&mut self) {}
}

impl Daemon {
    /// Starts one here: a thread inherits the namespace of the one that starts it.
    pub(crate) fn start(config: &Config, network: NetworkSetup) -> Daemon {
        let wake = Arc::new(Wake::new().unwrap());
        let (sender, requests) = sync_channel(16);
        let (ears, events) = channel();
        let rounds = Arc::new(AtomicU64::new(0));
        let reactor = Reactor::open(Parts {
            config: config.clone(),
            setup: Setup::empty(network),
            outside: Box::new(Ears(ears)),
            wake: Arc::clone(&wake),
            requests,
            rounds: Arc::clone(&rounds),
        })
        .unwrap();
        let thread = Some(std::thread::spawn(move || reactor.run()));
        Daemon { mailbox: Mailbox::new(sender, wake), events, heard: Vec::new(), rounds, thread }
    }

    /// Waits until an event is heard, counting those that were heard before.
    pub(crate) fn wait_for(&mut self, what: &str, is: impl Fn(&Event) -> bool) -> Event {
        let start = Instant::now();
        loop {
            if let Some(at) = self.heard.iter().position(&is) {
                return self.heard.remove(at);
            }
            match self.events.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
                Ok(event) => self.heard.push(event),
                Err(error) => {
                    panic!("waited in vain for {what} ({error}); heard {:#?}", self.heard)
                }
            }
        }
    }

    /// Waits until an instance has come into a state.
    pub(crate) fn wait_state(&mut self, instance: usize, state: State) {
        self.wait_for(&format!("{state:?}"), |event| {
            matches!(event, Event::StateChanged { instance: it, to, .. }
                if it.0 == instance && *to == state)
        });
    }

    /// What an instance told to be wrong, so far.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        self.heard.extend(self.events.try_iter());
        let text = |event: &Event| match event {
            Event::Problem { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.heard.iter().filter_map(text).collect()
    }

    pub(crate) fn status(&self) -> Status {
        let (sender, answer) = sync_channel(1);
        self.mailbox.put(Request::Status(sender)).unwrap();
        *answer.recv_timeout(LIMIT).unwrap()
    }

    pub(crate) fn reload(&self, config: &Config, network: NetworkSetup) {
        let reload = Reload::new(config.clone(), Setup::empty(network));
        self.mailbox.put(Request::Reload(Box::new(reload))).unwrap();
        // The answer comes after the reload.
        self.status();
    }

    pub(crate) fn tell(&self, operator: Operator) {
        self.mailbox.put(Request::Operator(operator)).unwrap();
    }

    pub(crate) fn stop(mut self) {
        self.tell(Operator::Stop);
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = self.mailbox.put(Request::Operator(Operator::Stop));
            let _ = thread.join();
        }
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An address as a file has it that says nothing about it: `10.0.0.1` or `10.0.0.1/24`.
pub(crate) fn address(text: &str) -> Address {
    let (address, prefix_len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len.parse().unwrap())),
        None => (text, None),
    };
    Address {
        address: ip(address),
        prefix_len,
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

/// An instance on the first interface, with adverts ten times a second. The first address decides
/// the family.
pub(crate) fn instance(vrid: u8, priority: u8, addresses: Vec<Address>) -> InstanceConfig {
    let v4 = addresses[0].address.is_ipv4();
    InstanceConfig {
        name: format!("VI_{vrid}"),
        link: LinkId(0),
        vrid: Vrid(vrid),
        family: if v4 { Family::V4 } else { Family::V6 },
        version: Version::V3,
        priority,
        wants_active: false,
        advert_interval: INTERVAL,
        down_timer_adverts: 3,
        preempt: true,
        preempt_delay: Duration::ZERO,
        source: None,
        track_source: false,
        transport: Transport::Multicast { group: ip(if v4 { "224.0.0.18" } else { "ff02::12" }) },
        checksum_without_pseudo_header: false,
        old_unicast_checksum: None,
        password: None,
        hmac: None,
        addresses,
        excluded_addresses: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        garp: Garp {
            delay: Duration::ZERO,
            repeat: 1,
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_delay: Duration::ZERO,
            lower_prio_repeat: 1,
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

pub(crate) fn link(name: &str) -> LinkConfig {
    LinkConfig { name: name.into(), down_delay: Duration::ZERO, up_delay: Duration::ZERO }
}

/// Instances on `left0`.
pub(crate) fn config(instances: Vec<InstanceConfig>) -> Config {
    Config { links: vec![link("left0")], instances, ..Config::default() }
}
