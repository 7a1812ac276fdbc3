//! Whether the pair is whole: one primary that serves behind the address, the other in step with it.
//!
//! Both Redis are asked themselves; what the daemons say must agree, but is not believed alone.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::redis::Info;
use crate::rig::Rig;
use crate::status;

/// Which machine is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The index of the primary.
    pub primary: usize,
    /// The index of the replica.
    pub replica: usize,
}

/// A settled pair has been so for this long.
const STABLE: Duration = Duration::from_millis(300);

/// Waits until the two Redis are a primary and its replica, whatever daemons and clients see.
///
/// # Errors
/// After `limit`, with what is still wrong.
pub fn wait_redis_pair(rig: &Rig, limit: Duration) -> Result<Pair> {
    let until = Instant::now() + limit;
    loop {
        match redis_pair(rig) {
            Ok((pair, _)) => return Ok(pair),
            Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(25)),
            Err(error) => return Err(error.context(format!("no pair after {limit:?}"))),
        }
    }
}

/// Waits until the pair is whole and stays so; says since when.
///
/// # Errors
/// After `limit`, with what is still wrong.
pub fn settle(rig: &Rig, limit: Duration) -> Result<(Pair, Instant)> {
    let until = Instant::now() + limit;
    let mut since: Option<(Pair, Instant)> = None;
    loop {
        let wrong = match redis_pair(rig) {
            Ok((pair, primary)) => match since {
                Some((before, at)) if before == pair => {
                    if at.elapsed() < STABLE {
                        None
                    } else {
                        match agreed(rig, pair, &primary) {
                            Ok(()) => return Ok((pair, at)),
                            Err(error) => Some(error),
                        }
                    }
                }
                _ => {
                    since = Some((pair, Instant::now()));
                    None
                }
            },
            Err(error) => {
                since = None;
                Some(error)
            }
        };
        if Instant::now() > until {
            let wrong = wrong.unwrap_or_else(|| anyhow::anyhow!("it does not stay settled"));
            return Err(wrong.context(format!("the pair did not settle within {limit:?}")));
        }
        thread::sleep(Duration::from_millis(25));
    }
}

/// One look at both Redis.
fn redis_pair(rig: &Rig) -> Result<(Pair, Info)> {
    let infos = [rig.hosts[0].info()?, rig.hosts[1].info()?];
    let pair = match (infos[0].is_primary(), infos[1].is_primary()) {
        (true, false) => Pair { primary: 0, replica: 1 },
        (false, true) => Pair { primary: 1, replica: 0 },
        (true, true) => bail!("both Redis are primaries"),
        (false, false) => bail!("both Redis are replicas"),
    };
    let (replica, address) = (&infos[pair.replica], rig.host(pair.primary)?.address);
    if replica.text("master_host") != address.to_string() {
        bail!("{} replicates {:?}", rig.host(pair.replica)?.name, replica.text("master_host"));
    }
    if !replica.is_replica_up() {
        bail!("the replication link of {} is down", rig.host(pair.replica)?.name);
    }
    let [first, second] = infos;
    Ok((pair, if pair.primary == 0 { first } else { second }))
}

/// Whether the address and the daemons agree with what the Redis say.
fn agreed(rig: &Rig, pair: Pair, primary: &Info) -> Result<()> {
    let served = rig.through_vip(Duration::from_millis(500))?.info()?;
    if served.text("run_id") != primary.text("run_id") {
        bail!("behind {} answers another Redis than the primary", rig.vip);
    }
    if rig.host(pair.replica)?.has_address(&rig.tools.ip, rig.vip)? {
        bail!("{} has {} as well", rig.host(pair.replica)?.name, rig.vip);
    }
    if !rig.plan.daemons {
        return Ok(());
    }
    let name = rig.host(pair.primary)?.name.as_str();
    for host in &rig.hosts {
        let status = status::ask(host).with_context(|| format!("on {}", host.name))?;
        if status.active() != [name] {
            bail!("{} says: {}", host.name, status.summary());
        }
        let standby = host.address == rig.host(pair.replica)?.address;
        let ready = |m: &status::Member| m.local && m.state.eq_ignore_ascii_case("backup");
        if standby && !status.members.iter().any(ready) {
            bail!("{} is not ready to take over: {}", host.name, status.summary());
        }
        if let Some(breaker) = status.tie_breakers.iter().find(|breaker| !breaker.reachable) {
            bail!("{} says: {} is not reached: {}", host.name, breaker.name, breaker.problem);
        }
    }
    Ok(())
}
