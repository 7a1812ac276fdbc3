//! The kernel's side: addresses, fence, source gate. It may refuse anything.

use keepair_core::Action;
use keepair_core::config::{Config, Vip};
use keepair_core::input::{Done, Refused};
use keepair_core::time::Time;

/// The shortest life the kernel's timer is asked for, as in `linux::executor`.
const FENCE_LIFE_MIN_US: u64 = 10_000;

/// What the kernel has been told.
#[derive(Debug)]
pub(super) struct Kernel {
    vips: Vec<Vip>,
    /// Every virtual address is on the interface.
    pub(super) present: bool,
    /// At least one is.
    pub(super) some_present: bool,
    /// Somebody else took an address off, and the daemon has not yet answered that.
    pub(super) taken: bool,
    fence_until: Option<Time>,
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
            present: false,
            some_present: false,
            taken: false,
            fence_until: None,
            close_refused: false,
            remove_refused: false,
            refusals: 0,
        }
    }

    /// An earlier run left the addresses and a right that lasts until then.
    pub(super) fn inherit(&mut self, until: Time) {
        self.fence_until = Some(until);
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

    /// The executor takes over a configuration, as `linux::executor` does.
    pub(super) fn reload(&mut self, config: &Config) {
        let all_known = config.vips.iter().all(|vip| self.vips.contains(vip));
        self.present &= all_known;
        self.some_present &= config.vips.iter().any(|vip| self.vips.contains(vip));
        if config.vips.iter().map(|vip| vip.address).ne(self.vips.iter().map(|vip| vip.address)) {
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
            Action::RemoveVips => self.remove_refused = refused,
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
                let lapsed = done == Done::RenewFence && !self.is_open(now);
                if lapsed || until < now + core::time::Duration::from_micros(FENCE_LIFE_MIN_US) {
                    return Some((done, Err(Refused::Lapsed)));
                }
                self.fence_until = Some(until);
            }
            _ => self.fence_until = None,
        }
        Some((done, Ok(())))
    }
}
