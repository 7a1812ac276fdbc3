//! An instance with a `redis` block: a pair of Redis servers that Keepair itself keeps.
//!
//! The instance and the block say what a `keepair.toml` says. They are written as one and read by its
//! reader, so that both follow the same rules. What a `keepair.toml` has no word for is refused: a check
//! or a script that is not run would be missed when it is needed.

use core::fmt::Write as _;
use core::net::IpAddr;
use core::time::Duration;

use zeroize::Zeroizing;

use super::convert::quoted;
use super::file::{File, Instance, Redis};
use super::place::{Place, Placed, Sources};
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity};
use crate::value::{Fault, duration, quote};

/// What stands for the other machine's priority, which only its own file says. The highest is the safe
/// one: whoever waits for this machine waits no shorter.
const PEER_PRIORITY: u8 = 254;

/// The pair that the file describes, if an instance of it has a `redis` block.
///
/// # Errors
/// What such an instance can't have, or lacks; everything at once.
pub fn native(file: &File, sources: &Sources) -> Option<Result<Config, Vec<Diagnostic>>> {
    let it = file.instances.iter().find(|it| it.redis.is_some())?;
    let redis = it.redis.as_ref()?;
    let mut faults = refused(file, it);
    let place = redis.place;
    let config = match written(file, it, redis) {
        Err(fault) => {
            faults.push((place, fault));
            None
        }
        Ok(text) => match crate::parse("", &text) {
            Ok((config, _)) => Some(config),
            Err(diagnostics) => {
                let errors = diagnostics.into_iter().filter(|one| one.severity == Severity::Error);
                let fault = |one: Diagnostic| Fault { message: one.message, hint: one.hint };
                faults.extend(errors.map(|one| (place, fault(one))));
                None
            }
        },
    };
    let diagnostic = |(place, fault): (Place, Fault)| {
        sources.diagnostic(Severity::Error, place, fault.message, fault.hint)
    };
    Some(match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(faults.into_iter().map(diagnostic).collect()),
    })
}

/// What can't stand beside a `redis` block.
fn refused(file: &File, it: &Instance) -> Vec<(Place, Fault)> {
    let mut faults = Vec::new();
    let mut refuse = |place: Option<Place>, what: &str, hint: &str| {
        if let Some(place) = place {
            faults.push((place, Fault::new(format!("{what} beside `redis`"), hint)));
        }
    };
    for other in file.instances.iter().filter(|other| other.name.value != it.name.value) {
        let hint = "one daemon keeps one pair: put it into a file and a daemon of its own";
        refuse(Some(other.name.place), &format!("instance {}", quote(&other.name)), hint);
    }
    if it.version(&file.globals) == 2 {
        let hint = "write `version 3`, on both machines";
        refuse(it.redis.as_ref().map(|it| it.place), "version 2 of VRRP", hint);
    }
    const NOT_RUN: &str = "it would not be run: Keepair promotes and demotes Redis itself";
    for script in it.notify.scripts() {
        refuse(Some(script.place()), "a script", NOT_RUN);
    }
    const NOT_TRACKED: &str = "it would not count: whether Redis is fit decides";
    let tracks =
        [&it.tracks.scripts, &it.tracks.files, &it.tracks.processes, &it.tracks.interfaces];
    for track in tracks.into_iter().flatten() {
        refuse(Some(track.name.place), &format!("tracking {}", quote(&track.name)), NOT_TRACKED);
    }
    const NONE: &str = "take it out; keepair.toml has no word for it either";
    refuse(it.password.as_ref().map(|one| one.place), "a password of VRRP", NONE);
    refuse(it.hmac.as_ref().map(|one| one.place), "`auth_hmac`", NONE);
    refuse(it.vmac.as_ref().map(|one| one.place), "`use_vmac`", NONE);
    refuse(it.vmac_for_addresses.as_ref().map(|one| one.place), "`use_vmac_addr`", NONE);
    refuse(it.preempt_delay.as_ref().map(|one| one.place), "`preempt_delay`", NONE);
    refuse(it.routes.first().map(|one| one.place), "routes", NONE);
    refuse(it.rules.first().map(|one| one.place), "rules", NONE);
    refuse(file.static_addresses.first().map(|one| one.place), "static addresses", NONE);
    refuse(file.static_routes.first().map(|one| one.place), "static routes", NONE);
    refuse(file.static_rules.first().map(|one| one.place), "static rules", NONE);
    let interface = it.interface.as_ref().map(|interface| interface.as_str());
    for vip in it.addresses.iter().chain(&it.excluded_addresses) {
        if vip.interface.as_deref().is_some_and(|other| Some(other) != interface) {
            refuse(Some(vip.place), "an address on another interface", NONE);
        }
    }
    for group in &file.sync_groups {
        refuse(Some(group.name.place), "a sync group", NONE);
    }
    faults
}

