use core::time::Duration;
use keepair_core::config::Vip;

use super::{Fault, address, duration, name, quote};

/// The beginning of the message and of the hint.
#[track_caller]
fn refused<T: core::fmt::Debug>(found: Result<T, Fault>, message: &str, hint: &str) {
    let fault = found.expect_err(message);
    let found_hint = fault.hint.unwrap_or_default();
    assert!(fault.message.starts_with(message), "{} is not {message}", fault.message);
    assert!(found_hint.starts_with(hint), "{}: {found_hint} is not {hint}", fault.message);
}

#[test]
fn durations_are_exact() {
    for (text, ns) in [
        ("0s", 0),
        ("1us", 1_000),
        ("0.001us", 1),
        ("10ms", 10_000_000),
        ("0.5s", 500_000_000),
        ("0.50000000000000000000s", 500_000_000),
        ("0000000000000000001s", 1_000_000_000),
        ("40.95s", 40_950_000_000),
        ("1.5m", 90_000_000_000),
        ("2h", 7_200_000_000_000),
    ] {
        assert_eq!(duration::parse(text), Ok(Duration::from_nanos(ns)), "{text}");
    }
}

#[test]
fn durations_that_are_none() {
    let number = "write a number and a unit";
    let long = "it is longer";
    let fine = "nothing here is finer";
    for (text, hint) in [
        ("fast", number),
        (".5s", number),
        ("5.s", number),
        ("1.2.3s", number),
        ("-1s", number),
        ("+1s", number),
        ("100", "add a unit"),
        ("0.5", "add a unit"),
        ("100 ms", "write it without blanks"),
        ("1s ", "write it without blanks"),
        ("1m30s", "write one number and one unit"),
        ("5sec", "the unit of seconds is s"),
        ("5min", "the unit of minutes is m"),
        ("5\u{b5}s", "the unit of microseconds is us"),
        ("5d", "the units are us"),
        ("5S", "the units are us"),
        ("0.0001us", fine),
        ("0.00000000000001s", fine),
        ("999999999999h", long),
        ("99999999999999999999999999s", long),
    ] {
        refused(duration::parse(text), &format!("{} is not a duration", quote(text)), hint);
    }
}

#[test]
fn durations_are_shown_as_people_write_them() {
    for (text, shown) in [
        ("0us", "0s"),
        ("0.1s", "100ms"),
        ("10ms", "10ms"),
        ("1000ms", "1s"),
        ("1500ms", "1500ms"),
        ("40.95s", "40.95s"),
        ("90s", "90s"),
        ("60s", "1m"),
        ("600s", "10m"),
        ("3600s", "1h"),
        ("1.25us", "1.25us"),
        ("12.345678s", "12.345678s"),
        ("100001h", "360003600s"),
    ] {
        let read = duration::parse(text).unwrap();
        assert_eq!(duration::show(read), shown);
        assert_eq!(duration::parse(shown), Ok(read));
    }
    // Whatever is shown reads back as the same.
    let mut ns = 1u64;
    while let Some(next) = ns.checked_mul(3) {
        let duration = Duration::from_nanos(ns);
        assert_eq!(duration::parse(&duration::show(duration)), Ok(duration), "{ns}");
        ns = next.wrapping_add(7);
    }
}

