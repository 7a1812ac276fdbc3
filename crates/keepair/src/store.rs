//! What survives: the lock that keeps a second daemon away (run directory), the generation and the
//! daemon's number (state directory).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use anyhow::{Context, bail};
use keepair_core::config::Generation;
use keepair_core::input::{AofMark, Persisted};
use keepair_linux::fence::FenceSpec;
use keepair_linux::reactor::{Mailbox, Request};
use rustix::fs::FlockOperation;
use serde_json::{Value, json};

use crate::warnings::Warnings;

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

/// The gate that was shut last for the pair of this configuration file.
fn gate_path(state_dir: &Path, vrid: u8) -> PathBuf {
    state_dir.join(format!("gate-{vrid}.json"))
}

/// Keeps what the gate keeps out, for a start that can't read its configuration. `config`: the file.
pub(crate) fn keep_gate(state_dir: &Path, config: &Path, spec: &FenceSpec) -> anyhow::Result<()> {
    let text = json!({
        "config": config, "vrid": spec.vrid, "vips": spec.vips, "redis_port": spec.redis_port,
        "gated": spec.gated,
    })
    .to_string();
    let path = gate_path(state_dir, spec.vrid);
    if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    fs::create_dir_all(state_dir)?;
    replace(&path, &text)
}

/// The gates that were kept for this configuration file: those of more than one, if its `vrid` was
/// changed.
pub(crate) fn kept_gates(state_dir: &Path, config: &Path) -> Vec<FenceSpec> {
    let files = fs::read_dir(state_dir).into_iter().flatten().flatten();
    let is_gate = |name: &str| name.starts_with("gate-") && name.ends_with(".json");
    files
        .filter(|file| file.file_name().to_str().is_some_and(is_gate))
        .filter_map(|file| parse_gate(&fs::read_to_string(file.path()).ok()?, config))
        .collect()
}

fn parse_gate(text: &str, config: &Path) -> Option<FenceSpec> {
    let value: Value = serde_json::from_str(text).ok()?;
    let addresses = |key: &str| -> Option<Vec<IpAddr>> {
        value[key].as_array()?.iter().map(|ip| ip.as_str()?.parse().ok()).collect()
    };
    let ours = value["config"].as_str().is_some_and(|file| Path::new(file) == config);
    ours.then_some(FenceSpec {
        vrid: value["vrid"].as_u64()?.try_into().ok()?,
        vips: addresses("vips")?,
        redis_port: value["redis_port"].as_u64()?.try_into().ok()?,
        gated: addresses("gated")?,
    })
}

/// The state directory: the generation and the daemon's number, each in a small file that is replaced
/// as a whole.
///
/// Nothing that is wrong with it ends the daemon. A machine without a keepair is worse off than one
/// whose keepair has forgotten: its Redis is started all the same, and nobody looks at it.
pub(crate) struct Store {
    dir: PathBuf,
    generation_path: PathBuf,
    instance_path: PathBuf,
    warnings: Warnings,
    /// The warning that the directory can't be written, while it holds.
    unwritable: Option<String>,
    /// This daemon's number, while it is not on the disk.
    unkept_instance: Option<u64>,
}

impl Store {
    /// The store of one virtual router. Makes the directory.
    pub(crate) fn open(state_dir: &Path, vrid: u8, warnings: Warnings) -> Store {
        let mut store = Store {
            dir: state_dir.to_owned(),
            generation_path: state_dir.join(format!("generation-{vrid}.json")),
            instance_path: state_dir.join(format!("instance-{vrid}")),
            warnings,
            unwritable: None,
            unkept_instance: None,
        };
        if let Err(error) = fs::create_dir_all(state_dir) {
            store.warn_unwritable("made", &error.to_string());
        }
        store
    }

    fn warn_unwritable(&mut self, verb: &str, error: &str) {
        // One warning for one disk.
        if self.unwritable.is_some() {
            return;
        }
        let text = format!(
            "the state directory {} can't be {verb}: {error}; the generation and salvaged writes are \
             not kept; make room or mend the directory: keepair tries again by itself",
            self.dir.display()
        );
        self.warnings.add(text.clone());
        self.unwritable = Some(text);
    }

    /// The number of a daemon that starts now: larger than that of every daemon before it, even if the
    /// clock was set back, so that a vote for an old daemon never counts for a new one. It is on the
    /// disk before it is used, as long as the disk takes it; the clock alone has to do where it does not.
    pub(crate) fn next_instance(&mut self, unix_ms: u64) -> u64 {
        let path = &self.instance_path;
        let kept = read(path).and_then(|text| {
            let number = text.map(|text| text.trim().parse::<u64>());
            number.transpose().map_err(|_| "is damaged".to_owned())
        });
        let kept = kept.unwrap_or_else(|why| {
            self.warnings.add(format!(
                "{} {why}; the number of this daemon is taken from the clock alone; check that the \
                 clock of this machine was not set back",
                path.display()
            ));
            None
        });
        let next = kept.map_or(unix_ms, |kept| unix_ms.max(kept.saturating_add(1)));
        if let Err(error) = replace(path, &next.to_string()) {
            self.unkept_instance = Some(next);
            self.warn_unwritable("written", &format!("{error:#}"));
        }
        next
    }

