//! What survives: the lock that keeps a second daemon away (run directory), the generation and the
//! daemon's number (state directory).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use anyhow::{Context, anyhow, bail};
use keepair_core::config::Generation;
use keepair_core::input::Persisted;
use keepair_linux::reactor::{Mailbox, Request};
use rustix::fs::FlockOperation;
use serde_json::{Value, json};

/// Held as long as the daemon runs.
pub(crate) struct Lock {
    _file: File,
}

/// Another daemon holds the lock of this run directory.
#[derive(Debug)]
pub(crate) struct AnotherRuns(PathBuf);

impl fmt::Display for AnotherRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "another keepair runs with {}; stop it, or give this one its own --run-dir",
            self.0.display()
        )
    }
}

impl std::error::Error for AnotherRuns {}

/// Creates the run directory and takes its lock.
///
/// # Errors
/// [`AnotherRuns`]; or the directory can't be made, or the lock not be asked for.
pub(crate) fn lock(run_dir: &Path) -> anyhow::Result<Lock> {
    fs::create_dir_all(run_dir).with_context(|| format!("run directory {}", run_dir.display()))?;
    let path = run_dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => bail!(AnotherRuns(run_dir.to_owned())),
        Err(error) => return Err(error).with_context(|| format!("lock {}", path.display())),
    }
    Ok(Lock { _file: file })
}

/// The generation, kept in a small JSON file that is replaced as a whole.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
    instance_path: PathBuf,
}

impl Store {
    /// The store of one virtual router.
    ///
    /// # Errors
    /// When the directory can't be made.
    pub(crate) fn open(state_dir: &Path, vrid: u8) -> anyhow::Result<Store> {
        fs::create_dir_all(state_dir)
            .with_context(|| format!("state directory {}", state_dir.display()))?;
        Ok(Store {
            path: state_dir.join(format!("generation-{vrid}.json")),
            instance_path: state_dir.join(format!("instance-{vrid}")),
        })
    }

    /// The number of a daemon that starts now, kept on the disk before it is used: it is larger than
    /// that of every daemon before it, even if the clock was set back.
    ///
    /// # Errors
    /// When the disk refuses, or holds something else: a number that was used before would let a
    /// vote for the old daemon count for the new one.
    pub(crate) fn next_instance(&self, unix_ms: u64) -> anyhow::Result<u64> {
        let path = &self.instance_path;
        let kept = match fs::read_to_string(path) {
            Ok(text) => Some(text.trim().parse::<u64>().map_err(|_| {
                anyhow!(
                    "{} is damaged; if the clock of this machine is right, remove the file",
                    path.display()
                )
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context(path.display().to_string()),
        };
        let next = kept.map_or(unix_ms, |kept| unix_ms.max(kept.saturating_add(1)));
        replace(path, &next.to_string())?;
        Ok(next)
    }

    /// What was kept, if anything was.
    ///
    /// # Errors
    /// When the file is there and unreadable: guessing could make old data look new.
    pub(crate) fn load(&self) -> anyhow::Result<Option<Persisted>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(self.path.display().to_string()),
        };
        let parsed: Option<Persisted> = serde_json::from_str(&text).ok().and_then(|v: Value| {
            Some(Persisted {
                generation: Generation(v.get("generation")?.as_u64()?),
                run_id: match v.get("run_id")? {
                    Value::Null => None,
                    id => Some(id.as_str()?.parse().ok()?),
                },
                primary: v.get("primary")?.as_bool()?,
                // Files of a version without it say nothing of it.
                solo: v.get("solo").is_some_and(|solo| solo == true),
            })
        });
        match parsed {
            Some(persisted) => Ok(Some(persisted)),
            None => bail!(
                "{} is damaged; if the other machine holds the data, remove the file and start \
                 again, this machine will then join as a new one",
                self.path.display()
            ),
        }
    }

    /// Keeps this, on the disk.
    ///
    /// # Errors
    /// When the disk refuses; the old file is intact then.
    pub(crate) fn save(&self, persisted: &Persisted) -> anyhow::Result<()> {
        let text = json!({
            "generation": persisted.generation.0,
            "run_id": persisted.run_id.map(|id| id.to_string()),
            "primary": persisted.primary,
            "solo": persisted.solo,
        });
        replace(&self.path, &text.to_string())
    }
}

/// Keeps what it is given until the real-time thread is gone, a slow disk only the newest. A thread of
/// its own: nothing else is to wait for the disk.
pub(crate) fn work(wanted: &Receiver<Persisted>, store: &Store, mailbox: &Mailbox) {
    while let Ok(first) = wanted.recv() {
        let newest = wanted.try_iter().last().unwrap_or(first);
        let result = store
            .save(&newest)
            .map_err(|error| format!("could not keep the generation on the disk: {error:#}"));
        let _ = mailbox.put(Request::Persisted(result));
    }
}

/// Writes a line in the place of what the file holds, on the disk, whole or not at all.
fn replace(path: &Path, line: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new).with_context(|| new.display().to_string())?;
    writeln!(file, "{line}")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The new name, too, must survive a power failure.
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_number_grows_whatever_the_clock_says() {
        let dir = std::env::temp_dir().join(format!("keepair-store-{}", std::process::id()));
        let store = Store::open(&dir, 51).unwrap();
        for (clock, expected) in [(1000, 1000), (1000, 1001), (999, 1002), (0, 1003), (2000, 2000)]
        {
            assert_eq!(store.next_instance(clock).unwrap(), expected);
            // A new daemon reads what the one before kept.
            let kept = fs::read_to_string(dir.join("instance-51")).unwrap();
            assert_eq!(kept, format!("{expected}\n"));
        }
        fs::write(dir.join("instance-51"), "").unwrap();
        let error = store.next_instance(3000).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
        fs::remove_dir_all(&dir).unwrap();
        assert!(store.next_instance(3000).is_err(), "a disk that refuses");
    }
}
