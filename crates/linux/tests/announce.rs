//! Announcements and probes, seen from the machine at the other end of the cable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::{index_of, pair, report, sh, wait_for};
use keepair_core::config::Vip;
use keepair_linux::announce::Announcer;
use keepair_linux::rtnl::Rtnl;

fn vips() -> Vec<Vip> {
    ["10.9.0.100", "fd09::100"]
        .map(|a| Vip { address: a.parse().unwrap(), prefix_len: 24 })
        .to_vec()
}

fn mac_of(name: &str) -> [u8; 6] {
    Rtnl::open().unwrap().link_by_name(name).unwrap().unwrap().mac
}

#[test]
fn neighbours_that_knew_another_machine_learn_the_new_one() {
    let right = pair();
    right.run(|| {
        sh("ip neigh add 10.9.0.100 lladdr 02:00:00:00:00:99 dev right0 nud stale
            ip neigh add fd09::100 lladdr 02:00:00:00:00:99 dev right0 nud stale");
    });
    let announcer = Announcer::open(index_of("left0")).unwrap();
    let mac = mac_of("left0");
    announcer.announce(mac, &vips()).unwrap();
    let text = mac.map(|b| format!("{b:02x}")).join(":");
    for address in ["10.9.0.100", "fd09::100"] {
        wait_for("the neighbour entry", || {
            right.run(|| sh(&format!("ip neigh show {address}"))).contains(&text)
        });
    }
}

#[test]
fn a_probe_finds_the_holder_and_nobody_else() {
    let right = pair();
    let announcer = Announcer::open(index_of("left0")).unwrap();
    let mac = mac_of("left0");
    let mut claims = announcer.claims(mac, &vips()).unwrap();
    // Nobody holds them; our own probes and announcements do not count, nor does other traffic.
    announcer.probe(mac, &vips()).unwrap();
    announcer.announce(mac, &vips()).unwrap();
    right.run(|| sh("ping -c2 -i0.01 10.9.0.1; ping -c2 -i0.01 fd09::1"));
    assert_eq!(claims.next_claim().unwrap(), None);
    let theirs = right.run(|| {
        sh("ip addr add 10.9.0.100/24 dev right0; ip addr add fd09::100/64 dev right0 nodad");
        mac_of("right0")
    });
    while claims.next_claim().unwrap().is_some() {}
    let expected: BTreeSet<_> = vips().iter().map(|v| (v.address, theirs)).collect();
    let mut heard = BTreeSet::new();
    // A kernel listens for an IPv6 address's probes a moment after it has the address.
    wait_for("both answers", || {
        announcer.probe(mac, &vips()).unwrap();
        heard.extend(claims.next_claim().unwrap());
        heard.len() == 2
    });
    assert_eq!(heard, expected);
    // An announcement by the other machine is a claim too.
    right.run(|| Announcer::open(index_of("right0")).unwrap().announce(theirs, &vips()).unwrap());
    wait_for("the claim", || claims.next_claim().unwrap().is_some());
}

#[test]
fn a_link_that_is_down_is_an_error_and_no_more() {
    let _right = pair();
    let announcer = Announcer::open(index_of("left0")).unwrap();
    let mac = mac_of("left0");
    let mut claims = announcer.claims(mac, &vips()).unwrap();
    sh("ip link set left0 down");
    assert!(announcer.announce(mac, &vips()).is_err());
    assert_eq!(claims.next_claim().unwrap(), None);
    sh("ip link set left0 up");
    wait_for("the link", || announcer.announce(mac, &vips()).is_ok());
    assert_eq!(claims.next_claim().unwrap(), None);
}

#[test]
fn costs() {
    let _right = pair();
    let announcer = Announcer::open(index_of("left0")).unwrap();
    let mac = mac_of("left0");
    let mut samples = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        announcer.announce(mac, &vips()).unwrap();
        samples.push(start.elapsed());
        std::thread::sleep(Duration::from_micros(200));
    }
    report("announce one IPv4 and one IPv6 address", samples);
}
