//! [`setns(2)`](https://man7.org/linux/man-pages/man2/setns.2.html).

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use abi::task::clone::*;
use kcore::cred::{Cap, Credentials};
use kcore::id::Fd;
use vfs::FsContext;

use super::super::SysResult;
use super::make::{NOT_MADE, in_user_namespace};
use crate::current::CurrentTask;
use crate::namespace::{Namespace, NamespaceFile};
use crate::pidfd::Pidfd;
use crate::ptrace_access::{AccessMode, may_access};
use crate::task::{Parts, Resources};

/// `setns(2)`. Errors: `EBADF`; `EINVAL` for another kind of file or namespace, and where the task cannot enter; `EPERM`; `ESRCH` for a
/// pidfd of a process that has ended.
pub(in crate::syscall) fn setns(cx: &mut CurrentTask, fd: Fd, kinds: u32) -> SysResult {
    let kinds = u64::from(kinds);
    let file = cx.task.files().get_open(fd)?;
    let entered = if let Some(f) = file.ops_as::<NamespaceFile>() {
        if kinds != 0 && kinds != f.namespace().flag() {
            return Err(Errno::EINVAL);
        }
        alloc::vec![f.namespace().clone()]
    } else if let Some(pidfd) = file.ops_as::<Pidfd>() {
        of_process(cx, pidfd, kinds)?
    } else {
        return Err(Errno::EINVAL);
    };
    // All of them, or none: the checks come first.
    let shares_fs = cx.task.shares_fs();
    let mut cred = cx.task.cred();
    let mut parts = cx.task.parts().clone();
    let (old_cred, old_ipc) = (cred.clone(), parts.ipc.clone());
    for ns in &entered {
        enter(cx, ns, shares_fs, &mut parts, &mut cred)?;
    }
    if !Arc::ptr_eq(&parts.ipc, &old_ipc) {
        super::super::ipc::renew_undo(cx);
        parts.undo = cx.task.parts().undo.clone();
    }
    cx.task.change_parts(|p| *p = parts);
    if !Arc::ptr_eq(&cred, &old_cred) {
        cx.task.set_cred(cred);
    }
    Ok(0)
}

/// The namespaces of a process, of the kinds that `kinds` names, the user namespace first: it gives the rights for the others.
fn of_process(cx: &CurrentTask, pidfd: &Pidfd, kinds: u64) -> Result<Vec<Namespace>, Errno> {
    const KNOWN: u64 = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWUSER;
    if kinds == 0 || kinds & !(KNOWN | NOT_MADE) != 0 {
        return Err(Errno::EINVAL);
    }
    if kinds & NOT_MADE != 0 {
        return Err(Errno::EINVAL);
    }
    let to = cx.kernel.processes().task_of(&pidfd.target()?.pid).ok_or(Errno::ESRCH)?;
    may_access(&cx.task.cred(), Some(&cx.task.core), &to, AccessMode::Real).map_err(|_| Errno::EPERM)?;
    let parts = to.resources::<Resources>().and_then(Resources::parts).ok_or(Errno::ESRCH)?;
    let all = [
        Namespace::User(to.cred().user_ns.clone()),
        Namespace::Mount(parts.fs.view().ns.clone()),
        Namespace::Uts(parts.uts),
        Namespace::Ipc(parts.ipc),
        Namespace::Pid(to.pid_ns()),
    ];
    Ok(all.into_iter().filter(|ns| kinds & ns.flag() != 0).collect())
}

fn enter(
    cx: &CurrentTask,
    ns: &Namespace,
    shares_fs: bool,
    parts: &mut Parts,
    cred: &mut Arc<Credentials>,
) -> Result<(), Errno> {
    if let Namespace::User(user) = ns {
        let alone = cx.task.core.group().thread_count() == 1;
        if Arc::ptr_eq(user, &cred.user_ns) || !alone || shares_fs {
            return Err(Errno::EINVAL);
        }
        if !cred.has_cap_in(Cap::SysAdmin, user) {
            return Err(Errno::EPERM);
        }
        *cred = Arc::new(in_user_namespace(cred, user.clone()));
        return Ok(());
    }
    let owner = ns.owner(cx.kernel.user_ns()).ok_or(Errno::EPERM)?;
    if !cred.has_cap_in(Cap::SysAdmin, &owner) || !cred.has_cap(Cap::SysAdmin) {
        return Err(Errno::EPERM);
    }
    match ns {
        Namespace::Uts(uts) => parts.uts = uts.clone(),
        Namespace::Ipc(ipc) => parts.ipc = ipc.clone(),
        Namespace::Mount(mounts) => {
            if !cred.has_cap(Cap::SysChroot) {
                return Err(Errno::EPERM);
            }
            if shares_fs || cx.task.core.group().thread_count() > 1 {
                return Err(Errno::EINVAL);
            }
            let fresh = FsContext::new(mounts.clone());
            fresh.set_umask(parts.fs.umask());
            parts.fs = fresh;
        }
        Namespace::Pid(pids) => {
            if !cx.task.core.pid_ns().contains(pids) {
                return Err(Errno::EINVAL);
            }
            parts.pids = pids.clone();
        }
        Namespace::User(_) => {}
    }
    Ok(())
}
