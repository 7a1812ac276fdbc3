//! The dead man's switch: nftables lets packets to and from a virtual address pass only while its
//! right to serve, an element with a timeout in the kernel, is alive.
//!
//! The kernel keeps the time, so the right ends whatever became of the daemon: killed, stopped,
//! or starved. A Redis that wakes from SIGSTOP can then neither hear a client nor acknowledge a
//! write, on accepted connections and on loopback too; all that leaves are TCP's own endings, FIN
//! and RST without a byte of payload. The machine answers neither ARP nor neighbour solicitations
//! for the address (RFC 826; RFC 4861 section 7.2). Our own announcements go through `AF_PACKET`,
//! which nftables does not see. The clock is the kernel's tick counter: a right ends up to two
//! ticks (8 ms at 250 Hz) early, never late, and does not age while the whole machine sleeps.
//! Every call is one netlink exchange, some 20 us; it can wait for another program that loads a
//! large rule set at the same moment.

mod rules;

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rustix::net::netlink;

use crate::netlink::{Refusal, Socket};
use crate::nft::{
    FAMILY_ARP, FAMILY_INET, Table, Transaction, is_rule, list_elements, list_rules, parse_elements,
};
use rules::{Install, Plan};

/// A timeout that a kernel with 100 ticks a second rounded to zero would mean "for ever".
const SHORTEST: Duration = Duration::from_millis(10);
const DUMP_ATTEMPTS: usize = 4;

/// What to guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceSpec {
    /// Names the tables `keepair_<vrid>`, so that several pairs can share a machine.
    pub vrid: u8,
    /// The virtual addresses.
    pub vips: Vec<IpAddr>,
    /// The port of the local Redis.
    pub redis_port: u16,
    /// Kept from connecting to Redis while the gate is closed: the other machine's own address; both
    /// machines' while this one does not know which of them it is.
    pub gated: Vec<IpAddr>,
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The right was alive and now lives for the given time.
    Extended,
    /// The right had ended, for at least one address; nothing was changed.
    Lapsed,
}

/// The installed fence. Dropping it leaves the tables as they are: that is its purpose.
#[derive(Debug)]
pub struct Fence {
    socket: Socket,
    spec: FenceSpec,
    inet: Table,
    arp: Option<Table>,
    rules: usize,
    install: Transaction,
    open: Transaction,
    renew: Transaction,
    close: Transaction,
    close_with_gate: Transaction,
    open_gate: Transaction,
    hold: Transaction,
    unhold: Transaction,
}

impl Fence {
    /// Installs tables, sets and rules in one transaction. A right that an earlier run left alive
    /// stays alive, and a closed gate stays closed, but a hold ends; without an earlier run the
    /// addresses are shut and the gate is open.
    pub fn install(spec: FenceSpec) -> io::Result<Fence> {
        Fence::installed(spec, false)
    }

    /// As `install`, but the gate is closed in the same transaction, to exactly the addresses of
    /// `spec.gated`. For the start of a daemon: a gate that is closed by a second transaction is open
    /// before it, and a Redis that starts at that moment gets in.
    pub fn install_with_gate_closed(spec: FenceSpec) -> io::Result<Fence> {
        Fence::installed(spec, true)
    }

    fn installed(spec: FenceSpec, close_gate: bool) -> io::Result<Fence> {
        let mut socket = Socket::open(Some(netlink::NETFILTER)).map_err(|e| {
            io::Error::new(e.kind(), format!("nftables: no netfilter netlink in this kernel: {e}"))
        })?;
        let name = format!("keepair_{}", spec.vrid);
        let inet = Table { family: FAMILY_INET, name: name.clone() };
        let arp =
            spec.vips.iter().any(IpAddr::is_ipv4).then_some(Table { family: FAMILY_ARP, name });
        let plan = Plan { spec: &spec, inet: &inet, arp: arp.as_ref() };
        let (mut first, rules) = plan.install(Install { anew: false, close_gate });
        match socket.request(&mut first.request, |_, _| ()) {
            Ok(()) => {}
            // A table of that name but another shape: of another version. Its right is lost.
            Err(r) if matches!(r.errno, libc::EEXIST | libc::EBUSY) => {
                let (mut anew, _) = plan.install(Install { anew: true, close_gate });
                socket.request(&mut anew.request, |_, _| ()).map_err(|r| anew.explain(r))?;
            }
            Err(r) => return Err(first.explain(r)),
        }
        let (install, _) = plan.install(Install { anew: false, close_gate: false });
        let open = plan.grant(true);
        let renew = plan.grant(false);
        let close = plan.close(false);
        let close_with_gate = plan.close(true);
        let open_gate = plan.open_gate();
        let hold = plan.hold();
        let unhold = plan.unhold();
        Ok(Fence {
            socket,
            inet,
            arp,
            rules,
            install,
            open,
            renew,
            close,
            close_with_gate,
            open_gate,
            hold,
            unhold,
            spec,
        })
    }

    /// Grants the right for `life` (whole milliseconds, at least 10), whether or not it was alive;
    /// ends a hold.
    pub fn open(&mut self, life: Duration) -> io::Result<()> {
        self.open.set_timeout(milliseconds(life)?);
        self.socket.request(&mut self.open.request, |_, _| ()).map_err(|r| self.open.explain(r))
    }

