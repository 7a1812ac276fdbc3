//! nftables messages: just the shapes that `fence` needs, collected in an atomic batch.
//!
//! Not a general nftables library. The numbers are those of the kernel's user-space interface
//! (`linux/netfilter/nf_tables.h`, `nfnetlink.h`); integers are big endian throughout.

use std::io;

use crate::netlink::{Refusal, Request, Writer};

pub(crate) const FAMILY_INET: u8 = libc::NFPROTO_INET as u8;
pub(crate) const FAMILY_ARP: u8 = libc::NFPROTO_ARP as u8;
pub(crate) const FAMILY_IPV4: u8 = libc::NFPROTO_IPV4 as u8;
pub(crate) const FAMILY_IPV6: u8 = libc::NFPROTO_IPV6 as u8;

/// Key types by which `nft list` shows a set; the kernel only stores them.
pub(crate) const KEY_IPV4: (u32, u32) = (7, 4);
pub(crate) const KEY_IPV6: (u32, u32) = (8, 16);
/// Two numbers of two bytes, each padded to four (shown as two ports).
pub(crate) const KEY_PAIR: (u32, u32) = ((13 << 6) | 13, 8);

const LIST_ELEM: u16 = 1;
const SET_ELEM_KEY: u16 = 1;
const SET_ELEM_TIMEOUT: u16 = 4;
const SET_ELEM_EXPIRATION: u16 = 5;
const SET_ELEM_LIST_ELEMENTS: u16 = 3;
const DATA_VALUE: u16 = 1;
const SET_FLAG_TIMEOUT: u32 = 0x10;
const RESOURCE: [u8; 2] = (libc::NFNL_SUBSYS_NFTABLES as u16).to_be_bytes();

const fn kind(message: i32) -> u16 {
    ((libc::NFNL_SUBSYS_NFTABLES << 8) | message) as u16
}

fn header(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

/// A table: family and name.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) family: u8,
    pub(crate) name: String,
}

/// Where a base chain hooks in.
#[derive(Clone, Copy)]
pub(crate) struct Hook {
    pub(crate) number: u32,
    pub(crate) priority: i32,
}

/// A transaction: all of it or nothing, seen by packets at one instant.
#[derive(Debug)]
pub(crate) struct Batch {
    writer: Writer,
    steps: Vec<String>,
    timeouts: Vec<usize>,
    set_ids: u32,
}

