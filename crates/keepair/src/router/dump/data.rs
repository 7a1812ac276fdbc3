//! `keepalived.data`: what is configured and how it is, for people. With keepalived's labels, as far as
//! there is something to say.

use std::fmt::Display;
use std::time::Duration;

use keepair_core::router::config::{InstanceConfig, Tracks, Transport, Version, Weight};
use keepair_core::router::event::State;
use keepair_core::router::status::InstanceStatus;

use super::{Dump, shown, word, words};

/// All of it.
pub(crate) fn data(dump: &Dump<'_>) -> String {
    let mut out = Out(String::new());
    out.title("Global definitions");
    out.row(" ", "Router ID", &dump.setup.router_id);
    out.row(" ", "Script security", switch(dump.setup.script_security));
    if let Some(mail) = &dump.setup.mail {
        out.row(" ", "Smtp server", &mail.server);
        out.row(" ", "Smtp server port", mail.port);
        out.row(" ", "Email notification from", &mail.from);
    }
    out.title("VRRP Topology");
    for (it, now) in dump.instances() {
        instance(&mut out, dump, it, now);
    }
    groups(&mut out, dump);
    scripts(&mut out, dump);
    others(&mut out, dump);
    links(&mut out, dump);
    out.0
}

struct Out(String);

impl Out {
    fn title(&mut self, title: &str) {
        self.0 += &format!("------< {title} >------\n");
    }

    fn row(&mut self, indent: &str, label: &str, value: impl Display) {
        self.0 += &format!("{indent}{label} = {value}\n");
    }

    fn line(&mut self, indent: &str, text: impl Display) {
        self.0 += &format!("{indent}{text}\n");
    }
}

