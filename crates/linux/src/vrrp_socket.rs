//! Sends and receives VRRP messages: a raw socket of IP protocol 112, bound to one interface.
//!
//! It does not read a message; `keepair_wire::vrrp` does. RFC 9568: section 5.1.1.2 (group
//! 224.0.0.18) and 5.1.2.2 (ff02::12), 5.1.1.3 and 5.1.2.3 (TTL and hop limit 255), 5.1.2.1 (an
//! IPv6 advert comes from the interface's link-local address). Multicast loop is off, so nobody
//! hears himself. The IPv6 checksum is written by the kernel, which also drops IPv6 messages with
//! a wrong one before they can be counted here. An interface that is gone and comes back under
//! the same name has another index and no memberships: `rejoin`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use keepair_wire::vrrp::{GROUP_V4, GROUP_V6, PROTOCOL};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};

use crate::datagram::{Receiver, ask_for_details};
use crate::rtnl::Rtnl;
use crate::sys;

/// Network control: precedence 6, class selector CS6 (RFC 4594 section 3.1).
const TOS: u32 = 0xC0;
const PRIORITY: u32 = 6;
const HOPS: u32 = 255;
/// Offset of the checksum in a VRRP message (RFC 9568 section 5.2).
const CHECKSUM_OFFSET: i32 = 6;

/// Where and how to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrrpSocketSpec {
    /// The interface's index.
    pub ifindex: u32,
    /// The interface's name.
    pub name: String,
    /// This machine's own address; decides the family.
    pub local: IpAddr,
    /// The other machine's own address, of the same family.
    pub peer: IpAddr,
    /// Send to `peer` instead of the group.
    pub unicast: bool,
}

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Source address.
    pub src: IpAddr,
    /// Destination address: the group, or one of ours.
    pub dst: IpAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// The interface it came in by.
    pub ifindex: u32,
    /// Where in the buffer the VRRP message lies, without the IP header.
    pub payload: Range<usize>,
}

impl Received {
    /// The VRRP message, given the buffer it was received into.
    pub fn message<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        buf.get(self.payload.clone()).unwrap_or(&[])
    }
}

/// The socket.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: Socket,
    spec: VrrpSocketSpec,
    local: IpAddr,
    receiver: Receiver,
}

impl VrrpSocket {
    /// Opens the socket; needs `CAP_NET_RAW`. The interface may be down, and our address missing.
    pub fn open(spec: VrrpSocketSpec) -> io::Result<VrrpSocket> {
        if spec.local.is_ipv4() != spec.peer.is_ipv4() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} and {} are of different families", spec.local, spec.peer),
            ));
        }
        let v4 = spec.local.is_ipv4();
        let socket = raw_socket(v4)?;
        if !v4 {
            sys::set_int(&socket, libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, CHECKSUM_OFFSET)?;
        }
        let local = spec.local;
        let mut opened = VrrpSocket { socket, spec, local, receiver: Receiver::new() };
        opened.attach()?;
        Ok(opened)
    }

    /// To be watched for readability.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The source address of what is sent: the link-local address for IPv6 multicast, as far as
    /// the interface had one when it was last looked for (`open`, `rejoin`).
    pub fn local(&self) -> IpAddr {
        self.local
    }

    /// Finds the interface anew by its name, and joins the group there again; for when the
    /// interface came back. Harmless when nothing was lost.
    pub fn rejoin(&mut self) -> io::Result<()> {
        let link = Rtnl::open()?.link_by_name(&self.spec.name)?;
        self.spec.ifindex = link.ok_or(io::Error::from_raw_os_error(libc::ENODEV))?.index;
        self.attach()
    }

    fn attach(&mut self) -> io::Result<()> {
        let ifindex = self.spec.ifindex;
        self.socket.bind_device(Some(self.spec.name.as_bytes()))?;
        match (self.spec.local, self.spec.unicast) {
            (IpAddr::V4(local), false) => {
                // Names the source address too; a bound IPv4 socket would not hear the group.
                rustix::net::sockopt::set_ip_multicast_if_with_ifindex(
                    &self.socket,
                    &Ipv4Addr::UNSPECIFIED,
                    &local,
                    ifindex,
                )?;
                let interface = InterfaceIndexOrAddress::Index(ifindex);
                joined(self.socket.join_multicast_v4_n(&GROUP_V4, &interface))
            }
            (IpAddr::V6(_), false) => {
                self.socket.set_multicast_if_v6(ifindex)?;
                //= https://www.rfc-editor.org/rfc/rfc9568#section-5.1.2.1
                //# The IPv6 link-local address of the interface the packet is being sent from.
                match self.link_local()? {
                    Some(address) => {
                        self.bind(IpAddr::V6(address))?;
                        self.local = IpAddr::V6(address);
                    }
                    None => self.local = self.spec.local,
                }
                joined(self.socket.join_multicast_v6(&GROUP_V6, ifindex))
            }
            (local, true) => self.bind(local),
        }
    }

    /// The interface's own link-local address. A virtual one does not count: it is deprecated.
    fn link_local(&self) -> io::Result<Option<Ipv6Addr>> {
        let own = Rtnl::open()?.source_addresses(self.spec.ifindex)?;
        Ok(own.into_iter().find_map(|address| match address {
            IpAddr::V6(a) if a.is_unicast_link_local() => Some(a),
            _ => None,
        }))
    }

    fn bind(&self, address: IpAddr) -> io::Result<()> {
        let to = match address {
            IpAddr::V4(_) => {
                self.socket.set_freebind_v4(true)?;
                SocketAddr::new(address, 0)
            }
            IpAddr::V6(_) => {
                self.socket.set_freebind_v6(true)?;
                with_scope(address, 0, self.spec.ifindex)
            }
        };
        self.socket.bind(&SockAddr::from(to))
    }

    /// Sends a VRRP message to the group or to the peer.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        let to = match (self.spec.unicast, self.spec.peer) {
            (true, peer) => peer,
            (false, IpAddr::V4(_)) => IpAddr::V4(GROUP_V4),
            (false, IpAddr::V6(_)) => IpAddr::V6(GROUP_V6),
        };
        let to = SockAddr::from(with_scope(to, 0, self.spec.ifindex));
        match self.socket.send_to(message, &to) {
            Ok(n) if n == message.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(e) => Err(e),
        }
    }

    /// The next message, `None` when there is none at present. Call until `None`, or as often as
    /// one wants to listen in a turn. Packets that are not IP as it should be are skipped.
    pub fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        let received = receive(&self.socket, &mut self.receiver, self.spec.local.is_ipv4(), buf)?;
        Ok(received.map(|received| {
            let unsaid = received.dst.is_unspecified();
            Received { dst: if unsaid { self.local } else { received.dst }, ..received }
        }))
    }
}

