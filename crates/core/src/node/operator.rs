//! What the operator asks for, what is kept over a restart, and the end.

use super::{Node, Phase};
use crate::action::{Action, Actions};
use crate::config::Config;
use crate::event::Event;
use crate::input::{Operator, Persisted, same_vips};
use crate::time::Time;
use alloc::string::ToString;
use keepair_wire::peer::State;

impl Node {
    pub(super) fn obey(&mut self, now: Time, operator: Operator, out: &mut Actions) {
        match operator {
            Operator::Switchover => self.ask_switchover(now, out),
            Operator::Solo => self.go_solo(out),
            Operator::Accept { own } => self.accept(own, out),
            Operator::Stop => self.begin_stop(now, out),
            Operator::Reload(config) => self.reload(now, *config, out),
        }
    }

    pub(super) fn reload(&mut self, now: Time, config: Config, out: &mut Actions) {
        let vips_changed = !same_vips(&self.config.vips, &config.vips);
        self.config = config;
        self.reload_votes(now);
        if let Phase::Active(active) = &self.phase {
            // With a shorter interval the peer's patience is shorter from the next advert on: the
            // right first, then the advert. With a longer one it is the other way round.
            let until = (now + self.fence_life()).min(active.fence_until());
            match (active.fence_held, vips_changed) {
                (true, _) => {}
                (false, false) => out.push(Action::RenewFence(until)),
                // A new address has no right yet that could be renewed.
                (false, true) => out.push(Action::OpenFence(until)),
            }
            if vips_changed {
                // The executor has already been given the new list, and has taken off what is gone.
                out.push(Action::AddVips);
            }
            self.timers.advert_at = Some(now);
        }
        self.reload_claim(now, out);
        out.push(Action::Tell(Event::Reloaded));
    }

    pub(super) fn persist_changes(&mut self, now: Time, out: &mut Actions) {
        if self.persist_again_at.is_some_and(|at| now < at) {
            return;
        }
        self.persist_again_at = None;
        let current = Persisted {
            generation: self.generation,
            run_id: self.held_run_id,
            primary: matches!(self.phase, Phase::Active(_)),
            solo: self.solo,
            served: self.served,
            aof: self.reach.mark(),
        };
        if self.persisted != Some(current) {
            self.persisted = Some(current);
            out.push(Action::Persist(current));
        }
    }

    pub(super) fn stop(&mut self, now: Time, out: &mut Actions) {
        self.enter(Phase::Stopped, "stopped".to_string(), out);
        // Its silence from now on is not that of a dead machine.
        self.send_report(now, out);
        out.push(Action::RemoveVips);
        out.push(Action::CloseFence { and_source: false });
        out.push(Action::DisconnectRedis);
        out.push(Action::Exit);
    }

    /// The operator lets this machine begin alone.
    pub(super) fn go_solo(&mut self, out: &mut Actions) {
        self.solo = true;
        self.report_dirty = true;
        out.push(Action::Tell(Event::Solo(true)));
    }

    /// The peer was heard: from now on it is asked.
    pub(super) fn end_solo(&mut self, out: &mut Actions) {
        if core::mem::take(&mut self.solo) {
            out.push(Action::Tell(Event::Solo(false)));
        }
    }

    /// The operator says whose data is the pair's.
    pub(super) fn accept(&mut self, own: bool, out: &mut Actions) {
        let whose = if own { self.config.own() } else { self.config.peer() }.name.clone();
        out.push(Action::Tell(Event::Accepted { whose }));
        self.report_dirty = true;
        if !own {
            self.accepted = false;
            self.follow.give_up();
            return;
        }
        let known = self.peer.report.as_ref().map_or(0, |report| report.generation);
        self.generation.0 = self.generation.0.max(known).saturating_add(1);
        out.push(Action::Tell(Event::GenerationChanged(self.generation)));
        self.held_run_id = self.monitor.info.as_ref().and_then(|info| info.run_id);
        self.served = true;
        self.left_to_peer = false;
        self.accepted = true;
        if self.peer.report.as_ref().is_none_or(|report| report.state != State::Active) {
            self.go_solo(out);
        }
    }
}
