//! Anything in any order: the router never panics, never busies itself, and never asks for more than
//! what happened can justify.

use super::bench::*;
use crate::router::action::{Action, Actions, Notice, Subject, What};
use crate::router::config::*;
use crate::router::event::State;
use crate::router::input::{Ended, Input, LinkState, Operator};
use crate::router::{Config, Router};
use crate::time::Time;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use keepair_wire::vrrp::{self, ChecksumForm, v2};

/// Marsaglia's xorshift64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn random_config(random: &mut Random) -> Config {
    let priorities = [1, 50, 100, 150, 254, 255];
    let delays = [Duration::ZERO, MS * 700, SECOND * 3];
    let mut config = config([]);
    config.startup_delay = random.pick(&[Duration::ZERO, Duration::ZERO, SECOND * 5]);
    config.links[0].down_delay = random.pick(&delays);
    config.links[1].up_delay = random.pick(&delays);
    config.scripts = ["s", "t"]
        .into_iter()
        .map(|name| ScriptConfig {
            rise: random.pick(&[1, 2, 3]),
            fall: random.pick(&[1, 2, 3]),
            timeout: random.pick(&[MS * 500, SECOND * 3]),
            init_fail: random.one_in(4),
            ..script(name)
        })
        .collect();
    config.files = vec![FileConfig { name: "f".into() }];
    config.processes = vec![ProcessConfig {
        name: "p".into(),
        quorum: 1,
        quorum_max: 3,
        fork_delay: random.pick(&delays),
        terminate_delay: random.pick(&delays),
    }];
    for n in 0..random.below(4) {
        let vrid = u8::try_from(51 + random.below(2)).unwrap();
        let mut it = instance(["A", "B", "C"][n], vrid, random.pick(&priorities));
        it.link = LinkId(random.below(2));
        it.version = random.pick(&[Version::V2, Version::V3]);
        it.wants_active = random.one_in(2);
        it.preempt = random.one_in(2);
        it.preempt_delay = random.pick(&delays);
        it.advert_interval = random.pick(&[SECOND, SECOND * 2]);
        if it.version == Version::V3 && random.one_in(2) {
            it.advert_interval = MS * 10;
        }
        it.garp.refresh = random.pick(&[Duration::ZERO, SECOND * 2]);
        it.higher_prio_send_advert = random.one_in(2);
        it.lower_prio_no_advert = random.one_in(2);
        it.timer_expired_backup = random.pick(&[None, Some(100)]);
        it.notify_priority_changes = random.one_in(2);
        it.track_source = random.one_in(4);
        let weights = [0, 0, 10, -10, 253, -253];
        it.tracks.scripts = vec![track(ScriptId(random.below(2)), random.pick(&weights))];
        it.tracks.files = vec![track(FileId(0), random.pick(&weights))];
        it.tracks.processes = vec![track(ProcessId(0), random.pick(&weights))];
        if random.one_in(3) {
            let peers = vec![Peer { address: ip("10.0.0.2"), min_ttl: 0, max_ttl: 255 }];
            it.transport = Transport::Unicast { peers, ttl: 255, check_source: random.one_in(2) };
        }
        config.instances.push(it);
    }
    if random.one_in(2) {
        config.groups = vec![GroupConfig { tracking_weight: random.one_in(2), ..group(&config) }];
    }
    config
}

fn random_message(random: &mut Random) -> Vec<u8> {
    let priority = random.pick(&[0, 1, 99, 100, 101, 254, 255]);
    let vrid = u8::try_from(51 + random.below(2)).unwrap();
    let mut message = if random.one_in(2) {
        let form = random.pick(&[ChecksumForm::MessageOnly, ChecksumForm::PseudoHeader]);
        let max_advert_int_cs = random.pick(&[0, 1, 100, 4095]);
        let addresses = vec![ip("10.0.0.100")];
        vrrp::Advert { vrid, priority, max_advert_int_cs, addresses }.emit(
            ip("10.0.0.2"),
            ip("224.0.0.18"),
            form,
        )
    } else {
        let addresses = vec![core::net::Ipv4Addr::new(10, 0, 0, 100)];
        let auth_data = [0; 8];
        let (auth_type, advert_int_s) = (random.pick(&[0, 0, 1]), random.pick(&[1, 1, 2]));
        v2::Advert { vrid, priority, auth_type, advert_int_s, addresses, auth_data }.emit()
    };
    if random.one_in(8) {
        let at = random.below(message.len());
        message[at] = random.next() as u8;
    }
    if random.one_in(8) {
        message.truncate(random.below(message.len() + 1));
    }
    message
}

