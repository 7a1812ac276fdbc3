//! The same pair without its scripts: `keepair convert` makes a keepair.toml of the two files, and Redis is
//! killed on whichever machine serves.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::files::Example;
use super::{PASSWORD, PORT, Pair, VIP};
use crate::host::must_signal;
use crate::interop::daemon::{Kind, Programs};
use crate::interop::play::{FIRST, NUMBERS, SECOND};
use crate::namespace::Namespace;
use crate::redis::Connection;

/// How often Redis is killed.
const KILLS: usize = 3;
/// The client that writes all the time.
const WRITER: u8 = 101;
/// For so long before and after.
const AROUND: Duration = Duration::from_millis(300);
/// For an answer: longer than it takes, and shorter than what is measured.
const PATIENCE: Duration = Duration::from_millis(4);
/// Between two writes.
const PAUSE: Duration = Duration::from_millis(1);
/// The median must not be longer: the promise for a crash of Redis.
pub const OUTAGE_MAX: Duration = Duration::from_millis(15);

/// Converts the example on each machine, and kills Redis a few times. Returns the longest time between two
/// acknowledged writes around each kill, in order of length.
///
/// # Errors
/// Where something does not come to its end, or the two machines' files differ.
pub fn play(example: &Example, dir: &Path, tools: (&Programs, &Path)) -> Result<Vec<Duration>> {
    let mut pair = Pair::new(example, Kind::Keepair, dir, tools)?;
    let keepair = tools.0.keepair.clone().context("there is no keepair")?;
    let mut made = Vec::new();
    for who in [FIRST, SECOND] {
        made.push(convert(&pair, example, &keepair, who)?);
    }
    if without_comments(&made[FIRST]) != without_comments(&made[SECOND]) {
        bail!("the two machines make different files:\n{}\n{}", made[FIRST], made[SECOND]);
    }
    let result = kills(&mut pair, &made);
    if result.is_err() {
        for machine in &pair.machines {
            machine.log(30).iter().for_each(|line| crate::report::say(&format!("  | {line}")));
        }
    }
    result
}

fn kills(pair: &mut Pair, made: &[String]) -> Result<Vec<Duration>> {
    for (who, text) in made.iter().enumerate() {
        pair.redis[who].start()?;
        pair.machines[who].configure(text)?;
    }
    pair.wait("both Redis answer", Duration::from_secs(10), |pair| {
        pair.role(FIRST).as_deref() == Some("master") && pair.replicates(SECOND)
    })?;
    pair.machines.iter().try_for_each(|machine| machine.start())?;
    let writer = Namespace::new("writer")?;
    pair.hub.plug(&writer, WRITER)?;
    let mut outages = Vec::new();
    for _ in 0..KILLS {
        pair.served(FIRST, Instant::now(), "converted: the first takes writes")?;
        pair.wait("the second is ready", Duration::from_secs(20), |pair| {
            let log = pair.machines[SECOND].log(3);
            pair.replicates(SECOND) && log.iter().any(|line| line.ends_with("ready to take over"))
        })?;
        outages.push(outage(&writer, || {
            must_signal(&pair.redis[FIRST], Signal::SIGKILL)?;
            pair.served(SECOND, Instant::now(), "converted: the second takes writes")
        })?);
        pair.redis[FIRST].wait_gone(Duration::from_secs(1))?;
        pair.redis[FIRST].start()?;
        // The file has no `nopreempt`: the first machine takes the address back when it is in step.
        pair.wait("the first is back", Duration::from_secs(30), |pair| {
            pair.replicates(SECOND) && pair.role(FIRST).as_deref() == Some("master")
        })?;
    }
    outages.sort();
    Ok(outages)
}

/// The longest time between two writes that are acknowledged while something is done.
fn outage(writer: &Namespace, act: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    thread::scope(|scope| {
        let writing = scope.spawn(move || writer.run(move || writes(&over)));
        thread::sleep(AROUND);
        let acted = act();
        thread::sleep(AROUND);
        done.store(true, Ordering::Relaxed);
        let written = writing.join().unwrap_or_else(|_| bail!("the client panicked"))?;
        acted?;
        let gaps = written.windows(2).map(|two| two[1] - two[0]);
        gaps.max().context("nothing was written")
    })
}

/// When each write was acknowledged.
fn writes(done: &AtomicBool) -> Vec<Instant> {
    let mut all = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let written = Connection::open(SocketAddr::from((VIP, PORT)), PASSWORD, PATIENCE)
            .and_then(|mut redis| redis.call(&["SET", "written", "yes"]));
        if written.is_ok() {
            all.push(Instant::now());
        }
        thread::sleep(PAUSE);
    }
    all
}

/// Runs `keepair convert` on a machine, for its own file and the other's.
fn convert(pair: &Pair, example: &Example, keepair: &Path, who: usize) -> Result<String> {
    let machine = &pair.machines[who];
    let path = |name: &str| machine.dir.join(name);
    for (name, of) in [("own.conf", who), ("other.conf", 1 - who)] {
        fs::write(path(name), example.config(of))?;
    }
    let password: PathBuf = path("redis.password");
    let mut command = Command::new(keepair);
    command.arg("convert").arg(path("own.conf")).arg("--other").arg(path("other.conf"));
    command.arg("--peer").arg(format!("172.18.0.{}", NUMBERS[1 - who]));
    command.arg("--password-file").arg(&password).arg("--write-password");
    command.stderr(File::create(path("convert.log"))?);
    let out = machine.namespace().run(move || command.output())??;
    if !out.status.success() {
        let said = fs::read_to_string(path("convert.log")).unwrap_or_default();
        bail!("keepair convert: {}\n{said}", out.status);
    }
    Ok(String::from_utf8(out.stdout)?)
}

fn without_comments(text: &str) -> Vec<&str> {
    let line = |line: &&str| !line.starts_with('#') && !line.starts_with("password_file");
    text.lines().filter(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_each_machine_s_own_path_do_not_count() {
        let one = "# of redis-1\nvip = [\"x\"]\npassword_file = \"/a\"\n";
        let other = "vip = [\"x\"]\n# of redis-2\npassword_file = \"/b\"\n";
        assert_eq!(without_comments(one), without_comments(other));
        assert_ne!(without_comments(one), without_comments("vip = [\"y\"]"));
    }
}
