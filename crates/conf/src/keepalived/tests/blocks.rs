//! Blocks, unknown words, words too many and too few.

use super::found;

/// Rows of texts and what is found in them; ` ;; ` ends a line.
#[track_caller]
fn rows(rows: &[(&str, &[&str])]) {
    for (text, expected) in rows {
        assert_eq!(found(&text.replace(" ;; ", "\n")), *expected, "{text}");
    }
}

#[test]
fn braces_that_do_not_match() {
    rows(&[
        ("global_defs {", &["1:13 this block is never closed"]),
        ("global_defs { ;; router_id a", &["1:13 this block is never closed"]),
        ("global_defs { ;; } ;; }", &["3:1 this brace closes nothing"]),
        ("} ;; global_defs { ;; }", &["1:1 this brace closes nothing"]),
        ("{ ;; router_id a ;; }", &["1:1 a block without a name"]),
        ("global_defs { { } }", &["1:15 a block without a name"]),
        ("global_defs { } { }", &["1:17 a block without a name"]),
        (
            "global_defs ;; router_id a",
            &[
                "1:1 `global_defs` without a block",
                "2:1 unknown keyword `router_id` in the top level",
            ],
        ),
        ("global_defs { ;; router_id a { ;; } ;; }", &["2:13 `router_id` has no block"]),
        (
            "global_defs { ;; notification_email { ;; a { ;; } ;; } ;; }",
            &["3:3 `notification_email` takes names only"],
        ),
        (
            "static_routes { ;; default dev eth0 { ;; } ;; }",
            &["2:18 `static_routes` takes one entry to a line"],
        ),
        (
            "vrrp_script a { ;; script /bin/true ;; vrrp_script b { ;; script /bin/true ;; }",
            &["1:15 this block is never closed [3:1 `vrrp_script` can't be inside of it]"],
        ),
        (
            "vrrp_script a { ;; script /bin/true ;; vrrp_script b { ;; script /bin/true ;; } ;; }",
            &["3:1 `vrrp_script` can't stand in `vrrp_script`"],
        ),
    ]);
}

#[test]
fn unknown_words_and_what_was_meant() {
    let hint = |text: &str| {
        let parsed = super::read(text);
        parsed.diagnostics[0].hint.clone().unwrap()
    };
    for (text, expected) in [
        ("global_defs {\nrouterid a\n}", "did you mean `router_id`?"),
        ("vrrp_instnce V {\n}", "did you mean `vrrp_instance`?"),
        ("global_defs {\nRouter_ID a\n}", "did you mean `router_id`?"),
        ("global_defs {\npriority 1\n}", "`priority` belongs in `vrrp_instance`"),
        ("router_id a", "`router_id` belongs in `global_defs`"),
        (
            "global_defs {\nlinkbeat_use_polling\n}",
            "`linkbeat_use_polling` stands outside of all blocks",
        ),
        ("real_server 1.2.3.4 {\n}", "`real_server` belongs in a block of LVS"),
        (
            "global_defs {\nadvertt_int 1\n}",
            "did you mean `advert_int`, which belongs in `vrrp_instance`?",
        ),
        ("zzzzzzzz", "see docs/keepalived-keywords.md for the words of the top level"),
    ] {
        assert_eq!(hint(text), expected, "{text}");
    }
}

#[test]
fn an_entry_before_the_brace_is_not_used() {
    rows(&[
        ("static_routes default { ;; }", &["1:15 `default` stands before the brace"]),
        (
            "global_defs { ;; notification_email a { ;; b ;; } ;; }",
            &["2:20 `a` stands before the brace"],
        ),
    ]);
}

#[test]
fn words_too_many_are_not_used() {
    rows(&[
        (
            "global_defs x { ;; router_id a b c ;; vrrp_strict on ;; }",
            &[
                "1:13 warning: `x` is not used",
                "2:13 warning: `b` is not used",
                "3:13 warning: `on` is not used",
            ],
        ),
        (
            "global_defs { ;; vrrp_version 3 3 ;; smtp_alert on off ;; }",
            &["2:16 warning: `3` is not used", "3:15 warning: `off` is not used"],
        ),
    ]);
}

#[test]
fn a_word_that_stands_twice() {
    rows(&[
        (
            "global_defs { ;; router_id a ;; router_id b ;; }",
            &["3:1 warning: `router_id` stands here again [2:1 it does not count]"],
        ),
        ("global_defs { ;; router_id a ;; } ;; global_defs { ;; router_id b ;; }", &[]),
        // keepalived takes the first one of these.
        (
            "global_defs { ;; startup_script /a ;; startup_script /b ;; }",
            &["3:1 `startup_script` stands here again [2:1 the first one]"],
        ),
    ]);
    for first in [
        "track_file f {\nfile /a\nfile /b\n}",
        "track_file f {\nfile /a\nweight 1\nweight 2\n}",
        "vrrp_track_process p {\nprocess a\nprocess b\n}",
        "global_defs {\nvmac_prefix a\nvmac_prefix b\n}",
        "vrrp_instance V {\nuse_vmac a\nuse_vmac b\n}",
        "vrrp_instance V {\nuse_vmac a b\n}",
    ] {
        let says = found(first).join("\n");
        assert!(says.contains("again") || says.contains("a second name"), "{first} {says}");
        assert!(!says.contains("warning: `file`"), "{says}");
    }
    let file = super::good("global_defs {\nrouter_id a\nrouter_id b\n}");
    assert_eq!(file.globals.router_id.map(|id| id.value), Some("b".to_owned()));
}

