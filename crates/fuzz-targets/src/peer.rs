//! The daemons' own datagram.

use keepair_wire::peer::{PHASES_MAX, ParseError, REASON_LEN_MAX, Report};

#[cfg(test)]
mod tests;

/// A report must fit into one frame of any link: RFC 791's 576 bytes less the IP and UDP headers.
const DATAGRAM_LEN_MAX: usize = 508;

/// The bytes are a datagram.
pub fn run(bytes: &[u8]) {
    let report = match Report::decode(bytes) {
        Ok(report) => report,
        Err(ParseError::Magic) => return assert_ne!(bytes[..2], *b"KP"),
        Err(ParseError::Version(version)) => return assert_eq!(bytes[2], version),
        Err(ParseError::Truncated | ParseError::Field(_)) => return,
    };
    assert!(report.reason.len() <= usize::from(u8::MAX));
    assert!(!report.reason.contains(char::is_control), "it goes to a terminal");
    assert!(report.failover.iter().all(|failover| failover.phases.len() <= PHASES_MAX));

    let encoded = report.encode();
    assert!(encoded.len() <= DATAGRAM_LEN_MAX, "{} bytes", encoded.len());
    let mut sent = report.clone();
    while sent.reason.len() > REASON_LEN_MAX {
        sent.reason.pop();
    }
    assert_eq!(Report::decode(&encoded), Ok(sent.clone()));
    assert_eq!(sent.encode(), encoded);
    // A later format may add fields; fewer are none.
    let longer = [&encoded, bytes].concat();
    assert_eq!(Report::decode(&longer), Ok(sent));
    for len in [0, 1, encoded.len() / 2, encoded.len() - 1] {
        match Report::decode(&encoded[..len]) {
            Err(error) => assert_eq!(error, ParseError::Truncated),
            // What the first format did not have is all that is missing.
            Ok(first) => assert_eq!(
                (first.served, first.restored, first.missed_writes, first.acknowledged),
                (false, None, false, None)
            ),
        }
    }
}
