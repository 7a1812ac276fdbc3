//! `keepair.toml`: a configuration within its stated limits, or what is wrong with the text.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use keepair_conf::{Config, Diagnostic, RedisAccess, Severity, TieBreaker, parse, render};
use keepair_core::config::Vip;
use keepair_core::time::Time;
use keepair_core::{Actions, Input, Node, vrrp};
use keepair_wire::vrrp::{ChecksumForm, GROUP_V4, GROUP_V6};

use crate::diagnostics;

const FILE: &str = "keepair.toml";

/// The bytes are the text.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let check_found = |found: &[Diagnostic]| {
        let text_of = |file: &str| (file == FILE).then_some(&*text);
        diagnostics::check(found, text_of, |some, color| render(some, &text, color));
    };
    match parse(FILE, &text) {
        Ok((config, warnings)) => {
            assert!(warnings.iter().all(|one| one.severity == Severity::Warning));
            check_found(&warnings);
            if let Some(password) = &config.redis.password {
                let shown = render(&warnings, &text, false);
                diagnostics::check_secret(&warnings, &text, &shown, password.expose());
            }
            check(&config);
        }
        Err(found) => {
            assert!(found.iter().any(|one| one.severity == Severity::Error));
            check_found(&found);
        }
    }
}

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// A configuration that was accepted: what its fields promise, and what the daemon needs.
fn check(config: &Config) {
    assert!(config.vrid.0 > 0);
    let advert = config.advert_interval;
    assert!(in_range(advert, 10..=40_950), "{advert:?}");
    assert!(advert.as_nanos().is_multiple_of(ms(10).as_nanos()), "{advert:?}");
    assert!(config.peer_port > 0);
    check_pair(config);
    check_timing(config);
    check_access(&config.redis);
    config.tie_breaker.iter().for_each(check_tie_breaker);
    let name = &config.interface;
    assert!(!name.is_empty() && name.len() <= 15 && !name.contains(['/', ':', ' ', '\n', '\0']));
    assert!(config.control_group.as_ref().is_none_or(|group| !group.is_empty()));
    for me in [0, 1] {
        check_node(config, me);
    }
}

fn in_range(value: Duration, range_ms: RangeInclusive<u64>) -> bool {
    (ms(*range_ms.start())..=ms(*range_ms.end())).contains(&value)
}

fn check_pair(config: &Config) {
    let [first, second] = &config.members;
    assert_ne!(first.name, second.name);
    assert_ne!(first.address, second.address);
    let v4 = first.address.is_ipv4();
    assert_eq!(v4, second.address.is_ipv4());
    for member in &config.members {
        assert!((1..=254).contains(&member.priority.0));
        assert!(!member.name.is_empty() && member.name.len() <= 64);
        assert!(!member.name.contains(|c: char| c.is_whitespace() || c.is_control()));
        assert!(can_be_had(member.address), "{}", member.address);
    }
    assert!(config.vips.iter().any(|vip| vip.address.is_ipv4() == v4));
    for (at, vip) in config.vips.iter().enumerate() {
        let Vip { address, prefix_len } = *vip;
        assert!(can_be_had(address) && address != first.address && address != second.address);
        assert!((1..=if address.is_ipv4() { 32 } else { 128 }).contains(&prefix_len));
        assert!(config.vips[..at].iter().all(|other| other.address != address));
    }
    assert_eq!(config.find_own(&[first.address]), Ok(0));
    assert_eq!(config.find_own(&[second.address]), Ok(1));
    let vips: Vec<IpAddr> = config.vips.iter().map(|vip| vip.address).collect();
    assert!(config.find_own(&vips).is_err());
}

/// One machine can have it, and others can reach it there.
fn can_be_had(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && !address.is_loopback()
        && address.to_canonical() == address
        && address != IpAddr::from([255; 4])
}

