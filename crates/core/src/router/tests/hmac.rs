//! `auth_hmac`: what is signed, and which signatures are believed.

use super::bench::*;
use crate::router::config::*;
use crate::router::event::{Event, State};
use crate::router::input::{Input, LinkState, Operator};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use keepair_wire::vrrp::hmac::{self, Sequence, Trailer};
use keepair_wire::vrrp::{self, ChecksumForm, v2};

const PEER: &str = "10.0.0.2";
/// The machines' time of day when they start.
const START: Duration = Duration::from_secs(1_000_000);

fn key(id: u8) -> HmacKey {
    HmacKey { id, value: vec![id; 32] }
}

fn hmac(keys: &[u8], active_key: u8, mode: HmacMode) -> Hmac {
    let keys = keys.iter().map(|id| key(*id)).collect();
    Hmac { keys, active_key, monotonic: false, time_window: SECOND * 5, mode }
}

fn enforce(keys: &[u8], active_key: u8) -> Option<Hmac> {
    Some(hmac(keys, active_key, HmacMode::Enforce))
}

fn monotonic() -> Option<Hmac> {
    Some(Hmac { monotonic: true, ..hmac(&[1], 1, HmacMode::Enforce) })
}

fn v3(priority: u8, hmac: Option<Hmac>) -> Config {
    config([InstanceConfig { hmac, ..instance_v3("VI", 51, priority) }])
}

fn v6(priority: u8, hmac: Option<Hmac>) -> Config {
    config([InstanceConfig {
        hmac,
        family: Family::V6,
        transport: Transport::Multicast { group: ip("ff02::12") },
        addresses: vec![address("fe80::100")],
        ..instance_v3("VI", 51, priority)
    }])
}

fn v2(priority: u8, hmac: Option<Hmac>) -> Config {
    config([InstanceConfig { hmac, ..instance("VI", 51, priority) }])
}

fn unicast(priority: u8, hmac: Option<Hmac>) -> Config {
    let peer = ip(if priority > 100 { PEER } else { "10.0.0.1" });
    let peers = vec![Peer { address: peer, min_ttl: 0, max_ttl: 255 }];
    let transport = Transport::Unicast { peers, ttl: 255, check_source: true };
    config([InstanceConfig { hmac, transport, ..instance_v3("VI", 51, priority) }])
}

/// Two machines, after 10 s.
fn two(one: Config, other: Config) -> World {
    let mut world = World::new([one, other]);
    world.run(SECOND * 10);
    world
}

fn states(world: &World) -> [State; 2] {
    [world.state(0, 0), world.state(1, 0)]
}

/// Why a machine dropped adverts, each reason once.
fn dropped(world: &World, host: usize) -> Vec<String> {
    let whys = world.hosts[host].events.iter().filter_map(|event| match event {
        Event::Dropped { why, .. } => Some(why.clone()),
        _ => None,
    });
    whys.collect()
}

fn problems(world: &World, host: usize) -> Vec<String> {
    let texts = world.hosts[host].events.iter().filter_map(|event| match event {
        Event::Problem { text, .. } => Some(text.to_string()),
        _ => None,
    });
    texts.collect()
}

/// An advert of the peer, signed.
fn advert(trailer: Trailer, value: &[u8]) -> Vec<u8> {
    let (src, dst) = (ip(PEER), ip("224.0.0.18"));
    let advert = vrrp::Advert {
        vrid: 51,
        priority: 150,
        max_advert_int_cs: 100,
        addresses: vec![ip("10.0.0.100")],
    };
    let mut message = advert.emit(src, dst, ChecksumForm::PseudoHeader);
    hmac::sign(&mut message, trailer, src, dst, value);
    message
}

fn signed_at(unix: Duration) -> Vec<u8> {
    advert(Trailer { key_id: 1, sequence: Sequence::at(unix) }, &[1; 32])
}

/// A machine is told a message from the peer: `Ok` if it believed it, else the last reason told. Each
/// is told once.
fn hears(world: &mut World, message: Vec<u8>) -> Result<(), String> {
    hears_from(world, PEER, message)
}

fn hears_from(world: &mut World, src: &str, message: Vec<u8>) -> Result<(), String> {
    let before = world.hosts[0].router.status(world.now).instances[0].counters;
    let (src, dst) = (ip(src), ip("224.0.0.18"));
    world.tell(0, Input::Packet { link: LinkId(0), src, dst, ttl: 255, message });
    let after = world.hosts[0].router.status(world.now).instances[0].counters;
    let failures = |it: crate::router::status::Counters| it.auth_failure + it.authtype_mismatch;
    if failures(after) == failures(before) {
        return Ok(());
    }
    Err(dropped(world, 0).pop().unwrap_or_default())
}

