//! [`unshare(2)`](https://man7.org/linux/man-pages/man2/unshare.2.html).

use alloc::sync::Arc;

use abi::Errno;
use abi::task::clone::*;

use super::super::SysResult;
use super::make::make;
use crate::current::CurrentTask;

const KNOWN: u64 = CLONE_THREAD
    | CLONE_FS
    | CLONE_NEWNS
    | CLONE_SIGHAND
    | CLONE_VM
    | CLONE_FILES
    | CLONE_SYSVSEM
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWNET
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWCGROUP
    | CLONE_NEWTIME;

/// `unshare(2)`. Errors: `EINVAL` for unknown flags, for what threads cannot have for themselves, and for a second pid namespace; as
/// [`make`].
pub(in crate::syscall) fn unshare(cx: &mut CurrentTask, flags: u64) -> SysResult {
    let mut flags = flags;
    // What one of them needs, the others bring.
    for (flag, needs) in [
        (CLONE_NEWUSER, CLONE_THREAD | CLONE_FS),
        (CLONE_VM, CLONE_SIGHAND),
        (CLONE_SIGHAND, CLONE_THREAD),
        (CLONE_NEWNS, CLONE_FS),
        (CLONE_NEWIPC, CLONE_SYSVSEM),
    ] {
        if flags & flag != 0 {
            flags |= needs;
        }
    }
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let threads = cx.task.core.group().thread_count();
    if flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) != 0 && threads > 1
        || flags & CLONE_VM != 0 && !cx.task.is_last_in_memory()
        || flags & CLONE_NEWPID != 0 && !Arc::ptr_eq(&cx.task.parts().pids, &cx.task.core.pid_ns())
    {
        return Err(Errno::EINVAL);
    }
    let made = make(&cx.kernel, cx.task.parts(), &cx.task.cred(), flags)?;
    if flags & CLONE_SYSVSEM != 0 {
        super::super::ipc::renew_undo(cx);
    }
    if flags & CLONE_FILES != 0 {
        cx.task.unshare_files();
    }
    let fs = match made.fs {
        None if flags & CLONE_FS != 0 => Some(cx.task.fs().fork()),
        fs => fs,
    };
    cx.task.change_parts(|p| {
        p.fs = fs.unwrap_or_else(|| p.fs.clone());
        p.uts = made.uts.unwrap_or_else(|| p.uts.clone());
        p.ipc = made.ipc.unwrap_or_else(|| p.ipc.clone());
        p.pids = made.pids.unwrap_or_else(|| p.pids.clone());
    });
    if let Some(cred) = made.cred {
        cx.task.set_cred(cred);
    }
    Ok(0)
}
