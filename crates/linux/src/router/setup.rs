//! What the core need not know of a `keepalived.conf`: commands, paths, users, mail. By the core's
//! places, as in `keepair_core::router::Config`, with all defaults filled in and users looked up.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use keepair_core::router::action::Subject;
use keepair_core::router::config::{GroupId, InstanceId, ScriptId};
use zeroize::Zeroizing;

use super::network_setup::NetworkSetup;

/// What keepalived 2.2.7's scripts have, whatever its manual says: only the owner may read and write.
pub const UMASK: u32 = 0o177;

/// All of it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `router_id`, which mails begin with.
    pub router_id: String,
    /// `vrrp_script`, by `ScriptId`.
    pub scripts: Vec<ScriptSetup>,
    /// `track_file`, by `FileId`.
    pub files: Vec<FileSetup>,
    /// `vrrp_track_process`, by `ProcessId`.
    pub processes: Vec<ProcessSetup>,
    /// `vrrp_instance`, by `InstanceId`.
    pub instances: Vec<SubjectSetup>,
    /// `vrrp_sync_group`, by `GroupId`.
    pub groups: Vec<SubjectSetup>,
    /// `notify_fifo`, then `vrrp_notify_fifo`, as far as there are any.
    pub fifos: Vec<FifoSetup>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub states_on_reload: bool,
    /// Where mails go; `None`: nowhere.
    pub mail: Option<MailSetup>,
    /// `startup_script`.
    pub startup: Option<Bounded>,
    /// `shutdown_script`.
    pub shutdown: Option<Bounded>,
    /// `child_wait_time`: how long children have to end when the daemon does; usually 5 s.
    pub child_wait: Duration,
    /// `enable_script_security`: root runs only what nobody but root can change.
    pub script_security: bool,
    /// `umask`: what files made by children do not allow; see [`UMASK`].
    pub umask: u32,
    /// What is put into the kernel, and how.
    pub network: NetworkSetup,
}

impl Setup {
    /// A setup that runs nothing, tells nobody and touches nothing.
    pub fn empty(network: NetworkSetup) -> Setup {
        Setup {
            router_id: String::new(),
            scripts: Vec::new(),
            files: Vec::new(),
            processes: Vec::new(),
            instances: Vec::new(),
            groups: Vec::new(),
            fifos: Vec::new(),
            states_on_reload: false,
            mail: None,
            startup: None,
            shutdown: None,
            child_wait: Duration::from_secs(5),
            script_security: false,
            umask: UMASK,
            network,
        }
    }

    /// An instance's or a group's.
    pub fn subject(&self, subject: Subject) -> Option<&SubjectSetup> {
        match subject {
            Subject::Instance(InstanceId(at)) => self.instances.get(at),
            Subject::Group(GroupId(at)) => self.groups.get(at),
        }
    }

    /// A tracked script's.
    pub fn script(&self, ScriptId(at): ScriptId) -> Option<&ScriptSetup> {
        self.scripts.get(at)
    }
}

/// Who runs something: as numbers, for the user database may be slow, and is not asked again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunAs {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// All groups besides `gid`; keepalived's scripts have none unless told otherwise.
    pub supplementary: Vec<u32>,
}

impl RunAs {
    /// The superuser.
    pub const ROOT: RunAs = RunAs { uid: 0, gid: 0, supplementary: Vec::new() };
}

/// A word that may be a password: not printed, and wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(Zeroizing<String>);

impl Word {
    /// Takes it over.
    pub fn new(text: String) -> Word {
        Word(Zeroizing::new(text))
    }

    /// It itself, for the child that gets it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Program {
    /// A program or a script.
    Execute {
        /// As written: a path, or a name to look for in `PATH`.
        path: String,
        /// Its arguments.
        arguments: Vec<Word>,
    },
    /// `</dev/tcp/HOST/PORT` as written: no program, but whether a connection can be made.
    Connect(String),
}

/// What is run, and by whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// What.
    pub program: Program,
    /// By whom.
    pub run_as: RunAs,
}

/// `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptSetup {
    /// Its name.
    pub name: String,
    /// What is run.
    pub command: Command,
}

/// `track_file`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSetup {
    /// Its name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// `init_file`.
    pub init: Option<FileInit>,
}

/// `init_file`: what is written when the daemon starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileInit {
    /// The number.
    pub value: i64,
    /// Also into a file that is there already.
    pub overwrite: bool,
}

/// `vrrp_track_process`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSetup {
    /// Its name.
    pub name: String,
    /// The program, as its own first argument names it; without a slash, by its last part.
    pub program: String,
    /// Its arguments, if they matter.
    pub arguments: Vec<Word>,
    /// How they are compared; `None`: they do not matter.
    pub matching: Option<Matching>,
    /// `full_command`, or arguments that matter: by its command line, not by the name that the
    /// kernel has for it.
    pub full_command: bool,
}

/// How the arguments of a process are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matching {
    /// They are the same.
    Exact,
    /// The first ones are the same.
    Partial,
    /// The same, and the last one may be longer.
    Initial,
}

/// An instance or a group: its name, and who is told of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SubjectSetup {
    /// Its name.
    pub name: String,
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// `notify`, which is told what has happened in its arguments.
    pub any: Option<Command>,
    /// `notify_deleted`, instances only.
    pub deleted: Option<Command>,
    /// `notify_master_rx_lower_pri`, instances only.
    pub master_rx_lower_priority: Option<Command>,
    /// `smtp_alert`.
    pub mail: bool,
}

/// A named pipe that is told of everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FifoSetup {
    /// Where it is, and is made if it is not there.
    pub path: PathBuf,
    /// Whom it belongs to if it is made.
    pub owner: RunAs,
    /// What reads it: started with the path as its last argument.
    pub script: Option<Command>,
}

/// Where mails go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailSetup {
    /// `smtp_server`: a name or an address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// `smtp_helo_name`.
    pub helo: String,
    /// `notification_email_from`.
    pub from: String,
    /// `notification_email`.
    pub to: Vec<String>,
    /// `smtp_connect_timeout`.
    pub timeout: Duration,
    /// `no_email_faults`: FAULT is not told.
    pub not_about_faults: bool,
}

/// A command that the daemon waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounded {
    /// What is run.
    pub command: Command,
    /// How long it may take.
    pub timeout: Duration,
}
