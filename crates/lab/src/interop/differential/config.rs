//! A configuration drawn at random, in the words of keepalived 2.2.7.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::interop::rng::Rng;
use crate::network::INTERFACE;

/// The second interface of the machine, which adverts do not go over.
pub const SECOND_INTERFACE: &str = "eth1";
/// The machine under test.
pub const OWN: u8 = 4;
/// The other machine of every virtual router, whom the lab speaks for.
pub const PEER: u8 = 200;

/// What is tracked, and its weight here; 0: bad is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracked {
    /// Which.
    pub index: usize,
    /// What it weighs.
    pub weight: i16,
}

/// A virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its number; its name is `VI_` and the number.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// IPv6.
    pub v6: bool,
    /// To the peer instead of the group.
    pub unicast: bool,
    /// Its priority.
    pub priority: u8,
    /// `state MASTER`.
    pub master: bool,
    /// `nopreempt`.
    pub nopreempt: bool,
    /// `preempt_delay`, in seconds.
    pub preempt_delay: Option<u8>,
    /// Between two adverts.
    pub interval: Duration,
    /// `auth_type PASS`.
    pub password: bool,
    /// `lower_prio_no_advert`.
    pub lower_silent: bool,
    /// `higher_prio_send_advert`.
    pub higher_answered: bool,
    /// How many addresses it has, 1 or 2.
    pub addresses: u8,
    /// Checks.
    pub scripts: Vec<Tracked>,
    /// Files.
    pub files: Vec<Tracked>,
    /// The second interface.
    pub second: Option<i16>,
}

impl Instance {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("VI_{}", self.vrid)
    }

    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        (0..self.addresses)
            .map(|index| {
                let last = self.vrid + 100 * index;
                if self.v6 {
                    IpAddr::from([0xfd00, 0x18, 0, 0, 0, 0, 1, u16::from(last)])
                } else {
                    IpAddr::from([172, 18, 1, last])
                }
            })
            .collect()
    }

    /// The address of the machine of a number, as far as adverts are concerned.
    #[must_use]
    pub fn address(&self, number: u8) -> IpAddr {
        match (self.v6, self.unicast) {
            (false, _) => IpAddr::from([172, 18, 0, number]),
            // The hub writes decimal numbers into addresses: 200 is ::200.
            (true, unicast) => {
                let last = number.to_string();
                let text =
                    if unicast { format!("fd00:18::{last}") } else { format!("fe80::{last}") };
                text.parse().unwrap_or(IpAddr::from([0; 16]))
            }
        }
    }

    /// How long it waits for an advert at a priority.
    #[must_use]
    pub fn down(&self, priority: u8) -> Duration {
        self.interval * 3 + self.skew(priority)
    }

    /// How long it waits after a farewell.
    #[must_use]
    pub fn skew(&self, priority: u8) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { self.interval };
        unit * (256 - u32::from(priority)) / 256
    }
}

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// `rise`.
    pub rise: u8,
    /// `fall`.
    pub fall: u8,
}

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The virtual routers.
    pub instances: Vec<Instance>,
    /// How many of the first ones are one sync group, `G`.
    pub grouped: usize,
    /// The group is told to let weights count.
    pub group_weights: bool,
    /// `s0`, `s1`: good while the file of that name exists.
    pub scripts: Vec<Script>,
    /// How many files are tracked: `f0`, `f1`.
    pub files: usize,
}

impl Config {
    /// Draws one.
    pub fn draw(rng: &mut Rng) -> Self {
        let scripts: Vec<Script> = (0..rng.between(1, 2))
            .map(|_| Script { rise: small(rng, 1, 2), fall: small(rng, 1, 2) })
            .collect();
        let files = rng.place(2) + 1;
        let count = rng.between(1, 3);
        let mut instances = Vec::new();
        for vrid in 51..51 + u8::try_from(count).unwrap_or(1) {
            instances.push(instance(rng, vrid, scripts.len(), files));
        }
        let grouped = if instances.len() > 1 && rng.percent(50) { 2 } else { 0 };
        let group_weights = grouped > 0 && rng.percent(50);
        for instance in instances.iter_mut().take(grouped) {
            // The members of a group preempt alike, or what they do is for none of the manuals to say.
            (instance.nopreempt, instance.preempt_delay) = (false, None);
            // keepalived leaves out what keepair refuses (`on_dropped`): weights that do not count.
            if !group_weights {
                let tracked = instance.scripts.iter_mut().chain(&mut instance.files);
                tracked.for_each(|tracked| tracked.weight = 0);
                instance.second = instance.second.map(|_| 0);
            }
        }
        Self { instances, grouped, group_weights, scripts, files }
    }

