//! `keepair run --record FILE`: the real-time thread's half, and the thread that writes.
//!
//! Between the two are two rings that neither ever waits for: full slots go to the writer, empty
//! ones come back. What the real-time thread has allocated, it frees: the writer only reads a slot,
//! so that the two never meet at the allocator's lock. Nobody is woken either, which would cost the
//! real-time thread a system call for each input: the writer looks by itself. When no empty slot is
//! left, inputs are counted instead of recorded, and a fresh snapshot of the node follows as soon
//! as there is room.

mod files;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use keepair_core::time::Time;
use keepair_core::{Actions, Input, Node};
use keepair_linux::reactor::Witness;
use keepair_linux::realtime::monotonic_us;
use keepair_record::{Clock, Encoder, Sums, Why, say, sum};

use crate::operate;
use files::Files;
pub(crate) use files::older;

/// The smallest `--record-size`.
pub(crate) const SIZE_BYTES_MIN: u64 = 1024 * 1024;
/// Inputs that wait for the disk: most of a minute at the default timings.
const SLOTS: usize = 4096;
/// After a loss, recording begins anew when this many slots are free again.
const SLOTS_TO_RESUME: usize = SLOTS / 2;
/// What a killed daemon's record lacks at the most.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A wall clock that has moved by more than this against the monotonic one is recorded.
const CLOCK_SLACK_US: u64 = 10_000;

/// What is handed over.
#[derive(Default)]
struct Slot {
    at: Time,
    what: What,
    /// The names of the actions.
    did: Vec<&'static str>,
    /// `None`: the node broke over this input.
    sums: Option<Sums>,
}

#[derive(Default)]
enum What {
    #[default]
    Nothing,
    Input(Input),
    Snapshot(Box<Node>, Why),
}

/// The real-time thread's half.
pub(crate) struct Recorder {
    full: rtrb::Producer<Slot>,
    empty: rtrb::Consumer<Slot>,
    spare: Vec<Slot>,
    /// The last input, until the next one or until the thread rests.
    current: Option<Slot>,
    now: Time,
    /// Inputs since the last that was recorded.
    lost: u64,
    /// The writer needs a snapshot to begin a file with.
    wanted: Arc<AtomicBool>,
}

/// The half that writes, for a thread of its own.
pub(crate) struct Writer {
    full: rtrb::Consumer<Slot>,
    empty: rtrb::Producer<Slot>,
    wanted: Arc<AtomicBool>,
    log: Log,
}

/// An opened record.
pub(crate) struct Opened(Log);

/// Opens a record of at most that size.
///
/// # Errors
/// When the file can't be written, holds something else, or is another daemon's.
pub(crate) fn open(path: &Path, size_bytes: u64) -> anyhow::Result<Opened> {
    let files = Files::open(path, size_bytes / 2)
        .with_context(|| format!("can't record to {}", path.display()))?;
    Ok(Opened(Log::new(files)))
}

impl Opened {
    /// The two halves, for a node that has not been told anything yet.
    pub(crate) fn begin(self, node: &Node, now: Time) -> (Recorder, Writer) {
        let (full, full_end) = rtrb::RingBuffer::new(SLOTS);
        let (empty_end, empty) = rtrb::RingBuffer::new(SLOTS);
        let wanted = Arc::new(AtomicBool::new(false));
        let slot = || Slot { did: Vec::with_capacity(32), ..Slot::default() };
        let spare = std::iter::repeat_with(slot).take(SLOTS).collect();
        let mut recorder =
            Recorder { full, empty, spare, current: None, now, lost: 0, wanted: wanted.clone() };
        recorder.snapshot(node, Why::Started);
        (recorder, Writer { full: full_end, empty: empty_end, wanted, log: self.0 })
    }
}

impl Recorder {
    /// Takes back what the writer has done with.
    fn collect(&mut self) {
        while let Ok(slot) = self.empty.pop() {
            self.spare.push(slot);
        }
    }

    fn take(&mut self) -> Option<Slot> {
        if self.spare.is_empty() {
            self.collect();
        }
        self.spare.pop()
    }

    fn hand_over(&mut self, slot: Slot) {
        // There is room for every slot there is.
        let _ = self.full.push(slot);
    }

    fn hand_over_current(&mut self) {
        if let Some(slot) = self.current.take() {
            self.hand_over(slot);
        }
    }

    fn snapshot(&mut self, node: &Node, why: Why) {
        let Some(mut slot) = self.take() else { return };
        slot.at = self.now;
        slot.what = What::Snapshot(Box::new(node.clone()), why);
        self.lost = 0;
        self.wanted.store(false, Ordering::Relaxed);
        self.hand_over(slot);
    }
}

impl Witness for Recorder {
    fn told(&mut self, now: Time, input: &Input) {
        self.now = now;
        self.hand_over_current();
        // The disk was full, and the writer is gone.
        if self.full.is_abandoned() {
            return;
        }
        let slot = if self.lost == 0 { self.take() } else { None };
        let Some(mut slot) = slot else {
            self.lost += 1;
            return;
        };
        slot.at = now;
        slot.what = What::Input(input.clone());
        slot.did.clear();
        slot.sums = None;
        self.current = Some(slot);
    }

    fn decided(&mut self, actions: &Actions) {
        if let Some(slot) = &mut self.current {
            slot.did.extend(actions.iter().map(say::name));
            slot.sums = Some(Sums { actions: sum(actions), state: None });
        }
    }

