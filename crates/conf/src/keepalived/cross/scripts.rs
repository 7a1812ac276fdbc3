//! Whether the machine has the scripts, and users to run them.
//!
//! keepalived finds out when it starts, writes a line into its log, and runs without the check. Its
//! `--config-test` does not look at all at scripts that are not executable.

use std::collections::BTreeSet;

use crate::keepalived::file::{Command, File, Globals, Script, User};
use crate::keepalived::found::Found;
use crate::keepalived::machine::{Account, Entry, Inspection, Machine};
use crate::keepalived::place::{Place, Placed};
use crate::value::{Fault, quote};

/// Whom scripts run as if there is such a user.
const USUAL: &str = "keepalived_script";

/// Looks for every script of the file. Gives the places of those that can't run.
pub(super) fn check(file: &File, machine: &dyn Machine, found: &mut Found) -> BTreeSet<Place> {
    let mut check =
        Check { globals: &file.globals, machine, found, as_root: None, useless: BTreeSet::new() };
    check.default_user();
    let globals = &file.globals;
    let scripts = [
        &globals.startup_script,
        &globals.shutdown_script,
        &globals.fifo_script,
        &globals.vrrp_fifo_script,
    ];
    for script in scripts.into_iter().flatten() {
        check.script(script);
    }
    for script in &file.scripts {
        check.command(&script.command, script.user.as_ref());
    }
    let groups = file.sync_groups.iter().flat_map(|group| group.notify.scripts());
    for script in file.instances.iter().flat_map(|it| it.notify.scripts()).chain(groups) {
        check.script(script);
    }
    if let Some(place) = check.as_root
        && globals.script_security.is_none()
    {
        let fault = Fault::new(
            "scripts run as root, and `enable_script_security` is not set",
            "set it: then nobody but root can change what root runs",
        );
        check.found.warning(place, fault);
    }
    check.useless
}

struct Check<'a> {
    globals: &'a Globals,
    machine: &'a dyn Machine,
    found: &'a mut Found,
    /// The first script that runs as root.
    as_root: Option<Place>,
    /// Scripts that can't run.
    useless: BTreeSet<Place>,
}

/// Who runs a script.
#[derive(Clone, Copy)]
struct Runner {
    uid: u32,
    gid: u32,
}

