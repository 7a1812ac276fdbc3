//! From the text of a file to what the router is told. What is expected here is what keepalived 2.2.7
//! said of these files (SIGUSR1), but for words that are newer.

use core::time::Duration;

use keepair_core::config::Vrid;
use keepair_core::router::config::{
    Config, Family, Garp, InstanceConfig, InstanceId, LinkConfig, LinkId, Password, ScriptConfig,
    ScriptId, Track, Tracks, Transport, Version, Weight,
};
use keepair_core::router::network::Address;

use crate::keepalived::tests::Files;
use crate::keepalived::{Options, parse, router};

const MINUTE: Duration = Duration::from_secs(60);

/// The configuration of a text without errors, on a machine that has been up for a minute.
#[track_caller]
fn config(text: &str) -> Config {
    result(text).unwrap_or_else(|said| panic!("{said:?}"))
}

/// The same, or what is said of the files it names.
#[track_caller]
fn result(text: &str) -> Result<Config, Vec<String>> {
    let machine = Files::new(text);
    let options = Options { config_id: "redis-1".to_owned(), ..Options::default() };
    let parsed = parse("/etc/keepalived.conf", &machine, &options);
    let shown = parsed.render(false);
    let file = parsed.file.unwrap_or_else(|| panic!("{text}\n{shown}"));
    router(&file, &parsed.sources, &machine, MINUTE)
        .map_err(|all| all.iter().map(ToString::to_string).collect())
}

/// An instance with these lines in it, behind these lines.
fn text(before: &str, lines: &str) -> String {
    let address =
        if lines.contains("virtual_ipaddress {") { "" } else { "virtual_ipaddress {\n10.0.0.1\n}" };
    format!(
        "{before}\nvrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n{lines}\n{address}\n}}\n"
    )
    .replace(" ;; ", "\n")
}

#[track_caller]
fn instance(before: &str, lines: &str) -> InstanceConfig {
    config(&text(before, lines)).instances.remove(0)
}

/// Rows of lines before the instance, lines in it, and what is expected of it.
#[track_caller]
fn table<T: PartialEq + core::fmt::Debug>(of: fn(InstanceConfig) -> T, rows: &[(&str, &str, T)]) {
    for (before, lines, expected) in rows {
        let before = match *before {
            "" => String::new(),
            globals => format!("global_defs {{\n{globals}\n}}"),
        };
        assert_eq!(of(instance(&before, lines)), *expected, "{before} {lines}");
    }
}

fn plain(address: &str) -> Address {
    Address {
        address: address.parse().unwrap(),
        prefix_len: None,
        interface: None,
        vmac: false,
        broadcast: None,
        scope: None,
        label: None,
        peer: None,
        home: false,
        duplicate_detection: false,
        manage_temporary: false,
        no_prefix_route: false,
        autojoin: false,
        no_track: false,
        preferred: None,
        track_group: None,
    }
}

