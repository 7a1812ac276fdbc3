//! What catches those who write a keepalived.conf, and those who write a program that reads one.

use core::time::Duration;

use super::{found, good};
use crate::keepalived::effective::OWNER;
use crate::keepalived::file::{Instance, State};

/// A file with one instance that has these lines; they begin in line 5.
fn instance(lines: &str) -> String {
    let lines = lines.replace(" ;; ", "\n");
    format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{ 172.18.0.10 }}\n{lines}\n}}\n"
    )
}

#[track_caller]
fn one(text: &str) -> Instance {
    good(text).instances.remove(0)
}

/// Rows of lines of an instance and what is found in them.
#[track_caller]
fn rows(rows: &[(&str, &[&str])]) {
    for (lines, expected) in rows {
        assert_eq!(found(&instance(lines)), *expected, "{lines}");
    }
}

#[test]
fn trap_4_version_2_rounds_an_advert_interval_to_whole_seconds() {
    let ms = Duration::from_millis;
    for (lines, written, taken) in [
        ("advert_int 1", 1_000, 1_000),
        ("advert_int 0.4", 400, 1_000),
        ("advert_int 1.4", 1_400, 1_000),
        ("advert_int 1.5", 1_500, 2_000),
        ("advert_int 2.5", 2_500, 3_000),
        ("advert_int 255", 255_000, 255_000),
        ("version 3 ;; advert_int 0.01", 10, 10),
        ("version 3 ;; advert_int 0.014", 14, 10),
        ("version 3 ;; advert_int 0.015", 15, 20),
        ("version 3 ;; advert_int 40.96", 40_960, 40_950),
        ("version 3 ;; advert_int 255", 255_000, 40_950),
    ] {
        let file = good(&instance(lines));
        let it = &file.instances[0];
        assert_eq!(it.advert_interval.as_ref().unwrap().value, ms(written), "{lines}");
        assert_eq!(it.effective_advert_interval(&file.globals), ms(taken), "{lines}");
        let says = found(&instance(lines));
        assert_eq!(says.is_empty(), written == taken, "{lines} {says:?}");
    }
    rows(&[
        ("advert_int 0.4", &["5:12 warning: `advert_int`: 0.4 s is taken for 1 s in version 2"]),
        ("advert_int 0.009", &["5:12 `advert_int`: `0.009` is out of range"]),
        ("advert_int 255.1", &["5:12 `advert_int`: `255.1` is out of range"]),
        ("advert_int 0", &["5:12 `advert_int`: `0` is out of range"]),
        ("advert_int fast", &["5:12 `advert_int`: `fast` is not a number of seconds"]),
    ]);
}

#[test]
fn trap_5_state_master_is_not_started_as_master_and_backup_after_it_does_not_count() {
    assert_eq!(one(&instance("state MASTER ;; priority 100")).wanted_state(), State::Master);
    assert_eq!(one(&instance("")).wanted_state(), State::Backup);
    assert_eq!(one(&instance("priority 255")).wanted_state(), State::Master);
    rows(&[
        (
            "state BACKUP ;; state MASTER ;; priority 9",
            &["6:7 a second `state` [5:7 the first one]"],
        ),
        ("state master", &["5:7 `state`: `master` is no state"]),
    ]);
}

#[test]
fn trap_6_state_master_without_priority_makes_an_owner() {
    assert_eq!(one(&instance("state MASTER")).base_priority(), OWNER);
    assert_eq!(one(&instance("state BACKUP")).base_priority(), 100);
    assert_eq!(one(&instance("state MASTER ;; priority 90")).base_priority(), 90);
    rows(&[(
        "state MASTER",
        &["5:7 warning: `state MASTER` without `priority` makes an owner of the addresses"],
    )]);
}

#[test]
fn trap_7_nopreempt_needs_state_backup() {
    assert!(!one(&instance("nopreempt")).preempts());
    assert!(one(&instance("")).preempts());
    assert!(one(&instance("nopreempt ;; state MASTER ;; priority 100")).preempts());
    rows(&[
        (
            "state MASTER ;; priority 100 ;; nopreempt",
            &["7:1 warning: `nopreempt` does nothing with `state MASTER`"],
        ),
        (
            "state BACKUP ;; priority 255 ;; nopreempt",
            &["7:1 warning: `nopreempt` does nothing with priority 255"],
        ),
    ]);
}

