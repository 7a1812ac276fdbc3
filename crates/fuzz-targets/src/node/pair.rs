//! The pair: its configuration, what an earlier run left, and the daemon on the other machine.

use std::net::IpAddr;
use std::time::Duration;

use keepair_core::Input;
use keepair_core::config::{Announce, Config, Generation, Member, Priority, Timing, Vip, Vrid};
use keepair_core::input::{AofMark, Persisted, Remains};
use keepair_wire::info::RunId;
use keepair_wire::peer::{Cause, Failover, Handshake, Leaving, Phase, RedisFacts, Report, State};
use keepair_wire::vrrp::{Advert, ChecksumForm, GROUP_V4, GROUP_V6};

use super::redis::{Redis, id};
use crate::draw::Draw;

const VRID: u8 = 51;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// Addresses of the two machines and the virtual ones, in either family.
fn address(v6: bool, last: u8) -> IpAddr {
    if v6 {
        [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last].into()
    } else {
        [10, 0, 0, last].into()
    }
}

/// A configuration such as `conf` accepts.
pub(super) fn config(draw: &mut Draw<'_>) -> Config {
    let v6 = draw.flag();
    let priorities = draw.pick(&[[100, 100], [150, 100], [100, 150], [254, 1], [1, 254]]);
    let member = |at: usize| Member {
        name: format!("redis-{}", at + 1),
        address: address(v6, 4 + at as u8),
        priority: Priority(priorities[at]),
    };
    let config = Config {
        vrid: Vrid(VRID),
        vips: Vec::new(),
        members: [member(0), member(1)],
        me: draw.below(2),
        advert_interval: ms(100),
        unicast: false,
        preempt: false,
        checksum_pseudo_header: false,
        redis_port: 6379,
        timing: Timing::default(),
        announce: Announce::default(),
        tie_breakers: Vec::new(),
        peer_port: 10112,
        copy_limit_bytes: 64 << 20,
    };
    changed(&config, draw)
}

/// The same pair with other values where a reload may change them.
pub(super) fn changed(config: &Config, draw: &mut Draw<'_>) -> Config {
    let v6 = config.own().address.is_ipv6();
    let vip = |v6: bool, last: u8| Vip {
        address: address(v6, last),
        prefix_len: if v6 { 64 } else { 24 },
    };
    let shapes: [&[Vip]; 5] = [
        &[vip(v6, 10)],
        &[vip(v6, 10), vip(v6, 11)],
        &[vip(v6, 11), vip(v6, 10)],
        &[vip(v6, 12)],
        &[vip(!v6, 10), vip(v6, 10)],
    ];
    let timing = Timing::default();
    let hasty = Timing {
        ping_interval: ms(5),
        ping_timeout: ms(10),
        hang_timeout: ms(10),
        info_interval: ms(10),
        reconnect_interval: ms(5),
        drain_timeout: ms(10),
        promote_timeout: ms(10),
        switchover_timeout: ms(10),
        boot_wait: ms(100),
        salvage_timeout: ms(100),
    };
    let announce = Announce { repeats: 2, interval: ms(1), refresh: ms(100) };
    let slow = Announce { repeats: 16, interval: ms(10_000), refresh: ms(3_600_000) };
    Config {
        vips: draw.pick(&shapes).to_vec(),
        advert_interval: draw.pick(&[ms(100), ms(10), ms(1000), ms(40_950)]),
        preempt: draw.flag(),
        timing: draw.pick(&[timing, hasty, Timing { boot_wait: ms(100), ..timing }]),
        announce: draw.pick(&[Announce::default(), announce, slow]),
        tie_breakers: Vec::new(),
        peer_port: 10112,
        copy_limit_bytes: 64 << 20,
        ..config.clone()
    }
}

/// A first start, or one after another run.
pub(super) fn remains(draw: &mut Draw<'_>) -> Remains {
    let kind = draw.below(4);
    let persisted = (kind > 0).then(|| Persisted {
        generation: Generation(draw.pick(&[3, 0, 1, u64::MAX])),
        run_id: draw.pick(&[Some(RunId([7; 20])), None, Some(RunId([8; 20]))]),
        primary: draw.flag(),
        solo: false,
        served: kind > 2,
        aof: (kind > 2).then_some(AofMark {
            replid: keepair_wire::info::ReplId([1; 20]),
            replid2: keepair_wire::info::ReplId([0; 20]),
            offset: 900,
            bytes: 0,
        }),
    });
    let fence_left = draw.pick(&[ms(250), ms(1), ms(30), ms(10_000)]);
    Remains {
        instance: u64::from(draw.byte()),
        unix_ms: draw.pick(&[1_790_000_000_000, 0, u64::MAX]),
        fence_left: (kind > 1).then_some(fence_left),
        link_up: draw.byte() % 8 != 7,
        persisted,
    }
}

