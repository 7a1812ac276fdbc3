//! Starts a child in the memory of its parent, as `vfork` does, until its program is loaded.
//!
//! `fork` would copy the page tables, and every page that the real-time thread writes to afterwards
//! would have to be copied before it can go on: measured, adverts were up to 15 ms late beside a burst
//! of 50 children. `std::process::Command` forks as soon as it is told of groups or a death signal.
//!
//! Until `execve` the child may do next to nothing: no memory, no locks, and no change of user by the C
//! library, which would change it in all threads it knows, those of the parent. All it needs is laid
//! out before.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

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
}

/// The shell that runs what the kernel does not know how to.
const SHELL: &CStr = c"/bin/sh";

/// What the child's few calls need, and what a signal handler would, if there were one.
const STACK_BYTES: usize = 64 * 1024;

/// Starts it, in a process group of its own. Gives its process id. Returns when its program is loaded,
/// or could not be.
///
/// # Errors
/// When there is no room for another process, it can't become who it is to be, or its program can't be
/// loaded.
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
        failure: AtomicI32::new(0),
    };
    let mut stack = vec![0u128; STACK_BYTES / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let before = block_signals();
    // SAFETY: the child runs `begin` on `stack`, of which `top` is the aligned upper end, with a pointer
    // to `child`; this thread stands still until the child has left this memory, so that all of
    // it, and this thread's errno, is the child's alone. No signal handler runs in the child: all
    // signals are held back until it has none.
    let pid =
        unsafe { libc::clone(begin, top.cast(), flags, (&raw const child).cast_mut().cast()) };
    let error = io::Error::last_os_error();
    set_signals(&before);
    if pid < 0 {
        return Err(error);
    }
    match child.failure.load(Ordering::Relaxed) {
        0 => Ok(pid),
        errno => {
            // SAFETY: waits for a child that is ending, and asks for nothing else.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            Err(io::Error::from_raw_os_error(errno))
        }
    }
}

/// The child's first steps, and last ones here.
extern "C" fn begin(child: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to a `Child`, and stands still while it is used; every pointer
    // in it leads to memory of `spawn` and of its `Image`, ended by NUL or null.
    unsafe { (*child.cast::<Child<'_>>()).become_program() }
}

/// Holds all signals back from this thread. Gives those that were before.
fn block_signals() -> libc::sigset_t {
    // SAFETY: both sets are initialised before they are read: one by `sigfillset`, the other, all
    // zeroes being a set, by the call.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

fn set_signals(mask: &libc::sigset_t) {
    // SAFETY: `mask` is a set, and the former one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::from_ref(mask), ptr::null_mut()) };
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
    /// Where the child says why it could not become its program; 0 if it did.
    failure: AtomicI32,
}

impl Child<'_> {
    /// # Safety
    /// Only in a child that has just begun, and whose parent's thread stands still. All pointers must
    /// be valid, the strings ended by NUL, the lists by null.
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
            self.failure.store(errno(), Ordering::Relaxed);
            libc::_exit(127)
        }
    }

    /// Whether all of it could be done; if not, errno says why.
    ///
    /// # Safety
    /// As [`Child::become_program`].
    unsafe fn prepare(&self) -> bool {
        // SAFETY: as the caller promises. `default` and `mask` are initialised, all zeroes being the
        // default action; `groups` points at as many numbers as are said. Handlers, mask, umask,
        // descriptors and user are the child's own, only its memory is not.
        unsafe {
            libc::setpgid(0, 0);
            // Whatever this program ignores or holds back is not the child's affair.
            let default: libc::sigaction = std::mem::zeroed();
            for signal in 1..=libc::SIGRTMAX() {
                libc::sigaction(signal, &raw const default, ptr::null_mut());
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
                let (count, groups) = (user.groups.len(), user.groups.as_ptr());
                if libc::syscall(libc::SYS_setgroups, count, groups) != 0
                    || libc::syscall(libc::SYS_setgid, user.gid) != 0
                    || libc::syscall(libc::SYS_setuid, user.uid) != 0
                {
                    return false;
                }
            }
            if libc::geteuid() != 0 {
                // Before Linux 4.3 there were none.
                let none: libc::c_ulong = 0;
                let all = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
                libc::prctl(libc::PR_CAP_AMBIENT, all, none, none, none);
            }
            // After the change of the user, which forgets it.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong);
            if libc::getppid() != self.parent {
                // The daemon died just before, and nobody waits.
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
