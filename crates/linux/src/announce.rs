//! Tells the network where the virtual addresses are, and asks whether somebody else holds them.
//!
//! Whole Ethernet frames over `AF_PACKET`, built by `keepair_wire`: they pass the fence, and need
//! no address on the interface. How often to repeat, and what a claim means, is the core's to say.
//! RFC 9568 section 6.4.1 (gratuitous ARP, unsolicited neighbour advertisements), RFC 5227 section
//! 2.1.1 (ARP probe), RFC 4862 section 5.4.2 (the IPv6 probe).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use keepair_core::config::Vip;
use keepair_wire::{arp, ndp};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::sys::{self, BpfInsn, JUMP_IF_EQUAL, LOAD_BYTE, LOAD_HALF, RETURN};

const ETHERTYPE_ALL: u16 = libc::ETH_P_ALL as u16;
const FRAME_BYTES_MAX: usize = 2048;
/// Frames looked at in one call, lest a flood holds the thread.
const TURN: usize = 64;

/// Lets ARP, neighbour solicitations and advertisements pass, and nothing else: a Redis machine may
/// receive a million packets a second, and this thread must not see them.
const FILTER: [BpfInsn; 10] = [
    (LOAD_HALF, 0, 0, 12), // EtherType
    (JUMP_IF_EQUAL, 6, 0, arp::ETHERTYPE as u32),
    (JUMP_IF_EQUAL, 0, 6, ndp::ETHERTYPE as u32),
    (LOAD_BYTE, 0, 0, 14 + 6),  // next header
    (JUMP_IF_EQUAL, 0, 4, 58),  // ICMPv6
    (LOAD_BYTE, 0, 0, 14 + 40), // ICMPv6 type
    (JUMP_IF_EQUAL, 1, 0, 135),
    (JUMP_IF_EQUAL, 0, 1, 136),
    (RETURN, 0, 0, u32::MAX),
    (RETURN, 0, 0, 0),
];

fn packet_socket() -> io::Result<OwnedFd> {
    // Protocol 0: nothing is received before a filter is in place.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?)
}

/// A socket that sends whole frames on an interface, and hears of others' ARP packets, neighbour
/// solicitations and advertisements, and of nothing else.
pub(crate) fn listen(ifindex: u32) -> io::Result<OwnedFd> {
    let fd = packet_socket()?;
    sys::attach_filter(&fd, &FILTER)?;
    // Linux 4.20; before, our own frames come back, and are told by their address.
    let _ = sys::set_int(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1);
    sys::bind_packet(&fd, ifindex, ETHERTYPE_ALL)?;
    Ok(fd)
}

/// Sends announcements and probes.
#[derive(Debug)]
pub struct Announcer {
    fd: OwnedFd,
    ifindex: u32,
}

impl Announcer {
    /// Opens the socket on an interface; needs `CAP_NET_RAW`.
    pub fn open(ifindex: u32) -> io::Result<Announcer> {
        let fd = packet_socket()?;
        sys::bind_packet(&fd, ifindex, 0)?;
        Ok(Announcer { fd, ifindex })
    }

    /// Announces once that the addresses are at `mac`. Every address is tried; the first error is
    /// returned.
    pub fn announce(&self, mac: [u8; 6], vips: &[Vip]) -> io::Result<()> {
        self.each(vips, |address| match address {
            IpAddr::V4(a) => self.send(&arp::gratuitous(mac, a)),
            IpAddr::V6(a) => self.send(&ndp::unsolicited_advertisement(mac, a)),
        })
    }

    /// Asks once whether another station holds one of the addresses.
    pub fn probe(&self, mac: [u8; 6], vips: &[Vip]) -> io::Result<()> {
        self.each(vips, |address| match address {
            IpAddr::V4(a) => self.send(&arp::probe(mac, a)),
            IpAddr::V6(a) => self.send(&ndp::probe(mac, a)),
        })
    }

    /// Starts to listen for stations other than `mac` that claim one of the addresses.
    pub fn claims(&self, mac: [u8; 6], vips: &[Vip]) -> io::Result<Claims> {
        let fd = listen(self.ifindex)?;
        Ok(Claims { fd, mac, vips: vips.iter().map(|vip| vip.address).collect() })
    }

    fn each(&self, vips: &[Vip], send: impl Fn(IpAddr) -> io::Result<()>) -> io::Result<()> {
        let mut result = Ok(());
        for vip in vips {
            let sent = send(vip.address);
            result = result.and(sent);
        }
        result
    }

    /// Sends a whole Ethernet frame.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, frame, SendFlags::empty()))?;
        Ok(())
    }
}

/// Hears who claims the addresses; dropped when the probing is over.
#[derive(Debug)]
pub struct Claims {
    fd: OwnedFd,
    mac: [u8; 6],
    vips: Vec<IpAddr>,
}

impl Claims {
    /// To be watched for readability.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The next claim as address and station, `None` when there is none at present.
    pub fn next_claim(&mut self) -> io::Result<Option<(IpAddr, [u8; 6])>> {
        let mut buf = [0; FRAME_BYTES_MAX];
        for _ in 0..TURN {
            match rustix::net::recv(&self.fd, &mut buf[..], RecvFlags::DONTWAIT) {
                Ok((_, len)) => {
                    let claim = claimed_by(buf.get(..len).unwrap_or(&[]));
                    if let Some((address, mac)) = claim
                        && mac != self.mac
                        && self.vips.contains(&address)
                    {
                        return Ok(Some((address, mac)));
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                // The interface went down: reported once, and the socket lives on.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NETDOWN) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(None)
    }
}

/// Which address a frame's sender claims to hold: any ARP packet from it, an advertisement of it,
/// or a solicitation sent from it. A probe claims nothing yet.
fn claimed_by(frame: &[u8]) -> Option<(IpAddr, [u8; 6])> {
    if let Ok(packet) = arp::parse(frame) {
        return Some((IpAddr::V4(packet.sender_ip), packet.sender_mac));
    }
    let packet = ndp::parse(frame).ok()?;
    let mac = packet.link_layer.unwrap_or(packet.source_mac);
    match packet.kind {
        ndp::Kind::Solicitation => Some((IpAddr::V6(packet.src), mac)),
        ndp::Kind::Advertisement { .. } => Some((IpAddr::V6(packet.target), mac)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_claims_nothing_and_an_announcement_does() {
        let mac = [2, 0, 0, 0, 0, 1];
        for address in ["10.0.0.100", "fd00::100"] {
            let ip: IpAddr = address.parse().unwrap();
            let (probe, announcement) = match ip {
                IpAddr::V4(a) => (arp::probe(mac, a).to_vec(), arp::gratuitous(mac, a).to_vec()),
                IpAddr::V6(a) => {
                    (ndp::probe(mac, a).to_vec(), ndp::unsolicited_advertisement(mac, a).to_vec())
                }
            };
            assert_ne!(claimed_by(&probe).map(|(a, _)| a), Some(ip));
            assert_eq!(claimed_by(&announcement), Some((ip, mac)));
        }
    }
}
