//! Netlink for `rtnl` and `fence`: messages written into a byte buffer, and a socket that sends
//! them and collects the kernel's answers without ever blocking.
//!
//! rtnetlink and nfnetlink handle a request inside `send`, so every answer is queued when `send`
//! returns; the answers are read with `MSG_DONTWAIT`, and a missing one is an error, not a wait.
//! `netlink-bindings` 0.3.5 was read and left out: it writes the timeout of a set element in native
//! byte order (the kernel wants big endian) and its socket waits for ever for an answer that does
//! not come. A dozen message shapes are easier to check than 46,000 generated lines.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::sys;

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;

/// Appends netlink messages to a buffer.
#[derive(Default, Debug)]
pub(crate) struct Writer {
    buf: Vec<u8>,
    start: usize,
    /// Messages begun so far; message `i` carries the sequence number `base + i`.
    count: u32,
}

impl Writer {
    /// Begins a message: kind, `NLM_F_*` flags (`NLM_F_REQUEST` is added) and the family's header.
    pub(crate) fn message(&mut self, kind: u16, flags: i32, family_header: &[u8]) -> &mut Self {
        self.finish();
        self.start = self.buf.len();
        self.buf.extend([0; 4]);
        self.buf.extend(kind.to_ne_bytes());
        self.buf.extend(((flags | libc::NLM_F_REQUEST) as u16).to_ne_bytes());
        self.buf.extend(self.count.to_ne_bytes());
        self.buf.extend([0; 4]);
        self.buf.extend(family_header);
        self.count += 1;
        self
    }

    /// One attribute.
    pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.buf.extend(len.to_ne_bytes());
        self.buf.extend(kind.to_ne_bytes());
        self.buf.extend(value);
        self.pad();
        self
    }

    /// A big-endian `u32`, as nfnetlink wants its integers.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// A `u32`, as rtnetlink wants its integers.
    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Bytes without a kind: a structure among attributes.
    pub(crate) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.buf.extend(value);
        self.pad();
        self
    }

    /// Overwrites the length of a structure that began at `start` with what was written since.
    pub(crate) fn close(&mut self, start: usize) {
        let len = u16::try_from(self.buf.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = self.buf.get_mut(start..start + 2) {
            field.copy_from_slice(&len.to_ne_bytes());
        }
    }

    /// A NUL-terminated string.
    pub(crate) fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// An attribute made of the attributes that `inner` writes.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.buf.len();
        self.attr(kind | libc::NLA_F_NESTED as u16, &[]);
        inner(self);
        self.close(start);
        self
    }

    /// Adds flags to the message begun last.
    pub(crate) fn add_flags(&mut self, flags: i32) {
        if let Some(low) = self.buf.get_mut(self.start + 6..self.start + 8) {
            let old = u16::from_ne_bytes([low[0], low[1]]);
            low.copy_from_slice(&(old | flags as u16).to_ne_bytes());
        }
    }

    /// Offset at which the next byte is written.
    pub(crate) fn position(&self) -> usize {
        self.buf.len()
    }

    fn pad(&mut self) {
        self.buf.resize(self.buf.len().next_multiple_of(4), 0);
    }

    fn finish(&mut self) {
        if self.count > 0 {
            let len = u32::try_from(self.buf.len() - self.start).unwrap_or(u32::MAX);
            self.buf[self.start..self.start + 4].copy_from_slice(&len.to_ne_bytes());
        }
    }

    /// The finished messages.
    pub(crate) fn into_request(mut self) -> Request {
        self.finish();
        Request { buf: self.buf, count: self.count }
    }
}

/// Finished messages, to be sent once or many times.
#[derive(Default, Debug)]
pub(crate) struct Request {
    /// The bytes; a caller may patch values in place.
    pub(crate) buf: Vec<u8>,
    count: u32,
}

impl Request {
    fn set_sequence(&mut self, base: u32) {
        let mut at = 0;
        let mut seq = base;
        while let Some(len) = read_u32(&self.buf, at) {
            if let Some(field) = self.buf.get_mut(at + 8..at + 12) {
                field.copy_from_slice(&seq.to_ne_bytes());
            }
            seq = seq.wrapping_add(1);
            at += (len as usize).max(HEADER).next_multiple_of(4);
        }
    }
}

/// The kernel's refusal of a request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// A positive errno.
    pub(crate) errno: i32,
    /// Index of the refused message within the request.
    pub(crate) message: usize,
    /// The kernel's own words (`NETLINK_EXT_ACK`), often empty.
    pub(crate) text: String,
}

impl Refusal {
    fn from_io(error: &io::Error) -> Refusal {
        Refusal {
            errno: error.raw_os_error().unwrap_or(libc::EIO),
            message: 0,
            text: String::new(),
        }
    }

    /// An `io::Error` that keeps the kind and says what was attempted.
    pub(crate) fn into_error(self, attempt: &str) -> io::Error {
        let os = io::Error::from_raw_os_error(self.errno);
        let text = if self.text.is_empty() {
            format!("{attempt}: {os}")
        } else {
            format!("{attempt}: {os}: {}", self.text)
        };
        io::Error::new(os.kind(), text)
    }
}

/// A netlink socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buf: Vec<u8>,
}

