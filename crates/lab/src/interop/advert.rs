//! Adverts as they are on the wire, read and written here independently of the program under test.
//!
//! Version 2 is RFC 3768 with keepalived's use of the eight bytes of authentication (RFC 2338,
//! section 5.3.10), version 3 is RFC 9568 with the checksum over a pseudo-header in both families, as
//! keepalived and FRR write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// IPPROTO_VRRP.
pub const PROTOCOL: u8 = 112;
/// Where IPv4 adverts go.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where IPv6 adverts go.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// An advert with what matters of the packet around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// From where.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// 2 or 3.
    pub version: u8,
    /// The virtual router's number.
    pub vrid: u8,
    /// 0: the sender leaves.
    pub priority: u8,
    /// Until the next one.
    pub interval: Duration,
    /// Version 2: a password of up to eight bytes.
    pub password: Option<[u8; 8]>,
    /// The addresses it names.
    pub addresses: Vec<IpAddr>,
}

/// Reads an Ethernet frame; `None` if it is no advert, or a broken one.
#[must_use]
pub fn read_frame(frame: &[u8]) -> Option<Advert> {
    match frame.get(12..14)? {
        [0x08, 0x00] => read_packet(frame.get(14..)?),
        [0x86, 0xdd] => read_packet(frame.get(14..)?),
        _ => None,
    }
}

fn read_packet(packet: &[u8]) -> Option<Advert> {
    match packet.first()? >> 4 {
        4 => {
            let length = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
            let head = usize::from(packet.first()? & 15) * 4;
            let (ttl, protocol) = (*packet.get(8)?, *packet.get(9)?);
            let address = |at: usize| -> Option<IpAddr> {
                Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into())
            };
            let body = packet.get(head..length)?;
            (protocol == PROTOCOL)
                .then(|| read_body(body, address(12)?, address(16)?, ttl))
                .flatten()
        }
        6 => {
            let length = usize::from(u16::from_be_bytes(packet.get(4..6)?.try_into().ok()?));
            let (protocol, ttl) = (*packet.get(6)?, *packet.get(7)?);
            let address = |at: usize| -> Option<IpAddr> {
                Some(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?.into())
            };
            let body = packet.get(40..40 + length)?;
            (protocol == PROTOCOL)
                .then(|| read_body(body, address(8)?, address(24)?, ttl))
                .flatten()
        }
        _ => None,
    }
}

fn read_body(body: &[u8], source: IpAddr, destination: IpAddr, ttl: u8) -> Option<Advert> {
    let &[kind, vrid, priority, count, auth, interval, ..] = body else { return None };
    let version = kind >> 4;
    let size = if source.is_ipv4() { 4 } else { 16 };
    let end = 8 + usize::from(count) * size;
    let addresses = body
        .get(8..end)?
        .chunks(size)
        .filter_map(|chunk| match chunk.len() {
            4 => <[u8; 4]>::try_from(chunk).ok().map(IpAddr::from),
            _ => <[u8; 16]>::try_from(chunk).ok().map(IpAddr::from),
        })
        .collect();
    let (interval, password) = match version {
        2 => {
            let password = body.get(end..end + 8).and_then(|bytes| bytes.try_into().ok());
            (Duration::from_secs(u64::from(interval)), password.filter(|_| auth == 1))
        }
        3 => {
            let centis = u64::from(u16::from_be_bytes([auth & 15, interval]));
            (Duration::from_millis(centis * 10), None)
        }
        _ => return None,
    };
    Some(Advert {
        source,
        destination,
        ttl,
        version,
        vrid,
        priority,
        interval,
        password,
        addresses,
    })
}

