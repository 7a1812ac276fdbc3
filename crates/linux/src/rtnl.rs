//! Links and addresses through rtnetlink: questions, the virtual address on and off, and notices.
//!
//! Not a network manager: nothing but the virtual addresses is ever changed. Every call is
//! answered by the kernel inside the system call (tens of microseconds).
//!
//! A virtual address is always added as a host address (/32, /128), whatever prefix length it was
//! configured with, because the kernel treats addresses of one subnet as a family: the first is
//! the source of outgoing packets, and when it goes it takes the later ones with it
//! (`promote_secondaries` = 0). A machine whose network was restarted would have replicated from
//! the virtual address, and lost its own address at the next failover. A /32 has no family.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use keepair_core::config::Vip;

use crate::netlink::{Refusal, Socket, Writer, attributes, read_u32};
use crate::sys::{self, BpfInsn, JUMP_IF_EQUAL, LOAD_BYTE, LOAD_HALF, RETURN};

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Hardware address; all zero where it has none of six bytes.
    pub mac: [u8; 6],
    /// Set up by the operator (`IFF_UP`).
    pub up: bool,
    /// Able to carry packets (`IFF_RUNNING`): up, and with a carrier.
    pub running: bool,
    /// Largest packet in bytes.
    pub mtu: u32,
}

/// An address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// The interface's index.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// Its prefix length in bits.
    pub prefix_len: u8,
}

/// Something that changed on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An interface appeared or changed, possibly in a way that does not matter here.
    Link {
        /// The interface's index.
        ifindex: u32,
        /// Its name now.
        name: String,
        /// `IFF_UP`.
        up: bool,
        /// `IFF_RUNNING`.
        running: bool,
    },
    /// An interface is gone.
    LinkGone {
        /// The index it had.
        ifindex: u32,
        /// The name it had.
        name: String,
    },
    /// An address was added, or its flags changed.
    AddressAdded(OwnAddress),
    /// An address was removed.
    AddressRemoved(OwnAddress),
    /// A route with keepalived's mark was removed; only told if asked for.
    RouteRemoved,
    /// A rule was removed; only told if asked for.
    RuleRemoved,
    /// Notices were lost; whatever matters must be asked for anew.
    Overrun,
}

const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_HOST: u8 = 254;
pub(crate) const IFA_ADDRESS: u16 = 1;
pub(crate) const IFA_LOCAL: u16 = 2;
pub(crate) const IFA_CACHEINFO: u16 = 6;
pub(crate) const IFA_FLAGS: u16 = 8;
const IFA_F_SECONDARY: u32 = 0x01;
pub(crate) const IFA_F_NODAD: u32 = 0x02;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_DEPRECATED: u32 = 0x20;
const IFA_F_TENTATIVE: u32 = 0x40;
pub(crate) const IFA_F_NOPREFIXROUTE: u32 = 0x200;
pub(crate) const IFLA_ADDRESS: u16 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
/// What keepalived's routes and rules are marked with, and ours: one follows the other on a machine.
pub(crate) const RTPROT_KEEPALIVED: u8 = 18;
/// `nlmsghdr.nlmsg_type`, as a filter loads it, and `rtmsg.rtm_protocol` in a notice.
const KIND_AT: u32 = 4;
const PROTOCOL_AT: u32 = 16 + 5;
/// Lets every notice pass but those of new routes and rules, and of removed routes without our mark.
const OURS: [BpfInsn; 8] = [
    (LOAD_HALF, 0, 0, KIND_AT),
    (JUMP_IF_EQUAL, 5, 0, libc::RTM_NEWROUTE.to_be() as u32),
    (JUMP_IF_EQUAL, 4, 0, libc::RTM_NEWRULE.to_be() as u32),
    (JUMP_IF_EQUAL, 0, 2, libc::RTM_DELROUTE.to_be() as u32),
    (LOAD_BYTE, 0, 0, PROTOCOL_AT),
    (JUMP_IF_EQUAL, 0, 1, RTPROT_KEEPALIVED as u32),
    (RETURN, 0, 0, u32::MAX),
    (RETURN, 0, 0, 0),
];
const DUMP_ATTEMPTS: usize = 4;
const NOTICE_BUFFER: usize = 4 << 20;

