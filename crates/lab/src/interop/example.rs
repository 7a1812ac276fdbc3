//! The users' example: a Redis pair kept by a keepalived.conf and scripts, byte for byte as it is, on
//! two hosts with a real Redis each, under keepalived and under keepair at the same time.
//!
//! Compared: who has the address, who is the primary, what the scripts wrote, and how long clients
//! could not write.

pub mod converted;
pub mod files;
pub mod judge;
pub mod loaded;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use self::files::Example;
use self::judge::Log;
use super::daemon::{Kind, Machine, Programs};
use super::hub::Hub;
use super::netlink::Wanted;
use super::play::{FIRST, NUMBERS, SECOND};
use super::timeline::{Timeline, What};
use crate::host::must_signal;
use crate::journal::Journal;
use crate::namespace::Namespace;
use crate::redis::Connection;
use crate::report::say;
use crate::unit::{Slot, Unit};

const PORT: u16 = 6379;
const PASSWORD: &str = "123456";
/// The address both machines serve.
const VIP: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 10);
const CLIENT: u8 = 100;
/// Between two looks at a Redis, or two attempts to write.
const LOOK: Duration = Duration::from_millis(20);

/// What took how long.
pub type Times = BTreeMap<&'static str, Duration>;

/// What came of the example under one daemon.
#[derive(Debug)]
pub struct Course {
    /// Whose daemon.
    pub kind: Kind,
    /// What took how long.
    pub times: Times,
    /// What the scripts wrote, by machine and file.
    pub logs: BTreeMap<String, Log>,
    /// How often each machine gained and lost the address, in order: when it is handed over, who is
    /// first is chance.
    pub moves: [Vec<&'static str>; 2],
    /// Why it did not come to its end, if so.
    pub wrong: Option<String>,
}

/// Plays the example of a directory under both daemons, and compares. `true` if all was well.
///
/// # Errors
/// Where the example cannot be read, or a host cannot be built.
pub fn run(from: &Path, kinds: [Kind; 2], dir: &Path, tools: (&Programs, &Path)) -> Result<bool> {
    let example = Example::read(from)?;
    let courses = thread::scope(|scope| {
        let both = [0, 1].map(|place| {
            let (example, dir, kind) = (&example, dir.join(format!("pair-{place}")), kinds[place]);
            scope.spawn(move || play(example, kind, &dir, tools))
        });
        both.map(|thread| thread.join().unwrap_or_else(|_| bail!("the play panicked")))
    });
    // By itself: milliseconds are at stake.
    let outages = kinds
        .contains(&Kind::Keepair)
        .then(|| converted::play(&example, &dir.join("converted"), tools));
    let [first, second] = courses;
    let (first, second) = (first?, second?);
    say(&format!("the example of {}", from.display()));
    for (name, took) in &first.times {
        let other =
            second.times.get(name).map_or("-".to_owned(), |t| format!("{:.2}", t.as_secs_f64()));
        let (took, [a, b]) = (took.as_secs_f64(), kinds);
        say(&format!("  {name:<44} {a} {took:.2} s, {b} {other} s"));
    }
    let mut wrong = judge::compare(&first, &second);
    match outages {
        Some(Ok(outages)) => {
            let ms: Vec<f64> = outages.iter().map(|it| it.as_secs_f64() * 1e3).collect();
            say(&format!("  converted, Redis killed: writes again         {ms:.1?} ms"));
            wrong.extend(judge::converted(&outages));
        }
        Some(Err(error)) => wrong.push(format!("converted: {error:#}")),
        None => {}
    }
    wrong.iter().for_each(|line| say(&format!("  FAILED  {line}")));
    let verdict = if wrong.is_empty() { "ok" } else { "FAILED" };
    say(&format!("{verdict}  the example under {} and {}", kinds[0], kinds[1]));
    Ok(wrong.is_empty())
}

/// The two hosts.
struct Pair {
    machines: [Machine; 2],
    redis: [Unit; 2],
    client: Namespace,
    timeline: Timeline,
    times: Times,
    hub: Hub,
}

fn play(example: &Example, kind: Kind, dir: &Path, tools: (&Programs, &Path)) -> Result<Course> {
    let mut pair = Pair::new(example, kind, dir, tools)?;
    let wrong = pair.story(example).err().map(|error| format!("{kind}: {error:#}"));
    let mut logs = BTreeMap::new();
    for (who, name) in [(FIRST, "first"), (SECOND, "second")] {
        for file in example.logs() {
            let path = file.clone();
            let text = pair.machines[who].namespace().run(move || fs::read_to_string(path))?;
            let log = Log::read(&text.unwrap_or_default());
            logs.insert(format!("{name} {}", file.display()), log);
        }
    }
    let seen = pair.timeline.all();
    let moves = [FIRST, SECOND].map(|who| {
        let of = seen.iter().filter(|seen| seen.host == who);
        of.filter_map(|seen| match seen.what {
            What::Gained(_) => Some("gained"),
            What::Lost(_) => Some("lost"),
            _ => None,
        })
        .collect()
    });
    let times = std::mem::take(&mut pair.times);
    if wrong.is_some() {
        for machine in &pair.machines {
            machine.log(40).iter().for_each(|line| say(&format!("  | {line}")));
        }
    }
    Ok(Course { kind, times, logs, moves, wrong })
}

impl Pair {
    fn new(
        example: &Example,
        kind: Kind,
        dir: &Path,
        (programs, server): (&Programs, &Path),
    ) -> Result<Self> {
        let timeline = Timeline::default();
        let hub = Hub::new(&programs.ip)?;
        let client = Namespace::new("client")?;
        hub.plug(&client, CLIENT)?;
        let mut machines = Vec::new();
        let mut redis = Vec::new();
        for who in [FIRST, SECOND] {
            let (number, dir) = (NUMBERS[who], dir.join(format!("host-{who}")));
            let wanted = Wanted { addresses: [VIP.into()].into(), ..Wanted::default() };
            let with = (example.config(who), wanted, String::new());
            let machine =
                Machine::with((who, number, kind), with, &hub, &dir, programs, &timeline)?;
            let files = example.clone();
            machine.namespace().run(move || files.install(who))??;
            redis.push(redis_unit(&machine, server.to_owned(), who == SECOND)?);
            machines.push(machine);
        }
        let (Ok(machines), Ok(redis)) = (machines.try_into(), redis.try_into()) else {
            bail!("two machines make a pair")
        };
        Ok(Self { machines, redis, client, timeline, times: Times::new(), hub })
    }

