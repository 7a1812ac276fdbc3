//! What goes where: a configuration worked out to interfaces, addresses and macvlans by name.
//!
//! Nothing here asks the kernel.

use std::collections::BTreeSet;
use std::net::IpAddr;

use keepair_core::router::Config;
use keepair_core::router::config::{Family, InstanceConfig};
use keepair_core::router::network::{Address, Route, Rule};

use super::network_setup::{GarpExtra, NetworkSetup};
use super::vmac::Spec;
use super::{addresses, rules};
use crate::rtnl::OwnAddress;

/// Where keepalived begins to count.
const PREFERENCE_MAX: u32 = 16384;

/// A whole configuration.
#[derive(Clone, Default, Debug)]
pub(crate) struct Plan {
    /// By the core's places.
    pub(crate) instances: Vec<InstancePlan>,
    /// Every macvlan.
    pub(crate) vmacs: Vec<Spec>,
    /// `static_ipaddress`, `static_routes` and `static_rules`.
    pub(crate) statics: Things,
}

/// An instance.
#[derive(Clone, Default, Debug)]
pub(crate) struct InstancePlan {
    /// The interface its adverts come in by.
    pub(crate) link: String,
    /// The interface they leave by: a macvlan, or the same.
    pub(crate) sends_by: String,
    /// Its addresses, routes and rules.
    pub(crate) things: Things,
    /// Packets to and from its addresses are dropped.
    pub(crate) drops: bool,
    /// `promote_secondaries`, on these interfaces.
    pub(crate) promote: BTreeSet<String>,
    /// `garp_extra_if`.
    pub(crate) extra: Option<GarpExtra>,
}

/// What can be put into the kernel.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Things {
    /// Addresses.
    pub(crate) addresses: Vec<Placed>,
    /// Routes.
    pub(crate) routes: Vec<Route>,
    /// Rules.
    pub(crate) rules: Vec<Rule>,
}

/// An address and its interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Placed {
    /// The address.
    pub(crate) address: Address,
    /// The interface's name.
    pub(crate) device: String,
    /// It is a macvlan of ours.
    pub(crate) vmac: bool,
}

impl Placed {
    /// Whether it is this one of the kernel's addresses on the interface of that name.
    pub(crate) fn is(&self, device: &str, own: &OwnAddress) -> bool {
        self.device == device
            && self.address.address == own.address
            && addresses::prefix_len(&self.address) == own.prefix_len
    }
}

impl Things {
    /// Those of `self` that `others` has not.
    pub(crate) fn without(&self, others: &Things) -> Things {
        fn rest<T: Clone + PartialEq>(all: &[T], others: &[T]) -> Vec<T> {
            all.iter().filter(|thing| !others.contains(thing)).cloned().collect()
        }
        Things {
            addresses: rest(&self.addresses, &others.addresses),
            routes: rest(&self.routes, &others.routes),
            rules: rest(&self.rules, &others.rules),
        }
    }
}

impl Plan {
    /// Works out a configuration.
    pub(crate) fn new(config: &Config, setup: &NetworkSetup) -> Plan {
        let mut vmacs = Vec::new();
        for instance in &config.instances {
            if let Some(vmac) = &instance.vmac {
                vmacs.push(Spec {
                    name: vmac.name.clone(),
                    base: link(config, instance),
                    mac: vmac.mac,
                    v6: instance.family == Family::V6,
                });
            }
        }
        let placer = &mut Placer { vmacs, prefix: &setup.vmac_addr_prefix };
        let mut preferences = Preferences { v4: PREFERENCE_MAX, v6: PREFERENCE_MAX };
        let static_rules = preferences.fill(&setup.rules);
        let mut instances = Vec::new();
        for (i, instance) in config.instances.iter().enumerate() {
            let network = setup.instances.get(i).copied().unwrap_or_default();
            let link = link(config, instance);
            let all = instance.addresses.iter().chain(&instance.excluded_addresses);
            let addresses: Vec<Placed> =
                all.map(|address| placer.place(instance, &link, address)).collect();
            let xmit_base = instance.vmac.as_ref().is_none_or(|vmac| vmac.xmit_base);
            let vmac = instance.vmac.as_ref().filter(|_| !xmit_base);
            let promote = addresses.iter().map(|placed| placed.device.clone());
            instances.push(InstancePlan {
                sends_by: vmac.map_or_else(|| link.clone(), |vmac| vmac.name.clone()),
                drops: !instance.accept && instance.priority != 255,
                promote: if instance.promote_secondaries {
                    promote.chain([link.clone()]).collect()
                } else {
                    BTreeSet::new()
                },
                things: Things {
                    addresses,
                    routes: instance.routes.clone(),
                    rules: preferences.fill(&instance.rules),
                },
                link,
                extra: network.extra,
            });
        }
        let place = |address: &Address| {
            let device = address.interface.as_ref().unwrap_or(&setup.default_interface);
            Placed { address: address.clone(), device: device.clone(), vmac: false }
        };
        let statics = Things {
            addresses: setup.addresses.iter().map(place).collect(),
            routes: setup.routes.clone(),
            rules: static_rules,
        };
        Plan { instances, vmacs: placer.vmacs.clone(), statics }
    }

