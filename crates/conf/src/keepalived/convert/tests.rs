//! From files with scripts to a `keepair.toml`, and that `keepair check` takes it, or refuses what is
//! open.

use core::net::IpAddr;

use super::{Conversion, Known, PASSWORD_FILE, convert};
use crate::keepalived::file::File;
use crate::keepalived::tests::good;

const FIRST: &str = include_str!("../../../../../examples/keepalived/redis-1.conf");
const SECOND: &str = include_str!("../../../../../examples/keepalived/redis-2.conf");

/// A machine that nothing is known of.
fn nothing(_: &str) -> Vec<(IpAddr, u8)> {
    Vec::new()
}

fn no_text(_: &str) -> Option<String> {
    None
}

fn known() -> Known<'static> {
    Known {
        name: "redis-1.conf".to_owned(),
        other: None,
        instance: None,
        address: None,
        peer: None,
        addresses_of: &nothing,
        script_text: &no_text,
        password_file: PASSWORD_FILE.to_owned(),
    }
}

fn converted(text: &str, known: &Known<'_>) -> Conversion {
    convert(&good(text), known).unwrap()
}

/// The nodes and the rest of what the text says, in one line.
#[track_caller]
fn pair(conversion: &Conversion) -> String {
    assert_eq!(conversion.missing, [""; 0], "{}", conversion.toml);
    let parsed = crate::parse("keepair.toml", &conversion.toml);
    let (config, warnings) = parsed.unwrap_or_else(|all| panic!("{}\n{all:?}", conversion.toml));
    assert_eq!(warnings, [], "{}", conversion.toml);
    let nodes = config.members.iter().map(|it| format!("{} {}", it.address, it.priority.0));
    let vips = config.vips.iter().map(|vip| format!("{}/{}", vip.address, vip.prefix_len));
    format!(
        "{} | {} on {} | {} {:?} preempt {} unicast {} | port {} {}",
        nodes.collect::<Vec<_>>().join(" "),
        vips.collect::<Vec<_>>().join(" "),
        config.interface,
        config.vrid.0,
        config.advert_interval,
        config.preempt,
        config.unicast,
        config.redis.port,
        config.redis.password_file.as_deref().unwrap_or("-"),
    )
}

const EXPECTED: &str = "172.18.0.4 100 172.18.0.5 90 | 172.18.0.10/32 on eth0 | 51 1s preempt true \
                        unicast false | port 6379 /etc/keepair/redis.password";

#[test]
fn both_files_tell_everything() {
    let [first, second] = [FIRST, SECOND].map(good);
    for (file, other) in [(&first, &second), (&second, &first)] {
        let at = |_: &str| vec![("172.18.0.4".parse().unwrap(), 24)];
        let there = |_: &str| vec![("172.18.0.5".parse().unwrap(), 24)];
        let is_first = core::ptr::eq(file, &first);
        let addresses_of: &dyn Fn(&str) -> Vec<(IpAddr, u8)> = if is_first { &at } else { &there };
        let known = Known { other: Some(other), addresses_of, ..known() };
        let conversion = convert(file, &known).unwrap();
        assert_eq!(pair(&conversion), EXPECTED);
    }
}

#[test]
fn one_file_and_its_machine_leave_the_others_priority_to_a_guess() {
    let here = |interface: &str| match interface {
        // The virtual address may be on it at the moment.
        "eth0" => {
            ["172.18.0.10", "172.18.0.4", "fe80::1"].map(|it| (it.parse().unwrap(), 16)).to_vec()
        }
        _ => Vec::new(),
    };
    let conversion = converted(FIRST, &Known { addresses_of: &here, ..known() });
    assert_eq!(pair(&conversion), EXPECTED);
    assert!(conversion.toml.contains("# A guess: the other machine's"), "{}", conversion.toml);
}

