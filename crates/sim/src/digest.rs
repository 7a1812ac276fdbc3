//! What a daemon takes in and what it asks for, added to a run's sum: whatever is decided from
//! must change the sum when it changes.

use crate::trace::Sum;
use core::fmt::Write;
use core::net::IpAddr;
use keepair_core::action::{Action, Query};
use keepair_core::input::{Input, Operator, Persisted, RedisInput, Reply};
use keepair_wire::info::{Info, LinkStatus, ReplId, Role};

/// Adds an input.
pub(crate) fn input(sum: &mut Sum, input: &Input) {
    match input {
        Input::Started(remains) => {
            sum.word(1);
            sum.word(remains.instance);
            sum.word(remains.unix_ms);
            sum.word(remains.fence_left.map_or(u64::MAX, |left| left.as_micros() as u64));
            sum.word(u64::from(remains.link_up));
            persisted(sum, remains.persisted.as_ref());
        }
        Input::Deadline => sum.word(2),
        Input::Advert { src, dst, ttl, message } => {
            sum.word(3 | u64::from(*ttl) << 8);
            address(sum, src);
            address(sum, dst);
            sum.bytes(message);
        }
        Input::PeerDatagram { src, ttl, bytes } => {
            sum.word(4 | u64::from(*ttl) << 8);
            address(sum, src);
            sum.bytes(bytes);
        }
        Input::LinkChanged(up) => sum.word(5 | u64::from(*up) << 8),
        Input::VipGone(gone) => {
            sum.word(6);
            address(sum, gone);
        }
        Input::VipClaimed { address: claimed, mac } => {
            sum.word(7);
            address(sum, claimed);
            sum.bytes(mac);
        }
        Input::Redis(input) => redis(sum, input),
        Input::ActionDone(done, result) => {
            sum.word(9 | (*done as u64) << 8 | u64::from(result.is_ok()) << 16);
            if let Err(refused) = result {
                text(sum, refused);
            }
        }
        Input::TieBreaker(place, says) => {
            sum.word(11 | (*place as u64) << 8);
            text(sum, &format_args!("{says:?}"));
        }
        Input::RedisFile { replicaof } => sum.word(77 | u64::from(*replicaof) << 8),
        Input::StreamCopied(result) => {
            sum.word(13);
            text(sum, &format_args!("{result:?}"));
        }
        Input::Salvaged { number, result } => {
            sum.word(12 | u64::from(*number) << 8);
            text(sum, &format_args!("{result:?}"));
        }
        Input::Operator(operator) => {
            sum.word(10);
            match operator {
                Operator::Solo => sum.word(3),
                Operator::Accept { own } => sum.word(4 | u64::from(*own) << 8),
                Operator::Switchover => sum.word(1),
                Operator::Stop => sum.word(2),
                Operator::Reload(config) => text(sum, &format_args!("{config:?}")),
            }
        }
    }
}

fn redis(sum: &mut Sum, input: &RedisInput) {
    match input {
        RedisInput::Connected => sum.word(8),
        RedisInput::Lost(lost) => text(sum, &format_args!("{lost:?}")),
        RedisInput::Reply(query, reply) => {
            sum.word(8 | 2 << 8);
            self::query(sum, query);
            match reply {
                Reply::Ok => sum.word(1),
                Reply::Info(found) => info(sum, found),
                Reply::Settings(settings) => text(sum, &format_args!("{settings:?}")),
                Reply::Error(error) => text(sum, error),
            }
        }
        RedisInput::Process(process) => {
            sum.word(8 | 3 << 8);
            if let Some(process) = process {
                sum.word(process.state as u64 | u64::from(process.exiting) << 32);
                sum.word(process.cpu_ticks);
            }
        }
        RedisInput::ProcessStirred => sum.word(8 | 4 << 8),
    }
}

/// What the model answers differently from one moment to another.
fn info(sum: &mut Sum, info: &Info) {
    let offset = |offset: Option<i64>| offset.map_or(u64::MAX, |offset| offset as u64);
    let flags = [
        info.role == Some(Role::Primary),
        info.loading == Some(true),
        info.master_link_status == Some(LinkStatus::Up),
        info.master_sync_in_progress == Some(true),
        info.repl_backlog_active == Some(true),
        info.aof_enabled == Some(true),
    ];
    sum.word(flags.iter().fold(2, |word, flag| word << 1 | u64::from(*flag)));
    sum.word(u64::from(info.process_id.unwrap_or(0)));
    for id in [info.run_id.map(|id| id.0), info.master_replid.map(|ReplId(id)| id)] {
        sum.bytes(&id.unwrap_or_default());
    }
    sum.bytes(&info.master_replid2.map_or([0; 20], |id| id.0));
    sum.word(offset(info.master_repl_offset));
    sum.word(offset(info.second_repl_offset));
    sum.word(offset(info.slave_repl_offset));
    sum.word(offset(info.slave_read_repl_offset));
    sum.word(info.keys.unwrap_or(0));
    for replica in &info.replicas {
        sum.word(replica.offset as u64);
    }
}

