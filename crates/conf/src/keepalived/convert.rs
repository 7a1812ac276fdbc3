//! From a `keepalived.conf` whose scripts keep a Redis pair to the `keepair.toml` that needs no scripts.
//!
//! A file tells of one machine; `keepair.toml` tells of both. What only the other machine's file knows is
//! taken from that file, from the arguments of scripts, or from this machine; what then is still missing
//! is left open in a way that `keepair check` refuses. Passwords never come into the text.

use core::fmt::Write as _;
use core::net::IpAddr;
use core::time::Duration;

use super::file::{Command, File, Instance, Script, State};
use crate::secret::Secret;
use crate::value::duration;
use scripts::Told;

mod left_out;
mod scripts;
#[cfg(test)]
mod tests;

/// Where the password is to be, unless the operator says otherwise.
pub const PASSWORD_FILE: &str = "/etc/keepair/redis.password";

/// Adverts of version 3 carry twelve bits of hundredths of a second.
const LONGEST_INTERVAL: Duration = Duration::from_millis(40_950);
/// The highest priority of a machine that does not own the addresses.
const HIGHEST: u8 = 254;
/// How far apart two machines' priorities are if only one is known.
const STEP: u8 = 10;
const REDIS_PORT: u16 = 6379;

/// What is known beside the file.
pub struct Known<'a> {
    /// The file's name, to be shown.
    pub name: String,
    /// The other machine's file.
    pub other: Option<&'a File>,
    /// The instance to convert; left out: the one with Redis's scripts.
    pub instance: Option<String>,
    /// This machine's address; left out: it is looked for.
    pub address: Option<IpAddr>,
    /// The other machine's address; left out: it is looked for.
    pub peer: Option<IpAddr>,
    /// The addresses of an interface of this machine, with the lengths of their networks' prefixes. They
    /// count if they are in one network with an address of the file, for the file may be another
    /// machine's.
    pub addresses_of: &'a dyn Fn(&str) -> Vec<(IpAddr, u8)>,
    /// The text of a script, if it is here.
    pub script_text: &'a dyn Fn(&str) -> Option<String>,
    /// Where the password is to be.
    pub password_file: String,
}

/// What came out.
#[derive(Debug)]
pub struct Conversion {
    /// The text of a `keepair.toml`.
    pub toml: String,
    /// The password that stood in the arguments of scripts.
    pub password: Option<Secret>,
    /// Whether the text names a file that must hold the password.
    pub needs_password: bool,
    /// What the operator has to fill in, a sentence each. With any, `keepair check` refuses the text.
    pub missing: Vec<String>,
}

/// Converts a file without errors.
///
/// # Errors
/// When it is not clear which instance is meant, or none has to do with Redis; for people.
pub fn convert(file: &File, known: &Known<'_>) -> Result<Conversion, String> {
    let it = choose(file, known)?;
    let told = scripts::told(file, it, known);
    let nodes = nodes(file, it, &told, known);
    let mut missing = Vec::new();
    let mut out = String::new();
    head(&mut out, file, it, &told, known);
    pair(&mut out, file, it);
    for (at, node) in nodes.iter().enumerate() {
        write_node(&mut out, at, node, &mut missing);
    }
    let (password, needs_password) = redis(&mut out, &told, known);
    Ok(Conversion { toml: out, password, needs_password, missing })
}

/// The instance to convert.
fn choose<'f>(file: &'f File, known: &Known<'_>) -> Result<&'f Instance, String> {
    if let Some(name) = &known.instance {
        let found = file.instances.iter().find(|it| it.name.value == *name);
        return found.ok_or_else(|| format!("there is no instance `{}`", show(name)));
    }
    let is_one = |it: &&Instance| !scripts::told(file, it, known).replaced.is_empty();
    let with_redis: Vec<&Instance> = file.instances.iter().filter(is_one).collect();
    match *with_redis {
        [it] => Ok(it),
        [] => Err(
            "no instance has a script that has to do with Redis; `keepair run --config` runs the \
                   file as it stands, and `--instance NAME` converts an instance in any case"
                .to_owned(),
        ),
        _ => {
            let names: Vec<_> = with_redis.iter().map(|it| show(&it.name)).collect();
            Err(format!(
                "several instances have scripts of Redis, and a keepair.toml is for one pair: \
                 choose with `--instance`: {}",
                names.join(", ")
            ))
        }
    }
}

/// A machine of the pair.
struct Node {
    address: Result<IpAddr, &'static str>,
    priority: u8,
    /// What is to be known about it.
    note: Option<String>,
}

