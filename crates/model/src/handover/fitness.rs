//! `core::node::fitness` and `core::peer`: what a node knows, and whether it could take over.

use super::Pair;
use super::lineage::{Facts, Lineage, Relation, compare};
use super::state::{Host, Phase, Report, Seen, State, Step, Switch};

impl State {
    /// The daemon believes that its Redis serves.
    pub(super) fn believes_redis(&self, host: Host) -> bool {
        self.nodes[host].redis.believed
    }

    /// `own_facts`.
    pub(super) fn own_facts(&self, host: Host) -> Facts {
        let redis = &self.nodes[host].redis;
        if !self.believes_redis(host) {
            return Facts { second: -1, offset: -1, ..Facts::default() };
        }
        Facts {
            reachable: true,
            primary: redis.primary,
            linked: redis.linked,
            empty: redis.data.writes == 0,
            id: redis.data.id,
            id2: redis.data.id2,
            second: redis.data.second,
            offset: redis.data.offset,
        }
    }

    /// `lineage`.
    pub(super) fn lineage(&self, host: Host) -> Lineage {
        let memory = &self.nodes[host].memory;
        Lineage {
            generation: memory.generation,
            vouched: memory.held && self.believes_redis(host),
            facts: self.own_facts(host),
        }
    }

    /// `Peer::lineage`: what its Redis held when it was last heard.
    pub(super) fn peer_lineage(&self, host: Host) -> Option<Lineage> {
        self.nodes[host].memory.report.filter(|report| report.redis.reachable).map(lineage_of)
    }

    /// `state`.
    pub(super) fn seen(&self, host: Host) -> Seen {
        match self.nodes[host].memory.phase {
            Phase::Starting { .. } => Seen::Starting,
            Phase::Unfit => Seen::Unfit,
            Phase::Backup { .. } => Seen::Backup,
            Phase::Taking { .. } => Seen::TakingOver,
            Phase::Active => Seen::Active,
        }
    }

    /// `report`.
    pub(super) fn report(&self, model: &Pair, host: Host) -> Report {
        let memory = &self.nodes[host].memory;
        let lineage = self.lineage(host);
        Report {
            state: self.seen(host),
            fit: self.fitness(model, host),
            generation: lineage.generation,
            vouched: lineage.vouched,
            redis: lineage.facts,
            wanted: memory.wanted,
            target: match memory.switch {
                Some((Switch::CatchingUp { target }, _)) => target,
                _ => -1,
            },
            caught_up: memory.caught_up,
        }
    }

    /// `Peer::fresh`.
    pub(super) fn fresh(&self, model: &Pair, host: Host) -> Option<Report> {
        let memory = &self.nodes[host].memory;
        memory.report.filter(|_| memory.report_age <= model.fresh)
    }

    /// `Peer::heard`.
    pub(super) fn heard(&self, model: &Pair, host: Host) -> Option<Report> {
        let memory = &self.nodes[host].memory;
        memory.report.filter(|_| memory.report_age <= model.heard)
    }

    /// `Peer::is_active`.
    pub(super) fn peer_is_active(&self, model: &Pair, host: Host) -> bool {
        let by_advert = self.nodes[host].memory.advert_age <= 3;
        self.fresh(model, host).map_or(by_advert, |report| report.state == Seen::Active)
    }

    /// `fitness`: could this machine take over now?
    pub(super) fn fitness(&self, model: &Pair, host: Host) -> bool {
        let node = &self.nodes[host];
        let memory = &node.memory;
        if memory.blocked > 0 || !self.believes_redis(host) {
            return false;
        }
        let primary = node.redis.primary;
        let unheard = !memory.peer_has_spoken && (memory.left_to_peer || !primary);
        if unheard && model.wrong != Some(super::Wrong::TakesBackUnheard) {
            return false;
        }
        let took_over = memory.report.is_some_and(|report| match report.state {
            Seen::Active => true,
            Seen::TakingOver => report.redis.primary,
            _ => false,
        });
        if memory.left_to_peer && took_over && model.wrong != Some(super::Wrong::TakesBackUnheard) {
            return false;
        }
        let relation = self.peer_lineage(host).map(|peer| compare(&self.lineage(host), &peer));
        if primary {
            match relation {
                Some(relation) => !relation.loses() && relation != Relation::Unrelated,
                None => memory.generation == 0 || memory.held,
            }
        } else {
            let holds_most = relation.is_some_and(Relation::wins)
                && self.heard(model, host).is_some_and(|report| report.state != Seen::Active);
            (memory.held || holds_most)
                && !matches!(relation, Some(Relation::Superseded | Relation::Unrelated))
        }
    }

    /// `prefers_peer`: both could take over; the other is the better choice.
    pub(super) fn prefers_peer(&self, model: &Pair, host: Host) -> bool {
        let Some(report) = self.fresh(model, host) else { return false };
        if !report.fit || !matches!(report.state, Seen::Backup | Seen::TakingOver) {
            return false;
        }
        let relation = compare(&self.lineage(host), &lineage_of(report));
        if relation.loses() || relation.wins() {
            return relation.loses();
        }
        (report.redis.primary, 1 - host) > (self.nodes[host].redis.primary, host)
    }

    /// A takeover has come to this step.
    pub(super) fn at(&self, host: Host, step: Step) -> bool {
        matches!(self.nodes[host].memory.phase, Phase::Taking { step: at, .. } if at == step)
    }
}

/// The data a report speaks of.
pub(super) fn lineage_of(report: Report) -> Lineage {
    Lineage { generation: report.generation, vouched: report.vouched, facts: report.redis }
}
