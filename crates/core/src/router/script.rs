//! `vrrp_script`: when it is started, when it has taken too long, and what its runs amount to.
//!
//! A script never runs twice at once: a run that is due while another is under way is skipped. A
//! run that takes too long gets SIGTERM, 2 s later SIGKILL, and again from time to time, for a
//! process in the kernel's hands does not die before it is let go.

use super::Router;
use super::action::{Action, Actions};
use super::config::{ScriptConfig, ScriptId};
use super::event::Event;
use super::input::Ended;
use crate::time::Time;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// From SIGTERM to SIGKILL, and from the first SIGKILL to the next.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between further SIGKILLs.
const RESIGNED: Duration = Duration::from_secs(10);

/// A script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Script {
    /// It is good; `None` until its first run is over.
    pub(super) good: Option<bool>,
    /// 0 to rise + fall - 1; good from rise on.
    pub(super) score: u32,
    /// When the next run starts; `None` if nobody tracks it.
    pub(super) due_at: Option<Time>,
    /// The run that is under way.
    pub(super) run: Option<Run>,
    /// How the last run ended.
    pub(super) last: Option<Ended>,
    /// Runs that were over.
    pub(super) runs: u64,
}

/// A run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// When it began.
    pub(super) since: Time,
    /// When the next signal is due.
    signal_at: Time,
    /// Signals sent.
    signals: u32,
}

impl Script {
    pub(super) fn new(config: &ScriptConfig) -> Script {
        // One success makes a script good that has never run, and one failure bad.
        let score = if config.init_fail { 0 } else { config.rise.saturating_sub(1) };
        let good = config.init_fail.then_some(false);
        Script { good, score, due_at: None, run: None, last: None, runs: 0 }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let signal_at = self.run.map(|run| run.signal_at);
        self.due_at.into_iter().chain(signal_at).min()
    }

    /// A success or a failure. Below rise a failure, from rise on a success takes all back that came
    /// before it.
    fn count(&mut self, config: &ScriptConfig, success: bool) {
        let (rise, fall) = (config.rise.max(1), config.fall.max(1));
        self.score = match success {
            true if self.score + 1 < rise => self.score + 1,
            true => rise + fall - 1,
            false if self.score > rise => self.score - 1,
            false => 0,
        };
        self.good = Some(self.score >= rise);
    }

    /// Continues under another configuration.
    pub(super) fn adopt(&mut self, old: &ScriptConfig, config: &ScriptConfig) {
        let (rise, fall) = (config.rise.max(1), config.fall.max(1));
        if (old.rise.max(1), old.fall.max(1)) == (rise, fall) {
            return; // what has been counted so far counts on
        }
        self.score = match self.good {
            Some(true) => rise + fall - 1,
            Some(false) => 0,
            None => rise - 1,
        };
    }
}

impl Router {
    /// Starts what is due and ends what takes too long.
    pub(super) fn scripts_due(&mut self, now: Time, out: &mut Actions) {
        for (s, script) in self.scripts.iter_mut().enumerate() {
            let config = &self.config.scripts[s];
            if let Some(run) = &mut script.run
                && run.signal_at <= now
            {
                out.push(Action::EndScript { script: ScriptId(s), kill: run.signals > 0 });
                run.signals = run.signals.saturating_add(1);
                run.signal_at = now + if run.signals <= 2 { PATIENCE } else { RESIGNED };
                if run.signals == 3 {
                    // It does not end. What a hanging check would have said is not good news.
                    let before = script.good;
                    script.count(config, false);
                    tell_change(s, script, before, "does not end", out);
                }
            }
            let Some(due_at) = script.due_at.filter(|due_at| *due_at <= now) else { continue };
            if script.run.is_none() {
                out.push(Action::RunScript(ScriptId(s)));
                script.run = Some(Run { since: now, signal_at: now + config.timeout, signals: 0 });
            }
            let next = due_at + config.interval;
            script.due_at = Some(if next > now { next } else { now + config.interval });
        }
    }

    /// The run of a script is over.
    pub(super) fn script_ended(
        &mut self,
        now: Time,
        id: ScriptId,
        ended: Ended,
        out: &mut Actions,
    ) {
        let (Some(script), Some(config)) =
            (self.scripts.get_mut(id.0), self.config.scripts.get(id.0))
        else {
            return;
        };
        let Some(run) = script.run.take() else { return };
        let success = ended == Ended::Exited(0);
        let why = describe(&ended, run, now);
        script.last = Some(ended);
        script.runs += 1;
        let before = script.good;
        script.count(config, success);
        tell_change(id.0, script, before, &why, out);
    }

    /// Ends every run that is under way.
    pub(super) fn end_scripts(&mut self, kill: bool, out: &mut Actions) {
        for (s, script) in self.scripts.iter_mut().enumerate() {
            script.due_at = None;
            if script.run.is_some() {
                out.push(Action::EndScript { script: ScriptId(s), kill });
            }
        }
    }
}

fn tell_change(s: usize, script: &Script, before: Option<bool>, why: &str, out: &mut Actions) {
    if let Some(good) = script.good
        && before != script.good
    {
        let why = why.into();
        out.push(Action::Tell(Event::ScriptChanged { script: ScriptId(s), good, why }));
    }
}

fn describe(ended: &Ended, run: Run, now: Time) -> String {
    let how = match ended {
        Ended::Exited(status) => format!("exited with status {status}"),
        Ended::Killed(signal) => format!("was ended by signal {signal}"),
        Ended::NotStarted(why) => format!("could not be started: {why}"),
    };
    if run.signals > 0 {
        format!("took too long ({} ms) and {how}", now.since(run.since).as_millis())
    } else {
        how
    }
}
