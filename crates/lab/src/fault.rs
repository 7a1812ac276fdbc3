//! The table of faults: what each does, what it may cost, and how often it is measured.

use std::time::Duration;

use crate::host::Files;
use crate::inject::{self, Inject, restarts, votes};
use crate::rig::RigPlan;
use crate::third::{Kind, TieBreaker};

/// What a fault may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// No longer gap between acknowledged writes than this.
    Outage(Duration),
    /// No failed write, and no longer gap than without a fault.
    Nothing,
    /// The gap is the fault's own (Redis itself is busy); only writes and places are judged.
    Unbounded,
}

/// Which machine is the primary afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The other one.
    Moved,
    /// The same one, and it never ceased to be.
    Stayed,
    /// Either.
    Either,
}

/// How the machine that fell behind must come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resync {
    /// Its data is gone or its history another: any way.
    Any,
    /// Nothing diverged: without a full synchronisation.
    Partial,
    /// Without a full synchronisation, unless it executed writes that nobody else has: those of its own
    /// client, or those that waited in its sockets while it was stopped.
    PartialUnlessDiverged,
}

/// Who writes, besides the client on the client's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Nobody.
    Service,
    /// A client of the primary's own host, to its own Redis.
    Local,
    /// A client on each machine, through the virtual address; all of them ask who answers.
    Everywhere,
    /// The same without the one on the primary's machine: it has none, or stands still as well.
    Elsewhere,
}

/// The set-up a fault is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// As configured on the command line.
    Ordinary,
    /// Advertisements every 10 ms.
    FastAdverts,
    /// Both Redis hold about this many megabytes.
    Large(u64),
    /// The data survives its process like this.
    Keeping(Files),
}

impl Setup {
    /// The plan of the set-up, from the one given on the command line.
    #[must_use]
    pub fn plan(self, ordinary: &RigPlan) -> RigPlan {
        let plan = ordinary.clone();
        match self {
            Self::Ordinary => plan,
            Self::FastAdverts => RigPlan { advert_interval: Duration::from_millis(10), ..plan },
            Self::Large(populate_mb) => RigPlan { populate_mb, ..plan },
            Self::Keeping(files) => RigPlan { files, ..plan },
        }
    }

    /// How much memory must be free, in megabytes: two copies, a fork of one, and room.
    #[must_use]
    pub fn needs_mb(self) -> u64 {
        match self {
            Self::Large(mb) => mb * 7 / 2,
            _ => 0,
        }
    }
}

/// A fault.
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens.
    pub what: &'static str,
    /// What it may cost.
    pub bound: Bound,
    /// Where the primary is afterwards.
    pub after: After,
    /// How the other comes back.
    pub resync: Resync,
    /// Whether no client may see any error: the fault is an operator's wish.
    pub no_errors: bool,
    /// Who writes as well.
    pub writers: Writers,
    /// One of these tie-breakers keeps the promises under this fault; without any of them it is only
    /// measured. `None`: nobody is needed for it.
    pub covered_by: Option<&'static [Kind]>,
    /// The third party that the fault strikes.
    pub strikes: Option<Kind>,
    /// Whether the simulator plays it too.
    pub simulated: bool,
    /// Whether only its outcome is judged: its time is that of somebody who comes back.
    pub outcome_only: bool,
    /// Whether it is part of the demonstration.
    pub demo: bool,
    /// Whether `nft` is needed.
    pub needs_nft: bool,
    /// How often `bench` measures it, unless told otherwise.
    pub runs: usize,
    /// Where it is measured.
    pub setup: Setup,
    /// Does it.
    pub inject: Inject,
}

const fn fault(name: &'static str, what: &'static str, inject: Inject) -> Fault {
    Fault {
        name,
        what,
        bound: Bound::Unbounded,
        after: After::Moved,
        resync: Resync::Any,
        no_errors: false,
        writers: Writers::Service,
        covered_by: None,
        strikes: None,
        simulated: true,
        outcome_only: false,
        demo: false,
        needs_nft: false,
        runs: 5,
        setup: Setup::Ordinary,
        inject,
    }
}

/// A fault for a tie-breaker: who acknowledges what is looked at on every machine.
const fn vote(
    name: &'static str,
    what: &'static str,
    covered_by: Option<&'static [Kind]>,
    inject: Inject,
) -> Fault {
    let writers = Writers::Everywhere;
    let resync = Resync::PartialUnlessDiverged;
    let simulated = false;
    Fault { writers, covered_by, simulated, resync, ..fault(name, what, inject) }
}

