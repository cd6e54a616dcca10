//! Who may look into another process, "Ptrace access mode checking" of
//! [`ptrace(2)`](https://man7.org/linux/man-pages/man2/ptrace.2.html).

use abi::Errno;
use kcore::cred::{Cap, CapSet};
use task::Task;

/// With which identity somebody looks. Reading and controlling are the same here: they differ for security modules only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    /// By the file-system user: `/proc/PID/…`.
    #[expect(dead_code, reason = "procfs asks so")]
    Fs,
    /// By the real user: `ptrace(2)`, `process_vm_readv(2)`, `pidfd_getfd(2)`, `kcmp(2)`.
    Real,
}

/// Whether `me` may look into `it`. Errors: `EPERM`.
pub(crate) fn may_access(me: &Task, it: &Task, mode: AccessMode) -> Result<(), Errno> {
    if me.group().id() == it.group().id() {
        return Ok(());
    }
    let (mine, theirs) = (me.cred(), it.cred());
    let (uid, gid, caps) = if mode == AccessMode::Real {
        (mine.uid, mine.gid, mine.permitted)
    } else {
        (mine.fsuid, mine.fsgid, mine.effective)
    };
    let same = [theirs.euid, theirs.suid, theirs.uid] == [uid; 3]
        && [theirs.egid, theirs.sgid, theirs.gid] == [gid; 3];
    let privileged = mine.has_cap_in(Cap::SysPtrace, &theirs.user_ns);
    if !same && !privileged {
        return Err(Errno::EPERM);
    }
    const DUMPABLE: u32 = 1;
    if it.group().dumpable() != DUMPABLE && !privileged {
        return Err(Errno::EPERM);
    }
    // Nobody looks into a process that may do more than he.
    let covers = |caps: CapSet| {
        alloc::sync::Arc::ptr_eq(&mine.user_ns, &theirs.user_ns) && theirs.permitted.is_subset(caps)
    };
    if covers(caps) || privileged { Ok(()) } else { Err(Errno::EPERM) }
}