    /// What its users do and what they expect.
    fn story(&mut self, example: &Example) -> Result<()> {
        for redis in &self.redis {
            redis.start()?;
        }
        self.wait("both Redis answer", Duration::from_secs(10), |pair| {
            pair.role(FIRST).as_deref() == Some("master") && pair.replicates(SECOND)
        })?;

        let start = Instant::now();
        self.machines[FIRST].start()?;
        self.moved(FIRST, start, "start: the address is there")?;
        // Not at the same time: priorities 100 and 90 are 40 ms apart, less than a daemon's start varies by.
        self.machines[SECOND].start()?;
        self.served(FIRST, start, "start: the first takes writes")?;

        // Between two checks, so that both daemons have as long until the next one.
        self.after_a_check(example)?;
        let kill = Instant::now();
        must_signal(&self.redis[FIRST], Signal::SIGKILL)?;
        self.moved(SECOND, kill, "Redis killed: the address has moved")?;
        self.served(SECOND, kill, "Redis killed: the second takes writes")?;
        thread::sleep(Duration::from_secs(2)); // for the last word of the scripts

        self.redis[FIRST].wait_gone(Duration::from_secs(1))?;
        let again = Instant::now();
        self.redis[FIRST].start()?;
        self.moved(FIRST, again, "Redis again: the address is back")?;
        self.served(FIRST, again, "Redis again: the first takes writes")?;
        self.wait("the second copies the first", Duration::from_secs(10), |pair| {
            pair.replicates(SECOND)
        })?;
        self.times.insert("Redis again: the second copies", again.elapsed());

        let stop = Instant::now();
        self.machines[FIRST].stop()?;
        self.times.insert("daemon stopped: it has ended", stop.elapsed());
        self.moved(SECOND, stop, "daemon stopped: the address has moved")?;
        self.served(SECOND, stop, "daemon stopped: the second takes writes")?;
        thread::sleep(Duration::from_secs(1));
        self.machines[SECOND].stop()?;
        thread::sleep(Duration::from_millis(200));
        Ok(())
    }