/// Writes the IP packet.
#[must_use]
pub fn write(advert: &Advert) -> Vec<u8> {
    let count = u8::try_from(advert.addresses.len()).unwrap_or(u8::MAX);
    let mut body = vec![(advert.version << 4) | 1, advert.vrid, advert.priority, count];
    if advert.version == 2 {
        let seconds = u8::try_from(advert.interval.as_secs()).unwrap_or(u8::MAX);
        body.extend([u8::from(advert.password.is_some()), seconds, 0, 0]);
    } else {
        let centis = u16::try_from(advert.interval.as_millis() / 10).unwrap_or(0xfff) & 0xfff;
        body.extend(centis.to_be_bytes());
        body.extend([0, 0]);
    }
    for address in &advert.addresses {
        body.extend(octets(*address));
    }
    if advert.version == 2 {
        body.extend(advert.password.unwrap_or_default());
    }
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let mut sum = Sum::default();
    if advert.version == 3 {
        sum.add(&octets(advert.source));
        sum.add(&octets(advert.destination));
        sum.add(&[0, PROTOCOL]);
        sum.add(&length.to_be_bytes());
    }
    sum.add(&body);
    put(&mut body, 6, sum.finish());

    let mut packet = match advert.source {
        IpAddr::V4(_) => {
            let [high, low] = (length + 20).to_be_bytes();
            vec![0x45, 0xc0, high, low, 0, 1, 0, 0, advert.ttl, PROTOCOL, 0, 0]
        }
        IpAddr::V6(_) => {
            let [high, low] = length.to_be_bytes();
            vec![0x60, 0, 0, 0, high, low, PROTOCOL, advert.ttl]
        }
    };
    packet.extend(octets(advert.source));
    packet.extend(octets(advert.destination));
    if advert.source.is_ipv4() {
        let mut sum = Sum::default();
        sum.add(&packet);
        put(&mut packet, 10, sum.finish());
    }
    packet.extend(body);
    packet
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// The Internet checksum (RFC 1071) of pieces of even length.
#[derive(Default)]
struct Sum(u32);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks(2) {
            let (high, low) = (pair.first().copied(), pair.get(1).copied());
            self.0 += u32::from(u16::from_be_bytes([high.unwrap_or(0), low.unwrap_or(0)]));
        }
    }

    fn finish(&self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert() -> Advert {
        Advert {
            source: "172.18.0.4".parse().expect("an address"),
            destination: GROUP_V4.into(),
            ttl: 255,
            version: 2,
            vrid: 51,
            priority: 100,
            interval: Duration::from_secs(1),
            password: Some(*b"1111\0\0\0\0"),
            addresses: vec!["172.18.0.10".parse().expect("an address")],
        }
    }

    fn framed(advert: &Advert) -> Vec<u8> {
        let kind = if advert.source.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
        [&[0; 12][..], &kind, &write(advert)].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let v2 = advert();
        let v3 = Advert {
            version: 3,
            password: None,
            interval: Duration::from_millis(250),
            ..v2.clone()
        };
        let v6 = Advert {
            source: "fe80::4".parse().expect("an address"),
            destination: GROUP_V6.into(),
            addresses: vec!["fe80::10".parse().expect("an address")],
            ..v3.clone()
        };
        for advert in [v2, v3, v6] {
            let mut frame = framed(&advert);
            assert_eq!(read_frame(&frame), Some(advert.clone()));
            frame.extend([0; 6]); // padding to Ethernet's minimum
            assert_eq!(read_frame(&frame), Some(advert));
        }
    }

    /// Taken from a wire: keepalived 2.2.7, priority 100, password 1111.
    #[test]
    fn written_as_keepalived_writes_it() {
        let packet = write(&advert());
        let body = &packet[20..];
        assert_eq!(body[..6], [0x21, 51, 100, 1, 1, 1]);
        assert_eq!(body[8..12], [172, 18, 0, 10]);
        assert_eq!(&body[12..], b"1111\0\0\0\0");
        let mut sum = Sum::default();
        sum.add(body);
        assert_eq!(sum.finish(), 0, "a checksum makes the sum nought");
    }

    #[test]
    fn other_frames_are_no_adverts() {
        let frame = framed(&advert());
        assert_eq!(read_frame(&frame[..frame.len() - 13]), None, "cut off");
        let mut other = frame.clone();
        other[14 + 9] = 17;
        assert_eq!(read_frame(&other), None, "UDP");
        let mut other = frame;
        other[13] = 6;
        assert_eq!(read_frame(&other), None, "ARP");
    }
}
