//! Adverts, interfaces, macvlans, announcements and the firewall of a router on a real kernel: two
//! machines on a cable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
mod daemon;

use std::time::{Duration, Instant};

use common::{Right, pair, sh, wait_for};
use daemon::{Daemon, address, config, instance, ip, link};
use keepair_core::router::config::{Config, InstanceConfig, Peer, Transport, Vmac};
use keepair_core::router::event::State;
use keepair_core::router::network::Address;
use keepair_linux::announce::Announcer;
use keepair_linux::router::network_setup::{GarpExtra, InstanceNetwork, NetworkSetup, Pace};

fn network() -> NetworkSetup {
    NetworkSetup { default_interface: "left0".into(), ..NetworkSetup::default() }
}

fn has(address: &str) -> bool {
    sh("ip -o addr").contains(&format!(" {address}/"))
}

/// The same instance on the other machine, with a lower priority.
fn peer_of(it: &InstanceConfig, swap: impl Fn(&mut InstanceConfig)) -> Config {
    let mut it = InstanceConfig { priority: 100, ..it.clone() };
    swap(&mut it);
    Config { links: vec![link("right0")], instances: vec![it], ..Config::default() }
}

fn unicast(from: &str, to: &str) -> impl Fn(&mut InstanceConfig) {
    let (from, address) = (ip(from), ip(to));
    move |it| {
        it.source = Some(from);
        let peer = Peer { address, min_ttl: 64, max_ttl: 64 };
        it.transport = Transport::Unicast { peers: vec![peer], ttl: 64, check_source: true };
    }
}

fn group(address: &str) -> impl Fn(&mut InstanceConfig) {
    let group = ip(address);
    move |it| it.transport = Transport::Multicast { group }
}

/// One machine is Active, the other Backup; then the cable of the first is pulled, and put back.
fn the_better_one_is_active(right: &Right, left: &Config, other: &Config, what: &str) {
    let mut worse = right.run(|| Daemon::start(other, NetworkSetup::default()));
    worse.wait_state(0, State::Backup);
    let mut better = Daemon::start(left, network());
    better.wait_state(0, State::Active);
    // It is heard: the other one has had time enough to take over, had it not been.
    std::thread::sleep(Duration::from_millis(600));
    let status = worse.status().instances.remove(0);
    assert!(status.counters.advert_rcvd > 3, "{what}: {status:#?}");
    assert_eq!(status.counters.ignored, 0, "{what}: {status:#?}");
    assert_eq!(status.state, State::Backup, "{what}: {status:#?}");
    assert_eq!(better.status().instances[0].counters.advert_rcvd, 0, "{what}: it hears itself");
    // A farewell is heard, too.
    worse.heard.clear();
    let start = Instant::now();
    better.stop();
    worse.wait_state(0, State::Active);
    let took = start.elapsed();
    assert!(took < Duration::from_millis(250), "{what}: {took:?}");
    worse.stop();
}

#[test]
fn adverts_are_sent_and_heard_in_every_way_they_can_travel() {
    let v4 = || instance(51, 200, vec![address("10.9.0.100/24")]);
    let v6 = || instance(51, 200, vec![address("fe80::100"), address("fd09::100")]);
    let swap = |it: InstanceConfig, left: &dyn Fn(&mut InstanceConfig)| {
        let mut it = it;
        left(&mut it);
        it
    };
    let nothing = |_: &mut InstanceConfig| {};
    let spoofed = |it: &mut InstanceConfig| it.source = Some(ip("192.0.2.77"));
    type Change<'a> = &'a dyn Fn(&mut InstanceConfig);
    let table: [(&str, InstanceConfig, Change<'_>, Change<'_>); 8] = [
        ("IPv4", v4(), &nothing, &nothing),
        ("IPv6", v6(), &nothing, &nothing),
        ("IPv4, own group", v4(), &group("239.1.2.3"), &group("239.1.2.3")),
        ("IPv6, own group", v6(), &group("ff02::1:2"), &group("ff02::1:2")),
        ("IPv4 unicast", v4(), &unicast("10.9.0.1", "10.9.0.2"), &unicast("10.9.0.2", "10.9.0.1")),
        ("IPv6 unicast", v6(), &unicast("fd09::1", "fd09::2"), &unicast("fd09::2", "fd09::1")),
        (
            "IPv6 unicast, link-local",
            v6(),
            &unicast("fe80::1", "fe80::2"),
            &unicast("fe80::2", "fe80::1"),
        ),
        ("mcast_src_ip that nobody has", v4(), &spoofed, &nothing),
    ];
    for (what, it, left, other) in table {
        let right = pair();
        let it = swap(it, left);
        let theirs = peer_of(&it, |it| {
            it.source = None;
            other(it);
        });
        the_better_one_is_active(&right, &config(vec![it]), &theirs, what);
    }
}