    fn moved(&mut self, who: usize, since: Instant, what: &'static str) -> Result<()> {
        let found = self.timeline.wait(Duration::from_secs(20), |seen| {
            seen.iter()
                .any(|s| s.at >= since && s.host == who && s.what == What::Gained(VIP.into()))
        });
        let at = self.timeline.ask(|seen| {
            let mut all = seen.iter().rev();
            all.find(|s| s.host == who && s.what == What::Gained(VIP.into())).map(|s| s.at)
        });
        let at = at.filter(|_| found).with_context(|| what.to_owned())?;
        self.times.insert(what, at.saturating_duration_since(since));
        Ok(())
    }

    /// A client writes behind the address, and it is this machine's Redis that has it.
    fn served(&mut self, who: usize, since: Instant, what: &'static str) -> Result<()> {
        self.wait(what, Duration::from_secs(20), |pair| {
            let wrote = pair.client.run(|| {
                let short = Duration::from_millis(200);
                let mut redis = Connection::open(SocketAddr::from((VIP, PORT)), PASSWORD, short)?;
                redis.call(&["SET", "written", "yes"])
            });
            matches!(wrote, Ok(Ok(_))) && pair.role(who).as_deref() == Some("master")
        })?;
        self.times.insert(what, since.elapsed());
        Ok(())
    }

    fn wait(&self, what: &str, limit: Duration, enough: impl Fn(&Self) -> bool) -> Result<()> {
        let until = Instant::now() + limit;
        while !enough(self) {
            if Instant::now() > until {
                bail!("{what}: not within {limit:?}");
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn after_a_check(&self, example: &Example) -> Result<()> {
        let count = || -> Result<usize> {
            let files = example.logs();
            self.machines[FIRST].namespace().run(move || {
                let read = |file: &PathBuf| fs::read_to_string(file).unwrap_or_default();
                files.iter().map(|f| read(f).matches("CHECK").count()).sum()
            })
        };
        let before = count()?;
        self.wait("a check", Duration::from_secs(5), |_| count().is_ok_and(|now| now > before))
    }

    fn info(&self, who: usize) -> Option<crate::redis::Info> {
        let of = self.machines[who].namespace();
        let open = || {
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
            Connection::open(to, PASSWORD, Duration::from_millis(500))?.info()
        };
        of.run(open).ok()?.ok()
    }

    fn role(&self, who: usize) -> Option<String> {
        self.info(who).map(|info| info.text("role").to_owned())
    }

    fn replicates(&self, who: usize) -> bool {
        let other = IpAddr::from([172, 18, 0, NUMBERS[1 - who]]).to_string();
        self.info(who).is_some_and(|info| {
            info.text("role") == "slave"
                && info.text("master_host") == other
                && info.text("master_link_status") == "up"
        })
    }
}

/// `redis.conf` as the example's users have it.
fn redis_unit(machine: &Machine, server: PathBuf, replica: bool) -> Result<Unit> {
    let dir = machine.dir.join("redis");
    fs::create_dir_all(&dir)?;
    let file = dir.join("redis.conf");
    let of = if replica {
        format!("replicaof 172.18.0.{} {PORT}\n", NUMBERS[FIRST])
    } else {
        String::new()
    };
    fs::write(
        &file,
        format!(
            "port {PORT}\nbind 0.0.0.0\ndir {}\nrequirepass {PASSWORD}\nmasterauth {PASSWORD}\n\
             save \"\"\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 0\n{of}",
            dir.display()
        ),
    )?;
    let build = Box::new(move || {
        let mut command = Command::new(&server);
        let out = File::options().create(true).append(true).open(dir.join("redis.log"))?;
        command.arg(&file).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        Ok(command)
    });
    let slot: Slot = Arc::new(Mutex::new(machine.shared_namespace()));
    Ok(Unit::new("Redis".to_owned(), slot, Journal::new(), build, None))
}