/// A socket for questions and changes.
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// Opens the socket. Changing addresses needs `CAP_NET_ADMIN`.
    pub fn open() -> io::Result<Rtnl> {
        Ok(Rtnl { socket: Socket::open(None)? })
    }

    /// Asks for a change and hears what became of it.
    pub(crate) fn change(&mut self, writer: Writer) -> Result<(), Refusal> {
        self.socket.request(&mut writer.into_request(), |_, _| ())
    }

    /// Asks a question and hands every message of the answer to `each`, with its kind.
    pub(crate) fn ask(
        &mut self,
        writer: Writer,
        each: impl FnMut(u16, &[u8]),
    ) -> Result<(), Refusal> {
        self.socket.request(&mut writer.into_request(), each)
    }

    /// Asks a question and hands every message of the answer to `each`, with its kind; again if
    /// the table changed meanwhile.
    pub(crate) fn list<T>(
        &mut self,
        question: impl Fn() -> Writer,
        mut read: impl FnMut(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Refusal> {
        let mut attempts = DUMP_ATTEMPTS;
        loop {
            let mut found = Vec::new();
            let asked = self.socket.request(&mut question().into_request(), |kind, body| {
                found.extend(read(kind, body));
            });
            attempts -= 1;
            match asked {
                Ok(()) => return Ok(found),
                Err(r) if r.errno == libc::EINTR && attempts > 0 => {}
                Err(r) => return Err(r),
            }
        }
    }

    /// The interface of this name, `None` where there is none.
    pub fn link_by_name(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut writer = Writer::default();
        writer.message(libc::RTM_GETLINK, libc::NLM_F_ACK, &[0; 16]).string(IFLA_IFNAME, name);
        let mut found = None;
        let asked = self.socket.request(&mut writer.into_request(), |kind, body| {
            if kind == libc::RTM_NEWLINK {
                found = parse_link(body).map(|(_, link)| link);
            }
        });
        match asked {
            Ok(()) => Ok(found),
            Err(r) if r.errno == libc::ENODEV => Ok(None),
            Err(r) => Err(r.into_error(&format!("asking for interface {name}"))),
        }
    }

    /// Every address of this machine, virtual ones included.
    pub fn own_addresses(&mut self) -> io::Result<Vec<OwnAddress>> {
        Ok(self.dump(0)?.into_iter().map(|(address, _)| address).collect())
    }

    /// The addresses of an interface that packets may come from: those that are still being checked
    /// for duplicates are not among them.
    pub(crate) fn own_addresses_of(&mut self, ifindex: u32) -> io::Result<Vec<OwnAddress>> {
        let unfit = IFA_F_TENTATIVE | IFA_F_DADFAILED;
        let all = self.dump(ifindex)?;
        Ok(all.into_iter().filter(|(_, f)| f & unfit == 0).map(|(own, _)| own).collect())
    }

    /// The addresses of an interface that the kernel may choose as a source: neither deprecated
    /// (as IPv6 virtual addresses are) nor still being checked for duplicates.
    pub(crate) fn source_addresses(&mut self, ifindex: u32) -> io::Result<Vec<IpAddr>> {
        let unfit = IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED;
        let all = self.dump(ifindex)?;
        Ok(all.iter().filter(|(_, f)| f & unfit == 0).map(|(own, _)| own.address).collect())
    }

    /// Adds a virtual address to an interface; success too when it is already there.
    ///
    /// IPv4: scope `host`, so that the kernel never picks it as the source of a packet, not even
    /// on an interface without another address, or when the machine's own address comes back
    /// after it (verified in `tests/rtnl.rs`). IPv6: `preferred_lft 0` (deprecated, RFC 6724
    /// section 5 rule 3) for the same purpose, and no duplicate address detection, whose second of
    /// waiting would be an outage; `announce` probes instead.
    pub fn add_address(&mut self, ifindex: u32, vip: Vip) -> io::Result<()> {
        let mut flags = IFA_F_NOPREFIXROUTE;
        let mut scope = RT_SCOPE_HOST;
        if vip.address.is_ipv6() {
            flags |= IFA_F_NODAD;
            scope = RT_SCOPE_UNIVERSE;
        }
        let mut writer = address_message(
            libc::RTM_NEWADDR,
            libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE,
            OwnAddress { ifindex, address: vip.address, prefix_len: host_prefix(vip.address) },
            scope,
        );
        writer.attr(IFA_FLAGS, &flags.to_ne_bytes());
        if vip.address.is_ipv6() {
            // struct ifa_cacheinfo: preferred, valid (for ever), and two time stamps.
            let mut cacheinfo = [0; 16];
            cacheinfo[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
            writer.attr(IFA_CACHEINFO, &cacheinfo);
        }
        match self.socket.request(&mut writer.into_request(), |_, _| ()) {
            Ok(()) => Ok(()),
            Err(r) if r.errno == libc::EEXIST => Ok(()),
            Err(r) => Err(r.into_error(&format!("adding {}", vip.address))),
        }
    }

    /// Removes a virtual address from an interface; success too when it is not there.
    ///
    /// An operator, or another program, may have added the same address with a longer reach
    /// (10.0.0.100/24); it would stay behind and contest the address. It is removed as well,
    /// unless the kernel would take another address along with it: then that is the error.
    pub fn del_address(&mut self, ifindex: u32, vip: Vip) -> io::Result<()> {
        let prefix_len = host_prefix(vip.address);
        self.delete(OwnAddress { ifindex, address: vip.address, prefix_len })?;
        let all = self.dump(ifindex)?;
        for &(own, flags) in all.iter().filter(|(own, _)| own.address == vip.address) {
            let takes_along = vip.address.is_ipv4()
                && flags & IFA_F_SECONDARY == 0
                && all.iter().any(|(other, flags)| {
                    flags & IFA_F_SECONDARY != 0
                        && other.prefix_len == own.prefix_len
                        && same_subnet(other.address, own.address, own.prefix_len)
                });
            if takes_along {
                return Err(io::Error::other(format!(
                    "{}/{} was not added by keepair and other addresses depend on it; it stays",
                    own.address, own.prefix_len
                )));
            }
            self.delete(own)?;
        }
        Ok(())
    }

    fn delete(&mut self, own: OwnAddress) -> io::Result<()> {
        let writer = address_message(libc::RTM_DELADDR, libc::NLM_F_ACK, own, RT_SCOPE_UNIVERSE);
        match self.socket.request(&mut writer.into_request(), |_, _| ()) {
            Ok(()) => Ok(()),
            Err(r) if matches!(r.errno, libc::EADDRNOTAVAIL | libc::ENODEV) => Ok(()),
            Err(r) => Err(r.into_error(&format!("removing {}", own.address))),
        }
    }

    /// The addresses of one interface (0 = all) with their `IFA_F_*` flags.
    pub(crate) fn dump(&mut self, ifindex: u32) -> io::Result<Vec<(OwnAddress, u32)>> {
        let question = || {
            let mut header = [0; 8];
            header[4..8].copy_from_slice(&ifindex.to_ne_bytes());
            let mut writer = Writer::default();
            writer.message(libc::RTM_GETADDR, libc::NLM_F_DUMP, &header);
            writer
        };
        let found = self.list(question, |kind, body| {
            let entry = (kind == libc::RTM_NEWADDR).then(|| parse_address(body)).flatten()?;
            (ifindex == 0 || entry.0.ifindex == ifindex).then_some(entry)
        });
        match found {
            // No such interface: no such addresses.
            Err(Refusal { errno: libc::ENODEV, .. }) => Ok(Vec::new()),
            found => found.map_err(|r| r.into_error("listing addresses")),
        }
    }
}

/// A socket that hears of every change to links and addresses.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    queue: std::collections::VecDeque<Notice>,
}

impl Monitor {
    /// Subscribes. Open it first and list links and addresses afterwards, so that no change falls
    /// in between.
    pub fn open() -> io::Result<Monitor> {
        Self::open_with_buffer(NOTICE_BUFFER)
    }

    /// The same with room for about `bytes` of unread notices.
    pub fn open_with_buffer(bytes: usize) -> io::Result<Monitor> {
        let socket = Socket::open(None)?;
        socket.set_receive_buffer(bytes);
        for group in [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR] {
            socket.join(group)?;
        }
        Ok(Monitor { socket, queue: std::collections::VecDeque::new() })
    }

    /// Hears of removed routes and rules, too. The kernel keeps everybody else's to itself: a machine
    /// with a full table of BGP changes thousands of routes in a second.
    pub(crate) fn watch_routes_and_rules(&self) -> io::Result<()> {
        sys::attach_filter(self.socket.as_fd(), &OURS)?;
        for group in [
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
            libc::RTNLGRP_IPV4_RULE,
            libc::RTNLGRP_IPV6_RULE,
        ] {
            self.socket.join(group)?;
        }
        Ok(())
    }

    /// To be watched for readability.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next notice, `None` when there is none at present. Call until `None`.
    #[allow(clippy::should_implement_trait, reason = "an iterator would end at the first None")]
    pub fn next(&mut self) -> io::Result<Option<Notice>> {
        loop {
            if let Some(notice) = self.queue.pop_front() {
                return Ok(Some(notice));
            }
            let queue = &mut self.queue;
            match self.socket.notices(|kind, body| queue.extend(parse_notice(kind, body))) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // The kernel dropped notices because nobody read them (seen with hundreds of
                // container interfaces coming up at once); it says so exactly once.
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Ok(Some(Notice::Overrun));
                }
                Err(e) => return Err(e),
            }
        }
    }
}

