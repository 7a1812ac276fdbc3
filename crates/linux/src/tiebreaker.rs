//! How a tie-breaker is asked for its vote: a gateway, a third Redis, an etcd.
//!
//! Each has a thread of its own, which connects, asks and waits; the real-time thread puts a request
//! into a mailbox and goes on. Nothing is decided here and nothing is repeated: a request is sent once,
//! on the connection that is there, and of several that wait the newest takes the place of the others.
//! What a vote is worth is [`keepair_core::tiebreaker`]'s and the core's to say.

mod etcd;
mod gateway;
mod http;
mod inbox;
mod line;
mod route;
mod witness;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use keepair_core::tiebreaker::{Ask, Run, Says};
use keepair_wire::info::RunId;
use zeroize::Zeroizing;

use crate::mailbox::Mailbox;
use crate::realtime::{self, Wake};
use crate::redis::Tls;
use inbox::{Inbox, Order};

/// An answer may take so long; then the connection is closed, and with it the request.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// Between two looks at a tie-breaker that nobody asks: whoever is needed at a takeover should be known
/// to be there before.
const IDLE: Duration = Duration::from_secs(1);
/// Before the next attempt to reach one that is away.
const RETRY: Duration = Duration::from_millis(100);
/// Before the next attempt with one that answered, and is not fit: it won't change in a moment.
const RETRY_UNFIT: Duration = Duration::from_secs(1);
/// Requests of the real-time thread that its tie-breaker's thread has not looked at.
const ORDERS_MAX: usize = 64;
/// Below the thread that sends adverts, above ordinary programs: a machine under load must not lose
/// its right because nobody asked for the next one.
const PRIORITY: i32 = 20;

/// A tie-breaker to be asked.
#[derive(Clone)]
pub enum Setting {
    /// The network's gateway.
    Gateway(Gateway),
    /// A third Redis.
    Witness(Witness),
    /// An etcd.
    Etcd(Etcd),
}

/// A station of the pair's network whose answer shows that this machine is not cut off.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// The interface that leads to it.
    pub interface: String,
    /// This machine's address, of the family of the gateway that [`Gateway::address`] leaves open.
    pub own: IpAddr,
    /// Its address; `None`: the default route's.
    pub address: Option<IpAddr>,
    /// Between two requests of the core.
    pub interval: Duration,
}

/// A Redis that keeps the register.
#[derive(Clone)]
pub struct Witness {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Number of the database.
    pub database: u32,
    /// ACL user; `None`: the default user.
    pub username: Option<String>,
    /// Password, if one is needed.
    pub password: Option<Zeroizing<String>>,
    /// Encrypt.
    pub tls: Option<Tls>,
    /// Where the register is.
    pub register: Register,
}

/// An etcd that keeps the register. All endpoints lead to one cluster.
#[derive(Clone)]
pub struct Etcd {
    /// Tried in turn, one for each attempt.
    pub endpoints: Vec<Endpoint>,
    /// User and password, if etcd asks for them.
    pub login: Option<(String, Zeroizing<String>)>,
    /// The register.
    pub register: Register,
}

/// Where an etcd may be reached.
#[derive(Clone)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Encrypt.
    pub tls: Option<Tls>,
}

/// A register and who writes into it.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its key. All that one pair uses is below it.
    pub key: String,
    /// This machine's name in it: without blanks, and not the other machine's.
    pub node: String,
    /// Addresses of the pair, its virtual ones included: what answers there is no third party.
    pub pair: Vec<IpAddr>,
}

/// Takes an answer over; false if it can't.
pub type Tell = Arc<dyn Fn(usize, Says) -> bool + Send + Sync>;

/// The tie-breakers' threads. They end when it is dropped.
#[derive(Default)]
pub struct TieBreakers {
    mailboxes: Vec<Mailbox<Order>>,
    local: Option<RunId>,
}

