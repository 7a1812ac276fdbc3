//! `</dev/tcp/HOST/PORT`: the words by which a shell tests whether a connection can be made. Done
//! without one; most systems' `/bin/sh` does not even know them.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use keepair_core::router::input::Ended;

/// The kernel would try for two minutes; a run's own deadline is mostly nearer than this.
const TRY: Duration = Duration::from_secs(10);

/// Host and port, if the text is of this form.
pub(crate) fn parse(text: &str) -> Option<(&str, u16)> {
    let rest = text.strip_prefix('<')?.trim();
    let (host, port) = rest.strip_prefix("/dev/tcp/")?.rsplit_once('/')?;
    let is_host = !host.is_empty() && !host.contains(|ch: char| ch.is_whitespace() || ch == '/');
    let port = port.parse().ok()?;
    is_host.then_some((host, port))
}

/// Tries every address of the host, as the shell does. Waits.
pub(crate) fn connect(host: &str, port: u16) -> Ended {
    let Ok(addresses) = (host, port).to_socket_addrs() else { return Ended::Exited(1) };
    let connected =
        addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, TRY).is_ok());
    Ended::Exited(i32::from(!connected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_form_is_ours() {
        let cases = [
            ("</dev/tcp/127.0.0.1/6379", Some(("127.0.0.1", 6379))),
            ("< /dev/tcp/redis.example/1", Some(("redis.example", 1))),
            ("</dev/tcp/::1/80", Some(("::1", 80))),
            ("</dev/udp/127.0.0.1/53", None),
            ("</dev/tcp//80", None),
            ("</dev/tcp/a b/80", None),
            ("</dev/tcp/host/80 2>/dev/null", None),
            ("</dev/tcp/host/65536", None),
            ("</etc/passwd", None),
            ("/dev/tcp/host/80", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
