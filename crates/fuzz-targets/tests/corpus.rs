//! Replays what is committed under `fuzz/`: seeds (real bytes, chosen by hand), corpora (grown by
//! `make fuzz`) and regressions (each once crashed something, and is named after what went wrong).

// A missing folder fails the test, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use keepair_fuzz_targets::{TARGETS, Target};

/// What is committed must stay small.
const FILES_MAX: usize = 300;
const BYTES_MAX: u64 = 300 * 1024;

fn folder(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace");
    root.join("fuzz").join(name)
}

/// The names in a folder, in order; none if it is missing.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs the target on every file of its folder in `kind`, and says on which it panicked.
fn replay(target: &Target, kind: &str) -> usize {
    let folder = folder(kind).join(target.name);
    let files = names(&folder);
    let mut failed = Vec::new();
    for file in &files {
        let path = folder.join(file);
        let bytes = fs::read(&path).unwrap();
        // Where a process ends without a panic, `cargo test -- --nocapture` shows the last one.
        println!("{}", path.display());
        if catch_unwind(|| (target.run)(&bytes)).is_err() {
            failed.push(path);
        }
    }
    assert!(failed.is_empty(), "{} panics on {failed:#?}", target.name);
    files.len()
}

fn replay_all(kind: &str, least: usize) {
    for target in TARGETS {
        let files = replay(target, kind);
        assert!(files >= least, "fuzz/{kind}/{} is missing or empty", target.name);
    }
}

#[test]
fn seeds() {
    replay_all("seeds", 1);
}

#[test]
fn corpora() {
    replay_all("corpus", 1);
}

#[test]
fn regressions() {
    replay_all("regressions", 0);
}

#[test]
fn corpora_stay_small() {
    for target in TARGETS {
        let folder = folder("corpus").join(target.name);
        let sizes = names(&folder).into_iter().map(|file| {
            let file = folder.join(file);
            fs::metadata(file).unwrap().len()
        });
        let (files, bytes) = sizes.fold((0, 0), |(files, bytes), len| (files + 1, bytes + len));
        assert!(files <= FILES_MAX, "{}: {files} files, {FILES_MAX} allowed", target.name);
        assert!(bytes <= BYTES_MAX, "{}: {bytes} bytes, {BYTES_MAX} allowed", target.name);
    }
}

#[test]
fn every_target_has_its_program_and_no_folder_is_forgotten() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let programs: BTreeSet<String> = names(&folder("fuzz_targets"))
        .iter()
        .map(|file| file.strip_suffix(".rs").expect("a Rust file").to_owned())
        .collect();
    assert_eq!(programs, targets, "fuzz/fuzz_targets");
    for program in &programs {
        let path = folder("fuzz_targets").join(format!("{program}.rs"));
        let text = fs::read_to_string(&path).unwrap();
        let call = format!("keepair_fuzz_targets::{program}::run(");
        assert!(text.contains(&call), "{} runs another target", path.display());
    }
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in &targets {
        let line = format!("name = \"{target}\", path = \"fuzz_targets/{target}.rs\"");
        assert!(manifest.contains(&line), "fuzz/Cargo.toml lacks {line}");
    }
    for kind in ["seeds", "corpus", "regressions"] {
        let strays: Vec<String> =
            names(&folder(kind)).into_iter().filter(|name| !targets.contains(name)).collect();
        assert!(strays.is_empty(), "fuzz/{kind} holds {strays:?}, which are no targets");
    }
}