#[test]
fn two_machines_with_one_key_agree() {
    for both in [v3, v6, v2, unicast] {
        let world = two(both(150, enforce(&[1], 1)), both(100, enforce(&[1], 1)));
        assert_eq!(states(&world), [State::Active, State::Backup]);
        assert_eq!(dropped(&world, 1), Vec::<String>::new());
        for message in &world.hosts[0].sent {
            assert_eq!(hmac::parse(message).map(|trailer| trailer.key_id), Some(1));
        }
    }
}

#[test]
fn one_with_and_one_without_refuse_each_other() {
    for (both, why) in [
        (v3 as fn(u8, Option<Hmac>) -> Config, "40 bytes for an advert of 12"),
        (v2, "48 bytes for an advert of 20"),
        (v6, "malformed advert: bad checksum"),
    ] {
        let mut world = two(both(150, enforce(&[1], 1)), both(100, None));
        world.run(SECOND * 10);
        assert_eq!(states(&world), [State::Active; 2]);
        assert!(dropped(&world, 0).contains(&"it is not signed".into()));
        assert!(dropped(&world, 1).contains(&why.into()), "{:?}", dropped(&world, 1));
    }
}

#[test]
fn another_key_is_refused() {
    for (theirs, why) in [
        (enforce(&[2], 2), "it is signed with key 2, which is not known here"),
        (
            Some(Hmac {
                keys: vec![HmacKey { id: 1, value: vec![9; 32] }],
                ..hmac(&[], 1, HmacMode::Enforce)
            }),
            "its signature is wrong",
        ),
    ] {
        let world = two(v3(150, theirs), v3(100, enforce(&[1], 1)));
        assert_eq!(states(&world), [State::Active; 2]);
        assert_eq!(dropped(&world, 1)[0], why);
    }
}

#[test]
fn a_key_is_changed_without_a_second_active() {
    let steps: [[(&[u8], u8); 2]; 6] = [
        [(&[1, 2], 1), (&[1], 1)],
        [(&[1, 2], 1), (&[1, 2], 1)],
        [(&[1, 2], 2), (&[1, 2], 1)],
        [(&[1, 2], 2), (&[1, 2], 2)],
        [(&[2], 2), (&[1, 2], 2)],
        [(&[2], 2), (&[2], 2)],
    ];
    let mut world = two(v3(150, enforce(&[1], 1)), v3(100, enforce(&[1], 1)));
    for step in steps {
        for (host, (keys, active)) in step.into_iter().enumerate() {
            let priority = [150, 100][host];
            world.reload(host, v3(priority, enforce(keys, active)));
            world.run(SECOND * 5);
            assert_eq!(states(&world), [State::Active, State::Backup], "{step:?}");
        }
    }
    assert_eq!(dropped(&world, 1), Vec::<String>::new());
    let last = world.hosts[0].sent.last().unwrap();
    assert_eq!(hmac::parse(last).map(|trailer| trailer.key_id), Some(2));
}

#[test]
fn signatures_are_introduced_without_a_second_active() {
    let with = |mode| Some(hmac(&[1], 1, mode));
    let steps = [
        [with(HmacMode::ReceiveOnly), None],
        [with(HmacMode::ReceiveOnly), with(HmacMode::ReceiveOnly)],
        [with(HmacMode::Permissive), with(HmacMode::ReceiveOnly)],
        [with(HmacMode::Permissive), with(HmacMode::Permissive)],
        [with(HmacMode::Enforce), with(HmacMode::Permissive)],
        [with(HmacMode::Enforce), with(HmacMode::Enforce)],
    ];
    let mut world = two(v3(150, None), v3(100, None));
    for step in steps {
        for (host, hmac) in step.clone().into_iter().enumerate() {
            world.reload(host, v3([150, 100][host], hmac));
            world.run(SECOND * 5);
            assert_eq!(states(&world), [State::Active, State::Backup], "{step:?}");
        }
    }
    assert_eq!(dropped(&world, 1), Vec::<String>::new());
    assert!(problems(&world, 1).contains(&"adverts of 10.0.0.1 are not signed".into()));
}

