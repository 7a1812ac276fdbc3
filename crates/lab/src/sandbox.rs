//! Enters the private namespaces by running this same program twice more.
//!
//! `outside` is the process the user started: it unshares and waits. `init` is process 1 of the new
//! PID namespace: it dies with `outside` (`PR_SET_PDEATHSIG`), and whatever lives in the namespace
//! dies with it. `inside` is an ordinary child of `init` that does the work, so that it has ordinary
//! signals and its own children to wait for. `/proc` is mounted anew, because the daemons under
//! test look their Redis up there, and the lab's files are on a tmpfs nobody else sees.

use std::env;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{getegid, geteuid, getpid};

use crate::tools::CannotRun;

const ROLE: &str = "KEEPAIR_LAB_ROLE";
const OUTSIDE_PID: &str = "KEEPAIR_LAB_OUTSIDE_PID";
const SCRATCH: &str = "KEEPAIR_LAB_SCRATCH";

/// What this process is to do next.
#[derive(Debug)]
pub enum Entered {
    /// We are in the sandbox: do the work, with files in this directory.
    Inside(PathBuf),
    /// The work was done by a child; exit with this status.
    Done(u8),
}

/// Enters the sandbox. Must be called before any thread is started.
///
/// # Errors
/// [`CannotRun`] where this machine refuses namespaces, saying what is lacking.
pub fn enter() -> Result<Entered> {
    match env::var(ROLE).as_deref() {
        Ok("inside") => Ok(Entered::Inside(
            env::var_os(SCRATCH).context("the scratch directory was not handed over")?.into(),
        )),
        Ok("init") => init().map(Entered::Done),
        _ => outside().map(Entered::Done),
    }
}

fn outside() -> Result<u8> {
    isolate()?;
    let status = rerun("init")?.env(OUTSIDE_PID, getpid().to_string()).status()?;
    Ok(code(status))
}

const OURS: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC);

fn isolate() -> Result<()> {
    if geteuid().is_root() {
        match unshare(OURS) {
            Err(Errno::EPERM) => {} // root without CAP_SYS_ADMIN: as any other user
            other => return other.map_err(|e| refused("the new namespaces", e).into()),
        }
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|e| refused("a user namespace", e))?;
    fs::write("/proc/self/setgroups", "deny").context("deny setgroups in the user namespace")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).context("map our user to root")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).context("map our group to root")?;
    unshare(OURS).map_err(|e| refused("the new namespaces, as root of a user namespace", e).into())
}

/// Says which of the known switches is the one that forbids it.
fn refused(what: &str, error: Errno) -> CannotRun {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let mut why = Vec::new();
    if !geteuid().is_root() {
        why.push("not root, so a user namespace is needed; or run it with sudo".to_owned());
    }
    let switches = [
        ("/proc/sys/user/max_user_namespaces", "0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ];
    for (path, forbids) in switches {
        if read(path).as_deref() == Some(forbids) {
            why.push(format!("{path} is {forbids}, which forbids it"));
        }
    }
    if let Some(caps) = read("/proc/self/status").and_then(|s| {
        s.lines().find_map(|l| l.strip_prefix("CapEff:").map(str::trim).map(str::to_owned))
    }) {
        why.push(format!(
            "CAP_SYS_ADMIN and CAP_NET_ADMIN are needed; effective capabilities: {caps}"
        ));
    }
    why.push(
        "in a container: --privileged, or --cap-add SYS_ADMIN --cap-add NET_ADMIN and no \
              seccomp filter over unshare(2) and mount(2)"
            .to_owned(),
    );
    CannotRun(format!("the kernel refuses {what}: {error}\n  {}", why.join("\n  ")))
}

fn init() -> Result<u8> {
    set_pdeathsig(Signal::SIGKILL).context("PR_SET_PDEATHSIG")?;
    // `outside` may have died before that call. The /proc we still see is the one it lives in.
    let outside = env::var(OUTSIDE_PID).context("started by hand")?;
    if !Path::new("/proc").join(&outside).exists() {
        bail!("the process that started the lab is gone");
    }
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|e| refused("a private mount tree", e))?;
    let strict = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), strict, none)
        .map_err(|e| refused("a /proc of the new PID namespace (is the old one masked?)", e))?;
    // The switch is driven through /sys/class/net where possible; without it, by `ip`.
    let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), strict, none);
    let scratch = empty_directory()?;
    let strict = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("keepair-lab"), &scratch, Some("tmpfs"), strict, Some("mode=0755"))
        .map_err(|e| refused("a tmpfs for the lab's files", e))?;

    let child = rerun("inside")?.env(SCRATCH, &scratch).spawn()?.id();
    loop {
        // Orphans of the lab become our children: reap them too.
        match wait() {
            Ok(WaitStatus::Exited(pid, status)) if pid.as_raw().unsigned_abs() == child => {
                return Ok(u8::try_from(status).unwrap_or(1));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw().unsigned_abs() == child => {
                bail!("the lab was ended by {signal}");
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait for the lab"),
        }
    }
}

/// A directory that exists everywhere and hides nothing when we mount over it.
fn empty_directory() -> Result<PathBuf> {
    ["/media", "/srv", "/mnt", "/opt"]
        .iter()
        .map(PathBuf::from)
        .find(|dir| fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none()))
        .map_or_else(hidden_directory, Ok)
}

/// None is empty: hide one that neither the lab, the daemon nor the working directory is in.
fn hidden_directory() -> Result<PathBuf> {
    let used = [env::current_exe()?, env::current_dir()?, env::temp_dir()];
    ["/media", "/mnt", "/srv"]
        .iter()
        .map(PathBuf::from)
        .find(|dir| dir.is_dir() && !used.iter().any(|path| path.starts_with(dir)))
        .context("no directory to mount the lab's tmpfs on: one of /media, /srv, /mnt is needed")
}

fn rerun(role: &str) -> io::Result<Command> {
    let mut command = Command::new("/proc/self/exe");
    command.args(env::args_os().skip(1)).env(ROLE, role);
    Ok(command)
}

fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, Some(signal)) => 128u8.saturating_add(u8::try_from(signal).unwrap_or(0)),
        (None, None) => 1,
    }
}