pub(crate) fn host_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn same_subnet(a: IpAddr, b: IpAddr, prefix_len: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let shift = 32u32.saturating_sub(u32::from(prefix_len));
            a.to_bits().checked_shr(shift) == b.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

/// The bytes of an address, as attributes hold them.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn address_message(kind: u16, flags: i32, own: OwnAddress, scope: u8) -> Writer {
    let family = if own.address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let [a, b, c, d] = own.ifindex.to_ne_bytes();
    let bytes = &octets(own.address);
    let mut writer = Writer::default();
    writer
        .message(kind, flags, &[family as u8, own.prefix_len, 0, scope, a, b, c, d])
        .attr(IFA_LOCAL, bytes)
        .attr(IFA_ADDRESS, bytes);
    writer
}

pub(crate) fn parse_link(body: &[u8]) -> Option<(String, Link)> {
    let flags = read_u32(body, 8)?;
    let mut name = String::new();
    let mut link = Link {
        index: read_u32(body, 4)?,
        mac: [0; 6],
        up: flags & libc::IFF_UP as u32 != 0,
        running: flags & libc::IFF_RUNNING as u32 != 0,
        mtu: 0,
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_ADDRESS => link.mac = value.try_into().unwrap_or_default(),
            IFLA_MTU => link.mtu = read_u32(value, 0)?,
            IFLA_IFNAME => {
                name = String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into();
            }
            _ => {}
        }
    }
    Some((name, link))
}

