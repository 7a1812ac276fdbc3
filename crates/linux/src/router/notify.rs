//! Who is told what, in which words, and in which order: no process and no pipe here.
//!
//! keepalived starts all scripts of a change at once and never waits, so that the one for BACKUP may
//! still be at work when the one for MASTER is done. Here, scripts of one kind about one subject come
//! one after the other (`docs/adr/0012-notify-scripts-in-order.md`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use keepair_core::router::action::{Notice, Subject, What};

use super::setup::{Command, Setup};

/// So long a script may keep later ones from starting.
pub(crate) const WAIT: Duration = Duration::from_secs(30);
/// So long the one for STOP waits: the daemon is about to go.
pub(crate) const WAIT_AT_STOP: Duration = Duration::from_secs(1);

/// What one notice leads to.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Told<'a> {
    /// The script for just this.
    pub(crate) specific: Option<&'a Command>,
    /// `notify`, and the words that are added to its arguments.
    pub(crate) generic: Option<(&'a Command, [String; 4])>,
    /// For pipes, with its line feed.
    pub(crate) line: String,
    /// For mailboxes.
    pub(crate) mail: Option<Mail>,
}

/// A mail: what is particular about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mail {
    /// Its subject.
    pub(crate) subject: String,
    /// Its one line.
    pub(crate) text: String,
}

/// What a notice leads to; `None` if it is about nobody in this setup.
pub(crate) fn told(notice: Notice, setup: &Setup) -> Option<Told<'_>> {
    let subject = setup.subject(notice.of)?;
    let (kind, is_group) = match notice.of {
        Subject::Instance(_) => ("INSTANCE", false),
        Subject::Group(_) => ("GROUP", true),
    };
    let state = word(notice.what);
    let (specific, is_state) = match notice.what {
        What::Master => (&subject.master, true),
        What::Backup => (&subject.backup, true),
        What::Fault => (&subject.fault, true),
        What::Stop => (&subject.stop, true),
        What::Deleted => (&subject.deleted, true),
        What::MasterRxLowerPri => (&subject.master_rx_lower_priority, false),
        What::Priority { .. } => (&None, false),
    };
    let words =
        || [kind.to_owned(), subject.name.clone(), state.to_owned(), notice.priority.to_string()];
    let is_mailed = match notice.what {
        What::Master | What::Backup => true,
        What::Fault => !setup.mail.as_ref().is_some_and(|mail| mail.not_about_faults),
        _ => false,
    };
    Some(Told {
        specific: specific.as_ref(),
        generic: subject.any.as_ref().filter(|_| is_state).map(|any| (any, words())),
        line: format!("{kind} \"{}\" {state} {}\n", subject.name, notice.priority),
        mail: (subject.mail && is_mailed)
            .then(|| mail(setup, &subject.name, is_group, notice.what)),
    })
}

fn mail(setup: &Setup, name: &str, is_group: bool, what: What) -> Mail {
    let state = word(what);
    let kind = if is_group { "Group" } else { "Instance" };
    let text = match (is_group, what) {
        (true, _) => format!("=> All VRRP group instances are now in {state} state <="),
        (false, What::Master) => "=> VRRP Instance is now owning VRRP VIPs <=".to_owned(),
        (false, _) => "=> VRRP Instance is no longer owning VRRP VIPs <=".to_owned(),
    };
    let subject = format!("[{}] VRRP {kind} {name} - Entering {state} state", setup.router_id);
    Mail { subject, text }
}

/// The word for it that keepalived's users know.
pub(crate) fn word(what: What) -> &'static str {
    match what {
        What::Master => "MASTER",
        What::Backup => "BACKUP",
        What::Fault => "FAULT",
        What::Stop => "STOP",
        What::Deleted => "DELETED",
        What::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
        What::Priority { active: true } => "MASTER_PRIORITY",
        What::Priority { active: false } => "BACKUP_PRIORITY",
    }
}

/// A line of scripts of which each waits for the one before.
///
/// `T` is what is to be run.
pub(crate) struct Chain<T> {
    waiting: VecDeque<(Instant, T)>,
    running: usize,
}

impl<T> Default for Chain<T> {
    fn default() -> Chain<T> {
        Chain { waiting: VecDeque::new(), running: 0 }
    }
}

impl<T> Chain<T> {
    /// Another one, which starts at `latest` at the latest.
    pub(crate) fn push(&mut self, latest: Instant, what: T) {
        self.waiting.push_back((latest, what));
    }

    /// Forgets those that have not started.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The next one that may start now, and whether it does not wait any longer for the one before.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(T, bool)> {
        let (latest, _) = self.waiting.front()?;
        let is_impatient = self.running > 0;
        if is_impatient && *latest > now {
            return None;
        }
        self.running += 1;
        self.waiting.pop_front().map(|(_, what)| (what, is_impatient))
    }

    /// When [`Chain::next`] gives one though nothing has ended.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(latest, _)| *latest)
    }

    /// One of those that were started has ended, or could not be started.
    pub(crate) fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
