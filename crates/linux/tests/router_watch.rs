//! Numbers in files and counts of processes, with real ones. Needs root for a namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
mod stage;

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keepair_core::router::Input;
use keepair_core::router::action::Adopted;
use keepair_core::router::config::{Config, FileId, ProcessId};
use keepair_linux::router::outside::Outside;
use keepair_linux::router::setup::{FileInit, FileSetup, Matching, ProcessSetup, Setup, Word};
use stage::{Folder, Stage, empty};

fn files(paths: &[String]) -> Setup {
    let file = |path: &String| FileSetup { name: "f".to_owned(), path: path.into(), init: None };
    Setup { files: paths.iter().map(file).collect(), ..empty() }
}

fn number(stage: &mut Stage, file: usize) -> i64 {
    stage.wait("a number", |input| match input {
        Input::FileRead(FileId(at), value) if *at == file => Some(*value),
        _ => None,
    })
}

/// Each step as keepalived 2.2.7 took it.
#[test]
fn a_number_follows_its_file() {
    let folder = Folder::new();
    let path = folder.path("value");
    let mut stage = Stage::open(files(std::slice::from_ref(&path)));
    assert_eq!(number(&mut stage, 0), 0, "there is no file");
    let write = |text: &str| fs::write(&path, text).unwrap();
    write("5\n");
    assert_eq!(number(&mut stage, 0), 5);
    write("12abc\n");
    assert_eq!(number(&mut stage, 0), 12);
    write("99999999999999999999");
    assert!(stage.inputs_for(Duration::from_millis(100)).is_empty(), "too large to be a number");
    write("-3");
    assert_eq!(number(&mut stage, 0), -3);
    write("");
    assert_eq!(number(&mut stage, 0), 0);
    fs::write(folder.path("new"), "30").unwrap();
    fs::rename(folder.path("new"), &path).unwrap();
    assert_eq!(number(&mut stage, 0), 30);
    fs::remove_file(&path).unwrap();
    assert_eq!(number(&mut stage, 0), 0);
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"4").unwrap();
    fs::write(folder.path("another"), "7").unwrap();
    assert!(stage.inputs_for(Duration::from_millis(100)).is_empty(), "it is being written");
    file.write_all(b"0\n").unwrap();
    drop(file);
    assert_eq!(number(&mut stage, 0), 40);
    fs::hard_link(folder.path("another"), folder.path("linked")).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(number(&mut stage, 0), 0);
    std::os::unix::fs::symlink(folder.path("linked"), &path).unwrap();
    assert_eq!(number(&mut stage, 0), 7);
    fs::write(folder.path("linked"), "8").unwrap();
    assert_eq!(number(&mut stage, 0), 8, "where the link leads");
}

#[test]
fn a_folder_may_come_later_and_go() {
    let folder = Folder::new();
    let inside = folder.path("inside");
    let path = format!("{inside}/value");
    let mut stage = Stage::open(files(std::slice::from_ref(&path)));
    assert_eq!(number(&mut stage, 0), 0);
    for value in [6, 9] {
        fs::create_dir(&inside).unwrap();
        fs::write(&path, value.to_string()).unwrap();
        assert_eq!(number(&mut stage, 0), value);
        fs::write(&path, "1").unwrap();
        assert_eq!(number(&mut stage, 0), 1);
        fs::remove_dir_all(&inside).unwrap();
        assert_eq!(number(&mut stage, 0), 0);
    }
}

