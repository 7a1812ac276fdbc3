//! What is believed of what comes in.

use super::bench::*;
use crate::router::config::*;
use crate::router::event::{Event, State};
use crate::router::input::{Input, LinkState};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use keepair_wire::vrrp::{self, ChecksumForm, v2};

const PEER: &str = "10.0.0.2";
const GROUP: &str = "224.0.0.18";

fn v2_advert(priority: u8) -> v2::Advert {
    v2::Advert {
        vrid: 51,
        priority,
        auth_type: v2::AUTH_NONE,
        advert_int_s: 1,
        addresses: vec![Ipv4Addr::new(10, 0, 0, 100)],
        auth_data: [0; 8],
    }
}

fn v3_advert(priority: u8) -> vrrp::Advert {
    vrrp::Advert { vrid: 51, priority, max_advert_int_cs: 100, addresses: vec![ip("10.0.0.100")] }
}

/// A machine that was told one message as Backup: whether it believed it, and the reason if not.
fn believes(
    it: InstanceConfig,
    src: &str,
    dst: &str,
    ttl: u8,
    message: Vec<u8>,
) -> Result<(), String> {
    let mut world = World::new([config([it])]);
    world.run(SECOND);
    world.tell(0, Input::Packet { link: LinkId(0), src: ip(src), dst: ip(dst), ttl, message });
    let restarted = world.takes_over_ms(0, 0) > Some(2700);
    let dropped = world.hosts[0].events.iter().find_map(|event| match event {
        Event::Dropped { why, .. } => Some(why.clone()),
        _ => None,
    });
    match dropped {
        Some(why) => {
            assert!(!restarted, "what is dropped does not restart the timer");
            Err(why)
        }
        None => {
            assert!(restarted);
            Ok(())
        }
    }
}

fn unicast(min_ttl: u8, max_ttl: u8, check_source: bool) -> InstanceConfig {
    let peers = vec![Peer { address: ip(PEER), min_ttl, max_ttl }];
    InstanceConfig {
        transport: Transport::Unicast { peers, ttl: 255, check_source },
        ..instance("VI", 51, 100)
    }
}

#[test]
fn where_it_comes_from_and_how_far() {
    let multicast = || instance("VI", 51, 100);
    let own = "10.0.0.1";
    for (name, it, src, dst, ttl, want) in [
        ("multicast", multicast(), PEER, GROUP, 255, Ok(())),
        ("far", multicast(), PEER, GROUP, 254, Err("TTL or hop limit 254 is not allowed")),
        (
            "unicast to a multicast instance",
            multicast(),
            PEER,
            own,
            255,
            Err("it was sent to 10.0.0.1, which is not expected here"),
        ),
        (
            "another group",
            multicast(),
            PEER,
            "224.0.0.19",
            255,
            Err("it was sent to 224.0.0.19, which is not expected here"),
        ),
        ("its own", multicast(), own, GROUP, 255, Err("its source is this machine's own address")),
        ("unicast", unicast(0, 255, true), PEER, own, 64, Ok(())),
        (
            "multicast to a unicast instance",
            unicast(0, 255, true),
            PEER,
            GROUP,
            255,
            Err("it was sent to 224.0.0.18, which is not expected here"),
        ),
        (
            "nearer than allowed",
            unicast(10, 100, true),
            PEER,
            own,
            101,
            Err("TTL or hop limit 101 is not allowed"),
        ),
        (
            "farther than allowed",
            unicast(10, 100, true),
            PEER,
            own,
            9,
            Err("TTL or hop limit 9 is not allowed"),
        ),
        (
            "a stranger",
            unicast(0, 255, true),
            "10.0.0.9",
            own,
            255,
            Err("10.0.0.9 is not a configured peer"),
        ),
        ("a stranger who is welcome", unicast(0, 255, false), "10.0.0.9", own, 255, Ok(())),
    ] {
        let got = believes(it, src, dst, ttl, v2_advert(150).emit());
        assert_eq!(got, want.map_err(String::from), "{name}");
    }
}

