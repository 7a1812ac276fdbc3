//! A whole set-up: a switch, the two machines of the pair, the client's host.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::client::{self, Load, Records, Running};
use crate::host::Files;
use crate::host::{Host, HostPlan, PORT, Plan};
use crate::journal::{Journal, Source};
use crate::measure;
use crate::namespace::Namespace;
use crate::network::{INTERFACE, Switch, batch};
use crate::redis::Connection;
use crate::settle;
use crate::third::{Kind, Third, TieBreaker};
use crate::tools::Tools;

/// What a set-up is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RigPlan {
    /// IPv6 instead of IPv4.
    pub ipv6: bool,
    /// Adverts to the other machine's address instead of the VRRP group.
    pub unicast: bool,
    /// The daemons' advertisement interval.
    pub advert_interval: Duration,
    /// What of a Redis's data survives its process.
    pub files: Files,
    /// How much data both hold before anything happens, in megabytes resident.
    pub populate_mb: u64,
    /// The daemons run and own the virtual address; without them the lab gives it to `redis-1`.
    pub daemons: bool,
    /// Who breaks the pair's ties.
    pub tie_breaker: TieBreaker,
}

impl Default for RigPlan {
    fn default() -> Self {
        let advert_interval = Duration::from_millis(100);
        Self {
            ipv6: false,
            unicast: false,
            advert_interval,
            files: Files::None,
            populate_mb: 0,
            daemons: true,
            tie_breaker: TieBreaker::default(),
        }
    }
}

/// A set-up that runs. Dropping it ends all of its processes.
#[derive(Debug)]
pub struct Rig {
    /// The machines of the pair.
    pub hosts: [Host; 2],
    /// Where the measuring client lives.
    pub client: Namespace,
    /// The hosts of the tie-breaker.
    pub thirds: Vec<Third>,
    /// The bridge.
    pub switch: Switch,
    /// The virtual address.
    pub vip: IpAddr,
    /// What it is like.
    pub plan: RigPlan,
    /// The programs.
    pub tools: Tools,
    /// What happens in it.
    pub journal: Journal,
    /// Its files.
    pub dir: PathBuf,
    password: String,
    next_write: u64,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

const NAMES: [&str; 2] = ["redis-1", "redis-2"];
const CLIENT: &str = "client";
/// Longer than any fault: a write that waits in a buffer is seen to its end.
const PATIENT: Duration = Duration::from_secs(8);

impl Rig {
    /// Builds everything and starts nothing.
    ///
    /// # Errors
    /// Where the kernel or a program refuses.
    pub fn build(plan: RigPlan, dir: &Path, tools: &Tools, journal: &Journal) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let switch = Switch::new(&tools.ip)?;
        let address = |last: u16| -> IpAddr {
            if plan.ipv6 {
                Ipv6Addr::new(0xfd00, 0x18, 0, 0, 0, 0, 0, last).into()
            } else {
                Ipv4Addr::new(172, 18, 0, u8::try_from(last).unwrap_or(0)).into()
            }
        };
        // In IPv6 as written, the last group is hexadecimal: ::10 and ::100.
        let (vip, last) = if plan.ipv6 { (0x10, 0x100) } else { (10, 100) };
        let password = "correct-horse-battery-staple".to_owned();
        let machine = |index: usize, name: &str, last: u16| -> Result<Host> {
            let redis = Plan {
                // With daemons, it is they that set replication up.
                replica_of: (index == 1 && !plan.daemons).then(|| address(4)),
                files: plan.files,
                diskless_load: plan.populate_mb > 0,
            };
            let plan = HostPlan {
                name: name.to_owned(),
                address: address(last),
                dir: dir.join(name),
                password: password.clone(),
                redis,
            };
            Host::new(plan, tools, journal)
        };
        let hosts = [machine(0, NAMES[0], 4)?, machine(1, NAMES[1], 5)?];
        let client = Namespace::new(CLIENT)?;
        switch.plug(CLIENT, &client, address(last))?;
        let mut thirds = Vec::new();
        for kind in plan.tie_breaker.kinds() {
            let third = Third::new(*kind, address(kind.number(plan.ipv6)), dir, tools, journal)?;
            switch.plug(kind.name(), &third.namespace, third.address)?;
            thirds.push(third);
        }
        let vip = address(vip);
        let rig = Self {
            hosts,
            client,
            thirds,
            switch,
            vip,
            plan,
            tools: tools.clone(),
            journal: journal.clone(),
            dir: dir.to_owned(),
            password,
            next_write: 1,
        };
        for host in &rig.hosts {
            rig.plug(host)?;
            fs::write(host.dir.join("keepair.toml"), rig.daemon_config(host))?;
        }
        Ok(rig)
    }

