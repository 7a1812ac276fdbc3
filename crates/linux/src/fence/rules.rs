//! The rules of the fence, and the transactions that change its sets.
//!
//! Every packet is judged by what the sets hold at that instant: `vip` the virtual addresses,
//! `alive` those with the right to serve, `held` those that take no new connections for a while,
//! `closed` the other machine while the gate is closed, `ending` the shapes of TCP's bare endings.

use super::{FenceSpec, octets};
use crate::nft::{
    Batch, Expressions, FAMILY_IPV4, FAMILY_IPV6, Hook, KEY_IPV4, KEY_IPV6, KEY_PAIR, Table,
    Transaction,
};

/// Before connection tracking, and before any rule an operator would write.
const PRIORITY: i32 = -300;
const INPUT: Hook = Hook { number: libc::NF_INET_LOCAL_IN as u32, priority: PRIORITY };
const OUTPUT: Hook = Hook { number: libc::NF_INET_LOCAL_OUT as u32, priority: PRIORITY };
const ARP_INPUT: Hook = Hook { number: 0, priority: PRIORITY };
const ARP_OUTPUT: Hook = Hook { number: 1, priority: PRIORITY };
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// ARP for IPv4 over Ethernet: hardware type, protocol type, address lengths.
const ARP_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_IPV4_REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
/// The sets of the gate; whether they hold IPv4 addresses.
const GATE: [(&str, bool); 2] = [("closed4", true), ("closed6", false)];
const TCP: u8 = libc::IPPROTO_TCP as u8;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// How to install.
#[derive(Clone, Copy)]
pub(super) struct Install {
    /// Deletes what was there.
    pub(super) anew: bool,
    /// Closes the gate, to the addresses of the spec and no other.
    pub(super) close_gate: bool,
}

/// Writes the transactions.
pub(super) struct Plan<'a> {
    pub(super) spec: &'a FenceSpec,
    pub(super) inet: &'a Table,
    pub(super) arp: Option<&'a Table>,
}

