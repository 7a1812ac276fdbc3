//! One machine: its power, its clock, its kernel, its Redis, its daemon and its disk.

use crate::clock::Clock;
use crate::daemon::Daemon;
use crate::kernel::Kernel;
use crate::redis::{Redis, Setup};
use crate::world::Event;
use crate::writes::Writes;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::ops::{Index, IndexMut};
use keepair_core::config::Config;
use keepair_core::input::Persisted;
use keepair_core::time::Time;
use std::time::Duration;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// A machine whose processor stands still: a virtual one that is being moved or snapshotted.
#[derive(Debug)]
pub struct Freeze {
    /// Since when.
    pub since: Time,
    /// Its clocks stand still with it; otherwise they jump when it wakes.
    pub clock_stands: bool,
    /// So many frames that come in meanwhile are kept for it.
    pub room: usize,
    /// So many were not.
    pub lost: usize,
    /// What would have happened in it meanwhile, in order.
    pub(crate) missed: Vec<Event>,
}

/// How the state directory's disk behaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disk {
    /// A file is safe so long after it was written, from and to.
    pub takes_us: (u64, u64),
    /// So many writes fail, of a thousand.
    pub refuses: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Disk { takes_us: (300, 3_000), refuses: 0 }
    }
}

/// One machine.
#[derive(Debug)]
pub struct Host {
    /// It is switched on.
    pub powered: bool,
    /// Counts how often it was switched off: what an earlier life began comes to nothing.
    pub life: u64,
    /// Its processor stands still.
    pub freeze: Option<Freeze>,
    /// Its monotonic clock.
    pub clock: Clock,
    /// When the last notice of the kernel came, or will.
    pub noticed_after: Time,
    /// The daemon's process.
    pub daemon: Daemon,
    /// Addresses, fence, gate.
    pub kernel: Kernel,
    /// The Redis process and its file.
    pub redis: Redis,
    /// The configuration file.
    pub config: Config,
    /// The daemon's state directory.
    pub persisted: Option<Persisted>,
    /// What was salvaged into it.
    pub salvaged: Writes,
    /// The disk it is on.
    pub disk: Disk,
}

impl Host {
    /// A machine that was just switched on, with nothing running.
    pub fn new(id: HostId, now: Time, ppm: i64, setup: Setup, config: Config) -> Self {
        let reading = Time(7_000_000 + 1_000_000_000 * id as u64);
        Host {
            powered: true,
            life: 0,
            freeze: None,
            clock: Clock::new(now, reading, ppm),
            noticed_after: Time(0),
            daemon: Daemon::default(),
            kernel: Kernel::default(),
            redis: Redis::new(id, setup),
            config,
            persisted: None,
            salvaged: Writes::default(),
            disk: Disk::default(),
        }
    }

    /// It is switched on, and its processor works.
    pub fn lives(&self) -> bool {
        self.powered && self.freeze.is_none()
    }

    /// For how long the kernel would still serve the address by itself.
    pub fn fence_left(&self, now: Time) -> Option<Duration> {
        self.kernel.fence_left(self.clock.read(now))
    }

    /// It answers on the virtual address.
    pub fn answers(&self, now: Time) -> bool {
        self.lives() && self.kernel.answers(self.clock.read(now))
    }
}