#[test]
fn the_users_file_is_filled_in() {
    let example = include_str!("../tests/example.conf");
    let second = Duration::from_secs(1);
    let expected = Config {
        links: vec![LinkConfig {
            name: "eth0".to_owned(),
            down_delay: Duration::ZERO,
            up_delay: Duration::ZERO,
        }],
        scripts: vec![ScriptConfig {
            name: "redis_alive".to_owned(),
            interval: second,
            timeout: second,
            rise: 3,
            fall: 3,
            init_fail: false,
        }],
        instances: vec![InstanceConfig {
            name: "VI_1".to_owned(),
            link: LinkId(0),
            vrid: Vrid(51),
            family: Family::V4,
            version: Version::V2,
            priority: 100,
            wants_active: true,
            advert_interval: second,
            down_timer_adverts: 3,
            preempt: true,
            preempt_delay: Duration::ZERO,
            source: None,
            track_source: false,
            transport: Transport::Multicast { group: "224.0.0.18".parse().unwrap() },
            checksum_without_pseudo_header: false,
            old_unicast_checksum: None,
            password: Some(Password(*b"1111\0\0\0\0")),
            hmac: None,
            addresses: vec![plain("172.18.0.10")],
            excluded_addresses: vec![],
            routes: vec![],
            rules: vec![],
            garp: Garp {
                delay: 5 * second,
                repeat: 5,
                refresh: Duration::ZERO,
                refresh_repeat: 1,
                lower_prio_delay: 5 * second,
                lower_prio_repeat: 5,
            },
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            skip_check_adv_addr: false,
            owner_ignore_adverts: false,
            strict: false,
            accept: true,
            timer_expired_backup: None,
            vmac: None,
            promote_secondaries: false,
            tracks: Tracks {
                links: vec![Track { id: LinkId(0), weight: Weight::default() }],
                scripts: vec![Track {
                    id: ScriptId(0),
                    weight: Weight { value: -20, reverse: false },
                }],
                ..Tracks::default()
            },
            notify_priority_changes: false,
            smtp_alert: false,
            notify_deleted: false,
        }],
        ..Config::default()
    };
    assert_eq!(config(example), expected);
}

#[test]
fn priority_and_state() {
    let of = |it: InstanceConfig| (it.priority, it.wants_active, it.preempt);
    table(
        of,
        &[
            ("", "", (100, false, true)),
            ("", "priority 7", (7, false, true)),
            ("", "state MASTER", (255, true, true)),
            ("", "state MASTER ;; priority 9", (9, true, true)),
            ("", "priority 255", (255, true, true)),
            ("", "state BACKUP ;; nopreempt", (100, false, false)),
            ("", "state MASTER ;; priority 9 ;; nopreempt", (9, true, true)),
            ("", "nopreempt ;; priority 255", (255, true, true)),
            // Strict: MASTER must match being address owner.
            ("vrrp_strict", "state MASTER ;; priority 80", (80, false, true)),
            ("vrrp_strict", "state BACKUP ;; priority 255", (255, true, true)),
        ],
    );
}

#[test]
fn intervals_and_versions() {
    let of = |it: InstanceConfig| {
        let version = if it.version == Version::V2 { 2 } else { 3 };
        (version, it.advert_interval.as_millis(), it.down_timer_adverts)
    };
    table(
        of,
        &[
            ("", "", (2, 1_000, 3)),
            ("", "advert_int 0.4", (2, 1_000, 3)),
            ("", "advert_int 2.5", (2, 3_000, 3)),
            ("", "version 3 ;; advert_int 0.406", (3, 410, 3)),
            ("vrrp_version 3", "advert_int 0.25", (3, 250, 3)),
            ("vrrp_version 3", "version 2 ;; down_timer_adverts 5", (2, 1_000, 5)),
            ("vrrp_down_timer_adverts 7", "", (2, 1_000, 7)),
            ("", "virtual_ipaddress { ;; fe80::1 ;; }", (3, 1_000, 3)),
        ],
    );
}

#[test]
fn announcements() {
    let of = |it: InstanceConfig| {
        let Garp { delay, repeat, refresh, refresh_repeat, lower_prio_delay, lower_prio_repeat } =
            it.garp;
        let [delay, refresh, lower] = [delay, refresh, lower_prio_delay].map(|time| time.as_secs());
        (delay, repeat, refresh, refresh_repeat, lower, lower_prio_repeat)
    };
    table(
        of,
        &[
            ("", "", (5, 5, 0, 1, 5, 5)),
            // What follows a lower priority does not come from the instance's other words.
            ("", "garp_master_delay 9 ;; garp_master_repeat 2", (9, 2, 0, 1, 5, 5)),
            (
                "vrrp_garp_master_delay 7\nvrrp_garp_master_repeat 4\nvrrp_garp_master_refresh 3",
                "garp_master_delay 9",
                (9, 4, 3, 1, 7, 4),
            ),
            ("vrrp_garp_lower_prio_delay 8", "garp_lower_prio_repeat 6", (5, 5, 0, 1, 8, 6)),
            ("vrrp_min_garp", "", (0, 1, 0, 1, 0, 1)),
            ("vrrp_min_garp off", "", (5, 5, 0, 1, 5, 5)),
            // Before or after, what is written holds.
            ("vrrp_garp_master_delay 7\nvrrp_min_garp", "", (7, 1, 0, 1, 7, 1)),
            ("vrrp_min_garp\nvrrp_garp_lower_prio_repeat 3", "", (0, 1, 0, 1, 0, 3)),
            ("vrrp_strict", "garp_lower_prio_repeat 4", (5, 5, 0, 1, 0, 0)),
        ],
    );
}