/// A raw socket of VRRP that hears no group it has not joined, never hears itself, and sends what
/// receivers want to see.
pub(crate) fn raw_socket(v4: bool) -> io::Result<Socket> {
    let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(PROTOCOL))))?;
    socket.set_nonblocking(true)?;
    if v4 {
        socket.set_ttl_v4(HOPS)?;
        socket.set_multicast_ttl_v4(HOPS)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_all_v4(false)?;
        socket.set_tos_v4(TOS)?;
    } else {
        socket.set_unicast_hops_v6(HOPS)?;
        socket.set_multicast_hops_v6(HOPS)?;
        socket.set_multicast_loop_v6(false)?;
        // Linux 4.20; before, a socket hears groups that others joined, which is harmless.
        let _ = socket.set_multicast_all_v6(false);
        socket.set_tclass_v6(TOS)?;
    }
    socket.set_priority(PRIORITY)?;
    ask_for_details(&socket, v4)?;
    Ok(socket)
}

/// The next message of such a socket. Packets that are not IP as it should be are skipped.
pub(crate) fn receive(
    socket: &Socket,
    receiver: &mut Receiver,
    v4: bool,
    buf: &mut [u8],
) -> io::Result<Option<Received>> {
    while let Some(datagram) = receiver.receive(socket, buf)? {
        let received = Received {
            src: datagram.src,
            dst: datagram.dst.unwrap_or(Ipv6Addr::UNSPECIFIED.into()),
            ttl: datagram.ttl,
            ifindex: datagram.ifindex,
            payload: 0..datagram.len,
        };
        if !v4 {
            return Ok(Some(received));
        }
        // An IPv4 raw socket delivers the IP header too.
        let packet = buf.get(..datagram.len).unwrap_or(&[]);
        if let Ok(ip) = keepair_wire::ip::parse_ipv4(packet) {
            let header = usize::from(packet.first().unwrap_or(&0) & 0x0f) * 4;
            let payload = header..header + ip.payload.len();
            let (dst, ttl) = (IpAddr::V4(ip.dst), ip.ttl);
            return Ok(Some(Received { dst, ttl, payload, ..received }));
        }
    }
    Ok(None)
}

pub(crate) fn joined(result: io::Result<()>) -> io::Result<()> {
    match result {
        // A member already.
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => Ok(()),
        other => other,
    }
}

/// Link-local IPv6 addresses mean nothing without the interface.
pub(crate) fn with_scope(address: IpAddr, port: u16, ifindex: u32) -> SocketAddr {
    match address {
        IpAddr::V6(a) if a.is_unicast_link_local() || a.is_multicast() => {
            SocketAddrV6::new(a, port, 0, ifindex).into()
        }
        _ => SocketAddr::new(address, port),
    }
}
