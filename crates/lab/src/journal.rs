//! Everything that happens, in one order: what the lab does, what the clients see, what the daemons log.
//!
//! Each event carries the time its source saw it; a thread of its own keeps and shows them, so that
//! neither a client nor a daemon ever waits for a terminal.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::locked;

/// Who says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The lab itself: a fault, a repair, a process that ended.
    Lab,
    /// A measuring client.
    Client,
    /// A line a host's daemon wrote to its standard error.
    Daemon(String),
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// When, on the monotonic clock.
    pub at: Instant,
    /// Who says so.
    pub source: Source,
    /// What.
    pub text: String,
}

/// Shows events as they come.
pub type Show = Box<dyn FnMut(&Event) + Send>;

enum Message {
    Event(Event),
    Flush(Sender<()>),
}

/// A handle anybody may write to.
#[derive(Clone)]
pub struct Journal {
    to: Sender<Message>,
    kept: Arc<Mutex<VecDeque<Event>>>,
    show: Arc<Mutex<Option<Show>>>,
}

const KEEP: usize = 20_000;

impl Journal {
    /// Starts the thread that keeps and shows.
    #[must_use]
    pub fn new() -> Self {
        let (to, inbox) = mpsc::channel();
        let journal = Self { to, kept: Arc::default(), show: Arc::default() };
        let (kept, show) = (Arc::clone(&journal.kept), Arc::clone(&journal.show));
        thread::spawn(move || {
            for message in inbox {
                match message {
                    Message::Flush(done) => drop(done.send(())),
                    Message::Event(event) => {
                        if let Some(show) = locked(&show).as_mut() {
                            show(&event);
                        }
                        let mut kept = locked(&kept);
                        if kept.len() == KEEP {
                            kept.pop_front();
                        }
                        kept.push_back(event);
                    }
                }
            }
        });
        journal
    }

    /// Notes something that happens now.
    pub fn note(&self, source: Source, text: impl Into<String>) {
        self.note_at(Instant::now(), source, text);
    }

    /// Notes something that happened at `at`.
    pub fn note_at(&self, at: Instant, source: Source, text: impl Into<String>) {
        let _ = self.to.send(Message::Event(Event { at, source, text: text.into() }));
    }

    /// From now on every event is handed to `show`.
    pub fn show(&self, show: Option<Show>) {
        self.flush();
        *locked(&self.show) = show;
    }

    /// Waits until everything noted so far is kept and shown.
    pub fn flush(&self) {
        let (done, wait) = mpsc::channel();
        if self.to.send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }

    /// Forgets what is kept: a new set-up starts.
    pub fn clear(&self) {
        self.flush();
        locked(&self.kept).clear();
    }

    /// The last `count` lines a host's daemon logged.
    #[must_use]
    pub fn tail(&self, host: &str, count: usize) -> Vec<String> {
        self.flush();
        let source = Source::Daemon(host.to_owned());
        let kept = locked(&self.kept);
        let mut lines: Vec<String> = kept
            .iter()
            .rev()
            .filter(|e| e.source == source)
            .take(count)
            .map(|e| e.text.clone())
            .collect();
        lines.reverse();
        lines
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}