/// A file is often converted on a machine that has nothing to do with it.
#[test]
fn another_machines_addresses_do_not_count() {
    let here = |_: &str| vec![("192.0.2.2".parse().unwrap(), 24)];
    let conversion = converted(FIRST, &Known { addresses_of: &here, ..known() });
    assert!(!conversion.toml.contains("192.0.2.2"), "{}", conversion.toml);
    assert_eq!(conversion.missing.len(), 2);
}

#[test]
fn the_operator_may_say_what_no_file_says() {
    let [address, peer] = ["172.18.0.4", "172.18.0.5"].map(|it| Some(it.parse().unwrap()));
    assert_eq!(pair(&converted(FIRST, &Known { address, peer, ..known() })), EXPECTED);
}

#[test]
fn unicast_names_both() {
    let unicast = "interface eth0\nunicast_src_ip 172.18.0.4\nunicast_peer {\n172.18.0.5\n}";
    let text =
        FIRST.replace("interface eth0", unicast).replace("advert_int 1", "advert_int 1\nversion 3");
    let text = text.replace("advert_int 1\n", "advert_int 0.25\n");
    let expected = EXPECTED.replace("unicast false", "unicast true").replace("1s", "250ms");
    assert_eq!(pair(&converted(&text, &known())), expected);
}

#[test]
fn what_is_not_known_is_left_open_and_refused() {
    // The first machine's scripts may name either.
    let conversion = converted(FIRST, &known());
    assert_eq!(
        conversion.missing,
        [
            "`address` of node redis-1: this machine's address, by which the other reaches it",
            "`address` of node redis-2: the other machine's address, by which the other reaches it",
        ]
    );
    let all = crate::parse("keepair.toml", &conversion.toml).unwrap_err();
    let said: Vec<_> = all.iter().map(|one| one.message.clone()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("FILL IN: the other machine's address"), "{said:?}");
    // The second machine's name the other one.
    let conversion = converted(SECOND, &known());
    assert_eq!(
        conversion.missing,
        ["`address` of node redis-2: this machine's address, by which the other reaches it"]
    );
    assert!(conversion.toml.contains("address = \"172.18.0.4\""), "{}", conversion.toml);
}

#[test]
fn the_password_is_not_in_the_text() {
    let conversion = converted(FIRST, &known());
    assert_eq!(
        conversion.password.map(|password| password.expose().to_owned()).as_deref(),
        Some("123456")
    );
    assert!(!conversion.toml.contains("123456"), "{}", conversion.toml);
    assert!(!conversion.toml.contains("1111"), "{}", conversion.toml);
}

#[test]
fn arguments_are_told_apart() {
    let file = |arguments: &str| -> File {
        let text = format!(
            "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n\
             virtual_ipaddress {{\n10.0.0.10/24\n}}\n\
             notify_backup \"/etc/scripts/to_redis.sh {arguments}\"\n}}\n"
        );
        good(&text)
    };
    for (arguments, addresses, port, password) in [
        ("", "", 6379, "-"),
        ("secret", "", 6379, "secret"),
        ("secret 10.0.0.5 6380", "10.0.0.5", 6380, "secret"),
        ("10.0.0.5 6380 secret", "10.0.0.5", 6380, "secret"),
        ("10.0.0.5:6381", "10.0.0.5", 6381, "-"),
        ("127.0.0.1 6379", "", 6379, "-"),
        // The virtual address is no machine's.
        ("secret 10.0.0.10 6379", "", 6379, "secret"),
        ("-h 10.0.0.5 -p 6382 -a secret replicaof no one", "10.0.0.5", 6382, "secret"),
        ("/var/log/redis.log secret", "", 6379, "secret"),
        // Which of them, nobody can tell.
        ("one-secret another", "", 6379, "?"),
    ] {
        let conversion = convert(&file(arguments), &known()).unwrap();
        let toml = &conversion.toml;
        let found = match (&conversion.password, conversion.needs_password) {
            (Some(password), true) => password.expose().to_owned(),
            (None, needs) => if needs { "?" } else { "-" }.to_owned(),
            (Some(_), false) => panic!("a password without a need"),
        };
        assert_eq!(found, password, "{arguments}");
        assert!(toml.contains(&format!("port = {port}\n")), "{arguments}\n{toml}");
        let named = toml.lines().filter_map(|line| line.strip_prefix("address = \"1"));
        let named: Vec<_> = named.map(|rest| format!("1{}", rest.trim_end_matches('"'))).collect();
        assert_eq!(named.join(" "), addresses, "{arguments}\n{toml}");
    }
}

