//! The kernel of one machine, as far as the address is concerned: is it on the interface, does the
//! fence let packets pass, may the peer replicate from the local Redis, is there a carrier.
//!
//! All times are the machine's own. The fence closes by itself when its time is over, up to two
//! ticks early and never late, whatever became of the daemon; without the rules there is no fence,
//! and everything passes. Not here: who answers whom over which path ([`crate::network`]).

use crate::options::VIPS;
use keepair_core::input::Refused;
use keepair_core::time::Time;
use std::net::IpAddr;
use std::time::Duration;

/// A timeout that the kernel is asked for is not shorter (`linux::executor`).
const FENCE_LIFE_MIN: Duration = Duration::from_millis(10);
/// A right ends up to two ticks of the kernel's clock early.
pub const FENCE_EARLY_MAX_US: u64 = 8_000;

/// How the kernel answers netlink requests.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Netlink {
    /// A request waits so long for somebody else's, from and to; `None`: not at all.
    pub waits_us: Option<(u64, u64)>,
    /// So many requests that change addresses are refused, of a thousand.
    pub refuses_addresses: u64,
    /// The same for those that change the fence.
    pub refuses_fence: u64,
}

/// One machine's kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Which virtual addresses are on the interface.
    present: [bool; VIPS.len()],
    /// Packets to and from each address pass until then.
    rights: [Option<Time>; VIPS.len()],
    /// What was asked for. A request that had to wait for its turn grants more, by as much.
    meant_until: Time,
    /// The rules are laid: without them there is neither fence nor gate.
    pub rules: bool,
    /// New connections to the addresses wait until then.
    hold_until: Time,
    gate_closed: bool,
    /// A gate that was shut, or was to be shut, is open: somebody has flushed it, or the kernel has
    /// refused.
    gate_missing: bool,
    /// The interface has a carrier.
    pub carrier: bool,
    /// How requests are answered.
    pub netlink: Netlink,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel {
            present: [false; VIPS.len()],
            rights: [None; VIPS.len()],
            meant_until: Time(0),
            rules: false,
            hold_until: Time(0),
            gate_closed: false,
            gate_missing: false,
            carrier: true,
            netlink: Netlink::default(),
        }
    }
}

impl Kernel {
    fn place(address: IpAddr) -> usize {
        VIPS.iter().position(|vip| *vip == address).unwrap_or(0)
    }

    /// Puts an address on the interface, or takes it off; whether that changed anything.
    pub fn set_address(&mut self, address: IpAddr, present: bool) -> bool {
        std::mem::replace(&mut self.present[Self::place(address)], present) != present
    }

    /// The address is on the interface.
    pub fn has(&self, address: IpAddr) -> bool {
        self.present[Self::place(address)]
    }

    /// Some virtual address is on the interface.
    pub fn has_any(&self) -> bool {
        self.present.contains(&true)
    }

    /// Lays the rules, where they are not: what they knew is lost with them.
    pub fn lay_rules(&mut self) {
        if !self.rules {
            self.rules = true;
            self.rights = [None; VIPS.len()];
            self.gate_closed = false;
            self.hold_until = Time(0);
        }
    }

    /// Lays the rules, and refuses the peer's Redis before anything else is known.
    pub fn shut_gate(&mut self) {
        self.lay_rules();
        self.gate_closed = true;
        self.gate_missing = false;
    }

    /// Takes the rules away: everything passes.
    pub fn remove_rules(&mut self) {
        self.gate_missing |= self.rules && self.gate_closed;
        self.rules = false;
    }

    /// The gate was to be shut, and is not.
    pub fn refuse_gate(&mut self) {
        self.gate_missing = true;
    }

    /// A gate that was shut, or was to be shut, is open, and no daemon has done it.
    pub fn gate_is_missing(&self) -> bool {
        self.gate_missing
    }

    /// What is left of a right that was decided to end then, if it is enough to ask for.
    ///
    /// # Errors
    /// [`Refused::Lapsed`] when it is not.
    pub fn left(clock: Time, until: Time) -> Result<Duration, Refused> {
        let left = until.since(clock);
        if left >= FENCE_LIFE_MIN { Ok(left) } else { Err(Refused::Lapsed) }
    }

    /// Begins to let packets to these addresses pass for so long.
    pub fn open_fence(&mut self, until: Time, addresses: impl IntoIterator<Item = IpAddr>) {
        self.lay_rules();
        self.hold_until = Time(0);
        for address in addresses {
            self.rights[Self::place(address)] = Some(until);
        }
    }

