//! Takes typed values out of the tree; whatever does not fit is found wrong.
//!
//! Knows the shape of blocks through the table of keywords. A value that is missing or wrong comes out
//! as `None`; what is wrong was then said. What values mean together is [`super::cross`]'s.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::file::File;
use super::found::{Found, Kind};
use super::keywords::{self, Body, Header, Keyword, Scope, Support, Takes};
use super::place::{Place, Placed};
use super::tree::{Node, Word};
use crate::keys::{self, Key};
use crate::value::{Fault, quote};

pub(super) mod address;
mod globals;
mod instance;
mod line;
mod number;
mod redis;
pub(super) mod route;
pub(super) mod rule;
mod scope;
mod script;
mod track;

/// What reads the tree.
pub(super) struct Reader<'a> {
    pub(super) found: &'a mut Found,
    /// Names of things that are defined somewhere, with their place among the lines of the top level.
    names: Names,
    /// Words without effect that were spoken of.
    noted: BTreeSet<&'static str>,
}

/// Where scripts, files, processes and instances are defined, to find them when they are named.
#[derive(Default)]
pub(super) struct Names {
    scripts: BTreeMap<String, (usize, Place)>,
    files: BTreeMap<String, (usize, Place)>,
    processes: BTreeMap<String, (usize, Place)>,
    instances: BTreeMap<String, (usize, Place)>,
    groups: BTreeMap<String, (usize, Place)>,
    /// Which line of the top level is being read.
    now: usize,
}

/// A keyword and the line that it begins.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t> {
    pub(super) keyword: &'static Keyword,
    pub(super) node: &'t Node,
    /// Which line of its block it is.
    at: usize,
}

