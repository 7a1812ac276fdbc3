//! What each fault does to the pair, and how it is repaired, so that the pair can settle again.

pub mod restarts;
pub mod votes;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::host::{Host, must_signal, output};
use crate::journal::Source;
use crate::network::pipe;
use crate::rig::Rig;
use crate::settle::Pair;
use crate::unit::{Restart, Unit};

/// Does a fault to the scene, and its repair.
pub type Inject = fn(&mut Scene<'_>) -> Result<()>;

/// A settled pair under load, about to be disturbed.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The set-up.
    pub rig: &'a Rig,
    /// Who was what before.
    pub pair: Pair,
    /// When the fault struck.
    pub t0: Instant,
    /// When what was broken came back, if the fault has such a time.
    pub repaired: Option<Instant>,
}

impl Scene<'_> {
    fn primary(&self) -> Result<&Host> {
        self.rig.host(self.pair.primary)
    }

    /// The fault strikes now.
    fn strike(&mut self, what: &str) {
        self.t0 = Instant::now();
        self.rig.journal.note_at(self.t0, Source::Lab, what);
    }

    /// What was broken comes back now.
    fn repair(&mut self, what: &str) {
        let now = Instant::now();
        self.repaired = Some(now);
        self.rig.journal.note_at(now, Source::Lab, what);
    }

    fn note(&self, what: impl Into<String>) {
        self.rig.journal.note(Source::Lab, what);
    }

    /// Waits until this long after the fault.
    fn at(&self, after: Duration) {
        thread::sleep(after.saturating_sub(self.t0.elapsed()));
    }
}

const AWAY: Duration = Duration::from_secs(3);
const UNPLUGGED: Duration = Duration::from_secs(6);
const LOSSY: Duration = Duration::from_secs(10);
/// systemd's own default, `RestartSec=100ms`.
const DAEMON_RESTART: Duration = Duration::from_millis(100);
const REDIS_RESTART: Duration = Duration::from_secs(1);
/// For a copy of 4 GB over two cores and their disk; nothing is promised of it.
const COPIED_WITHIN: Duration = Duration::from_secs(60);

/// The primary's Redis is killed and comes back a second later.
///
/// # Errors
/// Where it does not run.
pub fn crash(scene: &mut Scene<'_>) -> Result<()> {
    scene.primary()?.redis.restart(Restart::After(REDIS_RESTART));
    scene.strike(&format!("SIGKILL to the Redis of {}", scene.primary()?.name));
    must_signal(&scene.primary()?.redis, Signal::SIGKILL)?;
    scene.repaired = Some(scene.t0 + REDIS_RESTART);
    scene.at(REDIS_RESTART + Duration::from_millis(300));
    scene.primary()?.wait_redis(COPIED_WITHIN)
}

/// The primary's Redis is killed and is back, empty, before anybody can look.
///
/// # Errors
/// Where it does not run.
pub fn restart_empty(scene: &mut Scene<'_>) -> Result<()> {
    scene.primary()?.redis.restart(Restart::After(Duration::ZERO));
    scene.strike(&format!("SIGKILL to the Redis of {}", scene.primary()?.name));
    must_signal(&scene.primary()?.redis, Signal::SIGKILL)?;
    scene.at(Duration::from_secs(1));
    Ok(())
}

/// The primary's Redis is stopped and goes on later.
///
/// # Errors
/// Where it does not run.
pub fn hang(scene: &mut Scene<'_>) -> Result<()> {
    stopped(scene, "Redis", |host| &host.redis, AWAY)
}

/// One program of the primary's machine stands still for so long.
fn stopped(
    scene: &mut Scene<'_>,
    program: &str,
    of: fn(&Host) -> &Unit,
    time: Duration,
) -> Result<()> {
    let name = scene.primary()?.name.clone();
    scene.strike(&format!("SIGSTOP to the {program} of {name}"));
    must_signal(of(scene.primary()?), Signal::SIGSTOP)?;
    scene.at(time);
    scene.repair(&format!("SIGCONT to the {program} of {name}"));
    must_signal(of(scene.primary()?), Signal::SIGCONT)
}

/// The primary's machine is gone at once, and boots later.
///
/// # Errors
/// Where anything does not start again.
pub fn power(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike(&format!("{} loses power", scene.primary()?.name));
    scene.rig.power_off(scene.pair.primary)?;
    scene.at(AWAY);
    scene.repair(&format!("{} boots", scene.primary()?.name));
    scene.rig.power_on(scene.pair.primary)
}

/// An operator moves the primary.
///
/// # Errors
/// Where the command fails.
pub fn switchover(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike(&format!("keepair switchover, asked on {}", scene.primary()?.name));
    let out = scene.primary()?.keepair(&["switchover"], Duration::from_secs(10))?;
    if !out.ok {
        bail!("keepair switchover failed: {}{}", out.stdout, out.stderr);
    }
    scene.note("keepair switchover returned");
    scene.at(Duration::from_secs(1));
    Ok(())
}

/// The Active machine's daemon is killed and restarted by its supervisor.
///
/// # Errors
/// Where it does not run.
pub fn daemon_crash(scene: &mut Scene<'_>) -> Result<()> {
    scene.primary()?.daemon.restart(Restart::After(DAEMON_RESTART));
    scene.strike(&format!("SIGKILL to the keepair of {}", scene.primary()?.name));
    must_signal(&scene.primary()?.daemon, Signal::SIGKILL)?;
    scene.at(Duration::from_secs(2));
    Ok(())
}

