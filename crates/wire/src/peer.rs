//! The daemons' own datagram: what one machine tells the other about itself, ten times a second and
//! at once whenever it changes.
//!
//! VRRP elects; this carries the facts the election needs to lose nothing: which history the local
//! Redis holds, whether the machine could take over, how far a planned switchover has come. A
//! report is a whole state, never a difference: a lost one costs nothing but time. Not here: who
//! may send it (`core` checks source and hop limit, RFC 5082).
//!
//! All integers are big-endian. Layout: magic, version, then the fields of [`Report`] in order.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

#[cfg(test)]
mod tests;

const MAGIC: [u8; 2] = *b"KP";
const VERSION: u8 = 1;
/// Longest reason text in bytes; longer ones are cut at a character boundary.
pub const REASON_LEN_MAX: usize = 200;
/// Most phases a [`Failover`] carries.
pub const PHASES_MAX: usize = 12;

/// Why a datagram is no report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ParseError {
    /// Shorter than its fields.
    Truncated,
    /// Does not begin with the magic bytes.
    Magic,
    /// A format this program does not speak.
    Version(u8),
    /// A field holds a value outside its range; the name of the field.
    Field(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Truncated => write!(f, "truncated"),
            ParseError::Magic => write!(f, "not a keepair report"),
            ParseError::Version(v) => write!(f, "report format {v}, expected {VERSION}"),
            ParseError::Field(name) => write!(f, "field `{name}` out of range"),
        }
    }
}

macro_rules! coded_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $code,)* }

        impl $name {
            /// The variant with this code on the wire.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The word an operator reads.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

coded_enum! {
    /// What a machine is doing, as seen from outside.
    State {
        /// Has not yet decided anything.
        Starting = 0 "Starting",
        /// VRRP Initialize: can't take over, the reason says why.
        Unfit = 1 "Unfit",
        /// VRRP Backup: ready to take over.
        Backup = 2 "Backup",
        /// Draining, promoting or claiming.
        TakingOver = 3 "TakingOver",
        /// Holds the address, its Redis is the primary.
        Active = 4 "Active",
        /// Going away on purpose.
        Stopping = 5 "Stopping",
    }
}

coded_enum! {
    /// What set a failover off.
    Cause {
        /// Redis exited or began to exit.
        RedisExited = 0 "redis-exited",
        /// Redis is stopped or its event loop is dead.
        RedisHung = 1 "redis-hung",
        /// The interface lost its carrier or was taken down.
        LinkDown = 2 "link-down",
        /// The peer's adverts stopped: its machine, its network or its daemon is gone.
        PeerSilent = 3 "peer-silent",
        /// An operator asked for it.
        Switchover = 4 "switchover",
        /// The daemon was told to stop.
        DaemonStopping = 5 "daemon-stopping",
        /// This daemon did not run for longer than its right to the address lasted.
        Stalled = 6 "stalled",
        /// The other primary holds the newer history.
        Superseded = 7 "superseded",
        /// The address, the kernel's fence or a promotion failed here.
        LocalFault = 8 "local-fault",
        /// Nobody held the address at start.
        ColdStart = 9 "cold-start",
        /// A running primary was found and taken over as it was.
        Adopted = 10 "adopted",
        /// Neither the peer nor the tie-breaker stood by this machine any more.
        VotesMissing = 11 "votes-missing",
    }
}

coded_enum! {
    /// The phases of a failover, in their order (see ARCHITECTURE.md).
    Phase {
        /// The fault was noticed.
        Notice = 0 "notice",
        /// The old primary left the address and is fenced.
        Fence = 1 "fence",
        /// The standby learned that it is its turn.
        HandOver = 2 "hand-over",
        /// Every received byte is applied.
        Drain = 3 "drain",
        /// Redis confirmed `role:master`.
        Promote = 4 "promote",
        /// The address is present here.
        Claim = 5 "claim",
        /// The network has been told.
        Announce = 6 "announce",
        /// The other machine replicates again.
        Rejoin = 7 "rejoin",
    }
}

/// What the local Redis holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RedisFacts {
    /// It answers.
    pub reachable: bool,
    /// INFO `role:master`.
    pub primary: bool,
    /// INFO `master_link_status:up`.
    pub link_up: bool,
    /// INFO `master_sync_in_progress:1` or `loading:1`.
    pub syncing: bool,
    /// No key in any database.
    pub empty: bool,
    /// INFO `master_replid`.
    #[cfg_attr(feature = "serde", serde(with = "crate::hex"))]
    pub replid: [u8; 20],
    /// INFO `master_replid2`; all zero when there is none.
    #[cfg_attr(feature = "serde", serde(with = "crate::hex"))]
    pub replid2: [u8; 20],
    /// INFO `second_repl_offset`, in bytes; -1 when there is none.
    pub second_offset: i64,
    /// Bytes of the stream applied: `slave_repl_offset` of a replica, `master_repl_offset` of a
    /// primary; -1 when unknown.
    pub offset: i64,
    /// `redis_version` or `valkey_version`: major and minor.
    pub version: (u8, u8),
    /// It is a Valkey.
    pub valkey: bool,
    /// It was a primary, and somebody made it the peer's replica by hand: the peer's data is wanted.
    pub given_up: bool,
    /// Nothing was written since its history left the one before (`offset` is smaller than
    /// `second_offset`), and nothing can have been since that was seen.
    pub unused: bool,
}

