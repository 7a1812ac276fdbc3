//! One machine of the pair: its namespaces, its files, its Redis and its daemon.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::journal::{Journal, Source};
use crate::locked;
use crate::namespace::Namespace;
use crate::redis::{Connection, Info};
use crate::tools::Tools;
use crate::unit::{OnLine, Slot, Unit};

/// The port of every Redis in the lab.
pub const PORT: u16 = 6379;

/// What of a Redis's data survives its process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Files {
    /// Nothing: a start finds no file.
    #[default]
    None,
    /// An RDB file, saved by itself.
    Rdb,
    /// An RDB file, saved when it is told to.
    RdbByHand,
    /// An append-only file, on the disk each second.
    Aof,
}

impl Files {
    fn settings(self) -> &'static str {
        match self {
            Self::None | Self::RdbByHand => "save \"\"\nappendonly no",
            Self::Rdb => "save 1 1\nappendonly no",
            Self::Aof => "save \"\"\nappendonly yes\nappendfsync everysec",
        }
    }
}

/// How the next start of a Redis is configured.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Its `replicaof`, for one start only: after it a restart is one as a primary, as configured.
    pub replica_of: Option<IpAddr>,
    /// What survives its process.
    pub files: Files,
    /// Load a full synchronisation straight from the socket (large data, little disk).
    pub diskless_load: bool,
}

/// What a host is made of.
#[derive(Debug, Clone)]
pub struct HostPlan {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Where its files are.
    pub dir: PathBuf,
    /// The password of its Redis.
    pub password: String,
    /// How its Redis starts.
    pub redis: Plan,
}

/// A machine of the pair.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Where its files are: `redis/`, `state/`, `run/`, `keepair.toml`, `keepair.log`.
    pub dir: PathBuf,
    /// Its Redis.
    pub redis: Unit,
    /// Its daemon.
    pub daemon: Unit,
    slot: Slot,
    plan: Arc<Mutex<Plan>>,
    password: String,
    keepair: Option<PathBuf>,
}

impl Host {
    /// Makes the namespaces and the directories; starts nothing.
    ///
    /// # Errors
    /// Where the kernel or the file system refuses.
    pub fn new(plan: HostPlan, tools: &Tools, journal: &Journal) -> Result<Self> {
        let HostPlan { name, address, dir, password, redis } = plan;
        for sub in ["redis", "state", "run"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let password_file = dir.join("redis.password");
        fs::write(&password_file, format!("{password}\n"))?;
        restrict(&password_file)?;
        let slot: Slot = Arc::new(Mutex::new(Arc::new(Namespace::new(&name)?)));
        let plan = Arc::new(Mutex::new(redis));
        let redis = redis_unit(&name, &slot, &plan, &dir, &password, tools, journal);
        let daemon = daemon_unit(&name, &slot, &dir, tools, journal);
        let keepair = tools.keepair.clone();
        Ok(Self { name, address, dir, redis, daemon, slot, plan, password, keepair })
    }

    /// The namespaces the host lives in at the moment.
    #[must_use]
    pub fn namespace(&self) -> Arc<Namespace> {
        Arc::clone(&locked(&self.slot))
    }

    /// Kills every process of the host at once; their restarts are cancelled.
    pub fn kill_all(&self) {
        self.redis.kill();
        self.daemon.kill();
    }

    /// Gives the host namespaces as new as after a power cycle; what is on disk stays.
    ///
    /// # Errors
    /// Where a process has not ended, or the kernel refuses.
    pub fn power_cycle(&self) -> Result<()> {
        self.redis.wait_gone(Duration::from_secs(5))?;
        self.daemon.wait_gone(Duration::from_secs(5))?;
        *locked(&self.slot) = Arc::new(Namespace::new(&self.name)?);
        fs::remove_dir_all(self.dir.join("run"))?;
        Ok(fs::create_dir_all(self.dir.join("run"))?)
    }

    /// Another machine takes its place: nothing of what was on its disk is there.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn lose_disk(&self) -> Result<()> {
        for sub in ["redis", "state"] {
            fs::remove_dir_all(self.dir.join(sub))?;
            fs::create_dir_all(self.dir.join(sub))?;
        }
        Ok(())
    }