#[test]
fn strict_mode_has_the_last_word() {
    let of = |it: InstanceConfig| {
        (it.strict, it.lower_prio_no_advert, it.higher_prio_send_advert, it.accept)
    };
    let lines = "lower_prio_no_advert off ;; higher_prio_send_advert on ;; accept";
    table(
        of,
        &[
            ("", lines, (false, false, true, true)),
            ("vrrp_strict", lines, (true, true, false, false)),
            ("vrrp_strict", "version 3 ;; accept", (true, true, false, true)),
            ("vrrp_strict", "version 3", (true, true, false, false)),
            ("vrrp_strict", "state MASTER ;; priority 255", (true, true, false, true)),
            ("vrrp_strict", "strict_mode off", (false, false, false, true)),
            ("", "no_accept", (false, false, false, false)),
            ("vrrp_lower_prio_no_advert on", "", (false, true, false, true)),
            (
                "vrrp_lower_prio_no_advert on",
                "lower_prio_no_advert off",
                (false, false, false, true),
            ),
        ],
    );
}

#[test]
fn preemption_and_lateness() {
    let of = |it: InstanceConfig| (it.preempt_delay.as_millis(), it.timer_expired_backup);
    table(
        of,
        &[
            ("", "preempt_delay 2.5", (2_500, None)),
            ("", "preempt_delay 2.5 ;; nopreempt", (0, None)),
            ("", "preempt_delay 2.5 ;; state MASTER ;; priority 9", (0, None)),
            ("vrrp_strict", "preempt_delay 2.5", (0, None)),
            ("", "nopreempt ;; timer_expired_backup", (0, Some(254))),
            ("", "nopreempt ;; timer_expired_backup 120", (0, Some(120))),
            ("", "timer_expired_backup", (0, None)),
        ],
    );
}

#[test]
fn passwords_have_eight_bytes() {
    let block = |text: &str| format!("authentication {{\nauth_type PASS\nauth_pass {text}\n}}");
    for (globals, written, expected) in [
        ("", "1234", Some(*b"1234\0\0\0\0")),
        ("", "12345678", Some(*b"12345678")),
        ("", "123456789", Some(*b"12345678")),
        ("vrrp_version 3", "1234", None),
        ("vrrp_strict", "1234", None),
    ] {
        let it = instance(&format!("global_defs {{\n{globals}\n}}"), &block(written));
        assert_eq!(it.password, expected.map(Password), "{globals} {written}");
    }
}