/// What is signed must be signed rightly, also where it need not be signed.
#[test]
fn permissive_takes_no_wrong_signature() {
    for mode in [HmacMode::Permissive, HmacMode::ReceiveOnly] {
        let mut world = World::new([v3(100, Some(hmac(&[1], 1, mode)))]);
        let wrong = advert(Trailer { key_id: 1, sequence: Sequence::at(START) }, &[9; 32]);
        assert_eq!(hears(&mut world, wrong), Err("its signature is wrong".into()));
        assert_eq!(hears(&mut world, signed_at(START)), Ok(()));
    }
}

#[test]
fn a_repetition_is_refused() {
    for hmac in [enforce(&[1], 1), monotonic()] {
        let mut world = World::new([v3(100, hmac)]);
        let (old, new) = (signed_at(START), signed_at(START + MS * 500));
        let again = Err("it is a repetition of an older advert".to_string());
        assert_eq!(hears(&mut world, new.clone()), Ok(()));
        assert_eq!(hears(&mut world, new), again);
        assert_eq!(hears(&mut world, old), again);
        let next = Trailer { key_id: 1, sequence: Sequence::at(START + MS * 500).next() };
        assert_eq!(hears(&mut world, advert(next, &[1; 32])), Ok(()));
    }
}

/// The signature names the sender, so a captured advert is of no use from another address.
#[test]
fn a_repetition_from_another_address_is_refused() {
    let mut world = World::new([v3(100, enforce(&[1], 1))]);
    let (src, dst) = (ip("10.0.0.9"), ip("224.0.0.18"));
    let mut message = signed_at(START);
    // An attacker can mend the checksum.
    let advert = vrrp::Advert {
        vrid: 51,
        priority: 150,
        max_advert_int_cs: 100,
        addresses: vec![ip("10.0.0.100")],
    };
    message.splice(..12, advert.emit(src, dst, ChecksumForm::PseudoHeader));
    let got = hears_from(&mut world, "10.0.0.9", message);
    assert_eq!(got, Err("its signature is wrong".into()));
}

#[test]
fn the_clocks_may_differ_by_the_window() {
    let at = |offset_s: i64| {
        let unix = Duration::from_secs(START.as_secs().saturating_add_signed(offset_s));
        let mut world = World::new([v3(100, enforce(&[1], 1))]);
        let got = hears(&mut world, signed_at(unix));
        (got, problems(&world, 0))
    };
    let apart = |s| vec![format!("the clocks of this machine and {PEER} are {s} s apart")];
    let told = |got: (_, Vec<String>)| {
        (got.0, got.1.into_iter().filter(|text| text.contains("clocks")).collect::<Vec<_>>())
    };
    let old = "it was signed 6 s ago: it is old, or a clock is wrong".to_string();
    let new = "it was signed 6 s ahead of this machine's clock".to_string();
    assert_eq!(told(at(-6)), (Err(old), vec![]));
    assert_eq!(told(at(-5)), (Ok(()), apart(5)));
    assert_eq!(told(at(-2)), (Ok(()), vec![]));
    assert_eq!(told(at(3)), (Ok(()), apart(3)));
    assert_eq!(told(at(6)), (Err(new), vec![]));
    let mut world = World::new([v3(100, monotonic())]);
    assert_eq!(hears(&mut world, signed_at(Duration::from_secs(5))), Ok(()));
}

/// An advert that nobody with a key signed does not move what is remembered.
#[test]
fn a_forged_advert_does_not_lock_the_sender_out() {
    let mut world = World::new([v3(100, monotonic())]);
    let forged = Trailer { key_id: 1, sequence: Sequence::at(START * 2) };
    assert_eq!(hears(&mut world, advert(forged, &[9; 32])), Err("its signature is wrong".into()));
    assert_eq!(hears(&mut world, signed_at(START)), Ok(()));
}

/// The Active machine's clock was an hour ahead and is set right, and the Backup's too.
#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let mut world = World::new([v3(150, enforce(&[1], 1)), v3(100, enforce(&[1], 1))]);
    let hour = SECOND * 3600;
    for host in [0, 1] {
        world.tell(host, Input::ClockSet { unix: START + hour });
    }
    world.run(SECOND * 10);
    for host in [0, 1] {
        world.tell(host, Input::ClockSet { unix: START });
    }
    world.run(SECOND * 10);
    assert_eq!(states(&world), [State::Active, State::Backup]);
    assert_eq!(dropped(&world, 1), Vec::<String>::new());
}

