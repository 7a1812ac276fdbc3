use core::net::IpAddr;
use keepair_core::config::Vip;

use crate::keys::{ALL, Section};
use crate::{Severity, parse};

mod complete;
mod mutation;
mod tiebreaker;

/// Line 1 to 3 the top level, 4 and 7 the nodes, 10 and 11 Redis; what is appended begins in line 12.
const GOOD: &str = r#"vip = ["172.18.0.10/24"]
interface = "eth0"
virtual_router_id = 51
[[node]]
name = "redis-1"
address = "172.18.0.4"
[[node]]
name = "redis-2"
address = "172.18.0.5"
[redis]
port = 6379
"#;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Everything found, a line each: `line:column message`, warnings with `warning: `.
fn found(text: &str) -> Vec<String> {
    let found = match parse("keepair.toml", text) {
        Ok((_, warnings)) => {
            assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
            warnings
        }
        Err(found) => {
            assert!(found.iter().any(|one| one.severity == Severity::Error), "no error: {text}");
            found
        }
    };
    found
        .into_iter()
        .map(|one| {
            let warning = if one.severity == Severity::Warning { "warning: " } else { "" };
            format!("{}:{} {warning}{}", one.line, one.column, one.message)
        })
        .collect()
}

/// Exactly `expected` is found in `text`, each the beginning of what is said.
#[track_caller]
fn finds(text: &str, expected: &[&str]) {
    let found = found(text);
    let same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(same, "\n{text}\nexpected {expected:#?}\nfound {found:#?}");
}

/// The lines of a table of `change => expected | expected`; in a change, `;;` is a line end.
fn rows(table: &str) -> impl Iterator<Item = (String, Vec<&str>)> {
    table.lines().map(str::trim).filter(|row| !row.is_empty()).map(|row| {
        let (change, expected) = row.split_once("=>").expect("a change and what is found");
        let expected = expected.split(" | ").map(str::trim).filter(|one| !one.is_empty());
        (change.trim().replace(" ;; ", "\n"), expected.collect())
    })
}

/// Rows of `from ~> to`, one change to the good text each.
#[track_caller]
fn changed(table: &str) {
    for (change, expected) in rows(table) {
        let (from, to) = change.split_once("~>").expect("from ~> to");
        let (from, to) = (from.trim(), to.trim());
        assert!(GOOD.contains(from), "{from}");
        finds(&GOOD.replacen(from, to, 1), &expected);
    }
}

/// Rows of lines, each behind the good text: they begin in line 12, in `[redis]`.
#[track_caller]
fn appended(table: &str) {
    for (lines, expected) in rows(table) {
        finds(&format!("{GOOD}{lines}"), &expected);
    }
}

#[test]
fn every_key_is_read() {
    // A date fits no key, so a key that is not complained about is one that nobody reads.
    for key in ALL {
        let name = key.name;
        let without = |line: &&str| !line.starts_with(&format!("{name} = "));
        let good: Vec<&str> = GOOD.lines().filter(without).collect();
        let (good, line) = (good.join("\n"), format!("{name} = 1979-05-27"));
        let text = match key.section {
            Section::Top if name == "node" || name == "redis" => line,
            Section::Top => format!("{line}\n{good}"),
            Section::Node => good.replace("[[node]]", &format!("[[node]]\n{line}")),
            Section::Redis => format!("{good}\n{line}"),
            other => format!("{good}\n{}\n{line}", other.header()),
        };
        let said = format!("`{name}`: expected ");
        let found = found(&text);
        let read = found.iter().any(|one| one.contains(&said) && one.ends_with("a date or time"));
        assert!(read, "{:?} {name}\n{text}\n{found:#?}", key.section);
    }
}

#[test]
fn vip_may_be_a_bare_string() {
    let text = GOOD.replace("[\"172.18.0.10/24\"]", "\"172.18.0.10\"");
    let (config, _) = parse("keepair.toml", &text).unwrap();
    assert_eq!(config.vips, [Vip { address: address("172.18.0.10"), prefix_len: 32 }]);
}

