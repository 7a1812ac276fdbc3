//! Addresses: of a machine, without a prefix length, and virtual ones, with or without.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use keepair_core::config::Vip;

use super::{Fault, quote};
use crate::config::Gateway;

/// An address of a machine.
pub(crate) fn parse(text: &str) -> Result<IpAddr, Fault> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return ordinary(address);
    }
    let hint = if let Some((address, _)) = text.split_once('/')
        && address.parse::<IpAddr>().is_ok()
    {
        format!("write {address}, without the prefix length")
    } else if let Ok(with_port) = text.parse::<SocketAddr>() {
        format!("write {}, without the port", with_port.ip())
    } else if let Some((address, _)) = text.split_once('%')
        && address.parse::<IpAddr>().is_ok()
    {
        format!("write {address}: the interface is known from `interface`")
    } else {
        no_address_hint(text)
    };
    Err(Fault::new(format!("{} is not an IP address", quote(text)), hint))
}

/// A gateway: `auto`, or its address.
pub(crate) fn parse_gateway(text: &str) -> Result<Gateway, Fault> {
    const HINT: &str = "write \"auto\" for the default route's, or the gateway's address";
    match text {
        "auto" => Ok(Gateway::Auto),
        // It may hold a password, and is not quoted.
        text if text.contains("://") => Err(Fault::new("a gateway is an address, not a URL", HINT)),
        text => parse(text).map(Gateway::Address).map_err(|fault| {
            Fault::new(fault.message, fault.hint.unwrap_or_default() + "; " + HINT)
        }),
    }
}

/// A virtual address; without a prefix length it stands alone (/32 or /128).
pub(crate) fn parse_vip(text: &str) -> Result<Vip, Fault> {
    let (address_text, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address_text.parse::<IpAddr>() else {
        return Err(match address_text.parse::<SocketAddr>() {
            Ok(with_port) => Fault::new(
                format!("{} is not a virtual address", quote(text)),
                format!("write {}, without the port", with_port.ip()),
            ),
            Err(_) => Fault::new(
                format!("{} is not a virtual address", quote(text)),
                no_address_hint(address_text),
            ),
        });
    };
    ordinary(address)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix_len = match prefix {
        None => longest,
        Some(prefix) => prefix
            .parse::<u8>()
            .ok()
            .filter(|len| (1..=longest).contains(len) && !prefix.starts_with(['+', '0']))
            .ok_or_else(|| {
                let hint = if prefix.parse::<Ipv4Addr>().is_ok() {
                    "write the number of bits instead of the netmask, like /24".to_owned()
                } else {
                    format!("write a number between 1 and {longest}, or none for /{longest}")
                };
                Fault::new(format!("{} is not a prefix length", quote(&format!("/{prefix}"))), hint)
            })?,
    };
    not_of_network(Vip { address, prefix_len })
}

/// Refuses addresses that no single machine can have.
fn ordinary(address: IpAddr) -> Result<IpAddr, Fault> {
    let what = match address {
        _ if address.is_unspecified() => "is the unspecified address",
        _ if address.is_multicast() => "is a multicast address",
        _ if address.is_loopback() => "is a loopback address",
        IpAddr::V4(v4) if v4.is_broadcast() => "is the broadcast address",
        IpAddr::V4(v4) if matches!(v4.octets(), [0, ..]) => "is reserved (0.0.0.0/8)",
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            return Err(Fault::new(
                format!("`{address}` is an IPv4 address in IPv6 form"),
                format!("write {}", address.to_canonical()),
            ));
        }
        _ => return Ok(address),
    };
    Err(Fault::new(format!("`{address}` {what}"), "write an address the other machine can reach"))
}

/// The Redis to connect to may be on loopback, and only there is loopback right.
pub(crate) fn parse_local(text: &str) -> Result<IpAddr, Fault> {
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => Ok(address),
        _ if text == "localhost" => Err(Fault::new(
            "`localhost` is not an IP address",
            "leave `host` out to connect on loopback, or write 127.0.0.1",
        )),
        _ => parse(text),
    }
}

/// Refuses the addresses that mean the whole network, in networks that have them.
fn not_of_network(vip: Vip) -> Result<Vip, Fault> {
    let (host_len, host) = match vip.address {
        IpAddr::V4(v4) => (32u32.saturating_sub(vip.prefix_len.into()), u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (128u32.saturating_sub(vip.prefix_len.into()), v6.to_bits()),
    };
    // Two-address networks (/31, /127) use both; /32 and /128 have no host part.
    if host_len < 2 {
        return Ok(vip);
    }
    let host_mask = (1u128 << host_len) - 1;
    let what = match host & host_mask {
        0 => "network",
        host if host == host_mask && vip.address.is_ipv4() => "broadcast",
        _ => return Ok(vip),
    };
    let (address, prefix_len) = (vip.address, vip.prefix_len);
    Err(Fault::new(
        format!("`{address}` is the {what} address of its own /{prefix_len}"),
        "write the address of one host, or correct the prefix length",
    ))
}

fn no_address_hint(text: &str) -> String {
    let parts: Vec<&str> = text.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text != text.trim() {
        "write it without blanks".to_owned()
    } else if parts.len() == 4 && parts.iter().all(digits) {
        "four numbers from 0 to 255, without leading zeroes".to_owned()
    } else if text.contains(|c: char| c.is_alphabetic()) && !text.contains(':') {
        "names are not resolved: write the address itself".to_owned()
    } else {
        "write an address like 172.18.0.10 or fd00::10".to_owned()
    }
}
