//! Somebody else on the same network whose adverts are none of the pair's business: another virtual
//! router, a packet that crossed a router, a machine nobody knows, the machine's own echo, noise. None of
//! them may have any effect.

use crate::host::HostId;
use crate::network::Traffic;
use crate::world::{Event, World};
use keepair_core::Input;
use keepair_core::vrrp::TTL;
use keepair_wire::vrrp::{Advert, ChecksumForm, GROUP_V4};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Nobody's own address.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 77));
/// Between two adverts at the least, lest they be all there is to the run.
const INTERVAL_MIN: Duration = Duration::from_millis(20);

impl World {
    /// The neighbour speaks, and will again: more often than a standby's patience lasts.
    pub(crate) fn neighbour_speaks(&mut self) {
        let manner = self.rng.between(0, 4);
        let priority = *self.rng.pick(&[0, 1, 100, 255]);
        for to in HostId::BOTH {
            let config = &self.hosts[to].config;
            let own = config.own().address;
            let src = if manner == 0 { own } else { STRANGER };
            let dst = IpAddr::V4(GROUP_V4);
            let advert = Advert {
                vrid: if manner == 1 { config.vrid.0 + 1 } else { config.vrid.0 },
                priority,
                max_advert_int_cs: 10,
                addresses: config.vips.iter().map(|vip| vip.address).collect(),
            };
            let mut message = advert.emit(src, dst, ChecksumForm::MessageOnly);
            if manner == 2 {
                message.truncate(usize::from(priority % 8));
            }
            let ttl = if manner == 3 { TTL - 1 } else { TTL };
            let input = Box::new(Input::Advert { src, dst, ttl, message });
            let at = self.now + self.network.latency(&mut self.rng);
            let (from, traffic) = (to.peer(), Traffic::Adverts);
            self.schedule(at, Event::Frame { from, traffic, timely: false, input });
        }
        let most = INTERVAL_MIN.max(self.options.advert_interval * 2);
        let after = self.rng.between(INTERVAL_MIN.as_micros() as u64, most.as_micros() as u64);
        self.schedule(self.now + Duration::from_micros(after), Event::NeighbourSpeaks);
    }
}
