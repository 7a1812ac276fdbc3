//! A daemon or a machine that did not run for a while.

use super::{Node, Phase, STALLED_FOR};
use crate::action::{Action, Actions};
use crate::event::Event;
use crate::input::Input;
use crate::time::Time;
use crate::vrrp;
use core::time::Duration;

impl Node {
    /// A daemon or a machine that did not run heard nothing meanwhile: what the peer sent may be lost,
    /// or may still wait in the socket.
    pub(super) fn note_lateness(&mut self, now: Time, input: &Input, out: &mut Actions) {
        let late = now.since(self.deadline());
        let slept = now.since(core::mem::replace(&mut self.handled_at, now));
        if late < (self.config.advert_interval / 4).max(Duration::from_millis(5)) {
            return;
        }
        if *input == Input::Deadline {
            self.counters.timers_late += 1;
            if self.late_told_at.is_none_or(|at| now.since(at) >= Duration::from_secs(1)) {
                self.late_told_at = Some(now);
                out.push(Action::Tell(Event::TimerLate { by: late }));
            }
        }
        let down = vrrp::active_down(self.config.own().priority.0, self.peer.advert_interval);
        if let Some(at) = &mut self.timers.active_down_at {
            let soonest = if slept > down { down } else { down - self.peer.advert_interval * 2 };
            *at = (*at + slept).max(now + soonest).min(now + down);
        }
        // A farewell that waited in the socket is not acted upon: who sent it may be back.
        self.doubtful_until = now + late.min(self.peer.advert_interval);
        // After a long gap the same goes for everything, also where the socket is read only after
        // another gap.
        let stalled = slept > down;
        if stalled {
            self.stalled_at = Some(now);
        }
        if self.stalled_at.is_some_and(|at| now.since(at) < STALLED_FOR) {
            self.stale_until = now + self.peer.advert_interval;
        }
        if !stalled {
            self.look_anew(out);
            return;
        }
        if matches!(self.phase, Phase::TakingOver(_)) {
            // Whoever left may have lost patience and taken the address back.
            self.takeover_failed(now, "this daemon did not run for a while".into(), out);
        }
    }
}
