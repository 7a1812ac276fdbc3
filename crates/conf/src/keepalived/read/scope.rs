//! Names for numbers that the kernel knows addresses and routes by.

use core::net::IpAddr;

use super::{Reader, number};
use crate::keepalived::file::Table;
use crate::keepalived::tree::Word;
use crate::value::{Fault, quote};

const SCOPES: [(&str, u8); 5] =
    [("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

/// The tables every kernel has.
const TABLES: [(&str, u32); 3] = [("default", 253), ("main", 254), ("local", 255)];

impl Reader<'_> {
    pub(super) fn scope(&mut self, word: &Word) -> Option<u8> {
        let named = SCOPES.iter().find(|(name, _)| *name == word.text).map(|(_, number)| *number);
        let scope = named.or_else(|| u8::try_from(number::c_number(&word.text)?).ok());
        if scope.is_none() {
            let fault = Fault::new(
                format!("{} is no scope", quote(&word.text)),
                "write global, site, link, host, nowhere, or a number up to 255",
            );
            self.found.dropped(word.place, fault);
        }
        scope
    }

    /// A number up to `most`, or a name that somebody else has to look up.
    pub(super) fn table(&mut self, word: &Word, what: &str, most: u32) -> Option<Table> {
        let known = TABLES.iter().find(|(name, _)| what == "table" && *name == word.text);
        if let Some((_, number)) = known {
            return Some(Table::Number(*number));
        }
        let is_name = word.text.starts_with(|first: char| first.is_ascii_alphabetic());
        if is_name {
            return Some(Table::Name(word.text.clone()));
        }
        let number = number::c_number(&word.text).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| *number <= most);
        if number.is_none() {
            let fault = Fault::new(
                format!("{} is no {what}", quote(&word.text)),
                format!("write a name, or a number up to {most}"),
            );
            self.found.dropped(word.place, fault);
        }
        number.map(Table::Number)
    }

    /// A number up to 255 as C writes it.
    pub(super) fn tos(&mut self, word: &Word) -> Option<u8> {
        let tos = number::c_number(&word.text).and_then(|tos| u8::try_from(tos).ok());
        if tos.is_none() {
            let fault = Fault::new(
                format!("{} is no type of service", quote(&word.text)),
                "write a number up to 255, like 0x10",
            );
            self.found.dropped(word.place, fault);
        }
        tos
    }

    /// An address and the length of its prefix, if one is written.
    pub(super) fn prefix(&mut self, word: &Word) -> Option<(IpAddr, Option<u8>)> {
        let (address, length) = match word.text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (&*word.text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            let hint = crate::value::address::parse_vip(&word.text).err().and_then(|it| it.hint);
            let message = format!("{} is not an address", quote(&word.text));
            self.found.dropped(word.place, Fault { message, hint });
            return None;
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let Some(length) = length else { return Some((address, None)) };
        // keepalived takes nothing for 0, and what it does not understand for all of the address.
        let number = number::integer(length).filter(|length| (0..=most).contains(length));
        let Some(length) = number.and_then(|length| u8::try_from(length).ok()) else {
            let fault = Fault::new(
                format!("{} is no length of a prefix", quote(&format!("/{length}"))),
                format!("write a number of bits up to {most}, like /24"),
            );
            self.found.dropped(word.place, fault);
            return Some((address, None));
        };
        Some((address, Some(length)))
    }
}
