//! The `keepair` program: command line, daemon, status. It joins `conf`, `core` and `linux`, and
//! decides nothing about a failover itself.
#![forbid(unsafe_code)]
// Talking to a person on a terminal is this program's job.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod access;
mod control;
mod notes;
mod operate;
mod record;
mod replay;
mod run;
mod store;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Run this machine's half of the pair, in the foreground.
    ///
    /// SIGTERM hands over to the other machine before exiting; SIGHUP reloads the configuration.
    Run {
        /// The configuration, the same file on both machines.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        dirs: RunDir,
        /// Where to keep what must survive a restart.
        #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
        state_dir: PathBuf,
        #[command(flatten)]
        recording: Recording,
    },
    /// Walk a record of `run --record` through the same core: what was decided, when and why.
    ///
    /// Ends with 0 if every decision is the recorded one, with 1 if one differs, with 2 if the
    /// record can't be read to its end.
    Replay(replay::Options),
    /// Check a configuration file and show every mistake in it.
    Check {
        /// The configuration file.
        file: PathBuf,
    },
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

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run { config, dirs, state_dir, recording } => {
            let record = recording.record.as_deref().map(|file| (file, recording.record_size));
            run::run(&config, &dirs.run_dir, &state_dir, record)
        }
        Command::Replay(options) => {
            return replay::replay(&options).unwrap_or_else(|error| {
                eprintln!("keepair: {}", replay::printable(&format!("{error:#}")));
                ExitCode::from(2)
            });
        }
        Command::Check { file } => run::check(&file),
        Command::Status { json, watch, dirs } => operate::status(&dirs.run_dir, json, watch),
        Command::Switchover { to, dirs } => operate::switchover(&dirs.run_dir, to.as_deref()),
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
