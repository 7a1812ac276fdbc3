//! The thread that writes the log, keeps the generation and tells the service manager: everything
//! the real-time thread must not wait for.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use keepair_core::event::{Event, Level};
use keepair_linux::executor::Note;
use keepair_linux::reactor::{Mailbox, Request};
use sd_notify::NotifyState;

use crate::store::Store;

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
    let mut ready = false;
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
            Note::Alive => {
                if !ready {
                    ready = true;
                    let _ = sd_notify::notify(&[NotifyState::Ready]);
                }
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
        }
    }
}

fn log(event: &Event) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let (priority, word) = match event.level() {
        Level::Warning => (4, "warning"),
        Level::Notice => (5, "notice"),
    };
    if journal {
        eprintln!("<{priority}>{event}");
    } else {
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        eprintln!("{time} {word} {event}");
    }
}
