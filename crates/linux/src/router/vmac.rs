//! Interfaces with a virtual router's own MAC address: macvlans in private mode.
//!
//! The sysctls are keepalived's. On the macvlan: answer ARP for its own addresses only, take packets
//! whose source is another interface of this machine. On the interface below: don't answer ARP for
//! the macvlan's addresses, or the network would learn two MAC addresses for one.

use std::io;

use super::sysctl::{self, Changes, Half};
use crate::netlink::{Writer, attributes, read_u32};
use crate::rtnl::{IFLA_ADDRESS, IFLA_IFNAME, Rtnl, parse_link};

const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_PRIVATE: u32 = 1;
/// `IN6_ADDR_GEN_MODE_NONE`: the kernel makes up no link-local address.
const ADDR_GEN_MODE_NONE: i32 = 1;

/// A macvlan as it should be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Spec {
    /// Its name.
    pub(crate) name: String,
    /// The name of the interface below it.
    pub(crate) base: String,
    /// Its MAC address.
    pub(crate) mac: [u8; 6],
    /// It carries addresses of IPv6.
    pub(crate) v6: bool,
}

/// What there is under a name.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    index: u32,
    base: u32,
    mac: [u8; 6],
    macvlan: bool,
    up: bool,
}

/// Makes a macvlan, or makes what is there fit.
///
/// # Errors
/// When the interface below is missing, the name is somebody else's, or the kernel refuses.
pub(crate) fn ensure(rtnl: &mut Rtnl, spec: &Spec, changes: &mut Changes) -> io::Result<()> {
    let base = rtnl
        .link_by_name(&spec.base)?
        .ok_or_else(|| io::Error::other(format!("there is no interface {}", spec.base)))?;
    if let Some(found) = find(rtnl, &spec.name)? {
        if found.macvlan && found.base == base.index && found.mac == spec.mac && found.up {
            if spec.v6 && sysctl::get(Half::V6, &spec.name, "disable_ipv6").is_ok_and(|v| v != 0) {
                sysctl::set(Half::V6, &spec.name, "disable_ipv6", 0)?;
            }
            return Ok(());
        }
        if !found.macvlan {
            return Err(io::Error::other(format!("{} is not a macvlan", spec.name)));
        }
        delete(rtnl, found.index)?;
    }
    let mut writer = Writer::default();
    writer
        .message(
            libc::RTM_NEWLINK,
            libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL,
            &[0; 16],
        )
        .string(IFLA_IFNAME, &spec.name)
        .u32(IFLA_LINK, base.index)
        .attr(IFLA_ADDRESS, &spec.mac)
        .nest(IFLA_LINKINFO, |w| {
            w.string(IFLA_INFO_KIND, "macvlan").nest(IFLA_INFO_DATA, |w| {
                w.u32(IFLA_MACVLAN_MODE, MACVLAN_MODE_PRIVATE);
            });
        });
    rtnl.change(writer).map_err(|r| r.into_error(&format!("make {}", spec.name)))?;
    settings(spec, changes);
    let made = find(rtnl, &spec.name)?.ok_or(io::ErrorKind::NotFound)?;
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&made.index.to_ne_bytes());
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    header[8..12].copy_from_slice(&up);
    header[12..16].copy_from_slice(&up);
    let mut writer = Writer::default();
    writer.message(libc::RTM_NEWLINK, libc::NLM_F_ACK, &header);
    rtnl.change(writer).map_err(|r| r.into_error(&format!("set {} up", spec.name)))
}

/// Takes a macvlan away, if it is ours: of our name, and with the MAC address it should have.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn remove(rtnl: &mut Rtnl, spec: &Spec) -> io::Result<()> {
    match find(rtnl, &spec.name)? {
        Some(found) if found.macvlan && found.mac == spec.mac => delete(rtnl, found.index),
        _ => Ok(()),
    }
}

fn delete(rtnl: &mut Rtnl, index: u32) -> io::Result<()> {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let mut writer = Writer::default();
    writer.message(libc::RTM_DELLINK, libc::NLM_F_ACK, &header);
    match rtnl.change(writer) {
        Ok(()) => Ok(()),
        Err(r) if r.errno == libc::ENODEV => Ok(()),
        Err(r) => Err(r.into_error("remove a macvlan")),
    }
}

fn find(rtnl: &mut Rtnl, name: &str) -> io::Result<Option<Found>> {
    let question = || {
        let mut writer = Writer::default();
        writer.message(libc::RTM_GETLINK, libc::NLM_F_ACK, &[0; 16]).string(IFLA_IFNAME, name);
        writer
    };
    let found = rtnl
        .list(question, |kind, body| (kind == libc::RTM_NEWLINK).then(|| parse(body)).flatten());
    match found {
        Ok(found) => Ok(found.into_iter().next()),
        Err(r) if r.errno == libc::ENODEV => Ok(None),
        Err(r) => Err(r.into_error(&format!("asking for interface {name}"))),
    }
}

fn parse(body: &[u8]) -> Option<Found> {
    let (_, link) = parse_link(body)?;
    let mut found =
        Found { index: link.index, base: 0, mac: link.mac, macvlan: false, up: link.up };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_LINK => found.base = read_u32(value, 0)?,
            IFLA_LINKINFO => {
                found.macvlan = attributes(value)
                    .any(|(kind, value)| kind == IFLA_INFO_KIND && value.starts_with(b"macvlan"));
            }
            _ => {}
        }
    }
    Some(found)
}

/// Before it is set up, for the kernel acts on some of them at that moment. What a kernel without
/// one of the families lacks, it does not need.
fn settings(spec: &Spec, changes: &mut Changes) {
    let name = spec.name.as_str();
    let _ = sysctl::set(Half::V6, name, "addr_gen_mode", ADDR_GEN_MODE_NONE);
    if !spec.v6 {
        let _ = sysctl::set(Half::V6, name, "disable_ipv6", 1);
    }
    loosen_reverse_path(changes);
    for (key, value) in
        [("arp_ignore", 1), ("accept_local", 1), ("rp_filter", 0), ("promote_secondaries", 1)]
    {
        let _ = sysctl::set(Half::V4, name, key, value);
    }
    let _ = changes.set(Half::V4, &spec.base, "arp_ignore", 1);
    let _ = changes.set(Half::V4, &spec.base, "arp_filter", 1);
}

/// `all.rp_filter` would hold for the macvlan, too, and its packets come back by the interface
/// below: what it asks for is asked of every other interface, and no longer of all.
fn loosen_reverse_path(changes: &mut Changes) {
    let all = sysctl::get(Half::V4, "all", "rp_filter").unwrap_or(0);
    if all == 0 {
        return;
    }
    let names = std::fs::read_dir("/proc/sys/net/ipv4/conf").into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name != "all").collect();
    // The default last: it would change the interfaces that nobody has set, and nobody would
    // know what they were.
    names.sort_by_key(|name| name == "default");
    for name in names {
        let own = sysctl::get(Half::V4, &name, "rp_filter").unwrap_or(0);
        let _ = changes.set(Half::V4, &name, "rp_filter", own.max(all));
    }
    let _ = changes.set(Half::V4, "all", "rp_filter", 0);
}
