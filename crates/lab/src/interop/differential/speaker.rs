//! The peer's voice: adverts written by the lab and sent into every network at the same time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, sendto,
    socket,
};

use crate::interop::advert::{self, Advert};
use crate::locked;
use crate::namespace::Namespace;

/// Where packets are written into one network.
#[derive(Debug)]
pub struct Mouth {
    v4: OwnedFd,
    v6: OwnedFd,
    /// What IPv6 wants to know of a link-local destination.
    index: u32,
}

impl Mouth {
    /// Opens raw sockets on a host.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn new(ns: &Namespace) -> Result<Self> {
        let open = |family| -> Result<OwnedFd> {
            // IPPROTO_RAW: we write the whole packet, its source too (raw(7)).
            let cloexec = SockFlag::SOCK_CLOEXEC;
            let socket =
                ns.run(move || socket(family, SockType::Raw, cloexec, SockProtocol::Raw))?;
            socket.context("a raw socket")
        };
        let index = ns.run(|| nix::net::if_::if_nametoindex("eth0"))??;
        Ok(Self { v4: open(AddressFamily::Inet)?, v6: open(AddressFamily::Inet6)?, index })
    }

    fn say(&self, to: IpAddr, packet: &[u8]) {
        // A cable that is pulled refuses: then nobody hears it.
        let none = MsgFlags::empty();
        let _ = match to {
            IpAddr::V4(to) => {
                let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
                sendto(self.v4.as_raw_fd(), packet, &to, none)
            }
            IpAddr::V6(to) => {
                let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, self.index));
                sendto(self.v6.as_raw_fd(), packet, &to, none)
            }
        };
    }
}

#[derive(Debug, Default)]
struct State {
    voices: BTreeMap<usize, (Advert, Instant)>,
    /// The checks of the daemons run then, and every second from then on.
    checked: Option<Instant>,
    end: bool,
}

/// So long before a run and so long after it nothing is said: whether the advert or the check's result
/// comes first would be chance. keepalived's runs fall behind by a millisecond or two every second.
pub const BEFORE: Duration = Duration::from_millis(20);
/// The same after it.
pub const AFTER: Duration = Duration::from_millis(180);

impl State {
    /// `at`, or the first moment after it at which no check runs.
    fn beside_checks(&self, at: Instant) -> Instant {
        let Some(checked) = self.checked.and_then(|checked| checked.checked_sub(BEFORE)) else {
            return at;
        };
        let since = at.saturating_duration_since(checked);
        let into = Duration::from_nanos(u64::from(since.subsec_nanos()));
        if into < BEFORE + AFTER { at + (BEFORE + AFTER - into) } else { at }
    }
}

/// All voices, in all networks.
#[derive(Debug)]
pub struct Speaker {
    mouths: Arc<Vec<Mouth>>,
    state: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    /// Starts the thread that speaks.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn new(mouths: Vec<Mouth>) -> Result<Self> {
        let mouths = Arc::new(mouths);
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let (all, shared) = (Arc::clone(&mouths), Arc::clone(&state));
        let thread = thread::Builder::new().name("speaker".to_owned()).spawn(move || {
            speak(&all, &shared);
        })?;
        Ok(Self { mouths, state, thread: Some(thread) })
    }

    /// From now on says this for a virtual router, again and again; the first time at once.
    pub fn begin(&self, instance: usize, advert: Advert) {
        locked(&self.state.0).voices.insert(instance, (advert, Instant::now()));
        self.state.1.notify_all();
    }

    /// What is said for a virtual router is said otherwise from the next time on.
    pub fn change(&self, instance: usize, change: impl FnOnce(&mut Advert)) {
        if let Some((advert, _)) = locked(&self.state.0).voices.get_mut(&instance) {
            change(advert);
        }
    }

    /// Says no more for a virtual router.
    pub fn end(&self, instance: usize) {
        locked(&self.state.0).voices.remove(&instance);
    }

    /// The daemons' checks run now, and every second from now on.
    pub fn checked(&self, at: Instant) {
        locked(&self.state.0).checked = Some(at);
        self.state.1.notify_all();
    }

    /// What it says for a virtual router, if anything.
    #[must_use]
    pub fn priority(&self, instance: usize) -> Option<u8> {
        locked(&self.state.0).voices.get(&instance).map(|(advert, _)| advert.priority)
    }

    /// When something is said next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let held = locked(&self.state.0);
        held.voices.values().map(|(_, at)| held.beside_checks(*at)).min()
    }

    /// Says something once, as it stands.
    pub fn once(&self, to: IpAddr, packet: &[u8]) {
        for mouth in self.mouths.iter() {
            mouth.say(to, packet);
        }
    }
}

fn speak(mouths: &[Mouth], (state, changed): &(Mutex<State>, Condvar)) {
    let mut held = locked(state);
    while !held.end {
        let now = Instant::now();
        // In its own rhythm, but for what has to wait for a check.
        let due: Vec<(usize, Instant)> =
            held.voices.iter().map(|(i, (_, at))| (*i, held.beside_checks(*at))).collect();
        for (instance, _) in due.iter().filter(|(_, at)| *at <= now) {
            let Some((advert, at)) = held.voices.get_mut(instance) else { continue };
            let packet = advert::write(advert);
            for mouth in mouths {
                mouth.say(advert.destination, &packet);
            }
            *at += advert.interval;
        }
        let next = held.voices.values().map(|(_, at)| held.beside_checks(*at)).min();
        let wait = next.map_or(Duration::from_secs(60), |at| at.saturating_duration_since(now));
        held = changed.wait_timeout(held, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        locked(&self.state.0).end = true;
        self.state.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to tell
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_while_a_check_runs() {
        let checked = Instant::now();
        let state = State { checked: Some(checked), ..State::default() };
        let ms = Duration::from_millis;
        for (at, said) in [(0, 180), (179, 180), (180, 180), (500, 500), (985, 1180), (2030, 2180)]
        {
            let got = state.beside_checks(checked + ms(at)) - checked;
            assert_eq!(got, ms(said), "{at}");
        }
        assert_eq!(State::default().beside_checks(checked), checked);
    }
}
