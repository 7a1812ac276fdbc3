//! How many processes of a kind there are (`vrrp_track_process`): a thread that hears of every fork,
//! exec and exit from the kernel's process events connector, and looks at all of `/proc` when it
//! starts and when it has missed something.
//!
//! The connector speaks in the first network and process namespaces only, and to CAP_NET_ADMIN. Where
//! it is silent, `/proc` is looked at every half second.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use keepair_core::router::Input;
use keepair_core::router::config::ProcessId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SendFlags;
use rustix::net::netlink::CONNECTOR;

use super::log::Log;
use super::setup::{Matching, ProcessSetup, Setup};
use super::world::Answers;
use crate::netlink::{Socket, read_u32};
use crate::process::ProcessState;
use crate::realtime::Wake;

/// Without the connector.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
/// Room for some thousand events.
const BUFFER_BYTES: usize = 1 << 20;
/// A command line that is longer is compared as far as it goes.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// `CN_IDX_PROC` and `CN_VAL_PROC` (include/uapi/linux/connector.h).
const PROC: (u32, u32) = (1, 1);
/// `PROC_CN_MCAST_LISTEN` (include/uapi/linux/cn_proc.h).
const LISTEN: u32 = 1;
/// `struct cn_msg` without what follows it.
const CN_HEADER: usize = 20;

/// What the kernel tells: `enum what` in include/uapi/linux/cn_proc.h.
const FORK: u32 = 0x1;
const EXEC: u32 = 0x2;
const COMM: u32 = 0x200;
const EXIT: u32 = 0x8000_0000;

/// One process, of those that are counted at all.
type Pid = u32;

/// The thread's state.
pub(crate) struct Processes {
    setups: Vec<ProcessSetup>,
    /// Which of the kinds a process is of, if of any.
    found: BTreeMap<Pid, Vec<bool>>,
    /// What was told last.
    known: Vec<Option<u32>>,
    connector: Option<Socket>,
    setups_to_come: Receiver<Vec<ProcessSetup>>,
    bell: Arc<Wake>,
    answers: Answers,
    log: Log,
}

impl Processes {
    /// Begins to listen, and counts.
    ///
    /// # Errors
    /// None known.
    pub(crate) fn new(
        setup: &Setup,
        setups_to_come: Receiver<Vec<ProcessSetup>>,
        bell: Arc<Wake>,
        answers: Answers,
        log: Log,
    ) -> io::Result<Processes> {
        let mut processes = Processes {
            setups: Vec::new(),
            found: BTreeMap::new(),
            known: Vec::new(),
            connector: None,
            setups_to_come,
            bell,
            answers,
            log,
        };
        processes.take(setup.processes.clone());
        Ok(processes)
    }

    /// Works until nobody is left to ask.
    pub(crate) fn work(mut self) {
        loop {
            let is_blind = !self.setups.is_empty() && self.connector.is_none();
            let timeout = is_blind.then_some(LOOK_AGAIN);
            {
                let bell = (*self.bell).as_fd();
                let mut fds: Vec<PollFd<'_>> = [bell]
                    .into_iter()
                    .chain(self.connector.as_ref().map(Socket::as_fd))
                    .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                    .collect();
                // Interrupted, or in need of memory: looks, and waits again.
                let _ = poll(&mut fds, timeout.as_ref());
            }
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
            if self.connector.is_some() {
                self.listen();
            } else if is_blind {
                self.scan();
            }
            self.tell();
        }
    }

    fn take(&mut self, setups: Vec<ProcessSetup>) {
        self.known = vec![None; setups.len()];
        self.setups = setups;
        if self.setups.is_empty() {
            self.connector = None;
        } else if self.connector.is_none() {
            // Before the scan, so that nothing happens in between.
            self.connector = match connect() {
                Ok(connector) => Some(connector),
                Err(error) => {
                    let text = "the kernel does not tell of processes here";
                    self.log.warning(format!("{text} ({error}): looks every half second"));
                    None
                }
            };
        }
        self.scan();
        self.tell();
    }

