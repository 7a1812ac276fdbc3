//! How other threads reach the real-time one: a queue and a bell, neither ever waited for.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use crate::realtime::Wake;

/// Where requests are put.
pub struct Mailbox<R> {
    sender: SyncSender<R>,
    wake: Arc<Wake>,
}

impl<R> Clone for Mailbox<R> {
    fn clone(&self) -> Mailbox<R> {
        Mailbox { sender: self.sender.clone(), wake: Arc::clone(&self.wake) }
    }
}

impl<R> Mailbox<R> {
    /// A mailbox that rings `wake` after each request.
    pub fn new(sender: SyncSender<R>, wake: Arc<Wake>) -> Mailbox<R> {
        Mailbox { sender, wake }
    }

    /// Puts a request in.
    ///
    /// # Errors
    /// When the thread is gone or has not emptied its mailbox for long.
    pub fn put(&self, request: R) -> io::Result<()> {
        self.sender.try_send(request).map_err(|error| io::Error::other(error.to_string()))?;
        self.wake.wake();
        Ok(())
    }
}
