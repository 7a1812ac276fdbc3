//! Who is told what, with real scripts, pipes and a mail server. Needs root for other owners.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod stage;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use keepair_core::router::action::{Adopted, Notice, Subject, What};
use keepair_core::router::config::{Config, GroupId, InstanceId};
use keepair_linux::router::outside::Outside;
use keepair_linux::router::setup::{Command, FifoSetup, MailSetup, RunAs, Setup, SubjectSetup};
use stage::{Folder, NOBODY, Stage, command, empty, myself, until};

const INSTANCE: Subject = Subject::Instance(InstanceId(0));
const GROUP: Subject = Subject::Group(GroupId(0));

fn notice(of: Subject, what: What) -> Notice {
    let priority = if of == INSTANCE { 100 } else { 0 };
    Notice { of, what, priority }
}

fn tell(stage: &mut Stage, of: Subject, what: What) {
    stage.world.notify(notice(of, what));
}

fn subjects(instance: SubjectSetup) -> Setup {
    let instance = SubjectSetup { name: "VI_1".to_owned(), ..instance };
    let group = SubjectSetup { name: "G 1".to_owned(), ..instance.clone() };
    Setup { instances: vec![instance], groups: vec![group], ..empty() }
}

fn nothing_changed() -> Adopted {
    Adopted { config: Config::default(), instances: vec![Some(InstanceId(0))], scripts: Vec::new() }
}

/// A script that writes its arguments, each in brackets, into `told`.
fn teller(folder: &Folder, words: &[&str]) -> Command {
    let text = "l=; for a in \"$@\"; do l=\"$l[$a]\"; done; echo \"$l\" >>$D/told";
    command(&folder.script("teller", text), words)
}

/// As keepalived 2.2.7 gives them.
#[test]
fn the_words_scripts_are_told() {
    let folder = Folder::new();
    let setup = subjects(SubjectSetup {
        master: Some(teller(&folder, &["master", "it s", ""])),
        any: Some(teller(&folder, &["any", "q"])),
        ..SubjectSetup::default()
    });
    let mut stage = Stage::open(setup);
    let cases = [
        (INSTANCE, What::Master, "[any][q][INSTANCE][VI_1][MASTER][100]\n[master][it s][]\n"),
        (INSTANCE, What::Backup, "[any][q][INSTANCE][VI_1][BACKUP][100]\n"),
        (GROUP, What::Master, "[any][q][GROUP][G 1][MASTER][0]\n[master][it s][]\n"),
        (GROUP, What::Fault, "[any][q][GROUP][G 1][FAULT][0]\n"),
        (INSTANCE, What::Deleted, "[any][q][INSTANCE][VI_1][DELETED][100]\n"),
    ];
    for (of, what, expected) in cases {
        tell(&mut stage, of, what);
        until("the scripts", || folder.read("told").len() >= expected.len());
        let told = folder.read("told");
        let mut lines: Vec<&str> = told.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "{what:?}");
        std::fs::remove_file(folder.path("told")).unwrap();
    }
}

/// keepalived would have started the second one beside the first, which then ends last.
#[test]
fn a_script_waits_for_the_one_before() {
    let folder = Folder::new();
    let slow = "while [ ! -e $D/go ]; do sleep 0.01; done; echo backup >>$D/told";
    let setup = subjects(SubjectSetup {
        backup: Some(command(&folder.script("slow", slow), &[])),
        master: Some(command(&folder.script("fast", "echo master >>$D/told"), &[])),
        any: Some(command(&folder.script("any", "echo $3 >>$D/states"), &[])),
        ..SubjectSetup::default()
    });
    let mut stage = Stage::open(setup);
    tell(&mut stage, INSTANCE, What::Backup);
    tell(&mut stage, INSTANCE, What::Master);
    // Another kind of script, and another subject, do not wait.
    until("the other kind", || folder.read("states") == "BACKUP\nMASTER\n");
    tell(&mut stage, GROUP, What::Master);
    until("the other subject", || folder.read("told") == "master\n");
    std::fs::write(folder.path("go"), "").unwrap();
    until("both", || folder.read("told") == "master\nbackup\nmaster\n");
}