#[test]
fn trap_9_preempt_delay_needs_state_backup_and_preemption() {
    let file = good(&instance("preempt_delay 1.5"));
    let delay = file.instances[0].effective_preempt_delay(&file.globals);
    assert_eq!(delay, Duration::from_millis(1_500));
    rows(&[
        ("preempt_delay 300", &[]),
        ("preempt_delay 1000.1", &["5:15 `preempt_delay`: `1000.1` is out of range"]),
        (
            "state MASTER ;; priority 9 ;; preempt_delay 5",
            &["7:15 warning: `preempt_delay` does nothing with `state MASTER`"],
        ),
        (
            "nopreempt ;; preempt_delay 5",
            &["6:15 warning: `preempt_delay` does nothing with `nopreempt`"],
        ),
        (
            "strict_mode ;; preempt_delay 5",
            &["6:15 warning: `preempt_delay` does nothing with strict mode"],
        ),
    ]);
}

#[test]
fn trap_20_a_check_does_not_disappear() {
    let tracked = "track_script { ;; check ;; }";
    let with = |script: &str, lines: &str| format!("{script}\n{}", instance(lines));
    // Each of these is a line in keepalived's log, and a machine without its check.
    for (script, expected) in [
        ("", "there is no `vrrp_script` named `check`"),
        ("vrrp_script chek {\nscript /bin/true\n}", "there is no `vrrp_script` named `check`"),
        ("vrrp_script check {\n}", "`vrrp_script` `check` without `script`"),
        ("vrrp_script check {\nscript\n}", "`script` without a value"),
        ("vrrp_script check {\nscript \"\"\n}", "`script` without a script"),
        ("vrrp_script check other {\nscript /bin/true\n}", "`vrrp_script` takes one name"),
        (
            "vrrp_script check {\nscript /bin/true 123456\n}",
            "`script`: its arguments are not in the quotes",
        ),
        ("vrrp_script check {\nscript /bin/true\nuser 0\n}", "this is no name of a user or group"),
        ("vrrp_script check {\nscript /bin/true\nweight 300\n}", "`weight`: `300` is out of range"),
    ] {
        let says = found(&with(script, tracked));
        let errors: Vec<_> = says.iter().filter(|line| !line.contains("warning: ")).collect();
        assert!(errors.iter().any(|line| line.contains(expected)), "{script}\n{says:#?}");
    }
    let script = "vrrp_script check {\nscript /bin/true\nweight 5\n}";
    for (lines, expected) in [
        ("priority 255", "`check` has the weight 5, which does not count here"),
        ("state MASTER", "`check` has the weight 5, which does not count here"),
    ] {
        let says = found(&with(script, &format!("{lines} ;; {tracked}")));
        assert!(says.iter().any(|line| line.contains(expected)), "{lines}\n{says:#?}");
    }
    let group = format!("{script}\nvrrp_sync_group VG {{\ngroup {{\nVI_1\n}}\n%\n}}\n");
    let says = |line: &str| found(&with(&group.replace('%', line), tracked)).join("\n");
    assert!(says("").contains("`check` has the weight 5, which does not count here"));
    assert!(!says("sync_group_tracking_weight").contains("does not count"));
}

#[test]
fn trap_20_what_is_left_out_is_told_even_if_it_is_tolerated() {
    let text = format!(
        "global_defs {{\non_dropped warn\n}}\n{}",
        instance("priority 300 ;; track_script { ;; check ;; } ;; unknown 1")
    );
    let says = found(&text);
    assert_eq!(
        says,
        [
            "8:10 warning: `priority`: `300` is out of range",
            "10:1 warning: there is no `vrrp_script` named `check`",
            "12:1 warning: unknown keyword `unknown` in `vrrp_instance`",
        ]
    );
    let it = one(&text);
    assert_eq!(it.base_priority(), 100);
    assert!(it.tracks.scripts.is_empty());
    // What can't be used at all is an error in any case.
    let says = found(&text.replace("virtual_router_id 51", "virtual_router_id"));
    assert!(says.iter().any(|line| line == "6:1 `virtual_router_id` without a value"), "{says:?}");
}

#[test]
fn trap_30_a_missing_value_ends_keepalived() {
    rows(&[
        ("priority", &["5:1 `priority` without a value"]),
        ("notify_master", &["5:1 `notify_master` without a value"]),
        ("authentication { ;; auth_type ;; }", &["6:1 `auth_type` without a value"]),
    ]);
}

#[test]
fn trap_31_a_pause_of_zero_stands_in_the_file_that_is_shipped() {
    let says = found("global_defs {\nvrrp_garp_interval 0\nvrrp_gna_interval 0.000\n}\n");
    assert_eq!(
        says,
        ["2:20 warning: `vrrp_garp_interval` is 0", "3:19 warning: `vrrp_gna_interval` is 0"]
    );
}