impl Plan<'_> {
    fn vips(&self, v4: bool) -> Vec<Vec<u8>> {
        self.spec.vips.iter().filter(|a| a.is_ipv4() == v4).map(|a| octets(*a)).collect()
    }

    /// The sets of living addresses that this pair uses, with the addresses.
    fn alive(&self) -> Vec<(&Table, &'static str, Vec<Vec<u8>>)> {
        let mut sets =
            vec![(self.inet, "alive4", self.vips(true)), (self.inet, "alive6", self.vips(false))];
        sets.extend(self.arp.map(|arp| (arp, "alive4", self.vips(true))));
        sets.retain(|(_, _, vips)| !vips.is_empty());
        sets
    }

    fn close_gate(&self, batch: &mut Batch) {
        for (set, v4) in GATE {
            let gated = self.spec.gated.iter().filter(|a| a.is_ipv4() == v4);
            let gated: Vec<Vec<u8>> = gated.map(|a| octets(*a)).collect();
            if !gated.is_empty() {
                batch.add_elements(self.inet, set, &gated, false);
            }
        }
    }

    /// For every address: an earlier start may have closed it to others.
    fn flush_gate(&self, batch: &mut Batch) {
        for (set, _) in GATE {
            batch.flush_set(self.inet, set);
        }
    }

    /// The sets of held addresses that this pair uses, with the addresses.
    fn held(&self) -> Vec<(&'static str, Vec<Vec<u8>>)> {
        let mut sets = vec![("held4", self.vips(true)), ("held6", self.vips(false))];
        sets.retain(|(_, vips)| !vips.is_empty());
        sets
    }

    pub(super) fn grant(&self, even_if_lapsed: bool) -> Transaction {
        let mut batch = Batch::new();
        for (table, set, vips) in self.alive() {
            revive(&mut batch, table, set, &vips, even_if_lapsed);
        }
        if even_if_lapsed {
            self.end_hold(&mut batch);
        }
        batch.finish()
    }

    pub(super) fn hold(&self) -> Transaction {
        let mut batch = Batch::new();
        for (set, vips) in self.held() {
            revive(&mut batch, self.inet, set, &vips, true);
        }
        batch.finish()
    }

    pub(super) fn unhold(&self) -> Transaction {
        let mut batch = Batch::new();
        self.end_hold(&mut batch);
        batch.finish()
    }

    fn end_hold(&self, batch: &mut Batch) {
        for (set, _) in self.held() {
            batch.flush_set(self.inet, set);
        }
    }

    pub(super) fn close(&self, gate: bool) -> Transaction {
        let mut batch = Batch::new();
        for (table, set, _) in self.alive() {
            batch.flush_set(table, set);
        }
        self.end_hold(&mut batch);
        if gate {
            self.close_gate(&mut batch);
        }
        batch.finish()
    }

    pub(super) fn open_gate(&self) -> Transaction {
        let mut batch = Batch::new();
        self.flush_gate(&mut batch);
        batch.finish()
    }

    pub(super) fn remove(&self) -> Transaction {
        let mut batch = Batch::new();
        for table in [Some(self.inet), self.arp].into_iter().flatten() {
            batch.add_table(table);
            batch.del_table(table);
        }
        batch.finish()
    }

    /// The whole rule set, and the number of its rules.
    pub(super) fn install(&self, how: Install) -> (Transaction, usize) {
        let mut batch = Batch::new();
        for table in [Some(self.inet), self.arp].into_iter().flatten() {
            batch.add_table(table);
            if how.anew {
                batch.del_table(table);
                batch.add_table(table);
            }
        }
        let t = self.inet;
        for (v4, key, [vip, alive, closed, held, ending]) in [
            (true, KEY_IPV4, ["vip4", "alive4", "closed4", "held4", "ending4"]),
            (false, KEY_IPV6, ["vip6", "alive6", "closed6", "held6", "ending6"]),
        ] {
            batch.add_set(t, vip, key, false);
            batch.flush_set(t, vip);
            if !self.vips(v4).is_empty() {
                batch.add_elements(t, vip, &self.vips(v4), false);
            }
            batch.add_set(t, alive, key, true);
            batch.add_set(t, closed, key, false);
            batch.add_set(t, held, key, true);
            batch.flush_set(t, held);
            batch.add_set(t, ending, KEY_PAIR, false);
            batch.flush_set(t, ending);
            // IPv4 counts its own header (here without options), IPv6 does not.
            batch.add_elements(t, ending, &endings(if v4 { 20 } else { 0 }), false);
        }
        if how.close_gate {
            self.flush_gate(&mut batch);
            self.close_gate(&mut batch);
        }
        batch.add_chain(t, "input", INPUT);
        batch.add_chain(t, "output", OUTPUT);
        // Before the rules that drop: a client learns at once that Redis closed its connection. An
        // ending carries no reply, and a client that lacks bytes before a FIN does not see it.
        // Whatever these rules can't read, they leave to be dropped. The test of the flags comes
        // first, as it spares nearly all packets the look-up.
        for (family, length, plain, ending) in [
            (FAMILY_IPV4, 2, (0, 0x45), "ending4"), // a header without options
            (FAMILY_IPV6, 4, (6, TCP), "ending6"),  // no extension headers
        ] {
            batch.add_rule(t, "output", |e| {
                e.protocol(TCP).transport(13, 1).masked(&[FIN | RST]).unequal(&[0]);
                e.family(family).network(plain.0, 1).equal(&[plain.1]);
                e.pair(length, 12, [0xf0, FIN | SYN | RST]).within(ending).accept_packet();
            });
        }
        for (chain, v4_offset, v6_offset, neighbour) in [
            ("input", 16, 24, NEIGHBOUR_SOLICITATION), // destination addresses
            ("output", 12, 8, NEIGHBOUR_ADVERTISEMENT), // source addresses
        ] {
            batch.add_rule(t, chain, |e| {
                e.family(FAMILY_IPV4).network(v4_offset, 4);
                e.within("vip4").outside("alive4").drop_packet();
            });
            batch.add_rule(t, chain, |e| {
                e.family(FAMILY_IPV6).network(v6_offset, 16);
                e.within("vip6").outside("alive6").drop_packet();
            });
            // The target address follows type, code, checksum and four flag bytes (RFC 4861
            // sections 4.3 and 4.4). Advertisements are let in: the other machine's tell local
            // clients where the address went.
            batch.add_rule(t, chain, |e| {
                e.family(FAMILY_IPV6).protocol(libc::IPPROTO_ICMPV6 as u8);
                e.transport(0, 1).equal(&[neighbour]).transport(8, 16);
                e.within("vip6").outside("alive6").drop_packet();
            });
        }
        let mut rules = 8;
        for (family, len, source, closed, destination, held) in [
            (FAMILY_IPV4, 4, 12, "closed4", 16, "held4"),
            (FAMILY_IPV6, 16, 8, "closed6", 24, "held6"),
        ] {
            batch.add_rule(t, "input", |e| {
                self.connecting(e).family(family).network(destination, len).within(held);
                e.drop_packet();
            });
            batch.add_rule(t, "input", |e| {
                self.connecting(e).family(family).network(source, len).within(closed);
                e.reset_connection();
            });
            rules += 2;
        }
        if let Some(t) = self.arp {
            batch.add_set(t, "vip4", KEY_IPV4, false);
            batch.flush_set(t, "vip4");
            batch.add_elements(t, "vip4", &self.vips(true), false);
            batch.add_set(t, "alive4", KEY_IPV4, true);
            batch.add_chain(t, "input", ARP_INPUT);
            batch.add_chain(t, "output", ARP_OUTPUT);
            // Requests for the address, but not the other machine's gratuitous ones (sender and
            // target alike), from which local clients learn where it went.
            batch.add_rule(t, "input", |e| {
                e.network(0, 8).equal(&ARP_IPV4_REQUEST).network(24, 4);
                e.within("vip4").outside("alive4").network(14, 4).outside("vip4").drop_packet();
            });
            batch.add_rule(t, "output", |e| {
                e.network(0, 6).equal(&ARP_IPV4).network(14, 4);
                e.within("vip4").outside("alive4").drop_packet();
            });
            rules += 2;
        }
        (batch.finish(), rules)
    }

    /// A new connection to Redis: SYN without ACK (RFC 9293 section 3.1).
    fn connecting<'e, 'w>(&self, e: &'e mut Expressions<'w>) -> &'e mut Expressions<'w> {
        e.protocol(TCP).transport(13, 1).masked(&[SYN | ACK]).equal(&[SYN]);
        e.transport(2, 2).equal(&self.spec.redis_port.to_be_bytes())
    }
}

/// Gives elements their timeout anew; a missing one fails the batch unless `even_if_missing`.
fn revive(batch: &mut Batch, t: &Table, set: &str, keys: &[Vec<u8>], even_if_missing: bool) {
    if even_if_missing {
        // Makes the deletion succeed.
        batch.add_elements(t, set, keys, true);
    }
    // Adding what exists does not extend its life; deleting and adding does.
    batch.del_elements(t, set, keys);
    batch.add_elements(t, set, keys, true);
}

/// The TCP segments that end a connection and carry nothing, as keys of `KEY_PAIR`: the length
/// that the IP header states, and data offset with flags. FIN or RST is set, SYN is not, and the
/// length is that of the headers, `ip_header` being what the stated length counts of IP's own.
fn endings(ip_header: u16) -> Vec<Vec<u8>> {
    let offsets = 5..=15u8; // of the data, in words (RFC 9293 section 3.1)
    let key = |offset: u8, flag| {
        let [high, low] = (ip_header + 4 * u16::from(offset)).to_be_bytes();
        vec![high, low, 0, 0, offset << 4, flag, 0, 0]
    };
    offsets.flat_map(|offset| [key(offset, FIN), key(offset, RST)]).collect()
}