fn instance(out: &mut Out, dump: &Dump<'_>, it: &InstanceConfig, now: &InstanceStatus) {
    const IN: &str = "   ";
    let own = dump.interface(it);
    let version = if it.version == Version::V2 { 2 } else { 3 };
    out.row(" ", "VRRP Instance", &it.name);
    out.row(IN, "VRRP Version", version);
    let group = dump.config.groups.iter().find(|group| group.members.contains(&now.id));
    if let Some(group) = group {
        out.row(IN, "Sync group", &group.name);
    }
    out.row(IN, "State", word(now.state));
    if let Some((address, priority)) = now.master {
        out.row(IN, "Master router", address);
        out.row(IN, "Master priority", priority);
    }
    if version == 3 {
        out.row(
            IN,
            "Master advert int",
            format_args!("{:.2} sec", now.master_interval.as_secs_f64()),
        );
    }
    out.row(IN, "Wantstate", word(now.wanted));
    for fault in &now.faults {
        out.row(IN, "Fault", fault);
    }
    out.row(IN, "Last transition", format_args!("{:.6}", now.last_transition.as_secs_f64()));
    out.row(IN, "Master down timer", format_args!("{} usecs", now.down_interval.as_micros()));
    match &it.vmac {
        Some(vmac) => {
            out.line(
                IN,
                format_args!("Use VMAC, i/f name {}, xmit_base = {}", vmac.name, vmac.xmit_base),
            );
            out.row(IN, "Interface", format_args!("{}, vmac on {own}", vmac.name));
        }
        None => out.row(IN, "Interface", own),
    }
    if let Some(source) = now.source {
        let configured = if it.source.is_some() { " (from configuration)" } else { "" };
        out.row(IN, "Using src_ip", format_args!("{source}{configured}"));
    }
    if let Transport::Multicast { group } = &it.transport {
        out.line(IN, format_args!("Multicast address {group}"));
    }
    let garp = &it.garp;
    for (label, value) in [
        ("delay", garp.delay.as_secs()),
        ("repeat", garp.repeat.into()),
        ("refresh", garp.refresh.as_secs()),
        ("refresh repeat", garp.refresh_repeat.into()),
        ("lower priority delay", garp.lower_prio_delay.as_secs()),
        ("lower priority repeat", garp.lower_prio_repeat.into()),
    ] {
        out.row(IN, &format!("Gratuitous ARP {label}"), value);
    }
    out.row(IN, "Down timer adverts", it.down_timer_adverts);
    out.row(IN, "Send advert after receive lower priority advert", !it.lower_prio_no_advert);
    out.row(IN, "Send advert after receive higher priority advert", it.higher_prio_send_advert);
    out.row(IN, "Virtual Router ID", it.vrid.0);
    out.row(IN, "Priority", now.base_priority);
    out.row(IN, "Effective priority", now.priority);
    let interval = it.advert_interval;
    match version {
        2 => out.row(IN, "Advert interval", format_args!("{} sec", interval.as_secs())),
        _ => out.row(IN, "Advert interval", format_args!("{} milli-sec", interval.as_millis())),
    }
    out.row(IN, "Accept", switch(it.accept));
    out.row(IN, "Preempt", switch(it.preempt));
    if !it.preempt_delay.is_zero() {
        out.row(IN, "Preempt delay", seconds(it.preempt_delay));
    }
    out.row(IN, "Promote_secondaries", switch(it.promote_secondaries));
    if version == 2 {
        let kind = if it.password.is_some() { "SIMPLE_PASSWORD" } else { "none" };
        out.row(IN, "Authentication type", kind);
    }
    let is_active = now.state == State::Active;
    let links = &dump.config.links;
    for (label, all) in
        [("Virtual IP", &it.addresses), ("Virtual IP Excluded", &it.excluded_addresses)]
    {
        if !all.is_empty() {
            out.line(IN, format_args!("{label} ({}):", all.len()));
            for address in all {
                out.line("     ", words::address(address, it, links, is_active));
            }
        }
    }
    if let Transport::Unicast { peers, ttl, check_source } = &it.transport {
        out.row(IN, "Unicast TTL", ttl);
        out.line(
            IN,
            format_args!("Check unicast src : {}", if *check_source { "yes" } else { "no" }),
        );
        out.line(IN, "Unicast Peer :");
        for peer in peers {
            out.line(
                "     ",
                format_args!("{} min_ttl {} max_ttl {}", peer.address, peer.min_ttl, peer.max_ttl),
            );
        }
    }
    if !it.routes.is_empty() {
        out.line(IN, "Virtual Routes :");
        it.routes.iter().for_each(|route| out.line("     ", words::route(route)));
    }
    if !it.rules.is_empty() {
        out.line(IN, "Virtual Rules :");
        it.rules.iter().for_each(|rule| out.line("     ", words::rule(rule)));
    }
    tracks(out, dump, &it.tracks);
    out.row(IN, "Using smtp notification", if it.smtp_alert { "yes" } else { "no" });
    out.row(IN, "Notify deleted", if it.notify_deleted { "Deleted" } else { "Fault" });
    out.row(IN, "Notify priority changes", it.notify_priority_changes);
}

fn tracks(out: &mut Out, dump: &Dump<'_>, tracks: &Tracks) {
    let config = dump.config;
    let weight = |weight: Weight| {
        format!("weight {}{}", weight.value, if weight.reverse { " reverse" } else { "" })
    };
    let name = |name: Option<&String>| name.cloned().unwrap_or_default();
    let rows = [
        (
            "interfaces",
            tracks
                .links
                .iter()
                .map(|it| (name(config.links.get(it.id.0).map(|link| &link.name)), it.weight))
                .collect::<Vec<_>>(),
        ),
        (
            "scripts",
            tracks
                .scripts
                .iter()
                .map(|it| (name(config.scripts.get(it.id.0).map(|one| &one.name)), it.weight))
                .collect(),
        ),
        (
            "files",
            tracks
                .files
                .iter()
                .map(|it| (name(config.files.get(it.id.0).map(|one| &one.name)), it.weight))
                .collect(),
        ),
        (
            "processes",
            tracks
                .processes
                .iter()
                .map(|it| (name(config.processes.get(it.id.0).map(|one| &one.name)), it.weight))
                .collect(),
        ),
    ];
    for (what, all) in rows {
        if !all.is_empty() {
            out.line("   ", format_args!("Tracked {what} :"));
        }
        for (name, one) in all {
            out.line("     ", format_args!("{name} {}", weight(one)));
        }
    }
}