/// Within the window, and without clocks always, it grows all the same.
#[test]
fn the_sequence_grows_though_the_clock_goes_back() {
    for (hmac, back) in [(enforce(&[1], 1), SECOND * 3), (monotonic(), SECOND * 3600)] {
        let mut world = World::new([v3(255, hmac)]);
        world.run(SECOND * 10);
        world.tell(0, Input::ClockSet { unix: START + SECOND * 10 - back });
        world.run(SECOND * 2);
        let trailers = world.hosts[0].sent.iter().filter_map(|message| hmac::parse(message));
        let sequences: Vec<Sequence> = trailers.map(|trailer| trailer.sequence).collect();
        assert!(sequences.len() > 10);
        assert!(sequences.windows(2).all(|pair| pair[1].is_after(pair[0])));
    }
}

/// A farewell is signed like any advert, and an unsigned one is no farewell.
#[test]
fn a_forged_farewell_does_not_count() {
    let mut world = two(v3(150, enforce(&[1], 1)), v3(100, enforce(&[1], 1)));
    let (src, dst) = (ip("10.0.0.1"), ip("224.0.0.18"));
    let farewell = vrrp::Advert {
        vrid: 51,
        priority: 0,
        max_advert_int_cs: 100,
        addresses: vec![ip("10.0.0.100")],
    };
    let message = farewell.emit(src, dst, ChecksumForm::PseudoHeader);
    world.tell(1, Input::Packet { link: LinkId(0), src, dst, ttl: 255, message });
    assert!(world.takes_over_ms(1, 0) > Some(1000));
    world.tell(0, Input::Operator(Operator::Stop));
    assert!(world.takes_over_ms(1, 0) < Some(1000));
    let last = world.hosts[0].sent.last().unwrap();
    assert_eq!((last[2], last.len()), (0, 12 + hmac::LEN));
}

/// Copies to several peers carry one signature.
#[test]
fn one_advert_to_two_peers_is_one_advert() {
    let peers = ["10.0.0.2", "10.0.0.3"];
    let peers = peers.map(|text| Peer { address: ip(text), min_ttl: 0, max_ttl: 255 }).to_vec();
    let it = InstanceConfig {
        hmac: enforce(&[1], 1),
        transport: Transport::Unicast { peers, ttl: 255, check_source: true },
        ..instance("VI", 51, 255)
    };
    let mut world = World::new([config([it])]);
    world.run(SECOND * 2);
    let sent = &world.hosts[0].sent;
    assert!(sent.len() >= 4);
    assert!(sent.chunks(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(v2::parse(&sent[0]).map(|advert| advert.auth_type), Ok(v2::AUTH_NONE));
}

#[test]
fn the_signature_takes_room_from_the_addresses() {
    let all: Vec<_> = (0..40)
        .map(|i| address(&IpAddr::from(Ipv4Addr::new(10, 0, 0, 100 + i)).to_string()))
        .collect();
    // 20 bytes of IPv4 header, 8 of VRRP, 4 for each address.
    for (hmac, want) in
        [(None, 23), (enforce(&[1], 1), 16), (Some(hmac(&[1], 1, HmacMode::ReceiveOnly)), 23)]
    {
        let it = InstanceConfig { hmac, addresses: all.clone(), ..instance_v3("VI", 51, 255) };
        let mut world = World::new([config([it])]);
        let state = LinkState { mtu: 120, ..world.link_state(0, 0) };
        world.tell(0, Input::Link { link: LinkId(0), state });
        let advertised = world.hosts[0].router.status(world.now).instances[0].advertised.len();
        assert_eq!(advertised, want);
    }
}

/// Whatever is cut from or put behind a signed advert, or turned over in it, is refused quietly.
#[test]
fn torn_adverts_are_refused() {
    let whole = signed_at(START);
    for len in 0..whole.len() {
        let mut world = World::new([v3(100, enforce(&[1], 1))]);
        world.run(SECOND);
        let before = world.takes_over_ms(0, 0);
        let _ = hears(&mut world, whole[..len].to_vec());
        assert_eq!(world.takes_over_ms(0, 0), before, "{len} bytes");
    }
    let mut longer = whole;
    longer.push(0);
    let mut world = World::new([v3(100, enforce(&[1], 1))]);
    assert_eq!(hears(&mut world, longer), Err("it is not signed".into()));
}

#[test]
fn keys_are_not_shown() {
    let text = format!("{:?}", v3(100, enforce(&[0xa7], 0xa7)));
    assert!(text.contains("HmacKey { id: 167, .. }"), "{text}");
    assert!(!text.contains("167, 167"), "{text}");
}
