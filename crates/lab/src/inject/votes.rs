//! Faults between the machines and their tie-breaker: cut off, parted, paused, and third parties that go.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::{AWAY, REDIS_RESTART, Scene, UNPLUGGED, stopped};
use crate::copy::{Copy, Sign};
use crate::host::{PORT, must_signal};
use crate::namespace::Namespace;
use crate::network::pipe;
use crate::third::Kind;
use crate::unit::Restart;

const PAUSED: Duration = Duration::from_secs(5);

/// The switch ignores the primary's machine for a while; its interface keeps its carrier.
///
/// # Errors
/// Where `ip` fails.
pub fn isolate(scene: &mut Scene<'_>) -> Result<()> {
    let name = &scene.primary()?.name.clone();
    scene.strike(&format!("{name} is cut off from everybody"));
    scene.rig.switch.ignore(name)?;
    scene.at(UNPLUGGED);
    scene.repair(&format!("{name} is heard again"));
    scene.rig.switch.heed(name)
}

/// The same just after its Redis has pinged its replicas, which it does every other second: it would go
/// on to ping the one that it still believes in.
///
/// # Errors
/// Where Redis or `ip` refuses, or it does not ping.
pub fn isolate_quiet(scene: &mut Scene<'_>) -> Result<()> {
    let name = &scene.primary()?.name.clone();
    ping_every(scene, "2")?;
    let stream = Copy::attach(scene.primary()?, Sign::Ack)?;
    stream.wait_for_ping(Duration::from_secs(5))?;
    // A write executed in the very moment of the cut would be a tail as well, and another fault.
    let writes = Writes::off(scene)?;
    std::thread::sleep(Duration::from_millis(3));
    scene.strike(&format!("{name} has pinged its replica and is cut off from everybody"));
    scene.rig.switch.ignore(name)?;
    drop(stream); // the connection only: it is no replica that is left to be pinged
    writes.on()?;
    scene.at(UNPLUGGED);
    scene.repair(&format!("{name} is heard again"));
    scene.rig.switch.heed(name)?;
    ping_every(scene, "10")
}

/// Clients' packets that the primary's host drops, while its replica's arrive.
struct Writes {
    host: std::sync::Arc<Namespace>,
    nft: PathBuf,
}

impl Writes {
    fn off(scene: &Scene<'_>) -> Result<Self> {
        let nft = scene.rig.tools.nft.clone().context("nft is not installed")?;
        let writes = Self { host: scene.primary()?.namespace(), nft };
        let (vip, family) = (scene.rig.vip, if scene.rig.plan.ipv6 { "ip6" } else { "ip" });
        writes.nft(format!(
            "table inet lab_quiet {{\n  chain input {{\n\
             type filter hook input priority -400;\n\
             {family} daddr {vip} tcp dport {PORT} drop;\n  }}\n}}\n"
        ))?;
        Ok(writes)
    }

    fn on(self) -> Result<()> {
        self.nft("delete table inet lab_quiet\n".to_owned())
    }

    fn nft(&self, rules: String) -> Result<()> {
        let nft = self.nft.clone();
        self.host.run(move || pipe(Command::new(nft).args(["-f", "-"]), &rules))?
    }
}

fn ping_every(scene: &Scene<'_>, seconds: &str) -> Result<()> {
    for host in &scene.rig.hosts {
        let mut redis = host.redis(Duration::from_secs(2))?;
        redis.call(&["CONFIG", "SET", "repl-ping-replica-period", seconds])?;
    }
    Ok(())
}

/// The two machines do not hear each other for a while; everybody else hears both.
///
/// # Errors
/// Where `ip` fails.
pub fn partition(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike("the two machines do not hear each other");
    part(scene, true)?;
    scene.at(UNPLUGGED);
    scene.repair("the two machines hear each other again");
    part(scene, false)
}

fn part(scene: &Scene<'_>, apart: bool) -> Result<()> {
    let [first, second] = &scene.rig.hosts;
    scene.rig.switch.part(&[&first.name, &second.name], apart)
}

/// The Active machine's daemon is stopped and goes on later.
///
/// # Errors
/// Where it does not run.
pub fn daemon_paused(scene: &mut Scene<'_>) -> Result<()> {
    stopped(scene, "keepair", |host| &host.daemon, PAUSED)
}

