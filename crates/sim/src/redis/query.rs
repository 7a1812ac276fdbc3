//! What the model answers to the daemon.

use super::replication::Link;
use super::{Effect, Message, Persistence, Process, Redis, Version};
use keepair_core::action::Query;
use keepair_core::input::{Reply, Settings};
use keepair_core::time::Time;
use keepair_wire::info::{Info, LinkStatus, Mode, ReplicaInfo, ReplicaState, Role};

impl Redis {
    pub(crate) fn answer(&mut self, now: Time, query: Query, out: &mut Vec<Effect>) -> Reply {
        let loading = || Reply::Error("LOADING Redis is loading the dataset in memory".to_string());
        match query {
            Query::Ping if self.loading => loading(),
            Query::Ping if self.misconf => {
                Reply::Error("MISCONF Redis is configured to save RDB snapshots".to_string())
            }
            Query::Ping => Reply::Ok,
            Query::Info => Reply::Info(Box::new(self.info(now))),
            Query::Settings => Reply::Settings(Box::new(self.settings())),
            Query::Promote | Query::Follow if self.loading => loading(),
            Query::Promote => {
                self.promote(out);
                Reply::Ok
            }
            Query::Follow => {
                let before = self.info(now);
                self.kill_clients(out);
                self.follow(out);
                Reply::Info(Box::new(before))
            }
            Query::PauseWrites(length) => {
                let until = now + length;
                self.paused_until = Some(self.paused_until.map_or(until, |old| old.max(until)));
                out.push(Effect::At(until, Message::PauseOver));
                Reply::Ok
            }
            Query::ResumeWrites => {
                self.resume(out);
                Reply::Ok
            }
            Query::DropReplicas => {
                self.drop_replicas(|_| true, out);
                Reply::Ok
            }
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            requirepass: Some(self.setup.auth),
            masterauth: Some(self.setup.auth),
            repl_backlog_size: Some(self.setup.backlog_bytes),
            repl_backlog_ttl: Some(0),
            repl_ping_replica_period: Some(10),
            repl_timeout: Some(60),
            replica_read_only: Some(true),
            denied: Vec::new(),
        }
    }

    /// INFO, as the real one would fill it in.
    pub fn info(&self, now: Time) -> Info {
        debug_assert!(self.process != Process::Absent);
        let mut info = Info {
            redis_version: Some(self.setup.version.text().to_string()),
            mode: Some(Mode::Standalone),
            process_id: Some(self.pid),
            run_id: Some(self.run_id),
            tcp_port: Some(6379),
            config_file: Some("/etc/redis/redis.conf".to_string()),
            loading: Some(self.is_loading()),
            async_loading: Some(false),
            aof_enabled: Some(self.setup.persistence == Persistence::Aof),
            aof_current_size: (self.setup.persistence == Persistence::Aof)
                .then_some(self.aof_bytes),
            role: Some(Role::Primary),
            connected_slaves: Some(self.attached.len() as u32),
            master_replid: Some(self.replid),
            master_replid2: self.replid2,
            master_repl_offset: Some(self.offset),
            second_repl_offset: Some(self.second_offset),
            repl_backlog_active: Some(self.backlog.is_some()),
            cluster_enabled: Some(false),
            keys: Some(self.data.len() as u64),
            ..Info::default()
        };
        for attached in &self.attached {
            info.replicas.push(ReplicaInfo {
                ip: self.host.peer().address().to_string(),
                port: 6379,
                state: if attached.is_online() {
                    ReplicaState::Online
                } else {
                    ReplicaState::SendBulk
                },
                offset: attached.acked,
                lag: now.since(attached.heard_at).as_secs() as i64,
                channel: None,
            });
        }
        if let Some(upstream) = &self.upstream {
            let up = upstream.link == Link::Up;
            info.role = Some(Role::Replica);
            info.master_host = Some(self.host.peer().address().to_string());
            info.master_port = Some(6379);
            info.master_link_status = Some(if up { LinkStatus::Up } else { LinkStatus::Down });
            info.master_last_io_seconds_ago = Some(if up {
                upstream.heard_at.map_or(0, |at| now.since(at).as_secs() as i64)
            } else {
                -1
            });
            let silent = upstream.heard_at.map_or(0, |at| now.since(at).as_secs() as i64);
            info.master_sync_in_progress = Some(upstream.link == Link::Syncing);
            info.master_sync_last_io_seconds_ago =
                (upstream.link == Link::Syncing).then_some(silent);
            info.slave_repl_offset = Some(self.offset);
            if self.setup.version >= Version::V6_2 {
                let read = self.unapplied.back().map_or(self.offset, |(entry, _)| entry.end);
                info.slave_read_repl_offset = Some(read);
            }
        }
        info
    }
}
