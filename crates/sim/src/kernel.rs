//! The kernel of one machine, as far as the address is concerned: is it on the interface, does the
//! fence let packets pass, may the peer replicate from the local Redis, is there a carrier.
//!
//! The fence closes by itself exactly when its time is over, whatever became of the daemon. Not
//! here: who answers whom over which path ([`crate::network`]).

use keepair_core::input::Refused;
use keepair_core::time::Time;
use std::time::Duration;

/// One machine's kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Every virtual address is on the interface.
    pub vips_present: bool,
    /// Packets to and from a virtual address pass until then.
    fence_until: Option<Time>,
    /// New replication connections from the peer are refused.
    pub source_closed: bool,
    /// The interface has a carrier.
    pub carrier: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel { vips_present: false, fence_until: None, source_closed: false, carrier: true }
    }
}

impl Kernel {
    /// Begins to let packets pass.
    pub fn open_fence(&mut self, now: Time, life: Duration) {
        self.fence_until = Some(now + life);
    }

    /// Goes on letting packets pass, if it still does.
    ///
    /// # Errors
    /// [`Refused::Lapsed`] when the fence has closed before.
    pub fn renew_fence(&mut self, now: Time, life: Duration) -> Result<(), Refused> {
        if self.fence_left(now).is_none() {
            return Err(Refused::Lapsed);
        }
        self.fence_until = Some(now + life);
        Ok(())
    }

    /// Stops letting packets pass.
    pub fn close_fence(&mut self) {
        self.fence_until = None;
    }

    /// For how long packets would still pass; `None` when they do not.
    pub fn fence_left(&self, now: Time) -> Option<Duration> {
        self.fence_until.filter(|until| now < *until).map(|until| until.since(now))
    }

    /// The machine answers on the virtual address.
    pub fn answers(&self, now: Time) -> bool {
        self.vips_present && self.carrier && self.fence_left(now).is_some()
    }
}
