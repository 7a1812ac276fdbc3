//! Numbers in files (`track_file`): a thread that is told by inotify when one changes.
//!
//! What is watched is the directory, for files come and go, and are replaced by others.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use keepair_core::router::Input;
use keepair_core::router::config::FileId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

use super::log::Log;
use super::setup::{FileSetup, Setup};
use super::world::Answers;
use crate::realtime::Wake;

/// A number and what may stand before it.
const FILE_BYTES_MAX: u64 = 128;
/// A directory that is not there is looked for so often.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The thread's state.
pub(crate) struct Files {
    setups: Vec<FileSetup>,
    /// What was told last; `None` if nothing was.
    known: Vec<Option<i64>>,
    inotify: OwnedFd,
    /// Names whose comings and goings matter, and to which file.
    names: Vec<(usize, OsString)>,
    /// All directories are watched.
    complete: bool,
    setups_to_come: Receiver<Vec<FileSetup>>,
    bell: Arc<Wake>,
    answers: Answers,
    log: Log,
}

impl Files {
    /// Writes what is to be written at the start, and reads the numbers once.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub(crate) fn new(
        setup: &Setup,
        setups_to_come: Receiver<Vec<FileSetup>>,
        bell: Arc<Wake>,
        answers: Answers,
        log: Log,
    ) -> io::Result<Files> {
        let mut files = Files {
            setups: Vec::new(),
            known: Vec::new(),
            inotify: init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            names: Vec::new(),
            complete: true,
            setups_to_come,
            bell,
            answers,
            log,
        };
        files.take(setup.files.clone());
        Ok(files)
    }

    /// Works until nobody is left to ask.
    pub(crate) fn work(mut self) {
        loop {
            let timeout = (!self.complete).then_some(LOOK_AGAIN);
            let mut fds = [
                PollFd::from_borrowed_fd((*self.bell).as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.inotify.as_fd(), PollFlags::IN),
            ];
            // Interrupted, or in need of memory: looks, and waits again.
            let _ = poll(&mut fds, timeout.as_ref());
            self.bell.read();
            loop {
                match self.setups_to_come.try_recv() {
                    Ok(setups) => {
                        self.answers.turn();
                        self.take(setups);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let changed = self.changed();
            if !self.complete || !changed.is_empty() {
                self.look(&changed);
            }
        }
    }

    fn take(&mut self, setups: Vec<FileSetup>) {
        for setup in &setups {
            let is_new = !self.setups.iter().any(|old| old.path == setup.path);
            if is_new && let Err(error) = write_first(setup) {
                self.log.warning(format!("file {}: {error}", setup.path.display()));
            }
        }
        self.known = vec![None; setups.len()];
        self.setups = setups;
        self.look(&(0..self.setups.len()).collect());
    }

    /// Watches all folders, then reads these files, and those whose folder was not watched.
    fn look(&mut self, changed: &BTreeSet<usize>) {
        let was_complete = self.complete;
        self.names.clear();
        self.complete = true;
        for (at, setup) in self.setups.iter().enumerate() {
            let real = fs::canonicalize(&setup.path).ok();
            for path in [Some(&setup.path), real.as_ref()].into_iter().flatten() {
                self.complete &= watch(&self.inotify, folder(path)).is_ok();
                self.names.extend(path.file_name().map(|name| (at, name.to_owned())));
            }
        }
        for (at, (setup, known)) in self.setups.iter().zip(&mut self.known).enumerate() {
            if was_complete && !changed.contains(&at) {
                continue;
            }
            let value = read(&setup.path).or(*known).unwrap_or(0);
            if *known != Some(value) {
                *known = Some(value);
                self.answers.give(Input::FileRead(FileId(at), value));
            }
        }
    }

    /// The files that something happened to.
    fn changed(&self) -> BTreeSet<usize> {
        let mut buf = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buf);
        let mut changed = BTreeSet::new();
        while let Ok(event) = reader.next() {
            let of_the_folder = ReadFlags::IGNORED
                | ReadFlags::QUEUE_OVERFLOW
                | ReadFlags::DELETE_SELF
                | ReadFlags::MOVE_SELF;
            if event.events().intersects(of_the_folder) {
                return (0..self.setups.len()).collect();
            }
            let is_new = event.events().contains(ReadFlags::CREATE);
            let Some(name) = event.file_name() else { continue };
            let of_it = self.names.iter().filter(|(_, known)| known.as_bytes() == name.to_bytes());
            changed.extend(of_it.map(|(at, _)| *at).filter(|at| !is_new || self.is_whole(*at)));
        }
        changed
    }

    /// Whether a file that was made just now is a link to one that was there. Another one is still
    /// being written; that it is done is told later.
    fn is_whole(&self, at: usize) -> bool {
        let metadata = self.setups.get(at).map(|setup| fs::symlink_metadata(&setup.path));
        matches!(metadata, Some(Ok(it)) if it.is_symlink() || it.nlink() > 1)
    }
}

/// Not for writing as such: what is in a file that is being written is no number yet.
fn watch(inotify: &OwnedFd, folder: &Path) -> io::Result<()> {
    let events = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    add_watch(inotify, folder, events)?;
    Ok(())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// `init_file`.
fn write_first(setup: &FileSetup) -> io::Result<()> {
    let Some(first) = setup.init else { return Ok(()) };
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if first.overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    match options.open(&setup.path) {
        Ok(mut file) => writeln!(file, "{}", first.value),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The number in a file; zero if there is none. `None` if it is too large to be one.
fn read(path: &PathBuf) -> Option<i64> {
    let mut bytes = Vec::new();
    // Somebody may have put a pipe there.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let result = opened.and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    if result.is_err() {
        return Some(0);
    }
    number(&bytes)
}

/// As C's `strtol` with base 0: what follows the number does not matter, no number is zero. `None`
/// for what does not fit, where keepalived keeps the number before.
fn number(bytes: &[u8]) -> Option<i64> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let bytes = bytes.get(start..).unwrap_or(&[]);
    let (negative, bytes) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    let (radix, digits) = match bytes {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, rest)
        }
        [b'0', rest @ ..] => (8, rest),
        _ => (10, bytes),
    };
    let mut value: i64 = 0;
    for digit in digits.iter().map_while(|byte| char::from(*byte).to_digit(radix)) {
        let digit = i64::from(digit);
        value = value.checked_mul(i64::from(radix))?;
        value = if negative { value.checked_sub(digit)? } else { value.checked_add(digit)? };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_strtol_makes_of_it() {
        let cases: &[(&str, Option<i64>)] = &[
            ("5\n", Some(5)),
            ("12abc\n", Some(12)),
            (" 0x10\n", Some(16)),
            ("0X1f", Some(31)),
            ("0x", Some(0)),
            ("0xg", Some(0)),
            ("010", Some(8)),
            ("08", Some(0)),
            ("-5", Some(-5)),
            ("-0x10", Some(-16)),
            ("+3\n", Some(3)),
            ("7 8", Some(7)),
            ("- 5", Some(0)),
            ("", Some(0)),
            ("\n\t 4", Some(4)),
            ("abc", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text.as_bytes()), *expected, "{text:?}");
        }
        assert_eq!(number(&[0xff, b'1']), Some(0));
        assert_eq!(number(b"1\x002"), Some(1));
    }
}