#[test]
fn keys_come_from_text_digits_and_files() {
    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const TEXT: &str = "text-of-exactly-thirty-two-bytes";
    let bytes: Vec<u8> = (0..32).collect();
    let with = |file: &str| {
        let lines = format!(
            "auth_hmac {{\nkey 1 hex:{DIGITS}\nkey 2 {TEXT}\nkey 3 file:/etc/key\nactive_key 3\n}}"
        );
        result(&format!("{}==> key\n{file}", text("", &lines)))
    };
    for (file, expected) in
        [(format!("hex:{DIGITS}\n"), bytes.clone()), (format!("{TEXT}\n"), TEXT.into())]
    {
        let hmac = with(&file).unwrap().instances.remove(0).hmac.unwrap();
        let values: Vec<_> = hmac.keys.iter().map(|key| (key.id, key.value.clone())).collect();
        assert_eq!(values, [(1, bytes.clone()), (2, TEXT.into()), (3, expected)]);
        assert_eq!(hmac.active_key, 3);
        assert_eq!(hmac.time_window, Duration::from_secs(5));
    }
    for file in ["short\n", "hex:00zz\n", ""] {
        let said = with(file).unwrap_err();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("the key file `/etc/key` holds no key"), "{said:?}");
    }
    let it = instance(
        "",
        &format!("advert_int 20 ;; auth_hmac {{ ;; key 1 {TEXT} ;; active_key 1 ;; }}"),
    );
    assert_eq!(it.hmac.unwrap().time_window, MINUTE);
}

#[test]
fn adverts_go_to_a_group_or_to_peers() {
    let of = |it: InstanceConfig| {
        let source = it.source.map_or("-".to_owned(), |source| source.to_string());
        match it.transport {
            Transport::Multicast { group } => format!("{source} {group}"),
            Transport::Unicast { peers, ttl, check_source } => {
                let peers: Vec<_> = peers
                    .iter()
                    .map(|it| format!("{} {}-{}", it.address, it.min_ttl, it.max_ttl))
                    .collect();
                format!("{source} [{}] ttl {ttl} check {check_source}", peers.join(", "))
            }
        }
    };
    let row = |globals, lines, expected: &str| (globals, lines, expected.to_owned());
    let six = "virtual_ipaddress { ;; fe80::1 ;; }";
    table(
        of,
        &[
            row("", "", "- 224.0.0.18"),
            row("", six, "- ff02::12"),
            row("vrrp_mcast_group4 224.0.0.77", "", "- 224.0.0.77"),
            row("vrrp_mcast_group4 224.0.0.77", "mcast_dst_ip 224.0.0.99", "- 224.0.0.99"),
            row("vrrp_mcast_group6 ff02::77", six, "- ff02::77"),
            row("", "mcast_src_ip 10.0.0.4", "10.0.0.4 224.0.0.18"),
            row(
                "",
                "unicast_src_ip 10.0.0.4 ;; unicast_peer { ;; 10.0.0.5 ;; }",
                "10.0.0.4 [10.0.0.5 0-255] ttl 255 check false",
            ),
            row(
                "vrrp_check_unicast_src",
                "unicast_ttl 9 ;; unicast_peer { ;; 10.0.0.5 ;; 10.0.0.6 ;; }",
                "- [10.0.0.5 0-255, 10.0.0.6 0-255] ttl 9 check true",
            ),
            row(
                "",
                "unicast_peer { ;; 10.0.0.5 min_ttl 3 ;; }",
                "- [10.0.0.5 3-255] ttl 255 check true",
            ),
            row("", "unicast_fault_no_peer", "- [] ttl 255 check false"),
        ],
    );
}

#[test]
fn macvlans_have_the_virtual_routers_number() {
    let of = |it: InstanceConfig| {
        let vmac = it.vmac.unwrap();
        let mac: Vec<_> = vmac.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {} {}", vmac.name, mac.join(":"), vmac.xmit_base)
    };
    let row = |globals, lines, expected: &str| (globals, lines, expected.to_owned());
    table(
        of,
        &[
            row("", "use_vmac", "vrrp.51 00:00:5e:00:01:33 false"),
            row("vmac_prefix vv", "use_vmac", "vv.51 00:00:5e:00:01:33 false"),
            row("", "use_vmac ;; vmac_xmit_base", "vrrp.51 00:00:5e:00:01:33 true"),
            row(
                "",
                "use_vmac ;; unicast_peer { ;; 10.0.0.5 ;; }",
                "vrrp.51 00:00:5e:00:01:33 true",
            ),
            row(
                "",
                "use_vmac ;; virtual_ipaddress { ;; fe80::1 ;; }",
                "vrrp.51 00:00:5e:00:02:33 false",
            ),
            row("", "use_vmac abc 02:00:00:00:00", "abc 02:00:00:00:00:33 false"),
            row("", "use_vmac abc 02:00:00:00:00:07", "abc 02:00:00:00:00:07 false"),
        ],
    );
    let six = text("", "use_vmac ;; virtual_ipaddress { ;; fe80::1 ;; }").replace("VI_1", "VI_6");
    let both = config(&format!("{}{six}", text("", "use_vmac")));
    let names: Vec<_> = both.instances.into_iter().map(|it| it.vmac.unwrap().name).collect();
    assert_eq!(names, ["vrrp.51", "vrrp6.51"]);
}