#[test]
fn what_stands_in_a_file_at_the_start() {
    let folder = Folder::new();
    let init = |value, overwrite| Some(FileInit { value, overwrite });
    // (there before, init_file, read, there after, its mode)
    let cases = [
        (None, init(7, false), 7, "7\n"),
        (None, init(-2, true), -2, "-2\n"),
        (Some("9"), init(7, false), 9, "9"),
        (Some("9"), init(3, true), 3, "3\n"),
        (Some("0x20"), None, 32, "0x20"),
    ];
    let mut setup = empty();
    for (at, (before, init, ..)) in cases.iter().enumerate() {
        let path = folder.path(&at.to_string());
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
        }
        setup.files.push(FileSetup { name: "f".to_owned(), path: path.into(), init: *init });
    }
    let mut stage = Stage::open(setup.clone());
    for (at, (before, _, value, after)) in cases.iter().enumerate() {
        assert_eq!(number(&mut stage, at), *value);
        assert_eq!(folder.read(&at.to_string()), *after);
        if before.is_none() {
            let mode = fs::metadata(folder.path(&at.to_string())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
    // A reload initialises what is new, and tells all numbers in their new places.
    fs::write(folder.path("3"), "44").unwrap();
    assert_eq!(number(&mut stage, 3), 44);
    setup.files.reverse();
    let adopted = Adopted { config: Config::default(), instances: Vec::new(), scripts: Vec::new() };
    stage.world.adopt(&adopted, &setup);
    for (at, expected) in [32, 44, 9, -2, 7].into_iter().enumerate() {
        assert_eq!(number(&mut stage, at), expected);
    }
}

fn kind(program: &str, arguments: &[&str], matching: Option<Matching>) -> ProcessSetup {
    ProcessSetup {
        name: "p".to_owned(),
        program: program.to_owned(),
        arguments: arguments.iter().map(|word| Word::new((*word).to_owned())).collect(),
        matching,
        full_command: false,
    }
}

/// What was told last of four kinds of processes.
#[derive(Default)]
struct Counts(RefCell<[Option<u32>; 4]>);

impl Counts {
    /// Waits until there are so many of a kind.
    fn wait(&self, stage: &mut Stage, kind: usize, expected: u32) {
        if self.0.borrow()[kind] == Some(expected) {
            return;
        }
        stage.wait(&format!("{expected} of kind {kind}"), |input| {
            let Input::Processes(ProcessId(at), count) = input else { return None };
            self.0.borrow_mut()[*at] = Some(*count);
            (*at == kind && *count == expected).then_some(())
        });
    }
}

/// A process that does not outlive the test.
struct Running(Child);

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of our own, so that others' processes do not count.
fn counted(folder: &Folder, stage: impl Fn(Setup) -> Stage) {
    // A name is fifteen characters at most.
    let (_, number) = folder.0.to_str().unwrap().rsplit_once('-').unwrap();
    let name = format!("kp{}-{number}", std::process::id());
    let program = folder.path(&name);
    fs::copy("/bin/sleep", &program).unwrap();
    let mut first = Running::start(&program, &["1001"]);
    let setup = Setup {
        processes: vec![
            kind(&name, &[], None),
            kind(&program, &["1002"], None),
            kind(&program, &["10"], Some(Matching::Initial)),
            kind(&name, &["1001"], None),
        ],
        ..empty()
    };
    let mut stage = stage(setup);
    let counts = Counts::default();
    for (at, expected) in [1, 0, 1, 0].into_iter().enumerate() {
        counts.wait(&mut stage, at, expected);
    }
    let began = Instant::now();
    let mut second = Running::start(&program, &["1002"]);
    counts.wait(&mut stage, 1, 1);
    println!("a start was seen after {:?}", began.elapsed());
    let began = Instant::now();
    first.end();
    counts.wait(&mut stage, 0, 1);
    println!("an end was seen after {:?}", began.elapsed());
    // Forked, and another program a moment later.
    let script = format!("{program} 1003 & {program} 1003 & wait");
    let mut shell = Running::start("/bin/sh", &["-c", &script]);
    counts.wait(&mut stage, 0, 3);
    let kill = format!("pkill -x {name} -P {}", shell.0.id());
    assert!(Command::new("/bin/sh").arg("-c").arg(kill).status().unwrap().success());
    counts.wait(&mut stage, 0, 1);
    shell.0.wait().unwrap();
    second.end();
    counts.wait(&mut stage, 0, 0);
    // Many at once, which may overrun the queue of events.
    let mut many: Vec<_> = (0..100).map(|_| Running::start(&program, &["1004"])).collect();
    counts.wait(&mut stage, 0, 100);
    many.iter_mut().for_each(Running::end);
    counts.wait(&mut stage, 0, 0);
}

#[test]
fn processes_are_counted() {
    counted(&Folder::new(), Stage::open);
}

/// In another network namespace the kernel tells nobody of processes.
#[test]
fn processes_are_counted_where_the_kernel_is_silent() {
    common::enter_namespace();
    let folder = Folder::new();
    counted(&folder, |setup| {
        let mut stage = Stage::open(setup);
        stage.logged("the kernel does not tell of processes here");
        stage
    });
}
