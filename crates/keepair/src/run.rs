//! `keepair run` with a `keepair.toml`: from the configuration to a running node.

use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use keepair_conf::Config;
use keepair_core::Node;
use keepair_core::input::{Operator, Remains};
use keepair_core::time::Time;
use keepair_linux::announce::Announcer;
use keepair_linux::executor::{Executor, fence_spec};
use keepair_linux::fence::Fence;
use keepair_linux::peer_socket::PeerSocket;
use keepair_linux::reactor::{Mailbox, Reactor, Request};
use keepair_linux::realtime::{self, Wake};
use keepair_linux::redis::{Access, Redis};
use keepair_linux::redis_file;
use keepair_linux::rtnl::{Link, Monitor, Rtnl};
use keepair_linux::salvage::copy::{self, Left};
use keepair_linux::salvage::{self, Place};
use keepair_linux::tiebreaker::{Setting, Tell, TieBreakers};
use keepair_linux::vrrp_socket::{VrrpSocket, VrrpSocketSpec};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Gid;
use rustix::thread::CapabilitySet;

use crate::access;
use crate::check::{self, Configuration};
use crate::control::{self, Control, Unlink};
use crate::notes;
use crate::operate;
use crate::record;
use crate::store::{self, Lock, Store};
use crate::tiebreaker;
use crate::warnings::Warnings;

/// Real-time priority of the thread that sends adverts: above ordinary programs, below the
/// kernel's own threads (50).
const PRIORITY: i32 = 40;

const GATE_STAYS_CLOSED: &str = "the replication gate stays closed: until keepair runs, the other \
    machine's Redis can't replicate from this one";

/// Reads the configuration of a pair, and shows every mistake in it.
fn read(file: &Path, config_id: Option<&str>) -> anyhow::Result<Config> {
    match check::read(file, config_id)? {
        Configuration::Pair(config) => Ok(*config),
        Configuration::Router(_) => {
            bail!("{} describes no Redis pair any more; restart keepair", file.display())
        }
    }
}

/// Where `keepair run` is told to find and to leave things.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The configuration was read from this file.
    pub(crate) file: &'a Path,
    /// As the machine of this config-id, if the file is a `keepalived.conf`.
    pub(crate) config_id: Option<&'a str>,
    pub(crate) run_dir: &'a Path,
    pub(crate) state_dir: &'a Path,
    /// The file to record to, and the most it may take, in bytes.
    pub(crate) recording: Option<(&'a Path, u64)>,
}

/// `keepair run` with a pair's configuration.
pub(crate) fn run(places: Places<'_>, config: &Config) -> anyhow::Result<()> {
    let lock = store::lock(places.run_dir);
    // The gate of a pair that runs is that keepair's.
    if lock.as_ref().is_err_and(|error| error.is::<store::AnotherRuns>()) {
        return lock.map(|_| ());
    }
    // Before anything that can fail or take its time: when machines boot, the peer's Redis replicates
    // from the local one by itself as soon as that answers, whatever it has loaded.
    let (fence, me) = shut_gate(places, config)?;
    let (_lock, running) = begin(places, config, lock, (fence, me))
        .map_err(|error| anyhow!("{error:#}; {GATE_STAYS_CLOSED}"))?;
    running.wait(places, config)
}

/// Closes the replication gate; the fence, and which node this machine is. While it can't tell which,
/// the gate is closed to both.
fn shut_gate(
    places: Places<'_>,
    config: &Config,
) -> anyhow::Result<(Fence, anyhow::Result<usize>)> {
    let me = find_own(config);
    let mut spec = fence_spec(&config.core_config(me.as_ref().copied().unwrap_or(0)));
    if me.is_err() {
        spec.gated = config.members.iter().map(|member| member.address).collect();
    }
    let fence = Fence::install_with_gate_closed(spec.clone()).map_err(lacking)?;
    // The state directory has a warning of its own.
    let _ = store::keep_gate(places.state_dir, places.file, &spec);
    Ok((fence, me))
}

