//! Job control: process groups, sessions, and news of stops, `credentials(7)`.

use alloc::sync::Arc;

use abi::Errno;
use kcore::id::Pid;

use crate::group::{GroupId, ThreadGroup};
use crate::pid::PidNode;
use crate::signal::{Notice, SaFlags, SigInfo, Signal, Stop, code, send_kernel};
use crate::table::{GroupNode, ProcessTable, Tree};
use crate::task::Task;

impl Tree {
    /// Whether no member, but `except`, has a parent in another group of the same session. The first process counts as such a
    /// parent, as the init of a container does: it may be a shell.
    fn is_orphaned(&self, pgrp: &PidNode, except: Option<GroupId>) -> bool {
        !self.pgrp_members(pgrp).any(|g| {
            Some(g.group.id()) != except
                && g.dead.is_none()
                && self
                    .parent_group(g)
                    .is_some_and(|p| p.dead.is_none() && p.pgrp.id != pgrp.id && p.session.id == g.session.id)
        })
    }
}

impl ProcessTable {
    pub(crate) fn is_orphaned_pgrp_of(&self, group: &ThreadGroup) -> bool {
        let tree = self.tree.lock();
        tree.groups.get(&group.id()).is_none_or(|g| tree.is_orphaned(&g.pgrp, None))
    }
    /// Whether nobody could continue a stopped member: terminals answer `EIO` to such a group.
    pub fn is_orphaned_pgrp(&self, pgrp: &PidNode) -> bool {
        self.tree.lock().is_orphaned(pgrp, None)
    }
    /// A group that became orphaned because `child` lost `parent` or, `leaving`, died itself, and that has stopped members, gets
    /// `SIGHUP` and `SIGCONT`. One that was orphaned before does not.
    pub(crate) fn hup_if_orphaned(
        &self,
        tree: &Tree,
        child: GroupId,
        parent: Option<GroupId>,
        leaving: bool,
    ) {
        let Some(c) = tree.groups.get(&child) else { return };
        let Some(p) = parent.and_then(|p| tree.groups.get(&p)) else { return };
        if p.pgrp.id == c.pgrp.id || p.session.id != c.session.id {
            return;
        }
        let (pgrp, leaving) = (&c.pgrp, leaving.then_some(child));
        let stopped =
            |g: &GroupNode| g.dead.is_none() && matches!(g.group.signals.lock().stop, Stop::Stopped(_));
        if tree.is_orphaned(pgrp, leaving) && tree.pgrp_members(pgrp).any(stopped) {
            for g in tree.pgrp_members(pgrp).filter(|g| g.dead.is_none()) {
                send_kernel(self, &g.group, SigInfo::kernel(Signal::HUP));
                send_kernel(self, &g.group, SigInfo::kernel(Signal::CONT));
            }
        }
    }
    /// Tells the parent that a group stopped or goes on.
    pub(crate) fn notify_stop(&self, group: &ThreadGroup, notice: Notice) {
        let tree = self.tree.lock();
        let Some(g) = tree.groups.get(&group.id()) else { return };
        let Some(parent) = tree.parent_group(g).map(|p| p.group.clone()) else { return };
        let tracer = tree.tasks.get(&g.leader).and_then(|t| tree.tasks.get(&t.tracer?));
        if matches!(notice, Notice::Stopped(_)) && tracer.is_some_and(|t| t.group == parent.id()) {
            // It learns of the stop as the tracer.
            return;
        }
        let action = parent.handlers().get(Signal::CHLD);
        if !action.is_ignore() && !action.flags.contains(SaFlags::NOCLDSTOP) {
            let (code, status) = match notice {
                Notice::Stopped(s) => (code::CLD_STOPPED, s.number()),
                Notice::Continued => (code::CLD_CONTINUED, Signal::CONT.number()),
            };
            let info = self.child_info(&tree, group.id(), &parent, Signal::CHLD, code, status);
            send_kernel(self, &parent, info);
        }
        parent.child_queue.wake_all();
    }
    /// The process group of a process.
    pub fn pgrp(&self, group: &ThreadGroup) -> Option<Arc<PidNode>> {
        self.tree.lock().groups.get(&group.id()).map(|g| g.pgrp.clone())
    }
    /// The session of a process.
    pub fn session(&self, group: &ThreadGroup) -> Option<Arc<PidNode>> {
        self.tree.lock().groups.get(&group.id()).map(|g| g.session.clone())
    }
    /// The session of a process group, if it has members.
    pub fn session_of_pgrp(&self, pgrp: &PidNode) -> Option<Arc<PidNode>> {
        self.tree.lock().pgrp_members(pgrp).next().map(|g| g.session.clone())
    }
    /// [`setsid(2)`](https://man7.org/linux/man-pages/man2/setsid.2.html). Returns the new session's number.
    ///
    /// Errors: `EPERM` if the caller leads a process group.
    pub fn setsid(&self, task: &Task) -> Result<Pid, Errno> {
        let mut tree = self.tree.lock();
        let pid = task.group().pid().clone();
        if tree.groups.values().any(|g| g.pgrp.id == pid.id) {
            return Err(Errno::EPERM);
        }
        let g = tree.group_of_mut(task).ok_or(Errno::ESRCH)?;
        g.pgrp = pid.clone();
        g.session = pid.clone();
        // A new session starts without a terminal.
        let tty = g.tty.take();
        drop(tree);
        drop(tty);
        Ok(pid.number())
    }
    /// [`setpgid(2)`](https://man7.org/linux/man-pages/man2/setpgid.2.html).
    ///
    /// Errors: `EINVAL` for negative numbers; `ESRCH`; `EACCES` for a child after `execve`; `EPERM` across sessions.
    pub fn setpgid(&self, task: &Task, pid: Pid, pgid: Pid) -> Result<(), Errno> {
        if pid.0 < 0 || pgid.0 < 0 {
            return Err(Errno::EINVAL);
        }
        let mut tree = self.tree.lock();
        let ns = task.pid_ns();
        let me = tree.group_of(task).ok_or(Errno::ESRCH)?;
        let g = if pid.0 == 0 { me } else { tree.group(&ns, pid).ok_or(Errno::ESRCH)? };
        if g.group.id() != me.group.id() {
            if tree.parent_group(g).is_none_or(|p| p.group.id() != me.group.id()) {
                return Err(Errno::ESRCH);
            }
            if g.session.id != me.session.id {
                return Err(Errno::EPERM);
            }
            if g.did_exec {
                return Err(Errno::EACCES);
            }
        }
        if g.session.id == g.group.pid().id {
            return Err(Errno::EPERM);
        }
        let target =
            if pgid.0 == 0 { g.group.pid().clone() } else { tree.node(&ns, pgid).ok_or(Errno::EPERM)? };
        if target.id != g.group.pid().id && !tree.pgrp_members(&target).any(|m| m.session.id == g.session.id)
        {
            return Err(Errno::EPERM);
        }
        let id = g.group.id();
        if let Some(g) = tree.groups.get_mut(&id) {
            g.pgrp = target;
        }
        Ok(())
    }
    /// `getpgid(2)`; 0 is the caller.
    ///
    /// Errors: `ESRCH`.
    pub fn getpgid(&self, task: &Task, pid: Pid) -> Result<Pid, Errno> {
        self.id_of(task, pid, |g| &g.pgrp)
    }
    /// `getsid(2)`; 0 is the caller.
    ///
    /// Errors: `ESRCH`.
    pub fn getsid(&self, task: &Task, pid: Pid) -> Result<Pid, Errno> {
        self.id_of(task, pid, |g| &g.session)
    }
    fn id_of(&self, task: &Task, pid: Pid, f: impl Fn(&GroupNode) -> &Arc<PidNode>) -> Result<Pid, Errno> {
        let tree = self.tree.lock();
        let ns = task.pid_ns();
        let g = if pid.0 == 0 {
            tree.group_of(task)
        } else {
            tree.task(&ns, pid).and_then(|t| tree.groups.get(&t.group))
        };
        Ok(f(g.ok_or(Errno::ESRCH)?).in_ns(&ns))
    }
    /// Whether a process leads its session.
    pub fn is_session_leader(&self, group: &ThreadGroup) -> bool {
        self.session(group).is_some_and(|s| s.id == group.pid().id)
    }
}
