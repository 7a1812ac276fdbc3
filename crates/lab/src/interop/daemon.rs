//! A machine with a daemon on it: keepalived, FRR's vrrpd, or the program under test.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown, geteuid};

use super::fifo::Fifo;
use super::hub::Hub;
use super::netlink::{Monitor, Wanted};
use super::router::{self, Plan};
use super::timeline::Timeline;
use crate::host::must_signal;
use crate::journal::Journal;
use crate::namespace::Namespace;
use crate::network::batch;
use crate::tools::{CannotRun, Tools, which};
use crate::unit::{Slot, Unit};

/// Whose daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are")]
pub enum Kind {
    Keepair,
    Keepalived,
    Frr,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Keepair => "keepair",
            Kind::Keepalived => "keepalived",
            Kind::Frr => "FRR",
        })
    }
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `ip`.
    pub ip: PathBuf,
    /// The program under test; absent where only others are compared.
    pub keepair: Option<PathBuf>,
    /// keepalived.
    pub keepalived: PathBuf,
    /// FRR's folder of daemons.
    pub frr: PathBuf,
    /// tshark.
    pub tshark: PathBuf,
}

impl Programs {
    /// Looks them up.
    ///
    /// # Errors
    /// [`CannotRun`] with what is missing.
    pub fn find(tools: &Tools) -> Result<Self, CannotRun> {
        let lacks = |what: &str| CannotRun(format!("the lab lacks {what}"));
        let frr = ["/usr/lib/frr", "/usr/libexec/frr", "/usr/sbin"].map(PathBuf::from);
        Ok(Self {
            ip: tools.ip.clone(),
            keepair: tools.keepair.clone(),
            keepalived: which("keepalived")
                .ok_or_else(|| lacks("keepalived (package keepalived)"))?,
            frr: frr
                .into_iter()
                .find(|dir| dir.join("vrrpd").is_file())
                .ok_or_else(|| lacks("FRR's vrrpd (package frr)"))?,
            tshark: which("tshark").ok_or_else(|| lacks("tshark (package tshark)"))?,
        })
    }
}

/// A machine on a hub.
#[derive(Debug)]
pub struct Machine {
    /// Its place in its network.
    pub place: usize,
    /// The last number of its addresses.
    pub number: u8,
    /// Whose daemon it runs.
    pub kind: Kind,
    /// Its files.
    pub dir: PathBuf,
    namespace: Arc<Namespace>,
    daemon: Unit,
    /// FRR's vrrpd speaks with the kernel through this one.
    zebra: Option<Unit>,
    timeline: Timeline,
    fifo: Option<Fifo>,
    _monitor: Monitor,
}

impl Machine {
    /// Makes it, plugs it in, writes its configuration; starts nothing.
    ///
    /// # Errors
    /// Where the kernel or a program refuses.
    pub fn new(
        (place, number, kind): (usize, u8, Kind),
        plan: &Plan,
        hub: &Hub,
        dir: &Path,
        programs: &Programs,
        timeline: &Timeline,
    ) -> Result<Self> {
        let mut wanted = Wanted::default();
        let mut commands = String::new();
        for instance in &plan.instances {
            if kind == Kind::Frr {
                commands += &router::macvlan_commands(instance, number);
                let address = instance.addresses.first().context("a router without addresses")?;
                wanted.switched.insert(router::macvlan(instance), *address);
            } else {
                wanted.addresses.extend(&instance.addresses);
            }
        }
        let text = match kind {
            Kind::Frr => router::frr(plan),
            _ => router::keepalived(plan, &format!("host-{number}"), dir),
        };
        let of = (place, number, kind);
        Self::with(of, (&text, wanted, commands), hub, dir, programs, timeline)
    }

