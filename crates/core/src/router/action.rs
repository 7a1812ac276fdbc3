//! What a router wants done: imperatives, performed by the executor in list order.

use super::config::{Config, GroupId, InstanceId, ScriptId};
use super::event::Event;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

/// The actions one input asked for, in order.
pub type Actions = Vec<Action>;

/// One thing to do. An executor has one match arm for each and decides nothing.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Send a VRRP message, from the address that it was made for.
    Send {
        /// Whose.
        instance: InstanceId,
        /// From where.
        src: IpAddr,
        /// To whom: the group or a peer.
        dst: IpAddr,
        /// The message, ready.
        message: Vec<u8>,
    },
    /// Put the addresses, the routes and the rules of an instance into the kernel, in this order.
    /// Answered by [`super::Input::Added`].
    AddAddresses(InstanceId),
    /// Take the rules, the routes and the addresses of an instance out of the kernel, whether or not
    /// they are there. Answered by [`super::Input::Removed`].
    RemoveAddresses(InstanceId),
    /// A burst of gratuitous ARP or unsolicited neighbour advertisements for all addresses of an
    /// instance.
    Announce {
        /// Whose.
        instance: InstanceId,
        /// How often each.
        times: u32,
    },
    /// Start a script in a process group of its own. Answered by [`super::Input::ScriptEnded`].
    RunScript(ScriptId),
    /// Send a signal to the process group of a script that has not ended.
    EndScript {
        /// Which.
        script: ScriptId,
        /// SIGKILL instead of SIGTERM.
        kill: bool,
    },
    /// Run the notify scripts, write into the named pipes, and send the mail, in this order.
    Notify(Notice),
    /// Tell the operator.
    Tell(Event),
    /// The configuration the router was told to take over holds from now on: actions that follow count
    /// by its places. What is no longer there is taken out of the kernel; what is there and was not
    /// is put in if its instance is Active. Answers that are still due come by the new places, and not
    /// at all for an instance that is gone.
    Adopt(Box<Adopted>),
    /// The router's work is done.
    Exit,
}

/// A configuration that was taken over.
#[derive(Clone, PartialEq, Debug)]
pub struct Adopted {
    /// It.
    pub config: Config,
    /// For each instance of it, which one it was before, if it was there.
    pub instances: Vec<Option<InstanceId>>,
    /// For each script of it, which one it was before. A run that is under way goes on.
    pub scripts: Vec<Option<ScriptId>>,
}

/// What is told to scripts, pipes and people's mailboxes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Of whom.
    pub of: Subject,
    /// What.
    pub what: What,
    /// The priority, effective; 0 for a group.
    pub priority: u8,
}

/// Of whom something is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// `INSTANCE`.
    Instance(InstanceId),
    /// `GROUP`.
    Group(GroupId),
}

/// What is told. In keepalived's words, for its users' scripts read them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// `MASTER`.
    Master,
    /// `BACKUP`.
    Backup,
    /// `FAULT`.
    Fault,
    /// `STOP`.
    Stop,
    /// `DELETED`.
    Deleted,
    /// `MASTER_RX_LOWER_PRI`.
    MasterRxLowerPri,
    /// `MASTER_PRIORITY` or `BACKUP_PRIORITY`, to pipes only.
    Priority {
        /// In which state.
        active: bool,
    },
}
