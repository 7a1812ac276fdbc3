//! A daemon's copy of its Redis's stream: the thread that reads it, and what stays when Redis is gone.

use crate::host::HostId;
use crate::redis::Entry;
use crate::world::{Event, World};
use crate::writes::Writes;
use keepair_core::action::Copying;
use keepair_core::input::{Copied, Kept};
use keepair_core::time::Time;
use keepair_wire::info::ReplId;
use std::time::Duration;

/// What the thread waits for a Redis that does not turn.
const BEGIN_WITHIN: Duration = Duration::from_secs(2);

/// A copy, while it grows or afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    replid: ReplId,
    /// The offset of its first byte.
    from: i64,
    /// What it holds, once Redis is gone.
    ended: Option<Vec<Entry>>,
}

impl World {
    /// The thread connects to Redis, and asks for the stream.
    pub(crate) fn begin_copy(&mut self, host: HostId, copying: Copying) {
        self.hosts[host].daemon.copy = None;
        let redis = &self.hosts[host].redis;
        let begun = if !redis.turns(self.now) {
            Err("it takes too long")
        } else if !redis.is_primary() || redis.replid() != copying.replid {
            Err("Redis has begun another history meanwhile")
        } else if redis.stream_after(copying.from).is_some() {
            Ok(copying.from)
        } else {
            Ok(redis.offset() + 1)
        };
        match begun {
            Ok(from) => {
                self.hosts[host].daemon.copy =
                    Some(Copy { replid: copying.replid, from, ended: None });
            }
            Err(why) => {
                let at = self.now + BEGIN_WITHIN;
                self.tell_copied(host, at, Err(why.to_string()));
            }
        }
    }

    /// Redis is gone, and the kernel has closed its sockets.
    pub(crate) fn end_copy(&mut self, host: HostId) {
        let redis = &self.hosts[host].redis;
        let to = redis.offset();
        let Some(copy) = self.hosts[host].daemon.copy.as_ref().filter(|copy| copy.ended.is_none())
        else {
            return;
        };
        let told = match redis.stream_after(copy.from).filter(|_| redis.replid() == copy.replid) {
            Some(entries) => {
                let told = Copied { replid: copy.replid, to };
                let copy = Copy { ended: Some(entries), ..copy.clone() };
                self.hosts[host].daemon.copy = Some(copy);
                Ok(told)
            }
            None => Err("it held more than it may take".to_string()),
        };
        // An ordinary thread reads it, whenever it runs.
        let at = self.now + Duration::from_micros(self.rng.between(20, 5_000));
        self.tell_copied(host, at, told);
    }

    fn tell_copied(&mut self, host: HostId, at: Time, result: Result<Copied, String>) {
        let run = self.hosts[host].daemon.run;
        self.schedule(at, Event::StreamCopied { host, run, result: Box::new(result) });
    }

    /// What follows that offset, for the thread that salvages.
    pub(crate) fn copied(
        &mut self,
        host: HostId,
        replid: ReplId,
        from: i64,
    ) -> Result<(Writes, Kept), String> {
        let copy = self.hosts[host].daemon.copy.take().filter(|copy| copy.replid == replid);
        let copy = copy.ok_or("the copy is not there any more")?;
        if copy.from > from {
            return Err("the copy begins later".to_string());
        }
        let entries = copy.ended.ok_or("the copy goes on")?;
        let to = entries.last().map_or(copy.from - 1, |entry| entry.end);
        let tail = entries.iter().filter(|entry| entry.end >= from);
        let writes: Writes = tail.filter_map(|entry| entry.write).collect();
        let commands = writes.len() as u64;
        let kept = match commands {
            0 => Kept::Nothing { to },
            _ => Kept::Tail { to, commands, keys: commands },
        };
        Ok((writes, kept))
    }
}
