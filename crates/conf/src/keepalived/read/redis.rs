//! The `redis` block, which is ours: the keys of `keepair.toml`, with the same bounds.

use core::time::Duration;

use super::{Entry, Reader};
use crate::config::Tls;
use crate::keepalived::file::{Redis, TieBreaker};
use crate::keepalived::found::Kind;
use crate::keepalived::keywords::{Scope, Takes};
use crate::keepalived::place::Placed;
use crate::keys::{Key, Kind as Value};
use crate::secret::Secret;
use crate::value::{Fault, address, duration, name, quote};

/// How to write a key's value.
pub(super) fn synopsis(key: &Key) -> String {
    match key.kind {
        Value::Integer { least, most } => format!("{least}..{most}"),
        Value::Duration { least, most } => {
            format!("{}..{}", duration::show(least), duration::show(most))
        }
        Value::Path => "PATH".to_owned(),
        Value::Secret => "PASSWORD".to_owned(),
        Value::Texts => "TEXT ...".to_owned(),
        Value::Address => "ADDRESS".to_owned(),
        _ => "TEXT".to_owned(),
    }
}

impl Reader<'_> {
    pub(super) fn redis(&mut self, entry: Entry<'_>) -> Placed<Redis> {
        let mut it = Redis::default();
        for entry in self.entries(entry.node.lines(), Scope::Redis) {
            match entry.name() {
                "port" => it.port = self.key_number(entry),
                "host" => it.host = self.key(entry, address::parse_local),
                "socket" => {
                    it.socket = self
                        .key_text(entry, |text| name::path(text).and_then(|()| name::socket(text)))
                }
                "username" => it.username = self.text(entry),
                "password" => it.password = self.secret(entry),
                "password_file" => it.password_file = self.key_text(entry, name::path),
                "tls" => it.tls = Some(self.tls(entry, Scope::RedisTls)),
                "ping_interval" => it.ping_interval = self.key_duration(entry),
                "ping_timeout" => it.ping_timeout = self.key_duration(entry),
                "hang_timeout" => it.hang_timeout = self.key_duration(entry),
                "info_interval" => it.info_interval = self.key_duration(entry),
                "reconnect_interval" => it.reconnect_interval = self.key_duration(entry),
                "tiebreaker" => it.tie_breaker = Some(self.tie_breaker(entry)),
                _ => {}
            }
        }
        if let (Some(host), Some(socket)) = (&it.host, &it.socket) {
            let note = (host.place, "the other one");
            self.exclusive(socket.place, "`host` and `socket`", note);
        }
        if let (Some(password), Some(file)) = (&it.password, &it.password_file) {
            let note = (password.place, "the other one");
            self.exclusive(file.place, "`password` and `password_file`", note);
        }
        if let Some(username) = &it.username
            && it.password.is_none()
            && it.password_file.is_none()
        {
            let fault = Fault::new(
                "`username` without a password",
                "write `password` or `password_file`, too",
            );
            self.found.error(username.place, fault);
        }
        Placed::new(it, entry.place())
    }

    fn exclusive(
        &mut self,
        place: crate::keepalived::place::Place,
        which: &str,
        note: (crate::keepalived::place::Place, &str),
    ) {
        let fault = Fault::new(format!("{which} exclude each other"), "take one of them out");
        self.found.with(Kind::Error, place, fault, note);
    }

    /// What is a good URL, and what goes with what, says the reader of `keepair.toml`.
    fn tie_breaker(&mut self, entry: Entry<'_>) -> Placed<TieBreaker> {
        let mut it = TieBreaker::default();
        for entry in self.entries(entry.node.lines(), Scope::TieBreaker) {
            match entry.name() {
                "gateway" => it.gateway = self.key(entry, address::parse_gateway),
                "witness" => it.witness = self.secret(entry),
                "witness_password_file" => {
                    it.witness_password_file = self.key_text(entry, name::path)
                }
                "etcd" => it.etcd = self.secrets(entry),
                "etcd_password_file" => it.etcd_password_file = self.key_text(entry, name::path),
                "key" => it.key = self.text(entry),
                "tls" => it.tls = Some(self.tls(entry, Scope::BreakerTls)),
                _ => {}
            }
        }
        Placed::new(it, entry.place())
    }

    fn tls(&mut self, entry: Entry<'_>, scope: Scope) -> Placed<Tls> {
        let mut it = Tls::default();
        for entry in self.entries(entry.node.lines(), scope) {
            let text = match entry.name() {
                "server_name" => self.text(entry),
                _ => self.key_text(entry, name::path),
            };
            let text = text.map(|text| text.value);
            match entry.name() {
                "ca" => it.ca = text,
                "cert" => it.cert = text,
                "key" => it.key = text,
                "server_name" => it.server_name = text,
                _ => {}
            }
        }
        if it.cert.is_some() != it.key.is_some() {
            let fault = Fault::new("`cert` and `key` go together", "write both or none");
            self.found.error(entry.place(), fault);
        }
        Placed::new(it, entry.place())
    }

    /// A password, which is never shown.
    pub(super) fn secret(&mut self, entry: Entry<'_>) -> Option<Placed<Secret>> {
        let secret = self.text(entry)?;
        Some(secret.map(Secret::new))
    }

    /// Every word of the line, each of which may hold a password; one at least.
    fn secrets(&mut self, entry: Entry<'_>) -> Vec<Placed<Secret>> {
        let words = entry.node.arguments();
        if words.is_empty() {
            // Says so.
            let _ = self.word(entry);
        }
        words.iter().map(|word| Placed::new(Secret::new(word.text.clone()), word.place)).collect()
    }

    /// What `parse` makes of the value. These keys are ours, so nothing is left out with a warning.
    fn key<T>(
        &mut self,
        entry: Entry<'_>,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<Placed<T>> {
        let text = self.text(entry)?;
        match parse(&text.value) {
            Ok(value) => Some(Placed::new(value, text.place)),
            Err(fault) => {
                self.found.error(text.place, fault);
                None
            }
        }
    }

    fn key_text(
        &mut self,
        entry: Entry<'_>,
        check: impl FnOnce(&str) -> Result<(), Fault>,
    ) -> Option<Placed<String>> {
        self.key(entry, |text| check(text).map(|()| text.to_owned()))
    }

    fn key_number(&mut self, entry: Entry<'_>) -> Option<Placed<u16>> {
        let Takes::Toml(Key { kind: Value::Integer { least, most }, .. }) = entry.keyword.takes
        else {
            return None;
        };
        self.key(entry, |text| {
            let number = text.parse::<u16>().ok();
            number.filter(|number| (*least..=*most).contains(&i64::from(*number))).ok_or_else(
                || {
                    Fault::new(
                        format!("`{}`: {} is out of range", entry.name(), quote(text)),
                        format!("write a number from {least} to {most}"),
                    )
                },
            )
        })
    }

    fn key_duration(&mut self, entry: Entry<'_>) -> Option<Placed<Duration>> {
        let Takes::Toml(Key { kind: Value::Duration { least, most }, .. }) = entry.keyword.takes
        else {
            return None;
        };
        self.key(entry, |text| {
            let time = duration::parse(text)?;
            if !(*least..=*most).contains(&time) {
                let [least, most] = [*least, *most].map(duration::show);
                return Err(Fault::new(
                    format!("`{}`: {} is out of range", entry.name(), duration::show(time)),
                    format!("write a time from {least} to {most}"),
                ));
            }
            Ok(time)
        })
    }
}
