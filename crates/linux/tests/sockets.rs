//! The VRRP socket and the daemons' own link between two machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
mod common;

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use common::{Right, index_of, pair, report, sh, wait_for};
use keepair_linux::peer_socket::PeerSocket;
use keepair_linux::vrrp_socket::{Received, VrrpSocket, VrrpSocketSpec};
use keepair_wire::vrrp::{Advert, ChecksumForm};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn wait_readable(fd: BorrowedFd<'_>) {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let limit = Timespec { tv_sec: 3, tv_nsec: 0 };
    assert_eq!(poll(&mut fds, Some(&limit)).unwrap(), 1, "nothing came in three seconds");
}

fn sockets(right: &Right, v6: bool, unicast: bool) -> (VrrpSocket, VrrpSocket) {
    let (local, peer) =
        if v6 { (ip("fd09::1"), ip("fd09::2")) } else { (ip("10.9.0.1"), ip("10.9.0.2")) };
    let open = |name: &str, local, peer| {
        let ifindex = index_of(name);
        VrrpSocket::open(VrrpSocketSpec { ifindex, name: name.into(), local, peer, unicast })
            .unwrap()
    };
    (open("left0", local, peer), right.run(|| open("right0", peer, local)))
}

fn advert(from: &VrrpSocket, to: IpAddr) -> Vec<u8> {
    let address = if to.is_ipv4() { ip("10.9.0.100") } else { ip("fe80::100") };
    Advert { vrid: 51, priority: 100, max_advert_int_cs: 1, addresses: vec![address] }.emit(
        from.local(),
        to,
        ChecksumForm::PseudoHeader,
    )
}

fn hear(socket: &mut VrrpSocket) -> (Received, Vec<u8>) {
    wait_readable(socket.as_fd());
    let mut buf = [0; 2048];
    let received = socket.recv(&mut buf).unwrap().unwrap();
    let message = received.message(&buf).to_vec();
    (received, message)
}

#[test]
fn adverts_arrive_with_all_that_a_receiver_must_check() {
    for (v6, unicast) in [(false, false), (false, true), (true, false), (true, true)] {
        let right = pair();
        let (left, mut other) = sockets(&right, v6, unicast);
        let dst = match (v6, unicast) {
            (false, false) => ip("224.0.0.18"),
            (true, false) => ip("ff02::12"),
            (false, true) => ip("10.9.0.2"),
            (true, true) => ip("fd09::2"),
        };
        // RFC 9568 section 5.1.2.1: IPv6 multicast comes from the link-local address.
        let src = match (v6, unicast) {
            (true, false) => ip("fe80::1"),
            (true, true) => ip("fd09::1"),
            (false, _) => ip("10.9.0.1"),
        };
        assert_eq!(left.local(), src);
        let sent = advert(&left, dst);
        left.send(&sent).unwrap();
        let (received, message) = hear(&mut other);
        assert_eq!((received.src, received.dst, received.ttl), (src, dst, 255));
        assert_eq!(received.ifindex, right.run(|| index_of("right0")));
        assert_eq!(message, sent);
        keepair_wire::vrrp::parse(&message, src, dst).unwrap();
        // Nobody hears himself.
        let mut left = left;
        assert_eq!(left.recv(&mut [0; 2048]).unwrap(), None);
    }
}

#[test]
fn the_tos_is_network_control() {
    let right = pair();
    let (left, _other) = sockets(&right, false, false);
    let capture = right.spawn(|| sh("timeout 5 tcpdump -c1 -nvi right0 proto 112 2>/dev/null"));
    wait_for("tcpdump", || {
        left.send(&advert(&left, ip("224.0.0.18"))).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        capture.is_finished()
    });
    let seen = capture.join().unwrap();
    assert!(seen.contains("tos 0xc0") && seen.contains("ttl 255"), "{seen}");
}

#[test]
fn a_virtual_link_local_address_is_not_the_source() {
    let right = pair();
    sh("ip addr add fe80::100/128 dev left0 nodad preferred_lft 0");
    let (left, mut other) = sockets(&right, true, false);
    left.send(&advert(&left, ip("ff02::12"))).unwrap();
    assert_eq!(hear(&mut other).0.src, ip("fe80::1"));
}

