//! What survives: the lock that keeps a second daemon away (run directory), and the generation
//! (state directory).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use keepair_core::config::Generation;
use keepair_core::input::Persisted;
use rustix::fs::FlockOperation;
use serde_json::{Value, json};

/// Held as long as the daemon runs.
pub(crate) struct Lock {
    _file: File,
}

/// Creates the run directory and takes its lock.
///
/// # Errors
/// When another daemon holds it, or the directory can't be made.
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
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another keepair runs with {}; stop it, or give this one its own --run-dir",
            run_dir.display()
        );
    }
    Ok(Lock { _file: file })
}

/// The generation, kept in a small JSON file that is replaced as a whole.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
}

impl Store {
    /// The store of one virtual router.
    ///
    /// # Errors
    /// When the directory can't be made.
    pub(crate) fn open(state_dir: &Path, vrid: u8) -> anyhow::Result<Store> {
        fs::create_dir_all(state_dir)
            .with_context(|| format!("state directory {}", state_dir.display()))?;
        Ok(Store { path: state_dir.join(format!("generation-{vrid}.json")) })
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
        });
        let new = self.path.with_extension("new");
        let mut file = File::create(&new).with_context(|| new.display().to_string())?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        // The new name, too, must survive a power failure.
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}
