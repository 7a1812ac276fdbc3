//! Inputs and actions in the words of an operator.

use std::net::IpAddr;
use std::time::Duration;

use keepair_core::Input;
use keepair_core::action::{Action, Query, Wanted};
use keepair_core::config::Config;
use keepair_core::input::{Done, Kept, Lost, Operator, RedisInput, Remains, Reply};
use keepair_core::tiebreaker::Says;
use keepair_core::time::Time;
use keepair_core::vrrp;
use keepair_wire::info::{Info, LinkStatus, Role};
use keepair_wire::peer::Report;

/// What happened. `config` names the machines.
pub fn input(config: &Config, input: &Input) -> String {
    match input {
        Input::Started(remains) => started(remains),
        Input::Deadline => "a deadline".to_owned(),
        Input::Advert { src, dst, ttl, message } => {
            let from = member(config, *src);
            match vrrp::check_advert(config, *src, *dst, *ttl, message) {
                Ok(advert) if advert.priority == 0 => format!("a farewell from {from}"),
                Ok(advert) => format!("an advert from {from}, priority {}", advert.priority),
                Err(why) => format!("an advert from {from} that is dropped: {why}"),
            }
        }
        Input::PeerDatagram { src, bytes, .. } => {
            let from = member(config, *src);
            match Report::decode(bytes) {
                Ok(report) => format!("a report from {from}: {}", of_report(&report)),
                Err(error) => format!("a datagram from {from} that is no report: {error}"),
            }
        }
        Input::LinkChanged(true) => "the link came up".to_owned(),
        Input::LinkChanged(false) => "the link went down".to_owned(),
        Input::VipGone(address) => format!("{address} was taken off the interface by somebody"),
        Input::VipClaimed { address, mac: [a, b, c, d, e, f] } => {
            format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} claims {address}")
        }
        Input::Redis(input) => redis(input),
        Input::ActionDone(what, Ok(())) => format!("done: {}", done(*what)),
        Input::ActionDone(what, Err(why)) => format!("refused: {}: {why}", done(*what)),
        Input::TieBreaker(place, says) => {
            let name = config.tie_breakers.get(*place).map_or("of another configuration", |n| n);
            let says = match says {
                Says::Met(_) => "is reached".to_owned(),
                Says::Granted(stamp) => format!("stands by this machine, stamp {}", stamp.seq),
                Says::Refused(stamp) => format!("stands by the peer, stamp {}", stamp.seq),
                Says::Gone(why) => format!("can't be reached: {why}"),
            };
            format!("tie-breaker {name} {says}")
        }
        Input::Operator(Operator::Solo) => "the operator lets this machine begin alone".to_owned(),
        Input::Operator(Operator::Accept { own }) => {
            let whose = if *own { config.own() } else { config.peer() };
            format!("the operator says that {} holds the pair's data", whose.name)
        }
        Input::Salvaged { result: Ok(kept), .. } => match kept {
            Kept::Nothing { .. } => "salvaged: there was nothing a client wrote".to_owned(),
            Kept::Tail { commands, keys, .. } => {
                format!("salvaged: {commands} commands on {keys} keys")
            }
            Kept::Files { bytes } => format!("salvaged: the data files, {bytes} bytes"),
        },
        Input::Salvaged { result: Err(why), .. } => format!("not salvaged: {why}"),
        Input::StreamCopied(Ok(copied)) => {
            format!("the copy of the stream has ended at offset {}", copied.to)
        }
        Input::StreamCopied(Err(why)) => format!("the stream is not copied: {why}"),
        Input::RedisFile { replicaof: true } => "redis.conf has `replicaof`".to_owned(),
        Input::RedisFile { replicaof: false } => "redis.conf has no `replicaof`".to_owned(),
        Input::Operator(Operator::Switchover) => "the operator asks for a switchover".to_owned(),
        Input::Operator(Operator::Stop) => "the daemon is told to stop".to_owned(),
        Input::Operator(Operator::Reload(_)) => "a new configuration".to_owned(),
    }
}

fn started(remains: &Remains) -> String {
    let link = if remains.link_up { "up" } else { "down" };
    let kept = match &remains.persisted {
        Some(kept) => {
            let role = if kept.primary { ", as the primary" } else { "" };
            format!("generation {}{role} was kept", kept.generation.0)
        }
        None => "nothing was kept".to_owned(),
    };
    let right = match remains.fence_left {
        Some(left) => format!(", the kernel serves the addresses for another {}", span(left)),
        None => String::new(),
    };
    format!("the daemon starts: the link is {link}, {kept}{right}")
}

fn member(config: &Config, address: IpAddr) -> String {
    let [own, peer] = [config.own(), config.peer()];
    match address {
        _ if address == peer.address => peer.name.clone(),
        _ if address == own.address => own.name.clone(),
        _ => address.to_string(),
    }
}