fn vmac(it: InstanceConfig, name: &str, xmit_base: bool) -> InstanceConfig {
    let mac = [0, 0, 0x5e, 0, if it.addresses[0].address.is_ipv4() { 1 } else { 2 }, it.vrid.0];
    InstanceConfig { vmac: Some(Vmac { name: name.into(), mac, xmit_base }), ..it }
}

#[test]
fn a_macvlan_carries_the_virtual_mac_address() {
    for (v4, xmit_base) in [(true, false), (true, true), (false, false), (false, true)] {
        let right = pair();
        let what = format!("IPv4 {v4}, vmac_xmit_base {xmit_base}");
        let vip = if v4 { "10.9.0.100" } else { "fd09::100" };
        let addresses = if v4 {
            vec![address("10.9.0.100/24")]
        } else {
            vec![address("fe80::100/64"), address("fd09::100/64")]
        };
        let plain = instance(51, 200, addresses);
        let it = vmac(plain.clone(), "vrrp.51", xmit_base);
        let capture = right.spawn(|| {
            sh("timeout 10 tcpdump -c2 -nei right0 'ip proto 112 or ip6 proto 112' 2>/dev/null || true")
        });
        the_better_one_is_active(
            &right,
            &config(vec![it.clone()]),
            &peer_of(&plain, |_| ()),
            &what,
        );
        let mac = if v4 { "00:00:5e:00:01:33" } else { "00:00:5e:00:02:33" };
        let seen = capture.join().unwrap();
        assert_eq!(seen.contains(mac), !xmit_base, "{what}: {seen}");
        // It is gone, and the settings below it are what they were.
        assert!(!sh("ip -o link").contains("vrrp.51"));
        assert_eq!(sh("cat /proc/sys/net/ipv4/conf/left0/arp_ignore").trim(), "0");

        let mut daemon = Daemon::start(&config(vec![it]), network());
        daemon.wait_state(0, State::Active);
        daemon.status();
        assert!(sh("ip -o addr show dev vrrp.51").contains(&format!(" {vip}/")), "{what}");
        // Lest this machine asks for the other one, which would teach it the MAC address below.
        let theirs = right.run(|| sh("ip -o link show right0 | sed 's/.*ether //; s/ .*//'"));
        let it = if v4 { "10.9.0.2" } else { "fd09::2" };
        for dev in ["left0", "vrrp.51"] {
            sh(&format!("ip neigh replace {it} dev {dev} lladdr {}", theirs.trim()));
        }
        right.run(|| {
            sh(&format!("ping -c1 -W2 {vip}"));
            let neighbour = sh(&format!("ip neigh show {vip}"));
            assert!(neighbour.contains(mac), "{what}: {neighbour}");
        });
        assert_eq!(daemon.problems(), [""; 0], "{what}");
    }
}