#[test]
fn trap_32_skip_check_adv_addr_off_is_off() {
    let off = one(&instance("skip_check_adv_addr off"));
    assert_eq!(off.skip_check_adv_addr.map(|it| it.value), Some(false));
    let on = one(&instance("skip_check_adv_addr"));
    assert_eq!(on.skip_check_adv_addr.map(|it| it.value), Some(true));
}

#[test]
fn trap_33_globals_hold_for_instances_above_them() {
    let file = good(&format!(
        "{}global_defs {{\nvrrp_version 3\nvrrp_down_timer_adverts 5\n}}\n",
        instance("advert_int 0.1")
    ));
    let it = &file.instances[0];
    assert_eq!(it.version(&file.globals), 3);
    assert_eq!(it.effective_down_timer_adverts(&file.globals), 5);
    assert_eq!(it.effective_advert_interval(&file.globals), Duration::from_millis(100));
}

#[test]
fn trap_34_weights_have_other_bounds_in_every_place() {
    let script = |weight: &str| format!("vrrp_script check {{\nscript /a\nweight {weight}\n}}\n");
    let file = |weight: &str| format!("track_file check {{\nfile /a\nweight {weight}\n}}\n");
    for (text, expected) in [
        (script("253"), None),
        (script("254"), Some("`weight`: `254` is out of range")),
        (script("-253 reverse"), None),
        (script("5 noreverse"), Some("`weight`: `noreverse` is none of its words")),
        (file("-254"), None),
        (file("255"), Some("`weight`: `255` is out of range")),
    ] {
        let says = found(&text).join("\n");
        assert_eq!(says.contains("`weight`"), expected.is_some(), "{text}{says}");
        assert!(says.contains(expected.unwrap_or("")), "{text}{says}");
    }
    let tracked = "track_interface { ;; eth1 weight 254 ;; eth2 weight -253 reverse ;; }";
    let it = one(&instance(tracked));
    let weights = it.tracks.interfaces.iter().map(|track| track.weight.as_ref().unwrap().value);
    let weights: Vec<_> = weights.map(|weight| (weight.value, weight.reverse)).collect();
    assert_eq!(weights, [(253, None), (-253, Some(true))]);
    rows(&[
        (tracked, &["6:13 warning: `weight`: 254 is taken for 253"]),
        ("track_interface { ;; eth1 weight 255 ;; }", &["6:13 `weight`: `255` is out of range"]),
        ("track_interface { ;; eth1 weight ;; }", &["6:6 `weight` without a value"]),
        (
            "track_interface { ;; eth1 weight 5 noreverse ;; }",
            &["6:15 `weight`: `noreverse` is none of its words"],
        ),
        ("track_interface { ;; eth1 eth2 ;; }", &["6:6 unknown option `eth2` of a track"]),
        (
            "track_interface { ;; eth0 ;; eth1 ;; eth1 ;; }",
            &[
                "6:1 warning: `eth0` is the instance's own interface",
                "8:1 warning: `eth1` is tracked twice [7:1 the first line]",
            ],
        ),
    ]);
}

#[test]
fn trap_39_an_address_without_a_length_is_alone_and_a_slash_is_not_a_network() {
    let it = one(&instance("virtual_ipaddress { ;; 172.18.0.11/24 ;; 172.18.0.12/0 ;; }"));
    let lengths: Vec<_> = it.addresses.iter().map(|one| one.prefix_len).collect();
    assert_eq!(lengths, [None, Some(24), Some(0)]);
    let addresses =
        |lines: &str| format!("virtual_ipaddress {{ ;; {lines} ;; }}").replace(" ;; ", "\n");
    rows(&[
        // keepalived makes /0 of the first, and /32 of the others.
        (&addresses("172.18.0.11/"), &["6:1 `/` is no length of a prefix"]),
        (&addresses("172.18.0.11/33"), &["6:1 `/33` is no length of a prefix"]),
        (
            &addresses("172.18.0.11/255.255.255.0"),
            &["6:1 `/255.255.255.0` is no length of a prefix"],
        ),
        (&addresses("172.18.0.011"), &["6:1 `172.18.0.011` is not an address"]),
        (
            &addresses("172.18.0.10"),
            &["6:1 warning: the address 172.18.0.10 stands here again [4:21 the first line]"],
        ),
        (&addresses("224.0.0.18"), &["6:1 warning: 224.0.0.18 is a multicast address"]),
        (&addresses("172.18.0.11 dev"), &["6:13 `dev` without a value"]),
        (
            &addresses("172.18.0.11 dve eth0"),
            &[
                "6:13 unknown option `dve` of an address",
                "6:17 unknown option `eth0` of an address",
            ],
        ),
        (&addresses("fd00::1"), &["6:1 fd00::1 in an instance for IPv4"]),
    ]);
    let many = instance(&addresses("~SEQ(A, 0, 1) ~SEQ(B, 1, 200) 10.0.${A}.${B}"));
    assert!(found(&many)[0].contains("warning: more than 255 addresses in one instance"));
}