#[test]
fn virtual_addresses() {
    for (text, address, prefix_len) in [
        ("172.18.0.10/24", "172.18.0.10", 24),
        ("172.18.0.10", "172.18.0.10", 32),
        ("172.18.0.10/31", "172.18.0.10", 31),
        ("fd00::10/64", "fd00::10", 64),
        ("fd00::10", "fd00::10", 128),
        ("fe80::10/64", "fe80::10", 64),
    ] {
        let expected = Vip { address: address.parse().unwrap(), prefix_len };
        assert_eq!(address::parse_vip(text), Ok(expected), "{text}");
    }
    let bits = "write a number between 1 and 32";
    let reachable = "write an address the other";
    for (text, message, hint) in [
        ("172.18.0.10/33", "`/33` is not a prefix length", bits),
        ("172.18.0.10/0", "`/0` is not a prefix length", bits),
        ("172.18.0.10/", "`/` is not a prefix length", bits),
        ("172.18.0.10/024", "`/024` is not a prefix length", bits),
        ("172.18.0.10/24/24", "`/24/24` is not a prefix length", bits),
        ("172.18.0.10/255.255.255.0", "`/255.255.255.0` is not", "write the number of bits"),
        ("fd00::10/129", "`/129` is not", "write a number between 1 and 128"),
        ("172.18.0.10:6379", "`172.18.0.10:6379` is not a virt", "write 172.18.0.10, without"),
        ("172.18.0.256", "`172.18.0.256` is not a virtual", "four numbers from 0 to 255"),
        ("172.18.0.010", "`172.18.0.010` is not a virtual", "four numbers from 0 to 255"),
        (" 172.18.0.10", "` 172.18.0.10` is not", "write it without blanks"),
        ("redis.example.org", "`redis.example.org` is not", "names are not resolved"),
        ("172.18.10", "`172.18.10` is not", "write an address like"),
        ("172.18.0.0/24", "`172.18.0.0` is the network address of its own /24", "write the"),
        ("172.18.0.255/24", "`172.18.0.255` is the broadcast address of", "write the"),
        ("fd00::/64", "`fd00::` is the network address of its own /64", "write the"),
        ("0.0.0.0", "`0.0.0.0` is the unspecified address", reachable),
        ("::/64", "`::` is the unspecified address", reachable),
        ("224.0.0.18", "`224.0.0.18` is a multicast address", reachable),
        ("ff02::12", "`ff02::12` is a multicast address", reachable),
        ("127.0.0.2/8", "`127.0.0.2` is a loopback address", reachable),
        ("255.255.255.255", "`255.255.255.255` is the broadcast", reachable),
        ("0.1.2.3", "`0.1.2.3` is reserved", reachable),
        ("::ffff:1.2.3.4", "`::ffff:1.2.3.4` is an IPv4 address in", "write 1.2.3.4"),
    ] {
        refused(address::parse_vip(text), message, hint);
    }
}

#[test]
fn machine_addresses() {
    assert_eq!(address::parse("172.18.0.4"), Ok("172.18.0.4".parse().unwrap()));
    assert_eq!(address::parse_local("127.0.0.1"), Ok("127.0.0.1".parse().unwrap()));
    for (text, hint) in [
        ("172.18.0.4/24", "write 172.18.0.4, without the prefix"),
        ("[fd00::4]:6379", "write fd00::4, without the port"),
        ("fe80::1%eth0", "write fe80::1: the interface"),
        ("nonsense", "names are not resolved"),
    ] {
        refused(address::parse(text), &format!("`{text}` is not an IP address"), hint);
    }
    refused(address::parse("127.0.0.1"), "`127.0.0.1` is a loopback", "write an address");
    refused(address::parse_local("localhost"), "`localhost` is not", "leave `host` out");
    refused(address::parse_local("0.0.0.0"), "`0.0.0.0` is the unspecified", "write an");
}

#[test]
fn names() {
    for good in ["eth0", "enp0s31f6", "br-0123456789ab", "eth0.100", "wlan\u{e9}"] {
        assert_eq!(name::interface(good), Ok(()), "{good}");
    }
    for (bad, hint) in [
        ("enp0s31f6-uplink", "an interface name has at most 15 bytes"),
        ("eth/0", "an interface name has no slash"),
        ("eth 0", "an interface name has no slash"),
        ("eth0:1", "an interface name has no slash"),
        ("..", "an interface name has no slash"),
        ("\u{1b}[31m", "an interface name has no slash"),
    ] {
        refused(name::interface(bad), &format!("{} is not an", quote(bad)), hint);
    }
    assert_eq!(name::node("redis-1.example.org"), Ok(()));
    refused(name::node("redis 1"), "`redis 1` is not a node name", "a name has no blanks");
    refused(name::node(&"x".repeat(65)), "`xxx", "a name has at most 64");
    assert_eq!(name::group("redis"), Ok(()));
    refused(name::group("a:b"), "`a:b` is not a group name", "write a name from");
    assert_eq!(name::path("/a"), Ok(()));
    refused(name::path("a/b"), "`a/b` is not an absolute path", "write the path from the root");
    assert_eq!(name::socket(&format!("/{}", "x".repeat(106))), Ok(()));
    refused(name::socket(&format!("/{}", "x".repeat(107))), "`/xx", "the path of a Unix socket");
}

#[test]
fn quoted_text_is_short_and_harmless() {
    assert_eq!(quote("it's \"x\""), "`it's \"x\"`");
    assert_eq!(quote("\u{1b}[31m\n"), "`\\u{1b}[31m\\n`");
    assert_eq!(quote(&"x".repeat(100)), format!("`{}...`", "x".repeat(48)));
}
