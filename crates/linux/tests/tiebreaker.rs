//! Tie-breakers in earnest: a gateway at the other end of a cable, a real Redis, a real etcd. Needs root,
//! `redis-server` with TLS, `etcd`, `openssl` and `setpriv`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
#[path = "tiebreaker/etcd.rs"]
mod etcd;
#[path = "tiebreaker/gateway.rs"]
mod gateway;
#[path = "redis/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "tiebreaker/witness.rs"]
mod witness;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::report;
use keepair_core::tiebreaker::{Ask, Run, Says};
use keepair_linux::tiebreaker::{Register, Setting, TieBreakers};
use keepair_wire::peer::Stamp;

const PATIENCE: Duration = Duration::from_secs(5);

/// One machine with one tie-breaker.
struct Machine {
    breakers: TieBreakers,
    heard: Receiver<(usize, Says)>,
}

impl Machine {
    fn start(setting: Setting) -> Machine {
        let (sender, heard) = channel();
        let sender = std::sync::Mutex::new(sender);
        let tell = Arc::new(move |place, says| sender.lock().unwrap().send((place, says)).is_ok());
        Machine { breakers: TieBreakers::start(vec![setting], &(tell as _)).unwrap(), heard }
    }

    fn hears(&self) -> Says {
        let (place, says) = self.heard.recv_timeout(PATIENCE).expect("the tie-breaker is silent");
        assert_eq!(place, 0);
        says
    }

    fn meets(&self) -> Run {
        match self.hears() {
            Says::Met(run) => run,
            other => panic!("not met: {other:?}"),
        }
    }

    /// Why it is away.
    fn misses(&self) -> String {
        match self.hears() {
            Says::Gone(why) => why,
            other => panic!("not away: {other:?}"),
        }
    }

    fn asks(&self, run: Run, seq: u64, over: u64) {
        self.breakers.ask(0, Ask { run, stamp: stamp(seq), over: stamp(over) });
    }

    fn is_told(&self, run: Run, seq: u64, over: u64) -> Says {
        self.asks(run, seq, over);
        self.hears()
    }
}

/// Stamps are as large as they get: milliseconds of a far year.
fn stamp(seq: u64) -> Stamp {
    if seq == 0 { Stamp::default() } else { Stamp { instance: 1 << 60, seq } }
}

fn granted(seq: u64) -> Says {
    Says::Granted(stamp(seq))
}

fn refused(seq: u64) -> Says {
    Says::Refused(stamp(seq))
}

fn register(key: &str, node: &str) -> Register {
    Register { key: key.to_owned(), node: node.to_owned(), pair: Vec::new() }
}

/// The rules of the register, which every keeper of one has: `node` starts a machine of that name.
fn the_register_keeps_its_rules(node: impl Fn(&str) -> Machine) {
    let (a, b) = (node("a"), node("b"));
    let run = a.meets();
    assert_eq!(b.meets(), run);
    for (what, machine, seq, over, expected) in [
        ("a free vote", &a, 10, 0, granted(10)),
        ("again, with a newer stamp", &a, 11, 0, granted(11)),
        ("again, late", &a, 10, 0, granted(10)),
        ("the other has a newer stamp than was heard", &b, 20, 10, refused(11)),
        ("the other's newest stamp was heard", &b, 20, 11, granted(20)),
        ("lost to the other", &a, 12, 11, refused(20)),
        ("still the other's", &b, 21, 11, granted(21)),
        ("a newer stamp was heard than it has", &a, 13, 30, granted(13)),
    ] {
        assert_eq!(machine.is_told(run, seq, over), expected, "{what}");
    }
    assert_eq!(b.is_told([9; 20], 40, 40), Says::Met(run), "it speaks to another life");
    assert_eq!(b.is_told(run, 40, 0), refused(13), "which gave it nothing");
}

fn measure(what: &str, machine: &Machine) {
    let run = machine.meets();
    // As the thread that sends the adverts runs: nobody takes the processor from it while it asks.
    keepair_linux::realtime::make_realtime(40).unwrap();
    let (mut answers, mut asked) = (Vec::new(), Vec::new());
    for seq in 1..=500 {
        let start = Instant::now();
        machine.asks(run, seq, 0);
        asked.push(start.elapsed());
        assert_eq!(machine.hears(), granted(seq));
        answers.push(start.elapsed());
    }
    report(what, answers);
    report("of that, to ask", asked);
}
