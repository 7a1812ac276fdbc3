//! The local Redis's data files: archived before a full resync replaces them, where the stream can't
//! be had.
//!
//! A hard link costs nothing: Redis replaces its RDB file and the base of its append-only file, and
//! never writes into them; to the rest it only appends, and the note says how long each was. Where
//! the state directory is elsewhere the files are copied.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keepair_core::config::Generation;
use keepair_core::input::Kept;
use serde_json::{Value, json};

use super::shelf::{self, ARCHIVE_NOTE, DraftDir, Kind};
use super::{Place, unix_ms};
use crate::redis::Access;
use crate::redis::dialogue::Dialogue;

/// Between two looks at a save that is under way.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What must be left of the time for the files themselves after a save.
const FOR_THE_FILES: Duration = Duration::from_millis(500);
/// Copied at a time.
const PIECE_BYTES: u64 = 8 << 20;

/// A data file.
struct Source {
    path: PathBuf,
    /// Under which it is archived.
    name: String,
    bytes: u64,
}

/// Archives them.
///
/// # Errors
/// When they can't be found or read, are too large, it takes too long, or the disk refuses.
pub fn keep(
    access: &Access,
    place: &Place,
    generation: Generation,
    until: Instant,
) -> io::Result<Kept> {
    let limit_bytes = place.archive_limit_bytes();
    if limit_bytes == 0 {
        return Err(io::Error::other("data files are not archived: `archive_limit_mib` is 0"));
    }
    let mut redis = Dialogue::open(access, until)?;
    let (info, _) = redis.info()?;
    let number = |name: &str| number(&info, name);
    let appends = number("aof_enabled") == Some(1);
    let unsaved = number("rdb_changes_since_last_save").unwrap_or(0);
    // An append-only file has everything. Otherwise what is newer than the last save is in memory only.
    let fits = number("used_memory_dataset").is_none_or(|used| used <= limit_bytes);
    let saved = appends || unsaved == 0 || (fits && save(&mut redis, until));

    let dir = setting(&mut redis, "dir")?;
    let sources = sources(&mut redis, Path::new(&dir), appends)?;
    drop(redis);
    let bytes: u64 = sources.iter().map(|source| source.bytes).sum();
    if sources.is_empty() {
        return Err(io::Error::other(format!("there are no data files in {dir} to archive")));
    }
    if bytes > limit_bytes {
        return Err(io::Error::other(format!(
            "the data files in {dir} take {} MiB, more than `archive_limit_mib`",
            bytes >> 20
        )));
    }
    make_room(place, limit_bytes - bytes)?;

    let now_ms = unix_ms();
    let draft = DraftDir::begin(&place.dir, &shelf::name(Kind::Archive, now_ms, place.vrid))?;
    let mut files = Vec::new();
    for source in &sources {
        let to = draft.inside().join(&source.name);
        let linked = fs::hard_link(&source.path, &to).is_ok();
        if !linked {
            copy(&source.path, &to, source.bytes, until)?;
        }
        files.push(json!({ "name": source.name, "bytes": source.bytes, "linked": linked }));
    }
    let note = json!({
        "version": 1,
        "unix_ms": now_ms,
        "machine": place.machine,
        "virtual_router_id": place.vrid,
        "generation": generation.0,
        "directory": dir,
        "append_only": appends,
        "unsaved_changes": if saved { 0 } else { unsaved },
        "bytes": bytes,
        "files": files,
    });
    shelf::write(draft.inside(), ARCHIVE_NOTE, &format!("{note}\n"))?;
    draft.finish()?;
    shelf::sync(&place.dir)?;
    Ok(Kept::Files { bytes })
}

fn number(info: &str, name: &str) -> Option<u64> {
    let line = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
    info.lines().find_map(line)
}

fn setting(redis: &mut Dialogue, name: &str) -> io::Result<String> {
    redis
        .setting(name)?
        .ok_or_else(|| io::Error::other(format!("Redis does not tell its `{name}`")))
}

/// Saves what is in memory, if it is done in time.
fn save(redis: &mut Dialogue, until: Instant) -> bool {
    // One that is under way has begun too early: it does not count.
    if redis.demand(&["BGSAVE"]).is_err() {
        return false;
    }
    while Instant::now() + FOR_THE_FILES < until {
        let Ok((info, _)) = redis.info() else { return false };
        if number(&info, "rdb_bgsave_in_progress") == Some(0) {
            return info.contains("rdb_last_bgsave_status:ok");
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    false
}

/// The files that Redis would read if it were started now.
fn sources(redis: &mut Dialogue, dir: &Path, appends: bool) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut look = |path: PathBuf, name: String| -> io::Result<()> {
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => found.push(Source { path, name, bytes: meta.len() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
            }
        }
        Ok(())
    };
    let rdb = setting(redis, "dbfilename")?;
    look(dir.join(&rdb), rdb)?;
    if appends {
        let file = setting(redis, "appendfilename")?;
        match redis.setting("appenddirname")? {
            // Since Redis 7.0: a manifest and what it names.
            Some(sub) => {
                let inner = dir.join(&sub);
                let entries = fs::read_dir(&inner).map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", inner.display()))
                })?;
                for entry in entries {
                    let name = entry?.file_name();
                    let Some(name) = name.to_str().filter(|name| name.starts_with(&file)) else {
                        continue;
                    };
                    look(inner.join(name), name.to_owned())?;
                }
            }
            None => look(dir.join(&file), file)?,
        }
    }
    Ok(found)
}

/// Removes the oldest archives until the rest takes no more than this.
fn make_room(place: &Place, most_bytes: u64) -> io::Result<()> {
    let mut archives = shelf::list(&place.dir)?;
    archives.retain(|item| item.kind == Kind::Archive);
    let size = |note: &Value| note["bytes"].as_u64().unwrap_or(0);
    let mut taken: u64 = archives.iter().map(|item| size(&item.note)).sum();
    for item in archives {
        if taken <= most_bytes {
            break;
        }
        fs::remove_dir_all(&item.path)?;
        taken -= size(&item.note);
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, bytes: u64, until: Instant) -> io::Result<()> {
    let mut source = File::open(from)?.take(bytes);
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    while source.limit() > 0 {
        if Instant::now() >= until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the copy takes too long"));
        }
        let piece = source.limit().min(PIECE_BYTES);
        if io::copy(&mut source.by_ref().take(piece), &mut target)? == 0 {
            return Err(io::Error::other(format!("{} became shorter", from.display())));
        }
    }
    target.sync_all()
}

/// A limit that may be changed while the thread works.
pub fn limit(mib: u64) -> AtomicU64 {
    AtomicU64::new(to_bytes(mib))
}

/// Changes it.
pub fn set_limit(limit: &AtomicU64, mib: u64) {
    limit.store(to_bytes(mib), Ordering::Relaxed);
}

fn to_bytes(mib: u64) -> u64 {
    mib.saturating_mul(1 << 20)
}
