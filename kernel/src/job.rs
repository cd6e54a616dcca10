//! Process groups, sessions and callers as terminals see them.

use alloc::sync::Arc;
use core::any::Any;

use abi::Errno;
use kcore::id::Pid;
use kcore::job::{ControllingTty, JobCaller, ProcessGroup, Session};
use task::signal::{SigInfo, Signal};
use task::{PidNamespace, PidNode, ProcessTable, ThreadGroup};
use vfs::tty::Terminal;

use crate::current::CurrentTask;

/// A process group or session of this kernel: the identity that it has, whoever is in it.
struct Members {
    processes: Arc<ProcessTable>,
    pid: Arc<PidNode>,
}

impl Members {
    fn new(cx: &CurrentTask, pid: Arc<PidNode>) -> Arc<Members> {
        Arc::new(Members { processes: cx.kernel.processes().clone(), pid })
    }
}

impl ProcessGroup for Members {
    fn id(&self) -> u64 {
        self.pid.id()
    }
    fn signal(&self, sig: i32) {
        let Some(info) = Signal::new(sig).map(SigInfo::kernel) else { return };
        // Nobody may be left to take it.
        self.processes.send_to_pgrp(&self.pid, info).ok();
    }
}

impl Session for Members {
    fn id(&self) -> u64 {
        self.pid.id()
    }
    fn hang_up(&self, foreground: Option<&dyn ProcessGroup>) {
        self.processes.hang_up_session(&self.pid, foreground.and_then(node));
    }
    fn forget_tty(&self) {
        self.processes.forget_tty(&self.pid);
    }
}

/// The number of a process's controlling terminal and the foreground group of that as `ns` numbers it; 0 and -1 without one.
pub(crate) fn tty_numbers(
    processes: &ProcessTable,
    group: &ThreadGroup,
    ns: &Arc<PidNamespace>,
) -> (u64, i32) {
    let tty = processes.controlling_tty(group).and_then(Terminal::of);
    let Some(tty) = tty else { return (0, -1) };
    let foreground = tty.foreground().and_then(|f| node(&*f));
    (tty.rdev(), foreground.map_or(-1, |p| p.in_ns(ns).0))
}

/// The identity behind a group that this kernel gave to a terminal.
fn node(group: &dyn ProcessGroup) -> Option<Arc<PidNode>> {
    let any: &dyn Any = group;
    any.downcast_ref::<Members>().map(|m| m.pid.clone())
}

/// The number of a process group in `ns`; `Pid(0)` if it cannot be seen there.
pub(crate) fn number_in(group: &dyn ProcessGroup, ns: &Arc<task::PidNamespace>) -> Pid {
    node(group).map_or(Pid(0), |p| p.in_ns(ns))
}

impl JobCaller for CurrentTask {
    fn pgrp(&self) -> Result<Arc<dyn ProcessGroup>, Errno> {
        let pid = self.kernel.processes().pgrp(self.task.core.group()).ok_or(Errno::ESRCH)?;
        Ok(Members::new(self, pid))
    }
    fn session(&self) -> Result<Arc<dyn Session>, Errno> {
        let pid = self.kernel.processes().session(self.task.core.group()).ok_or(Errno::ESRCH)?;
        Ok(Members::new(self, pid))
    }
    fn is_session_leader(&self) -> bool {
        self.kernel.processes().is_session_leader(self.task.core.group())
    }
    fn controlling_tty(&self) -> Option<ControllingTty> {
        self.kernel.processes().controlling_tty(self.task.core.group())
    }
    fn set_controlling_tty(&self, tty: Option<ControllingTty>) {
        self.kernel.processes().set_controlling_tty(self.task.core.group(), tty);
    }
    fn own_pgrp(&self, n: Pid) -> Result<Arc<dyn ProcessGroup>, Errno> {
        let pid = self.kernel.processes().own_pgrp(&self.task.core, n)?;
        Ok(Members::new(self, pid))
    }
    fn pgrp_number(&self, pgrp: &dyn ProcessGroup) -> Pid {
        number_in(pgrp, &self.task.core.pid_ns())
    }
    fn session_number(&self, session: &dyn Session) -> Pid {
        let any: &dyn Any = session;
        any.downcast_ref::<Members>().map_or(Pid(0), |m| m.pid.in_ns(&self.task.core.pid_ns()))
    }
}