    /// Takes in all events there are.
    fn listen(&mut self) {
        let Some(connector) = &mut self.connector else { return };
        let mut events = Vec::new();
        let mut were_lost = false;
        loop {
            match connector.notices(|_, body| events.extend(event(body))) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => were_lost = true,
            }
        }
        if were_lost {
            // What was left of them is older than the scan, and could undo it.
            self.scan();
            return;
        }
        for event in events {
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            // A child is what its parent is until it becomes something else.
            Event::Fork { parent, child } => match self.found.get(&parent).cloned() {
                Some(kinds) => drop(self.found.insert(child, kinds)),
                None => drop(self.found.remove(&child)),
            },
            Event::Changed(pid) => match self.kinds(pid) {
                Some(kinds) => drop(self.found.insert(pid, kinds)),
                None => drop(self.found.remove(&pid)),
            },
            Event::Exit(pid) => drop(self.found.remove(&pid)),
        }
    }

    fn scan(&mut self) {
        self.found.clear();
        if self.setups.is_empty() {
            return;
        }
        let Ok(entries) = fs::read_dir("/proc") else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(kinds) = self.kinds(pid).filter(|_| !has_ended(pid)) {
                self.found.insert(pid, kinds);
            }
        }
    }

    /// Which kinds it is of; `None` for none.
    fn kinds(&self, pid: Pid) -> Option<Vec<bool>> {
        let name = self.setups.iter().any(|setup| !needs_command(setup)).then(|| {
            let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(name)
        });
        let command = self.setups.iter().any(needs_command).then(|| command(pid));
        let kinds: Vec<bool> = self
            .setups
            .iter()
            .map(|setup| is_of(setup, name.as_deref(), command.as_deref().unwrap_or(&[])))
            .collect();
        kinds.contains(&true).then_some(kinds)
    }

    fn tell(&mut self) {
        for (at, known) in self.known.iter_mut().enumerate() {
            let is_it = |kinds: &&Vec<bool>| kinds.get(at) == Some(&true);
            let count = u32::try_from(self.found.values().filter(is_it).count());
            let count = count.unwrap_or(u32::MAX);
            if *known != Some(count) {
                *known = Some(count);
                self.answers.give(Input::Processes(ProcessId(at), count));
            }
        }
    }
}

/// Whether the command line is compared, and not the name the kernel has for the process.
fn needs_command(setup: &ProcessSetup) -> bool {
    setup.full_command || setup.matching.is_some() || !setup.arguments.is_empty()
}

/// Whether a process of this name or command line is of the kind. The program is compared as written:
/// `redis-server` is not `/usr/bin/redis-server`.
fn is_of(setup: &ProcessSetup, name: Option<&[u8]>, command: &[Vec<u8>]) -> bool {
    if !needs_command(setup) {
        return name == Some(setup.program.as_bytes());
    }
    let Some((program, arguments)) = command.split_first() else { return false };
    if program != setup.program.as_bytes() {
        return false;
    }
    let wanted = &setup.arguments;
    let matching = match setup.matching {
        None if wanted.is_empty() => return true,
        None => Matching::Exact,
        Some(matching) => matching,
    };
    if arguments.len() < wanted.len()
        || (matching != Matching::Partial && arguments.len() > wanted.len())
    {
        return false;
    }
    let last = wanted.len().saturating_sub(1);
    wanted.iter().zip(arguments).enumerate().all(|(at, (wanted, argument))| {
        let wanted = wanted.expose().as_bytes();
        if matching == Matching::Initial && at == last {
            argument.starts_with(wanted)
        } else {
            argument == wanted
        }
    })
}

/// The words a process was started with; none for one of the kernel's, or one that is gone.
fn command(pid: Pid) -> Vec<Vec<u8>> {
    let mut bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes.truncate(COMMAND_BYTES_MAX);
    if bytes.is_empty() {
        return Vec::new();
    }
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

fn has_ended(pid: Pid) -> bool {
    let text = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    ProcessState::parse(&String::from_utf8_lossy(&text))
        .is_none_or(|state| matches!(state.state, 'Z' | 'X'))
}

fn connect() -> io::Result<Socket> {
    let socket = Socket::open(Some(CONNECTOR))?;
    socket.set_receive_buffer(BUFFER_BYTES);
    socket.join(PROC.0)?;
    let mut body = Vec::with_capacity(CN_HEADER + 4);
    for number in [PROC.0, PROC.1, 0, 0] {
        body.extend(number.to_ne_bytes());
    }
    body.extend(4u16.to_ne_bytes());
    body.extend(0u16.to_ne_bytes());
    body.extend(LISTEN.to_ne_bytes());
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend((libc::NLMSG_DONE as u16).to_ne_bytes());
    message.extend([0; 10]);
    message.extend(body);
    rustix::net::send(socket.as_fd(), &message, SendFlags::empty())?;
    Ok(socket)
}

/// What the kernel tells, as far as it matters. Threads do not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Fork {
        parent: Pid,
        child: Pid,
    },
    /// It runs another program, or goes by another name.
    Changed(Pid),
    Exit(Pid),
}

/// Reads `struct cn_msg` with a `struct proc_event` in it.
fn event(body: &[u8]) -> Option<Event> {
    if (read_u32(body, 0)?, read_u32(body, 4)?) != PROC {
        return None;
    }
    let event = body.get(CN_HEADER..)?;
    // What, processor, time (8 bytes).
    let field = |at: usize| read_u32(event, 16 + 4 * at);
    match read_u32(event, 0)? {
        FORK => {
            let (parent, child, child_leader) = (field(1)?, field(2)?, field(3)?);
            (child == child_leader).then_some(Event::Fork { parent, child })
        }
        EXEC => Some(Event::Changed(field(1)?)),
        COMM => {
            let (thread, leader) = (field(0)?, field(1)?);
            (thread == leader).then_some(Event::Changed(leader))
        }
        EXIT => {
            let (thread, leader) = (field(0)?, field(1)?);
            (thread == leader).then_some(Event::Exit(leader))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