#[test]
fn adverts_survive_the_interface_going_down_and_being_replaced() {
    for v6 in [false, true] {
        let right = pair();
        let (left, mut other) = sockets(&right, v6, false);
        let group = if v6 { ip("ff02::12") } else { ip("224.0.0.18") };
        let message = advert(&left, group);
        right.run(|| sh("ip link set right0 down"));
        wait_for("an error", || {
            left.send(&message).is_err() || !sh("ip link show left0").contains("LOWER_UP")
        });
        right.run(|| {
            sh("ip link set right0 up; ip addr replace fe80::2/64 dev right0 nodad
                ip addr replace fd09::2/64 dev right0 nodad");
            other.rejoin().unwrap();
        });
        wait_for("the cable", || sh("ip link show left0").contains("LOWER_UP"));
        while other.recv(&mut [0; 2048]).unwrap().is_some() {}
        left.send(&message).unwrap();
        hear(&mut other);
        // A new interface of the same name, with another index.
        let netns = right.path();
        sh(&format!(
            "ip link del left0; ip link add left0 type veth peer name right0
             ip link set right0 netns {netns}; ip addr add 10.9.0.1/24 dev left0
             ip link set left0 addrgenmode none; ip link set left0 up
             ip addr add fe80::1/64 dev left0 nodad"
        ));
        let mut left = left;
        right.run(|| {
            assert!(other.recv(&mut [0; 2048]).unwrap().is_none());
            sh("ip addr add 10.9.0.2/24 dev right0; ip link set right0 addrgenmode none
                ip link set right0 up; ip addr add fe80::2/64 dev right0 nodad");
            other.rejoin().unwrap();
        });
        left.rejoin().unwrap();
        wait_for("the cable", || sh("ip link show left0").contains("LOWER_UP"));
        left.send(&message).unwrap();
        hear(&mut other);
    }
}

#[test]
fn an_interface_that_is_down_or_missing() {
    let _right = pair();
    sh("ip link set left0 down; ip addr flush dev left0");
    let spec = |name: &str, local| VrrpSocketSpec {
        ifindex: index_of("left0"),
        name: name.into(),
        local,
        peer: if local == ip("10.9.0.1") { ip("10.9.0.2") } else { ip("fd09::2") },
        unicast: false,
    };
    for local in [ip("10.9.0.1"), ip("fd09::1")] {
        let socket = VrrpSocket::open(spec("left0", local)).unwrap();
        assert!(socket.send(&[0; 20]).is_err());
    }
    let error = VrrpSocket::open(spec("nope0", ip("10.9.0.1"))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc_enodev()));
    let error = PeerSocket::open(ip("10.9.0.1"), ip("10.9.0.2"), 7000, "nope0").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc_enodev()));
    let error = PeerSocket::open(ip("10.9.0.1"), ip("fd09::2"), 7000, "left0").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

fn libc_enodev() -> i32 {
    rustix::io::Errno::NODEV.raw_os_error()
}

#[test]
fn the_daemons_link_reports_length_source_and_ttl() {
    let right = pair();
    for (a, b) in [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2"), ("fe80::1", "fe80::2")] {
        let left = PeerSocket::open(ip(a), ip(b), 7379, "left0").unwrap();
        // Nobody listens yet; the refusal must not fail what follows.
        for _ in 0..3 {
            left.send(b"too early").unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut other = right.run(|| PeerSocket::open(ip(b), ip(a), 7379, "right0").unwrap());
        left.send(b"hello").unwrap();
        wait_readable(other.as_fd());
        let mut buf = [0; 64];
        assert_eq!(other.recv(&mut buf).unwrap(), Some((5, ip(a), 255)));
        assert_eq!(&buf[..5], b"hello");
        assert_eq!(other.recv(&mut buf).unwrap(), None);
    }
    // A stranger's datagram shows its lower TTL.
    let mut other =
        right.run(|| PeerSocket::open(ip("10.9.0.2"), ip("10.9.0.1"), 7380, "right0").unwrap());
    UdpSocket::bind("10.9.0.1:0").unwrap().send_to(b"x", "10.9.0.2:7380").unwrap();
    wait_readable(other.as_fd());
    assert_eq!(other.recv(&mut [0; 64]).unwrap(), Some((1, ip("10.9.0.1"), 64)));
}

#[test]
fn the_daemons_link_opens_before_its_address_appears() {
    let right = pair();
    sh("ip addr del 10.9.0.1/24 dev left0");
    let mut left = PeerSocket::open(ip("10.9.0.1"), ip("10.9.0.2"), 7379, "left0").unwrap();
    let other =
        right.run(|| PeerSocket::open(ip("10.9.0.2"), ip("10.9.0.1"), 7379, "right0").unwrap());
    sh("ip addr add 10.9.0.1/24 dev left0");
    other.send(b"welcome").unwrap();
    wait_readable(left.as_fd());
    assert_eq!(left.recv(&mut [0; 64]).unwrap(), Some((7, ip("10.9.0.2"), 255)));
}

#[test]
fn costs() {
    let right = pair();
    let (left, mut other) = sockets(&right, false, false);
    let message = advert(&left, ip("224.0.0.18"));
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..300 {
        let start = Instant::now();
        left.send(&message).unwrap();
        samples[0].push(start.elapsed());
        wait_readable(other.as_fd());
        let start = Instant::now();
        other.recv(&mut [0; 2048]).unwrap().unwrap();
        samples[1].push(start.elapsed());
    }
    let [send, recv] = samples;
    report("vrrp send", send);
    report("vrrp recv", recv);
}
