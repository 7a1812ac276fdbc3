//! What the executor needs of a `keepalived.conf` besides what the core is told: commands, users,
//! paths, mail, pacing. By the core's places, which are found by names.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use keepair_conf::keepalived::Placed;
use keepair_conf::keepalived::file::{self, File, Globals, ProcessMatch};
use keepair_core::router::config::{Config, InstanceId};
use keepair_linux::router::network_setup::{
    GarpExtra, GarpGroup, InstanceNetwork, NetworkSetup, Pace, TrackGroup,
};
use keepair_linux::router::security;
use keepair_linux::router::setup::{
    Bounded, Command, FifoSetup, FileInit, FileSetup, MailSetup, Matching, ProcessSetup, Program,
    RunAs, ScriptSetup, Setup, SubjectSetup, UMASK, Word,
};

use nix::unistd::{Uid, User};

use crate::machine;

/// How long a startup or shutdown script may take.
const BOUND: Duration = Duration::from_secs(10);
/// How long children have to end.
const CHILD_WAIT: Duration = Duration::from_secs(5);
/// How long a mail server may take.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// The setup of a file and of the configuration that was made of it.
///
/// # Errors
/// When a user is not there, or the user database can't be read.
pub(crate) fn setup(file: &File, config: &Config) -> anyhow::Result<Setup> {
    let make = Make { globals: &file.globals };
    let globals = &file.globals;
    let mut setup = Setup::empty(network(file, config));
    let host = machine::host_name();
    setup.router_id =
        globals.router_id.as_ref().map_or_else(|| host.clone(), |it| it.value.clone());
    for one in &config.scripts {
        let script = file.scripts.iter().find(|it| it.name.value == one.name);
        let script = script.context("a script without a place")?;
        let command = make.command(&script.command, script.user.as_ref())?;
        setup.scripts.push(ScriptSetup { name: one.name.clone(), command });
    }
    for one in &config.files {
        let tracked = file.track_files.iter().find(|it| it.name.value == one.name);
        setup.files.push(tracked_file(tracked.context("a file without a place")?));
    }
    for one in &config.processes {
        let tracked = file.track_processes.iter().find(|it| it.name.value == one.name);
        setup.processes.push(process(tracked.context("a process without a place")?));
    }
    for one in &config.instances {
        let instance = file.instances.iter().find(|it| it.name.value == one.name);
        let notify = &instance.context("an instance without a place")?.notify;
        setup.instances.push(make.subject(&one.name, notify, one.smtp_alert)?);
    }
    for one in &config.groups {
        let group = file.sync_groups.iter().find(|it| it.name.value == one.name);
        let notify = &group.context("a group without a place")?.notify;
        setup.groups.push(make.subject(&one.name, notify, one.smtp_alert)?);
    }
    let fifos =
        [(&globals.fifo, &globals.fifo_script), (&globals.vrrp_fifo, &globals.vrrp_fifo_script)];
    for (fifo, script) in fifos {
        setup.fifos.extend(make.fifo(fifo.as_ref(), script.as_ref())?);
    }
    setup.states_on_reload = globals.fifo_states_on_reload.is_some();
    setup.mail = mail(globals, &host);
    setup.startup = make.bounded(&globals.startup_script, &globals.startup_script_timeout)?;
    setup.shutdown = make.bounded(&globals.shutdown_script, &globals.shutdown_script_timeout)?;
    setup.child_wait = time(&file.child_wait, CHILD_WAIT);
    setup.script_security = globals.script_security.is_some();
    setup.umask = globals.umask.as_ref().map_or(UMASK, |umask| umask.value);
    Ok(setup)
}

fn time(written: &Option<Placed<Duration>>, usual: Duration) -> Duration {
    written.as_ref().map_or(usual, |written| written.value)
}

struct Make<'f> {
    globals: &'f Globals,
}

impl Make<'_> {
    fn run_as(&self, user: Option<&Placed<file::User>>) -> anyhow::Result<RunAs> {
        let all = self.globals.supplementary_groups.is_some();
        match user.or(self.globals.script_user.as_ref()) {
            // Which one it is may be a secret that was meant for the script.
            Some(user) => {
                let all = all || user.supplementary_groups;
                security::look_up(&user.name, user.group.as_deref(), all)
                    .context("who runs a script")
            }
            None => security::usual(all).context("who runs scripts"),
        }
    }

    fn command(
        &self,
        command: &file::Command,
        user: Option<&Placed<file::User>>,
    ) -> anyhow::Result<Command> {
        let program = match command {
            file::Command::Program { path, arguments } => Program::Execute {
                path: path.clone(),
                arguments: arguments
                    .iter()
                    .map(|argument| Word::new(argument.expose().to_owned()))
                    .collect(),
            },
            file::Command::Connect(text) => Program::Connect(text.clone()),
        };
        Ok(Command { program, run_as: self.run_as(user)? })
    }

    fn script(&self, script: Option<&file::Script>) -> anyhow::Result<Option<Command>> {
        script.map(|script| self.command(&script.command, script.user.as_ref())).transpose()
    }

    fn bounded(
        &self,
        script: &Option<file::Script>,
        timeout: &Option<Placed<Duration>>,
    ) -> anyhow::Result<Option<Bounded>> {
        let command = self.script(script.as_ref())?;
        Ok(command.map(|command| Bounded { command, timeout: time(timeout, BOUND) }))
    }

    fn subject(
        &self,
        name: &str,
        notify: &file::Notify,
        mail: bool,
    ) -> anyhow::Result<SubjectSetup> {
        let deleted = notify.deleted.as_ref().and_then(|deleted| deleted.value.as_ref());
        Ok(SubjectSetup {
            name: name.to_owned(),
            master: self.script(notify.master.as_ref())?,
            backup: self.script(notify.backup.as_ref())?,
            fault: self.script(notify.fault.as_ref())?,
            stop: self.script(notify.stop.as_ref())?,
            any: self.script(notify.any.as_ref())?,
            deleted: self.script(deleted)?,
            master_rx_lower_priority: self.script(notify.master_rx_lower_priority.as_ref())?,
            mail,
        })
    }

    fn fifo(
        &self,
        fifo: Option<&file::Fifo>,
        script: Option<&file::Script>,
    ) -> anyhow::Result<Option<FifoSetup>> {
        let Some(fifo) = fifo else { return Ok(None) };
        Ok(Some(FifoSetup {
            path: PathBuf::from(&fifo.path.value),
            owner: self.run_as(fifo.owner.as_ref())?,
            script: self.script(script)?,
        }))
    }
}