    /// What was kept, if anything was. A file that can't be understood counts as none, as guessing
    /// could make old data look new; it is put aside.
    pub(crate) fn load(&self) -> Option<Persisted> {
        let path = &self.generation_path;
        let kept = read(path).and_then(|text| {
            let persisted = text.map(|text| parse(&text).ok_or_else(|| "is damaged".to_owned()));
            persisted.transpose()
        });
        kept.unwrap_or_else(|why| {
            let aside = self.dir.join(format!("{}.damaged", file_name(path)));
            let kept_as = match fs::rename(path, &aside) {
                Ok(()) => format!("; it is kept as {}", aside.display()),
                Err(_) => String::new(),
            };
            self.warnings.add(format!(
                "{} {why}; this node does not know how new its data is and joins like a new one; if \
                 the other node is lost, `keepair status` says what to do{kept_as}",
                path.display()
            ));
            None
        })
    }

    /// Keeps this, on the disk.
    ///
    /// # Errors
    /// When the disk refuses; the old file is intact then.
    pub(crate) fn save(&mut self, persisted: &Persisted) -> anyhow::Result<()> {
        let text = json!({
            "generation": persisted.generation.0,
            "run_id": persisted.run_id.map(|id| id.to_string()),
            "primary": persisted.primary,
            "solo": persisted.solo,
            "served": persisted.served,
            "aof": persisted.aof.map(|mark| json!({
                "replid": mark.replid.to_string(),
                "replid2": mark.replid2.to_string(),
                "offset": mark.offset,
                "bytes": mark.bytes,
            })),
        });
        // Somebody may have mended it since the start.
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("state directory {}", self.dir.display()))?;
        if let Some(instance) = self.unkept_instance {
            replace(&self.instance_path, &instance.to_string())?;
            self.unkept_instance = None;
        }
        replace(&self.generation_path, &text.to_string())?;
        if let Some(text) = self.unwritable.take() {
            self.warnings.remove(&text);
        }
        Ok(())
    }
}

/// The text of a file, `None` where there is none; else what is wrong with the file.
fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        // Of the directory it was said already that it is none.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(format!("can't be read: {error}")),
    }
}

