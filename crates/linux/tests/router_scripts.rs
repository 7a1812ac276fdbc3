//! Checks with real children. Needs root for the change of users.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
mod stage;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use keepair_core::router::Input;
use keepair_core::router::action::Adopted;
use keepair_core::router::config::{Config, ScriptId};
use keepair_core::router::input::Ended;
use keepair_linux::router::bounded;
use keepair_linux::router::log::Log;
use keepair_linux::router::outside::Outside;
use keepair_linux::router::setup::{Bounded, Command, Program, RunAs};
use stage::{Folder, NOBODY, Stage, checks, command, empty, until};

fn shell(folder: &Folder, name: &str, text: &str) -> Command {
    command(&folder.script(name, text), &[])
}

fn connect(text: &str) -> Command {
    Command { program: Program::Connect(text.to_owned()), run_as: RunAs::ROOT }
}

/// Whether a process is there and no zombie.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The fifth case: keepalived 2.2.7 does not run a script without a first line that names a shell, and
/// calls that a success.
#[test]
fn how_a_run_ends() {
    let folder = Folder::new();
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let not_started = |why: &str| Ended::NotStarted(format!("{why} (os error"));
    let none = "No such file or directory";
    let denied = "Permission denied";
    let bare = folder.file("bare", "[ \"$1\" = 'a  b' ] && [ $# = 2 ] && exit 4", 0o755);
    let cases = [
        (shell(&folder, "good", "exit 0"), Ended::Exited(0)),
        (shell(&folder, "three", "exit 3"), Ended::Exited(3)),
        (shell(&folder, "term", "kill -TERM $$"), Ended::Killed(15)),
        (shell(&folder, "kill", "kill -KILL $$"), Ended::Killed(9)),
        (command(&bare, &["a  b", ""]), Ended::Exited(4)),
        (command("/bin/test", &["a'b\"c", "=", "a'b\"c"]), Ended::Exited(0)),
        (command("true", &[]), Ended::Exited(0)),
        (command("no-such-program-anywhere", &[]), not_started(none)),
        (command(&folder.path("missing"), &["secret-word"]), not_started(none)),
        (command(&folder.file("plain", "#!/bin/sh\n", 0o644), &[]), not_started(denied)),
        (command(&folder.path(""), &[]), not_started(denied)),
        (command(&folder.file("lost", "#!/no/shell\n", 0o755), &[]), not_started(none)),
        (connect(&format!("</dev/tcp/127.0.0.1/{port}")), Ended::Exited(0)),
        (connect(&format!("</dev/tcp/localhost/{port}")), Ended::Exited(0)),
        (connect(&format!("</dev/tcp/127.0.0.1/{closed}")), Ended::Exited(1)),
        (connect("</dev/tcp/no-such-host.invalid/1"), Ended::Exited(1)),
        (connect("</etc/passwd"), Ended::Exited(0)),
    ];
    let named: Vec<_> = cases.iter().map(|(command, _)| ("it", command.clone())).collect();
    let mut stage = Stage::open(checks(&named));
    for (at, (command, expected)) in cases.iter().enumerate() {
        let ended = stage.run(at);
        match (expected, &ended) {
            (Ended::NotStarted(why), Ended::NotStarted(text)) => {
                assert!(text.starts_with(why.as_str()), "{command:?}: {text}");
            }
            _ => assert_eq!(ended, *expected, "{command:?}"),
        }
    }
    assert!(!stage.log().contains("secret-word"));
}

/// The variables it is started with are set by the first run of this test for the second.
#[test]
fn what_a_child_finds() {
    if std::env::var_os("LD_HARM").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_a_child_finds"])
            .envs([("LD_HARM", "1"), ("LD_PRELOAD_NOT", "1"), ("IFS", "x"), ("GOOD", "kept")])
            .envs([("NOTIFY_SOCKET", "/x"), ("WATCHDOG_USEC", "1")])
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let folder = Folder::new();
    let text = "\
        cut -d' ' -f4,5,6 /proc/$$/stat; echo $$
        env | grep -cE '^(LD_|NOTIFY_SOCKET|WATCHDOG_)'; echo $GOOD
        grep -zc '^IFS=' /proc/$$/environ
        umask
        grep SigBlk /proc/self/status
        # The upper half is the C library's own.
        grep SigIgn /proc/$$/status | sed 's/[0-9a-f]\\{9\\}\\([0-9a-f]*\\)$/\\1/'
        readlink /proc/$$/fd/0; echo `ls /proc/self/fd`
        touch $D/made; stat -c %a $D/made
        exec 1>&-; exit 0";
    let mut stage = Stage::open(checks(&[("it", shell(&folder, "it", text))]));
    assert_eq!(stage.run(0), Ended::Exited(0));
    let expected_end = "0\nkept\n0\n0177\nSigBlk:\t0000000000000000\nSigIgn:\t0000000\n\
                        /dev/null\n0 1 2 3\n600\n";
    stage.logged("script it: 600");
    let log = stage.log().replace("script it: ", "");
    let mut lines = log.lines();
    let ids = lines.next().unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>();
    let own = lines.next().unwrap();
    assert_eq!(ids[0], std::process::id().to_string(), "its parent");
    assert_eq!(ids[1], own, "a process group of its own");
    let rest: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert_eq!(rest, expected_end);
}

