//! A router's status as JSON for programs and as text for people.

use keepair_core::router::event::State;
use keepair_core::router::status::InstanceStatus;
use serde_json::{Value, json};

use super::dump::{Dump, word};

/// The JSON form. Units are in the names; absent values are null.
pub(crate) fn json(dump: &Dump<'_>) -> Value {
    let instances: Vec<Value> = dump
        .instances()
        .map(|(it, now)| {
            let group = dump.config.groups.iter().find(|group| group.members.contains(&now.id));
            json!({
                "name": it.name,
                "state": word(now.state),
                "why": why(now),
                "group": group.map(|group| &group.name),
                "interface": dump.interface(it),
                "virtual_router_id": it.vrid.0,
                "priority": now.priority,
                "base_priority": now.base_priority,
                "addresses": it.addresses.iter().chain(&it.excluded_addresses)
                    .map(|one| one.address.to_string()).collect::<Vec<_>>(),
                "since_unix_ms": u64::try_from(now.last_transition.as_millis()).unwrap_or(0),
                "master": now.master.map(|(address, _)| address.to_string()),
                "master_priority": now.master.map(|(_, priority)| priority),
                "adverts_sent": now.counters.advert_sent,
                "adverts_received": now.counters.advert_rcvd,
            })
        })
        .collect();
    let groups = dump.config.groups.iter().zip(&dump.status.groups);
    let scripts = dump.config.scripts.iter().zip(&dump.status.scripts);
    json!({
        "instances": instances,
        "groups": groups
            .map(|(it, now)| json!({ "name": it.name, "state": word(now.state) }))
            .collect::<Vec<_>>(),
        "scripts": scripts
            .map(|(it, now)| json!({ "name": it.name, "good": now.good, "runs": now.runs }))
            .collect::<Vec<_>>(),
        "unknown_virtual_router_adverts": dump.status.unknown_vrids,
    })
}

/// What keeps it from more than it is, if anything does.
fn why(now: &InstanceStatus) -> Option<String> {
    match now.state {
        State::Fault if !now.faults.is_empty() => Some(now.faults.join(", ")),
        State::Fault | State::Initialize if now.waiting => {
            Some("something it needs has not told yet how it is".to_owned())
        }
        _ => None,
    }
}

/// The form for people, from the JSON form.
pub(crate) fn text(status: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let mut out = String::new();
    for it in status["instances"].as_array().into_iter().flatten() {
        let mark = if it["state"] == "MASTER" { '*' } else { ' ' };
        let base = match it["priority"] == it["base_priority"] {
            true => String::new(),
            false => format!(" (configured {})", word(&it["base_priority"])),
        };
        out += &format!(
            "{mark} {}  {}  priority {}{base}  {} id {}\n",
            word(&it["name"]),
            word(&it["state"]),
            word(&it["priority"]),
            word(&it["interface"]),
            word(&it["virtual_router_id"]),
        );
        if !it["why"].is_null() {
            out += &format!("    why        {}\n", word(&it["why"]));
        }
        let addresses: Vec<String> =
            it["addresses"].as_array().into_iter().flatten().map(word).collect();
        out += &format!("    addresses  {}\n", addresses.join(" "));
        if !it["master"].is_null() && it["state"] != "MASTER" {
            let [master, priority] = ["master", "master_priority"].map(|key| word(&it[key]));
            out += &format!("    master     {master}, priority {priority}\n");
        }
    }
    for group in status["groups"].as_array().into_iter().flatten() {
        out += &format!("  group {}  {}\n", word(&group["name"]), word(&group["state"]));
    }
    for script in status["scripts"].as_array().into_iter().flatten() {
        let state = match script["good"].as_bool() {
            Some(true) => "good",
            Some(false) => "bad",
            None => "has not ended yet",
        };
        out += &format!("  script {}  {state}\n", word(&script["name"]));
    }
    out
}
