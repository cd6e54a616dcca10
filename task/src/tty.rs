//! Controlling terminals: which process has which, and what becomes of it, `tty(4)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::id::Pid;
use kcore::job::ControllingTty;

use crate::group::{GroupId, ThreadGroup};
use crate::pid::PidNode;
use crate::signal::{SigInfo, Signal, send_kernel};
use crate::table::{ProcessTable, Tree};
use crate::task::Task;

impl Tree {
    /// Takes the terminal away from all members of a session.
    fn forget_tty(&mut self, session: &PidNode) {
        let taken: Vec<_> = self
            .groups
            .values_mut()
            .filter(|g| g.session.id == session.id)
            .filter_map(|g| g.tty.take())
            .collect();
        // Terminals are dropped by whoever closes them last, and that is not here: their files hold them.
        drop(taken);
    }
}

impl ProcessTable {
    /// The controlling terminal of a process.
    pub fn controlling_tty(&self, group: &ThreadGroup) -> Option<ControllingTty> {
        self.tree.lock().groups.get(&group.id())?.tty.clone()
    }
    /// Gives a process a controlling terminal, or takes it away. Its later children inherit it.
    pub fn set_controlling_tty(&self, group: &ThreadGroup, tty: Option<ControllingTty>) {
        let mut tree = self.tree.lock();
        let Some(g) = tree.groups.get_mut(&group.id()) else { return };
        let old = core::mem::replace(&mut g.tty, tty);
        g.old_foreground = None;
        drop(tree);
        drop(old);
    }
    /// No member of the session has a controlling terminal any more.
    pub fn forget_tty(&self, session: &PidNode) {
        self.tree.lock().forget_tty(session);
    }
    /// The terminal of a session is gone: nobody has it any more, the leader gets `SIGHUP` and `SIGCONT`, and when it ends the
    /// processes of `foreground` get them.
    pub fn hang_up_session(&self, session: &PidNode, foreground: Option<Arc<PidNode>>) {
        let mut tree = self.tree.lock();
        tree.forget_tty(session);
        let leader = tree.groups.values_mut().find(|g| g.group.pid().id == session.id && g.dead.is_none());
        if let Some(g) = leader {
            g.old_foreground = foreground;
            let group = g.group.clone();
            send_kernel(self, &group, SigInfo::kernel(Signal::HUP));
            send_kernel(self, &group, SigInfo::kernel(Signal::CONT));
        }
    }
    /// A session's leader ends: the session has no terminal any more. Returns the one that it had.
    pub(crate) fn leader_leaves_tty(&self, tree: &mut Tree, gid: GroupId) -> Option<ControllingTty> {
        let g = tree.groups.get_mut(&gid)?;
        let (tty, old, session) = (g.tty.take(), g.old_foreground.take(), g.session.clone());
        if let Some(pgrp) = old.filter(|_| tty.is_none()) {
            for g in tree.pgrp_members(&pgrp).filter(|g| g.dead.is_none()) {
                send_kernel(self, &g.group, SigInfo::kernel(Signal::HUP));
                send_kernel(self, &g.group, SigInfo::kernel(Signal::CONT));
            }
        }
        tree.forget_tty(&session);
        tty
    }
    /// The process group that `task` calls `n`, if it may make it the foreground one.
    ///
    /// Errors: `ESRCH` if nothing has that number, `EPERM` if it is no process group of the task's session.
    pub fn own_pgrp(&self, task: &Task, n: Pid) -> Result<Arc<PidNode>, Errno> {
        let tree = self.tree.lock();
        let pgrp = tree.node(&task.pid_ns(), n).ok_or(Errno::ESRCH)?;
        let mine = tree.group_of(task).ok_or(Errno::ESRCH)?.session.id;
        if tree.pgrp_members(&pgrp).any(|g| g.session.id == mine) { Ok(pgrp) } else { Err(Errno::EPERM) }
    }
}
