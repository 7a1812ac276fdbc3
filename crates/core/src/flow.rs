//! Does the primary's stream reach this replica?
//!
//! `master_link_status:up` does not say so: after a full resynchronisation without a file (the default
//! since Redis 7.0) the primary sends nothing before the replica's first `REPLCONF ACK`, which comes up
//! to a second later (replication.c, `repl_start_cmd_stream_on_ack`). What the primary acknowledges to
//! its clients in between is nowhere else. What proves that the stream flows: this replica's own offset
//! moves; the primary's INFO shows the acknowledgement; or, where INFO can't, because nothing was ever
//! written or the address is translated, the replica has had the time to send one.

use crate::time::Time;
use core::time::Duration;
use keepair_wire::peer::RedisFacts;

/// A replica acknowledges in its cron, once a second, which is also when it answers INFO.
const ACKNOWLEDGED_AFTER: Duration = Duration::from_millis(1_500);

/// What is known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Flow(Step);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Step {
    /// There is no link, or it carries a full resynchronisation.
    #[default]
    Down,
    /// The link is up since then, when the data reached this offset of this history.
    Up { since: Time, replid: [u8; 20], offset: i64 },
    /// The stream of this history flows since then.
    Flows { since: Time, replid: [u8; 20] },
}

impl Flow {
    /// INFO of this replica.
    pub fn watch(&mut self, now: Time, facts: &RedisFacts) {
        let (replid, offset) = (facts.replid, facts.offset);
        self.0 = match self.0 {
            _ if facts.primary || !facts.link_up || facts.syncing => Step::Down,
            Step::Flows { since, replid: known } if known == replid => {
                Step::Flows { since, replid }
            }
            Step::Up { replid: known, offset: before, .. }
                if known == replid && offset > before =>
            {
                Step::Flows { since: now, replid }
            }
            Step::Up { since, replid: known, .. }
                if known == replid && now.since(since) > ACKNOWLEDGED_AFTER =>
            {
                Step::Flows { since: now, replid }
            }
            Step::Up { since, replid: known, offset } if known == replid => {
                Step::Up { since, replid, offset }
            }
            _ => Step::Up { since: now, replid, offset },
        };
    }

    /// The primary says how far this replica has acknowledged its stream. That may be the connection
    /// before, unless the link has been up for longer than INFO is old, `info_age`. The offset of the
    /// snapshot itself is no proof: a replica acknowledges it at the end of its load, and a primary that
    /// has not reaped the child of the save by then takes note and starts nothing (7.0.15).
    pub fn acknowledged(&mut self, now: Time, info_age: Duration, facts: &RedisFacts, upto: i64) {
        match self.0 {
            Step::Up { since, replid, offset } if upto > offset && now.since(since) > info_age => {
                self.0 = Step::Flows { since: now, replid };
            }
            Step::Up { .. } if upto == 0 => self.begin(now, facts),
            // There was a resynchronisation so quick that no INFO showed it.
            Step::Flows { since, .. } if upto == 0 && now.since(since) > ACKNOWLEDGED_AFTER => {
                self.begin(now, facts);
            }
            _ => {}
        }
    }

    fn begin(&mut self, now: Time, facts: &RedisFacts) {
        self.0 = Step::Up { since: now, replid: facts.replid, offset: facts.offset };
    }

    /// The link is up, and it is not known yet whether the stream flows.
    pub fn is_unproven(&self) -> bool {
        matches!(self.0, Step::Up { .. })
    }

    /// The stream of this history is known to flow.
    pub fn flows(&self, history: &[u8; 20]) -> bool {
        matches!(self.0, Step::Flows { replid, .. } if replid == *history)
    }
}

#[cfg(test)]
mod tests;