#[test]
fn an_address_on_its_own_interface_follows_the_instance() {
    let of = |it: InstanceConfig| {
        let show = |address: &Address| {
            let interface = address.interface.as_deref().unwrap_or("-");
            format!("{} {interface}{}", address.address, if address.vmac { " vmac" } else { "" })
        };
        (it.addresses.iter().map(show)).chain(it.excluded_addresses.iter().map(show)).collect()
    };
    let row = |lines, expected: &[&str]| {
        ("", lines, expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    };
    let block = "virtual_ipaddress { ;; 10.0.0.1 dev eth0 ;; 10.0.0.2 dev eth1 ;; 10.0.0.3 ;; }";
    let with = format!("use_vmac ;; {block}");
    let on_others = format!("use_vmac_addr ;; {block}");
    table(
        of,
        &[
            row(block, &["10.0.0.1 -", "10.0.0.2 eth1", "10.0.0.3 -"]),
            row(&with, &["10.0.0.1 -", "10.0.0.2 eth1", "10.0.0.3 -"]),
            row(
                &format!("{with} ;; virtual_ipaddress_excluded {{ ;; fd00::1 ;; 10.0.0.9 ;; }}"),
                &["10.0.0.1 -", "10.0.0.2 eth1", "10.0.0.3 -", "fd00::1 eth0", "10.0.0.9 -"],
            ),
            row(&on_others, &["10.0.0.1 -", "10.0.0.2 eth1 vmac", "10.0.0.3 -"]),
        ],
    );
}

#[test]
fn more_addresses_than_an_advert_names_are_excluded() {
    let lines: Vec<_> = (1..=260).map(|n| format!("10.{}.{}.1", n / 200, n % 200)).collect();
    let block = format!("virtual_ipaddress {{\n{}\n}}\n", lines.join("\n"));
    let it = instance("", &format!("{block}virtual_ipaddress_excluded {{\n10.9.9.9\n}}"));
    assert_eq!((it.addresses.len(), it.excluded_addresses.len()), (255, 6));
    assert_eq!(it.excluded_addresses[0], plain("10.9.9.9"));
    assert_eq!(it.excluded_addresses[1], plain(&lines[255]));
}

/// The interfaces that an instance tracks, with their weights.
#[track_caller]
fn tracked(before: &str, lines: &str) -> Vec<String> {
    let config = config(&text(before, lines));
    let links = config.instances[0].tracks.links.iter();
    let mut shown: Vec<_> = links
        .map(|it| {
            let reverse = if it.weight.reverse { " reverse" } else { "" };
            format!("{} {}{reverse}", config.links[it.id.0].name, it.weight.value)
        })
        .collect();
    shown.sort();
    shown
}

#[test]
fn interfaces_are_tracked_because_something_needs_them() {
    let route = "virtual_routes { ;; 10.4.0.0/24 dev eth2";
    for (lines, expected) in [
        ("", &["eth0 0"][..]),
        ("dont_track_primary", &[]),
        ("dont_track_primary ;; virtual_ipaddress { ;; 10.0.0.1 dev eth0 ;; }", &[]),
        ("virtual_ipaddress { ;; 10.0.0.1 dev eth1 ;; }", &["eth0 0", "eth1 0"]),
        ("virtual_ipaddress { ;; 10.0.0.1 dev eth1 no_track ;; }", &["eth0 0"]),
        ("virtual_ipaddress_excluded { ;; fd00::1 dev eth1 ;; }", &["eth0 0", "eth1 0"]),
        (&format!("{route} ;; }}"), &["eth0 0", "eth2 0"]),
        (&format!("{route} no_track ;; }}"), &["eth0 0"]),
        (
            "virtual_rules { ;; from 10.1.1.1 iif eth1 table 7 priority 5 ;; }",
            &["eth0 0", "eth1 0"],
        ),
        (
            "virtual_rules { ;; from 10.1.1.1 oif eth1 table 7 priority 5 ;; }",
            &["eth0 0", "eth1 0"],
        ),
        ("track_interface { ;; eth1 weight -5 reverse ;; }", &["eth0 0", "eth1 -5 reverse"]),
        ("track_interface { ;; eth0 weight -5 ;; }", &["eth0 0"]),
        ("dont_track_primary ;; track_interface { ;; eth0 weight -5 ;; }", &[]),
        // What is needed is needed without a weight.
        (
            "track_interface { ;; eth1 weight -5 ;; } ;; virtual_ipaddress { ;; 10.0.0.1 dev eth1 ;; }",
            &["eth0 0", "eth1 0"],
        ),
    ] {
        assert_eq!(tracked("", lines), expected, "{lines}");
    }
    let group = |more: &str| {
        format!(
            "track_group TG {{\ngroup {{\nVI_1\n}}\n}}\n\
             static_ipaddress {{\n192.0.2.7/24 dev eth2 {more}\n}}"
        )
    };
    assert_eq!(tracked(&group("track_group TG"), ""), ["eth0 0", "eth2 0"]);
    assert_eq!(tracked(&group(""), ""), ["eth0 0"]);
}

#[test]
fn routes_without_an_interface_are_not_tracked() {
    let of = |it: InstanceConfig| -> Vec<_> {
        it.routes.iter().map(|route| (route.no_track, route.protocol.is_some())).collect()
    };
    let block = "virtual_routes { ;; 10.4.0.0/24 dev eth0 protocol 33 ;; 10.5.0.0/24 via 10.0.0.9 ;; \
                 10.6.0.0/24 dev eth0 protocol 33 no_track ;; }";
    table(of, &[("", block, vec![(false, false), (true, false), (true, true)])]);
}

#[test]
fn what_is_tracked_has_its_own_weight_unless_another_is_written() {
    let before = "vrrp_script a {\nscript /bin/true\nweight 5 reverse\n}\n\
                  vrrp_script unused {\nscript /bin/false\n}\n\
                  vrrp_script b {\nscript /bin/true\ninterval 3\ntimeout 2\n}\n\
                  track_file f {\nfile /run/f\n}\n\
                  vrrp_track_process p {\nprocess redis-server\nquorum 2\ndelay 0.5\n}";
    let lines =
        "track_script {\na\nb weight -7\n}\ntrack_file {\nf\n}\ntrack_process {\np weight 9\n}";
    let config = config(&text(before, lines));
    let names: Vec<_> = config.scripts.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["a", "b"], "nobody looks at the third");
    let times: Vec<_> = config.scripts.iter().map(|it| (it.interval, it.timeout)).collect();
    let [one, two, three] = [1, 2, 3].map(Duration::from_secs);
    assert_eq!(times, [(one, one), (three, two)]);
    let tracks = &config.instances[0].tracks;
    let weight = |value, reverse| Weight { value, reverse };
    let weights: Vec<_> = tracks.scripts.iter().map(|it| (it.id, it.weight)).collect();
    assert_eq!(weights, [(ScriptId(0), weight(5, true)), (ScriptId(1), weight(-7, false))]);
    assert_eq!(tracks.files[0].weight, weight(1, false));
    assert_eq!(tracks.processes[0].weight, weight(9, false));
    let process = &config.processes[0];
    assert_eq!((process.quorum, process.quorum_max), (2, u32::MAX));
    let half = Duration::from_millis(500);
    assert_eq!((process.fork_delay, process.terminate_delay), (half, half));
}