fn of_report(report: &Report) -> String {
    let redis = &report.redis;
    let holds = match (redis.reachable, redis.primary, redis.link_up) {
        (false, ..) => "no Redis".to_owned(),
        (true, true, _) => format!("primary, offset {}", redis.offset),
        (true, false, true) => format!("replica, offset {}", redis.offset),
        (true, false, false) => format!("replica without a link, offset {}", redis.offset),
    };
    let fit = if report.fit { "" } else { ", not ready to take over" };
    let generation = report.generation;
    format!("{}, {holds}, generation {generation}{fit} ({})", report.state, report.reason)
}

fn redis(input: &RedisInput) -> String {
    match input {
        RedisInput::Connected => "connected to Redis".to_owned(),
        RedisInput::Lost(Lost::Closed) => {
            "the connection to Redis closed, or was refused".to_owned()
        }
        RedisInput::Lost(Lost::AuthFailed(text)) => format!("Redis refused the login: {text}"),
        RedisInput::Lost(Lost::Failed(text)) => format!("no connection to Redis: {text}"),
        RedisInput::Reply(_, Reply::Info(info)) => of_info(info),
        RedisInput::Reply(_, Reply::Settings(_)) => "Redis answered with its settings".to_owned(),
        RedisInput::Reply(asked, Reply::Ok) => format!("Redis answered {}", query(*asked)),
        RedisInput::Reply(asked, Reply::Error(text)) => {
            format!("Redis answered {} with an error: {text}", query(*asked))
        }
        RedisInput::Process(Some(process)) => {
            let exiting = if process.exiting { ", exiting" } else { "" };
            format!(
                "Redis's process: state {}{exiting}, {} ticks of CPU",
                process.state, process.cpu_ticks
            )
        }
        RedisInput::Process(None) => "there is no process of Redis to look at".to_owned(),
        RedisInput::ProcessStirred => "a thread or the process of Redis ended".to_owned(),
    }
}

fn of_info(info: &Info) -> String {
    let number = |value: Option<i64>| value.map_or("?".to_owned(), |value| value.to_string());
    let what = match info.role {
        Some(Role::Primary) => {
            let replicas = info.connected_slaves.unwrap_or(0);
            let s = if replicas == 1 { "" } else { "s" };
            format!(
                "primary with {replicas} replica{s}, offset {}",
                number(info.master_repl_offset)
            )
        }
        Some(Role::Replica) => {
            let link = match info.master_link_status {
                Some(LinkStatus::Up) => "up",
                Some(LinkStatus::Down) => "down",
                None => "unknown",
            };
            let (read, applied) = (info.slave_read_repl_offset, info.slave_repl_offset);
            format!("replica, link {link}, read {}, applied {}", number(read), number(applied))
        }
        None => "no role".to_owned(),
    };
    let busy = [
        (info.loading == Some(true), ", loading"),
        (info.master_sync_in_progress == Some(true), ", synchronising"),
        (info.keys == Some(0), ", empty"),
    ];
    let busy: String = busy.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
    format!("INFO: {what}{busy}")
}

fn query(query: Query) -> &'static str {
    match query {
        Query::Ping => "PING",
        Query::Info => "INFO",
        Query::Settings => "CONFIG GET",
        Query::Promote => "REPLICAOF NO ONE",
        Query::Follow => "REPLICAOF the peer",
        Query::PauseWrites(_) => "CLIENT PAUSE WRITE",
        Query::ResumeWrites => "CLIENT UNPAUSE",
        Query::DropReplicas => "CLIENT KILL TYPE replica",
    }
}

fn done(done: Done) -> &'static str {
    match done {
        Done::AddVips => "add the addresses",
        Done::RemoveVips => "remove the addresses",
        Done::OpenFence => "serve the addresses",
        Done::RenewFence => "go on serving the addresses",
        Done::CloseFence => "shut the addresses",
        Done::Persist => "keep the generation",
    }
}

