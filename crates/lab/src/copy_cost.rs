//! What a copy of the stream costs: throughput, and what Redis takes it for.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::copy::{Copy, Sign};
use crate::host::{Host, must_signal};
use crate::pipeline::{self, Stream};
use crate::redis;
use crate::report::say;
use crate::rig::Rig;
use crate::settle::{self, Pair};
use crate::unit::Restart;

/// More than the machine takes.
const ALL: u64 = 1_000_000;
const FOR: Duration = Duration::from_secs(3);
/// After so many seconds without a sign a replica counts no more.
const MAX_LAG_S: u64 = 3;

/// One measurement of throughput.
#[derive(Debug, Clone, Copy)]
struct Pace {
    writes_per_second: u64,
    /// Of Redis's own time.
    redis_ns_per_write: u64,
}

/// Writes as fast as the machine takes them, `times` with a copy and without one in turn.
///
/// # Errors
/// Where the pair is not whole, or Redis does not answer.
pub fn throughput(rig: &Rig, times: usize) -> Result<Value> {
    let mut paces: [Vec<Pace>; 2] = Default::default();
    for run in 0..times * 2 {
        let (pair, _) = settle::settle(rig, Duration::from_secs(60))?;
        // Not always the same one first.
        let with = (run % 2 == 1) != (run / 2 % 2 == 1);
        let host = rig.host(pair.primary)?;
        let copy = with.then(|| Copy::attach(host, Sign::Ack)).transpose()?;
        let pace = pace(rig, host, format!("p{run}"))?;
        drop(copy);
        let word = if with { "with a copy" } else { "without one" };
        let Pace { writes_per_second, redis_ns_per_write } = pace;
        say(&format!(
            "{word}: {writes_per_second} writes/s, {redis_ns_per_write} ns of Redis each"
        ));
        paces[usize::from(with)].push(pace);
    }
    let [without, with] = paces.map(|paces| {
        let median = |of: fn(&Pace) -> u64| {
            let mut values: Vec<u64> = paces.iter().map(of).collect();
            values.sort_unstable();
            values.get(values.len().saturating_sub(1) / 2).copied()
        };
        json!({
            "median_writes_per_second": median(|pace| pace.writes_per_second),
            "median_redis_ns_per_write": median(|pace| pace.redis_ns_per_write),
            "runs": paces.iter().map(|pace| json!({
                "writes_per_second": pace.writes_per_second,
                "redis_ns_per_write": pace.redis_ns_per_write,
            })).collect::<Vec<_>>(),
        })
    });
    Ok(json!({ "without": without, "with": with }))
}

fn pace(rig: &Rig, host: &Host, prefix: String) -> Result<Pace> {
    let (target, password) = (rig.service(), rig.password().to_owned());
    let stream = Stream { target, password, prefix, rate: ALL };
    let spent = || -> Result<f64> {
        let info = host.info()?;
        let seconds = |name: &str| info.text(name).parse::<f64>().unwrap_or(0.0);
        Ok(seconds("used_cpu_user") + seconds("used_cpu_sys"))
    };
    let before = spent()?;
    let began = Instant::now();
    let flood = pipeline::start(&rig.client, &stream)?;
    thread::sleep(FOR);
    let written = flood.stop()?.count() as u64;
    let took = began.elapsed();
    let spent_ns = ((spent()? - before) * 1e9) as u64;
    if written == 0 {
        bail!("nothing was written");
    }
    let writes_per_second = (written as f64 / took.as_secs_f64()) as u64;
    Ok(Pace { writes_per_second, redis_ns_per_write: spent_ns / written })
}

/// Whether a copy alone satisfies what users ask of their replica: `min-replicas-to-write 1` and `WAIT 1`,
/// while the replica is gone, with each sign of life and without any copy.
///
/// # Errors
/// Where the pair is not whole, or Redis does not answer.
pub fn counts_as_a_replica(rig: &Rig) -> Result<Value> {
    let (pair, _) = settle::settle(rig, Duration::from_secs(60))?;
    let replica = &rig.host(pair.replica)?.redis;
    replica.restart(Restart::Never);
    must_signal(replica, Signal::SIGKILL)?;
    replica.wait_gone(Duration::from_secs(5))?;
    let seen = asked(rig, pair);
    for setting in ["min-replicas-to-write", "min-replicas-max-lag"] {
        let usual = if setting.ends_with("lag") { "10" } else { "0" };
        set(rig.host(pair.primary)?, setting, usual)?;
    }
    replica.start()?;
    settle::settle(rig, Duration::from_secs(60))?;
    seen
}

fn set(host: &Host, setting: &str, value: &str) -> Result<()> {
    host.redis(Duration::from_secs(2))?.call(&["CONFIG", "SET", setting, value]).map(|_| ())
}

fn asked(rig: &Rig, pair: Pair) -> Result<Value> {
    let host = rig.host(pair.primary)?;
    set(host, "min-replicas-max-lag", &MAX_LAG_S.to_string())?;
    let mut all = serde_json::Map::new();
    for (name, sign) in
        [("nobody", None), ("ack_0", Some(Sign::Ack)), ("newline", Some(Sign::Newline))]
    {
        let copy = sign.map(|sign| Copy::attach(host, sign)).transpose()?;
        // A replica that has just come counts without a sign of life.
        thread::sleep(Duration::from_secs(MAX_LAG_S * 2));
        let mut redis = host.redis(Duration::from_secs(2))?;
        set(host, "min-replicas-to-write", "1")?;
        redis.send_raw(&redis::encode(&["SET", "asked", name]))?;
        let write = match redis.read()? {
            redis::Value::Simple(text) => text,
            redis::Value::Error(text) => text.split(' ').next().unwrap_or_default().to_owned(),
            other => bail!("SET: {other:?}"),
        };
        set(host, "min-replicas-to-write", "0")?;
        redis.call(&["SET", "asked", "again"])?;
        let heard = match redis.call(&["WAIT", "1", "500"])? {
            redis::Value::Integer(heard) => heard,
            other => bail!("WAIT: {other:?}"),
        };
        drop(copy);
        say(&format!("replica gone, {name}: min-replicas-to-write 1: {write}; WAIT 1: {heard}"));
        all.insert(name.to_owned(), json!({ "min_replicas_to_write_1": write, "wait_1": heard }));
    }
    Ok(Value::Object(all))
}