fn random_input(random: &mut Random, config: &Config) -> Input {
    let instance = InstanceId(random.below(4));
    let link = LinkId(random.below(3));
    let number = u8::try_from(link.0).unwrap();
    let own = core::net::Ipv4Addr::new(10, 0, number, 1);
    match random.below(15) {
        0..4 => Input::Packet {
            link,
            src: ip(random.pick(&["10.0.0.2", "10.0.0.2", "10.0.0.1", "10.0.0.200", "fe80::1"])),
            dst: ip(random.pick(&["224.0.0.18", "224.0.0.18", "10.0.0.1", "ff02::12"])),
            ttl: random.pick(&[255, 255, 255, 64]),
            message: random_message(random),
        },
        4 => {
            let v4 = (!random.one_in(5)).then_some(own);
            let all = v4.into_iter().map(Into::into).collect();
            let state = LinkState { up: !random.one_in(3), v4, v6: None, all, mtu: 1500 };
            Input::Link { link, state }
        }
        5 => Input::Gone(instance),
        6..8 => {
            let ended = match random.below(4) {
                0 => Ended::Killed(9),
                1 => Ended::NotStarted("no".into()),
                status => Ended::Exited(i32::try_from(status).unwrap() - 2),
            };
            Input::ScriptEnded(ScriptId(random.below(3)), ended)
        }
        8 => Input::FileRead(FileId(random.below(2)), random.pick(&[0, 1, -30, i64::MIN])),
        9 => Input::Processes(ProcessId(random.below(2)), random.pick(&[0, 1, 5])),
        10 => Input::Added(instance, Err("no".into())),
        11 => Input::Removed(instance, Ok(())),
        12 => Input::ClockSet { unix: Duration::from_secs(random.next() % 100_000) },
        13 => Input::Operator(random_wish(random, config)),
        _ => Input::Deadline,
    }
}

fn random_wish(random: &mut Random, config: &Config) -> Operator {
    match random.below(8) {
        0 if random.one_in(20) => Operator::Stop,
        1..3 => Operator::Reload(random_config(random).into()),
        3 => Operator::Reload(config.clone().into()),
        4 => Operator::ClearCounters,
        _ => Operator::Announce,
    }
}

/// What must be true of everything a router does.
struct Watch {
    /// By instance: its addresses are in the kernel, or on their way.
    holds: Vec<bool>,
    /// By script: it runs.
    runs: Vec<bool>,
    /// By instance: what was told last.
    told: Vec<Option<What>>,
    exited: bool,
}

impl Watch {
    fn new(config: &Config) -> Watch {
        Watch {
            holds: vec![true; config.instances.len()],
            runs: vec![false; config.scripts.len()],
            told: vec![None; config.instances.len()],
            exited: false,
        }
    }

    fn see(&mut self, config: &mut Config, actions: &[Action]) {
        for action in actions {
            assert!(!self.exited, "nothing comes after Exit");
            match action {
                Action::AddAddresses(id) => self.holds[id.0] = true,
                Action::RemoveAddresses(id) => self.holds[id.0] = false,
                Action::Send { instance, message, .. } => {
                    let farewell = message[2] == 0;
                    assert!(!farewell || self.holds[instance.0], "a farewell comes first");
                }
                Action::Announce { instance, .. } => assert!(self.holds[instance.0]),
                Action::RunScript(script) => {
                    assert!(!self.runs[script.0], "never twice at once");
                    self.runs[script.0] = true;
                }
                Action::EndScript { script, .. } => assert!(self.runs[script.0]),
                Action::Notify(Notice { of: Subject::Instance(id), what, .. }) => {
                    if matches!(what, What::Master | What::Backup | What::Fault) {
                        assert_ne!(self.told[id.0], Some(*what), "a change is told once");
                        self.told[id.0] = Some(*what);
                    }
                }
                Action::Adopt(adopted) => {
                    let carry = |list: &[bool], old: Option<usize>| old.is_some_and(|it| list[it]);
                    let instances = adopted.instances.iter().map(|old| old.map(|id| id.0));
                    let instances: Vec<Option<usize>> = instances.collect();
                    self.holds = instances.iter().map(|it| carry(&self.holds, *it)).collect();
                    let told = instances.iter().map(|it| it.and_then(|it| self.told[it]));
                    self.told = told.collect();
                    let scripts = adopted.scripts.iter().map(|old| old.map(|id| id.0));
                    self.runs = scripts.map(|it| carry(&self.runs, it)).collect();
                    *config = adopted.config.clone();
                }
                Action::Exit => self.exited = true,
                Action::Tell(_) | Action::Notify(_) => {}
            }
        }
    }
}

