//! Named pipes that are told of everything.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Gid, Mode, Uid, chownat, mknodat};

use super::setup::{FifoSetup, RunAs};

/// An open pipe. Held open for reading too, so that it works before anybody reads it, and whoever
/// does is not told that it ends.
#[derive(Debug)]
pub(crate) struct Fifo {
    path: PathBuf,
    file: File,
    /// It was made here and is removed when it is no longer used.
    is_ours: bool,
    /// Lines that found no room since the last one that did.
    lost: u64,
}

impl Fifo {
    /// Opens it; makes it first if it is not there.
    ///
    /// # Errors
    /// When something else is there, or it can't be made.
    pub(crate) fn open(setup: &FifoSetup) -> io::Result<Fifo> {
        let is_ours = match mknodat(CWD, &setup.path, FileType::Fifo, mode(), 0) {
            Ok(()) => {
                give(&setup.path, &setup.owner)?;
                true
            }
            Err(rustix::io::Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let file = options.open(&setup.path)?;
        if !file.metadata()?.file_type().is_fifo() {
            return Err(io::Error::other("there is something else than a pipe"));
        }
        Ok(Fifo { path: setup.path.clone(), file, is_ours, lost: 0 })
    }

    /// It was made here.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line, whole or not at all. Gives how many lines before it were lost, if it is the
    /// first one that fits again.
    ///
    /// # Errors
    /// When nobody has read for so long that it is full; said for the first line only.
    pub(crate) fn write(&mut self, line: &str) -> io::Result<u64> {
        // At most PIPE_BUF bytes, which the kernel does not part: names are short.
        match (&self.file).write(line.as_bytes()) {
            Ok(written) if written == line.len() => Ok(std::mem::take(&mut self.lost)),
            result => {
                self.lost += 1;
                if self.lost > 1 {
                    return Ok(0);
                }
                Err(result.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()))
            }
        }
    }

    /// Whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        rustix::io::ioctl_fionread(&self.file).is_ok_and(|count| count == 0)
    }

    /// It is no longer used: removed if it was made here, and if it is still it.
    pub(crate) fn remove(self) {
        let is_fifo = fs::symlink_metadata(&self.path).is_ok_and(|it| it.file_type().is_fifo());
        if self.is_ours && is_fifo {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Its owner alone reads and writes.
fn mode() -> Mode {
    Mode::RUSR | Mode::WUSR
}

fn give(path: &Path, owner: &RunAs) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    let is_own = rustix::process::geteuid() == uid && rustix::process::getegid() == gid;
    if is_own {
        return Ok(());
    }
    Ok(chownat(CWD, path, Some(uid), Some(gid), flags)?)
}
