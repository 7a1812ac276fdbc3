//! How lines with scripts are cut into words, and whether the machine has the scripts.

use super::{Files, good};
use crate::Severity;
use crate::keepalived::file::Command;
use crate::keepalived::{Account, Entry, Inspection, Machine, Options, Unreadable, parse};

/// The program and the arguments of a script, one behind the other.
fn command(script: &str) -> String {
    let text = format!("vrrp_sync_group G {{\nnotify_master {script}\n}}\n");
    let parsed = super::read(&text);
    let errors: Vec<_> = parsed
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error && !one.message.contains("no instances"))
        .map(|one| one.message.clone())
        .collect();
    if !errors.is_empty() {
        return format!("error: {}", errors.join(", "));
    }
    let text = format!("global_defs {{\nstartup_script {script}\n}}\n");
    let script = good(&text).globals.startup_script.unwrap();
    let user = script.user.map_or(String::new(), |user| {
        let group = user.group.clone().map_or(String::new(), |group| format!(" {group}"));
        format!(" as {}{group}", user.name)
    });
    match script.command.value {
        Command::Program { path, arguments } => {
            let arguments: Vec<&str> = arguments.iter().map(|one| one.expose()).collect();
            format!("{path}|{}{user}", arguments.join("|"))
        }
        Command::Connect(text) => format!("connect {text}{user}"),
    }
}

#[test]
fn a_script_is_cut_twice_with_quotes_and_escapes() {
    for (script, expected) in [
        ("/a", "/a|"),
        ("/a root", "/a| as root"),
        ("\"/a b c\" root wheel", "/a|b|c as root wheel"),
        ("'/a b c'", "/a|b|c"),
        ("\"/a 'b c' d\"", "/a|b c|d"),
        ("'/a \"b c\" d'", "/a|b c|d"),
        ("\"/a \\\"b c\\\" d\"", "/a|b c|d"),
        ("\"/a b#c !d {e}\"", "/a|b#c|!d|{e}"),
        ("/a\\ b", "/a|b"),
        ("\"/a b\\ c\"", "/a|b|c"),
        ("\"/a b\\\\ c\"", "/a|b c"),
        ("\"/a\\tb\"", "/a|b"),
        ("\"/a \\x41\\102\\\\x43\"", "/a|ABC"),
        ("\"/a 'b\\\\'c' d\"", "/a|b'c|d"),
        ("\"/a '' \\\"\\\"\"", "/a||"),
        ("\"/b\"'in a'\" b\"", "/bin|a|b"),
        ("\"/a b;c>d|e\"", "/a|b;c>d|e"),
        ("\"/a $HOME\"", "/a|$HOME"),
        ("\"</dev/tcp/127.0.0.1/6379\"", "connect </dev/tcp/127.0.0.1/6379"),
        ("\"/a b", "error: a quote without an end"),
        ("\"/a 'b\"", "error: a quote without an end"),
        // A brace in single quotes is a brace.
        ("'/a {b}'", "error: a quote without an end"),
        ("\"\"", "error: `notify_master` without a script"),
        // What follows a script is a user, so these would run as nobody knows who.
        ("/a 123456", "error: this is no name of a user or group"),
        ("/a -x", "error: this is no name of a user or group"),
        ("/a b c d", "error: `notify_master`: its arguments are not in the quotes"),
        ("/a root :", "/a| as root"),
        ("/a root :wheel", "/a| as root wheel"),
    ] {
        assert_eq!(command(script), expected, "{script}");
    }
}

#[test]
fn arguments_are_not_shown() {
    let file = good("global_defs {\nstartup_script \"/a hunter2\"\n}\n");
    assert!(!format!("{file:?}").contains("hunter2"));
}

/// A machine with a few scripts.
struct Scripts {
    files: Files,
    /// Path, owner, group, permissions; directories end with a slash.
    entries: &'static [(&'static str, u32, u32, u32)],
}

impl Machine for Scripts {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        self.files.read(path)
    }

    fn inspect(&self, path: &str) -> Inspection {
        let found = self.entries.iter().find(|(name, ..)| {
            *name == path || name.strip_suffix('/') == Some(path.trim_end_matches('/'))
        });
        match found {
            None => Inspection::Missing,
            Some((name, uid, gid, mode)) => Inspection::Found(Entry {
                real_path: path.to_owned(),
                is_file: !name.ends_with('/'),
                uid: *uid,
                gid: *gid,
                mode: *mode,
            }),
        }
    }

    fn user(&self, name: &str) -> Account {
        match name {
            "root" => Account::Found { uid: 0, gid: 0 },
            "redis" => Account::Found { uid: 100, gid: 200 },
            _ => Account::Missing,
        }
    }

    fn group(&self, name: &str) -> Account {
        match name {
            "root" => Account::Found { uid: 0, gid: 0 },
            "staff" => Account::Found { uid: 50, gid: 50 },
            _ => Account::Missing,
        }
    }
}

