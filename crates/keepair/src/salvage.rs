//! `keepair salvage`: what was kept of a Redis before it was overwritten.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use keepair_linux::redis::{Access, Endpoint};
use keepair_linux::rtnl::Rtnl;
use keepair_linux::salvage::replay::{Choice, Plan, Replay};
use keepair_linux::salvage::shelf::{self, Item, Kind};
use keepair_linux::salvage::tape::{self, Group, Tape, field, is_data};
use keepair_wire::tail::{Entry, What};
use serde_json::{Value, json};

use crate::check::{self, Configuration};
use crate::{STATE_DIR, access, operate};

/// An argument of a command is shown up to so many bytes.
const SHOWN_BYTES: usize = 60;
/// So many keys are listed where all would be too many.
const SHOWN_KEYS: usize = 20;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// One line for each, oldest first.
    List {
        #[command(flatten)]
        dir: StateDir,
        /// As JSON, one object to a line.
        #[arg(long)]
        json: bool,
    },
    /// Every command of one, with its database, or the files of an archive.
    ///
    /// A deletion marked with `?` may be a client's, or Redis's own for a key that expired or was
    /// evicted: they look the same. Redis writes its own in capitals and with one key.
    Show {
        /// Its name, or as much of it as is needed.
        name: String,
        #[command(flatten)]
        dir: StateDir,
        /// As JSON. Bytes that are not text are escaped as in the other form.
        #[arg(long)]
        json: bool,
    },
    /// Put one back: send its commands to the primary.
    ///
    /// Shows what it would do; with `--yes` it does it.
    ///
    /// Only keys that nobody wrote since the two histories parted are put back. Which those are the
    /// primary's own replication backlog tells: it names every key that was written since. Keys that
    /// were changed together, by one command or in one transaction, are put back together or not at
    /// all. At the moment it is changed, each key is watched, so that no write is overtaken. What was
    /// put back counts as written: doing it again changes nothing.
    ///
    /// Where the backlog does not reach back to the fork, nothing tells, and nothing is put back
    /// unless it is asked for by `--key` or `--all`. Both overwrite what was written since, and do again
    /// what was done already. A tail that empties a database, or has commands whose keys nobody knows,
    /// is put back only as a whole.
    Apply {
        /// Its name, or as much of it as is needed.
        name: String,
        /// The pair's keepair.toml: the virtual address and the login.
        #[arg(short = 'f', long, value_name = "FILE", default_value = "/etc/keepair/keepair.toml")]
        config: PathBuf,
        #[command(flatten)]
        dir: StateDir,
        /// To the Redis of this machine, not to the one behind the virtual address.
        #[arg(long)]
        local: bool,
        /// This key, written since or not, and what was changed together with it. May be repeated.
        #[arg(long, value_name = "KEY", conflicts_with = "all")]
        key: Vec<String>,
        /// Everything, written since or not, in the order it was done.
        #[arg(long)]
        all: bool,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub(crate) struct StateDir {
    /// Where the daemon keeps what must survive a restart.
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
}

/// Runs one of them.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List { dir, json } => list(&dir.state_dir, *json),
        Command::Show { name, dir, json } => {
            let item = find(&dir.state_dir, name)?;
            match item.kind {
                Kind::Tail => show(&item, *json),
                Kind::Archive => show_archive(&item, *json),
            }
        }
        Command::Apply { name, config, dir, local, key, all, yes } => {
            let item = find(&dir.state_dir, name)?;
            let choice = match (all, key.is_empty()) {
                (true, _) => Choice::All,
                (_, false) => {
                    Choice::Keys(key.iter().map(|key| key.clone().into_bytes()).collect())
                }
                _ => Choice::Untouched,
            };
            let access = way_in(config, *local)?;
            apply(&tape::load(&item)?, access, &choice, *yes)
        }
    }
}

fn items(dir: &Path) -> anyhow::Result<Vec<Item>> {
    shelf::list(dir).with_context(|| format!("state directory {}", dir.display()))
}

fn find(dir: &Path, name: &str) -> anyhow::Result<Item> {
    let mut items = items(dir)?;
    items.retain(|item| item.name.starts_with(name));
    let exact = items.iter().position(|item| item.name == name);
    match (exact, items.len()) {
        (Some(at), _) => Ok(items.swap_remove(at)),
        (None, 1) => Ok(items.swap_remove(0)),
        (None, 0) => bail!("nothing in {} is called `{name}`", dir.display()),
        (None, _) => bail!("several names begin with `{name}`: write more of it"),
    }
}

fn when(item: &Item) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(item.unix_ms));
    at.map_or("?".to_owned(), |at| humantime::format_rfc3339_seconds(at).to_string())
}

fn kind(item: &Item) -> &'static str {
    match item.kind {
        Kind::Tail => "commands",
        Kind::Archive => "data-files",
    }
}

