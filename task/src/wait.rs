//! Waiting for children, `wait(2)`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::id::{Pid, Uid};

use crate::exit::ExitStatus;
use crate::group::GroupId;
use crate::pid::PidNode;
use crate::rusage::Rusage;
use crate::signal::{Signal, code};
use crate::table::{ProcessTable, Tree};
use crate::task::{Task, TaskId};

bitflags::bitflags! {
    /// Options of `wait4(2)` and `waitid(2)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct WaitOptions: u32 {
        /// The kernel does not sleep; nothing changes here.
        const NOHANG = 1;
        /// Stopped children (`WUNTRACED`).
        const STOPPED = 2;
        /// Dead children.
        const EXITED = 4;
        /// Continued children.
        const CONTINUED = 8;
        /// Leave what is reported.
        const NOWAIT = 0x0100_0000;
        /// Only children of the calling thread.
        const NOTHREAD = 0x2000_0000;
        /// All children.
        const ALL = 0x4000_0000;
        /// Only children that do not send `SIGCHLD`.
        const CLONE = 0x8000_0000;
    }
}

/// Which children.
#[derive(Clone, Debug)]
pub enum WaitWhich {
    /// All.
    Any,
    /// The one with this number in the caller's namespace.
    Pid(Pid),
    /// Those in this process group; `None` for the caller's.
    Pgrp(Option<Pid>),
    /// The one behind a pidfd.
    Pidfd(Arc<PidNode>),
}

/// What to wait for.
#[derive(Clone, Debug)]
pub struct WaitSpec {
    /// Which children.
    pub which: WaitWhich,
    /// Which changes.
    pub options: WaitOptions,
}

/// A change of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitEvent {
    /// The child, in the caller's namespace.
    pub pid: Pid,
    /// Its real user.
    pub uid: Uid,
    /// The status word of `wait4`.
    pub wstatus: u32,
    /// `si_status`: an exit code or a signal.
    pub status: i32,
    /// `CLD_*`.
    pub code: i32,
    /// What it used, if it is dead.
    pub rusage: Rusage,
}

const WCONTINUED_STATUS: u32 = 0xffff;