    /// The same with a configuration of one's own, and `ip` commands that are run before.
    ///
    /// # Errors
    /// Where the kernel or a program refuses.
    pub fn with(
        (place, number, kind): (usize, u8, Kind),
        (text, wanted, commands): (&str, Wanted, String),
        hub: &Hub,
        dir: &Path,
        programs: &Programs,
        timeline: &Timeline,
    ) -> Result<Self> {
        fs::create_dir_all(dir.join("run"))?;
        let namespace = Arc::new(Namespace::new(&format!("host-{number}"))?);
        hub.plug(&namespace, number)?;
        if kind == Kind::Frr {
            hand_to_frr(&dir.join("run"))?;
        }
        let ip = programs.ip.clone();
        namespace.run(move || batch(&ip, &commands))??;
        let monitor = Monitor::new(&namespace, place, wanted, timeline.clone())?;
        let fifo = (kind != Kind::Frr)
            .then(|| Fifo::new(&dir.join("notify"), place, timeline.clone()))
            .transpose()?;
        let slot: Slot = Arc::new(Mutex::new(Arc::clone(&namespace)));
        let unit = |name: &str, command: CommandOf| {
            let (dir, programs) = (dir.to_owned(), programs.clone());
            let log = dir.join(format!("{name}.log"));
            let build = Box::new(move || {
                let mut command = command(&dir, &programs)?;
                let out = File::options().create(true).append(true).open(&log)?;
                command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
                command.process_group(0).env("NO_COLOR", "1").current_dir("/");
                for (name, _) in std::env::vars_os() {
                    if name.to_string_lossy().starts_with("KEEPAIR_LAB_") {
                        command.env_remove(name);
                    }
                }
                Ok(command)
            });
            Unit::new(name.to_owned(), Arc::clone(&slot), Journal::new(), build, None)
        };
        let (daemon, zebra) = match kind {
            Kind::Keepair => (unit("keepair", keepair), None),
            Kind::Keepalived => (unit("keepalived", keepalived), None),
            Kind::Frr => (unit("vrrpd", vrrpd), Some(unit("zebra", zebra))),
        };
        let machine = Self {
            place,
            number,
            kind,
            dir: dir.to_owned(),
            namespace,
            daemon,
            zebra,
            timeline: timeline.clone(),
            fifo,
            _monitor: monitor,
        };
        machine.configure(text)?;
        Ok(machine)
    }

    /// Writes its configuration anew, for the next start or reload.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn configure(&self, text: &str) -> Result<()> {
        // Renamed into place: a daemon never reads half of it.
        let (new, file) = (self.dir.join("daemon.conf.new"), self.dir.join("daemon.conf"));
        fs::write(&new, text)?;
        Ok(fs::rename(new, file)?)
    }

    /// The namespaces it lives in.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The same, for somebody else who starts processes there.
    #[must_use]
    pub fn shared_namespace(&self) -> Arc<Namespace> {
        Arc::clone(&self.namespace)
    }

    /// Whether its daemon tells of its states.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.fifo.is_some()
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&self) -> Result<()> {
        if let Some(zebra) = self.zebra.as_ref().filter(|zebra| zebra.pid().is_none()) {
            zebra.start()?;
            // vrrpd asks once, and then again after ten seconds.
            let until = Instant::now() + Duration::from_secs(10);
            while !self.dir.join("run/zebra.sock").exists() {
                if Instant::now() > until {
                    bail!("zebra does not listen");
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        self.timeline.did(self.place, format!("start {}", self.kind));
        self.daemon.start()
    }

    /// Ends the daemon as systemd would, and waits until it is gone.
    ///
    /// # Errors
    /// Where it does not run, or does not end.
    pub fn stop(&self) -> Result<()> {
        self.timeline.did(self.place, format!("stop {}", self.kind));
        must_signal(&self.daemon, Signal::SIGTERM)?;
        self.daemon.wait_gone(Duration::from_secs(10))
    }

    /// Kills the daemon, all of its processes at once.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn crash(&self) -> Result<()> {
        // keepalived's parent would start the child again, and the child would say good-bye when the
        // parent goes: the parent stands still while the child is killed.
        let child = (self.kind == Kind::Keepalived).then(|| self.child()).transpose()?;
        self.timeline.did(self.place, format!("kill -9 {}", self.kind));
        if let Some(child) = child {
            must_signal(&self.daemon, Signal::SIGSTOP)?;
            kill(child, Signal::SIGKILL)?;
        }
        self.daemon.kill();
        self.daemon.wait_gone(Duration::from_secs(5))
    }

    fn child(&self) -> Result<Pid> {
        let text = fs::read_to_string(self.dir.join("run/vrrp.pid"))?;
        Ok(Pid::from_raw(text.trim().parse()?))
    }

    /// Tells the daemon to read its configuration again.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn reload(&self) -> Result<()> {
        must_signal(&self.daemon, Signal::SIGHUP)
    }

    /// Whether the daemon runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.daemon.pid().is_some()
    }

    /// The file a check looks for: there or not there.
    ///
    /// # Errors
    /// Where it cannot be made or removed.
    pub fn good(&self, good: bool) -> Result<()> {
        let file = self.dir.join("good");
        self.timeline.did(self.place, if good { "good" } else { "bad" });
        if good { fs::write(file, "") } else { fs::remove_file(file) }
            .with_context(|| "the file the check looks for".to_owned())
    }

    /// The last lines the daemon wrote.
    #[must_use]
    pub fn log(&self, lines: usize) -> Vec<String> {
        let name = match self.kind {
            Kind::Keepair => "keepair.log",
            Kind::Keepalived => "keepalived.log",
            Kind::Frr => "vrrpd.log",
        };
        let text = fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all.iter().rev().take(lines).rev().map(|line| (*line).to_owned()).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // As a user would; whoever does not listen is killed when the unit goes.
        let asked = self.daemon.signal(Signal::SIGTERM);
        if asked {
            let _ = self.daemon.wait_gone(Duration::from_secs(3));
        }
    }
}