fn tracked_file(it: &file::TrackFile) -> FileSetup {
    let init = it.init.as_ref().map(|init| {
        let (value, overwrite) = init.value;
        FileInit { value: value.into(), overwrite }
    });
    FileSetup { name: it.name.value.clone(), path: PathBuf::from(&it.path.value), init }
}

fn process(it: &file::TrackProcess) -> ProcessSetup {
    let written = it.matching.as_ref().map(|matching| match matching.value {
        ProcessMatch::Exact => Matching::Exact,
        ProcessMatch::Partial => Matching::Partial,
        ProcessMatch::Initial => Matching::Initial,
    });
    // Arguments that are written matter.
    let matching = written.or((!it.arguments.is_empty()).then_some(Matching::Exact));
    ProcessSetup {
        name: it.name.value.clone(),
        program: it.program.value.clone(),
        arguments: it.arguments.iter().map(|word| Word::new(word.value.clone())).collect(),
        matching,
        full_command: it.full_command.is_some() || matching.is_some(),
    }
}

/// `None` without a server or without anybody to write to.
fn mail(globals: &Globals, host: &str) -> Option<MailSetup> {
    let (server, port) = globals.smtp_server.as_ref()?.value.clone();
    if globals.mail_to.is_empty() {
        return None;
    }
    let text = |written: &Option<Placed<String>>, usual: String| {
        written.as_ref().map_or(usual, |written| written.value.clone())
    };
    Some(MailSetup {
        server,
        port,
        helo: text(&globals.smtp_helo_name, host.to_owned()),
        from: text(&globals.mail_from, format!("{}@{host}", own_user())),
        to: globals.mail_to.iter().map(|to| to.value.clone()).collect(),
        timeout: time(&globals.smtp_timeout, MAIL_TIMEOUT),
        not_about_faults: globals.no_mail_about_faults.is_some(),
    })
}

/// The name of the user that the daemon runs as.
fn own_user() -> String {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    user.map_or_else(|| "root".to_owned(), |user| user.name)
}

fn network(file: &File, config: &Config) -> NetworkSetup {
    let globals = &file.globals;
    let usual = NetworkSetup::default();
    let pace = |garp: &Option<Placed<Duration>>, gna: &Option<Placed<Duration>>| Pace {
        garp: time(garp, Duration::ZERO),
        gna: time(gna, Duration::ZERO),
    };
    let place = |name: &Placed<String>| {
        config.instances.iter().position(|it| it.name == name.value).map(InstanceId)
    };
    let prefix = globals.vmac_addr_prefix.as_ref().or(globals.vmac_prefix.as_ref());
    NetworkSetup {
        default_interface: globals
            .default_interface
            .as_ref()
            .map_or(usual.default_interface, |it| it.value.clone()),
        addresses: file.static_addresses.iter().map(|it| it.value.clone()).collect(),
        routes: file.static_routes.iter().map(|it| it.value.clone()).collect(),
        rules: file.static_rules.iter().map(|it| it.value.clone()).collect(),
        track_groups: file
            .track_groups
            .iter()
            .map(|it| TrackGroup {
                name: it.name.value.clone(),
                instances: it.members.iter().filter_map(place).collect(),
            })
            .collect(),
        pace: pace(&globals.garp_interval, &globals.gna_interval),
        garp_groups: file
            .garp_groups
            .iter()
            .map(|it| GarpGroup {
                pace: pace(&it.garp_interval, &it.gna_interval),
                interfaces: it.interfaces.iter().map(|name| name.value.clone()).collect(),
            })
            .collect(),
        instances: config
            .instances
            .iter()
            .map(|one| {
                let written = file.instances.iter().find(|it| it.name.value == one.name);
                let written = written.and_then(|it| it.garp.extra_if.as_ref());
                let extra = written.or(globals.garp.extra_if.as_ref());
                let extra = extra.filter(|extra| !extra.every.is_zero());
                InstanceNetwork {
                    extra: extra.map(|it| GarpExtra { all: it.all, every: it.every }),
                }
            })
            .collect(),
        vmac_addr_prefix: prefix.map_or(usual.vmac_addr_prefix, |it| it.value.clone()),
        keep_on_exit: false,
    }
}
