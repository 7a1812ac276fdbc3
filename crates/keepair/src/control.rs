//! The control socket: one JSON line asks, JSON lines answer.
//!
//! `{"command":"status"}` is answered by `{"status":{...}}`. `{"command":"switchover","to":NAME}`
//! is answered by one `{"event":"..."}` for each step and `{"done":true}` or `{"error":"..."}` at
//! the end. The socket is root's, and a group's if the configuration names one; who asks for a
//! switchover is looked at again by the kernel's word (SO_PEERCRED).

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use keepair_core::event::{Event, SwitchoverStep};
use keepair_core::input::Operator;
use keepair_core::status::Status;
use keepair_linux::reactor::{Mailbox, Request};
use keepair_wire::peer::State;
use nix::unistd::{Gid, Group};
use serde_json::{Value, json};

use crate::notes::Hub;
use crate::view;

/// The socket's name in the run directory.
pub(crate) const SOCKET: &str = "control.sock";
const CLIENTS_MAX: usize = 16;
const LINE_BYTES_MAX: u64 = 4096;
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the real-time thread may take to tell its state.
pub(crate) const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// What answers a client.
pub(crate) trait Serve: Clone + Send + 'static {
    /// Answers one request.
    ///
    /// # Errors
    /// Told to the client, who is then left.
    fn answer(&self, stream: &UnixStream, request: &Value) -> anyhow::Result<()>;
}

/// What the clients of a pair's daemon are served from.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) mailbox: Mailbox,
    pub(crate) hub: Hub,
    /// May use the socket besides root.
    pub(crate) group: Option<Gid>,
}

/// The group of that name.
///
/// # Errors
/// When there is none.
pub(crate) fn group(name: Option<&str>) -> anyhow::Result<Option<Gid>> {
    let Some(name) = name else { return Ok(None) };
    match Group::from_name(name).with_context(|| format!("group {name}"))? {
        Some(group) => Ok(Some(group.gid)),
        None => bail!("there is no group `{name}` for `group` in [control]; `groupadd {name}`"),
    }
}

/// Opens the socket; the caller holds the run directory's lock, so an old one is nobody's.
///
/// # Errors
/// When the socket can't be made.
pub(crate) fn open(run_dir: &Path, group: Option<Gid>) -> anyhow::Result<(UnixListener, Unlink)> {
    let path = run_dir.join(SOCKET);
    let _ = std::fs::remove_file(&path);
    let listener =
        UnixListener::bind(&path).with_context(|| format!("control socket {}", path.display()))?;
    let unlink = Unlink(path.clone());
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    if let Some(gid) = group {
        nix::unistd::chown(&path, None, Some(gid)).context("control socket")?;
    }
    Ok((listener, unlink))
}

/// Removes the socket when the program ends, in whatever way it does so by itself.
pub(crate) struct Unlink(PathBuf);

impl Drop for Unlink {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves clients until the program ends.
pub(crate) fn serve(listener: &UnixListener, control: &impl Serve) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        if clients.fetch_add(1, Ordering::SeqCst) >= CLIENTS_MAX {
            clients.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (control, clients) = (control.clone(), clients.clone());
        let served = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            let _ = stream.set_read_timeout(Some(CLIENT_TIMEOUT));
            let _ = stream.set_write_timeout(Some(CLIENT_TIMEOUT));
            if let Err(error) = converse(&stream, &control) {
                let _ = write_line(&stream, &json!({ "error": format!("{error:#}") }));
            }
            clients.fetch_sub(1, Ordering::SeqCst);
        });
        if served.is_err() {
            return;
        }
    }
}

fn converse(stream: &UnixStream, control: &impl Serve) -> anyhow::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        // Each line for itself: `status --watch` asks on one connection for hours.
        let mut line = String::new();
        if (&mut lines).take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let request: Value = serde_json::from_str(&line).context("not a JSON line")?;
        control.answer(stream, &request)?;
    }
}

impl Serve for Control {
    fn answer(&self, stream: &UnixStream, request: &Value) -> anyhow::Result<()> {
        match request["command"].as_str() {
            Some("status") => {
                let status = status(self)?;
                write_line(stream, &json!({ "status": view::json(&status) }))?;
                Ok(())
            }
            Some("switchover") => {
                authorize(stream, self)?;
                switchover(stream, self, request["to"].as_str())
            }
            _ => bail!("unknown command; known are status and switchover"),
        }
    }
}

/// Tells the client something.
///
/// # Errors
/// When it does not listen any more.
pub(crate) fn write_line(mut stream: &UnixStream, value: &Value) -> std::io::Result<()> {
    stream.write_all(format!("{value}\n").as_bytes())
}

fn status(control: &Control) -> anyhow::Result<Box<Status>> {
    let (sender, receiver) = sync_channel(1);
    control.mailbox.put(Request::Status(sender))?;
    receiver.recv_timeout(STATUS_TIMEOUT).context("the daemon's main thread does not answer")
}

fn authorize(stream: &UnixStream, control: &Control) -> anyhow::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    let own = rustix::process::geteuid();
    let group = control.group.map(Gid::as_raw);
    if peer.uid.is_root() || peer.uid == own || group == Some(peer.gid.as_raw()) {
        return Ok(());
    }
    // A supplementary group does not show in SO_PEERCRED; the socket's mode has let it in.
    if group.is_some() {
        return Ok(());
    }
    bail!("user {} may not do that; run it as root", peer.uid.as_raw())
}

fn switchover(stream: &UnixStream, control: &Control, to: Option<&str>) -> anyhow::Result<()> {
    let before = status(control)?;
    let active = before.members.iter().find(|member| member.state == State::Active);
    if let Some(name) = to {
        if before.members.iter().all(|member| member.name != name) {
            let [a, b] = &before.members;
            bail!("there is no node `{name}`; the nodes are `{}` and `{}`", a.name, b.name);
        }
        if active.is_some_and(|active| active.name == name) {
            write_line(stream, &json!({ "event": format!("{name} is the primary already") }))?;
            write_line(stream, &json!({ "done": true }))?;
            return Ok(());
        }
    }
    if active.is_none() {
        bail!("neither machine is the primary right now; see `keepair status`");
    }
    let events = control.hub.listen();
    control.mailbox.put(Request::Operator(Operator::Switchover))?;
    let deadline = Instant::now() + CLIENT_TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = match events.recv_timeout(left) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "not finished after {CLIENT_TIMEOUT:?}; see `keepair status` on both machines"
                )
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the daemon ended"),
        };
        match &event {
            Event::Switchover(SwitchoverStep::Refused(why) | SwitchoverStep::CalledOff(why)) => {
                bail!("{why}");
            }
            // The first is what the old primary says at the end, the second the new one.
            Event::Switchover(SwitchoverStep::Finished) | Event::TookOver(_) => {
                write_line(stream, &json!({ "event": event.to_string() }))?;
                write_line(stream, &json!({ "done": true }))?;
                return Ok(());
            }
            Event::Switchover(_) | Event::StateChanged { .. } | Event::TakeoverFailed { .. } => {
                write_line(stream, &json!({ "event": event.to_string() }))?;
            }
            _ => {}
        }
    }
}
