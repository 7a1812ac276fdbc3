//! Settings of interfaces under `/proc/sys/net`, with what they were before.
//!
//! A write there is a call into the kernel and never touches a disk.

use std::io;
use std::path::{Path, PathBuf};

/// Which half of the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Half {
    /// `net.ipv4.conf`.
    V4,
    /// `net.ipv6.conf`.
    V6,
}

/// What was changed on interfaces that are not ours.
#[derive(Default, Debug)]
pub(crate) struct Changes {
    before: Vec<(PathBuf, i32)>,
}

impl Changes {
    /// Changes a setting, and keeps what it was.
    ///
    /// # Errors
    /// When there is no such setting, as for an interface that is gone, or it may not be written.
    pub(crate) fn set(&mut self, half: Half, name: &str, key: &str, value: i32) -> io::Result<()> {
        let path = path(half, name, key)?;
        let now = read(&path)?;
        if now == value {
            return Ok(());
        }
        std::fs::write(&path, value.to_string())?;
        if !self.before.iter().any(|(other, _)| *other == path) {
            self.before.push((path, now));
        }
        Ok(())
    }

    /// Puts everything back.
    pub(crate) fn restore(&mut self) {
        for (path, value) in self.before.drain(..).rev() {
            // The interface may be gone.
            let _ = std::fs::write(path, value.to_string());
        }
    }
}

/// Changes a setting of an interface that is ours.
///
/// # Errors
/// As [`Changes::set`].
pub(crate) fn set(half: Half, name: &str, key: &str, value: i32) -> io::Result<()> {
    std::fs::write(path(half, name, key)?, value.to_string())
}

/// A setting.
///
/// # Errors
/// When there is no such setting.
pub(crate) fn get(half: Half, name: &str, key: &str) -> io::Result<i32> {
    read(&path(half, name, key)?)
}

fn read(path: &Path) -> io::Result<i32> {
    let text = std::fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

fn path(half: Half, name: &str, key: &str) -> io::Result<PathBuf> {
    // An interface's name has no slash, but the file may have one.
    if name.contains('/') || name.starts_with('.') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let base = match half {
        Half::V4 => "/proc/sys/net/ipv4/conf",
        Half::V6 => "/proc/sys/net/ipv6/conf",
    };
    Ok(Path::new(base).join(name).join(key))
}
