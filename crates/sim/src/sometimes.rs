//! Situations that must really occur: a property that holds because nothing ever put it to the test
//! proves nothing. Counted in every run, added up over many.

mod watch;

pub(crate) use watch::Watch;

macro_rules! situations {
    ($($name:ident $text:literal,)*) => {
        /// One situation.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(missing_docs)]
        pub enum Situation { $(#[doc = $text] $name,)* }

        impl Situation {
            /// All of them, in order, each with its words.
            pub const ALL: &[(Situation, &str)] = &[$((Situation::$name, $text),)*];
        }
    };
}

situations! {
    TookOverRedisExited "the standby took over after Redis ended",
    TookOverRedisHung "the standby took over after Redis hung",
    TookOverLinkDown "the standby took over after the cable was pulled",
    TookOverPeerSilent "the standby took over after the other fell silent",
    TookOverSwitchover "the standby took over by a switchover",
    TookOverDaemonStopping "the standby took over because the daemon was told to stop",
    TookOverStalled "the standby took over after a daemon had not run for long",
    TookOverSuperseded "the newer data took over from the older",
    TookOverLocalFault "the standby took over because the kernel refused",
    TookOverVotesMissing "the standby took over from a machine that lost its votes",
    TookOverColdStart "a machine took over at a cold start",
    Adopted "a running primary was adopted",
    WorkTakenUp "a daemon took up the work of an earlier run",
    TakeoverFailed "a takeover failed",
    TakeoverMetDeath "a daemon died in the middle of a takeover",
    TakeoverMetStop "a daemon was stopped in the middle of a takeover",
    TakeoverMetRedisDeath "Redis died in the middle of a takeover",
    TwoTakeovers "both machines took over at once",
    SwitchoverAsked "the standby asked for a switchover",
    SwitchoverFinished "a switchover finished",
    SwitchoverRefused "a switchover was refused",
    SwitchoverCalledOff "a switchover was called off",
    SwitchoverByFence "a switchover held clients back by the fence",
    PreemptedBack "the better priority got the address back",
    ConnectionWaited "a new connection waited out a switchover",
    PauseOver "a pause of Redis ended by itself",
    FenceLapsed "a renewed fence had lapsed",
    FenceTooLate "a fence was opened too late",
    FenceClosedAlone "the kernel's fence closed on a daemon that was gone",
    AnswerMuffled "the fence kept an answer from a client",
    StaleBurst "a stopped Redis woke with writes in its sockets",
    BurstMuffled "the fence kept a stale acknowledgement from a client",
    GateRefused "the gate refused the peer's Redis",
    BothAnswered "both answered while they were parted",
    ConflictSettled "two Active machines met, and one gave way",
    WokeWithRight "a machine woke with an open right",
    WokeTooLate "a machine woke and its right was over",
    FrozenDropped "a machine woke and had missed frames",
    PartialSame "a replica continued in the same history",
    PartialFailover "an old primary continued as a replica",
    FullResync "a full resync",
    TailLost "a full resync overwrote writes",
    SalvagedTail "a tail was salvaged",
    StandbyBehind "a standby was behind, and the stream was copied",
    CopyKept "what a crashed Redis had not passed on was kept",
    SalvagedNothing "a tail was looked at that no client wrote",
    SalvagedFiles "data files were archived",
    NotSalvaged "something could not be salvaged",
    SalvageMetDeath "a daemon died before its salvage was done",
    BacklogTooSmall "a replica had fallen out of the backlog",
    OldFile "Redis came back with an older file",
    EmptyRestart "Redis came back empty",
    LoadingMet "a client met a Redis that loads",
    MisconfMet "a client met a Redis that can't save",
    AddressRefused "the kernel refused an address",
    RemovalRefused "the kernel refused to remove an address",
    FenceRefused "the kernel refused to open or renew the fence",
    CloseRefused "the kernel refused to close the fence",
    RulesRelaid "flushed rules were laid again",
    AddressMended "a removed address was put back",
    PersistRefused "the disk refused the generation",
    PersistLost "a daemon died before the disk had its generation",
    FarewellLost "a farewell was lost",
    AdvertLost "an advert was lost",
    StaleReport "an old report was dropped",
    StrangerIgnored "somebody else's advert was dropped",
    AdvertsFiltered "adverts were missing while reports came",
    TimerLate "a timer was late",
    SocketFull "a socket ran full while its daemon was stopped",
    ArpStale "the client's ARP cache was stale",
    AddressInUse "a probe found the address in use",
    CutOffFollowed "a cut-off primary made its Redis a replica",
    LocalRefused "a cut-off machine refused a local write",
    LocalAccepted "a cut-off machine accepted a local write",
    WaitsForPeer "a machine waited for one that may hold newer data",
    RestartWaited "a restarted Redis waited for one that may have received more",
    RestartServedAlone "a restarted Redis served again though the other machine was silent",
    SucceededByGone "a machine stood back for one that has served since, and whose Redis is gone",
    StreamUnproven "a link was up, and it was not known yet whether the stream flows",
    ReportsFiltered "reports were missing while adverts came",
    StartsAsReplica "redis.conf made a Redis a replica",
    NewerElsewhere "a machine stood back because the other holds newer data",
    ReloadedActive "a configuration was reloaded on the Active machine",
    SecondAddress "a second address was added while Active",
    StoppedWhileStandby "a standby was told to stop",
    PersonDecided "a person had to say whose data is kept",
    BothDown "both machines were without Redis",
    BothDark "both machines were without power",
}

/// How often each has occurred.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen([u32; Situation::ALL.len()]);

impl Default for Seen {
    fn default() -> Self {
        Seen([0; Situation::ALL.len()])
    }
}

impl Seen {
    /// It has occurred.
    pub fn note(&mut self, situation: Situation) {
        self.0[situation as usize] += 1;
    }

    /// How often.
    pub fn count(&self, situation: Situation) -> u32 {
        self.0[situation as usize]
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Seen) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own += other;
        }
    }

    /// Which have never occurred.
    pub fn never(&self) -> Vec<&'static str> {
        let never = Situation::ALL.iter().filter(|(situation, _)| self.count(*situation) == 0);
        never.map(|(_, text)| *text).collect()
    }
}
