//! The lab measures itself: an undisturbed pair and one failover by hand, with a real Redis.
//!
//! Where this machine has no Redis or forbids namespaces there is nothing to test, and the reason is
//! printed.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::process::Command;

fn lab(args: &[&str]) -> Option<String> {
    let out = Command::new(env!("CARGO_BIN_EXE_keepair-lab")).args(args).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.code() == Some(2) {
        println!("skipped: {stderr}");
        return None;
    }
    assert!(out.status.success(), "{stdout}{stderr}");
    Some(stdout.into_owned())
}

#[test]
fn an_undisturbed_client_loses_nothing_and_neither_does_a_careful_hand() {
    for family in [&[][..], &["--ipv6"]] {
        let args = [&["steady", "--length", "500ms", "--failovers", "1"][..], family].concat();
        let Some(said) = lab(&args) else { return };
        assert!(said.contains("failed writes: none; lost: 0"), "{said}");
        assert!(said.lines().any(|l| l.starts_with("failover by hand:")), "{said}");
        assert!(said.contains(" 0 lost"), "{said}");
    }
}

#[test]
fn an_unknown_fault_is_named() {
    let out = Command::new(env!("CARGO_BIN_EXE_keepair-lab"))
        .args(["bench", "--fault", "flood"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("no fault \"flood\""));
    assert_eq!(out.status.code(), Some(1));
}
