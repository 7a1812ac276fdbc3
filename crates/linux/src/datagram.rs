//! Receiving one datagram together with what only control messages tell: hop limit, destination,
//! interface. Shared by the VRRP socket and the peer socket.

use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, recvmsg, setsockopt, sockopt,
};

/// What was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram {
    pub(crate) len: usize,
    pub(crate) src: IpAddr,
    /// Where it was sent to, if the kernel was asked.
    pub(crate) dst: Option<IpAddr>,
    /// Hop limit on arrival; 0 if the kernel did not say.
    pub(crate) ttl: u8,
    /// Interface it came in by; 0 if the kernel did not say.
    pub(crate) ifindex: u32,
}

/// Asks the kernel for hop limit, destination and interface of every datagram.
pub(crate) fn ask_for_details(fd: &impl AsFd, v4: bool) -> io::Result<()> {
    if v4 {
        setsockopt(fd, sockopt::Ipv4RecvTtl, &true)?;
        setsockopt(fd, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(fd, sockopt::Ipv6RecvHopLimit, &true)?;
        setsockopt(fd, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(())
}

/// Room for the control messages of one datagram, kept to spare the allocation.
#[derive(Debug)]
pub(crate) struct Receiver {
    control: Vec<u8>,
}

impl Receiver {
    pub(crate) fn new() -> Receiver {
        Receiver { control: nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo, [i32; 2]) }
    }

    /// The next datagram, `None` when there is none at present. One that is longer than `buf` is
    /// cut off, as are its checksum's chances.
    pub(crate) fn receive(
        &mut self,
        fd: &impl AsFd,
        buf: &mut [u8],
    ) -> io::Result<Option<Datagram>> {
        loop {
            let mut iov = [IoSliceMut::new(buf)];
            let received = recvmsg::<SockaddrStorage>(
                fd.as_fd().as_raw_fd(),
                &mut iov,
                Some(&mut self.control),
                MsgFlags::MSG_DONTWAIT,
            );
            let message = match received {
                Ok(message) => message,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Ok(None),
                // Left behind by an earlier send (ICMP), or by an interface that went down;
                // reading it has cleared it.
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH)
                | Err(Errno::ENETDOWN | Errno::EPROTO) => continue,
                Err(e) => return Err(e.into()),
            };
            let Some(src) = message.address.as_ref().and_then(address) else { continue };
            let mut datagram = Datagram { len: message.bytes, src, dst: None, ttl: 0, ifindex: 0 };
            for control in message.cmsgs()? {
                match control {
                    ControlMessageOwned::Ipv4Ttl(hops)
                    | ControlMessageOwned::Ipv6HopLimit(hops) => {
                        datagram.ttl = u8::try_from(hops).unwrap_or(0);
                    }
                    ControlMessageOwned::Ipv4PacketInfo(info) => {
                        datagram.dst = Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()));
                        datagram.ifindex = u32::try_from(info.ipi_ifindex).unwrap_or(0);
                    }
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        datagram.dst = Some(IpAddr::from(info.ipi6_addr.s6_addr));
                        datagram.ifindex = info.ipi6_ifindex;
                    }
                    _ => {}
                }
            }
            return Ok(Some(datagram));
        }
    }
}

fn address(from: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = from.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| from.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        .filter(|_| from.family().is_some())
}