    /// Plugs a machine in, with its route to the world if there is a gateway.
    fn plug(&self, host: &Host) -> Result<()> {
        let namespace = host.namespace();
        self.switch.plug(&host.name, &namespace, host.address)?;
        let Ok(gateway) = self.third(Kind::Gateway) else { return Ok(()) };
        let (ip, via) = (self.tools.ip.clone(), gateway.address);
        let command = format!("route add default via {via} dev {INTERFACE}\n");
        namespace.run(move || batch(&ip, &command))?
    }

    /// The host of a third party.
    ///
    /// # Errors
    /// Where the tie-breaker has none of this kind.
    pub fn third(&self, kind: Kind) -> Result<&Third> {
        let found = self.thirds.iter().find(|third| third.kind == kind);
        found.with_context(|| format!("there is no {}", kind.name()))
    }

    /// Starts everything; the pair is settled when this returns.
    ///
    /// # Errors
    /// Where anything refuses to start, or the pair does not settle.
    pub fn bring_up(&self) -> Result<()> {
        let [first, second] = &self.hosts;
        self.thirds.iter().try_for_each(Third::start)?;
        first.redis.start()?;
        first.wait_redis(Duration::from_secs(5))?;
        if self.plan.populate_mb > 0 {
            populate(first, self.plan.populate_mb)?;
        }
        second.redis.start()?;
        let sync = Duration::from_secs(20 + self.plan.populate_mb / 20);
        if self.plan.daemons {
            second.wait_redis(Duration::from_secs(5))?;
            first.daemon.start()?;
            second.daemon.start()?;
            // One that ends at once will not be there later either: do not wait for the pair.
            std::thread::sleep(Duration::from_millis(300));
            for host in &self.hosts {
                if host.daemon.pid().is_none() {
                    bail!("keepair of {} ended at once", host.name);
                }
            }
        } else {
            settle::wait_redis_pair(self, sync)?;
            self.give_vip(0)?;
        }
        settle::settle(self, sync).map(|_| ())
    }

