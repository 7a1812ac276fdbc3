//! The daemons' own link: UDP between the two machines' own addresses.
//!
//! Datagrams leave with TTL 255, and the TTL on arrival is reported, so that the core can refuse
//! what crossed a router (GTSM, RFC 5082 section 3). Whose datagrams count is the core's to say.
//! The socket is not connected: the news that nobody listens at the other end (ICMP port
//! unreachable) would otherwise fail the next `send` of a daemon that merely started first.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::datagram::{Receiver, ask_for_details};
use crate::rtnl::Rtnl;
use crate::vrrp_socket::with_scope;

const HOPS: u32 = 255;
const TOS: u32 = 0xC0;

/// The socket.
#[derive(Debug)]
pub struct PeerSocket {
    socket: Socket,
    peer: SockAddr,
    receiver: Receiver,
}

impl PeerSocket {
    /// Opens the socket on an interface (which must exist, though not be up) and binds it to this
    /// machine's own address, even if the address has yet to appear. Needs `CAP_NET_RAW`.
    pub fn open(local: IpAddr, peer: IpAddr, port: u16, ifname: &str) -> io::Result<PeerSocket> {
        let v4 = local.is_ipv4();
        if v4 != peer.is_ipv4() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{local} and {peer} are of different families"),
            ));
        }
        let link = Rtnl::open()?.link_by_name(ifname)?;
        let ifindex = link.ok_or(io::Error::from_raw_os_error(libc::ENODEV))?.index;
        let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if v4 {
            socket.set_ttl_v4(HOPS)?;
            socket.set_tos_v4(TOS)?;
            socket.set_freebind_v4(true)?;
        } else {
            socket.set_only_v6(true)?;
            socket.set_unicast_hops_v6(HOPS)?;
            socket.set_tclass_v6(TOS)?;
            socket.set_freebind_v6(true)?;
        }
        socket.set_priority(6)?;
        ask_for_details(&socket, v4)?;
        socket.bind_device(Some(ifname.as_bytes()))?;
        socket.bind(&SockAddr::from(with_scope(local, port, ifindex)))?;
        let peer = SockAddr::from(with_scope(peer, port, ifindex));
        Ok(PeerSocket { socket, peer, receiver: Receiver::new() })
    }

    /// To be watched for readability.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends a datagram to the other machine.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, &self.peer).map(|_| ())
    }

    /// The next datagram as length, source and TTL on arrival; `None` when there is none at
    /// present. The source may be anybody.
    pub fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<(usize, IpAddr, u8)>> {
        let datagram = self.receiver.receive(&self.socket, buf)?;
        Ok(datagram.map(|d| (d.len, d.src, d.ttl)))
    }
}