fn check_timing(config: &Config) {
    let timing = config.timing;
    for (value, range_ms) in [
        (timing.ping_interval, 5..=10_000),
        (timing.ping_timeout, 10..=60_000),
        (timing.hang_timeout, 10..=600_000),
        (timing.info_interval, 10..=60_000),
        (timing.reconnect_interval, 5..=60_000),
        (timing.drain_timeout, 10..=60_000),
        (timing.promote_timeout, 10..=60_000),
        (timing.switchover_timeout, 10..=60_000),
        (timing.boot_wait, 100..=600_000),
        (timing.salvage_timeout, 100..=60_000),
        (config.announce.interval, 1..=10_000),
    ] {
        assert!(in_range(value, range_ms), "{timing:?}");
    }
    assert!(timing.ping_timeout > timing.ping_interval);
    assert!(timing.hang_timeout >= timing.ping_timeout);
    assert!((1..=16).contains(&config.announce.repeats));
    let refresh = config.announce.refresh;
    assert!(refresh.is_zero() || in_range(refresh, 100..=3_600_000));
}

fn check_access(redis: &RedisAccess) {
    assert!(redis.port > 0);
    assert!(redis.host.is_none() || redis.socket.is_none());
    assert!(redis.password.is_none() || redis.password_file.is_none());
    let password = redis.password.is_some() || redis.password_file.is_some();
    assert!(redis.username.is_none() || password);
    assert!(redis.password.as_ref().is_none_or(|password| !password.expose().is_empty()));
    let tls = redis.tls.clone().unwrap_or_default();
    assert_eq!(tls.cert.is_some(), tls.key.is_some());
    assert!(redis.socket.as_ref().is_none_or(|socket| socket.len() <= 107));
    let paths = [&redis.socket, &redis.password_file, &tls.ca, &tls.cert, &tls.key];
    for path in paths.into_iter().flatten() {
        assert!(path.starts_with('/') && !path.contains('\0'), "{path}");
    }
}

fn check_tie_breaker(it: &TieBreaker) {
    let endpoints = it.etcd.iter().flat_map(|etcd| &etcd.endpoints);
    let places = endpoints.map(|it| (&it.host, it.port));
    let places = it.witness.iter().map(|it| (&it.host, it.port)).chain(places);
    for (host, port) in places {
        assert!(!host.is_empty() && !host.contains(['/', '@', ' ', '[']) && port > 0, "{host}");
    }
    assert!(it.etcd.as_ref().is_none_or(|etcd| !etcd.endpoints.is_empty()));
    assert!(!it.key.is_empty() && !it.names().is_empty());
    let logins = [it.witness.as_ref().map(|it| &it.login), it.etcd.as_ref().map(|it| &it.login)];
    for login in logins.into_iter().flatten().flatten() {
        assert_ne!(login.password.is_some(), login.password_file.is_some());
        let shown = it.names().join(" ");
        let password = login.password.as_ref().map(|password| password.expose());
        assert!(password.is_none_or(|it| it.len() < 12 || !shown.contains(it)), "{shown}");
    }
}

/// The node can be made and started, its advert fits a frame, and its kernel closes in time.
fn check_node(config: &Config, me: usize) {
    let core = config.core_config(me);
    let own = core.own();
    let advert = vrrp::advert(&core, own.priority.0);
    let group = if own.address.is_ipv4() { GROUP_V4.into() } else { GROUP_V6.into() };
    let form =
        [ChecksumForm::MessageOnly, ChecksumForm::PseudoHeader][me & usize::from(core.unicast)];
    let message = advert.emit(own.address, group, form);
    let headers = if own.address.is_ipv4() { 20 } else { 40 };
    assert!(message.len() + headers <= 1500, "{} bytes", message.len());
    let received =
        vrrp::check_advert(&config.core_config(me ^ 1), own.address, group, 255, &message);
    assert_eq!(received, Ok(advert), "the peer takes it");
    // The peer waits for this long, and must find the address free.
    let down = vrrp::active_down(core.peer().priority.0, core.advert_interval);
    let life = vrrp::fence_life(&core, core.peer().priority.0);
    assert!(life > core.advert_interval && life < down, "{life:?} of {down:?}");

    let now = Time(1_000_000);
    let mut node = Node::new(core, now);
    let mut actions = Actions::new();
    node.handle(now, Input::Started(Default::default()), &mut actions);
    assert!(!actions.is_empty() && node.deadline() > now);
}
