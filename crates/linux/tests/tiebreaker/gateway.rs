//! The machine at the other end of a cable as a gateway.

use keepair_linux::tiebreaker::{Gateway, Setting};

use super::common::{pair, sh};
use super::*;

fn setting(address: Option<&str>) -> Gateway {
    Gateway {
        interface: "left0".to_owned(),
        own: "10.9.0.1".parse().unwrap(),
        address: address.map(|text| text.parse().unwrap()),
        interval: Duration::from_millis(100),
    }
}

#[test]
fn a_gateway_votes_while_it_answers() {
    let right = pair();
    for address in ["10.9.0.2", "fd09::2", "fe80::2"] {
        right.run(|| sh("ip link set right0 up"));
        let machine = Machine::start(Setting::Gateway(setting(Some(address))));
        let run = loop {
            match machine.hears() {
                Says::Met(run) => break run,
                // The link is just up.
                Says::Gone(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(machine.is_told(run, 10, 0), granted(10), "{address}");
        assert_eq!(machine.is_told(run, 11, 0), granted(11), "{address}");
        assert_eq!(machine.is_told([9; 20], 12, 0), Says::Met(run), "{address}");
        // The link stays up, and nobody answers.
        right.run(|| sh("ip link set right0 arp off; ip addr flush dev right0"));
        machine.asks(run, 13, 0);
        let start = Instant::now();
        assert!(machine.misses().contains(&format!("no answer from {address}")));
        assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
        right.run(|| {
            sh("ip link set right0 arp on; ip addr add 10.9.0.2/24 dev right0
                ip addr add fd09::2/64 dev right0 nodad; ip addr add fe80::2/64 dev right0 nodad");
        });
        assert_eq!(machine.meets(), run, "{address}");
    }
}

#[test]
fn the_default_routes_gateway_is_found_and_followed() {
    let right = pair();
    let machine = Machine::start(Setting::Gateway(setting(None)));
    assert!(machine.misses().contains("no default route"));
    right.run(|| sh("ip addr add 10.9.0.3/24 dev right0"));
    sh("ip route add default via 10.9.0.2");
    let run = machine.meets();
    assert_eq!(machine.is_told(run, 10, 0), granted(10));
    sh("ip route replace default via 10.9.0.3");
    right.run(|| {
        sh("ip addr del 10.9.0.2/24 dev right0; ip addr add 10.9.0.3/24 dev right0 || true")
    });
    // A second, until the routes are looked at; then the new one answers as the old one did.
    std::thread::sleep(Duration::from_millis(1200));
    while machine.heard.try_recv().is_ok() {}
    assert_eq!(machine.is_told(run, 11, 0), granted(11));
    sh("ip route del default");
    assert!(machine.misses().contains("no default route"));
}

#[test]
fn a_gateway_behind_another_is_none() {
    let _right = pair();
    sh("ip route add default via 10.9.0.2");
    let machine = Machine::start(Setting::Gateway(setting(Some("192.0.2.1"))));
    assert!(machine.misses().contains("behind 10.9.0.2"));
}

#[test]
fn an_interface_that_goes_and_comes_back_keeps_no_processor_busy() {
    let right = pair();
    let machine = Machine::start(Setting::Gateway(setting(Some("10.9.0.2"))));
    let run = machine.meets();
    let used = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap().split(' ').filter_map(|it| it.parse().ok()).collect();
        // utime and stime, in hundredths of a second; the state before them is no number.
        fields[10] + fields[11]
    };
    let before = used();
    sh("ip link del left0");
    assert!(machine.misses().contains("no interface left0"));
    std::thread::sleep(Duration::from_millis(500));
    let ticks = used() - before;
    assert!(ticks < 100, "{ticks} hundredths of a second");
    let path = right.path();
    sh(&format!(
        "ip link add left0 type veth peer name right0 && ip link set right0 netns {path}
         ip addr add 10.9.0.1/24 dev left0; ip link set left0 up"
    ));
    right.run(|| sh("ip addr add 10.9.0.2/24 dev right0; ip link set right0 up"));
    while machine.hears() != Says::Met(run) {}
    assert_eq!(machine.is_told(run, 10, 0), granted(10));
}

#[test]
fn costs() {
    let _right = pair();
    measure(
        "a gateway's vote on a veth",
        &Machine::start(Setting::Gateway(setting(Some("10.9.0.2")))),
    );
}