    /// Every virtual address, also those that a changed configuration may bring.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        let all = |i: &Instance| Instance { addresses: 2, ..i.clone() }.addresses();
        self.instances.iter().flat_map(all).collect()
    }

    /// It in words, for a machine whose files lie in `dir`.
    #[must_use]
    pub fn text(&self, dir: &Path) -> String {
        let dir = dir.display();
        let mut text = format!(
            "global_defs {{\n  router_id lab\n  script_user root\n  enable_script_security\n  \
             vrrp_notify_fifo {dir}/notify\n  vrrp_notify_priority_changes true\n}}\n"
        );
        for (index, Script { rise, fall }) in self.scripts.iter().enumerate() {
            // They start together, and end one after the other: whose result comes first would be chance.
            let test = format!("/usr/bin/test -e {dir}/s{index}");
            let test = match index {
                0 => test,
                _ => format!("/bin/sh -c 'sleep 0.{index}; exec {test}'"),
            };
            let _ = write!(
                text,
                "vrrp_script s{index} {{\n  script \"{test}\"\n  \
                 interval 1\n  rise {rise}\n  fall {fall}\n}}\n"
            );
        }
        for index in 0..self.files {
            let _ = write!(text, "track_file f{index} {{\n  file {dir}/f{index}\n}}\n");
        }
        if self.grouped > 0 {
            let names: Vec<String> =
                self.instances.iter().take(self.grouped).map(Instance::name).collect();
            let weights = if self.group_weights { "  sync_group_tracking_weight\n" } else { "" };
            let _ = write!(
                text,
                "vrrp_sync_group G {{\n  group {{\n    {}\n  }}\n{weights}}}\n",
                names.join("\n    ")
            );
        }
        for instance in &self.instances {
            block(&mut text, instance);
        }
        text
    }

    /// It in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (index, i) in self.instances.iter().enumerate() {
            let family = if i.v6 { "IPv6" } else { "IPv4" };
            let _ = write!(text, "{} v{} {family} priority {}", i.name(), i.version, i.priority);
            let words = [
                ("MASTER", i.master),
                ("unicast", i.unicast),
                ("nopreempt", i.nopreempt),
                ("preempt_delay", i.preempt_delay.is_some()),
                ("PASS", i.password),
                ("lower_prio_no_advert", i.lower_silent),
                ("higher_prio_send_advert", i.higher_answered),
                ("eth1", i.second.is_some()),
                ("in a group", index < self.grouped),
            ];
            for (word, _) in words.iter().filter(|(_, yes)| *yes) {
                let _ = write!(text, " {word}");
            }
            let _ = write!(text, ", every {:?}; ", i.interval);
        }
        let _ = write!(text, "{} checks, {} files", self.scripts.len(), self.files);
        text
    }
}

fn small(rng: &mut Rng, low: u64, high: u64) -> u8 {
    u8::try_from(rng.between(low, high)).unwrap_or(1)
}

fn weight(rng: &mut Rng) -> i16 {
    let size = i16::from(small(rng, 5, 60));
    match rng.place(3) {
        0 => size,
        1 => -size,
        _ => 0,
    }
}

