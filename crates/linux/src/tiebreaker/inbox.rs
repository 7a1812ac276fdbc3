//! What a tie-breaker's thread is asked to do, and how it waits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use keepair_core::tiebreaker::Ask;
use keepair_wire::info::RunId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::realtime::Wake;

/// What the real-time thread asks for.
pub(super) enum Order {
    Ask(Ask),
    LocalRedis(RunId),
    End,
}

/// What ended a wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The newest request; older ones are dropped.
    Ask(Ask),
    /// There is something to read, or the connection is closed.
    Readable,
    /// The time is up.
    Due,
    /// The daemon ends.
    Ended,
}

/// The orders that wait.
pub(super) struct Inbox {
    orders: Receiver<Order>,
    bell: Arc<Wake>,
    newest: Option<Ask>,
    local: Option<RunId>,
    ended: bool,
}

impl Inbox {
    pub(super) fn new(orders: Receiver<Order>, bell: Arc<Wake>) -> Inbox {
        Inbox { orders, bell, newest: None, local: None, ended: false }
    }

    /// The run of the local Redis, as far as it is known.
    pub(super) fn local(&self) -> Option<RunId> {
        self.local
    }

    /// Waits for an order, for something to read, or until then.
    pub(super) fn wait(
        &mut self,
        socket: Option<BorrowedFd<'_>>,
        until: Instant,
    ) -> io::Result<Event> {
        loop {
            self.take();
            if self.ended {
                return Ok(Event::Ended);
            }
            let bell = self.bell.clone();
            let bell = PollFd::from_borrowed_fd((*bell).as_fd(), PollFlags::IN);
            let socket = socket.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            let mut fds: Vec<PollFd<'_>> = std::iter::once(bell).chain(socket).collect();
            // With a request at hand only to see whether something is to be read first.
            let left = if self.newest.is_some() {
                Duration::ZERO
            } else {
                until.saturating_duration_since(Instant::now())
            };
            poll_for(&mut fds, left)?;
            let rings = |fd: &PollFd<'_>| !fd.revents().is_empty();
            if fds.get(1).is_some_and(rings) {
                return Ok(Event::Readable);
            }
            let woken = fds.first().is_some_and(rings);
            if woken {
                continue;
            }
            if let Some(ask) = self.newest.take() {
                return Ok(Event::Ask(ask));
            }
            if left.is_zero() {
                return Ok(Event::Due);
            }
        }
    }

    /// Lets time pass; requests meanwhile are dropped. `true`: the daemon ends.
    pub(super) fn pause(&mut self, span: Duration) -> bool {
        let until = Instant::now() + span;
        loop {
            match self.wait(None, until) {
                Ok(Event::Due) => return false,
                Ok(Event::Ended) | Err(_) => return true,
                Ok(Event::Ask(_) | Event::Readable) => {}
            }
        }
    }

    fn take(&mut self) {
        // First the bell: what is put in later rings again.
        self.bell.read();
        loop {
            match self.orders.try_recv() {
                Ok(Order::Ask(ask)) => self.newest = Some(ask),
                Ok(Order::LocalRedis(run)) => self.local = Some(run),
                Ok(Order::End) | Err(TryRecvError::Disconnected) => {
                    self.ended = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }
}

/// Waits until one of them is ready, at most so long.
pub(super) fn poll_for(fds: &mut [PollFd<'_>], limit: Duration) -> io::Result<()> {
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    match poll(fds, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Mailbox;
    use keepair_wire::peer::Stamp;
    use std::sync::mpsc::sync_channel;

    fn ask(seq: u64) -> Ask {
        Ask { run: [1; 20], stamp: Stamp { instance: 1, seq }, over: Stamp::default() }
    }

    #[test]
    fn the_newest_request_takes_the_place_of_the_others_and_a_pause_drops_them() {
        let bell = Arc::new(Wake::new().unwrap());
        let (sender, orders) = sync_channel(64);
        let mailbox = Mailbox::new(sender, bell.clone());
        let mut inbox = Inbox::new(orders, bell);
        let soon = || Instant::now() + Duration::from_millis(1);
        assert_eq!(inbox.wait(None, soon()).unwrap(), Event::Due);
        for seq in 1..=3 {
            assert!(mailbox.put(Order::Ask(ask(seq))).is_ok());
        }
        assert_eq!(inbox.wait(None, soon()).unwrap(), Event::Ask(ask(3)));
        assert_eq!(inbox.wait(None, soon()).unwrap(), Event::Due);
        let _ = mailbox.put(Order::Ask(ask(4)));
        assert!(!inbox.pause(Duration::from_millis(1)));
        assert_eq!(inbox.wait(None, soon()).unwrap(), Event::Due);
        let _ = mailbox.put(Order::End);
        assert_eq!(inbox.wait(None, soon()).unwrap(), Event::Ended);
        assert!(inbox.pause(Duration::ZERO));
    }

    #[test]
    fn a_request_whose_bell_rings_late_is_not_lost() {
        let bell = Arc::new(Wake::new().unwrap());
        let (sender, orders) = sync_channel(64);
        let mailbox = Mailbox::new(sender, bell.clone());
        let mut inbox = Inbox::new(orders, bell);
        let (done, next) = std::sync::mpsc::channel();
        let asking = std::thread::spawn(move || {
            for seq in 1..=20_000 {
                assert!(mailbox.put(Order::Ask(ask(seq))).is_ok());
                next.recv().unwrap();
            }
        });
        for seq in 1..=20_000 {
            let until = Instant::now() + Duration::from_secs(5);
            assert_eq!(inbox.wait(None, until).unwrap(), Event::Ask(ask(seq)));
            done.send(()).unwrap();
        }
        asking.join().unwrap();
    }
}
