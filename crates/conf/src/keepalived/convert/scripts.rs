//! What the scripts of an instance tell: which of them are about Redis, and the addresses, the port and
//! the password in their arguments.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::{Known, show, shown_command, shown_script};
use crate::keepalived::file::{Command, File, Instance, Notify, Script};
use crate::secret::Secret;

/// What was learned.
#[derive(Default)]
pub(super) struct Told {
    /// What Keepair does instead of a script, a line each.
    pub(super) replaced: Vec<String>,
    /// Scripts that have nothing to do with Redis, a line each.
    pub(super) others: Vec<String>,
    /// Addresses that are arguments, in the order of the file; no loopback.
    pub(super) addresses: Vec<IpAddr>,
    /// Redis's port.
    pub(super) port: Option<u16>,
    /// Its password, if the arguments agree on one.
    pub(super) password: Option<Secret>,
    /// A password is used, though no argument holds it.
    pub(super) has_password: bool,
    /// Names of the scripts that judged Redis.
    pub(super) checks: BTreeSet<String>,
}

/// Learns from the scripts of an instance and of its sync group.
pub(super) fn told(file: &File, it: &Instance, known: &Known<'_>) -> Told {
    let mut told = Told::default();
    let mut found = Found::default();
    let group = file
        .sync_groups
        .iter()
        .find(|group| group.members.iter().any(|one| **one == it.name.value));
    let tracked =
        it.tracks.scripts.iter().chain(group.iter().flat_map(|group| &group.tracks.scripts));
    for track in tracked {
        let Some(script) = file.scripts.iter().find(|script| script.name.value == track.name.value)
        else {
            continue;
        };
        let what = format!("script {} ({})", show(&script.name), shown_command(&script.command));
        if found.look(&script.command, known) {
            told.checks.insert(script.name.value.clone());
            told.replaced.push(format!(
                "{what}: Keepair keeps a connection to Redis, asks it many times a second, and sees its \
                 process end"
            ));
        } else {
            told.others.push(what);
        }
    }
    let groups = group.iter().map(|group| &group.notify);
    for notify in core::iter::once(&it.notify).chain(groups) {
        for (script, word, instead) in words(notify) {
            let what = format!("{word} ({})", shown_script(script));
            if found.look(&script.command, known) {
                told.replaced.push(format!("{what}: {instead}"));
            } else {
                told.others.push(what);
            }
        }
    }
    told.port = found.port;
    told.addresses = found.addresses;
    told.has_password = found.in_text;
    // What most scripts are given is the password; of two that are as good, the operator knows which.
    let most = found.candidates.iter().map(|(_, times)| *times).max();
    let mut best = found.candidates.into_iter().filter(|(_, times)| Some(*times) == most);
    match (best.next(), best.next()) {
        (Some((password, _)), None) => told.password = Some(password),
        (first, _) => told.has_password |= first.is_some(),
    }
    told
}

/// The scripts that run at changes, and what Keepair does then.
fn words(notify: &Notify) -> impl Iterator<Item = (&Script, &'static str, &'static str)> {
    const PROMOTED: &str = "a standby applies every byte it has received, becomes the primary by REPLICAOF NO ONE, \
                            and only then gets the address";
    const REJOINS: &str =
        "a machine that is no longer the primary becomes the replica of the other by itself";
    const LOGGED: &str = "Keepair's log and `keepair status` tell the state and the reason";
    let rows = [
        (notify.master.as_ref(), "notify_master", PROMOTED),
        (notify.backup.as_ref(), "notify_backup", REJOINS),
        (notify.fault.as_ref(), "notify_fault", LOGGED),
        (notify.stop.as_ref(), "notify_stop", "a daemon that is stopped hands over first"),
        (notify.any.as_ref(), "notify", "promotion and rejoining are Keepair's own"),
        (notify.master_rx_lower_priority.as_ref(), "notify_master_rx_lower_pri", LOGGED),
    ];
    let deleted = notify.deleted.as_ref().and_then(|deleted| deleted.value.as_ref());
    let rows = rows.into_iter().chain([(deleted, "notify_deleted", LOGGED)]);
    rows.filter_map(|(script, word, instead)| Some((script?, word, instead)))
}