/// The daemon on the other machine, of which only its messages are seen.
#[derive(Debug)]
pub(super) struct PeerDaemon {
    src: IpAddr,
    addresses: Vec<IpAddr>,
    interval_cs: u16,
    /// What it says of itself.
    pub(super) report: Report,
    /// What the node said last.
    heard: Option<Report>,
}

impl PeerDaemon {
    pub(super) fn new(config: &Config) -> Self {
        let peer = config.peer();
        let v4 = peer.address.is_ipv4();
        let vips = config.vips.iter().map(|vip| vip.address);
        PeerDaemon {
            src: peer.address,
            addresses: vips.filter(|vip| vip.is_ipv4() == v4).collect(),
            interval_cs: (config.advert_interval.as_millis() / 10) as u16,
            report: Report {
                vrid: VRID,
                instance: 9,
                seq: 0,
                state: State::Backup,
                fit: true,
                priority: peer.priority.0,
                generation: 3,
                vouched: true,
                may_serve: false,
                redis: RedisFacts {
                    reachable: true,
                    second_offset: -1,
                    offset: 1000,
                    replid: id(1),
                    link_up: true,
                    version: (7, 0),
                    ..RedisFacts::default()
                },
                leaving: None,
                handshake: Handshake::default(),
                failover: None,
                reason: "a fuzzed peer".to_owned(),
                accepted: false,
                void: None,
                vote: None,
                served: false,
                restored: None,
                missed_writes: false,
                acknowledged: None,
            },
            heard: None,
        }
    }

    /// The node's report arrives there.
    pub(super) fn hears(&mut self, report: Report) {
        self.heard = Some(report);
    }

    /// Its next report.
    pub(super) fn says(&mut self) -> Input {
        self.report.seq += 1;
        Input::PeerDatagram { src: self.src, ttl: 255, bytes: self.report.encode() }
    }

    /// Its report with bytes changed on the way, or from elsewhere.
    pub(super) fn says_oddly(&mut self, draw: &mut Draw<'_>) -> Input {
        self.report.seq += 1;
        let mut bytes = self.report.encode();
        for _ in 0..draw.below(4) {
            let at = draw.below(bytes.len());
            bytes[at] = draw.byte();
        }
        bytes.truncate(bytes.len().saturating_sub(draw.pick(&[0, 0, 1, 200])));
        let src = draw.pick(&[self.src, address(false, 99), address(true, 99)]);
        Input::PeerDatagram { src, ttl: draw.pick(&[255, 255, 254]), bytes }
    }

    /// An advert of that priority.
    pub(super) fn advertises(&self, priority: u8) -> Input {
        self.advertises_from(self.src, priority, 255, 0)
    }

    fn advertises_from(&self, src: IpAddr, priority: u8, ttl: u8, vrid_off: u8) -> Input {
        let dst = if src.is_ipv4() { GROUP_V4.into() } else { GROUP_V6.into() };
        let advert = Advert {
            vrid: VRID.wrapping_add(vrid_off),
            priority,
            max_advert_int_cs: self.interval_cs,
            addresses: self.addresses.clone(),
        };
        let message = advert.emit(src, dst, ChecksumForm::PseudoHeader);
        Input::Advert { src, dst, ttl, message }
    }

