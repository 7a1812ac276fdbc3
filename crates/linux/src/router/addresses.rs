//! Addresses on and off an interface, as keepalived puts them there.
//!
//! Unlike `rtnl`, which adds the Redis mode's address so that the kernel never chooses it as a
//! source, this one follows the file: prefix, scope and flags are the operator's, and the defaults
//! are keepalived's (32 or 128 bits, scope global; IPv6 without duplicate address detection, and
//! deprecated if it is of full length).

use std::net::{IpAddr, Ipv4Addr};

use keepair_core::router::network::{Address, Broadcast, Lifetime};

use crate::netlink::Writer;
use crate::rtnl::{
    IFA_ADDRESS, IFA_CACHEINFO, IFA_F_NODAD, IFA_F_NOPREFIXROUTE, IFA_FLAGS, IFA_LOCAL, OwnAddress,
    Rtnl, host_prefix, octets,
};

const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_F_HOMEADDRESS: u32 = 0x10;
const IFA_F_MANAGETEMPADDR: u32 = 0x100;
const IFA_F_MCAUTOJOIN: u32 = 0x400;

/// The length of its network's prefix.
pub(crate) fn prefix_len(address: &Address) -> u8 {
    address.prefix_len.unwrap_or_else(|| host_prefix(address.address))
}

/// The address as the kernel tells of it.
pub(crate) fn own(address: &Address, ifindex: u32) -> OwnAddress {
    OwnAddress { ifindex, address: address.address, prefix_len: prefix_len(address) }
}

/// Adds it; success too if it is there.
///
/// # Errors
/// The kernel's refusal, in words.
pub(crate) fn add(rtnl: &mut Rtnl, ifindex: u32, address: &Address) -> Result<(), String> {
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE;
    let mut writer = message(libc::RTM_NEWADDR, flags, ifindex, address);
    if let IpAddr::V4(own) = address.address {
        if let Some(broadcast) = broadcast(own, prefix_len(address), address.broadcast) {
            writer.attr(IFA_BROADCAST, &octets(broadcast));
        }
        if let Some(label) = &address.label {
            writer.string(IFA_LABEL, label);
        }
    } else if let Some(preferred) = preferred(address) {
        // struct ifa_cacheinfo: preferred, valid (for ever), and two time stamps.
        let mut cacheinfo = [0; 16];
        cacheinfo[..4].copy_from_slice(&preferred.to_ne_bytes());
        cacheinfo[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        writer.attr(IFA_CACHEINFO, &cacheinfo);
    }
    let mut flags = 0;
    for (wanted, flag) in [
        (address.address.is_ipv6() && !address.duplicate_detection, IFA_F_NODAD),
        (address.home, IFA_F_HOMEADDRESS),
        (address.manage_temporary, IFA_F_MANAGETEMPADDR),
        (address.no_prefix_route, IFA_F_NOPREFIXROUTE),
        (address.autojoin, IFA_F_MCAUTOJOIN),
    ] {
        flags |= if wanted { flag } else { 0 };
    }
    if flags != 0 {
        writer.u32(IFA_FLAGS, flags);
    }
    match rtnl.change(writer) {
        Ok(()) => Ok(()),
        Err(r) if r.errno == libc::EEXIST => Ok(()),
        Err(r) => Err(r.into_error(&format!("add {}", shown(address))).to_string()),
    }
}

/// Takes it away; success too if it is not there.
///
/// # Errors
/// The kernel's refusal, in words.
pub(crate) fn remove(rtnl: &mut Rtnl, ifindex: u32, address: &Address) -> Result<(), String> {
    match rtnl.change(message(libc::RTM_DELADDR, libc::NLM_F_ACK, ifindex, address)) {
        Ok(()) => Ok(()),
        Err(r) if matches!(r.errno, libc::EADDRNOTAVAIL | libc::ENODEV) => Ok(()),
        Err(r) => Err(r.into_error(&format!("remove {}", shown(address))).to_string()),
    }
}

/// The address as people write it.
pub(crate) fn shown(address: &Address) -> String {
    format!("{}/{}", address.address, prefix_len(address))
}

fn message(kind: u16, flags: i32, ifindex: u32, address: &Address) -> Writer {
    let v4 = address.address.is_ipv4();
    let family = if v4 { libc::AF_INET } else { libc::AF_INET6 };
    let scope = if v4 { address.scope.unwrap_or(0) } else { 0 };
    let [a, b, c, d] = ifindex.to_ne_bytes();
    let mut writer = Writer::default();
    writer
        .message(kind, flags, &[family as u8, prefix_len(address), 0, scope, a, b, c, d])
        .attr(IFA_LOCAL, &octets(address.address))
        // The other end of the line, or none: then it is the address itself. An address that was
        // added with one is removed by it, too.
        .attr(IFA_ADDRESS, &octets(address.peer.unwrap_or(address.address)));
    writer
}

/// For how long it is preferred in seconds; `None`: for ever.
fn preferred(address: &Address) -> Option<u32> {
    match address.preferred {
        Some(Lifetime::Forever) => None,
        Some(Lifetime::Seconds(seconds)) => Some(seconds),
        None => (prefix_len(address) == 128).then_some(0),
    }
}

fn broadcast(own: Ipv4Addr, prefix_len: u8, broadcast: Option<Broadcast>) -> Option<IpAddr> {
    let host = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    match broadcast? {
        Broadcast::Address(address) => Some(address),
        // A network of one or two addresses has none.
        _ if prefix_len >= 31 => None,
        Broadcast::Ones => Some(Ipv4Addr::from_bits(own.to_bits() | host).into()),
        Broadcast::Zeroes => Some(Ipv4Addr::from_bits(own.to_bits() & !host).into()),
    }
}