    /// Goes on letting packets pass, if it still does.
    ///
    /// # Errors
    /// [`Refused::Lapsed`] when the fence has closed before, and another refusal when its rules are
    /// gone.
    pub fn renew_fence(
        &mut self,
        clock: Time,
        until: Time,
        addresses: impl IntoIterator<Item = IpAddr> + Clone,
    ) -> Result<(), Refused> {
        if !self.rules {
            let why = "nftables: somebody removed the rules of keepair_51";
            return Err(Refused::Failed(why.to_string()));
        }
        let lives = |address: IpAddr| self.right(address).is_some_and(|until| clock < until);
        if !addresses.clone().into_iter().all(lives) {
            return Err(Refused::Lapsed);
        }
        for address in addresses {
            self.rights[Self::place(address)] = Some(until);
        }
        Ok(())
    }

    /// Stops letting packets pass; with `and_source`, also refuses the peer's Redis.
    pub fn close_fence(&mut self, and_source: bool) {
        self.lay_rules();
        self.rights = [None; VIPS.len()];
        self.hold_until = Time(0);
        self.gate_closed |= and_source;
        self.gate_missing &= !and_source;
    }

    /// Drops the SYN of new connections until then.
    pub fn hold_connections(&mut self, until: Time) {
        self.hold_until = until;
    }

    /// New connections pass again, as far as the fence lets them.
    pub fn release_connections(&mut self) {
        self.hold_until = Time(0);
    }

    /// New connections wait.
    pub fn holds_connections(&self, clock: Time) -> bool {
        self.rules && clock < self.hold_until
    }

    /// Lets the peer's Redis connect; whether that changed anything.
    pub fn open_source(&mut self) -> bool {
        self.gate_missing = false;
        std::mem::replace(&mut self.gate_closed, false)
    }

    /// New replication connections from the peer are refused.
    pub fn source_closed(&self) -> bool {
        self.rules && self.gate_closed
    }

    fn right(&self, address: IpAddr) -> Option<Time> {
        self.rights[Self::place(address)]
    }

    /// When the right to the first address ends by itself, or did.
    pub fn fence_until(&self) -> Option<Time> {
        self.rights[0]
    }

    /// For how long the first address would still be served; `None` when it is not.
    pub fn fence_left(&self, clock: Time) -> Option<Duration> {
        self.fence_until().filter(|until| clock < *until).map(|until| until.since(clock))
    }

    /// The daemon's last word on how long the right is to last.
    pub fn mean(&mut self, until: Time) {
        self.meant_until = until;
    }

    /// It answers only because a request was carried out late.
    pub fn overstays(&self, clock: Time) -> bool {
        self.rules && clock >= self.meant_until
    }

    /// An address is on the interface, and somebody has removed its fence.
    pub fn is_bare(&self) -> bool {
        self.has_any() && !self.rules
    }

    /// Packets to and from the first address pass.
    pub fn passes(&self, clock: Time) -> bool {
        !self.rules || self.fence_left(clock).is_some()
    }

    /// The machine answers on the first address.
    pub fn answers(&self, clock: Time) -> bool {
        self.present[0] && self.carrier && self.passes(clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(until: u64) -> Kernel {
        let mut kernel = Kernel::default();
        kernel.lay_rules();
        kernel.set_address(VIPS[0], true);
        kernel.open_fence(Time(until), [VIPS[0]]);
        kernel
    }

    #[test]
    fn the_fence_closes_by_itself_and_can_then_not_be_renewed() {
        let mut kernel = serving(100);
        assert!(kernel.answers(Time(99)) && !kernel.answers(Time(100)));
        assert_eq!(kernel.renew_fence(Time(99), Time(150), [VIPS[0]]), Ok(()));
        assert_eq!(kernel.renew_fence(Time(150), Time(250), [VIPS[0]]), Err(Refused::Lapsed));
    }

    #[test]
    fn an_address_without_a_right_of_its_own_is_not_renewed() {
        let mut kernel = serving(100);
        assert_eq!(kernel.renew_fence(Time(50), Time(150), VIPS), Err(Refused::Lapsed));
    }

    #[test]
    fn without_the_rules_everything_passes_and_laid_anew_they_shut() {
        let mut kernel = serving(100);
        kernel.close_fence(true);
        kernel.remove_rules();
        assert!(kernel.answers(Time(1)) && !kernel.source_closed());
        assert!(matches!(
            kernel.renew_fence(Time(1), Time(150), [VIPS[0]]),
            Err(Refused::Failed(_))
        ));
        kernel.close_fence(false);
        assert!(!kernel.answers(Time(1)) && !kernel.source_closed());
    }
}
