//! The thread that writes the log, keeps the generation and tells the service manager: everything
//! the real-time thread must not wait for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use keepair_core::event::{Event, Level};
use keepair_linux::executor::Note;
use keepair_linux::reactor::{Mailbox, Request};
use sd_notify::NotifyState;

use crate::operate::warn;
use crate::store::Store;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Events on their way to whoever wants to see them happen.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    listeners: Arc<Mutex<Vec<SyncSender<Event>>>>,
}

impl Hub {
    /// Events from now on. A listener that is slower than 256 events misses some.
    pub(crate) fn listen(&self) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(256);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn tell(&self, event: &Event) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| {
            !matches!(listener.try_send(event.clone()), Err(TrySendError::Disconnected(_)))
        });
    }
}

/// Works until the real-time thread is gone.
pub(crate) fn work(notes: &Receiver<Note>, store: &Store, mailbox: &Mailbox, hub: &Hub) {
    while let Ok(note) = notes.recv() {
        match note {
            Note::Event(event) => {
                log(&event);
                if let Event::StateChanged { to, reason, .. } = &event {
                    let status = format!("{to}: {reason}");
                    let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
                }
                hub.tell(&event);
            }
            Note::Persist(persisted) => {
                let result = store.save(&persisted).map_err(|error| {
                    format!("could not keep the generation on the disk: {error:#}")
                });
                let _ = mailbox.put(Request::Persisted(result));
            }
        }
    }
}

/// Tells the service manager that the daemon is ready and alive, as long as the real-time thread
/// goes round. A thread of its own: a slow disk or a log that nobody takes is no dead daemon.
pub(crate) fn vouch(rounds: &AtomicU64) {
    let mut known = 0;
    loop {
        let now = rounds.load(Ordering::Relaxed);
        if now != known {
            if known == 0 {
                let _ = sd_notify::notify(&[NotifyState::Ready]);
            }
            known = now;
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn log(event: &Event) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let (priority, word) = match event.level() {
        Level::Warning => (4, "warning"),
        Level::Notice => (5, "notice"),
    };
    if journal {
        warn(&format!("<{priority}>{event}\n"));
    } else {
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        warn(&format!("{time} {word} {event}\n"));
    }
}
