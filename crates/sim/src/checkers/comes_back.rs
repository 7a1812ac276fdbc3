//! Property 6, it comes back: when nothing has been wrong for a while, one primary serves and the
//! other Redis replicates from it.

use super::{Checker, Fact, Kind};
use crate::host::HostId;
use crate::world::World;
use keepair_wire::peer::State;
use std::time::Duration;

/// Without an acknowledged write for so long, nobody serves.
const SERVES: Duration = Duration::from_millis(500);

/// The checker.
#[derive(Debug)]
pub(super) struct ComesBack;

/// What is missing, if something is.
pub(crate) fn missing(world: &World) -> Option<String> {
    let Some(host) = world.serving() else {
        let both = HostId::BOTH.iter().all(|host| world.answers(*host));
        let who = if both { "both answer" } else { "nobody answers" };
        return Some(format!("{who} on the address"));
    };
    let (own, other) = (&world.hosts[host], &world.hosts[host.peer()]);
    if !own.redis.is_primary() {
        return Some(format!("Redis on {host}, which has the address, is no primary"));
    }
    if !other.redis.link_is_up() {
        return Some(format!("Redis on {} does not replicate", host.peer()));
    }
    let lag = own.redis.position().1 - other.redis.position().1;
    if own.redis.position().0 != other.redis.position().0 || lag > 10_000 {
        return Some(format!("Redis on {} is far behind", host.peer()));
    }
    if own.daemon.phase() != Some(State::Active) || other.daemon.phase() != Some(State::Backup) {
        return Some(format!(
            "the daemons are {:?} and {:?}",
            own.daemon.phase(),
            other.daemon.phase()
        ));
    }
    let last = world.client.acknowledged.last().map(|(_, at, _)| *at);
    if last.is_none_or(|at| world.now.since(at) > SERVES) {
        return Some("no write is acknowledged".to_string());
    }
    None
}

impl Checker for ComesBack {
    fn name(&self) -> &'static str {
        "comes_back"
    }

    fn wants(&self) -> &'static [Kind] {
        &[Kind::Settled]
    }

    fn see(&mut self, world: &World, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Settled => missing(world).map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }
}