#[test]
fn mistakes_at_the_top_level() {
    changed(
        r#"
        ["172.18.0.10/24"] ~> []                => 1:7 `vip` is empty
        ["172.18.0.10/24"] ~> ""                => 1:7 `vip` is empty
        ["172.18.0.10/24"] ~> 7                 => 1:7 `vip`: expected a string or an array of strings, found an integer
        ["172.18.0.10/24"] ~> ["x", 7]          => 1:8 `x` is not a virtual address | 1:13 `vip`: expected a string, found an integer
        ["172.18.0.10/24"] ~> "172.18.0.10/33"  => 1:7 `/33` is not a prefix length
        ["172.18.0.10/24"] ~> "172.18.0.5/24"   => 1:7 the virtual address 172.18.0.5 is the address of `redis-2`
        ["172.18.0.10/24"] ~> "fd00::1"         => 1:7 no virtual address is IPv4, as the nodes' addresses are
        10/24"]            ~> 10/24", "172.18.0.10"] => 1:26 the virtual address 172.18.0.10 stands here twice
        interface = "eth0" ~>                   => 1:1 missing key `interface`
        interface          ~> interfce          => 1:1 missing key `interface` | 2:1 unknown key `interfce`
        "eth0" ~> ""                            => 2:13 `interface` is empty
        "eth0" ~> eth0                          => 2:13 a string without quotes
        "eth0" ~> "eth0                         => 2:18 a string without an end
        "eth0" ~> 3                             => 2:13 `interface`: expected a string, found an integer
        "eth0" ~> "eth/0"                       => 2:13 `eth/0` is not an interface name
        51 ~> 0                                 => 3:21 `virtual_router_id`: `0` is out of range
        51 ~> 256                               => 3:21 `virtual_router_id`: `256` is out of range
        51 ~> -1                                => 3:21 `virtual_router_id`: `-1` is out of range
        51 ~> 99999999999999999999              => 3:21 `virtual_router_id`: `99999999999999999999` is out of range
        51 ~> "51"                              => 3:21 `virtual_router_id`: expected an integer, found a string
        51 ~> 51.0                              => 3:21 `virtual_router_id`: expected an integer, found a float
        51 ~>                                   => 3:21 a key without a value
        51 ~> 51 ;; interface = "x"             => 4:1 duplicate key
        51 ~> 51 ;; preempt = "yes"             => 4:11 `preempt`: expected a boolean, found a string
        51 ~> 51 ;; preempt = true              => 4:11 warning: `preempt` does nothing: both nodes have one priority
        51 ~> 51 ;; peer_port = 65536           => 4:13 `peer_port`: `65536` is out of range
        51 ~> 51 ;; failover = 1                => 4:12 `failover`: expected a table, found an integer
        51 ~> 51 ;; "\u001b[1m" = 1             => 4:1 unknown key `\u{1b}[1m`
        "#,
    );
}

#[test]
fn mistakes_about_adverts() {
    changed(
        r#"
        51 ~> 51 ;; advert_interval = "10ms"     =>
        51 ~> 51 ;; advert_interval = "1s"       =>
        51 ~> 51 ;; advert_interval = 100        => 4:19 `advert_interval`: the duration `100` has no unit
        51 ~> 51 ;; advert_interval = 0.1        => 4:19 `advert_interval`: the duration `0.1` has no unit
        51 ~> 51 ;; advert_interval = true       => 4:19 `advert_interval`: expected a string, found a boolean
        51 ~> 51 ;; advert_interval = "fast"     => 4:19 `fast` is not a duration
        51 ~> 51 ;; advert_interval = "9ms"      => 4:19 `advert_interval`: 9ms is shorter than 10ms
        51 ~> 51 ;; advert_interval = "40.96s"   => 4:19 `advert_interval`: 40.96s is longer than 40.95s
        51 ~> 51 ;; advert_interval = "105ms"    => 4:19 `advert_interval`: 105ms is not a multiple of 10ms
        51 ~> 51 ;; advert_interval = "10.001ms" => 4:19 `advert_interval`: 10001us is not a multiple of 10ms
        51 ~> 51 ;; advert_interval = "40.95s"   => 4:19 warning: `boot_wait` (3s, the default) is shorter than three times `advert_interval` (40.95s)
        "#,
    );
}

