//! What files of namespaces answer, [`ioctl_nsfs(2)`](https://man7.org/linux/man-pages/man2/ioctl_nsfs.2.html).

use alloc::sync::Arc;

use abi::Errno;
use abi::fs::ioctl::{
    NS_GET_NSTYPE, NS_GET_OWNER_UID, NS_GET_PARENT, NS_GET_PID_FROM_PIDNS, NS_GET_PID_IN_PIDNS,
    NS_GET_TGID_FROM_PIDNS, NS_GET_TGID_IN_PIDNS, NS_GET_USERNS,
};
use kcore::addr::GuestAddr;
use kcore::id::Pid;
use task::PidNamespace;

use super::super::SysResult;
use super::super::args::low_int;
use crate::current::CurrentTask;
use crate::namespace::{Namespace, NamespaceFile};

/// Errors: `ENOTTY` for unknown requests; `EINVAL` for namespaces that have no such thing; `EPERM` for namespaces outside of the
/// caller's own; `ESRCH`.
pub(in crate::syscall) fn namespace_ioctl(
    cx: &CurrentTask,
    ns: &Namespace,
    request: u32,
    arg: u64,
) -> SysResult {
    match (request, ns) {
        (NS_GET_NSTYPE, _) => Ok(ns.flag()),
        (NS_GET_USERNS, _) => {
            let owner = ns.owner(cx.kernel.user_ns()).ok_or(Errno::EPERM)?;
            if !owner.is_inside(&cx.task.cred().user_ns) {
                return Err(Errno::EPERM);
            }
            open(cx, Namespace::User(owner))
        }
        (NS_GET_PARENT, Namespace::Pid(pids)) => {
            let parent = pids.parent().ok_or(Errno::EPERM)?;
            if !cx.task.core.pid_ns().contains(parent) {
                return Err(Errno::EPERM);
            }
            open(cx, Namespace::Pid(parent.clone()))
        }
        (NS_GET_PARENT, Namespace::User(user)) => {
            let parent = user.parent.as_ref().ok_or(Errno::EPERM)?;
            if !parent.is_inside(&cx.task.cred().user_ns) {
                return Err(Errno::EPERM);
            }
            open(cx, Namespace::User(parent.clone()))
        }
        (NS_GET_OWNER_UID, Namespace::User(user)) => {
            let owner = cx.task.cred().user_ns.show_uid(user.owner.unwrap_or(kcore::id::Uid::ROOT));
            cx.put(GuestAddr(arg), &owner).map(|()| 0)
        }
        (NS_GET_PID_FROM_PIDNS, Namespace::Pid(p)) => number(cx, (p, &cx.task.core.pid_ns()), false, arg),
        (NS_GET_TGID_FROM_PIDNS, Namespace::Pid(p)) => number(cx, (p, &cx.task.core.pid_ns()), true, arg),
        (NS_GET_PID_IN_PIDNS, Namespace::Pid(p)) => number(cx, (&cx.task.core.pid_ns(), p), false, arg),
        (NS_GET_TGID_IN_PIDNS, Namespace::Pid(p)) => number(cx, (&cx.task.core.pid_ns(), p), true, arg),
        (NS_GET_PARENT | NS_GET_OWNER_UID, _) => Err(Errno::EINVAL),
        (NS_GET_PID_FROM_PIDNS | NS_GET_TGID_FROM_PIDNS | NS_GET_PID_IN_PIDNS | NS_GET_TGID_IN_PIDNS, _) => {
            Err(Errno::EINVAL)
        }
        _ => Err(Errno::ENOTTY),
    }
}

fn open(cx: &CurrentTask, ns: Namespace) -> SysResult {
    let number = cx.kernel.namespace_numbers().of(&ns);
    cx.install(NamespaceFile::open(ns, number), true)
}

/// What a thread (or its process) with number `arg` in one namespace is in the other. Errors: `ESRCH`.
fn number(
    cx: &CurrentTask,
    (from, to): (&Arc<PidNamespace>, &Arc<PidNamespace>),
    process: bool,
    arg: u64,
) -> SysResult {
    let task = cx.kernel.processes().task(from, Pid(low_int(arg))).ok_or(Errno::ESRCH)?;
    let n = if process { task.group().tgid_in(to) } else { task.tid_in(to) };
    u64::try_from(n.0).ok().filter(|n| *n > 0).ok_or(Errno::ESRCH)
}
