//! An instance with a `redis` block: a pair of Redis servers that Keepair itself keeps.
//!
//! The instance and the block say what a `keepair.toml` says. They are written as one and read by its
//! reader, so that both follow the same rules. What a `keepair.toml` has no word for is refused: a check
//! or a script that is not run would be missed when it is needed.

use core::net::IpAddr;
use core::time::Duration;

use zeroize::Zeroizing;

use super::convert::quoted;
use super::file::{File, Instance, Redis, TieBreaker};
use super::place::{Place, Placed, Sources};
use crate::config::{Config, Gateway, Tls};
use crate::diagnostic::{Diagnostic, Severity};
use crate::secret::Secret;
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
        Ok(text) => match crate::parse("", &text.toml) {
            Ok((config, _)) => Some(config),
            Err(diagnostics) => {
                let errors = diagnostics.into_iter().filter(|one| one.severity == Severity::Error);
                faults.extend(errors.map(|one| {
                    let place = text.place_of(one.line).unwrap_or(place);
                    (place, Fault { message: one.message, hint: one.hint })
                }));
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

/// The text of a `keepair.toml`, and where each of its lines comes from.
#[derive(Default)]
struct Text {
    toml: Zeroizing<String>,
    places: Vec<Place>,
}

impl Text {
    /// Writes a line, or several, that `place` asked for.
    fn line(&mut self, place: Place, line: &str) {
        self.toml.push_str(line);
        self.toml.push('\n');
        self.places.extend(line.split('\n').map(|_| place));
    }

    /// Writes `name = value`; nothing for what was left out.
    fn put<T>(&mut self, name: &str, value: &Option<Placed<T>>, show: impl FnOnce(&T) -> String) {
        if let Some(value) = value {
            self.line(value.place, &format!("{name} = {}", show(value)));
        }
    }

    fn string(&mut self, name: &str, value: &Option<Placed<String>>) {
        self.put(name, value, |text| quoted(text));
    }

    fn secret(&mut self, name: &str, value: &Option<Placed<Secret>>) {
        self.put(name, value, |secret| quoted(secret.expose()));
    }

    fn time(&mut self, name: &str, value: &Option<Placed<Duration>>) {
        self.put(name, value, |time| quoted(&duration::show(*time)));
    }

    fn tls(&mut self, header: &str, tls: &Option<Placed<Tls>>) {
        let Some(tls) = tls else { return };
        self.line(tls.place, header);
        let rows = [
            ("ca", &tls.ca),
            ("cert", &tls.cert),
            ("key", &tls.key),
            ("server_name", &tls.server_name),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                self.line(tls.place, &format!("{name} = {}", quoted(value)));
            }
        }
    }

    /// Where line `number`, from 1, comes from.
    fn place_of(&self, number: usize) -> Option<Place> {
        self.places.get(number.checked_sub(1)?).copied()
    }
}

/// The `keepair.toml` that says the same. What is said of the instance is the place of its block.
fn written(file: &File, it: &Instance, redis: &Placed<Redis>) -> Result<Text, Fault> {
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
    let mut out = Text::default();
    let mut line = |text: &str| out.line(redis.place, text);
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
    out.put("port", &redis.port, u16::to_string);
    out.put("host", &redis.host, |host| quoted(&host.to_string()));
    out.string("socket", &redis.socket);
    out.string("username", &redis.username);
    out.secret("password", &redis.password);
    out.string("password_file", &redis.password_file);
    out.time("ping_interval", &redis.ping_interval);
    out.time("ping_timeout", &redis.ping_timeout);
    out.time("hang_timeout", &redis.hang_timeout);
    out.time("info_interval", &redis.info_interval);
    out.time("reconnect_interval", &redis.reconnect_interval);
    out.tls("[redis.tls]", &redis.tls);
    if let Some(breaker) = &redis.tie_breaker {
        tie_breaker(&mut out, breaker);
    }
    Ok(out)
}

fn tie_breaker(out: &mut Text, it: &Placed<TieBreaker>) {
    out.line(it.place, "[tiebreaker]");
    out.put("gateway", &it.gateway, |gateway| match gateway {
        Gateway::Auto => quoted("auto"),
        Gateway::Address(address) => quoted(&address.to_string()),
    });
    out.secret("witness", &it.witness);
    out.string("witness_password_file", &it.witness_password_file);
    if let (Some(first), Some(last)) = (it.etcd.first(), it.etcd.last()) {
        // A line each: the reader says which one is wrong.
        out.line(first.place, "etcd = [");
        for url in &it.etcd {
            out.line(url.place, &format!("{},", quoted(url.expose())));
        }
        out.line(last.place, "]");
    }
    out.string("etcd_password_file", &it.etcd_password_file);
    out.string("key", &it.key);
    out.tls("[tiebreaker.tls]", &it.tls);
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

    fn with_tie_breaker(lines: &str) -> String {
        let block = format!("  redis {{\n  tiebreaker {{\n{lines}\n  }}\n");
        GOOD.replace("  redis {\n", &block)
    }

    /// The `keepair.toml` that says what [`GOOD`] says.
    const SAME: &str = "vip = \"172.18.0.10/24\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
        preempt = false\nunicast = true\nchecksum_pseudo_header = true\n\
        [[node]]\nname = \"172.18.0.4\"\naddress = \"172.18.0.4\"\npriority = 254\n\
        [[node]]\nname = \"172.18.0.5\"\naddress = \"172.18.0.5\"\npriority = 120\n\
        [redis]\nport = 6380\npassword = \"geheim\"\nping_timeout = \"300ms\"\n";

    #[test]
    fn a_tie_breaker_is_what_it_is_in_a_keepair_toml() {
        for (lines, same) in [
            ("gateway auto", "gateway = \"auto\""),
            ("gateway 172.18.0.1", "gateway = \"172.18.0.1\""),
            ("witness redis://192.0.2.7", "witness = \"redis://192.0.2.7:6379\""),
            (
                "witness \"rediss://ann:p#w!@w.example.org:1/3\"\ntls {\n}",
                "witness = \"rediss://ann:p#w!@w.example.org:1/3\"\ntls = {}",
            ),
            (
                "witness rediss://ann@192.0.2.7\nwitness_password_file /p\nkey k\ntls {\nca /a\n\
                 cert /c\nkey /k\nserver_name w\n}",
                "witness = \"rediss://ann@192.0.2.7\"\nwitness_password_file = \"/p\"\nkey = \"k\"\n\
                 tls = { ca = \"/a\", cert = \"/c\", key = \"/k\", server_name = \"w\" }",
            ),
            ("etcd http://192.0.2.8", "etcd = \"http://192.0.2.8\""),
            (
                "gateway auto\netcd http://a:b@192.0.2.8 https://[2001:db8::9]:1",
                "gateway = \"auto\"\netcd = [\"http://a:b@192.0.2.8\", \"https://[2001:db8::9]:1\"]",
            ),
            (
                "etcd http://a@192.0.2.8\netcd_password_file /p",
                "etcd = [\"http://a@192.0.2.8\"]\netcd_password_file = \"/p\"",
            ),
        ] {
            let parsed = read(&with_tie_breaker(lines));
            let config = native(&parsed.file.unwrap(), &parsed.sources).unwrap();
            let (same, _) = crate::parse("", &format!("{SAME}[tiebreaker]\n{same}\n")).unwrap();
            assert!(same.tie_breaker.is_some());
            assert_eq!(config, Ok(same), "{lines}");
        }
    }

    /// The machines have one register, whose key is made of what both files say.
    #[test]
    fn both_machines_name_one_register() {
        let text = with_tie_breaker("witness redis://192.0.2.7");
        let other = text.replace("172.18.0.5", "OWN").replace("172.18.0.4", "172.18.0.5");
        let keys = [&text, &other.replace("OWN", "172.18.0.4")].map(|text| {
            let parsed = read(text);
            let config = native(&parsed.file.unwrap(), &parsed.sources).unwrap().unwrap();
            config.tie_breaker.unwrap().key
        });
        assert_eq!(keys, ["keepair:51:172.18.0.4+172.18.0.5"; 2]);
    }

    #[test]
    fn what_is_no_third_party_is_refused_where_it_stands() {
        // The block is line 16.
        for (lines, expected) in [
            ("", &["16: [tiebreaker] names no tie-breaker"][..]),
            ("key k", &["16: [tiebreaker] names no tie-breaker"]),
            ("tls {\n}", &["16: [tiebreaker] names no tie-breaker"]),
            ("gateway 172.18.0.4", &["17: `172.18.0.4` is the address of `172.18.0.4`"]),
            ("gateway auto\nwitness 192.0.2.7", &["18: this is not a URL"]),
            ("witness redis://:hunter2@192.0.2.7:x", &["17: this is not a port"]),
            ("witness redis://:hunter2@172.18.0.10", &["17: `172.18.0.10` is a virtual address"]),
            // A comment begins in the middle of it.
            (
                "witness redis://:7#hunter2@192.0.2.7",
                &["17: the host is neither a name nor an address"],
            ),
            (
                "witness redis://:hunter2@192.0.2.7\nwitness_password_file /p",
                &["17: a password in the URL and `witness_password_file` exclude each other"],
            ),
            ("etcd http://192.0.2.8 \"\"", &["17: `etcd` is empty"]),
            (
                "etcd http://192.0.2.8 192.0.2.9 http://a:hunter2@192.0.2.10/v3",
                &["17: this is not a URL", "17: an endpoint has no path"],
            ),
            (
                "etcd http://a:hunter2@192.0.2.8 http://a:hunter3@192.0.2.9\netcd_password_file /p",
                &[
                    "17: a password in the URL and `etcd_password_file` exclude each other",
                    "17: another user or password than in the endpoint before",
                ],
            ),
        ] {
            let text = with_tie_breaker(lines);
            assert_eq!(said(&text), expected, "{lines}");
            let parsed = read(&text);
            let file = parsed.file.unwrap();
            let all = native(&file, &parsed.sources).unwrap().unwrap_err();
            let shown = parsed.sources.render(&all, false) + &format!("{all:?} {file:?}");
            assert!(!shown.contains("hunter"), "{lines}\n{shown}");
        }
        // Of several endpoints the bad one is meant.
        let parsed = read(&with_tie_breaker("etcd http://192.0.2.8 192.0.2.9"));
        let all = native(&parsed.file.unwrap(), &parsed.sources).unwrap().unwrap_err();
        assert_eq!((all[0].line, all[0].column), (17, 23));
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
                "18: `ping_timeout` (20ms) is not longer than `ping_interval`",
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
