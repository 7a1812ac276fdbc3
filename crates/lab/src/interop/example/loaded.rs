//! The users' example under keepalived, for a crash under load.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;

use super::files::Example;
use super::{PASSWORD, PORT, Pair, VIP};
use crate::host::must_signal;
use crate::interop::daemon::{Kind, Programs};
use crate::interop::play::{FIRST, SECOND};
use crate::loaded::Victim;
use crate::namespace::Namespace;
use crate::pipeline::Stream;

/// The pair, started.
pub struct Scripts(Pair);

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripts")
    }
}

impl Scripts {
    /// Starts both Redis, and then both keepalived.
    ///
    /// # Errors
    /// Where something does not start.
    pub fn new(example: &Example, dir: &Path, tools: (&Programs, &Path)) -> Result<Self> {
        let pair = Pair::new(example, Kind::Keepalived, dir, tools)?;
        for redis in &pair.redis {
            redis.start()?;
        }
        let whole =
            |pair: &Pair| pair.role(FIRST).as_deref() == Some("master") && pair.replicates(SECOND);
        pair.wait("both Redis answer", Duration::from_secs(10), whole)?;
        pair.machines.iter().try_for_each(|machine| machine.start())?;
        Ok(Self(pair))
    }
}

impl Victim for Scripts {
    fn clients(&self) -> &Namespace {
        &self.0.client
    }

    fn stream(&self, prefix: String, rate: u64) -> Stream {
        let target = SocketAddr::from((VIP, PORT));
        Stream { target, password: PASSWORD.to_owned(), prefix, rate }
    }

    fn whole(&mut self) -> Result<()> {
        // The file has no `nopreempt`: the first machine takes the address back.
        self.0.served(FIRST, Instant::now(), "the first takes writes")?;
        let copies = |pair: &Pair| pair.replicates(SECOND);
        self.0.wait("the second copies the first", Duration::from_secs(20), copies)
    }

    fn crash(&mut self) -> Result<()> {
        must_signal(&self.0.redis[FIRST], Signal::SIGKILL)
    }

    fn taken_over(&mut self) -> Result<()> {
        self.0.served(SECOND, Instant::now(), "the second takes writes")
    }

    fn again(&mut self) -> Result<()> {
        self.0.redis[FIRST].wait_gone(Duration::from_secs(5))?;
        self.0.redis[FIRST].start()
    }
}
