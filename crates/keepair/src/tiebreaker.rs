//! From the configuration's `[tiebreaker]` to what is asked: password files, certificates, addresses.

use anyhow::anyhow;
use keepair_conf::{Config, Gateway, Login, TieBreaker};
use keepair_linux::redis::Tls;
use keepair_linux::tiebreaker::{self, Register, Setting};
use zeroize::Zeroizing;

use crate::access;

/// The tie-breakers that this machine, `me`, asks, in the order of [`TieBreaker::names`].
///
/// # Errors
/// When a named file can't be read or holds something else.
pub(crate) fn load(config: &Config, me: usize) -> anyhow::Result<Vec<Setting>> {
    let Some(breaker) = &config.tie_breaker else { return Ok(Vec::new()) };
    let own = config.members.get(me).ok_or_else(|| anyhow!("there is no node {me}"))?;
    let members = config.members.iter().map(|member| member.address);
    let pair = members.chain(config.vips.iter().map(|vip| vip.address));
    let register = Register {
        key: breaker.key.clone(),
        node: own.name.clone(),
        pair: pair.map(|address| address.to_canonical()).collect(),
    };
    let mut settings = Vec::new();
    if let Some(gateway) = breaker.gateway {
        settings.push(Setting::Gateway(tiebreaker::Gateway {
            interface: config.interface.clone(),
            own: own.address,
            address: match gateway {
                Gateway::Auto => None,
                Gateway::Address(address) => Some(address),
            },
            interval: config.advert_interval,
        }));
    }
    if let Some(witness) = &breaker.witness {
        let login = login(witness.login.as_ref(), "witness_password_file")?;
        let (username, password) = login.unzip();
        settings.push(Setting::Witness(tiebreaker::Witness {
            host: witness.host.clone(),
            port: witness.port,
            database: witness.database.into(),
            username: username.flatten(),
            password,
            tls: encryption(breaker, witness.tls)?,
            register: register.clone(),
        }));
    }
    if let Some(etcd) = &breaker.etcd {
        let login = login(etcd.login.as_ref(), "etcd_password_file")?;
        let endpoint = |it: &keepair_conf::Endpoint| {
            let tls = encryption(breaker, it.tls)?;
            Ok(tiebreaker::Endpoint { host: it.host.clone(), port: it.port, tls })
        };
        settings.push(Setting::Etcd(tiebreaker::Etcd {
            endpoints: etcd.endpoints.iter().map(endpoint).collect::<anyhow::Result<_>>()?,
            login: login.map(|(user, password)| (user.unwrap_or_default(), password)),
            register,
        }));
    }
    Ok(settings)
}

fn login(
    login: Option<&Login>,
    key: &str,
) -> anyhow::Result<Option<(Option<String>, Zeroizing<String>)>> {
    let Some(login) = login else { return Ok(None) };
    let password = match (&login.password, &login.password_file) {
        (Some(password), _) => Zeroizing::new(password.expose().to_owned()),
        (None, Some(path)) => access::read_password(key, path)?,
        (None, None) => return Ok(None),
    };
    Ok(Some((login.username.clone(), password)))
}

fn encryption(breaker: &TieBreaker, wanted: bool) -> anyhow::Result<Option<Tls>> {
    let tls = breaker.tls.clone().unwrap_or_default();
    wanted.then(|| access::tls(&tls, "[tiebreaker.tls]")).transpose()
}