/// keepalived 2.2.7 runs a script with `init_fail` as one without: it is INIT until the first result.
#[test]
fn init_fail_does_nothing() {
    let before = "vrrp_script a {\nscript /bin/true\ninit_fail\n}";
    assert!(!config(&text(before, "track_script {\na\n}")).scripts[0].init_fail);
}

#[test]
fn groups_tie_instances_together() {
    let second =
        text("", "").replace("VI_1", "VI_2").replace("51", "52").replace("10.0.0.1", "10.0.0.2");
    let group = "vrrp_script a {\nscript /bin/true\n}\n\
                 vrrp_sync_group VG {\ngroup {\nVI_2\nVI_1\n}\nsmtp_alert\nnotify_priority_changes\n\
                 track_interface {\neth2 weight 3\n}\ntrack_script {\na\n}\n}";
    let config = config(&format!("{}{second}", text(group, "")));
    let [it] = &*config.groups else { panic!("one group") };
    assert_eq!(it.members, [InstanceId(1), InstanceId(0)]);
    assert_eq!((it.smtp_alert, it.tracking_weight), (true, false));
    assert_eq!(
        it.tracks.links,
        [Track { id: LinkId(1), weight: Weight { value: 3, reverse: false } }]
    );
    assert_eq!(it.tracks.scripts.len(), 1);
    for instance in &config.instances {
        // Of these, the members follow the group in one only.
        assert_eq!((instance.notify_priority_changes, instance.smtp_alert), (true, false));
    }
}

