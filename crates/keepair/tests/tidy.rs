//! What must stay true of the source tree: dependency arrows, file lengths, no clock where time is
//! an argument, and one form of citation.

// A tree that can't be read fails the test, with the reason.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may depend on whom, inside the workspace. `lab` drives the built binary from outside.
const ARROWS: &[(&str, &[&str])] = &[
    ("keepair-wire", &[]),
    ("keepair-core", &["keepair-wire"]),
    ("keepair-conf", &["keepair-core", "keepair-wire"]),
    ("keepair-linux", &["keepair-core", "keepair-wire"]),
    ("keepair-fuzz-targets", &["keepair-conf", "keepair-core", "keepair-wire"]),
    ("keepair-record", &["keepair-core", "keepair-wire"]),
    ("keepair-sim", &["keepair-conf", "keepair-core", "keepair-record", "keepair-wire"]),
    ("keepair-lab", &[]),
    (
        "keepair",
        &["keepair-conf", "keepair-core", "keepair-linux", "keepair-record", "keepair-wire"],
    ),
    ("keepair-model", &[]),
];

/// Aim for 500, stop at 800.
const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace").to_owned()
}

/// Every Rust file of a folder below the workspace, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no source");
    found
}

#[test]
fn dependency_arrows_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut seen = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let own: BTreeSet<String> = package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| name.starts_with("keepair"))
            .map(str::to_owned)
            .collect();
        seen.insert(package["name"].as_str().expect("name").to_owned(), own);
    }
    let names: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(seen.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    for (name, allowed) in ARROWS {
        for dependency in &seen[*name] {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not use {dependency}");
        }
    }
}

#[test]
fn files_stay_short() {
    for (path, text) in sources("crates") {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines, {LINES_MAX} allowed", path.display());
    }
}

#[test]
fn time_is_an_argument_where_decisions_are_made() {
    for folder in ["crates/wire/src", "crates/core/src", "crates/record/src", "crates/sim/src"] {
        for (path, text) in sources(folder) {
            for clock in ["Instant::now", "SystemTime::now", "thread::sleep"] {
                // The simulator's own command line may time itself.
                let is_main = path.ends_with("sim/src/main.rs");
                assert!(is_main || !text.contains(clock), "{} uses {clock}", path.display());
            }
        }
    }
    for folder in ["crates/wire/src/lib.rs", "crates/core/src/lib.rs"] {
        let text = fs::read_to_string(root().join(folder)).expect(folder);
        assert!(text.contains("#![no_std]"), "{folder} must be no_std");
    }
}

#[test]
fn unsafe_is_in_linux_only_and_says_why_it_is_sound() {
    for (path, text) in sources("crates") {
        let in_linux = path.starts_with(root().join("crates/linux"));
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if !code.contains(concat!("unsafe", " {")) && !code.contains(concat!("unsafe", " impl"))
            {
                continue;
            }
            assert!(in_linux, "{}:{} is unsafe", path.display(), at + 1);
            let said = lines[at.saturating_sub(6)..at].iter().any(|l| l.contains("// SAFETY:"));
            assert!(said, "{}:{} lacks a SAFETY line", path.display(), at + 1);
        }
    }
}

#[test]
fn citations_have_one_form() {
    for (path, text) in sources("crates") {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(url) = line.strip_prefix("//= ") else { continue };
            let place = format!("{}:{}", path.display(), at + 1);
            if url.starts_with("type=") {
                continue;
            }
            // RFC 826 has no numbered sections.
            let placed = url.contains("#section-") || url.ends_with("/rfc826");
            assert!(
                url.starts_with("https://www.rfc-editor.org/rfc/rfc") && placed,
                "{place}: cite as https://www.rfc-editor.org/rfc/rfcN#section-S"
            );
            let next = lines.get(at + 1).copied().unwrap_or("");
            assert!(next.starts_with("//# ") || next.starts_with("//= type="), "{place}: quote it");
        }
    }
}
