//! What the built program makes of a keepalived.conf without running it: `check` and `convert`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Dir, KEEPAIR, says};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/keepalived");

fn keepair(arguments: &[&str]) -> Output {
    Command::new(KEEPAIR).args(arguments).output().unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn example(name: &str) -> String {
    format!("{EXAMPLES}/{name}")
}

/// The example of a machine with its scripts where they are in this tree.
fn with_scripts(dir: &Dir, name: &str) -> PathBuf {
    let scripts = dir.path("scripts");
    std::fs::create_dir_all(&scripts).unwrap();
    for entry in std::fs::read_dir(example("scripts")).unwrap().flatten() {
        std::fs::copy(entry.path(), scripts.join(entry.file_name())).unwrap();
    }
    let text = std::fs::read_to_string(example(name)).unwrap();
    let text = text.replace("/etc/keepalived/scripts", scripts.to_str().unwrap());
    // The folder of a test is nobody's idea of a safe place.
    dir.write(name, &text.replace("    enable_script_security\n", ""))
}

#[test]
fn check_takes_a_keepalived_conf_as_it_stands() {
    let dir = Dir::new();
    let file = with_scripts(&dir, "redis-1.conf");
    let name = file.to_str().unwrap();
    for command in [&["check", name][..], &["-t", "-f", name], &["--config-test", name]] {
        let out = keepair(command);
        assert_eq!(stdout(&out), format!("{name}: no mistakes; the instance is REDIS\n"));
        assert_eq!(out.status.code(), Some(0));
    }
}

#[test]
fn mistakes_of_a_keepalived_conf_have_places_and_keepalived_s_status() {
    let dir = Dir::new();
    let text = "vrrp_instance VI_1 {\n  interface eth0\n  virtual_router_id 700\n  authentication {\n\
                auth_type PASS\n    auth_pass geheim\n  }\n  priorty 5\n}\n";
    let file = dir.write("keepalived.conf", text);
    let name = file.to_str().unwrap();
    let out = keepair(&["check", name]);
    let said = stderr(&out);
    says(&said, &[&format!("{name}:3:"), "out of range", &format!("{name}:8:3"), "`priority`?"]);
    says(&said, &[&format!("keepair: {name}: 3 mistakes\n")]);
    assert!(!said.contains("geheim"), "{said}");
    assert_eq!(out.status.code(), Some(5));
    let missing = keepair(&["check", dir.path("missing.conf").to_str().unwrap()]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn keys_of_signatures_are_checked_and_not_shown() {
    let dir = Dir::new();
    let check = |lines: &str| {
        let text = format!(
            "vrrp_instance VI_1 {{\n  interface eth0\n  virtual_router_id 7\n  virtual_ipaddress {{\n\
             10.0.0.1\n  }}\n{lines}}}\n"
        );
        let file = dir.write("keepalived.conf", &text);
        let out = keepair(&["check", file.to_str().unwrap()]);
        let shown = format!("{}{}", stderr(&out), String::from_utf8_lossy(&out.stdout));
        assert!(!shown.contains("abcdefgh"), "{shown}");
        (out.status.code(), shown)
    };
    let key = "abcdefghijklmnopqrstuvwxyzabcdef";
    let block = |more: &str| format!("  auth_hmac {{\n    key 1 {key}\n{more}  }}\n");
    assert_eq!(check(&block("    active_key 1\n")).0, Some(0));
    for (lines, what) in [
        (block("    active_key 2\n"), "active_key"),
        (block("    active_key 1\n    key 2 abcdefgh\n"), "32"),
        (block("    active_key 1\n    key 2 hex:abcdefghzz\n"), "hexadecimal"),
        (
            block("    active_key 1\n    mode permissive\n") + "  strict_mode on\n",
            "strict mode takes signed adverts only",
        ),
        (
            block("    active_key 1\n")
                + "  authentication {\n    auth_type PASS\n    auth_pass abcdefgh\n  }\n",
            "exclude each other",
        ),
    ] {
        let (code, shown) = check(&lines);
        says(&shown, &[what]);
        assert_eq!(code, Some(5), "{shown}");
    }
}

#[test]
fn check_names_the_tie_breakers_of_a_redis_block_and_no_password() {
    let dir = Dir::new();
    let text = "vrrp_instance REDIS {\n  interface eth0\n  virtual_router_id 51\n  version 3\n  \
                unicast_src_ip 10.9.0.1\n  unicast_peer {\n    10.9.0.2\n  }\n  virtual_ipaddress {\n    \
                10.9.0.10/24\n  }\n  redis {\n    tiebreaker {\n      gateway auto\n      \
                witness redis://:geheim@10.9.0.3\n      etcd http://a:geheim@10.9.0.4\n    }\n  }\n}\n";
    let file = dir.write("keepalived.conf", text);
    let name = file.to_str().unwrap();
    let out = keepair(&["check", name]);
    let third = "gateway and witness 10.9.0.3:6379 and etcd 10.9.0.4:2379";
    let pair = "the pair is 10.9.0.1 and 10.9.0.2";
    let expected = format!("{name}: no mistakes; {pair}; the tie-breaker is {third}\n");
    assert_eq!(stdout(&out) + &stderr(&out), expected);

    dir.write("keepalived.conf", &text.replace("@10.9.0.3", "@10.9.0.2"));
    let out = keepair(&["check", name]);
    let said = stdout(&out) + &stderr(&out);
    says(&said, &["keepalived.conf:15:15", "`10.9.0.2` is the address of `10.9.0.2`", "1 mistake"]);
    assert!(!said.contains("geheim"), "{said}");
    assert_eq!(out.status.code(), Some(5));
}

#[test]
fn check_compares_the_config_id() {
    let dir = Dir::new();
    let text = "vrrp_instance VI_1 {\n  interface eth0\n@a  virtual_router_id 7\n  virtual_ipaddress {\n\
                10.0.0.1\n  }\n}\n";
    let file = dir.write("keepalived.conf", text);
    let name = file.to_str().unwrap();
    assert_eq!(keepair(&["check", "--config-id", "a", name]).status.code(), Some(0));
    assert_eq!(keepair(&["check", "-i", "b", name]).status.code(), Some(5));
}

#[test]
fn convert_writes_what_check_takes() {
    let dir = Dir::new();
    let output = dir.path("out/keepair.toml");
    let password = dir.path("out/password");
    let [output_name, password_name] = [&output, &password].map(|path| path.to_str().unwrap());
    let arguments = [
        "convert",
        &example("redis-1.conf"),
        "--other",
        &example("redis-2.conf"),
        "--address",
        "172.18.0.4",
        "-o",
        output_name,
        "--password-file",
        password_name,
    ];
    let out = keepair(&arguments);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    says(&stderr(&out), &["the password goes to", password_name, "--write-password"]);
    assert!(!password.exists());
    let toml = std::fs::read_to_string(&output).unwrap();
    for text in [&toml, &stderr(&out), &stdout(&out)] {
        assert!(!text.contains("123456"), "{text}");
    }
    says(&toml, &["address = \"172.18.0.4\"", "address = \"172.18.0.5\"", "priority = 90"]);
    let checked = keepair(&["check", output_name]);
    assert_eq!(stderr(&checked), "");
    assert_eq!(checked.status.code(), Some(0));
    // Nothing that is there is overwritten.
    let again = keepair(&arguments);
    says(&stderr(&again), &[output_name, "exists"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn the_password_is_written_for_its_owner_only_and_only_if_asked() {
    let dir = Dir::new();
    let password = dir.path("password");
    let out = keepair(&[
        "convert",
        &example("redis-1.conf"),
        "--address",
        "172.18.0.4",
        "--password-file",
        password.to_str().unwrap(),
        "--write-password",
    ]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert_eq!(std::fs::read_to_string(&password).unwrap(), "123456\n");
    assert_eq!(mode(&password), 0o600);
    assert!(!stdout(&out).contains("123456"));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_missing_is_named_and_refused() {
    let dir = Dir::new();
    let output = dir.path("keepair.toml");
    let out = keepair(&["convert", &example("redis-1.conf"), "-o", output.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    let said =
        ["is not complete; fill in:", "`address` of node redis-1", "`address` of node redis-2"];
    says(&stderr(&out), &said);
    let checked = keepair(&["check", output.to_str().unwrap()]);
    says(&stderr(&checked), &["FILL IN: the other machine's address", "2 mistakes"]);
    assert_eq!(checked.status.code(), Some(1));
}

#[test]
fn a_file_without_redis_is_not_converted() {
    let dir = Dir::new();
    let text = "vrrp_instance VI_1 {\n  interface eth0\n  virtual_router_id 7\n  virtual_ipaddress {\n\
                10.0.0.1\n  }\n}\n";
    let file = dir.write("keepalived.conf", text);
    let out = keepair(&["convert", file.to_str().unwrap()]);
    says(&stderr(&out), &["no instance has a script that has to do with Redis"]);
    assert!(out.stdout.is_empty());
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn a_recording_is_for_a_pair() {
    let dir = Dir::new();
    let file = with_scripts(&dir, "redis-1.conf");
    let record = dir.path("record");
    let run = dir.path("run");
    let out = keepair(&[
        "run",
        "--config",
        file.to_str().unwrap(),
        "--run-dir",
        run.to_str().unwrap(),
        "--record",
        record.to_str().unwrap(),
    ]);
    says(&stderr(&out), &["--record is for a keepair.toml"]);
    assert!(!record.exists() && !run.exists());
    assert_eq!(out.status.code(), Some(1));
}
