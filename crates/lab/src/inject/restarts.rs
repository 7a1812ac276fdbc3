//! A Redis is restarted, and the question is whose data is the newer. Each of these lost acknowledged
//! writes, or left nobody serving.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::{Scene, nft, pipe};
use crate::host::{Host, must_signal};
use crate::status;
use crate::unit::Restart;
use std::process::Command;

/// A supervisor's pause.
const RESTART: Duration = Duration::from_millis(300);
/// Within which a machine that may serve by itself must.
const SERVES_WITHIN: Duration = Duration::from_secs(2);
/// A replica of a machine that is off counts as gone after so long.
const LONG: Duration = Duration::from_millis(4_500);

const FILTER: &str = "table inet lab_loss {
  chain input {
    type filter hook input priority -400;
    udp dport 10112 counter drop
  }
}
";

/// The primary's Redis is killed, and started again by its supervisor.
fn restart_redis(host: &Host) -> Result<()> {
    host.redis.restart(Restart::After(RESTART));
    must_signal(&host.redis, Signal::SIGKILL)?;
    thread::sleep(RESTART + Duration::from_millis(100));
    host.wait_redis(Duration::from_secs(10))
}

/// Somebody serves at the virtual address again.
fn serves(scene: &Scene<'_>, since: Instant) -> Result<()> {
    loop {
        let answer = scene.rig.through_vip(Duration::from_millis(200));
        let written = answer.and_then(|mut redis| redis.call(&["SET", "served", "again"]));
        match written {
            Ok(_) => break,
            Err(_) if since.elapsed() < SERVES_WITHIN => thread::sleep(Duration::from_millis(20)),
            Err(error) => {
                return Err(error).context(format!("nobody serves after {SERVES_WITHIN:?}"));
            }
        }
    }
    scene.note(format!("served again after {:?}", since.elapsed()));
    Ok(())
}

/// What this machine's daemon says of itself.
fn says(host: &Host, words: &str) -> Result<()> {
    let status = status::ask(host)?;
    let own = status.members.iter().find(|member| member.local).context("no local member")?;
    if !own.reason.contains(words) {
        bail!("{} says {:?}, not {words:?}", host.name, own.reason);
    }
    Ok(())
}

/// A report that is older than the restart proves nothing: the standby has received since what the
/// primary lost. It takes over by itself when its daemon is back.
///
/// # Errors
/// Where nobody waits, or the reason is another.
pub fn older_file(scene: &mut Scene<'_>) -> Result<()> {
    let standby = scene.rig.host(scene.pair.replica)?;
    must_signal(&standby.daemon, Signal::SIGTERM)?;
    standby.daemon.wait_gone(Duration::from_secs(5))?;
    thread::sleep(Duration::from_millis(500));
    scene.primary()?.redis(Duration::from_secs(5))?.call(&["SAVE"])?;
    thread::sleep(Duration::from_secs(1));
    scene.strike(&format!("SIGKILL to the Redis of {}", scene.primary()?.name));
    restart_redis(scene.primary()?)?;
    scene.at(Duration::from_secs(4));
    if scene.rig.through_vip(Duration::from_millis(200)).is_ok() {
        bail!("somebody serves, though only the other Redis holds everything");
    }
    says(scene.primary()?, "which may hold newer data")?;
    scene.repair(&format!("keepair of {} is started again", standby.name));
    standby.daemon.start()
}

/// Nobody else can hold more: it serves again by itself.
///
/// # Errors
/// Where it does not.
pub fn last_machine(scene: &mut Scene<'_>) -> Result<()> {
    scene.rig.power_off(scene.pair.replica)?;
    thread::sleep(LONG);
    scene.strike(&format!("SIGKILL to the Redis of {}", scene.primary()?.name));
    restart_redis(scene.primary()?)?;
    serves(scene, Instant::now())?;
    scene.repair("the other machine boots");
    scene.rig.power_on(scene.pair.replica)
}

/// The one that served last, and holds it, serves again.
///
/// # Errors
/// Where it does not.
pub fn source_of_a_resync(scene: &mut Scene<'_>) -> Result<()> {
    let (old, new) = (scene.primary()?, scene.rig.host(scene.pair.replica)?);
    must_signal(&old.redis, Signal::SIGKILL)?;
    thread::sleep(Duration::from_millis(1_500));
    // Every key of the snapshot takes 20 ms.
    new.redis(Duration::from_secs(5))?.call(&["CONFIG", "SET", "rdb-key-save-delay", "20000"])?;
    old.redis.start()?;
    old.wait_redis(Duration::from_secs(5))?;
    thread::sleep(Duration::from_secs(2));
    if old.info()?.is_replica_up() {
        bail!("{} has received everything already", old.name);
    }
    scene.strike(&format!("SIGKILL to the Redis of {}", new.name));
    restart_redis(new)?;
    serves(scene, Instant::now())?;
    scene.repair("it serves again");
    Ok(())
}

/// Both hold everything, and neither file says of which history.
///
/// # Errors
/// Where nobody serves.
pub fn power_of_both(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike("both machines lose power");
    for index in [scene.pair.primary, scene.pair.replica] {
        scene.rig.power_off(index)?;
    }
    scene.at(Duration::from_secs(1));
    scene.repair("both boot");
    for index in [scene.pair.primary, scene.pair.replica] {
        scene.rig.power_on(index)?;
    }
    Ok(())
}

/// The new machine hears adverts and no reports: it is not eligible, and says why.
///
/// # Errors
/// Where it calls itself ready, or the old primary does not serve again.
pub fn new_machine_filtered(scene: &mut Scene<'_>) -> Result<()> {
    let new = scene.rig.host(scene.pair.replica)?;
    scene.rig.power_off(scene.pair.replica)?;
    new.redis.wait_gone(Duration::from_secs(5))?;
    new.daemon.wait_gone(Duration::from_secs(5))?;
    new.lose_disk()?;
    thread::sleep(LONG);
    filter(scene, scene.primary()?)?;
    scene.rig.power_on(scene.pair.replica)?;
    filter(scene, new)?;
    thread::sleep(Duration::from_secs(4));
    says(new, "is UDP 10112 filtered?")?;
    scene.strike(&format!("SIGKILL to the Redis of {}", scene.primary()?.name));
    restart_redis(scene.primary()?)?;
    serves(scene, Instant::now())?;
    scene.repair("UDP 10112 passes again");
    for host in &scene.rig.hosts {
        nft(scene.rig, host, "delete")?;
    }
    Ok(())
}

fn filter(scene: &Scene<'_>, host: &Host) -> Result<()> {
    let nft = scene.rig.tools.nft.clone().context("nft is not installed")?;
    host.namespace().run(move || pipe(Command::new(nft).args(["-f", "-"]), FILTER))?
}
