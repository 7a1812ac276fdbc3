//! What instances track, sync groups, and groups that only have names in them.

use super::{Entry, Reader};
use crate::keepalived::file::{
    GarpGroup, Notify, ProcessMatch, SyncGroup, Track, TrackFile, TrackGroup, TrackProcess, Tracks,
    UpDownDelay, VrrpScript, Weight,
};
use crate::keepalived::keywords::{Scope, TRACK_FILE_MOST, Takes, nearest_name};
use crate::keepalived::place::{Place, Placed};
use crate::keepalived::tree::{Node, Word};
use crate::value::{Fault, quote};
use core::time::Duration;
use std::collections::BTreeMap;

/// The largest weight of a script or an interface; one more is taken for it.
const WEIGHT_MOST: i64 = 253;

/// What a tracked name is the name of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tracked {
    Interface,
    Script,
    File,
    Process,
}

impl Reader<'_> {
    /// The name behind the keyword of a block.
    pub(super) fn header(&mut self, entry: Entry<'_>) -> Option<Placed<String>> {
        let word = entry.node.arguments().first()?;
        if word.text.is_empty() {
            let fault = Fault::new("an empty name", "write one");
            self.found.dropped(word.place, fault);
            return None;
        }
        Some(Placed::new(word.text.clone(), word.place))
    }

    pub(super) fn vrrp_script(&mut self, entry: Entry<'_>) -> Option<VrrpScript> {
        let name = self.header(entry)?;
        let mut command = None;
        let [mut interval, mut timeout] = [None, None];
        let [mut rise, mut fall] = [None, None];
        let (mut weight, mut user) = (None, None);
        for entry in self.entries(entry.node.lines(), Scope::Script) {
            match entry.name() {
                "script" => command = self.tracked_command(entry),
                "interval" => interval = self.seconds_not_zero(entry),
                "timeout" => timeout = self.seconds_not_zero(entry),
                "weight" => weight = self.weight(entry, WEIGHT_MOST),
                "rise" => rise = self.number(entry),
                "fall" => fall = self.number(entry),
                "user" => user = self.user(entry),
                _ => {}
            }
        }
        let command = self.required(command, &name, entry, "script")?;
        let rest = (interval, timeout, weight, rise, fall);
        let (interval, timeout, weight, rise, fall) = rest;
        Some(VrrpScript { name, command, interval, timeout, weight, rise, fall, user })
    }

    /// The script of a check. Its arguments are lost if they are not in quotes.
    fn tracked_command(
        &mut self,
        entry: Entry<'_>,
    ) -> Option<Placed<crate::keepalived::file::Command>> {
        let words = entry.node.arguments();
        if let [_, extra, ..] = words {
            let fault = Fault::new(
                "`script`: its arguments are not in the quotes",
                "keepalived runs it without them: put the script and its arguments in double quotes",
            );
            self.found.dropped(extra.place, fault);
        }
        let [script, ..] = words else {
            let _ = self.word(entry);
            return None;
        };
        self.command(script, "script")
    }

    /// A time of which 0 is taken for a second.
    fn seconds_not_zero(&mut self, entry: Entry<'_>) -> Option<Placed<Duration>> {
        let time = self.seconds(entry)?;
        if !time.is_zero() {
            return Some(time);
        }
        let fault = Fault::new(format!("`{}` is 0", entry.name()), "it is taken for 1");
        self.found.warning(time.place, fault);
        Some(time.map(|_| Duration::from_secs(1)))
    }

    /// What a block can't do without.
    fn required<T>(
        &mut self,
        value: Option<T>,
        name: &Placed<String>,
        entry: Entry<'_>,
        keyword: &str,
    ) -> Option<T> {
        // A line that was wrong was spoken of.
        let written = entry.node.lines().iter().any(|line| line.name() == keyword);
        if value.is_none() && !written {
            let fault = Fault::new(
                format!("`{}` {} without `{keyword}`", entry.name(), quote(name)),
                format!("add a line that begins with `{keyword}`"),
            );
            self.found.dropped(name.place, fault);
        }
        value
    }

    pub(super) fn track_file(&mut self, entry: Entry<'_>) -> Option<TrackFile> {
        let name = self.header(entry)?;
        let (mut path, mut weight, mut init) = (None, None, None);
        for entry in self.entries(entry.node.lines(), Scope::TrackFile) {
            match entry.name() {
                "file" => path = self.tracked_path(entry),
                "weight" => weight = self.weight(entry, TRACK_FILE_MOST),
                "init_file" => init = self.init_file(entry),
                _ => {}
            }
        }
        let path = self.required(path, &name, entry, "file")?;
        Some(TrackFile { name, path, weight, init })
    }

    fn tracked_path(&mut self, entry: Entry<'_>) -> Option<Placed<String>> {
        let path = self.text(entry)?;
        // Here only double quotes are quotes.
        if !path.starts_with('/') {
            let fault = Fault::new(
                format!("{} is not an absolute path", quote(&path)),
                "write the path from the root; one with blanks stands in double quotes",
            );
            self.found.dropped(path.place, fault);
            return None;
        }
        Some(path)
    }

    fn init_file(&mut self, entry: Entry<'_>) -> Option<Placed<(i16, bool)>> {
        let (mut number, mut overwrite) = (0, false);
        for word in entry.node.arguments() {
            if word.text == "overwrite" {
                overwrite = true;
            } else {
                let most = TRACK_FILE_MOST;
                number = self.integer(word, "init_file", -most, most)?;
            }
        }
        Some(Placed::new((i16::try_from(number).ok()?, overwrite), entry.place()))
    }

    pub(super) fn track_process(&mut self, entry: Entry<'_>) -> Option<TrackProcess> {
        let name = self.header(entry)?;
        let (mut program, mut arguments) = (None, Vec::new());
        let [mut fork_delay, mut terminate_delay, mut delay] = [None, None, None];
        let (mut matching, mut weight, mut full_command) = (None, None, None);
        let [mut quorum, mut quorum_max]: [Option<Placed<u16>>; 2] = [None, None];
        for entry in self.entries(entry.node.lines(), Scope::TrackProcess) {
            match entry.name() {
                "process" => {
                    let placed = |word: &Word| Placed::new(word.text.clone(), word.place);
                    let mut words = entry.node.arguments().iter().map(placed);
                    program = words.next().filter(|program| !program.is_empty());
                    arguments = words.collect();
                    if program.is_none() {
                        let _ = self.word(entry);
                    }
                }
                "param_match" => matching = self.process_match(entry),
                "weight" => weight = self.weight(entry, 254),
                "quorum" => quorum = self.number(entry),
                "quorum_max" => quorum_max = self.number(entry),
                "delay" => delay = self.seconds(entry),
                "fork_delay" => fork_delay = self.seconds(entry),
                "terminate_delay" => terminate_delay = self.seconds(entry),
                "full_command" => full_command = self.set(entry),
                _ => {}
            }
        }
        if let (Some(quorum), Some(most)) = (&quorum, &quorum_max)
            && most.value < quorum.value
        {
            let fault = Fault::new(
                "`quorum_max` is below `quorum`",
                "no number of processes would do: make it larger",
            );
            self.found.dropped(most.place, fault);
            quorum_max = None;
        }
        let program = self.required(program, &name, entry, "process")?;
        Some(TrackProcess {
            name,
            program,
            arguments,
            matching,
            weight,
            quorum,
            quorum_max,
            fork_delay: fork_delay.or_else(|| delay.clone()),
            terminate_delay: terminate_delay.or(delay),
            full_command,
        })
    }

    fn process_match(&mut self, entry: Entry<'_>) -> Option<Placed<ProcessMatch>> {
        let Some(word) = self.optional_word(entry) else {
            return Some(Placed::new(ProcessMatch::Exact, entry.place()));
        };
        let chosen = self.one_of(word, "param_match", &["initial", "partial"])?;
        Some(chosen.map(|chosen| match chosen {
            "initial" => ProcessMatch::Initial,
            _ => ProcessMatch::Partial,
        }))
    }

    /// The weight behind its own keyword.
    pub(super) fn weight(&mut self, entry: Entry<'_>, most: i64) -> Option<Placed<Weight>> {
        let Some(word) = entry.node.arguments().first() else {
            let _ = self.word(entry);
            return None;
        };
        let value = self.integer(word, "weight", -most, most)?;
        let reverse = match entry.node.arguments() {
            [_, reverse, ..] => self.reverse(reverse, &["reverse"]),
            _ => None,
        };
        let value = i16::try_from(value).ok()?;
        Some(Placed::new(Weight { value, reverse }, word.place))
    }

    fn reverse(&mut self, word: &Word, known: &[&'static str]) -> Option<bool> {
        let chosen = self.one_of(word, "weight", known)?;
        Some(chosen.value == "reverse")
    }

    /// Reads one of the `track_*` blocks; false if it is none.
    pub(super) fn tracks(&mut self, entry: Entry<'_>, tracks: &mut Tracks) -> bool {
        let (what, list) = match entry.name() {
            "track_interface" => (Tracked::Interface, &mut tracks.interfaces),
            "track_script" => (Tracked::Script, &mut tracks.scripts),
            "track_file" => (Tracked::File, &mut tracks.files),
            "track_process" => (Tracked::Process, &mut tracks.processes),
            _ => return false,
        };
        let mut seen: BTreeMap<String, Place> =
            list.iter().map(|track| (track.name.value.clone(), track.name.place)).collect();
        for line in self.lines_in(entry.node) {
            let Some(track) = self.track(line, what) else { continue };
            if let Some(first) = seen.get(&track.name.value) {
                let fault = Fault::new(
                    format!("{} is tracked twice", quote(&track.name)),
                    "the first line holds: take this one out",
                );
                let note = (*first, "the first line");
                self.found.with(super::Kind::Warning, track.name.place, fault, note);
                continue;
            }
            seen.insert(track.name.value.clone(), track.name.place);
            list.push(track);
        }
        true
    }

    fn track(&mut self, line: &Node, what: Tracked) -> Option<Track> {
        let [name, options @ ..] = &*line.words else { return None };
        match what {
            Tracked::Interface => drop(self.interface_name(name)?),
            _ => self.tracked(name, what)?,
        }
        let name = Placed::new(name.text.clone(), name.place);
        let most = match what {
            Tracked::Interface | Tracked::Script => WEIGHT_MOST,
            Tracked::File | Tracked::Process => TRACK_FILE_MOST,
        };
        let weight = match options {
            [] => None,
            [option, value, rest @ ..] if option.text == "weight" => {
                let place = value.place;
                let mut value = self.integer(value, "weight", -254, 254)?;
                if value.abs() > most {
                    let shown = most * value.signum();
                    let fault = Fault::new(format!("`weight`: {value} is taken for {shown}"), {
                        format!("write a number from -{most} to {most}")
                    });
                    self.found.warning(place, fault);
                    value = shown;
                }
                let known: &[&str] = match what {
                    Tracked::Interface => &["reverse"],
                    _ => &["reverse", "noreverse"],
                };
                let reverse = rest.first().and_then(|word| self.reverse(word, known));
                let value = i16::try_from(value).ok()?;
                Some(Placed::new(Weight { value, reverse }, place))
            }
            [option, ..] => {
                let fault = if option.text == "weight" {
                    Fault::new("`weight` without a value", "write a number behind it")
                } else {
                    let message = format!("unknown option {} of a track", quote(&option.text));
                    Fault::new(message, "write one name to a line, and `weight` behind it")
                };
                self.found.dropped(option.place, fault);
                None
            }
        };
        Some(Track { name, weight })
    }

    /// Whether what is tracked is defined. keepalived wants it defined further up.
    fn tracked(&mut self, name: &Word, what: Tracked) -> Option<()> {
        let (names, block) = match what {
            Tracked::Script => (&self.names.scripts, "vrrp_script"),
            Tracked::File => (&self.names.files, "track_file"),
            Tracked::Process => (&self.names.processes, "vrrp_track_process"),
            Tracked::Interface => return Some(()),
        };
        match names.get(&name.text) {
            Some((at, place)) => {
                if *at > self.names.now {
                    let fault = Fault::new(
                        format!("{} is defined further down", quote(&name.text)),
                        "here that is the same; keepalived would not track it: move it up",
                    );
                    let note = (*place, "here");
                    self.found.with(super::Kind::Warning, name.place, fault, note);
                }
                Some(())
            }
            None if self.found.is_full() => None,
            None => {
                let near = nearest_name(names.keys().map(String::as_str), &name.text);
                let hint = match near {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None => format!("define it: `{block} {} {{ ... }}`", name.text.escape_debug()),
                };
                let fault =
                    Fault::new(format!("there is no `{block}` named {}", quote(&name.text)), hint);
                self.found.dropped(name.place, fault);
                None
            }
        }
    }

    pub(super) fn sync_group(&mut self, entry: Entry<'_>) -> Option<SyncGroup> {
        let name = self.header(entry)?;
        if self.is_second(&name, &self.names.groups) {
            return None;
        }
        let mut it = SyncGroup {
            name,
            members: Vec::new(),
            tracks: Tracks::default(),
            notify: Notify::default(),
            tracking_weight: None,
        };
        for entry in self.entries(entry.node.lines(), Scope::SyncGroup) {
            if self.tracks(entry, &mut it.tracks) || self.notify(entry, &mut it.notify) {
                continue;
            }
            match entry.name() {
                "group" => {
                    let members = self.members(entry.node);
                    it.members.extend(members);
                }
                "sync_group_tracking_weight" => it.tracking_weight = self.set(entry),
                _ => {}
            }
        }
        Some(it)
    }

    /// Whether a name was taken by another one before; that was said.
    pub(super) fn is_second(
        &self,
        name: &Placed<String>,
        names: &BTreeMap<String, (usize, Place)>,
    ) -> bool {
        names.get(&name.value).is_some_and(|(_, first)| *first != name.place)
    }

    pub(super) fn is_second_instance(&self, name: &Placed<String>) -> bool {
        self.is_second(name, &self.names.instances)
    }

    /// The instances of a group.
    fn members(&mut self, node: &Node) -> Vec<Placed<String>> {
        let mut members = self.names_in(node);
        members.retain(|member| {
            let known = self.names.instances.contains_key(&member.value);
            if !known && !self.found.is_full() {
                let near =
                    nearest_name(self.names.instances.keys().map(String::as_str), &member.value);
                let hint = match near {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None => "write the name of a `vrrp_instance`".to_owned(),
                };
                let fault =
                    Fault::new(format!("there is no instance named {}", quote(member)), hint);
                self.found.dropped(member.place, fault);
            }
            known
        });
        members
    }

    pub(super) fn track_group(&mut self, entry: Entry<'_>) -> Option<TrackGroup> {
        let name = self.header(entry)?;
        let mut members = Vec::new();
        for entry in self.entries(entry.node.lines(), Scope::TrackGroup) {
            members.extend(self.members(entry.node));
        }
        Some(TrackGroup { name, members })
    }

    pub(super) fn garp_group(&mut self, node: &Node) -> Option<GarpGroup> {
        let mut it = GarpGroup { garp_interval: None, gna_interval: None, interfaces: Vec::new() };
        for entry in self.entries(node.lines(), Scope::GarpGroup) {
            match entry.name() {
                "garp_interval" => it.garp_interval = self.seconds(entry),
                "gna_interval" => it.gna_interval = self.seconds(entry),
                "interface" => it.interfaces.extend(self.interface(entry)),
                "interfaces" => it.interfaces.extend(self.names_in(entry.node)),
                _ => {}
            }
        }
        if it.garp_interval.is_none() && it.gna_interval.is_none() {
            let fault = Fault::new(
                "a `garp_group` without a pause",
                "write `garp_interval` or `gna_interval`",
            );
            self.found.dropped(node.place, fault);
            return None;
        }
        Some(it)
    }

    pub(super) fn up_down_delay(&mut self, line: &Node) -> Option<Placed<UpDownDelay>> {
        let (name, delays) = line.words.split_first()?;
        let interface = self.interface_name(name)?;
        let Takes::Seconds(least, most) = Takes::Seconds(0, 255_000_000) else { return None };
        let [down, rest @ ..] = delays else {
            let fault = Fault::new(
                format!("{} without a delay", quote(&name.text)),
                "write seconds behind it",
            );
            self.found.dropped(name.place, fault);
            return None;
        };
        let down = self.time(down, "down delay", least, most)?;
        let up = match rest {
            [] => None,
            [up, extra @ ..] => {
                if let Some(extra) = extra.first() {
                    let fault = Fault::new(
                        format!("{} is not used", quote(&extra.text)),
                        "write an interface, its delay down and its delay up",
                    );
                    self.found.warning(extra.place, fault);
                }
                Some(self.time(up, "up delay", least, most)?)
            }
        };
        Some(Placed::new(UpDownDelay { interface, down, up }, line.place))
    }

    /// Reads what runs or is told at changes; false if the line is about something else.
    pub(super) fn notify(&mut self, entry: Entry<'_>, notify: &mut Notify) -> bool {
        match entry.name() {
            "notify_master" => notify.master = self.script(entry),
            "notify_backup" => notify.backup = self.script(entry),
            "notify_fault" => notify.fault = self.script(entry),
            "notify_stop" => notify.stop = self.script(entry),
            "notify" => notify.any = self.script(entry),
            "notify_master_rx_lower_pri" => notify.master_rx_lower_priority = self.script(entry),
            "notify_deleted" => {
                let words = entry.node.arguments();
                let script = self.script_words(words, "notify_deleted");
                let is_right = script.is_some() || words.is_empty();
                notify.deleted = is_right.then(|| Placed::new(script, entry.place()));
            }
            "notify_priority_changes" => notify.priority_changes = self.switch(entry),
            "smtp_alert" => notify.smtp_alert = self.switch(entry),
            _ => return false,
        }
        true
    }
}
