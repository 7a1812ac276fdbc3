//! The measuring client: a fresh connection every few milliseconds, `AUTH` and `SET` in one write.
//!
//! Connections overlap, each with its own deadline, as those of many independent clients would. One
//! thread, non-blocking sockets and a timer: it costs a few percent of one core. It records, and
//! judges nothing; `measure` does.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::journal::{Journal, Source};
use crate::namespace::Namespace;
use crate::redis::encode;
use crate::tools::which;

/// What became of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server said it is written.
    Acked,
    /// The server answered an error, here without the dash.
    Error(String),
    /// The connection was refused.
    Refused,
    /// The connection was reset or closed without an answer.
    Reset,
    /// There was no way to the host, or no such address.
    Unreachable,
    /// No answer before the deadline.
    Timeout,
    /// The load was stopped while this one was under way.
    Unfinished,
}

/// One write.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its number: the key is `prefix:number`, the value the number.
    pub number: u64,
    /// When the connection was begun.
    pub sent: Instant,
    /// When the outcome was known.
    pub done: Instant,
    /// What it was.
    pub outcome: Outcome,
    /// The machine whose Redis answered, where the client asks for it.
    pub by: Option<String>,
}

/// What a client does.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where it writes to.
    pub target: SocketAddr,
    /// The password it sends.
    pub password: String,
    /// The first part of every key.
    pub prefix: String,
    /// The number of the first write.
    pub first: u64,
    /// The time between the beginnings of two connections.
    pub interval: Duration,
    /// How long each connection has for everything.
    pub deadline: Duration,
    /// Whether each connection asks, before it writes, which machine answers.
    pub asks_who: bool,
}

/// Everything a client saw.
#[derive(Debug, Default)]
pub struct Records {
    /// In the order in which the outcomes became known.
    pub writes: Vec<Record>,
    /// Beginnings left out because the client itself was not scheduled in time: when and how many.
    pub skipped: Vec<(Instant, u64)>,
    /// Whether the client had real-time priority.
    pub realtime: bool,
    /// How late the client's own timer was at worst, with the time.
    pub latest: Option<(Instant, Duration)>,
}

/// A client at work.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Records>>,
}

/// Starts a client inside a namespace; what it meets on the way it tells the journal.
///
/// # Errors
/// Where the thread cannot be started.
pub fn start(ns: &Namespace, load: Load, journal: Option<(Journal, Source)>) -> Result<Running> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let thread = ns.run(move || {
        // Born of a thread that lives in the namespace, it lives there too.
        std::thread::Builder::new().name("client".to_owned()).spawn(move || {
            let realtime = realtime();
            let mut records = Client::new(load, journal)?.run(&flag)?;
            records.realtime = realtime;
            Ok(records)
        })
    })??;
    Ok(Running { stop, thread })
}