/// Both machines, the one with the higher priority first.
fn nodes(file: &File, it: &Instance, told: &Told, known: &Known<'_>) -> [Node; 2] {
    let is_master = it.wanted_state() == State::Master;
    let other = other(it, known);
    let [own, peer] = addresses(it, told, known, is_master, other);
    let priority = it.base_priority().min(HIGHEST);
    let (peers, note) = match other {
        Some(other) => (other.base_priority().min(HIGHEST), None),
        None => {
            let guess = match is_master {
                true => priority.saturating_sub(STEP).max(1),
                false => priority.saturating_add(STEP).min(HIGHEST),
            };
            (guess, Some("A guess: the other machine's keepalived.conf says it.".to_owned()))
        }
    };
    let open = |whose: &'static str| move |address: Option<IpAddr>| address.ok_or(whose);
    let weight = file.scripts.iter().any(|script| script.weight.is_some());
    let weight = weight.then(|| {
        "Scripts do not change it any more: a machine whose Redis is not fit does not take over."
            .to_owned()
    });
    let own = Node { address: open("this machine's")(own), priority, note: weight };
    let peer = Node { address: open("the other machine's")(peer), priority: peers, note };
    if peer.priority > own.priority { [peer, own] } else { [own, peer] }
}

/// The same virtual router in the other machine's file.
fn other<'a>(it: &Instance, known: &Known<'a>) -> Option<&'a Instance> {
    let number = it.virtual_router_id.as_ref()?.value;
    let is_it = |other: &&Instance| {
        let same = other.virtual_router_id.as_ref().is_some_and(|id| id.value == number);
        same && other.family() == it.family()
    };
    known.other?.instances.iter().find(is_it)
}

/// This machine's and the other's address, as far as anybody knows them.
fn addresses(
    it: &Instance,
    told: &Told,
    known: &Known<'_>,
    is_master: bool,
    other: Option<&Instance>,
) -> [Option<IpAddr>; 2] {
    let family = it.family();
    let sources = |it: &Instance| {
        let source = it.unicast_source.as_ref().or(it.multicast_source.as_ref());
        source.map(|source| source.value)
    };
    let sole_peer = |it: &Instance| match it.unicast_peers.as_deref() {
        Some([peer]) => Some(peer.address),
        _ => None,
    };
    let is_virtual = |address: &IpAddr| {
        it.addresses.iter().chain(&it.excluded_addresses).any(|vip| vip.address == *address)
    };
    let interface = it.interface.as_ref().map_or("", |interface| interface.as_str());
    let named: Vec<IpAddr> = told
        .addresses
        .iter()
        .copied()
        .filter(|address| family.has(*address) && !is_virtual(address))
        .collect();
    let ours = it.addresses.iter().map(|vip| vip.address).chain(named.iter().copied());
    let ours: Vec<IpAddr> = ours.collect();
    let here: Vec<IpAddr> = (known.addresses_of)(interface)
        .into_iter()
        .filter(|(address, _)| family.has(*address) && !is_virtual(address))
        .filter(|(address, length)| ours.iter().any(|our| is_near(*our, *address, *length)))
        .map(|(address, _)| address)
        .collect();
    let mut peer = known.peer.or_else(|| sole_peer(it)).or_else(|| other.and_then(sources));
    let mut own = known
        .address
        .or_else(|| sources(it))
        .or_else(|| other.and_then(sole_peer))
        .or_else(|| here.iter().copied().find(|address| named.contains(address)))
        .or_else(|| here.iter().copied().find(|address| !is_link_local(*address)));
    let mut others = named.iter().copied().filter(|address| {
        Some(*address) != own && Some(*address) != peer && !here.contains(address)
    });
    // A script that makes a replica names a primary: for a machine that is to be the replica, the other
    // one. On the other it may name either; where nobody tells which, it is left open.
    if let (Some(address), None) = (others.next(), others.next()) {
        match (own, peer) {
            (Some(_), None) => peer = Some(address),
            (None, Some(_)) => own = Some(address),
            (None, None) if !is_master => peer = Some(address),
            _ => {}
        }
    }
    [own, peer]
}

