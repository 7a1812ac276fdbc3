//! The kernel's side: addresses, fence, source gate. It may refuse anything.

use std::time::Duration;

use keepair_core::Action;
use keepair_core::config::{Config, Vip};
use keepair_core::input::{Done, Refused};
use keepair_core::time::Time;

/// The shortest life the kernel's timer is asked for, as in `linux::executor`.
const FENCE_LIFE_MIN: Duration = Duration::from_millis(10);

/// What the kernel has been told.
#[derive(Debug)]
pub(super) struct Kernel {
    vips: Vec<Vip>,
    /// The last thing it was told about the addresses is to add them.
    pub(super) claimed: bool,
    /// Every virtual address is on the interface.
    pub(super) present: bool,
    /// At least one is.
    pub(super) some_present: bool,
    /// Somebody else took an address off, and the daemon has not yet answered that.
    pub(super) taken: bool,
    pub(super) fence_until: Option<Time>,
    /// For an address that a reload has brought: it has no right yet that could be renewed.
    new_shut: bool,
    /// The last attempt to say how long the fence stays open failed.
    pub(super) renewal_refused: bool,
    /// The last attempt to close the fence failed.
    pub(super) close_refused: bool,
    /// The last attempt to take the addresses off failed.
    pub(super) remove_refused: bool,
    /// A bit for each of the next attempts.
    refusals: u8,
}

impl Kernel {
    pub(super) fn new(config: &Config) -> Self {
        Kernel {
            vips: config.vips.clone(),
            claimed: false,
            present: false,
            some_present: false,
            taken: false,
            fence_until: None,
            new_shut: false,
            renewal_refused: false,
            close_refused: false,
            remove_refused: false,
            refusals: 0,
        }
    }

    /// An earlier run left the addresses and a right that lasts until then.
    pub(super) fn inherit(&mut self, until: Time) {
        self.fence_until = Some(until);
        self.claimed = true;
        self.present = true;
        self.some_present = true;
    }

    /// The next eight attempts fail where a bit is set, the lowest first.
    pub(super) fn refuse(&mut self, bits: u8) {
        self.refusals = bits;
    }

    /// Clients are answered on the addresses.
    pub(super) fn answers(&self, now: Time) -> bool {
        self.some_present && self.is_open(now)
    }

    /// The fence is open.
    pub(super) fn is_open(&self, now: Time) -> bool {
        self.fence_until.is_some_and(|until| until > now)
    }

    /// Somebody else takes the addresses off.
    pub(super) fn take_vips(&mut self) {
        self.present = false;
        self.some_present = false;
        self.taken = true;
    }

    /// The executor takes over a configuration, as `linux::executor` does: addresses that are gone
    /// are taken off, rights that are alive stay alive.
    pub(super) fn reload(&mut self, config: &Config) {
        let known = |vip: &Vip| self.vips.contains(vip);
        let (all, some) = (config.vips.iter().all(known), config.vips.iter().any(known));
        self.present &= all;
        self.some_present &= some;
        self.new_shut |= !all;
        if !some {
            self.fence_until = None;
        }
        self.vips.clone_from(&config.vips);
    }

    /// Performs an action; what is to be answered.
    pub(super) fn perform(
        &mut self,
        now: Time,
        action: &Action,
    ) -> Option<(Done, Result<(), Refused>)> {
        let done = match action {
            Action::AddVips => Done::AddVips,
            Action::RemoveVips => Done::RemoveVips,
            Action::OpenFence(_) => Done::OpenFence,
            Action::RenewFence(_) => Done::RenewFence,
            Action::CloseFence { .. } => Done::CloseFence,
            _ => return None,
        };
        let refused = self.refusals & 1 == 1;
        self.refusals >>= 1;
        if matches!(action, Action::AddVips | Action::RemoveVips) {
            self.taken = false;
        }
        match action {
            Action::CloseFence { .. } => self.close_refused = refused,
            Action::AddVips => self.claimed = true,
            Action::RemoveVips => {
                self.claimed = false;
                self.remove_refused = refused;
            }
            Action::OpenFence(_) | Action::RenewFence(_) => self.renewal_refused = refused,
            _ => {}
        }
        if refused {
            return Some((done, Err(Refused::Failed("the kernel says no".to_owned()))));
        }
        match *action {
            Action::AddVips => {
                self.present = true;
                self.some_present = true;
            }
            Action::RemoveVips => {
                self.present = false;
                self.some_present = false;
            }
            Action::OpenFence(until) | Action::RenewFence(until) => {
                let shut = self.new_shut || !self.is_open(now);
                let lapsed = done == Done::RenewFence && shut;
                self.renewal_refused = lapsed || until < now + FENCE_LIFE_MIN;
                if self.renewal_refused {
                    return Some((done, Err(Refused::Lapsed)));
                }
                self.fence_until = Some(until);
                self.new_shut = false;
            }
            _ => self.fence_until = None,
        }
        Some((done, Ok(())))
    }
}
