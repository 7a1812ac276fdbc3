//! Property 4, nothing is destroyed in silence: what this machine alone holds is in its state
//! directory before a resync overwrites it, or the daemon that makes its Redis a replica says how much
//! of it is not, or that it can't tell.
//!
//! It learns that from the answer to its command; where Redis answers late, it says so late. A
//! daemon that is not there, or was not all the time, can't.

use super::ledger::guarded;
use super::{Checker, Fact, Kind};
use crate::daemon::State;
use crate::fault::Fault;
use crate::host::{HostId, PerHost};
use crate::redis::{Answer, Note};
use crate::world::World;
use crate::writes::Writes;
use keepair_core::event::Event as Told;
use keepair_core::time::Time;
use std::time::Duration;

/// An answer may be so late.
const LATE_MAX: Duration = Duration::from_secs(1);

/// The checker.
#[derive(Debug, Default)]
pub(super) struct NoSilentLoss {
    acknowledged: Writes,
    /// What each held and the other did not when it was made a replica.
    tail: PerHost<Writes>,
    /// This run of the daemon has made its Redis a replica, and has not said what that costs.
    silent: PerHost<Option<u64>>,
    /// So many acknowledged writes were overwritten then.
    overwritten: PerHost<Option<(Time, usize)>>,
    /// Nobody could keep the other one from copying this Redis, and so from being told before.
    unguarded: PerHost<bool>,
}

impl NoSilentLoss {
    fn overwritten(&mut self, world: &World, host: HostId, lost: &Writes) {
        let salvaged = &world.hosts[host].salvaged;
        let due = |write: &u32| {
            self.acknowledged.contains(*write)
                && self.tail[host].contains(*write)
                && !salvaged.contains(*write)
        };
        let destroyed = lost.iter().filter(due).count();
        if self.could_speak(world, host) && destroyed > 0 {
            self.overwritten[host] = Some((world.now, destroyed));
        }
    }

    fn could_speak(&self, world: &World, host: HostId) -> bool {
        let daemon = &world.hosts[host].daemon;
        daemon.state == State::Running && self.silent[host] == Some(daemon.run)
    }

    fn still_silent(&mut self, world: &World, host: HostId) -> Result<(), String> {
        let Some((at, destroyed)) = self.overwritten[host] else {
            return Ok(());
        };
        if !self.could_speak(world, host) {
            self.overwritten[host] = None;
        } else if world.now.since(at) > LATE_MAX {
            return Err(format!(
                "{destroyed} acknowledged writes on {host} were overwritten, and nobody was told"
            ));
        }
        Ok(())
    }
}

impl Checker for NoSilentLoss {
    fn name(&self) -> &'static str {
        "no_silent_loss"
    }

    fn wants(&self) -> &'static [Kind] {
        &[
            Kind::Admits,
            Kind::Told,
            Kind::Redis,
            Kind::ClientHeard,
            Kind::LocalHeard,
            Kind::Overwritten,
            Kind::Fault,
            Kind::Settled,
        ]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::ClientHeard { write, answer: Answer::Ok, .. }
            | Fact::LocalHeard { write, answer: Answer::Ok, .. } => {
                self.acknowledged.insert(*write);
            }
            Fact::Redis { host, note: Note::Following { .. } } => {
                let kept = world.hosts[host.peer()].redis.holds();
                self.tail[*host] = world.hosts[*host].redis.data.without(&kept);
            }
            Fact::Told { host, event: Told::Following } => {
                self.silent[*host] = Some(world.hosts[*host].daemon.run);
            }
            Fact::Told { host, event: Told::OwnTail { .. } } => self.silent[*host] = None,
            Fact::Fault(Fault::Decide(keep, _)) => self.silent[keep.peer()] = None,
            Fact::Admits { host } => self.unguarded[*host] = !guarded(world, *host),
            Fact::Overwritten { host, .. } if self.unguarded[host.peer()] => {}
            Fact::Overwritten { host, lost, .. } => self.overwritten(world, *host, lost),
            _ => {}
        }
        HostId::BOTH.into_iter().try_for_each(|host| self.still_silent(world, host))
    }
}
