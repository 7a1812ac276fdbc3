//! One of the networks: a machine under test on a hub, and a host that listens and speaks.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::config::{Config, OWN, PEER};
use super::event::Event;
use super::speaker::Mouth;
use crate::interop::daemon::{Kind, Machine, Programs};
use crate::interop::hub::Hub;
use crate::interop::netlink::Wanted;
use crate::interop::pcap::Capture;
use crate::interop::timeline::Timeline;
use crate::namespace::Namespace;
use crate::network::{INTERFACE, batch};

const LISTENER: u8 = 100;

/// Makes a host know the hardware address of another for ever.
fn knows(number: u8) -> String {
    let mac = format!("lladdr 02:00:00:00:00:{number:02x} dev {INTERFACE} nud permanent");
    format!("neigh add 172.18.0.{number} {mac}\nneigh add fd00:18::{number} {mac}\n")
}

/// A network.
#[derive(Debug)]
pub struct Network {
    /// What is under test in it.
    pub machine: Machine,
    /// What is seen in it.
    pub timeline: Timeline,
    hub: Hub,
    listener: Namespace,
    capture: Option<Capture>,
}

impl Network {
    /// Builds it; starts nothing.
    ///
    /// # Errors
    /// Where the kernel or a program refuses.
    pub fn new(kind: Kind, config: &Config, dir: &Path, programs: &Programs) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let timeline = Timeline::default();
        let hub = Hub::new(&programs.ip)?;
        let listener = Namespace::new("listener")?;
        hub.plug(&listener, LISTENER)?;
        let capture = Capture::new(&listener, 1, &dir.join("adverts.pcap"), timeline.clone())?;
        let host = dir.join("host");
        let wanted = Wanted { addresses: config.addresses(), ..Wanted::default() };
        // Nobody answers for the peer: its adverts are only written, and those to it only read. And the
        // one who writes them asks nobody, who after a pulled cable would be heard again a second
        // sooner or later.
        let ip = programs.ip.clone();
        listener.run(move || batch(&ip, &knows(OWN)))??;
        let with = (config.text(&host), wanted, knows(PEER));
        let machine = Machine::with(
            (0, OWN, kind),
            (&with.0, with.1, with.2),
            &hub,
            &host,
            programs,
            &timeline,
        )?;
        hub.plug_second(machine.namespace(), OWN)?;
        let network = Self { machine, timeline, hub, listener, capture: Some(capture) };
        for index in 0..config.scripts.len() {
            network.apply(&Event::Script { index, good: true }, config)?;
        }
        for index in 0..config.files {
            network.apply(&Event::File { index, value: 0 }, config)?;
        }
        Ok(network)
    }

    /// Where the peer's adverts are written into it.
    ///
    /// # Errors
    /// Where there are no sockets to be had.
    pub fn mouth(&self) -> Result<Mouth> {
        Mouth::new(&self.listener)
    }

    /// Lets an event happen, as far as it is not the peer's.
    ///
    /// # Errors
    /// Where a file, a cable or the daemon is not there.
    pub fn apply(&self, event: &Event, config: &Config) -> Result<()> {
        let dir = &self.machine.dir;
        match event {
            Event::Script { index, good } => {
                let file = dir.join(format!("s{index}"));
                match (good, file.exists()) {
                    (true, _) => fs::write(file, "")?,
                    (false, true) => fs::remove_file(file)?,
                    (false, false) => {}
                }
            }
            Event::File { index, value } => {
                fs::write(dir.join(format!("f{index}")), format!("{value}\n"))?;
            }
            Event::Link { second, up } => self.hub.cable(OWN, *second, *up)?,
            Event::Reload | Event::Change { .. } => {
                self.machine.configure(&config.text(dir))?;
                self.machine.reload().context("reload")?;
            }
            Event::Speak { .. }
            | Event::Farewell { .. }
            | Event::Silence { .. }
            | Event::Stray { .. }
            | Event::Settle => {}
        }
        Ok(())
    }

    /// Ends the daemon and the capture.
    ///
    /// # Errors
    /// Where either does not end well.
    pub fn finish(&mut self) -> Result<()> {
        self.machine.stop()?;
        self.capture.take().context("finished once")?.finish().map(|_| ())
    }
}