impl Socket {
    /// Opens a non-blocking socket of a protocol (`netlink::ROUTE` is `None`).
    pub(crate) fn open(protocol: Option<Protocol>) -> io::Result<Socket> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            protocol,
        )?;
        // Without a port of its own a socket hears nothing of the groups it joins.
        rustix::net::bind(&fd, &rustix::net::netlink::SocketAddrNetlink::new(0, 0))?;
        sys::set_int(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1)?;
        sys::set_int(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
        // Lets a dump be limited to one interface (Linux 4.20); without it the caller filters.
        let _ = sys::set_int(&fd, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, 1);
        Ok(Socket { fd, sequence: 1, buf: vec![0; 64 * 1024] })
    }

    /// Receives the notices of a multicast group.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        let group = i32::try_from(group).map_err(|_| io::ErrorKind::InvalidInput)?;
        sys::set_int(&self.fd, libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group)
    }

    /// Makes room for `bytes` of queued notices, beyond the system's limit where allowed.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) {
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&self.fd, bytes).is_err() {
            // Without CAP_NET_ADMIN the limit net.core.rmem_max holds; an overrun is then
            // likelier, and reported as such.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&self.fd, bytes);
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends a request and hands every data message of the answer to `each`. `Ok` when the last
    /// message of the request was acknowledged or its dump is complete, and none was refused.
    pub(crate) fn request(
        &mut self,
        request: &mut Request,
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<(), Refusal> {
        let base = self.sequence;
        self.sequence = base.wrapping_add(request.count);
        request.set_sequence(base);
        rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, &request.buf, SendFlags::empty()))
            .map_err(|e| Refusal::from_io(&e.into()))?;
        let mut answered = false;
        let mut refused: Option<Refusal> = None;
        let mut interrupted = false;
        while let Some(len) = self.receive().map_err(|e| Refusal::from_io(&e))? {
            for (header, body) in messages(self.buf.get(..len).unwrap_or_default()) {
                let index = header.sequence.wrapping_sub(base);
                if index >= request.count {
                    continue;
                }
                interrupted |= i32::from(header.flags) & libc::NLM_F_DUMP_INTR != 0;
                match i32::from(header.kind) {
                    libc::NLMSG_ERROR | libc::NLMSG_DONE => {
                        let errno = read_i32(body, 0).unwrap_or(0).saturating_neg();
                        if errno != 0 {
                            let text = extended_text(header, body);
                            refused.get_or_insert(Refusal { errno, message: index as usize, text });
                        } else {
                            // Only the last message asks to be acknowledged.
                            answered = true;
                        }
                    }
                    _ => each(header.kind, body),
                }
            }
        }
        match refused {
            Some(refusal) => Err(refusal),
            None if interrupted => Err(Refusal {
                errno: libc::EINTR,
                message: 0,
                text: "the table changed during the dump".into(),
            }),
            None if answered => Ok(()),
            None => Err(Refusal {
                errno: libc::EPROTO,
                message: 0,
                text: "the kernel did not answer".into(),
            }),
        }
    }

    /// Hands the messages of one queued datagram to `each`; false when nothing is queued.
    pub(crate) fn notices(&mut self, mut each: impl FnMut(u16, &[u8])) -> io::Result<bool> {
        let Some(len) = self.receive()? else { return Ok(false) };
        for (header, body) in messages(self.buf.get(..len).unwrap_or_default()) {
            each(header.kind, body);
        }
        Ok(true)
    }

    fn receive(&mut self) -> io::Result<Option<usize>> {
        loop {
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            match rustix::net::recv(&self.fd, &mut self.buf[..], flags) {
                Ok((_, len)) if len > self.buf.len() => {
                    return Err(io::Error::other("netlink answer longer than 64 KiB"));
                }
                Ok((_, len)) => return Ok(Some(len)),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// The fields of `struct nlmsghdr` that are used.
#[derive(Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    std::iter::from_fn(move || {
        let len = read_u32(bytes, 0)? as usize;
        let message = bytes.get(..len)?;
        let header = Header {
            kind: read_u16(message, 4)?,
            flags: read_u16(message, 6)?,
            sequence: read_u32(message, 8)?,
        };
        let body = message.get(HEADER..)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    })
}

/// Iterates over `(kind, value)` of attributes; stops at the first malformed one.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(read_u16(bytes, 0)?);
        let kind = read_u16(bytes, 2)? & !((libc::NLA_F_NESTED | libc::NLA_F_NET_BYTEORDER) as u16);
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The kernel's text in an error message: after the errno and the echoed header (`NETLINK_CAP_ACK`
/// cuts the payload off), or directly after the errno at the end of a dump.
fn extended_text(header: Header, body: &[u8]) -> String {
    const NLM_F_ACK_TLVS: u16 = 0x200;
    const NLMSGERR_ATTR_MSG: u16 = 1;
    if header.flags & NLM_F_ACK_TLVS == 0 {
        return String::new();
    }
    let skip = if i32::from(header.kind) == libc::NLMSG_DONE { 4 } else { 4 + HEADER };
    attributes(body.get(skip..).unwrap_or_default())
        .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
        .map(|(_, text)| {
            String::from_utf8_lossy(text.strip_suffix(&[0]).unwrap_or(text)).into_owned()
        })
        .unwrap_or_default()
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    read(bytes, at).map(u16::from_ne_bytes)
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    read(bytes, at).map(u32::from_ne_bytes)
}

fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    read(bytes, at).map(i32::from_ne_bytes)
}