/// The Active machine's daemon is killed and nobody restarts it for a while.
///
/// # Errors
/// Where it does not run.
pub fn daemon_gone(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike(&format!("SIGKILL to the keepair of {}", scene.primary()?.name));
    must_signal(&scene.primary()?.daemon, Signal::SIGKILL)?;
    scene.at(AWAY);
    scene.repair(&format!("keepair of {} is started again", scene.primary()?.name));
    scene.primary()?.daemon.start()
}

/// The Active machine's daemon is stopped and goes on later.
///
/// # Errors
/// Where it does not run.
pub fn daemon_stop(scene: &mut Scene<'_>) -> Result<()> {
    stopped(scene, "keepair", |host| &host.daemon, AWAY)
}

/// The primary's cable is out for a while.
///
/// # Errors
/// Where `ip` fails.
pub fn unplug(scene: &mut Scene<'_>) -> Result<()> {
    scene.strike(&format!("the cable of {} is pulled", scene.primary()?.name));
    scene.rig.switch.cut(&scene.primary()?.name)?;
    scene.at(UNPLUGGED);
    scene.repair(&format!("the cable of {} is back", scene.primary()?.name));
    scene.rig.switch.mend(&scene.primary()?.name)
}

/// A script keeps Redis busy: it answers nothing for a second, then `-BUSY`, then as before.
///
/// # Errors
/// Where the script fails or ends early.
pub fn slow_script(scene: &mut Scene<'_>) -> Result<()> {
    // TIME stands still inside a script of newer servers, os.clock is absent in older ones.
    const CLOCK: &str = "local s = os.clock() while os.clock() - s < 2 do end return 1";
    const TIME: &str = "local t = redis.call('TIME') local s = t[1] * 1e6 + t[2] \
                        for i = 1, 1e8 do t = redis.call('TIME') \
                        if t[1] * 1e6 + t[2] - s >= 2e6 then return i end end return 0";
    let mut redis = scene.primary()?.redis(Duration::from_secs(10))?;
    let has_clock = redis.call(&["EVAL", "return os.clock() and 1", "0"]).is_ok();
    scene.strike("EVAL of a script that takes 2 s");
    redis.call(&["EVAL", if has_clock { CLOCK } else { TIME }, "0"])?;
    scene.note("the script ended");
    if scene.t0.elapsed() < Duration::from_millis(1_900) {
        bail!("the script ended after {:?}", scene.t0.elapsed());
    }
    scene.at(Duration::from_secs(3));
    Ok(())
}

/// Redis sleeps.
///
/// # Errors
/// Where Redis refuses.
pub fn debug_sleep(scene: &mut Scene<'_>) -> Result<()> {
    let mut redis = scene.primary()?.redis(Duration::from_secs(10))?;
    scene.strike("DEBUG SLEEP 1");
    redis.call(&["DEBUG", "SLEEP", "1"])?;
    scene.note("Redis is awake");
    scene.at(Duration::from_secs(2));
    Ok(())
}

/// Redis forks and saves.
///
/// # Errors
/// Where the save fails.
pub fn bgsave(scene: &mut Scene<'_>) -> Result<()> {
    let mut redis = scene.primary()?.redis(Duration::from_secs(10))?;
    scene.strike("BGSAVE");
    redis.call(&["BGSAVE"])?;
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        thread::sleep(Duration::from_millis(100));
        let info = redis.info()?;
        if info.number("rdb_bgsave_in_progress") == 0 {
            if info.text("rdb_last_bgsave_status") != "ok" {
                bail!("BGSAVE: {}", info.text("rdb_last_bgsave_status"));
            }
            break;
        }
        if Instant::now() > until {
            bail!("BGSAVE takes longer than two minutes");
        }
    }
    scene.note(format!("saved, the fork took {} us", redis.info()?.number("latest_fork_usec")));
    scene.at(Duration::from_secs(1));
    Ok(())
}

/// Both machines lose one advert in twenty.
///
/// # Errors
/// Where `nft` is missing or fails, or no advert was ever seen.
pub fn advert_loss(scene: &mut Scene<'_>) -> Result<()> {
    for host in &scene.rig.hosts {
        let nft = scene.rig.tools.nft.clone().context("nft is not installed")?;
        host.namespace().run(move || pipe(Command::new(nft).args(["-f", "-"]), LOSS))??;
    }
    scene.strike("5 % of the adverts are lost from now on, in both directions");
    scene.at(LOSSY);
    let mut counted = Vec::new();
    for host in &scene.rig.hosts {
        let seen = nft(scene.rig, host, "list")?;
        nft(scene.rig, host, "delete")?;
        counted.push(packets(&seen));
    }
    let (seen, lost) = counted.iter().fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    scene.note(format!("{lost} of {seen} adverts were lost; from now on none is"));
    if seen == 0 {
        bail!("nobody sent any advert");
    }
    scene.at(LOSSY + Duration::from_secs(1));
    Ok(())
}

const LOSS: &str = "table inet lab_loss {
  chain input {
    type filter hook input priority -400;
    meta l4proto 112 counter
    meta l4proto 112 numgen random mod 100 < 5 counter drop
  }
}
";

/// `nft VERB table inet lab_loss` on a host.
fn nft(rig: &Rig, host: &Host, verb: &str) -> Result<String> {
    let mut command = Command::new(rig.tools.nft.as_ref().context("nft is not installed")?);
    command.args([verb, "table", "inet", "lab_loss"]);
    let out = output(&host.namespace(), command, Duration::from_secs(5))?;
    if !out.ok {
        bail!("nft {verb}: {}", out.stderr.trim());
    }
    Ok(out.stdout)
}

/// The two counters of the rules: adverts seen, adverts dropped.
fn packets(listing: &str) -> (u64, u64) {
    let mut counts = listing
        .split("counter packets ")
        .skip(1)
        .map(|rest| rest.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0));
    (counts.next().unwrap_or(0), counts.next().unwrap_or(0))
}