fn parse(text: &str) -> Option<Persisted> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some(Persisted {
        generation: Generation(value.get("generation")?.as_u64()?),
        run_id: match value.get("run_id")? {
            Value::Null => None,
            id => Some(id.as_str()?.parse().ok()?),
        },
        primary: value.get("primary")?.as_bool()?,
        // Files of a version without it say nothing of it.
        solo: value.get("solo").is_some_and(|solo| solo == true),
        served: value.get("served").is_some_and(|served| served == true),
        aof: value.get("aof").and_then(aof_mark),
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `None`: there was no append-only file, or the daemon that kept the state knew nothing of it.
fn aof_mark(value: &Value) -> Option<AofMark> {
    Some(AofMark {
        replid: value.get("replid")?.as_str()?.parse().ok()?,
        replid2: value.get("replid2")?.as_str()?.parse().ok()?,
        offset: value.get("offset")?.as_i64()?,
        bytes: value.get("bytes")?.as_i64()?,
    })
}

/// Keeps what it is given until the real-time thread is gone, a slow disk only the newest. A thread of
/// its own: nothing else is to wait for the disk. What the disk refuses the core asks for again.
pub(crate) fn work(wanted: &Receiver<Persisted>, store: &mut Store, mailbox: &Mailbox) {
    while let Ok(first) = wanted.recv() {
        let newest = wanted.try_iter().last().unwrap_or(first);
        let result = store.save(&newest).map_err(|error| {
            store.warn_unwritable("written", &format!("{error:#}"));
            format!("could not keep the generation on the disk: {error:#}")
        });
        let _ = mailbox.put(Request::Persisted(result));
    }
}

/// Writes a line in the place of what the file holds, on the disk, whole or not at all.
fn replace(path: &Path, line: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let written = write(&new, line).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What a full disk took of it is room for the next attempt.
        let _ = fs::remove_file(&new);
    }
    // The new name, too, must survive a power failure.
    let dir = path.parent().unwrap_or(Path::new("/"));
    written.and_then(|()| File::open(dir)?.sync_all()).with_context(|| path.display().to_string())
}

fn write(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    writeln!(file, "{line}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let name = format!("keepair-store-{name}-{}", std::process::id());
            Dir(std::env::temp_dir().join(name))
        }

        fn store(&self) -> (Store, Warnings) {
            let warnings = Warnings::default();
            (Store::open(&self.0, 51, warnings.clone()), warnings)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
            let _ = fs::remove_file(&self.0);
        }
    }

    const SOME: Persisted = Persisted {
        generation: Generation(7),
        run_id: None,
        primary: true,
        solo: false,
        served: true,
        aof: Some(AofMark {
            replid: keepair_wire::info::ReplId([7; 20]),
            replid2: keepair_wire::info::ReplId([8; 20]),
            offset: 1234,
            bytes: 5678,
        }),
    };

    #[track_caller]
    fn says(warnings: &Warnings, expected: &[&[&str]]) {
        let list = warnings.list();
        assert_eq!(list.len(), expected.len(), "{list:?}");
        for (text, words) in list.iter().zip(expected) {
            assert!(
                words.iter().all(|word| text.contains(word)),
                "{text:?} lacks one of {words:?}"
            );
        }
    }

    #[test]
    fn the_daemons_number_grows_whatever_the_clock_says() {
        let dir = Dir::new("number");
        for (clock, expected) in [(1000, 1000), (1000, 1001), (999, 1002), (0, 1003), (2000, 2000)]
        {
            // A new daemon reads what the one before kept.
            let (mut store, warnings) = dir.store();
            assert_eq!(store.next_instance(clock), expected);
            let kept = fs::read_to_string(dir.0.join("instance-51")).unwrap();
            assert_eq!(kept, format!("{expected}\n"));
            says(&warnings, &[]);
        }
    }

    #[test]
    fn a_damaged_number_kept_the_daemon_from_starting() {
        let dir = Dir::new("damaged-number");
        for damage in [&b""[..], b"12x", b"\xff\xfe"] {
            let (mut store, warnings) = dir.store();
            fs::write(dir.0.join("instance-51"), damage).unwrap();
            assert_eq!(store.next_instance(3000), 3000);
            says(&warnings, &[&["/instance-51 is damaged", "the clock"]]);
            // A good file is there again.
            let (mut store, warnings) = dir.store();
            assert_eq!(store.next_instance(3000), 3001);
            says(&warnings, &[]);
        }
    }

    #[test]
    fn a_damaged_generation_kept_the_daemon_from_starting() {
        let dir = Dir::new("damaged-generation");
        for damage in [&b""[..], b"{\"generation\":", b"{}", b"\xff\xfe"] {
            let (mut store, warnings) = dir.store();
            fs::write(dir.0.join("generation-51.json"), damage).unwrap();
            assert_eq!(store.load(), None);
            let aside = "it is kept as ";
            says(
                &warnings,
                &[&["/generation-51.json is damaged", aside, "/generation-51.json.dam"]],
            );
            assert_eq!(fs::read(dir.0.join("generation-51.json.damaged")).unwrap(), damage);
            store.save(&SOME).unwrap();
            let (store, warnings) = dir.store();
            assert_eq!(store.load(), Some(SOME));
            says(&warnings, &[]);
        }
    }

    #[test]
    fn a_generation_that_cannot_be_read_kept_the_daemon_from_starting() {
        let dir = Dir::new("unreadable");
        let (mut store, warnings) = dir.store();
        fs::create_dir(dir.0.join("generation-51.json")).unwrap();
        assert_eq!(store.load(), None);
        says(&warnings, &[&["/generation-51.json can't be read: Is a directory"]]);
        store.save(&SOME).unwrap();
        assert_eq!(store.load(), Some(SOME));
    }

    #[test]
    fn a_directory_that_could_not_be_made_is_used_once_it_can() {
        let dir = Dir::new("file");
        fs::write(&dir.0, "").unwrap();
        let (mut store, warnings) = dir.store();
        assert_eq!(store.load(), None);
        assert_eq!(store.next_instance(3000), 3000);
        let path = dir.0.to_str().unwrap();
        says(&warnings, &[&["the state directory", path, "can't be made: File exists"]]);
        for _ in 0..3 {
            let error = format!("{:#}", store.save(&SOME).unwrap_err());
            assert!(error.contains(path), "{error}");
        }
        says(&warnings, &[&["can't be made"]]);
        fs::remove_file(&dir.0).unwrap();
        store.save(&SOME).unwrap();
        says(&warnings, &[]);
        // The number too is there for the next daemon.
        let (mut store, warnings) = dir.store();
        assert_eq!((store.load(), store.next_instance(2000)), (Some(SOME), 3001));
        says(&warnings, &[]);
    }
}
