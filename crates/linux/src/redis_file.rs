//! Redis's own configuration file: does it make Redis a replica when it starts?
//!
//! In a thread of its own, for it reads files. Not here: what Redis is configured to at the moment, which
//! it says itself (`CONFIG GET`), and any change: Keepair writes to no file of Redis.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

/// Files that include each other in a circle come to an end.
const INCLUDES_MAX: usize = 16;
/// A configuration file is not longer.
const BYTES_MAX: u64 = 1 << 20;

/// Which file to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisFile {
    /// The process, whose root directory the path begins in.
    pub pid: u32,
    /// The path.
    pub path: String,
}

/// Reads what it is told to, and tells whether it has `replicaof`. A file that can't be read is passed
/// over: Redis may run in a container, or its file may be for its own user only.
pub fn work(files: &Receiver<RedisFile>, tell: impl Fn(bool)) {
    while let Ok(RedisFile { pid, path }) = files.recv() {
        // The process's own root first: in a container the same path is another file.
        let in_its_root = PathBuf::from(format!("/proc/{pid}/root{path}"));
        let read = [in_its_root, PathBuf::from(path)]
            .iter()
            .find_map(|path| makes_a_replica(path, &mut INCLUDES_MAX.clone()).ok());
        if let Some(replicaof) = read {
            tell(replicaof.unwrap_or(false));
        }
    }
}

/// What the file says last of `replicaof`: `None` where it says nothing.
fn makes_a_replica(path: &Path, includes_left: &mut usize) -> io::Result<Option<bool>> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    let mut replica = None;
    for line in text.lines() {
        let mut words = line.split_whitespace().map(unquoted);
        match words.next().map(str::to_ascii_lowercase).as_deref() {
            Some("replicaof" | "slaveof") => {
                let host = words.next().map(str::to_ascii_lowercase);
                replica = Some(host.is_some_and(|host| host != "no"));
            }
            Some("include") if *includes_left > 0 => {
                *includes_left -= 1;
                let included = words.next().map(|file| path.with_file_name(file));
                let said = included.map(|file| makes_a_replica(&file, includes_left));
                replica = said.and_then(Result::ok).flatten().or(replica);
            }
            _ => {}
        }
    }
    Ok(replica)
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicaof_is_found_wherever_redis_would_find_it() {
        let dir = std::env::temp_dir().join(format!("keepair-redis-file-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("redis.conf");
        std::fs::write(dir.join("pair.conf"), "slaveof 172.18.0.4 6379\n").unwrap();
        for (text, expected) in [
            ("port 6379\n# replicaof 172.18.0.4 6379\n", None),
            ("replicaof 172.18.0.4 6379\n", Some(true)),
            ("  ReplicaOf \"172.18.0.4\" 6379", Some(true)),
            ("replicaof 172.18.0.4 6379\nreplicaof no one\n", Some(false)),
            ("include pair.conf\nport 6379\n", Some(true)),
            ("include missing.conf\n", None),
            ("include redis.conf\n", None),
        ] {
            std::fs::write(&file, text).unwrap();
            let said = makes_a_replica(&file, &mut INCLUDES_MAX.clone()).unwrap();
            assert_eq!(said, expected, "{text}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(makes_a_replica(&file, &mut INCLUDES_MAX.clone()).is_err());
    }
}