impl Check<'_> {
    /// Complains about `script_user`, once instead of at every script.
    fn default_user(&mut self) {
        match (&self.globals.script_user, &self.globals.script_security) {
            (Some(user), _) => drop(self.account(user)),
            (None, Some(security)) if self.machine.user(USUAL) == Account::Missing => {
                let fault = Fault::new(
                    format!("`enable_script_security` without `script_user`, and no user {USUAL}"),
                    "write `script_user root`, for example",
                );
                self.found.dropped(security.place, fault);
            }
            _ => {}
        }
    }

    fn useless(&mut self, place: Place, fault: Fault) {
        self.useless.insert(place);
        self.found.dropped(place, fault);
    }

    fn script(&mut self, script: &Script) {
        self.command(&script.command, script.user.as_ref());
    }

    fn command(&mut self, command: &Placed<Command>, user: Option<&Placed<User>>) {
        let runner = match user {
            Some(user) => {
                let runner = self.account(user);
                if runner.is_none() && self.machine.user(&user.name) != Account::Unknown {
                    self.useless.insert(command.place);
                }
                runner
            }
            None => self.usual_runner(),
        };
        if runner.is_some_and(|runner| runner.uid == 0) {
            self.as_root.get_or_insert(command.place);
        }
        let Command::Program { path, .. } = &command.value else { return };
        match self.look_for(path) {
            Inspection::Unknown => {}
            Inspection::Missing => {
                let fault = Fault::new(
                    format!("there is no script {}", quote(path)),
                    "correct the path, or put the script there",
                );
                self.useless(command.place, fault);
            }
            Inspection::Found(entry) if !entry.is_file => {
                let fault =
                    Fault::new(format!("{} is no script", quote(path)), "write the path of a file");
                self.useless(command.place, fault);
            }
            Inspection::Found(entry) => {
                if let Some(runner) = runner {
                    self.permissions(command.place, path, &entry, runner);
                }
            }
        }
    }

    /// What is at a path. A bare name is looked for where a shell would look.
    fn look_for(&self, path: &str) -> Inspection {
        if path.contains('/') {
            return self.machine.inspect(path);
        }
        let folders = self.machine.environment("PATH");
        let folders = folders.as_deref().unwrap_or("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let mut last = Inspection::Unknown;
        for folder in folders.split(':') {
            last = self.machine.inspect(&format!("{folder}/{path}"));
            if matches!(&last, Inspection::Found(entry) if entry.is_file) {
                break;
            }
        }
        last
    }

    fn permissions(&mut self, place: Place, path: &str, entry: &Entry, runner: Runner) {
        if !may_run(entry, runner) {
            let fault = Fault::new(
                format!("{} is not executable for who runs it", quote(path)),
                "make it so: chmod a+x",
            );
            self.useless(place, fault);
            return;
        }
        let is_root = runner.uid == 0 || (entry.mode & 0o4000 != 0 && entry.uid == 0);
        if !is_root {
            return;
        }
        let Some(unsafe_path) = self.changeable(entry) else { return };
        let fault = Fault::new(
            format!("root runs {}, and others than root can change {}", quote(path), {
                quote(&unsafe_path)
            }),
            "it must belong to root, and only root may write to it",
        );
        if self.globals.script_security.is_some() {
            self.useless(place, fault);
        } else {
            self.found.warning(place, fault);
        }
    }

    /// The file or the first directory above it that others than root can change.
    fn changeable(&self, entry: &Entry) -> Option<String> {
        if is_changeable(entry) {
            return Some(entry.real_path.clone());
        }
        let mut path = entry.real_path.as_str();
        while let Some((above, _)) = path.rsplit_once('/') {
            let folder = if above.is_empty() { "/" } else { above };
            match self.machine.inspect(folder) {
                Inspection::Found(entry) if is_changeable(&entry) => {
                    return Some(folder.to_owned());
                }
                _ => path = above,
            }
        }
        None
    }

    /// Who a user is. `None` if the machine does not tell, or has no such user, which is said.
    fn account(&mut self, user: &Placed<User>) -> Option<Runner> {
        let account = self.machine.user(&user.name);
        let group = user.group.as_ref().map(|group| self.machine.group(group));
        // The name is not told: it may be an argument that was meant for the script.
        let what = match (account, group) {
            (Account::Missing, _) => "user",
            (_, Some(Account::Missing)) => "group",
            (Account::Found { uid, gid }, None) => return Some(Runner { uid, gid }),
            (Account::Found { uid, .. }, Some(Account::Found { gid, .. })) => {
                return Some(Runner { uid, gid });
            }
            // Root is root everywhere.
            (Account::Unknown, _) if user.name == "root" => return Some(Runner { uid: 0, gid: 0 }),
            _ => return None,
        };
        let fault = Fault::new(
            format!("there is no such {what}"),
            "a script with arguments stands in double quotes, and the user behind them",
        );
        self.found.dropped(user.place, fault);
        None
    }

    fn usual_runner(&mut self) -> Option<Runner> {
        let quiet = |account: Account| match account {
            Account::Found { uid, gid } => Some(Runner { uid, gid }),
            _ => None,
        };
        match &self.globals.script_user {
            Some(user) => {
                let account = quiet(self.machine.user(&user.name));
                account.or((user.name == "root").then_some(Runner { uid: 0, gid: 0 }))
            }
            None => match self.machine.user(USUAL) {
                Account::Missing => Some(Runner { uid: 0, gid: 0 }),
                account => quiet(account),
            },
        }
    }
}

/// Whether the permissions of a file let somebody run it. Root may run what anybody may.
fn may_run(entry: &Entry, runner: Runner) -> bool {
    let bit = match runner {
        Runner { uid: 0, .. } => 0o111,
        Runner { uid, .. } if uid == entry.uid => 0o100,
        Runner { gid, .. } if gid == entry.gid => 0o010,
        _ => 0o001,
    };
    entry.mode & bit != 0
}

/// Whether others than root can change a file, or what a directory holds. In one with the sticky bit
/// they can't change what is not theirs.
fn is_changeable(entry: &Entry) -> bool {
    let sticky = !entry.is_file && entry.mode & 0o1000 != 0;
    let group = entry.mode & 0o020 != 0 && entry.gid != 0;
    let others = entry.mode & 0o002 != 0;
    entry.uid != 0 || ((group || others) && !sticky)
}
