//! How to reach the local Redis and log in to it.

use keepair_core::config::Vip;

use super::pair::Node;
use super::reader::{At, Part, Reader};
use crate::config::{RedisAccess, Tls};
use crate::keys::{self, Key};
use crate::secret::Secret;
use crate::value::{Fault, address, name};

pub(super) fn read(
    reader: &mut Reader<'_>,
    redis: &Part<'_>,
    vips: &[At<Vip>],
    nodes: &[Node],
) -> RedisAccess {
    let port = reader.integer::<u16>(redis, &keys::REDIS_PORT).value;
    let host = reader.parsed(redis, &keys::REDIS_HOST, address::parse_local);
    let socket = reader
        .checked_text(redis, &keys::REDIS_SOCKET, |text| name::path(text).and(name::socket(text)));
    let username = reader.text(redis, &keys::REDIS_USERNAME);
    let password = reader.text(redis, &keys::REDIS_PASSWORD);
    let password_file = reader.checked_text(redis, &keys::REDIS_PASSWORD_FILE, name::path);
    let tls = tls(reader, redis, &keys::REDIS_TLS);

    if let Some(host) = &host {
        let is_host = |node: &&Node| node.address.as_ref().is_some_and(|a| a.value == host.value);
        if vips.iter().any(|vip| vip.value.address == host.value) {
            let message = format!("`host` {} is a virtual address", host.value);
            let hint = "on the standby this would be the primary's Redis: leave `host` out to \
                        connect to the machine's own";
            reader.error(host.span.clone(), Fault::new(message, hint));
        } else if let Some(node) = nodes.iter().find(is_host) {
            let message = format!("`host` {} is {}'s address only", host.value, node.shown_name());
            let hint = "in a file that is the same on both machines the other one would watch the \
                        wrong Redis: leave `host` out";
            reader.warning(host.span.clone(), Fault::new(message, hint));
        }
    }
    let key_span = |key| redis.key_span(key);
    let (host_key, socket_key) = (key_span(&keys::REDIS_HOST), key_span(&keys::REDIS_SOCKET));
    if let (Some(_), Some(span)) = (host_key, &socket_key) {
        let message = "`host` and `socket` exclude each other";
        reader.error(span.clone(), Fault::new(message, "remove one of the two"));
    }
    let tls_key = key_span(&keys::REDIS_TLS);
    if let (Some(_), Some(span)) = (socket_key, tls_key) {
        let message = "`tls` is not used over a Unix socket";
        reader.warning(span, Fault::new(message, "remove `tls` or `socket`"));
    }
    let password_key = key_span(&keys::REDIS_PASSWORD);
    let file_key = key_span(&keys::REDIS_PASSWORD_FILE);
    if let (Some(_), Some(span)) = (&password_key, &file_key) {
        let message = "`password` and `password_file` exclude each other";
        let hint = "remove `password`: the file keeps it out of the configuration";
        reader.error(span.clone(), Fault::new(message, hint));
    }
    if let Some(user) = &username
        && password_key.is_none()
        && file_key.is_none()
    {
        let message = "`username` without a password";
        let hint = "add `password_file` or `password`; Redis knows no login by name alone";
        reader.error(user.span.clone(), Fault::new(message, hint));
    }
    RedisAccess {
        port,
        host: host.map(|host| host.value),
        socket: socket.map(|socket| socket.value),
        username: username.map(|username| username.value),
        password: password.map(|password| Secret::new(password.value)),
        password_file: password_file.map(|file| file.value),
        tls,
    }
}

/// The table of TLS below `key`, whose keys are the same wherever it stands.
pub(super) fn tls(reader: &mut Reader<'_>, part: &Part<'_>, key: &Key) -> Option<Tls> {
    let part = reader.table(part, key);
    part.table?;
    let mut path = |key| reader.checked_text(&part, key, name::path).map(|path| path.value);
    let (ca, cert, key) = (path(&keys::TLS_CA), path(&keys::TLS_CERT), path(&keys::TLS_KEY));
    let server_name = reader.text(&part, &keys::TLS_SERVER_NAME).map(|name| name.value);
    let lonely = match (part.key_span(&keys::TLS_CERT), part.key_span(&keys::TLS_KEY)) {
        (Some(span), None) => Some((span, "`cert` without `key`", "add `key`")),
        (None, Some(span)) => Some((span, "`key` without `cert`", "add `cert`")),
        _ => None,
    };
    if let Some((span, message, add)) = lonely {
        let hint = format!("{add}: a client certificate needs both");
        reader.error(span, Fault::new(message, hint));
    }
    Some(Tls { ca, cert, key, server_name })
}
