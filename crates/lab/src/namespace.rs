//! A host's namespaces (network, mount, hostname), held by one thread that lives in them.
//!
//! Entering a namespace needs no `unsafe` and no `ip netns`: whatever this thread starts, processes
//! and threads alike, is born inside. The namespaces go when the thread and its children are gone.

use std::fs;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getpid, gettid, sethostname};

type Job = Box<dyn FnOnce() + Send>;

/// The namespaces of one host.
#[derive(Debug)]
pub struct Namespace {
    jobs: Sender<Job>,
    net: String,
}

impl Namespace {
    /// Makes new namespaces with only a loopback interface in them, still down.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn new(hostname: &str) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, born) = mpsc::channel();
        let hostname = hostname.to_owned();
        thread::Builder::new().name(format!("ns-{hostname}")).spawn(move || {
            let outcome = settle_in(&hostname);
            let failed = outcome.is_err();
            if ready.send(outcome).is_err() || failed {
                return;
            }
            for job in inbox {
                job();
            }
        })?;
        let net = born.recv().context("the namespace's thread died")??;
        Ok(Self { jobs, net })
    }

    /// The path by which `ip link set ... netns` knows the network namespace.
    #[must_use]
    pub fn net_path(&self) -> &str {
        &self.net
    }

    /// Runs `work` on the thread that lives inside. It must not block for long.
    ///
    /// # Errors
    /// Where that thread has died.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (reply, answer) = mpsc::channel();
        let job: Job = Box::new(move || {
            let _ = reply.send(work()); // a caller that is gone does not want the answer
        });
        self.jobs.send(job).map_err(|_| anyhow!("the namespace's thread is gone"))?;
        answer.recv().context("the namespace's thread died")
    }

    /// Starts a process inside.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.run(move || command.spawn())?.with_context(|| format!("start {program}"))
    }
}

fn settle_in(hostname: &str) -> Result<String> {
    let ours = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    unshare(ours).context("unshare a host's namespaces")?;
    sethostname(hostname).context("set the hostname")?;
    // /sys/class/net shows the namespace of whoever mounted it.
    let none: Option<&str> = None;
    let strict = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), strict, none); // only convenient
    // No duplicate address detection: its second of waiting is not what is measured here.
    for scope in ["all", "default"] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/accept_dad"), "0");
    }
    Ok(format!("/proc/{}/task/{}/ns/net", getpid(), gettid()))
}
