//! A hub in a network namespace of its own: every frame goes to every host, and the one that listens
//! misses none. Any number of hubs live side by side with the same addresses.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::namespace::Namespace;
use crate::network::{INTERFACE, batch};

/// The hub.
#[derive(Debug)]
pub struct Hub {
    inside: Namespace,
    ip: PathBuf,
}

impl Hub {
    /// Makes it.
    ///
    /// # Errors
    /// Where the kernel or `ip` refuses.
    pub fn new(ip: &Path) -> Result<Self> {
        let hub = Self { inside: Namespace::new("hub")?, ip: ip.to_owned() };
        hub.batch(
            "link add hub type bridge forward_delay 0 stp_state 0 mcast_snooping 0 ageing_time 0\n\
             link set hub up\n"
                .to_owned(),
        )?;
        Ok(hub)
    }

    /// Plugs a host in: its `eth0` gets 172.18.0.N/24 and fd00:18::N/64, and fe80::N.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn plug(&self, ns: &Namespace, number: u8) -> Result<()> {
        let net = ns.net_path();
        self.batch(format!(
            "link add p{number} type veth peer name {INTERFACE} address 02:00:00:00:00:{number:02x} \
             netns {net}\n\
             link set p{number} master hub\n\
             link set p{number} up\n"
        ))?;
        let ip = self.ip.clone();
        ns.run(move || {
            batch(
                &ip,
                &format!(
                    "link set lo up\n\
                     link set {INTERFACE} addrgenmode none\n\
                     addr add 172.18.0.{number}/24 dev {INTERFACE}\n\
                     addr add fd00:18::{number}/64 dev {INTERFACE} nodad\n\
                     addr add fe80::{number}/64 dev {INTERFACE} nodad\n\
                     link set {INTERFACE} up\n\
                     route add 224.0.0.0/4 dev {INTERFACE}\n"
                ),
            )
        })?
    }

    /// Gives a host a second interface, `eth1`, without an address. Its cable leads nowhere: on the
    /// hub it would answer ARP for the first one.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn plug_second(&self, ns: &Namespace, number: u8) -> Result<()> {
        let net = ns.net_path();
        self.batch(format!(
            "link add q{number} type veth peer name eth1 netns {net}\n\
             link set q{number} up\n"
        ))?;
        let ip = self.ip.clone();
        ns.run(move || batch(&ip, "link set eth1 addrgenmode none up\n"))?
    }

    /// Pulls a cable, so that the host's interface loses carrier, or puts it back.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn cable(&self, number: u8, second: bool, up: bool) -> Result<()> {
        let port = format!("{}{number}", if second { "q" } else { "p" });
        let (flags, state) = if up { ("0x1003", "up") } else { ("0x1002", "down") };
        self.set(&port, flags, state)
    }

    /// A write takes microseconds, starting `ip` takes milliseconds; both do the same.
    fn set(&self, port: &str, flags: &'static str, state: &str) -> Result<()> {
        let file = format!("/sys/class/net/{port}/flags");
        if self.inside.run(move || fs::write(file, flags))?.is_ok() {
            return Ok(());
        }
        self.batch(format!("link set {port} {state}\n"))
    }

    fn batch(&self, commands: String) -> Result<()> {
        let ip = self.ip.clone();
        self.inside.run(move || batch(&ip, &commands))?
    }
}
