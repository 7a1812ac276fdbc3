//! The protocol: what each party does when it hears, asks, claims, opens, leaves, starts.

use super::state::{Host, Mode, Report, Request, State};
use super::{Action, Keeper, Lease, Wrong};

impl Lease {
    /// What may happen next.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        if !self.still {
            actions.push(Action::Tick);
            if self.clock_stops || self.wrong == Some(Wrong::PauseNotCounted) {
                actions.extend(Host::BOTH.map(Action::TickWithout));
            }
        }
        let errors = 0..=self.drift;
        for by in Host::BOTH {
            let node = state.node(by);
            let peer_full = state.reports[by as usize].is_some();
            let witness_full = self.may_ask(state, by) && state.requests[by as usize].is_some();
            for (peer_lost, witness_lost) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                if (self.overtakes || !peer_lost && !witness_lost)
                    && (!peer_lost || peer_full)
                    && (!witness_lost || witness_full)
                {
                    actions.push(Action::Send { by, peer_lost, witness_lost });
                }
            }
            if state.reports[by.peer() as usize].is_some() {
                actions.extend(errors.clone().map(|off| Action::Hear { by, off }));
            }
            if state.requests[by as usize].is_some() {
                actions.extend(errors.clone().map(|off| Action::Ask { by, off }));
            }
            if !node.knows_witness && self.witness[by as usize] {
                actions.extend(errors.clone().map(|off| Action::Learn { by, off }));
            }
            if node.mode == Mode::Standby && node.bound == 0 {
                actions.push(Action::Claim(by));
            }
            if node.mode != Mode::Standby && node.answer > 0 {
                actions.extend(errors.clone().map(|off| Action::Open { by, off }));
            }
            if node.mode != Mode::Standby && self.leaves {
                actions.extend(errors.clone().map(|off| Action::Leave { by, off }));
            }
            if node.closing {
                actions.push(Action::Close(by));
            }
            if self.restarts {
                actions.extend(errors.clone().map(|off| Action::Restart { by, off }));
                if node.fence > 0 {
                    actions.extend(errors.clone().map(|off| Action::Reboot { by, off }));
                }
            }
        }
        if self.witness_restarts {
            actions.push(Action::RestartWitness);
        }
        if self.witness_clock_steps && state.witness.left > 0 {
            actions.push(Action::StepWitnessClock);
        }
    }

    /// The step itself.
    pub(super) fn apply(&self, state: &mut State, action: Action) {
        match action {
            Action::Tick => self.tick(state, None),
            Action::TickWithout(host) => self.tick(state, Some(host)),
            Action::Send { by, peer_lost, witness_lost } => {
                self.send(state, by, peer_lost, witness_lost);
            }
            Action::Hear { by, off } => self.hear(state, by, off),
            Action::Ask { by, off } => self.ask(state, by, off),
            Action::Learn { by, off } => {
                let fog = self.wait - off;
                let node = state.node_mut(by);
                node.knows_witness = true;
                // Whoever serves right now holds votes that nobody else can have got meanwhile.
                if node.fence == 0 && self.wrong != Some(Wrong::GrantsAfterRestart) {
                    node.fog = fog;
                }
            }
            Action::Claim(by) => {
                let node = state.node_mut(by);
                node.mode = Mode::Claiming;
                self.send(state, by, false, false);
            }
            Action::Open { by, off } => self.open(state, by, off),
            Action::Leave { by, off } => {
                self.leave(state, by, off);
                self.send(state, by, false, false);
            }
            Action::Close(by) => {
                let node = state.node_mut(by);
                node.fence = 0;
                node.closing = false;
            }
            Action::Restart { by, off } => self.restart(state, by, off),
            Action::Reboot { by, off } => {
                state.node_mut(by).fence = 0;
                self.restart(state, by, off);
            }
            Action::RestartWitness => {
                state.witness.holder = None;
                state.witness.beat = 0;
                state.witness.left = 0;
                match self.keeper {
                    Keeper::Register => {
                        for node in &mut state.nodes {
                            node.knows_witness = false;
                        }
                    }
                    Keeper::Expiry(life) if self.wrong != Some(Wrong::GrantsAfterRestart) => {
                        state.witness.silent = life;
                    }
                    Keeper::Expiry(_) => {}
                }
                // A request names the run of the witness it is meant for.
                state.requests = [None; 2];
            }
            Action::StepWitnessClock => state.witness.left = 0,
        }
    }

    /// Time passes for the kernels and for everybody's clock, but for one machine that is paused
    /// together with its clock.
    fn tick(&self, state: &mut State, without: Option<Host>) {
        for host in Host::BOTH {
            let node = state.node_mut(host);
            if without == Some(host) {
                if self.wrong == Some(Wrong::PauseNotCounted) {
                    // Its clock goes on; only the fence waits for the daemon.
                    node.age = (node.age + 1).min(self.worthless());
                    node.bound = node.bound.saturating_sub(1);
                    node.fog = node.fog.saturating_sub(1);
                }
                continue;
            }
            node.fence = node.fence.saturating_sub(1);
            node.bound = node.bound.saturating_sub(1);
            node.fog = node.fog.saturating_sub(1);
            node.age = (node.age + 1).min(self.worthless());
        }
        state.witness.left = state.witness.left.saturating_sub(1);
        state.witness.silent = state.witness.silent.saturating_sub(1);
        if matches!(self.keeper, Keeper::Expiry(_)) && state.witness.left == 0 {
            state.witness.holder = None;
            state.witness.beat = 0;
        }
    }

    /// The age at which a stamp earns nothing, by any clock.
    pub(super) fn worthless(&self) -> u8 {
        self.fence + self.drift
    }

    /// The machine may ask the witness for its vote.
    fn may_ask(&self, state: &State, by: Host) -> bool {
        let node = state.node(by);
        let settled = node.knows_witness && (node.fence > 0 || node.fog == 0);
        let settled = settled || matches!(self.keeper, Keeper::Expiry(_));
        self.witness[by as usize] && node.mode != Mode::Standby && settled
    }

    /// A report with a new stamp, and with it a request.
    fn send(&self, state: &mut State, by: Host, peer_lost: bool, witness_lost: bool) {
        let may_ask = self.may_ask(state, by);
        let votes = |mode| mode == Mode::Standby || self.wrong == Some(Wrong::VotesWhileClaiming);
        let node = state.node_mut(by);
        node.stamp += 1;
        node.age = 0;
        node.answer = 0;
        let report = Report {
            stamp: node.stamp,
            void: node.void,
            wants: node.mode != Mode::Standby,
            vote: if votes(node.mode) { node.known } else { 0 },
        };
        let over = match self.keeper {
            Keeper::Register => node.known,
            Keeper::Expiry(_) if node.known_void => node.known,
            Keeper::Expiry(_) => 0,
        };
        let request = Request { stamp: node.stamp, over };
        if !self.overtakes {
            state.reports[by as usize] = None;
            state.requests[by as usize] = None;
        }
        if self.link && !peer_lost {
            state.reports[by as usize] = Some(report);
        }
        if may_ask && !witness_lost {
            state.requests[by as usize] = Some(request);
        }
    }

    /// A report of the peer.
    fn hear(&self, state: &mut State, by: Host, off: u8) {
        let Some(report) = state.reports[by.peer() as usize].take() else { return };
        let node = state.node_mut(by);
        if report.stamp <= node.heard {
            return;
        }
        node.heard = report.stamp;
        if report.void >= node.known {
            // Whatever was voted for is void: no promise is left, and no right.
            node.known = report.void;
            node.known_void = true;
            node.bound = 0;
        }
        if report.vote == node.stamp && node.stamp > 0 {
            self.answered(state, by, off);
        }
        let node = state.node_mut(by);
        let votes = node.mode == Mode::Standby || self.wrong == Some(Wrong::VotesWhileClaiming);
        if report.wants && votes {
            node.known = report.stamp;
            node.known_void = false;
            if self.wrong != Some(Wrong::KeepsNoPromise) && node.mode == Mode::Standby {
                node.bound = self.wait - off;
            }
        }
    }

    /// Somebody has voted for the newest stamp.
    fn answered(&self, state: &mut State, by: Host, off: u8) {
        let node = state.node_mut(by);
        let worth = match self.wrong {
            Some(Wrong::CountsFromAnswer) => self.fence,
            _ => (self.fence + off).saturating_sub(node.age),
        };
        if node.stamp > node.void && worth > 0 {
            node.answer = worth;
            // The sooner the kernel is asked, the longer it serves; later than at once matters
            // only where the end moves with the asking.
            if node.mode != Mode::Standby && self.wrong != Some(Wrong::OpensForASpan) {
                self.open(state, by, off);
            }
        }
    }

    /// The witness takes a request in and answers.
    fn ask(&self, state: &mut State, by: Host, off: u8) {
        let Some(request) = state.requests[by as usize].take() else { return };
        let witness = &mut state.witness;
        let granted = match witness.holder {
            _ if witness.silent > 0 => false,
            None => true,
            Some(holder) if holder == by => true,
            Some(_) => witness.beat <= request.over || self.wrong == Some(Wrong::OverridesUnheard),
        };
        if granted {
            if witness.holder != Some(by) {
                witness.beat = 0;
            }
            witness.holder = Some(by);
            witness.beat = witness.beat.max(request.stamp);
            if let Keeper::Expiry(life) = self.keeper {
                witness.left = life - off;
            }
            if state.node(by).stamp == request.stamp {
                self.answered(state, by, off);
            }
            return;
        }
        let beat = match (self.keeper, witness.holder) {
            (Keeper::Register, Some(_)) => witness.beat,
            _ => return,
        };
        let node = state.node_mut(by);
        // Refused: the peer has a newer stamp than was known. Whoever serves goes on; whoever does
        // not begins to wait anew.
        if node.mode != Mode::Active && beat > node.known {
            node.mode = Mode::Standby;
            node.void = node.stamp;
            node.known = beat;
            node.bound = self.wait - off;
        }
    }

    /// The kernel serves for as long as the answer is worth now.
    fn open(&self, state: &mut State, by: Host, off: u8) {
        let node = state.node_mut(by);
        let life = match self.wrong {
            Some(Wrong::CountsFromAnswer | Wrong::OpensForASpan) => node.answer,
            _ => (self.fence + off).saturating_sub(node.age),
        };
        node.answer = 0;
        // The stamp has done its work.
        node.age = self.worthless();
        if life > 0 {
            node.mode = Mode::Active;
            node.fence = node.fence.max(life);
        }
    }

    /// Fence first; then every stamp sent so far is void; then the peer has this machine's vote.
    fn leave(&self, state: &mut State, by: Host, off: u8) {
        let node = state.node_mut(by);
        if self.wrong == Some(Wrong::VotesBeforeClosing) {
            node.closing = node.fence > 0;
        } else {
            node.fence = 0;
        }
        node.mode = Mode::Standby;
        node.void = node.stamp;
        node.answer = 0;
        if node.heard > 0 {
            node.known = node.known.max(node.heard);
            node.known_void = false;
            if self.wrong != Some(Wrong::KeepsNoPromise) {
                node.bound = self.wait - off;
            }
        }
    }

    /// The daemon has no memory. A living right shows that it has voted for nobody since; without
    /// one it may have.
    fn restart(&self, state: &mut State, by: Host, off: u8) {
        let reuses = self.wrong == Some(Wrong::ReusesStamps);
        let node = state.node_mut(by);
        let forgets = self.wrong == Some(Wrong::ForgetsItsVote);
        let living = node.fence > 0;
        node.mode = if living { Mode::Active } else { Mode::Standby };
        node.bound = if living || forgets { 0 } else { self.wait - off };
        node.fog = 0;
        node.stamp = if reuses { 0 } else { node.stamp };
        // A living right stems from a stamp that was sent before.
        let says_void = !living || self.wrong == Some(Wrong::SaysVoidWhileServing);
        node.void = if says_void { node.stamp } else { 0 };
        node.age = self.worthless();
        node.answer = 0;
        node.heard = 0;
        node.known = 0;
        node.known_void = false;
        node.knows_witness = forgets || matches!(self.keeper, Keeper::Expiry(_));
        node.closing = false;
    }
}
