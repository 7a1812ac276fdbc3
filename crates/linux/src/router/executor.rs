//! Performs a router's actions: one match arm for each, in list order. It decides nothing and retries
//! nothing; what the kernel answers goes back as an input.

use std::collections::VecDeque;
use std::io;

use keepair_core::router::action::{Action, Adopted};
use keepair_core::router::config::InstanceId;
use keepair_core::router::event::Event;
use keepair_core::router::{Config, Input};
use keepair_core::time::Time;

use super::names::Names;
use super::network::Network;
use super::outside::Outside;
use super::setup::Setup;
use super::sockets::{Listeners, Sender, ttl};

/// A new configuration's other half: what the core need not know.
pub(crate) struct Pending {
    pub(crate) setup: Box<Setup>,
    pub(crate) names: Names,
}

/// Everything the executor acts on.
pub(crate) struct Executor {
    config: Config,
    pub(crate) network: Network,
    sender: Sender,
    pub(crate) listeners: Listeners,
    pub(crate) outside: Box<dyn Outside>,
    /// Waits for the core to adopt its half.
    pub(crate) pending: Option<Pending>,
    pub(crate) exit: bool,
}

impl Executor {
    /// An executor that has done nothing yet.
    ///
    /// # Errors
    /// When sockets are refused.
    pub(crate) fn open(
        config: &Config,
        setup: &Setup,
        names: Names,
        outside: Box<dyn Outside>,
    ) -> io::Result<Executor> {
        let mut listeners = Listeners::default();
        listeners.adopt(config);
        Ok(Executor {
            config: config.clone(),
            network: Network::open(config, setup.network.clone(), names)?,
            sender: Sender::open()?,
            listeners,
            outside,
            pending: None,
            exit: false,
        })
    }

    /// Performs one action. What it leads to is appended to `inputs`.
    pub(crate) fn perform(&mut self, now: Time, action: Action, inputs: &mut VecDeque<Input>) {
        match action {
            Action::Send { instance, src, dst, message } => {
                let transport = self.config.instances.get(instance.0).map(|it| &it.transport);
                if let (Some(by), Some(transport)) = (self.network.sends_by(instance), transport) {
                    // A link that is down is the core's to notice.
                    let _ = self.sender.send(by, src, dst, ttl(transport), &message);
                }
            }
            Action::AddAddresses(instance) => {
                let result = self.network.add(instance, now);
                inputs.push_back(Input::Added(instance, result));
            }
            Action::RemoveAddresses(instance) => {
                let result = self.network.remove(instance);
                inputs.push_back(Input::Removed(instance, result));
            }
            Action::Announce { instance, times } => {
                self.network.announce(instance, times);
                self.network.send_due(now);
            }
            Action::RunScript(script) => self.outside.run_script(script),
            Action::EndScript { script, kill } => self.outside.end_script(script, kill),
            Action::Notify(notice) => self.outside.notify(notice),
            Action::Tell(event) => self.outside.tell(event),
            Action::Adopt(adopted) => self.adopt(&adopted, inputs),
            Action::Exit => self.exit = true,
        }
        self.tell_problems();
    }

    /// Everything counts by the new places from now on.
    fn adopt(&mut self, adopted: &Adopted, inputs: &mut VecDeque<Input>) {
        let Some(pending) = self.pending.take() else { return };
        let place = |old: InstanceId| {
            let at = adopted.instances.iter().position(|before| *before == Some(old));
            at.map(InstanceId)
        };
        renumber(inputs, place);
        self.config = adopted.config.clone();
        let setup = pending.setup.network.clone();
        self.network.adopt(&adopted.config, setup, pending.names, place);
        self.listeners.adopt(&adopted.config);
        self.attach_all();
        self.outside.adopt(adopted, &pending.setup);
        self.look_at_links(inputs);
    }

    /// Tells the router of every interface that it does not know as it is.
    pub(crate) fn look_at_links(&mut self, inputs: &mut VecDeque<Input>) {
        for link in self.network.links.ids().filter(|link| self.network.is_told(*link)) {
            let known = self.network.links.get(link).and_then(|entry| entry.told.clone());
            inputs.extend(known.map(|state| Input::Link { link, state }));
        }
    }

    /// Listens on every interface that is there.
    pub(crate) fn attach_all(&mut self) {
        for link in self.network.links.ids() {
            let entry = self.network.links.get(link);
            let index = entry.and_then(|it| it.link.as_ref()).map(|it| it.index);
            if self.network.is_told(link) {
                self.attach(link, index);
            }
        }
    }

    /// Listens on an interface, or no longer if it is gone.
    pub(crate) fn attach(
        &mut self,
        link: keepair_core::router::config::LinkId,
        index: Option<u32>,
    ) {
        let Some(name) = self.network.links.get(link).map(|entry| entry.name.clone()) else {
            return;
        };
        let result = self.listeners.attach(link, &name, index);
        self.network.note(&format!("listen on {name}"), result);
        self.tell_problems();
    }

    /// What went wrong beside the actions that are answered.
    pub(crate) fn tell_problems(&mut self) {
        for event in std::mem::take(&mut self.network.problems) {
            self.outside.tell(event);
        }
    }

    /// The last thing before the program ends, whatever ended it.
    ///
    /// # Errors
    /// What is left behind, in words.
    pub(crate) fn clean_up(&mut self) -> io::Result<()> {
        let result = self.network.clean_up();
        if let Err(text) = &result {
            let text = format!("left behind: {text}");
            self.outside.tell(Event::Problem { instance: None, text });
        }
        self.outside.stop();
        result.map_err(io::Error::other)
    }
}

/// Answers that are on their way count by the new places, too; what else is on its way is looked at
/// anew.
fn renumber(inputs: &mut VecDeque<Input>, place: impl Fn(InstanceId) -> Option<InstanceId>) {
    let waiting = std::mem::take(inputs);
    inputs.extend(waiting.into_iter().filter_map(|input| match input {
        Input::Added(instance, result) => Some(Input::Added(place(instance)?, result)),
        Input::Removed(instance, result) => Some(Input::Removed(place(instance)?, result)),
        Input::Gone(instance) => Some(Input::Gone(place(instance)?)),
        Input::Deadline | Input::ClockSet { .. } | Input::Operator(_) => Some(input),
        _ => None,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_on_their_way_follow_their_instance_to_its_new_place() {
        let mut inputs = VecDeque::from([
            Input::Added(InstanceId(0), Ok(())),
            Input::Removed(InstanceId(1), Ok(())),
            Input::Deadline,
            Input::Gone(InstanceId(2)),
        ]);
        // The first is gone, the others moved up.
        renumber(&mut inputs, |InstanceId(at)| at.checked_sub(1).map(InstanceId));
        assert_eq!(
            Vec::from(inputs),
            [Input::Removed(InstanceId(0), Ok(())), Input::Deadline, Input::Gone(InstanceId(1)),]
        );
    }
}