/// What the arguments hold.
#[derive(Default)]
struct Found {
    addresses: Vec<IpAddr>,
    port: Option<u16>,
    /// What may be a password, and how many scripts are given it.
    candidates: Vec<(Secret, usize)>,
    in_text: bool,
}

impl Found {
    /// Whether a script has to do with Redis; if so, what its arguments hold is taken.
    fn look(&mut self, command: &Command, known: &Known<'_>) -> bool {
        let Command::Program { path, arguments } = command else {
            let Command::Connect(text) = command else { return false };
            // Somebody asks whether Redis takes connections.
            return text.trim_end().ends_with("/6379");
        };
        let text = (known.script_text)(path);
        let speaks = |text: &str| {
            let text = text.to_lowercase();
            text.contains("redis") || text.contains("valkey")
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_arguments = arguments.iter().any(|argument| argument.expose().contains("redis-cli"));
        if !speaks(name) && !in_arguments && !text.as_deref().is_some_and(speaks) {
            return false;
        }
        self.in_text |= text.is_some_and(|text| {
            text.contains("REDISCLI_AUTH=")
                || text.contains("--pass ")
                || text.split_whitespace().zip(text.split_whitespace().skip(1))
                    // `-a $1` is an argument's, which was seen.
                    .any(|(option, value)| option == "-a" && !value.contains('$'))
        });
        self.arguments(arguments);
        true
    }

    fn arguments(&mut self, arguments: &[Secret]) {
        let mut words = arguments.iter().map(Secret::expose).peekable();
        while let Some(word) = words.next() {
            match word {
                "-a" | "--pass" => self.candidate(words.next()),
                "-p" => self.port = self.port.or(words.next().and_then(port)),
                "-h" => self.address(words.next().unwrap_or_default()),
                "--no-auth-warning" => {}
                _ if word.starts_with('-') => {}
                _ if word.parse::<IpAddr>().is_ok() => {
                    self.address(word);
                    // What stands behind an address is its port.
                    if let Some(port) = words.peek().copied().and_then(port) {
                        self.port = self.port.or(Some(port));
                        words.next();
                    }
                }
                "localhost" | "127.0.0.1" => {}
                "6379" => self.port = self.port.or(Some(6379)),
                _ => match word
                    .rsplit_once(':')
                    .and_then(|(host, number)| Some((host.parse::<IpAddr>().ok()?, port(number)?)))
                {
                    Some((address, port)) => {
                        self.address(&address.to_string());
                        self.port = self.port.or(Some(port));
                    }
                    // Programs and keywords of redis-cli are no passwords, nor is a path.
                    None if word.contains('/') || is_word_of_redis(word) => {}
                    None => self.candidate(Some(word)),
                },
            }
        }
    }

    fn candidate(&mut self, word: Option<&str>) {
        let Some(word) = word.filter(|word| !word.is_empty()) else { return };
        let secret = Secret::new(word.to_owned());
        match self.candidates.iter_mut().find(|(known, _)| *known == secret) {
            Some((_, times)) => *times += 1,
            None => self.candidates.push((secret, 1)),
        }
    }

    fn address(&mut self, word: &str) {
        let Ok(address) = word.parse::<IpAddr>() else { return };
        if !address.is_loopback() && !address.is_unspecified() && !self.addresses.contains(&address)
        {
            self.addresses.push(address);
        }
    }
}

fn port(word: &str) -> Option<u16> {
    word.parse().ok().filter(|port| *port > 0)
}

/// Words of a command line of redis-cli, and of scripts that take a role.
fn is_word_of_redis(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "redis-cli",
        "valkey-cli",
        "redis-server",
        "valkey-server",
        "ping",
        "slaveof",
        "replicaof",
        "no",
        "one",
        "info",
        "role",
        "replication",
        "master",
        "slave",
        "primary",
        "replica",
        "backup",
        "fault",
        "stop",
    ];
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}