/// The configuration can't be read, and `error` says why: the gate that was kept for it is shut.
pub(crate) fn refuse(
    file: &Path,
    run_dir: &Path,
    state_dir: &Path,
    error: anyhow::Error,
) -> anyhow::Error {
    let kept = store::kept_gates(state_dir, file);
    if kept.is_empty() {
        return error;
    }
    let lock = store::lock(run_dir);
    // The gate of a pair that runs is that keepair's.
    if lock.is_err_and(|error| error.is::<store::AnotherRuns>()) {
        return error;
    }
    let mut shut = true;
    for spec in kept {
        if let Err(failed) = Fence::install_with_gate_closed(spec) {
            shut = false;
            eprintln!("keepair: {:#}", lacking(failed));
        }
    }
    if !shut {
        return error;
    }
    anyhow!("{error:#}\n{GATE_STAYS_CLOSED}")
}

fn find_own(config: &Config) -> anyhow::Result<usize> {
    let mut rtnl = Rtnl::open().context("netlink")?;
    let own: Vec<IpAddr> = rtnl.own_addresses()?.iter().map(|own| own.address).collect();
    config.find_own(&own).map_err(|error| anyhow!("{error}"))
}

/// All of a start that comes after the gate.
fn begin(
    places: Places<'_>,
    config: &Config,
    lock: anyhow::Result<Lock>,
    (fence, me): (Fence, anyhow::Result<usize>),
) -> anyhow::Result<(Lock, Running)> {
    let lock = lock?;
    let me = me?;
    let opened = open(places, config, me)?;
    Ok((lock, start(places, config, opened, fence)?))
}

/// What is opened before anything runs.
struct Opened {
    me: usize,
    core_config: keepair_core::config::Config,
    monitor: Monitor,
    rtnl: Rtnl,
    link: Link,
    access: Access,
    breakers: Vec<Setting>,
    recording: Option<record::Opened>,
    vrrp: VrrpSocket,
    peer: PeerSocket,
    announcer: Announcer,
    control: (UnixListener, Unlink),
    group: Option<Gid>,
}

fn open(places: Places<'_>, config: &Config, me: usize) -> anyhow::Result<Opened> {
    let group = control::group(config.control_group.as_deref())?;
    // Listen for changes before looking at what is, so that none falls between.
    let monitor = Monitor::open().context("netlink notices")?;
    let mut rtnl = Rtnl::open().context("netlink")?;
    let core_config = config.core_config(me);
    let link = rtnl.link_by_name(&config.interface)?.ok_or_else(|| {
        anyhow!("there is no interface `{}`; `ip link` lists those there are", config.interface)
    })?;
    let access = access::load(config, me)?;
    let breakers = tiebreaker::load(config, me)?;
    let recording =
        places.recording.map(|(path, size_bytes)| record::open(path, size_bytes)).transpose()?;
    let own_address = core_config.own().address;
    let vrrp = VrrpSocket::open(VrrpSocketSpec {
        ifindex: link.index,
        name: config.interface.clone(),
        local: own_address,
        peer: core_config.peer().address,
        unicast: core_config.unicast,
    })
    .map_err(lacking)?;
    let peer = PeerSocket::open(
        own_address,
        core_config.peer().address,
        config.peer_port,
        &config.interface,
    )
    .with_context(|| format!("UDP port {} for the peer's reports", config.peer_port))?;
    let announcer = Announcer::open(link.index).map_err(lacking)?;
    let control = control::open(places.run_dir, group)?;
    Ok(Opened {
        me,
        core_config,
        monitor,
        rtnl,
        link,
        access,
        breakers,
        recording,
        vrrp,
        peer,
        announcer,
        control,
        group,
    })
}

/// The threads at work.
struct Running {
    me: usize,
    mailbox: Mailbox,
    archive_limit_bytes: Arc<AtomicU64>,
    signals: SigSet,
    ended: Arc<AtomicBool>,
    reacting: JoinHandle<std::io::Result<()>>,
    /// What they have to write is waited for.
    writing: Vec<JoinHandle<()>>,
    _socket: Unlink,
}

fn spawn(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_owned())
}

