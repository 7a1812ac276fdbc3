//! The two files of a record: `FILE` grows, and becomes `FILE.1` when it is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use keepair_record::MAGIC;
use rustix::fs::{Access, FlockOperation};

/// Written at once when there is more than this, and otherwise when asked to.
const BUFFER_BYTES: usize = 64 * 1024;

/// Room for what comes in between asking for the next file's snapshot and getting it.
const SLACK_BYTES: u64 = 2 * 1024 * 1024;

/// The file before `FILE`.
pub(crate) fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// The files, and what is not in them yet.
pub(super) struct Files {
    path: PathBuf,
    file: File,
    /// What is in the file, in bytes.
    written: u64,
    buffer: Vec<u8>,
    limit_bytes: u64,
}

impl Files {
    /// Goes on with the file that is there, or begins one.
    ///
    /// # Errors
    /// When it can't be written or replaced later, holds something else, or is in use.
    pub(super) fn open(path: &Path, limit_bytes: u64) -> anyhow::Result<Files> {
        let mut file = open_file(path)?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another daemon records to it");
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)
            .with_context(|| format!("directory {}", dir.display()))?;
        let older = older(path);
        match older.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => {
                let mut begin = Vec::new();
                if found?.is_file() {
                    File::open(&older)?.take(MAGIC.len() as u64).read_to_end(&mut begin)?;
                }
                if begin != MAGIC {
                    bail!("{} would be replaced, and is no record of keepair", older.display());
                }
            }
        }
        let written = mend(&mut file)?;
        Ok(Files { path: path.to_owned(), file, written, buffer: Vec::new(), limit_bytes })
    }

    /// It is time for the next file.
    pub(super) fn nearly_full(&self) -> bool {
        self.used() > self.limit_bytes - SLACK_BYTES.min(self.limit_bytes / 8)
    }

    pub(super) fn has_room(&self, line: &[u8]) -> bool {
        self.used() + line.len() as u64 <= self.limit_bytes
    }

    fn used(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(line);
        if self.buffer.len() > BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what has been added.
    ///
    /// # Errors
    /// When the disk refuses; the file ends with a whole line then, if the disk allows that.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Err(error) = self.file.write_all(&self.buffer) {
            let _ = self.file.set_len(self.written);
            return Err(error);
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Begins a new file; the one before takes the place of the one before that.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn rotate(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        let older = older(&self.path);
        fs::rename(&self.path, &older)
            .with_context(|| format!("{} to {}", self.path.display(), older.display()))?;
        self.file = open_file(&self.path)?;
        rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive)?;
        self.written = 0;
        Ok(())
    }
}

fn open_file(path: &Path) -> anyhow::Result<File> {
    // A link would be renamed in the place of what it leads to.
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).custom_flags(nofollow);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        bail!("it is not a regular file");
    }
    Ok(file)
}

/// Makes an old file one that can be appended to; its length.
fn mend(file: &mut File) -> anyhow::Result<u64> {
    let len = file.metadata()?.len();
    let mut begin = Vec::new();
    (&mut *file).take(MAGIC.len() as u64).read_to_end(&mut begin)?;
    // After a power failure a file may be longer than what was written to it.
    let nothing = begin.iter().all(|byte| *byte == 0);
    if !nothing && !begin.starts_with(MAGIC) && !MAGIC.starts_with(&begin) {
        bail!("it holds something else; name another file");
    }
    if nothing || begin.len() < MAGIC.len() {
        file.set_len(0)?;
        return Ok(0);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(len);
    }
    // What was not written to its end stays, as a line that replay can name.
    file.write_all(b"\n")?;
    Ok(len + 1)
}