    /// An advert of another interval, from elsewhere, or of bytes that are none.
    pub(super) fn advertises_oddly(&mut self, draw: &mut Draw<'_>) -> Input {
        match draw.below(4) {
            0 => {
                self.interval_cs = draw.pick(&[10, 0, 1, 100, 4095]);
                self.advertises(self.report.priority)
            }
            1 => {
                let link_local = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 5_u16]);
                let src = draw.pick(&[link_local, address(false, 4), address(false, 99)]);
                self.advertises_from(src, draw.byte(), 255, 0)
            }
            2 => self.advertises_from(
                self.src,
                draw.byte(),
                draw.pick(&[255, 254, 0]),
                draw.below(2) as u8,
            ),
            _ => {
                let len = draw.below(48);
                let message = draw.take(len).to_vec();
                let (src, dst) = (self.src, self.src);
                Input::Advert { src, dst, ttl: 255, message }
            }
        }
    }

    /// It comes into a state that a pair is often in, seen from the local Redis.
    pub(super) fn settles(&mut self, draw: &mut Draw<'_>, redis: &Redis) {
        let report = &mut self.report;
        report.redis.reachable = true;
        report.redis.syncing = false;
        report.fit = true;
        report.vouched = true;
        report.handshake = Handshake::default();
        report.leaving = None;
        match draw.below(5) {
            // The standby of this machine.
            0 => {
                report.state = State::Backup;
                report.redis.primary = false;
                report.redis.link_up = true;
                report.redis.empty = redis.is_empty();
                (report.redis.replid, report.redis.offset) = (redis.replid(), redis.offset());
            }
            // The primary that this machine replicates from.
            1 => {
                report.state = State::Active;
                report.redis.primary = true;
                report.redis.link_up = false;
                report.redis.empty = redis.is_empty();
                (report.redis.replid, report.redis.offset) = (redis.replid(), redis.offset());
            }
            // It has just taken over from this machine.
            2 => {
                report.state = State::Active;
                report.generation = report.generation.saturating_add(1);
                report.redis.primary = true;
                report.redis.link_up = false;
                report.redis.empty = redis.is_empty();
                report.redis.replid2 = redis.replid();
                report.redis.replid = id(redis.replid()[0].wrapping_add(100));
                report.redis.second_offset = redis.offset().saturating_add(1);
                report.redis.offset = redis.offset();
            }
            // It came back with nothing.
            3 => {
                report.state = State::Unfit;
                report.fit = false;
                report.vouched = false;
                report.redis = RedisFacts {
                    reachable: true,
                    primary: true,
                    empty: true,
                    replid: id(201),
                    second_offset: -1,
                    version: (7, 0),
                    ..RedisFacts::default()
                };
            }
            // Its daemon was started anew.
            _ => {
                report.instance = report.instance.wrapping_add(1);
                report.seq = 0;
                report.state = State::Starting;
            }
        }
    }

    /// One thing about it changes.
    pub(super) fn changes(&mut self, draw: &mut Draw<'_>) {
        let states = [
            State::Starting,
            State::Unfit,
            State::Backup,
            State::TakingOver,
            State::Active,
            State::Stopping,
        ];
        let report = &mut self.report;
        match draw.below(20) {
            0 => report.state = draw.pick(&states),
            1 => report.fit = draw.flag(),
            2 => report.priority = draw.byte(),
            3 => report.generation = draw.pick(&[3, 0, 4, 1, u64::MAX]),
            4 => report.vouched = draw.flag(),
            5 => report.redis.reachable = draw.flag(),
            6 => report.redis.primary = draw.flag(),
            7 => report.redis.link_up = draw.flag(),
            8 => report.redis.syncing = draw.flag(),
            9 => report.redis.empty = draw.flag(),
            10 => report.redis.replid = id(draw.byte()),
            11 => report.redis.replid2 = id(draw.byte()),
            12 => report.redis.second_offset = offset(draw),
            13 => report.redis.offset = offset(draw),
            14 => report.redis.version = (draw.byte(), draw.byte()),
            15 => {
                let (noticed_ago_us, fenced_ago_us) = (draw.number(), draw.number());
                let cause = Cause::from_code(draw.byte() % 11).unwrap();
                report.leaving = Some(Leaving { cause, noticed_ago_us, fenced_ago_us });
            }
            16 => report.handshake.wanted = draw.number(),
            17 => report.handshake.target_offset = offset(draw),
            18 => report.handshake.caught_up_offset = offset(draw),
            _ => {
                report.failover = Some(Failover {
                    cause: Cause::PeerSilent,
                    generation: 3,
                    unix_ms: draw.number(),
                    phases: vec![(Phase::Notice, 0)],
                });
            }
        }
    }

    /// It does what the node's last report asks of a standby or of a primary.
    pub(super) fn complies(&mut self) {
        let Some(heard) = &self.heard else { return };
        if heard.handshake.target_offset >= 0 {
            self.report.redis.offset = heard.handshake.target_offset;
            self.report.handshake.caught_up_offset = heard.handshake.target_offset;
        }
        if heard.handshake.wanted != 0 && self.report.state == State::Active {
            self.report.handshake.target_offset = self.report.redis.offset;
        }
    }

    pub(super) fn claims(config: &Config, draw: &mut Draw<'_>) -> Input {
        let vip = config.vips.first().expect("an address");
        Input::VipClaimed { address: vip.address, mac: draw.number() }
    }
}

/// An offset: near the ordinary one, or anything.
pub(super) fn offset(draw: &mut Draw<'_>) -> i64 {
    match draw.below(6) {
        0 => 1000,
        1 => -1,
        2 => 1000 + i64::from(draw.byte()),
        3 => 1000 - i64::from(draw.byte()),
        4 => i64::MAX,
        _ => draw.number(),
    }
}