/// What earlier runs left.
fn remains(store: &mut Store, fence: &mut Fence, link: &Link) -> anyhow::Result<Remains> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = u64::try_from(unix.as_millis()).unwrap_or(0);
    let persisted = store.load();
    let instance = store.next_instance(unix_ms);
    // Last, as it counts down.
    let fence_left = fence.remaining()?;
    Ok(Remains { instance, unix_ms, fence_left, link_up: link.up && link.running, persisted })
}

fn block_signals() -> anyhow::Result<SigSet> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2] {
        signals.add(signal);
    }
    signals.thread_block()?;
    Ok(signals)
}

fn start(
    places: Places<'_>,
    config: &Config,
    opened: Opened,
    mut fence: Fence,
) -> anyhow::Result<Running> {
    let warnings = Warnings::default();
    let mut store = Store::open(places.state_dir, config.vrid.0, warnings.clone());
    let remains = remains(&mut store, &mut fence, &opened.link)?;
    let (sender, requests) = sync_channel(64);
    let wake = Arc::new(Wake::new()?);
    let mailbox = Mailbox::new(sender, wake.clone());
    let (note_sender, notes) = sync_channel(1024);
    let (state_sender, states) = sync_channel(64);
    // One waits while another is carried out; the core wants no more.
    let (salvage_sender, salvage_jobs) = sync_channel(1);
    let (copy_sender, copy_orders) = channel();
    let (file_sender, redis_files) = channel();
    let archive_limit_bytes = Arc::new(salvage::files::limit(config.archive_limit_mib));
    let place = Place {
        dir: places.state_dir.to_owned(),
        vrid: config.vrid.0,
        machine: opened.core_config.own().name.clone(),
        archive_limit_bytes: archive_limit_bytes.clone(),
    };
    let rounds = Arc::new(AtomicU64::new(0));
    // Every thread inherits the mask: signals are this thread's alone.
    let signals = block_signals()?;
    let told = mailbox.clone();
    let tell: Tell =
        Arc::new(move |place, says| told.put(Request::TieBreaker(place, says)).is_ok());
    let executor = Executor::new(keepair_linux::executor::Parts {
        vrrp: opened.vrrp,
        peer: opened.peer,
        announcer: opened.announcer,
        redis: Redis::new(opened.access),
        tie_breakers: TieBreakers::start(opened.breakers, &tell)?,
        config: opened.core_config.clone(),
        rtnl: opened.rtnl,
        fence,
        notes: note_sender,
        state: state_sender,
        salvage: salvage_sender,
        copy: copy_sender,
        redis_file: file_sender,
        rounds: rounds.clone(),
        interface: config.interface.clone(),
        link: opened.link,
    });
    let now = Time(realtime::monotonic_us());
    let node = Node::new(opened.core_config, now);
    let (recorder, writer) = opened.recording.map(|record| record.begin(&node, now)).unzip();
    let mut reactor = Reactor::new(node, executor, opened.monitor, wake, requests)?;
    if let Some(recorder) = recorder {
        reactor = reactor.watched_by(Box::new(recorder));
    }

    let mut writing = vec![spawn("notes").spawn(move || notes::work(&notes))?];
    let told = mailbox.clone();
    writing.push(spawn("store").spawn(move || store::work(&states, &mut store, &told))?);
    if let Some(writer) = writer {
        writing.push(spawn("record").spawn(move || writer.work())?);
    }
    // Not waited for at the end: its disk may be stuck.
    let (left, told) = (Left::default(), mailbox.clone());
    let taken = left.clone();
    spawn("salvage").spawn(move || salvage::work(&salvage_jobs, &place, &taken, &told))?;
    let told = mailbox.clone();
    spawn("copy").spawn(move || copy::work(&copy_orders, &left, &told))?;
    let told = mailbox.clone();
    let tell = move |replicaof| drop(told.put(Request::RedisFile(replicaof)));
    spawn("redis-file").spawn(move || redis_file::work(&redis_files, tell))?;
    let control = Control { mailbox: mailbox.clone(), warnings, group: opened.group };
    let (listener, socket) = opened.control;
    spawn("service-manager").spawn(move || notes::vouch(&rounds))?;
    spawn("control-accept").spawn(move || control::serve(&listener, &control))?;
    let ended = Arc::new(AtomicBool::new(false));
    let reacting = react(reactor, remains, ended.clone())?;
    let me = opened.me;
    Ok(Running {
        me,
        mailbox,
        archive_limit_bytes,
        signals,
        ended,
        reacting,
        writing,
        _socket: socket,
    })
}

