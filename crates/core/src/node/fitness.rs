//! Could this machine take over now, and if not, why? Every reason is a sentence for people.

use super::{Node, Phase};
use crate::lineage::{Lineage, Relation, compare};
use crate::monitor::Health;
use crate::settings::{is_valkey, version};
use crate::time::Time;
use alloc::format;
use alloc::string::{String, ToString};
use keepair_wire::peer::{RedisFacts, Restored, State};

impl Node {
    /// `Ok`, or the first reason why not.
    pub(super) fn fitness(&self, now: Time) -> Result<(), String> {
        if !self.link_up {
            return Err("the link is down".to_string());
        }
        if let Some((_, why)) = &self.blocked {
            return Err(why.clone());
        }
        if let Some(text) = &self.monitor.auth_problem {
            return Err(format!("Redis refused the login: {text}"));
        }
        match &self.monitor.health {
            Health::Unknown => return Err("connecting to Redis".to_string()),
            Health::Gone(text) => return Err(format!("no Redis: {text}")),
            Health::Hung(text) => return Err(format!("Redis hangs: {text}")),
            Health::Good | Health::Busy => {}
        }
        let Some(info) = &self.monitor.info else {
            return Err("asking Redis what it holds".to_string());
        };
        if info.cluster_enabled == Some(true) {
            return Err("Redis runs in cluster mode, where REPLICAOF is refused; set \
                        `cluster-enabled no`"
                .to_string());
        }
        if self.monitor.is_syncing() {
            return Err("Redis is loading or receiving its data".to_string());
        }
        let primary = self.monitor.is_primary();
        self.check_reports()?;
        self.check_not_alone()?;
        self.check_not_left_behind()?;
        // Until it says otherwise, or its data is here again: its daemon may have died with writes
        // acknowledged that only its Redis holds.
        let took_over = self.peer.report.as_ref().is_some_and(|report| match report.state {
            State::Active => true,
            State::TakingOver => report.redis.primary,
            _ => false,
        });
        // It may have woken up, and serve what was served before.
        let older = || self.peer_lineage().map(|peer| compare(&self.lineage(), &peer));
        if self.left_to_peer && took_over && older() != Some(Relation::Supersedes) {
            // What a person has to decide comes before what could be waited for.
            if primary {
                self.primary_fitness()?;
            }
            let peer = &self.config.peer().name;
            return Err(format!("left the address to {peer}, which may hold newer data by now"));
        }
        self.check_not_succeeded()?;
        if primary { self.primary_fitness() } else { self.replica_fitness(now) }
    }

    /// The other machine has served since, and nothing can be asked of its Redis: that is not to hold
    /// nothing.
    fn check_not_succeeded(&self) -> Result<(), String> {
        let Some(report) = &self.peer.report else { return Ok(()) };
        let comparable = report.redis.reachable || report.generation <= self.generation.0;
        if comparable || self.generation.0 == 0 {
            return Ok(());
        }
        let peer = &self.config.peer().name;
        Err(format!(
            "{peer} has served since this machine did, and holds newer data; start its Redis; if that is \
             lost for good: keepair accept {}",
            self.config.own().name
        ))
    }

    fn primary_fitness(&self) -> Result<(), String> {
        let peer = &self.config.peer().name;
        let known = self.peer_lineage();
        let relation = known.as_ref().map(|peer| compare(&self.lineage(), peer));
        let reading = known.as_ref().is_some_and(|peer| peer.facts.primary && peer.facts.syncing);
        if reading && !self.vouched() {
            return Err(format!("{peer} is reading its data, which may be the newer"));
        }
        if self.generation.0 == 0 && !self.vouched() {
            self.first_fitness(known.as_ref())?;
        }
        match relation {
            Some(Relation::Superseded { .. } | Relation::Behind { .. }) => {
                Err(format!("{peer} holds newer data"))
            }
            Some(Relation::Unrelated) if known.is_some_and(|peer| peer.facts.syncing) => {
                Err(format!("{peer} is receiving data, and holds what may be the newer meanwhile"))
            }
            Some(Relation::Unrelated) => Err(format!(
                "this Redis and {peer}'s hold different data, and nothing says which is the newer: \
                 neither will be overwritten; decide with: keepair accept NODE"
            )),
            Some(Relation::Same | Relation::Ahead { .. } | Relation::Supersedes) => Ok(()),
            None if self.generation.0 > 0 && !self.vouched() && !self.covers_other() => {
                Err(format!(
                    "Redis was restarted, and {peer}, which may hold newer data, has not been heard \
                     since; start Redis and keepair there; if {peer} is lost for good: keepair accept {}",
                    self.config.own().name
                ))
            }
            None => Ok(()),
        }
    }

