//! The way to the log. Nobody waits for it: what does not fit is counted, and said later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use keepair_core::event::Level;
use keepair_core::router::event::Event;

/// Lines that may wait to be written.
const LINES_MAX: usize = 4096;

/// Something for the log.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What is written, in one line.
    pub text: String,
    /// What the router told, if it did.
    pub event: Option<Event>,
}

/// Where lines are put. Any thread may, also the real-time one.
#[derive(Clone, Debug)]
pub struct Log {
    sender: SyncSender<Line>,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// A log, and where its lines come out.
    pub fn new() -> (Log, Receiver<Line>) {
        let (sender, receiver) = sync_channel(LINES_MAX);
        (Log { sender, lost: Arc::new(AtomicU64::new(0)) }, receiver)
    }

    /// Something of interest.
    pub fn notice(&self, text: impl Into<String>) {
        self.put(Line { level: Level::Notice, text: text.into(), event: None });
    }

    /// Something that is not as it should be.
    pub fn warning(&self, text: impl Into<String>) {
        self.put(Line { level: Level::Warning, text: text.into(), event: None });
    }

    /// A line as it is.
    pub fn put(&self, line: Line) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} lines did not fit into the log");
            if self.sender.try_send(Line { level: Level::Warning, text, event: None }).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        if self.sender.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
