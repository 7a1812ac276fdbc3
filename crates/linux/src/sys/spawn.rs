//! Starts a child and does not wait for its program: `std::process::Command` waits until the program
//! is loaded, which on a file system that hangs is for ever, and knows no supplementary groups.
//!
//! Between `fork` and `execve` the child of a program with threads may do next to nothing: no memory,
//! no locks. All it needs is laid out before.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use zeroize::Zeroizing;

/// A word of a command line, with a NUL behind it. It may be a password, so it is wiped.
pub(crate) type Argument = Zeroizing<Vec<u8>>;

/// All a child needs.
pub(crate) struct Image {
    /// The program's file.
    pub(crate) path: CString,
    /// Its arguments, the first being its own name, each with a NUL behind it and none within.
    pub(crate) arguments: Vec<Argument>,
    /// `NAME=value`.
    pub(crate) environment: Vec<CString>,
    /// Whom it runs as; `None`: whoever the daemon runs as.
    pub(crate) user: Option<User>,
    /// What it does not allow others by the files it makes.
    pub(crate) umask: u32,
}

/// Whom a child runs as.
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// All its groups.
    pub(crate) groups: Vec<u32>,
}

/// The child's descriptors.
pub(crate) struct Ends<'a> {
    /// Its standard input.
    pub(crate) input: BorrowedFd<'a>,
    /// Its standard output and error.
    pub(crate) output: BorrowedFd<'a>,
    /// Where it says why it could not start, as four bytes of errno. Closed when it has started.
    pub(crate) failure: BorrowedFd<'a>,
}

/// The shell that runs what the kernel does not know how to.
const SHELL: &CStr = c"/bin/sh";

/// Starts it, in a process group of its own. Gives its process id.
///
/// # Errors
/// When there is no room for another process. What fails in the child is said on `ends.failure`.
pub(crate) fn spawn(image: &Image, ends: &Ends<'_>) -> io::Result<i32> {
    let null = ptr::null::<c_char>();
    let words = || image.arguments.iter().map(|word| word.as_ptr().cast::<c_char>());
    debug_assert!(image.arguments.iter().all(|word| word.last() == Some(&0)), "a C string");
    let arguments: Vec<_> = words().chain([null]).collect();
    // `sh FILE ARGUMENT...`, for a script that does not say what runs it.
    let shell: Vec<_> = [SHELL.as_ptr(), image.path.as_ptr()]
        .into_iter()
        .chain(words().skip(1))
        .chain([null])
        .collect();
    let environment: Vec<_> =
        image.environment.iter().map(|variable| variable.as_ptr()).chain([null]).collect();
    let child = Child {
        path: image.path.as_ptr(),
        arguments: arguments.as_ptr(),
        shell: shell.as_ptr(),
        environment: environment.as_ptr(),
        user: image.user.as_ref(),
        umask: image.umask,
        parent: std::process::id().cast_signed(),
        input: ends.input.as_raw_fd(),
        output: ends.output.as_raw_fd(),
        failure: ends.failure.as_raw_fd(),
    };
    // SAFETY: the child calls nothing but `Child::become_program`, which keeps to functions that are
    // safe between fork and exec and never returns.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: this is the child; every pointer in `child` leads to memory of this function
            // and of `image`, of which the child has a copy, ended by NUL or null.
            unsafe { child.become_program() }
        }
        pid => {
            // Both do it, so that it is done whoever comes first.
            // SAFETY: two numbers; the worst answer is that the child has done it and gone on.
            unsafe { libc::setpgid(pid, pid) };
            Ok(pid)
        }
    }
}

/// What [`Image`] is for the child: pointers and numbers only.
struct Child<'a> {
    path: *const c_char,
    arguments: *const *const c_char,
    shell: *const *const c_char,
    environment: *const *const c_char,
    user: Option<&'a User>,
    umask: u32,
    parent: i32,
    input: RawFd,
    output: RawFd,
    failure: RawFd,
}

impl Child<'_> {
    /// # Safety
    /// Only in a child that has just been forked. All pointers must be valid, the strings ended by
    /// NUL, the lists by null.
    unsafe fn become_program(&self) -> ! {
        // SAFETY: as the caller promises; everything called is on the list of signal-safety(7) or a
        // plain system call, and a wrong argument earns an errno.
        unsafe {
            if self.prepare() {
                libc::execve(self.path, self.arguments, self.environment);
                if errno() == libc::ENOEXEC {
                    libc::execve(SHELL.as_ptr(), self.shell, self.environment);
                }
            }
            let errno = errno().to_ne_bytes();
            libc::write(self.failure, errno.as_ptr().cast(), errno.len());
            libc::_exit(127)
        }
    }

    /// Whether all of it could be done; if not, errno says why.
    ///
    /// # Safety
    /// As [`Child::become_program`].
    unsafe fn prepare(&self) -> bool {
        // SAFETY: as the caller promises. `mask` is initialised by `sigemptyset`; `groups` points at
        // as many numbers as are said.
        unsafe {
            libc::setpgid(0, 0);
            // Whatever this program ignores or holds back is not the child's affair.
            for signal in 1..=libc::SIGRTMAX() {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut mask);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut());
            libc::umask(self.umask);
            if libc::dup2(self.input, 0) < 0
                || libc::dup2(self.output, 1) < 0
                || libc::dup2(self.output, 2) < 0
            {
                return false;
            }
            // Also what this program was given by whoever started it. Before Linux 5.11: nothing.
            libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            if let Some(user) = self.user {
                if libc::setgroups(user.groups.len(), user.groups.as_ptr()) != 0
                    || libc::setgid(user.gid) != 0
                    || libc::setuid(user.uid) != 0
                {
                    return false;
                }
                if user.uid != 0 {
                    // Before Linux 4.3 there were none.
                    let none: libc::c_ulong = 0;
                    let all = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
                    libc::prctl(libc::PR_CAP_AMBIENT, all, none, none, none);
                }
            }
            // After the change of the user, which forgets it.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong);
            if libc::getppid() != self.parent {
                // The daemon died just before.
                libc::_exit(127);
            }
            true
        }
    }
}

fn errno() -> c_int {
    // SAFETY: the address of this thread's own errno, which is always there.
    unsafe { *libc::__errno_location() }
}

/// Makes the kernel keep ended children until they are asked for, as `waitid` needs it: a program may
/// have been started with SIGCHLD ignored.
pub(crate) fn keep_ended_children() {
    // SAFETY: sets the default action, which calls no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}