#[test]
fn mistakes_about_nodes() {
    changed(
        r#"
        name = "redis-2"       ~>                     => 7:1 missing key `name`
        address = "172.18.0.5" ~>                     => 7:1 missing key `address`
        redis-2    ~> redis-1                         => 8:8 two nodes with one name, `redis-1`
        redis-2    ~> redis 2                         => 8:8 `redis 2` is not a node name
        172.18.0.5 ~> 172.18.0.4                      => 9:11 two nodes with one address, 172.18.0.4
        172.18.0.5 ~> fd00::5                         => 9:11 nodes of two families: fd00::5 is IPv6, that of `redis-1` (172.18.0.4) is IPv4
        172.18.0.5 ~> 172.18.0.5/24                   => 9:11 `172.18.0.5/24` is not an IP address
        172.18.0.5 ~> 0.0.0.0                         => 9:11 `0.0.0.0` is the unspecified address
        172.18.0.5 ~> 224.0.0.18                      => 9:11 `224.0.0.18` is a multicast address
        172.18.0.5 ~> 127.0.0.1                       => 9:11 `127.0.0.1` is a loopback address
        [redis]    ~> priority = 255 ;; [redis]       => 10:12 `priority`: `255` is out of range
        [redis]    ~> priority = 0 ;; [redis]         => 10:12 `priority`: `0` is out of range
        [redis]    ~> prio = 1 ;; [redis]             => 10:1 unknown key `prio`
        "#,
    );
    appended(
        r#"
        [[node]] ;; name = "redis-3" ;; address = "172.18.0.6" => 12:1 more than two nodes
        [[node]] => 12:1 more than two nodes | 12:1 missing key `name` | 12:1 missing key `address`
        "#,
    );
    let top = "vip = \"10.0.0.1\"\ninterface = \"eth0\"\nvirtual_router_id = 1\n";
    let table = r#"
        => 1:1 no node
        node = []                => 1:1 no node
        node = 7                 => 4:8 `node`: expected an array of tables, found an integer
        node = [1, {nme = 2}]    => 4:9 `node`: expected a table, found an integer | 4:13 unknown key `nme`
        [node] ;; name = "a"     => 4:1 `node`: expected an array of tables, found a table
        [[node]] ;; name = "a" ;; address = "10.0.0.2" => 4:1 only one node
        "#;
    for (nodes, expected) in rows(table) {
        finds(&format!("{top}{nodes}"), &expected);
    }
}

#[test]
fn mistakes_about_redis() {
    appended(
        r#"
        prot = 1                                  => 12:1 unknown key `prot`
        port = 1                                  => 12:1 duplicate key
        preempt = true                            => 12:1 unknown key `preempt`
        host = "127.0.0.1"                        =>
        host = "localhost"                        => 12:8 `localhost` is not an IP address
        host = "172.18.0.10"                      => 12:8 `host` 172.18.0.10 is a virtual address
        host = "172.18.0.4"                       => 12:8 warning: `host` 172.18.0.4 is `redis-1`'s address only
        host = "127.0.0.1" ;; socket = "/s"       => 13:1 `host` and `socket` exclude each other
        socket = "redis.sock"                     => 12:10 `redis.sock` is not an absolute path
        socket = "/s" ;; tls = {}                 => 13:1 warning: `tls` is not used over a Unix socket
        password = ""                             => 12:12 `password` is empty
        password = 1234                           => 12:12 `password`: expected a string, found an integer
        password = "x" ;; password_file = "/x"    => 13:1 `password` and `password_file` exclude each other
        password_file = "x"                       => 12:17 `x` is not an absolute path
        username = "x"                            => 12:12 `username` without a password
        username = "x" ;; password = ""           => 13:12 `password` is empty
        tls = true                                => 12:7 `tls`: expected a table, found a boolean
        tls = {}                                  =>
        tls = { cert = "/c" }                     => 12:9 `cert` without `key`
        tls.key = "/c"                            => 12:5 `key` without `cert`
        [redis.tls] ;; server_name = ""           => 13:15 `server_name` is empty
        [redis.tls] ;; ca = "ca.pem"              => 13:6 `ca.pem` is not an absolute path
        [redis.tls] ;; cacert = "/c"              => 13:1 unknown key `cacert`
        "#,
    );
}

