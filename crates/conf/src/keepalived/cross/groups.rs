//! Sync groups, groups of static entries, and what nobody tracks.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use crate::keepalived::effective::OWNER;
use crate::keepalived::file::{File, SyncGroup, Track, Tracks};
use crate::keepalived::found::{Found, Kind};
use crate::keepalived::keywords::nearest_name;
use crate::keepalived::place::{Place, Placed};
use crate::value::{Fault, quote};

pub(super) fn check(file: &File, index: &Index<'_>, found: &mut Found) {
    let mut member_of: BTreeMap<&str, &Placed<String>> = BTreeMap::new();
    for group in &file.sync_groups {
        members(index, group, &mut member_of, found);
    }
    static_entries(file, found);
    unused(file, found);
}

fn members<'f>(
    index: &Index<'_>,
    group: &'f SyncGroup,
    member_of: &mut BTreeMap<&'f str, &'f Placed<String>>,
    found: &mut Found,
) {
    match group.members.len() {
        0 => {
            let fault = Fault::new(
                format!("sync group {} has no instances", quote(&group.name)),
                "name them in a `group` block",
            );
            found.dropped(group.name.place, fault);
        }
        1 => {
            let fault = Fault::new(
                format!("sync group {} has one instance only", quote(&group.name)),
                "it does nothing with one: add the others, or take the group out",
            );
            found.warning(group.name.place, fault);
        }
        _ => {}
    }
    for member in &group.members {
        if let Some(first) = member_of.insert(&member.value, member) {
            let fault = Fault::new(
                format!("{} is in a sync group already", quote(member)),
                "an instance is in one group, once",
            );
            found.with(Kind::Dropped, member.place, fault, (first.place, "here"));
        }
    }
    let members: Vec<_> =
        group.members.iter().filter_map(|member| index.instances.get(member.as_str())).collect();
    let owners = members.iter().filter(|it| it.base_priority() == OWNER).count();
    if owners == 0 {
        return;
    }
    if owners < members.len() {
        let fault = Fault::new(
            format!("sync group {} has owners of addresses and others", quote(&group.name)),
            "it can't work: give all of them priority 255, or none",
        );
        found.warning(group.name.place, fault);
    }
    for (track, weight) in index.weights(&group.tracks) {
        if weight != 0 {
            let message =
                format!("{} has the weight {weight}, and an instance has priority 255", {
                    quote(&track.name)
                });
            let hint = "the priority of an owner does not change: write `weight 0`";
            found.dropped(track.name.place, Fault::new(message, hint));
        }
    }
}

/// A static address, route or rule: where it stands, its group, and whether it can be tracked.
struct Static<'f> {
    place: Place,
    group: &'f Option<String>,
    no_track: bool,
    has_interface: bool,
    what: &'static str,
}

fn static_entries(file: &File, found: &mut Found) {
    let addresses = file.static_addresses.iter().map(|it| Static {
        place: it.place,
        group: &it.value.track_group,
        no_track: it.no_track,
        // The default interface is one, too.
        has_interface: true,
        what: "address",
    });
    let routes = file.static_routes.iter().map(|it| Static {
        place: it.place,
        group: &it.value.track_group,
        no_track: it.no_track,
        has_interface: it.interface.is_some(),
        what: "route",
    });
    let rules = file.static_rules.iter().map(|it| Static {
        place: it.place,
        group: &it.value.track_group,
        no_track: it.no_track,
        has_interface: it.input.is_some(),
        what: "rule",
    });
    let names: BTreeSet<&str> = file.track_groups.iter().map(|it| it.name.as_str()).collect();
    for it in addresses.chain(routes).chain(rules) {
        let Some(group) = it.group else { continue };
        if !names.contains(group.as_str()) {
            let near = names.iter().copied().filter(|_| !found.is_full());
            let hint = match nearest_name(near, group) {
                Some(near) => format!("did you mean {}?", quote(near)),
                None => "define it: `track_group NAME { group { ... } }`".to_owned(),
            };
            let message = format!("there is no `track_group` named {}", quote(group));
            found.dropped(it.place, Fault::new(message, hint));
        } else if !it.has_interface {
            let message = format!("a static {} without an interface can't be tracked", it.what);
            found.dropped(it.place, Fault::new(message, "write `dev`"));
        } else if it.no_track {
            let message = "`no_track` and `track_group` exclude each other";
            let hint = "it is not tracked: take one of them out";
            found.warning(it.place, Fault::new(message, hint));
        }
    }
}

/// Scripts, files and processes that nothing tracks are not even looked at.
fn unused(file: &File, found: &mut Found) {
    let tracked = |list: fn(&Tracks) -> &Vec<Track>| -> BTreeSet<&str> {
        let groups = file.sync_groups.iter().map(|group| &group.tracks);
        let all = file.instances.iter().map(|it| &it.tracks).chain(groups);
        all.flat_map(|tracks| list(tracks).iter().map(|track| track.name.as_str())).collect()
    };
    let scripts = tracked(|tracks| &tracks.scripts);
    let files = tracked(|tracks| &tracks.files);
    let processes = tracked(|tracks| &tracks.processes);
    let scripts = file.scripts.iter().map(|it| (&it.name, &scripts));
    let files = file.track_files.iter().map(|it| (&it.name, &files));
    let processes = file.track_processes.iter().map(|it| (&it.name, &processes));
    for (name, tracked) in scripts.chain(files).chain(processes) {
        if !tracked.contains(name.as_str()) {
            let fault = Fault::new(
                format!("nothing tracks {}", quote(name)),
                "name it in a `track_...` block of an instance or group",
            );
            found.warning(name.place, fault);
        }
    }
}