impl TieBreakers {
    /// Starts a thread for each, in this order; `tell` hears what they say, with their place.
    ///
    /// # Errors
    /// When the system is out of threads or descriptors.
    pub fn start(settings: Vec<Setting>, tell: &Tell) -> io::Result<TieBreakers> {
        let mut mailboxes = Vec::new();
        for (place, setting) in settings.into_iter().enumerate() {
            let bell = Arc::new(Wake::new()?);
            let (sender, orders) = sync_channel(ORDERS_MAX);
            mailboxes.push(Mailbox::new(sender, bell.clone()));
            let inbox = Inbox::new(orders, bell);
            let voice = Voice { place, tell: tell.clone(), gone: None };
            std::thread::Builder::new().name("tie-breaker".to_owned()).spawn(move || {
                // Without the right to do so it is an ordinary thread.
                let _ = realtime::make_realtime(PRIORITY);
                match setting {
                    Setting::Gateway(setting) => gateway::work(&setting, inbox, voice),
                    Setting::Witness(setting) => witness::work(&setting, inbox, voice),
                    Setting::Etcd(setting) => etcd::work(&setting, inbox, voice),
                }
            })?;
        }
        Ok(TieBreakers { mailboxes, local: None })
    }

    /// Asks the one of that place. Never waits; a request that finds no room is dropped.
    pub fn ask(&self, place: usize, ask: Ask) {
        if let Some(mailbox) = self.mailboxes.get(place) {
            let _ = mailbox.put(Order::Ask(ask));
        }
    }

    /// The local Redis is this one: a witness that turns out to be the same is none.
    pub fn local_redis(&mut self, run: RunId) {
        if self.local != Some(run) {
            self.local = Some(run);
            for mailbox in &self.mailboxes {
                let _ = mailbox.put(Order::LocalRedis(run));
            }
        }
    }
}

impl Drop for TieBreakers {
    fn drop(&mut self) {
        for mailbox in &self.mailboxes {
            let _ = mailbox.put(Order::End);
        }
    }
}

/// Says what a tie-breaker says, and why it can't be reached only once.
struct Voice {
    place: usize,
    tell: Tell,
    gone: Option<String>,
}

impl Voice {
    /// # Errors
    /// When the daemon does not listen: what it does not know must not count as said.
    fn say(&mut self, says: Says) -> Result<(), Trouble> {
        if matches!(says, Says::Met(_)) {
            self.gone = None;
        }
        if (self.tell)(self.place, says) {
            Ok(())
        } else {
            Err(Trouble::Away("the daemon does not take its answers".to_owned()))
        }
    }

    fn gone(&mut self, why: String) {
        if self.gone.as_ref() != Some(&why) && (self.tell)(self.place, Says::Gone(why.clone())) {
            self.gone = Some(why);
        }
    }
}

/// Why a connection is given up.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Trouble {
    /// It can't be reached now.
    Away(String),
    /// It answers, but not as a tie-breaker.
    Unfit(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return Trouble::Away("connection refused".to_owned());
        }
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        Trouble::Away(text.to_owned())
    }
}

/// Keeps up a connection that `serve` opens and uses, until the daemon ends.
fn keep(
    mut inbox: Inbox,
    mut voice: Voice,
    mut serve: impl FnMut(usize, &mut Inbox, &mut Voice) -> Result<(), Trouble>,
) {
    for attempt in 0.. {
        let pause = match serve(attempt, &mut inbox, &mut voice) {
            Ok(()) => return,
            Err(Trouble::Away(why)) => {
                voice.gone(why);
                RETRY
            }
            Err(Trouble::Unfit(why)) => {
                voice.gone(why);
                RETRY_UNFIT
            }
        };
        if inbox.pause(pause) {
            return;
        }
    }
}

/// A name for a life that begins now.
fn new_run() -> io::Result<Run> {
    let mut run = [0; 20];
    rustix::rand::getrandom(&mut run, rustix::rand::GetRandomFlags::empty())?;
    Ok(run)
}