    /// A machine that was never a member of a pair. Only once, and only where the other Redis answers or
    /// follows, it may be the first source: one that can't be reached is not an empty one.
    fn first_fitness(&self, known: Option<&Lineage>) -> Result<(), String> {
        let peer = &self.config.peer().name;
        let followed = self
            .monitor
            .info
            .as_ref()
            .is_some_and(|info| self.reach.attached(info, self.config.peer().address));
        match known {
            Some(other)
                if other.generation.0 > 0 && other.facts.empty && self.own_facts().empty =>
            {
                Err(format!("is new to the pair, and joins it when {peer} serves"))
            }
            Some(_) => Ok(()),
            None if followed || self.solo => Ok(()),
            None => Err(format!(
                "Redis of {peer} can't be reached, and may hold data; start it, or begin without it: \
                 keepair solo"
            )),
        }
    }

    /// Adverts say nothing about data.
    fn check_reports(&self) -> Result<(), String> {
        if self.peer.report.is_some() || !self.peer.was_active {
            return Ok(());
        }
        Err(format!(
            "hears the adverts of {} and none of its reports, which tell whose data is newer: is UDP \
             {} filtered?",
            self.config.peer().name,
            self.config.peer_port
        ))
    }

    /// What the other Redis holds, as far as this machine may rely on it.
    pub(super) fn peer_lineage(&self) -> Option<Lineage> {
        if self.vouched() {
            self.peer.lineage()
        } else {
            self.peer.lineage_since_restart(&self.own_facts().replid)
        }
    }

    /// The local Redis was restarted, and has loaded everything that the other one can hold.
    fn covers_other(&self) -> bool {
        let info = self.monitor.info.as_ref();
        info.is_some_and(|info| self.reach.covers_other(info, &self.own_facts()))
    }

    /// What a later process will have to be measured by.
    pub(super) fn watch_reach(&mut self, now: Time) {
        if !self.vouched() {
            return;
        }
        let facts = self.own_facts();
        // A daemon that was told to stop says nothing of its machine; one that fell silent does.
        let stopped =
            self.peer.report.as_ref().is_some_and(|report| report.state == State::Stopping);
        let lives = stopped || self.peer.heard(now).is_some();
        if let Some(info) = &self.monitor.info {
            self.reach.holds(now, info, &facts, self.config.peer().address, lives);
        }
    }

    fn replica_fitness(&self, now: Time) -> Result<(), String> {
        let peer = self.config.peer();
        if !self.replicates_from_peer() {
            return Err(format!("Redis does not replicate from {}", peer.name));
        }
        let known = self.peer_lineage();
        let relation = known.as_ref().map(|peer| compare(&self.lineage(), peer));
        // A peer that came back with less than this replica holds can't vouch for it any more; nor can
        // one that is a replica as well.
        let holds_most = self.peer.heard(now).is_some_and(|report| {
            report.state != State::Active
                && match relation {
                    Some(Relation::Ahead { .. } | Relation::Supersedes) => true,
                    Some(Relation::Same) => !report.redis.primary,
                    _ => false,
                }
        });
        if relation == Some(Relation::Unrelated) {
            return Err(format!(
                "this Redis holds other data than {}'s, and nothing says which is the newer: decide \
                 with: keepair accept NODE",
                peer.name
            ));
        }
        // `replicaof` in redis.conf makes one that served a replica at its restart.
        let last = known.is_none() && self.covers_other();
        if !self.vouched() && !holds_most && !last {
            return Err(format!("is not in step with {}{}", peer.name, self.why_not_in_step()));
        }
        match relation {
            Some(Relation::Superseded { .. }) => Err(format!("{} holds newer data", peer.name)),
            _ => Ok(()),
        }
    }

    fn why_not_in_step(&self) -> String {
        if self.monitor.link_up() {
            return String::new();
        }
        let reachable = self.peer.report.as_ref().is_some_and(|report| report.redis.reachable);
        if reachable {
            return ": the replication link is down".to_string();
        }
        format!(
            ", whose Redis is gone; start it; if its data is lost for good: keepair accept {}",
            self.config.own().name
        )
    }

