//! A machine with a real disk, as far as these tests need one.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use keepair_conf::keepalived::{Account, Entry, Inspection, Machine, Unreadable};

/// Answers from this machine's disk and its user database.
pub(crate) struct Disk;

impl Machine for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let metadata = fs::metadata(path).map_err(|_| Unreadable::Missing)?;
        if !metadata.is_file() {
            return Err(Unreadable::NoFile);
        }
        if metadata.permissions().mode() & 0o111 != 0 {
            return Err(Unreadable::Executable);
        }
        fs::read(path).map_err(|error| Unreadable::Refused(error.to_string()))
    }

    fn list(&self, path: &str) -> Vec<String> {
        let path = if path.is_empty() { "." } else { path };
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn inspect(&self, path: &str) -> Inspection {
        let (Ok(real_path), Ok(metadata)) = (fs::canonicalize(path), fs::metadata(path)) else {
            return Inspection::Missing;
        };
        Inspection::Found(Entry {
            real_path: real_path.display().to_string(),
            is_file: metadata.is_file(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & 0o7777,
        })
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn user(&self, name: &str) -> Account {
        account("/etc/passwd", name)
    }

    fn group(&self, name: &str) -> Account {
        account("/etc/group", name)
    }
}

fn account(database: &str, name: &str) -> Account {
    let text = fs::read_to_string(database).expect(database);
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields.first() == Some(&name));
    let number = |fields: &[&str], at: usize| fields.get(at)?.parse().ok();
    match found {
        None => Account::Missing,
        Some(fields) => {
            let uid = number(&fields, 2).expect("an id");
            Account::Found { uid, gid: number(&fields, 3).unwrap_or(uid) }
        }
    }
}
