//! Addresses and links of a host, as the kernel tells of them (rtnetlink(7)).
//!
//! Nothing is polled: every change has the time at which its message was read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::timeline::{Timeline, What};
use crate::namespace::Namespace;

/// One message, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// RTM_NEWADDR.
    Added(IpAddr),
    /// RTM_DELADDR.
    Removed(IpAddr),
    /// RTM_NEWLINK: an interface's name, and whether it may carry anything: up and not `protodown`.
    Link(String, bool),
}

const NEWLINK: u16 = 16;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_PROTO_DOWN: u16 = 39;
const IFF_UP: u32 = 1;
/// RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// The messages of one read, in order; what is not known or too short is left out.
#[must_use]
pub fn parse(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        let Some(body) = bytes.get(16..length) else { break };
        messages.extend(match kind {
            NEWADDR => address(body).map(Message::Added),
            DELADDR => address(body).map(Message::Removed),
            NEWLINK => link(body),
            _ => None,
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

fn address(body: &[u8]) -> Option<IpAddr> {
    let found = attributes(body.get(8..)?);
    // IFA_ADDRESS is the other end of a point-to-point link; IFA_LOCAL is ours where there is one.
    let bytes = *found.get(&IFA_LOCAL).or_else(|| found.get(&IFA_ADDRESS))?;
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn link(body: &[u8]) -> Option<Message> {
    let flags = u32_at(body, 8)?;
    let found = attributes(body.get(16..)?);
    let name = found.get(&IFLA_IFNAME)?.split(|b| *b == 0).next()?;
    let held = found.get(&IFLA_PROTO_DOWN).is_some_and(|value| value.first() == Some(&1));
    Some(Message::Link(String::from_utf8_lossy(name).into_owned(), flags & IFF_UP != 0 && !held))
}

fn attributes(mut bytes: &[u8]) -> BTreeMap<u16, &[u8]> {
    let mut found = BTreeMap::new();
    while let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) {
        let length = usize::from(length);
        let Some(value) = bytes.get(4..length) else { break };
        found.insert(kind & 0x3fff, value);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Which of a host's addresses are virtual, and where to look for them.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Addresses whose coming and going is noted.
    pub addresses: BTreeSet<IpAddr>,
    /// Interfaces that hold an address all the time and are only switched on and off (FRR).
    pub switched: BTreeMap<String, IpAddr>,
}

/// A thread that listens to a host's kernel. Ends when dropped.
#[derive(Debug)]
pub struct Monitor {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Listens from now on.
    ///
    /// # Errors
    /// Where the kernel gives no socket.
    pub fn new(ns: &Namespace, host: usize, wanted: Wanted, timeline: Timeline) -> Result<Self> {
        let socket = ns.run(open)?.context("a netlink socket")?;
        let end = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&end);
        let thread = thread::Builder::new().name("netlink".to_owned()).spawn(move || {
            listen(&socket, &stop, host, &wanted, &timeline);
        })?;
        Ok(Self { end, thread: Some(thread) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // if it panicked, what it saw is missing, and that will be judged
        }
    }
}

fn open() -> Result<OwnedFd> {
    let cloexec = SockFlag::SOCK_CLOEXEC;
    let netlink = AddressFamily::Netlink;
    let socket = socket(netlink, SockType::Raw, cloexec, SockProtocol::NetlinkRoute)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(200))?;
    setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    Ok(socket)
}

fn listen(socket: &OwnedFd, stop: &AtomicBool, host: usize, wanted: &Wanted, timeline: &Timeline) {
    let mut held = BTreeSet::new();
    let mut bytes = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let length = match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => {
                timeline.did(host, format!("netlink: {error}: messages are lost"));
                continue;
            }
        };
        let at = Instant::now();
        for message in parse(bytes.get(..length).unwrap_or_default()) {
            let (address, present) = match message {
                Message::Added(address) if wanted.addresses.contains(&address) => (address, true),
                Message::Removed(address) if wanted.addresses.contains(&address) => {
                    (address, false)
                }
                Message::Link(name, up) => match wanted.switched.get(&name) {
                    Some(address) => (*address, up),
                    None => continue,
                },
                _ => continue,
            };
            let changed = if present { held.insert(address) } else { held.remove(&address) };
            if changed {
                let what = if present { What::Gained(address) } else { What::Lost(address) };
                timeline.note(at, host, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).expect("short");
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, head: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = [head.to_vec(), attributes.concat()].concat();
        let length = u32::try_from(body.len() + 16).expect("short");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn link_head(flags: u32) -> Vec<u8> {
        [&[0; 8][..], &flags.to_ne_bytes(), &[0; 4]].concat()
    }

    #[test]
    fn addresses_come_and_go_and_links_are_held_down() {
        let v4 = [172, 18, 0, 10];
        let v6 = "fd00:18::10".parse::<std::net::Ipv6Addr>().expect("an address");
        let bytes = [
            message(
                NEWADDR,
                &[0; 8],
                &[attribute(IFA_ADDRESS, &[9; 4]), attribute(IFA_LOCAL, &v4)],
            ),
            message(DELADDR, &[0; 8], &[attribute(IFA_ADDRESS, &v6.octets())]),
            message(
                NEWLINK,
                &link_head(IFF_UP),
                &[attribute(IFLA_IFNAME, b"vrrp4\0"), attribute(IFLA_PROTO_DOWN, &[1])],
            ),
            message(99, &[0; 8], &[]),
            message(NEWLINK, &link_head(IFF_UP), &[attribute(IFLA_IFNAME, b"eth0\0")]),
            message(NEWLINK, &link_head(0), &[attribute(IFLA_IFNAME, b"eth0\0")]),
        ]
        .concat();
        assert_eq!(
            parse(&bytes),
            [
                Message::Added(v4.into()),
                Message::Removed(v6.into()),
                Message::Link("vrrp4".to_owned(), false),
                Message::Link("eth0".to_owned(), true),
                Message::Link("eth0".to_owned(), false),
            ]
        );
    }

    #[test]
    fn a_cut_off_message_is_left_out_and_never_read_beyond() {
        let whole = message(NEWADDR, &[0; 8], &[attribute(IFA_LOCAL, &[172, 18, 0, 10])]);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), [], "{length} bytes");
        }
        assert_eq!(parse(&whole).len(), 1);
        assert_eq!(parse(&[0; 64]), [], "a length of zero is not read for ever");
    }
}