/// A finished transaction, to be sent once or many times.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) request: Request,
    steps: Vec<String>,
    timeouts: Vec<usize>,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        let mut writer = Writer::default();
        writer.message(libc::NFNL_MSG_BATCH_BEGIN as u16, 0, &[0, 0, RESOURCE[0], RESOURCE[1]]);
        let steps = vec!["transaction".to_owned()];
        Batch { writer, steps, timeouts: Vec::new(), set_ids: 0 }
    }

    fn begin(&mut self, step: String, message: i32, flags: i32, family: u8) -> &mut Writer {
        self.steps.push(step);
        self.writer.message(kind(message), flags, &header(family))
    }

    /// Creates a table unless it exists.
    pub(crate) fn add_table(&mut self, t: &Table) {
        self.begin(step("table", t, ""), libc::NFT_MSG_NEWTABLE, libc::NLM_F_CREATE, t.family)
            .string(1, &t.name);
    }

    /// Deletes a table with all it holds.
    pub(crate) fn del_table(&mut self, t: &Table) {
        self.begin(step("table", t, ""), libc::NFT_MSG_DELTABLE, 0, t.family).string(1, &t.name);
    }

    /// Creates a set unless it exists; with `expiring`, its elements may have a timeout.
    pub(crate) fn add_set(&mut self, t: &Table, name: &str, key: (u32, u32), expiring: bool) {
        self.set_ids += 1;
        let id = self.set_ids;
        self.begin(step("set", t, name), libc::NFT_MSG_NEWSET, libc::NLM_F_CREATE, t.family)
            .string(1, &t.name)
            .string(2, name)
            .be32(3, if expiring { SET_FLAG_TIMEOUT } else { 0 })
            .be32(4, key.0)
            .be32(5, key.1)
            .be32(10, id);
    }

    /// Adds elements; existing ones stay as they are. With `timed`, each gets a timeout, to be
    /// filled in by `Transaction::set_timeout`.
    pub(crate) fn add_elements(&mut self, t: &Table, set: &str, keys: &[Vec<u8>], timed: bool) {
        let mut timeouts = std::mem::take(&mut self.timeouts);
        let timed = timed.then_some(&mut timeouts);
        self.elements(libc::NFT_MSG_NEWSETELEM, libc::NLM_F_CREATE, t, set, keys, timed);
        self.timeouts = timeouts;
    }

    /// Deletes elements; a missing one fails the transaction with `ENOENT`.
    pub(crate) fn del_elements(&mut self, t: &Table, set: &str, keys: &[Vec<u8>]) {
        self.elements(libc::NFT_MSG_DELSETELEM, 0, t, set, keys, None);
    }

    /// Deletes every element of a set.
    pub(crate) fn flush_set(&mut self, t: &Table, set: &str) {
        self.begin(step("elements of set", t, set), libc::NFT_MSG_DELSETELEM, 0, t.family)
            .string(1, &t.name)
            .string(2, set);
    }

    fn elements(
        &mut self,
        message: i32,
        flags: i32,
        t: &Table,
        set: &str,
        keys: &[Vec<u8>],
        mut timeouts: Option<&mut Vec<usize>>,
    ) {
        self.begin(step("elements of set", t, set), message, flags, t.family)
            .string(1, &t.name)
            .string(2, set)
            .nest(SET_ELEM_LIST_ELEMENTS, |w| {
                for key in keys {
                    w.nest(LIST_ELEM, |w| {
                        w.nest(SET_ELEM_KEY, |w| {
                            w.attr(DATA_VALUE, key);
                        });
                        if let Some(timeouts) = timeouts.as_deref_mut() {
                            timeouts.push(w.position() + 4);
                            w.attr(SET_ELEM_TIMEOUT, &[0; 8]);
                        }
                    });
                }
            });
    }

    /// Creates a base chain (type filter, policy accept) unless it exists, and empties it.
    pub(crate) fn add_chain(&mut self, t: &Table, name: &str, hook: Hook) {
        self.begin(step("chain", t, name), libc::NFT_MSG_NEWCHAIN, libc::NLM_F_CREATE, t.family)
            .string(1, &t.name)
            .string(3, name)
            .nest(4, |w| {
                w.be32(1, hook.number).attr(2, &hook.priority.to_be_bytes());
            })
            .be32(5, libc::NF_ACCEPT as u32)
            .string(7, "filter");
        self.begin(step("rules of chain", t, name), libc::NFT_MSG_DELRULE, 0, t.family)
            .string(1, &t.name)
            .string(2, name);
    }

    /// Appends a rule.
    pub(crate) fn add_rule(
        &mut self,
        t: &Table,
        chain: &str,
        expressions: impl FnOnce(&mut Expressions<'_>),
    ) {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_APPEND;
        self.begin(step("rule in chain", t, chain), libc::NFT_MSG_NEWRULE, flags, t.family)
            .string(1, &t.name)
            .string(2, chain)
            .nest(4, |w| expressions(&mut Expressions(w)));
    }

    /// Ends the transaction.
    pub(crate) fn finish(mut self) -> Transaction {
        // One acknowledgement, for the last step; a refused step reports itself.
        self.writer.add_flags(libc::NLM_F_ACK);
        let end = libc::NFNL_MSG_BATCH_END as u16;
        self.writer.message(end, 0, &[0, 0, RESOURCE[0], RESOURCE[1]]);
        Transaction {
            request: self.writer.into_request(),
            steps: self.steps,
            timeouts: self.timeouts,
        }
    }
}

fn step(what: &str, table: &Table, name: &str) -> String {
    let family = if table.family == FAMILY_ARP { "arp" } else { "inet" };
    format!("{what} {family} {} {name}", table.name).trim_end().to_owned()
}

impl Transaction {
    /// Gives every timed element this timeout.
    pub(crate) fn set_timeout(&mut self, milliseconds: u64) {
        for &at in &self.timeouts {
            if let Some(field) = self.request.buf.get_mut(at..at + 8) {
                field.copy_from_slice(&milliseconds.to_be_bytes());
            }
        }
    }

