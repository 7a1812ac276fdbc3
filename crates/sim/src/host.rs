//! One machine: its power, its clock, its kernel, its Redis, its daemon and its disk.

use crate::daemon::Daemon;
use crate::kernel::Kernel;
use crate::redis::Redis;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::ops::{Index, IndexMut};
use keepair_core::input::Persisted;
use keepair_core::time::Time;

/// One of the two machines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum HostId {
    /// The first of the configuration.
    A,
    /// The second.
    B,
}

impl HostId {
    /// Both, in order.
    pub const BOTH: [HostId; 2] = [HostId::A, HostId::B];

    /// 0 or 1.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The other machine.
    pub fn peer(self) -> HostId {
        match self {
            HostId::A => HostId::B,
            HostId::B => HostId::A,
        }
    }

    /// Its own address.
    pub fn address(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, self as u8 + 1))
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HostId::A => "A",
            HostId::B => "B",
        })
    }
}

/// One value for each machine.
#[derive(Clone, Debug, Default)]
pub struct PerHost<T>(pub [T; 2]);

impl<T> Index<HostId> for PerHost<T> {
    type Output = T;
    fn index(&self, host: HostId) -> &T {
        &self.0[host.index()]
    }
}

impl<T> IndexMut<HostId> for PerHost<T> {
    fn index_mut(&mut self, host: HostId) -> &mut T {
        &mut self.0[host.index()]
    }
}

/// One machine.
#[derive(Debug)]
pub struct Host {
    /// It is switched on.
    pub powered: bool,
    /// When it was switched on; its monotonic clock counts from there.
    pub booted_at: Time,
    /// What its monotonic clock showed then.
    pub clock_origin: Time,
    /// The daemon's process.
    pub daemon: Daemon,
    /// Addresses, fence, gate.
    pub kernel: Kernel,
    /// The Redis process and its file.
    pub redis: Redis,
    /// The daemon's state directory.
    pub persisted: Option<Persisted>,
}

impl Host {
    /// A machine that was just switched on, with nothing running.
    pub fn new(id: HostId) -> Self {
        Host {
            powered: true,
            booted_at: Time(0),
            clock_origin: Time(7_000_000 + 1_000_000_000 * id as u64),
            daemon: Daemon::default(),
            kernel: Kernel::default(),
            redis: Redis::new(id),
            persisted: None,
        }
    }

    /// What its monotonic clock shows at that moment of the world.
    pub fn clock(&self, now: Time) -> Time {
        self.clock_origin + now.since(self.booted_at)
    }

    /// The moment of the world at which its monotonic clock shows that.
    pub fn moment(&self, clock: Time) -> Time {
        if clock == Time(u64::MAX) {
            return clock;
        }
        self.booted_at + clock.since(self.clock_origin)
    }
}
