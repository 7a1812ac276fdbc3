//! From the configuration's `[redis]` to a way in: password file, certificates, addresses.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use keepair_conf::{Config, RedisAccess};
use keepair_linux::redis::{Access, Endpoint, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::operate;

/// Reads what the configuration names.
///
/// # Errors
/// When a named file can't be read or holds something else.
pub(crate) fn load(config: &Config, me: usize) -> anyhow::Result<Access> {
    let redis = &config.redis;
    let [first, second] = &config.members;
    let (own, peer) = if me == 0 { (first, second) } else { (second, first) };
    let endpoints = match (&redis.socket, redis.host) {
        (Some(path), _) => vec![Endpoint::Unix(path.into())],
        (None, Some(host)) => vec![Endpoint::Tcp(SocketAddr::new(host, redis.port))],
        (None, None) => {
            let loopback = match own.address {
                IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
            };
            [loopback, own.address]
                .map(|host| Endpoint::Tcp(SocketAddr::new(host, redis.port)))
                .into()
        }
    };
    Ok(Access {
        endpoints,
        username: redis.username.clone(),
        password: password(redis)?,
        tls: redis.tls.as_ref().map(|it| tls(it, "[redis.tls]")).transpose()?,
        peer: SocketAddr::new(peer.address, redis.port),
    })
}

fn password(redis: &RedisAccess) -> anyhow::Result<Option<Zeroizing<String>>> {
    if let Some(password) = &redis.password {
        return Ok(Some(Zeroizing::new(password.expose().to_owned())));
    }
    redis.password_file.as_ref().map(|path| read_password("password_file", path)).transpose()
}

/// The password in the file that the key of this name names.
///
/// # Errors
/// When it can't be read or holds something else.
pub(crate) fn read_password(key: &str, path: &str) -> anyhow::Result<Zeroizing<String>> {
    let text = Zeroizing::new(fs::read_to_string(path).with_context(|| format!("{key} {path}"))?);
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("{key} {path} is empty");
    }
    if password.contains('\n') {
        bail!("{key} {path} has more than one line; it must hold the password only");
    }
    if fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o004 != 0) {
        operate::warn(&format!(
            "keepair: warning: everybody can read {path}; run `chmod 600 {path}`\n"
        ));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// What the table of this header says.
///
/// # Errors
/// When a file it names can't be read or holds something else.
pub(crate) fn tls(tls: &keepair_conf::Tls, header: &str) -> anyhow::Result<Tls> {
    let mut roots = rustls::RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).with_context(|| format!("ca {path}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        bail!("no certificate to trust: set `ca` in {header}");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let key_der = PrivateKeyDer::from_pem_file(Path::new(key))
                .with_context(|| format!("key {key}"))?;
            builder
                .with_client_auth_cert(certificates(cert)?, key_der)
                .with_context(|| format!("cert {cert} with key {key}"))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Tls { config: Arc::new(config), server_name: tls.server_name.clone() })
}

fn certificates(path: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(Path::new(path)).with_context(|| path.to_owned())?.collect();
    let found = found.with_context(|| path.to_owned())?;
    if found.is_empty() {
        bail!("{path} holds no certificate");
    }
    Ok(found)
}
