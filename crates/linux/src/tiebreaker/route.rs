//! Which way the kernel would send a packet: asked by one look-up, which costs the same on a machine
//! with a full table of the Internet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::netlink::{Refusal, Writer, attributes};
use crate::rtnl::{Rtnl, host_prefix, octets, parse_ip};

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
/// Somewhere in the Internet, where the default route leads; nothing is ever sent there.
const FAR_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
const FAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888));

/// The first step of a packet's way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    /// The router it goes to; `None`: the destination itself.
    pub(super) gateway: Option<IpAddr>,
    /// The address it comes from.
    pub(super) source: Option<IpAddr>,
}

/// The first step through this interface; `None`: there is no way.
pub(super) fn step(rtnl: &mut Rtnl, ifindex: u32, to: IpAddr) -> io::Result<Option<Step>> {
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut header = [0; 12];
    header[0] = family as u8;
    header[1] = host_prefix(to);
    let mut writer = Writer::default();
    writer
        .message(libc::RTM_GETROUTE, libc::NLM_F_ACK, &header)
        .attr(RTA_DST, &octets(to))
        .u32(RTA_OIF, ifindex);
    let mut found = None;
    match rtnl.ask(writer, |kind, body| {
        if kind == libc::RTM_NEWROUTE {
            found = body.get(12..).map(read);
        }
    }) {
        Ok(()) => Ok(found),
        Err(Refusal { errno: libc::ENETUNREACH | libc::EHOSTUNREACH, .. }) => Ok(None),
        Err(refusal) => Err(refusal.into_error(&format!("looking for the way to {to}"))),
    }
}

/// The router that the default route of this family leads to through this interface.
pub(super) fn default_gateway(
    rtnl: &mut Rtnl,
    ifindex: u32,
    v4: bool,
) -> io::Result<Option<IpAddr>> {
    let step = step(rtnl, ifindex, if v4 { FAR_V4 } else { FAR_V6 })?;
    Ok(step.and_then(|step| step.gateway))
}

fn read(body: &[u8]) -> Step {
    let mut step = Step { gateway: None, source: None };
    for (kind, value) in attributes(body) {
        match kind {
            RTA_GATEWAY => step.gateway = parse_ip(value),
            RTA_PREFSRC => step.source = parse_ip(value),
            _ => {}
        }
    }
    step
}
