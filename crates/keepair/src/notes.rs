//! The threads that tell what happens: to the log, to the operator who waits for it, and to the service
//! manager. The real-time thread waits for none of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, SystemTime};

use keepair_core::event::{Event, Level};
use keepair_linux::executor::Note;
use sd_notify::NotifyState;

use crate::operate::warn;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Works until the real-time thread is gone. A listener who is slow misses events.
pub(crate) fn work(notes: &Receiver<Note>) {
    let mut listeners: Vec<SyncSender<Event>> = Vec::new();
    while let Ok(note) = notes.recv() {
        match note {
            Note::Event(event) => {
                // Whoever waits is told first: the log may be slow.
                listeners.retain(|listener| {
                    !matches!(listener.try_send(event.clone()), Err(TrySendError::Disconnected(_)))
                });
                log(&event);
                if let Event::StateChanged { to, reason, .. } = &event {
                    let status = format!("{to}: {reason}");
                    let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
                }
            }
            Note::Listen(listener) => listeners.push(listener),
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn what_a_slow_disk_held_up_was_taken_for_a_commands_outcome() {
        let (sender, notes) = sync_channel(8);
        let (listener, told) = sync_channel(8);
        for note in [
            Note::Event(Event::Solo(true)),
            Note::Listen(listener),
            Note::Event(Event::Solo(false)),
        ] {
            sender.send(note).unwrap();
        }
        drop(sender);
        work(&notes);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Event::Solo(false)]);
    }
}
