//! keepalived.conf, a table for every rule of it.

use std::collections::BTreeMap;

use super::{File, Machine, Options, Parsed, Unreadable, parse};
use crate::Severity;

mod blocks;
mod language;
mod mutation;
mod scripts;
mod table;
mod traps;
mod values;

/// A machine that has these files and tells nothing else.
#[derive(Default)]
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// The first file is `/etc/keepalived.conf`; a line `==> NAME` begins another one.
    pub(super) fn new(text: &str) -> Self {
        let mut files = BTreeMap::new();
        let mut name = "/etc/keepalived.conf".to_owned();
        let mut content = String::new();
        for line in text.split_inclusive('\n') {
            if let Some(next) = line.strip_prefix("==> ") {
                files.insert(name, core::mem::take(&mut content).into_bytes());
                name = format!("/etc/{}", next.trim());
            } else {
                content.push_str(line);
            }
        }
        files.insert(name, content.into_bytes());
        Files(files)
    }
}

impl Machine for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let folder = format!("{path}/");
        match self.0.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None if self.0.keys().any(|name| name.starts_with(&folder)) => Err(Unreadable::NoFile),
            None => Err(Unreadable::Missing),
        }
    }

    fn list(&self, path: &str) -> Vec<String> {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let names = self.0.keys().filter_map(|name| name.strip_prefix(&folder));
        let mut names: Vec<String> =
            names.filter_map(|name| name.split('/').next()).map(str::to_owned).collect();
        names.dedup();
        names
    }

    fn environment(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".to_owned())
    }
}

fn options() -> Options {
    Options { config_id: "redis-1".to_owned(), ..Options::default() }
}

fn read(text: &str) -> Parsed {
    parse("/etc/keepalived.conf", &Files::new(text), &options())
}

/// Everything found, a line each: `line:column message`, warnings with `warning: `, notes behind it;
/// a file that is not the first with its name.
fn found(text: &str) -> Vec<String> {
    let parsed = read(text);
    let failed = parsed.diagnostics.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(parsed.file.is_none(), failed, "{text}");
    let place = |file: &str, line: usize, column: usize| match file {
        "/etc/keepalived.conf" => format!("{line}:{column}"),
        other => format!("{}:{line}:{column}", other.trim_start_matches("/etc/")),
    };
    let shown = parsed.diagnostics.iter().map(|one| {
        let warning = if one.severity == Severity::Warning { "warning: " } else { "" };
        let mut shown =
            format!("{} {warning}{}", place(&one.file, one.line, one.column), one.message);
        for note in &one.notes {
            let place = place(&note.file, note.line, note.column);
            shown.push_str(&format!(" [{place} {}]", note.message));
        }
        shown
    });
    shown.collect()
}

/// The values of a text without errors.
#[track_caller]
pub(super) fn good(text: &str) -> File {
    let parsed = read(text);
    let shown = parsed.render(false);
    parsed.file.unwrap_or_else(|| panic!("{text}\n{shown}"))
}
