//! All pipes of a setup, and the states that were last told, for those who ask for them at a reload.

use std::collections::BTreeMap;

use keepair_core::router::action::{Notice, Subject, What};
use keepair_core::router::config::{GroupId, InstanceId};

use super::fifo::Fifo;
use super::log::Log;
use super::notify::told;
use super::setup::{Command, FifoSetup, Setup};

/// What is said of a subject: whether it is a group, and its name.
type Name = (bool, String);

/// The pipes that could be opened.
pub(crate) struct Pipes {
    open: Vec<(FifoSetup, Fifo)>,
    states: BTreeMap<Name, (What, u8)>,
}

impl Pipes {
    /// Opens them all.
    pub(crate) fn open(setups: &[FifoSetup], log: &Log) -> Pipes {
        let mut pipes = Pipes { open: Vec::new(), states: BTreeMap::new() };
        pipes.change(setups, log);
        pipes
    }

    /// Opens these, and no others. One that somebody else reads is not closed: they do not see its
    /// end, and what is in it is not lost. One that a script of ours reads is made anew, for the
    /// script that is about to end must not take what is meant for the one that begins.
    pub(crate) fn change(&mut self, setups: &[FifoSetup], log: &Log) {
        let mut before = std::mem::take(&mut self.open);
        for setup in setups {
            let same =
                |(old, _): &(FifoSetup, Fifo)| old.path == setup.path && old.owner == setup.owner;
            let read_by_others = |(old, fifo): &(FifoSetup, Fifo)| {
                old.script.is_none() && setup.script.is_none() || !fifo.is_ours()
            };
            if let Some(at) = before.iter().position(|it| same(it) && read_by_others(it)) {
                let (_, fifo) = before.swap_remove(at);
                self.open.push((setup.clone(), fifo));
                continue;
            }
            if let Some(at) = before.iter().position(|(old, _)| old.path == setup.path) {
                before.swap_remove(at).1.remove();
            }
            match Fifo::open(setup) {
                Ok(fifo) => self.open.push((setup.clone(), fifo)),
                Err(error) => {
                    log.warning(format!("pipe {} can't be used: {error}", setup.path.display()));
                }
            }
        }
        for (_, fifo) in before {
            fifo.remove();
        }
    }

    /// What is to read them, and where they are.
    pub(crate) fn readers(&self) -> Vec<(Command, String)> {
        let reader = |(setup, fifo): &(FifoSetup, Fifo)| {
            let command = setup.script.clone()?;
            Some((command, fifo.path().to_string_lossy().into_owned()))
        };
        self.open.iter().filter_map(reader).collect()
    }

    /// Tells all of them.
    pub(crate) fn write(&mut self, line: &str, log: &Log) {
        for (setup, fifo) in &mut self.open {
            match fifo.write(line) {
                Ok(0) => {}
                Ok(lost) => {
                    let path = setup.path.display();
                    log.warning(format!("pipe {path} is read again; {lost} lines were lost"));
                }
                Err(error) => {
                    let path = setup.path.display();
                    log.warning(format!("pipe {path}: nobody reads, lines are lost: {error}"));
                }
            }
        }
    }

    /// The state that a notice tells of.
    pub(crate) fn remember(&mut self, notice: Notice, setup: &Setup) {
        let Some(subject) = setup.subject(notice.of) else { return };
        let name = (matches!(notice.of, Subject::Group(_)), subject.name.clone());
        match notice.what {
            What::Master | What::Backup | What::Fault | What::Stop => {
                self.states.insert(name, (notice.what, notice.priority));
            }
            What::Deleted => {
                self.states.remove(&name);
            }
            What::Priority { .. } | What::MasterRxLowerPri => {
                if let Some((_, priority)) = self.states.get_mut(&name) {
                    *priority = notice.priority;
                }
            }
        }
    }

    /// An instance keeps its state over a reload that gives it another name.
    pub(crate) fn rename(
        &mut self,
        before: &Setup,
        after: &Setup,
        instances: &[Option<InstanceId>],
    ) {
        let was = |at: usize| before.subject(Subject::Instance((*instances.get(at)?)?));
        let mut states = BTreeMap::new();
        for (at, instance) in after.instances.iter().enumerate() {
            let state = was(at).and_then(|was| self.states.get(&(false, was.name.clone())));
            if let Some(state) = state {
                states.insert((false, instance.name.clone()), *state);
            }
        }
        for group in &after.groups {
            let name = (true, group.name.clone());
            states.extend(self.states.remove_entry(&name));
        }
        self.states = states;
    }

    /// Tells the states of all that there is, as they were told last.
    pub(crate) fn write_states(&mut self, setup: &Setup, log: &Log) {
        let instances = (0..setup.instances.len()).map(|at| Subject::Instance(InstanceId(at)));
        let groups = (0..setup.groups.len()).map(|at| Subject::Group(GroupId(at)));
        for of in instances.chain(groups) {
            let Some(subject) = setup.subject(of) else { continue };
            let name = (matches!(of, Subject::Group(_)), subject.name.clone());
            let Some((what, priority)) = self.states.get(&name).copied() else { continue };
            if let Some(told) = told(Notice { of, what, priority }, setup) {
                self.write(&told.line, log);
            }
        }
    }

    /// Whether everything was read, where there is somebody to read it.
    pub(crate) fn are_empty(&self) -> bool {
        self.open.iter().all(|(setup, fifo)| setup.script.is_none() || fifo.is_empty())
    }

    /// Closes all and removes those that were made here.
    pub(crate) fn remove(&mut self) {
        for (_, fifo) in self.open.drain(..) {
            fifo.remove();
        }
    }
}