/// A machine that leaves the address says why and how long ago each step was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Leaving {
    /// What set it off.
    pub cause: Cause,
    /// Microseconds since the fault was noticed.
    pub noticed_ago_us: u32,
    /// Microseconds since the address was left and fenced.
    pub fenced_ago_us: u32,
}

/// Names one report of one machine: compared as a pair, the later one is the larger. Grows over
/// restarts of the daemon too, because `instance` does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stamp {
    /// [`Report::instance`].
    pub instance: u64,
    /// [`Report::seq`].
    pub seq: u64,
}

/// The state of a planned switchover. Level, not edge: repeated in every report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Handshake {
    /// The standby asks the primary to begin; a number it has not used before, 0 for none.
    pub wanted: u32,
    /// The primary has paused writes; the standby should say when it has applied this offset in
    /// bytes. -1 for none.
    pub target_offset: i64,
    /// The standby has applied the stream up to this offset in bytes; -1 for none.
    pub caught_up_offset: i64,
}

impl Default for Handshake {
    fn default() -> Self {
        Handshake { wanted: 0, target_offset: -1, caught_up_offset: -1 }
    }
}

/// A finished failover, as the machine that took over measured it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Failover {
    /// What set it off.
    pub cause: Cause,
    /// The generation it began.
    pub generation: u64,
    /// When, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// Phase and microseconds since the first sign; at most [`PHASES_MAX`].
    pub phases: Vec<(Phase, u32)>,
}

/// One machine's whole state.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Report {
    /// The virtual router it speaks for.
    pub vrid: u8,
    /// Drawn at every start of the daemon.
    pub instance: u64,
    /// Counts up within an instance; an older one is ignored.
    pub seq: u64,
    /// What the machine is doing.
    pub state: State,
    /// It could take over now.
    pub fit: bool,
    /// VRRP priority.
    pub priority: u8,
    /// The newest generation this machine's data belongs to.
    pub generation: u64,
    /// The data is the one the generation was reached with: Redis was not restarted since.
    pub vouched: bool,
    /// Its kernel serves the address, or may still serve it for a while.
    pub may_serve: bool,
    /// The operator said that its data is the pair's, and the peer's is not wanted.
    pub accepted: bool,
    /// What its Redis holds.
    pub redis: RedisFacts,
    /// Set for a while after it left the address.
    pub leaving: Option<Leaving>,
    /// Planned switchover.
    pub handshake: Handshake,
    /// The last failover this machine carried out.
    pub failover: Option<Failover>,
    /// Why it is in this state, for people.
    pub reason: String,
    /// Stamps of this machine up to here give it no right any more. Only with a tie-breaker.
    pub void: Option<Stamp>,
    /// The stamp of the receiver that this machine votes for. Only with a tie-breaker.
    pub vote: Option<Stamp>,
    /// This machine began the generation: it served, while the other one followed or was away.
    pub served: bool,
    /// What a restarted Redis continues, by its append-only file, which does not say so itself.
    pub restored: Option<Restored>,
    /// Its Redis is a replica whose link was down while the primary served, and that has not been in step
    /// since.
    pub missed_writes: bool,
    /// The offset up to which the other machine's Redis has acknowledged the stream of this one; 0
    /// before its first acknowledgement on this connection, until which Redis sends it nothing.
    /// `None`: not a primary, no replica there that could be the other machine's, or an empty stream.
    pub acknowledged: Option<i64>,
}