fn list(dir: &Path, as_json: bool) -> anyhow::Result<()> {
    let mut out = String::new();
    for item in items(dir)? {
        let note = &item.note;
        if as_json {
            let path = item.path.display().to_string();
            let line =
                json!({ "name": item.name, "kind": kind(&item), "path": path, "note": note });
            writeln!(out, "{line}")?;
            continue;
        }
        let what = match (item.kind, note.is_null()) {
            (_, true) => "its note can't be read".to_owned(),
            (Kind::Tail, _) => {
                format!("{} commands on {} keys", field(note, "commands"), field(note, "keys"))
            }
            (Kind::Archive, _) => format!("data files, {} bytes", field(note, "bytes")),
        };
        let machine = printable(field(note, "machine").as_bytes(), SHOWN_BYTES);
        let generation = field(note, "generation");
        writeln!(
            out,
            "{}  {}  {machine}, generation {generation}: {what}",
            item.name,
            when(&item)
        )?;
    }
    if out.is_empty() && !as_json {
        out = format!("nothing was salvaged in {}\n", dir.display());
    }
    operate::show(&out)
}

fn head(item: &Item) -> String {
    let note = &item.note;
    let machine = printable(field(note, "machine").as_bytes(), SHOWN_BYTES);
    format!(
        "{}\n  when        {}\n  machine     {machine}, generation {}\n",
        item.name,
        when(item),
        field(note, "generation"),
    )
}

fn show(item: &Item, as_json: bool) -> anyhow::Result<()> {
    let tape = tape::load(item)?;
    if as_json {
        let commands: Vec<Value> =
            tape.entries.iter().filter(|entry| is_data(entry)).map(one).collect();
        let shown = json!({ "name": item.name, "note": item.note, "commands": commands });
        return operate::show(&format!("{shown}\n"));
    }
    let note = &item.note;
    let mut out = head(item);
    writeln!(out, "  history     {}", field(note, "replid"))?;
    writeln!(
        out,
        "  offsets     {} to {}",
        field(note, "first_offset"),
        field(note, "last_offset")
    )?;
    writeln!(out, "  commands    {} on {} keys", field(note, "commands"), field(note, "keys"))?;
    for (name, what) in [
        ("expired", "deletions of keys whose time was over, besides"),
        ("may_be_expired", "deletions of theirs may be for keys that expired or were evicted"),
        ("commands_on_everything", "of them change a whole database"),
        ("commands_with_unknown_keys", "of them name keys in a way that is not known here"),
        ("messages", "messages to channels were left out"),
    ] {
        if note[name].as_u64().is_some_and(|count| count > 0) {
            writeln!(out, "  {:<11} {what}", field(note, name))?;
        }
    }
    for entry in tape.entries.iter().filter(|entry| is_data(entry)) {
        let db = entry.db.map_or("db?".to_owned(), |db| format!("db{db}"));
        let mark = match (entry.what, entry.may_be_an_expiry()) {
            (What::Expired, _) => "expired ",
            (_, true) => "? ",
            _ => "",
        };
        let frame = if entry.in_transaction { "| " } else { "" };
        let (name, rest) = entry.args.split_first().ok_or_else(|| anyhow!("an empty command"))?;
        write!(out, "{db:<5} {frame}{mark}{}", printable(name, SHOWN_BYTES))?;
        for arg in rest {
            write!(out, " \"{}\"", printable(arg, SHOWN_BYTES))?;
        }
        out.push('\n');
    }
    operate::show(&out)
}

fn one(entry: &Entry) -> Value {
    let args: Vec<String> = entry.args.iter().map(|arg| printable(arg, usize::MAX)).collect();
    json!({
        "offset": entry.offset,
        "database": entry.db,
        "transaction": entry.in_transaction,
        "expired": entry.what == What::Expired,
        "may_be_expired": entry.may_be_an_expiry(),
        "command": args,
    })
}

fn show_archive(item: &Item, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let shown = json!({ "name": item.name, "note": item.note });
        return operate::show(&format!("{shown}\n"));
    }
    let note = &item.note;
    let mut out = head(item);
    writeln!(out, "  from        {}", printable(field(note, "directory").as_bytes(), 200))?;
    writeln!(out, "  to          {}", item.path.display())?;
    if note["unsaved_changes"].as_u64().is_some_and(|count| count > 0) {
        let unsaved = field(note, "unsaved_changes");
        writeln!(out, "  missing     {unsaved} changes since the last save were in memory only")?;
    }
    for file in note["files"].as_array().into_iter().flatten() {
        let name = printable(field(file, "name").as_bytes(), 200);
        writeln!(out, "  file        {name}, {} bytes", field(file, "bytes"))?;
    }
    operate::show(&out)
}