/// The text of the `keepair.toml` that says the same.
fn written(file: &File, it: &Instance, redis: &Redis) -> Result<Zeroizing<String>, Fault> {
    let globals = &file.globals;
    let source = it.unicast_source.as_ref().or(it.multicast_source.as_ref());
    let peer = match it.unicast_peers.as_deref() {
        Some([peer]) => Some(peer.address),
        _ => None,
    };
    let (Some(own), Some(peer)) = (source.map(|source| source.value), peer) else {
        return Err(Fault::new(
            "an instance with `redis` has to know both machines",
            "write this machine's address as `unicast_src_ip`, and the other one's in `unicast_peer`",
        ));
    };
    let mut out = Zeroizing::new(String::new());
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    let vips = it.addresses.iter().chain(&it.excluded_addresses).map(|vip| match vip.prefix_len {
        Some(length) => format!("\"{}/{length}\"", vip.address),
        None => format!("\"{}\"", vip.address),
    });
    line(&format!("vip = [{}]", vips.collect::<Vec<_>>().join(", ")));
    let interface = it.interface.as_ref().map_or("", |interface| interface.as_str());
    line(&format!("interface = {}", quoted(interface)));
    line(&format!(
        "virtual_router_id = {}",
        it.virtual_router_id.as_ref().map_or(0, |id| id.value)
    ));
    let interval = it.effective_advert_interval(globals);
    line(&format!("advert_interval = \"{}\"", duration::show(interval)));
    line(&format!("preempt = {}\nunicast = true", it.preempts()));
    let checksum = it.v3_checksum_as_v2.as_ref().or(globals.v3_checksum_as_v2.as_ref());
    let without = checksum.is_some_and(|without| without.value);
    line(&format!("checksum_pseudo_header = {}", !without && own.is_ipv4()));
    // In one order on both machines.
    let mut nodes = [(own, it.base_priority().min(PEER_PRIORITY)), (peer, PEER_PRIORITY)];
    nodes.sort_by_key(|(address, _)| *address);
    for (address, priority) in nodes {
        line(&format!("[[node]]\nname = \"{}\"\naddress = \"{address}\"", node_name(address)));
        line(&format!("priority = {priority}"));
    }
    line("[redis]");
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            line(&format!("{name} = {value}"));
        }
    };
    let text = |value: &Option<Placed<String>>| value.as_ref().map(|value| quoted(value));
    let time = |value: &Option<Placed<Duration>>| {
        value.as_ref().map(|value| format!("\"{}\"", duration::show(value.value)))
    };
    put("port", redis.port.as_ref().map(|port| port.to_string()));
    put("host", redis.host.as_ref().map(|host| format!("\"{}\"", host.value)));
    put("socket", text(&redis.socket));
    put("username", text(&redis.username));
    put("password", redis.password.as_ref().map(|password| quoted(password.expose())));
    put("password_file", text(&redis.password_file));
    put("ping_interval", time(&redis.ping_interval));
    put("ping_timeout", time(&redis.ping_timeout));
    put("hang_timeout", time(&redis.hang_timeout));
    put("info_interval", time(&redis.info_interval));
    put("reconnect_interval", time(&redis.reconnect_interval));
    if let Some(tls) = &redis.tls {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "[redis.tls]");
        let rows = [
            ("ca", &tls.ca),
            ("cert", &tls.cert),
            ("key", &tls.key),
            ("server_name", &tls.server_name),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                let _ = writeln!(out, "{name} = {}", quoted(value));
            }
        }
    }
    Ok(out)
}