impl ProcessTable {
    /// Looks for a change, [`wait4(2)`]. `None` means nothing yet: wait on `caller.group().child_queue`, then ask again.
    ///
    /// Errors: `ECHILD` if there is no such child; `EINVAL` without a kind of change; `ESRCH` for a group that is not there.
    ///
    /// [`wait4(2)`]: https://man7.org/linux/man-pages/man2/wait.2.html
    pub fn wait(&self, caller: &Task, spec: &WaitSpec) -> Result<Option<WaitEvent>, Errno> {
        let o = spec.options;
        if !o.intersects(WaitOptions::EXITED | WaitOptions::STOPPED | WaitOptions::CONTINUED) {
            return Err(Errno::EINVAL);
        }
        let mut guard = self.tree.lock();
        let tree = &mut *guard;
        let me = tree.group_of(caller).ok_or(Errno::ECHILD)?;
        let ns = caller.pid_ns();
        let pgrp = match &spec.which {
            WaitWhich::Pgrp(None) => Some(me.pgrp.clone()),
            WaitWhich::Pgrp(Some(n)) => Some(tree.node(&ns, *n).ok_or(Errno::ECHILD)?),
            _ => None,
        };
        let matches = |pid: &PidNode, group_pgrp: &PidNode| match &spec.which {
            WaitWhich::Any => true,
            WaitWhich::Pid(n) => n.0 > 0 && pid.in_ns(&ns) == *n,
            WaitWhich::Pgrp(_) => pgrp.as_ref().is_some_and(|p| p.id == group_pgrp.id),
            WaitWhich::Pidfd(p) => p.id == pid.id,
        };
        let mut found = false;
        let children: Vec<GroupId> = me.children.iter().copied().collect();
        let tracers: Vec<TaskId> =
            if o.contains(WaitOptions::NOTHREAD) { alloc::vec![caller.id()] } else { me.threads.clone() };
        for c in children {
            let Some(g) = tree.groups.get(&c) else { continue };
            if o.contains(WaitOptions::NOTHREAD) && g.parent != Some(caller.id())
                || !matches(g.group.pid(), &g.pgrp)
            {
                continue;
            }
            let clone = g.exit_signal != Some(Signal::CHLD);
            if !o.contains(WaitOptions::ALL) && clone != o.contains(WaitOptions::CLONE) {
                continue;
            }
            // One that is dead will not stop or go on any more.
            found |= g.dead.is_none() || o.contains(WaitOptions::EXITED);
            let tracer = tree.tasks.get(&g.leader).and_then(|t| t.tracer);
            let foreign =
                tracer.is_some_and(|t| tree.tasks.get(&t).is_some_and(|t| t.group != caller.group().id()));
            if let Some(status) = g.dead {
                if o.contains(WaitOptions::EXITED) && !g.deferred && !foreign {
                    return Ok(Some(self.report_death(tree, caller, c, status, o)));
                }
                continue;
            }
            // What is traced by its own parent's process reports to the tracer only.
            if tracer.is_some() && !foreign {
                continue;
            }
            let mut sigs = g.group.signals.lock();
            let keep = o.contains(WaitOptions::NOWAIT);
            let change = if let Some(s) = sigs.stop_report.filter(|_| o.contains(WaitOptions::STOPPED)) {
                if !keep {
                    sigs.stop_report = None;
                }
                Some((code::CLD_STOPPED, s.number(), (s.number() as u32) << 8 | 0x7f))
            } else if sigs.cont_report && o.contains(WaitOptions::CONTINUED) {
                sigs.cont_report = keep;
                Some((code::CLD_CONTINUED, Signal::CONT.number(), WCONTINUED_STATUS))
            } else {
                None
            };
            drop(sigs);
            if let Some((code, status, wstatus)) = change {
                return Ok(Some(self.event(tree, caller, g.leader, code, status, wstatus)));
            }
        }
        let tracees: Vec<TaskId> = tracers
            .iter()
            .filter_map(|t| tree.tasks.get(t))
            .flat_map(|t| t.tracees.iter().copied())
            .collect();
        for id in tracees {
            let Some(t) = tree.tasks.get(&id) else { continue };
            let Some(g) = tree.groups.get(&t.group) else { continue };
            if !matches(&t.task.pid(), &g.pgrp) {
                continue;
            }
            found = true;
            let is_leader = g.leader == id;
            if let Some(status) = t.zombie {
                if is_leader {
                    let (gid, group) = (t.group, caller.group().id());
                    let own = tree.parent_group(g).is_some_and(|p| p.group.id() == group);
                    if g.dead.is_none() || own || !o.contains(WaitOptions::EXITED) {
                        continue;
                    }
                    let (code, st) = status.child_code();
                    let event = self.event(tree, caller, id, code, st, status.wait_status());
                    if !o.contains(WaitOptions::NOWAIT) {
                        crate::ptrace::unlink(tree, id);
                        self.notify_death(tree, gid);
                    }
                    return Ok(Some(event));
                }
                if !o.contains(WaitOptions::EXITED) {
                    continue;
                }
                let (code, st) = status.child_code();
                let event = self.event(tree, caller, id, code, st, status.wait_status());
                if !o.contains(WaitOptions::NOWAIT) {
                    tree.release_task(id);
                }
                return Ok(Some(event));
            }
            let mut sigs = g.group.signals.lock();
            let trace = sigs.threads.get_mut(&id).and_then(|t| t.trace.as_mut());
            if let Some(c) = trace.and_then(|t| t.report(!o.contains(WaitOptions::NOWAIT))) {
                drop(sigs);
                return Ok(Some(self.event(tree, caller, id, code::CLD_TRAPPED, c as i32, c << 8 | 0x7f)));
            }
        }
        if found { Ok(None) } else { Err(Errno::ECHILD) }
    }
    fn event(
        &self,
        tree: &Tree,
        caller: &Task,
        id: TaskId,
        code: i32,
        status: i32,
        wstatus: u32,
    ) -> WaitEvent {
        let task = tree.tasks.get(&id).map(|t| &t.task);
        WaitEvent {
            pid: task.map_or(Pid(0), |t| t.tid_in(&caller.pid_ns())),
            uid: task.map_or(Uid::ROOT, |t| t.cred().uid),
            wstatus,
            status,
            code,
            rusage: task.map_or(Rusage::default(), |t| Rusage::at_rest(t)),
        }
    }
    fn report_death(
        &self,
        tree: &mut Tree,
        caller: &Task,
        gid: GroupId,
        status: ExitStatus,
        o: WaitOptions,
    ) -> WaitEvent {
        let (leader, usage) = tree
            .groups
            .get(&gid)
            .map_or((TaskId(0), Default::default()), |g| (g.leader, *g.group.usage.lock()));
        let (code, st) = status.child_code();
        let mut event = self.event(tree, caller, leader, code, st, status.wait_status());
        event.rusage = usage.dead_threads;
        event.rusage.add(&usage.children);
        if !o.contains(WaitOptions::NOWAIT) {
            caller.group().usage.lock().children.add(&event.rusage);
            self.reap(tree, gid);
        }
        event
    }
}