#[test]
fn a_script_that_fails_or_is_missing_is_said_and_does_not_hold_up_the_next() {
    let folder = Folder::new();
    let setup = subjects(SubjectSetup {
        backup: Some(command(&folder.script("bad", "echo why >&2; exit 9"), &["secret"])),
        fault: Some(command("/no/such", &["secret"])),
        master: Some(teller(&folder, &["m"])),
        ..SubjectSetup::default()
    });
    let mut stage = Stage::open(setup);
    for what in [What::Backup, What::Fault, What::Master] {
        tell(&mut stage, INSTANCE, what);
    }
    until("the last", || folder.read("told") == "[m]\n");
    stage.logged("BACKUP script of VI_1: why");
    stage.logged("BACKUP script of VI_1: exited with status 9");
    stage.logged("FAULT script of VI_1: not started: No such file or directory");
    assert!(!stage.log().contains("secret"));
}

#[test]
fn the_stop_script_has_its_time_and_no_more() {
    let folder = Folder::new();
    let hang =
        "trap 'echo term >>$D/told' TERM; echo master >>$D/told; while :; do sleep 0.05; done";
    let stop = "sleep 0.3; echo stop >>$D/told";
    let deaf = "trap '' TERM; echo deaf >>$D/told; while :; do sleep 0.05; done";
    let second = Duration::from_secs(1);
    let none = Duration::ZERO;
    // (MASTER script, STOP script, child_wait, how long at least and at most, what was done)
    let cases = [
        (None, Some(stop), second * 5, (Duration::from_millis(300), second * 4), "stop\n"),
        // It waits for the one before for a second, then not any longer.
        (Some(hang), Some(stop), second * 2, (second * 2, second * 5), "master\nstop\nterm\n"),
        (None, Some(deaf), second, (second * 2, second * 4), "deaf\n"),
        (None, None, second * 5, (none, second), ""),
    ];
    for (master, stop, child_wait, (least, most), expected) in cases {
        let script =
            |name, text: Option<&str>| text.map(|text| command(&folder.script(name, text), &[]));
        let mut setup = subjects(SubjectSetup {
            master: script("m", master),
            stop: script("s", stop),
            ..SubjectSetup::default()
        });
        setup.child_wait = child_wait;
        let mut stage = Stage::open(setup);
        if master.is_some() {
            tell(&mut stage, INSTANCE, What::Master);
            until("the script", || folder.read("told") == "master\n");
            // Waits for it, and is dropped for STOP.
            tell(&mut stage, INSTANCE, What::Master);
        }
        tell(&mut stage, INSTANCE, What::Stop);
        let began = Instant::now();
        stage.world.stop();
        let took = began.elapsed();
        assert!(least <= took && took <= most, "{took:?}, not {least:?} to {most:?}");
        assert_eq!(folder.read("told"), expected);
        let _ = std::fs::remove_file(folder.path("told"));
    }
}

fn fifo(folder: &Folder, script: Option<Command>) -> FifoSetup {
    FifoSetup { path: folder.path("pipe").into(), owner: myself(), script }
}

fn reader(folder: &Folder) -> File {
    OpenOptions::new().read(true).custom_flags(nix_nonblock()).open(folder.path("pipe")).unwrap()
}

fn nix_nonblock() -> i32 {
    rustix::fs::OFlags::NONBLOCK.bits().cast_signed()
}