/// Gives the calling thread the lowest real-time priority, where `chrt` is there and may do so.
///
/// The client stands for another machine: it must not wait for a processor because the pair, or
/// whoever else shares this one, is busy. It needs a few percent of one.
fn realtime() -> bool {
    let Some(chrt) = which("chrt") else { return false };
    let thread = nix::unistd::gettid().to_string();
    let mut command = Command::new(chrt);
    command.args(["--fifo", "--reset-on-fork", "--pid", "1", &thread]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Running {
    /// Stops the client and takes what it saw.
    ///
    /// # Errors
    /// Where the client itself failed.
    pub fn stop(self) -> Result<Records> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the client's thread panicked"))?
    }
}

struct Open {
    number: u64,
    sent: Instant,
    stream: TcpStream,
    request: Option<Vec<u8>>,
    answer: Vec<u8>,
}

struct Client {
    load: Load,
    journal: Option<(Journal, Source)>,
    epoll: Epoll,
    open: HashMap<u64, Open>,
    deadlines: VecDeque<(Instant, u64)>,
    records: Records,
    last_ack: Option<Instant>,
    /// The kinds of trouble met so far.
    trouble: Vec<String>,
}

const TIMER: u64 = u64::MAX;

impl Client {
    fn new(load: Load, journal: Option<(Journal, Source)>) -> Result<Self> {
        Ok(Self {
            load,
            journal,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            open: HashMap::new(),
            deadlines: VecDeque::new(),
            records: Records::default(),
            last_ack: None,
            trouble: Vec::new(),
        })
    }

    fn run(mut self, stop: &AtomicBool) -> Result<Records> {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
        )?;
        let every = TimeSpec::from_duration(self.load.interval);
        timer.set(
            Expiration::IntervalDelayed(TimeSpec::from_duration(Duration::from_micros(1)), every),
            TimerSetTimeFlags::empty(),
        )?;
        let started = Instant::now();
        self.epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let mut due = started;
        let mut number = self.load.first;
        let mut events = vec![EpollEvent::empty(); 256];
        while !stop.load(Ordering::Relaxed) {
            let count = match self.epoll.wait(&mut events, 50u16) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error).context("epoll_wait"),
            };
            for event in events.iter().take(count) {
                if event.data() != TIMER {
                    self.progress(event.data());
                    continue;
                }
                let mut ticks = [0; 8];
                if nix::unistd::read(&timer, &mut ticks) != Ok(ticks.len()) {
                    continue;
                }
                let ticks = u64::from_ne_bytes(ticks).max(1);
                let now = Instant::now();
                due += self.load.interval * u32::try_from(ticks - 1).unwrap_or(0);
                self.lateness(now, due, ticks - 1);
                due += self.load.interval;
                self.begin(number, now)?;
                number += 1;
            }
            self.expire();
        }
        let now = Instant::now();
        for (_, open) in self.open.drain() {
            self.records.writes.push(Record {
                number: open.number,
                sent: open.sent,
                done: now,
                outcome: Outcome::Unfinished,
                by: None,
            });
        }
        Ok(self.records)
    }

    fn lateness(&mut self, now: Instant, due: Instant, skipped: u64) {
        if skipped > 0 {
            self.records.skipped.push((now, skipped));
        }
        let late = now.saturating_duration_since(due) + self.load.interval * skipped as u32;
        if self.records.latest.is_none_or(|(_, worst)| late > worst) {
            self.records.latest = Some((now, late));
        }
    }

    fn begin(&mut self, number: u64, now: Instant) -> Result<()> {
        let family =
            if self.load.target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, SockType::Stream, flags, None).context("socket")?;
        // Closed with a reset: thousands of sockets in TIME_WAIT would use up the ports.
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&fd, sockopt::Linger, &linger).context("SO_LINGER")?;
        setsockopt(&fd, sockopt::TcpNoDelay, &true).context("TCP_NODELAY")?;
        match connect(fd.as_raw_fd(), &SockaddrStorage::from(self.load.target)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => {
                self.finish(number, now, (refusal(error), None));
                return Ok(());
            }
        }
        let (key, value) = (format!("{}:{number}", self.load.prefix), number.to_string());
        let mut request = encode(&["AUTH", &self.load.password]);
        if self.load.asks_who {
            request.extend(encode(&["CONFIG", "GET", "dir"]));
        }
        request.extend(encode(&["SET", &key, &value]));
        let stream = TcpStream::from(fd);
        self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLOUT, number))?;
        let open = Open { number, sent: now, stream, request: Some(request), answer: Vec::new() };
        self.open.insert(number, open);
        self.deadlines.push_back((now + self.load.deadline, number));
        Ok(())
    }

    fn progress(&mut self, number: u64) {
        let Some(open) = self.open.get_mut(&number) else {
            return;
        };
        let mut by = None;
        let outcome = if let Some(request) = open.request.take() {
            match open.stream.write(&request) {
                Ok(n) if n == request.len() => {
                    let mut reading = EpollEvent::new(EpollFlags::EPOLLIN, number);
                    match self.epoll.modify(&open.stream, &mut reading) {
                        Ok(()) => return,
                        Err(_) => Outcome::Reset,
                    }
                }
                // A hundred bytes always fit into a fresh socket.
                Ok(_) => Outcome::Reset,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    open.request = Some(request);
                    return;
                }
                Err(error) => refusal(errno(&error)),
            }
        } else {
            let mut buffer = [0; 512];
            match open.stream.read(&mut buffer) {
                Ok(0) => closing(&open.answer),
                Ok(n) => {
                    open.answer.extend_from_slice(buffer.get(..n).unwrap_or_default());
                    match verdict(&open.answer, self.load.asks_who) {
                        Some((outcome, machine)) => {
                            by = machine;
                            outcome
                        }
                        None => return,
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => match closing(&open.answer) {
                    Outcome::Reset => refusal(errno(&error)),
                    answered => answered,
                },
            }
        };
        if let Some(open) = self.open.remove(&number) {
            self.finish(number, open.sent, (outcome, by));
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some(&(deadline, number)) = self.deadlines.front() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_front();
            if let Some(open) = self.open.remove(&number) {
                self.finish(number, open.sent, (Outcome::Timeout, None));
            }
        }
    }

    fn finish(&mut self, number: u64, sent: Instant, (outcome, by): (Outcome, Option<String>)) {
        let done = Instant::now();
        self.tell(done, &outcome);
        self.records.writes.push(Record { number, sent, done, outcome, by });
    }

    /// Only what a person wants to see: the first trouble of each kind, and every end of a gap.
    fn tell(&mut self, now: Instant, outcome: &Outcome) {
        let Some((journal, source)) = &self.journal else {
            return;
        };
        if *outcome == Outcome::Acked {
            let gap = self.last_ack.map_or(Duration::ZERO, |last| now - last);
            if gap > self.load.interval * 2 + Duration::from_millis(1) {
                let gap = gap.as_secs_f64() * 1e3;
                let text = format!("acknowledged again, {gap:.1} ms after the write before");
                journal.note_at(now, source.clone(), text);
            }
            self.last_ack = Some(now);
            return;
        }
        let kind = describe(outcome);
        if !self.trouble.contains(&kind) {
            let text = match outcome {
                Outcome::Timeout => format!("a write got no answer for {:?}", self.load.deadline),
                Outcome::Error(text) => format!("a write was answered -{text}"),
                _ => format!("a write failed: {kind}"),
            };
            journal.note_at(now, source.clone(), text);
            self.trouble.push(kind);
        }
    }
}

