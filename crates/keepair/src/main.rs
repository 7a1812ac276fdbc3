//! The `keepair` program: command line, daemon, status. It joins `conf`, `core` and `linux`, and
//! decides nothing about a failover itself.
#![forbid(unsafe_code)]
// Talking to a person on a terminal is this program's job.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod access;
mod check;
mod control;
mod convert;
mod machine;
mod notes;
mod operate;
mod record;
mod replay;
mod router;
mod run;
mod salvage;
mod store;
mod tiebreaker;
mod view;
mod warnings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use check::Configuration;
use clap::{Args, Parser, Subcommand};

/// Where a running daemon is found.
const RUN_DIR: &str = "/run/keepair";
/// What survives a restart of the machine.
const STATE_DIR: &str = "/var/lib/keepair";

/// Keeps a pair of Redis or Valkey servers behind one address.
#[derive(Parser)]
#[command(name = "keepair", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run this machine's part, in the foreground.
    ///
    /// With a keepair.toml: half of a Redis pair. With a keepalived.conf: what keepalived does with it.
    /// SIGTERM hands over to the other machine before exiting; SIGHUP reloads the configuration.
    Run {
        /// The configuration: a keepair.toml, the same on both machines, or a keepalived.conf. A name
        /// that ends in .toml is the former; else its text tells.
        #[arg(short = 'f', long, visible_alias = "use-file", value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        dirs: RunDir,
        /// Where to keep what must survive a restart.
        #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
        state_dir: PathBuf,
        #[command(flatten)]
        recording: Recording,
        #[command(flatten)]
        router: RouterOptions,
    },
    /// Walk a record of `run --record` through the same core: what was decided, when and why.
    ///
    /// Ends with 0 if every decision is the recorded one, with 1 if one differs, with 2 if the
    /// record can't be read to its end.
    Replay(replay::Options),
    /// Check a configuration file and show every mistake in it.
    ///
    /// Ends with 0 if there is none. Mistakes in a keepalived.conf end it with 5, as they end
    /// `keepalived --config-test`; everything else with 1.
    #[command(short_flag = 't', long_flag = "config-test")]
    Check {
        /// The configuration file: a keepair.toml or a keepalived.conf.
        #[arg(required_unless_present = "use_file", conflicts_with = "use_file")]
        file: Option<PathBuf>,
        /// The same, as keepalived takes it.
        #[arg(short = 'f', long, value_name = "FILE", hide = true)]
        use_file: Option<PathBuf>,
        /// What `@ID` in a keepalived.conf is compared with; left out: the host name.
        #[arg(short = 'i', long, value_name = "ID")]
        config_id: Option<String>,
    },
    /// Write the keepair.toml that replaces a keepalived.conf with Redis scripts.
    ///
    /// Comments in it say what each script is replaced by, and what was not carried over. Passwords are
    /// never shown. Ends with 1 if there is something to fill in, which `keepair check` then refuses.
    Convert(convert::Arguments),
    /// Show both machines: role, reason, replication, the last failover phase by phase.
    Status {
        /// As JSON, on one line.
        #[arg(long)]
        json: bool,
        /// Again and again, once a second, until interrupted.
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        dirs: RunDir,
    },
    /// Move the primary to the other machine, losing nothing.
    Switchover {
        /// The machine that is to be the primary; by default the one that is not.
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
        #[command(flatten)]
        dirs: RunDir,
    },
    /// Let this machine begin without having heard the other one, until it hears it.
    ///
    /// For a machine that is alone because the other one is lost. If the other one serves after all and
    /// can't be heard, both serve.
    Solo {
        /// Do it, and not only say what would happen.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        dirs: RunDir,
    },
    /// Decide whose data is the pair's, where that can't be told.
    ///
    /// The other machine's data is overwritten.
    Accept {
        /// The machine whose data is kept.
        #[arg(value_name = "NODE")]
        node: String,
        /// Do it, and not only say what would happen.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        dirs: RunDir,
    },
    /// What was kept of a Redis before it was overwritten: list, show, put back.
    ///
    /// A machine that was the primary may hold writes that the other one never received. Before its
    /// Redis is told to replicate, the daemon reads them from the replication stream and keeps them in
    /// the state directory, as a file of commands; where the stream can't be had, it archives the data
    /// files instead.
    #[command(subcommand)]
    Salvage(salvage::Command),
    /// Show configuration.
    Config {
        /// Every setting with its default, as a file to start from.
        #[arg(long, required = true)]
        default: bool,
    },
}