#[test]
fn anything_in_any_order() {
    let mut visited = [0_u32; 4];
    for seed in 1..400 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut config = random_config(&mut random);
        let mut watch = Watch::new(&config);
        let mut now = Time(random.next() % 1_000_000);
        let mut router = Router::new(config.clone(), now);
        let mut inputs = vec![Input::Started { unix: SECOND }];
        for _ in 0..400 {
            let input = inputs.pop().unwrap_or_else(|| random_input(&mut random, &config));
            if let Input::ScriptEnded(id, _) = &input
                && let Some(runs) = watch.runs.get_mut(id.0)
            {
                *runs = false;
            }
            let mut actions = Actions::new();
            router.handle(now, input, &mut actions);
            let bound = 40 + 12 * 3;
            assert!(actions.len() <= bound, "{} actions, seed {seed}", actions.len());
            watch.see(&mut config, &actions);
            answers(&mut random, &actions, &mut inputs);
            assert!(router.deadline() > now, "a deadline is not past, seed {seed}");
            consistent(&router, &config, now, &mut visited);
            // Now and then time passes: to the deadline, beyond it, or a little.
            now = match random.below(6) {
                0..3 => now + (router.deadline().since(now)).min(SECOND * 30),
                3 => now + SECOND * u32::try_from(random.below(8)).unwrap(),
                4 => now + MS,
                _ => now,
            };
        }
    }
    assert!(visited.iter().all(|count| *count > 1000), "every state is reached: {visited:?}");
}

/// The executor answers most of the time.
fn answers(random: &mut Random, actions: &[Action], inputs: &mut Vec<Input>) {
    for action in actions.iter().rev() {
        match action {
            Action::AddAddresses(id) if !random.one_in(8) => inputs.push(Input::Added(*id, Ok(()))),
            Action::RemoveAddresses(id) if !random.one_in(8) => {
                inputs.push(Input::Removed(*id, Ok(())));
            }
            Action::Adopt(_) => {
                inputs.clear();
                started(inputs);
            }
            _ => {}
        }
    }
    if actions.iter().any(|action| matches!(action, Action::RemoveAddresses(_))) && random.one_in(4)
    {
        started(inputs);
    }
}

/// What is told at the start.
fn started(inputs: &mut Vec<Input>) {
    for number in 0..2 {
        let own = core::net::Ipv4Addr::new(10, 0, number, 1);
        let state =
            LinkState { up: true, v4: Some(own), v6: None, all: vec![own.into()], mtu: 1500 };
        inputs.push(Input::Link { link: LinkId(usize::from(number)), state });
    }
    inputs.push(Input::FileRead(FileId(0), 0));
    inputs.push(Input::Processes(ProcessId(0), 1));
}

/// The state that a router shows fits together.
fn consistent(router: &Router, config: &Config, now: Time, visited: &mut [u32; 4]) {
    assert_eq!(router.config(), config);
    let status = router.status(now);
    for it in &status.instances {
        visited[it.state as usize] += 1;
        assert_eq!(it.next_advert.is_some(), it.state == State::Active);
        assert_eq!(it.takes_over.is_some(), it.state == State::Backup);
        assert!(it.priority >= 1);
        assert_eq!(it.priority == 255, it.base_priority == 255, "{it:?}");
    }
    for (status, group) in status.groups.iter().zip(&config.groups) {
        let active = |id: &InstanceId| router.status(now).instances[id.0].state == State::Active;
        let some = group.members.iter().any(active);
        let all = group.members.iter().all(active) && !group.members.is_empty();
        assert_eq!(some, all, "together or not at all");
        assert_eq!(status.state == State::Active, all);
    }
}
