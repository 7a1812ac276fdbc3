//! The rows of the table: what each configures, and what is played.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use super::judge::After;
use super::play::{FIRST, NUMBERS, Play, SECOND};
use super::router::{Instance, Plan, Script};

/// A row.
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub what: &'static str,
    /// FRR can play it.
    pub frr: bool,
    /// Both machines' configurations, by their places.
    pub plan: fn(usize) -> Plan,
    /// What is done.
    pub play: fn(&mut Play) -> Result<()>,
}

/// All of them.
pub const ROWS: &[Row] = &[
    Row {
        name: "v2-pass",
        what: "version 2 with a password",
        frr: false,
        plan: v2_pass,
        play: farewell,
    },
    Row { name: "v2", what: "version 2", frr: true, plan: v2, play: farewell },
    Row { name: "v3", what: "version 3", frr: true, plan: v3, play: farewell_and_crash },
    Row {
        name: "ipv6",
        what: "version 3 over IPv6",
        frr: true,
        plan: ipv6,
        play: farewell_and_crash,
    },
    Row { name: "unicast", what: "version 3 to a peer", frr: false, plan: unicast, play: farewell },
    Row {
        name: "unicast-v2",
        what: "version 2 to a peer, with a password",
        frr: false,
        plan: unicast_v2,
        play: farewell,
    },
    Row {
        name: "group",
        what: "IPv4 and IPv6 in a sync group",
        frr: false,
        plan: group,
        play: group_fault,
    },
    Row {
        name: "script",
        what: "a check lowers the priority",
        frr: false,
        plan: script,
        play: check_fails,
    },
    Row {
        name: "fault",
        what: "a check without a weight",
        frr: false,
        plan: fault,
        play: check_faults,
    },
    Row {
        name: "stop",
        what: "a daemon ends and comes back",
        frr: false,
        plan: v3,
        play: farewell,
    },
    Row {
        name: "crash",
        what: "kill -9, and what it left behind",
        frr: false,
        plan: v3,
        play: crash,
    },
    Row {
        name: "nopreempt",
        what: "a better machine waits",
        frr: false,
        plan: nopreempt,
        play: waits,
    },
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::from([0; 4])) // each is parsed by a test
}

const V4: &str = "172.18.0.10";
const V6: &str = "fd00:18::10";

fn instance(who: usize) -> Instance {
    Instance {
        name: "VI_1",
        vrid: 51,
        version: 3,
        priority: if who == FIRST { 150 } else { 100 },
        wants_master: who == FIRST,
        nopreempt: false,
        interval: Duration::from_millis(200),
        password: None,
        unicast: None,
        addresses: vec![address(V4)],
    }
}

fn one(instance: Instance) -> Plan {
    Plan { instances: vec![instance], ..Plan::default() }
}

fn v2(who: usize) -> Plan {
    one(Instance { version: 2, interval: Duration::from_secs(1), ..instance(who) })
}

fn v2_pass(who: usize) -> Plan {
    let v2 = Instance { version: 2, interval: Duration::from_secs(1), ..instance(who) };
    one(Instance { password: Some("1111"), ..v2 })
}

fn v3(who: usize) -> Plan {
    one(instance(who))
}

fn ipv6(who: usize) -> Plan {
    one(Instance { addresses: vec![address(V6)], ..instance(who) })
}

fn peers(who: usize) -> Option<(IpAddr, IpAddr)> {
    let of = |who: usize| IpAddr::from([172, 18, 0, NUMBERS.get(who).copied().unwrap_or(0)]);
    Some((of(who), of(1 - who)))
}

fn unicast(who: usize) -> Plan {
    one(Instance { unicast: peers(who), ..instance(who) })
}

fn unicast_v2(who: usize) -> Plan {
    let v2 = Instance { version: 2, interval: Duration::from_secs(1), ..instance(who) };
    one(Instance { unicast: peers(who), password: Some("longer-than-eight"), ..v2 })
}

fn group(who: usize) -> Plan {
    let v6 = Instance { name: "VI_6", addresses: vec![address(V6)], ..instance(who) };
    Plan { instances: vec![instance(who), v6], group: true, script: Some(Script { weight: 0 }) }
}

fn script(who: usize) -> Plan {
    Plan { script: Some(Script { weight: -60 }), ..one(instance(who)) }
}

fn fault(who: usize) -> Plan {
    Plan { script: Some(Script { weight: 0 }), ..one(instance(who)) }
}

fn nopreempt(who: usize) -> Plan {
    one(Instance { wants_master: false, nopreempt: true, ..instance(who) })
}

fn farewell(play: &mut Play) -> Result<()> {
    play.start_both()?;
    play.takes(FIRST, After::Start)?;
    play.stop(FIRST)?;
    play.takes(SECOND, After::Farewell)?;
    play.start(FIRST)?;
    play.takes(FIRST, After::Start)
}

fn crash(play: &mut Play) -> Result<()> {
    play.start_both()?;
    play.takes(FIRST, After::Start)?;
    play.crash(FIRST)?;
    play.takes(SECOND, After::Silence)?;
    play.start(FIRST)?;
    play.takes(FIRST, After::Start)?;
    play.crash(SECOND)?;
    play.quiet(Duration::from_secs(1));
    play.start(SECOND)?;
    play.quiet(Duration::from_secs(1));
    Ok(())
}

fn farewell_and_crash(play: &mut Play) -> Result<()> {
    farewell(play)?;
    play.crash(FIRST)?;
    play.takes(SECOND, After::Silence)
}

fn check_fails(play: &mut Play) -> Result<()> {
    play.start_both()?;
    play.takes(FIRST, After::Start)?;
    play.good(FIRST, false)?;
    play.takes(SECOND, After::Silence)?;
    play.good(FIRST, true)?;
    play.takes(FIRST, After::Raise)
}

fn check_faults(play: &mut Play) -> Result<()> {
    play.start_both()?;
    play.takes(FIRST, After::Start)?;
    faults_and_recovers(play)
}

fn faults_and_recovers(play: &mut Play) -> Result<()> {
    play.good(FIRST, false)?;
    play.takes(SECOND, After::Farewell)?;
    play.good(FIRST, true)?;
    play.takes(FIRST, After::Recovery)
}

/// A group's first election is one interval short for everybody: the better machine starts first.
fn group_fault(play: &mut Play) -> Result<()> {
    play.start(FIRST)?;
    play.takes(FIRST, After::Start)?;
    play.start(SECOND)?;
    play.quiet(Duration::from_secs(1));
    faults_and_recovers(play)?;
    play.stop(FIRST)?;
    play.takes(SECOND, After::Farewell)
}

fn waits(play: &mut Play) -> Result<()> {
    play.start_both()?;
    play.takes(FIRST, After::Start)?;
    play.stop(FIRST)?;
    play.takes(SECOND, After::Farewell)?;
    play.start(FIRST)?;
    play.quiet(Duration::from_secs(2));
    play.crash(SECOND)?;
    play.takes(FIRST, After::Silence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_addresses_and_a_better_and_a_worse_machine() {
        for row in ROWS {
            let (first, second) = ((row.plan)(FIRST), (row.plan)(SECOND));
            for (a, b) in first.instances.iter().zip(&second.instances) {
                assert!(a.priority > b.priority, "{}", row.name);
                assert!(a.addresses.iter().all(|a| !a.is_unspecified()), "{}", row.name);
            }
        }
    }
}