const ENTRIES: &[(&str, u32, u32, u32)] = &[
    ("/", 0, 0, 0o755),
    ("/etc/", 0, 0, 0o755),
    ("/usr/bin/", 0, 0, 0o755),
    ("/usr/", 0, 0, 0o755),
    ("/usr/bin/true", 0, 0, 0o755),
    ("/good", 0, 0, 0o755),
    ("/plain", 0, 0, 0o644),
    ("/only-root", 0, 0, 0o700),
    ("/redis-group", 0, 200, 0o710),
    ("/staff-group", 0, 50, 0o710),
    ("/others-write", 0, 0, 0o757),
    ("/group-writes", 0, 50, 0o775),
    ("/root-group-writes", 0, 0, 0o775),
    ("/owned", 100, 200, 0o755),
    ("/open/", 0, 0, 0o777),
    ("/open/good", 0, 0, 0o755),
    ("/sticky/", 0, 0, 0o1777),
    ("/sticky/good", 0, 0, 0o755),
];

/// What is said of a script that runs with these global lines.
fn judged(globals: &str, script: &str) -> Vec<String> {
    let text = format!(
        "global_defs {{\n{globals}\nnotify_fifo /run/fifo\nnotify_fifo_script {script}\n}}\n"
    );
    let machine = Scripts { files: Files::new(&text), entries: ENTRIES };
    let parsed = parse("/etc/keepalived.conf", &machine, &Options::default());
    let say = |one: &crate::Diagnostic| {
        let warning = if one.severity == Severity::Warning { "warning: " } else { "" };
        format!("{warning}{}", one.message)
    };
    parsed.diagnostics.iter().map(say).collect()
}

const SECURE: &str = "enable_script_security\nscript_user root";

#[test]
fn trap_20_a_script_that_is_not_there_or_not_executable_is_an_error() {
    for (script, expected) in [
        ("/good", &[][..]),
        ("/none", &["there is no script `/none`"]),
        ("/plain", &["`/plain` is not executable for who runs it"]),
        ("/etc", &["`/etc` is no script"]),
        ("/only-root", &[]),
        ("\"/only-root a\" redis", &["`/only-root` is not executable for who runs it"]),
        ("/redis-group redis", &[]),
        ("/staff-group redis", &["`/staff-group` is not executable for who runs it"]),
        ("/staff-group redis staff", &[]),
        ("/good nobody", &["there is no such user"]),
        ("/good redis nogroup", &["there is no such group"]),
        ("/good argument", &["there is no such user"]),
    ] {
        assert_eq!(judged(SECURE, script), expected, "{script}");
    }
    assert_eq!(
        judged(&format!("on_dropped warn\n{SECURE}"), "/none"),
        ["warning: there is no script `/none`"]
    );
}

#[test]
fn trap_38_what_root_runs_only_root_may_change() {
    let can_change = |script: &str, path: &str| {
        format!("root runs `{script}`, and others than root can change `{path}`")
    };
    for (script, path) in [
        ("/good", None),
        ("/root-group-writes", None),
        ("/sticky/good", None),
        ("/others-write", Some("/others-write")),
        ("/group-writes", Some("/group-writes")),
        ("/owned", Some("/owned")),
        ("/open/good", Some("/open")),
    ] {
        let expected: Vec<String> = path.map(|path| can_change(script, path)).into_iter().collect();
        assert_eq!(judged(SECURE, script), expected, "{script}");
        // Another user may do what others can change.
        assert_eq!(judged(SECURE, &format!("{script} redis")), Vec::<String>::new(), "{script}");
        let mut expected: Vec<String> =
            expected.iter().map(|line| format!("warning: {line}")).collect();
        let hint = "warning: scripts run as root, and `enable_script_security` is not set";
        expected.push(hint.to_owned());
        assert_eq!(judged("script_user root", script), expected, "{script}");
    }
}

#[test]
fn whom_scripts_run_as() {
    let missing = "`enable_script_security` without `script_user`, and no user keepalived_script";
    assert_eq!(judged("enable_script_security", "/good redis"), [missing]);
    assert_eq!(judged("script_user nobody", "/good redis"), ["there is no such user"]);
    assert_eq!(
        judged("script_user redis", "/only-root"),
        ["`/only-root` is not executable for who runs it"]
    );
    // Without any of it they run as root.
    assert_eq!(
        judged("", "/good"),
        ["warning: scripts run as root, and `enable_script_security` is not set"]
    );
}

#[test]
fn a_relative_script_is_searched_for() {
    let warning = |name: &str| format!("warning: the script `{name}` is not an absolute path");
    assert_eq!(judged(SECURE, "true"), [warning("true")]);
    assert_eq!(judged(SECURE, "none"), [warning("none"), "there is no script `none`".to_owned()]);
}

#[test]
fn a_tolerated_script_is_not_run() {
    let text = "
global_defs {
on_dropped warn
enable_script_security
script_user root
}
vrrp_script bad {
script /none
}
vrrp_script good {
script /good
}
vrrp_instance V {
interface eth0
virtual_router_id 1
virtual_ipaddress { 10.0.0.1 }
track_script { bad
good }
notify_master /plain
notify_backup /good nobody
notify_deleted /none
notify /good
}
";
    let machine = Scripts { files: Files::new(text), entries: ENTRIES };
    let parsed = parse("/etc/keepalived.conf", &machine, &Options::default());
    let file = parsed.file.unwrap();
    assert_eq!(file.scripts.len(), 1);
    let it = &file.instances[0];
    assert_eq!(it.tracks.scripts.len(), 1);
    assert!(it.notify.master.is_none() && it.notify.backup.is_none());
    assert_eq!(it.notify.deleted.as_ref().map(|it| it.value.is_some()), Some(false));
    assert!(it.notify.any.is_some());
    assert_eq!(parsed.diagnostics.len(), 4);
}