/// A Redis is restarted, and the question is who may serve.
const fn restart(name: &'static str, what: &'static str, files: Files, inject: Inject) -> Fault {
    let (simulated, outcome_only) = (false, true);
    let setup = Setup::Keeping(files);
    Fault { simulated, outcome_only, setup, ..fault(name, what, inject) }
}

/// A machine that is alone learns it from any of them.
const ANY: Option<&[Kind]> = Some(&[Kind::Gateway, Kind::Witness, Kind::Etcd]);
/// Two machines that both reach the third party are told apart by one that remembers.
const REGISTER: Option<&[Kind]> = Some(&[Kind::Witness, Kind::Etcd]);

const fn within(ms: u64) -> Bound {
    Bound::Outage(Duration::from_millis(ms))
}

/// All faults, in the order in which they are measured.
pub const FAULTS: &[Fault] = &[
    Fault {
        bound: within(15),
        demo: true,
        ..fault("crash", "SIGKILL the primary's Redis; it restarts empty after 1 s", inject::crash)
    },
    Fault {
        bound: within(400),
        resync: Resync::PartialUnlessDiverged,
        demo: true,
        ..fault("hang", "SIGSTOP the primary's Redis for 3 s", inject::hang)
    },
    Fault {
        bound: within(400),
        demo: true,
        ..fault("power", "the primary's machine loses power for 3 s", inject::power)
    },
    Fault {
        bound: within(10),
        resync: Resync::Partial,
        no_errors: true,
        demo: true,
        ..fault("switchover", "an operator asks for it: keepair switchover", inject::switchover)
    },
    Fault {
        bound: Bound::Nothing,
        after: After::Stayed,
        resync: Resync::Partial,
        demo: true,
        ..fault(
            "daemon-crash",
            "SIGKILL the Active machine's keepair; it restarts after 100 ms",
            inject::daemon_crash,
        )
    },
    Fault {
        bound: within(400),
        after: After::Either,
        resync: Resync::Partial,
        ..fault(
            "daemon-gone",
            "SIGKILL the Active machine's keepair; it is away for 3 s",
            inject::daemon_gone,
        )
    },
    Fault {
        bound: within(400),
        after: After::Either,
        resync: Resync::Partial,
        ..fault("daemon-stop", "SIGSTOP the Active machine's keepair for 3 s", inject::daemon_stop)
    },
    Fault {
        bound: within(15),
        demo: true,
        ..fault(
            "restart-empty",
            "SIGKILL the primary's Redis; it restarts at once, empty, as a primary",
            inject::restart_empty,
        )
    },
    Fault {
        bound: within(400),
        resync: Resync::PartialUnlessDiverged,
        writers: Writers::Local,
        demo: true,
        ..fault(
            "unplug",
            "the primary's cable is out for 6 s; its own client writes on",
            inject::unplug,
        )
    },
    Fault {
        after: After::Stayed,
        resync: Resync::Partial,
        runs: 3,
        ..fault("slow-script", "a Lua script keeps the primary busy for 2 s", inject::slow_script)
    },
    Fault {
        after: After::Stayed,
        resync: Resync::Partial,
        runs: 3,
        ..fault("debug-sleep", "DEBUG SLEEP 1 on the primary", inject::debug_sleep)
    },
    Fault {
        after: After::Stayed,
        resync: Resync::Partial,
        needs_nft: true,
        runs: 3,
        ..fault("advert-loss", "5 % of all adverts are lost for 10 s", inject::advert_loss)
    },
    Fault {
        bound: within(50),
        setup: Setup::FastAdverts,
        ..fault("power-10ms", "as power, with an advert_interval of 10 ms", inject::power)
    },
    Fault {
        after: After::Stayed,
        resync: Resync::Partial,
        runs: 3,
        setup: Setup::Large(1_000),
        ..fault("bgsave", "BGSAVE of 1 GB on the primary", inject::bgsave)
    },
    Fault {
        bound: within(20),
        runs: 3,
        setup: Setup::Large(4_000),
        ..fault("crash-4g", "as crash, with 4 GB resident", inject::crash)
    },
    Fault {
        bound: within(400),
        ..vote(
            "isolate",
            "the primary's machine is cut off from everybody for 6 s; its own client writes on",
            ANY,
            votes::isolate,
        )
    },
    Fault {
        bound: within(400),
        writers: Writers::Elsewhere,
        resync: Resync::Partial,
        needs_nft: true,
        ..vote(
            "isolate-quiet",
            "as isolate, just after a ping to the replica; nobody writes there",
            ANY,
            votes::isolate_quiet,
        )
    },
    Fault {
        bound: Bound::Nothing,
        after: After::Stayed,
        resync: Resync::Partial,
        ..vote(
            "partition",
            "the two machines do not hear each other for 6 s; all others hear both",
            REGISTER,
            votes::partition,
        )
    },
    Fault {
        bound: within(400),
        after: After::Either,
        ..vote(
            "daemon-paused",
            "SIGSTOP the Active machine's keepair for 5 s",
            None,
            votes::daemon_paused,
        )
    },
    Fault {
        bound: within(400),
        after: After::Either,
        ..vote(
            "daemon-paused-apart",
            "as daemon-paused, and the machines do not hear each other meanwhile",
            REGISTER,
            votes::daemon_paused_apart,
        )
    },
    Fault {
        bound: within(400),
        writers: Writers::Elsewhere,
        ..vote(
            "machine-paused",
            "every process of the primary's machine stands still for 5 s",
            None,
            votes::machine_paused,
        )
    },
    Fault {
        bound: Bound::Nothing,
        after: After::Stayed,
        resync: Resync::Partial,
        strikes: Some(Kind::Witness),
        ..vote(
            "witness-restart",
            "the witness is killed and starts empty",
            None,
            votes::witness_restart,
        )
    },
    Fault {
        bound: within(800),
        resync: Resync::Any,
        strikes: Some(Kind::Witness),
        writers: Writers::Elsewhere,
        ..vote(
            "witness-restart-power",
            "the same just before the primary's machine loses power for 3 s",
            None,
            votes::witness_restart_power,
        )
    },
    Fault {
        bound: Bound::Nothing,
        after: After::Stayed,
        resync: Resync::Partial,
        strikes: Some(Kind::Etcd),
        ..vote("etcd-gone", "etcd is gone for 6 s", None, votes::etcd_gone)
    },
    Fault {
        bound: Bound::Nothing,
        after: After::Stayed,
        resync: Resync::Partial,
        strikes: Some(Kind::Etcd),
        ..vote("etcd-hangs", "etcd answers nothing for 6 s", None, votes::etcd_hangs)
    },
    Fault {
        bound: within(15),
        resync: Resync::Any,
        strikes: Some(Kind::Etcd),
        ..vote(
            "etcd-gone-crash",
            "SIGKILL the primary's Redis while etcd is gone; it restarts empty after 1 s",
            None,
            votes::etcd_gone_crash,
        )
    },
    restart(
        "restart-older-file",
        "the standby's keepair is stopped; the primary's Redis is restarted from an older RDB file",
        Files::RdbByHand,
        restarts::older_file,
    ),
    Fault {
        after: After::Either,
        ..restart(
            "restart-last-machine",
            "the standby's machine is off for long; the primary's Redis is restarted from its AOF",
            Files::Aof,
            restarts::last_machine,
        )
    },
    Fault {
        after: After::Either,
        ..restart(
            "restart-source-of-resync",
            "the primary's Redis is restarted from its AOF while the other one receives everything",
            Files::Aof,
            restarts::source_of_a_resync,
        )
    },
    Fault {
        after: After::Either,
        ..restart(
            "power-both",
            "both machines lose power at once; their Redis are restarted from their AOF",
            Files::Aof,
            restarts::power_of_both,
        )
    },
    Fault {
        after: After::Either,
        needs_nft: true,
        ..restart(
            "new-machine-filtered",
            "a new, empty machine, UDP 10112 filtered; then the primary's Redis is restarted",
            Files::Aof,
            restarts::new_machine_filtered,
        )
    },
];

/// The faults that `keepair-lab test` tries with a tie-breaker, and which.
pub const DIRECTED: &[(&str, &[Kind])] = &[
    ("isolate", &[Kind::Gateway]),
    ("isolate", &[Kind::Witness]),
    ("isolate-quiet", &[Kind::Witness]),
    ("partition", &[Kind::Witness]),
    ("daemon-paused-apart", &[Kind::Witness]),
    ("machine-paused", &[Kind::Witness]),
    ("witness-restart-power", &[Kind::Witness]),
    ("isolate", &[Kind::Etcd]),
    ("etcd-gone-crash", &[Kind::Etcd]),
];

impl Fault {
    /// Whether it is one of those that a tie-breaker is for.
    #[must_use]
    pub fn is_vote(&self) -> bool {
        matches!(self.writers, Writers::Everywhere | Writers::Elsewhere)
    }

    /// Whether somebody in this tie-breaker keeps the promises under this fault.
    #[must_use]
    pub fn is_covered_by(&self, breaker: &TieBreaker) -> bool {
        self.covered_by.is_none_or(|kinds| breaker.has_one_of(kinds))
    }
}

/// The fault of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.name == name)
}

/// How much memory is available, in megabytes.
#[must_use]
pub fn available_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}
