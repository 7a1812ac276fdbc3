//! `keepair.toml` -> [`Config`], all mistakes in one go.
//!
//! Walks the spanned tables by hand, for a derived reader stops at the first mistake. Here is what
//! the values mean together; single values are [`reader`]'s, the strings' inside `value`'s.

use ::toml::de::DeTable;
use core::ops::Range;
use core::time::Duration;
use keepair_core::config::{Announce, Member, Vrid};

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::keys::{self, Section};
use crate::value::{Fault, duration, name};
use pair::Node;
use reader::{Part, Reader, Set};

mod access;
mod pair;
mod reader;
#[cfg(test)]
mod tests;
mod tiebreaker;
mod timing;

/// Reads `text`, the contents of `file_name` (which is only printed). Gives the configuration with
/// its warnings, or everything that is wrong; both in the order of the file.
pub fn parse(file_name: &str, text: &str) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut reader = Reader::new(file_name, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty()
        && let Some(span) = keepalived_section(text)
    {
        // Most who come here have one; a syntax error for each of its lines would not help.
        let fault = Fault::new(
            "this is a keepalived.conf, not a keepair.toml",
            "give it a name that ends in .conf, or convert it: `keepair convert FILE`",
        );
        reader.error(span, fault);
        return Err(reader.finish().0);
    }
    let mut places: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    places.sort_by_key(|(span, _)| span.start);
    let mut legible = true;
    let mut last_line = None;
    for (span, message) in places {
        let line = text.get(..span.start).and_then(|before| before.rfind('\n'));
        let duplicate = message == "duplicate key";
        // What comes after a syntax error in its line is mostly an echo of it.
        if duplicate || last_line != Some(line) {
            let fault = syntax_fault(message, span.is_empty());
            reader.error(span, fault);
        }
        last_line = Some(line);
        legible &= duplicate;
    }
    if !legible {
        // The values around a syntax error are guesses: to judge them would mislead.
        return Err(reader.finish().0);
    }
    let top = Part { section: Section::Top, table: Some(root.get_ref()), span: 0..0 };
    let config = read(&mut reader, &top);
    match (config, reader.finish()) {
        (Some(config), (warnings, false)) => Ok((config, warnings)),
        (_, (found, _)) => Err(found),
    }
}

/// Where a section of a keepalived.conf begins, if this is one.
fn keepalived_section(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let word = line.trim_start();
        if word.starts_with("vrrp_instance ") {
            let at = start + line.len() - word.len();
            return Some(at..at + "vrrp_instance".len());
        }
        start += line.len();
    }
    None
}

/// The parser's message in an operator's words, as far as they are better.
fn syntax_fault(message: &str, nothing: bool) -> Fault {
    let (what, hint) = match message.split_once(", expected ") {
        None if message == "duplicate key" => {
            (message, Some("a key stands once in a section: remove one of the two"))
        }
        Some(("string values must be quoted", _)) if !nothing => {
            ("a string without quotes", Some("put it in quotes"))
        }
        Some(("key with no value" | "string values must be quoted", _)) => {
            ("a key without a value", Some("write `key = value`, one to a line"))
        }
        Some(("invalid basic string", "`\"`")) | Some(("invalid literal string", "`'`")) => {
            ("a string without an end", Some("close it with a quote"))
        }
        Some(_) if message.contains("newline") => (message, Some("one `key = value` to a line")),
        _ => (message, None),
    };
    Fault { message: what.to_owned(), hint: hint.map(str::to_owned) }
}