#[test]
fn version_2() {
    let plain = || instance("VI", 51, 100);
    let secret = || InstanceConfig { password: Some(Password(*b"secret\0\0")), ..plain() };
    let authenticated = |auth_type, text: &[u8; 8]| {
        v2::Advert { auth_type, auth_data: *text, ..v2_advert(150) }.emit()
    };
    let longer = |bytes| {
        let mut message = v2_advert(150).emit();
        message.extend(vec![0; bytes]);
        message
    };
    let mut torn = v2_advert(150).emit();
    torn[2] ^= 1;
    for (name, it, message, want) in [
        ("plain", plain(), v2_advert(150).emit(), Ok(())),
        ("the password", secret(), authenticated(1, b"secret\0\0"), Ok(())),
        (
            "another password",
            secret(),
            authenticated(1, b"secret\0x"),
            Err("the password is wrong"),
        ),
        (
            "no password",
            secret(),
            v2_advert(150).emit(),
            Err("authentication type 0 is not the configured one"),
        ),
        (
            "a password nobody asked for",
            plain(),
            authenticated(1, b"secret\0\0"),
            Err("authentication type 1 is not the configured one"),
        ),
        (
            "an authentication header",
            plain(),
            authenticated(2, &[0; 8]),
            Err("authentication type 2 is not the configured one"),
        ),
        (
            "no such authentication",
            plain(),
            authenticated(9, &[0; 8]),
            Err("authentication type 9 is not known"),
        ),
        (
            "another interval",
            plain(),
            v2::Advert { advert_int_s: 2, ..v2_advert(150) }.emit(),
            Err("advertisement interval of 2 s is not the configured one"),
        ),
        ("padding", plain(), longer(3), Ok(())),
        ("more than padding", plain(), longer(28), Err("48 bytes for an advert of 20")),
        ("a flipped bit", plain(), torn, Err("malformed advert: bad checksum")),
        (
            "cut short",
            plain(),
            v2_advert(150).emit()[..12].to_vec(),
            Err("malformed advert: 12 bytes, 20 needed"),
        ),
        (
            "version 3",
            plain(),
            v3_advert(150).emit(ip(PEER), ip(GROUP), ChecksumForm::PseudoHeader),
            Err("VRRP version 3 is not the configured one"),
        ),
    ] {
        let got = believes(it, PEER, GROUP, 255, message);
        assert_eq!(got, want.map_err(String::from), "{name}");
    }
}

#[test]
fn version_3() {
    let v3 = || instance_v3("VI", 51, 100);
    let emit = |advert: vrrp::Advert, form| advert.emit(ip(PEER), ip(GROUP), form);
    for (name, message, want) in [
        ("pseudo-header", emit(v3_advert(150), ChecksumForm::PseudoHeader), Ok(())),
        ("RFC 9568's checksum", emit(v3_advert(150), ChecksumForm::MessageOnly), Ok(())),
        (
            "interval zero",
            emit(
                vrrp::Advert { max_advert_int_cs: 0, ..v3_advert(150) },
                ChecksumForm::PseudoHeader,
            ),
            Err("advertisement interval of 0 s is not the configured one"),
        ),
        (
            "no addresses",
            emit(vrrp::Advert { addresses: vec![], ..v3_advert(150) }, ChecksumForm::PseudoHeader),
            Err("malformed advert: no addresses"),
        ),
        ("version 2", v2_advert(150).emit(), Err("VRRP version 2 is not the configured one")),
        (
            "type 2",
            vec![0x32, 51, 150, 1, 0, 100, 0, 0],
            Err("malformed advert: VRRP type 2, not an advertisement"),
        ),
    ] {
        let got = believes(v3(), PEER, GROUP, 255, message);
        assert_eq!(got, want.map_err(String::from), "{name}");
    }
}