#[derive(Args)]
struct RunDir {
    /// Where the daemon's control socket and lock are.
    #[arg(long, value_name = "DIR", default_value = RUN_DIR)]
    run_dir: PathBuf,
}

#[derive(Args)]
struct Recording {
    /// Record everything the core is told, for `keepair replay`: into FILE, and FILE.1 when it is
    /// full.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// What FILE and FILE.1 may take together.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", requires = "record",
          value_parser = record::parse_size)]
    record_size: u64,
}

/// Options for a keepalived.conf, named as keepalived names them.
#[derive(Args)]
struct RouterOptions {
    /// What `@ID` in a keepalived.conf is compared with; left out: the host name.
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// With a keepalived.conf: write the number of the process into FILE.
    #[arg(short = 'p', long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// With a keepalived.conf: leave the addresses where they are when the daemon ends.
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    #[command(flatten)]
    _usual: Usual,
}

/// What unit files of keepalived ask for, and what is so in any case.
#[derive(Args)]
struct Usual {
    /// Stay in the foreground.
    #[arg(short = 'n', long, hide = true)]
    dont_fork: bool,
    /// Log to standard error.
    #[arg(short = 'l', long, hide = true)]
    log_console: bool,
    /// Log details.
    #[arg(short = 'D', long, hide = true)]
    log_detail: bool,
    /// Log nothing to syslog.
    #[arg(short = 'G', long, hide = true)]
    no_syslog: bool,
    /// Only VRRP.
    #[arg(short = 'P', long, hide = true)]
    vrrp: bool,
    /// Let the service manager start the daemon again.
    #[arg(short = 'R', long, hide = true)]
    dont_respawn: bool,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run { config, dirs, state_dir, recording, router } => {
            let record = recording.record.as_deref().map(|file| (file, recording.record_size));
            run(&config, &dirs.run_dir, &state_dir, record, &router)
        }
        Command::Replay(options) => {
            return replay::replay(&options).unwrap_or_else(|error| {
                eprintln!("keepair: {}", replay::printable(&format!("{error:#}")));
                ExitCode::from(2)
            });
        }
        Command::Check { file, use_file, config_id } => {
            let file = file.or(use_file).unwrap_or_default();
            match check::check(&file, config_id.as_deref()) {
                Ok(code) => return code,
                Err(error) => Err(error),
            }
        }
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Status { json, watch, dirs } => operate::status(&dirs.run_dir, json, watch),
        Command::Switchover { to, dirs } => operate::switchover(&dirs.run_dir, to.as_deref()),
        Command::Solo { yes, dirs } => operate::solo(&dirs.run_dir, yes),
        Command::Accept { node, yes, dirs } => operate::accept(&dirs.run_dir, &node, yes),
        Command::Salvage(command) => salvage::run(&command),
        Command::Config { default: _ } => operate::show(&keepair_conf::default_toml()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keepair: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `keepair run`.
fn run(
    file: &Path,
    run_dir: &Path,
    state_dir: &Path,
    recording: Option<(&Path, u64)>,
    options: &RouterOptions,
) -> anyhow::Result<()> {
    // Before anything secret is read.
    keepair_linux::realtime::forbid_core_dumps().context("could not forbid core dumps")?;
    let config_id = options.config_id.as_deref();
    let read = check::read(file, config_id);
    match read.map_err(|error| run::refuse(file, run_dir, state_dir, error))? {
        Configuration::Pair(config) => {
            run::run(run::Places { file, config_id, run_dir, state_dir, recording }, &config)
        }
        Configuration::Router(_) if recording.is_some() => {
            bail!("--record is for a keepair.toml; a keepalived.conf can't be recorded yet")
        }
        Configuration::Router(router) => {
            let options = router::run::Options {
                file,
                config_id,
                run_dir,
                pid_file: options.pid.as_deref(),
                keep_addresses: options.dont_release_vrrp,
            };
            router::run::run(*router, &options)
        }
    }
}