/// How to reach the Redis that the commands are for.
fn way_in(file: &Path, local: bool) -> anyhow::Result<Access> {
    let Configuration::Pair(config) = check::read(file, None)? else {
        bail!("{} describes no Redis pair", file.display());
    };
    if local {
        let own: Vec<IpAddr> = Rtnl::open()
            .and_then(|mut rtnl| rtnl.own_addresses())
            .context("netlink")?
            .iter()
            .map(|own| own.address)
            .collect();
        let me = config.find_own(&own).map_err(|error| anyhow!("{error}"))?;
        return access::load(&config, me);
    }
    let mut access = access::load(&config, 0)?;
    let port = config.redis.port;
    access.endpoints =
        config.vips.iter().map(|vip| Endpoint::Tcp(SocketAddr::new(vip.address, port))).collect();
    Ok(access)
}

fn apply(tape: &Tape, access: Access, choice: &Choice, yes: bool) -> anyhow::Result<()> {
    let mut replay = Replay::begin(tape, access).context("the primary")?;
    let (plan, since) = replay.plan(choice).context("the primary")?;
    operate::show(&of_plan(&plan, choice))?;
    if plan.wanted.is_empty() {
        return Ok(());
    }
    if !yes {
        return operate::show("Nothing was done: this is what `--yes` would do.\n");
    }
    let outcome = replay.apply(&plan, since).context("the primary")?;
    let mut out = format!("{} commands were done\n", outcome.done);
    if outcome.overtaken > 0 {
        writeln!(
            out,
            "{} groups of keys were written meanwhile, and left alone",
            outcome.overtaken
        )?;
    }
    if outcome.refused > 0 {
        writeln!(out, "{} commands were refused:", outcome.refused)?;
        for error in &outcome.errors {
            writeln!(out, "  {}", printable(error.as_bytes(), 200))?;
        }
    }
    operate::show(&out)?;
    if outcome.refused > 0 {
        bail!("not everything was put back");
    }
    Ok(())
}

fn of_plan(plan: &Plan, choice: &Choice) -> String {
    let mut out = String::new();
    let mut line = |text: String| out = std::mem::take(&mut out) + &text + "\n";
    if plan.shared > 0 {
        line(format!("{} commands the primary had received before: left out", plan.shared));
    }
    if let Some(why) = &plan.unknown {
        line(format!("which keys were written since can't be told: {why}"));
        line("choose by --key or --all what is to be put back all the same".to_owned());
    }
    let unclear: Vec<&str> = plan.left.iter().filter_map(|group| group.unclear).collect();
    if *choice == Choice::Untouched
        && plan.unknown.is_none()
        && let Some(why) = unclear.first()
    {
        line(format!(
            "a command of the tail can't be put back by itself ({why}): choose by --key or --all"
        ));
    }
    let keys: usize = plan.wanted.iter().map(|group| group.keys.len()).sum();
    line(format!("{} commands on {keys} keys are to be put back", plan.commands()));
    for text in shown_keys(&plan.wanted) {
        line(text);
    }
    if !plan.left.is_empty() {
        let commands: usize = plan.left.iter().map(|group| group.entries.len()).sum();
        let keys: usize = plan.left.iter().map(|group| group.keys.len()).sum();
        let why = match (choice, &plan.unknown, unclear.is_empty()) {
            (Choice::Untouched, None, true) => ": written since, or together with one that was",
            _ => "",
        };
        line(format!("{commands} commands on {keys} keys are left alone{why}"));
        for text in shown_keys(&plan.left) {
            line(text);
        }
    }
    out
}

/// The first keys, those that belong together on one line.
fn shown_keys(groups: &[Group]) -> Vec<String> {
    let name = |(db, name): &tape::Key| format!("db{db} \"{}\"", printable(name, SHOWN_BYTES));
    let group = |group: &Group| {
        let mut names: Vec<String> = group.keys.iter().take(SHOWN_KEYS).map(name).collect();
        if group.keys.len() > SHOWN_KEYS {
            names.push(format!("and {} more", group.keys.len() - SHOWN_KEYS));
        }
        format!("  {}", names.join(", "))
    };
    let named: Vec<&Group> = groups.iter().filter(|group| !group.keys.is_empty()).collect();
    let mut lines: Vec<String> = named.iter().take(SHOWN_KEYS).map(|one| group(one)).collect();
    if named.len() > SHOWN_KEYS {
        lines.push(format!("  and {} more", named.len() - SHOWN_KEYS));
    }
    lines
}

/// Bytes as a terminal may see them, cut where they are too long.
fn printable(bytes: &[u8], most: usize) -> String {
    let shown = bytes.get(..most.min(bytes.len())).unwrap_or(bytes);
    let mut out = shown.escape_ascii().to_string().replace("\\'", "'");
    if shown.len() < bytes.len() {
        let _ = write!(out, "... ({} bytes)", bytes.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_never_reach_a_terminal_as_they_are() {
        for (bytes, most, shown) in [
            (&b"plain key:1"[..], 60, "plain key:1"),
            (b"\x1b[2J\r\n\xff", 60, "\\x1b[2J\\r\\n\\xff"),
            (b"it's \"so\"", 60, "it's \\\"so\\\""),
            (b"long", 2, "lo... (4 bytes)"),
        ] {
            assert_eq!(printable(bytes, most), shown);
        }
    }
}