    /// The local Redis replicates from the other machine, whether or not the link is up.
    pub(super) fn replicates_from_peer(&self) -> bool {
        let peer = self.config.peer();
        self.monitor.info.as_ref().is_some_and(|info| {
            !self.monitor.is_primary()
                && info.master_port == Some(self.config.redis_port)
                && info
                    .master_host
                    .as_deref()
                    .is_some_and(|host| host.parse() == Ok(peer.address) || host == peer.name)
        })
    }

    /// The data in the local Redis is the one the generation was reached with.
    pub(super) fn vouched(&self) -> bool {
        self.held_run_id.is_some()
            && self.monitor.info.as_ref().is_some_and(|info| info.run_id == self.held_run_id)
    }

    /// What the local Redis holds, with the pair's view of it.
    pub(super) fn lineage(&self) -> Lineage {
        let mut facts = self.own_facts();
        // As it is told to the peer, so that both come to the same end; who is Active looks again
        // before it gives way.
        facts.unused &= match &self.phase {
            Phase::Active(active) => !active.took_everything,
            _ => self.monitor.info_answered >= self.quiet_info,
        };
        Lineage {
            generation: self.generation,
            vouched: self.vouched(),
            accepted: self.accepted,
            served: self.served,
            restored: self.restored(),
            missed_writes: self.follow.missed_writes(),
            facts,
        }
    }

    /// What the local Redis, restarted from an append-only file, continues.
    pub(super) fn restored(&self) -> Option<Restored> {
        let info = self.monitor.info.as_ref().filter(|_| !self.vouched())?;
        self.reach.restored(info, &self.own_facts(), self.served)
    }

    /// What the local Redis holds.
    pub(super) fn own_facts(&self) -> RedisFacts {
        let Some(info) = &self.monitor.info else {
            return RedisFacts { second_offset: -1, offset: -1, ..RedisFacts::default() };
        };
        let primary = self.monitor.is_primary();
        let applied = if primary { info.master_repl_offset } else { info.slave_repl_offset };
        let offset = applied.or(info.master_repl_offset).unwrap_or(-1);
        let second_offset = info.second_repl_offset.unwrap_or(-1);
        RedisFacts {
            reachable: self.monitor.health.serves(),
            primary,
            link_up: self.monitor.link_up(),
            syncing: self.monitor.is_syncing(),
            // While it reads its file nothing can be said of what is in it.
            empty: info.keys == Some(0) && !self.monitor.is_syncing(),
            replid: info.master_replid.map_or([0; 20], |id| id.0),
            replid2: info.master_replid2.map_or([0; 20], |id| id.0),
            second_offset,
            offset,
            version: version(info).unwrap_or((0, 0)),
            valkey: is_valkey(info),
            given_up: self.given_up(),
            unused: offset < second_offset && self.offset_counts(),
        }
    }

    /// A primary without a backlog and without a replica does not count what it is written
    /// (`replicationFeedSlaves`): one that was promoted in the middle of a full resynchronisation, for
    /// which older versions free the backlog.
    pub(super) fn offset_counts(&self) -> bool {
        let info = self.monitor.info.as_ref();
        !self.monitor.is_primary() || info.is_some_and(|i| i.repl_backlog_active == Some(true))
    }

    /// Both could take over: whether the other is the better choice. Data first, then who is the
    /// primary already, then priority, then the address (RFC 9568 section 6.4.3).
    pub(super) fn prefers_peer(&self, now: Time) -> bool {
        let Some(report) = self.peer.fresh(now) else {
            return false;
        };
        if !report.fit || !matches!(report.state, State::Backup | State::TakingOver) {
            return false;
        }
        match compare(&self.lineage(), &Lineage::from(report)) {
            Relation::Behind { .. } | Relation::Superseded { .. } => true,
            Relation::Ahead { .. } | Relation::Supersedes => false,
            Relation::Same | Relation::Unrelated => {
                let own = self.config.own();
                // Both files list the machines in one order.
                let peer_is_first = self.config.me == 1;
                (report.redis.primary, report.priority, peer_is_first)
                    > (self.monitor.is_primary(), own.priority.0, !peer_is_first)
            }
        }
    }
}