#[test]
fn who_runs_it() {
    let folder = Folder::new();
    let text = "echo `id -u` `id -g` `id -G`; grep CapEff /proc/$$/status | tr -d '\\t'";
    let text = folder.script("id", text);
    let as_user = |uid, gid, supplementary: &[u32]| {
        let run_as = RunAs { uid, gid, supplementary: supplementary.to_vec() };
        Command { run_as, ..command(&text, &[]) }
    };
    let cases = [
        ("nobody", as_user(65534, 65534, &[]), "65534 65534 65534", true),
        ("groups", as_user(65534, 1, &[4, 24]), "65534 1 1 4 24", true),
        ("root", as_user(0, 0, &[]), "0 0 0", false),
        ("group", as_user(0, 4, &[]), "0 4 4", false),
    ];
    let named: Vec<_> = cases.iter().map(|(name, run_as, ..)| (*name, run_as.clone())).collect();
    let mut stage = Stage::open(checks(&named));
    for (at, (name, _, ids, is_weak)) in cases.iter().enumerate() {
        assert_eq!(stage.run(at), Ended::Exited(0));
        stage.logged(&format!("script {name}: {ids}\n"));
        let weak = format!("script {name}: CapEff:0000000000000000");
        if *is_weak {
            stage.logged(&weak);
        } else {
            stage.logged(&format!("script {name}: CapEff:"));
            assert!(!stage.log().contains(&weak));
        }
    }
}

#[test]
fn a_script_that_traps_the_signal_decides_how_it_ends() {
    let folder = Folder::new();
    let wait = "touch $D/ready; while :; do sleep 0.01; done";
    let cases = [
        ("trap 'exit 0' TERM", false, Ended::Exited(0)),
        ("trap 'exit 7' TERM", false, Ended::Exited(7)),
        (":", false, Ended::Killed(15)),
        ("trap '' TERM", true, Ended::Killed(9)),
    ];
    for (text, kill, expected) in cases {
        let it = shell(&folder, "it", &format!("{text}\n{wait}"));
        let mut stage = Stage::open(checks(&[("it", it)]));
        stage.world.run_script(ScriptId(0));
        until("the script", || std::path::Path::new(&folder.path("ready")).exists());
        stage.world.end_script(ScriptId(0), kill);
        assert_eq!(stage.ended(0), expected, "{text}");
        std::fs::remove_file(folder.path("ready")).unwrap();
    }
}

#[test]
fn a_signal_reaches_the_children_of_a_script() {
    let folder = Folder::new();
    let text = "sleep 1000 & echo $! >$D/pid.new; mv $D/pid.new $D/pid; wait";
    let mut stage = Stage::open(checks(&[("it", shell(&folder, "it", text))]));
    stage.world.run_script(ScriptId(0));
    until("the grandchild", || !folder.read("pid").is_empty());
    let grandchild = folder.read("pid");
    assert!(lives(&grandchild));
    stage.world.end_script(ScriptId(0), false);
    assert_eq!(stage.ended(0), Ended::Killed(15));
    until("its end", || !lives(&grandchild));
}

#[test]
fn what_a_script_leaves_behind_lives_and_may_go_on_writing() {
    let folder = Folder::new();
    let text = "(while [ ! -e $D/go ]; do sleep 0.01; done; echo late; echo $? >$D/wrote) & exit 0";
    let mut stage = Stage::open(checks(&[("it", shell(&folder, "it", text))]));
    assert_eq!(stage.run(0), Ended::Exited(0), "its end does not wait for the one behind");
    std::fs::write(folder.path("go"), "").unwrap();
    stage.logged("script it: late");
    until("the write", || folder.read("wrote") == "0\n");
}