#[test]
fn mistakes_about_time() {
    appended(
        r#"
        ping_interval = "4ms"                => 12:17 `ping_interval`: 4ms is shorter than 5ms
        ping_interval = "1s"                 => 12:17 `ping_timeout` (200ms, the default) is not longer than `ping_interval` (1s)
        ping_timeout = "61s"                 => 12:16 `ping_timeout`: 61s is longer than 1m
        ping_timeout = "50ms"                => 12:16 `ping_timeout` (50ms) is not longer than `ping_interval` (50ms, the default)
        ping_timeout = "6s"                  => 12:16 `hang_timeout` (5s, the default) is shorter than `ping_timeout` (6s)
        hang_timeout = "100ms"               => 12:16 `hang_timeout` (100ms) is shorter than `ping_timeout` (200ms, the default)
        ping_timeout = 500 ;; ping_interval = "300ms" => 12:16 `ping_timeout`: the duration `500` has no unit
        [failover] ;; boot_wait = "200ms"    => 13:13 warning: `boot_wait` (200ms) is shorter than three times
        [failover] ;; drain_timeout = "0s"   => 13:17 `drain_timeout`: 0s is shorter than 10ms
        [garp] ;; repeats = 0                => 13:11 `repeats`: `0` is out of range
        [garp] ;; refresh = "0s"             =>
        [garp] ;; refresh = "1ms"            => 13:11 `refresh`: 1ms is shorter than 100ms
        [garp] ;; [garp]                     => 13:2 duplicate key
        [gerp]                               => 12:2 unknown key `gerp`
        [control] ;; group = "a b"           => 13:9 `a b` is not a group name
        "#,
    );
}

#[test]
fn all_mistakes_at_once_and_in_order() {
    let text = GOOD.replace("eth0", "").replace("51", "\"x\"").replace("redis-2", "redis-1");
    let expected = [
        "2:13 `interface` is empty",
        "3:21 `virtual_router_id`: expected an integer",
        "8:8 two nodes with one name",
        "12:1 unknown key `zzz`",
        "13:17 `ping_interval`: the duration `1` has no unit",
    ];
    finds(&format!("{text}zzz = 1\nping_interval = 1"), &expected);
    let missing = [
        "1:1 missing key `interface`",
        "1:1 missing key `virtual_router_id`",
        "1:1 no node",
        "1:1 missing key `vip`",
    ];
    finds("", &missing);
}

#[test]
fn syntax_errors() {
    // Only the syntax is judged: what was meant around it is a guess.
    appended(
        r#"
        port: 1 ;; foo ;; [x       => 12:5 invalid unquoted key | 13:4 a key without a value | 14:3 unclosed table
        x = = 1                    => 12:5 extra `=`
        x = "\q"                   => 12:7 missing escaped value
        x = 1 y = 2                => 12:5 a string without quotes
        x = 'abc                   => 12:9 a string without an end
        interfce = 7 ;; x =        => 13:4 a key without a value
        "#,
    );
    finds("\nvrrp_instance VI_1 {\n  state MASTER\n}", &["2:1 this is a keepalived.conf"]);
}

#[test]
fn lines_and_columns_are_those_of_an_editor() {
    // Windows line ends, a byte order mark, and letters of more than one byte.
    let text = GOOD.replace("eth0", "/").replace('\n', "\r\n");
    finds(&format!("\u{feff}{text}"), &["2:13 `/` is not an interface name"]);
    let text = GOOD.replace("vip", "vpi");
    finds(&format!("\u{feff}{text}"), &["1:1 missing key `vip`", "1:1 unknown key `vpi`"]);
    let text = GOOD.replace("[\"172.18.0.10/24\"]", "[\"\u{e9}\u{1f600}\", 1]");
    let expected =
        ["1:8 `\u{e9}\u{1f600}` is not a virtual address", "1:14 `vip`: expected a string"];
    finds(&text, &expected);
}

#[test]
fn addresses_of_the_other_family_move_along() {
    let text = r#"
vip = ["172.18.0.10/24", "fd00::10/64"]
interface = "eth0"
virtual_router_id = 51
[[node]]
name = "redis-1"
address = "172.18.0.4"
[[node]]
name = "redis-2"
address = "172.18.0.5"
[redis]
port = 6379
"#;
    let (config, warnings) = parse("keepair.toml", text).unwrap();
    assert_eq!(config.vips.len(), 2);
    assert!(warnings.is_empty());
}