/// Interfaces, what is on them, and their settings.
fn interfaces() -> String {
    sh("for d in left0 right9 $(ls /sys/class/net | grep vrrp); do
          ip -o -d link show $d | sed 's/^[0-9]*: //; s/link-netns.*promisc/promisc/
              s/@if[0-9]*//' | sed '/^vrrp/!s/ether [^ ]*//'
          ip -o addr show dev $d | sed 's/^[0-9]*: //'
          for k in arp_ignore arp_filter rp_filter promote_secondaries accept_local; do
            echo $d $k $(cat /proc/sys/net/ipv4/conf/$d/$k); done
          for k in disable_ipv6 addr_gen_mode; do
            echo $d $k $(cat /proc/sys/net/ipv6/conf/$d/$k); done
        done; for d in all default; do echo $d $(cat /proc/sys/net/ipv4/conf/$d/rp_filter); done")
}

#[test]
fn macvlans_are_as_keepalived_makes_them() {
    let machine = || {
        let right = pair();
        sh("ip link add right8 type veth peer name right9; ip link set right8 up
            ip link set right9 addrgenmode none; ip link set right9 up
            echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
        right
    };
    let _right = machine();
    let dir = sh("mktemp -d").trim().to_owned();
    let conf = "global_defs {\n vrrp_version 3\n vrrp_garp_master_delay 0\n}
        vrrp_instance A {\n interface left0\n use_vmac\n virtual_router_id 51\n priority 200
         advert_int 0.1\n virtual_ipaddress {\n 10.9.0.101/24 dev left0\n 10.9.0.102 dev right9 use_vmac
          10.9.0.104\n }\n virtual_ipaddress_excluded {\n 10.9.0.105 dev right9\n }\n}";
    std::fs::write(format!("{dir}/conf"), conf).unwrap();
    let mut keepalived = std::process::Command::new("keepalived")
        .args(["-n", "-D", "-P", "-f", &format!("{dir}/conf")])
        .args(["-p", &format!("{dir}/pid"), "-r", &format!("{dir}/vrrp")])
        .spawn()
        .expect("keepalived is installed");
    wait_for("keepalived's addresses", || has("10.9.0.105"));
    let theirs = interfaces();
    sh(&format!("kill {}", keepalived.id()));
    keepalived.wait().unwrap();
    let _ = std::fs::remove_dir_all(dir);

    // It leaves some settings of the interfaces below as it made them: another machine.
    let _right = machine();
    let before = interfaces();
    let it = instance(
        51,
        200,
        vec![
            Address { interface: Some("left0".into()), ..address("10.9.0.101/24") },
            Address { interface: Some("right9".into()), vmac: true, ..address("10.9.0.102") },
            address("10.9.0.104"),
        ],
    );
    let mut it = vmac(it, "vrrp.51", false);
    it.excluded_addresses =
        vec![Address { interface: Some("right9".into()), ..address("10.9.0.105") }];
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Active);
    daemon.status();
    assert_eq!(interfaces(), theirs);
    assert_eq!(daemon.problems(), [""; 0]);
    daemon.stop();
    assert_eq!(interfaces(), before);
}

#[test]
fn an_interface_that_goes_down_and_one_that_is_made_anew() {
    let right = pair();
    let it = instance(51, 200, vec![address("10.9.0.100/24")]);
    let plain = it.clone();
    let it = vmac(it, "vrrp.51", true);
    let setup = NetworkSetup { addresses: vec![address("192.0.2.1/24")], ..network() };
    let mut daemon = Daemon::start(&config(vec![it]), setup);
    daemon.wait_state(0, State::Active);
    for change in ["down", "gone", "no carrier"] {
        daemon.heard.clear();
        match change {
            "down" => sh("ip link set left0 down"),
            "gone" => sh("ip link del left0"),
            _ => right.run(|| sh("ip link set right0 down")),
        };
        daemon.wait_state(0, State::Fault);
        assert!(!has("10.9.0.100"), "{change}");
        let path = right.path();
        match change {
            "down" => sh("ip link set left0 up"),
            // Another one of the same name, with another index.
            "gone" => {
                sh(&format!(
                    "ip link add left0 type veth peer name right0 netns {path}
                     ip addr add 10.9.0.1/24 dev left0; ip link set left0 up"
                ));
                right.run(|| sh("ip addr add 10.9.0.2/24 dev right0; ip link set right0 up"))
            }
            _ => right.run(|| sh("ip link set right0 up")),
        };
        daemon.wait_state(0, State::Active);
        daemon.status();
        assert!(sh("ip -o addr show dev vrrp.51").contains("10.9.0.100/24"), "{change}");
        assert!(has("192.0.2.1"), "{change}");
        // It hears a better one by the new interface.
        daemon.heard.clear();
        let theirs = peer_of(&plain, |it| it.priority = 250);
        let mut better = right.run(|| Daemon::start(&theirs, NetworkSetup::default()));
        better.wait_state(0, State::Active);
        daemon.wait_state(0, State::Backup);
        better.stop();
        daemon.wait_state(0, State::Active);
    }
    assert_eq!(daemon.problems(), [""; 0]);
}

#[test]
fn an_interface_that_comes_later() {
    let _right = pair();
    sh("ip link set left0 name later0");
    let it = vmac(instance(51, 200, vec![address("10.9.0.100/24")]), "vrrp.51", false);
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Fault);
    sh("ip link set later0 down; ip link set later0 name left0; ip link set left0 up");
    daemon.wait_state(0, State::Active);
    daemon.status();
    assert!(sh("ip -o addr show dev vrrp.51").contains("10.9.0.100/24"));
}