/// Starts the real-time thread.
fn react(
    reactor: Reactor,
    remains: Remains,
    ending: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    spawn("vrrp").spawn(move || {
        let _bell = EndBell(ending);
        if let Err(error) = realtime::lock_memory() {
            operate::warn(&format!(
                "keepair: warning: memory is not locked ({error}); adverts may be late\n"
            ));
        }
        if let Err(error) = realtime::make_realtime(PRIORITY) {
            operate::warn(&format!(
                "keepair: warning: no real-time priority ({error}); adverts may be late\n"
            ));
        }
        reactor.run(remains)
    })
}

impl Running {
    /// Obeys signals until the real-time thread has ended.
    fn wait(self, places: Places<'_>, config: &Config) -> anyhow::Result<()> {
        loop {
            match self.signals.wait()? {
                Signal::SIGHUP => {
                    let read_from = (places.file, places.config_id);
                    reload(read_from, config, self.me, &self.mailbox, &self.archive_limit_bytes);
                }
                Signal::SIGUSR2 if self.ended.load(Ordering::SeqCst) => break,
                // Somebody else's bell.
                Signal::SIGUSR2 => {}
                _ => {
                    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
                    self.mailbox.put(Request::Operator(Operator::Stop, None))?;
                }
            }
        }
        let result = self.reacting.join();
        for thread in self.writing {
            let _ = thread.join();
        }
        match result {
            Ok(result) => result.context("the main loop ended"),
            Err(_) => {
                bail!("the main loop broke; the kernel stops serving the addresses by itself")
            }
        }
    }
}

/// Wakes the main thread, which waits for signals, when the real-time thread ends in whatever way.
struct EndBell(Arc<AtomicBool>);

impl Drop for EndBell {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::USR2);
    }
}

/// SIGHUP: takes over a good file, and goes on with the old one otherwise.
fn reload(
    (file, config_id): (&Path, Option<&str>),
    old: &Config,
    me: usize,
    mailbox: &Mailbox,
    archive_limit_bytes: &AtomicU64,
) {
    let result = read(file, config_id).and_then(|new| {
        let fixed = |config: &Config| {
            (
                config.vrid,
                config.interface.clone(),
                config.members.clone().map(|member| (member.name, member.address)),
                (config.peer_port, config.unicast),
                config.tie_breaker.clone(),
            )
        };
        if fixed(&new) != fixed(old) {
            bail!(
                "the virtual router id, the interface, the nodes, unicast, the peer port and the \
                 tie-breakers can't change while running; restart keepair, the standby first"
            );
        }
        let access = access::load(&new, me)?;
        salvage::files::set_limit(archive_limit_bytes, new.archive_limit_mib);
        mailbox.put(Request::Reload(Box::new(new.core_config(me)), Box::new(access)))?;
        Ok(())
    });
    if let Err(error) = result {
        operate::warn(&format!(
            "keepair: not reloaded, the running configuration stays: {error:#}\n"
        ));
    }
}

/// Says what is missing when the kernel refuses.
fn lacking(error: std::io::Error) -> anyhow::Error {
    if error.kind() != std::io::ErrorKind::PermissionDenied {
        return anyhow!(error);
    }
    let held = rustix::thread::capabilities(None).map(|sets| sets.effective);
    let missing: Vec<&str> =
        [("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN), ("CAP_NET_RAW", CapabilitySet::NET_RAW)]
            .into_iter()
            .filter(|(_, needed)| held.is_ok_and(|held| !held.contains(*needed)))
            .map(|(name, _)| name)
            .collect();
    if missing.is_empty() {
        return anyhow!(
            "{error}; the kernel refuses although the capabilities are there: is this a container?"
        );
    }
    let missing = missing.join(" and ");
    anyhow!("{error}; keepair lacks {missing}: run it as root or with the unit file it comes with")
}
