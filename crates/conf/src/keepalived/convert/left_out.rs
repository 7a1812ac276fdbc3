//! What a `keepair.toml` has no word for, so that nobody misses it by surprise.

use super::scripts::Told;
use super::show;
use crate::keepalived::file::{File, Instance};

/// A line each.
pub(super) fn all(file: &File, it: &Instance, told: &Told) -> Vec<String> {
    let mut out = Vec::new();
    let mut say = |condition: bool, what: &str| {
        if condition {
            out.push(what.to_owned());
        }
    };
    say(
        it.password.is_some(),
        "auth_pass: version 3 of VRRP, which Keepair speaks, has no passwords",
    );
    say(it.hmac.is_some(), "auth_hmac: Keepair's adverts of a pair are not signed");
    say(
        it.version(&file.globals) == 2,
        "version 2: Keepair speaks version 3, so both machines change over together",
    );
    say(it.is_strict(&file.globals), "strict mode");
    say(
        it.preempt_delay.is_some(),
        "preempt_delay: the address moves as soon as the other Redis has every byte",
    );
    say(
        it.vmac.is_some(),
        "use_vmac: the address is announced with the interface's own MAC address",
    );
    say(!it.routes.is_empty(), "virtual_routes");
    say(!it.rules.is_empty(), "virtual_rules");
    let interface = it.interface.as_ref().map(|interface| interface.as_str());
    for vip in it.addresses.iter().chain(&it.excluded_addresses) {
        if let Some(other) = vip.interface.as_deref().filter(|other| Some(*other) != interface) {
            out.push(format!(
                "the address {} is on {}: here it is on `interface`",
                vip.address,
                show(other)
            ));
        }
        if vip.label.is_some() {
            out.push(format!("the label of {}", vip.address));
        }
    }
    for track in &it.tracks.interfaces {
        out.push(format!("track_interface {}", show(&track.name)));
    }
    for track in it
        .tracks
        .files
        .iter()
        .map(|track| ("track_file", track))
        .chain(it.tracks.processes.iter().map(|track| ("track_process", track)))
    {
        out.push(format!("{} {}", track.0, show(&track.1.name)));
    }
    for script in &told.others {
        out.push(format!("{script}: it is not run any more"));
    }
    for other in file.instances.iter().filter(|other| other.name.value != it.name.value) {
        out.push(format!(
            "instance {}: leave it to keepalived, or to `keepair run` with a file of its own",
            show(&other.name)
        ));
    }
    let globals = &file.globals;
    let mut say = |condition: bool, what: &str| {
        if condition {
            out.push(what.to_owned());
        }
    };
    say(globals.fifo.is_some() || globals.vrrp_fifo.is_some(), "notify_fifo");
    say(
        globals.startup_script.is_some() || globals.shutdown_script.is_some(),
        "startup_script and shutdown_script: ExecStartPre and ExecStopPost of the unit do that",
    );
    say(!globals.mail_to.is_empty(), "mails about changes");
    say(!file.static_addresses.is_empty(), "static_ipaddress");
    say(!file.static_routes.is_empty(), "static_routes");
    say(!file.static_rules.is_empty(), "static_rules");
    out
}