/// `None` when there was an error that leaves a gap. Every part is read in any case.
fn read(reader: &mut Reader<'_>, top: &Part<'_>) -> Option<Config> {
    reader.refuse_unknown(top);
    let interface = reader.checked_text(top, &keys::INTERFACE, name::interface);
    let vrid = reader.integer::<u8>(top, &keys::VIRTUAL_ROUTER_ID);
    let advert = advert_interval(reader, top);
    let preempt = reader.boolean(top, &keys::PREEMPT);
    let unicast = reader.boolean(top, &keys::UNICAST).value;
    let checksum_pseudo_header = reader.boolean(top, &keys::CHECKSUM_PSEUDO_HEADER).value;
    let peer_port = reader.integer::<u16>(top, &keys::PEER_PORT).value;
    let nodes = pair::nodes(reader, top);
    let vips = pair::vips(reader, top, &nodes);
    let redis = reader.table(top, &keys::REDIS);
    let failover = reader.table(top, &keys::FAILOVER);
    let salvage = reader.table(top, &keys::SALVAGE);
    let copy_limit_mib = reader.integer(&salvage, &keys::SALVAGE_COPY_LIMIT_MIB).value;
    let archive_limit_mib = reader.integer(&salvage, &keys::SALVAGE_ARCHIVE_LIMIT_MIB).value;
    let timing = timing::read(reader, [&redis, &failover, &salvage], &advert);
    let access = access::read(reader, &redis, &vips, &nodes);
    let pair =
        tiebreaker::Pair { vrid: Vrid(vrid.value), nodes: &nodes, vips: &vips, advert: &advert };
    let tie_breaker = tiebreaker::read(reader, top, &pair);
    let garp = reader.table(top, &keys::GARP);
    let announce = announce(reader, &garp);
    let control = reader.table(top, &keys::CONTROL);
    let control_group = reader.checked_text(&control, &keys::CONTROL_GROUP, name::group);

    if let [first, second] = &*nodes
        && let Some(span) = preempt.span
        && preempt.value
        && first.priority == second.priority
    {
        reader.warning(
            span,
            Fault::new(
                "`preempt` does nothing: both nodes have one priority",
                "give the node that is to be preferred a higher `priority`",
            ),
        );
    }
    let members: [Member; 2] =
        nodes.into_iter().filter_map(Node::member).collect::<Vec<_>>().try_into().ok()?;
    Some(Config {
        vips: vips.into_iter().map(|vip| vip.value).collect(),
        interface: interface?.value,
        vrid: Vrid(vrid.value),
        advert_interval: advert.value,
        preempt: preempt.value,
        unicast,
        checksum_pseudo_header,
        peer_port,
        members,
        redis: access,
        timing,
        announce,
        tie_breaker,
        copy_limit_mib,
        archive_limit_mib,
        control_group: control_group.map(|group| group.value),
    })
}

fn advert_interval(reader: &mut Reader<'_>, top: &Part<'_>) -> Set<Duration> {
    let interval = reader.duration(top, &keys::ADVERT_INTERVAL);
    // Adverts carry it in hundredths of a second (RFC 9568 section 5.2.7).
    let step = Duration::from_millis(10);
    let odd = interval.value.as_nanos() % step.as_nanos();
    if let Some(span) = &interval.span
        && odd != 0
    {
        let below = interval.value.saturating_sub(Duration::from_nanos(odd as u64));
        let shown = [interval.value, below, below.saturating_add(step)].map(duration::show);
        let [written, below, above] = shown;
        reader.error(
            span.clone(),
            Fault::new(
                format!("`advert_interval`: {written} is not a multiple of 10ms"),
                format!("write \"{below}\" or \"{above}\""),
            ),
        );
    }
    interval
}

fn announce(reader: &mut Reader<'_>, garp: &Part<'_>) -> Announce {
    /// Announcements go to every host of the network for as long as the address is held.
    const SHORTEST: Duration = Duration::from_millis(100);
    let repeats = reader.integer::<u32>(garp, &keys::GARP_REPEATS).value;
    let interval = reader.duration(garp, &keys::GARP_INTERVAL).value;
    let refresh = reader.duration(garp, &keys::GARP_REFRESH);
    if let Some(span) = refresh.span
        && !refresh.value.is_zero()
        && refresh.value < SHORTEST
    {
        let [written, shortest] = [refresh.value, SHORTEST].map(duration::show);
        let message = format!("`refresh`: {written} is shorter than {shortest}");
        reader.error(span, Fault::new(message, "write a longer time, or \"0s\" for none"));
    }
    Announce { repeats, interval, refresh: refresh.value }
}