#[test]
fn each_reason_is_told_once_and_counted_always() {
    let mut world = World::new([config([instance("VI", 51, 100)])]);
    for _ in 0..5 {
        for ttl in [1, 255] {
            let message = if ttl == 255 { vec![0x21, 51, 1] } else { v2_advert(1).emit() };
            let (src, dst) = (ip(PEER), ip(GROUP));
            world.tell(0, Input::Packet { link: LinkId(0), src, dst, ttl, message });
        }
    }
    let dropped = |event: &&Event| matches!(event, Event::Dropped { .. });
    assert_eq!(world.hosts[0].events.iter().filter(dropped).count(), 2);
    let counters = world.hosts[0].router.status(world.now).instances[0].counters;
    assert_eq!((counters.ip_ttl_err, counters.packet_len_err), (5, 5));
    assert_eq!(counters.advert_rcvd, 10);
}

#[test]
fn messages_for_nobody() {
    let mut world = World::new([config([instance("VI", 51, 100)])]);
    let packet = |link, src: &str, dst: &str, message| Input::Packet {
        link: LinkId(link),
        src: ip(src),
        dst: ip(dst),
        ttl: 255,
        message,
    };
    let other = v2::Advert { vrid: 52, ..v2_advert(150) };
    world.tell(0, packet(0, PEER, GROUP, other.emit()));
    world.tell(0, packet(1, PEER, GROUP, v2_advert(150).emit()));
    world.tell(0, packet(0, "fe80::2", "ff02::12", v2_advert(150).emit()));
    world.tell(0, packet(0, PEER, GROUP, vec![]));
    assert_eq!(world.hosts[0].router.status(world.now).unknown_vrids, 4);
    let counters = world.hosts[0].router.status(world.now).instances[0].counters;
    assert_eq!(counters.advert_rcvd, 0);
}

/// Two instances of one number on one link, one multicast, one unicast: each gets its own.
#[test]
fn multicast_and_unicast_side_by_side() {
    let mut b = unicast(0, 255, true);
    b.name = "B".into();
    let mut world = World::new([config([instance("A", 51, 100), b])]);
    for (dst, want) in [(GROUP, [1, 0]), ("10.0.0.1", [1, 1])] {
        let message = v2_advert(150).emit();
        let (src, dst) = (ip(PEER), ip(dst));
        world.tell(0, Input::Packet { link: LinkId(0), src, dst, ttl: 255, message });
        let status = world.hosts[0].router.status(world.now);
        let heard: Vec<u64> = status.instances.iter().map(|it| it.counters.advert_rcvd).collect();
        assert_eq!(heard, want);
    }
}

/// Different addresses are told, but to drop the advert would make two machines Active (keepalived
/// before 2.3.3).
#[test]
fn other_addresses() {
    for skip in [false, true] {
        let it = InstanceConfig { skip_check_adv_addr: skip, ..instance("VI", 51, 100) };
        let mut world = World::new([config([it])]);
        for _ in 0..3 {
            let other =
                v2::Advert { addresses: vec![Ipv4Addr::new(10, 0, 0, 200)], ..v2_advert(150) };
            let (src, dst, message) = (ip(PEER), ip(GROUP), other.emit());
            world.tell(0, Input::Packet { link: LinkId(0), src, dst, ttl: 255, message });
        }
        let status = world.hosts[0].router.status(world.now);
        assert_eq!(status.instances[0].counters.addr_list_err, if skip { 1 } else { 3 });
        assert_eq!(status.instances[0].master, Some((ip(PEER), 150)));
        let problem = |event: &&Event| matches!(event, Event::Problem { .. });
        assert_eq!(world.hosts[0].events.iter().filter(problem).count(), 1);
    }
}

/// An advert that does not count must not put off the election.
#[test]
fn a_lower_advert_does_not_restart_the_timer() {
    let mut world = World::new([config([instance("VI", 51, 100)])]);
    world.run(SECOND);
    let (src, dst, message) = (ip(PEER), ip(GROUP), v2_advert(99).emit());
    world.tell(0, Input::Packet { link: LinkId(0), src, dst, ttl: 255, message });
    assert_eq!(world.takes_over_ms(0, 0), Some(2609));
}

