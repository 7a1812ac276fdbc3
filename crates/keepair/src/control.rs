//! The control socket: one JSON line asks, JSON lines answer.
//!
//! `{"command":"status"}` is answered by `{"status":{...}}`. `{"command":"switchover","to":NAME}`
//! is answered by one `{"event":"..."}` for each step and `{"done":true}` or `{"error":"..."}` at
//! the end. `{"command":"solo","yes":BOOL}` and `{"command":"accept","node":NAME,"yes":BOOL}` are
//! answered by `{"note":"..."}`, what will happen, and then as a switchover is; nothing happens without
//! `yes` where data may be overwritten. The socket is root's, and a group's if the configuration names
//! one; who asks for more than the status is looked at again by the kernel's word (SO_PEERCRED).

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use keepair_core::event::{Event, SwitchoverStep};
use keepair_core::input::Operator;
use keepair_core::status::{Member, Status};
use keepair_linux::reactor::{Mailbox, Request};
use keepair_wire::peer::State;
use nix::unistd::{Gid, Group};
use serde_json::{Value, json};

use crate::view;
use crate::warnings::Warnings;

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
    /// Problems of this machine that the core does not know of.
    pub(crate) warnings: Warnings,
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
                let mut status = status(self)?;
                status.problems.extend(self.warnings.list());
                write_line(stream, &json!({ "status": view::json(&status) }))?;
                Ok(())
            }
            Some("switchover") => {
                authorize(stream, self)?;
                switchover(stream, self, request["to"].as_str())
            }
            Some("solo") => {
                authorize(stream, self)?;
                solo(stream, self, request["yes"] == true)
            }
            Some("accept") => {
                authorize(stream, self)?;
                let node = request["node"].as_str().context("accept which node?")?;
                accept(stream, self, node, request["yes"] == true)
            }
            _ => bail!("unknown command; known are status, switchover, solo and accept"),
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

fn known(status: &Status, name: &str) -> anyhow::Result<()> {
    let [a, b] = &status.members;
    if a.name != name && b.name != name {
        bail!("there is no node `{name}`; the nodes are `{}` and `{}`", a.name, b.name);
    }
    Ok(())
}

/// Says what will happen, and goes on only if the operator has said yes to it or nothing can be lost.
fn agree(stream: &UnixStream, notes: &[String], may_lose: bool, yes: bool) -> anyhow::Result<()> {
    for note in notes {
        write_line(stream, &json!({ "note": note }))?;
    }
    if may_lose && !yes {
        bail!("nothing was done; if that is what you want, say it again with --yes");
    }
    Ok(())
}

fn solo(stream: &UnixStream, control: &Control, yes: bool) -> anyhow::Result<()> {
    let [own, peer] = &status(control)?.members;
    if own.state == State::Active {
        bail!("{} is the primary already", own.name);
    }
    if peer.heard {
        bail!("{} is heard, and has a say: see `keepair status`", peer.name);
    }
    let notes = [
        format!("{} will begin without {}, until it hears it.", own.name, peer.name),
        format!(
            "If {} serves and can't be heard from here, both will serve. If it holds newer data, that data \
             is overwritten when it comes back.",
            peer.name
        ),
    ];
    agree(stream, &notes, true, yes)?;
    obey(stream, control, Operator::Solo, |event| matches!(event, Event::Solo(true)))
}

fn accept(stream: &UnixStream, control: &Control, node: &str, yes: bool) -> anyhow::Result<()> {
    let before = status(control)?;
    known(&before, node)?;
    let [own, peer] = &before.members;
    let (kept, lost) = if own.name == node { (own, peer) } else { (peer, own) };
    let follows = |member: &Member| member.redis.reachable && member.redis.link_up;
    let serves = |member: &Member| member.state == State::Active;
    if (serves(own) && follows(peer)) || (serves(peer) && follows(own)) {
        bail!("there is nothing to decide: one machine's Redis replicates from the other's");
    }
    if kept.local && !kept.redis.reachable {
        bail!("the Redis of {node} does not answer; its data can't be accepted");
    }
    if !kept.local && !kept.heard {
        bail!("{node} is not heard; say it there, or accept the data of {}", lost.name);
    }
    let may_lose = !(lost.redis.reachable && lost.redis.empty);
    let notes = [
        format!("The data of {} is the pair's from now on.", kept.name),
        if may_lose {
            format!("The data of {} is overwritten with it as soon as both are there.", lost.name)
        } else {
            format!("The Redis of {} holds no data.", lost.name)
        },
    ];
    agree(stream, &notes, may_lose, yes)?;
    let operator = Operator::Accept { own: kept.local };
    obey(stream, control, operator, |event| matches!(event, Event::Accepted { .. }))
}

/// Tells the core. What it says from then on is received.
fn order(control: &Control, operator: Operator) -> anyhow::Result<Receiver<Event>> {
    let (sender, events) = sync_channel(256);
    control.mailbox.put(Request::Operator(operator, Some(sender)))?;
    Ok(events)
}

/// Tells the core, and the client what it says to that.
fn obey(
    stream: &UnixStream,
    control: &Control,
    operator: Operator,
    ends: impl Fn(&Event) -> bool,
) -> anyhow::Result<()> {
    let events = order(control, operator)?;
    let deadline = Instant::now() + CLIENT_TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = events.recv_timeout(left).context("the daemon said nothing to that")?;
        if ends(&event) {
            write_line(stream, &json!({ "event": event.to_string() }))?;
            write_line(stream, &json!({ "done": true }))?;
            return Ok(());
        }
    }
}

fn switchover(stream: &UnixStream, control: &Control, to: Option<&str>) -> anyhow::Result<()> {
    let before = status(control)?;
    let active = before.members.iter().find(|member| member.state == State::Active);
    if let Some(name) = to {
        known(&before, name)?;
        if active.is_some_and(|active| active.name == name) {
            write_line(stream, &json!({ "event": format!("{name} is the primary already") }))?;
            write_line(stream, &json!({ "done": true }))?;
            return Ok(());
        }
    }
    if active.is_none() {
        bail!("neither machine is the primary right now; see `keepair status`");
    }
    let events = order(control, Operator::Switchover)?;
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
