//! The state directory's salvages: their names, how they come to be there as a whole or not at all,
//! and how they are read again.
//!
//! `salvage-<unix_ms>-<vrid>.resp` holds commands as a client would send them, `.json` beside it says
//! what they are. `archive-<unix_ms>-<vrid>` is a directory with data files and an `archive.json`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What is only half there, and is left so by a daemon that dies.
const UNFINISHED: &str = ".new";
/// In an archive, what it is.
pub const ARCHIVE_NOTE: &str = "archive.json";

/// One of the two kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A tail of the stream.
    Tail,
    /// Data files.
    Archive,
}

/// Something that was kept.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    /// Its name, without an ending.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// When, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The virtual router.
    pub vrid: u8,
    /// The note beside it; null when it can't be read.
    pub note: Value,
    /// The file of commands, or the directory.
    pub path: PathBuf,
}

/// The name of a new one.
pub fn name(kind: Kind, unix_ms: u64, vrid: u8) -> String {
    let word = match kind {
        Kind::Tail => "salvage",
        Kind::Archive => "archive",
    };
    format!("{word}-{unix_ms}-{vrid}")
}

fn parse(name: &str) -> Option<(Kind, u64, u8)> {
    let mut parts = name.split('-');
    let kind = match parts.next()? {
        "salvage" => Kind::Tail,
        "archive" => Kind::Archive,
        _ => return None,
    };
    let found = (kind, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(found)
}

/// Everything that was kept, oldest first.
///
/// # Errors
/// When the directory can't be read.
pub fn list(dir: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = file.strip_suffix(".resp").unwrap_or(file);
        let Some((kind, unix_ms, vrid)) = parse(name) else { continue };
        if (kind == Kind::Tail) != (name != file) {
            continue;
        }
        let note = match kind {
            Kind::Tail => path.with_extension("json"),
            Kind::Archive => path.join(ARCHIVE_NOTE),
        };
        let note = fs::read(note).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let note = note.unwrap_or(Value::Null);
        items.push(Item { name: name.to_owned(), kind, unix_ms, vrid, note, path });
    }
    items.sort_by(|a, b| (a.unix_ms, &a.name).cmp(&(b.unix_ms, &b.name)));
    Ok(items)
}

/// Removes what an earlier daemon of this virtual router left half done.
///
/// # Errors
/// When the directory can't be read.
pub fn sweep(dir: &Path, vrid: u8) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(name) = file.strip_suffix(UNFINISHED) else { continue };
        let name = name.strip_suffix(".resp").or(name.strip_suffix(".json")).unwrap_or(name);
        if parse(name).is_some_and(|(_, _, of)| of == vrid) {
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
    Ok(())
}

/// A file that has its name once it is whole and on the disk, and goes when it does not get there.
pub struct Draft {
    path: PathBuf,
    file: Option<File>,
}

impl Draft {
    /// Begins `<dir>/<name>`.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn begin(dir: &Path, name: &str) -> io::Result<Draft> {
        let path = dir.join(name);
        let mut new = path.clone().into_os_string();
        new.push(UNFINISHED);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&new);
        let file = file.map_err(|error| at(Path::new(&new), &error))?;
        Ok(Draft { path, file: Some(file) })
    }

    fn unfinished(&self) -> PathBuf {
        let mut new = self.path.clone().into_os_string();
        new.push(UNFINISHED);
        new.into()
    }

    /// Gives it its name. The directory is not synced yet: [`sync`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_all()?;
        }
        fs::rename(self.unfinished(), &self.path)?;
        self.file = None;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = fs::remove_file(self.unfinished());
        }
    }
}

/// A directory that has its name once everything in it is on the disk, and goes when it does not get
/// there.
pub struct DraftDir {
    path: PathBuf,
    new: PathBuf,
    finished: bool,
}

impl DraftDir {
    /// Begins `<dir>/<name>`.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn begin(dir: &Path, name: &str) -> io::Result<DraftDir> {
        let (path, new) = (dir.join(name), dir.join(format!("{name}{UNFINISHED}")));
        DirBuilder::new().mode(0o700).create(&new).map_err(|error| at(&new, &error))?;
        Ok(DraftDir { path, new, finished: false })
    }

    /// Where its files go meanwhile.
    pub fn inside(&self) -> &Path {
        &self.new
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> io::Result<()> {
        sync(&self.new)?;
        fs::rename(&self.new, &self.path)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for DraftDir {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_dir_all(&self.new);
        }
    }
}

/// Writes a whole file.
///
/// # Errors
/// When the disk refuses; nothing is there then.
pub fn write(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut draft = Draft::begin(dir, name)?;
    draft.write_all(text.as_bytes())?;
    draft.finish()
}

/// The names in a directory survive a loss of power from here on.
///
/// # Errors
/// When the disk refuses.
pub fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// An error that names the path.
pub(super) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_listed_and_what_is_half_there_is_not() {
        let dir = std::env::temp_dir().join(format!("keepair-shelf-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut whole = Draft::begin(&dir, "salvage-20-51.resp").unwrap();
        whole.write_all(b"x").unwrap();
        whole.finish().unwrap();
        write(&dir, "salvage-20-51.json", "{\"commands\": 1}").unwrap();
        let archive = DraftDir::begin(&dir, "archive-10-51").unwrap();
        archive.finish().unwrap();
        drop(Draft::begin(&dir, "salvage-30-51.resp").unwrap());
        assert!(!dir.join("salvage-30-51.resp.new").exists(), "given up");
        for stray in ["salvage-40-51.resp.new", "salvage-40-52.resp.new", "generation-51.json"] {
            fs::write(dir.join(stray), "").unwrap();
        }
        fs::create_dir(dir.join("archive-40-51.new")).unwrap();
        for not_mine in
            ["salvage-x-51.resp", "salvage-1-51-2.resp", "salvage-1.resp", "archive-1-999"]
        {
            fs::write(dir.join(not_mine), "").unwrap();
        }
        let items = list(&dir).unwrap();
        let shown: Vec<_> = items.iter().map(|item| (&*item.name, item.kind, item.vrid)).collect();
        assert_eq!(
            shown,
            [("archive-10-51", Kind::Archive, 51), ("salvage-20-51", Kind::Tail, 51)]
        );
        assert_eq!((&items[0].note, &items[1].note["commands"]), (&Value::Null, &1.into()));
        sweep(&dir, 51).unwrap();
        assert!(!dir.join("salvage-40-51.resp.new").exists());
        assert!(!dir.join("archive-40-51.new").exists());
        assert!(dir.join("salvage-40-52.resp.new").exists(), "another's");
        assert!(dir.join("generation-51.json").exists());
        fs::remove_dir_all(&dir).unwrap();
        // Without the directory, whatever is kept says where it could not be.
        let tail = Draft::begin(&dir, "salvage-50-51.resp").map(|_| ()).unwrap_err().to_string();
        let archive = DraftDir::begin(&dir, "archive-50-51").map(|_| ()).unwrap_err().to_string();
        assert!(tail.contains("/salvage-50-51.resp.new: No such file"), "{tail}");
        assert!(archive.contains("/archive-50-51.new: No such file"), "{archive}");
    }
}