/// Whether two addresses are in one network.
fn is_near(a: IpAddr, b: IpAddr, prefix_len: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let rest = 128u32.saturating_sub(prefix_len.into());
    let [a_bits, b_bits] = [a, b].map(|it| bits(it).checked_shr(rest).unwrap_or(0));
    a.is_ipv4() == b.is_ipv4() && a_bits == b_bits
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn head(out: &mut String, file: &File, it: &Instance, told: &Told, known: &Known<'_>) {
    comment(out, "keepair.toml: one file, the same on both machines of the pair.");
    comment(
        out,
        &format!(
            "Made by `keepair convert` from the instance {} of {}.",
            show(&it.name),
            show(&known.name)
        ),
    );
    comment(out, "");
    comment(out, "Look at it, then stop keepalived on both machines, and start Keepair on both.");
    comment(out, "");
    comment(out, "What Keepair does itself, instead of scripts:");
    for line in &told.replaced {
        item(out, line);
    }
    let left_out = left_out::all(file, it, told);
    if !left_out.is_empty() {
        comment(out, "");
        comment(out, "What was not carried over:");
        for line in &left_out {
            item(out, line);
        }
    }
    line(out, "");
}

fn pair(out: &mut String, file: &File, it: &Instance) {
    let vips = it.addresses.iter().chain(&it.excluded_addresses).map(|vip| match vip.prefix_len {
        Some(length) => format!("\"{}/{length}\"", vip.address),
        None => format!("\"{}\"", vip.address),
    });
    let vips: Vec<String> = vips.collect();
    line(out, &format!("vip = [{}]", vips.join(", ")));
    let interface = it.interface.as_ref().map_or("", |interface| interface.as_str());
    line(out, &format!("interface = {}", quoted(interface)));
    let number = it.virtual_router_id.as_ref().map_or(0, |number| number.value);
    line(out, &format!("virtual_router_id = {number}"));
    let interval = it.effective_advert_interval(&file.globals).min(LONGEST_INTERVAL);
    comment(
        out,
        "As it was. \"100ms\" is usual here, and 10ms the fastest: the standby takes over after three",
    );
    comment(out, "that are missing. A Redis that dies is noticed at once in any case.");
    line(out, &format!("advert_interval = \"{}\"", duration::show(interval)));
    if it.preempts() {
        comment(
            out,
            "As it was, for there was no `nopreempt`: the machine with the higher priority takes the address",
        );
        comment(out, "back, in a switchover that loses nothing. `false` leaves it where it is.");
    }
    line(out, &format!("preempt = {}", it.preempts()));
    if it.is_unicast() {
        line(out, "unicast = true");
    }
}

fn write_node(out: &mut String, at: usize, node: &Node, missing: &mut Vec<String>) {
    let name = format!("redis-{}", at + 1);
    line(out, "");
    line(out, "[[node]]");
    line(out, &format!("name = \"{name}\""));
    match node.address {
        Ok(address) => line(out, &format!("address = \"{address}\"")),
        Err(whose) => {
            let what = format!("{whose} address, by which the other reaches it");
            line(out, &format!("address = \"FILL IN: {what}\""));
            missing.push(format!("`address` of node {name}: {what}"));
        }
    }
    if let Some(note) = &node.note {
        comment(out, note);
    }
    line(out, &format!("priority = {}", node.priority));
}

fn redis(out: &mut String, told: &Told, known: &Known<'_>) -> (Option<Secret>, bool) {
    line(out, "");
    line(out, "[redis]");
    line(out, &format!("port = {}", told.port.unwrap_or(REDIS_PORT)));
    let file = format!("password_file = {}", quoted(&known.password_file));
    let needs = told.password.is_some() || told.has_password;
    if needs {
        comment(out, "The password and nothing else; for root only (chmod 600).");
        line(out, &file);
    } else {
        comment(out, "No script names a password. If Redis has one:");
        comment(out, &file);
    }
    (told.password.clone(), needs)
}

/// A path or a name as it may stand in a comment.
fn show(text: &str) -> String {
    text.escape_debug().to_string()
}

/// A string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for ch in text.chars() {
        match ch {
            '"' | '\\' => out.extend(['\\', ch]),
            ch if ch.is_control() => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(ch));
            }
            ch => out.push(ch),
        }
    }
    out.push('"');
    out
}

fn comment(out: &mut String, text: &str) {
    line(out, format!("# {text}").trim_end());
}

/// A point of a list, in lines that a terminal shows whole.
fn item(out: &mut String, text: &str) {
    const WIDTH: usize = 96;
    let mut row = String::from("-");
    for word in text.split(' ') {
        if row.len() + word.len() >= WIDTH && row.trim().len() > 1 {
            comment(out, &row);
            row = String::from(" ");
        }
        row.push(' ');
        row.push_str(word);
    }
    comment(out, &row);
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// What a script runs, without its arguments: they hold passwords.
fn shown_script(script: &Script) -> String {
    shown_command(&script.command.value)
}

fn shown_command(command: &Command) -> String {
    match command {
        Command::Program { path, .. } => show(path),
        Command::Connect(_) => "a test of a connection".to_owned(),
    }
}
