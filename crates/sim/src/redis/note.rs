//! What a Redis process does that a reader of the story, or whoever counts what happens, wants to
//! know.

use crate::redis::WriteId;
use core::fmt;
use keepair_wire::info::ReplId;

/// One of those.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// A process began.
    Started {
        /// Its pid.
        pid: u32,
        /// The writes in the file it reads; `None` where there is no file.
        file: Option<usize>,
    },
    /// It has read its file.
    Loaded,
    /// It is a primary now.
    Promoted {
        /// The history it left.
        history: ReplId,
        /// At this offset.
        offset: i64,
        /// Commands that it had read and not applied, and dropped.
        dropped: usize,
    },
    /// It was told to replicate.
    Following {
        /// The writes it holds.
        holds: usize,
        /// Their history.
        history: ReplId,
        /// Up to here.
        offset: i64,
    },
    /// It lets the other one continue.
    GrantsPartial {
        /// With so many commands.
        commands: usize,
    },
    /// It begins a full resync of the other one.
    GrantsFull {
        /// So many writes.
        writes: usize,
        /// What was asked for.
        wanted: Option<(ReplId, i64)>,
    },
    /// It goes on as a replica where it was.
    Continues {
        /// In the history of a primary that was promoted meanwhile.
        of_another: bool,
    },
    /// A full resync is complete.
    Received {
        /// So many writes.
        writes: usize,
        /// So many that it held are not among them.
        lost: usize,
    },
    /// The link to its primary is gone.
    LinkLost,
    /// Nobody was heard on the link for too long.
    LinkSilent,
    /// Its pause is over by itself.
    PauseOver,
    /// It wakes with so many writes in its sockets.
    Burst(Vec<WriteId>),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Started { pid, file: Some(writes) } => {
                write!(f, "Redis started, pid {pid}, with {writes} writes in its file")
            }
            Note::Started { pid, file: None } => write!(f, "Redis started, pid {pid}, empty"),
            Note::Loaded => write!(f, "Redis has loaded its data"),
            Note::Promoted { history, offset, dropped } => {
                let history = short(*history);
                write!(f, "Redis is a primary now, history {history} left at offset {offset}")?;
                if *dropped > 0 {
                    write!(f, ", {dropped} commands that were read are dropped")?;
                }
                Ok(())
            }
            Note::Following { holds, history, offset } => write!(
                f,
                "Redis is a replica now, with {holds} writes, history {} up to offset {offset}",
                short(*history)
            ),
            Note::GrantsPartial { commands } => {
                write!(f, "Redis lets the other one continue, with {commands} commands")
            }
            Note::GrantsFull { writes, wanted } => {
                write!(
                    f,
                    "Redis begins a full resync of the other one, {writes} writes; asked for "
                )?;
                match wanted {
                    Some((replid, offset)) => write!(f, "{} from {}", short(*replid), offset + 1),
                    None => f.write_str("everything"),
                }
            }
            Note::Continues { .. } => write!(f, "Redis continues as a replica"),
            Note::Received { writes, lost } => write!(
                f,
                "Redis has received everything: {writes} writes, {lost} of its own are gone"
            ),
            Note::LinkLost => write!(f, "Redis lost the link to its primary"),
            Note::LinkSilent => write!(f, "Redis gave up a link that was silent"),
            Note::PauseOver => write!(f, "Redis' pause is over by itself"),
            Note::Burst(writes) => {
                write!(f, "Redis wakes with {} writes in its sockets", writes.len())
            }
        }
    }
}

/// Enough of an id to tell histories apart.
fn short(id: ReplId) -> String {
    id.to_string().chars().take(6).collect()
}