    /// Says which step the kernel refused, and what the kernel lacks where that is the reason.
    pub(crate) fn explain(&self, refusal: Refusal) -> io::Error {
        let step = self.steps.get(refusal.message).map_or("transaction", String::as_str);
        let lacks = match refusal.errno {
            libc::EPERM => "; it needs CAP_NET_ADMIN",
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EINVAL
                if refusal.message == 0 =>
            {
                "; the kernel lacks nftables (CONFIG_NF_TABLES, module nf_tables)"
            }
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT if step.starts_with("table arp") => {
                "; the kernel lacks nftables for ARP (CONFIG_NF_TABLES_ARP)"
            }
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT if step.starts_with("table inet") => {
                "; the kernel lacks nftables for inet (CONFIG_NF_TABLES_INET)"
            }
            libc::ENOENT | libc::EOPNOTSUPP if step.starts_with("rule") => {
                "; the kernel lacks an expression of this rule (CONFIG_NFT_REJECT_INET?)"
            }
            _ => "",
        };
        refusal.into_error(&format!("nftables: {step}{lacks}"))
    }
}

/// The expressions of a rule; a packet that fails one leaves the rule.
pub(crate) struct Expressions<'a>(&'a mut Writer);

impl Expressions<'_> {
    fn expression(&mut self, name: &str, data: impl FnOnce(&mut Writer)) -> &mut Self {
        self.0.nest(LIST_ELEM, |w| {
            w.string(1, name).nest(2, data);
        });
        self
    }

    /// Loads bytes of the network header (IP, ARP).
    pub(crate) fn network(&mut self, offset: u32, len: u32) -> &mut Self {
        self.payload(libc::NFT_PAYLOAD_NETWORK_HEADER, offset, len, libc::NFT_REG_1)
    }

    /// Loads bytes of the transport header (TCP, ICMPv6); a later fragment has none and fails.
    pub(crate) fn transport(&mut self, offset: u32, len: u32) -> &mut Self {
        self.payload(libc::NFT_PAYLOAD_TRANSPORT_HEADER, offset, len, libc::NFT_REG_1)
    }

    /// Loads a `KEY_PAIR`: two bytes of the network header, and two of the transport header under
    /// `mask`.
    pub(crate) fn pair(&mut self, network: u32, transport: u32, mask: [u8; 2]) -> &mut Self {
        self.network(network, 2)
            .payload(libc::NFT_PAYLOAD_TRANSPORT_HEADER, transport, 2, libc::NFT_REG32_01)
            .bitwise(&mask, libc::NFT_REG32_01)
    }

    fn payload(&mut self, base: i32, offset: u32, len: u32, register: i32) -> &mut Self {
        self.expression("payload", |w| {
            w.be32(1, register as u32).be32(2, base as u32).be32(3, offset).be32(4, len);
        })
    }

    /// Loaded bytes under `mask`.
    pub(crate) fn masked(&mut self, mask: &[u8]) -> &mut Self {
        self.bitwise(mask, libc::NFT_REG_1)
    }

    fn bitwise(&mut self, mask: &[u8], register: i32) -> &mut Self {
        let zero = vec![0; mask.len()];
        self.expression("bitwise", |w| {
            w.be32(1, register as u32).be32(2, register as u32);
            w.be32(3, mask.len() as u32);
            w.nest(4, |w| {
                w.attr(DATA_VALUE, mask);
            });
            w.nest(5, |w| {
                w.attr(DATA_VALUE, &zero);
            });
        })
    }

    /// The loaded bytes are these.
    pub(crate) fn equal(&mut self, value: &[u8]) -> &mut Self {
        self.compare(libc::NFT_CMP_EQ, value)
    }

    /// The loaded bytes are others.
    pub(crate) fn unequal(&mut self, value: &[u8]) -> &mut Self {
        self.compare(libc::NFT_CMP_NEQ, value)
    }

    fn compare(&mut self, how: i32, value: &[u8]) -> &mut Self {
        self.expression("cmp", |w| {
            w.be32(1, libc::NFT_REG_1 as u32).be32(2, how as u32).nest(3, |w| {
                w.attr(DATA_VALUE, value);
            });
        })
    }

    /// The packet is of this family, `FAMILY_IPV4` or `FAMILY_IPV6`.
    pub(crate) fn family(&mut self, family: u8) -> &mut Self {
        self.meta(libc::NFT_META_NFPROTO as u32).equal(&[family])
    }

    /// The transport protocol is this one.
    pub(crate) fn protocol(&mut self, protocol: u8) -> &mut Self {
        self.meta(libc::NFT_META_L4PROTO as u32).equal(&[protocol])
    }

    /// The packet comes in by, or goes out by, the interface of this index.
    pub(crate) fn interface(&mut self, index: u32, input: bool) -> &mut Self {
        let key = if input { libc::NFT_META_IIF } else { libc::NFT_META_OIF };
        self.meta(key as u32).equal(&index.to_ne_bytes())
    }

    fn meta(&mut self, key: u32) -> &mut Self {
        self.expression("meta", |w| {
            w.be32(1, libc::NFT_REG_1 as u32).be32(2, key);
        })
    }

    /// The loaded bytes are in the set.
    pub(crate) fn within(&mut self, set: &str) -> &mut Self {
        self.lookup(set, 0)
    }

    /// The loaded bytes are not in the set.
    pub(crate) fn outside(&mut self, set: &str) -> &mut Self {
        self.lookup(set, libc::NFT_LOOKUP_F_INV as u32)
    }

    fn lookup(&mut self, set: &str, flags: u32) -> &mut Self {
        self.expression("lookup", |w| {
            w.string(1, set).be32(2, libc::NFT_REG_1 as u32).be32(5, flags);
        })
    }

    /// Drops the packet.
    pub(crate) fn drop_packet(&mut self) {
        self.verdict(libc::NF_DROP);
    }

    /// Lets the packet pass: no later rule of the chain sees it.
    pub(crate) fn accept_packet(&mut self) {
        self.verdict(libc::NF_ACCEPT);
    }

    fn verdict(&mut self, verdict: i32) {
        self.expression("immediate", |w| {
            w.be32(1, libc::NFT_REG_VERDICT as u32).nest(2, |w| {
                w.nest(2, |w| {
                    w.be32(1, verdict as u32);
                });
            });
        });
    }

    /// Answers the packet with a TCP reset.
    pub(crate) fn reset_connection(&mut self) {
        self.expression("reject", |w| {
            w.be32(1, libc::NFT_REJECT_TCP_RST as u32);
        });
    }
}

