//! Which tasks the arguments of a system call name.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::cred::{Cap, Credentials};
use kcore::id::Pid;
use task::Task;

use crate::current::CurrentTask;

/// What a number names in calls that mean one task or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A thread.
    Process,
    /// All of a process group.
    Group,
    /// All of a user.
    User,
}

impl CurrentTask {
    /// The thread that `pid` names; 0 is the caller. Errors: `ESRCH`.
    pub(super) fn other_task(&self, pid: Pid) -> Result<Arc<Task>, Errno> {
        if pid.0 == 0 {
            return Ok(self.task.core.clone());
        }
        self.kernel.processes().task(&self.task.core.pid_ns(), pid).ok_or(Errno::ESRCH)
    }
    /// The threads that `who` names; 0 is the caller, its group, its user. None if there are none.
    pub(super) fn tasks_of(&self, which: Who, who: i32) -> Vec<Arc<Task>> {
        let processes = self.kernel.processes();
        match which {
            Who::Process => self.other_task(Pid(who)).into_iter().collect(),
            Who::Group => {
                let ns = self.task.core.pid_ns();
                let pgrp = if who == 0 {
                    processes.pgrp(self.task.core.group())
                } else {
                    processes.pid(&ns, Pid(who))
                };
                let Some(pgrp) = pgrp else { return Vec::new() };
                let in_group =
                    |t: &Arc<Task>| processes.pgrp(t.group()).is_some_and(|p| Arc::ptr_eq(&p, &pgrp));
                processes.tasks().into_iter().filter(in_group).collect()
            }
            Who::User => {
                let cred = self.task.cred();
                let uid = if who == 0 { Some(cred.uid) } else { cred.user_ns.uid(who.cast_unsigned()) };
                let ns = self.task.core.pid_ns();
                let seen = |t: &Arc<Task>| Some(t.cred().uid) == uid && t.tid_in(&ns).0 != 0;
                processes.tasks().into_iter().filter(seen).collect()
            }
        }
    }
}

/// Whether `me` may change how `it` is scheduled: the same user, or `CAP_SYS_NICE`.
pub(super) fn may_schedule(me: &Credentials, it: &Credentials) -> bool {
    me.euid == it.euid || me.euid == it.uid || me.has_cap_in(Cap::SysNice, &it.user_ns)
}