#[test]
fn words_without_effect_are_told_once() {
    rows(&[
        (
            "global_defs { ;; process_names ;; process_names ;; enable_dbus ;; }",
            &[
                "2:1 warning: `process_names` has no effect",
                "4:1 warning: `enable_dbus` has no effect",
            ],
        ),
        (
            "virtual_server 1.2.3.4 80 { ;; any { thing } ;; } ;; SSL { ;; } ;; virtual_server_group g { ;; }",
            &["1:1 warning: `virtual_server` is skipped"],
        ),
        ("bfd_instance b { ;; anything ;; }", &["1:1 warning: `bfd_instance` is skipped"]),
        // Their values are looked at all the same.
        (
            "global_defs { ;; vrrp_priority 20 ;; json_version x ;; }",
            &[
                "2:1 warning: `vrrp_priority` has no effect",
                "2:15 `vrrp_priority`: `20` is out of range",
                "3:14 `json_version`: `x` is not a whole number",
            ],
        ),
        ("net_namespace blue", &["1:1 `net_namespace` is refused"]),
    ]);
}

#[test]
fn numbers() {
    for (number, expected) in [
        ("1", None),
        ("+100", None),
        ("0100", None),
        ("0", Some("out of range")),
        ("101", Some("out of range")),
        ("-1", Some("out of range")),
        ("99999999999999999999999", Some("out of range")),
        ("-99999999999999999999999", Some("out of range")),
        ("1.0", Some("not a whole number")),
        ("0x1", Some("not a whole number")),
        ("1e1", Some("not a whole number")),
        ("+", Some("not a whole number")),
        ("--1", Some("not a whole number")),
        ("\u{662}", Some("not a whole number")),
        ("\"\"", Some("not a whole number")),
    ] {
        let says = found(&format!("global_defs {{\nvrrp_down_timer_adverts {number}\n}}"));
        assert_eq!(says.is_empty(), expected.is_none(), "{number} {says:?}");
        assert!(says.iter().all(|line| line.contains(expected.unwrap())), "{number} {says:?}");
    }
    for (number, expected) in [
        ("1", None),
        (".5", None),
        ("1.", None),
        ("+0.001", None),
        ("4294.967295", None),
        ("0.0009999", Some("is finer than a microsecond")),
        ("0.0009994", Some("out of range")),
        ("4294.967296", Some("out of range")),
        ("99999999999999999999999.9", Some("out of range")),
        ("1.00000005", Some("is finer than a microsecond")),
        (".", Some("not a number of seconds")),
        ("-1", Some("not a number of seconds")),
        ("1s", Some("not a number of seconds")),
        ("1.5.5", Some("not a number of seconds")),
    ] {
        let says = found(&format!("global_defs {{\nvrrp_startup_delay {number}\n}}"));
        assert_eq!(says.is_empty(), expected.is_none(), "{number} {says:?}");
        assert!(says.iter().all(|line| line.contains(expected.unwrap())), "{number} {says:?}");
    }
}

#[test]
fn sync_groups() {
    let instances = "\
vrrp_instance VI_1 {
interface eth0
virtual_router_id 1
virtual_ipaddress { 10.0.0.1 }
}
vrrp_instance VI_2 {
interface eth1
virtual_router_id 2
virtual_ipaddress { 10.0.0.2 }
}
";
    for (groups, expected) in [
        ("vrrp_sync_group G {\ngroup { VI_1 VI_2 }\n}\n", &[][..]),
        (
            "vrrp_sync_group G {\ngroup { VI_1 VI_3 }\n}\n",
            &[
                "1:17 warning: sync group `G` has one instance only",
                "2:14 there is no instance named `VI_3`",
            ],
        ),
        ("vrrp_sync_group G {\n}\n", &["1:17 sync group `G` has no instances"]),
        (
            "vrrp_sync_group G {\ngroup { VI_1 VI_1 VI_2 }\n}\n",
            &["2:14 `VI_1` is in a sync group already [2:9 here]"],
        ),
        (
            "vrrp_sync_group G {\ngroup { VI_1 VI_2 }\n}\nvrrp_sync_group G {\ngroup { VI_1 VI_2 }\n}\n",
            &["4:17 a second `vrrp_sync_group` named `G` [1:17 the first one]"],
        ),
        (
            "vrrp_sync_group G {\ngroup { VI_1 VI_2 }\nnotify_deleted\n}\n",
            &["3:1 unknown keyword `notify_deleted` in `vrrp_sync_group`"],
        ),
        (
            "track_group T {\ngroup { VI_4 }\n}\nstatic_ipaddress {\n10.0.0.9 dev eth0 track_group U\n}\n",
            &["2:9 there is no instance named `VI_4`", "5:1 there is no `track_group` named `U`"],
        ),
    ] {
        assert_eq!(found(&format!("{groups}{instances}")), expected, "{groups}");
    }
}
