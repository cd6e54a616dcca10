//! What a platform may answer for a task without a trap.

use platform::Identity;

use crate::current::CurrentTask;

impl CurrentTask {
    /// Who the task is, as its own system calls would say, as far as nobody else has a say in them. Whoever changes what is said here has the
    /// task forget it: see [`task::Task::set_forget`].
    pub(crate) fn identity(&self) -> Identity {
        let core = &self.task.core;
        if core.has_entry_work() || self.kernel.strace().is_some() {
            return Identity::default();
        }
        let cred = core.cred();
        let ns = &cred.user_ns;
        let number = |pid: kcore::id::Pid| u32::try_from(pid.0).ok();
        // A number that is not mapped yet may be so later. One that is mapped stays so.
        Identity {
            pid: number(core.group().tgid()),
            tid: number(core.tid()),
            ppid: number(self.kernel.processes().ppid(core)),
            uid: ns.inside_uid(cred.uid),
            euid: ns.inside_uid(cred.euid),
            gid: ns.inside_gid(cred.gid),
            egid: ns.inside_gid(cred.egid),
        }
    }
}
