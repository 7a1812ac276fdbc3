//! What a daemon keeps of its Redis before it is overwritten: the thread beside the real-time one, its
//! connection to Redis, and the state directory.

use crate::checkers::Fact;
use crate::host::HostId;
use crate::redis::Process;
use crate::world::{Event, World};
use crate::writes::Writes;
use keepair_core::Input;
use keepair_core::action::{Salvage, Wanted};
use keepair_core::input::Kept;
use keepair_core::time::Time;
use std::time::Duration;

/// Between two looks at a Redis, or a daemon, that does not turn.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// An order on its way.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Order {
    run: u64,
    order: Salvage,
    until: Time,
}

/// An order that was carried out, as far as the state directory has to do with it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Outcome {
    run: u64,
    number: u32,
    /// It was the copy of a stream.
    copied: bool,
    writes: Writes,
    result: Result<Kept, String>,
}

impl World {
    pub(crate) fn begin_salvage(&mut self, host: HostId, order: Salvage) {
        let until = self.now + order.within;
        let run = self.hosts[host].daemon.run;
        let at = self.now + Duration::from_micros(self.rng.between(300, 2_000));
        self.schedule(
            at,
            Event::SalvageReads { host, order: Box::new(Order { run, order, until }) },
        );
    }

    /// The thread has its connection, and asks for the stream or for the files.
    pub(crate) fn salvage_reads(&mut self, host: HostId, order: Order) {
        let daemon = &self.hosts[host].daemon;
        if daemon.run != order.run || daemon.state == crate::daemon::State::Absent {
            return;
        }
        let stopped = daemon.state == crate::daemon::State::Stopped;
        let redis = &self.hosts[host].redis;
        let copied = matches!(order.order.what, Wanted::Copied { .. });
        let silent = !copied && redis.process != Process::Absent && !redis.turns(self.now);
        if stopped || (silent && self.now < order.until) {
            let at = self.now + LOOK_AGAIN;
            return self.schedule(at, Event::SalvageReads { host, order: Box::new(order) });
        }
        let (writes, result) = match self.read(host, order.order.what, silent) {
            Ok((writes, kept)) => (writes, Ok(kept)),
            Err(why) => (Writes::default(), Err(why)),
        };
        let disk = self.hosts[host].disk.clone();
        let at =
            self.now + Duration::from_micros(self.rng.between(disk.takes_us.0, disk.takes_us.1));
        let full = disk.refuses > 0 && self.rng.chance(disk.refuses);
        if full && self.rng.chance(300) {
            // It never answers: the disk is stuck.
            return;
        }
        let refused = if full { Err("No space left on device".to_string()) } else { Ok(()) };
        let result = result.and_then(|kept| refused.map(|()| kept));
        let outcome =
            Outcome { run: order.run, number: order.order.number, copied, writes, result };
        self.schedule(at, Event::Salvaged { host, outcome: Box::new(outcome) });
    }

    fn read(&mut self, host: HostId, what: Wanted, silent: bool) -> Result<(Writes, Kept), String> {
        if silent {
            return Err("Redis does not answer".to_string());
        }
        let saves = self.rng.chance(500);
        let redis = &mut self.hosts[host].redis;
        match what {
            Wanted::Tail { replid, from, .. } => {
                let (writes, to) = redis.tail(replid, from)?;
                let commands = writes.len() as u64;
                let kept = match commands {
                    0 => Kept::Nothing { to },
                    _ => Kept::Tail { to, commands, keys: commands },
                };
                Ok((writes, kept))
            }
            Wanted::Copied { replid, from, .. } => self.copied(host, replid, from),
            Wanted::Files => {
                // BGSAVE, where it is quick enough.
                if saves && redis.process != Process::Absent {
                    redis.save_now();
                }
                let file = redis.files.kept().ok_or("there are no data files")?;
                Ok((file.data.clone(), Kept::Files { bytes: file.data.len() as u64 }))
            }
        }
    }

    /// The state directory has it, or not.
    pub(crate) fn has_salvaged(&mut self, host: HostId, outcome: Outcome) {
        let Outcome { run, number, copied, writes, result } = outcome;
        let daemon = &self.hosts[host].daemon;
        if daemon.run != run || daemon.state == crate::daemon::State::Absent {
            return;
        }
        if result.is_ok() {
            self.hosts[host].salvaged.add(&writes);
            if copied && !writes.is_empty() {
                self.see(&Fact::CopyKept { host, writes: &writes });
            }
        }
        self.daemon_input(host, run, None, Input::Salvaged { number, result });
    }
}
