//! Values to lines.

use std::io;

use keepair_core::time::Time;
use keepair_core::{Input, Node};

use crate::delta::{Changes, Last};
use crate::line::{Clock, ClockLine, HandledOut, HeadOut, Why, seal, sums_text};
use crate::sum::Sums;
use crate::{FORMAT, VERSION};

/// Makes lines, in the order in which things happened.
///
/// Of an answer to INFO (`info`) and of a report of the peer (`heard`), a line holds only the
/// fields that differ from the one before; the first after a head, all of them.
#[derive(Default)]
pub struct Encoder {
    last: Last,
}

impl Encoder {
    /// Appends a head: the node as it is at that time.
    ///
    /// # Errors
    /// None known: every node can be written.
    pub fn head(
        &mut self,
        clock: Clock,
        why: Why,
        node: &Node,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.last = Last::default();
        let Clock { at, unix_us } = clock;
        let head = HeadOut { keepair_record: FORMAT, version: VERSION, why, at, unix_us, node };
        line(&head, out)
    }

    /// Appends a moment on both clocks.
    ///
    /// # Errors
    /// None known.
    pub fn clock(&mut self, clock: Clock, out: &mut Vec<u8>) -> io::Result<()> {
        line(&ClockLine { clock: clock.unix_us, at: clock.at }, out)
    }

    /// Appends an input with the names of the actions it led to; `sums` is `None` if the node broke
    /// over it.
    ///
    /// # Errors
    /// None known: every input can be written.
    pub fn handled(
        &mut self,
        at: Time,
        input: &Input,
        did: &[&str],
        sums: Option<Sums>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let did = did.join(" ");
        let sum = sums.map(sums_text);
        let empty = HandledOut { at, input: None, info: None, heard: None, did: &did, sum };
        let handled = match self.last.changes(input) {
            None => HandledOut { input: Some(input), ..empty },
            Some(Changes::Info(changes)) => HandledOut { info: Some(changes), ..empty },
            Some(Changes::Heard(changes)) => HandledOut { heard: Some(changes), ..empty },
        };
        line(&handled, out)
    }
}

fn line(value: &impl serde::Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    let from = out.len();
    serde_json::to_writer(&mut *out, value)?;
    seal(out, from);
    Ok(())
}
