//! A child process: started, signalled, and asked how it ended, without ever waiting for it.

use std::env;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use keepair_core::router::input::Ended;
use nix::unistd::{getegid, geteuid, getgroups};
use rustix::fs::Access;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    waitid,
};
use zeroize::Zeroizing;

use super::setup::RunAs;
use crate::sys::spawn::{Argument, Ends, Image, User, keep_ended_children, spawn};

/// Where programs are looked for if the daemon has no `PATH`.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What all children have in common.
pub(crate) struct Nursery {
    environment: Vec<CString>,
    null: File,
    umask: u32,
}

impl Nursery {
    /// Children get the environment the daemon has now, without what could harm them.
    ///
    /// # Errors
    /// Without `/dev/null`.
    pub(crate) fn new(umask: u32) -> io::Result<Nursery> {
        keep_ended_children();
        let environment = env::vars_os()
            .filter(|(name, _)| is_harmless(name.as_bytes()))
            .filter_map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                CString::new(name.into_vec()).ok()
            })
            .collect();
        Ok(Nursery { environment, null: File::open("/dev/null")?, umask })
    }

    /// Files of children started from now on are closed to whom it says.
    pub(crate) fn set_umask(&mut self, umask: u32) {
        self.umask = umask;
    }

    /// Starts a program.
    ///
    /// # Errors
    /// When it can't be found or loaded, its user can't be changed to, a word holds a NUL, or there is
    /// no room for a process.
    pub(crate) fn start(
        &self,
        path: &str,
        arguments: &[&str],
        run_as: &RunAs,
    ) -> io::Result<Child> {
        let file = find(path)?;
        let words = [path].into_iter().chain(arguments.iter().copied());
        let image = Image {
            path: CString::new(file.into_vec())?,
            arguments: words.map(argument).collect::<io::Result<_>>()?,
            environment: self.environment.clone(),
            user: user(run_as),
            umask: self.umask,
        };
        let (output, child_output) = pipe_with(PipeFlags::CLOEXEC)?;
        // Ours only: what a script writes to is as ordinary as it expects.
        rustix::io::ioctl_fionbio(&output, true)?;
        let ends = Ends { input: self.null.as_fd(), output: child_output.as_fd() };
        let number = spawn(&image, &ends)?;
        let pid = Pid::from_raw(number).ok_or(io::ErrorKind::NotFound)?;
        let watch = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(watch) => watch,
            Err(error) => {
                // No descriptors left.
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
                return Err(error.into());
            }
        };
        Ok(Child { pid, watch, output: Some(output) })
    }
}

/// A process that has not been asked how it ended, so that its number is nobody else's.
pub(crate) struct Child {
    pid: Pid,
    watch: OwnedFd,
    output: Option<OwnedFd>,
}

impl Child {
    /// Readable when it has ended.
    pub(crate) fn watch(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Where what it writes comes out, which may be long after its end: others may have it, too.
    pub(crate) fn take_output(&mut self) -> Option<OwnedFd> {
        self.output.take()
    }

    /// Signals its process group.
    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended, and is a zombie then.
        let _ = kill_process_group(self.pid, signal);
    }

    /// How it ended; `None` if it has not.
    ///
    /// # Errors
    /// None known.
    pub(crate) fn ended(&self) -> io::Result<Option<Ended>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.watch.as_fd()), options)?;
        Ok(status.as_ref().map(how))
    }
}

fn how(status: &WaitIdStatus) -> Ended {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Killed(signal),
        // waitid was asked for ends only.
        (None, None) => Ended::NotStarted("it ended in an unknown way".to_owned()),
    }
}

/// What others set to change how programs behave, and what is the daemon's own affair.
fn is_harmless(name: &[u8]) -> bool {
    name != b"IFS"
        && !name.starts_with(b"LD_")
        && name != b"NOTIFY_SOCKET"
        && !name.starts_with(b"WATCHDOG_")
}

fn argument(word: &str) -> io::Result<Argument> {
    if word.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a NUL in a word"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(word.len() + 1));
    bytes.extend_from_slice(word.as_bytes());
    bytes.push(0);
    Ok(bytes)
}

/// `None` if it is who the daemon is: it may not be allowed to change, not even into itself.
fn user(run_as: &RunAs) -> Option<User> {
    let groups: Vec<u32> =
        [run_as.gid].into_iter().chain(run_as.supplementary.iter().copied()).collect();
    let (uid, gid) = (geteuid(), getegid());
    let is_self = uid.as_raw() == run_as.uid && gid.as_raw() == run_as.gid;
    let has_no_more =
        || getgroups().is_ok_and(|own| own.iter().all(|own| groups.contains(&own.as_raw())));
    let has_no_less = run_as.supplementary.is_empty();
    if is_self && (!uid.is_root() || has_no_less && has_no_more()) {
        return None;
    }
    Some(User { uid: run_as.uid, gid: run_as.gid, groups })
}

/// The file of a program: one without a slash is looked for in `PATH`.
pub(super) fn find(path: &str) -> io::Result<OsString> {
    if path.contains('/') {
        return Ok(path.into());
    }
    let folders = env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    for folder in env::split_paths(&folders) {
        let file = Path::new(&folder).join(path);
        if file.is_file() && rustix::fs::access(&file, Access::EXEC_OK).is_ok() {
            return Ok(file.into_os_string());
        }
    }
    Err(Errno::NOENT.into())
}
