//! The dead man's switch on a real kernel: what stops, when, and what does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
mod common;
#[path = "fence/start.rs"]
mod start;
#[path = "fence/switchover.rs"]
mod switchover;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Right, index_of, pair, report, sh};
use keepair_core::config::Vip;
use keepair_linux::fence::{Fence, FenceSpec, Renewal};
use keepair_linux::rtnl::Rtnl;

const VIP4: &str = "10.9.0.100";
const VIP6: &str = "fd09::100";
const PORT: u16 = 6379;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn spec() -> FenceSpec {
    FenceSpec {
        vrid: 51,
        vips: vec![ip(VIP4), ip(VIP6)],
        redis_port: PORT,
        gated: vec![ip("10.9.0.2")],
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Two machines; the virtual addresses are on the left one, behind the fence.
fn fenced() -> (Right, Fence) {
    let right = pair();
    let mut rtnl = Rtnl::open().unwrap();
    for address in [VIP4, VIP6] {
        let vip = Vip { address: ip(address), prefix_len: 24 };
        rtnl.add_address(index_of("left0"), vip).unwrap();
    }
    (right, Fence::install(spec()).unwrap())
}

fn pings(from: &Right, address: &'static str) -> bool {
    from.run(move || {
        sh(&format!("ping -c1 -W1 -i0.2 {address} >/dev/null && echo yes || echo no")).trim()
            == "yes"
    })
}

/// Reads until nothing came for half a second; when the last byte came.
fn last_byte(mut stream: TcpStream) -> Option<Instant> {
    stream.set_read_timeout(Some(ms(500))).unwrap();
    let mut last = None;
    let mut buf = [0; 64];
    while stream.read(&mut buf).is_ok_and(|n| n > 0) {
        last = Some(Instant::now());
    }
    last
}

/// Writes a byte every millisecond until told to stop.
fn chatter(mut stream: TcpStream, stop: Arc<AtomicBool>) {
    stream.set_nodelay(true).unwrap();
    stream.set_write_timeout(Some(ms(1))).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let _ = stream.write(b"x");
        std::thread::sleep(ms(1));
    }
}

/// An accepted connection chatters in both directions; how long after the last renewal did each
/// direction hear the other?
fn silence_after(address: &str, life: Duration) -> [Duration; 2] {
    let (right, mut fence) = fenced();
    let server = TcpListener::bind((ip(address), PORT)).unwrap();
    let to = SocketAddr::new(ip(address), PORT);
    fence.open(ms(5000)).unwrap();
    let theirs = right.spawn(move || TcpStream::connect(to).unwrap()).join().unwrap();
    let (ours, _) = server.accept().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let clones = [ours.try_clone().unwrap(), theirs.try_clone().unwrap()];
    let chatters = clones.map(|s| {
        let stop = stop.clone();
        std::thread::spawn(move || chatter(s, stop))
    });
    let heard = [ours, theirs].map(|s| std::thread::spawn(move || last_byte(s)));
    std::thread::sleep(ms(20));
    assert_eq!(fence.renew(life).unwrap(), Renewal::Extended);
    let renewed = Instant::now();
    let heard = heard.map(|h| h.join().unwrap().unwrap().saturating_duration_since(renewed));
    stop.store(true, Ordering::Relaxed);
    for chatter in chatters {
        chatter.join().unwrap();
    }
    assert_eq!(fence.renew(life).unwrap(), Renewal::Lapsed, "a right that ended stays ended");
    heard
}

#[test]
fn an_accepted_connection_falls_silent_in_both_directions_on_time() {
    for life in [ms(300), ms(33)] {
        for address in [VIP4, VIP6] {
            // One thread per trial: each makes its own two machines.
            let trials: Vec<_> = (0..5)
                .map(|_| std::thread::spawn(move || silence_after(address, life)).join().unwrap())
                .collect();
            for (heard, who) in [(0, "server"), (1, "client")] {
                let ms: Vec<f64> = trials.iter().map(|t| t[heard].as_secs_f64() * 1e3).collect();
                println!("{address} {life:?}: {who} heard the last byte after {ms:.1?} ms");
            }
            for silent in trials.iter().flatten() {
                assert!(*silent <= life + ms(3), "{address}: {silent:?} for {life:?}");
            }
            // Who speaks may have had to wait for a processor: a median says when it was silenced.
            for side in [0, 1] {
                let mut silent: Vec<_> = trials.iter().map(|trial| trial[side]).collect();
                silent.sort();
                assert!(silent[2] + ms(25) >= life, "{address}: {silent:?} for {life:?}");
            }
        }
    }
}

#[test]
fn a_shut_address_answers_neither_arp_nor_neighbour_solicitations() {
    let (right, mut fence) = fenced();
    for address in [VIP4, VIP6] {
        assert!(!pings(&right, address), "{address} answers though shut from the start");
        let entry = right.run(move || sh(&format!("ip neigh show {address}")));
        assert!(!entry.contains("lladdr"), "resolved: {entry}");
    }
    fence.open(ms(4000)).unwrap();
    for address in [VIP4, VIP6] {
        right.run(|| sh("ip neigh flush dev right0"));
        assert!(pings(&right, address), "{address} is silent though open");
    }
    fence.close().unwrap();
    fence.close().unwrap();
    for address in [VIP4, VIP6] {
        right.run(|| sh("ip neigh flush dev right0"));
        assert!(!pings(&right, address));
        let entry = right.run(move || sh(&format!("ip neigh show {address}")));
        assert!(!entry.contains("lladdr"), "resolved: {entry}");
    }
    // The machine's own addresses never suffer.
    for address in ["10.9.0.1", "fd09::1"] {
        assert!(pings(&right, address));
    }
}

#[test]
fn loopback_clients_are_shut_out_as_well() {
    let (_right, mut fence) = fenced();
    for address in [VIP4, VIP6] {
        let server = TcpListener::bind((ip(address), PORT)).unwrap();
        let to = server.local_addr().unwrap();
        let error = TcpStream::connect_timeout(&to, ms(150)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::PermissionDenied));
        fence.open(ms(4000)).unwrap();
        TcpStream::connect_timeout(&to, ms(3000)).unwrap();
        fence.close().unwrap();
    }
}

