//! The boundary between the real-time thread and what a router has besides packets and netlink.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use keepair_core::router::Input;
use keepair_core::router::action::{Adopted, Notice};
use keepair_core::router::config::ScriptId;
use keepair_core::router::event::Event;

use super::setup::Setup;

/// Children, pipes, mail, files, processes, the log.
///
/// Called in the real-time thread, and never waits there: what may take long is handed to other
/// threads, and what they find comes back by [`Outside::ready`]. What has a deadline of its own has a
/// timer among its descriptors.
pub trait Outside: Send {
    /// [`keepair_core::router::Action::RunScript`]. Whatever becomes of it ends as a
    /// [`Input::ScriptEnded`], also if it could not be started.
    fn run_script(&mut self, script: ScriptId);

    /// [`keepair_core::router::Action::EndScript`]: a signal to the script's process group, SIGKILL
    /// with `kill`, else SIGTERM. Nothing if it is not running.
    fn end_script(&mut self, script: ScriptId, kill: bool);

    /// [`keepair_core::router::Action::Notify`].
    fn notify(&mut self, notice: Notice);

    /// [`keepair_core::router::Action::Tell`].
    fn tell(&mut self, event: Event);

    /// [`keepair_core::router::Action::Adopt`]: places count by `setup` from now on. Runs of scripts
    /// that stay go on under their new place; those of others are ended, and not told of.
    fn adopt(&mut self, adopted: &Adopted, setup: &Setup);

    /// What wakes the thread when it can be read. Asked for before every wait, so it may change; the
    /// number should stay small.
    fn fds(&self) -> Vec<BorrowedFd<'_>>;

    /// One of the descriptors can be read: takes in what there is, and appends what the router is to
    /// be told of it. Also called once before the first wait, after [`Input::Started`] was handled.
    fn ready(&mut self, inputs: &mut VecDeque<Input>);

    /// The router's work is done, its addresses are gone, and every notice was handed over. Called
    /// once, last; may wait for children as long as `child_wait`.
    fn stop(&mut self);
}