#[test]
fn without_accept_nothing_comes_to_the_addresses_of_a_machine_that_does_not_own_them() {
    let right = pair();
    let mut v4 = instance(51, 200, vec![address("10.9.0.100")]);
    let mut v6 = instance(52, 200, vec![address("fe80::100/64"), address("fd09::100")]);
    let mut owner = instance(53, 255, vec![address("10.9.0.103")]);
    (v4.accept, v6.accept, owner.accept) = (false, false, false);
    let open = instance(54, 200, vec![address("10.9.0.104")]);
    let mut daemon = Daemon::start(&config(vec![v4, v6, owner, open]), network());
    for at in 0..4 {
        daemon.wait_state(at, State::Active);
    }
    daemon.status();
    assert_eq!(daemon.problems(), [""; 0]);
    for (vip, is_reached) in [
        ("10.9.0.100", false),
        ("fd09::100", false),
        ("fe80::100%right0", false),
        ("10.9.0.103", true),
        ("10.9.0.104", true),
        // The own one of the same interface.
        ("fe80::1%right0", true),
    ] {
        let answered = right.run(|| {
            sh(&format!("if ping -c1 -W1 {vip} >/dev/null; then echo yes; else echo no; fi"))
        });
        assert_eq!(answered.trim() == "yes", is_reached, "{vip}");
        // It is found all the same.
        let address = vip.split('%').next().unwrap();
        let neighbour = right.run(|| sh(&format!("ip neigh show {address} dev right0")));
        assert!(neighbour.contains("lladdr"), "{vip}: {neighbour}");
    }
    daemon.stop();
    assert_eq!(sh("nft list tables"), "");
}

/// When each announcement of an address was heard by the other machine.
fn heard(right: &Right, addresses: &[&str], how_many: usize) -> Vec<(String, Duration)> {
    let vips: Vec<keepair_core::config::Vip> = addresses
        .iter()
        .map(|it| keepair_core::config::Vip { address: ip(it), prefix_len: 32 })
        .collect();
    right.run(|| {
        let announcer = Announcer::open(common::index_of("right0")).unwrap();
        let mut claims = announcer.claims([0; 6], &vips).unwrap();
        let start = Instant::now();
        let mut heard = Vec::new();
        while heard.len() < how_many {
            assert!(start.elapsed() < Duration::from_secs(10), "heard only {heard:?}");
            match claims.next_claim().unwrap() {
                Some((address, _)) => heard.push((address.to_string(), start.elapsed())),
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        }
        heard
    })
}

#[test]
fn announcements_go_in_rounds_and_keep_their_pace() {
    let right = pair();
    let mut it = instance(51, 200, vec![address("10.9.0.100"), address("10.9.0.101")]);
    it.excluded_addresses = vec![address("fd09::100")];
    it.garp.repeat = 3;
    let garp = Duration::from_millis(100);
    let setup = NetworkSetup { pace: Pace { garp, gna: Duration::ZERO }, ..network() };
    let mut daemon = Daemon::start(&config(vec![it]), setup);
    let all = heard(&right, &["10.9.0.100", "10.9.0.101", "fd09::100"], 9);
    let of = |v4: bool| all.iter().filter(move |(address, _)| address.contains('.') == v4);
    let v4: Vec<&str> = of(true).map(|(address, _)| address.as_str()).collect();
    assert_eq!(v4, ["10.9.0.100", "10.9.0.101"].repeat(3));
    let at: Vec<Duration> = of(true).map(|(_, at)| *at).collect();
    // Who hears may be late, who sends may not be early: not all in all, and not in a burst.
    let early = at.windows(2).find(|pair| pair[1] - pair[0] < garp / 2);
    assert_eq!(early, None, "{all:?}");
    assert!(at[5] - at[0] > garp * 5 - garp / 2, "{all:?}");
    // Those that nothing paces do not wait for the others.
    let last = of(false).map(|(_, at)| *at).max().unwrap();
    assert!(last < at[1], "{all:?}");
    // The adverts went on meanwhile, and neither the addresses nor the burst made them late.
    daemon.wait_state(0, State::Active);
    assert!(daemon.status().instances[0].counters.advert_sent >= 4);
}

#[test]
fn garp_extra_if_goes_on_and_on_where_no_advert_does() {
    let right = pair();
    sh(
        "ip link add right8 type veth peer name right9; ip link set right8 up; ip link set right9 up",
    );
    let mut it = instance(51, 200, vec![address("10.9.0.101")]);
    it.link = keepair_core::router::config::LinkId(1);
    it.addresses.push(Address { interface: Some("left0".into()), ..address("10.9.0.100") });
    sh("ip addr add 10.9.8.1/24 dev right9");
    let config = Config { links: vec![link("left0"), link("right9")], ..config(vec![it]) };
    let extra = GarpExtra { all: true, every: Duration::from_millis(50) };
    let instances = vec![InstanceNetwork { extra: Some(extra) }];
    let _daemon = Daemon::start(&config, NetworkSetup { instances, ..network() });
    let all = heard(&right, &["10.9.0.100", "10.9.0.101"], 6);
    assert!(all.iter().all(|(address, _)| address == "10.9.0.100"), "{all:?}");
}

#[test]
fn a_macvlan_that_somebody_removes_is_made_again() {
    let _right = pair();
    let it = vmac(instance(51, 200, vec![address("10.9.0.100/24")]), "vrrp.51", false);
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Active);
    // Its own notice may be read before those of its addresses.
    for _ in 0..5 {
        daemon.problems();
        daemon.heard.clear();
        sh("ip link del vrrp.51");
        daemon.wait_state(0, State::Backup);
        daemon.wait_state(0, State::Active);
        daemon.status();
        assert!(sh("ip -o addr show dev vrrp.51").contains("10.9.0.100/24"));
    }
    assert_eq!(daemon.problems(), [""; 0]);
}