/// What is in a pipe now.
fn drain(file: &mut File) -> String {
    let mut text = Vec::new();
    let mut buf = [0; 4096];
    while let Ok(count @ 1..) = file.read(&mut buf) {
        text.extend_from_slice(&buf[..count]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn lines_of_a_pipe() {
    let folder = Folder::new();
    let setup = Setup { fifos: vec![fifo(&folder, None)], ..subjects(SubjectSetup::default()) };
    let mut stage = Stage::open(setup);
    let active = true;
    for (of, what) in [
        (GROUP, What::Backup),
        (INSTANCE, What::Backup),
        (INSTANCE, What::Priority { active: false }),
        (INSTANCE, What::Master),
        (INSTANCE, What::Priority { active }),
        (INSTANCE, What::MasterRxLowerPri),
        (INSTANCE, What::Stop),
    ] {
        tell(&mut stage, of, what);
    }
    let expected = "GROUP \"G 1\" BACKUP 0\nINSTANCE \"VI_1\" BACKUP 100\n\
                    INSTANCE \"VI_1\" BACKUP_PRIORITY 100\nINSTANCE \"VI_1\" MASTER 100\n\
                    INSTANCE \"VI_1\" MASTER_PRIORITY 100\n\
                    INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 100\nINSTANCE \"VI_1\" STOP 100\n";
    let mut reader = reader(&folder);
    let mut text = String::new();
    until("the lines", || {
        text.push_str(&drain(&mut reader));
        text.len() >= expected.len()
    });
    assert_eq!(text, expected);
    stage.world.stop();
    assert!(!std::path::Path::new(&folder.path("pipe")).exists(), "removed, for it was made here");
}

#[test]
fn whose_a_pipe_is() {
    let folder = Folder::new();
    let user = RunAs { uid: 65534, gid: 4, supplementary: Vec::new() };
    let made = FifoSetup { owner: user, ..fifo(&folder, None) };
    let there = FifoSetup { path: folder.path("there").into(), owner: NOBODY, script: None };
    let other = FifoSetup { path: folder.path("file").into(), owner: NOBODY, script: None };
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &there.path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o620),
        0,
    )
    .unwrap();
    folder.file("file", "mine", 0o600);
    let mut stage = Stage::open(Setup { fifos: vec![made, there, other], ..empty() });
    let look = |name| {
        let metadata = std::fs::metadata(folder.path(name)).unwrap();
        let is_fifo = metadata.file_type().is_fifo();
        (is_fifo, metadata.mode() & 0o777, metadata.uid(), metadata.gid())
    };
    assert_eq!(look("pipe"), (true, 0o600, 65534, 4));
    assert_eq!(look("there"), (true, 0o600, 0, 0), "as it was, by this process's own umask");
    stage.logged("file can't be used: there is something else than a pipe");
    stage.world.stop();
    assert!(std::path::Path::new(&folder.path("there")).exists(), "it was not made here");
    assert_eq!(folder.read("file"), "mine");
}

#[test]
fn a_pipe_that_nobody_reads_loses_lines_and_says_so() {
    let folder = Folder::new();
    let setup = Setup { fifos: vec![fifo(&folder, None)], ..subjects(SubjectSetup::default()) };
    let mut stage = Stage::open(setup);
    // 64 KiB of lines of 27 bytes.
    for _ in 0..3000 {
        tell(&mut stage, INSTANCE, What::Master);
    }
    stage.logged("pipe: nobody reads, lines are lost");
    let mut reader = reader(&folder);
    until("its end", || drain(&mut reader).is_empty());
    tell(&mut stage, INSTANCE, What::Backup);
    until("the line", || drain(&mut reader).ends_with("INSTANCE \"VI_1\" BACKUP 100\n"));
    stage.logged("is read again; ");
    assert_eq!(stage.log().lines().count(), 2, "{}", stage.log());
}

#[test]
fn the_reader_of_a_pipe() {
    let folder = Folder::new();
    let text = "\
        echo \"start $*\" >>$D/told
        trap 'echo term >>$D/told; exit 0' TERM
        while read -r line; do echo \"$line\" >>$D/told; done <$2";
    let script = command(&folder.script("reader", text), &["vrrp"]);
    let mut setup = subjects(SubjectSetup::default());
    setup.fifos = vec![fifo(&folder, Some(script))];
    setup.states_on_reload = true;
    let mut stage = Stage::open(setup.clone());
    tell(&mut stage, GROUP, What::Backup);
    tell(&mut stage, INSTANCE, What::Master);
    let start = format!("start vrrp {}\n", folder.path("pipe"));
    let first = format!("{start}GROUP \"G 1\" BACKUP 0\nINSTANCE \"VI_1\" MASTER 100\n");
    until("the lines", || folder.read("told") == first);
    stage.world.adopt(&nothing_changed(), &setup);
    // One ends while the other begins: their lines come in any order.
    let reloaded = |before: &str, states: &str| {
        until("a reader that ends and one that tells the states", || {
            let told = folder.read("told");
            let told = told.strip_prefix(before).unwrap();
            let rest = told.replacen("term\n", "", 1);
            told.contains("term\n") && rest == format!("{start}{states}")
        });
        folder.read("told")
    };
    let before = reloaded(&first, "INSTANCE \"VI_1\" MASTER 100\nGROUP \"G 1\" BACKUP 0\n");
    // Under another name it is who it was.
    setup.instances[0].name = "VI_2".to_owned();
    stage.world.adopt(&nothing_changed(), &setup);
    reloaded(&before, "INSTANCE \"VI_2\" MASTER 100\nGROUP \"G 1\" BACKUP 0\n");
    tell(&mut stage, INSTANCE, What::Stop);
    stage.world.stop();
    assert!(folder.read("told").ends_with("INSTANCE \"VI_2\" STOP 100\nterm\n"), "read to its end");
}

/// What a mail server was told in one dialogue; it refuses the recipient `no@example.com`.
fn serve(stream: TcpStream) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let mut all = String::new();
    stream.write_all(b"220-test\r\n220 ESMTP\r\n").unwrap();
    let mut is_data = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return all;
        }
        assert!(line.ends_with("\r\n"), "{line:?}");
        if !line.starts_with("Date: ") {
            all.push_str(&line.replace("\r\n", "\n"));
        }
        let answer: &[u8] = match line.trim_end() {
            "." => {
                is_data = false;
                b"250 queued\r\n"
            }
            _ if is_data => b"",
            "DATA" => {
                is_data = true;
                b"354 go\r\n"
            }
            "QUIT" => return all,
            "RCPT TO:<no@example.com>" => b"550 5.1.1 unknown\r\n",
            _ => b"250-well\r\n250 ok\r\n",
        };
        stream.write_all(answer).unwrap();
    }
}

