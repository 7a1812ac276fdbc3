//! `accept` off: packets to and from the addresses are dropped, as RFC 9568 wants it of a router
//! that does not own them. Neighbour discovery passes, or nobody would find the address.
//!
//! One table of nftables, laid anew in one transaction whenever the set of addresses changes.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use rustix::net::netlink;

use super::plan::is_link_local;
use crate::netlink::Socket;
use crate::nft::{
    Batch, Expressions, FAMILY_INET, FAMILY_IPV4, FAMILY_IPV6, Hook, KEY_IPV4, KEY_IPV6, Table,
};
use crate::rtnl::octets;

/// keepalived's: just before the filters of others.
const PRIORITY: i32 = -1;
const ICMPV6: u8 = libc::IPPROTO_ICMPV6 as u8;
/// Neighbour solicitation and advertisement.
const NEIGHBOUR: [u8; 2] = [135, 136];

/// An address that nothing comes to, and the interface's index if it is link-local.
type Dropped = (IpAddr, Option<u32>);

/// The table.
#[derive(Default, Debug)]
pub(crate) struct Firewall {
    laid: BTreeSet<Dropped>,
    socket: Option<Socket>,
}

impl Firewall {
    /// Drops packets to and from exactly these addresses, each with its interface's index.
    ///
    /// # Errors
    /// When the kernel has no nftables, or refuses.
    pub(crate) fn lay(&mut self, addresses: impl Iterator<Item = (IpAddr, u32)>) -> io::Result<()> {
        let wanted: BTreeSet<Dropped> = addresses
            .map(|(address, index)| (address, is_link_local(address).then_some(index)))
            .collect();
        if wanted == self.laid {
            return Ok(());
        }
        let table = Table { family: FAMILY_INET, name: "keepair-accept".to_owned() };
        let mut batch = Batch::new();
        // To delete what may not be there, it is made first.
        batch.add_table(&table);
        batch.del_table(&table);
        if !wanted.is_empty() {
            batch.add_table(&table);
            rules(&mut batch, &table, &wanted);
        }
        let mut transaction = batch.finish();
        if self.socket.is_none() {
            self.socket = Some(Socket::open(Some(netlink::NETFILTER))?);
        }
        let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match socket.request(&mut transaction.request, |_, _| ()) {
            Ok(()) => {
                self.laid = wanted;
                Ok(())
            }
            Err(refusal) => Err(transaction.explain(refusal)),
        }
    }
}

fn rules(batch: &mut Batch, table: &Table, wanted: &BTreeSet<Dropped>) {
    for (set, key, v4) in [("vips4", KEY_IPV4, true), ("vips6", KEY_IPV6, false)] {
        let global =
            wanted.iter().filter(|(address, index)| address.is_ipv4() == v4 && index.is_none());
        let keys: Vec<Vec<u8>> = global.map(|(address, _)| octets(*address)).collect();
        batch.add_set(table, set, key, false);
        if !keys.is_empty() {
            batch.add_elements(table, set, &keys, false);
        }
    }
    for (chain, hook, input) in
        [("in", libc::NF_INET_LOCAL_IN, true), ("out", libc::NF_INET_LOCAL_OUT, false)]
    {
        batch.add_chain(table, chain, Hook { number: hook as u32, priority: PRIORITY });
        for kind in NEIGHBOUR {
            batch.add_rule(table, chain, |e| {
                e.family(FAMILY_IPV6)
                    .protocol(ICMPV6)
                    .transport(0, 1)
                    .equal(&[kind])
                    .accept_packet();
            });
        }
        batch.add_rule(table, chain, |e| {
            e.family(FAMILY_IPV4)
                .network(if input { 16 } else { 12 }, 4)
                .within("vips4")
                .drop_packet();
        });
        batch.add_rule(table, chain, |e| v6(e, input).within("vips6").drop_packet());
        for (address, index) in wanted.iter().filter_map(|(a, index)| Some((*a, (*index)?))) {
            batch.add_rule(table, chain, |e| {
                v6(e, input).equal(&octets(address)).interface(index, input).drop_packet();
            });
        }
    }
}

/// Loads the address of IPv6 that counts: where a packet goes to that comes in, and the other.
fn v6<'a, 'b>(e: &'a mut Expressions<'b>, input: bool) -> &'a mut Expressions<'b> {
    e.family(FAMILY_IPV6).network(if input { 24 } else { 8 }, 16)
}
