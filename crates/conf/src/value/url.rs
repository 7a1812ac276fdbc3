//! The URLs of tie-breakers: `scheme://[user[:password]@]host[:port][/path]`, RFC 3986.
//!
//! A URL may hold a password, so no fault ever quotes one.

use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr as _;

use super::{Fault, quote};
use crate::secret::Secret;

/// A URL, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    /// The scheme is the second of the two.
    pub(crate) tls: bool,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Behind the first slash, which may be missing.
    pub(crate) path: String,
}

/// What is expected.
pub(crate) struct Form {
    /// Without and with TLS.
    pub(crate) schemes: [&'static str; 2],
    pub(crate) port: u16,
    pub(crate) example: &'static str,
}

/// A URL of that form.
pub(crate) fn parse(text: &str, form: &Form) -> Result<Url, Fault> {
    let [plain, encrypted] = form.schemes;
    let write = || format!("write it like {}", form.example);
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Fault::new("this is not a URL", write()));
    };
    if scheme != plain && scheme != encrypted {
        let message = format!("{} is not a scheme that is known here", quote(scheme));
        return Err(Fault::new(message, format!("write {plain}:// or {encrypted}://")));
    }
    // A password may hold anything that is no slash, even if it should not.
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    let (host, port) = host_and_port(place, form)?;
    let mut url = Url {
        tls: scheme == encrypted,
        username: None,
        password: None,
        host,
        port,
        path: path.to_owned(),
    };
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        let decoded = |text: &str| {
            decode(text).ok_or_else(|| {
                let hint = "a percent sign is written %25";
                Fault::new("a percent sign without two hexadecimal digits", hint)
            })
        };
        url.username = Some(decoded(user)?).filter(|user| !user.is_empty());
        url.password = password
            .map(decoded)
            .transpose()?
            .filter(|password| !password.is_empty())
            .map(Secret::new);
    }
    Ok(url)
}

fn host_and_port(place: &str, form: &Form) -> Result<(String, u16), Fault> {
    let (host, port) = if let Some(inner) = place.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').unwrap_or((inner, "?"));
        if Ipv6Addr::from_str(host).is_err() || !(rest.is_empty() || rest.starts_with(':')) {
            let hint = "an IPv6 address stands in brackets, like [2001:db8::7]:6379";
            return Err(Fault::new("this is not an IPv6 address with a port", hint));
        }
        (host, rest.strip_prefix(':'))
    } else if place.matches(':').count() > 1 {
        let hint = "an IPv6 address stands in brackets, like [2001:db8::7]:6379";
        return Err(Fault::new("more than one colon behind the host", hint));
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_name) {
        let hint = format!("write it like {}", form.example);
        return Err(Fault::new("the host is neither a name nor an address", hint));
    }
    let port = match port {
        None => form.port,
        Some(text) => text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
            Fault::new("this is not a port", "write a number from 1 to 65535 behind the colon")
        })?,
    };
    Ok((host.to_owned(), port))
}

/// `%41` -> `A`.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}

impl Url {
    /// The host, if it is an address.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIS: Form =
        Form { schemes: ["redis", "rediss"], port: 6379, example: "redis://192.0.2.7:6379" };

    #[test]
    fn urls_and_their_parts() {
        for (text, tls, user, password, host, port, path) in [
            ("redis://192.0.2.7", false, None, None, "192.0.2.7", 6379, ""),
            ("rediss://w.example.org:1/3", true, None, None, "w.example.org", 1, "3"),
            ("redis://[2001:db8::7]:65535/", false, None, None, "2001:db8::7", 65535, ""),
            ("redis://[::7]", false, None, None, "::7", 6379, ""),
            ("redis://:p%40s%3as@h", false, None, Some("p@s:s"), "h", 6379, ""),
            ("redis://ann:p@ss@h:2", false, Some("ann"), Some("p@ss"), "h", 2, ""),
            ("redis://ann@h", false, Some("ann"), None, "h", 6379, ""),
            ("redis://ann:@h", false, Some("ann"), None, "h", 6379, ""),
        ] {
            let url = parse(text, &REDIS).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            let found = url.password.as_ref().map(Secret::expose);
            assert_eq!((url.tls, url.username.as_deref(), found), (tls, user, password), "{text}");
            assert_eq!((&*url.host, url.port, &*url.path), (host, port, path), "{text}");
        }
    }

    #[test]
    fn faults_never_quote_a_password() {
        for (text, expected) in [
            ("", "this is not a URL"),
            ("192.0.2.7:6379", "this is not a URL"),
            ("http://:secret@h", "`http` is not a scheme"),
            ("redis://:secret@", "the host is neither"),
            ("redis://:secret@a b", "the host is neither"),
            ("redis://:secret@h:0", "this is not a port"),
            ("redis://:secret@h:x", "this is not a port"),
            ("redis://:secret@fd00::1:6379", "more than one colon"),
            ("redis://:secret@[fd00::1", "this is not an IPv6 address"),
            ("redis://:secret@[h]:1", "this is not an IPv6 address"),
            ("redis://:secret%4@h", "a percent sign"),
            ("redis://:secret%zz@h", "a percent sign"),
        ] {
            let fault = parse(text, &REDIS).unwrap_err();
            assert!(fault.message.starts_with(expected), "{text}: {}", fault.message);
            let said = format!("{fault:?}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