/// A machine is called by its address: its own file alone knows a better name.
fn node_name(address: IpAddr) -> String {
    address.to_string().replace(':', "-")
}

#[cfg(test)]
mod tests {
    use crate::keepalived::native;
    use crate::keepalived::tests::read;

    const GOOD: &str = "vrrp_instance REDIS {\n  interface eth0\n  version 3\n  virtual_router_id 51\n  \
        priority 120\n  advert_int 0.1\n  nopreempt\n  unicast_src_ip 172.18.0.5\n  unicast_peer {\n    \
        172.18.0.4\n  }\n  virtual_ipaddress {\n    172.18.0.10/24\n  }\n  redis {\n    port 6380\n    \
        password geheim\n    ping_timeout 300ms\n  }\n}\n";

    fn said(text: &str) -> Vec<String> {
        let parsed = read(text);
        let shown = parsed.render(false);
        let file = parsed.file.unwrap_or_else(|| panic!("{text}\n{shown}"));
        match native(&file, &parsed.sources).expect("a redis block") {
            Ok(config) => panic!("{config:?}"),
            Err(all) => all.iter().map(|one| format!("{}: {}", one.line, one.message)).collect(),
        }
    }

    #[test]
    fn instance_and_block_are_a_pair() {
        let parsed = read(GOOD);
        let config = native(&parsed.file.unwrap(), &parsed.sources).unwrap().unwrap();
        let nodes =
            config.members.clone().map(|it| (it.name, it.address.to_string(), it.priority.0));
        let [first, second] = ["172.18.0.4", "172.18.0.5"].map(str::to_owned);
        assert_eq!(nodes, [(first.clone(), first, 254), (second.clone(), second, 120)]);
        assert_eq!(config.advert_interval.as_millis(), 100);
        assert_eq!(
            (config.preempt, config.unicast, config.checksum_pseudo_header),
            (false, true, true)
        );
        assert_eq!((config.redis.port, config.timing.ping_timeout.as_millis()), (6380, 300));
        assert_eq!(config.redis.password.unwrap().expose(), "geheim");
        assert_eq!((config.vips[0].prefix_len, config.vrid.0), (24, 51));
    }

    #[test]
    fn without_a_block_there_is_no_pair() {
        let text = GOOD.split("  redis {").next().unwrap().to_owned() + "}\n";
        let parsed = read(&text);
        assert!(native(&parsed.file.unwrap(), &parsed.sources).is_none());
    }

    #[test]
    fn what_would_not_be_done_is_refused() {
        for (from, to, expected) in [
            ("version 3", "version 2", "15: version 2 of VRRP beside `redis`"),
            ("  nopreempt\n", "  notify_master /bin/true\n", "7: a script beside `redis`"),
            ("  nopreempt\n", "  preempt_delay 5\n", "7: `preempt_delay` beside `redis`"),
            (
                "  nopreempt\n",
                "  track_interface {\n  eth1\n}\n",
                "8: tracking `eth1` beside `redis`",
            ),
            ("  nopreempt\n", "  use_vmac\n  vmac_xmit_base\n", "7: `use_vmac` beside `redis`"),
            (
                "172.18.0.10/24",
                "172.18.0.10/24 dev eth1",
                "13: an address on another interface beside `redis`",
            ),
            (
                "  unicast_src_ip 172.18.0.5\n",
                "",
                "14: an instance with `redis` has to know both machines",
            ),
            // The rules of a keepair.toml hold, too.
            (
                "ping_timeout 300ms",
                "ping_timeout 20ms",
                "15: `ping_timeout` (20ms) is not longer than `ping_interval`",
            ),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            let said = said(&text);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with(expected), "{said:?}, not {expected}");
        }
        let other = "vrrp_instance B {\ninterface eth1\nvirtual_router_id 9\nvirtual_ipaddress {\n10.0.0.9\n}\n}\n";
        assert_eq!(said(&format!("{GOOD}{other}")), ["21: instance `B` beside `redis`"]);
    }
}