/// A Redis restarted from an append-only file knows neither its history nor its offset; the daemon
/// beside it remembers both from the process before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Restored {
    /// `master_replid` of the process before.
    #[cfg_attr(feature = "serde", serde(with = "crate::hex"))]
    pub replid: [u8; 20],
    /// The history before that, if its promotion is not known to be in the file; zeros: it is.
    #[cfg_attr(feature = "serde", serde(with = "crate::hex"))]
    pub replid2: [u8; 20],
    /// The file reaches at least this offset of that history, in bytes.
    pub at_least: i64,
}

impl Report {
    /// Names this report among all of its machine.
    pub fn stamp(&self) -> Stamp {
        Stamp { instance: self.instance, seq: self.seq }
    }

    /// The machine serves, or is about to.
    pub fn wants(&self) -> bool {
        matches!(self.state, State::Active | State::TakingOver)
    }

    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(256));
        w.bytes(&MAGIC);
        w.u8(VERSION);
        w.u8(self.vrid);
        w.u64(self.instance);
        w.u64(self.seq);
        w.u8(self.state as u8);
        w.flags(&[self.fit, self.vouched, self.may_serve, self.accepted]);
        w.u8(self.priority);
        w.u64(self.generation);
        let r = &self.redis;
        let more = [r.empty, r.valkey, r.given_up, r.unused];
        w.flags(&[&[r.reachable, r.primary, r.link_up, r.syncing][..], &more].concat());
        w.bytes(&r.replid);
        w.bytes(&r.replid2);
        w.i64(r.second_offset);
        w.i64(r.offset);
        w.u8(r.version.0);
        w.u8(r.version.1);
        match &self.leaving {
            None => w.u8(0),
            Some(leaving) => {
                w.u8(1);
                w.u8(leaving.cause as u8);
                w.u32(leaving.noticed_ago_us);
                w.u32(leaving.fenced_ago_us);
            }
        }
        w.u32(self.handshake.wanted);
        w.i64(self.handshake.target_offset);
        w.i64(self.handshake.caught_up_offset);
        match &self.failover {
            None => w.u8(0),
            Some(failover) => {
                w.u8(1);
                w.u8(failover.cause as u8);
                w.u64(failover.generation);
                w.u64(failover.unix_ms);
                let phases = failover.phases.iter().take(PHASES_MAX);
                w.u8(phases.len() as u8);
                for (phase, at_us) in phases {
                    w.u8(*phase as u8);
                    w.u32(*at_us);
                }
            }
        }
        let reason = cut(&self.reason, REASON_LEN_MAX);
        w.u8(reason.len() as u8);
        w.bytes(reason.as_bytes());
        w.stamp(self.void);
        w.stamp(self.vote);
        let (restored, acknowledged) = (self.restored.is_some(), self.acknowledged.is_some());
        w.flags(&[self.served, restored, acknowledged, self.missed_writes]);
        if let Some(restored) = &self.restored {
            w.bytes(&restored.replid);
            w.bytes(&restored.replid2);
            w.i64(restored.at_least);
        }
        if let Some(offset) = self.acknowledged {
            w.i64(offset);
        }
        w.0
    }

    /// Reads a datagram. Bytes behind the last field are ignored, so that a later format may add
    /// fields without a new version.
    ///
    /// # Errors
    /// [`ParseError`] names what is wrong; nothing is taken from a datagram that has an error.
    pub fn decode(bytes: &[u8]) -> Result<Report, ParseError> {
        let mut r = Reader(bytes);
        if r.array::<2>()? != MAGIC {
            return Err(ParseError::Magic);
        }
        let version = r.u8()?;
        if version != VERSION {
            return Err(ParseError::Version(version));
        }
        let vrid = r.u8()?;
        let instance = r.u64()?;
        let seq = r.u64()?;
        let state = State::from_code(r.u8()?).ok_or(ParseError::Field("state"))?;
        let [fit, vouched, may_serve, accepted, ..] = r.flags()?;
        let priority = r.u8()?;
        let generation = r.u64()?;
        let [reachable, primary, link_up, syncing, empty, valkey, given_up, unused] = r.flags()?;
        let redis = RedisFacts {
            reachable,
            primary,
            link_up,
            syncing,
            empty,
            valkey,
            given_up,
            unused,
            replid: r.array()?,
            replid2: r.array()?,
            second_offset: r.i64()?,
            offset: r.i64()?,
            version: (r.u8()?, r.u8()?),
        };
        let leaving = if r.present("leaving")? {
            let cause = Cause::from_code(r.u8()?).ok_or(ParseError::Field("leaving.cause"))?;
            Some(Leaving { cause, noticed_ago_us: r.u32()?, fenced_ago_us: r.u32()? })
        } else {
            None
        };
        let handshake =
            Handshake { wanted: r.u32()?, target_offset: r.i64()?, caught_up_offset: r.i64()? };
        let failover = if r.present("failover")? { Some(r.failover()?) } else { None };
        let reason_len = usize::from(r.u8()?);
        let reason = core::str::from_utf8(r.take(reason_len)?)
            .map_err(|_| ParseError::Field("reason"))?
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let (void, vote) = (r.stamp("void")?, r.stamp("vote")?);
        // A program of the first format ends here.
        let [served, restored, acknowledged, missed_writes, ..] =
            if r.0.is_empty() { [false; 8] } else { r.flags()? };
        let restored = if restored {
            Some(Restored { replid: r.array()?, replid2: r.array()?, at_least: r.i64()? })
        } else {
            None
        };
        let acknowledged = if acknowledged { Some(r.i64()?) } else { None };
        Ok(Report {
            vrid,
            instance,
            seq,
            state,
            fit,
            priority,
            generation,
            vouched,
            may_serve,
            accepted,
            redis,
            leaving,
            handshake,
            failover,
            reason,
            void,
            vote,
            served,
            restored,
            missed_writes,
            acknowledged,
        })
    }
}