/// What is to be done. `now` is when it was decided.
pub fn action(now: Time, action: &Action) -> String {
    match action {
        Action::AddVips => done(Done::AddVips).to_owned(),
        Action::RemoveVips => done(Done::RemoveVips).to_owned(),
        Action::Announce => "announce the addresses".to_owned(),
        Action::Probe => "probe whether somebody uses the addresses".to_owned(),
        Action::EndProbe => "stop probing".to_owned(),
        Action::OpenFence(until) => {
            format!("{} for {}", done(Done::OpenFence), span(until.since(now)))
        }
        Action::RenewFence(until) => {
            format!("{} for {}", done(Done::RenewFence), span(until.since(now)))
        }
        Action::CloseFence { and_source: false } => done(Done::CloseFence).to_owned(),
        Action::CloseFence { and_source: true } => {
            "shut the addresses, and refuse the peer as a replica".to_owned()
        }
        Action::HoldConnections(time) => format!("hold new connections for {}", span(*time)),
        Action::ReleaseConnections => "release new connections".to_owned(),
        Action::OpenSource => "admit the peer as a replica".to_owned(),
        Action::SendAdvert(advert) if advert.priority == 0 => "send a farewell".to_owned(),
        Action::SendAdvert(advert) => format!("send an advert, priority {}", advert.priority),
        Action::SendReport(report) => format!("send a report: {}", report.state),
        Action::ConnectRedis { .. } => "connect to Redis".to_owned(),
        Action::DisconnectRedis => "disconnect from Redis".to_owned(),
        Action::AskRedis(Query::PauseWrites(time)) => {
            format!("ask Redis: {} for {}", query(Query::PauseWrites(*time)), span(*time))
        }
        Action::AskRedis(asked) => format!("ask Redis: {}", query(*asked)),
        Action::WatchProcess { pid } => format!("watch process {pid}"),
        Action::LookAtProcess => "look at Redis's process".to_owned(),
        Action::Salvage(order) => match order.what {
            Wanted::Tail { from, .. } => {
                format!("salvage the stream of Redis from offset {from} on")
            }
            Wanted::Copied { from, .. } => {
                format!("salvage the copy of the stream from offset {from} on")
            }
            Wanted::Files => "salvage the data files of Redis".to_owned(),
        },
        Action::CopyStream(copying) => {
            format!("copy the stream of Redis from offset {} on", copying.from)
        }
        Action::ForgetCopy => "forget the copy of the stream".to_owned(),
        Action::ReadRedisFile { path, .. } => format!("read {path}"),
        Action::Persist(kept) => format!("keep generation {}", kept.generation.0),
        Action::Tell(event) => format!("say \"{event}\""),
        Action::AskTieBreaker(place, ask) => {
            format!("ask tie-breaker {place} for its vote, stamp {}", ask.stamp.seq)
        }
        Action::Exit => "exit".to_owned(),
    }
}

/// The name of an action, as a record lists it.
pub fn name(action: &Action) -> &'static str {
    match action {
        Action::AddVips => "AddVips",
        Action::RemoveVips => "RemoveVips",
        Action::Announce => "Announce",
        Action::Probe => "Probe",
        Action::EndProbe => "EndProbe",
        Action::OpenFence(_) => "OpenFence",
        Action::RenewFence(_) => "RenewFence",
        Action::CloseFence { .. } => "CloseFence",
        Action::HoldConnections(_) => "HoldConnections",
        Action::ReleaseConnections => "ReleaseConnections",
        Action::OpenSource => "OpenSource",
        Action::SendAdvert(advert) if advert.priority == 0 => "SendFarewell",
        Action::SendAdvert(_) => "SendAdvert",
        Action::SendReport(_) => "SendReport",
        Action::ConnectRedis { .. } => "ConnectRedis",
        Action::DisconnectRedis => "DisconnectRedis",
        Action::AskRedis(Query::Ping) => "AskRedis.Ping",
        Action::AskRedis(Query::Info) => "AskRedis.Info",
        Action::AskRedis(Query::Settings) => "AskRedis.Settings",
        Action::AskRedis(Query::Promote) => "AskRedis.Promote",
        Action::AskRedis(Query::Follow) => "AskRedis.Follow",
        Action::AskRedis(Query::PauseWrites(_)) => "AskRedis.PauseWrites",
        Action::AskRedis(Query::ResumeWrites) => "AskRedis.ResumeWrites",
        Action::AskRedis(Query::DropReplicas) => "AskRedis.DropReplicas",
        Action::WatchProcess { .. } => "WatchProcess",
        Action::LookAtProcess => "LookAtProcess",
        Action::Salvage(_) => "Salvage",
        Action::CopyStream(_) => "CopyStream",
        Action::ForgetCopy => "ForgetCopy",
        Action::ReadRedisFile { .. } => "ReadRedisFile",
        Action::Persist(_) => "Persist",
        Action::Tell(_) => "Tell",
        Action::AskTieBreaker(..) => "AskTieBreaker",
        Action::Exit => "Exit",
    }
}

/// Done again and again while nothing happens: adverts, reports, renewals, questions.
pub fn is_routine(action: &Action) -> bool {
    match action {
        Action::SendAdvert(advert) => advert.priority != 0,
        Action::SendReport(_)
        | Action::RenewFence(_)
        | Action::Announce
        | Action::ConnectRedis { .. }
        | Action::DisconnectRedis
        | Action::AskRedis(Query::Ping | Query::Info | Query::Settings)
        | Action::WatchProcess { .. }
        | Action::LookAtProcess => true,
        _ => false,
    }
}

fn span(span: Duration) -> String {
    let us = span.as_micros();
    match us {
        0..1000 => format!("{us} us"),
        1000..10_000_000 => format!("{}.{:01} ms", us / 1000, us % 1000 / 100),
        _ => format!("{} s", us / 1_000_000),
    }
}