    /// How Redis starts next.
    pub fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut locked(&self.plan));
    }

    /// A control connection to this host's Redis, over its own loopback: no cable is involved.
    ///
    /// # Errors
    /// Where Redis does not answer in time.
    pub fn redis(&self, timeout: Duration) -> Result<Connection> {
        let (to, password) = (self.loopback(), self.password.clone());
        self.namespace()
            .run(move || Connection::open(to, &password, timeout))?
            .with_context(|| format!("the Redis of {}", self.name))
    }

    /// Where a client on this host finds its own Redis.
    #[must_use]
    pub fn loopback(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))
    }

    /// `INFO` of this host's Redis.
    ///
    /// # Errors
    /// Where Redis does not answer within half a second.
    pub fn info(&self) -> Result<Info> {
        self.redis(Duration::from_millis(500))?.info()
    }

    /// Waits until Redis answers and is not loading.
    ///
    /// # Errors
    /// After `limit`.
    pub fn wait_redis(&self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            match self.info() {
                Ok(info) if info.number("loading") == 0 => return Ok(()),
                _ if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
                Ok(_) => bail!("the Redis of {} still loads after {limit:?}", self.name),
                Err(error) => {
                    let log = fs::read_to_string(self.redis_log()).unwrap_or_default();
                    let last: Vec<&str> = log.lines().rev().take(5).collect();
                    let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
                    return Err(error.context(format!("not up within {limit:?}:\n  {last}")));
                }
            }
        }
    }

    /// Whether `address` is configured on the host.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn has_address(&self, ip: &Path, address: IpAddr) -> Result<bool> {
        let mut command = Command::new(ip);
        command.args(["-o", "addr", "show"]);
        let out = output(&self.namespace(), command, Duration::from_secs(2))?;
        Ok(out.stdout.contains(&format!(" {address}/")))
    }

    /// Runs `keepair SUBCOMMAND ... --run-dir DIR` on the host.
    ///
    /// # Errors
    /// Where it cannot be started or does not end within `limit`.
    pub fn keepair(&self, args: &[&str], limit: Duration) -> Result<Output> {
        let mut command =
            Command::new(self.keepair.as_ref().context("there is no keepair to run")?);
        command.args(args).arg("--run-dir").arg(self.dir.join("run"));
        tidy(&mut command);
        output(&self.namespace(), command, limit)
    }

    /// The files of commands that `keepair salvage list` knows.
    ///
    /// # Errors
    /// Where it fails, or prints something else.
    pub fn salvages(&self) -> Result<Vec<PathBuf>> {
        let program = self.keepair.as_ref().context("there is no keepair to run")?;
        let mut command = Command::new(program);
        command.args(["salvage", "list", "--json", "--state-dir"]).arg(self.dir.join("state"));
        tidy(&mut command);
        let out = output(&self.namespace(), command, Duration::from_secs(2))?;
        if !out.ok {
            bail!("keepair salvage list: {}", out.stderr.trim());
        }
        let items: Vec<Value> =
            out.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let tails = items.iter().filter(|item| item["kind"] == "commands");
        tails.map(|item| Ok(item["path"].as_str().context("a path")?.into())).collect()
    }

    /// Puts back, into the Redis behind the address, everything that these files hold.
    ///
    /// # Errors
    /// Where `keepair salvage apply` refuses.
    pub fn put_back(&self, salvages: &[PathBuf]) -> Result<()> {
        for file in salvages {
            let name = file.file_stem().context("a name")?;
            let mut command =
                Command::new(self.keepair.as_ref().context("there is no keepair to run")?);
            command.args(["salvage", "apply", "--all", "--yes"]).arg(name);
            command.arg("--state-dir").arg(self.dir.join("state"));
            command.arg("--config").arg(self.dir.join("keepair.toml"));
            tidy(&mut command);
            let out = output(&self.namespace(), command, Duration::from_secs(60))?;
            if !out.ok {
                bail!("keepair salvage apply: {}{}", out.stdout, out.stderr.trim());
            }
        }
        Ok(())
    }

    /// The file Redis logs to.
    #[must_use]
    pub fn redis_log(&self) -> PathBuf {
        self.dir.join("redis/redis.log")
    }
}

