//! Performs the core's actions: one match arm for each, in list order. It decides nothing and
//! retries nothing; what the kernel answers goes back as an input.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;

use keepair_core::Input;
use keepair_core::action::Action;
use keepair_core::config::{Config, Vip};
use keepair_core::event::Event;
use keepair_core::input::{Done, Persisted, Process, RedisInput, Refused};
use keepair_core::time::Time;
use keepair_wire::vrrp::{Advert, ChecksumForm, GROUP_V4, GROUP_V6};

use crate::announce::{Announcer, Claims};
use crate::fence::{Fence, FenceSpec, Renewal};
use crate::peer_socket::PeerSocket;
use crate::process::{ProcessState, ProcessWatch};
use crate::realtime::monotonic_us;
use crate::redis::Redis;
use crate::redis_file::RedisFile;
use crate::rtnl::{Link, Rtnl};
use crate::salvage::Job;
use crate::salvage::copy::Order;
use crate::tiebreaker::TieBreakers;
use crate::vrrp_socket::VrrpSocket;

/// The shortest life the kernel's timer is asked for, see `fence`.
const FENCE_LIFE_MIN: Duration = Duration::from_millis(10);

/// What the real-time thread tells to those who want to know. Handing over never waits: what does not
/// fit into the queue is dropped.
#[derive(Debug)]
pub enum Note {
    /// Something for the log.
    Event(Event),
    /// From here on this one, too, is told the events.
    Listen(SyncSender<Event>),
}

/// Everything the executor acts on.
pub struct Executor {
    pub(crate) config: Config,
    pub(crate) interface: String,
    pub(crate) link: Link,
    pub(crate) rtnl: Rtnl,
    pub(crate) fence: Option<Fence>,
    pub(crate) vrrp: VrrpSocket,
    pub(crate) peer: PeerSocket,
    pub(crate) announcer: Announcer,
    pub(crate) claims: Option<Claims>,
    pub(crate) redis: Redis,
    pub(crate) tie_breakers: TieBreakers,
    pub(crate) process: Option<ProcessWatch>,
    pub(crate) notes: SyncSender<Note>,
    pub(crate) state: SyncSender<Persisted>,
    pub(crate) salvage: SyncSender<Job>,
    pub(crate) copy: Sender<Order>,
    pub(crate) redis_file: Sender<RedisFile>,
    /// The core wants the addresses to be present.
    pub(crate) vips_wanted: bool,
    pub(crate) exit: bool,
    /// Counts the rounds of the loop, for whoever watches it.
    pub(crate) rounds: Arc<AtomicU64>,
}

/// What an executor is made of.
pub struct Parts {
    /// The pair, as the core sees it.
    pub config: Config,
    /// The name of the interface that carries adverts and addresses.
    pub interface: String,
    /// That interface.
    pub link: Link,
    /// For adding and removing addresses.
    pub rtnl: Rtnl,
    /// The installed fence.
    pub fence: Fence,
    /// For adverts.
    pub vrrp: VrrpSocket,
    /// For reports.
    pub peer: PeerSocket,
    /// For gratuitous ARP and its like.
    pub announcer: Announcer,
    /// The local Redis.
    pub redis: Redis,
    /// The tie-breakers, in the order of [`Config::tie_breakers`].
    pub tie_breakers: TieBreakers,
    /// Where is told what happens.
    pub notes: SyncSender<Note>,
    /// Where goes what is to be kept across restarts; answered by `Request::Persisted`.
    pub state: SyncSender<Persisted>,
    /// Where what is to be salvaged is told.
    pub salvage: SyncSender<Job>,
    /// Where is told what is to be copied of the stream.
    pub copy: Sender<Order>,
    /// Where is told which configuration file of Redis is to be read.
    pub redis_file: Sender<RedisFile>,
    /// Counts the rounds of the loop, for whoever watches it.
    pub rounds: Arc<AtomicU64>,
}

impl Executor {
    /// An executor that has done nothing yet.
    pub fn new(parts: Parts) -> Executor {
        Executor {
            config: parts.config,
            interface: parts.interface,
            link: parts.link,
            rtnl: parts.rtnl,
            fence: Some(parts.fence),
            vrrp: parts.vrrp,
            peer: parts.peer,
            announcer: parts.announcer,
            claims: None,
            redis: parts.redis,
            tie_breakers: parts.tie_breakers,
            process: None,
            notes: parts.notes,
            state: parts.state,
            salvage: parts.salvage,
            copy: parts.copy,
            redis_file: parts.redis_file,
            vips_wanted: false,
            exit: false,
            rounds: parts.rounds,
        }
    }

