//! The gate at the start of a daemon: closed from the first rule on.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keepair_linux::fence::{Fence, FenceSpec, Renewal};

use super::common::{Right, pair, sh};
use super::{PORT, VIP4, ip, ms, pings, spec};

const OWN: &str = "10.9.0.1";

/// What comes of a connection from the other machine to the Redis here.
fn peer_connects(right: &Right) -> Result<(), ErrorKind> {
    let to = SocketAddr::new(ip(OWN), PORT);
    let connected = right.run(|| TcpStream::connect_timeout(&to, ms(1000)));
    connected.map(|_| ()).map_err(|error| error.kind())
}

const RESET: Result<(), ErrorKind> = Err(ErrorKind::ConnectionRefused);

#[test]
fn a_fresh_machine_is_installed_with_the_gate_closed() {
    let right = pair();
    let _redis = TcpListener::bind((OWN, PORT)).unwrap();
    assert_eq!(peer_connects(&right), Ok(()));
    let mut fence = Fence::install_with_gate_closed(spec()).unwrap();
    assert!(fence.intact().unwrap() && fence.gate_is_closed().unwrap());
    assert_eq!(fence.remaining().unwrap(), None);
    assert_eq!(peer_connects(&right), RESET);
    TcpStream::connect((OWN, PORT)).unwrap();
    fence.open_gate().unwrap();
    assert_eq!(peer_connects(&right), Ok(()));
    // Rules that somebody removed come back as the caller asked, not as at the start.
    sh("nft flush ruleset");
    fence.close().unwrap();
    assert!(!fence.gate_is_closed().unwrap());
}

#[test]
fn a_living_right_goes_on_while_the_gate_is_closed() {
    let right = super::fenced().0;
    let mut fence = Fence::install(spec()).unwrap();
    fence.open(ms(3000)).unwrap();
    drop(fence);
    let mut fence = Fence::install_with_gate_closed(spec()).unwrap();
    assert!(fence.gate_is_closed().unwrap());
    let left = fence.remaining().unwrap().unwrap();
    assert!(left > ms(2000) && left <= ms(3000), "{left:?}");
    assert!(pings(&right, VIP4));
    assert_eq!(fence.renew(ms(3000)).unwrap(), Renewal::Extended);
}

#[test]
fn a_table_of_another_shape_is_replaced_by_one_with_the_gate_closed() {
    let right = pair();
    let _redis = TcpListener::bind((OWN, PORT)).unwrap();
    sh("nft add table inet keepair_51; nft add set inet keepair_51 alive4 '{ type ipv4_addr; }'");
    let mut fence = Fence::install_with_gate_closed(spec()).unwrap();
    assert!(fence.intact().unwrap() && fence.gate_is_closed().unwrap());
    assert_eq!(peer_connects(&right), RESET);
}

#[test]
fn a_machine_that_did_not_know_which_it_is_opens_to_both_later() {
    let right = pair();
    let _redis = TcpListener::bind((OWN, PORT)).unwrap();
    let both = || FenceSpec { gated: vec![ip(OWN), ip("10.9.0.2")], ..spec() };
    let fence = Fence::install_with_gate_closed(both()).unwrap();
    assert_eq!(peer_connects(&right), RESET);
    drop(fence);
    // The next start knows: local programs that use the machine's own address get in again.
    let mut fence = Fence::install_with_gate_closed(spec()).unwrap();
    assert_eq!(peer_connects(&right), RESET);
    TcpStream::connect((OWN, PORT)).unwrap();
    fence.open_gate().unwrap();
    assert_eq!(peer_connects(&right), Ok(()));
    // Whatever the gate was closed to, opening it leaves nobody out.
    let mut of_both = Fence::install_with_gate_closed(both()).unwrap();
    assert!(of_both.gate_is_closed().unwrap());
    fence.open_gate().unwrap();
    assert!(!sh("nft list set inet keepair_51 closed4").contains("elements"));
    of_both.open_gate().unwrap();
}

#[test]
fn starts_that_follow_one_another_leave_no_instant_with_the_gate_open() {
    let right = pair();
    let _redis = TcpListener::bind((OWN, PORT)).unwrap();
    drop(Fence::install_with_gate_closed(spec()).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let knocking = right.spawn(move || {
        let (mut tries, mut admitted) = (0, 0);
        while !stopped.load(Ordering::Relaxed) {
            tries += 1;
            admitted += u32::from(TcpStream::connect((OWN, PORT)).is_ok());
        }
        (tries, admitted)
    });
    for _ in 0..300 {
        drop(Fence::install_with_gate_closed(spec()).unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    let (tries, admitted) = knocking.join().unwrap();
    assert!(tries > 100, "only {tries} connections were tried");
    assert_eq!(admitted, 0, "of {tries} connections");
}
