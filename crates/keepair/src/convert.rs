//! `keepair convert`: writes the `keepair.toml` that replaces a `keepalived.conf` with Redis scripts.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use keepair_conf::keepalived::convert::{Conversion, Known, PASSWORD_FILE, convert};

use crate::machine::AnyMachine;
use crate::{check, machine, operate};

/// A script is looked into for what it speaks to; more than this of it says nothing new.
const SCRIPT_BYTES: u64 = 64 * 1024;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The keepalived.conf of this machine.
    file: PathBuf,
    /// Where to write the keepair.toml; left out: standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The keepalived.conf of the other machine, which knows its priority and its address.
    #[arg(long, value_name = "FILE")]
    other: Option<PathBuf>,
    /// The instance to convert, if there are several.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// This machine's own address, if the file does not say it.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// The other machine's own address, if the files do not say it.
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<IpAddr>,
    /// The file that holds the password.
    #[arg(long, value_name = "FILE", default_value = PASSWORD_FILE)]
    password_file: PathBuf,
    /// Write that file, for its owner only, if the scripts' arguments hold the password.
    #[arg(long)]
    write_password: bool,
    /// What `@ID` in the file is compared with; left out: the host name.
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
}

/// Converts, writes, and says what is left to do.
///
/// # Errors
/// When the file has mistakes, nothing can be written, or the operator has to fill something in.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let id = arguments.config_id.as_deref();
    let read = |path: &Path| check::keepalived_file(path, id, &AnyMachine, false);
    let (name, file, _) = read(&arguments.file)?;
    let other = arguments.other.as_deref().map(read).transpose()?;
    let password_file = arguments.password_file.to_str().context("the password file's name")?;
    if !password_file.starts_with('/') {
        bail!("--password-file {password_file}: write an absolute path");
    }
    let known = Known {
        name: name.clone(),
        other: other.as_ref().map(|(_, file, _)| file),
        instance: arguments.instance.clone(),
        address: arguments.address,
        peer: arguments.peer,
        addresses_of: &machine::addresses_of,
        script_text: &script_text,
        password_file: password_file.to_owned(),
    };
    let conversion = convert(&file, &known).map_err(|error| anyhow!("{name}: {error}"))?;
    let shown = arguments.output.as_ref().map(|path| path.display().to_string());
    if conversion.missing.is_empty() {
        // What `keepair check` would refuse is not handed over as if it were good.
        check::pair(shown.as_deref().unwrap_or("keepair.toml"), &conversion.toml)?;
    }
    match &arguments.output {
        Some(path) => write(path, 0o644, &conversion.toml)?,
        None => operate::show(&conversion.toml)?,
    }
    password(arguments, &conversion, password_file)?;
    if conversion.missing.is_empty() {
        return Ok(());
    }
    let what = shown.unwrap_or_else(|| "it".to_owned());
    bail!("{what} is not complete; fill in:\n  {}", conversion.missing.join("\n  "));
}

/// Puts the password where it belongs, or says how. It is never shown.
fn password(arguments: &Arguments, conversion: &Conversion, path: &str) -> anyhow::Result<()> {
    if !conversion.needs_password {
        return Ok(());
    }
    match (&conversion.password, arguments.write_password) {
        (Some(password), true) => {
            write(Path::new(path), 0o600, &format!("{}\n", password.expose()))?;
            operate::warn(&format!(
                "keepair: wrote the password to {path}; copy it to the other machine\n"
            ));
        }
        (Some(_), false) => operate::warn(&format!(
            "keepair: the password goes to {path} on both machines: --write-password writes it here, or\n  \
             install -D -m 600 /dev/stdin {path}\n"
        )),
        (None, _) => operate::warn(&format!(
            "keepair: which password is Redis's, the scripts' arguments do not tell; put it into {path} \
             on both machines:\n  install -D -m 600 /dev/stdin {path}\n"
        )),
    }
    Ok(())
}

/// Writes a new file; one that is there stays.
fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let name = || path.display().to_string();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(name)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(name)
}

/// The beginning of a script's text, if it has one.
fn script_text(path: &str) -> Option<String> {
    use std::io::Read;
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(SCRIPT_BYTES).read_to_end(&mut bytes).ok()?;
    // A program's bytes may spell anything.
    bytes.starts_with(b"#!").then(|| String::from_utf8_lossy(&bytes).into_owned())
}