    /// Lets a living right last for `life` from now; a right that ended stays ended.
    ///
    /// The kernel decides that, not the caller: a daemon that was stopped between its decision to
    /// renew and the system call finds the right `Lapsed` when it wakes, even if the other machine
    /// has long been promoted.
    pub fn renew(&mut self, life: Duration) -> io::Result<Renewal> {
        self.renew.set_timeout(milliseconds(life)?);
        match self.socket.request(&mut self.renew.request, |_, _| ()) {
            Ok(()) => Ok(Renewal::Extended),
            Err(r) if r.errno == libc::ENOENT => {
                if self.intact()? {
                    Ok(Renewal::Lapsed)
                } else {
                    Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("nftables: somebody removed the rules of {}", self.inet.name),
                    ))
                }
            }
            Err(r) => Err(self.renew.explain(r)),
        }
    }

    /// Ends the right now, and a hold; fine when they have ended already. Where somebody removed the rules, they
    /// are installed again, which takes some milliseconds: a fence must not stay open because it
    /// was torn down.
    pub fn close(&mut self) -> io::Result<()> {
        self.shut(|fence| &mut fence.close)
    }

    /// Ends the right and closes the gate at the same instant: the other machine's new connections
    /// to Redis are reset until `open_gate`; established ones go on.
    pub fn close_with_gate(&mut self) -> io::Result<()> {
        self.shut(|fence| &mut fence.close_with_gate)
    }

    fn shut(&mut self, which: fn(&mut Fence) -> &mut Transaction) -> io::Result<()> {
        match self.send(which) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.send(|fence| &mut fence.install)?;
                self.send(which)
            }
            result => result,
        }
    }

    fn send(&mut self, which: fn(&mut Fence) -> &mut Transaction) -> io::Result<()> {
        // Taken out for the moment, as the socket is borrowed too.
        let mut request = std::mem::take(&mut which(self).request);
        let result = self.socket.request(&mut request, |_, _| ());
        let transaction = which(self);
        transaction.request = request;
        result.map_err(|r| transaction.explain(r))
    }

    /// For `span` (at least 10 ms, from now), new connections to Redis at the virtual addresses get
    /// no answer, so that the client's kernel asks again: the client sees a pause, not an error.
    /// Connections begun before go on. A Linux client asks again after 1 s, then (before Linux
    /// 6.5) after 3 s and 7 s: a short hold costs one second, however short.
    pub fn hold(&mut self, span: Duration) -> io::Result<()> {
        self.hold.set_timeout(milliseconds(span)?);
        self.send(|fence| &mut fence.hold)
    }

    /// Ends a hold now; fine when there is none, or no fence any more.
    pub fn unhold(&mut self) -> io::Result<()> {
        match self.send(|fence| &mut fence.unhold) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Lets the other machine connect to Redis again.
    pub fn open_gate(&mut self) -> io::Result<()> {
        self.send(|fence| &mut fence.open_gate)
    }

    /// The shortest remaining life among the living virtual addresses, `None` when all are shut.
    pub fn remaining(&mut self) -> io::Result<Option<Duration>> {
        let mut shortest = None;
        for set in ["alive4", "alive6"] {
            for (key, life) in self.elements(set)? {
                if self.spec.vips.iter().any(|vip| octets(*vip) == key) {
                    let life = Duration::from_millis(life.unwrap_or(0));
                    shortest = Some(shortest.map_or(life, |s: Duration| s.min(life)));
                }
            }
        }
        Ok(shortest)
    }

    /// Whether the other machine is kept from connecting to Redis.
    pub fn gate_is_closed(&mut self) -> io::Result<bool> {
        let mut closed = self.elements("closed4")?;
        closed.extend(self.elements("closed6")?);
        let is_closed = |address: &IpAddr| closed.iter().any(|(key, _)| *key == octets(*address));
        Ok(self.spec.gated.iter().all(is_closed))
    }

    /// Whether all rules are still there. A firewall that is reloaded (`nft flush ruleset`)
    /// removes them, and with them the fence; `install` and `close` bring them back, shut.
    pub fn intact(&mut self) -> io::Result<bool> {
        let mut rules = 0;
        for table in [Some(&self.inet), self.arp.as_ref()].into_iter().flatten() {
            match self.socket.request(&mut list_rules(table), |kind, _| {
                rules += usize::from(is_rule(kind));
            }) {
                Ok(()) => {}
                Err(r) if r.errno == libc::ENOENT => return Ok(false),
                // Somebody is changing rules at this moment: not ours, as far as one can tell.
                Err(r) if r.errno == libc::EINTR => return Ok(true),
                Err(r) => return Err(r.into_error("nftables: listing rules")),
            }
        }
        Ok(rules == self.rules)
    }

    /// Removes the tables: packets pass freely, the fence is no more.
    pub fn remove(mut self) -> io::Result<()> {
        let plan = Plan { spec: &self.spec, inet: &self.inet, arp: self.arp.as_ref() };
        let mut remove = plan.remove();
        self.socket.request(&mut remove.request, |_, _| ()).map_err(|r| remove.explain(r))
    }

    fn elements(&mut self, set: &str) -> io::Result<Vec<(Vec<u8>, Option<u64>)>> {
        let mut refusal = Refusal { errno: libc::EINTR, message: 0, text: String::new() };
        for _ in 0..DUMP_ATTEMPTS {
            let mut found = Vec::new();
            let mut request = list_elements(&self.inet, set);
            match self.socket.request(&mut request, |kind, body| {
                found.extend(parse_elements(kind, body));
            }) {
                Ok(()) => return Ok(found),
                Err(r) if r.errno == libc::EINTR => refusal = r,
                Err(r) => return Err(r.into_error(&format!("nftables: listing set {set}"))),
            }
        }
        Err(refusal.into_error(&format!("nftables: listing set {set}")))
    }
}

fn milliseconds(life: Duration) -> io::Result<u64> {
    if life < SHORTEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a timeout of {life:?} is shorter than {SHORTEST:?}, a tick of a slow kernel"),
        ));
    }
    u64::try_from(life.as_millis()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}
