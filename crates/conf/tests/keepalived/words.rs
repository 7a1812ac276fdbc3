//! The words of the document are words of keepalived.

use std::path::PathBuf;

use keepair_conf::keepalived::keywords_markdown;

use crate::agreement::keepalived;

/// Words that came after 2.2.7.
const NEWER: &[&str] = &[
    "auth_hmac",
    "dbus_no_interface_name",
    "iproute_etc_dir",
    "iproute_usr_dir",
    "json_dump_file",
    "json_version",
    "multihop",
    "no_virtual_ipaddress",
    "owner_ignore_adverts",
    "set_supplementary_groups",
    "snmp_rs_stats_update_interval",
    "snmp_vs_stats_update_interval",
    "state_dump_file",
    "stats_dump_file",
    "thread_timer_expired",
    "timer_expired_backup",
    "use_symlink_paths",
    "v3_checksum_as_v2",
    "vrrp_delay_after_boot",
    "vrrp_owner_ignore_adverts",
];

/// Words it is built without in Debian.
const NOT_BUILT: &[&str] = &["vrrp_ipsets"];

/// A file that has a line of this block in it, by the heading of the document.
fn within(heading: &str, line: &str) -> Option<String> {
    let instance = "vrrp_instance V {\ninterface eth7\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1\n}\n";
    let head = "global_defs {\ndynamic_interfaces\n}\n";
    let block = match heading {
        "The top level" => return Some(format!("{head}{line}\n{instance}}}\n")),
        "`global_defs`" => "global_defs {",
        "`vrrp_script`" => "vrrp_script a {",
        "`track_file`" => "track_file a {",
        "`vrrp_track_process`" => "vrrp_track_process a {",
        "`vrrp_sync_group`" => "vrrp_sync_group a {",
        "`track_group`" => "track_group a {",
        "`garp_group`" => "garp_group {",
        "`bfd_instance`" => "bfd_instance a {",
        "`vrrp_instance`" => return Some(format!("{head}{instance}{line}\n}}\n")),
        "`authentication`" => {
            return Some(format!("{head}{instance}authentication {{\n{line}\n}}\n}}\n"));
        }
        _ => return None,
    };
    Some(format!("{head}{block}\n{line}\n}}\n{instance}}}\n"))
}

#[test]
fn keepalived_knows_the_words_of_the_document() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("words");
    std::fs::create_dir_all(&folder).expect("a folder");
    let main = folder.join("keepalived.conf");
    let document = keywords_markdown();
    let (mut heading, mut known, mut unknown) = ("", 0, Vec::new());
    for line in document.lines() {
        heading = line.strip_prefix("## ").unwrap_or(heading);
        let cells: Vec<&str> =
            line.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect();
        let [word, takes, example, effect, ..] = &*cells else { continue };
        if *effect == "ours" || *word == "word" || word.contains('-') {
            continue;
        }
        let line = match takes.ends_with('}') {
            true if takes.starts_with("NAME") => format!("{word} b {{\n}}"),
            true => format!("{word} {{\n}}"),
            false => format!("{word} {}", example.replace("\\|", "|")),
        };
        let Some(text) = within(heading, &line) else { continue };
        std::fs::write(&main, text).expect("a file");
        let (_, log) = keepalived(&main);
        if log.contains(&format!("Unknown keyword '{word}'")) {
            unknown.push(*word);
        } else {
            known += 1;
        }
    }
    unknown.sort_unstable();
    unknown.dedup();
    let mut expected: Vec<&str> = NEWER.iter().chain(NOT_BUILT).copied().collect();
    expected.sort_unstable();
    assert_eq!(unknown, expected);
    assert!(known > 200, "{known}");
}
