//! Raw sockets of VRRP: one to send by for each family, and one to listen by for each interface and
//! family.
//!
//! An instance's source, TTL and interface differ from the next one's, and travel with each message
//! as control data; so instances share a socket. What is heard is bound to an interface, as adverts
//! of one network mean nothing in another. A socket joins every group that an instance of its
//! interface listens to, and no other; unicast comes in by it all the same.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use keepair_core::router::Config;
use keepair_core::router::config::{Family, LinkId, Transport};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use socket2::{InterfaceIndexOrAddress, Socket};

use crate::datagram::Receiver;
use crate::vrrp_socket::{Received, joined, raw_socket, receive, with_scope};

/// TTL or hop limit of what goes to a group.
//= https://www.rfc-editor.org/rfc/rfc9568#section-5.1.1.3
//# The TTL MUST be set to 255.
const HOPS: u8 = 255;

/// Sends.
#[derive(Debug)]
pub(crate) struct Sender {
    v4: Socket,
    v6: Option<Socket>,
}

impl Sender {
    /// Needs `CAP_NET_RAW`. A kernel without IPv6 sends none.
    ///
    /// # Errors
    /// When sockets are refused.
    pub(crate) fn open() -> io::Result<Sender> {
        let open = |v4| {
            let socket = raw_socket(v4)?;
            // What is written in the file is sent, also if the address is on another interface, as it
            // is with a macvlan, or on none.
            if v4 {
                socket.set_ip_transparent_v4(true)?;
            } else {
                socket.set_ip_transparent_v6(true)?;
            }
            // It is unbound and hears every message of this machine; nobody reads them.
            crate::sys::attach_filter(&socket, &[(crate::sys::RETURN, 0, 0, 0)])?;
            Ok::<_, io::Error>(socket)
        };
        Ok(Sender { v4: open(true)?, v6: open(false).ok() })
    }

    /// Sends a message from an address by an interface.
    ///
    /// # Errors
    /// When the kernel refuses, as for an interface that is down.
    pub(crate) fn send(
        &self,
        ifindex: u32,
        src: IpAddr,
        dst: IpAddr,
        ttl: u8,
        message: &[u8],
    ) -> io::Result<()> {
        let index = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (v4, v6, hops) = (pktinfo4(src, index), pktinfo6(src, ifindex), i32::from(ttl));
        let (socket, control) = match src {
            IpAddr::V4(_) => {
                (&self.v4, [ControlMessage::Ipv4PacketInfo(&v4), ControlMessage::Ipv4Ttl(&hops)])
            }
            IpAddr::V6(_) => {
                let socket = self.v6.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                let info = ControlMessage::Ipv6PacketInfo(&v6);
                (socket, [info, ControlMessage::Ipv6HopLimit(&hops)])
            }
        };
        let to = SockaddrStorage::from(with_scope(dst, 0, ifindex));
        let flags = MsgFlags::MSG_DONTWAIT;
        let parts = [IoSlice::new(message)];
        sendmsg(socket.as_raw_fd(), &parts, &control, flags, Some(&to))?;
        Ok(())
    }
}

fn pktinfo4(src: IpAddr, index: i32) -> libc::in_pktinfo {
    let bytes = match src {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    libc::in_pktinfo {
        ipi_ifindex: index,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(bytes) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

fn pktinfo6(src: IpAddr, ifindex: u32) -> libc::in6_pktinfo {
    let s6_addr = match src {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(_) => [0; 16],
    };
    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr }, ipi6_ifindex: ifindex }
}

/// TTL or hop limit of what an instance sends.
pub(crate) fn ttl(transport: &Transport) -> u8 {
    match transport {
        Transport::Multicast { .. } => HOPS,
        Transport::Unicast { ttl, .. } => *ttl,
    }
}

/// What a socket hears: an interface, a family, and groups.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Ear {
    link: LinkId,
    v4: bool,
    groups: BTreeSet<IpAddr>,
}

/// Listens on an interface.
#[derive(Debug)]
struct Listener {
    ear: Ear,
    ifindex: u32,
    socket: Socket,
    receiver: Receiver,
}

/// Listens on all of them.
#[derive(Default, Debug)]
pub(crate) struct Listeners {
    ears: Vec<Ear>,
    open: Vec<Listener>,
}

impl Listeners {
    /// Listens for what a configuration wants to hear, and no longer for the rest. Sockets are opened
    /// by [`Listeners::attach`].
    pub(crate) fn adopt(&mut self, config: &Config) {
        self.ears.clear();
        self.open.clear();
        for instance in &config.instances {
            let v4 = instance.family == Family::V4;
            let at = |ear: &Ear| ear.link == instance.link && ear.v4 == v4;
            let at = self.ears.iter().position(at).unwrap_or_else(|| {
                self.ears.push(Ear { link: instance.link, v4, groups: BTreeSet::new() });
                self.ears.len() - 1
            });
            if let (Transport::Multicast { group }, Some(ear)) =
                (&instance.transport, self.ears.get_mut(at))
            {
                ear.groups.insert(*group);
            }
        }
    }

    /// An interface is there, perhaps under a new index: listens on it. Harmless when nothing was
    /// lost. With `None`, it is gone.
    ///
    /// # Errors
    /// When a socket is refused.
    pub(crate) fn attach(
        &mut self,
        link: LinkId,
        name: &str,
        ifindex: Option<u32>,
    ) -> io::Result<()> {
        // A socket of an interface that is gone hears nothing of its successor.
        self.open.retain(|it| it.ear.link != link || Some(it.ifindex) == ifindex);
        let Some(ifindex) = ifindex else { return Ok(()) };
        for listener in self.open.iter().filter(|it| it.ear.link == link) {
            listener.join()?;
        }
        let mut result = Ok(());
        for ear in self.ears.iter().filter(|ear| ear.link == link) {
            if !self.open.iter().any(|it| it.ear == *ear) {
                match Listener::open(ear.clone(), name, ifindex) {
                    Ok(listener) => self.open.push(listener),
                    Err(error) => result = Err(error),
                }
            }
        }
        result
    }

    /// To be watched for readability, each with its place.
    pub(crate) fn fds(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        self.open.iter().map(|it| it.socket.as_fd()).enumerate()
    }

    /// The next message of the socket of this place, `None` when there is none at present.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn receive(
        &mut self,
        at: usize,
        buf: &mut [u8],
    ) -> io::Result<Option<(LinkId, Received)>> {
        let Some(it) = self.open.get_mut(at) else { return Ok(None) };
        let received = receive(&it.socket, &mut it.receiver, it.ear.v4, buf)?;
        Ok(received.map(|received| (it.ear.link, received)))
    }
}

impl Listener {
    fn open(ear: Ear, name: &str, ifindex: u32) -> io::Result<Listener> {
        let socket = raw_socket(ear.v4)?;
        socket.bind_device(Some(name.as_bytes()))?;
        let listener = Listener { ear, ifindex, socket, receiver: Receiver::new() };
        listener.join()?;
        Ok(listener)
    }

    fn join(&self) -> io::Result<()> {
        for group in &self.ear.groups {
            joined(match group {
                IpAddr::V4(group) => {
                    let interface = InterfaceIndexOrAddress::Index(self.ifindex);
                    self.socket.join_multicast_v4_n(group, &interface)
                }
                IpAddr::V6(group) => self.socket.join_multicast_v6(group, self.ifindex),
            })?;
        }
        Ok(())
    }
}