#[test]
fn trap_42_timer_expired_backup_needs_nopreempt() {
    rows(&[
        ("nopreempt ;; timer_expired_backup 200", &[]),
        (
            "timer_expired_backup",
            &["5:1 warning: `timer_expired_backup` does nothing without `nopreempt`"],
        ),
    ]);
}

#[test]
fn a_password_without_a_type_is_no_password() {
    let auth = |lines: &str| format!("authentication {{ ;; {lines} ;; }}");
    rows(&[
        (&auth("auth_type PASS ;; auth_pass 1111"), &[]),
        (&auth("auth_pass 1111"), &["6:11 `auth_pass` without `auth_type`"]),
        (&auth("auth_type PASS"), &["5:1 `authentication` without a password"]),
        (&auth("auth_type PASS ;; auth_pass \"\""), &["5:1 `authentication` without a password"]),
        (
            &auth("auth_type pass ;; auth_pass 1"),
            &[
                "6:11 `auth_type`: `pass` is none of its words",
                "7:11 `auth_pass` without `auth_type`",
            ],
        ),
        (
            &auth("auth_type PASS ;; auth_pass 123456789"),
            &["7:11 warning: `auth_pass` has more than 8 bytes"],
        ),
        (
            &auth("auth_type AH ;; auth_pass 1111"),
            &["6:11 `auth_type AH` is refused: Keepair has no IPsec"],
        ),
        (
            &format!("version 3 ;; {}", auth("auth_type PASS ;; auth_pass 1")),
            &["8:11 warning: version 3 has no passwords: adverts are sent and taken without one"],
        ),
    ]);
    let it = one(&instance(&auth("auth_type PASS ;; auth_pass a!b")));
    assert_eq!(it.password.unwrap().expose(), "a");
    let it = one(&instance(&auth("auth_type PASS ;; auth_pass \"a!b\"")));
    assert_eq!(it.password.unwrap().expose(), "a!b");
}

#[test]
fn unicast_without_peers_would_be_multicast() {
    rows(&[
        ("unicast_src_ip 172.18.0.4", &["5:16 instance `VI_1` is for unicast and has no peers"]),
        ("unicast_peer { ;; }", &["1:15 instance `VI_1` is for unicast and has no peers"]),
        ("unicast_peer { ;; } ;; unicast_fault_no_peer", &[]),
        ("unicast_ttl 9", &["5:13 warning: `unicast_ttl` does nothing without peers"]),
        ("unicast_peer { ;; fd00::5 ;; }", &["6:1 fd00::5 in an instance for IPv4"]),
        (
            "unicast_src_ip 172.18.0.4 ;; unicast_peer { ;; 172.18.0.4 ;; }",
            &["7:1 the peer 172.18.0.4 is this machine itself"],
        ),
        (
            "unicast_peer { ;; 172.18.0.5 min_ttl 9 max_ttl 8 ;; }",
            &["6:1 `min_ttl` is above `max_ttl`: no advert would be taken"],
        ),
        (
            "unicast_peer { ;; 172.18.0.5 ;; } ;; mcast_dst_ip 224.0.0.9 ;; use_vmac",
            &[
                "8:14 warning: `mcast_dst_ip` does nothing with peers",
                "9:1 warning: `use_vmac` with unicast sends from the interface below",
            ],
        ),
    ]);
}

#[test]
fn an_omitted_up_delay_is_none_and_a_long_one_splits_the_pair() {
    let delays = |line: &str| format!("interface_up_down_delays {{\n{line}\n}}\n{}", instance(""));
    let delay = good(&delays("eth0 0.5")).up_down_delays.remove(0).value;
    assert_eq!((delay.down, delay.up), (Duration::from_millis(500), None));
    assert_eq!(
        found(&delays("eth0 2")),
        ["2:1 `eth0` is waited for as long as a Backup waits for `VI_1` [4:15 this instance]"]
    );
    assert_eq!(found(&delays("eth0")), ["2:1 `eth0` without a delay"]);
    assert_eq!(found(&delays("eth0 1 2 3")), ["2:10 warning: `3` is not used"]);
}