/// An outcome in a word or two; of an error reply its first word.
#[must_use]
pub fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Acked => "acknowledged".to_owned(),
        Outcome::Error(text) => text.split(' ').next().unwrap_or("").to_owned(),
        Outcome::Refused => "refused".to_owned(),
        Outcome::Reset => "reset".to_owned(),
        Outcome::Unreachable => "unreachable".to_owned(),
        Outcome::Timeout => "timeout".to_owned(),
        Outcome::Unfinished => "unfinished".to_owned(),
    }
}

/// What the bytes received so far mean, and which machine sent them where it was asked; `None` while
/// not every answer is there yet.
#[must_use]
pub fn verdict(answer: &[u8], asks_who: bool) -> Option<(Outcome, Option<String>)> {
    let text = String::from_utf8_lossy(answer);
    let complete = text.rfind("\r\n").map(|end| text.get(..end).unwrap_or_default())?;
    let mut lines = complete.split("\r\n");
    let _auth = lines.next()?;
    let by = if asks_who { machine(&mut lines)? } else { None };
    let set = lines.next()?;
    Some((if set.starts_with('+') { Outcome::Acked } else { error_of(set) }, by))
}

/// Which machine it is, from where its Redis keeps its files: `.../redis-1/redis`. `None` while the
/// answer is not complete; a Redis that answers an error is of an unknown machine.
fn machine<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Option<String>> {
    if !lines.next()?.starts_with('*') {
        return Some(None);
    }
    let [_, _, _] = [lines.next()?, lines.next()?, lines.next()?]; // $3, dir, $length
    let mut folders = lines.next()?.rsplit('/');
    let _redis = folders.next();
    Some(folders.next().map(str::to_owned))
}

/// The server closed: an error it sent before that is the answer.
fn closing(answer: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(answer);
    match text.lines().rfind(|line| line.starts_with('-')) {
        Some(line) => error_of(line),
        None => Outcome::Reset,
    }
}

fn error_of(line: &str) -> Outcome {
    Outcome::Error(line.trim_start_matches('-').trim_end().to_owned())
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn refusal(error: Errno) -> Outcome {
    match error {
        Errno::ECONNREFUSED => Outcome::Refused,
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EADDRNOTAVAIL => Outcome::Unreachable,
        Errno::ETIMEDOUT => Outcome::Timeout,
        _ => Outcome::Reset,
    }
}
#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
