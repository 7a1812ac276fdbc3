//! Names of routing tables and protocols, as iproute2's files give them.
//!
//! Read by whoever makes a configuration, never by the real-time thread: the disk may be slow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keepair_core::router::network::Table;

/// Where the files are, the administrator's before the distribution's.
const FOLDERS: [&str; 3] = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];

/// What the files said.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Names {
    tables: BTreeMap<String, u32>,
    protocols: BTreeMap<String, u32>,
    ip_protocols: BTreeMap<String, u32>,
}

impl Names {
    /// Reads them. A file that is not there has no names.
    pub fn read() -> Names {
        Names::read_from(&FOLDERS.map(PathBuf::from), Path::new("/etc/protocols"))
    }

    fn read_from(folders: &[PathBuf], ip_protocols: &Path) -> Names {
        let mut names = Names::default();
        for folder in folders {
            for (file, into) in
                [("rt_tables", &mut names.tables), ("rt_protos", &mut names.protocols)]
            {
                for text in texts(folder, file) {
                    collect(&text, into, |number, name| (number, name));
                }
            }
        }
        if let Ok(text) = std::fs::read_to_string(ip_protocols) {
            collect(&text, &mut names.ip_protocols, |name, number| (number, name));
        }
        names
    }

    /// A routing table's number.
    ///
    /// # Errors
    /// For a name that no file has, with words for people. So the next two.
    pub fn table(&self, table: &Table) -> Result<u32, String> {
        find(table, &self.tables, "routing table")
    }

    /// The number of what puts routes and rules into the kernel.
    pub(crate) fn protocol(&self, protocol: &Table) -> Result<u8, String> {
        let number = find(protocol, &self.protocols, "routing protocol")?;
        u8::try_from(number).map_err(|_| format!("routing protocol {number} is above 255"))
    }

    /// The number of a protocol over IP.
    pub(crate) fn ip_protocol(&self, protocol: &Table) -> Result<u8, String> {
        let number = match protocol {
            // What every machine should know, also one without /etc/protocols.
            Table::Name(name) if !self.ip_protocols.contains_key(&name.to_lowercase()) => {
                match name.to_lowercase().as_str() {
                    "icmp" => 1,
                    "tcp" => 6,
                    "udp" => 17,
                    "ipv6-icmp" | "icmpv6" => 58,
                    "sctp" => 132,
                    _ => return Err(format!("there is no IP protocol named {name}")),
                }
            }
            Table::Name(name) => {
                find(&Table::Name(name.to_lowercase()), &self.ip_protocols, "IP protocol")?
            }
            Table::Number(number) => *number,
        };
        u8::try_from(number).map_err(|_| format!("IP protocol {number} is above 255"))
    }
}

fn find(table: &Table, names: &BTreeMap<String, u32>, what: &str) -> Result<u32, String> {
    match table {
        Table::Number(number) => Ok(*number),
        Table::Name(name) => {
            names.get(name).copied().ok_or_else(|| format!("there is no {what} named {name}"))
        }
    }
}

/// A file, and what lies beside it in a folder of the same name with `.d`.
fn texts(folder: &Path, file: &str) -> Vec<String> {
    let mut paths = vec![folder.join(file)];
    if let Ok(beside) = std::fs::read_dir(folder.join(format!("{file}.d"))) {
        let mut beside: Vec<PathBuf> = beside.flatten().map(|entry| entry.path()).collect();
        beside.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        beside.sort();
        paths.extend(beside);
    }
    paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// Takes in lines of two words and a comment; names that are known already stay what they are.
fn collect<'a>(
    text: &'a str,
    into: &mut BTreeMap<String, u32>,
    order: impl Fn(&'a str, &'a str) -> (&'a str, &'a str),
) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        let (number, name) = order(first, second);
        let number = match number.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        if let Ok(number) = number {
            into.entry(name.to_owned()).or_insert(number);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_administrators_names_go_before_the_distributions() {
        let base = std::env::temp_dir().join(format!("keepair-names-{}", std::process::id()));
        let (etc, share) = (base.join("etc"), base.join("share"));
        std::fs::create_dir_all(etc.join("rt_tables.d")).unwrap();
        std::fs::create_dir_all(&share).unwrap();
        std::fs::write(etc.join("rt_tables"), "# tables\n255 local\n100 blue # ours\n").unwrap();
        std::fs::write(etc.join("rt_tables.d/a.conf"), "0x65\tgreen\n").unwrap();
        std::fs::write(etc.join("rt_tables.d/a.txt"), "7 no\n").unwrap();
        std::fs::write(share.join("rt_tables"), "200 blue\n201 red\n").unwrap();
        std::fs::write(share.join("rt_protos"), "12 bird\n300 big\n").unwrap();
        let names = Names::read_from(&[etc, share], &base.join("none"));
        let name = |name: &str| Table::Name(name.to_owned());
        assert_eq!(names.table(&name("blue")), Ok(100));
        assert_eq!(names.table(&name("green")), Ok(101));
        assert_eq!(names.table(&name("red")), Ok(201));
        assert_eq!(names.table(&Table::Number(9)), Ok(9));
        assert_eq!(names.table(&name("no")), Err("there is no routing table named no".to_owned()));
        assert_eq!(names.protocol(&name("bird")), Ok(12));
        assert!(names.protocol(&name("big")).is_err());
        assert_eq!(names.ip_protocol(&name("UDP")), Ok(17));
        assert!(names.ip_protocol(&name("nope")).is_err());
        std::fs::remove_dir_all(base).unwrap();
    }
}
