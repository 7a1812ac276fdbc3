//! From a file to a configuration of either language, with everything that is wrong shown; and
//! `keepair check`.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use keepair_conf::keepalived::{self, File, Machine, Options, Sources};
use keepair_conf::{Config, Diagnostic, Format, Severity};

use crate::machine::{self, ThisMachine};
use crate::operate;

/// What `keepalived --config-test` ends with when there are mistakes.
const KEEPALIVED_MISTAKES: u8 = 5;

/// A configuration without errors.
pub(crate) enum Configuration {
    /// Of a Redis pair.
    Pair(Box<Config>),
    /// Of virtual routers.
    Router(Box<Router>),
}

/// A `keepalived.conf` without errors.
pub(crate) struct Router {
    /// What it says.
    pub(crate) file: File,
    /// What the core is told of it.
    pub(crate) config: keepair_core::router::Config,
}

/// `keepair check`. A `keepalived.conf` with mistakes ends it as keepalived's own check ends.
pub(crate) fn check(file: &Path, config_id: Option<&str>) -> anyhow::Result<ExitCode> {
    let name = file.display();
    match read(file, config_id) {
        Ok(Configuration::Pair(config)) => {
            let [a, b] = &config.members;
            let third = config.tie_breaker.as_ref().map_or(String::new(), |breaker| {
                format!("; the tie-breaker is {}", breaker.names().join(" and "))
            });
            operate::show(&format!(
                "{name}: no mistakes; the pair is {} and {}{third}\n",
                a.name, b.name
            ))?;
        }
        Ok(Configuration::Router(router)) => {
            operate::show(&format!("{name}: no mistakes; {}\n", told(&router.file)))?;
        }
        Err(error) => match error.downcast_ref::<Mistakes>() {
            Some(Mistakes { format: Format::Keepalived, .. }) => {
                operate::warn(&format!("keepair: {error}\n"));
                return Ok(ExitCode::from(KEEPALIVED_MISTAKES));
            }
            _ => return Err(error),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn told(file: &File) -> String {
    let names: Vec<&str> = file.instances.iter().map(|it| it.name.as_str()).collect();
    match &*names {
        [] => "it has no instances".to_owned(),
        [one] => format!("the instance is {}", one.escape_debug()),
        many => format!("the {} instances are {}", many.len(), many.join(", ").escape_debug()),
    }
}

/// A file that was shown to have mistakes.
#[derive(Debug)]
struct Mistakes {
    file: String,
    format: Format,
    errors: usize,
}

impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = if self.errors == 1 { "" } else { "s" };
        write!(f, "{}: {} mistake{s}", self.file, self.errors)
    }
}

impl std::error::Error for Mistakes {}

/// Reads a configuration of either language, and shows every mistake in it. `config_id` is what
/// `@id` in a `keepalived.conf` is compared with; left out: the host name.
///
/// # Errors
/// When it can't be read, or has mistakes, which were shown.
pub(crate) fn read(path: &Path, config_id: Option<&str>) -> anyhow::Result<Configuration> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| name.clone())?;
    // Comments of a keepalived.conf may be anything.
    match Format::of(&name, &String::from_utf8_lossy(&bytes)) {
        Format::Pair => {
            let text =
                String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{name}: is not UTF-8"));
            Ok(Configuration::Pair(Box::new(pair(&name, &text?)?)))
        }
        Format::Keepalived => keepalived(path, config_id),
    }
}

/// Reads the text of a `keepair.toml`.
///
/// # Errors
/// When it has mistakes, which were shown.
pub(crate) fn pair(name: &str, text: &str) -> anyhow::Result<Config> {
    let render = |all: &[Diagnostic]| keepair_conf::render(all, text, color());
    match keepair_conf::parse(name, text) {
        Ok((config, warnings)) => {
            if !warnings.is_empty() {
                operate::warn(&render(&warnings));
            }
            Ok(config)
        }
        Err(diagnostics) => {
            operate::warn(&render(&diagnostics));
            bail!(mistakes(name, Format::Pair, &diagnostics));
        }
    }
}

/// Reads a `keepalived.conf`. One with a `redis` block describes a pair.
///
/// # Errors
/// When it can't be read, or has mistakes, which were shown.
fn keepalived(path: &Path, config_id: Option<&str>) -> anyhow::Result<Configuration> {
    let (name, file, sources) = keepalived_file(path, config_id, &ThisMachine, true)?;
    let refused = |diagnostics: Vec<Diagnostic>| {
        operate::warn(&sources.render(&diagnostics, color()));
        mistakes(&name, Format::Keepalived, &diagnostics)
    };
    if let Some(pair) = keepalived::native(&file, &sources) {
        return Ok(Configuration::Pair(Box::new(pair.map_err(refused)?)));
    }
    let config = keepalived::router(&file, &sources, &ThisMachine, machine::since_boot());
    let config = config.map_err(refused)?;
    Ok(Configuration::Router(Box::new(Router { file, config })))
}

/// What a `keepalived.conf` says, with its name and its text. `warn`: also what is no error is shown.
///
/// # Errors
/// When it can't be read, or has mistakes, which were shown.
pub(crate) fn keepalived_file(
    path: &Path,
    config_id: Option<&str>,
    machine: &dyn Machine,
    warn: bool,
) -> anyhow::Result<(String, File, Sources)> {
    let name = path.display().to_string();
    // Files that it includes are found from where it is.
    let absolute = std::path::absolute(path).with_context(|| name.clone())?;
    let host = machine::host_name();
    let id = config_id.unwrap_or_else(|| host.split('.').next().unwrap_or_default());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let options = Options {
        config_id: id.to_owned(),
        random_seed: u64::from(now.subsec_nanos()) ^ now.as_secs(),
        ..Options::default()
    };
    let parsed = keepalived::parse(&absolute.display().to_string(), machine, &options);
    if !parsed.diagnostics.is_empty() && (warn || parsed.file.is_none()) {
        operate::warn(&parsed.render(color()));
    }
    match parsed.file {
        Some(file) => Ok((name, file, parsed.sources)),
        None => bail!(mistakes(&name, Format::Keepalived, &parsed.diagnostics)),
    }
}

fn mistakes(name: &str, format: Format, diagnostics: &[Diagnostic]) -> Mistakes {
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    Mistakes { file: name.to_owned(), format, errors }
}

/// Whether what is shown on standard error may have colours.
fn color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