fn instance(rng: &mut Rng, vrid: u8, scripts: usize, files: usize) -> Instance {
    let v6 = rng.percent(30);
    let version = if v6 || rng.percent(65) { 3 } else { 2 };
    let interval = if version == 2 {
        Duration::from_secs(1)
    } else {
        Duration::from_millis(rng.between(20, 50) * 10)
    };
    let nopreempt = rng.percent(25);
    let preempt_delay = (!nopreempt && rng.percent(20)).then_some(1);
    let tracked = |rng: &mut Rng, count: usize, percent: u64| -> Vec<Tracked> {
        let mut list = Vec::new();
        for index in 0..count {
            if rng.percent(percent) {
                list.push(Tracked { index, weight: weight(rng) });
            }
        }
        list
    };
    Instance {
        vrid,
        version,
        v6,
        unicast: rng.percent(25),
        priority: small(rng, 60, 190),
        master: !nopreempt && preempt_delay.is_none() && rng.percent(40),
        nopreempt,
        preempt_delay,
        interval,
        password: version == 2 && rng.percent(50),
        lower_silent: rng.percent(15),
        higher_answered: rng.percent(15),
        addresses: small(rng, 1, 2),
        scripts: tracked(rng, scripts, 60),
        files: tracked(rng, files, 60),
        second: rng.percent(40).then(|| weight(rng)),
    }
}

fn block(text: &mut String, i: &Instance) {
    let _ = write!(
        text,
        "vrrp_instance {} {{\n  state {}\n  interface {INTERFACE}\n  virtual_router_id {}\n  \
         priority {}\n  advert_int {}\n  version {}\n",
        i.name(),
        if i.master { "MASTER" } else { "BACKUP" },
        i.vrid,
        i.priority,
        i.interval.as_secs_f64(),
        i.version
    );
    let words = [
        ("nopreempt", i.nopreempt),
        ("lower_prio_no_advert", i.lower_silent),
        ("higher_prio_send_advert", i.higher_answered),
    ];
    for (word, _) in words.iter().filter(|(_, yes)| *yes) {
        let _ = writeln!(text, "  {word}");
    }
    if let Some(seconds) = i.preempt_delay {
        let _ = writeln!(text, "  preempt_delay {seconds}");
    }
    if i.password {
        text.push_str("  authentication {\n    auth_type PASS\n    auth_pass 1111\n  }\n");
    }
    if i.unicast {
        let (own, peer) = (i.address(OWN), i.address(PEER));
        let _ = write!(text, "  unicast_src_ip {own}\n  unicast_peer {{\n    {peer}\n  }}\n");
    }
    for (kind, letter, list) in [("track_script", 's', &i.scripts), ("track_file", 'f', &i.files)] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  {kind} {{");
        for Tracked { index, weight } in list {
            let _ = writeln!(text, "    {letter}{index} weight {weight}");
        }
        text.push_str("  }\n");
    }
    if let Some(weight) = i.second {
        let weight = if weight == 0 { String::new() } else { format!(" weight {weight}") };
        let _ = write!(text, "  track_interface {{\n    {SECOND_INTERFACE}{weight}\n  }}\n");
    }
    text.push_str("  virtual_ipaddress {\n");
    for address in i.addresses() {
        let _ = writeln!(text, "    {address}");
    }
    text.push_str("  }\n}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_configuration_again_and_seeds_differ() {
        let draw = |seed| Config::draw(&mut Rng::new(seed));
        assert_eq!(draw(7), draw(7));
        let texts: BTreeSet<String> = (0..50).map(|s| draw(s).text(Path::new("/x"))).collect();
        assert!(texts.len() > 45, "{} of 50", texts.len());
    }

    #[test]
    fn a_hundred_configurations_use_every_word() {
        let all: String =
            (0..100).map(|seed| Config::draw(&mut Rng::new(seed)).text(Path::new("/x"))).collect();
        for word in [
            "version 2",
            "version 3",
            "state MASTER",
            "state BACKUP",
            "nopreempt",
            "preempt_delay",
            "auth_pass",
            "unicast_peer",
            "track_script",
            "track_file",
            "track_interface",
            "vrrp_sync_group",
            "sync_group_tracking_weight",
            "lower_prio_no_advert",
            "higher_prio_send_advert",
            "fd00:18::1:33",
        ] {
            assert!(all.contains(word), "{word}");
        }
    }
}
