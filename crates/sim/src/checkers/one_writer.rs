//! Property 1, one writer: never two machines that answer on the address at once.
//!
//! With a tie-breaker this is promised whatever is cut. Without one it is not promised while the two cannot hear each other and both still
//! have clients, nor in the moment after that in which they find out. A machine whose processor
//! stood still together with its clocks is such a machine: nothing tells it that time has passed.
//! Nor is it promised while somebody has removed the rules of a fence that its daemon, dead or
//! refused, can't lay again, nor between two that begin at the same time and hear nothing of each other
//! yet; nor, where faults overlap, for as long as the kernel made a dying daemon
//! wait before it carried a renewal out.

use super::{Checker, Fact, Kind};
use crate::host::{HostId, PerHost};
use crate::network::Traffic;
use crate::world::World;
use keepair_core::time::Time;

/// The checker.
#[derive(Debug, Default)]
pub(super) struct OneWriter {
    woke_at: PerHost<Option<Time>>,
    /// Since when each answers.
    since: PerHost<Option<Time>>,
}

impl OneWriter {
    fn excused(&self, world: &World) -> bool {
        let find_out = world.find_out();
        let unaware = |at: &Option<Time>| at.is_some_and(|at| world.now.since(at) <= find_out);
        let bare = |host: HostId| world.hosts[host].kernel.is_bare();
        // Reports do not pass, and there were no adverts yet: two that begin at the same time.
        let began = |host: HostId| unaware(&self.since[host]);
        let mute = |host: HostId| world.network.is_cut(host, Traffic::Reports);
        let strangers = HostId::BOTH.into_iter().all(began) && HostId::BOTH.into_iter().any(mute);
        // With a tie-breaker it is promised whatever does not pass.
        let alone = world.options.tie_breakers == 0;
        alone && (world.network.parted_within(world.now, find_out) || strangers)
            || self.woke_at.0.iter().any(unaware)
            || HostId::BOTH.into_iter().any(bare)
    }
}

impl Checker for OneWriter {
    fn name(&self) -> &'static str {
        "one_writer"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Performed, Kind::ClientHeard, Kind::Thawed]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        if let Fact::Thawed { host, clock_stood: true, .. } = fact {
            self.woke_at[*host] = Some(world.now);
        }
        for host in HostId::BOTH {
            let since = self.since[host].or(Some(world.now));
            self.since[host] = since.filter(|_| world.answers(host));
        }
        let clock = |host: HostId| world.hosts[host].clock.read(world.now);
        let overstays =
            |host: HostId| world.overlapping() && world.hosts[host].kernel.overstays(clock(host));
        let both = HostId::BOTH.into_iter().all(|host| world.answers(host) && !overstays(host));
        if both && !self.excused(world) {
            return Err("A and B both answer on the address".to_string());
        }
        Ok(())
    }
}