impl Entry<'_> {
    fn name(&self) -> &'static str {
        self.keyword.name
    }

    /// How the line is to be written.
    fn synopsis(&self) -> String {
        let arguments = self.keyword.takes.synopsis();
        let gap = if arguments.is_empty() { "" } else { " " };
        format!("`{}{gap}{arguments}`", self.name())
    }

    /// The line without its block.
    fn place(&self) -> Place {
        self.node.place
    }

    /// A flag's value.
    fn flag(&self) -> Option<Placed<()>> {
        Some(Placed::new((), self.place()))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(found: &'a mut Found) -> Self {
        Reader { found, names: Names::default(), noted: BTreeSet::new() }
    }

    /// Reads the lines of the top level.
    pub(super) fn file(&mut self, nodes: &[Node]) -> File {
        self.collect_names(nodes);
        let mut file = File::default();
        let entries = self.entries(nodes, Scope::Top);
        // Other blocks ask the globals about the machine's users, wherever they stand.
        for entry in entries.iter().filter(|entry| entry.name() == "global_defs") {
            self.globals(entry.node, &mut file.globals);
        }
        for entry in entries {
            self.names.now = entry.at;
            self.top(entry, &mut file);
        }
        file
    }

    fn top(&mut self, entry: Entry<'_>, file: &mut File) {
        let node = entry.node;
        match entry.name() {
            "vrrp_instance" => file.instances.extend(self.instance(entry)),
            "vrrp_sync_group" => file.sync_groups.extend(self.sync_group(entry)),
            "vrrp_script" => file.scripts.extend(self.vrrp_script(entry)),
            "track_file" | "vrrp_track_file" => file.track_files.extend(self.track_file(entry)),
            "vrrp_track_process" => file.track_processes.extend(self.track_process(entry)),
            "track_group" => file.track_groups.extend(self.track_group(entry)),
            "static_ipaddress" => {
                let lines = self.lines_in(node).iter();
                file.static_addresses.extend(lines.filter_map(|line| self.address(line, true)));
            }
            "static_routes" => {
                let lines = self.lines_in(node).iter();
                file.static_routes.extend(lines.filter_map(|line| self.route(line, true)));
            }
            "static_rules" => {
                let lines = self.lines_in(node).iter();
                file.static_rules.extend(lines.filter_map(|line| self.rule(line, true)));
            }
            "child_wait_time" => file.child_wait = self.whole_seconds(entry),
            "garp_group" => file.garp_groups.extend(self.garp_group(node)),
            "interface_up_down_delays" => {
                let lines = self.lines_in(node).iter();
                file.up_down_delays.extend(lines.filter_map(|line| self.up_down_delay(line)));
            }
            _ => {}
        }
    }

    /// Finds what is defined, and what is defined twice.
    fn collect_names(&mut self, nodes: &[Node]) {
        for (at, node) in nodes.iter().enumerate() {
            let [_, name] = &*node.words else { continue };
            let names = match node.name() {
                "vrrp_script" => &mut self.names.scripts,
                "track_file" | "vrrp_track_file" => &mut self.names.files,
                "vrrp_track_process" => &mut self.names.processes,
                "vrrp_instance" => &mut self.names.instances,
                "vrrp_sync_group" => &mut self.names.groups,
                _ => continue,
            };
            if let Some((_, first)) = names.get(&name.text) {
                let fault = Fault::new(
                    format!("a second `{}` named {}", node.name(), quote(&name.text)),
                    "give one of them another name",
                );
                self.found.with(Kind::Dropped, name.place, fault, (*first, "the first one"));
            } else {
                names.insert(name.text.clone(), (at, name.place));
            }
        }
    }

    /// The lines of a block by their keywords. Lines that do not belong there, that are written
    /// wrongly, or that have no effect, are spoken of and left out.
    fn entries<'t>(&mut self, nodes: &'t [Node], scope: Scope) -> Vec<Entry<'t>> {
        let mut entries: Vec<Entry<'t>> = Vec::new();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, node) in nodes.iter().enumerate() {
            let Some(keyword) = keywords::find(scope, node.name()) else {
                self.unknown(node, scope);
                continue;
            };
            let entry = Entry { keyword, node, at };
            match keyword.support {
                Support::Full | Support::Own => {}
                Support::Old(new) => {
                    let fault = Fault::new(
                        format!("`{}` is an old word", entry.name()),
                        format!("write `{new}`"),
                    );
                    self.found.warning(node.name_place(), fault);
                }
                Support::Reading => {
                    if self.shape(entry) {
                        self.check(entry);
                    }
                    continue;
                }
                Support::NoEffect(why) => {
                    if self.shape(entry) {
                        self.check(entry);
                    }
                    self.no_effect(entry, why);
                    continue;
                }
                Support::Refused(why) => {
                    let fault = Fault::new(format!("`{}` is refused", entry.name()), why);
                    self.found.error(node.name_place(), fault);
                    continue;
                }
            }
            if !self.shape(entry) {
                continue;
            }
            let before = match keyword.repeats() {
                Repeats::Add => None,
                _ => seen.insert(entry.name(), entries.len()),
            };
            let Some(first) = before.and_then(|before| entries.get_mut(before)) else {
                entries.push(entry);
                continue;
            };
            seen.extend(before.map(|before| (entry.name(), before)));
            let (place, other) = (node.name_place(), first.node.name_place());
            let message = format!("`{}` stands here again", entry.name());
            match keyword.repeats() {
                Repeats::First => {
                    let fault = Fault::new(message, "the first one holds: take this one out");
                    self.found.with(Kind::Dropped, place, fault, (other, "the first one"));
                }
                _ => {
                    *first = entry;
                    let fault = Fault::new(message, "this one holds: take the other out");
                    self.found.with(Kind::Warning, place, fault, (other, "it does not count"));
                }
            }
        }
        entries
    }

    fn unknown(&mut self, node: &Node, scope: Scope) {
        let place = node.name_place();
        let name = node.name();
        if name.is_empty() {
            let fault = Fault::new("an empty word", "write a keyword");
            self.found.dropped(place, fault);
            return;
        }
        if keywords::find(Scope::Top, name).is_some() && keywords::is_top_block(name) {
            let fault = Fault::new(
                format!("`{name}` can't stand in {}", scope.name()),
                "close the block above it with `}` first",
            );
            self.found.syntax(place, fault);
            return;
        }
        let message = if node.words.first().is_some_and(is_url) {
            format!("a URL where {} has a keyword", scope.name())
        } else {
            format!("unknown keyword {} in {}", quote(name), scope.name())
        };
        let hint = (!self.found.is_full()).then(|| keywords::hint(scope, name));
        // These blocks are ours or about security: nothing in them is left out.
        if scope.is_ours() || scope == Scope::AuthHmac {
            self.found.error(place, Fault { message, hint });
        } else {
            self.found.dropped(place, Fault { message, hint });
        }
    }

    fn no_effect(&mut self, entry: Entry<'_>, why: &'static str) {
        let skipped = matches!(entry.keyword.takes, Takes::Block(_, Body::Skipped));
        // One line about the load balancer says it for all of its blocks.
        let key = if skipped { why } else { entry.name() };
        if self.noted.insert(key) {
            let what = if skipped { "is skipped" } else { "has no effect" };
            let fault = Fault::new(format!("`{}` {what}", entry.name()), why);
            self.found.warning(entry.node.name_place(), fault);
        }
    }

    /// Whether the line has a block if it must, and none if it may not; with the header it takes.
    fn shape(&mut self, entry: Entry<'_>) -> bool {
        let Entry { keyword, node, .. } = entry;
        match (keyword.takes, &node.block) {
            (Takes::Block(header, body), Some(_)) => {
                let arguments = node.arguments();
                match (header, arguments) {
                    (Header::Name, [_]) | (Header::Bare, []) => true,
                    (Header::Name, _) => {
                        let fault = Fault::new(
                            format!("`{}` takes one name", keyword.name),
                            "a name with blanks stands in double quotes",
                        );
                        self.found.dropped(node.place, fault);
                        false
                    }
                    // The load balancer's blocks have headers of many kinds.
                    (Header::Bare, _) if body == Body::Skipped => true,
                    (Header::Bare, [extra, ..]) => {
                        self.before_brace(entry, body, extra);
                        true
                    }
                }
            }
            (Takes::Block(..), None) => {
                let fault = Fault::new(
                    format!("`{}` without a block", keyword.name),
                    "write `{` behind it, and `}` after its lines",
                );
                self.found.syntax(node.place, fault);
                false
            }
            (_, Some(block)) => {
                let fault = Fault::new(
                    format!("`{}` has no block", keyword.name),
                    format!("write it like this: {}", entry.synopsis()),
                );
                self.found.syntax(block.open, fault);
                false
            }
            (_, None) => true,
        }
    }

    /// Looks at the value of a word that nobody reads.
    fn check(&mut self, entry: Entry<'_>) {
        match entry.keyword.takes {
            Takes::Nothing => self.nothing(entry),
            Takes::Switch => drop(self.switch(entry)),
            Takes::Number(..) => drop(self.number::<i64>(entry)),
            Takes::Seconds(..) => drop(self.seconds(entry)),
            Takes::Word(_) | Takes::Interface => drop(self.word(entry)),
            Takes::OptionalWord(_) => drop(self.optional_word(entry)),
            Takes::Weight(most) => drop(self.weight(entry, most)),
            _ => {}
        }
    }

    /// A word between a keyword and its brace. Where entries are, it may be one.
    fn before_brace(&mut self, entry: Entry<'_>, body: Body, word: &Word) {
        if matches!(body, Body::Keywords(_)) {
            self.extra(entry, word);
            return;
        }
        let fault = Fault::new(
            format!("{} stands before the brace", quote(&word.text)),
            "what stands there is not used: put it behind the brace",
        );
        self.found.dropped(word.place, fault);
    }

    /// A word that is not used.
    fn extra(&mut self, entry: Entry<'_>, word: &Word) {
        let message = match entry.keyword.takes {
            // It may belong to a password.
            Takes::Secret | Takes::Script => "a word more than is used".to_owned(),
            Takes::Toml(Key { kind: keys::Kind::Secret, .. }) => {
                "a word more than is used".to_owned()
            }
            _ if entry.node.words.iter().any(is_url) => "a word more than is used".to_owned(),
            _ => format!("{} is not used", quote(&word.text)),
        };
        let fault = Fault::new(message, format!("write {}", entry.synopsis()));
        self.found.warning(word.place, fault);
    }

    fn nothing(&mut self, entry: Entry<'_>) {
        if let Some(extra) = entry.node.arguments().first() {
            self.extra(entry, extra);
        }
    }

    /// A flag that stands by itself.
    fn set(&mut self, entry: Entry<'_>) -> Option<Placed<()>> {
        self.nothing(entry);
        entry.flag()
    }

    /// The one word behind the keyword. keepalived ends its life if it is missing.
    fn word<'t>(&mut self, entry: Entry<'t>) -> Option<&'t Word> {
        match entry.node.arguments() {
            [] => {
                let fault = Fault::new(
                    format!("`{}` without a value", entry.name()),
                    format!("write {}", entry.synopsis()),
                );
                self.found.error(entry.place(), fault);
                None
            }
            [word] => Some(word),
            [word, extra, ..] => {
                self.extra(entry, extra);
                Some(word)
            }
        }
    }

    /// The one word behind the keyword, or none.
    fn optional_word<'t>(&mut self, entry: Entry<'t>) -> Option<&'t Word> {
        if let [_, extra, ..] = entry.node.arguments() {
            self.extra(entry, extra);
        }
        entry.node.arguments().first()
    }

    /// Text that may not be empty.
    fn text(&mut self, entry: Entry<'_>) -> Option<Placed<String>> {
        let word = self.word(entry)?;
        if word.text.is_empty() {
            let fault = Fault::new(
                format!("`{}` is empty", entry.name()),
                "write something between the quotes, or leave the line out",
            );
            match entry.keyword.scope.is_ours() {
                true => self.found.error(word.place, fault),
                false => self.found.dropped(word.place, fault),
            }
            return None;
        }
        Some(Placed::new(word.text.clone(), word.place))
    }

    /// The name of an interface.
    fn interface(&mut self, entry: Entry<'_>) -> Option<Placed<String>> {
        let word = self.word(entry)?;
        self.interface_name(word).map(|name| Placed::new(name, word.place))
    }

    fn interface_name(&mut self, word: &Word) -> Option<String> {
        let name = crate::value::name::interface(&word.text);
        let name = if word.text.is_empty() {
            Err(Fault::new("an empty interface name", "write one, like eth0"))
        } else {
            name
        };
        match name {
            Ok(()) => Some(word.text.clone()),
            Err(fault) => {
                self.found.dropped(word.place, fault);
                None
            }
        }
    }

    /// on, off, and the like; on if nothing is written.
    fn switch(&mut self, entry: Entry<'_>) -> Option<Placed<bool>> {
        let Some(word) = self.optional_word(entry) else {
            return Some(Placed::new(true, entry.place()));
        };
        let value = match &*word.text {
            "on" | "true" | "yes" => true,
            "off" | "false" | "no" => false,
            _ => {
                let fault = Fault::new(
                    format!("`{}`: {} is neither on nor off", entry.name(), quote(&word.text)),
                    "write on, off, true, false, yes or no, in small letters",
                );
                self.found.dropped(word.place, fault);
                return None;
            }
        };
        Some(Placed::new(value, word.place))
    }

    /// A whole number within the bounds of its keyword, which `T` must hold.
    fn number<T: TryFrom<i64>>(&mut self, entry: Entry<'_>) -> Option<Placed<T>> {
        let Takes::Number(least, most) = entry.keyword.takes else { return None };
        let word = self.word(entry)?;
        let number = self.integer(word, entry.name(), least, most)?;
        Some(Placed::new(T::try_from(number).ok()?, word.place))
    }

    /// A whole number from `least` to `most`.
    fn integer(&mut self, word: &Word, what: &str, least: i64, most: i64) -> Option<i64> {
        let bounds = || format!("write a number from {least} to {most}");
        let Some(number) = number::integer(&word.text) else {
            let fault = Fault::new(
                format!("`{what}`: {} is not a whole number", quote(&word.text)),
                bounds(),
            );
            self.found.dropped(word.place, fault);
            return None;
        };
        if !(least..=most).contains(&number) {
            let fault =
                Fault::new(format!("`{what}`: {} is out of range", quote(&word.text)), bounds());
            self.found.dropped(word.place, fault);
            return None;
        }
        Some(number)
    }

    /// A time in seconds, with decimals if need be, within the bounds of its keyword.
    fn seconds(&mut self, entry: Entry<'_>) -> Option<Placed<Duration>> {
        let Takes::Seconds(least, most) = entry.keyword.takes else { return None };
        let word = self.word(entry)?;
        let time = self.time(word, entry.name(), least, most)?;
        Some(Placed::new(time, word.place))
    }

    /// A time in seconds; the bounds are microseconds.
    fn time(&mut self, word: &Word, what: &str, least: u64, most: u64) -> Option<Duration> {
        let bounds = || {
            let [least, most] = [least, most].map(number::show_us);
            format!("write seconds from {least} to {most}")
        };
        let Some(number::Decimal { us, rounded }) = number::decimal(&word.text) else {
            let fault = Fault::new(
                format!("`{what}`: {} is not a number of seconds", quote(&word.text)),
                bounds(),
            );
            self.found.dropped(word.place, fault);
            return None;
        };
        if !(least..=most).contains(&us) {
            let fault =
                Fault::new(format!("`{what}`: {} is out of range", quote(&word.text)), bounds());
            self.found.dropped(word.place, fault);
            return None;
        }
        if rounded {
            let fault = Fault::new(
                format!("`{what}`: {} is finer than a microsecond", quote(&word.text)),
                format!("it is rounded to {}", number::show_us(us)),
            );
            self.found.warning(word.place, fault);
        }
        Some(Duration::from_micros(us))
    }

    /// One of the words the keyword takes.
    fn choice(&mut self, entry: Entry<'_>) -> Option<Placed<&'static str>> {
        let Takes::OneOf(choices) = entry.keyword.takes else { return None };
        let word = self.word(entry)?;
        self.one_of(word, entry.name(), choices)
    }

    fn one_of(
        &mut self,
        word: &Word,
        what: &str,
        choices: &[&'static str],
    ) -> Option<Placed<&'static str>> {
        let choice = choices.iter().find(|choice| **choice == word.text);
        if choice.is_none() {
            let fault = Fault::new(
                format!("`{what}`: {} is none of its words", quote(&word.text)),
                format!("write {}", choices.join(", or ")),
            );
            self.found.dropped(word.place, fault);
        }
        Some(Placed::new(*choice?, word.place))
    }

    /// An IP address of the family the keyword takes.
    fn ip(&mut self, entry: Entry<'_>) -> Option<Placed<IpAddr>> {
        let word = self.word(entry)?;
        let address = self.ip_word(word)?;
        let wrong = match (entry.keyword.takes, address) {
            (Takes::Address4, IpAddr::V6(_)) => Some("IPv4"),
            (Takes::Address6, IpAddr::V4(_)) => Some("IPv6"),
            _ => None,
        };
        if let Some(family) = wrong {
            let fault = Fault::new(
                format!("`{}`: {address} is not {family}", entry.name()),
                format!("write an address of {family}"),
            );
            self.found.dropped(word.place, fault);
            return None;
        }
        Some(Placed::new(address, word.place))
    }

    fn ip_word(&mut self, word: &Word) -> Option<IpAddr> {
        let address = word.text.parse().ok();
        if address.is_none() {
            let fault = Fault::new(
                format!("{} is not an IP address", quote(&word.text)),
                "write an address like 172.18.0.10 or fd00::10; names are not resolved",
            );
            self.found.dropped(word.place, fault);
        }
        address
    }

    /// The words of a block whose every word is an entry.
    fn names_in(&mut self, node: &Node) -> Vec<Placed<String>> {
        let mut names = Vec::new();
        for line in node.lines() {
            if let Some(block) = &line.block {
                let fault = Fault::new(
                    format!("`{}` takes names only", node.name()),
                    "take the braces out",
                );
                self.found.syntax(block.open, fault);
            }
            let words = line.words.iter().filter(|word| !word.text.is_empty());
            names.extend(words.map(|word| Placed::new(word.text.clone(), word.place)));
        }
        names
    }

    /// The lines of a block whose every line is an entry.
    fn lines_in<'t>(&mut self, node: &'t Node) -> &'t [Node] {
        for line in node.lines() {
            if let Some(block) = &line.block {
                let fault = Fault::new(
                    format!("`{}` takes one entry to a line", node.name()),
                    "take the braces out",
                );
                self.found.syntax(block.open, fault);
            }
        }
        node.lines()
    }
}

