//! Warnings of the start that hold on: in the log once, and in `keepair status` until they are over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::operate;

/// Those that hold.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn texts(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a warning, and lists it from now on.
    pub(crate) fn add(&self, text: String) {
        operate::warn(&format!("keepair: warning: {text}\n"));
        self.texts().push(text);
    }

    /// Lists a warning no longer, and logs that it is over.
    pub(crate) fn remove(&self, text: &str) {
        operate::warn(&format!("keepair: over: {text}\n"));
        self.texts().retain(|other| other != text);
    }

    /// All that hold, oldest first.
    pub(crate) fn list(&self) -> Vec<String> {
        self.texts().clone()
    }
}