#[test]
fn a_flood_neither_fills_the_log_nor_blocks_the_script() {
    let folder = Folder::new();
    let text = "yes 'a line of the flood' | head -200000; head -c 3000000 /dev/zero; echo; exit 5";
    let other = shell(&folder, "other", "exit 0");
    let flood = shell(&folder, "flood", text);
    let mut stage = Stage::open(checks(&[("flood", flood), ("other", other)]));
    let began = Instant::now();
    stage.world.run_script(ScriptId(0));
    assert_eq!(stage.run(1), Ended::Exited(0), "others go on beside it");
    let other = began.elapsed();
    stage.world.run_script(ScriptId(0));
    stage.wait("the end of the flood", |input| {
        (*input == Input::ScriptEnded(ScriptId(0), Ended::Exited(5))).then_some(())
    });
    println!("beside a flood: {other:?}; 7.4 MB: {:?}", began.elapsed());
    assert!(stage.log().lines().count() <= 50, "{}", stage.log().lines().count());
}

#[test]
fn fifty_at_once() {
    let folder = Folder::new();
    let it = shell(&folder, "it", "sleep 0.3; exit 0");
    let named: Vec<_> = (0..50).map(|_| ("it", it.clone())).collect();
    let mut stage = Stage::open(checks(&named));
    let began = Instant::now();
    for at in 0..50 {
        stage.world.run_script(ScriptId(at));
    }
    let asked = began.elapsed();
    let mut left = 50;
    while left > 0 {
        let ended = stage.wait("an end", |input| match input {
            Input::ScriptEnded(_, ended) => Some(ended.clone()),
            _ => None,
        });
        assert_eq!(ended, Ended::Exited(0));
        left -= 1;
    }
    println!("asked for in {asked:?}, all ended after {:?}", began.elapsed());
    // One after the other they would need 15 s.
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[test]
fn never_twice_at_once() {
    let folder = Folder::new();
    let text = "echo run >>$D/runs; while [ ! -e $D/go ]; do sleep 0.01; done";
    let mut stage = Stage::open(checks(&[("it", shell(&folder, "it", text))]));
    stage.world.run_script(ScriptId(0));
    stage.world.run_script(ScriptId(0));
    until("the run", || !folder.read("runs").is_empty());
    std::fs::write(folder.path("go"), "").unwrap();
    assert_eq!(stage.ended(0), Ended::Exited(0));
    assert!(stage.inputs_for(Duration::from_millis(100)).is_empty());
    assert_eq!(folder.read("runs"), "run\n");
}

#[test]
fn passwords_do_not_get_into_the_log() {
    let folder = Folder::new();
    let path = folder.script("it", "echo \"logging in with $1\"; exec /no/such/thing $1");
    let mut stage = Stage::open(checks(&[("it", command(&path, &["hunter2hunter2"]))]));
    assert!(matches!(stage.run(0), Ended::Exited(126 | 127)));
    stage.logged("script it: logging in with ***");
    assert!(!stage.log().contains("hunter2"));
}

#[test]
fn a_run_goes_on_over_a_reload_under_its_new_place() {
    let folder = Folder::new();
    let wait = "echo $$ >>$D/pid; while [ ! -e $D/go ]; do sleep 0.01; done; exit 6";
    let before = [
        (
            "gone",
            shell(&folder, "gone", "echo $$ >$D/gone.new; mv $D/gone.new $D/gone.pid; sleep 99"),
        ),
        ("stays", shell(&folder, "stays", wait)),
        ("quick", shell(&folder, "quick", "exit 8")),
    ];
    let mut stage = Stage::open(checks(&before));
    for at in 0..3 {
        stage.world.run_script(ScriptId(at));
    }
    until("the runs", || !folder.read("gone.pid").is_empty() && !folder.read("pid").is_empty());
    // It has ended before the reload, and its end is told after it.
    std::thread::sleep(Duration::from_millis(100));
    let after = checks(&[before[2].clone(), ("new", command("true", &[])), before[1].clone()]);
    let adopted = Adopted {
        config: Config::default(),
        instances: Vec::new(),
        scripts: vec![Some(ScriptId(2)), None, Some(ScriptId(1))],
    };
    stage.world.adopt(&adopted, &after);
    assert_eq!(stage.ended(0), Ended::Exited(8));
    let gone = folder.read("gone.pid");
    until("the end of what is gone", || !lives(&gone));
    std::fs::write(folder.path("go"), "").unwrap();
    assert_eq!(stage.ended(2), Ended::Exited(6));
    assert_eq!(stage.run(1), Ended::Exited(0));
    assert!(stage.inputs_for(Duration::from_millis(50)).is_empty(), "nothing of what is gone");
}

#[test]
fn children_do_not_outlive_a_daemon_that_just_ends() {
    let folder = Folder::new();
    let text = "echo $$ >$D/pid.new; mv $D/pid.new $D/pid; exec sleep 1000";
    let it = Command { run_as: NOBODY, ..shell(&folder, "it", text) };
    let mut stage = Stage::open(checks(&[("it", it)]));
    stage.world.run_script(ScriptId(0));
    until("the script", || !folder.read("pid").is_empty());
    drop(stage);
    let pid = folder.read("pid");
    until("its end", || !lives(&pid));
}

#[test]
fn a_connection_that_nobody_answers_can_be_given_up() {
    let _right = common::pair();
    let mut stage = Stage::open(checks(&[("it", connect("</dev/tcp/10.9.0.77/6379"))]));
    let began = Instant::now();
    for _ in 0..4 {
        stage.world.run_script(ScriptId(0));
        stage.world.end_script(ScriptId(0), false);
        assert_eq!(stage.ended(0), Ended::Killed(15));
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    // Threads do not become more and more.
    assert!(matches!(stage.run(0), Ended::NotStarted(_)));
}

#[test]
fn root_runs_only_what_nobody_else_can_change() {
    let folder = Folder::new();
    let good = shell(&folder, "good", "exit 0");
    let writable = folder.script("writable", "exit 0");
    std::fs::set_permissions(&writable, std::fs::Permissions::from_mode(0o777)).unwrap();
    let foreign = folder.script("foreign", "exit 0");
    std::os::unix::fs::chown(&foreign, Some(65534), None).unwrap();
    std::fs::create_dir(folder.path("open")).unwrap();
    let inside = folder.script("open/inside", "exit 0");
    std::fs::set_permissions(folder.path("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink("/bin/true", folder.path("open/link")).unwrap();
    let as_root = |path: &str| command(path, &[]);
    let as_nobody = |path: &str| Command { run_as: NOBODY, ..command(path, &[]) };
    let cases = [
        (good, true),
        (as_root("true"), true),
        (as_root(&writable), false),
        (as_root(&foreign), false),
        (as_root(&inside), false),
        // It leads to a good file, but others can make it lead elsewhere.
        (as_root(&folder.path("open/link")), false),
        (as_nobody(&writable), true),
        (as_nobody(&foreign), true),
        (as_nobody(&inside), true),
    ];
    let named: Vec<_> = cases.iter().map(|(command, _)| ("it", command.clone())).collect();
    for is_on in [true, false] {
        let mut setup = checks(&named);
        setup.script_security = is_on;
        let mut stage = Stage::open(setup);
        for (at, (command, may)) in cases.iter().enumerate() {
            let ended = stage.run(at);
            if *may || !is_on {
                assert_eq!(ended, Ended::Exited(0), "{command:?}");
            } else {
                let Ended::NotStarted(why) = ended else { panic!("{command:?}: {ended:?}") };
                assert!(why.starts_with("others than root can change "), "{why}");
            }
        }
    }
}

#[test]
fn scripts_that_the_daemon_waits_for() {
    let folder = Folder::new();
    let second = Duration::from_secs(1);
    let cases = [
        (shell(&folder, "good", "echo hello; exit 0"), "it: hello\nit is done\n"),
        (shell(&folder, "bad", "exit 1"), "it exited with status 1\n"),
        (shell(&folder, "slow", "exec sleep 99"), "it takes too long\nit ended by signal 15\n"),
        (
            shell(&folder, "deaf", "trap '' TERM; while :; do sleep 0.1; done"),
            "it takes too long\nit takes too long\nit ended by signal 9\n",
        ),
        (command("/no/such", &[]), "it not started: No such file or directory (os error 2)\n"),
    ];
    for (command, expected) in cases {
        let (log, lines) = Log::new();
        let bounded = Bounded { command: command.clone(), timeout: second };
        bounded::run("it", &bounded, &empty(), &log);
        let text: String = lines.try_iter().flat_map(|line| [line.text, "\n".into()]).collect();
        assert_eq!(text, expected, "{command:?}");
    }
}

/// As in a service with few capabilities: root's own scripts need none.
#[test]
fn a_daemon_that_may_not_change_users_runs_its_own_scripts() {
    if std::env::var_os("KEEPAIR_WEAK").is_none() {
        let status = std::process::Command::new("setpriv")
            .args(["--bounding-set=-setuid,-setgid", "--inh-caps=-all"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "a_daemon_that_may_not_change_users_runs_its_own_scripts"])
            .env("KEEPAIR_WEAK", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let folder = Folder::new();
    let own = shell(&folder, "own", "exit 0");
    let other = Command { run_as: NOBODY, ..own.clone() };
    let mut stage = Stage::open(checks(&[("own", own), ("other", other)]));
    assert_eq!(stage.run(0), Ended::Exited(0));
    let not_permitted = "Operation not permitted (os error 1)".to_owned();
    assert_eq!(stage.run(1), Ended::NotStarted(not_permitted));
}
