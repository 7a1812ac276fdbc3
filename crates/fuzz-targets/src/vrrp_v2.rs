//! VRRP version 2 adverts as they come from a raw socket.

use keepair_wire::vrrp::ParseError;
use keepair_wire::vrrp::v2::{AUTH_LEN, len, parse};

use crate::checksum::{checksum, seal};
use crate::draw::Draw;

const CHECKSUM_AT: usize = 6;

/// The first byte says whether to make the checksum right; the rest is the message.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let sealed = draw.flag();
    let mut message = draw.rest().to_vec();
    let need = len(message.get(3).map_or(0, |count| usize::from(*count)));
    if sealed && message.len() >= need {
        seal(&mut message[..need], CHECKSUM_AT, &[]);
    }
    match parse(&message) {
        Ok(advert) => {
            let message = &message[..need];
            assert_eq!(
                [advert.vrid, advert.priority, advert.auth_type, advert.advert_int_s],
                [message[1], message[2], message[4], message[5]]
            );
            assert_eq!(advert.addresses.len(), usize::from(message[3]));
            assert_eq!(advert.auth_data, message[need - AUTH_LEN..]);
            assert_eq!(parse(message), Ok(advert.clone()), "what is behind it does not matter");
            let short = ParseError::Truncated { have: need - 1, need };
            assert_eq!(parse(&message[..need - 1]), Err(short));
            // Two zeroes: the checksums 0x0000 and 0xffff are the same.
            let emitted = advert.emit();
            assert_eq!(emitted[..CHECKSUM_AT], message[..CHECKSUM_AT]);
            assert_eq!(emitted[CHECKSUM_AT + 2..], message[CHECKSUM_AT + 2..]);
            assert_eq!(parse(&emitted), Ok(advert));
        }
        Err(ParseError::Truncated { have, need }) => {
            assert!(have == message.len() && have < need);
        }
        Err(ParseError::Version(version)) => assert!(message[0] >> 4 == version && version != 2),
        Err(ParseError::Type(kind)) => assert!(message[0] & 0x0f == kind && kind != 1),
        Err(ParseError::NoAddresses) => assert_eq!(message[3], 0),
        Err(ParseError::Checksum) => assert_ne!(checksum(&[&message[..need]]), 0),
        Err(ParseError::MixedFamilies) => panic!("there is one family"),
    }
}