    /// Performs one action. What it leads to is appended to `inputs`.
    pub(crate) fn perform(&mut self, action: Action, inputs: &mut VecDeque<Input>) {
        match action {
            Action::AddVips => {
                self.vips_wanted = true;
                let result = self.each_vip("add", Rtnl::add_address);
                inputs.push_back(Input::ActionDone(Done::AddVips, result));
            }
            Action::RemoveVips => {
                self.vips_wanted = false;
                let result = self.each_vip("remove", Rtnl::del_address);
                inputs.push_back(Input::ActionDone(Done::RemoveVips, result));
            }
            Action::Announce => {
                let result = self.announcer.announce(self.link.mac, &self.config.vips);
                self.tell_failure("announce the addresses", result);
            }
            Action::Probe => {
                if self.claims.is_none() {
                    match self.announcer.claims(self.link.mac, &self.config.vips) {
                        Ok(claims) => self.claims = Some(claims),
                        Err(error) => self.tell_failure("listen for address claims", Err(error)),
                    }
                }
                let result = self.announcer.probe(self.link.mac, &self.config.vips);
                self.tell_failure("probe for the addresses", result);
            }
            Action::EndProbe => self.claims = None,
            Action::OpenFence(until) => {
                let result = left(until).and_then(|life| {
                    let opened = self.fence().and_then(|fence| fence.open(life));
                    if opened.is_ok() {
                        return failed(opened);
                    }
                    // Somebody removed the rules: lay them anew.
                    self.fence = None;
                    failed(self.fence().and_then(|fence| fence.open(life)))
                });
                inputs.push_back(Input::ActionDone(Done::OpenFence, result));
            }
            Action::RenewFence(until) => {
                let result = left(until).and_then(|life| {
                    match self.fence().and_then(|fence| fence.renew(life)) {
                        Ok(Renewal::Extended) => Ok(()),
                        Ok(Renewal::Lapsed) => Err(Refused::Lapsed),
                        Err(error) => Err(Refused::Failed(error.to_string())),
                    }
                });
                inputs.push_back(Input::ActionDone(Done::RenewFence, result));
            }
            Action::CloseFence { and_source } => {
                let result = self.fence().and_then(|fence| {
                    if and_source { fence.close_with_gate() } else { fence.close() }
                });
                inputs.push_back(Input::ActionDone(Done::CloseFence, failed(result)));
            }
            Action::HoldConnections(span) => {
                let result = self.fence().and_then(|fence| fence.hold(span));
                self.tell_failure("hold new connections", result);
            }
            Action::ReleaseConnections => {
                let result = self.fence().and_then(Fence::unhold);
                self.tell_failure("release new connections", result);
            }
            Action::OpenSource => {
                let result = self.fence().and_then(Fence::open_gate);
                self.tell_failure("admit the peer's replication", result);
            }
            Action::SendAdvert(advert) => self.send_advert(&advert),
            Action::SendReport(report) => {
                // A peer that is away is the core's to notice.
                let _ = self.peer.send(&report.encode());
            }
            Action::ConnectRedis { attempt } => {
                let mut found = Vec::new();
                self.redis.connect(attempt, &mut found);
                inputs.extend(found.into_iter().map(Input::Redis));
            }
            Action::DisconnectRedis => {
                self.redis.disconnect();
                self.process = None;
            }
            Action::AskRedis(query) => {
                let mut found = Vec::new();
                self.redis.ask(query, &mut found);
                inputs.extend(found.into_iter().map(Input::Redis));
            }
            Action::AskTieBreaker(place, ask) => self.tie_breakers.ask(place, ask),
            Action::WatchProcess { pid } => {
                // A Redis in another pid namespace can't be watched: its connection still tells.
                self.process = ProcessWatch::open(pid).ok().filter(is_redis);
            }
            Action::LookAtProcess => {
                let process = self.look_at_process();
                inputs.push_back(Input::Redis(RedisInput::Process(process)));
            }
            Action::Salvage(order) => {
                let number = order.number;
                let job = Job { order, access: self.redis.access().clone() };
                if self.salvage.try_send(job).is_err() {
                    let result = Err("the attempt before is not over yet".to_owned());
                    inputs.push_back(Input::Salvaged { number, result });
                }
            }
            Action::CopyStream(copying) => {
                let order = Order::Begin(copying, self.redis.access().clone());
                if self.copy.send(order).is_err() {
                    let result = Err("the thread for it is gone".to_owned());
                    inputs.push_back(Input::StreamCopied(result));
                }
            }
            Action::ForgetCopy => {
                // A thread that is gone has forgotten it.
                let _ = self.copy.send(Order::Forget);
            }
            Action::ReadRedisFile { pid, path } => {
                // Nothing depends on it: where it can't be read, nothing is said.
                let _ = self.redis_file.send(RedisFile { pid, path });
            }
            Action::Persist(persisted) => {
                if self.state.try_send(persisted).is_err() {
                    let full = Refused::Failed("the disk lags behind".to_owned());
                    inputs.push_back(Input::ActionDone(Done::Persist, Err(full)));
                }
            }
            Action::Tell(event) => self.note(Note::Event(event)),
            Action::Exit => self.exit = true,
        }
    }