/// Asks for the elements of a set.
pub(crate) fn list_elements(t: &Table, set: &str) -> Request {
    let mut writer = Writer::default();
    writer
        .message(kind(libc::NFT_MSG_GETSETELEM), libc::NLM_F_DUMP, &header(t.family))
        .string(1, &t.name)
        .string(2, set);
    writer.into_request()
}

/// Asks for the rules of a table.
pub(crate) fn list_rules(t: &Table) -> Request {
    let mut writer = Writer::default();
    writer
        .message(kind(libc::NFT_MSG_GETRULE), libc::NLM_F_DUMP, &header(t.family))
        .string(1, &t.name);
    writer.into_request()
}

/// Whether a message of an answer describes a rule.
pub(crate) fn is_rule(message: u16) -> bool {
    message == kind(libc::NFT_MSG_NEWRULE)
}

/// An element as the kernel lists it: key, and remaining life in milliseconds.
pub(crate) fn parse_elements(message: u16, body: &[u8]) -> Vec<(Vec<u8>, Option<u64>)> {
    use crate::netlink::attributes;
    let mut found = Vec::new();
    if message != kind(libc::NFT_MSG_NEWSETELEM) {
        return found;
    }
    let lists = attributes(body.get(4..).unwrap_or_default());
    for (_, list) in lists.filter(|(kind, _)| *kind == SET_ELEM_LIST_ELEMENTS) {
        for (_, element) in attributes(list) {
            let (mut key, mut life) = (Vec::new(), None);
            for (kind, value) in attributes(element) {
                match kind {
                    SET_ELEM_KEY => {
                        key = attributes(value).next().map(|(_, v)| v.to_vec()).unwrap_or_default();
                    }
                    SET_ELEM_EXPIRATION => life = value.try_into().ok().map(u64::from_be_bytes),
                    _ => {}
                }
            }
            found.push((key, life));
        }
    }
    found
}
