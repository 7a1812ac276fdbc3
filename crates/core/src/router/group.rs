//! `vrrp_sync_group`: instances that are Active together.
//!
//! None becomes Active before all may; one that leaves takes all with it; one that is broken breaks
//! all. The state of a group is that of its members, never a thing of its own.

use super::Router;
use super::action::{Action, Actions, Notice, Subject, What};
use super::config::{Config, GroupId};
use super::event::{Event, State};
use crate::time::Time;
use alloc::vec;
use alloc::vec::Vec;

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Group {
    pub(super) state: State,
    /// When it came into its state.
    pub(super) changed_at: Time,
    /// What will be told once all members' addresses have followed.
    owed: Option<Notice>,
}

impl Group {
    pub(super) fn new(now: Time) -> Group {
        Group { state: State::Initialize, changed_at: now, owed: None }
    }

    /// Continues in another place.
    pub(super) fn adopt(&mut self, id: GroupId) {
        self.owed = self.owed.map(|notice| Notice { of: Subject::Group(id), ..notice });
    }
}

/// The group of each instance.
pub(super) fn group_of(config: &Config) -> Vec<Option<GroupId>> {
    let mut group_of = vec![None; config.instances.len()];
    for (g, group) in config.groups.iter().enumerate() {
        for member in &group.members {
            if let Some(of) = group_of.get_mut(member.0) {
                *of = Some(GroupId(g));
            }
        }
    }
    group_of
}

impl Router {
    /// The members of a group, the ones that are broken themselves first.
    pub(super) fn worst_first(&self, g: usize) -> Vec<usize> {
        let members = self.config.groups[g].members.iter().map(|member| member.0);
        let (mut broken, others): (Vec<_>, Vec<_>) =
            members.partition(|i| !self.instances[*i].causes.is_empty());
        broken.extend(others);
        broken
    }

    /// The other members of an instance's group.
    pub(super) fn companions(&self, i: usize) -> impl Iterator<Item = usize> + use<> {
        let group = self.group_of[i].map(|group| &self.config.groups[group.0]);
        let members = group.map(|group| group.members.clone()).unwrap_or_default();
        members.into_iter().map(|member| member.0).filter(move |member| *member != i)
    }

    /// Active_Down_Timer: nobody is heard.
    pub(super) fn down_timer_expired(&mut self, now: Time, i: usize, out: &mut Actions) {
        self.instances[i].wants_active = true;
        let ready = |it: &super::instance::Instance| it.wants_active || it.state == State::Active;
        if !self.companions(i).all(|other| ready(&self.instances[other])) {
            // Others of the group still hear somebody. It asks again.
            let timer = self.down_interval(i);
            self.instances[i].down_at = Some(now + timer);
            return;
        }
        self.become_active(now, i, "no advert came in time", out);
        for other in self.companions(i) {
            if self.instances[other].state == State::Backup {
                self.become_active(now, other, "its group became Active", out);
            }
        }
    }

    /// The states of the groups, from those of their members.
    pub(super) fn groups_follow(&mut self, now: Time, out: &mut Actions) {
        for g in 0..self.groups.len() {
            let to = self.state_of_members(g);
            if to != self.groups[g].state {
                self.groups[g].state = to;
                self.groups[g].changed_at = now;
                out.push(Action::Tell(Event::GroupChanged { group: GroupId(g), to }));
                self.pay_group(g, out);
                self.groups[g].owed = match to {
                    State::Initialize => None,
                    State::Backup => Some(What::Backup),
                    State::Active => Some(What::Master),
                    State::Fault => Some(What::Fault),
                }
                .map(|what| Notice {
                    of: Subject::Group(GroupId(g)),
                    what,
                    priority: 0,
                });
            }
            let members = &self.config.groups[g].members;
            if members.iter().all(|member| self.instances[member.0].unanswered == 0) {
                self.pay_group(g, out);
            }
        }
    }

    /// Tells what is owed.
    pub(super) fn pay_group(&mut self, g: usize, out: &mut Actions) {
        out.extend(self.groups[g].owed.take().map(Action::Notify));
    }

    fn state_of_members(&self, g: usize) -> State {
        let members = &self.config.groups[g].members;
        let mut states = members.iter().map(|member| self.instances[member.0].state);
        if states.clone().any(|state| state == State::Fault) {
            State::Fault
        } else if states.clone().any(|state| state == State::Initialize) || members.is_empty() {
            State::Initialize
        } else if states.all(|state| state == State::Active) {
            State::Active
        } else {
            State::Backup
        }
    }
}