#[test]
fn an_owner_that_ignores_adverts() {
    let it = InstanceConfig { owner_ignore_adverts: true, ..instance("VI", 51, 255) };
    let mut world = World::new([config([it]), config([instance("VI", 51, 255)])]);
    world.run(SECOND * 10);
    assert_eq!(world.state(0, 0), State::Active);
    assert!(world.hosts[0].router.status(world.now).instances[0].counters.ignored > 0);
}

/// `old_unicast_checksum`: what the peer sends is what it understands.
#[test]
fn the_old_unicast_checksum_is_learned() {
    let both = |old| {
        let it = |address: &str| InstanceConfig {
            version: Version::V3,
            old_unicast_checksum: old,
            transport: Transport::Unicast {
                peers: vec![Peer { address: ip(address), min_ttl: 0, max_ttl: 255 }],
                ttl: 255,
                check_source: true,
            },
            ..instance("VI", 51, 100)
        };
        config([it(PEER)])
    };
    for (configured, heard, want) in [
        (None, ChecksumForm::GroupPseudoHeader, ChecksumForm::GroupPseudoHeader),
        (None, ChecksumForm::PseudoHeader, ChecksumForm::PseudoHeader),
        (Some(false), ChecksumForm::GroupPseudoHeader, ChecksumForm::PseudoHeader),
        (Some(true), ChecksumForm::PseudoHeader, ChecksumForm::GroupPseudoHeader),
    ] {
        let mut world = World::new([both(configured)]);
        let (src, dst) = (ip(PEER), ip("10.0.0.1"));
        let message = v3_advert(150).emit(src, dst, heard);
        world.tell(0, Input::Packet { link: LinkId(0), src, dst, ttl: 255, message });
        assert_eq!(sent_form(&mut world, dst, src), want, "{configured:?} {heard:?}");
    }
}

/// The password goes out as it must come in.
#[test]
fn two_machines_with_a_password() {
    let it = |priority| {
        let password = Some(Password(*b"secret\0\0"));
        config([InstanceConfig { password, ..instance("VI", 51, priority) }])
    };
    let mut world = World::new([it(150), it(100)]);
    world.run(SECOND * 10);
    assert_eq!([world.state(0, 0), world.state(1, 0)], [State::Active, State::Backup]);
    let sent = v2::parse(&world.hosts[0].sent[0]).unwrap();
    assert_eq!((sent.auth_type, sent.auth_data), (1, *b"secret\0\0"));
}

#[test]
fn v3_checksum_as_v2() {
    let it = InstanceConfig { checksum_without_pseudo_header: true, ..instance_v3("VI", 51, 100) };
    let mut world = World::new([config([it])]);
    let form = sent_form(&mut world, ip("10.0.0.1"), ip(GROUP));
    assert_eq!(form, ChecksumForm::MessageOnly);
}

/// The checksum of the first advert that a machine sends.
fn sent_form(world: &mut World, src: IpAddr, dst: IpAddr) -> ChecksumForm {
    world.run(SECOND * 5);
    vrrp::parse(&world.hosts[0].sent[0], src, dst).unwrap().1
}

/// An advert names as many addresses as a packet holds.
#[test]
fn more_addresses_than_a_packet_holds() {
    for (mtu, want) in [(1500, 90), (1280, 77), (60, 0), (0, 255)] {
        let it = InstanceConfig {
            family: Family::V6,
            transport: Transport::Multicast { group: ip("ff02::12") },
            addresses: vec![address("fe80::100"); 300],
            ..instance_v3("VI", 51, 100)
        };
        let mut world = World::new([config([it])]);
        let state = LinkState { mtu, ..world.link_state(0, 0) };
        world.tell(0, Input::Link { link: LinkId(0), state });
        world.run(SECOND * 4);
        let advertised = &world.hosts[0].router.status(world.now).instances[0].advertised;
        assert_eq!(advertised.len(), want, "{mtu}");
        assert_eq!(usize::from(world.hosts[0].sent[0][3]), advertised.len());
    }
}