fn mail(port: u16, to: &[&str]) -> MailSetup {
    MailSetup {
        server: "127.0.0.1".to_owned(),
        port,
        helo: "host".to_owned(),
        from: "ka@example.com".to_owned(),
        to: to.iter().map(|&to| to.to_owned()).collect(),
        timeout: Duration::from_secs(1),
        not_about_faults: false,
    }
}

/// As keepalived 2.2.7 says it to a server, but for `X-Mailer` and the zone of the date.
#[test]
fn a_mail_as_the_server_gets_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut setup = subjects(SubjectSetup { mail: true, ..SubjectSetup::default() });
    setup.router_id = "RID".to_owned();
    setup.mail = Some(mail(port, &["one@example.com", "no@example.com", "two@example.com"]));
    let mut stage = Stage::open(setup);
    tell(&mut stage, INSTANCE, What::Master);
    tell(&mut stage, GROUP, What::Backup);
    let head = "HELO host\nMAIL FROM:<ka@example.com>\nRCPT TO:<one@example.com>\n\
                RCPT TO:<no@example.com>\nRCPT TO:<two@example.com>\nDATA\n\
                From: ka@example.com\nSubject: [RID] VRRP ";
    let to = "X-Mailer: Keepair\nTo: one@example.com, no@example.com, two@example.com\n\n";
    for (subject, text) in [
        ("Instance VI_1 - Entering MASTER state", "=> VRRP Instance is now owning VRRP VIPs <="),
        (
            "Group G 1 - Entering BACKUP state",
            "=> All VRRP group instances are now in BACKUP state <=",
        ),
    ] {
        let said = serve(listener.accept().unwrap().0);
        assert_eq!(said, format!("{head}{subject}\n{to}{text}\n\n.\nQUIT\n"));
    }
    stage.logged("refuses no@example.com");
}

#[test]
fn a_mail_server_that_does_not_do_its_work_is_said_and_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rude = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let folder = Folder::new();
    let cases = [
        (gone, vec!["a@b"], "Connection refused"),
        (port(&silent), vec!["a@b"], "Resource temporarily unavailable"),
        (port(&rude), vec!["a@b"], "it says 554 no"),
    ];
    std::thread::spawn(move || {
        let (mut stream, _) = rude.accept().unwrap();
        stream.write_all(b"554 no\r\n").unwrap();
    });
    for (port, to, expected) in cases {
        let mut setup = subjects(SubjectSetup {
            mail: true,
            master: Some(teller(&folder, &["m"])),
            ..SubjectSetup::default()
        });
        setup.mail = Some(mail(port, &to));
        let mut stage = Stage::open(setup);
        tell(&mut stage, INSTANCE, What::Master);
        until("the script", || folder.read("told") == "[m]\n");
        stage.logged(expected);
        std::fs::remove_file(folder.path("told")).unwrap();
    }
}
