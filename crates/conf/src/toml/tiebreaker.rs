//! The third parties that stand by one of two machines.

use core::ops::Range;
use core::time::Duration;
use keepair_core::config::{Vip, Vrid};

use super::access;
use super::pair::Node;
use super::reader::{At, Part, Reader, Set};
use crate::config::{Etcd, Gateway, Login, TieBreaker, Witness};
use crate::keys::{self, Key};
use crate::secret::Secret;
use crate::value::url::{Form, Url};
use crate::value::{Fault, address, duration, name, url};

const REDIS: Form =
    Form { schemes: ["redis", "rediss"], port: 6379, example: "redis://192.0.2.7:6379" };
const ETCD: Form =
    Form { schemes: ["http", "https"], port: 2379, example: "http://192.0.2.7:2379" };
/// A vote needs a round trip within an interval.
const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// What is known of the pair.
pub(super) struct Pair<'a> {
    pub(super) vrid: Vrid,
    pub(super) nodes: &'a [Node],
    pub(super) vips: &'a [At<Vip>],
    pub(super) advert: &'a Set<Duration>,
}

/// `None` where there is no such table, or nothing good in it.
pub(super) fn read(reader: &mut Reader<'_>, top: &Part<'_>, pair: &Pair<'_>) -> Option<TieBreaker> {
    let part = reader.table(top, &keys::TIEBREAKER);
    part.table?;
    let gateway = gateway(reader, &part, pair);
    let witness = witness(reader, &part, pair);
    let etcd = etcd(reader, &part, pair);
    let key = reader.text(&part, &keys::BREAKER_KEY);
    let tls = access::tls(reader, &part, &keys::BREAKER_TLS);

    let named = [&keys::GATEWAY, &keys::WITNESS, &keys::ETCD];
    let span = |key: &Key| part.key_span(key);
    if named.iter().all(|key| span(key).is_none()) {
        let hint = "name a `gateway`, a `witness` or an `etcd`, or leave [tiebreaker] out";
        reader.error(part.span.clone(), Fault::new("[tiebreaker] names no tie-breaker", hint));
    }
    let keeper = span(&keys::WITNESS).or(span(&keys::ETCD));
    if let (Some(key), None) = (&key, &keeper) {
        let message = "`key` does nothing: a gateway keeps no register";
        reader.warning(key.span.clone(), Fault::new(message, "remove it"));
    }
    let encrypted = witness.as_ref().is_some_and(|witness| witness.tls)
        || etcd.iter().flat_map(|etcd| &etcd.endpoints).any(|endpoint| endpoint.tls);
    if let (Some(span), false) = (span(&keys::BREAKER_TLS), encrypted) {
        let message = "`tls` does nothing: no tie-breaker is spoken to with TLS";
        reader.warning(span, Fault::new(message, "write rediss:// or https://, or remove `tls`"));
    }
    if let Some(span) = &keeper
        && !pair.advert.spoilt
        && pair.advert.value < INTERVAL_MIN
    {
        let interval = duration::show(pair.advert.value);
        let message = format!("a vote needs an answer within `advert_interval` ({interval})");
        let hint = "with a witness or an etcd make `advert_interval` \"50ms\" or longer, unless both \
                    machines reach it within a few milliseconds";
        reader.warning(span.clone(), Fault::new(message, hint));
    }
    let found = TieBreaker {
        gateway,
        witness,
        etcd,
        key: key.map_or_else(|| usual_key(pair), |key| key.value),
        tls,
    };
    (found.gateway.is_some() || found.witness.is_some() || found.etcd.is_some()).then_some(found)
}

/// The same on both machines, another for each pair, and not one that a reload changes.
fn usual_key(pair: &Pair<'_>) -> String {
    let addresses = pair.nodes.iter().filter_map(|node| node.address.as_ref());
    let mut addresses: Vec<String> = addresses.map(|address| address.value.to_string()).collect();
    addresses.sort();
    format!("keepair:{}:{}", pair.vrid.0, addresses.join("+"))
}

fn gateway(reader: &mut Reader<'_>, part: &Part<'_>, pair: &Pair<'_>) -> Option<Gateway> {
    let gateway = reader.parsed(part, &keys::GATEWAY, address::parse_gateway)?;
    if let Gateway::Address(address) = gateway.value {
        third_party(reader, pair, &gateway.span, address.to_string(), Some(address));
    }
    Some(gateway.value)
}

fn witness(reader: &mut Reader<'_>, part: &Part<'_>, pair: &Pair<'_>) -> Option<Witness> {
    let file = password_file(reader, part, &keys::WITNESS_PASSWORD_FILE, &keys::WITNESS);
    let At { value: url, span } =
        reader.parsed(part, &keys::WITNESS, |text| url::parse(text, &REDIS))?;
    third_party(reader, pair, &span, url.host.clone(), url.address());
    let database = match &*url.path {
        "" => 0,
        path => path.parse::<u16>().unwrap_or_else(|_| {
            let hint = "write the number of a database behind the slash, or leave it out";
            reader.error(span.clone(), Fault::new("this is not a database", hint));
            0
        }),
    };
    if let (Some(user), None, None) = (&url.username, &url.password, &file) {
        let message = format!("user `{user}` without a password");
        let hint = "add `witness_password_file`; Redis knows no login by name alone";
        reader.error(span.clone(), Fault::new(message, hint));
    }
    let login =
        login(reader, &span, url.username, url.password, file, &keys::WITNESS_PASSWORD_FILE);
    Some(Witness { host: url.host, port: url.port, tls: url.tls, database, login })
}

