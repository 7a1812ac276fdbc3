//! The two machines and the addresses that move between them.

use core::net::IpAddr;
use keepair_core::config::{Member, Priority, Vip};

use super::reader::{At, Part, Reader};
use crate::keys;
use crate::value::{Fault, address, name};

/// A node as far as it could be read.
pub(super) struct Node {
    pub(super) name: Option<At<String>>,
    pub(super) address: Option<At<IpAddr>>,
    pub(super) priority: u8,
}

impl Node {
    pub(super) fn member(self) -> Option<Member> {
        Some(Member {
            name: self.name?.value,
            address: self.address?.value,
            priority: Priority(self.priority),
        })
    }

    /// Its name for a sentence.
    pub(super) fn shown_name(&self) -> String {
        self.name.as_ref().map_or_else(|| "a node".to_owned(), |name| format!("`{}`", name.value))
    }
}

pub(super) fn nodes(reader: &mut Reader<'_>, top: &Part<'_>) -> Vec<Node> {
    let Some(parts) = reader.tables(top, &keys::NODE) else {
        return Vec::new();
    };
    let miscount = match &*parts {
        [] => Some((top.span.clone(), "no node")),
        [one] => Some((one.span.clone(), "only one node")),
        [_, _] => None,
        [_, _, third, ..] => Some((third.span.clone(), "more than two nodes")),
    };
    if let Some((span, count)) = miscount {
        let hint = if parts.len() > 2 {
            "a pair has exactly two nodes: remove the others"
        } else {
            "a pair has exactly two nodes: write a [[node]] with name and address for each"
        };
        reader.error(span, Fault::new(count, hint));
    }
    let mut nodes: Vec<Node> = Vec::new();
    for part in &parts {
        let node = Node {
            name: reader.checked_text(part, &keys::NODE_NAME, name::node),
            address: reader.parsed(part, &keys::NODE_ADDRESS, address::parse),
            priority: reader.integer::<u8>(part, &keys::NODE_PRIORITY).value,
        };
        compare_nodes(reader, &nodes, &node);
        nodes.push(node);
    }
    nodes
}

fn compare_nodes(reader: &mut Reader<'_>, before: &[Node], node: &Node) {
    if let Some(name) = &node.name
        && before.iter().flat_map(|other| &other.name).any(|other| other.value == name.value)
    {
        let message = format!("two nodes with one name, `{}`", name.value);
        reader.error(name.span.clone(), Fault::new(message, "give each node a name of its own"));
    }
    let Some(address) = &node.address else { return };
    let others = || before.iter().filter_map(|other| Some((other, other.address.as_ref()?.value)));
    if let Some((other, _)) = others().find(|(_, other)| *other == address.value) {
        let message = format!("two nodes with one address, {}", address.value);
        let hint = format!("{} has it already: write this machine's own", other.shown_name());
        reader.error(address.span.clone(), Fault::new(message, hint));
    } else if let Some((other, theirs)) =
        others().find(|(_, other)| other.is_ipv4() != address.value.is_ipv4())
    {
        let message = format!(
            "nodes of two families: {} is {}, that of {} ({theirs}) is {}",
            address.value,
            family(address.value),
            other.shown_name(),
            family(theirs)
        );
        let hint = "write both addresses as IPv4 or both as IPv6";
        reader.error(address.span.clone(), Fault::new(message, hint));
    }
}

pub(super) fn vips(reader: &mut Reader<'_>, top: &Part<'_>, nodes: &[Node]) -> Vec<At<Vip>> {
    let mut vips: Vec<At<Vip>> = Vec::new();
    for text in reader.texts(top, &keys::VIP).unwrap_or_default() {
        let span = text.span;
        let vip = match address::parse_vip(&text.value) {
            Ok(vip) => vip,
            Err(fault) => {
                reader.error(span, fault);
                continue;
            }
        };
        // An advert must fit one frame of 1500 bytes, and counts its addresses in one byte.
        let most = if vip.address.is_ipv4() { 255 } else { 90 };
        if vips.len() == most {
            let message = format!("more than {most} virtual addresses do not fit an advert");
            reader.error(span, Fault::new(message, "remove some"));
            break;
        }
        let own = nodes
            .iter()
            .find(|node| node.address.as_ref().is_some_and(|own| own.value == vip.address));
        if vips.iter().any(|other| other.value.address == vip.address) {
            let message = format!("the virtual address {} stands here twice", vip.address);
            reader.error(span.clone(), Fault::new(message, "remove one"));
        } else if let Some(node) = own {
            let message = format!(
                "the virtual address {} is the address of {}",
                vip.address,
                node.shown_name()
            );
            let hint = "write an address no machine has: it moves between the two";
            reader.error(span.clone(), Fault::new(message, hint));
        }
        vips.push(At { value: vip, span });
    }
    let node_address = nodes.iter().find_map(|node| Some(node.address.as_ref()?.value));
    if let (Some(address), Some(first)) = (node_address, vips.first())
        && vips.iter().all(|vip| vip.value.address.is_ipv4() != address.is_ipv4())
    {
        // The packet's family is that of the addresses in it (RFC 9568 section 5.2.9); those of
        // the other family move along with them.
        let message =
            format!("no virtual address is {}, as the nodes' addresses are", family(address));
        let hint = "adverts travel between the nodes' addresses and carry their family: name one \
                    virtual address of it";
        reader.error(first.span.clone(), Fault::new(message, hint));
    }
    vips
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}