#[test]
fn two_routers_of_one_number_on_an_interface() {
    let other = instance("").replace("VI_1", "VI_2").replace("0.10", "0.11");
    let both = |other: &str| found(&format!("{}{other}", instance("")));
    assert_eq!(
        both(&other),
        ["9:19 `VI_1` and `VI_2` have one `virtual_router_id` on `eth0` [3:19 the other one]"]
    );
    assert_eq!(both(&other.replace("51", "52")), Vec::<String>::new());
    assert_eq!(both(&other.replace("eth0", "eth1")), Vec::<String>::new());
    assert_eq!(both(&other.replace("172.18.0.11", "fd00::1")), Vec::<String>::new());
    assert_eq!(
        both(&other.replace("VI_2", "VI_1"))[0],
        "7:15 a second `vrrp_instance` named `VI_1` [1:15 the first one]"
    );
}

#[test]
fn strict_mode_undoes_other_lines() {
    rows(&[
        (
            "strict_mode ;; state MASTER ;; priority 100",
            &["6:7 warning: strict mode: `state MASTER` with priority 100"],
        ),
        ("strict_mode ;; unicast_peer { ;; 172.18.0.5 ;; }", &["7:1 strict mode has no unicast"]),
        (
            "strict_mode ;; accept",
            &["6:1 warning: strict mode: `accept` does nothing in version 2"],
        ),
        (
            "strict_mode ;; strict_mode off ;; accept",
            &["6:1 warning: `strict_mode` stands here again [5:1 it does not count]"],
        ),
    ]);
    let text = format!("global_defs {{\nvrrp_strict\n}}\n{}", instance("accept"));
    assert_eq!(found(&text).len(), 1);
    let text = format!("global_defs {{\nvrrp_strict\n}}\n{}", instance("accept ;; strict_mode no"));
    assert_eq!(found(&text), Vec::<String>::new());
}

#[test]
fn ipv6_is_version_3() {
    let v6 = |lines: &str| instance(lines).replace("172.18.0.10", "fd00::10");
    let file = good(&v6(""));
    assert_eq!(file.instances[0].version(&file.globals), 3);
    let file = good(&format!("global_defs {{\nvrrp_version 2\n}}\n{}", v6("")));
    assert_eq!(file.instances[0].version(&file.globals), 3);
    assert_eq!(found(&v6("version 2")), ["5:9 there is no version 2 of VRRP for IPv6"]);
}

#[test]
fn what_is_tolerated_is_left_out() {
    let text = "
global_defs {
on_dropped warn
}
vrrp_script check {
script /bin/true
weight 5
}
track_file standby {
file /run/standby
}
vrrp_sync_group VG {
group { VI_1 VI_2 }
}
vrrp_sync_group VH {
group { VI_2 }
}
vrrp_instance VI_1 {
interface eth0
virtual_router_id 1
virtual_ipaddress {
10.0.0.1
fd00::1
}
unicast_peer { 10.0.0.5
fd00::5 }
mcast_src_ip fd00::4
track_script { check }
track_file { standby weight 0 }
}
vrrp_instance VI_2 {
interface eth0
virtual_router_id 2
virtual_ipaddress { 10.0.0.2 }
}
vrrp_instance VI_3 {
interface eth1
priority 255
virtual_router_id 2
virtual_ipaddress { 10.0.0.3 }
track_interface { eth2 weight 7
eth3 }
}
interface_up_down_delays {
eth0 9
eth1 1
}
static_ipaddress {
10.0.0.9 dev eth0 track_group TG
}
";
    let file = good(text);
    let [first, _, third] = &*file.instances else { panic!() };
    assert_eq!(first.addresses.len(), 1);
    assert_eq!(first.unicast_peers.as_ref().unwrap().len(), 1);
    assert!(first.multicast_source.is_none());
    assert!(first.tracks.scripts.is_empty());
    assert_eq!(first.tracks.files.len(), 1);
    assert_eq!(third.tracks.interfaces.len(), 1);
    assert_eq!(file.sync_groups.len(), 1);
    assert_eq!(file.up_down_delays.len(), 1);
    assert!(file.static_addresses[0].track_group.is_none());
    // Each of them was told.
    let says = found(text);
    assert_eq!(says.iter().filter(|line| line.contains("warning: ")).count(), says.len());
    for expected in [
        "`VI_2` is in a sync group already",
        "fd00::1 in an instance for IPv4",
        "fd00::5 in an instance for IPv4",
        "fd00::4 in an instance for IPv4",
        "`check` has the weight 5",
        "`eth2` has the weight 7",
        "`eth0` is waited for",
        "there is no `track_group` named `TG`",
    ] {
        assert!(says.iter().any(|line| line.contains(expected)), "{expected} {says:#?}");
    }
}