/// What a command that ended said.
#[derive(Debug)]
pub struct Output {
    /// Whether it ended with status 0.
    pub ok: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command inside a namespace and waits for it.
///
/// # Errors
/// Where it cannot be started or does not end within `limit`; then it is killed.
pub fn output(ns: &Namespace, mut command: Command, limit: Duration) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ns.spawn(command)?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let until = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            bail!("{name} did not end within {limit:?}");
        }
        thread::sleep(Duration::from_millis(1));
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Output { ok: status.success(), stdout: text(stdout), stderr: text(stderr) })
}

fn drain<R: Read + Send + 'static>(from: Option<R>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes); // what came before an error is still worth showing
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn redis_unit(
    name: &str,
    slot: &Slot,
    plan: &Arc<Mutex<Plan>>,
    dir: &Path,
    password: &str,
    tools: &Tools,
    journal: &Journal,
) -> Unit {
    let (dir, password) = (dir.join("redis"), password.to_owned());
    let (plan, server) = (Arc::clone(plan), tools.redis.clone());
    let old = tools.redis_is_old;
    let build = Box::new(move || {
        let mut plan = locked(&plan);
        let file = dir.join("redis.conf");
        fs::write(&file, redis_conf(&plan, &dir, &password, old))?;
        restrict(&file)?;
        plan.replica_of = None;
        if plan.files == Files::None {
            forget(&dir)?;
        }
        let mut command = Command::new(&server);
        command.arg(&file).current_dir(&dir);
        // A configuration it refuses is reported here, before there is a log.
        let out = fs::File::options().create(true).append(true).open(dir.join("redis.log"))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        tidy(&mut command);
        Ok(command)
    });
    Unit::new(format!("Redis of {name}"), Arc::clone(slot), journal.clone(), build, None)
}

fn daemon_unit(name: &str, slot: &Slot, dir: &Path, tools: &Tools, journal: &Journal) -> Unit {
    let (dir, program) = (dir.to_owned(), tools.keepair.clone());
    let source = Source::Daemon(name.to_owned());
    let log = Arc::new(Mutex::new(fs::File::create(dir.join("keepair.log")).ok()));
    let to = journal.clone();
    let on_line: OnLine = Arc::new(move |line: String| {
        use std::io::Write;
        to.note(source.clone(), line.clone());
        if let Some(file) = locked(&log).as_mut() {
            let _ = writeln!(file, "{line}"); // the journal has it as well
        }
    });
    let build = Box::new(move || {
        let mut command = Command::new(program.as_ref().context("there is no keepair to run")?);
        command.arg("run").arg("--config").arg(dir.join("keepair.toml"));
        command.arg("--run-dir").arg(dir.join("run"));
        command.arg("--state-dir").arg(dir.join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        tidy(&mut command);
        Ok(command)
    });
    let name = format!("keepair of {name}");
    Unit::new(name, Arc::clone(slot), journal.clone(), build, Some(on_line))
}

/// Out of the terminal's process group, and with nothing of the lab in its environment.
fn tidy(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0).env("NO_COLOR", "1");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KEEPAIR_LAB_") {
            command.env_remove(name);
        }
    }
}

fn redis_conf(plan: &Plan, dir: &Path, password: &str, old: bool) -> String {
    let dir = dir.display();
    let files = plan.files.settings();
    let load = if plan.diskless_load { "on-empty-db" } else { "disabled" };
    let replica_of =
        plan.replica_of.map_or_else(String::new, |a| format!("replicaof {a} {PORT}\n"));
    let own = if old {
        "bind 0.0.0.0 ::\nlua-time-limit 1000\n"
    } else {
        "bind 0.0.0.0 -::*\nbusy-reply-threshold 1000\nenable-debug-command yes\n"
    };
    format!(
        "port {PORT}\n{own}daemonize no\ndir {dir}\nlogfile {dir}/redis.log\n\
         requirepass {password}\nmasterauth {password}\n{files}\n\
         repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nrepl-diskless-load {load}\n\
         repl-backlog-size 64mb\nrepl-backlog-ttl 0\n{replica_of}"
    )
}

/// Removes what a Redis saved: a synchronisation leaves a `dump.rdb` even with `save ""`.
fn forget(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rdb") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn restrict(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o600))?)
}

/// Sends a signal that must arrive.
///
/// # Errors
/// Where the process does not run.
pub fn must_signal(unit: &Unit, signal: Signal) -> Result<()> {
    if !unit.signal(signal) {
        bail!("{signal} for a process that does not run: {unit:?}");
    }
    Ok(())
}