fn parse_address(body: &[u8]) -> Option<(OwnAddress, u32)> {
    let ifindex = read_u32(body, 4)?;
    let (prefix_len, short_flags) = (*body.get(1)?, *body.get(2)?);
    let (mut local, mut address, mut flags) = (None, None, u32::from(short_flags));
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            IFA_LOCAL => local = parse_ip(value),
            IFA_ADDRESS => address = parse_ip(value),
            IFA_FLAGS => flags = read_u32(value, 0)?,
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end; IPv6 sends IFA_ADDRESS only.
    Some((OwnAddress { ifindex, address: local.or(address)?, prefix_len }, flags))
}

pub(crate) fn parse_ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
}

fn parse_notice(kind: u16, body: &[u8]) -> Option<Notice> {
    match kind {
        libc::RTM_NEWLINK => parse_link(body).map(|(name, link)| Notice::Link {
            ifindex: link.index,
            name,
            up: link.up,
            running: link.running,
        }),
        libc::RTM_DELLINK => {
            parse_link(body).map(|(name, link)| Notice::LinkGone { ifindex: link.index, name })
        }
        libc::RTM_NEWADDR => parse_address(body).map(|(own, _)| Notice::AddressAdded(own)),
        libc::RTM_DELADDR => parse_address(body).map(|(own, _)| Notice::AddressRemoved(own)),
        libc::RTM_DELROUTE => Some(Notice::RouteRemoved),
        libc::RTM_DELRULE => Some(Notice::RuleRemoved),
        _ => None,
    }
}