    pub(crate) fn note(&mut self, note: Note) {
        let _ = self.notes.try_send(note);
    }

    /// The fence, installed when it is not.
    fn fence(&mut self) -> io::Result<&mut Fence> {
        if self.fence.is_none() {
            self.fence = Some(Fence::install(fence_spec(&self.config))?);
        }
        self.fence.as_mut().ok_or_else(|| io::Error::other("no fence"))
    }

    fn each_vip(
        &mut self,
        verb: &str,
        call: fn(&mut Rtnl, u32, Vip) -> io::Result<()>,
    ) -> Result<(), Refused> {
        let mut result = Ok(());
        for vip in &self.config.vips {
            if let Err(error) = call(&mut self.rtnl, self.link.index, *vip) {
                result = Err(Refused::Failed(format!(
                    "could not {verb} {}/{} on {}: {error}",
                    vip.address, vip.prefix_len, self.interface
                )));
            }
        }
        result
    }

    fn send_advert(&mut self, advert: &Advert) {
        let src = self.vrrp.local();
        let dst = match (self.config.unicast, src) {
            (true, _) => self.config.peer().address,
            (false, IpAddr::V4(_)) => GROUP_V4.into(),
            (false, IpAddr::V6(_)) => GROUP_V6.into(),
        };
        let form = if src.is_ipv6() || self.config.checksum_pseudo_header {
            ChecksumForm::PseudoHeader
        } else {
            ChecksumForm::MessageOnly
        };
        // A link that is down is the core's to notice.
        let _ = self.vrrp.send(&advert.emit(src, dst, form));
    }

    fn look_at_process(&mut self) -> Option<Process> {
        let watch = self.process.as_mut()?;
        let state = watch.state().unwrap_or(ProcessState::GONE);
        let _ = watch.refresh();
        Some(Process { state: state.state, exiting: state.exiting, cpu_ticks: state.cpu_ticks })
    }

    fn tell_failure(&mut self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            self.note(Note::Event(Event::Refused(format!("could not {what}: {error}"))));
        }
    }

    /// Takes over a checked configuration; takes off the addresses it no longer names.
    pub(crate) fn reload(&mut self, config: &Config) {
        let gone: Vec<Vip> =
            self.config.vips.iter().copied().filter(|vip| !config.vips.contains(vip)).collect();
        for vip in &gone {
            let result = self.rtnl.del_address(self.link.index, *vip);
            self.tell_failure("remove an address", result);
        }
        let fence_changes = fence_spec(&self.config) != fence_spec(config);
        self.config = config.clone();
        if fence_changes {
            self.fence = None;
            let result = self.fence().map(|_| ());
            self.tell_failure("change the fence", result);
        }
    }

    /// The last thing before the program ends, whatever ended it.
    pub(crate) fn clean_up(&mut self) -> io::Result<()> {
        // The fence stays where an address does.
        self.each_vip("remove", Rtnl::del_address)
            .map_err(|refused| io::Error::other(refused.to_string()))?;
        self.fence.take().map_or(Ok(()), Fence::remove)
    }
}

/// What the fence guards, from the configuration.
pub fn fence_spec(config: &Config) -> FenceSpec {
    FenceSpec {
        vrid: config.vrid.0,
        vips: config.vips.iter().map(|vip| vip.address).collect(),
        redis_port: config.redis_port,
        gated: vec![config.peer().address],
    }
}

fn is_redis(watch: &ProcessWatch) -> bool {
    watch.name().is_some_and(|name| name.contains("redis") || name.contains("valkey"))
}

/// What is left until then, if it is enough for the kernel's timer.
fn left(until: Time) -> Result<Duration, Refused> {
    let left = until.since(Time(monotonic_us()));
    if left >= FENCE_LIFE_MIN { Ok(left) } else { Err(Refused::Lapsed) }
}

fn failed(result: io::Result<()>) -> Result<(), Refused> {
    result.map_err(|error| Refused::Failed(error.to_string()))
}