fn etcd(reader: &mut Reader<'_>, part: &Part<'_>, pair: &Pair<'_>) -> Option<Etcd> {
    let file = password_file(reader, part, &keys::ETCD_PASSWORD_FILE, &keys::ETCD);
    let mut urls: Vec<At<Url>> = Vec::new();
    for At { value: text, span } in reader.texts(part, &keys::ETCD)? {
        match url::parse(&text, &ETCD) {
            Ok(url) => {
                third_party(reader, pair, &span, url.host.clone(), url.address());
                if !url.path.is_empty() {
                    let hint = "leave out what stands behind the port";
                    reader.error(span.clone(), Fault::new("an endpoint has no path", hint));
                }
                urls.push(At { value: url, span });
            }
            Err(fault) => reader.error(span, fault),
        }
    }
    let mut logins = urls.iter().filter(|url| {
        let Url { username, password, .. } = &url.value;
        username.is_some() || password.is_some()
    });
    let first = logins.next().cloned();
    let login_of = |url: &At<Url>| (url.value.username.clone(), url.value.password.clone());
    if let Some(first) = &first
        && let Some(other) = logins.find(|other| login_of(other) != login_of(first))
    {
        let message = "another user or password than in the endpoint before";
        let hint = "all endpoints are one etcd: write the login once";
        reader.error(other.span.clone(), Fault::new(message, hint));
    }
    let login = match &first {
        None => {
            if let Some(file) = &file {
                let message = "`etcd_password_file` without a user";
                let hint =
                    "write the user into the first endpoint, like https://user@192.0.2.7:2379";
                reader.error(file.span.clone(), Fault::new(message, hint));
            }
            None
        }
        Some(At { value: Url { username, password, .. }, span }) => {
            if username.is_none() || (password.is_none() && file.is_none()) {
                let hint = "add `etcd_password_file`, or write user:password@";
                reader.error(span.clone(), Fault::new("a login is a user and a password", hint));
            }
            let (user, password) = (username.clone(), password.clone());
            login(reader, span, user, password, file, &keys::ETCD_PASSWORD_FILE)
        }
    };
    let endpoints = urls.into_iter().map(|url| crate::config::Endpoint {
        host: url.value.host,
        port: url.value.port,
        tls: url.value.tls,
    });
    Some(Etcd { endpoints: endpoints.collect(), login })
}

fn password_file(
    reader: &mut Reader<'_>,
    part: &Part<'_>,
    key: &Key,
    of: &Key,
) -> Option<At<String>> {
    let file = reader.checked_text(part, key, name::path)?;
    if part.key_span(of).is_none() {
        let message = format!("`{}` without `{}`", key.name, of.name);
        reader.warning(file.span.clone(), Fault::new(message, "remove it"));
    }
    Some(file)
}

fn login(
    reader: &mut Reader<'_>,
    span: &Range<usize>,
    username: Option<String>,
    password: Option<Secret>,
    file: Option<At<String>>,
    key: &Key,
) -> Option<Login> {
    if let (Some(_), Some(_)) = (&password, &file) {
        let message = format!("a password in the URL and `{}` exclude each other", key.name);
        let hint = "remove the password: the file keeps it out of the configuration";
        reader.error(span.clone(), Fault::new(message, hint));
    }
    let password_file = file.map(|file| file.value);
    (password.is_some() || password_file.is_some()).then_some(Login {
        username,
        password,
        password_file,
    })
}

/// Refuses what runs on one of the two machines: it would have two votes.
fn third_party(
    reader: &mut Reader<'_>,
    pair: &Pair<'_>,
    span: &Range<usize>,
    host: String,
    address: Option<core::net::IpAddr>,
) {
    let is = |other: core::net::IpAddr| Some(other.to_canonical()) == address;
    let node = pair.nodes.iter().find(|node| node.address.as_ref().is_some_and(|it| is(it.value)));
    let what = if let Some(node) = node {
        format!("the address of {}", node.shown_name())
    } else if pair.vips.iter().any(|vip| is(vip.value.address)) {
        "a virtual address".to_owned()
    } else if host == "localhost"
        || address.is_some_and(|it| it.is_loopback() || it.is_unspecified())
    {
        "the machine itself".to_owned()
    } else {
        return;
    };
    let message = format!("`{host}` is {what}");
    let hint = "a tie-breaker on one of the two machines goes down with it: name a third one";
    reader.error(span.clone(), Fault::new(message, hint));
}
