//! A status as JSON for programs and as text for people.

use keepair_core::status::{Member, Status};
use keepair_core::votes::KeeperStatus;
use keepair_core::vrrp::Drop;
use keepair_wire::peer::{Failover, State};
use serde_json::{Value, json};

/// The JSON form. Units are in the names; absent values are null.
pub(crate) fn json(status: &Status) -> Value {
    let [own, _] = &status.members;
    json!({
        "node": own.name,
        "virtual_router_id": status.vrid,
        "link": if status.link_up { "up" } else { "down" },
        "members": status.members.iter().map(member).collect::<Vec<_>>(),
        "last_failover": status.last_failover.as_ref().map(failover),
        "tie_breakers": status.tie_breakers.iter().map(tie_breaker).collect::<Vec<_>>(),
        "solo": status.solo,
        "problems": status.problems,
        "counters": {
            "adverts_sent": status.counters.adverts_sent,
            "adverts_received": status.counters.adverts_received,
            "farewells_sent": status.counters.farewells_sent,
            "farewells_received": status.counters.farewells_received,
            "timers_late": status.counters.timers_late,
            "dropped": Drop::NAMES
                .iter()
                .zip(status.counters.dropped)
                .map(|(name, count)| ((*name).to_owned(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
        },
    })
}

fn tie_breaker((name, keeper): &(String, KeeperStatus)) -> Value {
    json!({
        "name": name,
        "reachable": keeper.reachable,
        "stands_by_this_machine": keeper.granted,
        "problem": keeper.problem,
    })
}

fn member(member: &Member) -> Value {
    let redis = &member.redis;
    let known = redis.reachable;
    json!({
        "name": member.name,
        "address": member.address.to_string(),
        "local": member.local,
        "heard": member.heard,
        "state": member.state.as_str(),
        "fit": member.fit,
        "reason": member.reason,
        "priority": member.priority,
        "generation": member.generation,
        "redis": {
            "reachable": known,
            "role": known.then_some(if redis.primary { "primary" } else { "replica" }),
            "link": (known && !redis.primary)
                .then_some(if redis.link_up { "up" } else { "down" }),
            "syncing": redis.syncing,
            "empty": redis.empty,
            "offset": known.then_some(redis.offset),
            "lag_bytes": member.lag_bytes,
            "version": known.then(|| format!("{}.{}", redis.version.0, redis.version.1)),
            "flavour": known.then_some(if redis.valkey { "valkey" } else { "redis" }),
        },
    })
}

fn failover(failover: &Failover) -> Value {
    let served = failover
        .phases
        .iter()
        .filter(|(phase, _)| *phase <= keepair_wire::peer::Phase::Announce)
        .map(|(_, at_us)| *at_us)
        .max();
    json!({
        "cause": failover.cause.as_str(),
        "generation": failover.generation,
        "unix_ms": failover.unix_ms,
        "total_us": served,
        "phases": failover
            .phases
            .iter()
            .map(|(phase, at_us)| json!({ "phase": phase.as_str(), "at_us": at_us }))
            .collect::<Vec<_>>(),
    })
}

/// The form for people, from the JSON form.
pub(crate) fn text(status: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let mut out = String::new();
    for member in status["members"].as_array().into_iter().flatten() {
        let redis = &member["redis"];
        let mark = if member["state"] == State::Active.as_str() { '*' } else { ' ' };
        out += &format!(
            "{mark} {} ({}){}  {}  {}\n",
            word(&member["name"]),
            word(&member["address"]),
            if member["local"] == true { ", this machine" } else { "" },
            word(&member["state"]),
            if member["fit"] == true { "" } else { "not ready to take over" },
        );
        out += &format!("    why     {}\n", word(&member["reason"]));
        if redis["reachable"] == true {
            out += &format!(
                "    redis   {} {} {}, offset {}",
                word(&redis["flavour"]),
                word(&redis["version"]),
                word(&redis["role"]),
                word(&redis["offset"]),
            );
            if !redis["link"].is_null() {
                out += &format!(", link {}", word(&redis["link"]));
            }
            if !redis["lag_bytes"].is_null() {
                out += &format!(", {} bytes behind", word(&redis["lag_bytes"]));
            }
            out += "\n";
        } else {
            out += "    redis   not reachable\n";
        }
    }
    for breaker in status["tie_breakers"].as_array().into_iter().flatten() {
        let said = if breaker["reachable"] != true {
            format!("not reached: {}", word(&breaker["problem"]))
        } else if breaker["stands_by_this_machine"] == true {
            "reached, stands by this machine".to_owned()
        } else {
            "reached".to_owned()
        };
        out += &format!("  tie-breaker {}: {said}\n", word(&breaker["name"]));
    }
    if status["solo"] == true {
        out += "  begun alone, as the operator said; until the other machine is heard\n";
    }
    let failover = &status["last_failover"];
    if !failover.is_null() {
        let at = std::time::UNIX_EPOCH
            + std::time::Duration::from_millis(failover["unix_ms"].as_u64().unwrap_or(0));
        out += &format!(
            "  last failover {} ({}), generation {}:\n",
            humantime::format_rfc3339_seconds(at),
            word(&failover["cause"]),
            word(&failover["generation"]),
        );
        for phase in failover["phases"].as_array().into_iter().flatten() {
            let at_us = phase["at_us"].as_u64().unwrap_or(0);
            out += &format!(
                "    {:>9}.{:03} ms  {}\n",
                at_us / 1000,
                at_us % 1000,
                word(&phase["phase"])
            );
        }
    }
    for problem in status["problems"].as_array().into_iter().flatten() {
        out += &format!("  problem: {}\n", word(problem));
    }
    out
}
