//! What a node must know to decide: the pair, the virtual addresses, the timings.
//!
//! Already validated by `conf`; nothing here names a file, an interface or a secret.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// A virtual router identifier, 1 to 255 (RFC 9568 section 5.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Vrid(pub u8);

/// A VRRP priority, 1 to 254 for a configured node; 0 on the wire means "leaving" and 255 "owner"
/// (RFC 9568 section 5.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Priority(pub u8);

/// How many times an address was handed to a new primary. The larger generation holds the newer
/// history of the pair; 0 means "was never a member".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Generation(pub u64);

/// A virtual address with its prefix length in bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Vip {
    /// The address itself.
    pub address: IpAddr,
    /// Prefix length, 0 to 32 or 0 to 128.
    pub prefix_len: u8,
}

/// One of the two machines.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Member {
    /// The operator's name for it.
    pub name: String,
    /// Its own address, by which the other reaches it; never a virtual address.
    pub address: IpAddr,
    /// VRRP priority; decides between equals only.
    pub priority: Priority,
}

/// Everything `Node` is configured with. Both machines hold the same values but for `me`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// The virtual router.
    pub vrid: Vrid,
    /// The virtual addresses, at least one; in the order of the file.
    pub vips: Vec<Vip>,
    /// The two machines, in the order of the file.
    pub members: [Member; 2],
    /// Which of `members` this machine is: 0 or 1.
    pub me: usize,
    /// Time between two adverts: 10 ms to 40.95 s in steps of 10 ms.
    pub advert_interval: Duration,
    /// Send adverts to the peer's address instead of the VRRP group.
    pub unicast: bool,
    /// A better (higher) priority takes the address from a working primary. Off by default.
    pub preempt: bool,
    /// Include the pseudo-header in the IPv4 checksum of sent adverts (RFC 5798's and keepalived's
    /// reading); off by default: RFC 9568 section 5.2.8. Either is accepted.
    pub checksum_pseudo_header: bool,
    /// The port Redis serves on, for the replication commands.
    pub redis_port: u16,
    /// The UDP port of the daemons' reports, for people.
    pub peer_port: u16,
    /// The timings of the senses and of a failover.
    pub timing: Timing,
    /// How the network is told of a new owner.
    pub announce: Announce,
    /// The third parties without which this machine does not serve alone, by their names for people.
    /// They have one vote together, and give it by all giving it. Empty: there is none.
    pub tie_breakers: Vec<String>,
    /// What a copy of the stream may take while the standby is behind; 0: none is made.
    pub copy_limit_bytes: u64,
}

/// Gratuitous ARP and unsolicited neighbour advertisements after a takeover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Announce {
    /// How many rounds, the first one included.
    pub repeats: u32,
    /// Between the first and the second round; doubles with each.
    pub interval: Duration,
    /// Between rounds after those, as long as the address is held; zero for none. A host or a switch
    /// that heard none of the first rounds would go on asking the old machine until its entry ages.
    pub refresh: Duration,
}

impl Default for Announce {
    fn default() -> Self {
        Announce {
            repeats: 8,
            interval: Duration::from_millis(20),
            refresh: Duration::from_secs(5),
        }
    }
}

/// Deadlines and periods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timing {
    /// PING period on the local connection.
    pub ping_interval: Duration,
    /// A PING unanswered for this long, *and* a process that is stopped, is a hang.
    pub ping_timeout: Duration,
    /// A PING unanswered for this long while the process is neither stopped nor using the CPU is a
    /// hang too.
    pub hang_timeout: Duration,
    /// INFO period on the local connection.
    pub info_interval: Duration,
    /// Pause between two attempts to connect to the local Redis.
    pub reconnect_interval: Duration,
    /// How long a standby waits for received bytes to be applied before it promotes regardless of
    /// progress.
    pub drain_timeout: Duration,
    /// How long a promotion command may stay unanswered.
    pub promote_timeout: Duration,
    /// How long a planned switchover may take before it is called off.
    pub switchover_timeout: Duration,
    /// How long a starting machine waits to hear the other before it decides alone.
    pub boot_wait: Duration,
    /// How long one attempt to keep what is about to be overwritten may take.
    pub salvage_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            ping_interval: Duration::from_millis(50),
            ping_timeout: Duration::from_millis(200),
            hang_timeout: Duration::from_secs(5),
            info_interval: Duration::from_millis(100),
            reconnect_interval: Duration::from_millis(20),
            drain_timeout: Duration::from_millis(1000),
            promote_timeout: Duration::from_millis(1000),
            switchover_timeout: Duration::from_millis(1000),
            boot_wait: Duration::from_secs(3),
            salvage_timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// This machine.
    pub fn own(&self) -> &Member {
        &self.members[self.me & 1]
    }

    /// The other machine.
    pub fn peer(&self) -> &Member {
        &self.members[(self.me ^ 1) & 1]
    }
}
