//! The commands that talk to a running daemon.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{control, router, view};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

struct Daemon {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Daemon {
    fn connect(run_dir: &Path) -> anyhow::Result<Daemon> {
        let path = run_dir.join(control::SOCKET);
        let stream = UnixStream::connect(&path).with_context(|| {
            format!("no keepair answers at {}; is it running, and are you root?", path.display())
        })?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let lines = BufReader::new(stream.try_clone()?);
        Ok(Daemon { stream, lines })
    }

    fn ask(&mut self, request: &Value) -> anyhow::Result<()> {
        Ok(self.stream.write_all(format!("{request}\n").as_bytes())?)
    }

    fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        if self.lines.read_line(&mut line).context("the daemon does not answer")? == 0 {
            bail!("the daemon closed the connection");
        }
        let value: Value = serde_json::from_str(&line)?;
        match value["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(value),
        }
    }
}

/// Writes to standard output. A reader who has seen enough (`| head`) ends the program quietly.
pub(crate) fn show(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("standard output"),
    }
}

/// Writes to standard error. A log that nobody takes is no reason to end, as `eprintln!` would.
pub(crate) fn warn(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// `keepair status`.
pub(crate) fn status(run_dir: &Path, as_json: bool, watch: bool) -> anyhow::Result<()> {
    let mut daemon = Daemon::connect(run_dir)?;
    loop {
        daemon.ask(&json!({ "command": "status" }))?;
        let answer = daemon.line()?;
        let status = &answer["status"];
        if as_json {
            show(&format!("{status}\n"))?;
        } else {
            let is_router = status["instances"].is_array();
            show(&if is_router { router::view::text(status) } else { view::text(status) })?;
        }
        if !watch {
            return Ok(());
        }
        if !as_json {
            show("\n")?;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// `keepair switchover`.
pub(crate) fn switchover(run_dir: &Path, to: Option<&str>) -> anyhow::Result<()> {
    follow(run_dir, "switchover", &json!({ "command": "switchover", "to": to }))
}

/// `keepair solo`.
pub(crate) fn solo(run_dir: &Path, yes: bool) -> anyhow::Result<()> {
    follow(run_dir, "solo", &json!({ "command": "solo", "yes": yes }))
}

/// `keepair accept`.
pub(crate) fn accept(run_dir: &Path, node: &str, yes: bool) -> anyhow::Result<()> {
    follow(run_dir, "accept", &json!({ "command": "accept", "node": node, "yes": yes }))
}

/// Asks for something, and shows what is said to it until it is done.
fn follow(run_dir: &Path, name: &'static str, request: &Value) -> anyhow::Result<()> {
    let mut daemon = Daemon::connect(run_dir)?;
    let began = Instant::now();
    daemon.ask(request)?;
    loop {
        let answer = daemon.line().context(name)?;
        if let Some(note) = answer["note"].as_str() {
            show(&format!("{note}\n"))?;
        }
        if let Some(event) = answer["event"].as_str() {
            show(&format!("{:>9.3} ms  {event}\n", began.elapsed().as_secs_f64() * 1000.0))?;
        }
        if answer["done"] == true {
            return Ok(());
        }
    }
}
