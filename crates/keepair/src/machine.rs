//! This machine, as the reader of a `keepalived.conf` asks about it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use keepair_conf::keepalived::{Account, Entry, Inspection, Machine, Unreadable};
use keepair_linux::rtnl::Rtnl;
use nix::unistd::{Group, User};

/// Nobody writes a configuration or a script that is larger.
const LARGEST_BYTES: u64 = 16 * 1024 * 1024;

/// Answers from the disk and the user database.
pub(crate) struct ThisMachine;

impl Machine for ThisMachine {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        let refused = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Unreadable::Missing,
            _ => Unreadable::Refused(error.to_string()),
        };
        let file = fs::File::open(path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if !metadata.is_file() {
            return Err(Unreadable::NoFile);
        }
        if metadata.permissions().mode() & 0o111 != 0 {
            return Err(Unreadable::Executable);
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes).map_err(refused)?;
        if bytes.len() as u64 > LARGEST_BYTES {
            return Err(Unreadable::Refused("it is larger than 16 MiB".to_owned()));
        }
        Ok(bytes)
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

    fn user(&self, name: &str) -> Account {
        match User::from_name(name) {
            Ok(Some(user)) => Account::Found { uid: user.uid.as_raw(), gid: user.gid.as_raw() },
            Ok(None) => Account::Missing,
            Err(_) => Account::Unknown,
        }
    }

    fn group(&self, name: &str) -> Account {
        match Group::from_name(name) {
            Ok(Some(group)) => {
                let gid = group.gid.as_raw();
                Account::Found { uid: gid, gid }
            }
            Ok(None) => Account::Missing,
            Err(_) => Account::Unknown,
        }
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Reads files and tells nothing else: for a configuration that may be another machine's.
pub(crate) struct AnyMachine;

impl Machine for AnyMachine {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        ThisMachine.read(path)
    }

    fn list(&self, path: &str) -> Vec<String> {
        ThisMachine.list(path)
    }
}

/// The host name, as the kernel has it.
pub(crate) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// How long the machine has been running; zero if it does not tell.
pub(crate) fn since_boot() -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

/// The addresses of an interface, with the lengths of their networks' prefixes; none if there is no such interface, or nobody may ask.
pub(crate) fn addresses_of(interface: &str) -> Vec<(IpAddr, u8)> {
    let Ok(mut rtnl) = Rtnl::open() else { return Vec::new() };
    let Ok(Some(link)) = rtnl.link_by_name(interface) else { return Vec::new() };
    let all = rtnl.own_addresses().unwrap_or_default();
    let all = all.into_iter().filter(|own| own.ifindex == link.index);
    all.map(|own| (own.address, own.prefix_len)).collect()
}
