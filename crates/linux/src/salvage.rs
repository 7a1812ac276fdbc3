//! Keeps, in the state directory, what only this machine's Redis holds, before it is overwritten.
//!
//! A thread of its own does it, with a connection of its own: nothing here delays an advert. It
//! decides nothing: what is to be kept, and what becomes of a failure, is the core's. `tail` reads
//! the end of the replication stream, `files` archives the data files, `shelf` is the directory with
//! both; `copy` holds the stream of a Redis whose standby is behind; `tape` reads a tail again, and `replay` puts it back.

pub mod copy;
pub mod files;
pub mod replay;
pub mod shelf;
pub mod tail;
pub mod tape;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keepair_core::action::{Salvage, Wanted};
use keepair_core::input::Kept;

use self::copy::Left;
use crate::reactor::{Mailbox, Request};
use crate::redis::Access;

/// What the thread is given.
pub struct Job {
    /// What the core wants.
    pub order: Salvage,
    /// The local Redis.
    pub access: Access,
}

/// Where it keeps things, and for whom.
#[derive(Clone, Debug)]
pub struct Place {
    /// The state directory.
    pub dir: PathBuf,
    /// The virtual router.
    pub vrid: u8,
    /// The operator's name for this machine.
    pub machine: String,
    /// What archives of data files may take together, in bytes; 0: there are none.
    pub archive_limit_bytes: Arc<AtomicU64>,
}

impl Place {
    fn archive_limit_bytes(&self) -> u64 {
        self.archive_limit_bytes.load(Ordering::Relaxed)
    }
}

/// Works until nobody can give it anything any more.
pub fn work(jobs: &Receiver<Job>, place: &Place, left: &Left, mailbox: &Mailbox) {
    while let Ok(job) = jobs.recv() {
        let number = job.order.number;
        let result = perform(&job, place, left).map_err(|error| error.to_string());
        // A core that no longer waits has said so.
        let _ = mailbox.put(Request::Salvaged { number, result });
    }
}

/// Carries out one order, within its time.
///
/// # Errors
/// Why nothing was kept.
pub fn perform(job: &Job, place: &Place, left: &Left) -> io::Result<Kept> {
    let until = Instant::now() + job.order.within;
    prepare(place).map_err(|error| shelf::at(&place.dir, &error))?;
    let generation = job.order.generation;
    match job.order.what {
        Wanted::Tail { replid, from, newer } => {
            let wanted = tail::Tail { replid, from, newer, generation };
            tail::keep(&job.access, place, &wanted, until)
        }
        Wanted::Copied { replid, from, newer } => {
            let wanted = tail::Tail { replid, from, newer, generation };
            let copy = left.take(replid);
            let copy = copy.ok_or_else(|| io::Error::other("the copy is not there any more"))?;
            tail::keep_copied(copy, place, &wanted, until)
        }
        Wanted::Files => files::keep(&job.access, place, generation, until),
    }
}

/// The directory may be missing, or be mended by now; and what an earlier daemon died over goes.
fn prepare(place: &Place) -> io::Result<()> {
    std::fs::create_dir_all(&place.dir)?;
    shelf::sweep(&place.dir, place.vrid)
}

/// Milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::SocketAddr;
    use std::sync::atomic::AtomicU64;

    use keepair_core::config::Generation;

    use super::*;

    #[test]
    fn a_state_directory_that_is_none_is_named_in_the_answer() {
        let name = format!("keepair-salvage-{}", std::process::id());
        let dir = std::env::temp_dir().join(name).join("state");
        let parent = dir.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        let place = Place {
            dir: dir.clone(),
            vrid: 51,
            machine: "here".to_owned(),
            archive_limit_bytes: Arc::new(AtomicU64::new(1 << 30)),
        };
        let attempt = |what| {
            let order =
                Salvage { number: 1, what, generation: Generation(3), within: Duration::ZERO };
            // Nobody listens there.
            let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
            let access = Access {
                endpoints: Vec::new(),
                username: None,
                password: None,
                tls: None,
                peer: nobody,
            };
            perform(&Job { order, access }, &place, &Left::default()).unwrap_err().to_string()
        };
        fs::write(&dir, "").unwrap();
        assert_eq!(attempt(Wanted::Files), format!("{}: File exists (os error 17)", dir.display()));
        // A missing one is made, and the attempt ends for another reason.
        fs::remove_file(&dir).unwrap();
        let error = attempt(Wanted::Files);
        assert!(dir.is_dir() && !error.contains("/state"), "{error}");
        fs::remove_dir_all(parent).unwrap();
    }
}
