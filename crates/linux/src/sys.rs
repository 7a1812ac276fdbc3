//! The only unsafe code of this crate: system calls that no safe wrapper offers, and the start of a
//! child (`spawn`).
//!
//! Every function is safe to call with any argument; a wrong one earns an errno. Not a place for
//! policy: what to set, and why, is said by the callers.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

pub(crate) mod signals;
pub(crate) mod spawn;

/// One instruction of a classic BPF socket filter: `(code, jump if true, jump if false, operand)`.
pub(crate) type BpfInsn = (u16, u8, u8, u32);

/// Loads two bytes, big endian.
pub(crate) const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
/// Loads a byte.
pub(crate) const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
/// Compares what was loaded.
pub(crate) const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
/// Lets so many bytes of the packet pass.
pub(crate) const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

fn check(ret: libc::c_int) -> io::Result<()> {
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn len_of<T>() -> libc::socklen_t {
    // Sizes of the kernel structures used here: some tens of bytes.
    size_of::<T>() as libc::socklen_t
}

/// `setsockopt` with an `int`, for the options that rustix and socket2 lack.
pub(crate) fn set_int(fd: impl AsFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which lives across the call, and the
    // kernel only reads it; the descriptor is borrowed, hence open.
    check(unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            len_of::<i32>(),
        )
    })
}

/// Attaches a classic BPF filter (`SO_ATTACH_FILTER`).
pub(crate) fn attach_filter(fd: impl AsFd, program: &[BpfInsn]) -> io::Result<()> {
    let mut insns: Vec<libc::sock_filter> =
        program.iter().map(|&(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k }).collect();
    let len = u16::try_from(insns.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let fprog = libc::sock_fprog { len, filter: insns.as_mut_ptr() };
    // SAFETY: `fprog` points at `len` instructions in `insns`; both outlive the call, during which
    // the kernel copies and verifies them.
    check(unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const fprog).cast(),
            len_of::<libc::sock_fprog>(),
        )
    })
}

/// Binds an `AF_PACKET` socket to an interface and an ethertype (host byte order; 0 = receive
/// nothing).
pub(crate) fn bind_packet(fd: impl AsFd, ifindex: u32, ethertype: u16) -> io::Result<()> {
    let addr = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `addr` is a fully initialised sockaddr_ll of the stated length and outlives the call.
    check(unsafe {
        libc::bind(fd.as_fd().as_raw_fd(), (&raw const addr).cast(), len_of::<libc::sockaddr_ll>())
    })
}

/// Makes the calling thread `SCHED_FIFO | SCHED_RESET_ON_FORK` with the given priority.
pub(crate) fn set_fifo(priority: i32) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: `param` is initialised and outlives the call; pid 0 is the calling thread.
    check(unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param)
    })
}
