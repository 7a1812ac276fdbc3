//! Everything by its name: configurations may have thousands of instances.

use std::collections::BTreeMap;

use crate::keepalived::file::{File, Instance, SyncGroup, Track, Tracks, Weight};
use crate::keepalived::place::Placed;

pub(super) struct Index<'f> {
    pub(super) instances: BTreeMap<&'f str, &'f Instance>,
    /// The sync group that an instance is in.
    pub(super) group_of: BTreeMap<&'f str, &'f SyncGroup>,
    scripts: BTreeMap<&'f str, i16>,
    files: BTreeMap<&'f str, i16>,
    processes: BTreeMap<&'f str, i16>,
}

impl<'f> Index<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        let members =
            |group: &'f SyncGroup| group.members.iter().map(move |member| (member.as_str(), group));
        let scripts = file.scripts.iter().map(|it| (it.name.as_str(), weight(&it.weight, 0)));
        // A file has a weight unless it is written that it has none.
        let files = file.track_files.iter().map(|it| (it.name.as_str(), weight(&it.weight, 1)));
        let processes = file.track_processes.iter();
        let processes = processes.map(|it| (it.name.as_str(), weight(&it.weight, 0)));
        Index {
            instances: file.instances.iter().map(|it| (it.name.as_str(), it)).collect(),
            group_of: file.sync_groups.iter().flat_map(members).collect(),
            scripts: scripts.collect(),
            files: files.collect(),
            processes: processes.collect(),
        }
    }

    /// Everything that is tracked, with its weight here or else its own.
    pub(super) fn weights<'t>(&self, tracks: &'t Tracks) -> Vec<(&'t Track, i16)> {
        let none = BTreeMap::new();
        let lists = [
            (&tracks.scripts, &self.scripts),
            (&tracks.files, &self.files),
            (&tracks.processes, &self.processes),
            (&tracks.interfaces, &none),
        ];
        let mut all = Vec::new();
        for (list, known) in lists {
            for track in list {
                let own = known.get(track.name.as_str()).copied().unwrap_or(0);
                all.push((track, weight(&track.weight, own)));
            }
        }
        all
    }
}

fn weight(written: &Option<Placed<Weight>>, otherwise: i16) -> i16 {
    written.as_ref().map_or(otherwise, |written| written.value.value)
}
