//! Addresses, routes and rules of a router in a real kernel: as `ip` shows them, and as keepalived
//! leaves them there for the same configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
mod daemon;

use std::process::{Child, Command, Stdio};

use common::{pair, sh, wait_for};
use daemon::{Daemon, address, config, instance, ip};
use keepair_core::router::event::State;
use keepair_core::router::network::{
    Address, Broadcast, Lifetime, Metric, MetricKind, NextHop, Realms, Route, RouteKind,
    RouterPreference, Rule, RuleAction, Table,
};
use keepair_linux::router::network_setup::NetworkSetup;

/// keepalived, in the calling thread's namespace.
struct Keepalived {
    child: Child,
    folder: String,
}

impl Keepalived {
    fn start(conf: &str) -> Keepalived {
        let folder = sh("mktemp -d").trim().to_owned();
        std::fs::write(format!("{folder}/conf"), conf).unwrap();
        let mut command = Command::new("keepalived");
        command.args(["-n", "-l", "-P", "-f", &format!("{folder}/conf")]);
        command.args(["-p", &format!("{folder}/pid"), "-r", &format!("{folder}/vrrp")]);
        let log = std::fs::File::create(format!("{folder}/log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = child.spawn().expect("keepalived is installed");
        let it = Keepalived { child, folder };
        wait_for("keepalived to become MASTER", || it.log().contains("Entering MASTER STATE"));
        it
    }

    fn log(&self) -> String {
        std::fs::read_to_string(format!("{}/log", self.folder)).unwrap()
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        sh(&format!("kill {}", self.child.id()));
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Everything there is, with what differs between two looks taken out.
fn kernel() -> String {
    sh("ip -o addr show dev left0 | sed 's/^[0-9]*: //; s/  */ /g'
        ip route show table all type unicast | grep -v 'proto kernel' || true
        for t in blackhole unreachable prohibit throw; do ip route show type $t; done
        ip -6 route show table all type unicast | grep -v 'proto kernel' || true
        ip -d rule; ip -d -6 rule")
    .lines()
    .map(|line| {
        // Seconds go by.
        let words = line.split_whitespace().map(|word| match word.strip_suffix("sec") {
            Some(number) if number != "0" && number.parse::<u32>().is_ok() => "Nsec",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    })
    .fold(String::new(), |all, line| all + &line + "\n")
}

/// A piece of configuration, the language of the file beside the value.
macro_rules! rows {
    ($($text:literal => $value:expr),* $(,)?) => { vec![$(($text, $value)),*] };
}

fn addresses() -> Vec<(&'static str, Address)> {
    let a = address;
    rows![
        "10.9.0.100" => a("10.9.0.100"),
        "10.9.0.101/24" => a("10.9.0.101/24"),
        "10.9.0.102/24 brd +" => Address { broadcast: Some(Broadcast::Ones), ..a("10.9.0.102/24") },
        "10.9.0.103/24 brd - dev left0" => Address {
            broadcast: Some(Broadcast::Zeroes),
            interface: Some("left0".into()),
            ..a("10.9.0.103/24")
        },
        "10.9.1.104/24 brd 10.9.1.7 label left0:x scope link" => Address {
            broadcast: Some(Broadcast::Address(ip("10.9.1.7"))),
            label: Some("left0:x".into()),
            scope: Some(253),
            ..a("10.9.1.104/24")
        },
        "10.9.0.105 peer 10.7.0.5" => Address { peer: Some(ip("10.7.0.5")), ..a("10.9.0.105") },
        "10.9.2.106/24 noprefixroute preferred_lft 100" => Address {
            no_prefix_route: true,
            preferred: Some(Lifetime::Seconds(100)),
            ..a("10.9.2.106/24")
        },
        "10.9.0.109/31" => a("10.9.0.109/31"),
    ]
}

fn excluded() -> Vec<(&'static str, Address)> {
    let a = address;
    rows![
        "fd09::100" => a("fd09::100"),
        "fd09::101/64" => a("fd09::101/64"),
        "fd09::102/64 home" => Address { home: true, ..a("fd09::102/64") },
        "fd09::103/64 preferred_lft 100 noprefixroute" => Address {
            preferred: Some(Lifetime::Seconds(100)),
            no_prefix_route: true,
            ..a("fd09::103/64")
        },
        "fd09::104/128 preferred_lft forever" =>
            Address { preferred: Some(Lifetime::Forever), ..a("fd09::104/128") },
        "fd09::105 peer fd07::5" => Address { peer: Some(ip("fd07::5")), ..a("fd09::105") },
        "fd09::106/64 mngtmpaddr" => Address { manage_temporary: true, ..a("fd09::106/64") },
    ]
}

fn route(to: &str) -> Route {
    let (to, len) = to.split_once('/').unwrap();
    Route {
        kind: RouteKind::Unicast,
        to: (ip(to), len.parse().unwrap()),
        via: None,
        or: None,
        interface: None,
        source: None,
        from: None,
        scope: None,
        table: None,
        metric: None,
        protocol: None,
        tos: None,
        realms: None,
        onlink: false,
        append: false,
        expires: None,
        router_preference: None,
        ttl_propagate: None,
        metrics: Vec::new(),
        congestion_control: None,
        ecn: false,
        next_hops: Vec::new(),
        no_track: false,
        track_group: None,
    }
}

fn by(interface: &str, route: Route) -> Route {
    Route { interface: Some(interface.into()), ..route }
}

fn metrics(list: &[(MetricKind, u32, bool)]) -> Vec<Metric> {
    list.iter().map(|&(kind, value, lock)| Metric { kind, value, lock }).collect()
}

fn routes() -> Vec<(&'static str, Route)> {
    use MetricKind::*;
    let r = route;
    let kind = |kind, to| Route { kind, ..r(to) };
    let hop = |via, weight| NextHop {
        via: Some(ip(via)),
        interface: Some("left0".into()),
        weight: Some(weight),
        onlink: true,
    };
    rows![
        "src 10.9.0.100 to 192.168.109.0/24 via 10.9.0.2 dev left0" => Route {
            source: Some(ip("10.9.0.100")),
            via: Some(ip("10.9.0.2")),
            ..by("left0", r("192.168.109.0/24"))
        },
        "192.168.110.0/24 via 10.9.0.2" =>
            Route { via: Some(ip("10.9.0.2")), ..r("192.168.110.0/24") },
        "192.168.111.0/24 dev left0 no_track scope link" => Route {
            no_track: true,
            scope: Some(253),
            ..by("left0", r("192.168.111.0/24"))
        },
        "192.168.112.0/24 dev left0 no_track protocol bird" => Route {
            no_track: true,
            protocol: Some(Table::Name("bird".into())),
            ..by("left0", r("192.168.112.0/24"))
        },
        "blackhole 192.168.114.0/24" => kind(RouteKind::Blackhole, "192.168.114.0/24"),
        "unreachable 192.168.115.0/24" => kind(RouteKind::Unreachable, "192.168.115.0/24"),
        "prohibit 192.168.116.0/24" => kind(RouteKind::Prohibit, "192.168.116.0/24"),
        "throw 192.168.117.0/24" => kind(RouteKind::Throw, "192.168.117.0/24"),
        "0.0.0.0/0 via 10.9.0.2 table 100" => Route {
            via: Some(ip("10.9.0.2")),
            table: Some(Table::Number(100)),
            ..r("0.0.0.0/0")
        },
        "192.168.100.0/24 table 6909 nexthop via 10.9.0.2 dev left0 onlink weight 1 nexthop via 10.9.0.3 dev left0 onlink weight 2" => Route {
            table: Some(Table::Number(6909)),
            next_hops: vec![hop("10.9.0.2", 1), hop("10.9.0.3", 2)],
            ..r("192.168.100.0/24")
        },
        "192.168.200.0/24 dev left0 table 6909 tos 0x04 protocol bird scope link priority 12 mtu 1000 hoplimit 100 advmss 101 rtt 102 rttvar 103 reordering 104 window 105 cwnd 106 ssthresh lock 107 realms 5/0x14 rto_min 308 initcwnd 109 initrwnd 110 features ecn fastopen_no_cookie 1 quickack 1 congctl reno" => Route {
            table: Some(Table::Number(6909)),
            tos: Some(4),
            protocol: Some(Table::Name("bird".into())),
            scope: Some(253),
            metric: Some(12),
            realms: Some(Realms { from: Some(5), to: 0x14 }),
            ecn: true,
            congestion_control: Some("reno".into()),
            metrics: metrics(&[
                (Mtu, 1000, false), (HopLimit, 100, false), (AdvMss, 101, false),
                (Rtt, 102, false), (RttVar, 103, false), (Reordering, 104, false),
                (Window, 105, false), (Cwnd, 106, false), (SsThresh, 107, true),
                (RtoMin, 308, false), (InitCwnd, 109, false), (InitRwnd, 110, false),
                (FastopenNoCookie, 1, false), (QuickAck, 1, false),
            ]),
            ..by("left0", r("192.168.200.0/24"))
        },
        "192.168.201.0/24 via 10.66.0.1 dev left0 onlink append" => Route {
            via: Some(ip("10.66.0.1")),
            onlink: true,
            append: true,
            ..by("left0", r("192.168.201.0/24"))
        },
        "fd08::/64 dev left0 table 6909 priority 12 mtu 1400 hoplimit 100 advmss 101 expires 100" => Route {
            table: Some(Table::Number(6909)),
            metric: Some(12),
            expires: Some(100),
            metrics: metrics(&[(Mtu, 1400, false), (HopLimit, 100, false), (AdvMss, 101, false)]),
            ..by("left0", r("fd08::/64"))
        },
        "fd08:1::/64 via fd09::2 pref high" => Route {
            via: Some(ip("fd09::2")),
            router_preference: Some(RouterPreference::High),
            ..r("fd08:1::/64")
        },
        "src fd09::100 to fd08:2::/64 via fe80::2 dev left0 pref low" => Route {
            via: Some(ip("fe80::2")),
            source: Some(ip("fd09::100")),
            router_preference: Some(RouterPreference::Low),
            ..by("left0", r("fd08:2::/64"))
        },
        "from fd09::/64 to fd08:3::/64 dev left0" =>
            Route { from: Some((ip("fd09::"), 64)), ..by("left0", r("fd08:3::/64")) },
    ]
}

fn rule(preference: u32, action: RuleAction) -> Rule {
    Rule {
        inverted: false,
        from: None,
        to: None,
        ipv6: false,
        preference: Some(preference),
        input: None,
        output: None,
        tos: None,
        mark: None,
        realms: None,
        uids: None,
        protocol: None,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        suppress_prefix_len: None,
        suppress_group: None,
        tunnel_id: None,
        action,
        no_track: false,
        track_group: None,
    }
}

fn prefix(text: &str) -> Option<(std::net::IpAddr, u8)> {
    let (address, len) = text.split_once('/').unwrap();
    Some((ip(address), len.parse().unwrap()))
}

fn rules() -> Vec<(&'static str, Rule)> {
    let table = |number| RuleAction::Table(Table::Number(number));
    rows![
        "from 192.168.2.0/24 table 1 preference 30" =>
            Rule { from: prefix("192.168.2.0/24"), ..rule(30, table(1)) },
        "to 192.168.2.0/24 table 1 no_track preference 31" =>
            Rule { to: prefix("192.168.2.0/24"), no_track: true, ..rule(31, table(1)) },
        "to 192.168.3.0/24 table 1 no_track protocol 12 preference 32" => Rule {
            to: prefix("192.168.3.0/24"),
            no_track: true,
            protocol: Some(Table::Number(12)),
            ..rule(32, table(1))
        },
        "from 192.168.28.0/24 to 192.168.29.0/26 table 7 iif left0 oif lo tos 0x10 fwmark 24/12 preference 39 realms 30/20" => Rule {
            from: prefix("192.168.28.0/24"),
            to: prefix("192.168.29.0/26"),
            input: Some("left0".into()),
            output: Some("lo".into()),
            tos: Some(0x10),
            mark: Some((24, Some(12))),
            realms: Some(Realms { from: Some(30), to: 20 }),
            ..rule(39, table(7))
        },
        "from 192.168.28.0/24 preference 40 goto 50" =>
            Rule { from: prefix("192.168.28.0/24"), ..rule(40, RuleAction::Goto(50)) },
        "not from 192.168.27.0/24 blackhole preference 41" => Rule {
            inverted: true,
            from: prefix("192.168.27.0/24"),
            ..rule(41, RuleAction::Blackhole)
        },
        "from 192.168.27.0/24 prohibit preference 42" =>
            Rule { from: prefix("192.168.27.0/24"), ..rule(42, RuleAction::Prohibit) },
        "from 192.168.26.0/24 unreachable preference 43" =>
            Rule { from: prefix("192.168.26.0/24"), ..rule(43, RuleAction::Unreachable) },
        "from 192.168.25.0/24 nop preference 44" =>
            Rule { from: prefix("192.168.25.0/24"), ..rule(44, RuleAction::Nop) },
        "from 192.168.24.0/24 table 9 tunnel-id 77 suppress_prefixlength 8 preference 45" => Rule {
            from: prefix("192.168.24.0/24"),
            tunnel_id: Some(77),
            suppress_prefix_len: Some(8),
            ..rule(45, table(9))
        },
        "to 1:2:3:4:5:6:7:0/112 from 7:6:5:4:3:2::/96 table 6908 uidrange 10000-19999 preference 50" => Rule {
            to: prefix("1:2:3:4:5:6:7:0/112"),
            from: prefix("7:6:5:4:3:2::/96"),
            uids: Some((10000, 19999)),
            ..rule(50, table(6908))
        },
        "from 192.168.33.0/24 table 1" => Rule {
            from: prefix("192.168.33.0/24"),
            preference: None,
            ..rule(0, table(1))
        },
        "from fd33::/64 table 1" =>
            Rule { from: prefix("fd33::/64"), preference: None, ..rule(0, table(1)) },
        "from 192.168.34.0/24 table 1" => Rule {
            from: prefix("192.168.34.0/24"),
            preference: None,
            ..rule(0, table(1))
        },
        "to 1:2:3:4:6:6:7:0/112 from 8:6:5:4:3:2::/96 l3mdev ipproto UDP sport 10-20 dport 20-30 preference 51" => Rule {
            to: prefix("1:2:3:4:6:6:7:0/112"),
            from: prefix("8:6:5:4:3:2::/96"),
            ip_protocol: Some(Table::Name("UDP".into())),
            source_ports: Some((10, 20)),
            destination_ports: Some((20, 30)),
            ..rule(51, RuleAction::Vrf)
        },
    ]
}

fn values<T: Clone>(rows: &[(&str, T)]) -> Vec<T> {
    rows.iter().map(|(_, value)| value.clone()).collect()
}

fn block<T>(name: &str, rows: &[(&str, T)]) -> String {
    let lines: Vec<&str> = rows.iter().map(|(text, _)| *text).collect();
    format!("{name} {{\n  {}\n}}\n", lines.join("\n  "))
}

#[test]
fn the_kernel_holds_what_keepalived_leaves_there() {
    let right = pair();
    let text = format!(
        "vrrp_version 3\nvrrp_instance A {{\n interface left0\n virtual_router_id 51\n
         priority 200\n advert_int 0.1\n {}{}{}{}}}\n",
        block("virtual_ipaddress", &addresses()),
        block("virtual_ipaddress_excluded", &excluded()),
        block("virtual_routes", &routes()),
        block("virtual_rules", &rules()),
    );
    let text = text.replacen("vrrp_version 3", "global_defs {\n vrrp_version 3\n}", 1);
    let empty = kernel();
    let keepalived = Keepalived::start(&text);
    wait_for("the last rule", || kernel().contains("dport 20-30"));
    let theirs = kernel();
    drop(keepalived);
    // It leaves an address with a peer behind.
    sh("ip addr del 10.9.0.105 peer 10.7.0.5 dev left0 2>/dev/null || true");
    same(&empty, &kernel());

    let mut instance = instance(51, 200, values(&addresses()));
    instance.excluded_addresses = values(&excluded());
    instance.routes = values(&routes());
    instance.rules = values(&rules());
    let mut daemon = Daemon::start(&config(vec![instance]), NetworkSetup::default());
    daemon.wait_state(0, State::Active);
    daemon.status();
    assert_eq!(daemon.problems(), [""; 0]);
    same(&theirs, &kernel());
    daemon.stop();
    same(&empty, &kernel());
    drop(right);
}

/// The same lines in the same order; else says which differ.
fn same(expected: &str, found: &str) {
    let lines = |all: &str, other: &str| -> Vec<String> {
        all.lines().filter(|l| !other.lines().any(|o| o == *l)).map(str::to_owned).collect()
    };
    assert!(
        expected == found,
        "missing: {:#?}\ntoo many: {:#?}",
        lines(expected, found),
        lines(found, expected)
    );
}

fn network() -> NetworkSetup {
    NetworkSetup { default_interface: "left0".into(), ..NetworkSetup::default() }
}

fn has(address: &str) -> bool {
    sh("ip -o addr").contains(&format!(" {address}/"))
}

#[test]
fn what_somebody_takes_away_is_missed_unless_it_is_not_tracked() {
    let _right = pair();
    let mut it = instance(51, 200, vec![address("10.9.0.100/24")]);
    it.addresses.push(Address { no_track: true, ..address("10.9.0.101/24") });
    it.excluded_addresses.push(address("fd09::100/64"));
    it.routes.push(by("left0", route("192.168.5.0/24")));
    it.routes.push(Route { no_track: true, ..by("left0", route("192.168.6.0/24")) });
    it.routes.push(Route { metric: Some(7), ..by("left0", route("fd05::/64")) });
    it.rules.push(Rule { from: prefix("192.168.5.0/24"), ..rule(30, RuleAction::Prohibit) });
    it.rules.push(Rule { no_track: true, ..rule(31, RuleAction::Nop) });
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Active);
    daemon.status();
    let mut released = 0;
    for (what, is_missed) in [
        ("addr del 10.9.0.101/24 dev left0", false),
        ("route del 192.168.6.0/24 dev left0", false),
        ("rule del preference 31", false),
        ("addr del 10.9.0.100/24 dev left0", true),
        ("addr del fd09::100/64 dev left0", true),
        ("route del 192.168.5.0/24 dev left0", true),
        ("-6 route del fd05::/64 dev left0", true),
        ("rule del preference 30", true),
        // Somebody else's.
        ("addr add 10.9.7.7/24 dev left0 && ip addr del 10.9.7.7/24 dev left0", false),
        ("route add 192.168.9.0/24 dev left0 && ip route del 192.168.9.0/24 dev left0", false),
    ] {
        daemon.problems();
        daemon.heard.clear();
        sh(&format!("ip {what}"));
        if is_missed {
            daemon.wait_state(0, State::Backup);
            daemon.wait_state(0, State::Active);
            daemon.status();
        }
        released += u64::from(is_missed);
        let counters = daemon.status().instances[0].counters;
        assert_eq!(counters.release_master, released, "{what}");
    }
    assert_eq!(daemon.problems(), [""; 0]);
}

#[test]
fn own_changes_are_not_missed() {
    let _right = pair();
    let mut it = instance(51, 200, (0..50).map(|n| address(&format!("10.9.1.{n}"))).collect());
    it.routes.push(by("left0", route("192.168.5.0/24")));
    it.rules.push(rule(30, RuleAction::Nop));
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Active);
    for _ in 0..10 {
        daemon.problems();
        daemon.heard.clear();
        sh("ip addr del 10.9.1.7/32 dev left0");
        daemon.wait_state(0, State::Backup);
        daemon.wait_state(0, State::Active);
    }
    let counters = daemon.status().instances[0].counters;
    assert_eq!((counters.become_master, counters.release_master), (11, 10));
}

#[test]
fn what_a_dead_daemon_left_behind_is_removed() {
    let _right = pair();
    sh("ip addr add 10.9.0.100/24 dev left0; ip addr add fd09::100/128 dev left0 nodad
        ip route add 192.168.5.0/24 dev left0 scope global proto 18; ip route add 192.168.6.0/24 dev left0
        ip rule add from 192.168.5.0/24 prohibit pref 30 protocol 18");
    let mut it = instance(51, 100, vec![address("10.9.0.100/24")]);
    it.excluded_addresses.push(address("fd09::100"));
    for to in ["192.168.5.0/24", "192.168.6.0/24"] {
        it.routes.push(by("left0", route(to)));
    }
    it.rules.push(Rule { from: prefix("192.168.5.0/24"), ..rule(30, RuleAction::Prohibit) });
    // So that it stays Backup for as long as this test looks.
    it.advert_interval = std::time::Duration::from_secs(10);
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Backup);
    let left = kernel();
    assert!(!has("10.9.0.100") && !has("fd09::100"), "{left}");
    assert!(!left.contains("192.168.5.0") && left.contains("192.168.6.0/24 dev left0"), "{left}");
    assert!(has("10.9.0.1") && has("fd09::1"));
}

#[test]
fn static_things_are_there_from_the_start_follow_the_file_and_go_at_the_end() {
    let _right = pair();
    let empty = kernel();
    let it = instance(51, 100, vec![address("10.9.0.100")]);
    let statics = |number: u8| NetworkSetup {
        addresses: vec![address("192.0.2.1/24"), address(&format!("192.0.2.{number}/24"))],
        routes: vec![
            by("left0", route("198.51.100.0/24")),
            by("left0", route(&format!("198.51.{number}.0/24"))),
        ],
        rules: vec![rule(30, RuleAction::Nop), rule(u32::from(number), RuleAction::Nop)],
        ..network()
    };
    let mut daemon = Daemon::start(&config(vec![it.clone()]), statics(40));
    daemon.wait_state(0, State::Backup);
    let count = |text: &str| kernel().matches(text).count();
    for (number, other) in [(40, 50), (50, 40)] {
        assert_eq!((count("192.0.2.1/24"), count("198.51.100.0/24"), count("30: ")), (1, 1, 1));
        assert_eq!((count(&format!(".{number}/24")), count(&format!(".{number}.0/24"))), (1, 1));
        assert_eq!((count(&format!(".{other}/24")), count(&format!(".{other}.0/24"))), (0, 0));
        assert_eq!((count(&format!("{number}: ")), count(&format!("{other}: "))), (1, 0));
        daemon.reload(&config(vec![it.clone()]), statics(50));
    }
    daemon.stop();
    same(&empty, &kernel());
}

#[test]
fn the_loss_of_a_static_thing_concerns_whoever_tracks_it() {
    let _right = pair();
    let group = Some("G".to_owned());
    let setup = NetworkSetup {
        addresses: vec![
            Address { track_group: group.clone(), ..address("192.0.2.1/24") },
            address("192.0.2.2/24"),
        ],
        routes: vec![Route { track_group: group.clone(), ..by("left0", route("198.51.1.0/24")) }],
        rules: vec![Rule { track_group: group, ..rule(30, RuleAction::Nop) }],
        track_groups: vec![keepair_linux::router::network_setup::TrackGroup {
            name: "G".into(),
            instances: vec![keepair_core::router::config::InstanceId(1)],
        }],
        ..network()
    };
    let all = [51, 52].map(|n| instance(n, 200, vec![address(&format!("10.9.0.{n}"))]));
    let mut daemon = Daemon::start(&config(all.to_vec()), setup);
    daemon.wait_state(0, State::Active);
    daemon.wait_state(1, State::Active);
    let mut released = 0;
    for (what, is_missed) in [
        ("addr del 192.0.2.2/24 dev left0", false),
        ("addr del 192.0.2.1/24 dev left0", true),
        ("route del 198.51.1.0/24 dev left0", true),
        ("rule del preference 30", true),
    ] {
        daemon.problems();
        daemon.heard.clear();
        sh(&format!("ip {what}"));
        if is_missed {
            daemon.wait_state(1, State::Backup);
            daemon.wait_state(1, State::Active);
        }
        released += u64::from(is_missed);
        let counters = daemon.status().instances.into_iter().map(|it| it.counters.release_master);
        assert_eq!(counters.collect::<Vec<_>>(), [0, released], "{what}");
    }
}

#[test]
fn a_reload_takes_out_what_is_gone_and_touches_nothing_else() {
    let _right = pair();
    let a = |n: u8| address(&format!("10.9.0.{n}/24"));
    let mut it = instance(51, 200, vec![a(100), a(101)]);
    it.routes = vec![by("left0", route("192.168.5.0/24")), by("left0", route("192.168.6.0/24"))];
    let other = instance(52, 200, vec![a(110)]);
    let mut daemon = Daemon::start(&config(vec![other, it.clone()]), network());
    daemon.wait_state(0, State::Active);
    daemon.wait_state(1, State::Active);
    daemon.status();
    let mut monitor = keepair_linux::rtnl::Monitor::open().unwrap();
    it.addresses = vec![a(101), a(102)];
    it.routes.remove(0);
    // The first one is gone, and the second one has its place.
    daemon.reload(&config(vec![it.clone()]), network());
    let found = kernel();
    for (what, is_there) in [
        (".100/24", false),
        (".101/24", true),
        (".102/24", true),
        (".110/24", false),
        ("192.168.5.0/24", false),
        ("192.168.6.0/24", true),
    ] {
        assert_eq!(found.contains(what), is_there, "{what}: {found}");
    }
    while let Some(notice) = monitor.next().unwrap() {
        assert!(!format!("{notice:?}").contains("10.9.0.101"), "{notice:?}");
    }
    assert_eq!(daemon.status().instances[0].state, State::Active);
    // Its answers and losses are counted by the new place.
    daemon.problems();
    daemon.heard.clear();
    sh("ip addr del 10.9.0.102/24 dev left0");
    daemon.wait_state(0, State::Backup);
    daemon.stop();
    assert!(!has("10.9.0.101") && !has("10.9.0.102"));
}

#[test]
fn with_dont_release_vrrp_all_but_static_things_stays() {
    let _right = pair();
    let mut it = instance(51, 200, vec![address("10.9.0.100")]);
    it.rules.push(rule(30, RuleAction::Nop));
    let addresses = vec![address("192.0.2.1/24")];
    let setup = NetworkSetup { keep_on_exit: true, addresses, ..network() };
    let mut daemon = Daemon::start(&config(vec![it]), setup);
    daemon.wait_state(0, State::Active);
    daemon.stop();
    assert!(has("10.9.0.100") && kernel().contains("30: ") && !has("192.0.2.1"));
}

#[test]
fn what_the_kernel_refuses_is_told_and_the_rest_is_done() {
    let _right = pair();
    let mut it = instance(51, 200, vec![address("10.9.0.100")]);
    it.addresses.push(Address { interface: Some("nope0".into()), ..address("10.9.0.101") });
    it.addresses.push(address("10.9.0.102"));
    it.routes.push(Route { table: Some(Table::Name("nope".into())), ..route("192.168.5.0/24") });
    it.rules.push(rule(30, RuleAction::Nop));
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Active);
    daemon.status();
    let problems = daemon.problems();
    assert!(
        problems.len() == 1
            && problems[0].contains("there is no interface nope0")
            && problems[0].contains("there is no routing table named nope"),
        "{problems:?}"
    );
    assert!(has("10.9.0.100") && has("10.9.0.102") && kernel().contains("30: "));
}

#[test]
fn other_peoples_routes_do_not_wake_it() {
    let _right = pair();
    let mut it = instance(51, 100, vec![address("10.9.0.100/24")]);
    it.advert_interval = std::time::Duration::from_secs(10);
    let mut daemon = Daemon::start(&config(vec![it]), network());
    daemon.wait_state(0, State::Backup);
    daemon.status();
    let before = daemon.rounds.load(std::sync::atomic::Ordering::Relaxed);
    sh("for n in $(seq 50); do
          ip route add 192.168.$n.0/24 dev left0; ip route del 192.168.$n.0/24 dev left0
        done; ip rule add from 192.168.1.0/24 prohibit");
    let after = daemon.rounds.load(std::sync::atomic::Ordering::Relaxed);
    // A hundred notices and more would have been a hundred rounds, or nearly.
    assert!(after < before + 10, "{} rounds", after - before);
}

/// How long the thread that sends adverts is away, at the most, while it puts many addresses in,
/// announces them five times, and takes them out.
#[test]
fn costs() {
    let _right = pair();
    for count in [1, 20, 255u32] {
        let all = |net: &'static str| (0..count).map(move |n| address(&format!("10.{net}.{n}")));
        let mut it = instance(51, 200, all("9.1").collect());
        it.garp.repeat = 5;
        it.routes =
            (0..count.min(50)).map(|n| by("left0", route(&format!("10.66.{n}.0/24")))).collect();
        let daemon = Daemon::start(&config(vec![it]), network());
        let mut away = Vec::new();
        for _ in 0..3 {
            let start = std::time::Instant::now();
            let mut longest = std::time::Duration::ZERO;
            while daemon.status().instances[0].state != State::Active
                || start.elapsed() < std::time::Duration::from_millis(600)
            {
                let asked = std::time::Instant::now();
                daemon.status();
                longest = longest.max(asked.elapsed());
            }
            away.push(longest);
            sh("ip addr del 10.9.1.0/32 dev left0");
        }
        common::report(&format!("{count} addresses, longest absence"), away);
    }
}