/// Whether a word is a URL or the beginning of one. It may hold a password, and is not quoted.
fn is_url(word: &Word) -> bool {
    word.text.contains("://")
}

/// What a second line with the same keyword does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// It adds to the first.
    Add,
    /// It counts instead of the first.
    Last,
    /// It does not count.
    First,
}

impl Keyword {
    fn keeps_first(&self) -> bool {
        match self.scope {
            Scope::Global => matches!(self.name, "vmac_prefix" | "vmac_addr_prefix"),
            Scope::Instance => matches!(self.name, "use_vmac" | "notify_deleted"),
            Scope::TrackFile => matches!(self.name, "file" | "weight"),
            Scope::TrackProcess => matches!(self.name, "process" | "weight"),
            _ => false,
        }
    }

    fn repeats(&self) -> Repeats {
        match self.takes {
            // Of these an instance has one.
            Takes::Block(_, Body::Keywords(scope))
                if scope.is_ours() || scope == Scope::AuthHmac =>
            {
                Repeats::Last
            }
            Takes::Block(..) => Repeats::Add,
            Takes::Script | Takes::Fifo => Repeats::First,
            // Of these keepalived keeps the first one, and says so.
            _ if self.keeps_first() => Repeats::First,
            // Their readers know better, or there may be several.
            _ if matches!(
                (self.scope, self.name),
                (Scope::Instance, "state")
                    | (Scope::AuthHmac, "key")
                    | (Scope::GarpGroup, "interface")
            ) =>
            {
                Repeats::Add
            }
            _ => Repeats::Last,
        }
    }
}