#[test]
fn a_machine_behind_the_fence_still_learns_where_the_address_went() {
    let (right, _fence) = fenced();
    // The other machine takes the address and announces it; this one has given it up.
    sh("ip addr del 10.9.0.100/32 dev left0; ip addr del fd09::100/128 dev left0
        echo 1 > /proc/sys/net/ipv4/conf/left0/arp_accept");
    right.run(|| {
        sh("ip addr add 10.9.0.100/32 dev right0; ip addr add fd09::100/128 dev right0 nodad");
    });
    sh("ping -c1 -W2 10.9.0.100; ping -c1 -W2 fd09::100");
}

#[test]
fn the_gate_resets_the_peers_new_connections_and_nothing_else() {
    let (right, mut fence) = fenced();
    let redis = TcpListener::bind(("10.9.0.1", PORT)).unwrap();
    let other = TcpListener::bind(("10.9.0.1", PORT + 1)).unwrap();
    let connect = |port| {
        right.run(move || {
            TcpStream::connect_timeout(&SocketAddr::new(ip("10.9.0.1"), port), ms(1000))
        })
    };
    let mut early = connect(PORT).unwrap();
    let (mut accepted, _) = redis.accept().unwrap();
    fence.open(ms(4000)).unwrap();
    assert!(!fence.gate_is_closed().unwrap());
    fence.close_with_gate().unwrap();
    fence.close_with_gate().unwrap();
    assert!(fence.gate_is_closed().unwrap());
    assert_eq!(fence.remaining().unwrap(), None);
    let start = Instant::now();
    assert_eq!(connect(PORT).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    println!("refused after {:?}", start.elapsed());
    connect(PORT + 1).unwrap();
    drop(other);
    TcpStream::connect(("10.9.0.1", PORT)).unwrap();
    early.write_all(b"still here").unwrap();
    accepted.read_exact(&mut [0; 10]).unwrap();
    // A closed gate outlives the daemon that closed it.
    drop(fence);
    let mut fence = Fence::install(spec()).unwrap();
    assert!(fence.gate_is_closed().unwrap());
    assert!(connect(PORT).is_err());
    fence.open_gate().unwrap();
    fence.open_gate().unwrap();
    connect(PORT).unwrap();
}

#[test]
fn the_gate_works_for_an_ipv6_peer() {
    let right = pair();
    let spec = FenceSpec { gated: vec![ip("fd09::2")], vips: vec![ip(VIP6)], ..spec() };
    let mut fence = Fence::install(spec).unwrap();
    let _redis = TcpListener::bind(("fd09::1", PORT)).unwrap();
    let connect = || right.run(|| TcpStream::connect(("fd09::1", PORT)));
    fence.close_with_gate().unwrap();
    assert_eq!(connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
    fence.open_gate().unwrap();
    connect().unwrap();
}

#[test]
fn a_living_right_survives_its_daemon_and_is_found_again() {
    let (right, mut fence) = fenced();
    assert_eq!(fence.remaining().unwrap(), None);
    fence.open(ms(2000)).unwrap();
    drop(fence);
    let mut fence = Fence::install(spec()).unwrap();
    let left = fence.remaining().unwrap().unwrap();
    assert!(left > ms(1500) && left <= ms(2000), "{left:?}");
    assert!(pings(&right, VIP4));
    assert_eq!(fence.renew(ms(3000)).unwrap(), Renewal::Extended);
    assert!(fence.remaining().unwrap().unwrap() > ms(2500));
    fence.close().unwrap();
    assert_eq!(fence.renew(ms(3000)).unwrap(), Renewal::Lapsed);
    assert_eq!(fence.remaining().unwrap(), None);
    assert_eq!(fence.open(ms(5)).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_fence_that_somebody_removed_is_noticed() {
    let (right, mut fence) = fenced();
    fence.open(ms(2000)).unwrap();
    assert!(fence.intact().unwrap());
    sh("nft flush ruleset");
    assert!(!fence.intact().unwrap());
    assert_eq!(fence.renew(ms(2000)).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(pings(&right, VIP4));
    // To close a fence that is gone is to build it again.
    fence.close_with_gate().unwrap();
    assert!(fence.intact().unwrap() && fence.gate_is_closed().unwrap());
    assert!(!pings(&right, VIP4));
    sh("nft flush ruleset");
    let mut fence = Fence::install(spec()).unwrap();
    assert!(fence.intact().unwrap());
    assert!(!pings(&right, VIP4));
    fence.open(ms(2000)).unwrap();
    sh("nft flush table inet keepair_51");
    assert!(!fence.intact().unwrap());
    fence.remove().unwrap();
    assert_eq!(sh("nft list ruleset").trim(), "");
    // A table of the same name and another shape is replaced.
    sh("nft add table inet keepair_51; nft add set inet keepair_51 alive4 '{ type ipv4_addr; }'
        nft add chain inet keepair_51 input '{ type filter hook input priority 5; }'");
    let mut fence = Fence::install(spec()).unwrap();
    assert!(fence.intact().unwrap());
    fence.open(ms(2000)).unwrap();
    println!("{}", sh("nft list ruleset"));
}

#[test]
fn renewing_never_loses_a_packet() {
    let (right, mut fence) = fenced();
    fence.open(ms(1000)).unwrap();
    let socket = UdpSocket::bind((VIP4, 7000)).unwrap();
    socket.set_read_timeout(Some(ms(500))).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let sender = right.spawn({
        let stop = stop.clone();
        move || {
            let socket = UdpSocket::bind("10.9.0.2:0").unwrap();
            socket.set_read_timeout(Some(ms(500))).unwrap();
            let (mut sent, mut answered) = (0u32, 0u32);
            while !stop.load(Ordering::Relaxed) {
                socket.send_to(b"ping", (VIP4, 7000)).unwrap();
                sent += 1;
                answered += u32::from(socket.recv(&mut [0; 8]).is_ok());
            }
            (sent, answered)
        }
    });
    let echo = std::thread::spawn(move || {
        while let Ok((n, from)) = socket.recv_from(&mut [0; 8]) {
            let _ = socket.send_to(&[0; 8][..n], from);
        }
    });
    let mut renewals = 0;
    let start = Instant::now();
    while start.elapsed() < ms(1500) {
        assert_eq!(fence.renew(ms(300)).unwrap(), Renewal::Extended);
        renewals += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let (sent, answered) = sender.join().unwrap();
    echo.join().unwrap();
    println!("{renewals} renewals, {sent} packets, {answered} answers");
    assert!(sent - answered <= 1, "{sent} sent, {answered} answered");
}

#[test]
fn without_privileges_the_error_says_so() {
    let error = std::thread::spawn(|| {
        pair();
        // Threads have capabilities of their own; the test's other threads keep theirs.
        let set = rustix::thread::CapabilitySets {
            effective: rustix::thread::CapabilitySet::empty(),
            permitted: rustix::thread::CapabilitySet::empty(),
            inheritable: rustix::thread::CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, set).unwrap();
        Fence::install(spec()).unwrap_err()
    })
    .join()
    .unwrap();
    println!("{error}");
    assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
}

#[test]
fn costs() {
    let (_right, mut fence) = fenced();
    let start = Instant::now();
    drop(Fence::install(spec()).unwrap());
    println!("install: {:?}", start.elapsed());
    type Call = fn(&mut Fence);
    let calls: [(&str, Call); 8] = [
        ("open", |f| f.open(ms(1000)).unwrap()),
        ("renew", |f| assert_eq!(f.renew(ms(1000)).unwrap(), Renewal::Extended)),
        ("remaining", |f| assert!(f.remaining().unwrap().is_some())),
        ("intact", |f| assert!(f.intact().unwrap())),
        ("hold", |f| f.hold(ms(1000)).unwrap()),
        ("unhold", |f| f.unhold().unwrap()),
        ("close", |f| f.close().unwrap()),
        ("close_with_gate", |f| f.close_with_gate().unwrap()),
    ];
    for (name, call) in calls {
        let mut samples = Vec::new();
        for _ in 0..500 {
            if name.starts_with("close") {
                fence.open(ms(1000)).unwrap();
            }
            if name == "unhold" || name.starts_with("close") {
                fence.hold(ms(1000)).unwrap();
            }
            let start = Instant::now();
            call(&mut fence);
            samples.push(start.elapsed());
            std::thread::sleep(Duration::from_micros(500));
        }
        report(name, samples);
    }
}
