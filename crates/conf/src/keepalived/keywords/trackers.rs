//! The words of what instances track, and of what ties instances together.

use super::Body::{Lines, Words as Entries};
use super::Header::Bare;
use super::Support::{Full, NoEffect, Refused};
use super::Takes::{
    Block, Command, Interface, Nothing, Number, OptionalWord, Script, Seconds, Switch, User,
    Weight, Word, Words,
};
use super::global::{MOST_US, U32};
use super::{Keyword, Scope, keywords};

pub(super) const TRACK_INTERFACE: &str = "INTERFACE [weight N [reverse]]";
pub(super) const TRACK: &str = "NAME [weight N [reverse|noreverse]]";
pub(super) const NO_BFD: &str = "Keepair has no BFD, and an instance that does not see its session fail is not what was asked for";

/// The longest pause of a group of interfaces.
const GROUP_MOST_US: u64 = 2_147_483_647;

pub(super) const SCRIPT: &[Keyword] = keywords! { Script:
    "script" Command, Full, "\"/etc/keepair/check.sh 6379\"",
        "The program and its arguments, in quotes if there are any.";
    "interval" Seconds(0, MOST_US), Full, "1",
        "Time between two runs.";
    "timeout" Seconds(0, MOST_US), Full, "3",
        "Time after which a run has failed; left out, it is the interval.";
    "weight" Weight(253), Full, "-20",
        "What a good (above 0) or a bad (below 0) result adds to the priority; 0: a bad one is a fault.";
    "rise" Number(1, 2_147_483_647), Full, "2",
        "Good results in a row that make it good.";
    "fall" Number(1, 2_147_483_647), Full, "2",
        "Bad results in a row that make it bad.";
    "user" User, Full, "root root",
        "The user and group that it runs as.";
    "init_fail" Nothing, NoEffect("it has no effect in keepalived either"), "",
        "Meant to make it count as bad until the first result.";
};

pub(super) const TRACK_FILE: &[Keyword] = keywords! { TrackFile:
    "file" Word("PATH"), Full, "/run/standby",
        "The file with the number.";
    "weight" Weight(254), Full, "-10",
        "What the number is multiplied with; 0: a number other than 0 is a fault.";
    "init_file" Words("[NUMBER] [overwrite]"), Full, "0 overwrite",
        "Writes the file at the start.";
};

pub(super) const TRACK_PROCESS: &[Keyword] = keywords! { TrackProcess:
    "process" Words("NAME [ARGUMENT ...]"), Full, "redis-server",
        "The program, and its arguments if they matter.";
    "param_match" OptionalWord("initial|partial"), Full, "initial",
        "Whether a process may have more arguments, or a longer last one.";
    "weight" Weight(254), Full, "-20",
        "What enough (above 0) or too few (below 0) processes add to the priority; 0: too few are a fault.";
    "quorum" Number(1, 65_535), Full, "1",
        "How many processes are enough.";
    "quorum_max" Number(0, 65_535), Full, "8",
        "How many are too many.";
    "delay" Seconds(1, 3_600_000_000), Full, "0.5",
        "Both of the following delays.";
    "fork_delay" Seconds(1, 3_600_000_000), Full, "0.5",
        "How long enough processes must be there to count.";
    "terminate_delay" Seconds(1, 3_600_000_000), Full, "0.5",
        "How long they must be too few to count.";
    "full_command" Nothing, Full, "",
        "Compares the whole command line instead of the name.";
};

pub(super) const SYNC_GROUP: &[Keyword] = keywords! { SyncGroup:
    "group" Block(Bare, Entries("INSTANCE")), Full, "VI_1 VI_2",
        "The instances.";
    "track_interface" Block(Bare, Lines(TRACK_INTERFACE)), Full, "eth1",
        "Interfaces that all of them need.";
    "track_script" Block(Bare, Lines(TRACK)), Full, "check",
        "Scripts that judge all of them.";
    "track_file" Block(Bare, Lines(TRACK)), Full, "standby",
        "Files that judge all of them.";
    "track_process" Block(Bare, Lines(TRACK)), Full, "redis",
        "Processes that all of them need.";
    "track_bfd" Block(Bare, Lines(TRACK)), Refused(NO_BFD), "peer",
        "BFD sessions that all of them need.";
    "notify_master" Script, Full, "/bin/true",
        "Runs when the group becomes Active.";
    "notify_backup" Script, Full, "/bin/true",
        "Runs when the group becomes Backup.";
    "notify_fault" Script, Full, "/bin/true",
        "Runs when the group becomes Unfit.";
    "notify_stop" Script, Full, "/bin/true",
        "Runs when the daemon stops.";
    "notify" Script, Full, "/bin/true",
        "Runs at all of these, with what happened as arguments.";
    "smtp_alert" Switch, Full, "on",
        "Mails changes of the group.";
    "notify_priority_changes" Switch, Full, "on",
        "Writes changes of priority to the pipes.";
    "global_tracking" Nothing, NoEffect("name what the group tracks in the group"), "",
        "Lets all instances track what one of them tracks.";
    "sync_group_tracking_weight" Nothing, Full, "",
        "Lets instances of the group track with weights.";
};

pub(super) const TRACK_GROUP: &[Keyword] = keywords! { TrackGroup:
    "group" Block(Bare, Entries("INSTANCE")), Full, "VI_1",
        "The instances.";
};

pub(super) const GARP_GROUP: &[Keyword] = keywords! { GarpGroup:
    "garp_interval" Seconds(0, GROUP_MOST_US), Full, "0.01",
        "Pause between two ARP announcements.";
    "gna_interval" Seconds(0, GROUP_MOST_US), Full, "0.01",
        "Pause between two neighbour advertisements.";
    "interface" Interface, Full, "eth0",
        "The interface that the pauses are for.";
    "interfaces" Block(Bare, Entries("INTERFACE")), Full, "eth0 eth1",
        "Interfaces that share the pauses, for they share a switch.";
};

/// The largest number in a tracked file that makes sense.
pub(crate) const TRACK_FILE_MOST: i64 = 254;

/// The largest preferred lifetime of an address, in seconds; one more would be for ever.
pub(crate) const LIFETIME_MOST: i64 = U32 - 1;
