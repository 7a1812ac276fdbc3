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
    /// The third parties that stand by one of two machines that can't hear each other.
    pub tie_breaker: Option<TieBreaker>,
    /// What a copy of the stream may take while the standby is behind, in MiB; 0: none is made.
    pub copy_limit_mib: u64,
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

/// Third parties; at least one. They have one vote together, and give it by all giving it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TieBreaker {
    /// A gateway of the network.
    pub gateway: Option<Gateway>,
    /// A third Redis.
    pub witness: Option<Witness>,
    /// An etcd.
    pub etcd: Option<Etcd>,
    /// Key of the register in the witness and in etcd, the same on both machines.
    pub key: String,
    /// How to speak to those that are spoken to with TLS.
    pub tls: Option<Tls>,
}

/// Which gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gateway {
    /// The default route's, of the nodes' family.
    Auto,
    /// This one.
    Address(IpAddr),
}

/// A third Redis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Witness {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Connect with TLS.
    pub tls: bool,
    /// Number of the database.
    pub database: u16,
    /// How to log in.
    pub login: Option<Login>,
}

/// An etcd; at least one endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Etcd {
    /// Tried in turn.
    pub endpoints: Vec<Endpoint>,
    /// How to log in, with a user.
    pub login: Option<Login>,
}

/// Where an etcd may be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Connect with TLS.
    pub tls: bool,
}

/// A login: exactly one of `password` and `password_file`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The user; `None`: the default user.
    pub username: Option<String>,
    /// The password in the file itself, not empty.
    pub password: Option<Secret>,
    /// The file that holds the password, an absolute path. Not opened or checked here.
    pub password_file: Option<String>,
}

impl TieBreaker {
    /// What each is called in the log and in the status, in the order of the vote: gateway, witness,
    /// etcd. No password is among it.
    pub fn names(&self) -> Vec<String> {
        let gateway = self.gateway.map(|gateway| match gateway {
            Gateway::Auto => "gateway".to_owned(),
            Gateway::Address(address) => format!("gateway {address}"),
        });
        let place = |host: &str, port: u16| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let witness =
            self.witness.as_ref().map(|it| format!("witness {}", place(&it.host, it.port)));
        let etcd = self.etcd.as_ref().map(|etcd| {
            let places: Vec<String> =
                etcd.endpoints.iter().map(|it| place(&it.host, it.port)).collect();
            format!("etcd {}", places.join(", "))
        });
        gateway.into_iter().chain(witness).chain(etcd).collect()
    }
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
            peer_port: self.peer_port,
            timing: self.timing,
            announce: self.announce,
            tie_breakers: self.tie_breaker.as_ref().map(TieBreaker::names).unwrap_or_default(),
            copy_limit_bytes: self.copy_limit_mib << 20,
        }
    }
}
