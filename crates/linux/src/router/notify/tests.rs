use super::*;
use crate::router::network_setup::NetworkSetup;
use crate::router::setup::{MailSetup, Program, RunAs, SubjectSetup};
use keepair_core::router::config::{GroupId, InstanceId};

fn command(path: &str) -> Option<Command> {
    let program = Program::Execute { path: path.to_owned(), arguments: Vec::new() };
    Some(Command { program, run_as: RunAs::ROOT })
}

fn subject(name: &str) -> SubjectSetup {
    SubjectSetup {
        name: name.to_owned(),
        master: command("master"),
        backup: command("backup"),
        fault: command("fault"),
        stop: command("stop"),
        any: command("any"),
        deleted: command("deleted"),
        master_rx_lower_priority: command("lower"),
        mail: true,
    }
}

fn setup() -> Setup {
    let mut setup = Setup::empty(NetworkSetup::default());
    setup.router_id = "RID".to_owned();
    setup.instances = vec![subject("VI_1")];
    setup.groups = vec![subject("G1")];
    setup
}

fn path(command: &Command) -> &str {
    match &command.program {
        Program::Execute { path, .. } | Program::Connect(path) => path,
    }
}

/// Subjects and bodies as keepalived 2.2.7 sends them, lines as it writes them.
#[test]
fn who_is_told_what() {
    let owning = Some("=> VRRP Instance is now owning VRRP VIPs <=");
    let not_owning = Some("=> VRRP Instance is no longer owning VRRP VIPs <=");
    let instance = Subject::Instance(InstanceId(0));
    let cases = [
        (What::Master, Some("master"), true, "MASTER", owning),
        (What::Backup, Some("backup"), true, "BACKUP", not_owning),
        (What::Fault, Some("fault"), true, "FAULT", not_owning),
        (What::Stop, Some("stop"), true, "STOP", None),
        (What::Deleted, Some("deleted"), true, "DELETED", None),
        (What::MasterRxLowerPri, Some("lower"), false, "MASTER_RX_LOWER_PRI", None),
        (What::Priority { active: true }, None, false, "MASTER_PRIORITY", None),
        (What::Priority { active: false }, None, false, "BACKUP_PRIORITY", None),
    ];
    let setup = setup();
    for (what, specific, is_generic, word, text) in cases {
        let told = told(Notice { of: instance, what, priority: 100 }, &setup).unwrap();
        assert_eq!(told.specific.map(path), specific, "{what:?}");
        let words = ["INSTANCE", "VI_1", word, "100"].map(str::to_owned);
        let generic = told.generic.as_ref().map(|(command, words)| (path(command), words));
        assert_eq!(generic, is_generic.then_some(("any", &words)), "{what:?}");
        assert_eq!(told.line, format!("INSTANCE \"VI_1\" {word} 100\n"));
        assert_eq!(told.mail.as_ref().map(|mail| mail.text.as_str()), text, "{what:?}");
        if let Some(mail) = told.mail {
            assert_eq!(mail.subject, format!("[RID] VRRP Instance VI_1 - Entering {word} state"));
        }
    }
    let of = Subject::Group(GroupId(0));
    let told = told(Notice { of, what: What::Fault, priority: 0 }, &setup).unwrap();
    assert_eq!(told.line, "GROUP \"G1\" FAULT 0\n");
    let mail = told.mail.unwrap();
    assert_eq!(mail.subject, "[RID] VRRP Group G1 - Entering FAULT state");
    assert_eq!(mail.text, "=> All VRRP group instances are now in FAULT state <=");
}

#[test]
fn no_email_faults_is_about_faults_only() {
    let mut setup = setup();
    setup.mail = Some(MailSetup {
        server: String::new(),
        port: 25,
        helo: String::new(),
        from: String::new(),
        to: Vec::new(),
        timeout: Duration::from_secs(1),
        not_about_faults: true,
    });
    for (what, is_mailed) in [(What::Fault, false), (What::Backup, true), (What::Master, true)] {
        let of = Subject::Instance(InstanceId(0));
        let told = told(Notice { of, what, priority: 1 }, &setup).unwrap();
        assert_eq!(told.mail.is_some(), is_mailed, "{what:?}");
    }
}

#[test]
fn one_after_the_other_but_nobody_waits_for_ever() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut chain = Chain::default();
    chain.push(at(30), "backup");
    chain.push(at(34), "master");
    assert_eq!(chain.next(at(0)), Some(("backup", false)));
    assert_eq!(chain.next(at(4)), None, "the one before runs");
    assert_eq!(chain.deadline(), Some(at(34)));
    chain.ended();
    assert_eq!(chain.next(at(15)), Some(("master", false)));
    chain.push(at(50), "fault");
    assert_eq!(chain.next(at(49)), None);
    assert_eq!(chain.next(at(50)), Some(("fault", true)), "it has waited long enough");
    chain.ended();
    assert!(!chain.is_idle(), "one of two has ended");
    chain.ended();
    assert!(chain.is_idle());
}