fn groups(out: &mut Out, dump: &Dump<'_>) {
    if dump.config.groups.is_empty() {
        return;
    }
    out.title("VRRP Sync groups");
    for (group, now) in dump.config.groups.iter().zip(&dump.status.groups) {
        out.row(" ", "VRRP Sync Group", format_args!("{}, {}", group.name, word(now.state)));
        out.line("   ", "VRRP member instances :");
        for member in &group.members {
            let name = dump.config.instances.get(member.0).map_or("", |it| it.name.as_str());
            out.line("     ", name);
        }
        out.row("   ", "Using smtp notification", if group.smtp_alert { "yes" } else { "no" });
        tracks(out, dump, &group.tracks);
    }
}

fn scripts(out: &mut Out, dump: &Dump<'_>) {
    let all = dump.config.scripts.iter().zip(&dump.status.scripts).zip(&dump.setup.scripts);
    if dump.config.scripts.is_empty() {
        return;
    }
    out.title("VRRP Scripts");
    for ((it, now), setup) in all {
        out.row(" ", "VRRP Script", &it.name);
        out.row("   ", "Command", shown(&setup.command));
        out.row("   ", "Interval", seconds(it.interval));
        out.row("   ", "Timeout", seconds(it.timeout));
        out.row("   ", "Rise", it.rise);
        out.row("   ", "Fall", it.fall);
        out.row("   ", "Result", now.score);
        let status = match now.good {
            Some(true) => "GOOD",
            Some(false) => "BAD",
            None => "INIT",
        };
        out.row("   ", "Status", status);
        let run_as = &setup.command.run_as;
        out.row("   ", "Script uid:gid", format_args!("{}:{}", run_as.uid, run_as.gid));
        out.row("   ", "State", if now.running.is_some() { "running" } else { "idle" });
    }
}

fn others(out: &mut Out, dump: &Dump<'_>) {
    if !dump.config.files.is_empty() {
        out.title("VRRP Track files");
    }
    for (now, setup) in dump.status.files.iter().zip(&dump.setup.files) {
        out.row(" ", "Track file", &setup.name);
        out.row("   ", "File", setup.path.display());
        out.row("   ", "Status", now.unwrap_or(0));
    }
    if !dump.config.processes.is_empty() {
        out.title("Track processes");
    }
    let all = dump.config.processes.iter().zip(&dump.status.processes).zip(&dump.setup.processes);
    for ((it, now), setup) in all {
        out.row(" ", "Process", &it.name);
        out.row("   ", "Command", &setup.program);
        out.row("   ", "Quorum", it.quorum);
        out.row("   ", "Current processes", now.count);
        out.row("   ", "Have quorum", now.good == Some(true));
    }
}

fn links(out: &mut Out, dump: &Dump<'_>) {
    out.title("Interfaces");
    for (it, now) in dump.config.links.iter().zip(&dump.status.links) {
        out.row(" ", "Name", &it.name);
        if let Some(address) = now.state.v4 {
            out.row("   ", "IPv4 address", address);
        }
        if let Some(address) = now.state.v6 {
            out.row("   ", "IPv6 address", address);
        }
        out.row("   ", "State", if now.state.up { "UP, RUNNING" } else { "DOWN" });
        out.row("   ", "Counts as up", now.up == Some(true));
        out.row("   ", "Up debounce timer", format_args!("{}us", it.up_delay.as_micros()));
        out.row("   ", "Down debounce timer", format_args!("{}us", it.down_delay.as_micros()));
        out.row("   ", "MTU", now.state.mtu);
    }
}

fn switch(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

fn seconds(time: Duration) -> String {
    format!("{} sec", time.as_secs_f64())
}
