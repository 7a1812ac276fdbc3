//! Addresses and links on a real kernel, each test in its own network namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
mod common;

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::{enter_namespace, index_of, pair, report, sh, wait_for};
use keepair_core::config::Vip;
use keepair_linux::rtnl::{Monitor, Notice, Rtnl};

fn vip(text: &str) -> Vip {
    let (address, prefix_len) = text.split_once('/').unwrap();
    Vip { address: address.parse().unwrap(), prefix_len: prefix_len.parse().unwrap() }
}

fn has(rtnl: &mut Rtnl, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    rtnl.own_addresses().unwrap().iter().any(|own| own.address == address)
}

/// The source address the kernel picks for packets to `to`.
fn source_for(to: &str) -> IpAddr {
    let any = if to.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect((to, 9)).unwrap();
    socket.local_addr().unwrap().ip()
}

#[test]
fn the_vip_goes_on_and_off_any_number_of_times() {
    let right = pair();
    let mut rtnl = Rtnl::open().unwrap();
    let link = rtnl.link_by_name("left0").unwrap().unwrap();
    assert!(link.up && link.running && link.mtu == 1500 && link.mac != [0; 6]);
    assert_eq!(rtnl.link_by_name("nope0").unwrap(), None);
    for text in ["10.9.0.100/24", "fd09::100/64", "192.0.2.7/32"] {
        let vip = vip(text);
        for _ in 0..2 {
            rtnl.add_address(link.index, vip).unwrap();
            rtnl.add_address(link.index, vip).unwrap();
            assert!(has(&mut rtnl, &vip.address.to_string()));
            rtnl.del_address(link.index, vip).unwrap();
            rtnl.del_address(link.index, vip).unwrap();
            assert!(!has(&mut rtnl, &vip.address.to_string()));
        }
    }
    rtnl.add_address(link.index, vip("10.9.0.100/24")).unwrap();
    rtnl.add_address(link.index, vip("fd09::100/64")).unwrap();
    right.run(|| sh("ping -c1 -W2 10.9.0.100; ping -c1 -W2 fd09::100"));
}