    /// Gives the virtual address to a machine by hand, where no daemon does.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn give_vip(&self, index: usize) -> Result<()> {
        let (ip, vip) = (self.tools.ip.clone(), self.vip_with_prefix());
        let dad = if self.plan.ipv6 { " nodad" } else { "" };
        let command = format!("addr add {vip} dev {INTERFACE}{dad}\n");
        self.host(index)?.namespace().run(move || batch(&ip, &command))?
    }

    /// A machine of the pair by its index, 0 or 1.
    ///
    /// # Errors
    /// For any other index.
    pub fn host(&self, index: usize) -> Result<&Host> {
        self.hosts.get(index).context("a pair has two machines")
    }

    fn vip_with_prefix(&self) -> String {
        format!("{}/{}", self.vip, if self.plan.ipv6 { 64 } else { 24 })
    }

    fn daemon_config(&self, host: &Host) -> String {
        let [first, second] = &self.hosts;
        let advert_ms = self.plan.advert_interval.as_millis();
        let mut text = format!(
            "vip = [\"{}\"]\ninterface = \"{INTERFACE}\"\nvirtual_router_id = 51\n\
             advert_interval = \"{advert_ms}ms\"\nunicast = {}\n\n\
             [[node]]\nname = \"{}\"\naddress = \"{}\"\n\n\
             [[node]]\nname = \"{}\"\naddress = \"{}\"\n\n\
             [redis]\nport = {PORT}\npassword_file = \"{}\"\n",
            self.vip_with_prefix(),
            self.plan.unicast,
            first.name,
            first.address,
            second.name,
            second.address,
            host.dir.join("redis.password").display(),
        );
        if !self.thirds.is_empty() {
            text += "\n[tiebreaker]\n";
            self.thirds.iter().for_each(|third| text += &third.kind.setting(third.address));
        }
        text
    }

    /// Where clients write to.
    #[must_use]
    pub fn service(&self) -> SocketAddr {
        SocketAddr::new(self.vip, PORT)
    }

    /// The password of both Redis.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// A control connection to whoever has the virtual address, from the client's host.
    ///
    /// # Errors
    /// Where nobody answers in time.
    pub fn through_vip(&self, timeout: Duration) -> Result<Connection> {
        let (to, password) = (self.service(), self.password.clone());
        self.client
            .run(move || Connection::open(to, &password, timeout))?
            .with_context(|| format!("Redis behind {}", self.vip))
    }

    /// Starts the measuring client on the client's host; it asks who answers if it is to.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn load(&mut self, interval: Duration, asks_who: bool) -> Result<Running> {
        let mut load = Load { asks_who, ..self.load_on(self.service(), "k", interval) };
        if asks_who {
            load.deadline = PATIENT;
        }
        client::start(&self.client, load, Some((self.journal.clone(), Source::Client)))
    }

    /// Starts a client on a machine of the pair that writes to its own Redis.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn local_load(&mut self, index: usize, interval: Duration) -> Result<Running> {
        let load = self.load_on(self.host(index)?.loopback(), "local", interval);
        client::start(&self.host(index)?.namespace(), load, None)
    }

    /// Starts a client on a machine of the pair that writes through the virtual address and asks who
    /// answers.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn load_from(&mut self, index: usize, interval: Duration) -> Result<Running> {
        let prefix = self.host(index)?.name.clone();
        let load = self.load_on(self.service(), &prefix, interval);
        let load = Load { asks_who: true, deadline: PATIENT, ..load };
        client::start(&self.host(index)?.namespace(), load, None)
    }

    fn load_on(&mut self, target: SocketAddr, prefix: &str, interval: Duration) -> Load {
        let first = self.next_write;
        self.next_write += 1_000_000; // no key is written twice in a rig's life
        Load {
            target,
            password: self.password.clone(),
            prefix: prefix.to_owned(),
            first,
            interval,
            deadline: Duration::from_secs(3),
            asks_who: false,
        }
    }

    /// The numbers of acknowledged writes that the Redis behind the virtual address does not hold,
    /// or holds with another value.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn missing(&self, prefix: &str, records: &Records) -> Result<Vec<u64>> {
        let mut redis = self.through_vip(Duration::from_secs(5))?;
        let numbers: Vec<u64> = measure::acknowledged(records).iter().map(|r| r.number).collect();
        let mut missing = Vec::new();
        for chunk in numbers.chunks(500) {
            let keys: Vec<String> = chunk.iter().map(|n| format!("{prefix}:{n}")).collect();
            for (number, value) in chunk.iter().zip(redis.mget(&keys)?) {
                if value.as_deref() != Some(number.to_string().as_bytes()) {
                    missing.push(*number);
                }
            }
        }
        Ok(missing)
    }

    /// Cuts a machine's power: nobody hears it any more and its processes are gone at once.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn power_off(&self, index: usize) -> Result<()> {
        let host = self.host(index)?;
        // First nothing it sends arrives: a dying process's FIN or RST is a farewell no dead host sends.
        // It keeps its carrier meanwhile, or its daemon would still learn of it and react.
        self.switch.ignore(&host.name)?;
        host.kill_all();
        Ok(())
    }

    /// Boots a machine after [`Rig::power_off`]: new network, same disk.
    ///
    /// # Errors
    /// Where anything refuses to start.
    pub fn power_on(&self, index: usize) -> Result<()> {
        let host = self.host(index)?;
        self.switch.unplug(&host.name)?; // the old network would take it along, sooner or later
        host.power_cycle()?;
        self.plug(host)?;
        host.redis.start()?;
        if self.plan.daemons {
            host.daemon.start()?;
        }
        Ok(())
    }

    /// Copies the logs and configurations to a directory outside of the sandbox.
    ///
    /// # Errors
    /// Where the directory cannot be written.
    pub fn keep_logs(&self, to: &Path) -> Result<()> {
        self.journal.flush();
        for host in &self.hosts {
            let target = to.join(&host.name);
            fs::create_dir_all(&target)?;
            for name in ["keepair.toml", "keepair.log", "redis/redis.log", "redis/redis.conf"] {
                let from = host.dir.join(name);
                if let (true, Some(file)) = (from.exists(), from.file_name()) {
                    fs::copy(&from, target.join(file))?;
                }
            }
            copy_tree(&host.dir.join("state"), &target.join("state"))?;
        }
        Ok(())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for host in &self.hosts {
            host.kill_all();
        }
        let thirds: Vec<&str> = self.thirds.iter().map(|third| third.kind.name()).collect();
        for name in NAMES.iter().chain([&CLIENT]).chain(&thirds) {
            let _ = self.switch.unplug(name); // the namespaces' end removes them as well
        }
    }
}

/// Fills a primary with about `megabytes` of resident data, before it has a replica.
fn populate(host: &Host, megabytes: u64) -> Result<()> {
    let mut redis = host.redis(Duration::from_secs(120))?;
    let count = (megabytes * 1_000_000 / 1_100).to_string();
    redis.call(&["DEBUG", "POPULATE", &count, "filler", "1000"])?;
    let held = redis.info()?.number("used_memory_rss") / 1_000_000;
    if held < i64::try_from(megabytes)? / 2 {
        bail!("DEBUG POPULATE left {held} MB resident, not {megabytes}");
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