/// Adds an action. What is sent is added as the bytes it is sent as, by whoever makes them.
pub(crate) fn action(sum: &mut Sum, action: &Action) {
    match action {
        Action::AddVips => sum.word(32),
        Action::RemoveVips => sum.word(33),
        Action::Announce => sum.word(34),
        Action::Probe => sum.word(35),
        Action::EndProbe => sum.word(36),
        Action::OpenFence(until) => {
            sum.word(37);
            sum.word(until.0);
        }
        Action::RenewFence(until) => {
            sum.word(38);
            sum.word(until.0);
        }
        Action::CloseFence { and_source } => sum.word(39 | u64::from(*and_source) << 8),
        Action::HoldConnections(span) => {
            sum.word(40);
            sum.word(span.as_micros() as u64);
        }
        Action::ReleaseConnections => sum.word(41),
        Action::OpenSource => sum.word(42),
        Action::SendAdvert(advert) => sum.word(43 | u64::from(advert.priority) << 8),
        Action::SendReport(report) => {
            sum.word(44);
            sum.word(report.seq);
        }
        Action::ConnectRedis { attempt } => sum.word(45 | u64::from(*attempt) << 8),
        Action::DisconnectRedis => sum.word(46),
        Action::AskRedis(asked) => query(sum, asked),
        Action::WatchProcess { pid } => sum.word(48 | u64::from(*pid) << 8),
        Action::LookAtProcess => sum.word(49),
        Action::Salvage(order) => text(sum, &format_args!("{order:?}")),
        Action::CopyStream(copying) => text(sum, &format_args!("{copying:?}")),
        Action::ForgetCopy => sum.word(55),
        Action::ReadRedisFile { path, .. } => text(sum, path),
        Action::Persist(kept) => persisted(sum, Some(kept)),
        Action::Tell(event) => text(sum, event),
        Action::Exit => sum.word(52),
        Action::AskTieBreaker(place, ask) => {
            sum.word(53 | (*place as u64) << 8);
            for stamp in [ask.stamp, ask.over] {
                sum.word(stamp.instance);
                sum.word(stamp.seq);
            }
        }
    }
}

fn query(sum: &mut Sum, query: &Query) {
    sum.word(match query {
        Query::Ping => 47 | 1 << 8,
        Query::Info => 47 | 2 << 8,
        Query::Settings => 47 | 3 << 8,
        Query::Promote => 47 | 4 << 8,
        Query::Follow => 47 | 5 << 8,
        Query::PauseWrites(length) => 47 | 6 << 8 | (length.as_micros() as u64) << 16,
        Query::ResumeWrites => 47 | 7 << 8,
        Query::DropReplicas => 47 | 8 << 8,
    });
}

fn persisted(sum: &mut Sum, persisted: Option<&Persisted>) {
    let Some(persisted) = persisted else {
        sum.word(53);
        return;
    };
    sum.word(54 | u64::from(persisted.primary) << 8);
    sum.word(persisted.generation.0);
    sum.bytes(&persisted.run_id.map_or([0; 20], |id| id.0));
}

fn address(sum: &mut Sum, address: &IpAddr) {
    match address {
        IpAddr::V4(v4) => sum.word(u64::from(v4.to_bits())),
        IpAddr::V6(v6) => sum.bytes(&v6.octets()),
    }
}

fn text(sum: &mut Sum, shown: &dyn core::fmt::Display) {
    // A sum takes everything.
    let _ = write!(sum, "{shown}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepair_core::time::Time;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn of_action(done: &Action) -> u64 {
        let mut trace = crate::trace::Trace::default();
        action(trace.sum(), done);
        trace.total()
    }

    fn of_input(taken: &Input) -> u64 {
        let mut trace = crate::trace::Trace::default();
        input(trace.sum(), taken);
        trace.total()
    }

    #[test]
    fn every_action_has_a_sum_of_its_own() {
        let actions = [
            Action::AddVips,
            Action::RemoveVips,
            Action::OpenFence(Time(1)),
            Action::OpenFence(Time(2)),
            Action::RenewFence(Time(1)),
            Action::CloseFence { and_source: false },
            Action::CloseFence { and_source: true },
            Action::HoldConnections(Duration::from_millis(1)),
            Action::AskRedis(Query::Promote),
            Action::AskRedis(Query::Follow),
            Action::AskRedis(Query::PauseWrites(Duration::from_millis(1))),
            Action::Exit,
        ];
        let sums: BTreeSet<u64> = actions.iter().map(of_action).collect();
        assert_eq!(sums.len(), actions.len());
    }

    #[test]
    fn an_answer_of_redis_counts_down_to_its_last_byte() {
        let info = Info { master_repl_offset: Some(1000), ..Info::default() };
        let reply =
            |info: Info| Input::Redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(info))));
        let one = of_input(&reply(info.clone()));
        let other = of_input(&reply(Info { master_repl_offset: Some(1001), ..info }));
        assert_ne!(one, other);
    }
}