    /// Every interface that something is done with and that `known` does not name.
    pub(crate) fn other_devices<'a>(&'a self, known: &BTreeSet<&str>) -> BTreeSet<&'a String> {
        let placed = |things: &'a Things| things.addresses.iter().map(|placed| &placed.device);
        let of_instances = self.instances.iter().flat_map(|it| placed(&it.things));
        let vmacs = self.vmacs.iter().flat_map(|vmac| [&vmac.name, &vmac.base]);
        let all = of_instances.chain(placed(&self.statics)).chain(vmacs);
        all.filter(|name| !known.contains(name.as_str())).collect()
    }

    /// A kernel's address is a virtual one: some instance may put it there, or take it away.
    pub(crate) fn is_virtual(&self, device: &str, own: &OwnAddress) -> bool {
        self.instances.iter().flat_map(|it| &it.things.addresses).any(|it| it.is(device, own))
    }
}

fn link(config: &Config, instance: &InstanceConfig) -> String {
    config.links.get(instance.link.0).map(|link| link.name.clone()).unwrap_or_default()
}

/// Preferences for rules that have none: each family's count down from keepalived's, so that they
/// stand before the kernel's own rules in the order of the file, and can be told from others.
struct Preferences {
    v4: u32,
    v6: u32,
}

impl Preferences {
    fn fill(&mut self, rules: &[Rule]) -> Vec<Rule> {
        let fill = |rule: &Rule| {
            let next = if rules::is_v4(rule) { &mut self.v4 } else { &mut self.v6 };
            let preference = rule.preference.unwrap_or_else(|| {
                *next = next.saturating_sub(1);
                *next + 1
            });
            Rule { preference: Some(preference), ..rule.clone() }
        };
        rules.iter().map(fill).collect()
    }
}

/// Finds macvlans for addresses, and makes up those that no instance has named.
struct Placer<'a> {
    vmacs: Vec<Spec>,
    prefix: &'a str,
}

impl Placer<'_> {
    fn place(&mut self, instance: &InstanceConfig, link: &str, address: &Address) -> Placed {
        let v6 = address.address.is_ipv6();
        let base = address.interface.as_deref().unwrap_or(link);
        // `dev` with the interface below the instance's macvlan means the macvlan, too.
        let own = instance
            .vmac
            .as_ref()
            .filter(|_| base == link && v6 == (instance.family == Family::V6));
        let (device, vmac) = match own {
            Some(vmac) => (vmac.name.clone(), true),
            None if address.vmac => (self.vmac(base, v6, instance.vrid.0), true),
            None => (base.to_owned(), false),
        };
        if let Some(spec) = self.vmacs.iter_mut().find(|spec| vmac && spec.name == device) {
            spec.v6 |= v6;
        }
        Placed { address: address.clone(), device, vmac }
    }

    /// The macvlan of a virtual router on an interface, named as keepalived names it.
    fn vmac(&mut self, base: &str, v6: bool, vrid: u8) -> String {
        //= https://www.rfc-editor.org/rfc/rfc9568#section-7.3
        //# IPv4 case: 00-00-5E-00-01-{VRID}
        let mac = [0, 0, 0x5e, 0, if v6 { 2 } else { 1 }, vrid];
        if let Some(spec) = self.vmacs.iter().find(|spec| spec.base == base && spec.mac == mac) {
            return spec.name.clone();
        }
        let first = if v6 { "6" } else { "" }.to_owned();
        let numbers = std::iter::once(first).chain((1..=u16::MAX).map(|n| n.to_string()));
        let taken = |name: &String| self.vmacs.iter().any(|spec| spec.name == *name);
        let prefix = self.prefix;
        let name = numbers.map(|n| format!("{prefix}{n}.{vrid}")).find(|name| !taken(name));
        let name = name.unwrap_or_default();
        self.vmacs.push(Spec { name: name.clone(), base: base.to_owned(), mac, v6 });
        name
    }
}

/// Its family's link-local addresses mean nothing without the interface.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.is_unicast_link_local())
}
