//! Scripts, users and named pipes.

use super::{Entry, Reader};
use crate::keepalived::file::{Command, Fifo, Script, User};
use crate::keepalived::place::Placed;
use crate::keepalived::tree::Word;
use crate::keepalived::words;
use crate::secret::Secret;
use crate::value::{Fault, quote};

impl Reader<'_> {
    /// A script and who runs it.
    pub(super) fn script(&mut self, entry: Entry<'_>) -> Option<Script> {
        let words = entry.node.arguments();
        if words.is_empty() {
            // Says that it is missing.
            let _ = self.word(entry);
            return None;
        }
        self.script_words(words, entry.name())
    }

    /// `script [user [group]]`.
    pub(super) fn script_words(&mut self, words: &[Word], what: &str) -> Option<Script> {
        let [script, user @ ..] = words else { return None };
        let command = self.command(script, what)?;
        if let [_, _, extra, ..] = user {
            let fault = Fault::new(
                format!("`{what}`: its arguments are not in the quotes"),
                "keepalived takes what follows the script for a user and a group: put the script \
                 and its arguments in double quotes",
            );
            self.found.dropped(extra.place, fault);
            return None;
        }
        let user = match user {
            [] => None,
            user => Some(self.user_words(user)?),
        };
        Some(Script { command, user })
    }

    /// What a script line runs.
    pub(super) fn command(&mut self, script: &Word, what: &str) -> Option<Placed<Command>> {
        let mut words = words::command(script, self.found).into_iter();
        let path = words.next().unwrap_or_default();
        if path.is_empty() {
            let fault = Fault::new(format!("`{what}` without a script"), "write its path");
            self.found.dropped(script.place, fault);
            return None;
        }
        if path.starts_with('<') {
            return Some(Placed::new(Command::Connect(script.text.clone()), script.place));
        }
        if !path.starts_with('/') {
            let fault = Fault::new(
                format!("the script {} is not an absolute path", quote(&path)),
                "write the path from the root; otherwise it is searched for in PATH",
            );
            self.found.warning(script.place, fault);
        }
        let arguments = words.map(Secret::new).collect();
        Some(Placed::new(Command::Program { path, arguments }, script.place))
    }

    /// `user [group]` behind its keyword.
    pub(super) fn user(&mut self, entry: Entry<'_>) -> Option<Placed<User>> {
        let words = entry.node.arguments();
        if words.is_empty() {
            let _ = self.word(entry);
            return None;
        }
        if let [_, _, extra, ..] = words {
            self.extra(entry, extra);
        }
        self.user_words(words)
    }

    /// `user [group]`. Numbers are no names.
    fn user_words(&mut self, words: &[Word]) -> Option<Placed<User>> {
        let [name, group @ ..] = words else { return None };
        let mut bad = None;
        if !is_name(&name.text) {
            bad = Some(name);
        }
        let mut user = User { name: name.text.clone(), group: None, supplementary_groups: false };
        if let Some(word) = group.first() {
            let bare = word.text.strip_prefix(':');
            user.supplementary_groups = bare.is_some();
            let bare = bare.unwrap_or(&word.text);
            let only_colon = user.supplementary_groups && bare.is_empty();
            if !is_name(bare) && !only_colon {
                bad = bad.or(Some(word));
            }
            user.group = (!only_colon).then(|| bare.to_owned());
        }
        if let Some(word) = bad {
            // It may be an argument that was meant for the script.
            let fault = Fault::new(
                "this is no name of a user or group",
                "a script with arguments stands in double quotes, and the user behind them",
            );
            self.found.dropped(word.place, fault);
            return None;
        }
        Some(Placed::new(user, name.place))
    }

    /// A named pipe and who it belongs to.
    pub(super) fn fifo(&mut self, entry: Entry<'_>) -> Option<Fifo> {
        let words = entry.node.arguments();
        let [path, owner @ ..] = words else {
            let _ = self.word(entry);
            return None;
        };
        if !path.text.starts_with('/') {
            let fault = Fault::new(
                format!("{} is not an absolute path", quote(&path.text)),
                "write the path from the root; this one depends on where the daemon runs",
            );
            self.found.warning(path.place, fault);
        }
        if path.text.is_empty() {
            let fault = Fault::new("a pipe without a name", "write its path");
            self.found.dropped(path.place, fault);
            return None;
        }
        if let [_, _, extra, ..] = owner {
            self.extra(entry, extra);
        }
        let owner = match owner {
            [] => None,
            owner => self.user_words(owner),
        };
        Some(Fifo { path: Placed::new(path.text.clone(), path.place), owner })
    }
}

/// Whether the user database could have it.
fn is_name(text: &str) -> bool {
    let good = |ch: char| ch.is_alphanumeric() || matches!(ch, '_' | '-' | '.' | '$');
    !text.is_empty()
        && text.len() <= 32
        && text.chars().all(good)
        && !text.starts_with('-')
        && !text.chars().all(|ch| ch.is_ascii_digit())
}
