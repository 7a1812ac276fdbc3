//! The local Redis: answers as one would that is in this state.

use keepair_core::action::Query;
use keepair_core::config::Config;
use keepair_core::input::{Lost, Process, RedisInput, Reply, Settings};
use keepair_wire::info::{Info, LinkStatus, Mode, ReplId, Role, RunId};
use keepair_wire::peer::{Report, State};

use super::pair::offset;
use crate::draw::Draw;

/// The id that one byte stands for; 0 for none.
pub(super) fn id(byte: u8) -> [u8; 20] {
    [byte; 20]
}

/// A Redis.
#[derive(Debug)]
pub(super) struct Redis {
    pub(super) connected: bool,
    /// The daemon watches this very process.
    pub(super) watched: bool,
    up: bool,
    hangs: bool,
    refuses_login: bool,
    run: u8,
    primary: bool,
    /// As a replica: of the peer, with a link.
    follows_peer: bool,
    link_up: bool,
    syncing: bool,
    loading: bool,
    offset: i64,
    /// Received and not applied yet.
    unread: i64,
    replid: u8,
    replid2: u8,
    second_offset: i64,
    keys: u64,
    old: bool,
    cluster: bool,
    process: Process,
    peer_host: String,
    settings: Settings,
}

impl Redis {
    pub(super) fn new(config: &Config) -> Self {
        Redis {
            connected: false,
            watched: false,
            up: true,
            hangs: false,
            refuses_login: false,
            run: 7,
            primary: true,
            follows_peer: false,
            link_up: false,
            syncing: false,
            loading: false,
            offset: 1000,
            unread: 0,
            replid: 1,
            replid2: 0,
            second_offset: -1,
            keys: 5,
            old: false,
            cluster: false,
            process: Process { state: 'S', exiting: false, cpu_ticks: 1 },
            peer_host: config.peer().address.to_string(),
            settings: Settings::default(),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        100 + u32::from(self.run)
    }

    pub(super) fn replid(&self) -> [u8; 20] {
        id(self.replid)
    }

    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Somebody connects.
    pub(super) fn accept(&mut self) -> RedisInput {
        if self.refuses_login {
            return RedisInput::Lost(Lost::AuthFailed("WRONGPASS invalid".to_owned()));
        }
        if !self.up {
            return RedisInput::Lost(Lost::Closed);
        }
        self.connected = true;
        RedisInput::Connected
    }

    /// Its event loop turns.
    pub(super) fn answers(&self) -> bool {
        self.up && !self.hangs
    }

    /// What a look at the watched process shows.
    pub(super) fn look(&mut self) -> Option<Process> {
        self.process.cpu_ticks += u64::from(!self.hangs);
        self.watched.then_some(self.process)
    }

    /// Does what it is asked.
    pub(super) fn answer(&mut self, query: Query, config: &Config, peer: &Report) -> Reply {
        match query {
            Query::Info => return Reply::Info(Box::new(self.info(config))),
            Query::Settings => return Reply::Settings(Box::new(self.settings.clone())),
            Query::Promote if !self.primary => {
                self.primary = true;
                self.offset = self.offset.saturating_add(self.unread);
                self.unread = 0;
                (self.replid2, self.second_offset) = (self.replid, self.offset.saturating_add(1));
                self.replid = self.replid.wrapping_add(1).max(1);
            }
            Query::Follow => {
                let before = self.info(config);
                self.primary = false;
                self.follows_peer = true;
                self.link_up = false;
                if peer.state == State::Active && peer.redis.primary {
                    self.link_up = true;
                    (self.replid, self.replid2) = (peer.redis.replid[0], peer.redis.replid2[0]);
                    self.offset = peer.redis.offset;
                    self.unread = 0;
                    self.second_offset = peer.redis.second_offset;
                    self.keys = u64::from(!peer.redis.empty) * 5;
                }
                return Reply::Info(Box::new(before));
            }
            _ => {}
        }
        Reply::Ok
    }

    /// What it says of itself.
    pub(super) fn info(&self, config: &Config) -> Info {
        let version = if self.old { "6.0.16" } else { "7.0.15" };
        let mut info = Info {
            redis_version: Some(version.to_owned()),
            mode: Some(Mode::Standalone),
            process_id: Some(self.pid()),
            run_id: Some(RunId(id(self.run))),
            tcp_port: Some(config.redis_port),
            loading: Some(self.loading),
            role: Some(Role::Primary),
            master_replid: Some(ReplId(self.replid())),
            master_replid2: (self.replid2 != 0).then(|| ReplId(id(self.replid2))),
            master_repl_offset: Some(self.offset),
            repl_backlog_active: Some(true),
            second_repl_offset: Some(self.second_offset),
            cluster_enabled: Some(self.cluster),
            keys: Some(self.keys),
            ..Info::default()
        };
        if !self.primary {
            let link = if self.link_up { LinkStatus::Up } else { LinkStatus::Down };
            let host = if self.follows_peer { &self.peer_host } else { "10.9.9.9" };
            info.role = Some(Role::Replica);
            info.master_host = Some(host.to_owned());
            info.master_port = Some(config.redis_port);
            info.master_link_status = Some(link);
            info.master_sync_in_progress = Some(self.syncing);
            info.slave_repl_offset = Some(self.offset);
            info.slave_read_repl_offset = Some(self.offset.saturating_add(self.unread));
        }
        info
    }

    /// It is in step with a primary on the other machine.
    pub(super) fn becomes_replica(&mut self) {
        self.up = true;
        self.primary = false;
        self.follows_peer = true;
        self.link_up = true;
        self.syncing = false;
    }

    /// As a replica: it has applied the stream up to there.
    pub(super) fn reaches(&mut self, offset: i64) {
        if !self.primary && self.link_up {
            self.offset = offset;
        }
    }

    /// It ends, and a supervisor may start it again.
    pub(super) fn restarts(&mut self, draw: &mut Draw<'_>) {
        let kind = draw.below(4);
        self.up = kind > 0;
        self.hangs = false;
        self.process = Process { state: 'S', exiting: false, cpu_ticks: 1 };
        if kind > 0 {
            self.run = self.run.wrapping_add(1);
            self.watched = false;
        }
        if kind > 1 {
            // From no file, and from an old one.
            self.keys = if kind == 2 { 0 } else { 4 };
            self.offset = if kind == 2 { 0 } else { self.offset.saturating_sub(10) };
            self.replid = self.replid.wrapping_add(50).max(1);
            (self.replid2, self.second_offset) = (0, -1);
            self.primary = true;
        }
    }

    /// One thing about it changes.
    pub(super) fn changes(&mut self, draw: &mut Draw<'_>) {
        match draw.below(20) {
            0 => self.primary = draw.flag(),
            1 => self.follows_peer = draw.flag(),
            2 => self.link_up = draw.flag(),
            3 => self.syncing = draw.flag(),
            4 => self.loading = draw.flag(),
            5 => self.offset = offset(draw),
            6 => self.unread = i64::from(draw.byte()),
            7 => self.replid = draw.byte(),
            8 => self.replid2 = draw.byte(),
            9 => self.second_offset = offset(draw),
            10 => self.keys = u64::from(draw.byte()),
            // Another version is another process.
            11 if self.connected => {}
            11 => self.old = draw.flag(),
            12 => self.cluster = draw.byte() % 8 == 1,
            13 => self.hangs = draw.flag(),
            14 => self.process.state = draw.pick(&['S', 'R', 'D', 'T', 'Z', 'X']),
            15 => self.process.exiting = draw.flag(),
            16 => self.refuses_login = draw.byte() % 4 == 1,
            17 => self.run = draw.byte(),
            18 => self.up = draw.flag(),
            _ => {
                let denied = draw.flag().then(|| "replicaof".to_owned());
                self.settings = Settings {
                    requirepass: Some(true),
                    masterauth: Some(draw.flag()),
                    repl_backlog_size: Some(offset(draw)),
                    repl_backlog_ttl: Some(i64::from(draw.byte())),
                    repl_ping_replica_period: Some(10),
                    repl_timeout: Some(i64::from(draw.byte())),
                    replica_read_only: Some(draw.flag()),
                    denied: denied.into_iter().collect(),
                };
            }
        }
    }
}
