//! The users' example under keepalived, for a crash under load.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;

use super::files::Example;
use super::{PASSWORD, PORT, Pair, VIP};
use crate::host::must_signal;
use crate::interop::daemon::{Kind, Programs};
use crate::interop::play::{FIRST, NUMBERS, SECOND};
use crate::loaded::{Victim, behind, slow_between};
use crate::namespace::Namespace;
use crate::pipeline::Stream;
use crate::tools::Tools;

/// The pair, started.
pub struct Scripts {
    pair: Pair,
    tc: Option<PathBuf>,
}

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
    pub fn new(example: &Example, dir: &Path, with: (&Programs, &Tools)) -> Result<Self> {
        let (programs, tools) = with;
        let pair = Pair::new(example, Kind::Keepalived, dir, (programs, &tools.redis))?;
        for redis in &pair.redis {
            redis.start()?;
        }
        let whole =
            |pair: &Pair| pair.role(FIRST).as_deref() == Some("master") && pair.replicates(SECOND);
        pair.wait("both Redis answer", Duration::from_secs(10), whole)?;
        pair.machines.iter().try_for_each(|machine| machine.start())?;
        Ok(Self { pair, tc: tools.tc.clone() })
    }
}

impl Victim for Scripts {
    fn clients(&self) -> &Namespace {
        &self.pair.client
    }

    fn stream(&self, prefix: String, rate: u64) -> Stream {
        let target = SocketAddr::from((VIP, PORT));
        Stream { target, password: PASSWORD.to_owned(), prefix, rate }
    }

    fn whole(&mut self) -> Result<()> {
        // The file has no `nopreempt`: the first machine takes the address back.
        self.pair.served(FIRST, Instant::now(), "the first takes writes")?;
        let copies = |pair: &Pair| pair.replicates(SECOND);
        self.pair.wait("the second copies the first", Duration::from_secs(20), copies)
    }

    fn slow(&self, slow: bool) -> Result<()> {
        let [first, second] = &self.pair.machines;
        let (one, other) = (first.namespace(), second.namespace());
        let address = |who: usize| IpAddr::from([172, 18, 0, NUMBERS[who]]);
        let hosts = [(one, address(FIRST)), (other, address(SECOND))];
        slow_between(self.tc.as_deref(), hosts, slow)
    }

    fn lag_bytes(&self) -> Result<i64> {
        behind(self.pair.info(FIRST).as_ref(), self.pair.info(SECOND).as_ref())
    }

    fn kept(&self) -> Result<Option<Vec<PathBuf>>> {
        Ok(None)
    }

    fn put_back(&self, _kept: &[PathBuf]) -> Result<()> {
        Ok(())
    }

    fn crash(&mut self) -> Result<()> {
        must_signal(&self.pair.redis[FIRST], Signal::SIGKILL)
    }

    fn taken_over(&mut self) -> Result<()> {
        self.pair.served(SECOND, Instant::now(), "the second takes writes")
    }

    fn again(&mut self) -> Result<()> {
        self.pair.redis[FIRST].wait_gone(Duration::from_secs(5))?;
        self.pair.redis[FIRST].start()
    }
}
