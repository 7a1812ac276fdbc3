//! Measures the lab itself: the spacing an undisturbed client sees, and a failover done by hand.
//!
//! No daemon is involved. What is seen here is the floor under every figure of the other commands:
//! no outage can be measured that is shorter than the ordinary spacing.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::host::must_signal;
use crate::journal::Journal;
use crate::measure::{self, Measured, Spacing, Times};
use crate::network::{INTERFACE, batch};
use crate::rig::{Rig, RigPlan};
use crate::settle;
use crate::tools::Tools;
use crate::unit::Restart;

/// What an undisturbed client saw.
#[derive(Debug, Clone)]
pub struct Steady {
    /// How far apart the acknowledged writes are.
    pub spacing: Spacing,
    /// From the beginning of a connection to the acknowledgement.
    pub latency: Spacing,
    /// Everything else.
    pub measured: Measured,
    /// Acknowledged writes the primary does not hold.
    pub lost: usize,
}

/// Starts a pair without daemons, the virtual address on `redis-1`.
///
/// # Errors
/// Where anything refuses to start.
pub fn rig(ipv6: bool, dir: &Path, tools: &Tools, journal: &Journal) -> Result<Rig> {
    let plan = RigPlan { ipv6, daemons: false, ..RigPlan::default() };
    let rig = Rig::build(plan, dir, tools, journal)?;
    rig.bring_up()?;
    Ok(rig)
}

/// Lets a client write for a while and changes nothing.
///
/// # Errors
/// Where the client fails.
pub fn undisturbed(rig: &mut Rig, interval: Duration, length: Duration) -> Result<Steady> {
    let began = Instant::now();
    let load = rig.load(interval, false)?;
    thread::sleep(length + measure::WARM_UP);
    let ended = Instant::now();
    let records = load.stop()?;
    let measured = measure::measure(&records, Times { began, t0: ended, repaired: ended, ended });
    let lost = rig.missing("k", &records)?.len();
    Ok(Steady { spacing: measured.ordinary, latency: measure::latency(&records), measured, lost })
}

/// Kills the primary and fails over as fast as commands from outside can: what a client sees of it.
///
/// The peer is promoted as soon as the kill is sent, so nothing is noticed and nothing decided; the
/// address moves by an `ip` command and the client's neighbour entry is corrected by another.
///
/// # Errors
/// Where a step fails.
pub fn by_hand(rig: &mut Rig, interval: Duration) -> Result<(Measured, usize)> {
    let (pair, _) = settle::settle(rig, Duration::from_secs(20))?;
    let began = Instant::now();
    let load = rig.load(interval, false)?;
    thread::sleep(Duration::from_secs(1));
    let (old, new) = (rig.host(pair.primary)?, rig.host(pair.replica)?);
    let mut redis = new.redis(Duration::from_secs(1))?;
    old.redis.restart(Restart::Never);
    let t0 = Instant::now();
    must_signal(&old.redis, Signal::SIGKILL)?;
    redis.call(&["REPLICAOF", "NO", "ONE"])?;
    drop_vip(rig, pair.primary)?;
    rig.give_vip(pair.replica)?;
    let (ip, vip) = (rig.tools.ip.clone(), rig.vip);
    rig.client.run(move || batch(&ip, &format!("neigh del {vip} dev {INTERFACE}\n")))??;
    thread::sleep(Duration::from_millis(500));
    old.plan(|plan| plan.replica_of = Some(new.address));
    old.redis.wait_gone(Duration::from_secs(5))?;
    old.redis.start()?;
    settle::settle(rig, Duration::from_secs(20))?;
    let ended = Instant::now();
    let records = load.stop()?;
    let lost = rig.missing("k", &records)?.len();
    Ok((measure::measure(&records, Times { began, t0, repaired: ended, ended }), lost))
}

fn drop_vip(rig: &Rig, index: usize) -> Result<()> {
    let (ip, prefix) = (rig.tools.ip.clone(), if rig.plan.ipv6 { 64 } else { 24 });
    let command = format!("addr del {}/{prefix} dev {INTERFACE}\n", rig.vip);
    rig.host(index)?.namespace().run(move || batch(&ip, &command))?
}
