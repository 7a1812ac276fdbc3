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
    /// New connections to the addresses wait until then.
    hold_until: Time,
    /// New replication connections from the peer are refused.
    pub source_closed: bool,
    /// The interface has a carrier.
    pub carrier: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel {
            vips_present: false,
            fence_until: None,
            hold_until: Time(0),
            source_closed: false,
            carrier: true,
        }
    }
}

impl Kernel {
    /// Begins to let packets pass.
    ///
    /// # Errors
    /// [`Refused::Lapsed`] when that time has passed.
    pub fn open_fence(&mut self, now: Time, until: Time) -> Result<(), Refused> {
        self.release_connections();
        self.serve_until(now, until)
    }

    fn serve_until(&mut self, now: Time, until: Time) -> Result<(), Refused> {
        if now >= until {
            return Err(Refused::Lapsed);
        }
        self.fence_until = Some(until);
        Ok(())
    }

    /// Goes on letting packets pass, if it still does.
    ///
    /// # Errors
    /// [`Refused::Lapsed`] when the fence has closed before, or that time has passed.
    pub fn renew_fence(&mut self, now: Time, until: Time) -> Result<(), Refused> {
        if self.fence_left(now).is_none() {
            return Err(Refused::Lapsed);
        }
        self.serve_until(now, until)
    }

    /// Stops letting packets pass.
    pub fn close_fence(&mut self) {
        self.fence_until = None;
        self.release_connections();
    }

    /// Drops the SYN of new connections for a while.
    pub fn hold_connections(&mut self, now: Time, length: Duration) {
        self.hold_until = now + length;
    }

    /// New connections pass again, as far as the fence lets them.
    pub fn release_connections(&mut self) {
        self.hold_until = Time(0);
    }

    /// New connections wait.
    pub fn holds_connections(&self, now: Time) -> bool {
        now < self.hold_until
    }

    /// When it closes by itself, or did.
    pub fn fence_until(&self) -> Option<Time> {
        self.fence_until
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
