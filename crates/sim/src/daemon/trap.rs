//! Faults that wait for a daemon to be in the middle of its work.

use crate::fault::Fault;
use crate::host::HostId;
use crate::world::World;
use keepair_core::action::{Action, Query};
use keepair_core::time::Time;

/// A moment in the middle of a daemon's work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// After so many actions, with more of the same list still to be performed.
    Middle(u32),
    /// Right after an action of this kind.
    After(Step),
}

/// The actions a fault may follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// `AddVips`.
    AddVips,
    /// `RemoveVips`.
    RemoveVips,
    /// `OpenFence`.
    OpenFence,
    /// `RenewFence`.
    RenewFence,
    /// `CloseFence`.
    CloseFence,
    /// `OpenSource`: the first of a claim.
    OpenSource,
    /// `SendAdvert`.
    SendAdvert,
    /// `AskRedis(Promote)`.
    Promote,
    /// `AskRedis(Follow)`.
    Follow,
    /// `Salvage`.
    Salvage,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 10] = [
        Step::AddVips,
        Step::RemoveVips,
        Step::OpenFence,
        Step::RenewFence,
        Step::CloseFence,
        Step::OpenSource,
        Step::SendAdvert,
        Step::Promote,
        Step::Follow,
        Step::Salvage,
    ];

    pub(super) fn of(action: &Action) -> Option<Step> {
        Some(match action {
            Action::AddVips => Step::AddVips,
            Action::RemoveVips => Step::RemoveVips,
            Action::OpenFence(_) => Step::OpenFence,
            Action::RenewFence(_) => Step::RenewFence,
            Action::CloseFence { .. } => Step::CloseFence,
            Action::OpenSource => Step::OpenSource,
            Action::SendAdvert(_) => Step::SendAdvert,
            Action::AskRedis(Query::Promote) => Step::Promote,
            Action::AskRedis(Query::Follow) => Step::Follow,
            Action::Salvage(_) => Step::Salvage,
            _ => return None,
        })
    }
}

/// A fault that waits for the daemon to be in the middle of its work.
#[derive(Clone, PartialEq, Debug)]
pub struct Trap {
    /// When it strikes.
    pub moment: Moment,
    /// What happens.
    pub fault: Fault,
    /// It is forgotten if it has not struck by then.
    pub until: Time,
}

impl World {
    /// A fault in the middle of an action list: after one that the world has seen, before the next.
    pub(super) fn spring_trap(&mut self, id: HostId, step: Option<Step>) {
        let daemon = &mut self.hosts[id].daemon;
        let Some(mut trap) = daemon.trap.take() else {
            return;
        };
        if self.now > trap.until {
            return;
        }
        let strikes = match &mut trap.moment {
            Moment::Middle(_) if !daemon.has_more_to_do() => false,
            Moment::Middle(0) => true,
            Moment::Middle(left) => {
                *left -= 1;
                false
            }
            Moment::After(wanted) => step == Some(*wanted),
        };
        if strikes {
            self.apply(trap.fault);
        } else {
            daemon.trap = Some(trap);
        }
    }
}