    fn rests(&mut self, node: &Node) {
        if let Some(sums) = self.current.as_mut().and_then(|slot| slot.sums.as_mut()) {
            sums.state = Some(sum(node));
        }
        self.hand_over_current();
        if self.lost > 0 {
            self.collect();
            if self.spare.len() >= SLOTS_TO_RESUME {
                self.snapshot(node, Why::Lost(self.lost));
            }
        } else if self.wanted.load(Ordering::Relaxed) {
            self.snapshot(node, Why::Rotated);
        }
    }
}

/// The input over which the node broke is the one that matters most.
impl Drop for Recorder {
    fn drop(&mut self) {
        self.hand_over_current();
    }
}

impl Writer {
    /// Writes until the real-time thread is gone, or the disk refuses.
    pub(crate) fn work(mut self) {
        if let Err(error) = self.write() {
            operate::warn(&format!(
                "keepair: warning: recording stopped, the daemon goes on without: {error:#}\n"
            ));
        }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        loop {
            // Asked before the last look, so that nothing comes after it.
            let ended = self.full.is_abandoned();
            self.drain(wall_clock_offset_us())?;
            if ended {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn drain(&mut self, clock_offset_us: u64) -> anyhow::Result<()> {
        self.log.clock_offset_us = clock_offset_us;
        while let Ok(slot) = self.full.pop() {
            self.log.take(&slot)?;
            if self.log.asks_for_snapshot() {
                self.wanted.store(true, Ordering::Relaxed);
            }
            let _ = self.empty.push(slot);
        }
        Ok(self.log.files.flush()?)
    }
}

/// Microseconds since the Unix epoch when the monotonic clock was zero, by the wall clock of now.
fn wall_clock_offset_us() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_micros()).unwrap_or(0).wrapping_sub(monotonic_us())
}

/// Puts slots into files.
struct Log {
    files: Files,
    encoder: Encoder,
    line: Vec<u8>,
    clock_offset_us: u64,
    /// What the last head or clock line of the file says.
    told_offset_us: u64,
    /// Every input since the last head is in the file.
    whole: bool,
    /// Inputs since then, if not.
    dropped: u64,
    /// A snapshot is needed, and whether it has been asked for.
    snapshot: Need,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    No,
    Yes,
    Asked,
}

impl Log {
    fn new(files: Files) -> Log {
        Log {
            files,
            encoder: Encoder::default(),
            line: Vec::new(),
            clock_offset_us: 0,
            told_offset_us: 0,
            whole: false,
            dropped: 0,
            snapshot: Need::No,
        }
    }

    /// Once for each snapshot that is needed.
    fn asks_for_snapshot(&mut self) -> bool {
        let asks = self.snapshot == Need::Yes;
        if asks {
            self.snapshot = Need::Asked;
        }
        asks
    }

    fn take(&mut self, slot: &Slot) -> anyhow::Result<()> {
        self.line.clear();
        match &slot.what {
            What::Nothing => Ok(()),
            What::Snapshot(node, why) => self.begin(slot.at, node, *why),
            What::Input(_) if !self.whole => {
                self.dropped += 1;
                Ok(())
            }
            What::Input(input) => self.go_on(slot, input),
        }
    }

    fn begin(&mut self, at: Time, node: &Node, why: Why) -> anyhow::Result<()> {
        let why = match why {
            Why::Lost(count) => Why::Lost(count + self.dropped),
            Why::Rotated if self.dropped > 0 => Why::Lost(self.dropped),
            why => why,
        };
        let clock = self.clock(at);
        self.encoder.head(clock, why, node, &mut self.line)?;
        if self.files.nearly_full() || !self.files.has_room(&self.line) {
            self.files.rotate()?;
        }
        if !self.files.has_room(&self.line) {
            bail!("a snapshot of {} bytes does not fit into the size", self.line.len());
        }
        self.files.append(&self.line)?;
        self.whole = true;
        self.dropped = 0;
        self.snapshot = Need::No;
        Ok(())
    }

    fn go_on(&mut self, slot: &Slot, input: &Input) -> anyhow::Result<()> {
        if self.clock_offset_us.abs_diff(self.told_offset_us) > CLOCK_SLACK_US {
            let clock = self.clock(slot.at);
            self.encoder.clock(clock, &mut self.line)?;
        }
        self.encoder.handled(slot.at, input, &slot.did, slot.sums, &mut self.line)?;
        if self.files.has_room(&self.line) {
            self.files.append(&self.line)?;
        } else {
            // The snapshot that was asked for in time has not come yet.
            self.whole = false;
            self.dropped = 1;
        }
        if self.files.nearly_full() && self.snapshot == Need::No {
            self.snapshot = Need::Yes;
        }
        Ok(())
    }

    fn clock(&mut self, at: Time) -> Clock {
        self.told_offset_us = self.clock_offset_us;
        Clock { at, unix_us: at.0.wrapping_add(self.clock_offset_us) }
    }
}

/// `64MiB`, `1GiB`, `500kB`, or bytes.
///
/// # Errors
/// When it is none of these, or too small.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("", 1),
    ];
    let size = UNITS.iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*bytes)
    });
    match size {
        Some(size) if size >= SIZE_BYTES_MIN => Ok(size),
        Some(_) => Err("at least 1MiB".to_owned()),
        None => Err("a number of bytes, as 64MiB or 1GiB".to_owned()),
    }
}

#[cfg(test)]
mod tests;