#[test]
fn scripts_are_known_by_their_name_or_their_text() {
    let text = FIRST.replace("redis_", "pair_");
    let error = convert(&good(&text), &known()).unwrap_err();
    assert!(error.contains("no instance has a script that has to do with Redis"), "{error}");
    let script_text = |path: &str| {
        (path.ends_with("pair_primary.sh"))
            .then(|| "redis-cli -a \"$1\" REPLICAOF NO ONE".to_owned())
    };
    let conversion = converted(&text, &Known { script_text: &script_text, ..known() });
    for line in [
        "# - notify_master (/etc/keepalived/scripts/pair_primary.sh): a standby applies",
        "# - notify_backup (/etc/keepalived/scripts/pair_replica.sh): it is not run any more",
    ] {
        assert!(conversion.toml.contains(line), "{line}\n{}", conversion.toml);
    }
    let chosen = Known { instance: Some("REDIS".to_owned()), ..known() };
    assert!(converted(&text, &chosen).toml.contains("it is not run any more"));
    let wrong = Known { instance: Some("OTHER".to_owned()), ..known() };
    assert_eq!(convert(&good(&text), &wrong).unwrap_err(), "there is no instance `OTHER`");
}

#[test]
fn a_password_inside_of_a_script_is_asked_for() {
    let text = FIRST.replace(".sh 123456", ".sh");
    let script_text = |_: &str| Some("redis-cli -a hidden PING".to_owned());
    let conversion = converted(&text, &Known { script_text: &script_text, ..known() });
    assert!(conversion.password.is_none() && conversion.needs_password);
    assert!(!conversion.toml.contains("hidden"), "{}", conversion.toml);
}

#[test]
fn what_was_not_carried_over_is_told() {
    let text = FIRST
        .replace("router_id redis-1", "router_id redis-1\nvrrp_garp_master_refresh 9")
        .replace("172.18.0.10\n", "172.18.0.10 dev eth1 label eth1:9\n")
        .replace("priority 100", "priority 255\nuse_vmac")
        .replace("    track_script {", "    track_interface {\neth2\n}\n    track_script {")
        .replace("    state MASTER\n", "")
        .replace("weight -20", "weight 0");
    let conversion = converted(&text, &known());
    for line in [
        "# - auth_pass: version 3",
        "# - use_vmac: ",
        "# - the address 172.18.0.10 is on eth1",
        "# - the label of 172.18.0.10",
        "# - track_interface eth2",
        "# - version 2: Keepair speaks version 3",
        "# - how often addresses are announced",
    ] {
        assert!(conversion.toml.contains(line), "{line}\n{}", conversion.toml);
    }
    assert!(conversion.toml.contains("priority = 254\n"), "{}", conversion.toml);
    assert!(!conversion.toml.contains("vrrp_garp"), "{}", conversion.toml);
}

#[test]
fn a_name_is_a_comment_and_no_key() {
    let text = FIRST.replace("vrrp_instance REDIS", "vrrp_instance \"a#b=c [d]\"");
    let conversion = converted(&text, &known());
    assert!(conversion.toml.contains("from the instance a"), "{}", conversion.toml);
    assert_eq!(crate::parse("keepair.toml", &conversion.toml).unwrap_err().len(), 2);
}
