//! What a running router is asked: the control socket, the dumps, a reload. And the files of a dump.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use keepair_core::router::Status;
use keepair_core::router::config::Config;
use keepair_core::router::input::Operator;
use keepair_linux::router::reactor::{Mailbox, Reload, Request};
use keepair_linux::router::setup::Setup;
use serde_json::{Value, json};

use super::dump::{self, Dump, Files};
use super::view;
use crate::control::{STATUS_TIMEOUT, Serve, write_line};
use crate::operate;

/// The configuration that holds.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) config: Arc<Config>,
    pub(crate) setup: Arc<Setup>,
    pub(crate) files: Files,
}

/// The way to the real-time thread.
#[derive(Clone)]
pub(crate) struct Control {
    mailbox: Mailbox,
    current: Arc<Mutex<Current>>,
}

impl Control {
    pub(crate) fn new(mailbox: Mailbox, current: Current) -> Control {
        Control { mailbox, current: Arc::new(Mutex::new(current)) }
    }

    /// The router's state, and the configuration it counts by.
    fn status(&self) -> anyhow::Result<(Box<Status>, Current)> {
        let (sender, receiver) = sync_channel(1);
        let current = {
            // No reload may come between the question and what it is about.
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            self.mailbox.put(Request::Status(sender))?;
            current.clone()
        };
        let status = receiver.recv_timeout(STATUS_TIMEOUT);
        Ok((status.context("the daemon's main thread does not answer")?, current))
    }

    /// Hands a checked configuration over.
    ///
    /// # Errors
    /// When the real-time thread is gone or does not empty its mailbox.
    pub(crate) fn reload(&self, new: Current) -> anyhow::Result<()> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let reload = Reload::new(Config::clone(&new.config), Setup::clone(&new.setup));
        self.mailbox.put(Request::Reload(Box::new(reload)))?;
        *current = new;
        Ok(())
    }

    /// Tells the router something.
    ///
    /// # Errors
    /// When the real-time thread is gone or does not empty its mailbox.
    pub(crate) fn operate(&self, operator: Operator) -> anyhow::Result<()> {
        Ok(self.mailbox.put(Request::Operator(operator))?)
    }

    /// The setup that holds.
    pub(crate) fn setup(&self) -> Arc<Setup> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).setup.clone()
    }

    /// Writes one of the dumps. What goes wrong is logged: who has sent a signal waits for no answer.
    pub(crate) fn dump(&self, text: fn(&Dump<'_>, &Files) -> String, path: fn(&Files) -> &PathBuf) {
        let result = self.status().and_then(|(status, current)| {
            let dump = Dump { config: &current.config, setup: &current.setup, status: &status };
            let path = path(&current.files);
            dump::replace(path, &text(&dump, &current.files))
                .with_context(|| path.display().to_string())
        });
        if let Err(error) = result {
            operate::warn(&format!("keepair: no dump: {error:#}\n"));
        }
    }
}

impl Serve for Control {
    fn answer(&self, stream: &UnixStream, request: &Value) -> anyhow::Result<()> {
        match request["command"].as_str() {
            Some("status") => {
                let (status, current) = self.status()?;
                let dump = Dump { config: &current.config, setup: &current.setup, status: &status };
                write_line(stream, &json!({ "status": view::json(&dump) }))?;
                Ok(())
            }
            Some("switchover") => bail!(
                "this daemon runs a keepalived.conf, whose priorities decide; `keepair convert` shows \
                 the way to a pair that switches over without losing anything"
            ),
            _ => bail!("unknown command; known is status"),
        }
    }
}
