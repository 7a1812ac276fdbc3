//! What is tracked, and who is tied to whom.

use core::time::Duration;

use super::{Command, Notify, User};
use crate::keepalived::place::Placed;

/// `weight`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight {
    /// What is added to the priority; 0 for a fault.
    pub value: i16,
    /// `reverse` (true), `noreverse` (false) or neither.
    pub reverse: Option<bool>,
}

/// Something that is tracked, by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// The name of the script, file, process or interface.
    pub name: Placed<String>,
    /// Its weight here; left out: its own.
    pub weight: Option<Placed<Weight>>,
}

/// All that an instance or a group tracks.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tracks {
    /// `track_interface`.
    pub interfaces: Vec<Track>,
    /// `track_script`.
    pub scripts: Vec<Track>,
    /// `track_file`.
    pub files: Vec<Track>,
    /// `track_process`.
    pub processes: Vec<Track>,
}

/// `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VrrpScript {
    /// Its name.
    pub name: Placed<String>,
    /// `script`.
    pub command: Placed<Command>,
    /// `interval`; left out: 1 s.
    pub interval: Option<Placed<Duration>>,
    /// `timeout`; left out: the interval.
    pub timeout: Option<Placed<Duration>>,
    /// `weight`; left out: 0.
    pub weight: Option<Placed<Weight>>,
    /// `rise`; left out: 1.
    pub rise: Option<Placed<u32>>,
    /// `fall`; left out: 1.
    pub fall: Option<Placed<u32>>,
    /// `user`; left out: `script_user`.
    pub user: Option<Placed<User>>,
}

/// `track_file`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackFile {
    /// Its name.
    pub name: Placed<String>,
    /// `file`: the path.
    pub path: Placed<String>,
    /// `weight`; left out: 1.
    pub weight: Option<Placed<Weight>>,
    /// `init_file`: the number to write at the start, and whether a file that is there is
    /// overwritten.
    pub init: Option<Placed<(i16, bool)>>,
}

/// `vrrp_track_process`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackProcess {
    /// Its name.
    pub name: Placed<String>,
    /// `process`: the program's name or path.
    pub program: Placed<String>,
    /// Its arguments.
    pub arguments: Vec<Placed<String>>,
    /// `param_match`.
    pub matching: Option<Placed<ProcessMatch>>,
    /// `weight`; left out: 0.
    pub weight: Option<Placed<Weight>>,
    /// `quorum`; left out: 1.
    pub quorum: Option<Placed<u16>>,
    /// `quorum_max`; left out: no limit.
    pub quorum_max: Option<Placed<u16>>,
    /// `fork_delay`, or `delay`; left out: none.
    pub fork_delay: Option<Placed<Duration>>,
    /// `terminate_delay`, or `delay`; left out: none.
    pub terminate_delay: Option<Placed<Duration>>,
    /// `full_command`.
    pub full_command: Option<Placed<()>>,
}

/// How the arguments of a process are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessMatch {
    /// They are the same; with none written, it has none.
    Exact,
    /// The first ones are the same.
    Partial,
    /// The same, and the last one may be longer.
    Initial,
}

/// `vrrp_sync_group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncGroup {
    /// Its name.
    pub name: Placed<String>,
    /// `group`: the names of its instances.
    pub members: Vec<Placed<String>>,
    /// `track_interface`, `track_script`, `track_file` and `track_process`.
    pub tracks: Tracks,
    /// `notify*` and `smtp_alert`.
    pub notify: Notify,
    /// `sync_group_tracking_weight`.
    pub tracking_weight: Option<Placed<()>>,
}

/// `track_group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackGroup {
    /// Its name.
    pub name: Placed<String>,
    /// `group`: the names of its instances.
    pub members: Vec<Placed<String>>,
}

/// `garp_group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GarpGroup {
    /// `garp_interval`.
    pub garp_interval: Option<Placed<Duration>>,
    /// `gna_interval`.
    pub gna_interval: Option<Placed<Duration>>,
    /// `interface` and `interfaces`.
    pub interfaces: Vec<Placed<String>>,
}

/// A line of `interface_up_down_delays`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpDownDelay {
    /// The interface.
    pub interface: String,
    /// How long it must be down to count as down.
    pub down: Duration,
    /// How long it must be up to count as up; left out: none, whatever the manual says.
    pub up: Option<Duration>,
}
