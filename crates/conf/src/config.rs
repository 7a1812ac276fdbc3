//! The checked configuration of one pair, as written in the file: the same on both machines.
//!
//! What the protocol needs is handed on by [`Config::core_config`]; the rest (interface, access to
//! Redis, control socket) is for the program around it.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use keepair_core::config::{Announce, Member, Timing, Vip, Vrid};

use crate::secret::Secret;

#[cfg(test)]
mod tests;

/// A configuration without mistakes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The virtual addresses, in the order of the file; at least one is of the nodes' family.
    pub vips: Vec<Vip>,
    /// The interface that carries the adverts and the virtual addresses.
    pub interface: String,
    /// The virtual router.
    pub vrid: Vrid,
    /// Time between two adverts: 10 ms to 40.95 s in steps of 10 ms.
    pub advert_interval: Duration,
    /// A higher priority takes the address from a working primary.
    pub preempt: bool,
    /// Send adverts to the other node's address instead of the VRRP group.
    pub unicast: bool,
    /// Include the pseudo-header in the IPv4 checksum of sent adverts.
    pub checksum_pseudo_header: bool,
    /// UDP port of the daemons' own link.
    pub peer_port: u16,
    /// The two machines, in the order of the file.
    pub members: [Member; 2],
    /// How to reach and log in to the local Redis.
    pub redis: RedisAccess,
    /// Deadlines and periods.
    pub timing: Timing,
    /// How a takeover is announced to the network.
    pub announce: Announce,
    /// What archives of data files may take together, in MiB; 0: there are none.
    pub archive_limit_mib: u64,
    /// The Unix group whose members may use the control socket; `None`: root only.
    pub control_group: Option<String>,
}

/// Access to the local Redis. At most one of `host` and `socket`, at most one of `password` and
/// `password_file`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisAccess {
    /// The port Redis serves on, here and on the other machine.
    pub port: u16,
    /// Where to connect; `None`: loopback, then the node's own address.
    pub host: Option<IpAddr>,
    /// Unix socket to connect to instead, an absolute path.
    pub socket: Option<String>,
    /// ACL user; `None`: the default user. Never without a password.
    pub username: Option<String>,
    /// The password in the file itself, not empty.
    pub password: Option<Secret>,
    /// The file that holds the password, an absolute path. Not opened or checked here.
    pub password_file: Option<String>,
    /// Connect with TLS.
    pub tls: Option<Tls>,
}

/// TLS towards Redis. All paths are absolute and not opened here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// Certificates to trust, PEM; `None`: the system's.
    pub ca: Option<String>,
    /// Client certificate, PEM; set if and only if `key` is.
    pub cert: Option<String>,
    /// Key of the client certificate, PEM.
    pub key: Option<String>,
    /// The name expected in the server's certificate; `None`: the address connected to.
    pub server_name: Option<String>,
}

/// Why it is not clear which node this machine is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WhoAmI {
    /// The machine has neither node's address.
    Neither {
        /// Name and address of both nodes.
        nodes: [(String, IpAddr); 2],
        /// The addresses of this machine, as given to [`Config::find_own`].
        own: Vec<IpAddr>,
    },
    /// The machine has the addresses of both nodes.
    Both {
        /// Name and address of both nodes.
        nodes: [(String, IpAddr); 2],
    },
}

impl fmt::Display for WhoAmI {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhoAmI::Neither { nodes: [(first, a), (second, b)], own } => {
                write!(
                    f,
                    "this machine is neither node: it has neither {a} (`{first}`) nor {b} \
                     (`{second}`); "
                )?;
                if own.is_empty() {
                    return f.write_str("it has no address at all yet");
                }
                f.write_str("its addresses are ")?;
                for (n, address) in own.iter().enumerate() {
                    write!(f, "{}{address}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("; correct `address` of the node that is this machine")
            }
            WhoAmI::Both { nodes: [(first, a), (second, b)] } => write!(
                f,
                "this machine has the addresses of both nodes, {a} (`{first}`) and {b} \
                 (`{second}`); the pair needs two machines"
            ),
        }
    }
}

impl core::error::Error for WhoAmI {}

impl Config {
    /// Which of `members` this machine is, told by its addresses.
    pub fn find_own(&self, own_addresses: &[IpAddr]) -> Result<usize, WhoAmI> {
        let has = |member: &Member| {
            own_addresses.iter().any(|own| own.to_canonical() == member.address.to_canonical())
        };
        let [first, second] = &self.members;
        let nodes = || [first, second].map(|member| (member.name.clone(), member.address));
        match (has(first), has(second)) {
            (true, false) => Ok(0),
            (false, true) => Ok(1),
            (true, true) => Err(WhoAmI::Both { nodes: nodes() }),
            (false, false) => Err(WhoAmI::Neither { nodes: nodes(), own: own_addresses.to_vec() }),
        }
    }

    /// What the protocol of node `me` (0 or 1, from [`Config::find_own`]) is configured with.
    pub fn core_config(&self, me: usize) -> keepair_core::config::Config {
        keepair_core::config::Config {
            vrid: self.vrid,
            vips: self.vips.clone(),
            members: self.members.clone(),
            me,
            advert_interval: self.advert_interval,
            unicast: self.unicast,
            preempt: self.preempt,
            checksum_pseudo_header: self.checksum_pseudo_header,
            redis_port: self.redis.port,
            timing: self.timing,
            announce: self.announce,
        }
    }
}