/// The longest prefix of `text` that fits into `len_max` bytes.
fn cut(text: &str, len_max: usize) -> &str {
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }
    fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }
    fn stamp(&mut self, stamp: Option<Stamp>) {
        self.u8(u8::from(stamp.is_some()));
        if let Some(stamp) = stamp {
            self.u64(stamp.instance);
            self.u64(stamp.seq);
        }
    }
    fn flags(&mut self, flags: &[bool]) {
        self.u8(flags.iter().enumerate().fold(0, |bits, (i, on)| bits | (u8::from(*on) << i)));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ParseError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(ParseError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        self.take(N)?.try_into().map_err(|_| ParseError::Truncated)
    }
    fn u8(&mut self) -> Result<u8, ParseError> {
        self.array::<1>().map(|[byte]| byte)
    }
    fn u32(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_be_bytes)
    }
    fn u64(&mut self) -> Result<u64, ParseError> {
        self.array().map(u64::from_be_bytes)
    }
    fn i64(&mut self) -> Result<i64, ParseError> {
        self.array().map(i64::from_be_bytes)
    }
    fn flags(&mut self) -> Result<[bool; 8], ParseError> {
        let bits = self.u8()?;
        Ok(core::array::from_fn(|i| bits & (1 << i) != 0))
    }
    fn present(&mut self, field: &'static str) -> Result<bool, ParseError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ParseError::Field(field)),
        }
    }
    fn stamp(&mut self, field: &'static str) -> Result<Option<Stamp>, ParseError> {
        if !self.present(field)? {
            return Ok(None);
        }
        Ok(Some(Stamp { instance: self.u64()?, seq: self.u64()? }))
    }
    fn failover(&mut self) -> Result<Failover, ParseError> {
        let cause = Cause::from_code(self.u8()?).ok_or(ParseError::Field("failover.cause"))?;
        let generation = self.u64()?;
        let unix_ms = self.u64()?;
        let count = usize::from(self.u8()?);
        if count > PHASES_MAX {
            return Err(ParseError::Field("failover.phases"));
        }
        let mut phases = Vec::with_capacity(count);
        for _ in 0..count {
            let phase = Phase::from_code(self.u8()?).ok_or(ParseError::Field("failover.phase"))?;
            phases.push((phase, self.u32()?));
        }
        Ok(Failover { cause, generation, unix_ms, phases })
    }
}
