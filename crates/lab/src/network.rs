//! The wires: a bridge in the lab's own network namespace and a cable (veth pair) to each host.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::namespace::Namespace;

/// The name of the interface inside each host.
pub const INTERFACE: &str = "eth0";
const BRIDGE: &str = "switch";

/// The bridge all hosts hang off.
#[derive(Debug)]
pub struct Switch {
    ip: PathBuf,
}

impl Switch {
    /// Makes the bridge.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn new(ip: &Path) -> Result<Self> {
        let switch = Self { ip: ip.to_owned() };
        let _ = switch.batch(&format!("link del {BRIDGE}\n")); // of a rig before this one
        switch.batch(&format!(
            "link set lo up\n\
             link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0\n\
             link set {BRIDGE} up\n"
        ))?;
        Ok(switch)
    }

    /// Plugs a host in and gives its `eth0` the address.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn plug(&self, name: &str, ns: &Namespace, address: IpAddr) -> Result<()> {
        let port = port(name);
        let last = match address {
            IpAddr::V4(a) => a.octets()[3],
            IpAddr::V6(a) => a.octets()[15],
        };
        let net = ns.net_path();
        self.batch(&format!(
            "link add {port} type veth peer name {INTERFACE} address 02:00:00:00:00:{last:02x} \
             netns {net}\n\
             link set {port} master {BRIDGE}\n\
             link set {port} up\n"
        ))?;
        let (prefix, dad) = if address.is_ipv4() { (24, "") } else { (64, " nodad") };
        let ip = self.ip.clone();
        ns.run(move || {
            batch(
                &ip,
                &format!(
                    "link set lo up\n\
                     addr add {address}/{prefix} dev {INTERFACE}{dad}\n\
                     link set {INTERFACE} up\n"
                ),
            )
        })?
    }

    /// Pulls a host's cable: it loses carrier.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn cut(&self, name: &str) -> Result<()> {
        // Up is the first flag. A write takes microseconds, starting `ip` takes milliseconds.
        let flags = format!("/sys/class/net/{}/flags", port(name));
        if fs::write(flags, "0x1002").is_ok() {
            return Ok(());
        }
        self.batch(&format!("link set {} down\n", port(name)))
    }

    /// Makes the switch ignore a host, which keeps its carrier: nothing tells it that it is alone.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn ignore(&self, name: &str) -> Result<()> {
        self.batch(&format!("link set {} nomaster\n", port(name)))
    }

    /// Makes the switch hear a host again after [`Switch::ignore`].
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn heed(&self, name: &str) -> Result<()> {
        self.batch(&format!("link set {} master {BRIDGE}\n", port(name)))
    }

    /// Keeps these hosts from each other, and from nobody else; or no longer.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn part(&self, names: &[&str], apart: bool) -> Result<()> {
        // The switch forwards nothing from one isolated port to another.
        let (digit, word) = if apart { ("1", "on") } else { ("0", "off") };
        let written = names.iter().all(|name| {
            fs::write(format!("/sys/class/net/{}/brport/isolated", port(name)), digit).is_ok()
        });
        if written {
            return Ok(());
        }
        let line =
            |name: &&str| format!("link set {} type bridge_slave isolated {word}\n", port(name));
        self.batch(&names.iter().map(line).collect::<String>())
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn mend(&self, name: &str) -> Result<()> {
        self.batch(&format!("link set {} up\n", port(name)))
    }

    /// Takes the host's cable away for good.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn unplug(&self, name: &str) -> Result<()> {
        self.batch(&format!("link del {}\n", port(name)))
    }

    fn batch(&self, commands: &str) -> Result<()> {
        batch(&self.ip, commands)
    }
}

/// Makes what a host sends to another by TCP no faster than this, or as fast as before; adverts and
/// reports are no TCP.
///
/// # Errors
/// Where `tc` fails.
pub fn slow_tcp(tc: &Path, ns: &Namespace, interface: &str, to: IpAddr, kbit: u32) -> Result<()> {
    let (protocol, family) = if to.is_ipv4() { ("ip", "ip") } else { ("ipv6", "ip6") };
    let length = if to.is_ipv4() { 32 } else { 128 };
    // What no filter names passes as if there were no queue.
    let lines = format!(
        "qdisc replace dev {interface} root handle 1: htb\n\
         class add dev {interface} parent 1: classid 1:1 htb rate {kbit}kbit burst 16kb\n\
         filter add dev {interface} parent 1: protocol {protocol} prio 1 u32 \
         match {family} protocol 6 0xff match {family} dst {to}/{length} flowid 1:1\n"
    );
    let tc = tc.to_owned();
    ns.run(move || pipe(Command::new(tc).args(["-batch", "-"]), &lines))?.context("tc")
}

/// Ends [`slow_tcp`].
///
/// # Errors
/// Where `tc` fails.
pub fn usual_speed(tc: &Path, ns: &Namespace, interface: &str) -> Result<()> {
    let (tc, line) = (tc.to_owned(), format!("qdisc del dev {interface} root\n"));
    ns.run(move || pipe(Command::new(tc).args(["-batch", "-"]), &line))?.context("tc")
}

fn port(host: &str) -> String {
    format!("p-{host}")
}

/// Runs several `ip` commands in one process, in the network namespace of the calling thread.
///
/// # Errors
/// With what `ip` said.
pub fn batch(ip: &Path, commands: &str) -> Result<()> {
    pipe(Command::new(ip).args(["-batch", "-"]), commands)
        .with_context(|| format!("ip: {}", commands.trim().replace('\n', "; ")))
}

/// Feeds `input` to a command and waits for it.
///
/// # Errors
/// With what the command said on its standard error.
pub fn pipe(command: &mut Command, input: &str) -> Result<()> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
