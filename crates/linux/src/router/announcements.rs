//! Gratuitous ARP and unsolicited neighbour advertisements: which, where, and how fast.
//!
//! A burst may be a thousand frames, and switches choke on too many at once: they wait in queues,
//! one for each group of interfaces that share their pauses, and leave when it is their turn.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use keepair_core::router::config::InstanceId;
use keepair_core::time::Time;

use super::network_setup::{NetworkSetup, Pace};

/// Frames that leave in one go though nothing paces them: adverts must not wait for long.
const TURN: usize = 64;

/// One frame to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// Whose.
    pub(crate) instance: InstanceId,
    /// By which interface.
    pub(crate) device: String,
    /// Which address.
    pub(crate) address: IpAddr,
}

/// What waits for the same pause: a group, or an interface of none; and ARP or IPv6.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Group(usize, bool),
    Device(String, bool),
}

#[derive(Default, Debug)]
struct Lane {
    frames: VecDeque<Frame>,
    pause: Duration,
    /// Not before then.
    at: Option<Time>,
}

/// All of them.
#[derive(Default, Debug)]
pub(crate) struct Announcements {
    lanes: BTreeMap<Key, Lane>,
    groups: Vec<(Pace, Vec<String>)>,
    pace: Pace,
}

impl Announcements {
    /// Queues that go as a configuration says; what waits already goes on as it was.
    pub(crate) fn adopt(&mut self, setup: &NetworkSetup) {
        self.pace = setup.pace;
        self.groups = setup.garp_groups.iter().map(|it| (it.pace, it.interfaces.clone())).collect();
    }

    /// Puts frames at the end of their queues. `base` names the interface below a macvlan, for
    /// groups are made of those.
    pub(crate) fn push(&mut self, frame: Frame, base: &str) {
        let v4 = frame.address.is_ipv4();
        let group = self.groups.iter().position(|(_, names)| names.iter().any(|it| it == base));
        let (key, pace) = match group.and_then(|at| Some((at, self.groups.get(at)?))) {
            Some((at, (pace, _))) => (Key::Group(at, v4), *pace),
            None => (Key::Device(base.to_owned(), v4), self.pace),
        };
        let lane = self.lanes.entry(key).or_default();
        lane.pause = if v4 { pace.garp } else { pace.gna };
        lane.frames.push_back(frame);
    }

    /// Takes back what waits of an instance: it has left its addresses.
    pub(crate) fn forget(&mut self, instance: InstanceId) {
        for lane in self.lanes.values_mut() {
            lane.frames.retain(|frame| frame.instance != instance);
        }
    }

    /// Instances have other places, or none.
    pub(crate) fn renumber(&mut self, place: impl Fn(InstanceId) -> Option<InstanceId>) {
        for lane in self.lanes.values_mut() {
            lane.frames.retain_mut(|frame| match place(frame.instance) {
                Some(instance) => {
                    frame.instance = instance;
                    true
                }
                None => false,
            });
        }
    }

    /// When the next frame may leave; `None` if none waits.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let waiting = self.lanes.values().filter(|lane| !lane.frames.is_empty());
        waiting.map(|lane| lane.at.unwrap_or(Time(0))).min()
    }

    /// The frames that may leave now, as many as one turn holds.
    pub(crate) fn due(&mut self, now: Time) -> Vec<Frame> {
        let mut due = Vec::new();
        for lane in self.lanes.values_mut() {
            while due.len() < TURN && lane.at.is_none_or(|at| at <= now) {
                let Some(frame) = lane.frames.pop_front() else { break };
                due.push(frame);
                lane.at = (!lane.pause.is_zero()).then(|| now + lane.pause);
            }
        }
        // A pause that is over says nothing any more.
        self.lanes.retain(|_, lane| !lane.frames.is_empty() || lane.at.is_some_and(|at| at > now));
        due
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::network_setup::GarpGroup;
    use super::*;

    fn frame(instance: usize, device: &str, address: &str) -> Frame {
        Frame {
            instance: InstanceId(instance),
            device: device.to_owned(),
            address: address.parse().unwrap(),
        }
    }

    fn announcements() -> Announcements {
        let ms = Duration::from_millis;
        let mut all = Announcements::default();
        all.adopt(&NetworkSetup {
            pace: Pace { garp: Duration::ZERO, gna: ms(10) },
            garp_groups: vec![GarpGroup {
                pace: Pace { garp: ms(5), gna: ms(0) },
                interfaces: vec!["a0".to_owned(), "b0".to_owned()],
            }],
            ..NetworkSetup::default()
        });
        all
    }

    #[test]
    fn what_nothing_paces_leaves_in_turns_that_do_not_hold_up_adverts() {
        let mut all = announcements();
        for _ in 0..100 {
            all.push(frame(0, "c0", "10.0.0.1"), "c0");
        }
        assert_eq!(all.deadline(), Some(Time(0)));
        assert_eq!((all.due(Time(7)).len(), all.due(Time(7)).len()), (64, 36));
        assert_eq!((all.deadline(), all.lanes.len()), (None, 0));
    }

    #[test]
    fn interfaces_of_a_group_share_a_pause_and_the_families_have_their_own() {
        let mut all = announcements();
        all.push(frame(0, "a0", "10.0.0.1"), "a0");
        all.push(frame(0, "vrrp.5", "10.0.0.2"), "b0");
        all.push(frame(0, "c0", "fd00::1"), "c0");
        all.push(frame(0, "c0", "fd00::2"), "c0");
        let addresses = |all: &mut Announcements, at| -> Vec<String> {
            all.due(Time(at)).iter().map(|frame| frame.address.to_string()).collect()
        };
        assert_eq!(addresses(&mut all, 1000), ["10.0.0.1", "fd00::1"]);
        assert_eq!(all.deadline(), Some(Time(6000)));
        assert_eq!(addresses(&mut all, 5999), [""; 0]);
        assert_eq!(addresses(&mut all, 6000), ["10.0.0.2"]);
        assert_eq!(all.deadline(), Some(Time(11_000)));
        assert_eq!(addresses(&mut all, 11_000), ["fd00::2"]);
        // The pause holds for what comes after the queue has run empty, too.
        all.push(frame(0, "b0", "10.0.0.3"), "b0");
        all.push(frame(0, "c0", "fd00::3"), "c0");
        assert_eq!(addresses(&mut all, 11_000), ["10.0.0.3"]);
        assert_eq!(all.deadline(), Some(Time(21_000)));
    }

    #[test]
    fn who_left_his_addresses_announces_them_no_more() {
        let mut all = announcements();
        all.push(frame(0, "a0", "10.0.0.1"), "a0");
        all.push(frame(1, "a0", "10.0.0.2"), "a0");
        all.push(frame(2, "a0", "10.0.0.3"), "a0");
        all.forget(InstanceId(0));
        all.renumber(|InstanceId(at)| (at == 2).then_some(InstanceId(0)));
        assert_eq!(all.due(Time(0)), [frame(0, "a0", "10.0.0.3")]);
    }
}