#[test]
fn mails_are_sent_when_they_are_asked_for() {
    let mails = "smtp_server 127.0.0.1\nnotification_email {\na@example.org\n}";
    let of = |it: InstanceConfig| it.smtp_alert;
    table(
        of,
        &[
            (mails, "", false),
            (mails, "smtp_alert", true),
            ("smtp_alert on", "", true),
            ("smtp_alert on\nsmtp_alert_vrrp off", "", false),
            ("smtp_alert on", "smtp_alert off", false),
        ],
    );
}

#[test]
fn the_start_is_delayed() {
    for (globals, expected) in [
        ("", 0),
        ("vrrp_startup_delay 2.5", 2_500),
        // It has been up for a minute.
        ("vrrp_delay_after_boot 50", 0),
        ("vrrp_delay_after_boot 70", 10_000),
        ("vrrp_delay_after_boot 70\nvrrp_startup_delay 20", 20_000),
    ] {
        let config = config(&text(&format!("global_defs {{\n{globals}\n}}"), ""));
        assert_eq!(config.startup_delay.as_millis(), expected, "{globals}");
    }
}

#[test]
fn interfaces_are_given_time_to_settle() {
    let delays = "interface_up_down_delays {\neth0 1.5 3\neth1 1\neth9 1\n}";
    let config = config(&text(delays, "track_interface {\neth1\n}"));
    let links: Vec<_> = config
        .links
        .iter()
        .map(|it| (&*it.name, it.down_delay.as_millis(), it.up_delay.as_millis()))
        .collect();
    // Without the second number there is no delay up, whatever the manual says.
    assert_eq!(links, [("eth0", 1_500, 3_000), ("eth1", 1_000, 0)]);
}

#[test]
fn an_instance_with_redis_is_not_the_routers() {
    let native = text("", "redis {\n}").replace("VI_1", "VI_R");
    let other = text("", "").replace("51", "52").replace("10.0.0.1", "10.0.0.2");
    let config = config(&format!("{native}{other}"));
    let names: Vec<_> = config.instances.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["VI_1"]);
}
