//! Takes out what does not count, so that nobody takes it for what holds.
//!
//! All of it was found wrong before. It matters to those only who wrote `on_dropped warn`; without that
//! there is no file.

use std::collections::BTreeSet;

use super::index::Index;
use super::waits;
use crate::keepalived::effective::OWNER;
use crate::keepalived::file::{File, Instance, Notify, Script, Tracks, Weight};
use crate::keepalived::place::{Place, Placed};

/// Takes it out of every part. `useless` are the places of scripts that can't run.
pub(super) fn all(file: &mut File, useless: &BTreeSet<Place>) {
    scripts(file, useless);
    groups(file);
    trackers(file);
    for it in &mut file.instances {
        other_family(it);
    }
    let mut delays = core::mem::take(&mut file.up_down_delays);
    let waits = waits(file);
    delays.retain(|delay| {
        waits.get(delay.interface.as_str()).is_none_or(|(wait, _)| delay.down < *wait)
    });
    file.up_down_delays = delays;
    let names: BTreeSet<&str> = file.track_groups.iter().map(|it| it.name.as_str()).collect();
    let is_known = |group: &mut String| names.contains(group.as_str());
    for it in &mut file.static_addresses {
        it.value.track_group.take_if(|group| !is_known(group));
    }
    for it in &mut file.static_routes {
        let has_interface = it.value.interface.is_some();
        it.value.track_group.take_if(|group| !is_known(group) || !has_interface);
    }
    for it in &mut file.static_rules {
        let has_interface = it.value.input.is_some();
        it.value.track_group.take_if(|group| !is_known(group) || !has_interface);
    }
}

fn scripts(file: &mut File, useless: &BTreeSet<Place>) {
    if useless.is_empty() {
        return;
    }
    let can_run = |script: &mut Script| !useless.contains(&script.place());
    let globals = &mut file.globals;
    for script in [
        &mut globals.startup_script,
        &mut globals.shutdown_script,
        &mut globals.fifo_script,
        &mut globals.vrrp_fifo_script,
    ] {
        script.take_if(|script| !can_run(script));
    }
    let groups = file.sync_groups.iter_mut().map(|group| &mut group.notify);
    for notify in file.instances.iter_mut().map(|it| &mut it.notify).chain(groups) {
        let Notify { master, backup, fault, stop, any, deleted, master_rx_lower_priority, .. } =
            notify;
        for script in [master, backup, fault, stop, any, master_rx_lower_priority] {
            script.take_if(|script| !can_run(script));
        }
        if let Some(deleted) = deleted {
            deleted.value.take_if(|script| !can_run(script));
        }
    }
    file.scripts.retain(|script| !useless.contains(&script.command.place));
    let left: BTreeSet<&str> = file.scripts.iter().map(|it| it.name.as_str()).collect();
    let groups = file.sync_groups.iter_mut().map(|group| &mut group.tracks);
    for tracks in file.instances.iter_mut().map(|it| &mut it.tracks).chain(groups) {
        tracks.scripts.retain(|track| left.contains(track.name.as_str()));
    }
}

/// An instance is in one group, once, and a group has instances.
fn groups(file: &mut File) {
    let mut seen = BTreeSet::new();
    for group in &mut file.sync_groups {
        group.members.retain(|member| seen.insert(member.value.clone()));
    }
    file.sync_groups.retain(|group| !group.members.is_empty());
}

/// Weights that can't change a priority.
fn trackers(file: &mut File) {
    let index = Index::new(file);
    let mut instances = Vec::new();
    for it in &file.instances {
        let group = index.group_of.get(it.name.as_str());
        let is_fixed = it.base_priority() == OWNER
            || group.is_some_and(|group| group.tracking_weight.is_none());
        instances.push(is_fixed.then(|| weighted(&index, &it.tracks)));
    }
    let mut groups = Vec::new();
    for group in &file.sync_groups {
        let has_owner = group.members.iter().any(|member| {
            index.instances.get(member.as_str()).is_some_and(|it| it.base_priority() == OWNER)
        });
        groups.push(has_owner.then(|| weighted(&index, &group.tracks)));
    }
    for (it, places) in file.instances.iter_mut().zip(instances) {
        let Some(places) = places else { continue };
        for list in lists(&mut it.tracks) {
            list.retain(|track| !places.contains(&track.name.place));
        }
    }
    // In a group keepalived tracks them without a weight.
    for (group, places) in file.sync_groups.iter_mut().zip(groups) {
        let Some(places) = places else { continue };
        for track in lists(&mut group.tracks).into_iter().flatten() {
            if places.contains(&track.name.place) {
                let none = Weight { value: 0, reverse: None };
                track.weight = Some(Placed::new(none, track.name.place));
            }
        }
    }
}

fn weighted(index: &Index<'_>, tracks: &Tracks) -> BTreeSet<Place> {
    let weights = index.weights(tracks).into_iter();
    weights.filter(|(_, weight)| *weight != 0).map(|(track, _)| track.name.place).collect()
}

fn lists(tracks: &mut Tracks) -> [&mut Vec<crate::keepalived::file::Track>; 4] {
    let Tracks { interfaces, scripts, files, processes } = tracks;
    [interfaces, scripts, files, processes]
}

fn other_family(it: &mut Instance) {
    let family = it.family();
    it.addresses.retain(|address| family.has(address.address));
    if let Some(peers) = &mut it.unicast_peers {
        peers.retain(|peer| family.has(peer.address));
    }
    for source in [&mut it.unicast_source, &mut it.multicast_source, &mut it.multicast_group] {
        source.take_if(|source| !family.has(source.value));
    }
}
