//! What clients see of a planned switchover: a pause where they connect, the end of what was open.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use keepair_linux::fence::{Fence, Renewal};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::common::{Right, sh};
use super::{PORT, VIP4, VIP6, fenced, ip, ms, pings, spec};

/// A connection from the other machine: its end and ours.
fn connection(right: &Right, server: &TcpListener) -> [TcpStream; 2] {
    let to = server.local_addr().unwrap();
    let theirs = right.run(|| TcpStream::connect_timeout(&to, ms(3000)).unwrap());
    [theirs, server.accept().unwrap().0]
}

#[test]
fn a_hold_pauses_new_connections_and_leaves_accepted_ones_alone() {
    let (right, mut fence) = fenced();
    fence.open(ms(60_000)).unwrap();
    for address in [VIP4, VIP6] {
        let server = TcpListener::bind((ip(address), PORT)).unwrap();
        let other = TcpListener::bind((ip(address), PORT + 1)).unwrap();
        let to = server.local_addr().unwrap();
        let connect = || {
            right.spawn(move || {
                let start = Instant::now();
                TcpStream::connect_timeout(&to, ms(5000)).map(|_| start.elapsed())
            })
        };
        let mut ends = connection(&right, &server);
        fence.hold(ms(10_000)).unwrap();
        let held = connect();
        connection(&right, &other);
        let error = TcpStream::connect_timeout(&to, ms(100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "a local client is held as well");
        assert_eq!(fence.renew(ms(60_000)).unwrap(), Renewal::Extended);
        for _ in 0..200 {
            for (from, to) in [(0, 1), (1, 0)] {
                ends[from].write_all(b"x").unwrap();
                ends[to].read_exact(&mut [0]).unwrap();
            }
            std::thread::sleep(ms(1));
        }
        assert!(!held.is_finished(), "answered: {:?}", held.join().unwrap());
        fence.unhold().unwrap();
        fence.unhold().unwrap();
        let waited = held.join().unwrap().unwrap();
        assert!(waited > ms(900) && waited < ms(1500), "{waited:?}");
        let at_once = connect().join().unwrap().unwrap();
        assert!(at_once < ms(100), "{at_once:?}");
        // A hold that nobody ends ends by itself.
        fence.hold(ms(300)).unwrap();
        let expired = connect().join().unwrap().unwrap();
        assert!(expired > ms(900) && expired < ms(1500), "{expired:?}");
        println!("{address}: connected after {waited:?}, {at_once:?}, {expired:?}");
    }
}

#[test]
fn whatever_opens_or_shuts_the_fence_ends_a_hold() {
    let (_right, mut fence) = fenced();
    let held = || ["held4", "held6"].map(|s| sh(&format!("nft list set inet keepair_51 {s}")));
    let is_held = || held().map(|listing| listing.contains("expires")) == [true; 2];
    let is_free = || held().map(|listing| listing.contains("expires")) == [false; 2];
    type Call = fn(&mut Fence);
    let calls: [Call; 5] = [
        |f| f.unhold().unwrap(),
        |f| f.open(ms(1000)).unwrap(),
        |f| f.close().unwrap(),
        |f| f.close_with_gate().unwrap(),
        |_| drop(Fence::install(spec()).unwrap()),
    ];
    for call in calls {
        fence.hold(ms(60_000)).unwrap();
        fence.hold(ms(5000)).unwrap();
        assert!(is_held() && held()[0].contains("timeout 5s"), "{:?}", held());
        call(&mut fence);
        assert!(is_free(), "{:?}", held());
    }
    assert_eq!(fence.hold(ms(5)).unwrap_err().kind(), ErrorKind::InvalidInput);
    sh("nft flush ruleset");
    assert_eq!(fence.hold(ms(1000)).unwrap_err().kind(), ErrorKind::NotFound);
    fence.unhold().unwrap();
}

/// What the client hears within a second and a half, and when.
fn heard(mut client: &TcpStream, since: Instant) -> (Result<usize, ErrorKind>, Duration) {
    client.set_read_timeout(Some(ms(1500))).unwrap();
    (client.read(&mut [0; 64]).map_err(|e| e.kind()), since.elapsed())
}

#[test]
fn the_client_of_a_shut_address_hears_that_redis_closed_and_nothing_else() {
    let (right, mut fence) = fenced();
    for address in [VIP4, VIP6] {
        let server = TcpListener::bind((ip(address), PORT)).unwrap();
        let reset = Err(ErrorKind::ConnectionReset);
        let nothing = Err(ErrorKind::WouldBlock);
        for (unread, unsaid, lost, abort, expected) in [
            (false, false, false, false, Ok(0)),
            (true, false, false, false, reset),
            (false, false, false, true, reset),
            (false, true, false, true, reset),
            (true, true, false, false, reset),
            // The FIN comes after bytes that the client never gets.
            (false, true, false, false, nothing),
            (false, false, true, false, nothing),
        ] {
            fence.open(ms(60_000)).unwrap();
            let [mut theirs, mut ours] = connection(&right, &server);
            if unread {
                theirs.write_all(b"SET key value").unwrap();
                std::thread::sleep(ms(5));
            }
            if lost {
                right.run(|| {
                    sh("nft add table inet lossy
                        nft add chain inet lossy input '{ type filter hook input priority 0; }'
                        nft add rule inet lossy input tcp sport 6379 drop")
                });
                ours.write_all(b"+OK").unwrap();
            }
            fence.close().unwrap();
            if lost {
                right.run(|| sh("nft delete table inet lossy"));
            }
            if unsaid {
                ours.write_all(b"+OK").unwrap();
            }
            if abort {
                SockRef::from(&ours).set_linger(Some(Duration::ZERO)).unwrap();
            }
            let closed = Instant::now();
            drop(ours);
            let (what, after) = heard(&theirs, closed);
            println!(
                "{address}: unread {unread}, unsaid {unsaid}, lost {lost}, abort {abort}: \
                 {what:?} after {after:?}"
            );
            assert_eq!(what, expected);
            assert!(what == nothing || after < ms(20), "{after:?}");
            let port = theirs.local_addr().unwrap().port();
            let seen = right.run(|| sh(&format!("ss -tinH sport = {port}")));
            assert!(!seen.contains("data_segs_in"), "{seen}");
        }
    }
}

#[test]
fn a_shut_address_lets_out_bare_endings_of_every_shape_and_nothing_else() {
    let (right, mut fence) = fenced();
    fence.open(ms(60_000)).unwrap();
    for (address, client, domain, ip_header) in
        [(VIP4, "10.9.0.2", Domain::IPV4, 20), (VIP6, "fd09::2", Domain::IPV6, 0)]
    {
        let raw = move || Socket::new(domain, Type::RAW, Some(Protocol::TCP)).unwrap();
        let (sender, receiver) = (raw(), right.run(raw));
        let to = SocketAddr::new(ip(client), 0).into();
        sender.bind(&SocketAddr::new(ip(address), 0).into()).unwrap();
        assert!(pings(&right, address));
        fence.close().unwrap();
        let mut endings = Vec::new();
        for (len, offset, flags) in (20..=100u8)
            .flat_map(|len| (0..16u8).map(move |offset| (len, offset)))
            .flat_map(|(len, offset)| (0..64u8).map(move |flags| (len, offset, flags)))
        {
            let mut segment = vec![b'x'; len.into()];
            segment[..3].copy_from_slice(&[len, offset, flags]);
            segment[12] = offset << 4 | (flags & 0xf);
            segment[13] = flags;
            let bare = len == offset * 4 && matches!(flags & 7, 1 | 4);
            match sender.send_to(&segment, &to) {
                Ok(_) => assert!(bare, "passed: {len} {offset} {flags:#x}"),
                Err(e) => assert!(!bare, "dropped: {len} {offset} {flags:#x}: {e}"),
            }
            if bare {
                endings.push([len, offset, flags]);
            }
        }
        receiver.set_read_timeout(Some(ms(300))).unwrap();
        let mut received = Vec::new();
        let mut buf = [0; 256];
        while let Ok(len) = (&receiver).read(&mut buf) {
            let segment = &buf[ip_header..len];
            assert_eq!(segment.len(), usize::from(segment[0]));
            received.push([segment[0], segment[1], segment[2]]);
        }
        println!("{address}: {} endings", received.len());
        assert_eq!(received, endings);
        fence.open(ms(60_000)).unwrap();
    }
}
