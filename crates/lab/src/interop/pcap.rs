//! What goes over a hub: every advert noted, and a file that Wireshark's own reading of it is asked of.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::advert;
use super::timeline::{Timeline, What};
use crate::namespace::Namespace;

/// A thread that listens on a host of a hub. Ends when dropped.
#[derive(Debug)]
pub struct Capture {
    file: PathBuf,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Capture {
    /// Listens from now on, also for frames to others: a hub sends everything everywhere.
    ///
    /// # Errors
    /// Where the kernel gives no packet socket, or the file cannot be written.
    pub fn new(ns: &Namespace, host: usize, file: &Path, timeline: Timeline) -> Result<Self> {
        let socket = ns.run(open)?.context("a packet socket")?;
        let mut out = BufWriter::new(File::create(file)?);
        // pcap(5): microseconds, version 2.4, no zone, 64 KiB, LINKTYPE_ETHERNET.
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_536, 1_u32] {
            out.write_all(&word.to_ne_bytes())?;
        }
        let end = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&end);
        let thread = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || listen(&socket, &stop, host, out, &timeline))?;
        Ok(Self { file: file.to_owned(), end, thread: Some(thread) })
    }

    /// Ends it and gives the file that has every advert.
    ///
    /// # Errors
    /// Where listening or writing failed.
    pub fn finish(mut self) -> Result<PathBuf> {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && !matches!(thread.join(), Ok(Ok(())))
        {
            bail!("the capture {} is not whole", self.file.display());
        }
        Ok(self.file.clone())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

fn open() -> Result<OwnedFd> {
    let packet = AddressFamily::Packet;
    let cloexec = SockFlag::SOCK_CLOEXEC;
    let socket = socket(packet, SockType::Raw, cloexec, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(200))?;
    setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
    Ok(socket)
}

fn listen(
    socket: &OwnedFd,
    stop: &AtomicBool,
    host: usize,
    mut out: BufWriter<File>,
    timeline: &Timeline,
) -> Result<()> {
    let mut bytes = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let length = match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => continue,
            Err(error) => return Err(error.into()),
        };
        let (at, now) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH)?);
        let frame = bytes.get(..length).unwrap_or_default();
        let Some(advert) = advert::read_frame(frame) else { continue };
        let length = u32::try_from(length)?;
        for word in [u32::try_from(now.as_secs())?, now.subsec_micros(), length, length] {
            out.write_all(&word.to_ne_bytes())?;
        }
        out.write_all(frame)?;
        timeline.note(at, host, What::Advert(advert));
    }
    Ok(out.flush()?)
}

/// What Wireshark thinks of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opinion {
    /// Packets it knows as VRRP.
    pub adverts: usize,
    /// What it complains of, one line for each packet and complaint.
    pub complaints: Vec<String>,
}

/// Asks tshark for its opinion of every advert in a file.
///
/// # Errors
/// Where tshark cannot be run or cannot read the file.
pub fn opinion(tshark: &Path, file: &Path) -> Result<Opinion> {
    let mut command = Command::new(tshark);
    command.args(["-n", "-r"]).arg(file).args(["-Y", "vrrp", "-T", "fields", "-E", "separator=/t"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().context("run tshark")?;
    if !output.status.success() {
        bail!("tshark: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(read_opinion(&String::from_utf8_lossy(&output.stdout)))
}

const FIELDS: [&str; 4] =
    ["frame.number", "vrrp.checksum.status", "_ws.expert.message", "_ws.malformed"];
/// `vrrp.checksum.status` of a good one.
const GOOD: &str = "1";

fn read_opinion(text: &str) -> Opinion {
    let mut opinion = Opinion::default();
    for line in text.lines() {
        opinion.adverts += 1;
        let mut fields = line.split('\t');
        let number = fields.next().unwrap_or_default();
        let checksum = fields.next().unwrap_or_default();
        if checksum != GOOD {
            opinion.complaints.push(format!("packet {number}: checksum status {checksum:?}"));
        }
        for complaint in fields.filter(|field| !field.is_empty()) {
            opinion.complaints.push(format!("packet {number}: {complaint}"));
        }
    }
    opinion
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_complaint_counts_and_a_missing_verdict_is_one() {
        let opinion =
            read_opinion("1\t1\t\t\n2\t0\tBad checksum\t\n3\t\t\tMalformed Packet\n4\t1\n");
        assert_eq!(opinion.adverts, 4);
        assert_eq!(
            opinion.complaints,
            [
                "packet 2: checksum status \"0\"",
                "packet 2: Bad checksum",
                "packet 3: checksum status \"\"",
                "packet 3: Malformed Packet",
            ]
        );
    }
}