impl Takes {
    /// How to write what stands behind the keyword.
    pub(super) fn synopsis(self) -> String {
        match self {
            Takes::Nothing => String::new(),
            Takes::Switch => "[on|off]".to_owned(),
            Takes::Number(least, most) => format!("{least}..{most}"),
            Takes::Seconds(least, most) => {
                format!("{}..{} seconds", number::show_us(least), number::show_us(most))
            }
            Takes::Word(name) | Takes::Words(name) => name.to_owned(),
            Takes::OptionalWord(name) => format!("[{name}]"),
            Takes::OneOf(words) => words.join("|"),
            Takes::Address4 => "IPV4_ADDRESS".to_owned(),
            Takes::Address6 => "IPV6_ADDRESS".to_owned(),
            Takes::Address => "ADDRESS".to_owned(),
            Takes::Interface => "INTERFACE".to_owned(),
            Takes::Script => "SCRIPT [USER [GROUP]]".to_owned(),
            Takes::Command => "SCRIPT".to_owned(),
            Takes::User => "USER [GROUP]".to_owned(),
            Takes::Fifo => "PATH [USER [GROUP]]".to_owned(),
            Takes::Secret => "PASSWORD".to_owned(),
            Takes::Weight(most) => format!("-{most}..{most} [reverse]"),
            Takes::Toml(key) => redis::synopsis(key),
            Takes::Block(header, body) => {
                let name = if header == Header::Name { "NAME " } else { "" };
                match body {
                    Body::Keywords(_) | Body::Skipped => format!("{name}{{ ... }}"),
                    Body::Lines(lines) => format!("{name}{{ {lines} }}"),
                    Body::Words(words) => format!("{name}{{ {words} ... }}"),
                }
            }
        }
    }
}

/// Seconds as a person would write them.
pub(super) fn show_seconds(time: Duration) -> String {
    number::show_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}