type CommandOf = fn(&Path, &Programs) -> Result<Command>;

fn keepair(dir: &Path, programs: &Programs) -> Result<Command> {
    let mut command = Command::new(programs.keepair.as_ref().context("there is no keepair")?);
    command.args(["run", "--config"]).arg(dir.join("daemon.conf"));
    command.arg("--run-dir").arg(dir.join("run"));
    command.arg("--state-dir").arg(dir.join("state"));
    Ok(command)
}

#[expect(clippy::unnecessary_wraps, reason = "one of several of a kind")]
fn keepalived(dir: &Path, programs: &Programs) -> Result<Command> {
    let mut command = Command::new(&programs.keepalived);
    command.args(["-n", "-l", "-D", "-P", "-f"]).arg(dir.join("daemon.conf"));
    for (option, file) in [("-p", "main.pid"), ("-r", "vrrp.pid"), ("-c", "check.pid")] {
        command.arg(option).arg(dir.join("run").join(file));
    }
    Ok(command)
}

fn zebra(dir: &Path, programs: &Programs) -> Result<Command> {
    fs::write(dir.join("zebra.conf"), "hostname zebra\n")?;
    let mut command = Command::new(programs.frr.join("zebra"));
    command.arg("-f").arg(dir.join("zebra.conf")).arg("-i").arg(dir.join("run/zebra.pid"));
    frr(&mut command, dir);
    Ok(command)
}

#[expect(clippy::unnecessary_wraps, reason = "one of several of a kind")]
fn vrrpd(dir: &Path, programs: &Programs) -> Result<Command> {
    let mut command = Command::new(programs.frr.join("vrrpd"));
    command.arg("-f").arg(dir.join("daemon.conf")).arg("-i").arg(dir.join("run/vrrpd.pid"));
    frr(&mut command, dir);
    Ok(command)
}

/// FRR's daemons become this user, and refuse any other.
const FRR_USER: &str = "frr";

/// Whether FRR can run here: its user must exist in our user namespace.
#[must_use]
pub fn frr_can_run() -> bool {
    geteuid().is_root()
        && fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| {
            // "inside outside count": only a map of everything has room for another user.
            map.split_whitespace().nth(2).is_some_and(|count| count != "1")
        })
}

fn hand_to_frr(dir: &Path) -> Result<()> {
    let user = User::from_name(FRR_USER)?.context("there is no user frr")?;
    Ok(chown(dir, Some(user.uid), Some(user.gid))?)
}

fn frr(command: &mut Command, dir: &Path) {
    command.arg("-z").arg(dir.join("run/zebra.sock"));
    command.arg("--vty_socket").arg(dir.join("run"));
    command.args(["-P", "0"]);
    command.args(["--log", "stdout", "--log-level", "debugging"]);
}