#[test]
fn the_vip_is_never_a_source_and_never_takes_the_own_address_along() {
    enter_namespace();
    sh("sysctl -qw net.ipv4.conf.all.promote_secondaries=0 net.ipv4.conf.default.promote_secondaries=0
        ip link add left0 type veth peer name right0; ip link set right0 up
        ip link set left0 up");
    let mut rtnl = Rtnl::open().unwrap();
    let left = index_of("left0");
    // The worst order: the virtual address first, as after a restart of the network service.
    rtnl.add_address(left, vip("10.9.0.100/24")).unwrap();
    rtnl.add_address(left, vip("fd09::100/64")).unwrap();
    sh("ip addr add 10.9.0.1/24 dev left0; ip addr add fd09::1/64 dev left0 nodad
        ip route add 198.51.100.0/24 dev left0; ip route add default via 10.9.0.254
        ip -6 route add 2001:db8::/32 dev left0");
    for to in ["10.9.0.2", "198.51.100.1", "203.0.113.1"] {
        assert_eq!(source_for(to), "10.9.0.1".parse::<IpAddr>().unwrap(), "to {to}");
    }
    for to in ["fd09::2", "2001:db8::1"] {
        assert_eq!(source_for(to), "fd09::1".parse::<IpAddr>().unwrap(), "to {to}");
    }
    rtnl.del_address(left, vip("10.9.0.100/24")).unwrap();
    rtnl.del_address(left, vip("fd09::100/64")).unwrap();
    assert!(has(&mut rtnl, "10.9.0.1") && has(&mut rtnl, "fd09::1"));
    let routes = sh("ip route; ip -6 route");
    assert!(routes.contains("10.9.0.0/24 dev left0") && routes.contains("fd09::/64 dev left0"));
    // And the other way round: the own address leaves first, the virtual one survives.
    rtnl.add_address(left, vip("10.9.0.100/24")).unwrap();
    sh("ip addr del 10.9.0.1/24 dev left0");
    assert!(has(&mut rtnl, "10.9.0.100"));
}

#[test]
fn somebody_elses_copy_of_the_vip_goes_too_unless_others_depend_on_it() {
    enter_namespace();
    sh("sysctl -qw net.ipv4.conf.all.promote_secondaries=0 net.ipv4.conf.default.promote_secondaries=0
        ip link add left0 type veth peer name right0; ip link set left0 up
        ip addr add 10.9.0.1/24 dev left0; ip addr add 10.9.0.100/24 dev left0
        ip addr add fd09::100/64 dev left0 nodad");
    let mut rtnl = Rtnl::open().unwrap();
    let left = index_of("left0");
    rtnl.del_address(left, vip("10.9.0.100/24")).unwrap();
    rtnl.del_address(left, vip("fd09::100/64")).unwrap();
    assert!(!has(&mut rtnl, "10.9.0.100") && !has(&mut rtnl, "fd09::100"));
    sh("ip addr flush dev left0; ip addr add 10.9.0.100/24 dev left0
        ip addr add 10.9.0.1/24 dev left0");
    let error = rtnl.del_address(left, vip("10.9.0.100/24")).unwrap_err();
    assert!(error.to_string().contains("other addresses depend"), "{error}");
    assert!(has(&mut rtnl, "10.9.0.1"));
    rtnl.del_address(99, vip("10.9.0.100/24")).unwrap();
    let error = rtnl.add_address(99, vip("10.9.0.100/24")).unwrap_err();
    assert!(error.to_string().contains("Device not found"), "{error}");
}

#[test]
fn the_monitor_tells_of_links_and_addresses() {
    let right = pair();
    let mut rtnl = Rtnl::open().unwrap();
    let mut monitor = Monitor::open().unwrap();
    assert_eq!(monitor.next().unwrap(), None);
    let left = index_of("left0");
    rtnl.add_address(left, vip("10.9.0.100/24")).unwrap();
    rtnl.del_address(left, vip("10.9.0.100/24")).unwrap();
    let mut heard = Vec::new();
    while let Some(notice) = monitor.next().unwrap() {
        heard.push(notice);
    }
    assert!(
        matches!(heard.as_slice(), [Notice::AddressAdded(a), Notice::AddressRemoved(b)]
            if a == b && a.ifindex == left && a.prefix_len == 32),
        "{heard:?}"
    );
    for running in [false, true] {
        let word = if running { "up" } else { "down" };
        right.run(move || sh(&format!("ip link set right0 {word}")));
        wait_for("the cable's notice", || {
            matches!(monitor.next().unwrap(),
                Some(Notice::Link { ifindex, running: r, .. }) if ifindex == left && r == running)
        });
    }
    sh("ip link del left0");
    wait_for(
        "the interface's end",
        || matches!(monitor.next().unwrap(), Some(Notice::LinkGone { name, .. }) if name == "left0"),
    );
}

#[test]
fn lost_notices_are_reported_as_an_overrun_and_the_monitor_goes_on() {
    enter_namespace();
    let mut monitor = Monitor::open_with_buffer(4096).unwrap();
    let mut rtnl = Rtnl::open().unwrap();
    for _ in 0..200 {
        rtnl.add_address(1, vip("10.9.0.100/24")).unwrap();
        rtnl.del_address(1, vip("10.9.0.100/24")).unwrap();
    }
    let mut overrun = false;
    while let Some(notice) = monitor.next().unwrap() {
        overrun |= notice == Notice::Overrun;
    }
    assert!(overrun);
    rtnl.add_address(1, vip("10.9.0.100/24")).unwrap();
    assert!(matches!(monitor.next().unwrap(), Some(Notice::AddressAdded(_))));
}

#[test]
fn how_soon_a_pulled_cable_is_known() {
    let right = pair();
    let mut monitor = Monitor::open().unwrap();
    let left = index_of("left0");
    let (mut down, mut up) = (Vec::new(), Vec::new());
    for round in 0..6 {
        // Some pulls come soon after the last change, some long after: the kernel may hold back a
        // second change within a second if it does not find it urgent. It never did here.
        std::thread::sleep(Duration::from_millis(if round % 2 == 0 { 1200 } else { 20 }));
        for (running, delays) in [(false, &mut down), (true, &mut up)] {
            let word = if running { "up" } else { "down" };
            // The command itself takes a millisecond or two.
            let changed = right.run(|| {
                sh(&format!("ip link set right0 {word}"));
                Instant::now()
            });
            wait_for("the notice", || {
                matches!(monitor.next().unwrap(),
                    Some(Notice::Link { ifindex, running: r, .. }) if ifindex == left && r == running)
            });
            delays.push(changed.elapsed());
        }
    }
    println!("down known after {down:.1?}, up after {up:.1?}");
    assert!(down.iter().chain(&up).all(|d| *d < Duration::from_millis(1500)));
}

#[test]
fn costs() {
    let _right = pair();
    let mut rtnl = Rtnl::open().unwrap();
    let left = index_of("left0");
    for text in ["10.9.0.100/24", "fd09::100/64"] {
        let (mut add, mut del) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            let start = Instant::now();
            rtnl.add_address(left, vip(text)).unwrap();
            add.push(start.elapsed());
            let start = Instant::now();
            rtnl.del_address(left, vip(text)).unwrap();
            del.push(start.elapsed());
        }
        report(&format!("add {text}"), add);
        report(&format!("del {text}"), del);
    }
}