/// The Active machine's daemon is stopped, and the machines do not hear each other meanwhile. It goes on
/// a moment before they do.
///
/// # Errors
/// Where it does not run, or `ip` fails.
pub fn daemon_paused_apart(scene: &mut Scene<'_>) -> Result<()> {
    let name = scene.primary()?.name.clone();
    scene.strike(&format!("SIGSTOP to the keepair of {name}, and the machines are parted"));
    must_signal(&scene.primary()?.daemon, Signal::SIGSTOP)?;
    part(scene, true)?;
    scene.at(PAUSED);
    scene.repair(&format!("SIGCONT to the keepair of {name}, and the machines hear each other"));
    must_signal(&scene.primary()?.daemon, Signal::SIGCONT)?;
    part(scene, false)
}

/// Everything on the primary's machine stands still and goes on later, Redis first: what waited in its
/// sockets is executed before the daemon can look.
///
/// # Errors
/// Where something does not run.
pub fn machine_paused(scene: &mut Scene<'_>) -> Result<()> {
    let name = scene.primary()?.name.clone();
    scene.strike(&format!("every process of {name} stands still"));
    must_signal(&scene.primary()?.daemon, Signal::SIGSTOP)?;
    must_signal(&scene.primary()?.redis, Signal::SIGSTOP)?;
    scene.at(PAUSED);
    scene.repair(&format!("every process of {name} goes on"));
    must_signal(&scene.primary()?.redis, Signal::SIGCONT)?;
    must_signal(&scene.primary()?.daemon, Signal::SIGCONT)
}

/// The witness is killed, starts at once, and knows nothing.
///
/// # Errors
/// Where there is none, or it does not start again.
pub fn witness_restart(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike("the witness is killed and starts empty");
    restart_witness(scene)?;
    scene.at(AWAY);
    Ok(())
}

fn restart_witness(scene: &Scene<'_>) -> Result<()> {
    let witness = scene.rig.third(Kind::Witness)?;
    let process = witness.process()?;
    process.restart(Restart::Never);
    must_signal(process, Signal::SIGKILL)?;
    process.wait_gone(Duration::from_secs(5))?;
    witness.start()
}

/// The witness is killed and starts empty, and then the primary's machine loses power.
///
/// # Errors
/// Where there is no witness, or anything does not start again.
pub fn witness_restart_power(scene: &mut Scene<'_>) -> Result<()> {
    scene.note("the witness is killed and starts empty");
    restart_witness(scene)?;
    super::power(scene)
}

/// etcd is killed, and started again later.
///
/// # Errors
/// Where there is none, or it does not start again.
pub fn etcd_gone(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike("etcd is gone");
    kill_etcd(scene)?;
    scene.at(UNPLUGGED);
    scene.repair("etcd starts again");
    scene.rig.third(Kind::Etcd)?.start()?;
    scene.at(UNPLUGGED + Duration::from_secs(1));
    Ok(())
}

fn kill_etcd(scene: &Scene<'_>) -> Result<()> {
    let process = scene.rig.third(Kind::Etcd)?.process()?;
    process.restart(Restart::Never);
    must_signal(process, Signal::SIGKILL)?;
    process.wait_gone(Duration::from_secs(5))
}

/// etcd stands still: it takes requests and answers none.
///
/// # Errors
/// Where there is none.
pub fn etcd_hangs(scene: &mut Scene<'_>) -> Result<()> {
    let signal = |signal| must_signal(scene.rig.third(Kind::Etcd)?.process()?, signal);
    signal(Signal::SIGSTOP)?;
    scene.strike("etcd stands still");
    scene.at(UNPLUGGED);
    scene.repair("etcd goes on");
    must_signal(scene.rig.third(Kind::Etcd)?.process()?, Signal::SIGCONT)?;
    scene.at(UNPLUGGED + Duration::from_secs(1));
    Ok(())
}

/// The primary's Redis is killed while etcd is gone, and is back before it.
///
/// # Errors
/// Where something does not run, or does not start again.
pub fn etcd_gone_crash(scene: &mut Scene<'_>) -> Result<()> {
    scene.note("etcd is gone");
    kill_etcd(scene)?;
    std::thread::sleep(Duration::from_secs(1));
    super::crash(scene)?;
    scene.at(REDIS_RESTART + REDIS_RESTART);
    scene.note("etcd starts again");
    scene.rig.third(Kind::Etcd)?.start()
}
