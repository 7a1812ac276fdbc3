//! The interfaces of a configuration as they are: looked at anew whenever the kernel says that
//! something about one of them changed.

use std::io;
use std::net::IpAddr;

use keepair_core::router::config::LinkId;
use keepair_core::router::input::LinkState;

use crate::rtnl::{Link, OwnAddress, Rtnl};

/// The interfaces, by [`LinkId`].
#[derive(Default, Debug)]
pub(crate) struct Links {
    entries: Vec<Entry>,
}

/// An interface.
#[derive(Clone, Default, Debug)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// As the kernel has it; `None` if it has none of this name.
    pub(crate) link: Option<Link>,
    /// As the router was told.
    pub(crate) told: Option<LinkState>,
}

impl Links {
    /// Interfaces that have not been looked at. What was known of those of the same name stays.
    pub(crate) fn rename<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        let old = std::mem::take(&mut self.entries);
        self.entries = names
            .map(|name| {
                let known = old.iter().find(|entry| entry.name == *name).cloned();
                known.unwrap_or_else(|| Entry { name: name.clone(), ..Entry::default() })
            })
            .collect();
    }

    /// One of them.
    pub(crate) fn get(&self, LinkId(at): LinkId) -> Option<&Entry> {
        self.entries.get(at)
    }

    /// All of them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.entries.len()).map(LinkId)
    }

    /// Which one the kernel calls by this number.
    pub(crate) fn by_index(&self, ifindex: u32) -> Option<LinkId> {
        let is = |entry: &Entry| entry.link.as_ref().is_some_and(|link| link.index == ifindex);
        self.entries.iter().position(is).map(LinkId)
    }

    /// Which one has this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<LinkId> {
        self.entries.iter().position(|entry| entry.name == name).map(LinkId)
    }

    /// The index of the interface of this name, if it is there and was looked at.
    pub(crate) fn index_of(&self, name: &str) -> Option<u32> {
        let entry = self.by_name(name).and_then(|id| self.get(id))?;
        entry.link.as_ref().map(|link| link.index)
    }

    /// Looks at an interface. The new state if the router has not been told of it; `virtuals` says
    /// of an address whether it is a virtual one of that interface.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(crate) fn look(
        &mut self,
        rtnl: &mut Rtnl,
        LinkId(at): LinkId,
        virtuals: impl Fn(&str, &OwnAddress) -> bool,
    ) -> io::Result<Option<LinkState>> {
        let Some(entry) = self.entries.get_mut(at) else { return Ok(None) };
        entry.link = rtnl.link_by_name(&entry.name)?;
        let mut state = LinkState::default();
        if let Some(link) = &entry.link {
            (state.up, state.mtu) = (link.up && link.running, link.mtu);
            for own in rtnl.own_addresses_of(link.index)? {
                if virtuals(&entry.name, &own) {
                    continue;
                }
                match own.address {
                    IpAddr::V4(address) => state.v4 = state.v4.or(Some(address)),
                    IpAddr::V6(address) if address.is_unicast_link_local() => {
                        state.v6 = state.v6.or(Some(address));
                    }
                    IpAddr::V6(_) => {}
                }
                state.all.push(own.address);
            }
        }
        if entry.told.as_ref() == Some(&state) {
            return Ok(None);
        }
        entry.told = Some(state.clone());
        Ok(Some(state))
    }
}