#[test]
fn a_reload_that_moves_an_instance_to_another_interface_and_gives_it_a_macvlan() {
    let right = pair();
    let path = right.path();
    sh(&format!(
        "ip link add left1 type veth peer name right1 netns {path}
         ip addr add 10.8.0.1/24 dev left1; ip link set left1 up"
    ));
    right.run(|| sh("ip addr add 10.8.0.2/24 dev right1; ip link set right1 up"));
    let first = instance(51, 200, vec![address("10.9.0.100/24")]);
    let mut daemon = Daemon::start(&config(vec![first.clone()]), network());
    daemon.wait_state(0, State::Active);
    daemon.heard.clear();
    let mut second = vmac(instance(52, 150, vec![address("10.8.0.100/24")]), "vrrp.52", false);
    second.link = keepair_core::router::config::LinkId(0);
    let moved = Config { links: vec![link("left1")], ..config(vec![second.clone()]) };
    daemon.reload(&moved, NetworkSetup::default());
    assert!(!has("10.9.0.100") && sh("ip -o link").contains("vrrp.52@left1"));
    daemon.wait_state(0, State::Active);
    // It hears a better one there.
    let theirs = InstanceConfig { priority: 250, vmac: None, ..second };
    let theirs = Config { links: vec![link("right1")], ..config(vec![theirs]) };
    let _better = right.run(|| Daemon::start(&theirs, NetworkSetup::default()));
    daemon.wait_state(0, State::Backup);
    // And back.
    daemon.heard.clear();
    daemon.reload(&config(vec![first]), network());
    daemon.wait_state(0, State::Active);
    daemon.status();
    assert!(has("10.9.0.100") && !sh("ip -o link").contains("vrrp.52"));
}

#[test]
fn promote_secondaries_holds_for_the_interfaces_of_the_addresses_and_only_as_long_as_we_live() {
    let _right = pair();
    let setting = || sh("cat /proc/sys/net/ipv4/conf/left0/promote_secondaries").trim().to_owned();
    sh("echo 0 > /proc/sys/net/ipv4/conf/left0/promote_secondaries");
    for (promote, other_stays) in [(false, false), (true, true)] {
        let mut it = instance(51, 200, vec![address("10.7.0.100/24")]);
        it.promote_secondaries = promote;
        let mut daemon = Daemon::start(&config(vec![it]), network());
        daemon.wait_state(0, State::Active);
        daemon.status();
        sh("ip addr add 10.7.0.1/24 dev left0");
        daemon.stop();
        assert_eq!(has("10.7.0.1"), other_stays, "promote_secondaries {promote}");
        assert_eq!(setting(), "0");
    }
}
