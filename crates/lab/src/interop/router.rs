//! What a machine is told to do, in the words of `keepalived.conf` and of FRR.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::advert::{GROUP_V4, GROUP_V6};
use crate::network::INTERFACE;

/// One machine's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Its virtual routers.
    pub instances: Vec<Instance>,
    /// They are one sync group, `G`.
    pub group: bool,
    /// It has a check, `good`: whether the file of that name lies in the machine's directory.
    pub script: Option<Script>,
}

/// The check: every second (keepalived 2.2.7 knows no shorter interval), two results in a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// What a failure costs.
    pub weight: i16,
}

/// A virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// Its priority.
    pub priority: u8,
    /// `state MASTER`.
    pub wants_master: bool,
    /// `nopreempt`.
    pub nopreempt: bool,
    /// Between two adverts.
    pub interval: Duration,
    /// `auth_type PASS`.
    pub password: Option<&'static str>,
    /// The machine's own address and the other's, for unicast.
    pub unicast: Option<(IpAddr, IpAddr)>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Instance {
    /// Whether it is an IPv6 one.
    #[must_use]
    pub fn is_v6(&self) -> bool {
        self.addresses.iter().any(IpAddr::is_ipv6)
    }

    /// How much longer than three intervals it waits (RFC 3768 section 6.1, RFC 9568 section 6.1).
    #[must_use]
    pub fn skew(&self, priority: u8) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { self.interval };
        unit * (256 - u32::from(priority)) / 256
    }

    /// How long after the last advert it takes over.
    #[must_use]
    pub fn down(&self, priority: u8) -> Duration {
        self.interval * 3 + self.skew(priority)
    }

    /// Where its adverts go if they are not unicast.
    #[must_use]
    pub fn group(&self) -> IpAddr {
        if self.is_v6() { GROUP_V6.into() } else { GROUP_V4.into() }
    }
}

/// `keepalived.conf`.
#[must_use]
pub fn keepalived(plan: &Plan, name: &str, dir: &Path) -> String {
    let dir = dir.display();
    let mut text = format!(
        "global_defs {{\n  router_id {name}\n  script_user root\n  enable_script_security\n  \
         vrrp_notify_fifo {dir}/notify\n}}\n"
    );
    if let Some(script) = plan.script {
        text += &format!(
            "vrrp_script good {{\n  script \"/usr/bin/test -e {dir}/good\"\n  interval 1\n  \
             weight {}\n  rise 2\n  fall 2\n}}\n",
            script.weight
        );
    }
    if plan.group {
        let names: Vec<&str> = plan.instances.iter().map(|i| i.name).collect();
        text += &format!("vrrp_sync_group G {{\n  group {{\n    {}\n  }}\n", names.join("\n    "));
        if plan.script.is_some() {
            text += "  track_script {\n    good\n  }\n";
        }
        text += "}\n";
    }
    for instance in &plan.instances {
        text += &block(instance, plan.script.is_some() && !plan.group);
    }
    text
}

fn block(instance: &Instance, tracks: bool) -> String {
    let state = if instance.wants_master { "MASTER" } else { "BACKUP" };
    let mut text = format!(
        "vrrp_instance {} {{\n  state {state}\n  interface {INTERFACE}\n  virtual_router_id {}\n  \
         priority {}\n  advert_int {}\n  version {}\n",
        instance.name,
        instance.vrid,
        instance.priority,
        instance.interval.as_secs_f64(),
        instance.version,
    );
    if instance.nopreempt {
        text += "  nopreempt\n";
    }
    if let Some(password) = instance.password {
        let _ = write!(
            text,
            "  authentication {{\n    auth_type PASS\n    auth_pass {password}\n  }}\n"
        );
    }
    if let Some((own, peer)) = instance.unicast {
        let _ = write!(text, "  unicast_src_ip {own}\n  unicast_peer {{\n    {peer}\n  }}\n");
    }
    if tracks {
        text += "  track_script {\n    good\n  }\n";
    }
    text += "  virtual_ipaddress {\n";
    for address in &instance.addresses {
        let _ = writeln!(text, "    {address}");
    }
    text + "  }\n}\n"
}

/// `vrrpd.conf` of FRR.
#[must_use]
pub fn frr(plan: &Plan) -> String {
    let mut text = format!("interface {INTERFACE}\n");
    for instance in &plan.instances {
        let vrid = instance.vrid;
        let _ = write!(
            text,
            " vrrp {vrid} version {}\n vrrp {vrid} priority {}\n \
             vrrp {vrid} advertisement-interval {}\n",
            instance.version,
            instance.priority,
            instance.interval.as_millis(),
        );
        for address in &instance.addresses {
            let word = if address.is_ipv4() { "ip" } else { "ipv6" };
            let _ = writeln!(text, " vrrp {vrid} {word} {address}");
        }
    }
    text
}

/// The interface that has FRR's address.
#[must_use]
pub fn macvlan(instance: &Instance) -> String {
    format!("vrrp{}-{}", if instance.is_v6() { 6 } else { 4 }, instance.vrid)
}

/// The `ip` commands that make it, switched off: FRR switches it on.
#[must_use]
pub fn macvlan_commands(instance: &Instance, number: u8) -> String {
    let (name, vrid) = (macvlan(instance), instance.vrid);
    let family = if instance.is_v6() { 2 } else { 1 };
    let mut text = format!(
        "link add {name} link {INTERFACE} type macvlan mode bridge\n\
         link set {name} address 00:00:5e:00:{family:02x}:{vrid:02x} addrgenmode none\n"
    );
    if instance.is_v6() {
        // What its adverts come from.
        let _ = writeln!(text, "addr add fe80::2{number:02}/64 dev {name} nodad");
    }
    for address in &instance.addresses {
        let (prefix, dad) = if address.is_ipv4() { (32, "") } else { (128, " nodad") };
        let _ = writeln!(text, "addr add {address}/{prefix} dev {name}{dad}");
    }
    text + &format!("link set {name} protodown on\nlink set {name} up\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_as_the_standards_compute_them() {
        let mut instance = Instance {
            name: "VI_1",
            vrid: 51,
            version: 2,
            priority: 100,
            wants_master: false,
            nopreempt: false,
            interval: Duration::from_secs(1),
            password: None,
            unicast: None,
            addresses: vec!["172.18.0.10".parse().expect("an address")],
        };
        assert_eq!(instance.down(100), Duration::from_micros(3_609_375));
        instance.version = 3;
        instance.interval = Duration::from_millis(200);
        assert_eq!(instance.skew(100), Duration::from_nanos(121_875_000));
        assert_eq!(instance.down(254), Duration::from_nanos(601_562_500));
    }
}
